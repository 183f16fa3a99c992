# A server that speaks just enough AMQP to get a consumer into a corner: it
# never answers at all, or it answers everything and then delivers half a
# message, or it takes down what it hears, or it only speaks TLS of the past.
package CdrService::FakeBroker;

use strict;
use warnings FATAL => 'all';

use Carp;
use IO::Select;
use IO::Socket::INET;
use POSIX                   ();
use PostgreSQL::Test::Utils ();

use CdrService::Util qw(poll);

# Frame types, and methods as class * 65536 + method.
use constant {
	FRAME_METHOD => 1,
	FRAME_HEADER => 2,
	FRAME_BODY   => 3,

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

# What each method is answered with: method and arguments.
my $queue_declared = pack('C/a N N', 'q', 0, 0);
my %answers        = (
	CONNECTION_START_OK, [ 10, 30, pack('n N n', 1, 131072, 0) ],
	CONNECTION_OPEN,     [ 10, 41, pack('C/a',   '') ],
	CONNECTION_CLOSE,    [ 10, 51, '' ],
	CHANNEL_OPEN,        [ 20, 11, pack('N/a', '') ],
	CHANNEL_CLOSE,       [ 20, 41, '' ],
	EXCHANGE_DECLARE,    [ 40, 11, '' ],
	QUEUE_DECLARE,       [ 50, 11, $queue_declared ],
	QUEUE_BIND,          [ 50, 21, '' ],
	BASIC_QOS,           [ 60, 11, '' ],
	BASIC_CONSUME,       [ 60, 21, pack('C/a', 'tag') ],
	BASIC_CANCEL,        [ 60, 31, pack('C/a', 'tag') ],);

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

# A process that serves consumers, one after the other, with half a message.
sub half_message
{
	my ($class) = @_;
	my $self = $class->mute;
	my $tell;

	pipe($self->{told}, $tell) or croak "no pipe: $!";
	return $self->_serve_all(sub { _serve(shift, $tell); });
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
		# _exit: the END blocks belong to the test
		eval {
			while (my $socket = $self->{socket}->accept)
			{
				$serve->($socket);
			}
		};
		POSIX::_exit(0);
	}
	close $self->{socket};
	return $self;
}

sub port { return shift->{port}; }

# Waits until half a message has been sent.
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

sub _send_frame
{
	my ($socket, $type, $channel, $payload) = @_;

	syswrite $socket, pack('C n N/a C', $type, $channel, $payload, 0xCE);
	return;
}

sub _send_method
{
	my ($socket, $channel, $class, $method, $arguments) = @_;

	_send_frame($socket, FRAME_METHOD, $channel,
		pack('n n', $class, $method) . $arguments);
	return;
}

# One consumer, until it goes.
sub _serve
{
	my ($socket, $tell) = @_;

	eval {
		_read($socket, 8);
		_send_method($socket, 0, 10, 10,
			pack('C C N/a N/a N/a', 0, 9, '', 'PLAIN', 'en_US'));
		while (1)
		{
			my ($type, $channel, $length) = unpack 'C n N', _read($socket, 7);
			my $payload = _read($socket, $length + 1);

			next unless $type == FRAME_METHOD;
			my $method = unpack 'N', $payload;
			my $answer = $answers{$method} or next;
			_send_method($socket, $channel, @$answer);
			_send_half($socket, $channel, $tell) if $method == BASIC_CONSUME;
		}
	};
	return;
}

# A delivery whose header promises 1000 bytes, and 10 of them.
sub _send_half
{
	my ($socket, $channel, $tell) = @_;

	_send_method($socket, $channel, 60, 60,
		pack('C/a N N C C/a C/a', 'tag', 0, 1, 0, '', 'call.started'));
	_send_frame($socket, FRAME_HEADER, $channel,
		pack('n n N N n', 60, 0, 0, 1000, 0));
	_send_frame($socket, FRAME_BODY, $channel, '{"callId":');
	syswrite $tell, 'x';
	return;
}

1;
