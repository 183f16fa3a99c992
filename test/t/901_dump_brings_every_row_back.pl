# The tables are the DBA's: whatever he adds to them, and every row, comes back
# from any dump that holds it, and the service goes on with what is restored.
# Rows are not dropped by mistake.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Additions;
use CdrService::Events qw(simple_events);
use CdrService::Fixture;
use CdrService::RandomCalls qw(random_events);

my $known =
  '{"eventType":"call.started","callId":"known","timestamp":"2026-02-01T12:00:00Z"}';
my $old =
  '{"eventType":"call.started","callId":"old","timestamp":"1999-12-31T23:59:59Z"}';
my @messages = (random_events(11, 150), $known, $old);

# no worker has a hand in it
my $cdr = CdrService::Fixture->new(
	'dump',
	broker => 0,
	config => "wal_level = logical\n");
my $node  = $cdr->node;
my $files = $node->basedir . '/dump';

# Fills a database in which the extension is.
sub fill
{
	my ($database) = @_;

	$cdr->sql(q{SELECT cdr_create_partitions('2026-01-01', '2026-06-30')},
		$database);
	$cdr->ingest($database, @messages);
	$cdr->sql( <<'EOC', $database);
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, attempts, sqlstate, message, body_size, body)
SELECT gen_random_uuid(), now(), now(), i, '22P02', 'not JSON', 12, 'not an event'
FROM generate_series(1, 3) AS i
EOC
	return;
}

sub dump_of
{
	my ($database, $name, @options) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	command_ok(
		[
			'pg_dump', @options,
			'-f',      "$files.$name",
			$node->connstr($database)
		],
		"pg_dump @options");
	return "$files.$name";
}

# A database to restore into.
sub target
{
	my ($name, @options) = @_;

	$cdr->sql("CREATE DATABASE $name @options");
	return $node->connstr($name);
}

