/*-------------------------------------------------------------------------
 *
 * cdr_amqp.c
 *	  The other end of the queue: publishes, declares, counts and drains, for
 *	  the tests, the demo and the benchmark.
 *
 * Messages to publish come from standard input, one a line:
 *
 *		routing key TAB properties TAB body
 *
 * Properties are none, or name=value pairs separated by ";": message-id,
 * timestamp (seconds since 1970), content-type, content-encoding, type, delivery-mode
 * (1, 2, or "absent", which is transient, too; persistent unless given), and
 * header:NAME (an integer or text); a ";" within a value is written "\;".  The
 * body is the rest of the line as it stands, or decoded when it begins with
 * "base64:".
 *
 * "published N" is printed, and 0 returned, only when the broker has
 * confirmed every message and has routed each to a queue.  With --confirmed,
 * a file says at any time how many lines from the first one on the broker has
 * confirmed, for a caller that means to go on where a broken connection ended.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#endif

#define CHANNEL				   1
#define FRAME_MAX			   131072
#define HEARTBEAT			   0
#define PATIENCE			   60 /* seconds without a frame that we wait for */
#define ARGUMENTS_MAX		   16
#define CONFIRM_WINDOW_DEFAULT 4096
#define PREFETCH_DEFAULT	   1000

#define EXIT_NO_SUCH_QUEUE 2
#define EXIT_EMPTY		   3

typedef struct Options
{
	const char *uri;
	const char *exchange;
	const char *confirmed; /* file for their number, or NULL */
	long		confirm_window;
	long		rate; /* messages per second, 0: as fast as it goes */
	long		prefetch;
	long		ack_every; /* 0: half the prefetch */
} Options;

/* Published messages that the broker has yet to confirm. */
typedef struct Confirms
{
	uint64_t last;			/* delivery tag of the latest message */
	uint64_t all_confirmed; /* every tag up to this one is confirmed */
	uint64_t returned;		/* messages that reached no queue */
	uint64_t window;
	bool	*confirmed; /* by tag modulo window, above all_confirmed */
	FILE	*progress;	/* where all_confirmed is written, or NULL */
} Confirms;

/* One message to publish; points into its line. */
typedef struct Message
{
	char				   *routing_key;
	amqp_basic_properties_t properties;
	amqp_table_entry_t		headers[ARGUMENTS_MAX];
	amqp_bytes_t			body;
} Message;

static void die(int status, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

static void
die(int status, const char *format, ...)
{
	va_list arguments;

	fputs("cdr_amqp: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(status);
}

static void *
allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (memory == NULL)
		die(1, "out of memory");
	return memory;
}

static long
parse_number(const char *text, const char *what)
{
	char *end;
	long  value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0 || *end != '\0' || end == text || value < 1)
		die(1, "%s must be a positive number, not \"%s\"", what, text);
	return value;
}

static bool
is_integer(const char *text)
{
	const char *digits = *text == '-' ? text + 1 : text;

	return *digits != '\0' && strlen(digits) <= 18 &&
		   strspn(digits, "0123456789") == strlen(digits);
}

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

/* ----------------------------------------------------------------
 *		Connection and replies
 * ----------------------------------------------------------------
 */

/* Ends the program with what the broker said in its close method. */
static void
die_of_close(amqp_method_t method)
{
	int			 code = 0;
	amqp_bytes_t text = amqp_empty_bytes;

	if (method.id == AMQP_CHANNEL_CLOSE_METHOD)
	{
		amqp_channel_close_t *close = method.decoded;

		code = close->reply_code;
		text = close->reply_text;
	}
	else if (method.id == AMQP_CONNECTION_CLOSE_METHOD)
	{
		amqp_connection_close_t *close = method.decoded;

		code = close->reply_code;
		text = close->reply_text;
	}
	die(code == AMQP_NOT_FOUND ? EXIT_NO_SUCH_QUEUE : 1, "%.*s",
		(int) text.len, (char *) text.bytes);
}

