-- Events of a time whose partition was detached: repetitions are not recorded
-- as new, nothing counts twice, and the partition can be attached again.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

CREATE FUNCTION ev(type text, call text, at text, n integer DEFAULT 0) RETURNS json LANGUAGE sql AS
$$ SELECT json_strip_nulls(json_build_object('eventType', type, 'callId', call, 'timestamp', at, 'n', n)) $$;
CREATE VIEW state AS SELECT call_id, event_count, (SELECT count(*) FROM call_events AS e WHERE e.call_id = c.call_id) AS in_log FROM calls AS c ORDER BY call_id;

SELECT cdr_create_partitions('2016-01-01', '2016-03-31');
SELECT cdr_ingest_events(ARRAY[ev('call.started', 'gone', '2016-01-10T12:00:00Z'), ev('call.ended', 'gone', '2016-01-10T12:01:00Z'),
	ev('call.started', 'half', '2016-01-31T23:59:00Z'), ev('call.ended', 'half', '2016-02-01T00:01:00Z'),
	ev('call.started', 'here', '2016-02-10T12:00:00Z'),
	ev('call.started', 'early', '2015-12-31T12:00:00Z'),
	ev('nothing', '', '2016-01-10T12:00:00Z')]);
ALTER TABLE call_events DETACH PARTITION call_events_20160101;

-- repetitions, and others that could be one
SELECT cdr_ingest_event(ev('call.started', 'gone', '2016-01-10T12:00:00Z'));
SELECT cdr_ingest_event(ev('call.answered', 'gone', '2016-01-10T12:00:30Z'));
SELECT cdr_ingest_events(ARRAY[ev('call.started', 'here', '2016-02-10T12:00:01Z'), ev('call.started', 'half', '2016-01-31T23:59:00Z')]);
-- also where the partition was made again; another event of such a call, of an older time, cannot be told from one
BEGIN;
SELECT cdr_create_partitions('2016-01-01', '2016-01-31');
SELECT cdr_ingest_event(ev('call.ended', 'gone', '2016-01-10T12:01:00Z'));
ROLLBACK;
-- but what the log holds is known, and what is of the last partitions
SELECT cdr_create_partitions(now() - interval '31 days', now() + interval '31 days') > 1 AS made;
SELECT cdr_ingest_event(ev('call.answered', 'half', '2016-02-01T00:00:10Z'));
SELECT cdr_ingest_event(ev('call.answered', 'half', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))) AS new;
-- none: of the log, of a call of which nothing was retired, in the default partition already, of the time to come
SELECT cdr_ingest_event(ev('call.ended', 'half', '2016-02-01T00:01:00Z')) AS repeated;
SELECT cdr_ingest_event(ev('call.answered', 'here', '2016-01-10T12:00:30Z')) AS new;
SELECT cdr_ingest_event(ev('call.started', 'never seen', '2016-01-10T12:00:30Z')) AS new;
SELECT cdr_ingest_event(ev('call.started', 'early', '2015-12-31T12:00:00Z')) AS repeated;
SELECT cdr_ingest_event(ev('call.ended', 'gone', '2036-01-10T12:00:30Z')) AS new;
SELECT * FROM state;

-- as dead letters they stay, and hold up no other
CREATE FUNCTION letter(event json) RETURNS void LANGUAGE sql AS $$
	INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, body_size, body)
	VALUES (encode(substr(sha256(decode('ffffffff', 'hex') || convert_to(event::text, 'UTF8')), 1, 16), 'hex')::uuid, now(), now(), 'P0001', 'x', 1, convert_to(event::text, 'UTF8'))
$$;
SELECT letter(ev('call.started', 'gone', '2016-01-10T12:00:00Z')), letter(ev('call.started', 'half', '2016-01-31T23:59:00Z')),
	letter(ev('call.answered', 'gone', '2016-01-10T12:00:30Z')), letter(ev('call.ended', 'here', '2016-02-10T12:00:30Z'));
SELECT cdr_retry_dead_letters();
SELECT attempts, sqlstate, message FROM cdr_dead_letters() ORDER BY convert_from((SELECT body FROM dead_letters AS d WHERE d.event_id = cdr_dead_letters.event_id), 'UTF8');
SELECT cdr_retry_dead_letters();
SELECT * FROM state;

