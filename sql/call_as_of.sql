-- A call as it was known at a time: of the events that were recorded by then, whether
-- that is certain, and what was retired.  Compared with calls, as it stood then.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SELECT cdr_create_partitions('2026-01-01', '2026-03-01');

CREATE FUNCTION ev(call text, type text, second numeric, more jsonb DEFAULT '{}') RETURNS json
LANGUAGE sql AS $$
	SELECT (jsonb_build_object('callId', call, 'eventType', 'call.' || type, 'timestamp',
		to_char(timestamptz '2026-01-19 22:00:00Z' + second * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
		|| more)::json
$$;
-- what calls said after each step, and when that was
CREATE TABLE steps (step integer, at timestamptz, call_id text, said jsonb);
CREATE PROCEDURE record_step(step integer, events json[])
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cdr_ingest_events(events);
	COMMIT;
	INSERT INTO steps SELECT step, clock_timestamp(), c.call_id, to_jsonb(c) - 'merge_state' FROM calls AS c;
	COMMIT;
END
$$;

CALL record_step(1, ARRAY[ev('a', 'started', 0, '{"from":"1001","to":"2002","tenantId":"t1"}'), ev('b', 'started', 1, '{"from":"1003","to":"2004"}')]);
CALL record_step(2, ARRAY[ev('a', 'answered', 5), ev('b', 'ended', 3, '{"reason":"busy"}')]);
-- late, and of before all others; once more; used again
CALL record_step(3, ARRAY[ev('a', 'ringing', 2), ev('a', 'answered', 5), ev('b', 'started', 600, '{"from":"1003","to":"2004"}')]);
SELECT cdr_correct_call('a', '{"hangup_cause":"normal_clearing"}', 'told by the carrier') IS NOT NULL AS corrected;
CALL record_step(4, ARRAY[ev('a', 'ended', 65, '{"reason":"user_busy"}'), ev('c', 'ended', 9)]);
SELECT count(*), count(DISTINCT step) FROM steps;

-- each, at each step, is what calls said; now, what calls say
CREATE VIEW differing AS
SELECT s.step, s.call_id, s.said, k.known
FROM steps AS s
LEFT JOIN LATERAL (SELECT to_jsonb(x) - ARRAY['certain', 'erased', 'retired'] AS known FROM cdr_call_as_of(s.call_id, s.at) AS x) AS k ON true
WHERE k.known IS DISTINCT FROM s.said;
SELECT * FROM differing;
SELECT call_id FROM calls AS c
WHERE to_jsonb(c) - 'merge_state' IS DISTINCT FROM
	(SELECT to_jsonb(x) - ARRAY['certain', 'erased', 'retired'] FROM cdr_call_as_of(c.call_id, clock_timestamp()) AS x);
-- what was not known then has no row
SELECT count(*) FROM cdr_call_as_of('c', (SELECT at FROM steps WHERE step = 3 LIMIT 1));
SELECT count(*) FROM cdr_call_as_of('a', '2026-01-01Z');
SELECT count(*) FROM cdr_call_as_of('a', '-infinity');
SELECT count(*) FROM cdr_call_as_of('nobody''s', now());
SELECT count(*) FROM cdr_call_as_of(NULL, now());
SELECT count(*) FROM cdr_call_as_of('a', NULL);
SELECT cdr_call_as_of('a', now() + interval '1 hour');
SELECT cdr_call_as_of('a', 'infinity');

-- without seals, nothing is certain
SELECT s.step, s.call_id, x.certain, x.retired FROM steps AS s, cdr_call_as_of(s.call_id, s.at) AS x ORDER BY s.step, s.call_id;

-- with them: what a checkpoint of before covers was known, the rest may not have been
SELECT cdr_create_evidence_tables();
SET cdr_service.evidence = on;
CALL record_step(5, ARRAY[ev('d', 'started', 0)]);
SELECT cdr_seal();
CALL record_step(6, ARRAY[ev('e', 'started', 0)]);
CALL record_step(7, ARRAY[ev('d', 'ended', 9)]);
SELECT cdr_seal();
CALL record_step(8, ARRAY[ev('a', 'recording.available', 90, '{"uri":"s3://1"}')]);
SELECT * FROM differing;
SELECT s.step, s.call_id, x.certain FROM steps AS s, cdr_call_as_of(s.call_id, s.at) AS x WHERE s.step > 4 ORDER BY s.step, s.call_id;
-- at the very moment of a checkpoint, and just before it
SELECT x.certain, y.certain FROM (SELECT taken_at AS at FROM cdr_checkpoints ORDER BY size DESC LIMIT 1) AS c,
	cdr_call_as_of('d', c.at) AS x, cdr_call_as_of('d', c.at - interval '1 us') AS y;
-- a seal that is gone vouches for nothing
BEGIN;
DELETE FROM cdr_seals;
SELECT certain FROM cdr_call_as_of('d', clock_timestamp());
ROLLBACK;
SELECT certain FROM cdr_call_as_of('d', clock_timestamp());

-- what was retired may have been known, or not
SELECT cdr_ingest_events(ARRAY[ev('d', 'recording.available', 86400 * 30, '{"uri":"s3://2"}')]);
ALTER TABLE call_events DETACH PARTITION call_events_20260101;
SELECT x.call_id, x.start_time, x.recording_url, x.event_count, x.certain, x.retired FROM cdr_call_as_of('d', clock_timestamp()) AS x;
SELECT x.call_id, x.start_time, x.status, x.event_count, x.certain, x.retired FROM cdr_call_as_of('e', clock_timestamp()) AS x;
ALTER TABLE call_events ATTACH PARTITION call_events_20260101 FOR VALUES FROM ('2026-01-01Z') TO ('2026-02-01Z');
SELECT * FROM differing;

-- what was erased is known to have been there, and not what it said
SELECT cdr_create_retention_tables(), cdr_create_erasure_tables();
SELECT calls, events FROM cdr_erase(call_id => 'a', reason => 'a test');
SELECT count(*) FROM cdr_call_as_of('a', clock_timestamp());
SELECT x.call_id LIKE 'erased:%' AS pseudonym, x.start_time, x.caller_number, x.event_count, x.erased, x.retired
FROM calls AS c, cdr_call_as_of(c.call_id, clock_timestamp()) AS x WHERE c.call_id LIKE 'erased:%';
SELECT s.step, x.event_count, x.erased FROM (SELECT step, max(at) AS at FROM steps GROUP BY 1) AS s, calls AS c, cdr_call_as_of(c.call_id, s.at) AS x
WHERE c.call_id LIKE 'erased:%' ORDER BY 1;

-- with the rights of who asks, under whatever search_path
CREATE ROLE regress_as_of;
CREATE FUNCTION public.count(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 1 / 0';
GRANT SELECT ON call_events TO regress_as_of;
SET ROLE regress_as_of;
SELECT cdr_call_as_of('d', now());
RESET ROLE;
GRANT SELECT ON calls, cdr_seals, cdr_checkpoints TO regress_as_of;
SET ROLE regress_as_of;
SET search_path = public, pg_catalog;
SELECT call_id, certain FROM cdr_call_as_of('d', now());
RESET ROLE;
DROP OWNED BY regress_as_of;
DROP ROLE regress_as_of;

DROP VIEW differing;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters, cdr_unsealed, cdr_seals, cdr_log, cdr_checkpoints, cdr_holds, cdr_retention, cdr_retired, cdr_leaf_stubs, cdr_unlogged, cdr_erasures, cdr_erasure_keys, steps;
DROP FUNCTION ev, public.count(bigint);
DROP PROCEDURE record_step;
