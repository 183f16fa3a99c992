/*-------------------------------------------------------------------------
 *
 * fuzz_properties.c
 *	  The fuzz target (libFuzzer): every input is a list of AMQP properties.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "arena.h"
#include "properties.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CdrMessage message = {0};

	message.property_time = CDR_NO_TIME;
	message.properties = (const char *) data;
	message.properties_length = size;
	harness_properties(&message);
	arena_reset();
	return 0;
}
