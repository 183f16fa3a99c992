-- Traffic, from the rollup and from the rows of calls: the same, to the last digit.
\set VERBOSITY terse
SET timezone = 'UTC';
CREATE EXTENSION cdr_service;
SELECT setseed(0.2);
INSERT INTO calls (call_id, status, disposition, direction, callee_number, tenant_id, start_time, answer_time, end_time, hangup_cause, sip_status,
	event_count, first_event_time, last_event_time)
SELECT 'random ' || n, 'COMPLETED', CASE WHEN e IS NOT NULL THEN CASE WHEN a IS NOT NULL THEN 'ANSWERED' ELSE
		(ARRAY['ANSWERED', 'BUSY', 'CANCELED', 'FAILED', 'NO_ANSWER', 'odd', NULL])[1 + floor(random() * 7)] END END,
	(ARRAY['inbound', 'outbound', NULL])[1 + floor(random() * 3)], '+4930123456',
	(ARRAY['a', 'b', '"><script>', NULL])[1 + floor(random() * 4)], s, a, e,
	CASE WHEN e IS NOT NULL THEN (ARRAY['normal_clearing', 'User-Busy', 'no_answer', 'call_rejected', 'lose_race', 'No such cause', 'sip:302', NULL])[1 + floor(random() * 8)] END,
	CASE WHEN e IS NOT NULL AND random() < 0.4 THEN (ARRAY[200, 302, 404, 480, 486, 487, 503, 603, 999])[1 + floor(random() * 9)] END,
	1, t, COALESCE(e, a, t)
FROM (SELECT n, t, CASE WHEN random() < 0.9 THEN t END AS s,
			 CASE WHEN random() < 0.6 THEN t + setup END AS a, CASE WHEN random() < 0.95 THEN t + setup + talk END AS e
	  FROM (SELECT n, CASE n % 10 WHEN 0 THEN date_trunc('hour', t) WHEN 1 THEN timestamptz '2026-03-29 00:00Z' + random() * interval '3 hours'
				WHEN 2 THEN timestamptz '2026-10-24 23:00Z' + random() * interval '4 hours' ELSE t END AS t,
			CASE WHEN random() < 0.05 THEN - interval '3 s' ELSE random() * interval '40 s' END AS setup,
			CASE WHEN random() < 0.05 THEN random() * interval '100 hours' WHEN random() < 0.05 THEN interval '2 hours' WHEN random() < 0.05 THEN date_trunc('hour', t) + '1 hour' - t
				 WHEN random() < 0.2 THEN random() * interval '30 s' WHEN random() < 0.05 THEN interval '15 s' ELSE random() * interval '40 min' END AS talk
			FROM generate_series(1, 3000) AS n,
				 LATERAL (SELECT (ARRAY['2026-03-28', '2026-10-24', '2026-06-01']::timestamptz[])[1 + n % 3]
								 + (random() + 0 * n) * interval '3 days' AS t) AS days) AS moments) AS times;
-- some of it folded, some not
SELECT cdr_fold_rollup() > 0 AS folded;
UPDATE calls SET tenant_id = 'moved' WHERE random() < 0.1;
DELETE FROM calls WHERE random() < 0.1;

CREATE FUNCTION both_ways(from_time timestamptz, to_time timestamptz, step interval, zone text, dimensions text[],
	OUT covered boolean, OUT rows integer, OUT same boolean) LANGUAGE plpgsql AS $$
DECLARE
	rolled text[];
	raw text[];
BEGIN
	covered := cdr_rollup_covers(cdr_steps(from_time, to_time, step, zone), zone, dimensions);
	rolled := ARRAY(SELECT t::text FROM cdr_traffic(from_time, to_time, step, zone, dimensions) AS t);
	BEGIN
		-- then the rollup is not to be trusted
		ALTER TABLE calls DISABLE TRIGGER ALL;
		IF cdr_rollup_serves() THEN
			RAISE 'the rollup serves';
		END IF;
		raw := ARRAY(SELECT t::text FROM cdr_traffic(from_time, to_time, step, zone, dimensions) AS t);
		RAISE EXCEPTION SQLSTATE 'P0099';
	EXCEPTION WHEN SQLSTATE 'P0099' THEN
		NULL;
	END;
	rows := cardinality(rolled);
	same := rolled = raw;
END $$;

