-- What is told of calls is the same in any session, and one odd row, column or name
-- spoils none of it.
\set VERBOSITY terse
SET timezone = 'UTC';
CREATE EXTENSION cdr_service;

-- Calls in five days around the night in which Berlin's clocks go on, many of them
-- without an end.
SELECT setseed(0.5) AS seed \gset
INSERT INTO calls (call_id, status, disposition, direction, callee_number, tenant_id, start_time, answer_time, end_time, hangup_cause,
	sip_status, event_count, first_event_time, last_event_time)
SELECT 'call ' || n, 'X', (ARRAY['ANSWERED', 'BUSY', 'FAILED', 'NO_ANSWER', 'CANCELED'])[1 + floor(random() * 5)], 'inbound',
	'+' || (10 + floor(random() * 80)) || '30123456', 'tenant ' || floor(5 * random()), s,
	CASE WHEN random() < 0.6 THEN s + random() * interval '30 s' END,
	CASE WHEN random() < 0.8 THEN s + interval '30 s' + random() * interval '3 hours' END,
	CASE WHEN random() < 0.5 THEN 'cause ' || floor(random() * 40) END, CASE WHEN random() < 0.3 THEN 400 + floor(random() * 100)::integer END, 1, s, s
FROM (SELECT n, timestamptz '2026-03-26 00:00Z' + random() * interval '120 hours' AS s FROM generate_series(1, 1500) AS n) AS starts;
ANALYZE calls;

-- ---------------------------------------------------------------------------
-- Settings
-- ---------------------------------------------------------------------------

-- Everything that is told, without times as their type shows them.
CREATE FUNCTION told() RETURNS text LANGUAGE sql AS $$
	SELECT md5(concat_ws(E'\n', cdr_report('2026-03-27 00:00Z', '2026-03-30 12:00Z', 'Europe/Berlin'),
		cdr_report_diff('2026-03-26 00:00Z', '2026-03-28 12:00Z', '2026-03-29 00:00Z', '2026-03-30 12:00Z', 'Europe/Berlin', 'tenant 3'),
		(SELECT string_agg(t::text, E'\n') FROM cdr_export_calls('2026-03-27 00:00Z', '2026-03-30 12:00Z', 'Europe/Berlin', for_spreadsheets => true) AS t),
		(SELECT string_agg(to_jsonb(t)::text, E'\n' ORDER BY t.bucket, t.tenant_id COLLATE "C", t.hour)
		 FROM (SELECT extract(epoch FROM t.bucket) AS bucket, t.tenant_id, t.hour, t.attempts, t.talk_seconds, t.setup_p95, t.ner, t.erlang
			   FROM cdr_traffic('2026-03-27 00:00Z', '2026-03-30 12:00Z', '1 day', 'Europe/Berlin', '{tenant_id,hour}') AS t) AS t),
		(SELECT string_agg(concat_ws(' ', extract(epoch FROM l.bucket), l.peak, extract(epoch FROM l.peak_at), l.mean), E'\n' ORDER BY l.bucket)
		 FROM cdr_concurrency('2026-03-27 00:00Z', '2026-03-30 12:00Z', '1 hour', 'Europe/Berlin') AS l)))
