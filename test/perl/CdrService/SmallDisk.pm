# A file system that is really full when it is said to be: 64 MB of memory,
# mounted for this test alone.
#
# Only root may mount, or a user who is root in a namespace of its own.  So
# either the caller has mounted something small and names its directory in
# CDR_TEST_SMALL_DISK; or, as this module is loaded, the test starts anew in
# such a namespace, where it has the same user id as before.  If neither can
# be, the test is skipped.
package CdrService::SmallDisk;

use strict;
use warnings FATAL => 'all';

use Carp;
use File::Temp;
use Test::More;

use constant {
	MEGABYTE => 1 << 20,
	SIZE     => '64m',
};

my $variable = 'CDR_TEST_SMALL_DISK';

# Has to happen before the test framework opens its files.
sub import
{
	my $where = $ENV{$variable} || _own_namespace();

	plan skip_all => "needs user namespaces, or a small disk in $variable"
	  unless $where;
	return;
}

sub _own_namespace
{
	my $where = File::Temp::tempdir(TMPDIR => 1);
	my @mount = (
		'unshare', '-Urm', 'sh', '-ec',
		'mount -t tmpfs -o size=' . SIZE . ' cdr_test "$0"; exec "$@"', $where);
	my @as_before = ('unshare', '-U', "--map-user=$>", '--map-group=' . ($) + 0));
	my @test = ($^X, (map { "-I$_" } @INC), $0, @ARGV);

	if (system("@mount[0 .. 1] true 2>/dev/null") != 0)
	{
		rmdir $where;
		return;
	}
	# outside, the directory stays empty: whoever waits for us removes it
	my $pid = fork;
	croak "could not fork: $!" unless defined $pid;
	if ($pid == 0)
	{
		local $ENV{$variable} = $where;
		exec @mount, @as_before, @test or croak "could not run unshare: $!";
	}
	waitpid $pid, 0;
	rmdir $where;
	exit($? >> 8 || $? & 127);
}

sub new
{
	my ($class, $name) = @_;
	my $self = bless { directory => "$ENV{$variable}/$name" }, $class;

	mkdir $self->{directory} or croak "no $self->{directory}: $!";
	return $self;
}

sub directory { return shift->{directory}; }

# Leaves less than $left bytes of room, in a file that takes the rest.
sub fill
{
	my ($self, $left) = @_;
	my $zeros = "\0" x 4096;
	my $size  = 0;

	open my $file, '>', "$ENV{$variable}/filler" or croak "no filler: $!";
	while (my $written = syswrite $file, $zeros)
	{
		$size += $written;
	}
	truncate $file, $size - $left or croak "could not truncate: $!";
	close $file;
	return;
}

sub make_room
{
	unlink "$ENV{$variable}/filler" or croak "no filler: $!";
	return;
}

1;
