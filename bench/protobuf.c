/*-------------------------------------------------------------------------
 *
 * protobuf.c
 *	  The reader of Protobuf beside protobuf-c, over the same bodies.
 *
 * bench/protobuf builds and runs it, with the samples of test/fuzz as input.
 * CPU time, best of nine turns.  Our reader goes as far as to facts, protobuf-c
 * to a tree that is still to be read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <time.h>

#include "common/jsonapi.h"

#include "event/protobuf.h"
#include "sentiric_event.pb-c.h"

#define TURNS 9

/* Allocations and bytes of what is measured just now. */
static size_t allocations;
static size_t allocated;

static void *
count_malloc(void *unused, size_t size)
{
	allocations++;
	allocated += size;
	return malloc(size);
}

static void
count_free(void *unused, void *pointer)
{
	free(pointer);
}

static ProtobufCAllocator allocator = {count_malloc, count_free, NULL};

/* Until PostgreSQL 17 only the server has it; nothing here is bad JSON. */
__attribute__((weak)) char *
json_errdetail(JsonParseErrorType error, JsonLexContext *lex)
{
	return pstrdup("");
}

static double
cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static bool
read_ours(const char *type, const uint8_t *body, size_t length)
{
	CdrFields fields = {.time = CDR_NO_TIME};

	return cdr_protobuf_read((const char *) body, length, type, &fields) ==
		   NULL;
}

static bool
read_tree(const char *type, const uint8_t *body, size_t length)
{
	ProtobufCMessage *message = protobuf_c_message_unpack(
		strcmp(type, "call.started") == 0
			? &sentiric__event__v1__call_started_event__descriptor
			: &sentiric__event__v1__call_ended_event__descriptor,
		&allocator, length, body);

	if (message != NULL)
		protobuf_c_message_free_unpacked(message, &allocator);
	return message != NULL;
}

static void
measure(const char *what, const char *type, const uint8_t *body, size_t length,
		int rounds)
{
	bool (*const readers[])(const char *, const uint8_t *,
							size_t) = {read_ours, read_tree};
	const char *const names[] = {"own reader", "protobuf-c"};

	for (int reader = 0; reader < 2; reader++)
	{
		double best = 1e9;
		bool   done = true;

		for (int turn = 0; turn < (rounds > 1 ? TURNS : 1); turn++)
		{
			double start = cpu_seconds();

			allocations = allocated = 0;
			for (int i = 0; i < rounds; i++)
				done = readers[reader](type, body, length) && done;
			best = Min(best, (cpu_seconds() - start) / rounds);
		}
		printf("%-24s %-10s %12.2f us", what, names[reader], best * 1e6);
		if (reader == 1)
			printf(" %8zu allocations of %.1f MB", allocations / rounds,
				   (double) allocated / rounds / 1e6);
		printf("%s\n", done ? "" : "  (refused)");
	}
}

/* A line of samples.protobuf: name, routing key, content type, body in hex. */
static void
measure_sample(char *line)
{
	char	name[200];
	char	type[300];
	char	hex[9000];
	uint8_t body[4500];
	size_t	length = 0;

	if (sscanf(line, "%199s %299s %*s %8999s", name, type, hex) != 3 ||
		(strcmp(name, "call.started") != 0 && strcmp(name, "call.ended") != 0))
		return;
	for (char *digits = hex; digits[0] && digits[1]; digits += 2)
	{
		unsigned int byte;

		(void) sscanf(digits, "%2x", &byte);
		body[length++] = (uint8_t) byte;
	}
	measure(name, type, body, length, 20000);
}

/* One call.started with its dialplan, user and contact again and again. */
static void
measure_repeated(void)
{
	static const uint8_t piece[] = {0x3a, 0x04, 0x22, 0x02, 0x2a, 0x00};
	size_t				 length = (1 << 20) / sizeof(piece) * sizeof(piece);
	uint8_t				*body = malloc(length);

	for (size_t i = 0; i < length; i += sizeof(piece))
		memcpy(body + i, piece, sizeof(piece));
	measure("1 MB to be merged", "call.started", body, length, 1);
	free(body);
}

int
main(void)
{
	static char line[20000];

	while (fgets(line, sizeof(line), stdin) != NULL)
		measure_sample(line);
	measure_repeated();
	return 0;
}
