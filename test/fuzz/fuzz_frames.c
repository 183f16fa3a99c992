/*-------------------------------------------------------------------------
 *
 * fuzz_frames.c
 *	  The fuzz target (libFuzzer): every input is what a broker has sent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "arena.h"
#include "frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FramesOutcome outcome;

	harness_frames(data, size, &outcome);
	arena_reset();
	return 0;
}
