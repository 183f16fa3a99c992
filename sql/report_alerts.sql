-- Alerts: both sides of each threshold, by the rules of doc/alerts.md; one alert for what
-- flaps; late ones; no silence of a worker that stands still; rules that cannot be.
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_cdr_ruler, regress_cdr_nobody;
RESET client_min_messages;
CREATE EXTENSION cdr_service;

-- ---------------------------------------------------------------------------
-- Calls, and what is found
-- ---------------------------------------------------------------------------

-- Calls number by number, "step" apart from "at" on: the answer and the end so long after
-- the start; a "%s" in a number is that of the call.
CREATE FUNCTION ring(calls integer, at timestamptz, step interval DEFAULT '1 s', answer interval DEFAULT NULL, "end" interval DEFAULT NULL,
	caller text DEFAULT '+491000', callee text DEFAULT '+4930%s', direction text DEFAULT 'internal', tenant text DEFAULT 't', "user" text DEFAULT NULL,
	trunk text DEFAULT NULL, cause text DEFAULT NULL, sip integer DEFAULT NULL)
RETURNS void LANGUAGE sql AS $$
	INSERT INTO calls (call_id, status, direction, caller_number, callee_number, tenant_id, user_id, trunk, start_time, answer_time, end_time,
		hangup_cause, sip_status, event_count, first_event_time, last_event_time)
	SELECT format('call %s', (SELECT count(*) FROM calls) + n), 'STARTED', direction, format(caller, n + 1000), format(callee, n + 1000),
		   tenant, "user", trunk, s, s + answer, s + "end", CASE WHEN "end" IS NOT NULL THEN cause END,
		   CASE WHEN "end" IS NOT NULL THEN sip END, 1, s, COALESCE(s + "end", s + answer, s)
	FROM (SELECT n, at + (n - 1) * step AS s FROM generate_series(1, calls) AS n) AS starts
$$;

-- Forgets all calls and alerts; goes on with some rules.
CREATE FUNCTION take(VARIADIC rules text[]) RETURNS text LANGUAGE sql AS $$
	DELETE FROM calls; DELETE FROM cdr_alerts; DELETE FROM cdr_alert_progress; DELETE FROM cdr_alert_pending;
	UPDATE cdr_alert_rules SET enabled = name = ANY (rules);
	SELECT 'only ' || rules::text;
$$;

-- The alerts that are open after a check at each of these times.
CREATE FUNCTION open_at(VARIADIC times timestamptz[]) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. cardinality(times) LOOP
		-- a slow machine may need several transactions
		FOR try IN 1 .. 100 LOOP
			PERFORM cdr_check_alerts(times[i], true);
			EXIT WHEN NOT EXISTS (SELECT FROM cdr_alert_progress AS p JOIN cdr_alert_rules AS r ON r.name = p.rule
								  WHERE p.evaluated_at < date_bin(r.every, times[i], '2000-01-01Z'));
		END LOOP;
	END LOOP;
	RETURN COALESCE((SELECT string_agg(concat_ws(' ', rule, NULLIF(subject, ''), last_value), ', ' ORDER BY rule, subject)
					 FROM cdr_alerts WHERE cleared_at IS NULL), 'none');
END
$$;

-- ---------------------------------------------------------------------------
-- The ready rules of the document
-- ---------------------------------------------------------------------------

\set rules `sed -n '/^## Ready rules/,$ s/^    //p' "$PG_ABS_SRCDIR/doc/alerts.md"`
:rules
SELECT name, metric, scope, level FROM cdr_alert_rules ORDER BY name;
-- each metric has one; and no lag, and each minute, to say what is when
SELECT metric FROM cdr_alert_metrics() EXCEPT SELECT metric FROM cdr_alert_rules;
UPDATE cdr_alert_rules SET lag = '0', every = '1 min';

-- No call at all; then each pattern, on both sides of its threshold.  2026-03-02 is a
-- Monday.
SELECT open_at('2026-03-02 12:00Z');

-- revenue share fraud: calls
SELECT take('irsf calls');
SELECT ring(9, '2026-03-02 11:56Z', callee => '+88213%s', direction => 'outbound', "user" => 'u'), open_at('2026-03-02 12:00Z');
SELECT ring(1, '2026-03-02 11:59:59Z', callee => '+88213%s', direction => 'outbound', "user" => 'u'), open_at('2026-03-02 12:00Z', '2026-03-02 12:01Z');
-- the window is half-open; cleared below the other threshold
SELECT ring(4, '2026-03-02 12:00:30Z', callee => '+88213%s', direction => 'outbound', "user" => 'u'),
	open_at('2026-03-02 12:01Z', '2026-03-02 12:02Z'), open_at('2026-03-02 12:05Z');
SELECT raised_at, cleared_at, cleared_because, first_value, worst_value, last_value, call_ids FROM cdr_alerts;
-- others, who are not watched; nobody; several, with a part each; the other way
SELECT take('irsf calls');
SELECT ring(30, '2026-03-02 11:56Z', callee => '+8813', direction => 'outbound', "user" => 'u'),
	ring(30, '2026-03-02 11:56Z', callee => '+88', direction => 'outbound', "user" => 'u'),
	ring(30, '2026-03-02 11:56Z', callee => '00882%s', direction => 'outbound', "user" => 'u'),
	ring(30, '2026-03-02 11:56Z', callee => '+88213%s', direction => 'inbound', "user" => 'u'),
	ring(30, '2026-03-02 11:56Z', callee => '+88213%s', direction => 'outbound'),
	ring(9, '2026-03-02 11:56Z', callee => '+88213%s', direction => 'outbound', "user" => 'v'),
	ring(9, '2026-03-02 11:56Z', callee => '+88213%s', direction => 'outbound', "user" => 'w'), open_at('2026-03-02 12:00Z');

