# A server that speaks just enough AMQP to get a consumer into a corner: it
# never answers at all, or it logs a consumer in and then sends whatever a test
# has made up, or it misbehaves on the way there; or it takes down what it
# hears, or it only speaks TLS of the past.
package CdrService::FakeBroker;

use strict;
use warnings FATAL => 'all';

use Carp;
use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use POSIX                   ();
use PostgreSQL::Test::Utils ();
use Socket;

our @EXPORT_OK = qw(frame method deliver header body message table nested
  heartbeat);

use CdrService::Util qw(poll);

# Frame types, and methods as class * 65536 + method.
use constant {
	FRAME_METHOD    => 1,
	FRAME_HEADER    => 2,
	FRAME_BODY      => 3,
	FRAME_HEARTBEAT => 8,

	CONNECTION_START    => 10 << 16 | 10,
	CONNECTION_START_OK => 10 << 16 | 11,
	CONNECTION_OPEN     => 10 << 16 | 40,
	CONNECTION_CLOSE    => 10 << 16 | 50,
	CHANNEL_OPEN        => 20 << 16 | 10,
	CHANNEL_CLOSE       => 20 << 16 | 40,
	EXCHANGE_DECLARE    => 40 << 16 | 10,
	QUEUE_DECLARE       => 50 << 16 | 10,
	QUEUE_BIND          => 50 << 16 | 20,
	BASIC_QOS           => 60 << 16 | 10,
	BASIC_CONSUME       => 60 << 16 | 20,
	BASIC_CANCEL        => 60 << 16 | 30,
};

# ---------------------------------------------------------------------------
# Frames, as bytes
# ---------------------------------------------------------------------------

sub frame
{
	my ($type, $channel, $payload) = @_;

	return pack('C n N/a C', $type, $channel, $payload, 0xCE);
}

sub method
{
	my ($channel, $class, $method, $arguments) = @_;

	return frame(FRAME_METHOD, $channel,
		pack('n n', $class, $method) . $arguments);
}

sub heartbeat { return frame(FRAME_HEARTBEAT, 0, ''); }

# The three parts of a message.  Options of a header: class, flags and what
# they say follows.
sub deliver
{
	my ($tag, %option) = @_;

	return method(
		$option{channel} || 1,
		60, 60,
		pack(
			'C/a Q> C C/a C/a',
			$option{consumer} || 'tag',
			$tag, 0, '', 'call.started'));
}

sub header
{
	my ($size, %option) = @_;

	return frame(
		FRAME_HEADER,
		$option{channel} || 1,
		pack('n n Q> n',
			$option{class} || 60, 0, $size, $option{flags} || 0)
		  . (defined $option{properties} ? $option{properties} : ''));
}

sub body { return frame(FRAME_BODY, 1, $_[0]); }

sub message
{
	my ($tag, $body, %option) = @_;

	return deliver($tag) . header(length $body, %option) . body($body);
}

# A table of entries that are bytes already: a key and a kind with its value.
sub table
{
	my (%entries) = @_;

	return pack('N/a',
		join '', map { pack('C/a', $_) . $entries{$_} } sort keys %entries);
}

# So many tables, or arrays, within each other.
sub nested
{
	my ($depth, $kind) = @_;
	my $prefix = $kind eq 'F' ? pack('C/a', 'k') . 'F' : 'A';
	my $step   = length($prefix) + 4;
	my $bytes  = '';

	$bytes .= $prefix . pack('N', $step * ($depth - $_)) foreach 1 .. $depth;
	# the outermost is the table of headers itself
	return $kind eq 'F'
	  ? pack('N/a', $bytes)
	  : pack('N/a', pack('C/a', 'k') . $bytes);
}

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
#	answers		bytes that take the place of the answer to some methods
#	deaf		with hardly any room for what it does not read
sub scripted
{
	my ($class, @scripts) = @_;
	my $self = $class->mute;
	my $tell;

	if ($scripts[0]{deaf})
	{
		setsockopt $self->{socket}, SOL_SOCKET, SO_RCVBUF, 1
		  or croak "could not set the buffer: $!";
	}
	pipe($self->{told}, $tell) or croak "no pipe: $!";
	return $self->_serve_all(
		sub {
			my ($socket) = @_;
			my $script = $scripts[0];

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
	my $timeout = $PostgreSQL::Test::Utils::timeout_default;

	IO::Select->new($self->{told})->can_read($timeout)
	  or croak 'timed out waiting for the consumer';
	sysread $self->{told}, my $byte, 1;
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

sub _read
{
	my ($socket, $length) = @_;
	my $data = '';

	while (length $data < $length)
	{
		sysread $socket, $data, $length - length $data, length $data
		  or die "gone\n";
	}
	return $data;
}

sub _write
{
	my ($socket, $data) = @_;
	my $sent = 0;

	while ($sent < length $data)
	{
		my $count = syswrite $socket, $data, length($data) - $sent, $sent;

		die "gone\n" unless defined $count;
		$sent += $count;
	}
	return;
}

# One consumer, until it goes.
sub _serve
{
	my ($socket, $tell, $script) = @_;
	my %all   = (%answers, %{ $script->{answers} || {} });
	my $write = sub { _write($socket, $_[0]) };

	_read($socket, 8);
	_write($socket, $all{ +CONNECTION_START });
	while (1)
	{
		my ($type, $channel, $length) = unpack 'C n N', _read($socket, 7);
		my $payload = _read($socket, $length + 1);

		next unless $type == FRAME_METHOD;
		my $method = unpack 'N', $payload;

		_write($socket, $all{$method}) if defined $all{$method};
		next unless $method == BASIC_CONSUME;
		if (ref $script->{send})
		{
			$script->{send}->($write);
		}
		elsif (defined $script->{send})
		{
			_write($socket, $script->{send});
		}
		syswrite $tell, 'x';
	}
	return;
}

1;
