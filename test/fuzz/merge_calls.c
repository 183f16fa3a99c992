/*
 * merge_calls.c
 *	  The algebra of the merge, over random parts of calls.
 *
 *	merge_calls SEED ROUNDS
 *
 * Deals a few events of one call, at few moments so that ties are frequent, of
 * all kinds and ranks, corrections and closings among them, and makes calls of
 * parts of them.  Whatever the order in
 * which events are added and parts are joined, and whether parts were stored as
 * rows and read again on the way, the row is the same, byte for byte.  At the
 * end rows are damaged and read.
 */
#include "postgres_fe.h"

#include "common/pg_prng.h"

#include "arena.h"
#include "call/derive.h"
#include "promise.h"

#define EVENTS_MAX		  6
#define CALL_ID			  "call"
#define SECONDS_OF_A_CALL 30

static pg_prng_state prng;

static int
below(int limit)
{
	return (int) (pg_prng_uint64(&prng) % (uint64) limit);
}

static const char *
one_of(const char *const *words, int count)
{
	return words[below(count)];
}

#define ONE_OF(...)                            \
	one_of((const char *const[]){__VA_ARGS__}, \
		   lengthof(((const char *const[]){__VA_ARGS__})))

/* ------------------------------------------------------------------------
 * Events
 * ------------------------------------------------------------------------
 */

static TimestampTz
deal_time(void)
{
	TimestampTz time = below(SECONDS_OF_A_CALL) * (USECS_PER_SEC / 2);

	return below(8) == 0 ? time + 2 * USECS_PER_HOUR : time;
}

static void
deal_said(CdrEventFact *fact)
{
	fact->tenant_id = ONE_OF(NULL, "t1", "t2");
	switch (fact->kind)
	{
		case CDR_CALL_STARTED:
			fact->caller_number = ONE_OF(NULL, "1001", "1002");
			fact->callee_number = ONE_OF(NULL, "2001", "ai-pipeline");
			fact->direction = ONE_OF(NULL, "inbound");
			fact->trunk = ONE_OF(NULL, "gw1", "gw2");
			break;
		case CDR_CALL_ENDED:
			fact->hangup_cause =
				ONE_OF(NULL, "busy", "canceled", "normal_clearing", "odd",
					   "closed", "network_failure");
			fact->hangup_source = ONE_OF(NULL, "user");
			fact->sip_status = below(2) * (400 + below(200));
			break;
		case CDR_RECORDING_AVAILABLE:
			fact->recording_url = ONE_OF(NULL, "s3://1", "s3://2");
			break;
		default:
			break;
	}
	if (fact->kind == CDR_CALL_STARTED || fact->kind == CDR_USER_IDENTIFIED)
	{
		fact->user_id = ONE_OF(NULL, "u1", "u2");
		fact->has_contact_id = below(2) == 0;
		fact->contact_id = fact->has_contact_id ? below(3) - 1 : 0;
	}
}

/* Adds a fact, of the event's time or, as a record tells it, of its own. */
static void
deal_fact(CdrEvent *event, CdrEventFact *facts, CdrEventKind kind)
{
	CdrEventFact *fact = &facts[event->nfacts++];
	bool		  recorded = below(2) == 0;

	fact->kind = kind;
	fact->time = recorded ? deal_time() : event->time;
	if (event->time_source == CDR_TIME_OF_RECEIPT && !recorded)
		fact->rank = CDR_RANK_GUESS;
	else
		fact->rank = below(2) ? CDR_RANK_LIVE : CDR_RANK_RECORD;
	deal_said(fact);
}

/* What comes from outside: of one kind, or of several, of each once. */
static void
deal_facts(CdrEvent *event)
{
	static const CdrEventKind kinds[] = {
		CDR_CALL_STARTED, CDR_CALL_RINGING,	   CDR_CALL_ANSWERED,
		CDR_CALL_ENDED,	  CDR_USER_IDENTIFIED, CDR_RECORDING_AVAILABLE};
	static const CdrEventKind often[] = {CDR_CALL_STARTED, CDR_CALL_STARTED,
										 CDR_CALL_ENDED, CDR_CALL_ENDED};
	CdrEventFact *facts = palloc0(lengthof(kinds) * sizeof(CdrEventFact));

	event->facts = facts;
	if (below(14) == 0)
		return;
	if (below(2) == 0)
	{
		deal_fact(event, facts, often[below(lengthof(often))]);
		return;
	}
	if (below(3) > 0)
	{
		deal_fact(event, facts, kinds[below(lengthof(kinds))]);
		return;
	}
	for (int i = 0; i < (int) lengthof(kinds); i++)
	{
		if (below(2) == 0)
			deal_fact(event, facts, kinds[i]);
	}
}

