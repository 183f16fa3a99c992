/*-------------------------------------------------------------------------
 *
 * login.h
 *	  Where and as whom to log in, and the login: from a connection to an
 *	  open channel.
 *
 * A function that returns false has left the reason in the session; it never
 * holds any part of a URI but the host, nor of a password.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_LOGIN_H
#define CDR_LOGIN_H

#include "broker/password.h"
#include "broker/session.h"

/* What a URI says, with the settings beside it. */
typedef struct CdrServer
{
	const char *host;
	int			port;
	bool		tls;
	const char *vhost;
	bool		by_certificate; /* who logs in, else: */
	const char *user;
	const char *password;
	char		secret[CDR_PASSWORD_MAX + 1]; /* that of the password file */
} CdrServer;

/* The URIs of cdr_service.amqp_uri, in the current context; how many. */
extern int
cdr_login_split_uris(const CdrBrokerSettings *settings, char ***uris);

/* Reads one URI; the strings are in the current context. */
extern bool
cdr_login_parse_uri(CdrSession *session, const char *uri, CdrServer *server);

/*
 * Reads the password file, if there is one and it is needed.  Whoever calls
 * this clears the struct when the login is over.
 */
extern bool cdr_login_read_password(CdrSession *session, CdrServer *server);

/*
 * Logs in over a connection that has just been made, and opens the channel.
 * name is how the connection shows on the broker.
 */
extern bool
cdr_login(CdrSession *session, const CdrServer *server, const char *name);

#endif /* CDR_LOGIN_H */
