# Calls are damaged and rebuilt, all, one, some, or those of a time, in one
# transaction or in slices, while two workers store: no event is lost or counted twice, and nobody waits for the log to be
# read.
#
# CDR_TEST_REBUILD_SECONDS is how long that goes on (default: 10).

use strict;
use warnings FATAL => 'all';

use Test::More;
use Time::HiRes qw(time);

use CdrService::Fixture;
use CdrService::Oracle;

my $seconds = $ENV{CDR_TEST_REBUILD_SECONDS} || 10;
my $cdr     = CdrService::Fixture->new('rebuild',
	config => "cdr_service.workers = 2\ncdr_service.batch_size = 50\n"
	  . "cdr_service.prefetch = 100\ndeadlock_timeout = '10ms'\n");
my $oracle = CdrService::Oracle->new($cdr);

# A call that is there, any of them.
my $some = '(SELECT call_id FROM calls OFFSET'
  . ' random() * (SELECT count(*) - 1 FROM calls) LIMIT 1)';
my @damages = (
	"UPDATE calls SET caller_number = 'x' WHERE call_id = $some",
	"UPDATE calls SET event_count = event_count - 1 WHERE call_id = $some",
	"DELETE FROM calls WHERE call_id = $some");
my @cures = (
	'SELECT cdr_rebuild_calls()',
	"SELECT cdr_rebuild_calls($some)",
	"SELECT cdr_rebuild_calls($some, prune => true)",
	"SELECT cdr_rebuild_calls(from_time => '-infinity')",
	"SELECT cdr_rebuild_calls(from_time => '2000-01-01', prune => true)",
	'SELECT cdr_rebuild_calls(call_ids => ARRAY(SELECT call_id FROM calls ORDER BY random() LIMIT 20))',
	'CALL cdr_rebuild_calls_in_slices(slice => 7)',
	"CALL cdr_rebuild_calls_in_slices(from_time => '2000-01-01', prune => true)"
);

# (a deadlock with a batch may end a damage, which locks as it likes)
sub damage_and_cure
{
	my ($damager, $doctor, $round) = @_;

	$doctor->send($cures[ $round % @cures ]);
	foreach my $i (0 .. 4)
	{
		$damager->query($damages[ ($round + $i) % @damages ]);
	}
	return $doctor->complaints;
}

$oracle->publish(20);
$oracle->wait_for_progress(20);
my ($damager, $doctor) = ($cdr->session, $cdr->session);
my $deadline = time + $seconds;
my ($rounds, $complaints) = (0, '');
while (time < $deadline)
{
	$oracle->start(100);
	foreach (1 .. 10)
	{
		$complaints .= damage_and_cure($damager, $doctor, $rounds++);
	}
	$oracle->finish;
}
is($complaints =~ s/^.*?(?:WARNING|ERROR): /$&/sr,
	'', "$rounds rebuilds beside a load fail for no reason");
cmp_ok($rounds, '>', 10, 'there were enough of them');

# the last one is not after the load, but beside it, too
$oracle->start(200);
$doctor->query('SELECT cdr_rebuild_calls()');
$oracle->is_satisfied("$rounds rebuilds");

# It reads all of the log while a batch is under way, and stops no other.
my $batch = $cdr->session;
$batch->query(
	q{BEGIN; SELECT cdr_ingest_event('{"eventType":"call.started","callId":"under way","timestamp":"2026-01-19T22:00:00Z"}')}
);
is($doctor->query('SELECT cdr_rebuild_calls()'),
	0, 'a rebuild waits for no batch whose calls are right');
$doctor->query('BEGIN; SELECT cdr_rebuild_calls()');
$batch->query('ROLLBACK');
$oracle->publish(20);
$oracle->is_satisfied('beside a rebuild that was not committed');
$doctor->query('COMMIT');
$cdr->nothing_left('rebuild');

done_testing();
