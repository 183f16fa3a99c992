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

CREATE FUNCTION @extschema@.cdr_ingest_message(
	body bytea,
	routing_key text DEFAULT NULL,
	content_type text DEFAULT NULL,
	content_encoding text DEFAULT NULL,
	type text DEFAULT NULL,
	exchange text DEFAULT NULL,
	message_id bytea DEFAULT NULL,
	property_time timestamptz DEFAULT NULL,
	headers json DEFAULT NULL,
	properties json DEFAULT NULL)
RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_ingest_message';

COMMENT ON FUNCTION @extschema@.cdr_ingest_message(bytea, text, text, text, text, text, bytea, timestamptz, json, json) IS
'records the event of a message, in any form of the wire, as if it came from the broker; false: it was recorded before';

