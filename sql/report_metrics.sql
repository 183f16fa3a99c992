-- What monitoring reads: compared with a plain recount, and with cdr_traffic();
-- bounded, whatever the calls say of themselves; without a right on calls.
\set VERBOSITY terse
SET timezone = 'UTC';
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_cdr_metrics, regress_cdr_nobody;
RESET client_min_messages;
CREATE EXTENSION cdr_service;

-- ---------------------------------------------------------------------------
-- Nothing, one call
-- ---------------------------------------------------------------------------

-- a sum is there when no call is
SELECT period, direction, count(*), sum(calls) AS calls, sum(talk_seconds) AS talk FROM cdr_metrics_traffic GROUP BY 1, 2 ORDER BY 1, 2;
SELECT * FROM cdr_metrics_open ORDER BY 1, 2;

CREATE FUNCTION at(ago interval) RETURNS text LANGUAGE sql AS
$$ SELECT to_json(now() - ago)::text $$;
BEGIN;
SELECT cdr_ingest_events(ARRAY[
	'{"eventType":"call.started","callId":"one","timestamp":' || at('20 min') || ',"from":"+12025550123","to":"1001","tenantId":"t"}',
	'{"eventType":"call.answered","callId":"one","timestamp":' || at('19 min 54 s') || '}',
	'{"eventType":"call.ended","callId":"one","timestamp":' || at('15 min') || ',"reason":"normal_clearing"}']::json[]);
-- with it, each outcome of its tenant and direction, so that a ratio can be worked out
SELECT * FROM cdr_metrics_traffic WHERE tenant_id <> '(other)' ORDER BY 1, 2, 3, 4;
SELECT * FROM cdr_metrics_open WHERE tenant_id <> '(other)';
-- one that is up; one that has been silent for two days; one that nobody has ended for long
SELECT cdr_ingest_events(ARRAY[
	'{"eventType":"call.started","callId":"up","timestamp":' || at('2 min') || ',"from":"+12025550123","to":"1001","tenantId":"t"}',
	'{"eventType":"call.started","callId":"rings","timestamp":' || at('1 min') || ',"from":"+12025550123","to":"1001","tenantId":"t"}',
	'{"eventType":"call.answered","callId":"up","timestamp":' || at('1 min 30 s') || '}',
	'{"eventType":"call.started","callId":"silent","timestamp":' || at('2 days') || ',"from":"+12025550123","to":"1001","tenantId":"t"}',
	'{"eventType":"call.started","callId":"forgotten","timestamp":' || at('4 days') || ',"from":"+12025550123","to":"1001","tenantId":"t"}']::json[]);
SELECT * FROM cdr_metrics_open WHERE tenant_id <> '(other)';
SELECT period, outcome, calls, talks FROM cdr_metrics_traffic WHERE tenant_id = 't' AND calls > 0 ORDER BY 1, 2;
ROLLBACK;

-- ---------------------------------------------------------------------------
-- The bounds of a time
-- ---------------------------------------------------------------------------

CREATE FUNCTION add_call(id text, attempt timestamptz, tenant text DEFAULT 't', way text DEFAULT 'inbound') RETURNS text LANGUAGE sql AS $$
	INSERT INTO calls (call_id, status, direction, tenant_id, start_time, event_count, first_event_time, last_event_time)
	VALUES (id, 'STARTED', way, tenant, attempt, 1, attempt, attempt) RETURNING call_id $$;
BEGIN;
SELECT count(add_call(n::text, now() - ago)) FROM (VALUES (1, interval '0'), (2, '1 us'), (3, '5 min'), (4, '5 min 1 us'), (5, '1 hour'),
	(6, '1 hour 1 us'), (7, '-1 s')) AS v(n, ago);
SELECT period, sum(calls) AS calls FROM cdr_metrics_traffic GROUP BY 1 ORDER BY 1;
SELECT attempts FROM cdr_traffic(now() - interval '1 hour', now());
SELECT attempts FROM cdr_traffic(now() - interval '5 min', now());
SELECT open FROM cdr_metrics_open WHERE tenant_id = 't';
ROLLBACK;

-- ---------------------------------------------------------------------------
-- The most rows
-- ---------------------------------------------------------------------------

BEGIN;
SELECT count(add_call(format('%s %s', t, w), now() - interval '1 min', NULLIF('tenant ' || t, 'tenant 30'), w))
FROM generate_series(1, 30) AS t, unnest('{inbound,outbound,internal,NULL}'::text[]) AS w;
SELECT (SELECT count(*) FROM cdr_metrics_traffic) AS traffic, (SELECT count(*) FROM cdr_metrics_open) AS open;
ROLLBACK;

