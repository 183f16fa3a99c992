-- doc/queries.md is true: each of its statements, as it stands there, says what was
-- told, and reads what the document says it reads, where there are many rows.
\set VERBOSITY terse
SET client_min_messages = warning;
-- around noon, so that there is a today and a yesterday, whenever this is run
SELECT set_config('timezone', 'Etc/GMT' || to_char(extract(hour FROM now() AT TIME ZONE 'UTC') - 12, 'SG99FM'), false)
	~ '^Etc/GMT[+-]\d+$' AS noon;
SELECT extract(hour FROM now()) AS hour;
CREATE EXTENSION cdr_service;

-- ---------------------------------------------------------------------------
-- What is told: 60,000 calls of 120 days
-- ---------------------------------------------------------------------------

SELECT setseed(0.7);
CREATE TABLE told AS
SELECT 'call ' || n AS id, (ARRAY['tenant-atlas', 'tenant-borealis', 'tenant-cedar', NULL])[1 + n % 4] AS tenant,
	(ARRAY['inbound', 'outbound', 'internal'])[1 + n % 3] AS direction,
	CASE WHEN n % 11 = 0 THEN '+902125550101' ELSE '+4930' || (1000 + n % 800)::text END AS caller,
	CASE WHEN n % 13 = 0 THEN '+902125550101' WHEN n % 17 = 0 THEN '+12025550101' ELSE (ARRAY['+90', '+44'])[1 + n % 2] || (5550000 + n % 900)::text END AS callee,
	(ARRAY['east', 'west', NULL])[1 + n % 5 % 3] AS trunk,
	-- what became of it
	CASE WHEN n % 199 = 0 THEN 'unknown' WHEN n % 97 = 0 THEN 'up' WHEN n % 101 = 0 THEN 'presumed'
		ELSE (ARRAY['answered', 'answered', 'answered', 'BUSY', 'CANCELED', 'FAILED', 'NO_ANSWER'])[1 + n % 7] END AS fate,
	n % 151 = 0 AS begin_lost,
	at, (1 + n % 30) * interval '1.000001 s' AS rings, (n % 500) * interval '1.01 s' AS talks, n
FROM (SELECT n, now() - interval '120 days' + (n - random()) * (interval '120 days' / 60000) AS at FROM generate_series(1, 60000) AS n) AS moments;

INSERT INTO calls (call_id, status, disposition, direction, caller_number, callee_number, trunk, tenant_id, start_time, answer_time, end_time,
	hangup_cause, recording_url, anomalies, event_count, first_event_time, last_event_time)
SELECT id, 'x', CASE WHEN fate IN ('answered', 'presumed') THEN 'ANSWERED' WHEN fate NOT IN ('up', 'unknown') THEN fate END,
	direction, caller, callee, trunk, tenant,
	CASE WHEN fate <> 'unknown' AND NOT begin_lost THEN at END, CASE WHEN fate = 'answered' THEN at + rings END,
	CASE fate WHEN 'unknown' THEN NULL WHEN 'up' THEN NULL WHEN 'answered' THEN at + rings + talks ELSE at + rings END,
	CASE fate WHEN 'answered' THEN 'normal_clearing' WHEN 'presumed' THEN 'normal_clearing' WHEN 'BUSY' THEN 'USER-BUSY' WHEN 'FAILED' THEN 'network_failure'
		WHEN 'CANCELED' THEN 'made up' END,
	CASE WHEN n % 10 <> 0 THEN 's3://r/' || n END, CASE WHEN begin_lost THEN '{clock,no start}' WHEN n % 50 = 0 THEN '{clock}'::text[] END,
	1, at, at
FROM told ORDER BY n;
-- as reports have it
ALTER TABLE told ADD tried timestamptz;
UPDATE told SET tried = CASE WHEN fate = 'unknown' THEN NULL WHEN NOT begin_lost THEN at WHEN fate = 'answered' THEN at + rings
	WHEN fate <> 'up' THEN at + rings END;

