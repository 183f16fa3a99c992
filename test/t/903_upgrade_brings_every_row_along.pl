# To another version of PostgreSQL: pg_upgrade, pg_restore and psql bring every
# row along from an older one, and all that DBAs have added, and the service goes
# on where it was.
#
# CDR_TEST_OLD_PG_CONFIG names the older one's pg_config; the extension is
# installed there, too.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Additions;
use CdrService::Events qw(simple_events);
use CdrService::Fixture;
use CdrService::RandomCalls qw(random_events count_distinct);
use CdrService::Util        qw(run);

plan skip_all => 'CDR_TEST_OLD_PG_CONFIG names no other PostgreSQL'
  unless $ENV{CDR_TEST_OLD_PG_CONFIG};

my $old_bin = run([ $ENV{CDR_TEST_OLD_PG_CONFIG}, '--bindir' ]);

# (that have checksums on their pages is the default of newer ones only)
my @initdb = ('--data-checksums');
my $config = "wal_level = logical\n";
my $new    = CdrService::Fixture->new(
	'new',
	start  => 0,
	initdb => \@initdb,
	config => $config);
my $old = CdrService::Fixture->new(
	'old',
	install_path => dirname($old_bin),
	initdb       => \@initdb,
	config       => $config);

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

# a database that no worker looks after, with seals
my $seal = <<"EOS";
SET cdr_service.evidence = on;
SELECT cdr_ingest_event('$known');
SELECT cdr_ingest_event('$ancient');
SELECT cdr_seal();
EOS
$old->sql('CREATE DATABASE unattended');
$old->sql('CREATE EXTENSION cdr_service', 'unattended');
$old->sql('SELECT cdr_create_evidence_tables()', 'unattended');
$old->sql($seal,                                 'unattended');
my $checkpoint = $old->sql('SELECT cdr_checkpoint()', 'unattended');
my $problems =
  "SELECT problem, log, detail FROM cdr_verify_evidence(checkpoint => '$checkpoint')";

my $additions = CdrService::Additions->new($old, 'postgres');
$events = $old->events;
$old->stored_is($events, 'with what a DBA has added');

# From 16 on, the columns of a view over one table or function stand without its name;
# from 17 on, json without its schema in the arguments of a function.
my $alike = sub {
	my ($line) = @_;

	return $line =~ /^view / ? $line =~ s/\b[a-z_]\w*\.(?=["\w])//gr : $line =~ s/\bpg_catalog\.//gr;
};

# The types of tables are members, too, from 17 on.  A new database has its counts from
# the rows that came, and folds them later; carries_on() verifies them.
my $types  = qr/^member \| type /;
my $counts = qr/$types|^public\.cdr_rollup_(?:sums|deltas)\|/;

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

$new->upgrade_from($old);
is(join(' ', $new->broker->count),
	@later + 50 . ' 0', 'no worker ran meanwhile');

$new->node->append_conf('postgresql.conf', 'cdr_service.paused = on');
$new->node->start;
note 'to PostgreSQL ' . $new->sql('SHOW server_version');
$additions->are_in($new, 'postgres', 'pg_upgrade',
	alike  => $alike,
	except =>
	  qr/$types|^the extension depends on|^depends on the extension \| trigger cdr_rollup /);
is($new->contents, $contents, 'in as many partitions');

# pg_upgrade forgets that the extension depends on its tables: the worker says it
# again, and where there is none, a function does.
like(
	$new->error_of("SELECT cdr_ingest_event('$known')"),
	qr/ERROR:.*HINT:.*cdr_adopt_tables\(/s,
	'without the worker, nothing is recorded');
$new->sql('ALTER SYSTEM RESET cdr_service.paused');
$new->set('cdr_service.paused' => 'off');
$new->wait_for_state('consuming');
$new->wait_drained($events + @later);
$new->stored_is($events + @later,
	'after pg_upgrade, with some events once more');
$new->carries_on('postgres', $new->contents, $known, $ancient);
$additions->are_in(
	$new, 'postgres', 'pg_upgrade, and the worker',
	alike  => $alike,
	except => $types,
	rows   => 0);
my $depends = <<'EOC';
SELECT string_agg(refobjid::regclass::text, ' ' ORDER BY refobjid::regclass::text)
FROM pg_depend JOIN pg_extension AS e ON e.oid = objid
WHERE extname = 'cdr_service' AND classid = 'pg_extension'::regclass
AND refclassid = 'pg_class'::regclass
EOC
is($new->sql($depends, 'unattended'), '', 'without a worker, nobody has');
$new->sql('SELECT cdr_adopt_tables()', 'unattended');
is( $new->sql($depends, 'unattended'),
	$new->sql($depends),
	'cdr_adopt_tables() does');
is($new->sql($problems, 'unattended'), '', 'seals hold');
$new->sql($seal =~ s/"callId":"/$&new-/gr, 'unattended');
is( $new->sql(
		'SELECT entry FROM cdr_log WHERE log = 2 AND log_index = 0', 'unattended'),
	"cdr-continues-v1\n$checkpoint",
	'a new log of seals continues the one of before');
is($new->sql($problems, 'unattended'), '', 'whose seals still hold');
like(
	$new->error_of('DROP TABLE call_events'),
	qr/because it holds rows|extension cdr_service depends on table/,
	'rows are guarded as before');

# --- into databases of the new version

$new->sql("CREATE DATABASE $_")
  foreach 'from_psql', 'from_restore', 'from_upgraded';
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
foreach my $database ('from_psql', 'from_restore')
{
	$additions->are_in(
		$new, $database, $database,
		alike  => $alike,
		except => $counts);
	$new->carries_on($database, $contents, $known, $ancient);
}

# and what was upgraded can be dumped
$contents = $new->contents;
command_ok(
	[
		'pg_dump', '-Fc', '-f',
		"$dump.upgraded", $new->node->connstr('postgres')
	],
	'pg_dump of what was upgraded');
command_ok(
	[
		'pg_restore', '--exit-on-error',
		'-d' => $new->node->connstr('from_upgraded'),
		"$dump.upgraded"
	],
	'pg_restore of it, without an error');
$additions->are_in(
	$new, 'from_upgraded', 'a dump of the upgraded',
	alike  => $alike,
	except => $types,
	rows   => 0);
is($new->contents('from_upgraded'), $contents, 'with every row');
is($new->sql('SELECT count(*) FROM cdr_verify_calls()', 'from_upgraded'),
	0, 'and the right calls');

note "\n" . $additions->table;

$new->nothing_left('in the end');

done_testing();
