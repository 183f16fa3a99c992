-- What sealing and verifying cost, apart from recording: seals of large batches and of
-- single events, the whole of it verified, and a call as a file.
--
--	createdb scratch && psql -X -d scratch -f bench/sql/evidence.sql
--
-- -v events=N: in batches of 2000 (100000 unless set); -v singles=N: seals of one event
-- each (30000).  cdr_service need not be preloaded.
\if :{?events}
\else
	\set events 100000
\endif
\if :{?singles}
\else
	\set singles 30000
\endif
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION cdr_service;
SELECT cdr_create_evidence_tables(), cdr_create_partitions('2026-01-01', '2026-01-31') > 0 AS partitions;
SET cdr_service.evidence = on;
SELECT sum(b.n) AS recorded, count(*) AS batches FROM (
	SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'call.started', 'callId', md5(call::text),
		'timestamp', timestamptz '2026-01-01 00:00Z' + call * interval '1 s', 'from', '+12025550123') ORDER BY call)) AS n
	FROM generate_series(1, :events) AS call GROUP BY call / 2000) AS b;
\echo 'the sealer, for all of these:'
\timing on
SELECT cdr_seal() AS entries;
\timing off
VACUUM ANALYZE call_events, cdr_seals, cdr_log, cdr_checkpoints;
\echo 'verifying these:'
\timing on
SELECT count(*) AS problems FROM cdr_verify_evidence();
\timing off

\echo 'now the seals of one event each, some minutes'
\o /dev/null
SELECT format('SELECT cdr_ingest_event(''{"eventType":"call.ended","callId":"single %s","timestamp":"2026-01-20T12:00:00Z"}''); SELECT cdr_seal()', i)
FROM generate_series(1, :singles) AS i \gexec
\o
VACUUM ANALYZE call_events, cdr_seals, cdr_log, cdr_checkpoints;
SELECT count(*) AS seals, (SELECT count(*) FROM cdr_checkpoints) AS checkpoints FROM cdr_seals;
\echo 'verifying all:'
\timing on
SELECT count(*) AS problems FROM cdr_verify_evidence();
\timing off
\echo 'a call as a file:'
\timing on
SELECT length(cdr_evidence('single 1', 'bench')::text) AS bytes;
