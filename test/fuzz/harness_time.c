/*-------------------------------------------------------------------------
 *
 * harness_time.c
 *	  Holds what reads times to what it promises: a moment is the same in every
 *	  spelling, of which the C library prints some.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <math.h>
#include <time.h>

#include "base/epoch.h"
#include "event/timestamp.h"
#include "harness.h"
#include "promise.h"

#define DAY		   USECS_PER_DAY
#define UNIX_EPOCH (-INT64CONST(10957) * DAY)

/* The year 0002 to 9999, which an offset can leave by less than a day. */
#define YEAR_2	   (INT64CONST(-63050745600) * USECS_PER_SEC)
#define YEAR_10000 (INT64CONST(252455616000) * USECS_PER_SEC)

/* What numbers can say, in seconds since 1970. */
#define NUMBERS_FIRST INT64CONST(631152000)
#define NUMBERS_LAST  INT64CONST(9999999999)

/* 1970-01-01 in seconds since the year 0. */
#define GREGORIAN INT64CONST(62167219200)

bool
harness_is_set(TimestampTz time)
{
	return time >= YEAR_2 && time < YEAR_10000 + DAY && time != UNIX_EPOCH;
}

/* A moment as seconds since 1970 and microseconds, and as the C library has it. */
static void
split_time(TimestampTz time, int64 *seconds, int *microseconds, struct tm *tm)
{
	time_t clock;

	time -= UNIX_EPOCH;
	*microseconds =
		(int) ((time % USECS_PER_SEC + USECS_PER_SEC) % USECS_PER_SEC);
	*seconds = (time - *microseconds) / USECS_PER_SEC;
	clock = (time_t) *seconds;
	if (gmtime_r(&clock, tm) == NULL)
		abort();
}

const char *
harness_print_time(TimestampTz time)
{
	static char text[64];
	int64		seconds;
	int			microseconds;
	struct tm	tm;

	if (time == CDR_NO_TIME)
		return "never set";
	split_time(time, &seconds, &microseconds, &tm);
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
			 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
			 tm.tm_min, tm.tm_sec, microseconds);
	return text;
}

/* The fraction of a second at point, rounded as the server rounds it. */
static int64
server_fraction(const char *point)
{
	char   fraction[64] = ".";
	size_t length;

	if (*point != '.' && *point != ',')
		return 0;
	length = Min(strspn(point + 1, "0123456789"), sizeof(fraction) - 2);
	memcpy(fraction + 1, point + 1, length);
	fraction[length + 1] = '\0';
	return (int64) rint(strtod(fraction, NULL) * 1000000) % USECS_PER_SEC;
}

static void
reads_as(const char *text, TimestampTz time)
{
	TimestampTz again;

	PROMISE(cdr_timestamp_read(text, &again));
	PROMISE(again == time);
}

/* The spellings that the C library prints, whole seconds. */
static void
check_printed(const struct tm *tm, TimestampTz time)
{
	static const char *const formats[] = {
		"%Y-%m-%dT%H:%M:%SZ",
		"%Y-%m-%d %H:%M:%S +0000 UTC",
		"%Y/%m/%d %H:%M:%S",
		"%Y%m%dT%H%M%SZ",
		"%Y%m%d%H%M%S",
		"%Y-%m-%dT%H:%M:%S+00:00[Etc/UTC]",
		"%a, %d %b %Y %H:%M:%S GMT",
		"%A, %d-%b-%Y %H:%M:%S +0000",
		"%d %B %Y %H:%M:%S UTC",
		"%a %b %e %H:%M:%S %Y",
		"%a %b %d %H:%M:%S UTC %Y",
		"%a %b %d %Y %H:%M:%S GMT+0000 (Coordinated Universal Time)",
	};
	char text[128];

	for (int i = 0; i < (int) lengthof(formats); i++)
	{
		if (strftime(text, sizeof(text), formats[i], tm) == 0)
			abort();
		reads_as(text, harness_is_set(time) ? time : CDR_NO_TIME);
	}
}

/* A moment as numbers of all units, exactly. */
static void
check_numbers(int64 seconds, int microseconds, TimestampTz time)
{
	char text[64];

	if (seconds < NUMBERS_FIRST || seconds > NUMBERS_LAST)
		return;
#define NUMBER(...)                                \
	do                                             \
	{                                              \
		snprintf(text, sizeof(text), __VA_ARGS__); \
		reads_as(text, time);                      \
	} while (0)
	NUMBER(INT64_FORMAT ".%06d", seconds, microseconds);
	NUMBER(INT64_FORMAT ".%06d000", seconds + GREGORIAN, microseconds);
	NUMBER(INT64_FORMAT "%03d.%03d", seconds, microseconds / 1000,
		   microseconds % 1000);
	NUMBER(INT64_FORMAT "%06d", seconds, microseconds);
	NUMBER(INT64_FORMAT "%06d000e-9", seconds, microseconds);
	NUMBER(INT64_FORMAT "%06d.0e+0", seconds, microseconds);
	NUMBER("0." INT64_FORMAT "%06dE%d", seconds, microseconds,
		   seconds > 999999999 ? 10 : 9);
	if (seconds >= INT64CONST(662688000))
		NUMBER(INT64_FORMAT "%06d000", seconds, microseconds);
#undef NUMBER
	PROMISE(cdr_epoch_of_property(seconds * UINT64CONST(1000000) +
								  microseconds) == time);
	PROMISE(cdr_epoch_of_property(seconds) == time - microseconds);
	PROMISE(cdr_epoch_of_property(seconds * UINT64CONST(1000) +
								  microseconds / 1000) ==
			time - microseconds % 1000);
}