static void
check_reply(amqp_rpc_reply_t reply, const char *what)
{
	if (reply.reply_type == AMQP_RESPONSE_NORMAL)
		return;
	if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION)
		die_of_close(reply.reply);
	die(1, "%s: %s", what, amqp_error_string2(reply.library_error));
}

static void
check_rpc(amqp_connection_state_t connection, const char *what)
{
	check_reply(amqp_get_rpc_reply(connection), what);
}

static void
check_status(int status, const char *what)
{
	if (status != AMQP_STATUS_OK)
		die(1, "%s: %s", what, amqp_error_string2(status));
}

static amqp_connection_state_t
connect_to(const char *uri)
{
	struct amqp_connection_info info;
	struct timeval				patience = {PATIENCE, 0};
	amqp_connection_state_t		connection = amqp_new_connection();
	amqp_socket_t			   *socket;
	char					   *copy;

	if (uri == NULL)
		die(1, "no broker given: set AMQP_URI or use --uri");
	copy = strdup(uri);
	if (copy == NULL || connection == NULL)
		die(1, "out of memory");
	if (amqp_parse_url(copy, &info) != AMQP_STATUS_OK || info.ssl)
		die(1, "not a usable amqp:// URI");
	socket = amqp_tcp_socket_new(connection);
	if (socket == NULL)
		die(1, "out of memory");
	check_status(
		amqp_socket_open_noblock(socket, info.host, info.port, &patience),
		"could not connect");
	check_reply(amqp_login(connection, info.vhost, 0, FRAME_MAX, HEARTBEAT,
						   AMQP_SASL_METHOD_PLAIN, info.user, info.password),
				"could not log in");
	amqp_channel_open(connection, CHANNEL);
	check_rpc(connection, "could not open a channel");
	free(copy);
	return connection;
}

/* Closing the channel first also makes sure that all we sent was taken. */
static void
disconnect(amqp_connection_state_t connection)
{
	check_reply(amqp_channel_close(connection, CHANNEL, AMQP_REPLY_SUCCESS),
				"could not close the channel");
	(void) amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
	(void) amqp_destroy_connection(connection);
}

/*
 * The next frame.  Returns false when there is none now; with wait, dies when
 * there is none for a long time.  Ends the program when the broker closes.
 */
static bool
next_frame(amqp_connection_state_t connection, bool wait, amqp_frame_t *frame)
{
	struct timeval timeout = {wait ? PATIENCE : 0, 0};
	int			   status;

	amqp_maybe_release_buffers(connection);
	status = amqp_simple_wait_frame_noblock(connection, frame, &timeout);
	if (status == AMQP_STATUS_TIMEOUT && !wait)
		return false;
	check_status(status, "could not read from the broker");
	if (frame->frame_type == AMQP_FRAME_METHOD &&
		(frame->payload.method.id == AMQP_CHANNEL_CLOSE_METHOD ||
		 frame->payload.method.id == AMQP_CONNECTION_CLOSE_METHOD))
		die_of_close(frame->payload.method);
	return true;
}

/* ----------------------------------------------------------------
 *		Messages, as standard input describes them
 * ----------------------------------------------------------------
 */

/* Cuts *text at the first c and moves it behind; returns what stood before. */
static char *
cut(char **text, char c)
{
	char *start = *text;
	char *end = start == NULL ? NULL : strchr(start, c);

	if (end != NULL)
		*end++ = '\0';
	*text = end;
	return start;
}

/* The same at the first ";" that no backslash stands before; takes those away. */
static char *
cut_property(char **text)
{
	char *start = *text;
	char *to = start;
	char *from = start;

	for (; *from != '\0' && *from != ';'; from++)
	{
		if (from[0] == '\\' && from[1] == ';')
			from++;
		*to++ = *from;
	}
	*text = *from == ';' ? from + 1 : NULL;
	*to = '\0';
	return start;
}

