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
	EXECUTE format('SELECT %s.cdr_make_unlogged()', extension);
	EXECUTE format('SELECT %s.cdr_make_table($1, $2, $3)', extension)
	USING 'cdr_holds', 'hold_id uuid PRIMARY KEY, placed_at timestamptz NOT NULL, login text NOT NULL, role text NOT NULL,'
		' reason text NOT NULL, reference text, authority text,'
		' call_id text COLLATE "C", number text COLLATE "C", tenant_id text COLLATE "C",'
		' from_time timestamptz, to_time timestamptz, expires_at timestamptz,'
		' released_at timestamptz, release_login text, release_role text, release_reason text, key uuid NOT NULL',
		'what is held: no retention and no erasure takes it away
hold_id: identity, which cdr_hold() returns
placed_at: when it was placed
login: session_user who placed it
role: current_user who placed it
reason: why, at most 1000 bytes
reference: the number of a case, say; NULL: none was given
authority: who asked for it; NULL: none was given
call_id: of this call; NULL: of any
number: of calls from or to this number; NULL: of any
tenant_id: of this tenant; NULL: of any
from_time: of calls with a moment at or after it; NULL: no matter when
to_time: of calls with a moment before it; NULL: no matter when
expires_at: when it ends by itself; NULL: never
released_at: when it was released; NULL: it was not
release_login: session_user who released it
release_role: current_user who released it
release_reason: why it was released
key: 128 random bits, by which the log tells of the hold and gives away nothing';
	EXECUTE format('SELECT %s.cdr_make_table($1, $2, $3)', extension) INTO is_made
	USING 'cdr_retention', 'kind text COLLATE "C" NOT NULL, tenant_id text COLLATE "C", keep interval,'
		' purpose text NOT NULL, reason text NOT NULL, set_at timestamptz NOT NULL, login text NOT NULL, role text NOT NULL,'
		' ended_at timestamptz',
		'for how long what is kept: the rules in force, and those that they replaced
kind: events, calls, dead_letters or access_log
tenant_id: of this tenant; NULL: of all that have no rule of their own
keep: for how long, 0 to 1000 years; NULL: for ever
purpose: what it is kept for, at most 1000 bytes
reason: why for so long, at most 1000 bytes
set_at: since when it is in force
login: session_user who set it
role: current_user who set it
ended_at: when another took its place, or it was ended; NULL: it is in force';
	IF is_made THEN
		EXECUTE format('CREATE UNIQUE INDEX ON %s.cdr_retention (kind, tenant_id) WHERE ended_at IS NULL', extension);
		EXECUTE format('CREATE UNIQUE INDEX ON %s.cdr_retention (kind) WHERE ended_at IS NULL AND tenant_id IS NULL', extension);
	END IF;
	EXECUTE format('SELECT %s.cdr_make_table($1, $2, $3)', extension) INTO is_made
	USING 'cdr_retired', 'retired_id uuid PRIMARY KEY, retired_at timestamptz NOT NULL, login text NOT NULL, role text NOT NULL,'
		' kind text NOT NULL, action text NOT NULL, partition text, tenant_id text COLLATE "C",'
		' from_time timestamptz NOT NULL, until_time timestamptz NOT NULL, rows bigint NOT NULL, root bytea, reason text',
		'what was retired: which rows, of what time, when, by whom
retired_id: identity
retired_at: when
login: session_user who did it
role: current_user who did it
kind: events, event_keys, calls, dead_letters or access_log
action: deleted, dropped or detached
partition: the partition of call_events that the rows were in; NULL for other kinds
tenant_id: by whose rule; NULL: by the rule of all others, or a partition as a whole
from_time: first of the times that their age counts from
until_time: a microsecond after the last of these
rows: how many
root: root of the tree over the leaf hashes that cdr_leaf_stubs has of them, of 32 bytes; NULL: it has none
reason: why, where somebody did it by hand; NULL: a rule said so';
	IF is_made THEN
		EXECUTE format('CREATE INDEX ON %s.cdr_retired (kind, until_time)', extension);
	END IF;
	EXECUTE format('SELECT %s.cdr_make_table($1, $2, $3)', extension) INTO is_made
	USING 'cdr_leaf_stubs', 'retired_id uuid NOT NULL, day date NOT NULL, recorded_at timestamptz NOT NULL, leaf bytea NOT NULL',
		'leaf hashes of retired events, whose seals have others that stay
retired_id: of cdr_retired
day: day of event_time, in UTC
recorded_at: when the event was recorded
leaf: its leaf hash, of 32 bytes';
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
