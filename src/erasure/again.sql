-- ---------------------------------------------------------------------------
-- Erasure: done again, after an older backup was restored
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_reapply_erasures(
	reason text,
	max_calls integer DEFAULT 1000,
	OUT calls bigint,
	OUT events bigint,
	OUT dead_letters bigint,
	OUT held bigint,
	OUT more boolean)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_reapply_erasures';

COMMENT ON FUNCTION @extschema@.cdr_reapply_erasures(text, integer) IS
'erases calls whose pseudonyms, by the keys that live, are in cdr_erased_calls; more: there are further ones, so call it again';

CREATE FUNCTION @extschema@.cdr_erase_again(
	reason text,
	max_calls integer,
	login text,
	role text,
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
	is_held text;
	event_is_held text;
	said text;
	key record;
	ids text[];
	letters uuid[];
	found_held bigint;
	erased record;
	gone record;
	id uuid;
BEGIN
	IF max_calls IS NULL OR max_calls NOT BETWEEN 1 AND 10000 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'max_calls must be between 1 and 10000';
	END IF;
	EXECUTE format('SELECT %1$s.cdr_held(''calls'', ''c''), %1$s.cdr_held(''events'', ''e''), %1$s.cdr_said_by(''dead_letters'', ''d'')', extension)
	INTO is_held, event_is_held, said;
	calls := 0; events := 0; dead_letters := 0; held := 0; more := false;

	FOR key IN EXECUTE format('SELECT k.month, k.key FROM ONLY %s.cdr_erasure_keys AS k WHERE k.key IS NOT NULL ORDER BY k.month', extension) LOOP
		EXECUTE format('SELECT %s.cdr_show_progress(text ''erase'', text ''looking for what is meant'', $1::bigint, $2::bigint)', extension) USING calls, NULL::bigint;
		EXECUTE format($query$
			WITH meant AS (SELECT c.call_id::text AS id, %2$s AS is_held FROM ONLY %1$s.calls AS c
				WHERE EXISTS (SELECT FROM ONLY %1$s.cdr_erased_calls AS k WHERE k.call_id = %1$s.cdr_pseudonym($1, c.call_id::text)))
			SELECT ARRAY(SELECT m.id FROM meant AS m WHERE NOT m.is_held LIMIT $2 + 1), (SELECT count(*) FROM meant AS m WHERE m.is_held)$query$,
			extension, is_held)
		INTO ids, found_held USING key.key, max_calls - calls;
		held := held + found_held;
		more := more OR cardinality(ids) > max_calls - calls;
		ids := ids[:max_calls - calls];
		CONTINUE WHEN cardinality(ids) = 0;
		EXECUTE format('SELECT ARRAY(SELECT d.event_id FROM ONLY %1$s.dead_letters AS d WHERE %1$s.cdr_names(%2$s, $1))', extension, said)
		INTO letters USING ids;

		EXECUTE format('SELECT %s.cdr_show_progress(text ''erase'', text ''waiting for locks'', $1::bigint, $2::bigint)', extension) USING calls, NULL::bigint;
		EXECUTE format('SELECT %s.cdr_lock_for_erasure()', extension);
		found_held := cardinality(ids);
		EXECUTE format($query$
			SELECT ARRAY(SELECT t.id FROM unnest($1) AS t(id)
				WHERE NOT EXISTS (SELECT FROM ONLY %1$s.calls AS c WHERE c.call_id = t.id AND %2$s)
				  AND NOT EXISTS (SELECT FROM %1$s.call_events AS e WHERE e.call_id = t.id AND %3$s))$query$, extension, is_held, event_is_held)
		INTO ids USING ids;
		held := held + found_held - cardinality(ids);
		id := gen_random_uuid();
		EXECUTE format('SELECT %s.cdr_join_erased($1, $2, $3, $4)', extension) USING ids, key.key, login, role;
		EXECUTE format('SELECT * FROM %s.cdr_erase_calls($1, $2, $3, $4)', extension) INTO erased USING ids, id, key.month, key.key;
		EXECUTE format('SELECT %s.cdr_erase_alerts($1, $2, NULL, NULL)', extension) USING key.key, ids;
		EXECUTE format('SELECT * FROM %s.cdr_erase_dead_letters($1)', extension) INTO gone USING letters;
		calls := calls + erased.calls; events := events + erased.events;
		dead_letters := dead_letters + gone.erased; held := held + gone.held;
		IF erased.calls + gone.erased > 0 THEN
			EXECUTE format('SELECT %1$s.cdr_note_erasure($1, $2, %1$s.cdr_pseudonym($3, ''again''), $4, NULL, $5, $6, $7, $8, $9, $10)', extension)
			USING id, key.month, key.key, reason, login, role, erased.calls, erased.events, gone.erased, gone.held;
		END IF;
	END LOOP;
	-- a log that was restored, too, lacks what was logged since the backup
	IF current_setting('cdr_service.evidence')::boolean AND to_regclass(extension || '.cdr_log') IS NOT NULL THEN
		EXECUTE format($query$
			SELECT count(%1$s.cdr_put_entry(x.entry))
			FROM (SELECT %1$s.cdr_erasure_entry(e.erasure_id) AS entry FROM ONLY %1$s.cdr_erasures AS e ORDER BY e.erased_at) AS x
			WHERE NOT EXISTS (SELECT FROM %1$s.cdr_entries(text 'cdr-erasure-v1') AS l WHERE l.entry = x.entry)$query$, extension);
	END IF;
	EXECUTE format('SELECT %s.cdr_show_progress(NULL::text, NULL::text, 0::bigint, NULL::bigint)', extension);
	IF held > 0 THEN
		RAISE WARNING 'not all was erased: calls or dead letters that are held: %', held
			USING HINT = 'cdr_erasure_plan() says by which holds.';
	END IF;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_erase_again(text, integer, text, text) IS
'what cdr_reapply_erasures() does, with the rights of the caller';
