/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  SQL: how far long work is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/progress.h"

#define PROGRESS_COLUMNS 10

typedef struct ProgressRow
{
	Datum values[PROGRESS_COLUMNS];
	bool  nulls[PROGRESS_COLUMNS];
	int	  count;
} ProgressRow;

static void
progress_put(ProgressRow *row, Datum value, bool isnull)
{
	row->values[row->count] = value;
	row->nulls[row->count] = isnull;
	row->count++;
}

static void
progress_put_name(ProgressRow *row, const char *name)
{
	progress_put(row,
				 name == NULL
					 ? (Datum) 0
					 : DirectFunctionCall1(namein, CStringGetDatum(name)),
				 name == NULL);
}

static void
progress_put_text(ProgressRow *row, const char *text)
{
	progress_put(row, text == NULL ? (Datum) 0 : CStringGetTextDatum(text),
				 text == NULL);
}

static void
progress_put_row(ReturnSetInfo *info, const CdrProgress *progress, int pid,
				 Oid database, Oid role)
{
	ProgressRow row = {0};

	progress_put(&row, Int32GetDatum(pid), false);
	progress_put_name(&row, get_database_name(database));
	progress_put_name(&row, GetUserNameFromId(role, true));
	progress_put_text(&row, cdr_progress_work(progress->work));
	progress_put_text(&row, cdr_progress_phase_name(progress->phase));
	/* a number of another database means something else here */
	progress_put(&row, ObjectIdGetDatum(progress->relation),
				 !OidIsValid(progress->relation) || database != MyDatabaseId);
	progress_put(&row, Int64GetDatum(progress->done), false);
	progress_put(&row, Int64GetDatum(progress->total), progress->total < 0);
	progress_put_text(&row, cdr_progress_unit(progress->work));
	progress_put(&row, TimestampTzGetDatum(progress->since), false);
	Assert(row.count == PROGRESS_COLUMNS);
	tuplestore_putvalues(info->setResult, info->setDesc, row.values,
						 row.nulls);
}

PG_FUNCTION_INFO_V1(cdr_read_progress);

Datum
cdr_read_progress(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		   end = false;

	InitMaterializedSRF(fcinfo, 0);
	if (info->setDesc->natts != PROGRESS_COLUMNS)
		elog(ERROR, "cdr_read_progress() is not declared as it is");
	for (int place = 0; !end; place++)
	{
		CdrProgress progress;
		int			pid;
		Oid			database;
		Oid			role;

		if (cdr_progress_read(place, &progress, &pid, &database, &role, &end))
			progress_put_row(info, &progress, pid, database, role);
	}
	return (Datum) 0;
}

/* The number of a name in a list of them; -1: it is none. */
static int
number_of_name(const char *name, int count, const char *(*nth)(int) )
{
	for (int i = 0; i < count; i++)
	{
		const char *other = nth(i);

		if (other != NULL && strcmp(other, name) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" is nothing that cdr_progress shows", name)));
	return -1;
}

static const char *
nth_work(int n)
{
	return cdr_progress_work((CdrWork) n);
}

static const char *
nth_phase(int n)
{
	return cdr_progress_phase_name((CdrPhase) n);
}

PG_FUNCTION_INFO_V1(cdr_show_progress);

/* cdr_show_progress(work, phase, done, total) */
Datum
cdr_show_progress(PG_FUNCTION_ARGS)
{
	CdrProgress progress = {.since = GetCurrentStatementStartTimestamp()};

	if (PG_ARGISNULL(0))
	{
		cdr_progress_end();
		PG_RETURN_VOID();
	}
	progress.work = number_of_name(text_to_cstring(PG_GETARG_TEXT_PP(0)),
								   CDR_NWORKS, nth_work);
	progress.phase =
		PG_ARGISNULL(1) ? CDR_PHASE_WORKING
						: number_of_name(text_to_cstring(PG_GETARG_TEXT_PP(1)),
										 CDR_NPHASES, nth_phase);
	progress.done = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT64(2);
	progress.total = PG_ARGISNULL(3) ? -1 : PG_GETARG_INT64(3);
	cdr_progress_show(&progress);
	PG_RETURN_VOID();
}
