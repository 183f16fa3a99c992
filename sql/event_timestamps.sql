-- Times in every spelling that has one meaning only, to the microsecond, rounded
-- as the server does, and nothing that depends on the clock or on settings.
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
	-- no RFC 3339, and of one meaning
	('2026-01-19T22:00Z'), ('20260119T220003Z'), ('2026-1-19T22:00:03Z'), ('Mon, 19 Jan 2026 22:00:03 GMT'), ('2026-01-19T24:00:00Z'), (' 2026-01-19T22:00:03Z'), ('1768860003'),
	-- of these the server takes some, we none: their meaning depends on something, or they are no times
	('2026-01-19'), ('26-01-19T22:00:03Z'), ('01/19/2026 22:00:03'), ('2026-01-19T22:00:03 Europe/Istanbul'), ('2026-01-19T22:00:03.Z'),
	('now'), ('today'), ('infinity'), ('-infinity'), ('epoch'), ('10000-01-01T00:00:00Z'),
	-- and these nobody takes
	('2023-02-29T00:00:00Z'), ('1900-02-29T00:00:00Z'), ('2026-04-31T00:00:00Z'), ('2026-13-01T00:00:00Z'), ('2026-00-01T00:00:00Z'), ('2026-01-00T00:00:00Z'),
	('2026-01-19T23:60:00Z'), ('2016-12-31T23:59:61Z'), ('2026-01-19T22:00:03+16:00'), ('2026-01-19T22:00:03+03:60'), ('2026-01-19T22:00:03Zx'), ('0000-01-01T00:00:00Z'), ('yesterday''s'), ('');
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'x', 'callId', 'time ' || n, 'timestamp', text))) FROM times;
SELECT text, CASE WHEN e.event_time <> received_at THEN e.event_time END AS event_time,
	   CASE WHEN e.event_time = received_at THEN 'none' WHEN server_reads(text) IS NULL THEN 'by us alone' WHEN e.event_time = server_reads(text) THEN 'as the server' ELSE 'unlike the server' END AS taken
FROM times JOIN call_events AS e ON call_id = 'time ' || n ORDER BY n;

-- the session's settings do not matter
SET timezone = 'Asia/Kathmandu';
SET datestyle = 'SQL, DMY';
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'x', 'callId', 'again ' || n, 'timestamp', text))) FROM times;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SELECT count(*) AS differ FROM times JOIN call_events AS a ON a.call_id = 'time ' || n JOIN call_events AS b ON b.call_id = 'again ' || n
WHERE a.event_time <> b.event_time AND NOT (a.event_time = a.received_at AND b.event_time = b.received_at);