-- an event of each call; some without one, some of a type that nobody knows, some late
SELECT cdr_create_partitions(now() - interval '125 days', now()) > 3 AS partitions;
CREATE TABLE came AS
SELECT n, at, at + (n % 90) * interval '0.1 s' AS received, CASE WHEN n % 20 <> 0 THEN 'call ' || n ELSE '' END AS call,
	CASE WHEN n % 20 = 1 THEN 'org.example.queued' WHEN n % 2 = 0 THEN 'call.started' ELSE 'call.answered' END AS type
FROM told
UNION ALL
SELECT 100000 + n, now() - interval '70 days' - n * interval '1 hour', now() - n * interval '1 min', 'late ' || n % 3, 'call.ended' FROM generate_series(1, 9) AS n;
INSERT INTO call_events (event_time, received_at, recorded_at, event_id, call_id, event_type, routing_key, time_source, payload)
SELECT at, received, received, md5(n::text)::uuid, call, type, 'key.' || n % 3, 'b',
	json_strip_nulls(json_build_object('eventType', type, 'callId', NULLIF(call, ''), 'timestamp', at))
FROM came ORDER BY received;

INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, routing_key, body_size, body)
SELECT md5('letter' || n)::uuid, now() - n * interval '1 min', now() - n % 100 * interval '1 s', CASE WHEN n % 3 = 0 THEN '22P02' ELSE '23514' END,
	CASE n % 3 WHEN 0 THEN 'event is not JSON' WHEN 1 THEN 'no partition' ELSE 'check' END, 'key.' || n % 2, 1, 'x'
FROM generate_series(1, 3000) AS n;

-- two calls of long ago by their events, of which one comes twice; one is corrected
SELECT cdr_ingest_events(ARRAY[
	'{"eventType":"call.started","callId":"5b5ecf1780-1d57@192.0.2.44","timestamp":"2011-03-05T10:00:00Z","from":"+905325550135","to":"+902125550101"}',
	'{"eventType":"call.ended","callId":"5b5ecf1780-1d57@192.0.2.44","timestamp":"2011-03-05T10:01:05.5Z","reason":"normal_clearing"}',
	'{"eventType":"call.answered","callId":"5b5ecf1780-1d57@192.0.2.44","timestamp":"2011-03-05T10:00:05Z"}',
	'{"eventType":"call.started","callId":"5b5ecf1780-1d57@192.0.2.44","timestamp":"2011-03-05T10:00:00Z","from":"+905325550135","to":"+902125550101"}',
	'{"eventType":"call.ended","callId":"wrong","timestamp":"2011-03-06T10:01:05.5Z","reason":"normal_clearing"}']::json[]);
SELECT cdr_correct_call('wrong', '{"trunk":"west"}', 'the invoice says so') IS NOT NULL AS corrected;
SELECT cdr_withdraw_correction('wrong', '{trunk}', 'it does not') IS NOT NULL AS withdrawn;
VACUUM (ANALYZE) calls, call_events, dead_letters;

-- ---------------------------------------------------------------------------
-- What the document says
-- ---------------------------------------------------------------------------

\getenv source PG_ABS_SRCDIR
\set text `cat "$PG_ABS_SRCDIR/doc/queries.md"`
CREATE TABLE questions AS
SELECT number, split_part(section, E'\n', 1) AS title,
	-- what is indented, without the indent
	regexp_replace((regexp_match(section, '\n\n((?:    [^\n]*\n)+)'))[1], '^    ', '', 'gn') AS statement,
	ARRAY(SELECT m[1] FROM regexp_matches((regexp_match(section, '^(?:Uses .*?\.$|Uses .*?\. |Reads `\w+` whole)', 'n'))[1], '`(\w+)`', 'g') AS m) AS reads,
	section ~ '\n\nBy `cdr_traffic\(\)`' AS by_traffic
FROM regexp_split_to_table(:'text', '\n### ') WITH ORDINALITY AS s(section, number)
WHERE number > 1;
SELECT count(*) > 30 AS many FROM questions;
-- one statement each, of few lines, and what it reads
SELECT title FROM questions
WHERE statement IS NULL OR statement !~ '^[^;]+;\n$' OR regexp_count(statement, '\n') > 8 OR NOT (by_traffic OR cardinality(reads) > 0 OR title ~ '^How large');

