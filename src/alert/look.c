/*-------------------------------------------------------------------------
 *
 * look.c
 *	  A look at the alerts, for whoever asks whether all is well.
 *
 * No subject is told: whoever monitors may not know people.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "alert/look.h"
#include "store/look.h"
#include "store/statement.h"
#include "store/writer_query.h"

/* clang-format off */

/* The %s is the schema.  What is found out so long after is marked as late, too. */
#define LOOK_AT_ALERTS \
	"WITH rules AS (SELECT r.name, p.evaluated_at, COALESCE(p.left_out, 0) AS left_out," \
	" p.evaluated_at IS NULL OR p.evaluated_at < now() - r.every - r.lag - interval '10 min' AS late" \
	" FROM %1$s.cdr_alert_rules AS r LEFT JOIN %1$s.cdr_alert_progress AS p ON p.rule = r.name" \
	" WHERE r.enabled)," \
	" latest AS (SELECT name, to_char(evaluated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS evaluated" \
	" FROM rules WHERE late ORDER BY evaluated_at NULLS FIRST, name LIMIT 1)," \
	" alerts AS (SELECT count(*) AS open, count(*) FILTER (WHERE level = 'critical') AS critical" \
	" FROM %1$s.cdr_alerts WHERE cleared_at IS NULL)" \
	" SELECT (SELECT count(*) FROM rules), a.open, a.critical, (SELECT count(*) FROM rules WHERE late)," \
	" (SELECT COALESCE(sum(left_out), 0)::int8 FROM rules), (SELECT name FROM latest), (SELECT evaluated FROM latest)" \
	" FROM alerts AS a"

/* clang-format on */

static int64
number_seen(int column)
{
	bool isnull;

	return DatumGetInt64(cdr_result(0, column, &isnull));
}

static char *
text_seen(int column, MemoryContext context)
{
	bool  isnull;
	Datum value = cdr_result(0, column, &isnull);

	return isnull ? NULL
				  : MemoryContextStrdup(context, TextDatumGetCString(value));
}

static void
look_at_alerts(void *argument)
{
	CdrAlertLook *look = argument;
	MemoryContext context = CurrentMemoryContext;
	CdrTables	  tables;
	CdrRights	  rights;

	cdr_writer_query_open(&tables, AccessShareLock, &rights);
	if (SPI_execute(psprintf(LOOK_AT_ALERTS, tables.quoted), true, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "SPI_execute failed");
	look->rules = number_seen(1);
	look->open = number_seen(2);
	look->critical = number_seen(3);
	look->late = number_seen(4);
	look->left_out = number_seen(5);
	look->latest = text_seen(6, context);
	look->evaluated = text_seen(7, context);
	cdr_writer_query_close(&rights);
}

bool
cdr_alerts_look(CdrAlertLook *look)
{
	memset(look, 0, sizeof(CdrAlertLook));
	return cdr_look_at(look_at_alerts, look, &look->why);
}
