CREATE FUNCTION @extschema@.cdr_pause()
RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_pause';

COMMENT ON FUNCTION @extschema@.cdr_pause() IS
'makes the workers finish their batch, disconnect from broker and database, and wait';

CREATE FUNCTION @extschema@.cdr_resume()
RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_resume';

COMMENT ON FUNCTION @extschema@.cdr_resume() IS
'ends a pause; makes workers forget their crashes and start at once';

