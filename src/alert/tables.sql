-- ---------------------------------------------------------------------------
-- Alerts: rules, and what they found
-- ---------------------------------------------------------------------------

-- Members, as mappings are: a dump has their rows.  A rule is data: each column
-- is a value that is compared, and none becomes a part of a statement.
CREATE TABLE @extschema@.cdr_alert_rules (
	name text COLLATE pg_catalog."C" PRIMARY KEY
		CHECK (pg_catalog.octet_length(name) OPERATOR(pg_catalog.>=) 1
			   AND pg_catalog.octet_length(name) OPERATOR(pg_catalog.<=) 63),
	enabled boolean NOT NULL DEFAULT true,
	level text NOT NULL DEFAULT 'warning'
		CHECK (level OPERATOR(pg_catalog.=) ANY ('{warning,critical}'::pg_catalog.text[])),
	metric text NOT NULL,
	scope text NOT NULL DEFAULT 'all'
		CHECK (scope OPERATOR(pg_catalog.=) ANY
			   ('{all,tenant,user,trunk,destination,caller,caller_range}'::pg_catalog.text[])),
	time_window interval NOT NULL,
	raise_at numeric NOT NULL,
	clear_at numeric NOT NULL,
	raise_after integer NOT NULL DEFAULT 1,
	clear_after integer NOT NULL DEFAULT 1,
	min_sample integer NOT NULL DEFAULT 1,
	tenant_id text,
	direction text
		CHECK (direction OPERATOR(pg_catalog.=) ANY ('{inbound,outbound,internal}'::pg_catalog.text[])),
	trunk text,
	prefixes text[],
	causes text[],
	weeks integer,
	baseline interval,
	zone text NOT NULL DEFAULT 'UTC',
	active_from time,
	active_to time,
	active_days integer[],
	days_off date[],
	outside boolean NOT NULL DEFAULT false,
	every interval NOT NULL DEFAULT '1 min',
	lag interval NOT NULL DEFAULT '30 s',
	sleep interval NOT NULL DEFAULT '0',
	note text);

COMMENT ON TABLE @extschema@.cdr_alert_rules IS
'when an alert is raised, and when it is cleared';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.name IS
'what the rule is called';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.enabled IS
'is it looked at? If not, its alerts are cleared';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.level IS
'of its alerts: warning or critical';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.metric IS
'what is measured';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.scope IS
'for each of what it is measured: a subject is one tenant, one user';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.time_window IS
'of which calls: those attempted in so long a time before the evaluation';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.raise_at IS
'an alert is raised at this value, or a worse one';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.clear_at IS
'it is cleared at a better value than this';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.raise_after IS
'after so many such evaluations in a row';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.clear_after IS
'likewise';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.min_sample IS
'with fewer calls than this the value says nothing';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.tenant_id IS
'calls of this tenant only';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.direction IS
'calls of this direction only';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.trunk IS
'calls of this trunk only';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.prefixes IS
'calls to numbers that begin so only';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.causes IS
'of cause_share: the hangup causes, or SIP statuses';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.weeks IS
'of burst and silence: with how many past weeks the time is compared';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.baseline IS
'of new_destinations: in how long a time before a destination was never called';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.zone IS
'of hours, days and weeks';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.active_from IS
'calls attempted from this hour of the day on only';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.active_to IS
'and before this one, which may be of the next day';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.active_days IS
'on these days of the week only: 1 is Monday';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.days_off IS
'not on these days';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.outside IS
'calls outside of these hours and days, instead of within';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.every IS
'how often it is evaluated';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.lag IS
'how late events may come';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.sleep IS
'how long after an alert was cleared none is raised of the same subject';
COMMENT ON COLUMN @extschema@.cdr_alert_rules.note IS
'what is to be done, for people';

CREATE SEQUENCE @extschema@.cdr_alerts_id_seq;

