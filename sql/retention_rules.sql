-- Retention: rules, plan, and what a run takes away, compared with what plain SQL says.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
\set SHOW_CONTEXT never
CREATE FUNCTION ev(type text, call text, at timestamptz, tenant text DEFAULT NULL) RETURNS json LANGUAGE sql AS
$$ SELECT json_strip_nulls(json_build_object('eventType', type, 'callId', call, 'timestamp', to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'from', '1', 'to', '2', 'tenantId', tenant)) $$;
CREATE FUNCTION since(at timestamptz) RETURNS interval LANGUAGE sql AS $$ SELECT now() - at $$;

SELECT cdr_set_retention(NULL, 'events', '1 year', 'bills', 'a test');
SELECT cdr_create_retention_tables(), cdr_create_evidence_tables();
-- without a rule, nothing expires
SELECT * FROM cdr_retention_plan();
CALL cdr_apply_retention();

-- what is refused
SELECT cdr_set_retention(NULL, 'events', '1 year', 'bills', '');
SELECT cdr_set_retention(NULL, 'events', '1 year', ' ', 'a test');
SELECT cdr_set_retention(NULL, 'events', '1 year', NULL, 'a test');
SELECT cdr_set_retention('', 'events', '1 year', 'bills', 'a test');
SELECT cdr_set_retention(NULL, 'seals', '1 year', 'bills', 'a test');
SELECT cdr_set_retention(NULL, NULL, '1 year', 'bills', 'a test');
SELECT cdr_set_retention('t', 'dead_letters', '1 year', 'bills', 'a test');
SELECT cdr_set_retention(NULL, 'events', '-1 s', 'bills', 'a test');
SELECT cdr_set_retention(NULL, 'events', '1001 years', 'bills', 'a test');
SELECT cdr_end_retention(NULL, 'events', 'a test');
CALL cdr_apply_retention(0);
BEGIN;
CALL cdr_apply_retention();
ROLLBACK;

-- three tenants and calls without, from January to April; the tenant stands in the start only
SELECT cdr_create_partitions('2016-01-01', '2016-04-30');
SET cdr_service.evidence = on;
SELECT cdr_ingest_events(array_agg(ev(type, format('c-%s-%s', to_char(day, 'MMDD'), t), day + t * interval '1 hour' + n * interval '1 s', CASE WHEN n = 0 THEN nullif('t' || t, 't0') END)))
FROM generate_series(timestamptz '2016-01-02Z', '2016-04-29Z', '3 days') AS day, generate_series(0, 3) AS t, (VALUES ('call.started', 0), ('call.answered', 1), ('call.ended', 2)) AS k(type, n);
-- no call; a call that stays open; one that belongs to no partition
SELECT cdr_ingest_events(ARRAY[ev('nothing', NULL, '2016-02-03 12:00Z'), ev('nothing', NULL, '2016-02-03 13:00Z', 't2'), ev('call.started', 'open', '2016-01-03 12:00Z', 't1'), ev('call.started', 'early', '2015-01-03 12:00Z', 't1')]);
SELECT cdr_seal() > 0 AS sealed;
CREATE TABLE was AS SELECT e.event_time, e.event_id, e.call_id, e.tenant_id AS own, COALESCE(c.tenant_id, e.tenant_id) AS tenant FROM call_events AS e LEFT JOIN calls AS c USING (call_id);
CREATE TABLE calls_were AS SELECT call_id, tenant_id, COALESCE(end_time, last_event_time) AS over FROM calls;

-- t2 for ever, t1 until March, all others until February; of calls t1 is kept for longer
SELECT cdr_set_retention(NULL, 'events', since('2016-02-01 00:30Z'), 'bills', 'a test');
SELECT cdr_set_retention('t1', 'events', since('2016-03-05Z'), 'bills', 'a test');
SELECT cdr_set_retention('t2', 'events', NULL, 'a contract', 'a test');
SELECT cdr_set_retention(NULL, 'calls', since('2016-03-10Z'), 'bills', 'a test');
SELECT cdr_set_retention('t1', 'calls', since('2016-01-20Z'), 'bills', 'a test');
SELECT kind, tenant_id, keep IS NULL AS for_ever, purpose, reason, login = session_user AS login FROM cdr_retention ORDER BY set_at;
SELECT kind, partition, tenant_id, action, rows, bytes > 0 AS bytes, held FROM cdr_retention_plan();
-- what plain SQL would take
CREATE VIEW expected AS SELECT 'events' AS kind, CASE WHEN event_time < '2016-01-01' THEN 'public.call_events_default' ELSE 'public.call_events_' || to_char(event_time, 'YYYYMM01') END AS partition, tenant, count(*) AS rows FROM was
	WHERE CASE tenant WHEN 't1' THEN event_time < '2016-03-05' WHEN 't2' THEN false ELSE event_time < '2016-02-01 00:30' END GROUP BY 2, 3
	UNION ALL SELECT 'calls', NULL, tenant_id, count(*) FROM calls_were WHERE over < CASE tenant_id WHEN 't1' THEN timestamptz '2016-01-20' ELSE '2016-03-10' END GROUP BY 3;
