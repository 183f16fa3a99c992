/*-------------------------------------------------------------------------
 *
 * time_event.c
 *	  What it costs to read an event: CPU time of cdr_event_parse(), identity
 *	  included, for the body in each file.
 *
 * Built without the sanitizers.  Each figure is the best of nine turns.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <time.h>

#include "common/jsonapi.h"

#include "arena.h"
#include "event/event.h"

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
one_turn(const CdrMessage *message)
{
	static const CdrEventOptions options = {1024 * 1024, 6};
	double						 start = cpu_seconds();
	CdrEvent					 event;

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

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
	{
		static char body[65536];
		FILE	   *file = fopen(argv[i], "rb");
		CdrMessage	message = {.property_time = CDR_NO_TIME, .body = body};
		double		best = 1e9;

		if (file == NULL)
		{
			perror(argv[i]);
			return 1;
		}
		message.body_length = fread(body, 1, sizeof(body), file);
		message.body_size = message.body_length;
		fclose(file);
		for (int turn = 0; turn < TURNS; turn++)
			best = Min(best, one_turn(&message));
		printf("%6.2f us %6zu bytes  %s\n", best, message.body_length,
			   argv[i]);
	}
	return 0;
}
