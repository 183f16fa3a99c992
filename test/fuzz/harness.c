/*-------------------------------------------------------------------------
 *
 * harness.c
 *	  Runs the parsers over one input and holds them to what they promise.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <sys/mman.h>
#include <unistd.h>
#include <openssl/sha.h>

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"

#include "harness.h"
#include "promise.h"
#include "base/identity.h"
#include "event/inflate.h"
#include "event/number.h"

#define MEGABYTE (1024 * 1024)

/* A reason of more text than this would fill logs and dead letters. */
#define ERROR_LENGTH_MAX 4096

/*
 * Until PostgreSQL 16 libpgcommon has the words for a JSON error only in the
 * server.  These here are weak: where the library has its own, they rule.
 */
__attribute__((weak)) char *
json_errdetail(JsonParseErrorType error, JsonLexContext *lex)
{
	if (lex->token_start == NULL)
		return psprintf("error %d at the end", (int) error);
	return psprintf("error %d at token \"%.*s\"", (int) error,
					(int) (lex->token_terminator - lex->token_start),
					lex->token_start);
}

/*
 * The body, with its last byte at the end of a page and nothing behind it: so
 * that code which was not built with the sanitizer, as the server's JSON
 * parser, cannot read beyond it unseen either.
 */
static const char *
behind_nothing(const char *body, size_t length)
{
	static char	 *pages;
	static size_t size;
	size_t		  page = (size_t) sysconf(_SC_PAGESIZE);

	if (pages == NULL || length > size)
	{
		if (pages != NULL)
			munmap(pages, size + page);
		size = (length / page + 1) * page;
		pages = mmap(NULL, size + page, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (pages == MAP_FAILED ||
			mprotect(pages + size, page, PROT_NONE) != 0)
			abort();
	}
	if (length > 0)
		memcpy(pages + size - length, body, length);
	return pages + size - length;
}

static bool
is_utf8(const char *text)
{
	int length = (int) strlen(text);

	return pg_encoding_verifymbstr(PG_UTF8, text, length) == length;
}

/* A string of an event: not said, or text that says something. */
static bool
is_text_or_null(const char *text)
{
	return text == NULL || (text[0] != '\0' && is_utf8(text));
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
is_one_of(const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
	{
		if (strcmp(text, *words) == 0)
			return true;
	}
	return false;
}

/* Its first byte that is neither white space nor part of one. */
static char
first_char(const char *body, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		if (strchr(" \t\r\n", body[i]) == NULL || body[i] == '\0')
			return body[i];
	}
	return '\0';
}

/*
 * Was it in an envelope, that of a CloudEvent?  Such an event has an identity
 * that is not that of its bytes.
 */
static bool
has_envelope(const CdrEvent *event)
{
	return event->reason == NULL &&
		   memcmp(event->id.data, event->digest.data, UUID_LEN) != 0;
}

/* May there be one?  (Escapes of JSON may hide the word.) */
static bool
may_have_envelope(const CdrMessage *message)
{
	static const char word[] = "specversion";

	return message->headers != NULL ||
		   memmem(message->body, message->body_length, word, strlen(word)) !=
			   NULL ||
		   memchr(message->body, '\\', message->body_length) != NULL;
}

/* The length of the message-id, the message-id, the body, in one piece. */
static void
check_identity(const CdrMessage *message, const CdrEvent *event)
{
	unsigned char  digest[SHA256_DIGEST_LENGTH];
	size_t		   id_length = message->message_id_length;
	size_t		   length = 4 + id_length + message->body_length;
	unsigned char *bytes = malloc(length);

	if (bytes == NULL)
		abort();
	for (int i = 0; i < 4; i++)
		bytes[i] = message->message_id == NULL
					   ? 0xff
					   : (unsigned char) (id_length >> (24 - 8 * i));
	if (id_length > 0)
		memcpy(bytes + 4, message->message_id, id_length);
	if (message->body_length > 0)
		memcpy(bytes + 4 + id_length, message->body, message->body_length);
	SHA256(bytes, length, digest);
	PROMISE(has_envelope(event)
				? may_have_envelope(message)
				: memcmp(event->id.data, digest, UUID_LEN) == 0);
	PROMISE(memcmp(event->digest.data, digest, SHA256_DIGEST_LENGTH) == 0);
	free(bytes);
}

/*
 * An identity, of a body that is at hand and of one that comes in two pieces.
 */
static void
identity_is(const char *message_id, const char *body, const char *expected)
{
	size_t		id_length = message_id == NULL ? 0 : strlen(message_id);
	size_t		first = strlen(body) / 3;
	EVP_MD_CTX *pieces = cdr_identity_begin(message_id, id_length);
	pg_uuid_t	ids[2];
	CdrDigest	digest;
	char		text[2 * UUID_LEN + 1];

	cdr_identity_of(message_id, id_length, body, strlen(body), &ids[0],
					&digest);
	cdr_identity_add(pieces, body, first);
	cdr_identity_add(pieces, body + first, strlen(body) - first);
	cdr_identity_end(pieces, &ids[1]);
	for (int i = 0; i < 2; i++)
	{
		for (int k = 0; k < UUID_LEN; k++)
			sprintf(text + 2 * k, "%02x", ids[i].data[k]);
		PROMISE(strcmp(text, expected) == 0);
	}
}

static void
cloudevent_is(const char *source, const char *id, const char *expected)
{
	pg_uuid_t identity;
	char	  text[2 * UUID_LEN + 1];

	cdr_identity_of_cloudevent(source, id, &identity);
	for (int k = 0; k < UUID_LEN; k++)
		sprintf(text + 2 * k, "%02x", identity.data[k]);
	PROMISE(strcmp(text, expected) == 0);
}

int
harness_identities(void)
{
	static const char body[] =
		"{\"eventType\":\"call.started\",\"callId\":\"abc@192.0.2.1\","
		"\"from\":\"sip:+12025550123@example.org\"}";

	/* computed by others, from the description alone */
	identity_is(NULL, body, "d25bb6b62696fa1cc361960fd9aa8244");
	identity_is("m-1", body, "d3b5dd7b85f7d4871f3d339050a78e5f");

	/* where the message-id ends counts, and whether there is one */
	identity_is("1", "23 not json", "ce37bad2d8eec8211ac0d60863ece98a");
	identity_is("12", "3 not json", "6706c55a772d28fc517ae44eea4ba24c");
	identity_is("", "123 not json", "7b3246c41f32f417bab83356ad0710b7");
	identity_is(NULL, "123 not json", "26430fdba479f737f129d049c0f84936");

	/* source and id of CloudEvents: where one ends counts, too */
	cloudevent_is("/sip/edge1", "e-1", "a4d7843cc50a21aa6c99fc31390bda51");
	cloudevent_is("/sip/edge1e", "-1", "17f2116101ef4f5fb2169cf839d65436");
	cloudevent_is("a", "b", "eb4622441110109adbe3ba226d07746c");
	return 9;
}

static void
check_failure(const CdrEvent *event)
{
	const CdrReason *reason = event->reason;
	const char		*sqlstate;

	PROMISE(reason != NULL && reason->sqlerrcode != 0);
	sqlstate = cdr_sqlstate_text(reason->sqlerrcode);
	PROMISE(strspn(sqlstate, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5);
	PROMISE(reason->message != NULL && reason->message[0] != '\0');
	PROMISE(is_utf8(reason->message));
	PROMISE(strlen(reason->message) <= ERROR_LENGTH_MAX);
}

static void
check_fact(const CdrEvent *event, const CdrEventFact *fact)
{
	bool started = fact->kind == CDR_CALL_STARTED;
	bool identified = fact->kind == CDR_USER_IDENTIFIED;
	bool ended = fact->kind == CDR_CALL_ENDED;

	PROMISE(fact->kind != CDR_OTHER);
	PROMISE(fact->time == event->time);
	PROMISE(fact->rank == (event->time_source == CDR_TIME_OF_RECEIPT
							   ? CDR_RANK_GUESS
							   : CDR_RANK_LIVE));
	PROMISE(started ||
			(fact->caller_number == NULL && fact->callee_number == NULL &&
			 fact->direction == NULL && fact->trunk == NULL));
	PROMISE(started || identified ||
			(fact->user_id == NULL && !fact->has_contact_id));
	PROMISE(ended || (fact->hangup_cause == NULL &&
					  fact->hangup_source == NULL && fact->sip_status == 0));
	PROMISE(fact->kind == CDR_RECORDING_AVAILABLE ||
			fact->recording_url == NULL);
	PROMISE(fact->has_contact_id == (fact->contact_id != 0));
	PROMISE(is_text_or_null(fact->caller_number) &&
			is_text_or_null(fact->callee_number) &&
			is_text_or_null(fact->direction) && is_text_or_null(fact->trunk) &&
			is_text_or_null(fact->user_id) &&
			is_text_or_null(fact->hangup_cause) &&
			is_text_or_null(fact->hangup_source) &&
			is_text_or_null(fact->recording_url));
}

static void
check_kind(const CdrEvent *event)
{
	static const char *const shaping[] = {"call.started",
										  "call.ringing",
										  "call.answered",
										  "call.ended",
										  "user.identified.for_call",
										  "user.created.for_call",
										  "call.recording.available",
										  NULL};
	bool one_of_them = event->type != NULL && is_one_of(event->type, shaping);

	/* a web session is answered at its start; of all else there is one fact */
	PROMISE((event->nfacts > 0) == one_of_them);
	PROMISE(event->nfacts <= 1 ||
			(event->nfacts == 2 && event->facts[0].kind == CDR_CALL_STARTED &&
			 event->facts[1].kind == CDR_CALL_ANSWERED));
	PROMISE(event->nfacts == 0 || event->facts[0].kind != CDR_CALL_STARTED ||
			(event->nfacts == 2) ==
				same_text(event->facts[0].callee_number, "ai-pipeline"));
	for (int i = 0; i < event->nfacts; i++)
		check_fact(event, &event->facts[i]);
}

static void
check_success(const CdrMessage *message, const CdrEvent *event)
{
	const char *const texts[] = {event->type, event->trace_id,
								 event->tenant_id};

	PROMISE(event->reason == NULL);
	if (event->is_json)
	{
		PROMISE(first_char(message->body, message->body_length) == '{');
		PROMISE(pg_encoding_verifymbstr(PG_UTF8, message->body,
										(int) message->body_length) ==
				(int) message->body_length);
		if (!has_envelope(event))
			harness_json(message, event);
	}

	PROMISE(event->call_id != NULL && is_utf8(event->call_id));
	PROMISE(strlen(event->call_id) <= CDR_CALL_ID_MAX);
	for (int i = 0; i < (int) lengthof(texts); i++)
		PROMISE(is_text_or_null(texts[i]));

	if (event->time_source == CDR_TIME_OF_BODY)
		PROMISE(harness_is_set(event->time));
	else
		PROMISE(event->time == (message->property_time != CDR_NO_TIME
									? message->property_time
									: message->received_at));
	check_kind(event);
}

static void
check_same_fact(const CdrEventFact *a, const CdrEventFact *b)
{
	PROMISE(a->kind == b->kind && a->rank == b->rank && a->time == b->time);
	PROMISE(same_text(a->tenant_id, b->tenant_id));
	PROMISE(same_text(a->caller_number, b->caller_number));
	PROMISE(same_text(a->callee_number, b->callee_number));
	PROMISE(same_text(a->direction, b->direction));
	PROMISE(same_text(a->trunk, b->trunk));
	PROMISE(a->sip_status == b->sip_status);
	PROMISE(same_text(a->user_id, b->user_id));
	PROMISE(a->has_contact_id == b->has_contact_id);
	PROMISE(a->contact_id == b->contact_id);
	PROMISE(same_text(a->hangup_cause, b->hangup_cause));
	PROMISE(same_text(a->hangup_source, b->hangup_source));
	PROMISE(same_text(a->recording_url, b->recording_url));
}

void
harness_same_facts(const CdrEvent *a, const CdrEvent *b)
{
	PROMISE(a->time == b->time && a->time_source == b->time_source);
	PROMISE(same_text(a->call_id, b->call_id));
	PROMISE(same_text(a->type, b->type));
	PROMISE(same_text(a->trace_id, b->trace_id));
	PROMISE(same_text(a->tenant_id, b->tenant_id));
	PROMISE(a->nfacts == b->nfacts);
	for (int i = 0; i < a->nfacts; i++)
		check_same_fact(&a->facts[i], &b->facts[i]);
}

static void
check_same(const CdrEvent *a, const CdrEvent *b)
{
	PROMISE((a->reason == NULL) == (b->reason == NULL));
	PROMISE(a->reason == NULL ||
			(a->reason->sqlerrcode == b->reason->sqlerrcode &&
			 same_text(a->reason->message, b->reason->message)));
	PROMISE(memcmp(a->id.data, b->id.data, UUID_LEN) == 0);
	PROMISE(a->is_json == b->is_json);
	harness_same_facts(a, b);
}

/* Parses, checks, parses again; the second result is *event. */
static bool
parse(const CdrMessage *message, const CdrEventOptions *options,
	  CdrEvent *event)
{
	CdrEvent first;
	bool	 ok;

	/* leave nothing to chance in what the parser does not set */
	memset(&first, 0x55, sizeof(first));
	memset(event, 0xaa, sizeof(*event));
	ok = cdr_event_parse(message, options, &first);
	PROMISE(cdr_event_parse(message, options, event) == ok);
	check_same(&first, event);
	harness_explain(message, options, event);
	PROMISE(event->message == message);
	check_identity(message, event);
	if (ok)
		check_success(message, event);
	else
		check_failure(event);
	return ok;
}

/*
 * Properties: an identity of its own, type and time where none is told.  A
 * Protobuf message without a type of its own is read by the routing key.
 */
static void
check_other_properties(const CdrMessage *message, bool ok,
					   const CdrEvent *reference)
{
	static const CdrEventOptions options = {.max_event_size = MEGABYTE,
											.extension_digits = 6};
	CdrMessage					 other = *message;
	CdrEvent					 event;
	bool						 other_ok;

	other.routing_key = "call.ended";
	other.message_id = "m\0-1";
	other.message_id_length = 4;
	other.property_time = HARNESS_PROPERTY_TIME;
	other_ok = parse(&other, &options, &event);
	/* (what is in a message without a type may be read now) */
	PROMISE(has_envelope(&event) == has_envelope(reference) || !ok);
	PROMISE((memcmp(event.id.data, reference->id.data, UUID_LEN) == 0) ==
			has_envelope(reference));
	if (message->routing_key != NULL && !(ok && reference->is_json))
		return;
	if (!ok)
	{
		PROMISE(!other_ok || !event.is_json);
		return;
	}
	PROMISE(other_ok);
	PROMISE(message->routing_key != NULL ||
			same_text(event.type, reference->type != NULL ? reference->type
														  : "call.ended"));
	PROMISE((event.time_source == CDR_TIME_OF_BODY) ==
			(reference->time_source == CDR_TIME_OF_BODY));
	PROMISE(event.time_unread == reference->time_unread);
	PROMISE(strcmp(event.call_id, reference->call_id) == 0);

	other = *message;
	other.content_encoding = "gzip";
	PROMISE(parse(&other, &options, &event) ==
			cdr_is_gzip(message->body, message->body_length));
	other.content_encoding = "utf-8";
	PROMISE(parse(&other, &options, &event));
	harness_same_facts(&event, reference);
}

/* The same body as the broker could bring it otherwise. */
static void
check_other_messages(const CdrMessage *message, bool ok,
					 const CdrEvent *reference)
{
	static const CdrEventOptions options = {.max_event_size = MEGABYTE,
											.extension_digits = 6};
	static const CdrEventOptions no_extensions = {.max_event_size = MEGABYTE};
	static const CdrEventOptions tiny = {.max_event_size = 64,
										 .extension_digits = 15};
	CdrMessage					 other = *message;
	CdrEvent					 event;

	check_other_properties(message, ok, reference);

	/* a value of SQL's type json, as it is read out of the log, too */
	if (ok && reference->is_json)
	{
		PROMISE(cdr_event_parse_json(message, &options, &event));
		check_same(&event, reference);
	}

	/* settings */
	PROMISE(parse(message, &no_extensions, &event) == ok);
	ok = parse(message, &tiny, &event);
	PROMISE(!ok || (message->body_length <= 64 && event.unpacked <= 64));
	PROMISE(message->body_length <= 64 ||
			event.reason->sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED);

	/* a giant of which only the start was kept */
	other = *message;
	other.body_size = (uint64) MEGABYTE * 16;
	PROMISE(!parse(&other, &options, &event));
	PROMISE(event.reason->sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED);
}

bool
harness_event(const char *body, size_t length, CdrEvent *event)
{
	return harness_message(body, length, NULL, NULL, event);
}

bool
harness_message(const char *body, size_t length, const char *routing_key,
				const char *content_type, CdrEvent *event)
{
	return harness_headed(body, length, routing_key, content_type, NULL,
						  event);
}

bool
harness_headed(const char *body, size_t length, const char *routing_key,
			   const char *content_type, const char *headers, CdrEvent *event)
{
	static const CdrEventOptions options = {.max_event_size = MEGABYTE,
											.extension_digits = 6};
	static CdrMessage			 message;
	bool						 ok;

	memset(&message, 0, sizeof(message));
	message.body = behind_nothing(body, length);
	message.body_length = length;
	message.body_size = length;
	message.routing_key = routing_key;
	message.content_type = content_type;
	message.headers = headers;
	message.property_time = CDR_NO_TIME;
	message.received_at = HARNESS_RECEIVED_AT;

	ok = parse(&message, &options, event);
	if (ok && !event->is_json && !has_envelope(event) &&
		event->unpacked == 0 && !harness_has_mark(body, length))
		harness_protobuf(&message, event);
	check_other_messages(&message, ok, event);
	return ok;
}

const char *
harness_content_type(int number)
{
	static const char *const types[] = {
		NULL,
		"application/cloudevents+json",
		"application/json",
		"application/protobuf",
		"text/plain",
		"application/cloudevents-batch+json",
	};

	return types[number % lengthof(types)];
}

const char *
harness_number(const char *uri)
{
	static const char *const directions[] = {"inbound", "outbound", "internal",
											 NULL};
	const char				*number = cdr_number_from_uri(uri);
	const char				*direction;

	direction = cdr_number_direction(number, "+902121234567", 6);
	PROMISE(direction == NULL || is_one_of(direction, directions));
	direction = cdr_number_direction("1001", number, 6);
	PROMISE(direction == NULL || is_one_of(direction, directions));
	PROMISE(cdr_number_direction(NULL, number, 6) == NULL);

	if (number == NULL)
		return NULL;
	PROMISE(number[0] != '\0');
	PROMISE(!is_utf8(uri) || is_utf8(number));
	PROMISE(strlen(number) <= Max(strlen(uri), strlen("anonymous")));

	/* what is a number names itself */
	if (strspn(number, "+0123456789") == strlen(number) &&
		strrchr(number, '+') <= number && strcmp(number, "+") != 0)
		PROMISE(strcmp(cdr_number_from_uri(number), number) == 0);
	return number;
}
