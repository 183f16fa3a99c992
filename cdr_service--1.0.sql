/* cdr_service--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION cdr_service" to load this file. \quit

-- Bodies are kept byte for byte, and JSON travels as UTF-8.
DO $$
BEGIN
	IF pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.<>) 'UTF8' THEN
		RAISE EXCEPTION 'cdr_service needs a database with encoding UTF8'
			USING ERRCODE = 'feature_not_supported',
				  HINT = 'Create one with CREATE DATABASE ... ENCODING ''UTF8'' TEMPLATE template0.';
	END IF;
END
$$;

-- ---------------------------------------------------------------------------
-- Values that follow from others
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_disposition(answered boolean, hangup_cause text)
RETURNS text
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_disposition';

COMMENT ON FUNCTION @extschema@.cdr_disposition(boolean, text) IS
'how an ended call went: ANSWERED, BUSY, FAILED, CANCELED or NO_ANSWER';

CREATE FUNCTION @extschema@.cdr_seconds_between(earlier timestamptz, later timestamptz)
RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_seconds_between';

COMMENT ON FUNCTION @extschema@.cdr_seconds_between(timestamptz, timestamptz) IS
'whole seconds from one time to another, never negative';

-- ---------------------------------------------------------------------------
-- Tables
-- ---------------------------------------------------------------------------

CREATE TABLE @extschema@.call_events (
	event_time timestamptz NOT NULL,
	received_at timestamptz NOT NULL,
	event_id uuid NOT NULL,
	call_id text COLLATE pg_catalog."C" NOT NULL DEFAULT '',
	event_type text,
	trace_id text,
	tenant_id text,
	routing_key text,
	payload json,
	body bytea
) PARTITION BY RANGE (event_time);

COMMENT ON TABLE @extschema@.call_events IS
'the log: one row for each distinct event';

-- The unique index sits on each partition: with a key on the parent, a dump
-- of this table with partitions made at run time could not be restored.
CREATE TABLE @extschema@.call_events_default
	PARTITION OF @extschema@.call_events DEFAULT;
CREATE UNIQUE INDEX call_events_default_key
	ON @extschema@.call_events_default (call_id, event_id, event_time);

CREATE TABLE @extschema@.calls (
	call_id text COLLATE pg_catalog."C" PRIMARY KEY,
	status text NOT NULL GENERATED ALWAYS AS (
		CASE WHEN end_time IS NOT NULL THEN 'COMPLETED'
			 WHEN answer_time IS NOT NULL THEN 'ANSWERED'
			 WHEN start_time IS NOT NULL THEN 'STARTED'
			 ELSE 'IDENTIFIED' END) STORED,
	disposition text GENERATED ALWAYS AS (
		CASE WHEN end_time IS NOT NULL
			 THEN @extschema@.cdr_disposition(answer_time IS NOT NULL, hangup_cause)
		END) STORED,
	direction text,
	caller_number text,
	callee_number text,
	start_time timestamptz,
	answer_time timestamptz,
	end_time timestamptz,
	duration_seconds bigint GENERATED ALWAYS AS (
		@extschema@.cdr_seconds_between(start_time, end_time)) STORED,
	billable_seconds bigint GENERATED ALWAYS AS (
		CASE WHEN end_time IS NULL THEN NULL
			 WHEN answer_time IS NULL THEN 0
			 ELSE @extschema@.cdr_seconds_between(answer_time, end_time)
		END) STORED,
	hangup_cause text,
	hangup_source text,
	tenant_id text GENERATED ALWAYS AS (
		COALESCE(identified_tenant_id, started_tenant_id)) STORED,
	user_id text,
	contact_id bigint,
	recording_url text,
	event_count bigint NOT NULL,
	first_event_time timestamptz NOT NULL,
	last_event_time timestamptz NOT NULL,
	-- which events won: what the merge needs to be the same in any order
	started_event_id uuid,
	started_tenant_id text,
	ended_event_id uuid,
	identified_time timestamptz,
	identified_event_id uuid,
	identified_tenant_id text,
	recording_time timestamptz,
	recording_event_id uuid
-- room on each page for the updates that a call sees while it lasts: where a
-- new version finds room beside the old one, no index is touched
) WITH (fillfactor = 80);

COMMENT ON TABLE @extschema@.calls IS
'call detail records: one row for each call, merged from its events';

CREATE TABLE @extschema@.dead_letters (
	event_id uuid PRIMARY KEY,
	received_at timestamptz NOT NULL,
	last_attempt_at timestamptz NOT NULL,
	attempts integer NOT NULL DEFAULT 1,
	sqlstate text NOT NULL,
	message text NOT NULL,
	routing_key text,
	headers json,
	property_time timestamptz,
	body_size bigint NOT NULL,
	body bytea NOT NULL
);

COMMENT ON TABLE @extschema@.dead_letters IS
'messages that could not become events, with the reason';
COMMENT ON COLUMN @extschema@.dead_letters.body_size IS
'bytes on the wire; more than body holds where only the start of a giant was kept';

SELECT pg_catalog.pg_extension_config_dump('@extschema@.call_events', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.call_events_default', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.calls', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.dead_letters', '');

-- ---------------------------------------------------------------------------
-- Ingest
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_ingest_event(event json)
RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_ingest_event';

COMMENT ON FUNCTION @extschema@.cdr_ingest_event(json) IS
'records an event; false: it was recorded before';

CREATE FUNCTION @extschema@.cdr_ingest_events(events json[])
RETURNS bigint
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_ingest_events';

COMMENT ON FUNCTION @extschema@.cdr_ingest_events(json[]) IS
'records events, all or none; returns how many were new';

-- ---------------------------------------------------------------------------
-- Dead letters
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_retry_dead_letters(event_ids uuid[] DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_retry_dead_letters';

COMMENT ON FUNCTION @extschema@.cdr_retry_dead_letters(uuid[]) IS
'tries dead letters again, all or those named; returns how many became events';

CREATE FUNCTION @extschema@.cdr_discard_dead_letters(event_ids uuid[])
RETURNS bigint
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_discard_dead_letters';

COMMENT ON FUNCTION @extschema@.cdr_discard_dead_letters(uuid[]) IS
'deletes the dead letters named; returns how many there were';

-- ---------------------------------------------------------------------------
-- Operation
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_status(
	OUT worker integer,
	OUT state text,
	OUT pid integer,
	OUT since timestamptz,
	OUT host text,
	OUT queue text,
	OUT received bigint,
	OUT recorded bigint,
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
'what each worker does, has done and last stumbled over';

CREATE FUNCTION @extschema@.cdr_stats_reset()
RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'cdr_stats_reset';

COMMENT ON FUNCTION @extschema@.cdr_stats_reset() IS
'sets the counters of cdr_status() to zero and forgets last errors';

CREATE FUNCTION @extschema@.cdr_pause()
RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cdr_pause';

COMMENT ON FUNCTION @extschema@.cdr_pause() IS
'makes the workers finish their batch, disconnect from broker and database, and wait';

CREATE FUNCTION @extschema@.cdr_resume()
RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cdr_resume';

COMMENT ON FUNCTION @extschema@.cdr_resume() IS 'ends a pause';

CREATE FUNCTION @extschema@.cdr_create_partitions(from_time timestamptz, to_time timestamptz)
RETURNS integer
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_create_partitions';

COMMENT ON FUNCTION @extschema@.cdr_create_partitions(timestamptz, timestamptz) IS
'makes the missing partitions of call_events for a stretch of time; returns how many';

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

CREATE FUNCTION @extschema@.cdr_call_history(
	call_id text,
	OUT event_time timestamptz,
	OUT elapsed interval,
	OUT event_type text,
	OUT description text,
	OUT received_at timestamptz,
	OUT payload json)
RETURNS SETOF record
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT e.event_time,
		   e.event_time - min(e.event_time) OVER (),
		   e.event_type,
		   CASE e.event_type
				WHEN 'call.started' THEN
					format('%s calls %s', COALESCE(c.caller_number, 'somebody'),
						   COALESCE(c.callee_number, 'somebody'))
				WHEN 'call.answered' THEN 'answered'
				WHEN 'call.ended' THEN
					format('ended: %s', COALESCE(e.payload ->> 'reason', 'no cause given'))
				WHEN 'call.recording.available' THEN
					format('recording: %s', COALESCE(e.payload ->> 'recordingUri',
						   e.payload ->> 'uri', e.payload ->> 'publicUrl', 'no place given'))
				WHEN 'user.identified.for_call' THEN
					format('user %s identified', COALESCE(e.payload ->> 'userId', 'not'))
				WHEN 'user.created.for_call' THEN
					format('user %s created', COALESCE(e.payload ->> 'userId', 'not'))
		   END,
		   e.received_at,
		   e.payload
	FROM @extschema@.call_events AS e
	LEFT JOIN @extschema@.calls AS c
		ON c.call_id OPERATOR(pg_catalog.=) e.call_id
	WHERE e.call_id OPERATOR(pg_catalog.=) cdr_call_history.call_id
	ORDER BY e.event_time, e.event_id
$$;

COMMENT ON FUNCTION @extschema@.cdr_call_history(text) IS
'the events of a call, as a person would read them';

-- ---------------------------------------------------------------------------
-- The guard over the data
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_guard_drops()
RETURNS event_trigger
LANGUAGE C
AS 'MODULE_PATHNAME', 'cdr_guard_drops';

COMMENT ON FUNCTION @extschema@.cdr_guard_drops() IS
'refuses to drop tables of the extension that hold rows, unless cdr_service.allow_drop is on';

CREATE EVENT TRIGGER cdr_service_guard_drops
	ON ddl_command_start
	WHEN TAG IN ('DROP EXTENSION', 'DROP TABLE', 'DROP SCHEMA', 'DROP OWNED')
	EXECUTE FUNCTION @extschema@.cdr_guard_drops();

-- ---------------------------------------------------------------------------
-- Who may
-- ---------------------------------------------------------------------------

REVOKE ALL ON FUNCTION
	@extschema@.cdr_ingest_event(json),
	@extschema@.cdr_ingest_events(json[]),
	@extschema@.cdr_retry_dead_letters(uuid[]),
	@extschema@.cdr_discard_dead_letters(uuid[]),
	@extschema@.cdr_status(),
	@extschema@.cdr_stats_reset(),
	@extschema@.cdr_pause(),
	@extschema@.cdr_resume(),
	@extschema@.cdr_create_partitions(timestamptz, timestamptz),
	@extschema@.cdr_verify_calls(),
	@extschema@.cdr_rebuild_calls(boolean)
FROM PUBLIC;

GRANT EXECUTE ON FUNCTION @extschema@.cdr_status() TO pg_monitor;
