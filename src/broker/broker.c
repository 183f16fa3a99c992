/*-------------------------------------------------------------------------
 *
 * broker.c
 *	  One consumer of a queue of RabbitMQ: one connection, one channel.
 *
 * Chooses among the servers, takes deliveries and acknowledges them.  How a
 * session calls is the business of session.c, how it logs in that of login.c,
 * and what it consumes from that of topology.c.
 *
 * After any trouble the connection is of no more use: the caller disconnects
 * and connects again.  Delivery tags begin anew with each session, so each has
 * a number, its generation, and an acknowledgement for another generation is
 * refused.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "broker/broker.h"
#include "broker/consumers.h"
#include "broker/delivery.h"
#include "broker/login.h"
#include "broker/outstanding.h"
#include "broker/session.h"
#include "broker/settings.h"
#include "broker/topology.h"
#include "broker/warnings.h"
#include "broker/wire.h"

struct CdrBroker
{
	MemoryContext	   context; /* of this struct and what it points to */
	MemoryContext	   settings_context;
	CdrBrokerSettings *settings; /* that the session was made with */
	CdrSession		   session;
	CdrReasonBuffer	   reason;	 /* why what failed last did, and where */
	CdrWarnings		   warnings; /* of the session */
	CdrTopology		   topology;
	CdrConsumers	   consumers;
	CdrAssembly		   assembly;
	CdrOutstanding	   outstanding;
	uint32			   generation;
	uint64			   last_tag;		/* of the session's last delivery */
	int				   consumer;		/* its number in the session */
	int				   ahead;			/* messages that it is sent ahead */
	int				   on_their_way[2]; /* the same of two before it */
	int				   next_server;		/* in the list of URIs */
	char			   host[256];
	char			   vhost[256];
	char			   user[256];
};

CdrBroker *
cdr_broker_create(void)
{
	CdrBroker *broker = palloc0(sizeof(CdrBroker));

	broker->context = CurrentMemoryContext;
	broker->settings_context = AllocSetContextCreate(
		broker->context, "cdr_service broker settings", ALLOCSET_SMALL_SIZES);
	cdr_session_init(&broker->session);
	cdr_topology_init(&broker->topology, &broker->warnings);
	cdr_assembly_init(&broker->assembly);
	return broker;
}

/* ------------------------------------------------------------------------
 * Settings
 * ------------------------------------------------------------------------
 */

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

/* Has the broker use the settings of now. */
static void
take_settings(CdrBroker *broker)
{
	if (broker->settings != NULL && !cdr_broker_settings_changed(broker))
		return;
	MemoryContextReset(broker->settings_context);
	broker->settings = cdr_broker_settings_read(broker->settings_context);
	broker->session.settings = broker->settings;
	cdr_topology_forget(&broker->topology);
}

/* ------------------------------------------------------------------------
 * Connecting
 * ------------------------------------------------------------------------
 */

/* The name of a consumer of the session, of which there is one at a time. */
static amqp_bytes_t
consumer_tag(int number, char *tag, size_t size)
{
	snprintf(tag, size, "cdr_service %d", number);
	return amqp_cstring_bytes(tag);
}

/* Asks for the session's next consumer; the answers are still to come. */
static bool
ask_for_consumer(CdrBroker *broker, int ahead)
{
	CdrSession			*session = &broker->session;
	amqp_basic_qos_t	 qos = {0};
	amqp_basic_consume_t start = {0};
	char				 tag[32];

	broker->ahead = ahead;
	qos.prefetch_count = (uint16_t) ahead;
	start.queue = amqp_cstring_bytes(session->settings->queue);
	start.consumer_tag = consumer_tag(++broker->consumer, tag, sizeof(tag));
	return cdr_session_send(session, CDR_CHANNEL, AMQP_BASIC_QOS_METHOD,
							&qos) &&
		   cdr_session_send(session, CDR_CHANNEL, AMQP_BASIC_CONSUME_METHOD,
							&start);
}

