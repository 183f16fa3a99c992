-- Tenants see their own calls and events, and nothing of others, whatever they try.
\set VERBOSITY terse
SET timezone = 'UTC';
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_x_tenants, regress_x_one, regress_x_two, regress_x_both, regress_x_app, regress_x_nobody, regress_x_thief, regress_y_tenants, regress_y_atlas, "regress_x Three ""3""";
\getenv source PG_ABS_SRCDIR
\set text `cat "$PG_ABS_SRCDIR/doc/rights.md"`
CREATE SCHEMA telephony;
CREATE EXTENSION cdr_service SCHEMA telephony;
SET search_path = telephony, public;

-- ---------------------------------------------------------------------------
-- Who may make them
-- ---------------------------------------------------------------------------

CREATE ROLE regress_x_thief;
GRANT USAGE, CREATE ON SCHEMA telephony TO regress_x_thief;
SET ROLE regress_x_thief;
SELECT cdr_create_tenant_views();
-- a table in which somebody else may say who sees what
CREATE TABLE cdr_tenant_roles (role name, tenant_id text);
RESET ROLE;
SELECT cdr_create_tenant_views();
DROP TABLE cdr_tenant_roles;
BEGIN;
ALTER TABLE calls OWNER TO CURRENT_USER;
\set VERBOSITY sqlstate
SELECT cdr_create_tenant_views();
\set VERBOSITY terse
ROLLBACK;
-- granted to nobody, whatever default privileges there are; what stands first in a
-- search_path is not called
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC, regress_x_thief;
CREATE SCHEMA trap;
CREATE FUNCTION trap.pg_has_role(oid, text) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$;
CREATE FUNCTION trap.quote_ident(text) RETURNS text LANGUAGE sql AS $$ SELECT 'postgres' $$;
SET search_path = trap, pg_catalog, telephony;
SELECT cdr_create_tenant_views();
SET search_path = telephony, public;
SELECT pg_get_viewdef('tenant_calls') ~ 'trap' OR pg_get_viewdef('tenant_call_events') ~ 'trap' AS trapped;
DROP SCHEMA trap CASCADE;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC, regress_x_thief;
SELECT c.relname, c.relowner::regrole, c.reloptions, a.grantee::regrole FROM pg_class AS c, aclexplode(COALESCE(c.relacl, acldefault('r', c.relowner))) AS a
WHERE c.relname ~ 'tenant_' AND relkind IN ('r', 'v') GROUP BY 1, 2, 3, 4 ORDER BY 1;
SELECT cdr_create_tenant_views();
-- all columns but those that only the service and the evidence have a use for; not those of others
SELECT table_name, string_agg(column_name, ' ') AS left_out FROM cdr_table_columns()
WHERE table_name IN ('calls', 'call_events') AND NOT EXISTS (SELECT FROM pg_attribute AS a
	WHERE attrelid = CASE table_name WHEN 'calls' THEN 'tenant_calls' ELSE 'tenant_call_events' END::regclass AND attname = column_name) GROUP BY 1 ORDER BY 1;

-- ---------------------------------------------------------------------------
-- What they see
-- ---------------------------------------------------------------------------

-- of four tenants, one of which has a name like that of another, and of none; most events name none
SELECT count(cdr_ingest_event(json_strip_nulls(json_build_object('eventType', type, 'callId', 'call-' || n, 'timestamp', timestamptz '2026-01-10' + n * interval '1 min' + k * interval '10 s',
	'from', '+49151777' || 100 + n, 'to', '1002', 'tenantId', CASE WHEN k = 1 THEN (ARRAY['one', 'two', 'three', NULL, 'ONE'])[n % 5 + 1] END))))
FROM generate_series(1, 200) AS n, unnest(ARRAY['call.started', 'call.answered', 'call.ended']) WITH ORDINALITY AS e(type, k);
-- events of no call; one whose tenant is not that of its call; one of a call of nobody; one whose call is gone
SELECT count(cdr_ingest_event(event::json)) FROM (VALUES
	('{"eventType":"trunk.down","timestamp":"2026-01-11T00:00:00Z","tenantId":"one"}'),
	('{"eventType":"trunk.down","timestamp":"2026-01-11T00:00:01Z","tenantId":"two"}'),
	('{"eventType":"trunk.down","timestamp":"2026-01-11T00:00:02Z"}'),
	('{"eventType":"call.noted","callId":"call-5","timestamp":"2026-01-11T00:00:03Z","tenantId":"two"}'),
	('{"eventType":"call.noted","callId":"call-3","timestamp":"2026-01-11T00:00:04Z","tenantId":"one"}'),
	('{"eventType":"call.started","callId":"gone","timestamp":"2026-01-11T00:00:05Z","tenantId":"one"}')) AS v(event);
