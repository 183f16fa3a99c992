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
	config => "cdr_service.batch_size = 5\n");
my $stored = 0;

# Publishes events while the server is down, and waits until it is half way
# through them.
sub half_way
{
	my ($name) = @_;

	$cdr->node->stop;
	$cdr->publish(simple_events(6000, $name));
	$cdr->node->start;
	$cdr->wait_for("count(*) >= $stored + 500 FROM call_events");
	$stored += 6000;
	cmp_ok($cdr->events, '<', $stored, "$name: while there is a backlog");
	return;
}

sub all_stored
{
	my ($name) = @_;

	$cdr->wait_drained($stored);
	return $cdr->stored_is($stored, $name);
}

# --- PostgreSQL

half_way('restart of PostgreSQL');
$cdr->node->restart;
all_stored('restart of PostgreSQL');

half_way('crash of PostgreSQL');
$cdr->node->stop('immediate');
$cdr->node->start;
all_stored('crash of PostgreSQL');

# --- RabbitMQ

half_way('restart of RabbitMQ');
$broker->stop;
$cdr->wait_for_state('backing off');
$cdr->status_is(
	'left(last_error_sqlstate, 2)',
	'08',
	'a lost broker is a connection exception');
$broker->restart;
all_stored('restart of RabbitMQ');
$cdr->wait_for_state('consuming');

half_way('crash of RabbitMQ');
my $pid = $cdr->status('pid');
$broker->kill;
$cdr->wait_for_state('backing off');
$broker->restart;
all_stored('crash of RabbitMQ');
$cdr->status_is('pid',        $pid, 'the same process all along');
$cdr->status_is('reconnects', 1,    'the reconnect is counted');

$cdr->nothing_left('restarts');

done_testing();
