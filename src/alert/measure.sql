-- ---------------------------------------------------------------------------
-- What a rule measures
-- ---------------------------------------------------------------------------

-- The text of the query.  No value of a rule is in it: they are its arguments,
-- $1 begin and $2 end of the window, $3 tenant, $4 direction, $5 trunk, $6 prefixes,
-- $7 causes, $8 zone, $9 when the hours begin, $10 how long they are, $11 days,
-- $12 days off, $13 weeks, $14 baseline.
-- $15 and $16 are the subject, and raise_at, of a query of calls.
CREATE FUNCTION @extschema@.cdr_alert_query(
	rule @extschema@.cdr_alert_rules,
	of_calls boolean DEFAULT false)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	subject constant text := CASE rule.scope
		WHEN 'all' THEN '''''::text'
		WHEN 'tenant' THEN 'c.tenant_id'
		WHEN 'user' THEN 'c.user_id'
		WHEN 'trunk' THEN 'c.trunk'
		WHEN 'destination' THEN extension || '.cdr_destination(c.callee_number::text)'
		WHEN 'caller' THEN 'c.caller_number'
		-- a block of a hundred numbers
		WHEN 'caller_range' THEN 'CASE WHEN length(c.caller_number) > 5 THEN left(c.caller_number, -2) END'
		END;
	-- a number begins with a prefix if so many of its characters are one
	prefixed constant text := COALESCE(
		(SELECT ' AND (' || string_agg(DISTINCT format('left(c.callee_number, %s) = ANY ($6)', length(p)), ' OR ') || ')'
		 FROM unnest(rule.prefixes) AS p), '');
	-- a night belongs to the day on which it began
	active constant text := CASE
		WHEN rule.active_from IS NULL AND rule.active_days IS NULL AND rule.days_off IS NULL THEN ''
		ELSE format(' AND %s((%s) - date_trunc(''day'', (%2$s)) < $10'
					|| ' AND ($11 IS NULL OR extract(isodow FROM (%2$s))::integer = ANY ($11))'
					|| ' AND ($12 IS NULL OR (%2$s)::date <> ALL ($12)))',
					CASE WHEN rule.outside THEN 'NOT ' END, '%1$s AT TIME ZONE $8 - $9') END;
	chosen constant text := format($query$
			SELECT left(%2$s, 255) AS subject, c.call_id::text AS call_id, c.tenant_id::text AS tenant_id,
				   c.callee_number::text AS callee_number, c.attempt_time, c.hangup_cause, c.sip_status, c.last_event_time,
				   -- what was known by then
				   CASE WHEN c.start_time < $2 THEN c.start_time END AS s,
				   CASE WHEN c.answer_time < $2 AND c.answer_time > '-infinity' THEN c.answer_time END AS a,
				   CASE WHEN c.end_time < $2 AND c.end_time > '-infinity' THEN c.end_time END AS e
			FROM ONLY %1$s.calls AS c
			WHERE c.attempt_time >= $1 AND c.attempt_time < $2
			AND ($3 IS NULL OR c.tenant_id = $3) AND ($4 IS NULL OR c.direction = $4)
			AND ($5 IS NULL OR c.trunk = $5)%3$s%4$s$query$,
		extension, subject, prefixed,
		format(active, 'c.attempt_time')
			-- of all calls of days, few are up
			|| CASE WHEN rule.metric IN ('concurrent', 'long_call')
					THEN ' AND (c.end_time IS NULL OR c.end_time >= $2)' ELSE '' END);
	marked text := 'SELECT *, NULL::bigint AS mark FROM chosen';
	measured text;
	sample text := 'count(*)';
	-- which calls an alert is about
	evidence text := 'true';
BEGIN
	IF rule.metric IS NULL OR of_calls IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'rule and of_calls must not be null';
	END IF;
	IF rule.metric IN ('burst', 'silence') AND NOT of_calls THEN
		-- week 0 is now; weeks are those of the zone
		RETURN format($query$
			WITH windows AS (
				SELECT week, ($1 AT TIME ZONE $8 - week * interval '7 days') AT TIME ZONE $8 AS begins,
					   ($2 AT TIME ZONE $8 - week * interval '7 days') AT TIME ZONE $8 AS ends
				FROM generate_series(0, $13) AS week),
			counts AS (
				SELECT left(%2$s, 255) AS subject, w.week, count(*) AS calls,
					   min(c.tenant_id::text) AS first_tenant, max(c.tenant_id::text) AS last_tenant,
					   count(c.tenant_id) AS with_tenant
				FROM windows AS w
				JOIN ONLY %1$s.calls AS c ON c.attempt_time >= w.begins AND c.attempt_time < w.ends
				WHERE ($3 IS NULL OR c.tenant_id = $3) AND ($4 IS NULL OR c.direction = $4)
				AND ($5 IS NULL OR c.trunk = $5)%3$s%5$s
				GROUP BY 1, 2),
			sums AS (
				SELECT subject,
					   CASE WHEN min(first_tenant) = max(last_tenant) AND sum(with_tenant) = sum(calls)
							THEN min(first_tenant) END AS tenant_id,
					   COALESCE(sum(calls) FILTER (WHERE week = 0), 0) AS present,
					   COALESCE(sum(calls) FILTER (WHERE week > 0), 0) / $13 AS usual,
					   CASE WHEN count(*) FILTER (WHERE week > 0) = $13
							THEN min(calls) FILTER (WHERE week > 0) ELSE 0 END AS least
				FROM counts WHERE subject IS NOT NULL GROUP BY subject)
			SELECT subject, tenant_id, %4$s, NULL::text FROM sums$query$,
			extension, subject, prefixed,
			CASE rule.metric
			-- where there never was a call, one was usual
			WHEN 'burst' THEN 'present / GREATEST(usual, 1) AS value, present::bigint AS sample'
			ELSE 'present / NULLIF(usual, 0) AS value, least::bigint AS sample' END,
			-- at both ends of the window
			format(active, '$1') || format(active, '($2 - interval ''1 us'')'));
	END IF;
	CASE rule.metric
	WHEN 'calls' THEN
		measured := 'count(*)';
	WHEN 'minutes' THEN
		measured := 'sum(extract(epoch FROM GREATEST(COALESCE(e, $2) - a, interval ''0''))) / 60';
		sample := 'count(a)';
		evidence := 'a IS NOT NULL';
	WHEN 'concurrent' THEN
		measured := 'count(*) FILTER (WHERE e IS NULL)';
		sample := measured;
		evidence := 'e IS NULL';
	WHEN 'long_call' THEN
		measured := 'max(extract(epoch FROM $2 - COALESCE(a, s))) FILTER (WHERE e IS NULL) / 60';
		sample := 'count(*) FILTER (WHERE e IS NULL)';
		evidence := 'e IS NULL AND $2 - COALESCE(a, s) >= $16 * interval ''1 min''';
	WHEN 'wangiri' THEN
		measured := 'count(DISTINCT callee_number) FILTER (WHERE e IS NOT NULL AND'
			|| ' (a IS NULL OR e - a <= interval ''5 s''))';
		evidence := 'e IS NOT NULL AND (a IS NULL OR e - a <= interval ''5 s'')';
	WHEN 'distinct_ratio' THEN
		measured := 'count(DISTINCT callee_number)::numeric / NULLIF(count(callee_number), 0)';
		sample := 'count(callee_number)';
	WHEN 'ascending_ratio' THEN
		marked := $query$SELECT *, CASE WHEN number - before BETWEEN 1 AND 10 THEN 1
										WHEN number IS NOT NULL AND before IS NOT NULL THEN 0 END AS mark
			FROM (SELECT *, lag(number) OVER (PARTITION BY subject ORDER BY attempt_time, call_id) AS before
				  FROM (SELECT *, CASE WHEN callee_number ~ '^[+]?[0-9]{3,15}$'
									   THEN ltrim(callee_number, '+')::bigint END AS number
						FROM chosen) AS numbers) AS pairs$query$;
		measured := 'sum(mark)::numeric / NULLIF(count(mark), 0)';
		sample := 'count(mark)';
		evidence := 'mark = 1';
	WHEN 'new_destinations' THEN
		marked := format($query$SELECT c.*, CASE WHEN o.subject IS NULL THEN 1 END AS mark
			FROM (SELECT *, %1$s.cdr_destination(callee_number::text) AS place FROM chosen) AS c
			LEFT JOIN (SELECT DISTINCT left(%2$s, 255) AS subject, %1$s.cdr_destination(c.callee_number::text) AS place
					   FROM ONLY %1$s.calls AS c
					   WHERE c.attempt_time >= $1 - $14 AND c.attempt_time < $1
					   AND ($3 IS NULL OR c.tenant_id = $3) AND ($4 IS NULL OR c.direction = $4)
					   AND ($5 IS NULL OR c.trunk = $5)) AS o USING (subject, place)
			WHERE c.place IS NOT NULL$query$, extension, subject);
		measured := 'count(mark)';
		evidence := 'mark = 1';
	WHEN 'asr' THEN
		measured := 'count(a)::numeric / NULLIF(count(*) FILTER (WHERE a IS NOT NULL OR e IS NOT NULL), 0)';
		sample := 'count(*) FILTER (WHERE a IS NOT NULL OR e IS NOT NULL)';
		evidence := 'a IS NULL AND e IS NOT NULL';
	WHEN 'ner' THEN
		-- 1: effective; 0: not; those whose cause does not tell are in no ratio
		marked := format($query$SELECT c.*, CASE
				WHEN a IS NOT NULL OR (e IS NOT NULL AND k.ner_effective = 'yes') THEN 1
				WHEN e IS NOT NULL AND k.ner_effective = 'no' THEN 0 END AS mark
			FROM chosen AS c
			LEFT JOIN %1$s.cdr_known_causes AS k
			ON k.name = COALESCE(c.sip_status::text, %1$s.cdr_cause_name(c.hangup_cause::text))$query$, extension);
		measured := 'sum(mark)::numeric / NULLIF(count(mark), 0)';
		sample := 'count(mark)';
		evidence := 'mark = 0';
	WHEN 'acd' THEN
		measured := 'sum(extract(epoch FROM e - a)) FILTER (WHERE e >= a)'
			|| ' / NULLIF(count(*) FILTER (WHERE e >= a), 0)';
		sample := 'count(*) FILTER (WHERE e >= a)';
		evidence := 'e >= a';
	WHEN 'short_ratio' THEN
		measured := '(count(*) FILTER (WHERE e >= a AND e - a <= interval ''15 s''))::numeric'
			|| ' / NULLIF(count(*) FILTER (WHERE e >= a), 0)';
		sample := 'count(*) FILTER (WHERE e >= a)';
		evidence := 'e >= a AND e - a <= interval ''15 s''';
	WHEN 'cause_share' THEN
		evidence := format('e IS NOT NULL AND (sip_status::text = ANY ($7) OR %1$s.cdr_cause_name(hangup_cause::text)'
			|| ' = ANY (ARRAY(SELECT %1$s.cdr_cause_name(n) FROM unnest($7) AS n)))', extension);
		measured := format('(count(*) FILTER (WHERE %s))::numeric / NULLIF(count(e), 0)', evidence);
		sample := 'count(e)';
	WHEN 'route_down' THEN
		-- those before the latest one that was answered; what rings is no failure yet
		marked := 'SELECT *, row_number() OVER (PARTITION BY subject ORDER BY attempt_time DESC, call_id DESC) AS mark'
			|| ' FROM chosen WHERE a IS NOT NULL OR e IS NOT NULL';
		measured := 'COALESCE(min(mark) FILTER (WHERE a IS NOT NULL) - 1, count(*))';
		evidence := 'a IS NULL';
	WHEN 'burst' THEN
		NULL;
	WHEN 'silence' THEN
		evidence := 'false';
	END CASE;
	IF of_calls THEN
		RETURN format('WITH chosen AS (%s), marked AS (%s) SELECT subject, tenant_id, NULL::numeric, NULL::bigint, call_id'
					  || ' FROM marked WHERE subject = $15 AND %s ORDER BY attempt_time DESC, call_id DESC LIMIT 20',
					  chosen, marked, evidence);
	END IF;
	RETURN format($query$
		WITH chosen AS (%1$s),
		marked AS (%2$s)
		SELECT subject,
			   CASE WHEN min(tenant_id) = max(tenant_id) AND count(tenant_id) = count(*)
					THEN min(tenant_id) END AS tenant_id,
			   (%3$s)::numeric AS value, (%4$s)::bigint AS sample, NULL::text
		FROM marked WHERE subject IS NOT NULL GROUP BY subject$query$,
		chosen, marked, measured, sample);
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_alert_query(@extschema@.cdr_alert_rules, boolean) IS
'the query by which an alert rule is measured, or by which the calls of a subject are found';