DELETE FROM calls WHERE call_id = 'gone';
SELECT tenant_id, count(*) FROM calls GROUP BY 1 ORDER BY 1;

CREATE ROLE regress_x_tenants;
GRANT USAGE ON SCHEMA telephony TO regress_x_tenants;
GRANT SELECT ON tenant_calls, tenant_call_events TO regress_x_tenants;
CREATE ROLE regress_x_one IN ROLE regress_x_tenants;
CREATE ROLE regress_x_two IN ROLE regress_x_tenants;
CREATE ROLE "regress_x Three ""3""" IN ROLE regress_x_tenants;
CREATE ROLE regress_x_both IN ROLE regress_x_one, regress_x_two;
CREATE ROLE regress_x_app NOINHERIT IN ROLE regress_x_one, regress_x_two;
GRANT SELECT ON tenant_calls, tenant_call_events TO regress_x_app;
GRANT USAGE ON SCHEMA telephony TO regress_x_app;
CREATE ROLE regress_x_nobody IN ROLE regress_x_tenants;
-- a role that is gone, and names that are no roles, are nobody's and break nothing
INSERT INTO cdr_tenant_roles VALUES ('regress_x_one', 'one'), ('regress_x_two', 'two'), ('regress_x Three "3"', 'three'), ('regress_x_gone', 'three'), ('public', 'one'), ('-', 'one'), ('10', 'one'), ('"', 'one'), ('REGRESS_X_ONE', 'two');
INSERT INTO cdr_tenant_roles VALUES ('', 'one');
-- another way to the same: a list for each role, and sets that are compared
CREATE TABLE expected AS SELECT * FROM (VALUES ('regress_x_one', '{one}'::text[]), ('regress_x_two', '{two}'), ('regress_x Three "3"', '{three}'), ('regress_x_both', '{one,two}'), ('regress_x_app', '{}'),
	('regress_x_nobody', '{}'), ('regress_x_tenants', '{}')) AS v(who, tenants);
