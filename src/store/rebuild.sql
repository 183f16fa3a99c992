-- ---------------------------------------------------------------------------
-- The merge, checked and repeated
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_calls_from_log(
	call_id text DEFAULT NULL,
	OUT @column@ @type@@,@
)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_calls_from_log';

COMMENT ON FUNCTION @extschema@.cdr_calls_from_log(text) IS
'the stored columns of calls, of one or all, computed anew from call_events';

CREATE FUNCTION @extschema@.cdr_verify_calls(
	call_id text DEFAULT NULL,
	from_time timestamptz DEFAULT NULL,
	to_time timestamptz DEFAULT NULL,
	OUT call_id text, OUT stored jsonb, OUT expected jsonb)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_verify_calls';

COMMENT ON FUNCTION @extschema@.cdr_verify_calls(text, timestamptz, timestamptz) IS
'calls that differ from what their events say: none, ever; of one call, of a stretch of time, or of all';

CREATE FUNCTION @extschema@.cdr_rebuild_calls(
	call_id text DEFAULT NULL,
	from_time timestamptz DEFAULT NULL,
	to_time timestamptz DEFAULT NULL,
	prune boolean DEFAULT false)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_rebuild_calls';

COMMENT ON FUNCTION @extschema@.cdr_rebuild_calls(text, timestamptz, timestamptz, boolean) IS
'writes anew the calls that differ from what their events say; returns how many. With prune, also those of which events are no longer in the log';

