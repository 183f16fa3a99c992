/*-------------------------------------------------------------------------
 *
 * dead_letters.c
 *	  The table dead_letters: messages that could not become events.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/properties.h"
#include "store/dead_letters.h"
#include "store/order.h"
#include "store/row_event.h"

static CdrStatement keep_dead_letters = {
	.sql = "INSERT INTO %1$s.dead_letters AS d"
		   " (event_id, received_at, last_attempt_at, sqlstate, message,"
		   " detail, constraint_name, exchange, routing_key, message_id,"
		   " content_type, content_encoding, property_time, headers,"
		   " properties, body_size, body)"
		   " SELECT * FROM %2$s"
		   " ON CONFLICT (event_id) DO UPDATE SET"
		   " attempts = LEAST(d.attempts, 2147483646) + 1,"
		   " last_attempt_at = EXCLUDED.last_attempt_at,"
		   " sqlstate = EXCLUDED.sqlstate,"
		   " message = EXCLUDED.message,"
		   " detail = EXCLUDED.detail,"
		   " constraint_name = EXCLUDED.constraint_name"
		   " RETURNING attempts = 1",
	.has_rows = true,
	.ncolumns = 17,
	.types = {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID,
			  TEXTOID, TEXTOID, TEXTOID, TEXTOID, BYTEAOID, TEXTOID, TEXTOID,
			  TIMESTAMPTZOID, JSONOID, JSONOID, INT8OID, BYTEAOID},
};

/* Of those read at a time: how many, and bytes of bodies and headers. */
#define PORTION_MAX		  500
#define PORTION_BYTES_MAX (16 * 1024 * 1024)

/*
 * ONLY: a table that inherits from it is not looked at by shape.c, and need not
 * even have its NOT NULL.
 *
 * $1: the last one read before; $2: those wanted, NULL for all; $3: how many
 */
static CdrStatement measure_dead_letters = {
	.sql = "SELECT octet_length(body)::int8"
		   " + COALESCE(octet_length(headers::text), 0)"
		   " FROM ONLY %1$s.dead_letters"
		   " WHERE event_id > $1 AND ($2 IS NULL OR event_id = ANY ($2))"
		   " ORDER BY event_id LIMIT $3",
	.ncolumns = 3,
	.types = {UUIDOID, UUIDARRAYOID, INT8OID},
};
static CdrStatement read_dead_letters = {
	.sql = "SELECT " CDR_LETTER_MESSAGE " FROM ONLY %1$s.dead_letters"
		   " WHERE event_id > $1 AND ($2 IS NULL OR event_id = ANY ($2))"
		   " ORDER BY event_id LIMIT $3 FOR UPDATE",
	.ncolumns = 3,
	.types = {UUIDOID, UUIDARRAYOID, INT8OID},
};

static CdrStatement delete_dead_letters = {
	.sql = "DELETE FROM ONLY %1$s.dead_letters WHERE event_id = ANY ($1)",
	.ncolumns = 1,
	.types = {UUIDARRAYOID},
};

CdrStatement *const cdr_dead_letters_statements[] = {
	&keep_dead_letters, &measure_dead_letters, &read_dead_letters,
	&delete_dead_letters, NULL};

/*
 * What a letter is known by: one that was read from the table stays the same
 * letter, whatever its event turns out to be.
 */
static const pg_uuid_t *
letter_id(const CdrEvent *event)
{
	return event->message->id != NULL ? event->message->id : &event->id;
}

int64
cdr_dead_letters_keep(CdrEvent **letters, int count)
{
	CdrRows	   *rows = cdr_rows_begin(&keep_dead_letters);
	TimestampTz now = GetCurrentTimestamp();
	int64		fresh = 0;

	count = cdr_sort_events(letters, count);
	for (int i = 0; i < count; i++)
	{
		const CdrEvent	 *event = letters[i];
		const CdrMessage *message = event->message;

		cdr_row_put_id(rows, 0, letter_id(event));
		cdr_row_put_time(rows, 1, message->received_at);
		cdr_row_put_time(rows, 2, now);
		cdr_row_put_text(rows, 3,
						 cdr_sqlstate_text(event->reason->sqlerrcode));
		cdr_row_put_text(rows, 4, event->reason->message);
		cdr_row_put_text(rows, 5, event->reason->detail);
		cdr_row_put_text(rows, 6, event->reason->constraint);
		cdr_row_put_text(rows, 7, message->exchange);
		cdr_row_put_text(rows, 8, message->routing_key);
		cdr_row_put_bytes(rows, 9, message->message_id,
						  message->message_id_length);
		cdr_row_put_text(rows, 10, message->content_type);
		cdr_row_put_text(rows, 11, message->content_encoding);
		cdr_row_put_time(rows, 12, message->property_time);
		cdr_row_put_text(rows, 13, cdr_headers_json(message));
		cdr_row_put_text(rows, 14, cdr_properties_json(message));
		cdr_row_put(rows, 15, Int64GetDatum((int64) message->body_size),
					false);
		cdr_row_put_bytes(rows, 16, message->body, message->body_length);
		cdr_row_end(rows);
	}
	cdr_rows_execute(rows, SPI_OK_INSERT_RETURNING);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool isnull;

		if (DatumGetBool(cdr_result(row, 1, &isnull)))
			fresh++;
	}
	SPI_freetuptable(SPI_tuptable);
	return fresh;
}

