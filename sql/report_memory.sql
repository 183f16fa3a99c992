-- What reports keep in memory: the aggregates against plain SQL, and the way on disk, which
-- is taken where there are too many calls, against the one in memory.
\set VERBOSITY terse
SET timezone = 'UTC';
CREATE EXTENSION cdr_service;
SELECT setseed(0.14) \g /dev/null

-- Calls that lie in no order, over the night when clocks change; some without one time or
-- another, some that never ended, that lasted for days, or at infinity; many at the same time.
INSERT INTO calls (call_id, status, disposition, tenant_id, direction, callee_number, start_time, answer_time, end_time,
	event_count, first_event_time, last_event_time)
SELECT md5(n::text), 'X', CASE WHEN e = 'infinity' THEN 'FAILED' WHEN e IS NOT NULL THEN 'ANSWERED' END, CASE WHEN n % 9 > 0 THEN 'tenant ' || n % 4 END,
	CASE WHEN n % 2 = 0 THEN 'inbound' ELSE 'outbound' END, '+49' || n % 100, CASE WHEN n % 13 > 0 THEN s END, a, e, 1, s, GREATEST(s, a) + interval '1 min'
FROM (SELECT n, s, a, CASE WHEN n % 17 = 0 THEN NULL WHEN n % 1313 = 0 THEN 'infinity'
			 ELSE COALESCE(a, s) + CASE n % 7 WHEN 0 THEN interval '3 hours' WHEN 1 THEN interval '-2 s' WHEN 2 THEN interval '0'
								   ELSE random() * random() * interval '20 minutes' END
				  + CASE WHEN n % 61 = 0 THEN random() * interval '100 hours' ELSE interval '0' END END AS e
	  FROM (SELECT n, s, CASE WHEN n % 3 > 0 THEN s + CASE n % 11 WHEN 0 THEN interval '-1 s' WHEN 1 THEN interval '0' WHEN 2 THEN interval '26 hours'
												   ELSE random() * interval '40 s' END END AS a
			FROM (SELECT n, date_trunc(CASE WHEN n % 5 = 0 THEN 'hour' ELSE 'milliseconds' END,
									   timestamptz '2026-03-25' + random() * interval '9 days') AS s
				  FROM generate_series(1, 4000) AS n) AS starts) AS answers) AS ends;
INSERT INTO calls (call_id, status, start_time, answer_time, end_time, event_count, first_event_time, last_event_time)
VALUES ('of old', 'X', '1999-12-31 23:59:59.999999Z', '1999-12-31 23:59:59.999999Z', '2000-01-01', 1, now(), now()),
	('longest', 'X', '4713-01-01 BC', '4713-01-01 BC', '287000-12-31', 1, now(), now());
ANALYZE calls;

-- ---------------------------------------------------------------------------
-- The aggregates
-- ---------------------------------------------------------------------------

-- calls at once, in any order: as in the order of their starts
SELECT s.levels = o.levels AS same, s.levels[1][1] > 0 AS some
FROM (SELECT cdr_levels_sorted(start_time, end_time, cdr_steps('2026-03-26', '2026-04-02', '1 day', 'Europe/Berlin')) AS levels FROM calls) AS s,
	 (SELECT cdr_levels(start_time, end_time, cdr_steps('2026-03-26', '2026-04-02', '1 day', 'Europe/Berlin')) AS levels
	  FROM (SELECT * FROM calls ORDER BY start_time) AS c) AS o;
-- time to answer, of each step
SELECT count(*) AS steps, count(p50) AS some, count(*) FILTER (WHERE (p50, p95) IS DISTINCT FROM (theirs[1], theirs[2])) AS differ
FROM (SELECT cdr_setup_by_steps(attempt_time, start_time, answer_time, cdr_steps('2026-03-26', '2026-04-02', '1 hour')) FILTER (WHERE answer_time >= start_time) AS a
	  FROM calls WHERE attempt_time < '2026-03-31' OR attempt_time > '2026-04-01') AS ours,
	 unnest(a[1:168], a[169:]) WITH ORDINALITY AS u (p50, p95, i)
