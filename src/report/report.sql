-- ---------------------------------------------------------------------------
-- The report
-- ---------------------------------------------------------------------------

-- What makes the figures less than they seem.
CREATE FUNCTION @extschema@.cdr_report_doubts(data jsonb)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
	SELECT COALESCE(string_agg('<p class="warn">' || said || '</p>', '' ORDER BY n), '')
	FROM jsonb_to_record(data #> '{course,total}') AS t (attempts numeric, without_start numeric, open numeric, decided numeric,
			answered numeric, presumed numeric),
		 (SELECT max(p50) AS p50, max(s.n) AS setups FROM jsonb_to_recordset(data -> 'setup') AS s (i integer, n numeric, p50 numeric)
		  WHERE i IS NULL) AS setup,
		 LATERAL (VALUES
			(1, CASE WHEN attempts = 0 THEN 'No call is known of this time.'
					 WHEN NOT (data ->> 'later')::boolean THEN
						'<b>The latest calls may be missing.</b> No call is known that was tried after this time; the last event is of ' ||
						@extschema@.cdr_report_time((data ->> 'as_of')::numeric, data ->> 'zone', 'YYYY-MM-DD HH24:MI:SS') || '.' END),
			(2, CASE WHEN decided >= 30 AND (answered = decided OR setup.p50 < 0.05) THEN
						'<b>This producer shows no failed attempts.</b> ' ||
						CASE WHEN answered = decided THEN 'Every one of ' || @extschema@.cdr_report_number(decided) || ' calls was answered'
							 ELSE 'Half of the calls were answered within ' || @extschema@.cdr_report_number(1000 * setup.p50) || ' ms' END ||
						', as if they were told of only once they are answered. The answered share says nothing then.' END),
			(3, CASE WHEN without_start > 0 AND without_start * 20 >= attempts THEN
						'Calls whose start nobody told: ' || @extschema@.cdr_report_number(without_start) || ' (' ||
						@extschema@.cdr_report_ratio(without_start, attempts) || '). They count as calls, and in nothing that is measured from the start.' END),
			(4, CASE WHEN presumed > 0 AND presumed * 20 >= decided THEN
						'Calls that ended like answered ones, though nobody saw the answer: ' || @extschema@.cdr_report_number(presumed) || ' (' ||
						@extschema@.cdr_report_ratio(presumed, decided) || '). They are not among the answered ones.' END),
			(5, CASE WHEN (data ->> 'stale')::numeric > 0 THEN
						'Calls without an end of which nothing was heard for a day: ' || @extschema@.cdr_report_number((data ->> 'stale')::numeric) ||
						'. Their ends may be lost.' END)) AS doubts (n, said)
	WHERE said IS NOT NULL);

COMMENT ON FUNCTION @extschema@.cdr_report_doubts(jsonb) IS
'of the page of a report: warnings';

CREATE FUNCTION @extschema@.cdr_report_summary(data jsonb)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
	SELECT '<ul class="tiles">' || string_agg('<li><small>' || name || '</small><b>' || figure || '</b><small>' || replace(below, ' %', '&#160;%') || '</small></li>', '' ORDER BY n) ||
		   '</ul>'
	FROM jsonb_to_record(data #> '{places,total}') AS t (attempts numeric, decided numeric, answered numeric, talks numeric, talk_seconds numeric,
			before numeric, before_decided numeric, before_answered numeric, before_talks numeric, before_talk_seconds numeric),
		 (SELECT max(p50) AS p50, max(p95) AS p95 FROM jsonb_to_recordset(data -> 'setup') AS s (i integer, p50 numeric, p95 numeric)
		  WHERE i IS NULL) AS setup,
		 (SELECT (array_agg(peak ORDER BY peak DESC, i))[1] AS peak, (array_agg(peak_at ORDER BY peak DESC, i))[1] AS peak_at
		  FROM jsonb_to_recordset(data -> 'levels') AS l (i integer, peak numeric, peak_at numeric)) AS levels,
		 LATERAL (VALUES
			(1, 'Calls', @extschema@.cdr_report_number(attempts), CASE WHEN before > 0 THEN
				@extschema@.cdr_report_change(attempts, before) || ' on ' || @extschema@.cdr_report_number(before) ELSE 'none before' END),
			(2, 'Answered', @extschema@.cdr_report_ratio(answered, decided), 'of ' || @extschema@.cdr_report_number(decided) ||
				CASE WHEN before_decided > 0 THEN '; before ' || @extschema@.cdr_report_ratio(before_answered, before_decided) ELSE '' END),
			(3, 'Minutes talked', @extschema@.cdr_report_number(talk_seconds / 60), CASE WHEN before_talk_seconds > 0 THEN
				@extschema@.cdr_report_change(talk_seconds, before_talk_seconds) || ' on ' || @extschema@.cdr_report_number(before_talk_seconds / 60)
				ELSE 'none before' END),
			(4, 'Mean length', @extschema@.cdr_report_length(talk_seconds / NULLIF(talks, 0)), 'min:s' ||
				CASE WHEN before_talks > 0 THEN '; before ' || @extschema@.cdr_report_length(before_talk_seconds / before_talks) ELSE '' END),
			(5, 'Most at once', @extschema@.cdr_report_number(peak),
				CASE WHEN peak > 0 THEN @extschema@.cdr_report_time(peak_at, data ->> 'zone', 'DD Mon, HH24:MI') ELSE '&#160;' END),
			(6, 'Time to answer', @extschema@.cdr_report_number(setup.p50, 1) || CASE WHEN setup.p50 IS NULL THEN '' ELSE ' s' END,
				'median' || CASE WHEN setup.p95 IS NULL THEN '' ELSE '; 95 % within ' || @extschema@.cdr_report_number(setup.p95, 1) || '&#160;s' END)) AS tiles (n, name, figure, below));