-- ---------------------------------------------------------------------------
-- The same, worked out from what was told
-- ---------------------------------------------------------------------------

CREATE TABLE expectations (title text, query text);
-- when things were: a day and a month of the clock
CREATE FUNCTION today() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT to_char(now(), 'YYYY-MM-DD 00:00')::timestamptz $$;
CREATE FUNCTION month(back integer DEFAULT 0) RETURNS timestamptz LANGUAGE sql STABLE AS $$
	SELECT (to_char(now(), 'YYYY-MM-01')::timestamp - make_interval(months => back))::timestamptz $$;
-- outcomes, as told; what ended, ended when
CREATE VIEW outcomes AS
	SELECT t.*, fate = 'answered' AS is_answered, fate IN ('answered', 'presumed', 'BUSY', 'CANCELED', 'FAILED', 'NO_ANSWER') AS is_over,
		   at + rings + CASE WHEN fate = 'answered' THEN talks ELSE '0' END AS over_at
	FROM told AS t WHERE tried IS NOT NULL;
INSERT INTO expectations VALUES
('Today''s calls of a tenant', $$SELECT c.* FROM outcomes AS t JOIN calls AS c ON c.call_id = t.id WHERE tenant = 'tenant-atlas' AND tried >= today() ORDER BY tried DESC$$),
('A number''s calls of the last seven days', $$SELECT tried AS attempt_time, direction, caller AS caller_number, callee AS callee_number,
	CASE WHEN fate = 'presumed' THEN 'ANSWERED' WHEN is_over THEN upper(fate) END AS disposition,
	CASE WHEN is_over THEN CASE WHEN is_answered THEN floor(extract(epoch FROM talks)) ELSE 0 END END AS billable_seconds
	FROM outcomes WHERE (n % 11 = 0 OR n % 13 = 0) AND tried + '168 hours' >= now() ORDER BY tried DESC$$),
('A call of which only the time and the last digits are known', $$SELECT id AS call_id, tried AS attempt_time, caller AS caller_number, callee AS callee_number,
	CASE WHEN fate = 'presumed' THEN 'ANSWERED' WHEN is_over THEN upper(fate) END AS disposition
	FROM outcomes WHERE to_char(tried, 'YYYY-MM-DD HH24') = to_char(now() - interval '24 hours', 'YYYY-MM-DD 14')
	AND '0101' IN (right(caller, 4), right(callee, 4)) ORDER BY tried$$),
('One call''s story', $$VALUES (interval '0', 'call.started', '+905325550135 calls +902125550101'), ('5 s', 'call.answered', 'answered after 5 s'),
	('65.5 s', 'call.ended', 'ended after 65 s, 60 s of talk: normal clearing')$$),
('One call''s events, as they came', $$SELECT event_time, received_at, event_type, payload AS event FROM call_events WHERE call_id = '5b5ecf1780-1d57@192.0.2.44'
	ORDER BY CASE event_type WHEN 'call.started' THEN 1 WHEN 'call.answered' THEN 2 WHEN 'call.ended' THEN 3 ELSE 4 END, recorded_at$$),
('Calls that are up', $$SELECT id AS call_id, tenant AS tenant_id, 'x' AS status, caller AS caller_number, callee AS callee_number, now() - tried AS since
	FROM told WHERE fate = 'up' AND tried >= now() - interval '24 hours' ORDER BY n$$),
('Calls whose end was lost', $$SELECT id AS call_id, tenant AS tenant_id, CASE WHEN fate = 'up' AND NOT begin_lost THEN at END AS start_time, now() - at AS silent_for
	FROM told WHERE fate IN ('up', 'unknown') AND at < now() - interval '24 hours' ORDER BY n$$),
('The longest calls of this month', $$SELECT id AS call_id, tenant AS tenant_id, caller AS caller_number, callee AS callee_number, talks AS talk
	FROM outcomes WHERE is_answered AND talks > '0' AND tried >= month() ORDER BY n % 500 DESC, id LIMIT 20$$),