SELECT * FROM both_ways('2026-03-29 00:00+01', '2026-03-30 00:00+02', '1 hour', 'Europe/Berlin', '{}');
SELECT * FROM both_ways('2026-10-25 00:00+02', '2026-10-26 00:00+01', '1 hour', 'Europe/Berlin', '{tenant_id}');
SELECT * FROM both_ways('2026-03-28 00:00+01', '2026-03-31 00:00+02', '1 day', 'Europe/Berlin', '{direction,weekday}');
SELECT * FROM both_ways('2026-06-01 00:00+05:45', '2026-06-04 00:00+05:45', '1 day', 'Asia/Kathmandu', '{hour,weekday}');
SELECT * FROM both_ways('2026-10-24 00:00+11', '2026-10-27 00:00+11', '1 day', 'Australia/Lord_Howe', '{hour}');
SELECT * FROM both_ways('2026-01-01', '2027-01-01', NULL, 'UTC', '{}');
SELECT * FROM both_ways('2026-06-02 07:15', '2026-06-02 19:00', '45 min', 'UTC', '{tenant_id,direction,hour,weekday}');
SELECT * FROM both_ways('2026-06-01', '2026-06-03', '15 min', 'America/St_Johns', '{tenant_id,direction}');
SELECT * FROM both_ways('2026-06-01', '2026-06-03', '1 month', 'UTC', NULL);
-- an empty time; what is no sum of its buckets
SELECT * FROM both_ways('2025-06-01', '2025-06-02', '1 hour', 'UTC', '{}');
SELECT * FROM both_ways('2026-06-01', '2026-06-03', '10 min', 'UTC', '{}');
SELECT * FROM both_ways('2026-06-01 00:00:00.000001', '2026-06-03', NULL, 'UTC', '{}');
SELECT * FROM both_ways('2026-06-01', '2026-06-03', NULL, 'UTC', '{hangup_cause}');
SELECT * FROM both_ways('2026-06-01', '2026-06-03', '1 hour', '+05:07', '{hour}');
SELECT * FROM both_ways('2026-06-01', '2026-06-03', '1 hour', '+05:07', '{}');

-- added up by steps: the sums of the buckets in them
CREATE FUNCTION differs(steps timestamptz[], dimensions text[]) RETURNS bigint LANGUAGE sql AS $$
	WITH by_steps AS (
		SELECT bucket - quarters * interval '15 minutes' AS attempt, width_bucket(bucket, steps) AS i, tenant_id, direction, cause,
			   attempts, decided, answered, busy, open, lengthy, talk_time, setup_time, occupied FROM cdr_rollup_by_steps(steps, dimensions)),
	of_buckets AS (
		SELECT CASE WHEN dimensions && '{hour,weekday}' THEN bucket - quarters * interval '15 minutes' ELSE steps[width_bucket(bucket, steps)] END AS attempt,
			   width_bucket(bucket, steps) AS i,
			   CASE WHEN 'tenant_id' = ANY (dimensions) THEN tenant_id END, CASE WHEN 'direction' = ANY (dimensions) THEN direction END, cause,
			   sum(attempts), sum(decided), sum(answered), sum(busy), sum(open), sum(lengthy), sum(talk_time), sum(setup_time), sum(occupied)
		FROM cdr_rollup(steps[1], steps[cardinality(steps)]) GROUP BY 1, 2, 3, 4, 5)
	SELECT count(*) FROM ((TABLE by_steps EXCEPT ALL TABLE of_buckets) UNION ALL (TABLE of_buckets EXCEPT ALL TABLE by_steps)) AS d $$;
SELECT s, d, differs(cdr_steps('2026-06-01 03:00', '2026-06-03', s::interval), d::text[])
FROM unnest('{15 min,5 hours}'::text[]) AS s, unnest('{"{}","{tenant_id}","{direction}","{tenant_id,direction,hour,weekday}"}'::text[]) AS d ORDER BY 1, 2;
SELECT count(*) > 50 AS some FROM cdr_rollup_by_steps(cdr_steps('2026-06-01 03:00', '2026-06-03', '5 hours'), '{tenant_id}');
SELECT count(*) FROM cdr_rollup_by_steps(NULL, '{}');
SELECT count(*) FROM cdr_rollup_by_steps('{2026-06-01}', '{}');
SELECT count(*) FROM cdr_rollup_by_steps('{2026-06-02,2026-06-01}', '{}');
SELECT count(*) FROM cdr_rollup_by_steps('{2026-06-01,NULL}', '{}');
SELECT count(*) FROM cdr_rollup_by_steps('{2026-06-01,infinity}', '{}');
SELECT count(*) FROM cdr_rollup_by_steps('{2026-06-01,2026-06-02}', '{trunk}');
SELECT count(*) FROM cdr_rollup_by_steps('{2026-06-01,2026-06-02}', '{NULL}');
SELECT count(*) > 0 AS counts FROM cdr_rollup_by_steps('{2026-06-01,2026-06-02}', NULL);

