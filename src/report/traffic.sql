-- ---------------------------------------------------------------------------
-- Traffic
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_percentiles_add(internal, float8)
RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_percentiles_add';

COMMENT ON FUNCTION @extschema@.cdr_percentiles_add(internal, float8) IS
'of cdr_percentiles(): a value more';

CREATE FUNCTION @extschema@.cdr_percentiles_found(internal)
RETURNS float8[]
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_percentiles_found';

COMMENT ON FUNCTION @extschema@.cdr_percentiles_found(internal) IS
'of cdr_percentiles(): what it returns';

CREATE AGGREGATE @extschema@.cdr_percentiles(value float8) (
	SFUNC = @extschema@.cdr_percentiles_add,
	STYPE = internal,
	FINALFUNC = @extschema@.cdr_percentiles_found,
	FINALFUNC_MODIFY = READ_WRITE,
	PARALLEL = SAFE);

COMMENT ON AGGREGATE @extschema@.cdr_percentiles(float8) IS
'median and 95th percentile, of values in memory';

CREATE FUNCTION @extschema@.cdr_setup_by_steps_add(internal, timestamptz, timestamptz, timestamptz, timestamptz[])
RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_setup_by_steps_add';

COMMENT ON FUNCTION @extschema@.cdr_setup_by_steps_add(internal, timestamptz, timestamptz, timestamptz, timestamptz[]) IS
'of cdr_setup_by_steps(): a call more';

CREATE FUNCTION @extschema@.cdr_setup_by_steps_found(internal)
RETURNS float8[]
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_setup_by_steps_found';

COMMENT ON FUNCTION @extschema@.cdr_setup_by_steps_found(internal) IS
'of cdr_setup_by_steps(): what it returns';

CREATE AGGREGATE @extschema@.cdr_setup_by_steps(attempt_time timestamptz, start_time timestamptz, answer_time timestamptz, steps timestamptz[]) (
	SFUNC = @extschema@.cdr_setup_by_steps_add,
	STYPE = internal,
	FINALFUNC = @extschema@.cdr_setup_by_steps_found,
	FINALFUNC_MODIFY = READ_WRITE,
	PARALLEL = SAFE);

COMMENT ON AGGREGATE @extschema@.cdr_setup_by_steps(timestamptz, timestamptz, timestamptz, timestamptz[]) IS
'time to answer, in seconds: the medians of all steps, then the 95th percentiles, of values in memory';

CREATE FUNCTION @extschema@.cdr_occupied_by_steps_add(internal, timestamptz, timestamptz, timestamptz[])
RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_occupied_by_steps_add';

COMMENT ON FUNCTION @extschema@.cdr_occupied_by_steps_add(internal, timestamptz, timestamptz, timestamptz[]) IS
'of cdr_occupied_by_steps(): a call more';

CREATE FUNCTION @extschema@.cdr_occupied_by_steps_found(internal)
RETURNS bigint[]
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_occupied_by_steps_found';

COMMENT ON FUNCTION @extschema@.cdr_occupied_by_steps_found(internal) IS
'of cdr_occupied_by_steps(): what it returns';

CREATE AGGREGATE @extschema@.cdr_occupied_by_steps(start_time timestamptz, end_time timestamptz, steps timestamptz[]) (
	SFUNC = @extschema@.cdr_occupied_by_steps_add,
	STYPE = internal,
	FINALFUNC = @extschema@.cdr_occupied_by_steps_found,
	FINALFUNC_MODIFY = READ_WRITE,
	PARALLEL = SAFE);

COMMENT ON AGGREGATE @extschema@.cdr_occupied_by_steps(timestamptz, timestamptz, timestamptz[]) IS
'for each step, microseconds that calls were up, all together';