-- minutes: of a day, also of the call that is up; not of one that nobody answered
SELECT take('irsf minutes');
SELECT ring(11, '2026-03-02 01:00Z', '10 min', '0', '10 min', callee => '+979%s', direction => 'outbound', "user" => 'u'),
	ring(1, '2026-03-02 11:50:01Z', answer => '0', callee => '+979', direction => 'outbound', "user" => 'u'),
	ring(1, '2026-03-02 11:00Z', "end" => '30 min', callee => '+979', direction => 'outbound', "user" => 'u'), open_at('2026-03-02 12:00Z');
SELECT open_at('2026-03-02 12:01Z');

-- concurrent: up at that moment
SELECT take('irsf concurrent');
SELECT ring(4, '2026-03-02 11:00Z', callee => '+252%s', direction => 'outbound', "user" => 'u'),
	ring(1, '2026-03-02 11:00Z', "end" => '1 hour', callee => '+252%s', direction => 'outbound', "user" => 'u'),
	open_at('2026-03-02 12:00Z', '2026-03-02 12:01Z');
SELECT ring(1, '2026-03-02 12:01:30Z', callee => '+252%s', direction => 'outbound', "user" => 'u'), open_at('2026-03-02 12:02Z');

-- destinations that were never called: by the same tenant, in 30 days
SELECT take('new destinations');
SELECT ring(5, '2026-03-02 11:30Z', callee => '+5937%s', direction => 'outbound'),
	ring(1, '2026-01-31 10:59:59Z', callee => '+5937', direction => 'outbound'),
	ring(1, '2026-03-01 12:00Z', callee => '+5937', direction => 'outbound', tenant => 'other'),
	open_at('2026-03-02 12:00Z');
SELECT ring(1, '2026-01-31 11:00Z', callee => '+5937', direction => 'outbound'), open_at('2026-03-02 12:01Z', '2026-03-02 12:00Z');
SELECT take('new destinations');
SELECT ring(1, '2026-01-31 11:00Z', callee => '+5937', direction => 'outbound'), ring(5, '2026-03-02 11:30Z', callee => '+5937%s', direction => 'outbound'),
	ring(4, '2026-03-02 11:30Z', callee => '+5917%s', direction => 'outbound'), open_at('2026-03-02 12:00Z');

-- off hours: 08:00 to 18:00 in Berlin is 07:00 to 17:00 in winter; Saturday; a day off
SELECT take('off hours');
SELECT ring(19, '2026-03-02 06:59:40Z', direction => 'outbound'), ring(1, '2026-03-02 07:00Z', direction => 'outbound'), open_at('2026-03-02 07:01Z'),
	ring(1, '2026-03-02 06:59:59.999Z', direction => 'outbound'), open_at('2026-03-02 07:02Z');
SELECT take('off hours');
SELECT ring(20, '2026-03-02 16:59:40Z', direction => 'outbound'), open_at('2026-03-02 17:01Z'), ring(20, '2026-03-02 17:00Z', direction => 'outbound'), open_at('2026-03-02 17:02Z');
SELECT take('off hours');
SELECT ring(20, '2026-03-07 10:00Z', direction => 'outbound'), open_at('2026-03-07 10:30Z');
SELECT take('off hours');
SELECT ring(20, '2026-12-24 10:00Z', direction => 'outbound'), ring(20, '2026-12-25 10:00Z', direction => 'outbound'), open_at('2026-12-24 10:30Z', '2026-12-25 10:30Z');
-- a night belongs to the day on which it began: Friday's, from 22:00 to 06:00
INSERT INTO cdr_alert_rules (name, metric, time_window, raise_at, clear_at, active_from, active_to, active_days, lag)
VALUES ('night', 'calls', '1 hour', 1, 1, '22:00', '06:00', '{5}', '0');
SELECT at, take('night'), ring(1, at), open_at(at + '1 min') FROM unnest('{2026-03-06 21:59:59Z,2026-03-06 22:00Z,2026-03-07 05:59:59Z,
	2026-03-07 06:00Z,2026-03-07 22:00Z,2026-03-06 05:00Z}'::timestamptz[]) AS at;

-- Wangiri: a range, in vain or for 5 seconds
SELECT take('wangiri');
SELECT ring(10, '2026-03-02 11:57Z', "end" => '2 s', caller => '+2165552%s', direction => 'inbound'),
	ring(9, '2026-03-02 11:58Z', answer => '1 s', "end" => '6 s', caller => '+21655520%s', callee => '+4940%s', direction => 'inbound'),
	ring(9, '2026-03-02 11:58Z', answer => '1 s', "end" => '6.001 s', caller => '+21655520%s', callee => '+4940%s', direction => 'inbound'),
	ring(9, '2026-03-02 11:58Z', caller => '+2165552%s', callee => '+4950%s', direction => 'inbound'),
	open_at('2026-03-02 12:00Z');
