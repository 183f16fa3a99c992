/*-------------------------------------------------------------------------
 *
 * horizon.c
 *	  What was retired on purpose, row by row.
 *
 * Of a partition that was detached, the partitions tell (retired.c).  Where retention
 * takes rows, for one tenant or beside others that are held, the table cdr_retired
 * says which: it is looked at where a call does not fit its events, and nowhere
 * else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "store/horizon.h"
#include "store/unsealed.h"

/* $1: the tenant; $2, $3: the first and the last moment. */
#define EVENTS_RETIRED                                                \
	"SELECT FROM ONLY %s.cdr_retired AS r WHERE r.kind = 'events'"    \
	" AND r.until_time > $2 AND r.from_time <= $3"                    \
	" AND (r.action <> 'deleted' OR r.tenant_id IS NOT DISTINCT FROM" \
	" $1 COLLATE \"C\")"

#define CALLS_RETIRED                                             \
	"SELECT FROM ONLY %s.cdr_retired AS r WHERE r.kind = 'calls'" \
	" AND r.until_time > $2 AND $3 IS NOT NULL"                   \
	" AND ($1 IS NULL OR r.tenant_id IS NOT DISTINCT FROM $1 COLLATE \"C\")"

static bool
was_retired(const CdrTables *tables, const char *query, const char *tenant,
			TimestampTz first, TimestampTz last)
{
	Oid	  types[3] = {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum values[3] = {tenant != NULL ? CStringGetTextDatum(tenant) : 0,
					   TimestampTzGetDatum(first), TimestampTzGetDatum(last)};
	char nulls[4] = "   ";

	if (!cdr_evidence_table_is_ours(tables, "cdr_retired") ||
		pg_class_aclcheck(get_relname_relid("cdr_retired", tables->schema),
						  GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		return false;
	if (tenant == NULL)
		nulls[0] = 'n';
	if (SPI_execute_with_args(psprintf(query, tables->quoted), 3, types,
							  values, nulls, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "cdr_retired cannot be read");
	return SPI_processed > 0;
}

bool
cdr_horizon_of_events(const CdrTables *tables, const char *tenant,
					  TimestampTz first, TimestampTz last)
{
	return was_retired(tables, EVENTS_RETIRED, tenant, first, last);
}

bool
cdr_horizon_of_calls(const CdrTables *tables, const char *tenant,
					 TimestampTz over)
{
	return was_retired(tables, CALLS_RETIRED, tenant, over, over);
}
