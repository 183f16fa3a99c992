# Code that strangers plant on the tables, and what it tries once it runs.
#
# Schema lair is a stranger's.  Whatever is planted calls one of its functions,
# with the name of the door that it came through:
#
#	lair.planted('door')		a trigger
#	lair.pure('door', value)	said to be immutable, returns the value
#	lair.fickle('door', value)	volatile
#
# At its first run in each operation it makes every attempt and writes into
# lair.loot what came of it.  What works is taken back, so that the next one
# finds the server as it was.
package CdrService::PlantedCode;

use strict;
use warnings FATAL => 'all';

use Carp;
use Exporter 'import';

use CdrService::Psql;

our @EXPORT_OK = qw(stage);

# Each works for a superuser, and must not for anybody who plants.
my $attempts = <<'EOC';
SET ROLE postgres
SET LOCAL ROLE postgres
SET ROLE NONE
RESET ROLE
SET SESSION AUTHORIZATION postgres
SET SESSION AUTHORIZATION DEFAULT
RESET SESSION AUTHORIZATION
SELECT set_config('role', session_user, false)
SELECT set_config('session_authorization', session_user, true)
SET session_replication_role = replica
SET log_statement = 'all'
SET session_preload_libraries = 'pgoutput'
ALTER ROLE CURRENT_USER SUPERUSER
ALTER ROLE CURRENT_USER LOGIN
ALTER ROLE CURRENT_USER CREATEROLE
ALTER ROLE CURRENT_USER BYPASSRLS
ALTER ROLE stranger SUPERUSER
ALTER ROLE postgres PASSWORD 'trojan'
ALTER ROLE postgres SET search_path = lair
ALTER ROLE ALL SET search_path = lair
ALTER DATABASE postgres SET search_path = lair
ALTER DATABASE postgres OWNER TO stranger
CREATE ROLE trojan SUPERUSER
CREATE ROLE trojan LOGIN
GRANT postgres TO stranger
GRANT pg_execute_server_program TO stranger
DO $x$ BEGIN EXECUTE format('GRANT %I TO trusted WITH ADMIN OPTION', current_user); END $x$
UPDATE pg_authid SET rolsuper = true WHERE rolname = 'stranger'
INSERT INTO pg_auth_members SELECT * FROM pg_auth_members LIMIT 0
UPDATE pg_proc SET prosecdef = true WHERE proname = 'pure'
SELECT rolpassword FROM pg_authid
SELECT * FROM lair.secret
INSERT INTO lair.secret VALUES ('trojan')
CREATE TRIGGER trojan BEFORE INSERT ON lair.secret FOR EACH ROW EXECUTE FUNCTION lair.planted('secret')
REASSIGN OWNED BY stranger TO postgres
ALTER FUNCTION lair.pure(text, text) OWNER TO postgres
ALTER SCHEMA cdr OWNER TO stranger
CREATE SCHEMA trojan
CREATE FUNCTION pg_catalog.trojan() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE FUNCTION lair.trojan(cstring, oid, int) RETURNS text LANGUAGE internal AS 'textin'
CREATE FUNCTION lair.trojan() RETURNS void LANGUAGE c AS '$libdir/cdr_service', 'cdr_pause'
CREATE EVENT TRIGGER trojan ON ddl_command_start EXECUTE FUNCTION cdr.cdr_guard_drops()
ALTER EVENT TRIGGER cdr_service_guard_drops DISABLE
CREATE EXTENSION file_fdw
CREATE EXTENSION hstore
DO $x$ BEGIN EXECUTE 'ALTER EXTENSION cdr_service DROP FUNCTION cdr.cdr_status()'; END $x$
ALTER EXTENSION cdr_service UPDATE TO '1.0'
CREATE OR REPLACE FUNCTION cdr.cdr_pause() RETURNS void LANGUAGE sql AS 'SELECT'
CREATE OR REPLACE FUNCTION cdr.cdr_guard_drops() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'
ALTER FUNCTION cdr.cdr_guard_drops() OWNER TO stranger
ALTER FUNCTION cdr.cdr_call_history(text, text) SECURITY DEFINER
ALTER FUNCTION cdr.cdr_call_history(text, text) SET search_path = lair
ALTER FUNCTION cdr.cdr_status() RENAME TO cdr_gone
GRANT ALL ON FUNCTION cdr.cdr_resume() TO stranger WITH GRANT OPTION
SELECT cdr.cdr_stats_reset()
CREATE LANGUAGE trojan HANDLER plpgsql_call_handler
CREATE ACCESS METHOD trojan TYPE TABLE HANDLER heap_tableam_handler
CREATE FOREIGN DATA WRAPPER trojan
CREATE SUBSCRIPTION trojan CONNECTION 'dbname=postgres' PUBLICATION p WITH (connect = false, slot_name = NONE)
CREATE PUBLICATION trojan FOR ALL TABLES
CREATE CAST (text AS bytea) WITHOUT FUNCTION
CREATE OPERATOR CLASS lair.trojan FOR TYPE text USING btree AS FUNCTION 1 bttextcmp(text, text)
CREATE TYPE lair.trojan
ALTER OPERATOR = (text, text) OWNER TO stranger
SELECT pg_read_file('PG_VERSION')
SELECT pg_read_binary_file('PG_VERSION')
SELECT pg_ls_dir('.')
SELECT pg_reload_conf()
SELECT lo_import('/dev/null')
SELECT lo_from_bytea(4711, 'x'); SELECT lo_export(4711, '/dev/null')
COPY lair.later TO PROGRAM 'cat >/dev/null'
COPY lair.later TO '/dev/null'
COPY lair.later FROM PROGRAM 'true'
COPY lair.later FROM '/dev/null'
LOAD 'pgoutput'
SELECT lair.dblink_exec('CONNSTR', 'SET search_path = lair')
CREATE TEMPORARY TABLE trojan ()
CREATE TEMPORARY VIEW pg_class AS SELECT 1 AS oid
CREATE TEMPORARY SEQUENCE trojan
CREATE DOMAIN pg_temp.uuid AS pg_catalog.uuid
DECLARE trojan CURSOR WITH HOLD FOR SELECT 1
PREPARE trojan AS SELECT 1
DEALLOCATE ALL
LISTEN trojan
UNLISTEN *
SET CONSTRAINTS ALL DEFERRED; INSERT INTO lair.later VALUES (1)
EOC

