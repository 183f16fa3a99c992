-- Seals of events, the log of seals, checkpoints; and what shows when somebody changes any of it.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
-- (where a line of a function is, is no matter)
\set SHOW_CONTEXT never
CREATE FUNCTION ev(i int) RETURNS json LANGUAGE sql AS
$$ SELECT json_build_object('eventType', 'call.started', 'callId', 'c' || i, 'timestamp', to_char(timestamptz '2021-11-25Z' + i * interval '5 min', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) $$;

-- the vector: an entry, and its hash as a leaf of the log
SELECT encode(sha256('\x00' || convert_to(cdr_seal_entry('2026-11-25', 'broker', 3, '2026-11-25T12:00:05.010000Z', '2026-11-25T12:00:05.010002Z',
	decode('BnzBgAWwKFZ33TrEw8comjj5Rq/L/IBzjBlFNx7dp1w=', 'base64')), 'UTF8')), 'hex')
	= 'a0e8a1e96623ef732536e1b97976e33aef162cfaefd91e2ac440e705ae5adb5e' AS vector;
-- no name ends a line
SELECT cdr_seal_entry('2026-11-25', E'sql:a\n3\nb', 3, now(), now(), '') LIKE E'cdr-seal-v1\n2026-11-25\nsql:a?3?b\n3\n%' AS one_line;

-- without tables; with tables, while it is off
SET cdr_service.evidence = on;
SELECT level, detail, hint FROM cdr_health WHERE "check" = 'evidence';
SELECT cdr_seal();
SELECT cdr_ingest_event(ev(1));
-- nobody's but the owner's, whatever default privileges there are
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;
SELECT cdr_create_evidence_tables();
SELECT cdr_create_evidence_tables();
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC;
SELECT c.relname, a.grantee::regrole FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE relname IN ('cdr_unsealed', 'cdr_seals', 'cdr_log', 'cdr_checkpoints') AND a.grantee <> c.relowner;
SELECT c.relname, c.relowner::regrole FROM pg_class AS c WHERE relname IN ('cdr_unsealed', 'cdr_seals', 'cdr_log', 'cdr_checkpoints') ORDER BY 1;
RESET cdr_service.evidence;
SELECT cdr_ingest_event(ev(2));
SELECT count(*) AS waiting FROM cdr_unsealed;
SELECT count(*) FROM cdr_health WHERE "check" = 'evidence';

-- on: a leaf for each event that is new, in all forms
SET cdr_service.evidence = on;
SELECT sum(n) FROM (SELECT cdr_ingest_events(array_agg(ev(i) ORDER BY i)) AS n FROM generate_series(3, 600) AS i GROUP BY i / 200) AS s;
-- some are known: they leave gaps between times of recording
SELECT cdr_ingest_events(array_agg(ev(i))) FROM generate_series(590, 620, 2) AS i;
SELECT cdr_ingest_message(convert_to(ev(700 + i)::text, 'UTF8'), routing_key => 'a.b', content_type => 'application/json', message_id => CASE i WHEN 1 THEN ''::bytea ELSE '\x6d' END,
	headers => '{"h": "ü"}') FROM generate_series(1, 2) AS i;
SELECT cdr_ingest_message('\x0a0c63616c6c2e737461727465641a0163'::bytea, content_type => 'application/x-protobuf') IS NOT NULL AS protobuf;
SELECT cdr_ingest_message('{"specversion":"1.0","id":"1","source":"s","type":"call.started","data":{"eventType":"call.started","callId":"ce","timestamp":"2021-11-25T00:00:00Z"}}', content_type => 'application/cloudevents+json') AS cloudevent;
SELECT cdr_ingest_event('{"eventType":"no.time"}');
SELECT cdr_correct_call('c3', '{"tenant_id": "t"}', 'a test') IS NOT NULL AS corrected;
BEGIN;
SELECT cdr_ingest_event(ev(900));
ROLLBACK;
CREATE VIEW waiting AS SELECT u.day, u.source, u.lo, u.hi, u.n, l.leaf, l.place FROM cdr_unsealed AS u, unnest(u.leaves) WITH ORDINALITY AS l(leaf, place);
SELECT count(*) AS waiting, count(DISTINCT w.leaf) AS leaves, count(l.leaf) AS of_rows,
	count(*) FILTER (WHERE l.recorded_at BETWEEN w.lo AND w.hi AND (l.event_time AT TIME ZONE 'UTC')::date = w.day AND w.source = 'sql:' || session_user) AS fit
FROM waiting AS w LEFT JOIN cdr_event_leaves() AS l USING (leaf);
SELECT count(*) AS rows, count(*) FILTER (WHERE w.leaf IS NULL) AS without, min(l.call_id) FILTER (WHERE w.leaf IS NULL) AS first, max(l.call_id) FILTER (WHERE w.leaf IS NULL) AS last
FROM cdr_event_leaves() AS l LEFT JOIN waiting AS w USING (leaf);
SELECT count(*) AS batches, sum(n) AS events, bool_and(n = cardinality(leaves)) AS counted FROM cdr_unsealed;

-- sealed: compared with what plain SQL makes of the rows
SELECT cdr_seal() > 3 AS sealed, (SELECT count(*) FROM cdr_unsealed) AS waiting;
SELECT cdr_seal();
SELECT count(*) AS seals, sum(s.n) AS events, count(*) FILTER (WHERE s.root = t.root AND s.n = t.n) AS fit, count(DISTINCT log_index) AS places, max(log_index) + 1 AS length
FROM cdr_seals AS s, LATERAL (SELECT cdr_merkle_root(array_agg(l.leaf ORDER BY l.recorded_at)) AS root, count(*) AS n FROM cdr_event_leaves() AS l
	WHERE l.recorded_at <@ s.members AND (l.event_time AT TIME ZONE 'UTC')::date = s.day) AS t;
SELECT count(*) FILTER (WHERE l.entry = cdr_seal_entry(s.day, s.source, s.n, s.lo, s.hi, s.root)) = count(*) AS logged FROM cdr_log AS l LEFT JOIN cdr_seals AS s USING (log, log_index);
CREATE VIEW head AS SELECT count(*) AS size, cdr_merkle_root(array_agg(sha256('\x00' || convert_to(entry, 'UTF8')) ORDER BY log_index)) AS root FROM cdr_log;
SELECT cdr_checkpoint() = format(E'cdr_service/%s/%s/%s/1\n%s\n%s\n', c.system_identifier, d.oid, 'cdr_checkpoints'::regclass::oid, h.size, encode(h.root, 'base64')) AS checkpoint
FROM head AS h, pg_control_system() AS c, pg_database AS d WHERE d.datname = current_database();
SELECT cdr_checkpoint() AS kept \gset
SELECT cdr_ingest_events(array_agg(ev(i))) FROM generate_series(1000, 1010) AS i;
SELECT cdr_seal();
SELECT split_part(cdr_checkpoint(), E'\n', 3) = encode(h.root, 'base64') AND h.size = split_part(cdr_checkpoint(), E'\n', 2)::bigint AS checkpoint, (SELECT count(*) FROM cdr_checkpoints) AS checkpoints FROM head AS h;
-- two events came before there was evidence
SELECT problem, day, detail FROM cdr_verify_evidence();
SELECT problem, detail FROM cdr_verify_evidence('2021-11-26', NULL, :'kept');
SELECT level, detail FROM cdr_health WHERE "check" = 'evidence';
-- many seals at once
SELECT sum(cdr_ingest_event(ev(i))::int) FROM generate_series(2000, 2100) AS i;
SELECT count(*) AS waiting FROM cdr_unsealed;
SELECT cdr_seal() AS sealed, (SELECT max(size) FROM cdr_checkpoints) = (SELECT size FROM head) AS covered;
SELECT problem, detail FROM cdr_verify_evidence('2021-11-26', NULL, :'kept');

-- Large batches are sealed at once, if the library is preloaded: it shows in nothing but the queue.
SELECT cdr_ingest_events(array_agg(ev(i))) FROM generate_series(10000, 10600) AS i;
SELECT cdr_ingest_events(array_agg(ev(i))) FROM generate_series(10300, 12300) AS i;
SELECT bool_and(COALESCE(u.groups, cdr_tree_groups(u.leaves)) = cdr_tree_groups(l.leaves)) AS fit, sum(u.n)
FROM cdr_unsealed AS u, LATERAL (SELECT array_agg(l.leaf ORDER BY l.recorded_at) AS leaves FROM cdr_event_leaves() AS l
	WHERE l.recorded_at BETWEEN u.lo AND u.hi AND (l.event_time AT TIME ZONE 'UTC')::date = u.day) AS l;
BEGIN;
SELECT cdr_seal() > 0 AS sealed;
SELECT count(*) FILTER (WHERE s.root = t.root AND s.n = t.n) = count(*) AS fit FROM cdr_seals AS s, LATERAL (SELECT cdr_merkle_root(array_agg(l.leaf ORDER BY l.recorded_at)) AS root, count(*) AS n FROM cdr_event_leaves() AS l
	WHERE l.recorded_at <@ s.members AND (l.event_time AT TIME ZONE 'UTC')::date = s.day) AS t;
SELECT problem, detail FROM cdr_verify_evidence('2021-11-26', NULL, :'kept');
ROLLBACK;
DELETE FROM call_events WHERE call_id ~ '^c1[0-9]{4}$';
DELETE FROM cdr_unsealed;

-- a checkpoint is short; its root has 32 bytes
SELECT bool_and(octet_length(note) BETWEEN 80 AND 120) AS short FROM cdr_checkpoints;

-- Whoever may write call_events changes rows.
CREATE FUNCTION found() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(problem || coalesce(': ' || detail, ''), '; ' ORDER BY log_index) FROM cdr_verify_evidence('2021-11-26') $$;
BEGIN;
UPDATE call_events SET payload = replace(payload::text, 'c401', 'c402')::json WHERE call_id = 'c401';
SELECT found();
ROLLBACK; BEGIN;
UPDATE call_events SET tenant_id = 'mine' WHERE call_id = 'c401';
SELECT found();
ROLLBACK; BEGIN;
UPDATE call_events SET salt = gen_random_uuid() WHERE call_id IN ('c401', 'c402');
SELECT found();
ROLLBACK; BEGIN;
DELETE FROM call_events WHERE call_id = 'c401';
SELECT found();
ROLLBACK; BEGIN;
-- one for another
INSERT INTO call_events (event_time, received_at, recorded_at, event_id, call_id, salt, payload) SELECT event_time, received_at, recorded_at, gen_random_uuid(), 'new', salt, payload FROM call_events WHERE call_id = 'c401';
DELETE FROM call_events WHERE call_id = 'c401';
SELECT found();
ROLLBACK; BEGIN;
-- one more; and one that says it was recorded at another time
INSERT INTO call_events (event_time, received_at, recorded_at, event_id, call_id, salt, payload) SELECT event_time, received_at, recorded_at, gen_random_uuid(), 'new', salt, payload FROM call_events WHERE call_id = 'c401';
SELECT found();
ROLLBACK; BEGIN;
INSERT INTO call_events (event_time, received_at, recorded_at, event_id, call_id, salt, payload) SELECT event_time, received_at, now(), gen_random_uuid(), 'new', salt, payload FROM call_events WHERE call_id = 'c401';
SELECT found();
ROLLBACK; BEGIN;
-- ... and plants a seal that the log does not know
INSERT INTO call_events (event_time, received_at, recorded_at, event_id, call_id, salt, payload) SELECT event_time, received_at, now(), gen_random_uuid(), 'new', salt, payload FROM call_events WHERE call_id = 'c401';
INSERT INTO cdr_seals SELECT 1, 100000, (event_time AT TIME ZONE 'UTC')::date, recorded_at, recorded_at, 1, 'x', '', '{}', tstzmultirange(tstzrange(recorded_at, recorded_at, '[]')) FROM call_events WHERE call_id = 'new';
SELECT found();
ROLLBACK; BEGIN;
-- moved to another day
UPDATE call_events SET event_time = event_time + interval '1 day' WHERE call_id = 'c401';
SELECT found();
ROLLBACK; BEGIN;

-- A DBA changes the seal with it.
CREATE FUNCTION reseal() RETURNS void LANGUAGE sql AS $$
	UPDATE cdr_seals AS s SET root = t.root, groups = t.groups, n = t.n
	FROM (SELECT s.log_index, cdr_merkle_root(array_agg(l.leaf ORDER BY l.recorded_at)) AS root, cdr_tree_groups(array_agg(l.leaf ORDER BY l.recorded_at)) AS groups, count(*) AS n
		FROM cdr_seals AS s JOIN cdr_event_leaves() AS l ON l.recorded_at <@ s.members AND (l.event_time AT TIME ZONE 'UTC')::date = s.day GROUP BY 1) AS t
	WHERE t.log_index = s.log_index $$;
DELETE FROM call_events WHERE call_id = 'c401';
SELECT reseal();
SELECT regexp_replace(replace(found(), session_user, 'me'), '[0-9:T-]+\.[0-9]+Z|\S+=', '...', 'g') AS found;
-- ... and the entry of the log
UPDATE cdr_log AS l SET entry = cdr_seal_entry(s.day, s.source, s.n, s.lo, s.hi, s.root) FROM cdr_seals AS s WHERE s.log_index = l.log_index;
SELECT found();
-- ... and all checkpoints: that is what nobody can find who has kept none
CREATE FUNCTION redo_checkpoints() RETURNS void LANGUAGE sql AS $$
	UPDATE cdr_checkpoints AS c SET root = t.root, peaks = t.peaks, note = split_part(c.note, E'\n', 1) || E'\n' || c.size || E'\n' || encode(t.root, 'base64') || E'\n'
	FROM (SELECT c.size, cdr_merkle_root(array_agg(sha256('\x00' || convert_to(entry, 'UTF8')) ORDER BY log_index)) AS root,
		cdr_tree_peaks('{}', 0, array_agg(sha256('\x00' || convert_to(entry, 'UTF8')) ORDER BY log_index)) AS peaks
		FROM cdr_checkpoints AS c JOIN cdr_log AS l ON l.log_index < c.size GROUP BY 1) AS t WHERE t.size = c.size $$;
SELECT redo_checkpoints();
SELECT found();
SELECT problem, detail FROM cdr_verify_evidence('2021-11-26', NULL, :'kept');
ROLLBACK; BEGIN;
DELETE FROM cdr_seals WHERE log_index = 1;
SELECT regexp_replace(replace(found(), session_user, 'me'), '[0-9:T-]+\.[0-9]+Z|\S+=', '...', 'g') AS found;
ROLLBACK; BEGIN;
-- the end is cut off, with all that tells of it
DELETE FROM cdr_log WHERE log_index >= 2;
SELECT split_part(found(), ';', 1) AS found;
DELETE FROM cdr_checkpoints WHERE size > 2;
DELETE FROM cdr_seals WHERE log_index >= 2;
SELECT problem, detail FROM cdr_verify_evidence('2021-11-26', '2021-11-26', :'kept');
ROLLBACK; BEGIN;
-- what is put down is not sealed, but thrown away
SELECT cdr_ingest_event(ev(900));
DELETE FROM cdr_unsealed;
SELECT found();
ROLLBACK;

-- days the wrong way round are not an empty answer
SELECT * FROM cdr_verify_evidence('2021-11-26', '2021-11-25');
-- a kept checkpoint that is none
SELECT * FROM cdr_verify_evidence(NULL, NULL, 'x');
SELECT * FROM cdr_verify_evidence(NULL, NULL, E'x\n-1\nAAAA');
SET cdr_service.evidence_origin = 'x';
-- the origin is one word

ALTER SYSTEM SET cdr_service.evidence_origin = 'a b';
ALTER SYSTEM SET cdr_service.evidence_origin = 'a+b';

-- the table takes nothing: then nothing is recorded
DROP VIEW waiting;
BEGIN;
ALTER TABLE cdr_unsealed DROP COLUMN n;
SELECT cdr_ingest_event(ev(900));
ROLLBACK;
SELECT cdr_tree_peaks('{}', 1, '{}');
SELECT cdr_tree_peaks(ARRAY[sha256('')], 0, '{}');
SELECT cdr_tree_peaks('{}', -1, '{}');

-- Somebody else's tables are none of evidence.
DROP VIEW head;
DROP TABLE cdr_unsealed;
CREATE TABLE cdr_unsealed (lo timestamptz);
SELECT cdr_create_evidence_tables();
SELECT cdr_ingest_event(ev(901));
SELECT level, detail FROM cdr_health WHERE "check" = 'evidence';
SELECT cdr_seal();

-- DROP EXTENSION keeps the others
DROP EXTENSION cdr_service;
SELECT count(*) > 0 AS kept FROM cdr_log;
DROP TABLE cdr_unsealed, cdr_unlogged, cdr_seals, cdr_log, cdr_checkpoints;
DROP FUNCTION ev, found;
SET cdr_service.allow_drop = on;
DROP TABLE calls, call_events, dead_letters;
