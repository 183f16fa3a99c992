-- ---------------------------------------------------------------------------
-- Ingest
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_ingest_event(event json)
RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_ingest_event';

COMMENT ON FUNCTION @extschema@.cdr_ingest_event(json) IS
'records an event; false: it was recorded before';

CREATE FUNCTION @extschema@.cdr_ingest_events(events json[])
RETURNS bigint
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_ingest_events';

COMMENT ON FUNCTION @extschema@.cdr_ingest_events(json[]) IS
'records events, all or none; returns how many were new';

