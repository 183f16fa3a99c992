/*-------------------------------------------------------------------------
 *
 * topology.h
 *	  Exchange, queue and bindings, which the service finds or declares.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_TOPOLOGY_H
#define CDR_TOPOLOGY_H

#include "broker/broker.h"

/*
 * Makes sure that there is a queue to consume from, and an exchange bound to
 * it if one is named.  The channel of the session is open, and stays so.  Sets
 * the session's warning, if the queue may drop messages.
 * False, with the reason noted in the session, if that cannot be.
 */
extern bool cdr_topology_ensure(CdrBroker *broker);

/*
 * Notes that a message came which its queue has delivered so many times
 * before: warns, if that may be too often for a queue that may drop it.
 */
extern void cdr_topology_note_delivery(CdrBroker *broker, int64 count);

#endif /* CDR_TOPOLOGY_H */
