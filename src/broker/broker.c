/*-------------------------------------------------------------------------
 *
 * broker.c
 *	  One session with RabbitMQ: one connection, one channel, consume only.
 *
 * librabbitmq's functions that log in, call and consume all wait inside, some
 * without any limit, deaf to signals; so the few calls that a session takes
 * are made here of frames: send a method, then take frames until the answer is
 * there.  How frames travel is the business of wire.c.
 *
 * After any trouble the connection is of no more use: the caller disconnects
 * and connects again.  Delivery tags begin anew with each session, so each has
 * a number, its generation, and an acknowledgement for another generation is
 * refused.
 *
 * Login.  Whose name stands in the URI logs in with its password (PLAIN).  A
 * URI without a user means, over TLS and if there is a certificate of our own,
 * the user whom the certificate names (EXTERNAL).  Neither stands in for the
 * other where the broker does not offer it: that would log in as somebody
 * else.
 *
 * No error of the server is ever thrown across a frame of the library: it has
 * no callbacks, and interrupts are only served in socket.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "broker/broker.h"
#include "broker/delivery.h"
#include "broker/password.h"
#include "broker/session.h"
#include "broker/tls.h"
#include "broker/topology.h"
#include "broker/wire.h"

/* Milliseconds until a broker that does not answer is given up. */
#define ANSWER_TIMEOUT 10000

/* ------------------------------------------------------------------------
 * Errors
 * ------------------------------------------------------------------------
 */

/* The SQLSTATE that says the same as an AMQP reply code. */
static int
sqlstate_of(int reply_code)
{
	switch (reply_code)
	{
		case AMQP_ACCESS_REFUSED:
			return ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION;
		case AMQP_NOT_FOUND:
			return ERRCODE_UNDEFINED_OBJECT;
		case AMQP_NOT_ALLOWED: /* no such virtual host */
			return ERRCODE_SQLSERVER_REJECTED_ESTABLISHMENT_OF_SQLCONNECTION;
		case AMQP_CONNECTION_FORCED: /* the broker goes down */
		case AMQP_INTERNAL_ERROR:
			return ERRCODE_CONNECTION_FAILURE;
		default:
			return ERRCODE_PROTOCOL_VIOLATION;
	}
}

/* Notes why the broker closed channel or connection, in its own words. */
static bool
fail_closed(CdrBroker *broker, int code, amqp_bytes_t text)
{
	char *words = pnstrdup(text.bytes, text.len);

	for (char *p = words; *p != '\0'; p++)
	{
		if ((unsigned char) *p < ' ' || (unsigned char) *p > '~')
			*p = '?';
	}
	cdr_session_fail(broker, sqlstate_of(code),
					 "broker closed the session: %d %s", code, words);
	pfree(words);
	return false;
}

/* ------------------------------------------------------------------------
 * Frames
 * ------------------------------------------------------------------------
 */

/* The wire broke, and has said why. */
static bool
wire_is_lost(CdrBroker *broker)
{
	broker->open = false;
	return false;
}

static bool
send_method(CdrBroker *broker, amqp_channel_t channel,
			amqp_method_number_t method, void *arguments)
{
	return cdr_wire_send(broker->wire, channel, method, arguments) ||
		   wire_is_lost(broker);
}

/*
 * Handles a method that is no part of a delivery and no awaited answer.
 * False if the session is over with it.
 */
