-- ---------------------------------------------------------------------------
-- Evidence: proofs of events, as a file
-- ---------------------------------------------------------------------------

-- Of a signed checkpoint, the signatures are passed over.
CREATE FUNCTION @extschema@.cdr_read_checkpoint(
	checkpoint text,
	OUT origin text,
	OUT size bigint,
	OUT root bytea,
	OUT lines text)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	line text[];
BEGIN
	IF octet_length(checkpoint) <= 65536 THEN
		line := string_to_array(checkpoint, E'\n');
	END IF;
	IF cardinality(line) >= 3 AND line[1] <> '' AND line[2] ~ '^(0|[1-9][0-9]{0,17})$'
	   AND line[3] ~ '^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$' THEN
		origin := line[1];
		size := line[2]::bigint;
		root := decode(line[3], 'base64');
		lines := array_to_string(line[:3], E'\n') || E'\n';
		RETURN;
	END IF;
	RAISE invalid_parameter_value USING
		MESSAGE = 'that is no checkpoint',
		DETAIL = 'A checkpoint has three lines: origin, length of the log, and its root in base64.';
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_read_checkpoint(text) IS
'what a checkpoint says; an error if it is none';

-- A checkpoint keeps the peaks of its tree.  Those of the last one within the stretch
-- leave a few entries to be read, however long the log is: its peaks from the beginning
-- of the stretch on are those of a tree that begins there, for the stretch begins where
-- a complete tree of its size may begin.
CREATE FUNCTION @extschema@.cdr_log_node(log integer, first bigint, last bigint)
RETURNS bytea
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	peaks bytea[];
	hashes bytea[];
	size bigint;
	portion bigint;
	root bytea;
BEGIN
	EXECUTE format($query$
		SELECT c.size - $2, c.peaks FROM %s.cdr_checkpoints AS c
		WHERE c.log = $1 AND c.size > $2 AND c.size < $3 ORDER BY c.size DESC LIMIT 1$query$, extension)
	INTO size, peaks USING log, first, last;
	size := COALESCE(size, 0);
	peaks := COALESCE(peaks[cardinality(peaks) - bit_count(size::bit(64)) + 1:], '{}');
	WHILE first + size < last LOOP
		portion := LEAST(last - first - size, 65536);
		EXECUTE format($query$
			SELECT array_agg(sha256(E'\\x00' || convert_to(l.entry, 'UTF8')) ORDER BY l.log_index)
			FROM %s.cdr_log AS l WHERE l.log = $1 AND l.log_index >= $2 AND l.log_index < $3$query$, extension)
		INTO hashes USING log, first + size, first + size + portion;
		IF cardinality(hashes) IS DISTINCT FROM portion THEN
			RETURN NULL;
		END IF;
		EXECUTE format('SELECT %s.cdr_tree_peaks($1, $2, $3)', extension) INTO peaks USING peaks, size, hashes;
		size := size + portion;
	END LOOP;
	EXECUTE format('SELECT %s.cdr_peaks_root($1)', extension) INTO root USING peaks;
	RETURN root;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_log_node(integer, bigint, bigint) IS
'the root of the tree over some entries of the log; NULL: some of them are missing';

CREATE FUNCTION @extschema@.cdr_log_proof(log integer, log_index bigint, size bigint)
RETURNS bytea[]
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	node constant text := format('SELECT %s.cdr_log_node($1, $2, $3)', extension);
	first bigint := 0;
	rest bigint := size;
	half bigint;
	hash bytea;
	proof bytea[] := '{}';
BEGIN
	IF log_index < 0 OR log_index >= size THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('a log of %s entries has no entry %s', size, log_index),
			DETAIL = 'Entries are counted from 0.';
	END IF;
	-- from the root down to the entry: what is on the other side
	WHILE rest > 1 LOOP
		half := 1;
		WHILE half < rest - half LOOP
			half := half * 2;
		END LOOP;
		IF log_index < first + half THEN
			EXECUTE node INTO hash USING log, first + half, first + rest;
			rest := half;
		ELSE
			EXECUTE node INTO hash USING log, first, first + half;
			first := first + half;
			rest := rest - half;
		END IF;
		IF hash IS NULL THEN
			RETURN NULL;
		END IF;
		proof := hash || proof;
	END LOOP;
	RETURN proof;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_log_proof(integer, bigint, bigint) IS
