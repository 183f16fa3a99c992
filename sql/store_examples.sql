-- Examples of mappings: taken from the log, and tried after each change.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
\set VERBOSITY terse

CREATE FUNCTION definition(caller text, cause text DEFAULT 'cause', more text DEFAULT '') RETURNS json LANGUAGE sql AS $$
	SELECT format('{"match": {"exchange": ["pbx", "pbx2"], "where": {"ev": ["s", "e"]}},
		"event": {"type": "ev", "call_id": "id", "time": "t", "tenant_id": {"header": "tenant"}},
		"call": [{"set": "started", "when": {"ev": "s"}, "caller_number": "%s", "callee_number": "b", "trunk": {"property": "app_id"}, "contact_id": "contact"},
				 {"set": "answered", "when": {"ev": "e"}, "rank": 1, "time": "answered"},
				 {"set": "ended", "when": {"ev": "e"}, "rank": 1, "hangup_cause": "%s", "sip_status": "sip"}%s]}', caller, cause, more)::json $$;
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', definition('a'));
SELECT cdr_ingest_message('{"ev":"s","id":"x","t":"2026-03-08T20:00:00.25Z","a":"1001","b":"sip:2001@x","contact":12}', 'pbx.s', 'application/json', exchange => 'pbx2', message_id => '\x00ff', headers => '{"tenant": "acme"}', properties => '{"app_id": "trunk 1"}');
SELECT cdr_ingest_message('{"ev":"e","id":"x","t":"2026-03-08T20:01:00Z","answered":"2026-03-08T20:00:10Z","cause":"normal_clearing","sip":"200"}', 'pbx.e', exchange => 'pbx');
SELECT cdr_ingest_message('{"ev":"e","id":"untimed","cause":"user_busy"}', 'pbx.e', exchange => 'pbx'), cdr_ingest_message('{"ev":"e","id":"timed","cause":"user_busy"}', 'pbx.e', exchange => 'pbx', property_time => '2026-03-08T20:02:00Z');
-- packed, in another form, and natively
SELECT cdr_ingest_message('\x1f8b0800000000000203ab564a2d53b2522a56d251ca4c01320a1293b3535380bc1220c7c8c0c84cd7c058d7c022c4c8c0ca0084a2805289402943030323a55a00cbf17d753e000000', 'pbx.s', content_encoding => 'gzip', exchange => 'pbx');
SELECT cdr_ingest_message('{"callId":"native"}', 'call.started', exchange => 'pbx');

SELECT cdr_add_mapping_example('pbx', event_id, format('%s of %s', payload ->> 'ev', call_id)) FROM call_events WHERE mapping IS NOT NULL AND payload IS NOT NULL ORDER BY call_id, event_time;
SELECT cdr_add_mapping_example('pbx', event_id) = event_id::text AS named FROM call_events WHERE payload IS NULL;
SELECT example, convert_from(body, 'UTF8') AS body, properties FROM cdr_mapping_examples WHERE body::text NOT LIKE '\\x1f%' ORDER BY example;
SELECT example, jsonb_pretty(expected::jsonb - 'event_id') FROM cdr_mapping_examples WHERE example IN ('s of x', 'e of x', 'e of timed') ORDER BY example;
-- none, as it gives what it gives; the identity is that of the log
SELECT * FROM cdr_test_mappings();
SELECT count(*) AS other FROM cdr_mapping_examples WHERE (expected ->> 'event_id')::uuid NOT IN (SELECT event_id FROM call_events);

-- a change shows where it is not what was expected
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', definition('a', 'Cause'));
SELECT * FROM cdr_test_mappings();
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', definition('b', more => ', {"set": "rang", "when": {"ev": "s"}}'));
SELECT * FROM cdr_test_mappings('pbx');
-- so does one in another mapping, which takes the message; and none that takes it
UPDATE cdr_mappings SET enabled = version = 1;
INSERT INTO cdr_mappings (name, definition, priority) VALUES ('thief', '{"match": {"where": {"id": "x"}}, "event": {"call_id": "id"}}', 1);
SELECT * FROM cdr_test_mappings();
UPDATE cdr_mappings SET enabled = false;
SELECT * FROM cdr_test_mappings();
SELECT * FROM cdr_test_mappings('thief');
-- or what would be no event
INSERT INTO cdr_mappings (name, definition) SELECT 'pbx', (definition('a')::jsonb || '{"strict": true}')::json;
SELECT * FROM cdr_test_mappings();
UPDATE cdr_mappings SET enabled = version = 1 WHERE name = 'pbx';
SELECT * FROM cdr_test_mappings();

