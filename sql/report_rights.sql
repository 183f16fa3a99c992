-- Roles may do what doc/rights.md says, and nothing else; calls_masked tells of no person.
\set VERBOSITY terse
SET timezone = 'UTC';
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_x_monitoring, regress_x_daily, regress_x_reports, regress_x_billing, regress_x_evidence, regress_x_ingest, regress_x_operator, regress_x_counsel, regress_x_records, regress_x_thief;
CREATE EXTENSION cdr_service;
\getenv source PG_ABS_SRCDIR
\set text `cat "$PG_ABS_SRCDIR/doc/rights.md"`
CREATE TABLE document AS SELECT :'text' AS text;

-- ---------------------------------------------------------------------------
-- The view
-- ---------------------------------------------------------------------------

-- nobody who may not make it, and only where it lends the rights of an ordinary role
CREATE ROLE regress_x_thief;
GRANT CREATE ON SCHEMA public TO regress_x_thief;
SET ROLE regress_x_thief;
SELECT cdr_create_masked_view();
-- a key that somebody else may know
CREATE TABLE calls_masked_key AS SELECT '\x00'::bytea AS key;
RESET ROLE;
SELECT cdr_create_masked_view();
DROP TABLE calls_masked_key;
BEGIN;
ALTER TABLE calls OWNER TO CURRENT_USER;
\set VERBOSITY sqlstate
SELECT cdr_create_masked_view();
\set VERBOSITY terse
ROLLBACK;
-- granted to nobody, whatever default privileges there are
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC, regress_x_thief;
-- renamed, it is found; what stands first in a search_path, is not
ALTER SCHEMA public RENAME TO elsewhere;
CREATE SCHEMA trap;
CREATE FUNCTION trap.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT '\x'::bytea $$;
SET search_path = trap, pg_catalog, elsewhere;
SELECT elsewhere.cdr_create_masked_view();
RESET search_path;
ALTER SCHEMA elsewhere RENAME TO public;
SELECT pg_get_viewdef('calls_masked') ~ 'trap' AS trapped;
DROP SCHEMA trap CASCADE;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC, regress_x_thief;
SELECT c.relname, c.relowner::regrole, c.reloptions, a.grantee::regrole FROM pg_class AS c, aclexplode(COALESCE(c.relacl, acldefault('r', c.relowner))) AS a
WHERE c.relname ~ '^calls_masked' AND relkind IN ('r', 'v') GROUP BY 1, 2, 3, 4 ORDER BY 1;
SELECT count(*), bool_and(length(key) = 32) AS long FROM calls_masked_key;
INSERT INTO calls_masked_key VALUES ('\x00');
SELECT cdr_create_masked_view();

-- each column is decided, in the document: what is new is in neither, and fails here
CREATE TABLE decided AS
SELECT btrim(m[1], ' `') AS name, ARRAY(SELECT x[1] FROM regexp_matches(m[2], '`(\w+)`', 'g') AS x) AS shown, m[3] ~ 'as it is' AS as_it_is
FROM document, regexp_matches(substring(text FROM '\n## calls_masked.*?\n### '), '\n\| (`\w+`) \| ([^|]*) ?\| ([^|]*)\|(?=\n)', 'g') AS m;
SELECT name FROM decided FULL JOIN (SELECT column_name AS name FROM cdr_table_columns() WHERE table_name = 'calls') AS c USING (name)
WHERE decided IS NULL OR c IS NULL;
SELECT attname FROM pg_attribute WHERE attrelid = 'calls_masked'::regclass AND attname <> ALL (SELECT unnest(shown) FROM decided);
SELECT count(*), count(*) FILTER (WHERE as_it_is) AS as_it_is, count(*) FILTER (WHERE shown = '{}') AS left_out FROM decided;

-- ---------------------------------------------------------------------------
-- What it tells
-- ---------------------------------------------------------------------------

