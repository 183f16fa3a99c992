-- Rows of tables become events: once, in any order, behind live events, and with
-- the rights of whoever asks for it.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_cdr_backfiller;
RESET client_min_messages;
\set VERBOSITY terse

-- read by the mapping that is named, which nothing else is read by
INSERT INTO cdr_mappings (name, definition, enabled)
SELECT 'pbx', cdr_mapping_preset('csv_asterisk', '{"zone":"Europe/Berlin"}'), false;
CREATE TABLE old (accountcode text, src text, dst text, start text, answer text, "end" text, disposition text, uniqueid text);
INSERT INTO old VALUES
	('t1', '1001', '+12025550199', '2026-03-08 21:00:00', '2026-03-08 21:00:03', '2026-03-08 21:02:30', 'ANSWERED', 'a.1'),
	('t1', '1001', '1002', '2026-03-08 21:05:00', NULL, '2026-03-08 21:05:09', 'BUSY', 'a.2'),
	('t2', '+12025550123', '1002', '2026-03-08 21:06:00', '', '2026-03-08 21:06:30', 'NO ANSWER', 'a.3');
CALL cdr_backfill('pbx', 'TABLE old');
CREATE VIEW said AS
	SELECT call_id, caller_number AS caller, callee_number AS callee, direction, start_time::time AS start, answer_time::time AS answer,
		end_time::time AS "end", duration_seconds AS seconds, billable_seconds AS billable, disposition, tenant_id AS tenant, event_count AS events
	FROM calls ORDER BY call_id COLLATE "C";
TABLE said;
SELECT count(*), count(DISTINCT mapping), min(event_type) FROM call_events;
-- the log keeps that they were rows, and of which mapping
SELECT DISTINCT properties::text FROM call_events;
SELECT cdr_ingest_event('{"uniqueid":"nobody''s","callId":"native","eventType":"call.started","timestamp":"2026-03-08T20:00:00Z"}');
SELECT mapping FROM call_events WHERE call_id = 'native';

-- again, in another order, in portions of one, and by the other way: nothing new
CALL cdr_backfill('pbx', 'SELECT * FROM old ORDER BY start DESC', portion => 1);
CALL cdr_backfill('pbx', 'SELECT to_json(o) FROM old AS o');
CALL cdr_backfill('pbx', 'SELECT row_to_json(o)::text::json FROM old AS o UNION ALL SELECT to_json(o) FROM old AS o');
SELECT * FROM cdr_ingest_rows('pbx', (SELECT array_agg(to_json(o) ORDER BY start DESC) FROM old AS o));
-- one more, and one twice
INSERT INTO old VALUES ('t1', '1003', '1002', '2026-03-08 22:00:00', NULL, '2026-03-08 22:00:04', 'FAILED', 'a.4');
CALL cdr_backfill('pbx', 'TABLE old UNION ALL TABLE old');
SELECT count(*) FROM call_events;
SELECT count(*) FROM cdr_verify_calls();
-- without rows there is nothing to do
CALL cdr_backfill('pbx', 'SELECT * FROM old WHERE false');
SELECT * FROM cdr_ingest_rows('pbx', '{}');
SELECT * FROM cdr_ingest_rows('pbx', NULL);
SELECT * FROM cdr_ingest_rows('pbx', '{NULL}');
CALL cdr_backfill('pbx', 'SELECT NULL::json');
CALL cdr_backfill('pbx', 'SELECT NULL');

-- JSON of the same row is the same whatever is set in a session
CREATE TABLE typed (uniqueid text, start timestamptz, "end" timestamp, f float8, i interval, b bytea, m money, d date);
INSERT INTO typed VALUES ('t.1', '2026-03-08T20:00:00Z', '2026-03-08T21:00:09', 0.1::float8 + 0.2::float8, '1 day 2 hours', '\x00ff', 12.5, '2026-03-08');
CALL cdr_backfill('pbx', 'TABLE typed');
SET timezone = 'Asia/Tokyo';
SET datestyle = 'SQL, DMY';
SET intervalstyle = 'sql_standard';
SET extra_float_digits = -5;
SET bytea_output = 'escape';
CALL cdr_backfill('pbx', 'TABLE typed');
SHOW intervalstyle;
SET timezone = 'UTC';
RESET datestyle;
RESET intervalstyle;
RESET extra_float_digits;
RESET bytea_output;
SELECT start_time, end_time FROM calls WHERE call_id = 't.1';
SELECT payload FROM call_events WHERE call_id = 't.1';