LEFT JOIN (SELECT width_bucket(attempt_time, cdr_steps('2026-03-26', '2026-04-02', '1 hour')) AS i,
				  percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY date_part('epoch', answer_time - start_time)) AS theirs
		   FROM calls WHERE answer_time >= start_time AND (attempt_time < '2026-03-31' OR attempt_time > '2026-04-01') GROUP BY 1) AS t USING (i);
-- what was occupied of each, in microseconds
SELECT count(*) AS steps, sum(ours) > 0 AS some, count(*) FILTER (WHERE ours IS DISTINCT FROM theirs) AS differ
FROM (SELECT cdr_occupied_by_steps(start_time, end_time, cdr_steps('2026-03-26', '2026-04-02', '1 day', 'Europe/Berlin')) AS a FROM calls) AS o,
	 unnest(a) WITH ORDINALITY AS u (ours, i),
	 LATERAL (SELECT cdr_steps('2026-03-26', '2026-04-02', '1 day', 'Europe/Berlin') AS s) AS steps,
	 LATERAL (SELECT (extract(epoch FROM sum(LEAST(end_time, s[i + 1]) - GREATEST(start_time, s[i]))) * 1000000)::bigint AS theirs
			  FROM calls WHERE end_time > start_time AND start_time < s[i + 1] AND end_time > s[i]) AS t;
-- lengths of it, minutes and calls of the report
SELECT count(*) > 100 AS some, count(*) FILTER (WHERE ours IS DISTINCT FROM theirs) AS differ
FROM (SELECT a[k][1]::integer AS i, a[k][2]::float8 AS length, a[k][3] AS ours
	  FROM (SELECT cdr_setup_lengths(attempt_time, start_time, answer_time, cdr_steps('2026-03-26', '2026-04-02', '1 day')) FILTER (WHERE answer_time >= start_time) AS a
			FROM calls) AS o, generate_series(1, cardinality(a) / 3) AS k) AS u
FULL JOIN (SELECT width_bucket(attempt_time, cdr_steps('2026-03-26', '2026-04-02', '1 day')) AS i,
				  floor(50 * ln(GREATEST(date_part('epoch', answer_time - start_time), 0.001))) AS length, count(*) AS theirs
		   FROM calls WHERE answer_time >= start_time AND attempt_time >= '2026-03-26' AND attempt_time < '2026-04-02' GROUP BY 1, 2) AS t USING (i, length);
SELECT cdr_busiest_minutes(attempt_time, answer_time, '{2026-03-26 00:00:30,2026-04-02}')
	= (SELECT array_agg(ARRAY[minute, calls, answered] ORDER BY calls DESC, minute)
	   FROM (SELECT extract(epoch FROM date_trunc('minute', attempt_time))::bigint AS minute, count(*) AS calls, count(answer_time) AS answered
			 FROM calls WHERE attempt_time >= '2026-03-26 00:01' AND attempt_time < '2026-04-02' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10) AS m) AS same
FROM calls WHERE attempt_time >= '2026-03-26 00:01';
SELECT cdr_longest_calls(answer_time, end_time, call_id) FILTER (WHERE end_time < 'infinity')
	= ARRAY(SELECT call_id FROM calls WHERE end_time > answer_time AND end_time < 'infinity' AND attempt_time > '2026-01-01' ORDER BY end_time - answer_time DESC, call_id LIMIT 10) AS same
FROM calls WHERE attempt_time > '2026-01-01';
-- sums of a call's times, in one process and by parallel workers
CREATE TEMP TABLE sums AS
SELECT tenant_id, cdr_call_sums(start_time, answer_time, end_time) AS ours,
	ARRAY[count(*), count(*) - count(start_time), count(*) - count(end_time), count(*) FILTER (WHERE answer_time IS NOT NULL OR end_time IS NOT NULL),
		  count(answer_time), count(talk), count(*) FILTER (WHERE talk <= interval '15 s')] AS counts, extract(epoch FROM sum(talk)) AS talked
