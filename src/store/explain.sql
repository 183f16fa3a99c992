-- ---------------------------------------------------------------------------
-- Why an event is what it is
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_explain_event(
	body bytea,
	routing_key text DEFAULT NULL,
	content_type text DEFAULT NULL,
	content_encoding text DEFAULT NULL,
	type text DEFAULT NULL,
	exchange text DEFAULT NULL,
	message_id bytea DEFAULT NULL,
	property_time timestamptz DEFAULT NULL,
	headers json DEFAULT NULL,
	properties json DEFAULT NULL,
	mapping text DEFAULT NULL,
	definition json DEFAULT NULL,
	OUT register text,
	OUT "column" text,
	OUT value text,
	OUT source text,
	OUT note text)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 20
AS 'MODULE_PATHNAME', 'cdr_explain_event';

COMMENT ON FUNCTION @extschema@.cdr_explain_event(bytea, text, text, text, text, text, bytea, timestamptz, json, json, text, json) IS
'what cdr_ingest_message() would make of a message, where each value comes from, and what is not understood; records nothing';

-- a literal without a type is text: so JSON can be written as it is
CREATE FUNCTION @extschema@.cdr_explain_event(
	event text,
	routing_key text DEFAULT NULL,
	content_type text DEFAULT NULL,
	content_encoding text DEFAULT NULL,
	type text DEFAULT NULL,
	exchange text DEFAULT NULL,
	message_id bytea DEFAULT NULL,
	property_time timestamptz DEFAULT NULL,
	headers json DEFAULT NULL,
	properties json DEFAULT NULL,
	mapping text DEFAULT NULL,
	definition json DEFAULT NULL,
	OUT register text,
	OUT "column" text,
	OUT value text,
	OUT source text,
	OUT note text)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 20
AS 'MODULE_PATHNAME', 'cdr_explain_event';

COMMENT ON FUNCTION @extschema@.cdr_explain_event(text, text, text, text, text, text, bytea, timestamptz, json, json, text, json) IS
E'the same of a body that is text; one that begins with \\x is bytes, as bytea is written';

CREATE FUNCTION @extschema@.cdr_explain_event(
	event json,
	routing_key text DEFAULT NULL,
	content_type text DEFAULT NULL,
	content_encoding text DEFAULT NULL,
	type text DEFAULT NULL,
	exchange text DEFAULT NULL,
	message_id bytea DEFAULT NULL,
	property_time timestamptz DEFAULT NULL,
	headers json DEFAULT NULL,
	properties json DEFAULT NULL,
	mapping text DEFAULT NULL,
	definition json DEFAULT NULL,
	OUT register text,
	OUT "column" text,
	OUT value text,
	OUT source text,
	OUT note text)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 20
AS 'MODULE_PATHNAME', 'cdr_explain_event';

COMMENT ON FUNCTION @extschema@.cdr_explain_event(json, text, text, text, text, text, bytea, timestamptz, json, json, text, json) IS
'the same of an event as cdr_ingest_event() takes it';

CREATE FUNCTION @extschema@.cdr_explain_event(
	event_id uuid,
	call_id text DEFAULT NULL,
	OUT register text,
	OUT "column" text,
	OUT value text,
	OUT source text,
	OUT note text)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 20
AS 'MODULE_PATHNAME', 'cdr_explain_recorded_event';

COMMENT ON FUNCTION @extschema@.cdr_explain_event(uuid, text) IS
'the same of an event in the log, by the version of the mapping that read it; with its call id it is found at once';

CREATE FUNCTION @extschema@.cdr_explain_dead_letter(
	event_id uuid,
	mapping text DEFAULT NULL,
	OUT register text,
	OUT "column" text,
	OUT value text,
	OUT source text,
	OUT note text)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 20
AS 'MODULE_PATHNAME', 'cdr_explain_dead_letter';

COMMENT ON FUNCTION @extschema@.cdr_explain_dead_letter(uuid, text) IS
'why a message was kept as a dead letter, and what it would be now; records nothing';