-- live events stand above rows, whichever came first
CREATE FUNCTION live(id text) RETURNS bigint LANGUAGE sql AS $$
	SELECT cdr_ingest_events(ARRAY[
		format('{"eventType":"call.started","callId":"%s","timestamp":"2026-03-08T20:00:01.5Z","from":"1001","to":"1009"}', id),
		format('{"eventType":"call.ended","callId":"%s","timestamp":"2026-03-08T20:02:31.5Z","reason":"normal_clearing"}', id)]::json[])
$$;
CREATE TABLE both_ways AS
	SELECT 't1'::text AS accountcode, '1001'::text AS src, '1002'::text AS dst, '2026-03-08 21:00:00'::text AS start,
		'2026-03-08 21:00:03'::text AS answer, '2026-03-08 21:02:30'::text AS "end", 'ANSWERED'::text AS disposition, id AS uniqueid
	FROM unnest('{live first,rows first}'::text[]) AS id;
SELECT live('live first');
CALL cdr_backfill('pbx', 'TABLE both_ways');
SELECT live('rows first');
SELECT * FROM said WHERE call_id ~ 'first';
SELECT count(*) FROM cdr_verify_calls();

-- what cannot be read is a dead letter, and costs its neighbours nothing
INSERT INTO cdr_mappings (name, definition, enabled)
SELECT 'strict', cdr_mapping_preset('csv_asterisk', '{"zone":"Europe/Berlin","strict":true}'), false;
SELECT * FROM cdr_ingest_rows('strict', ARRAY[
	'{"uniqueid":"s.1","start":"2026-03-08 21:00:00","end":"2026-03-08 21:00:09"}',
	'{"start":"2026-03-08 21:00:00","end":"2026-03-08 21:00:09"}',
	'{"uniqueid":"s.2","start":"2026-03-08 21:00:00","end":"yesterday"}',
	'{"uniqueid":"s\u0000.3","start":"2026-03-08 21:00:00","end":"2026-03-08 21:00:09"}',
	'[1]', '"a row"', 'null', '{}',
	json_build_object('uniqueid', repeat('x', 256), 'end', '2026-03-08 21:00:09'),
	json_build_object('uniqueid', 's.large', 'end', '2026-03-08 21:00:09', 'x', repeat('x', 1100000)),
	json_build_object('uniqueid', 's.giant', 'end', '2026-03-08 21:00:09', 'x', repeat('x', 17000000)),
	'{"uniqueid":"s.4","start":"2026-03-08 21:00:00","end":"2026-03-08 21:00:09"}']::json[]);
SELECT sqlstate, message, properties, body_size, octet_length(body) FROM dead_letters ORDER BY message COLLATE "C", body_size;
SELECT call_id FROM calls WHERE call_id ~ '^s' ORDER BY 1;
-- without strictness it is told of: no call, no time
SELECT * FROM cdr_ingest_rows('pbx', ARRAY['{"start":"2026-03-08 21:00:00"}', '{"uniqueid":"u","end":"yesterday"}']::json[]);
-- or all is refused
CALL cdr_backfill('strict', $$SELECT 's.5' AS uniqueid, e AS "end" FROM unnest('{2026-03-08 21:00:09,yesterday}'::text[]) AS e$$, keep_refused => false);
SELECT * FROM cdr_ingest_rows('strict', ARRAY['{"uniqueid":"s.6","end":"2026-03-08 21:00:09"}', '{"uniqueid":"s.7"}']::json[], false);
SELECT count(*) FROM calls WHERE call_id ~ '^s.[5-7]';
-- a dead letter is a row of its mapping for ever, and explained by it
SELECT DISTINCT x.value, x.note FROM dead_letters AS d, cdr_explain_dead_letter(d.event_id) AS x
WHERE d.properties ->> 'mapping' = 'strict' AND x.register = 'message' AND x."column" = 'mapping';
SELECT cdr_retry_dead_letters();
INSERT INTO cdr_mappings (name, definition, enabled)
VALUES ('strict', '{"strict":true,"zone":"UTC","event":{"time":{"from":"start","as":"local"},"call_id":"uniqueid"}}', false);
SELECT cdr_retry_dead_letters();
SELECT call_id, m.name, m.version FROM call_events AS e JOIN cdr_mappings AS m ON m.id = e.mapping WHERE call_id = 's.2';
BEGIN;
DELETE FROM call_events WHERE call_id ~ '^s';
DELETE FROM cdr_mappings WHERE name = 'strict';
SELECT cdr_retry_dead_letters();
SELECT message, count(*) FROM dead_letters GROUP BY 1 ORDER BY message COLLATE "C";
ROLLBACK;
SELECT cdr_discard_dead_letters((SELECT array_agg(event_id) FROM dead_letters)) > 0 AS discarded;
-- what tables refuse, likewise
ALTER TABLE calls ADD CONSTRAINT no_tenant CHECK (tenant_id <> 'nobody');
SELECT * FROM cdr_ingest_rows('pbx', ARRAY['{"uniqueid":"c.1","accountcode":"nobody","start":"2026-03-08 21:00:00","end":"2026-03-08 21:00:09"}', '{"uniqueid":"c.2","start":"2026-03-08 21:00:00","end":"2026-03-08 21:00:09"}']::json[]);
SELECT * FROM cdr_ingest_rows('pbx', ARRAY['{"uniqueid":"c.1","accountcode":"nobody","start":"2026-03-08 21:00:00","end":"2026-03-08 21:00:09"}']::json[], false);
ALTER TABLE calls DROP CONSTRAINT no_tenant;
SELECT cdr_retry_dead_letters();

