/*-------------------------------------------------------------------------
 *
 * seal_status.c
 *	  SQL: what waits for a seal, and for an anchor.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "store/seal.h"
#include "store/seal_status.h"
#include "store/statement.h"
#include "store/unsealed.h"
#include "store/writer_query.h"

/* Those of cdr_evidence_status(), in seal_status.sql. */
#define EVIDENCE_COLUMNS 10

#define COUNT_WAITING \
	"SELECT COALESCE(sum(n), 0)::int8, min(lo) FROM %s.cdr_unsealed"

/* They stand there in about the order in which they came. */
#define FIND_WAITING                                                              \
	"SELECT -1::int8, min(u.lo) FROM (SELECT lo FROM %s.cdr_unsealed LIMIT 1000)" \
	" AS u"

#define FIND_CHECKPOINT                                  \
	"SELECT log, size, taken_at FROM %s.cdr_checkpoints" \
	" ORDER BY log DESC, size DESC LIMIT 1"

/* One covers all that was sealed before it; of the same, the first. */
#define FIND_ANCHOR                                  \
	"SELECT log, size, added_at FROM %s.cdr_anchors" \
	" ORDER BY log DESC, size DESC, added_at LIMIT 1"

#define FIND_UNANCHORED                           \
	"SELECT taken_at FROM %s.cdr_checkpoints"     \
	" WHERE (log, size) > (%d, " INT64_FORMAT ")" \
	" ORDER BY log, size LIMIT 1"

/* The fields of the first row; false: there is none. */
static bool
look_up(const char *sql, int nfields, Datum *fields, bool *nulls)
{
	if (SPI_execute(sql, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute failed");
	if (SPI_processed == 0)
		return false;
	for (int i = 0; i < nfields; i++)
		fields[i] = cdr_result(0, i + 1, &nulls[i]);
	return true;
}

static void
look_for_anchor(const CdrTables *tables, CdrSealStatus *status)
{
	Datum fields[3];
	bool  nulls[3];

	/* (a checkpoint covers an entry at least) */
	if (cdr_evidence_table_is_ours(tables, "cdr_anchors") &&
		look_up(psprintf(FIND_ANCHOR, tables->quoted), 3, fields, nulls) &&
		!nulls[0] && !nulls[1] && !nulls[2])
	{
		status->has_anchor = true;
		status->anchor_log = DatumGetInt32(fields[0]);
		status->anchor_size = DatumGetInt64(fields[1]);
		status->anchored_at = DatumGetTimestampTz(fields[2]);
	}
	if (look_up(psprintf(FIND_UNANCHORED, tables->quoted, status->anchor_log,
						 status->anchor_size),
				1, fields, nulls))
		status->unanchored_since = DatumGetTimestampTz(fields[0]);
}

void
cdr_seal_status_read(const CdrTables *tables, bool count,
					 CdrSealStatus *status)
{
	Datum fields[3] = {0};
	bool  nulls[3] = {0};

	memset(status, 0, sizeof(CdrSealStatus));
	status->can_seal = cdr_can_seal(tables);
	if (!status->can_seal)
		return;
	(void) look_up(
		psprintf(count ? COUNT_WAITING : FIND_WAITING, tables->quoted), 2,
		fields, nulls);
	status->waiting = DatumGetInt64(fields[0]);
	status->waiting_since = nulls[1] ? 0 : DatumGetTimestampTz(fields[1]);
	if (look_up(psprintf(FIND_CHECKPOINT, tables->quoted), 3, fields, nulls))
	{
		status->log = DatumGetInt32(fields[0]);
		status->size = DatumGetInt64(fields[1]);
		status->taken_at = DatumGetTimestampTz(fields[2]);
	}
	look_for_anchor(tables, status);
}

static void
put_evidence_time(Datum *values, bool *nulls, int column, TimestampTz time)
{
	values[column] = TimestampTzGetDatum(time);
	nulls[column] = time == 0;
}

/* What is not there is NULL. */
static void
fill_evidence(const CdrSealStatus *status, Datum *values, bool *nulls)
{
	memset(nulls, true, EVIDENCE_COLUMNS);
	values[0] = BoolGetDatum(cdr_evidence);
	nulls[0] = false;
	if (!status->can_seal)
		return;
	values[1] = Int64GetDatum(status->waiting);
	nulls[1] = false;
	put_evidence_time(values, nulls, 2, status->waiting_since);
	if (status->log != 0)
	{
		values[3] = Int32GetDatum(status->log);
		values[4] = Int64GetDatum(status->size);
		nulls[3] = nulls[4] = false;
		put_evidence_time(values, nulls, 5, status->taken_at);
	}
	if (status->has_anchor)
	{
		values[6] = Int32GetDatum(status->anchor_log);
		values[7] = Int64GetDatum(status->anchor_size);
		nulls[6] = nulls[7] = false;
		put_evidence_time(values, nulls, 8, status->anchored_at);
	}
	put_evidence_time(values, nulls, 9, status->unanchored_since);
}

PG_FUNCTION_INFO_V1(cdr_evidence_status);

Datum
cdr_evidence_status(PG_FUNCTION_ARGS)
{
	TupleDesc	  columns;
	CdrTables	  tables;
	CdrRights	  rights;
	CdrSealStatus status;
	Datum		  values[EVIDENCE_COLUMNS];
	bool		  nulls[EVIDENCE_COLUMNS];

	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE ||
		columns->natts != EVIDENCE_COLUMNS)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("cdr_evidence_status() is declared with other "
							   "columns than its library has"),
						errhint("Run ALTER EXTENSION cdr_service UPDATE.")));
	cdr_writer_query_open(&tables, AccessShareLock, &rights);
	cdr_seal_status_read(&tables, true, &status);
	cdr_writer_query_close(&rights);
	fill_evidence(&status, values, nulls);
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(columns), values, nulls)));
}
