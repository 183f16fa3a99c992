-- Erasure reaches alerts; and what came back from a backup, beside its pseudonym.
CREATE EXTENSION cdr_service;
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SELECT cdr_create_erasure_tables(), cdr_create_evidence_tables();
SET cdr_service.evidence = on;
CREATE FUNCTION ev(call text, kind text, s float, more text DEFAULT '') RETURNS json LANGUAGE sql AS
$$ SELECT ('{"eventType":"call.' || kind || '","callId":"' || call || '","timestamp":"' || to_char('2026-03-02T10:00:00Z'::timestamptz + s * interval '1 s', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"' || more || '}')::json $$;
SELECT cdr_ingest_events(array_agg(ev('a' || i, 'started', i, ',"from":"sip:+1202555010' || i || '@example.org","tenantId":"t' || i % 2 || '"'))) FROM generate_series(1, 6) AS i;
INSERT INTO cdr_alert_rules (name, metric, scope, time_window, raise_at, clear_at, lag) VALUES ('busy', 'calls', 'caller', '1 min', 10, 5, '0');
INSERT INTO cdr_alerts (rule, subject, tenant_id, level, metric, scope, threshold, time_window, raised_at, cleared_at, first_value, worst_value, last_value, last_at, call_ids, late)
SELECT rule, subject, tenant, 'warning', 'calls', scope, 10, '1 min', '2026-03-02Z', cleared, 11, 11, 11, '2026-03-02Z', ids, false FROM (VALUES
	('busy', '+12025550101', NULL, 'caller', NULL::timestamptz, '{a1,a9}'::text[]), ('busy', '0012025550101', NULL, 'caller', '2026-03-03Z', '{}'),
	('busy', '+12025550102', 't0', 'caller', NULL, '{a8}'), ('users', 'u3', NULL, 'user', NULL, '{a2,a3}'), ('all', '', NULL, 'all', NULL, '{a4,a3,a1}'), ('tenants', 't1', 't1', 'tenant', NULL, '{a5}'),
	('busy', '+12025550199', 't1', 'caller', NULL, '{a7}')) AS t(rule, subject, tenant, scope, cleared, ids);
INSERT INTO cdr_alert_pending (rule, subject, times, last_at) VALUES ('busy', '+12025550101', 1, now()), ('busy', '+12025550102', 1, now());
CREATE VIEW alerts AS SELECT a.id, a.scope, CASE WHEN a.subject ~ '^erased:[0-9a-f]{32}$' THEN 'erased' ELSE a.subject END AS subject, a.cleared_at IS NULL AS open,
	ARRAY(SELECT CASE WHEN i ~ '^erased:[0-9a-f]{32}$' THEN 'erased' ELSE i END FROM unnest(a.call_ids) AS i) AS call_ids FROM cdr_alerts AS a;
-- a number: alerts of it, and those that tell of its calls
SELECT calls, dead_letters FROM cdr_erase(number => '+12025550101', reason => 'asked');
SELECT * FROM alerts ORDER BY id;
SELECT rule, subject FROM cdr_alert_pending;
-- a call of it has the pseudonym that its row has
SELECT count(*) FROM cdr_alerts AS a JOIN calls AS c ON c.call_id = ANY (a.call_ids) AND c.call_id LIKE 'erased:%';
-- a call: alerts that tell of it
SELECT calls FROM cdr_erase(call_id => 'a3', reason => 'asked');
SELECT * FROM alerts ORDER BY id;
-- nothing to tell, and a tenant, of which what is measured of a person goes
SELECT calls FROM cdr_erase(call_id => 'a6', reason => 'asked');
SELECT calls FROM cdr_erase(tenant_id => 't1', reason => 'asked');
SELECT * FROM alerts ORDER BY id;
-- one that is raised again of what was erased before
INSERT INTO cdr_alerts (rule, subject, level, metric, scope, threshold, time_window, raised_at, first_value, worst_value, last_value, last_at, late)
VALUES ('busy', '+12025550101', 'warning', 'calls', 'caller', 10, '1 min', '2026-03-02Z', 11, 11, 11, '2026-03-02Z', false);
SELECT cdr_ingest_event(ev('a20', 'started', 1, ',"from":"+12025550101"'));
SELECT calls FROM cdr_erase(number => '+12025550101', reason => 'asked');
SELECT count(*), count(DISTINCT subject) FROM cdr_alerts WHERE subject LIKE 'erased:%';
-- it is for the owner of calls, and for what erases
CREATE ROLE regress_eraser;
GRANT EXECUTE ON FUNCTION cdr_erase(text, text, text, text, text, integer) TO regress_eraser;
SET ROLE regress_eraser;
SELECT cdr_erase_alerts('\x00', '{a2}', NULL, NULL);
SELECT cdr_rename_alerts('\x00', '{a2}', NULL, NULL);
SELECT calls FROM cdr_erase(call_id => 'a2', reason => 'asked');
RESET ROLE;
SELECT call_ids FROM alerts WHERE scope = 'user';

-- A backup brings back a call of which events come then: late, again, and without a time.
-- It stands twice until it is erased again; then each event once.
SELECT cdr_ingest_events(ARRAY[ev('r', 'started', 0, ',"from":"sip:+12025550123@example.org","tenantId":"t1"'), ev('r', 'answered', 3), '{"eventType":"user.identified.for_call","callId":"r","userId":"u1"}'::json]);
SELECT cdr_seal() > 0 AS sealed;
CREATE TABLE backup AS SELECT * FROM call_events WHERE call_id = 'r';
CREATE TABLE backup_keys AS SELECT * FROM timeless_events WHERE call_id = 'r';
SELECT cdr_pseudonym(key, 'r') AS r FROM cdr_erasure_keys \gset
SELECT calls, events FROM cdr_erase(call_id => 'r', reason => 'asked');
DELETE FROM calls WHERE call_id = :'r';
DELETE FROM call_events WHERE call_id = :'r';
DELETE FROM timeless_events WHERE call_id = :'r';
INSERT INTO call_events SELECT * FROM backup;
INSERT INTO timeless_events SELECT * FROM backup_keys;
SELECT cdr_rebuild_calls('r');
SELECT cdr_ingest_events(ARRAY[ev('r', 'answered', 3), ev('r', 'ended', 60), '{"eventType":"user.identified.for_call","callId":"r","userId":"u1"}'::json]);
SELECT call_id = 'r' AS as_it_was, event_count, status FROM calls WHERE call_id IN ('r', :'r') ORDER BY 1;
BEGIN;
-- whichever way it is erased
SELECT calls, events FROM cdr_erase(call_id => 'r', reason => 'asked');
SELECT count(*), sum(event_count), sum(duration_seconds) FROM calls WHERE call_id IN ('r', :'r');
ROLLBACK;
SELECT * FROM cdr_reapply_erasures('restored');
SELECT call_id = :'r' AS erased, status, event_count, caller_number, start_time, answer_time, end_time, duration_seconds, tenant_id FROM calls WHERE call_id IN ('r', :'r');
SELECT event_type, count(*), count(payload) FROM call_events WHERE call_id IN ('r', :'r') GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM timeless_events WHERE call_id IN ('r', :'r');
SELECT kind, action, tenant_id, rows, reason FROM cdr_retired;
-- once more: nothing twice, nothing back
SELECT cdr_ingest_events(ARRAY[ev('r', 'started', 0, ',"from":"sip:+12025550123@example.org","tenantId":"t1"'), ev('r', 'ended', 60), '{"eventType":"user.identified.for_call","callId":"r","userId":"u1"}'::json]);
SELECT event_count FROM calls WHERE call_id IN ('r', :'r');
SELECT * FROM cdr_verify_calls();
SELECT * FROM cdr_verify_rollup();
SELECT cdr_seal() > 0 AS sealed;
SELECT problem, detail FROM cdr_verify_evidence();
-- a call whose row is gone, and whose events are there under both names
DELETE FROM calls WHERE call_id = :'r';
INSERT INTO call_events SELECT * FROM backup WHERE event_type = 'call.answered';
SELECT calls, events FROM cdr_erase(call_id => 'r', reason => 'asked');
SELECT event_type, count(*), count(payload) FROM call_events WHERE call_id IN ('r', :'r') GROUP BY 1 ORDER BY 1;

-- keys are of months: any day of it means it, and there are days that are in none
UPDATE cdr_erasure_keys SET month = '2026-01-01';
SELECT cdr_destroy_erasure_key('-infinity', 'over');
SELECT cdr_destroy_erasure_key('infinity', 'over');
SELECT cdr_destroy_erasure_key(NULL, 'over');
SELECT cdr_destroy_erasure_key('2026-02-28', 'over');
SELECT cdr_destroy_erasure_key('2026-01-31', 'over');
SELECT month, key IS NULL AS destroyed FROM cdr_erasure_keys;

DROP VIEW alerts;
DROP TABLE backup, backup_keys;
DROP EXTENSION cdr_service;
DROP TABLE cdr_erasures, cdr_erased_calls, cdr_erasure_keys, cdr_holds, cdr_retention, cdr_retired, cdr_leaf_stubs, cdr_unlogged, cdr_unsealed, cdr_seals, cdr_log, cdr_checkpoints;
DROP FUNCTION ev;
DROP ROLE regress_eraser;
SET cdr_service.allow_drop = on;
DROP TABLE calls, call_events, dead_letters;
