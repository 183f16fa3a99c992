CREATE FUNCTION @extschema@.cdr_create_partitions(from_time timestamptz, to_time timestamptz)
RETURNS integer
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_create_partitions';

COMMENT ON FUNCTION @extschema@.cdr_create_partitions(timestamptz, timestamptz) IS
'makes the missing partitions of call_events for a stretch of time; returns how many';

