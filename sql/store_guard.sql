-- Tables that hold rows are not dropped, unless cdr_service.allow_drop is on.
CREATE SCHEMA cdr;
CREATE EXTENSION cdr_service SCHEMA cdr;
SET search_path = cdr, public;
SET timezone = 'UTC';

-- empty tables are no loss; PostgreSQL has them go with the extension only
DROP TABLE calls;
DROP TABLE calls CASCADE;
DROP TABLE call_events, dead_letters;
CREATE EXTENSION cdr_service SCHEMA cdr;

SELECT cdr_create_partitions('2026-01-01', '2026-01-01');
SELECT cdr_ingest_events(ARRAY['{"eventType":"call.ended","callId":"x","timestamp":"2026-01-19T22:00:00Z"}', '{"eventType":"call.started","callId":"x","timestamp":"1999-01-19T22:00:00Z"}']::json[]);

-- each way to drop them, in a session that has not loaded the library yet
\c -
SET search_path = cdr, public;
DROP TABLE call_events CASCADE;
\c -
SET search_path = cdr, public;
\set VERBOSITY terse
DROP SCHEMA cdr CASCADE;
DROP OWNED BY cdr_service CASCADE;
\set VERBOSITY default
\c -
SET search_path = cdr, public;
DROP TABLE call_events_20260101;
DROP TABLE call_events;
DROP TABLE calls CASCADE;
DROP TABLE IF EXISTS public.nothing, call_events_20260101;
-- also where the extension goes first, in any order
DROP TABLE dead_letters, calls, call_events CASCADE;

-- without the extension, the tables stay, and are nobody's but the DBA's
BEGIN;
DROP EXTENSION cdr_service;
SELECT count(*) FROM call_events;
DROP TABLE call_events_20260101;
ROLLBACK;

-- by whoever owns them
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_cdr_owner;
RESET client_min_messages;
CREATE ROLE regress_cdr_owner;
ALTER TABLE call_events_20260101 OWNER TO regress_cdr_owner;
SET ROLE regress_cdr_owner;
DROP TABLE cdr.call_events_20260101;
RESET ROLE;
GRANT USAGE ON SCHEMA cdr TO regress_cdr_owner;
SET ROLE regress_cdr_owner;
DROP TABLE cdr.call_events_20260101;
RESET ROLE;
DROP OWNED BY regress_cdr_owner;
ALTER TABLE call_events_20260101 OWNER TO cdr_service;
REVOKE USAGE ON SCHEMA cdr FROM regress_cdr_owner;
DROP ROLE regress_cdr_owner;

-- one table with rows is enough
DELETE FROM call_events;
\set VERBOSITY terse
DROP SCHEMA cdr CASCADE;
DELETE FROM calls;
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, body_size, body) VALUES (gen_random_uuid(), now(), now(), '22P02', 'x', 1, 'x');
DROP SCHEMA cdr CASCADE;
\set VERBOSITY default

-- nothing was lost of it all
SELECT count(*) FROM dead_letters;
SELECT cdr_ingest_event('{"eventType":"call.ended","callId":"x","timestamp":"2026-01-19T22:00:00Z"}');

-- other tables are nobody's business, with rows or without
CREATE TABLE public.other AS SELECT 1 AS one;
DROP TABLE public.other;
CREATE SCHEMA other CREATE TABLE calls (call_id text);
INSERT INTO other.calls VALUES ('x');
\set VERBOSITY terse
DROP SCHEMA other CASCADE;
\set VERBOSITY default
-- temporary tables of the same name go with the session
CREATE TEMP TABLE calls AS SELECT 1 AS one;
DROP TABLE pg_temp.calls;

-- what rewrites or empties a table is not dropping it
ALTER TABLE calls ALTER COLUMN direction TYPE varchar(10);
ALTER TABLE calls ALTER COLUMN direction TYPE text;
VACUUM FULL calls;
CLUSTER calls USING calls_pkey;
TRUNCATE dead_letters;
ALTER TABLE call_events ADD COLUMN note text;
ALTER TABLE call_events DROP COLUMN note;
SELECT count(*) FROM calls;

-- retention: detached, a partition is a table like any other
ALTER TABLE call_events DETACH PARTITION call_events_20260101;
DROP TABLE call_events_20260101;

-- by mappings, the log can be read again
BEGIN;
INSERT INTO cdr_mappings (name, definition) SELECT 'kamailio', cdr_mapping_preset('kamailio');
DROP EXTENSION cdr_service;
ROLLBACK;

-- allowed
SET cdr_service.allow_drop = on;
BEGIN;
DROP TABLE calls CASCADE;
ROLLBACK;
SET client_min_messages = warning;
DROP SCHEMA cdr CASCADE;
