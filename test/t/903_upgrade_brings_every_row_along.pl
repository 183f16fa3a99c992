# To another version of PostgreSQL: pg_upgrade, pg_restore and psql bring every
# row along from an older one, and the service goes on where it was.
#
# CDR_TEST_OLD_PG_CONFIG names the older one's pg_config; the extension is
# installed there, too.

use strict;
use warnings FATAL => 'all';

use Cwd;
use File::Basename;
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;
use CdrService::RandomCalls qw(random_events count_distinct);
use CdrService::Util        qw(run);

plan skip_all => 'CDR_TEST_OLD_PG_CONFIG names no other PostgreSQL'
  unless $ENV{CDR_TEST_OLD_PG_CONFIG};

my $old_bin = run([ $ENV{CDR_TEST_OLD_PG_CONFIG}, '--bindir' ]);

# (that have checksums on their pages is the default of newer ones only)
my @initdb = ('--data-checksums');
my $new    = CdrService::Fixture->new('new', start => 0, initdb => \@initdb);
my $old    = CdrService::Fixture->new('old',
	install_path => dirname($old_bin),
	initdb       => \@initdb);

note 'from PostgreSQL ' . $old->sql('SHOW server_version');

# --- by hand of the old one

my @messages = random_events(35, 200);
my @later    = simple_events(30, 'later');
my $known =
  '{"eventType":"call.started","callId":"known","timestamp":"2026-02-01T12:00:00Z"}';
my $ancient =
  '{"eventType":"call.started","callId":"old","timestamp":"1999-12-31T23:59:59Z"}';
my $events = count_distinct(@messages) + 2;

$old->publish(@messages, $known, 'not an event');
$old->wait_drained($events - 1);
$old->sql("SELECT cdr_ingest_event('$ancient')");
$old->sql(q{SELECT cdr_create_partitions('2026-01-01', '2026-06-30')});
$old->wait_for('count(*) = 1 FROM dead_letters');
$old->stored_is($events, 'before');

my $contents = $old->contents;
my $dump     = $old->node->basedir . '/dump';

# the old version's own dump, and the newer one's, as PostgreSQL advises
command_ok(
	[
		"$old_bin/pg_dump", '-f',
		"$dump.sql",        $old->node->connstr('postgres')
	],
	'pg_dump of the old version');
command_ok(
	[
		'pg_dump', '-Fc', '-f', "$dump.custom", $old->node->connstr('postgres')
	],
	'pg_dump of the new version');

# --- pg_upgrade, with a worker in either configuration, and events waiting

$old->node->stop;
$old->publish(@later, @messages[ 0 .. 49 ]);

# (it leaves files where it is called)
my $here = getcwd();
chdir $new->node->basedir or die "chdir: $!";
command_ok(
	[
		'pg_upgrade', '--no-sync',
		'--old-bindir'  => $old_bin,
		'--old-datadir' => $old->node->data_dir,
		'--new-datadir' => $new->node->data_dir,
		'--socketdir'   => $new->node->host,
		'--old-port'    => $old->node->port,
		'--new-port'    => $new->node->port,
	],
	'pg_upgrade');
chdir $here or die "chdir: $!";
is(join(' ', $new->broker->count),
	@later + 50 . ' 0', 'no worker ran meanwhile');

$new->node->append_conf('postgresql.conf', 'cdr_service.paused = on');
$new->node->start;
note 'to PostgreSQL ' . $new->sql('SHOW server_version');
$new->carries_on('postgres', $contents, $known, $ancient);

$new->sql('SELECT cdr_resume()');
$new->wait_for_state('consuming');
$new->wait_drained($events + 1 + @later);
$new->stored_is($events + 1 + @later,
	'after pg_upgrade, with some events once more');
like(
	$new->error_of('DROP EXTENSION cdr_service'),
	qr/because it holds rows/,
	'rows are guarded as before');

# --- into databases of the new version

$new->sql("CREATE DATABASE $_") foreach 'from_psql', 'from_restore';
command_ok(
	[
		'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f',
		"$dump.sql", $new->node->connstr('from_psql')
	],
	'psql, without an error');
command_ok(
	[
		'pg_restore', '--exit-on-error',
		'-d' => $new->node->connstr('from_restore'),
		"$dump.custom"
	],
	'pg_restore, without an error');
$new->carries_on($_, $contents, $known, $ancient)
  foreach 'from_psql', 'from_restore';

$new->nothing_left('in the end');

done_testing();