CREATE FUNCTION seen(who name, what regclass, key text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE result text[];
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', who);
	EXECUTE format('SELECT COALESCE(array_agg(%1$s ORDER BY %1$s), ''{}'') FROM %2$s', key, what) INTO result;
	RESET ROLE;
	RETURN result;
END $$;
SELECT who, cardinality(c.seen) AS calls, c.seen = ARRAY(SELECT call_id COLLATE "default" FROM calls WHERE tenant_id IN (SELECT unnest(tenants)) ORDER BY 1) AS "right",
	cardinality(e.seen) AS events, e.seen = ARRAY(SELECT event_id::text FROM call_events AS e WHERE CASE WHEN call_id IN (SELECT call_id FROM calls)
		THEN call_id IN (SELECT call_id FROM calls WHERE tenant_id = ANY (tenants)) ELSE tenant_id = ANY (tenants) END ORDER BY 1) AS "right"
FROM expected, LATERAL (SELECT seen(who::name, 'tenant_calls', 'call_id COLLATE "default"')) AS c(seen), LATERAL (SELECT seen(who::name, 'tenant_call_events', 'event_id::text')) AS e(seen) ORDER BY who COLLATE "C";
SELECT event_type, tenant_id, call_id FROM call_events WHERE event_id::text = ANY (seen('regress_x_one', 'tenant_call_events', 'event_id::text')) AND event_time >= '2026-01-11' ORDER BY event_time;
-- a member that does not inherit has to become the tenant
SET SESSION AUTHORIZATION regress_x_app;
SELECT count(*) FROM tenant_calls;
PREPARE mine AS SELECT tenant_id, count(*) FROM tenant_calls GROUP BY 1 ORDER BY 1;
SET ROLE regress_x_one;
EXECUTE mine;
SET ROLE regress_x_two;
EXECUTE mine;
SET plan_cache_mode = force_generic_plan;
EXECUTE mine;
SET ROLE regress_x_one;
EXECUTE mine;
SET ROLE "regress_x Three ""3""";
RESET plan_cache_mode;
RESET SESSION AUTHORIZATION;
-- what changes, changes at once: a call gets its tenant, and a tenant loses its role
SELECT cdr_ingest_event('{"eventType":"user.identified.for_call","callId":"call-3","timestamp":"2026-01-11T00:00:06Z","tenantId":"one"}');
SELECT 'call-3' = ANY (seen('regress_x_one', 'tenant_calls', 'call_id COLLATE "default"')) AS calls, cardinality(array_positions(seen('regress_x_one', 'tenant_call_events', 'call_id COLLATE "default"'), 'call-3')) AS events;
DELETE FROM cdr_tenant_roles WHERE role = 'regress_x_one';
SELECT seen('regress_x_one', 'tenant_calls', 'call_id'), seen('regress_x_one', 'tenant_call_events', 'call_id');
INSERT INTO cdr_tenant_roles VALUES ('regress_x_one', 'one');

-- ---------------------------------------------------------------------------
-- No way to those of others
-- ---------------------------------------------------------------------------

ANALYZE calls, call_events;
GRANT regress_x_one TO regress_x_thief;
SET ROLE regress_x_thief;
CREATE FUNCTION spy(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN IF $1 IS DISTINCT FROM 'one' THEN RAISE WARNING 'seen: %', $1; END IF; RETURN true; END $$;
SELECT count(*) > 40 AS own FROM tenant_calls WHERE spy(tenant_id);
SELECT count(*) FILTER (WHERE tenant_id <> 'one') AS named FROM tenant_call_events WHERE spy(CASE WHEN call_id IN (SELECT call_id FROM tenant_calls) OR tenant_id = 'one' THEN 'one' ELSE call_id END);
SELECT count(*) FROM (SELECT * FROM tenant_calls OFFSET 0) AS c WHERE spy(c.tenant_id) AND c.tenant_id = 'two';
SELECT count(*) FROM tenant_calls WHERE tenant_id = 'two' AND spy(tenant_id);
-- a cast that errs at a number of somebody else
SELECT count(*) FROM tenant_calls WHERE 1 / (CASE tenant_id WHEN 'one' THEN 1 ELSE 0 END) = 1;
SELECT count(*) FROM tenant_calls WHERE (CASE tenant_id WHEN 'one' THEN '1' ELSE caller_number || 'x' END)::int = 1 AND call_id = 'call-1';
SELECT count(*) FROM tenant_calls WHERE caller_number = '+49151777101' AND call_id <> '';
SELECT count(*) FROM (SELECT call_id FROM tenant_calls ORDER BY call_id DESC LIMIT 5 OFFSET 40) AS c WHERE spy((SELECT tenant_id FROM tenant_calls AS t WHERE t.call_id = c.call_id));
SELECT count(*) FROM tenant_calls AS c TABLESAMPLE SYSTEM (100);
SELECT tableoid FROM tenant_calls LIMIT 1;
SELECT count(*) FROM calls;
SELECT count(*) FROM call_events_default;
SELECT count(*) FROM cdr_tenant_roles;
SELECT merge_state FROM tenant_calls;
SELECT count(*) FROM pg_stats WHERE tablename IN ('calls', 'call_events', 'call_events_default');
-- what EXPLAIN ANALYZE counts in a scan of calls is the tenant's, and what was looked at
CREATE FUNCTION analyzed(query text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE p json; rows text[];
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, FORMAT JSON, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query INTO p;
	SELECT array_agg(m[1] ORDER BY m[1]) INTO rows FROM regexp_matches(p::text, '"Relation Name": "calls",.*?"Actual Rows": (\d+)', 'g') AS m;
	RETURN rows;
END $$;
SELECT analyzed($$SELECT * FROM tenant_calls WHERE tenant_id = 'two'$$), analyzed($$SELECT * FROM tenant_calls WHERE caller_number = '+49151777101'$$), analyzed($$SELECT * FROM tenant_calls WHERE call_id = 'call-1'$$);
-- nobody writes through them, whatever is granted
RESET ROLE;
GRANT ALL ON tenant_calls, tenant_call_events TO regress_x_one;
SET ROLE regress_x_one;
UPDATE tenant_calls SET trunk = 'x';
INSERT INTO tenant_calls (call_id, tenant_id) VALUES ('x', 'two');
DELETE FROM tenant_call_events;
SELECT count(*) FROM (SELECT * FROM tenant_calls FOR UPDATE) AS c WHERE tenant_id <> 'one';
RESET ROLE;

-- an index finds them: a call, its events, a time, and one that a DBA adds for tenants
CREATE FUNCTION plan(query text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE p json; BEGIN EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO p; RETURN (SELECT string_agg(DISTINCT m[1], ' ') FROM regexp_matches(p::text, '"Index Name": "(\w+)"', 'g') AS m); END $$;
GRANT EXECUTE ON FUNCTION plan TO regress_x_one;
SET enable_seqscan = off;
SET ROLE regress_x_one;
SELECT plan($$SELECT * FROM tenant_calls WHERE call_id = 'call-5'$$) AS call, plan($$SELECT * FROM tenant_call_events WHERE call_id = 'call-5'$$) ~ 'pkey' AS events,
	plan($$SELECT * FROM tenant_calls WHERE attempt_time >= date_trunc('day', timestamptz '2026-01-10') AND attempt_time < timestamptz '2026-01-11' AND caller_number LIKE '+49%'$$) AS time;
RESET ROLE;
CREATE INDEX calls_of_tenants ON calls (tenant_id, attempt_time);
-- (of few calls, those of the time are found as fast by that alone)
SET enable_bitmapscan = off;
SET ROLE regress_x_one;
SELECT plan($$SELECT * FROM tenant_calls WHERE attempt_time >= timestamptz '2026-01-10 01:00' AND attempt_time < timestamptz '2026-01-10 01:01'$$) AS tenant;
RESET ROLE;
RESET enable_seqscan;
RESET enable_bitmapscan;
DROP INDEX calls_of_tenants;

-- ---------------------------------------------------------------------------
-- A schema renamed, columns altered, the extension dropped
-- ---------------------------------------------------------------------------

ALTER SCHEMA telephony RENAME TO phones;
SET search_path = phones, public;
SELECT cardinality(seen('regress_x_two', 'tenant_calls', 'call_id')) AS calls;
-- columns that others add are theirs, and are in no view
ALTER TABLE calls ADD price numeric;
ALTER TABLE calls ALTER price TYPE text;
ALTER TABLE calls DROP price;
-- ours are altered while the views are gone; the table stays
ALTER TABLE calls ALTER trunk TYPE varchar(300), ALTER tenant_id TYPE varchar(300);
DROP VIEW tenant_calls, tenant_call_events;
ALTER TABLE calls ALTER trunk TYPE varchar(300), ALTER tenant_id TYPE varchar(300);
-- as the document makes them
SELECT regexp_replace(btrim(s), '([ ''])x_', '\1regress_y_', 'g') AS made
FROM regexp_split_to_table(substring(:'text' FROM '\n## Tenants.*?\n\| '), '\n') AS s WHERE s ~ '^    ' \gexec
GRANT USAGE ON SCHEMA phones TO regress_y_tenants;
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"atlas","timestamp":"2026-01-12T00:00:00Z","tenantId":"tenant-atlas"}');
SELECT seen('regress_y_atlas', 'tenant_calls', 'call_id'), cardinality(seen('regress_y_atlas', 'tenant_call_events', 'event_id::text')) AS events;
GRANT SELECT ON tenant_calls, tenant_call_events TO regress_x_tenants;
SELECT cardinality(seen('regress_x_two', 'tenant_calls', 'call_id')) AS calls, cardinality(seen('regress_x_two', 'tenant_call_events', 'call_id')) AS events;
BEGIN;
DROP EXTENSION cdr_service;
SELECT cardinality(seen('regress_x_two', 'tenant_calls', 'call_id')) AS calls;
ROLLBACK;

DROP VIEW tenant_calls, tenant_call_events;
DROP TABLE cdr_tenant_roles, expected;
DROP FUNCTION seen, plan;
DROP OWNED BY regress_x_tenants, regress_x_one, regress_x_two, regress_x_both, regress_x_app, regress_x_nobody, regress_x_thief, regress_y_tenants, regress_y_atlas, "regress_x Three ""3""";
DROP ROLE regress_x_tenants, regress_x_one, regress_x_two, regress_x_both, regress_x_app, regress_x_nobody, regress_x_thief, regress_y_tenants, regress_y_atlas, "regress_x Three ""3""";
DROP EXTENSION cdr_service;
SET client_min_messages = error;
SET cdr_service.allow_drop = on;
DROP SCHEMA phones CASCADE;