$$;
SELECT told() AS as_always \gset
CREATE FUNCTION told_with(name text, value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before constant text := current_setting(name);
	found text;
BEGIN
	PERFORM set_config(name, value, false);
	found := told();
	PERFORM set_config(name, before, false);
	RETURN found;
END
$$;
SELECT name, value, told_with(name, value) = :'as_always' AS same
FROM (VALUES ('TimeZone', 'Europe/Berlin'), ('TimeZone', 'America/New_York'), ('TimeZone', 'Australia/Lord_Howe'), ('DateStyle', 'German, DMY'),
	('IntervalStyle', 'sql_standard'), ('extra_float_digits', '-15'), ('standard_conforming_strings', 'off'), ('work_mem', '64kB'),
	('enable_hashagg', 'off'), ('enable_hashjoin', 'off'), ('enable_bitmapscan', 'off'), ('plan_cache_mode', 'force_generic_plan'),
	('transform_null_equals', 'on'), ('quote_all_identifiers', 'on'), ('plpgsql.variable_conflict', 'use_variable')) AS s (name, value);
-- calls at once are, on average, what cdr_traffic() says of the same hours
SET timezone = 'Europe/Berlin';
SELECT count(*) AS hours, count(*) FILTER (WHERE round(l.mean, 12) <> round(t.erlang, 12)) AS differing
FROM cdr_concurrency('2026-03-28 00:00Z', '2026-03-30 12:00Z', '1 hour') AS l
JOIN cdr_traffic('2026-03-28 00:00Z', '2026-03-30 12:00Z', '1 hour') AS t USING (bucket);
-- also of steps in which there are few seconds
SELECT count(*) AS steps, count(*) FILTER (WHERE round(l.mean, 12) <> round(t.erlang, 12)) AS differing
FROM cdr_concurrency('2026-03-29 00:00Z', '2026-03-29 00:00:01.5Z', '0.1 s') AS l
JOIN cdr_traffic('2026-03-29 00:00Z', '2026-03-29 00:00:01.5Z', '0.1 s') AS t USING (bucket);
SET timezone = 'UTC';

-- A time that ends before it begins, or a zone that there is not, is not an empty file.
SELECT * FROM cdr_export_calls('2026-03-29', '2026-03-28');
SELECT * FROM cdr_export_calls('2026-04-28', '2026-04-29', 'Nowhere/None');

-- ---------------------------------------------------------------------------
-- All times
-- ---------------------------------------------------------------------------

-- Hours of ten thousand years are not looked at one by one.
SET statement_timeout = '60 s';
SELECT zone, sum(attempts) AS attempts, count(*) AS hours, cdr_rollup_covers(ARRAY['0001-01-01', '9999-12-31']::timestamptz[], zone, '{hour}') AS covered
FROM unnest('{UTC,Asia/Kathmandu,Africa/Monrovia}'::text[]) AS zone, cdr_traffic('4713-01-02 BC', '294276-12-30', NULL, zone, '{hour}') GROUP BY zone ORDER BY zone;
-- No interval is as long as that step; what is divided by its length is.
SELECT c.mean > 0 AND c.mean < 1 AS mean_of_lines, t.erlang > 0 AND t.erlang < 1 AS erlang
FROM cdr_concurrency('4713-01-02 BC', '294276-12-30') AS c, cdr_traffic('4713-01-02 BC', '294276-12-30') AS t;
-- the last microsecond that there is, which the epoch of a time does not tell from the one before
SELECT t.attempts, t.erlang = 0 AS erlang, c.peak, c.mean = 0 AS mean
FROM cdr_traffic('294276-12-31 23:59:59.999998', '294276-12-31 23:59:59.999999') AS t, cdr_concurrency('294276-12-31 23:59:59.999998', '294276-12-31 23:59:59.999999') AS c;
RESET statement_timeout;

-- ---------------------------------------------------------------------------
-- A row with a time at infinity, by hand
-- ---------------------------------------------------------------------------

INSERT INTO calls (call_id, status, start_time, answer_time, end_time, event_count, first_event_time, last_event_time)
VALUES ('up', 'X', now() - interval '2 min', NULL, NULL, 1, now(), now());
INSERT INTO cdr_alert_rules (name, metric, time_window, raise_at, clear_at, causes)
SELECT m.metric, m.metric, '1 day', CASE WHEN m.below THEN 0 ELSE 1 END, CASE WHEN m.below THEN 0 ELSE 1 END, CASE m.metric WHEN 'cause_share' THEN '{x}'::text[] END
FROM cdr_alert_metrics() AS m WHERE m.metric NOT IN ('burst', 'silence', 'new_destinations');
CREATE FUNCTION told_at_infinity(id text, value timestamptz) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE calls SET answer_time = value WHERE call_id = id;
	RETURN concat_ws(' ', (SELECT t.attempts FROM cdr_traffic('2026-03-26', '2026-03-31', NULL, 'UTC') AS t),
		(SELECT sum(t.attempts) FROM cdr_traffic('2026-03-26', '2026-03-31', NULL, 'UTC', '{hangup_cause}') AS t),
		(SELECT max(l.peak) > 0 FROM cdr_concurrency('2026-03-26', '2026-03-31') AS l),
		(SELECT count(*) FROM cdr_export_calls('2026-03-26', '2026-03-31')), length(cdr_report('2026-03-26', '2026-03-31')) > 10000,
		(SELECT sum(m.calls) FROM cdr_metrics_traffic AS m WHERE m.period = '60m'), (SELECT sum(m.open) FROM cdr_metrics_open AS m),
		(SELECT count(*) FROM cdr_alert_rules AS r, cdr_try_alert_rule(r.name) AS t) > 0, (SELECT count(*) FROM cdr_verify_rollup()));
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END
$$;
SELECT id, value, told_at_infinity(id, value) FROM (VALUES ('call 1'), ('call 2'), ('up')) AS c (id), unnest('{infinity,-infinity}'::timestamptz[]) AS value;
-- which counts alike from the rollup and from the rows
SELECT count(*) AS differing FROM cdr_traffic('2026-03-26', '2026-03-31', '1 hour', 'UTC', '{tenant_id}') AS a
FULL JOIN (SELECT bucket, tenant_id, sum(attempts) AS attempts, sum(answered) AS answered, sum(talk_seconds) AS talk_seconds, sum(short_calls) AS short_calls
	  FROM cdr_traffic('2026-03-26', '2026-03-31', '1 hour', 'UTC', '{tenant_id,trunk}') GROUP BY 1, 2) AS b USING (bucket, tenant_id)
WHERE a.attempts IS DISTINCT FROM b.attempts OR a.answered IS DISTINCT FROM b.answered OR a.talk_seconds IS DISTINCT FROM b.talk_seconds
OR a.short_calls IS DISTINCT FROM b.short_calls;
DELETE FROM cdr_alert_rules;
DELETE FROM calls WHERE call_id IN ('up', 'call 1', 'call 2');

-- ---------------------------------------------------------------------------
-- Columns and schemas of others
-- ---------------------------------------------------------------------------

SELECT told() AS as_always \gset
ALTER TABLE calls ADD COLUMN past text DEFAULT 'x', ADD COLUMN first text, ADD COLUMN i text, ADD COLUMN n text, ADD COLUMN hour text,
	ADD COLUMN destination text, ADD COLUMN until text, ADD COLUMN talk text, ADD COLUMN unanswered text, ADD COLUMN cause text,
	ADD COLUMN subject text, ADD COLUMN mark text, ADD COLUMN outcome text, ADD COLUMN fresh text, ADD COLUMN c text, ADD COLUMN last text;
SELECT told() = :'as_always' AS same;
-- texts of limited length
ALTER TABLE calls ALTER COLUMN tenant_id TYPE varchar(300), ALTER direction TYPE varchar(20), ALTER trunk TYPE varchar(300), ALTER hangup_cause TYPE varchar(200),
	ALTER caller_number TYPE varchar(90), ALTER callee_number TYPE varchar(90), ALTER user_id TYPE varchar(90), ALTER call_id TYPE varchar(100);
SELECT told() = :'as_always' AS same;
SELECT sum(attempts) AS attempts FROM cdr_traffic('2026-03-26', '2026-03-31', NULL, 'UTC', '{tenant_id,direction,trunk,destination,hangup_cause,hour,weekday}');
INSERT INTO cdr_alert_rules (name, metric, scope, time_window, raise_at, clear_at, causes, weeks, baseline)
SELECT m.metric || ' of ' || s, m.metric, s, '1 day', 1, 1, CASE m.metric WHEN 'cause_share' THEN '{x}'::text[] END,
	CASE WHEN m.metric IN ('burst', 'silence') THEN 1 END, CASE m.metric WHEN 'new_destinations' THEN interval '1 day' END
FROM cdr_alert_metrics() AS m, unnest('{all,tenant,user,trunk,destination,caller,caller_range}'::text[]) AS s;
SELECT count(t.value) > 10 AS measured FROM cdr_alert_rules AS r, cdr_try_alert_rule(r.name, '2026-03-28 12:00Z') AS t;
SELECT count(t.call_id) > 10 AS found FROM cdr_alert_rules AS r, cdr_try_alert_rule(r.name, '2026-03-28 12:00Z', 'tenant 3') AS t;
-- a schema whose name is a pattern
SET client_min_messages = warning;
DROP EXTENSION cdr_service CASCADE;
DROP TABLE calls, call_events, dead_letters, timeless_events CASCADE;
RESET client_min_messages;
CREATE SCHEMA "100%s";
SET search_path = "100%s", public;
CREATE EXTENSION cdr_service SCHEMA "100%s";
INSERT INTO calls (call_id, status, caller_number, start_time, answer_time, end_time, event_count, first_event_time, last_event_time)
VALUES ('one', 'X', '+1', '2026-03-28', '2026-03-28', '2026-03-28', 1, '2026-03-28', '2026-03-28');
SELECT caller_number FROM cdr_export_calls('2026-03-28', '2026-03-29', for_spreadsheets => true);
SELECT length(told()) AS length;
INSERT INTO cdr_alert_rules (name, metric, scope, time_window, prefixes, raise_at, clear_at, causes, weeks, baseline)
SELECT m.metric || ' of ' || s, m.metric, s, '1 day', '{+4}', 1, 1, CASE m.metric WHEN 'cause_share' THEN '{x}'::text[] END,
	CASE WHEN m.metric IN ('burst', 'silence') THEN 1 END, CASE m.metric WHEN 'new_destinations' THEN interval '1 day' END
FROM cdr_alert_metrics() AS m, unnest('{all,tenant,user,trunk,destination,caller,caller_range}'::text[]) AS s;
SELECT count(*) >= 0 AS measured FROM cdr_alert_rules AS r, cdr_try_alert_rule(r.name, '2026-03-28 12:00Z') AS t;
SELECT count(*) >= 0 AS found FROM cdr_alert_rules AS r, cdr_try_alert_rule(r.name, '2026-03-28 12:00Z', 'x') AS t;
SELECT cdr_check_alerts('2026-03-28 12:00Z', true) >= 0 AS checked;
SELECT cdr_create_masked_view() IS NOT NULL AS made;
SELECT count(*) AS masked FROM calls_masked;
SET client_min_messages = warning;
DROP EXTENSION cdr_service CASCADE;
DROP TABLE calls, call_events, dead_letters, timeless_events CASCADE;
RESET client_min_messages;
DROP FUNCTION told_with, told_at_infinity, told;
DROP SCHEMA "100%s" CASCADE;
