# What several of the modules need.
package CdrService::Util;

use strict;
use warnings FATAL => 'all';

use Carp;
use Exporter 'import';
use File::Basename;
use File::Spec;
use List::Util              qw(min);
use POSIX                   ();
use PostgreSQL::Test::Utils ();
use Time::HiRes             qw(time);

our @EXPORT_OK = qw(repository run outcome poll soon bytea copy_file);

# The root of the source tree that this file belongs to.
sub repository
{
	my $here = dirname(File::Spec->rel2abs(__FILE__));

	return dirname(dirname(dirname($here)));
}

# Runs a program with some input.  Returns what it printed; dies with what it
# complained about.
sub run
{
	my ($command, $input) = @_;
	my ($good, $stdout, $stderr) = outcome($command, $input);

	croak "@$command: $stderr" unless $good;
	return $stdout;
}

# The same, of one that may fail: whether it has not, what it printed, and what it
# complained about.  (All three are files without a name: nobody has to pump, as
# IPC::Run would, and to wait for what a program leaves behind.)
sub outcome
{
	my ($command, $input) = @_;
	my @files = map { _nameless() } 0 .. 2;

	if (defined $input)
	{
		syswrite $files[0], $input or $input eq '' or croak "no input: $!";
		sysseek $files[0], 0, 0;
	}
	my $pid = fork;
	croak "could not fork: $!" unless defined $pid;
	if ($pid == 0)
	{
		POSIX::dup2(fileno $files[$_], $_) foreach 0 .. 2;
		exec { $command->[0] } @$command or POSIX::_exit(127);
	}
	local $?;
	waitpid $pid, 0;
	my $good = $? == 0;
	my ($stdout, $stderr) = map {
		local $/;
		seek $_, 0, 0;
		<$_>
	} @files[ 1, 2 ];

	$_ = defined $_ ? $_ : '' foreach $stdout, $stderr;
	chomp $stdout;
	return ($good, $stdout, $stderr);
}

sub _nameless
{
	open my $file, '+>', undef or croak "no file: $!";
	return $file;
}

# Bytes, as SQL reads and prints them.
sub bytea { return '\x' . unpack 'H*', $_[0]; }

# Rows, each a list of values, in a file that COPY reads.
sub copy_file
{
	my (@rows) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir('copy') . '/rows';

	PostgreSQL::Test::Utils::append_to_file(
		$file,
		join '',
		map {
			join("\t",
				map { defined $_ ? s/([\\\n\t])/\\$1/gr : '\N' } @$_)
			  . "\n"
		} @rows);
	return $file;
}

# Asks $condition again and again until it says yes.  Dies when it has not
# after as long as any test may take.  It asks less and less often, down to every
# $longest seconds (default: a tenth): to ask may cost more than what is waited for.
sub poll
{
	my ($condition, $what, $longest) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	my $pause    = 0.01;

	until ($condition->())
	{
		croak "timed out waiting for $what" if time > $deadline;
		select undef, undef, undef, $pause;
		$pause = min(1.1 * $pause, $longest || 0.1);
	}
	return 1;
}

# A limit for what takes some seconds at most.  They are those of a machine that
# does nothing else: CDR_TEST_PATIENCE says how many times as long it may take.
sub soon
{
	my ($seconds) = @_;

	return $seconds * ($ENV{CDR_TEST_PATIENCE} || 1);
}

1;