SELECT * FROM (SELECT kind, partition, tenant_id, rows FROM cdr_retention_plan() EXCEPT SELECT * FROM expected) AS more;
SELECT * FROM (SELECT * FROM expected EXCEPT SELECT kind, partition, tenant_id, rows FROM cdr_retention_plan()) AS less;
SELECT count(*) AS planned FROM cdr_retention_plan(now() - interval '20 years');
-- the same where the name of the schema is a pattern
BEGIN;
SELECT sum(rows) AS rows FROM cdr_retention_plan();
ALTER SCHEMA public RENAME TO "100%s";
SELECT sum(rows) AS rows FROM "100%s".cdr_retention_plan();
ROLLBACK;

-- held: a call, a tenant's January, and one that is no more
SELECT cdr_hold('a claim', call_id => 'c-0102-1') IS NOT NULL AS held, cdr_hold('a claim', tenant_id => 't3', to_time => '2016-01-20Z') IS NOT NULL AS held;
SELECT cdr_hold('a claim', from_time => '-infinity') AS hold \gset
SELECT cdr_release_hold(:'hold', 'settled');
SELECT sum(held) AS held, sum(rows) AS rows FROM cdr_retention_plan();
CALL cdr_apply_retention();
SELECT count(*) AS events, count(*) FILTER (WHERE e.event_id IS NULL) AS gone, count(*) FILTER (WHERE (e.event_id IS NULL) <> (w.call_id <> 'c-0102-1' AND NOT (w.tenant = 't3' AND w.event_time < '2016-01-20')
	AND CASE w.tenant WHEN 't1' THEN w.event_time < '2016-03-05' WHEN 't2' THEN false ELSE w.event_time < '2016-02-01 00:30' END)) AS wrong
FROM was AS w LEFT JOIN call_events AS e USING (event_id);
SELECT count(*) AS calls, count(*) FILTER (WHERE c.call_id IS NULL) AS gone, count(*) FILTER (WHERE (c.call_id IS NULL) <> (w.call_id <> 'c-0102-1' AND (w.tenant_id = 't3' AND w.over < '2016-01-20') IS NOT TRUE
	AND w.over < CASE w.tenant_id WHEN 't1' THEN timestamptz '2016-01-20' ELSE '2016-03-10' END)) AS wrong
FROM calls_were AS w LEFT JOIN calls AS c USING (call_id);
SELECT sum(rows) AS rows, sum(held) AS held FROM cdr_retention_plan();
CALL cdr_apply_retention();
SELECT kind, action, partition, tenant_id, sum(rows) AS rows, bool_and(root IS NOT NULL) AS root, min(from_time) AS from, max(until_time) AS until FROM cdr_retired GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4;
-- each is an entry of the log; its root is that of the stubs
SELECT cdr_seal() > 0 AS sealed;
SELECT count(*) = (SELECT count(*) FROM cdr_log WHERE entry LIKE 'cdr-retention-v1%') AS all, count(*) FILTER (WHERE EXISTS (SELECT FROM cdr_log AS l WHERE l.entry = cdr_retention_entry(r.retired_id))) = count(*) AS logged,
	count(*) FILTER (WHERE r.root IS DISTINCT FROM (SELECT cdr_merkle_root(array_agg(s.leaf ORDER BY s.recorded_at)) FROM cdr_leaf_stubs AS s WHERE s.retired_id = r.retired_id)) AS wrong FROM cdr_retired AS r;
