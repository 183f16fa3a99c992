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

-- A call of which all is said.  Each column there is, of those that a DBA cannot
-- have added, is changed and made NULL: verify names it, and rebuild mends it.
-- What is the DBA's stays as it is, and what follows from other columns, follows.
SELECT cdr_ingest_events(ARRAY[
	'{"eventType":"call.started","callId":"full","timestamp":"2026-01-19T22:00:00Z","from":"1001","to":"+902121112233","tenantId":"t","trunk":"gw-1"}',
	'{"eventType":"call.ringing","callId":"full","timestamp":"2026-01-19T22:00:02Z"}',
	'{"eventType":"user.identified.for_call","callId":"full","timestamp":"2026-01-19T22:00:03Z","userId":"u","contactId":7}',
	'{"eventType":"call.answered","callId":"full","timestamp":"2026-01-19T22:00:05Z"}',
	'{"eventType":"call.ended","callId":"full","timestamp":"2026-01-19T22:01:05Z","reason":"user_hangup","hangupSource":"user","sipStatus":200}',
	'{"eventType":"call.recording.available","callId":"full","timestamp":"2026-01-19T22:02:00Z","uri":"s3://r/full"}',
	'{"eventType":"call.started","callId":"full","timestamp":"2026-01-20T22:00:00Z"}']::json[]);
ALTER TABLE calls ADD x_note text DEFAULT 'new', ADD x_from text GENERATED ALWAYS AS ('from ' || caller_number) STORED;
UPDATE calls SET x_note = 'noted';
CREATE TABLE good AS SELECT * FROM calls;
SELECT a.attname AS empty FROM pg_attribute AS a, to_jsonb((SELECT c FROM calls AS c WHERE call_id = 'full')) AS j
WHERE attrelid = 'calls'::regclass AND attnum > 0 AND NOT attisdropped AND j ->> attname IS NULL;

CREATE FUNCTION other_value(name name, type regtype) RETURNS text LANGUAGE sql AS $$
	SELECT format(CASE type
		WHEN 'text'::regtype THEN '%1$I || ''~'''
		WHEN 'timestamptz'::regtype THEN '%1$I - interval ''1 microsecond'''
		WHEN 'integer'::regtype THEN '%1$I - 1'
		WHEN 'bigint'::regtype THEN '%1$I - 1'
		WHEN 'text[]'::regtype THEN '%1$I || ''{odd}'''
		WHEN 'bytea'::regtype THEN 'set_byte(%1$I, length(%1$I) - 1, 255 - get_byte(%1$I, length(%1$I) - 1))' END, name)
$$;
CREATE TABLE tried (attname text, made_null boolean, differing text[], rebuilt bigint, "left" bigint);
DO $$
DECLARE
	a record;
	v record;
	rebuilt bigint;
BEGIN
	FOR a IN SELECT attname, atttypid::regtype AS type, made_null FROM pg_attribute, unnest('{false,true}'::boolean[]) AS made_null
		WHERE attrelid = 'calls'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attname NOT LIKE 'x\_%'
		AND attname <> 'call_id' AND NOT (made_null AND attnotnull) ORDER BY attnum, made_null
	LOOP
		EXECUTE format('UPDATE calls SET %I = %s WHERE call_id = %L', a.attname, CASE WHEN a.made_null THEN 'NULL' ELSE other_value(a.attname, a.type) END, 'full');
		SELECT * INTO STRICT v FROM cdr_verify_calls();
		IF v.call_id <> 'full' OR v.stored - v.differing <> v.expected - v.differing OR v.stored -> v.differing[1] = v.expected -> v.differing[1] THEN
			RAISE EXCEPTION '%', v;
		END IF;
		rebuilt = cdr_rebuild_calls();
		INSERT INTO tried SELECT a.attname, a.made_null, v.differing, rebuilt,
			(SELECT count(*) FROM cdr_verify_calls()) + (SELECT count(*) FROM (SELECT * FROM calls EXCEPT SELECT * FROM good) AS x);
	END LOOP;
