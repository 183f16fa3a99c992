-- ---------------------------------------------------------------------------
-- Calls without people
-- ---------------------------------------------------------------------------

-- The view is no member of the extension, and calls none of its functions: it is an
-- ordinary view, like the tables, and may be dropped where a column of calls is to be
-- altered.  A column that it does not name is not in it; sql/report_rights.sql fails
-- where one of calls is neither here nor known to be left out.
CREATE FUNCTION @extschema@.cdr_create_masked_view()
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	-- where the extension is by now: schemas are renamed
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	-- a number: its first three digits and the last two, if at least five are hidden; the
	-- first three, if four are; of what is shorter, or a name, nothing
	masked_number constant text := $$
		CASE WHEN %1$s ~ E'^\\+?[0-9]{10,}$'
			 THEN regexp_replace(%1$s, E'^(\\+?[0-9]{3})[0-9]+([0-9]{2})$', E'\\1***\\2')
			 WHEN %1$s ~ E'^\\+?[0-9]{7,9}$'
			 THEN regexp_replace(%1$s, E'^(\\+?[0-9]{3})[0-9]+$', E'\\1***')
			 WHEN %1$s = 'anonymous' THEN %1$s
			 WHEN %1$s IS NOT NULL THEN '***' END$$;
	-- what tells that two numbers are the same, on a day and of a tenant: else it would be
	-- another name of a person
	reference constant text := $$
		CASE WHEN %1$s NOT IN ('', 'anonymous')
			 THEN left(encode(sha256((SELECT k.key FROM %2$s.calls_masked_key AS k)
				|| convert_to(jsonb_build_array(
					   (COALESCE(c.attempt_time, c.first_event_time) AT TIME ZONE 'UTC')::date,
					   c.tenant_id, %1$s)::text, 'UTF8')), 'hex'), 12) END$$;
	-- a word of a platform, that has no room for a number or a sentence
	word constant text := $$
		CASE WHEN %1$s ~ '^([A-Za-z][A-Za-z0-9_.:-]{0,39}|[0-9]{1,3})$' AND %1$s !~ '[0-9]{5}' THEN %1$s
			 WHEN %1$s IS NOT NULL THEN '***' END$$;
	owner name;
	key_owner name;
	made text;
BEGIN
	EXECUTE format('SELECT %s.cdr_ordinary_owner()', extension) INTO owner;

	IF to_regclass(extension || '.calls_masked') IS NOT NULL THEN
		RAISE duplicate_table USING
			MESSAGE = 'relation "calls_masked" already exists',
			HINT = format('To have it made anew: DROP VIEW %s.calls_masked. What was granted on it goes with it.',
						  extension);
	END IF;
	-- a key that is there stays, unless somebody else may know it
	SELECT c.relowner::regrole INTO key_owner FROM pg_class AS c
	WHERE c.oid = to_regclass(extension || '.calls_masked_key');
	IF FOUND AND key_owner::text <> quote_ident(owner) THEN
		RAISE insufficient_privilege USING
			MESSAGE = format('%s.calls_masked_key does not belong to %I', extension, owner),
			HINT = 'Drop it: whoever made it may know the key.';
	ELSIF NOT FOUND THEN
		EXECUTE format('CREATE TABLE %s.calls_masked_key (key bytea NOT NULL)', extension);
		EXECUTE format('CREATE UNIQUE INDEX ON %s.calls_masked_key ((true))', extension);
		EXECUTE format('SELECT %s.cdr_describe($1, $2)', extension)
		USING (extension || '.calls_masked_key')::regclass, 'what calls_masked makes references of numbers with
key: 32 random bytes: who knows them can find the numbers';
		EXECUTE format('INSERT INTO %s.calls_masked_key '
			'VALUES (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))', extension);
	END IF;

	EXECUTE format($view$
		CREATE VIEW %1$s.calls_masked WITH (security_barrier) AS
		SELECT left(encode(sha256((SELECT k.key FROM %1$s.calls_masked_key AS k)
				|| convert_to(c.call_id, 'UTF8')), 'hex'), 16) AS call_ref,
			   c.status, c.disposition,
			   CASE WHEN c.direction IN ('inbound', 'outbound', 'internal') THEN c.direction END AS direction,
			   %2$s AS caller_number, %3$s AS caller_ref, %4$s AS callee_number, %5$s AS callee_ref,
			   %6$s AS trunk, c.tenant_id,
			   c.attempt_time, c.start_time, c.ring_time, c.answer_time, c.end_time,
			   c.duration_seconds, c.billable_seconds,
			   %7$s AS hangup_cause, %8$s AS hangup_source, c.sip_status,
			   c.recording_url IS NOT NULL AS is_recorded,
			   c.anomalies, c.event_count, c.first_event_time, c.last_event_time
		FROM ONLY %1$s.calls AS c
		$view$, extension,
		format(masked_number, 'c.caller_number'), format(reference, 'c.caller_number', extension),
		format(masked_number, 'c.callee_number'), format(reference, 'c.callee_number', extension),
		format(word, 'c.trunk'), format(word, 'c.hangup_cause'), format(word, 'c.hangup_source'));
	-- a column of the same name as one of calls is that one, unless it is masked
	EXECUTE format($$
		SELECT %1$s.cdr_describe($1, $2 || string_agg(format(E'\n%%s: %%s%%s', c.column_name, c.comment,
			CASE WHEN c.column_name ~ '_number$' THEN '; *** for its middle' WHEN c.column_name ~ '^(trunk|hangup_)' THEN '; *** where it is no word' END), ''))
		FROM %1$s.cdr_table_columns() AS c JOIN pg_attribute AS a ON a.attname = c.column_name
		WHERE c.table_name = 'calls' AND a.attrelid = $1$$, extension)
	USING (extension || '.calls_masked')::regclass, 'calls without what tells who the people are, for daily work
call_ref: stands for the call: 16 hexadecimal digits
caller_ref: stands for the caller''s number, on a day and of a tenant: 12 hexadecimal digits
callee_ref: stands for the callee''s number, on a day and of a tenant: 12 hexadecimal digits
is_recorded: there is a recording_url';

	-- the grants on a table that was there are its owner's
	FOREACH made IN ARRAY ARRAY['calls_masked', 'calls_masked_key'] LOOP
		IF made <> 'calls_masked_key' OR key_owner IS NULL THEN
			EXECUTE format('SELECT %s.cdr_give_to_owner($1, $2)', extension)
			USING (extension || '.' || made)::regclass, owner;
		END IF;
	END LOOP;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_create_masked_view() IS
'makes the view calls_masked: calls without what tells who the people are, granted to nobody';
