-- Mappings: versions, what is in force, what the log says of it, and who may.
CREATE EXTENSION cdr_service;
\set VERBOSITY sqlstate

-- without any, events are read as ever, and nothing is said of a mapping
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"native","timestamp":"2026-03-08T20:00:00Z","from":"1001","to":"1002"}');
SELECT call_id, mapping FROM call_events;

-- a definition that cannot be read is refused, with the class of what is wrong
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', '[]');
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', '{"match":{"where":{"ev":"x"}},"event":{},"no such key":1}');
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', '{"match":{"where":{"ev":"x"}},"event":{"time":{"from":"t","as":"by the moon"}}}');
INSERT INTO cdr_mappings (name, definition) SELECT 'pbx', json_build_object('match', json_build_object('where', json_build_object('ev', repeat('x', 70000))), 'event', json_build_object('call_id', 'id'));
INSERT INTO cdr_mappings (name, definition) VALUES ('', '{"match":{"where":{"ev":"x"}},"event":{"call_id":"id"}}');
INSERT INTO cdr_mappings (name, definition) VALUES (repeat('x', 64), '{"match":{"where":{"ev":"x"}},"event":{"call_id":"id"}}');
INSERT INTO cdr_mappings (name, definition) VALUES (NULL, '{"match":{"where":{"ev":"x"}},"event":{"call_id":"id"}}');
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', NULL);
SELECT count(*) FROM cdr_mappings;
-- and the place is told
\set VERBOSITY terse
DO $$
DECLARE
	said text;
BEGIN
	INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', '{"match":{"where":{"ev":"x"}},"event":{"time":{"from":"t","as":"by the moon"}}}');
EXCEPTION WHEN invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS said = PG_EXCEPTION_DETAIL;
	RAISE NOTICE 'place told: %', said ~ '/event/time';
END
$$;
\set VERBOSITY sqlstate

-- versions are numbered, name by name, also within one command
INSERT INTO cdr_mappings (name, definition) VALUES
	('pbx', '{"match":{"where":{"ev":["s","e"]}},"event":{"type":"ev","time":"t","call_id":"id"},"call":[{"set":"started","when":{"ev":"s"},"caller_number":"a","callee_number":"b"}]}'),
	('other', '{"match":{"where":{"ev":"o"}},"event":{"type":"ev","time":"t","call_id":"id"}}'),
	('other', '{"match":{"where":{"ev":"o2"}},"event":{"type":"ev","time":"t","call_id":"id"}}')
RETURNING name, version, enabled, priority, created_by = current_user AS mine, created_at = now() AS now, id > 0 AS id;
SELECT count(DISTINCT id) FROM cdr_mappings;
-- the id follows from what the version is
BEGIN;
CREATE TEMPORARY TABLE before AS SELECT name, version, id FROM cdr_mappings;
CREATE TEMPORARY TABLE copy AS SELECT name, version, definition FROM cdr_mappings;
DELETE FROM cdr_mappings;
INSERT INTO cdr_mappings (name, version, definition) TABLE copy;
SELECT count(*) FROM before NATURAL JOIN cdr_mappings;
ROLLBACK;

-- events of these are read by them, and the log says so
CREATE VIEW read_by AS
	SELECT e.call_id, e.event_type, m.name, m.version
	FROM call_events AS e LEFT JOIN cdr_mappings AS m ON m.id = e.mapping;
SELECT cdr_ingest_event('{"ev":"s","id":"one","t":"2026-03-08T20:00:00Z","a":"1001","b":"1002"}');
SELECT cdr_ingest_event('{"ev":"e","id":"one","t":"2026-03-08T20:00:09Z","cause":"normal_clearing"}');
SELECT cdr_ingest_event('{"eventType":"call.ended","callId":"native","timestamp":"2026-03-08T20:00:05Z"}');
TABLE read_by ORDER BY call_id COLLATE "C", event_type COLLATE "C";
SELECT call_id, status, caller_number, start_time, end_time, event_count FROM calls ORDER BY call_id;
SELECT count(*) FROM cdr_verify_calls();

