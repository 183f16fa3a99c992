-- Timestamps: RFC 3339 to the microsecond, rounded as the server does, and
-- nothing that depends on the clock or on settings.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

CREATE FUNCTION server_reads(text) RETURNS timestamptz LANGUAGE plpgsql AS
$$ BEGIN RETURN $1::timestamptz; EXCEPTION WHEN OTHERS THEN RETURN NULL; END $$;
CREATE TABLE times (n int GENERATED ALWAYS AS IDENTITY, text text);
INSERT INTO times (text) VALUES
	('2026-01-19T22:00:03.25+00:00'), ('2026-01-19T22:00:03Z'), ('2026-01-19t22:00:03z'), ('2026-01-19 22:00:03Z'),
	('2026-01-19T22:00:03'), ('2026-01-19T22:00:03+03'), ('2026-01-19T22:00:03+0300'), ('2026-01-19T22:00:03+03:00'),
	('2026-01-19T22:00:03-03:30'), ('2026-01-19T22:00:03-00:00'), ('2026-01-19T22:00:03+15:59'), ('2026-01-19T22:00:03-15:59'),
	('2026-01-19T22:00:03.1Z'), ('2026-01-19T22:00:03.000001Z'), ('2026-01-19T22:00:03.123456Z'),
	('2026-01-19T22:00:03.1234564Z'), ('2026-01-19T22:00:03.1234565Z'), ('2026-01-19T22:00:03.1234566Z'), ('2026-01-19T22:00:03.1234575Z'),
	('2026-01-19T22:00:03.123456789Z'), ('2026-01-19T22:00:03.9999994Z'), ('2026-01-19T22:00:03.9999995Z'),
	('2026-01-19T22:00:03.999999999Z'), ('2025-12-31T23:59:59.9999999Z'), ('2024-02-29T12:00:00Z'), ('2000-02-29T12:00:00Z'),
	('2016-12-31T23:59:60Z'), ('0001-01-01T00:00:01Z'), ('0001-01-01T00:00:00+00:01'), ('1582-10-10T00:00:00Z'), ('1969-12-31T23:59:59.999999Z'), ('1970-01-01T00:00:00Z'),
	('1999-12-31T23:59:59.5Z'), ('2000-01-01T00:00:00Z'), ('9999-12-31T23:59:59.999999Z'),
	-- of these the server takes some, we none: they are no RFC 3339
	('2026-01-19'), ('2026-01-19T22:00Z'), ('20260119T220003Z'), ('2026-1-19T22:00:03Z'), ('26-01-19T22:00:03Z'), ('01/19/2026 22:00:03'),
	('Mon, 19 Jan 2026 22:00:03 GMT'), ('2026-01-19T22:00:03 Europe/Istanbul'), ('2026-01-19T24:00:00Z'), ('2026-01-19T22:00:03.Z'), (' 2026-01-19T22:00:03Z'),
	('now'), ('today'), ('infinity'), ('-infinity'), ('epoch'), ('1768860003'), ('10000-01-01T00:00:00Z'),
	-- and these nobody takes
	('2023-02-29T00:00:00Z'), ('1900-02-29T00:00:00Z'), ('2026-04-31T00:00:00Z'), ('2026-13-01T00:00:00Z'), ('2026-00-01T00:00:00Z'), ('2026-01-00T00:00:00Z'),
	('2026-01-19T23:60:00Z'), ('2016-12-31T23:59:61Z'), ('2026-01-19T22:00:03+16:00'), ('2026-01-19T22:00:03+03:60'), ('2026-01-19T22:00:03Zx'), ('0000-01-01T00:00:00Z'), ('yesterday''s'), ('');
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'x', 'callId', 'time ' || n, 'timestamp', text))) FROM times;
SELECT text, CASE WHEN e.event_time <> received_at THEN e.event_time END AS event_time,
	   CASE WHEN e.event_time = received_at THEN 'none' WHEN e.event_time = server_reads(text) THEN 'as the server' ELSE 'unlike the server' END AS taken
FROM times JOIN call_events AS e ON call_id = 'time ' || n ORDER BY n;

-- the session's settings do not matter
SET timezone = 'Asia/Kathmandu';
SET datestyle = 'SQL, DMY';
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'x', 'callId', 'again ' || n, 'timestamp', text))) FROM times;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SELECT count(*) AS differ FROM times JOIN call_events AS a ON a.call_id = 'time ' || n JOIN call_events AS b ON b.call_id = 'again ' || n
WHERE a.event_time <> b.event_time AND NOT (a.event_time = a.received_at AND b.event_time = b.received_at);

-- other values than text are none, but a number is its digits, which are no timestamp
SELECT cdr_ingest_events(array_agg(('{"callId":"kind ' || n || '","timestamp":' || v || '}')::json))
FROM unnest(ARRAY['null', 'true', '1768860003', '["2026-01-19T22:00:03Z"]', '{"seconds":1768860003}']) WITH ORDINALITY AS x(v, n);
SELECT count(*) FROM call_events WHERE call_id LIKE 'kind %' AND event_time = received_at;

-- at random: any date, 0 to 9 digits, any offset, exactly as the server
SELECT setseed(0.25);
CREATE TABLE random_times AS
SELECT n, to_char(timestamp '0001-01-02' + random() * 3652055 * interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS')
	|| CASE WHEN digits > 0 THEN '.' || lpad(floor(random() * 10 ^ digits)::bigint::text, digits, '0') ELSE '' END
	|| CASE n % 3 WHEN 0 THEN 'Z' WHEN 1 THEN to_char(floor(random() * 16), 'FMSG00') || ':' || to_char(floor(random() * 60), 'FM00')
	   ELSE '-' || to_char(floor(random() * 16), 'FM00') || to_char(floor(random() * 60), 'FM00') END AS text
FROM generate_series(1, 20000) AS n, LATERAL (SELECT n % 10 AS digits) AS d;
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'x', 'callId', 'random ' || n, 'timestamp', text))) FROM random_times;
-- ten thousand halves of a microsecond, where rounding decides
INSERT INTO random_times SELECT 20001 + n, '2026-01-19T22:00:03.' || lpad(n::text, 6, '0') || '5Z' FROM generate_series(0, 9999) AS n;
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'x', 'callId', 'random ' || n, 'timestamp', text))) FROM random_times;
SELECT count(*) AS tried, count(*) FILTER (WHERE event_time <> text::timestamptz) AS differ, count(*) FILTER (WHERE event_time = received_at) AS untaken
FROM random_times JOIN call_events ON call_id = 'random ' || n;

DROP TABLE times, random_times;
DROP FUNCTION server_reads;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
