-- cdr_verify_calls() finds what does not follow from the log, cdr_rebuild_calls()
-- writes it anew, cdr_call_history() tells the story.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET intervalstyle = 'postgres';

SELECT cdr_ingest_events(array_agg(e)) FROM generate_series(1, 30) AS n, LATERAL (VALUES
	(json_build_object('eventType', 'call.started', 'callId', 'v' || n, 'timestamp', '2026-01-19T22:00:00.5Z', 'fromUri', 'sip:' || 1000 + n || '@pbx', 'toUri', 'tel:+902121112233', 'tenantId', 't')),
	(json_build_object('eventType', 'user.identified.for_call', 'callId', 'v' || n, 'timestamp', '2026-01-19T22:00:01Z', 'userId', 'u' || n, 'contactId', n)),
	(json_build_object('eventType', 'call.answered', 'callId', 'v' || n, 'timestamp', '2026-01-19T22:00:05Z')),
	(json_build_object('eventType', 'call.ended', 'callId', 'v' || n, 'timestamp', '2026-01-19T22:01:05Z', 'reason', 'normal_clearing')),
	(json_build_object('eventType', 'call.recording.available', 'callId', 'v' || n, 'timestamp', '0002-01-02T00:00:00+09:00', 'uri', 's3://r/' || n))) AS v(e);
SELECT cdr_ingest_events(ARRAY['{"eventType":"acoustic.mood.shifted","callId":"v1","timestamp":"2026-01-19T22:00:30Z"}', '{"eventType":"no call","timestamp":"2026-01-19T22:00:30Z"}']::json[]);
SELECT * FROM cdr_verify_calls();
CREATE TABLE good AS SELECT * FROM calls;

-- one tampered column at a time
UPDATE calls SET direction = 'inbound' WHERE call_id = 'v1';
UPDATE calls SET caller_number = NULL WHERE call_id = 'v2';
UPDATE calls SET callee_number = '+902121112234' WHERE call_id = 'v3';
UPDATE calls SET start_time = start_time + interval '1 microsecond' WHERE call_id = 'v4';
UPDATE calls SET answer_time = NULL WHERE call_id = 'v5';
UPDATE calls SET end_time = end_time - interval '1 second' WHERE call_id = 'v6';
UPDATE calls SET hangup_cause = 'busy' WHERE call_id = 'v7';
UPDATE calls SET hangup_source = 'user' WHERE call_id = 'v8';
UPDATE calls SET user_id = 'somebody' WHERE call_id = 'v9';
UPDATE calls SET contact_id = NULL WHERE call_id = 'v10';
UPDATE calls SET recording_url = '' WHERE call_id = 'v11';
UPDATE calls SET event_count = 4 WHERE call_id = 'v12';
UPDATE calls SET first_event_time = start_time WHERE call_id = 'v13';
UPDATE calls SET last_event_time = start_time WHERE call_id = 'v14';
UPDATE calls SET status = 'RINGING' WHERE call_id = 'v15';
UPDATE calls SET tenant_id = NULL WHERE call_id = 'v16';
UPDATE calls SET disposition = 'BUSY' WHERE call_id = 'v17';
UPDATE calls SET trunk = 'gw-1' WHERE call_id = 'v18';
UPDATE calls SET ring_time = answer_time WHERE call_id = 'v19';
UPDATE calls SET sip_status = 486 WHERE call_id = 'v20';
UPDATE calls SET anomalies = ARRAY['clock'] WHERE call_id = 'v21';
UPDATE calls SET merge_state = set_byte(merge_state, 5, (get_byte(merge_state, 5) + 1) % 256) WHERE call_id = 'v22';
-- a call without its row, and a row without its call
DELETE FROM calls WHERE call_id = 'v23';
INSERT INTO calls (call_id, event_count, first_event_time, last_event_time) VALUES ('ghost', 1, now(), now());
SELECT v.call_id, string_agg(s.key, ' ') AS differs,
	   CASE WHEN stored IS NULL THEN 'no row' WHEN expected IS NULL THEN 'no events' END AS "because"
