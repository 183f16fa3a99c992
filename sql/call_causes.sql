-- What hangup causes mean: the file, the table and the list in the library say
-- the same.  The file is read here by nobody but PostgreSQL itself.
CREATE EXTENSION cdr_service;
CREATE TEMPORARY TABLE file (
	line integer GENERATED ALWAYS AS IDENTITY,
	dialect text, name text, q850 integer, sip integer, disposition text, ends text,
	ner_effective text, rfc6076 text, fault text, note text);
\copy file (dialect, name, q850, sip, disposition, ends, ner_effective, rfc6076, fault, note) FROM PROGRAM 'cat "$PG_ABS_SRCDIR/src/call/causes.csv"' (FORMAT csv, HEADER match)
SELECT dialect, count(*), min(line), max(line) FROM file GROUP BY dialect ORDER BY min(line);

-- the table: every line, in its place
(TABLE cdr_causes EXCEPT ALL
 SELECT dialect, name, q850, sip, disposition, ends, ner_effective, rfc6076, fault, note, line FROM file)
UNION ALL
(SELECT dialect, name, q850, sip, disposition, ends, ner_effective, rfc6076, fault, note, line FROM file
 EXCEPT ALL TABLE cdr_causes);
-- the list: every line, in every spelling
CREATE TEMPORARY VIEW spelling AS
SELECT f.*, s.spelling
FROM file AS f, LATERAL (
	SELECT name UNION
	SELECT upper(name) UNION
	SELECT initcap(replace(name, '_', ' ')) UNION
	SELECT upper(replace(name, '_', '-')) UNION
	SELECT regexp_replace(name, '_', '-') UNION
	SELECT prefix || name FROM unnest('{sip:,SIP:,Sip:}'::text[]) AS prefix WHERE dialect = 'sip') AS s(spelling);
SELECT count(*) > 600 AS "many", count(*) FILTER (WHERE cdr_disposition(spelling) = disposition) - count(*) AS differ,
	   count(*) FILTER (WHERE cdr_cause_name(spelling) = name) - count(*) AS "named differently"
FROM spelling;

-- what has nothing to do with people who do not pick up is not counted as that
SELECT cdr_disposition(name) AS disposition, count(*) FROM file WHERE dialect = 'freeswitch' GROUP BY 1 ORDER BY 1;
SELECT name FROM file WHERE dialect = 'freeswitch' AND cdr_disposition(name) = 'NO_ANSWER' ORDER BY line;

-- a name that several dialects have means what the first line says
SELECT k.name, k.dialect, k.q850, k.sip, k.disposition, k.rfc6076,
	   (SELECT string_agg(concat_ws(' ', dialect, q850, sip), ', ' ORDER BY line) FROM file AS f WHERE f.name = k.name) AS lines
FROM cdr_known_causes AS k
WHERE name IN (SELECT name FROM file GROUP BY name HAVING count(*) > 1)
ORDER BY name;
SELECT count(*) = (SELECT count(DISTINCT name) FROM file) AS "each once",
	   count(*) FILTER (WHERE dialect <> (SELECT dialect FROM file AS f WHERE f.name = k.name ORDER BY line LIMIT 1)) AS "not the first"
FROM cdr_known_causes AS k;

-- numbers are Q.850's up to 127, and codes of SIP from 200 on
SELECT min(name::integer), max(name::integer), count(*) FROM file WHERE dialect = 'q850';
SELECT min(name::integer), max(name::integer), count(*) FROM file WHERE dialect = 'sip';
SELECT count(*) FILTER (WHERE f.name IS NOT NULL) AS known,
	   count(*) FILTER (WHERE cdr_disposition(n::text) <> COALESCE(f.disposition, 'NO_ANSWER')) AS differ,
	   count(*) FILTER (WHERE cdr_disposition('sip:' || n) <> CASE WHEN f.dialect = 'sip' THEN f.disposition ELSE 'NO_ANSWER' END) AS "differ as SIP"
FROM generate_series(0, 999) AS n LEFT JOIN file AS f ON f.name = n::text;

-- each answer of RFC 3261 that is final is known, and only a 200 ends an established call
SELECT code FROM unnest('{200,300,301,302,305,380,400,401,402,403,404,405,406,407,408,410,413,414,415,416,420,421,423,480,481,482,483,484,485,486,487,488,491,493,500,501,502,503,504,505,513,600,603,604,606}'::text[]) AS code
WHERE NOT EXISTS (SELECT FROM cdr_causes WHERE dialect = 'sip' AND name = code AND ends = CASE code WHEN '200' THEN 'final' ELSE 'branch' END);

