/*-------------------------------------------------------------------------
 *
 * leaf.c
 *	  An event as a leaf of a hash tree.
 *
 * No field may be read as another: so each stands behind its length.  The
 * properties came last to the format, and stand there only where there are any: the
 * number of fields tells.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "common/int.h"
#include "port/pg_bswap.h"

#include "base/sha256.h"
#include "evidence/leaf.h"

#define CONTENT_MARK "cdr-content-v1\n"
#define EVENT_MARK	 "cdr-event-v1\n"

/* In place of the length of a field that is NULL. */
#define LENGTH_OF_NULL 0xffffffff

/* From 1970 to 2000, from where the server counts. */
#define EPOCHS_APART \
	((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

static void
add_counted_field(EVP_MD_CTX *context, CdrField field)
{
	uint32 length =
		pg_hton32(field.data == NULL ? LENGTH_OF_NULL : (uint32) field.length);

	cdr_sha256_add(context, &length, sizeof(length));
	if (field.data != NULL)
		cdr_sha256_add(context, field.data, field.length);
}

static void
add_leaf_time(EVP_MD_CTX *context, TimestampTz time)
{
	int64  micros = time;
	uint64 bytes;

	if (!TIMESTAMP_NOT_FINITE(time) &&
		pg_add_s64_overflow(time, EPOCHS_APART, &micros))
		micros = PG_INT64_MAX;
	bytes = pg_hton64((uint64) micros);
	cdr_sha256_add(context, &bytes, sizeof(bytes));
}

static void
body_digest(const CdrLeafFields *fields, CdrDigest *digest)
{
	EVP_MD_CTX *context = cdr_sha256_context();

	cdr_sha256_begin(context);
	add_counted_field(context, fields->message_id);
	cdr_sha256_add(context, fields->body.data, fields->body.length);
	cdr_sha256_end(context, digest);
}

void
cdr_content_digest(const CdrLeafFields *fields, CdrDigest *content)
{
	EVP_MD_CTX *context = cdr_sha256_context();
	CdrDigest	body;

	if (fields->body_digest != NULL)
		body = *fields->body_digest;
	else
		body_digest(fields, &body);
	cdr_sha256_begin(context);
	cdr_sha256_add(context, CONTENT_MARK, strlen(CONTENT_MARK));
	cdr_sha256_add(context, fields->salt.data, UUID_LEN);
	cdr_sha256_add(context, fields->event_id.data, UUID_LEN);
	cdr_sha256_add(context, body.data, sizeof(body.data));
	add_counted_field(context, fields->message_id);
	add_counted_field(context, fields->call_id);
	add_counted_field(context, fields->trace_id);
	add_counted_field(context, fields->routing_key);
	add_counted_field(context, fields->content_type);
	add_counted_field(context, fields->headers);
	if (fields->properties.data != NULL)
		add_counted_field(context, fields->properties);
	cdr_sha256_end(context, content);
}

void
cdr_leaf_hash(const CdrLeafFields *fields, const CdrDigest *content,
			  CdrDigest *leaf)
{
	EVP_MD_CTX *context = cdr_sha256_context();
	CdrField	source = {&fields->time_source, fields->time_source != '\0'};

	cdr_sha256_begin(context);
	cdr_sha256_add(context, "", 1);
	cdr_sha256_add(context, EVENT_MARK, strlen(EVENT_MARK));
	add_leaf_time(context, fields->event_time);
	add_leaf_time(context, fields->received_at);
	add_leaf_time(context, fields->recorded_at);
	add_counted_field(context, source);
	add_counted_field(context, fields->event_type);
	add_counted_field(context, fields->tenant_id);
	cdr_sha256_add(context, content->data, sizeof(content->data));
	cdr_sha256_end(context, leaf);
}
