-- What brings its identity is known by it and its call, with whatever time it is
-- sent again; and is another event where it is of another call.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SELECT cdr_create_partitions('2026-03-08', '2026-03-12');

CREATE FUNCTION ce(id text, call text, at text, type text DEFAULT 'call.started') RETURNS json LANGUAGE sql AS $$
	SELECT json_build_object('specversion', '1.0', 'id', id, 'source', '/sip/edge1', 'type', type, 'time', at,
		'data', json_build_object('callId', call)) $$;

-- the first counts, on the same day and after midnight; other calls have their own
SELECT cdr_ingest_event(ce('e-1', 'c1', '2026-03-08T20:00:00Z')) AS new;
SELECT cdr_ingest_event(ce('e-1', 'c1', '2026-03-08T20:00:01Z')) AS later,
	cdr_ingest_event(ce('e-1', 'c1', '2026-03-07T20:00:00Z')) AS before,
	cdr_ingest_event(ce('e-1', 'c1', '2026-03-10T20:00:00Z')) AS "two days later",
	cdr_ingest_event(ce('e-1', 'c1', '2026-03-08T20:00:00Z')) AS "as it was";
SELECT cdr_ingest_event(ce('e-2', 'c1', '2026-03-11T20:00:00Z', 'call.ended')) AS new,
	cdr_ingest_event(ce('e-2', 'c1', '2026-03-09T20:00:00Z', 'call.ended')) AS again,
	cdr_ingest_event(ce('e-1', 'c1', '2026-03-11T20:00:00Z')) AS "at the end";
SELECT cdr_ingest_event(ce('e-1', 'c2', '2026-03-08T20:00:00Z')) AS "of another call",
	cdr_ingest_event(ce('e-1', 'c2', '2026-03-08T20:00:07Z')) AS again;

-- with no time at all, it is the same, too; and so the other way round
SELECT cdr_ingest_event(ce('e-1', 'c1', NULL)) AS "without a time", cdr_ingest_event(ce('e-1', 'c1', NULL)) AS again;
SELECT cdr_ingest_event(ce('e-1', 'c7', NULL)) AS new, cdr_ingest_event(ce('e-1', 'c7', NULL)) AS again,
	cdr_ingest_event(ce('e-1', 'c7', '2026-03-08T20:00:00Z')) AS "with a time", cdr_ingest_event(ce('e-1', 'c7', NULL)) AS again;
SELECT cdr_ingest_events(ARRAY[ce('e-1', 'c7', NULL), ce('e-2', 'c7', NULL), ce('e-1', 'c8', NULL)]) AS two;

-- of a call that a wrong clock has made long, it is looked for where its time is
SET cdr_service.partition_interval = 'day';
SELECT cdr_create_partitions('2026-01-01', '2026-03-07') > 32 AS many;
RESET cdr_service.partition_interval;
SELECT cdr_ingest_event(ce('e-0', 'c9', '2026-01-01T00:00:00Z', 'call.hold')) AS new, cdr_ingest_event(ce('e-1', 'c9', '2026-03-08T23:59:00Z')) AS new,
	cdr_ingest_event(ce('e-1', 'c9', '2026-03-09T00:01:00Z')) AS later, cdr_ingest_event(ce('e-1', 'c9', '2026-02-28T00:01:00Z')) AS before;

-- in one batch: each call has the one that came first by its time
SELECT cdr_ingest_events(ARRAY[ce('e-3', 'c3', '2026-03-08T20:00:05Z'), ce('e-3', 'c4', '2026-03-08T20:00:05Z'),
	ce('e-3', 'c3', '2026-03-08T20:00:02Z'), ce('e-3', 'c1', '2026-03-08T20:00:02Z')]) AS three;
-- some of a batch are known
SELECT cdr_ingest_events(ARRAY[ce('e-3', 'c3', '2026-03-08T20:00:09Z'), ce('e-3', 'c4', '2026-03-08T20:00:05Z'),
	ce('e-3', 'c5', '2026-03-08T20:00:02Z'), ce('e-3', 'c6', '2026-03-08T20:00:02Z')]) AS two;

-- the same with the words of a mapping
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', '{"match": {"where": {"ev": ["up", "down"]}},
	"event": {"type": "ev", "time": {"from": "at", "as": "rfc3339"}, "call_id": "id", "identity": ["n"]},
	"call": [{"set": "started", "when": {"ev": "up"}}, {"set": "ended", "when": {"ev": "down"}}]}');
