-- ---------------------------------------------------------------------------
-- Who read what
-- ---------------------------------------------------------------------------

-- A member, of which a dump has the rows: it belongs to whoever installed the extension, and
-- the role that writes calls can add to it, but not change or take away.
CREATE TABLE @extschema@.cdr_access_log (
	at timestamptz NOT NULL,
	login text NOT NULL,
	role text NOT NULL,
	client_address text,
	application text,
	action text NOT NULL,
	subject jsonb,
	tenant_id text,
	rows bigint,
	reason text) USING heap;

CREATE INDEX cdr_access_log_at_idx ON @extschema@.cdr_access_log (at);

COMMENT ON TABLE @extschema@.cdr_access_log IS
'who read which calls, when, why and from where';
COMMENT ON COLUMN @extschema@.cdr_access_log.at IS
'when it was read';
COMMENT ON COLUMN @extschema@.cdr_access_log.login IS
'as whom the session logged in';
COMMENT ON COLUMN @extschema@.cdr_access_log.role IS
'as whom it read';
COMMENT ON COLUMN @extschema@.cdr_access_log.client_address IS
'where it was connected from; NULL: a socket of the machine';
COMMENT ON COLUMN @extschema@.cdr_access_log.application IS
'application_name, which is what the client says';
COMMENT ON COLUMN @extschema@.cdr_access_log.action IS
'the function that read; or, of log_reads, the command';
COMMENT ON COLUMN @extschema@.cdr_access_log.subject IS
'what was asked for';
COMMENT ON COLUMN @extschema@.cdr_access_log.tenant_id IS
'the tenant that was asked for; NULL: whatever tenant';
COMMENT ON COLUMN @extschema@.cdr_access_log.rows IS
'how many rows were returned';
COMMENT ON COLUMN @extschema@.cdr_access_log.reason IS
'why, as the reader says';

SELECT pg_catalog.pg_extension_config_dump('@extschema@.cdr_access_log', '');

CREATE FUNCTION @extschema@.cdr_read_calls(
	reason text,
	call_id text DEFAULT NULL,
	from_time timestamptz DEFAULT NULL,
	to_time timestamptz DEFAULT NULL,
	number text DEFAULT NULL,
	tenant text DEFAULT NULL,
	OUT @column:key@ @type@,
	OUT @column:status@ @type@,
	OUT @column:outcome@ @type@,
	OUT @column:course@ @type@,
	OUT attempt_time timestamptz,
	OUT duration_seconds bigint,
	OUT billable_seconds bigint,
	OUT @column:end@ @type@,
	OUT @column:rest@ @type@@,@
)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_read_calls';

COMMENT ON FUNCTION @extschema@.cdr_read_calls(text, text, timestamptz, timestamptz, text, text) IS
'calls, for whoever says why; each use is recorded in cdr_access_log before it returns';

CREATE FUNCTION @extschema@.cdr_read_events(
	reason text,
	call_id text,
	OUT @column:log@ @type@@,@
)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_read_events';

COMMENT ON FUNCTION @extschema@.cdr_read_events(text, text) IS
'the events of a call, for whoever says why; each use is recorded in cdr_access_log before it returns';

CREATE FUNCTION @extschema@.cdr_evidence(
	call_id text,
	reason text DEFAULT NULL,
	checkpoint text DEFAULT NULL)
RETURNS json
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_evidence_of_call';

COMMENT ON FUNCTION @extschema@.cdr_evidence(text, text, text) IS
'a call with the proofs of its events, for whoever says why: a file that scripts/cdr-verify reads; each use is recorded in cdr_access_log before it returns';
