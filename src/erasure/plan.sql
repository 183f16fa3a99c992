-- ---------------------------------------------------------------------------
-- Erasure: what is meant, and what would be erased
-- ---------------------------------------------------------------------------

-- Which rows of calls, "c", are meant: by $1 the number, $2 the call, $3 the tenant.  A
-- number in every spelling that differs in what it begins with.
CREATE FUNCTION @extschema@.cdr_erasure_condition()
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
BEGIN
	RETURN format($$
		($1 IS NULL OR ltrim(c.caller_number::text, '+0') = ltrim($1 COLLATE "C", '+0')
		 OR ltrim(c.callee_number::text, '+0') = ltrim($1 COLLATE "C", '+0'))
		AND ($2 IS NULL OR c.call_id = $2) AND ($3 IS NULL OR c.tenant_id::text = $3)
		AND NOT EXISTS (SELECT FROM ONLY %s.cdr_erased_calls AS k WHERE k.call_id = c.call_id)$$, extension);
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_erasure_condition() IS
'SQL: whether a row of calls, "c", is meant by $1, a number, $2, a call id, and $3, a tenant; and was not erased';

CREATE FUNCTION @extschema@.cdr_check_erasure(number text, call_id text, tenant_id text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	word text;
BEGIN
	IF COALESCE(number, call_id, tenant_id) IS NULL THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'it is not said what is to be erased',
			HINT = 'Give a number, a call_id or a tenant_id, or more than one of them.';
	END IF;
	FOREACH word IN ARRAY ARRAY[number, call_id, tenant_id] LOOP
		IF word !~ '[^[:space:]]' OR octet_length(word) > 1000 THEN
			RAISE invalid_parameter_value USING
				MESSAGE = 'an argument is empty, or longer than 1000 bytes';
		END IF;
	END LOOP;
	IF ltrim(number, '+0') = '' THEN
		RAISE invalid_parameter_value USING MESSAGE = format('"%s" is no number', number);
	ELSIF number ~* '^(sips?|tel):' OR (number ~ '^[-+0-9 ().]+$' AND number ~ '[- ()]') THEN
		-- no call has it so: nothing would be found
		RAISE invalid_parameter_value USING
			MESSAGE = format('"%s" is no number as calls has it', number),
			HINT = 'Give it without scheme, spaces and punctuation, like +12025550123.';
	END IF;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_check_erasure(text, text, text) IS
'an error unless it is said what is to be erased';

-- All that a row of dead_letters, or of call_events, says, as bytes.
CREATE FUNCTION @extschema@.cdr_said_by(kind text, row_alias text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
	SELECT format(CASE kind
		WHEN 'dead_letters' THEN $$%1$s.body || decode('00', 'hex') || COALESCE(%1$s.message_id, '') || convert_to(concat_ws(E'\n', '', %1$s.routing_key,
			%1$s.headers, %1$s.properties, %1$s.message, %1$s.detail), 'UTF8')$$
		WHEN 'events' THEN $$COALESCE(%1$s.body, '') || decode('00', 'hex') || COALESCE(%1$s.message_id, '') || convert_to(concat_ws(E'\n', '',
			%1$s.payload, %1$s.routing_key, %1$s.trace_id, %1$s.headers, %1$s.properties), 'UTF8')$$ END, row_alias)
$function$;

COMMENT ON FUNCTION @extschema@.cdr_said_by(text, text) IS
'SQL: all that a row of dead_letters or events says, as bytes, for cdr_names()';

-- What others want of rows of a kind: the rule that is theirs, and holds.
CREATE FUNCTION @extschema@.cdr_wanted_of(kind text, tenant text, moment timestamptz, holds uuid[])
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	instant constant text := 'YYYY-MM-DD"T"HH24:MI:SS"Z"';
	result text;
BEGIN
	-- (what is added is small enough for any time that is left)
	EXECUTE format($query$
		SELECT concat_ws('; ',
			(SELECT CASE WHEN r.keep IS NULL THEN format('a rule keeps %%s for ever (%%s)', replace($1, '_', ' '), r.purpose)
					WHEN NOT isfinite($3) OR $3 > '100000-01-01' THEN NULL
					WHEN $3 + r.keep > clock_timestamp() THEN format('a rule keeps %%s until %%s (%%s)', replace($1, '_', ' '), to_char($3 + r.keep, $5), r.purpose)
					ELSE format('a rule wants %%s gone since %%s (%%s)', replace($1, '_', ' '), to_char($3 + r.keep, $5), r.purpose) END
			 FROM ONLY %1$s.cdr_retention AS r
			 WHERE r.kind = $1 AND r.ended_at IS NULL AND (r.tenant_id IS NULL OR r.tenant_id = $2 COLLATE "C")
			 ORDER BY r.tenant_id IS NULL LIMIT 1),
			(SELECT CASE WHEN bool_or(h.expires_at IS NULL OR NOT isfinite(h.expires_at)) THEN 'held until that is released'
					ELSE 'held until ' || to_char(max(h.expires_at), $5) END
			 FROM ONLY %1$s.cdr_holds AS h WHERE h.hold_id = ANY ($4) HAVING count(*) > 0))$query$, extension)
	INTO result USING kind, tenant, moment, holds, instant;
	RETURN NULLIF(result, '');
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_wanted_of(text, text, timestamptz, uuid[]) IS
'what rules of retention, and holds, want of rows that are to be erased, with the rights of the caller';

CREATE FUNCTION @extschema@.cdr_erasure_plan(
	number text DEFAULT NULL,
	call_id text DEFAULT NULL,
	tenant_id text DEFAULT NULL,
	deep boolean DEFAULT false,
	OUT kind text,
	OUT call_id text,
	OUT items bigint,
	OUT first_time timestamptz,
	OUT last_time timestamptz,
	OUT held_by uuid[],
	OUT detail text,
	OUT wanted text)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_erasure_plan';

COMMENT ON FUNCTION @extschema@.cdr_erasure_plan(text, text, text, boolean) IS
'what cdr_erase() would erase, what is held, and what is to be erased elsewhere; changes nothing';

-- What that does, as the owner of the tables.
CREATE FUNCTION @extschema@.cdr_plan_erasure(
	number text,
	call_id text,
	tenant_id text,
	deep boolean,
	OUT kind text,
	OUT of_call text,
	OUT items bigint,
	OUT first_time timestamptz,
	OUT last_time timestamptz,
	OUT held_by uuid[],
	OUT detail text,
	OUT wanted text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	-- ids of calls by which dead letters are searched: each is looked for in each
	ids_at_most constant integer := 10000;
	ids text[] := '{}';
	chosen bigint := 0;
	words text[];
	condition text;
	holds_call text;
	holds_event text;
	holds_letter text;
	said text;
	call record;
	-- those that say nothing of each other stand in one text, and holds once
	wants constant text := format($query$
		SELECT NULLIF(concat_ws('; ', CASE WHEN $2 IS NOT NULL THEN %1$s.cdr_wanted_of(text 'events', $1::text, $2::timestamptz, NULL::uuid[]) END,
			CASE WHEN $3 IS NOT NULL THEN %1$s.cdr_wanted_of(text 'calls', $1::text, $3::timestamptz, NULL::uuid[]) END, %1$s.cdr_wanted_of(NULL::text, NULL::text, NULL::timestamptz, $4::uuid[])), '')$query$, extension);
BEGIN
	EXECUTE format('SELECT %1$s.cdr_check_erasure($1, $2, $3)', extension) USING number, call_id, tenant_id;
	EXECUTE format('SELECT %1$s.cdr_erasure_condition(), %1$s.cdr_hold_condition(''calls'', ''c''),'
		' %1$s.cdr_hold_condition(''events'', ''e''), %1$s.cdr_hold_condition(''dead_letters'', ''d''),'
		' %1$s.cdr_said_by(''dead_letters'', ''d'')', extension)
	INTO condition, holds_call, holds_event, holds_letter, said;

	FOR call IN EXECUTE format($query$
		SELECT c.*, e.n, e.first_time, e.last_time, COALESCE(c.tenant, e.tenant) AS whose,
			   NULLIF(ARRAY(SELECT h.hold_id FROM ONLY %1$s.cdr_holds AS h WHERE h.hold_id = ANY (c.held) OR h.hold_id = ANY (e.held)
							ORDER BY h.placed_at), '{}') AS holds
		FROM (SELECT c.call_id::text AS id, true AS has_row, c.recording_url::text, c.tenant_id::text AS tenant, COALESCE(c.end_time, c.last_event_time) AS ended,
					 ARRAY(SELECT h.hold_id FROM ONLY %1$s.cdr_holds AS h WHERE %3$s) AS held
			  FROM ONLY %1$s.calls AS c WHERE %2$s
			  -- one whose row is missing
			  UNION ALL SELECT $2, false, NULL, NULL, NULL, '{}' WHERE $1 IS NULL AND $3 IS NULL AND $2 IS NOT NULL
				AND NOT EXISTS (SELECT FROM ONLY %1$s.calls AS c WHERE c.call_id = $2)
				AND NOT EXISTS (SELECT FROM ONLY %1$s.cdr_erased_calls AS k WHERE k.call_id = $2)) AS c
		CROSS JOIN LATERAL (SELECT count(*) AS n, min(e.event_time) AS first_time, max(e.event_time) AS last_time, max(e.tenant_id) AS tenant,
				ARRAY(SELECT h.hold_id FROM ONLY %1$s.cdr_holds AS h
					  WHERE EXISTS (SELECT FROM %1$s.call_events AS e WHERE e.call_id = c.id AND %4$s)) AS held
			FROM %1$s.call_events AS e WHERE e.call_id = c.id) AS e$query$, extension, condition, holds_call, holds_event)
		USING number, call_id, tenant_id
	LOOP
		CONTINUE WHEN call.n = 0 AND NOT call.has_row;
		chosen := chosen + 1;
		IF chosen <= ids_at_most THEN
			ids := ids || call.id;
		END IF;
		kind := 'call'; of_call := call.id; items := call.n; first_time := call.first_time; last_time := call.last_time;
		held_by := call.holds; detail := NULL;
		EXECUTE wants INTO wanted USING call.whose, call.last_time, CASE WHEN call.has_row THEN call.ended END, call.holds;
		RETURN NEXT;
		IF call.recording_url IS NOT NULL THEN
			kind := 'recording elsewhere'; items := 1; detail := call.recording_url;
			RETURN NEXT;
		END IF;
	END LOOP;

	words := array_remove(ids || number || ltrim(number, '+0'), NULL);
	RETURN QUERY EXECUTE format($query$
		SELECT 'dead letter', NULL::text, 1::bigint, d.received_at, d.last_attempt_at, f.holds, d.event_id::text,
			   %1$s.cdr_wanted_of(text 'dead_letters', NULL::text, d.received_at::timestamptz, f.holds)
		FROM ONLY %1$s.dead_letters AS d
		CROSS JOIN LATERAL (SELECT NULLIF(ARRAY(SELECT h.hold_id FROM ONLY %1$s.cdr_holds AS h WHERE %2$s ORDER BY h.placed_at), '{}') AS holds) AS f
		WHERE %1$s.cdr_names(%3$s, $1)$query$, extension, holds_letter, said) USING words;

	IF deep AND number IS NOT NULL THEN
		EXECUTE format('SELECT %s.cdr_said_by(''events'', ''e'')', extension) INTO said;
		RETURN QUERY EXECUTE format($query$
			SELECT 'other event', e.call_id::text, count(*), min(e.event_time), max(e.event_time), NULL::uuid[],
				   CASE e.call_id WHEN '' THEN 'it belongs to no call' END, NULL::text
			FROM %1$s.call_events AS e
			WHERE NOT EXISTS (SELECT FROM ONLY %1$s.calls AS c WHERE c.call_id = e.call_id AND %2$s)
			  AND %1$s.cdr_names(%3$s, $4) GROUP BY e.call_id$query$, extension, condition, said)
		USING number, call_id, tenant_id, array_remove(ARRAY[number, ltrim(number, '+0')], NULL);
	END IF;

	kind := 'note'; of_call := NULL; items := NULL; first_time := NULL; last_time := NULL; held_by := NULL; wanted := NULL;
	IF number IS NOT NULL THEN
		detail := 'calls were read through for who called and who was called';
		RETURN NEXT;
		detail := CASE WHEN deep THEN 'all of the log was read through for events of other calls; to erase those, name the calls'
			ELSE 'events of other calls were not searched: deep => true reads all of the log' END;
		RETURN NEXT;
	END IF;
	IF chosen > ids_at_most THEN
		detail := format('dead letters were searched for the ids of %s calls', ids_at_most);
		RETURN NEXT;
	END IF;
	EXECUTE format('SELECT count(*) FROM ONLY %s.dead_letters AS d WHERE d.content_encoding IS NOT NULL', extension) INTO chosen;
	IF chosen > 0 THEN
		detail := format('%s dead letters may be packed, and were searched as they are', chosen);
		RETURN NEXT;
	END IF;
	detail := 'what was there before stays in files until cdr_wipe(), in WAL, its archive and backups until these are gone';
	RETURN NEXT;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_plan_erasure(text, text, text, boolean) IS
'what cdr_erasure_plan() does, with the rights of the caller';
