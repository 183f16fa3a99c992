-- Evidence of what was retired: what went on purpose is no problem, and all else is one.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE FUNCTION ev(type text, call text, at timestamptz, tenant text DEFAULT NULL) RETURNS json LANGUAGE sql AS
$$ SELECT json_strip_nulls(json_build_object('eventType', type, 'callId', call, 'timestamp', to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'tenantId', tenant)) $$;
SELECT cdr_create_evidence_tables(), cdr_create_retention_tables();
SET cdr_service.evidence = on;
-- a partition that begins and ends at noon, between those of months
SELECT cdr_create_partitions('2016-01-01', '2016-01-31');
CREATE TABLE noon PARTITION OF call_events FOR VALUES FROM ('2016-02-01Z') TO ('2016-02-10 12:00Z');
CREATE TABLE after_noon PARTITION OF call_events FOR VALUES FROM ('2016-02-10 12:00Z') TO ('2016-03-01Z');
ALTER TABLE noon OWNER TO cdr_service;
ALTER TABLE after_noon OWNER TO cdr_service;
SELECT cdr_create_partitions('2016-03-01', '2016-03-31');
SELECT cdr_ingest_events(array_agg(ev('call.started', 'c-' || to_char(at, 'MMDDHH24'), at, 't' || extract(hour FROM at) % 3))) FROM generate_series(timestamptz '2016-01-20Z', '2016-03-05Z', '1 hour') AS at;
SELECT cdr_seal() AS seals;
SELECT count(*) FROM cdr_verify_evidence();
CREATE FUNCTION found() RETURNS TABLE (problem text, days bigint, first date, last date, detail text) LANGUAGE sql AS $$ SELECT problem, count(*), min(day), max(day), min(detail) FROM cdr_verify_evidence() GROUP BY 1 ORDER BY 1 $$;

-- the content of some is erased, while the log is guarded; that stays so
SELECT cdr_create_erasure_tables(), cdr_guard_log();
SELECT calls, events, held FROM cdr_erase(call_id => 'c-020204', reason => 'a request');
SELECT calls, events, held FROM cdr_erase(call_id => 'c-020203', reason => 'a request');
SELECT * FROM found();

-- rows of one tenant, one of them held
SELECT cdr_hold('a claim', call_id => 'c-020301') IS NOT NULL AS held;
SELECT cdr_set_retention('t1', 'events', now() - '2016-02-15Z', 'a purpose', 'a test');
CALL cdr_apply_retention(50);
SELECT count(*) AS steps, sum(rows) AS rows, (SELECT count(*) FROM cdr_leaf_stubs) AS stubs FROM cdr_retired;
SELECT * FROM found();
SELECT cdr_seal() > 0 AS sealed;
SELECT * FROM found();
-- a call beside those that were retired is proved as before
\! mkdir -p results/retired
\pset format unaligned
\t on
SELECT cdr_evidence('c-020302', 'a test') \g results/retired/beside.json
SELECT cdr_evidence('c-020301', 'a test') \g results/retired/held.json
\t off
\pset format aligned
\! for f in beside held; do python3 "$PG_ABS_SRCDIR/scripts/cdr-verify" results/retired/$f.json | grep -E '^(proved|NOT PROVED)'; done
-- what nobody retired is missing; also if it is written into the tables of retention
SELECT cdr_guard_log(false);
BEGIN;
DELETE FROM call_events WHERE call_id = 'c-020301';
SELECT * FROM found();
ROLLBACK; BEGIN;
UPDATE call_events SET tenant_id = 'x' WHERE call_id = 'c-020302';
SELECT * FROM found();
ROLLBACK; BEGIN;
SELECT round(avg(pg_column_size(s)), -1) AS bytes FROM cdr_leaf_stubs AS s;
DELETE FROM cdr_leaf_stubs WHERE day = '2016-02-03';
SELECT * FROM found();
ROLLBACK; BEGIN;
UPDATE cdr_leaf_stubs SET leaf = sha256(leaf) WHERE day = '2016-02-03';
SELECT problem, count(*) > 0 AS days FROM cdr_verify_evidence() GROUP BY 1;
ROLLBACK; BEGIN;
DELETE FROM cdr_log WHERE entry LIKE 'cdr-retention%';
SELECT problem FROM found();
ROLLBACK; BEGIN;
-- a false row, with the true leaf: the log does not say so
INSERT INTO cdr_leaf_stubs SELECT '00000000-0000-0000-0000-000000000001', '2016-02-03', recorded_at, leaf FROM cdr_event_leaves() WHERE call_id = 'c-020301';
INSERT INTO cdr_retired (retired_id, retired_at, login, role, kind, action, from_time, until_time, rows, root)
	SELECT '00000000-0000-0000-0000-000000000001', now(), 'me', 'me', 'events', 'deleted', '2016-02-03', '2016-02-04', 1, cdr_tree_root(ARRAY[leaf]) FROM cdr_leaf_stubs WHERE retired_id = '00000000-0000-0000-0000-000000000001';
