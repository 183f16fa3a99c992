# Silence is noticed on both sides: a broker that says nothing any more is
# given up after its heartbeats fail to come, and a worker that was stopped for
# so long that the broker gave it up connects again, and stores nothing twice; a
# worker that stands still is told.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::FakeBroker;
use CdrService::Fixture;
use CdrService::Oracle;
use CdrService::Util qw(poll);

my $cdr = CdrService::Fixture->new('silence',
	config => "cdr_service.heartbeat = '2s'\ncdr_service.batch_size = 5\n");
my $uri    = $cdr->broker->uri;
my $oracle = CdrService::Oracle->new($cdr);
my $pid    = $cdr->status('pid');

# --- idle, for longer than the broker would wait: heartbeats keep it alive

my $since = $cdr->sql('SELECT now()');
$cdr->wait_for("now() > '$since'::timestamptz + interval '7 s'");
$cdr->status_is('state || reconnects',
	'consuming0', 'an idle worker stays connected');

# --- the worker falls silent, with a batch in its hands

my $session = $cdr->session;
$session->query('BEGIN; LOCK TABLE calls');
$oracle->publish(100);
$cdr->wait_for_state('retrying');
kill 'STOP', $pid;
poll(sub { ($cdr->broker->count)[1] == 0 }, 'the broker to give up');
cmp_ok(($cdr->broker->count)[0],
	'>=', $oracle->sent, 'the broker has taken all events back');
$session->query('ROLLBACK');
kill 'CONT', $pid;
$oracle->is_satisfied('stopped');
$cdr->status_is('pid',        $pid, 'stopped: the same process goes on');
$cdr->status_is('reconnects', 1,    'stopped: with another connection');

# --- it stands still while it is idle, and cannot say so itself

sub workers_are
{
	my ($expected) = @_;

	return $cdr->wait_for(
		qq{level || ' ' || detail ~ '$expected' FROM cdr_health WHERE "check" = 'workers'}
	);
}

workers_are('^ok ');
kill 'STOP', $pid;
workers_are('^critical worker 0 has given no sign of life for [0-9]+ s$');
$cdr->status_is('state', 'consuming', 'idle: nothing else tells it');
kill 'CONT', $pid;
workers_are('^ok ');

# --- the broker falls silent, in the middle of a message

my $fake = CdrService::FakeBroker->half_message;
$cdr->set('cdr_service.amqp_uri' => 'amqp://guest:guest@127.0.0.1:'
	  . $fake->port
	  . '/');
$fake->wait_until_sent;
$cdr->wait_for_state('consuming');
my $before = $cdr->sql('SELECT clock_timestamp()');
$cdr->wait_for("last_error_time > '$before' FROM cdr_status()");
cmp_ok($cdr->sql("SELECT extract(epoch FROM clock_timestamp() - '$before')"),
	'<', 10, 'a silent broker is given up after a few heartbeats');
$cdr->status_is('left(last_error_sqlstate, 2)',
	'08', 'as a connection exception');

$cdr->set('cdr_service.amqp_uri' => $uri);
$cdr->wait_for(
	"host = '127.0.0.1:" . $cdr->broker->port . "' FROM cdr_status()");
$fake->stop;
$cdr->publish(simple_events(30, 'after'));
$cdr->wait_drained($oracle->sent + 30);
$cdr->stored_is($oracle->sent + 30, 'half a message');
$cdr->nothing_left('silence');

done_testing();
