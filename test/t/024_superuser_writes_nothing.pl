# The service writes as an ordinary role, and refuses to write as a superuser;
# what others have put in the way of CREATE EXTENSION is not taken for its own,
# and nothing of it runs as whoever installs.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;
use CdrService::Util qw(poll);

my $cdr = CdrService::Fixture->new(
	'superuser',
	extension => 0,
	config    => "cdr_service.batch_linger = 0\n");
$cdr->sql('CREATE ROLE stranger LOGIN');

# --- a role of the name that is there already

my $role_is_there =
  q{SELECT count(*) FROM pg_extension WHERE extname = 'cdr_service'};

sub refuses_role
{
	my ($name, $setup) = @_;
	my $error = $cdr->error_of(
		"BEGIN; CREATE ROLE middle; CREATE ROLE cdr_service; $setup; CREATE SCHEMA cdr; CREATE EXTENSION cdr_service SCHEMA cdr"
	);

	like($error, qr/ERROR: .*role "cdr_service"/, "$name: refused");
	return like($error, qr/HINT: /, "$name: with a hint");
}

refuses_role("a role with $_", "ALTER ROLE cdr_service $_")
  foreach qw(LOGIN SUPERUSER CREATEROLE CREATEDB REPLICATION BYPASSRLS);
refuses_role("a member of $_", "GRANT $_ TO cdr_service")
  foreach
  qw(postgres pg_execute_server_program pg_write_server_files pg_read_server_files);
refuses_role(
	"a member of a member",
	'GRANT pg_execute_server_program TO middle; GRANT middle TO cdr_service');

# Its attributes, and whose member it is.
my $role = <<'EOC';
SELECT rolsuper, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,
	(SELECT count(*) FROM pg_auth_members WHERE member = r.oid)
FROM pg_roles AS r WHERE rolname = 'cdr_service'
EOC
my $owners = <<'EOC';
SELECT DISTINCT relowner::regrole FROM pg_class
WHERE relnamespace = 'cdr'::regnamespace AND relkind IN ('r', 'p') AND relname NOT LIKE 'cdr\_%'
EOC

$cdr->sql('CREATE DATABASE harmless; CREATE ROLE cdr_service');
$cdr->sql('CREATE SCHEMA cdr; CREATE EXTENSION cdr_service SCHEMA cdr',
	'harmless');
is($cdr->sql($owners, 'harmless'), 'cdr_service', 'a harmless role is used');
is($cdr->sql($role),               'f|f|f|f|f|f|0', 'and is as it was');
$cdr->sql('DROP DATABASE harmless');
$cdr->sql('DROP OWNED BY cdr_service; DROP ROLE cdr_service');
$cdr->sql('CREATE SCHEMA cdr; CREATE EXTENSION cdr_service SCHEMA cdr');
is($cdr->sql($owners), 'cdr_service',   'without one, it is made');
is($cdr->sql($role),   'f|f|f|f|f|f|0', 'without any attribute');

# --- tables that are there already

$cdr->sql('CREATE DATABASE full_of_traps');

# Whose the tables are that the service takes for its own, with partitions.
my $installed = <<'EOC';
DO $$ BEGIN RAISE EXCEPTION 'INSTALLED, for %',
	(SELECT string_agg(DISTINCT relowner::regrole::text, ', ') FROM pg_class AS c
	 WHERE oid IN (SELECT refobjid FROM pg_depend WHERE classid = 'pg_extension'::regclass
				   AND refclassid = 'pg_class'::regclass
				   UNION SELECT inhrelid FROM pg_inherits WHERE inhparent = 'cdr.call_events'::regclass)); END $$
EOC
my $is_installed = qr/INSTALLED, for cdr_service\n/;

# A stranger's objects in the schema, then CREATE EXTENSION; the error.
sub install_over
{
	my ($as_stranger, $as_superuser) = @_;

	return $cdr->error_of(
		join('; ',
			'BEGIN',
			'CREATE SCHEMA cdr',
			'GRANT USAGE, CREATE ON SCHEMA cdr TO stranger',
			'SET LOCAL search_path = cdr',
			'SET LOCAL SESSION AUTHORIZATION stranger',
			$as_stranger,
			'RESET SESSION AUTHORIZATION',
			$as_superuser || 'SELECT',
			'CREATE EXTENSION cdr_service SCHEMA cdr',
			'SET LOCAL search_path = pg_catalog',
			$installed),
		'full_of_traps');
}