DELETE FROM call_events WHERE call_id = 'c-020301';
SELECT * FROM found();
INSERT INTO cdr_retired (retired_id, retired_at, login, role, kind, action, from_time, until_time, rows)
	VALUES ('00000000-0000-0000-0000-000000000002', now(), 'me', 'me', 'events', 'dropped', '2016-02-03', '2016-02-04', 1);
SELECT * FROM found();
-- ... until the log does, where that can be seen for ever
INSERT INTO cdr_unlogged VALUES (now(), cdr_retention_entry('00000000-0000-0000-0000-000000000002'));
SELECT * FROM found();
ROLLBACK;

-- partitions as a whole, also one that ends within a day
SELECT cdr_release_hold(hold_id, 'settled') FROM cdr_holds;
SELECT cdr_set_retention(NULL, 'events', now() - '2016-02-10 13:00Z', 'a purpose', 'a test');
CALL cdr_apply_retention(1000);
SELECT action, partition, from_time, until_time, rows, root IS NOT NULL AS has_stubs FROM cdr_retired WHERE action <> 'deleted' ORDER BY 3;
SELECT * FROM found();
SELECT cdr_seal() > 0 AS sealed;
SELECT * FROM found();
-- an event that comes late for such a day has a seal of its own
SELECT cdr_ingest_event(ev('call.started', 'late', '2016-02-05 12:00Z'));
SELECT cdr_seal() AS sealed;
SELECT * FROM found();
BEGIN;
DELETE FROM call_events WHERE call_id IN ('c-022002', 'late');
SELECT * FROM found();
ROLLBACK;

-- detached by hand: missing, until somebody says why
ALTER TABLE call_events DETACH PARTITION after_noon;
SELECT * FROM found();
SELECT cdr_note_detached('after_noon', 'archived');
SELECT * FROM found();
SELECT cdr_seal() AS sealed;
DROP TABLE after_noon;
SELECT * FROM found();

-- who read what: of an entry of several rows, retention takes all or none, and whoever takes some is found
DELETE FROM cdr_access_log;
CREATE FUNCTION put_reads(days integer[]) RETURNS void LANGUAGE sql AS $$
WITH put AS (
	INSERT INTO cdr_access_log (at, login, role, action, subject, rows, entry_id, key)
	SELECT date_trunc('day', now()) - d * interval '1 day', 'a', 'a', 'SELECT', jsonb_build_object('call_id', 'r' || d), 1, e.id, gen_random_uuid()
	FROM (SELECT gen_random_uuid() AS id) AS e, unnest(days) AS d RETURNING *)
SELECT cdr_put_access_entry(p.entry_id, min(p.at), max(p.at), array_agg(cdr_access_leaf(p.key, p.at, p.login, p.role, p.client_address,
	p.application, p.action, p.subject, p.tenant_id, p.rows, p.reason))) FROM put AS p GROUP BY p.entry_id $$;
CREATE FUNCTION kept_reads() RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(a.subject ->> 'call_id', ' ' ORDER BY a.at) FROM cdr_access_log AS a $$;
SELECT put_reads('{60}'), put_reads('{51,52,53}'), put_reads('{39,40,41}'), put_reads('{29,31}'), put_reads('{10,11}');
SELECT * FROM found();
SELECT cdr_seal() > 0 AS sealed;
SELECT cdr_set_retention(NULL, 'access_log', '30 days', 'oversight', 'a test'), cdr_hold('a claim', call_id => 'r40') IS NOT NULL;
-- r31 waits for r29, and r39 and r41 for r40
SELECT rows, held, kept_because FROM cdr_retention_plan() WHERE kind = 'access_log';
CALL cdr_apply_retention(2);
SELECT kept_reads();
SELECT * FROM found();
SELECT cdr_release_hold(hold_id, 'settled') FROM cdr_holds WHERE call_id = 'r40';
CALL cdr_apply_retention(1);
SELECT kept_reads();
SELECT rows FROM cdr_retired WHERE kind = 'access_log' ORDER BY retired_at;
SELECT * FROM found();
BEGIN;
DELETE FROM cdr_access_log WHERE subject ->> 'call_id' = 'r31';
SELECT * FROM found();
-- a false row of cdr_retired does not help, for it is not in the log; nor, for part of an entry, one that is
INSERT INTO cdr_retired (retired_id, retired_at, login, role, kind, action, from_time, until_time, rows)
	VALUES ('00000000-0000-0000-0000-000000000003', now(), 'me', 'me', 'access_log', 'deleted', now() - interval '40 days', now(), 1);
SELECT * FROM found();
INSERT INTO cdr_unlogged VALUES (now(), cdr_retention_entry('00000000-0000-0000-0000-000000000003'));
SELECT * FROM found();
DELETE FROM cdr_access_log WHERE subject ->> 'call_id' = 'r29';
SELECT * FROM found();
ROLLBACK;

DROP EXTENSION cdr_service;
DROP TABLE cdr_holds, cdr_retention, cdr_retired, cdr_leaf_stubs, cdr_unlogged, cdr_unsealed, cdr_seals, cdr_log, cdr_checkpoints, cdr_erasures, cdr_erasure_keys;
DROP FUNCTION ev, found, put_reads, kept_reads;
SET cdr_service.allow_drop = on;
DROP TABLE calls, call_events, dead_letters;
