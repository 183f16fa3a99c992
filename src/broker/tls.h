/*-------------------------------------------------------------------------
 *
 * tls.h
 *	  TLS over a connection that never blocks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_TLS_H
#define CDR_TLS_H

#include "base/reason.h"
#include "broker/settings.h"
#include "broker/socket.h"

typedef struct CdrTls CdrTls;

/*
 * Shakes hands with the server at the other end of a connected socket, which
 * is known as host, as the settings tls_* say, which must live as long as the
 * connection.  The result is in context; NULL, with the reason, if that fails
 * or takes longer than timeout milliseconds.
 * Interrupts are served meanwhile; a FATAL one leaves the process.
 */
extern CdrTls *
cdr_tls_connect(MemoryContext context, const CdrBrokerSettings *settings,
				CdrSocket *socket, const char *host, long timeout,
				CdrReasonBuffer *reason);

/*
 * Reads or writes as much as is possible at once, at most size bytes.  Returns
 * how many; 0 if none, and then *wanted are the socket events (WL_SOCKET_*)
 * to wait for first, of which a read may want either, and so may a write; -1,
 * with the reason, if the connection is over.
 *
 * After a read of 0, nothing that can be read without more input is left.
 */
extern ssize_t cdr_tls_read(CdrTls *tls, void *buffer, size_t size,
							uint32 *wanted, CdrReasonBuffer *reason);
extern ssize_t cdr_tls_write(CdrTls *tls, const void *buffer, size_t size,
							 uint32 *wanted, CdrReasonBuffer *reason);

/*
 * Forgets the connection, but leaves the socket open; says good-bye to the
 * server, if that does not block, where politely.
 */
extern void cdr_tls_free(CdrTls *tls, bool politely);

#endif /* CDR_TLS_H */
