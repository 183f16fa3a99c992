-- ---------------------------------------------------------------------------
-- Calls at once
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_levels_add(internal, timestamptz, timestamptz, timestamptz[])
RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_levels_add';

COMMENT ON FUNCTION @extschema@.cdr_levels_add(internal, timestamptz, timestamptz, timestamptz[]) IS
'of cdr_levels(): a call more';

CREATE FUNCTION @extschema@.cdr_levels_found(internal)
RETURNS bigint[]
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_levels_found';

COMMENT ON FUNCTION @extschema@.cdr_levels_found(internal) IS
'of cdr_levels(): what it returns';

-- Not of calls in the order of an ORDER BY of its own, which would sort the steps
-- along with each of them: of a subquery with ORDER BY.
CREATE AGGREGATE @extschema@.cdr_levels(start_time timestamptz, end_time timestamptz, steps timestamptz[]) (
	SFUNC = @extschema@.cdr_levels_add,
	STYPE = internal,
	FINALFUNC = @extschema@.cdr_levels_found,
	FINALFUNC_MODIFY = READ_WRITE,
	PARALLEL = SAFE);

COMMENT ON AGGREGATE @extschema@.cdr_levels(timestamptz, timestamptz, timestamptz[]) IS
'of calls in the order of their starts: for each step, how many were up at once at most, microseconds until that, microseconds that all were up';

CREATE FUNCTION @extschema@.cdr_levels_keep(internal, timestamptz, timestamptz, timestamptz[])
RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_levels_keep';

COMMENT ON FUNCTION @extschema@.cdr_levels_keep(internal, timestamptz, timestamptz, timestamptz[]) IS
'of cdr_levels_sorted(): a call more';

CREATE AGGREGATE @extschema@.cdr_levels_sorted(start_time timestamptz, end_time timestamptz, steps timestamptz[]) (
	SFUNC = @extschema@.cdr_levels_keep,
	STYPE = internal,
	FINALFUNC = @extschema@.cdr_levels_found,
	FINALFUNC_MODIFY = READ_WRITE,
	PARALLEL = SAFE);

COMMENT ON AGGREGATE @extschema@.cdr_levels_sorted(timestamptz, timestamptz, timestamptz[]) IS
'what cdr_levels() says, of calls in any order, which it sorts in memory';

CREATE FUNCTION @extschema@.cdr_concurrency(
	from_time timestamptz,
	to_time timestamptz,
	step interval DEFAULT NULL,
	zone text DEFAULT 'UTC',
	tenant text DEFAULT NULL,
	OUT bucket timestamptz,
	OUT peak bigint,
	OUT peak_at timestamptz,
	OUT mean numeric)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
DECLARE
	-- where the extension is by now: schemas are renamed
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	-- when each step begins, and at last when the last one ends
	steps timestamptz[];
	levels bigint[];
BEGIN
	EXECUTE format('SELECT %s.cdr_require_tables()', extension);
	EXECUTE format('SELECT %s.cdr_steps($1, $2, $3, $4)', extension)
		INTO steps USING from_time, to_time, step, zone;
	-- the calls whose lines cdr_traffic() counts as occupied, and for as long
	EXECUTE format($query$
		SELECT %1$s.cdr_levels(c.start_time, c.until, $1)
		FROM (SELECT c.start_time,
					 COALESCE(c.end_time, LEAST(now(), c.last_event_time + interval '24 hours')) AS until
			  FROM ONLY %1$s.calls AS c
			  WHERE c.attempt_time >= $1[1] - interval '72 hours'
			  AND c.attempt_time < $1[cardinality($1)]
			  AND ($2 IS NULL OR c.tenant_id = $2)
			  ORDER BY c.start_time) AS c
		$query$, extension)
		INTO levels USING steps, tenant;
	RETURN QUERY
		SELECT steps[i], COALESCE(levels[i][1], 0),
			   CASE WHEN levels[i][1] > 0 THEN steps[i] + levels[i][2] * interval '1 us' END,
			   COALESCE(levels[i][3], 0)
				/ (1000000 * GREATEST(extract(epoch FROM steps[i + 1]) - extract(epoch FROM steps[i]), 0.000001))
		FROM generate_series(1, cardinality(steps) - 1) AS i;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_concurrency(timestamptz, timestamptz, interval, text, text) IS
'how many calls were up at once, of all or of a tenant, by steps of time: at most, when first, and on average';
