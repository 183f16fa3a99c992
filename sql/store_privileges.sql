-- Who may, and who may not.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_cdr_nobody, regress_cdr_ingester, regress_cdr_reader, regress_cdr_monitor, regress_cdr_thief;
RESET client_min_messages;
\set VERBOSITY terse
CREATE ROLE regress_cdr_nobody;
CREATE ROLE regress_cdr_ingester;
CREATE ROLE regress_cdr_reader;
CREATE ROLE regress_cdr_monitor IN ROLE pg_monitor;
CREATE ROLE regress_cdr_thief;

-- only a superuser may install: the library is in C
SET ROLE regress_cdr_nobody;
CREATE EXTENSION cdr_service;
RESET ROLE;

CREATE SCHEMA cdr;
CREATE EXTENSION cdr_service SCHEMA cdr;
GRANT USAGE ON SCHEMA cdr TO PUBLIC;
SET search_path = cdr;

-- the tables belong to a role that can do nothing else, and no function lends
-- the rights of whoever installed
SELECT relname, relowner::regrole FROM pg_class
WHERE relnamespace = 'cdr'::regnamespace AND relkind IN ('r', 'p') AND relname NOT LIKE 'cdr\_%' ORDER BY relname COLLATE "C";
SELECT rolsuper, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,
	(SELECT count(*) FROM pg_auth_members WHERE member = r.oid) AS member_of
FROM pg_roles AS r WHERE rolname = 'cdr_service';
SELECT p.oid::regprocedure FROM pg_proc AS p WHERE pronamespace = 'cdr'::regnamespace AND prosecdef;

-- what PUBLIC may execute: what tells nothing, what reads with the
-- caller's own rights, and what cannot be called
SELECT p.oid::regprocedure FROM pg_proc AS p
WHERE pronamespace = 'cdr'::regnamespace AND has_function_privilege('regress_cdr_nobody', p.oid, 'EXECUTE')
ORDER BY p.oid::regprocedure::text COLLATE "C";
-- the owner of the tables no more than that
SELECT p.oid::regprocedure FROM pg_proc AS p
WHERE pronamespace = 'cdr'::regnamespace AND has_function_privilege('cdr_service', p.oid, 'EXECUTE')
AND NOT has_function_privilege('regress_cdr_nobody', p.oid, 'EXECUTE') ORDER BY 1;
-- and pg_monitor besides
SELECT p.oid::regprocedure FROM pg_proc AS p
WHERE pronamespace = 'cdr'::regnamespace AND has_function_privilege('regress_cdr_monitor', p.oid, 'EXECUTE')
AND NOT has_function_privilege('regress_cdr_nobody', p.oid, 'EXECUTE') ORDER BY 1;
-- tables: nobody's but the owner's; what causes mean, everybody may read
SELECT c.relname, r.rolname, p.privilege FROM pg_class AS c, pg_roles AS r,
	 unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p(privilege)
WHERE relnamespace = 'cdr'::regnamespace AND relkind IN ('r', 'p') AND rolname LIKE 'regress\_cdr\_%'
AND has_table_privilege(r.oid, c.oid, p.privilege) ORDER BY 1, 2, 3;

-- nobody may do anything
SET ROLE regress_cdr_nobody;
SELECT cdr_ingest_event('{"callId":"x"}');
SELECT cdr_ingest_events(ARRAY['{"callId":"x"}']::json[]);
SELECT cdr_retry_dead_letters();
SELECT cdr_discard_dead_letters('{}');
SELECT * FROM cdr_status();
SELECT cdr_stats_reset();
SELECT cdr_pause();
SELECT cdr_resume();
SELECT cdr_create_partitions(now(), now());
SELECT * FROM cdr_calls_from_log();
SELECT * FROM cdr_verify_calls();
SELECT cdr_rebuild_calls();
SELECT cdr_correct_call('x', '{"trunk":null}', 'because');
SELECT cdr_withdraw_correction('x', '{trunk}', 'because');
SELECT cdr_close_stale_calls('1 day', 'because');
SELECT * FROM cdr_stale_calls;
SELECT * FROM cdr_call_history('x');
SELECT * FROM cdr_call_segments('x');
SELECT * FROM calls;
SELECT * FROM call_events;
SELECT * FROM call_events_default;
SELECT * FROM dead_letters;
SELECT count(*) FROM pg_settings WHERE name = 'cdr_service.amqp_uri';
RESET ROLE;

