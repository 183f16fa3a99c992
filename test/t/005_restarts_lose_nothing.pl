# Nothing is lost and nothing is stored twice when PostgreSQL or RabbitMQ is
# stopped, or crashes, while there is a backlog.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Broker;
use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $broker = CdrService::Broker->private;
my $cdr    = CdrService::Fixture->new(
	'restarts',
	broker => $broker,
	config => "cdr_service.batch_size = 5\ncdr_service.prefetch = 1000\n");
my $stored = 0;

# Publishes 1500 events of 500 calls, more than the broker sends ahead, and waits
# until the worker is half way through them, where it cannot go on.
sub half_way
{
	my ($name) = @_;

	$cdr->hold_back("$name-000250", "$name-999999");
	$cdr->publish(simple_events(1500, $name));
	$cdr->wait_for("count(*) > $stored + 740 FROM call_events");
	$cdr->wait_for_state('retrying');
	return;
}

# All that was published is stored in the end.
sub all_stored
{
	my ($name) = @_;

	$stored += 1500;
	$cdr->wait_drained($stored);
	return $cdr->stored_is($stored, $name);
}

# --- PostgreSQL

half_way('restart of PostgreSQL');
$cdr->node->restart;
$cdr->let_through;
all_stored('restart of PostgreSQL');

half_way('crash of PostgreSQL');
$cdr->node->stop('immediate');
$cdr->node->start;
$cdr->let_through;
all_stored('crash of PostgreSQL');

# Calls are not known any more after a crash: what comes late of them finds them, also
# their starts, by which most calls are new.
my @late = simple_events(60, 'crash between');
$cdr->publish(grep { !/call\.started/ } @late);
$cdr->wait_drained($stored + 40);
$cdr->node->stop('immediate');
$cdr->node->start;
$cdr->publish((grep { /call\.started/ } @late), simple_events(3, 'new call'));
$stored += 63;
$cdr->wait_drained($stored);
$cdr->stored_is($stored, 'starts after a crash');
$cdr->status_is('dead_letters', 0, 'none of them is a dead letter');

# --- RabbitMQ

half_way('restart of RabbitMQ');
$broker->stop;
$cdr->wait_for_state('backing off');
$cdr->status_is(
	'left(last_error_sqlstate, 2)',
	'08',
	'a lost broker is a connection exception');
$cdr->let_through;
$broker->restart;
all_stored('restart of RabbitMQ');
$cdr->wait_for_state('consuming');

half_way('crash of RabbitMQ');
my $pid = $cdr->status('pid');
$broker->kill;
$cdr->wait_for_state('backing off');
$cdr->let_through;
$broker->restart;
all_stored('crash of RabbitMQ');
$cdr->status_is('pid', $pid, 'the same process all along');
cmp_ok($cdr->status('reconnects'),
	'>=', 2, 'the reconnects to RabbitMQ are counted');

$cdr->nothing_left('restarts');

done_testing();