/* How many of the dead letters just measured are read together, 1 at least. */
static int64
portion(void)
{
	int64  bytes = 0;
	uint64 count = 0;
	bool   isnull;

	while (count < SPI_processed)
	{
		bytes += DatumGetInt64(cdr_result(count, 1, &isnull));
		if (count > 0 && bytes > PORTION_BYTES_MAX)
			break;
		count++;
	}
	SPI_freetuptable(SPI_tuptable);
	return Max((int64) count, 1);
}

int
cdr_dead_letters_read(pg_uuid_t *last, ArrayType *ids)
{
	Datum		parameters[3] = {UUIDPGetDatum(last), PointerGetDatum(ids),
								 Int64GetDatum(PORTION_MAX)};
	const char *nulls = ids == NULL ? " n " : NULL;
	bool		isnull;

	cdr_statement_execute(&measure_dead_letters, parameters, nulls,
						  SPI_OK_SELECT);
	parameters[2] = Int64GetDatum(portion());
	cdr_statement_execute(&read_dead_letters, parameters, nulls,
						  SPI_OK_SELECT);
	if (SPI_processed > 0)
		*last = *DatumGetUUIDP(cdr_result(SPI_processed - 1, 1, &isnull));
	return (int) SPI_processed;
}

/* A text of a row that was read, NULL for none. */
static char *
letter_text(uint64 row, int column)
{
	bool  isnull;
	Datum value = cdr_result(row, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* Bytes of a row that was read, NULL for none. */
static const char *
letter_bytes(uint64 row, int column, size_t *length)
{
	bool   isnull;
	Datum  value = cdr_result(row, column, &isnull);
	bytea *bytes;

	*length = 0;
	if (isnull)
		return NULL;
	bytes = DatumGetByteaPCopy(value);
	*length = VARSIZE_ANY_EXHDR(bytes);
	return VARDATA_ANY(bytes);
}

CdrMessage *
cdr_dead_letters_message(uint64 row)
{
	CdrMessage *message = palloc0(sizeof(CdrMessage));
	Datum		value;
	bool		isnull;
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));

	*id = *DatumGetUUIDP(cdr_result(row, 1, &isnull));
	message->id = id;
	message->received_at = DatumGetTimestampTz(cdr_result(row, 2, &isnull));
	message->routing_key = letter_text(row, 3);
	value = cdr_result(row, 4, &isnull);
	message->property_time = isnull ? CDR_NO_TIME : DatumGetTimestampTz(value);
	message->body_size = (uint64) DatumGetInt64(cdr_result(row, 5, &isnull));
	message->body = letter_bytes(row, 6, &message->body_length);
	message->message_id = letter_bytes(row, 7, &message->message_id_length);
	message->content_type = letter_text(row, 8);
	message->content_encoding = letter_text(row, 9);
	message->type = letter_text(row, 10);
	message->exchange = letter_text(row, 11);
	message->headers = letter_text(row, 12);
	message->other_properties = letter_text(row, 13);
	message->array = letter_text(row, 14);
	message->mapping = cdr_row_mapping(message->other_properties);
	return message;
}

int64
cdr_dead_letters_discard(Datum ids)
{
	cdr_statement_execute(&delete_dead_letters, &ids, NULL, SPI_OK_DELETE);
	return (int64) SPI_processed;
}

void
cdr_dead_letters_delete(CdrEvent **events, int count)
{
	Datum *ids = palloc(Max(count, 1) * sizeof(Datum));

	for (int i = 0; i < count; i++)
		ids[i] = UUIDPGetDatum(letter_id(events[i]));
	(void) cdr_dead_letters_discard(PointerGetDatum(
		construct_array(ids, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR)));
}