# Another name will do for the default partition; without the others' names there
# is no extension.
foreach my $name (
	qw(call_events call_events_default calls dead_letters
	timeless_events))
{
	my $expected =
	  $name eq 'call_events_default' ? $is_installed : qr/ERROR: .*"$name"/;
	my %strange = (
		'table'    => "CREATE TABLE $name (call_id text)",
		'view'     => "CREATE VIEW $name AS SELECT 'x'::text AS call_id",
		'sequence' => "CREATE SEQUENCE $name",
		'domain'   => "CREATE DOMAIN $name AS text CHECK (VALUE <> '')",
		'type'     => "CREATE TYPE $name AS (call_id text)");

	like(install_over($strange{$_}), $expected, "$_ $name of a stranger")
	  foreach sort keys %strange;
	like(
		install_over(
			'SELECT', "CREATE EXTENSION file_fdw;
			 CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
			 CREATE FOREIGN TABLE $name (call_id text) SERVER files OPTIONS (filename '/dev/null')"
		),
		$expected,
		"foreign table $name");
	like(
		install_over('SELECT', "CREATE TEMPORARY TABLE $name (call_id text)"),
		$is_installed,
		"temporary table $name: is not ours");
}

# The right shape, from an extension that was here before.
my $again = <<'EOC';
CREATE EXTENSION cdr_service SCHEMA cdr; DROP EXTENSION cdr_service;
CREATE FUNCTION caught() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN RAISE WARNING 'trapped as %', current_user; RETURN NEW; END $$;
CREATE TRIGGER caught BEFORE INSERT OR UPDATE OR DELETE ON calls
	FOR EACH ROW EXECUTE FUNCTION caught();
EOC
like(install_over('SELECT', $again),
	$is_installed,
	'tables of the right shape and owner are adopted, with their triggers');
unlike(install_over('SELECT', $again),
	qr/trapped/, 'which do not run for it');
foreach my $name (
	qw(call_events call_events_default calls dead_letters
	timeless_events))
{
	like(
		install_over('SELECT', "$again; ALTER TABLE $name OWNER TO stranger"),
		qr/ERROR: .*(?s:.*)stranger/,
		"table $name of a stranger: refused");
}

# --- functions, operators and types that CREATE EXTENSION could fall into

# Each is a better match than the server's own for something that a script says.
my @operands = (
	'name, text',
	'text, name',
	'text, text',
	'oid, regclass',
	'regclass, oid',
	'regrole, oid',
	'oid, regrole',
	'"char", text',
	'name, name',
	'varchar, text',
	'text, varchar',
	'regnamespace, oid',
	'oid, regnamespace',
	'text, boolean',
	'text, integer');
my @functions = (
	'count(name)',
	'format(text, name)',
	'format(text, name, name)',
	'format(text, text)',
	'format(text, text, text)',
	'format(text, regclass)',
	'quote_ident(name)',
	'to_regclass(name)',
	'to_regrole(name)',
	'has_schema_privilege(name, name, text)',
	'pg_has_role(name, oid, text)',
	'getdatabaseencoding()',
	'current_setting(name)',
	'pg_get_userbyid(integer)',
	'string_agg(name, text)',
	'array_agg(name)',
	'coalesce(name, name)',
	'pg_extension_config_dump(text, text)',
	'set_config(text, text, integer)');

sub traps
{
	my ($schema) = @_;
	my $sql = <<"EOC";
CREATE FUNCTION $schema.caught() RETURNS boolean LANGUAGE plpgsql AS
	\$\$ BEGIN RAISE WARNING 'trapped as %', current_user; RETURN false; END \$\$;
EOC
	my $number = 0;

	foreach my $operator ('=', '<>', '||', '~', '~~')
	{
		foreach my $pair (@operands)
		{
			my ($left, $right) = split /, /, $pair;

			$number++;
			$sql .=
			  "CREATE FUNCTION $schema.trap$number($pair) RETURNS boolean LANGUAGE sql AS 'SELECT $schema.caught()';"
			  . "CREATE OPERATOR $schema.$operator (LEFTARG = $left, RIGHTARG = $right, FUNCTION = $schema.trap$number);\n";
		}
	}
	foreach my $function (@functions)
	{
		$sql .=
		  "CREATE FUNCTION $schema.$function RETURNS boolean LANGUAGE sql AS 'SELECT $schema.caught()';\n";
	}
	$sql .=
	  "CREATE DOMAIN $schema.$_ AS pg_catalog.$_ CHECK ($schema.caught());\n"
	  foreach qw(text timestamptz uuid json bytea int8 bool name);
	return $sql;
}

