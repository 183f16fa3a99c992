-- Events of an erased call that come late or again: nothing twice, nothing lost, nothing back.
CREATE EXTENSION cdr_service;
\set SHOW_CONTEXT never
SET timezone = 'UTC';
CREATE FUNCTION ev(call text, kind text, s float, more text DEFAULT '') RETURNS json LANGUAGE sql AS
$$ SELECT ('{"eventType":"call.' || kind || '","callId":"' || call || '","timestamp":"' || to_char('2026-03-02T10:00:00Z'::timestamptz + s * interval '1 s', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"' || more || '}')::json $$;
SELECT cdr_create_evidence_tables(), cdr_create_erasure_tables();
SET cdr_service.evidence = on;
CREATE TABLE input AS SELECT n, e FROM (VALUES
	(1, ev('l1', 'started', 0, ',"from":"sip:+12025550123@example.org","to":"sip:+442079460123@example.org","tenantId":"t1"')),
	(2, ev('l1', 'ringing', 2)), (3, ev('l1', 'answered', 5)),
	(4, '{"eventType":"user.identified.for_call","callId":"l1","userId":"user-77","contactId":471147114711,"timestamp":"2026-03-02T10:00:06Z"}'::json),
	(5, '{"eventType":"call.media.playback.finished","callId":"l1"}'), (6, ev('l1', 'recording.available', 70, ',"recordingUri":"s3://b/secret.wav"')),
	(7, ev('l1', 'ended', 65, ',"reason":"normal_clearing"'))) AS t(n, e);
-- a call whose end has not come: erased; and the rest comes, with what was there before, and with others
SELECT cdr_ingest_events(array_agg(e ORDER BY n)) FROM input WHERE n IN (1, 3, 5);
SELECT calls, events FROM cdr_erase(call_id => 'l1', reason => 'asked');
CREATE TABLE erased_then AS SELECT * FROM calls;
CREATE FUNCTION state() RETURNS TABLE (calls bigint, events bigint, erased bigint, named bigint) LANGUAGE sql AS
$$ SELECT (SELECT count(*) FROM calls), count(*), count(*) FILTER (WHERE content_digest IS NOT NULL),
	count(*) FILTER (WHERE e::text ~ '2025550123|442079460|user-77|471147114711|secret|"l1"' OR call_id = 'l1') + (SELECT count(*) FROM calls AS c WHERE c::text || encode(merge_state, 'escape') ~ '2025550123|442079460|user-77|471147114711|secret' OR call_id = 'l1')
   FROM call_events AS e $$;
SELECT * FROM state();
-- again
SELECT cdr_ingest_events(array_agg(e ORDER BY n)) FROM input WHERE n IN (1, 3, 5);
SELECT cdr_ingest_events(array_agg(e ORDER BY n)) FROM input WHERE n IN (5);
SELECT * FROM state();
SELECT count(*) FROM (TABLE erased_then EXCEPT TABLE calls) AS x;
-- late, in two halves, each twice in its batch, among events of others
SELECT cdr_ingest_events(array_agg(e ORDER BY n)) FROM (SELECT n, e FROM input UNION ALL SELECT n, e FROM input UNION ALL SELECT 100 + i, ev('other' || i, 'started', i) FROM generate_series(1, 20) AS i) AS t WHERE n NOT IN (6, 7);
SELECT cdr_ingest_events(array_agg(e ORDER BY n DESC)) FROM input;
SELECT * FROM state();
SELECT status, disposition, direction, caller_number, callee_number, tenant_id, user_id, contact_id, recording_url, duration_seconds, billable_seconds, event_count FROM calls WHERE call_id LIKE 'erased:%';
SELECT event_type, time_source, tenant_id, num_nulls(trace_id, routing_key, message_id, content_type, headers, properties, salt, payload, body) AS gone, length(content_digest) AS digest
FROM call_events WHERE content_digest IS NOT NULL ORDER BY event_type;
-- the same as if all had come first and been erased then
SELECT cdr_ingest_events(array_agg(replace(e::text, '"l1"', '"l2"')::json ORDER BY n)) FROM input;
SELECT calls, events FROM cdr_erase(call_id => 'l2', reason => 'asked');
SELECT count(*), count(DISTINCT (c.status, c.disposition, c.direction, c.start_time, c.ring_time, c.answer_time, c.end_time, c.hangup_cause, c.tenant_id, c.event_count, c.caller_number, c.user_id, c.recording_url)) AS different
FROM calls AS c WHERE call_id LIKE 'erased:%';
SELECT register, CASE register WHEN 'recorded' THEN NULL ELSE event_time END AS at, rank, says::text, count(*) FROM calls AS c, cdr_merge_state(c.call_id) WHERE c.call_id LIKE 'erased:%' GROUP BY 1, 2, 3, 4 HAVING count(*) <> 2;
-- seals hold, what was recorded late too; verify and rebuild find nothing
SELECT cdr_seal() > 0 AS sealed;
SELECT * FROM cdr_verify_evidence();
SELECT count(*) FROM cdr_verify_calls();
SELECT count(*) FROM cdr_verify_rollup();
-- the digest is that of what came: worked out in SQL, from what was not stored, for an event without evidence too
SELECT count(*) = 1 AS leaf FROM cdr_event_leaves() AS l JOIN call_events AS e USING (recorded_at) WHERE e.event_type = 'call.ended' AND l.leaf IS NOT NULL AND e.call_id = (SELECT cdr_pseudonym(key, 'l1') FROM cdr_erasure_keys);
RESET cdr_service.evidence;
SELECT cdr_ingest_message(convert_to(ev('l1', 'late', 80)::text, 'UTF8'), message_id => 'm-1', routing_key => 'call.late', headers => '{"a": "+12025550123"}') AS recorded;
SELECT cdr_ingest_message(convert_to(ev('l1', 'late', 80)::text, 'UTF8'), message_id => 'm-1', routing_key => 'call.late', headers => '{"a": "+12025550123"}') AS recorded;
SELECT * FROM state();
-- a correction of it can be made by its pseudonym, and one of its old name finds nothing
SELECT cdr_correct_call('l1', '{"hangup_cause": "busy"}', 'a test');
SELECT cdr_correct_call(cdr_pseudonym(key, 'l1'), '{"hangup_cause": "busy"}', 'a test') IS NOT NULL AS corrected FROM cdr_erasure_keys;
SELECT hangup_cause, event_count FROM calls WHERE call_id = (SELECT cdr_pseudonym(key, 'l1') FROM cdr_erasure_keys);
SELECT count(*) FROM cdr_verify_calls();
-- what stands in other calls is not touched; a name that is another's pseudonym is not looked up
SELECT count(*) FROM calls WHERE call_id LIKE 'other%' AND event_count = 1;
-- in the transaction that erases, and one that takes it back
BEGIN;
SELECT calls FROM cdr_erase(call_id => 'other1', reason => 'asked');
SELECT cdr_ingest_event(ev('other1', 'ended', 30));
SELECT count(*) FROM calls WHERE call_id = 'other1';
ROLLBACK;
SELECT cdr_ingest_event(ev('other1', 'ended', 30));
SELECT call_id, status, event_count FROM calls WHERE call_id = 'other1';
-- what brings its identity is known with another time, or with none, also when its call was erased
CREATE FUNCTION ce(id text, type text, at text) RETURNS json LANGUAGE sql AS
$$ SELECT json_strip_nulls(json_build_object('specversion', '1.0', 'id', id, 'source', '/s', 'type', type, 'time', at, 'data', json_build_object('callId', 'l3', 'from', '+12025550123'))) $$;
SELECT cdr_ingest_events(ARRAY[ce('1', 'call.started', '2026-03-02T10:00:00Z'), ce('2', 'call.answered', '2026-03-02T10:00:05Z'), ce('3', 'call.hold', NULL)]) AS new;
SELECT calls, events FROM cdr_erase(call_id => 'l3', reason => 'asked');
SELECT cdr_ingest_event(ce('1', 'call.started', '2026-03-02T10:00:01Z')) AS later, cdr_ingest_event(ce('2', 'call.answered', '2026-03-05T10:00:00Z')) AS "days later",
	cdr_ingest_event(ce('1', 'call.started', NULL)) AS "without a time", cdr_ingest_event(ce('3', 'call.hold', '2026-03-02T10:00:07Z')) AS "with one";
SELECT cdr_ingest_event(ce('4', 'call.ended', '2026-03-02T10:01:00Z')) AS late, cdr_ingest_event(ce('4', 'call.ended', '2026-03-02T10:02:00Z')) AS again;
SELECT status, event_count, billable_seconds FROM calls WHERE call_id = (SELECT cdr_pseudonym(key, 'l3') FROM cdr_erasure_keys);
SELECT count(*) FROM cdr_verify_calls();
-- dead letters of it, tried again
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, body_size, body)
SELECT gen_random_uuid(), now(), now(), '22023', 'no event', length(b), convert_to(b, 'UTF8') FROM (SELECT ev('l1', 'odd', 90, ',"from":"+12025550123"')::text AS b) AS t;
SELECT cdr_retry_dead_letters();
SELECT * FROM state();
-- two calls that have another key each
UPDATE cdr_erasure_keys SET month = '2026-01-01';
UPDATE cdr_erased_calls SET month = '2026-01-01';
SELECT calls FROM cdr_erase(call_id => 'other2', reason => 'asked');
SELECT cdr_ingest_events(ARRAY[ev('l1', 'odd', 91), ev('other2', 'ended', 40), ev('other3', 'ended', 40)]);
SELECT count(*) FROM calls WHERE call_id IN ('l1', 'other2');
-- the key is destroyed: nobody knows the call any more, so what comes then is of a new one
SELECT cdr_destroy_erasure_key('2026-01-01', 'over');
SELECT cdr_ingest_events(ARRAY[ev('l1', 'odd', 92), ev('other2', 'odd', 41)]);
SELECT call_id, event_count FROM calls WHERE call_id IN ('l1', 'other2');
SELECT count(*) FROM cdr_verify_calls();
-- tables that are not as they were made are left alone
ALTER TABLE cdr_erased_calls RENAME TO elsewhere;
SELECT cdr_ingest_event(ev('other2', 'odd', 42));
ALTER TABLE elsewhere RENAME TO cdr_erased_calls;
ALTER TABLE cdr_erased_calls DROP CONSTRAINT cdr_erased_calls_pkey;
SELECT cdr_ingest_event(ev('other2', 'odd', 43));
SELECT call_id, event_count FROM calls WHERE call_id = 'other2';
DROP TABLE input, erased_then, cdr_erasures, cdr_erased_calls, cdr_erasure_keys, cdr_holds, cdr_retention, cdr_retired, cdr_leaf_stubs, cdr_unlogged;
DROP TABLE cdr_unsealed, cdr_seals, cdr_log, cdr_checkpoints;
DROP FUNCTION ce, ev, state;
DROP EXTENSION cdr_service;
SET cdr_service.allow_drop = on;
DROP TABLE calls, call_events, dead_letters;
