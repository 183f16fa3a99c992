-- What others compute wrongly: each section has calls of which the usual mistake
-- makes another figure, worked out by hand beside the right one.  What concerns thresholds,
-- colours and runs of failures is tested with alerts and boards.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
CREATE EXTENSION cdr_service;
SELECT cdr_create_partitions('2026-03-01', '2026-06-30');

-- an event of a call, so many seconds after a moment
CREATE FUNCTION ev(call text, type text, moment timestamptz, second numeric DEFAULT 0, more jsonb DEFAULT '{}') RETURNS json
LANGUAGE sql AS $$
	SELECT (jsonb_build_object('callId', call, 'eventType', 'call.' || type, 'timestamp',
		to_char((moment + second * interval '1 s') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
		|| CASE type WHEN 'started' THEN '{"from":"+12025550100","to":"1001"}' ELSE '{}' END::jsonb || more)::json
$$;
-- a call that was answered and talked so long; or that ended so, unanswered
CREATE FUNCTION answered(call text, moment timestamptz, talk numeric, cause text DEFAULT 'normal_clearing') RETURNS bigint
LANGUAGE sql AS $$
	SELECT cdr_ingest_events(ARRAY[ev(call, 'started', moment), ev(call, 'answered', moment, 5),
		ev(call, 'ended', moment, 5 + talk, jsonb_build_object('reason', cause))]) $$;
CREATE FUNCTION unanswered(call text, moment timestamptz, cause text) RETURNS bigint
LANGUAGE sql AS $$
	SELECT cdr_ingest_events(ARRAY[ev(call, 'started', moment), ev(call, 'ended', moment, 20, jsonb_build_object('reason', cause))]) $$;

-- ---------------------------------------------------------------------------
-- Calls that fail never reach the statistics: ASR 100 %
-- ---------------------------------------------------------------------------

-- 1 of 5 is answered; of one that was refused at once, nobody told the start, and one rings
SELECT answered('a1', '2026-03-01', 60) + unanswered('a2', '2026-03-01', 'user_busy') + unanswered('a3', '2026-03-01', 'network_failure')
	+ cdr_ingest_events(ARRAY[ev('a4', 'ended', '2026-03-01', 3, '{"reason":"call_rejected"}'), ev('a5', 'ended', '2026-03-01', 3, '{"reason":"canceled"}'), ev('a6', 'started', '2026-03-01')]) AS events;
SELECT attempts, open, decided, answered, busy, failed, canceled, no_answer, round(asr, 3) AS asr FROM cdr_traffic('2026-03-01', '2026-03-02');
-- a producer that tells of no failure cannot be corrected, but seen: no call of it has another fate
SELECT attempts, answered, round(asr, 3) AS asr FROM cdr_traffic('2026-03-01', '2026-03-02', NULL, 'UTC', '{hangup_cause}') WHERE hangup_cause = 'normal_clearing';

-- ---------------------------------------------------------------------------
-- Counters that are taken back twice, or not: sums go below zero
-- ---------------------------------------------------------------------------

SELECT answered('b1', '2026-03-02', 60) + answered('b2', '2026-03-02', 30) AS events;
CREATE TEMP TABLE figures AS SELECT 'told' AS after, * FROM cdr_traffic('2026-03-02', '2026-03-03');
-- told again; corrected, and corrected again; taken back, twice
SELECT cdr_ingest_events(ARRAY[ev('b1', 'answered', '2026-03-02', 5), ev('b1', 'started', '2026-03-02')]);
INSERT INTO figures SELECT 'told again', * FROM cdr_traffic('2026-03-02', '2026-03-03');
SELECT cdr_correct_call('b1', '{"answer_time":null}', 'x') IS NOT NULL AS corrected, cdr_correct_call('b1', '{"answer_time":null}', 'y') IS NOT NULL AS again;
INSERT INTO figures SELECT 'corrected', * FROM cdr_traffic('2026-03-02', '2026-03-03');
SELECT cdr_withdraw_correction('b1', '{answer_time}', 'x') IS NOT NULL AS withdrawn, cdr_withdraw_correction('b1', '{answer_time}', 'y') IS NOT NULL AS again;
INSERT INTO figures SELECT 'withdrawn', * FROM cdr_traffic('2026-03-02', '2026-03-03');
-- a second end is another, and not the call's; and calls are forgotten
SELECT cdr_ingest_events(ARRAY[ev('b2', 'ended', '2026-03-02', 65, '{"reason":"normal_clearing"}')]);
INSERT INTO figures SELECT 'ended later', * FROM cdr_traffic('2026-03-02', '2026-03-03');
DELETE FROM calls WHERE call_id LIKE 'b%';
INSERT INTO figures SELECT 'forgotten', * FROM cdr_traffic('2026-03-02', '2026-03-03');
SELECT cdr_rebuild_calls(call_ids => '{b1,b2}');
INSERT INTO figures SELECT 'rebuilt', * FROM cdr_traffic('2026-03-02', '2026-03-03');
SELECT after, attempts, answered, presumed, round(talk_seconds, 3) AS talk_seconds, round(acd_seconds, 3) AS acd_seconds FROM figures;

-- ---------------------------------------------------------------------------
-- Answered is what ended with cause 16
-- ---------------------------------------------------------------------------

-- 2 are answered, whatever they ended by; what is cleared normally before an answer is not
SELECT answered('c1', '2026-03-03', 60, 'normal_clearing') + answered('c2', '2026-03-03', 60, 'normal_temporary_failure')
	+ unanswered('c3', '2026-03-03', 'normal_clearing') + unanswered('c4', '2026-03-03', '16') AS events;
SELECT attempts, answered, presumed, round(asr, 3) AS asr FROM cdr_traffic('2026-03-03', '2026-03-04');

-- ---------------------------------------------------------------------------
-- The mean length of all calls, instead of those that were answered
-- ---------------------------------------------------------------------------

-- 60 and 120 s make 90, not the 45 of four calls; of one whose end is not known, nothing is said
SELECT answered('d1', '2026-03-04', 60) + answered('d2', '2026-03-04', 120) + unanswered('d3', '2026-03-04', 'user_busy') + unanswered('d4', '2026-03-04', 'no_answer')
	+ cdr_ingest_events(ARRAY[ev('d5', 'started', '2026-03-04'), ev('d5', 'answered', '2026-03-04', 5)]) AS events;
SELECT attempts, answered, round(talk_seconds, 3) AS talk_seconds, round(acd_seconds, 3) AS acd_seconds FROM cdr_traffic('2026-03-04', '2026-03-05');
-- nor are seconds cut off: 10 calls of 0.9 s are 9 s
SELECT sum(answered('d6.' || n, timestamptz '2026-03-04 12:00' + n * interval '1 min', 0.9)) AS events FROM generate_series(1, 10) AS n;
SELECT round(talk_seconds, 3) AS talk_seconds, (SELECT sum(billable_seconds) FROM calls WHERE call_id LIKE 'd6%') AS billable FROM cdr_traffic('2026-03-04 12:00', '2026-03-05');

-- ---------------------------------------------------------------------------
-- One condition for the numerator and another for the denominator
-- ---------------------------------------------------------------------------

-- what is left out of the one is left out of the other: parts, by whatever, make the whole
SELECT d AS by, sum(t.attempts) AS attempts, sum(t.decided) AS decided, sum(t.answered) AS answered, round(sum(t.talk_seconds), 3) AS talk, bool_and(t.asr BETWEEN 0 AND 1) AS "a ratio"
FROM unnest('{tenant_id,direction,trunk,destination,hangup_cause,hour,weekday}'::text[]) AS d, cdr_traffic('2026-03-01', '2026-03-05', NULL, 'UTC', ARRAY[d]) AS t
GROUP BY d ORDER BY d;
SELECT attempts, decided, answered, round(talk_seconds, 3) AS talk FROM cdr_traffic('2026-03-01', '2026-03-05');

-- ---------------------------------------------------------------------------
-- BETWEEN: on the hour, a call is in two; a month has 30 days
-- ---------------------------------------------------------------------------

SELECT sum(answered('e' || n, timestamptz '2026-05-01' + n * interval '1 hour', 1)) AS events FROM generate_series(0, 31 * 24 - 1) AS n;
SELECT count(*) AS hours, min(attempts), max(attempts), sum(attempts) FROM cdr_traffic('2026-05-01', '2026-06-01', '1 hour');
SELECT bucket, attempts FROM cdr_traffic('2026-04-01', '2026-07-01', '1 month');
-- the last instant of a month, and the first of the next
SELECT answered('e last', '2026-05-31 23:59:59.999999', 1) + answered('e first', '2026-06-01', 1) AS events;
SELECT bucket, attempts FROM cdr_traffic('2026-04-01', '2026-07-01', '1 month');

-- ---------------------------------------------------------------------------
-- Averages of averages
-- ---------------------------------------------------------------------------

-- 10 s, and three times 100 s: 77.5, not the 55 of two hours; 2 of 5 answered, not the mean of 1 and 1/4
SELECT answered('f1', '2026-03-06 10:00', 10) + answered('f2', '2026-03-06 11:00', 100) + answered('f3', '2026-03-06 11:01', 100) + answered('f4', '2026-03-06 11:02', 100) AS events;
SELECT round(avg(acd_seconds), 3) AS "not this" FROM cdr_traffic('2026-03-06 10:00', '2026-03-06 12:00', '1 hour');
SELECT round(acd_seconds, 3) AS acd_seconds FROM cdr_traffic('2026-03-06', '2026-03-07');
SELECT answered('f5', '2026-03-07 10:00', 10) + answered('f6', '2026-03-07 11:00', 10) + unanswered('f7', '2026-03-07 11:00', 'user_busy') + unanswered('f8', '2026-03-07 11:00', 'user_busy') + unanswered('f9', '2026-03-07 11:00', 'user_busy') AS events;
SELECT round(avg(asr), 3) AS "not this" FROM cdr_traffic('2026-03-07 10:00', '2026-03-07 12:00', '1 hour');
SELECT round(asr, 3) AS asr FROM cdr_traffic('2026-03-07', '2026-03-08');

-- ---------------------------------------------------------------------------
-- Each leg, and each route that was tried, is a call
-- ---------------------------------------------------------------------------

-- told by three services; rings at three phones, of which one answers; and is tried over two routes
SELECT cdr_ingest_events(ARRAY[ev('g1', 'started', '2026-03-08'), ev('g1', 'started', '2026-03-08', 0.2, '{"trunk":"west"}'), ev('g1', 'started', '2026-03-08', 0.1, '{"trunk":"east"}'),
	ev('g1', 'ringing', '2026-03-08', 1), ev('g1', 'ringing', '2026-03-08', 2), ev('g1', 'ended', '2026-03-08', 3, '{"reason":"network_failure"}'), ev('g1', 'answered', '2026-03-08', 6),
	ev('g1', 'ended', '2026-03-08', 6.5, '{"reason":"lose_race"}'), ev('g1', 'ended', '2026-03-08', 6.6, '{"reason":"lose_race"}'), ev('g1', 'ended', '2026-03-08', 66, '{"reason":"normal_clearing"}')]);
SELECT trunk, attempts, answered, failed, no_answer, round(asr, 3) AS asr, round(talk_seconds, 3) AS talk_seconds FROM cdr_traffic('2026-03-08', '2026-03-09', NULL, 'UTC', '{trunk}');

-- ---------------------------------------------------------------------------
-- Hours of the server's zone
-- ---------------------------------------------------------------------------

-- 23:30 in New York is half past five in Berlin, of the next day
SELECT answered('h1', '2026-06-09 23:30-04', 60) AS events;
SET timezone = 'Asia/Tokyo';
SELECT weekday, hour, attempts FROM cdr_traffic('2026-06-09 00:00-04', '2026-06-10 00:00-04', NULL, 'America/New_York', '{weekday,hour}');
SELECT weekday, hour, attempts FROM cdr_traffic('2026-06-09 00:00-04', '2026-06-10 00:00-04', NULL, 'Europe/Berlin', '{weekday,hour}');
SELECT to_char(bucket AT TIME ZONE 'America/New_York', 'YYYY-MM-DD HH24:MI') AS day, attempts FROM cdr_traffic('2026-06-08 00:00-04', '2026-06-11 00:00-04', '1 day', 'America/New_York');
SET timezone = 'UTC';

-- ---------------------------------------------------------------------------
-- Lines that are never free again, and 5 calls on 4 lines
-- ---------------------------------------------------------------------------

-- four lines, one call after the other on each, without a gap: 4, and not 5 where they meet
SELECT sum(cdr_ingest_events(ARRAY[ev('i' || n, 'started', '2026-03-10 10:00', n / 4 * 900), ev('i' || n, 'ended', '2026-03-10 10:00', n / 4 * 900 + 900)])) AS events
FROM generate_series(0, 15) AS n;
SELECT bucket, round(erlang, 3) AS erlang FROM cdr_traffic('2026-03-10 10:00', '2026-03-10 11:00', '15 min');
SELECT round(erlang, 3) AS erlang FROM cdr_traffic('2026-03-10 10:14:59', '2026-03-10 10:15:01');
-- one whose end was lost is up for a day after it was heard of, and then no more
SELECT cdr_ingest_events(ARRAY[ev('i lost', 'started', '2026-03-11 12:00')]);
SELECT bucket, attempts, open, round(erlang, 3) AS erlang FROM cdr_traffic('2026-03-11 12:00', '2026-03-14 12:00', '1 day');

-- ---------------------------------------------------------------------------
-- Division by zero; no call at all is 0 %
-- ---------------------------------------------------------------------------

\x
SELECT attempts, decided, answered, asr, ner, seer, round(talk_seconds, 3) AS talk_seconds, acd_seconds, setup_avg, setup_p50, setup_p95, round(erlang, 3) AS erlang FROM cdr_traffic('2026-04-01', '2026-04-02');
-- attempted, and nothing decided; decided, and nobody answered: that is 0 %
SELECT cdr_ingest_events(ARRAY[ev('j1', 'started', '2026-04-03')]) + unanswered('j2', '2026-04-04', 'user_busy') AS events;
SELECT attempts, decided, round(asr, 3) AS asr, round(ner, 3) AS ner, round(seer, 3) AS seer, acd_seconds, setup_avg, setup_p50 FROM cdr_traffic('2026-04-03', '2026-04-04');
SELECT attempts, decided, round(asr, 3) AS asr, round(ner, 3) AS ner, round(seer, 3) AS seer, acd_seconds, setup_avg, setup_p50 FROM cdr_traffic('2026-04-04', '2026-04-05');
\x

-- ---------------------------------------------------------------------------
-- An outbound call that nobody took is missed
-- ---------------------------------------------------------------------------

SELECT cdr_ingest_events(ARRAY[ev('k1', 'started', '2026-04-05', 0, '{"from":"1001","to":"+12025550100"}'), ev('k1', 'ended', '2026-04-05', 20, '{"reason":"no_answer"}'),
	ev('k2', 'started', '2026-04-05', 0, '{"from":"1001","to":"1002"}'), ev('k2', 'ended', '2026-04-05', 20, '{"reason":"no_answer"}'),
	ev('k3', 'started', '2026-04-05'), ev('k3', 'ended', '2026-04-05', 20, '{"reason":"no_answer"}'), ev('k4', 'started', '2026-04-05')]);
SELECT direction, attempts, no_answer, open FROM cdr_traffic('2026-04-05', '2026-04-06', NULL, 'UTC', '{direction}');
-- as doc/queries.md asks
\set text `cat "$PG_ABS_SRCDIR/doc/queries.md"`
SELECT replace(substring(:'text' FROM '\n### Today''s missed calls\n\n(.*?);\n'), 'current_date', '''2026-04-05''') AS statement \gset
SELECT caller_number, disposition, rang FROM (:statement) AS q WHERE attempt_time < '2026-04-06';

SET client_min_messages = warning;
DROP FUNCTION ev, answered, unanswered;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters, timeless_events;