-- the same moment as libraries print it: "plain" is how the server reads it
CREATE TABLE spellings (n int GENERATED ALWAYS AS IDENTITY, value json, plain timestamptz);
INSERT INTO spellings (value, plain) VALUES
	-- ISO 8601
	('"2026-03-02T10:00:00,125Z"', '2026-03-02 10:00:00.125'), ('"20260302T100000Z"', '2026-03-02 10:00:00'), ('"20260302T100000.125+0300"', '2026-03-02 07:00:00.125'), ('"20260302 1000"', '2026-03-02 10:00:00'),
	('"20260302T10:00:00Z"', '2026-03-02 10:00:00'), ('"2026-03-02T100000Z"', '2026-03-02 10:00:00'), ('"2026-03-02T10:00"', '2026-03-02 10:00:00'), ('"2026-03-02T10:00-05:00"', '2026-03-02 15:00:00'),
	('"20260302100000"', '2026-03-02 10:00:00'), ('20260302100000', '2026-03-02 10:00:00'), ('"20260302100000.125Z"', '2026-03-02 10:00:00.125'), ('"20260302100000+0100"', '2026-03-02 09:00:00'),
	('"2026-12-31T24:00:00Z"', '2027-01-01 00:00:00'), ('"2026/03/02 10:00:00"', '2026-03-02 10:00:00'), ('"2026-3-2 9:05:07"', '2026-03-02 09:05:07'),
	-- offsets
	('"2026-03-02 10:00:00 +0300"', '2026-03-02 07:00:00'), ('"2026-03-02 10:00:00 -03:30"', '2026-03-02 13:30:00'), ('"2026-03-02T10:00:00+3"', '2026-03-02 07:00:00'), ('"2026-03-02T10:00:00+01:56:56"', '2026-03-02 08:03:04'),
	('"2026-03-02 10:00:00 UTC"', '2026-03-02 10:00:00'), ('"2026-03-02 10:00:00 gmt"', '2026-03-02 10:00:00'), ('"2026-03-02 10:00:00 Z"', '2026-03-02 10:00:00'), ('"2026-03-02T10:00:00 GMT+0300"', '2026-03-02 07:00:00'),
	-- Go, Java
	('"2026-03-02 10:00:00.125 +0000 UTC"', '2026-03-02 10:00:00.125'), ('"2026-03-02 10:00:00.125 +0000 UTC m=+0.000012"', '2026-03-02 10:00:00.125'), ('"2026-03-02 10:00:00 +0300 +03"', '2026-03-02 07:00:00'),
	('"2026-03-02 10:00:00 +0100 CET"', '2026-03-02 09:00:00'), ('"2026-03-02T10:00:00Z[UTC]"', '2026-03-02 10:00:00'), ('"2026-03-02T10:00+03:00[Europe/Istanbul]"', '2026-03-02 07:00:00'), ('"2026-03-02T10:00:00+01:00[Europe/Paris][u-ca=gregory]"', '2026-03-02 09:00:00'),
	-- with words
	('"Mon, 02 Mar 2026 10:00:00 GMT"', '2026-03-02 10:00:00'), ('"Mon, 2 Mar 2026 10:00:00 +0300"', '2026-03-02 07:00:00'), ('"02 Mar 2026 10:00 +0000"', '2026-03-02 10:00:00'), ('"Monday, 02-Mar-2026 10:00:00 UTC"', '2026-03-02 10:00:00'),
	('"Mon Mar  2 10:00:00 2026"', '2026-03-02 10:00:00'), ('"Mon Mar 02 10:00:00 UTC 2026"', '2026-03-02 10:00:00'), ('"Mon Mar 02 10:00:00 -0500 2026"', '2026-03-02 15:00:00'), ('"mar 2 10:00:00.125 2026"', '2026-03-02 10:00:00.125'),
	('"Mon Mar 02 2026 10:00:00 GMT+0300 (Moscow Standard Time)"', '2026-03-02 07:00:00'), ('"March 2, 2026 10:00:00"', '2026-03-02 10:00:00'), ('" \tMon, 02 Mar 2026 10:00:00 +0000 (UTC)\r\n"', '2026-03-02 10:00:00'),
	-- numbers
	('1772445600', '2026-03-02 10:00:00'), ('"1772445600"', '2026-03-02 10:00:00'), ('1772445600.25', '2026-03-02 10:00:00.25'), ('"1772445600.123456"', '2026-03-02 10:00:00.123456'), ('1772445600.1234567', '2026-03-02 10:00:00.1234567'),
	('1.7724456e9', '2026-03-02 10:00:00'), ('17724456000E-1', '2026-03-02 10:00:00'), ('1772445600125', '2026-03-02 10:00:00.125'), ('"1772445600125.5"', '2026-03-02 10:00:00.1255'), ('1772445600000001', '2026-03-02 10:00:00.000001'),
	('1772445600000000001', '2026-03-02 10:00:00'), ('1772445600123456789', '2026-03-02 10:00:00.123456789'), ('1772445600123456.789', '2026-03-02 10:00:00.123456789'), ('"1.772445600123456789e18"', '2026-03-02 10:00:00.123456789'),
	('63939664800', '2026-03-02 10:00:00'), ('"63939664800.5"', '2026-03-02 10:00:00.5'), ('" 1772445600 "', '2026-03-02 10:00:00');
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'x', 'callId', 'spelled ' || n, 'timestamp', value))) FROM spellings;
SELECT count(*) AS spellings, count(*) FILTER (WHERE time_source = 'b' AND event_time = plain) AS read, count(*) FILTER (WHERE server_reads(value #>> '{}') <> event_time) AS "unlike the server",
	   count(*) FILTER (WHERE server_reads(value #>> '{}') = event_time) AS "as the server"
FROM spellings JOIN call_events ON call_id = 'spelled ' || n;
SELECT value, plain, time_source, event_time FROM spellings JOIN call_events ON call_id = 'spelled ' || n WHERE time_source <> 'b' OR event_time <> plain OR server_reads(value #>> '{}') <> event_time ORDER BY n;

-- what was never set, and what has no meaning or several: as if it were not there
CREATE TABLE timeless (n int GENERATED ALWAYS AS IDENTITY, value json);
INSERT INTO timeless (value) VALUES
	('null'), ('""'), ('"1970-01-01T00:00:00Z"'), ('"1970-01-01T00:00:00"'), ('"1970-01-01T03:00:00+03:00"'), ('"1969-12-31T19:00:00-05:00"'), ('"1970-01-01 00:00:00.000 +0000 UTC"'), ('"Thu, 01 Jan 1970 00:00:00 GMT"'), ('"19700101T000000Z"'),
	('"0001-01-01T00:00:00Z"'), ('"0001-01-01T00:00:00"'), ('"0001-01-01T00:00:00.0000000"'), ('"0001-01-01T00:00:00+03:00"'), ('"0001-01-01T00:53:28+00:53"'), ('"0001-01-01 00:00:00 +0000 UTC"'), ('"0001-01-01T00:00:00-08:00"'),
	('"0000-00-00 00:00:00"'), ('"0000-12-31T23:00:00Z"'), ('"00000000T000000Z"'), ('0'), ('"0"'), ('0.0'), ('"00000000000000"'), ('-62135596800'), ('"-62135596800000"'), ('-6795364578871345152'), ('62167219200');
INSERT INTO timeless (value) VALUES
	('true'), ('["2026-01-19T22:00:03Z"]'), ('[2026,3,2,10,0]'), ('{"seconds":1768860003}'), ('" "'), ('"yesterday"'), ('"n/a"'), ('"10:00"'), ('"2026-03-02"'), ('"20260302"'), ('20260302'), ('"202603021000"'), ('202603021000'),
	('"20261302100000"'), ('"2026-02-30T10:00:00Z"'), ('"2026-03-02T24:00:01Z"'), ('"2026-03-02T10Z"'), ('"2026-03-02T10:00:00+030"'), ('"2026-03-02T10:00:00+03:00[UTC]"'), ('"2026-03-02 10:00:00 UTC +03:00"'), ('"2026-03-02 10:00:00 +0300 +02"'),
	('"2026-03-02 10:00:00 CST"'), ('"2026-03-02 10:00:00 PM"'), ('"2026-03-02 10:00:00 +03:00 PM"'), ('"2026-03-02T10:00:00[Europe/Paris]"'), ('"Tue, 02 Mar 2026 10:00:00 GMT"'), ('"Mon, 02 Mar 26 10:00:00 GMT"'), ('"Mon Mar 02 10:00:00 CET 2026"'),
	('"02/03/2026 10:00:00"'), ('"2026-03/02 10:00:00"'), ('1'), ('-1'), ('631151999'), ('10000000000'), ('46083.41'), ('133'), ('134169192000000000'), ('639080424000000000'), ('17724456000'), ('1e400'), ('1e-400'), ('-1772445600'), ('"+1772445600"'), ('"0x69a55f20"'), ('"1772445600s"');
INSERT INTO timeless (value) VALUES
	('"9999-12-31T23:59:59.9999995Z"'), ('"9999-12-31T23:59:59.9999999"'), ('"9999-12-31 23:59:59.9999999+00:00"'), ('"9999-12-31T23:00:00-01:00"'), ('"9999-12-31T24:00:00Z"'), ('"9999-12-31T23:59:60Z"'), ('"99991231T235959.9999999Z"'), ('"Fri, 31 Dec 9999 23:59:59 -0001"');
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'x', 'callId', 'timeless ' || n, 'timestamp', value))) FROM timeless;
SELECT value, event_time FROM timeless JOIN call_events ON call_id = 'timeless ' || n WHERE time_source <> 'r' ORDER BY n;
SELECT count(cdr_ingest_message(convert_to(json_build_object('eventType', 'x', 'callId', 'property ' || n, 'timestamp', value)::text, 'UTF8'), property_time => '2026-03-02 11:00:00Z')) FROM timeless;
SELECT time_source, event_time, count(*) FROM call_events WHERE call_id LIKE 'property %' GROUP BY 1, 2;

-- where a unit begins and ends
SELECT cdr_ingest_events(array_agg(('{"callId":"bound ' || number || '","timestamp":' || number || '}')::json)) FROM (VALUES
	('631151999'), ('631152000'), ('9999999999'), ('10000000000'),
	('62798371199'), ('62798371200'), ('72167219199'), ('72167219200'),
	('631151999999'), ('631152000000'), ('9999999999999'), ('10000000000000'),
	('631151999999999'), ('631152000000000'), ('9999999999999999'), ('10000000000000000'),
	('662687999999999999'), ('662688000000000000'), ('9999999999999999999'), ('10000000000000000000')) AS b(number);
SELECT substr(call_id, 7) AS number, CASE time_source WHEN 'b' THEN event_time END AS event_time FROM call_events WHERE call_id LIKE 'bound %' ORDER BY substr(call_id, 7)::numeric;

-- at random: numbers of every unit, as text and as numbers, exactly
SELECT setseed(0.5);
CREATE TABLE numbers AS
SELECT n, to_timestamp(s) + us * interval '1 microsecond' AS plain,
	CASE n % 8 WHEN 0 THEN format('%s.%s', s, lpad(us::text, 6, '0')) WHEN 1 THEN format('%s%s.%s', s, lpad((us / 1000)::text, 3, '0'), lpad((us % 1000)::text, 3, '0'))
	WHEN 2 THEN format('%s%s', s, lpad(us::text, 6, '0')) WHEN 3 THEN format('%s%s000', s, lpad(us::text, 6, '0')) WHEN 4 THEN format('%s%se-6', s, lpad(us::text, 6, '0'))
	WHEN 5 THEN format('%s.%s', s + 62167219200, lpad(us::text, 6, '0')) WHEN 6 THEN format('0.%s%sE%s', s, lpad(us::text, 6, '0'), length(s::text)) ELSE format('%s%s.4', s, lpad(us::text, 6, '0')) END AS number
FROM generate_series(1, 20000) AS n, LATERAL (SELECT floor(662688000 + random() * (9999999999 - 662688000))::bigint AS s, floor(random() * 1000000)::int AS us) AS r;
SELECT cdr_ingest_events(array_agg(('{"callId":"number ' || n || '","timestamp":' || CASE WHEN n % 16 < 8 THEN number ELSE '"' || number || '"' END || '}')::json)) FROM numbers;
SELECT count(*) AS tried, count(*) FILTER (WHERE event_time <> plain) AS differ, count(*) FILTER (WHERE time_source <> 'b') AS untaken FROM numbers JOIN call_events ON call_id = 'number ' || n;

-- fractions of a microsecond are rounded alike in every spelling
CREATE TABLE halves AS SELECT n, lpad(n::text, 6, '0') || '5' AS fraction FROM generate_series(0, 999999, 97) AS n;
SELECT cdr_ingest_events(array_agg(('{"callId":"half ' || n || '","timestamp":1772445600' || CASE n % 3 WHEN 0 THEN '.' || fraction WHEN 1 THEN fraction || '00' ELSE left(fraction, 3) || '.' || substr(fraction, 4) END || '}')::json)) FROM halves;
SELECT count(*) AS tried, count(*) FILTER (WHERE event_time <> ('2026-03-02 10:00:00.' || fraction)::timestamptz) AS differ FROM halves JOIN call_events ON call_id = 'half ' || n;

-- at random: words, as the server prints them
CREATE TABLE words AS
SELECT n, plain, to_char(plain, (ARRAY['Dy, DD Mon YYYY HH24:MI:SS "GMT"', 'Dy Mon DD HH24:MI:SS YYYY', 'Dy Mon DD HH24:MI:SS "UTC" YYYY', 'FMDay, FMDD FMMonth YYYY HH24:MI:SS.US "+0000"', 'Dy Mon DD YYYY HH24:MI:SS "GMT+0000 (UTC)"',
	'YYYYMMDD"T"HH24MISS,US"Z"', 'YYYY-MM-DD HH24:MI:SS.US "+0000 UTC"', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z[UTC]"', 'YYYY/FMMM/FMDD FMHH24:MI:SS', 'YYYYMMDDHH24MISS.US'])[n % 10 + 1]) AS text
FROM generate_series(1, 10000) AS n, LATERAL (SELECT date_trunc(CASE WHEN n % 10 IN (3, 5, 6, 7, 9) THEN 'microseconds' ELSE 'second' END, timestamptz '1971-01-01' + random() * 100 * interval '365 days') AS plain) AS r;
SELECT cdr_ingest_events(array_agg(json_build_object('callId', 'words ' || n, 'timestamp', text))) FROM words;
SELECT count(*) AS tried, count(*) FILTER (WHERE event_time <> plain) AS differ, count(*) FILTER (WHERE time_source <> 'b') AS untaken FROM words JOIN call_events ON call_id = 'words ' || n;

-- at random: any date, 0 to 9 digits, any offset, exactly as the server
SELECT setseed(0.25);
CREATE TABLE random_times AS
SELECT n, to_char(timestamp '0002-01-02' + random() * 3651690 * interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS')
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

DROP TABLE times, random_times, spellings, timeless, numbers, halves, words;
DROP FUNCTION server_reads;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
