# kill -9 of the worker with a backlog, again and again: the cluster recovers
# by itself, no event is lost and none is stored twice.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $events = 30_000;
my $rounds = 5;

my $cdr = CdrService::Fixture->new('kill_worker',
	config => "cdr_service.batch_size = 5\n");

# the backlog is there before the worker is
$cdr->node->stop;
$cdr->publish(simple_events($events));
$cdr->node->start;

foreach my $round (1 .. $rounds)
{
	my $goal = 1000 * $round;
	my $log  = $cdr->log_size;

	$cdr->wait_for("count(*) >= $goal FROM call_events");
	my ($pid, $count) =
	  split /\|/,
	  $cdr->sql(
		'SELECT pid, (SELECT count(*) FROM call_events) FROM cdr_status()');
	cmp_ok($count, '<', $events, "round $round: there is a backlog");
	is(kill('KILL', $pid), 1, "round $round: killed the worker");
	$cdr->node->wait_for_log(
		qr/all server processes terminated; reinitializing/, $log);
}

$cdr->wait_drained($events);
$cdr->stored_is($events, "after $rounds kills");
$cdr->wait_for_state('consuming');
$cdr->nothing_left("after $rounds kills");

done_testing();
