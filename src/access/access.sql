-- ---------------------------------------------------------------------------
-- Who read what
-- ---------------------------------------------------------------------------

-- A member, of which a dump has the rows: it belongs to whoever installed the extension, and
-- the role that writes calls can add to it, but not change or take away.
CREATE TABLE @extschema@.cdr_access_log (
	at timestamptz NOT NULL,
	login text NOT NULL,
	role text NOT NULL,
	client_address text,
	application text,
	action text NOT NULL,
	subject jsonb,
	tenant_id text,
	rows bigint,
	reason text,
	entry_id uuid,
	key uuid) USING heap;

-- retention takes rows away, also where they are published
ALTER TABLE @extschema@.cdr_access_log REPLICA IDENTITY FULL;

CREATE INDEX cdr_access_log_at_idx ON @extschema@.cdr_access_log (at);
CREATE INDEX cdr_access_log_entry_idx ON @extschema@.cdr_access_log (entry_id);

COMMENT ON TABLE @extschema@.cdr_access_log IS
'who read which calls, when, why and from where';
COMMENT ON COLUMN @extschema@.cdr_access_log.at IS
'when it was read';
COMMENT ON COLUMN @extschema@.cdr_access_log.login IS
'as whom the session logged in';
COMMENT ON COLUMN @extschema@.cdr_access_log.role IS
'as whom it read';
COMMENT ON COLUMN @extschema@.cdr_access_log.client_address IS
'where it was connected from; NULL: a socket of the machine';
COMMENT ON COLUMN @extschema@.cdr_access_log.application IS
'application_name, which is what the client says';
COMMENT ON COLUMN @extschema@.cdr_access_log.action IS
'the function that read; or, of log_reads, the command';
COMMENT ON COLUMN @extschema@.cdr_access_log.subject IS
'what was asked for';
COMMENT ON COLUMN @extschema@.cdr_access_log.tenant_id IS
'the tenant that was asked for; NULL: whatever tenant';
COMMENT ON COLUMN @extschema@.cdr_access_log.rows IS
'how many rows were returned';
COMMENT ON COLUMN @extschema@.cdr_access_log.reason IS
'why, as the reader says';
COMMENT ON COLUMN @extschema@.cdr_access_log.entry_id IS
'the entry of the log of seals that covers it; NULL: recorded without evidence';
COMMENT ON COLUMN @extschema@.cdr_access_log.key IS
'random, and hashed with it, so that nobody finds out what was read by trying';

SELECT pg_catalog.pg_extension_config_dump('@extschema@.cdr_access_log', '');

CREATE FUNCTION @extschema@.cdr_read_calls(
	reason text,
	call_id text DEFAULT NULL,
	from_time timestamptz DEFAULT NULL,
	to_time timestamptz DEFAULT NULL,
	number text DEFAULT NULL,
	tenant text DEFAULT NULL,
	OUT @column:key@ @type@,
	OUT @column:status@ @type@,
	OUT @column:outcome@ @type@,
	OUT @column:course@ @type@,
	OUT attempt_time timestamptz,
	OUT duration_seconds bigint,
	OUT billable_seconds bigint,
	OUT @column:end@ @type@,
	OUT @column:rest@ @type@@,@
)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_read_calls';

COMMENT ON FUNCTION @extschema@.cdr_read_calls(text, text, timestamptz, timestamptz, text, text) IS
'calls, for whoever says why; each use is recorded in cdr_access_log before it returns';

CREATE FUNCTION @extschema@.cdr_read_events(
	reason text,
	call_id text,
	OUT @column:log@ @type@@,@
)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_read_events';

COMMENT ON FUNCTION @extschema@.cdr_read_events(text, text) IS
'the events of a call, for whoever says why; each use is recorded in cdr_access_log before it returns';

CREATE FUNCTION @extschema@.cdr_evidence(
	call_id text,
	reason text DEFAULT NULL,
	checkpoint text DEFAULT NULL)
RETURNS json
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_evidence_of_call';

COMMENT ON FUNCTION @extschema@.cdr_evidence(text, text, text) IS
'a call with the proofs of its events, for whoever says why: a file that scripts/cdr-verify reads; each use is recorded in cdr_access_log before it returns';

-- The log of seals covers the record of reads, too: an entry for each transaction that adds
-- to it.  Who adds may not read what is there, and so hashes what it adds.
CREATE FUNCTION @extschema@.cdr_access_leaf(
	key uuid, at timestamptz, login text, role text, client_address text, application text, action text, subject jsonb,
	tenant_id text, rows bigint, reason text)
RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
	SELECT sha256(E'\\x00'::bytea || convert_to(E'cdr-access-row-v1\n', 'UTF8') || uuid_send(key) || convert_to(jsonb_build_array(
		to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), login, role, client_address, application, action, subject,
		tenant_id, rows, reason)::text, 'UTF8'))
$function$;

COMMENT ON FUNCTION @extschema@.cdr_access_leaf(uuid, timestamptz, text, text, text, text, text, jsonb, text, bigint, text) IS
'the leaf hash of a row of cdr_access_log';

CREATE FUNCTION @extschema@.cdr_access_entry(id uuid, lo timestamptz, hi timestamptz, leaves bytea[])
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	instant constant text := 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"';
	root bytea;
