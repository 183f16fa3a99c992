CREATE FUNCTION @extschema@.cdr_evidence_status(
	OUT enabled boolean,
	OUT waiting bigint,
	OUT waiting_since timestamptz,
	OUT log integer,
	OUT size bigint,
	OUT checkpoint_at timestamptz,
	OUT anchored_log integer,
	OUT anchored_size bigint,
	OUT anchored_at timestamptz,
	OUT unanchored_since timestamptz)
RETURNS record
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_evidence_status';

COMMENT ON FUNCTION @extschema@.cdr_evidence_status() IS
'what waits for a seal, the last checkpoint, and how far anchors reach';

