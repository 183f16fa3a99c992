# Where a worker ends because a trigger catches each cancel, the others, to whom
# the broker gives its messages, find the one to blame at once, and do not end one
# after the other; and a reload that comes while no process is there to hear of it
# has the event tried again.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $cdr = CdrService::Fixture->new('stuck',
		config => "cdr_service.workers = 4\n"
	  . "cdr_service.prefetch = 100\n"
	  . "cdr_service.batch_size = 50\n");
my $stored = 0;
my $ends   = qr/worker ends, for it is stuck/;

sub stubborn
{
	my ($number) = @_;

	return
	  qq({"eventType":"call.started","callId":"stubborn $number","timestamp":"2026-03-01T10:00:00Z"});
}

sub plant
{
	$cdr->make_endless('never_end', deaf => 1);
	return $cdr->sql(<<'EOS');
CREATE TRIGGER never_end BEFORE INSERT ON call_events FOR EACH ROW
	WHEN (NEW.call_id LIKE 'stubborn%') EXECUTE FUNCTION never_end();
EOS
}

# --- four workers, and more messages all the time

plant();
$cdr->publish(stubborn(1), simple_events(1000, 'beside'));
$stored += 1000;

my $round = 0;

until (
	$cdr->sql(
		"SELECT sum(waiting) = 1 AND bool_or(last_error ~ 'stubborn 1\" waits: a trigger or function catches') FROM cdr_status()"
	) eq 't')
{
	$cdr->publish(simple_events(60, 'later ' . $round++));
	$stored += 60;
	last if $cdr->log_matches($ends, 0) > 4;
}
cmp_ok($cdr->log_matches($ends, 0),
	'<=', 4, 'four workers: at most one end for each');
$cdr->stored_within_a_minute($stored, 'four workers');
$cdr->sql('DROP TRIGGER never_end ON call_events');
$cdr->node->reload;
$cdr->wait_drained(++$stored);
$cdr->wait_for('sum(waiting) = 0 FROM cdr_status()');
$cdr->stored_is($stored, 'four workers');

# --- a reload between two processes of the only worker

$cdr->set('cdr_service.workers' => 1);
$cdr->node->restart;
$cdr->wait_for_state('consuming');
plant();
$cdr->publish(stubborn(2));
$cdr->wait_for("state = 'stopped' FROM cdr_status()");
$cdr->sql('DROP TRIGGER never_end ON call_events');
$cdr->node->reload;
$cdr->wait_drained(++$stored);
$cdr->stored_is($stored, 'a reload between two processes');

is($cdr->sql('SELECT count(*) FROM dead_letters'),
	0, 'none became a dead letter');
$cdr->nothing_left('stuck');
done_testing();
