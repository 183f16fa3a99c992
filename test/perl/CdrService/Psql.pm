# A psql that stays, and stays connected, though what a script leaves behind the next
# does not meet: to start a process, or a session of the server's, costs more than
# most scripts take.
package CdrService::Psql;

use strict;
use warnings FATAL => 'all';

use Carp;
use IO::Handle;
use IO::Socket::UNIX;
use POSIX                   ();
use PostgreSQL::Test::Utils ();

# What only those notice who connect afterwards, or what would keep the session from
# being as good as new: the next script gets another.
my $lasting = qr/
	\b (?: ALTER \s+ (?: SYSTEM | DATABASE | ROLE | USER )
	  | (?: CREATE | DROP ) \s+ (?: DATABASE | ROLE | USER | OWNED )
	  | EXTENSION | LOAD | BEGIN | START \s+ TRANSACTION | pg_reload_conf ) \b
	| \\c (?: onnect )? \b /ix;

# One for each program, role and environment: what is in that, libpq reads once.  (A
# child that was forked does not touch its parent's.)
my %staying;

# Where psql is connected to when it has left the server, for no script can do
# without a connection: to this process.
my ($parking, $lot);

sub new
{
	my ($class, $node, $database, $role) = @_;
	local %ENV = $node->_get_env;
	my $key = join "\0", $$, $node->installed_command('psql'), $role || '',
	  map { "$_=$ENV{$_}" } grep { /^PG|^LD_/ } sort keys %ENV;
	my $self = $staying{$key} ||= bless { process => $$ }, $class;

	$self->{node}   = $node;
	$self->{server} = $node->connstr($database || 'postgres')
	  . ($role ? " user=$role" : '');
	return $self;
}

# Runs a script, up to its first error.  Returns whether there was none, what was
# printed, and what was complained about.
sub run
{
	my ($self, $script) = @_;
	my $good = $self->connect && defined $self->ask($script);
	my ($printed, $complaints) = @{$self}{qw(printed complaints)};

	$self->leave($script) if $good;
	return ($good, $printed, $complaints);
}

# Makes a connection, or finds that of before alive, for what is asked until leave().
sub connect
{
	my ($self) = @_;

	return 1
	  if ($self->{there} || '') eq $self->{server}
	  && defined $self->ask('SELECT');
	my $good = defined(
		  $self->{psql}
		? $self->ask($self->_connect_to($self->{server}))
		: $self->_start);

	$self->{there} = $self->{server} if $good;
	return $good;
}

# After a script, or several: the next finds a session that is as good as new, if
# not a new one.  (It waits for that, this process does not.)
sub leave
{
	my ($self, $script) = @_;

	return $self->disconnect if $script =~ $lasting;
	$self->{in} .= "DISCARD ALL;\n";
	$self->give;
	return;
}

# Ends the connections to a server: for what only new ones notice.
sub leave_all
{
	my ($class, $node) = @_;
	my $server = $node->connstr;

	foreach
	  my $self (grep { $_->{psql} && $_->{process} == $$ } values %staying)
	{
		$self->disconnect
		  if defined $self->{there} && $self->{there} =~ /^\Q$server\E /;
	}
	return;
}

# Runs a script to its end, whatever errors there are, in a session that no other
# script has.  Returns whether there was one, what was printed, and the complaints.
sub run_all
{
	my ($self, $script) = @_;
	my $good = $self->connect && defined $self->_exchange("$script\n;\n");
	my ($printed, $complaints) = @{$self}{qw(printed complaints)};

	$self->disconnect if $good;
	return ($good, $printed, $complaints);
}

# What a script prints; undef if it fails, and then psql has ended.
sub ask
{
	my ($self, $script) = @_;

	return $self->_exchange("\\set ON_ERROR_STOP 1\n$script\n;\n");
}

# Ends the connection.  (Libpq asks for no encryption over a socket of this kind,
# and psql for nothing but a version.)
sub disconnect
{
	my ($self) = @_;

	delete $self->{there};
	$self->{in} .= $self->_connect_to("host=$lot port=1");
	$self->give;
	# it ends, instead, if its server has gone meanwhile
	until (_is_waited_for())
	{
		return $self->_end unless $self->pump(0.1);
	}
	$self->{parked} = $parking->accept or croak "psql did not come: $!";
	$self->{parked}->recv(my $startup, 10_000);
	$self->{parked}->send('R'
		  . pack('N N', 8, 0)
		  . _parameter(server_version => 15) . 'Z'
		  . pack('N a', 5, 'I'));
	return $self->_exchange('');
}

# Has a psql come to this process?
sub _is_waited_for
{
	my $come = '';

	vec($come, fileno $parking, 1) = 1;
	return select($come, undef, undef, 0) > 0;
}

