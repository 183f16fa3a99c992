-- The guard over the log: nobody changes events by hand, and the extension does.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
\set SHOW_CONTEXT never
CREATE FUNCTION ev(type text, call text, at timestamptz, dir text DEFAULT NULL) RETURNS json LANGUAGE sql AS
$$ SELECT json_strip_nulls(json_build_object('eventType', type, 'callId', call, 'timestamp', to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'dir', dir)) $$;
SELECT cdr_create_partitions('2016-01-01', '2016-02-28');
SELECT cdr_ingest_events(array_agg(ev('call.started', 'c' || n, '2016-01-01Z'::timestamptz + n * interval '1 day'))) FROM generate_series(0, 99) AS n;
SELECT cdr_create_retention_tables();
-- nothing is guarded that nobody asked for
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'call_events'::regclass;
BEGIN;
UPDATE call_events SET trace_id = 'x' WHERE call_id = 'c1';
ROLLBACK;
SELECT cdr_guard_log();
SELECT cdr_guard_log();

UPDATE call_events SET trace_id = 'x' WHERE call_id = 'c1';
UPDATE call_events SET trace_id = 'x' WHERE call_id = 'no such call';
UPDATE call_events SET event_time = event_time + interval '1 month' WHERE call_id = 'c1';
DELETE FROM call_events WHERE call_id = 'c1';
DELETE FROM call_events_20160101 WHERE call_id = 'c1';
DELETE FROM call_events_default;
TRUNCATE call_events;
TRUNCATE call_events_20160101;
TRUNCATE calls, call_events_default;
MERGE INTO call_events AS e USING (VALUES ('c1')) AS v(id) ON e.call_id = v.id WHEN MATCHED THEN DELETE;
SET ROLE cdr_service;
DELETE FROM call_events WHERE call_id = 'c1';
TRUNCATE call_events_20160201;
RESET ROLE;
SELECT count(*) FROM call_events;
-- a table of somebody that was a partition is his
CREATE TABLE own (LIKE call_events INCLUDING ALL);
INSERT INTO own (event_time, received_at, event_id, call_id) VALUES ('2016-01-01Z', now(), gen_random_uuid(), 'x');
DELETE FROM own;
TRUNCATE own;

-- inserts and repetitions; calls and dead letters are not guarded
SELECT cdr_ingest_events(ARRAY[ev('call.started', 'c1', '2016-01-02Z'), ev('call.ended', 'c1', '2016-01-03Z')]);
INSERT INTO call_events (event_time, received_at, event_id, call_id, payload) VALUES ('2016-01-01Z', now(), gen_random_uuid(), 'by hand', ev('call.ended', 'by hand', '2016-01-01Z'));
INSERT INTO call_events (event_time, received_at, event_id, call_id, payload) SELECT event_time, received_at, event_id, call_id, payload FROM call_events WHERE call_id = 'c1' ON CONFLICT DO NOTHING;
SELECT cdr_rebuild_calls();
DELETE FROM calls WHERE call_id = 'c2';
SELECT cdr_rebuild_calls();

-- events move to a partition that is made for them, and there they are guarded
SELECT count(*) FROM call_events_default;
SELECT cdr_create_partitions('2016-03-01', '2016-03-31');
SELECT count(*) FROM call_events_20160301;
DELETE FROM call_events_20160301;
TRUNCATE call_events_20160301;
-- events are read anew
SELECT cdr_ingest_message(convert_to('{"ev":"s","eventType":"call.started","callId":"m1","id":"m2","timestamp":"2016-02-20T12:00:00Z","t":"2016-02-20T12:00:01Z"}', 'UTF8'), routing_key => 'pbx.s', content_type => 'application/json');
SELECT call_id, mapping IS NOT NULL AS mapped FROM call_events WHERE call_id LIKE 'm%';
INSERT INTO cdr_mappings (name, version, definition) VALUES ('pbx', 1, '{"match": {"routing_key": "pbx.#"}, "event": {"type": "ev", "call_id": "id", "time": {"from": "t"}}, "call": [{"set": "started"}]}');
SELECT cdr_rebuild_calls(remap => true) > 0 AS remapped;
SELECT call_id, mapping IS NOT NULL AS mapped FROM call_events WHERE call_id LIKE 'm%';
SELECT call_id, differing FROM cdr_verify_calls();
-- what has expired goes, by rows and as a whole
SELECT cdr_set_retention(NULL, 'events', now() - '2016-02-15Z', 'a purpose', 'a test');
SELECT cdr_hold('a claim', call_id => 'c20') IS NOT NULL AS held;
CALL cdr_apply_retention();
SELECT cdr_release_hold(hold_id, 'settled') FROM cdr_holds;
CALL cdr_apply_retention();
-- a partition that is detached is the DBA's
ALTER TABLE call_events DETACH PARTITION call_events_20160201;
UPDATE call_events_20160201 SET trace_id = 'x';
TRUNCATE call_events_20160201;

-- not for everybody; and no more
SELECT has_function_privilege('public', 'cdr_guard_log(boolean)', 'EXECUTE') AS public;
SELECT cdr_guard_log(false);
SELECT cdr_guard_log(false);
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'call_events'::regclass;
DELETE FROM call_events WHERE call_id = 'c99';
TRUNCATE call_events_20160301;
-- it goes with the extension, and comes when it is asked for
SELECT cdr_guard_log();
SET cdr_service.allow_drop = on;
DROP EXTENSION cdr_service;
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'cdr_guard%';
DROP TABLE cdr_holds, cdr_retention, cdr_retired, cdr_leaf_stubs, cdr_unlogged, own;
DROP FUNCTION ev;
DROP TABLE calls, call_events, dead_letters, call_events_20160201;
