-- Traffic: what a plain recount says of each step and dimension, on both nights
-- when clocks change, in zones with odd quarters of an hour, at the bounds.
\set VERBOSITY terse
SET timezone = 'UTC';
CREATE EXTENSION cdr_service;

-- ---------------------------------------------------------------------------
-- Steps
-- ---------------------------------------------------------------------------

-- days of 24, 23 and 24 hours; of 25; months from the 31st on; a day left out
SELECT unnest(cdr_steps('2026-03-28 00:00+01', '2026-03-31 00:00+02', '1 day', 'Europe/Berlin'));
SELECT unnest(cdr_steps('2026-10-25 00:00+02', '2026-10-26 00:00+01', '1 day', 'Europe/Berlin'));
SELECT unnest(cdr_steps('2026-01-31', '2026-05-01', '1 month'));
SELECT unnest(cdr_steps('2011-12-29 00:00-10', '2012-01-01 00:00+14', '1 day', 'Pacific/Apia'));
-- where midnight comes twice, or not at all, a day begins with the first that there is
SELECT at, at AT TIME ZONE 'Atlantic/Azores' AS shown FROM unnest(cdr_steps('2020-10-24 00:00Z', '2020-10-27 01:00Z', '1 day', 'Atlantic/Azores')) AS at;
SELECT at, at AT TIME ZONE 'America/Havana' AS shown FROM unnest(cdr_steps('2020-10-31 04:00Z', '2020-11-03 05:00Z', '1 day', 'America/Havana')) AS at;
SELECT at, at AT TIME ZONE 'America/Havana' AS shown FROM unnest(cdr_steps('2020-03-07 05:00Z', '2020-03-10 04:00Z', '1 day', 'America/Havana')) AS at;
-- hours are time that passes: the one that comes twice is two
SELECT at, at AT TIME ZONE 'Europe/Berlin' AS local
FROM unnest(cdr_steps('2026-10-25 02:00+02', '2026-10-25 04:00+01', '1 hour', 'Europe/Berlin')) AS at;
-- from within the second of them
SELECT unnest(cdr_steps('2026-10-25 02:30+01', '2026-10-26 02:30+01', '1 day', 'Europe/Berlin'));
-- the last is as long as the time is; without a step, there is one
SELECT unnest(cdr_steps('2026-03-01 00:00', '2026-03-01 02:30', '1 hour'));
SELECT unnest(cdr_steps('2026-03-01 00:00', '2026-03-01 02:30'));
SELECT cardinality(cdr_steps('2026-03-01', '2026-03-02 03:46:40', '1 s'));
-- what is none
SELECT cdr_steps('2026-03-01', '2026-03-02 03:46:41', '1 s');
SELECT cdr_steps('0001-01-01 BC', '294276-01-01', '1 us');
SELECT cdr_steps('2026-03-01', '2026-03-01', '1 hour');
SELECT cdr_steps('2026-03-01', 'infinity', '1 hour');
SELECT cdr_steps('-infinity', '2026-03-01', '1 hour');
SELECT cdr_steps('2026-03-01', NULL);
SELECT cdr_steps('2026-03-01', '2026-03-02', '0');
SELECT cdr_steps('2026-03-01', '2026-03-02', '-1 hour');
SELECT cdr_steps('2026-03-01', '2026-03-02', '1 day -1 hour');
SELECT cdr_steps('2026-03-01', '2026-03-02', '1 hour', 'Europe/Atlantis');
SELECT cdr_steps('2026-03-01', '2026-03-02', '1 hour', NULL);
SELECT cardinality(cdr_steps('294276-12-30', '294276-12-31 23:59:59', '100 years'));

-- ---------------------------------------------------------------------------
-- Destinations
-- ---------------------------------------------------------------------------

SELECT n, cdr_destination(n) FROM unnest(ARRAY['+12025550100', '+79161234567', '+905551234567', '+4930123456',
	'+35312345', '+3', '+', '+4', '00493012345', '05321234567', '1001', '', 'anonymous', 'alice', '+49x', '*97',
	'"><script>']) AS n;
SELECT cdr_destination(repeat('9', 100000));

-- ---------------------------------------------------------------------------
-- Nothing, one call, the bounds
-- ---------------------------------------------------------------------------

