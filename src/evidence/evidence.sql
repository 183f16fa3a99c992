-- ---------------------------------------------------------------------------
-- Evidence: events as leaves of hash trees
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_event_leaf(
	event_time timestamptz,
	received_at timestamptz,
	recorded_at timestamptz,
	time_source "char",
	event_type text,
	tenant_id text,
	salt uuid,
	event_id uuid,
	message_id bytea,
	call_id text,
	trace_id text,
	routing_key text,
	content_type text,
	headers json,
	properties json,
	payload json,
	body bytea,
	content_digest bytea DEFAULT NULL)
RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_event_leaf';

COMMENT ON FUNCTION @extschema@.cdr_event_leaf(timestamptz, timestamptz, timestamptz, "char", text, text, uuid, uuid, bytea, text, text, text, text, json, json, json, bytea, bytea) IS
'the leaf hash of a row of call_events, also of one whose content was erased; NULL: it has none';

CREATE FUNCTION @extschema@.cdr_event_content_digest(
	salt uuid,
	event_id uuid,
	message_id bytea,
	call_id text,
	trace_id text,
	routing_key text,
	content_type text,
	headers json,
	properties json,
	payload json,
	body bytea)
RETURNS bytea
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_event_content_digest';

COMMENT ON FUNCTION @extschema@.cdr_event_content_digest(uuid, uuid, bytea, text, text, text, text, json, json, json, bytea) IS
'the digest of what may name a person in a row of call_events, which its leaf is made of; NULL: it has none';

CREATE FUNCTION @extschema@.cdr_tree_root(leaves bytea[])
RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_tree_root_of_array';

COMMENT ON FUNCTION @extschema@.cdr_tree_root(bytea[]) IS
'the root of the hash tree (RFC 6962) over some leaf hashes';

CREATE FUNCTION @extschema@.cdr_inclusion_proof(leaves bytea[], leaf bigint)
RETURNS bytea[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_inclusion_proof';

COMMENT ON FUNCTION @extschema@.cdr_inclusion_proof(bytea[], bigint) IS
'the proof that a leaf, counted from 0, is in the tree (RFC 6962, 2.1.1)';

CREATE FUNCTION @extschema@.cdr_consistency_proof(leaves bytea[], first bigint)
RETURNS bytea[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_consistency_proof';

COMMENT ON FUNCTION @extschema@.cdr_consistency_proof(bytea[], bigint) IS
'the proof that the tree over the first leaves is the beginning of the tree over all (RFC 6962, 2.1.2)';

-- The same without code of ours, for whoever trusts none of it: plain SQL, and
-- sha256() of the server.

CREATE FUNCTION @extschema@.cdr_merkle_root(leaves bytea[])
RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	-- from one on, in one row
	nodes bytea[] := ARRAY(SELECT l.leaf FROM unnest(leaves) WITH ORDINALITY AS l(leaf, place) ORDER BY l.place);
BEGIN
	IF cardinality(nodes) = 0 THEN
		RETURN sha256('');
	END IF;
	-- level by level; the last node of an odd number goes up as it is
	WHILE cardinality(nodes) > 1 LOOP
		nodes := ARRAY(SELECT CASE WHEN i < cardinality(nodes)
								   THEN sha256(E'\\x01' || nodes[i] || nodes[i + 1])
								   ELSE nodes[i] END
					   FROM generate_series(1, cardinality(nodes), 2) AS i ORDER BY i);
	END LOOP;
	RETURN nodes[1];
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_merkle_root(bytea[]) IS
'cdr_tree_root() in plain SQL';

-- A function, and no view: the table does not belong to the extension, and may be
-- renamed, or have columns that are altered.
CREATE FUNCTION @extschema@.cdr_event_leaves(
	from_time timestamptz DEFAULT NULL,
	to_time timestamptz DEFAULT NULL,
	OUT recorded_at timestamptz,
	OUT event_time timestamptz,
	OUT event_id uuid,
	OUT call_id text,
	OUT content_digest bytea,
	OUT leaf bytea)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	-- microseconds since 1970
	micros constant text := 'int8send(LEAST(GREATEST(extract(epoch FROM e.%I) * 1000000, '
		'-9223372036854775808), 9223372036854775807)::int8)';
	-- a length, and the bytes
	counted constant text := $$COALESCE(int4send(octet_length(%1$s)) || %1$s, E'\\xffffffff')$$;
BEGIN
	EXECUTE format('SELECT %s.cdr_require_tables()', extension);
	RETURN QUERY EXECUTE format($query$
		SELECT e.recorded_at, e.event_time, e.event_id, e.call_id::text, k.digest,
			   sha256(E'\\x00' || convert_to(E'cdr-event-v1\n', 'UTF8') || %2$s || %3$s || %4$s
				|| %5$s || %6$s || %7$s || k.digest)
		FROM %1$s.call_events AS e
		CROSS JOIN LATERAL (SELECT CASE WHEN e.payload IS NULL THEN e.body
										WHEN e.body IS NULL THEN convert_to(e.payload::text, 'UTF8') END) AS b(bytes)
		CROSS JOIN LATERAL (SELECT
			   sha256(convert_to(E'cdr-content-v1\n', 'UTF8') || uuid_send(e.salt) || uuid_send(e.event_id)
				|| sha256(%8$s || b.bytes) || %8$s || %9$s || %10$s || %11$s || %12$s || %13$s
				|| CASE WHEN e.properties IS NULL THEN '' ELSE %14$s END)) AS c(digest)
		-- of an erased event there is nothing but the digest
		CROSS JOIN LATERAL (SELECT CASE WHEN e.content_digest IS NULL THEN c.digest
										WHEN octet_length(e.content_digest) = 32
											AND num_nonnulls(e.salt, e.message_id, e.trace_id, e.routing_key, e.content_type,
															 e.headers, e.properties, e.payload, e.body) = 0
										THEN e.content_digest END) AS k(digest)
		WHERE ($1 IS NULL OR e.event_time >= $1) AND ($2 IS NULL OR e.event_time < $2)
		$query$, extension,
		format(micros, 'event_time'), format(micros, 'received_at'), format(micros, 'recorded_at'),
		format(counted, $$convert_to(e.time_source::text, 'UTF8')$$),
		format(counted, $$convert_to(e.event_type, 'UTF8')$$),
		format(counted, $$convert_to(e.tenant_id, 'UTF8')$$),
		format(counted, 'e.message_id'),
		format(counted, $$convert_to(e.call_id, 'UTF8')$$),
		format(counted, $$convert_to(e.trace_id, 'UTF8')$$),
		format(counted, $$convert_to(e.routing_key, 'UTF8')$$),
		format(counted, $$convert_to(e.content_type, 'UTF8')$$),
		format(counted, $$convert_to(e.headers::text, 'UTF8')$$),
		format(counted, $$convert_to(e.properties::text, 'UTF8')$$))
	USING from_time, to_time;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_event_leaves(timestamptz, timestamptz) IS
'the leaves of the events of a stretch of event_time, in plain SQL';
