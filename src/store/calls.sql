-- ---------------------------------------------------------------------------
-- The merge
-- ---------------------------------------------------------------------------

-- Anybody may call it, because the statements of the service run as the role
-- that writes; it reads nothing but its arguments.
CREATE FUNCTION @extschema@.cdr_join_calls(
	stored record,
	added record,
	OUT @column@ @type@@,@
)
RETURNS record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_join_calls';

COMMENT ON FUNCTION @extschema@.cdr_join_calls(record, record) IS
'the row of a call of which two rows say each a part, by different events';

-- For a library of another version, which says itself what the columns are.
CREATE FUNCTION @extschema@.cdr_join_rows(stored record, added record)
RETURNS record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_join_calls';

COMMENT ON FUNCTION @extschema@.cdr_join_rows(record, record) IS
'the same as cdr_join_calls(), with the columns that the caller lists';

CREATE FUNCTION @extschema@.cdr_merge_state(
	call_id text,
	OUT register text,
	OUT event_time timestamptz,
	OUT rank integer,
	OUT event_id uuid,
	OUT says json)
RETURNS SETOF record
LANGUAGE C STABLE STRICT PARALLEL UNSAFE ROWS 5
AS 'MODULE_PATHNAME', 'cdr_merge_state';

COMMENT ON FUNCTION @extschema@.cdr_merge_state(text) IS
'what the row of a call holds for the merge: of each kind of event the one that counts, with its time (of rank 2: a time of receipt) and what it says';