-- EXECUTE is all that an ingester needs, and all that it gets
GRANT EXECUTE ON FUNCTION cdr_ingest_event(json), cdr_ingest_events(json[]) TO regress_cdr_ingester;
SET ROLE regress_cdr_ingester;
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"x","timestamp":"2026-01-19T22:00:00Z","from":"1001","to":"1002"}');
SELECT cdr_ingest_events(ARRAY['{"eventType":"call.ended","callId":"x","timestamp":"2026-01-19T22:00:09Z"}']::json[]);
-- and afterwards it is itself again, also after an error
SELECT current_user;
SELECT cdr_ingest_event('[]');
SELECT current_user;
SELECT * FROM calls;
DELETE FROM call_events;
SELECT cdr_verify_calls();
RESET ROLE;
SELECT call_id, status, direction FROM calls;

-- a reader reads the tables and the story, and writes nothing
GRANT SELECT ON calls, call_events TO regress_cdr_reader;
SET ROLE regress_cdr_reader;
SELECT call_id, status FROM calls;
SELECT event_type, description FROM cdr_call_history('x');
SELECT call_id FROM cdr_stale_calls;
UPDATE calls SET hangup_cause = 'busy';
SELECT * FROM dead_letters;
RESET ROLE;
-- who may read calls alone is told which are open, though not of when the log says
BEGIN;
REVOKE SELECT ON call_events FROM regress_cdr_reader;
SELECT cdr_ingest_event('{"eventType":"call.ringing","callId":"ahead","timestamp":"2099-01-19T22:00:00Z"}');
SELECT call_id, silent_for >= '0' AS "by receipt" FROM cdr_stale_calls;
SET ROLE regress_cdr_reader;
SELECT call_id, silent_for FROM cdr_stale_calls;
ROLLBACK;

-- each of the others can be granted by itself
GRANT EXECUTE ON FUNCTION cdr_verify_calls, cdr_rebuild_calls, cdr_create_partitions(timestamptz, timestamptz),
	cdr_retry_dead_letters(uuid[]), cdr_discard_dead_letters(uuid[]) TO regress_cdr_reader;
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, body_size, body) VALUES
	('00000000-0000-0000-0000-00000000000a', now(), now(), 'P0001', 'x', 14, '{"callId":"y"}'),
	('00000000-0000-0000-0000-00000000000b', now(), now(), 'P0001', 'x', 1, 'x');
UPDATE calls SET hangup_cause = 'busy';
SET ROLE regress_cdr_reader;
SELECT count(*) FROM cdr_verify_calls();
SELECT cdr_rebuild_calls();
SELECT cdr_create_partitions('2026-01-01', '2026-02-01');
SELECT cdr_retry_dead_letters();
SELECT cdr_discard_dead_letters(ARRAY['00000000-0000-0000-0000-00000000000b']::uuid[]);
SELECT current_user;
RESET ROLE;
-- who corrects needs EXECUTE and nothing else, and the log says who it was
GRANT EXECUTE ON FUNCTION cdr_correct_call, cdr_withdraw_correction, cdr_close_stale_calls TO regress_cdr_nobody;
SET ROLE regress_cdr_nobody;
SELECT cdr_correct_call('x', '{"trunk":"gw-1"}', 'because') IS NOT NULL AS corrected;
SELECT cdr_withdraw_correction('x', '{trunk}', 'because') IS NOT NULL AS withdrawn;
SELECT cdr_close_stale_calls('1 day', 'because');
SELECT current_user;
SELECT * FROM call_events;
RESET ROLE;
SELECT event_type, payload ->> 'currentUser' AS current_user, payload ->> 'sessionUser' = session_user AS "session_user", payload ->> 'reason' AS reason
FROM call_events WHERE time_source = 'f' ORDER BY event_time;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA cdr FROM regress_cdr_nobody;
-- what was made belongs to the role of the tables
SELECT count(*) FROM pg_class WHERE relnamespace = 'cdr'::regnamespace AND relkind IN ('r', 'p') AND relowner <> 'cdr_service'::regrole AND relname NOT LIKE 'cdr\_%';
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA cdr FROM regress_cdr_reader;

