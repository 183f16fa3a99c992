-- ---------------------------------------------------------------------------
-- Operation
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_status(
	OUT worker integer,
	OUT state text,
	OUT pid integer,
	OUT since timestamptz,
	OUT unhealthy_since timestamptz,
	OUT database text,
	OUT host text,
	OUT vhost text,
	OUT "user" text,
	OUT queue text,
	OUT backlog bigint,
	OUT consumers bigint,
	OUT waiting bigint,
	OUT received bigint,
	OUT recorded bigint,
	OUT without_call bigint,
	OUT without_time bigint,
	OUT unmapped bigint,
	OUT duplicates bigint,
	OUT dead_letters bigint,
	OUT batches bigint,
	OUT last_event_time timestamptz,
	OUT last_commit_time timestamptz,
	OUT lag interval,
	OUT reconnects bigint,
	OUT last_error text,
	OUT last_error_sqlstate text,
	OUT last_error_time timestamptz,
	OUT stats_reset timestamptz,
	OUT warning text)
RETURNS SETOF record
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'cdr_status';

COMMENT ON FUNCTION @extschema@.cdr_status() IS
'what each worker does and has done, and its last error';

CREATE FUNCTION @extschema@.cdr_stats_reset()
RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'cdr_stats_reset';

COMMENT ON FUNCTION @extschema@.cdr_stats_reset() IS
'sets the counters of cdr_status() to zero and forgets last errors';

