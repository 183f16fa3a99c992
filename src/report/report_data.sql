-- ---------------------------------------------------------------------------
-- What a report says, as JSON
-- ---------------------------------------------------------------------------

-- As long as makes a chart of at most 75 steps.
CREATE FUNCTION @extschema@.cdr_report_step(from_time timestamptz, to_time timestamptz)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT s
		FROM unnest(ARRAY['1 minute', '15 minutes', '1 hour', '1 day', '7 days', '1 month', '1 year', '10 years', '100 years',
						  '10000 years']) WITH ORDINALITY AS t (s, n)
		WHERE date_part('epoch', to_time) - date_part('epoch', from_time) <= 75 * date_part('epoch', CAST(s AS interval))
		ORDER BY n LIMIT 1);

COMMENT ON FUNCTION @extschema@.cdr_report_step(timestamptz, timestamptz) IS
'how long the steps of a report are';

CREATE FUNCTION @extschema@.cdr_local_hour(at timestamptz, zone text)
RETURNS timestamp
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_local_hour';

COMMENT ON FUNCTION @extschema@.cdr_local_hour(timestamptz, text) IS
'the hour that the clocks of a zone show at a time';

CREATE FUNCTION @extschema@.cdr_call_sums_add(bigint[], timestamptz, timestamptz, timestamptz)
RETURNS bigint[]
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_call_sums_add';

COMMENT ON FUNCTION @extschema@.cdr_call_sums_add(bigint[], timestamptz, timestamptz, timestamptz) IS
'of cdr_call_sums(): a call more';

CREATE FUNCTION @extschema@.cdr_call_sums_join(bigint[], bigint[])
RETURNS bigint[]
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_call_sums_join';

COMMENT ON FUNCTION @extschema@.cdr_call_sums_join(bigint[], bigint[]) IS
'of cdr_call_sums(): what two of them are together';

CREATE AGGREGATE @extschema@.cdr_call_sums(start_time timestamptz, answer_time timestamptz, end_time timestamptz) (
	SFUNC = @extschema@.cdr_call_sums_add,
	STYPE = bigint[],
	COMBINEFUNC = @extschema@.cdr_call_sums_join,
	INITCOND = '{0,0,0,0,0,0,0,0,0,0}',
	PARALLEL = SAFE);

COMMENT ON AGGREGATE @extschema@.cdr_call_sums(timestamptz, timestamptz, timestamptz) IS
'of calls: how many, without start, open, decided, answered, with a length, and short; and the days, seconds and microseconds that were talked';

-- The planner takes all groups that could be for some that are: it would sort the calls
-- rather than count them in a hash, and would not share the counting among workers.
-- What comes of two parts has no statistics, so that it takes fewer groups: hence
-- the second part in what follows, which is none.

CREATE FUNCTION @extschema@.cdr_course_add(internal, timestamptz, text, integer, text, timestamptz, timestamptz, timestamptz, timestamptz[], text)
RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_course_add';

COMMENT ON FUNCTION @extschema@.cdr_course_add(internal, timestamptz, text, integer, text, timestamptz, timestamptz, timestamptz, timestamptz[], text) IS
'of cdr_course_counts() and cdr_course_names(): a call more';

CREATE FUNCTION @extschema@.cdr_course_counts_found(internal)
RETURNS bigint[]
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_course_counts_found';

COMMENT ON FUNCTION @extschema@.cdr_course_counts_found(internal) IS
'of cdr_course_counts(): what it returns';

CREATE FUNCTION @extschema@.cdr_course_names_found(internal)
RETURNS text[]
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_course_names_found';

COMMENT ON FUNCTION @extschema@.cdr_course_names_found(internal) IS
'of cdr_course_names(): what it returns';

CREATE AGGREGATE @extschema@.cdr_course_counts(attempt_time timestamptz, disposition text, sip_status integer, hangup_cause text,
		start_time timestamptz, answer_time timestamptz, end_time timestamptz, steps timestamptz[], zone text) (
	SFUNC = @extschema@.cdr_course_add,
	STYPE = internal,
	FINALFUNC = @extschema@.cdr_course_counts_found,
	PARALLEL = SAFE);

COMMENT ON AGGREGATE @extschema@.cdr_course_counts(timestamptz, text, integer, text, timestamptz, timestamptz, timestamptz, timestamptz[], text) IS
'counts of calls: rows of step, hour, is answered, has ended, number of the disposition, has a SIP status, that, number of the cause, and what cdr_call_sums() has';