-- attached again: what came late meanwhile makes room and comes back
BEGIN;
LOCK TABLE call_events;
CREATE TEMP TABLE late AS SELECT * FROM call_events_default WHERE event_time >= '2016-01-01Z' AND event_time < '2016-02-01Z';
DELETE FROM call_events_default WHERE event_time >= '2016-01-01Z' AND event_time < '2016-02-01Z';
ALTER TABLE call_events ATTACH PARTITION call_events_20160101 FOR VALUES FROM ('2016-01-01Z') TO ('2016-02-01Z');
INSERT INTO call_events SELECT * FROM late ON CONFLICT DO NOTHING;
COMMIT;
SELECT cdr_retry_dead_letters();
SELECT attempts, sqlstate, message FROM cdr_dead_letters();
SELECT * FROM state;
SELECT count(*) FROM cdr_verify_calls();

-- between two partitions; a call that is pruned is known by its log alone
ALTER TABLE call_events DETACH PARTITION call_events_20160201;
SELECT cdr_ingest_event(ev('call.ended', 'half', '2016-02-01T00:01:00Z'));
SELECT cdr_rebuild_calls('half', prune => true);
SELECT cdr_ingest_event(ev('call.ended', 'half', '2016-02-01T00:01:00Z')) AS new;
SELECT * FROM state WHERE call_id = 'half';

-- a correction from before the events of its call, whose partition goes before theirs
SELECT cdr_create_partitions('2090-01-01', '2090-01-31');
SELECT cdr_correct_call('corrected', '{"trunk": "gw-1"}', 'early', before_events => true) IS NOT NULL AS corrected;
SELECT cdr_ingest_events(ARRAY[ev('call.started', 'corrected', '2090-01-10T12:00:00Z'), ev('call.ended', 'corrected', '2090-01-10T12:01:00Z')]);
SELECT tableoid::regclass AS partition FROM call_events WHERE call_id = 'corrected' AND time_source = 'f' \gset
BEGIN;
ALTER TABLE call_events DETACH PARTITION :partition;
SELECT call_id, differing FROM cdr_verify_calls('corrected');
UPDATE calls SET status = 'RINGING' WHERE call_id = 'corrected';
SELECT cdr_rebuild_calls('corrected');
SELECT status, trunk FROM calls WHERE call_id = 'corrected';
SELECT * FROM state WHERE call_id = 'corrected';
ROLLBACK;

-- so does one that a later correction overruled: the row does not say when that was
SELECT cdr_correct_call('corrected', '{"trunk": "gw-2"}', 'late') IS NOT NULL AS corrected;
UPDATE call_events SET event_time = '2090-01-11 12:00Z' WHERE call_id = 'corrected' AND payload::text LIKE '%gw-2%';
SELECT cdr_rebuild_calls('corrected');
BEGIN;
ALTER TABLE call_events DETACH PARTITION :partition;
SELECT call_id, differing FROM cdr_verify_calls('corrected');
UPDATE calls SET status = 'RINGING' WHERE call_id = 'corrected';
SELECT cdr_rebuild_calls('corrected');
SELECT status, trunk FROM calls WHERE call_id = 'corrected';
SELECT * FROM state WHERE call_id = 'corrected';
SELECT call_id, differing FROM cdr_verify_calls('corrected');
ROLLBACK;

-- no partition, or none but the default one: nothing is known to be retired
ALTER TABLE call_events DETACH PARTITION call_events_20160101;
ALTER TABLE call_events DETACH PARTITION call_events_20160301;
DO $$
DECLARE
	p regclass;
BEGIN
	FOR p IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'call_events'::regclass AND inhrelid <> 'call_events_default'::regclass LOOP
		EXECUTE format('ALTER TABLE call_events DETACH PARTITION %s; DROP TABLE %1$s', p);
	END LOOP;
END $$;
SELECT cdr_ingest_event(ev('call.answered', 'gone', '2016-01-10T12:00:30Z', 1)) AS new;
ALTER TABLE call_events DETACH PARTITION call_events_default;
\set VERBOSITY terse
SELECT cdr_ingest_event(ev('call.answered', 'gone', '2016-01-10T12:00:30Z', 2));
\set VERBOSITY default

DROP FUNCTION ev, letter;
DROP VIEW state;
DROP TABLE late;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, call_events_20160101, call_events_20160201, call_events_20160301, call_events_default, dead_letters;