SELECT take('wangiri');
SELECT ring(10, '2026-03-02 11:57Z', "end" => '2 s', caller => '+216555210%s', direction => 'inbound'),
	ring(9, '2026-03-02 11:58Z', answer => '1 s', "end" => '6 s', caller => '+216555210%s', callee => '+4940%s', direction => 'inbound'),
	ring(9, '2026-03-02 11:58Z', "end" => '6 s', caller => '+216555210%s', callee => '+4940%s', direction => 'inbound'), open_at('2026-03-02 12:00Z'),
	ring(1, '2026-03-02 11:59Z', "end" => '6 s', caller => '+216555210%s', callee => '+4960', direction => 'inbound'), open_at('2026-03-02 12:01Z');

-- scanning: 29 numbers in 29 calls are too few; 28 in 30; 29 in 30
SELECT take('scanning');
SELECT ring(29, '2026-03-02 11:57Z'), open_at('2026-03-02 12:00Z'), ring(1, '2026-03-02 11:58Z', callee => '+49301001'),
	open_at('2026-03-02 12:01Z'), ring(1, '2026-03-02 11:58Z', callee => '+49301001'), open_at('2026-03-02 12:02Z');
-- with too few, it is over
SELECT ring(29, '2026-03-02 12:02Z'), open_at('2026-03-02 12:04Z');
-- in order: 16 of 20 that have one before, and 15
SELECT take('scanning in order');
SELECT ring(17, '2026-03-02 11:57Z'), ring(4, '2026-03-02 11:58Z', callee => '+4930'), open_at('2026-03-02 12:00Z');
SELECT take('scanning in order');
SELECT ring(16, '2026-03-02 11:57Z'), ring(5, '2026-03-02 11:58Z', callee => '+4930'), open_at('2026-03-02 12:00Z');
-- steps of 10 and of 11; backwards; names
SELECT n, take('scanning in order'), (SELECT count(ring(1, '2026-03-02 11:57Z'::timestamptz + i * interval '1 s', callee => CASE n WHEN 0 THEN 'user' || i
	ELSE (4930000 + i * n)::text END)) FROM generate_series(1, 25) AS i), open_at('2026-03-02 12:00Z') FROM unnest('{10,11,-1,0}'::integer[]) AS n;

-- burst: 4 times the mean of the same minutes, by the weeks of the zone
SELECT take('burst');
SELECT count(ring(49 + 2 * (w - 1), '2026-03-02 11:56Z'::timestamptz - w * interval '7 days')) FROM generate_series(1, 4) AS w;
SELECT ring(207, '2026-03-02 11:56Z', '0.1 s'), open_at('2026-03-02 12:00Z'), ring(1, '2026-03-02 11:56Z'), open_at('2026-03-02 12:01Z');
SELECT take('burst');
SELECT ring(49, '2026-03-02 11:56Z'), open_at('2026-03-02 12:00Z'), ring(1, '2026-03-02 11:56Z'), open_at('2026-03-02 12:01Z');
-- clocks change on the 29th of March: noon in Berlin is at 10:00 after and 11:00 before
SELECT take('burst');
UPDATE cdr_alert_rules SET zone = 'Europe/Berlin' WHERE name = 'burst';
SELECT count(ring(50, '2026-03-30 12:00+02'::timestamptz - w * interval '7 days' + interval '1 hour')) FROM generate_series(1, 4) AS w;
SELECT ring(60, '2026-03-30 12:00+02'), value, sample FROM cdr_try_alert_rule('burst', '2026-03-30 12:05+02');
SELECT value, sample FROM cdr_try_alert_rule('burst', '2026-03-30 12:05+02');

-- long calls
SELECT take('long call');
SELECT ring(1, '2026-03-02 07:59:30Z', answer => '31 s'), ring(1, '2026-03-02 08:00Z', "end" => '5 hours'), ring(1, '2026-03-02 07:00Z', answer => '1 s', "end" => '4 hours'),
	open_at('2026-03-02 12:00Z'), open_at('2026-03-02 12:01Z');
SELECT call_ids FROM cdr_alerts;

-- quality: at 0.4 after the second evaluation; above 0.5 after the third
SELECT take('asr');
SELECT ring(18, '2026-03-02 11:50Z', "end" => '9 s'), ring(11, '2026-03-02 11:51Z', answer => '5 s'), ring(9, '2026-03-02 11:52Z'),
	open_at('2026-03-02 12:00Z', '2026-03-02 12:01Z');
SELECT ring(1, '2026-03-02 11:53Z', answer => '5 s'), open_at('2026-03-02 12:02Z'), open_at('2026-03-02 12:03Z');
SELECT ring(6, '2026-03-02 11:53Z', answer => '5 s'), open_at('2026-03-02 12:04Z', '2026-03-02 12:05Z', '2026-03-02 12:06Z', '2026-03-02 12:07Z');
-- too few to tell: for a day
SELECT open_at('2026-03-02 12:30Z');
DELETE FROM cdr_alert_progress;
SELECT open_at('2026-03-03 12:04Z'), open_at('2026-03-03 12:05Z');
SELECT cleared_because, cleared_at FROM cdr_alerts;
SELECT take('asr');
SELECT ring(18, '2026-03-02 11:50Z', "end" => '9 s'), ring(12, '2026-03-02 11:51Z', answer => '5 s'), open_at('2026-03-02 12:00Z', '2026-03-02 12:01Z'),
	ring(7, '2026-03-02 11:53Z', answer => '5 s'), open_at('2026-03-02 12:02Z', '2026-03-02 12:03Z'), open_at('2026-03-02 12:04Z');
