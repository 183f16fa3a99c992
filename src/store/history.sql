CREATE FUNCTION @extschema@.cdr_event_json(body bytea, event_type text DEFAULT NULL)
RETURNS json
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_event_json';

COMMENT ON FUNCTION @extschema@.cdr_event_json(bytea, text) IS
'the body of an event, in whatever form, as JSON for people; NULL if it is no event';

CREATE FUNCTION @extschema@.cdr_call_history(
	call_id text,
	zone text DEFAULT NULL,
	OUT event_time timestamptz,
	OUT elapsed interval,
	OUT event_type text,
	OUT description text,
	OUT received_at timestamptz,
	OUT payload json,
	OUT local_time timestamp)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'cdr_call_history';

COMMENT ON FUNCTION @extschema@.cdr_call_history(text, text) IS
'the events of a call, as a person would tell them; local_time is their time in a zone, or in that of the session';

-- The columns of calls, in their order.
CREATE FUNCTION @extschema@.cdr_call_segments(
	call_id text,
	OUT @column:key@ @type@,
	OUT segment bigint,
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
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED ROWS 1
AS 'MODULE_PATHNAME', 'cdr_call_segments';

COMMENT ON FUNCTION @extschema@.cdr_call_segments(text) IS
'the calls that a Call-ID was used for, one after the other, each as calls has it: one, unless the Call-ID was used again';

CREATE FUNCTION @extschema@.cdr_call_as_of(
	call_id text,
	at timestamptz,
	OUT @column:key@ @type@,
	OUT @column:status@ @type@,
	OUT @column:outcome@ @type@,
	OUT @column:course@ @type@,
	OUT attempt_time timestamptz,
	OUT duration_seconds bigint,
	OUT billable_seconds bigint,
	OUT @column:end@ @type@,
	OUT @column:rest@ @type@,
	OUT certain boolean,
	OUT erased bigint,
	OUT retired bigint
)
RETURNS SETOF record
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED ROWS 1
AS 'MODULE_PATHNAME', 'cdr_call_as_of';

COMMENT ON FUNCTION @extschema@.cdr_call_as_of(text, timestamptz) IS
'a call as it was known at a time: what its events say that were recorded by then, and whether that is certain';