COMMENT ON SEQUENCE @extschema@.cdr_alerts_id_seq IS
'ids of alerts';

CREATE TABLE @extschema@.cdr_alerts (
	id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('@extschema@.cdr_alerts_id_seq'),
	rule text COLLATE pg_catalog."C" NOT NULL,
	subject text COLLATE pg_catalog."C" NOT NULL,
	tenant_id text,
	level text NOT NULL,
	metric text NOT NULL,
	scope text NOT NULL,
	threshold numeric NOT NULL,
	time_window interval NOT NULL,
	raised_at timestamptz NOT NULL,
	noticed_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	cleared_at timestamptz,
	cleared_because text
		CHECK (cleared_because OPERATOR(pg_catalog.=) ANY ('{value,no data,rule}'::pg_catalog.text[])),
	first_value numeric NOT NULL,
	worst_value numeric NOT NULL,
	last_value numeric NOT NULL,
	last_at timestamptz NOT NULL,
	better integer NOT NULL DEFAULT 0,
	call_ids text[] NOT NULL DEFAULT '{}',
	late boolean NOT NULL);

ALTER SEQUENCE @extschema@.cdr_alerts_id_seq OWNED BY @extschema@.cdr_alerts.id;
CREATE UNIQUE INDEX cdr_alerts_open_idx ON @extschema@.cdr_alerts (rule, subject)
	WHERE cleared_at IS NULL;
CREATE INDEX cdr_alerts_subject_idx ON @extschema@.cdr_alerts (rule, subject, raised_at);

COMMENT ON TABLE @extschema@.cdr_alerts IS
'alerts, open and cleared: of each rule and subject, one that is open';
COMMENT ON COLUMN @extschema@.cdr_alerts.id IS
'number of the alert';
COMMENT ON COLUMN @extschema@.cdr_alerts.rule IS
'name of the rule, in cdr_alert_rules';
COMMENT ON COLUMN @extschema@.cdr_alerts.level IS
'warning or critical, as of the rule then';
COMMENT ON COLUMN @extschema@.cdr_alerts.metric IS
'what was measured, as of the rule then';
COMMENT ON COLUMN @extschema@.cdr_alerts.scope IS
'by what it was measured, as of the rule then';
COMMENT ON COLUMN @extschema@.cdr_alerts.time_window IS
'the stretch of time that was measured, as of the rule then';
COMMENT ON COLUMN @extschema@.cdr_alerts.first_value IS
'the metric when it was raised, in its unit';
COMMENT ON COLUMN @extschema@.cdr_alerts.worst_value IS
'the worst since then';
COMMENT ON COLUMN @extschema@.cdr_alerts.last_value IS
'the latest';
COMMENT ON COLUMN @extschema@.cdr_alerts.subject IS
'the tenant, user, trunk, destination or caller; empty where the scope is all';
COMMENT ON COLUMN @extschema@.cdr_alerts.tenant_id IS
'the tenant, if all calls that were measured are of one';
COMMENT ON COLUMN @extschema@.cdr_alerts.threshold IS
'raise_at of the rule';
COMMENT ON COLUMN @extschema@.cdr_alerts.raised_at IS
'the time of events at which it was raised';
COMMENT ON COLUMN @extschema@.cdr_alerts.noticed_at IS
'when that was found out';
COMMENT ON COLUMN @extschema@.cdr_alerts.cleared_at IS
'the time of events at which it was cleared; NULL: it is open';
COMMENT ON COLUMN @extschema@.cdr_alerts.cleared_because IS
'value: it was good again; no data: for a day there were too few calls to tell; rule: that is gone, or disabled';
COMMENT ON COLUMN @extschema@.cdr_alerts.last_at IS
'when last_value was measured';
COMMENT ON COLUMN @extschema@.cdr_alerts.better IS
'for how many evaluations in a row it could have been cleared';
COMMENT ON COLUMN @extschema@.cdr_alerts.call_ids IS
'up to 20 of the calls, the latest first';
COMMENT ON COLUMN @extschema@.cdr_alerts.late IS
'was it found out long after it happened, as after an outage?';