-- nobody bends what runs with the owner's rights: functions, operators, tables
-- and types of the attacker's stand first in its search_path
CREATE SCHEMA trap AUTHORIZATION regress_cdr_thief;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA cdr TO regress_cdr_thief;
SET ROLE regress_cdr_thief;
CREATE FUNCTION trap.caught() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped as %', current_user; END $$;
CREATE FUNCTION trap.count(anyelement) RETURNS bigint LANGUAGE sql AS $$ SELECT trap.caught(); SELECT 0::bigint $$;
CREATE FUNCTION trap.unnest(anyarray) RETURNS SETOF anyelement LANGUAGE sql AS $$ SELECT trap.caught(); SELECT $1[1] $$;
CREATE FUNCTION trap.to_jsonb(anyelement) RETURNS jsonb LANGUAGE sql AS $$ SELECT trap.caught(); SELECT '{}'::jsonb $$;
CREATE FUNCTION trap.format(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS $$ SELECT trap.caught(); SELECT '' $$;
CREATE FUNCTION trap.same(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped as %', current_user; END $$;
CREATE FUNCTION trap.same_id(uuid, uuid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped as %', current_user; END $$;
CREATE FUNCTION trap.same_id(uuid, uuid[]) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped as %', current_user; END $$;
CREATE FUNCTION trap.later(timestamptz, timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped as %', current_user; END $$;
CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.same);
CREATE OPERATOR trap.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.same);
CREATE OPERATOR trap.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = trap.same_id);
CREATE OPERATOR trap.> (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = trap.same_id);
CREATE OPERATOR trap.< (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = trap.later);
CREATE OPERATOR trap.>= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = trap.later);
CREATE TABLE trap.calls (call_id text);
CREATE TABLE trap.call_events (call_id text);
CREATE TABLE trap.dead_letters (event_id uuid);
CREATE DOMAIN trap.timestamptz AS pg_catalog.timestamptz CHECK (trap.caught() IS NULL);
SET search_path = trap, pg_catalog, cdr;
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"z","timestamp":"2026-01-19T22:00:00Z"}');
SELECT cdr_ingest_events(ARRAY['{"eventType":"user.identified.for_call","callId":"z","timestamp":"2026-01-19T22:00:00Z"}', '{"eventType":"call.ended","callId":"z"}']::json[]);
SELECT cdr_create_partitions('2026-03-01', '2026-03-01');
SELECT cdr_retry_dead_letters();
SELECT cdr_discard_dead_letters('{}');
SELECT call_id FROM cdr_verify_calls();
SELECT cdr_rebuild_calls();
SELECT call_id FROM cdr_calls_from_log();
SELECT cdr_correct_call('z', '{"end_time":"2026-01-19T22:00:00Z","contact_id":1}', 'because') IS NOT NULL AS corrected;
SELECT cdr_withdraw_correction('z', '{end_time}', 'because') IS NOT NULL AS withdrawn;
SELECT cdr_close_stale_calls('1 day', 'because');
SELECT count(*) > 0 AS listed FROM cdr_stale_calls;
SELECT event_type FROM cdr_call_history('z');
RESET ROLE;
SET search_path = cdr;
SELECT call_id, status FROM calls ORDER BY call_id;

