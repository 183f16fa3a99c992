-- ---------------------------------------------------------------------------
-- Charts of a page
-- ---------------------------------------------------------------------------

-- How high a chart is, so that a quarter of it is a plain number.
CREATE FUNCTION @extschema@.cdr_chart_top(highest numeric)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT min(m * power(10::numeric, e)) FROM unnest(ARRAY[4, 8, 12, 20]) AS m, generate_series(-3, 20) AS e
		WHERE m * power(10::numeric, e) >= COALESCE(NULLIF(highest, 0), 4));

COMMENT ON FUNCTION @extschema@.cdr_chart_top(numeric) IS
'of a chart, the number at its top';

-- Lines across, with their numbers, and labels below, of which there is room for ten.
CREATE FUNCTION @extschema@.cdr_chart_frame(labels text[], top numeric, unit text, described text, marks text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '<svg viewBox="0 0 720 240" role="img"><title>' || described || '</title>' ||
	(SELECT string_agg(format('<line class="grid" x1="56" x2="712" y1="%1$s" y2="%1$s"/><text x="50" y="%2$s" text-anchor="end">%3$s</text>',
							  204 - q * 47, 208 - q * 47,
							  CASE WHEN q = 0 AND top >= 4000 THEN '0' WHEN top >= 4000000 THEN trim_scale(top * q / 4000000) || 'M' WHEN top >= 4000 THEN trim_scale(top * q / 4000) || 'k'
								   ELSE trim_scale(top * q / 4) || unit END), '' ORDER BY q)
	 FROM generate_series(0, 4) AS q) || marks ||
	COALESCE((SELECT string_agg(format('<text%s x="%s" y="224" text-anchor="middle">%s</text>',
									   CASE WHEN (i - 1) / every % 3 > 0 THEN ' class="minor"' END,
									   round(56 + (i - 0.5) * 656 / cardinality(labels), 1), labels[i]), '' ORDER BY i)
			  FROM generate_series(1, cardinality(labels)) AS i,
				   -- as many as have room beside each other, also in a chart of half the width
				   ceil(cardinality(labels) / LEAST(10, floor(656.0 / (14 + 9 * (SELECT max(length(l)) FROM unnest(labels) AS l))))) AS step,
				   CAST(step AS integer) AS every
			  WHERE (i - 1) % every = 0), '') || '</svg>';

COMMENT ON FUNCTION @extschema@.cdr_chart_frame(text[], numeric, text, text, text) IS
'a chart of marks: with lines across and labels below';

-- Rows are objects with "label", "title" and "values", of which each has a class.
CREATE FUNCTION @extschema@.cdr_chart_bars(rows jsonb, classes text[], described text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
	WITH cells AS (
		SELECT i, k, row ->> 'title' AS title, COALESCE((row -> 'values' ->> (k - 1))::numeric, 0) AS v,
			   sum(COALESCE((row -> 'values' ->> (k - 1))::numeric, 0)) OVER (PARTITION BY i ORDER BY k) AS until
		FROM jsonb_array_elements(rows) WITH ORDINALITY AS r (row, i), generate_series(1, cardinality(classes)) AS k),
	size AS (
		SELECT @extschema@.cdr_chart_top(max(until)) AS top, 656.0 / NULLIF(max(i), 0) AS width FROM cells),
	bars AS (
		SELECT i, '<g><title>' || min(title) || '</title>' ||
			   string_agg(format('<rect class="%s" x="%s" y="%s" width="%s" height="%s"/>', classes[k],
								 round(56 + (i - 0.88) * width, 1), round(204 - until * 188 / top, 1),
								 round(width * 0.76, 1), round(v * 188 / top, 1)), '' ORDER BY k) || '</g>' AS bar
		FROM cells, size WHERE v > 0 GROUP BY i)
	SELECT @extschema@.cdr_chart_frame(ARRAY(SELECT row ->> 'label' FROM jsonb_array_elements(rows) WITH ORDINALITY AS r (row, i) ORDER BY i),
									   size.top, '', described,
									   COALESCE((SELECT string_agg(bar, '' ORDER BY i) FROM bars), ''))
	FROM size);

COMMENT ON FUNCTION @extschema@.cdr_chart_bars(jsonb, text[], text) IS
'a chart of bars, the values of each row on top of each other';

-- The same as lines, which nulls interrupt; rows that are "few" have pale points.
CREATE FUNCTION @extschema@.cdr_chart_lines(rows jsonb, classes text[], unit text, described text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
	WITH cells AS (
		SELECT i, k, row ->> 'title' AS title, COALESCE((row ->> 'few')::boolean, false) AS few,
			   (row -> 'values' ->> (k - 1))::numeric AS v
		FROM jsonb_array_elements(rows) WITH ORDINALITY AS r (row, i), generate_series(1, cardinality(classes)) AS k),
	size AS (
		SELECT CASE unit WHEN '%' THEN 100 ELSE @extschema@.cdr_chart_top(max(v)) END AS top, 656.0 / NULLIF(max(i), 0) AS width FROM cells),
	points AS (
		SELECT i, k, title, few, round(56 + (i - 0.5) * width, 1) AS x, round(204 - v * 188 / top, 1) AS y,
			   lag(v) OVER (PARTITION BY k ORDER BY i) IS NULL AS first
		FROM cells, size),
	lines AS (
		SELECT k, '<path class="line ' || classes[k] || '" d="' ||
			   string_agg(CASE WHEN first THEN 'M' ELSE 'L' END || x || ' ' || y, '' ORDER BY i) || '"/>' ||
			   string_agg(format('<circle class="%s%s" cx="%s" cy="%s" r="3"><title>%s</title></circle>', classes[k],
								 CASE WHEN few THEN ' pale' END, x, y, title), '' ORDER BY i) AS line
		FROM points WHERE y IS NOT NULL GROUP BY k)
	SELECT @extschema@.cdr_chart_frame(ARRAY(SELECT row ->> 'label' FROM jsonb_array_elements(rows) WITH ORDINALITY AS r (row, i) ORDER BY i),
									   size.top, unit, described,
									   COALESCE((SELECT string_agg(line, '' ORDER BY k) FROM lines), ''))
	FROM size);

COMMENT ON FUNCTION @extschema@.cdr_chart_lines(jsonb, text[], text, text) IS
'a chart of lines, one for each of the values of a row';

-- The first value of rows as steps, of which the highest is marked, and the second as a line.
CREATE FUNCTION @extschema@.cdr_chart_steps(rows jsonb, described text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
	WITH cells AS (
		SELECT i, row ->> 'title' AS title, (row -> 'values' ->> 0)::numeric AS v, (row -> 'values' ->> 1)::numeric AS mean
		FROM jsonb_array_elements(rows) WITH ORDINALITY AS r (row, i)),
	size AS (
		SELECT @extschema@.cdr_chart_top(max(v)) AS top, max(v) AS peak, 656.0 / NULLIF(max(i), 0) AS width FROM cells),
	points AS (
		SELECT i, title, v, round(56 + (i - 1) * width, 1) AS x, round(56 + i * width, 1) AS x2, round(204 - v * 188 / top, 1) AS y,
			   round(204 - mean * 188 / top, 1) AS y_mean
		FROM cells, size),
	shown AS (
		SELECT '<path class="up" d="M56 204' || string_agg('V' || y || 'H' || x2, '' ORDER BY i) || 'V204Z"/>' ||
			   '<path class="line canceled" d="M56 ' || (array_agg(y_mean ORDER BY i))[1] ||
			   string_agg('V' || y_mean || 'H' || x2, '' ORDER BY i) || '"/>' ||
			   string_agg(format('<rect fill="transparent" x="%s" y="16" width="%s" height="188"><title>%s</title></rect>', x, x2 - x, title), ''
						  ORDER BY i) AS marks
		FROM points),
	highest AS (
		SELECT format('<circle cx="%1$s" cy="%2$s" r="4" class="mark"/><text class="mark" x="%3$s" y="%4$s" text-anchor="%5$s">%6$s</text>',
					  round((x + x2) / 2, 1), y, round((x + x2) / 2, 1) + CASE WHEN x > 600 THEN -9 ELSE 9 END, GREATEST(y - 5, 12),
					  CASE WHEN x > 600 THEN 'end' ELSE 'start' END, v) AS mark
		FROM points WHERE v > 0 ORDER BY v DESC, i LIMIT 1)
	SELECT @extschema@.cdr_chart_frame(ARRAY(SELECT row ->> 'label' FROM jsonb_array_elements(rows) WITH ORDINALITY AS r (row, i) ORDER BY i),
									   size.top, '', described,
									   shown.marks || COALESCE((SELECT mark FROM highest), ''))
	FROM size, shown);

COMMENT ON FUNCTION @extschema@.cdr_chart_steps(jsonb, text) IS
'a chart of steps with their mean';

-- Rows are objects with "x" (0 to 23), "y" (1 to 7), "v" and "title".
CREATE FUNCTION @extschema@.cdr_chart_week(rows jsonb, described text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '<svg viewBox="0 0 720 222" role="img"><title>' || described || '</title>' ||
	(SELECT string_agg(format('<text x="44" y="%s" text-anchor="end">%s</text>', 28 * d - 8, (ARRAY['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'])[d]),
					   '' ORDER BY d) FROM generate_series(1, 7) AS d) ||
	(SELECT string_agg(format('<text%s x="%s" y="214" text-anchor="middle">%s</text>', CASE WHEN h % 6 > 0 THEN ' class="minor"' END,
							  66 + 27.5 * h, h), '' ORDER BY h) FROM generate_series(0, 22, 2) AS h) ||
	COALESCE((SELECT string_agg(format('<rect class="answered" x="%s" y="%s" width="25.5" height="26" rx="2" fill-opacity="%s"><title>%s</title></rect>',
									   53 + 27.5 * x, 28 * y - 26, round(0.04 + 0.96 * v / GREATEST(highest, 1), 2), title), '' ORDER BY y, x)
			  FROM (SELECT x, y, v, title, max(v) OVER () AS highest
					FROM jsonb_to_recordset(rows) AS r (x integer, y integer, v numeric, title text)) AS cells), '') || '</svg>';

COMMENT ON FUNCTION @extschema@.cdr_chart_week(jsonb, text) IS
'a chart of the hours of a week, the darker the more';