-- written by hand: only what is named is expected, times in any spelling
INSERT INTO cdr_mapping_examples VALUES
	('pbx', 'by hand', '{"ev":"e","id":"h","t":"2026-03-08T20:00:00Z","sip":486}', '{"exchange": "pbx"}', '{"call_id": "h", "event_time": "2026-03-08 21:00:00+01:00", "ended": true, "ended.rank": 1, "ended.sip_status": "486", "answered": null, "started.caller_number": null}'),
	('pbx', 'wrong', '{"ev":"e","id":"h","t":"2026-03-08T20:00:00Z"}', '{"exchange": "pbx", "headers": {"tenant": "t"}}', '{"call_id": "g", "event_time": "2026-03-08T20:00:01Z", "ended": null, "answered": true, "tenant_id": null, "ended.rank": [1], "no such": null, "ended.no such": {"x": 1}}'),
	('pbx', 'no json', 'hello', '{"exchange": "pbx"}', '{}'),
	('pbx', 'no exchange', '{"ev":"e","id":"h"}', NULL, '{}'),
	('none', 'of no mapping', '{"ev":"e","id":"h"}', NULL, '{}');
SELECT * FROM cdr_test_mappings();
DELETE FROM cdr_mapping_examples WHERE example NOT LIKE '%of x' AND example <> 'by hand';

-- what cannot be an example
SELECT cdr_add_mapping_example('pbx', '00000000-0000-0000-0000-000000000000');
SELECT cdr_add_mapping_example('none', event_id) FROM call_events WHERE call_id = 'untimed';
SELECT cdr_add_mapping_example('pbx', event_id) FROM call_events WHERE call_id = 'native';
SELECT cdr_add_mapping_example('pbx', event_id, 's of x') FROM call_events WHERE call_id = 'x' AND event_type = 's';
SELECT cdr_add_mapping_example('pbx', event_id, '') FROM call_events WHERE call_id = 'untimed';
SELECT cdr_add_mapping_example('pbx', NULL);
SELECT cdr_add_mapping_example(NULL, event_id) FROM call_events WHERE call_id = 'untimed';
SELECT cdr_correct_call('x', '{"caller_number": "1"}', 'a test') IS NOT NULL AS corrected;
\set VERBOSITY sqlstate
SELECT cdr_add_mapping_example('pbx', event_id) IS NULL FROM call_events WHERE time_source = 'f';
\set VERBOSITY default
INSERT INTO cdr_mapping_examples VALUES ('pbx', 'x', '', '{"message_id": "\\xq"}', '{}');
SELECT * FROM cdr_test_mappings();
-- properties that no message has are refused, and told where
\set VERBOSITY terse
CREATE FUNCTION tested(properties json) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	UPDATE cdr_mapping_examples AS e SET properties = tested.properties, body = '{"id":"x"}' WHERE example = 'x';
	RETURN coalesce((SELECT string_agg(format('%s: %s instead of %s', field, actual, expected), '; ') FROM cdr_test_mappings('pbx') WHERE example = 'x'), 'as expected');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', SQLSTATE, SQLERRM, detail);
END $$;
SELECT p, tested(p::json) FROM unnest(ARRAY['{"exchange": ["pbx"]}', '{"routing_key": {"a": 1}}', '{"content_type": "\u0000"}', '{"each": []}',
	'{"property_time": "noon"}', '{"headers": "tenant"}', '{"properties": [1]}', '{"routingKey": "a"}', '{"a\u0000": 1}', json_build_object('type', json_build_array(repeat('ü', 60)))::text,
	'{"exchange": null, "headers": null}', '{"exchange": "pbx2", "routing_key": 7, "type": true, "property_time": 1773003540}']) WITH ORDINALITY AS t(p, n) ORDER BY n;
DROP FUNCTION tested;
\set VERBOSITY default
DELETE FROM cdr_mapping_examples WHERE example = 'x';
\set VERBOSITY terse
INSERT INTO cdr_mapping_examples VALUES ('pbx', 'x', '', '[]', '{}');
INSERT INTO cdr_mapping_examples VALUES ('pbx', 'x', '', NULL, '1');
INSERT INTO cdr_mapping_examples VALUES ('pbx', 'x', convert_to(repeat('x', 1048577), 'UTF8'), NULL, '{}');
INSERT INTO cdr_mapping_examples VALUES (repeat('x', 64), 'x', '', NULL, '{}');
INSERT INTO cdr_mapping_examples VALUES ('x', repeat('x', 201), '', NULL, '{}');
INSERT INTO cdr_mapping_examples VALUES ('x', 'x', '', json_build_object('x', repeat('x', 65536)), '{}');
INSERT INTO cdr_mapping_examples SELECT 'pbx', n::text, '{"ev":"e","id":"h","t":"2026-03-08T20:00:00Z"}', '{"exchange": "pbx"}', '{"call_id": "h"}' FROM generate_series(5, 1000) AS n;
SELECT cdr_add_mapping_example('pbx', event_id) = event_id::text AS "1000th" FROM call_events WHERE call_id = 'untimed';
SELECT cdr_add_mapping_example('pbx', event_id, 'one more') FROM call_events WHERE call_id = 'untimed';
SELECT count(*) FROM cdr_test_mappings();

