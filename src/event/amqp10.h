/*-------------------------------------------------------------------------
 *
 * amqp10.h
 *	  What an AMQP 1.0 publisher sent, where a broker hands it on encoded.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_AMQP10_H
#define CDR_AMQP10_H

#include "base/reason.h"
#include "event/json_members.h"

/* The property type of a body that is sections of AMQP 1.0. */
#define CDR_AMQP10_TYPE "amqp-1.0"

/* The header that RabbitMQ 3.10 puts all application properties into. */
#define CDR_AMQP10_PROPERTIES "x-amqp-1.0-app-properties"

/*
 * Finds the text or the bytes in a body of sections: one value, string or binary.
 * They point into the body.  Returns NULL, or why it is none.
 */
extern const CdrReason *
cdr_amqp10_value(const char *body, size_t length, const char **value,
				 size_t *value_length);

/*
 * An application property.  RabbitMQ 3.10 hands all of them on in one header; of
 * later versions, each is a header.
 */
typedef struct CdrAmqp10Property
{
	const char *name;
	const char
		*value; /* of a string, symbol or binary what it says; true, false;
						* a number in decimal, a timestamp as milliseconds since
						* 1970; a UUID as urn:uuid:...; NULL: null, or nothing
						* that a text can hold */
	bool is_time;
} CdrAmqp10Property;

/* In their order; a name may stand there more than once. */
typedef struct CdrAmqp10Properties
{
	int				   count;
	CdrAmqp10Property *properties;
} CdrAmqp10Properties;

/*
 * Reads them, from the section or from the map that is in it; all in the current
 * context.  False, with none, for what is neither: it may be anything.
 */
extern bool cdr_amqp10_application_properties(const char *bytes, size_t length,
											  CdrAmqp10Properties *properties);

/* The same out of the headers of a message; false: not among them. */
extern bool cdr_amqp10_properties_among(const CdrJsonMembers *headers,
										CdrAmqp10Properties	 *properties);

#endif /* CDR_AMQP10_H */
