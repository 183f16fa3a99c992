-- What the documents show runs as it stands there: each statement, and each command of
-- psql, of reports, alerts, monitoring and mappings.  (report_queries, report_export,
-- report_rights and report_alerts compare results.)  Then the usual mistakes of a newcomer:
-- what is wrong, and what to do, is in the error.
SET timezone = 'UTC';
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_cdr_exporter, regress_cdr_grafana, regress_mapper;
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
DROP TABLE calls, call_events, dead_letters, timeless_events;
