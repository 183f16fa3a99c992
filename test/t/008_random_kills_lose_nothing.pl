# kill -9 at random moments of a worker, the postmaster and the broker, under
# load, with 1 and 4 workers, from classic and quorum queues: nothing is lost
# and nothing is stored twice.
#
# CDR_TEST_KILLS is how many kills there are in all (default: 12), and
# CDR_TEST_SECONDS for how long they may go on at most.

use strict;
use warnings FATAL => 'all';

use Test::More;
use Time::HiRes qw(time);

use CdrService::Broker;
use CdrService::Fixture;
use CdrService::Oracle;
use CdrService::Util qw(poll);

my $kills    = $ENV{CDR_TEST_KILLS}   || 12;
my $seconds  = $ENV{CDR_TEST_SECONDS} || 300;
my $deadline = time + $seconds;
my $broker   = CdrService::Broker->private;
my @settings = (
	[ 1, 'classic' ], [ 4, 'quorum' ], [ 1, 'quorum' ], [ 4, 'classic' ]);
my %killed;

# Each victim is a way to kill something and to bring it back.
my %victims = (
	worker => sub {
		my ($cdr) = @_;
		my @pids  = $cdr->worker_pids;
		my $log   = $cdr->log_size;

		kill 'KILL', $pids[ rand @pids ] or return 0;
		$cdr->node->wait_for_log(qr/database system is ready/, $log);
		return $cdr->forget_crashes;
	},
	postmaster => sub {
		my ($cdr) = @_;
		my @pids = $cdr->worker_pids;

		$cdr->node->kill9;
		poll(sub { !grep { kill 0, $_ } @pids }, 'the workers to notice');
		$cdr->node->start;
		return 1;
	},
	broker => sub {
		my ($cdr) = @_;

		$broker->kill;
		$broker->restart;
		return 1;
	},);

foreach my $round (0 .. $#settings)
{
	my ($workers, $type) = @{ $settings[$round] };
	my $cdr = CdrService::Fixture->new(
		"kills_$round",
		broker => $broker,
		config => "cdr_service.workers = $workers\n"
		  . "cdr_service.queue_type = $type\n"
		  . "cdr_service.batch_size = 50\ncdr_service.prefetch = 100\n");
	my $oracle = CdrService::Oracle->new($cdr);
	my $share  = int(($kills + $round) / @settings);
	my $done   = 0;

	while ($done < $share && time < $deadline)
	{
		my ($victim) = (sort keys %victims)[ ($done + $round) % 3 ];

		$oracle->start(100, rate => 600, poison => 2);
		# the moment is a part of the fault, and nothing to wait for
		select undef, undef, undef, rand(1);
		$killed{$victim}++ if $victims{$victim}->($cdr);
		$oracle->finish;
		$done++;
	}
	$oracle->is_satisfied("$done kills, workers $workers, $type queue");
	$cdr->nothing_left("workers $workers, $type queue");
}
note "killed: $_ $killed{$_}" foreach sort keys %killed;
is(join(' ', sort keys %killed),
	'broker postmaster worker', 'each of them was killed');

done_testing();
