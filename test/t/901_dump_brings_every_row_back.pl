# Data stay: pg_dump and pg_restore bring back every row, partitions made at
# run time included, and rows are not dropped by mistake.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;
use CdrService::RandomCalls qw(random_events count_distinct);

my $cdr  = CdrService::Fixture->new('dump', extension => 0);
my $node = $cdr->node;
my $dump = $node->basedir . '/dump';

# in a schema other than public, which the tests then look into
$cdr->sql('CREATE SCHEMA cdr');
$cdr->sql('CREATE EXTENSION cdr_service SCHEMA cdr');
foreach my $database ('postgres', 'from_psql', 'from_restore')
{
	$cdr->sql("CREATE DATABASE $database") unless $database eq 'postgres';
	$cdr->sql("ALTER DATABASE $database SET search_path = cdr, public");
}
$cdr->wait_for_state('consuming');

my @messages = random_events(11, 300);
my $known =
  '{"eventType":"call.started","callId":"known","timestamp":"2026-02-01T12:00:00Z"}';
my $old =
  '{"eventType":"call.started","callId":"old","timestamp":"1999-12-31T23:59:59Z"}';

$cdr->publish(@messages, $known, $old, 'not an event');
$cdr->wait_drained(count_distinct(@messages) + 2);
$cdr->wait_for('count(*) = 1 FROM dead_letters');
$cdr->sql(q{SELECT cdr_create_partitions('2026-01-01', '2026-06-30')});
cmp_ok(($cdr->contents =~ /(\d+)$/)[0],
	'>=', 7, 'there are partitions, made at run time');
$cdr->calls_are_right('before the dump');

my $original = $cdr->contents;

# --- out and in

command_ok([ 'pg_dump', '-f', "$dump.sql", $node->connstr('postgres') ],
	'pg_dump');
command_ok(
	[ 'pg_dump', '-Fc', '-f', "$dump.custom", $node->connstr('postgres') ],
	'pg_dump -Fc');
command_ok(
	[
		'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.sql",
		$node->connstr('from_psql')
	],
	'psql into a fresh database, without an error');
command_ok(
	[
		'pg_restore', '--exit-on-error',
		'-d',         $node->connstr('from_restore'),
		"$dump.custom"
	],
	'pg_restore into a fresh database, without an error');

$cdr->carries_on($_, $original, $known, $old)
  foreach 'from_psql', 'from_restore';

# --- not by mistake

my $refused =
  qr/ERROR:.*cannot drop table .* because it holds rows.*HINT:.*cdr_service\.allow_drop/s;

my $partition = $cdr->sql(
	q{SELECT tableoid::regclass FROM call_events WHERE call_id = 'known'});

isnt($partition, 'call_events_default', 'rows are in the partitions');
foreach my $statement (
	'DROP EXTENSION cdr_service',
	'DROP EXTENSION cdr_service CASCADE',
	'DROP SCHEMA cdr CASCADE',
	"DROP TABLE $partition")
{
	like($cdr->error_of($statement), $refused, "$statement is refused");
}
is($cdr->contents, $original, 'and has dropped nothing');

my @pids = $cdr->worker_pids;
$cdr->sql('SELECT cdr_pause()');
$cdr->wait_until_paused(@pids);
$cdr->sql(
	'DELETE FROM call_events; DELETE FROM calls; DELETE FROM dead_letters');
is($cdr->error_of('DROP EXTENSION cdr_service'),
	'no error', 'without rows, DROP EXTENSION needs no setting');

done_testing();