# What the writer may do, so that it lasts: nobody else may fall over it.
my $lasting = <<'EOC';
SELECT set_config('search_path', 'lair, pg_catalog', false)
SELECT set_config('statement_timeout', '1', false)
SELECT set_config('default_transaction_read_only', 'on', false)
SELECT set_config('cdr_service.allow_drop', 'on', false)
SELECT set_config('cdr_service.trojan', 'on', false)
ALTER ROLE CURRENT_USER SET search_path = lair, pg_catalog
ALTER ROLE CURRENT_USER SET default_transaction_read_only = on
ALTER ROLE CURRENT_USER PASSWORD 'trojan'
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO stranger
GRANT ALL ON cdr.calls, cdr.call_events, cdr.dead_letters TO stranger
GRANT ALL ON SCHEMA cdr TO stranger WITH GRANT OPTION
GRANT EXECUTE ON FUNCTION cdr.cdr_pause(), cdr.cdr_resume() TO stranger
COMMENT ON TABLE cdr.calls IS 'trojan'
NOTIFY trojan
CREATE FUNCTION cdr.cdr_ingest_event(text) RETURNS text LANGUAGE sql AS $$ SELECT lair.fickle('left behind', 'x') $$
CREATE FUNCTION cdr.cdr_ingest_events(text) RETURNS text LANGUAGE sql AS $$ SELECT lair.fickle('left behind', 'x') $$
CREATE FUNCTION cdr.cdr_create_partitions(text, text) RETURNS text LANGUAGE sql AS $$ SELECT lair.fickle('left behind', 'x') $$
CREATE FUNCTION cdr.cdr_retry_dead_letters(text) RETURNS text LANGUAGE sql AS $$ SELECT lair.fickle('left behind', 'x') $$
CREATE FUNCTION cdr.cdr_discard_dead_letters(text) RETURNS text LANGUAGE sql AS $$ SELECT lair.fickle('left behind', 'x') $$
EOC

