-- Calls at once: what counting them at every instant says, of random calls, at the
-- bounds of steps and on both nights when clocks change.
\set VERBOSITY terse
SET timezone = 'UTC';
CREATE EXTENSION cdr_service;

CREATE FUNCTION call(id text, s text, a text, e text, tenant text DEFAULT 't', last text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
	INSERT INTO calls (call_id, status, tenant_id, start_time, answer_time, end_time, event_count, first_event_time, last_event_time)
	VALUES (id, 'X', tenant, s::timestamptz, a::timestamptz, e::timestamptz, 1, COALESCE(s, a, e)::timestamptz, COALESCE(last, e, a, s)::timestamptz)
$$;

-- nothing; one after the other on one line, at the same instant, is one
SELECT * FROM cdr_concurrency('2026-03-01', '2026-03-02');
SELECT call('first', '2026-03-01 10:00', '2026-03-01 10:00:05', '2026-03-01 10:10');
SELECT call('second', '2026-03-01 10:10', NULL, '2026-03-01 10:30');
SELECT call('third', '2026-03-01 10:30', NULL, '2026-03-01 11:00');
SELECT bucket, peak, peak_at, round(mean, 6) AS mean FROM cdr_concurrency('2026-03-01 09:00', '2026-03-01 12:00', '1 hour');
-- another one is two; what is up when a step begins is carried into it
SELECT call('other', '2026-03-01 10:29:59', NULL, '2026-03-01 11:15', 'u');
SELECT bucket, peak, peak_at, round(mean, 6) AS mean FROM cdr_concurrency('2026-03-01 09:00', '2026-03-01 13:00', '1 hour');
-- of each tenant; of one that is not there
SELECT tenant, peak, peak_at, round(mean, 6) AS mean
FROM unnest(ARRAY['t', 'u', 'v', '"><script>']) AS tenant, cdr_concurrency('2026-03-01 10:00', '2026-03-01 11:00', NULL, 'UTC', tenant);
-- a call without length, and one that ends before it starts, were never up; nor was
-- one whose start nobody saw
SELECT call('empty', '2026-03-02 10:00', NULL, '2026-03-02 10:00'), call('backwards', '2026-03-02 10:05', NULL, '2026-03-02 10:01'),
	call('no start', NULL, '2026-03-02 10:05', '2026-03-02 10:10');
SELECT * FROM cdr_concurrency('2026-03-02', '2026-03-03');
-- over three days; of one that began earlier than that, no more
SELECT call('long', '2026-04-01 12:00', NULL, '2026-04-04 12:00');
SELECT bucket, peak, peak_at, mean::float8 FROM cdr_concurrency('2026-04-01', '2026-04-06', '1 day');
SELECT peak, mean::float8 FROM cdr_concurrency('2026-04-04 12:00', '2026-04-05');
SELECT peak, mean::float8 FROM cdr_concurrency('2026-04-04 11:59', '2026-04-05');
-- of a call that nobody ended, a day after it was heard of last
SELECT call('open', '2026-05-01 12:00', '2026-05-01 12:00:05', NULL, 't', '2026-05-01 18:00');
SELECT bucket, peak, peak_at, mean::float8 FROM cdr_concurrency('2026-05-01', '2026-05-04', '1 day');
-- and of one that is up, until now
BEGIN;
SELECT call('up', (now() - interval '10 minutes')::text, NULL, NULL);
SELECT peak, round(mean * 60) AS minutes, peak_at = now() - interval '10 minutes' AS at_its_start
FROM cdr_concurrency(now() - interval '30 minutes', now() + interval '30 minutes');
COMMIT;
DELETE FROM calls WHERE call_id IN ('up', 'open');

-- what is none
SELECT * FROM cdr_concurrency('2026-03-01', '2026-03-01');
SELECT * FROM cdr_concurrency('2026-03-01', NULL);
SELECT * FROM cdr_concurrency('2026-03-01', 'infinity');
SELECT * FROM cdr_concurrency('2026-03-01', '2026-03-02', '0');
SELECT * FROM cdr_concurrency('2026-03-01', '2026-03-02', NULL, 'Europe/Atlantis');
SELECT * FROM cdr_concurrency('2026-03-01', '2026-03-02', NULL, NULL);
BEGIN;
ALTER TABLE calls RENAME TO hidden;
CREATE VIEW calls AS SELECT * FROM hidden;
SELECT * FROM cdr_concurrency('2026-03-01', '2026-03-02');
ROLLBACK;
ALTER SCHEMA public RENAME TO elsewhere;
SELECT peak FROM elsewhere.cdr_concurrency('2026-03-01', '2026-03-02');
ALTER SCHEMA elsewhere RENAME TO public;

-- ---------------------------------------------------------------------------
-- The aggregate alone
-- ---------------------------------------------------------------------------

SELECT cdr_levels(s, e, '{2026-01-01,2026-01-02}') FROM (SELECT NULL::timestamptz AS s, NULL::timestamptz AS e LIMIT 0) AS c;
SELECT cdr_levels(s, e, '{2026-01-01,2026-01-02}') FROM (VALUES (NULL::timestamptz, '2026-01-01'::timestamptz), ('2026-01-01', NULL),
	('-infinity', '2026-01-01 00:00:01'), ('2026-01-01 23:59:59', 'infinity'), ('infinity', 'infinity')) AS c (s, e);
SELECT cdr_levels(s, e, '{2026-01-01,2026-01-02}') FROM (VALUES ('2026-01-01 01:00'::timestamptz, '2026-01-01 02:00'::timestamptz),
	('2026-01-01 00:59', '2026-01-01 02:00')) AS c (s, e);
SELECT cdr_levels(now(), now(), NULL);
SELECT cdr_levels(now(), now(), '{}');
SELECT cdr_levels(now(), now(), '{2026-01-01}');
SELECT cdr_levels(now(), now(), '{2026-01-01,NULL}');
SELECT cdr_levels(now(), now(), '{2026-01-01,infinity}');
SELECT cdr_levels(now(), now(), '{2026-01-01,2026-01-01}');
SELECT cdr_levels('-infinity', 'infinity', '{4713-01-01 BC,294276-12-31}') FROM generate_series(1, 2);
-- thousands at once, whose ends come in any order
SELECT l[1][1] AS peak, l[1][2] AS after, l[1][3] AS occupied, l[2][1] AS carried, l[2][3] AS rest
FROM (SELECT cdr_levels(s, s + (7919 * n % 10000 + 1) * interval '1 s', '{2026-01-01,2026-01-01 01:00,2026-01-02}')
	  FROM (SELECT n, timestamptz '2026-01-01' AS s FROM generate_series(1, 10000) AS n) AS c) AS r (l);
-- 10,000 of them at first; those of up to an hour ended in it, the others end later
SELECT sum(LEAST(n, 3600)) * 1000000 AS occupied, count(*) FILTER (WHERE n > 3600) AS carried, sum(GREATEST(n - 3600, 0)) * 1000000 AS rest
FROM generate_series(1, 10000) AS n;

-- ---------------------------------------------------------------------------
-- Against counting at every instant
-- ---------------------------------------------------------------------------

SELECT setseed(0.7);
-- by whole minutes, so that many begin and end at the same instant
INSERT INTO calls (call_id, status, tenant_id, start_time, answer_time, end_time, event_count, first_event_time, last_event_time)
SELECT 'random ' || n, 'X', (ARRAY['a', 'b', NULL])[1 + n % 3], CASE WHEN n % 20 > 0 THEN t END, CASE WHEN n % 2 = 0 THEN t END,
	CASE WHEN n % 15 > 0 THEN t + length * interval '1 minute' END, 1, t, t + GREATEST(length, 0) * interval '1 minute'
FROM (SELECT n, (ARRAY['2026-06-01 00:00', '2026-03-28 20:00', '2026-10-24 20:00', '2026-06-01 00:00']::timestamptz[])[1 + n % 4]
			 + floor(random() * 900 + 0 * n) * interval '1 minute' AS t,
			 CASE WHEN n % 50 = 0 THEN 4000 WHEN n % 7 = 0 THEN -2 ELSE floor(random() * 40) END AS length
	  FROM generate_series(1, 1200) AS n) AS times;

-- how many are up is what it was when one began last, or when the step did
CREATE FUNCTION count_at_every_instant(begins timestamptz[], tenant text)
RETURNS TABLE (bucket timestamptz, peak bigint, peak_at timestamptz, mean numeric)
LANGUAGE sql AS $$
	WITH up AS (SELECT start_time AS s, COALESCE(end_time, last_event_time + '24 hours') AS e FROM calls
				WHERE (tenant IS NULL OR tenant_id = tenant) AND start_time > begins[1] - interval '72 hours 1 us'),
		 steps AS (SELECT begins[i] AS b, begins[i + 1] AS e FROM generate_series(1, array_length(begins, 1) - 1) AS i),
		 instants AS (SELECT b, b AS t FROM steps UNION SELECT steps.b, up.s FROM steps, up WHERE up.s > steps.b AND up.s < steps.e),
		 counted AS (SELECT b, t, (SELECT count(*) FROM up WHERE s <= t AND t < e) AS n FROM instants),
		 best AS (SELECT DISTINCT ON (b) b, n, t FROM counted ORDER BY b, n DESC, t)
	SELECT best.b, n, CASE WHEN n > 0 THEN t END,
		   (SELECT COALESCE(sum(extract(epoch FROM LEAST(up.e, steps.e)) - extract(epoch FROM GREATEST(up.s, steps.b))), 0)
			FROM up WHERE up.s < up.e AND up.s < steps.e AND up.e > steps.b) / (extract(epoch FROM steps.e) - extract(epoch FROM steps.b))
	FROM best JOIN steps USING (b)
$$;
CREATE FUNCTION differing(from_time timestamptz, to_time timestamptz, step interval, zone text, tenant text DEFAULT NULL,
	OUT rows bigint, OUT peaks bigint, OUT differing bigint) LANGUAGE sql AS $$
	SELECT count(*), count(DISTINCT told.peak), count(*) FILTER (WHERE (told.bucket, told.peak, told.peak_at, round(told.mean, 9))
		IS DISTINCT FROM (counted.bucket, counted.peak, counted.peak_at, round(counted.mean, 9)))
	FROM cdr_concurrency(from_time, to_time, step, zone, tenant) AS told
	FULL JOIN count_at_every_instant(cdr_steps(from_time, to_time, step, zone), tenant) AS counted USING (bucket)
$$;
-- by hours, quarters and minutes; from within
SELECT * FROM differing('2026-06-01', '2026-06-03', '1 hour', 'UTC');
SELECT * FROM differing('2026-06-01 03:07:11', '2026-06-01 05:00', '15 minutes', 'Asia/Kathmandu');
SELECT * FROM differing('2026-06-01 03:00', '2026-06-01 04:00', '1 minute', 'UTC');
SELECT * FROM differing('2026-06-01 03:00', '2026-06-01 04:00', NULL, 'UTC');
SELECT t, d.* FROM unnest(ARRAY['a', 'b', 'c']) AS t, differing('2026-06-01', '2026-06-02', '20 minutes', 'UTC', t) AS d;
-- days of 23 and of 25 hours, and the hours of those nights
SELECT * FROM differing('2026-03-28 00:00+01', '2026-03-31 00:00+02', '1 day', 'Europe/Berlin');
SELECT * FROM differing('2026-03-28 23:00+01', '2026-03-29 05:00+02', '1 hour', 'Europe/Berlin');
SELECT * FROM differing('2026-10-24 00:00+02', '2026-10-27 00:00+01', '1 day', 'Europe/Berlin');
SELECT * FROM differing('2026-10-25 00:00+02', '2026-10-25 05:00+01', '1 hour', 'Europe/Berlin');
SELECT * FROM differing('2026-10-24 12:00Z', '2026-10-25 12:00Z', '30 minutes', 'Australia/Lord_Howe');
-- what is occupied on average is what cdr_traffic() says
SELECT count(*), count(*) FILTER (WHERE round(mean, 9) IS DISTINCT FROM round(erlang, 9)) AS differing
FROM cdr_concurrency('2026-03-28', '2026-04-02', '1 hour', 'Europe/Berlin')
FULL JOIN cdr_traffic('2026-03-28', '2026-04-02', '1 hour', 'Europe/Berlin') USING (bucket);

DROP FUNCTION call, count_at_every_instant, differing;
SET client_min_messages = warning;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters, timeless_events;