CREATE FUNCTION @extschema@.cdr_traffic(
	from_time timestamptz,
	to_time timestamptz,
	step interval DEFAULT NULL,
	zone text DEFAULT 'UTC',
	dimensions text[] DEFAULT '{}',
	OUT bucket timestamptz,
	OUT tenant_id text,
	OUT direction text,
	OUT trunk text,
	OUT destination text,
	OUT hangup_cause text,
	OUT hour integer,
	OUT weekday integer,
	OUT attempts bigint,
	OUT without_start bigint,
	OUT open bigint,
	OUT decided bigint,
	OUT answered bigint,
	OUT presumed bigint,
	OUT busy bigint,
	OUT canceled bigint,
	OUT failed bigint,
	OUT no_answer bigint,
	OUT asr numeric,
	OUT ner numeric,
	OUT seer numeric,
	OUT talk_seconds numeric,
	OUT acd_seconds numeric,
	OUT setup_avg numeric,
	OUT setup_p50 numeric,
	OUT setup_p95 numeric,
	OUT short_calls bigint,
	OUT erlang numeric)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 100
SET search_path = pg_catalog, pg_temp
-- compiling it takes longer than running it, up to millions of calls
SET jit = off
-- starting parallel workers takes longer than reading some days without them
SET parallel_setup_cost = '1e4'
-- the planner takes all groups that could be for some that are: it would sort the calls
-- rather than count them in a hash
SET enable_sort = off
AS $function$
DECLARE
	-- where the extension is by now: schemas are renamed
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	expressions constant jsonb := jsonb_build_object(
		'tenant_id', 'c.tenant_id::text',
		'direction', 'c.direction::text',
		'trunk', 'c.trunk::text',
		'destination', extension || '.cdr_destination(c.callee_number::text)',
		'hangup_cause', 'c.hangup_cause::text',
		'hour', 'extract(hour FROM c.attempt_time AT TIME ZONE $2)::integer',
		'weekday', 'extract(isodow FROM c.attempt_time AT TIME ZONE $2)::integer');
	unknown text;
	asked text;
	counts text;
	rest text;
	-- whose occupancy is not in the rollup
	others text;
	-- when each step begins, and at last when the last one ends
	steps timestamptz[];
	is_covered boolean;
	is_by_steps boolean;
	grouped text;
	percentiles text;
	-- The same sums in two ways.
	from_calls constant text := $query$
		SELECT c.i, c.tenant_id, c.direction, c.trunk, c.destination, c.hangup_cause,
			   c.hour::integer, c.weekday::integer,
			   count(*) AS attempts,
			   count(*) FILTER (WHERE c.start_time IS NULL) AS without_start,
			   count(*) FILTER (WHERE c.end_time IS NULL) AS open,
			   count(*) FILTER (WHERE c.answer_time IS NOT NULL OR c.end_time IS NOT NULL) AS decided,
			   count(c.answer_time) AS answered,
			   count(*) FILTER (WHERE c.unanswered AND c.disposition = 'ANSWERED') AS presumed,
			   count(*) FILTER (WHERE c.unanswered AND c.disposition = 'BUSY') AS busy,
			   count(*) FILTER (WHERE c.unanswered AND c.disposition = 'CANCELED') AS canceled,
			   count(*) FILTER (WHERE c.unanswered AND c.disposition = 'FAILED') AS failed,
			   count(*) FILTER (WHERE c.unanswered AND c.disposition = 'NO_ANSWER') AS no_answer,
			   count(*) FILTER (WHERE c.unanswered AND k.ner_effective = 'yes') AS effective,
			   count(*) FILTER (WHERE c.unanswered AND
				   COALESCE(k.ner_effective, 'depends') IN ('depends', 'exclude')) AS undetermined,
			   count(*) FILTER (WHERE c.unanswered AND k.rfc6076 = 'effective') AS established,
			   count(*) FILTER (WHERE c.unanswered AND k.rfc6076 = 'redirect') AS redirected,
			   count(c.talk) AS talks,
			   extract(epoch FROM sum(c.talk)) AS talk_seconds,
			   count(*) FILTER (WHERE c.talk <= interval '15 s') AS short_calls,
			   count(c.setup) AS setups,
			   extract(epoch FROM sum(c.setup)) AS setup_seconds,
			   %4$s date_part('epoch', c.setup)) AS setup,
			   extract(epoch FROM sum(c.span)) AS occupied
		FROM (SELECT width_bucket(c.attempt_time, $1) AS i, %2$s,
					 c.start_time, c.answer_time, c.end_time, c.disposition,
					 c.answer_time IS NULL AND c.end_time IS NOT NULL AS unanswered,
					 -- SIP's status tells more than the name that some platform made of it
					 CASE WHEN c.answer_time IS NULL AND c.end_time IS NOT NULL
						  THEN COALESCE(c.sip_status::text,
										%1$s.cdr_cause_name(c.hangup_cause::text)) END AS cause,
					 -- at infinity, by hand: of no length
					 CASE WHEN c.end_time >= c.answer_time AND c.answer_time > '-infinity' AND c.end_time < 'infinity'
						  THEN c.end_time - c.answer_time END AS talk,
					 CASE WHEN c.answer_time >= c.start_time AND c.answer_time < 'infinity'
						  THEN c.answer_time - c.start_time END AS setup,
					 -- of those that are over before the step is
					 CASE WHEN c.end_time > c.start_time
						  AND c.end_time <= $1[width_bucket(c.start_time, $1) + 1]
						  THEN LEAST(c.end_time - c.start_time, interval '72 hours') END AS span
			  FROM ONLY %1$s.calls AS c
			  WHERE c.attempt_time >= $4 AND c.attempt_time < $5) AS c
		LEFT JOIN %1$s.cdr_known_causes AS k ON k.name = c.cause
		GROUP BY 1, 2, 3, 4, 5, 6, 7, 8$query$;
	from_rollup constant text := $query$
		SELECT c.i, c.tenant_id, c.direction, c.trunk, c.destination, c.hangup_cause,
			   c.hour::integer, c.weekday::integer,
			   sum(c.attempts), sum(c.without_start), sum(c.open), sum(c.decided), sum(c.answered),
			   sum(c.presumed), sum(c.busy), sum(c.canceled), sum(c.failed), sum(c.no_answer),
			   COALESCE(sum(c.unanswered) FILTER (WHERE k.ner_effective = 'yes'), 0),
			   COALESCE(sum(c.unanswered) FILTER (WHERE
				   COALESCE(k.ner_effective, 'depends') IN ('depends', 'exclude')), 0),
			   COALESCE(sum(c.unanswered) FILTER (WHERE k.rfc6076 = 'effective'), 0),
			   COALESCE(sum(c.unanswered) FILTER (WHERE k.rfc6076 = 'redirect'), 0),
			   sum(c.talks),
			   CASE WHEN sum(c.talks) > 0 THEN round(sum(c.talk_time) / 1000000, 6) END,
			   sum(c.short_calls),
			   sum(c.setups),
			   CASE WHEN sum(c.setups) > 0 THEN round(sum(c.setup_time) / 1000000, 6) END,
			   NULL::float8[],
			   CASE WHEN sum(c.occupied) > 0 THEN round(sum(c.occupied) / 1000000, 6) END
		FROM (SELECT width_bucket(c.bucket, $1) AS i, %2$s, c.cause,
					 c.attempts, c.without_start, c.open, c.decided, c.answered,
					 c.presumed, c.busy, c.canceled, c.failed, c.no_answer,
					 c.decided - c.answered AS unanswered,
					 c.talks, c.talk_time, c.short_calls, c.setups, c.setup_time, c.occupied
			  FROM (SELECT r.*, r.bucket - r.quarters * interval '15 minutes' AS attempt_time
					FROM %1$s.cdr_rollup_by_steps($1, $8) AS r) AS c) AS c
		LEFT JOIN %1$s.cdr_known_causes AS k ON k.name = c.cause
		GROUP BY 1, 2, 3, 4, 5, 6, 7, 8$query$;
	-- What is no sum of the rollup's, in two ways, too: by rows
	rest_by_rows constant text := $query$
		-- no sums: of the rows themselves, where they were not read for the sums
		setup_times AS (
			SELECT c.i, c.tenant_id, c.direction, c.trunk, c.destination, c.hangup_cause,
				   c.hour::integer, c.weekday::integer,
				   %4$s c.setup) AS setup
			FROM (SELECT width_bucket(c.attempt_time, $1) AS i, %2$s,
						 date_part('epoch', c.answer_time - c.start_time) AS setup
				  FROM ONLY %1$s.calls AS c
				  WHERE c.attempt_time >= $4 AND c.attempt_time < $5
				  AND c.answer_time >= c.start_time AND c.answer_time < 'infinity' AND $7) AS c
			GROUP BY 1, 2, 3, 4, 5, 6, 7, 8),
		-- what lines were occupied, also by calls that began before; of a call that is up,
		-- until now, or until a day after it was heard of last; three days at most
		spans AS MATERIALIZED (
			SELECT c.*,
				   GREATEST(width_bucket(c.start_time, $1), 1) AS first,
				   LEAST(width_bucket(c.until - interval '1 us', $1), cardinality($1) - 1) AS last
			FROM (SELECT %2$s, c.start_time,
						 LEAST(COALESCE(c.end_time, LEAST(now(), c.last_event_time + interval '24 hours')),
							   c.start_time + interval '72 hours') AS until
				  FROM ONLY %1$s.calls AS c
				  WHERE c.attempt_time >= $6 AND c.attempt_time < $5
				  AND (c.end_time IS NULL OR c.end_time > $4 AND c.end_time > c.start_time)
				  %3$s) AS c
			WHERE c.until > c.start_time AND c.until > $4),
		occupancy AS (
			SELECT first AS i, c.tenant_id, c.direction, c.trunk, c.destination, c.hangup_cause,
				   c.hour::integer, c.weekday::integer,
				   extract(epoch FROM sum(c.until - GREATEST(c.start_time, $4))) AS occupied
			FROM spans AS c
			WHERE first = last AND c.until <= $5
			GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
			UNION ALL
			SELECT i, c.tenant_id, c.direction, c.trunk, c.destination, c.hangup_cause,
				   c.hour::integer, c.weekday::integer,
				   extract(epoch FROM sum(LEAST(c.until, $1[i + 1])
										  - GREATEST(c.start_time, $1[i]))) AS occupied
			FROM spans AS c, generate_series(first, last) AS i
			WHERE first < last OR c.until > $5
			GROUP BY 1, 2, 3, 4, 5, 6, 7, 8),
		others AS (
			SELECT o.i, o.tenant_id, o.direction, o.trunk, o.destination, o.hangup_cause, o.hour, o.weekday,
				   NULL::float8[] AS setup, o.occupied
			FROM occupancy AS o
			UNION ALL
			SELECT t.i, t.tenant_id, t.direction, t.trunk, t.destination, t.hangup_cause, t.hour, t.weekday, t.setup, NULL
			FROM setup_times AS t),$query$;
	-- or by steps, in one look, of few steps: each tenant has an array of all of them
	rest_by_steps constant text := $query$
		others AS (
			SELECT i::integer AS i, o.tenant_id, o.direction, o.trunk, o.destination, o.hangup_cause, o.hour::integer, o.weekday::integer,
				   CASE WHEN p50 IS NOT NULL THEN ARRAY[p50, p95] END AS setup,
				   CASE WHEN u.occupied > 0 THEN round(u.occupied::numeric / 1000000, 6) END AS occupied
			FROM (SELECT %2$s,
						 %1$s.cdr_setup_by_steps(c.attempt_time, c.start_time, c.answer_time, $1)
							 FILTER (WHERE c.attempt_time >= $4 AND c.answer_time >= c.start_time AND c.answer_time < 'infinity') AS setup,
						 %1$s.cdr_occupied_by_steps(c.start_time,
							 LEAST(COALESCE(c.end_time, LEAST(now(), c.last_event_time + interval '24 hours')),
								   c.start_time + interval '72 hours'), $1)
							 FILTER (WHERE c.end_time IS NULL OR c.end_time > $4 AND c.end_time > c.start_time + interval '2 hours') AS occupied
				  FROM ONLY %1$s.calls AS c
				  WHERE c.attempt_time >= $6 AND c.attempt_time < $5
				  AND (c.end_time IS NULL
					   OR c.attempt_time >= $4 AND c.answer_time >= c.start_time AND c.answer_time < 'infinity'
					   OR c.end_time > $4 AND c.end_time > c.start_time + interval '2 hours')
				  %5$s) AS o,
				 unnest(o.setup[1:cardinality($1) - 1], o.setup[cardinality($1):], o.occupied) WITH ORDINALITY AS u (p50, p95, occupied, i)
			WHERE p50 IS NOT NULL OR u.occupied > 0),$query$;
