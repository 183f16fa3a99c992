# A server that speaks just enough AMQP to get a consumer into a corner: it
# never answers at all, or it logs a consumer in and then sends whatever a test
# has made up, or it misbehaves on the way there; or it takes down what it
# hears, or it only speaks TLS of the past.
package CdrService::FakeBroker;

use strict;
use warnings FATAL => 'all';

use Carp;
use IO::Select;
use IO::Socket::INET;
use POSIX                   ();
use PostgreSQL::Test::Utils ();
use Socket;

use CdrService::Amqp
  qw(method deliver header body read_bytes read_frame write_bytes FRAME_METHOD
  CONNECTION_START CONNECTION_START_OK CONNECTION_OPEN CONNECTION_CLOSE
  CHANNEL_OPEN CHANNEL_CLOSE EXCHANGE_DECLARE QUEUE_DECLARE QUEUE_BIND
  BASIC_QOS BASIC_CONSUME BASIC_CANCEL);
use CdrService::Util qw(poll);

# ---------------------------------------------------------------------------
# The server
# ---------------------------------------------------------------------------

# What each method is answered with.
my %answers = (
	CONNECTION_START, method(0, 10, 10,
		pack('C C N/a N/a N/a', 0, 9, '', 'PLAIN', 'en_US')),
	CONNECTION_START_OK, method(0, 10, 30, pack('n N n', 1, 131072, 0)),
	CONNECTION_OPEN,     method(0, 10, 41, pack('C/a',   '')),
	CONNECTION_CLOSE,    method(0, 10, 51, ''),
	CHANNEL_OPEN,        method(1, 20, 11, pack('N/a', '')),
	CHANNEL_CLOSE,       method(1, 20, 41, ''),
	EXCHANGE_DECLARE,    method(1, 40, 11, ''),
	QUEUE_DECLARE,       method(1, 50, 11, pack('C/a N N', 'q', 0, 0)),
	QUEUE_BIND,          method(1, 50, 21, ''),
	BASIC_QOS,           method(1, 60, 11, ''),
	BASIC_CONSUME,       method(1, 60, 21, pack('C/a', 'tag')),
	BASIC_CANCEL,        method(1, 60, 31, pack('C/a', 'tag')),);

# Listens on a free port of 127.0.0.1 and never answers: the kernel takes the
# connection, and that is all.
sub mute
{
	my ($class) = @_;
	my $socket = IO::Socket::INET->new(
		LocalAddr => '127.0.0.1',
		Listen    => 5,
		Proto     => 'tcp') or croak "could not listen: $!";

	return bless { socket => $socket, port => $socket->sockport }, $class;
}

# A process that serves consumers, one after the other, each as the next of the
# scripts says, and from then on as the last says:
#	send		bytes, or a function that sends some (it is given one that
#				writes): what comes once the consumer knows that it is one
#	answers		bytes, or such a function, that take the place of the answer to
#				some methods
#	deaf		with hardly any room for what it does not read
sub scripted
{
	my ($class, @scripts) = @_;
	my $self = $class->mute;
	my ($tell, $meet);

	if ($scripts[0]{deaf})
	{
		setsockopt $self->{socket}, SOL_SOCKET, SO_RCVBUF, 1
		  or croak "could not set the buffer: $!";
	}
	pipe($self->{told}, $tell) or croak "no pipe: $!";
	pipe($self->{met},  $meet) or croak "no pipe: $!";
	return $self->_serve_all(
		sub {
			my ($socket) = @_;
			my $script = $scripts[0];

			syswrite $meet, 'x';
			shift @scripts if @scripts > 1;
			_serve($socket, $tell, $script);
		});
}

# A process that answers whatever it hears as RabbitMQ answers what is no AMQP,
# and takes it down.
sub recorder
{
	my ($class) = @_;
	my $self    = $class->mute;
	my $file    = PostgreSQL::Test::Utils::tempdir('heard') . '/bytes';

	$self->{record} = $file;
	PostgreSQL::Test::Utils::append_to_file($file, '');
	return $self->_serve_all(
		sub {
			my ($socket) = @_;

			while (sysread $socket, my $bytes, 65536)
			{
				PostgreSQL::Test::Utils::append_to_file($file, $bytes);
				syswrite $socket, "AMQP\0\0\x09\x01";
				shutdown $socket, 1;
			}
		});
}

