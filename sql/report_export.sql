-- Exports: what Python reads out of the files is what was there, cell by cell.
\set VERBOSITY terse
SET timezone = 'UTC';
CREATE EXTENSION cdr_service;

-- ---------------------------------------------------------------------------
-- Times
-- ---------------------------------------------------------------------------

-- both hours that come twice; quarters; before there were zones; far away; elsewhere
SELECT zone, cdr_local_time(t, zone), cdr_local_time(t, zone)::timestamptz = t AS same
FROM (VALUES ('2026-10-25 00:30Z'::timestamptz, 'Europe/Berlin'), ('2026-10-25 01:30Z', 'Europe/Berlin'), ('2026-03-01 10:00:00.000001Z', 'Asia/Kathmandu'),
	('2026-03-01', 'America/St_Johns'), ('1880-01-01', 'Asia/Kathmandu'), ('1880-01-01', 'America/New_York'), ('0001-01-01', 'Asia/Tokyo'), ('0044-03-15 BC', 'Europe/Rome'),
	('9999-12-31 23:59:59.999999Z', 'Asia/Tokyo'), ('12000-01-01', 'UTC'), ('infinity', 'UTC'), ('-infinity', 'Asia/Tokyo'), (NULL, 'UTC'), ('2026-03-01', NULL)) AS v(t, zone);
SELECT cdr_local_time('2026-03-01 10:00Z'), cdr_local_time('2026-03-01 10:00Z', 'Europe/Atlantis');
-- times of 150 years are themselves again, in zones that have changed much
SELECT zone, count(*), count(*) FILTER (WHERE cdr_local_time(t, zone)::timestamptz IS DISTINCT FROM t) AS differ
FROM generate_series(timestamptz '1890-01-01', '2040-01-01', '9 days 01:23:45.678901') AS t, unnest('{Europe/Dublin,Africa/Monrovia,Pacific/Apia,Australia/Lord_Howe}'::text[]) AS zone
GROUP BY zone ORDER BY zone;

-- ---------------------------------------------------------------------------
-- Formulas
-- ---------------------------------------------------------------------------

