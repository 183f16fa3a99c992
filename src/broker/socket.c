/*-------------------------------------------------------------------------
 *
 * socket.c
 *	  A TCP connection that never blocks, and the waiting for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <resolv.h>
#include <sys/socket.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/compat.h"
#include "broker/socket.h"

static uint32
wait_event(void)
{
	static uint32 event = 0;

	if (event == 0)
		event = cdr_wait_event("CdrServiceMain");
	return event;
}

void
cdr_socket_init(CdrSocket *s)
{
	s->fd = PGINVALID_SOCKET;
	s->events = NULL;
	s->mask = 0;
	s->counted = false;
}

void
cdr_socket_close(CdrSocket *s)
{
	if (s->events != NULL)
		FreeWaitEventSet(s->events);
	if (s->fd != PGINVALID_SOCKET)
		closesocket(s->fd);
	if (s->counted)
		ReleaseExternalFD();
	cdr_socket_init(s);
}

/* The position of the socket in the event set. */
#define SOCKET_POSITION 0

static void
create_events(CdrSocket *s)
{
	s->mask = WL_SOCKET_READABLE;
	s->events = cdr_create_wait_event_set(3);
	AddWaitEventToSet(s->events, s->mask, s->fd, NULL, NULL);
	AddWaitEventToSet(s->events, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch,
					  NULL);
	AddWaitEventToSet(s->events, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL,
					  NULL);
}

uint32
cdr_socket_wait(CdrSocket *s, uint32 events, long timeout)
{
	WaitEvent occurred[2];
	int		  count;
	uint32	  result = 0;

	if (s->fd == PGINVALID_SOCKET || events == 0)
	{
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 timeout, wait_event());
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		return 0;
	}

	if (s->mask != events)
	{
		ModifyWaitEvent(s->events, SOCKET_POSITION, events, NULL);
		s->mask = events;
	}
	count = WaitEventSetWait(s->events, timeout, occurred, lengthof(occurred),
							 wait_event());
	for (int i = 0; i < count; i++)
	{
		if (occurred[i].pos == SOCKET_POSITION)
			result = occurred[i].events;
		else if (occurred[i].events & WL_LATCH_SET)
			ResetLatch(MyLatch);
	}
	CHECK_FOR_INTERRUPTS();
	return result;
}

/*
 * Has the resolver give up after a second for each server that it asks.  It
 * was set up long ago if the postmaster has looked anything up, as it does for
 * listen_addresses = 'localhost', and would not look at RES_OPTIONS again; so
 * it is set up anew, which also reads what has changed in /etc/resolv.conf.
 */
static void
hurry_resolver(void)
{
	(void) res_init();
	_res.retrans = 1;
	_res.retry = 1;
}

/* Looks a host up, which blocks if a server of names does not answer. */
static struct addrinfo *
resolve(const char *host, int port, CdrReasonBuffer *reason)
{
	struct addrinfo	 hints = {0};
	struct addrinfo *addresses;
	char			 service[16];
	int				 result;

	hurry_resolver();
	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	snprintf(service, sizeof(service), "%d", port);
	result = getaddrinfo(host, service, &hints, &addresses);
	if (result != 0)
	{
		cdr_fail(reason, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
				 "could not look up host \"%s\": %s", host,
				 gai_strerror(result));
		return NULL;
	}
	return addresses;
}

/* Sets the options without which a dead peer would go unnoticed. */
static void
set_options(pgsocket fd, long user_timeout)
{
	int on = 1;
#ifdef TCP_USER_TIMEOUT
	unsigned int timeout = (unsigned int) user_timeout;

	(void) setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout,
					  sizeof(timeout));
#else
	(void) user_timeout;
#endif
	(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/* Waits for a connect that is under way; returns its errno, 0 for success. */
static int
finish_connect(CdrSocket *s, long timeout)
{
	CdrMoment deadline = cdr_after(timeout);
	int		  error = 0;
	socklen_t length = sizeof(error);

	for (;;)
	{
		long left = cdr_milliseconds_until(deadline);

		if (left <= 0)
			return ETIMEDOUT;
		if (cdr_socket_wait(s, WL_SOCKET_WRITEABLE, left) != 0)
			break;
	}
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
		return errno;
	return error;
}

/* Connects to one address; returns an errno, 0 for success. */
static int
connect_to_address(CdrSocket *s, const struct addrinfo *address, long timeout,
				   long user_timeout)
{
	int result = 0;

	s->fd =
		socket(address->ai_family, address->ai_socktype, address->ai_protocol);
	if (s->fd == PGINVALID_SOCKET)
		return errno;
	s->counted = AcquireExternalFD();
	if (!s->counted)
		result = EMFILE;
	else if (!pg_set_noblock(s->fd) || fcntl(s->fd, F_SETFD, FD_CLOEXEC) == -1)
		result = errno;
	else
	{
		set_options(s->fd, user_timeout);
		create_events(s);
		if (connect(s->fd, address->ai_addr, address->ai_addrlen) != 0)
			result = errno == EINPROGRESS ? finish_connect(s, timeout) : errno;
	}
	if (result != 0)
		cdr_socket_close(s);
	return result;
}

bool
cdr_socket_open(CdrSocket *s, const char *host, int port, long timeout,
				long user_timeout, CdrReasonBuffer *reason)
{
	struct addrinfo *addresses = resolve(host, port, reason);
	int				 result = EADDRNOTAVAIL;

	if (addresses == NULL)
		return false;
	PG_TRY();
	{
		for (struct addrinfo *a = addresses; a != NULL && result != 0;
			 a = a->ai_next)
			result = connect_to_address(s, a, timeout, user_timeout);
	}
	PG_FINALLY();
	{
		freeaddrinfo(addresses);
	}
	PG_END_TRY();

	if (result != 0)
		return cdr_fail(
			reason, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
			"could not connect to %s:%d: %s", host, port, strerror(result));
	return true;
}