static int
base64_value(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = c == '\0' ? NULL : strchr(digits, c);

	return found == NULL ? -1 : (int) (found - digits);
}

/* Decodes in place; returns the number of bytes. */
static size_t
decode_base64(char *text)
{
	unsigned char *out = (unsigned char *) text;
	uint32_t	   bits = 0;
	int			   count = 0;

	for (const char *p = text; *p != '\0' && *p != '='; p++)
	{
		int value = base64_value(*p);

		if (value < 0)
			die(1, "not base64: \"%c\"", *p);
		bits = bits << 6 | (uint32_t) value;
		count += 6;
		if (count >= 8)
		{
			count -= 8;
			*out++ = (unsigned char) (bits >> count);
		}
	}
	return (size_t) (out - (unsigned char *) text);
}

/* One entry of a table of arguments: an integer, or a boolean, where it looks
 * like one. */
static amqp_table_entry_t
make_entry(const char *name, const char *value)
{
	amqp_table_entry_t entry;

	entry.key = amqp_cstring_bytes(name);
	if (is_integer(value))
	{
		entry.value.kind = AMQP_FIELD_KIND_I64;
		entry.value.value.i64 = strtoll(value, NULL, 10);
	}
	else if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0)
	{
		entry.value.kind = AMQP_FIELD_KIND_BOOLEAN;
		entry.value.value.boolean = value[0] == 't';
	}
	else
	{
		entry.value.kind = AMQP_FIELD_KIND_UTF8;
		entry.value.value.bytes = amqp_cstring_bytes(value);
	}
	return entry;
}

static void
parse_property(char *property, Message *message)
{
	amqp_basic_properties_t *properties = &message->properties;
	char					*value = property;
	const char				*name = cut(&value, '=');

	if (value == NULL)
		die(1, "property \"%s\" has no value", name);
	if (strcmp(name, "message-id") == 0)
	{
		properties->_flags |= AMQP_BASIC_MESSAGE_ID_FLAG;
		properties->message_id = amqp_cstring_bytes(value);
	}
	else if (strcmp(name, "content-type") == 0)
	{
		properties->_flags |= AMQP_BASIC_CONTENT_TYPE_FLAG;
		properties->content_type = amqp_cstring_bytes(value);
	}
	else if (strcmp(name, "content-encoding") == 0)
	{
		properties->_flags |= AMQP_BASIC_CONTENT_ENCODING_FLAG;
		properties->content_encoding = amqp_cstring_bytes(value);
	}
	else if (strcmp(name, "type") == 0)
	{
		properties->_flags |= AMQP_BASIC_TYPE_FLAG;
		properties->type = amqp_cstring_bytes(value);
	}
	else if (strcmp(name, "delivery-mode") == 0)
	{
		if (strcmp(value, "absent") == 0)
			properties->_flags &=
				~(amqp_flags_t) AMQP_BASIC_DELIVERY_MODE_FLAG;
		else
			properties->delivery_mode =
				(uint8_t) parse_number(value, "delivery-mode");
	}
	else if (strcmp(name, "timestamp") == 0)
	{
		properties->_flags |= AMQP_BASIC_TIMESTAMP_FLAG;
		properties->timestamp = strtoull(value, NULL, 10);
	}
	else if (strncmp(name, "header:", strlen("header:")) == 0)
	{
		amqp_table_t *headers = &properties->headers;

		if (headers->num_entries == ARGUMENTS_MAX)
			die(1, "more than %d headers", ARGUMENTS_MAX);
		properties->_flags |= AMQP_BASIC_HEADERS_FLAG;
		headers->entries = message->headers;
		headers->entries[headers->num_entries++] =
			make_entry(name + strlen("header:"), value);
	}
	else
		die(1, "unknown property \"%s\"", name);
}

