# When the clock is set back by hours, nothing that the service waits for takes
# longer: neither a batch that is gathered, nor what waits or is tried again, nor the
# next connection.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils qw(append_to_file);
use Test::More;

use CdrService::Fixture;
use CdrService::Util qw(repository);

my $clock  = PostgreSQL::Test::Utils::tempdir('clock') . '/ahead';
my $hours  = 0;
my $stored = 0;
my $cdr    = CdrService::Fixture->new(
	'set_back',
	start  => 0,
	config => "cdr_service.batch_linger = '1s'\n"
	  . "cdr_service.heartbeat = 4\n");

append_to_file($clock, pack('q', 0));

# (the server's own timeouts follow the clock, so no session waits long for it)
sub set_clock_back
{
	$hours++;
	open my $file, '+<', $clock or die "could not open $clock: $!";
	syswrite $file, pack('q', -3600 * $hours);
	close $file;
	return;
}

sub events
{
	my ($count, $tenant) = @_;

	return map {
		qq({"eventType":"call.started","callId":"$tenant $hours $_","tenantId":"$tenant","timestamp":"2026-03-01T10:00:00Z"})
	} 1 .. $count;
}

sub all_is_stored
{
	my ($count, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$stored += $count;
	$cdr->wait_drained($stored);
	$cdr->wait_for('sum(waiting) = 0 FROM cdr_status()');
	return $cdr->stored_is($stored, $name);
}

{
	local $ENV{CDR_TEST_CLOCK} = $clock;
	local $ENV{LD_PRELOAD} = repository() . '/test/tools/shifted_clock.so';
	$cdr->node->start;
}
$cdr->sql('CREATE EXTENSION cdr_service');
$cdr->wait_for_state('consuming');
$cdr->sql(<<'EOS');
CREATE TABLE tenants (id text PRIMARY KEY);
INSERT INTO tenants VALUES ('locked'), ('free');
ALTER TABLE calls ADD FOREIGN KEY (tenant_id) REFERENCES tenants;
EOS

$cdr->publish(events(10, 'free'));
set_clock_back();
all_is_stored(10, 'a batch that is gathered');

my $session = $cdr->session;

$session->query(
	q{BEGIN; SELECT 1 FROM tenants WHERE id = 'locked' FOR UPDATE});
$cdr->publish(events(10, 'locked'), events(10, 'free'));
$cdr->wait_for('sum(waiting) = 10 FROM cdr_status()');
set_clock_back();
$session->query('ROLLBACK');
all_is_stored(20, 'events that wait');

$session->query('BEGIN; LOCK TABLE call_events IN SHARE MODE');
$cdr->publish(events(10, 'free'));
# (the longest pauses between tries are 10 seconds)
$cdr->wait_for(
	"state = 'retrying' AND clock_timestamp() > since + '10 s' FROM cdr_status()"
);
set_clock_back();
$session->query('ROLLBACK');
all_is_stored(10, 'a batch that is tried again');

# (each session that proved nothing makes the next pause longer)
$cdr->broker->close_connections(0, 4);
$cdr->wait_for_state('backing off');
set_clock_back();
$cdr->publish(events(10, 'free'));
all_is_stored(10, 'the next connection');

$session->quit;
$cdr->nothing_left('set back');
done_testing();
