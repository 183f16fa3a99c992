-- What is hung on the tables neither hides a hold, nor keeps something that was said to be erased.
CREATE EXTENSION cdr_service;
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SELECT cdr_create_erasure_tables();
SELECT cdr_ingest_events(array_agg(('{"eventType":"call.started","callId":"c' || i || '","timestamp":"2026-03-02T10:00:00Z","from":"+1202555010' || i || '"}')::json)) FROM generate_series(1, 3) AS i;
SELECT cdr_ingest_events(ARRAY['{"eventType":"user.identified.for_call","callId":"c1","userId":"u"}'::json]);
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, body_size, body)
SELECT '00000000-0000-0000-0000-000000000001', now(), now(), '22023', 'no event', length(b), convert_to(b, 'UTF8') FROM unnest(ARRAY['+12025550101 ' || U&'\00e9']) AS b;
CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;

-- a trigger, or a rule, that keeps rows as they were: nothing is erased, and that is told
CREATE FUNCTION try(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said text;
BEGIN
	EXECUTE command;
	RAISE EXCEPTION 'erased: %', (SELECT format('%s calls, %s letters', calls, dead_letters) FROM cdr_erase(number => '+12025550101', reason => 'asked'));
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS said = MESSAGE_TEXT;
	RETURN SQLSTATE || ' ' || said;
END $$;
SELECT try(format('CREATE TRIGGER stay BEFORE %s ON %s FOR EACH ROW EXECUTE FUNCTION stay()', act, name)) AS trigger,
	try(format('CREATE RULE stay AS ON %s TO %s DO INSTEAD NOTHING', act, name)) AS rule
FROM (VALUES ('UPDATE', 'calls'), ('UPDATE', 'call_events'), ('UPDATE', 'timeless_events'), ('DELETE', 'dead_letters'), ('INSERT', 'cdr_erased_calls'), ('DELETE', 'calls')) AS t(act, name);
SELECT count(*) AS calls FROM calls WHERE call_id LIKE 'c_';

-- a hold that a policy hides from the owner holds all the same
SET client_min_messages = error;
SELECT cdr_hold('a case', call_id => 'c1') IS NOT NULL AS held;
SELECT try(format('ALTER TABLE %1$I ENABLE ROW LEVEL SECURITY; ALTER TABLE %1$I FORCE ROW LEVEL SECURITY', name)) AS forced,
	try(format('ALTER TABLE %1$I ENABLE ROW LEVEL SECURITY', name)) AS enabled
FROM unnest('{cdr_holds,calls,call_events_default,dead_letters,timeless_events}'::text[]) AS t(name);
RESET client_min_messages;
SELECT cdr_set_retention(NULL, 'events', '0', 'a test', 'a test'), cdr_set_retention(NULL, 'dead_letters', '0', 'a test', 'a test');
ALTER TABLE cdr_holds ENABLE ROW LEVEL SECURITY;
ALTER TABLE cdr_holds FORCE ROW LEVEL SECURITY;
CALL cdr_apply_retention();
ALTER TABLE cdr_holds NO FORCE ROW LEVEL SECURITY;

-- strings of another kind: a letter that cannot be read is held, and is found
SET escape_string_warning = off;
SET standard_conforming_strings = off;
SELECT count(*) FROM cdr_erasure_plan(number => '+12025550101') WHERE kind = 'dead letter' AND held_by IS NOT NULL;
CALL cdr_apply_retention();
RESET standard_conforming_strings;
SELECT (SELECT count(*) FROM dead_letters) AS letters, (SELECT count(*) FROM call_events WHERE call_id = 'c1') AS events;
-- a number that no call has so is refused, where it would hold or find nothing
SELECT cdr_hold('a case', number => 'sip:+12025550101@example.org');
SELECT cdr_hold('a case', number => '+1 (202) 555-0101');
SELECT cdr_erase(number => '+1 202 555 0101', reason => 'asked');
SELECT count(*) FROM cdr_erasure_plan(number => 'TEL:+12025550101');
SELECT cdr_hold('a case', number => 'alice-b.c') IS NOT NULL AS a, cdr_hold('a case', number => '*#12025550101') IS NOT NULL AS b;
-- who may say that a partition was detached has no code of his own run as the owner
CREATE FUNCTION lent() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'run as % of calls', CASE current_user WHEN (SELECT relowner::regrole::text FROM pg_class WHERE oid = 'calls'::regclass) THEN 'owner' END; END $$;
CREATE VIEW planted AS SELECT lent() AS event_time;
GRANT SELECT ON planted TO PUBLIC;
SELECT cdr_note_detached('planted', 'a test');
DROP VIEW planted;
CREATE TABLE planted (event_time timestamptz, recorded_at timestamptz);
INSERT INTO planted VALUES (now());
ALTER TABLE planted ENABLE ROW LEVEL SECURITY;
CREATE POLICY planted ON planted USING (lent() IS NOT NULL);
GRANT SELECT ON planted TO PUBLIC;
SELECT cdr_note_detached('planted', 'a test');
DROP TABLE planted;
DROP FUNCTION lent;
-- foreign keys onto calls: an erased call has another key, which they follow, or forget; or nothing is erased
SELECT cdr_release_hold(hold_id, 'over') IS NOT NULL AS released FROM cdr_holds WHERE released_at IS NULL;
SELECT count(cdr_ingest_event(json_build_object('eventType', 'call.started', 'callId', 'k' || i, 'timestamp', '2026-01-05T12:00:00Z', 'from', '+12025550177'))) FROM generate_series(1, 3) AS i;
CREATE TABLE x_follows (call_id text COLLATE "C" REFERENCES calls ON UPDATE CASCADE);
CREATE TABLE x_forgets (call_id text COLLATE "C" REFERENCES calls ON UPDATE SET NULL);
CREATE TABLE x_stays (call_id text COLLATE "C" REFERENCES calls);
INSERT INTO x_follows VALUES ('k1'), ('k2');
INSERT INTO x_forgets VALUES ('k1');
INSERT INTO x_stays VALUES ('k2');
SELECT calls FROM cdr_erase(call_id => 'k1', reason => 'asked');
SELECT calls FROM cdr_erase(number => '+12025550177', reason => 'asked');
SELECT count(*) FILTER (WHERE c.call_id LIKE 'erased:%') AS followed, (SELECT count(*) FROM x_forgets WHERE call_id IS NULL) AS forgotten FROM x_follows AS f JOIN calls AS c USING (call_id);
SELECT count(*) AS whole FROM calls JOIN call_events USING (call_id) WHERE call_id IN ('k2', 'k3') AND caller_number = '+12025550177';
DROP TABLE x_stays;
CREATE TABLE x_later (call_id text COLLATE "C" REFERENCES calls DEFERRABLE INITIALLY DEFERRED);
INSERT INTO x_later VALUES ('k2');
SELECT calls FROM cdr_erase(number => '+12025550177', reason => 'asked');
-- one that is deferred is refused, until it is not: then it says who still names the call
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT calls FROM cdr_erase(call_id => 'k2', reason => 'asked');
ROLLBACK;
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
DELETE FROM x_later;
SELECT calls FROM cdr_erase(call_id => 'k2', reason => 'asked');
COMMIT;
SELECT calls FROM cdr_erase(call_id => 'k3', reason => 'asked');
DROP TABLE x_later;
SELECT calls FROM cdr_erase(number => '+12025550177', reason => 'asked');
DROP TABLE x_follows, x_forgets;
DROP TABLE cdr_erasures, cdr_erased_calls, cdr_erasure_keys, cdr_holds, cdr_retention, cdr_retired, cdr_leaf_stubs, cdr_unlogged;
DROP FUNCTION try;
DROP EXTENSION cdr_service;
SET cdr_service.allow_drop = on;
DROP TABLE calls, call_events, dead_letters, timeless_events;
DROP FUNCTION stay;
