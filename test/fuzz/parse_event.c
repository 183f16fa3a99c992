/*-------------------------------------------------------------------------
 *
 * parse_event.c
 *	  Runs the parsers over files, one line of outcome for each: built with
 *	  the sanitizers, this is the sanitizer run over the corpus.
 *
 * A file is the body of a message.  Of a file named *.events, *.uris or *.times
 * each line is a body, a URI or a timestamp.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "arena.h"
#include "harness.h"
#include "event/number.h"

static const char *const kinds[] = {"other", "started",	   "answered",
									"ended", "identified", "recording"};

static char *
read_file(const char *path, size_t *length)
{
	FILE  *file = fopen(path, "rb");
	char  *bytes = NULL;
	size_t capacity = 0;

	*length = 0;
	if (file == NULL)
	{
		perror(path);
		exit(1);
	}
	do
	{
		capacity += 65536;
		bytes = realloc(bytes, capacity);
		if (bytes == NULL)
			abort();
		*length += fread(bytes + *length, 1, capacity - *length, file);
	} while (*length == capacity);
	if (ferror(file))
	{
		perror(path);
		exit(1);
	}
	fclose(file);
	return bytes;
}

/* Text in quotes, nothing in it that would break the line or not be ASCII. */
static void
print_text(const char *name, const char *text)
{
	if (text == NULL)
		return;
	printf(" %s=\"", name);
	for (const char *p = text; *p != '\0'; p++)
	{
		if (p - text >= 80)
		{
			printf("...");
			break;
		}
		if (*p == '"' || *p == '\\')
			printf("\\%c", *p);
		else if (*p >= ' ' && *p <= '~')
			putchar(*p);
		else
			printf("\\x%02x", (unsigned char) *p);
	}
	putchar('"');
}

static void
print_event(const CdrEvent *event)
{
	printf("%s", kinds[event->kind]);
	print_text("type", event->type);
	print_text("call", event->call_id);
	if (event->time_is_own)
		printf(" time=%s", harness_print_time(event->time));
	print_text("trace", event->trace_id);
	print_text("tenant", event->tenant_id);
	print_text("caller", event->caller_number);
	print_text("callee", event->callee_number);
	print_text("direction", event->direction);
	print_text("user", event->user_id);
	if (event->has_contact_id)
		printf(" contact=" INT64_FORMAT, event->contact_id);
	print_text("cause", event->hangup_cause);
	print_text("source", event->hangup_source);
	print_text("recording", event->recording_url);
}

/* The reason, without the words that are the server's and vary with it. */
static void
print_failure(const CdrEvent *event)
{
	const char *detail = strstr(event->reason->message, "is not JSON: ");

	printf("%s %.*s", cdr_sqlstate_text(event->reason->sqlerrcode),
		   detail == NULL ? (int) strlen(event->reason->message)
						  : (int) (detail - event->reason->message) + 11,
		   event->reason->message);
}

static void
print_id(const CdrEvent *event)
{
	printf(" id=");
	for (int i = 0; i < 4; i++)
		printf("%02x", event->id.data[i]);
	putchar('\n');
}

static void
parse_body(const char *body, size_t length)
{
	CdrEvent event;

	if (harness_event(body, length, &event))
		print_event(&event);
	else
		print_failure(&event);
	print_id(&event);
}

static void
parse_event(const char *line)
{
	printf("  %s\n    ", line);
	parse_body(line, strlen(line));
}

static void
parse_uri(const char *line)
{
	const char *number = harness_number(line);

	printf("  %s ->", line);
	if (number == NULL)
		printf(" none");
	print_text("number", number);
	print_text("calling", cdr_number_direction(number, "+902121234567", 6));
	print_text("called", cdr_number_direction("1001", number, 6));
	putchar('\n');
}

static void
parse_time(const char *line)
{
	TimestampTz time;

	if (harness_timestamp(line, &time))
		printf("  %s -> %s\n", line, harness_print_time(time));
	else
		printf("  %s -> none\n", line);
}

static void
parse_lines(const char *name, char *bytes, size_t length,
			void (*parse)(const char *))
{
	char *line = bytes;
	char *end = bytes + length;

	printf("%s:\n", name);
	while (line < end)
	{
		char *newline = memchr(line, '\n', end - line);
		char *copy;

		if (newline == NULL)
			newline = end;
		copy = strndup(line, newline - line);
		if (copy == NULL)
			abort();
		parse(copy);
		free(copy);
		line = newline + 1;
	}
}

static bool
has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name);
	size_t m = strlen(suffix);

	return n >= m && strcmp(name + n - m, suffix) == 0;
}

int
main(int argc, char **argv)
{
	if (argc < 2)
	{
		fprintf(stderr, "usage: parse_event FILE...\n");
		return 2;
	}
	printf("calendar: %d days\n", harness_calendar());
	for (int i = 1; i < argc; i++)
	{
		const char *slash = strrchr(argv[i], '/');
		const char *name = slash == NULL ? argv[i] : slash + 1;
		size_t		length;
		char	   *bytes = read_file(argv[i], &length);

		if (has_suffix(name, ".events"))
			parse_lines(name, bytes, length, parse_event);
		else if (has_suffix(name, ".uris"))
			parse_lines(name, bytes, length, parse_uri);
		else if (has_suffix(name, ".times"))
			parse_lines(name, bytes, length, parse_time);
		else
		{
			printf("%s:\n    ", name);
			parse_body(bytes, length);
		}
		free(bytes);
		arena_reset();
	}
	return 0;
}
