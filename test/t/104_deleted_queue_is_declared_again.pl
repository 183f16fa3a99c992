# A queue that is deleted under the consumer is declared again, and so are its
# bindings and its exchange; consumption goes on.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Broker;
use CdrService::Events qw(simple_events);
use CdrService::Fixture;
use CdrService::Util qw(poll);

my $cdr = CdrService::Fixture->new('queue_deleted',
	config => "cdr_service.binding_keys = 'call.#,user.#'\n");
my $broker   = $cdr->broker;
my $queue    = CdrService::Broker::QUEUE;
my $exchange = CdrService::Broker::EXCHANGE;
my $pid      = $cdr->status('pid');
my $stored   = 90;

# Publishes a message of these, one after the other, until the broker knows a
# queue for one; that one is stored.
sub publish_until_routed
{
	my ($name, @messages) = @_;

	poll(
		sub {
			return eval { $cdr->publish(shift @messages || die); 1 };
		},
		"$name: a binding",
		0.5);
	$stored++;
	$cdr->wait_drained($stored);
	return $cdr->stored_is($stored, $name);
}

# So many events of a type whose first word is this, one call each.
sub events_of
{
	my ($word, $name) = @_;

	return
	  map { s/"call\.started"/"$word.started"/r }
	  map { (simple_events(1, "$name $_"))[0] } 1 .. 1000;
}

# All bindings are gone: waits until events of every key arrive again.
sub arrives_again
{
	my ($name) = @_;

	publish_until_routed("$name, $_", events_of($_, $name))
	  foreach 'call', 'user';
	return;
}

$cdr->publish(simple_events(30, 'before'));
$cdr->wait_drained(30);

foreach my $round (1 .. 2)
{
	my $before = $cdr->sql('SELECT clock_timestamp()');

	$broker->amqp([ 'delete-queue', $queue ]);
	$cdr->wait_for(
		"state = 'consuming' AND reconnects = $round AND since > '$before' FROM cdr_status()"
	);
	like(
		$cdr->status('last_error'),
		qr/cancelled the consumer/,
		"round $round: the reason is told");
	$cdr->status_is('last_error_sqlstate', '42704',
		"round $round: with SQLSTATE");
	$cdr->publish(simple_events(30, "after $round"));
	$cdr->wait_drained(30 + 30 * $round);
	$cdr->stored_is(30 + 30 * $round, "round $round");
}

# --- bindings that somebody removes are made again, without a reconnect

sub unbind
{
	$broker->amqp([ 'unbind', $queue, $exchange, $_ ])
	  foreach 'call.#', 'user.#';
	return;
}

unbind();
ok( !eval { $cdr->publish(simple_events(1, 'lost')); },
	'unbound: what is published reaches no queue');
arrives_again('unbound');
$cdr->status_is('reconnects', 2, 'unbound: without a reconnect');

# --- an exchange that a producer deletes and declares again, and one that nobody does

$broker->amqp([ 'delete-exchange',  $exchange ]);
$broker->amqp([ 'declare-exchange', $exchange, 'topic' ]);
arrives_again('exchange declared again');

my $before = $cdr->status('reconnects');
my $log    = $cdr->log_size;
$broker->amqp([ 'delete-exchange', $exchange ]);
$cdr->wait_for(
	"state = 'consuming' AND reconnects = $before + 1 FROM cdr_status()");
like(
	$cdr->status('last_error'),
	qr/404 NOT_FOUND - no exchange '\Q$exchange\E'/,
	'exchange gone: the reason is told');
$cdr->status_is('last_error_sqlstate', '42704',
	'exchange gone: with SQLSTATE');
like(
	$cdr->status('warning'),
	qr/^exchange "\Q$exchange\E" did not exist and was declared/,
	'exchange gone: what was declared is told');
is($cdr->log_matches(qr/LOG:  declared exchange "\Q$exchange\E"/, $log),
	1, 'exchange gone: and logged');
arrives_again('exchange gone');
$cdr->status_is('pid', $pid, 'the worker is still the same process');

# --- what the service has not bound is left as it is

my $since = $cdr->sql('SELECT clock_timestamp()');
$cdr->set('cdr_service.declare' => 'never');
$cdr->wait_for("state = 'consuming' AND since > '$since' FROM cdr_status()");
unbind();
# it asks for consumers at the same time, so with the answer it has had its turn
my $other = $broker->hold($queue);
$cdr->wait_for('consumers = 2 FROM cdr_metrics_worker');
ok( !eval { $cdr->publish(simple_events(1, 'lost again')); },
	'declare = never: nothing is bound');
$broker->release($other);
$cdr->nothing_left('queue deleted');

done_testing();