-- 0.41
SELECT take('asr');
SELECT ring(59, '2026-03-02 11:50Z', "end" => '9 s'), ring(41, '2026-03-02 11:51Z', answer => '5 s'), open_at('2026-03-02 12:00Z', '2026-03-02 12:01Z');
-- a cause that does not tell is in no NER; a status tells before the name of a cause
SELECT take('ner');
SELECT ring(27, '2026-03-02 11:50Z', answer => '9 s'), ring(2, '2026-03-02 11:51Z', "end" => '5 s', cause => 'network_failure'),
	ring(1, '2026-03-02 11:52Z', "end" => '5 s', cause => 'no such cause'), open_at('2026-03-02 12:00Z', '2026-03-02 12:01Z'),
	ring(1, '2026-03-02 11:53Z', "end" => '5 s', cause => 'user_busy', sip => 503), open_at('2026-03-02 12:02Z', '2026-03-02 12:03Z');
SELECT take('ner');
SELECT ring(28, '2026-03-02 11:50Z', answer => '9 s'), ring(3, '2026-03-02 11:51Z', "end" => '5 s', cause => 'network_failure'),
	open_at('2026-03-02 12:00Z', '2026-03-02 12:01Z');
SELECT take('acd');
SELECT ring(30, '2026-03-02 11:50Z', answer => '1 s', "end" => '21 s'), ring(30, '2026-03-02 11:50Z', answer => '1 s'), ring(30, '2026-03-02 11:50Z', "end" => '1 s'),
	open_at('2026-03-02 12:00Z', '2026-03-02 12:01Z');
SELECT take('acd');
SELECT ring(29, '2026-03-02 11:50Z', answer => '1 s', "end" => '21 s'), ring(1, '2026-03-02 11:50Z', answer => '1 s', "end" => '21.1 s'),
	open_at('2026-03-02 12:00Z', '2026-03-02 12:01Z');
SELECT take('short calls');
SELECT ring(8, '2026-03-02 11:50Z', answer => '1 s', "end" => '16 s'), ring(22, '2026-03-02 11:50Z', answer => '1 s', "end" => '16.001 s'),
	ring(1, '2026-03-02 11:50Z', "end" => '1 s'), open_at('2026-03-02 12:00Z', '2026-03-02 12:01Z'),
	ring(1, '2026-03-02 11:50Z', answer => '1 s', "end" => '16 s'), open_at('2026-03-02 12:02Z', '2026-03-02 12:03Z'),
	ring(1, '2026-03-02 11:50Z', answer => '1 s', "end" => '16 s'), open_at('2026-03-02 12:04Z', '2026-03-02 12:05Z');
SELECT take('congestion');
SELECT ring(24, '2026-03-02 11:50Z', "end" => '16 s', cause => 'normal_clearing'), ring(3, '2026-03-02 11:50Z', "end" => '16 s', cause => 'Normal Circuit Congestion'),
	ring(2, '2026-03-02 11:50Z', "end" => '16 s', sip => 503), ring(9, '2026-03-02 11:50Z', cause => 'normal_circuit_congestion'),
	open_at('2026-03-02 12:00Z', '2026-03-02 12:01Z'),
	ring(1, '2026-03-02 11:50Z', "end" => '16 s', sip => 503), open_at('2026-03-02 12:02Z', '2026-03-02 12:03Z');

-- a route: 9 and 10 in a row, whatever was before, and of whatever rings; an answer clears
SELECT take('route down');
SELECT ring(20, '2026-03-02 11:40Z', "end" => '5 s', trunk => 'east'), ring(1, '2026-03-02 11:45Z', answer => '5 s', trunk => 'east'),
	ring(9, '2026-03-02 11:50Z', "end" => '5 s', trunk => 'east'), ring(5, '2026-03-02 11:52Z', trunk => 'east'),
	ring(50, '2026-03-02 11:50Z', "end" => '5 s'), open_at('2026-03-02 12:00Z'),
	ring(1, '2026-03-02 11:51Z', "end" => '5 s', trunk => 'east'), open_at('2026-03-02 12:01Z'),
	ring(1, '2026-03-02 12:01Z', answer => '5 s', trunk => 'east'), open_at('2026-03-02 12:02Z');

-- silence: where in each week there were 20; with 19 in one, that says nothing
SELECT take('silence');
SELECT count(ring(CASE w WHEN 3 THEN 19 ELSE 30 END, '2026-03-02 11:50Z'::timestamptz - w * interval '7 days')) FROM generate_series(1, 4) AS w;
SELECT open_at('2026-03-02 12:00Z'), ring(1, '2026-02-09 11:50Z'), open_at('2026-03-02 12:01Z'), ring(1, '2026-03-02 12:01Z'), open_at('2026-03-02 12:02Z');
-- who does not know whether more is to come, says nothing, and looks at that time later
SELECT take('silence');
SELECT count(ring(30, '2026-03-02 11:50Z'::timestamptz - w * interval '7 days')) FROM generate_series(1, 4) AS w;
SELECT cdr_check_alerts('2026-03-02 12:00Z'), cdr_check_alerts('2026-03-02 12:01Z', false), (SELECT count(*) FROM cdr_alerts), open_at('2026-03-02 12:01Z');

