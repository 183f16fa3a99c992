-- doc/reference.md is what the catalogs are: settings by name, default, range and when they
-- take effect; columns by type; arguments of functions.  Each column, function and view has
-- a comment.
SET client_min_messages = warning;
LOAD 'cdr_service';
CREATE EXTENSION cdr_service;
\set text `cat "$PG_ABS_SRCDIR/doc/reference.md"`
CREATE TABLE document AS SELECT :'text' AS text;

-- the rows of a table of the document, without the marks of code
CREATE FUNCTION rows_of(section text) RETURNS SETOF text[] LANGUAGE sql AS $$
	SELECT regexp_split_to_array(trim(BOTH '| ' FROM line), '\s*\|\s*')
	FROM document, regexp_split_to_table(text, '\n#+ ') AS part, regexp_split_to_table(part, '\n') AS line
	WHERE starts_with(part, section || E'\n') AND line ~ '^\| `' $$;

-- ---------------------------------------------------------------------------
-- Settings
-- ---------------------------------------------------------------------------

-- a value with a unit, in the unit of the setting
CREATE FUNCTION in_unit(value text, unit text) RETURNS numeric LANGUAGE sql AS $$
	SELECT (regexp_match(value, '^-?[\d.]+'))[1]::numeric
		* COALESCE(f.factor, 1) / COALESCE(t.factor, 1)
	FROM (VALUES (1)) AS one
	LEFT JOIN (VALUES ('ms', 1), ('s', 1000), ('min', 60000), ('h', 3600000), ('d', 86400000),
		('B', 1), ('kB', 1024), ('MB', 1048576)) AS f(name, factor) ON f.name = regexp_replace(value, '^-?[\d.]+', '')
	LEFT JOIN (VALUES ('ms', 1), ('s', 1000), ('min', 60000), ('B', 1), ('kB', 1024), ('MB', 1048576)) AS t(name, factor)
		ON t.name = unit AND f.name IS NOT NULL $$;
CREATE TABLE settings AS
SELECT translate(r[1], '`', '') AS name, translate(r[2], '`', '') AS value, translate(r[3], '`', '') AS range,
	split_part(split_part(r[4], ',', 1), ';', 1) AS effect, r[4] LIKE '%, S' AS is_secret, r[4] LIKE '%SET%' AS is_set
FROM unnest('{Broker,Worker,Events and tables}'::text[]) AS section, rows_of(section) AS r
WHERE r[2] <> 'default';
SELECT count(*) > 25 AS many FROM settings;
SELECT d.name AS documented, s.name AS there, d.value, s.boot_val, s.unit
FROM settings AS d FULL JOIN pg_settings AS s ON s.name = 'cdr_service.' || d.name
WHERE (s.name LIKE 'cdr\_service.%' OR s.name IS NULL) AND NOT COALESCE(
	CASE WHEN s.vartype = 'integer' THEN in_unit(d.value, s.unit) = s.boot_val::numeric
		WHEN d.value = 'empty' THEN s.boot_val = ''
		ELSE d.value = s.boot_val END, false);
SELECT d.name, d.range, s.min_val, s.max_val, s.unit, s.enumvals
FROM settings AS d JOIN pg_settings AS s ON s.name = 'cdr_service.' || d.name
WHERE NOT CASE s.vartype
	WHEN 'integer' THEN in_unit(split_part(d.range, ' to ', 1), s.unit) = s.min_val::numeric
		AND in_unit(split_part(d.range, ' to ', 2), s.unit) = s.max_val::numeric
	WHEN 'enum' THEN string_to_array(d.range, ', ') @> s.enumvals AND string_to_array(d.range, ', ') <@ s.enumvals
	ELSE d.range = '' END;
-- (without preloading, what needs a restart is what any setting is)
SELECT d.name, d.effect, d.is_set, s.context
FROM settings AS d JOIN pg_settings AS s ON s.name = 'cdr_service.' || d.name
WHERE NOT CASE WHEN d.effect = 'restart' THEN s.context = 'postmaster' OR current_setting('shared_preload_libraries') !~ 'cdr_service'
	WHEN d.is_set THEN s.context IN ('user', 'superuser')
	ELSE s.context = 'sighup' END;
CREATE ROLE regress_reference;
GRANT SELECT ON settings TO regress_reference;
SET ROLE regress_reference;
SELECT d.name, d.is_secret FROM settings AS d
WHERE is_secret = EXISTS (SELECT FROM pg_settings AS s WHERE s.name = 'cdr_service.' || d.name);
RESET ROLE;
SELECT name AS says_nothing FROM pg_settings WHERE name LIKE 'cdr\_service.%' AND COALESCE(short_desc, '') = '';

-- ---------------------------------------------------------------------------
-- Columns
-- ---------------------------------------------------------------------------