-- a new version is in force at once, for what comes; the rest stays as it was read
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', '{"match":{"where":{"ev":["s","e"]}},"event":{"type":"ev","time":"t","call_id":"id"},"call":[{"set":"started","when":{"ev":"s"},"caller_number":"b","callee_number":"a"},{"set":"ended","when":{"ev":"e"},"hangup_cause":"cause"}]}')
RETURNING name, version;
SELECT cdr_ingest_event('{"ev":"s","id":"two","t":"2026-03-08T21:00:00Z","a":"1001","b":"1002"}');
SELECT cdr_ingest_event('{"ev":"e","id":"two","t":"2026-03-08T21:00:09Z","cause":"normal_clearing"}');
TABLE read_by ORDER BY call_id COLLATE "C", event_type COLLATE "C";
SELECT call_id, status, caller_number, start_time, end_time, event_count FROM calls ORDER BY call_id;
SELECT count(*) FROM cdr_verify_calls();
SELECT cdr_rebuild_calls();
-- when it is disabled, the one before is; and without any, the form itself
UPDATE cdr_mappings SET enabled = false WHERE name = 'pbx' AND version = 2;
SELECT cdr_ingest_event('{"ev":"s","id":"three","t":"2026-03-08T22:00:00Z","a":"1001","b":"1002"}');
UPDATE cdr_mappings SET enabled = false WHERE name = 'pbx';
SELECT cdr_ingest_event('{"ev":"s","id":"four","t":"2026-03-08T22:00:00Z","callId":"four, natively"}');
SELECT * FROM read_by WHERE call_id ~ '^(three|four)' ORDER BY call_id COLLATE "C";
SELECT count(*) FROM cdr_verify_calls();
-- what is taken back was never in force
BEGIN;
UPDATE cdr_mappings SET enabled = true WHERE name = 'pbx' AND version = 1;
SELECT cdr_ingest_event('{"ev":"s","id":"five","t":"2026-03-08T22:00:00Z"}');
SELECT * FROM read_by WHERE call_id = 'five';
ROLLBACK;
SELECT cdr_ingest_event('{"ev":"s","id":"six","t":"2026-03-08T22:00:00Z","callId":"six, natively"}');
SELECT * FROM read_by WHERE call_id ~ '^(five|six)';

-- of several that match, the one with the greatest priority, then by name
INSERT INTO cdr_mappings (name, priority, definition)
SELECT name, priority, json_build_object('match', json_build_object('where', json_build_object('ev', 'p')), 'event', json_build_object('time', 't', 'call_id', 'id'))
FROM (VALUES ('high', 5), ('a low', -1), ('b', 0), ('c', 0)) AS v(name, priority);
SELECT cdr_ingest_event('{"ev":"p","id":"p1","t":"2026-03-08T22:00:00Z"}');
UPDATE cdr_mappings SET priority = -2 WHERE name = 'high';
SELECT cdr_ingest_event('{"ev":"p","id":"p2","t":"2026-03-08T22:00:00Z"}');
SELECT * FROM read_by WHERE call_id IN ('p1', 'p2') ORDER BY call_id;

-- a version is never changed, nor lost while the log names it
UPDATE cdr_mappings SET definition = '{"match":{"where":{"ev":"x"}},"event":{"call_id":"id"}}' WHERE name = 'b';
UPDATE cdr_mappings SET name = 'x' WHERE name = 'b';
UPDATE cdr_mappings SET version = 7 WHERE name = 'b';
UPDATE cdr_mappings SET id = 7 WHERE name = 'b';
UPDATE cdr_mappings SET created_by = 'nobody' WHERE name = 'b';
DELETE FROM cdr_mappings WHERE name = 'pbx' AND version = 1;
DELETE FROM cdr_mappings WHERE name = 'high';
TRUNCATE cdr_mappings;
DROP EXTENSION cdr_service CASCADE;
DELETE FROM cdr_mappings WHERE name = 'other';
SELECT name, version FROM cdr_mappings ORDER BY name, version;

-- no more than 32 are enabled, of which a name counts once
INSERT INTO cdr_mappings (name, definition)
SELECT 'm' || i, json_build_object('match', json_build_object('where', json_build_object('ev', 'm' || i)), 'event', json_build_object('call_id', 'id'))
FROM generate_series(1, 28) AS i;
INSERT INTO cdr_mappings (name, definition) VALUES ('m1', '{"match":{"where":{"ev":"m1b"}},"event":{"call_id":"id"}}');
INSERT INTO cdr_mappings (name, definition) VALUES ('m29', '{"match":{"where":{"ev":"m29"}},"event":{"call_id":"id"}}');
UPDATE cdr_mappings SET enabled = true WHERE name = 'pbx';
INSERT INTO cdr_mappings (name, enabled, definition) VALUES ('m29', false, '{"match":{"where":{"ev":"m29"}},"event":{"call_id":"id"}}');
SELECT count(*) FILTER (WHERE enabled), count(DISTINCT name) FILTER (WHERE enabled) FROM cdr_mappings;
DELETE FROM cdr_mappings WHERE name ~ '^m';