SELECT cdr_ingest_event('{"ev": "up", "id": "m1", "n": 1, "at": "2026-03-08T20:00:00Z"}') AS new,
	cdr_ingest_event('{"ev": "up", "id": "m1", "n": 1, "at": "2026-03-08T20:00:01Z"}') AS again,
	cdr_ingest_event('{"ev": "down", "id": "m1", "n": 2, "at": "2026-03-08T20:00:01Z"}') AS new;

-- without an identity of its own, another time makes other bytes, and another event
SELECT cdr_ingest_event('{"eventType": "call.started", "callId": "n1", "timestamp": "2026-03-08T20:00:00Z"}') AS new,
	cdr_ingest_event('{"eventType": "call.started", "callId": "n1", "timestamp": "2026-03-08T20:00:01Z"}') AS new;
-- what belongs to no call is known by its identity as well, whatever its time
SELECT cdr_ingest_event(ce('e-9', NULL, '2026-03-08T20:00:00Z')) AS new, cdr_ingest_event(ce('e-9', NULL, '2026-03-08T20:00:01Z')) AS again,
	cdr_ingest_event(ce('e-9', NULL, '2026-06-30T20:00:00Z')) AS "months later", cdr_ingest_event(ce('e-9', NULL, NULL)) AS "without a time",
	cdr_ingest_event(ce('e-9', 'c10', '2026-03-08T20:00:00Z')) AS "of a call";

SELECT call_id, event_type, CASE time_source WHEN 'b' THEN event_time END AS event_time FROM call_events ORDER BY call_id, event_time, event_type;
SELECT call_id, CASE WHEN call_id < 'c7' OR call_id > 'c9' THEN start_time END AS start_time, end_time, event_count FROM calls ORDER BY call_id;
SELECT * FROM cdr_verify_calls();

-- one batch has it with several times, and the tables refuse the first: another is taken, as
-- if it had come in another batch; and if they refuse all, one dead letter tells of them
INSERT INTO cdr_mappings (name, enabled, definition) VALUES ('rows', false, '{"event": {"type": {"const": "cdr"}, "time": "at", "call_id": "id", "identity": ["n"]}, "call": [{"set": "started"}]}');
ALTER TABLE call_events ADD CONSTRAINT afternoon CHECK (event_type <> 'cdr' OR extract(hour FROM event_time AT TIME ZONE 'UTC') >= 12);
SELECT stored, known, dead_letters FROM cdr_ingest_rows('rows', ARRAY(SELECT json_build_object('n', n % 3, 'id', 'r' || n % 3, 'at', '2026-03-0' || 8 + n / 12 || 'T' || to_char(n * 2 % 24, 'FM00') || ':00:00Z') FROM generate_series(0, 17) AS n));
SELECT stored, known, dead_letters FROM cdr_ingest_rows('rows', ARRAY['{"n":7,"id":"r7","at":"2026-03-08T01:00:00Z"}'::json, '{"n":7,"id":"r7","at":"2026-03-08T02:00:00Z"}', '{"n":8,"id":"r7","at":"2026-03-08T13:00:00Z"}']);
SELECT call_id, event_time FROM call_events WHERE event_type = 'cdr' ORDER BY 1;
SELECT call_id, event_count FROM calls WHERE call_id LIKE 'r%' ORDER BY 1;
SELECT count(*), min(sqlstate) FROM dead_letters;
SELECT count(*) FROM cdr_verify_calls();

-- events of no call in random order, several times, in batches of all sizes: each is there
-- once, with the time that it had when it came first, of a batch the earliest
CREATE TABLE copies (n serial, id text, at timestamptz, event json);
INSERT INTO copies (id, at, event)
	SELECT 'r-' || i, t, ce('r-' || i, NULL, to_char(t, 'YYYY-MM-DD"T"HH24:MI:SSZ'), 'call.started')
	FROM generate_series(1, 20) AS i, generate_series(1, 5) AS c, LATERAL (SELECT CASE WHEN (i + c) % 6 > 0 THEN '2026-03-07Z'::timestamptz + (i * 7 + c * 37) % 120 * interval '1 hour' END) AS x(t);
CREATE PROCEDURE try_copies(rounds integer) LANGUAGE plpgsql AS $$
DECLARE
	came integer[];
	size integer;
	i integer;
