/*-------------------------------------------------------------------------
 *
 * assemble_frames.c
 *	  Runs the assembler of messages over descriptions of frames, one line of
 *	  outcome for each; with a directory, writes each there instead, as bytes,
 *	  and the properties of its last message in a file .properties, for the
 *	  fuzzers to begin with.
 *
 * A line of the description is a name and frames, as TYPE.CHANNEL:PAYLOAD, or
 * =BYTES as they are.  Bytes are pieces, joined by commas:
 *
 *	HEX		bytes
 *	HEX*N	the same, N times
 *	A N		a table with N arrays within each other, 5 bytes for each
 *	F N		a table with N tables within each other, 7 bytes for each
 *
 * (A and F without the blank before N.)  Lines that begin with "#" are remarks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "lib/stringinfo.h"

#include "arena.h"
#include "base/properties.h"
#include "frames.h"

static void
fail(const char *what, const char *where)
{
	fprintf(stderr, "assemble_frames: %s: %s\n", what, where);
	exit(1);
}

static void
append_number(StringInfo out, uint32 number)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		appendStringInfoChar(out, (char) (number >> shift));
}

static void
append_nested(StringInfo out, char kind, int depth)
{
	int step = kind == 'A' ? 5 : 7;

	append_number(out, (uint32) (step * depth + (kind == 'A' ? 2 : 0)));
	if (kind == 'A')
		appendStringInfoString(out, "\001k");
	for (int i = depth - 1; i >= 0; i--)
	{
		appendStringInfoString(out, kind == 'A' ? "A" : "\001kF");
		append_number(out, (uint32) (step * i));
	}
}

static void
append_hex(StringInfo out, const char *hex)
{
	char *end;
	int	  length = (int) strspn(hex, "0123456789abcdef");
	long  times = 1;

	if (hex[length] == '*')
		times = strtol(hex + length + 1, &end, 10);
	else
		end = unconstify(char *, hex) + length;
	if (length % 2 != 0 || *end != '\0')
		fail("no bytes", hex);
	while (times-- > 0)
	{
		for (int i = 0; i < length; i += 2)
		{
			char digits[3] = {hex[i], hex[i + 1], '\0'};

			appendStringInfoChar(out, (char) strtol(digits, NULL, 16));
		}
	}
}

static void
append_pieces(StringInfo out, char *text)
{
	char *rest;

	for (char *piece = strtok_r(text, ",", &rest); piece != NULL;
		 piece = strtok_r(NULL, ",", &rest))
	{
		if (*piece == 'A' || *piece == 'F')
			append_nested(out, *piece, atoi(piece + 1));
		else
			append_hex(out, piece);
	}
}

static void
append_frame(StringInfo out, char *text)
{
	StringInfoData payload;
	int			   type;
	int			   channel;
	int			   start;

	if (*text == '=')
	{
		append_pieces(out, text + 1);
		return;
	}
	if (sscanf(text, "%d.%d:%n", &type, &channel, &start) != 2)
		fail("no frame", text);
	initStringInfo(&payload);
	append_pieces(&payload, text + start);
	appendStringInfoChar(out, (char) type);
	appendStringInfoChar(out, (char) (channel >> 8));
	appendStringInfoChar(out, (char) channel);
	append_number(out, (uint32) payload.len);
	appendBinaryStringInfo(out, payload.data, payload.len);
	appendStringInfoChar(out, (char) 0xCE);
}

static void
write_file(const char *path, const char *bytes, size_t length)
{
	FILE *file = fopen(path, "wb");

	if (file == NULL || fwrite(bytes, 1, length, file) != length ||
		fclose(file) != 0)
		fail("could not write", path);
}

static void
write_files(const char *directory, const char *name,
			const StringInfoData *bytes)
{
	char		 *path = psprintf("%s/%s", directory, name);
	FramesOutcome outcome;

	write_file(path, bytes->data, bytes->len);
	harness_frames((const uint8 *) bytes->data, bytes->len, &outcome);
	if (outcome.messages > 0)
		write_file(psprintf("%s.properties", path), outcome.last.properties,
				   outcome.last.properties_length);
}

static void
print_outcome(const char *name, const StringInfoData *bytes)
{
	FramesOutcome outcome;
	const char	 *headers;
	const char	 *properties;

	harness_frames((const uint8 *) bytes->data, bytes->len, &outcome);
	printf("%s: %d bytes, %d frames, %d messages", name, bytes->len,
		   outcome.frames, outcome.messages);
	if (outcome.messages > 0)
	{
		headers = cdr_headers_json(&outcome.last);
		properties = cdr_properties_json(&outcome.last);
		printf(", %s, body %zu of " UINT64_FORMAT
			   ", headers %.400s, properties %s",
			   outcome.last.routing_key, outcome.last.body_length,
			   outcome.last.body_size, headers == NULL ? "none" : headers,
			   properties == NULL ? "none" : properties);
	}
	printf("; %s\n", outcome.end == NULL ? "awaits more" : outcome.end);
}

int
main(int argc, char **argv)
{
	char  *line = NULL;
	size_t size = 0;
	FILE  *file = argc >= 2 ? fopen(argv[1], "r") : NULL;

	if (file == NULL || argc > 3)
		fail("usage", "assemble_frames DESCRIPTION [DIRECTORY]");
	while (getline(&line, &size, file) > 0)
	{
		StringInfoData bytes;
		char		  *rest;
		char		  *name = strtok_r(line, " \n", &rest);

		if (name == NULL || *name == '#')
			continue;
		initStringInfo(&bytes);
		for (char *frame = strtok_r(NULL, " \n", &rest); frame != NULL;
			 frame = strtok_r(NULL, " \n", &rest))
			append_frame(&bytes, frame);
		if (argc == 3)
			write_files(argv[2], name, &bytes);
		else
			print_outcome(name, &bytes);
		arena_reset();
	}
	free(line);
	fclose(file);
	return 0;
}
