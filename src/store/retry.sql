-- ---------------------------------------------------------------------------
-- Dead letters
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_retry_dead_letters(event_ids uuid[] DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_retry_dead_letters';

COMMENT ON FUNCTION @extschema@.cdr_retry_dead_letters(uuid[]) IS
'tries dead letters again, all or those named; returns how many became events';

CREATE FUNCTION @extschema@.cdr_discard_dead_letters(event_ids uuid[])
RETURNS bigint
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_discard_dead_letters';

COMMENT ON FUNCTION @extschema@.cdr_discard_dead_letters(uuid[]) IS
'deletes the dead letters named; returns how many there were';

