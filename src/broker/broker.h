/*-------------------------------------------------------------------------
 *
 * broker.h
 *	  One consumer of a queue of RabbitMQ: what the worker has of it.
 *
 * No function blocks for longer than its own waits, in which interrupts are
 * served.  None throws for what the broker does: a failure is a return value,
 * and cdr_broker_reason() tells the rest.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_BROKER_H
#define CDR_BROKER_H

#include "base/message.h"
#include "base/reason.h"

typedef struct CdrBroker CdrBroker;

/* A message with what it takes to acknowledge it. */
typedef struct CdrDelivery
{
	uint32	   generation; /* of the channel; see cdr_broker_ack() */
	uint64	   tag;
	CdrMessage message;
} CdrDelivery;

typedef enum CdrReceive
{
	CDR_RECEIVED,	 /* a whole message */
	CDR_NOTHING_YET, /* there is nothing more, or it is time to look around */
	CDR_BROKER_LOST	 /* the session is over: disconnect */
} CdrReceive;

/* A broker that is not connected, in the current memory context. */
extern CdrBroker *cdr_broker_create(void);

/*
 * Connects to the first server of cdr_service.amqp_uri that lets it, makes
 * sure of the topology and starts to consume.  name is how the connection
 * shows on the broker.  False if no server did.
 */
extern bool cdr_broker_connect(CdrBroker *broker, const char *name);

/* Ends the session, politely where that does not block; harmless if none. */
extern void cdr_broker_disconnect(CdrBroker *broker);

/* Have settings changed that the session was made with? */
extern bool cdr_broker_settings_changed(const CdrBroker *broker);

/* Takes the next message, allocated in context.  Sends heartbeats. */
extern CdrReceive cdr_broker_receive(CdrBroker *broker, MemoryContext context,
									 CdrDelivery *delivery);

/*
 * Acknowledges a delivery and all before it.  False if that could not be
 * sent, or the delivery is of an earlier session: then it will come again.
 */
extern bool cdr_broker_ack(CdrBroker *broker, uint32 generation, uint64 tag);

/*
 * Acknowledges a delivery and none before it, as above.  What is acknowledged
 * already, with others or alone, is so once only.
 */
extern bool
cdr_broker_ack_one(CdrBroker *broker, uint32 generation, uint64 tag);

/*
 * Has the broker send so many messages ahead, beside all that are not
 * acknowledged.  It counts those of each consumer: so another one takes the place
 * of ours.  False if that could not be sent.
 */
extern bool cdr_broker_send_ahead(CdrBroker *broker, int messages);

/* How many it sends ahead, at first as many as the settings say; 0: no session. */
extern int cdr_broker_ahead(const CdrBroker *broker);

/* Is the queue, as far as it is known, one of which that can be asked? */
extern bool cdr_broker_can_send_ahead(const CdrBroker *broker);

/* Is that still under way? */
extern bool cdr_broker_awaits_consumer(const CdrBroker *broker);

/* Waits for input, the latch or the timeout (milliseconds). */
extern void cdr_broker_wait(CdrBroker *broker, long timeout);

/* Waits for the latch or the timeout, whatever comes in meanwhile. */
extern void cdr_broker_linger(CdrBroker *broker, long timeout);

/*
 * Asks for backlog and consumers, and makes the session's bindings again, without
 * waiting: cdr_broker_receive() takes the answer in.  That the queue is gone, or
 * the exchange, ends the session.  False if it could not be sent.
 */
extern bool cdr_broker_ask(CdrBroker *broker);

/*
 * Consumers of ours that others have replaced may count as well (see
 * cdr_broker_send_ahead()): then nothing is concluded from how many there are.
 */
extern void cdr_broker_expect_replaced(CdrBroker *broker, bool expected);

/*
 * Messages on the queue that nobody has been sent yet, and its consumers, we
 * among them, as the broker said last; -1: not known.
 */
extern int64 cdr_broker_backlog(const CdrBroker *broker);
extern int64 cdr_broker_consumers(const CdrBroker *broker);

/* Of these, as many as others have for sure, whom a warning tells; 0: none. */
extern int64 cdr_broker_other_consumers(const CdrBroker *broker);

/*
 * Where and as whom: "host:port", virtual host and user of the server that was
 * tried last, also while not connected; "" if there is none.  The user is ""
 * where a certificate names it.
 */
extern const char *cdr_broker_host(const CdrBroker *broker);
extern const char *cdr_broker_vhost(const CdrBroker *broker);
extern const char *cdr_broker_user(const CdrBroker *broker);

/* What went wrong last; valid until something else does. */
extern const CdrReason *cdr_broker_reason(const CdrBroker *broker);

/*
 * What the session gives reason to fear, though nothing has gone wrong yet, all
 * of it joined by "; "; "" for nothing.  It stays until the next connect.
 * cdr_broker_receive() may add to it, and take back.  Each is logged when it
 * comes.  Is it another text than when it was asked for last?
 */
extern const char *cdr_broker_warning(CdrBroker *broker);
extern bool		   cdr_broker_warning_is_new(const CdrBroker *broker);

#endif /* CDR_BROKER_H */
