-- ---------------------------------------------------------------------------
-- Tables
-- ---------------------------------------------------------------------------

-- Each column once: CREATE EXTENSION makes the tables of this list, and
-- cdr_update_tables() adds those that tables of an older version lack.
--
-- The tables are no members of the extension, but it depends on them: so a
-- dump writes them as ordinary tables, before the extension.  What they say may
-- therefore not call a function of the extension.
CREATE FUNCTION @extschema@.cdr_table_columns(
	OUT table_name name,
	OUT column_name name,
	OUT definition text,
	OUT comment text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
	VALUES
	('call_events', '@column:log@', $d$@definition@$d$, @comment@),
	('dead_letters', '@column:letter@', $d$@definition@$d$, @comment@),
	('timeless_events', '@column:timeless@', $d$@definition@$d$, @comment@),
	('calls', 'call_id', $d$text COLLATE pg_catalog."C" NOT NULL$d$,
		'the Call-ID that all events of the call carry'),
	('calls', '@column:status@', $d$@definition@$d$, @comment@),
	('calls', '@column:outcome@', $d$@definition@$d$, @comment@),
	('calls', '@column:course@', $d$@definition@$d$, @comment@),
	-- of a call that nobody saw begin, when it is first known to have been tried
	('calls', 'attempt_time', $d$timestamptz GENERATED ALWAYS AS (
		COALESCE(start_time, answer_time, end_time)) STORED$d$,
		'when the call was tried: its start, else its answer, else its end; NULL: none of these is known'),
	-- whole seconds, never negative; exact: numeric, not float8
	('calls', 'duration_seconds', $d$bigint GENERATED ALWAYS AS (
		CASE WHEN end_time < start_time THEN 0
			 ELSE trunc(extract(epoch FROM end_time - start_time))::bigint
		END) STORED$d$,
		'whole seconds from start to end, cut off'),
	('calls', 'billable_seconds', $d$bigint GENERATED ALWAYS AS (
		CASE WHEN end_time IS NULL THEN NULL
			 WHEN answer_time IS NULL OR end_time < answer_time
				OR disposition IS DISTINCT FROM 'ANSWERED' THEN 0
			 ELSE trunc(extract(epoch FROM end_time - answer_time))::bigint
		END) STORED$d$,
		'whole seconds from answer to end, cut off; 0 for a call that nobody answered'),
	('calls', '@column:end@', $d$@definition@$d$, @comment@),
	('calls', '@column:rest@', $d$@definition@$d$, @comment@),
	('calls', '@column:state@', $d$@definition@$d$, @comment@)@,@
$function$;

COMMENT ON FUNCTION @extschema@.cdr_table_columns() IS
'the columns of the tables, as CREATE EXTENSION makes them';

-- The indexes beside the keys.  Each costs every insert, and an index that names
-- a column costs the updates that change it: so there are few.  What stands
-- before WITH is written as the server would, by which one is known that is
-- there already.
CREATE FUNCTION @extschema@.cdr_table_indexes(
	OUT table_name name,
	OUT index_name name,
	OUT definition text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
	VALUES
	('call_events', 'call_events_recorded_at_idx', 'USING brin (recorded_at)'),
	-- by the time of the attempt, by which reports ask; by the start, by which people
	-- do; or by the first event
	('calls', 'calls_attempt_time_idx',
		$d$USING brin (attempt_time, start_time, first_event_time) WITH (pages_per_range='32', autosummarize='on')$d$)
$function$;

COMMENT ON FUNCTION @extschema@.cdr_table_indexes() IS
'the indexes of the tables beside their keys, as CREATE EXTENSION makes them';

CREATE FUNCTION @extschema@.cdr_adopt_tables(owner name DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_adopt_tables';

COMMENT ON FUNCTION @extschema@.cdr_adopt_tables(name) IS
'makes the tables that are missing, and has the extension depend on all of them; gives them, with all partitions, to a role, if one is named';

CREATE FUNCTION @extschema@.cdr_require_tables()
RETURNS void
LANGUAGE C STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_require_tables';

COMMENT ON FUNCTION @extschema@.cdr_require_tables() IS
'an error unless the tables are there, and are tables that fit the library';

-- For what is made on demand beside the tables, as ordinary tables and views of the same
-- owner: a view reads with the rights of its owner, so that is no superuser.
CREATE FUNCTION @extschema@.cdr_ordinary_owner()
RETURNS name
LANGUAGE plpgsql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	owner name;
	is_superuser boolean;
BEGIN
	EXECUTE format('SELECT %s.cdr_require_tables()', extension);
	SELECT r.rolname, r.rolsuper INTO owner, is_superuser
	FROM pg_class AS c JOIN pg_roles AS r ON r.oid = c.relowner
	WHERE c.oid = (extension || '.calls')::regclass;
	IF is_superuser THEN
		RAISE insufficient_privilege USING
			MESSAGE = format('table %s.calls belongs to superuser %I', extension, owner),
			HINT = format('Run SELECT %s.cdr_adopt_tables(''cdr_service'').', extension);
	END IF;
	RETURN owner;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_ordinary_owner() IS
'the role that calls belongs to; an error if it is a superuser';

CREATE FUNCTION @extschema@.cdr_give_to_owner(relation regclass, owner name)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	grantee text;
BEGIN
	FOR grantee IN
		SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
		FROM pg_class AS c, aclexplode(c.relacl) AS a
		WHERE c.oid = relation AND a.grantee <> c.relowner
	LOOP
		EXECUTE format('REVOKE ALL ON %s FROM %s', relation, grantee);
	END LOOP;
	EXECUTE format('ALTER TABLE %s OWNER TO %I', relation, owner);
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_give_to_owner(regclass, name) IS
'gives a relation that was just made to a role, and to nobody else, whatever default privileges there are';

-- For tables that only some need: no members of the extension, so a dump holds them.
-- comments: of the relation, then a line for each column, "NAME: WHAT".
CREATE FUNCTION @extschema@.cdr_describe(relation regclass, comments text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	line text;
BEGIN
	EXECUTE format('COMMENT ON %s %s IS %L', CASE (SELECT c.relkind FROM pg_class AS c WHERE c.oid = relation)
					   WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, relation, split_part(comments, E'\n', 1));
	FOREACH line IN ARRAY (string_to_array(comments, E'\n'))[2:] LOOP
		EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', relation, split_part(line, ': ', 1),
					   substr(line, strpos(line, ': ') + 2));
	END LOOP;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_describe(regclass, text) IS
'comments on a table or view, and on its columns: a line for each';

CREATE FUNCTION @extschema@.cdr_make_table(name text, columns text, comments text)
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	owner name;
	there record;
BEGIN
	EXECUTE format('SELECT %s.cdr_ordinary_owner()', extension) INTO owner;
	SELECT c.relowner::regrole::text AS owner, c.relkind INTO there FROM pg_class AS c
	WHERE c.oid = to_regclass(format('%s.%I', extension, name));
	IF FOUND THEN
		IF there.owner <> quote_ident(owner) OR there.relkind <> 'r' THEN
			RAISE insufficient_privilege USING
				MESSAGE = format('%s.%I is no table of %I', extension, name, owner),
				HINT = 'Rename it, or, if it is a table of this extension, give it to that role.';
		END IF;
		RETURN false;
	END IF;
	EXECUTE format('CREATE TABLE %s.%I (%s)', extension, name, columns);
	-- rows without a key could not be changed, where they are published
	IF NOT EXISTS (SELECT FROM pg_index AS i
				   WHERE i.indrelid = format('%s.%I', extension, name)::regclass AND i.indisprimary) THEN
		EXECUTE format('ALTER TABLE %s.%I REPLICA IDENTITY FULL', extension, name);
	END IF;
	EXECUTE format('SELECT %1$s.cdr_describe($1, $2), %1$s.cdr_give_to_owner($1, $3)', extension)
	USING format('%s.%I', extension, name)::regclass, comments, owner;
	RETURN true;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_make_table(text, text, text) IS
'makes a table of the owner of calls, and of nobody else, unless it is there; false: it is';

CREATE FUNCTION @extschema@.cdr_update_tables()
RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_update_tables';

COMMENT ON FUNCTION @extschema@.cdr_update_tables() IS
'adds the columns and indexes that tables of an older version lack; returns how many';

CREATE FUNCTION @extschema@.cdr_hold_writers()
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_hold_writers';

COMMENT ON FUNCTION @extschema@.cdr_hold_writers() IS
'keeps whoever writes the tables out until the transaction ends: the second statement of each script that updates the extension';

SELECT @extschema@.cdr_adopt_tables();
