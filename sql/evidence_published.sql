-- Where every table is published, what evidence, retention and erasure write is still
-- changed: each table that rows are taken from says which row it was.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SELECT cdr_create_evidence_tables();
SELECT cdr_create_retention_tables();
SELECT cdr_create_erasure_tables();
SET client_min_messages = error; -- wal_level may be too low to send it
CREATE PUBLICATION regress_cdr_everything FOR ALL TABLES;
RESET client_min_messages;

-- (rows of the rollup are changed by no statement)
SELECT c.oid::regclass AS without_identity FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relreplident <> 'f'
	AND NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary)
ORDER BY 1;

SELECT count(*) FROM cdr_read_calls('to look', 'call-1');
UPDATE cdr_access_log SET at = at - interval '2 days';
SET cdr_service.evidence = on;
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"call-1","timestamp":"2021-11-25T12:00:00Z"}');
SELECT cdr_hold('a claim', call_id => 'call-2') IS NOT NULL AS held;
SELECT cdr_seal();
SELECT count(*) FROM cdr_unsealed;
SELECT count(*) FROM cdr_unlogged;
SELECT cdr_set_retention(NULL, 'access_log', '3 days', 'a purpose', 'a test');
SELECT cdr_set_retention(NULL, 'access_log', '1 day', 'a purpose', 'a test');
CALL cdr_apply_retention();
SELECT count(*) FROM cdr_access_log;
SELECT calls, events FROM cdr_erase(call_id => 'call-1', reason => 'asked');
SELECT cdr_seal() > 0 AS sealed;
SELECT problem, detail FROM cdr_verify_evidence();

DROP PUBLICATION regress_cdr_everything;
DROP TABLE cdr_unsealed, cdr_unlogged, cdr_seals, cdr_log, cdr_checkpoints, cdr_anchors;
DROP TABLE cdr_holds, cdr_retention, cdr_retired, cdr_leaf_stubs, cdr_erasure_keys, cdr_erased_calls, cdr_erasures;
SET cdr_service.allow_drop = on;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
