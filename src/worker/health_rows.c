/*-------------------------------------------------------------------------
 *
 * health_rows.c
 *	  The rows of the view cdr_health.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/result.h"
#include "worker/health_rows.h"

void
cdr_health_put(CdrHealth *health, const char *check, CdrHealthLevel level,
			   const char *detail, const char *hint)
{
	static const char *const levels[] = {"ok", "warning", "critical"};
	Datum					 values[CDR_HEALTH_COLUMNS] = {
						   CStringGetTextDatum(check), CStringGetTextDatum(levels[level]),
						   CStringGetTextDatum(detail), (Datum) 0};
	bool nulls[CDR_HEALTH_COLUMNS] = {false, false, false, hint == NULL};

	if (hint != NULL)
		values[3] = CStringGetTextDatum(hint);
	CDR_PUT_ROW(health->info, values, nulls);
}
