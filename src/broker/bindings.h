/*-------------------------------------------------------------------------
 *
 * bindings.h
 *	  The bindings between the exchange and the queue of a session.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_BINDINGS_H
#define CDR_BINDINGS_H

#include "broker/session.h"

/* What this process has bound last, to be unbound when it is not wanted. */
typedef struct CdrBindings
{
	MemoryContext context; /* of the texts */
	char		 *queue;   /* NULL: nothing yet */
	char		 *exchange;
	char		 *keys;
	char		 *former; /* keys that were bound earlier; NULL: none */
} CdrBindings;

/* Nothing is bound yet; the texts will be in the current memory context. */
extern void cdr_bindings_init(CdrBindings *bindings);

/*
 * Binds the queue of the session for each key of cdr_service.binding_keys, and
 * removes what this process has bound before and is not wanted any more.
 * False, with the reason noted in the session, if that cannot be.
 */
extern bool cdr_bindings_ensure(CdrSession *session, CdrBindings *bindings);

/*
 * Binds the queue anew for each of these keys, in case that somebody has removed
 * a binding, and awaits no answer: if exchange or queue are gone, the broker
 * closes the channel.
 */
extern bool cdr_bindings_renew(CdrSession *session);

/*
 * Does a key let the routing key through, one that is bound or was earlier?  (Of
 * those some events may be left.)
 */
extern bool
cdr_bindings_match(const CdrBindings *bindings, const char *routing_key);

#endif /* CDR_BINDINGS_H */
