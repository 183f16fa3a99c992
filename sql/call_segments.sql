-- A Call-ID that was used again: each use is a call, by the rules of all calls.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SELECT cdr_create_partitions('2026-01-01', '2026-04-01');

-- an event at a second of 22:00 (NULL: without a time)
CREATE FUNCTION ev(call text, type text, second numeric, more jsonb DEFAULT '{}') RETURNS json
LANGUAGE sql AS $$
	SELECT (jsonb_strip_nulls(jsonb_build_object('callId', call, 'eventType', 'call.' || type, 'timestamp',
		to_char(timestamptz '2026-01-19 22:00:00Z' + second * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))
		|| more)::json
$$;
-- the calls of a Call-ID in short: from, ring, answer, to, seconds, talk
CREATE FUNCTION at(moment timestamptz) RETURNS text
LANGUAGE sql AS $$ SELECT COALESCE(trim_scale(extract(epoch FROM moment - timestamptz '2026-01-19 22:00:00Z'))::text, '-') $$;
CREATE VIEW uses AS
SELECT c.call_id, s.segment, concat_ws(' ', at(s.start_time), at(s.ring_time), at(s.answer_time), at(s.end_time)) AS times,
	   s.duration_seconds AS seconds, s.billable_seconds AS talk, s.caller_number AS caller, s.callee_number AS callee,
	   s.disposition, s.hangup_cause, s.anomalies, s.event_count AS events
FROM calls AS c, cdr_call_segments(c.call_id) AS s;

-- an ordinary call: one row, that of calls
SELECT cdr_ingest_events(ARRAY[
	ev('plain', 'started', 0, '{"from":"1001","to":"2002","trunk":"gw","tenantId":"t1"}'), ev('plain', 'ringing', 1), ev('plain', 'answered', 5),
	ev('plain', 'ended', 65.9, '{"reason":"normal_clearing","sipStatus":200}'), ev('plain', 'recording.available', 70, '{"uri":"s3://1"}'),
	ev('ringing', 'started', 0), ev('ringing', 'ringing', 1), ev('no start', 'ended', 5),
	'{"eventType":"user.identified.for_call","callId":"nothing","userId":"u1","timestamp":"2026-01-19T22:00:00Z"}']::json[]);
SELECT * FROM cdr_call_segments('plain') \gx
CREATE VIEW other AS
SELECT c.call_id, s.row, c.row AS stored
FROM (SELECT call_id, anomalies, to_jsonb(x) - 'merge_state' AS row FROM calls AS x) AS c,
	 LATERAL (SELECT to_jsonb(x) - 'segment' AS row FROM cdr_call_segments(c.call_id) AS x) AS s
WHERE c.row IS DISTINCT FROM s.row AND NOT 'reused' = ANY (COALESCE(c.anomalies, '{}'));
SELECT * FROM other;
SELECT * FROM uses WHERE call_id <> 'plain' ORDER BY call_id, segment;
-- of no events, and of events that belong to no call, there are none
SELECT cdr_ingest_event('{"eventType":"dialplan.updated"}');
SELECT count(*) FROM cdr_call_segments('nobody''s');
SELECT count(*) FROM cdr_call_segments('');
SELECT count(*) FROM cdr_call_segments(NULL);

-- used again: after a second, after a month; three times; another caller
SELECT cdr_ingest_events(ARRAY[
	ev('1 second', 'started', 0, '{"from":"1001","to":"2002"}'), ev('1 second', 'answered', 5), ev('1 second', 'ended', 65, '{"reason":"normal_clearing"}'),
	ev('1 second', 'started', 66, '{"from":"1003","to":"2004"}'), ev('1 second', 'ringing', 67), ev('1 second', 'answered', 70), ev('1 second', 'ended', 99.5, '{"reason":"workflow_hangup"}'),
	ev('2 month', 'started', 0), ev('2 month', 'answered', 5), ev('2 month', 'ended', 65), ev('2 month', 'started', 2678400), ev('2 month', 'answered', 2678403), ev('2 month', 'ended', 2679000),
	ev('3 times', 'started', 0), ev('3 times', 'answered', 1), ev('3 times', 'ended', 2), ev('3 times', 'started', 10), ev('3 times', 'ended', 11, '{"reason":"busy"}'),
	ev('3 times', 'ended', 12), ev('3 times', 'started', 20), ev('3 times', 'answered', 22)]);
SELECT * FROM uses WHERE call_id ~ '^[123] ' ORDER BY call_id, segment;

-- what begins another call: a second after the end, over an hour after the start; and what does not
SELECT cdr_ingest_events(ARRAY[
	ev('a half a second', 'started', 0), ev('a half a second', 'answered', 5), ev('a half a second', 'ended', 65), ev('a half a second', 'started', 65.999999), ev('a half a second', 'answered', 70),
	ev('b hour', 'started', 0), ev('b hour', 'answered', 5), ev('b hour', 'started', 3600), ev('b hour', 'ended', 3700),
	ev('c over an hour', 'started', 0), ev('c over an hour', 'answered', 5), ev('c over an hour', 'started', 3600.000001), ev('c over an hour', 'answered', 3605), ev('c over an hour', 'ended', 3700),
	ev('d an attempt', 'started', 0), ev('d an attempt', 'ended', 2, '{"reason":"busy"}'), ev('d an attempt', 'started', 30), ev('d an attempt', 'answered', 35), ev('d an attempt', 'ended', 90),
	ev('e transfer', 'started', 0, '{"from":"1","to":"2"}'), ev('e transfer', 'answered', 5), ev('e transfer', 'started', 40, '{"from":"1","to":"3"}'), ev('e transfer', 'ended', 90),
	ev('f told twice', 'started', 0), ev('f told twice', 'started', 0.4), ev('f told twice', 'ended', 9), ev('f told twice', 'ended', 9.2), ev('f told twice', 'started', 20), ev('f told twice', 'started', 20.4), ev('f told twice', 'ended', 30)]);
SELECT * FROM uses WHERE call_id ~ '^[a-f] ' ORDER BY call_id, segment;

-- of one moment: the start comes before what it starts
SELECT cdr_ingest_events(ARRAY[
	ev('g moment', 'started', 0), ev('g moment', 'answered', 0), ev('g moment', 'ended', 10),
	ev('g moment', 'started', 20), ev('g moment', 'ringing', 20), ev('g moment', 'answered', 20), ev('g moment', 'ended', 30)]);
SELECT * FROM uses WHERE call_id ~ '^g ' ORDER BY call_id, segment;

-- an end within a second after the next start is that of the call before, if that is up, and no attempt's
SELECT cdr_ingest_events(ARRAY[
	ev('h late', 'started', 0), ev('h late', 'answered', 5), ev('h late', 'started', 4000), ev('h late', 'ended', 4001, '{"reason":"normal_clearing"}'), ev('h late', 'answered', 4005), ev('h late', 'ended', 4100),
	ev('i later', 'started', 0), ev('i later', 'answered', 5), ev('i later', 'started', 4000), ev('i later', 'ended', 4001.000001, '{"reason":"normal_clearing"}'),
	ev('j not up', 'started', 0), ev('j not up', 'answered', 5), ev('j not up', 'ended', 65), ev('j not up', 'started', 4000), ev('j not up', 'ended', 4000.5),
	ev('k attempt', 'started', 0), ev('k attempt', 'answered', 5), ev('k attempt', 'started', 4000), ev('k attempt', 'ended', 4000.5, '{"reason":"busy"}'),
	ev('l not answered', 'started', 0), ev('l not answered', 'started', 4000), ev('l not answered', 'ended', 4000.5)]);
SELECT * FROM uses WHERE call_id ~ '^[h-l] ' ORDER BY call_id, segment;

-- what has no time of its own begins nothing, and belongs to the call in which it was received
SELECT cdr_ingest_events(ARRAY[
	ev('m end', 'started', 0), ev('m end', 'answered', 5), ev('m end', 'ended', 65), ev('m end', 'started', 100), ev('m end', 'answered', 105), ev('m end', 'ended', NULL),
	ev('n start', 'started', 0), ev('n start', 'ended', 65), ev('n start', 'started', NULL, '{"from":"1"}')]);
SELECT call_id, segment, (substring(times FROM '^.* ') || CASE WHEN times ~ ' [0-9.]{7,}$' THEN 'received' ELSE substring(times FROM '[^ ]*$') END) AS times, disposition, anomalies, events
FROM uses WHERE call_id ~ '^[mn] ' ORDER BY call_id, segment;
-- an end that was received before another start ends a call, also where another end is told of later: calls does not show it
INSERT INTO call_events (event_time, received_at, event_id, call_id, event_type, time_source, payload)
SELECT timestamptz '2026-01-19 22:00:00Z' + second * interval '1 s', timestamptz '2026-01-19 22:00:00Z' + second * interval '1 s', gen_random_uuid(), 'o received', type, source,
	json_build_object('eventType', type)
FROM (VALUES ('call.started', 0, 'b'), ('call.answered', 5, 'b'), ('call.ended', 65, 'r'), ('call.started', 100, 'b'), ('call.answered', 105, 'b'), ('call.ended', 200, 'b')) AS v(type, second, source);
SELECT cdr_rebuild_calls('o received');
SELECT end_time, billable_seconds, anomalies FROM calls WHERE call_id = 'o received';
SELECT * FROM uses WHERE call_id ~ '^o ' ORDER BY call_id, segment;
DELETE FROM call_events WHERE call_id ~ '^o ';
DELETE FROM calls WHERE call_id ~ '^o ';

-- all of these: who was not used again has one row, that of calls; who was, several, of which none was; each event counts once
SELECT * FROM other;
SELECT c.call_id FROM calls AS c, LATERAL (SELECT count(*) AS rows, sum(event_count) AS events, bool_or('reused' = ANY (anomalies)) AS reused FROM cdr_call_segments(c.call_id)) AS s
WHERE (s.rows > 1) <> COALESCE('reused' = ANY (c.anomalies), false) OR s.events <> c.event_count OR s.reused;

-- with the rights of the caller
CREATE ROLE regress_cdr_reader;
SET ROLE regress_cdr_reader;
SELECT * FROM cdr_call_segments('plain');
RESET ROLE;
GRANT SELECT ON call_events TO regress_cdr_reader;
SET ROLE regress_cdr_reader;
SELECT start_time FROM cdr_call_segments('plain');
RESET ROLE;
REVOKE ALL ON call_events FROM regress_cdr_reader;
DROP ROLE regress_cdr_reader;

DROP VIEW uses, other;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
DROP FUNCTION ev, at;