-- the mapping that is named: the newest version that is enabled, else the newest
SELECT * FROM cdr_ingest_rows('none', '{}');
CALL cdr_backfill('none', 'TABLE old');
INSERT INTO cdr_mappings (name, definition, enabled) VALUES
	('v', '{"match":{"exchange":"x","where":{"kind":"cdr"}},"event":{"time":"t","call_id":{"const":"one"}}}', true),
	('v', '{"match":{"exchange":"x","where":{"kind":"cdr"}},"event":{"time":"t","call_id":{"const":"two"}}}', false);
SELECT stored FROM cdr_ingest_rows('v', ARRAY['{"kind":"cdr","t":"2026-03-08T20:00:00Z","n":1}']::json[]);
UPDATE cdr_mappings SET enabled = false WHERE name = 'v';
SELECT stored FROM cdr_ingest_rows('v', ARRAY['{"kind":"cdr","t":"2026-03-08T20:00:00Z","n":2}']::json[]);
SELECT payload ->> 'n' AS n, call_id FROM call_events WHERE payload ->> 'kind' = 'cdr' ORDER BY 1;
-- whatever it matches, but what it asks of the body has to hold
SELECT * FROM cdr_ingest_rows('v', ARRAY['{"kind":"other","callId":"other","eventType":"call.started"}']::json[]);
SELECT sqlstate, message FROM dead_letters;
SELECT cdr_discard_dead_letters((SELECT array_agg(event_id) FROM dead_letters));
-- by another version it is still the same row
SELECT stored, known FROM cdr_ingest_rows('v', ARRAY['{"kind":"cdr","t":"2026-03-08T20:00:00Z","n":1}', '{"kind":"cdr","t":"2026-03-08T20:00:00Z","n":3}']::json[]);
SELECT payload ->> 'n' AS n, call_id FROM call_events WHERE payload ->> 'kind' = 'cdr' ORDER BY 1;
-- and read anew by the one that reads rows of that mapping now, whatever is in force
BEGIN;
INSERT INTO cdr_mappings (name, priority, definition) VALUES ('greedy', 100, '{"event":{"call_id":{"const":"greedy"}}}');
CREATE TEMPORARY TABLE before AS SELECT event_id, call_id, properties::text FROM call_events;
SELECT cdr_rebuild_calls(remap => true);
SELECT e.payload ->> 'n' AS n, b.call_id AS before, e.call_id, e.properties::text = b.properties AS "still a row", m.version
FROM call_events AS e JOIN (SELECT event_id, call_id, properties FROM before) AS b(event_id, call_id, properties) USING (event_id)
JOIN cdr_mappings AS m ON m.id = e.mapping WHERE m.name = 'v' ORDER BY 1;
SELECT m.name, count(*), count(*) FILTER (WHERE e.call_id = b.call_id) AS unmoved
FROM call_events AS e LEFT JOIN before AS b USING (event_id) LEFT JOIN cdr_mappings AS m ON m.id = e.mapping GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM cdr_verify_calls();
ROLLBACK;

