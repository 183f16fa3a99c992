-- ---------------------------------------------------------------------------
-- The guard over the data
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_guard_drops()
RETURNS event_trigger
LANGUAGE C
AS 'MODULE_PATHNAME', 'cdr_guard_drops';

COMMENT ON FUNCTION @extschema@.cdr_guard_drops() IS
'refuses to drop tables of the extension that hold rows, unless cdr_service.allow_drop is on';

CREATE EVENT TRIGGER cdr_service_guard_drops
	ON ddl_command_start
	WHEN TAG IN ('DROP EXTENSION', 'DROP TABLE', 'DROP SCHEMA', 'DROP OWNED')
	EXECUTE FUNCTION @extschema@.cdr_guard_drops();

