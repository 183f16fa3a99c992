-- ---------------------------------------------------------------------------
-- Calls of tenants
-- ---------------------------------------------------------------------------

-- No members of the extension, as calls_masked is none: a dump has the views, who may read
-- them, and the rows of the table; and they may be dropped where a column of calls is to be
-- altered.  No policies: those of a view's owner are not asked for, and those of the tables
-- would hold for everybody else, too.
--
-- What a tenant may see is found once for each statement, and is a condition of the scan that
-- reads the rows: not of a join above it, where EXPLAIN ANALYZE would count what the scan
-- found of others.  WITH keeps the views from being updated, whoever may be granted that.
CREATE FUNCTION @extschema@.cdr_create_tenant_views()
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	-- where the extension is by now: schemas are renamed
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	-- a role that is gone is nobody's; a member that does not inherit has to SET ROLE
	mine constant text := format($$
		WITH mine AS (
			SELECT r.tenant_id FROM ONLY %s.cdr_tenant_roles AS r
			WHERE pg_has_role(to_regrole(quote_ident(r.role)), 'USAGE'))$$, extension);
	tenant_calls constant text := $$
		CREATE VIEW %1$s.tenant_calls WITH (security_barrier) AS %2$s
		SELECT %3$s FROM ONLY %1$s.calls AS t
		WHERE t.tenant_id = ANY (ARRAY(SELECT m.tenant_id FROM mine AS m))$$;
	-- of a call, whatever its events name, is told once, and not by each of them
	tenant_call_events constant text := $$
		CREATE VIEW %1$s.tenant_call_events WITH (security_barrier) AS %2$s
		SELECT %3$s FROM %1$s.call_events AS t
		WHERE (SELECT CASE count(*) WHEN 0 THEN t.tenant_id ELSE max(c.tenant_id) END
			   FROM ONLY %1$s.calls AS c WHERE c.call_id = t.call_id)
			= ANY (ARRAY(SELECT m.tenant_id FROM mine AS m))$$;
	owner name;
	roles_owner name;
	made text;
	columns text;
BEGIN
	EXECUTE format('SELECT %s.cdr_ordinary_owner()', extension) INTO owner;

	-- a table that is there stays, unless somebody else may say who sees what
	SELECT c.relowner::regrole INTO roles_owner FROM pg_class AS c
	WHERE c.oid = to_regclass(extension || '.cdr_tenant_roles');
	IF FOUND AND roles_owner::text <> quote_ident(owner) THEN
		RAISE insufficient_privilege USING
			MESSAGE = format('%s.cdr_tenant_roles does not belong to %I', extension, owner),
			HINT = 'Drop it: whoever made it may say who sees which calls.';
	ELSIF NOT FOUND THEN
		EXECUTE format('CREATE TABLE %s.cdr_tenant_roles ('
			'role name NOT NULL CHECK (role <> ''''), tenant_id text NOT NULL, '
			'PRIMARY KEY (role, tenant_id))', extension);
		EXECUTE format('SELECT %s.cdr_describe($1, $2)', extension)
		USING (extension || '.cdr_tenant_roles')::regclass, 'which roles see the calls of which tenants in tenant_calls and tenant_call_events
role: a role, or a group of them; one that is gone sees nothing
tenant_id: the tenant whose calls they see';
	END IF;

	-- what only the service and the evidence have a use for is left out, and what others added
	FOR made, columns IN EXECUTE format($$
		SELECT table_name, string_agg('t.' || quote_ident(column_name), ', ' ORDER BY number)
		FROM %s.cdr_table_columns() WITH ORDINALITY AS c(table_name, column_name, definition, comment, number)
		WHERE table_name IN ('calls', 'call_events') AND column_name NOT IN ('merge_state', 'salt', 'content_digest')
		GROUP BY table_name$$, extension)
	LOOP
		EXECUTE format(CASE made WHEN 'calls' THEN tenant_calls ELSE tenant_call_events END,
					   extension, mine, columns);
	END LOOP;
	EXECUTE format($$
		SELECT %1$s.cdr_describe(v.view, v.comment || string_agg(format(E'\n%%s: %%s', c.column_name, c.comment), ''))
		FROM (VALUES ($1, 'calls', 'calls of the tenants of whoever asks'), ($2, 'call_events',
			'events of the calls of the tenants of whoever asks, and of no call, if they name such a tenant')) AS v(view, name, comment)
		JOIN %1$s.cdr_table_columns() AS c ON c.table_name = v.name
		JOIN pg_attribute AS a ON a.attrelid = v.view AND a.attname = c.column_name GROUP BY v.view, v.comment$$, extension)
	USING (extension || '.tenant_calls')::regclass, (extension || '.tenant_call_events')::regclass;

	-- the grants on a table that was there are its owner's
	FOREACH made IN ARRAY ARRAY['tenant_calls', 'tenant_call_events', 'cdr_tenant_roles'] LOOP
		IF made <> 'cdr_tenant_roles' OR roles_owner IS NULL THEN
			EXECUTE format('SELECT %s.cdr_give_to_owner($1, $2)', extension)
			USING (extension || '.' || made)::regclass, owner;
		END IF;
	END LOOP;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_create_tenant_views() IS
'makes the views tenant_calls and tenant_call_events, granted to nobody, and cdr_tenant_roles, which says who sees which tenants in them';
