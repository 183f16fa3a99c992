-- What retention reaches: keys of events without a time, the record of who read what,
-- partitions that stay when they are detached; and what it does not reach, and why.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
\set SHOW_CONTEXT never
CREATE FUNCTION ev(type text, call text, at timestamptz, tenant text DEFAULT NULL) RETURNS json LANGUAGE sql AS
$$ SELECT json_strip_nulls(json_build_object('eventType', type, 'callId', call, 'timestamp', to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'from', '1', 'to', '2', 'tenantId', tenant)) $$;
CREATE FUNCTION since(at timestamptz) RETURNS interval LANGUAGE sql AS $$ SELECT now() - at $$;
SELECT cdr_create_retention_tables(), cdr_create_evidence_tables();
SET cdr_service.evidence = on;

-- keys of events without a time of their own: of two tenants, a call that is gone, none; one
-- whose event is still there, one that is new
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'call.started', 'callId', 'k' || i, 'tenantId', 't' || i % 2))) FROM generate_series(1, 6) AS i;
SELECT cdr_ingest_event('{"eventType": "nothing"}');
CREATE TABLE aged AS SELECT call_id, event_id FROM timeless_events;
SELECT cdr_create_partitions('2016-01-01', '2016-01-01');
UPDATE timeless_events SET event_time = '2016-01-05Z' WHERE call_id <> 'k6';
ALTER TABLE call_events DISABLE TRIGGER ALL;
UPDATE call_events SET event_time = '2016-01-05Z' WHERE call_id <> 'k6';
DELETE FROM call_events WHERE call_id NOT IN ('k5', 'k6');
DELETE FROM calls WHERE call_id = 'k4';
SELECT cdr_hold('a claim', call_id => 'k2') IS NOT NULL AS held;
SELECT cdr_set_retention('t1', 'events', since('2016-01-06Z'), 'x', 'a test');
-- t1's alone: not the one whose event is there
SELECT kind, partition, tenant_id, action, rows, held, kept_because FROM cdr_retention_plan() WHERE kind = 'event_keys';
SELECT cdr_set_retention(NULL, 'events', since('2016-01-05 12:00Z'), 'x', 'a test');
SELECT kind, partition, tenant_id, action, rows, held, kept_because FROM cdr_retention_plan() WHERE kind = 'event_keys';
SELECT cdr_end_retention('t1', 'events', 'a test');
SELECT cdr_set_retention(NULL, 'events', since('2016-01-05 12:00Z'), 'x', 'a test');
BEGIN;
UPDATE call_events SET event_time = '2016-01-06Z' WHERE call_id = 'k5';
UPDATE timeless_events SET event_time = '2016-01-06Z' WHERE call_id = 'k5';
COMMIT;
CALL cdr_apply_retention(2);
SELECT call_id FROM timeless_events ORDER BY 1;
SELECT kind, tenant_id, sum(rows) AS rows FROM cdr_retired GROUP BY 1, 2 ORDER BY 1, 2;
SELECT cdr_release_hold(hold_id, 'settled') FROM cdr_holds;
CALL cdr_apply_retention();
SELECT call_id FROM timeless_events ORDER BY 1;
-- one that comes again is known as long as its key is there, and is new after that
SELECT i, cdr_ingest_event(json_build_object('eventType', 'call.started', 'callId', 'k' || i, 'tenantId', 't' || i % 2)) FROM generate_series(1, 5, 4) AS i;

-- the record of who read what, of which nobody else may take anything away
INSERT INTO cdr_access_log (at, login, role, action, subject, tenant_id, rows, reason)
SELECT now() - i * interval '1 day', 'a', 'a', 'cdr_read_calls', s, t, 1, 'x' FROM (VALUES
	(1, '{"call_id": "a"}'::jsonb, NULL), (40, '{"call_id": "a"}', NULL), (41, '{"call_id": "b"}', 't1'), (42, '{"number": "+1202"}', NULL), (43, '{}', NULL), (44, '{"call_id": "b"}', 't2'), (90, '{"call_id": "a"}', 't1')) AS v(i, s, t);