static void
parse_message(char *line, size_t length, Message *message)
{
	char *rest = line;
	char *properties;

	memset(message, 0, sizeof(Message));
	message->properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
	message->properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;

	message->routing_key = cut(&rest, '\t');
	properties = cut(&rest, '\t');
	if (rest == NULL)
		die(1, "a line needs routing key, properties and body, separated by "
			   "tabs");
	while (properties != NULL && *properties != '\0')
		parse_property(cut_property(&properties), message);

	if (strncmp(rest, "base64:", strlen("base64:")) == 0)
	{
		rest += strlen("base64:");
		message->body.len = decode_base64(rest);
	}
	else
		message->body.len = (size_t) (line + length - rest);
	message->body.bytes = rest;
}

/* ----------------------------------------------------------------
 *		Publishing
 * ----------------------------------------------------------------
 */

static void
confirm(Confirms *confirms, uint64_t tag, bool multiple)
{
	if (tag <= confirms->all_confirmed || tag > confirms->last)
		die(1, "the broker confirmed message %" PRIu64 " out of turn", tag);
	if (multiple)
	{
		for (uint64_t t = confirms->all_confirmed + 1; t <= tag; t++)
			confirms->confirmed[t % confirms->window] = true;
	}
	else
		confirms->confirmed[tag % confirms->window] = true;

	while (
		confirms->all_confirmed < confirms->last &&
		confirms->confirmed[(confirms->all_confirmed + 1) % confirms->window])
	{
		confirms->all_confirmed++;
		confirms->confirmed[confirms->all_confirmed % confirms->window] =
			false;
	}
	if (confirms->progress != NULL)
	{
		rewind(confirms->progress);
		fprintf(confirms->progress, "%20" PRIu64 "\n",
				confirms->all_confirmed);
		fflush(confirms->progress);
	}
}

/*
 * Takes the confirmations that have arrived; when more than so many messages
 * are outstanding, waits for them.
 */
static void
take_confirms(amqp_connection_state_t connection, Confirms *confirms,
			  uint64_t outstanding_max)
{
	amqp_frame_t frame;

	while (next_frame(
		connection, confirms->last - confirms->all_confirmed > outstanding_max,
		&frame))
	{
		/* header and body belong to returned messages, which are counted */
		if (frame.frame_type != AMQP_FRAME_METHOD)
			continue;
		if (frame.payload.method.id == AMQP_BASIC_ACK_METHOD)
		{
			amqp_basic_ack_t *ack = frame.payload.method.decoded;

			confirm(confirms, ack->delivery_tag, ack->multiple);
		}
		else if (frame.payload.method.id == AMQP_BASIC_NACK_METHOD)
			die(1, "the broker refused a message");
		else if (frame.payload.method.id == AMQP_BASIC_RETURN_METHOD)
		{
			/* its confirmation comes next, and must not be counted */
			if (confirms->progress != NULL)
				die(1, "a message reached no queue");
			confirms->returned++;
		}
	}
}

/* Waits until the next message is due; takes confirmations meanwhile. */
static void
keep_pace(amqp_connection_state_t connection, Confirms *confirms, long rate,
		  double started)
{
	double due = started + (double) confirms->last / (double) rate;
	double left;

	while ((left = due - now()) > 0)
	{
		struct timespec pause = {0,
								 left < 0.005 ? (long) (left * 1e9) : 5000000};

		take_confirms(connection, confirms, confirms->window);
		nanosleep(&pause, NULL);
	}
}

