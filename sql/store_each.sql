-- Messages that hold an array of events: taken apart by a mapping that says so,
-- each element an event of its own.
\set SHOW_CONTEXT always
CREATE EXTENSION cdr_service;
SET TimeZone = 'UTC';

CREATE FUNCTION definition(each text, more text DEFAULT '')
RETURNS json LANGUAGE sql AS $$
SELECT format('{"each": %s, "match": {"exchange": "batches"%s},
 "event": {"type": "ev", "time": "t", "call_id": "id"},
 "call": [{"set": "started", "when": {"ev": "s"}, "caller_number": "a"},
          {"set": "ended", "when": {"ev": "e"}, "hangup_cause": "cause"}]}',
 to_json(each), more)::json
$$;

-- what was recorded, with the place of each
CREATE VIEW recorded AS
SELECT call_id, event_type, m.name AS mapping, payload::text,
       properties -> 'each' AS each
FROM call_events LEFT JOIN cdr_mappings AS m ON m.id = mapping
ORDER BY call_id COLLATE "C", event_type COLLATE "C", payload::text COLLATE "C";

CREATE FUNCTION batch(body text, exchange text DEFAULT 'batches')
RETURNS boolean LANGUAGE sql AS $$
SELECT cdr_ingest_message(convert_to(body, 'UTF8'), exchange => exchange)
$$;

-- Before there is a mapping, an array in an object is one event; another is none.
SELECT batch('{"n": 0, "events": [{"id": "c0", "ev": "s", "t": "2026-01-01T00:00:00Z"}]}');
SELECT batch('[{"id": "c0", "ev": "s", "t": "2026-01-01T00:00:00Z"}]');
SELECT * FROM recorded;

INSERT INTO cdr_mappings (name, definition) VALUES
	('events', definition('/data/events'));

-- Each element is an event, with the bytes that it has; the first also has what
-- stands around the array.
SELECT batch('{"account": "x" , "data":{ "events" : [ {"ev":"s",  "id":"c1","a":"1001","t":"2026-01-01T00:00:01Z"},
{"ev":"e", "id":"c1", "cause":"\u0000 lost","t":"2026-01-01T00:00:05Z"} ,{"ev":"s","id":"c2","a":"]}\"[","t":"2026-01-01T00:00:02Z"} ] }, "z": [1, "}"]} ');
SELECT * FROM recorded WHERE call_id <> '';
SELECT call_id, status, caller_number, start_time, end_time, event_count FROM calls ORDER BY call_id;
SELECT properties -> 'each' -> 'around' ->> 'account' AS account FROM call_events WHERE call_id = 'c1' AND event_type = 's';

-- The identity is that of the element's own bytes.
SELECT count(*) AS known_by_their_bytes FROM call_events
WHERE call_id <> ''
  AND event_id = substr(sha256('\xffffffff' || convert_to(payload::text, 'UTF8'))::text, 3, 32)::uuid;

-- Neither order nor repetition matters, nor what stands around, nor with what an
-- element comes.
CREATE TEMPORARY TABLE before AS SELECT * FROM calls;
SELECT batch('{"data":{"events":[{"ev":"s","id":"c2","a":"]}\"[","t":"2026-01-01T00:00:02Z"},{"ev":"s",  "id":"c1","a":"1001","t":"2026-01-01T00:00:01Z"}]}}');
SELECT batch('{"data":{"events":[{"ev":"s","id":"c3","a":"3","t":"2026-01-01T00:00:03Z"},{"ev":"s","id":"c3","a":"3","t":"2026-01-01T00:00:03Z"},{"ev":"s","id":"c2","a":"]}\"[","t":"2026-01-01T00:00:02Z"}]}}');
SELECT count(*) FROM call_events WHERE call_id = 'c3';
SELECT * FROM before EXCEPT SELECT * FROM calls;
SELECT count(*) FROM cdr_verify_calls();
SELECT cdr_rebuild_calls();
SELECT * FROM before EXCEPT SELECT * FROM calls;

-- What is not taken apart is read as if there were no such mapping: no array, an
-- empty one, none at that place, another exchange, and no JSON.
BEGIN;
SELECT batch('{"data":{"events":[]},"k":1}'), batch('{"data":{"events":{"id":"c4"}},"k":2}'),
       batch('{"data":[{"events":[{"id":"c4"}]}],"k":3}'), batch('{"id":"c4","ev":"s","k":4}'),
       batch('{"data":{"events":[{"id":"c4"}]},"k":5}', 'others');
SELECT * FROM recorded WHERE payload ~ '"k":';
ROLLBACK;
SELECT batch('{"data":{"events":[{"id":"c4"}]}');
SELECT batch('[]');

