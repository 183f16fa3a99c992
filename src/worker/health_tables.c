/*-------------------------------------------------------------------------
 *
 * health_tables.c
 *	  Whether all is well with the tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/guc.h"
#include "store/look.h"
#include "store/mapping_cache.h"
#include "worker/health_tables.h"

static void
check_partitions(CdrHealth *health, const CdrLook *look)
{
	if (!look->covered && !look->fallback)
		cdr_health_put(health, "partitions", CDR_HEALTH_CRITICAL,
					   "call_events has no partition for events of now",
					   "Run cdr_create_partitions(now(), now()).");
	else if (cdr_partition_interval != CDR_PARTITION_NONE &&
			 (!look->covered || !look->ahead))
		cdr_health_put(
			health, "partitions", CDR_HEALTH_WARNING,
			psprintf("call_events has no partition for events of %s",
					 look->covered ? "the next interval" : "now"),
			"Workers that consume make it: look at last_error. Or run "
			"cdr_create_partitions().");
	else
		cdr_health_put(health, "partitions", CDR_HEALTH_OK,
					   "there are partitions for events of now", NULL);
}

static void
check_letters(CdrHealth *health, CdrLook *look)
{
	if (!cdr_look_for_letters(look))
		cdr_health_put(
			health, "dead_letters", CDR_HEALTH_WARNING,
			psprintf("they could not be counted: %s", look->why.message),
			look->why.reason.hint);
	else if (look->letters > 0)
		cdr_health_put(
			health, "dead_letters", CDR_HEALTH_WARNING,
			psprintf("%lld%s; the latest: %s", (long long) look->letters,
					 look->letters == CDR_LETTERS_COUNTED ? " or more" : "",
					 look->latest),
			"Once the cause is gone, run cdr_retry_dead_letters(); or "
			"cdr_discard_dead_letters(event_ids).");
	else
		cdr_health_put(health, "dead_letters", CDR_HEALTH_OK, "none", NULL);
}

void
cdr_health_check_tables(CdrHealth *health)
{
	CdrLook look;
	bool	done = cdr_look_for_tables(&look);

	if (!done && look.why.reason.sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
	{
		cdr_health_put(health, "tables", CDR_HEALTH_WARNING,
					   "they are locked, and could not be looked at",
					   "Look at pg_locks; a batch waits for the same lock.");
		return;
	}
	if (!done || look.state == CDR_TABLES_UNFIT)
	{
		cdr_health_put(health, "tables", CDR_HEALTH_CRITICAL, look.why.message,
					   look.why.reason.hint);
		return;
	}
	cdr_health_put(health, "tables", CDR_HEALTH_OK, "they fit", NULL);
	check_partitions(health, &look);
	check_letters(health, &look);
}

/* Those that this process can read, the workers can. */
void
cdr_health_check_mappings(CdrHealth *health)
{
	CdrReasonBuffer why;

	if (!cdr_mappings_try(&why))
		cdr_health_put(health, "mappings", CDR_HEALTH_WARNING, why.message,
					   why.reason.hint);
	else if (cdr_mappings_problem(&why))
		cdr_health_put(health, "mappings", CDR_HEALTH_CRITICAL, why.message,
					   why.reason.hint);
	else
		cdr_health_put(health, "mappings", CDR_HEALTH_OK,
					   psprintf("%d in force", cdr_mappings_count()), NULL);
}
