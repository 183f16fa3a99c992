# A queue that is deleted under the consumer is declared again, and
# consumption goes on.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Broker;
use CdrService::Events qw(simple_events);
use CdrService::Fixture;
use CdrService::Util qw(poll);

my $cdr = CdrService::Fixture->new('queue_deleted');
my $pid = $cdr->status('pid');

$cdr->publish(simple_events(30, 'before'));
$cdr->wait_drained(30);

foreach my $round (1 .. 2)
{
	my $before = $cdr->sql('SELECT clock_timestamp()');

	$cdr->broker->amqp([ 'delete-queue', CdrService::Broker::QUEUE ]);
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
$cdr->status_is('pid', $pid, 'the worker is still the same process');
$cdr->nothing_left('queue deleted');

done_testing();
