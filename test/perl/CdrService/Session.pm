# A psql that stays connected: for locks, open transactions and statements
# that are meant to wait.
package CdrService::Session;

use strict;
use warnings FATAL => 'all';

use Carp;
use IPC::Run;
use PostgreSQL::Test::Utils ();

sub new
{
	my ($class, $node, $database) = @_;
	my $self = bless { in => '', out => '', err => '', asked => 0 }, $class;

	$self->{timer} =
	  IPC::Run::timer($PostgreSQL::Test::Utils::timeout_default);
	$self->{psql} = IPC::Run::start(
		[
			$node->installed_command('psql'),
			'-XAtq', '-f', '-', '-d', $node->connstr($database || 'postgres')
		],
		'<',
		\$self->{in},
		'>',
		\$self->{out},
		'2>',
		\$self->{err},
		$self->{timer});
	return $self;
}

# Sends a (short) statement without waiting for its end.
sub send
{
	my ($self, $statement) = @_;

	$self->{in} .= "$statement;\n";
	$self->{psql}->pump_nb;
	return;
}

# Waits for the end of all that was sent; returns what it printed since.
sub receive
{
	my ($self) = @_;
	my $output = $self->_receive;

	croak "session: $self->{err}" if $self->{err} =~ /ERROR|FATAL/;
	return $output;
}

# The same, for statements that may fail: returns what went wrong.  Dies only
# if the connection is gone.
sub complaints
{
	my ($self) = @_;

	$self->_receive;
	my $complaints = $self->{err};
	$self->{err} = '';
	return $complaints;
}

sub _receive
{
	my ($self) = @_;
	my $mark = 'answer ' . ++$self->{asked};

	$self->{timer}->start;
	$self->{in} .= "\\echo $mark\n";
	until ($self->{out} =~ /^\Q$mark\E\n/m)
	{
		croak "session: $self->{err}" unless $self->{psql}->pumpable;
		$self->{psql}->pump;
	}
	my ($output, $rest) = split /^\Q$mark\E\n/m, $self->{out}, 2;
	$self->{out} = $rest;
	chomp $output;
	return $output;
}

sub query
{
	my ($self, $statement) = @_;

	$self->send($statement);
	return $self->receive;
}

sub quit
{
	my ($self) = @_;

	$self->{in} .= "\\q\n";
	$self->{psql}->finish;
	return;
}

1;
