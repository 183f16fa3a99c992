-- What the documents show runs as it stands there: each statement, and each command of
-- psql, of reports, alerts, monitoring, mappings, evidence, retention and erasure.
-- (report_queries, report_export, report_rights and report_alerts compare results.)  Then the usual mistakes of a newcomer:
-- what is wrong, and what to do, is in the error.
SET timezone = 'UTC';
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_cdr_exporter, regress_cdr_grafana, regress_mapper,
	regress_auditor, regress_counsel, regress_records_manager, regress_privacy;
CREATE EXTENSION cdr_service;
SELECT cdr_create_partitions('2026-03-01', '2026-03-31') > 0 AS made;
\setenv PGDATABASE :DBNAME
\setenv PGHOST :HOST
\setenv PGPORT :PORT
\setenv PGUSER :USER

-- The statements of a document, all in one transaction, which is rolled back.  Names of
-- roles are those of tests; there is no pg_cron here, and perhaps no worker.  It says each
-- error, and whether there were as many paragraphs as there were once.
\setenv STATEMENTS 'BEGIN { RS = ""; FS = "\\n"; words = "^    (SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|GRANT|SET|LISTEN|CALL|BEGIN)[ ;]" } $0 ~ words && !/cron[.]schedule|_in_slices/ { for (i = 1; i <= NF; i++) if ($i !~ /^    (BEGIN|ROLLBACK);/) print substr($i, 5); n++; print "" } END { print "\\\\echo " (n >= least ? "enough" : "only " n) }'
\setenv RUN 'cd "$PG_ABS_SRCDIR/doc" && (echo "\\\\set ON_ERROR_ROLLBACK on"; echo "BEGIN;"; echo "CREATE ROLE regress_mapper;"; awk -v least=$LEAST "$STATEMENTS" $DOCUMENT | sed "/FROM cdr_metrics_worker;/d; s/cdr_exporter/regress_&/g; s/cdr_grafana/regress_&/g; s/ TO mapper/ TO regress_mapper/") | psql -XqAt -f - 2>&1 >/dev/null; awk -v least=$LEAST "$STATEMENTS" $DOCUMENT | sed -n "s/^.echo //p"'
\setenv DOCUMENT reports.md
\setenv LEAST 6
\! eval "$RUN"
\setenv DOCUMENT alerts.md
\setenv LEAST 15
\! eval "$RUN"
\setenv DOCUMENT monitoring.md
\setenv LEAST 4
\! eval "$RUN"
\setenv DOCUMENT mappings.md
\setenv LEAST 10
\! eval "$RUN"

-- each command of psql writes its file
\! mkdir -p results/documents && cd results/documents && rm -f * && sed -n 's/^    \(\(PGTZ=[^ ]* \)\{0,1\}psql .*>[a-z_]*[.]\)/\1/p' "$PG_ABS_SRCDIR/doc/reports.md" | sh && for f in calls.csv calls.jsonl safe.csv march.html march_and_february.html weeks.html; do [ -e $f ] || echo "no $f"; done; grep -L '</html>' *.html; ls | wc -l | tr -d ' '

-- March, as Berlin counts its days, in a session that is elsewhere
SET timezone = 'Asia/Kathmandu';
SELECT count(*), min(bucket AT TIME ZONE 'Europe/Berlin'), max(bucket AT TIME ZONE 'Europe/Berlin')
FROM cdr_traffic('2026-03-01 00:00 Europe/Berlin', '2026-04-01 00:00 Europe/Berlin', '1 day', 'Europe/Berlin');
SET timezone = 'UTC';

-- ---------------------------------------------------------------------------
-- Evidence, retention and erasure
-- ---------------------------------------------------------------------------

-- Each document in the order in which it is printed, and not in one transaction, with calls
-- that are there.  Times that have to be over, or to come, are far away, for the clock of
-- the machine matters here; ALTER SYSTEM is SET, and the origin, which only that can set,
-- stays.  What needs files of others is tested where there are some: evidence_anchors, erasure_again.
SELECT cdr_create_evidence_tables();
SELECT cdr_create_erasure_tables();
INSERT INTO cdr_erasure_keys (month, key, made_at) VALUES ('2017-07-01', sha256(''), now());
SELECT cdr_create_partitions('2998-01-01', '2998-01-31') > 0 AS made;
CREATE PROCEDURE record_calls(name text) LANGUAGE sql AS $$
SELECT cdr_ingest_event(json_build_object('eventType', 'call.' || t, 'callId', name || i, 'tenantId', 't1',
	'timestamp', '2017-01-05 12:00Z'::timestamptz + i * interval '1 minute', 'from', 'sip:+12025550123@example.org'))
