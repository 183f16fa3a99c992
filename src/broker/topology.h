/*-------------------------------------------------------------------------
 *
 * topology.h
 *	  Exchange, queue and bindings, which the service finds or declares.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_TOPOLOGY_H
#define CDR_TOPOLOGY_H

#include "base/message.h"
#include "broker/bindings.h"
#include "broker/facts.h"
#include "broker/session.h"
#include "broker/warnings.h"

/*
 * What was found out about exchange and queue.  It outlives a session: what is
 * known need not be asked for again, and what the broker forbade to ask for
 * stays forbidden, until the settings change.
 */
typedef struct CdrTopology
{
	CdrFacts	 queue;
	CdrFacts	 exchange;
	bool		 queue_forbidden;
	bool		 exchange_forbidden;
	bool		 may_drop; /* messages, for all that is known */
	bool		 queue_declared;
	bool		 exchange_declared; /* by us, and nothing has come since */
	CdrBindings	 bindings;
	CdrWarnings *warnings; /* the owner's */
} CdrTopology;

/* Nothing is known yet.  Warnings go to warnings, which must live as long. */
extern void cdr_topology_init(CdrTopology *topology, CdrWarnings *warnings);

/* The settings of the sessions to come are others. */
extern void cdr_topology_forget(CdrTopology *topology);

/*
 * Makes sure that there is a queue to consume from, and an exchange bound to
 * it if one is named.  The channel of the session is open, and stays so.
 * Warns of what events have to fear of them.
 * False, with the reason noted in the session, if that cannot be, or the queue
 * is one that must not be consumed from.
 */
extern bool cdr_topology_ensure(CdrSession *session, CdrTopology *topology);

/*
 * Makes the bindings of the session again, if it has made any.  Sends only, and
 * waits for no answer.
 */
extern bool cdr_topology_renew(CdrSession *session);

/*
 * Looks at a message for what it says about its queue: that it delivers too
 * often what it may drop, that it has bindings of others, that there is a
 * publisher.
 */
extern void cdr_topology_note_delivery(CdrTopology			   *topology,
									   const CdrBrokerSettings *settings,
									   const CdrMessage		   *message);

#endif /* CDR_TOPOLOGY_H */
