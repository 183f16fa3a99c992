-- ---------------------------------------------------------------------------
-- Mappings: how events of other platforms are read
-- ---------------------------------------------------------------------------

-- A member, as what it says is a matter of the extension: a dump has its rows.
-- They are read by the library as a catalog is; to write them is the right to
-- write calls, so it is nobody's who was not given it.
CREATE TABLE @extschema@.cdr_mappings (
	name text COLLATE pg_catalog."C" NOT NULL
		CHECK (pg_catalog.octet_length(name) OPERATOR(pg_catalog.>=) 1
			   AND pg_catalog.octet_length(name) OPERATOR(pg_catalog.<=) 63),
	version integer NOT NULL CHECK (version OPERATOR(pg_catalog.>) 0),
	definition json NOT NULL,
	enabled boolean NOT NULL DEFAULT true,
	priority integer NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	created_by text NOT NULL DEFAULT CURRENT_USER,
	id integer NOT NULL UNIQUE,
	PRIMARY KEY (name, version));

COMMENT ON TABLE @extschema@.cdr_mappings IS
'how events of other platforms are read: of each name, the newest version that is enabled';
COMMENT ON COLUMN @extschema@.cdr_mappings.name IS
'what the versions have in common';
COMMENT ON COLUMN @extschema@.cdr_mappings.version IS
'the next one, unless the row says';
COMMENT ON COLUMN @extschema@.cdr_mappings.definition IS
'which messages are its own, and what they say; never changed';
COMMENT ON COLUMN @extschema@.cdr_mappings.enabled IS
'may events be read by it?';
COMMENT ON COLUMN @extschema@.cdr_mappings.priority IS
'the greatest is asked first; of equal ones, by name';
COMMENT ON COLUMN @extschema@.cdr_mappings.created_at IS
'when the version was added';
COMMENT ON COLUMN @extschema@.cdr_mappings.created_by IS
'by which role';
COMMENT ON COLUMN @extschema@.cdr_mappings.id IS
'what call_events.mapping says of events that were read by it: follows from name, version and definition';

-- The bounds are those of what one looks at: an example is no archive.
CREATE TABLE @extschema@.cdr_mapping_examples (
	name text COLLATE pg_catalog."C" NOT NULL
		CHECK (pg_catalog.octet_length(name) OPERATOR(pg_catalog.>=) 1
			   AND pg_catalog.octet_length(name) OPERATOR(pg_catalog.<=) 63),
	example text COLLATE pg_catalog."C" NOT NULL
		CHECK (pg_catalog.octet_length(example) OPERATOR(pg_catalog.>=) 1
			   AND pg_catalog.octet_length(example) OPERATOR(pg_catalog.<=) 200),
	body bytea NOT NULL
		CHECK (pg_catalog.octet_length(body) OPERATOR(pg_catalog.<=) 1048576),
	properties json
		CHECK (pg_catalog.json_typeof(properties) OPERATOR(pg_catalog.=) 'object'
			   AND pg_catalog.octet_length(properties::pg_catalog.text) OPERATOR(pg_catalog.<=) 65536),
	expected json NOT NULL
		CHECK (pg_catalog.json_typeof(expected) OPERATOR(pg_catalog.=) 'object'
			   AND pg_catalog.octet_length(expected::pg_catalog.text) OPERATOR(pg_catalog.<=) 65536),
	PRIMARY KEY (name, example));

COMMENT ON TABLE @extschema@.cdr_mapping_examples IS
'messages, and what a mapping is to make of them';
COMMENT ON COLUMN @extschema@.cdr_mapping_examples.name IS
'of the mapping';
COMMENT ON COLUMN @extschema@.cdr_mapping_examples.example IS
'what the example is called';
COMMENT ON COLUMN @extschema@.cdr_mapping_examples.body IS
'of the message, byte for byte';
COMMENT ON COLUMN @extschema@.cdr_mapping_examples.properties IS
'of the message: routing_key, exchange, content_type, content_encoding, type, message_id, property_time, headers, properties; each: the array whose element it is';
COMMENT ON COLUMN @extschema@.cdr_mapping_examples.expected IS
'what is to come of it, by field; of a field that is not named, nothing is expected';