static bool
handle_method(CdrBroker *broker, const amqp_method_t *method)
{
	switch (method->id)
	{
		case AMQP_CHANNEL_CLOSE_METHOD:
		{
			amqp_channel_close_t   *close = method->decoded;
			amqp_channel_close_ok_t ok = {0};

			fail_closed(broker, close->reply_code, close->reply_text);
			broker->close_code = close->reply_code;
			cdr_wire_send_last(broker->wire, CDR_CHANNEL,
							   AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
			return false;
		}
		case AMQP_CONNECTION_CLOSE_METHOD:
		{
			amqp_connection_close_t	  *close = method->decoded;
			amqp_connection_close_ok_t ok = {0};

			fail_closed(broker, close->reply_code, close->reply_text);
			cdr_wire_send_last(broker->wire, 0,
							   AMQP_CONNECTION_CLOSE_OK_METHOD, &ok);
			return false;
		}
		case AMQP_BASIC_CANCEL_METHOD:
			return cdr_session_fail(
				broker, ERRCODE_UNDEFINED_OBJECT,
				"broker cancelled the consumer: queue \"%s\" was "
				"deleted or moved, or waited too long for an "
				"acknowledgement",
				broker->settings->queue);
		case AMQP_CONNECTION_BLOCKED_METHOD:
		case AMQP_CONNECTION_UNBLOCKED_METHOD:
			/* concerns those who publish */
			return true;
		default:
			return cdr_session_fail(broker, ERRCODE_PROTOCOL_VIOLATION,
									"broker sent unexpected method 0x%08X",
									method->id);
	}
}

/*
 * Takes frames until an awaited method is there.  Its arguments stay valid
 * until the next call.
 */
static bool
await_method(CdrBroker *broker, amqp_method_number_t awaited, void **arguments)
{
	TimestampTz deadline =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ANSWER_TIMEOUT);

	broker->close_code = 0;
	for (;;)
	{
		amqp_frame_t frame;
		long		 left;

		switch (cdr_wire_receive(broker->wire, &frame))
		{
			case CDR_FRAME_LOST:
				return wire_is_lost(broker);
			case CDR_FRAME_READ:
				if (frame.frame_type != AMQP_FRAME_METHOD)
					return cdr_session_fail(
						broker, ERRCODE_PROTOCOL_VIOLATION,
						"server does not speak AMQP 0-9-1");
				if (frame.payload.method.id == awaited)
				{
					if (arguments != NULL)
						*arguments = frame.payload.method.decoded;
					return true;
				}
				if (!handle_method(broker, &frame.payload.method))
					return false;
				continue;
			case CDR_FRAME_NONE:
				break;
		}
		left =
			TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);
		if (left <= 0)
			return cdr_session_fail(broker, ERRCODE_CONNECTION_FAILURE,
									"broker does not answer");
		cdr_wire_wait(broker->wire, left);
	}
}

bool
cdr_session_call(CdrBroker *broker, amqp_method_number_t method,
				 void *arguments, amqp_method_number_t answer)
{
	return send_method(broker, CDR_CHANNEL, method, arguments) &&
		   await_method(broker, answer, NULL);
}

/* ------------------------------------------------------------------------
 * Login
 * ------------------------------------------------------------------------
 */

/* Where and as whom to log in; strings in the current context. */
typedef struct Server
{
	char *host;
	int	  port;
	bool  tls;
	char *vhost;
	bool  by_certificate; /* who logs in, else: */
	char *user;
	char *password;
} Server;

static const char *
mechanism_of(const Server *server)
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
send_start_ok(CdrBroker *broker, const Server *server, const char *name)
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
	sent = send_method(broker, 0, AMQP_CONNECTION_START_OK_METHOD, &start_ok);
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
tune(CdrBroker *broker, const amqp_connection_tune_t *offered)
{
	amqp_connection_tune_ok_t tune_ok = {0};

	tune_ok.channel_max = CDR_CHANNEL;
	tune_ok.frame_max = CDR_FRAME_MAX;
	if (offered->frame_max != 0 && offered->frame_max < CDR_FRAME_MAX)
		tune_ok.frame_max = offered->frame_max;
	tune_ok.heartbeat = (uint16_t) broker->settings->heartbeat;
	if (offered->heartbeat != 0 &&
		offered->heartbeat < broker->settings->heartbeat)
		tune_ok.heartbeat = offered->heartbeat;

	if (!cdr_wire_tune(broker->wire, tune_ok.frame_max, tune_ok.heartbeat))
		return wire_is_lost(broker);
	return send_method(broker, 0, AMQP_CONNECTION_TUNE_OK_METHOD, &tune_ok);
}

