-- What CREATE EXTENSION makes: tables, keys, generated columns, functions.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

-- members of the extension
SELECT pg_describe_object(classid, objid, 0) AS member
FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'cdr_service')
AND classid IN ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_event_trigger'::regclass)
ORDER BY pg_describe_object(classid, objid, 0) COLLATE "C";

-- tables that a dump takes the rows of
SELECT c.oid::regclass AS dumped, condition
FROM pg_extension AS e, unnest(extconfig, extcondition) AS x(oid, condition)
JOIN pg_class AS c USING (oid)
WHERE extname = 'cdr_service' ORDER BY c.relname COLLATE "C";

-- not relocatable: functions name the schema
SELECT extrelocatable FROM pg_extension WHERE extname = 'cdr_service';

-- columns
SELECT attrelid::regclass AS "table", attnum AS n, attname AS "column",
	   format_type(atttypid, atttypmod) AS type,
	   CASE WHEN attnotnull THEN 'not null' END AS "null",
	   (SELECT collname FROM pg_collation AS l
		WHERE l.oid = attcollation AND collname <> 'default') AS "collation",
	   CASE attgenerated WHEN 's' THEN 'generated' ELSE pg_get_expr(adbin, adrelid) END AS "default"
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid IN ('call_events'::regclass, 'calls'::regclass, 'dead_letters'::regclass)
AND attnum > 0 AND NOT attisdropped
ORDER BY attrelid::regclass::text COLLATE "C", attnum;

-- the partitioning of the log
SELECT pg_get_partkeydef('call_events'::regclass);
SELECT relname, pg_get_expr(relpartbound, oid) FROM pg_class
WHERE relname = 'call_events_default';

-- keys: the parent of the log has none, its partitions have
SELECT conrelid::regclass AS "table", conname, pg_get_constraintdef(oid)
FROM pg_constraint
WHERE conrelid IN ('call_events'::regclass, 'call_events_default'::regclass,
				   'calls'::regclass, 'dead_letters'::regclass)
AND contype IN ('p', 'u', 'c', 'x', 'f')
ORDER BY conname COLLATE "C";
SELECT tablename, indexdef FROM pg_indexes
WHERE tablename IN ('call_events', 'call_events_default', 'calls', 'dead_letters')
ORDER BY indexname COLLATE "C";

-- functions
SELECT p.oid::regprocedure AS function,
	   l.lanname AS language,
	   CASE provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility,
	   proisstrict AS strict,
	   proparallel AS parallel,
	   prosecdef AS definer,
	   array_to_string(proconfig, '; ') AS config,
	   pg_get_function_result(p.oid) LIKE 'TABLE%' OR proretset AS set
FROM pg_proc AS p JOIN pg_language AS l ON l.oid = prolang
WHERE proname LIKE 'cdr\_%' ORDER BY p.oid::regprocedure::text COLLATE "C";

-- all that SECURITY DEFINER runs has its search_path pinned
SELECT proname FROM pg_proc
WHERE proname LIKE 'cdr\_%' AND prosecdef
AND NOT COALESCE(proconfig::text LIKE '%search_path=pg_catalog, pg_temp%', false);

-- nothing goes without a comment
SELECT pg_describe_object(classid, objid, 0) AS uncommented
FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'cdr_service')
AND classid IN ('pg_class'::regclass, 'pg_proc'::regclass)
AND objid <> 'call_events_default'::regclass
AND obj_description(objid, classid::regclass::name) IS NULL
ORDER BY 1;

-- generated columns cannot be written
INSERT INTO calls (call_id, status, event_count, first_event_time, last_event_time)
VALUES ('x', 'COMPLETED', 1, now(), now());

-- the event trigger is there, and its function is no function to call
SELECT evtname, evtevent, evtenabled, evttags FROM pg_event_trigger
WHERE evtname LIKE 'cdr%';
SELECT cdr_guard_drops();

-- the settings are reserved: a misspelt one is an error
SET cdr_service.allow_drops = on;
SHOW cdr_service.allow_drop;

DROP EXTENSION cdr_service;

-- nothing is left
SELECT count(*) FROM pg_class WHERE relname IN ('calls', 'call_events', 'call_events_default', 'dead_letters');
SELECT count(*) FROM pg_proc WHERE proname LIKE 'cdr\_%';
SELECT count(*) FROM pg_event_trigger WHERE evtname LIKE 'cdr%';

-- in a schema of another name, also one that needs quotes and holds a percent sign
CREATE SCHEMA "odd Schema %s";
CREATE EXTENSION cdr_service SCHEMA "odd Schema %s";
SELECT "odd Schema %s".cdr_ingest_events(ARRAY[
	'{"eventType":"call.started","callId":"a","timestamp":"2026-01-19T22:00:00Z","from":"1001","to":"1002"}',
	'{"eventType":"call.ended","callId":"a","timestamp":"2026-01-19T22:00:09Z","reason":"busy"}']::json[]);
SELECT call_id, status, disposition, direction, duration_seconds FROM "odd Schema %s".calls;
SELECT "odd Schema %s".cdr_create_partitions('2026-01-01', '2026-01-01');
SELECT event_type, description FROM "odd Schema %s".cdr_call_history('a');
SELECT count(*) FROM "odd Schema %s".cdr_verify_calls();
ALTER EXTENSION cdr_service SET SCHEMA public;
SET cdr_service.allow_drop = on;
DROP EXTENSION cdr_service;
DROP SCHEMA "odd Schema %s" CASCADE;

-- only where text is UTF-8
SELECT current_database() AS home \gset
CREATE DATABASE cdr_service_latin1 ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0;
\c cdr_service_latin1
\set VERBOSITY terse
CREATE EXTENSION cdr_service;
\set VERBOSITY default
\c :home
DROP DATABASE cdr_service_latin1;
