/*-------------------------------------------------------------------------
 *
 * health_tables.c
 *	  Whether all is well with the tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "alert/look.h"
#include "base/guc.h"
#include "retention/nightly.h"
#include "store/look.h"
#include "store/mapping_cache.h"
#include "worker/health_tables.h"

/* Seconds that an event may wait for a seal beyond some intervals. */
#define SEALS_LATE 60

/* Seconds that a checkpoint may be without an anchor, where nobody has set more. */
#define ANCHORS_LATE SECS_PER_DAY

/* Milliseconds that a run may take, and that may lie between two. */
#define RETENTION_AT_MOST (12 * 3600 * 1000)
#define RETENTION_EVERY	  (27 * 3600 * 1000)

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
					 look->covered
						 ? "a time until the end of the next interval"
						 : "now"),
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

/* 0: since never. */
static int64
seconds_since(const CdrHealth *health, TimestampTz time)
{
	return time == 0 ? 0 : (health->now - time) / USECS_PER_SEC;
}

/*
 * Anchors are made outside of this server.  That they end is told once there was
 * one; that there is none, if a setting asks for them.  One that covers all that was
 * sealed is never old.
 */
static void
check_anchors(CdrHealth *health, const CdrSealStatus *seals)
{
	int64 without = seconds_since(health, seals->unanchored_since);
	int64 most = cdr_anchor_max_age > 0 ? cdr_anchor_max_age : ANCHORS_LATE;

	if (cdr_anchor_max_age == 0 && !seals->has_anchor)
		return;
	if (without <= most)
		cdr_health_put(health, "anchors", CDR_HEALTH_OK,
					   seals->unanchored_since == 0
						   ? "all checkpoints have an anchor"
						   : "the last anchor is not too old",
					   NULL);
	else
		cdr_health_put(
			health, "anchors", CDR_HEALTH_WARNING,
			seals->has_anchor
				? psprintf(
					  "what was sealed since %s has none; the last was "
					  "added %lld seconds ago",
					  timestamptz_to_str(seals->unanchored_since),
					  (long long) seconds_since(health, seals->anchored_at))
				: psprintf("there is none; the first checkpoint is of %s",
						   timestamptz_to_str(seals->unanchored_since)),
			"Look whether whoever anchors cdr_checkpoint() still does: until "
			"then nobody outside can tell whether the log is rewritten.");
}

/* Nothing is asked of evidence that nobody wants. */
static void
check_seals(CdrHealth *health, CdrLook *look)
{
	int64 waiting;

	if (!cdr_evidence)
		return;
	if (!cdr_look_for_seals(look))
	{
		cdr_health_put(health, "evidence", CDR_HEALTH_WARNING,
					   look->why.message, look->why.reason.hint);
		return;
	}
	waiting = seconds_since(health, look->seals.waiting_since);
	if (!look->seals.can_seal)
		cdr_health_put(health, "evidence", CDR_HEALTH_CRITICAL,
					   "the tables of evidence are missing, or another "
					   "role's: no leaf is put down",
					   "Run cdr_create_evidence_tables().");
	else if (waiting > SEALS_LATE + 10 * cdr_seal_interval)
		cdr_health_put(
			health, "evidence", CDR_HEALTH_WARNING,
			psprintf("events wait for a seal since %lld seconds",
					 (long long) waiting),
			"The sealer is started with the server, if evidence is on then; "
			"look for its errors in the server's log. Or run cdr_seal().");
	else
		cdr_health_put(health, "evidence", CDR_HEALTH_OK, "events are sealed",
					   NULL);
	if (look->seals.can_seal)
		check_anchors(health, &look->seals);
}

