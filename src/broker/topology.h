/*-------------------------------------------------------------------------
 *
 * topology.h
 *	  Exchange, queue and bindings, which the service finds or declares.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_TOPOLOGY_H
#define CDR_TOPOLOGY_H

#include "broker/session.h"

/* What was found out about the queue. */
typedef struct CdrTopology
{
	bool may_not_ask;  /* for its arguments: the broker forbade that, which
						* holds until the settings change */
	bool may_drop;	   /* messages, for all that is known */
	char warning[512]; /* what that gives reason to fear; "": nothing */
} CdrTopology;

/*
 * Makes sure that there is a queue to consume from, and an exchange bound to
 * it if one is named.  The channel of the session is open, and stays so.
 * Finds out anew whether the queue may drop messages, unless may_not_ask says
 * that there is no sense in that.
 * False, with the reason noted in the session, if that cannot be.
 */
extern bool cdr_topology_ensure(CdrSession *session, CdrTopology *topology);

/*
 * Notes that a message came which its queue has delivered so many times
 * before: warns, if that may be too often for a queue that may drop it.
 */
extern void
cdr_topology_note_delivery(CdrTopology			   *topology,
						   const CdrBrokerSettings *settings, int64 count);

#endif /* CDR_TOPOLOGY_H */