('Today''s missed calls', $$SELECT tried AS attempt_time, tenant AS tenant_id, caller AS caller_number, callee AS callee_number,
	CASE fate WHEN 'presumed' THEN 'ANSWERED' ELSE fate END AS disposition, CASE WHEN NOT begin_lost THEN rings END AS rang
	FROM outcomes WHERE n % 3 = 0 AND is_over AND NOT is_answered AND tried >= today() ORDER BY tried DESC$$),
('Missed, and nobody has spoken to them since', $$WITH
	missed AS (SELECT caller, tried FROM outcomes WHERE n % 3 = 0 AND is_over AND NOT is_answered AND tried >= today()),
	-- when somebody spoke to a number last
	spoken AS (SELECT number, max(at + rings) AS last FROM (SELECT caller AS number, * FROM outcomes UNION ALL SELECT callee, * FROM outcomes) AS both_ways
			   WHERE is_answered AND tried >= today() GROUP BY number)
	SELECT caller AS caller_number, count(*), max(tried) AS last FROM missed LEFT JOIN spoken ON number = caller
	WHERE spoken.last IS NULL OR spoken.last <= tried GROUP BY caller ORDER BY max(tried) DESC, caller$$),
('What is odd about today''s calls', $$SELECT 'clock' AS anomaly, count(*), min(id) AS example FROM outcomes WHERE (begin_lost OR n % 50 = 0) AND tried >= today() HAVING count(*) > 0
	UNION ALL SELECT 'no start', count(*), min(id) FROM outcomes WHERE begin_lost AND tried >= today() HAVING count(*) > 0 ORDER BY 2 DESC, 1$$),
('Calls of which neither start, answer nor end is known', $$SELECT id AS call_id, tenant AS tenant_id, 1 AS event_count, at AS first_event_time, at AS last_event_time
	FROM told WHERE tried IS NULL AND at >= now() - interval '24 hours' ORDER BY at$$),
('The busiest hour of the last month', $$WITH hours AS (SELECT h, h + interval '1 hour' AS ends FROM
		(SELECT date_trunc('hour', now()) - n * interval '1 hour' AS h FROM generate_series(0, 720) AS n) AS x),
	counted AS (SELECT h, ends, count(*) AS attempts, count(*) FILTER (WHERE is_answered) AS answered FROM hours JOIN outcomes ON date_trunc('hour', tried) = h GROUP BY h, ends
		ORDER BY attempts DESC, h LIMIT 1)
	SELECT h AS bucket, attempts, answered, (SELECT round(sum(extract(epoch FROM LEAST(c.ends, o.until) - GREATEST(c.h, o.at))) / 3600, 2)
		FROM (SELECT at, begin_lost, CASE WHEN is_over THEN over_at ELSE LEAST(now(), at + interval '24 hours') END AS until FROM outcomes) AS o
		WHERE NOT begin_lost AND o.at < c.ends AND o.until > c.h) AS erlang
	FROM counted AS c$$),
('Today, and the same hours of the same weekday before', $$SELECT (now() - w * interval '7 days')::date AS day, count(*) AS attempts, count(*) FILTER (WHERE is_answered) AS answered,
	round(avg(is_answered::integer) FILTER (WHERE is_over), 3) AS asr FROM generate_series(0, 3) AS w JOIN outcomes ON tried >= today() - w * interval '168 hours' AND tried < now() - w * interval '168 hours'
	GROUP BY w ORDER BY w$$),
('Each tenant today', $$SELECT tenant AS tenant_id, count(*) AS attempts, count(*) FILTER (WHERE is_answered) AS answered, round(avg(is_answered::integer) FILTER (WHERE is_over), 3) AS asr,
	round(avg(extract(epoch FROM talks)) FILTER (WHERE is_answered), 1) AS acd_seconds, count(*) FILTER (WHERE fate = 'up') AS open
	FROM outcomes WHERE tried >= today() GROUP BY tenant ORDER BY 2 DESC, tenant$$),