-- what a query is
CALL cdr_backfill('pbx', 'WITH d AS (DELETE FROM old RETURNING *) TABLE d');
CALL cdr_backfill('pbx', 'DELETE FROM old RETURNING *');
CALL cdr_backfill('pbx', 'SHOW work_mem');
CALL cdr_backfill('pbx', 'EXPLAIN TABLE old');
CALL cdr_backfill('pbx', 'TABLE old; TABLE old');
CALL cdr_backfill('pbx', 'COMMIT');
CALL cdr_backfill('pbx', 'SELECT * INTO new FROM old');
CALL cdr_backfill('pbx', 'COPY old TO STDOUT');
CALL cdr_backfill('pbx', '');
CALL cdr_backfill('pbx', 'SELECT $1');
CALL cdr_backfill('pbx', 'TABLE nowhere');
CALL cdr_backfill('pbx', NULL);
CALL cdr_backfill(NULL, 'TABLE old');
CALL cdr_backfill('pbx', 'TABLE old', portion => 0);
CALL cdr_backfill('pbx', 'TABLE old', portion => 10001);
CALL cdr_backfill('pbx', 'TABLE old', portion => NULL);
CALL cdr_backfill('pbx', 'SELECT');
SELECT count(*) FROM old;

-- where nothing can be committed
\set VERBOSITY default
BEGIN;
CALL cdr_backfill('pbx', 'TABLE old');
ROLLBACK;
\set VERBOSITY terse
CREATE FUNCTION in_function() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE $q$CALL cdr_backfill('pbx', 'TABLE old')$q$; END $$;
SELECT in_function();
CALL cdr_backfill('pbx', 'SELECT in_function()');
SET default_transaction_read_only = on;
CALL cdr_backfill('pbx', 'TABLE old');
RESET default_transaction_read_only;
-- where it can
DO $$
DECLARE
	n bigint; s bigint; k bigint; d bigint; c bigint; t bigint;
BEGIN
	CALL cdr_backfill('pbx', 'TABLE old', rows_read => n, stored => s, known => k, dead_letters => d, without_call => c, without_time => t);
	RAISE NOTICE '% rows, % known', n, k;
END $$;

-- all rows are JSON before one of them is recorded: what that meets leaves nothing
CREATE TYPE tripwire AS ENUM ('none', 'error', 'cancel', 'internal');
CREATE FUNCTION trip(tripwire) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
	IF $1 = 'error' THEN RAISE 'tripped'; END IF;
	IF $1 = 'cancel' THEN PERFORM pg_cancel_backend(pg_backend_pid()); END IF;
	IF $1 = 'internal' THEN RAISE 'cache lookup failed' USING ERRCODE = 'XX000'; END IF;
	RETURN to_json($1::text);
END $$;
CREATE CAST (tripwire AS json) WITH FUNCTION trip(tripwire);
CREATE TABLE many AS
	SELECT 'm.' || n AS uniqueid, '2026-03-08 21:00:00'::timestamp + n * interval '1 s' AS start,
		'2026-03-08 21:00:05'::timestamp + n * interval '1 s' AS "end", 'none'::tripwire AS wire
	FROM generate_series(1, 95) AS n;
\set VERBOSITY default
\set in_order '''SELECT * FROM many ORDER BY start'''
UPDATE many SET wire = 'error' WHERE uniqueid = 'm.35';
CALL cdr_backfill('pbx', :in_order, portion => 10);
UPDATE many SET wire = 'internal' WHERE uniqueid = 'm.35';
CALL cdr_backfill('pbx', :in_order, portion => 10);
UPDATE many SET wire = 'none' WHERE uniqueid = 'm.35';
UPDATE many SET wire = 'cancel' WHERE uniqueid = 'm.75';
\set VERBOSITY terse
CALL cdr_backfill('pbx', :in_order, portion => 10);
SELECT count(*) FROM calls WHERE call_id ~ '^m\.';
UPDATE many SET wire = 'none';

-- whatever ends it later: what was committed stays, and to repeat it adds the rest
\set VERBOSITY default
CALL cdr_backfill('pbx', $$SELECT CASE WHEN uniqueid = 'm.35' THEN '[1]' ELSE row_to_json(many) END FROM many ORDER BY start$$, portion => 10, keep_refused => false);
\set VERBOSITY terse
SELECT count(*) FROM calls WHERE call_id ~ '^m\.';
CREATE TABLE wires AS SELECT 'm.75' AS call_id, 'cancel'::tripwire AS wire;
CREATE FUNCTION trip_recording() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
	PERFORM trip(wire) FROM wires WHERE call_id = NEW.call_id;
	RETURN NEW;
