/*-------------------------------------------------------------------------
 *
 * socket.h
 *	  A TCP connection that never blocks, and the one set of events that the
 *	  worker waits for: its latch, that connection, the postmaster's death.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_SOCKET_H
#define CDR_SOCKET_H

#include "storage/latch.h"

#include "base/reason.h"

typedef struct CdrSocket
{
	pgsocket	  fd; /* PGINVALID_SOCKET: not open */
	WaitEventSet *events;
	uint32		  mask;	   /* the socket events that are waited for */
	bool		  counted; /* among the server's external descriptors */
} CdrSocket;

extern void cdr_socket_init(CdrSocket *s);

/*
 * Connects to the first address of host that answers.  user_timeout is how
 * long, in milliseconds, sent data may stay unacknowledged before the kernel
 * gives up.  False, with the reason, if nobody answers within timeout milliseconds an address.  Interrupts are
 * served meanwhile; a FATAL one leaves the process.
 */
extern bool
cdr_socket_open(CdrSocket *s, const char *host, int port, long timeout,
				long user_timeout, CdrReasonBuffer *reason);

/*
 * Waits until one of the socket events (WL_SOCKET_*) happens or the latch is
 * set, at most timeout milliseconds; without an open socket, or for no event,
 * for the latch.
 * Serves interrupts.  Returns the socket events that happened, 0 for none.
 */
extern uint32 cdr_socket_wait(CdrSocket *s, uint32 events, long timeout);

/* Closes the connection; harmless if there is none. */
extern void cdr_socket_close(CdrSocket *s);

#endif /* CDR_SOCKET_H */
