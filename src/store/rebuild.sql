-- ---------------------------------------------------------------------------
-- The merge, checked and repeated
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_calls_from_log(
	OUT call_id text,
	OUT direction text,
	OUT caller_number text,
	OUT callee_number text,
	OUT start_time timestamptz,
	OUT answer_time timestamptz,
	OUT end_time timestamptz,
	OUT hangup_cause text,
	OUT hangup_source text,
	OUT user_id text,
	OUT contact_id bigint,
	OUT recording_url text,
	OUT event_count bigint,
	OUT first_event_time timestamptz,
	OUT last_event_time timestamptz,
	OUT started_event_id uuid,
	OUT started_tenant_id text,
	OUT ended_event_id uuid,
	OUT identified_time timestamptz,
	OUT identified_event_id uuid,
	OUT identified_tenant_id text,
	OUT recording_time timestamptz,
	OUT recording_event_id uuid)
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
		SELECT c.call_id COLLATE "default", c.direction, c.caller_number,
			   c.callee_number, c.start_time, c.answer_time, c.end_time,
			   c.hangup_cause, c.hangup_source, c.user_id, c.contact_id,
			   c.recording_url, c.event_count, c.first_event_time,
			   c.last_event_time, c.started_event_id, c.started_tenant_id,
			   c.ended_event_id, c.identified_time, c.identified_event_id,
			   c.identified_tenant_id, c.recording_time, c.recording_event_id
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
			(call_id, direction, caller_number, callee_number,
			 start_time, answer_time, end_time, hangup_cause, hangup_source,
			 user_id, contact_id, recording_url, event_count,
			 first_event_time, last_event_time,
			 started_event_id, started_tenant_id, ended_event_id,
			 identified_time, identified_event_id, identified_tenant_id,
			 recording_time, recording_event_id)
		SELECT r.call_id, r.direction, r.caller_number, r.callee_number,
			   r.start_time, r.answer_time, r.end_time, r.hangup_cause,
			   r.hangup_source, r.user_id, r.contact_id, r.recording_url,
			   r.event_count, r.first_event_time, r.last_event_time,
			   r.started_event_id, r.started_tenant_id, r.ended_event_id,
			   r.identified_time, r.identified_event_id,
			   r.identified_tenant_id, r.recording_time, r.recording_event_id
		FROM wrong AS w,
			 jsonb_populate_record(NULL::@extschema@.calls, w.expected) AS r
		WHERE w.expected IS NOT NULL
		ON CONFLICT (call_id) DO UPDATE SET
			direction = EXCLUDED.direction,
			caller_number = EXCLUDED.caller_number,
			callee_number = EXCLUDED.callee_number,
			start_time = EXCLUDED.start_time,
			answer_time = EXCLUDED.answer_time,
			end_time = EXCLUDED.end_time,
			hangup_cause = EXCLUDED.hangup_cause,
			hangup_source = EXCLUDED.hangup_source,
			user_id = EXCLUDED.user_id,
			contact_id = EXCLUDED.contact_id,
			recording_url = EXCLUDED.recording_url,
			event_count = EXCLUDED.event_count,
			first_event_time = EXCLUDED.first_event_time,
			last_event_time = EXCLUDED.last_event_time,
			started_event_id = EXCLUDED.started_event_id,
			started_tenant_id = EXCLUDED.started_tenant_id,
			ended_event_id = EXCLUDED.ended_event_id,
			identified_time = EXCLUDED.identified_time,
			identified_event_id = EXCLUDED.identified_event_id,
			identified_tenant_id = EXCLUDED.identified_tenant_id,
			recording_time = EXCLUDED.recording_time,
			recording_event_id = EXCLUDED.recording_event_id)
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

