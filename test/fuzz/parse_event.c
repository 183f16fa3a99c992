/*-------------------------------------------------------------------------
 *
 * parse_event.c
 *	  Runs the parsers over files, one line of outcome for each: built with
 *	  the sanitizers, this is the sanitizer run over the corpus.
 *
 * A file is the body of a message.  Of a file named *.events, *.uris, *.times or
 * *.causes each line is a body, a URI, a timestamp or a hangup cause.
 *
 * Of a file named *.protobuf each line is a message: a name, the routing key,
 * the content type ("-": none) and the body, as hexadecimal digits ("-": none).
 * Each is also read when it is cut off at every byte, and with every byte
 * changed.  With --show, such files are shown as JSON instead; with --write,
 * each body becomes a file, for the fuzzer to begin with.
 *
 * So it is with a file named *.cloudevents, whose lines have tabs between their
 * parts: a name, the routing key, the content type, the headers as JSON ("-":
 * none) and the body, as it is or behind "base64:".  The headers are cut off,
 * too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <ctype.h>

#include "common/base64.h"

#include "arena.h"
#include "files.h"
#include "harness.h"
#include "event/number.h"

/* A message of a file of those. */
typedef struct Message
{
	char		name[80];
	char		routing_key[256];
	char		content_type[160];
	const char *key;	 /* NULL where there is none */
	const char *type;	 /* likewise */
	char	   *headers; /* likewise */
	char	   *body;
	size_t		length;
} Message;

static const char *const kinds[] = {"other",	"started", "ringing",
									"answered", "ended",   "identified",
									"recording"};

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
	static const CdrEventFact nothing = {.kind = CDR_OTHER};
	const CdrEventFact *fact = event->nfacts > 0 ? &event->facts[0] : &nothing;

	printf("%s", kinds[fact->kind]);
	print_text("type", event->type);
	print_text("call", event->call_id);
	if (event->time_source == CDR_TIME_OF_BODY)
		printf(" time=%s", harness_print_time(event->time));
	if (event->time_unread)
		printf(" time unread");
	print_text("trace", event->trace_id);
	print_text("tenant", event->tenant_id);
	print_text("caller", fact->caller_number);
	print_text("callee", fact->callee_number);
	print_text("direction", fact->direction);
	print_text("trunk", fact->trunk);
	print_text("user", fact->user_id);
	if (fact->has_contact_id)
		printf(" contact=" INT64_FORMAT, fact->contact_id);
	print_text("cause", fact->hangup_cause);
	print_text("source", fact->hangup_source);
	if (fact->sip_status != 0)
		printf(" sip=%d", fact->sip_status);
	print_text("recording", fact->recording_url);
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
	harness_pack(line, strlen(line));
	arena_reset();
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
parse_cause(const char *line)
{
	const CdrCause *cause = harness_cause(line);

	printf("  %s ->", line);
	if (cause == NULL)
		printf(" none\n");
	else
		printf(" %s %s q850=%d sip=%d %s %s\n", cause->dialect, cause->name,
			   cause->q850, cause->sip, cause->disposition,
			   cause->ends == CDR_ENDS_FINAL ? "final" : "branch");
}

/* Reads the line of a message; its body is malloc()ed. */
static void
read_message(const char *line, Message *message)
{
	size_t size = strlen(line) / 2 + 1;
	int	   start;

	if (sscanf(line, "%79s %255s %79s %n", message->name, message->routing_key,
			   message->content_type, &start) != 3)
	{
		fprintf(stderr, "parse_event: no message: %s\n", line);
		exit(1);
	}
	message->key =
		strcmp(message->routing_key, "-") == 0 ? NULL : message->routing_key;
	message->type =
		strcmp(message->content_type, "-") == 0 ? NULL : message->content_type;
	message->headers = NULL;
	message->body = malloc(size);
	if (message->body == NULL)
		abort();
	message->length = 0;
	for (const char *p = line + start;
		 isxdigit((unsigned char) p[0]) && isxdigit((unsigned char) p[1]);
		 p += 2)
	{
		char digits[3] = {p[0], p[1], '\0'};

		message->body[message->length++] = (char) strtol(digits, NULL, 16);
	}
}