'the proof that an entry, counted from 0, is in the log of that length (RFC 6962, 2.1.1); NULL: entries are missing';

-- As https://c2sp.org/tlog-proof has it.
CREATE FUNCTION @extschema@.cdr_tlog_proof(log integer, log_index bigint, size bigint)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	result text;
BEGIN
	EXECUTE format($query$
		SELECT E'c2sp.org/tlog-proof@v1\nindex ' || $2 || E'\n'
			|| (SELECT COALESCE(string_agg(encode(p.hash, 'base64') || E'\n', '' ORDER BY p.place), '')
				FROM unnest(proof.hashes) WITH ORDINALITY AS p(hash, place))
			|| E'\n' || c.note
		FROM %1$s.cdr_checkpoints AS c, %1$s.cdr_log_proof($1, $2, $3) AS proof(hashes)
		WHERE c.log = $1 AND c.size = $3 AND proof.hashes IS NOT NULL$query$, extension)
	INTO result USING log, log_index, size;
	RETURN result;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_tlog_proof(integer, bigint, bigint) IS
'the proof that an entry is under the checkpoint of that length, as a C2SP tlog-proof; NULL: there is none';

-- Where an event stands in its seal, rows of the seal around it say.  Other rows of
-- it may be gone or changed: each 8 have a root of their own in the seal, and a row is
-- where its 8 are.
CREATE FUNCTION @extschema@.cdr_place_in_seal(
	near bytea[],
	ranks bigint[],
	place integer,
	n integer,
	groups bytea[],
	OUT "position" integer,
	OUT proof bytea[])
LANGUAGE plpgsql IMMUTABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	width integer;
	first integer;
	"group" integer;
	root bytea[];
BEGIN
	-- the last ones may be fewer
	FOREACH width IN ARRAY ARRAY[8, n % 8] LOOP
		FOR before IN 0 .. width - 1 LOOP
			first := place - before;
			-- they stand side by side
			IF ranks[first + width - 1] - ranks[first] = width - 1 THEN
				EXECUTE format('SELECT %s.cdr_tree_groups($1)', extension) INTO root USING near[first:first + width - 1];
				"group" := CASE WHEN width = 8 THEN array_position(groups, root[1])
								WHEN groups[cardinality(groups)] = root[1] THEN cardinality(groups) END;
				IF "group" IS NOT NULL THEN
					"position" := 8 * ("group" - 1) + before;
					EXECUTE format('SELECT %1$s.cdr_inclusion_proof($1, $2) || %1$s.cdr_inclusion_proof($3, $4)', extension)
					INTO proof USING near[first:first + width - 1], before::bigint, groups, ("group" - 1)::bigint;
					RETURN;
				END IF;
			END IF;
		END LOOP;
	END LOOP;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_place_in_seal(bytea[], bigint[], integer, integer, bytea[]) IS
'the place of an event in its seal, and the proof of that; NULL: it or the rows beside it are not as they were sealed';

