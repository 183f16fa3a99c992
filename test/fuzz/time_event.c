/*-------------------------------------------------------------------------
 *
 * time_event.c
 *	  What it costs to read an event: CPU time of cdr_event_parse(), identity
 *	  included, for the body in each file.
 *
 *	time_event FILE...
 *	time_event --mappings N MAPPING... -- FILE...
 *
 * With mappings, N of them are in force, those that are named again and again.
 *
 * Built without the sanitizers.  Each figure is the best of nine turns.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <time.h>

#include "common/jsonapi.h"

#include "arena.h"
#include "files.h"
#include "zones.h"
#include "event/event.h"
#include "event/mapping_compile.h"

#define TURNS  9
#define EVENTS 100000

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

/* Microseconds for each event. */
static double
one_turn(const CdrMessage *message, const CdrMappingUse *mappings)
{
	CdrEventOptions options = {.max_event_size = 1024 * 1024,
							   .extension_digits = 6,
							   .mappings = mappings};
	double			start = cpu_seconds();
	CdrEvent		event;

	for (int i = 0; i < EVENTS; i++)
	{
		if (!cdr_event_parse(message, &options, &event))
		{
			fprintf(stderr, "no event: %s\n", event.reason->message);
			exit(1);
		}
		arena_reset();
	}
	return (cpu_seconds() - start) / EVENTS * 1e6;
}

/* Adds mappings until there are so many. */
static void
add_mappings(CdrMappings *set, int wanted, char **files, int nfiles)
{
	for (int i = 0; i < wanted; i++)
	{
		size_t			 length;
		char			*text = files_read(files[i % nfiles], &length);
		const CdrReason *reason =
			cdr_mappings_add(set, psprintf("mapping %d", i), 1, text, length);

		if (reason != NULL)
		{
			fprintf(stderr, "%s: %s\n", files[i % nfiles], reason->message);
			exit(1);
		}
		free(text);
	}
}

static void
time_file(const char *path, const CdrMappingUse *mappings)
{
	CdrMessage message = {.property_time = CDR_NO_TIME};
	char	  *body = files_read(path, &message.body_length);
	double	   best = 1e9;

	message.body = body;
	message.body_size = message.body_length;
	for (int turn = 0; turn < TURNS; turn++)
		best = Min(best, one_turn(&message, mappings));
	printf("%6.2f us %6zu bytes  %s\n", best, message.body_length, path);
	free(body);
}

int
main(int argc, char **argv)
{
	CdrMappingUse use = {0};
	int			  first = 1;

	if (argc > 4 && strcmp(argv[1], "--mappings") == 0)
	{
		for (first = 3; first < argc && strcmp(argv[first], "--") != 0;)
			first++;
		use.set = cdr_mappings_begin(&test_zones);
		add_mappings(use.set, atoi(argv[2]), argv + 3, first - 3);
		cdr_mappings_end(use.set);
		arena_keep();
		first++;
	}
	for (int i = first; i < argc; i++)
		time_file(argv[i], use.set != NULL ? &use : NULL);
	return 0;
}