BEGIN
	SELECT d INTO unknown FROM unnest(dimensions) AS d
	WHERE d IS NULL OR NOT expressions ? d LIMIT 1;
	IF FOUND THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('unrecognized dimension: %L', unknown),
			HINT = format('Dimensions are %s.', (SELECT string_agg(k, ', ' ORDER BY k)
												  FROM jsonb_object_keys(expressions) AS k));
	END IF;
	EXECUTE format('SELECT %s.cdr_require_tables()', extension);
	EXECUTE format('SELECT %s.cdr_steps($1, $2, $3, $4)', extension)
		INTO steps USING from_time, to_time, step, zone;
	SELECT string_agg(CASE WHEN d = ANY (dimensions) THEN expressions ->> d ELSE 'NULL' END
					  || ' AS ' || d, ', ')
	INTO asked FROM jsonb_object_keys(expressions) AS d;
	EXECUTE format('SELECT %s.cdr_rollup_covers($1, $2, $3)', extension)
		INTO is_covered USING steps, zone, dimensions;
	is_by_steps := is_covered AND NOT COALESCE(dimensions, '{}') && '{hour,weekday}'
		AND cardinality(steps) <= CASE WHEN COALESCE(cardinality(dimensions), 0) = 0 THEN 10000 ELSE 100 END;
	SELECT COALESCE('GROUP BY ' || string_agg(expressions ->> d, ', '), '')
	INTO grouped FROM unnest(dimensions) AS d;
	IF is_covered THEN
		counts := from_rollup;
		others := 'AND (c.end_time IS NULL OR c.end_time > c.start_time + interval ''2 hours'')';
	ELSE
		counts := from_calls;
		others := 'AND (c.end_time IS NULL OR c.end_time > $1[width_bucket(c.start_time, $1) + 1])';
	END IF;

	-- in memory, where they have room there; else sorted
	FOREACH percentiles IN ARRAY ARRAY[extension || '.cdr_percentiles(',
									   'percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY '] LOOP
	BEGIN
	rest := CASE WHEN is_by_steps AND percentiles NOT LIKE 'percentile_cont%' THEN rest_by_steps ELSE rest_by_rows END;
	RETURN QUERY EXECUTE format($query$
		WITH cohort(i, tenant_id, direction, trunk, destination, hangup_cause, hour, weekday,
					attempts, without_start, open, decided, answered, presumed, busy, canceled,
					failed, no_answer, effective, undetermined, established, redirected,
					talks, talk_seconds, short_calls, setups, setup_seconds, setup, occupied) AS (
			$query$ || counts || $query$),
			$query$ || rest || $query$
		parts AS (
			SELECT * FROM cohort
			UNION ALL
			SELECT o.i, o.tenant_id, o.direction, o.trunk, o.destination, o.hangup_cause, o.hour, o.weekday,
				   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, 0, 0, NULL, o.setup, o.occupied
			FROM others AS o
			-- each step has a row, though there was no call
			UNION ALL
			SELECT i, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
				   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, 0, 0, NULL, NULL, NULL
			FROM generate_series(1, cardinality($1) - 1) AS i
			WHERE $3)
		SELECT $1[i], p.tenant_id, p.direction, p.trunk, p.destination, p.hangup_cause, p.hour, p.weekday,
			   sum(attempts)::bigint, sum(without_start)::bigint, sum(open)::bigint,
			   sum(decided)::bigint, sum(answered)::bigint, sum(presumed)::bigint,
			   sum(busy)::bigint, sum(canceled)::bigint, sum(failed)::bigint, sum(no_answer)::bigint,
			   sum(answered) / NULLIF(sum(decided), 0),
			   sum(answered + effective) / NULLIF(sum(decided - undetermined), 0),
			   sum(answered + established) / NULLIF(sum(decided - redirected), 0),
			   COALESCE(sum(talk_seconds), 0),
			   sum(talk_seconds) / NULLIF(sum(talks), 0),
			   sum(setup_seconds) / NULLIF(sum(setups), 0),
			   round(max(setup[1])::numeric, 6), round(max(setup[2])::numeric, 6),
			   sum(short_calls)::bigint,
			   -- (no interval holds all times that there are, and an epoch cuts the last 29 years to seconds)
			   COALESCE(sum(occupied), 0)
			   / GREATEST(extract(epoch FROM $1[i + 1]) - extract(epoch FROM $1[i]), 0.000001)
		FROM parts AS p
		GROUP BY 1, i, 2, 3, 4, 5, 6, 7, 8
		ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
		$query$, extension, asked, others, percentiles, grouped)
	USING steps, zone, COALESCE(cardinality(dimensions), 0) = 0,
		  steps[1], steps[cardinality(steps)], steps[1] - interval '72 hours', is_covered, dimensions;
	-- (all calls are counted before the first row is returned)
	RETURN;
	EXCEPTION WHEN program_limit_exceeded THEN
		IF percentiles LIKE 'percentile_cont%' THEN
			RAISE;
		END IF;
	END;
	END LOOP;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_traffic(timestamptz, timestamptz, interval, text, text[]) IS
