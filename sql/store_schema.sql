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

-- tables are no members, so that a dump writes them as a DBA has made them; the
-- extension depends on them, so that it writes them first
SELECT pg_describe_object(refclassid, refobjid, 0) AS "depends on", deptype
FROM pg_depend
WHERE classid = 'pg_extension'::regclass
AND objid = (SELECT oid FROM pg_extension WHERE extname = 'cdr_service')
ORDER BY pg_describe_object(refclassid, refobjid, 0) COLLATE "C";
-- (the one member holds the extension's own rows)
SELECT extconfig::regclass[], extcondition FROM pg_extension WHERE extname = 'cdr_service';
-- nor are privileges of theirs taken for the extension's own
SELECT count(*) FROM pg_init_privs
WHERE classoid IN ('pg_class'::regclass, 'pg_namespace'::regclass)
AND objoid IN ('call_events'::regclass, 'calls'::regclass, 'dead_letters'::regclass, 'public'::regnamespace)
AND privtype = 'e';

-- they belong to a role that can do nothing else
SELECT relname, relowner::regrole, relacl FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'cdr\_%' ORDER BY relname COLLATE "C";
SELECT rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls,
	   (SELECT count(*) FROM pg_auth_members WHERE member = r.oid) AS memberships,
	   has_schema_privilege(r.oid, 'public', 'CREATE') AS may_create
FROM pg_roles AS r WHERE rolname = 'cdr_service';

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

-- keys: the log's is its parent's, so that each partition has it
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

SELECT attname AS uncommented FROM pg_attribute
WHERE attrelid = 'calls'::regclass AND attnum > 0 AND col_description(attrelid, attnum) IS NULL;

-- generated columns cannot be written
INSERT INTO calls (call_id, duration_seconds, event_count, first_event_time, last_event_time)
VALUES ('x', 7, 1, now(), now());

-- the event trigger is there, and its function is no function to call
SELECT evtname, evtevent, evtenabled, evttags FROM pg_event_trigger
WHERE evtname LIKE 'cdr%';
SELECT cdr_guard_drops();

-- the settings are reserved: a misspelt one is an error
SET cdr_service.allow_drops = on;
SHOW cdr_service.allow_drop;

-- the tables outlive the extension, and are adopted as they are
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"kept","timestamp":"2026-01-19T22:00:00Z"}');
ALTER TABLE calls ADD COLUMN note text DEFAULT 'mine';
DROP EXTENSION cdr_service;
SELECT call_id, status, note FROM calls;
SELECT count(*) FROM pg_proc WHERE proname LIKE 'cdr\_%';
SELECT count(*) FROM pg_event_trigger WHERE evtname LIKE 'cdr%';
CREATE EXTENSION cdr_service;
SELECT cdr_ingest_events(ARRAY[
	'{"eventType":"call.started","callId":"kept","timestamp":"2026-01-19T22:00:00Z"}',
	'{"eventType":"call.ended","callId":"kept","timestamp":"2026-01-19T22:00:01Z"}']::json[]) AS new;
SELECT call_id, status, event_count, note FROM calls;

-- tables of another version: what they lack is added, and is as it was
CREATE FUNCTION columns_of(regclass) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('%s %s %s %s', attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid))
	FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
	WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped $$;
CREATE TABLE was AS SELECT t.name, c FROM (VALUES ('calls'), ('call_events'), ('dead_letters')) AS t(name), columns_of(name::regclass) AS c;
SET client_min_messages = warning;
ALTER TABLE calls DROP COLUMN answer_time CASCADE, DROP COLUMN end_time CASCADE, DROP COLUMN contact_id;
ALTER TABLE call_events DROP COLUMN body, DROP COLUMN trace_id;
ALTER TABLE dead_letters DROP COLUMN headers, DROP COLUMN attempts;
RESET client_min_messages;
SELECT cdr_ingest_event('{"eventType":"call.ended","callId":"kept","timestamp":"2026-01-19T22:00:02Z"}');
SELECT cdr_update_tables();
SELECT cdr_update_tables();
SELECT w.* FROM was AS w WHERE c NOT IN (SELECT columns_of(name::regclass));
SELECT cdr_ingest_event('{"eventType":"call.ended","callId":"kept","timestamp":"2026-01-19T22:00:02Z"}');
SELECT count(*) FROM cdr_rebuild_calls();
SELECT call_id, status, duration_seconds, event_count FROM calls;
DROP TABLE was;
DROP FUNCTION columns_of;

-- so are indexes, which are known by what they index, and are the owner's; one
-- of another kind, or of some rows only, is none of them
DROP INDEX call_events_recorded_at_idx, calls_attempt_time_idx;
CREATE INDEX calls_attempt_time_idx ON calls USING brin (attempt_time, start_time, first_event_time) WHERE event_count > 1;
CREATE INDEX calls_by_start ON calls (attempt_time, start_time, first_event_time);
SELECT cdr_update_tables();
ALTER INDEX call_events_recorded_at_idx RENAME TO renamed;
SELECT cdr_update_tables();
SELECT indexrelid::regclass AS index, pg_get_userbyid(relowner) AS owner, pg_get_indexdef(indexrelid) AS definition
FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid JOIN pg_am AS a ON a.oid = relam
WHERE amname = 'brin' ORDER BY indexrelid::regclass::text COLLATE "C";
DROP INDEX calls_attempt_time_idx, calls_by_start;