bool
cdr_session_open_channel(CdrBroker *broker)
{
	amqp_channel_open_t open = {0};

	return cdr_session_call(broker, AMQP_CHANNEL_OPEN_METHOD, &open,
							AMQP_CHANNEL_OPEN_OK_METHOD);
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

static bool
login(CdrBroker *broker, const Server *server, const char *name)
{
	amqp_connection_start_t *start = NULL;
	amqp_connection_tune_t	*offered = NULL;
	amqp_connection_open_t	 open = {0};

	if (!cdr_wire_send_header(broker->wire))
		return wire_is_lost(broker);
	if (!await_method(broker, AMQP_CONNECTION_START_METHOD, (void **) &start))
		return false;
	broker->rabbitmq = strcmp(property(start, "product"), "RabbitMQ") == 0
						   ? atoi(property(start, "version"))
						   : 0;
	if (!offers(start->mechanisms, mechanism_of(server)))
		return cdr_session_fail(
			broker, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
			server->by_certificate
				? "broker does not offer to log in by certificate "
				  "(mechanism EXTERNAL), and cdr_service.amqp_uri "
				  "names no user"
				: "broker does not offer to log in by password "
				  "(mechanism PLAIN)");
	if (!send_start_ok(broker, server, name) ||
		!await_method(broker, AMQP_CONNECTION_TUNE_METHOD,
					  (void **) &offered) ||
		!tune(broker, offered))
		return false;

	open.virtual_host = amqp_cstring_bytes(server->vhost);
	return send_method(broker, 0, AMQP_CONNECTION_OPEN_METHOD, &open) &&
		   await_method(broker, AMQP_CONNECTION_OPEN_OK_METHOD, NULL) &&
		   cdr_session_open_channel(broker);
}

/* ------------------------------------------------------------------------
 * Connecting
 * ------------------------------------------------------------------------
 */

static bool
start_consumer(CdrBroker *broker)
{
	amqp_basic_qos_t	 qos = {0};
	amqp_basic_consume_t start = {0};

	qos.prefetch_count = (uint16_t) broker->settings->prefetch;
	start.queue = amqp_cstring_bytes(broker->settings->queue);
	return cdr_session_call(broker, AMQP_BASIC_QOS_METHOD, &qos,
							AMQP_BASIC_QOS_OK_METHOD) &&
		   cdr_session_call(broker, AMQP_BASIC_CONSUME_METHOD, &start,
							AMQP_BASIC_CONSUME_OK_METHOD);
}

/* Does a URI name a user?  (The library makes "guest" of none.) */
static bool
names_user(const char *uri)
{
	const char *authority = strstr(uri, "://") + strlen("://");

	return memchr(authority, '@', strcspn(authority, "/")) != NULL;
}

/* Reads one URI; the message of a failure never holds any part of it. */
static bool
parse_uri(CdrBroker *broker, const char *uri, Server *server)
{
	struct amqp_connection_info info;
	char					   *copy = pstrdup(uri);

	if (amqp_parse_url(copy, &info) != AMQP_STATUS_OK)
		return cdr_session_fail(
			broker, ERRCODE_INVALID_PARAMETER_VALUE,
			"cdr_service.amqp_uri holds something that is no "
			"amqp://user@host:port/vhost, nor amqps://");
	if (info.host == NULL || info.host[0] == '\0')
		return cdr_session_fail(
			broker, ERRCODE_INVALID_PARAMETER_VALUE,
			"cdr_service.amqp_uri holds a URI without a host");
	server->host = info.host;
	server->port = info.port;
	server->tls = info.ssl;
	server->by_certificate = info.ssl && !names_user(uri) &&
							 broker->settings->tls_cert_file[0] != '\0';
	server->user = info.user;
	server->password = info.password;
	server->vhost = info.vhost;
	/* what everybody means by a slash at the end */
	if (server->vhost == NULL || server->vhost[0] == '\0')
		server->vhost = "/";
	return true;
}

static bool
reach(CdrBroker *broker, const Server *server)
{
	return cdr_wire_connect(broker->wire, broker->settings, server->host,
							server->port, server->tls) ||
		   wire_is_lost(broker);
}

/* Connects to one server, up to and including the consumer. */
static bool
connect_to_server(CdrBroker *broker, const char *uri, const char *name)
{
	char   password[CDR_PASSWORD_MAX + 1];
	Server server = {0};
	bool   done;

	strlcpy(broker->host, "server", sizeof(broker->host));
	if (!parse_uri(broker, uri, &server))
		return false;
	snprintf(broker->host, sizeof(broker->host), "%s:%d", server.host,
			 server.port);
	if (!server.by_certificate &&
		broker->settings->amqp_password_file[0] != '\0')
	{
		if (!cdr_password_read(broker->settings->amqp_password_file, password,
							   &broker->reason))
			return false;
		server.password = password;
	}
	done = reach(broker, &server) && login(broker, &server, name) &&
		   cdr_topology_ensure(broker) && start_consumer(broker);
	explicit_bzero(password, sizeof(password));
	return done;
}

/* The URIs of cdr_service.amqp_uri; returns how many. */
static int
split_uris(const CdrBroker *broker, char ***uris)
{
	char *list = pstrdup(broker->settings->amqp_uri);
	char *rest;
	int	  count = 0;

	*uris = palloc((strlen(list) / 2 + 1) * sizeof(char *));
	for (char *uri = strtok_r(list, ", ", &rest); uri != NULL;
		 uri = strtok_r(NULL, ", ", &rest))
		(*uris)[count++] = uri;
	return count;
}

CdrBroker *
cdr_broker_create(void)
{
	CdrBroker *broker = palloc0(sizeof(CdrBroker));

	broker->context = CurrentMemoryContext;
	broker->settings_context = AllocSetContextCreate(
		broker->context, "cdr_service broker settings", ALLOCSET_SMALL_SIZES);
	broker->wire = cdr_wire_create(&broker->reason);
	cdr_assembly_init(&broker->assembly);
	return broker;
}

/*
 * Tries each server once, the one that was connected last first.  If all
 * fail, the error says of each of several why.
 */
static bool
connect_to_any(CdrBroker *broker, char **uris, int count, const char *name)
{
	StringInfoData errors;

	initStringInfo(&errors);
	for (int i = 0; i < count; i++)
	{
		if (connect_to_server(broker, uris[broker->next_server % count], name))
			return true;
		cdr_broker_disconnect(broker);
		broker->next_server = (broker->next_server + 1) % count;
		if (count > 1)
			appendStringInfo(&errors, "%s%s: %s", i > 0 ? "; " : "",
							 broker->host, broker->reason.message);
	}
	if (errors.len > 0)
		cdr_fail(&broker->reason, broker->reason.reason.sqlerrcode, "%s",
				 errors.data);
	return false;
}

/* Has the broker use the settings of now. */
static void
take_settings(CdrBroker *broker)
{
	if (broker->settings != NULL && !cdr_broker_settings_changed(broker))
		return;
	MemoryContextReset(broker->settings_context);
	broker->settings = cdr_broker_settings_read(broker->settings_context);
	broker->may_not_ask = false;
}

bool
cdr_broker_connect(CdrBroker *broker, const char *name)
{
	MemoryContext context = AllocSetContextCreate(
		broker->context, "cdr_service connect", ALLOCSET_SMALL_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	char		**uris;
	int			  count;
	bool		  connected;

	Assert(!cdr_wire_is_open(broker->wire));
	take_settings(broker);
	count = split_uris(broker, &uris);
	cdr_session_fail(broker, ERRCODE_INVALID_PARAMETER_VALUE,
					 "cdr_service.amqp_uri holds no URI");

	connected = connect_to_any(broker, uris, count, name);
	if (connected)
	{
		broker->generation++;
		broker->last_tag = 0;
		broker->open = true;
		cdr_assembly_reset(&broker->assembly);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
	return connected;
}

void
cdr_broker_disconnect(CdrBroker *broker)
{
	if (broker->open)
	{
		amqp_connection_close_t close = {0};

		close.reply_code = AMQP_REPLY_SUCCESS;
		close.reply_text = amqp_cstring_bytes("bye");
		cdr_wire_send_last(broker->wire, 0, AMQP_CONNECTION_CLOSE_METHOD,
						   &close);
	}
	broker->open = false;
	cdr_wire_close(broker->wire);
	cdr_assembly_reset(&broker->assembly);
}

/* ------------------------------------------------------------------------
 * Consuming
 * ------------------------------------------------------------------------
 */

/*
 * Does a delivery tag follow those before it?  An acknowledgement speaks for
 * all tags up to its own, so one out of order would speak for too many.
 */
static bool
follows(CdrBroker *broker, uint64 tag)
{
	if (tag <= broker->last_tag)
		return cdr_session_fail(broker, ERRCODE_PROTOCOL_VIOLATION,
								"broker sent delivery tag " UINT64_FORMAT
								" after " UINT64_FORMAT,
								tag, broker->last_tag);
	broker->last_tag = tag;
	return true;
}

CdrReceive
cdr_broker_receive(CdrBroker *broker, MemoryContext context,
				   CdrDelivery *delivery)
{
	amqp_frame_t frame;

	while (broker->open)
	{
		switch (cdr_wire_receive(broker->wire, &frame))
		{
			case CDR_FRAME_LOST:
				wire_is_lost(broker);
				return CDR_BROKER_LOST;
			case CDR_FRAME_NONE:
				return CDR_NOTHING_YET;
			case CDR_FRAME_READ:
				break;
		}

		if (frame.frame_type == AMQP_FRAME_METHOD &&
			frame.payload.method.id != AMQP_BASIC_DELIVER_METHOD)
		{
			if (!handle_method(broker, &frame.payload.method))
				return CDR_BROKER_LOST;
			continue;
		}
		if (frame.channel != CDR_CHANNEL)
		{
			cdr_session_fail(broker, ERRCODE_PROTOCOL_VIOLATION,
							 "broker sent a frame on channel %d",
							 frame.channel);
			return CDR_BROKER_LOST;
		}
		switch (cdr_assembly_add(&broker->assembly, &frame, context,
								 &delivery->tag, &delivery->message))
		{
			case CDR_COMPLETE:
				if (!follows(broker, delivery->tag))
					return CDR_BROKER_LOST;
				delivery->generation = broker->generation;
				cdr_topology_note_delivery(broker,
										   delivery->message.delivery_count);
				return CDR_RECEIVED;
			case CDR_INCOMPLETE:
				break;
			case CDR_MALFORMED:
				cdr_session_fail(
					broker, ERRCODE_PROTOCOL_VIOLATION,
					"broker sent frames that do not follow each other");
				return CDR_BROKER_LOST;
		}
	}
	return CDR_BROKER_LOST;
}

bool
cdr_broker_ack(CdrBroker *broker, uint32 generation, uint64 tag)
{
	amqp_basic_ack_t ack = {0};

	/* tag 0 would acknowledge everything, also what is not stored */
	if (!broker->open || generation != broker->generation || tag == 0)
		return false;
	ack.delivery_tag = tag;
	ack.multiple = 1;
	return send_method(broker, CDR_CHANNEL, AMQP_BASIC_ACK_METHOD, &ack);
}

void
cdr_broker_wait(CdrBroker *broker, long timeout)
{
	cdr_wire_wait(broker->wire, timeout);
}

void
cdr_broker_linger(CdrBroker *broker, long timeout)
{
	cdr_wire_linger(broker->wire, timeout);
}

bool
cdr_broker_settings_changed(const CdrBroker *broker)
{
	MemoryContext context;
	bool		  changed;

	if (broker->settings == NULL)
		return false;
	context = AllocSetContextCreate(CurrentMemoryContext,
									"cdr_service settings of now",
									ALLOCSET_SMALL_SIZES);
	changed = !cdr_broker_settings_equal(broker->settings,
										 cdr_broker_settings_read(context));
	MemoryContextDelete(context);
	return changed;
}

const char *
cdr_broker_host(const CdrBroker *broker)
{
	return broker->host;
}

const CdrReason *
cdr_broker_reason(const CdrBroker *broker)
{
	return &broker->reason.reason;
}

const char *
cdr_broker_warning(const CdrBroker *broker)
{
	return broker->warning;
}