-- a trigger of whoever may make one runs as the owner of the tables, whoever
-- calls, and what it may do is restricted
GRANT TRIGGER ON calls TO regress_cdr_thief;
SET ROLE regress_cdr_thief;
CREATE FUNCTION trap.escalate() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	attempt text;
BEGIN
	RAISE WARNING 'runs as %', current_user;
	FOREACH attempt IN ARRAY ARRAY[
		'CREATE TEMP TABLE left_behind ()', 'SET ROLE regress_cdr_nobody', 'RESET ROLE',
		'RESET SESSION AUTHORIZATION', 'CREATE ROLE regress_cdr_trojan', 'ALTER ROLE regress_cdr_thief SUPERUSER']
	LOOP
		BEGIN
			EXECUTE attempt;
			RAISE WARNING 'worked: %', attempt;
		EXCEPTION WHEN OTHERS THEN
			-- what it says differs between versions
			RAISE WARNING '%: %', attempt, SQLSTATE;
		END;
	END LOOP;
	RETURN NEW;
END $$;
CREATE TRIGGER escalate BEFORE INSERT ON cdr.calls FOR EACH ROW EXECUTE FUNCTION trap.escalate();
SELECT cdr.cdr_ingest_event('{"eventType":"call.started","callId":"escalate","timestamp":"2026-01-19T22:00:00Z"}');
RESET ROLE;
SELECT cdr.cdr_ingest_event('{"eventType":"call.started","callId":"escalate more","timestamp":"2026-01-19T22:00:00Z"}');
DROP TRIGGER escalate ON calls;

-- temporary objects are no way in either
GRANT TEMPORARY ON DATABASE :DBNAME TO regress_cdr_thief;
SET ROLE regress_cdr_thief;
SET search_path = cdr;
CREATE TEMP TABLE calls (call_id text);
CREATE TEMP TABLE call_events (call_id text);
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"temp","timestamp":"2026-01-19T22:00:00Z"}');
SELECT count(*) FROM pg_temp.calls;
RESET ROLE;
DROP TABLE pg_temp.calls, pg_temp.call_events;
REVOKE TEMPORARY ON DATABASE :DBNAME FROM regress_cdr_thief;
SELECT call_id, status FROM calls WHERE call_id = 'temp';

-- nor is a function of the extension's names, for types that a column may have
GRANT CREATE ON SCHEMA cdr TO regress_cdr_thief;
SET ROLE regress_cdr_thief;
CREATE FUNCTION cdr.cdr_event_json(body bytea, event_type varchar) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
	RAISE WARNING 'planted, and run as %', current_user;
	RETURN NULL;
END $$;
RESET ROLE;
ALTER TABLE call_events ALTER event_type TYPE varchar(100);
UPDATE call_events SET payload = NULL, body = '' WHERE call_id = 'temp';
SELECT event_type FROM cdr_call_history('temp');
DELETE FROM calls WHERE call_id = 'temp';
DELETE FROM call_events WHERE call_id = 'temp';

-- a schema that was renamed leaves its name to whoever takes it
GRANT CREATE ON DATABASE :DBNAME TO regress_cdr_thief;
ALTER SCHEMA cdr RENAME TO cdr_renamed;
SET ROLE regress_cdr_thief;
CREATE SCHEMA cdr;
GRANT USAGE ON SCHEMA cdr TO PUBLIC;
CREATE FUNCTION cdr.cdr_load_guard(tag text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	RAISE WARNING 'planted, and run as %', current_user;
END $$;
RESET ROLE;
CREATE TABLE trap.harmless ();
DROP TABLE trap.harmless;
DROP TABLE cdr_renamed.calls CASCADE;
DROP SCHEMA cdr CASCADE;
ALTER SCHEMA cdr_renamed RENAME TO cdr;
REVOKE CREATE ON DATABASE :DBNAME FROM regress_cdr_thief;

-- a partition goes nowhere where the owner of the tables may not make one
SET default_tablespace = pg_global;
SELECT cdr_create_partitions('2026-05-01', '2026-05-01');
RESET default_tablespace;

SELECT count(*) FROM cdr_verify_calls();
SET client_min_messages = warning;
DROP SCHEMA trap CASCADE;
SET cdr_service.allow_drop = on;
DROP SCHEMA cdr CASCADE;
DROP ROLE regress_cdr_nobody, regress_cdr_ingester, regress_cdr_reader, regress_cdr_monitor, regress_cdr_thief;