('Each trunk in the last hour', $$SELECT trunk, count(*) AS attempts, round(avg(is_answered::integer) FILTER (WHERE is_over), 3) AS asr,
	-- of these causes, the callee was busy; of a call without one, and of one that nobody knows, nothing is known; what is cleared without an answer depends
	round(count(*) FILTER (WHERE is_answered OR fate = 'BUSY') / NULLIF(count(*) FILTER (WHERE is_answered OR fate IN ('BUSY', 'FAILED')), 0)::numeric, 3) AS ner,
	round((percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM rings)) FILTER (WHERE is_answered AND NOT begin_lost))::numeric, 3) AS setup_p95
	FROM outcomes WHERE tried >= now() - interval '60 min' GROUP BY trunk ORDER BY 2 DESC, trunk$$),
('Countries that fail most', $$SELECT substr(callee, 1, length(callee) - CASE WHEN callee ~ '^\+1' THEN 10 ELSE length(callee) - 3 END) AS destination, count(*) AS attempts,
	count(*) FILTER (WHERE fate = 'FAILED') AS failed, round(count(*) FILTER (WHERE fate = 'FAILED') / count(*) FILTER (WHERE is_over)::numeric, 3) AS share
	FROM outcomes WHERE tried >= now() - interval '24 hours' GROUP BY 1 ORDER BY 3 DESC, 1$$),
('Numbers that fail most', $$SELECT callee AS callee_number, count(*) AS attempts, sum((fate = 'FAILED')::integer) AS failed FROM outcomes WHERE is_over AND tried >= now() - interval '24 hours'
	GROUP BY callee HAVING bool_or(fate = 'FAILED') ORDER BY 3 DESC, 2, 1 LIMIT 20$$),
('Why calls were not answered, and on whose side the reason lies', $$SELECT k.fault, cause AS hangup_cause, count(*) FROM outcomes AS o
	JOIN (VALUES ('presumed', 'normal_clearing', 'normal_clearing'), ('BUSY', 'USER-BUSY', 'user_busy'), ('CANCELED', 'made up', NULL), ('FAILED', 'network_failure', 'network_failure'),
		('NO_ANSWER', NULL, NULL)) AS v(of, cause, name) ON v.of = o.fate
	LEFT JOIN (SELECT DISTINCT ON (name) name, fault FROM cdr_causes ORDER BY name, listed) AS k USING (name)
	WHERE o.tried >= now() - interval '24 hours' GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2$$),
('Calls by weekday and hour', $$SELECT to_char(tried, 'ID')::integer AS weekday, to_char(tried, 'HH24')::integer AS hour, count(*) AS attempts FROM outcomes
	WHERE tried < today() AND tried >= today() - interval '28 days' GROUP BY 1, 2 ORDER BY 1, 2$$),
('Calls of each of the last ten minutes', $$SELECT m AS bucket, count(id) AS attempts, count(id) FILTER (WHERE is_answered) AS answered, count(id) FILTER (WHERE fate = 'FAILED') AS failed
	FROM (SELECT date_trunc('minute', now()) - n * interval '1 min' AS m FROM generate_series(10, 1, -1) AS n) AS minutes
	LEFT JOIN outcomes ON to_char(tried, 'YYYYMMDDHH24MI') = to_char(m, 'YYYYMMDDHH24MI') GROUP BY m ORDER BY m$$),
('Who called most today', $$SELECT caller AS caller_number, count(*) AS attempts, sum(is_answered::integer) AS answered, cardinality(ARRAY(SELECT DISTINCT unnest(array_agg(callee)))) AS callees
	FROM outcomes WHERE tried >= today() GROUP BY caller ORDER BY 2 DESC, 1 LIMIT 20$$),
('Minutes of each tenant last month', $$SELECT tenant AS tenant_id, count(*) FILTER (WHERE is_answered) AS answered, round(sum(n % 500 * 1.01) FILTER (WHERE is_answered) / 60, 1) AS minutes
	FROM outcomes WHERE tried >= month(1) AND tried < month() GROUP BY tenant ORDER BY tenant$$),