-- what comes from a dump is taken as it is: a definition that this library cannot
-- read is told, and does not keep the others from being in force
INSERT INTO cdr_mappings (name, version, definition, id) VALUES ('pbx', 3, '{"of a later version":true}', 3);
INSERT INTO cdr_mappings (name, version, definition, id) VALUES ('alone', 1, '{"of a later version":true}', 4);
UPDATE cdr_mappings SET enabled = true WHERE name = 'pbx' AND version = 2;
SELECT cdr_ingest_event('{"ev":"s","id":"seven","t":"2026-03-08T23:00:00Z","a":"1001","b":"1002"}');
SELECT * FROM read_by WHERE call_id = 'seven';
SELECT level, regexp_replace(detail, ':.*', '') AS detail FROM cdr_health WHERE "check" = 'mappings';
DELETE FROM cdr_mappings WHERE id IN (3, 4);
SELECT level, detail FROM cdr_health WHERE "check" = 'mappings';
-- a version that is lost all the same is asked for, and brings all back
CREATE TEMPORARY TABLE lost AS SELECT name, version, definition FROM cdr_mappings WHERE name = 'pbx';
ALTER TABLE cdr_mappings DISABLE TRIGGER cdr_change_mapping;
DELETE FROM cdr_mappings WHERE name = 'pbx';
ALTER TABLE cdr_mappings ENABLE ALWAYS TRIGGER cdr_change_mapping;
SELECT * FROM cdr_verify_calls();
INSERT INTO cdr_mappings (name, version, definition) TABLE lost;
SELECT count(*) FROM cdr_verify_calls();

-- what says nothing of a call is listed, and so is what names none
SELECT cdr_ingest_event('{"ev":"s","t":"2026-03-08T23:30:00Z"}');
SELECT cdr_ingest_event('{"ev":"x","callId":"y","timestamp":"2026-03-08T23:40:00Z"}');
SELECT event_type, routing_key, mapping, events, EXISTS (SELECT FROM call_events AS e WHERE e.event_id = example AND e.event_time = u.last_event_time AND e.event_type IS NOT DISTINCT FROM u.event_type) AS example
FROM cdr_unmapped_types() AS u ORDER BY event_type, mapping;
SELECT count(*) FROM cdr_unmapped_types(now() + '1 day');

-- functions of the extension make events that are no mapping's business
INSERT INTO cdr_mappings (name, priority, definition) VALUES ('greedy', 100, '{"match":{},"event":{"call_id":{"const":"greedy"}}}');
SELECT cdr_correct_call('one', '{"trunk":"gw-1"}', 'because') IS NOT NULL AS corrected;
SELECT trunk FROM calls WHERE call_id = 'one';
SELECT count(*) FROM cdr_verify_calls();
DELETE FROM cdr_mappings WHERE name = 'greedy';

-- presets: as they are, and with options
SELECT (cdr_mapping_preset('freeswitch') ->> 'description') IS NOT NULL AS described;
SELECT cdr_mapping_preset('asterisk') ->> 'zone' AS zone, cdr_mapping_preset('asterisk', '{"zone":"Europe/Berlin"}') ->> 'zone' AS given;
SELECT cdr_mapping_preset('freeswitch', '{"exchange":"TAP.Events","strict":true}') #>> '{match,exchange}' AS exchange,
	cdr_mapping_preset('freeswitch', '{"exchange":"TAP.Events","strict":true}') ->> 'strict' AS strict,
	(SELECT jsonb_object_agg(key, value) FROM json_each_text(cdr_mapping_preset('freeswitch', '{"exchange":"x"}')) WHERE key <> 'match') =
	(SELECT jsonb_object_agg(key, value) FROM json_each_text(cdr_mapping_preset('freeswitch')) WHERE key <> 'match') AS "nothing else";
-- one that matches anything matches what the options say
SELECT cdr_mapping_preset('csv_cgrates') -> 'match' AS match,
	cdr_mapping_preset('csv_cgrates', '{"strict":true}') -> 'match' AS match,
	cdr_mapping_preset('csv_cgrates', '{"routing_key":"rows","strict":true}') -> 'match' AS match,
	cdr_mapping_preset('csv_cgrates', '{"routing_key":"rows","strict":true}') ->> 'strict' AS strict;