-- what is unknown rang out, and so did what gives no cause
SELECT count(*), count(*) FILTER (WHERE cdr_disposition(cause) = 'NO_ANSWER') AS "rang out",
	   count(*) FILTER (WHERE EXISTS (SELECT FROM cdr_causes WHERE name = cdr_cause_name(cause))) AS known
FROM unnest(ARRAY[NULL, '', ' ', '-', 'no such cause', '0', '016', '+16', '-16.0', '16.5', '1_6', '1.6', '16.0.0', '16.', '.16', '128', '199', '999', '486486',
				  'sip:', 'sip:16', 'sip:100', 'sip:999', 'sip:4860', 'sip: 486', 'sips:486', 'sip:486.0', 'sip:busy', 'q850:16', 'q.850;cause=16',
				  'busy_', 'user__busy', 'userbusy', E'user\tbusy', 'çok_meşgul', 'BUSY' || chr(304), 'Kbusy', 'ﬁnal',
				  repeat('x', 63), repeat('x', 64), repeat('x', 65), 'sip:' || repeat('x', 60), repeat('busy', 100000)]) AS cause;
-- what is around a name or a number costs nothing, nor a float's spelling of a number
SELECT count(*), count(*) FILTER (WHERE cdr_disposition(cause) = 'BUSY') AS busy,
	   count(*) FILTER (WHERE EXISTS (SELECT FROM cdr_known_causes WHERE name = cdr_cause_name(cause) AND disposition = 'BUSY')) AS known
FROM unnest(ARRAY['busy ', ' Busy ', 'BUSY' || chr(160), chr(12288) || 'busy' || chr(8203), E'busy\r\n', E'\tUser Busy', repeat(' ', 70) || 'busy' || repeat(' ', 70),
				  '17 ', ' 17', '17.0', ' 17.000', '1.7e1', '1.7E+1', '486.0', ' sip:486 ', E'SIP:486\n']) AS cause;
SELECT cause, cdr_cause_name(cause) AS name
FROM unnest(ARRAY['USER-BUSY', 'User Busy', 'SIP:486', 'sip:16', 'sip:699', 'sip:700', 'Q.850;Cause=16', 'ÇOK MEŞGUL', ' Rejected by IVR ', '16.0', '016.0', '1e5', ' ', '', NULL]) AS cause;
SELECT length(cdr_cause_name(repeat('A b-', 100000)));

-- the column keeps what was said
SELECT cdr_ingest_events(array_agg(format('{"eventType":"call.ended","callId":"said-%s","timestamp":"2026-01-19T22:00:00Z","reason":%s}', n, reason)::json))
FROM unnest(ARRAY['"busy"', '"busy "', '" Busy "', '"BUSY\u00a0"', '17', '17.0', '"17.0"', '16.5']) WITH ORDINALITY AS u(reason, n);
SELECT to_json(hangup_cause) AS hangup_cause, disposition, hangup_source FROM calls WHERE call_id LIKE 'said-%' ORDER BY call_id;

-- rows of a site: for joins, while the list decides what becomes of a call
SET timezone = 'UTC';
SELECT count(cdr_ingest_event(json_build_object('eventType', 'call.ended', 'callId', 'cause-' || n, 'timestamp', '2026-01-19T22:00:00Z', 'reason', cause)))
FROM unnest(ARRAY['Rejected by IVR', 'CALL-REJECTED', 'sip:486', 'unheard_of']) WITH ORDINALITY AS u(cause, n);
INSERT INTO cdr_causes (dialect, name, disposition, ner_effective, fault) VALUES ('ours', 'Rejected-by IVR', 'FAILED', 'yes', 'platform');
INSERT INTO cdr_causes (dialect, name) VALUES ('ours', 'sip:486') RETURNING *;
UPDATE cdr_causes SET fault = 'network', note = 'our carrier says so' WHERE name = 'call_rejected';
INSERT INTO cdr_causes (dialect, name, fault) VALUES ('sentiric', 'FAILURE', 'platform'), ('freeswitch', 'crash', 'network');
-- a copy of rows of the extension's is the site's, too
INSERT INTO cdr_causes SELECT 'copied', name, q850, sip, disposition, ends, ner_effective, rfc6076, fault, note, listed FROM cdr_causes WHERE dialect = 'q850' AND name IN ('16', '17');
SELECT name, listed FROM cdr_causes WHERE dialect = 'copied' ORDER BY name;
CREATE VIEW reasons AS
	SELECT c.call_id, c.hangup_cause, k.dialect, k.name, k.fault
	FROM calls AS c LEFT JOIN cdr_known_causes AS k ON k.name = cdr_cause_name(c.hangup_cause);