/* A correction of a few columns, or one that is withdrawn. */
static const CdrSaid *
deal_corrected(void)
{
	CdrSaid *corrected = palloc0(CDR_NCORRECTABLE * sizeof(CdrSaid));

	for (int i = 1 + below(4); i > 0; i--)
	{
		int		 column = below(CDR_NCORRECTABLE);
		CdrSaid *said = &corrected[column];

		memset(said, 0, sizeof(CdrSaid));
		said->time = CDR_NO_TIME;
		said->kind = CDR_SAID_BY_EVENTS + below(3);
		if (said->kind != CDR_SAID_VALUE)
			continue;
		switch (cdr_correctable[column].type)
		{
			case CDR_CORRECT_AS_TIME:
				said->time = deal_time();
				break;
			case CDR_CORRECT_AS_TEXT:
				said->text = ONE_OF("busy", "normal_clearing", "1001", "x");
				break;
			case CDR_CORRECT_AS_NUMBER:
				said->number = CDR_SIP_STATUS_FIRST + below(3);
				break;
		}
	}
	return corrected;
}

/* The events of the functions of this extension. */
static void
deal_made(CdrEvent *event)
{
	CdrEventFact *fact = palloc0(sizeof(CdrEventFact));

	fact->kind = below(3) == 0 ? CDR_CALL_CLOSED : CDR_CALL_CORRECTED;
	fact->time = event->time;
	event->facts = fact;
	event->nfacts = 1;
	event->time_source = CDR_TIME_OF_FUNCTION;
	/* in another order than what they say */
	if (fact->kind == CDR_CALL_CORRECTED)
		event->corrected = deal_corrected();
	else
		event->closed_at = deal_time();
}

static void
deal_event(CdrEvent *event, int number)
{
	memset(event, 0, sizeof(CdrEvent));
	event->call_id = CALL_ID;
	event->time = deal_time();
	event->time_source =
		below(4) == 0 ? CDR_TIME_OF_RECEIPT : CDR_TIME_OF_BODY;
	event->id.data[0] = (unsigned char) below(256);
	event->id.data[UUID_LEN - 1] = (unsigned char) number;
	if (below(14) < 3)
		deal_made(event);
	else
		deal_facts(event);
}

/* ------------------------------------------------------------------------
 * Calls
 * ------------------------------------------------------------------------
 */

/* What some events, bits of a set, say; in a random order. */
static CdrCall
call_of(const CdrEvent *events, int count, unsigned int set)
{
	int		order[EVENTS_MAX];
	CdrCall call;

	cdr_call_init(&call, CALL_ID);
	for (int i = 0; i < count; i++)
	{
		int place = below(i + 1);

		order[i] = order[place];
		order[place] = i;
	}
	for (int i = 0; i < count; i++)
	{
		if (set & (1U << order[i]))
			cdr_call_add(&call, &events[order[i]]);
	}
	return call;
}

static CdrRow
row_of(const CdrCall *call)
{
	StringInfoData state;
	CdrRow		   row;

	initStringInfo(&state);
	cdr_call_derive(call, &state, &row);
	return row;
}

/* As if it had been stored in between. */
static CdrCall
stored(const CdrCall *call)
{
	CdrRow	row = row_of(call);
	CdrCall result;

	PROMISE(cdr_call_restore(&row, &result) == NULL);
	return result;
}