-- For cdr_evidence(), with the rights of the caller.
CREATE FUNCTION @extschema@.cdr_evidence_file(
	call_id text,
	login text,
	role text,
	reason text,
	checkpoint text,
	OUT file json,
	OUT events bigint)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET jit = off
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	leaf constant text := format('%s.cdr_event_leaf(e.event_time, e.received_at, e.recorded_at, e.time_source, e.event_type, '
		'e.tenant_id, e.salt, e.event_id, e.message_id, e.call_id, e.trace_id, e.routing_key, e.content_type, e.headers, '
		'e.properties, e.payload, e.body, e.content_digest)', extension);
	instant constant text := $$replace(to_json(e.%I) #>> '{}', '+00:00', 'Z')$$;
	base64 constant text := $$translate(encode(%s, 'base64'), E'\n', '')$$;
	given record;
	given_log integer;
	given_size bigint;
	seal record;
	around record;
	found record;
	anchored bigint[];
	sizes bigint[];
	proofs json;
	retired uuid[];
	seals json[] := '{}';
	targets text[] := '{}';
	keys text[] := '{}';
	seal_of integer[] := '{}';
	place_of integer[] := '{}';
	proof_of json[] := '{}';
BEGIN
	EXECUTE format('SELECT %s.cdr_require_tables()', extension);
	IF checkpoint IS NOT NULL THEN
		EXECUTE format('SELECT * FROM %s.cdr_read_checkpoint($1)', extension) INTO given USING checkpoint;
		EXECUTE format($query$
			SELECT c.log FROM %s.cdr_checkpoints AS c WHERE c.size = $1 AND starts_with(c.note, $2)$query$, extension)
		INTO given_log USING given.size, given.lines;
		given_size := given.size;
		IF given_log IS NULL THEN
			RAISE invalid_parameter_value USING
				MESSAGE = 'that is no checkpoint of this database',
				HINT = 'cdr_verify_evidence() says whether the log still continues it.';
		END IF;
	END IF;
	-- a file that nobody could read is none
	EXECUTE format($query$
		SELECT count(*) AS events, COALESCE(sum(COALESCE(octet_length(e.body), octet_length(e.payload::text), 0)
			+ COALESCE(octet_length(e.headers::text), 0) + COALESCE(octet_length(e.properties::text), 0)), 0) AS bytes
		FROM %s.call_events AS e WHERE e.call_id = $1$query$, extension)
	INTO found USING call_id;
	IF found.events > 10000 OR found.bytes > 100000000 THEN
		RAISE program_limit_exceeded USING
			MESSAGE = 'the call is too large for a file',
			DETAIL = format('It has %s events, with %s bytes. There may be 10000, with 100000000 bytes.', found.events, found.bytes),
			HINT = 'Use cdr_verify_evidence().';
	END IF;
	events := found.events;

	EXECUTE format('SELECT %s.cdr_retired_logged()', extension) INTO retired;
	-- each seal that events of the call may be in
	FOR seal IN EXECUTE format($query$
		SELECT s.log, s.log_index, s.day, s.lo, s.hi, s.n, s.groups, s.members, s.leaves, l.entry
		FROM %1$s.cdr_seals AS s JOIN %1$s.cdr_log AS l USING (log, log_index)
		WHERE EXISTS (
			SELECT FROM %1$s.call_events AS e
			WHERE e.call_id = $1 AND (e.event_time AT TIME ZONE 'UTC')::date = s.day
			  AND e.recorded_at >= s.lo AND e.recorded_at <= s.hi AND e.recorded_at <@ s.members)
		ORDER BY s.log, s.log_index$query$, extension) USING call_id
	LOOP
		-- of its rows, those of the call, and those around them; of times that several
		-- rows have, all
		EXECUTE format($query$
			SELECT array_agg(e.leaf ORDER BY e.cdr_at, e.leaf) AS leaves, array_agg(e.rank ORDER BY e.rank) AS ranks,
				   array_agg(CASE WHEN e.is_mine THEN concat_ws(' ', e.event_time, e.event_id) END ORDER BY e.cdr_at, e.leaf) AS keys
			FROM (SELECT e.event_time, e.event_id, e.cdr_at, e.rank, e.is_mine, COALESCE(e.cdr_leaf, %2$s, sha256('')) AS leaf
				  FROM (SELECT e.*, e.call_id = $1 AS is_mine, row_number() OVER (ORDER BY e.cdr_at) AS rank,
							   bool_or(e.call_id = $1) OVER (ORDER BY e.cdr_at GROUPS BETWEEN 7 PRECEDING AND 7 FOLLOWING) AS is_near
						FROM (SELECT e.*, e.recorded_at AS cdr_at, NULL::bytea AS cdr_leaf
							  FROM %1$s.call_events AS e
							  WHERE e.event_time >= ($2::timestamp AT TIME ZONE 'UTC') AND e.event_time < (($2 + 1)::timestamp AT TIME ZONE 'UTC')
								AND e.recorded_at >= $3 AND e.recorded_at <= $4 AND e.recorded_at <@ $5
							  -- those that retention took leave their leaves
							  UNION ALL
							  SELECT (NULL::%1$s.call_events).*, r.recorded_at, r.leaf
							  FROM %1$s.cdr_retired_leaves($6, $2, $3, $4) AS r WHERE r.recorded_at <@ $5) AS e) AS e
				  WHERE e.is_near) AS e$query$, extension, leaf)
		INTO around USING call_id, seal.day, seal.lo, seal.hi, seal.members, retired;
		FOR i IN 1 .. cardinality(around.keys) LOOP
			CONTINUE WHEN around.keys[i] IS NULL;
			IF seal.leaves IS NULL THEN
				EXECUTE format('SELECT * FROM %s.cdr_place_in_seal($1, $2, $3, $4, $5)', extension)
				INTO found USING around.leaves, around.ranks, i, seal.n, seal.groups;
			ELSE
				-- rows of others may stand between
				EXECUTE format($query$
					SELECT p.place AS "position", CASE WHEN p.place IS NOT NULL THEN %s.cdr_inclusion_proof($1, p.place) END AS proof
					FROM (SELECT array_position($1, $2) - 1) AS p(place)$query$, extension)
				INTO found USING seal.leaves, around.leaves[i];
			END IF;
			keys := keys || around.keys[i];
			seal_of := seal_of || cardinality(seals);
			place_of := place_of || found."position";
			-- of a seal of one event it is empty
			proof_of := proof_of || (SELECT COALESCE(json_agg(encode(p.hash, 'base64') ORDER BY p.place), '[]')
									 FROM unnest(found.proof) WITH ORDINALITY AS p(hash, place));
		END LOOP;

		-- under the checkpoint that was given; else under those that stand outside, the first and the
		-- last; else under the last one
		IF given_log IS NOT NULL THEN
			sizes := CASE WHEN given_log = seal.log AND given.size > seal.log_index THEN ARRAY[given.size] ELSE '{}' END;
		ELSE
			EXECUTE format($query$
				SELECT min(a.size) AS first, max(a.size) AS last,
					   (SELECT max(c.size) FROM %1$s.cdr_checkpoints AS c WHERE c.log = $1 AND c.size > $2) AS of_log
				FROM %1$s.cdr_anchors AS a JOIN %1$s.cdr_checkpoints AS c USING (log, size)
				WHERE a.log = $1 AND a.size > $2$query$, extension)
			INTO found USING seal.log, seal.log_index;
			sizes := array_remove(ARRAY[COALESCE(found.first, found.of_log), NULLIF(found.last, found.first)], NULL);
		END IF;
		EXECUTE format($query$
			SELECT COALESCE(json_agg(%1$s.cdr_tlog_proof($1, $2, t.size) ORDER BY t.size), '[]')
			FROM unnest($3) AS t(size)$query$, extension)
		INTO proofs USING seal.log, seal.log_index, sizes;
		targets := targets || ARRAY(SELECT concat_ws(' ', seal.log, t.size) FROM unnest(sizes) AS t(size));
		seals := seals || json_build_object('log', seal.log, 'log_index', seal.log_index, 'entry', seal.entry, 'proofs', proofs);
	END LOOP;

	EXECUTE format($query$
		SELECT json_build_object('format', 'cdr-evidence-v1', 'call_id', $1,
			'origin', (SELECT split_part(c.note, E'\n', 1) FROM %1$s.cdr_checkpoints AS c ORDER BY c.log DESC, c.size DESC LIMIT 1),
			'exported', json_build_object('at', replace(to_json(clock_timestamp()) #>> '{}', '+00:00', 'Z'), 'login', $2, 'role', $3, 'reason', $4,
				'database', current_database(), 'version', (SELECT x.extversion FROM pg_extension AS x WHERE x.extname = 'cdr_service')),
			'events', (SELECT COALESCE(json_agg(CASE
				WHEN e.content_digest IS NULL THEN json_build_object(
					'event_time', %3$s, 'received_at', %4$s, 'recorded_at', %5$s, 'time_source', e.time_source::text,
					'event_type', e.event_type, 'tenant_id', e.tenant_id, 'salt', e.salt, 'event_id', e.event_id,
					'message_id', %6$s, 'call_id', e.call_id, 'trace_id', e.trace_id, 'routing_key', e.routing_key,
					'content_type', e.content_type, 'headers', e.headers::text, 'properties', e.properties::text,
					'body', %7$s, 'seal', k.seal, 'position', k.place, 'proof', k.proof, 'unproved', r.unproved)
				ELSE json_build_object(
					'event_time', %3$s, 'received_at', %4$s, 'recorded_at', %5$s, 'time_source', e.time_source::text,
					'event_type', e.event_type, 'tenant_id', e.tenant_id, 'content_digest', %8$s,
					'seal', k.seal, 'position', k.place, 'proof', k.proof, 'unproved', r.unproved) END
				ORDER BY e.event_time, e.event_id), '[]')
				FROM %1$s.call_events AS e
				-- once, where its row is as it was sealed
				LEFT JOIN (SELECT DISTINCT ON (p.key) p.* FROM unnest($5, $6, $7, $8) AS p(key, seal, place, proof)
						   ORDER BY p.key, p.place IS NULL, p.seal) AS k ON k.key = concat_ws(' ', e.event_time, e.event_id)
				CROSS JOIN LATERAL (SELECT CASE
					WHEN k.place IS NOT NULL THEN NULL
					WHEN k.seal IS NOT NULL THEN 'it, or a row beside it, is not as it was sealed'
					WHEN %9$s IS NULL THEN 'it was recorded without what a leaf needs'
					WHEN EXISTS (SELECT FROM %1$s.cdr_unsealed AS u WHERE e.recorded_at >= u.lo AND e.recorded_at <= u.hi
								 AND u.day = (e.event_time AT TIME ZONE 'UTC')::date) THEN 'it waits for its seal'
					ELSE 'no seal covers it' END) AS r(unproved)
				WHERE e.call_id = $1),
			'seals', array_to_json($9),
			'erasure', CASE WHEN EXISTS (SELECT FROM %1$s.call_events AS e WHERE e.call_id = $1 AND e.content_digest IS NOT NULL)
				THEN %1$s.cdr_erasure_proof($1, $11, $12) END,
			'anchors', (SELECT COALESCE(json_agg(json_build_object('kind', a.kind, 'checkpoint',
					array_to_string((string_to_array(c.note, E'\n'))[:3], E'\n') || E'\n',
					'added_at', %10$s, 'token', %11$s) ORDER BY a.log, a.size, a.added_at), '[]')
				FROM %1$s.cdr_anchors AS a JOIN %1$s.cdr_checkpoints AS c USING (log, size)
				WHERE concat_ws(' ', a.log, a.size) = ANY ($10)))$query$,
		extension, '', format(instant, 'event_time'), format(instant, 'received_at'), format(instant, 'recorded_at'),
		format(base64, 'e.message_id'), format(base64, 'COALESCE(e.body, convert_to(e.payload::text, ''UTF8''))'),
		format(base64, 'e.content_digest'), leaf, replace(format(instant, 'added_at'), 'e.', 'a.'), format(base64, 'a.token'))
	INTO file USING call_id, login, role, reason, keys, seal_of, place_of, proof_of, seals, targets,
		given_log, given_size;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_evidence_file(text, text, text, text, text) IS
'what cdr_evidence() returns, and how many events that has';
