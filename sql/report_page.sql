-- The report: a page that says what cdr_traffic() says, whatever stands in the calls.
\set VERBOSITY terse
SET timezone = 'UTC';
CREATE EXTENSION cdr_service;

-- A page, read strictly: it is XML, too.  What a browser would run or fetch is none of it.
CREATE FUNCTION page_of(html text) RETURNS xml LANGUAGE sql AS $$ SELECT xmlparse(DOCUMENT replace(html, '<!DOCTYPE html>', '')) $$;
CREATE FUNCTION look(html text, OUT well_formed boolean, OUT small boolean, OUT harmless boolean, OUT elements text) LANGUAGE sql AS $$
	SELECT page_of(html) IS DOCUMENT, octet_length(html) < 300000,
		   html !~* '<script|http|<iframe|<object|<embed|<link|<img|<a |<form|@import|url\(|javascript:|\son[a-z]+=|<foreignobject',
		   (SELECT string_agg(DISTINCT x::text, ' ' ORDER BY x::text)
			FROM regexp_matches(html, '<([a-zA-Z][a-zA-Z0-9]*)', 'g') AS m, unnest(m) AS x)
$$;
-- the cells of a column, of the table with this caption, as numbers
CREATE FUNCTION cells(html text, caption text, col integer) RETURNS SETOF numeric LANGUAGE sql AS $$
	SELECT regexp_replace(x::text, '[^0-9.]', '', 'g')::numeric
	FROM unnest(xpath(format('//table[starts-with(caption, "%s")]/tbody/tr[not(@class)]/td[%s]/text()', caption, col), page_of(html))) AS x
$$;
CREATE FUNCTION says(html text, what text) RETURNS boolean LANGUAGE sql AS $$
	SELECT strpos(regexp_replace(html, '<style>.*</style>', ''), what) > 0