END $$;
CREATE TRIGGER trip BEFORE INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION trip_recording();
CALL cdr_backfill('pbx', :in_order, portion => 10);
SELECT count(*) FROM calls WHERE call_id ~ '^m\.';
DELETE FROM wires;
CALL cdr_backfill('pbx', :in_order, portion => 10);
SELECT count(*), count(*) FILTER (WHERE duration_seconds = 5) FROM calls WHERE call_id ~ '^m\.';
SELECT count(*) FROM cdr_verify_calls();
DROP TRIGGER trip ON call_events;

-- rights: to record rows is given to nobody, and lends none
CREATE ROLE regress_cdr_backfiller;
CREATE TABLE spied (who text, "by" name);
GRANT INSERT ON spied TO PUBLIC;
CREATE FUNCTION spy(who text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.spied VALUES (who, current_user); RETURN who; END $$;
CREATE FUNCTION spy_cast(tripwire) RETURNS json LANGUAGE plpgsql AS $$ BEGIN PERFORM public.spy('cast'); RETURN 'null'; END $$;
CREATE FUNCTION spy_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.spy('trigger'); RETURN NULL; END $$;
DROP CAST (tripwire AS json);
CREATE CAST (tripwire AS json) WITH FUNCTION spy_cast(tripwire);
CREATE TRIGGER spy AFTER INSERT ON call_events FOR EACH STATEMENT EXECUTE FUNCTION spy_trigger();
CREATE TABLE secret AS SELECT 'r.1' AS uniqueid, '2026-03-08 21:00:00' AS start, '2026-03-08 21:00:05' AS "end";
SET ROLE regress_cdr_backfiller;
CALL cdr_backfill('pbx', 'TABLE secret');
SELECT * FROM cdr_ingest_rows('pbx', ARRAY['{}']::json[]);
RESET ROLE;
GRANT EXECUTE ON PROCEDURE cdr_backfill TO regress_cdr_backfiller;
GRANT EXECUTE ON FUNCTION cdr_ingest_rows TO regress_cdr_backfiller;
SET ROLE regress_cdr_backfiller;
CALL cdr_backfill('pbx', 'TABLE secret');
CALL cdr_backfill('pbx', 'TABLE call_events');
CALL cdr_backfill('pbx', 'TABLE cdr_mappings');
CALL cdr_backfill('pbx', $$SELECT 'r.2' AS uniqueid, '2026-03-08 21:00:05' AS "end", spy('query'), 'none'::tripwire AS wire$$);
SELECT stored FROM cdr_ingest_rows('pbx', ARRAY['{"uniqueid":"r.3","end":"2026-03-08 21:00:05"}']::json[]);
RESET ROLE;
SELECT who, "by", count(*) FROM spied GROUP BY 1, 2 ORDER BY 1, 2;
SELECT call_id, end_time FROM calls WHERE call_id ~ '^r' ORDER BY 1;
-- nor can what is hung on the tables do more than whoever writes them
CREATE FUNCTION plant() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'CREATE TABLE public.planted ()'; RETURN NULL; END $$;
CREATE TRIGGER plant AFTER INSERT ON call_events FOR EACH STATEMENT EXECUTE FUNCTION plant();
SELECT stored, dead_letters FROM cdr_ingest_rows('pbx', ARRAY['{"uniqueid":"r.4","end":"2026-03-08 21:00:05"}']::json[]);
DROP TRIGGER plant ON call_events;
DROP TRIGGER spy ON call_events;
SELECT current_user = session_user AS "myself again", current_setting('search_path');

-- tables that do not fit
ALTER TABLE calls RENAME TO elsewhere;
\set VERBOSITY sqlstate
CALL cdr_backfill('pbx', 'TABLE old');
SELECT * FROM cdr_ingest_rows('pbx', ARRAY['{}']::json[]);
\set VERBOSITY terse
ALTER TABLE elsewhere RENAME TO calls;
CALL cdr_backfill('pbx', 'TABLE old');
SELECT count(*) FROM cdr_verify_calls();

REVOKE ALL ON PROCEDURE cdr_backfill FROM regress_cdr_backfiller;
REVOKE ALL ON FUNCTION cdr_ingest_rows FROM regress_cdr_backfiller;
DROP ROLE regress_cdr_backfiller;
SET client_min_messages = warning;
SET cdr_service.allow_drop = on;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters, timeless_events, old, typed, both_ways, many, wires, spied, secret CASCADE;
DROP TYPE tripwire CASCADE;
DROP FUNCTION live, in_function, spy, spy_trigger, plant, trip_recording;
