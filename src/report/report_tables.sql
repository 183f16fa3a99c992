-- ---------------------------------------------------------------------------
-- Tables of a report
-- ---------------------------------------------------------------------------

-- Tenants, destinations, or both: the first 20, and the others together.
CREATE FUNCTION @extschema@.cdr_report_ranking(rows jsonb, others jsonb, heading text, caption text, key text)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
	SELECT '<h3>' || heading || '</h3>' ||
		   @extschema@.cdr_report_table(caption, ARRAY[key, 'calls', 'change', 'not answered', 'ASR', 'mean length', 'up to 15 s', 'minutes'],
				string_agg(@extschema@.cdr_report_row(name || CASE WHEN decided >= 30 AND answered = decided THEN ' *' ELSE '' END,
					@extschema@.cdr_report_number(attempts), @extschema@.cdr_report_change(attempts, before),
					@extschema@.cdr_report_number(decided - answered), @extschema@.cdr_report_ratio(answered, decided),
					@extschema@.cdr_report_length(talk_seconds / NULLIF(talks, 0)), @extschema@.cdr_report_ratio(short, talks),
					@extschema@.cdr_report_number(talk_seconds / 60)), '' ORDER BY rank)) ||
		   CASE WHEN bool_or(decided >= 30 AND answered = decided) THEN
				'<p class="soft">* shows no failed attempts: calls may be told of only once they are answered.</p>' ELSE '' END
	FROM (SELECT rank, attempts, before, decided, answered, talks, talk_seconds, short,
				 CASE key WHEN 'tenant' THEN @extschema@.cdr_html(tenant_id) WHEN 'destination' THEN @extschema@.cdr_html(destination)
						  ELSE @extschema@.cdr_html(tenant_id) || ' to ' || @extschema@.cdr_html(destination) END AS name
		  FROM jsonb_to_recordset(rows) AS r (rank integer, tenant_id text, destination text, attempts numeric, before numeric, decided numeric,
				answered numeric, talks numeric, talk_seconds numeric, short numeric)
		  UNION ALL
		  SELECT 1000, attempts, before, decided, answered, talks, talk_seconds, short, @extschema@.cdr_report_number(o.rows) || ' others'
		  FROM jsonb_to_record(NULLIF(others, 'null')) AS o (rows numeric, attempts numeric, before numeric, decided numeric,
				answered numeric, talks numeric, talk_seconds numeric, short numeric)
		  WHERE o.rows > 0) AS named);

COMMENT ON FUNCTION @extschema@.cdr_report_ranking(jsonb, jsonb, text, text, text) IS
'of the page of a report: tenants or destinations';