-- a day like any other: all rules, nothing
SELECT take(VARIADIC ARRAY(SELECT name FROM cdr_alert_rules ORDER BY name COLLATE "C"));
SELECT count(ring(40, at, '1 min', '6 s', '3 min', caller => '+1212555%s', callee => '+4930' || i, direction => 'inbound', "user" => 'u', trunk => 'east', cause => 'normal_clearing'))
FROM generate_series(0, 4) AS w, LATERAL (SELECT '2026-03-02 11:20Z'::timestamptz - w * interval '7 days' AS at) AS week, generate_series(1, 3) AS i;
SELECT open_at('2026-03-02 12:00Z', '2026-03-02 12:01Z');

-- ---------------------------------------------------------------------------
-- Once
-- ---------------------------------------------------------------------------

-- what flaps between the thresholds raises once; below the lower one, it is another alert,
-- but not while it sleeps
INSERT INTO cdr_alert_rules (name, metric, time_window, raise_at, clear_at, raise_after, clear_after, lag) VALUES ('flap', 'calls', '1 min', 10, 5, 2, 2, '0');
SELECT take('flap');
SELECT count(ring(n, '2026-03-02 12:00Z'::timestamptz + i * interval '1 min')) FROM unnest('{10,9,10,10,5,10,4,5,4,10,4,4,10,10}'::integer[]) WITH ORDINALITY AS calls(n, i);
SELECT i, open_at('2026-03-02 12:01Z'::timestamptz + i * interval '1 min') FROM generate_series(1, 14) AS i;
SELECT raised_at, cleared_at, cleared_because, first_value, worst_value, last_value FROM cdr_alerts ORDER BY id;
UPDATE cdr_alert_rules SET sleep = '3 min' WHERE name = 'flap';
DELETE FROM cdr_alerts;
DELETE FROM cdr_alert_progress;
SELECT open_at('2026-03-02 12:02Z', '2026-03-02 12:30Z');
SELECT raised_at, cleared_at FROM cdr_alerts ORDER BY id;
UPDATE cdr_alert_rules SET sleep = '2 min' WHERE name = 'flap';
DELETE FROM cdr_alerts;
DELETE FROM cdr_alert_progress;
SELECT open_at('2026-03-02 12:02Z', '2026-03-02 12:30Z');
SELECT raised_at, cleared_at FROM cdr_alerts ORDER BY id;
-- to look again, and at a time before, changes nothing; nor do several rules in one time
CREATE TEMP TABLE before AS SELECT a::text FROM cdr_alerts AS a;
SELECT cdr_check_alerts('2026-03-02 12:30Z'), cdr_check_alerts('2026-03-02 12:10Z'), cdr_check_alerts('2026-03-02 12:30:59Z');
(SELECT * FROM before EXCEPT SELECT a::text FROM cdr_alerts AS a) UNION ALL (SELECT a::text FROM cdr_alerts AS a EXCEPT SELECT * FROM before);
-- a second open alert of the same subject cannot be
\set VERBOSITY default
INSERT INTO cdr_alerts (rule, subject, level, metric, scope, threshold, time_window, raised_at, first_value, worst_value, last_value, last_at, late)
SELECT 'flap', 's', 'warning', 'calls', 'all', 1, '1 min', now(), 1, 1, 1, now(), false FROM generate_series(1, 2);
\set VERBOSITY terse

