# Every event has a time of recording that no other has, whoever records it, and
# these times say in which order events were recorded; when the clock is set back,
# they follow it.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;
use CdrService::Util qw(repository);

my $clock = PostgreSQL::Test::Utils::tempdir('clock') . '/ahead';
my $cdr   = CdrService::Fixture->new(
	'recorded',
	config => "cdr_service.workers = 4\ncdr_service.batch_linger = 0\n",
	start  => 0);

# The server's clock: so many seconds ahead of the real one.
sub set_clock
{
	my ($ahead) = @_;

	open my $file, '+<', $clock or die "could not open $clock: $!";
	syswrite $file, pack('q', $ahead);
	close $file;
	return;
}

append_to_file($clock, pack('q', 7200));
{
	local $ENV{CDR_TEST_CLOCK} = $clock;
	local $ENV{LD_PRELOAD} = repository() . '/test/tools/shifted_clock.so';
	$cdr->node->start;
}
$cdr->sql('CREATE EXTENSION cdr_service');
$cdr->wait_for_state('consuming');

# Records an event of this call by a session, or by a worker.
my $events = 0;

sub record
{
	my ($call, $by_worker) = @_;
	my $body =
	  qq({"eventType":"x","callId":"$call","timestamp":"2026-01-20T12:00:00Z"});

	$events++;
	return $cdr->sql("SELECT cdr_ingest_event('$body')") unless $by_worker;
	$cdr->publish($body);
	return $cdr->wait_for(
		"EXISTS (SELECT FROM call_events WHERE call_id = '$call')");
}

# The calls whose names begin so, in the order in which they were recorded.
sub order_of
{
	my ($prefix) = @_;

	return $cdr->sql(
		"SELECT string_agg(call_id, ' ' ORDER BY recorded_at) FROM call_events
		 WHERE call_id LIKE '$prefix %'");
}

record("turn $_", $_ % 2) foreach 1 .. 9;
is( order_of('turn'),
	join(' ', map { "turn $_" } 1 .. 9),
	'they say in which order workers and sessions recorded events');

# four workers and two sessions, with batches that last as long as possible
my $before   = $cdr->sql('SELECT clock_timestamp()');
my @sessions = map { $cdr->session } 1 .. 2;
my $made     = 20_000;

foreach my $i (0 .. $#sessions)
{
	$sessions[$i]->send(<<"EOQ");
DO \$\$
BEGIN
	FOR batch IN 1..40 LOOP
		PERFORM cdr_ingest_events(array_agg(json_build_object('eventType', 'x',
			'callId', format('session %s', n % 50), 'n', format('$i %s %s', batch, n),
			'timestamp', '2026-01-20T12:00:00Z')))
		FROM generate_series(1, 500) AS n;
		COMMIT;
	END LOOP;
END \$\$
EOQ
}
$cdr->publish(simple_events($made, 'worker'));
$_->receive foreach @sessions;
$_->quit    foreach @sessions;
$cdr->wait_for(
	"count(*) = $made FROM call_events WHERE call_id LIKE 'worker%'");
$events += $made + 2 * 40 * 500;
is( $cdr->sql(
		q{SELECT count(*), count(DISTINCT recorded_at), count(DISTINCT salt) FROM call_events}
	),
	"$events|$events|$events",
	'no two events of workers and sessions have the same, nor the same salt');
is( $cdr->sql(
		"SELECT count(*) FROM call_events
		 WHERE recorded_at < received_at OR recorded_at > clock_timestamp()
		 OR NOT (call_id LIKE 'turn%' OR recorded_at > '$before')"),
	0,
	'each is of the time when the event was recorded');
is($cdr->sql('SELECT count(*) FROM cdr_status() WHERE recorded > 0'),
	4, '(every worker had its share)');

# a batch that is stored in halves, and its dead letters, which are tried again
$cdr->sql(
	q{ALTER TABLE call_events ADD CONSTRAINT good CHECK (call_id <> 'bad')});
$cdr->publish(
	(   map {
			(   simple_events(300, "half $_"),
				qq({"eventType":"x","callId":"bad","n":$_,"timestamp":"2026-01-20T12:00:00Z"})
			)
		} 1 .. 3));
$cdr->wait_for(q{count(*) = 900 FROM call_events WHERE call_id LIKE 'half%'});
$cdr->wait_for('count(*) = 3 FROM dead_letters');
$cdr->sql('ALTER TABLE call_events DROP CONSTRAINT good');
is($cdr->sql('SELECT cdr_retry_dead_letters()'),
	3, 'events that were refused are recorded in the end');
$events += 903;
is( $cdr->sql(
		q{SELECT count(DISTINCT recorded_at), count(DISTINCT salt),
			bool_and(recorded_at BETWEEN received_at AND clock_timestamp()),
			max(recorded_at) FILTER (WHERE call_id LIKE 'half%')
			< min(recorded_at) FILTER (WHERE call_id = 'bad')
		  FROM call_events}),
	"$events|$events|t|t",
	'those of halves have times of their own; dead letters, that of their retry'
);

# the clock
my $log = $cdr->log_size;

record('back 1');
set_clock(7199);
record("back $_", $_ % 2) foreach 2 .. 5;
is( order_of('back'),
	'back 1 back 2 back 3 back 4 back 5',
	'a clock that is set back by a second does not change the order');
is($cdr->log_matches(qr/the clock was set back/, $log),
	0, 'and is nothing to tell');

set_clock(0);
record("hour $_", $_ % 2) foreach 1 .. 4;
is( $cdr->sql(
		q{SELECT count(*) FROM call_events WHERE call_id LIKE 'hour %'
		  AND recorded_at BETWEEN received_at AND clock_timestamp()}),
	4,
	'of one that is set back by hours, they follow it');
is( order_of('hour'),
	'hour 1 hour 2 hour 3 hour 4',
	'and are in order from there on');
is( $cdr->log_matches(
		qr/LOG: .* the clock was set back by \d{4}\.\d seconds/, $log),
	1,
	'which is told, once');
$cdr->stored_is($events, 'all');

done_testing();