END $$;
SELECT * FROM tried;
-- two at once
UPDATE calls SET caller_number = NULL, end_time = answer_time WHERE call_id = 'v1';
SELECT call_id, differing FROM cdr_verify_calls();
-- the key: a row without events, and events without a row
UPDATE calls SET call_id = 'elsewhere' WHERE call_id = 'full';
SELECT call_id, differing, stored IS NULL AS no_row, expected IS NULL AS no_events FROM cdr_verify_calls();
SELECT cdr_rebuild_calls(), cdr_rebuild_calls('elsewhere', prune => true);
-- what the DBA added begins anew in a row that was not there
SELECT call_id, x_note, x_from FROM calls EXCEPT SELECT call_id, x_note, x_from FROM good;
UPDATE calls SET x_note = 'noted';
SELECT count(*) FROM (SELECT * FROM calls EXCEPT SELECT * FROM good) AS x;
-- generated ones follow; nobody changes them
UPDATE calls SET caller_number = 'x' WHERE call_id = 'v2';
SELECT x_from FROM calls WHERE call_id = 'v2';
UPDATE calls SET duration_seconds = 1 WHERE call_id = 'v2';
SELECT differing, cdr_rebuild_calls('v2') FROM cdr_verify_calls();
SELECT x_from FROM calls WHERE call_id = 'v2';

-- some of them are wrong, one cannot be read, one has no row, another no events
UPDATE calls SET event_count = 4 WHERE call_id = 'v12';
UPDATE calls SET merge_state = '\xff' WHERE call_id = 'v22';
DELETE FROM calls WHERE call_id = 'v23';
INSERT INTO calls (call_id, event_count, first_event_time, last_event_time) VALUES ('ghost', 1, now(), now());
SELECT call_id, differing, stored IS NULL AS no_row, expected IS NULL AS no_events FROM cdr_verify_calls();

-- rebuilt: all that the log knows
SELECT cdr_rebuild_calls();
SELECT call_id, stored ->> 'event_count' AS stored, expected FROM cdr_verify_calls();
-- a row that counts more events than the log holds may be all that retention left: only on demand
SELECT cdr_rebuild_calls(prune => true);
SELECT cdr_rebuild_calls('v1', prune => true) AS right, cdr_rebuild_calls('nobody', prune => true) AS nobody, cdr_rebuild_calls('ghost', prune => true) AS ghost;
SELECT * FROM cdr_verify_calls();
UPDATE calls SET x_note = 'noted';
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
UPDATE calls SET x_note = 'noted';
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

-- one call, those of a list, or those of a stretch of time: with all of their events, also those of another time
DROP TABLE good;
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
SELECT cdr_verify_calls('both', call_ids => '{both}');
SELECT cdr_verify_calls(call_ids => '{both}', to_time => '2025-12-01Z');
SELECT cdr_rebuild_calls(call_ids => '{both}', to_time => '2025-12-01Z');
-- each of a list once, whatever is in it
SELECT call_id FROM cdr_verify_calls(call_ids => ARRAY['november', NULL, 'nobody', '', 'both', 'bot', 'november', 'ghost']);
SELECT call_id FROM cdr_verify_calls(call_ids => '{}');
SELECT count(*) FROM cdr_verify_calls(call_ids => (SELECT array_agg(call_id) || array_agg(n::text) FROM calls, generate_series(1, 3000) AS n));
SELECT call_id, event_count FROM cdr_calls_from_log('both');
SELECT call_id, event_count FROM cdr_calls_from_log() ORDER BY 1;
SELECT cdr_rebuild_calls('both'), cdr_rebuild_calls('nobody');
UPDATE calls SET caller_number = 'x' WHERE call_id = 'both';
SELECT cdr_rebuild_calls(call_ids => '{}'), cdr_rebuild_calls(call_ids => '{nobody,both}'), cdr_rebuild_calls(call_ids => '{both,november}');
UPDATE calls SET caller_number = 'x' WHERE call_id = 'november';
SELECT cdr_rebuild_calls(from_time => '2026-01-01Z');
SELECT call_id, caller_number FROM calls ORDER BY call_id;
SELECT cdr_rebuild_calls(from_time => '2025-12-01Z', to_time => '2026-01-01Z');
SELECT call_id, caller_number FROM calls ORDER BY call_id;
SELECT cdr_rebuild_calls();
SELECT cdr_rebuild_calls(from_time => '2025-12-01Z', to_time => '2026-01-01Z', prune => true);
SELECT count(*) FROM cdr_verify_calls();
-- what was retired is nothing that differs: what its row says is compared with what is left
ALTER TABLE call_events DETACH PARTITION call_events_20251101;
SELECT call_id, differing FROM cdr_verify_calls();
SELECT cdr_rebuild_calls(), cdr_rebuild_calls(from_time => '2025-11-01Z', to_time => '2025-12-01Z');
CREATE TABLE good AS SELECT * FROM calls;
-- so what is wrong is seen, too, and mended: what follows from other columns, and what the events that are left say
UPDATE calls SET status = 'RINGING', disposition = 'BUSY' WHERE call_id = 'november';
UPDATE calls SET end_time = NULL, anomalies = '{odd}' WHERE call_id = 'both';
SELECT call_id, differing, expected ->> 'event_count' AS events FROM cdr_verify_calls();
SELECT cdr_rebuild_calls();
SELECT count(*) FROM (SELECT * FROM calls EXCEPT SELECT * FROM good) AS x;
-- of a row that cannot be read nothing is known but what is left; it is written only if that is asked for
UPDATE calls SET merge_state = NULL WHERE call_id IN ('november', 'both');
SELECT call_id, stored ->> 'event_count' AS stored, expected ->> 'event_count' AS expected FROM cdr_verify_calls();
SELECT cdr_rebuild_calls();
UPDATE calls AS c SET merge_state = g.merge_state FROM good AS g WHERE g.call_id = c.call_id;
-- events that are gone from a partition that is there were not retired: that differs, and is written only if that is asked for
BEGIN;
DELETE FROM call_events WHERE call_id = 'december';
SELECT call_id, stored ->> 'event_count' AS stored, expected ->> 'event_count' AS expected FROM cdr_verify_calls();
SELECT cdr_rebuild_calls();
ROLLBACK;
-- what was retired is forgotten where just that is named; a call that was going on at another time, too, is named only by its id
SELECT cdr_rebuild_calls(from_time => '2025-12-01Z', to_time => '2026-01-01Z', prune => true);
SELECT call_id FROM calls ORDER BY call_id;
SELECT cdr_rebuild_calls(from_time => '2025-11-01Z', to_time => '2025-12-01Z', prune => true);
SELECT call_id, event_count FROM calls ORDER BY call_id;
SELECT cdr_rebuild_calls(call_ids => '{both,december,january}', prune => true);
SELECT call_id, event_count FROM calls ORDER BY call_id;
-- an event that is attached again
ALTER TABLE call_events ATTACH PARTITION call_events_20251101 FOR VALUES FROM ('2025-11-01Z') TO ('2025-12-01Z');
SELECT cdr_rebuild_calls();
SELECT call_id, event_count FROM calls ORDER BY call_id;
SELECT count(*) FROM cdr_verify_calls();

