# What several of the modules need.
package CdrService::Util;

use strict;
use warnings FATAL => 'all';

use Carp;
use Exporter 'import';
use File::Basename;
use File::Spec;
use IPC::Run;
use PostgreSQL::Test::Utils ();
use Time::HiRes             qw(time);

our @EXPORT_OK = qw(repository run poll);

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
	my ($stdout, $stderr);

	$input = '' unless defined $input;
	IPC::Run::run($command, '<', \$input, '>', \$stdout, '2>', \$stderr)
	  or croak "@$command: $stderr";
	chomp $stdout;
	return $stdout;
}

# Asks $condition again and again until it says yes.  Dies when it has not
# after as long as any test may take.
sub poll
{
	my ($condition, $what) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($condition->())
	{
		croak "timed out waiting for $what" if time > $deadline;
		select undef, undef, undef, 0.02;
	}
	return 1;
}

1;