static bool
start_consumer(CdrBroker *broker)
{
	CdrSession *session = &broker->session;

	broker->consumer = 0;
	broker->on_their_way[0] = broker->on_their_way[1] = 0;
	return ask_for_consumer(broker, session->settings->prefetch) &&
		   cdr_session_await(session, AMQP_BASIC_QOS_OK_METHOD, NULL) &&
		   cdr_session_await(session, AMQP_BASIC_CONSUME_OK_METHOD, NULL);
}

/* Notes what failed, and where and as whom: the one place that says so. */
static void
note_failure(CdrBroker *broker, const char *what)
{
	const CdrReason *reason = &broker->session.reason.reason;
	StringInfoData	 where;

	initStringInfo(&where);
	if (broker->host[0] != '\0')
	{
		appendStringInfo(&where, "%s broker at %s", what, broker->host);
		if (broker->user[0] != '\0')
			appendStringInfo(&where, " as user \"%s\"", broker->user);
		appendStringInfo(&where, ", vhost \"%s\": ", broker->vhost);
	}
	cdr_fail(&broker->reason, reason->sqlerrcode, "%s%s", where.data,
			 reason->message);
	broker->reason.reason.hint = reason->hint;
	pfree(where.data);
}

/* The session is over. */
static CdrReceive
lose_broker(CdrBroker *broker)
{
	note_failure(broker, "lost");
	return CDR_BROKER_LOST;
}

/* Connects to one server, up to and including the consumer. */
static bool
connect_to_server(CdrBroker *broker, const char *uri, const char *name)
{
	CdrSession *session = &broker->session;
	CdrServer	server = {0};
	bool		done;

	broker->host[0] = broker->vhost[0] = broker->user[0] = '\0';
	if (!cdr_login_parse_uri(session, uri, &server))
		return false;
	snprintf(broker->host, sizeof(broker->host), "%s:%d", server.host,
			 server.port);
	strlcpy(broker->vhost, server.vhost, sizeof(broker->vhost));
	if (!server.by_certificate)
		strlcpy(broker->user, server.user, sizeof(broker->user));
	done =
		cdr_login_read_password(session, &server) &&
		cdr_session_connect(session, server.host, server.port, server.tls) &&
		cdr_login(session, &server, name) &&
		cdr_topology_ensure(session, &broker->topology) &&
		start_consumer(broker) && cdr_session_ask(session);
	explicit_bzero(&server, sizeof(server));
	return done;
}

/* What was found out on the way to one server is not true of another. */
static void
leave_server(CdrBroker *broker, int count)
{
	cdr_broker_disconnect(broker);
	broker->next_server = (broker->next_server + 1) % count;
	if (count > 1)
		cdr_topology_forget(&broker->topology);
	cdr_warnings_clear(&broker->warnings);
}

/*
 * Tries each server once, the one that was connected last first.  If all
 * fail, the error says of each of several why; else a warning does of those
 * that failed.
 */
static bool
connect_to_any(CdrBroker *broker, char **uris, int count, const char *name)
{
	StringInfoData errors;

	initStringInfo(&errors);
	cdr_warnings_clear(&broker->warnings);
	for (int i = 0; i < count; i++)
	{
		if (connect_to_server(broker, uris[broker->next_server % count], name))
		{
			if (errors.len > 0)
				cdr_warnings_set(&broker->warnings, "servers",
								 "Take servers that are gone for good out of "
								 "cdr_service.amqp_uri.",
								 "%s", errors.data);
			return true;
		}
		leave_server(broker, count);
		note_failure(broker, "could not connect to");
		appendStringInfo(&errors, "%s%s", i > 0 ? "; " : "",
						 broker->reason.message);
	}
	if (count > 1)
		cdr_fail(&broker->reason, broker->reason.reason.sqlerrcode, "%s",
				 errors.data);
	return false;
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

	Assert(!cdr_wire_is_open(broker->session.wire));
	take_settings(broker);
	count = cdr_login_split_uris(broker->settings, &uris);
	cdr_fail(&broker->reason, ERRCODE_INVALID_PARAMETER_VALUE,
			 "cdr_service.amqp_uri holds no URI");

	connected = connect_to_any(broker, uris, count, name);
	if (connected)
	{
		broker->generation++;
		broker->last_tag = 0;
		broker->session.open = true;
		cdr_assembly_reset(&broker->assembly);
		cdr_outstanding_begin(&broker->outstanding, broker->context,
							  broker->settings->prefetch);
		cdr_consumers_begin(&broker->consumers, &broker->session);
	}
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
	return connected;
}