$$;
CREATE FUNCTION call(id text, s text, a text, e text, tenant text DEFAULT 't', callee text DEFAULT '+493012345', cause text DEFAULT NULL,
	how text DEFAULT NULL, last text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
	INSERT INTO calls (call_id, status, tenant_id, callee_number, start_time, answer_time, end_time, hangup_cause, disposition, event_count,
		first_event_time, last_event_time)
	VALUES (id, 'X', tenant, callee, s::timestamptz, a::timestamptz, e::timestamptz, cause, CASE WHEN a IS NULL THEN how ELSE 'ANSWERED' END, 1,
		COALESCE(s, a, e)::timestamptz, COALESCE(last, e, a, s)::timestamptz)
$$;

-- ---------------------------------------------------------------------------
-- Texts and numbers
-- ---------------------------------------------------------------------------

SELECT cdr_html('&<>"'''), cdr_html(NULL), cdr_html(''), cdr_html(repeat('x', 100)) = '<bdi>' || repeat('x', 100) || '</bdi>' AS whole;
SELECT cdr_html(repeat('<', 101)) = '<bdi>' || repeat('&lt;', 100) || '&#8230;</bdi>' AS cut;
-- what turns text around or cannot be seen is replaced; letters that are written from right to left stay
SELECT count(*) AS replaced FROM unnest(ARRAY[1, 9, 10, 27, 31, 127, 133, 159, 1564, 8203, 8206, 8207, 8232, 8234, 8238, 8294, 8297, 65279, 65535]) AS c
WHERE cdr_html('a' || chr(c) || 'b') = '<bdi>a' || chr(65533) || 'b</bdi>';
SELECT cdr_html(U&'\05E9\05DC\05D5\05DD \0645\0631\062D\0628\0627 \00FC\4F60\1F600') ~ U&'^<bdi>\05E9.*\1F600</bdi>$' AS kept;
SELECT n, cdr_report_number(n), cdr_report_number(n, 2), cdr_report_length(n) FROM unnest(ARRAY[NULL, 0, 0.004, 0.5, 59.6, 1234567.891, 3599.9, 360000]) AS n;
SELECT part, whole, cdr_report_ratio(part, whole) FROM (VALUES (NULL, 3), (0, 0), (1, NULL), (0, 29), (2, 3), (29, 30), (30, 30)) AS r (part, whole);
SELECT a, b, cdr_report_change(a, b), cdr_report_points(a, b) FROM (VALUES (1, NULL), (NULL, 1), (1, 0), (0, 1), (3, 3), (2, 3), (4, 3), (1000, 1), (0.68, 0.676), (0.5, 0.68)) AS r (a, b);
-- (how many zeros a quotient has, differs between versions)
SELECT n, trim_scale(cdr_chart_top(n)) FROM unnest(ARRAY[NULL, 0, 0.3, 4, 5, 9, 13, 99, 100, 1271, 1000000]) AS n;
SELECT cdr_report_step('2026-03-01', '2026-03-01'::timestamptz + i::interval) AS step, i
FROM unnest(ARRAY['1 us', '75 min', '76 min', '18 h', '19 h', '75 h', '76 h', '31 d', '75 d', '76 d', '500 d', '700 d', '10 years', '90 years', '290000 years']) AS i;

-- ---------------------------------------------------------------------------
-- Nothing, one call, a call over three days
-- ---------------------------------------------------------------------------

SELECT l.*, says(r, 'No call is known') AS told, says(r, '0.0 %') AS claims FROM cdr_report('2026-03-01', '2026-04-01', 'Europe/Berlin') AS r, look(r) AS l;
SELECT call('one', '2026-03-01 10:00', '2026-03-01 10:00:05', '2026-03-01 10:02:05');
SELECT l.well_formed, l.small, l.harmless, says(r, '<span class="few">100.0 %</span>') AS pale, says(r, '2:00') AS length
FROM cdr_report('2026-03-01', '2026-03-02', 'Asia/Kathmandu', 't') AS r, look(r) AS l;
SELECT call('long', '2026-03-05 10:00', '2026-03-05 10:00:05', '2026-03-08 10:00:05');
SELECT l.well_formed, l.small, says(r, '72:00:00') AS length FROM cdr_report('2026-03-01', '2026-04-01') AS r, look(r) AS l;
-- what is late or lost is said; so are attempts that are not shown, and answers that nobody saw
SELECT says(r, 'The latest calls may be missing') AS incomplete, says(r, '2026-03-08 10:00:05') AS as_of FROM cdr_report('2026-03-01', '2026-04-01') AS r;
SELECT call('later', '2026-04-01', NULL, '2026-04-01 00:00:09');
SELECT says(r, 'The latest calls may be missing') AS incomplete FROM cdr_report('2026-03-01', '2026-04-01') AS r;
SELECT call('open', '2026-03-05', '2026-03-05 00:00:05', NULL, 't');
SELECT says(r, 'Open calls: 1, of which not heard of for a day: 1.') AS open FROM cdr_report('2026-03-01', '2026-04-01') AS r;
SELECT count(call('lost ' || n, '2026-06-01', '2026-06-01 00:00:05', '2026-06-01 00:01:05')) FROM generate_series(1, 29) AS n;
SELECT says(r, 'This producer shows no failed attempts') AS doubted FROM cdr_report('2026-06-01', '2026-06-02') AS r;
SELECT call('lost 30', '2026-06-01', '2026-06-01 00:00:05', '2026-06-01 00:01:05');
SELECT says(r, 'This producer shows no failed attempts') AS doubted FROM cdr_report('2026-06-01', '2026-06-02') AS r;
SELECT call('lost 31', '2026-06-01', NULL, '2026-06-01 00:01:05', 't', '+1202', 'busy', 'BUSY');
SELECT says(r, 'This producer shows no failed attempts') AS doubted FROM cdr_report('2026-06-01', '2026-06-02') AS r;
SELECT call('presumed ' || n, NULL, NULL, '2026-06-01 00:01:05', 't', '+1202', 'normal_clearing', 'ANSWERED') FROM generate_series(1, 2) AS n;
SELECT says(r, 'Calls whose start nobody told: 2 (6.1 %)') AS starts, says(r, 'though nobody saw the answer: 2 (6.1 %)') AS presumed
FROM cdr_report('2026-06-01', '2026-06-02') AS r;
-- messages that could not be read, for those who may know
SELECT says(r, '(dead letters): 0.') AS letters FROM cdr_report('2026-06-01', '2026-06-02') AS r;
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, attempts, routing_key, body, body_size, sqlstate, message) VALUES
	(gen_random_uuid(), '2026-06-01 12:00', '2026-06-01 12:00', 1, 'x', 'x', 1, '22023', 'm');
