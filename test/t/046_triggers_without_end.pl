# A trigger that never ends holds only the events that it does not end for: also
# many of them.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $cdr    = CdrService::Fixture->new('endless');
my $stored = 0;

sub event
{
	my ($call) = @_;

	return
	  qq({"eventType":"call.started","callId":"$call","timestamp":"2026-03-01T10:00:00Z"});
}

sub others_are_stored
{
	my ($name, $count) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$stored += $count;
	return $cdr->stored_within_a_minute($stored, $name);
}

# --- many of them, scattered among others

$cdr->sql(<<'EOS');
CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	LOOP
		PERFORM pg_sleep(1);
	END LOOP;
END $$;
CREATE TRIGGER linger BEFORE INSERT ON call_events FOR EACH ROW
	WHEN (NEW.call_id LIKE '%slow') EXECUTE FUNCTION linger();
EOS
$cdr->publish(map { event(sprintf 'c%05d%s', $_, $_ % 99 == 7 ? 'slow' : '') }
	  1 .. 1980);
others_are_stored('many endless', 1960);
$cdr->wait_for('sum(waiting) = 20 FROM cdr_status()');
$cdr->sql('DROP TRIGGER linger ON call_events');
$cdr->wait_drained($stored += 20);
is($cdr->sql('SELECT count(*) FROM dead_letters'),
	0, 'many endless: none became a dead letter');

$cdr->stored_is($stored, 'endless');
$cdr->nothing_left('endless');
done_testing();
