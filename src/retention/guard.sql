-- ---------------------------------------------------------------------------
-- The guard over the log
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_refuse_change()
RETURNS trigger
LANGUAGE C
AS 'MODULE_PATHNAME', 'cdr_refuse_change';

COMMENT ON FUNCTION @extschema@.cdr_refuse_change() IS
'refuses to change or delete events, but by the functions of the extension';

-- Only where somebody asks for it: an upgrade changes nothing.  The triggers go with the
-- extension, without CASCADE; a dump has them.
CREATE FUNCTION @extschema@.cdr_guard_log(guarded boolean DEFAULT true)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	name text;
	is_there boolean;
BEGIN
	EXECUTE format('SELECT %s.cdr_require_tables()', extension);
	FOREACH name IN ARRAY ARRAY['cdr_guard', 'cdr_guard_truncate'] LOOP
		is_there := EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = (extension || '.call_events')::regclass AND t.tgname = name);
		IF is_there AND NOT guarded THEN
			EXECUTE format('DROP TRIGGER %I ON %s.call_events', name, extension);
		ELSIF guarded AND NOT is_there THEN
			EXECUTE format('CREATE TRIGGER %1$I BEFORE %3$s ON %2$s.call_events %4$s EXECUTE FUNCTION %2$s.cdr_refuse_change()',
				name, extension, CASE name WHEN 'cdr_guard' THEN 'UPDATE OR DELETE' ELSE 'TRUNCATE' END,
				CASE name WHEN 'cdr_guard' THEN 'FOR EACH ROW' ELSE '' END);
			EXECUTE format('ALTER TRIGGER %I ON %s.call_events DEPENDS ON EXTENSION cdr_service', name, extension);
		END IF;
	END LOOP;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_guard_log(boolean) IS
'has call_events refuse what would change or delete events, but by functions of the extension; false: no more';
