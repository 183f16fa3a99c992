# The worker waits quietly for its extension, and lets it go; without
# preloading, the extension installs and records, and says what is missing.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use Test::More;
use Time::HiRes qw(time);

use CdrService::Events qw(simple_events);
use CdrService::Fixture;
use CdrService::Util qw(soon);

my $cdr = CdrService::Fixture->new(
	'extension',
	extension => 0,
	config    => "cdr_service.database = 'cdr'\n");
my $node = $cdr->node;

# The extension in "postgres" is only there to ask; the worker's own is to be
# in "cdr".
$cdr->sql('CREATE EXTENSION cdr_service');
$cdr->sql('CREATE DATABASE cdr');

# --- missing

$cdr->wait_for_state('waiting for extension');
my $log = $cdr->log_size;
$cdr->broker->declare;
$cdr->publish(simple_events(30));
is(($cdr->broker->count)[1], 0, 'without an extension nothing is consumed');
is($cdr->sql('CREATE DATABASE bystander'),
	'', 'the waiting worker lets others create databases');
is($cdr->sql('DROP DATABASE bystander'), '', 'and drop them');

my $started = time;
$cdr->sql('CREATE EXTENSION cdr_service', 'cdr');
$cdr->wait_for('count(*) = 30 FROM call_events', 'cdr');
cmp_ok(time - $started,
	'<', soon(5), 'events are stored within seconds of CREATE EXTENSION');
is($cdr->log_matches(qr/cdr_service worker/, $log),
	1, 'the log has one line about it all: that events are consumed');

# --- drop and alter, under load

$cdr->publish(simple_events(300, 'more'));
is($cdr->error_of('ALTER TABLE calls ADD COLUMN note text', 'cdr'),
	'no error', 'what an update script may do is let happen');
is($cdr->error_of("ALTER EXTENSION cdr_service UPDATE TO '1.0'", 'cdr'),
	'no error', 'ALTER EXTENSION UPDATE is let happen');
$cdr->wait_for('count(*) = 330 FROM call_events', 'cdr');

$log = $cdr->log_size;
is($cdr->error_of('DROP EXTENSION cdr_service', 'cdr'),
	'no error', 'DROP EXTENSION is let happen');
is($cdr->sql('SELECT count(*) FROM calls', 'cdr'),
	110, 'and keeps every row');
$cdr->publish(simple_events(30, 'late'), simple_events(30, 'more'));
$cdr->wait_for_state('waiting for extension');
is($cdr->broker->left_over, 60, 'events wait on the queue');
is($cdr->log_matches(qr/ERROR|FATAL/, $log),
	0, 'a dropped extension is no error');

$cdr->sql('CREATE EXTENSION cdr_service', 'cdr');
$cdr->wait_for('count(*) = 360 FROM call_events', 'cdr');
$cdr->broker->wait_until_empty;
is($cdr->sql('SELECT count(*), sum(event_count) FROM calls', 'cdr'),
	'120|360', 'a new extension goes on where the old one was, exactly once');

# The moment in which a batch is stored is met sooner or later.
my $events = 360;
foreach my $round (1 .. 8)
{
	my $publishing =
	  $cdr->broker->start_publishing(simple_events(300, "round $round"));

	$cdr->wait_for("count(*) > $events FROM call_events", 'cdr');
	$cdr->sql('DROP EXTENSION cdr_service',   'cdr');
	$cdr->sql('CREATE EXTENSION cdr_service', 'cdr');
	$publishing->finish or die 'could not publish';
	$events += 300;
	$cdr->wait_for("count(*) >= $events FROM call_events", 'cdr');
}
$cdr->broker->wait_until_empty;
is( $cdr->sql(
		'SELECT count(*), count(DISTINCT (call_id, event_id)) FROM call_events',
		'cdr'),
	"$events|$events",
	'through drops in the midst of batches, every event is stored once');
is( $cdr->sql(
		'SELECT count(*), sum(event_count), count(note) FROM calls', 'cdr'),
	join('|', $events / 3, $events, 0),
	'in a call of its own, in the same table');
is($cdr->sql('SELECT count(*) FROM cdr_verify_calls()', 'cdr'),
	0, 'and the calls are right');

# --- no room for a worker

$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
$node->restart;
$cdr->status_is('state', 'not started', 'a worker that cannot start is seen');
like($cdr->status('last_error'),
	qr/max_worker_processes/, 'with the setting that is in its way');
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');

# --- not preloaded

$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$node->restart;
$cdr->sql('CREATE DATABASE plain');
$cdr->sql('CREATE EXTENSION cdr_service', 'plain');
is( $cdr->sql(
		q{SELECT cdr_ingest_event('{"eventType":"call.started","callId":"by hand","timestamp":"2026-01-01T00:00:00Z"}')},
		'plain'),
	't',
	'not preloaded: cdr_ingest_event() works');
is($cdr->sql('SELECT status FROM calls', 'plain'),
	'STARTED', 'and makes a call');
foreach
  my $function ('cdr_status', 'cdr_pause', 'cdr_resume', 'cdr_stats_reset')
{
	like(
		$cdr->error_of("SELECT $function()", 'plain'),
		qr/ERROR:.*HINT:.*shared_preload_libraries/s,
		"not preloaded: $function() says what is missing");
}
like(
	$cdr->error_of('DROP TABLE calls CASCADE', 'plain'),
	qr/cannot drop table .* because it holds rows/,
	'not preloaded: rows are guarded in a new session, too');

done_testing();
