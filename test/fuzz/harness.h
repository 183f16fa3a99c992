/*-------------------------------------------------------------------------
 *
 * harness.h
 *	  Runs the parsers over one input and holds them to what they promise.
 *
 * A broken promise ends the program with abort(), after a line on stderr:
 * the fuzzer then keeps the input, and `make check` fails.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HARNESS_H
#define HARNESS_H

#include "call/causes.h"
#include "event/event.h"

/* The times that the harness gives to a message without a time of its own. */
#define HARNESS_RECEIVED_AT	  INT64CONST(789000000000000)
#define HARNESS_PROPERTY_TIME INT64CONST(788000000000000)

/*
 * Reads a body as an event under the default settings, into *event, and checks
 * the outcome; also checks it under other settings.  What *event points to is
 * valid until arena_reset().
 */
extern bool harness_event(const char *body, size_t length, CdrEvent *event);

/*
 * The same of a message with properties; NULL where it has none.  What is read
 * as Protobuf is also shown as JSON, and has to say the same as that.
 */
extern bool
harness_message(const char *body, size_t length, const char *routing_key,
				const char *content_type, CdrEvent *event);

/*
 * The same of a message with headers, as JSON.  What is read out of an envelope
 * keeps its identity whatever else is around it.
 */
extern bool
harness_headed(const char *body, size_t length, const char *routing_key,
			   const char *content_type, const char *headers, CdrEvent *event);

/* One of the content types for the fuzzer; NULL: none. */
extern const char *harness_content_type(int number);

/* Shows a body as JSON, checks it; NULL where it is no Protobuf. */
extern const char *
harness_show(const char *body, size_t length, const char *type);

/* Does a body begin with the byte order mark of UTF-8? */
static inline bool
harness_has_mark(const char *body, size_t length)
{
	return length >= 3 && strncmp(body, "\xef\xbb\xbf", 3) == 0;
}

/* Shows an event that was read as Protobuf, and reads that. */
extern void harness_protobuf(const CdrMessage *message, const CdrEvent *event);

/*
 * An event that was read as JSON says of its type, call and trace what the
 * server says that they are.
 */
extern void harness_json(const CdrMessage *message, const CdrEvent *event);

/* Reads a message again with notes, and has them told; event: without notes. */
extern void
harness_explain(const CdrMessage *message, const CdrEventOptions *options,
				const CdrEvent *event);

/* What two events say must be the same, apart from where it comes from. */
extern void harness_same_facts(const CdrEvent *a, const CdrEvent *b);

/*
 * A body that is packed, in each way, is the same event; cut off, it is none.
 */
extern void harness_pack(const char *body, size_t length);

/* Reads what somebody packed, or says that he did, and checks the outcome. */
extern void
harness_unpack(const char *body, size_t length, const char *content_encoding,
			   const char *content_type, const char *type, CdrEvent *event);

/* Reads application properties of AMQP 1.0, checks them. */
extern void harness_amqp10_properties(const char *bytes, size_t length);

/* Reads a value of each type that is known; returns how many. */
extern int harness_amqp10_values(void);

/* Reads a number out of a URI, checks it; NULL where there is none. */
extern const char *harness_number(const char *uri);

/* Finds the cause of a name, checks it; NULL where there is none. */
extern const CdrCause *harness_cause(const char *name);

/*
 * Reads a timestamp, checks it, also in other spellings; false where it is
 * none.  One that was never set is CDR_NO_TIME.
 */
extern bool harness_timestamp(const char *text, TimestampTz *time);

/* Can that be a time of a body, which was set? */
extern bool harness_is_set(TimestampTz time);

/*
 * Reads the first day of every month of the years 0002 to 9999, and the last
 * of the month before it; returns how many days that were.
 */
extern int harness_calendar(void);

/*
 * Reads numbers in all units, also where a unit begins and ends, in a body and
 * as an AMQP property; returns how many.
 */
extern int harness_epochs(void);

/* Computes identities that are known; returns how many. */
extern int harness_identities(void);

/* A time as RFC 3339 text in UTC, by the C library: independent of ours. */
extern const char *harness_print_time(TimestampTz time);

#endif /* HARNESS_H */
