-- ---------------------------------------------------------------------------
-- Values that follow from others
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_disposition(answered boolean, hangup_cause text)
RETURNS text
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_disposition';

COMMENT ON FUNCTION @extschema@.cdr_disposition(boolean, text) IS
'how an ended call went: ANSWERED, BUSY, FAILED, CANCELED or NO_ANSWER';

CREATE FUNCTION @extschema@.cdr_seconds_between(earlier timestamptz, later timestamptz)
RETURNS bigint
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_seconds_between';

COMMENT ON FUNCTION @extschema@.cdr_seconds_between(timestamptz, timestamptz) IS
'whole seconds from one time to another, never negative';

