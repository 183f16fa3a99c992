/*-------------------------------------------------------------------------
 *
 * facts.h
 *	  What an exchange or a queue is that somebody else may have declared.
 *
 * AMQP cannot ask for that.  But who declares what exists with other
 * properties is refused, and told the first one that differs and what it is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_FACTS_H
#define CDR_FACTS_H

#include "broker/session.h"

#define CDR_ARGUMENTS_MAX 24

/* An argument, with its value in words. */
typedef struct CdrArgument
{
	char name[64];
	char type[16];	 /* as RabbitMQ calls it */
	char value[256]; /* "": the broker did not say which */
} CdrArgument;

typedef struct CdrFacts
{
	bool		known; /* is all that follows what there is? */
	bool		durable;
	bool		auto_delete;
	bool		internal; /* an exchange's */
	char		type[64]; /* an exchange's; a queue's is an argument */
	int			count;
	CdrArgument arguments[CDR_ARGUMENTS_MAX];
	char		refused[64]; /* the property that was refused last */
} CdrFacts;

typedef enum CdrAnswer
{
	CDR_ANSWERED, /* as far as the broker tells */
	CDR_FORBIDDEN,
	CDR_SESSION_LOST
} CdrAnswer;

/* Adds an argument to those that are assumed; a text, or a whole number. */
extern void
cdr_facts_assume(CdrFacts *facts, const char *name, const char *value);
extern void
cdr_facts_assume_number(CdrFacts *facts, const char *name, int64 value);

/* The argument for a declaration; false if we have no such type. */
extern bool
cdr_facts_encode(const CdrArgument *argument, amqp_table_entry_t *entry);

/* The value of an argument; NULL if there is none. */
extern const char *cdr_facts_argument(const CdrFacts *facts, const char *name);

/*
 * Turns what is assumed of the queue of the session, or of its exchange, into
 * what is true.  If that is what is assumed, the broker refuses nothing.
 */
extern CdrAnswer cdr_facts_of_queue(CdrSession *session, CdrFacts *facts);
extern CdrAnswer cdr_facts_of_exchange(CdrSession *session, CdrFacts *facts);

#endif /* CDR_FACTS_H */
