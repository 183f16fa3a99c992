/*-------------------------------------------------------------------------
 *
 * login.c
 *	  Where and as whom to log in, and the login: from a connection to an
 *	  open channel.
 *
 * Whose name stands in the URI logs in with its password (PLAIN).  A URI
 * without a user means, over TLS and if there is a certificate of our own,
 * the user whom the certificate names (EXTERNAL).  Neither stands in for the
 * other where the broker does not offer it: that would log in as somebody
 * else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "base/masked_uri.h"
#include "broker/login.h"

/* ------------------------------------------------------------------------
 * Where and as whom
 * ------------------------------------------------------------------------
 */

int
cdr_login_split_uris(const CdrBrokerSettings *settings, char ***uris)
{
	char *list = pstrdup(settings->amqp_uri);
	char *rest;
	int	  count = 0;

	*uris = palloc((strlen(list) / 2 + 1) * sizeof(char *));
	for (char *uri = strtok_r(list, CDR_URI_SEPARATORS, &rest); uri != NULL;
		 uri = strtok_r(NULL, CDR_URI_SEPARATORS, &rest))
		(*uris)[count++] = uri;
	return count;
}

/* Does a URI name a user?  (The library makes "guest" of none.) */
static bool
names_user(const char *uri)
{
	const char *authority = strstr(uri, "://") + strlen("://");

	return memchr(authority, '@', strcspn(authority, "/")) != NULL;
}

bool
cdr_login_parse_uri(CdrSession *session, const char *uri, CdrServer *server)
{
	struct amqp_connection_info info;
	char					   *copy = pstrdup(uri);

	if (amqp_parse_url(copy, &info) != AMQP_STATUS_OK)
		return cdr_session_fail(
			session, ERRCODE_INVALID_PARAMETER_VALUE,
			"cdr_service.amqp_uri holds something that is no "
			"amqp://user@host:port/vhost, nor amqps://");
	if (info.host == NULL || info.host[0] == '\0')
		return cdr_session_fail(
			session, ERRCODE_INVALID_PARAMETER_VALUE,
			"cdr_service.amqp_uri holds a URI without a host");
	if (!names_user(uri) &&
		(!info.ssl || session->settings->tls_cert_file[0] == '\0'))
	{
		cdr_session_fail(
			session, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
			"cdr_service.amqp_uri names no user to log in as at %s",
			info.host);
		session->reason.reason.hint =
			"Name one, as in amqps://user@host/vhost, or set "
			"cdr_service.tls_cert_file and tls_key_file, to log in as whom "
			"the certificate names.";
		return false;
	}
	server->host = info.host;
	server->port = info.port;
	server->tls = info.ssl;
	server->by_certificate = info.ssl && !names_user(uri) &&
							 session->settings->tls_cert_file[0] != '\0';
	server->user = info.user;
	server->password = info.password;
	server->vhost = info.vhost;
	/* what everybody means by a slash at the end */
	if (server->vhost == NULL || server->vhost[0] == '\0')
		server->vhost = "/";
	return true;
}

bool
cdr_login_read_password(CdrSession *session, CdrServer *server)
{
	const char *file = session->settings->amqp_password_file;

	if (server->by_certificate || file[0] == '\0')
		return true;
	server->password = server->secret;
	return cdr_password_read(file, server->secret, &session->reason);
}

/* ------------------------------------------------------------------------
 * The login
 * ------------------------------------------------------------------------
 */

static const char *
mechanism_of(const CdrServer *server)
{
	return server->by_certificate ? "EXTERNAL" : "PLAIN";
}

static amqp_table_entry_t
capability(const char *key)
{
	amqp_table_entry_t result = {0};

	result.key = amqp_cstring_bytes(key);
	result.value.kind = AMQP_FIELD_KIND_BOOLEAN;
	result.value.value.boolean = 1;
	return result;
}