CREATE AGGREGATE @extschema@.cdr_course_names(attempt_time timestamptz, disposition text, sip_status integer, hangup_cause text,
		start_time timestamptz, answer_time timestamptz, end_time timestamptz, steps timestamptz[], zone text) (
	SFUNC = @extschema@.cdr_course_add,
	STYPE = internal,
	FINALFUNC = @extschema@.cdr_course_names_found,
	PARALLEL = SAFE);

COMMENT ON AGGREGATE @extschema@.cdr_course_names(timestamptz, text, integer, text, timestamptz, timestamptz, timestamptz, timestamptz[], text) IS
'the names that cdr_course_counts() of the same calls gives numbers of, in their order';

-- The counts by steps, hours and causes: in groups first, and what those are is asked of
-- each group.  Definitions are those of cdr_traffic().  The groups were counted in the look
-- at the calls that all else comes of; or they are too many for memory, and are asked here.
CREATE FUNCTION @extschema@.cdr_report_course(
	steps timestamptz[],
	zone text,
	tenant text,
	counts bigint[] DEFAULT NULL,
	names text[] DEFAULT NULL,
	last timestamptz DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
SET enable_sort = off
SET parallel_tuple_cost = 0.01
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	found jsonb;
	from_calls constant text := $query$
			SELECT width_bucket(c.attempt_time, $1) AS i,
				   %1$s.cdr_local_hour(c.attempt_time, $2) AS hour,
				   CASE WHEN c.answer_time IS NOT NULL THEN 'answered'
						WHEN c.end_time IS NULL THEN 'ringing'
						WHEN c.disposition = 'ANSWERED' THEN 'presumed'
						ELSE c.disposition END AS outcome,
				   CASE WHEN c.answer_time IS NULL AND c.end_time IS NOT NULL THEN c.sip_status END AS sip,
				   CASE WHEN c.answer_time IS NULL AND c.end_time IS NOT NULL AND c.sip_status IS NULL
						THEN c.hangup_cause END AS cause,
				   %1$s.cdr_call_sums(c.start_time, c.answer_time, c.end_time) AS sums,
				   max(c.last_event_time) AS last
			FROM (SELECT * FROM ONLY %1$s.calls AS c
				  WHERE c.attempt_time >= $1[1] AND c.attempt_time < $1[cardinality($1)] AND ($3 IS NULL OR c.tenant_id = $3)
				  UNION ALL SELECT * FROM ONLY %1$s.calls WHERE false) AS c
			GROUP BY 1, 2, 3, 4, 5$query$;
	from_counts constant text := $query$
			SELECT c.n[k][1]::integer AS i, timestamp '2000-01-01' + c.n[k][2] * interval '1 hour' AS hour,
				   CASE WHEN c.n[k][3] = 1 THEN 'answered' WHEN c.n[k][4] = 0 THEN 'ringing'
						WHEN c.names[c.n[k][5]] = 'ANSWERED' THEN 'presumed' ELSE c.names[c.n[k][5]] END AS outcome,
				   CASE WHEN c.n[k][6] = 1 THEN c.n[k][7]::integer END AS sip, c.names[c.n[k][8]] AS cause,
				   ARRAY[c.n[k][9], c.n[k][10], c.n[k][11], c.n[k][12], c.n[k][13], c.n[k][14], c.n[k][15], c.n[k][16], c.n[k][17], c.n[k][18]] AS sums, $6 AS last
			-- (named once: the planner copies a parameter wherever it stands)
			FROM (SELECT $4 AS n, $5 AS names OFFSET 0) AS c, generate_series(1, cardinality(c.n) / 18) AS k$query$;
BEGIN
	EXECUTE format($query$
		WITH groups AS ($query$ || CASE WHEN counts IS NULL THEN from_calls ELSE from_counts END || $query$),
		classified AS (
			SELECT g.i, g.sip, g.cause, lower(g.outcome) AS outcome, g.last,
				   g.sums[1] AS n, g.sums[2] AS without_start, g.sums[3] AS open, g.sums[6] AS talks,
				   CASE WHEN g.sums[6] > 0 THEN g.sums[8] * 86400.0 + g.sums[9] + g.sums[10] / 1000000.0 END AS talk,
				   extract(hour FROM g.hour)::integer AS h, extract(isodow FROM g.hour)::integer AS d,
				   lower(g.outcome) NOT IN ('answered', 'ringing') OR g.outcome IS NULL AS unanswered,
				   COALESCE(k.ner_effective, 'depends') AS effective, k.fault
			FROM groups AS g
			LEFT JOIN %1$s.cdr_known_causes AS k ON k.name = COALESCE(g.sip::text, %1$s.cdr_cause_name(g.cause::text))),
		figures AS (
			SELECT grouping(i, d, h) AS set, i, d, h,
				   COALESCE(sum(n), 0) AS attempts, COALESCE(sum(without_start), 0) AS without_start, COALESCE(sum(open), 0) AS open,
				   COALESCE(sum(n) FILTER (WHERE unanswered OR outcome = 'answered'), 0) AS decided,
				   COALESCE(sum(n) FILTER (WHERE outcome = 'answered'), 0) AS answered,
				   COALESCE(sum(n) FILTER (WHERE outcome = 'presumed'), 0) AS presumed,
				   COALESCE(sum(n) FILTER (WHERE outcome = 'busy'), 0) AS busy,
				   COALESCE(sum(n) FILTER (WHERE outcome = 'canceled'), 0) AS canceled,
				   COALESCE(sum(n) FILTER (WHERE outcome = 'failed'), 0) AS failed,
				   COALESCE(sum(n) FILTER (WHERE outcome = 'no_answer'), 0) AS no_answer,
				   COALESCE(sum(n) FILTER (WHERE outcome = 'answered' OR unanswered AND effective = 'yes'), 0) AS effective,
				   COALESCE(sum(n) FILTER (WHERE outcome = 'answered' OR unanswered AND effective IN ('yes', 'no')), 0) AS told,
				   COALESCE(sum(talks), 0) AS talks, COALESCE(round(sum(talk), 6), 0) AS talk_seconds,
				   CASE WHEN grouping(i, d, h) = 7 THEN extract(epoch FROM max(last)) END AS last
			FROM classified GROUP BY GROUPING SETS ((), (i), (h), (d, h))),
		causes AS (
			SELECT outcome, sip, cause, fault, sum(n) AS calls
			FROM classified WHERE unanswered GROUP BY outcome, sip, cause, fault)
		SELECT jsonb_build_object(
			'total', (SELECT to_jsonb(f) FROM figures AS f WHERE set = 7),
			'steps', (SELECT COALESCE(jsonb_agg(f ORDER BY i), '[]') FROM figures AS f WHERE set = 3),
			'hours', (SELECT COALESCE(jsonb_agg(f ORDER BY h), '[]') FROM figures AS f WHERE set = 6),
			'week', (SELECT COALESCE(jsonb_agg(f ORDER BY d, h), '[]') FROM figures AS f WHERE set = 4),
			'causes', (SELECT COALESCE(jsonb_agg(jsonb_build_object('outcome', left(outcome, 255), 'sip', sip, 'cause', left(cause, 255), 'fault', fault, 'calls', calls)
												 ORDER BY calls DESC, outcome COLLATE "C", sip, cause COLLATE "C"), '[]')
					   FROM (SELECT * FROM causes ORDER BY calls DESC, outcome COLLATE "C", sip, cause COLLATE "C" LIMIT 20) AS c),
			'other_causes', (SELECT jsonb_build_object('rows', count(*), 'calls', sum(calls))
							 FROM (SELECT calls FROM causes ORDER BY calls DESC, outcome COLLATE "C", sip, cause COLLATE "C" OFFSET 20) AS c))
		$query$, extension)
		INTO found USING steps, zone, tenant, counts, names, last;
	RETURN found;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_report_course(timestamptz[], text, text, bigint[], text[], timestamptz) IS
'of a report: counts by steps, hours of the day and of the week, and causes';

-- Another time is looked at, too: for changes, and for what is new.
CREATE FUNCTION @extschema@.cdr_report_places(
	from_time timestamptz,
	to_time timestamptz,
	before_from timestamptz,
	before_to timestamptz,
	tenant text)
RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
SET enable_sort = off
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	found jsonb;
BEGIN
	EXECUTE format($query$
		WITH groups AS (
			SELECT c.past, c.tenant_id, %1$s.cdr_destination(c.callee_number::text) AS destination,
				   %1$s.cdr_call_sums(c.attempt_time, c.answer_time, c.end_time) AS sums,
				   min(c.attempt_time) AS first
			FROM (SELECT false AS past, c.tenant_id, c.callee_number, c.attempt_time, c.answer_time, c.end_time
				  FROM ONLY %1$s.calls AS c WHERE c.attempt_time >= $1 AND c.attempt_time < $2
				  UNION ALL
				  SELECT true, c.tenant_id, c.callee_number, c.attempt_time, c.answer_time, c.end_time
				  FROM ONLY %1$s.calls AS c WHERE c.attempt_time >= $3 AND c.attempt_time < $4) AS c
			WHERE $5 IS NULL OR c.tenant_id = $5
			GROUP BY 1, 2, 3),
		counted AS (
			-- (of a long one, by hand, what tells it from others)
			SELECT g.past, g.destination, g.first,
				   CASE WHEN octet_length(g.tenant_id::text) > 1000
						THEN left(g.tenant_id::text, 255) || encode(sha256(convert_to(g.tenant_id::text, 'UTF8')), 'hex')
						ELSE g.tenant_id END AS tenant_id,
				   g.sums[1] AS n, g.sums[4] AS decided, g.sums[5] AS answered, g.sums[6] AS talks, g.sums[7] AS short,
				   CASE WHEN g.sums[6] > 0 THEN g.sums[8] * 86400.0 + g.sums[9] + g.sums[10] / 1000000.0 END AS talk
			FROM groups AS g),
		figures AS (
			SELECT grouping(tenant_id, destination) AS set, tenant_id, destination,
				   COALESCE(sum(n) FILTER (WHERE NOT past), 0) AS attempts,
				   COALESCE(sum(decided) FILTER (WHERE NOT past), 0) AS decided,
				   COALESCE(sum(answered) FILTER (WHERE NOT past), 0) AS answered,
				   COALESCE(sum(talks) FILTER (WHERE NOT past), 0) AS talks,
				   COALESCE(round(sum(talk) FILTER (WHERE NOT past), 6), 0) AS talk_seconds,
				   COALESCE(sum(short) FILTER (WHERE NOT past), 0) AS short,
				   extract(epoch FROM min(first) FILTER (WHERE NOT past)) AS first,
				   COALESCE(sum(n) FILTER (WHERE past), 0) AS before,
				   COALESCE(sum(decided) FILTER (WHERE past), 0) AS before_decided,
				   COALESCE(sum(answered) FILTER (WHERE past), 0) AS before_answered,
				   COALESCE(sum(talks) FILTER (WHERE past), 0) AS before_talks,
				   COALESCE(round(sum(talk) FILTER (WHERE past), 6), 0) AS before_talk_seconds
			FROM counted GROUP BY GROUPING SETS ((), (tenant_id), (destination), (tenant_id, destination))),
		-- the first 20 of each, and the rest as one
		ranked AS (
			SELECT *, row_number() OVER (PARTITION BY set ORDER BY CASE WHEN set = 0 THEN decided - answered ELSE attempts END DESC,
										 tenant_id COLLATE "C", destination COLLATE "C") AS rank
			FROM figures WHERE attempts > 0),
		rest AS (
			SELECT set, count(*) AS rows, sum(attempts) AS attempts, sum(decided) AS decided, sum(answered) AS answered,
				   sum(talks) AS talks, sum(talk_seconds) AS talk_seconds, sum(short) AS short, sum(before) AS before
			FROM ranked WHERE rank > 20 GROUP BY set)
		SELECT jsonb_build_object(
			'total', (SELECT to_jsonb(f) FROM figures AS f WHERE set = 3),
			'tenants', (SELECT COALESCE(jsonb_agg(r ORDER BY rank), '[]') FROM ranked AS r WHERE set = 1 AND rank <= 20),
			'other_tenants', (SELECT to_jsonb(r) FROM rest AS r WHERE set = 1),
			'destinations', (SELECT COALESCE(jsonb_agg(r ORDER BY rank), '[]') FROM ranked AS r WHERE set = 2 AND rank <= 20),
			'other_destinations', (SELECT to_jsonb(r) FROM rest AS r WHERE set = 2),
			'lost', (SELECT COALESCE(jsonb_agg(r ORDER BY rank), '[]') FROM ranked AS r WHERE set = 0 AND rank <= 20 AND decided > answered),
			'new', (SELECT COALESCE(jsonb_agg(n ORDER BY attempts DESC, first, destination COLLATE "C"), '[]')
					FROM (SELECT * FROM figures WHERE set = 2 AND before = 0 AND attempts > 0 AND destination IS NOT NULL
						  ORDER BY attempts DESC, first, destination COLLATE "C" LIMIT 20) AS n),
			'new_count', (SELECT count(*) FROM figures WHERE set = 2 AND before = 0 AND attempts > 0 AND destination IS NOT NULL))
		$query$, extension)
		INTO found USING from_time, to_time, before_from, before_to, tenant;
	RETURN found;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_report_places(timestamptz, timestamptz, timestamptz, timestamptz, text) IS
'of a report: tenants and destinations, and what they were in another time';

CREATE FUNCTION @extschema@.cdr_levels_hear(internal, timestamptz, timestamptz, timestamptz, timestamptz, timestamptz[])
RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_levels_hear';

COMMENT ON FUNCTION @extschema@.cdr_levels_hear(internal, timestamptz, timestamptz, timestamptz, timestamptz, timestamptz[]) IS
'of cdr_levels_heard(): a call more';

CREATE AGGREGATE @extschema@.cdr_levels_heard(attempt_time timestamptz, start_time timestamptz, end_time timestamptz, last_event_time timestamptz, steps timestamptz[]) (
	SFUNC = @extschema@.cdr_levels_hear,
	STYPE = internal,
	FINALFUNC = @extschema@.cdr_levels_found,
	FINALFUNC_MODIFY = READ_WRITE,
	PARALLEL = SAFE);

COMMENT ON AGGREGATE @extschema@.cdr_levels_heard(timestamptz, timestamptz, timestamptz, timestamptz, timestamptz[]) IS
'as cdr_levels_sorted(); calls without an end are up until the last event of those that begin in the steps, and a day after their own at most';

CREATE FUNCTION @extschema@.cdr_setup_lengths_add(internal, timestamptz, timestamptz, timestamptz, timestamptz[])
RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_setup_lengths_add';

COMMENT ON FUNCTION @extschema@.cdr_setup_lengths_add(internal, timestamptz, timestamptz, timestamptz, timestamptz[]) IS
'of cdr_setup_lengths(): a call more';

CREATE FUNCTION @extschema@.cdr_setup_lengths_found(internal)
RETURNS bigint[]
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_setup_lengths_found';

COMMENT ON FUNCTION @extschema@.cdr_setup_lengths_found(internal) IS
'of cdr_setup_lengths(): what it returns';

CREATE AGGREGATE @extschema@.cdr_setup_lengths(attempt_time timestamptz, start_time timestamptz, answer_time timestamptz, steps timestamptz[]) (
	SFUNC = @extschema@.cdr_setup_lengths_add,
	STYPE = internal,
	FINALFUNC = @extschema@.cdr_setup_lengths_found,
	FINALFUNC_MODIFY = READ_WRITE,
	PARALLEL = SAFE);

COMMENT ON AGGREGATE @extschema@.cdr_setup_lengths(timestamptz, timestamptz, timestamptz, timestamptz[]) IS
'time to answer, counted by lengths that differ by 2 %: rows of step, length and count';

CREATE FUNCTION @extschema@.cdr_busiest_minutes_add(internal, timestamptz, timestamptz, timestamptz[])
RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_busiest_minutes_add';

COMMENT ON FUNCTION @extschema@.cdr_busiest_minutes_add(internal, timestamptz, timestamptz, timestamptz[]) IS
'of cdr_busiest_minutes(): a call more';

CREATE FUNCTION @extschema@.cdr_busiest_minutes_found(internal)
RETURNS bigint[]
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_busiest_minutes_found';

COMMENT ON FUNCTION @extschema@.cdr_busiest_minutes_found(internal) IS
'of cdr_busiest_minutes(): what it returns';

CREATE AGGREGATE @extschema@.cdr_busiest_minutes(attempt_time timestamptz, answer_time timestamptz, steps timestamptz[]) (
	SFUNC = @extschema@.cdr_busiest_minutes_add,
	STYPE = internal,
	FINALFUNC = @extschema@.cdr_busiest_minutes_found,
	FINALFUNC_MODIFY = READ_WRITE,
	PARALLEL = SAFE);

COMMENT ON AGGREGATE @extschema@.cdr_busiest_minutes(timestamptz, timestamptz, timestamptz[]) IS
'the ten busiest minutes: rows of when each began, in seconds since 1970, calls, and answered ones';

CREATE FUNCTION @extschema@.cdr_longest_calls_add(internal, timestamptz, timestamptz, text)
RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_longest_calls_add';

COMMENT ON FUNCTION @extschema@.cdr_longest_calls_add(internal, timestamptz, timestamptz, text) IS
'of cdr_longest_calls(): a call more';

CREATE FUNCTION @extschema@.cdr_longest_calls_found(internal)
RETURNS text[]
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_longest_calls_found';

COMMENT ON FUNCTION @extschema@.cdr_longest_calls_found(internal) IS
'of cdr_longest_calls(): what it returns';

CREATE AGGREGATE @extschema@.cdr_longest_calls(answer_time timestamptz, end_time timestamptz, call_id text) (
	SFUNC = @extschema@.cdr_longest_calls_add,
	STYPE = internal,
	FINALFUNC = @extschema@.cdr_longest_calls_found,
	FINALFUNC_MODIFY = READ_WRITE,
	PARALLEL = SAFE);

COMMENT ON AGGREGATE @extschema@.cdr_longest_calls(timestamptz, timestamptz, text) IS
'the ids of the ten longest calls, the longest first';

-- One look at the calls, for all that needs no look at another time.  Of a call that is up it is asked until the last event of
-- all, not until now: so that the same calls make the same report at any time.
CREATE FUNCTION @extschema@.cdr_report_calls(steps timestamptz[], zone text, tenant text)
RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	-- of all of these, and of those that may be up when it begins
	these constant text := format($$
		FROM ONLY %s.calls AS c
		WHERE c.attempt_time >= $1[1] AND c.attempt_time < $1[cardinality($1)] AND ($2 IS NULL OR c.tenant_id = $2)$$, extension);
	more constant text := replace(these, '$1[1]', '$1[1] - interval ''72 hours''');
	until constant text := 'COALESCE(c.end_time, LEAST($3, c.last_event_time + interval ''24 hours''))';
	answered constant text := 'c.answer_time >= c.start_time AND c.answer_time < ''infinity''';
	talked constant text := 'c.end_time > c.answer_time AND c.answer_time > ''-infinity'' AND c.end_time < ''infinity''';
	levels bigint[];
	lengths bigint[];
	minutes bigint[];
	longest text[];
	counts bigint[];
	names text[];
	as_of timestamptz;
	course jsonb;
	found jsonb;
	part jsonb;
BEGIN
	BEGIN
		EXECUTE format($query$
			SELECT %1$s.cdr_levels_heard(c.attempt_time, c.start_time, c.end_time, c.last_event_time, $1),
				   %1$s.cdr_setup_lengths(c.attempt_time, c.start_time, c.answer_time, $1) FILTER (WHERE %2$s),
				   %1$s.cdr_busiest_minutes(c.attempt_time, c.answer_time, $1) FILTER (WHERE c.attempt_time >= $1[1]),
				   %1$s.cdr_longest_calls(c.answer_time, c.end_time, c.call_id::text) FILTER (WHERE c.attempt_time >= $1[1] AND %3$s),
				   %1$s.cdr_course_counts(%4$s), %1$s.cdr_course_names(%4$s), max(c.last_event_time) FILTER (WHERE c.attempt_time >= $1[1])
			$query$, extension, answered, talked,
				'c.attempt_time, c.disposition::text, c.sip_status, c.hangup_cause::text, c.start_time, c.answer_time, c.end_time, $1, $3') || more
			INTO levels, lengths, minutes, longest, counts, names, as_of USING steps, tenant, zone;
		EXECUTE format('SELECT %s.cdr_report_course($1, $2, $3, COALESCE($4, ''{}''::bigint[]), $5, $6)', extension)
			INTO course USING steps, zone, tenant, counts, names, as_of;
	EXCEPTION WHEN program_limit_exceeded THEN
		-- more than is kept in memory: sorted and counted on disk, where that has no room
		EXECUTE format('SELECT %s.cdr_report_course($1, $2, $3, NULL::bigint[], NULL::text[], NULL::timestamptz)', extension) INTO course USING steps, zone, tenant;
		as_of := to_timestamp((course #>> '{total,last}')::float8);
		EXECUTE format('SELECT %s.cdr_levels(c.start_time, c.until, $1) FROM (SELECT c.start_time, %s AS until', extension, until) || more ||
				' ORDER BY c.start_time) AS c'
			INTO levels USING steps, tenant, as_of;
		EXECUTE $query$
			SELECT array_agg(ARRAY[i, length, n])
			FROM (SELECT width_bucket(c.attempt_time, $1)::bigint AS i,
						 floor(50 * ln(GREATEST(date_part('epoch', c.answer_time - c.start_time), 0.001::float8)))::bigint AS length,
						 count(*) AS n
			$query$ || these || ' AND ' || answered || ' GROUP BY 1, 2) AS l'
			INTO lengths USING steps, tenant;
		EXECUTE $query$
			SELECT array_agg(ARRAY[minute, calls, answered] ORDER BY calls DESC, minute)
			FROM (SELECT floor(extract(epoch FROM c.attempt_time) / 60)::bigint * 60 AS minute, count(*) AS calls, count(c.answer_time) AS answered
			$query$ || these || ' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10) AS m'
			INTO minutes USING steps, tenant;
		EXECUTE $query$
			SELECT array_agg(call_id)
			FROM (SELECT c.call_id
			$query$ || these || ' AND ' || talked || ' ORDER BY c.end_time - c.answer_time DESC, c.call_id COLLATE "C" LIMIT 10) AS l'
			INTO longest USING steps, tenant;
	END;

	found := jsonb_build_object('course', course, 'levels', (
		SELECT jsonb_agg(jsonb_build_object(
			'i', i, 'peak', COALESCE(levels[i][1], 0),
			'peak_at', CASE WHEN levels[i][1] > 0 THEN extract(epoch FROM steps[i]) + levels[i][2] / 1000000.0 END,
			'mean', COALESCE(levels[i][3], 0)
				/ (1000000 * GREATEST(extract(epoch FROM steps[i + 1]) - extract(epoch FROM steps[i]), 0.000001))) ORDER BY i)
		FROM generate_series(1, cardinality(steps) - 1) AS i));

	-- how long it took to answer, counted by lengths that differ by 2 %: sorting
	-- them all would take longer than all the rest
	WITH counted AS (
		SELECT lengths[k][1]::integer AS i, lengths[k][2]::float8 AS length, lengths[k][3] AS n
		FROM generate_series(1, cardinality(lengths) / 3) AS k),
	summed AS (
		SELECT c.i, c.length, sum(c.n) AS n FROM counted AS c GROUP BY GROUPING SETS ((c.i, c.length), (c.length))),
	ranked AS (
		SELECT s.i, s.length, sum(s.n) OVER (PARTITION BY s.i ORDER BY s.length) AS until, sum(s.n) OVER (PARTITION BY s.i) AS n FROM summed AS s)
	SELECT jsonb_agg(s ORDER BY s.i) INTO part
	FROM (SELECT r.i, max(r.n) AS n,
				 round(exp((min(r.length) FILTER (WHERE r.until >= 0.5 * r.n) + 0.5) / 50)::numeric, 3) AS p50,
				 round(exp((min(r.length) FILTER (WHERE r.until >= 0.95 * r.n) + 0.5) / 50)::numeric, 3) AS p95
		  FROM ranked AS r GROUP BY r.i) AS s;
	found := found || jsonb_build_object('setup', COALESCE(part, '[]'));

	EXECUTE format($query$
		SELECT jsonb_agg(jsonb_build_object('call_id', call_id, 'tenant_id', left(tenant_id::text, 255), 'destination', %1$s.cdr_destination(callee_number::text),
											'at', extract(epoch FROM attempt_time), 'seconds', extract(epoch FROM talk))
						 ORDER BY talk DESC, call_id COLLATE "C")
		FROM (SELECT c.call_id, c.tenant_id, c.callee_number, c.attempt_time, c.end_time - c.answer_time AS talk
			  FROM ONLY %1$s.calls AS c WHERE c.call_id = ANY ($1)) AS l
		$query$, extension) INTO part USING longest;
	found := found || jsonb_build_object('longest', COALESCE(part, '[]'));

	SELECT jsonb_agg(jsonb_build_object('at', round(minutes[k][1]::numeric, 6), 'calls', minutes[k][2], 'answered', minutes[k][3]) ORDER BY k)
	INTO part FROM generate_series(1, cardinality(minutes) / 3) AS k;
	RETURN found || jsonb_build_object('bursts', COALESCE(part, '[]'));
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_report_calls(timestamptz[], text, text) IS
'of a report: its course, calls at once, time to answer, the longest calls and the busiest minutes';

-- The alerts that were raised in a time, for who may read them: null for others.  A subject
-- that is a number of somebody's, or looks like one, is none.
CREATE FUNCTION @extschema@.cdr_report_alerts(from_time timestamptz, to_time timestamptz, tenant text)
RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	alerts constant regclass := to_regclass((SELECT extnamespace::regnamespace FROM pg_extension
											 WHERE extname = 'cdr_service') || '.cdr_alerts');
	found jsonb;
BEGIN
	IF alerts IS NULL OR NOT has_table_privilege(alerts, 'SELECT') THEN
		RETURN NULL;
	END IF;
	EXECUTE format($query$
		WITH alerts AS (
			SELECT row_number() OVER (ORDER BY a.level <> 'critical', a.raised_at, a.id) AS rank, a.rule, a.level,
				   CASE WHEN a.scope NOT IN ('caller', 'caller_range')
						AND a.subject !~ '^((sips?|tel):)?[+]?[-0-9(). *#]{3,}(@.*)?$' THEN a.subject END AS subject,
				   extract(epoch FROM a.raised_at) AS raised, extract(epoch FROM a.cleared_at) AS cleared,
				   trim_scale(a.worst_value) AS worst, trim_scale(a.threshold) AS threshold
			FROM %s AS a
			WHERE a.raised_at >= $1 AND a.raised_at < $2 AND ($3 IS NULL OR a.tenant_id = $3))
		SELECT jsonb_build_object('count', (SELECT count(*) FROM alerts),
			'first', (SELECT COALESCE(jsonb_agg(a ORDER BY a.rank), '[]') FROM alerts AS a WHERE a.rank <= 20))
		$query$, alerts) INTO found USING from_time, to_time, tenant;
	RETURN found;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_report_alerts(timestamptz, timestamptz, text) IS
'of a report: the alerts that were raised, where the caller may read them';

CREATE FUNCTION @extschema@.cdr_report_data(
	from_time timestamptz,
	to_time timestamptz,
	zone text DEFAULT 'UTC',
	tenant text DEFAULT NULL,
	before_from timestamptz DEFAULT NULL,
	before_to timestamptz DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	step text;
	steps timestamptz[];
	places jsonb;
	calls jsonb;
	later boolean;
	stale bigint := 0;
	as_of timestamptz;
	alerts jsonb;
BEGIN
	EXECUTE format('SELECT %s.cdr_require_tables()', extension);
	-- which complains of what is no time
	EXECUTE format('SELECT %s.cdr_steps($1, $2, NULL::interval, $3)', extension) INTO steps USING from_time, to_time, zone;
	EXECUTE format('SELECT %s.cdr_report_step($1, $2)', extension) INTO step USING from_time, to_time;
	EXECUTE format('SELECT %s.cdr_steps($1, $2, $3::interval, $4)', extension) INTO steps USING from_time, to_time, step, zone;
	IF before_from IS NULL OR before_to IS NULL THEN
		-- as long by the clocks of the zone, where there is such a time
		BEGIN
			before_from := LEAST((from_time AT TIME ZONE zone - (to_time AT TIME ZONE zone - from_time AT TIME ZONE zone)) AT TIME ZONE zone,
								 from_time - interval '1 us');
		EXCEPTION WHEN datetime_field_overflow THEN
			before_from := from_time;
		END;
		before_to := from_time;
	END IF;

	EXECUTE format('SELECT %s.cdr_report_calls($1, $2, $3)', extension) INTO calls USING steps, zone, tenant;
	as_of := to_timestamp((calls #>> '{course,total,last}')::float8);
	EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s.calls WHERE attempt_time >= $1)', extension) INTO later USING to_time;
	IF (calls #>> '{course,total,open}')::numeric > 0 THEN
		EXECUTE format($query$
			SELECT count(*) FROM ONLY %s.calls AS c
			WHERE c.attempt_time >= $1 AND c.attempt_time < $2 AND ($3 IS NULL OR c.tenant_id = $3)
			AND c.end_time IS NULL AND c.last_event_time < $4 - interval '24 hours'
			$query$, extension) INTO stale USING from_time, to_time, tenant, as_of;
	END IF;
	EXECUTE format('SELECT %s.cdr_report_places($1, $2, $3, $4, $5)', extension)
		INTO places USING from_time, to_time, before_from, before_to, tenant;
	EXECUTE format('SELECT %s.cdr_report_alerts($1, $2, $3)', extension) INTO alerts USING from_time, to_time, tenant;
	RETURN jsonb_build_object(
		'from', extract(epoch FROM from_time), 'to', extract(epoch FROM to_time), 'before', extract(epoch FROM before_from),
		'before_to', extract(epoch FROM before_to), 'zone', zone, 'tenant', tenant, 'step', step,
		'begins', (SELECT jsonb_agg(extract(epoch FROM s) ORDER BY i) FROM unnest(steps) WITH ORDINALITY AS t (s, i)
				   WHERE i < cardinality(steps)),
		'as_of', extract(epoch FROM as_of), 'later', later, 'stale', stale) || calls ||
		jsonb_build_object('places', places, 'alerts', alerts);
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_report_data(timestamptz, timestamptz, text, text, timestamptz, timestamptz) IS
'what cdr_report() says of a time, as JSON';