('The calls on a tenant''s bill', $$SELECT tried AS attempt_time, caller AS caller_number, callee AS callee_number, talks AS talk
	FROM outcomes WHERE tenant = 'tenant-atlas' AND is_answered AND n % 500 > 0 AND tried < month() AND tried >= month(1) ORDER BY tried$$),
('Calls of last month and before of which something was recorded since yesterday', $$SELECT call AS call_id, count(*) AS events, max(received) AS last FROM came
	WHERE call <> '' AND received >= today() - interval '24 hours' AND to_char(at, 'YYYYMM') < to_char(now(), 'YYYYMM') GROUP BY call
	UNION ALL SELECT v.*, (SELECT max(recorded_at) FROM call_events WHERE call_id = v.id AND time_source = 'b') FROM (VALUES ('5b5ecf1780-1d57@192.0.2.44', 3), ('wrong', 1)) AS v(id, n)
	ORDER BY last, call_id$$),
('Who corrected what this week', $$SELECT (SELECT recorded_at FROM call_events WHERE event_type = 'cdr.call.' || type) AS recorded_at, 'wrong' AS call_id,
	'cdr.call.' || type AS event_type, current_user AS who, why FROM (VALUES ('corrected', 'the invoice says so'), ('correction_withdrawn', 'it does not')) AS v(type, why)$$),
('Short calls by trunk', $$SELECT trunk, count(*) AS answered, count(*) FILTER (WHERE talks <= '15 s') AS short_calls, round(avg((talks <= '15 s')::integer), 3) AS share
	FROM outcomes WHERE is_answered AND tried >= now() - interval '24 hours' GROUP BY trunk ORDER BY 3 DESC, 1$$),
('Answered today, and not recorded', $$SELECT tenant AS tenant_id, count(*) AS answered, count(*) FILTER (WHERE n % 10 = 0) AS without
	FROM outcomes WHERE is_answered AND tried >= today() GROUP BY 1 ORDER BY 1$$),
('Dead letters by reason', $$SELECT v.*, 1000, (SELECT received_at + interval '1 min' FROM dead_letters WHERE event_id = md5('letter1')::uuid)
	FROM (VALUES ('22P02', 'event is not JSON'), ('23514', 'check'), ('23514', 'no partition')) AS v$$),
('The latest dead letters', $$SELECT md5('letter' || n)::uuid AS event_id, received_at, 'key.' || n % 2 AS routing_key, CASE WHEN n % 3 = 0 THEN '22P02' ELSE '23514' END AS sqlstate,
	(ARRAY['event is not JSON', 'no partition', 'check'])[1 + n % 3] AS message FROM generate_series(1, 20) AS n JOIN dead_letters ON event_id = md5('letter' || n)::uuid ORDER BY n$$),
('What came without a call', $$SELECT type AS event_type, 'key.' || n % 3 AS routing_key, count(*), max(at) AS last FROM came WHERE n % 20 = 0 AND n < 100000 AND received >= now() - interval '24 hours'
	GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2$$),
('What came and says nothing of a call', $$SELECT type AS event_type, 'key.' || n % 3 AS routing_key, NULL AS mapping, count(*) AS events, (array_agg(md5(n::text)::uuid ORDER BY at DESC))[1] AS example
	FROM came WHERE n % 20 = 1 AND n < 100000 AND received >= now() - interval '24 hours' GROUP BY 1, 2 ORDER BY 4 DESC, 1, 2$$),
('Events of the last hour by type', $$SELECT type AS event_type, count(*), count(DISTINCT call) AS calls FROM
	(SELECT type, call FROM came WHERE received >= now() - interval '60 min' UNION ALL
	 SELECT unnest('{call.started,call.answered,call.ended}'::text[]), '5b5' UNION ALL
	 SELECT unnest('{call.ended,cdr.call.corrected,cdr.call.correction_withdrawn}'::text[]), 'wrong') AS x GROUP BY 1 ORDER BY 2 DESC, 1$$),