SELECT split_part(entry, E'\n', 1) AS form, count(*) FROM cdr_log WHERE entry NOT LIKE 'cdr-seal%' GROUP BY 1 ORDER BY 1;
SELECT count(*) AS personal FROM cdr_log WHERE entry ~ E'c-0102|claim|bills|contract|\nt[123]\n';
-- what is counted is what is there; calls fit what is left of their events, or were retired before them; all else differs
SELECT * FROM cdr_verify_rollup();
SELECT call_id, differing FROM cdr_verify_calls();
SELECT count(*) AS with_less, count(*) FILTER (WHERE event_count = 3) AS kept FROM calls AS c WHERE event_count > (SELECT count(*) FROM call_events AS e WHERE e.call_id = c.call_id);
SELECT cdr_rebuild_calls() AS rebuilt;
BEGIN;
UPDATE calls SET trunk = 'x' WHERE call_id IN ('c-0225-1', 'c-0102-1', 'c-0425-1');
DELETE FROM calls WHERE call_id = 'c-0425-2';
SELECT call_id, differing FROM cdr_verify_calls() ORDER BY 1;
SELECT cdr_rebuild_calls() AS rebuilt;
SELECT call_id, differing FROM cdr_verify_calls();
-- of a call that was retired, an event that comes late; of one that was not, what is gone is not told from a repetition
SELECT cdr_ingest_event(ev('call.answered', 'c-0201-2', '2016-02-01 02:01Z'));
SELECT call_id, event_count FROM calls WHERE call_id = 'c-0201-2';
SELECT call_id, differing FROM cdr_verify_calls();
SELECT cdr_ingest_event(ev('call.answered', 'c-0225-1', '2016-02-25 01:01Z'));
ROLLBACK;

-- partitions as a whole: all have expired, and nothing is held; in small steps elsewhere
SELECT cdr_release_hold(hold_id, 'settled') FROM cdr_holds WHERE released_at IS NULL;
SELECT cdr_set_retention('t2', 'events', since('2016-03-02Z'), 'a contract', 'a test');
SELECT count(*) AS rules, count(ended_at) AS ended FROM cdr_retention;
SELECT kind, partition, tenant_id, action, rows, held FROM cdr_retention_plan();
-- (whose an event was is not known without its call, unless it says so: it is kept as long as any)
CREATE TABLE calls_then AS SELECT call_id FROM calls;
SET client_min_messages = warning;
CALL cdr_apply_retention(7);
RESET client_min_messages;
SELECT relid FROM pg_partition_tree('call_events') WHERE level = 1 ORDER BY 1;
SELECT count(*) FILTER (WHERE e.event_id IS NULL) AS gone, count(*) FILTER (WHERE (e.event_id IS NULL) <> (w.event_time < CASE CASE WHEN w.own IS NOT NULL OR w.call_id = '' OR t.call_id IS NOT NULL THEN w.tenant END WHEN 't1' THEN timestamptz '2016-03-05' WHEN 't2' THEN '2016-03-02' ELSE '2016-02-01 00:30' END)
	AND w.event_time >= '2016-02-01') AS wrong
FROM was AS w LEFT JOIN call_events AS e USING (event_id) LEFT JOIN calls_then AS t ON t.call_id = w.call_id;
SELECT count(*) AS steps, max(rows) AS most FROM cdr_retired WHERE retired_at > (SELECT max(set_at) FROM cdr_retention) AND action = 'deleted';
SELECT kind, partition, action, from_time, until_time, rows, root IS NULL AS whole_days FROM cdr_retired WHERE action = 'dropped';
SELECT * FROM cdr_verify_rollup();
-- all of it: a rule that is taken back, and one of 0; but what is of nobody knows which tenant is kept for ever
SELECT cdr_end_retention('t1', 'calls', 'a test'), cdr_end_retention('t2', 'events', 'a test');
DELETE FROM calls WHERE call_id = 'c-0428-3';
SELECT cdr_set_retention('t9', 'events', NULL, 'a contract', 'a test'), cdr_set_retention(NULL, 'events', '0', 'nothing', 'a test'), cdr_set_retention('t1', 'events', '0', 'nothing', 'a test'), cdr_set_retention(NULL, 'calls', '0', 'nothing', 'a test');
SET client_min_messages = warning;
CALL cdr_apply_retention();
RESET client_min_messages;
SELECT call_id, event_type, tenant_id FROM call_events ORDER BY event_time;
SELECT count(*) FROM calls;
SELECT * FROM cdr_verify_rollup();

-- dead letters
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, body_size, body) SELECT md5(i::text)::uuid, now() - i * interval '1 day', now(), 'P0001', 'x', 6, convert_to('call ' || i, 'UTF8') FROM generate_series(1, 9) AS i;
SELECT cdr_set_retention(NULL, 'dead_letters', '4 days 12 hours', 'repair', 'a test');
SELECT cdr_hold('a claim', call_id => 'call 7') IS NOT NULL AS held;
SELECT kind, partition, tenant_id, action, rows, bytes > 0 AS bytes, held FROM cdr_retention_plan();
CALL cdr_apply_retention();
SELECT string_agg(convert_from(body, 'UTF8'), ', ' ORDER BY body) FROM dead_letters;