\x
SELECT * FROM cdr_traffic('2026-03-01', '2026-03-02');
SELECT cdr_ingest_events(ARRAY[
	'{"eventType":"call.started","callId":"one","timestamp":"2026-03-01T10:00:00Z","from":"+12025550123","to":"1001","tenantId":"t"}',
	'{"eventType":"call.answered","callId":"one","timestamp":"2026-03-01T10:00:06Z"}',
	'{"eventType":"call.ended","callId":"one","timestamp":"2026-03-01T10:00:16.5Z","reason":"normal_clearing"}']::json[]);
SELECT * FROM cdr_traffic('2026-03-01', '2026-03-02', NULL, 'UTC', '{tenant_id,direction,destination,hangup_cause,hour,weekday,trunk}');
\x
-- on the hour, it is of the hour that begins
SELECT bucket, attempts, erlang * 3600 AS occupied FROM cdr_traffic('2026-03-01 09:00', '2026-03-01 11:00', '1 hour');
SELECT attempts FROM cdr_traffic('2026-03-01 09:00', '2026-03-01 10:00');
SELECT attempts FROM cdr_traffic('2026-03-01 10:00', '2026-03-01 10:00:00.000001');
-- a dimension that is not there; nulls; a table that is a view by now
SELECT * FROM cdr_traffic('2026-03-01', '2026-03-02', NULL, 'UTC', '{tenant}');
SELECT * FROM cdr_traffic('2026-03-01', '2026-03-02', NULL, 'UTC', '{NULL}');
SELECT * FROM cdr_traffic('2026-03-01', '2026-03-02', NULL, NULL);
SELECT * FROM cdr_traffic('2026-03-01', '2026-03-02', '0');
SELECT attempts FROM cdr_traffic('2026-03-01', '2026-03-02', NULL, 'UTC', NULL);
BEGIN;
ALTER TABLE calls RENAME TO hidden;
CREATE VIEW calls AS SELECT * FROM hidden;
SELECT * FROM cdr_traffic('2026-03-01', '2026-03-02');
ROLLBACK;
-- renamed, it is found
ALTER SCHEMA public RENAME TO elsewhere;
SELECT attempts FROM elsewhere.cdr_traffic('2026-03-01', '2026-03-02');
ALTER SCHEMA elsewhere RENAME TO public;

-- ---------------------------------------------------------------------------
-- Against a recount
-- ---------------------------------------------------------------------------

SELECT setseed(0.4);
INSERT INTO calls (call_id, status, disposition, direction, callee_number, trunk, tenant_id,
	start_time, ring_time, answer_time, end_time, hangup_cause, sip_status, event_count, first_event_time, last_event_time)
SELECT 'random ' || n, 'COMPLETED', CASE WHEN e IS NOT NULL THEN CASE WHEN a IS NOT NULL THEN 'ANSWERED' ELSE
		(ARRAY['ANSWERED', 'BUSY', 'CANCELED', 'FAILED', 'NO_ANSWER'])[1 + floor(random() * 5)] END END,
	(ARRAY['inbound', 'outbound', NULL])[1 + floor(random() * 3)],
	(ARRAY['+4930123456', '+12025550100', '1001', NULL])[1 + floor(random() * 4)],
	(ARRAY['east', 'west'])[1 + floor(random() * 2)],
	(ARRAY['a', 'b', 'c', '"><script>', NULL])[1 + floor(random() * 5)],
	s, CASE WHEN random() < 0.3 THEN t END, a, e,
	CASE WHEN e IS NOT NULL THEN (ARRAY['normal_clearing', 'user_busy', 'no_answer', 'call_rejected', 'lose_race', 'No such cause',
		'network_failure', NULL])[1 + floor(random() * 8)] END,
	CASE WHEN e IS NOT NULL AND random() < 0.4 THEN (ARRAY[200, 302, 404, 480, 486, 487, 503, 603, 999])[1 + floor(random() * 9)] END,
	1, t, COALESCE(e, a, t)