SELECT * FROM reasons ORDER BY call_id;
SELECT cdr_disposition('Rejected by IVR'), cdr_disposition('486');

-- a dump has the site's rows alone, and can be loaded over the list, triggers or not
SELECT u.dumped::regclass, u.condition FROM pg_extension, unnest(extconfig, extcondition) AS u(dumped, condition)
WHERE extname = 'cdr_service' AND u.dumped::regclass::text LIKE 'cdr_causes' ORDER BY u.dumped::regclass::text;
CREATE TEMPORARY TABLE dumped AS SELECT * FROM cdr_causes WHERE listed IS NULL;
SELECT dialect, name, disposition, ner_effective, rfc6076, fault, note FROM dumped ORDER BY dialect, name;
CREATE TEMPORARY TABLE before AS TABLE cdr_causes;
DROP VIEW reasons;
DROP EXTENSION cdr_service;
CREATE EXTENSION cdr_service;
SELECT count(*) = (SELECT count(*) FROM file) AS "as the file", count(*) FILTER (WHERE listed IS NULL) AS added FROM cdr_causes;
SET session_replication_role = replica;
INSERT INTO cdr_causes TABLE dumped;
RESET session_replication_role;
(TABLE cdr_causes EXCEPT ALL TABLE before) UNION ALL (TABLE before EXCEPT ALL TABLE cdr_causes);

-- an update of the extension writes its list anew, and leaves the site's rows
\getenv source PG_ABS_SRCDIR
\set rows `LC_ALL=C awk -v language=sql -f :'source'/src/call/causes.awk :'source'/src/call/causes.csv | sed s/@extschema@/public/`
DELETE FROM cdr_causes WHERE listed IS NOT NULL;
:rows
(TABLE cdr_causes EXCEPT ALL TABLE before) UNION ALL (TABLE before EXCEPT ALL TABLE cdr_causes);
-- without these, it is the list again
DELETE FROM cdr_causes WHERE listed IS NULL;
:rows
SELECT count(*) = (SELECT count(*) FROM file) AS "as the file", count(*) FILTER (WHERE listed IS NULL) AS added FROM cdr_causes;

-- nothing else is a cause
\set VERBOSITY terse
INSERT INTO cdr_causes (dialect, name, disposition) VALUES ('ours', 'x', 'REJECTED');
INSERT INTO cdr_causes (dialect, name, ner_effective) VALUES ('ours', 'x', 'perhaps');
INSERT INTO cdr_causes (dialect, name, ends) VALUES ('ours', 'x', '');
INSERT INTO cdr_causes (dialect, name, fault) VALUES ('ours', 'x', 'nobody');
INSERT INTO cdr_causes (dialect, name, rfc6076) VALUES ('ours', 'x', 'yes');
INSERT INTO cdr_causes (dialect, name) VALUES ('ours', NULL);
INSERT INTO cdr_causes (dialect, name) VALUES ('ours', '');
INSERT INTO cdr_causes (dialect, name) VALUES ('', 'x');
INSERT INTO cdr_causes (dialect, name) VALUES ('ours', 'x y'), ('ours', 'X_Y');

-- everybody may read them
CREATE ROLE regress_cdr_causes;
SET ROLE regress_cdr_causes;
SELECT cdr_disposition('USER BUSY'), cdr_cause_name('USER BUSY'),
	   (SELECT dialect FROM cdr_known_causes WHERE name = 'user_busy'), (SELECT count(*) FROM cdr_causes WHERE name = 'user_busy');
INSERT INTO cdr_causes (dialect, name) VALUES ('ours', 'x');
UPDATE cdr_causes SET fault = 'none';
DELETE FROM cdr_causes;
RESET ROLE;
-- who was given that may write, wherever the schema has gone
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
CREATE SCHEMA "a schema";
CREATE EXTENSION cdr_service SCHEMA "a schema";
ALTER SCHEMA "a schema" RENAME TO "Another %s";
GRANT USAGE ON SCHEMA "Another %s" TO regress_cdr_causes;
GRANT INSERT, UPDATE, DELETE ON "Another %s".cdr_causes TO regress_cdr_causes;
SET ROLE regress_cdr_causes;
INSERT INTO "Another %s".cdr_causes (dialect, name) VALUES ('sip', 'SIP:486') RETURNING *;
RESET ROLE;
SELECT count(*) FROM "Another %s".cdr_causes WHERE dialect = 'sip' AND name = '486';
DROP EXTENSION cdr_service;
SET client_min_messages = warning;
SET cdr_service.allow_drop = on;
DROP SCHEMA "Another %s" CASCADE;
DROP ROLE regress_cdr_causes;