CREATE FUNCTION @extschema@.cdr_report_causes(data jsonb)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
	SELECT '<h3>Why calls were not answered</h3>' ||
		   @extschema@.cdr_report_table('calls that ended without an answer, by cause', ARRAY['cause', 'outcome', 'fault', 'calls', 'share'],
				string_agg(@extschema@.cdr_report_row(name, @extschema@.cdr_html(replace(outcome, '_', ' ')), @extschema@.cdr_html(fault), @extschema@.cdr_report_number(calls),
					@extschema@.cdr_report_ratio(calls, (data #>> '{course,total,decided}')::numeric - (data #>> '{course,total,answered}')::numeric)),
					'' ORDER BY rank))
	FROM (SELECT row_number() OVER (ORDER BY calls DESC, outcome COLLATE "C", sip, cause COLLATE "C") AS rank,
				 CASE WHEN sip IS NOT NULL THEN 'SIP ' || sip ELSE @extschema@.cdr_html(cause) END AS name, outcome,
				 COALESCE(fault, 'unknown') AS fault, calls
		  FROM jsonb_to_recordset(data #> '{course,causes}') AS c (outcome text, sip integer, cause text, fault text, calls numeric)
		  UNION ALL
		  -- (what has no name here would be written otherwise by pg_upgrade)
		  SELECT 1000, @extschema@.cdr_report_number(o.rows) || ' others', NULL::text AS outcome, NULL::text AS fault, calls
		  FROM jsonb_to_record(data #> '{course,other_causes}') AS o (rows numeric, calls numeric) WHERE o.rows > 0) AS named);

COMMENT ON FUNCTION @extschema@.cdr_report_causes(jsonb) IS
'of the page of a report: why calls were not answered';

-- Alerts: nothing for those who may not read them.
CREATE FUNCTION @extschema@.cdr_report_alarms(data jsonb)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(data -> 'alerts') = 'object' THEN '<h3>Alerts</h3>' ||
	(SELECT @extschema@.cdr_report_table('raised in this time; ' || @extschema@.cdr_report_number((data #>> '{alerts,count}')::numeric) ||
					' of them', ARRAY['rule', 'level', 'subject', 'raised', 'cleared', 'worst', 'limit'],
				string_agg(@extschema@.cdr_report_row(@extschema@.cdr_html(rule), @extschema@.cdr_html(level), @extschema@.cdr_html(NULLIF(subject, '')),
					@extschema@.cdr_report_time(raised, data ->> 'zone'), @extschema@.cdr_report_time(cleared, data ->> 'zone'),
					worst::text, threshold::text), '' ORDER BY rank))
	 FROM jsonb_to_recordset(data #> '{alerts,first}') AS a (rank integer, rule text, level text, subject text, raised numeric, cleared numeric,
			worst numeric, threshold numeric)) ELSE '' END;

COMMENT ON FUNCTION @extschema@.cdr_report_alarms(jsonb) IS
'of the page of a report: the alerts of its time';

-- No numbers of people stand on the page: who may read calls finds them by call id.
CREATE FUNCTION @extschema@.cdr_report_oddities(data jsonb)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN '<h2>Worth a look</h2>' || @extschema@.cdr_report_alarms(data) || '<div class="two tables"><div><h3>Longest calls</h3>' ||
	(SELECT @extschema@.cdr_report_table('from answer to end, in hours, minutes and seconds', ARRAY['call', 'tenant', 'to', 'tried', 'length'],
				string_agg(@extschema@.cdr_report_row(@extschema@.cdr_html(call_id), @extschema@.cdr_html(tenant_id), @extschema@.cdr_html(destination),
					@extschema@.cdr_report_time(at, data ->> 'zone'), @extschema@.cdr_report_length(seconds)),
					'' ORDER BY seconds DESC, call_id COLLATE "C"))
	 FROM jsonb_to_recordset(data -> 'longest') AS l (call_id text, tenant_id text, destination text, at numeric, seconds numeric)) ||
	'</div><div><h3>Busiest minutes</h3>' ||
	(SELECT @extschema@.cdr_report_table('calls that were tried within a minute; on average, there are ' ||
					@extschema@.cdr_report_number((data #>> '{course,total,attempts}')::numeric * 60 /
						((data ->> 'to')::numeric - (data ->> 'from')::numeric), 2), ARRAY['minute', 'calls', 'answered'],
				string_agg(@extschema@.cdr_report_row(@extschema@.cdr_report_time(at, data ->> 'zone'), @extschema@.cdr_report_number(calls),
					@extschema@.cdr_report_number(answered)), '' ORDER BY calls DESC, at))
	 FROM jsonb_to_recordset(data -> 'bursts') AS b (at numeric, calls numeric, answered numeric)) ||
	'</div></div><h3>New destinations</h3>' ||
	(SELECT @extschema@.cdr_report_table('not called in the time before; ' || @extschema@.cdr_report_number((data #>> '{places,new_count}')::numeric) ||
					' of them', ARRAY['destination', 'first call', 'calls', 'answered', 'minutes'],
				string_agg(@extschema@.cdr_report_row(@extschema@.cdr_html(destination), @extschema@.cdr_report_time(first, data ->> 'zone'),
					@extschema@.cdr_report_number(attempts), @extschema@.cdr_report_number(answered), @extschema@.cdr_report_number(talk_seconds / 60)),
					'' ORDER BY attempts DESC, first, destination COLLATE "C"))
	 FROM jsonb_to_recordset(data #> '{places,new}') AS n (destination text, first numeric, attempts numeric, answered numeric, talk_seconds numeric));

COMMENT ON FUNCTION @extschema@.cdr_report_oddities(jsonb) IS
'of the page of a report: long calls, bursts and new destinations';

-- The queries that give the same figures.
CREATE FUNCTION @extschema@.cdr_report_sql(data jsonb)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
	SELECT format($sql$-- by step
SELECT * FROM cdr_traffic(%1$s, %2$s, %4$L, %3$s%6$s;
-- by hour of the day, hour of the week, cause, destination, tenant
SELECT * FROM cdr_traffic(%1$s, %2$s, NULL, %3$s%5$s;
-- calls at once
SELECT * FROM cdr_concurrency(%1$s, %2$s, %4$L, %3$s%7$s);
-- the longest calls
SELECT * FROM calls WHERE attempt_time >= %1$s AND attempt_time < %2$s AND end_time > answer_time%8$s
ORDER BY end_time - answer_time DESC, call_id LIMIT 10;
-- the busiest minutes
SELECT date_trunc('minute', attempt_time), count(*), count(answer_time) FROM calls
WHERE attempt_time >= %1$s AND attempt_time < %2$s%8$s GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10;
-- the time before
SELECT * FROM cdr_traffic(%9$s, %10$s, NULL, %3$s%6$s;
-- all of it, as JSON
SELECT cdr_report_data(%1$s, %2$s, %3$s%7$s);$sql$,
		since, until, quote_literal(data ->> 'zone'), data ->> 'step',
		', ''{' || CASE WHEN data ->> 'tenant' IS NULL THEN '' ELSE 'tenant_id,' END || 'hour}'')' || whose,
		CASE WHEN data ->> 'tenant' IS NULL THEN ')' ELSE ', ''{tenant_id}'')' || whose END,
		COALESCE(', ' || quote_literal(data ->> 'tenant'), ''), COALESCE(' AND tenant_id = ' || quote_literal(data ->> 'tenant'), ''), before, before_to)
	FROM (SELECT COALESCE(' WHERE tenant_id = ' || quote_literal(data ->> 'tenant'), '') AS whose,
				 @extschema@.cdr_report_time((data ->> 'from')::numeric, 'UTC', '''YYYY-MM-DD HH24:MI:SS.US+00''') AS since,
				 @extschema@.cdr_report_time((data ->> 'to')::numeric, 'UTC', '''YYYY-MM-DD HH24:MI:SS.US+00''') AS until,
				 @extschema@.cdr_report_time((data ->> 'before')::numeric, 'UTC', '''YYYY-MM-DD HH24:MI:SS.US+00''') AS before,
				 @extschema@.cdr_report_time((data ->> 'before_to')::numeric, 'UTC', '''YYYY-MM-DD HH24:MI:SS.US+00''') AS before_to) AS texts);

COMMENT ON FUNCTION @extschema@.cdr_report_sql(jsonb) IS
'of the page of a report: the SQL behind it';

CREATE FUNCTION @extschema@.cdr_report_foot(data jsonb)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN '<h2>What the words mean</h2><dl>
<dt>Calls</dt><dd>A call belongs to the moment at which it was tried: its start, else its answer, else its end. A step holds what was tried from its begin on, before the next one begins.</dd>
<dt>Open</dt><dd>Calls without an end. One that rings is no failure yet, one that is talked is answered already.</dd>
<dt>ASR, answered %</dt><dd>Answer-seizure ratio: answered, of the calls that were answered or have ended. Of fewer than 30 calls, a ratio is pale; of none, there is none.</dd>
<dt>NER</dt><dd>Network effectiveness ratio (ITU-T E.425): answered, or not taken by the callee or its phone, of all but those whose cause does not tell.</dd>
<dt>Presumed</dt><dd>Ended like a call that was answered, but nobody saw the answer.</dd>
<dt>Mean length, minutes</dt><dd>From answer to end, of the calls that have both.</dd>
<dt>Time to answer</dt><dd>From start to answer, to 1 %.</dd>
<dt>At once</dt><dd>From start to end, answered or not; a call that ends when the next begins is one at once. A call without an end is up until the last event, at most a day after its own.</dd>
<dt>Up to 15 s</dt><dd>Share of the answered calls that were so short.</dd>
<dt>Destination</dt><dd>Country code of the number that was called; the first three digits of one without a plus; none for an extension or a name.</dd>
<dt>Change</dt><dd>Against the time that it is compared with.</dd>
</dl><h3>The SQL behind it</h3><pre>' ||
	(SELECT string_agg(@extschema@.cdr_html(line, 10000), E'\n' ORDER BY n)
	 FROM string_to_table(@extschema@.cdr_report_sql(data), E'\n') WITH ORDINALITY AS t (line, n)) || '</pre>';

COMMENT ON FUNCTION @extschema@.cdr_report_foot(jsonb) IS
'of the page of a report: definitions and SQL';