FROM cdr_verify_calls() AS v LEFT JOIN LATERAL jsonb_each(stored) AS s ON s.value IS DISTINCT FROM expected -> s.key AND expected IS NOT NULL
GROUP BY v.call_id, stored IS NULL, expected IS NULL ORDER BY length(v.call_id), v.call_id;

-- every stored column was tried
SELECT attname FROM pg_attribute WHERE attrelid = 'calls'::regclass AND attnum > 0 AND attgenerated = ''
AND attname NOT IN (SELECT s.key FROM cdr_verify_calls() AS v, jsonb_each(stored) AS s WHERE s.value IS DISTINCT FROM expected -> s.key AND expected IS NOT NULL);

-- rebuilt: all that the log knows
SELECT cdr_rebuild_calls();
SELECT call_id, stored ->> 'event_count' AS stored, expected FROM cdr_verify_calls();
-- a row that counts more events than the log holds may be all that retention left: only on demand
SELECT cdr_rebuild_calls(prune => true);
SELECT cdr_rebuild_calls('v1', prune => true) AS right, cdr_rebuild_calls('nobody', prune => true) AS nobody, cdr_rebuild_calls('ghost', prune => true) AS ghost;
SELECT * FROM cdr_verify_calls();
SELECT count(*) FROM (SELECT * FROM calls EXCEPT SELECT * FROM good) AS x;
SELECT count(*) FROM (SELECT * FROM good EXCEPT SELECT * FROM calls) AS x;
SELECT cdr_rebuild_calls();

-- the log tampered with instead: an event that is gone
DELETE FROM call_events WHERE call_id = 'v7' AND event_type = 'call.answered';
SELECT call_id, stored ->> 'answer_time' AS stored, expected ->> 'answer_time' AS expected FROM cdr_verify_calls();
SELECT cdr_rebuild_calls();
SELECT cdr_rebuild_calls('v7', prune => true);
SELECT status, answer_time, disposition, billable_seconds, event_count FROM calls WHERE call_id = 'v7';
-- it is not known any more, so it can come again
SELECT cdr_ingest_event(json_build_object('eventType', 'call.answered', 'callId', 'v7', 'timestamp', '2026-01-19T22:00:05Z'));
SELECT count(*) FROM (SELECT * FROM calls EXCEPT SELECT * FROM good) AS x;

-- all from nothing
TRUNCATE calls;
SELECT count(*) FROM cdr_verify_calls();
SELECT cdr_rebuild_calls();
SELECT count(*) FROM (SELECT * FROM calls EXCEPT SELECT * FROM good) AS x;
SELECT count(*) FROM (SELECT * FROM good EXCEPT SELECT * FROM calls) AS x;

-- the story of a call
SELECT event_time, elapsed, event_type, description FROM cdr_call_history('v1');
SELECT payload ->> 'eventType' AS type, received_at <= clock_timestamp() AS received FROM cdr_call_history('v2');
SELECT cdr_ingest_event('{"eventType":"call.recording.available","callId":"w8","recordingUri":"","uri":"s3://r/8"}');
SELECT cdr_ingest_event('{"eventType":"call.ended","callId":"w9","reason":""}');
SELECT description FROM cdr_call_history('w8') UNION ALL SELECT description FROM cdr_call_history('w9');
SELECT count(*) FROM cdr_call_history('nobody''s');
SELECT count(*) FROM cdr_call_history('');
SELECT count(*) FROM cdr_call_history(NULL);

-- one call, or those of a stretch of time: with all of their events, also those of another time
TRUNCATE calls, call_events;
SELECT cdr_create_partitions('2025-11-01', '2026-01-31');
SELECT cdr_ingest_events(ARRAY[
	'{"eventType":"call.started","callId":"november","timestamp":"2025-11-30T12:00:00Z","from":"1"}',
	'{"eventType":"call.ended","callId":"november","timestamp":"2025-11-30T12:01:00Z"}',
	'{"eventType":"call.started","callId":"both","timestamp":"2025-11-30T23:59:00Z","from":"2"}',
	'{"eventType":"call.ended","callId":"both","timestamp":"2025-12-01T00:01:00Z"}',
	'{"eventType":"call.started","callId":"december","timestamp":"2025-12-24T12:00:00Z","from":"3"}',
	'{"eventType":"call.started","callId":"january","timestamp":"2026-01-24T12:00:00Z","from":"4"}']::json[]);