BEGIN
	EXECUTE format('SELECT %s.cdr_tree_root(array_agg(l.leaf ORDER BY l.leaf)) FROM unnest($1) AS l(leaf)', extension) INTO root USING leaves;
	RETURN concat_ws(E'\n', 'cdr-access-v1', id, to_char(lo AT TIME ZONE 'UTC', instant), to_char(hi AT TIME ZONE 'UTC', instant),
		cardinality(leaves), encode(root, 'base64'), '');
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_access_entry(uuid, timestamptz, timestamptz, bytea[]) IS
'what the log of seals says of rows of cdr_access_log, by their leaf hashes';

CREATE FUNCTION @extschema@.cdr_put_access_entry(id uuid, lo timestamptz, hi timestamptz, leaves bytea[])
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
BEGIN
	EXECUTE format('SELECT %1$s.cdr_put_entry(%1$s.cdr_access_entry($1, $2, $3, $4))', extension) USING id, lo, hi, leaves;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_put_access_entry(uuid, timestamptz, timestamptz, bytea[]) IS
'has the log of seals say what was added to cdr_access_log, with the rights of the caller';

-- What the log says of reads, against their record.  Retention takes all rows of an entry, or none:
-- so of one that has some left, no row is missed by nobody.
CREATE FUNCTION @extschema@.cdr_access_problems(
	from_day date,
	to_day date,
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
SET timezone = 'UTC'
SET jit = off
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	retired text := 'SELECT NULL::timestamptz, NULL::timestamptz, NULL::timestamptz WHERE false';
	is_any boolean;
BEGIN
	EXECUTE format('SELECT EXISTS (SELECT FROM %s.cdr_entries(text ''cdr-access-v1''))', extension) INTO is_any;
	IF NOT is_any THEN
		RETURN;
	ELSIF NOT has_table_privilege(extension || '.cdr_access_log', 'SELECT') THEN
		RAISE WARNING 'who has read what was not compared with the log of seals'
			USING HINT = format('That takes SELECT on %s.cdr_access_log.', extension);
		RETURN;
	END IF;
	IF to_regclass(extension || '.cdr_retired') IS NOT NULL THEN
		retired := format('SELECT r.from_time, r.until_time, r.retired_at'
			' FROM (SELECT x.*, %1$s.cdr_retention_entry(x.retired_id) AS entry FROM ONLY %1$s.cdr_retired AS x WHERE x.kind = ''access_log'' OFFSET 0) AS r'
			' JOIN %1$s.cdr_entries(text ''cdr-retention-v1'') AS g ON g.entry = r.entry', extension);
	END IF;
	RETURN QUERY EXECUTE format($query$
		WITH said AS MATERIALIZED (
			SELECT w.log, w.log_index, w.entry, l.line[2] AS id, l.line[3]::timestamptz AS lo, l.line[4]::timestamptz AS hi, l.line[5]::integer AS n
			FROM %1$s.cdr_entries(text 'cdr-access-v1') AS w
			CROSS JOIN LATERAL (SELECT string_to_array(w.entry, E'\n') AS line
				WHERE w.entry ~ E'^cdr-access-v1\\n[0-9a-f-]{36}\\n\\d{4}-\\d\\d-\\d\\dT[0-9:.]{15}Z\\n\\d{4}-\\d\\d-\\d\\dT[0-9:.]{15}Z\\n[1-9][0-9]{0,5}\\n[^\\n]*\\n$' OFFSET 0) AS l),
		kept AS MATERIALIZED (
			SELECT a.entry_id::text AS id, min(a.at) AS lo, max(a.at) AS hi, count(*) AS n,
				   array_agg(%1$s.cdr_access_leaf(a.key, a.at, a.login, a.role, a.client_address, a.application, a.action, a.subject, a.tenant_id,
					a.rows, a.reason)) AS leaves
			FROM ONLY %1$s.cdr_access_log AS a
			-- one without an entry is none of before there were any
			WHERE a.entry_id IS NOT NULL OR a.at >= (SELECT min(f.lo) FROM said AS f) GROUP BY 1),
		retired(from_time, until_time, retired_at) AS MATERIALIZED (%2$s),
		compared AS (
			SELECT CASE WHEN s.id IS NULL THEN 'reads without an entry'
						WHEN k.id IS NULL AND EXISTS (SELECT FROM retired AS r WHERE r.from_time <= s.lo AND r.until_time > s.hi AND r.retired_at >= s.hi) THEN NULL
						WHEN COALESCE(k.n, 0) < s.n THEN 'reads missing'
						WHEN k.n > s.n THEN 'reads added'
						WHEN s.entry <> %1$s.cdr_access_entry(s.id::uuid, k.lo, k.hi, k.leaves) THEN 'reads changed' END AS problem,
				   (COALESCE(s.lo, k.lo) AT TIME ZONE 'UTC')::date AS day, COALESCE(s.lo, k.lo) AS lo, COALESCE(s.hi, k.hi) AS hi, s.log, s.log_index,
				   CASE WHEN s.id IS NULL THEN format('%%s rows of cdr_access_log', k.n)
						ELSE format('the log says %%s rows of cdr_access_log, and %%s are there', s.n, COALESCE(k.n, 0)) END AS detail
			FROM said AS s FULL JOIN kept AS k ON k.id = s.id)
		SELECT c.* FROM compared AS c
		WHERE c.problem IS NOT NULL AND ($1 IS NULL OR c.day >= $1) AND ($2 IS NULL OR c.day < $2)
		ORDER BY c.lo, c.log, c.log_index$query$, extension, retired)
	USING from_day, to_day;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_access_problems(date, date) IS
'reads of which the log of seals, and cdr_access_log, do not say the same';
