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
	call_ids text[] DEFAULT NULL,
	OUT call_id text, OUT stored jsonb, OUT expected jsonb, OUT differing text[])
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_verify_calls';

COMMENT ON FUNCTION @extschema@.cdr_verify_calls(text, timestamptz, timestamptz, text[]) IS
'calls that differ from what their events say, and in which columns (normally none): of one call, of a stretch of time, of a list, or of all';

CREATE FUNCTION @extschema@.cdr_rebuild_calls(
	call_id text DEFAULT NULL,
	from_time timestamptz DEFAULT NULL,
	to_time timestamptz DEFAULT NULL,
	prune boolean DEFAULT false,
	call_ids text[] DEFAULT NULL,
	remap boolean DEFAULT false,
	exchange text DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_rebuild_calls';

COMMENT ON FUNCTION @extschema@.cdr_rebuild_calls(text, timestamptz, timestamptz, boolean, text[], boolean, text) IS
'writes anew the calls that differ from what their events say; returns how many. With prune, forgets what they say by events that are no longer in the log; with remap, has the events read by the mappings that are in force now';

CREATE PROCEDURE @extschema@.cdr_rebuild_calls_in_slices(
	call_id text DEFAULT NULL,
	from_time timestamptz DEFAULT NULL,
	to_time timestamptz DEFAULT NULL,
	prune boolean DEFAULT false,
	call_ids text[] DEFAULT NULL,
	slice integer DEFAULT 1000,
	remap boolean DEFAULT false,
	exchange text DEFAULT NULL,
	INOUT rebuilt bigint DEFAULT NULL)
LANGUAGE C
AS 'MODULE_PATHNAME', 'cdr_rebuild_calls_in_slices';

COMMENT ON PROCEDURE @extschema@.cdr_rebuild_calls_in_slices(text, timestamptz, timestamptz, boolean, text[], integer, boolean, text, bigint) IS
'what cdr_rebuild_calls() does, so many calls at a time, each time in a transaction of its own';

CREATE FUNCTION @extschema@.cdr_remap_preview(
	call_id text DEFAULT NULL,
	from_time timestamptz DEFAULT NULL,
	to_time timestamptz DEFAULT NULL,
	call_ids text[] DEFAULT NULL,
	exchange text DEFAULT NULL,
	OUT event_id uuid,
	OUT from_call_id text,
	OUT from_event_time timestamptz,
	OUT from_mapping text,
	OUT from_version integer,
	OUT to_event_id uuid,
	OUT to_call_id text,
	OUT to_event_time timestamptz,
	OUT to_mapping text,
	OUT to_version integer,
	OUT note text)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_remap_preview';

COMMENT ON FUNCTION @extschema@.cdr_remap_preview(text, timestamptz, timestamptz, text[], text) IS
'the events that cdr_rebuild_calls() would move with remap, and where to; writes nothing';