-- (how wide a space without width is, psql has learned since)
\pset format unaligned
SELECT v, cdr_csv_safe(v) FROM unnest(ARRAY['+4930123456', '=1+1', '-1', '@SUM(A1)', '1001', '', 'a=1', '''=1', '"=1"', ' =1', '＝1+1', '＋49', '－1', '＠x', '−1', '’+1', U&'\200B=1', '49-30',
	'anonymous', E'x\t=1', '*97', '#1', '%1', '(+49) 30', '|x', '!A1', NULL]) AS v;
\pset format aligned
-- all of Unicode that cannot be seen (its Default_Ignorable_Code_Point, blanks, separators), in front
SELECT to_hex(c) AS not_guarded FROM (SELECT generate_series(a, b) AS c FROM unnest(
	'{173,847,1564,4447,6068,6155,8203,8232,8288,10240,12288,12644,65024,65279,65440,65520,113824,119155,917504}'::integer[],
	'{173,847,1564,4448,6069,6159,8207,8239,8303,10240,12288,12644,65039,65279,65440,65531,113827,119162,921599}'::integer[]) AS r (a, b)) AS invisible
WHERE cdr_csv_safe(chr(c) || '=1') = chr(c) || '=1' ORDER BY c;
SELECT cdr_csv_safe(E'\t1') = E'''\t1' AS tab, cdr_csv_safe(E'\r1') = E'''\r1' AS cr, cdr_csv_safe(E'\n1') = E'''\n1' AS lf, length(cdr_csv_safe(repeat(' ', 1000000) || '=')) AS long;

-- ---------------------------------------------------------------------------
-- Files
-- ---------------------------------------------------------------------------

\getenv builddir PG_ABS_BUILDDIR
\set csv :builddir '/results/report_export.csv'
\set json :builddir '/results/report_export.jsonl'
\setenv EXPORT_CSV :csv
\setenv EXPORT_JSON :json
\copy calls (call_id, status, disposition, direction, caller_number, callee_number, trunk, tenant_id, user_id, contact_id, start_time, ring_time, answer_time, end_time, hangup_cause, hangup_source, sip_status, recording_url, anomalies, event_count, first_event_time, last_event_time) FROM PROGRAM 'python3 "$PG_ABS_SRCDIR/test/exports.py" make 10000'
-- calls of no time are in no export
INSERT INTO calls (call_id, status, event_count, first_event_time, last_event_time) VALUES ('timeless', 'UNKNOWN', 1, '2026-06-01', '2026-06-01');

COPY (SELECT * FROM cdr_export_calls('-infinity', 'infinity', 'America/New_York')) TO STDOUT (FORMAT csv, HEADER) \g :csv
\pset format unaligned
\pset tuples_only on
SET timezone = 'Pacific/Apia';
SELECT row_to_json(c) FROM cdr_export_calls('-infinity', 'infinity', 'Asia/Kathmandu') AS c \g :json
SET timezone = 'UTC';
\pset format aligned
\pset tuples_only off

-- the commands of doc/reports.md, as they stand there
\setenv PGDATABASE :DBNAME
\setenv PGHOST :HOST
\setenv PGPORT :PORT
\setenv PGUSER :USER
\! cd results && rm -f calls.csv calls.jsonl safe.csv && sed -n '/^## Exports/,/^## /s/^    psql/psql/p' "$PG_ABS_SRCDIR/doc/reports.md" | sh
\! python3 "$PG_ABS_SRCDIR/test/exports.py" 10000 csv "$EXPORT_CSV" America/New_York - - json "$EXPORT_JSON" Asia/Kathmandu - - csv results/calls.csv Europe/Berlin 2026-03-01 2026-04-01 json results/calls.jsonl Europe/Berlin 2026-03-01 2026-04-01 safe results/safe.csv Europe/Berlin 2026-03-01 2026-04-01

-- PostgreSQL reads the CSV file again, with what is NULL and what is empty
CREATE TABLE read_again (LIKE calls);
ALTER TABLE read_again DROP merge_state, ALTER anomalies TYPE text, ADD talk_seconds numeric;
-- NULL in the file are all columns of a call that are not known
COPY read_again (call_id, status, disposition, direction, caller_number, callee_number, trunk, tenant_id, user_id, contact_id, attempt_time, start_time, ring_time, answer_time, end_time, duration_seconds, billable_seconds, talk_seconds, hangup_cause, hangup_source, sip_status, recording_url, anomalies, event_count, first_event_time, last_event_time) FROM :'csv' (FORMAT csv, HEADER match);
CREATE FUNCTION told(r anyelement) RETURNS jsonb LANGUAGE sql AS $$ SELECT to_jsonb(r) - 'merge_state' - 'talk_seconds' - 'anomalies' $$;
SELECT (SELECT count(*) FROM read_again) AS rows,
	   (SELECT count(*) FROM (SELECT told(r), anomalies FROM read_again AS r EXCEPT ALL SELECT told(c), array_to_string(anomalies, ',') FROM calls AS c) AS x) AS differ,
	   (SELECT count(*) FROM read_again AS r JOIN calls AS c USING (call_id) WHERE c.end_time - c.answer_time <> r.talk_seconds * interval '1 s') AS talks_differ;

-- ---------------------------------------------------------------------------
-- What is asked for
-- ---------------------------------------------------------------------------

-- half-open; in the order of attempts; of a tenant
SELECT count(*) FROM cdr_export_calls('2026-03-29 01:00Z', '2026-03-29 02:00Z') AS e
UNION ALL SELECT count(*) FROM calls WHERE COALESCE(start_time, answer_time, end_time) BETWEEN '2026-03-29 01:00Z' AND '2026-03-29 01:59:59.999999Z';
UPDATE calls SET start_time = '2026-06-05', tenant_id = 'one' WHERE call_id LIKE '777%';
SELECT count(*) > 0 AS some, bool_and(tenant_id = 'one' AND attempt_time = '2026-06-05T05:45:00.000000+05:45') AS right FROM cdr_export_calls('2026-06-05', '2026-06-05 00:00:00.000001', 'Asia/Kathmandu', 'one');
SELECT count(*) FROM cdr_export_calls('2026-06-04', '2026-06-05');
-- what a row takes on disk, while it waits for the last
SELECT avg(pg_column_size(e)) BETWEEN 200 AND 600 AS some_hundred_bytes FROM cdr_export_calls('-infinity', 'infinity') AS e;
SELECT count(*) FROM cdr_export_calls('2026-06-05', '2026-06-04');
SELECT * FROM cdr_export_calls(NULL, '2026-06-05');
SELECT * FROM cdr_export_calls('2026-06-05', '2026-06-06', NULL);
SELECT * FROM cdr_export_calls('2026-06-05', '2026-06-06', 'Europe/Atlantis');
-- every column of calls but what only the merge needs
SELECT column_name FROM cdr_table_columns() WHERE table_name = 'calls'
EXCEPT SELECT unnest(proargnames[6:]) FROM pg_proc WHERE proname = 'cdr_export_calls';
-- whoever asks needs the right to read calls
CREATE ROLE regress_export;
SET ROLE regress_export;
SELECT count(*) FROM cdr_export_calls('2026-06-05', '2026-06-06');
RESET ROLE;
GRANT SELECT ON calls TO regress_export;
SET ROLE regress_export;
SELECT count(*) > 0 AS some FROM cdr_export_calls('2026-06-05', '2026-06-06');
RESET ROLE;
-- renamed, it is found
ALTER SCHEMA public RENAME TO elsewhere;
SELECT count(*) > 0 AS some FROM elsewhere.cdr_export_calls('2026-06-05', '2026-06-06', for_spreadsheets => true);
ALTER SCHEMA elsewhere RENAME TO public;
-- a type that a column was given brings no function of somebody else's in
BEGIN;
GRANT CREATE ON SCHEMA public TO regress_export;
SET ROLE regress_export;
CREATE FUNCTION cdr_csv_safe(varchar) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped as %', current_user; END $$;
CREATE DOMAIN moment AS timestamptz;
CREATE FUNCTION cdr_local_time(moment, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped as %', current_user; END $$;
RESET ROLE;
ALTER TABLE calls ALTER caller_number TYPE varchar(4000), ALTER ring_time TYPE moment;
SELECT count(*) > 0 AS some FROM cdr_export_calls('2026-06-05', '2026-06-06', for_spreadsheets => true);
ROLLBACK;
DROP OWNED BY regress_export;
DROP ROLE regress_export;
DROP TABLE read_again;
DROP FUNCTION told(anyelement);
SET client_min_messages = warning;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters, timeless_events;
