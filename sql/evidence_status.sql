-- What waits for a seal, the last checkpoint, and how far anchors reach.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
CREATE FUNCTION ev(i int) RETURNS json LANGUAGE sql AS
$$ SELECT json_build_object('eventType', 'call.started', 'callId', 'c' || i, 'timestamp', to_char(timestamptz '2021-11-25Z' + i * interval '1 min', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) $$;
CREATE VIEW status AS SELECT enabled, waiting, waiting_since = (SELECT min(recorded_at) FROM call_events WHERE call_id > 'c2') AS since, log, size, checkpoint_at > now() - interval '1 h' AS checkpoint_at,
	anchored_log, anchored_size, anchored_at IS NOT NULL AS anchored_at, unanchored_since FROM cdr_evidence_status();
CREATE VIEW health AS SELECT "check", level, regexp_replace(detail, 'since \S+ \S+|\d+ (?=sec)', '...', 'g') AS detail FROM cdr_health WHERE "check" IN ('evidence', 'anchors');

-- off, and without tables
SELECT * FROM status;
SET cdr_service.evidence = on;
SELECT * FROM status;
SELECT cdr_create_evidence_tables();
SELECT * FROM status;
-- two are sealed, and three wait
SELECT cdr_ingest_event(ev(i)) FROM generate_series(1, 2) AS i;
SELECT cdr_seal();
SELECT cdr_ingest_event(ev(3));
SELECT cdr_ingest_events(ARRAY[ev(4), ev(5)]);
SELECT enabled, waiting, since, log, size, checkpoint_at, anchored_log, anchored_size, anchored_at, unanchored_since = (SELECT taken_at FROM cdr_checkpoints) AS unanchored_since FROM status;
-- who monitors may ask; whoever may not read the tables sees only this
CREATE ROLE regress_cdr_monitor IN ROLE pg_monitor;
CREATE ROLE regress_cdr_nobody;
SET ROLE regress_cdr_monitor;
SELECT waiting FROM cdr_evidence_status();
SET ROLE regress_cdr_nobody;
SELECT waiting FROM cdr_evidence_status();
RESET ROLE;

-- No anchor was ever added: nobody is asked for one.
SELECT * FROM health;
SET client_min_messages = warning;
CREATE TABLE IF NOT EXISTS cdr_anchors (log integer, size bigint, kind text, token bytea, added_at timestamptz);
RESET client_min_messages;
SELECT * FROM health;
-- somebody else's table says nothing
ALTER TABLE cdr_anchors OWNER TO regress_cdr_nobody;
INSERT INTO cdr_anchors VALUES (1, 1, 'rfc3161', '\x00', now());
SELECT anchored_size FROM status;
ALTER TABLE cdr_anchors OWNER TO cdr_service;
SELECT * FROM status;
SELECT * FROM health;
-- sealed since: now that one has no anchor, and is not old
SELECT cdr_seal() > 0 AS sealed;
SELECT waiting, since, size, anchored_size, unanchored_since = (SELECT max(taken_at) FROM cdr_checkpoints) AS unanchored_since FROM status;
SELECT * FROM health;
-- ... it is old; what an old anchor covers is no matter
UPDATE cdr_anchors SET added_at = now() - interval '3 days';
UPDATE cdr_checkpoints SET taken_at = taken_at - interval '3 days' WHERE size = 1;
SELECT * FROM health;
UPDATE cdr_checkpoints SET taken_at = taken_at - interval '25 h' WHERE size > 1;
SELECT * FROM health;
SELECT hint FROM cdr_health WHERE "check" = 'anchors';
-- ... and an anchor covers all, of whatever age
INSERT INTO cdr_anchors SELECT 1, max(size), 'other', '\x00', now() - interval '1 year' FROM cdr_checkpoints;
SELECT * FROM health;
SELECT anchored_size, unanchored_since FROM status;
-- off: nothing is asked
SET cdr_service.evidence = off;
SELECT * FROM health;

-- What was rolled back has left no trace: the log is the same, and goes on.
SET cdr_service.evidence = on;
SELECT cdr_ingest_event(ev(10));
BEGIN;
SELECT cdr_seal();
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT cdr_seal();
ROLLBACK TO s;
SELECT cdr_ingest_event(ev(11));
COMMIT;
SELECT cdr_seal();
BEGIN;
SELECT cdr_ingest_event(ev(12));
SAVEPOINT s;
SELECT cdr_seal();
RELEASE s;
COMMIT;
SELECT cdr_ingest_event(ev(13));
SELECT cdr_seal();
SELECT DISTINCT log FROM cdr_log;
SELECT * FROM cdr_verify_evidence();

-- The log was brought back to an earlier state, as by the restore of a dump: another begins.
SELECT cdr_checkpoint() AS lost \gset
DELETE FROM cdr_checkpoints WHERE size = (SELECT max(size) FROM cdr_checkpoints);
DELETE FROM cdr_log WHERE log_index = (SELECT max(log_index) FROM cdr_log);
DELETE FROM cdr_seals WHERE log_index = (SELECT max(log_index) FROM cdr_seals);
DELETE FROM call_events WHERE call_id = 'c13';
SELECT cdr_checkpoint() AS kept \gset
SELECT cdr_ingest_event(ev(14));
SELECT cdr_seal();
SELECT log, log_index, entry = E'cdr-continues-v1\n' || :'kept' AS continues FROM cdr_log WHERE log = 2 ORDER BY 2;
SELECT c.log, c.size, split_part(c.note, E'\n', 1) = regexp_replace(split_part(:'kept', E'\n', 1), '/1$', '/2') AS origin, c.root = (SELECT cdr_merkle_root(array_agg(sha256('\x00' || convert_to(l.entry, 'UTF8')) ORDER BY l.log_index)) FROM cdr_log AS l WHERE l.log = 2) AS root
FROM cdr_checkpoints AS c WHERE c.log = 2;
SELECT * FROM cdr_verify_evidence();
SELECT * FROM cdr_verify_evidence(checkpoint => :'kept');
SELECT * FROM cdr_verify_evidence(checkpoint => cdr_checkpoint());
SELECT problem, log, log_index, detail FROM cdr_verify_evidence(checkpoint => :'lost');
SELECT problem, log, regexp_replace(detail, 'cdr_service[^ ]*', '...') AS detail FROM cdr_verify_evidence(checkpoint => replace(:'kept', E'/1\n', E'/7\n'));
SELECT count(*) FROM cdr_verify_evidence(checkpoint => replace(:'kept', 'cdr_service/', 'other/')) WHERE problem = 'log missing' AND detail LIKE 'the given checkpoint is of other/%';
-- each of the two is looked at for itself
BEGIN;
UPDATE cdr_log SET entry = entry || ' ' WHERE log = 1 AND log_index = 0;
SELECT problem, log, log_index, detail FROM cdr_verify_evidence() WHERE problem LIKE 'log%';
ROLLBACK; BEGIN;
UPDATE cdr_log SET entry = entry || ' ' WHERE log = 2 AND log_index = 0;
SELECT problem, log, log_index, detail FROM cdr_verify_evidence() WHERE problem LIKE 'log%';
ROLLBACK; BEGIN;
-- the new one tells of the old, and a checkpoint of it does, whose checkpoints are gone
DELETE FROM cdr_checkpoints WHERE log = 1;
UPDATE cdr_log SET entry = entry || ' ' WHERE log = 1 AND log_index = 0;
SELECT problem, log, log_index, detail FROM cdr_verify_evidence() WHERE problem LIKE 'log%';
DELETE FROM cdr_log WHERE log = 1;
DELETE FROM cdr_seals WHERE log = 1;
SELECT problem, log, log_index, detail FROM cdr_verify_evidence() WHERE problem LIKE 'log%';
ROLLBACK; BEGIN;
UPDATE cdr_checkpoints SET note = replace(note, E'\n2\n', E'\n3\n') WHERE log = 2;
SELECT problem, log, log_index, detail FROM cdr_verify_evidence();
ROLLBACK;
-- all is gone: the next one has another name
DROP TABLE cdr_unsealed, cdr_unlogged, cdr_seals, cdr_log, cdr_checkpoints;
SELECT cdr_create_evidence_tables();
SELECT cdr_ingest_event(ev(15));
SELECT cdr_seal();
SELECT log, log_index, split_part(entry, E'\n', 1) FROM cdr_log;
SELECT problem, log FROM cdr_verify_evidence(checkpoint => :'kept');

DROP VIEW status, health;
DROP EXTENSION cdr_service;
DROP TABLE cdr_unsealed, cdr_unlogged, cdr_seals, cdr_log, cdr_checkpoints, cdr_anchors;
DROP FUNCTION ev;
DROP ROLE regress_cdr_monitor, regress_cdr_nobody;
SET cdr_service.allow_drop = on;
DROP TABLE calls, call_events, dead_letters;
