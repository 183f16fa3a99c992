/*-------------------------------------------------------------------------
 *
 * fuzz_protobuf.c
 *	  The fuzz target (libFuzzer): every input is read as Protobuf, by its own
 *	  type and by that of the routing key, and shown as JSON.
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
	static const char *const types[] = {NULL, "call.started", "call.answered",
										"user.identified.for_call",
										"cognitive.map.updated"};
	const char				*body = (const char *) data;
	CdrEvent				 event;

	for (int i = 0; i < (int) lengthof(types); i++)
	{
		harness_message(body, size, types[i], "application/protobuf", &event);
		harness_show(body, size, types[i]);
	}
	harness_message(body, size, NULL, NULL, &event);
	arena_reset();
	return 0;
}