-- ---------------------------------------------------------------------------
-- Against a recount
-- ---------------------------------------------------------------------------

SELECT setseed(0.7);
INSERT INTO calls (call_id, status, disposition, direction, callee_number, tenant_id,
	start_time, answer_time, end_time, hangup_cause, event_count, first_event_time, last_event_time)
SELECT 'random ' || n, 'COMPLETED', CASE WHEN e IS NOT NULL THEN CASE WHEN a IS NOT NULL THEN 'ANSWERED' ELSE
		(ARRAY['ANSWERED', 'BUSY', 'CANCELED', 'FAILED', 'NO_ANSWER'])[1 + floor(random() * 5)] END END,
	(ARRAY['inbound', 'outbound', 'internal', NULL, '"} 1'])[1 + floor(random() * 5)], '1001',
	-- 30 of them, of which some have more calls
	(ARRAY['a', 'b', '(other)', '(none)', '', repeat('x', 100) || floor(random() * 3), '"><script>', NULL, E'new\nline',
		'tenant ' || floor(power(random(), 2) * 21)])[1 + floor(random() * 10)],
	s, a, e, CASE WHEN e IS NOT NULL THEN 'normal_clearing' END, 1, t, COALESCE(e, a, t)
FROM (SELECT n, t, CASE WHEN random() < 0.9 THEN t END AS s,
			 CASE WHEN random() < 0.6 THEN t + setup END AS a,
			 CASE WHEN random() < 0.8 THEN t + setup + talk END AS e
	  FROM (SELECT n, now() + interval '5 min' - random() * CASE WHEN random() < 0.2 THEN interval '80 hours' ELSE interval '80 min' END AS t,
			CASE WHEN random() < 0.05 THEN - interval '3 s' ELSE random() * interval '40 s' END AS setup,
			random() * interval '3 min' AS talk
			FROM generate_series(1, 4000) AS n) AS moments) AS times;

-- A call at a time: what is it called, when was it?  No expression is shared.
CREATE VIEW marked AS
	SELECT CASE WHEN tenant_id IS NULL THEN '(none)' WHEN tenant_id IN ('(none)', '(other)') THEN '(other)' ELSE substring(tenant_id FROM '^.{0,64}') END AS tenant,
		   CASE direction WHEN 'inbound' THEN direction WHEN 'outbound' THEN direction WHEN 'internal' THEN direction ELSE 'unknown' END AS way,
		   COALESCE(start_time, answer_time, end_time) AS at, *
	FROM calls;
BEGIN;
CREATE TEMP TABLE place ON COMMIT DROP AS
	SELECT tenant, row_number() OVER (ORDER BY count(*) DESC, tenant COLLATE "C") AS place
	FROM marked WHERE at < now() AND age(now(), at) <= '1 hour' AND tenant NOT IN ('(none)', '(other)') GROUP BY 1;
