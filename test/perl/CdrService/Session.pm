# A psql that stays connected: for locks, open transactions and statements
# that are meant to wait.
package CdrService::Session;

use strict;
use warnings FATAL => 'all';

use parent -norequire, 'CdrService::Psql';

use Carp;
use PostgreSQL::Test::Utils ();

use CdrService::Psql;

sub new
{
	my ($class, $node, $database) = @_;
	my $self = bless { asked => 0 }, $class;

	$self->launch($node, $node->connstr($database || 'postgres'));
	return $self;
}

# Sends a (short) statement without waiting for its end.
sub send
{
	my ($self, $statement) = @_;

	$self->{in} .= "$statement;\n";
	$self->give;
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
	my ($self)   = @_;
	my $mark     = "\x01" . ++$self->{asked} . "\n";
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	$self->{in} .= "\\warn $mark\\echo $mark";
	until ($self->has_ended($mark))
	{
		croak time > $deadline ? 'session: timeout' : "session: $self->{err}"
		  unless $self->pump($deadline - time);
	}
	substr($self->{$_}, -length $mark) = '' foreach qw(out err);
	chomp(my $output = $self->{out});
	$self->{out} = '';
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
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	$self->{in} .= "\\q\n";
	while ($self->{from_out} && $self->pump($deadline - time)) { }
	$self->_end;
	return;
}

1;