FROM (SELECT *, CASE WHEN end_time >= answer_time AND answer_time > '-infinity' AND end_time < 'infinity' THEN end_time - answer_time END AS talk
	  -- (from 17 on, no row is of a call that is longer than an interval holds)
	  FROM calls WHERE call_id <> 'longest') AS c
GROUP BY tenant_id;
SELECT count(*) AS groups, count(*) FILTER (WHERE ours[1:7] IS DISTINCT FROM counts OR ours[8] * 86400.0 + ours[9] + ours[10] / 1000000.0 IS DISTINCT FROM talked) AS differ
FROM sums;
BEGIN;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
CREATE FUNCTION pg_temp.partial(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
		IF line ~ 'Partial' THEN RETURN true; END IF;
	END LOOP;
	RETURN false;
END $$;
SELECT pg_temp.partial('SELECT tenant_id, cdr_call_sums(start_time, answer_time, end_time) FROM calls WHERE call_id <> ''longest'' GROUP BY tenant_id') AS is_partial;
SELECT count(*) FILTER (WHERE s.ours IS DISTINCT FROM p.ours) AS differ
FROM sums AS s FULL JOIN (SELECT tenant_id, cdr_call_sums(start_time, answer_time, end_time) AS ours FROM calls WHERE call_id <> 'longest' GROUP BY tenant_id) AS p
	ON COALESCE(p.tenant_id, 'none') = COALESCE(s.tenant_id, 'none');
ROLLBACK;
SELECT cdr_call_sums(t, t, t) FROM (VALUES ('-infinity'::timestamptz), ('infinity'), (NULL), ('2026-01-01')) AS v (t);
SELECT cdr_call_sums('2026-01-01', '4713-01-01 BC', '294276-12-31 23:59:59.999999') FROM generate_series(1, 3);
SELECT cdr_call_sums_add('{0,0,0,0,0,0,0,0,0,0}', NULL, NULL, NULL);
SELECT cdr_call_sums_join('{1}', '{1}');
CREATE AGGREGATE pg_temp.of_others(timestamptz, timestamptz, timestamptz) (SFUNC = cdr_call_sums_add, STYPE = bigint[], INITCOND = '{{0,0,0,0,0,0,0,0,0,0}}');
SELECT pg_temp.of_others(NULL, NULL, NULL);
CREATE AGGREGATE pg_temp.of_none(timestamptz, timestamptz, timestamptz) (SFUNC = cdr_call_sums_add, STYPE = bigint[]);
SELECT pg_temp.of_none(NULL, NULL, NULL);
DROP AGGREGATE pg_temp.of_none(timestamptz, timestamptz, timestamptz), pg_temp.of_others(timestamptz, timestamptz, timestamptz);
-- counts by step, hour and outcome, of all and of each cause once
SELECT count(*) > 500 AS some, count(*) FILTER (WHERE ours IS DISTINCT FROM theirs) AS differ
FROM (SELECT a[k][1]::integer AS i, timestamp '2000-01-01' + a[k][2] * interval '1 hour' AS hour, a[k][3] = 1 AS answered, a[k][4] = 1 AS ended,
			 COALESCE(names[a[k][5]], '') AS disposition, CASE WHEN a[k][6] = 1 THEN a[k][7] ELSE 0 END AS sip, COALESCE(names[a[k][8]], '') AS cause, a[k][9] AS ours
	  FROM (SELECT cdr_course_counts(attempt_time, disposition, (length(call_id) + event_count)::integer % 5 + 1 * NULLIF(ascii(call_id) % 3, 0), right(call_id, 1), start_time, answer_time, end_time,
									 cdr_steps('2026-03-26', '2026-04-02', '1 day', 'Europe/Berlin'), 'Europe/Berlin') AS a,
				   cdr_course_names(attempt_time, disposition, (length(call_id) + event_count)::integer % 5 + 1 * NULLIF(ascii(call_id) % 3, 0), right(call_id, 1), start_time, answer_time, end_time,
									cdr_steps('2026-03-26', '2026-04-02', '1 day', 'Europe/Berlin'), 'Europe/Berlin') AS names
			FROM calls) AS o, generate_series(1, cardinality(a) / 18) AS k) AS u
FULL JOIN (SELECT width_bucket(attempt_time, cdr_steps('2026-03-26', '2026-04-02', '1 day', 'Europe/Berlin')) AS i,
				  date_trunc('hour', attempt_time AT TIME ZONE 'Europe/Berlin') AS hour, answer_time IS NOT NULL AS answered, end_time IS NOT NULL AS ended,
				  CASE WHEN lost THEN COALESCE(disposition, '') ELSE '' END AS disposition, CASE WHEN lost THEN COALESCE(sip_is, 0) ELSE 0 END AS sip,
				  CASE WHEN lost AND sip_is IS NULL THEN right(call_id, 1) ELSE '' END AS cause, count(*) AS theirs
		   FROM (SELECT *, answer_time IS NULL AND end_time IS NOT NULL AS lost,
						(length(call_id) + event_count)::integer % 5 + 1 * NULLIF(ascii(call_id) % 3, 0) AS sip_is FROM calls) AS c
		   WHERE attempt_time >= '2026-03-26' AND attempt_time < '2026-04-02' GROUP BY 1, 2, 3, 4, 5, 6, 7) AS t USING (i, hour, answered, ended, disposition, sip, cause);
-- names that others wrote: too many, and too long, for memory
SELECT cdr_course_names(t, repeat('x', 1000) || n, NULL, 'y', NULL, NULL, t, '{2026-01-01,2026-01-02}', 'UTC')
FROM generate_series(1, 100000) AS n, (VALUES (timestamptz '2026-01-01')) AS v (t);
SELECT cdr_course_counts(t, NULL, n, NULL, NULL, NULL, t, '{2026-01-01,2026-01-02}', 'UTC')
FROM generate_series(1, 300000) AS n, (VALUES (timestamptz '2026-01-01')) AS v (t);
SELECT cdr_course_counts(t, NULL, NULL, NULL, t, t, t, '{2026-01-01,2026-01-02}', z), cdr_course_names(t, NULL, NULL, NULL, t, t, t, '{2026-01-01,2026-01-02}', z)
FROM (VALUES (NULL::timestamptz, 'UTC'), ('2026-01-02', NULL), ('infinity', NULL), ('2026-01-01', NULL)) AS v (t, z);
SELECT cdr_course_counts(t, '', NULL, '', t, NULL, t, '{2026-01-01,2026-01-02}', z), cdr_course_names(t, '', NULL, '', t, NULL, t, '{2026-01-01,2026-01-02}', z)
FROM (VALUES ('2026-01-01'::timestamptz, 'UTC')) AS v (t, z);
SELECT cdr_course_counts(now(), '', NULL, '', now(), NULL, now(), '{2026-01-01,2036-01-02}', 'Berlin');
SELECT cdr_course_counts(now(), '', NULL, '', now(), NULL, now(), '{2026-01-01,2036-01-02}', NULL);
-- calls that are up, until the last event of the steps, or a day after their own
SELECT cdr_levels_heard(a, s, e, l, steps) = cdr_levels_sorted(s, COALESCE(e, LEAST(l + interval '24 hours', as_of)), steps) AS same, count(*) FILTER (WHERE e IS NULL) > 100 AS some
FROM (SELECT attempt_time AS a, start_time AS s, end_time AS e, last_event_time AS l, cdr_steps('2026-03-26', '2026-03-31', '1 hour') AS steps,
			 (SELECT max(last_event_time) FROM calls WHERE attempt_time >= '2026-03-26' AND attempt_time < '2026-03-31') AS as_of
	  FROM calls WHERE attempt_time < '2026-03-31' AND attempt_time > '2026-01-01') AS c;
-- hours of the clocks of zones, some of them of seconds, of some decades and about each change of clocks
SELECT zone, count(*) AS times, count(*) FILTER (WHERE cdr_local_hour(t, zone) IS DISTINCT FROM date_trunc('hour', t AT TIME ZONE zone)) AS differ
FROM unnest('{UTC,Europe/Berlin,Asia/Kathmandu,Australia/Lord_Howe,America/St_Johns,Africa/Monrovia,Europe/Amsterdam,Asia/Kolkata,Pacific/Apia,+05:41:07,EST5EDT,CET}'::text[]) AS zone,
	 LATERAL (SELECT timestamptz '1880-01-01' + n * interval '97 hours 13 min 57 s' AS t FROM generate_series(1, 14000) AS n
			  UNION ALL SELECT timestamptz '2026-06-30' - n * interval '7 min 29.999999 s' FROM generate_series(1, 20000) AS n) AS t
GROUP BY zone ORDER BY zone;
SELECT count(*) AS times, count(*) FILTER (WHERE cdr_local_hour(t, zone) IS DISTINCT FROM date_trunc('hour', t AT TIME ZONE zone)) AS differ
FROM (SELECT t, zone FROM unnest('{UTC,Asia/Kolkata}'::text[]) AS zone, generate_series(timestamptz '2026-03-28', '2026-03-30', '1 min') AS t ORDER BY t, zone) AS turns;
SELECT t, cdr_local_hour(t, 'UTC') FROM (VALUES ('infinity'::timestamptz), ('-infinity'), (NULL), ('4714-11-24 00:00:00 BC'), ('294276-12-31 23:59:59.999999'), ('1999-12-31 23:59:59.999999')) AS v (t);
SELECT cdr_local_hour('294276-12-31 23:59:59.999999', 'Asia/Tokyo');
SELECT cdr_local_hour('2026-01-01', 'Berlin');
-- of the last instant before 2000, and the longest that can be
SELECT cdr_busiest_minutes(attempt_time, answer_time, '{1999-12-31,2000-01-02}'), cdr_longest_calls(answer_time, end_time, call_id),
	cdr_setup_lengths(attempt_time, start_time, answer_time, '{1999-12-31,2000-01-02}')
FROM calls WHERE attempt_time < '2026-01-01';
-- of nothing, and of what is unknown
SELECT cdr_levels_sorted(t, t, '{2026-01-01,2026-01-02}'), cdr_setup_by_steps(t, t, t, '{2026-01-01,2026-01-02}'), cdr_occupied_by_steps(t, t, '{2026-01-01,2026-01-02}'),
	cdr_setup_lengths(t, t, t, '{2026-01-01,2026-01-02}'), cdr_busiest_minutes(t, t, '{2026-01-01,2026-01-02}'), cdr_longest_calls(t, t, NULL)
FROM (VALUES (NULL::timestamptz)) AS v (t);
SELECT cdr_levels_sorted(now(), now(), NULL);
SELECT cdr_setup_by_steps(now(), now(), now(), '{2026-01-02,2026-01-01}');
SELECT cdr_occupied_by_steps(now(), now(), '{2026-01-02,infinity}');
SELECT cdr_setup_lengths(now(), now(), now(), '{}');
SELECT cdr_busiest_minutes(now(), now(), '{NULL,2026-01-01}');
SELECT proname FROM pg_proc WHERE proname ~ '^cdr_(levels_keep|.*_add)$' AND pronargs > 1 AND NOT proargtypes[0] = 'internal'::regtype AND proname <> 'cdr_call_sums_add';
-- too many minutes, calls, steps and tenants for memory
SELECT cdr_busiest_minutes(now(), now(), '{2000-01-01,2026-01-01}');
SELECT cdr_levels_sorted('2026-01-01', '2026-01-02', '{2026-01-01,2026-01-02}') FROM generate_series(1, 5000000);
SELECT cdr_setup_lengths(now(), now(), now(), cdr_steps('2026-01-01', '2026-03-01', '1 minute'));
-- longer together than can be told
SELECT cdr_occupied_by_steps('4713-01-01 BC', '294276-12-31', '{4713-01-01 BC,294276-12-31}') FROM generate_series(1, 2);

-- ---------------------------------------------------------------------------
-- On disk
-- ---------------------------------------------------------------------------

CREATE TEMP TABLE in_memory AS
	SELECT cdr_report_data('2026-03-26 10:00:30', '2026-04-02', 'Europe/Berlin') AS data,
		   cdr_report_data('2026-03-28', '2026-03-30', 'Europe/Berlin', 'tenant 1') AS of_one,
		   cdr_report('2027-03-28', '2027-03-30') AS of_none,
		   ARRAY(SELECT t::text FROM cdr_traffic('2026-03-26', '2026-04-02', '1 day', 'Europe/Berlin') AS t) AS traffic,
		   ARRAY(SELECT t::text FROM cdr_traffic('2026-03-28', '2026-03-30', '1 hour', 'UTC', '{tenant_id,direction}') AS t) AS of_each;
-- (from the rollup)
SELECT cdr_rollup_covers(cdr_steps('2026-03-26', '2026-04-02', '1 day', 'Europe/Berlin'), 'UTC', '{}') AS from_rollup;
BEGIN;
CREATE FUNCTION too_many(bigint[], timestamptz, timestamptz, timestamptz[]) RETURNS bigint[] LANGUAGE plpgsql AS $$ BEGIN RAISE program_limit_exceeded; END $$;
CREATE FUNCTION too_many(float8[], timestamptz, timestamptz, timestamptz, timestamptz[]) RETURNS float8[] LANGUAGE plpgsql AS $$ BEGIN RAISE program_limit_exceeded; END $$;
CREATE OR REPLACE AGGREGATE cdr_levels_sorted(start_time timestamptz, end_time timestamptz, steps timestamptz[]) (SFUNC = too_many, STYPE = bigint[]);
CREATE OR REPLACE AGGREGATE cdr_setup_by_steps(attempt_time timestamptz, start_time timestamptz, answer_time timestamptz, steps timestamptz[]) (
	SFUNC = too_many, STYPE = float8[]);
SELECT data::text = cdr_report_data('2026-03-26 10:00:30', '2026-04-02', 'Europe/Berlin')::text AS data,
	of_one::text = cdr_report_data('2026-03-28', '2026-03-30', 'Europe/Berlin', 'tenant 1')::text AS of_one,
	of_none = cdr_report('2027-03-28', '2027-03-30') AS of_none,
	traffic = ARRAY(SELECT t::text FROM cdr_traffic('2026-03-26', '2026-04-02', '1 day', 'Europe/Berlin') AS t) AS traffic,
	of_each = ARRAY(SELECT t::text FROM cdr_traffic('2026-03-28', '2026-03-30', '1 hour', 'UTC', '{tenant_id,direction}') AS t) AS of_each
FROM in_memory;
ROLLBACK;
-- ---------------------------------------------------------------------------
-- Long names, by hand
-- ---------------------------------------------------------------------------

-- JSON has no room for one of 256 MB: a page is made of their beginnings, and
-- tenants whose names begin alike stay apart.
TRUNCATE calls;
INSERT INTO calls (call_id, status, disposition, tenant_id, direction, hangup_cause, start_time, answer_time, end_time, event_count, first_event_time, last_event_time)
SELECT n::text, 'X', CASE WHEN n % 2 = 0 THEN repeat('D', 5000) ELSE 'BUSY' END, repeat('t', 5000) || n % 3, 'inbound', repeat('c', 5000) || n % 4,
	t, CASE WHEN n > 60 THEN t + interval '3 s' END, t + interval '63 s', 1, t, t + interval '63 s'
FROM (SELECT n, timestamptz '2026-03-29' + n * interval '5 min' AS t FROM generate_series(1, 90) AS n) AS times;
SELECT max(length(t ->> 'tenant_id')) < 400 AS tenants, count(*), sum((t ->> 'attempts')::integer) FROM jsonb_array_elements(cdr_report_data('2026-03-29', '2026-03-30') #> '{places,tenants}') AS t;
SELECT max(length(c ->> 'cause')) < 400 AS causes, max(length(c ->> 'outcome')) < 400 AS outcomes, count(*), sum((c ->> 'calls')::integer)
FROM jsonb_array_elements(cdr_report_data('2026-03-29', '2026-03-30') #> '{course,causes}') AS c;
SELECT max(length(l ->> 'tenant_id')) < 400 AS longest FROM jsonb_array_elements(cdr_report_data('2026-03-29', '2026-03-30') -> 'longest') AS l;
SET client_min_messages = warning;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters, timeless_events;
