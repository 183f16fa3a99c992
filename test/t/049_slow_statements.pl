# A trigger that takes seconds for every event is honest: all are stored, few at a
# time, and health tells that; one that never ends holds only its event even then.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $cdr = CdrService::Fixture->new('slow');

sub event
{
	my ($call) = @_;

	return
	  qq({"eventType":"call.started","callId":"$call","timestamp":"2026-03-01T10:00:00Z"});
}

sub health_is
{
	my ($level, $detail, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return like(
		$cdr->sql(
			q{SELECT level, detail FROM cdr_health WHERE "check" = 'statements'}
		),
		qr/^$level\|$detail/,
		$name);
}

$cdr->make_slow('dawdle', 4);
$cdr->make_endless('linger');
$cdr->sql(<<'EOS');
CREATE TRIGGER dawdle BEFORE INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION dawdle();
CREATE TRIGGER linger BEFORE INSERT ON call_events FOR EACH ROW
	WHEN (NEW.call_id = 'endless') EXECUTE FUNCTION linger();
EOS
health_is('ok', 'they are not slow', 'of statements that are not slow, too');

my $log   = $cdr->log_size;
my $since = $cdr->sql('SELECT clock_timestamp()');

$cdr->publish(event('endless'), map { event("slow $_") } 1 .. 4);
$cdr->wait_for('count(*) > 0 FROM call_events');
ok( $cdr->sql("SELECT clock_timestamp() - '$since' < '1 minute'::interval"),
	'the first is stored within a minute, behind one that never is');
health_is(
	'warning',
	'worker 0 stores 1 at a time, for an event takes 4\.\d seconds$',
	'health tells that statements are slow');
is( $cdr->log_matches(
		qr/statements are slow: whatever the events, a batch takes longer than/,
		$log),
	1,
	'so does the log, once');
$cdr->wait_for('count(*) = 4 FROM call_events');
$cdr->wait_for('sum(waiting) = 1 FROM cdr_status()');
is( $cdr->sql(q{SELECT count(*) FROM call_events WHERE call_id = 'endless'}),
	0, 'all are stored, but for one that has no end');

# when it is over, all is as before
$cdr->sql('DROP TRIGGER dawdle ON call_events');
$cdr->publish(simple_events(2000, 'later'));
$cdr->stored_within_a_minute(2004, 'no longer slow');
health_is('ok', 'they are not slow', 'health tells when it is over');
$cdr->sql('DROP TRIGGER linger ON call_events');
$cdr->node->reload;
$cdr->wait_drained(2005);
is($cdr->sql('SELECT count(*) FROM dead_letters'),
	0, 'none became a dead letter');

$cdr->stored_is(2005, 'slow');
$cdr->nothing_left('slow');
done_testing();
