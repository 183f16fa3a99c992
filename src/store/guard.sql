-- ---------------------------------------------------------------------------
-- The guard over the data
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_load_guard(tag text)
RETURNS void
LANGUAGE C STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_load_guard';

COMMENT ON FUNCTION @extschema@.cdr_load_guard(text) IS
'has the session refuse to drop tables that hold call records';

-- In C, this would fail, and every DROP with it, where the library was removed
-- before the extension.
--
-- The schema may have been renamed: then @extschema@ can be anybody's, and what
-- stands there would run with the rights of whoever drops a table.  So the
-- function is looked for in the schema that the extension has now.
CREATE FUNCTION @extschema@.cdr_guard_drops()
RETURNS event_trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE (SELECT format('SELECT %s.cdr_load_guard($1)', extnamespace::regnamespace)
			 FROM pg_extension WHERE extname = 'cdr_service') USING TG_TAG;
EXCEPTION
	-- who may not use the schema can name no table of it
	WHEN insufficient_privilege THEN
		NULL;
	WHEN OTHERS THEN
		-- a server that preloaded the library has the guard, and this setting
		IF NOT EXISTS (SELECT FROM pg_settings WHERE name = 'cdr_service.allow_drop') THEN
			RAISE WARNING 'tables of extension "cdr_service" are not guarded'
				USING DETAIL = SQLERRM,
					  HINT = 'Install the library, or drop the extension, which keeps its tables.';
		END IF;
END
$$;

COMMENT ON FUNCTION @extschema@.cdr_guard_drops() IS
'refuses to drop tables that hold call records, unless cdr_service.allow_drop is on';

CREATE EVENT TRIGGER cdr_service_guard_drops
	ON ddl_command_start
	WHEN TAG IN ('DROP TABLE', 'DROP SCHEMA', 'DROP OWNED', 'DROP EXTENSION',
				 'DROP DOMAIN', 'DROP TYPE', 'DROP ACCESS METHOD')
	EXECUTE FUNCTION @extschema@.cdr_guard_drops();
