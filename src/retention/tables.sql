-- ---------------------------------------------------------------------------
-- Retention: its tables
-- ---------------------------------------------------------------------------

-- No members of the extension, as the tables of evidence are none: a dump holds them, and
-- DROP EXTENSION keeps them.
CREATE FUNCTION @extschema@.cdr_create_retention_tables()
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	is_made boolean;
BEGIN
	EXECUTE format('SELECT %s.cdr_make_table($1, $2, $3)', extension)
	USING 'cdr_unlogged', 'at timestamptz NOT NULL, entry text NOT NULL',
		'entries that wait for their place in the log of seals';
	EXECUTE format('SELECT %s.cdr_make_table($1, $2, $3)', extension)
	USING 'cdr_holds', 'hold_id uuid PRIMARY KEY, placed_at timestamptz NOT NULL, login text NOT NULL, role text NOT NULL,'
		' reason text NOT NULL, reference text, authority text,'
		' call_id text COLLATE "C", number text COLLATE "C", tenant_id text COLLATE "C",'
		' from_time timestamptz, to_time timestamptz, expires_at timestamptz,'
		' released_at timestamptz, release_login text, release_role text, release_reason text, key uuid NOT NULL',
		'what is held: no retention and no erasure takes it away';
	EXECUTE format('SELECT %s.cdr_make_table($1, $2, $3)', extension) INTO is_made
	USING 'cdr_retention', 'kind text COLLATE "C" NOT NULL, tenant_id text COLLATE "C", keep interval,'
		' purpose text NOT NULL, reason text NOT NULL, set_at timestamptz NOT NULL, login text NOT NULL, role text NOT NULL,'
		' ended_at timestamptz',
		'for how long what is kept: the rules in force, and those that they replaced (ended_at)';
	IF is_made THEN
		EXECUTE format('CREATE UNIQUE INDEX ON %s.cdr_retention (kind, tenant_id) WHERE ended_at IS NULL', extension);
		EXECUTE format('CREATE UNIQUE INDEX ON %s.cdr_retention (kind) WHERE ended_at IS NULL AND tenant_id IS NULL', extension);
	END IF;
	EXECUTE format('SELECT %s.cdr_make_table($1, $2, $3)', extension) INTO is_made
	USING 'cdr_retired', 'retired_id uuid PRIMARY KEY, retired_at timestamptz NOT NULL, login text NOT NULL, role text NOT NULL,'
		' kind text NOT NULL, action text NOT NULL, partition text, tenant_id text COLLATE "C",'
		' from_time timestamptz NOT NULL, until_time timestamptz NOT NULL, rows bigint NOT NULL, root bytea, reason text',
		'what was retired: which rows, of what time, when, by whom';
	IF is_made THEN
		EXECUTE format('CREATE INDEX ON %s.cdr_retired (kind, until_time)', extension);
	END IF;
	EXECUTE format('SELECT %s.cdr_make_table($1, $2, $3)', extension) INTO is_made
	USING 'cdr_leaf_stubs', 'retired_id uuid NOT NULL, day date NOT NULL, recorded_at timestamptz NOT NULL, leaf bytea NOT NULL',
		'leaf hashes of retired events, whose seals have others that stay';
	IF is_made THEN
		EXECUTE format('CREATE INDEX ON %s.cdr_leaf_stubs (day)', extension);
		EXECUTE format('CREATE INDEX ON %s.cdr_leaf_stubs (retired_id)', extension);
	END IF;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_create_retention_tables() IS
'makes the tables that holds and retention need, unless they are there';

-- What is done is said in the log where evidence is on.  What waits for its place is
-- ordered by when it was put down, so that is a time of its own for each.
CREATE FUNCTION @extschema@.cdr_put_entry(entry text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
BEGIN
	IF current_setting('cdr_service.evidence')::boolean THEN
		EXECUTE format('INSERT INTO %s.cdr_unlogged (at, entry) VALUES (clock_timestamp(), $1)', extension) USING entry;
	END IF;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_put_entry(text) IS
'puts down what the log of seals is to say, if evidence is on';
