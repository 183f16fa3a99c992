-- A call as a file of evidence, which a program judges that shares no code with this; anchors.
\set VERBOSITY terse
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET client_min_messages = warning;
SET cdr_service.evidence = on;
DROP ROLE IF EXISTS regress_proof;
CREATE ROLE regress_proof;
CREATE FUNCTION ev(i int, call text) RETURNS json LANGUAGE sql AS
$$ SELECT json_build_object('eventType', (ARRAY['call.started', 'call.answered', 'call.ended'])[1 + i % 3], 'callId', call,
	'timestamp', to_char(timestamptz '2021-11-25Z' + i * interval '5 min', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'n', i) $$;

-- without the tables, and for whoever may not
SELECT cdr_evidence('c5', 'a test');
SELECT cdr_add_anchor('x', 'rfc3161', '\x00');
SELECT cdr_create_evidence_tables();
SET ROLE regress_proof;
SELECT cdr_evidence('c5', 'a test');
SELECT cdr_add_anchor('x', 'rfc3161', '\x00');
SELECT cdr_evidence_file('c5', 'a', 'b', 'c', NULL);
SELECT cdr_put_anchor(E'a\n1\nWHCRWtk4UcAH0XWug3KCCMeZ06kNVo4SJ87GxasiVW0=', 'rfc3161', '\x00');
RESET ROLE;
-- whoever may needs no right on the tables, and has to say why
GRANT EXECUTE ON FUNCTION cdr_evidence, cdr_add_anchor TO regress_proof;
SET ROLE regress_proof;
SELECT cdr_evidence('c5');
SELECT cdr_evidence(NULL, 'a test');
SELECT cdr_evidence('c5', 'a test', 'x');
SELECT cdr_evidence('c5', 'a test', E'a\n1\nWHCRWtk4UcAH0XWug3KCCMeZ06kNVo4SJ87GxasiVW0=');
RESET ROLE;

-- Events in all forms and of two days, in seals of 1 to some hundred; 37 entries of the log.
DO $do$
BEGIN
	FOR s IN 1 .. 36 LOOP
		PERFORM cdr_ingest_events(array_agg(ev(s * 8 + i, 'c' || i % (s % 9 + 1)))) FROM generate_series(1, 1 + 7 * s % 60) AS i;
		PERFORM cdr_seal();
	END LOOP;
END
$do$;
SELECT cdr_ingest_message(convert_to(ev(1, 'ünï'||chr(1)||E'\n')::text, 'UTF8'), routing_key => 'a.é', content_type => 'application/json', message_id => CASE i WHEN 1 THEN ''::bytea ELSE '\x6d00' END,
	headers => '{"h": "ü"}', exchange => 'x') FROM generate_series(1, 2) AS i;
SELECT cdr_ingest_message('\x0a0c63616c6c2e737461727465641a0170'::bytea, content_type => 'application/x-protobuf') IS NOT NULL AS protobuf;
SELECT cdr_seal() > 0 AS sealed;

-- each proof of the log, in logs of some lengths, against C that has all entries at hand
SELECT count(*) AS proofs, count(*) FILTER (WHERE cdr_log_proof(1, i, n) = cdr_inclusion_proof(hashes[:n], i)) AS same
FROM (SELECT array_agg(sha256('\x00' || convert_to(entry, 'UTF8')) ORDER BY log_index) AS hashes FROM cdr_log) AS l,
	unnest('{1, 2, 3, 7, 8, 9, 31, 32, 33, 36, 37}'::int[]) AS n, generate_series(0, n - 1) AS i;
-- checkpoints that are gone cost time alone
BEGIN;
DELETE FROM cdr_checkpoints WHERE size % 5 <> 1;
SELECT count(*) AS proofs, count(*) FILTER (WHERE cdr_log_proof(1, i, n) = cdr_inclusion_proof(hashes[:n], i)) AS same
FROM (SELECT array_agg(sha256('\x00' || convert_to(entry, 'UTF8')) ORDER BY log_index) AS hashes FROM cdr_log) AS l,
	unnest('{33, 36}'::int[]) AS n, generate_series(0, n - 1) AS i;
ROLLBACK;
SELECT cdr_log_proof(1, 37, 37);
SELECT cdr_log_proof(1, -1, 37);
SELECT cdr_log_proof(1, 0, 1000000) IS NULL AS missing;

-- Files, judged.
\setenv VERIFY 'mkdir -p results/proofs && cd results/proofs && python3 "$PG_ABS_SRCDIR/scripts/cdr-verify"'
\! mkdir -p results/proofs; rm -rf results/proofs/*
\pset tuples_only on
\pset format unaligned
SET ROLE regress_proof;
SELECT cdr_evidence('c1', 'a test') \g results/proofs/c1.json
SELECT cdr_evidence('ünï'||chr(1)||E'\n', 'a test') \g results/proofs/odd.json
SELECT cdr_evidence('p', 'a test') \g results/proofs/protobuf.json
SELECT cdr_evidence('nobody', 'a test') \g results/proofs/nobody.json
RESET ROLE;
SELECT action, subject, rows, reason FROM cdr_access_log ORDER BY at;
SELECT cdr_checkpoint() \g results/proofs/last
SELECT note FROM cdr_checkpoints WHERE size = 36 \g results/proofs/before
\! eval "$VERIFY c1.json >out; echo \$?; grep -c ^proved out"
SELECT count(*) FROM call_events WHERE call_id = 'c1';
\! eval "$VERIFY odd.json --checkpoint last | grep -v ^exported | sed 's/^    .*/    .../'"
\! eval "$VERIFY protobuf.json >/dev/null; echo \$?"
\! eval "$VERIFY nobody.json | tail -n 1"
-- a checkpoint that was kept; and a file that is made for that one
\! eval "$VERIFY c1.json --checkpoint last >/dev/null; echo \$?"
\! eval "$VERIFY c1.json --checkpoint before | grep -c '^NOT PROVED.*that you kept'"
SELECT note AS kept FROM cdr_checkpoints WHERE size = 36 \gset
SELECT cdr_evidence('c1', 'a test', :'kept') \g results/proofs/before.json
\! eval "$VERIFY before.json --checkpoint before >/dev/null; echo \$?"

-- What somebody changes in a file.
\! cd results/proofs && sed 's/"event_type" : "call.ended"/"event_type" : "call.failed"/' c1.json >changed.json && ! cmp -s c1.json changed.json && python3 "$PG_ABS_SRCDIR/scripts/cdr-verify" changed.json | grep -c '^NOT PROVED.*call.failed: it is not as it was sealed'
\! cd results/proofs && python3 "$PG_ABS_SRCDIR/test/tools/change_evidence.py" "$PG_ABS_SRCDIR/scripts/cdr-verify" c1.json

-- What waits, what came without a leaf, what was changed in the table, and its neighbours.
SELECT cdr_ingest_event(ev(900, 'c1'));
INSERT INTO call_events (event_time, received_at, recorded_at, event_id, call_id, payload) VALUES ('2021-11-25Z', now(), now(), gen_random_uuid(), 'c1', '{}');
UPDATE call_events SET tenant_id = 'mine' WHERE event_id = (SELECT event_id FROM call_events WHERE call_id = 'c1' AND salt IS NOT NULL ORDER BY recorded_at DESC OFFSET 3 LIMIT 1);
SELECT cdr_evidence('c1', 'a test') \g results/proofs/some.json
\! eval "$VERIFY some.json | sed -n 's/^NOT PROVED .*: //p' | sort | uniq -c | sed 's/^ *//; s/^[2-8] it, or/some it, or/'"
-- others that are gone cost proofs of their neighbours only
DELETE FROM call_events WHERE recorded_at IN (SELECT min(recorded_at) FROM call_events WHERE call_id <> 'c1' GROUP BY (recorded_at <= (SELECT hi FROM cdr_seals WHERE n > 40 ORDER BY lo LIMIT 1)));
SELECT cdr_evidence('c2', 'a test') \g results/proofs/c2.json
\! eval "$VERIFY c2.json | grep -c ^proved"
-- a log that was rewritten
BEGIN;
UPDATE cdr_log SET entry = replace(entry, 'sql:', 'sql:x') WHERE log_index = 30;
SELECT DISTINCT problem FROM cdr_verify_evidence(checkpoint => :'kept') WHERE problem LIKE 'log%';
SELECT cdr_evidence('p', 'a test') \g results/proofs/rewritten.json
ROLLBACK;
\! eval "$VERIFY rewritten.json | grep -c 'not under the checkpoint'"

-- Content that is taken away by hand: its digest is kept, and it was not erased.
UPDATE call_events AS e SET content_digest = l.content_digest, salt = NULL, payload = NULL, body = NULL, routing_key = NULL,
	content_type = NULL, headers = NULL, properties = NULL, message_id = NULL, trace_id = NULL
FROM cdr_event_leaves() AS l WHERE l.event_id = e.event_id AND e.call_id = 'p';
SELECT cdr_evidence('p', 'a test') \g results/proofs/erased.json
\! eval "$VERIFY erased.json | sed -n '/PROVED/s/202.*Z/.../p'"
-- Content that is erased: the log says that, too, under a later checkpoint than the one that was kept.
SELECT cdr_create_erasure_tables();
SELECT cdr_ingest_events(array_agg(ev(i, 'gone'))), cdr_seal() FROM generate_series(2000, 2002) AS i;
SELECT cdr_checkpoint() AS whole \gset
SELECT cdr_checkpoint() \g results/proofs/whole
SELECT calls, events FROM cdr_erase(call_id => 'gone', reason => 'asked');
SELECT cdr_pseudonym(key, 'gone') AS gone FROM cdr_erasure_keys \gset
SELECT cdr_evidence(:'gone', 'a test') \g results/proofs/waits.json
SELECT cdr_seal();
SELECT cdr_evidence(:'gone', 'a test') \g results/proofs/erased.json
SELECT cdr_evidence(:'gone', 'a test', :'whole') \g results/proofs/whole.json
\! eval "$VERIFY waits.json | sed -n '/PROVED/s/202.*Z/.../p'"
\! eval "$VERIFY erased.json | grep '^erased\|^proved\|^All\|under\|^The' | sed 's/202.*Z/.../; s/by sql:[^ ]*/by .../'"
\! eval "$VERIFY whole.json --checkpoint whole | grep '^erased\|^All\|under' | sed 's/202.*Z/.../; s/by sql:[^ ]*/by .../; s/[0-9]* entries of [^:]*/.../'"
-- each value of that, changed, is found
\! cd results/proofs && python3 "$PG_ABS_SRCDIR/test/tools/change_evidence.py" "$PG_ABS_SRCDIR/scripts/cdr-verify" erased.json erasure
BEGIN;
DELETE FROM cdr_erasures;
SELECT cdr_evidence(:'gone', 'a test') \g results/proofs/unrecorded.json
ROLLBACK;
\! eval "$VERIFY unrecorded.json | sed -n '/PROVED/s/202.*Z/.../p' | head -n 1"

-- Anchors.
SELECT cdr_add_anchor(NULL, 'rfc3161', '\x00');
SELECT cdr_add_anchor(E'\n1\nWHCRWtk4UcAH0XWug3KCCMeZ06kNVo4SJ87GxasiVW0=', 'rfc3161', '\x00');
SELECT cdr_add_anchor(E'a\n01\nWHCRWtk4UcAH0XWug3KCCMeZ06kNVo4SJ87GxasiVW0=', 'rfc3161', '\x00');
SELECT cdr_add_anchor(E'a\n1\nWHCRWtk4UcAH0XWug3KCCMeZ06kNVo4SJ87GxasiVW1=', 'rfc3161', '\x00');
SELECT cdr_add_anchor(repeat('a', 70000) || E'\n1\nWHCRWtk4UcAH0XWug3KCCMeZ06kNVo4SJ87GxasiVW0=', 'rfc3161', '\x00');
SELECT cdr_add_anchor(E'a\n36\nWHCRWtk4UcAH0XWug3KCCMeZ06kNVo4SJ87GxasiVW0=', 'rfc3161', '\x00');
SELECT cdr_add_anchor('x' || :'kept', 'rfc3161', '\x00');
SELECT cdr_add_anchor(:'kept', 'RFC 3161', '\x00');
SELECT cdr_add_anchor(:'kept', NULL, '\x00');
SELECT cdr_add_anchor(:'kept', 'rfc3161', '\x00');
SELECT cdr_add_anchor(:'kept', 'rfc3161', NULL);
SELECT cdr_add_anchor(:'kept', 'rfc3161', '');
SELECT cdr_add_anchor(:'kept', 'letter', convert_to(repeat('x', 65537), 'UTF8'));
SET ROLE regress_proof;
SELECT cdr_add_anchor(:'kept', 'letter', convert_to('to the auditor', 'UTF8'));
SELECT cdr_add_anchor(:'kept', 'letter', convert_to('to the auditor', 'UTF8'));
SELECT cdr_add_anchor(:'kept', 'rfc3161', '\x30' || sha384(convert_to(:'kept', 'UTF8')));
SELECT cdr_evidence('c3', 'a test') \g results/proofs/anchored.json
RESET ROLE;
SELECT sum(cdr_add_anchor(:'kept', 'letter', int4send(i))::int) FROM generate_series(1, 14) AS i;
SELECT cdr_add_anchor(:'kept', 'letter', '\x00');
-- the proof is for what is anchored
\! eval "$VERIFY anchored.json --checkpoint before --anchors anchors | sed -n '/^anchor/p; /openssl/p'"
\! head -n 3 results/proofs/before | cmp - results/proofs/anchors/1.checkpoint; ls results/proofs/anchors
\! eval "$VERIFY anchored.json --anchors anchors 2>&1 | tail -n 1"

DROP OWNED BY regress_proof;
DROP ROLE regress_proof;
DROP EXTENSION cdr_service;
DROP TABLE cdr_unsealed, cdr_seals, cdr_log, cdr_checkpoints, cdr_anchors, cdr_erasures, cdr_erased_calls, cdr_erasure_keys, cdr_holds, cdr_retention, cdr_retired, cdr_leaf_stubs,
	cdr_unlogged;
DROP FUNCTION ev;
SET cdr_service.allow_drop = on;
DROP TABLE calls, call_events, dead_letters;