-- what does not fit is told by name, and nothing is stored
\set VERBOSITY terse
\set event '{"eventType":"call.ringing","callId":"kept","timestamp":"2026-01-19T22:00:00.5Z"}'
BEGIN;
ALTER TABLE calls DROP CONSTRAINT calls_pkey;
SELECT cdr_ingest_event(:'event');
ROLLBACK;
BEGIN;
ALTER TABLE call_events DROP CONSTRAINT call_events_pkey;
CREATE INDEX ON call_events (call_id, event_id, event_time);
SELECT cdr_ingest_event(:'event');
ROLLBACK;
BEGIN;
ALTER TABLE dead_letters DROP CONSTRAINT dead_letters_pkey;
CREATE UNIQUE INDEX ON dead_letters (event_id) WHERE attempts > 0;
SELECT cdr_retry_dead_letters();
ROLLBACK;
BEGIN;
ALTER TABLE calls ALTER COLUMN contact_id TYPE integer;
SELECT cdr_ingest_event(:'event');
ROLLBACK;
-- a time that is rounded is another one
BEGIN;
ALTER TABLE calls ALTER COLUMN ring_time TYPE timestamptz(3);
SELECT cdr_ingest_event(:'event');
ROLLBACK;
BEGIN;
CREATE DOMAIN seconds AS timestamptz(0);
ALTER TABLE calls ALTER COLUMN ring_time TYPE seconds;
SELECT cdr_ingest_event(:'event');
ROLLBACK;
BEGIN;
ALTER TABLE calls ALTER COLUMN ring_time TYPE timestamptz(6);
SELECT cdr_ingest_event(:'event');
ROLLBACK;
BEGIN;
ALTER TABLE calls ALTER COLUMN event_count DROP NOT NULL;
SELECT * FROM cdr_verify_calls();
ROLLBACK;
BEGIN;
ALTER TABLE calls ALTER COLUMN duration_seconds DROP EXPRESSION;
SELECT cdr_ingest_event(:'event');
ROLLBACK;
BEGIN;
ALTER TABLE call_events RENAME COLUMN payload TO body_text;
SELECT cdr_ingest_event(:'event');
ROLLBACK;
BEGIN;
ALTER TABLE calls RENAME TO call_records;
ALTER TABLE dead_letters RENAME TO calls;
ALTER TABLE call_records RENAME TO dead_letters;
SAVEPOINT s;
SELECT cdr_ingest_event(:'event');
ROLLBACK TO s;
SELECT cdr_update_tables();
ROLLBACK;
BEGIN;
ALTER TABLE calls RENAME TO call_records;
SAVEPOINT s;
SELECT cdr_rebuild_calls();
ROLLBACK TO s;
CREATE VIEW calls AS SELECT * FROM call_records;
SAVEPOINT s;
SELECT cdr_rebuild_calls();
ROLLBACK TO s;
SELECT cdr_adopt_tables();
ROLLBACK;
-- other tables in the place of all three are not those that an upgrade brought
BEGIN;
CREATE SCHEMA attic;
ALTER TABLE calls SET SCHEMA attic;
ALTER TABLE call_events SET SCHEMA attic;
ALTER TABLE dead_letters SET SCHEMA attic;
CREATE TABLE calls (LIKE attic.calls INCLUDING ALL);
CREATE TABLE call_events (LIKE attic.call_events INCLUDING ALL) PARTITION BY RANGE (event_time);
CREATE TABLE dead_letters (LIKE attic.dead_letters INCLUDING ALL);
ALTER TABLE call_events OWNER TO pg_monitor;
GRANT CREATE ON SCHEMA public TO PUBLIC;
SELECT cdr_adopt_tables();
ROLLBACK;
BEGIN;
ALTER TABLE call_events RENAME TO events;
CREATE TABLE call_events (LIKE events INCLUDING ALL);
SELECT cdr_create_partitions(now(), now());
ROLLBACK;
BEGIN;
ALTER TABLE dead_letters SET UNLOGGED;
SELECT cdr_discard_dead_letters('{}');
ROLLBACK;
BEGIN;
ALTER TABLE call_events_default SET UNLOGGED;
SELECT cdr_ingest_event(:'event');
ROLLBACK;
-- a rule that writes something else is told of, as long as it is there
BEGIN;
CREATE RULE nothing AS ON INSERT TO calls DO INSTEAD NOTHING;
SAVEPOINT s;
SELECT cdr_ingest_event(:'event');
ROLLBACK TO s;
DROP RULE nothing ON calls;
SELECT cdr_ingest_event(:'event');
ROLLBACK;
BEGIN READ ONLY;
SELECT cdr_adopt_tables();
ROLLBACK;
-- a table that was replaced is any table
BEGIN;
ALTER TABLE dead_letters RENAME TO old_letters;
SELECT cdr_adopt_tables();
SELECT cdr_retry_dead_letters();
DROP TABLE old_letters;
ROLLBACK;
-- partitions are given away with the log; what inherits from calls is not ours
BEGIN;
CREATE TABLE heir () INHERITS (calls);
SELECT cdr_adopt_tables('pg_monitor');
SELECT relname, relowner::regrole <> 'pg_monitor'::regrole AS kept FROM pg_class
WHERE relname IN ('heir', 'calls', 'call_events', 'call_events_default', 'dead_letters') ORDER BY relname COLLATE "C";
ROLLBACK;
-- a key of another name or make is a key; so is text of limited length
BEGIN;
ALTER TABLE calls DROP CONSTRAINT calls_pkey, ALTER COLUMN call_id TYPE varchar(300) COLLATE "C";
CREATE UNIQUE INDEX ON calls (call_id) INCLUDE (start_time);
SELECT cdr_ingest_event(:'event');
ROLLBACK;
-- but none to which two calls are one
BEGIN;
CREATE COLLATION regress_loose (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false);
CREATE UNIQUE INDEX loose ON calls (call_id COLLATE regress_loose);
SELECT cdr_ingest_event(:'event');
ROLLBACK;
-- without any partition there is nothing to store events in, and all to make
BEGIN;
ALTER TABLE call_events DETACH PARTITION call_events_default;
SELECT cdr_ingest_event(:'event');
ROLLBACK;
BEGIN;
ALTER TABLE call_events DETACH PARTITION call_events_default;
SELECT cdr_create_partitions('2026-01-19', '2026-01-20');
SELECT cdr_ingest_event(:'event');
ROLLBACK;
-- who made a partition owns it, and columns are not added to it
BEGIN;
\set VERBOSITY default
CREATE TABLE call_events_2031 PARTITION OF call_events FOR VALUES FROM ('2031-01-01Z') TO ('2032-01-01Z');
ALTER TABLE call_events DROP COLUMN trace_id;
SAVEPOINT s;
\set SHOW_CONTEXT never
SELECT cdr_update_tables();
\set SHOW_CONTEXT errors
ROLLBACK TO s;
SELECT cdr_adopt_tables('cdr_service');
SELECT cdr_update_tables();
\set VERBOSITY terse
ROLLBACK;
-- a superuser does not write, and is told what to do
BEGIN;
ALTER TABLE calls OWNER TO CURRENT_USER;
SAVEPOINT s;
\set VERBOSITY default
SELECT cdr_ingest_event(:'event');
\set VERBOSITY terse
ROLLBACK TO s;
SELECT cdr_adopt_tables(current_user);
ROLLBACK TO s;
SELECT cdr_adopt_tables('cdr_service');
SELECT cdr_ingest_event(:'event');
ROLLBACK;
\set VERBOSITY default

DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;

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
-- renamed by a trigger, in the midst of a statement
BEGIN;
CREATE FUNCTION rename_and_record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	IF pg_trigger_depth() = 1 THEN
		ALTER SCHEMA "odd Schema %s" RENAME TO renamed;
		PERFORM renamed.cdr_ingest_event(json_build_object('eventType', 'call.started', 'callId', 'other ' || NEW.call_id));
		ALTER SCHEMA renamed RENAME TO "odd Schema %s";
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER rename_and_record AFTER INSERT ON "odd Schema %s".calls FOR EACH ROW EXECUTE FUNCTION rename_and_record();
SELECT "odd Schema %s".cdr_ingest_event('{"eventType":"call.started","callId":"b","timestamp":"2026-01-19T22:00:00Z"}');
SELECT "odd Schema %s".cdr_ingest_event('{"eventType":"call.started","callId":"c","timestamp":"2026-01-19T22:00:00Z"}');
SELECT call_id FROM "odd Schema %s".calls ORDER BY call_id;
SELECT count(*) FROM "odd Schema %s".cdr_verify_calls();
ROLLBACK;
ALTER EXTENSION cdr_service SET SCHEMA public;
SET cdr_service.allow_drop = on;
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

-- for the scripts of later versions: the library that they need, and no batch meanwhile
CREATE EXTENSION cdr_service;
SELECT cdr_require_library('1.0'), cdr_require_library('0.9');
SELECT cdr_require_library('1.1');
SELECT cdr_require_library('10.0');
SELECT cdr_require_library('2');
SELECT cdr_require_library('1.0.1');
BEGIN;
SELECT cdr_hold_writers();
SELECT relation::regclass, mode FROM pg_locks
WHERE pid = pg_backend_pid() AND mode = 'ShareRowExclusiveLock' ORDER BY relation::regclass::text COLLATE "C";
ROLLBACK;
DROP EXTENSION cdr_service;
DROP TABLE call_events, calls, dead_letters, timeless_events;
