# cdr_pause() makes the workers let go of broker and database until
# cdr_resume(), through restarts and crashes.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

# Another database than "postgres", to be able to drop it; the extension is in
# both, to be able to ask.
my $cdr = CdrService::Fixture->new(
	'pause',
	extension => 0,
	config    => "cdr_service.database = 'cdr'\ncdr_service.workers = 2\n");
$cdr->sql('CREATE EXTENSION cdr_service');
$cdr->sql('CREATE DATABASE cdr');
$cdr->sql('CREATE EXTENSION cdr_service', 'cdr');
$cdr->wait_for_state('consuming');

# --- pause

my @pids = $cdr->worker_pids;
$cdr->sql('SELECT cdr_pause()', 'cdr');
$cdr->wait_until_paused(@pids);
is(($cdr->broker->count)[1], 0, 'paused workers do not consume');
is( $cdr->sql("SELECT count(*) FROM pg_stat_activity WHERE datname = 'cdr'"),
	0, 'paused workers are not connected to the database');
$cdr->publish(simple_events(300));

# --- it survives

@pids = $cdr->worker_pids;
kill 'TERM', @pids;
$cdr->wait_until_paused(@pids);
pass('a pause survives the end of the workers');

my $log = $cdr->log_size;
@pids = $cdr->worker_pids;
kill 'KILL', $pids[0];
$cdr->node->wait_for_log(qr/all server processes terminated; reinitializing/,
	$log);
$cdr->wait_until_paused(@pids);
pass('a pause survives a crash');

@pids = $cdr->worker_pids;
$cdr->node->restart;
$cdr->wait_until_paused(@pids);
pass('a pause survives a restart of the server');

is(join(' ', $cdr->broker->count),
	'300 0', 'nothing has been taken from the queue all the while');

# --- the database can go, and come back

$cdr->sql('DROP DATABASE cdr');
$cdr->sql('CREATE DATABASE cdr');
$cdr->sql('CREATE EXTENSION cdr_service', 'cdr');
pass('a paused worker does not hold its database');

# --- resume

$cdr->sql('SELECT cdr_resume()', 'cdr');
$cdr->wait_for_state('consuming');
$cdr->broker->wait_until_empty;
$cdr->wait_for('count(*) = 300 FROM call_events', 'cdr');
is($cdr->sql('SELECT count(*) FROM cdr_verify_calls()', 'cdr'),
	0, 'after cdr_resume() what has waited is stored');

$cdr->node->restart;
$cdr->wait_for_state('consuming');
pass('cdr_resume() lasts, too');
$cdr->nothing_left('pause');

done_testing();
