-- What test/t/025 needs in the database: in schema keep, out of reach of what
-- is altered, how rows are counted and how everything is put back; in schema
-- odd, made anew each time, types and functions to alter tables with.

SET check_function_bodies = off;
CREATE ROLE fuzz_owner;
CREATE ROLE fuzz_superuser SUPERUSER;
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
GRANT USAGE ON FOREIGN SERVER nowhere TO PUBLIC;
CREATE SCHEMA keep;

-- the events that were stored in tables which are gone, by their numbers; and
-- the alterations that took effect
CREATE TABLE keep.seen (number integer);
CREATE TABLE keep.done (alteration integer);
CREATE TABLE keep.detached (partition regclass, bound text);

-- An event of the test has its number in its trace_id and in its body; which may
-- have become bytea since.
CREATE FUNCTION keep.number(line text) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
	SELECT COALESCE(substring(line FROM 'fuzz(\d{8})'),
		convert_from(decode(substring(line FROM '66757a7a((?:3\d){8})'), 'hex'), 'UTF8'))::integer
$$;

CREATE FUNCTION keep.relations() RETURNS TABLE (name text, kind "char")
LANGUAGE sql AS $$
	SELECT format('%I.%I', nspname, relname), relkind
	FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace
	WHERE nspname IN ('cdr', 'cdr_moved', 'odd') AND relkind IN ('r', 'p')
	ORDER BY pg_class.oid
$$;

