# kill -9 of the worker with a backlog, again and again: the cluster recovers
# by itself, no event is lost and none is stored twice.

use strict;
use warnings FATAL => 'all';

use List::Util qw(min);
use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $events = 30_000;
my $rounds = 5;
my $gate   = 19_990;    # events, and a few more, come before it

my $cdr = CdrService::Fixture->new('kill_worker',
	config => "cdr_service.batch_size = 5\n");

# the last third has to wait until the killing is over
$cdr->hold_back('call-006666', 'call-999999');
$cdr->publish(simple_events($events));

foreach my $round (1 .. $rounds)
{
	my $goal = min($gate, 500 + $cdr->events);
	my $log  = $cdr->log_size;

	$cdr->wait_for("count(*) >= $goal FROM call_events");
	is(kill('KILL', $cdr->status('pid')), 1, "round $round: killed the worker");
	$cdr->node->wait_for_log(
		qr/all server processes terminated; reinitializing/, $log);
	$cdr->forget_crashes;
	$cdr->wait_for('pid IS NOT NULL FROM cdr_status()');
}

$cdr->wait_for("count(*) > $gate FROM call_events");
$cdr->let_through;
$cdr->wait_drained($events);
$cdr->stored_is($events, "after $rounds kills");
$cdr->wait_for_state('consuming');
$cdr->nothing_left("after $rounds kills");

done_testing();