SELECT pg_catalog.pg_extension_config_dump('@extschema@.cdr_alert_rules', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.cdr_alerts', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.cdr_alerts_id_seq', '');

-- What evaluations remember.  Not dumped: a restored database begins anew.
CREATE TABLE @extschema@.cdr_alert_progress (
	rule text COLLATE pg_catalog."C" PRIMARY KEY,
	evaluated_at timestamptz NOT NULL,
	exceeding bigint NOT NULL,
	left_out bigint NOT NULL);

COMMENT ON TABLE @extschema@.cdr_alert_progress IS
'up to which time of events each rule was evaluated';
COMMENT ON COLUMN @extschema@.cdr_alert_progress.rule IS
'name of the rule, in cdr_alert_rules';
COMMENT ON COLUMN @extschema@.cdr_alert_progress.evaluated_at IS
'up to which time of events it was evaluated';
COMMENT ON COLUMN @extschema@.cdr_alert_progress.exceeding IS
'subjects at or beyond raise_at then';
COMMENT ON COLUMN @extschema@.cdr_alert_progress.left_out IS
'of these, those beyond the 100 worst, of which no alert is raised';

CREATE TABLE @extschema@.cdr_alert_pending (
	rule text COLLATE pg_catalog."C" NOT NULL,
	subject text COLLATE pg_catalog."C" NOT NULL,
	times integer NOT NULL,
	last_at timestamptz NOT NULL,
	PRIMARY KEY (rule, subject));

COMMENT ON TABLE @extschema@.cdr_alert_pending IS
'subjects at or beyond raise_at, and for how many evaluations in a row';
COMMENT ON COLUMN @extschema@.cdr_alert_pending.rule IS
'name of the rule, in cdr_alert_rules';
COMMENT ON COLUMN @extschema@.cdr_alert_pending.subject IS
'what it is about, as in cdr_alerts';
COMMENT ON COLUMN @extschema@.cdr_alert_pending.times IS
'evaluations in a row at or beyond raise_at, from 1';
COMMENT ON COLUMN @extschema@.cdr_alert_pending.last_at IS
'the latest of them';

-- whatever default privileges there are
REVOKE ALL ON @extschema@.cdr_alert_rules, @extschema@.cdr_alerts, @extschema@.cdr_alerts_id_seq,
	@extschema@.cdr_alert_progress, @extschema@.cdr_alert_pending FROM PUBLIC;

-- ---------------------------------------------------------------------------
-- What a rule may be
-- ---------------------------------------------------------------------------

