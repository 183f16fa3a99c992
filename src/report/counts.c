/*-------------------------------------------------------------------------
 *
 * counts.c
 *	  SQL: aggregates of how many calls there were, by step of time, hour and outcome.
 *
 * As a query that groups by them; but that is a look of its own at the calls, and this
 * shares one with all else that the report asks.  Names, which others wrote, are kept once,
 * and groups have their numbers.  What is too much for memory is an error, and who asks
 * takes the query.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "report/aggregate.h"
#include "report/hours.h"
#include "report/sums.h"

/* What they are counted by, without a byte of padding. */
typedef struct CountKey
{
	Timestamp hour;
	int32	  step;
	int32	  is_answered;
	int32	  has_ended;
	int32 disposition; /* of a call that ended without an answer; 0: none */
	int32 has_sip_status;
	int32 sip_status;
	int32 cause; /* where there is no status */
	int32 unused;
} CountKey;

typedef struct Count
{
	CountKey key;
	uint32	 status;
	int64	 sums[CDR_NSUMS];
} Count;

typedef struct Named
{
	const char *bytes;
	int			length;
	int			number; /* from 1 on */
} Named;

typedef struct NameEntry
{
	Named  name;
	uint32 status;
} NameEntry;

#define SH_PREFIX		   counts
#define SH_ELEMENT_TYPE	   Count
#define SH_KEY_TYPE		   CountKey
#define SH_KEY			   key
#define SH_HASH_KEY(tb, k) hash_bytes((const unsigned char *) &(k), sizeof(k))
#define SH_EQUAL(tb, a, b) (memcmp(&(a), &(b), sizeof(a)) == 0)
#define SH_SCOPE		   static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

#define SH_PREFIX		names
#define SH_ELEMENT_TYPE NameEntry
#define SH_KEY_TYPE		Named
#define SH_KEY			name
#define SH_HASH_KEY(tb, k) \
	hash_bytes((const unsigned char *) (k).bytes, (k).length)
#define SH_EQUAL(tb, a, b) \
	((a).length == (b).length && memcmp((a).bytes, (b).bytes, (a).length) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct Counts
{
	CdrSteps	 steps;
	CdrHours	*hours;
	counts_hash *groups;
	names_hash	*names;
} Counts;

#define FIRST_GROUPS 1024
#define FIRST_NAMES	 64

static Counts *
make_counts(MemoryContext context, FunctionCallInfo fcinfo)
{
	MemoryContext before = MemoryContextSwitchTo(context);
	Counts		 *counts = palloc0(sizeof(Counts));

	cdr_steps_read(&counts->steps, fcinfo, 8);
	if (PG_ARGISNULL(9))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("zone must not be null")));
	counts->hours = cdr_hours_make(context, PG_GETARG_TEXT_PP(9));
	counts->groups = counts_create(context, FIRST_GROUPS, NULL);
	counts->names = names_create(context, FIRST_NAMES, NULL);
	MemoryContextSwitchTo(before);
	return counts;
}

/* The number of a name. */
static int
number_name(Counts *counts, const text *said, MemoryContext context)
{
	Named	   name = {.bytes = VARDATA_ANY(said),
					   .length = (int) VARSIZE_ANY_EXHDR(said)};
	NameEntry *entry = names_lookup(counts->names, name);
	char	  *bytes;
	bool	   is_found;

	if (entry != NULL)
		return entry->name.number;
	cdr_aggregate_grow(context, (Size) name.length +
									counts->names->size * sizeof(NameEntry));
	bytes = MemoryContextAlloc(context, name.length + 1);
	memcpy(bytes, name.bytes, name.length);
	name.bytes = bytes;
	name.number = (int) counts->names->members + 1;
	entry = names_insert(counts->names, name, &is_found);
	entry->name = name;
	return name.number;
}

static Count *
find_count(Counts *counts, const CountKey *key, MemoryContext context)
{
	Count *count = counts_lookup(counts->groups, *key);
	bool   is_found;

	if (count != NULL)
		return count;
	/* from half of its size on, it may become twice as large at any time */
	if (counts->groups->members >= counts->groups->size / 2)
		cdr_aggregate_grow(context, 2 * counts->groups->size * sizeof(Count));
	count = counts_insert(counts->groups, *key, &is_found);
	memset(count->sums, 0, sizeof(count->sums));
	return count;
}

