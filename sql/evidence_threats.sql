-- Who does what, and whether it is found: without a checkpoint from outside, and with the
-- one that somebody has kept.  Each is played, and undone; then a table of them all.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET client_min_messages = warning;
\set SHOW_CONTEXT never
SET cdr_service.evidence = on;
SELECT cdr_create_evidence_tables(), cdr_create_retention_tables();
CREATE FUNCTION ev(call text, type text, second integer) RETURNS json LANGUAGE sql AS $$
	SELECT json_build_object('eventType', 'call.' || type, 'callId', call, 'from', '+12025550123',
		'timestamp', to_char(timestamptz '2021-11-25Z' + second * interval '1 s', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) $$;
CREATE FUNCTION told(call text) RETURNS integer LANGUAGE sql AS $$
	SELECT cdr_ingest_events(ARRAY[ev(call, 'started', 0), ev(call, 'answered', 5), ev(call, 'ended', 9)]) $$;
-- what is found, in short; by the name of a checkpoint, or without one
CREATE TABLE kept (name text, note text);
CREATE TABLE played (number integer GENERATED ALWAYS AS IDENTITY, who text, what text, without text, "with" text);
CREATE FUNCTION found(checkpoint text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT COALESCE(string_agg(DISTINCT problem, ', ' ORDER BY problem), 'not found')
	FROM cdr_verify_evidence(checkpoint => (SELECT note FROM kept WHERE name = checkpoint)) $$;
-- the act leaves nothing but a row of the table of what was found
CREATE FUNCTION play(who text, what text, acts text, checkpoint text DEFAULT 'last') RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	role constant name := CASE who WHEN 'user' THEN 'regress_editor' WHEN 'DBA' THEN 'cdr_service' ELSE session_user END;
	without text;
	"with" text;
BEGIN
	BEGIN
		EXECUTE format('SET LOCAL ROLE %I', role);
		EXECUTE acts;
		RESET ROLE;
		without := found();
		"with" := found(checkpoint);
		RAISE SQLSTATE 'UNDO1';
	EXCEPTION WHEN SQLSTATE 'UNDO1' THEN NULL;
	END;
	INSERT INTO played (who, what, without, "with") VALUES (who, what, without, "with");
END $$;
-- who may write all tables makes all of them fit what the rows say now
CREATE FUNCTION forge() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE cdr_seals AS s SET root = t.root, groups = t.groups, n = t.n
	FROM (SELECT s.log_index, cdr_merkle_root(array_agg(l.leaf ORDER BY l.recorded_at)) AS root, cdr_tree_groups(array_agg(l.leaf ORDER BY l.recorded_at)) AS groups, count(*) AS n
		FROM cdr_seals AS s JOIN cdr_event_leaves() AS l ON l.recorded_at <@ s.members AND (l.event_time AT TIME ZONE 'UTC')::date = s.day GROUP BY 1) AS t
	WHERE t.log_index = s.log_index;
	DELETE FROM cdr_seals AS s WHERE NOT EXISTS (SELECT FROM call_events AS e WHERE e.recorded_at <@ s.members);
	DELETE FROM cdr_log AS l WHERE l.entry LIKE 'cdr-seal-v1%' AND NOT EXISTS (SELECT FROM cdr_seals AS s WHERE s.log_index = l.log_index);
	UPDATE cdr_log AS l SET entry = cdr_seal_entry(s.day, s.source, s.n, s.lo, s.hi, s.root) FROM cdr_seals AS s WHERE s.log_index = l.log_index;
	UPDATE cdr_checkpoints AS c SET root = t.root, peaks = t.peaks, note = split_part(c.note, E'\n', 1) || E'\n' || c.size || E'\n' || encode(t.root, 'base64') || E'\n'
	FROM (SELECT c.size, cdr_merkle_root(array_agg(sha256('\x00' || convert_to(entry, 'UTF8')) ORDER BY log_index)) AS root,
		cdr_tree_peaks('{}', 0, array_agg(sha256('\x00' || convert_to(entry, 'UTF8')) ORDER BY log_index)) AS peaks
		FROM cdr_checkpoints AS c JOIN cdr_log AS l ON l.log_index < c.size GROUP BY 1) AS t WHERE t.size = c.size;
END $$;

CREATE ROLE regress_editor;
GRANT SELECT, UPDATE, DELETE, INSERT ON call_events TO regress_editor;
-- a seal and a checkpoint for each of three calls; kept are the second and the last
SELECT told('a'), cdr_seal() > 0 AS sealed;
SELECT told('b'), cdr_seal() > 0 AS sealed;
INSERT INTO kept VALUES ('second', cdr_checkpoint());
SELECT told('c'), cdr_seal() > 0 AS sealed;
INSERT INTO kept VALUES ('last', cdr_checkpoint());
SELECT found(), found('second'), found('last');

SELECT play('user', 'changes an event', $$UPDATE call_events SET event_type = 'call.failed' WHERE call_id = 'a' AND event_type = 'call.answered'$$);
SELECT play('user', 'changes a body', $$UPDATE call_events SET payload = replace(payload::text, '0123', '0124')::json WHERE call_id = 'b'$$);
SELECT play('user', 'moves an event in time', $$UPDATE call_events SET event_time = event_time + interval '1 minute' WHERE call_id = 'b' AND event_type = 'call.ended'$$);
SELECT play('user', 'removes an event', $$DELETE FROM call_events WHERE call_id = 'c' AND event_type = 'call.ended'$$);
SELECT play('user', 'writes an event by hand', $$INSERT INTO call_events (event_time, received_at, recorded_at, event_id, call_id, time_source, event_type, payload)
	VALUES ('2021-11-25Z', now(), clock_timestamp(), gen_random_uuid(), 'd', 'b', 'call.started', '{}')$$);
SELECT play('user', 'writes one between others', $$INSERT INTO call_events (event_time, received_at, recorded_at, event_id, call_id, time_source, event_type, payload, salt)
	SELECT event_time, received_at, recorded_at, gen_random_uuid(), 'd', time_source, 'call.started', payload, salt FROM call_events WHERE call_id = 'a' LIMIT 1$$);
SELECT play('DBA', 'changes an event and its seal', $$UPDATE call_events SET event_type = 'call.failed' WHERE call_id = 'a' AND event_type = 'call.answered';
	UPDATE cdr_seals SET root = sha256('x'), groups = ARRAY[sha256('x')] WHERE log_index = 0$$);
SELECT play('DBA', 'removes a call and its seal', $$DELETE FROM call_events WHERE call_id = 'b'; DELETE FROM cdr_seals WHERE log_index = 1$$);
SELECT play('DBA', 'and what the log says of it', $$DELETE FROM call_events WHERE call_id = 'b'; DELETE FROM cdr_seals WHERE log_index = 1; DELETE FROM cdr_log WHERE log_index = 1$$);
SELECT play('superuser', 'rewrites event, seal, log and checkpoints', $$UPDATE call_events SET event_type = 'call.failed' WHERE call_id = 'a' AND event_type = 'call.answered'; SELECT forge()$$);
SELECT play('superuser', 'the same, after the checkpoint that was kept', $$UPDATE call_events SET event_type = 'call.failed' WHERE call_id = 'c' AND event_type = 'call.answered'; SELECT forge()$$, 'second');
SELECT play('superuser', 'changes an event before its seal', $$SELECT told('d'); DELETE FROM cdr_unsealed;
	UPDATE call_events SET event_type = 'call.failed' WHERE call_id = 'd' AND event_type = 'call.answered';
	INSERT INTO cdr_unsealed SELECT min(l.recorded_at), max(l.recorded_at), '2021-11-25', 'broker', count(*), array_agg(l.leaf ORDER BY l.recorded_at) FROM cdr_event_leaves() AS l WHERE l.call_id = 'd';
	SELECT cdr_seal()$$);
SELECT play('superuser', 'cuts off the end, with its events', $$DELETE FROM call_events WHERE call_id = 'c'; DELETE FROM cdr_seals WHERE log_index > 1;
	DELETE FROM cdr_log WHERE log_index > 1; DELETE FROM cdr_checkpoints WHERE size > 2$$);
SELECT play('superuser', 'the same, after the checkpoint that was kept', $$DELETE FROM call_events WHERE call_id = 'c'; DELETE FROM cdr_seals WHERE log_index > 1;
	DELETE FROM cdr_log WHERE log_index > 1; DELETE FROM cdr_checkpoints WHERE size > 2$$, 'second');
SELECT play('superuser', 'shows one log here, and another there', $$UPDATE call_events SET event_type = 'call.failed' WHERE call_id = 'c' AND event_type = 'call.answered'; SELECT forge()$$);
SELECT who, what, without, "with" FROM played ORDER BY number;

-- an act that is false remains, with who did it
BEGIN;
INSERT INTO cdr_retired (retired_id, retired_at, login, role, kind, action, from_time, until_time, rows)
VALUES ('00000000-0000-0000-0000-000000000001', now(), session_user, current_user, 'events', 'deleted', '2021-11-25Z', '2021-11-26Z', 3);
DELETE FROM call_events WHERE call_id = 'b';
SELECT cdr_put_entry(cdr_retention_entry('00000000-0000-0000-0000-000000000001'));
SELECT cdr_seal() AS entries;
SELECT split_part(entry, E'\n', 1) AS entry, split_part(entry, E'\n', 4) = 'sql:' || session_user AS himself FROM cdr_log ORDER BY log_index DESC LIMIT 1;
INSERT INTO kept VALUES ('then', cdr_checkpoint());
DELETE FROM cdr_log WHERE entry LIKE 'cdr-retention-v1%';
SELECT found('then') LIKE '%log%' AS "cannot be removed";
ROLLBACK;

-- an invented event, of long ago: who brought it, and how late, stands in the log; it
-- cannot have been there before a checkpoint that does not have it
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"invented","timestamp":"2021-11-25T00:00:00Z"}');
SELECT cdr_seal() AS entries;
SELECT split_part(entry, E'\n', 2) AS day, split_part(entry, E'\n', 3) = 'sql:' || session_user AS himself,
	split_part(entry, E'\n', 5)::timestamptz > '2026-01-01' AS recorded_now, log_index >= split_part((SELECT note FROM kept WHERE name = 'last'), E'\n', 2)::bigint AS later
FROM cdr_log ORDER BY log_index DESC LIMIT 1;

-- who drops all: the loss is plain, the content is gone
BEGIN;
DROP TABLE cdr_seals, cdr_log, cdr_checkpoints;
SAVEPOINT dropped;
SELECT found('last');
ROLLBACK;
BEGIN;
TRUNCATE cdr_seals, cdr_log, cdr_checkpoints;
SELECT found(), found('last');
ROLLBACK;

DROP EXTENSION cdr_service;
DROP OWNED BY regress_editor;
DROP ROLE regress_editor;
DROP TABLE cdr_unsealed, cdr_seals, cdr_log, cdr_checkpoints, cdr_anchors, cdr_holds, cdr_retention, cdr_retired, cdr_leaf_stubs, cdr_unlogged, kept, played;
DROP FUNCTION ev, told, found, play, forge;
SET cdr_service.allow_drop = on;
DROP TABLE calls, call_events, dead_letters;
