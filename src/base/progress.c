/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  How far long work is, for other sessions to see.
 *
 * PostgreSQL has a place for this in shared memory for each process, which its
 * pg_stat_progress views read: a kind of command, a relation and some numbers.  We
 * use it, with a kind that none of these views knows: so it needs no preloaded
 * library, and goes with the process, or with the transaction that fails.
 *
 * A command within ours, such as the ATTACH that makes an index, puts its own there
 * and clears it.  So all of ours is written each time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pgstat.h"
#include "utils/backend_progress.h"
#include "utils/backend_status.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/progress.h"

/* None of PostgreSQL's, which count from 0; and, for none of somebody else's either,
 * a number that only we put into the first place. */
#define COMMAND ((ProgressCommandType) 0x43445200)
#define MARK	INT64CONST(0x6364725f70726f67)

enum
{
	AT_MARK,
	AT_WORK,
	AT_PHASE,
	AT_DONE,
	AT_TOTAL,
	AT_SINCE,
	NPARAMS
};

StaticAssertDecl(NPARAMS <= PGSTAT_NUM_PROGRESS_PARAM,
				 "there are not as many places");

void
cdr_progress_show(const CdrProgress *progress)
{
	static const int places[NPARAMS] = {AT_MARK, AT_WORK,  AT_PHASE,
										AT_DONE, AT_TOTAL, AT_SINCE};
	const int64		 values[NPARAMS] = {
			 MARK,			 progress->work,  progress->phase,
			 progress->done, progress->total, progress->since};

	if (MyBEEntry == NULL)
		return;
	if (MyBEEntry->st_progress_command != COMMAND ||
		MyBEEntry->st_progress_command_target != progress->relation)
		pgstat_progress_start_command(COMMAND, progress->relation);
	pgstat_progress_update_multi_param(NPARAMS, places, values);
}

void
cdr_progress_begin(CdrProgress *progress, CdrWork work, int64 total)
{
	*progress = (CdrProgress){
		.work = work, .total = total, .since = GetCurrentTimestamp()};
	cdr_progress_show(progress);
}

void
cdr_progress_add(CdrProgress *progress, int64 done)
{
	if (progress == NULL)
		return;
	progress->done += done;
	cdr_progress_show(progress);
}

void
cdr_progress_phase(CdrProgress *progress, CdrPhase phase, int64 total)
{
	progress->phase = phase;
	progress->done = 0;
	progress->total = total;
	cdr_progress_show(progress);
}

void
cdr_progress_end(void)
{
	/* another one's is not ours to clear */
	if (MyBEEntry != NULL && MyBEEntry->st_progress_command == COMMAND)
		pgstat_progress_end_command();
}

bool
cdr_progress_read(int place, CdrProgress *progress, int *pid, Oid *database,
				  Oid *role, bool *end)
{
	const PgBackendStatus *entry;
	const int64			  *values;

	*end = place >= pgstat_fetch_stat_numbackends();
	if (*end)
		return false;
	entry = cdr_backend_status(place);
	if (entry == NULL)
		return false;
	values = entry->st_progress_param;
	if (entry->st_progress_command != COMMAND || values[AT_MARK] != MARK ||
		values[AT_WORK] < 0 || values[AT_WORK] >= CDR_NWORKS ||
		values[AT_PHASE] < 0 || values[AT_PHASE] >= CDR_NPHASES)
		return false;
	*progress = (CdrProgress){.work = values[AT_WORK],
							  .phase = values[AT_PHASE],
							  .relation = entry->st_progress_command_target,
							  .done = values[AT_DONE],
							  .total = values[AT_TOTAL],
							  .since = values[AT_SINCE]};
	*pid = entry->st_procpid;
	*database = entry->st_databaseid;
	*role = entry->st_userid;
	return true;
}

const char *
cdr_progress_work(CdrWork work)
{
	static const char *const names[] = {
#define SHOWN(name, shown, unit) shown,
		CDR_WORKS(SHOWN)
#undef SHOWN
	};

	return names[work];
}

const char *
cdr_progress_unit(CdrWork work)
{
	static const char *const units[] = {
#define UNIT(name, shown, unit) unit,
		CDR_WORKS(UNIT)
#undef UNIT
	};

	return units[work];
}

const char *
cdr_progress_phase_name(CdrPhase phase)
{
	static const char *const names[] = {
#define SHOWN(name, shown) shown,
		CDR_PHASES(SHOWN)
#undef SHOWN
	};

	return names[phase];
}
