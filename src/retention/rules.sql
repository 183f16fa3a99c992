-- ---------------------------------------------------------------------------
-- Retention: for how long what is kept
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_set_retention(tenant_id text, kind text, keep interval, purpose text, reason text)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_set_retention';

COMMENT ON FUNCTION @extschema@.cdr_set_retention(text, text, interval, text, text) IS
'for how long events, calls, dead_letters or the access_log are kept: of a tenant, or of all others (NULL); NULL: for ever';

CREATE FUNCTION @extschema@.cdr_end_retention(tenant_id text, kind text, reason text)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_end_retention';

COMMENT ON FUNCTION @extschema@.cdr_end_retention(text, text, text) IS
'takes back a rule of retention: the tenant becomes one of all others; these are kept for ever';

-- What these two do, as the owner of the table.
CREATE FUNCTION @extschema@.cdr_put_retention(
	tenant_id text, kind text, keep interval, purpose text, reason text, login text, role text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
BEGIN
	IF kind IS NULL OR kind NOT IN ('events', 'calls', 'dead_letters', 'access_log') THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('"%s" is no kind of records', kind),
			HINT = 'It is events, calls, dead_letters or access_log.';
	ELSIF kind = 'dead_letters' AND tenant_id IS NOT NULL THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'dead letters have no tenant',
			HINT = 'Give NULL: the rule is for all of them.';
	ELSIF kind = 'access_log' AND tenant_id IS NOT NULL THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'what is read may be of any tenant',
			HINT = 'Give NULL: the rule is for all of them.';
	ELSIF tenant_id !~ '[^[:space:]]' OR octet_length(tenant_id) > 1000 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'tenant_id is empty, or longer than 1000 bytes';
	ELSIF (purpose ~ '[^[:space:]]' AND octet_length(purpose) <= 1000) IS NOT TRUE THEN
		RAISE invalid_parameter_value USING MESSAGE = 'purpose is empty, or longer than 1000 bytes';
	ELSIF keep < '0' OR keep > '1000 years' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'keep must be between 0 and 1000 years',
			HINT = 'NULL is for ever.';
	END IF;
	-- one after the other
	EXECUTE format('LOCK TABLE ONLY %s.cdr_retention IN SHARE ROW EXCLUSIVE MODE', extension);
	EXECUTE format('UPDATE ONLY %s.cdr_retention AS r SET ended_at = clock_timestamp()'
		' WHERE r.kind = $1 AND r.tenant_id IS NOT DISTINCT FROM $2 AND r.ended_at IS NULL', extension)
	USING kind, tenant_id;
	EXECUTE format('INSERT INTO %s.cdr_retention (kind, tenant_id, keep, purpose, reason, set_at, login, role)'
		' VALUES ($1, $2, $3, $4, $5, clock_timestamp(), $6, $7)', extension)
	USING kind, tenant_id, keep, purpose, reason, login, role;
	EXECUTE format('SELECT %1$s.cdr_put_entry(%1$s.cdr_rule_entry($1, $2, $3, $4))', extension)
	USING kind, tenant_id IS NOT NULL, COALESCE(keep::text, 'for ever'), login;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_put_retention(text, text, interval, text, text, text, text) IS
'what cdr_set_retention() does, with the rights of the caller';

CREATE FUNCTION @extschema@.cdr_take_retention(tenant_id text, kind text, reason text, login text, role text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	found_kind text;
BEGIN
	EXECUTE format('LOCK TABLE ONLY %s.cdr_retention IN SHARE ROW EXCLUSIVE MODE', extension);
	EXECUTE format('UPDATE ONLY %s.cdr_retention AS r SET ended_at = clock_timestamp()'
		' WHERE r.kind = $1 AND r.tenant_id IS NOT DISTINCT FROM $2 AND r.ended_at IS NULL RETURNING r.kind', extension)
	INTO found_kind USING kind, tenant_id;
	IF found_kind IS NULL THEN
		RAISE no_data_found USING
			MESSAGE = format('there is no rule for %s of %s', COALESCE(kind, 'NULL'),
							 COALESCE('tenant "' || tenant_id || '"', 'all others')),
			HINT = 'cdr_retention has the rules; ended_at is NULL in those that are in force.';
	END IF;
	EXECUTE format('SELECT %1$s.cdr_put_entry(%1$s.cdr_rule_entry($1, $2, $3, $4))', extension)
	USING kind, tenant_id IS NOT NULL, 'no rule', login;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_take_retention(text, text, text, text, text) IS
'what cdr_end_retention() does, with the rights of the caller';

CREATE FUNCTION @extschema@.cdr_rule_entry(kind text, of_tenant boolean, keep text, login text)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
	SELECT concat_ws(E'\n', 'cdr-rule-v1', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
		'sql:' || regexp_replace(login, '[[:cntrl:]]', '?', 'g'), kind, CASE WHEN of_tenant THEN 'a tenant' ELSE 'all others' END,
		keep, '')
$function$;

COMMENT ON FUNCTION @extschema@.cdr_rule_entry(text, boolean, text, text) IS
'what the log of seals says of a rule of retention';

-- Since when records are kept, as SQL over "$1", the time of the run: of a tenant; and what
-- is kept the longest, for what may be any tenant's.
CREATE FUNCTION @extschema@.cdr_retention_limit(kind text, tenant text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	-- (no pattern of format(): a schema may have a name with a percent sign)
	rules constant text := format(' FROM ONLY %s.cdr_retention AS r WHERE r.kind = %L AND r.ended_at IS NULL', extension, kind);
	since constant text := 'COALESCE($1 - r.keep, ''-infinity'')';
BEGIN
	IF tenant IS NULL THEN
		RETURN '(SELECT CASE WHEN bool_or(r.tenant_id IS NULL) THEN min(' || since || ') ELSE ''-infinity'' END' || rules || ')';
	END IF;
	RETURN format('COALESCE((SELECT %1$s%2$s AND r.tenant_id = (%3$s)::text COLLATE "C"), (SELECT %1$s%2$s AND r.tenant_id IS NULL), ''-infinity'')',
		since, rules, tenant);
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_retention_limit(text, text) IS
'SQL: since when records of a tenant, which is SQL, are kept at the time $1; NULL: of whatever tenant';

-- From where, and under which conditions, rows of a kind have expired at $1; of events, in
-- one partition.  The row is "x", its tenant and its time are the second and third
-- of what this returns.
CREATE FUNCTION @extschema@.cdr_retention_query(
	kind text, partition regclass, OUT source text, OUT tenant text, OUT moment text, OUT expired text)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	of_tenant text;
	longest text;
BEGIN
	source := format('ONLY %s AS x', partition);
	tenant := 'x.tenant_id';
	IF kind = 'events' THEN
		source := source || format(' LEFT JOIN ONLY %s.calls AS c ON c.call_id = x.call_id', extension);
		tenant := 'COALESCE(c.tenant_id, x.tenant_id)';
		moment := 'x.event_time';
	ELSIF kind = 'event_keys' THEN
		source := source || format(' LEFT JOIN ONLY %s.calls AS c ON c.call_id = x.call_id', extension);
		tenant := 'c.tenant_id';
		moment := 'x.event_time';
	ELSIF kind = 'calls' THEN
		moment := 'COALESCE(x.end_time, x.last_event_time)';
	ELSE
		tenant := 'NULL::text';
		moment := 'x.received_at';
	END IF;
	EXECUTE format('SELECT %1$s.cdr_retention_limit($1, $2), %1$s.cdr_retention_limit($1, NULL)', extension)
	INTO of_tenant, longest USING CASE kind WHEN 'event_keys' THEN 'events' ELSE kind END, tenant;
	-- whose an event was, nobody knows whose call has no row any more
	expired := CASE WHEN kind IN ('events', 'event_keys')
		THEN format('%s < CASE WHEN %s IS NULL AND c.call_id IS NULL AND x.call_id <> '''' THEN %s ELSE %s END',
					moment, tenant, longest, of_tenant)
		ELSE format('%s < %s', moment, of_tenant) END;
	-- a key is there for its event; looked up for each row, so that rows come in their order
	IF kind = 'event_keys' THEN
		expired := expired || format(' AND NOT COALESCE((SELECT true FROM %s.call_events AS e WHERE e.call_id = x.call_id'
			' AND e.event_id = x.event_id AND e.event_time = x.event_time LIMIT 1), false)', extension);
	END IF;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_retention_query(text, regclass) IS
'SQL: which rows of a table have expired';

-- The tables of which rows may have expired; of the log, its partitions, and whether they
-- have as a whole.
CREATE FUNCTION @extschema@.cdr_retention_tables(
	at timestamptz, OUT kind text, OUT relation regclass, OUT is_whole boolean,
	OUT from_time timestamptz, OUT until_time timestamptz)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	limit_of_all timestamptz;
	limit_of_any timestamptz;
	ruled text[];
	part record;
	word text;
BEGIN
	EXECUTE format('SELECT array_agg(r.kind) FROM ONLY %s.cdr_retention AS r WHERE r.ended_at IS NULL AND r.keep IS NOT NULL', extension)
	INTO ruled;
	EXECUTE format('SELECT %s.cdr_retention_limit(''events'', NULL)', extension) INTO word;
	EXECUTE 'SELECT ' || word INTO limit_of_all USING at;
	EXECUTE format('SELECT max($1 - r.keep) FROM ONLY %s.cdr_retention AS r WHERE r.ended_at IS NULL AND r.kind = ''events''', extension)
	INTO limit_of_any USING at;
	kind := 'events';
	FOR part IN
		SELECT t.relid::regclass AS relation, c.relkind,
			   COALESCE(substring(b.bound FROM $$FROM [(]'([^']*)'[)]$$)::timestamptz, '-infinity') AS from_time,
			   COALESCE(substring(b.bound FROM $$TO [(]'([^']*)'[)]$$)::timestamptz, 'infinity') AS until_time,
			   b.bound = 'DEFAULT' AS is_default
		FROM pg_partition_tree((extension || '.call_events')::regclass) AS t
		JOIN pg_class AS c ON c.oid = t.relid
		CROSS JOIN LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid) AS bound) AS b
		WHERE t.level = 1 AND 'events' = ANY (ruled) ORDER BY 3, 1
	LOOP
		from_time := part.from_time;
		until_time := part.until_time;
		CONTINUE WHEN from_time >= limit_of_any;
		is_whole := NOT part.is_default AND until_time <= limit_of_all AND from_time > '-infinity';
		relation := part.relation;
		IF is_whole OR part.relkind = 'r' THEN
			RETURN NEXT;
			CONTINUE;
		END IF;
		FOR relation IN
			SELECT t.relid FROM pg_partition_tree(part.relation) AS t JOIN pg_class AS c ON c.oid = t.relid
			WHERE c.relkind = 'r' ORDER BY 1
		LOOP
			RETURN NEXT;
		END LOOP;
	END LOOP;
	is_whole := false;
	from_time := NULL;
	until_time := NULL;
	-- keys after the events that they are of
	FOREACH kind IN ARRAY ARRAY['event_keys', 'calls', 'dead_letters'] LOOP
		relation := (extension || '.' || CASE kind WHEN 'event_keys' THEN 'timeless_events' ELSE kind END)::regclass;
		IF kind = ANY (ruled) OR (kind = 'event_keys' AND 'events' = ANY (ruled)) THEN
			RETURN NEXT;
		END IF;
	END LOOP;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_retention_tables(timestamptz) IS
'the tables of which rows may have expired';

-- What the two that follow return, with the rights of the caller.
CREATE FUNCTION @extschema@.cdr_plan_retention(
	at timestamptz,
	OUT kind text, OUT partition text, OUT tenant_id text, OUT action text, OUT rows bigint, OUT bytes bigint, OUT held bigint,
	OUT kept_because text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET jit = off
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	part record;
	leaf regclass;
	query record;
	is_held text;
BEGIN
	FOR part IN EXECUTE format('SELECT * FROM %s.cdr_retention_tables($1)', extension) USING at LOOP
		kind := part.kind;
		kept_because := NULL;
		IF kind = 'events' AND part.is_whole AND NOT pg_has_role((SELECT c.relowner FROM pg_class AS c WHERE c.oid = part.relation), 'USAGE')
			OR NOT has_table_privilege(part.relation, 'SELECT') OR NOT has_table_privilege(part.relation, 'DELETE') THEN
			partition := part.relation; tenant_id := NULL; action := 'keep'; rows := NULL; bytes := NULL; held := NULL;
			kept_because := 'it is not the owner''s of calls';
			RETURN NEXT;
			CONTINUE;
		END IF;
		EXECUTE format('SELECT %s.cdr_held($1, ''x'')', extension) INTO is_held USING kind;
		IF part.is_whole THEN
			partition := part.relation;
			tenant_id := NULL;
			EXECUTE format('SELECT count(*), count(*) FILTER (WHERE %s) FROM %s AS x', is_held, part.relation)
			INTO rows, held;
			IF held = 0 THEN
				action := CASE WHEN current_setting('cdr_service.retention_detach')::boolean THEN 'detach' ELSE 'drop' END;
				bytes := (SELECT sum(pg_total_relation_size(t.relid)) FROM pg_partition_tree(part.relation) AS t);
				RETURN NEXT;
				CONTINUE;
			END IF;
		END IF;
		action := 'delete';
		-- (one that is no partition is a tree, too)
		FOR leaf IN SELECT t.relid FROM pg_partition_tree(part.relation) AS t WHERE t.isleaf
					UNION SELECT part.relation WHERE kind <> 'events' ORDER BY 1 LOOP
			partition := CASE kind WHEN 'events' THEN leaf::text END;
			EXECUTE format('SELECT * FROM %s.cdr_retention_query($1, $2)', extension) INTO query USING kind, leaf;
			FOR tenant_id, rows, bytes, held IN EXECUTE format($query$
				SELECT %1$s, count(*) FILTER (WHERE NOT f.is_held), COALESCE(sum(pg_column_size(x)) FILTER (WHERE NOT f.is_held), 0),
					   count(*) FILTER (WHERE f.is_held)
				FROM %2$s CROSS JOIN LATERAL (SELECT %4$s AS is_held OFFSET 0) AS f WHERE %3$s
				GROUP BY 1 ORDER BY 1$query$, query.tenant, query.source, query.expired, is_held) USING at
			LOOP
				kept_because := CASE WHEN held > 0 THEN 'held' END;
				RETURN NEXT;
			END LOOP;
		END LOOP;
	END LOOP;
	-- what no run reaches: what was detached on purpose
	tenant_id := NULL; kind := 'events'; action := 'keep'; held := NULL;
	kept_because := 'it was detached';
	FOR partition, rows, bytes IN EXECUTE format($query$
		SELECT r.partition, sum(r.rows)::bigint, max(pg_total_relation_size(c.oid))
		FROM ONLY %1$s.cdr_retired AS r JOIN pg_class AS c ON c.oid = to_regclass(r.partition)
		WHERE r.action = 'detached' AND r.until_time <= $1 AND NOT c.relispartition GROUP BY 1 ORDER BY 1$query$, extension) USING at
	LOOP
		RETURN NEXT;
	END LOOP;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_plan_retention(timestamptz) IS
'what cdr_retention_plan() returns, with the rights of the caller';

CREATE FUNCTION @extschema@.cdr_retention_plan(
	at timestamptz DEFAULT pg_catalog.now(),
	OUT kind text, OUT partition text, OUT tenant_id text, OUT action text, OUT rows bigint, OUT bytes bigint, OUT held bigint,
	OUT kept_because text)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_retention_plan';

COMMENT ON FUNCTION @extschema@.cdr_retention_plan(timestamptz) IS
'what cdr_apply_retention() would take away, and what is held of it';

-- The arithmetic of the process that looks at the clock, for tests, and for who wonders what
-- it does in the nights in which clocks change.
CREATE FUNCTION @extschema@.cdr_retention_times(hour integer, time_zone text, looks timestamptz[])
RETURNS timestamptz[]
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_retention_times';

COMMENT ON FUNCTION @extschema@.cdr_retention_times(integer, text, timestamptz[]) IS
'at which of these looks at the clock, in their order, retention_hour would have come';