-- Each metric, with the direction in which it gets worse; whether an alert is held
-- while there are too few calls to tell; whether it waits until no events are to come
-- any more.
CREATE FUNCTION @extschema@.cdr_alert_metrics(
	OUT metric text,
	OUT below boolean,
	OUT holds boolean,
	OUT waits boolean,
	OUT meaning text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
	VALUES
	('calls', false, false, false, 'calls attempted'),
	('minutes', false, false, false, 'minutes talked, of calls that are up until now'),
	('concurrent', false, false, false, 'calls that are up'),
	('new_destinations', false, false, false, 'calls to destinations that were never called before'),
	('wangiri', false, false, false, 'numbers whose phones rang in vain, or for a talk of at most 5 seconds'),
	('distinct_ratio', false, false, false, 'numbers called, by calls'),
	('ascending_ratio', false, false, false, 'share of the calls to a number 1 to 10 above the one before'),
	('burst', false, false, false, 'calls, by their mean at the same time of past weeks'),
	('long_call', false, false, false, 'minutes for which the longest call has been up'),
	('asr', true, true, true, 'answer-seizure ratio'),
	('ner', true, true, true, 'network effectiveness ratio'),
	('acd', true, true, true, 'seconds that calls were talked on average'),
	('short_ratio', false, true, true, 'share of the talks of at most 15 seconds'),
	('cause_share', false, true, true, 'share of the calls that ended by one of the causes'),
	('route_down', false, true, true, 'latest calls in a row that nobody answered'),
	('silence', true, true, true, 'calls, by their mean at the same time of past weeks')
$function$;

COMMENT ON FUNCTION @extschema@.cdr_alert_metrics() IS
'what alert rules can measure, and whether less is worse';

CREATE FUNCTION @extschema@.cdr_change_alert_rule()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	known record;
	wrong text;
	why text;
BEGIN
	EXECUTE format('SELECT * FROM %s.cdr_alert_metrics() WHERE metric = $1', extension)
		INTO known USING NEW.metric;
	IF known.metric IS NULL THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('unrecognized metric: %L', NEW.metric),
			HINT = 'cdr_alert_metrics() lists those that there are.';
	END IF;
	SELECT c.name, c.problem INTO wrong, why FROM (VALUES
		(0, 'level', NEW.level NOT IN ('warning', 'critical'), 'must be warning or critical'),
		(0, 'scope', NEW.scope NOT IN ('all', 'tenant', 'user', 'trunk', 'destination', 'caller', 'caller_range'),
			'must be all, tenant, user, trunk, destination, caller or caller_range'),
		(0, 'direction', NEW.direction NOT IN ('inbound', 'outbound', 'internal'),
			'must be inbound, outbound or internal'),
		(1, 'time_window', NEW.time_window NOT BETWEEN interval '1 s' AND interval '31 days',
			'must be between 1 second and 31 days'),
		(2, 'time_window', NEW.time_window > interval '7 days' AND NEW.metric IN ('burst', 'silence'),
			'must be at most 7 days for a metric that compares weeks'),
		(3, 'raise_at', NEW.raise_at::text !~ '^[-.0-9]{1,30}$',
			'must be a number of at most 30 characters'),
		(4, 'clear_at', NEW.clear_at::text !~ '^[-.0-9]{1,30}$',
			'must be a number of at most 30 characters'),
		(5, 'clear_at', known.below AND NEW.clear_at < NEW.raise_at,
			'must not be less than raise_at for a metric of which less is worse'),
		(6, 'clear_at', NOT known.below AND NEW.clear_at > NEW.raise_at,
			'must not be greater than raise_at for a metric of which more is worse'),
		(7, 'clear_at', NOT known.below AND NEW.clear_at <= 0, 'must be greater than 0'),
		(8, 'raise_after', NEW.raise_after NOT BETWEEN 1 AND 100, 'must be between 1 and 100'),
		(9, 'clear_after', NEW.clear_after NOT BETWEEN 1 AND 100, 'must be between 1 and 100'),
		(10, 'min_sample', NEW.min_sample < 1, 'must be at least 1'),
		(11, 'prefixes', cardinality(NEW.prefixes) NOT BETWEEN 1 AND 1000, 'must be 1 to 1000'),
		(12, 'prefixes', EXISTS (SELECT FROM unnest(NEW.prefixes) AS p
								 WHERE p IS NULL OR p !~ '^[+]?[0-9]{1,15}$' OR p = '+'),
			'must be digits, with or without a plus before them'),
		(13, 'causes', (NEW.metric = 'cause_share') <> (NEW.causes IS NOT NULL),
			'are needed for cause_share, and for no other metric'),
		(14, 'causes', cardinality(NEW.causes) NOT BETWEEN 1 AND 100
					   OR array_position(NEW.causes, NULL) IS NOT NULL, 'must be 1 to 100'),
		(15, 'weeks', (NEW.metric IN ('burst', 'silence')) <> (NEW.weeks IS NOT NULL),
			'are needed for burst and silence, and for no other metric'),
		(16, 'weeks', NEW.weeks NOT BETWEEN 1 AND 8, 'must be between 1 and 8'),
		(17, 'baseline', (NEW.metric = 'new_destinations') <> (NEW.baseline IS NOT NULL),
			'is needed for new_destinations, and for no other metric'),
		(18, 'baseline', NEW.baseline NOT BETWEEN interval '1 hour' AND interval '366 days',
			'must be between 1 hour and 366 days'),
		(19, 'active_from', (NEW.active_from IS NULL) <> (NEW.active_to IS NULL),
			'and active_to must be given together'),
		(20, 'active_days', cardinality(NEW.active_days) NOT BETWEEN 1 AND 7
			OR EXISTS (SELECT FROM unnest(NEW.active_days) AS d WHERE d IS NULL OR d NOT BETWEEN 1 AND 7),
			'must be days from 1, Monday, to 7'),
		(21, 'days_off', cardinality(NEW.days_off) NOT BETWEEN 1 AND 1000
			OR array_position(NEW.days_off, NULL) IS NOT NULL, 'must be 1 to 1000'),
		(22, 'outside', NEW.outside AND NEW.active_from IS NULL AND NEW.active_days IS NULL
			AND NEW.days_off IS NULL, 'needs hours or days'),
		(23, 'every', NEW.every NOT BETWEEN interval '10 s' AND interval '1 day'
			OR extract(month FROM NEW.every) + extract(year FROM NEW.every) <> 0,
			'must be between 10 seconds and 1 day'),
		(24, 'lag', NEW.lag NOT BETWEEN interval '0' AND interval '1 day', 'must be between 0 and 1 day'),
		(25, 'sleep', NEW.sleep NOT BETWEEN interval '0' AND interval '31 days',
			'must be between 0 and 31 days'),
		(26, 'zone', NEW.zone !~ '^[A-Za-z0-9_+/:-]{1,64}$', 'must be the name of a zone'),
		-- 40 for 40 % would be an alert that never ends, or never begins
		(27, 'raise_at', (NEW.raise_at NOT BETWEEN 0 AND 1 OR NEW.clear_at NOT BETWEEN 0 AND 1)
			AND NEW.metric IN ('asr', 'ner', 'distinct_ratio', 'ascending_ratio', 'short_ratio', 'cause_share'),
			'and clear_at must be between 0 and 1 for a share: 0.4 is 40 %')
		) AS c(number, name, is_wrong, problem)
	WHERE c.is_wrong ORDER BY c.number LIMIT 1;
	IF FOUND THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('alert rule %L cannot be: %s %s', NEW.name, wrong, why);
	END IF;
	-- a month without 31 days may be less than nothing
	SELECT i.name INTO wrong FROM (VALUES ('time_window', NEW.time_window), ('baseline', NEW.baseline), ('every', NEW.every),
		('lag', NEW.lag), ('sleep', NEW.sleep)) AS i (name, length)
	WHERE LEAST(extract(year FROM i.length), extract(month FROM i.length), extract(day FROM i.length), extract(hour FROM i.length),
				extract(minute FROM i.length), extract(second FROM i.length)) < 0
	LIMIT 1;
	IF FOUND THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('alert rule %L cannot be: %s must have no negative part', NEW.name, wrong);
	END IF;
	-- an error, if there is none of that name
	PERFORM now() AT TIME ZONE NEW.zone;
	RETURN NEW;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_change_alert_rule() IS
'refuses an alert rule that cannot be evaluated';

CREATE TRIGGER cdr_change_alert_rule
	BEFORE INSERT OR UPDATE ON @extschema@.cdr_alert_rules
	FOR EACH ROW EXECUTE FUNCTION @extschema@.cdr_change_alert_rule();

-- also where rows are loaded with session_replication_role = replica
ALTER TABLE @extschema@.cdr_alert_rules ENABLE ALWAYS TRIGGER cdr_change_alert_rule;
