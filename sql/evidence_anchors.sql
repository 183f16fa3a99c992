-- Checkpoints are stamped by a time stamp authority, which openssl makes here.
\set VERBOSITY terse
CREATE EXTENSION cdr_service;
SET client_min_messages = warning;
SET cdr_service.evidence = on;
SELECT cdr_create_evidence_tables();
\! rm -rf results/anchors && mkdir -p results/anchors/tsa
\setenv PGDATABASE :DBNAME
\setenv TSA 'cd results/anchors/tsa &&'
\! eval "$TSA printf '[tsa]\nserial = serial\ncrypto_device = builtin\nsigner_digest = sha256\ndefault_policy = 1.2.3.4\ndigests = sha256\naccuracy = secs:1\ness_cert_id_alg = sha256\n' >tsa.cnf && echo 01 >serial"
\! eval "$TSA for ca in ca other; do openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout \$ca.key -out \$ca.crt -days 2 -subj /CN=\$ca 2>/dev/null || echo no \$ca; done"
\! eval "$TSA openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tsa.key -out tsa.csr -subj /CN=tsa 2>/dev/null && echo extendedKeyUsage=critical,timeStamping >tsa.ext && openssl x509 -req -in tsa.csr -CA ca.crt -CAkey ca.key -extfile tsa.ext -days 2 -set_serial 2 -out tsa.crt 2>/dev/null || echo no certificate"
\setenv STAMP 'cd results/anchors/tsa && cat >request && openssl ts -reply -queryfile request -config tsa.cnf -section tsa -signer tsa.crt -inkey tsa.key -chain ca.crt -out answer 2>errors && cat answer'
\setenv ANCHOR '"$PG_ABS_SRCDIR/scripts/cdr-anchor" --keep results/anchors/kept'

-- nothing to stamp; then one
\! eval "$ANCHOR" --ca results/anchors/tsa/ca.crt --command '"$STAMP"' 2>&1
SELECT cdr_ingest_event('{"eventType": "call.started", "callId": "call-1", "timestamp": "2021-11-25T12:00:00Z"}'), cdr_seal();
-- another authority's stamp, and one over something else, are not kept
\! eval "$ANCHOR" --ca results/anchors/tsa/other.crt --command '"$STAMP"' 2>&1 | sed 's/verify: .*/verify/'
\! eval "$ANCHOR" --ca results/anchors/tsa/ca.crt --command '"cat"' 2>&1 | sed 's/verify: .*/verify/'
SELECT count(*) FROM cdr_anchors;
\! ls results/anchors/kept
\! eval "$ANCHOR" --ca results/anchors/tsa/ca.crt --command '"$STAMP"' && eval "$ANCHOR" --ca results/anchors/tsa/ca.crt --command '"$STAMP"'; echo $?
SELECT log, size, kind FROM cdr_anchors;
-- a server that lies about the name of the schema has nothing run
\! mkdir results/anchors/lies && printf '#!/bin/sh\necho "public; \\\\! touch run"\n' >results/anchors/lies/psql && chmod +x results/anchors/lies/psql
\! eval "PATH=\$PWD/results/anchors/lies:\$PATH $ANCHOR" --ca results/anchors/tsa/ca.crt --command true 2>&1
-- the file of a call has it, and openssl says of it what it says of the one that was kept
\pset tuples_only on
\pset format unaligned
SELECT cdr_ingest_event('{"eventType": "call.ended", "callId": "call-2", "timestamp": "2021-11-25T12:00:00Z"}'), cdr_seal();
SELECT cdr_evidence('call-1', 'a test') \g results/anchors/call.json
\! cd results/anchors && python3 "$PG_ABS_SRCDIR/scripts/cdr-verify" call.json --checkpoint kept/1-*.checkpoint --anchors out | grep -c ^proved
\! cd results/anchors && openssl ts -verify -CAfile tsa/ca.crt -data out/1.checkpoint -in out/1.tsr 2>/dev/null
\! cd results/anchors && sed 's/^1$/2/' out/1.checkpoint >other && openssl ts -verify -CAfile tsa/ca.crt -data other -in out/1.tsr 2>&1 | grep -c 'Verification: FAILED'
\! cmp results/anchors/out/1.tsr results/anchors/kept/1-*.tsr
-- a superuser who makes all fit cannot have the stamp again
BEGIN;
UPDATE cdr_log SET entry = replace(entry, 'sql:', 'sql:x') WHERE log_index = 0;
UPDATE cdr_checkpoints SET root = r.root, peaks = ARRAY[r.root], note = split_part(note, E'\n', 1) || E'\n1\n' || encode(r.root, 'base64') || E'\n'
FROM (SELECT sha256('\x00' || convert_to(entry, 'UTF8')) AS root FROM cdr_log WHERE log_index = 0) AS r WHERE size = 1;
SELECT cdr_evidence('call-1', 'a test') \g results/anchors/forged.json
ROLLBACK;
\! cd results/anchors && python3 "$PG_ABS_SRCDIR/scripts/cdr-verify" forged.json | grep '^NOT PROVED'

