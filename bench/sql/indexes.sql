-- What indexes on calls cost those who write, and what they give those who ask.
--
--	createdb scratch && psql -X -d scratch -f bench/sql/indexes.sql
--
-- Calls of three events (0, 8 and 100 to 159 s after the start; five calls begin
-- in two seconds) come in the order of their times, 200 at once, a
-- transaction each, with each of the variants in turn, four rounds: medians.  WAL
-- and updates depend on the calls alone, times on the machine.
\set QUIET on
SET client_min_messages = warning;
SET synchronous_commit = off;
CREATE EXTENSION cdr_service;
DROP INDEX calls_attempt_time_idx;

CREATE TEMP TABLE batches AS
SELECT n / 200 AS number, array_agg(event ORDER BY n) AS events
FROM (SELECT row_number() OVER (ORDER BY at) AS n,
			 json_build_object('eventType', type, 'callId', md5(call::text) || '@192.0.2.1',
				'traceId', call, 'from', 'sip:+1202555' || call, 'to', 'sip:+12025550100',
				'reason', CASE type WHEN 'call.ended' THEN 'normal_clearing' END, 'timestamp', at) AS event
	  FROM generate_series(1, 20000) AS call,
		   (VALUES ('call.started', 0), ('call.answered', 8), ('call.ended', 100)) AS e(type, after),
		   LATERAL (SELECT timestamptz '2026-01-20 00:00Z' + interval '0.4 s' * call
					+ interval '1 s' * CASE type WHEN 'call.ended' THEN after + call % 60 ELSE after END AS at) AS t
	 ) AS numbered
GROUP BY n / 200;

CREATE TEMP TABLE variants AS
SELECT * FROM (VALUES
	(1, 'none', ''),
	(2, 'BRIN (attempt_time, start_time, first_event_time)', 'CREATE INDEX variant ON calls USING brin (attempt_time, start_time, first_event_time) WITH (pages_per_range = 32)'),
	(3, 'btree (start_time)', 'CREATE INDEX variant ON calls (start_time)'),
	(4, 'btree (tenant_id, start_time)', 'CREATE INDEX variant ON calls (tenant_id, start_time)'),
	(6, 'btree (caller_number, attempt_time) and (callee_number, attempt_time)',
		'CREATE INDEX variant ON calls (caller_number, attempt_time); CREATE INDEX variant_2 ON calls (callee_number, attempt_time)'),
	(5, 'open calls: btree (start_time) WHERE end_time IS NULL', 'CREATE INDEX variant ON calls (start_time) WHERE end_time IS NULL')
) AS v(n, variant, command);

CREATE TEMP TABLE results (n integer, variant text, wal numeric, seconds float8, updates bigint, hot bigint, bytes bigint);

DO $$
DECLARE
	v variants;
	batch batches;
	place pg_lsn;
	began timestamptz;
	updates bigint;
	hot bigint;
BEGIN
	FOR round IN 1..4 LOOP
		FOR v IN SELECT * FROM variants ORDER BY n * (-1) ^ round LOOP
			TRUNCATE call_events, calls, timeless_events;
			EXECUTE v.command;
			COMMIT;
			CHECKPOINT;
			updates := pg_stat_get_xact_tuples_updated('calls'::regclass);
			hot := pg_stat_get_xact_tuples_hot_updated('calls'::regclass);
			place := pg_current_wal_insert_lsn();
			began := clock_timestamp();
			FOR batch IN SELECT * FROM batches ORDER BY number LOOP
				PERFORM cdr_ingest_events(batch.events);
				COMMIT;
			END LOOP;
			INSERT INTO results SELECT v.n, v.variant,
				pg_current_wal_insert_lsn() - place, extract(epoch FROM clock_timestamp() - began),
				pg_stat_get_xact_tuples_updated('calls'::regclass) - updates,
				pg_stat_get_xact_tuples_hot_updated('calls'::regclass) - hot,
				pg_indexes_size('calls') - pg_relation_size('calls_pkey');
			COMMIT;
			DROP INDEX IF EXISTS variant, variant_2;
			COMMIT;
		END LOOP;
	END LOOP;
END $$;

SELECT variant,
	round((percentile_cont(0.5) WITHIN GROUP (ORDER BY wal) / 60000)::numeric, 1) AS "WAL B/event",
	round((percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) / 0.06)::numeric, 1) AS "us/event",
	round(100.0 * sum(hot) / sum(updates), 0) AS "% HOT",
	round(max(bytes) / 20000.0, 1) AS "index B/call"
FROM results GROUP BY n, variant ORDER BY n;

-- one hour out of a million calls
TRUNCATE call_events, calls;
INSERT INTO calls (call_id, status, disposition, direction, caller_number, callee_number, start_time,
	answer_time, end_time, hangup_cause, tenant_id, user_id, event_count, first_event_time, last_event_time, merge_state)
SELECT md5(i::text) || '@192.0.2.1', 'COMPLETED', 'ANSWERED', 'inbound', '+1202555' || i, '+12025550100',
	CASE WHEN i % 20 > 0 THEN t END, t + interval '8 s', t + interval '100 s', 'normal_clearing',
	'tenant-' || i % 12, md5(i::text), 5, t, t + interval '100 s', uuid_send(md5(i::text)::uuid)
FROM (SELECT i, timestamptz '2026-01-01 00:00Z' + i * interval '400 ms' AS t FROM generate_series(1, 1000000) AS i) AS x;
VACUUM ANALYZE calls;
SET max_parallel_workers_per_gather = 0;
\set hour 'start_time >= ''2026-01-03 10:00Z'' AND start_time < ''2026-01-03 11:00Z'''
\set any 'start_time IS NULL AND first_event_time >= ''2026-01-03 10:00Z'' AND first_event_time < ''2026-01-03 11:00Z'''
EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off) SELECT count(*) FROM calls WHERE :hour;
SELECT cdr_update_tables();
VACUUM ANALYZE calls;
EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off) SELECT count(*) FROM calls WHERE :hour;
EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off) SELECT count(*) FROM calls WHERE :hour OR :any;
SELECT pg_table_size('calls') / 8192 AS pages, pg_relation_size('calls_attempt_time_idx') AS "bytes of the index";