foreach my $path ('cdr', 'trap, pg_catalog', 'trap, cdr, pg_catalog, pg_temp')
{
	my $schema = $path eq 'cdr' ? 'cdr' : 'trap';
	my $result = install_over(
		$path eq 'cdr' ? traps('cdr') : 'SELECT',
		(   $schema eq 'trap'
			? 'CREATE SCHEMA trap AUTHORIZATION stranger; SET LOCAL ROLE stranger; '
			  . traps('trap')
			  . '; RESET ROLE;'
			: '')
		  . "SET LOCAL search_path = $path");

	like($result, $is_installed, "traps in the way of search_path $path");
	unlike($result, qr/trapped/, 'nothing of them has run');
}
foreach my $signature (
	'cdr_ingest_event(json) RETURNS boolean',
	'cdr_status() RETURNS text',
	'cdr_guard_drops() RETURNS event_trigger')
{
	my $body =
	  $signature =~ /event_trigger/
	  ? q{LANGUAGE plpgsql AS 'BEGIN END'}
	  : q{LANGUAGE sql AS 'SELECT NULL::text::boolean'};

	$body = q{LANGUAGE sql AS 'SELECT NULL::text'}
	  if $signature =~ /RETURNS text/;
	like(
		install_over("CREATE FUNCTION $signature $body"),
		qr/ERROR: .*already exists/,
		"function $signature of a stranger: refused");
}

# --- a writer that may not write

my $published = 0;

sub publish_some
{
	my ($name) = @_;

	$cdr->publish(simple_events(3, $name), "no event: $name");
	$published += 3;
	return;
}

my $stored = 'SELECT count(*) FROM cdr.call_events';

sub wait_stored
{
	return $cdr->wait_for(
		"(SELECT count(*) FROM cdr.call_events) = $published AND (SELECT count(*) FROM cdr.dead_letters) = $published / 3"
	);
}

sub stores
{
	my ($name) = @_;

	publish_some($name);
	wait_stored();
	return is($cdr->sql($stored), $published, "$name: stored");
}

# Events come, but are kept until $cure; SQL callers are told the same.
sub refuses
{
	my ($name, $sqlstate, $error, $cure) = @_;
	my $before = $cdr->sql($stored);

	my $status;

	publish_some($name);
	# at one moment: the reason of a dead letter may be the last error after it
	poll(
		sub {
			$status = $cdr->sql(
				"SELECT s FROM cdr.cdr_status() AS s WHERE (state IN ('retrying', 'waiting for tables') OR waiting > 0) AND last_error_sqlstate = '$sqlstate'"
			);
			return $status ne '';
		},
		"$name: SQLSTATE $sqlstate");
	like($status, $error, "$name: told why");
	like(
		$cdr->error_of(
			q{SELECT cdr.cdr_ingest_event('{"eventType":"call.started","callId":"by hand"}')}
		),
		$error,
		"$name: SQL is told, too");
	is($cdr->sql($stored), $before, "$name: nothing is stored");
	$cure->();
	wait_stored();
	is($cdr->sql($stored), $published, "$name, cured: stored");
	return is($cdr->sql('SELECT count(*) FROM cdr.cdr_verify_calls()'),
		0, "$name, cured: calls are right");
}

sub adopt
{
	return $cdr->sql(q{SELECT cdr.cdr_adopt_tables('cdr_service')});
}

my $prefetch = 1000;

sub write_as
{
	my ($name) = @_;
	my $before = $cdr->sql('SELECT reconnects FROM cdr.cdr_status()');

	# for the other setting, it connects again
	$cdr->set(
		'cdr_service.role'     => $name,
		'cdr_service.prefetch' => ++$prefetch);
	return $cdr->wait_for("reconnects > $before FROM cdr.cdr_status()");
}