'sums, counts and ratios of the calls that were attempted in a time, by steps of it and by dimensions';

-- Are steps and dimensions of cdr_traffic() sums of buckets of the rollup?  (A zone of no
-- multiple of a quarter of an hour has other hours.)
CREATE FUNCTION @extschema@.cdr_rollup_covers(steps timestamptz[], zone text, dimensions text[])
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	serves boolean;
BEGIN
	IF NOT COALESCE(dimensions, '{}') <@ '{tenant_id,direction,hour,weekday}'
	OR EXISTS (SELECT FROM unnest(steps) AS s WHERE extract(epoch FROM s) % 900 <> 0)
	OR dimensions && '{hour,weekday}' AND EXISTS (
		-- before these years, and after them, zones have what they have then
		SELECT FROM generate_series(LEAST(GREATEST(steps[1], '1800-01-01 00:00Z'), steps[cardinality(steps)], '2100-01-01 00:00Z'),
									LEAST(steps[cardinality(steps)], '2101-01-01 00:00Z'), '12 hours') AS t
		WHERE extract(epoch FROM t AT TIME ZONE zone) % 900 <> 0) THEN
		RETURN false;
	END IF;
	EXECUTE format('SELECT %s.cdr_rollup_serves()',
				   (SELECT extnamespace::regnamespace FROM pg_extension WHERE extname = 'cdr_service'))
		INTO serves;
	RETURN serves;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_rollup_covers(timestamptz[], text, text[]) IS
'can cdr_traffic() take these steps and dimensions from the rollup?';

CREATE FUNCTION @extschema@.cdr_destination(callee_number text)
RETURNS text
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_destination';

COMMENT ON FUNCTION @extschema@.cdr_destination(text) IS
'where a number is: the country code of one with a plus, the first three digits of another, NULL for an extension or a name';

CREATE FUNCTION @extschema@.cdr_steps(
	from_time timestamptz,
	to_time timestamptz,
	step interval DEFAULT NULL,
	zone text DEFAULT 'UTC')
RETURNS timestamptz[]
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_steps';

COMMENT ON FUNCTION @extschema@.cdr_steps(timestamptz, timestamptz, interval, text) IS
'a time, cut into steps of the calendar of a zone or of a clock: when each begins, and when the last ends';
