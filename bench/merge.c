/*-------------------------------------------------------------------------
 *
 * merge.c
 *	  What the merge itself costs: CPU time of call/, for an event.
 *
 *	merge BATCH
 *
 * bench/merge builds and runs it, with bodies of events as input, a line each.
 * Their calls are made as the service makes them: the events of a batch that are
 * of one call are added to each other, and what they say is joined with the row
 * of the call, if there is one.  Each figure is the best of nine turns.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <time.h>

#include "common/jsonapi.h"

#include "arena.h"
#include "call/derive.h"

#define TURNS	 9
#define LINE_MAX 65536

/* The events of a call in one batch. */
typedef struct Part
{
	int			   first; /* of them */
	int			   count;
	CdrCall		   call;  /* what they say */
	CdrRow		   added; /* the same as a row */
	StringInfoData added_state;
	struct Part	  *before; /* the part of the same call before; NULL: none */
	CdrRow		   joined; /* with the row after that one */
	StringInfoData state;
	CdrRow		   row; /* after this part */
} Part;

static CdrEvent *events;
static int		 nevents;
static Part		*parts;
static int		 nparts;

/* What a turn makes is looked at, so that it is made. */
static size_t made;

/* Until PostgreSQL 16 libpgcommon has these words only in the server. */
__attribute__((weak)) char *
json_errdetail(JsonParseErrorType error, JsonLexContext *lex)
{
	return psprintf("error %d", (int) error);
}

static double
cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* ------------------------------------------------------------------------
 * The events
 * ------------------------------------------------------------------------
 */

static void
read_events(void)
{
	static const CdrEventOptions options = {.max_event_size = 1024 * 1024,
											.extension_digits = 6};
	static char					 line[LINE_MAX];

	while (fgets(line, sizeof(line), stdin) != NULL)
	{
		CdrMessage message = {.property_time = CDR_NO_TIME};

		message.body_length = strcspn(line, "\n");
		message.body_size = message.body_length;
		message.body = pstrdup(line);
		events = realloc(events, (nevents + 1) * sizeof(CdrEvent));
		if (events == NULL)
			abort();
		if (!cdr_event_parse(&message, &options, &events[nevents]) ||
			events[nevents].call_id[0] == '\0')
		{
			fprintf(stderr, "merge: no event of a call: %s", line);
			exit(1);
		}
		nevents++;
		arena_keep();
	}
}

static int
compare_events(const void *a, const void *b)
{
	const CdrEvent *x = a;
	const CdrEvent *y = b;
	int				order = strcmp(x->call_id, y->call_id);

	return order != 0 ? order : memcmp(x->id.data, y->id.data, UUID_LEN);
}

/* Batches in the order of arrival, each sorted as the service sorts it. */
static void
make_parts(int batch)
{
	parts = calloc(nevents, sizeof(Part));
	if (parts == NULL)
		abort();
	for (int begin = 0; begin < nevents; begin += batch)
	{
		int end = Min(begin + batch, nevents);

		qsort(&events[begin], end - begin, sizeof(CdrEvent), compare_events);
		for (int i = begin; i < end; i++)
		{
			if (i == begin ||
				strcmp(events[i - 1].call_id, events[i].call_id) != 0)
				parts[nparts++].first = i;
			parts[nparts - 1].count++;
		}
	}
}

static const char *
call_id_of(const Part *part)
{
	return events[part->first].call_id;
}

/* By call, then in the order of batches. */
static int
compare_parts(const void *a, const void *b)
{
	const Part *x = *(Part *const *) a;
	const Part *y = *(Part *const *) b;
	int			order = strcmp(call_id_of(x), call_id_of(y));

	return order != 0 ? order : x->first - y->first;
}

static void
link_parts(void)
{
	Part **sorted = malloc(nparts * sizeof(Part *));

	if (sorted == NULL)
		abort();
	for (int i = 0; i < nparts; i++)
		sorted[i] = &parts[i];
	qsort(sorted, nparts, sizeof(Part *), compare_parts);
	for (int i = 1; i < nparts; i++)
	{
		if (strcmp(call_id_of(sorted[i - 1]), call_id_of(sorted[i])) == 0)
			sorted[i]->before = sorted[i - 1];
	}
	free(sorted);
}

/* ------------------------------------------------------------------------
 * What is measured
 * ------------------------------------------------------------------------
 */

/* Each event is added to what the others of its batch say. */
static void
add(Part *part)
{
	cdr_call_init(&part->call, call_id_of(part));
	for (int i = 0; i < part->count; i++)
		cdr_call_add(&part->call, &events[part->first + i]);
	made += part->call.event_count;
}

/* The row of that, its merge_state included. */
static void
write_row(Part *part)
{
	cdr_call_derive(&part->call, &part->added_state, &part->added);
	made += part->added.merge_state_length;
}

static void
restore(const CdrRow *row, CdrCall *call)
{
	if (cdr_call_restore(row, call) != NULL)
		abort();
}

/* The two rows are read, joined, and written: cdr_join_calls(). */
static void
join(Part *part)
{
	CdrCall call;
	CdrCall added;

	if (part->before == NULL)
		return;
	restore(&part->before->row, &call);
	restore(&part->added, &added);
	cdr_call_join(&call, &added);
	cdr_call_derive(&call, &part->state, &part->joined);
	made += part->joined.merge_state_length;
}

static double
best_of_turns(void (*work)(Part *))
{
	double best = 1e9;

	for (int turn = 0; turn < TURNS; turn++)
	{
		double start = cpu_seconds();

		for (int i = 0; i < nparts; i++)
		{
			work(&parts[i]);
			arena_reset();
		}
		best = Min(best, cpu_seconds() - start);
	}
	return best * 1e6;
}

/* The rows of all parts, which stay; the states have room that does. */
static void
prepare(void)
{
	for (int i = 0; i < nparts; i++)
	{
		Part *part = &parts[i];

		initStringInfo(&part->added_state);
		initStringInfo(&part->state);
		add(part);
		write_row(part);
		part->row = part->added;
		join(part);
		if (part->before != NULL)
			part->row = part->joined;
		arena_keep();
	}
}

static void
print(const char *what, double us, int count)
{
	printf("%-58s %6.3f us an event, %6.3f us each of %d\n", what,
		   us / nevents, us / count, count);
}

int
main(int argc, char **argv)
{
	int	   batch = argc > 1 ? atoi(argv[1]) : 2000;
	int	   njoins = 0;
	double adds;
	double writes;
	double joins;

	read_events();
	make_parts(batch);
	link_parts();
	prepare();
	for (int i = 0; i < nparts; i++)
		njoins += parts[i].before != NULL;
	adds = best_of_turns(add);
	writes = best_of_turns(write_row);
	joins = best_of_turns(join);
	printf("%d events in batches of %d\n", nevents, batch);
	print("events added to each other", adds, nevents);
	print("rows made of that, with merge_state", writes, nparts);
	print("stored rows read, joined with them, and made anew", joins,
		  Max(njoins, 1));
	printf("%-58s %6.3f us an event\n", "all",
		   (adds + writes + joins) / nevents);
	return made == 0;
}