-- the numbers of the document, and others; anonymous and nothing tell of nobody
CREATE FUNCTION masked(number text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	INSERT INTO calls (call_id, status, event_count, first_event_time, last_event_time, caller_number, callee_number, start_time)
	VALUES ('masked', 'x', 1, now(), now(), number, number, now());
	SELECT CASE WHEN caller_number IS NOT DISTINCT FROM callee_number AND caller_ref IS NOT DISTINCT FROM callee_ref
				THEN COALESCE(caller_number, 'NULL') || CASE WHEN caller_ref IS NULL THEN ', no reference' ELSE '' END END INTO result FROM calls_masked;
	DELETE FROM calls;
	RETURN result;
END $$;
SELECT n, masked(n), n = ANY (d.said) AS documented, CASE WHEN n = ANY (d.said) THEN masked(n) LIKE d.shown || '%' END AS right
FROM unnest(ARRAY['+4930123456', '5550123', '1001', '112', 'alice', '+49 30 1', 'anonymous', '', NULL, '+120255501', '+1202555012', '0012025550123', '+29012345', '123456', '1234567', '12345678', '123456789',
	'+4930123456;ext=1', '٠١٢٣٤٥٦٧٨٩', E'+4930123456\n', 'sip:+4930123456@gw', '"><script>']) AS n
LEFT JOIN (SELECT ARRAY(SELECT x[1] FROM regexp_matches(m[1], '`([^`]+)`', 'g') AS x) AS said, m[2] AS shown
	FROM document, regexp_matches(substring(text FROM '\n### Numbers.*?\n\n\*\*'), '\n\| (`[^|]+) \| `([^|]+)` \|', 'g') AS m) AS d ON n = ANY (d.said);

-- a secret in each text that somebody else writes, in many guises, is nowhere
SELECT string_agg(format('%I', a.attname), ', ') AS columns, string_agg('v', ', ') AS values
FROM decided AS d JOIN pg_attribute AS a ON a.attrelid = 'calls'::regclass AND a.attname = d.name
WHERE a.atttypid = 'text'::regtype AND NOT as_it_is \gset
SELECT :'columns' AS written;
SELECT format('INSERT INTO calls (%s, status, contact_id, event_count, merge_state, first_event_time, last_event_time, start_time, tenant_id)
	SELECT %s, ''x'', 49151777888, 1, v::bytea, t, t, t, ''tenant '' || n %% 2 FROM unnest(ARRAY[''+4915177788899'', ''4915177788899'', ''sip:+4915177788899@198.51.100.77'', ''777888'', ''77788'',
		''Anna Miller 777888'', ''x777888'', ''a.777888'', ''0777888'', ''7'' || chr(8203) || ''77888'', ''https://r/777888'', repeat(''x'', 50) || ''777888'', ''tel:777888;'', ''777888-1'', ''1-777888'']) WITH ORDINALITY AS u(v, n),
	LATERAL (SELECT timestamptz ''2026-03-01'' + n * interval ''1 h'') AS w(t)', :'columns', regexp_replace(:'values', '^v', 'v'))
\gexec
SELECT count(*) AS calls, count(*) FILTER (WHERE to_jsonb(m)::text ~ '77788|8203|198\.51|nna|xxxxx') AS telling FROM calls_masked AS m;
SELECT DISTINCT trunk, hangup_cause, hangup_source, direction, is_recorded FROM calls_masked;
DELETE FROM calls;
-- words of platforms, as they are
INSERT INTO calls (call_id, status, event_count, first_event_time, last_event_time, trunk, hangup_cause, hangup_source, direction)
SELECT n, 'x', 1, now(), now(), w, w, w, w FROM unnest('{gw-1,normal_clearing,486,sip:486,NO ANSWER,user,trunk.example.org,inbound,9999,4930,"",a12345,a1234}'::text[]) WITH ORDINALITY AS v(w, n);
SELECT string_agg(DISTINCT hangup_cause, ' ') AS words, bool_and(trunk = hangup_cause AND hangup_source = trunk) AS alike, string_agg(direction, ' ') AS directions FROM calls_masked;
DELETE FROM calls;

-- references: of the same number on the same day and of the same tenant, whichever side it is
INSERT INTO calls (call_id, status, event_count, first_event_time, last_event_time, start_time, tenant_id, caller_number, callee_number)
SELECT n, 'x', 1, t::timestamptz, t::timestamptz, t::timestamptz, tenant, a, b FROM (VALUES
	(1, '2026-03-01 00:00', 'a', '+4930123456', '+4930123457'), (2, '2026-03-01 23:59:59', 'a', '+4930123457', '+4930123456'), (3, '2026-03-02 00:00', 'a', '+4930123456', '1'),
	(4, '2026-03-01 12:00', 'b', '+4930123456', '2'), (5, '2026-03-01 12:00', NULL, '+4930123456', '3'), (6, '2026-03-01 12:00', 'a', '', '4')) AS v(n, t, tenant, a, b);
SELECT a.attempt_time, a.tenant_id, b.attempt_time AS called_back, b.tenant_id AS by FROM calls_masked AS a JOIN calls_masked AS b ON a.caller_ref = b.callee_ref ORDER BY 1;
SELECT count(DISTINCT call_ref) AS calls, count(DISTINCT caller_ref) AS callers, bool_and(caller_ref ~ '^[0-9a-f]{12}$') AS short FROM calls_masked;
-- they are of the key
CREATE TEMP TABLE before AS SELECT * FROM calls_masked;
DROP VIEW calls_masked;
SELECT cdr_create_masked_view();
SELECT count(*) AS same FROM calls_masked AS m JOIN before AS b ON b.call_ref = m.call_ref AND b.caller_ref IS NOT DISTINCT FROM m.caller_ref;
DROP VIEW calls_masked;
DROP TABLE calls_masked_key;
SELECT cdr_create_masked_view();
SELECT count(*) AS same FROM calls_masked AS m JOIN before AS b ON m.call_ref = b.call_ref OR m.caller_ref IN (b.caller_ref, b.callee_ref);
DROP TABLE before;

-- ---------------------------------------------------------------------------
-- No way back
-- ---------------------------------------------------------------------------

INSERT INTO calls (call_id, status, event_count, first_event_time, last_event_time, start_time, tenant_id, caller_number, callee_number, user_id, hangup_cause)
SELECT 'call ' || n, 'x', 1, t, t, t, 'tenant-' || n % 3, '+4915177788' || (100 + n % 900), '1001', 'user 77788', 'secret 77788' FROM generate_series(1, 20000) AS n, LATERAL (SELECT timestamptz '2026-01-01' + n * interval '1 min') AS w(t);
VACUUM (ANALYZE) calls;
GRANT SELECT ON calls_masked TO regress_x_thief;
SET ROLE regress_x_thief;
CREATE FUNCTION spy(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN IF $1 ~ '4915177788|secret|user' THEN RAISE WARNING 'seen: %', $1; END IF; RETURN true; END $$;
SELECT count(*) FROM calls_masked WHERE spy(caller_number) AND spy(callee_number) AND spy(hangup_cause) AND spy(call_ref) AND spy(calls_masked::text);
SELECT count(*) FROM calls_masked WHERE caller_number = '+4915177788100' OR caller_number::bigint > 0 AND false;
SELECT user_id FROM calls_masked LIMIT 1;
SELECT key FROM calls_masked_key;
SELECT count(*) FROM pg_stats WHERE tablename = 'calls';
-- it is found by the index all the same
CREATE FUNCTION plan(query text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE p json; BEGIN EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO p; RETURN substring(p::text FROM '"Index Name": "(\w+)"'); END $$;
SELECT plan($$SELECT * FROM calls_masked WHERE attempt_time >= timestamptz '2026-01-03' AND attempt_time < timestamptz '2026-01-04'$$),
	plan($$SELECT * FROM calls_masked WHERE attempt_time >= date_trunc('day', timestamptz '2026-01-14') AND tenant_id = 'tenant-1' AND caller_number LIKE '+49%'$$);
RESET ROLE;
SELECT plan($$SELECT * FROM calls_masked WHERE attempt_time >= timestamptz '2026-01-14' AND spy(caller_number)$$);
DROP FUNCTION spy(text), plan(text);
REVOKE ALL ON calls_masked FROM regress_x_thief;
DELETE FROM calls;

-- who called often today, as the document asks
INSERT INTO calls (call_id, status, event_count, first_event_time, last_event_time, start_time, answer_time, caller_number)
SELECT n, 'x', 1, now(), now(), now() + n * interval '1 us', CASE WHEN n % 3 = 0 THEN now() END, CASE WHEN n <= 6 THEN '+4930123456' ELSE '+4930123457' END FROM generate_series(1, 10) AS n;
SELECT substring(text FROM '\n(    SELECT caller_ref,.*?);\n') AS statement FROM document \gset
SELECT caller, count, answered FROM (:statement) AS q;
DELETE FROM calls;

-- the owner may alter columns when it is gone, and it does not hold DROP EXTENSION
ALTER TABLE calls ALTER trunk TYPE varchar(300);
BEGIN;
DROP VIEW calls_masked;
ALTER TABLE calls ALTER trunk TYPE varchar(300);
SELECT cdr_create_masked_view();
ROLLBACK;
BEGIN;
DROP EXTENSION cdr_service;
SELECT count(*) FROM calls_masked;
ROLLBACK;

-- ---------------------------------------------------------------------------
-- Roles
-- ---------------------------------------------------------------------------

-- as the document makes them
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"x","timestamp":"2026-01-19T22:00:00Z","from":"+4915177788899","to":"1002"}');
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, body_size, body, detail, headers, properties)
VALUES ('00000000-0000-0000-0000-00000000000a', now(), now(), '22P02', 'event is not JSON', 1, '+4915177788899', '+4915177788899', '{"a":"+4915177788899"}', '{"a":"+4915177788899"}');
SELECT replace(btrim(s), ' x_', ' regress_x_') AS made
FROM document, regexp_split_to_table(substring(text FROM '\n## Roles.*?\n## '), '\n') AS s WHERE s ~ '^    (CREATE ROLE|GRANT)' \gexec
CREATE TABLE probes (what text, command text);
INSERT INTO probes VALUES
	('`cdr_health`, `cdr_status()`', 'SELECT * FROM cdr_health'), ('`cdr_health`, `cdr_status()`', 'SELECT * FROM cdr_status()'), ('`cdr_dead_letters()`', 'SELECT * FROM cdr_dead_letters()'),
	('`cdr_progress`', 'SELECT * FROM cdr_progress'),
	('`cdr_metrics_worker`', 'SELECT * FROM cdr_metrics_worker'), ('`cdr_metrics_traffic`', 'SELECT * FROM cdr_metrics_traffic'),
	('`cdr_concurrency()`', 'SELECT * FROM cdr_concurrency(''2026-01-19'', ''2026-01-20'', ''1 hour'')'), ('`cdr_rollup()`', 'SELECT * FROM cdr_rollup()'),
	('`cdr_report()`', 'SELECT cdr_report(''2026-01-19'', ''2026-01-20'')'), ('`cdr_alerts`', 'SELECT * FROM cdr_alerts'),
	('`calls_masked`', 'SELECT * FROM calls_masked'), ('`calls`', 'SELECT * FROM calls'), ('`cdr_traffic()`', 'SELECT * FROM cdr_traffic(''2026-01-01'', ''2026-02-01'')'),
	('`cdr_export_calls()`', 'SELECT * FROM cdr_export_calls(''2026-01-01'', ''2026-02-01'')'), ('`cdr_stale_calls`', 'SELECT * FROM cdr_stale_calls'), ('`cdr_merge_state()`', 'SELECT * FROM cdr_merge_state(''x'')'),
	('`call_events`', 'SELECT * FROM call_events'), ('`cdr_call_history()`', 'SELECT * FROM cdr_call_history(''x'')'), ('`cdr_call_segments()`', 'SELECT * FROM cdr_call_segments(''x'')'),
	('`cdr_call_as_of()`', 'SELECT * FROM cdr_call_as_of(''x'', now())'),
	('`cdr_calls_from_log()`', 'SELECT * FROM cdr_calls_from_log()'), ('`cdr_unmapped_types()`', 'SELECT * FROM cdr_unmapped_types()'),
	('`dead_letters`', 'SELECT * FROM dead_letters'), ('`cdr_verify_calls()`', 'SELECT * FROM cdr_verify_calls()'),
	('`cdr_explain_event(event_id)`', 'SELECT * FROM cdr_explain_event(''00000000-0000-0000-0000-00000000000a''::uuid, ''x'')'),
	('`cdr_ingest_event()`', 'SELECT cdr_ingest_event(''{"eventType":"call.started","callId":"x","timestamp":"2026-01-19T22:00:00Z"}'')'),
	('`cdr_correct_call()`', 'SELECT cdr_correct_call(''x'', ''{"trunk":"gw-1"}'', ''because'')'),
	-- it would pause the service of a preloaded server
	('`cdr_pause()`', NULL), ('`cdr_retry_dead_letters()`', 'SELECT cdr_retry_dead_letters()'), ('`UPDATE calls`', 'UPDATE calls SET trunk = trunk'), ('`calls_masked_key`', 'SELECT * FROM calls_masked_key');
-- whether a role may: it is refused, or not, whatever else there is to say
CREATE FUNCTION may(who name, command text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF command IS NULL THEN
		RETURN has_function_privilege(who, 'cdr_pause()', 'EXECUTE');
	END IF;
	EXECUTE format('SET LOCAL ROLE %I', who);
	BEGIN
		EXECUTE command;
		RAISE SQLSTATE 'UNDO1';
	EXCEPTION WHEN insufficient_privilege THEN
		RETURN false;
	WHEN OTHERS THEN
		RETURN true;
	END;
END $$;
-- the table of the document, a row for each cell
CREATE TABLE said AS
SELECT btrim(cells[2]) AS what, 'regress_x_' || btrim(heads[n]) AS who, btrim(cells[n]) AS may
FROM (SELECT string_to_array(m[1], '|') AS heads, m[2] AS body FROM document, regexp_matches(text, '\n(\| \| monitoring [^\n]+)\n\|[-|]+\n((?:\|[^\n]+\n)+)') AS m) AS t,
	 LATERAL (SELECT string_to_array(row, '|') AS cells FROM regexp_split_to_table(rtrim(body, E'\n'), '\n') AS row) AS r,
	 generate_series(3, 9) AS n;
SELECT count(*) AS cells, count(DISTINCT who) AS roles, count(*) FILTER (WHERE may NOT IN ('', 'yes')) AS other FROM said;
SELECT what FROM (SELECT DISTINCT what FROM said) AS s FULL JOIN (SELECT DISTINCT what FROM probes) AS p USING (what) WHERE s IS NULL OR p IS NULL;
SELECT what, string_agg(substr(who, 11), ' ' ORDER BY who) FILTER (WHERE may(who::name, command)) AS may, bool_and(may(who::name, command) = (said.may = 'yes')) AS "as documented"
FROM said JOIN probes USING (what) GROUP BY what, command ORDER BY what COLLATE "C", command;

-- pg_monitor sees no number
SET ROLE regress_x_monitoring;
SELECT count(*) AS letters, count(*) FILTER (WHERE d::text ~ '77788') AS telling FROM cdr_dead_letters() AS d;
RESET ROLE;
-- nor does the service quote a body where it says why that is no event
CREATE FUNCTION refused(body text, content_type text DEFAULT 'application/json') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cdr_ingest_message(convert_to(body, 'UTF8'), 'call.started', content_type);
	RETURN 'recorded';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END $$;
SELECT DISTINCT refused(body) AS message FROM unnest(ARRAY['4915177788', '"4915177788"', '[4915177788]', '{"callId":4915177788', '{"callId":"4915177788' || repeat('x', 300) || '"}', '4915177788{}', '{"4915177788":', '\x4915177788',
	'{"callId":"4915177788"} 4915177788']) AS body ORDER BY 1;
SELECT refused('4915177788', 'application/protobuf') ~ '77788' AS "in Protobuf", refused(chr(31) || '4915177788', '4915177788') ~ '77788' AS "of another type";
DROP FUNCTION refused;
-- whoever has calls_masked has nothing else that not everybody has
SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND has_any_column_privilege('regress_x_daily', c.oid, 'SELECT')
AND NOT has_any_column_privilege('regress_x_ingest', c.oid, 'SELECT');

-- a type that a column was given brings no function of somebody else's into reports
BEGIN;
DROP VIEW calls_masked;
SET ROLE regress_x_thief;
CREATE FUNCTION cdr_destination(varchar) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped as %', current_user; END $$;
CREATE FUNCTION cdr_cause_name(varchar) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped as %', current_user; END $$;
RESET ROLE;
ALTER TABLE calls ALTER callee_number TYPE varchar(300), ALTER hangup_cause TYPE varchar(300);
INSERT INTO calls (call_id, status, event_count, first_event_time, last_event_time, start_time, end_time, callee_number, hangup_cause)
VALUES ('trap', 'x', 1, '2026-01-19', '2026-01-19', '2026-01-19', '2026-01-19', '+4930123456', 'no_answer');
SELECT destination, attempts, round(ner, 3) AS ner FROM cdr_traffic('2026-01-19 00:00:00', '2026-01-19 00:00:01', NULL, 'UTC', '{destination}');
SELECT length(cdr_report('2026-01-19', '2026-01-20')) > 1000 AS page;
ROLLBACK;

DROP TABLE document, decided, probes, said;
DROP VIEW calls_masked;
DROP TABLE calls_masked_key;
DROP FUNCTION masked, may;
DROP OWNED BY regress_x_monitoring, regress_x_daily, regress_x_reports, regress_x_billing, regress_x_evidence, regress_x_ingest, regress_x_operator, regress_x_counsel, regress_x_records, regress_x_thief;
DROP ROLE regress_x_monitoring, regress_x_daily, regress_x_reports, regress_x_billing, regress_x_evidence, regress_x_ingest, regress_x_operator, regress_x_counsel, regress_x_records, regress_x_thief;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters, timeless_events;