-- an event whose exchange the log does not know: what the mapping asks for
INSERT INTO cdr_mappings (name, definition) VALUES ('other', '{"match": {"exchange": ["o"]}, "event": {"call_id": "id"}}');
SELECT cdr_ingest_message('{"id":"o","t":"2026-03-08T20:00:00Z"}', exchange => 'o');
SELECT properties FROM call_events WHERE call_id = 'o';
SELECT cdr_add_mapping_example('other', event_id, 'o') FROM call_events WHERE call_id = 'o';
SELECT properties FROM cdr_mapping_examples WHERE name = 'other';
SELECT * FROM cdr_test_mappings();

-- an element of an array is an example, with nothing of what stands around it
INSERT INTO cdr_mappings (name, definition) VALUES ('events', '{"each": "/data/events", "match": {"exchange": "batches"},
	"event": {"type": "ev", "call_id": "id", "time": "t", "trace_id": {"property": "app_id"}}, "call": [{"set": "started", "caller_number": "a"}]}');
SELECT cdr_ingest_message(convert_to('{"around": "' || repeat('x', 70000) || '", "data": {"events": [{"ev":"s","id":"e1", "a":"1001","t":"2026-03-08T20:00:00Z"},{"ev":"s","id":"e2","a":"1002"}]}}', 'UTF8'),
	'k', exchange => 'batches', message_id => '\x01', properties => '{"app_id": "p", "each": "nothing"}');
SELECT cdr_add_mapping_example('events', event_id, call_id) FROM call_events WHERE call_id IN ('e1', 'e2') ORDER BY call_id;
SELECT example, convert_from(body, 'UTF8') AS body, properties, expected ->> 'started.caller_number' AS caller FROM cdr_mapping_examples WHERE name = 'events' ORDER BY 1;
SELECT count(*) AS other FROM cdr_mapping_examples WHERE (expected ->> 'event_id')::uuid NOT IN (SELECT event_id FROM call_events);
-- what is not an element is not read as one, nor an array as its elements
INSERT INTO cdr_mapping_examples VALUES
	('events', 'by hand', '{"id":"h","a":1}', '{"exchange": "batches", "each": "/data/events"}', '{"call_id": "h", "started.caller_number": "1"}'),
	('events', 'of another', '{"id":"h"}', '{"exchange": "batches", "each": "/events"}', '{}'),
	('events', 'alone', '{"id":"h"}', '{"exchange": "batches"}', '{}'),
	('events', 'whole', '{"data":{"events":[{"id":"h"},{"id":"i"}]}}', '{"exchange": "batches"}', '{}'),
	('events', 'whole, too many', convert_to('{"data":{"events":[' || repeat('0,', 1000) || '0]}}', 'UTF8'), '{"exchange": "batches"}', '{}'),
	('events', 'whole, from elsewhere', '{"data":{"events":[{"id":"h"}]}}', NULL, '{}');
SELECT * FROM cdr_test_mappings('events');
DELETE FROM cdr_mapping_examples WHERE name = 'events' AND example NOT LIKE 'e_';
INSERT INTO cdr_mappings (name, definition) VALUES ('events', '{"each": "/data/events", "match": {"exchange": "batches"}, "event": {"type": "ev", "call_id": "a", "time": "t"}}');
SELECT * FROM cdr_test_mappings('events');
UPDATE cdr_mappings SET enabled = false WHERE name = 'events';
SELECT * FROM cdr_test_mappings('events');
DELETE FROM cdr_mapping_examples WHERE name = 'events';

-- who may: who reads the log and writes the examples, with no other rights
CREATE ROLE regress_cdr_mapper;
SET ROLE regress_cdr_mapper;
SELECT * FROM cdr_test_mappings();
SELECT cdr_add_mapping_example('pbx', '00000000-0000-0000-0000-000000000000');
RESET ROLE;
DELETE FROM cdr_mapping_examples WHERE example ~ '^[0-9]';
GRANT SELECT, INSERT ON cdr_mapping_examples TO regress_cdr_mapper;
SELECT event_id AS id FROM call_events WHERE call_id = 'untimed' \gset
SET ROLE regress_cdr_mapper;
SELECT * FROM cdr_test_mappings();
SELECT cdr_add_mapping_example('pbx', :'id', 'mine');
RESET ROLE;
GRANT SELECT ON call_events TO regress_cdr_mapper;
SET ROLE regress_cdr_mapper;
SELECT cdr_add_mapping_example('pbx', :'id', 'mine');
SELECT * FROM cdr_test_mappings();
RESET ROLE;

SET client_min_messages = warning;
SET cdr_service.allow_drop = on;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters, timeless_events;
DROP FUNCTION definition;
DROP ROLE regress_cdr_mapper;
