-- Who reads calls through cdr_read_calls() is recorded, whatever becomes of the transaction.
\set VERBOSITY terse
SET timezone = 'UTC';
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_x_support, regress_x_auditor, regress_x_login, regress_x_owner;
CREATE SCHEMA telephony;
CREATE ROLE regress_x_support;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC, regress_x_support;
CREATE EXTENSION cdr_service SCHEMA telephony;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC, regress_x_support;
SET search_path = telephony, public;
-- nobody's, whatever default privileges there were
SELECT a.grantee::regrole, a.privilege_type FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE c.oid = 'cdr_access_log'::regclass AND a.grantee <> c.relowner;
REVOKE ALL ON ALL TABLES IN SCHEMA telephony FROM PUBLIC, regress_x_support;
CREATE ROLE regress_x_auditor;
CREATE ROLE regress_x_login NOINHERIT IN ROLE regress_x_support;
CREATE ROLE regress_x_owner;
GRANT USAGE ON SCHEMA telephony TO regress_x_support, regress_x_auditor, regress_x_login;

SELECT count(cdr_ingest_event(json_build_object('eventType', 'call.started', 'callId', 'call-' || n, 'timestamp', timestamptz '2026-01-10' + n * interval '1 hour',
	'from', '+49151777' || n % 3, 'to', '+49301234' || n % 2, 'tenantId', (ARRAY['one', 'two'])[n % 2 + 1])))
FROM generate_series(1, 12) AS n;
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"o''n\\e \" $1","timestamp":"2026-01-12T00:00:00Z","from":"1001"}');

-- ---------------------------------------------------------------------------
-- Who may
-- ---------------------------------------------------------------------------

SET ROLE regress_x_support;
SELECT count(*) FROM cdr_read_calls('I may not', 'call-1');
RESET ROLE;
GRANT EXECUTE ON FUNCTION cdr_read_calls TO regress_x_support;
GRANT SELECT ON cdr_access_log TO regress_x_auditor;
SET ROLE regress_x_support;
SELECT count(*) FROM calls;
SELECT count(*) FROM cdr_access_log;
INSERT INTO cdr_access_log VALUES (now(), 'x', 'x');
RESET ROLE;
-- who writes calls adds to it, and does nothing else
SELECT string_agg(p, ' ') AS writer FROM unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,TRIGGER}'::text[]) AS p WHERE has_table_privilege('cdr_service', 'cdr_access_log', p);

-- ---------------------------------------------------------------------------
-- What is read, and what is recorded
-- ---------------------------------------------------------------------------