-- percentiles in memory are those of the server, to the last bit
SELECT count(*), count(*) FILTER (WHERE ours IS DISTINCT FROM theirs) AS differ
FROM (SELECT cdr_percentiles(v) AS ours, percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY v) AS theirs
	  FROM (SELECT n % 40 AS g, CASE WHEN n % 40 > 0 AND n % 7 > 0 THEN (ARRAY[sin(n), n, -1.5, 1e300, 1e-300, 0])[1 + n % 6] END AS v
			FROM generate_series(1, 5000) AS n WHERE n % 40 < 35 OR n < 40) AS x GROUP BY g) AS y;
SELECT cdr_percentiles(v) FROM unnest('{NaN,1,Infinity,NaN,2}'::float8[]) AS v;
SELECT cdr_percentiles(v), percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY v) FROM unnest('{3,1,2,5}'::float8[]) AS v;
SELECT cdr_percentiles(NULL) FROM generate_series(1, 3);
-- too many for that
SELECT cdr_percentiles(n) FROM generate_series(1, 5000000) AS n;
-- then cdr_traffic() sorts them
CREATE TEMP TABLE in_memory AS SELECT * FROM cdr_traffic('2026-06-01', '2026-06-04', '1 hour', 'UTC', '{tenant_id}');
BEGIN;
CREATE FUNCTION too_many(float8[], float8) RETURNS float8[] LANGUAGE plpgsql AS $$ BEGIN RAISE program_limit_exceeded; END $$;
CREATE OR REPLACE AGGREGATE cdr_percentiles(value float8) (SFUNC = too_many, STYPE = float8[]);
SELECT cdr_percentiles(1);
ROLLBACK;
BEGIN;
CREATE FUNCTION too_many(float8[], float8) RETURNS float8[] LANGUAGE plpgsql AS $$ BEGIN RAISE program_limit_exceeded; END $$;
CREATE OR REPLACE AGGREGATE cdr_percentiles(value float8) (SFUNC = too_many, STYPE = float8[]);
CREATE FUNCTION too_many(float8[], timestamptz, timestamptz, timestamptz, timestamptz[]) RETURNS float8[] LANGUAGE plpgsql AS $$ BEGIN RAISE program_limit_exceeded; END $$;
CREATE OR REPLACE AGGREGATE cdr_setup_by_steps(attempt_time timestamptz, start_time timestamptz, answer_time timestamptz, steps timestamptz[]) (
	SFUNC = too_many, STYPE = float8[]);
SELECT count(*) > 20 AS some, count(*) FILTER (WHERE m IS DISTINCT FROM t) AS differ
FROM in_memory AS m LEFT JOIN cdr_traffic('2026-06-01', '2026-06-04', '1 hour', 'UTC', '{tenant_id}') AS t
ON (m.bucket, m.tenant_id) IS NOT DISTINCT FROM (t.bucket, t.tenant_id) AND m.setup_p50 IS NOT DISTINCT FROM t.setup_p50;
ROLLBACK;
-- with what the transaction has not written yet, and of one that was rolled back
BEGIN;
UPDATE calls SET end_time = end_time + interval '1 hour', direction = 'changed' WHERE random() < 0.1;
SAVEPOINT s;
DELETE FROM calls WHERE random() < 0.5;
ROLLBACK TO s;
SELECT * FROM both_ways('2026-06-01', '2026-06-03', '1 hour', 'UTC', '{direction}');
COMMIT;
-- a cause of another class, at once
INSERT INTO cdr_causes (dialect, name, ner_effective) VALUES ('ours', 'no_such_cause', 'yes');
SELECT * FROM both_ways('2026-01-01', '2027-01-01', NULL, 'UTC', '{tenant_id}');

-- ---------------------------------------------------------------------------
-- Who may read a part of calls counts that
-- ---------------------------------------------------------------------------

CREATE ROLE regress_rollup_reader;
GRANT SELECT ON calls TO regress_rollup_reader;
SET ROLE regress_rollup_reader;
SELECT cdr_rollup_serves();
RESET ROLE;
ALTER TABLE calls ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON calls USING (tenant_id = 'a');
SET ROLE regress_rollup_reader;
SELECT cdr_rollup_serves();
SELECT attempts = (SELECT count(attempt_time) FROM calls) AS "of those he sees" FROM cdr_traffic('2026-01-01', '2027-01-01');
RESET ROLE;
DROP OWNED BY regress_rollup_reader;
DROP ROLE regress_rollup_reader;
SET client_min_messages = warning;
DROP EXTENSION cdr_service;
DROP FUNCTION both_ways;
DROP TABLE calls, call_events, dead_letters, timeless_events;
