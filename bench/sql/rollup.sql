-- What the rollup costs an event, by the processor's time of one session.
--
--	createdb scratch && psql -X -d scratch -f bench/sql/rollup.sql
--	(-v events=60000: fewer than 400 000)
--
-- Batches of 2000 events of bench/calls.py, 12 tenants, are recorded by the way that the
-- worker takes, each in a transaction of its own: five of them counted, five not, or
-- first those not, in turns.  So whatever slows the machine down meets both alike.
-- (The processor's time of a process is told to some ms: hence five together.)
\if :{?events}
\else
	\set events 400000
\endif
\set QUIET on
SET client_min_messages = warning;
SET synchronous_commit = off;
SET timezone = 'UTC';
CREATE EXTENSION cdr_service;
CREATE TABLE bodies (n bigserial, body text);
\setenv EVENTS :events
\copy bodies (body) FROM PROGRAM 'PYTHONPATH=bench python3 -c "import os, sys, calls; [sys.stdout.buffer.write(e.body.replace(b\"\\\\\", b\"\\\\\\\\\") + b\"\n\") for e in calls.make_events(int(os.environ[\"EVENTS\"]), 1)]"'
CREATE TABLE batches AS SELECT (n - 1) / 2000 AS batch, array_agg(body::json ORDER BY n) AS events FROM bodies GROUP BY 1;
CREATE TABLE found (pair bigint, counted boolean, events bigint, cpu_us numeric);
VACUUM ANALYZE batches;

-- What this process took of the processor so far, in microseconds (Linux).
CREATE FUNCTION cpu() RETURNS numeric LANGUAGE sql AS $$
	SELECT split_part(pg_read_file('/proc/' || pg_backend_pid() || '/schedstat'), ' ', 1)::numeric / 1000 $$;

CREATE PROCEDURE measure() LANGUAGE plpgsql AS $$
DECLARE
	blocks constant bigint := (SELECT count(*) / 5 FROM batches);
	is_counted boolean;
	before numeric;
	taken bigint;
	events json[];
BEGIN
	-- (with, without, without, with)
	FOR block IN 0 .. blocks - 1 LOOP
		is_counted := block % 4 IN (0, 3);
		-- (both ways: so that each begins with a table that was altered)
		FOR way IN 1 .. 2 LOOP
			EXECUTE (SELECT string_agg(format('ALTER TABLE calls %s TRIGGER %I',
											  CASE WHEN is_counted = (way = 2) THEN 'ENABLE ALWAYS' ELSE 'DISABLE' END, tgname), '; ')
					 FROM pg_trigger WHERE tgrelid = 'calls'::regclass AND tgfoid = 'cdr_count_call'::regproc);
			COMMIT;
		END LOOP;
		taken := 0;
		before := cpu();
		FOR of_block IN 0 .. 4 LOOP
			SELECT b.events INTO events FROM batches AS b WHERE b.batch = 5 * block + of_block;
			taken := taken + cdr_ingest_events(events);
			COMMIT;
		END LOOP;
		INSERT INTO found VALUES (block / 2, is_counted, taken, cpu() - before);
		COMMIT;
	END LOOP;
END $$;
CALL measure();

\echo microseconds of the processor an event, with and without the rollup
WITH each AS (
	SELECT pair, sum(cpu_us / events) FILTER (WHERE counted) AS counted, sum(cpu_us / events) FILTER (WHERE NOT counted) AS not_counted
	-- the first ones fill caches
	FROM found WHERE pair > 0 GROUP BY pair HAVING count(*) = 2)
SELECT count(*) AS pairs, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY counted)::numeric, 2) AS counted,
	round(percentile_cont(0.5) WITHIN GROUP (ORDER BY not_counted)::numeric, 2) AS not_counted,
	round(percentile_cont(0.5) WITHIN GROUP (ORDER BY counted - not_counted)::numeric, 2) AS "median of the differences",
	round(avg(counted - not_counted), 2) AS mean, round((stddev(counted - not_counted) / sqrt(count(*)))::numeric, 2) AS "standard error"
FROM each;
SELECT (SELECT count(*) FROM cdr_rollup_deltas) AS rows_appended, (SELECT sum(attempts) FROM cdr_rollup_deltas) AS calls_counted, (SELECT count(*) FROM calls) AS calls;
