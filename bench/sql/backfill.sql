-- What a backfill takes: seconds, and the memory of the session.
--
--	createdb scratch && psql -X -d scratch -f bench/sql/backfill.sql
--	(-v rows=10000: fewer than a million)
--
-- Rows of Asterisk's Master.csv, a call each: first a tenth, then all, then all again.
\if :{?rows}
\else
	\set rows 1000000
\endif
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION cdr_service;
INSERT INTO cdr_mappings (name, definition, enabled)
SELECT 'pbx', cdr_mapping_preset('csv_asterisk'), false;
SELECT cdr_create_partitions('2026-01-01', '2026-01-31') > 0 AS partitions;

CREATE TABLE master AS
SELECT 'tenant-' || n % 10 AS accountcode, '+1202555' || lpad((n % 10000)::text, 4, '0') AS src,
	   '+12025550199' AS dst, 'from-trunk' AS dcontext, '"Alice" <+12025550123>' AS clid,
	   'PJSIP/trunk-' || n AS channel, 'PJSIP/1001-' || n AS dstchannel, 'Dial' AS lastapp,
	   'PJSIP/1001,30' AS lastdata, to_char(t, 'YYYY-MM-DD HH24:MI:SS') AS start,
	   to_char(t + '3 s', 'YYYY-MM-DD HH24:MI:SS') AS answer,
	   to_char(t + '150 s', 'YYYY-MM-DD HH24:MI:SS') AS "end", '150' AS duration, '147' AS billsec,
	   'ANSWERED' AS disposition, 'DOCUMENTATION' AS amaflags, '1767225600.' || n AS uniqueid, '' AS userfield
FROM generate_series(1, :rows) AS n,
	 LATERAL (SELECT timestamp '2026-01-01' + n * interval '2.5 s' AS t) AS at;
VACUUM master;

SELECT pg_backend_pid() AS pid, format('SELECT * FROM master LIMIT %s', :rows / 10) AS tenth \gset
\setenv BACKEND :pid
\timing on
CALL cdr_backfill('pbx', :'tenth');
\! grep -E 'VmHWM|RssAnon' /proc/$BACKEND/status
CALL cdr_backfill('pbx', 'SELECT * FROM master');
\! grep -E 'VmHWM|RssAnon' /proc/$BACKEND/status
CALL cdr_backfill('pbx', 'SELECT * FROM master');
\! grep -E 'VmHWM|RssAnon' /proc/$BACKEND/status