SET SESSION AUTHORIZATION regress_x_login;
SET application_name = 'regress';
SELECT count(*) FROM cdr_read_calls('not inherited', 'call-1');
SET ROLE regress_x_support;
SELECT call_id, caller_number, tenant_id FROM cdr_read_calls('ticket 1', 'call-1');
SELECT call_id FROM cdr_read_calls('ticket 2', from_time => '2026-01-10 04:00', to_time => '2026-01-10 06:00');
SELECT count(*) FROM cdr_read_calls('ticket 3', number => '+491517770');
SELECT count(*) FROM cdr_read_calls('ticket 4', number => '+493012340', tenant => 'one');
SELECT call_id FROM cdr_read_calls('ticket 5', $$o'n\e " $1$$);
SELECT count(*) FROM cdr_read_calls('ticket 6', $$' OR true --$$);
SELECT count(*) FROM cdr_read_calls('ticket 7', from_time => '-infinity', to_time => 'infinity');
SET standard_conforming_strings = off;
SET DateStyle = 'German';
SET escape_string_warning = off;
SELECT count(*) FROM cdr_read_calls('ticket 8', '\\'' OR true --', '2026-01-10 04:00');
RESET standard_conforming_strings;
RESET DateStyle;
-- what rolls back, fails, is cut off, or may not write
BEGIN;
SELECT count(*) FROM cdr_read_calls('rolled back', 'call-1');
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT 1 / (count(*) - 1) FROM cdr_read_calls('failed', 'call-1');
ROLLBACK;
SELECT call_id FROM cdr_read_calls('one of many', tenant => 'one') LIMIT 1;
BEGIN READ ONLY;
SELECT count(*) FROM cdr_read_calls('read only', 'call-1');
COMMIT;
DO $$ BEGIN PERFORM cdr_read_calls('in a block', 'call-1'); RAISE division_by_zero; EXCEPTION WHEN OTHERS THEN NULL; END $$;
-- without a reason, or a question, there is nothing
SELECT count(*) FROM cdr_read_calls('ticket 9', from_time => '2026-01-10 06:00', to_time => '2026-01-10 04:00');
SELECT count(*) FROM cdr_read_calls(NULL, 'call-1');
SELECT count(*) FROM cdr_read_calls('', 'call-1');
SELECT count(*) FROM cdr_read_calls(E' \t\n', 'call-1');
SELECT count(*) FROM cdr_read_calls(repeat('x', 1001), 'call-1');
SELECT count(*) FROM cdr_read_calls('why', repeat('x', 1001));
SELECT count(*) FROM cdr_read_calls('why');
SELECT count(*) FROM cdr_read_events('may not', 'call-1');
RESET SESSION AUTHORIZATION;
-- the events of a call, too: all columns
GRANT EXECUTE ON FUNCTION cdr_read_events TO regress_x_support;
SET ROLE regress_x_support;
SELECT count(*) FROM call_events;
SELECT call_id, event_type, payload->>'from' AS caller FROM cdr_read_events('events', 'call-1');
SELECT count(*) FROM cdr_read_events('events', $$' OR true --$$);
SELECT count(*) FROM cdr_read_events('events', NULL);
SELECT count(*) FROM cdr_read_events(NULL, 'call-1');
RESET ROLE;
SELECT to_jsonb(r) = to_jsonb(e) AS alike FROM cdr_read_events('compared', 'call-2') AS r JOIN call_events AS e USING (event_id);
-- all columns but the merge's
SELECT column_name FROM cdr_table_columns() WHERE table_name = 'calls' AND column_name <> ALL (SELECT unnest(proargnames) FROM pg_proc WHERE proname = 'cdr_read_calls');
SELECT bool_and(to_jsonb(r) = to_jsonb(c) - 'merge_state') AS alike FROM cdr_read_calls('compared', from_time => '-infinity') AS r JOIN calls AS c USING (call_id);

SET ROLE regress_x_auditor;
SELECT login = 'regress_x_login' AS login, role, application, action, subject, tenant_id, rows, reason FROM cdr_access_log WHERE reason <> 'compared' ORDER BY at;
SELECT count(*) FROM cdr_access_log WHERE at > now() OR at < now() - interval '1 hour';
DELETE FROM cdr_access_log;
RESET ROLE;

-- ---------------------------------------------------------------------------
-- Nothing is read without a record
-- ---------------------------------------------------------------------------

\set VERBOSITY default
\set SHOW_CONTEXT never
BEGIN;
ALTER TABLE cdr_access_log ADD CHECK (reason <> 'refused') NOT VALID;
COMMIT;
SELECT call_id FROM cdr_read_calls('refused', 'call-1');
GRANT USAGE, CREATE ON SCHEMA telephony TO regress_x_owner;
ALTER TABLE calls OWNER TO regress_x_owner;
SELECT call_id FROM cdr_read_calls('another owner', 'call-1');
GRANT INSERT ON cdr_access_log TO regress_x_owner;
SELECT call_id FROM cdr_read_calls('another owner', 'call-1');
-- what is hung on it runs as that role, and settings of the database hold nothing up
CREATE FUNCTION public.spy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.reason := format('%s of %s', NEW.reason, current_user); RETURN NEW; END $$;
CREATE TRIGGER spy BEFORE INSERT ON cdr_access_log FOR EACH ROW EXECUTE FUNCTION public.spy();
SELECT format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()) \gexec
SELECT call_id FROM cdr_read_calls('trigger', 'call-1');
SELECT format('ALTER DATABASE %I RESET default_transaction_read_only', current_database()) \gexec
SELECT reason, rows FROM cdr_access_log WHERE at >= (SELECT max(at) FROM cdr_access_log WHERE reason = 'compared') AND reason <> 'compared' ORDER BY at;
-- a type that a column was given is no trouble
ALTER TABLE calls ALTER trunk TYPE varchar(300), ALTER contact_id TYPE bigint;
SELECT call_id, trunk FROM cdr_read_calls('another type', 'call-1');

DROP OWNED BY regress_x_support, regress_x_auditor, regress_x_login;
ALTER TABLE calls OWNER TO cdr_service;
DROP OWNED BY regress_x_owner;
DROP ROLE regress_x_support, regress_x_auditor, regress_x_login, regress_x_owner;
DROP EXTENSION cdr_service;
DROP FUNCTION public.spy;
SET client_min_messages = error;
SET cdr_service.allow_drop = on;
DROP SCHEMA telephony CASCADE;