UPDATE calls SET caller_number = 'x';
DELETE FROM calls WHERE call_id = 'january';
INSERT INTO calls (call_id, event_count, first_event_time, last_event_time) VALUES ('ghost', 1, '2025-12-02', '2025-12-03');
SELECT call_id FROM cdr_verify_calls('both');
SELECT call_id FROM cdr_verify_calls('nobody');
SELECT cdr_ingest_event('{"eventType":"no call","timestamp":"2025-12-24T12:00:00Z"}');
SELECT call_id FROM cdr_verify_calls('');
SELECT call_id FROM cdr_calls_from_log('');
SELECT call_id FROM cdr_verify_calls(from_time => '2025-12-01Z', to_time => '2026-01-01Z');
SELECT call_id FROM cdr_verify_calls(from_time => '2025-12-01 00:01:00Z', to_time => '2025-12-01 00:01:01Z');
SELECT call_id FROM cdr_verify_calls(to_time => '2025-12-01Z');
SELECT call_id FROM cdr_verify_calls(from_time => '2026-01-01Z');
SELECT call_id FROM cdr_verify_calls(from_time => '-infinity', to_time => 'infinity');
SELECT cdr_verify_calls(from_time => '2025-12-01Z', to_time => '2025-12-01Z');
SELECT cdr_verify_calls(from_time => '2025-12-02Z', to_time => '2025-12-01Z');
SELECT cdr_verify_calls('both', from_time => '2025-12-01Z');
SELECT call_id, event_count FROM cdr_calls_from_log('both');
SELECT call_id, event_count FROM cdr_calls_from_log() ORDER BY 1;
SELECT cdr_rebuild_calls('both'), cdr_rebuild_calls('nobody');
SELECT cdr_rebuild_calls(from_time => '2026-01-01Z');
SELECT call_id, caller_number FROM calls ORDER BY call_id;
SELECT cdr_rebuild_calls(from_time => '2025-12-01Z', to_time => '2026-01-01Z');
SELECT call_id, caller_number FROM calls ORDER BY call_id;
SELECT cdr_rebuild_calls();
SELECT cdr_rebuild_calls(from_time => '2025-12-01Z', to_time => '2026-01-01Z', prune => true);
SELECT count(*) FROM cdr_verify_calls();
-- what was retired stays, but where just that is named; a call that was going on at another time, too, is named only by its id
ALTER TABLE call_events DETACH PARTITION call_events_20251101;
SELECT call_id, stored ->> 'event_count' AS stored, expected ->> 'event_count' AS expected FROM cdr_verify_calls();
SELECT cdr_rebuild_calls(), cdr_rebuild_calls(from_time => '2025-11-01Z', to_time => '2025-12-01Z');
SELECT cdr_rebuild_calls(from_time => '2025-12-01Z', to_time => '2026-01-01Z', prune => true);
SELECT call_id FROM calls ORDER BY call_id;
SELECT cdr_rebuild_calls(from_time => '2025-11-01Z', to_time => '2025-12-01Z', prune => true);
SELECT call_id, event_count FROM calls ORDER BY call_id;
SELECT cdr_rebuild_calls('both', prune => true);
SELECT call_id, event_count FROM calls ORDER BY call_id;
-- an event that is attached again
ALTER TABLE call_events ATTACH PARTITION call_events_20251101 FOR VALUES FROM ('2025-11-01Z') TO ('2025-12-01Z');
SELECT cdr_rebuild_calls();
SELECT call_id, event_count FROM calls ORDER BY call_id;
SELECT count(*) FROM cdr_verify_calls();

DROP TABLE good;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
