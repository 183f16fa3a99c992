# AMQP as bytes, for those who have to say what no library would.
package CdrService::Amqp;

use strict;
use warnings FATAL => 'all';

use Carp;
use Exporter 'import';

our (@EXPORT_OK, %constants);

# Frame types, and methods as class * 65536 + method.
BEGIN
{
	%constants = (
		FRAME_METHOD    => 1,
		FRAME_HEADER    => 2,
		FRAME_BODY      => 3,
		FRAME_HEARTBEAT => 8,

		CONNECTION_START    => 10 << 16 | 10,
		CONNECTION_START_OK => 10 << 16 | 11,
		CONNECTION_TUNE     => 10 << 16 | 30,
		CONNECTION_OPEN     => 10 << 16 | 40,
		CONNECTION_OPEN_OK  => 10 << 16 | 41,
		CONNECTION_CLOSE    => 10 << 16 | 50,
		CHANNEL_OPEN        => 20 << 16 | 10,
		CHANNEL_OPEN_OK     => 20 << 16 | 11,
		CHANNEL_CLOSE       => 20 << 16 | 40,
		EXCHANGE_DECLARE    => 40 << 16 | 10,
		QUEUE_DECLARE       => 50 << 16 | 10,
		QUEUE_BIND          => 50 << 16 | 20,
		BASIC_QOS           => 60 << 16 | 10,
		BASIC_CONSUME       => 60 << 16 | 20,
		BASIC_CANCEL        => 60 << 16 | 30,
		BASIC_ACK           => 60 << 16 | 80,
		CONFIRM_SELECT_OK   => 85 << 16 | 11,);
	@EXPORT_OK = (
		qw(frame method deliver header body message table nested heartbeat
		  read_bytes read_frame write_bytes), keys %constants);
}

use constant \%constants;

# ---------------------------------------------------------------------------
# Made
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
# Read and written: each of these dies when the peer goes
# ---------------------------------------------------------------------------

sub read_bytes
{
	my ($socket, $length) = @_;
	my $data = '';

	while (length $data < $length)
	{
		sysread $socket, $data, $length - length $data, length $data
		  or croak 'the peer has closed the connection';
	}
	return $data;
}

# The next frame: its type, its channel and what it carries.
sub read_frame
{
	my ($socket) = @_;
	my ($type, $channel, $length) = unpack 'C n N', read_bytes($socket, 7);

	return ($type, $channel, substr read_bytes($socket, $length + 1), 0, -1);
}

sub write_bytes
{
	my ($socket, $data) = @_;
	my $sent = 0;

	while ($sent < length $data)
	{
		my $count = syswrite $socket, $data, length($data) - $sent, $sent;

		croak "could not send: $!" unless defined $count;
		$sent += $count;
	}
	return;
}

1;
