-- How long cdr_traffic() takes over a month of a million calls, from the rollup and
-- from the rows, with the plans.
--
--	createdb scratch && psql -X -d scratch -f bench/sql/month.sql
--
-- 12 tenants, 32 258 calls a day, of which 65 % are answered; one in a thousand has lost its
-- end, three in a thousand last for up to nine hours.  Times are the least of seven: of
-- the clock, and what it took of the processor, mean of the seven, without parallel
-- workers (which are counted where nobody waits for them: set
-- max_parallel_workers_per_gather = 0 for the month from rows).
\set QUIET on
SET client_min_messages = warning;
SET synchronous_commit = off;
SET timezone = 'UTC';
CREATE EXTENSION cdr_service;
SELECT setseed(0.3) \g /dev/null
\timing on
INSERT INTO calls (call_id, status, disposition, direction, caller_number, callee_number, trunk, tenant_id,
	start_time, answer_time, end_time, hangup_cause, sip_status, event_count, first_event_time, last_event_time)
SELECT md5(n::text) || '@192.0.2.1', CASE WHEN e IS NULL THEN 'ANSWERED' ELSE 'COMPLETED' END,
	CASE WHEN e IS NOT NULL THEN CASE WHEN answered THEN 'ANSWERED' ELSE (ARRAY['BUSY', 'CANCELED', 'FAILED', 'NO_ANSWER'])[1 + n % 4] END END,
	(ARRAY['inbound', 'outbound'])[1 + (n % 3 > 0)::int], '+1202555' || lpad((n % 10000)::text, 4, '0'), '+49301234' || n % 1000, 'trunk ' || n % 4,
	'tenant-' || chr(97 + (random() * random() * 11.99)::int), s, CASE WHEN answered THEN s + r * interval '1 s' END, e,
	CASE WHEN e IS NOT NULL THEN CASE WHEN answered THEN 'normal_clearing' ELSE (ARRAY['user_busy', 'originator_cancel', 'network_failure', 'no_answer'])[1 + n % 4] END END,
	CASE WHEN e IS NOT NULL AND NOT answered AND n % 2 = 0 THEN (ARRAY[486, 487, 503, 480])[1 + n % 4] END,
	3, s, COALESCE(e, s)
FROM (SELECT n, s, r, answered,
			 CASE WHEN random() < 0.999 THEN s + r * interval '1 s' + CASE WHEN NOT answered THEN interval '0'
				WHEN random() < 0.003 THEN random() * interval '9 hours' ELSE -ln(1 - random()) * interval '150 s' END END AS e
	  FROM (SELECT n, timestamptz '2026-03-01' + (n / 1000000.0) * interval '31 days' AS s, 2 + random() * 30 AS r, random() < 0.65 AS answered
			FROM generate_series(1, 1000000) AS n) AS starts) AS times;
\timing off
SELECT cdr_fold_rollup() AS "rows appended";
VACUUM ANALYZE calls, cdr_rollup_sums, cdr_rollup_deltas;
SELECT pg_size_pretty(pg_total_relation_size('calls')) AS calls, pg_size_pretty(pg_total_relation_size('cdr_rollup_sums')) AS rollup,
	   (SELECT count(*) FROM cdr_verify_rollup()) AS wrong;

-- What a process took of the processor so far, in seconds (Linux).
CREATE FUNCTION cpu() RETURNS numeric LANGUAGE sql AS $$
	SELECT (split_part(s, ' ', 12)::numeric + split_part(s, ' ', 13)::numeric) / 100
	FROM regexp_replace(pg_read_file('/proc/' || pg_backend_pid() || '/stat'), '^.*\) ', '') AS s $$;

-- (the processor's time is told in hundredths: so of seven together)
CREATE FUNCTION measure(from_time timestamptz, to_time timestamptz, step interval, dimensions text[], repeats integer DEFAULT 7,
	OUT way text, OUT rows bigint, OUT ms numeric, OUT cpu_ms numeric) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz;
	before numeric;
BEGIN
	FOREACH way IN ARRAY '{rollup,rows}'::text[] LOOP
		BEGIN
			IF way = 'rows' THEN
				-- then the rollup is not to be trusted
				ALTER TABLE calls DISABLE TRIGGER ALL;
			END IF;
			ms := NULL;
			before := cpu();
			FOR i IN 1 .. repeats LOOP
				began := clock_timestamp();
				rows := (SELECT count(*) FROM cdr_traffic(from_time, to_time, step, 'UTC', dimensions));
				ms := LEAST(ms, round(1000 * extract(epoch FROM clock_timestamp() - began), 1));
			END LOOP;
			cpu_ms := round(1000 * (cpu() - before) / repeats, 1);
			RETURN NEXT;
			RAISE SQLSTATE 'P0099';
		EXCEPTION WHEN SQLSTATE 'P0099' THEN
			NULL;
		END;
	END LOOP;
END $$;

\echo a day by hour
SELECT * FROM measure('2026-03-12', '2026-03-13', '1 hour', '{}');
\echo a day by hour and tenant
SELECT * FROM measure('2026-03-12', '2026-03-13', '1 hour', '{tenant_id}');
\echo a month by day
SELECT * FROM measure('2026-03-01', '2026-04-01', '1 day', '{}', 1);

\echo plans: from the rollup, from the rows
LOAD 'auto_explain';
SET auto_explain.log_min_duration = 0;
SET auto_explain.log_nested_statements = on;
SET auto_explain.log_analyze = on;
SET auto_explain.log_timing = off;
SET auto_explain.log_buffers = on;
SET client_min_messages = log;
SELECT FROM cdr_traffic('2026-03-12', '2026-03-13', '1 hour');
BEGIN;
ALTER TABLE calls DISABLE TRIGGER ALL;
SELECT FROM cdr_traffic('2026-03-12', '2026-03-13', '1 hour');
ROLLBACK;