PG_FUNCTION_INFO_V1(cdr_course_add);

/* (attempt_time, disposition, sip_status, hangup_cause, start, answer, end, steps, zone) */
Datum
cdr_course_add(PG_FUNCTION_ARGS)
{
	MemoryContext context = cdr_aggregate_context(fcinfo, __func__);
	Counts		 *counts = PG_ARGISNULL(0) ? make_counts(context, fcinfo)
										   : (Counts *) PG_GETARG_POINTER(0);
	CdrCallTimes  times = CDR_CALL_TIMES_ARGS(5);
	CountKey	  key = {.is_answered = times.has_answer,
						 .has_ended = times.has_end};
	int			  step;

	if (PG_ARGISNULL(1))
		PG_RETURN_POINTER(counts);
	step = cdr_steps_find(&counts->steps, PG_GETARG_TIMESTAMPTZ(1));
	if (step < 0)
		PG_RETURN_POINTER(counts);
	key.step = step + 1;
	key.hour = cdr_hours_find(counts->hours, PG_GETARG_TIMESTAMPTZ(1));
	if (times.has_end && !times.has_answer)
	{
		if (!PG_ARGISNULL(2))
			key.disposition =
				number_name(counts, PG_GETARG_TEXT_PP(2), context);
		key.has_sip_status = !PG_ARGISNULL(3);
		if (key.has_sip_status)
			key.sip_status = PG_GETARG_INT32(3);
		else if (!PG_ARGISNULL(4))
			key.cause = number_name(counts, PG_GETARG_TEXT_PP(4), context);
	}
	cdr_sums_put(find_count(counts, &key, context)->sums, &times);
	PG_RETURN_POINTER(counts);
}

/* How many numbers a row has. */
#define COUNT_WIDTH (8 + CDR_NSUMS)

PG_FUNCTION_INFO_V1(cdr_course_counts_found);

/*
 * Rows of step, hour (of those since 2000), is answered, has ended, number of the
 * disposition, has a status of SIP, that, number of the cause, and the sums.
 */
Datum
cdr_course_counts_found(PG_FUNCTION_ARGS)
{
	Counts		   *counts;
	Datum		   *values;
	Datum		   *value;
	counts_iterator iterator;
	Count		   *count;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	counts = (Counts *) PG_GETARG_POINTER(0);
	value = values = palloc_extended(Max(counts->groups->members, 1) *
										 COUNT_WIDTH * sizeof(Datum),
									 MCXT_ALLOC_HUGE);
	counts_start_iterate(counts->groups, &iterator);
	while ((count = counts_iterate(counts->groups, &iterator)) != NULL)
	{
		const CountKey *key = &count->key;

		*value++ = Int64GetDatum(key->step);
		*value++ = Int64GetDatum(key->hour / USECS_PER_HOUR);
		*value++ = Int64GetDatum(key->is_answered);
		*value++ = Int64GetDatum(key->has_ended);
		*value++ = Int64GetDatum(key->disposition);
		*value++ = Int64GetDatum(key->has_sip_status);
		*value++ = Int64GetDatum(key->sip_status);
		*value++ = Int64GetDatum(key->cause);
		for (int i = 0; i < CDR_NSUMS; i++)
			*value++ = Int64GetDatum(count->sums[i]);
	}
	PG_RETURN_DATUM(cdr_aggregate_rows(values, (int) counts->groups->members,
									   COUNT_WIDTH));
}

PG_FUNCTION_INFO_V1(cdr_course_names_found);

/* Names by their numbers. */
Datum
cdr_course_names_found(PG_FUNCTION_ARGS)
{
	Counts		  *counts;
	Datum		  *names;
	names_iterator iterator;
	NameEntry	  *entry;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	counts = (Counts *) PG_GETARG_POINTER(0);
	names = palloc(Max(counts->names->members, 1) * sizeof(Datum));
	names_start_iterate(counts->names, &iterator);
	while ((entry = names_iterate(counts->names, &iterator)) != NULL)
		names[entry->name.number - 1] = PointerGetDatum(
			cstring_to_text_with_len(entry->name.bytes, entry->name.length));
	PG_RETURN_ARRAYTYPE_P(construct_array(names, (int) counts->names->members,
										  TEXTOID, -1, false, TYPALIGN_INT));
}
