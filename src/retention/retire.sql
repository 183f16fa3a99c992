-- ---------------------------------------------------------------------------
-- Retention: what has expired, taken away
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_retention_entry(retired_id uuid)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	moment constant text := $$to_char(r.%I, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')$$;
	result text;
BEGIN
	EXECUTE format($query$
		SELECT concat_ws(E'\n', 'cdr-retention-v1', r.retired_id, %2$s, 'sql:' || regexp_replace(r.login, '[[:cntrl:]]', '?', 'g'),
			r.kind, r.action, COALESCE(regexp_replace(r.partition, '[[:cntrl:]]', '?', 'g'), ''), %3$s, %4$s, r.rows,
			COALESCE(encode(r.root, 'base64'), ''), '')
		FROM ONLY %1$s.cdr_retired AS r WHERE r.retired_id = $1$query$, extension,
		format(moment, 'retired_at'), format(moment, 'from_time'), format(moment, 'until_time'))
	INTO result USING retired_id;
	RETURN result;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_retention_entry(uuid) IS
'what the log of seals says of a row of cdr_retired';

-- The leaf hash of an event, "x", as it was sealed: of the columns that it is made of.
CREATE FUNCTION @extschema@.cdr_leaf_of_row()
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
	SELECT format('%s.cdr_event_leaf(%s)', p.pronamespace::regnamespace,
		(SELECT string_agg('x.' || quote_ident(a.name), ', ' ORDER BY a.place)
		 FROM unnest(p.proargnames) WITH ORDINALITY AS a(name, place)))
	FROM pg_extension AS e
	JOIN pg_depend AS d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
		AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
	JOIN pg_proc AS p ON p.oid = d.objid
	WHERE e.extname = 'cdr_service' AND p.proname = 'cdr_event_leaf'
$function$;

COMMENT ON FUNCTION @extschema@.cdr_leaf_of_row() IS
'SQL: the leaf hash of an event';

-- Rows of a table that have expired and are not held, up to max_rows: from one place in the
-- table on, so that a run reads it once.  Returns how many went, and where it goes on.
CREATE FUNCTION @extschema@.cdr_retire_rows(
	kind text, relation regclass, at timestamptz, max_rows integer, INOUT place tid, login text, role text, OUT rows bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET synchronize_seqscans = off
SET enable_sort = off
SET jit = off
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	query record;
	is_held text;
	leaf text := 'NULL::bytea';
	places tid[];
	tenants text[];
	retired uuid;
BEGIN
	rows := 0;
	EXECUTE format('SELECT %s.cdr_lock_holds()', extension);
	-- one run at a time; and the rules stay
	EXECUTE format('LOCK TABLE ONLY %s.cdr_retention IN SHARE ROW EXCLUSIVE MODE', extension);
	IF NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = relation) THEN
		place := NULL;
		RETURN;
	ELSIF NOT has_table_privilege(relation, 'SELECT') OR NOT has_table_privilege(relation, 'DELETE') THEN
		place := NULL;
		RAISE WARNING USING
			ERRCODE = 'insufficient_privilege', MESSAGE = format('rows of %s are not retired: permission denied', relation);
		RETURN;
	END IF;
	EXECUTE format('SELECT * FROM %s.cdr_retention_query($1, $2)', extension) INTO query USING kind, relation;
	EXECUTE format('SELECT %s.cdr_held($1, ''x'')', extension) INTO is_held USING kind;
	EXECUTE format('SELECT array_agg(t.place), array_agg(t.tenant) FROM (SELECT x.ctid AS place, %s AS tenant FROM %s'
		' WHERE x.ctid > $2 AND %s AND NOT %s LIMIT $3) AS t', query.tenant, query.source, query.expired, is_held)
	INTO places, tenants USING at, place, max_rows;
	place := CASE WHEN cardinality(places) = max_rows THEN (SELECT max(p) FROM unnest(places) AS p) END;
	IF places IS NULL THEN
		RETURN;
	END IF;
	IF kind = 'events' THEN
		EXECUTE format('SELECT %s.cdr_leaf_of_row()', extension) INTO leaf;
	END IF;
	-- One that is changed meanwhile is looked at anew, where it is now.  (Whether its place
	-- is asked for again then depends on the server, unless it is a text.)
	FOR retired, rows IN EXECUTE format($query$
		WITH gone AS (
			DELETE FROM ONLY %1$s AS x WHERE x.ctid = ANY ($1) AND x.ctid::text = ANY ($1::text[])
			RETURNING x.ctid AS place, %2$s AS moment, %3$s AS leaf, %4$s AS recorded_at),
		whose AS (
			SELECT g.*, u.tenant FROM gone AS g JOIN unnest($1, $2) AS u(place, tenant) USING (place)),
		groups AS (
			SELECT gen_random_uuid() AS retired_id, w.tenant, count(*) AS n, min(w.moment) AS lo, max(w.moment) AS hi,
				   %5$s.cdr_tree_root(array_agg(w.leaf ORDER BY w.recorded_at, w.leaf) FILTER (WHERE w.leaf IS NOT NULL)) AS root
			FROM whose AS w GROUP BY w.tenant),
		stubs AS (
			INSERT INTO %5$s.cdr_leaf_stubs (retired_id, day, recorded_at, leaf)
			SELECT g.retired_id, (w.moment AT TIME ZONE 'UTC')::date, w.recorded_at, w.leaf
			FROM whose AS w JOIN groups AS g ON g.tenant IS NOT DISTINCT FROM w.tenant WHERE w.leaf IS NOT NULL)
		INSERT INTO %5$s.cdr_retired AS r (retired_id, retired_at, login, role, kind, action, partition, tenant_id, from_time, until_time, rows, root)
		SELECT g.retired_id, clock_timestamp(), $3, $4, $5, 'deleted', CASE $5 WHEN 'events' THEN $6 END, g.tenant, g.lo,
			   g.hi + interval '1 us', g.n, g.root
		FROM groups AS g RETURNING r.retired_id, (SELECT count(*) FROM gone)$query$,
		relation, replace(query.moment, 'c.', 'x.'), leaf, CASE kind WHEN 'events' THEN 'x.recorded_at' ELSE 'NULL::timestamptz' END, extension)
	USING places, tenants, login, role, kind, relation::text
	LOOP
		EXECUTE format('SELECT %1$s.cdr_put_entry(%1$s.cdr_retention_entry($1))', extension) USING retired;
	END LOOP;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_retire_rows(text, regclass, timestamptz, integer, tid, text, text) IS
'a step of cdr_apply_retention(), with the rights of the caller';

-- The leaves of events whose day the stretch does not hold as a whole, as stubs: of the
-- days that it does hold, nothing is left that could be verified.
CREATE FUNCTION @extschema@.cdr_keep_stubs(retired_id uuid, relation regclass, from_time timestamptz, until_time timestamptz)
RETURNS bytea
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	first_day constant timestamptz := date_trunc('day', from_time + interval '1 day' - interval '1 us');
	last_day constant timestamptz := date_trunc('day', until_time);
	leaf text;
	root bytea;
BEGIN
	EXECUTE format('SELECT %s.cdr_leaf_of_row()', extension) INTO leaf;
	EXECUTE format('INSERT INTO %s.cdr_leaf_stubs (retired_id, day, recorded_at, leaf)'
		' SELECT $1, f.day, f.recorded_at, f.leaf FROM (SELECT (x.event_time AT TIME ZONE ''UTC'')::date AS day, x.recorded_at, %s AS leaf'
		' FROM %s AS x WHERE x.event_time < $2 OR x.event_time >= $3 OR $2 >= $3) AS f WHERE f.leaf IS NOT NULL', extension, leaf, relation)
	USING retired_id, first_day, last_day;
	EXECUTE format('SELECT %1$s.cdr_tree_root(array_agg(s.leaf ORDER BY s.recorded_at, s.leaf))'
		' FROM ONLY %1$s.cdr_leaf_stubs AS s WHERE s.retired_id = $1 HAVING count(*) > 0', extension) INTO root USING retired_id;
	RETURN root;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_keep_stubs(uuid, regclass, timestamptz, timestamptz) IS
'keeps the leaf hashes of events of a table whose seals have others that stay; returns their root';

-- A partition as a whole: returns how many rows that were; NULL: not now, or not all of
-- it.  Nothing is held if nothing is when none can be placed, and no event can come.
CREATE FUNCTION @extschema@.cdr_retire_partition(relation regclass, at timestamptz, login text, role text, detach boolean)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET jit = off
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	new_id constant uuid := gen_random_uuid();
	name constant text := relation;
	is_held text;
	stretch record;
	holds boolean;
	rows bigint;
	held bigint;
BEGIN
	EXECUTE format('SELECT %s.cdr_lock_holds()', extension);
	EXECUTE format('LOCK TABLE ONLY %s.cdr_retention IN SHARE ROW EXCLUSIVE MODE', extension);
	-- whoever records waits for this, too
	PERFORM set_config('lock_timeout', '1s', true);
	BEGIN
		IF EXISTS (SELECT FROM pg_class AS c WHERE c.oid = relation) THEN
			EXECUTE format('LOCK TABLE %s IN SHARE MODE', relation);
		END IF;
		-- what it is now that nobody changes it
		EXECUTE format('SELECT t.* FROM %s.cdr_retention_tables($1) AS t WHERE t.relation = $2 AND t.is_whole', extension)
		INTO stretch USING at, relation;
		IF stretch.relation IS NULL THEN
			RETURN NULL;
		END IF;
		EXECUTE format('SELECT %s.cdr_held(''events'', ''x'')', extension) INTO is_held;
		EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s.cdr_holds AS h WHERE h.released_at IS NULL)', extension) INTO holds;
		EXECUTE format('SELECT count(*), count(*) FILTER (WHERE %s) FROM %s AS x', CASE WHEN holds THEN is_held ELSE 'false' END, relation)
		INTO rows, held;
		IF held > 0 THEN
			RETURN NULL;
		END IF;
		EXECUTE format('INSERT INTO %1$s.cdr_retired (retired_id, retired_at, login, role, kind, action, partition, from_time, until_time, rows, root)'
			' SELECT $1, clock_timestamp(), $2, $3, ''events'', $9, $4, $5, $6, $7, %1$s.cdr_keep_stubs($1, $8, $5, $6)', extension)
		USING new_id, login, role, name, stretch.from_time, stretch.until_time, rows, relation, CASE WHEN detach THEN 'detached' ELSE 'dropped' END;
		EXECUTE format('SELECT %1$s.cdr_put_entry(%1$s.cdr_retention_entry($1))', extension) USING new_id;
		EXECUTE format('ALTER TABLE %s.call_events DETACH PARTITION %s', extension, relation);
		IF NOT detach THEN
			EXECUTE format('DROP TABLE %s', relation);
		END IF;
	EXCEPTION WHEN lock_not_available OR deadlock_detected OR undefined_table THEN
		RAISE NOTICE 'partition % is in use, and is retired at the next run', name;
		RETURN -1;
	-- one that is somebody else's keeps nothing but itself
	WHEN insufficient_privilege THEN
		RAISE WARNING USING
			ERRCODE = SQLSTATE, MESSAGE = format('partition %s is not retired: %s', name, SQLERRM);
		RETURN -1;
	END;
	RETURN rows;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_retire_partition(regclass, timestamptz, text, text, boolean) IS