CREATE FUNCTION short(type text) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(replace(replace(type, 'timestamp with time zone', 'timestamptz'), 'double precision', 'float8'), '"', '', 'g') $$;
SELECT t AS "table", d.r[1] AS documented, d.r[2] AS type, a.attname AS there, short(format_type(a.atttypid, a.atttypmod)) AS is
FROM unnest('{calls,call_events,dead_letters,timeless_events}'::text[]) AS t
CROSS JOIN LATERAL (SELECT r, n FROM rows_of(t) WITH ORDINALITY AS x(r, n)) AS d
LEFT JOIN pg_attribute AS a ON a.attrelid = t::regclass AND a.attname = translate(d.r[1], '`', '')
WHERE replace(short(d.r[2]), ', generated', '') IS DISTINCT FROM short(format_type(a.atttypid, a.atttypmod))
OR (d.r[2] LIKE '%, generated') <> (a.attgenerated <> '');
-- the columns of cdr_status()
SELECT d.r[1] AS documented, d.r[2] AS type, a.type AS is
FROM rows_of('cdr_status') WITH ORDINALITY AS d(r, n)
FULL JOIN (SELECT proargnames[i] AS name, short(format_type(proallargtypes[i], NULL)) AS type, row_number() OVER (ORDER BY i) AS n
	FROM pg_proc, generate_subscripts(proargnames, 1) AS i WHERE proname = 'cdr_status' AND proargmodes[i] IN ('o', 't')) AS a
	ON a.n = d.n AND a.name = translate(d.r[1], '`', '')
WHERE short(d.r[2]) IS DISTINCT FROM a.type;

-- ---------------------------------------------------------------------------
-- Functions
-- ---------------------------------------------------------------------------

-- each argument that is documented with a type is one of a function of that name
CREATE TABLE arguments AS
SELECT m[1] AS function, regexp_replace(argument, '^(INOUT|VARIADIC) | DEFAULT .*', '', 'g') AS argument
FROM document, regexp_matches(text, '`(?:CALL )?(cdr_\w+)\(([^`]*)\)`', 'g') AS m, regexp_split_to_table(m[2], ', ') AS argument
WHERE argument ~ '^\w+ [a-z]' AND argument !~ '=>|''';
SELECT count(*) > 300 AS many FROM arguments;
SELECT DISTINCT function, argument FROM arguments AS d
WHERE NOT EXISTS (SELECT FROM pg_proc AS p,
		regexp_split_to_table(short(pg_get_function_arguments(p.oid)), ', ') AS a
	WHERE p.proname = d.function
	AND regexp_replace(regexp_replace(a, '^(IN|OUT|INOUT|VARIADIC) ', ''), ' DEFAULT .*', '') = replace(d.argument, '"', ''))
ORDER BY 1, 2;

-- ---------------------------------------------------------------------------
-- Comments
-- ---------------------------------------------------------------------------

SELECT pg_describe_object(classid, objid, 0) AS uncommented
FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'cdr_service')
AND classid IN ('pg_class'::regclass, 'pg_proc'::regclass)
AND obj_description(objid, classid::regclass::name) IS NULL ORDER BY 1;
SELECT attrelid::regclass, attname AS uncommented
FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid AND relkind IN ('r', 'p', 'v')
WHERE attnum > 0 AND NOT attisdropped AND col_description(attrelid, attnum) IS NULL
AND (attrelid IN ('calls'::regclass, 'call_events'::regclass, 'dead_letters'::regclass, 'timeless_events'::regclass)
	OR attrelid IN (SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass AND deptype = 'e'
		AND refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'cdr_service')))
ORDER BY attrelid::regclass::text, attnum;

-- what is made on demand, too: each function that makes tables or views is called
CREATE TABLE was AS SELECT oid AS relation FROM pg_class;
SELECT count(query_to_xml(format('SELECT %s()', oid::regproc), false, false, '')) AS makers FROM pg_proc
WHERE proname ~ '^cdr_create_\w+_(tables|views?)$';
CREATE VIEW made AS SELECT oid::regclass AS relation FROM pg_class
WHERE relkind IN ('r', 'v') AND relnamespace = 'public'::regnamespace AND oid NOT IN (SELECT relation FROM was)
AND relname NOT IN ('was', 'made');
SELECT relation, obj_description(relation) AS what FROM made ORDER BY relation::text;
SELECT relation, attname AS uncommented FROM made JOIN pg_attribute ON attrelid = relation
WHERE attnum > 0 AND COALESCE(col_description(relation, attnum), '') = '' ORDER BY relation::text, attnum;
-- the document has them
SELECT d.documented, d.columns, m.relation, m.columns AS is
FROM (SELECT translate(r[1], '`', '') AS documented, translate(r[3], '`', '') AS columns FROM rows_of('Made on demand') AS r) AS d
FULL JOIN (SELECT relation, string_agg(attname, ', ' ORDER BY attnum) AS columns FROM made JOIN pg_attribute ON attrelid = relation
	WHERE attnum > 0 GROUP BY relation) AS m ON m.relation::text = d.documented
WHERE d.columns IS DISTINCT FROM m.columns AND COALESCE(d.columns, '') !~ '^those of'
ORDER BY m.relation::text;
-- what the comments say
SELECT relation, attname, col_description(relation, attnum) AS what FROM made JOIN pg_attribute ON attrelid = relation
WHERE attnum > 0 AND relation NOT IN ('tenant_calls'::regclass, 'tenant_call_events'::regclass) ORDER BY relation::text, attnum;

DROP EXTENSION cdr_service;
SET cdr_service.allow_drop = on;
SELECT format('DROP %s %s CASCADE', CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, relation)
FROM made JOIN pg_class AS c ON c.oid = relation ORDER BY relkind DESC, relation::text \gexec
DROP VIEW made;
DROP TABLE was;
DROP TABLE calls, call_events, dead_letters, timeless_events;
DROP TABLE settings, arguments, document;
DROP FUNCTION rows_of, in_unit, short;
DROP ROLE regress_reference;