void
cdr_broker_disconnect(CdrBroker *broker)
{
	cdr_session_disconnect(&broker->session);
	cdr_assembly_reset(&broker->assembly);
	broker->ahead = 0;
}

/* ------------------------------------------------------------------------
 * Consuming
 * ------------------------------------------------------------------------
 */

/*
 * Does a delivery tag follow those before it?  An acknowledgement speaks for
 * all tags up to its own, so one out of order would speak for too many.  And
 * may there be one more?  Nothing else bounds what a broker can have us hold.
 */
static bool
follows(CdrBroker *broker, uint64 tag)
{
	if (tag <= broker->last_tag)
		return cdr_session_fail(&broker->session, ERRCODE_PROTOCOL_VIOLATION,
								"broker sent delivery tag " UINT64_FORMAT
								" after " UINT64_FORMAT,
								tag, broker->last_tag);
	broker->last_tag = tag;
	if (!cdr_outstanding_add(&broker->outstanding, tag))
		return cdr_session_fail(&broker->session, ERRCODE_PROTOCOL_VIOLATION,
								"broker sent more than the %d messages that "
								"cdr_service.prefetch allows",
								broker->outstanding.limit);
	return true;
}

CdrReceive
cdr_broker_receive(CdrBroker *broker, MemoryContext context,
				   CdrDelivery *delivery)
{
	amqp_frame_t frame;

	if (broker->session.open &&
		!cdr_consumers_look(&broker->consumers, &broker->session,
							&broker->warnings))
		return lose_broker(broker);
	while (broker->session.open)
	{
		switch (cdr_session_receive(&broker->session, &frame))
		{
			case CDR_FRAME_LOST:
				return lose_broker(broker);
			case CDR_FRAME_NONE:
				return CDR_NOTHING_YET;
			case CDR_FRAME_READ:
				break;
		}
		switch (cdr_assembly_add(&broker->assembly, &frame, context,
								 &delivery->tag, &delivery->message))
		{
			case CDR_COMPLETE:
				if (!follows(broker, delivery->tag))
					return lose_broker(broker);
				delivery->generation = broker->generation;
				cdr_topology_note_delivery(&broker->topology, broker->settings,
										   &delivery->message);
				return CDR_RECEIVED;
			case CDR_INCOMPLETE:
				break;
			case CDR_MALFORMED:
				cdr_session_fail(
					&broker->session, ERRCODE_PROTOCOL_VIOLATION,
					"broker sent frames that do not follow each other");
				return lose_broker(broker);
		}
	}
	return CDR_BROKER_LOST;
}

/* May a delivery of this session be acknowledged? */
static bool
may_ack(const CdrBroker *broker, uint32 generation, uint64 tag)
{
	/* tag 0 would acknowledge everything, also what is not stored */
	return broker->session.open && generation == broker->generation &&
		   tag != 0;
}

static bool
send_ack(CdrBroker *broker, uint64 tag, bool multiple)
{
	amqp_basic_ack_t ack = {0};

	ack.delivery_tag = tag;
	ack.multiple = multiple;
	if (cdr_session_send(&broker->session, CDR_CHANNEL, AMQP_BASIC_ACK_METHOD,
						 &ack))
		return true;
	note_failure(broker, "lost");
	return false;
}

bool
cdr_broker_ack(CdrBroker *broker, uint32 generation, uint64 tag)
{
	uint64 last;

	if (!may_ack(broker, generation, tag))
		return false;
	/* a tag that was acknowledged alone would be an error of ours */
	last = cdr_outstanding_up_to(&broker->outstanding, tag);
	cdr_outstanding_remove_up_to(&broker->outstanding, tag);
	return last == 0 || send_ack(broker, last, true);
}