bool
harness_timestamp(const char *text, TimestampTz *time)
{
	const TimestampTz untouched = 4711;
	int64			  seconds;
	int				  microseconds;
	struct tm		  tm;

	*time = untouched;
	if (!cdr_timestamp_read(text, time))
	{
		PROMISE(*time == untouched);
		return false;
	}
	if (*time == CDR_NO_TIME)
		return true;
	PROMISE(harness_is_set(*time));
	split_time(*time, &seconds, &microseconds, &tm);
	if (strspn(text, "0123456789-:T") >= 19 && text[4] == '-' &&
		text[10] == 'T' && text[16] == ':')
		PROMISE(microseconds == server_fraction(text + 19));

	/* the C library prints no zeros before a year; an offset leads beyond 9999 */
	if (tm.tm_year + 1900 <= 9999)
		reads_as(harness_print_time(*time), *time);
	if (tm.tm_year + 1900 >= 1000 && tm.tm_year + 1900 <= 9999)
		check_printed(&tm, *time - microseconds);
	check_numbers(seconds, microseconds, *time);
	return true;
}

int
harness_calendar(void)
{
	TimestampTz first;
	TimestampTz last = 0;
	char		text[64];
	int			count = 0;

	for (int month = 12; month < 9999 * 12; month++)
	{
		snprintf(text, sizeof(text), "%04d-%02d-01T00:00:00.000000Z",
				 month / 12 + 1, month % 12 + 1);
		if (strncmp(text, "1970-01-", 8) == 0)
			continue;
		PROMISE(harness_timestamp(text, &first));
		PROMISE(strcmp(harness_print_time(first), text) == 0);
		count++;
		if (month > 12)
		{
			snprintf(text, sizeof(text), "%s",
					 harness_print_time(first - DAY));
			PROMISE(harness_timestamp(text, &last));
			PROMISE(last == first - DAY);
			count++;
		}
	}
	return count;
}

/* The first and the last number of a unit, and those that are none beside. */
static void
check_bounds(const char *before, const char *first, const char *last,
			 const char *behind)
{
	TimestampTz time;

	PROMISE(!harness_timestamp(before, &time));
	PROMISE(harness_timestamp(first, &time) && time != CDR_NO_TIME);
	PROMISE(harness_timestamp(last, &time) && time != CDR_NO_TIME);
	PROMISE(!harness_timestamp(behind, &time));
}

int
harness_epochs(void)
{
	uint64 random = 1;
	int	   count = 0;

	check_bounds("631151999", "631152000", "9999999999", "10000000000");
	check_bounds("62798371199", "62798371200", "72167219199", "72167219200");
	check_bounds("631151999999", "631152000000", "9999999999999",
				 "10000000000000");
	check_bounds("631151999999999", "631152000000000", "9999999999999999",
				 "10000000000000000");
	check_bounds("662687999999999999", "662688000000000000",
				 "9999999999999999999", "10000000000000000000");

	/* of the property, all that AMQP's seconds could ever say as well */
	PROMISE(cdr_epoch_of_property(0) == CDR_NO_TIME);
	PROMISE(cdr_epoch_of_property(1) == UNIX_EPOCH + USECS_PER_SEC);
	PROMISE(cdr_epoch_of_property(UINT64CONST(253402300799)) ==
			YEAR_10000 - USECS_PER_SEC);
	PROMISE(cdr_epoch_of_property(UINT64CONST(253402300800)) == CDR_NO_TIME);
	PROMISE(cdr_epoch_of_property(PG_UINT64_MAX) == CDR_NO_TIME);

	for (; count < 20000; count++)
	{
		TimestampTz time;
		char		text[64];

		random =
			random * UINT64CONST(6364136223846793005) + 1442695040888963407;
		snprintf(text, sizeof(text), INT64_FORMAT,
				 (int64) (NUMBERS_FIRST * USECS_PER_SEC +
						  random % ((NUMBERS_LAST - NUMBERS_FIRST) *
									USECS_PER_SEC)));
		PROMISE(harness_timestamp(text, &time) && time != CDR_NO_TIME);
	}
	return count;
}
