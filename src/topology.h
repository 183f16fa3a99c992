/*-------------------------------------------------------------------------
 *
 * topology.h
 *	  Exchange, queue and bindings, which the service finds or declares.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_TOPOLOGY_H
#define CDR_TOPOLOGY_H

#include "broker.h"

/*
 * Makes sure that there is a queue to consume from, and an exchange bound to
 * it if one is named.  The channel of the session is open, and stays so.
 * False, with the reason noted in the session, if that cannot be.
 */
extern bool cdr_topology_ensure(CdrBroker *broker);

#endif /* CDR_TOPOLOGY_H */
