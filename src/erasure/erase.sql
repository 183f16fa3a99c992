-- ---------------------------------------------------------------------------
-- Erasure: done
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_erase(
	number text DEFAULT NULL,
	call_id text DEFAULT NULL,
	tenant_id text DEFAULT NULL,
	reason text DEFAULT NULL,
	reference text DEFAULT NULL,
	max_calls integer DEFAULT 1000,
	OUT erasure_id uuid,
	OUT calls bigint,
	OUT events bigint,
	OUT dead_letters bigint,
	OUT held bigint,
	OUT more boolean)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_erase';

COMMENT ON FUNCTION @extschema@.cdr_erase(text, text, text, text, text, integer) IS
'erases who took part in the calls of a number, a call or a tenant, but for what is held; more: there are further ones, so call it again';

CREATE FUNCTION @extschema@.cdr_destroy_erasure_key(month date, reason text)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_destroy_erasure_key';

COMMENT ON FUNCTION @extschema@.cdr_destroy_erasure_key(date, text) IS
'destroys the key of the pseudonyms of a month: from then on nobody can tell whose they are';

-- What these two do, as the owner of the tables; each with parts of its own.

-- The key of this month, by UTC.
CREATE FUNCTION @extschema@.cdr_make_erasure_key(OUT month date, OUT key bytea)
RETURNS record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
BEGIN
	month := date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC');
	-- of 366 random bits, 256
	EXECUTE format('INSERT INTO %s.cdr_erasure_keys AS k (month, key, made_at) VALUES ($1, sha256(uuid_send(gen_random_uuid())'
		' || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), clock_timestamp()) ON CONFLICT DO NOTHING', extension)
	USING month;
	EXECUTE format('SELECT k.key FROM ONLY %s.cdr_erasure_keys AS k WHERE k.month = $1', extension) INTO key USING month;
	IF key IS NULL THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('the key of %s is destroyed, or a rule or trigger has changed it', to_char(month, 'YYYY-MM'));
	END IF;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_make_erasure_key() IS
'the key of this month''s pseudonyms, made if there is none';