-- a partition that was detached by hand
SELECT cdr_create_partitions('2017-01-01', '2017-01-01');
SELECT cdr_ingest_events(ARRAY[ev('call.started', 'z', '2017-01-03 12:00Z'), ev('call.ended', 'z', '2017-01-05 12:00Z')]);
SELECT cdr_note_detached('call_events_20170101', 'archived');
SELECT cdr_note_detached('calls', 'archived');
SELECT cdr_note_detached(NULL, 'archived');
ALTER TABLE call_events DETACH PARTITION call_events_20170101;
SELECT cdr_note_detached('call_events_20170101', '');
SELECT cdr_note_detached('call_events_20170101', 'archived');
SELECT kind, action, partition, from_time, until_time, rows, reason FROM cdr_retired WHERE action = 'detached';

-- Who manages records has no right on anything else; others have not this one.
CREATE ROLE regress_cdr_records;
GRANT EXECUTE ON FUNCTION cdr_set_retention, cdr_end_retention, cdr_retention_plan, cdr_note_detached TO regress_cdr_records;
GRANT EXECUTE ON PROCEDURE cdr_apply_retention TO regress_cdr_records;
SET ROLE regress_cdr_records;
SELECT cdr_set_retention('t8', 'calls', '1 year', 'bills', 'mine');
SELECT kind, rows, held FROM cdr_retention_plan();
CALL cdr_apply_retention();
SELECT count(*) FROM cdr_retention;
SELECT cdr_hold('mine', call_id => 'a');
SELECT cdr_put_retention('t8', 'calls', '0', 'x', 'x', 'somebody', 'else');
SELECT * FROM cdr_retire_rows('calls', 'calls', now(), 10, '(0,0)', 'somebody', 'else');
SELECT cdr_retire_partition('call_events_default', now(), 'somebody', 'else', false);
SELECT cdr_put_detached('call_events_20170101', 'x', 'somebody', 'else');
RESET ROLE;
SELECT role FROM cdr_retention WHERE tenant_id = 't8';
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM regress_cdr_records;
REVOKE EXECUTE ON ALL PROCEDURES IN SCHEMA public FROM regress_cdr_records;
SET ROLE regress_cdr_records;
CALL cdr_apply_retention();
SELECT cdr_set_retention('t8', 'calls', '0', 'bills', 'mine');
SELECT * FROM cdr_retention_plan();
RESET ROLE;

-- partitions of somebody else, one that has expired and one of which a tenant has, keep nothing but themselves
SELECT cdr_create_partitions('2018-01-01', '2018-04-01');
SELECT cdr_ingest_event(json_build_object('eventType', 'call.started', 'callId', 'of ' || m, 'tenantId', 'other', 'timestamp', '2018-0' || m || '-15T00:00:00Z')) FROM generate_series(1, 4) AS m;
ALTER TABLE call_events_20180101 OWNER TO regress_cdr_records;
ALTER TABLE call_events_20180301 OWNER TO regress_cdr_records;
SELECT cdr_set_retention('other', 'events', '1 day', 'bills', 'a test'), cdr_set_retention(NULL, 'events', now() - '2018-03-01Z', 'bills', 'a test');
SELECT partition, action, rows, held, kept_because FROM cdr_retention_plan() WHERE partition ~ '2018';
CALL cdr_apply_retention();
SELECT call_id, tableoid::regclass FROM call_events WHERE call_id LIKE 'of %' ORDER BY 1;
SELECT count(*) FROM cdr_verify_calls();
ALTER TABLE call_events_20180101 OWNER TO cdr_service;
ALTER TABLE call_events_20180301 OWNER TO cdr_service;
CALL cdr_apply_retention();
SELECT count(*) FROM call_events WHERE call_id LIKE 'of %';

DROP VIEW expected;
DROP EXTENSION cdr_service;
DROP TABLE cdr_holds, cdr_retention, cdr_retired, cdr_leaf_stubs, cdr_unlogged, cdr_unsealed, cdr_seals, cdr_log, cdr_checkpoints, was, calls_were, calls_then;
DROP FUNCTION ev, since;
DROP ROLE regress_cdr_records;
SET cdr_service.allow_drop = on;
DROP TABLE calls, call_events, dead_letters;
DROP TABLE call_events_20170101;