SELECT cdr_set_retention('t1', 'access_log', '30 days', 'oversight', 'a test');
SELECT cdr_set_retention(NULL, 'access_log', NULL, 'oversight', 'a test');
SELECT count(*) FROM cdr_retention_plan() WHERE kind = 'access_log';
SELECT cdr_set_retention(NULL, 'access_log', '30 days', 'oversight', 'a test');
SELECT kind, partition, tenant_id, action, rows, bytes > 0 AS bytes, held, kept_because FROM cdr_retention_plan() WHERE kind = 'access_log';
SELECT action, rows FROM cdr_retention_plan(now() + interval '2 months') WHERE kind = 'access_log';
-- held: of the call a, since 60 days ago: whatever does not name another call
SELECT cdr_hold('a claim', call_id => 'a', from_time => now() - interval '60 days') AS hold \gset
SELECT rows, held, kept_because FROM cdr_retention_plan() WHERE kind = 'access_log';
BEGIN;
SELECT cdr_hold('a claim', number => '1202') IS NOT NULL, cdr_hold('a claim', tenant_id => 't2') IS NOT NULL;
SELECT rows, held FROM cdr_retention_plan() WHERE kind = 'access_log';
ROLLBACK;
CREATE ROLE regress_cdr_records;
GRANT EXECUTE ON PROCEDURE cdr_apply_retention TO regress_cdr_records;
SET ROLE regress_cdr_records;
CALL cdr_apply_retention(2);
SELECT * FROM cdr_take_access(now(), '[]', 1);
SELECT * FROM cdr_count_access(now(), '[]');
SELECT cdr_note_access_retired(1, now(), now(), 'a', 'b');
RESET ROLE;
SELECT extract(day FROM now() - at) AS days, subject FROM cdr_access_log ORDER BY at DESC;
SELECT cdr_release_hold(:'hold', 'settled');
CALL cdr_apply_retention();
SELECT count(*) FROM cdr_access_log;
SELECT kind, action, rows, role FROM cdr_retired WHERE kind = 'access_log' ORDER BY retired_at;
-- the owner of calls does not come to it either
SET ROLE cdr_service;
SELECT * FROM cdr_take_access(now(), '[]', 1);
DELETE FROM cdr_access_log;
RESET ROLE;
SELECT cdr_seal() > 0 AS sealed;
SELECT count(*) FILTER (WHERE EXISTS (SELECT FROM cdr_log AS l WHERE l.entry = cdr_retention_entry(r.retired_id))) = count(*) AS logged FROM cdr_retired AS r;

-- partitions that have expired: detached, and left; and somebody else's
ALTER TABLE call_events ENABLE TRIGGER ALL;
SELECT cdr_create_partitions('2017-01-01', '2017-03-31');
SELECT cdr_ingest_events(array_agg(ev('call.started', 'p' || m, make_timestamptz(2017, m, 15, 0, 0, 0, 'UTC')))) FROM generate_series(1, 3) AS m;
SELECT cdr_seal() > 0 AS sealed;
SELECT cdr_set_retention(NULL, 'events', since('2017-04-15Z'), 'x', 'a test');
ALTER TABLE call_events_20170301 OWNER TO regress_cdr_records;
SELECT kind, partition, tenant_id, action, rows, bytes > 0 AS bytes, held, kept_because FROM cdr_retention_plan() WHERE partition ~ '2017';
CALL cdr_apply_retention(detach => true);
SELECT relid FROM pg_partition_tree('call_events') WHERE level = 1 ORDER BY 1;
SELECT call_id FROM call_events_20170101 UNION ALL SELECT call_id FROM call_events_20170201 ORDER BY 1;
SELECT kind, action, partition, rows FROM cdr_retired WHERE partition ~ '2017' ORDER BY partition;
SELECT kind, partition, tenant_id, action, rows, bytes > 0 AS bytes, held, kept_because FROM cdr_retention_plan() WHERE partition ~ '2017' ORDER BY partition;
SELECT problem, detail FROM cdr_verify_evidence('2017-01-01', '2017-03-01');
-- when it is dropped, nothing wants it any more; one that is given back goes as a whole
SET cdr_service.allow_drop = on;
DROP TABLE call_events_20170101;
ALTER TABLE call_events_20170301 OWNER TO cdr_service;
SELECT kind, partition, action, rows, held, kept_because FROM cdr_retention_plan() WHERE partition ~ '2017' ORDER BY partition;
-- a partition that is somebody else's as a whole (42501) keeps nothing but itself, though its rows might be deleted
ALTER TABLE call_events_20170301 OWNER TO regress_cdr_records;
GRANT SELECT, DELETE ON call_events_20170301 TO cdr_service;
CALL cdr_apply_retention();
SELECT kind, partition, action, kept_because FROM cdr_retention_plan() WHERE partition ~ '201703';
ALTER TABLE call_events_20170301 OWNER TO cdr_service;
CALL cdr_apply_retention(10, NULL, false);
SELECT to_regclass('call_events_20170301') IS NULL AS dropped;

DROP EXTENSION cdr_service;
DROP TABLE aged, cdr_holds, cdr_retention, cdr_retired, cdr_leaf_stubs, cdr_unlogged, cdr_unsealed, cdr_seals, cdr_log, cdr_checkpoints;
DROP FUNCTION ev, since;
DROP ROLE regress_cdr_records;
DROP TABLE calls, call_events, dead_letters, call_events_20170201, call_events_20160101;
