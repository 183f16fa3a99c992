-- How fast a run of retention deletes: events, and calls, of one tenant among ten.
--
--	createdb scratch && psql -X -d scratch -f bench/sql/retention.sql
--
-- No partition expires as a whole, so all go by DELETE, 10000 rows at a time.
\if :{?calls}
\else
	\set calls 200000
\endif
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION cdr_service;
SELECT cdr_create_retention_tables(), cdr_create_partitions('2026-01-01', '2026-01-31') > 0 AS partitions;
SELECT sum(cdr_ingest_event(json_build_object('eventType', type, 'callId', md5(call::text), 'tenantId', 'tenant-' || call % 10,
	'timestamp', timestamptz '2026-01-01 00:00Z' + call * interval '10 s' + after * interval '1 s'))::integer) AS recorded
FROM generate_series(1, :calls) AS call, (VALUES ('call.started', 0), ('call.ended', 100)) AS e(type, after);
VACUUM ANALYZE calls, call_events;
CHECKPOINT;

SELECT cdr_set_retention('tenant-1', 'events', '1 day', 'bench', 'bench') IS NULL AS rule;
\timing on
CALL cdr_apply_retention();
\timing off
SELECT cdr_set_retention('tenant-2', 'calls', '1 day', 'bench', 'bench') IS NULL AS rule;
\timing on
CALL cdr_apply_retention();
