-- ---------------------------------------------------------------------------
-- Retention: the record of who read what
-- ---------------------------------------------------------------------------

-- It belongs to whoever installed the extension, so that nobody else changes it, the owner
-- of calls neither.  So the owner says from when on it is kept and what is held, as values; and
-- the two that take and count are called by cdr_apply_retention() and the plan alone, and
-- read no table of others.
CREATE FUNCTION @extschema@.cdr_access_limits(at timestamptz, OUT until timestamptz, OUT holds jsonb)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
BEGIN
	EXECUTE format('SELECT $1 - r.keep FROM ONLY %s.cdr_retention AS r WHERE r.kind = ''access_log'' AND r.ended_at IS NULL', extension)
	INTO until USING at;
	EXECUTE format('SELECT jsonb_agg(jsonb_build_object(''call_id'', h.call_id, ''number'', h.number, ''tenant_id'', h.tenant_id,'
		' ''from_time'', h.from_time)) FROM ONLY %s.cdr_holds AS h WHERE h.released_at IS NULL AND (h.expires_at > clock_timestamp()) IS NOT FALSE',
		extension)
	INTO holds;
	holds := COALESCE(holds, '[]');
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_access_limits(timestamptz) IS
'from when on rows of cdr_access_log are kept, and what is held';

-- In doubt, a row is held: unless it names another call, number or tenant, or is of a time
-- before what is held.
CREATE FUNCTION @extschema@.cdr_access_is_held(at timestamptz, subject jsonb, tenant_id text, holds jsonb)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
	SELECT EXISTS (
		SELECT FROM jsonb_to_recordset($4) AS h(call_id text, number text, tenant_id text, from_time timestamptz)
		WHERE (h.call_id IS NULL OR COALESCE($2 ->> 'call_id', h.call_id) = h.call_id)
		  AND (h.number IS NULL OR COALESCE(ltrim($2 ->> 'number', '+0'), ltrim(h.number, '+0')) = ltrim(h.number, '+0'))
		  AND (h.tenant_id IS NULL OR COALESCE($3, h.tenant_id) = h.tenant_id)
		  AND (h.from_time IS NULL OR $1 >= h.from_time))
$function$;

COMMENT ON FUNCTION @extschema@.cdr_access_is_held(timestamptz, jsonb, text, jsonb) IS
'whether a row of cdr_access_log may tell of what is held';

-- All rows of an entry go together: the log says of them together what they were.
CREATE FUNCTION @extschema@.cdr_access_goes()
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
	RETURN format('a.at < $1 AND NOT %1$s.cdr_access_is_held(a.at, a.subject, a.tenant_id, $2)'
		' AND NOT EXISTS (SELECT FROM ONLY %1$s.cdr_access_log AS o WHERE o.entry_id = a.entry_id'
		' AND (o.at >= $1 OR %1$s.cdr_access_is_held(o.at, o.subject, o.tenant_id, $2)))',
		(SELECT extnamespace::regnamespace FROM pg_extension WHERE extname = 'cdr_service'));
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_access_goes() IS
'SQL: whether a row "a" of cdr_access_log goes, where $1 is since when it is kept, and $2 what is held';

CREATE FUNCTION @extschema@.cdr_count_access(until timestamptz, holds jsonb, OUT rows bigint, OUT bytes bigint, OUT held bigint)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	goes text;
BEGIN
	EXECUTE format('SELECT %s.cdr_access_goes()', extension) INTO goes;
	EXECUTE format($query$
	SELECT count(*) FILTER (WHERE f.goes), COALESCE(sum(pg_column_size(a)) FILTER (WHERE f.goes), 0)::bigint,
		   count(*) FILTER (WHERE NOT f.goes)
	FROM ONLY %1$s.cdr_access_log AS a
	CROSS JOIN LATERAL (SELECT %2$s AS goes OFFSET 0) AS f
	WHERE a.at < $1$query$, extension, goes)
	INTO rows, bytes, held USING until, holds;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_count_access(timestamptz, jsonb) IS
'what would go of cdr_access_log';

CREATE FUNCTION @extschema@.cdr_take_access(until timestamptz, holds jsonb, max_rows integer, OUT rows bigint, OUT lo timestamptz, OUT hi timestamptz)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	goes text;
BEGIN
	EXECUTE format('SELECT %s.cdr_access_goes()', extension) INTO goes;
	EXECUTE format($query$
	WITH chosen AS MATERIALIZED (
		SELECT a.ctid AS place, a.entry_id FROM ONLY %1$s.cdr_access_log AS a WHERE %2$s LIMIT $3),
	gone AS (
		DELETE FROM ONLY %1$s.cdr_access_log AS a WHERE a.ctid = ANY (ARRAY(
			SELECT c.place FROM chosen AS c UNION
			SELECT y.ctid FROM chosen AS c JOIN ONLY %1$s.cdr_access_log AS y ON y.entry_id = c.entry_id))
		RETURNING a.at)
	SELECT count(*), min(g.at), max(g.at) FROM gone AS g$query$, extension, goes)
	INTO rows, lo, hi USING until, holds, max_rows;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_take_access(timestamptz, jsonb, integer) IS
'takes so many rows away from cdr_access_log, and those that are of one entry with them';

CREATE FUNCTION @extschema@.cdr_note_access_retired(rows bigint, lo timestamptz, hi timestamptz, login text, role text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	new_id constant uuid := gen_random_uuid();
BEGIN
	EXECUTE format('INSERT INTO %s.cdr_retired (retired_id, retired_at, login, role, kind, action, from_time, until_time, rows)'
		' VALUES ($1, clock_timestamp(), $2, $3, ''access_log'', ''deleted'', $4, $5, $6)', extension)
	USING new_id, login, role, lo, hi + interval '1 us', rows;
	EXECUTE format('SELECT %1$s.cdr_put_entry(%1$s.cdr_retention_entry($1))', extension) USING new_id;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_note_access_retired(bigint, timestamptz, timestamptz, text, text) IS
'records what was taken from cdr_access_log, with the rights of the caller';

CREATE FUNCTION @extschema@.cdr_lock_rules()
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
BEGIN
	EXECUTE format('SELECT %s.cdr_lock_holds()', extension);
	EXECUTE format('LOCK TABLE ONLY %s.cdr_retention IN SHARE ROW EXCLUSIVE MODE', extension);
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_lock_rules() IS
'until the end of the transaction, no hold is placed, and rules stay';

