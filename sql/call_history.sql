-- The story of a call, as a person tells it.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SELECT cdr_create_partitions('2026-01-01', '2026-04-01');

-- an event at a second of 22:00 (NULL: without a time)
CREATE FUNCTION ev(call text, type text, second numeric, more jsonb DEFAULT '{}') RETURNS json
LANGUAGE sql AS $$
	SELECT (jsonb_strip_nulls(jsonb_build_object('callId', call, 'eventType', type, 'timestamp',
		to_char(timestamptz '2026-01-19 22:00:00Z' + second * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))
		|| more)::json
$$;
-- each line of the story of some calls, after the second at which it happened
CREATE FUNCTION story(calls text) RETURNS TABLE (call text, second text, description text)
LANGUAGE sql AS $$
	SELECT c.call_id, CASE WHEN h.event_time < '2026-06-01' THEN trim_scale(extract(epoch FROM h.event_time - timestamptz '2026-01-19 22:00:00Z'))::text END, h.description
	FROM calls AS c, cdr_call_history(c.call_id) WITH ORDINALITY AS h(event_time, elapsed, event_type, description, received_at, payload, local_time, n)
	WHERE c.call_id ~ calls ORDER BY c.call_id, n
$$;

-- the life of a call, told in any order, some of it twice
SELECT cdr_ingest_events(array_agg(e ORDER BY n % 4)) FROM unnest(ARRAY[
	ev('life', 'call.started', 0, '{"from":"sip:+905551112233@gw","to":"1001","trunk":"gw-1"}'), ev('life', 'call.ringing', 1.7), ev('life', 'call.answered', 5.9),
	ev('life', 'user.identified.for_call', 3, '{"userId":"u1","contactId":7}'), ev('life', 'user.created.for_call', 3.5),
	ev('life', 'call.media.playback.finished', 7), ev('life', 'acoustic.mood.shifted', 8), ev('life', 'call.terminate.request', 64),
	ev('life', 'call.ended', 65.9, '{"reason":"workflow_hangup","sipStatus":200}'), ev('life', 'call.recording.available', 70, '{"uri":"s3://r/1.wav"}'),
	ev('life', 'call.answered', 5.9), ev('life', 'org.example.queue_entered', 0.5)]) WITH ORDINALITY AS v(e, n);
SELECT * FROM story('^life$');
SELECT event_time, elapsed, event_type, received_at > '2026-06-01' AS received, payload ->> 'eventType' = event_type AS payload, local_time FROM cdr_call_history('life') LIMIT 3;

-- the cause in words, by whom: as the event says, else as the cause does; numbers of Q.850 and codes of SIP
SELECT cdr_ingest_events(array_agg(ev('cause ' || to_char(n, 'FM00'), 'call.ended', 9, jsonb_strip_nulls(said)))) FROM unnest(ARRAY[
	'{"reason":"busy"}', '{"reason":"NO-ANSWER"}', '{"reason":"normal_clearing_by_user"}', '{"reason":"network_failure","hangupSource":"carrier"}', '{"reason":"16"}', '{"reason":"sip:486","sipStatus":486}',
	'{"reason":"487"}', '{"reason":"something_odd-then"}', '{"reason":"so: it (ended)"}', '{"reason":""}', '{"hangupSource":"a caller"}']::jsonb[]) WITH ORDINALITY AS v(said, n);
SELECT * FROM story('^cause');

-- which end is the call's: attempts that ended, ends told twice, ends of something else
SELECT cdr_ingest_events(ARRAY[
	ev('1 fork', 'call.started', 0, '{"from":"1","to":"2"}'), ev('1 fork', 'call.answered', 8), ev('1 fork', 'call.ended', 8.1, '{"reason":"canceled"}'), ev('1 fork', 'call.ended', 8.2, '{"reason":"canceled"}'), ev('1 fork', 'call.ended', 308, '{"reason":"normal_clearing"}'),
	ev('2 group', 'call.started', 0, '{"from":"1","to":"2"}'), ev('2 group', 'call.ended', 2, '{"reason":"busy","sipStatus":486}'), ev('2 group', 'call.answered', 9), ev('2 group', 'call.ended', 69),
	ev('3 nobody', 'call.started', 0, '{"from":"1","to":"2"}'), ev('3 nobody', 'call.ended', 5, '{"reason":"busy"}'), ev('3 nobody', 'call.ended', 20, '{"reason":"no_answer"}'), ev('3 nobody', 'call.ended', 20.1, '{"reason":"normal_clearing"}'),
	ev('4 up', 'call.started', 0, '{"from":"1","to":"2"}'), ev('4 up', 'call.ended', 3), ev('4 up', 'call.answered', 30), ev('4 up', 'call.ended', 30.1, '{"reason":"canceled"}'),
	ev('5 twice', 'call.started', 0, '{"from":"1","to":"2"}'), ev('5 twice', 'call.started', 0.02, '{"from":"1","to":"2"}'), ev('5 twice', 'call.answered', 5), ev('5 twice', 'call.answered', 5.02), ev('5 twice', 'call.ended', 65), ev('5 twice', 'call.ended', 65.02),
	ev('6 route', 'call.started', 0, '{"from":"1","to":"2"}'), ev('6 route', 'call.answered', 8), ev('6 route', 'call.ended', 68, '{"reason":"network_failure"}'),
	ev('7 transfer', 'call.started', 0, '{"from":"1","to":"2"}'), ev('7 transfer', 'call.answered', 5), ev('7 transfer', 'call.started', 40, '{"from":"1","to":"3"}'), ev('7 transfer', 'call.ended', 90),
	ev('8 web', 'call.started', 0, '{"from":"web-client","to":"ai-pipeline"}'), ev('8 web', 'call.ended', 60, '{"reason":"client_disconnected"}')]);
SELECT * FROM story('^\d ');

-- what is missing, and what cannot be: no start, no answer, clocks that differ, no time
SELECT cdr_ingest_events(ARRAY[
	ev('a no start', 'call.answered', 5), ev('a no start', 'call.ended', 65),
	ev('b no answer', 'call.started', 0), ev('b no answer', 'call.ended', 65, '{"reason":"normal_clearing"}'),
	ev('c clocks', 'call.started', 10, '{"from":"anonymous"}'), ev('c clocks', 'call.ringing', 9.5), ev('c clocks', 'call.answered', 5), ev('c clocks', 'call.ended', 7),
	ev('d no time', 'call.started', 0), ev('d no time', 'call.answered', NULL), ev('d no time', 'call.ended', 65, '{"reason":"normal_clearing"}'),
	ev('e received', 'call.started', NULL), ev('e received', 'call.answered', 5), ev('e received', 'call.answered', NULL), ev('e received', 'call.ended', NULL, '{"reason":"normal_clearing"}'),
	ev('f alone', 'call.recording.available', 0), ev('g alone', 'user.identified.for_call', 0, '{"userId":"not"}'), ev('h alone', '', 0)]);
SELECT * FROM story('^[a-h] ');

-- a Call-ID that is used again: seconds are those of each call
SELECT cdr_ingest_events(ARRAY[
	ev('j', 'call.started', 0, '{"from":"1","to":"2"}'), ev('j', 'call.answered', 5), ev('j', 'call.ended', 65, '{"reason":"normal_clearing"}'),
	ev('j', 'call.started', 66, '{"from":"3","to":"4"}'), ev('j', 'call.answered', 70), ev('j', 'call.ended', 99, '{"reason":"normal_clearing"}'), ev('j', 'call.recording.available', 100, '{"uri":"s3://2"}'),
	ev('j', 'call.started', 200, '{"from":"1","to":"2"}'), ev('j', 'call.ended', 203, '{"reason":"busy"}'),
	ev('k late', 'call.started', 0, '{"from":"1","to":"2"}'), ev('k late', 'call.answered', 5), ev('k late', 'call.started', 4000, '{"from":"1","to":"2"}'), ev('k late', 'call.ended', 4000.5), ev('k late', 'call.answered', 4005), ev('k late', 'call.ended', 4100),
	ev('l moment', 'call.started', 0), ev('l moment', 'call.answered', 0), ev('l moment', 'call.started', 20), ev('l moment', 'call.answered', 20), ev('l moment', 'call.ended', 30), ev('l moment', 'call.ended', 10)]);
SELECT * FROM story('^(j|[kl] )');

-- what enemies write: of bounded length, without what cannot be seen, and not as if we had said it
SELECT cdr_ingest_events(ARRAY[
	ev('m', 'call.started', 0, jsonb_build_object('from', '<sip:' || repeat('9', 300) || '@x>', 'to', E'"x" <sip:a b\n\tc@x>', 'trunk', U&'gw\202E1-\00FC')),
	ev('m', 'call.ended', 1, jsonb_build_object('reason', E'busy\r\n22:00 ended, "60 s of talk"' || repeat(' x', 100000), 'hangupSource', E'us\u001b[31mer: normal clearing')),
	ev('m', 'user.identified.for_call', 2, jsonb_build_object('userId', repeat(U&'\200B', 1000) || 'u')),
	ev('m', 'call.recording.available', 3, jsonb_build_object('uri', 's3://' || repeat(U&'\+01F600', 300))),
	ev('m', E'ended after 3 s, 2 s of talk\n', 4), ev('m', 'call.answered.after.3.s', 5), ev('m', repeat('type.', 1000), 6), ev('m', U&'call.\200Bended', 7)]);
SELECT * FROM story('^m$');
SELECT max(octet_length(description)) < 1000 AS bounded, bool_or(description ~ '[[:cntrl:]]') AS controls FROM cdr_call_history('m');

-- what belongs to no call is told by itself
SELECT cdr_ingest_events(ARRAY['{"eventType":"dialplan.updated","timestamp":"2026-01-19T22:00:00Z"}', '{"eventType":"call.answered","timestamp":"2026-01-19T22:00:01Z"}',
	'{"eventType":"call.started","timestamp":"2026-01-19T22:00:02Z","to":"1"}', '{"eventType":"call.ended","timestamp":"2026-01-19T22:00:04Z"}', '{"eventType":"call.started","timestamp":"2026-01-19T23:30:02Z"}']::json[]);
SELECT elapsed, description FROM cdr_call_history('');

-- times in a zone, through the night in which clocks change; that of the session
SELECT cdr_ingest_events(ARRAY[
	'{"eventType":"call.started","callId":"night","timestamp":"2026-03-29T00:59:59Z"}', '{"eventType":"call.ended","callId":"night","timestamp":"2026-03-29T01:00:01Z"}']::json[]);
SELECT local_time, elapsed FROM cdr_call_history('night', 'Europe/Berlin');
SELECT local_time FROM cdr_call_history('night', zone => 'UTC+5');
SELECT local_time FROM cdr_call_history('night');
SET timezone = 'Asia/Kolkata';
SELECT local_time FROM cdr_call_history('night');
SELECT local_time FROM cdr_call_history('night', NULL);
SET timezone = 'UTC';
SELECT count(*) FROM cdr_call_history('night', 'Mars/Olympus');
SELECT count(*) FROM cdr_call_history('nobody''s', 'Mars/Olympus');
SELECT count(*) FROM cdr_call_history(NULL, 'UTC');

-- what functions made of a call, whose Call-ID was used again; what only looks like it
SELECT cdr_ingest_events(ARRAY[ev('c', 'call.started', 0), ev('c', 'call.answered', 5), ev('c', 'call.ended', 65, '{"reason":"normal_clearing"}'), ev('c', 'call.started', 70), ev('c', 'call.answered', 71), ev('c', 'call.ended', 80),
	ev('c', 'cdr.call.corrected', 90, '{"correction":{"trunk":"x"}}'), ev('o', 'call.started', 0), ev('o', 'cdr.call.closed', 5, '{"endTime":"2026-01-19T22:00:05Z"}')]);
SELECT cdr_correct_call('c', '{"answer_time":null,"end_time":"2026-01-19 22:01:00Z","trunk":"gw-2"}', 'a false answer') IS NOT NULL AS corrected;
SELECT cdr_withdraw_correction('c', '{trunk}', 'it was right') IS NOT NULL AS withdrawn;
SELECT cdr_close_stale_calls('1 day', 'lost') > 0 AS closed;
SELECT * FROM story('^[co]$');
SELECT segment, answer_time, end_time, trunk, disposition, duration_seconds, billable_seconds, event_count FROM cdr_call_segments('c');
SELECT answer_time, end_time, trunk, disposition, duration_seconds, billable_seconds, event_count FROM calls WHERE call_id = 'c';

-- the talk is that of the row: an answer that a correction tells is one
SELECT cdr_ingest_events(ARRAY[ev('t told', 'call.started', 0), ev('t told', 'call.ended', 65, '{"reason":"normal_clearing"}'),
	ev('t timed', 'call.started', 0), '{"eventType":"call.answered","callId":"t timed"}', ev('t timed', 'call.ended', 65),
	ev('t other', 'call.started', 0), ev('t other', 'call.answered', 5), ev('t other', 'call.ended', 65)]);
SELECT count(cdr_correct_call(call_id, '{"answer_time":"2026-01-19 22:00:25Z"}', 'the carrier''s record')) FROM calls WHERE call_id LIKE 't %';
SELECT c.call_id, billable_seconds, h.description FROM calls AS c, cdr_call_history(c.call_id) AS h
WHERE c.call_id LIKE 't %' AND event_type = 'call.ended' ORDER BY c.call_id COLLATE "C";

DROP FUNCTION ev, story;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
