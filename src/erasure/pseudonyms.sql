-- ---------------------------------------------------------------------------
-- Erasure: what stands in place of an id, and what of a call
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_pseudonym(key bytea, call_id text)
RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_pseudonym_text';

COMMENT ON FUNCTION @extschema@.cdr_pseudonym(bytea, text) IS
'what stands in place of a call id that was erased: "erased:", and the first half of HMAC-SHA256(key, id)';

CREATE FUNCTION @extschema@.cdr_pseudonym(key bytea, event_id uuid)
RETURNS uuid
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_pseudonym_uuid';

COMMENT ON FUNCTION @extschema@.cdr_pseudonym(bytea, uuid) IS
'what stands in place of the id of an event that was erased: the first half of HMAC-SHA256(key, id)';

CREATE FUNCTION @extschema@.cdr_erased_call(
	stored record,
	key bytea,
	OUT @column@ @type@@,@
)
RETURNS record
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_erased_call';

COMMENT ON FUNCTION @extschema@.cdr_erased_call(record, bytea) IS
'the row of a call without those who took part: numbers, user, contact and recording are gone, ids are pseudonyms';

CREATE FUNCTION @extschema@.cdr_names(content bytea, words text[])
RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_names';

COMMENT ON FUNCTION @extschema@.cdr_names(bytea, text[]) IS
'whether one of some words stands in a content, a short one as a word of its own';
