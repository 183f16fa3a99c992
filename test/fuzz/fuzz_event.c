/*-------------------------------------------------------------------------
 *
 * fuzz_event.c
 *	  The fuzz target (libFuzzer): every input is read as the body of a
 *	  message, as a URI, as a timestamp and as a hangup cause.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "arena.h"
#include "harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CdrEvent	event;
	TimestampTz time;
	char	   *text;

	harness_event((const char *) data, size, &event);

	/* these take text; event.c hands them nothing else */
	text = malloc(size + 1);
	if (text == NULL)
		abort();
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	harness_number(text);
	harness_timestamp(text, &time);
	harness_cause(text);
	free(text);

	arena_reset();
	return 0;
}
