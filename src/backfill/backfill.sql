-- ---------------------------------------------------------------------------
-- Backfill: rows of tables become events
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_ingest_rows(
	mapping text,
	rows json[],
	keep_refused boolean DEFAULT true,
	OUT rows_read bigint,
	OUT stored bigint,
	OUT known bigint,
	OUT dead_letters bigint,
	OUT without_call bigint,
	OUT without_time bigint)
RETURNS record
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_ingest_rows';

COMMENT ON FUNCTION @extschema@.cdr_ingest_rows(text, json[], boolean) IS
'records rows of a table, read by the mapping of that name; what cannot be read becomes a dead letter, or an error';

CREATE PROCEDURE @extschema@.cdr_backfill(
	mapping text,
	query text,
	portion integer DEFAULT 1000,
	keep_refused boolean DEFAULT true,
	INOUT rows_read bigint DEFAULT NULL,
	INOUT stored bigint DEFAULT NULL,
	INOUT known bigint DEFAULT NULL,
	INOUT dead_letters bigint DEFAULT NULL,
	INOUT without_call bigint DEFAULT NULL,
	INOUT without_time bigint DEFAULT NULL)
LANGUAGE C
AS 'MODULE_PATHNAME', 'cdr_backfill';

COMMENT ON PROCEDURE @extschema@.cdr_backfill(text, text, integer, boolean, bigint, bigint, bigint, bigint, bigint, bigint) IS
'records the rows of a query, which runs with the rights of the caller, read by the mapping of that name: so many at a time, each time in a transaction of its own';
