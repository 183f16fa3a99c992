-- A month of telephone calls, 1 million of 12 tenants, and how long questions about
-- them take.  In an empty database that has the extension:
--
--	psql -d bench -f bench/sql/report.sql
\set ON_ERROR_STOP on
SET timezone = 'UTC';
SELECT setseed(0.5);
\echo 'a month of 1 million calls'
INSERT INTO calls (call_id, status, disposition, direction, caller_number, callee_number, trunk,
	start_time, answer_time, end_time, hangup_cause, sip_status, tenant_id, event_count, first_event_time, last_event_time)
SELECT format('%s@192.0.2.%s', n, n % 200), 'COMPLETED',
	   CASE WHEN answered THEN 'ANSWERED' ELSE (ARRAY['NO_ANSWER', 'BUSY', 'CANCELED', 'FAILED'])[1 + outcome % 4] END,
	   CASE WHEN tenant % 3 > 0 THEN 'inbound' ELSE 'outbound' END,
	   '+4930' || 1000000 + n % 90000,
	   -- few countries are called often, many seldom
	   (ARRAY['+4930', '+44207', '+1212', '+3314', '+90532', '+4314', '+3120', '+882', '+3902', '+8120'])[
			1 + floor(10 * random() ^ 3)] || 100000 + n % 70000,
	   (ARRAY['gw-east', 'gw-west'])[1 + n % 2],
	   start_time,
	   CASE WHEN answered THEN start_time + setup END,
	   start_time + setup + CASE WHEN answered THEN talk ELSE interval '0' END,
	   CASE WHEN answered THEN 'normal_clearing'
			ELSE (ARRAY['no_answer', 'user_busy', 'originator_cancel', 'network_failure'])[1 + outcome % 4] END,
	   CASE WHEN NOT answered AND n % 3 = 0 THEN (ARRAY[480, 486, 487, 503])[1 + outcome % 4] END,
	   'tenant-' || chr(97 + tenant), 5, start_time, start_time + setup + interval '5 s'
FROM (SELECT n, floor(12 * random() ^ 2)::integer AS tenant, random() < 0.68 AS answered, floor(random() * 8)::integer AS outcome,
			 random() * random() * interval '40 s' + interval '300 ms' AS setup,
			 - ln(1 - random()) * interval '150 s' AS talk,
			 -- as they come: in the order of time, more by day than by night
			 timestamptz '2026-03-01' + (n / 1000000.0) * interval '31 days'
				+ interval '3 hours' * sin(n / 1000000.0 * 31 * 2 * pi()) AS start_time
	  FROM generate_series(0, 999999) AS n) AS drawn;
VACUUM (FREEZE, ANALYZE) calls;

\timing on
\o /dev/null
\echo calls at once, of a month by days
SELECT * FROM cdr_concurrency('2026-03-01', '2026-04-01', '1 day');
\echo the report of a month, and the two parts of its data
SELECT cdr_report('2026-03-01', '2026-04-01');
SELECT cdr_report_places('2026-03-01', '2026-04-01', '2026-01-29', '2026-03-01', NULL);
SELECT cdr_report_calls(cdr_steps('2026-03-01', '2026-04-01', '1 day'), 'UTC', NULL);
\echo of a day, and of a tenant
SELECT cdr_report('2026-03-10', '2026-03-11');
SELECT cdr_report('2026-03-01', '2026-04-01', 'UTC', 'tenant-c');