sub _connect_to { return qq(\\connect -reuse-previous=off "$_[1]"\n); }

# A message of the protocol.
sub _parameter
{
	my $setting = join '', map { "$_\0" } @_;

	return 'S' . pack('N', 4 + length $setting) . $setting;
}

sub _exchange
{
	my ($self, $input) = @_;
	my $mark     = "\x01" . ++$self->{asked} . "\n";
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	$self->{in} .= "$input\\unset ON_ERROR_STOP\n\\warn $mark\\echo $mark";
	until ($self->has_ended($mark))
	{
		last unless $self->pump($deadline - time);
	}
	my $good = $self->has_ended($mark);
	if ($good)
	{
		substr($self->{$_}, -length $mark) = '' foreach qw(out err);
	}
	else
	{
		$self->_end;
	}
	chomp(@{$self}{qw(printed complaints)} = @{$self}{qw(out err)});
	@{$self}{qw(out err)} = ('', '');
	croak "psql: timeout, while running: $input"
	  if !$good && time > $deadline;
	return $good ? $self->{printed} : undef;
}

# Gives psql what there is for it, and takes from it what there is, or will be within
# so many seconds.  False if it has ended, or does not answer.  (IPC::Run would compute
# for longer than psql does.)
sub pump
{
	my ($self, $patience) = @_;
	my @from = grep { $self->{"from_$_"} } qw(out err);
	my ($read, $write) = ('', '');

	return 0 if !@from || $patience < 0;
	vec($read, fileno $self->{"from_$_"}, 1) = 1 foreach @from;
	vec($write, fileno $self->{to}, 1) = 1 if length $self->{in};
	return 1     if select($read, $write, undef, $patience) <= 0;
	$self->give if vec($write, fileno $self->{to}, 1);
	foreach my $name (grep { vec $read, fileno $self->{"from_$_"}, 1 } @from)
	{
		sysread $self->{"from_$name"}, $self->{$name}, 65_536,
		  length $self->{$name}
		  or delete $self->{"from_$name"};
	}
	return 1;
}

# What does not fit into the pipe remains.
sub give
{
	my ($self) = @_;

	local $SIG{PIPE} = 'IGNORE';
	my $given = syswrite $self->{to}, $self->{in};
	substr($self->{in}, 0, $given) = '' if $given;
	return;
}

# Both end with the mark.  (What comes before may be long.)
sub has_ended
{
	my ($self, $mark) = @_;

	foreach my $name (qw(out err))
	{
		return 0 if length $self->{$name} < length $mark;
		return 0 if substr($self->{$name}, -length $mark) ne $mark;
	}
	return 1;
}

sub _start
{
	my ($self) = @_;
	local %ENV = $self->{node}->_get_env;

	unless ($parking)
	{
		$lot     = PostgreSQL::Test::Utils::tempdir_short();
		$parking = IO::Socket::UNIX->new(
			Local  => "$lot/.s.PGSQL.1",
			Listen => 1) or croak "could not listen: $!";
	}
	$self->launch($self->{node}, $self->{server});
	return $self->ask('');
}

# Starts psql, to read scripts from this process.
sub launch
{
	my ($self, $node, $server) = @_;

	@{$self}{qw(in out err)} = ('', '', '');
	my @ends = map {
		pipe my $read, my $write or croak "no pipe: $!";
		[ $read, $write ]
	} 0 .. 2;

	$self->{psql} = fork;
	croak "could not fork: $!" unless defined $self->{psql};
	if ($self->{psql} == 0)
	{
		my @own = ($ends[0][0], $ends[1][1], $ends[2][1]);

		POSIX::dup2(fileno $own[$_], $_) foreach 0 .. 2;
		exec $node->installed_command('psql'), '-XAtq', '-f', '-', '-d',
		  $server
		  or POSIX::_exit(127);
	}
	# (with those of psql open here, its end would not be seen)
	close $_ or croak "could not close a pipe: $!"
	  foreach $ends[0][0], $ends[1][1], $ends[2][1];
	@{$self}{qw(to from_out from_err)} =
	  ($ends[0][1], $ends[1][0], $ends[2][0]);
	$self->{to}->blocking(0);
	return;
}

sub _end
{
	my ($self) = @_;

	# what has ended by itself is only waited for
	kill 'TERM', $self->{psql} if $self->{from_out};
	{
		local $?;
		waitpid $self->{psql}, 0;
	}
	delete @{$self}{qw(psql there to from_out from_err)};
	return;
}

END
{
	local $?;
	$_->_end
	  foreach grep { $_->{psql} && $_->{process} == $$ } values %staying;
}

1;
