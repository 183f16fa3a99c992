-- A Call-ID that was used again is the same calls in any order of arrival.  And
-- thousands of them, with clocks that differ, events that are missing, ties and
-- times of receipt: where one call ends and the next begins, and what each is, as
-- plain SQL finds it.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SELECT cdr_create_partitions('2026-01-01', '2026-02-01');

-- an event at a second of 22:00
CREATE FUNCTION ev(call text, type text, second numeric, more jsonb DEFAULT '{}') RETURNS json
LANGUAGE sql AS $$
	SELECT (jsonb_build_object('callId', call, 'eventType', 'call.' || type, 'timestamp',
		to_char(timestamptz '2026-01-19 22:00:00Z' + second * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
		|| more)::json
$$;
-- in any order of arrival: case 12, two uses of three events each
CREATE TABLE six (n int, event json);
INSERT INTO six VALUES (1, ev('six', 'started', 0, '{"from":"1"}')), (2, ev('six', 'answered', 3)), (3, ev('six', 'ended', 300, '{"reason":"normal_clearing"}')),
	(4, ev('six', 'started', 300 + 172800, '{"from":"2"}')), (5, ev('six', 'answered', 304 + 172800)), (6, ev('six', 'ended', 2104 + 172800, '{"reason":"normal_clearing"}'));
-- and a tie of two starts with an end, and one that comes late
CREATE TABLE tied (n int, event json);
INSERT INTO tied VALUES (1, ev('six', 'started', 0, '{"from":"1"}')), (2, ev('six', 'answered', 0)), (3, ev('six', 'started', 3700, '{"from":"2"}')),
	(4, ev('six', 'started', 3700, '{"from":"3"}')), (5, ev('six', 'ended', 3700)), (6, ev('six', 'ended', 3800, '{"reason":"busy"}'));
CREATE PROCEDURE try_orders(source regclass, every int) LANGUAGE plpgsql AS $$
DECLARE
	events json[];
	ns int[];
	found text;
	truths text[] := '{}';
	tried int := 0;
BEGIN
	EXECUTE format('SELECT array_agg(event ORDER BY n) FROM %s', source) INTO events;
	FOR ns IN WITH RECURSIVE p (o) AS (
			SELECT ARRAY[n] FROM generate_series(1, 6) AS n UNION ALL SELECT o || n FROM p, generate_series(1, 6) AS n WHERE n <> ALL (o))
		SELECT o FROM (SELECT o, row_number() OVER (ORDER BY o) AS n FROM p WHERE cardinality(o) = 6) AS x WHERE n % every = 0
	LOOP
		PERFORM cdr_ingest_event(events[n]) FROM unnest(ns[1:3]) AS n;
		PERFORM cdr_ingest_events(ARRAY[events[ns[4]], events[ns[5]], events[ns[6]]]);
		SELECT string_agg(s::text, E'\n' ORDER BY segment) INTO found FROM cdr_call_segments('six') AS s;
		ROLLBACK;
		IF found <> ALL (truths) OR truths = '{}' THEN
			truths := truths || found;
		END IF;
		tried := tried + 1;
	END LOOP;
	RAISE NOTICE '% orders, % truths', tried, cardinality(truths);
	RAISE NOTICE E'\n%', truths[1];
END $$;
CALL try_orders('six', 1);
CALL try_orders('tied', 1);
-- the comparison can fail: with an event that is lost where it comes first, there are two truths
CREATE FUNCTION lose_first() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RETURN CASE WHEN NEW.event_type = 'call.answered' AND NOT EXISTS (SELECT FROM public.call_events) THEN NULL ELSE NEW END;
END $$;
CREATE TRIGGER lose_first BEFORE INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION lose_first();
CALL try_orders('tied', 25);
DROP TRIGGER lose_first ON call_events;
DROP TABLE six, tied;
DROP PROCEDURE try_orders;
DROP FUNCTION ev, lose_first;

-- of each Call-ID up to four uses of up to six events, which overlap now and then
SELECT setseed(0.12);
CREATE FUNCTION one_of(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT choices[1 + floor(random() * cardinality(choices))] $$;
CREATE TABLE dealt AS
SELECT c, u, n, json_strip_nulls(json_build_object(
	'eventType', one_of('call.started', 'call.started', 'call.started', 'call.ringing', 'call.answered', 'call.answered', 'call.ended', 'call.ended', 'call.ended', 'call.ended',
		'user.identified.for_call', 'call.recording.available', 'acoustic.mood.shifted'),
	'callId', 'call-' || c, 'n', u || '.' || n,
	'timestamp', CASE WHEN random() < 0.93 THEN to_char(begins + floor(random() * 5) * (ARRAY[0.4, 1, 30])[1 + c % 3] * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END,
	'from', one_of('1001', '1002', '1003'), 'to', one_of('2001', '2002', 'ai-pipeline', '2003', '2004'), 'trunk', one_of('gw-1', 'gw-2'),
	'reason', one_of('normal_clearing', 'normal_clearing', 'workflow_hangup', 'busy', 'canceled', 'odd'),
	'sipStatus', one_of('200', '486'), 'userId', one_of('u1', 'u2'), 'contactId', floor(random() * 3), 'tenantId', one_of('t1', 't2'),
	'recordingUri', one_of('s3://1', 's3://2'))) AS event
FROM generate_series(1, 1200) AS c, LATERAL generate_series(1, 1 + c % 4) AS u,
	LATERAL (SELECT timestamptz '2026-01-10 12:00:00Z' + c * interval '1 second' + u * (ARRAY['1 s', '3 s', '40 s', '3600 s', '3601 s', '1 day'])[1 + floor(random() * 6)]::interval) AS x(begins),
	LATERAL generate_series(1, 2 + (c * 7919 + u * 31) % 6) AS n;
CREATE TABLE deck AS SELECT row_number() OVER (ORDER BY random()) AS place, event FROM (SELECT event FROM dealt UNION ALL SELECT event FROM dealt WHERE c % 5 = 0) AS x;
SELECT count(cdr_ingest_events(events)) > 100 AS batches
FROM (SELECT array_agg(event ORDER BY place) AS events FROM deck GROUP BY place / 97) AS x;
SELECT count(*) = (SELECT count(DISTINCT event::text) FROM dealt) AS "each event once" FROM call_events;
SELECT count(*) FROM cdr_verify_calls();
-- what has no time was received while its call was used
UPDATE call_events AS e SET event_time = moment, received_at = moment
FROM (SELECT event_id, timestamptz '2026-01-10 12:00:00Z' + substr(call_id, 6)::int * interval '1 second'
			 + floor(random() * 60) * (ARRAY['1 s', '5 s', '150 s'])[1 + floor(random() * 3)]::interval AS moment FROM call_events) AS x
WHERE e.event_id = x.event_id AND time_source = 'r';
SELECT cdr_rebuild_calls() > 0 AS rebuilt;

-- the reference: where each call begins is found here; what it is, as for any call
\getenv abs_srcdir PG_ABS_SRCDIR
\set reference :abs_srcdir '/test/reference.sql'
\set reference_calls :abs_srcdir '/test/reference_calls.sql'
\set ECHO none
\i :reference
\set ECHO all
CREATE TEMP TABLE told_events AS SELECT * FROM reference_fields;
-- Is a call that was answered up still: is there no end that may be its own?
CREATE FUNCTION is_up(answered timestamptz, guess boolean, finals timestamptz[], received timestamptz[], branches timestamptz[], branches_received timestamptz[]) RETURNS boolean
LANGUAGE sql AS $$
	SELECT answered IS NOT NULL AND NOT CASE WHEN guess THEN cardinality(finals || received || branches || branches_received) > 0
		ELSE COALESCE((SELECT max(t) FROM unnest(CASE WHEN finals = '{}' THEN received ELSE finals END) AS t) >= answered - interval '10 s', false)
		  OR COALESCE((SELECT max(t) FROM unnest(CASE WHEN branches = '{}' THEN branches_received ELSE branches END) AS t) >= answered + interval '10 s', false) END
$$;
CREATE TABLE belongs (call_id text, event_id uuid, use int);
DO $$
DECLARE
	e record;
	call text := '';
	use int;
	-- of this use, and whether the one before is up
	started timestamptz;
	answered timestamptz;
	guess boolean;
	finals timestamptz[];
	received timestamptz[];
	branches timestamptz[];
	branches_received timestamptz[];
	before_is_up boolean;
	belongs_to int;
BEGIN
	FOR e IN SELECT r.*, (r.type = 'call.answered' OR (r.type = 'call.started' AND r.callee = 'ai-pipeline')) AS answers,
					r.type = 'call.ended' AND COALESCE(c.of_branch, false) AS of_branch, r.type = 'call.ended' AND NOT COALESCE(c.of_branch, false) AS of_call
			 FROM told_events AS r LEFT JOIN reference_causes AS c ON c.name = r.cause
			 ORDER BY r.call_id, r.time, (r.type = 'call.started') DESC, r.event_id
	LOOP
		IF e.call_id <> call THEN
			call := e.call_id;
			use := 1;
			before_is_up := false;
			started := NULL; answered := NULL; guess := NULL;
			finals := '{}'; received := '{}'; branches := '{}'; branches_received := '{}';
		ELSIF e.type = 'call.started' AND e.rank = 0 AND e.time > started
			AND (e.time > started + interval '1 hour' OR e.time >= COALESCE(finals[1], received[1]) + interval '1 s') THEN
			use := use + 1;
			before_is_up := is_up(answered, guess, finals, received, branches, branches_received);
			started := NULL; answered := NULL; guess := NULL;
			finals := '{}'; received := '{}'; branches := '{}'; branches_received := '{}';
		END IF;
		belongs_to := use;
		IF before_is_up AND e.of_call AND e.rank = 0 AND e.time <= started + interval '1 s' THEN
			before_is_up := false;
			belongs_to := use - 1;
		ELSE
			-- in this order the first is the earliest; a time of receipt gives way
			IF e.type = 'call.started' AND e.rank = 0 THEN started := COALESCE(started, e.time); END IF;
			IF e.answers AND (answered IS NULL OR (guess AND e.rank = 0)) THEN answered := e.time; guess := e.rank = 2; END IF;
			IF e.of_call AND e.rank = 0 THEN finals := finals || e.time; END IF;
			IF e.of_call AND e.rank = 2 THEN received := received || e.time; END IF;
			IF e.of_branch AND e.rank = 0 THEN branches := branches || e.time; END IF;
			IF e.of_branch AND e.rank = 2 THEN branches_received := branches_received || e.time; END IF;
		END IF;
		INSERT INTO belongs VALUES (e.call_id, e.event_id, belongs_to);
	END LOOP;
END $$;
UPDATE told_events AS e SET call_id = e.call_id || '/' || b.use FROM belongs AS b WHERE b.call_id = e.call_id AND b.event_id = e.event_id;
-- each use a call of its own
CREATE OR REPLACE TEMP VIEW reference_fields AS SELECT * FROM told_events;
\set ECHO none
\i :reference_calls
\set ECHO all
CREATE TEMP TABLE expected AS SELECT * FROM reference_calls;
CREATE TEMP TABLE found AS
SELECT s.*, c.anomalies AS of_calls, c.event_count AS of_all FROM calls AS c, cdr_call_segments(c.call_id) AS s;
CREATE TEMP VIEW found_calls AS
SELECT call_id || '/' || segment, status, disposition, direction, caller_number, callee_number, trunk, start_time, ring_time, answer_time, end_time,
	   attempt_time, duration_seconds, billable_seconds, hangup_cause, hangup_source, sip_status, tenant_id, user_id, contact_id, recording_url,
	   anomalies, event_count, first_event_time, last_event_time
FROM found;
SELECT count(*) AS "found, not expected" FROM (SELECT * FROM found_calls EXCEPT SELECT * FROM expected) AS x;
SELECT count(*) AS "expected, not found" FROM (SELECT * FROM expected EXCEPT SELECT * FROM found_calls) AS x;

-- none was used again; a Call-ID that was has several rows, and one that was not has its row of calls
SELECT count(*) FROM found WHERE 'reused' = ANY (anomalies);
SELECT count(*) FROM (SELECT FROM found WHERE 'reused' = ANY (of_calls) GROUP BY call_id HAVING count(*) = 1) AS x;
SELECT count(*) FROM (
	SELECT call_id, status, disposition, direction, start_time, ring_time, answer_time, end_time, attempt_time, duration_seconds, billable_seconds, hangup_cause, hangup_source,
		   sip_status, tenant_id, user_id, contact_id, recording_url, anomalies, event_count, first_event_time, last_event_time
	FROM found AS f WHERE NOT EXISTS (SELECT FROM found AS o WHERE o.call_id = f.call_id AND o.segment = 2)
	EXCEPT
	SELECT call_id, status, disposition, direction, start_time, ring_time, answer_time, end_time, attempt_time, duration_seconds, billable_seconds, hangup_cause, hangup_source,
		   sip_status, tenant_id, user_id, contact_id, recording_url, anomalies, event_count, first_event_time, last_event_time
	FROM calls) AS x;
-- several rows without the sign: only where an end was received and has no time
SELECT count(*) FROM (
	SELECT f.call_id FROM found AS f WHERE NOT 'reused' = ANY (COALESCE(of_calls, '{}')) GROUP BY f.call_id HAVING count(*) > 1) AS x
WHERE NOT EXISTS (SELECT FROM call_events AS e WHERE e.call_id = x.call_id AND event_type = 'call.ended' AND time_source = 'r');
-- each event counts once
SELECT count(*) FROM (SELECT FROM found GROUP BY call_id, of_all HAVING sum(event_count) <> of_all) AS x;

-- the deal reaches what it is meant to reach
SELECT rows, count(*) > 10 AS "some" FROM (SELECT least(count(*), 4) AS rows FROM found GROUP BY call_id) AS x GROUP BY rows ORDER BY rows;
SELECT status, count(*) > 10 AS "some" FROM found WHERE segment > 1 GROUP BY status ORDER BY status;
SELECT count(*) > 5 AS "late ends" FROM reference_events AS e JOIN expected AS c USING (call_id) JOIN found AS f
	ON f.call_id || '/' || f.segment = split_part(c.call_id, '/', 1) || '/' || (split_part(c.call_id, '/', 2)::int + 1)
WHERE e.type = 'call.ended' AND e.time > f.start_time AND e.rank = 0;
SELECT count(*) > 10 AS "untimed" FROM found WHERE segment > 1 AND 'untimed' = ANY (anomalies);

DROP TABLE dealt, deck, belongs;
DROP FUNCTION one_of, is_up;
DROP EXTENSION cdr_service;
SET client_min_messages = warning;
DROP TABLE calls, call_events, dead_letters CASCADE;