-- in slices, each in a transaction of its own
UPDATE calls SET caller_number = 'x';
CALL cdr_rebuild_calls_in_slices('both');
CALL cdr_rebuild_calls_in_slices(call_ids => '{december,nobody}');
CALL cdr_rebuild_calls_in_slices(from_time => '2026-01-01Z');
CALL cdr_rebuild_calls_in_slices(slice => 1);
SELECT count(*) FROM cdr_verify_calls();
INSERT INTO calls (call_id, event_count, first_event_time, last_event_time) VALUES ('ghost', 1, '2025-12-02', '2025-12-03');
CALL cdr_rebuild_calls_in_slices();
CALL cdr_rebuild_calls_in_slices(prune => true);
CALL cdr_rebuild_calls_in_slices(from_time => '2025-12-01Z', prune => true);
SELECT count(*) FROM cdr_verify_calls();
-- more than work_mem holds
SET work_mem = '64kB';
INSERT INTO calls (call_id, event_count, first_event_time, last_event_time) SELECT n || repeat('x', 200), 1, '2025-12-02', '2025-12-03' FROM generate_series(1, 2500) AS n;
CALL cdr_rebuild_calls_in_slices(from_time => '2025-12-01Z', to_time => '2025-12-24Z', prune => true);
RESET work_mem;
SELECT count(*) FROM calls;
-- what was done before an error stays done; deferred constraints are checked at once
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused as %: %', current_user, NEW.call_id; END $$;
UPDATE calls SET caller_number = 'x';
CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON calls DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.call_id = 'december') EXECUTE FUNCTION refuse();
\set VERBOSITY terse
CALL cdr_rebuild_calls_in_slices(slice => 1);
\set VERBOSITY default
DROP TRIGGER refuse ON calls;
DROP FUNCTION refuse;
SELECT call_id, differing FROM cdr_verify_calls();
DO $$
DECLARE
	n bigint;
BEGIN
	CALL cdr_rebuild_calls_in_slices(rebuilt => n);
	RAISE NOTICE '% rebuilt', n;
END $$;
SELECT count(*) FROM cdr_verify_calls();
CALL cdr_rebuild_calls_in_slices(slice => 0);
CALL cdr_rebuild_calls_in_slices('both', call_ids => '{both}');
BEGIN;
CALL cdr_rebuild_calls_in_slices();
ROLLBACK;
DO $$
DECLARE
	n bigint;
BEGIN
	CALL cdr_rebuild_calls_in_slices(rebuilt => n);
EXCEPTION WHEN division_by_zero THEN
END $$;

DROP FUNCTION other_value;
DROP TABLE good, tried;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
