-- What a session takes a backslash for changes nothing: with standard_conforming_strings
-- off, as for programs of long ago, all is made, sealed, verified, read, masked, retired and
-- erased as always.  A literal that would mean something else is a warning here.
\set VERBOSITY terse
SET timezone = 'UTC';
SET client_min_messages = warning;
SET standard_conforming_strings = off;
SET escape_string_warning = on;
CREATE EXTENSION cdr_service;
SET cdr_service.evidence = on;
SELECT cdr_create_evidence_tables(), cdr_create_retention_tables(), cdr_create_erasure_tables();
SELECT cdr_create_masked_view(), cdr_create_tenant_views();

SELECT sum(cdr_ingest_events(ARRAY[format('{"eventType":"call.started","callId":"call %s","timestamp":"2026-03-01T00:00:0%sZ","from":"+493012345%s","to":"1234567"}', n, n, n)::json]))
FROM generate_series(1, 4) AS n;
SELECT cdr_seal();
CREATE TABLE hashed AS SELECT cdr_access_leaf('00000000-0000-4000-8000-000000000001', now(), 'login', 'role', NULL, NULL, 'action', NULL, NULL, 1, 'ticket 1') AS leaf, now() AS at;
SELECT count(*) FROM cdr_read_calls('ticket 1', 'call 1');
SELECT json_array_length(cdr_evidence('call 1', 'ticket 2') -> 'events');
SELECT * FROM cdr_verify_evidence();
SELECT count(*) AS events, count(DISTINCT leaf) AS leaves FROM cdr_event_leaves('-infinity', 'infinity');
SELECT encode(cdr_merkle_root(ARRAY['a', 'b', 'c']::bytea[]), 'hex') = encode(sha256(E'\\x01' || sha256(E'\\x01' || 'a'::bytea || 'b') || 'c'), 'hex') AS root;
SELECT caller_number, callee_number FROM calls_masked ORDER BY attempt_time;

-- taken away, by a rule and by a request
SELECT cdr_set_retention(NULL, 'access_log', '0', 'a test', 'a test');
CALL cdr_apply_retention();
SELECT left((cdr_erase(reason => 'a request', reference => '1', call_id => 'call 2'))::text, 0) AS erased;
SELECT cdr_seal();
SELECT * FROM cdr_verify_evidence();
-- and what is not as it was is found
BEGIN;
UPDATE cdr_log SET entry = replace(entry, 'broker', 'sql:me') || 'x' WHERE log_index = 0;
SELECT problem, log_index FROM cdr_verify_evidence() WHERE problem = 'log rewritten';
ROLLBACK;
SELECT call_id, certain FROM cdr_call_as_of('call 1', now());
SELECT * FROM cdr_verify_calls();
SELECT * FROM cdr_verify_rollup();
SELECT length(cdr_report('2026-03-01', '2026-03-02')) > 1000 AS reported, cdr_csv_safe(E'\u200b=1') = E'''\u200b=1' AS guarded, cdr_csv_safe('1');


-- no function says what a session reads otherwise
SELECT p.oid::regprocedure AS function
FROM pg_depend AS d JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'cdr_service') AND d.deptype = 'e' AND p.prosrc ~ E'[^Ee]\'[^\'\\\\]*\\\\';

RESET standard_conforming_strings;
SELECT * FROM cdr_verify_evidence();
SELECT leaf = cdr_access_leaf('00000000-0000-4000-8000-000000000001', at, 'login', 'role', NULL, NULL, 'action', NULL, NULL, 1, 'ticket 1') AS leaf FROM hashed;

SET cdr_service.allow_drop = on;
DROP EXTENSION cdr_service CASCADE;
SELECT format('DROP TABLE %s CASCADE', string_agg(oid::regclass::text, ', ')) AS tables FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition \gset
:tables;
