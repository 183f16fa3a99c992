/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  The settings that a session with RabbitMQ is made with, as they were
 *	  when it was made.
 *
 * The only file of this room that looks at the settings of the server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/guc.h"
#include "broker/settings.h"

CdrBrokerSettings *
cdr_broker_settings_read(MemoryContext context)
{
	CdrBrokerSettings *settings =
		MemoryContextAllocZero(context, sizeof(CdrBrokerSettings));

#define READ_TEXT(name) \
	settings->name = MemoryContextStrdup(context, cdr_##name);
#define READ_NUMBER(name) settings->name = cdr_##name;
	CDR_BROKER_SETTINGS(READ_TEXT, READ_NUMBER)
	return settings;
}

bool
cdr_broker_settings_equal(const CdrBrokerSettings *a,
						  const CdrBrokerSettings *b)
{
#define COMPARE_TEXT(name)             \
	if (strcmp(a->name, b->name) != 0) \
		return false;
#define COMPARE_NUMBER(name) \
	if (a->name != b->name)  \
		return false;
	CDR_BROKER_SETTINGS(COMPARE_TEXT, COMPARE_NUMBER)
	return true;
}