FROM (SELECT n, t, CASE WHEN random() < 0.9 THEN t END AS s,
			 CASE WHEN random() < 0.6 THEN t + setup END AS a,
			 CASE WHEN random() < 0.9 THEN t + setup + talk END AS e
	  FROM (SELECT n, CASE n % 10
				-- on a bound, in the nights when clocks change, anywhere
				WHEN 0 THEN date_trunc('hour', t) WHEN 1 THEN timestamptz '2026-03-29 00:00Z' + random() * interval '3 hours'
				WHEN 2 THEN timestamptz '2026-10-24 23:00Z' + random() * interval '4 hours' ELSE t END AS t,
			-- clocks that disagree; calls over days
			CASE WHEN random() < 0.05 THEN - interval '3 s' ELSE random() * interval '40 s' END AS setup,
			CASE WHEN random() < 0.02 THEN random() * interval '70 hours' WHEN random() < 0.2 THEN random() * interval '30 s'
				 WHEN random() < 0.05 THEN interval '15 s' ELSE random() * interval '20 min' END AS talk
			FROM generate_series(1, 4000) AS n,
				 LATERAL (SELECT (ARRAY['2026-03-28', '2026-10-24', '2026-06-01']::timestamptz[])[1 + n % 3]
								 + (random() + 0 * n) * interval '3 days' AS t) AS days) AS moments) AS times;

-- A recount, figure by figure, that shares no expression with the function: an
-- instant belongs to a step when it is neither before it nor before the next.
CREATE FUNCTION recount(from_time timestamptz, to_time timestamptz, begins timestamptz[], zone text, asked text[])
RETURNS TABLE (bucket timestamptz, tenant_id text, direction text, trunk text, destination text, hangup_cause text, hour integer,
	weekday integer, attempts bigint, without_start bigint, open bigint, decided bigint, answered bigint, presumed bigint, busy bigint,
	canceled bigint, failed bigint, no_answer bigint, asr numeric, ner numeric, seer numeric, talk_seconds numeric, acd_seconds numeric,
	setup_avg numeric, setup_p50 numeric, setup_p95 numeric, short_calls bigint, erlang numeric)
LANGUAGE plpgsql AS $$
DECLARE
	step record;
	groups record;
