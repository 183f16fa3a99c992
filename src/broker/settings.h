/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  The settings that a session with RabbitMQ is made with, as they were
 *	  when it was made.
 *
 * They are read once for each session; whoever needs one is handed them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_SETTINGS_H
#define CDR_SETTINGS_H

#include "base/options.h"

/*
 * The one list of them.  Each is "cdr_service.NAME" for the administrator,
 * cdr_NAME in base/guc.h, and NAME in the struct.  A change of any of them
 * makes a new session.
 */
#define CDR_BROKER_SETTINGS(TEXT, NUMBER)    \
	TEXT(amqp_uri) /* may hold a password */ \
	TEXT(amqp_password_file)                 \
	TEXT(tls_ca_file)                        \
	TEXT(tls_cert_file)                      \
	TEXT(tls_key_file)                       \
	NUMBER(tls_verify) /* CdrTlsVerify */    \
	TEXT(exchange)                           \
	TEXT(queue)                              \
	TEXT(binding_keys)                       \
	NUMBER(queue_type) /* CdrQueueType */    \
	TEXT(dead_letter_exchange)               \
	NUMBER(declare) /* CdrDeclare */         \
	NUMBER(prefetch)                         \
	NUMBER(heartbeat) /* seconds */          \
	NUMBER(workers)

#define CDR_SETTING_TEXT(name)	 const char *name;
#define CDR_SETTING_NUMBER(name) int name;

typedef struct CdrBrokerSettings
{
	CDR_BROKER_SETTINGS(CDR_SETTING_TEXT, CDR_SETTING_NUMBER)
} CdrBrokerSettings;

/* The settings of now: a copy, with its texts, in context. */
extern CdrBrokerSettings *cdr_broker_settings_read(MemoryContext context);

extern bool cdr_broker_settings_equal(const CdrBrokerSettings *a,
									  const CdrBrokerSettings *b);

#endif /* CDR_SETTINGS_H */