SELECT says(r, '(dead letters): 1; calls may be missing.') AS letters FROM cdr_report('2026-06-01', '2026-06-02') AS r;

-- ---------------------------------------------------------------------------
-- The same as cdr_traffic() says, and the same every time
-- ---------------------------------------------------------------------------

SELECT setseed(0.4);
INSERT INTO calls (call_id, status, disposition, direction, callee_number, tenant_id, start_time, answer_time, end_time, hangup_cause, sip_status,
	event_count, first_event_time, last_event_time)
SELECT 'random ' || n, 'X', CASE WHEN e IS NOT NULL THEN CASE WHEN a IS NOT NULL THEN 'ANSWERED' ELSE
		(ARRAY['ANSWERED', 'BUSY', 'CANCELED', 'FAILED', 'NO_ANSWER'])[1 + floor(random() * 5)] END END, 'inbound',
	'+' || (10 + floor(random() * 80)) || '30123456', CASE WHEN random() < 0.9 THEN 'tenant ' || floor(30 * random() ^ 2) END,
	CASE WHEN random() < 0.9 THEN t END, a, e,
	CASE WHEN e IS NOT NULL THEN (ARRAY['normal_clearing', 'user_busy', 'no_answer', 'call_rejected', 'lose_race', 'No such cause',
		'network_failure', NULL])[1 + floor(random() * 8)] END,
	CASE WHEN e IS NOT NULL AND random() < 0.4 THEN (ARRAY[200, 302, 404, 480, 486, 487, 503, 603, 999])[1 + floor(random() * 9)] END,
	1, t, COALESCE(e, a, t)
FROM (SELECT n, t, CASE WHEN random() < 0.6 THEN t + setup END AS a, CASE WHEN random() < 0.9 THEN t + setup + talk END AS e
	  FROM (SELECT n, timestamptz '2026-10-20' + random() * interval '9 days' AS t,
				   random() * interval '40 s' - interval '1 s' AS setup, random() * random() * interval '20 min' AS talk
			FROM generate_series(1, 3000) AS n) AS moments) AS times;