-- Of a key that stands twice, the last counts; keys may have escapes.
BEGIN;
SELECT batch('{"data":{"events":[{"id":"no"}]},"d\u0061ta":{"ev\u0065nts":[{"id":"yes","ev":"s"}],"x":1}}');
SELECT * FROM recorded WHERE call_id IN ('yes', 'no');
ROLLBACK;

-- An element that is no event refuses the call of the function; the array is named.
SELECT batch('{"data":{"events":[{"id":"c5","ev":"s"},["id"],7]}}');
SELECT batch('{"data":{"events":[{"id":"c5","ev":"s"},{"id":"' || repeat('x', 256) || '"}]}}');
SELECT count(*) FROM call_events WHERE call_id = 'c5';

-- At most 1000 elements; their properties are stored with each.
BEGIN;
SELECT batch('{"data":{"events":[' || string_agg(format('{"id":"many","ev":"s","n":%s}', n), ',') || ']}}') FROM generate_series(1, 1000) AS n;
SELECT event_count FROM calls WHERE call_id = 'many';
ROLLBACK;
SELECT batch('{"data":{"events":[' || string_agg('0', ',') || ']}}') FROM generate_series(1, 1001);
SELECT cdr_ingest_message(convert_to('{"data":{"events":[' || string_agg('{}', ',') || ']}}', 'UTF8'), exchange => 'batches',
	headers => json_build_object('h', repeat('x', 20000))) FROM generate_series(1, 1000);
-- What stands around the array goes one level deeper.
SELECT batch('{"deep":' || repeat('[', 98) || repeat(']', 98) || ',"data":{"events":[{"id":"deep","ev":"s"}]}}');
SELECT batch('{"deep":' || repeat('[', 99) || repeat(']', 99) || ',"data":{"events":[{"id":"deep","ev":"s"}]}}');

-- An element is for mappings of its array only, the first of them that matches;
-- what came alone is for the others.
INSERT INTO cdr_mappings (name, definition, priority) VALUES
	('whole', '{"event": {"type": {"const": "whole"}, "call_id": "id"}}', 5),
	('ends', definition('/data/events', ', "where": {"ev": "e"}'), 2),
	('others', definition('/others', ', "where": {"ev": "o"}'), 9);
BEGIN;
SELECT batch('{"data":{"events":[{"id":"c6","ev":"s","k":1},{"id":"c6","ev":"e","k":2}]}}'),
       batch('{"id":"c6","k":3}'),
       batch('{"others":[{"id":"c6","ev":"o","k":4},{"id":"c6","ev":"p","k":5}],"data":{"events":[{"id":"no"}]}}');
SELECT * FROM recorded WHERE payload ~ '"k":';
SELECT count(*) FROM cdr_verify_calls();
ROLLBACK;
UPDATE cdr_mappings SET enabled = false WHERE name <> 'events';

-- A body that is an array, in SQL's json and packed.
INSERT INTO cdr_mappings (name, definition) VALUES ('top', '{"each": "", "event": {"type": "ev", "call_id": "id", "identity": ["id", "n"]}}');
BEGIN;
SELECT cdr_ingest_event(' [{"id":"c7", "n":1}, {"id":"c7", "n":2}, {"id":"c7", "n":1, "again":true}]');
SELECT cdr_ingest_events(ARRAY['[{"id":"c7", "n":3}, {"id":"c7", "n":2}]', '{"id":"c7"}', '[{"id":"c7", "n":4}]']::json[]);
SELECT cdr_ingest_message('\x1f8b08000000000002038bae56ca4c51b252b254aa8d0500c4d8957b0c000000'::bytea, exchange => 'batches', content_encoding => 'gzip');
SELECT * FROM recorded WHERE call_id IN ('c7', '9') OR payload = '{"id":"c7"}';
SELECT count(*) FROM cdr_verify_calls();
ROLLBACK;

-- A CloudEvent is not taken apart: it says by what it is known.
SELECT cdr_ingest_message('[{"specversion":"1.0","id":"1","source":"s","type":"t"}]', content_type => 'application/cloudevents-batch+json');
BEGIN;
SELECT cdr_ingest_message('[{"id":"c8"},{"id":"c8b"}]', content_type => 'application/json',
	headers => '{"cloudEvents:specversion":"1.0","cloudEvents:id":"1","cloudEvents:source":"s","cloudEvents:type":"t"}');
SELECT event_type, call_id, properties FROM call_events WHERE event_type = 't';
ROLLBACK;

