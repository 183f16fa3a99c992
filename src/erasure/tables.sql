-- ---------------------------------------------------------------------------
-- Erasure: its tables
-- ---------------------------------------------------------------------------

-- No members of the extension, as the tables of retention are none.  A dump holds the keys:
-- it is to be guarded as the calls are.
CREATE FUNCTION @extschema@.cdr_create_erasure_tables()
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	made record;
BEGIN
	-- the brake first
	EXECUTE format('SELECT %s.cdr_create_retention_tables()', extension);
	FOR made IN
		SELECT * FROM (VALUES
			('cdr_erasure_keys', 'month date PRIMARY KEY, key bytea CHECK (octet_length(key) = 32), made_at timestamptz NOT NULL,'
				' destroyed_at timestamptz, login text, role text, reason text',
				'the keys of pseudonyms
month: first day of the month, in UTC, of the erasures that it is for
key: the key, of 32 bytes; NULL: it was destroyed
made_at: when it was made
destroyed_at: when it was destroyed; NULL: it was not
login: session_user who destroyed it
role: current_user who destroyed it
reason: why it was destroyed'),
			('cdr_erased_calls', 'call_id text COLLATE "C" PRIMARY KEY, erasure_id uuid NOT NULL, month date NOT NULL',
				'calls that were erased
call_id: pseudonym: erased: and 32 digits
erasure_id: of cdr_erasures
month: of the key, as in cdr_erasure_keys'),
			('cdr_erasures', 'erasure_id uuid PRIMARY KEY, erased_at timestamptz NOT NULL, login text NOT NULL, role text NOT NULL,'
				' reason text NOT NULL, reference text, month date NOT NULL, subject text NOT NULL,'
				' calls bigint NOT NULL, events bigint NOT NULL, dead_letters bigint NOT NULL, held bigint NOT NULL',
				'what was erased, when, by whom and why
erasure_id: identity, which cdr_erase() returns
erased_at: when
login: session_user who asked for it
role: current_user who asked for it
reason: why, at most 1000 bytes
reference: the number of a case, say; NULL: none was given
month: of the key, as in cdr_erasure_keys
subject: digest, by that key, of what was asked for
calls: how many calls were erased
events: how many of their events
dead_letters: how many dead letters
held: how many calls stayed, because they are held')) AS t(name, columns, comment)
	LOOP
		EXECUTE format('SELECT %s.cdr_make_table($1, $2, $3)', extension) USING made.name, made.columns, made.comment;
	END LOOP;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_create_erasure_tables() IS
'makes the tables that erasure needs, those of retention too, unless they are there';
