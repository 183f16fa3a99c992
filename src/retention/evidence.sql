-- ---------------------------------------------------------------------------
-- Retention: what was retired, for who verifies evidence
-- ---------------------------------------------------------------------------

-- A row of cdr_retired counts if the log says the same, and the leaf hashes that were kept
-- have the root that it names: else whoever deletes events could add to these tables.
CREATE FUNCTION @extschema@.cdr_retired_logged()
RETURNS uuid[]
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	result uuid[];
BEGIN
	IF to_regclass(extension || '.cdr_retired') IS NULL OR to_regclass(extension || '.cdr_leaf_stubs') IS NULL THEN
		RETURN '{}';
	END IF;
	EXECUTE format($query$
		SELECT array_agg(r.retired_id)
		FROM (SELECT r.retired_id, r.root, %1$s.cdr_retention_entry(r.retired_id) AS entry
			  FROM ONLY %1$s.cdr_retired AS r WHERE r.kind IN ('events', 'repetitions') OFFSET 0) AS r
		JOIN (SELECT DISTINCT e.entry FROM %1$s.cdr_entries(text 'cdr-retention-v1') AS e) AS l ON l.entry = r.entry
		WHERE r.root IS NOT DISTINCT FROM (
			SELECT %1$s.cdr_tree_root(array_agg(s.leaf ORDER BY s.recorded_at, s.leaf))
			FROM ONLY %1$s.cdr_leaf_stubs AS s WHERE s.retired_id = r.retired_id HAVING count(*) > 0)$query$, extension)
	INTO result;
	RETURN COALESCE(result, '{}');
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_retired_logged() IS
'the rows of cdr_retired, about events, that the log of seals has an entry of';

CREATE FUNCTION @extschema@.cdr_retired_leaves(
	retired uuid[], day date, lo timestamptz, hi timestamptz, OUT recorded_at timestamptz, OUT leaf bytea)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
BEGIN
	IF cardinality(retired) > 0 THEN
		RETURN QUERY EXECUTE format('SELECT s.recorded_at, s.leaf FROM ONLY %s.cdr_leaf_stubs AS s'
			' WHERE s.day = $2 AND s.recorded_at >= $3 AND s.recorded_at <= $4 AND s.retired_id = ANY ($1)', extension)
		USING retired, day, lo, hi;
	END IF;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_retired_leaves(uuid[], date, timestamptz, timestamptz) IS
'the leaf hashes that were kept of events of a day that were retired';

CREATE FUNCTION @extschema@.cdr_retired_day(retired uuid[], day date, hi timestamptz)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	result boolean := false;
BEGIN
	IF cardinality(retired) > 0 THEN
		EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s.cdr_retired AS r WHERE r.retired_id = ANY ($1) AND r.action <> ''deleted'' AND r.retired_at >= $3'
			' AND r.from_time <= ($2::timestamp AT TIME ZONE ''UTC'') AND r.until_time >= (($2 + 1)::timestamp AT TIME ZONE ''UTC''))', extension)
		INTO result USING retired, day, hi;
	END IF;
	RETURN result;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_retired_day(uuid[], date, timestamptz) IS
'was a partition retired that held this day, of UTC, as a whole, of what was recorded by then?';