-- Dead letters.  One that is an array stays until all of it can be recorded; one that
-- was an element is read as that.
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, exchange, properties, body_size, body)
SELECT id::uuid, '2026-01-02', '2026-01-02', 'XX000', 'before', 'batches', properties::json, length(body), convert_to(body, 'UTF8')
FROM (VALUES
	('00000000-0000-0000-0000-000000000001', NULL, '{"data":{"events":[{"id":"d1","ev":"s"},{"id":"d2","ev":"s"}]}}'),
	('00000000-0000-0000-0000-000000000002', NULL, '{"data":{"events":[{"id":"d3","ev":"s"},null,{"id":"d4","ev":"s"}]}}'),
	('00000000-0000-0000-0000-000000000003', '{"app_id":"a","each":{"path":"/data/events","index":3,"count":5}}', '{"id":"d5","ev":"s"}'),
	('00000000-0000-0000-0000-000000000004', NULL, '{"data":{"events":[' || repeat('0,', 1000) || '0]}}'))
	AS letters (id, properties, body);
SELECT cdr_retry_dead_letters();
SELECT event_id, attempts, sqlstate, message FROM dead_letters ORDER BY event_id;
SELECT event_id = '00000000-0000-0000-0000-000000000003' AS of_letter, call_id, properties FROM call_events WHERE call_id ~ '^d.$' ORDER BY call_id;
SELECT cdr_retry_dead_letters();
SELECT call_id, event_count FROM calls WHERE call_id ~ '^d.$' ORDER BY call_id;
SELECT count(*) FROM cdr_verify_calls();

-- What is told of each element is what is stored of it: its columns, and word for
-- word what is told of it out of the log.
CREATE FUNCTION told(body bytea) RETURNS TABLE (element bigint, rows jsonb) LANGUAGE sql AS $$
	SELECT element, jsonb_agg(jsonb_build_array(register, "column", value, source, note) ORDER BY place)
		FILTER (WHERE "column" IS DISTINCT FROM 'element')
	FROM (SELECT *, count(*) FILTER (WHERE register = 'message' AND "column" = 'element') OVER (ORDER BY place) AS element
		  FROM cdr_explain_event(body, 'r', exchange => 'batches') WITH ORDINALITY AS t(register, "column", value, source, note, place)) AS e
	GROUP BY element
$$;
CREATE FUNCTION told_column(rows jsonb, name text) RETURNS text LANGUAGE sql AS $$
	SELECT r ->> 2 FROM jsonb_array_elements(rows) AS r WHERE r ->> 0 = 'event' AND r ->> 1 = name
$$;
CREATE FUNCTION differences(body bytea, count bigint) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	CREATE TEMPORARY TABLE told_now AS SELECT * FROM told(body);
	IF (SELECT count(*) FROM told_now) <> count THEN
		RETURN NEXT 'elements: ' || (SELECT count(*) FROM told_now);
	END IF;
	DELETE FROM call_events;
	PERFORM cdr_ingest_message(body, 'r', exchange => 'batches');
	RETURN QUERY SELECT format('told %s, stored %s', t, e)
	FROM (SELECT told_column(rows, 'event_id') AS id, told_column(rows, 'event_type') AS type,
			told_column(rows, 'call_id') AS call_id, told_column(rows, 'time') AS time FROM told_now) AS t
	FULL JOIN (SELECT event_id::text AS id, event_type AS type, nullif(call_id, '') AS call_id,
			event_time::text AS time FROM call_events) AS e USING (id)
	WHERE (t.type, t.call_id, t.time) IS DISTINCT FROM (e.type, e.call_id, e.time);
	RETURN QUERY SELECT format('told %s, of the log %s', n.rows, l.rows)
	FROM told_now AS n, call_events AS e,
		LATERAL (SELECT jsonb_agg(jsonb_build_array(register, "column", value, source, note) ORDER BY place) AS rows
			FROM cdr_explain_event(event_id, e.call_id) WITH ORDINALITY AS t(register, "column", value, source, note, place)) AS l
	WHERE told_column(n.rows, 'event_id')::uuid = e.event_id
	AND (SELECT jsonb_agg(r) FROM jsonb_array_elements(n.rows) AS r WHERE r ->> 1 NOT IN ('mapping', 'event_id') OR r ->> 4 = 'reads it')
	IS DISTINCT FROM (SELECT jsonb_agg(r) FROM jsonb_array_elements(l.rows) AS r WHERE r ->> 1 NOT IN ('mapping', 'event_id') OR r ->> 4 = 'reads it');
	DROP TABLE told_now;
END
$$;
\set two '{"account":"x","data":{"events":[{"ev":"s","id":"e1","a":"sip:1001@x","t":"2026-01-01T00:00:01Z","more":{"x":1}},{"ev":"e","id":"e1","cause":"busy","t":"2026-01-01T00:00:02Z"}]}}'
SELECT * FROM cdr_explain_event(:'two', exchange => 'batches');
BEGIN;
SELECT * FROM differences(convert_to(:'two', 'UTF8'), 2);
SELECT * FROM differences(convert_to('{"data":{"events":[{"ev":"s","id":"e2","t":"2026-01-01T00:00:01Z"},{"eventType":"call.ended","callId":"e3","reason":"busy","t":"2026-01-01T00:00:09Z"},{"id":"e4","ev":"other","t":"2026-01-01T00:00:03Z"}]}}', 'UTF8'), 3);
SELECT count(*) FILTER (WHERE "column" = 'element') AS elements, count(*) FILTER (WHERE note = 'reads it') AS read
	FROM cdr_explain_event((SELECT '{"data":{"events":[' || string_agg(format('{"id":"m%s","ev":"s","t":"2026-01-01T00:00:00Z"}', n), ',') || ']}}' FROM generate_series(1, 1000) AS n), exchange => 'batches');
