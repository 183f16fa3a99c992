-- ---------------------------------------------------------------------------
-- Evaluation
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_try_alert_rule(
	rule text,
	as_of timestamptz DEFAULT pg_catalog.now(),
	calls_of text DEFAULT NULL,
	OUT subject text,
	OUT tenant_id text,
	OUT value numeric,
	OUT sample bigint,
	OUT call_id text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
-- a day of an interval has 24 hours, whatever zone the session is in
SET TimeZone = 'UTC'
SET jit = off
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	day constant interval := interval '24 hours';
	r record;
BEGIN
	IF as_of IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'as_of must not be null';
	END IF;
	EXECUTE format('SELECT %s.cdr_require_tables()', extension);
	EXECUTE format('SELECT r.*, %1$s.cdr_alert_query(r, $2) AS query'
				   ' FROM %1$s.cdr_alert_rules AS r WHERE r.name = $1', extension)
		INTO r USING rule, calls_of IS NOT NULL;
	IF r.name IS NULL THEN
		RAISE undefined_object USING MESSAGE = format('alert rule %L does not exist', rule);
	END IF;
	RETURN QUERY EXECUTE r.query
	USING as_of - r.time_window, as_of, r.tenant_id, r.direction, r.trunk, r.prefixes, r.causes, r.zone,
		  COALESCE(r.active_from - time '00:00', interval '0'),
		  CASE WHEN r.active_from < r.active_to THEN r.active_to - r.active_from
			   WHEN r.active_from > r.active_to THEN r.active_to - r.active_from + day
			   ELSE day END,
		  r.active_days, r.days_off, r.weeks, r.baseline, calls_of, r.raise_at;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_try_alert_rule(text, timestamptz, text) IS
'what an alert rule measures at a time, of each subject, or which calls of one subject that is about; nothing is raised';

-- Tells of a change.  Channels have no access control: no numbers of people are in
-- it, and nothing that looks like one.
CREATE FUNCTION @extschema@.cdr_tell_alert(alert @extschema@.cdr_alerts)
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET IntervalStyle = postgres
AS $function$
	SELECT pg_notify('cdr_alert', json_build_object(
		'id', alert.id,
		'rule', alert.rule,
		'level', alert.level,
		'state', CASE WHEN alert.cleared_at IS NULL THEN 'raised' ELSE 'cleared' END,
		'metric', alert.metric,
		'tenant', CASE WHEN alert.tenant_id !~ number THEN left(alert.tenant_id, 255) END,
		'subject', CASE WHEN alert.scope NOT IN ('caller', 'caller_range') AND alert.subject !~ number
						THEN alert.subject END,
		'value', alert.last_value,
		'threshold', alert.threshold,
		'window', alert.time_window,
		'event_time', to_char(COALESCE(alert.cleared_at, alert.raised_at) AT TIME ZONE 'UTC',
							  'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
		'late', alert.late)::text)
	FROM (VALUES ('^((sips?|tel):)?[+]?[-0-9(). *#]{3,}(@.*)?$')) AS looks(number)
$function$;

COMMENT ON FUNCTION @extschema@.cdr_tell_alert(@extschema@.cdr_alerts) IS
'tells who listens to cdr_alert that an alert was raised or cleared';

-- One subject that exceeds and has no alert.  Returns how many were raised.
CREATE FUNCTION @extschema@.cdr_raise_alert(
	rule @extschema@.cdr_alert_rules, subject text, tenant_id text, value numeric, at timestamptz, is_late boolean)
RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	times integer;
	raised bigint;
BEGIN
	EXECUTE format('INSERT INTO %s.cdr_alert_pending AS p (rule, subject, times, last_at) VALUES ($1, $2, 1, $3)'
				   ' ON CONFLICT (rule, subject) DO UPDATE SET times = p.times + 1, last_at = EXCLUDED.last_at'
				   ' RETURNING p.times', extension)
		INTO times USING rule.name, subject, at;
	IF times < rule.raise_after THEN
		RETURN 0;
	END IF;
	-- unless it sleeps
	EXECUTE format($query$
		INSERT INTO %1$s.cdr_alerts (rule, subject, tenant_id, level, metric, scope, threshold, time_window,
			raised_at, first_value, worst_value, last_value, last_at, call_ids, late)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $10, $9,
			   ARRAY(SELECT t.call_id FROM %1$s.cdr_try_alert_rule($1, $9, $2) AS t), $11
		WHERE NOT EXISTS (SELECT FROM %1$s.cdr_alerts AS o
						  WHERE o.rule = $1 AND o.subject = $2 AND o.cleared_at > $9 - $12
						  -- by a clock that was ahead, it would sleep until then
						  AND o.cleared_at <= GREATEST($9, now()))
		ON CONFLICT (rule, subject) WHERE cleared_at IS NULL DO NOTHING
		RETURNING id$query$, extension)
		INTO raised
		USING rule.name, subject, tenant_id, rule.level, rule.metric, rule.scope, rule.raise_at, rule.time_window,
			  at, value, is_late, rule.sleep;
	IF raised IS NULL THEN
		RETURN 0;
	END IF;
	EXECUTE format('SELECT %1$s.cdr_tell_alert(a) FROM %1$s.cdr_alerts AS a WHERE id = $1', extension)
		USING raised;
	RETURN 1;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_raise_alert(@extschema@.cdr_alert_rules, text, text, numeric, timestamptz, boolean) IS
'raises an alert, unless the rule wants to see more, or the subject sleeps';

-- One alert that is open: what is measured now, and whether that clears it.  Returns
-- how many were cleared.
CREATE FUNCTION @extschema@.cdr_follow_alert(
	rule @extschema@.cdr_alert_rules, id bigint, value numeric, is_below boolean, is_good boolean, at timestamptz)
RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	because text;
BEGIN
	IF value IS NULL THEN
		-- it is held, but not for ever, nor from a time on that has not come yet
		EXECUTE format('UPDATE %s.cdr_alerts SET last_at = $2 WHERE id = $1 AND last_at > GREATEST($2, now())', extension)
			USING id, at;
		EXECUTE format('UPDATE %s.cdr_alerts SET cleared_at = $2, cleared_because = ''no data'''
					   ' WHERE id = $1 AND last_at <= $2 - interval ''24 hours'' RETURNING cleared_because', extension)
			INTO because USING id, at;
	ELSE
		EXECUTE format($query$
			UPDATE %s.cdr_alerts AS a
			SET last_value = $2, last_at = $3,
				worst_value = CASE WHEN $4 THEN LEAST(a.worst_value, $2) ELSE GREATEST(a.worst_value, $2) END,
				better = CASE WHEN $5 THEN a.better + 1 ELSE 0 END,
				cleared_at = CASE WHEN $5 AND a.better + 1 >= $6 THEN $3 END,
				cleared_because = CASE WHEN $5 AND a.better + 1 >= $6 THEN 'value' END
			WHERE a.id = $1 RETURNING a.cleared_because$query$, extension)
			INTO because USING id, value, at, is_below, is_good, rule.clear_after;
	END IF;
	IF because IS NULL THEN
		RETURN 0;
	END IF;
	EXECUTE format('SELECT %1$s.cdr_tell_alert(a) FROM %1$s.cdr_alerts AS a WHERE id = $1', extension)
		USING id;
	RETURN 1;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_follow_alert(@extschema@.cdr_alert_rules, bigint, numeric, boolean, boolean, timestamptz) IS
'writes down what is measured of an open alert, and clears it if that is good again';

-- One rule, at one time of events.  Returns how many alerts were raised or cleared.
CREATE FUNCTION @extschema@.cdr_evaluate_alert_rule_at(
	rule @extschema@.cdr_alert_rules, at timestamptz, is_late boolean)
RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	-- whoever makes up subjects without an end has no more alerts than that
	most constant integer := 100;
	metric record;
	seen record;
	measured numeric;
	found_now integer;
	exceeding bigint := 0;
	changes integer := 0;
BEGIN
	EXECUTE format('SELECT m.* FROM %s.cdr_alert_metrics() AS m WHERE m.metric = $1', extension)
		INTO metric USING rule.metric;
	-- those that exceed, the worst first, and those that have an alert
	FOR seen IN EXECUTE format($query$
		SELECT s.* FROM (
			SELECT COALESCE(v.subject, o.subject) AS subject, v.tenant_id, v.value, COALESCE(v.sample, 0) AS sample,
				   COALESCE(v.exceeds, false) AS exceeds, v.place, o.id,
				   count(*) FILTER (WHERE v.exceeds) OVER () AS exceeding
			FROM (SELECT m.*, row_number() OVER (PARTITION BY m.exceeds ORDER BY m.value * $4, m.subject) AS place
				  FROM (SELECT t.subject COLLATE "C" AS subject, t.tenant_id, t.value, t.sample,
							   t.sample >= $3 AND t.value * $4 <= $5 * $4 AS exceeds
						FROM %1$s.cdr_try_alert_rule($1, $2, NULL::text) AS t) AS m) AS v
			FULL JOIN (SELECT a.id, a.subject FROM %1$s.cdr_alerts AS a
					   WHERE a.rule = $1 AND a.cleared_at IS NULL) AS o
			ON o.subject = v.subject) AS s
		WHERE (s.exceeds AND s.place <= $6) OR s.id IS NOT NULL
		ORDER BY s.place, s.subject$query$, extension)
	-- with this sign, less is worse
	USING rule.name, at, rule.min_sample, CASE WHEN metric.below THEN 1 ELSE -1 END, rule.raise_at, most
	LOOP
		exceeding := seen.exceeding;
		measured := CASE
			WHEN seen.value IS NOT NULL AND seen.sample >= rule.min_sample THEN seen.value
			-- too few calls to tell; if the metric does not hold: it is over
			WHEN NOT metric.holds THEN 0 END;
		IF seen.id IS NULL THEN
			EXECUTE format('SELECT %s.cdr_raise_alert($1, $2, $3, $4, $5, $6)', extension)
				INTO found_now
				USING rule, seen.subject, seen.tenant_id, trim_scale(round(measured, 4)), at, is_late;
		ELSE
			EXECUTE format('SELECT %s.cdr_follow_alert($1, $2, $3, $4, $5, $6)', extension)
				INTO found_now
				USING rule, seen.id, trim_scale(round(measured, 4)), metric.below,
					  CASE WHEN metric.below THEN measured > rule.clear_at ELSE measured < rule.clear_at END, at;
		END IF;
		changes := changes + found_now;
	END LOOP;
	EXECUTE format('DELETE FROM %s.cdr_alert_pending WHERE rule = $1 AND last_at <> $2', extension)
		USING rule.name, at;
	EXECUTE format('INSERT INTO %s.cdr_alert_progress (rule, evaluated_at, exceeding, left_out) VALUES ($1, $2, $3, $4)'
				   ' ON CONFLICT (rule) DO UPDATE SET evaluated_at = EXCLUDED.evaluated_at,'
				   ' exceeding = EXCLUDED.exceeding, left_out = EXCLUDED.left_out', extension)
		USING rule.name, at, exceeding, GREATEST(exceeding - most, 0);
	RETURN changes;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_evaluate_alert_rule_at(@extschema@.cdr_alert_rules, timestamptz, boolean) IS
'raises and clears the alerts of a rule at a time of events';

-- One rule, at each of its times up to a time of events, one transaction's worth of
-- them.  Without a name: what is left of rules that are gone.  is_behind: more are to
-- come.
CREATE FUNCTION @extschema@.cdr_evaluate_alert_rule(
	rule text, clock timestamptz, is_complete boolean,
	OUT changes integer, OUT is_behind boolean)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
-- for days and grids of days
SET TimeZone = 'UTC'
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	most constant integer := 60;
	patience constant interval := interval '1 s';
	begun constant timestamptz := clock_timestamp();
	r record;
	until timestamptz;
	at timestamptz;
	found_now integer;
BEGIN
	changes := 0;
	is_behind := false;
	EXECUTE format('SELECT r AS whole, r.every, r.lag, m.waits, p.evaluated_at FROM %1$s.cdr_alert_rules AS r'
				   ' JOIN %1$s.cdr_alert_metrics() AS m USING (metric)'
				   ' LEFT JOIN %1$s.cdr_alert_progress AS p ON p.rule = r.name'
				   ' WHERE r.name = $1 AND r.enabled', extension)
		INTO r USING rule;
	-- what is to come yet may change what is measured
	IF r.every IS NULL OR (r.waits AND NOT is_complete) THEN
		RETURN;
	END IF;
	until := date_bin(r.every, clock - r.lag, timestamptz '2000-01-01 00:00:00+00');
	-- a rule that is new begins now; so does one that was evaluated by a clock that was
	-- ahead: it would else be silent until that time has come
	at := CASE WHEN r.evaluated_at IS NULL OR r.evaluated_at > GREATEST(clock, now()) THEN until
			   ELSE date_bin(r.every, GREATEST(r.evaluated_at, until - interval '1 day') + r.every,
							 timestamptz '2000-01-01 00:00:00+00') END;
	FOR i IN 1 .. most LOOP
		EXIT WHEN at > until;
		EXECUTE format('SELECT %s.cdr_evaluate_alert_rule_at($1, $2, $3)', extension)
			INTO found_now
			USING r.whole, at, now() - at - r.every - r.lag > interval '10 min';
		changes := changes + found_now;
		at := at + r.every;
		EXIT WHEN clock_timestamp() - begun > patience;
	END LOOP;
	is_behind := at <= until;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_evaluate_alert_rule(text, timestamptz, boolean) IS
'evaluates an alert rule up to a time of events, as often as fits into a short transaction';

CREATE FUNCTION @extschema@.cdr_forget_alert_rules()
RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	gone bigint;
	changes integer := 0;
BEGIN
	EXECUTE format('DELETE FROM %1$s.cdr_alert_progress AS p WHERE NOT EXISTS'
				   ' (SELECT FROM %1$s.cdr_alert_rules AS r WHERE r.name = p.rule AND r.enabled)', extension);
	EXECUTE format('DELETE FROM %1$s.cdr_alert_pending AS p WHERE NOT EXISTS'
				   ' (SELECT FROM %1$s.cdr_alert_rules AS r WHERE r.name = p.rule AND r.enabled)', extension);
	FOR gone IN EXECUTE format($query$
		UPDATE %1$s.cdr_alerts AS a SET cleared_at = GREATEST(now(), a.raised_at), cleared_because = 'rule'
		WHERE a.cleared_at IS NULL AND NOT EXISTS
			(SELECT FROM %1$s.cdr_alert_rules AS r WHERE r.name = a.rule AND r.enabled)
		RETURNING a.id$query$, extension)
	LOOP
		EXECUTE format('SELECT %1$s.cdr_tell_alert(a) FROM %1$s.cdr_alerts AS a WHERE a.id = $1', extension)
			USING gone;
		changes := changes + 1;
	END LOOP;
	RETURN changes;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_forget_alert_rules() IS
'clears the alerts of rules that are gone, or disabled';

-- All rules, in the caller's transaction.  A rule that fails keeps no other from being
-- evaluated.
CREATE FUNCTION @extschema@.cdr_evaluate_alert_rules(clock timestamptz, is_complete boolean)
RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	name text;
	found_now integer;
	changes integer;
BEGIN
	EXECUTE format('SELECT %s.cdr_forget_alert_rules()', extension) INTO changes;
	FOR name IN EXECUTE format('SELECT r.name FROM %s.cdr_alert_rules AS r WHERE r.enabled ORDER BY r.name', extension)
	LOOP
		BEGIN
			EXECUTE format('SELECT e.changes FROM %s.cdr_evaluate_alert_rule($1, $2, $3) AS e', extension)
				INTO found_now USING name, clock, is_complete;
			changes := changes + found_now;
		EXCEPTION WHEN OTHERS THEN
			RAISE WARNING 'could not evaluate alert rule %: %', quote_literal(name), SQLERRM;
		END;
	END LOOP;
	RETURN changes;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_evaluate_alert_rules(timestamptz, boolean) IS
'evaluates all alert rules';

-- The last event that calls tell of, where no worker knows.
CREATE FUNCTION @extschema@.cdr_last_event_time()
RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	back interval;
	found_time timestamptz;
BEGIN
	FOREACH back IN ARRAY '{1 hour,1 day}'::interval[] LOOP
		EXECUTE format('SELECT max(LEAST(c.last_event_time, now())) FROM ONLY %s.calls AS c'
					   ' WHERE c.attempt_time >= now() - $1 AND c.attempt_time <= now()', extension)
			INTO found_time USING back;
		EXIT WHEN found_time IS NOT NULL;
	END LOOP;
	RETURN found_time;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_last_event_time() IS
'the time of the last event of the calls of a day; NULL: there are none';

CREATE FUNCTION @extschema@.cdr_check_alerts(
	as_of timestamptz DEFAULT NULL,
	is_complete boolean DEFAULT NULL)
RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_check_alerts';

COMMENT ON FUNCTION @extschema@.cdr_check_alerts(timestamptz, boolean) IS
'evaluates the alert rules; returns how many alerts were raised or cleared, NULL if another check is under way';