# Runs a script; the first error is the end of it.
sub psql_runs
{
	my ($connstr, $file, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return command_ok(
		[
			'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $file,
			$connstr
		],
		"$name: psql, without an error");
}

sub restores
{
	my ($connstr, $name, @options) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return command_ok(
		[ 'pg_restore', '--exit-on-error', '-d', $connstr, @options ],
		"$name: pg_restore, without an error");
}

# --- one database with all that DBAs add

fill('postgres');
my $additions = CdrService::Additions->new($cdr, 'postgres');
my $contents  = $cdr->contents;

cmp_ok(($contents =~ /(\d+)$/)[0],
	'>=', 9, 'there are partitions, made at run time and by hand');
$cdr->calls_are_right('before the dump');

sub same
{
	my ($database, $way, %option) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$additions->are_in($cdr, $database, $way, %option) or return;
	return $cdr->carries_on($database, $contents, $known, $old);
}

my $plain  = dump_of('postgres', 'sql');
my $custom = dump_of('postgres', 'custom', '-Fc');

# --- all of it, in every way

my $way = 'psql';
psql_runs(target('by_psql'), $plain, $way);
target('cleaned', 'TEMPLATE by_psql');
my $again = dump_of('by_psql', 'again', '-Fc');
same('by_psql', $way);

$way = 'pg_restore -j 2';
restores(target('by_restore'), $way, '-j', 2, $custom);
same('by_restore', $way);

$way = '--clean --if-exists over itself';

# To drop tables with rows needs to be said.  Then, pg_restore drops the indexes
# of partitions first, which PostgreSQL refuses with any partitioned table; and
# then the table.
my $complaints;
{
	local $ENV{PGOPTIONS} = '-c cdr_service.allow_drop=on';
	(undef, $complaints) = run_command(
		[
			'pg_restore',              '--clean',
			'--if-exists',             '-d',
			$node->connstr('cleaned'), $custom
		]);
}
is( join(
		"\n",
		grep {
			/ERROR/
			  && !
			  /cannot drop (?:inherited constraint|index .* because index)/
		  }
		  split /\n/,
		$complaints),
	'',
	"$way: no error that matters");
same('cleaned', $way);

$way = '-Fd -j 2';
restores(target('by_directory'),
	$way, '-j', 2, dump_of('postgres', 'directory', '-Fd', '-j', 2));
same('by_directory', $way);

$way = '--section';
target('by_section');
foreach my $section ('pre-data', 'data', 'post-data')
{
	isnt($cdr->error_of("SELECT cdr_ingest_event('$known')", 'by_section'),
		'no error', "$way: before $section, no event is taken");
	restores($node->connstr('by_section'),
		"$way=$section", "--section=$section", $custom);
}
same('by_section', $way);

# (rows that come after the triggers are not to fire them)
$way = '-s, then -a';
psql_runs(target('in_two'), dump_of('postgres', 'schema', '-s'), $way);
{
	local $ENV{PGOPTIONS} = '-c session_replication_role=replica';
	psql_runs($node->connstr('in_two'),
		dump_of('postgres', 'data', '-a'), $way);
}
$cdr->sql('REFRESH MATERIALIZED VIEW calls_per_day', 'in_two');
same('in_two', $way);

$way = 'a dump of the restored';
restores(target('second'), $way, $again);
same('second', $way);

# A dump of a schema has no publications, nor what everybody may do in public;
# nothing of the extension, either, unless it is asked for: views over its
# functions, and who may call those, are to be said again.
my $not_of_schema =
  qr/^publi|^comment\ .*\ publication|^grant\ .*schema\ public.*\ to\ public\b/x;

$way = '-n public, then CREATE EXTENSION';
target('by_schema');
$cdr->sql('DROP SCHEMA public', 'by_schema');
psql_runs(
	$node->connstr('by_schema'),
	dump_of(
		'postgres', 'by_schema', '-n', 'public',
		'-T',       'histories', '-T', 'wrong_calls',
		'-T',       'cdr_*'),
	$way);
is($cdr->error_of('CREATE EXTENSION cdr_service', 'by_schema'),
	'no error', "$way: the extension takes the tables");
same(
	'by_schema', $way,
	except => qr/$not_of_schema|\bhistories\b|\bwrong_calls\b|\bcdr_(?:causes|mapping\w*)\b
		|^grant\ .*\bcdr_\w+\(.*\ (?:reader|clerk|public)\b/x
);

# With the extension, it has those, too.
$way = '-n public -e cdr_service';
target('with_extension');
$cdr->sql('DROP SCHEMA public', 'with_extension');
psql_runs(
	$node->connstr('with_extension'),
	dump_of(
		'postgres', 'with_extension', '-n', 'public', '-e', 'cdr_service'),
	$way);
same('with_extension', $way, except => $not_of_schema);

note "\n" . $additions->table;

# --- a part of it: pg_dump does what it is asked for

dump_of('postgres', 'part', @$_)
  foreach [ '-n', 'public' ], [ '--schema-only', '-n', 'public' ],
  [ '-n', 'public', '--inserts' ], [ '-Fc', '-t', 'call*' ],
  [ '-t', 'call_events_default' ], [ '-t', 'call*' ], [ '-t', 'calls' ];

# --- without additions, in a schema other than public

$cdr->sql('CREATE DATABASE source');
$cdr->sql( <<'EOC', 'source');
ALTER DATABASE source SET search_path = cdr, public;
CREATE SCHEMA cdr;
CREATE EXTENSION cdr_service SCHEMA cdr;
EOC
fill('source');
my $original = $cdr->contents('source');
my @catalog  = CdrService::Additions::catalog_of($cdr, 'source');

sub same_as_source
{
	my ($database, $way) = @_;
	my @found = CdrService::Additions::catalog_of($cdr, $database);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$cdr->sql("ALTER DATABASE $database SET search_path = cdr, public");
	is(join("\n", CdrService::Additions::difference(\@catalog, \@found)),
		'', "$way: the catalogs say the same")
	  or return;
	return $cdr->carries_on($database, $original, $known, $old);
}

$plain = dump_of('source', 'plain.sql');
psql_runs(target('plain_psql'), $plain, 'without additions');
same_as_source('plain_psql', 'without additions');
restores(target('plain_restore'), 'without additions',
	'-j', 2, dump_of('source', 'plain.custom', '-Fc'));
same_as_source('plain_restore', 'without additions');

# the tables alone, and an extension that finds them there
$way = "-t 'call*' -t dead_letters, then CREATE EXTENSION";
target('by_pattern');
$cdr->sql('CREATE SCHEMA cdr', 'by_pattern');
psql_runs($node->connstr('by_pattern'),
	dump_of('source', 'pattern', '-t', 'call*', '-t', 'dead_letters'), $way);
$cdr->sql('CREATE EXTENSION cdr_service SCHEMA cdr', 'by_pattern');
same_as_source('by_pattern', $way);

# all but the log: the script makes what is missing
$way = "-T 'call_events*'";
psql_runs(target('no_log'),
	dump_of('source', 'no_log', '-T', 'call_events*'), $way);
$cdr->sql('ALTER DATABASE no_log SET search_path = cdr, public');
my $calls =
  'SELECT count(*), md5(string_agg(c::text, $$ $$ ORDER BY call_id)) FROM calls AS c';
is( $cdr->sql($calls, 'no_log'),
	$cdr->sql($calls, 'source'),
	"$way: every call is back");
is($cdr->sql("SELECT cdr_ingest_event('$known')", 'no_log'),
	't', "$way: and there is a log");

# --- tenants see what they saw, and nothing else

$cdr->sql('CREATE DATABASE tenants TEMPLATE source');
$cdr->sql('CREATE ROLE one; CREATE ROLE two; CREATE ROLE other');
$cdr->sql( <<'EOC', 'tenants');
SET search_path = cdr;
SELECT count(cdr_ingest_event(json_build_object('eventType', 'call.started', 'callId', 'of-' || i,
	'timestamp', '2026-02-03T12:00:00Z', 'tenantId', (ARRAY['one', 'two'])[1 + i % 2])))
FROM generate_series(1, 10) AS i;
SELECT cdr_create_tenant_views();
SELECT count(*) FROM cdr_read_calls('to look at it', 'of-1');
INSERT INTO cdr_tenant_roles VALUES ('one', 'one'), ('two', 'two'), ('gone', 'one');
GRANT USAGE ON SCHEMA cdr TO one, two, other;
GRANT SELECT ON tenant_calls, tenant_call_events TO one, two, other;
SELECT cdr_create_retention_tables();
SELECT cdr_hold('a claim', tenant_id => 'two');
SELECT cdr_set_retention('one', 'calls', '1 day', 'a purpose', 'a test');
SELECT cdr_guard_log();
GRANT EXECUTE ON FUNCTION cdr_retention_plan TO one;
EOC

sub seen_by
{
	my ($role, $database) = @_;

	return $cdr->sql( <<"EOC", $database);
SET ROLE $role;
SELECT (SELECT string_agg(call_id, ' ' ORDER BY call_id) FROM cdr.tenant_calls),
	(SELECT string_agg(call_id, ' ' ORDER BY call_id) FROM cdr.tenant_call_events)
EOC
}

restores(target('tenants_again'),
	'tenants', dump_of('tenants', 'tenants', '-Fc'));
foreach my $database ('tenants', 'tenants_again')
{
	my ($even, $odd) = ('of-10 of-2 of-4 of-6 of-8', 'of-1 of-3 of-5 of-7 of-9');

	is(seen_by('one', $database), "$even|$even", "$database: one sees its own");
	is(seen_by('two', $database), "$odd|$odd", "$database: two sees its own");
	is(seen_by('other', $database), '|', "$database: others see nothing");
	like(
		$cdr->error_of('SET ROLE one; SELECT count(*) FROM cdr.calls',
			$database),
		qr/permission denied/,
		"$database: one is refused the table");
	is( $cdr->sql(
			'SELECT reason, subject, rows FROM cdr.cdr_access_log', $database),
		'to look at it|{"call_id": "of-1"}|1',
		"$database: the record of who read is there");

	# and what is held, what has expired, and the guard over the log
	is( $cdr->sql(
			q{SELECT string_agg(call_id, ' ' ORDER BY call_id) FROM cdr.cdr_held_calls()},
			$database),
		$odd,
		"$database: what was held is held");
	is( $cdr->sql(
			'SET ROLE one; SELECT kind, tenant_id, rows FROM cdr.cdr_retention_plan()',
			$database),
		'calls|one|5',
		"$database: the rules of retention are in force");
	like(
		$cdr->error_of(
			q{DELETE FROM cdr.call_events WHERE call_id = 'of-1'}, $database),
		qr/are not changed by hand/,
		"$database: the log is guarded");
}

# --- not by mistake

my $refused =
  qr/ERROR:.*cannot drop table .* because it holds rows.*HINT:.*cdr_service\.allow_drop/s;
my $partition = $cdr->sql(
	q{SELECT tableoid::regclass FROM call_events WHERE call_id = 'known'},
	'source');

isnt($partition, 'call_events_default', 'rows are in the partitions');
foreach my $statement (
	'DROP SCHEMA cdr CASCADE',
	'DROP TABLE calls CASCADE',
	'DROP TABLE dead_letters CASCADE',
	'DROP TABLE call_events CASCADE',
	"DROP TABLE $partition")
{
	like($cdr->error_of("BEGIN; $statement; ROLLBACK", 'source'),
		$refused, "$statement is refused");
}
foreach my $table ('calls', 'call_events', 'dead_letters', 'timeless_events')
{
	like(
		$cdr->error_of("BEGIN; DROP TABLE $table; ROLLBACK", 'source'),
		qr/cannot drop table $table because other objects depend on it.*extension cdr_service depends on table ($table|timeless_events)|$refused/s,
		"DROP TABLE $table is refused");
}
is($cdr->contents('source'), $original, 'and has dropped nothing');

# the extension goes, the tables stay, and are taken up again
is($cdr->error_of('DROP EXTENSION cdr_service', 'source'),
	'no error', 'DROP EXTENSION needs no setting');
is($cdr->contents('source'), $original, 'and takes no row along');
$cdr->sql('CREATE EXTENSION cdr_service SCHEMA cdr', 'source');
same_as_source('source', 'DROP EXTENSION, CREATE EXTENSION');

# --- into a server that has no role cdr_service

my $elsewhere = CdrService::Fixture->new('elsewhere', extension => 0);

my ($stdout, $stderr) = run_command(
	[
		'psql', '-X', '-q', '-f', $plain,
		$elsewhere->node->connstr('postgres')
	]);
my @errors = grep { /ERROR/ } split /\n/, $stderr;
cmp_ok(scalar @errors, '>', 0, 'restored without the role: it is missed');
is(join("\n", grep { !/role "cdr_service" does not exist/ } @errors),
	'', 'and nothing else');
$elsewhere->sql('ALTER DATABASE postgres SET search_path = cdr, public');
is($elsewhere->contents, $original, 'every row is there');

my $cure =
  qr/SELECT cdr\.cdr_adopt_tables\('cdr_service'\)|SELECT cdr_adopt_tables\('cdr_service'\)/;
like($elsewhere->error_of("SELECT cdr_ingest_event('$known')"),
	qr/ERROR:.*HINT:.*$cure/s, 'SQL functions say what to do');

my @waiting = simple_events(30, 'waiting');
$elsewhere->broker->declare;
$elsewhere->publish(@waiting, $known);
$elsewhere->wait_for(
	q{bool_and(last_error_sqlstate = '42501') FROM cdr_status()});
like($elsewhere->status('last_error'), $cure, 'and so does the service');
is($elsewhere->contents, $original, 'which writes nothing meanwhile');

$elsewhere->sql(q{SELECT cdr_adopt_tables('cdr_service')});
$elsewhere->wait_drained(($original =~ /\|(\d+)\n/)[0] + @waiting);
is( $elsewhere->sql(
		q{SELECT count(*) FROM call_events WHERE call_id = 'known'}),
	1,
	'cured: what waited is recorded, and once');
is($elsewhere->sql('SELECT count(*) FROM cdr_verify_calls()'),
	0, 'and the calls are right');
$elsewhere->nothing_left('cured');

done_testing();
