# Whatever a worker is about when it fails, nothing is lost and nothing is
# stored twice: at each point of a batch's way, with an error, with an exit and
# with SIGKILL.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;
use CdrService::Oracle;
use CdrService::Util qw(poll);

plan skip_all => 'CDR_TEST_FAULTS names no PostgreSQL with fault points'
  unless $ENV{CDR_TEST_FAULTS};

# Crossed at the start of each worker, or with each batch.
my @at_start = qw(after-connect partitions-before-commit partitions-after-commit);
my @points   = qw(after-receive parse before-lookup before-insert before-merge
  after-merge before-dead-letters after-dead-letters before-commit after-commit
  before-ack after-ack);

my $cdr = CdrService::Fixture->new(
	'faults',
	install_path => $ENV{CDR_TEST_FAULTS},
	config       => "cdr_service.batch_size = 20\n");
my $oracle = CdrService::Oracle->new($cdr);
my $file   = $cdr->node->data_dir . '/cdr_fault';

# Asks for a fault; wait_for_fault() returns when it has happened, and a server
# that it has brought down is back.
my ($action_armed, $log);

sub arm
{
	my ($point, $action, $crossings) = @_;

	($action_armed, $log) = ($action, $cdr->log_size);
	append_to_file("$file.new", "$point $action $crossings\n");
	rename "$file.new", $file or die "could not rename $file.new: $!";
	return;
}

sub wait_for_fault
{
	poll(sub { !-e $file }, 'the fault');
	return unless $action_armed eq 'kill';
	$cdr->node->wait_for_log(qr/database system is ready/, $log);
	return $cdr->forget_crashes;
}

foreach my $action (qw(error exit kill))
{
	foreach my $point (@points)
	{
		# not always with the first batch, nor with its first event
		arm($point, $action, int(rand(3)));
		$oracle->start(15, poison => 10);
		wait_for_fault();
		$oracle->is_complete("$action at $point");
	}
	foreach my $point (@at_start)
	{
		arm($point, $action, 0);
		$cdr->terminate_worker;
		$oracle->start(5);
		wait_for_fault();
		$oracle->is_complete("$action at $point");
	}
	# (each has calls of its own: no later one mends what it has broken)
	$oracle->is_satisfied("$action at every point");
}
$cdr->nothing_left('after every fault');

done_testing();
