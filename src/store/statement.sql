-- Anybody may call it, because the statements of the service run as the role
-- that writes; it gives rows to these statements alone.  (The plan with one row
-- is the one that is right for any number: an index leads to each.)
CREATE FUNCTION @extschema@.cdr_rows(secret bigint)
RETURNS SETOF record
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 1
AS 'MODULE_PATHNAME', 'cdr_rows';

COMMENT ON FUNCTION @extschema@.cdr_rows(bigint) IS
'the rows of the statement of cdr_service that is running, for that statement alone';

