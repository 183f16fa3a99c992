-- An older backup brings back what was erased: it is erased again, by keys and pseudonyms.
CREATE EXTENSION cdr_service;
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SELECT cdr_create_erasure_tables();
SELECT cdr_reapply_erasures('restored');
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'call.started', 'callId', 'r' || i, 'timestamp', '2026-03-02T10:00:00Z',
	'from', 'sip:+1202555' || (1000 + i % 3) || '@example.org'))) FROM generate_series(1, 12) AS i;
SELECT cdr_ingest_event('{"eventType":"user.identified.for_call","callId":"r1","userId":"u1"}');
CREATE TABLE backup AS SELECT * FROM call_events;
CREATE TABLE backup_keys AS SELECT * FROM timeless_events;
SELECT calls, events FROM cdr_erase(number => '+12025551001', reason => 'asked');
CREATE TABLE erased AS SELECT call_id, event_id, event_time, content_digest FROM call_events WHERE content_digest IS NOT NULL;
CREATE TABLE erased_calls AS SELECT * FROM calls WHERE call_id LIKE 'erased:%';
-- the restore
DELETE FROM calls;
DELETE FROM call_events;
DELETE FROM timeless_events;
INSERT INTO call_events SELECT * FROM backup;
INSERT INTO timeless_events SELECT * FROM backup_keys;
SELECT cdr_rebuild_calls();
SELECT count(*) FROM calls WHERE caller_number = '+12025551001';
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, body_size, body) VALUES (gen_random_uuid(), now(), now(), '22023', 'no event', 4, '{"callId":"r1"');
-- one is held meanwhile
SELECT cdr_hold('a claim', call_id => 'r4') IS NOT NULL AS held;
SELECT * FROM cdr_reapply_erasures('restored', 2);
SELECT * FROM cdr_reapply_erasures('restored', 2);
SELECT count(cdr_release_hold(hold_id, 'settled')) FROM cdr_holds;
SELECT * FROM cdr_reapply_erasures('restored');
SELECT * FROM cdr_reapply_erasures('restored');
-- all is as it was after the erasure
SELECT count(*) FROM erased JOIN call_events USING (call_id, event_id, event_time, content_digest);
SELECT count(*) FROM (TABLE erased_calls EXCEPT TABLE calls) AS x;
SELECT count(*) FROM calls WHERE caller_number = '+12025551001';
SELECT count(*) FROM calls WHERE caller_number IS NOT NULL;
SELECT count(*) FROM cdr_verify_calls();
SELECT reason, calls, events, dead_letters, held FROM cdr_erasures ORDER BY erased_at;
SELECT cdr_reapply_erasures(NULL);
SELECT cdr_reapply_erasures('restored', 0);
CREATE ROLE regress_eraser;
SET ROLE regress_eraser;
SELECT cdr_reapply_erasures('restored');
SELECT cdr_erase_again('restored', 1, 'a', 'b');
RESET ROLE;
DROP ROLE regress_eraser;
DROP TABLE backup, backup_keys, erased, erased_calls, cdr_erasures, cdr_erased_calls, cdr_erasure_keys, cdr_holds, cdr_retention, cdr_retired, cdr_leaf_stubs, cdr_unlogged;
DROP EXTENSION cdr_service;
SET cdr_service.allow_drop = on;
DROP TABLE calls, call_events, dead_letters;