-- Where the pseudonym of a call is there already, because events came late, or again, after an
-- older backup had brought back what they belong to: what both have is taken away, and the
-- two rows become one.  A leaf of what is taken away stays, for its seal.
CREATE FUNCTION @extschema@.cdr_join_erased(ids text[], key bytea, login text, role text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	leaf text;
	retired uuid;
	repeated json;
BEGIN
	EXECUTE format($query$
		SELECT ARRAY(SELECT t.id FROM unnest($1) AS t(id), LATERAL (SELECT %1$s.cdr_pseudonym($2, t.id) AS name) AS p
			WHERE EXISTS (SELECT FROM ONLY %1$s.calls AS c WHERE c.call_id = p.name)
			   OR EXISTS (SELECT FROM %1$s.call_events AS e WHERE e.call_id = p.name))$query$, extension)
	INTO ids USING ids, key;
	IF cardinality(ids) = 0 THEN
		RETURN;
	END IF;
	EXECUTE format('SELECT %s.cdr_leaf_of_row()', extension) INTO leaf;
	-- an id is that of a content: the same one at another time had no time of its own
	EXECUTE format($query$
		WITH gone AS (
			DELETE FROM %1$s.call_events AS x WHERE x.call_id = ANY ($1) AND EXISTS (SELECT FROM %1$s.call_events AS p
				WHERE p.call_id = %1$s.cdr_pseudonym($2, x.call_id::text) AND p.event_id = %1$s.cdr_pseudonym($2, x.event_id))
			RETURNING x.call_id, x.event_time AS moment, x.recorded_at, %2$s AS leaf),
		one AS (
			SELECT gen_random_uuid() AS retired_id, count(*) AS n, min(g.moment) AS lo, max(g.moment) AS hi,
				   %1$s.cdr_tree_root(array_agg(g.leaf ORDER BY g.recorded_at, g.leaf) FILTER (WHERE g.leaf IS NOT NULL)) AS root
			FROM gone AS g HAVING count(*) > 0),
		stubs AS (
			INSERT INTO %1$s.cdr_leaf_stubs (retired_id, day, recorded_at, leaf)
			SELECT o.retired_id, (g.moment AT TIME ZONE 'UTC')::date, g.recorded_at, g.leaf FROM gone AS g CROSS JOIN one AS o WHERE g.leaf IS NOT NULL)
		INSERT INTO %1$s.cdr_retired AS r (retired_id, retired_at, login, role, kind, action, from_time, until_time, rows, root, reason)
		SELECT o.retired_id, clock_timestamp(), $3, $4, 'repetitions', 'deleted', o.lo, o.hi + interval '1 us', o.n, o.root, 'known by their pseudonyms'
		FROM one AS o
		RETURNING r.retired_id, (SELECT json_object_agg(g.call_id, g.n) FROM (SELECT g.call_id, count(*) AS n FROM gone AS g GROUP BY 1) AS g)$query$,
		extension, leaf)
	INTO retired, repeated USING ids, key, login, role;
	IF retired IS NOT NULL THEN
		EXECUTE format('SELECT %1$s.cdr_put_entry(%1$s.cdr_retention_entry($1))', extension) USING retired;
	END IF;
	EXECUTE format('DELETE FROM ONLY %1$s.timeless_events AS t WHERE t.call_id = ANY ($1) AND EXISTS (SELECT FROM ONLY %1$s.timeless_events AS p'
		' WHERE p.call_id = %1$s.cdr_pseudonym($2, t.call_id::text) AND p.event_id = %1$s.cdr_pseudonym($2, t.event_id))', extension)
	USING ids, key;
	EXECUTE format($query$
		UPDATE ONLY %1$s.calls AS p SET (
			@column@@,@
		) = (SELECT
			(j.joined).@column@@,@
			FROM (SELECT %1$s.cdr_join_calls(ROW(
				p.@column@::@type@@,@
			), %1$s.cdr_erased_call(ROW(
				c.@column@::@type@@,@
			), $2)) AS joined OFFSET 0) AS j)
		FROM ONLY %1$s.calls AS c WHERE c.call_id = ANY ($1) AND p.call_id = %1$s.cdr_pseudonym($2, c.call_id::text)$query$, extension)
	USING ids, key;
	EXECUTE format('UPDATE ONLY %1$s.calls AS p SET event_count = p.event_count - r.n::bigint'
		' FROM json_each_text($1) AS r(id, n) WHERE p.call_id = %1$s.cdr_pseudonym($2, r.id)', extension)
	USING repeated, key;
	EXECUTE format('DELETE FROM ONLY %1$s.calls AS c WHERE c.call_id = ANY ($1)'
		' AND EXISTS (SELECT FROM ONLY %1$s.calls AS p WHERE p.call_id = %1$s.cdr_pseudonym($2, c.call_id::text))', extension)
	USING ids, key;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_join_erased(text[], bytea, text, text) IS
'joins calls that are about to be erased with what is there of them under their pseudonyms, with the rights of the caller';

-- Alerts that tell of calls that were erased, or of the number: their subjects, where these
-- are people, and the ids of calls become pseudonyms.
CREATE FUNCTION @extschema@.cdr_rename_alerts(key bytea, ids text[], number text, tenant_id text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	renamed bigint;
BEGIN
	EXECUTE format('DELETE FROM ONLY %1$s.cdr_alert_pending AS p USING %1$s.cdr_alert_rules AS r'
		' WHERE r.name = p.rule AND r.scope = ''caller'' AND ltrim(p.subject, ''+0'') = ltrim($1 COLLATE "C", ''+0'')', extension)
	USING number;
	EXECUTE format($query$
		UPDATE ONLY %1$s.cdr_alerts AS a SET
			-- each another one: two that are open must not become the same
			subject = CASE WHEN a.scope IN ('caller', 'user') AND a.subject NOT LIKE 'erased:%%'
						   THEN %1$s.cdr_pseudonym($1, a.subject || ' ' || a.id) ELSE a.subject END,
			call_ids = ARRAY(SELECT CASE WHEN i.id = ANY ($2) THEN %1$s.cdr_pseudonym($1, i.id) ELSE i.id END
							 FROM unnest(a.call_ids) WITH ORDINALITY AS i(id, n) ORDER BY i.n)
		WHERE a.call_ids && $2
		   OR (a.subject NOT LIKE 'erased:%%'
			   AND ((a.scope = 'caller' AND ltrim(a.subject, '+0') = ltrim($3 COLLATE "C", '+0'))
					OR (a.scope IN ('caller', 'user') AND a.tenant_id = $4)))$query$, extension)
	USING key, ids, number, tenant_id;
	GET DIAGNOSTICS renamed = ROW_COUNT;
	RETURN renamed;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_rename_alerts(bytea, text[], text, text) IS
'what cdr_erase_alerts() does, with the rights of the caller';

CREATE FUNCTION @extschema@.cdr_erase_alerts(key bytea, ids text[], number text, tenant_id text)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_erase_alerts';

COMMENT ON FUNCTION @extschema@.cdr_erase_alerts(bytea, text[], text, text) IS
'puts pseudonyms into alerts that tell of calls that are erased; for the owner of calls';

-- Erases calls by their ids, which nothing holds: the caller has locked holds and calls.
CREATE FUNCTION @extschema@.cdr_erase_calls(
	ids text[],
	id uuid,
	month date,
	key bytea,
	OUT calls bigint,
	OUT events bigint)
RETURNS record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	name text;
	is_left boolean;
	said text;
	more text;
BEGIN
	EXECUTE format('INSERT INTO %1$s.cdr_erased_calls (call_id, erasure_id, month)'
		' SELECT %1$s.cdr_pseudonym($3, t.id), $2, $4 FROM unnest($1) AS t(id) ON CONFLICT DO NOTHING', extension)
	USING ids, id, key, month;
	calls := cardinality(ids);
	BEGIN
		EXECUTE format($query$
			UPDATE %1$s.call_events AS e SET
				-- an event without a salt had no leaf
				content_digest = COALESCE(e.content_digest, %1$s.cdr_event_content_digest(e.salt, e.event_id, e.message_id, e.call_id, e.trace_id,
					e.routing_key, e.content_type, e.headers, e.properties, e.payload, e.body), ''),
				event_id = %1$s.cdr_pseudonym($2, e.event_id), call_id = %1$s.cdr_pseudonym($2, e.call_id::text),
				trace_id = NULL, routing_key = NULL, message_id = NULL, content_type = NULL, headers = NULL, properties = NULL,
				salt = NULL, payload = NULL, body = NULL
			WHERE e.call_id = ANY ($1)$query$, extension)
		USING ids, key;
		GET DIAGNOSTICS events = ROW_COUNT;
		EXECUTE format('UPDATE ONLY %1$s.timeless_events AS t SET event_id = %1$s.cdr_pseudonym($2, t.event_id),'
			' call_id = %1$s.cdr_pseudonym($2, t.call_id::text) WHERE t.call_id = ANY ($1)', extension)
		USING ids, key;
		EXECUTE format($query$
			UPDATE ONLY %1$s.calls AS c SET (
				@column@@,@
			) = (SELECT
				(e.erased).@column@@,@
				FROM (SELECT %1$s.cdr_erased_call(ROW(
					c.@column@::@type@@,@
				), $2) AS erased OFFSET 0) AS e)
			WHERE c.call_id = ANY ($1)$query$, extension)
		USING ids, key;
	EXCEPTION WHEN foreign_key_violation THEN
		GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, more = PG_EXCEPTION_DETAIL;
		RAISE foreign_key_violation USING
			MESSAGE = said, DETAIL = more,
			HINT = 'An erased call has another key. Remove these rows, or have the foreign key follow it (ON UPDATE CASCADE, or SET NULL).';
	-- what is deferred would run with the rights of whoever commits, so the server refuses it
	WHEN insufficient_privilege THEN
		GET STACKED DIAGNOSTICS said = MESSAGE_TEXT;
		SELECT format('Constraint "%s" of table %s can be deferred.', c.conname, c.conrelid::regclass) INTO more
		FROM pg_trigger AS t JOIN pg_constraint AS c ON c.oid = t.tgconstraint
		WHERE t.tgdeferrable AND t.tgenabled <> 'D' AND t.tgrelid IN (
			SELECT to_regclass(format('%s.%s', extension, n.name)) FROM unnest('{calls,call_events,timeless_events}'::text[]) AS n(name)
			UNION ALL SELECT p.relid FROM pg_partition_tree((extension || '.call_events')::regclass) AS p)
		ORDER BY c.condeferred DESC, c.conname LIMIT 1;
		IF more IS NULL THEN
			RAISE;
		END IF;
		RAISE insufficient_privilege USING
			MESSAGE = said, DETAIL = more,
			HINT = 'Run SET CONSTRAINTS ALL IMMEDIATE before, in the same transaction.';
	END;
	-- a rule or trigger of others may have kept a row as it was, or what is known of it
	FOREACH name IN ARRAY ARRAY['calls', 'call_events', 'timeless_events'] LOOP
		EXECUTE format('SELECT EXISTS (SELECT FROM %s %s.%s AS t WHERE t.call_id = ANY ($1))',
			CASE name WHEN 'call_events' THEN '' ELSE 'ONLY' END, extension, name) INTO is_left USING ids;
		EXIT WHEN is_left;
	END LOOP;
	IF NOT is_left THEN
		name := 'cdr_erased_calls';
		EXECUTE format('SELECT EXISTS (SELECT FROM unnest($1) AS t(id) WHERE NOT EXISTS (SELECT FROM ONLY %1$s.cdr_erased_calls AS k'
			' WHERE k.call_id = %1$s.cdr_pseudonym($2, t.id)))', extension) INTO is_left USING ids, key;
	END IF;
	IF is_left THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('a rule or trigger keeps calls in table "%s" from being erased', name),
			HINT = 'Drop or disable it.';
	END IF;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_erase_calls(text[], uuid, date, bytea) IS
'erases calls that nothing holds, and their events, with the rights of the caller';

-- What an erasure locks, in this order: holds, so that none is placed meanwhile; and calls,
-- so that nobody records an event of a call that is being erased.  Whoever waits for that
-- lock has others wait behind it, so it is not waited for long, unless that is asked for.
CREATE FUNCTION @extschema@.cdr_lock_for_erasure()
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	timeout constant text := current_setting('lock_timeout');
BEGIN
	IF timeout = '0' THEN
		PERFORM set_config('lock_timeout', '3s', true);
	END IF;
	EXECUTE format('SELECT %s.cdr_lock_holds()', extension);
	EXECUTE format('LOCK TABLE ONLY %s.calls IN SHARE ROW EXCLUSIVE MODE', extension);
	PERFORM set_config('lock_timeout', timeout, true);
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_lock_for_erasure() IS
'until the end of the transaction, no hold is placed, and no event is recorded';

-- Those that name one of some words are looked for before anything is locked, and gone if
-- nothing holds them then.
CREATE FUNCTION @extschema@.cdr_erase_dead_letters(letters uuid[], OUT erased bigint, OUT held bigint)
RETURNS record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	is_held text;
	is_left boolean;
BEGIN
	EXECUTE format('SELECT %s.cdr_held(''dead_letters'', ''d'')', extension) INTO is_held;
	EXECUTE format('SELECT count(*) FROM ONLY %s.dead_letters AS d WHERE d.event_id = ANY ($1) AND %s', extension, is_held)
	INTO held USING letters;
	EXECUTE format('DELETE FROM ONLY %s.dead_letters AS d WHERE d.event_id = ANY ($1) AND NOT %s', extension, is_held)
	USING letters;
	GET DIAGNOSTICS erased = ROW_COUNT;
	EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s.dead_letters AS d WHERE d.event_id = ANY ($1) AND NOT %s)', extension, is_held)
	INTO is_left USING letters;
	IF is_left THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = 'a rule or trigger keeps rows in table "dead_letters" from being erased',
			HINT = 'Drop or disable it.';
	END IF;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_erase_dead_letters(uuid[]) IS
'deletes those of some dead letters that are not held, with the rights of the caller';

-- No personal data: the log is never erased.
CREATE FUNCTION @extschema@.cdr_erasure_entry(erasure_id uuid)
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
		SELECT concat_ws(E'\n', 'cdr-erasure-v1', e.erasure_id, to_char(e.erased_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
			'sql:' || regexp_replace(e.login, '[[:cntrl:]]', '?', 'g'), e.calls, e.events, e.dead_letters, e.subject, '')
		FROM ONLY %s.cdr_erasures AS e WHERE e.erasure_id = $1$query$, extension)
	INTO result USING erasure_id;
	RETURN result;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_erasure_entry(uuid) IS
'what the log of seals says of an erasure';

CREATE FUNCTION @extschema@.cdr_note_erasure(
	id uuid, month date, subject text, reason text, reference text, login text, role text,
	calls bigint, events bigint, dead_letters bigint, held bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
BEGIN
	EXECUTE format('INSERT INTO %s.cdr_erasures (erasure_id, erased_at, login, role, reason, reference, month, subject,'
		' calls, events, dead_letters, held) VALUES ($1, clock_timestamp(), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)', extension)
	USING id, login, role, reason, reference, month, subject, calls, events, dead_letters, held;
	EXECUTE format('SELECT %1$s.cdr_put_entry(%1$s.cdr_erasure_entry($1))', extension) USING id;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_note_erasure(uuid, date, text, text, text, text, text, bigint, bigint, bigint, bigint) IS
'records an erasure, here and in the log of seals, with the rights of the caller';

CREATE FUNCTION @extschema@.cdr_erase_chosen(
	number text,
	call_id text,
	tenant_id text,
	reason text,
	reference text,
	max_calls integer,
	login text,
	role text,
	OUT erasure_id uuid,
	OUT calls bigint,
	OUT events bigint,
	OUT dead_letters bigint,
	OUT held bigint,
	OUT more boolean)
RETURNS record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	chosen text := $query$
		SELECT c.call_id::text AS id, %2$s AS is_held FROM ONLY %1$s.calls AS c WHERE %3$s
		-- one whose row is missing
		UNION ALL SELECT $2, false WHERE $1 IS NULL AND $3 IS NULL AND $2 IS NOT NULL
			AND NOT EXISTS (SELECT FROM ONLY %1$s.calls AS c WHERE c.call_id = $2)
			AND EXISTS (SELECT FROM %1$s.call_events AS e WHERE e.call_id = $2)$query$;
	is_held text;
	event_is_held text;
	condition text;
	ids text[];
	meant integer;
	held_events bigint;
	held_letters bigint;
	said text;
	letters uuid[];
	alerts bigint;
	key record;
BEGIN
	EXECUTE format('SELECT %s.cdr_check_erasure($1, $2, $3)', extension) USING number, call_id, tenant_id;
	IF max_calls IS NULL OR max_calls NOT BETWEEN 1 AND 10000 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'max_calls must be between 1 and 10000';
	ELSIF reference IS NOT NULL AND (reference !~ '[^[:space:]]' OR octet_length(reference) > 1000) THEN
		RAISE invalid_parameter_value USING MESSAGE = 'the reference is empty, or longer than 1000 bytes';
	ELSIF call_id LIKE 'erased:%' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'that is a pseudonym, and no Call-ID';
	END IF;
	EXECUTE format('SELECT %1$s.cdr_erasure_condition(), %1$s.cdr_held(''calls'', ''c''), %1$s.cdr_held(''events'', ''e'')', extension)
	INTO condition, is_held, event_is_held;
	chosen := format(chosen, extension, is_held, condition);

	EXECUTE format('SELECT %s.cdr_show_progress(text ''erase'', text ''looking for what is meant'', 0::bigint, NULL::bigint)', extension);
	-- which are meant takes as long as it takes to read calls through: nobody waits for that
	EXECUTE format('SELECT ARRAY(SELECT c.id FROM (%s) AS c WHERE NOT c.is_held LIMIT $4 + 1), (SELECT count(*) FROM (%1$s) AS c WHERE c.is_held)',
		chosen) INTO ids, held USING number, call_id, tenant_id, max_calls;
	more := cardinality(ids) > max_calls;
	ids := ids[:max_calls];
	EXECUTE format('SELECT %s.cdr_show_progress(text ''erase'', text ''looking for dead letters'', 0::bigint, NULL::bigint)', extension);
	EXECUTE format('SELECT %s.cdr_said_by(''dead_letters'', ''d'')', extension) INTO said;
	EXECUTE format('SELECT ARRAY(SELECT d.event_id FROM ONLY %1$s.dead_letters AS d WHERE %1$s.cdr_names(%2$s, $1))', extension, said)
	INTO letters USING array_remove(ids || number || ltrim(number, '+0'), NULL);

	-- what is still meant, and held by nothing, under the lock; what is not any more, a remap
	-- may have given to another call
	meant := cardinality(ids);
	EXECUTE format('SELECT %s.cdr_show_progress(text ''erase'', text ''waiting for locks'', 0::bigint, NULL::bigint)', extension);
	EXECUTE format('SELECT %s.cdr_lock_for_erasure()', extension);
	EXECUTE format($query$
		WITH chosen AS MATERIALIZED (
			SELECT c.id, c.is_held OR EXISTS (SELECT FROM %1$s.call_events AS e WHERE e.call_id = c.id AND %2$s) AS is_held
			FROM unnest($4) AS t(id) CROSS JOIN LATERAL (%3$s OFFSET 0) AS c WHERE c.id = t.id)
		SELECT ARRAY(SELECT c.id FROM chosen AS c WHERE NOT c.is_held ORDER BY c.id COLLATE "C"),
			   (SELECT count(*) FROM chosen AS c WHERE c.is_held)$query$,
		extension, event_is_held, replace(replace(chosen, '($2 IS NULL OR c.call_id = $2)', 'c.call_id = t.id'), '$2', 't.id'))
	INTO ids, held_events USING number, call_id, tenant_id, ids;
	held := held + held_events;
	more := more OR cardinality(ids) + held_events < meant;

	erasure_id := gen_random_uuid();
	EXECUTE format('SELECT %s.cdr_show_progress(text ''erase'', text ''erasing'', $1::bigint, $2::bigint)', extension) USING 0, cardinality(ids);
	EXECUTE format('SELECT * FROM %s.cdr_make_erasure_key()', extension) INTO key;
	EXECUTE format('SELECT %s.cdr_join_erased($1, $2, $3, $4)', extension) USING ids, key.key, login, role;
	EXECUTE format('SELECT * FROM %s.cdr_erase_calls($1, $2, $3, $4)', extension)
	INTO calls, events USING ids, erasure_id, key.month, key.key;
	EXECUTE format('SELECT %s.cdr_erase_alerts($1, $2, $3, $4)', extension)
	INTO alerts USING key.key, ids, CASE WHEN call_id IS NULL AND tenant_id IS NULL THEN number END,
		CASE WHEN call_id IS NULL AND number IS NULL THEN tenant_id END;
	EXECUTE format('SELECT * FROM %s.cdr_erase_dead_letters($1)', extension)
	INTO dead_letters, held_letters USING letters;
	held := held + held_letters;
	IF calls + dead_letters > 0 THEN
		EXECUTE format('SELECT %1$s.cdr_note_erasure($1, $2, %1$s.cdr_pseudonym($3, $4), $5, $6, $7, $8, $9, $10, $11, $12)', extension)
		USING erasure_id, key.month, key.key, jsonb_build_array(number, call_id, tenant_id)::text, reason, reference, login, role,
			calls, events, dead_letters, held;
	ELSE
		erasure_id := NULL;
	END IF;
	EXECUTE format('SELECT %s.cdr_show_progress(NULL::text, NULL::text, 0::bigint, NULL::bigint)', extension);
	IF alerts > 0 THEN
		RAISE NOTICE 'alerts that told of it, and have pseudonyms now: %', alerts;
	END IF;
	IF held > 0 THEN
		RAISE WARNING 'not all was erased: calls or dead letters that are held: %', held
			USING HINT = 'cdr_erasure_plan() says by which holds.';
	END IF;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_erase_chosen(text, text, text, text, text, integer, text, text) IS
'what cdr_erase() does, with the rights of the caller';

CREATE FUNCTION @extschema@.cdr_end_erasure_key(month date, reason text, login text, role text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	done date;
BEGIN
	IF NOT isfinite(month) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('"%s" is no month', month),
			HINT = 'cdr_erasure_keys has the months.';
	ELSIF month IS NULL OR month >= date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'only the key of a month that is over can be destroyed';
	END IF;
	-- any day of it will do
	month := date_trunc('month', month::timestamp);
	EXECUTE format('UPDATE ONLY %s.cdr_erasure_keys AS k SET key = NULL, destroyed_at = clock_timestamp(), login = $2, role = $3, reason = $4'
		' WHERE k.month = $1 AND k.key IS NOT NULL RETURNING k.month', extension)
	INTO done USING month, login, role, reason;
	IF done IS NULL THEN
		RAISE no_data_found USING MESSAGE = format('there is no key of %s, or it is destroyed', to_char(month, 'YYYY-MM'));
	END IF;
	EXECUTE format('SELECT %s.cdr_put_entry($1)', extension)
	USING concat_ws(E'\n', 'cdr-erasure-key-v1', to_char(month, 'YYYY-MM'), to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
		'sql:' || regexp_replace(login, '[[:cntrl:]]', '?', 'g'), '');
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_end_erasure_key(date, text, text, text) IS
'what cdr_destroy_erasure_key() does, with the rights of the caller';

CREATE FUNCTION @extschema@.cdr_wipe(relation regclass)
RETURNS bigint
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_wipe';

COMMENT ON FUNCTION @extschema@.cdr_wipe(regclass) IS
'takes what VACUUM has left of old rows out of the files of a table, its indexes and its TOAST table; returns how many pages had any';
