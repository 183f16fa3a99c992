# A stream is never consumed from: it would begin at its end, and what came
# before or meanwhile would be lost in silence.  The service says so, waits, and
# goes on with another queue.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Broker;
use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $cdr      = CdrService::Fixture->new('stream');
my $broker   = $cdr->broker;
my $queue    = CdrService::Broker::QUEUE;
my @stream   = ('x-queue-type=stream');
my $exchange = CdrService::Broker::EXCHANGE;

sub is_refused
{
	my ($name) = @_;

	$cdr->wait_for(
		"state = 'backing off' AND last_error_sqlstate = '0A000' FROM cdr_status()"
	);
	like(
		$cdr->status('last_error'),
		qr/queue "\Q$queue\E" is a stream, .* HINT: Bind a quorum queue to the same exchange/,
		"$name: refused, and told why");
	return is($cdr->events, 0, "$name: not a single event is taken");
}

# --- the steps of case 38

my @before = $cdr->worker_pids;
$cdr->sql('SELECT cdr_pause()');
$cdr->wait_until_paused(@before);
$broker->amqp([ 'delete-queue', $queue ]);
$broker->declare(@stream);
$cdr->publish(simple_events(1, 'before'));
$cdr->sql('SELECT cdr_resume()');
is_refused('after a pause');
$cdr->publish(simple_events(1, 'while'));
$cdr->node->stop;
$cdr->publish(simple_events(1, 'down'));
my $log = $cdr->log_size;
$cdr->node->start;
$cdr->publish(simple_events(1, 'after'));
is_refused('after a start');
like(
	$cdr->log_since($log),
	qr/LOG:  [^\n]*is a stream.*HINT:  Bind a quorum queue/s,
	'the log says so, too');

# --- who may not configure it, cannot ask, but tell it all the same

$broker->add_user_without_configure('t111', 'secret');
my $since = $cdr->sql('SELECT clock_timestamp()');
$cdr->set('cdr_service.amqp_uri' =>
	  $broker->uri(user => 't111', password => 'secret'));
$cdr->wait_for(
	"last_error LIKE '%t111%' AND last_error_time > '$since' FROM cdr_status()"
);
is_refused('without permission');

# ... and any other queue is consumed from
$broker->amqp([ 'declare-queue', 'plain' ]);
$broker->amqp([ 'declare-queue', 'quorum', 'x-queue-type=quorum' ]);
foreach my $name ('plain', 'quorum')
{
	$cdr->set('cdr_service.queue' => $name);
	$cdr->wait_for(
		"state = 'consuming' AND queue = '$name' FROM cdr_status()");
	pass("without permission: $name is consumed from");
}

# --- a queue that becomes a stream while it is consumed from

$cdr->set(
	'cdr_service.amqp_uri' => $broker->uri,
	'cdr_service.queue'    => 'later');
$cdr->wait_for("state = 'consuming' AND queue = 'later' FROM cdr_status()");
$cdr->set('cdr_service.declare' => 'never');
$cdr->wait_for_state('consuming');
$queue = 'later';
$broker->amqp([ 'delete-queue', $queue ]);
$broker->amqp([ 'declare-queue', $queue, @stream ]);
is_refused('in place of a queue');

# --- another queue at the same exchange has all that is published from then on

$broker->amqp(
	[
		'declare-queue',       'instead',
		'x-queue-type=quorum', 'x-delivery-limit=2147483647'
	]);
$broker->amqp([ 'bind', 'instead', $exchange, '#' ]);
$cdr->set(
	'cdr_service.queue'      => 'instead',
	'cdr_service.queue_type' => 'quorum');
$cdr->wait_for_state('consuming');
$cdr->publish(simple_events(30, 'instead'));
$cdr->wait_for('count(*) >= 30 FROM call_events');
$cdr->stored_is(30, 'a quorum queue instead');
$cdr->status_is('warning', '', 'and nothing is to be feared');

$cdr->node->stop;
$broker->amqp([ 'delete-queue', $_ ])
  foreach 'plain', 'quorum', 'later', 'instead', CdrService::Broker::QUEUE;

done_testing();