my $cure = qr/superuser(?s:.*)cdr_adopt_tables\('cdr_service'\)/;

$cdr->wait_for(q{state = 'consuming' FROM cdr.cdr_status()});
stores('as made');
like(
	$cdr->error_of(q{SELECT cdr.cdr_adopt_tables('postgres')}),
	qr/role "postgres" is a superuser/,
	'tables are not given to a superuser');
$cdr->sql("ALTER TABLE $_ OWNER TO postgres")
  foreach split /\n/,
  $cdr->sql(
	q{SELECT oid::regclass FROM pg_class WHERE relnamespace = 'cdr'::regnamespace AND relkind IN ('r', 'p')}
  );
refuses('tables of a superuser', '42501', $cure, \&adopt);
$cdr->sql('ALTER TABLE cdr.calls OWNER TO postgres');
refuses('calls of a superuser', '42501', $cure, \&adopt);
$cdr->sql('ALTER ROLE cdr_service SUPERUSER');
refuses('an owner that became superuser',
	'42501', qr/superuser/,
	sub { $cdr->sql('ALTER ROLE cdr_service NOSUPERUSER') });
$cdr->sql(
	'REASSIGN OWNED BY cdr_service TO postgres; DROP OWNED BY cdr_service; DROP ROLE cdr_service'
);
refuses('an owner that was dropped',
	'42501', $cure, sub { $cdr->sql('CREATE ROLE cdr_service'); adopt(); });
$cdr->sql('ALTER ROLE cdr_service RENAME TO renamed');
stores('an owner of another name');
$cdr->sql('ALTER ROLE renamed RENAME TO cdr_service');
$cdr->sql('REVOKE ALL ON cdr.calls FROM cdr_service');
refuses(
	'an owner without rights',
	'42501',
	qr/permission denied for table calls/,
	sub { $cdr->sql('GRANT ALL ON cdr.calls TO cdr_service') });
$cdr->sql('REVOKE ALL ON SCHEMA cdr FROM cdr_service');
refuses(
	'an owner without the schema',
	'42501',
	qr/permission denied for schema cdr/,
	sub { $cdr->sql('GRANT USAGE ON SCHEMA cdr TO cdr_service') });

$cdr->sql(
	'CREATE ROLE nobody; CREATE ROLE writer; GRANT USAGE ON SCHEMA cdr TO writer;
	GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA cdr TO writer'
);
write_as('postgres');
refuses(
	'cdr_service.role: a superuser',
	'42501',
	qr/superuser(?s:.*)cdr_service\.role/,
	sub { write_as('') });
write_as('somebody');
refuses(
	'cdr_service.role: not there',
	'42704',
	qr/role "+somebody"+ does not exist(?s:.*)cdr_service\.role/,
	sub { write_as('') });
write_as('nobody');
refuses(
	'cdr_service.role: without rights',
	'42501',
	qr/permission denied for schema cdr/,
	sub { write_as('writer') });
stores('cdr_service.role: with rights');
$cdr->sql('ALTER ROLE writer RENAME TO another');
refuses(
	'cdr_service.role: renamed',
	'42704',
	qr/role "+writer"+ does not exist/,
	sub { $cdr->sql('ALTER ROLE another RENAME TO writer') });
$cdr->sql('ALTER ROLE writer SUPERUSER');
refuses('cdr_service.role: that became superuser',
	'42501', qr/superuser/,
	sub { $cdr->sql('ALTER ROLE writer NOSUPERUSER') });
$cdr->sql('REVOKE INSERT ON cdr.call_events FROM writer');
refuses(
	'cdr_service.role: loses a right',
	'42501',
	qr/permission denied for table call_events/,
	sub { $cdr->sql('GRANT INSERT ON cdr.call_events TO writer') });
$cdr->sql('DROP OWNED BY writer; DROP ROLE writer');
refuses(
	'cdr_service.role: dropped',
	'42704',
	qr/role "+writer"+ does not exist/,
	sub { write_as('') });
like(
	$cdr->error_of(
		q{SET cdr_service.role = 'postgres'; SELECT cdr.cdr_ingest_event('{}')}
	),
	qr/cannot be changed now/,
	'nobody chooses the role for a session');
$cdr->nothing_left('a superuser writes nothing');

done_testing();
