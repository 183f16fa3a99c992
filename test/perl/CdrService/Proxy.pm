# A TCP proxy that breaks the network between the worker and the broker: a
# process of its own that the test tells what to do, and that answers once it
# is done.
package CdrService::Proxy;

use strict;
use warnings FATAL => 'all';

use Carp;
use IO::Handle;
use IO::Select;
use IO::Socket::INET;
use POSIX                   ();
use PostgreSQL::Test::Utils ();
use Socket qw(:DEFAULT IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

# Bytes that are read at once, and that are kept for a side that does not read.
use constant { CHUNK => 65536, KEPT_MAX => 1 << 20 };

# Directions, by where the bytes go.
use constant { TO_BROKER => 'to_broker', TO_WORKER => 'to_worker' };

# Listens on a free port, or on one that another had, and passes on what comes to
# $broker.
sub new
{
	my ($class, $broker, $port) = @_;
	my $listener = IO::Socket::INET->new(
		LocalAddr => '127.0.0.1',
		LocalPort => $port || 0,
		ReuseAddr => 1,
		Listen    => 5,
		Proto     => 'tcp') or croak "could not listen: $!";
	my $self = bless { port => $listener->sockport, broker => $broker }, $class;

	socketpair($self->{control}, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC)
	  or croak "no socket pair: $!";
	$self->{pid} = fork;
	croak "could not fork: $!" unless defined $self->{pid};
	if ($self->{pid} == 0)
	{
		$SIG{PIPE} = 'IGNORE';
		close $self->{control};
		# _exit: the END blocks belong to the test
		eval { _run($listener, $theirs, $broker->port); 1 } or print STDERR $@;
		POSIX::_exit(0);
	}
	close $listener;
	close $theirs;
	$self->{control}->autoflush(1);
	return $self;
}

sub port { return shift->{port}; }
sub pid  { return shift->{pid}; }

# The address of the broker, by way of the proxy.
sub uri
{
	my ($self) = @_;

	return $self->{broker}->uri =~ s/:\d+\//:$self->{port}\//r;
}

# ---------------------------------------------------------------------------
# What can be asked of it
# ---------------------------------------------------------------------------

# Passes everything on, at once, also what was held.
sub pass { return shift->_ask('pass'); }

# Passes nothing on any more, in both directions or the one given, and keeps
# the connections; with $bytes, once so many more have gone that way.
sub stall
{
	my ($self, $direction, $bytes) = @_;

	return $self->_ask('stall', $direction || 'both', $bytes || 0);
}

# Closes the connections: politely, or with a reset.  With a direction and
# $bytes, once so many more have gone that way.
sub cut
{
	my ($self, @when) = @_;

	return $self->_ask('cut', @when);
}

sub reset
{
	my ($self, @when) = @_;

	return $self->_ask('reset', @when);
}

# Passes on a byte at a time to the worker, one in so many milliseconds.
sub trickle
{
	my ($self, $milliseconds) = @_;

	return $self->_ask('trickle', $milliseconds);
}

# Adds bytes to what the worker sends.
sub inject
{
	my ($self, $bytes) = @_;

	return $self->_ask('inject', unpack 'H*', $bytes);
}

# How many bytes are held on their way in a direction.
sub held
{
	my ($self, $direction) = @_;

	return $self->_ask('held', $direction);
}

# How many connections it has broken since it was last asked to.
sub broken { return shift->_ask('broken'); }

sub _ask
{
	my ($self, @words) = @_;
	my $control = $self->{control};

	print $control "@words\n" or croak "the proxy is gone: $!";
	my $answer = <$control>;
	croak 'the proxy is gone' unless defined $answer;
	chomp $answer;
	return $answer;
}

sub stop
{
	my ($self) = @_;

	return unless $self->{pid};
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
	delete $self->{pid};
	return;
}

sub DESTROY
{
	my ($self) = @_;

	local ($?, $!);
	$self->stop;
	return;
}

# ---------------------------------------------------------------------------
# The process
# ---------------------------------------------------------------------------

# State of the process: its links, each with two ends; what it does in each
# direction; and what it will do after so many bytes.
sub _run
{
	my ($listener, $control, $port) = @_;
	my %state = (
		port    => $port,
		links   => [],
		stalled => { TO_BROKER() => 0, TO_WORKER() => 0 },
		broken  => 0);
	my $commands = '';

	while (1)
	{
		my ($readers, $writers, $wait) = _interests(\%state);

		$readers->add($listener, $control);
		my ($readable, $writable) =
		  IO::Select->select($readers, $writers, undef, $wait);
		foreach my $handle (@{ $readable || [] })
		{
			if ($handle == $listener)
			{
				_accept(\%state, $listener);
			}
			elsif ($handle == $control)
			{
				sysread $control, $commands, 4096, length $commands or return;
				while ($commands =~ s/^(.*)\n//)
				{
					my $answer = _obey(\%state, split ' ', $1);

					syswrite $control, "$answer\n";
				}
			}
			else
			{
				_take(\%state, $handle);
			}
		}
		_give(\%state, $_) foreach map { @{ $_->{lanes} } } @{ $state{links} };
		@{ $state{links} } = grep { !$_->{gone} } @{ $state{links} };
	}
	return;
}

sub _accept
{
	my ($state, $listener) = @_;
	my $worker = $listener->accept or return;
	my $broker = IO::Socket::INET->new("127.0.0.1:$state->{port}");

	return unless $broker;
	$_->blocking(0) foreach $worker, $broker;
	setsockopt $_, IPPROTO_TCP, TCP_NODELAY, 1 foreach $worker, $broker;
	push @{ $state->{links} },
	  {
		ends  => [ $worker, $broker ],
		lanes => [
			{ to => TO_BROKER, from => $worker, into => $broker, kept => '' },
			{ to => TO_WORKER, from => $broker, into => $worker, kept => '' }
		]
	  };
	foreach my $lane (@{ $state->{links}[-1]{lanes} })
	{
		$lane->{link} = $state->{links}[-1];
	}
	return;
}

# May a byte go down this lane now?
sub _is_open
{
	my ($state, $lane) = @_;

	return 0 if $lane->{kept} eq '' || $state->{stalled}{ $lane->{to} };
	return 1 unless $state->{trickle} && $lane->{to} eq TO_WORKER;
	return time >= ($lane->{next} || 0);
}

# What to wait for, and for how long at most.
sub _interests
{
	my ($state) = @_;
	my $readers = IO::Select->new;
	my $writers = IO::Select->new;
	my $wait;

	foreach my $lane (map { @{ $_->{lanes} } } @{ $state->{links} })
	{
		$readers->add($lane->{from})
		  if !$lane->{ended} && length $lane->{kept} < KEPT_MAX;
		if (_is_open($state, $lane))
		{
			$writers->add($lane->{into});
		}
		elsif ($lane->{kept} ne '' && !$state->{stalled}{ $lane->{to} })
		{
			my $left = $lane->{next} - time;

			$left = 0 if $left < 0;
			$wait = $left unless defined $wait && $wait < $left;
		}
	}
	return ($readers, $writers, $wait);
}

sub _take
{
	my ($state, $handle) = @_;

	foreach my $lane (map { @{ $_->{lanes} } } @{ $state->{links} })
	{
		next unless $lane->{from} == $handle && !$lane->{ended};
		my $count = sysread $handle, $lane->{kept}, CHUNK,
		  length $lane->{kept};

		next if !defined $count && $!{EAGAIN};
		$lane->{ended} = 1 unless $count;
	}
	return;
}

# Passes on what a lane has, as far as it may.
sub _give
{
	my ($state, $lane) = @_;
	my $due = $state->{due};
	my $most = CHUNK;

	return if $lane->{link}{gone};
	if (_is_open($state, $lane))
	{
		$most = 1 if $state->{trickle} && $lane->{to} eq TO_WORKER;
		$most = $due->{bytes}
		  if $due && $due->{to} eq $lane->{to} && $due->{bytes} < $most;
		my $count = syswrite $lane->{into}, $lane->{kept}, $most;

		if (defined $count)
		{
			substr $lane->{kept}, 0, $count, '';
			$lane->{next} = time + $state->{trickle} / 1000
			  if $state->{trickle};
			_count($state, $lane->{to}, $count);
		}
		elsif (!$!{EAGAIN})
		{
			return _close($state, $lane->{link});
		}
	}
	# when one end hangs up, so does the other, once it has all; but a stalled
	# network does not tell it
	_close($state, $lane->{link})
	  if $lane->{ended}
	  && $lane->{kept} eq ''
	  && !$state->{stalled}{ $lane->{to} };
	return;
}

# So many bytes have gone: is it time for what is due?
sub _count
{
	my ($state, $direction, $count) = @_;
	my $due = $state->{due} or return;

	return unless $due->{to} eq $direction;
	$due->{bytes} -= $count;
	return if $due->{bytes} > 0;
	delete $state->{due};
	_break($state, $due->{how}, $direction);
	return;
}

sub _close
{
	my ($state, $link, $reset) = @_;

	return if $link->{gone};
	foreach my $end (@{ $link->{ends} })
	{
		setsockopt $end, SOL_SOCKET, SO_LINGER, pack('i i', 1, 0) if $reset;
		close $end;
	}
	$link->{gone} = 1;
	return;
}

sub _break
{
	my ($state, $how, $direction) = @_;

	if ($how eq 'stall')
	{
		foreach my $to (TO_BROKER, TO_WORKER)
		{
			$state->{stalled}{$to} = 1 if $direction =~ /^($to|both)$/;
		}
		return;
	}
	foreach my $link (grep { !$_->{gone} } @{ $state->{links} })
	{
		_close($state, $link, $how eq 'reset');
		$state->{broken}++;
	}
	return;
}

sub _obey
{
	my ($state, $command, $first, $second) = @_;

	if ($command =~ /^(stall|cut|reset)$/)
	{
		$state->{broken} = 0;
		if ($second)
		{
			$state->{due} = { how => $1, to => $first, bytes => $second };
		}
		else
		{
			_break($state, $1, $first);
		}
	}
	elsif ($command eq 'pass')
	{
		$state->{stalled} = { TO_BROKER() => 0, TO_WORKER() => 0 };
		delete @$state{qw(due trickle)};
	}
	elsif ($command eq 'trickle')
	{
		$state->{trickle} = $first;
	}
	elsif ($command eq 'inject')
	{
		$_->{lanes}[0]{kept} .= pack 'H*', $first
		  foreach grep { !$_->{gone} } @{ $state->{links} };
	}
	elsif ($command eq 'held')
	{
		my $held = 0;

		$held += length $_->{kept}
		  foreach grep { $_->{to} eq $first }
		  map { @{ $_->{lanes} } } @{ $state->{links} };
		return $held;
	}
	elsif ($command eq 'broken')
	{
		return $state->{broken};
	}
	return 'done';
}

1;