static void
publish(amqp_connection_state_t connection, const Options *options)
{
	Confirms confirms = {0};
	uint64_t window = (uint64_t) options->confirm_window;
	double	 started = now();
	char	*line = NULL;
	size_t	 size = 0;
	ssize_t	 length;

	confirms.window = window;
	confirms.confirmed = allocate(window * sizeof(bool));
	if (options->confirmed != NULL)
	{
		confirms.progress = fopen(options->confirmed, "w");
		if (confirms.progress == NULL)
			die(1, "could not write \"%s\": %s", options->confirmed,
				strerror(errno));
	}
	amqp_confirm_select(connection, CHANNEL);
	check_rpc(connection, "could not ask for confirms");

	while ((length = getline(&line, &size, stdin)) >= 0)
	{
		Message message;

		if (length > 0 && line[length - 1] == '\n')
			line[--length] = '\0';
		parse_message(line, (size_t) length, &message);
		if (confirms.last - confirms.all_confirmed >= window)
			take_confirms(connection, &confirms, window / 2);
		if (options->rate > 0)
			keep_pace(connection, &confirms, options->rate, started);
		confirms.last++;
		check_status(
			amqp_basic_publish(connection, CHANNEL,
							   amqp_cstring_bytes(options->exchange),
							   amqp_cstring_bytes(message.routing_key), 1, 0,
							   &message.properties, message.body),
			"could not publish");
	}
	if (ferror(stdin))
		die(1, "could not read standard input");

	while (confirms.all_confirmed < confirms.last)
		take_confirms(connection, &confirms, 0);
	if (confirms.returned > 0)
		die(1, "%" PRIu64 " messages reached no queue", confirms.returned);
	printf("published %" PRIu64 "\n", confirms.last);
	free(line);
	free(confirms.confirmed);
	if (confirms.progress != NULL && fclose(confirms.progress) != 0)
		die(1, "could not write \"%s\"", options->confirmed);
}

/* ----------------------------------------------------------------
 *		Consuming
 * ----------------------------------------------------------------
 */

/*
 * Reads one delivery, body and all, and forgets it; returns its tag.
 */
static uint64_t
skip_delivery(amqp_connection_state_t connection)
{
	amqp_frame_t frame;
	uint64_t	 tag;
	uint64_t	 left;

	do
	{
		next_frame(connection, true, &frame);
		if (frame.frame_type == AMQP_FRAME_METHOD &&
			frame.payload.method.id == AMQP_BASIC_CANCEL_METHOD)
			die(1, "the queue was deleted");
	} while (frame.frame_type != AMQP_FRAME_METHOD ||
			 frame.payload.method.id != AMQP_BASIC_DELIVER_METHOD);
	tag =
		((amqp_basic_deliver_t *) frame.payload.method.decoded)->delivery_tag;

	do
		next_frame(connection, true, &frame);
	while (frame.frame_type != AMQP_FRAME_HEADER);
	left = frame.payload.properties.body_size;

	while (left > 0)
	{
		next_frame(connection, true, &frame);
		if (frame.frame_type == AMQP_FRAME_BODY)
			left -= frame.payload.body_fragment.len;
	}
	return tag;
}

