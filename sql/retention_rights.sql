-- What hangs on the tables, and what the caller has around, gains nothing by holds and retention.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
\set SHOW_CONTEXT never
CREATE ROLE regress_cdr_records;
CREATE ROLE regress_cdr_stranger;
CREATE SCHEMA lair AUTHORIZATION regress_cdr_stranger;
GRANT USAGE ON SCHEMA lair TO PUBLIC;
CREATE TABLE lair.seen (what text, who name, is_super boolean, tried text);
GRANT ALL ON lair.seen TO PUBLIC;
SELECT cdr_create_retention_tables(), cdr_create_evidence_tables();
SELECT cdr_create_partitions('2016-01-01', '2016-02-28') AS made;
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'call.started', 'callId', 'c' || n, 'timestamp', to_char(timestamp '2016-01-01' + n * interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'tenantId', 't' || n % 2))) FROM generate_series(0, 45) AS n;
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, body_size, body) SELECT gen_random_uuid(), '2016-01-01', now(), 'P0001', 'x', 1, 'x';
GRANT EXECUTE ON FUNCTION cdr_hold, cdr_release_hold, cdr_set_retention, cdr_end_retention, cdr_retention_plan, cdr_note_detached TO regress_cdr_records;
GRANT EXECUTE ON PROCEDURE cdr_apply_retention TO regress_cdr_records;

-- the owner of the tables plants what it can
CREATE FUNCTION lair.planted() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
	attempt text;
	tried text := '';
BEGIN
	FOREACH attempt IN ARRAY ARRAY['SET ROLE regress_cdr_records', 'RESET ROLE', 'SET SESSION AUTHORIZATION DEFAULT', 'CREATE ROLE regress_cdr_trojan',
		'GRANT pg_read_all_data TO regress_cdr_stranger', 'CREATE TEMP TABLE trojan ()', 'CREATE FUNCTION public.trojan() RETURNS int LANGUAGE sql AS ''SELECT 1''',
		'ALTER FUNCTION public.cdr_hold(text, text, text, text, text, text, timestamptz, timestamptz, timestamptz) SECURITY DEFINER', 'LISTEN trojan', 'COMMIT'] LOOP
		BEGIN
			EXECUTE attempt;
			tried := tried || attempt || '; ';
		EXCEPTION WHEN OTHERS THEN
			NULL;
		END;
	END LOOP;
	INSERT INTO lair.seen VALUES (TG_TABLE_NAME || ' ' || TG_OP, current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user), tried);
	RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE FUNCTION lair.note() RETURNS void LANGUAGE sql SET search_path = pg_catalog AS $$
	INSERT INTO lair.seen VALUES ('index', current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user), '') $$;
CREATE FUNCTION lair.pure(value text) RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
BEGIN
	PERFORM lair.note();
	RETURN value;
END $$;
DO $$
DECLARE
	planted text;
BEGIN
	FOREACH planted IN ARRAY ARRAY['calls', 'call_events', 'dead_letters', 'cdr_holds', 'cdr_retention', 'cdr_retired', 'cdr_leaf_stubs', 'cdr_unlogged'] LOOP
		EXECUTE format('CREATE TRIGGER planted BEFORE INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION lair.planted()', planted);
		EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER planted', planted);
	END LOOP;
	CREATE INDEX ON cdr_holds (lair.pure(reason));
	CREATE INDEX ON cdr_retired (lair.pure(action));
END $$;
TRUNCATE lair.seen;

-- and the caller has names of his own
SET cdr_service.evidence = on;
GRANT CREATE, TEMPORARY ON DATABASE :DBNAME TO regress_cdr_records;
SET SESSION AUTHORIZATION regress_cdr_records;
CREATE TEMP TABLE calls (call_id text, end_time timestamptz);
CREATE TEMP TABLE cdr_holds (hold_id uuid);
CREATE FUNCTION pg_temp.format(text, VARIADIC text[]) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught'; END $$;
CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'caught'; END $$;
SET search_path = pg_temp, public, pg_catalog;
SELECT public.cdr_hold('mine', call_id => 'c1') AS hold \gset
SELECT public.cdr_set_retention('t1', 'events', '1 year', 'x', 'mine');
SELECT public.cdr_set_retention(NULL, 'events', '2 years', 'x', 'mine');
SELECT public.cdr_set_retention(NULL, 'calls', '1 year', 'x', 'mine');
SELECT public.cdr_set_retention(NULL, 'dead_letters', '1 year', 'x', 'mine');
SELECT kind, action, sum(rows) AS rows, sum(held) AS held FROM public.cdr_retention_plan() GROUP BY 1, 2 ORDER BY 1, 2;
SET client_min_messages = warning;
CALL public.cdr_apply_retention(10);
RESET client_min_messages;
SELECT public.cdr_release_hold(:'hold', 'mine');
-- what would be a part of a statement is a value
SELECT public.cdr_set_retention('x'') OR true OR r.tenant_id = (''', 'calls', '1 year', E'a\nb', 'mine');
SELECT public.cdr_hold(E'"; DROP TABLE calls; --', call_id => ''' OR true --', tenant_id => '%s %I $1') IS NOT NULL AS held;
SELECT kind, action, rows, held FROM public.cdr_retention_plan();
SELECT public.cdr_end_retention('x'') OR true OR r.tenant_id = (''', 'calls', 'mine');
SELECT current_user, session_user, current_setting('search_path'), current_setting('lock_timeout');
RESET SESSION AUTHORIZATION;
SET search_path = public, pg_temp;
RESET cdr_service.evidence;

-- everything ran as the owner, and nothing worked
SELECT what, who, is_super, tried, count(*) > 0 AS ran FROM lair.seen GROUP BY 1, 2, 3, 4 ORDER BY what COLLATE "C";
SELECT count(*) FROM pg_roles WHERE rolname = 'regress_cdr_trojan';
SELECT prosecdef FROM pg_proc WHERE proname = 'cdr_hold';

-- a trigger that keeps rows keeps them, and what is told is what went
CREATE FUNCTION lair.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
DELETE FROM lair.seen;
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"kept","timestamp":"2016-01-01T00:00:00Z"}');
DROP TRIGGER planted ON calls;
CREATE TRIGGER keep BEFORE DELETE ON calls FOR EACH ROW EXECUTE FUNCTION lair.keep();
CALL cdr_apply_retention();
SELECT count(*) FROM calls WHERE call_id = 'kept';

-- the hour at which it is applied, and what becomes of partitions, are the server's alone
ALTER ROLE regress_cdr_records SET cdr_service.retention_hour = 3;
SELECT format('ALTER DATABASE %I SET cdr_service.retention_hour = 3', current_database()) \gexec
SET cdr_service.retention_hour = 3;
SET cdr_service.retention_detach = on;
SET ROLE regress_cdr_records;
ALTER SYSTEM SET cdr_service.retention_hour = 3;
SET cdr_service.evidence = off;
RESET ROLE;

REVOKE ALL ON DATABASE :DBNAME FROM regress_cdr_records;
DROP EXTENSION cdr_service;
SET client_min_messages = warning;
DROP TABLE public.cdr_holds, cdr_retention, cdr_retired, cdr_leaf_stubs, cdr_unlogged, cdr_unsealed, cdr_seals, cdr_log, cdr_checkpoints;
SET cdr_service.allow_drop = on;
DROP TABLE public.calls, call_events, dead_letters;
DROP SCHEMA lair CASCADE;
DROP OWNED BY regress_cdr_records;
DROP ROLE regress_cdr_records, regress_cdr_stranger;