FROM unnest('{started,answered,ended}'::text[]) AS t, generate_series(1, 3) AS i $$;
\setenv PGOPTIONS '-c client_min_messages=warning -c cdr_service.evidence=on -c timezone=UTC'
\setenv STATEMENTS 'BEGIN { RS = ""; FS = "\\n"; words = "^    (--|.set|psql|WITH|SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|GRANT|LISTEN|CALL|BEGIN)[ ;]" } $0 ~ words && !/psql -XAtc|pg_read_binary_file|.i erasures/ { for (i = 1; i <= NF; i++) print substr($i, 5); n++; print "" } END { print "\\\\echo " (n >= least ? "enough" : "only " n) }'
\setenv CHANGES 's/^psql -d cdr/\\\\! psql/; /^ALTER SYSTEM SET cdr_service.evidence_origin/d; s/^ALTER SYSTEM SET/SET/; s/ \\(auditor\\|counsel\\|records_manager\\|privacy\\);/ regress_\\1;/; s/2027-01-01Z/2999-01-01Z/; s/2026-11-25T12:00:05Z/2017-11-25T12:00:05Z/; s/call_events_20260101/call_events_29980101/; s/2026-07-01/2017-07-01/'
\setenv RUN 'mkdir -p results/documents && cd results/documents && awk -v least=$LEAST "$STATEMENTS" "$PG_ABS_SRCDIR/doc/$DOCUMENT" | sed "$CHANGES" > $DOCUMENT.sql && psql -XqAt -f $DOCUMENT.sql 2>&1 >$DOCUMENT.out; tail -n 1 $DOCUMENT.out'
SET cdr_service.evidence = on;
CALL record_calls('evidence');
\setenv DOCUMENT evidence.md
\setenv LEAST 12
\! eval "$RUN"
-- what it shows: the event that was changed
\! grep -c '^rows changed|01-05-2017|among events ' results/documents/evidence.md.out
-- a checkpoint whose lines end as those of a mail
SELECT * FROM cdr_verify_evidence(checkpoint => replace(cdr_checkpoint(), E'\n', E'\r\n'));
CALL record_calls('retention');
\setenv DOCUMENT retention.md
\setenv LEAST 11
\! eval "$RUN"
SELECT kind, action, rows, login = role AS himself FROM cdr_retired;
CALL record_calls('erasure');
\setenv DOCUMENT erasure.md
\setenv LEAST 4
\! eval "$RUN"
SELECT calls, events, held FROM cdr_erasures;

-- as the roles that the documents make
SET ROLE regress_counsel;
SELECT cdr_hold('a claim', number => '+12025550123') IS NOT NULL AS held;
SELECT count(*) FROM cdr_holds;
RESET ROLE;
CALL record_calls('later');
SET ROLE regress_records_manager;
SELECT count(*) FROM cdr_retention WHERE ended_at IS NULL;
SELECT count(*) FROM cdr_retention_plan();
SELECT cdr_hold('a claim', number => '+12025550123');
SET ROLE regress_privacy;
SELECT kind, cardinality(held_by) AS holds, count(*) FROM cdr_erasure_plan(number => '+12025550123') WHERE kind <> 'note' GROUP BY 1, 2;
SELECT month FROM cdr_erasure_keys WHERE destroyed_at IS NULL AND month < '2018-01-01';
SELECT key FROM cdr_erasure_keys;
SET ROLE regress_auditor;
SELECT * FROM cdr_verify_evidence(checkpoint => cdr_checkpoint());
SELECT * FROM cdr_verify_calls();
SELECT cdr_seal();
RESET ROLE;
RESET cdr_service.evidence;

-- the examples of digests are those that their tests work out
\! cd "$PG_ABS_SRCDIR" && for h in $(grep -Eoh '[0-9a-f]{64}' doc/evidence.md); do grep -q $h sql/evidence_leaves.sql expected/evidence_leaves.out || echo "evidence.md: $h"; done; for h in $(grep -Eoh 'erased:[0-9a-f]{32}' doc/erasure.md); do grep -q $h sql/erasure_pseudonyms.sql expected/erasure_pseudonyms.out || echo "erasure.md: $h"; done

-- ---------------------------------------------------------------------------
-- Mistakes
-- ---------------------------------------------------------------------------

\set SHOW_CONTEXT never
-- a city alone; a tenant in the place of the zone
SELECT * FROM cdr_traffic('2026-03-01', '2026-03-02', '1 hour', 'Istanbul');
SELECT cdr_report('2026-03-01', '2026-03-02', 'tenant-atlas');
SELECT * FROM cdr_concurrency('2026-03-01', '2026-03-02', '1 hour', 'Istambul');
SELECT * FROM cdr_export_calls('2026-03-01', '2026-03-02', 'Istanbul');
SELECT * FROM cdr_call_history('x', 'Istanbul');
-- bounds that are swapped: no empty answer
SELECT * FROM cdr_traffic('2026-03-02', '2026-03-01');
SELECT * FROM cdr_export_calls('2026-03-02', '2026-03-01');
SELECT count(*) FROM cdr_export_calls('2026-03-01', '2026-03-01');
-- a column that is no dimension; steps that are none, or too many; a time that never was
SELECT * FROM cdr_traffic('2026-03-01', '2026-03-02', NULL, 'UTC', '{caller_number}');
SELECT * FROM cdr_traffic('2026-03-01', '2026-03-02', '0');
SELECT * FROM cdr_traffic('2000-01-01', '2026-03-02', '1 min');
SELECT * FROM cdr_traffic('-infinity', '2026-03-02');
-- a view that is there
SELECT cdr_create_masked_view();
SELECT cdr_create_masked_view();
-- a preset, an option, a mapping, a rule of no such name
SELECT cdr_mapping_preset('asterisk', '{"tz": "Europe/Istanbul"}');
SELECT cdr_mapping_preset('asterisk', '{"zone": "Istanbul"}');
CALL cdr_backfill('pbx', 'SELECT 1 AS one');
SELECT * FROM cdr_explain_event('{}', mapping => 'pbx');

SET client_min_messages = warning;
DROP EXTENSION cdr_service;
DROP VIEW calls_masked;
DROP TABLE calls_masked_key;
DROP TABLE cdr_erasure_keys, cdr_erased_calls, cdr_erasures, cdr_holds, cdr_retention, cdr_retired, cdr_leaf_stubs,
	cdr_unlogged, cdr_unsealed, cdr_seals, cdr_log, cdr_checkpoints, cdr_anchors, call_events_29980101;
DROP PROCEDURE record_calls;
SET cdr_service.allow_drop = on;
DROP TABLE calls, call_events, dead_letters, timeless_events;
DROP ROLE regress_auditor, regress_counsel, regress_records_manager, regress_privacy;
