-- When each event was recorded, which no other was, and its salt.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

-- one event after the other: each later than the one before it, and not before
-- it came nor after it could be seen
CREATE TABLE clock (at timestamptz);
INSERT INTO clock VALUES (clock_timestamp());
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"z","timestamp":"2026-01-20T12:00:00Z"}');
SELECT cdr_ingest_event('{"eventType":"call.ringing","callId":"a","timestamp":"2026-01-20T11:00:00Z"}');
SELECT cdr_ingest_message('{"eventType":"call.ended","callId":"m","timestamp":"2026-01-20T10:00:00Z"}', message_id => '1');
SELECT event_type FROM call_events ORDER BY recorded_at;
SELECT bool_and(recorded_at >= received_at AND recorded_at > at AND recorded_at < clock_timestamp()) AS "in time",
	count(DISTINCT recorded_at) AS times, count(DISTINCT salt) AS salts
FROM call_events, clock;

-- one that comes again changes nothing, alone or among others
CREATE TABLE was AS SELECT event_id, recorded_at, salt FROM call_events;
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"z","timestamp":"2026-01-20T12:00:00Z"}');
SELECT cdr_ingest_events(ARRAY[
	'{"eventType":"call.answered","callId":"z","timestamp":"2026-01-20T12:00:05Z"}',
	'{"eventType":"call.started","callId":"z","timestamp":"2026-01-20T12:00:00Z"}',
	'{"eventType":"call.ended","callId":"z","timestamp":"2026-01-20T12:00:09Z"}']::json[]);
SELECT event_id, recorded_at, salt FROM was EXCEPT SELECT event_id, recorded_at, salt FROM call_events;
SELECT event_type, recorded_at > (SELECT max(recorded_at) FROM was) AS later
FROM call_events WHERE call_id = 'z' ORDER BY event_time;

-- a batch is numbered without a gap, day by day of UTC, and within a day by
-- call, whatever order the events come in
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'x', 'callId', 'day ' || i % 3,
	'timestamp', timestamptz '1999-12-30T21:00:00Z' + i * interval '1 hour') ORDER BY i * 7919 % 1000))
FROM generate_series(0, 99) AS i;
WITH numbered AS (
	SELECT *, (event_time AT TIME ZONE 'UTC')::date AS day, row_number() OVER (ORDER BY recorded_at) AS n
	FROM call_events WHERE call_id LIKE 'day %')
SELECT day, call_id, count(*), max(n) - min(n) + 1 AS numbers, row_number() OVER (ORDER BY min(n)) AS place
FROM numbered GROUP BY day, call_id ORDER BY day, call_id;
SELECT max(recorded_at) - min(recorded_at) AS "from first to last", count(DISTINCT recorded_at) AS times, count(DISTINCT salt) AS salts
FROM call_events WHERE call_id LIKE 'day %';

-- salts are random: every bit of them is 1 as often as not
SELECT cdr_ingest_events(array_agg(json_build_object('callId', 'salted', 'n', i))) FROM generate_series(1, 2000) AS i;
SELECT count(DISTINCT salt) AS salts,
	(SELECT count(*) FROM (SELECT avg(get_bit(uuid_send(salt), bit)) AS ones FROM call_events, generate_series(0, 127) AS bit
		WHERE call_id = 'salted' GROUP BY bit) AS of_bit WHERE ones BETWEEN 0.42 AND 0.58) AS "fair bits"
FROM call_events WHERE call_id = 'salted';

-- nothing that a message says is taken for it
SELECT cdr_ingest_message(convert_to('{"eventType":"call.started","callId":"enemy","timestamp":"' || time || '",'
	'"recorded_at":"2000-01-01T00:00:00Z","recordedAt":"2000-01-01T00:00:00Z","salt":"00000000-0000-0000-0000-000000000000"}', 'UTF8'),
	property_time => '2099-12-31 00:00+00')
FROM (VALUES ('9999-12-31T23:59:59Z'), ('0001-01-02T00:00:00Z'), ('x')) AS v(time);
SELECT recorded_at > (SELECT max(recorded_at) FROM call_events WHERE call_id = 'salted') AND recorded_at < clock_timestamp() AS "in time",
	salt <> '00000000-0000-0000-0000-000000000000' AS salted
FROM call_events WHERE call_id = 'enemy';

-- a batch of which a part is refused, and dead letters that become events: as
-- any other, when they are recorded
ALTER TABLE call_events ADD CONSTRAINT no_ringing CHECK (event_type <> 'ring' OR call_id <> 'held') NOT VALID;
\set VERBOSITY terse
SELECT cdr_ingest_event('{"eventType":"ring","callId":"held","timestamp":"2026-01-20T12:00:00Z"}');
\set VERBOSITY default
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, body_size, body)
SELECT encode(substr(sha256('\xffffffff' || body), 1, 16), 'hex')::uuid, '2026-01-20 12:00+00', '2026-01-20 12:00+00', '23514', '', length(body), body
FROM (SELECT convert_to(format('{"eventType":"%s","callId":"held","timestamp":"2026-01-20T12:00:0%sZ"}',
	CASE WHEN i IN (3, 4) THEN 'ring' ELSE 'x' END, i), 'UTF8') AS body FROM generate_series(0, 7) AS i) AS bodies;
SELECT cdr_retry_dead_letters();
ALTER TABLE call_events DROP CONSTRAINT no_ringing;
SELECT cdr_retry_dead_letters();
SELECT event_type, count(*), count(DISTINCT recorded_at) AS times, count(DISTINCT salt) AS salts, min(recorded_at) > max(at) AS "in time"
FROM call_events, clock WHERE call_id = 'held' GROUP BY event_type ORDER BY min(recorded_at);

-- rows keep both when they move to a partition of their own
DROP TABLE was;
CREATE TABLE was AS SELECT event_id, recorded_at, salt FROM call_events;
SET cdr_service.partition_interval = 'month';
SELECT cdr_create_partitions('2026-01-01', '2026-01-31');
SELECT count(*) FROM call_events_20260101;
SELECT event_id, recorded_at, salt FROM was EXCEPT SELECT event_id, recorded_at, salt FROM call_events;

-- rows that somebody else has written may have neither, and count as any other
INSERT INTO call_events (event_time, received_at, event_id, call_id, event_type, payload)
SELECT '2026-01-20 12:00+00', '2026-01-20 12:00+00', encode(substr(sha256('\xffffffff' || convert_to(body, 'UTF8')), 1, 16), 'hex')::uuid, 'by hand', 'call.started', body::json
FROM (VALUES ('{"eventType":"call.started","callId":"by hand","timestamp":"2026-01-20T12:00:00Z"}')) AS v(body);
SELECT count(*) FROM cdr_rebuild_calls('by hand');
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"by hand","timestamp":"2026-01-20T12:00:00Z"}');
SELECT call_id, status, event_count FROM calls WHERE call_id = 'by hand';
SELECT count(*) FROM cdr_verify_calls();

DROP TABLE clock, was;
DROP EXTENSION cdr_service;
SET cdr_service.allow_drop = on;
DROP TABLE call_events, calls, dead_letters;
