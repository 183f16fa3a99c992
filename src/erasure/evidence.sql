-- ---------------------------------------------------------------------------
-- Erasure: what the log of seals says of it, for who verifies evidence
-- ---------------------------------------------------------------------------

-- An erasure has a row and an entry, which say the same: where one of both is missing,
-- somebody has taken it away, or put down what was not done.  (Which calls it was of, no
-- entry says; but how many.)  What was erased while evidence was off has no entry.
CREATE FUNCTION @extschema@.cdr_erasure_problems(
	from_day date,
	to_day date,
	OUT problem text,
	OUT day date,
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
	rows text := 'SELECT NULL::text AS id, NULL::date AS day, NULL::text AS entry, 0::bigint AS calls, 0::bigint AS found WHERE false';
BEGIN
	IF to_regclass(extension || '.cdr_erasures') IS NOT NULL AND to_regclass(extension || '.cdr_erased_calls') IS NOT NULL THEN
		rows := format('SELECT e.erasure_id::text AS id, (e.erased_at AT TIME ZONE ''UTC'')::date AS day, %1$s.cdr_erasure_entry(e.erasure_id) AS entry,'
			' e.calls, (SELECT count(*) FROM ONLY %1$s.cdr_erased_calls AS k WHERE k.erasure_id = e.erasure_id) AS found'
			' FROM ONLY %1$s.cdr_erasures AS e', extension);
	END IF;
	RETURN QUERY EXECUTE format($query$
		WITH said AS MATERIALIZED (
			SELECT w.*, split_part(w.entry, E'\n', 2) AS id,
				   CASE WHEN split_part(w.entry, E'\n', 3) ~ E'^\\d{4}-\\d\\d-\\d\\dT' THEN left(split_part(w.entry, E'\n', 3), 10) END AS day
			FROM %1$s.cdr_entries(text 'cdr-erasure-v1') AS w),
		kept AS MATERIALIZED (%2$s),
		compared AS (
			SELECT CASE WHEN k.id IS NULL THEN 'erasure missing' WHEN s.id IS NULL THEN 'erasure without an entry'
						WHEN s.entry IS DISTINCT FROM k.entry OR k.found > k.calls THEN 'erasure changed' END AS problem,
				   COALESCE(to_char(k.day, 'YYYY-MM-DD'), s.day) AS day, s.log, s.log_index,
				   CASE WHEN k.id IS NULL OR s.entry IS DISTINCT FROM k.entry AND s.id IS NOT NULL
							THEN 'the log says: ' || replace(s.entry, E'\n', ' ')
						WHEN s.id IS NULL THEN 'cdr_erasures says: ' || replace(k.entry, E'\n', ' ')
						ELSE format('it was of %%s calls, and cdr_erased_calls has %%s', k.calls, k.found) END AS detail
			FROM said AS s FULL JOIN kept AS k ON k.id = s.id)
		SELECT c.problem, c.day::date, c.log, c.log_index, c.detail FROM compared AS c
		WHERE c.problem IS NOT NULL
		  AND ($1 IS NULL OR c.day >= to_char($1, 'YYYY-MM-DD')) AND ($2 IS NULL OR c.day < to_char($2, 'YYYY-MM-DD'))
		ORDER BY 2, 3, 4, 5$query$, extension, rows)
	USING from_day, to_day;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_erasure_problems(date, date) IS
'erasures of which the log of seals, and cdr_erasures, do not say the same';

-- What a file of evidence says of the erasure of its call; NULL: there is no record of one.
CREATE FUNCTION @extschema@.cdr_erasure_proof(call_id text, of_log integer, size bigint)
RETURNS json
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	id uuid;
	said text;
	found record;
	result json;
BEGIN
	IF to_regclass(extension || '.cdr_erased_calls') IS NULL THEN
		RETURN NULL;
	END IF;
	EXECUTE format('SELECT k.erasure_id FROM ONLY %s.cdr_erased_calls AS k WHERE k.call_id = $1', extension) INTO id USING call_id;
	IF id IS NULL THEN
		RETURN NULL;
	ELSIF to_regclass(extension || '.cdr_erasures') IS NOT NULL THEN
		EXECUTE format('SELECT %s.cdr_erasure_entry($1)', extension) INTO said USING id;
	END IF;
	EXECUTE format($query$
		SELECT l.log, l.log_index, l.entry FROM ONLY %s.cdr_log AS l
		WHERE starts_with(l.entry, E'cdr-erasure-v1\n' || $1 || E'\n') ORDER BY l.log DESC, l.log_index LIMIT 1$query$, extension)
	INTO found USING id;
	-- it may have been erased after the checkpoint that somebody has kept: then under the last one
	IF of_log IS DISTINCT FROM found.log OR size <= found.log_index THEN
		EXECUTE format('SELECT max(c.size) FROM %s.cdr_checkpoints AS c WHERE c.log = $1', extension) INTO size USING found.log;
	END IF;
	EXECUTE format($query$
		SELECT json_build_object('erasure_id', $1, 'record', $2, 'log', $3, 'log_index', $4, 'entry', $5,
			'proofs', CASE WHEN $6 > $4 THEN json_build_array(%s.cdr_tlog_proof($3, $4, $6)) ELSE '[]'::json END)$query$, extension)
	INTO result USING id, said, found.log, found.log_index, found.entry, size;
	RETURN result;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_erasure_proof(text, integer, bigint) IS
'what a file of evidence says of the erasure of its call: its row, its entry of the log, and the proof of that';