-- Remembers what is stored, before it goes; nobody stores more until then.
CREATE FUNCTION keep.save() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	relation record;
BEGIN
	FOR relation IN SELECT * FROM keep.relations() LOOP
		EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', relation.name);
	END LOOP;
	FOR relation IN SELECT * FROM keep.relations() WHERE kind = 'r' LOOP
		EXECUTE format('INSERT INTO keep.seen SELECT n FROM
			(SELECT keep.number(t::text) AS n FROM ONLY %s AS t) AS x WHERE n IS NOT NULL', relation.name);
	END LOOP;
END $$;

-- ---------------------------------------------------------------------------
-- Alterations that take more than a statement
-- ---------------------------------------------------------------------------

CREATE FUNCTION keep.drop_keys(relation regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	name text;
BEGIN
	FOR name IN SELECT conname FROM pg_constraint WHERE conrelid = relation AND contype IN ('p', 'u') LOOP
		EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', relation, name);
	END LOOP;
	FOR name IN SELECT indexrelid::regclass FROM pg_index
				WHERE indrelid IN (SELECT relid FROM pg_partition_tree(relation) UNION SELECT relation) AND indisunique LOOP
		EXECUTE format('DROP INDEX IF EXISTS %s', name);
	END LOOP;
END $$;

CREATE FUNCTION keep.partitions(most integer) RETURNS SETOF regclass LANGUAGE sql AS $$
	SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'cdr.call_events'::regclass
	ORDER BY random() LIMIT most
$$;

CREATE FUNCTION keep.detach(most integer, only_this regclass DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	p regclass;
BEGIN
	FOR p IN SELECT x FROM keep.partitions(most) AS x WHERE x = COALESCE(only_this, x) LOOP
		INSERT INTO keep.detached SELECT p, pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = p;
		EXECUTE format('ALTER TABLE cdr.call_events DETACH PARTITION %s', p);
	END LOOP;
END $$;

CREATE FUNCTION keep.attach() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	d keep.detached;
BEGIN
	FOR d IN DELETE FROM keep.detached RETURNING * LOOP
		EXECUTE format('ALTER TABLE cdr.call_events ATTACH PARTITION %s %s', d.partition, d.bound);
	END LOOP;
END $$;

CREATE FUNCTION keep.drop_partitions() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	p regclass;
BEGIN
	FOR p IN SELECT keep.partitions(1000) LOOP
		EXECUTE format('DROP TABLE %s CASCADE', p);
	END LOOP;
END $$;

CREATE FUNCTION keep.many_partitions(most integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..most LOOP
		EXECUTE format('CREATE TABLE odd.many_%s PARTITION OF cdr.call_events FOR VALUES FROM (%L) TO (%L)',
			i, timestamptz '2040-01-01Z' + i * interval '1 day', timestamptz '2040-01-01Z' + (i + 1) * interval '1 day');
	END LOOP;
END $$;

-- The names that the next partitions would have, and their keys.
CREATE FUNCTION keep.take_names() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	name text;
BEGIN
	PERFORM keep.detach(1000);
	FOR i IN -1..14 LOOP
		name := to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + (i || ' month')::interval, '"call_events_"YYYYMMDD');
		EXECUTE format((ARRAY['CREATE TABLE cdr.%I (x integer)', 'CREATE VIEW cdr.%I AS SELECT 1 AS x', 'CREATE SEQUENCE cdr.%I',
			'CREATE DOMAIN cdr.%I AS text', 'CREATE INDEX %I ON cdr.call_events (tenant_id)'])[1 + floor(random() * 5)], name);
		IF to_regclass('cdr.' || name || '_key') IS NULL THEN
			EXECUTE format('CREATE SEQUENCE cdr.%I', name || '_key');
		END IF;
	END LOOP;
EXCEPTION WHEN duplicate_table OR duplicate_object THEN
	NULL;
END $$;

CREATE FUNCTION keep.many_columns(relation regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE (SELECT format('ALTER TABLE %s ', relation) || string_agg(format('ADD many_%s integer', i), ', ') FROM generate_series(1, 400) AS i);
	EXECUTE (SELECT format('ALTER TABLE %s ', relation) || string_agg(format('DROP many_%s', i), ', ') FROM generate_series(1, 399) AS i);
END $$;

CREATE FUNCTION keep.revoke(relation regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, %s', relation,
		(SELECT relowner::regrole FROM pg_class WHERE oid = relation));
END $$;

-- Back goes what was taken away from a name.
CREATE FUNCTION keep.swap_back(name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	taken regclass := to_regclass('cdr.' || quote_ident(name));
	kind "char" := (SELECT relkind FROM pg_class WHERE oid = taken);
BEGIN
	IF taken IS NOT NULL THEN
		UPDATE pg_depend SET refobjid = 'odd.was'::regclass
		WHERE refobjid = taken AND refclassid = 'pg_class'::regclass AND classid = 'pg_extension'::regclass;
		EXECUTE format('DROP %s %s', CASE kind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE'
			WHEN 'S' THEN 'SEQUENCE' WHEN 'c' THEN 'TYPE' WHEN 'i' THEN 'INDEX' ELSE 'TABLE' END, taken);
	END IF;
	ALTER TABLE odd.was SET SCHEMA cdr;
	EXECUTE format('ALTER TABLE cdr.was RENAME TO %I', name);
END $$;

-- ---------------------------------------------------------------------------
-- Everything as it should be
-- ---------------------------------------------------------------------------

CREATE FUNCTION keep.make_odd() RETURNS void LANGUAGE sql AS $_$
	CREATE SCHEMA odd;
	GRANT USAGE, CREATE ON SCHEMA odd TO PUBLIC;
	CREATE DOMAIN odd.word AS text;
	CREATE DOMAIN odd.word_always AS text NOT NULL;
	CREATE DOMAIN odd.shout AS varchar(9) CHECK (VALUE = upper(VALUE));
	CREATE DOMAIN odd.never AS integer CHECK (VALUE < 0 AND VALUE > 0);
	CREATE DOMAIN odd.moment AS timestamptz;
	CREATE DOMAIN odd.id AS uuid;
	CREATE DOMAIN odd.document AS json;
	CREATE TYPE odd.pair AS (a integer, b text);
	CREATE COLLATION odd.blind (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
	CREATE TABLE odd.tenants (id text PRIMARY KEY);
	GRANT ALL ON odd.tenants TO PUBLIC;
	CREATE FUNCTION odd.nothing(integer) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT NULL::text';
	CREATE FUNCTION odd.fail(sqlstate text) RETURNS text LANGUAGE plpgsql AS
		$$ BEGIN RAISE 'planted' USING ERRCODE = sqlstate; END $$;
	CREATE FUNCTION odd.refuse() RETURNS event_trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE 'planted' USING ERRCODE = 'P0001'; END $$;
	CREATE FUNCTION odd.nothing() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RETURN NULL; END $$;
	CREATE FUNCTION odd.raise() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE 'planted' USING ERRCODE = TG_ARGV[0]; END $$;
	CREATE FUNCTION odd.change() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN
			RETURN jsonb_populate_record(NEW, jsonb_build_object(TG_ARGV[0],
				(ARRAY[NULL, 'x', '1', 'infinity', '00000000-0000-0000-0000-000000000001'])[1 + floor(random() * 5)]));
		END $$;
	CREATE FUNCTION odd.rewrite() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN
			EXECUTE format('DELETE FROM cdr.%I WHERE ctid IN (SELECT ctid FROM cdr.%1$I LIMIT 1)', TG_ARGV[0]);
			RETURN NEW;
		END $$;
$_$;

-- From nothing.  What tables hold is remembered.
CREATE FUNCTION keep.make_anew() RETURNS void LANGUAGE plpgsql
SET client_min_messages = warning SET cdr_service.allow_drop = on AS $$
BEGIN
	DROP EVENT TRIGGER IF EXISTS odd;
	DROP PUBLICATION IF EXISTS fuzz;
	PERFORM keep.save();
	DROP EXTENSION IF EXISTS cdr_service CASCADE;
	DROP SCHEMA IF EXISTS cdr, cdr_moved, odd CASCADE;
	TRUNCATE keep.detached;
	PERFORM keep.make_odd();
	CREATE SCHEMA cdr;
	CREATE EXTENSION cdr_service SCHEMA cdr;
END $$;
SELECT keep.make_anew();
