/*-------------------------------------------------------------------------
 *
 * consumers.c
 *	  Whether others consume from the queue, who then get a part of it.
 *
 * The broker says how many consume, and we know how many of them may be ours:
 * the workers.  A worker that has lost its connection may still count, beside
 * itself, until the broker has missed two heartbeats; so only what lasts for
 * longer is told.
 *
 * A quorum queue counts a consumer that was cancelled until all that it was sent
 * is acknowledged.  So while events wait, and consumers are replaced for their
 * sake, nothing is told.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "broker/consumers.h"

static const char warning_key[] = "consumers";

static void
take_answer(CdrConsumers *consumers, const CdrSession *session,
			CdrWarnings *warnings, CdrMoment now)
{
	int64 others = session->consumers - session->settings->workers;
	long  patience = session->settings->heartbeat * 2000L;

	if (others <= 0)
	{
		consumers->too_many = 0;
		consumers->others = 0;
		cdr_warnings_unset(warnings, warning_key);
		return;
	}
	if (consumers->too_many == 0)
		consumers->too_many = now;
	if (cdr_milliseconds_since(consumers->too_many) < patience)
		return;
	consumers->others = others;
	cdr_warnings_set(
		warnings, warning_key,
		"What others take, this server never sees. Look for them with "
		"\"rabbitmqctl list_consumers\": another server with the same "
		"settings, perhaps one that was started from a base backup.",
		others == 1 ? INT64_FORMAT " other consumer takes messages from queue "
								   "\"%s\""
					: INT64_FORMAT " other consumers take messages from queue "
								   "\"%s\"",
		others, session->settings->queue);
}

/* What was answered before did not count ourselves. */
void
cdr_consumers_begin(CdrConsumers *consumers, const CdrSession *session)
{
	consumers->answers = session->answers;
	consumers->too_many = 0;
	consumers->others = 0;
}

bool
cdr_consumers_look(CdrConsumers *consumers, CdrSession *session,
				   CdrWarnings *warnings)
{
	CdrMoment now;

	if (consumers->replaced)
	{
		consumers->too_many = 0;
		return true;
	}
	if (consumers->answers == session->answers && consumers->too_many == 0)
		return true;
	now = cdr_now();
	if (consumers->answers != session->answers)
	{
		consumers->answers = session->answers;
		take_answer(consumers, session, warnings, now);
	}
	if (consumers->too_many == 0 || session->asked > 0 ||
		cdr_milliseconds_since(consumers->asked_at) <
			session->settings->heartbeat * 500L)
		return true;
	consumers->asked_at = now;
	return cdr_session_ask(session);
}
