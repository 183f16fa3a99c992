-- ---------------------------------------------------------------------------
-- The merge, checked and repeated
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_calls_from_log(
	OUT @column@ @type@@,@
)
RETURNS SETOF record
LANGUAGE C STABLE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_calls_from_log';

COMMENT ON FUNCTION @extschema@.cdr_calls_from_log() IS
'the stored columns of calls, computed anew from call_events';

CREATE FUNCTION @extschema@.cdr_verify_calls(
	OUT call_id text, OUT stored jsonb, OUT expected jsonb)
RETURNS SETOF record
LANGUAGE C STABLE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_verify_calls';

COMMENT ON FUNCTION @extschema@.cdr_verify_calls() IS
'calls that differ from what their events say: none, ever';

CREATE FUNCTION @extschema@.cdr_rebuild_calls(prune boolean DEFAULT false)
RETURNS bigint
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_rebuild_calls';

COMMENT ON FUNCTION @extschema@.cdr_rebuild_calls(boolean) IS
'writes anew the calls that differ from what their events say; returns how many. With prune, also those of which events are no longer in the log';

