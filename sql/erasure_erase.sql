-- Who took part in calls is erased; what is counted and what was sealed stays.
CREATE EXTENSION cdr_service;
\set SHOW_CONTEXT never
SET timezone = 'UTC';
CREATE FUNCTION ev(call text, kind text, s float, more text DEFAULT '') RETURNS json LANGUAGE sql AS
$$ SELECT ('{"eventType":"call.' || kind || '","callId":"' || call || '","timestamp":"' || to_char('2026-03-02T10:00:00Z'::timestamptz + s * interval '1 s', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"' || more || '}')::json $$;
SELECT cdr_create_evidence_tables(), cdr_create_erasure_tables();
SET cdr_service.evidence = on;
-- calls of four numbers; each has a start, an answer, an end, a recording, and one without a time
SELECT cdr_ingest_events(array_agg(ev('c' || i, k, 100 * i + s, replace(replace(m, '$a', (1000 + i % 4)::text), '$i', i::text)))) FROM generate_series(1, 40) AS i,
	(VALUES ('started', 0, ',"from":"sip:+1202555$a@example.org","to":"sip:+44207946$a@example.org","tenantId":"t$a"'), ('answered', 5, ''),
		('ended', 65, ',"reason":"normal_clearing"'), ('recording.available', 70, ',"recordingUri":"s3://b/$i.wav"')) AS e(k, s, m);
SELECT cdr_ingest_events(array_agg(('{"eventType":"user.identified.for_call","callId":"c' || i || '","userId":"user-' || i || '"}')::json)) FROM generate_series(1, 4) AS i;
SELECT cdr_correct_call('c1', '{"callee_number": "+442079460000"}', 'a test') IS NOT NULL AS corrected;
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, body_size, body)
SELECT gen_random_uuid(), now(), now(), '22023', 'no event', length(b), convert_to(b, 'UTF8') FROM unnest(ARRAY['not json +12025551001', '{"callId": "c1"', '{"callId": "c2"', '{"note": 1']) AS b;
SELECT cdr_seal() > 0 AS sealed;
SELECT * FROM cdr_verify_evidence();
CREATE TABLE calls_before AS SELECT * FROM calls;
CREATE TABLE events_before AS SELECT e.*, l.leaf FROM call_events AS e JOIN cdr_event_leaves() AS l USING (recorded_at);
CREATE TABLE traffic_before AS SELECT * FROM cdr_traffic('2026-03-01', '2026-03-04', interval '1 hour', dimensions => '{tenant_id,direction,hangup_cause}');

-- a call
SELECT erasure_id IS NOT NULL AS act, calls, events, dead_letters, held, more FROM cdr_erase(call_id => 'c1', reason => 'asked', reference => 'letter 7');
SELECT call_id LIKE 'erased:%' AS pseudonym, status, disposition, direction, caller_number, callee_number, trunk, tenant_id, user_id, contact_id, recording_url, duration_seconds, billable_seconds, event_count
FROM calls WHERE call_id NOT IN (SELECT 'c' || i FROM generate_series(1, 40) AS i);
SELECT event_type, time_source, tenant_id, num_nulls(trace_id, routing_key, message_id, content_type, headers, properties, salt, payload, body) AS gone, length(content_digest) AS digest
FROM call_events WHERE call_id LIKE 'erased:%' ORDER BY 1;
-- its key says whose it is
SELECT (SELECT cdr_pseudonym(k.key, 'c1') FROM cdr_erasure_keys AS k) = (SELECT call_id FROM calls WHERE call_id LIKE 'erased:%') AS its,
	(SELECT count(*) FROM call_events AS e JOIN events_before AS b USING (recorded_at), cdr_erasure_keys AS k WHERE b.call_id = 'c1' AND e.event_id = cdr_pseudonym(k.key, b.event_id)) AS events,
	(SELECT count(*) FROM timeless_events WHERE call_id = 'c1') AS keys_left, (SELECT count(*) FROM timeless_events WHERE call_id LIKE 'erased:%') AS keys;
SELECT convert_from(body, 'UTF8') FROM dead_letters ORDER BY 1;
SELECT * FROM cdr_verify_evidence();

-- a message that has all that there may be, in bytes: what is left of it, of whatever columns
SELECT cdr_ingest_message('\x0a0c63616c6c2e7374617274656412027431 1a03616c6c'::bytea, content_type => 'application/x-protobuf', type => 'of all', routing_key => 'of.all', message_id => '\x6d31',
	headers => '{"x": "+12025559999"}', properties => '{"app_id": "all", "user_id": "all"}') IS NOT NULL AS recorded;
SELECT cdr_ingest_message('\x1f8b0800000000000203ab564a2d4bcd2b09a92c4855b2524a4eccc9d14bcd4b494d51d201733c5380a2401ac82dc9cc4d2d2e49cc2d008a18191899e91a18eb1a1885181a591918005194522d00b84780d04c000000'::bytea, content_type => 'application/json', content_encoding => 'gzip') IS NOT NULL AS recorded;
SELECT string_agg(DISTINCT j.key COLLATE "C", ' ' ORDER BY j.key COLLATE "C") AS before FROM call_events AS e, jsonb_each(to_jsonb(e)) AS j WHERE e.call_id = 'all' AND j.value <> 'null';
SELECT calls, events FROM cdr_erase(call_id => 'all', reason => 'asked');
SELECT string_agg(DISTINCT j.key COLLATE "C", ' ' ORDER BY j.key COLLATE "C") AS after FROM call_events AS e, jsonb_each(to_jsonb(e)) AS j,
	cdr_erasure_keys AS k WHERE e.call_id = cdr_pseudonym(k.key, 'all') AND j.value <> 'null';
SELECT string_agg(j.key, ' ' ORDER BY j.key COLLATE "C") AS of_calls FROM calls AS c, jsonb_each(to_jsonb(c)) AS j,
	cdr_erasure_keys AS k WHERE c.call_id = cdr_pseudonym(k.key, 'all') AND j.value <> 'null';

-- a number, in steps; who called or was called, in any spelling
SELECT calls, events, dead_letters, held, more FROM cdr_erase(number => '0012025551001', reason => 'asked', max_calls => 4);
SELECT calls, events, dead_letters, held, more FROM cdr_erase(number => '+12025551001', reason => 'asked', max_calls => 4);
SELECT calls, events, dead_letters, held, more FROM cdr_erase(number => '12025551001', reason => 'asked', max_calls => 4);
-- a tenant
SELECT calls, events, dead_letters, held, more FROM cdr_erase(tenant_id => 't1002', reason => 'asked', max_calls => 100);
-- nothing names them any more
SELECT count(*) FROM calls AS c WHERE c::text ~ '2025551001|2025551002|442079461001|442079461002|user-[12]\M' OR encode(merge_state, 'escape') ~ '2025551001|2025551002|442079461001|442079461002|user-[12]\M';
SELECT count(*) FROM call_events AS e WHERE e::text ~ '2025551001|2025551002|442079461001|442079461002|user-[12]\M';
SELECT count(*) FROM call_events AS e JOIN events_before AS b ON e.call_id = b.call_id OR e.event_id = b.event_id WHERE e.content_digest IS NOT NULL;
SELECT count(*) FROM timeless_events AS t JOIN events_before AS b ON t.event_id = b.event_id WHERE b.call_id IN ('c1', 'c2');
-- what is counted stays, also in the rollup; seals and the log of events hold; verify and rebuild find nothing to do
SELECT count(*) FROM (SELECT * FROM cdr_traffic('2026-03-01', '2026-03-04', interval '1 hour', dimensions => '{tenant_id,direction,hangup_cause}') EXCEPT TABLE traffic_before) AS x;
SELECT count(*) FROM cdr_verify_rollup();
SELECT * FROM cdr_verify_evidence();
SELECT count(*) FROM cdr_event_leaves() AS l JOIN events_before AS b USING (recorded_at, leaf);
SELECT count(*) FROM cdr_verify_calls();
SELECT cdr_rebuild_calls();
SELECT count(*) AS others FROM (TABLE calls_before EXCEPT TABLE calls) AS x WHERE call_id NOT IN (SELECT call_id FROM calls_before WHERE tenant_id IN ('t1001', 't1002'));
-- each column that is not erased is as it was
SELECT count(*) FROM calls AS c JOIN calls_before AS b ON c.start_time = b.start_time AND (c.status, c.disposition, c.direction, c.trunk, c.ring_time, c.answer_time, c.end_time, c.hangup_cause, c.hangup_source, c.sip_status,
	c.tenant_id, c.anomalies, c.event_count, c.first_event_time, c.last_event_time, c.billable_seconds) IS NOT DISTINCT FROM
	(b.status, b.disposition, b.direction, b.trunk, b.ring_time, b.answer_time, b.end_time, b.hangup_cause, b.hangup_source, b.sip_status, b.tenant_id, b.anomalies, b.event_count, b.first_event_time, b.last_event_time, b.billable_seconds);
-- again there is nothing to do, and nothing is said of it
SELECT * FROM cdr_erase(tenant_id => 't1002', reason => 'asked');

-- the acts
SELECT login, role, reason, reference, subject LIKE 'erased:%' AS subject, calls, events, dead_letters, held FROM cdr_erasures ORDER BY erased_at;
SELECT cdr_seal() > 0 AS sealed;
SELECT regexp_replace(entry, '[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d{2}-\d{2}T[0-9:.]+Z|erased:[0-9a-f]{32}', '*', 'g') AS entry FROM cdr_log WHERE entry LIKE 'cdr-erasure-v1%' ORDER BY log_index LIMIT 1;
SELECT count(*) FROM cdr_log AS l JOIN cdr_erasures AS e ON l.entry = cdr_erasure_entry(e.erasure_id);
SELECT * FROM cdr_verify_evidence();

-- whose content is taken away by hand is found, though the seal holds
BEGIN;
UPDATE call_events AS e SET content_digest = cdr_event_content_digest(e.salt, e.event_id, e.message_id, e.call_id, e.trace_id, e.routing_key, e.content_type,
	e.headers, e.properties, e.payload, e.body), salt = NULL, payload = NULL, headers = NULL, routing_key = NULL, content_type = NULL WHERE call_id = 'c3' AND event_type = 'call.started';
SELECT problem, detail FROM cdr_verify_evidence();
-- and what is put down for it, by who may write all but the log
INSERT INTO cdr_erased_calls SELECT 'c3', gen_random_uuid(), month FROM cdr_erasure_keys;
SELECT problem, detail FROM cdr_verify_evidence();
UPDATE cdr_erased_calls SET erasure_id = (SELECT erasure_id FROM cdr_erasures WHERE reference = 'letter 7') WHERE call_id = 'c3';
SELECT problem, detail FROM cdr_verify_evidence();
UPDATE cdr_erasures SET calls = 2 WHERE reference = 'letter 7';
SELECT problem, regexp_replace(detail, '[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d{2}-\d{2}T[0-9:.]+Z|erased:[0-9a-f]{32}', '*', 'g') AS detail FROM cdr_verify_evidence();
ROLLBACK;
-- an erasure that is in the log alone, or in its table alone; on a day
CREATE FUNCTION told(from_day date DEFAULT NULL, to_day date DEFAULT NULL) RETURNS TABLE (problem text, today boolean, logged boolean, detail text) LANGUAGE sql AS
$$ SELECT v.problem, v.day = (now() AT TIME ZONE 'UTC')::date, v.log_index IS NOT NULL,
	regexp_replace(v.detail, '[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d{2}-\d{2}T[0-9:.]+Z|erased:[0-9a-f]{32}', '*', 'g') FROM cdr_verify_evidence(from_day, to_day) AS v $$;
BEGIN;
DELETE FROM cdr_erasures WHERE reference = 'letter 7';
SELECT * FROM told() WHERE problem LIKE 'erasure%';
SELECT * FROM told(to_day => '2026-03-01');
SELECT count(*) FROM told(from_day => '2026-03-03') WHERE problem LIKE 'erasure%';
ROLLBACK;
BEGIN;
INSERT INTO cdr_erasures SELECT gen_random_uuid(), erased_at, login, role, reason, 'by hand', month, subject, 1, 2, 3, 0 FROM cdr_erasures WHERE reference = 'letter 7';
SELECT * FROM told();
ROLLBACK;
-- one that was done while evidence was off; a restore may bring an older log, too: it is logged when all is erased again
SET cdr_service.evidence = off;
SELECT calls FROM cdr_erase(call_id => 'c7', reason => 'asked');
SET cdr_service.evidence = on;
SELECT * FROM told();
SELECT * FROM cdr_reapply_erasures('restored');
SELECT * FROM told();
SELECT cdr_seal(), count(*) AS problems FROM told();
-- without the table
BEGIN;
ALTER TABLE cdr_erasures RENAME TO other;
SELECT problem, count(*) FROM told() GROUP BY 1 ORDER BY 1;
ROLLBACK;

-- what is held is not erased, and that is told
SELECT cdr_hold('a case', call_id => 'c3') IS NOT NULL AS a, cdr_hold('a case', number => '+12025551000', from_time => '2026-03-02T11:00:00Z') IS NOT NULL AS b;
SELECT calls, events, dead_letters, held, more FROM cdr_erase(call_id => 'c3', reason => 'asked');
SELECT calls, events, dead_letters, held, more FROM cdr_erase(number => '+12025551000', reason => 'asked', max_calls => 3);
SELECT calls, events, dead_letters, held, more FROM cdr_erase(number => '+12025551000', reason => 'asked', max_calls => 3);
SELECT count(*) FROM calls WHERE caller_number = '+12025551000';
SELECT calls, events, dead_letters, held, more FROM cdr_erase(tenant_id => 't1003', reason => 'asked');
SELECT call_id FROM calls WHERE tenant_id = 't1003' AND caller_number IS NOT NULL;
SELECT count(cdr_release_hold(hold_id, 'it is over')) FROM cdr_holds WHERE call_id = 'c3';
SELECT calls, events, dead_letters, held, more FROM cdr_erase(call_id => 'c3', reason => 'asked');
-- a transaction that does not see what is held
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT cdr_erase(call_id => 'c4', reason => 'asked');
ROLLBACK;

-- keys
SELECT month = date_trunc('month', now() AT TIME ZONE 'UTC')::date AS this, length(key) FROM cdr_erasure_keys;
SELECT cdr_destroy_erasure_key(date_trunc('month', now() AT TIME ZONE 'UTC')::date, 'over');
SELECT cdr_destroy_erasure_key('2026-01-01', 'over');
UPDATE cdr_erasure_keys SET month = '2026-01-01';
UPDATE cdr_erased_calls SET month = '2026-01-01';
SELECT cdr_destroy_erasure_key('2026-01-01', ' ');
SELECT cdr_destroy_erasure_key('2026-01-01', 'over');
SELECT key, destroyed_at IS NOT NULL AS destroyed, reason FROM cdr_erasure_keys;

-- mistakes
SELECT cdr_erase(call_id => 'c4');
SELECT cdr_erase(call_id => 'c4', reason => ' ');
SELECT cdr_erase(reason => 'asked');
SELECT cdr_erase(call_id => 'c4', reason => 'asked', reference => '');
SELECT cdr_erase(call_id => 'c4', reason => 'asked', max_calls => 0);
SELECT cdr_erase(call_id => 'erased:00', reason => 'asked');
SELECT cdr_erase(number => '+0', reason => 'asked');
SELECT * FROM cdr_erase(call_id => 'nobody''s', reason => 'asked');
-- files: of tables of the owner of calls only
SELECT cdr_wipe('pg_class');
SELECT cdr_wipe('calls_pkey');
SET client_min_messages = error;
SELECT cdr_wipe(NULL) IS NULL AS nothing, cdr_wipe('call_events') >= 0 AS partitions, cdr_wipe('cdr_erasures') >= 0 AS another;
CREATE INDEX odd ON cdr_erasures USING hash (reason);
SELECT cdr_wipe('cdr_erasures') >= 0 AS wiped;
RESET client_min_messages;
-- who may
CREATE ROLE regress_eraser;
SET ROLE regress_eraser;
SELECT cdr_wipe('calls');
SELECT cdr_erase(call_id => 'c4', reason => 'asked');
SELECT cdr_destroy_erasure_key('2026-01-01', 'over');
RESET ROLE;
GRANT EXECUTE ON FUNCTION cdr_erase, cdr_destroy_erasure_key TO regress_eraser;
SET ROLE regress_eraser;
SELECT calls, events, dead_letters, held, more FROM cdr_erase(call_id => 'c4', reason => 'asked');
SELECT * FROM cdr_erasure_keys;
SELECT cdr_erase_calls('{c8}', gen_random_uuid(), '2026-01-01', sha256(''));
SELECT cdr_make_erasure_key();
SELECT cdr_erase_dead_letters('{}');
RESET ROLE;
SELECT count(cdr_release_hold(hold_id, 'it is over')) FROM cdr_holds WHERE released_at IS NULL;
SET ROLE regress_eraser;
SELECT calls, events, dead_letters, held, more FROM cdr_erase(call_id => 'c4', reason => 'asked');
RESET ROLE;
SELECT login <> role AS "of a role", role FROM cdr_erasures ORDER BY erased_at DESC LIMIT 1;
-- a trigger that somebody planted runs as the owner of the tables
CREATE TABLE spied (who text);
GRANT INSERT ON spied TO PUBLIC;
CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.spied VALUES (current_user); RETURN NEW; END $$;
CREATE TRIGGER spy BEFORE UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION spy();
SELECT calls FROM cdr_erase(call_id => 'c36', reason => 'asked');
SELECT * FROM spied;
DROP TABLE calls_before, events_before, traffic_before, spied, cdr_erasures, cdr_erased_calls, cdr_erasure_keys, cdr_holds, cdr_retention, cdr_retired, cdr_leaf_stubs, cdr_unlogged;
DROP OWNED BY regress_eraser;
DROP ROLE regress_eraser;
DROP TABLE cdr_unsealed, cdr_seals, cdr_log, cdr_checkpoints;
DROP FUNCTION ev, told;
DROP EXTENSION cdr_service;
SET cdr_service.allow_drop = on;
DROP TABLE calls, call_events, dead_letters;
DROP FUNCTION spy;