COMMENT ON FUNCTION @extschema@.cdr_report_summary(jsonb) IS
'of the page of a report: the figures in short';

-- The counts of steps, or of the hours of a day, as objects that charts are made of
-- and as rows of a table.
CREATE FUNCTION @extschema@.cdr_report_stacked(rows jsonb, heading text, described text)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
	WITH r AS (
		SELECT * FROM jsonb_to_recordset(rows) AS r (n integer, label text, name text, attempts numeric, open numeric, decided numeric, answered numeric,
			presumed numeric, no_answer numeric, busy numeric, canceled numeric, failed numeric, effective numeric, told numeric, talk_seconds numeric))
	SELECT '<figure><h3>' || heading || '</h3><ul class="legend"><li><i class="answered"></i>answered</li>' ||
		   CASE WHEN sum(presumed) > 0 THEN '<li><i class="presumed"></i>presumably answered</li>' ELSE '' END ||
		   '<li><i class="no_answer"></i>no answer</li><li><i class="busy"></i>busy</li>' ||
		   '<li><i class="canceled"></i>canceled</li><li><i class="failed"></i>failed</li></ul>' ||
		   @extschema@.cdr_chart_bars(
				jsonb_agg(jsonb_build_object('label', label, 'title', name || ': ' || @extschema@.cdr_report_number(attempts) || ' calls, ' ||
											 @extschema@.cdr_report_number(answered) || ' answered',
											 'values', jsonb_build_array(answered, presumed, no_answer, busy, canceled, failed)) ORDER BY n),
				ARRAY['answered', 'presumed', 'no_answer', 'busy', 'canceled', 'failed'], described) ||
		   '<details><summary>Table</summary>' ||
		   @extschema@.cdr_report_table(described,
				ARRAY['', 'calls', 'open', 'answered', 'presumed', 'no answer', 'busy', 'canceled', 'failed', 'ASR', 'NER', 'minutes'],
				string_agg(@extschema@.cdr_report_row(name, @extschema@.cdr_report_number(attempts), @extschema@.cdr_report_number(open),
					@extschema@.cdr_report_number(answered), @extschema@.cdr_report_number(presumed), @extschema@.cdr_report_number(no_answer),
					@extschema@.cdr_report_number(busy), @extschema@.cdr_report_number(canceled), @extschema@.cdr_report_number(failed),
					@extschema@.cdr_report_ratio(answered, decided), @extschema@.cdr_report_ratio(effective, told),
					@extschema@.cdr_report_number(talk_seconds / 60)), '' ORDER BY n) ||
				replace(@extschema@.cdr_report_row('all', @extschema@.cdr_report_number(sum(attempts)), @extschema@.cdr_report_number(sum(open)),
					@extschema@.cdr_report_number(sum(answered)), @extschema@.cdr_report_number(sum(presumed)), @extschema@.cdr_report_number(sum(no_answer)),
					@extschema@.cdr_report_number(sum(busy)), @extschema@.cdr_report_number(sum(canceled)), @extschema@.cdr_report_number(sum(failed)),
					@extschema@.cdr_report_ratio(sum(answered), sum(decided)), @extschema@.cdr_report_ratio(sum(effective), sum(told)),
					@extschema@.cdr_report_number(sum(talk_seconds) / 60)), '<tr>', '<tr class="sum">')) || '</details></figure>'
	FROM r);