SELECT pg_catalog.pg_extension_config_dump('@extschema@.cdr_mappings', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.cdr_mapping_examples', '');

CREATE FUNCTION @extschema@.cdr_change_mapping()
RETURNS trigger
LANGUAGE C
AS 'MODULE_PATHNAME', 'cdr_change_mapping';

COMMENT ON FUNCTION @extschema@.cdr_change_mapping() IS
'refuses a definition that cannot be read, numbers versions, and keeps those that the log names';

CREATE FUNCTION @extschema@.cdr_spread_mapping()
RETURNS trigger
LANGUAGE C
AS 'MODULE_PATHNAME', 'cdr_spread_mapping';

COMMENT ON FUNCTION @extschema@.cdr_spread_mapping() IS
'has workers and sessions read the mappings anew';

CREATE TRIGGER cdr_change_mapping
	BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.cdr_mappings
	FOR EACH ROW EXECUTE FUNCTION @extschema@.cdr_change_mapping();
CREATE TRIGGER cdr_keep_mappings
	BEFORE TRUNCATE ON @extschema@.cdr_mappings
	FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.cdr_change_mapping();
CREATE TRIGGER cdr_spread_mapping
	AFTER INSERT OR UPDATE OR DELETE ON @extschema@.cdr_mappings
	FOR EACH ROW EXECUTE FUNCTION @extschema@.cdr_spread_mapping();

-- also where rows are loaded with session_replication_role = replica
ALTER TABLE @extschema@.cdr_mappings ENABLE ALWAYS TRIGGER cdr_change_mapping;
ALTER TABLE @extschema@.cdr_mappings ENABLE ALWAYS TRIGGER cdr_keep_mappings;
ALTER TABLE @extschema@.cdr_mappings ENABLE ALWAYS TRIGGER cdr_spread_mapping;

-- whatever default privileges there are: this is the right to write calls
REVOKE ALL ON @extschema@.cdr_mappings, @extschema@.cdr_mapping_examples FROM PUBLIC;

-- ---------------------------------------------------------------------------
-- Presets, and what is still to be mapped
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_mapping_preset(name text, options json DEFAULT NULL)
RETURNS json
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_mapping_preset';

COMMENT ON FUNCTION @extschema@.cdr_mapping_preset(text, json) IS
'the definition of a mapping that comes with the extension, with options put in';

CREATE FUNCTION @extschema@.cdr_unmapped_types(
	since timestamptz DEFAULT NULL,
	OUT event_type text,
	OUT routing_key text,
	OUT mapping text,
	OUT events bigint,
	OUT last_event_time timestamptz,
	OUT example uuid)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'cdr_unmapped_types';

COMMENT ON FUNCTION @extschema@.cdr_unmapped_types(timestamptz) IS
'the events of the log that say nothing of a call, by type, routing key and mapping';

-- ---------------------------------------------------------------------------
-- Examples
-- ---------------------------------------------------------------------------

-- With the rights of the caller, who reads the log and writes the table himself.
CREATE FUNCTION @extschema@.cdr_add_mapping_example(
	name text,
	event_id uuid,
	example text DEFAULT NULL)
RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_add_mapping_example';

COMMENT ON FUNCTION @extschema@.cdr_add_mapping_example(text, uuid, text) IS
'adds an event of the log as an example of a mapping, with what that makes of it now; returns what the example is called';

CREATE FUNCTION @extschema@.cdr_test_mappings(
	name text DEFAULT NULL,
	OUT name text,
	OUT example text,
	OUT version integer,
	OUT field text,
	OUT expected text,
	OUT actual text)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'cdr_test_mappings';

COMMENT ON FUNCTION @extschema@.cdr_test_mappings(text) IS
'where examples do not give what is expected of them, by the mappings that are in force (normally nowhere): of one mapping, or of all';
