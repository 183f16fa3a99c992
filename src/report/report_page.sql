-- ---------------------------------------------------------------------------
-- Pieces of a page
-- ---------------------------------------------------------------------------

-- Bodies that begin with RETURN are bound now: to what is in pg_catalog, and to
-- functions that they name with their schema, whatever it is renamed to.
SET LOCAL search_path = pg_catalog, pg_temp;

-- All text that is not of these scripts passes through here.  A page may hold it
-- anywhere between tags; it keeps its direction to itself.
CREATE FUNCTION @extschema@.cdr_html(value text, longest integer DEFAULT 100)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN value IS NULL THEN '<i>none</i>' ELSE
	'<bdi>' ||
	replace(replace(replace(replace(replace(
		-- what cannot be seen, or turns what follows around, and what no XML may hold
		regexp_replace(left(value, longest),
			E'[\\u0001-\\u001f\\u007f-\\u009f\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\uffff]',
			chr(65533), 'g'),
		'&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;') ||
	CASE WHEN length(value) > longest THEN '&#8230;' ELSE '' END || '</bdi>' END;

COMMENT ON FUNCTION @extschema@.cdr_html(text, integer) IS
'a text for a page: so many characters of it, without markup of its own';

CREATE FUNCTION @extschema@.cdr_report_number(value numeric, digits integer DEFAULT 0)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN COALESCE(to_char(round(value, digits), 'FM999,999,999,999,999,990' ||
											   CASE WHEN digits > 0 THEN left('.000000', digits + 1) ELSE '' END),
				'&#8211;');

COMMENT ON FUNCTION @extschema@.cdr_report_number(numeric, integer) IS
'a number for a page; a dash if there is none';

-- Of a few, a ratio says little: it is pale.
CREATE FUNCTION @extschema@.cdr_report_ratio(part numeric, whole numeric)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN part IS NULL OR COALESCE(whole, 0) = 0 THEN '&#8211;'
			WHEN whole < 30 THEN '<span class="few">' || @extschema@.cdr_report_number(100 * part / whole, 1) || ' %</span>'
			ELSE @extschema@.cdr_report_number(100 * part / whole, 1) || ' %' END;

COMMENT ON FUNCTION @extschema@.cdr_report_ratio(numeric, numeric) IS
'a ratio for a page, in percent: pale of fewer than 30, a dash of nothing';

CREATE FUNCTION @extschema@.cdr_report_change(value numeric, before numeric)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN value IS NULL OR COALESCE(before, 0) = 0 THEN '&#8211;'
			WHEN value = before THEN '&#177;0 %'
			WHEN value / before >= 100 THEN '&#215;' || @extschema@.cdr_report_number(value / before)
			ELSE CASE WHEN value > before THEN '+' ELSE '&#8722;' END ||
				 @extschema@.cdr_report_number(100 * abs(value - before) / before, 1) || ' %' END;

COMMENT ON FUNCTION @extschema@.cdr_report_change(numeric, numeric) IS
'for a page, how far a number is from what it was before';

-- A percentage of a percentage is read wrongly.
CREATE FUNCTION @extschema@.cdr_report_points(ratio numeric, before numeric)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN ratio IS NULL OR before IS NULL THEN '&#8211;'
			ELSE CASE sign(round(100 * (ratio - before), 1)) WHEN 1 THEN '+' WHEN -1 THEN '&#8722;' ELSE '&#177;' END ||
				 @extschema@.cdr_report_number(abs(100 * (ratio - before)), 1) || ' points' END;

COMMENT ON FUNCTION @extschema@.cdr_report_points(numeric, numeric) IS
'for a page, how far a ratio is from what it was before, in points of a hundred';

CREATE FUNCTION @extschema@.cdr_report_length(seconds numeric)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN seconds IS NULL THEN '&#8211;'
			WHEN seconds < 3600 THEN div(round(seconds), 60) || to_char(mod(round(seconds), 60), 'FM":"00')
			ELSE @extschema@.cdr_report_number(div(round(seconds), 3600)) ||
				 to_char(div(mod(round(seconds), 3600), 60), 'FM":"00') || to_char(mod(round(seconds), 60), 'FM":"00') END;

COMMENT ON FUNCTION @extschema@.cdr_report_length(numeric) IS
'seconds for a page, as minutes and seconds, or hours, minutes and seconds';

CREATE FUNCTION @extschema@.cdr_report_table(caption text, columns text[], rows text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '<div class="wide"><table><caption>' || caption || '</caption><thead><tr>' ||
	(SELECT string_agg('<th scope="col"' || CASE WHEN c IN ('outcome', 'fault', 'tenant', 'to', 'level', 'subject') THEN ' class="text"' ELSE '' END || '>' || c || '</th>',
					   '' ORDER BY n) FROM unnest(columns) WITH ORDINALITY AS t (c, n)) ||
	'</tr></thead><tbody>' || COALESCE(rows, format('<tr><td class="text" colspan="%s">none</td></tr>', cardinality(columns))) || '</tbody></table></div>';

COMMENT ON FUNCTION @extschema@.cdr_report_table(text, text[], text) IS
'a table of a page, of rows that are markup already';

CREATE FUNCTION @extschema@.cdr_report_time(at numeric, zone text, shown text DEFAULT 'YYYY-MM-DD HH24:MI')
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN COALESCE(to_char(to_timestamp(at::float8) AT TIME ZONE zone, shown), '&#8211;');

COMMENT ON FUNCTION @extschema@.cdr_report_time(numeric, text, text) IS
'for a page, a time in seconds since 1970, as the clocks of a zone show it';

-- The first cell names the row, of the others each is a figure.
CREATE FUNCTION @extschema@.cdr_report_row(name text, VARIADIC cells text[])
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '<tr><th scope="row">' || name || '</th>' ||
	(SELECT string_agg('<td' || CASE WHEN c ~ '^<(bdi|i)>' THEN ' class="text">' ELSE '>' END || COALESCE(c, '&#8211;') || '</td>', '' ORDER BY n) FROM unnest(cells) WITH ORDINALITY AS t (c, n)) || '</tr>';

COMMENT ON FUNCTION @extschema@.cdr_report_row(text, text[]) IS
'a row of a table of a page, of cells that are markup already';

-- The page around what it says.  Contrast of text is at least 4.5 in both schemes.
CREATE FUNCTION @extschema@.cdr_report_page(title text, body text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"/><meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/><meta name="robots" content="noindex"/><title>' || title || '</title><style>
:root { color-scheme: light dark; --page: #fff; --panel: #f5f6f8; --text: #1a2230; --soft: #5a6475; --line: #d9dee6; --accent: #1d5fa8;
	--answered: #24806b; --presumed: #83c5b3; --busy: #e0a12f; --no_answer: #8296b5; --canceled: #b49bd3; --failed: #c9453c;
	--warn: #fff4d6; --warn-text: #5c4300; }
@media (prefers-color-scheme: dark) { :root { --page: #14181f; --panel: #1d232d; --text: #e7ebf1; --soft: #a3adbd; --line: #343d4b;
	--accent: #7db4f0; --answered: #3fae92; --presumed: #2c6557; --busy: #d9a441; --no_answer: #6f84a6; --canceled: #9c82c2; --failed: #e2675d;
	--warn: #3d3212; --warn-text: #f7dfa0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2.5rem 1.5rem 3rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.75rem 0 .75rem; padding-top: 1rem; border-top: 2px solid var(--line); }
h3 { font-size: 1rem; margin: 1.75rem 0 .4rem; } h2 + h3, h2 + .two h3, h2 + figure h3 { margin-top: .5rem; }
p { margin: .3rem 0 .8rem; max-width: 46rem; }
.soft, caption, .legend, figcaption { color: var(--soft); }
.warn { background: var(--warn); color: var(--warn-text); border-radius: 6px; padding: .6rem .9rem; margin: .6rem 0; max-width: none; }
.tiles { display: grid; grid-template-columns: repeat(6, 1fr); gap: .75rem; margin: 1.5rem 0; padding: 0; list-style: none; }
.tiles li { background: var(--panel); border-radius: 8px; padding: .8rem 1rem; }
.tiles b { display: block; font-size: 1.65rem; line-height: 1.25; font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; }
.tiles small { display: block; color: var(--soft); font-size: .82rem; }
.few { color: var(--soft); font-style: italic; }
figure { margin: .5rem 0 0; }
svg { display: block; width: 100%; height: auto; font-size: 9px; } .two svg { font-size: 15px; }
svg text { fill: var(--soft); }
svg .mark { fill: var(--text); font-weight: 600; }
.grid { stroke: var(--line); stroke-width: 1; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: .3rem 0 .4rem; padding: 0; list-style: none; font-size: .85rem; }
.legend i { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em; }
.answered { fill: var(--answered); background: var(--answered); } .presumed { fill: var(--presumed); background: var(--presumed); }
.busy { fill: var(--busy); background: var(--busy); } .no_answer { fill: var(--no_answer); background: var(--no_answer); }
.canceled { fill: var(--canceled); background: var(--canceled); } .failed { fill: var(--failed); background: var(--failed); }
.up { fill: var(--accent); fill-opacity: .22; background: var(--accent); stroke: var(--accent); stroke-width: 1.5; }
path.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .line.answered { stroke: var(--answered); } .line.busy { stroke: var(--busy); }
.line.canceled { stroke: var(--canceled); } .line.failed { stroke: var(--failed); } .line.up { stroke: var(--accent); fill-opacity: 1; }
circle.pale { fill-opacity: .35; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .2rem 0 .4rem; }
th, td { padding: .28rem .55rem; border-bottom: 1px solid var(--line); text-align: right; font-weight: 400; white-space: nowrap; }
th:first-child, .text { text-align: left; }
tbody th { overflow-wrap: anywhere; white-space: normal; min-width: 8.5rem; }
thead th { color: var(--soft); font-size: .8rem; vertical-align: bottom; }
tr.sum > * { font-weight: 600; border-top: 2px solid var(--line); }
details { margin: .5rem 0 0; } summary { cursor: pointer; color: var(--accent); font-size: .87rem; width: fit-content; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: 0 2.5rem; } .two > * { min-width: 0; } .two.tables { grid-template-columns: 1fr; } .two.tables > * + * h3 { margin-top: 1.75rem; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .25rem 1.2rem; margin: 0; font-size: .87rem; } dt { font-weight: 600; } dd { margin: 0; }
pre { background: var(--panel); border-radius: 6px; padding: .8rem 1rem; font: .78rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
@media (max-width: 1100px) { .tiles { grid-template-columns: repeat(3, 1fr); } }
@media (max-width: 600px) { main { padding: 1.25rem 1rem 2rem; } h1 { font-size: 1.5rem; } .tiles { grid-template-columns: 1fr 1fr; }
	.tiles b { font-size: 1.35rem; } svg, .two svg { font-size: 19px; } .minor { display: none; } th, td { padding: .28rem .4rem; } dl { grid-template-columns: 1fr; } dd { margin-bottom: .5rem; } }
@media print { :root { color-scheme: light; --page: #fff; --panel: #f5f6f8; --text: #000; --soft: #444; --line: #ccc; --accent: #1d5fa8; --answered: #24806b;
	--presumed: #83c5b3; --busy: #e0a12f; --no_answer: #8296b5; --canceled: #b49bd3; --failed: #c9453c; --warn: #fff4d6; --warn-text: #5c4300; }
	body { font-size: 10pt; } main { max-width: none; padding: 0; } summary { display: none; } figure, tr, .tiles, dl > * { break-inside: avoid; } .tiles { grid-template-columns: repeat(6, 1fr); gap: .4rem; }
	.tiles li { padding: .5rem .6rem; } .tiles b { font-size: 1.15rem; } .two { grid-template-columns: 1fr 1fr; gap: 0 1.5rem; }
	h2, h3 { break-after: avoid; } * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } .wide { overflow: visible; } th, td { white-space: normal; } }
</style></head><body><main>
' || body || '
</main></body></html>
';

COMMENT ON FUNCTION @extschema@.cdr_report_page(text, text) IS
'the page of a report: a style for screens, dark ones and paper, and what it says';