/* The consumer that does nothing: how fast the broker can be. */
static void
drain(amqp_connection_state_t connection, const Options *options,
	  const char *queue, long count)
{
	long   ack_every = options->ack_every;
	double started;
	double elapsed;

	if (ack_every == 0)
		ack_every = options->prefetch / 2 + 1;
	if (ack_every > options->prefetch)
		die(1, "--ack-every must not exceed --prefetch");
	amqp_basic_qos(connection, CHANNEL, 0, (uint16_t) options->prefetch, 0);
	check_rpc(connection, "could not set the prefetch");

	started = now();
	amqp_basic_consume(connection, CHANNEL, amqp_cstring_bytes(queue),
					   amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
	check_rpc(connection, "could not consume");
	for (long i = 1; i <= count; i++)
	{
		uint64_t tag = skip_delivery(connection);

		if (i % ack_every == 0 || i == count)
			check_status(amqp_basic_ack(connection, CHANNEL, tag, 1),
						 "could not acknowledge");
	}
	elapsed = now() - started;
	printf("%.3f s, %.0f msgs/s\n", elapsed, (double) count / elapsed);
}

/* Takes one message off the queue and prints its body. */
static void
get(amqp_connection_state_t connection, const char *queue)
{
	amqp_rpc_reply_t reply =
		amqp_basic_get(connection, CHANNEL, amqp_cstring_bytes(queue), 1);
	amqp_frame_t frame;
	uint64_t	 left;

	check_reply(reply, "could not get a message");
	if (reply.reply.id == AMQP_BASIC_GET_EMPTY_METHOD)
		die(EXIT_EMPTY, "queue \"%s\" is empty", queue);

	next_frame(connection, true, &frame);
	if (frame.frame_type != AMQP_FRAME_HEADER)
		die(1, "the broker sent no content header");
	for (left = frame.payload.properties.body_size; left > 0;
		 left -= frame.payload.body_fragment.len)
	{
		next_frame(connection, true, &frame);
		if (frame.frame_type != AMQP_FRAME_BODY)
			die(1, "the broker sent no body");
		fwrite(frame.payload.body_fragment.bytes, 1,
			   frame.payload.body_fragment.len, stdout);
	}
}

/* ----------------------------------------------------------------
 *		Topology
 * ----------------------------------------------------------------
 */

static amqp_queue_declare_ok_t *
look_at(amqp_connection_state_t connection, const char *queue)
{
	amqp_queue_declare_ok_t *reply =
		amqp_queue_declare(connection, CHANNEL, amqp_cstring_bytes(queue), 1,
						   0, 0, 0, amqp_empty_table);

	check_rpc(connection, "could not look at the queue");
	return reply;
}

static void
count(amqp_connection_state_t connection, const char *queue)
{
	amqp_queue_declare_ok_t *reply = look_at(connection, queue);

	printf("%" PRIu32 " %" PRIu32 "\n", reply->message_count,
		   reply->consumer_count);
}

/* Waits until no message is ready in a queue. */
static void
wait_until_empty(amqp_connection_state_t connection, const char *queue,
				 long seconds)
{
	const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
	double				  deadline = now() + (double) seconds;

	while (look_at(connection, queue)->message_count > 0)
	{
		if (now() > deadline)
			die(1, "queue %s is not empty after %ld seconds", queue, seconds);
		amqp_maybe_release_buffers(connection);
		nanosleep(&pause, NULL);
	}
}

/* What a declaration says beside names and types. */
typedef struct Declaration
{
	bool			   durable;
	bool			   auto_delete;
	bool			   exclusive; /* a queue */
	bool			   internal;  /* an exchange */
	amqp_table_entry_t entries[ARGUMENTS_MAX];
	amqp_table_t	   table;
} Declaration;

/* A property of the method itself, no argument. */
static bool
set_flag(Declaration *declaration, const char *name, const char *value)
{
	bool on = strcmp(value, "true") == 0;

	if (strcmp(name, "durable") == 0)
		declaration->durable = on;
	else if (strcmp(name, "auto-delete") == 0)
		declaration->auto_delete = on;
	else if (strcmp(name, "exclusive") == 0)
		declaration->exclusive = on;
	else if (strcmp(name, "internal") == 0)
		declaration->internal = on;
	else
		return false;
	return true;
}

static void
parse_declaration(Declaration *declaration, char **arguments, int count)
{
	memset(declaration, 0, sizeof(Declaration));
	declaration->durable = true;
	declaration->table.entries = declaration->entries;
	if (count > ARGUMENTS_MAX)
		die(1, "more than %d arguments", ARGUMENTS_MAX);
	for (int i = 0; i < count; i++)
	{
		char *value = arguments[i];
		char *name = cut(&value, '=');

		if (value == NULL)
			die(1, "argument \"%s\" has no value", name);
		if (!set_flag(declaration, name, value))
			declaration->entries[declaration->table.num_entries++] =
				make_entry(name, value);
	}
}

static void
declare_queue(amqp_connection_state_t connection, const char *queue,
			  char **arguments, int argument_count)
{
	Declaration declaration;

	parse_declaration(&declaration, arguments, argument_count);
	amqp_queue_declare(connection, CHANNEL, amqp_cstring_bytes(queue), 0,
					   declaration.durable, declaration.exclusive,
					   declaration.auto_delete, declaration.table);
	check_rpc(connection, "could not declare the queue");
}

/*
 * Consumes without acknowledging anything, until standard input ends.  With
 * arguments, declares the queue first, which may then be exclusive.
 */
static void
hold(amqp_connection_state_t connection, const char *queue, char **arguments,
	 int argument_count)
{
	if (argument_count > 0)
		declare_queue(connection, queue, arguments, argument_count);
	amqp_basic_qos(connection, CHANNEL, 0, PREFETCH_DEFAULT, 0);
	check_rpc(connection, "could not set the prefetch");
	amqp_basic_consume(connection, CHANNEL, amqp_cstring_bytes(queue),
					   amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
	check_rpc(connection, "could not consume");
	puts("holding");
	fflush(stdout);
	while (getchar() != EOF)
		;
}

static void
declare_exchange(amqp_connection_state_t connection, const char *exchange,
				 const char *type, char **arguments, int argument_count)
{
	Declaration declaration;

	parse_declaration(&declaration, arguments, argument_count);
	amqp_exchange_declare(connection, CHANNEL, amqp_cstring_bytes(exchange),
						  amqp_cstring_bytes(type), 0, declaration.durable,
						  declaration.auto_delete, declaration.internal,
						  declaration.table);
	check_rpc(connection, "could not declare the exchange");
}

static void
bind_queue(amqp_connection_state_t connection, const char *queue,
		   const char *exchange, const char *key)
{
	amqp_queue_bind(connection, CHANNEL, amqp_cstring_bytes(queue),
					amqp_cstring_bytes(exchange), amqp_cstring_bytes(key),
					amqp_empty_table);
	check_rpc(connection, "could not bind the queue");
}

static void
unbind_queue(amqp_connection_state_t connection, const char *queue,
			 const char *exchange, const char *key)
{
	amqp_queue_unbind(connection, CHANNEL, amqp_cstring_bytes(queue),
					  amqp_cstring_bytes(exchange), amqp_cstring_bytes(key),
					  amqp_empty_table);
	check_rpc(connection, "could not unbind the queue");
}

static void
delete_exchange(amqp_connection_state_t connection, const char *exchange)
{
	amqp_exchange_delete(connection, CHANNEL, amqp_cstring_bytes(exchange), 0);
	check_rpc(connection, "could not delete the exchange");
}

static void
delete_queue(amqp_connection_state_t connection, const char *queue)
{
	amqp_queue_delete(connection, CHANNEL, amqp_cstring_bytes(queue), 0, 0);
	check_rpc(connection, "could not delete the queue");
}

static void
purge_queue(amqp_connection_state_t connection, const char *queue)
{
	amqp_queue_purge(connection, CHANNEL, amqp_cstring_bytes(queue));
	check_rpc(connection, "could not purge the queue");
}

/* ----------------------------------------------------------------
 *		Commands
 * ----------------------------------------------------------------
 */

static void
usage(void)
{
	fputs("usage: cdr_amqp [--uri URI] COMMAND\n"
		  "  publish [--exchange E] [--confirm-window N] [--rate N]\n"
		  "          [--confirmed FILE]  < messages\n"
		  "  count QUEUE                      prints messages and consumers\n"
		  "  wait-until-empty QUEUE SECONDS\n"
		  "  get QUEUE                        takes one message\n"
		  "  drain QUEUE N [--prefetch P] [--ack-every K]\n"
		  "  declare-exchange NAME TYPE [ARGUMENT=VALUE ...]\n"
		  "  declare-queue NAME [ARGUMENT=VALUE ...]\n"
		  "  hold QUEUE [ARGUMENT=VALUE ...]  consumes until input ends\n"
		  "  bind QUEUE EXCHANGE KEY\n"
		  "  unbind QUEUE EXCHANGE KEY\n"
		  "  delete-queue NAME\n"
		  "  delete-exchange NAME\n"
		  "  purge NAME\n",
		  stderr);
	exit(1);
}

/* Takes "--name value" pairs out of argv; returns what is left of argc. */
static int
parse_options(int argc, char **argv, Options *options)
{
	int kept = 0;

	for (int i = 1; i < argc; i++)
	{
		if (strncmp(argv[i], "--", 2) != 0)
		{
			argv[kept++] = argv[i];
			continue;
		}
		if (i + 1 == argc)
			usage();
		if (strcmp(argv[i], "--uri") == 0)
			options->uri = argv[i + 1];
		else if (strcmp(argv[i], "--exchange") == 0)
			options->exchange = argv[i + 1];
		else if (strcmp(argv[i], "--confirmed") == 0)
			options->confirmed = argv[i + 1];
		else if (strcmp(argv[i], "--rate") == 0)
			options->rate = parse_number(argv[i + 1], argv[i]);
		else if (strcmp(argv[i], "--confirm-window") == 0)
			options->confirm_window = parse_number(argv[i + 1], argv[i]);
		else if (strcmp(argv[i], "--prefetch") == 0)
			options->prefetch = parse_number(argv[i + 1], argv[i]);
		else if (strcmp(argv[i], "--ack-every") == 0)
			options->ack_every = parse_number(argv[i + 1], argv[i]);
		else
			usage();
		i++;
	}
	if (options->prefetch > UINT16_MAX)
		die(1, "--prefetch must not exceed %d", UINT16_MAX);
	return kept;
}

static void
run(amqp_connection_state_t connection, const Options *options, int argc,
	char **argv)
{
	const char *command = argv[0];

	if (strcmp(command, "publish") == 0 && argc == 1)
		publish(connection, options);
	else if (strcmp(command, "count") == 0 && argc == 2)
		count(connection, argv[1]);
	else if (strcmp(command, "wait-until-empty") == 0 && argc == 3)
		wait_until_empty(connection, argv[1],
						 parse_number(argv[2], "the number of seconds"));
	else if (strcmp(command, "get") == 0 && argc == 2)
		get(connection, argv[1]);
	else if (strcmp(command, "drain") == 0 && argc == 3)
		drain(connection, options, argv[1],
			  parse_number(argv[2], "the number of messages"));
	else if (strcmp(command, "declare-exchange") == 0 && argc >= 3)
		declare_exchange(connection, argv[1], argv[2], argv + 3, argc - 3);
	else if (strcmp(command, "declare-queue") == 0 && argc >= 2)
		declare_queue(connection, argv[1], argv + 2, argc - 2);
	else if (strcmp(command, "hold") == 0 && argc >= 2)
		hold(connection, argv[1], argv + 2, argc - 2);
	else if (strcmp(command, "bind") == 0 && argc == 4)
		bind_queue(connection, argv[1], argv[2], argv[3]);
	else if (strcmp(command, "unbind") == 0 && argc == 4)
		unbind_queue(connection, argv[1], argv[2], argv[3]);
	else if (strcmp(command, "delete-queue") == 0 && argc == 2)
		delete_queue(connection, argv[1]);
	else if (strcmp(command, "delete-exchange") == 0 && argc == 2)
		delete_exchange(connection, argv[1]);
	else if (strcmp(command, "purge") == 0 && argc == 2)
		purge_queue(connection, argv[1]);
	else
		usage();
}

int
main(int argc, char **argv)
{
	Options options = {
		.uri = getenv("AMQP_URI"),
		.exchange = "sentiric_events",
		.confirm_window = CONFIRM_WINDOW_DEFAULT,
		.prefetch = PREFETCH_DEFAULT,
	};
	amqp_connection_state_t connection;

	argc = parse_options(argc, argv, &options);
	if (argc == 0)
		usage();
	connection = connect_to(options.uri);
	run(connection, &options, argc, argv);
	disconnect(connection);
	return fflush(stdout) == 0 ? 0 : 1;
}