static CdrCall
joined(const CdrCall *a, const CdrCall *b)
{
	CdrCall call = below(2) ? stored(a) : *a;
	CdrCall other = below(2) ? stored(b) : *b;

	cdr_call_join(&call, &other);
	return call;
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* clang-format off */

#define SAME_TEXT(name)		   PROMISE(same_text(a.name, b.name));
#define SAME_STATUS(name)	   PROMISE(same_text(a.name, b.name));
#define SAME_TIME(name)		   PROMISE(a.name == b.name);
#define SAME_TIME_ALWAYS(name) PROMISE(a.name == b.name);
#define SAME_INTEGER(name)	   PROMISE(a.name == b.name);
#define SAME_BIGINT(name) \
	PROMISE(a.has_##name == b.has_##name && a.name == b.name);
#define SAME_COUNT(name)	   PROMISE(!counted || a.name == b.name);
#define SAME_ANOMALIES(name)   PROMISE(a.name == b.name);
#define SAME_BYTEA(name) \
	PROMISE(a.name##_length == b.name##_length && \
			memcmp(a.name, b.name, a.name##_length) == 0);
#define SAME(name, type, comment) SAME_##type(name)

/* clang-format on */

/* Are two calls one row? */
static void
check_same(const CdrCall *x, const CdrCall *y, bool counted)
{
	CdrRow a = row_of(x);
	CdrRow b = row_of(y);

	CDR_CALL_COLUMNS(SAME)
}

/* ------------------------------------------------------------------------
 * Corrections, worked out in another way
 * ------------------------------------------------------------------------
 */

/* The correction of a column that counts, of all events; NULL: none. */
static const CdrSaid *
latest_said(const CdrEvent *events, int count, int column)
{
	const CdrEvent *latest = NULL;

	for (int i = 0; i < count; i++)
	{
		const CdrEvent *event = &events[i];

		if (cdr_event_fact(event, CDR_CALL_CORRECTED) == NULL ||
			event->corrected[column].kind == CDR_SAID_NOTHING)
			continue;
		if (latest == NULL || event->time > latest->time ||
			(event->time == latest->time &&
			 memcmp(event->id.data, latest->id.data, UUID_LEN) > 0))
			latest = event;
	}
	if (latest == NULL || latest->corrected[column].kind == CDR_SAID_BY_EVENTS)
		return NULL;
	return &latest->corrected[column];
}

/* What is corrected is as the correction says; a call that is up has no end. */
static void
check_corrected(const CdrEvent *events, int count, const CdrCall *call)
{
	CdrRow row = row_of(call);

#define SAID_TIME(column, name)                              \
	if ((said = latest_said(events, count, column)) != NULL) \
	PROMISE(row.name ==                                      \
			(said->kind == CDR_SAID_NONE ? CDR_NO_TIME : said->time))
#define SAID_TEXT(column, name)                              \
	if ((said = latest_said(events, count, column)) != NULL) \
	PROMISE(same_text(row.name, said->text))
	const CdrSaid *said;

	SAID_TIME(CDR_CORRECT_START_TIME, start_time);
	SAID_TIME(CDR_CORRECT_RING_TIME, ring_time);
	SAID_TIME(CDR_CORRECT_ANSWER_TIME, answer_time);
	SAID_TIME(CDR_CORRECT_END_TIME, end_time);
	SAID_TEXT(CDR_CORRECT_CALLER, caller_number);
	SAID_TEXT(CDR_CORRECT_CALLEE, callee_number);
	SAID_TEXT(CDR_CORRECT_DIRECTION, direction);
	SAID_TEXT(CDR_CORRECT_TRUNK, trunk);
	SAID_TEXT(CDR_CORRECT_TENANT, tenant_id);
	SAID_TEXT(CDR_CORRECT_USER, user_id);
	SAID_TEXT(CDR_CORRECT_RECORDING, recording_url);
	said = latest_said(events, count, CDR_CORRECT_CONTACT);
	if (said != NULL)
		PROMISE(row.has_contact_id == (said->kind == CDR_SAID_VALUE) &&
				row.contact_id == said->number);
	if (row.end_time == CDR_NO_TIME)
	{
		PROMISE(row.hangup_cause == NULL && row.hangup_source == NULL &&
				row.sip_status == 0 && row.disposition == NULL);
		return;
	}
	SAID_TEXT(CDR_CORRECT_CAUSE, hangup_cause);
	SAID_TEXT(CDR_CORRECT_SOURCE, hangup_source);
	said = latest_said(events, count, CDR_CORRECT_SIP_STATUS);
	if (said != NULL)
		PROMISE(row.sip_status == (int) said->number);
}

/*
 * first_event_time and last_event_time: over events from outside, if any; and those
 * of events that functions made.
 */
static void
check_times(const CdrEvent *events, int count, const CdrCall *call)
{
	TimestampTz first[2] = {DT_NOEND, DT_NOEND};
	TimestampTz last[2] = {DT_NOBEGIN, DT_NOBEGIN};
	CdrRow		row = row_of(call);
	int			outside;

	for (int i = 0; i < count; i++)
	{
		int which = cdr_event_from_outside(&events[i]);

		first[which] = Min(first[which], events[i].time);
		last[which] = Max(last[which], events[i].time);
	}
	outside = last[1] != DT_NOBEGIN;
	PROMISE(row.first_event_time == first[outside]);
	PROMISE(row.last_event_time == last[outside]);
	PROMISE(last[0] == DT_NOBEGIN ? call->first_made == CDR_NO_TIME
								  : call->first_made == first[0]);
	PROMISE(call->last_made == last[0]);
}

/* ------------------------------------------------------------------------
 * The bodies of corrections
 * ------------------------------------------------------------------------
 */

/* What a body says of a column; NULL: it is not read, or says nothing. */
static const CdrSaid *
said_by(const char *column, const char *value)
{
	const char	  *body = psprintf("{\"eventType\":\"" CDR_CORRECTED_TYPE
								   "\",\"x\":{\"%s\":\"no\"},"
									  "\"correction\":{\"%s\":%s}}",
								   column, column, value);
	TimestampTz	   closed_at;
	const CdrSaid *said = cdr_correction_read(body, strlen(body), &closed_at);

	PROMISE(closed_at == CDR_NO_TIME);
	return said != NULL ? &said[cdr_correctable_find(column)] : NULL;
}

static void
check_bodies(void)
{
	static const char withdrawn[] = "{\"columns\":[\"trunk\",[\"user_id\"],"
									"7,\"status\",\"end_time\"]}";
	static const char closed[] =
		"{\"a\":{\"endTime\":\"2026-01-01T00:00:00Z\"},"
		"\"endTime\":\"2000-01-01T00:00:01Z\"}";
	TimestampTz	   closed_at;
	const CdrSaid *said;

	PROMISE(said_by("end_time", "null")->kind == CDR_SAID_NONE);
	PROMISE(said_by("end_time", "\"2000-01-01T00:00:01Z\"")->time ==
			USECS_PER_SEC);
	PROMISE(said_by("end_time", "\"1970-01-01T00:00:00Z\"") == NULL);
	PROMISE(said_by("end_time", "\"soon\"") == NULL);
	PROMISE(said_by("end_time", "7") == NULL);
	PROMISE(strcmp(said_by("trunk", "\"g\\u0077-\\\"1\"")->text, "gw-\"1") ==
			0);
	PROMISE(said_by("trunk", "\"\"") == NULL);
	PROMISE(said_by("trunk", "[\"a\"]") == NULL);
	PROMISE(said_by("trunk", "{\"trunk\":\"a\"}") == NULL);
	PROMISE(said_by("sip_status", "486")->number == 486);
	PROMISE(said_by("sip_status", "199") == NULL);
	PROMISE(said_by("contact_id", "-9223372036854775808")->number ==
			PG_INT64_MIN);
	PROMISE(said_by("contact_id", "0") == NULL);
	PROMISE(said_by("status", "\"COMPLETED\"") == NULL);
	PROMISE(said_by("trunk", "\"cut") == NULL);

	said = cdr_correction_read(withdrawn, strlen(withdrawn), &closed_at);
	for (int i = 0; i < CDR_NCORRECTABLE; i++)
		PROMISE(said[i].kind ==
				(i == CDR_CORRECT_TRUNK || i == CDR_CORRECT_END_TIME
					 ? CDR_SAID_BY_EVENTS
					 : CDR_SAID_NOTHING));
	PROMISE(cdr_correction_read(closed, strlen(closed), &closed_at) == NULL);
	PROMISE(closed_at == USECS_PER_SEC);
	arena_reset();
}

/* ------------------------------------------------------------------------
 * What is promised
 * ------------------------------------------------------------------------
 */

static void
check_algebra(const CdrEvent *events, int count)
{
	unsigned int all = (1U << count) - 1;
	unsigned int in_a = (unsigned int) below(all + 1);
	unsigned int in_b = (unsigned int) below(all + 1) & ~in_a;
	CdrCall		 a = call_of(events, count, in_a);
	CdrCall		 b = call_of(events, count, in_b);
	CdrCall		 c = call_of(events, count, all & ~in_a & ~in_b);
	CdrCall		 nothing = call_of(events, count, 0);
	CdrCall		 whole = call_of(events, count, all);
	CdrCall		 ab = joined(&a, &b);
	CdrCall		 ba = joined(&b, &a);
	CdrCall		 bc = joined(&b, &c);
	CdrCall		 ab_c = joined(&ab, &c);
	CdrCall		 a_bc = joined(&a, &bc);
	CdrCall		 aa = joined(&a, &a);
	CdrCall		 whole_a = joined(&whole, &a);
	CdrCall		 a_nothing = joined(&a, &nothing);

	check_same(&ab, &ba, true);
	check_same(&ab_c, &a_bc, true);
	check_same(&ab_c, &whole, true);
	check_same(&aa, &a, false);
	check_same(&whole_a, &whole, false);
	check_same(&a_nothing, &a, true);
}

/* All orders of the events, added one by one, give one row. */
static void
check_orders(const CdrEvent *events, int count, unsigned int left,
			 const CdrCall *call, const CdrCall *whole)
{
	if (left == 0)
		check_same(call, whole, true);
	for (int i = 0; i < count; i++)
	{
		CdrCall next = *call;

		if ((left & (1U << i)) == 0)
			continue;
		cdr_call_add(&next, &events[i]);
		check_orders(events, count, left & ~(1U << i), &next, whole);
	}
}

/* Whatever stands in the column is read, or is told to be unreadable. */
static int
check_damaged(const CdrCall *call)
{
	CdrRow	row = row_of(call);
	size_t	length = below(4) == 0
						 ? (size_t) below((int) row.merge_state_length)
						 : row.merge_state_length;
	char   *bytes = palloc(length + 1);
	CdrCall restored;

	memcpy(bytes, row.merge_state, length);
	for (int i = below(4); length > 0 && i > 0; i--)
		bytes[below((int) length)] = (char) below(256);
	if (below(8) == 0)
		row.end_time = row.start_time = CDR_NO_TIME;
	if (below(8) == 0)
		row.first_event_time = DT_NOEND;
	if (below(8) == 0)
		row.sip_status = -below(1000);
	/* at its very end, so that the sanitizer sees what reads on */
	row.merge_state = memcpy(malloc(Max(length, 1)), bytes, length);
	row.merge_state_length = length;
	if (cdr_call_restore(&row, &restored) == NULL)
	{
		CdrCall again = stored(&restored);

		check_same(&again, &restored, true);
		free(unconstify(char *, row.merge_state));
		return 1;
	}
	free(unconstify(char *, row.merge_state));
	return 0;
}

int
main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[2]) : 10000;
	int readable = 0;

	check_bodies();
	pg_prng_seed(&prng, argc > 1 ? (uint64) atoll(argv[1]) : 1);
	for (int round = 0; round < rounds; round++)
	{
		int		 count = 1 + below(EVENTS_MAX);
		CdrEvent events[EVENTS_MAX];
		CdrCall	 whole;
		CdrCall	 none;

		for (int i = 0; i < count; i++)
			deal_event(&events[i], i);
		check_algebra(events, count);
		whole = call_of(events, count, (1U << count) - 1);
		check_corrected(events, count, &whole);
		check_times(events, count, &whole);
		cdr_call_init(&none, CALL_ID);
		/* all orders of six take their time */
		if (count < EVENTS_MAX || round % 50 == 0)
			check_orders(events, count, (1U << count) - 1, &none, &whole);
		readable += check_damaged(&whole);
		arena_reset();
	}
	PROMISE(readable > 0 && readable < rounds);
	printf("merge: %d calls, any order, any parts, stored or not: one row\n",
		   rounds);
	return 0;
}
