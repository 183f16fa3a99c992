# A publisher that is not stopped by any library from publishing what it
# should not: messages of bytes, for the real broker to pass on.
package CdrService::RawPublisher;

use strict;
use warnings FATAL => 'all';

use Carp;
use IO::Socket::INET;
use PostgreSQL::Test::Utils ();

use CdrService::Amqp
  qw(frame method header read_frame write_bytes FRAME_BODY FRAME_HEARTBEAT
  CONNECTION_START CONNECTION_TUNE CONNECTION_OPEN_OK CHANNEL_OPEN_OK
  CONFIRM_SELECT_OK BASIC_ACK);
use CdrService::Broker;

# The largest frame, and the most of a body in one.
use constant FRAME_MAX => 131072;
use constant PIECE     => FRAME_MAX - 8;

sub new
{
	my ($class, $broker) = @_;
	my $socket = IO::Socket::INET->new(
		PeerAddr => '127.0.0.1',
		PeerPort => $broker->port,
		Timeout  => $PostgreSQL::Test::Utils::timeout_default)
	  or croak "could not connect: $!";
	my $self = bless { socket => $socket }, $class;

	$self->_send("AMQP\0\0\x09\x01");
	$self->_await(CONNECTION_START);
	$self->_send(
		method(
			0, 10, 11,
			pack('N/a C/a N/a C/a',
				'', 'PLAIN', "\0guest\0guest", 'en_US')));
	$self->_await(CONNECTION_TUNE);
	$self->_send(method(0, 10, 31, pack('n N n', 1, FRAME_MAX, 0)));
	$self->_send(method(0, 10, 40, pack('C/a C C', $broker->vhost, 0, 0)));
	$self->_await(CONNECTION_OPEN_OK);
	$self->_send(method(1, 20, 10, pack('C/a', '')));
	$self->_await(CHANNEL_OPEN_OK);
	$self->_send(method(1, 85, 10, pack('C', 0)));
	$self->_await(CONFIRM_SELECT_OK);
	return $self;
}

# Publishes one message and waits until the broker has confirmed it.  Options:
# key, the routing key; flags, and the properties that these say follow; size, for
# a body that is repeated until it is so long.
sub publish
{
	my ($self, $body, %option) = @_;
	my $size = $option{size} || length $body;

	$self->_send(
		method(
			1, 60, 40,
			pack('n C/a C/a C',
				0, CdrService::Broker::EXCHANGE,
				defined $option{key} ? $option{key} : 'call.started', 0)));
	$self->_send(
		header(
			$size,
			flags      => $option{flags},
			properties => $option{properties}));
	if ($option{size})
	{
		$body = substr $body x (PIECE / length($body) + 1), 0, PIECE;
	}
	for (my $sent = 0; $sent < $size; $sent += PIECE)
	{
		my $left = $size - $sent;

		$self->_send(
			frame(
				FRAME_BODY, 1,
				$left < length $body ? substr($body, 0, $left) : $body));
	}
	return $self->_await(BASIC_ACK);
}

sub _send
{
	my ($self, $bytes) = @_;

	return write_bytes($self->{socket}, $bytes);
}

# Waits for a method; any other ends the test, in the broker's words.
sub _await
{
	my ($self, $method) = @_;

	while (1)
	{
		my ($type, undef, $payload) = read_frame($self->{socket});

		next if $type == FRAME_HEARTBEAT;
		return 1 if unpack('N', $payload) == $method;
		croak 'the broker answered ' . unpack 'x6 C/a', $payload;
	}
	return;
}

1;