/* The part of a line that begins at *line; moves that behind it.  malloc()ed. */
static char *
next_part(const char **line)
{
	size_t length = strcspn(*line, "\t");
	char  *part = strndup(*line, length);

	if (part == NULL)
		abort();
	*line += length + ((*line)[length] == '\t');
	return part;
}

/* Copies the next part of a line, and says where; NULL: there is none. */
static const char *
take_part(const char **line, char *into, size_t size)
{
	char *part = next_part(line);

	if (strlen(part) >= size)
		abort();
	strcpy(into, part);
	free(part);
	return strcmp(into, "-") == 0 ? NULL : into;
}

/* Reads the line of a CloudEvent; headers and body are malloc()ed. */
static void
read_cloudevent(const char *line, Message *message)
{
	static const char coded[] = "base64:";

	(void) take_part(&line, message->name, sizeof(message->name));
	message->key =
		take_part(&line, message->routing_key, sizeof(message->routing_key));
	message->type =
		take_part(&line, message->content_type, sizeof(message->content_type));
	message->headers = next_part(&line);
	if (strcmp(message->headers, "-") == 0)
	{
		free(message->headers);
		message->headers = NULL;
	}
	message->body = strdup(line);
	if (message->body == NULL)
		abort();
	message->length = strlen(line);
	if (strncmp(line, coded, strlen(coded)) == 0)
		message->length = pg_b64_decode(
			line + strlen(coded), (int) (strlen(line) - strlen(coded)),
			(void *) message->body, (int) strlen(line));
}

static bool
parse_headed(const Message *message, const char *headers, size_t length,
			 CdrEvent *event)
{
	return harness_headed(message->body, length, message->key, message->type,
						  headers, event);
}

/*
 * The same message, cut off and with bytes changed (each, or each so many),
 * keeps the promises.
 */
static void
break_message(const Message *message, int step)
{
	static const char changes[] = {'\x01', '\x08', '\x80', '\xff'};
	CdrEvent		  event;

	for (size_t i = 0; i < message->length; i++)
	{
		char byte = message->body[i];

		parse_headed(message, message->headers, i, &event);
		for (int k = 0; k < (int) lengthof(changes) && i % step == 0; k++)
		{
			message->body[i] = byte ^ changes[k];
			parse_headed(message, message->headers, message->length, &event);
			arena_reset();
		}
		message->body[i] = byte;
	}
	for (size_t i = message->headers == NULL ? 0 : strlen(message->headers);
		 i > 1; i--)
	{
		char *headers = strndup(message->headers, i - 1);

		if (headers == NULL)
			abort();
		parse_headed(message, headers, message->length, &event);
		arena_reset();
		headers[(i - 1) / 2] = '"';
		parse_headed(message, headers, message->length, &event);
		arena_reset();
		free(headers);
	}
}

static void
print_message(const Message *message, int step)
{
	CdrEvent event;

	printf("  %s\n    ", message->name);
	if (parse_headed(message, message->headers, message->length, &event))
		print_event(&event);
	else
		print_failure(&event);
	print_id(&event);
	if (message->headers == NULL && message->key == NULL &&
		message->type == NULL)
		harness_pack(message->body, message->length);
	break_message(message, step);
}

static void
parse_message(const char *line)
{
	Message message;

	read_message(line, &message);
	print_message(&message, 1);
	free(message.body);
}

static void
parse_cloudevent(const char *line)
{
	Message message;

	read_cloudevent(line, &message);
	print_message(&message, 8);
	free(message.headers);
	free(message.body);
}

