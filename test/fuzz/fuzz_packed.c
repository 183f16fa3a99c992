/*-------------------------------------------------------------------------
 *
 * fuzz_packed.c
 *	  The fuzz target (libFuzzer): every input is packed in each way, and read
 *	  as if somebody had packed it; its first byte says how.
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
	static const struct
	{
		const char *encoding;
		const char *content_type;
		const char *type;
	} labels[] = {
		{NULL, NULL, NULL},
		{NULL, NULL, "amqp-1.0"},
		{"gzip", NULL, NULL},
		{"deflate", NULL, NULL},
		{"deflate, gzip", NULL, "amqp-1.0"},
		{NULL, "application/json; charset=iso-8859-1", NULL},
		{NULL, "text/plain; charset=utf-16", NULL},
		{"utf-32", NULL, NULL},
	};
	const char *body = (const char *) data;
	CdrEvent	event;
	int			i;

	harness_pack(body, size);
	harness_amqp10_properties(body, size);
	arena_reset();
	if (size == 0)
		return 0;
	i = data[0] % lengthof(labels);
	harness_unpack(body + 1, size - 1, labels[i].encoding,
				   labels[i].content_type, labels[i].type, &event);
	arena_reset();
	return 0;
}
