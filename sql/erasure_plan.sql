-- What would be erased: by number, call and tenant; what is held; what is elsewhere.
CREATE EXTENSION cdr_service;
\set SHOW_CONTEXT never
SET timezone = 'UTC';
CREATE FUNCTION ev(call text, kind text, s float, more text DEFAULT '') RETURNS json LANGUAGE sql AS
$$ SELECT ('{"eventType":"call.' || kind || '","callId":"' || call || '","timestamp":"' || to_char('2026-03-02T10:00:00Z'::timestamptz + s * interval '1 s', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"' || more || '}')::json $$;
SELECT * FROM cdr_erasure_plan(number => '1');
SELECT cdr_create_retention_tables();
SELECT * FROM cdr_erasure_plan(number => '1');
SELECT cdr_create_erasure_tables();
SELECT cdr_create_erasure_tables();
SELECT relname, relowner::regrole, relacl, (SELECT count(*) FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e') AS member
FROM pg_class AS c WHERE relname IN ('cdr_erasure_keys', 'cdr_erased_calls', 'cdr_erasures') ORDER BY 1;

SELECT cdr_ingest_events(ARRAY[
	ev('p1', 'started', 0, ',"from":"sip:+12025550123@example.org","to":"sip:1001@example.org","tenantId":"t1"'), ev('p1', 'ended', 60, ',"reason":"normal_clearing"'),
	ev('p2', 'started', 100, ',"from":"sip:1001@example.org","to":"sip:0012025550123@example.org","tenantId":"t2"'), ev('p2', 'recording.available', 200, ',"recordingUri":"s3://b/p2.wav"'),
	ev('p3', 'started', 300, ',"from":"sip:+12025550124@example.org","to":"sip:1002@example.org","tenantId":"t1","note":"for +12025550123"'),
	ev('p4', 'ended', 400, ',"transferredTo":"+12025550123"'), ev('', 'ended', 500, ',"of":"12025550123"')]);
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, body_size, body)
SELECT gen_random_uuid(), now(), now(), '22023', 'no event', length(b), convert_to(b, 'UTF8') FROM unnest(ARRAY['not json +12025550123', '{"callId": "p1', '{"callId": "p11', '{"note": 1']) AS b;
SELECT d.event_id, convert_from(body, 'UTF8') AS body INTO letters FROM dead_letters AS d;
CREATE FUNCTION plan(number text DEFAULT NULL, call_id text DEFAULT NULL, tenant_id text DEFAULT NULL, deep boolean DEFAULT false)
RETURNS TABLE (kind text, call_id text, items bigint, first_time time, last_time time, held bigint, detail text) LANGUAGE sql AS
$$ SELECT p.kind, p.call_id, p.items, CASE WHEN p.kind <> 'dead letter' THEN p.first_time END, CASE WHEN p.kind <> 'dead letter' THEN p.last_time END, cardinality(p.held_by),
	COALESCE((SELECT l.body FROM letters AS l WHERE l.event_id::text = p.detail), p.detail)
   FROM cdr_erasure_plan(number, call_id, tenant_id, deep) AS p ORDER BY p.kind = 'note', p.kind, p.call_id, 7 $$;
SELECT * FROM plan(number => '+12025550123');
SELECT * FROM plan(number => '12025550123', deep => true) WHERE kind <> 'call';
SELECT * FROM plan(number => '0012025550123', tenant_id => 't2');
SELECT * FROM plan(call_id => 'p1');
SELECT * FROM plan(call_id => 'nobody''s');
SELECT * FROM plan(tenant_id => 't1');
-- a call whose row is missing, and one whose events are
DELETE FROM calls WHERE call_id = 'p3';
SELECT * FROM plan(call_id => 'p3') WHERE kind <> 'note';
DELETE FROM call_events WHERE call_id = 'p4';
SELECT * FROM plan(call_id => 'p4') WHERE kind <> 'note';
-- what is held, and by which hold: by its call, its number, its time
SELECT cdr_hold('a case', call_id => 'p1') IS NOT NULL AS a, cdr_hold('a case', from_time => '2026-03-02T10:03:20Z', to_time => '2026-03-02T10:03:21Z') IS NOT NULL AS b,
	cdr_hold('a case', number => '+12025550123') IS NOT NULL AS c;
SELECT * FROM plan(number => '+12025550123') WHERE kind <> 'note';
SELECT p.call_id, h.call_id, h.number, h.from_time FROM cdr_erasure_plan(number => '+12025550123') AS p, unnest(held_by) AS id JOIN cdr_holds AS h ON h.hold_id = id WHERE p.kind = 'call' ORDER BY 1, placed_at;
SELECT * FROM plan(call_id => 'p3') WHERE kind <> 'note';
-- what rules of retention want of the same rows: of the call's tenant, or of all others; and until when it is held
SELECT cdr_set_retention(NULL, 'events', '0', 'disputes', 'a test'), cdr_set_retention('t2', 'events', '100 years', 'a contract', 'a test'),
	cdr_set_retention(NULL, 'calls', NULL, 'bills', 'a test'), cdr_set_retention('t2', 'calls', '90 years', 'bills', 'a test'), cdr_set_retention(NULL, 'dead_letters', NULL, 'repair', 'a test');
SELECT cdr_hold('a case', call_id => 'p2', expires_at => '2999-01-01Z') IS NOT NULL AS d;
SELECT p.kind, p.call_id, p.wanted FROM cdr_erasure_plan(number => '+12025550123') AS p WHERE p.kind <> 'note' ORDER BY 1, 2, 3;
SELECT count(cdr_release_hold(hold_id, 'it is over')) FROM cdr_holds WHERE released_at IS NULL AND expires_at IS NULL;
SELECT p.kind, p.call_id, p.wanted FROM cdr_erasure_plan(tenant_id => 't2') AS p WHERE p.kind = 'call' ORDER BY 1, 2, 3;
SELECT p.kind, p.call_id, p.wanted FROM cdr_erasure_plan(call_id => 'p3') AS p WHERE p.kind = 'call';
-- nothing is changed by it
SELECT count(*) FROM calls UNION ALL SELECT count(*) FROM call_events UNION ALL SELECT count(*) FROM dead_letters UNION ALL SELECT count(*) FROM cdr_erasures UNION ALL SELECT count(*) FROM cdr_erasure_keys;
-- mistakes
SELECT * FROM cdr_erasure_plan();
SELECT * FROM cdr_erasure_plan(number => ' ');
SELECT * FROM cdr_erasure_plan(number => '+0');
SELECT * FROM cdr_erasure_plan(call_id => repeat('x', 1001));
-- who may: nobody who was not given it; and who was, needs no right on the tables
CREATE ROLE regress_eraser;
SET ROLE regress_eraser;
SELECT count(*) FROM cdr_erasure_plan(number => '+12025550123');
RESET ROLE;
GRANT EXECUTE ON FUNCTION cdr_erasure_plan TO regress_eraser;
SET ROLE regress_eraser;
SELECT count(*) FROM cdr_erasure_plan(number => '+12025550123') WHERE kind = 'call';
SELECT count(*) FROM cdr_erasure_keys;
-- what that calls lends no right
SELECT * FROM cdr_plan_erasure('1', NULL, NULL, false);
RESET ROLE;
DROP OWNED BY regress_eraser;
DROP ROLE regress_eraser;
-- a table of that name that is somebody else's
DROP TABLE cdr_erasures;
CREATE TABLE cdr_erasures (x int);
SELECT * FROM cdr_erasure_plan(number => '1');
SELECT cdr_create_erasure_tables();
DROP TABLE letters, cdr_erasures, cdr_erased_calls, cdr_erasure_keys, cdr_holds, cdr_retention, cdr_retired, cdr_leaf_stubs, cdr_unlogged;
DROP FUNCTION ev, plan;
DROP EXTENSION cdr_service;
SET cdr_service.allow_drop = on;
DROP TABLE calls, call_events, dead_letters;
