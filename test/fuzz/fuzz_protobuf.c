/*-------------------------------------------------------------------------
 *
 * fuzz_protobuf.c
 *	  The fuzz target (libFuzzer): every input is read as Protobuf, by its own
 *	  type or by that of a routing key, and shown as JSON.
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
	const char				*type = types[size % lengthof(types)];
	const char				*label =
		 size / lengthof(types) % 2 == 0 ? "application/protobuf" : NULL;
	CdrEvent event;

	harness_message(body, size, type, label, &event);
	harness_show(body, size, type);
	arena_reset();
	return 0;
}
