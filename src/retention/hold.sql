-- ---------------------------------------------------------------------------
-- Holds: what no retention and no erasure takes away
-- ---------------------------------------------------------------------------

-- The choke point: whoever takes records away asks this, and nothing else, what is held.
-- It is a condition on a row of cdr_holds, "h", and one of calls, call_events or
-- dead_letters, so that a statement over many rows asks it in one go.  In doubt, it holds:
--
-- - a call, whose last known time is in the hold's stretch of time, or whose first is;
-- - an event, if its call is held, or it would be itself; one whose call has no row any
--	 more, unless its own words rule out that it belongs to a call that is held;
-- - the key of an event without a time, likewise;
-- - a dead letter, of which is known what it says only if it can be read: if it cannot,
--	 or if a hold names no Call-ID (which letters belong to its calls is not known then),
--	 unless it came a day before the hold begins.
CREATE FUNCTION @extschema@.cdr_hold_condition(kind text, row_alias text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	in_force constant text := 'h.released_at IS NULL AND (h.expires_at > clock_timestamp()) IS NOT FALSE';
	of_call constant text := $$
		(h.call_id IS NULL OR %1$s.call_id::text = h.call_id COLLATE "C")
		AND (h.number IS NULL OR ltrim(%1$s.caller_number::text, '+0') = ltrim(h.number COLLATE "C", '+0')
			 OR ltrim(%1$s.callee_number::text, '+0') = ltrim(h.number COLLATE "C", '+0'))
		AND (h.tenant_id IS NULL OR %1$s.tenant_id::text = h.tenant_id COLLATE "C")
		AND (h.from_time IS NULL
			 OR GREATEST(%1$s.last_event_time, %1$s.start_time, %1$s.answer_time, %1$s.end_time) >= h.from_time)
		AND (h.to_time IS NULL
			 OR LEAST(%1$s.first_event_time, %1$s.start_time, %1$s.answer_time, %1$s.end_time) < h.to_time)$$;
	of_event constant text := $$
		(EXISTS (SELECT FROM ONLY %2$s.calls AS held WHERE held.call_id = %1$s.call_id AND %3$s)
		 OR ((h.call_id IS NULL OR %1$s.call_id::text = h.call_id COLLATE "C")
			 AND (h.from_time IS NULL OR %1$s.event_time >= h.from_time)
			 AND (h.to_time IS NULL OR %1$s.event_time < h.to_time)
			 AND CASE WHEN EXISTS (SELECT FROM ONLY %2$s.calls AS held WHERE held.call_id = %1$s.call_id)
					  THEN h.number IS NULL AND (h.tenant_id IS NULL OR %1$s.tenant_id::text = h.tenant_id COLLATE "C")
					  ELSE h.tenant_id IS NULL OR (%1$s.tenant_id::text = h.tenant_id COLLATE "C") IS NOT FALSE END))$$;
	of_key constant text := $$
		(EXISTS (SELECT FROM ONLY %2$s.calls AS held WHERE held.call_id = %1$s.call_id AND %3$s)
		 OR ((h.call_id IS NULL OR %1$s.call_id::text = h.call_id COLLATE "C")
			 AND (h.from_time IS NULL OR %1$s.event_time >= h.from_time)
			 AND (h.to_time IS NULL OR %1$s.event_time < h.to_time)
			 AND NOT EXISTS (SELECT FROM ONLY %2$s.calls AS held WHERE held.call_id = %1$s.call_id)))$$;
	-- "escape" writes whatever is not of ASCII with a backslash (E: whatever
	-- standard_conforming_strings is)
	of_letter constant text := $$
		(h.from_time IS NULL OR %1$s.received_at >= h.from_time - interval '1 day')
		AND (h.call_id IS NULL OR %1$s.content_encoding IS NOT NULL OR %1$s.body_size > length(%1$s.body)
			 OR (SELECT said.text ~ E'[\\\\%%]' OR position(h.call_id IN said.text) > 0
				 FROM (SELECT concat_ws(' ', encode(%1$s.body, 'escape'), encode(%1$s.message_id, 'escape'),
						%1$s.routing_key, %1$s.headers, %1$s.properties, %1$s.message, %1$s.detail)) AS said(text)))$$;
BEGIN
	RETURN '(' || in_force || ' AND ' || CASE kind
		WHEN 'calls' THEN format(of_call, row_alias)
		WHEN 'events' THEN format(of_event, row_alias, extension, format(of_call, 'held'))
		WHEN 'event_keys' THEN format(of_key, row_alias, extension, format(of_call, 'held'))
		WHEN 'dead_letters' THEN format(of_letter, row_alias) END || ')';
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_hold_condition(text, text) IS
'SQL: whether a hold, "h", holds a row of calls, events or dead_letters; who takes records away asks no other';

CREATE FUNCTION @extschema@.cdr_held(kind text, row_alias text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	condition text;
BEGIN
	EXECUTE format('SELECT %s.cdr_hold_condition($1, $2)', extension) INTO condition USING kind, row_alias;
	RETURN format('EXISTS (SELECT FROM ONLY %s.cdr_holds AS h WHERE %s)', extension, condition);
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_held(text, text) IS
'SQL: whether a row of calls, events or dead_letters is held';

-- Who places a hold waits until who takes records away is done; and who takes records away
-- sees all holds that are placed.  In each transaction, before it looks at what is held.
CREATE FUNCTION @extschema@.cdr_lock_holds()
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	owner name;
	hidden regclass;
BEGIN
	EXECUTE format('SELECT %s.cdr_ordinary_owner()', extension) INTO owner;
	IF NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = to_regclass(extension || '.cdr_holds')
				   AND c.relowner::regrole::text = quote_ident(owner) AND c.relkind = 'r') THEN
		RAISE undefined_table USING
			MESSAGE = 'the tables of retention are missing',
			HINT = format('Run SELECT %s.cdr_create_retention_tables().', extension);
	END IF;
	-- a snapshot from before the lock would not see what was placed meanwhile
	IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
		RAISE invalid_transaction_state USING
			MESSAGE = 'records are taken away under READ COMMITTED only',
			DETAIL = 'A hold that is placed meanwhile would not be seen.';
	END IF;
	EXECUTE format('LOCK TABLE ONLY %s.cdr_holds IN SHARE MODE', extension);
	-- where policies are forced on their owner, a hold would not be seen, or what it holds
	SELECT t.relation INTO hidden
	FROM (SELECT to_regclass(format('%s.%s', extension, n.name)) AS relation
		  FROM unnest('{cdr_holds,cdr_retention,calls,dead_letters,timeless_events}'::text[]) AS n(name)
		  UNION ALL SELECT p.relid FROM pg_partition_tree((extension || '.call_events')::regclass) AS p) AS t
	WHERE row_security_active(t.relation) LIMIT 1;
	IF FOUND THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('row-level security of %s may hide what is held', hidden),
			HINT = format('Run ALTER TABLE %s NO FORCE ROW LEVEL SECURITY.', hidden);
	END IF;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_lock_holds() IS
'until the end of the transaction, no hold is placed or released';

CREATE FUNCTION @extschema@.cdr_held_calls(
	OUT hold_id uuid,
	OUT call_id text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	condition text;
BEGIN
	EXECUTE format('SELECT %s.cdr_hold_condition($1, $2)', extension) INTO condition USING 'calls', 'c';
	RETURN QUERY EXECUTE format('SELECT h.hold_id, c.call_id::text FROM ONLY %1$s.cdr_holds AS h'
		' JOIN ONLY %1$s.calls AS c ON %2$s', extension, condition);
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_held_calls() IS
'which calls are held now, and by which holds';

-- No personal data: the log is never erased.  The digest is keyed with what stands in the
-- row, so that it says nothing once the row is gone.
CREATE FUNCTION @extschema@.cdr_hold_entry(hold_id uuid, act text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	result text;
BEGIN
	IF act IS NULL OR act NOT IN ('placed', 'released') THEN
		RAISE invalid_parameter_value USING MESSAGE = 'a hold is "placed" or "released"';
	END IF;
	EXECUTE format($query$
		SELECT concat_ws(E'\n', 'cdr-hold-v1', $2, h.hold_id,
			to_char(CASE $2 WHEN 'placed' THEN h.placed_at ELSE h.released_at END, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
			'sql:' || regexp_replace(CASE $2 WHEN 'placed' THEN h.login ELSE h.release_login END, '[[:cntrl:]]', '?', 'g'),
			encode(sha256(uuid_send(h.key) || convert_to((to_jsonb(h) - 'key' - CASE $2 WHEN 'placed'
				THEN '{released_at,release_login,release_role,release_reason}'::text[] ELSE '{}' END)::text, 'UTF8')), 'base64'),
			'')
		FROM ONLY %s.cdr_holds AS h WHERE h.hold_id = $1 AND ($2 = 'placed' OR h.released_at IS NOT NULL)$query$, extension)
	INTO result USING hold_id, act;
	RETURN result;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_hold_entry(uuid, text) IS
'what the log of seals says of a hold that was "placed", or "released"';

CREATE FUNCTION @extschema@.cdr_hold(
	reason text,
	reference text DEFAULT NULL,
	authority text DEFAULT NULL,
	call_id text DEFAULT NULL,
	number text DEFAULT NULL,
	tenant_id text DEFAULT NULL,
	from_time timestamptz DEFAULT NULL,
	to_time timestamptz DEFAULT NULL,
	expires_at timestamptz DEFAULT NULL)
RETURNS uuid
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_hold';

COMMENT ON FUNCTION @extschema@.cdr_hold(text, text, text, text, text, text, timestamptz, timestamptz, timestamptz) IS
'holds calls, now and later, with their events and dead letters: nothing of them is retired or erased; returns the id of the hold';

CREATE FUNCTION @extschema@.cdr_release_hold(hold_id uuid, reason text)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_release_hold';

COMMENT ON FUNCTION @extschema@.cdr_release_hold(uuid, text) IS
'releases a hold; its row stays';

-- What these two do, as the owner of the table.
CREATE FUNCTION @extschema@.cdr_place_hold(
	reason text, reference text, authority text, call_id text, number text, tenant_id text,
	from_time timestamptz, to_time timestamptz, expires_at timestamptz, login text, role text)
RETURNS uuid
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	new_id constant uuid := gen_random_uuid();
	argument record;
BEGIN
	FOR argument IN VALUES ('reference', reference), ('authority', authority), ('call_id', call_id),
		('number', number), ('tenant_id', tenant_id)
	LOOP
		IF argument.column2 !~ '[^[:space:]]' OR octet_length(argument.column2) > 1000 THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('%s is empty, or longer than 1000 bytes', argument.column1);
		END IF;
	END LOOP;
	IF COALESCE(call_id, number, tenant_id, from_time::text, to_time::text) IS NULL THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'it is not said what is to be held',
			HINT = 'Give a call_id, a number, a tenant_id or a time; from_time => ''-infinity'' is everything.';
	ELSIF from_time >= to_time THEN
		RAISE invalid_parameter_value USING MESSAGE = 'from_time must be before to_time';
	ELSIF expires_at <= clock_timestamp() THEN
		RAISE invalid_parameter_value USING MESSAGE = 'expires_at must be in the future';
	ELSIF ltrim(number, '+0') = '' THEN
		RAISE invalid_parameter_value USING MESSAGE = format('"%s" is no number', number);
	ELSIF number ~* '^(sips?|tel):' OR (number ~ '^[-+0-9 ().]+$' AND number ~ '[- ()]') THEN
		-- no call has it so: that would hold nothing
		RAISE invalid_parameter_value USING
			MESSAGE = format('"%s" is no number as calls has it', number),
			HINT = 'Give it without scheme, spaces and punctuation, like +12025550123.';
	END IF;
	EXECUTE format('INSERT INTO %s.cdr_holds (hold_id, placed_at, login, role, reason, reference, authority,'
		' call_id, number, tenant_id, from_time, to_time, expires_at, key)'
		' VALUES ($1, clock_timestamp(), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, gen_random_uuid())', extension)
	USING new_id, login, role, reason, reference, authority, call_id, number, tenant_id, from_time, to_time, expires_at;
	EXECUTE format('SELECT %1$s.cdr_put_entry(%1$s.cdr_hold_entry($1, ''placed''))', extension) USING new_id;
	RETURN new_id;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_place_hold(text, text, text, text, text, text, timestamptz, timestamptz, timestamptz, text, text) IS
'what cdr_hold() does, with the rights of the caller';

CREATE FUNCTION @extschema@.cdr_end_hold(hold_id uuid, reason text, login text, role text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	found_id uuid;
BEGIN
	EXECUTE format('UPDATE ONLY %s.cdr_holds AS h SET released_at = clock_timestamp(), release_login = $2,'
		' release_role = $3, release_reason = $4 WHERE h.hold_id = $1 AND h.released_at IS NULL RETURNING h.hold_id', extension)
	INTO found_id USING hold_id, login, role, reason;
	IF found_id IS NULL THEN
		RAISE no_data_found USING
			MESSAGE = format('there is no hold %s, or it was released', COALESCE(hold_id::text, 'NULL'));
	END IF;
	EXECUTE format('SELECT %1$s.cdr_put_entry(%1$s.cdr_hold_entry($1, ''released''))', extension) USING found_id;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_end_hold(uuid, text, text, text) IS
'what cdr_release_hold() does, with the rights of the caller';
