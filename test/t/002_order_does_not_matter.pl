# Any order, one truth: thousands of random calls, shuffled, through the broker
# and 1 or 4 workers, give the calls that a reference in plain SQL computes.
# CDR_TEST_SEED repeats a run.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Fixture;
use CdrService::RandomCalls qw(random_events count_distinct);

my $calls    = $ENV{CDR_TEST_CALLS} || 3000;
my $seed     = $ENV{CDR_TEST_SEED}  || int(rand(1_000_000));
my @messages = random_events($seed, $calls);
my $distinct = count_distinct(@messages);
my %result;

cmp_ok($distinct, '<', scalar @messages, "seed $seed: there are duplicates");

foreach my $workers (1, 4)
{
	my $name = "seed $seed, $calls calls, $workers workers";
	my $cdr = CdrService::Fixture->new(
		"workers_$workers",
		# small batches and a small prefetch share the calls out among workers
		config => "cdr_service.workers = $workers\n"
		  . "cdr_service.batch_size = 50\ncdr_service.prefetch = 50\n");

	is( $cdr->sql(
			q{SELECT count(*) FROM cdr_status() WHERE state = 'consuming'}),
		$workers,
		"$name: all are consuming");
	$cdr->publish(@messages);
	$cdr->wait_drained($distinct);
	$cdr->wait_for('sum(received) = '
		  . @messages
		  . ' AND sum(recorded + duplicates) = sum(received) FROM cdr_status()'
	);
	$cdr->stored_is($distinct, $name);
	is( $cdr->sql(
			q{SELECT sum(recorded), sum(dead_letters) FROM cdr_status()}),
		"$distinct|0",
		"$name: counters are right");
	is($cdr->sql('SELECT count(*) FROM cdr_status() WHERE recorded > 0'),
		$workers, "$name: every worker had its share");

	# all but what depends on when events without a time were received
	$result{$workers} = $cdr->sql(
		q{SELECT md5(string_agg(c::text, ' ' ORDER BY call_id)) FROM calls AS c
		  WHERE call_id NOT IN
		  (SELECT call_id FROM call_events WHERE event_time = received_at)});
	$cdr->nothing_left($name);
}
is($result{4}, $result{1}, "seed $seed: 4 workers make the same calls as 1");

done_testing();