'a step of cdr_apply_retention(), with the rights of the caller';

CREATE PROCEDURE @extschema@.cdr_apply_retention(
	max_rows integer DEFAULT 10000, INOUT retired bigint DEFAULT NULL, detach boolean DEFAULT NULL)
LANGUAGE C
AS 'MODULE_PATHNAME', 'cdr_apply_retention';

COMMENT ON PROCEDURE @extschema@.cdr_apply_retention(integer, bigint, boolean) IS
'takes away what has expired and is not held, so many rows at a time, each time in a transaction of its own';

CREATE FUNCTION @extschema@.cdr_note_detached(relation regclass, reason text)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_note_detached';

COMMENT ON FUNCTION @extschema@.cdr_note_detached(regclass, text) IS
'says that a partition of call_events was detached on purpose; returns how many events it has';

CREATE FUNCTION @extschema@.cdr_put_detached(relation regclass, reason text, login text, role text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	new_id constant uuid := gen_random_uuid();
	found_rows record;
BEGIN
	IF relation IS NULL OR EXISTS (SELECT FROM pg_partition_tree((extension || '.call_events')::regclass) AS t WHERE t.relid = relation)
		OR NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = relation AND a.attname = 'event_time'
					   AND a.atttypid = 'timestamptz'::regtype AND NOT a.attisdropped) THEN
		RAISE wrong_object_type USING
			MESSAGE = format('%s is no partition that was detached from call_events', COALESCE(relation::text, 'NULL'));
	-- a view, or the policies of a table, of others would run with the owner's rights
	ELSIF NOT EXISTS (SELECT FROM pg_class AS c JOIN pg_class AS l ON l.oid = (extension || '.call_events')::regclass
					  WHERE c.oid = relation AND c.relkind IN ('r', 'p') AND c.relowner = l.relowner) THEN
		RAISE insufficient_privilege USING
			MESSAGE = format('%s is no table of the owner of call_events', relation);
	END IF;
	EXECUTE format('SELECT count(*) AS n, min(x.event_time) AS lo, max(x.event_time) AS hi FROM %s AS x', relation) INTO found_rows;
	IF found_rows.n = 0 THEN
		RETURN 0;
	END IF;
	EXECUTE format('INSERT INTO %1$s.cdr_retired (retired_id, retired_at, login, role, kind, action, partition, from_time, until_time, rows, root, reason)'
		' SELECT $1, clock_timestamp(), $2, $3, ''events'', ''detached'', $4, $5, $6, $7, %1$s.cdr_keep_stubs($1, $8, $5, $6), $9', extension)
	USING new_id, login, role, relation::text, found_rows.lo, found_rows.hi + interval '1 us', found_rows.n, relation, reason;
	EXECUTE format('SELECT %1$s.cdr_put_entry(%1$s.cdr_retention_entry($1))', extension) USING new_id;
	RETURN found_rows.n;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_put_detached(regclass, text, text, text) IS
'what cdr_note_detached() does, with the rights of the caller';
