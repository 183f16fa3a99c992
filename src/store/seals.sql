-- ---------------------------------------------------------------------------
-- Evidence: seals, and the log of them
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_tree_groups(leaves bytea[])
RETURNS bytea[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_tree_groups';

COMMENT ON FUNCTION @extschema@.cdr_tree_groups(bytea[]) IS
'the roots of each 8 leaves: a tree over them has the same root';

CREATE FUNCTION @extschema@.cdr_tree_peaks(peaks bytea[], size bigint, leaves bytea[])
RETURNS bytea[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_tree_peaks';

COMMENT ON FUNCTION @extschema@.cdr_tree_peaks(bytea[], bigint, bytea[]) IS
'the roots of the complete trees that a tree of that size, with some leaves more, consists of';

CREATE FUNCTION @extschema@.cdr_peaks_root(peaks bytea[])
RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_peaks_root_of_array';

COMMENT ON FUNCTION @extschema@.cdr_peaks_root(bytea[]) IS
'the root of the tree that consists of these';

-- The text of a seal, as the log holds it.  Nobody's name may end a line.
CREATE FUNCTION @extschema@.cdr_seal_entry(day date, source text, n integer, lo timestamptz, hi timestamptz, root bytea)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
	SELECT concat_ws(E'\n', 'cdr-seal-v1', COALESCE(to_char(day, 'YYYY-MM-DD'), ''),
		regexp_replace(source, '[[:cntrl:]]', '?', 'g'), n,
		to_char(lo AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
		to_char(hi AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
		encode(root, 'base64'), '')
$function$;

COMMENT ON FUNCTION @extschema@.cdr_seal_entry(date, text, integer, timestamptz, timestamptz, bytea) IS
'what the log says of a seal';

-- Of evidence, which says who has read what, and of retention and erasure, which are there without
-- evidence, too.
CREATE FUNCTION @extschema@.cdr_make_unlogged()
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	is_made boolean;
BEGIN
	EXECUTE format('SELECT %s.cdr_make_table($1, $2, $3)', extension) INTO is_made
	USING 'cdr_unlogged', 'at timestamptz NOT NULL, entry text NOT NULL',
		'entries that wait for their place in the log of seals
at: when it was put down: their order
entry: what the log is to say: lines of text, of which the first names the kind';
	RETURN is_made;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_make_unlogged() IS
'makes the table cdr_unlogged, unless it is there';

-- The tables are no members of the extension, as the view calls_masked is none:
-- ordinary tables of the owner of calls, which a dump holds, and DROP EXTENSION keeps.
CREATE FUNCTION @extschema@.cdr_create_evidence_tables()
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	made record;
	is_new boolean;
BEGIN
	EXECUTE format('SELECT %s.cdr_make_unlogged()', extension);
	FOR made IN
		SELECT * FROM (VALUES
			-- hashes cannot be compressed
			('cdr_unsealed', 'lo timestamptz NOT NULL, hi timestamptz NOT NULL, day date NOT NULL,'
				' source text NOT NULL, n integer NOT NULL, leaves bytea[] STORAGE EXTERNAL,'
				' groups bytea[] CHECK (num_nonnulls(leaves, groups) = 1)',
				'leaves of events that wait for their seal, of one day and source
lo: first recorded_at of the events
hi: last recorded_at of the events
day: day of their event_time, in UTC
source: who brought them: broker, or sql: and a role
n: how many events, from 1
leaves: their leaf hashes, of 32 bytes each, by recorded_at; NULL: groups has them
groups: the root of each 8 leaf hashes, of 32 bytes each; NULL: leaves has them'),
			('cdr_seals', 'log integer NOT NULL, log_index bigint NOT NULL, day date NOT NULL,'
				' lo timestamptz NOT NULL, hi timestamptz NOT NULL, n integer NOT NULL, source text NOT NULL,'
				' root bytea NOT NULL, groups bytea[] NOT NULL, members tstzmultirange NOT NULL,'
				' leaves bytea[] STORAGE EXTERNAL,'
				' PRIMARY KEY (log, log_index)',
				'seals: the roots of hash trees over events of one day
log: number of the log, from 1
log_index: place in the log, from 0
day: day of event_time of the events, in UTC
lo: first recorded_at of the events
hi: last recorded_at of the events
n: how many events, from 1
source: who brought them: broker, or sql: and a role
root: root of the tree over their leaf hashes, of 32 bytes
groups: the root of each 8 leaf hashes, of 32 bytes each
members: which times of recording are those of its events
leaves: their leaf hashes, if the clock was behind times that were given out before; else NULL'),
			('cdr_log', 'log integer NOT NULL, log_index bigint NOT NULL, entry text NOT NULL,'
				' PRIMARY KEY (log, log_index)',
				'the log of seals: the leaves of the tree whose root a checkpoint has
log: number of the log, from 1
log_index: place in the log, from 0
entry: what it says: lines of text, of which the first names the kind'),
			('cdr_checkpoints', 'log integer NOT NULL, size bigint NOT NULL, root bytea NOT NULL,'
				' taken_at timestamptz NOT NULL, place text NOT NULL, note text NOT NULL, peaks bytea[] NOT NULL,'
				' PRIMARY KEY (log, size)',
				'checkpoints: how long the log was, and its root
log: number of the log, from 1
size: how many entries the log had, from 1
root: root of the tree over these, of 32 bytes
taken_at: when it was taken
place: where the log was written: numbers of the server, its timeline, the database and the table
note: the checkpoint as it is handed out: origin, size and root, with a signature if there is a key
peaks: roots of the complete trees that the entries make up, of 32 bytes each, the largest first'),
			('cdr_anchors', 'log integer NOT NULL, size bigint NOT NULL, kind text NOT NULL, token bytea NOT NULL,'
				' added_at timestamptz NOT NULL',
				'anchors: what others say of checkpoints, such as time stamps
log: log of the checkpoint
size: size of the checkpoint
kind: rfc3161, or another word of at most 32 letters, digits and "-"
token: what they say, 1 to 65536 bytes
added_at: when it was added')) AS t(name, columns, comment)
	LOOP
		-- (STORAGE may stand there since 16)
		EXECUTE format('SELECT %s.cdr_make_table($1, $2, $3)', extension) INTO is_new
		USING made.name, replace(made.columns, ' STORAGE EXTERNAL', ''), made.comment;
		CONTINUE WHEN NOT is_new;
		IF made.columns LIKE '%STORAGE EXTERNAL%' THEN
			EXECUTE format('ALTER TABLE %s.%I ALTER COLUMN leaves SET STORAGE EXTERNAL', extension, made.name);
		END IF;
		IF made.name = 'cdr_seals' THEN
			EXECUTE format('CREATE INDEX ON %s.cdr_seals (day, hi)', extension);
			EXECUTE format('CREATE INDEX ON %s.cdr_seals (day) WHERE leaves IS NOT NULL', extension);
		ELSIF made.name = 'cdr_anchors' THEN
			EXECUTE format('CREATE UNIQUE INDEX ON %s.cdr_anchors (log, size, kind, sha256(token))', extension);
		END IF;
	END LOOP;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_create_evidence_tables() IS
'makes the tables that evidence needs, unless they are there';

-- Of one kind, which is their first line: "cdr-hold-v1", say.
CREATE FUNCTION @extschema@.cdr_entries(kind text, OUT log integer, OUT log_index bigint, OUT entry text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	waiting constant text := CASE WHEN to_regclass(extension || '.cdr_unlogged') IS NOT NULL
		THEN format(' UNION ALL SELECT NULL, NULL, u.entry FROM ONLY %s.cdr_unlogged AS u WHERE u.entry LIKE $1', extension) ELSE '' END;
BEGIN
	RETURN QUERY EXECUTE format('SELECT l.log, l.log_index, l.entry FROM ONLY %s.cdr_log AS l WHERE l.entry LIKE $1', extension) || waiting
	USING kind || E'\n%';
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_entries(text) IS
'the entries of a kind that the log of seals has, and those that wait for their place in it';

CREATE FUNCTION @extschema@.cdr_seal()
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_seal';

COMMENT ON FUNCTION @extschema@.cdr_seal() IS
'seals what was recorded, as the sealer does; returns how many entries the log of seals has got';

CREATE FUNCTION @extschema@.cdr_checkpoint()
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	result text;
BEGIN
	EXECUTE format('SELECT note FROM %s.cdr_checkpoints ORDER BY log DESC, size DESC LIMIT 1', extension) INTO result;
	RETURN result;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_checkpoint() IS
'the last checkpoint: its origin, the length of the log, and its root';

-- A seal is looked at as it stands in the log, never as the table of seals says
-- only: whoever changes rows may change that, too.
CREATE FUNCTION @extschema@.cdr_verify_evidence(
	from_day date DEFAULT NULL,
	to_day date DEFAULT NULL,
	checkpoint text DEFAULT NULL,
	OUT problem text,
	OUT day date,
	OUT lo timestamptz,
	OUT hi timestamptz,
	OUT log integer,
	OUT log_index bigint,
	OUT detail text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	-- a mail may have given its lines the ends that are usual there
	line constant text[] := CASE WHEN octet_length(checkpoint) <= 65536
		THEN string_to_array(replace(checkpoint, E'\r', ''), E'\n') ELSE '{}' END;
	-- as many statements as there are checkpoints, or it could be long
	grow constant text := format($query$
		SELECT p.n, p.peaks, %1$s.cdr_peaks_root(p.peaks) AS root
		FROM (SELECT h.n, CASE WHEN h.n = $3 - $2 THEN %1$s.cdr_tree_peaks($4, $2, h.hashes) END AS peaks
			FROM (SELECT count(*) AS n, COALESCE(array_agg(sha256(E'\\x00' || convert_to(l.entry, 'UTF8')) ORDER BY l.log_index), '{}') AS hashes
				FROM %1$s.cdr_log AS l WHERE l.log = $1 AND l.log_index >= $2 AND l.log_index < $3) AS h OFFSET 0) AS p$query$, extension);
	point record;
	grown record;
	seal record;
	peaks bytea[] := '{}';
	size bigint := 0;
	read_log integer;
	broken integer;
	retired uuid[]; is_retired boolean;
	compared bigint := 0; all_seals bigint;
BEGIN
	EXECUTE format('SELECT %s.cdr_require_tables()', extension);
	IF (SELECT count(to_regclass(format('%s.%s', extension, t.name))) < 4
		FROM unnest('{cdr_unsealed,cdr_seals,cdr_log,cdr_checkpoints}'::text[]) AS t(name)) THEN
		RAISE undefined_table USING
			MESSAGE = 'tables of evidence are missing',
			HINT = format('Where there were some, they were dropped; where not, run SELECT %s.cdr_create_evidence_tables().', extension);
	END IF;
	IF to_day < from_day THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'to_day must not be before from_day',
			DETAIL = 'Events of to_day are not compared: the same day twice is the log alone.';
	END IF;
	IF checkpoint IS NOT NULL AND (cardinality(line) < 3 OR line[2] !~ '^(0|[1-9][0-9]{0,17})$'
								   OR line[3] !~ '^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$') THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'that is no checkpoint',
			DETAIL = 'A checkpoint has three lines: origin, length of the log, and its root in base64.',
			HINT = 'psql -XAtc prints what cdr_checkpoint() returns as it is, without a frame.';
	END IF;

	EXECUTE format('SELECT %s.cdr_show_progress(text ''verify evidence'', text ''reading the log'', 0::bigint, NULL::bigint)', extension);
	-- each log, against its checkpoints, the one that the caller has kept, and what the log
	-- that continues it says; an origin names its log, or, without checkpoints, its number
	FOR point IN EXECUTE format($query$
		WITH notes AS MATERIALIZED (
			SELECT c.log, c.size, c.root, string_to_array(c.note, E'\n') AS line FROM %1$s.cdr_checkpoints AS c),
		said AS (
			SELECT $1 AS origin, $2 AS size, $3 AS root, 'the given checkpoint' AS teller WHERE $1 IS NOT NULL
			UNION ALL
			SELECT l.line[2], l.line[3]::bigint, decode(l.line[4], 'base64'), format('the entry of log %%s that continues it', l.log)
			FROM (SELECT l.log, string_to_array(l.entry, E'\n') AS line FROM %1$s.cdr_log AS l
				  WHERE l.log_index = 0
					AND l.entry ~ E'^cdr-continues-v1\\n[^\\n]+\\n[1-9][0-9]{0,17}\\n[A-Za-z0-9+/]{43}=\\n$') AS l)
		SELECT n.log, n.size, n.root, 'a checkpoint' AS teller, n.line[1] AS origin,
			   n.line[2] IS DISTINCT FROM n.size::text OR n.line[3] IS DISTINCT FROM encode(n.root, 'base64') AS is_odd
		FROM notes AS n
		UNION ALL
		SELECT COALESCE(o.log, u.log), s.size, s.root, s.teller, s.origin, false
		FROM said AS s
		LEFT JOIN (SELECT DISTINCT n.log, n.line[1] AS origin FROM notes AS n) AS o ON o.origin = s.origin
		LEFT JOIN LATERAL (SELECT substring(s.origin FROM '/([1-9][0-9]{0,8})$')::integer AS log) AS u
			ON NOT EXISTS (SELECT FROM notes AS n WHERE n.log = u.log)
		ORDER BY 1 NULLS FIRST, 2, 4$query$, extension) USING line[1], line[2]::bigint, decode(line[3], 'base64')
	LOOP
		log := point.log; log_index := point.size;
		CONTINUE WHEN log = broken;
		IF log IS DISTINCT FROM read_log THEN
			read_log := log; size := 0; peaks := '{}';
		END IF;
		IF log IS NULL THEN
			problem := 'log missing';
			detail := format('%s is of %s, and no log of that name is here', point.teller, point.origin);
			RETURN NEXT;
			CONTINUE;
		END IF;
		EXECUTE grow INTO grown USING log, size, point.size, peaks;
		IF grown.n < point.size - size THEN
			problem := 'log cut off';
			detail := format('%s of %s entries are missing%s', point.size - size - grown.n, point.size,
				CASE point.teller WHEN 'a checkpoint' THEN '' ELSE ' that ' || point.teller || ' covers' END);
			RETURN NEXT;
			broken := log;
			CONTINUE;
		END IF;
		peaks := grown.peaks;
		size := point.size;
		IF grown.root <> point.root OR point.is_odd THEN
			problem := 'log rewritten';
			detail := CASE WHEN grown.root <> point.root
				THEN format('its first %s entries do not have the root of %s', size, point.teller)
				ELSE format('the text of a checkpoint of %s entries says something else', size) END;
			RETURN NEXT;
			broken := log;
		END IF;
	END LOOP;

	-- each seal of the log, against its row and the rows of its events.  Which rows are its own:
	-- those that it lists; or those in its ranges that no other seal lists, because they were
	-- recorded after the clock was set back.  (One statement: there may be hundreds of thousands.)
	EXECUTE format('SELECT %s.cdr_retired_logged()', extension) INTO retired;
	EXECUTE format('SELECT count(*) FROM %s.cdr_seals AS s WHERE ($1 IS NULL OR s.day >= $1) AND ($2 IS NULL OR s.day < $2)', extension)
	INTO all_seals USING from_day, to_day;
	FOR seal IN EXECUTE format($query$
		SELECT l.log, l.log_index, l.entry, split_part(l.entry, E'\n', 2) AS said_day, s.*, s.day IS NULL AS is_missing,
			   s.root IS DISTINCT FROM %1$s.cdr_tree_root(s.groups)
			   OR s.leaves IS NOT NULL AND s.groups IS DISTINCT FROM %1$s.cdr_tree_groups(s.leaves) AS is_odd,
			   l.entry IS DISTINCT FROM %1$s.cdr_seal_entry(s.day, s.source, s.n, s.lo, s.hi, s.root) AS differs,
			   f.found_n, f.found_groups
		FROM (SELECT log, log_index, entry FROM %1$s.cdr_log WHERE entry LIKE E'cdr-seal-v1\n%%') AS l
		LEFT JOIN (SELECT log AS book, log_index AS place, day, lo, hi, n, source, root, groups, members, leaves FROM %1$s.cdr_seals) AS s
			ON s.book = l.log AND s.place = l.log_index
		LEFT JOIN LATERAL (
			SELECT count(*) AS found_n, %1$s.cdr_tree_groups(COALESCE(array_agg(e.leaf ORDER BY e.recorded_at, e.leaf), '{}')) AS found_groups
			FROM (SELECT e.recorded_at, COALESCE(%1$s.cdr_event_leaf(e.event_time, e.received_at, e.recorded_at, e.time_source, e.event_type,
					e.tenant_id, e.salt, e.event_id, e.message_id, e.call_id, e.trace_id, e.routing_key, e.content_type,
					e.headers, e.properties, e.payload, e.body, e.content_digest), sha256('')) AS leaf
				FROM %1$s.call_events AS e
				WHERE e.event_time >= (s.day::timestamp AT TIME ZONE 'UTC') AND e.event_time < ((s.day + 1)::timestamp AT TIME ZONE 'UTC')
				  AND e.recorded_at >= s.lo AND e.recorded_at <= s.hi AND e.recorded_at <@ s.members
				-- and of those that retention took
				UNION ALL
				SELECT r.recorded_at, r.leaf FROM %1$s.cdr_retired_leaves($3, s.day, s.lo, s.hi) AS r
				WHERE cardinality($3) > 0 AND r.recorded_at <@ s.members) AS e
			WHERE CASE WHEN s.leaves IS NOT NULL THEN e.leaf = ANY (s.leaves)
				WHEN NOT EXISTS (SELECT FROM %1$s.cdr_seals AS o WHERE o.day = s.day AND o.leaves IS NOT NULL) THEN true
				ELSE e.leaf NOT IN (
					SELECT unnest(o.leaves) FROM %1$s.cdr_seals AS o JOIN %1$s.cdr_log AS k USING (log, log_index)
					WHERE o.day = s.day AND o.leaves IS NOT NULL AND o.lo <= s.hi AND o.hi >= s.lo) END) AS f
			ON s.day IS NOT NULL
		WHERE ($1 IS NULL OR split_part(l.entry, E'\n', 2) >= to_char($1, 'YYYY-MM-DD'))
		  AND ($2 IS NULL OR split_part(l.entry, E'\n', 2) < to_char($2, 'YYYY-MM-DD'))
		ORDER BY l.log, l.log_index$query$, extension) USING from_day, to_day, retired
	LOOP
		EXECUTE format('SELECT %s.cdr_show_progress(text ''verify evidence'', text ''comparing seals with events'', $1::bigint, $2::bigint)', extension)
		USING compared, all_seals;
		compared := compared + 1;
		day := seal.day; lo := seal.lo; hi := seal.hi; log := seal.log; log_index := seal.log_index;
		IF seal.is_missing OR seal.differs OR seal.is_odd THEN
			problem := CASE WHEN seal.is_missing THEN 'seal missing' ELSE 'seal changed' END;
			detail := format('the log says: %s', replace(seal.entry, E'\n', ' '));
			RETURN NEXT;
			CONTINUE;
		END IF;
		IF seal.found_n = seal.n AND (seal.found_groups = seal.groups OR seal.leaves IS NOT NULL) THEN
			CONTINUE;
		END IF;
		IF seal.found_n < seal.n THEN
			EXECUTE format('SELECT %s.cdr_retired_day($1, $2, $3)', extension) INTO is_retired USING retired, seal.day, seal.hi;
			CONTINUE WHEN is_retired;
		END IF;
		problem := CASE WHEN seal.found_n < seal.n THEN 'rows missing'
						WHEN seal.found_n > seal.n THEN 'rows added' ELSE 'rows changed' END;
		detail := CASE WHEN seal.found_n <> seal.n THEN format('%s events were sealed, and %s are there', seal.n, seal.found_n)
			ELSE (SELECT format('among events %s of %s, by recorded_at',
					string_agg(format('%s to %s', 8 * i - 7, LEAST(8 * i, seal.n)), ', ' ORDER BY i), seal.n)
				  FROM generate_subscripts(seal.groups, 1) AS i WHERE seal.groups[i] <> seal.found_groups[i]) END;
		RETURN NEXT;
	END LOOP;

	EXECUTE format('SELECT %s.cdr_show_progress(text ''verify evidence'', text ''looking for events without a seal'', 0::bigint, NULL::bigint)', extension);
	-- what no seal covers, and nobody waits to seal
	FOR seal IN EXECUTE format($query$
		WITH logged AS MATERIALIZED (
			SELECT s.day, s.members, s.leaves FROM %1$s.cdr_seals AS s JOIN %1$s.cdr_log AS l USING (log, log_index)
			WHERE ($1 IS NULL OR s.day >= $1) AND ($2 IS NULL OR s.day < $2)),
		covered AS MATERIALIZED (
			SELECT c.day, range_agg(c.members) AS members FROM (
				SELECT s.day, unnest(s.members) AS members FROM logged AS s WHERE s.leaves IS NULL
				UNION ALL SELECT u.day, tstzrange(u.lo, u.hi, '[]') FROM %1$s.cdr_unsealed AS u) AS c
			WHERE ($1 IS NULL OR c.day >= $1) AND ($2 IS NULL OR c.day < $2) GROUP BY 1),
		listed AS MATERIALIZED (
			SELECT unnest(s.leaves) AS leaf FROM logged AS s)
		SELECT d.day, min(e.recorded_at) AS lo, max(e.recorded_at) AS hi, count(*) AS n
		FROM %1$s.call_events AS e
		CROSS JOIN LATERAL (SELECT (e.event_time AT TIME ZONE 'UTC')::date AS day) AS d
		LEFT JOIN covered AS c ON c.day = d.day
		WHERE ($1 IS NULL OR e.event_time >= ($1::timestamp AT TIME ZONE 'UTC'))
		  AND ($2 IS NULL OR e.event_time < ($2::timestamp AT TIME ZONE 'UTC'))
		  AND CASE WHEN e.recorded_at <@ c.members THEN false
			WHEN NOT EXISTS (SELECT FROM listed) THEN true
			ELSE COALESCE(%1$s.cdr_event_leaf(e.event_time, e.received_at, e.recorded_at, e.time_source, e.event_type,
				e.tenant_id, e.salt, e.event_id, e.message_id, e.call_id, e.trace_id, e.routing_key, e.content_type,
				e.headers, e.properties, e.payload, e.body, e.content_digest), sha256('')) NOT IN (SELECT l.leaf FROM listed AS l) END
		GROUP BY 1 ORDER BY 1$query$, extension) USING from_day, to_day
	LOOP
		problem := 'rows without a seal'; day := seal.day; lo := seal.lo; hi := seal.hi; log := NULL; log_index := NULL;
		detail := format('%s events', seal.n);
		RETURN NEXT;
	END LOOP;

	-- whose content is gone, though nobody erased their call: the seal holds, but not by right
	FOR seal IN EXECUTE format($query$
		SELECT (e.event_time AT TIME ZONE 'UTC')::date AS day, min(e.recorded_at) AS lo, max(e.recorded_at) AS hi, count(*) AS n
		FROM %s.call_events AS e
		WHERE e.content_digest IS NOT NULL
		  AND ($1 IS NULL OR e.event_time >= ($1::timestamp AT TIME ZONE 'UTC'))
		  AND ($2 IS NULL OR e.event_time < ($2::timestamp AT TIME ZONE 'UTC')) %s
		GROUP BY 1 ORDER BY 1$query$, extension,
		CASE WHEN to_regclass(extension || '.cdr_erased_calls') IS NOT NULL AND to_regclass(extension || '.cdr_erasures') IS NOT NULL THEN
			format('AND NOT EXISTS (SELECT FROM ONLY %1$s.cdr_erased_calls AS k JOIN ONLY %1$s.cdr_erasures AS a USING (erasure_id)'
				' WHERE k.call_id = e.call_id)', extension) ELSE '' END)
	USING from_day, to_day
	LOOP
		problem := 'rows erased without a record'; day := seal.day; lo := seal.lo; hi := seal.hi; log := NULL; log_index := NULL;
		detail := format('%s events', seal.n);
		RETURN NEXT;
	END LOOP;
	lo := NULL; hi := NULL;
	FOR problem, day, log, log_index, detail IN EXECUTE format('SELECT * FROM %s.cdr_erasure_problems($1, $2)', extension) USING from_day, to_day LOOP
		RETURN NEXT;
	END LOOP;
	RETURN QUERY EXECUTE format('SELECT * FROM %s.cdr_access_problems($1, $2)', extension) USING from_day, to_day;
	EXECUTE format('SELECT %s.cdr_show_progress(NULL::text, NULL::text, 0::bigint, NULL::bigint)', extension);
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_verify_evidence(date, date, text) IS
'what does not fit its seal, or the log of seals (normally nothing), for days of event_time in UTC';
