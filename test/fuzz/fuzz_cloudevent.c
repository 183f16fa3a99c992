/*-------------------------------------------------------------------------
 *
 * fuzz_cloudevent.c
 *	  The fuzz target (libFuzzer): every input is a content type, by its first
 *	  byte, then headers as JSON up to a NUL, and a body.
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
	const char *start = (const char *) data;
	const char *nul;
	CdrEvent	event;

	if (size == 0)
		return 0;
	nul = memchr(start + 1, '\0', size - 1);
	if (nul == NULL)
		return 0;
	harness_headed(nul + 1, start + size - (nul + 1), NULL,
				   harness_content_type(data[0]),
				   nul == start + 1 ? NULL : start + 1, &event);
	arena_reset();
	return 0;
}
