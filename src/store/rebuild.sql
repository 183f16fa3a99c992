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

-- What follows reads and writes with the rights of its caller, and does no
-- harm in anybody's hands; cdr_verify_calls() and cdr_rebuild_calls() call it
-- as the owner of the tables.

CREATE FUNCTION @extschema@.cdr_verify_calls_as_caller(
	OUT call_id text, OUT stored jsonb, OUT expected jsonb)
RETURNS SETOF record
LANGUAGE sql STABLE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH stored AS (
		SELECT c.call_id COLLATE "default",
			   c.@column:!key@@,@
		FROM @extschema@.calls AS c)
	SELECT COALESCE(s.call_id, e.call_id), to_jsonb(s), to_jsonb(e)
	FROM stored AS s
	FULL JOIN @extschema@.cdr_calls_from_log() AS e
		ON s.call_id OPERATOR(pg_catalog.=) e.call_id
	WHERE (s.*) IS DISTINCT FROM (e.*)
$$;

COMMENT ON FUNCTION @extschema@.cdr_verify_calls_as_caller() IS
'cdr_verify_calls() with the rights of its caller';

CREATE FUNCTION @extschema@.cdr_rebuild_calls_as_caller(prune boolean)
RETURNS bigint
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	-- A batch that has logged events but not merged them waits here, and
	-- merges into what this leaves.
	LOCK TABLE @extschema@.calls IN SHARE ROW EXCLUSIVE MODE;
	-- A call that has counted more events than the log holds lost them to
	-- retention: what it says is all that is left of them.
	WITH wrong AS MATERIALIZED (
		SELECT v.call_id, v.expected FROM @extschema@.cdr_verify_calls_as_caller() AS v
		WHERE prune
		OR v.stored IS NULL
		OR (v.expected ->> 'event_count')::bigint OPERATOR(pg_catalog.>=)
		   (v.stored ->> 'event_count')::bigint),
	removed AS (
		DELETE FROM @extschema@.calls AS c USING wrong AS w
		WHERE c.call_id OPERATOR(pg_catalog.=) w.call_id
		AND w.expected IS NULL),
	rebuilt AS (
		INSERT INTO @extschema@.calls AS c
			(
			@column@@,@
			)
		SELECT
			r.@column@@,@
		FROM wrong AS w,
			 jsonb_populate_record(NULL::@extschema@.calls, w.expected) AS r
		WHERE w.expected IS NOT NULL
		ON CONFLICT (call_id) DO UPDATE SET
			@column:!key@ = EXCLUDED.@column:!key@@,@
		)
	SELECT count(*) FROM wrong
$$;

COMMENT ON FUNCTION @extschema@.cdr_rebuild_calls_as_caller(boolean) IS
'cdr_rebuild_calls() with the rights of its caller';

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