INSERT INTO cdr_mappings (name, definition) SELECT 'asterisk', cdr_mapping_preset('asterisk', '{"zone":"Europe/Berlin"}') RETURNING name, version;
INSERT INTO cdr_mappings (name, definition) SELECT 'asterisk', cdr_mapping_preset('asterisk', '{"zone":"Europe/Nowhere"}');
SELECT cdr_mapping_preset('freeswitch', '{"zone":"Europe/Berlin"}');
-- a zone that is another on each machine is none
INSERT INTO cdr_mappings (name, definition) SELECT 'asterisk', cdr_mapping_preset('asterisk', '{"zone":"LocalTime"}');
INSERT INTO cdr_mappings (name, definition) VALUES ('asterisk', '{"event":{"call_id":"id","time":{"from":"t","as":"local","zone":"localtime"}}}');
-- what an option cannot be is refused where it is given
\set VERBOSITY default
SELECT cdr_mapping_preset('freeswitch', '{"strict":"yes"}');
SELECT cdr_mapping_preset('freeswitch', '{"exchange":null}');
SELECT cdr_mapping_preset('freeswitch', '{"exchange":{"a":"b"}}');
SELECT cdr_mapping_preset('freeswitch', '{"routing_key":7}');
SELECT cdr_mapping_preset('asterisk', '{"zone":["UTC"]}');
SELECT cdr_mapping_preset('asterisk', '{"zone":"Mars"}');
SELECT cdr_mapping_preset('asterisk', '{"zones":"UTC"}');
\set VERBOSITY sqlstate
SELECT cdr_mapping_preset('freeswitch', '{"exchange":["a","b"]}') #>> '{match,exchange}' AS exchange;
SELECT cdr_mapping_preset('freeswitch', '{"Exchange":"x"}');
SELECT cdr_mapping_preset('freeswitch', '[]');
SELECT cdr_mapping_preset('nosuch');
SELECT cdr_mapping_preset('../mappings/freeswitch');
SELECT cdr_mapping_preset('');
SELECT cdr_mapping_preset(NULL);

-- who may: nobody but the owner, and whoever was granted it
CREATE ROLE regress_cdr_mapper;
SET ROLE regress_cdr_mapper;
SELECT * FROM cdr_mappings;
INSERT INTO cdr_mappings (name, definition) VALUES ('mine', '{"match":{"where":{"ev":"mine"}},"event":{"call_id":"id"}}');
UPDATE cdr_mappings SET enabled = true;
SELECT * FROM cdr_mapping_examples;
SELECT cdr_mapping_preset('kamailio') IS NOT NULL AS preset;
SELECT * FROM cdr_unmapped_types();
RESET ROLE;
GRANT SELECT, INSERT, DELETE ON cdr_mappings TO regress_cdr_mapper;
SET ROLE regress_cdr_mapper;
INSERT INTO cdr_mappings (name, definition) VALUES ('mine', '{"match":{"where":{"ev":"mine"}},"event":{"call_id":"id"}}') RETURNING name, version, created_by;
DELETE FROM cdr_mappings WHERE name = 'mine';
RESET ROLE;

-- a dump has the rows, and a restore over what CREATE EXTENSION makes brings all of
-- them back, triggers or not
SELECT u.dumped::regclass, u.condition FROM pg_extension, unnest(extconfig, extcondition) AS u(dumped, condition)
WHERE extname = 'cdr_service' AND u.dumped::regclass::text LIKE 'cdr_mapping%' ORDER BY u.dumped::regclass::text;
INSERT INTO cdr_mapping_examples (name, example, body, expected) VALUES ('pbx', 'a start', '{"ev":"s"}', '{}');
CREATE TEMPORARY TABLE dumped AS TABLE cdr_mappings;
DROP VIEW read_by;
SET cdr_service.allow_drop = on;
DROP EXTENSION cdr_service;
RESET cdr_service.allow_drop;
CREATE EXTENSION cdr_service;
SET session_replication_role = replica;
INSERT INTO cdr_mappings TABLE dumped;
RESET session_replication_role;
SELECT count(*) FROM (SELECT name, version, definition::text, enabled, priority, created_at, created_by, id FROM dumped
	EXCEPT SELECT name, version, definition::text, enabled, priority, created_at, created_by, id FROM cdr_mappings) AS missing;
SELECT count(*) > 0 AS calls, (SELECT count(*) FROM cdr_verify_calls()) AS differing FROM calls;

SET client_min_messages = warning;
SET cdr_service.allow_drop = on;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters, timeless_events;
DROP ROLE regress_cdr_mapper;