('How late events are', $$SELECT type AS event_type, (SELECT array_agg(in_order[ceil(p * cardinality(in_order))] ORDER BY p) FROM unnest('{0.5,0.95,1}'::numeric[]) AS p) AS late
	FROM (SELECT type, array_agg(late ORDER BY late) AS in_order FROM lateness GROUP BY type) AS t ORDER BY 1$$),
('How large each table and partition is', $$SELECT relname, pg_size_pretty(pg_table_size(oid) + pg_indexes_size(oid)) AS size FROM pg_class WHERE relname ~ '^(calls|call_events(_\d{8}|_default)|dead_letters|timeless_events)$'
	AND relkind = 'r' ORDER BY pg_table_size(oid) + pg_indexes_size(oid) DESC, relname$$),
('Events for which there was no partition', $$VALUES (timestamptz '2011-03-01 00:00', 4)$$);
-- how late each event of the last hour was
CREATE VIEW lateness AS
	SELECT type, received - at AS late FROM came WHERE received >= now() - interval '60 min'
	UNION ALL SELECT event_type, received_at - event_time FROM call_events WHERE call_id ~ '^5b5|^wrong' AND time_source = 'b';

-- none is left out
SELECT title FROM questions FULL JOIN expectations USING (title) WHERE statement IS NULL OR query IS NULL;

-- ---------------------------------------------------------------------------
-- Each asked, and answered
-- ---------------------------------------------------------------------------

-- what this transaction has read of each index and table so far
CREATE FUNCTION reads_so_far() RETURNS TABLE (relation oid, name text, kind "char", rows real, n bigint) LANGUAGE sql VOLATILE AS $$
	SELECT c.oid, COALESCE(pg_partition_root(c.oid), c.oid)::regclass::text, c.relkind, t.reltuples,
		   CASE c.relkind WHEN 'i' THEN pg_stat_get_xact_numscans(c.oid) ELSE pg_stat_get_xact_tuples_returned(c.oid) END
	FROM pg_class AS c LEFT JOIN pg_index AS i ON i.indexrelid = c.oid JOIN pg_class AS t ON t.oid = COALESCE(i.indrelid, c.oid)
	WHERE c.relkind IN ('i', 'r') AND t.relname ~ '^(calls|call_events.*|dead_letters|timeless_events)$' $$;
-- rows in their order, by position: names do not matter
CREATE FUNCTION answer(statement text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	result jsonb;
BEGIN
	EXECUTE format('SELECT jsonb_agg((SELECT jsonb_agg(value) FROM json_each(row_to_json(q)))) FROM (%s) AS q', rtrim(statement, E';\n')) INTO result;
	RETURN result;
END $$;
CREATE FUNCTION ask(question questions, OUT answer jsonb, OUT reads text[]) LANGUAGE plpgsql AS $$
BEGIN
	CREATE TEMP TABLE before ON COMMIT DROP AS SELECT * FROM reads_so_far();
	answer := answer(question.statement);
	reads := ARRAY(SELECT DISTINCT CASE a.kind WHEN 'i' THEN a.name ELSE a.relation::regclass::text END COLLATE "C"
		FROM before AS b JOIN reads_so_far() AS a USING (relation)
		-- of a table that is not tiny, an index, or most of it
		WHERE a.n > b.n AND (a.kind = 'i' OR a.n - b.n >= a.rows * 0.9)
		AND (a.rows > 1000 OR a.relation::regclass::text = ANY (question.reads))
		ORDER BY 1);
	DROP TABLE before;
END $$;

BEGIN;
SET LOCAL max_parallel_workers_per_gather = 0;
SELECT q.title, jsonb_array_length(a.answer) > 0 AS rows, a.answer = answer(e.query) AS right,
	CASE WHEN q.by_traffic THEN NOT a.reads && '{calls}' ELSE a.reads <@ q.reads AND (a.reads <> '{}' OR q.reads = '{}') END AS reads
FROM questions AS q JOIN expectations AS e USING (title), ask(q) AS a ORDER BY q.number;
COMMIT;

DROP VIEW outcomes, lateness;
DROP TABLE told, came, questions, expectations CASCADE;
DROP FUNCTION today, month, reads_so_far, answer;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters, timeless_events;