COMMENT ON FUNCTION @extschema@.cdr_report_stacked(jsonb, text, text) IS
'of the page of a report: outcomes as a chart of bars, and their table';

-- Each step of the time, or hour of the day, with what was counted in it, if it was.
CREATE FUNCTION @extschema@.cdr_report_steps(data jsonb)
RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
	SELECT jsonb_agg('{"attempts": 0, "open": 0, "decided": 0, "answered": 0, "presumed": 0, "no_answer": 0, "busy": 0, "canceled": 0,
					 "failed": 0, "effective": 0, "told": 0, "talk_seconds": 0}'::jsonb || COALESCE(c.row, '{}') || s.setup || l.row ||
					 jsonb_build_object('n', n, 'label', @extschema@.cdr_report_time(at::numeric, data ->> 'zone', short),
										'name', @extschema@.cdr_report_time(at::numeric, data ->> 'zone', long)) ORDER BY n)
	FROM (SELECT CASE WHEN data ->> 'step' LIKE '% minute%' OR data ->> 'step' = '1 hour' AND jsonb_array_length(data -> 'begins') <= 25 THEN 'HH24:MI'
					  WHEN data ->> 'step' = '1 hour' THEN 'Dy HH24:MI' WHEN data ->> 'step' LIKE '% month' THEN 'Mon YYYY'
					  WHEN data ->> 'step' LIKE '% day%' THEN 'DD Mon' ELSE 'YYYY' END AS short,
				 CASE WHEN data ->> 'step' LIKE '% minute%' OR data ->> 'step' = '1 hour' THEN 'Dy YYYY-MM-DD HH24:MI'
					  ELSE 'Dy YYYY-MM-DD' END AS long) AS formats,
		 jsonb_array_elements_text(data -> 'begins') WITH ORDINALITY AS b (at, n)
	LEFT JOIN (SELECT (row ->> 'i')::integer AS i, row FROM jsonb_array_elements(data #> '{course,steps}') AS row) AS c ON c.i = n
	LEFT JOIN (SELECT (row ->> 'i')::integer AS i, row FROM jsonb_array_elements(data -> 'levels') AS row) AS l ON l.i = n,
		 LATERAL (SELECT COALESCE(min(jsonb_build_object('setups', x -> 'n', 'p50', x -> 'p50', 'p95', x -> 'p95')::text)::jsonb, '{}') AS setup
				  FROM jsonb_array_elements(data -> 'setup') AS x WHERE (x ->> 'i')::integer = n) AS s);

COMMENT ON FUNCTION @extschema@.cdr_report_steps(jsonb) IS
'of the page of a report: its steps, one object each';

CREATE FUNCTION @extschema@.cdr_report_hours(data jsonb)
RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
	SELECT jsonb_agg('{"attempts": 0, "open": 0, "decided": 0, "answered": 0, "presumed": 0, "no_answer": 0, "busy": 0, "canceled": 0,
					 "failed": 0, "effective": 0, "told": 0, "talk_seconds": 0}'::jsonb || COALESCE(c.row, '{}') ||
					 jsonb_build_object('n', n, 'label', n::text, 'name', to_char(n, 'FM00') || ' to ' || to_char(n + 1, 'FM00')) ORDER BY n)
	FROM generate_series(0, 23) AS n
	LEFT JOIN (SELECT (row ->> 'h')::integer AS h, row FROM jsonb_array_elements(data #> '{course,hours}') AS row) AS c ON c.h = n);

COMMENT ON FUNCTION @extschema@.cdr_report_hours(jsonb) IS
'of the page of a report: the hours of a day, one object each';

CREATE FUNCTION @extschema@.cdr_report_lines(steps jsonb)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
	WITH r AS (
		SELECT * FROM jsonb_to_recordset(steps) AS r (n integer, label text, name text, decided numeric, answered numeric, effective numeric, told numeric,
			setups numeric, p50 numeric, p95 numeric, peak numeric, peak_at numeric, mean numeric))
	SELECT '<div class="two"><figure><h3>How many were answered</h3><ul class="legend"><li><i class="answered"></i>ASR</li>' ||
		   '<li><i class="busy"></i>NER</li><li>pale: of fewer than 30 calls</li></ul>' ||
		   @extschema@.cdr_chart_lines(
				jsonb_agg(jsonb_build_object('label', label, 'few', decided < 30,
					'title', name || ': ASR ' || COALESCE(round(100 * answered / NULLIF(decided, 0), 1) || ' %', 'none') || ', NER ' ||
							 COALESCE(round(100 * effective / NULLIF(told, 0), 1) || ' %', 'none') || ', of ' || decided || ' calls',
					'values', jsonb_build_array(round(100 * answered / NULLIF(decided, 0), 1), round(100 * effective / NULLIF(told, 0), 1))) ORDER BY n),
				ARRAY['answered', 'busy'], '%', 'ASR and NER') || '</figure>' ||
		   '<figure><h3>Time to answer</h3><ul class="legend"><li><i class="answered"></i>median</li><li><i class="canceled"></i>95 % answered within</li></ul>' ||
		   @extschema@.cdr_chart_lines(
				jsonb_agg(jsonb_build_object('label', label, 'few', setups < 30,
					'title', name || ': median ' || COALESCE(round(p50, 1) || ' s', 'none') || ', 95 % within ' || COALESCE(round(p95, 1) || ' s', 'none'),
					'values', jsonb_build_array(round(p50, 2), round(p95, 2))) ORDER BY n),
				ARRAY['answered', 'canceled'], 's', 'seconds from start to answer') || '</figure></div>' ||
		   '<figure><h3>Calls at once</h3><ul class="legend"><li><i class="up"></i>at most</li><li><i class="canceled"></i>on average</li></ul>' ||
		   @extschema@.cdr_chart_steps(
				jsonb_agg(jsonb_build_object('label', label, 'title', name || ': at most ' || peak || ', on average ' || round(mean, 1),
					'values', jsonb_build_array(peak, round(mean, 2))) ORDER BY n), 'calls at once') ||
		   '<details><summary>Table</summary>' ||
		   @extschema@.cdr_report_table('time to answer, and calls at once',
				ARRAY['', 'answered in', 'median', '95 % within', 'at once, most', 'on average'],
				string_agg(@extschema@.cdr_report_row(name, @extschema@.cdr_report_number(COALESCE(setups, 0)), @extschema@.cdr_report_number(p50, 1) || ' s',
					@extschema@.cdr_report_number(p95, 1) || ' s', @extschema@.cdr_report_number(peak), @extschema@.cdr_report_number(mean, 1)),
					'' ORDER BY n)) || '</details></figure>'
	FROM r);

COMMENT ON FUNCTION @extschema@.cdr_report_lines(jsonb) IS
'of the page of a report: ratios, time to answer and calls at once';

CREATE FUNCTION @extschema@.cdr_report_week(data jsonb)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
	WITH r AS (
		SELECT d, h, COALESCE(attempts, 0) AS attempts, COALESCE(decided, 0) AS decided, COALESCE(answered, 0) AS answered
		FROM generate_series(1, 7) AS d CROSS JOIN generate_series(0, 23) AS h
		LEFT JOIN jsonb_to_recordset(data #> '{course,week}') AS w (d integer, h integer, attempts numeric, decided numeric, answered numeric)
			USING (d, h))
	SELECT '<figure><h3>By hour of the week</h3>' ||
		   @extschema@.cdr_chart_week(
				jsonb_agg(jsonb_build_object('x', h, 'y', d, 'v', attempts,
					'title', (ARRAY['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'])[d] || to_char(h, 'FM" "00":00"') || ': ' || attempts || ' calls, ' ||
							 answered || ' of ' || decided || ' answered') ORDER BY d, h),
				'calls by hour and weekday') ||
		   '<details><summary>Table</summary>' ||
		   @extschema@.cdr_report_table('calls by hour and weekday', ARRAY['', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'],
				(SELECT string_agg(row, '' ORDER BY h)
				 FROM (SELECT h, @extschema@.cdr_report_row(to_char(h, 'FM00":00"'),
						VARIADIC array_agg(@extschema@.cdr_report_number(attempts) ORDER BY d)) AS row
					   FROM r GROUP BY h) AS rows)) || '</details></figure>'
	FROM r);

COMMENT ON FUNCTION @extschema@.cdr_report_week(jsonb) IS
'of the page of a report: the hours of the week';

-- What is not of the calls: kept for those who may know it.
CREATE FUNCTION @extschema@.cdr_report_state(from_time timestamptz, to_time timestamptz, later boolean)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	letters bigint;
	lag text;
	said text := '';
BEGIN
	IF has_table_privilege(format('%s.dead_letters', extension), 'SELECT') THEN
		EXECUTE format('SELECT count(*) FROM %s.dead_letters WHERE received_at >= $1 AND received_at < $2', extension)
			INTO letters USING from_time, to_time;
		said := format(' Messages that came in this time and could not be read (dead letters): %s%s.', letters,
					   CASE WHEN letters > 0 THEN '; calls may be missing' END);
	END IF;
	-- of a time that is over, how far the workers are says nothing any more
	IF NOT later AND has_function_privilege(format('%s.cdr_status()', extension), 'EXECUTE') THEN
		BEGIN
			EXECUTE format($query$
				SELECT string_agg(format('worker %%s: %%s', worker, CASE WHEN lag IS NULL THEN state
					ELSE round(extract(epoch FROM lag)) || ' s behind' END), ', ' ORDER BY worker)
				FROM %s.cdr_status() WHERE database = current_database()
				$query$, extension) INTO lag;
		EXCEPTION WHEN object_not_in_prerequisite_state THEN
			-- the server was not started with the library: there are no workers
		END;
		said := said || COALESCE(' Consumption: ' || lag || '.', '');
	END IF;
	RETURN said;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_report_state(timestamptz, timestamptz, boolean) IS
'of the page of a report: dead letters and lag, where the caller may read them';

CREATE FUNCTION @extschema@.cdr_report_head(data jsonb, state text)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
	SELECT '<h1>' || CASE WHEN data ->> 'tenant' IS NULL THEN 'Telephone calls' ELSE 'Calls of ' || @extschema@.cdr_html(data ->> 'tenant') END || '</h1>' ||
		   '<p>From ' || @extschema@.cdr_report_time((data ->> 'from')::numeric, data ->> 'zone', 'Dy, DD Mon YYYY, HH24:MI') || ' to ' ||
		   @extschema@.cdr_report_time((data ->> 'to')::numeric, data ->> 'zone', 'Dy, DD Mon YYYY, HH24:MI') || ', clocks of ' ||
		   @extschema@.cdr_html(data ->> 'zone') || '.</p><p class="soft">' ||
		   COALESCE('As of the last event of these calls, ' || to_char(to_timestamp((data ->> 'as_of')::float8) AT TIME ZONE (data ->> 'zone'), 'YYYY-MM-DD HH24:MI:SS') || '. ', '') ||
		   'Open calls: ' || @extschema@.cdr_report_number(open) || ', of which not heard of for a day: ' ||
		   @extschema@.cdr_report_number((data ->> 'stale')::numeric) || '.' || state || ' Compared with ' ||
		   @extschema@.cdr_report_time((data ->> 'before')::numeric, data ->> 'zone') || ' to ' ||
		   @extschema@.cdr_report_time((data ->> 'before_to')::numeric, data ->> 'zone') || '.</p>'
	FROM jsonb_to_record(data #> '{course,total}') AS t (open numeric));

COMMENT ON FUNCTION @extschema@.cdr_report_head(jsonb, text) IS
'of the page of a report: which calls it is of, and as of when';

CREATE FUNCTION @extschema@.cdr_report_body(data jsonb, state text)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
	SELECT concat_ws(E'\n',
		@extschema@.cdr_report_head(data, state),
		@extschema@.cdr_report_doubts(data),
		@extschema@.cdr_report_summary(data),
		@extschema@.cdr_report_stacked(steps, 'What became of them', 'outcomes by time'),
		'<h2>Operations</h2>',
		@extschema@.cdr_report_lines(steps),
		'<div class="two">',
		@extschema@.cdr_report_stacked(@extschema@.cdr_report_hours(data), 'By hour of the day', 'outcomes by hour of the day'),
		@extschema@.cdr_report_week(data),
		'</div>',
		@extschema@.cdr_report_causes(data),
		@extschema@.cdr_report_ranking(data #> '{places,destinations}', data #> '{places,other_destinations}', 'Destinations',
									   'the most called ones', 'destination'),
		CASE WHEN data ->> 'tenant' IS NULL THEN
			@extschema@.cdr_report_ranking(data #> '{places,tenants}', data #> '{places,other_tenants}', 'Tenants', 'those with most calls', 'tenant')
		END,
		@extschema@.cdr_report_ranking(data #> '{places,lost}', NULL, 'Where most calls are lost', 'by calls that nobody answered',
									   'tenant and destination'),
		@extschema@.cdr_report_oddities(data),
		@extschema@.cdr_report_foot(data))
	FROM (SELECT @extschema@.cdr_report_steps(data) AS steps) AS s);

COMMENT ON FUNCTION @extschema@.cdr_report_body(jsonb, text) IS
'of the page of a report: all that it says';

CREATE FUNCTION @extschema@.cdr_report(
	from_time timestamptz,
	to_time timestamptz,
	zone text DEFAULT 'UTC',
	tenant text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	data jsonb;
	page text;
BEGIN
	EXECUTE format('SELECT %s.cdr_report_data($1, $2, $3, $4, NULL::timestamptz, NULL::timestamptz)', extension) INTO data USING from_time, to_time, zone, tenant;
	EXECUTE format($query$
		SELECT %1$s.cdr_report_page('Calls from ' || %1$s.cdr_report_time(($1 ->> 'from')::numeric, $1 ->> 'zone', text 'YYYY-MM-DD') || ' to ' ||
									%1$s.cdr_report_time(($1 ->> 'to')::numeric, $1 ->> 'zone', text 'YYYY-MM-DD'),
									%1$s.cdr_report_body($1, %1$s.cdr_report_state($2, $3, ($1 ->> 'later')::boolean)))
		$query$, extension) INTO page USING data, from_time, to_time;
	RETURN page;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_report(timestamptz, timestamptz, text, text) IS
'a page of HTML about the calls of a time, of all or of a tenant';

-- ---------------------------------------------------------------------------
-- Two times compared
-- ---------------------------------------------------------------------------

-- What there is of each figure in both times; how it is shown: a count, a ratio, a length.
CREATE FUNCTION @extschema@.cdr_report_figures(data jsonb)
RETURNS TABLE (n integer, name text, shown text, value numeric, is_ratio boolean)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT f.n, f.name,
		   CASE f.kind WHEN 'count' THEN @extschema@.cdr_report_number(f.part) WHEN 'mean' THEN @extschema@.cdr_report_number(f.part, 1)
				WHEN 'length' THEN @extschema@.cdr_report_length(f.part) ELSE @extschema@.cdr_report_ratio(f.part, f.whole) END,
		   f.part / CASE f.kind WHEN 'ratio' THEN NULLIF(f.whole, 0) ELSE 1 END, f.kind = 'ratio'
	FROM jsonb_to_record(data #> '{course,total}') AS t (attempts numeric, open numeric, decided numeric, answered numeric, presumed numeric,
			no_answer numeric, busy numeric, canceled numeric, failed numeric, effective numeric, told numeric, talks numeric, talk_seconds numeric),
		 (SELECT max(p50) AS p50, max(p95) AS p95 FROM jsonb_to_recordset(data -> 'setup') AS s (i integer, p50 numeric, p95 numeric)
		  WHERE i IS NULL) AS setup,
		 (SELECT max(peak) AS peak FROM jsonb_to_recordset(data -> 'levels') AS l (peak numeric)) AS levels,
		 LATERAL (VALUES
			(1, 'Calls', 'count', t.attempts, NULL), (2, 'Calls a day', 'mean',
				t.attempts * 86400 / ((data ->> 'to')::numeric - (data ->> 'from')::numeric), NULL),
			(3, 'Open', 'count', t.open, NULL), (4, 'Answered', 'count', t.answered, NULL),
			(5, 'Presumably answered', 'count', t.presumed, NULL), (6, 'No answer', 'count', t.no_answer, NULL), (7, 'Busy', 'count', t.busy, NULL),
			(8, 'Canceled', 'count', t.canceled, NULL), (9, 'Failed', 'count', t.failed, NULL), (10, 'ASR', 'ratio', t.answered, t.decided),
			(11, 'NER', 'ratio', t.effective, t.told), (12, 'Minutes talked', 'count', t.talk_seconds / 60, NULL),
			(13, 'Mean length', 'length', t.talk_seconds / NULLIF(t.talks, 0), NULL), (14, 'Most at once', 'count', levels.peak, NULL),
			(15, 'Time to answer, median, in s', 'mean', setup.p50, NULL),
			(16, '95 % answered within, in s', 'mean', setup.p95, NULL)) AS f (n, name, kind, part, whole);
END;

COMMENT ON FUNCTION @extschema@.cdr_report_figures(jsonb) IS
'of the page of a report: its figures, one a row';

CREATE FUNCTION @extschema@.cdr_report_diff_body(a jsonb, b jsonb, state text)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
	SELECT concat_ws(E'\n',
		@extschema@.cdr_report_head(b, state),
		@extschema@.cdr_report_doubts(b),
		@extschema@.cdr_report_summary(b),
		'<h2>Then and now</h2>',
		@extschema@.cdr_report_table('the time that it is compared with, and this one', ARRAY['', names.past, names.now, 'change'],
			(SELECT string_agg(@extschema@.cdr_report_row(fa.name, fa.shown, fb.shown,
					CASE WHEN fa.is_ratio THEN @extschema@.cdr_report_points(fb.value, fa.value)
						 ELSE @extschema@.cdr_report_change(fb.value, fa.value) END), '' ORDER BY fa.n)
			 FROM @extschema@.cdr_report_figures(a) AS fa JOIN @extschema@.cdr_report_figures(b) AS fb USING (n))),
		@extschema@.cdr_report_stacked(@extschema@.cdr_report_steps(a), names.past, 'outcomes then, by time'),
		@extschema@.cdr_report_stacked(@extschema@.cdr_report_steps(b), names.now, 'outcomes now, by time'),
		'<div class="two">',
		@extschema@.cdr_report_stacked(@extschema@.cdr_report_hours(a), 'By hour of the day, then', 'outcomes then, by hour of the day'),
		@extschema@.cdr_report_stacked(@extschema@.cdr_report_hours(b), 'By hour of the day, now', 'outcomes now, by hour of the day'),
		'</div><h2>Causes</h2><div class="two"><div><p>' || names.past || '</p>', @extschema@.cdr_report_causes(a),
		'</div><div><p>' || names.now || '</p>', @extschema@.cdr_report_causes(b), '</div></div>',
		'<h2>Where calls go</h2>',
		@extschema@.cdr_report_ranking(b #> '{places,destinations}', b #> '{places,other_destinations}', 'Destinations now',
									   'the most called ones', 'destination'),
		CASE WHEN b ->> 'tenant' IS NULL THEN
			@extschema@.cdr_report_ranking(b #> '{places,tenants}', b #> '{places,other_tenants}', 'Tenants now', 'those with most calls', 'tenant')
		END,
		@extschema@.cdr_report_foot(b))
	FROM (SELECT @extschema@.cdr_report_time((a ->> 'from')::numeric, a ->> 'zone') || ' to ' ||
				 @extschema@.cdr_report_time((a ->> 'to')::numeric, a ->> 'zone') AS past,
				 @extschema@.cdr_report_time((b ->> 'from')::numeric, b ->> 'zone') || ' to ' ||
				 @extschema@.cdr_report_time((b ->> 'to')::numeric, b ->> 'zone') AS now) AS names);

COMMENT ON FUNCTION @extschema@.cdr_report_diff_body(jsonb, jsonb, text) IS
'of a page that compares two times: all that it says';

CREATE FUNCTION @extschema@.cdr_report_diff(
	from_a timestamptz,
	to_a timestamptz,
	from_b timestamptz,
	to_b timestamptz,
	zone text DEFAULT 'UTC',
	tenant text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	a jsonb;
	b jsonb;
	page text;
BEGIN
	EXECUTE format('SELECT %s.cdr_report_data($1, $2, $3, $4, NULL::timestamptz, NULL::timestamptz)', extension) INTO a USING from_a, to_a, zone, tenant;
	EXECUTE format('SELECT %s.cdr_report_data($1, $2, $3, $4, $5, $6)', extension) INTO b USING from_b, to_b, zone, tenant, from_a, to_a;
	EXECUTE format($query$
		SELECT %1$s.cdr_report_page(text 'Calls compared',
									%1$s.cdr_report_diff_body($1, $2, %1$s.cdr_report_state($3, $4, ($2 ->> 'later')::boolean)))
		$query$, extension) INTO page USING a, b, from_b, to_b;
	RETURN page;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_report_diff(timestamptz, timestamptz, timestamptz, timestamptz, text, text) IS
'a page of HTML that compares the calls of a time with those of another';
