# Memory that cannot be had, anywhere, now and then, does not bring the server
# down, and costs and doubles nothing.
#
# Crashes of the server's own are told and do not count: see scanner_crashes().
#
# CDR_TEST_MEMORY_SECONDS is how long that goes on (default: 15).

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;
use CdrService::Oracle;
use CdrService::Util qw(repository poll);

my $seconds = $ENV{CDR_TEST_MEMORY_SECONDS} || 15;
my $file    = PostgreSQL::Test::Utils::tempdir('scarce') . '/control';
my $cdr     = CdrService::Fixture->new('scarce', start => 0);
my $failed  = 0;

# Of $one_in allocations of a process one fails, from now on; returns how many
# have failed so far.
sub ration
{
	my ($process, $one_in) = @_;

	open my $control, '+<', $file or die "could not open $file: $!";
	sysread $control, my $before, 12;
	$failed += unpack 'x8 l', $before;
	sysseek $control, 0, 0;
	syswrite $control, pack('l l l', $process, $one_in, 0);
	close $control;
	return;
}

# How many crashes were those of PostgreSQL 18's scanner of configuration files:
# when yylex_init() gets no memory, ParseConfigFp() goes on with a null pointer,
# and yy_create_buffer() or what that calls crashes.  Nothing of ours runs there.
# All other crashes are told.
sub scanner_crashes
{
	my ($found, $told) = (0, "$file.crashes");

	foreach my $crash (
		-e $told ? slurp_file($told) =~ /^crash .*\n(?:.*\[.*\n)+/mg : ())
	{
		# above the functions that crash are the handler and the signal's return
		if ($crash =~ /\Acrash\ at\ address\ 0x[0-9a-f]{1,3}\n
			.*\n.*\n (?:.*\(GUC_yy\w+\+.*\n)+ .*\(ParseConfigFp\+/x)
		{
			$found++;
		}
		else { diag($crash); }
	}
	note "$found crashes in the server's scanner of configuration files";
	return $found;
}

append_to_file($file, pack('l l l', 0, 1, 0));
{
	local $ENV{CDR_TEST_MEMORY} = $file;
	local $ENV{LD_PRELOAD} = repository() . '/test/tools/scarce_memory.so';
	$cdr->node->start;
}
$cdr->sql('CREATE EXTENSION cdr_service');
$cdr->wait_for_state('consuming');
my $oracle   = CdrService::Oracle->new($cdr);
my $uri      = $cdr->broker->uri;
my $deadline = time + $seconds;
my $round    = 0;

while (time < $deadline)
{
	# nobody answers while the server recovers from a crash
	my $pid = eval { $cdr->status('pid') } || next;

	# rare and frequent; while connecting, too
	ration($pid, 2 + int(rand(rand(300))));
	$oracle->publish(20, poison => 2);
	$cdr->set('cdr_service.prefetch' => 100 + $round++ % 2);
}
ration(0, 1);
$cdr->wait_for('true');
note "$failed allocations failed in $round rounds";
cmp_ok($failed, '>', 10, 'allocations failed');
$oracle->is_satisfied('with memory that was scarce');
is($cdr->log_matches(qr/was terminated by signal|PANIC/, 0),
	scanner_crashes(), 'the server has not crashed, but by its own scanner');
$cdr->nothing_left('out of memory');

done_testing();