/* Of calls that go wrong, alerts tell: it is a warning only that they cannot. */
static void
check_alerts(CdrHealth *health)
{
	CdrAlertLook look;

	if (!cdr_alerts_look(&look))
		cdr_health_put(
			health, "alerts", CDR_HEALTH_WARNING,
			psprintf("they could not be looked at: %s", look.why.message),
			look.why.reason.hint != NULL
				? look.why.reason.hint
				: "The role that writes calls needs its rights on the tables of "
				  "alerts, too (doc/alerts.md).");
	else if (look.late > 0)
		cdr_health_put(
			health, "alerts", CDR_HEALTH_WARNING,
			psprintf("rules that are not evaluated, or late: %lld; rule "
					 "\"%s\", %s",
					 (long long) look.late, look.latest,
					 look.evaluated == NULL
						 ? "never yet"
						 : psprintf("up to %s UTC", look.evaluated)),
			"Look at last_error of cdr_status(), and in the server's log, for "
			"one that fails; workers that consume evaluate them, and some "
			"wait until no events do. Or run cdr_check_alerts().");
	else if (look.left_out > 0)
		cdr_health_put(
			health, "alerts", CDR_HEALTH_WARNING,
			psprintf("%lld open, %lld of them critical; subjects of which "
					 "none was raised, because there are too many: %lld",
					 (long long) look.open, (long long) look.critical,
					 (long long) look.left_out),
			"Look at left_out in cdr_alert_progress: that rule's threshold may "
			"be too low, or its scope too narrow.");
	else
		cdr_health_put(health, "alerts", CDR_HEALTH_OK,
					   look.rules == 0 && look.open == 0
						   ? "no rules"
						   : psprintf("%lld open, %lld of them critical",
									  (long long) look.open,
									  (long long) look.critical),
					   NULL);
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
	check_seals(health, &look);
	check_alerts(health);
}

/*
 * Of a run at night, nobody has seen what came.  Elsewhere than in the database of
 * the service there is none.
 */
void
cdr_health_check_retention(CdrHealth *health)
{
	CdrNightly	nightly;
	TimestampTz last;

	if (RecoveryInProgress() || health->workers == NULL ||
		strcmp(get_database_name(MyDatabaseId), cdr_database) != 0)
		return;
	(void) cdr_nightly_read(&nightly);
	last = Max(nightly.begun_at, nightly.watched_since);
	if (nightly.failing_since != 0)
		cdr_health_put(
			health, "retention", CDR_HEALTH_WARNING,
			psprintf("it fails since %s: %s",
					 timestamptz_to_str(nightly.failing_since),
					 nightly.message),
			psprintf("%s%sCALL cdr_apply_retention() tries it at once.",
					 nightly.hint, nightly.hint[0] != '\0' ? " " : ""));
	else if (cdr_retention_hour < 0)
		return;
	else if (nightly.watched_since == 0 || nightly.hour != cdr_retention_hour)
		cdr_health_put(
			health, "retention", CDR_HEALTH_WARNING,
			"no process looks out for its hour",
			"The sealer does, which is started with the server if "
			"retention_hour, evidence or log_reads is set then: restart the "
			"server.");
	else if (nightly.is_running &&
			 TimestampDifferenceExceeds(nightly.begun_at, health->now,
										RETENTION_AT_MOST))
		cdr_health_put(health, "retention", CDR_HEALTH_WARNING,
					   psprintf("the run of %s has not ended",
								timestamptz_to_str(nightly.begun_at)),
					   "Look at cdr_progress, and in the server's log. CALL "
					   "cdr_apply_retention() goes on where it was.");
	else if (TimestampDifferenceExceeds(last, health->now, RETENTION_EVERY))
		cdr_health_put(
			health, "retention", CDR_HEALTH_WARNING,
			psprintf("it was not applied since %s", timestamptz_to_str(last)),
			"In its hour, the server was down, or the service paused. CALL "
			"cdr_apply_retention() does it at once.");
	else
		cdr_health_put(health, "retention", CDR_HEALTH_OK,
					   nightly.begun_at == 0
						   ? "its hour has not come yet"
						   : psprintf("applied at %s",
									  timestamptz_to_str(nightly.begun_at)),
					   NULL);
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
