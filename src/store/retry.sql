-- ---------------------------------------------------------------------------
-- Dead letters
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_retry_dead_letters(event_ids uuid[] DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_retry_dead_letters';

COMMENT ON FUNCTION @extschema@.cdr_retry_dead_letters(uuid[]) IS
'tries dead letters again, all or those named; returns how many are recorded now';

CREATE FUNCTION @extschema@.cdr_discard_dead_letters(event_ids uuid[])
RETURNS bigint
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_discard_dead_letters';

COMMENT ON FUNCTION @extschema@.cdr_discard_dead_letters(uuid[]) IS
'deletes the dead letters named; returns how many there were';


CREATE FUNCTION @extschema@.cdr_dead_letters(
	OUT event_id uuid,
	OUT received_at timestamptz,
	OUT last_attempt_at timestamptz,
	OUT attempts integer,
	OUT sqlstate text,
	OUT message text,
	OUT constraint_name text,
	OUT exchange text,
	OUT routing_key text,
	OUT content_type text,
	OUT property_time timestamptz,
	OUT body_size bigint)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_dead_letters';

COMMENT ON FUNCTION @extschema@.cdr_dead_letters() IS
'dead letters without what may tell of persons: bodies, properties and details';
