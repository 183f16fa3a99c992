-- Corrections stand above what events say, and can be taken back; calls that nobody
-- ended are closed.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

-- an event of a call, at a second of one minute (NULL: without a time)
CREATE FUNCTION ev(call text, type text, second numeric, more jsonb DEFAULT '{}') RETURNS json
LANGUAGE sql AS $$
	SELECT (jsonb_strip_nulls(jsonb_build_object('callId', call, 'eventType', type, 'timestamp',
		to_char(timestamptz '2025-01-19 22:00:00Z' + second * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))
		|| more)::json
$$;
-- a call of a minute, from an answer after five seconds
CREATE FUNCTION talk(call text) RETURNS bigint LANGUAGE sql AS $$
	SELECT cdr_ingest_events(ARRAY[
		ev(call, 'call.started', 0, '{"from":"1001","to":"2002","trunk":"gw-1","tenantId":"t1","dialplan":{"matched_user":{"id":"u1"},"matched_contact":{"id":1}}}'),
		ev(call, 'call.ringing', 1),
		ev(call, 'call.answered', 5),
		ev(call, 'call.ended', 65, '{"reason":"normal_clearing","sipStatus":200}'),
		ev(call, 'call.recording.available', 70, '{"uri":"s3://1"}')])
$$;
CREATE FUNCTION correct(call text, correction json) RETURNS boolean LANGUAGE sql AS $$
	SELECT cdr_correct_call(call, correction, 'because') IS NOT NULL
$$;

-- a false answer, taken back
SELECT talk('a');
SELECT correct('a', '{"answer_time":null}');
SELECT status, disposition, answer_time, duration_seconds, billable_seconds, hangup_cause, anomalies, event_count, first_event_time, last_event_time FROM calls WHERE call_id = 'a';
SELECT cdr_withdraw_correction('a', '{answer_time}', 'it was one') IS NOT NULL AS withdrawn;
SELECT status, disposition, answer_time, duration_seconds, billable_seconds, hangup_cause, anomalies, event_count, first_event_time, last_event_time FROM calls WHERE call_id = 'a';
SELECT register, rank, says FROM cdr_merge_state('a') WHERE register LIKE 'correction%';

-- what is in the log
SELECT event_type, time_source, call_id, event_time = (payload ->> 'timestamp')::timestamptz AS "its time", received_at >= event_time AS "of now",
	   payload -> 'correction' AS correction, payload -> 'columns' AS columns, payload ->> 'reason' AS reason,
	   payload ->> 'currentUser' = current_user AS "current_user", payload ->> 'sessionUser' = session_user AS "session_user"
FROM call_events WHERE time_source = 'f' ORDER BY event_time;
CREATE TABLE returned AS SELECT cdr_correct_call('a', '{"trunk":"gw-1"}', 'its id') AS event_id;
SELECT payload ->> 'reason' AS reason FROM call_events JOIN returned USING (event_id);
SELECT bool_and(event_id = encode(substr(sha256('\xffffffff' || convert_to(payload::text, 'UTF8')), 1, 16), 'hex')::uuid) AS "its id follows from its body" FROM call_events;
SELECT count(*) AS "keys of events without a time" FROM timeless_events;

-- every column, with a value and with none
SELECT talk('v');
SELECT correct('v', '{"start_time":"2025-01-19T22:00:10Z","ring_time":"2025-01-19 22:00:11+00","answer_time":"2025-01-20T00:00:12+02:00",
	"end_time":"2025-01-19T22:00:32.5Z","caller_number":"+901","callee_number":"902","direction":"outbound","trunk":"gw-2",
	"hangup_cause":"workflow_hangup","hangup_source":"system","sip_status":603,"tenant_id":"t9","user_id":"u9","contact_id":-9,"recording_url":"s3://9"}');
SELECT call_id, status, disposition, direction, caller_number, callee_number, trunk, start_time, ring_time, answer_time, end_time, duration_seconds, billable_seconds,
	   hangup_cause, hangup_source, sip_status, tenant_id, user_id, contact_id, recording_url, anomalies FROM calls WHERE call_id = 'v';
SELECT correct('v', '{"start_time":null,"ring_time":null,"answer_time":null,"end_time":null,"caller_number":null,"callee_number":null,"direction":null,"trunk":null,
	"hangup_cause":null,"hangup_source":null,"sip_status":null,"tenant_id":null,"user_id":null,"contact_id":null,"recording_url":null}');
SELECT jsonb_strip_nulls(to_jsonb(c) - 'merge_state') FROM calls AS c WHERE call_id = 'v';
SELECT cdr_withdraw_correction('v', '{start_time,ring_time,answer_time,end_time,caller_number,callee_number,direction,trunk,hangup_cause,hangup_source,sip_status,tenant_id,user_id,contact_id,recording_url}', 'all') IS NOT NULL AS withdrawn;
SELECT talk('w');
SELECT to_jsonb(v) - '{call_id,merge_state,event_count}'::text[] = to_jsonb(w) - '{call_id,merge_state,event_count}'::text[] AS "as if nothing had been"
FROM calls AS v, calls AS w WHERE v.call_id = 'v' AND w.call_id = 'w';

-- what follows: the choice of the end, times of their own, what is odd
SELECT cdr_ingest_events(ARRAY[ev('fork', 'call.started', 0), ev('fork', 'call.answered', 20), ev('fork', 'call.ended', 8, '{"reason":"canceled"}'),
	ev('fork', 'call.ended', 50, '{"reason":"normal_clearing"}'), ev('fork', 'call.ended', 22, '{"reason":"network_failure","sipStatus":503}')]);
SELECT end_time, hangup_cause, sip_status, billable_seconds FROM calls WHERE call_id = 'fork';
SELECT correct('fork', '{"answer_time":null}');
SELECT end_time, hangup_cause, sip_status, disposition, billable_seconds FROM calls WHERE call_id = 'fork';
SELECT correct('fork', '{"answer_time":"2025-01-19T22:00:10Z","end_time":"2025-01-19T22:00:05Z"}');
SELECT end_time, hangup_cause, disposition, billable_seconds, anomalies FROM calls WHERE call_id = 'fork';
SELECT correct('fork', '{"end_time":null}');
SELECT status, end_time, hangup_cause, disposition, billable_seconds, anomalies FROM calls WHERE call_id = 'fork';
-- a call that is up has no cause, also not a corrected one, until it ends
SELECT correct('fork', '{"hangup_cause":"busy"}');
SELECT status, end_time, hangup_cause, disposition, anomalies FROM calls WHERE call_id = 'fork';
SELECT cdr_withdraw_correction('fork', '{end_time}', 'it ended') IS NOT NULL AS withdrawn;
SELECT status, end_time, hangup_cause, disposition, anomalies FROM calls WHERE call_id = 'fork';

SELECT cdr_ingest_events(ARRAY[ev('untimed', 'call.started', NULL), ev('untimed', 'call.ended', 65, '{"reason":"busy"}')]);
SELECT anomalies FROM calls WHERE call_id = 'untimed';
SELECT correct('untimed', '{"start_time":"2025-01-19T22:00:00Z"}');
SELECT start_time, duration_seconds, disposition, anomalies FROM calls WHERE call_id = 'untimed';
-- a start that is corrected is no other start; a second one stays one
SELECT correct('w', '{"start_time":"2025-01-19T19:00:00Z"}');
SELECT cdr_ingest_events(ARRAY[ev('again', 'call.started', 0), ev('again', 'call.ended', 9), ev('again', 'call.started', 30)]);
SELECT call_id, start_time, anomalies FROM calls WHERE call_id IN ('w', 'again') ORDER BY call_id;
SELECT correct('again', '{"end_time":"2025-01-19T22:00:40Z"}');
SELECT call_id, end_time, anomalies FROM calls WHERE call_id = 'again';

-- the latest counts, by its own time and not by when it was recorded
SELECT correct('a', '{"trunk":"first"}'), correct('a', '{"trunk":"second"}'), correct('a', '{"trunk":"third"}');
SELECT trunk FROM calls WHERE call_id = 'a';
SELECT count(*) AS corrections, count(DISTINCT event_time) AS times FROM call_events WHERE call_id = 'a' AND time_source = 'f';
DELETE FROM call_events WHERE call_id = 'a' AND payload #>> '{correction,trunk}' = 'third';
SELECT cdr_rebuild_calls('a', prune => true);
SELECT trunk FROM calls WHERE call_id = 'a';
-- also behind one of a clock that went ahead
UPDATE call_events SET event_time = '2126-01-01Z' WHERE call_id = 'a' AND payload #>> '{correction,trunk}' = 'second';
SELECT cdr_rebuild_calls('a');
SELECT correct('a', '{"trunk":"fourth"}');
SELECT trunk FROM calls WHERE call_id = 'a';

-- what says of itself that it is a correction is none
SELECT talk('forged');
CREATE TABLE of_forged AS SELECT to_jsonb(c) - '{merge_state,event_count,last_event_time}'::text[] AS row FROM calls AS c WHERE call_id = 'forged';
SELECT cdr_ingest_events(ARRAY[
	ev('forged', 'cdr.call.corrected', 99, '{"correction":{"answer_time":null,"caller_number":"666"},"reason":"x","currentUser":"postgres","time_source":"f"}'),
	ev('forged', 'cdr.call.correction_withdrawn', 99, '{"columns":["trunk"]}'),
	ev('forged', 'cdr.call.closed', 99, '{"endTime":"2025-01-19T22:00:01Z"}'),
	ev('forged open', 'call.started', 0), ev('forged open', 'cdr.call.closed', 99, '{"endTime":"2025-01-19T22:00:01Z"}')]);
SELECT cdr_ingest_message(convert_to(ev('forged', 'cdr.call.corrected', 98, '{"correction":{"trunk":null}}')::text, 'UTF8'), 'cdr.call.corrected');
-- nor is the body of a real one, sent again: the same event, or in another call's name
SELECT cdr_ingest_event(payload), cdr_ingest_event((payload::jsonb || '{"callId":"forged"}')::json)
FROM call_events WHERE call_id = 'fork' AND payload #>> '{correction,hangup_cause}' = 'busy';
SELECT to_jsonb(c) - '{merge_state,event_count,last_event_time}'::text[] = row AS "not a bit", event_count, last_event_time > now() - interval '1 hour' AS later FROM calls AS c, of_forged WHERE call_id = 'forged';
SELECT status, anomalies FROM calls WHERE call_id = 'forged open';
-- and a cause "closed" that a producer sends is an end like others
SELECT cdr_ingest_events(ARRAY[ev('sent closed', 'call.started', 0), ev('sent closed', 'call.ended', NULL, '{"reason":"closed"}')]);
SELECT hangup_cause, anomalies FROM calls WHERE call_id = 'sent closed';

-- before the events: where that is meant
SELECT cdr_correct_call('early', '{"answer_time":null,"caller_number":"42"}', 'because');
\set VERBOSITY sqlstate
SELECT cdr_correct_call('early', '{"answer_time":null,"caller_number":"42"}', 'because');
SELECT cdr_withdraw_correction('early', '{answer_time}', 'because');
\set VERBOSITY default
SELECT cdr_correct_call('early', '{"answer_time":null,"caller_number":"42"}', 'because', before_events => true) IS NOT NULL AS corrected;
SELECT status, caller_number, event_count, first_event_time = last_event_time AS "of the correction" FROM calls WHERE call_id = 'early';
SELECT talk('early');
SELECT status, caller_number, answer_time, event_count, first_event_time, last_event_time FROM calls WHERE call_id = 'early';

-- calls that nobody ended
SELECT cdr_ingest_events(ARRAY[
	ev('open 1', 'call.started', 0), ev('open 1', 'call.answered', 5), ev('open 1', 'dtmf', 60),
	ev('open 2', 'call.started', 0), ev('open 2', 'call.ringing', 3),
	ev('open 3', 'call.started', 0), ev('open 3', 'call.answered', 5), ev('open 3', 'call.ended', 5.1, '{"reason":"canceled"}'),
	ev('up', 'call.started', 0), ev('up', 'call.answered', 5), ev('up', 'call.ended', 9, '{"reason":"normal_clearing"}')]);
SELECT cdr_ingest_event(ev('open now', 'call.started', NULL));
SELECT correct('up', '{"end_time":null}');
SELECT call_id, status, start_time, answer_time, last_event_time, silent_for = now() - last_event_time AS "silent for" FROM cdr_stale_calls WHERE silent_for > '1 hour' ORDER BY call_id;
SELECT call_id FROM cdr_stale_calls;
SELECT cdr_close_stale_calls('1 day', 'lost', 1), cdr_close_stale_calls('1 day', 'lost', 2);
SELECT cdr_close_stale_calls('1 day', 'lost'), cdr_close_stale_calls('1 day', 'lost');
SELECT call_id, status, disposition, end_time, hangup_cause, billable_seconds, anomalies, event_count, last_event_time FROM calls WHERE 'closed' = ANY (anomalies) ORDER BY call_id;
SELECT call_id FROM cdr_stale_calls ORDER BY call_id;
-- a real end goes before that, with or without a time, and also that of a branch
SELECT cdr_ingest_events(ARRAY[ev('open 1', 'call.ended', 65, '{"reason":"busy"}'), ev('open 2', 'call.ended', NULL, '{"reason":"normal_clearing"}'), ev('open 3', 'call.ended', 90, '{"reason":"normal_clearing"}')]);
SELECT call_id, hangup_cause, disposition, end_time <= '2025-01-20' AS timed, billable_seconds, anomalies FROM calls WHERE call_id LIKE 'open _' ORDER BY call_id;
-- more came, and no end: it is open again
SELECT cdr_ingest_events(ARRAY[ev('forged open', 'call.answered', 110)]);
SELECT status, anomalies FROM calls WHERE call_id = 'forged open';
SELECT cdr_close_stale_calls('1 day', 'lost again');
SELECT status, end_time, anomalies, event_count FROM calls WHERE call_id = 'forged open';
-- one without any time of its own ends at its last event; one that was corrected, not before that
SELECT cdr_ingest_event(ev('receipt', 'call.started', NULL));
UPDATE call_events SET event_time = '2025-01-19 22:00:07Z' WHERE call_id = 'receipt';
SELECT cdr_rebuild_calls('receipt');
SELECT cdr_ingest_event(ev('later', 'call.started', 0));
SELECT correct('later', '{"answer_time":"2025-01-19T22:30:00Z"}');
SELECT cdr_close_stale_calls('1 day', 'lost');
SELECT call_id, end_time, anomalies FROM calls WHERE call_id IN ('receipt', 'later') ORDER BY call_id;

-- an end that somebody tells replaces the closing altogether: as of a call that was not closed
SELECT cdr_ingest_events(ARRAY[ev(kind || ' told closed', 'call.started', 0), ev(kind || ' told closed', 'call.answered', 5)])
FROM unnest(ARRAY['end', 'up', 'all', 'guess']) AS kind;
SELECT cdr_close_stale_calls('1 day', 'lost');
SELECT cdr_ingest_events(ARRAY[ev(kind || ' told open', 'call.started', 0), ev(kind || ' told open', 'call.answered', 5)])
FROM unnest(ARRAY['end', 'up', 'all', 'guess']) AS kind;
SELECT correct('end told ' || c, '{"end_time":"2025-01-19T22:01:05Z"}'), correct('up told ' || c, '{"end_time":null}'),
	   correct('all told ' || c, '{"end_time":"2025-01-19T22:01:05Z","hangup_cause":"busy","hangup_source":"user","sip_status":486}'),
	   correct('guess told ' || c, '{"hangup_cause":"normal_clearing"}') FROM unnest(ARRAY['closed', 'open']) AS c;
SELECT call_id, status, disposition, end_time, billable_seconds, hangup_cause, hangup_source, sip_status, anomalies, event_count FROM calls WHERE call_id ~ 'told' ORDER BY call_id;
SELECT cdr_withdraw_correction('up told closed', '{end_time}', 'because') IS NOT NULL AS withdrawn, cdr_withdraw_correction('end told closed', '{end_time}', 'because') IS NOT NULL AS withdrawn;
SELECT call_id, status, end_time, hangup_cause, anomalies FROM calls WHERE call_id IN ('up told closed', 'end told closed') ORDER BY call_id;
SELECT cdr_ingest_event(ev('guess told open', 'call.ended', 9));

-- a Call-ID that was used again: the first call ends where the last was heard of it,
-- but not before an answer that is the row's
SELECT cdr_ingest_events(ARRAY[ev('twice', 'call.started', 0), ev('twice', 'call.answered', 5), ev('twice', 'dtmf', 8), ev('twice', 'call.started', 7200), ev('twice', 'call.answered', 7205), ev('twice', 'dtmf', 7300),
	ev('twice late', 'call.started', 0), ev('twice late', 'call.started', 7200), ev('twice late', 'call.answered', 7205)]);
SELECT cdr_close_stale_calls('1 day', 'lost');
SELECT call_id, answer_time, end_time, billable_seconds, anomalies FROM calls WHERE call_id LIKE 'twice%' ORDER BY call_id;
SELECT segment, status, answer_time, end_time, billable_seconds, anomalies FROM cdr_call_segments('twice');

-- an event of a clock that is ahead keeps no call open, and does not say when it ended
SELECT cdr_ingest_events(ARRAY[ev('ahead', 'call.started', 0), ev('ahead', 'call.answered', 5), ev('ahead', 'dtmf', 2500000000),
	ev('ahead answer', 'call.started', 0), ev('ahead answer', 'call.answered', 2500000000), ev('ahead answer', 'dtmf', 2500000001),
	ev('ahead all', 'call.started', 2500000000),
	ev('ahead now', 'call.started', 0), ev('ahead now', 'dtmf', 2500000000),
	ev('ahead no time', 'call.ringing', NULL), ev('ahead no time', 'dtmf', 2500000000)]);
SELECT call_id, last_event_time > now() AS ahead, silent_for >= '0' AND silent_for < '1 hour' AS "by receipt" FROM cdr_stale_calls WHERE call_id LIKE 'ahead%' ORDER BY call_id;
SELECT cdr_close_stale_calls('1 day', 'lost');
UPDATE call_events SET received_at = now() - interval '25 hours' WHERE call_id LIKE 'ahead%' AND call_id <> 'ahead now';
SELECT correct('ahead', '{"trunk":"was not heard of by that"}');
SELECT call_id, silent_for BETWEEN '25 hours' AND '26 hours' AS "by receipt" FROM cdr_stale_calls WHERE call_id LIKE 'ahead%' ORDER BY silent_for DESC, call_id LIMIT 4;
SELECT cdr_close_stale_calls('26 hours', 'lost');
SELECT cdr_close_stale_calls('1 day', 'lost');
SELECT call_id, status, extract(year FROM answer_time) AS answered, CASE WHEN end_time < now() - interval '1 hour' OR end_time > now() THEN end_time END AS end_time, duration_seconds, billable_seconds, anomalies FROM calls WHERE call_id LIKE 'ahead%' ORDER BY call_id;
SELECT cdr_ingest_event(ev('ahead now', 'call.ended', 9));

-- one whose ends are none of its own can be closed, too
SELECT cdr_ingest_events(ARRAY[ev('odd', 'call.started', 0), ev('odd', 'call.ended', 3, '{"reason":"normal_clearing"}'), ev('odd', 'call.answered', 30), ev('odd', 'call.ended', 31, '{"reason":"canceled"}')]);
SELECT status FROM calls WHERE call_id = 'odd';
SELECT cdr_close_stale_calls('1 day', 'lost');
SELECT end_time, hangup_cause, disposition, billable_seconds, anomalies FROM calls WHERE call_id = 'odd';

-- all of that is in the log
SELECT count(*) FROM cdr_verify_calls();
CREATE TABLE before AS SELECT * FROM calls;
DELETE FROM calls;
SELECT cdr_rebuild_calls() = count(*) AS rebuilt FROM before;
SELECT count(*) FROM (SELECT to_jsonb(c) FROM calls AS c EXCEPT SELECT to_jsonb(b) FROM before AS b) AS d;

-- clear errors
\set VERBOSITY default
SELECT correct('nobody', '{"trunk":"x"}');
-- the row is missing, and not the call
BEGIN;
DELETE FROM calls WHERE call_id = 'odd';
SAVEPOINT s;
SELECT correct('odd', '{"trunk":"x"}');
ROLLBACK TO s;
SELECT cdr_correct_call('odd', '{"trunk":"x"}', 'because', before_events => true);
ROLLBACK TO s;
SELECT cdr_withdraw_correction('odd', '{trunk}', 'because');
ROLLBACK TO s;
SELECT public.cdr_rebuild_calls('odd');
SELECT correct('odd', '{"trunk":"x"}');
ROLLBACK;
SELECT correct('', '{"trunk":"x"}');
SELECT correct('a', '{"billable_seconds":3}');
SELECT correct('a', '{"trunk":"x","answerTime":null}');
SELECT correct('a', '{}');
SELECT correct('a', '[1]');
SELECT correct('a', '"trunk"');
SELECT correct('a', '{"trunk":7}');
SELECT correct('a', '{"trunk":{"a":1}}');
SELECT correct('a', '{"trunk":""}');
SELECT correct('a', '{"start_time":1234567890}');
SELECT correct('a', '{"start_time":"yesterday evening"}');
SELECT correct('a', '{"start_time":"infinity"}');
SELECT correct('a', '{"start_time":"10000-01-01Z"}');
SELECT correct('a', '{"start_time":"1970-01-01Z"}');
SELECT correct('a', '{"sip_status":"486"}');
SELECT correct('a', '{"sip_status":100}');
SELECT correct('a', '{"sip_status":486.5}');
SELECT correct('a', '{"contact_id":9223372036854775808}');
SELECT correct('a', '{"contact_id":0}');
SELECT correct('a', '{"contact_id":1e100000}');
BEGIN READ ONLY;
SELECT correct('a', '{"trunk":"x"}');
ROLLBACK;
BEGIN READ ONLY;
SELECT cdr_close_stale_calls('1000 years', 'nothing to close');
ROLLBACK;
SELECT cdr_correct_call('a', '{"trunk":"x"}', ' ');
SELECT cdr_correct_call('a', '{"trunk":"x"}', NULL);
SELECT cdr_correct_call('a', NULL, 'because');
SELECT cdr_correct_call(NULL, '{"trunk":"x"}', 'because');
SELECT cdr_withdraw_correction('a', '{status}', 'because');
SELECT cdr_withdraw_correction('a', '{}', 'because');
SELECT cdr_withdraw_correction('a', '{NULL}', 'because');
SELECT cdr_withdraw_correction('nobody', '{trunk}', 'because');
SELECT cdr_close_stale_calls('0', 'because');
SELECT cdr_close_stale_calls('-1 day', 'because');
SELECT cdr_close_stale_calls('1 day', '');
SELECT cdr_close_stale_calls('1 day', 'because', 0);
\set VERBOSITY sqlstate
SELECT correct('nobody', '{"trunk":"x"}');
SELECT correct('a', '{"billable_seconds":3}');
SELECT correct('a', '{"trunk":7}');
SELECT correct('a', '{"start_time":"yesterday evening"}');
SELECT correct('a', '{"start_time":"infinity"}');
SELECT correct('a', '{"sip_status":100}');
SELECT correct('a', '{"trunk":"\u0000"}');
SELECT cdr_correct_call('a', '{"trunk":"x"}', '');
SELECT cdr_correct_call('a', NULL, 'because');
SELECT cdr_correct_call('a', json_build_object('trunk', repeat('x', 2000000)), 'because');
SELECT cdr_correct_call(repeat('x', 256), '{"trunk":"x"}', 'because', true);
-- a trigger that drops a correction does not pass for one that was made
CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER drop_it BEFORE INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION drop_it();
SELECT correct('a', '{"trunk":"x"}');
DROP TRIGGER drop_it ON call_events;
\set VERBOSITY default
SELECT count(*) FROM cdr_verify_calls();

-- any order: corrections before, between and after the events, one by one
CREATE TABLE steps (n int PRIMARY KEY, step text);
INSERT INTO steps VALUES
	(1, $$SELECT cdr_ingest_event(ev('p', 'call.started', 0, '{"from":"1001","trunk":"gw-1"}'))$$),
	(2, $$SELECT cdr_ingest_event(ev('p', 'call.answered', 8))$$),
	(3, $$SELECT cdr_ingest_events(ARRAY[ev('p', 'call.ended', 30, '{"reason":"network_failure"}'), ev('p', 'call.ended', 8.1, '{"reason":"canceled"}')])$$),
	(4, $$SELECT cdr_correct_call('p', '{"answer_time":"2025-01-19T22:00:12Z","caller_number":"42"}', 'because', true)$$),
	(5, $$SELECT cdr_correct_call('p', '{"hangup_cause":"normal_clearing","trunk":null}', 'because', true)$$),
	(6, $$SELECT cdr_ingest_event(ev('p', 'user.identified.for_call', 3, '{"userId":"u2"}'))$$);
CREATE TABLE permutations AS
WITH RECURSIVE p (ns) AS (
	SELECT ARRAY[n] FROM generate_series(1, 6) AS n
	UNION ALL
	SELECT ns || n FROM p, generate_series(1, 6) AS n WHERE n <> ALL (ns))
SELECT ns FROM p WHERE cardinality(ns) = 6;
CREATE PROCEDURE try_orders() LANGUAGE plpgsql AS $$
DECLARE
	p int[];
	i int;
	found text;
	truth text;
	tried int := 0;
	differ int := 0;
	wrong bigint := 0;
BEGIN
	FOR p IN SELECT ns FROM permutations ORDER BY ns LOOP
		FOREACH i IN ARRAY p LOOP
			EXECUTE (SELECT step FROM steps AS s WHERE s.n = i);
		END LOOP;
		SELECT (to_jsonb(c) - 'merge_state')::text INTO STRICT found FROM calls AS c WHERE call_id = 'p';
		wrong := wrong + (SELECT count(*) FROM cdr_verify_calls('p'));
		ROLLBACK;
		truth := COALESCE(truth, found);
		tried := tried + 1;
		differ := differ + (found <> truth)::int;
	END LOOP;
	RAISE NOTICE '% orders tried, % differ, % wrong', tried, differ, wrong;
	RAISE NOTICE '%', truth;
END $$;
CALL try_orders();

-- and of corrections that contradict each other the latest, in whichever order they come into the log
CREATE TABLE contradicting AS
SELECT cdr_correct_call('p', ('{"trunk":"gw-' || n || '"}')::json, 'because', true) AS event_id, n FROM generate_series(1, 3) AS n;
SELECT cdr_withdraw_correction('p', '{trunk}', 'because') IS NOT NULL AS withdrawn, correct('p', '{"trunk":"last"}');
CREATE TABLE of_log AS SELECT * FROM call_events WHERE call_id = 'p';
CREATE TABLE places AS SELECT event_id, row_number() OVER (ORDER BY event_time) AS n FROM of_log;
DO $$
DECLARE
	parts record;
	calls_found text[];
BEGIN
	-- the rows that the log makes of any two parts, joined
	FOR parts IN SELECT a FROM generate_series(1, 30) AS a LOOP
		DELETE FROM call_events WHERE call_id = 'p';
		INSERT INTO call_events SELECT l.* FROM of_log AS l JOIN places USING (event_id) WHERE parts.a & (1 << (n - 1)::int) <> 0;
		CREATE TEMP TABLE one AS SELECT * FROM cdr_calls_from_log('p');
		DELETE FROM call_events WHERE call_id = 'p';
		INSERT INTO call_events SELECT l.* FROM of_log AS l JOIN places USING (event_id) WHERE parts.a & (1 << (n - 1)::int) = 0;
		CREATE TEMP TABLE other AS SELECT * FROM cdr_calls_from_log('p');
		calls_found := calls_found || (SELECT array_agg(j.trunk || ' ' || j.event_count) FROM one, other, cdr_join_calls(one, other) AS j)
			|| (SELECT array_agg(j.trunk || ' ' || j.event_count) FROM one, other, cdr_join_calls(other, one) AS j);
		DROP TABLE one, other;
	END LOOP;
	RAISE NOTICE '% parts, joined: %', cardinality(calls_found), (SELECT array_agg(DISTINCT f) FROM unnest(calls_found) AS f);
END $$;

DROP TABLE of_forged, before, steps, permutations, contradicting, of_log, places, returned;
DROP PROCEDURE try_orders;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
DROP FUNCTION ev, talk, correct, drop_it;