static bool
send_start_ok(CdrSession *session, const CdrServer *server, const char *name)
{
	amqp_table_entry_t capabilities[] = {
		/* to hear of a deleted queue, and why a login is refused */
		capability("consumer_cancel_notify"), capability("connection.blocked"),
		capability("authentication_failure_close")};
	amqp_table_entry_t properties[] = {
		cdr_session_text("product", "cdr_service"),
		cdr_session_text("version", CDR_VERSION),
		cdr_session_text("platform", "PostgreSQL " PG_VERSION),
		cdr_session_text("connection_name", name),
		cdr_session_text("capabilities", "")};
	amqp_connection_start_ok_t start_ok = {0};
	StringInfoData			   response;
	bool					   sent;

	properties[4].value.kind = AMQP_FIELD_KIND_TABLE;
	properties[4].value.value.table.num_entries = lengthof(capabilities);
	properties[4].value.value.table.entries = capabilities;

	initStringInfo(&response);
	if (!server->by_certificate)
	{
		appendStringInfoChar(&response, '\0');
		appendStringInfoString(&response, server->user);
		appendStringInfoChar(&response, '\0');
		appendStringInfoString(&response, server->password);
	}

	start_ok.client_properties.num_entries = lengthof(properties);
	start_ok.client_properties.entries = properties;
	start_ok.mechanism = amqp_cstring_bytes(mechanism_of(server));
	start_ok.response.bytes = response.data;
	start_ok.response.len = response.len;
	start_ok.locale = amqp_cstring_bytes("en_US");
	sent = cdr_session_send(session, 0, AMQP_CONNECTION_START_OK_METHOD,
							&start_ok);
	explicit_bzero(response.data, response.len);
	pfree(response.data);
	return sent;
}

/* Is a mechanism among those offered, which are separated by blanks? */
static bool
offers(amqp_bytes_t mechanisms, const char *sought)
{
	char *list = pnstrdup(mechanisms.bytes, mechanisms.len);
	char *rest;
	bool  found = false;

	for (char *word = strtok_r(list, " ", &rest); word != NULL && !found;
		 word = strtok_r(NULL, " ", &rest))
		found = strcmp(word, sought) == 0;
	pfree(list);
	return found;
}

/* Agrees on sizes and heartbeats. */
static bool
tune(CdrSession *session, const amqp_connection_tune_t *offered)
{
	amqp_connection_tune_ok_t tune_ok = {0};

	tune_ok.channel_max = CDR_CHANNEL;
	tune_ok.frame_max = CDR_FRAME_MAX;
	if (offered->frame_max != 0 && offered->frame_max < CDR_FRAME_MAX)
		tune_ok.frame_max = offered->frame_max;
	tune_ok.heartbeat = (uint16_t) session->settings->heartbeat;
	if (offered->heartbeat != 0 &&
		offered->heartbeat < session->settings->heartbeat)
		tune_ok.heartbeat = offered->heartbeat;

	return cdr_wire_tune(session->wire, tune_ok.frame_max,
						 tune_ok.heartbeat) &&
		   cdr_session_send(session, 0, AMQP_CONNECTION_TUNE_OK_METHOD,
							&tune_ok);
}

/* The value of a text among the server's properties, or "". */
static const char *
property(const amqp_connection_start_t *start, const char *key)
{
	const amqp_table_t *properties = &start->server_properties;

	for (int i = 0; i < properties->num_entries; i++)
	{
		const amqp_table_entry_t *e = &properties->entries[i];

		if (e->value.kind == AMQP_FIELD_KIND_UTF8 &&
			e->key.len == strlen(key) &&
			memcmp(e->key.bytes, key, e->key.len) == 0)
			return pnstrdup(e->value.value.bytes.bytes,
							e->value.value.bytes.len);
	}
	return "";
}

bool
cdr_login(CdrSession *session, const CdrServer *server, const char *name)
{
	amqp_connection_start_t *start = NULL;
	amqp_connection_tune_t	*offered = NULL;
	amqp_connection_open_t	 open = {0};

	if (!cdr_session_await(session, AMQP_CONNECTION_START_METHOD,
						   (void **) &start))
		return false;
	session->rabbitmq = strcmp(property(start, "product"), "RabbitMQ") == 0
							? atoi(property(start, "version"))
							: 0;
	if (!offers(start->mechanisms, mechanism_of(server)))
		return cdr_session_fail(
			session, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
			server->by_certificate
				? "broker does not offer to log in by certificate "
				  "(mechanism EXTERNAL), and cdr_service.amqp_uri "
				  "names no user"
				: "broker does not offer to log in by password "
				  "(mechanism PLAIN)");
	if (!send_start_ok(session, server, name) ||
		!cdr_session_await(session, AMQP_CONNECTION_TUNE_METHOD,
						   (void **) &offered) ||
		!tune(session, offered))
		return false;

	open.virtual_host = amqp_cstring_bytes(server->vhost);
	return cdr_session_send(session, 0, AMQP_CONNECTION_OPEN_METHOD, &open) &&
		   cdr_session_await(session, AMQP_CONNECTION_OPEN_OK_METHOD, NULL) &&
		   cdr_session_open_channel(session);
}
