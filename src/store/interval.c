/*-------------------------------------------------------------------------
 *
 * interval.c
 *	  The day, week or month of UTC that one partition covers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pgtime.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "base/guc.h"
#include "store/interval.h"

static TimestampTz
start_of_day(int julian_day)
{
	return (TimestampTz) (julian_day - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY;
}

CdrStretch
cdr_interval_around(TimestampTz time)
{
	struct pg_tm tm;
	fsec_t		 fsec;
	int			 day;
	int			 next;

	if (timestamp2tm(time, NULL, &tm, &fsec, NULL, NULL) != 0)
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
						errmsg("timestamp out of range")));
	day = date2j(tm.tm_year, tm.tm_mon, tm.tm_mday);
	switch ((CdrPartitionInterval) cdr_partition_interval)
	{
		case CDR_PARTITION_DAY:
			next = day + 1;
			break;
		case CDR_PARTITION_WEEK:
			day -= (j2day(day) + 6) % 7;
			next = day + 7;
			break;
		case CDR_PARTITION_MONTH:
		default:
			day = date2j(tm.tm_year, tm.tm_mon, 1);
			next = tm.tm_mon == 12 ? date2j(tm.tm_year + 1, 1, 1)
								   : date2j(tm.tm_year, tm.tm_mon + 1, 1);
			break;
	}
	return (CdrStretch){start_of_day(day), start_of_day(next)};
}

int
cdr_interval_days(void)
{
	static const int days[] = {[CDR_PARTITION_DAY] = 1,
							   [CDR_PARTITION_WEEK] = 7,
							   [CDR_PARTITION_MONTH] = 28};

	return days[cdr_partition_interval];
}