-- A checkpoint that is broken in any place is none, or none of this database, and an error of its own:
-- cut off at each byte, and with each byte as another.
CREATE FUNCTION refused(broken text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN 'taken: ' || cdr_add_anchor(broken, 'letter', '\x00');
EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE || ' ' || split_part(SQLERRM, ' of this', 1);
END $$;
CREATE TABLE broken AS
SELECT 'cut' AS how, i AS place, left(c.note, i) AS note FROM (SELECT rtrim(cdr_checkpoint(), E'\n')) AS c(note), generate_series(0, length(c.note) - 1) AS i
UNION ALL SELECT 'changed', i, overlay(c.note PLACING x FROM i FOR 1) FROM (SELECT rtrim(cdr_checkpoint(), E'\n')) AS c(note), generate_series(1, length(c.note)) AS i,
	unnest(ARRAY[E'\n', E'\r', '/', '-', '0', 'A', E'\x01', 'é', '']) AS x WHERE overlay(c.note PLACING x FROM i FOR 1) <> c.note;
SELECT how, refused(note), count(*) > 0 AS some FROM broken GROUP BY 1, 2 ORDER BY 1, 2;
-- who verifies by it is told the same, or that the log is another
CREATE FUNCTION judged(broken text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN COALESCE((SELECT string_agg(DISTINCT problem, ', ') FROM cdr_verify_evidence(checkpoint => broken)), 'nothing');
EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT judged(note) FROM broken WHERE place % 5 = 0 AND judged(note) !~ '^(log [a-z ]+|22023 that is no checkpoint)$';
SELECT judged(repeat('x', 70000) || E'\n1\n' || split_part(cdr_checkpoint(), E'\n', 3));
DROP TABLE broken;
DROP FUNCTION refused, judged;

-- What the document shows, from an event to a verified file, is run as it stands there; the stamp
-- comes by HTTP.
\setenv WALK 'BEGIN { RS = ""; FS = "\\n" } /^## / { on = /^## From an event to a verified file/ } on && /^    [a-zA-Z]/ { for (i = 1; i <= NF; i++) print substr($i, 5); n++ } END { if (n != 4) print "echo " n " paragraphs of commands" }'
\setenv no_proxy 127.0.0.1
\setenv PGOPTIONS '-c cdr_service.evidence=on'
\! mkdir results/anchors/walk && cp results/anchors/tsa/ca.crt results/anchors/walk/tsa-ca.pem
\! awk "$WALK" "$PG_ABS_SRCDIR/doc/evidence.md" | sed "s!https://tsa.example.org/!\"\$TSA\"!; s/ -d cdr / /" >results/anchors/walk/walk.sh
\! cd results/anchors/walk && PATH="$PG_ABS_SRCDIR/scripts:$PATH" python3 "$PG_ABS_SRCDIR/test/tools/tsa.py" ../tsa sh -e walk.sh >said 2>&1; echo $?; grep -E '^(proved|NOT|Verification)' said
\! grep -o 'proved      2026[^`]*' "$PG_ABS_SRCDIR/doc/evidence.md" | grep -cFf - results/anchors/walk/said
-- authorities that fail, and one that does not end
\! rm -r results/anchors/kept
\! python3 "$PG_ABS_SRCDIR/test/tools/tsa.py" results/anchors/tsa sh -c 'for path in error moved endless; do eval "$ANCHOR" --ca results/anchors/tsa/ca.crt $TSA$path 2>&1 | sed "s/1:[0-9]*/1/"; done'
\! ls results/anchors/kept
SELECT count(*) FROM cdr_anchors;

DROP EXTENSION cdr_service;
DROP TABLE cdr_unsealed, cdr_unlogged, cdr_seals, cdr_log, cdr_checkpoints, cdr_anchors;
SET cdr_service.allow_drop = on;
DROP TABLE calls, call_events, dead_letters;
