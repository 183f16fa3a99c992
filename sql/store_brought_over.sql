-- What the log of one database has is recorded in another one by cdr_ingest_message(), as
-- doc/operate.md does after a failover: each event is read as it was, and so is known where
-- it is, and the same where it is not; also rows of a backfill, elements of arrays, and what
-- was packed.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
\set VERBOSITY terse
INSERT INTO cdr_mappings (name, enabled, definition) VALUES
	('rows', false, '{"event": {"type": {"const": "cdr"}, "call_id": "id", "time": "at"}, "call": [{"set": "started", "caller_number": "a"}]}'),
	('batches', true, '{"each": "/events", "match": {"exchange": "batches"}, "event": {"type": "ev", "time": "t", "call_id": "id"}, "call": [{"set": "started", "when": {"ev": "start"}}, {"set": "ended", "when": {"ev": "end"}}]}'),
	('pbx', true, '{"match": {"exchange": "pbx"}, "event": {"type": "ev", "time": "t", "call_id": "id", "identity": ["n"]}, "call": [{"set": "started", "trunk": {"property": "app_id"}}]}'),
	('two', true, '{"match": {"exchange": ["one", "two"]}, "event": {"type": "ev", "time": "t", "call_id": "id"}, "call": [{"set": "started"}]}'),
	('all', true, '{"match": {"routing_key": "all"}, "event": {"call_id": "id", "time": "t"}, "call": [{"set": "answered"}]}');

SELECT stored FROM cdr_ingest_rows('rows', ARRAY['{"id":"row 1","at":"2026-03-08T20:00:00Z","a":"1001","callId":"natively"}', '{"id":"row 2","at":"2026-03-08T20:00:00Z","a":"1002","eventType":"call.ended"}']::json[]);
INSERT INTO cdr_mappings (name, enabled, definition) VALUES
	('rows', false, '{"event": {"type": {"const": "cdr"}, "call_id": "id2", "time": "at"}, "call": [{"set": "started", "caller_number": "a"}]}');
SELECT stored FROM cdr_ingest_rows('rows', ARRAY['{"id":"none","id2":"row 3","at":"2026-03-08T20:00:00Z","a":"1003"}']::json[]);
SELECT cdr_ingest_message('{"head": 1, "events": [{"ev":"start","id":"each","t":"2026-03-08T20:00:00Z"}, {"ev":"end","id":"each","t":"2026-03-08T20:01:00Z"}, {"ev":"start","id":"each 2","t":"2026-03-08T20:00:00Z"}]}', 'all', exchange => 'batches');
SELECT cdr_ingest_message('{"ev":"x","id":"pbx","n":1,"t":"2026-03-08T20:00:00Z"}', exchange => 'pbx', properties => '{"app_id": "trunk 1"}'),
	cdr_ingest_message('{"ev":"x","n":2,"t":"2026-03-08T20:00:00Z"}', exchange => 'pbx', properties => '{"app_id": "trunk 1"}'),
	cdr_ingest_message('{"ev":"y","id":"two","t":"2026-03-08T20:00:00Z"}', exchange => 'two');
-- deflate without a header; another character set; a value of AMQP 1.0
SELECT cdr_ingest_message('\xab564a4eccc9f14c51b2524a494dcb492c4955aa0500', 'call.held', content_encoding => 'deflate'),
	cdr_ingest_message(convert_to(E'{"callId":"latin caf\u00e9"}', 'LATIN1'), 'call.held', content_type => 'application/json; charset=iso-8859-1'),
	cdr_ingest_message('\x005377a10e7b2263616c6c4964223a2261227d', 'call.held', type => 'amqp-1.0');
SELECT cdr_ingest_message('{"eventType":"call.started","callId":"native","timestamp":"2026-03-08T20:00:00Z"}', message_id => '\x0001');

CREATE VIEW read AS
	SELECT call_id, event_id, event_type, CASE time_source WHEN 'b' THEN event_time END AS event_time, time_source, m.name, properties::jsonb, payload::text, body
	FROM call_events AS e LEFT JOIN cdr_mappings AS m ON m.id = e.mapping;
CREATE TABLE was AS TABLE read;
SELECT call_id, event_type, name, properties FROM was ORDER BY call_id COLLATE "C", event_type, event_time;
CREATE TABLE lost AS
	SELECT COALESCE(body, convert_to(payload::text, 'UTF8')) AS body, routing_key, content_type, message_id, CASE time_source WHEN 'p' THEN event_time END AS property_time, headers, properties,
		COALESCE(properties ->> 'exchange', (SELECT COALESCE(definition #>> '{match,exchange,0}', definition #>> '{match,exchange}') FROM cdr_mappings WHERE id = mapping)) AS exchange
	FROM call_events WHERE time_source <> 'f';
-- what is there is known
SELECT count(*) AS new FROM lost WHERE cdr_ingest_message(body, routing_key, content_type, message_id => message_id, property_time => property_time, headers => headers, properties => properties, exchange => exchange);
-- and what is not, the same (but rows are read by the version that is in force)
TRUNCATE call_events, calls, timeless_events;
SELECT count(*) = (SELECT count(*) FROM was) AS all FROM lost WHERE cdr_ingest_message(body, routing_key, content_type, message_id => message_id, property_time => property_time, headers => headers, properties => properties, exchange => exchange);
(SELECT 'gone' AS which, call_id FROM (TABLE was EXCEPT TABLE read) AS d) UNION ALL (SELECT 'new', call_id FROM (TABLE read EXCEPT TABLE was) AS d) ORDER BY 1, 2;
SELECT * FROM cdr_verify_calls();
SELECT count(*) FROM cdr_remap_preview();
-- explained as it is recorded
SELECT register, "column", value FROM cdr_explain_event('{"id2":"row 4","id":"x"}'::json, properties => '{"mapping": "rows"}') WHERE "column" IN ('mapping', 'call_id');
-- of a mapping that is not there; and what only says that it is an element
SELECT cdr_ingest_message('{"id":"x"}', properties => '{"mapping": "none"}');
SELECT cdr_ingest_message('no json', properties => '{"each": {"path": "/events", "index": 0, "count": 1}}');
SELECT cdr_ingest_message('{"callId":"odd"}', properties => '{"each": 1, "mapping": 2, "type": {}, "exchange": null}');

SET client_min_messages = warning;
SET cdr_service.allow_drop = on;
DROP EXTENSION cdr_service CASCADE;
DROP VIEW IF EXISTS read;
DROP TABLE calls, call_events, dead_letters, timeless_events, was, lost;