CREATE FUNCTION told(traffic jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws('|', traffic ->> 'attempts', traffic ->> 'open', traffic ->> 'decided', traffic ->> 'answered', traffic ->> 'presumed',
		traffic ->> 'busy', traffic ->> 'canceled', traffic ->> 'failed', traffic ->> 'no_answer', round((traffic ->> 'talk_seconds')::numeric, 3),
		round(CASE WHEN traffic ? 'told' THEN (traffic ->> 'effective')::numeric / NULLIF((traffic ->> 'told')::numeric, 0)
				   ELSE (traffic ->> 'ner')::numeric END, 9))
$$;
-- by step, by hour of the day, by hour of the week, of all and of one tenant, in a week with 25 hours on a day
SELECT w.tenant, kind, count(*) AS rows, count(*) FILTER (WHERE of_report IS DISTINCT FROM of_traffic) AS differing
FROM (VALUES (NULL), ('tenant 1')) AS w (tenant), LATERAL (
	SELECT 'step' AS kind, of_report, of_traffic
	FROM (SELECT (cdr_steps('2026-10-19 22:00Z', '2026-10-27 23:00Z', '1 day', 'Europe/Berlin'))[(f ->> 'i')::integer] AS key, told(f) AS of_report
		  FROM jsonb_array_elements(cdr_report_data('2026-10-19 22:00Z', '2026-10-27 23:00Z', 'Europe/Berlin', w.tenant) #> '{course,steps}') AS f) AS r
	FULL JOIN (SELECT t.bucket AS key, told(to_jsonb(t)) AS of_traffic
			   FROM cdr_traffic('2026-10-19 22:00Z', '2026-10-27 23:00Z', '1 day', 'Europe/Berlin',
								CASE WHEN w.tenant IS NULL THEN '{}' ELSE '{tenant_id}' END::text[]) AS t
			   WHERE t.tenant_id IS NOT DISTINCT FROM w.tenant AND attempts > 0) AS t USING (key)
	UNION ALL
	SELECT set, of_report, of_traffic
	FROM (SELECT set, (f ->> 'h') || COALESCE(' ' || (f ->> 'd'), '') AS key, told(f) AS of_report
		  FROM unnest(ARRAY['hours', 'week']) AS set,
			   jsonb_array_elements(cdr_report_data('2026-10-19 22:00Z', '2026-10-27 23:00Z', 'Europe/Berlin', w.tenant) -> 'course' -> set) AS f) AS r
	FULL JOIN (SELECT set, t.hour || COALESCE(' ' || t.weekday, '') AS key, told(to_jsonb(t)) AS of_traffic
			   FROM (VALUES ('hours', '{hour}'), ('week', '{hour,weekday}')) AS sets (set, asked),
					cdr_traffic('2026-10-19 22:00Z', '2026-10-27 23:00Z', NULL, 'Europe/Berlin',
								asked::text[] || CASE WHEN w.tenant IS NULL THEN '{}' ELSE '{tenant_id}' END::text[]) AS t
			   WHERE t.tenant_id IS NOT DISTINCT FROM w.tenant AND attempts > 0) AS t USING (set, key)) AS compared
GROUP BY w.tenant, kind ORDER BY 1, 2;
-- in the tables of the page: all of it, and every tenant and destination
WITH page AS MATERIALIZED (SELECT cdr_report('2026-10-19 22:00Z', '2026-10-27 23:00Z', 'Europe/Berlin') AS html)
SELECT attempts,
	(SELECT sum(c) FROM page, cells(html, 'outcomes by time', 1) AS c) AS by_day,
	(SELECT sum(c) FROM page, cells(html, 'outcomes by hour', 1) AS c) AS by_hour,
	(SELECT sum(c) FROM page, cells(html, 'the most called', 1) AS c) AS by_destination,
	(SELECT sum(c) FROM page, cells(html, 'those with most', 1) AS c) AS by_tenant,
	answered, (SELECT sum(c) FROM page, cells(html, 'outcomes by time', 3) AS c) AS answered_by_day,
	decided - answered AS unanswered,
	(SELECT sum(c) FROM page, cells(html, 'calls that ended without', 3) AS c) AS by_cause,
	(SELECT sum(c) FROM page, cells(html, 'those with most', 3) AS c) AS not_answered_by_tenant
FROM cdr_traffic('2026-10-19 22:00Z', '2026-10-27 23:00Z');
SELECT sum((d #>> '{course,total,attempts}')::integer) AS attempts, sum(jsonb_array_length(d #> '{places,tenants}')) AS tenants,
	(SELECT count(DISTINCT t.tenant_id) + 1 FROM cdr_traffic('2026-10-19 22:00Z', '2026-10-27 23:00Z', NULL, 'UTC', '{tenant_id}') AS t) AS all_tenants,
	sum((d #>> '{places,other_tenants,rows}')::integer) AS others
FROM cdr_report_data('2026-10-19 22:00Z', '2026-10-27 23:00Z', 'Europe/Berlin') AS d;
-- tenants and destinations, figure by figure
SELECT kind, count(*) AS rows, count(*) FILTER (WHERE of_report IS DISTINCT FROM of_traffic) AS differing
FROM (SELECT 'tenants' AS kind, (f ->> 'tenant_id') AS key, concat_ws('|', f ->> 'attempts', f ->> 'decided', f ->> 'answered', f ->> 'short',
				round((f ->> 'talk_seconds')::numeric / NULLIF((f ->> 'talks')::numeric, 0), 6)) AS of_report
	  FROM jsonb_array_elements(cdr_report_data('2026-10-20', '2026-10-29') #> '{places,tenants}') AS f
	  UNION ALL
	  SELECT 'destinations', (f ->> 'destination'), concat_ws('|', f ->> 'attempts', f ->> 'decided', f ->> 'answered', f ->> 'short',
				round((f ->> 'talk_seconds')::numeric / NULLIF((f ->> 'talks')::numeric, 0), 6))
	  FROM jsonb_array_elements(cdr_report_data('2026-10-20', '2026-10-29') #> '{places,destinations}') AS f) AS r
LEFT JOIN (SELECT kind, CASE kind WHEN 'tenants' THEN tenant_id ELSE destination END AS key,
				  concat_ws('|', attempts, decided, answered, short_calls, round(acd_seconds, 6)) AS of_traffic
		   FROM (VALUES ('tenants', '{tenant_id}'), ('destinations', '{destination}')) AS d (kind, asked),
				cdr_traffic('2026-10-20', '2026-10-29', NULL, 'UTC', asked::text[])) AS t USING (kind, key)
WHERE key IS NOT NULL GROUP BY kind ORDER BY kind;
-- calls at once, and the time to answer to 1 % of what sorting all says (its mean of two neighbours apart)
SELECT count(*) AS rows, count(*) FILTER (WHERE (l ->> 'peak')::bigint <> c.peak OR round((l ->> 'mean')::numeric, 6) <> round(c.mean, 6)
	OR to_timestamp((l ->> 'peak_at')::float8) <> c.peak_at) AS differing
FROM jsonb_array_elements(cdr_report_data('2026-10-20', '2026-10-29') -> 'levels') WITH ORDINALITY AS l (l, n)
JOIN (SELECT row_number() OVER (ORDER BY bucket) AS n, * FROM cdr_concurrency('2026-10-20', '2026-10-29', '1 day')) AS c USING (n);
SELECT abs((s ->> 'p50')::numeric / setup_p50 - 1) < 0.012 AS median, abs((s ->> 'p95')::numeric / setup_p95 - 1) < 0.012 AS of_95
FROM jsonb_array_elements(cdr_report_data('2026-10-20', '2026-10-29') -> 'setup') AS s, cdr_traffic('2026-10-20', '2026-10-29')
WHERE s ->> 'i' IS NULL;
-- whatever the session is set to, and however the calls lie in the table
CREATE TEMP TABLE before AS SELECT md5(cdr_report('2026-10-20', '2026-10-29', 'Europe/Berlin')) AS page,
	md5(cdr_report_diff('2026-10-20', '2026-10-22', '2026-10-23', '2026-10-29', 'Europe/Berlin')) AS diff;
BEGIN;
SET LOCAL timezone = 'Asia/Kolkata';
SET LOCAL datestyle = 'SQL, DMY';
SET LOCAL intervalstyle = 'iso_8601';
SET LOCAL extra_float_digits = -10;
SET LOCAL bytea_output = 'escape';
SET LOCAL work_mem = '64kB';
SET LOCAL search_path = pg_catalog;
UPDATE public.calls SET trunk = trunk WHERE call_id LIKE '%7%';
SELECT page = md5(public.cdr_report('2026-10-20 00:00Z', '2026-10-29 00:00Z', 'Europe/Berlin')) AS same,
	diff = md5(public.cdr_report_diff('2026-10-20 00:00Z', '2026-10-22 00:00Z', '2026-10-23 00:00Z', '2026-10-29 00:00Z', 'Europe/Berlin')) AS same_diff
FROM pg_temp.before;
ROLLBACK;
-- the comparison: both counts, and the change
SELECT l.*, (SELECT array_agg(c) FROM cells(r, 'the time that it is compared with', 1) WITH ORDINALITY AS x (c, n) WHERE n = 1) AS before,
	(SELECT array_agg(c) FROM cells(r, 'the time that it is compared with', 2) WITH ORDINALITY AS x (c, n) WHERE n = 1) AS now,
	a.attempts AS attempts_before, b.attempts
FROM cdr_report_diff('2026-10-20', '2026-10-22', '2026-10-21', '2026-10-29') AS r, look(r) AS l,
	 cdr_traffic('2026-10-20', '2026-10-22') AS a, cdr_traffic('2026-10-21', '2026-10-29') AS b;

-- ---------------------------------------------------------------------------
-- What others wrote stays text
-- ---------------------------------------------------------------------------

SELECT $$'"><script src=//x>alert(1)</script></title></style></svg><img onerror=x> javascript:x =1+1 & ' OR ''='' -- \\$$ AS evil \gset
SELECT call(:'evil' || n, '2026-07-01 10:00', CASE WHEN n < 3 THEN '2026-07-01 10:00:05' END, '2026-07-01 11:00', :'evil' || n, :'evil' || n, :'evil' || n, :'evil')
FROM generate_series(1, 5) AS n;
UPDATE calls SET direction = :'evil', trunk = :'evil', caller_number = :'evil', hangup_source = :'evil', user_id = :'evil', recording_url = :'evil', status = :'evil'
WHERE attempt_time >= '2026-07-01';
SELECT call(U&'\202Eright to left', '2026-07-01 10:00', '2026-07-01 10:00:05', '2026-07-01 11:00', U&'\05E9\05DC\05D5\05DD', '1', E'\x01\x08\x1b', 'FAILED'),
	call(repeat('<>', 5000), '2026-07-01 10:00', '2026-07-01 10:00:05', '2026-07-01 11:00', repeat('&', 10000), repeat('"', 10000));
SELECT l.well_formed, l.small, l.elements, says(r, '<script') AS script,
	(SELECT count(*) FROM unnest(xpath('//bdi[contains(., "</script></title></style></svg><img onerror=x>")]', page_of(r))) AS x) AS as_text,
	(SELECT count(*) FROM unnest(xpath('//*[@onerror or @src]', page_of(r))) AS x) AS attributes,
	says(r, U&'\202E') AS turned, says(r, U&'<bdi>\05E9\05DC\05D5\05DD</bdi>') AS kept
FROM cdr_report('2026-07-01', '2026-07-02') AS r, look(r) AS l;
-- a tenant and a zone that are markup
SELECT l.well_formed, l.elements, says(r, '<script') AS script, says(r, '&lt;script') AS told
FROM cdr_report('2026-07-01', '2026-07-02', '<+03>-3', :'evil' || 1) AS r, look(r) AS l;
SELECT l.well_formed, l.elements, says(r, '<script') AS script
FROM cdr_report_diff('2026-06-30', '2026-07-01', '2026-07-01', '2026-07-02', '<+03>-3', :'evil' || 1) AS r, look(r) AS l;

-- alerts that were raised in this time: the critical ones first, no numbers of people, and
-- nothing for who may not read them
INSERT INTO cdr_alerts (rule, subject, tenant_id, level, metric, scope, threshold, time_window, raised_at, cleared_at, first_value, worst_value, last_value,
	last_at, late)
SELECT :'evil' || n, s, 't', l, 'calls', scope, 20.50, '5 min', r::timestamptz, r::timestamptz + interval '1 hour', 1, 41.250, 1, r::timestamptz, false
FROM (VALUES (1, :'evil', 'warning', 'user', '2026-07-01 00:00'), (2, 'alice', 'critical', 'user', '2026-07-01 23:59:59'),
	(3, '+12125550143', 'warning', 'caller', '2026-07-01 12:00'), (4, 'sip:+12125550144@x', 'warning', 'user', '2026-07-01 12:00'),
	(5, '', 'warning', 'all', '2026-07-01 12:00'), (6, 'before', 'warning', 'user', '2026-06-30 23:59:59'), (7, 'after', 'warning', 'user', '2026-07-02')) AS a (n, s, l, scope, r);
SELECT a ->> 'rank' AS rank, right(a ->> 'rule', 1) AS rule, a ->> 'level' AS level, left(a ->> 'subject', 5) AS subject, a ->> 'worst' AS worst, a ->> 'threshold' AS threshold
FROM jsonb_array_elements(cdr_report_data('2026-07-01', '2026-07-02') #> '{alerts,first}') AS a;
SELECT l.well_formed, l.small, l.elements, says(r, 'raised in this time; 5 of them') AS told, says(r, '12125550') AS numbers, says(r, '<td>41.25</td><td>20.5</td>') AS value,
	says(cdr_report('2026-07-01', '2026-07-02', 'UTC', 'u'), 'raised in this time; 0 of them') AS of_another
FROM cdr_report('2026-07-01', '2026-07-02') AS r, look(r) AS l;
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_cdr_manager;
RESET client_min_messages;
CREATE ROLE regress_cdr_manager;
GRANT SELECT ON calls TO regress_cdr_manager;
SET ROLE regress_cdr_manager;
SELECT l.well_formed, says(r, 'Alerts') AS told, cdr_report_data('2026-07-01', '2026-07-02') -> 'alerts' AS alerts FROM cdr_report('2026-07-01', '2026-07-02') AS r, look(r) AS l;
RESET ROLE;
DROP OWNED BY regress_cdr_manager;
DROP ROLE regress_cdr_manager;
DELETE FROM cdr_alerts;

-- ---------------------------------------------------------------------------
-- Many
-- ---------------------------------------------------------------------------

INSERT INTO calls (call_id, status, tenant_id, callee_number, start_time, end_time, hangup_cause, disposition, event_count, first_event_time, last_event_time)
SELECT 'many ' || n, 'X', repeat('<', 90) || n, '00' || n, t, t + interval '9 s', repeat('>', 90) || n, 'NO_ANSWER', 1, t, t
FROM generate_series(10000, 19999) AS n, LATERAL (SELECT timestamptz '2026-08-01' + n * interval '2 min' AS t) AS times;
SELECT l.well_formed, l.small, says(r, '9,980 others') AS others, (SELECT sum(c) FROM cells(r, 'those with most', 1) AS c) AS by_tenant
FROM cdr_report('2026-08-01', '2026-09-01') AS r, look(r) AS l;
-- a minute, and all times
SELECT l.well_formed, l.small FROM cdr_report('2026-08-15', '2026-08-15 00:01') AS r, look(r) AS l;
SELECT l.well_formed, l.small FROM cdr_report('4000-01-01 BC', '200000-01-01') AS r, look(r) AS l;

-- ---------------------------------------------------------------------------
-- What is none, and who may
-- ---------------------------------------------------------------------------

SELECT cdr_report('2026-03-01', '2026-03-01');
SELECT cdr_report('2026-03-01', NULL);
SELECT cdr_report('-infinity', '2026-03-01');
SELECT cdr_report('2026-03-01', '2026-03-02', 'Europe/Atlantis');
SELECT cdr_report('2026-03-01', '2026-03-02', NULL);
SELECT cdr_report_diff('2026-03-01', '2026-03-02', NULL, NULL);
SELECT cdr_report_diff(NULL, NULL, '2026-03-01', '2026-03-02');
BEGIN;
ALTER TABLE calls RENAME TO hidden;
CREATE VIEW calls AS SELECT * FROM hidden;
SELECT cdr_report('2026-03-01', '2026-03-02');
ROLLBACK;
ALTER SCHEMA public RENAME TO elsewhere;
SELECT length(elsewhere.cdr_report('2026-03-01', '2026-03-02')) > 1000 AS found;
ALTER SCHEMA elsewhere RENAME TO public;
CREATE ROLE regress_report;
SET ROLE regress_report;
SELECT cdr_report('2026-03-01', '2026-03-02');
RESET ROLE;
GRANT SELECT ON calls TO regress_report;
SET ROLE regress_report;
SELECT says(r, 'calls') AS told, says(r, 'dead letters') AS letters FROM cdr_report('2026-06-01', '2026-06-02') AS r;
RESET ROLE;
DROP OWNED BY regress_report;
DROP ROLE regress_report;

DROP FUNCTION page_of, look, cells, says, call, told;
SET client_min_messages = warning;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters, timeless_events;
