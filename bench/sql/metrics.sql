-- What monitoring costs at each scrape.
--
--	createdb scratch && psql -X -d scratch -f bench/sql/metrics.sql
--
-- A million calls in a month, of 12 tenants; then a million in three days, of 10,000
-- tenants.  Each view is read 11 times: least and median milliseconds.
\set QUIET on
\pset footer off
SET client_min_messages = warning;
SET synchronous_commit = off;
CREATE EXTENSION cdr_service;

CREATE PROCEDURE pg_temp.fill(length interval, tenants integer) LANGUAGE sql AS $$
	TRUNCATE calls;
	INSERT INTO calls (call_id, status, disposition, direction, callee_number, tenant_id,
		start_time, answer_time, end_time, hangup_cause, event_count, first_event_time, last_event_time)
	SELECT 'call ' || n, 'COMPLETED', CASE WHEN n % 300 > 0 THEN 'ANSWERED' END, (ARRAY['inbound', 'outbound'])[1 + n % 2], '1001',
		'tenant ' || n % tenants, t, t + interval '5 s', CASE WHEN n % 300 > 0 THEN t + interval '3 min' END,
		CASE WHEN n % 300 > 0 THEN 'normal_clearing' END, 3, t, t + interval '3 min'
	FROM (SELECT n, now() - (1000000 - n) * length / 1000000 AS t FROM generate_series(1, 1000000) AS n) AS calls;
$$;

CREATE FUNCTION pg_temp.times(OUT view text, OUT rows bigint, OUT least_ms numeric, OUT median_ms numeric)
RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz;
	times float8[];
BEGIN
	FOREACH view IN ARRAY '{cdr_metrics_traffic,cdr_metrics_open}'::text[]
	LOOP
		times = '{}';
		FOR i IN 1 .. 11
		LOOP
			began = clock_timestamp();
			EXECUTE format('SELECT count(*) FROM %I', view) INTO rows;
			times = times || extract(epoch FROM clock_timestamp() - began)::float8 * 1000;
		END LOOP;
		SELECT round(min(t)::numeric, 1), round(percentile_cont(0.5) WITHIN GROUP (ORDER BY t)::numeric, 1)
		INTO least_ms, median_ms FROM unnest(times) AS t;
		RETURN NEXT;
	END LOOP;
END $$;

\echo 'a month, 12 tenants'
CALL pg_temp.fill('30 days', 12);
VACUUM ANALYZE calls;
SELECT * FROM pg_temp.times();
\echo 'three days, 10,000 tenants'
CALL pg_temp.fill('3 days', 10000);
VACUUM ANALYZE calls;
SELECT * FROM pg_temp.times();