ROLLBACK;
-- What is no event is told of that element alone; of too many, nothing is read.
SELECT value, source, note FROM cdr_explain_event('{"data":{"events":[{"id":"e5","ev":"s","t":"2026-01-01Z"},7,["id"],{"id":"' || repeat('x', 256) || '"}]}}', exchange => 'batches')
	WHERE register = 'message' AND "column" IN ('element', 'no event');
SELECT "column", value, source FROM cdr_explain_event((SELECT '{"data":{"events":[' || string_agg('0', ',') || ']}}' FROM generate_series(1, 1001)), exchange => 'batches');
-- Not taken apart: from elsewhere, and without the array.
SELECT "column", value, note FROM cdr_explain_event(:'two', exchange => 'others') WHERE register = 'message';
SELECT "column", value, note FROM cdr_explain_event('{"data":{"events":[]}}', exchange => 'batches') WHERE register = 'message';
-- A mapping that is tried is asked wherever it comes from, for a message or an element.
SELECT "column", value, source, note FROM cdr_explain_event(:'two', exchange => 'others', mapping => 'events') WHERE register IN ('message', 'started');
SELECT "column", value, source, note FROM cdr_explain_event('[{"id":"e6"},{"id":"e7"}]'::json, definition => '{"each":"","event":{"call_id":"id","type":{"const":"t"}}}') WHERE register = 'message' OR "column" = 'call_id';
SELECT "column", value, source, note FROM cdr_explain_event('{"id":"e8"}', mapping => 'events') WHERE register = 'message' OR "column" = 'call_id';
-- Dead letters: as a whole, and an element.
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, exchange, properties, body_size, body)
SELECT id::uuid, '2026-01-02', '2026-01-02', 'XX000', 'before', 'batches', properties::json, length(body), convert_to(body, 'UTF8')
FROM (VALUES
	('00000000-0000-0000-0000-000000000011', NULL, '{"data":{"events":[{"id":"d6","ev":"s"},null]}}'),
	('00000000-0000-0000-0000-000000000012', '{"each":{"path":"/data/events","index":3,"count":5}}', '{"id":"d7","ev":"s"}'))
	AS letters (id, properties, body);
SELECT register, "column", value, source, note FROM cdr_explain_dead_letter('00000000-0000-0000-0000-000000000011')
	WHERE register IN ('dead letter', 'message') OR "column" = 'call_id';
SELECT register, "column", value, source, note FROM cdr_explain_dead_letter('00000000-0000-0000-0000-000000000012', 'events')
	WHERE register = 'message' OR "column" = 'call_id';
DELETE FROM dead_letters;

-- A message that was recorded as a whole stays what it is.
SELECT batch('{"data":{"events":[{"id":"c0", "ev":"s"}]}}');
SELECT count(*) FROM call_events WHERE payload::text ~ '"n": 0';

-- What is refused.
INSERT INTO cdr_mappings (name, definition) VALUES ('bad', definition('events'));
INSERT INTO cdr_mappings (name, definition) VALUES ('bad', definition('/a~2'));
INSERT INTO cdr_mappings (name, definition) VALUES ('bad', definition(repeat('/a', 33)));
INSERT INTO cdr_mappings (name, definition) VALUES ('bad', '{"each": 1, "event": {}}');
-- "/" is the member without a name; an element of an array may hold the array.
INSERT INTO cdr_mappings (name, definition) VALUES ('nameless', definition('/')), ('indexed', definition('/a/1/b~1"'));
BEGIN;
SELECT batch('{"":[{"id":"c9","ev":"s"}]}'), batch('{"a":[0,{"b/\"":[{"id":"c9","ev":"e"}]}]}'), batch('{"a":[{"b/\"":[{"id":"c9","ev":"no"}]}]}');
SELECT * FROM recorded WHERE call_id = 'c9';
ROLLBACK;

TRUNCATE call_events, calls, dead_letters, timeless_events;
DELETE FROM cdr_mappings;
DROP FUNCTION batch, told, told_column, differences;
DROP VIEW recorded;
DROP FUNCTION definition;
SET client_min_messages = warning;
SET cdr_service.allow_drop = on;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters, timeless_events;