BEGIN
	CREATE TEMP TABLE marked ON COMMIT DROP AS
	SELECT c.*, COALESCE(c.start_time, c.answer_time, c.end_time) AS at,
		   CASE WHEN 'tenant_id' = ANY (asked) THEN c.tenant_id END AS d1,
		   CASE WHEN 'direction' = ANY (asked) THEN c.direction END AS d2,
		   CASE WHEN 'trunk' = ANY (asked) THEN c.trunk END AS d3,
		   CASE WHEN 'destination' = ANY (asked) THEN substring(c.callee_number FROM '^\+(?:1|49)') END AS d4,
		   CASE WHEN 'hangup_cause' = ANY (asked) THEN c.hangup_cause END AS d5,
		   CASE WHEN 'hour' = ANY (asked) THEN to_char(COALESCE(c.start_time, c.answer_time, c.end_time) AT TIME ZONE zone, 'HH24')::integer END AS d6,
		   CASE WHEN 'weekday' = ANY (asked) THEN to_char(COALESCE(c.start_time, c.answer_time, c.end_time) AT TIME ZONE zone, 'ID')::integer END AS d7,
		   -- by the list of causes, as written down in the table itself
		   (SELECT k.ner_effective FROM cdr_causes AS k WHERE k.name = CASE WHEN c.sip_status IS NULL THEN lower(replace(c.hangup_cause, ' ', '_')) ELSE c.sip_status::text END
			ORDER BY k.listed LIMIT 1) AS effective,
		   (SELECT k.rfc6076 FROM cdr_causes AS k WHERE k.name = CASE WHEN c.sip_status IS NULL THEN lower(replace(c.hangup_cause, ' ', '_')) ELSE c.sip_status::text END
			ORDER BY k.listed LIMIT 1) AS rfc,
		   COALESCE(c.end_time, LEAST(now(), c.last_event_time + '24 hours')) AS until
	FROM calls AS c;
	FOR step IN SELECT b AS begins, LEAST(COALESCE(lead(b) OVER (ORDER BY b), to_time), to_time) AS ends FROM unnest(begins) AS b WHERE b < to_time
	LOOP
		FOR groups IN SELECT DISTINCT d1, d2, d3, d4, d5, d6, d7 FROM marked AS m
			WHERE (m.at >= step.begins AND m.at < step.ends)
			OR (m.start_time < step.ends AND m.until > step.begins AND m.start_time < m.until
				AND m.at >= from_time - interval '72 hours' AND m.at < to_time)
			UNION SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE asked = '{}'
		LOOP
			RETURN QUERY
			WITH g AS (SELECT * FROM marked AS m WHERE (m.d1, m.d2, m.d3, m.d4, m.d5, m.d6, m.d7) IS NOT DISTINCT FROM
						(groups.d1, groups.d2, groups.d3, groups.d4, groups.d5, groups.d6, groups.d7)),
				 s AS (SELECT * FROM g WHERE g.at >= step.begins AND g.at < step.ends),
				 u AS (SELECT * FROM s WHERE s.answer_time IS NULL AND s.end_time IS NOT NULL),
				 n AS (SELECT (SELECT count(*) FROM s WHERE s.answer_time IS NOT NULL) AS answered, (SELECT count(*) FROM u) AS lost)
			SELECT step.begins, groups.d1, groups.d2, groups.d3, groups.d4, groups.d5, groups.d6, groups.d7,
				   (SELECT count(*) FROM s), (SELECT count(*) FROM s WHERE s.start_time IS NULL), (SELECT count(*) FROM s WHERE s.end_time IS NULL),
				   n.answered + n.lost, n.answered,
				   (SELECT count(*) FROM u WHERE u.disposition = 'ANSWERED'), (SELECT count(*) FROM u WHERE u.disposition = 'BUSY'),
				   (SELECT count(*) FROM u WHERE u.disposition = 'CANCELED'), (SELECT count(*) FROM u WHERE u.disposition = 'FAILED'),
				   (SELECT count(*) FROM u WHERE u.disposition = 'NO_ANSWER'),
				   CASE WHEN n.answered + n.lost > 0 THEN n.answered / (n.answered + n.lost)::numeric END,
				   (SELECT CASE WHEN n.answered + count(*) > 0 THEN (n.answered + count(*) FILTER (WHERE u.effective = 'yes')) / (n.answered + count(*))::numeric END
					FROM u WHERE u.effective IN ('yes', 'no')),
				   (SELECT CASE WHEN n.answered + count(*) > 0 THEN (n.answered + count(*) FILTER (WHERE u.rfc = 'effective')) / (n.answered + count(*))::numeric END
					FROM u WHERE u.rfc IS DISTINCT FROM 'redirect'),
				   (SELECT COALESCE(sum(extract(epoch FROM s.end_time) - extract(epoch FROM s.answer_time)), 0) FROM s WHERE s.end_time >= s.answer_time),
				   (SELECT avg(extract(epoch FROM s.end_time) - extract(epoch FROM s.answer_time)) FROM s WHERE s.end_time >= s.answer_time),
				   (SELECT avg(extract(epoch FROM s.answer_time) - extract(epoch FROM s.start_time)) FROM s WHERE s.answer_time >= s.start_time),
				   (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM s.answer_time) - extract(epoch FROM s.start_time)) FROM s WHERE s.answer_time >= s.start_time)::numeric,
				   (SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM s.answer_time) - extract(epoch FROM s.start_time)) FROM s WHERE s.answer_time >= s.start_time)::numeric,
				   (SELECT count(*) FROM s WHERE s.answer_time <= s.end_time AND extract(epoch FROM s.end_time) - extract(epoch FROM s.answer_time) <= 15),
				   (SELECT COALESCE(sum(extract(epoch FROM LEAST(g.until, step.ends)) - extract(epoch FROM GREATEST(g.start_time, step.begins))), 0)
						   / (extract(epoch FROM step.ends) - extract(epoch FROM step.begins))
					FROM g WHERE g.start_time < LEAST(step.ends, g.until) AND g.until > step.begins AND g.at >= from_time - interval '72 hours' AND g.at < to_time)
			FROM n;
		END LOOP;
	END LOOP;
	DROP TABLE marked;
END
$$;

CREATE FUNCTION round_all(r anyelement) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_object_agg(key, CASE WHEN jsonb_typeof(value) = 'number' THEN to_jsonb(round(value::text::numeric, 3)) ELSE value END)
	FROM jsonb_each(to_jsonb(r)) $$;