-- some are too many
SELECT count(*) > 20 AS too_many FROM place;
CREATE TEMP TABLE recounted ON COMMIT DROP AS
	SELECT period, CASE WHEN m.tenant IN ('(none)', '(other)') OR p.place <= 20 THEN m.tenant ELSE '(other)' END AS tenant, way,
		   CASE WHEN answer_time IS NULL AND end_time IS NULL THEN 'undecided' WHEN answer_time IS NULL AND disposition = 'ANSWERED' THEN 'presumed'
				ELSE translate(disposition, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz') END AS outcome,
		   count(*) AS calls, count(*) FILTER (WHERE answer_time <= end_time) AS talks,
		   COALESCE(sum(extract(epoch FROM end_time) - extract(epoch FROM answer_time)) FILTER (WHERE answer_time <= end_time), 0) AS talk,
		   count(*) FILTER (WHERE start_time <= answer_time) AS setups,
		   COALESCE(sum(extract(epoch FROM answer_time) - extract(epoch FROM start_time)) FILTER (WHERE start_time <= answer_time), 0) AS setup
	FROM marked AS m
	JOIN (VALUES ('5m', interval '300 s'), ('60m', interval '3600 s')) AS w(period, length) ON at < now() AND age(now(), at) <= length
	LEFT JOIN place AS p USING (tenant)
	GROUP BY 1, 2, 3, 4;
-- (one that is answered and up has no disposition yet)
UPDATE recounted SET outcome = 'answered' WHERE outcome IS NULL;
WITH told AS MATERIALIZED (
		SELECT period, tenant_id, direction, outcome, calls, talks, round(talk_seconds::numeric, 3), setups, round(setup_seconds::numeric, 3)
		FROM cdr_metrics_traffic WHERE calls > 0),
	 counted AS MATERIALIZED (
		SELECT period, tenant, way, outcome, sum(calls)::bigint, sum(talks)::bigint, round(sum(talk), 3), sum(setups)::bigint, round(sum(setup), 3)
		FROM recounted GROUP BY 1, 2, 3, 4)
SELECT (SELECT count(*) > 400 FROM told) AS many, (SELECT count(*) FROM (SELECT * FROM told EXCEPT SELECT * FROM counted) AS x) AS unexpected,
	   (SELECT count(*) FROM (SELECT * FROM counted EXCEPT SELECT * FROM told) AS x) AS missing;
-- what cdr_traffic() says of the same times
SELECT period, sum(calls) = max(t.attempts) AS attempts, sum(calls) FILTER (WHERE outcome <> 'undecided') = max(decided) AS decided,
	   sum(calls) FILTER (WHERE outcome = 'answered') = max(answered) AS answered, sum(calls) FILTER (WHERE outcome = 'presumed') = max(presumed) AS presumed,
	   sum(calls) FILTER (WHERE outcome = 'busy') = max(busy) AS busy, sum(calls) FILTER (WHERE outcome = 'canceled') = max(canceled) AS canceled,
	   sum(calls) FILTER (WHERE outcome = 'failed') = max(failed) AS failed, sum(calls) FILTER (WHERE outcome = 'no_answer') = max(no_answer) AS no_answer,
	   abs(sum(m.talk_seconds) - max(t.talk_seconds)) < 0.001 AS talk, abs(sum(setup_seconds) / sum(setups) - max(setup_avg)) < 0.001 AS setup
FROM (VALUES ('5m', interval '5 min'), ('60m', '1 hour')) AS w(name, length)
CROSS JOIN LATERAL cdr_traffic(now() - length, now()) AS t JOIN cdr_metrics_traffic AS m ON period = name
GROUP BY 1 ORDER BY 1;
-- each tenant with each direction has each outcome, in both times
SELECT count(*) AS rows, count(DISTINCT (period, outcome)) AS different FROM cdr_metrics_traffic GROUP BY tenant_id, direction HAVING count(*) <> 14;
SELECT min(length(tenant_id)), max(length(tenant_id)), count(DISTINCT tenant_id) FROM cdr_metrics_traffic;
-- calls that are up
WITH told AS MATERIALIZED (SELECT direction, sum(open), sum(answered), sum(stale), round(max(oldest_seconds)::numeric, 3) FROM cdr_metrics_open GROUP BY 1),
	 counted AS MATERIALIZED (
		SELECT way, count(*) FILTER (WHERE silent <= '24:00:00')::numeric, count(*) FILTER (WHERE silent <= '24:00:00' AND answer_time IS NOT NULL)::numeric,
			   count(*) FILTER (WHERE silent > '24:00:00')::numeric,
			   round(max(extract(epoch FROM now()) - extract(epoch FROM at)) FILTER (WHERE silent <= '24:00:00'), 3)
		FROM (SELECT *, now() - last_event_time AS silent FROM marked WHERE end_time IS NULL AND at <= now() AND now() - at <= '72:00:00') AS m GROUP BY 1)
SELECT (SELECT count(*) FROM told) AS rows, (SELECT count(*) FROM (SELECT * FROM told EXCEPT SELECT * FROM counted) AS x) AS unexpected,
	   (SELECT count(*) FROM (SELECT * FROM counted EXCEPT SELECT * FROM told) AS x) AS missing;
SELECT count(DISTINCT tenant_id), max(length(tenant_id)) FROM cdr_metrics_open;
-- the index on the time of the attempt finds them
SET LOCAL enable_seqscan = off;
CREATE FUNCTION scans() RETURNS bigint LANGUAGE sql VOLATILE AS $$ SELECT pg_stat_get_xact_numscans('calls_attempt_time_idx'::regclass) $$;
SELECT scans() AS before \gset
SELECT count(*) > 0 AS some FROM cdr_metrics_traffic;
SELECT count(*) > 0 AS some FROM cdr_metrics_open;
SELECT scans() - :before AS scans;
COMMIT;

-- ---------------------------------------------------------------------------
-- 3,000 tenants of a DBA, or of an enemy
-- ---------------------------------------------------------------------------

BEGIN;
SELECT count(add_call('many ' || n, now() - interval '1 min', 'many ' || n, (ARRAY['inbound', 'outbound', 'internal', 'x' || n])[1 + n % 4]))
FROM generate_series(1, 3000) AS n;
SELECT count(add_call('most ' || n, now() - interval '1 min', 'most')) FROM generate_series(1, 200) AS n;
SELECT count(*) <= 22 * 4 * 14 AS bounded, count(*) FILTER (WHERE tenant_id = 'most') AS most,
	   sum(calls) FILTER (WHERE period = '5m') = (SELECT attempts FROM cdr_traffic(now() - interval '5 min', now())) AS all_calls
FROM cdr_metrics_traffic;
SELECT count(*) <= 22 * 4 AS bounded, max(open) FILTER (WHERE tenant_id = 'most') AS most FROM cdr_metrics_open;
ROLLBACK;

-- ---------------------------------------------------------------------------
-- Who may
-- ---------------------------------------------------------------------------

CREATE ROLE regress_cdr_nobody;
CREATE ROLE regress_cdr_metrics IN ROLE pg_monitor;
-- functions and operators of one's own first in the path, and a table of the name
CREATE SCHEMA trap AUTHORIZATION regress_cdr_metrics;
SET ROLE regress_cdr_metrics;
CREATE FUNCTION trap.caught() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped as %', current_user; END $$;
CREATE FUNCTION trap.count(anyelement) RETURNS bigint LANGUAGE sql AS $$ SELECT trap.caught(); SELECT 0::bigint $$;
CREATE FUNCTION trap.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT trap.caught(); SELECT clock_timestamp() $$;
CREATE FUNCTION trap.left(text, integer) RETURNS text LANGUAGE sql AS $$ SELECT trap.caught(); SELECT 'x' $$;
CREATE FUNCTION trap.same(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped as %', current_user; END $$;
CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.same);
CREATE TABLE trap.calls (call_id text);
SET search_path = trap, pg_catalog, public;
SELECT pg_catalog.sum(calls) > 1000 AS some FROM cdr_metrics_traffic WHERE period OPERATOR(pg_catalog.=) '60m';
SELECT pg_catalog.sum(open) > 100 AS some FROM cdr_metrics_open;
SELECT current_user;
RESET search_path;
SELECT count(*) FROM calls;
SELECT attempts FROM cdr_traffic(now() - interval '1 hour', now());
-- no column tells of a person
SELECT string_agg(DISTINCT attname, ' ' ORDER BY attname) FROM pg_attribute
WHERE attrelid IN ('cdr_metrics_traffic'::regclass, 'cdr_metrics_open'::regclass, 'cdr_metrics_worker'::regclass) AND attnum > 0 AND atttypid = 'text'::regtype;
SET ROLE regress_cdr_nobody;
SELECT count(*) FROM cdr_metrics_worker;
SELECT count(*) FROM cdr_metrics_traffic;
SELECT count(*) FROM cdr_metrics_open;
SELECT count(*) FROM cdr_count_recent_calls();
SELECT count(*) FROM cdr_count_open_calls();
-- the view alone lends nothing, nor does the function reach further than its role
RESET ROLE;
GRANT SELECT ON cdr_metrics_traffic TO regress_cdr_nobody;
SET ROLE regress_cdr_nobody;
SELECT count(*) FROM cdr_metrics_traffic;
RESET ROLE;
BEGIN;
REVOKE SELECT ON calls FROM cdr_service;
SELECT count(*) FROM cdr_metrics_traffic;
ROLLBACK;
-- policies hold for the role that reads
BEGIN;
ALTER TABLE calls ENABLE ROW LEVEL SECURITY;
ALTER TABLE calls FORCE ROW LEVEL SECURITY;
CREATE POLICY only_a ON calls USING (tenant_id = 'a');
SELECT DISTINCT tenant_id FROM cdr_metrics_traffic WHERE calls > 0;
ROLLBACK;
-- a table that is a view by now; an owner who is a superuser
BEGIN;
DROP VIEW marked;
ALTER TABLE calls RENAME TO hidden;
CREATE VIEW calls AS SELECT * FROM hidden;
SELECT count(*) FROM cdr_metrics_traffic;
ROLLBACK;
BEGIN;
ALTER TABLE calls OWNER TO CURRENT_USER;
\set VERBOSITY sqlstate
SELECT count(*) FROM cdr_metrics_open;
\set VERBOSITY terse
ROLLBACK;
-- renamed, it is found
ALTER SCHEMA public RENAME TO elsewhere;
SELECT count(*) > 0 AS some FROM elsewhere.cdr_metrics_traffic;
ALTER SCHEMA elsewhere RENAME TO public;

DROP VIEW marked;
DROP FUNCTION at, add_call;
SET client_min_messages = warning;
DROP SCHEMA trap CASCADE;
DROP EXTENSION cdr_service;
DROP FUNCTION scans;
DROP TABLE calls, call_events, dead_letters CASCADE;
DROP ROLE regress_cdr_metrics, regress_cdr_nobody;