-- an outage: each time that was missed is looked at, 60 in a transaction, a day back; what
-- is found then is late
SELECT take('flap');
UPDATE cdr_alert_rules SET raise_after = 1, clear_after = 1, sleep = '0' WHERE name = 'flap';
SELECT ring(10, '2026-03-02 12:30Z'), ring(10, '2026-03-02 13:30Z'), open_at('2026-03-02 12:00Z');
SELECT is_behind FROM cdr_evaluate_alert_rule('flap', '2026-03-02 14:00Z', false);
SELECT evaluated_at BETWEEN '2026-03-02 12:01Z' AND '2026-03-02 13:00Z' AS "60 at most" FROM cdr_alert_progress;
SELECT open_at('2026-03-02 14:00Z');
SELECT raised_at, cleared_at, late FROM cdr_alerts ORDER BY id;
SELECT is_behind FROM cdr_evaluate_alert_rule('flap', '2026-03-05 14:00Z', false);
SELECT evaluated_at BETWEEN '2026-03-04 14:01Z' AND '2026-03-04 15:00Z' AS "a day back" FROM cdr_alert_progress;
-- more than 10 minutes after it could have been found: the minute of the grid apart
CREATE FUNCTION is_late(minutes integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := date_trunc('minute', now()) - minutes * interval '1 min';
BEGIN
	PERFORM take('flap'), ring(10, at - interval '30 s', '0');
	PERFORM cdr_check_alerts(at);
	RETURN (SELECT late FROM cdr_alerts);
END
$$;
SELECT is_late(10), is_late(12);

-- subjects without an end: the 100 worst
INSERT INTO cdr_alert_rules (name, metric, scope, time_window, raise_at, clear_at, lag) VALUES ('crowd', 'calls', 'user', '1 min', 1, 1, '0');
SELECT take('crowd');
SELECT count(ring(1 + (i = 77)::integer, '2026-03-02 12:00Z', "user" => 'user ' || i)) FROM generate_series(1, 150) AS i;
SELECT cdr_check_alerts('2026-03-02 12:01Z');
SELECT count(*), count(DISTINCT subject), bool_or(subject = 'user 77' AND last_value = 2) FROM cdr_alerts;
SELECT exceeding, left_out FROM cdr_alert_progress;

-- a rule that is disabled, or gone
UPDATE cdr_alert_rules SET enabled = false WHERE name = 'crowd';
SELECT cdr_check_alerts('2026-03-02 12:02Z');
SELECT count(*) FROM cdr_alerts WHERE cleared_because = 'rule' AND cleared_at >= raised_at;
SELECT count(*) FROM cdr_alert_progress;
-- without workers, and with no call in a day, there is no clock; else it is that of the calls
SELECT take('flap'), cdr_check_alerts();
SELECT ring(1, now() - interval '20 min'), cdr_last_event_time() = now() - interval '20 min' AS "as calls say", cdr_check_alerts();
SELECT evaluated_at BETWEEN now() - interval '23 min' AND now() - interval '20 min' AS "up to that" FROM cdr_alert_progress;
SELECT cdr_check_alerts(is_complete => true);
SELECT evaluated_at > now() - interval '3 min' AS "up to now" FROM cdr_alert_progress;
SELECT cdr_check_alerts('infinity');
-- an event of the future is no clock
UPDATE calls SET last_event_time = '2099-01-01';
SELECT cdr_last_event_time() <= now() AS "not beyond now";
SELECT * FROM cdr_try_alert_rule('no such rule');
SELECT take('flap'), ring(25, '2026-03-02 12:00Z', '0');
SELECT count(*), min(call_id), max(call_id) FROM cdr_try_alert_rule('flap', '2026-03-02 12:01Z', '');

-- ---------------------------------------------------------------------------
-- Rules that cannot be
-- ---------------------------------------------------------------------------

CREATE FUNCTION refused(rule jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO cdr_alert_rules SELECT (jsonb_populate_record(NULL::cdr_alert_rules, '{"name": "r", "enabled": true, "level": "warning", "metric": "calls",
		"scope": "all", "time_window": "5 min", "raise_at": 5, "clear_at": 5, "raise_after": 1, "clear_after": 1, "min_sample": 1, "zone": "UTC",
		"outside": false, "every": "1 min", "lag": "30 s", "sleep": "0"}' || rule)).*;
	DELETE FROM cdr_alert_rules WHERE name = 'r';
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
SELECT rule, refused(rule::jsonb) FROM unnest(ARRAY['{}', '{"metric": "cost"}', '{"metric": null}', '{"scope": "callee"}', '{"level": "fatal"}', '{"direction": "sideways"}',
	'{"time_window": "0"}', '{"time_window": "-1 min"}', '{"time_window": "31 days"}', '{"time_window": "32 days"}', '{"time_window": null}',
	'{"metric": "burst", "weeks": 8, "time_window": "7 days"}', '{"metric": "burst", "weeks": 4, "time_window": "8 days"}', '{"metric": "burst"}', '{"metric": "silence", "weeks": 9}', '{"weeks": 4}',
	'{"raise_at": "NaN"}', '{"clear_at": "-Infinity"}', '{"raise_at": null}', '{"clear_at": 6}', '{"clear_at": 0}', '{"metric": "asr", "raise_at": 0.5, "clear_at": 0.4}',
	'{"metric": "asr", "raise_at": 0.5, "clear_at": 0.5}', '{"metric": "asr", "raise_at": 40, "clear_at": 50}', '{"metric": "short_ratio", "raise_at": 1, "clear_at": 1}',
	'{"metric": "ner", "raise_at": 0, "clear_at": 1.1}', '{"raise_at": 1234567890123456789012345678901}',
	'{"raise_after": 0}', '{"clear_after": 101}', '{"min_sample": 0}', '{"prefixes": []}', '{"prefixes": [null]}', '{"prefixes": ["+"]}', '{"prefixes": ["+88%"]}', '{"prefixes": ["+4930", "0049"]}',
	'{"causes": ["x"]}', '{"metric": "cause_share"}', '{"metric": "cause_share", "causes": []}', '{"metric": "cause_share", "causes": [null]}', '{"metric": "cause_share", "causes": ["503"], "raise_at": 0.5, "clear_at": 0.5}',
	'{"metric": "new_destinations"}', '{"baseline": "1 day"}', '{"metric": "new_destinations", "baseline": "367 days"}', '{"active_from": "08:00"}', '{"active_days": [0]}', '{"active_days": [8]}', '{"active_days": []}',
	'{"days_off": [null]}', '{"outside": true}', '{"outside": true, "active_days": [6, 7]}', '{"every": "9 s"}', '{"every": "1 month"}', '{"every": "1 day"}', '{"lag": "-1 s"}', '{"sleep": "32 days"}',
	'{"time_window": "1 month -29 days"}', '{"time_window": "1 day -1 hour"}', '{"lag": "2 hours -1 day"}', '{"sleep": "1 day -1 us"}', '{"every": "2 min -1 s"}',
	'{"zone": "Europe/Atlantis"}', '{"name": ""}', '{"name": "0123456789012345678901234567890123456789012345678901234567890123"}']) AS rule;
-- nor become so
UPDATE cdr_alert_rules SET clear_at = 1000 WHERE name = 'flap';

-- null is no time, and no rule
SELECT * FROM cdr_try_alert_rule('flap', NULL);
SELECT cdr_alert_query(NULL);

-- ---------------------------------------------------------------------------
-- Other clocks
-- ---------------------------------------------------------------------------

-- A day has 24 hours, whatever zone the session is in: clocks of Berlin go on on 2026-03-29
-- at 01:00Z.  Each time of the grid is evaluated once, and no other.
INSERT INTO cdr_alert_rules (name, metric, scope, time_window, raise_at, clear_at, raise_after, every, lag)
VALUES ('daily', 'calls', 'all', '1 day', 1, 1, 5, '1 day', '0');
CREATE FUNCTION daily() RETURNS TABLE (zone text, times integer, last_at timestamptz, raised text, "window" numeric) LANGUAGE plpgsql AS $$
BEGIN
	FOR zone IN SELECT unnest('{UTC,Europe/Berlin,America/New_York}'::text[]) LOOP
		PERFORM set_config('TimeZone', zone, true);
		PERFORM take('daily');
		PERFORM ring(5, '2026-03-26 12:00Z', '24 hours');
		FOR d IN 27 .. 31 LOOP
			PERFORM cdr_check_alerts(format('2026-03-%s 00:30Z', d)::timestamptz, true);
			CONTINUE WHEN d < 30;
			SELECT p.times, p.last_at INTO times, last_at FROM cdr_alert_pending AS p;
			raised := (SELECT string_agg(extract(epoch FROM a.raised_at - '2026-03-27 00:00Z') / 3600 || ' h', ', ') FROM cdr_alerts AS a);
			RETURN NEXT;
		END LOOP;
	END LOOP;
	PERFORM set_config('TimeZone', 'Europe/Berlin', true);
	zone := 'Europe/Berlin'; times := NULL; last_at := NULL; raised := NULL;
	SELECT t.value INTO "window" FROM cdr_try_alert_rule('daily', '2026-03-29 12:00Z') AS t;
	RETURN NEXT;
	SELECT t.value INTO "window" FROM cdr_try_alert_rule('daily', '2026-03-29 11:59:59Z') AS t;
	RETURN NEXT;
	PERFORM set_config('TimeZone', 'UTC', true);
END
$$;
SELECT zone, times, to_char(last_at, 'DD HH24:MI') AS last_at, raised, "window" FROM daily();
DELETE FROM cdr_alert_rules WHERE name = 'daily';

-- A clock that was ten years ahead, and is set right again: rules go on, an alert of then is
-- no sleep, and what cannot be measured is not held until then.
INSERT INTO cdr_alert_rules (name, metric, time_window, raise_at, clear_at, sleep, lag) VALUES ('ahead', 'calls', '2 min', 10, 5, '1 min', '0');
SELECT take('ahead'), ring(10, now() + interval '10 years' - interval '1 min', '0'), open_at(now() + interval '10 years') AS then,
	open_at(now() + interval '10 years 1 hour') AS later;
SELECT ring(10, date_trunc('minute', now()) - interval '1 min', '0'), open_at(now()) AS now;
SELECT count(*) FILTER (WHERE evaluated_at <= now()) AS set_right, count(*) FILTER (WHERE evaluated_at > now()) AS ahead FROM cdr_alert_progress;
DELETE FROM cdr_alert_rules WHERE name = 'ahead';
UPDATE cdr_alert_rules SET every = '1 hour' WHERE name = 'asr';
SELECT take('asr'), open_at(now() - interval '28 hours');
INSERT INTO cdr_alerts (rule, subject, level, metric, scope, threshold, time_window, raised_at, first_value, worst_value, last_value, last_at, late)
VALUES ('asr', '', 'warning', 'asr', 'all', 0.4, '15 min', now() + interval '10 years', 0, 0, 0, now() + interval '10 years', false);
SELECT open_at(now() - interval '26 hours') AS held, open_at(now() - interval '1 hour') AS cleared;
SELECT cleared_because FROM cdr_alerts;

-- ---------------------------------------------------------------------------
-- Whether all is well
-- ---------------------------------------------------------------------------

-- No subject is told to who monitors: only that rules are not evaluated, or find too many.
CREATE VIEW well AS SELECT level, regexp_replace(detail, '2[0-9]{3}-[-0-9 :]*', '... ') AS detail FROM cdr_health WHERE "check" = 'alerts';
CREATE ROLE regress_cdr_monitor IN ROLE pg_monitor;
GRANT SELECT ON well TO regress_cdr_monitor;
SELECT take('no such');
TABLE well;
SELECT take('flap', 'crowd');
TABLE well;
SELECT ring(1, now(), '0'), open_at(now()), (SELECT level || ': ' || detail FROM well) AS well;
UPDATE cdr_alert_progress SET evaluated_at = evaluated_at - interval '15 min' WHERE rule = 'crowd';
TABLE well;
UPDATE cdr_alert_progress SET evaluated_at = evaluated_at + interval '15 min', left_out = 7 WHERE rule = 'crowd';
INSERT INTO cdr_alerts (rule, subject, level, metric, scope, threshold, time_window, raised_at, first_value, worst_value, last_value, last_at, late)
SELECT 'flap', s, s, 'calls', 'all', 1, '1 min', now(), 1, 1, 1, now(), false FROM unnest('{warning,critical}'::text[]) AS s;
TABLE well;
UPDATE cdr_alert_progress SET left_out = 0;
SET ROLE regress_cdr_monitor;
TABLE well;
RESET ROLE;
-- where they are locked or gone, it says so
ALTER TABLE cdr_alerts RENAME TO elsewhere;
TABLE well;
ALTER TABLE elsewhere RENAME TO cdr_alerts;
DROP VIEW well;
DROP ROLE regress_cdr_monitor;

-- ---------------------------------------------------------------------------
-- Rights
-- ---------------------------------------------------------------------------

CREATE ROLE regress_cdr_nobody;
SET ROLE regress_cdr_nobody;
SELECT cdr_check_alerts();
SELECT cdr_evaluate_alert_rules(now(), true);
SELECT * FROM cdr_try_alert_rule('flap');
TABLE cdr_alert_rules;
TABLE cdr_alerts;
TABLE cdr_alert_progress;
TABLE cdr_alert_pending;
RESET ROLE;
-- who may write rules alone can neither read calls nor run anything: what a rule says is data
CREATE ROLE regress_cdr_ruler;
GRANT SELECT, INSERT, UPDATE, DELETE ON cdr_alert_rules TO regress_cdr_ruler;
SET ROLE regress_cdr_ruler;
INSERT INTO cdr_alert_rules (name, metric, scope, time_window, raise_at, clear_at, tenant_id, trunk, causes, note)
SELECT format('''); DROP TABLE calls; -- %s $query$ %%s %%1$s', metric), metric, 'user', '1 min', 1, 1, text, text, CASE metric WHEN 'cause_share' THEN ARRAY[text] END, text
FROM unnest('{calls,cause_share}'::text[]) AS metric, (VALUES (''' OR true) -- $1 $query$ %s %1$s \')) AS t(text);
INSERT INTO cdr_alert_rules (name, metric, time_window, raise_at, clear_at, zone, active_days)
VALUES ('zone', 'calls', '1 min', 1, 1, 'UTC'' || current_user || ''', '{1}');
SELECT * FROM cdr_try_alert_rule('flap');
RESET ROLE;
SELECT count(*), count(cdr_alert_query(r)) FROM cdr_alert_rules AS r WHERE note IS NOT NULL;
SELECT count(*) FROM (SELECT take(VARIADIC ARRAY(SELECT name FROM cdr_alert_rules WHERE note IS NOT NULL))) AS t;
SELECT ring(1, '2026-03-02 12:00Z', "user" => 'u', "end" => '1 s', tenant => note, trunk => note, cause => note), open_at('2026-03-02 12:02Z')
FROM cdr_alert_rules WHERE note IS NOT NULL LIMIT 1;
-- what hangs on the table of alerts runs as the role that writes calls, whoever asks
CREATE FUNCTION who() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.tenant_id := current_user || ', superuser: ' || (SELECT rolsuper FROM pg_roles WHERE rolname = current_user);
	RETURN NEW;
END
$$;
CREATE TRIGGER who BEFORE INSERT ON cdr_alerts FOR EACH ROW EXECUTE FUNCTION who();
SELECT take('flap'), ring(10, '2026-03-02 12:00Z', '0'), cdr_check_alerts('2026-03-02 12:01Z'), current_user = session_user AS "itself again";
SELECT tenant_id FROM cdr_alerts;
DROP TRIGGER who ON cdr_alerts;
-- the longest texts fit into a notification
SELECT cdr_tell_alert(jsonb_populate_record(NULL::cdr_alerts, jsonb_build_object('id', 9223372036854775807, 'rule', repeat(E'\x01', 63),
	'level', 'critical', 'metric', 'new_destinations', 'scope', 'user', 'tenant_id', repeat(E'\x01', 1000), 'subject', repeat(E'\x01', 255),
	'last_value', repeat('9', 1000)::numeric, 'threshold', repeat('9', 30)::numeric, 'time_window', '31 days', 'raised_at', now(), 'late', true)));
-- a rule that fails keeps no other from being evaluated
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken'; END $$;
CREATE TRIGGER fail BEFORE INSERT ON cdr_alerts FOR EACH ROW WHEN (NEW.rule = 'crowd') EXECUTE FUNCTION fail();
SELECT take('crowd', 'flap'), ring(10, '2026-03-02 12:00Z', '0', "user" => 'u');
SELECT cdr_check_alerts('2026-03-02 12:01Z');
SELECT rule FROM cdr_alerts;
-- renamed, all is found
ALTER SCHEMA public RENAME TO elsewhere;
SELECT elsewhere.cdr_check_alerts('2026-03-02 12:03Z');
ALTER SCHEMA elsewhere RENAME TO public;

DROP OWNED BY regress_cdr_ruler, regress_cdr_nobody;
DROP ROLE regress_cdr_ruler, regress_cdr_nobody;
DROP EXTENSION cdr_service CASCADE;
SET cdr_service.allow_drop = on;
DROP TABLE calls, call_events, dead_letters, timeless_events;
RESET cdr_service.allow_drop;
DROP FUNCTION ring, take, open_at, daily, is_late, refused, who, fail;