CREATE FUNCTION differences(from_time timestamptz, to_time timestamptz, step interval, zone text, begins timestamptz[], dimensions text[],
	OUT rows bigint, OUT calls numeric, OUT missing bigint, OUT unexpected bigint) LANGUAGE sql AS $$
	WITH told AS MATERIALIZED (SELECT t, round_all(t) AS r FROM cdr_traffic(from_time, to_time, step, zone, dimensions) AS t),
		 recounted AS MATERIALIZED (SELECT round_all(t) AS r FROM recount(from_time, to_time, begins, zone, dimensions) AS t)
	SELECT (SELECT count(*) FROM told), (SELECT sum((t).attempts) FROM told),
		   (SELECT count(*) FROM (SELECT r FROM recounted EXCEPT ALL SELECT r FROM told) AS x),
		   (SELECT count(*) FROM (SELECT r FROM told EXCEPT ALL SELECT r FROM recounted) AS x) $$;

-- hours on both nights, in Berlin; days of Kathmandu (5:45) and Lord Howe (summer by half an hour)
SELECT * FROM differences('2026-03-29 00:00+01', '2026-03-30 00:00+02', '1 hour', 'Europe/Berlin',
	ARRAY(SELECT generate_series(timestamptz '2026-03-28 23:00Z', '2026-03-29 21:00Z', '1 hour')), '{}');
SELECT * FROM differences('2026-10-25 00:00+02', '2026-10-26 00:00+01', '1 hour', 'Europe/Berlin',
	ARRAY(SELECT generate_series(timestamptz '2026-10-24 22:00Z', '2026-10-25 22:00Z', '1 hour')), '{tenant_id}');
SELECT * FROM differences('2026-03-28 00:00+01', '2026-03-31 00:00+02', '1 day', 'Europe/Berlin',
	'{2026-03-27 23:00Z,2026-03-28 23:00Z,2026-03-29 22:00Z}', '{direction,trunk}');
SELECT * FROM differences('2026-06-01 00:00+05:45', '2026-06-04 00:00+05:45', '1 day', 'Asia/Kathmandu',
	'{2026-05-31 18:15Z,2026-06-01 18:15Z,2026-06-02 18:15Z}', '{hour,weekday}');
SELECT * FROM differences('2026-10-24 00:00+11', '2026-10-27 00:00+11', '1 day', 'Australia/Lord_Howe',
	'{2026-10-23 13:00Z,2026-10-24 13:00Z,2026-10-25 13:00Z}', '{hangup_cause}');
-- all of it as one, and by all of the dimensions; from the middle of a call that lasts for days
SELECT * FROM differences('2026-01-01', '2027-01-01', NULL, 'UTC', '{2026-01-01}', '{}');
SELECT * FROM differences('2026-06-02 07:03:01.5', '2026-06-02 19:00', '47 min', 'UTC',
	ARRAY(SELECT generate_series(timestamptz '2026-06-02 07:03:01.5', '2026-06-02 19:00', '47 min')), '{tenant_id,destination}');
SELECT * FROM differences('2026-06-01', '2026-06-03', NULL, 'America/St_Johns', '{2026-06-01}',
	'{tenant_id,direction,trunk,destination,hangup_cause,hour,weekday}');

-- every decided call is one of these
SELECT count(*) AS "odd" FROM cdr_traffic('2026-01-01', '2027-01-01', '1 day', 'UTC', '{tenant_id,hangup_cause}')
WHERE decided <> answered + presumed + busy + canceled + failed + no_answer
OR NOT (asr BETWEEN 0 AND 1 AND ner BETWEEN 0 AND 1 AND seer BETWEEN 0 AND 1)
OR attempts < decided OR setup_p50 > setup_p95 OR short_calls > answered;

-- ---------------------------------------------------------------------------
-- Rights: of whoever asks
-- ---------------------------------------------------------------------------

CREATE ROLE regress_traffic;
SET ROLE regress_traffic;
SELECT attempts FROM cdr_traffic('2026-03-01', '2026-03-02');
RESET ROLE;
GRANT SELECT ON calls TO regress_traffic;
SET ROLE regress_traffic;
SELECT attempts FROM cdr_traffic('2026-03-01', '2026-03-02');
RESET ROLE;
DROP OWNED BY regress_traffic;
DROP ROLE regress_traffic;
DROP FUNCTION differences, round_all, recount;
SET client_min_messages = warning;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters, timeless_events;