my $lair = <<'EOC';
CREATE ROLE stranger LOGIN;
CREATE ROLE trusted;
CREATE SCHEMA lair AUTHORIZATION stranger;
GRANT USAGE ON SCHEMA lair TO PUBLIC;
CREATE TABLE lair.secret (what text);
CREATE EXTENSION dblink SCHEMA lair;
SET SESSION AUTHORIZATION stranger;
CREATE TABLE lair.attempts (what text);
-- who was there, and which attempt worked (UW000), or why not
CREATE TABLE lair.loot
	(operation text, door text, who text, what text, sqlstate text);
CREATE TABLE lair.later (n int);
-- the operation that is going on; empty: what the test itself does
CREATE TABLE lair.stage (operation text);
INSERT INTO lair.stage VALUES ('');
GRANT ALL ON lair.attempts, lair.loot, lair.later, lair.stage TO PUBLIC;
CREATE FUNCTION lair.alive(door text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
	now text := (SELECT operation FROM lair.stage);
	attempt text;
	state text;
BEGIN
	IF now = '' OR EXISTS (SELECT FROM lair.loot AS l WHERE l.operation = now
						   AND l.door = alive.door AND l.who = current_user)
	THEN
		RETURN;
	END IF;
	-- the log keeps it, also if the transaction fails
	RAISE LOG 'alive: % in % as %.', door, now, current_user;
	INSERT INTO lair.loot VALUES (now, door, current_user);
	FOR attempt IN SELECT what FROM lair.attempts LOOP
		BEGIN
			EXECUTE attempt;
			RAISE SQLSTATE 'UW000';
		EXCEPTION WHEN OTHERS THEN
			state := SQLSTATE;
		END;
		INSERT INTO lair.loot VALUES (now, door, current_user, attempt, state);
	END LOOP;
END $$;
CREATE FUNCTION lair.planted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM lair.alive(TG_ARGV[0]);
	RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
-- a claim that nobody checks
CREATE FUNCTION lair.pure(door text, value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	PERFORM lair.alive(door);
	RETURN value;
END $$;
CREATE FUNCTION lair.fickle(door text, value text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM lair.alive(door);
	RETURN value;
END $$;
CREATE FUNCTION lair.nothing() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN RETURN NULL; END';
CREATE FUNCTION lair.command() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM lair.alive('event trigger');
END $$;
-- does what it may, and leaves it there
CREATE TABLE lair.lasting (what text);
CREATE FUNCTION lair.leave() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	act text;
BEGIN
	PERFORM lair.alive(TG_ARGV[0]);
	-- (a superuser does it with his own hands: there the attempts say enough)
	IF current_user = 'postgres' THEN
		RETURN NEW;
	END IF;
	FOR act IN SELECT what FROM lair.lasting LOOP
		BEGIN
			EXECUTE act;
		EXCEPTION WHEN OTHERS THEN
			RAISE LOG 'not left: % (%)', act, SQLERRM;
		END;
	END LOOP;
	RETURN NEW;
END $$;
GRANT ALL ON lair.lasting TO PUBLIC;
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON lair.later
	DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION lair.planted('deferred, of another table');
EOC

# What nobody but a superuser can change.  (The tables' owner may set a password for itself, and settings.)
my $powers = <<'EOC';
SELECT what FROM (
	SELECT row(rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb,
			   rolcanlogin, rolreplication, rolbypassrls)::text FROM pg_authid
	UNION ALL SELECT row(roleid, member)::text FROM pg_auth_members
	UNION ALL SELECT s::text FROM pg_db_role_setting AS s
		WHERE setrole = 0 OR setrole = 'postgres'::regrole
	UNION ALL SELECT row(oid::regprocedure, proowner, md5(p::text))::text
		FROM pg_proc AS p
		WHERE proowner = 'postgres'::regrole AND proname LIKE 'cdr%'
	UNION ALL SELECT row(extname, extowner, extversion)::text FROM pg_extension
	UNION ALL SELECT row(evtname, evtowner, evtenabled)::text
		FROM pg_event_trigger WHERE evtname LIKE 'cdr%'
	UNION ALL SELECT row(nspname, nspowner, nspacl)::text FROM pg_namespace
		WHERE nspname NOT LIKE 'pg_temp%' AND nspname NOT LIKE 'pg_toast%'
	UNION ALL SELECT row(datdba, datacl)::text FROM pg_database
	UNION ALL SELECT row(classid, objid)::text FROM pg_depend
		WHERE deptype = 'e' AND refobjid =
			(SELECT oid FROM pg_extension WHERE extname = 'cdr_service')
	UNION ALL SELECT row(name, setting)::text FROM pg_settings
		WHERE source = 'configuration file' AND name NOT IN ('cdr_service.prefetch', 'cdr_service.paused')
	UNION ALL SELECT 'secret: ' || count(*) FROM lair.secret
	UNION ALL SELECT proname FROM pg_proc WHERE proname = 'trojan'
	UNION ALL SELECT relname FROM pg_class WHERE relname = 'trojan'
	UNION ALL SELECT 'later: ' || count(*) FROM lair.later) AS x(what)
EOC

# What a session has been left with: nothing, if this is empty.
our $left_behind = <<'EOC';
SELECT 'left', what FROM (
	SELECT name || ' is ' || setting FROM pg_settings
		WHERE source IN ('session', 'interactive')
		OR name IN ('role', 'session_replication_role') AND setting <> boot_val
	UNION ALL SELECT 'statement ' || name FROM pg_prepared_statements
	UNION ALL SELECT 'cursor ' || name FROM pg_cursors WHERE name NOT LIKE '<%'
	UNION ALL SELECT 'channel ' || c FROM pg_listening_channels() AS c
	UNION ALL SELECT 'user ' || current_user WHERE current_user <> 'postgres'
	UNION ALL SELECT 'user ' || session_user WHERE session_user <> 'postgres'
	UNION ALL SELECT 'temporary ' || relname FROM pg_class
		WHERE relnamespace = pg_my_temp_schema()) AS x(what);
EOC

sub new
{
	my ($class, $cdr) = @_;
	my $self = bless { cdr => $cdr }, $class;

	my $connstr = $cdr->node->connstr('postgres') =~ s/'/''/gr;

	$cdr->sql($lair);
	$self->fill('attempts', $attempts =~ s/CONNSTR/$connstr/r);
	$self->fill('lasting',  $lasting);
	return $self;
}

sub fill
{
	my ($self, $table, $lines) = @_;

	return $self->{cdr}->sql("INSERT INTO lair.$table VALUES " . join ', ',
		map { "(\$line\$$_\$line\$)" } split /\n/, $lines);
}

# What has changed of it since the last call.
sub gained
{
	my ($self) = @_;
	my %now    = map { $_ => 1 } split /\n/, $self->{cdr}->sql($powers);
	my $before = $self->{powers} || \%now;

	$self->{powers} = \%now;
	return join "\n", grep { !$now{$_} || !$before->{$_} } sort keys %now,
	  keys %$before;
}

# From now on it is this operation that brings plants to life; none: the test's
# own doing, which does not.
sub stage
{
	my ($operation) = @_;

	return "UPDATE lair.stage SET operation = '$operation';\n";
}

# Runs something in a session of a role's own; returns the errors.
sub errors_as
{
	my ($self, $role, $statements) = @_;
	my ($good, $out, $errors) =
	  CdrService::Psql->new($self->{cdr}->node, 'postgres', $role)
	  ->run_all($statements);

	croak "psql: $errors" unless $good;
	return join "\n", $errors =~ /ERROR:  (.*)/g, $out =~ /^(left\|.*)/mg;
}

# What has come to life since the last call: for each the operation and the role.
# And the attempts that worked.
sub loot
{
	my ($self) = @_;
	my $cdr    = $self->{cdr};
	my $from   = $self->{log_read} || 0;
	my @alive;

	$self->{log_read} = $cdr->log_size;
	my $log = $cdr->log_since($from);
	push @alive, [ $1, $2 ]
	  while $log =~ /LOG:  alive: .* in (\S+) as (.*)\.$/mg;
	my $worked = $cdr->sql(
		q{SELECT DISTINCT what FROM lair.loot WHERE sqlstate = 'UW000'; TRUNCATE lair.loot});
	return ($worked, @alive);
}

1;