bool
cdr_broker_ack_one(CdrBroker *broker, uint32 generation, uint64 tag)
{
	if (!may_ack(broker, generation, tag))
		return false;
	return !cdr_outstanding_remove(&broker->outstanding, tag) ||
		   send_ack(broker, tag, false);
}

/* The new one comes first: a queue may be deleted with its last consumer. */
static bool
replace_consumer(CdrBroker *broker, int ahead)
{
	CdrSession		   *session = &broker->session;
	amqp_basic_cancel_t end = {0};
	char				tag[32];

	end.consumer_tag = consumer_tag(broker->consumer, tag, sizeof(tag));
	end.nowait = 1;
	if (!ask_for_consumer(broker, ahead))
		return false;
	session->consuming++;
	return cdr_session_send(session, CDR_CHANNEL, AMQP_BASIC_CANCEL_METHOD,
							&end);
}

/*
 * Not of a queue that has one active consumer at a time: RabbitMQ 3.10 sends nothing
 * to the one that takes the place of that, and fails at the next message.
 */
bool
cdr_broker_can_send_ahead(const CdrBroker *broker)
{
	const CdrFacts *queue = &broker->topology.queue;
	const char *single = cdr_facts_argument(queue, "x-single-active-consumer");

	return queue->known && (single == NULL || strcmp(single, "true") != 0);
}

bool
cdr_broker_awaits_consumer(const CdrBroker *broker)
{
	return broker->session.consuming > 0;
}

int
cdr_broker_ahead(const CdrBroker *broker)
{
	return broker->ahead;
}

bool
cdr_broker_send_ahead(CdrBroker *broker, int messages)
{
	if (!broker->session.open)
		return false;
	/* those of the new one, and what two before it had on their way */
	broker->on_their_way[0] = broker->on_their_way[1];
	broker->on_their_way[1] = broker->ahead;
	cdr_outstanding_allow(&broker->outstanding, messages +
													broker->on_their_way[0] +
													broker->on_their_way[1]);
	if (replace_consumer(broker, messages))
		return true;
	note_failure(broker, "lost");
	return false;
}

void
cdr_broker_wait(CdrBroker *broker, long timeout)
{
	cdr_wire_wait(broker->session.wire, timeout);
}

void
cdr_broker_linger(CdrBroker *broker, long timeout)
{
	cdr_wire_linger(broker->session.wire, timeout);
}

bool
cdr_broker_ask(CdrBroker *broker)
{
	if (!broker->session.open)
		return false;
	/* bindings have no answer: whoever has this one knows that they are there */
	if (cdr_topology_renew(&broker->session) &&
		cdr_session_ask(&broker->session))
		return true;
	note_failure(broker, "lost");
	return false;
}

void
cdr_broker_expect_replaced(CdrBroker *broker, bool expected)
{
	broker->consumers.replaced = expected;
}

int64
cdr_broker_backlog(const CdrBroker *broker)
{
	return broker->session.backlog;
}

int64
cdr_broker_consumers(const CdrBroker *broker)
{
	return broker->session.consumers;
}

int64
cdr_broker_other_consumers(const CdrBroker *broker)
{
	return broker->consumers.others;
}

const char *
cdr_broker_host(const CdrBroker *broker)
{
	return broker->host;
}

const char *
cdr_broker_vhost(const CdrBroker *broker)
{
	return broker->vhost;
}

const char *
cdr_broker_user(const CdrBroker *broker)
{
	return broker->user;
}

const CdrReason *
cdr_broker_reason(const CdrBroker *broker)
{
	return &broker->reason.reason;
}

const char *
cdr_broker_warning(CdrBroker *broker)
{
	return cdr_warnings_text(&broker->warnings);
}

bool
cdr_broker_warning_is_new(const CdrBroker *broker)
{
	return broker->warnings.changed;
}
