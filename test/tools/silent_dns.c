/*-------------------------------------------------------------------------
 *
 * silent_dns.c
 *	  Has the resolver of a process ask servers that never answer.
 *
 * To be preloaded.  The resolver is the real one, with its real patience; only
 * where it asks is another: three servers on 127.0.0.1, at the UDP port that
 * CDR_TEST_DNS_PORT names, where a test listens and says nothing.  (Real ones
 * are in a file that only root may change.)
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>

#define SERVERS 3

/* What res_init() is called in the library. */
int
__res_init(void)
{
	int (*real)(void) = (int (*)(void)) dlsym(RTLD_NEXT, "__res_init");
	const char *port = getenv("CDR_TEST_DNS_PORT");
	int			result = real();

	if (port == NULL)
		return result;
	for (int i = 0; i < SERVERS; i++)
	{
		struct sockaddr_in *server = &_res.nsaddr_list[i];

		memset(server, 0, sizeof(*server));
		server->sin_family = AF_INET;
		server->sin_port = htons((uint16_t) atoi(port));
		server->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	}
	_res.nscount = SERVERS;
	_res.dnsrch[0] = NULL;
	return result;
}