BEGIN
	FOR round IN 1 .. rounds LOOP
		DELETE FROM call_events WHERE call_id = '';
		DELETE FROM timeless_events WHERE call_id = '';
		CREATE TEMP TABLE expected (event_id text PRIMARY KEY, at timestamptz);
		came := ARRAY(SELECT n FROM copies, generate_series(1, 2) ORDER BY random());
		i := 1;
		WHILE i <= cardinality(came) LOOP
			size := CASE WHEN round % 3 = 0 THEN 1 ELSE ceil(random() * 40) END;
			PERFORM cdr_ingest_events(ARRAY(SELECT event FROM unnest(came[i : i + size - 1]) WITH ORDINALITY AS u(n, place) JOIN copies USING (n) ORDER BY place));
			INSERT INTO expected SELECT DISTINCT ON (id) id, at FROM copies WHERE n = ANY (came[i : i + size - 1]) ORDER BY id, at NULLS LAST ON CONFLICT DO NOTHING;
			i := i + size;
		END LOOP;
		IF EXISTS ((SELECT payload ->> 'id', CASE WHEN time_source = 'b' THEN event_time END FROM call_events WHERE call_id = '' EXCEPT ALL TABLE expected)
			UNION ALL (TABLE expected EXCEPT ALL SELECT payload ->> 'id', CASE WHEN time_source = 'b' THEN event_time END FROM call_events WHERE call_id = '')) THEN
			RAISE EXCEPTION 'round %', round;
		END IF;
		DROP TABLE expected;
	END LOOP;
END $$;
CALL try_copies(9);
SELECT count(*) AS events, (SELECT count(*) FROM timeless_events WHERE call_id = '') AS keys FROM call_events WHERE call_id = '';
-- what was retired, and is sent again.  Of no call: what its key tells is recorded again, as of
-- the time that it had first, once.  Of a call: of a time that is retired, it is refused; of
-- one that is not, it cannot be told from a new event, and is one
DELETE FROM call_events WHERE event_time < '2026-03-08';
SELECT cdr_ingest_event(ce('o-1', NULL, '2026-01-05T20:00:00Z')) AS new, cdr_ingest_event(ce('o-2', 'o', '2026-01-05T20:00:00Z')) AS new, cdr_ingest_event(ce('o-3', 'o', '2026-03-09T20:00:00Z', 'call.ended')) AS new;
SET cdr_service.allow_drop = on;
DROP TABLE call_events_20260105;
SELECT cdr_ingest_event(ce('o-1', NULL, '2026-03-10T20:00:00Z')) AS "recorded again", cdr_ingest_event(ce('o-1', NULL, '2026-03-11T20:00:00Z')) AS known;
SELECT event_time, tableoid::regclass FROM call_events WHERE payload ->> 'id' = 'o-1';
SELECT cdr_ingest_event(ce('o-2', 'o', '2026-01-05T20:00:01Z')) AS refused;
SELECT cdr_ingest_event(ce('o-2', 'o', '2026-03-10T20:00:00Z')) AS "as new", cdr_ingest_event(ce('o-2', 'o', '2026-03-11T20:00:00Z')) AS known;
SELECT event_count, start_time, (SELECT count(*) FROM call_events WHERE call_id = 'o') AS events FROM calls WHERE call_id = 'o';

-- the keys are made anew for a log that has lost them: of what brings its identity, no other
SET client_min_messages = warning;
SELECT cdr_ingest_event('{"eventType": "of no call", "timestamp": "2026-03-08T20:00:00Z"}') AS "has no key",
	cdr_ingest_message('{"eventType": "of no call", "timestamp": "2026-03-08T20:00:00Z"}', message_id => '\x00ff') AS "has none";
CREATE TABLE keys AS SELECT * FROM timeless_events WHERE call_id = '' AND event_id IN (SELECT event_id FROM call_events);
DROP EXTENSION cdr_service CASCADE;
DROP TABLE timeless_events;
CREATE EXTENSION cdr_service;
(SELECT 'lost' AS which, * FROM keys EXCEPT SELECT 'lost', * FROM timeless_events) UNION ALL
(SELECT 'added', * FROM timeless_events WHERE call_id = '' EXCEPT SELECT 'added', * FROM keys);
SELECT count(*) > 0 AS some, count(*) FILTER (WHERE cdr_ingest_event(event)) AS new FROM copies WHERE EXISTS (SELECT FROM call_events WHERE payload ->> 'id' = copies.id);
RESET client_min_messages;

-- each event of the log once, by call and identity
SELECT call_id, event_id, count(*) FROM call_events GROUP BY 1, 2 HAVING count(*) > 1;

SET client_min_messages = warning;
SET cdr_service.allow_drop = on;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters, timeless_events, copies, keys;
DROP PROCEDURE try_copies;
DROP FUNCTION ce;
