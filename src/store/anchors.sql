-- ---------------------------------------------------------------------------
-- Evidence: anchors, which are what others say of checkpoints
-- ---------------------------------------------------------------------------

-- With the rights of the caller, who is the role that writes.
CREATE FUNCTION @extschema@.cdr_put_anchor(checkpoint text, kind text, token bytea)
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	-- of one checkpoint: a file of evidence has them all
	most constant integer := 16;
	given record;
	place record;
	lines bytea;
	added bigint;
BEGIN
	EXECUTE format('SELECT * FROM %s.cdr_read_checkpoint($1)', extension) INTO given USING checkpoint;
	IF (kind ~ '^[a-z][a-z0-9-]{0,31}$') IS NOT TRUE THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'that is no kind of anchor',
			DETAIL = 'A kind is a word of at most 32 lower-case letters, digits and "-", such as rfc3161.';
	END IF;
	IF (octet_length(token) BETWEEN 1 AND 65536) IS NOT TRUE THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('an anchor has 1 to 65536 bytes, and not %s', COALESCE(octet_length(token), 0));
	END IF;
	EXECUTE format($query$
		SELECT c.log, c.size, (SELECT count(*) FROM %1$s.cdr_anchors AS a WHERE a.log = c.log AND a.size = c.size) AS anchors
		FROM %1$s.cdr_checkpoints AS c WHERE c.size = $1 AND c.root = $2 AND starts_with(c.note, $3)$query$, extension)
	INTO place USING given.size, given.root, given.lines;
	IF place.log IS NULL THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'that is no checkpoint of this database',
			HINT = 'cdr_verify_evidence() says whether the log still continues it.';
	END IF;
	-- a token over something else helps nobody; whether it is signed, and by whom, is for
	-- those to say who trust that
	lines := convert_to(given.lines, 'UTF8');
	IF kind = 'rfc3161' AND position(sha256(lines) IN token) = 0 AND position(sha384(lines) IN token) = 0
	   AND position(sha512(lines) IN token) = 0 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'the token is not over this checkpoint',
			DETAIL = 'It has none of the SHA-256, SHA-384 and SHA-512 digests of its three lines.';
	END IF;
	IF place.anchors >= most THEN
		RAISE program_limit_exceeded USING
			MESSAGE = format('this checkpoint has %s anchors already', most);
	END IF;
	EXECUTE format($query$
		INSERT INTO %s.cdr_anchors (log, size, kind, token, added_at) VALUES ($1, $2, $3, $4, clock_timestamp())
		ON CONFLICT DO NOTHING$query$, extension)
	USING place.log, place.size, kind, token;
	GET DIAGNOSTICS added = ROW_COUNT;
	RETURN added > 0;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_put_anchor(text, text, bytea) IS
'what cdr_add_anchor() does';

CREATE FUNCTION @extschema@.cdr_add_anchor(checkpoint text, kind text, token bytea)
RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_add_anchor';

COMMENT ON FUNCTION @extschema@.cdr_add_anchor(text, text, bytea) IS
'keeps what another party says of a checkpoint, such as a time stamp; false: it is kept already';