# What a recorder has heard.
sub heard
{
	my ($self) = @_;

	return PostgreSQL::Test::Utils::slurp_file($self->{record});
}

# OpenSSL's own server, with the certificate "server", for TLS 1.1 only.
sub old_tls
{
	my ($class, $certificates) = @_;
	my $self = $class->mute;

	# its port is free for the next one: nobody has connected
	close $self->{socket};
	$self->{pid} = fork;
	croak "could not fork: $!" unless defined $self->{pid};
	if ($self->{pid} == 0)
	{
		open STDIN,  '<', '/dev/null';
		open STDOUT, '>', '/dev/null';
		open STDERR, '>', '/dev/null';
		exec 'openssl', 's_server', '-quiet', '-tls1_1',
		  '-cipher', 'DEFAULT:@SECLEVEL=0',
		  '-accept', "127.0.0.1:$self->{port}",
		  '-cert',   $certificates->path('server.crt'),
		  '-key',    $certificates->path('server.key')
		  or POSIX::_exit(1);
	}
	poll(
		sub {
			return IO::Socket::INET->new(
				PeerAddr => '127.0.0.1',
				PeerPort => $self->{port});
		},
		'openssl s_server');
	return $self;
}

# Has a process serve all who connect, one after the other.
sub _serve_all
{
	my ($self, $serve) = @_;

	$self->{pid} = fork;
	croak "could not fork: $!" unless defined $self->{pid};
	if ($self->{pid} == 0)
	{
		$SIG{PIPE} = 'IGNORE';
		# _exit: the END blocks belong to the test
		while (my $socket = $self->{socket}->accept)
		{
			eval { $serve->($socket); };
		}
		POSIX::_exit(0);
	}
	close $self->{socket};
	return $self;
}

# Serves half a message: a header that promises 1000 bytes, and 10 of them.
sub half_message
{
	my ($class) = @_;

	return $class->scripted(
		{ send => deliver(1) . header(1000) . body('{"callId":') });
}

sub port { return shift->{port}; }

sub uri { return 'amqp://guest:guest@127.0.0.1:' . shift->port . '/'; }

# Waits until a consumer has been sent what there is for it.
sub wait_until_sent
{
	my ($self) = @_;

	return _wait_for($self->{told}, 1);
}

# Waits until somebody has connected, who was not waited for before.
sub wait_until_met
{
	my ($self) = @_;

	return _wait_for($self->{met}, 1000);
}

sub _wait_for
{
	my ($pipe, $count) = @_;
	my $bytes;
	my $timeout = $PostgreSQL::Test::Utils::timeout_default;

	IO::Select->new($pipe)->can_read($timeout)
	  or croak 'timed out waiting for the consumer';
	sysread $pipe, $bytes, $count;
	return;
}

sub stop
{
	my ($self) = @_;

	close $self->{socket};
	return unless $self->{pid};
	CORE::kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
	delete $self->{pid};
	return;
}

sub DESTROY
{
	my ($self) = @_;

	local ($?, $!);
	$self->stop if $self->{pid};
	return;
}

# Says what a script has, if anything.
sub _say
{
	my ($write, $what) = @_;

	ref $what ? $what->($write) : defined $what ? $write->($what) : ();
	return;
}

# Does a queue.bind say that it needs none?
sub _wants_no_answer
{
	my ($payload) = @_;
	my (undef, undef, undef, $no_wait) = unpack 'x6 C/a C/a C/a C', $payload;

	return $no_wait & 1;
}

# One consumer, until it goes.
sub _serve
{
	my ($socket, $tell, $script) = @_;
	my %all   = (%answers, %{ $script->{answers} || {} });
	my $write = sub { write_bytes($socket, $_[0]) };

	read_bytes($socket, 8);
	write_bytes($socket, $all{ +CONNECTION_START });
	while (1)
	{
		my ($type, $channel, $payload) = read_frame($socket);

		next unless $type == FRAME_METHOD;
		my $method = unpack 'N', $payload;

		_say($write, $all{$method})
		  unless $method == QUEUE_BIND && _wants_no_answer($payload);
		next unless $method == BASIC_CONSUME;
		_say($write, $script->{send});
		syswrite $tell, 'x';
	}
	return;
}

1;