static void
show_message(const char *line)
{
	Message		message;
	const char *shown;

	read_message(line, &message);
	shown = harness_show(message.body, message.length, message.key);
	printf("  %s\n    %s\n", message.name, shown == NULL ? "none" : shown);
	free(message.body);
}

/* The directory for write_message(). */
static const char *directory;

/* The body as a file, for the fuzzer to begin with. */
static void
write_message(const char *line)
{
	Message message;
	char   *path;
	FILE   *file;

	read_message(line, &message);
	path = psprintf("%s/%s", directory, message.name);
	file = fopen(path, "wb");
	if (file == NULL ||
		fwrite(message.body, 1, message.length, file) != message.length ||
		fclose(file) != 0)
	{
		perror(path);
		exit(1);
	}
	free(message.body);
}

/* One input of fuzz_cloudevent as a file. */
static void
write_cloudevent(const char *line)
{
	Message message;
	char   *path;
	FILE   *file;
	int		type = 0;

	read_cloudevent(line, &message);
	for (int i = 1; i < 6 && message.type != NULL; i++)
	{
		if (strcmp(harness_content_type(i), message.type) == 0)
			type = i;
	}
	path = psprintf("%s/%s", directory, message.name);
	file = fopen(path, "wb");
	if (file == NULL ||
		fprintf(file, "%c%s%c", type,
				message.headers == NULL ? "" : message.headers, 0) < 0 ||
		fwrite(message.body, 1, message.length, file) != message.length ||
		fclose(file) != 0)
	{
		perror(path);
		exit(1);
	}
	free(message.headers);
	free(message.body);
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

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

static bool
has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name);
	size_t m = strlen(suffix);

	return n >= m && strcmp(name + n - m, suffix) == 0;
}

/* The files of messages, with no other files among them. */
static int
each_message(int count, char **paths, void (*use)(const char *))
{
	for (int i = 0; i < count; i++)
	{
		size_t length;
		char  *bytes = files_read(paths[i], &length);

		parse_lines(base_name(paths[i]), bytes, length, use);
		free(bytes);
		arena_reset();
	}
	return 0;
}

static void
parse_file(const char *path)
{
	const char *name = base_name(path);
	size_t		length;
	char	   *bytes = files_read(path, &length);

	if (has_suffix(name, ".events"))
		parse_lines(name, bytes, length, parse_event);
	else if (has_suffix(name, ".uris"))
		parse_lines(name, bytes, length, parse_uri);
	else if (has_suffix(name, ".times"))
		parse_lines(name, bytes, length, parse_time);
	else if (has_suffix(name, ".causes"))
		parse_lines(name, bytes, length, parse_cause);
	else if (has_suffix(name, ".protobuf"))
		parse_lines(name, bytes, length, parse_message);
	else if (has_suffix(name, ".cloudevents"))
		parse_lines(name, bytes, length, parse_cloudevent);
	else
	{
		printf("%s:\n    ", name);
		parse_body(bytes, length);
	}
	free(bytes);
	arena_reset();
}

int
main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "--show") == 0)
		return each_message(argc - 2, argv + 2, show_message);
	if (argc > 3 && strcmp(argv[1], "--write") == 0)
	{
		directory = argv[2];
		return each_message(argc - 3, argv + 3,
							has_suffix(argv[3], ".cloudevents")
								? write_cloudevent
								: write_message);
	}
	if (argc < 2 || argv[1][0] == '-')
	{
		fprintf(stderr, "usage: parse_event FILE...\n"
						"       parse_event --show FILE...\n"
						"       parse_event --write DIRECTORY FILE...\n");
		return 2;
	}
	printf("calendar: %d days\n", harness_calendar());
	printf("epochs: %d numbers\n", harness_epochs());
	printf("identities: %d\n", harness_identities());
	printf("values of AMQP 1.0: %d\n", harness_amqp10_values());
	for (int i = 1; i < argc; i++)
		parse_file(argv[i]);
	return 0;
}
