# The Protobuf form of the platform's events, written by hand: an encoder that
# shares nothing with the reader in src/event.  test/data/sentiric_event.proto
# has the messages; 202 compares what is made here with what protoc makes.
package CdrService::Protobuf;

use strict;
use warnings FATAL => 'all';

use Carp;
use Encode qw(encode_utf8);
use Exporter 'import';
use JSON::PP;
use Time::Local qw(timegm_modern);

our @EXPORT_OK =
  qw(field seconds_of event_type_has_message encode encode_generic
  encode_oddly encode_generic_oddly);

# Wire types.
use constant {
	VARINT    => 0,
	I64       => 1,
	LEN       => 2,
	GROUP     => 3,
	GROUP_END => 4,
	I32       => 5,
};

# canonical: the same bytes in every process
my $json = JSON::PP->new->canonical->utf8;

# ---------------------------------------------------------------------------
# Bytes
# ---------------------------------------------------------------------------

# A number in 64 bits, seven to a byte; with so many bytes more than it needs.
sub _varint
{
	my ($number, $more) = @_;
	my $rest  = $number & ~0;
	my @bytes = ($rest & 0x7F);

	push @bytes, $rest & 0x7F while $rest >>= 7;
	push @bytes, (0) x ($more || 0);
	$_ |= 0x80 foreach @bytes[ 0 .. $#bytes - 1 ];
	return pack 'C*', @bytes;
}

# One field.  Its value is a number (VARINT), eight or four bytes (I64, I32),
# or the bytes of a string, a message or a group.
sub field
{
	my ($number, $wire, $value, $more) = @_;
	my $tag = _varint($number << 3 | $wire, $more);

	return $tag . _varint($value, $more) if $wire == VARINT;
	return $tag . _varint(length $value, $more) . $value if $wire == LEN;
	return $tag . $value . _varint($number << 3 | GROUP_END) if $wire == GROUP;
	return $tag . $value;
}

# ---------------------------------------------------------------------------
# The messages: number, name in the second dialect of JSON, and kind of each
# field; the kind of a message is its fields
# ---------------------------------------------------------------------------

my $contact = [
	[ 1, 'id',           'int32' ],
	[ 2, 'userId',       'string' ],
	[ 3, 'contactType',  'string' ],
	[ 4, 'contactValue', 'string' ],
	[ 5, 'isPrimary',    'bool' ]
];
my $user = [
	[ 1, 'id',                    'string' ],
	[ 2, 'name',                  'string' ],
	[ 3, 'tenantId',              'string' ],
	[ 4, 'userType',              'string' ],
	[ 6, 'preferredLanguageCode', 'string' ]
];
my $dialplan = [
	[ 1, 'dialplanId', 'string' ],
	[ 2, 'tenantId',   'string' ],
	[ 3, 'action', [ [ 1, 'action', 'string' ], [ 2, 'type', 'int32' ] ] ],
	[ 4, 'matchedUser',    $user ],
	[ 5, 'matchedContact', $contact ]
];
my $media =
  [ [ 1, 'callerRtpAddr', 'string' ], [ 2, 'serverRtpPort', 'int32' ] ];
my @event =
  ([ 1, 'eventType', 'string' ], [ 2, 'traceId', 'string' ]);
my @event_of_call =
  (@event, [ 3, 'callId', 'string' ], [ 4, 'timestamp', 'time' ]);
my $identified =
  [ @event_of_call, [ 5, 'user', $user ], [ 6, 'contact', $contact ] ];
my %layouts = (
	'call.started' => [
		@event,
		[ 3, 'callId',             'string' ],
		[ 4, 'fromUri',            'string' ],
		[ 5, 'toUri',              'string' ],
		[ 6, 'timestamp',          'time' ],
		[ 7, 'dialplanResolution', $dialplan ],
		[ 8, 'mediaInfo',          $media ]
	],
	'user.identified.for_call' => $identified,
	'user.created.for_call'    => $identified,
	'call.recording.available' => [
		@event_of_call,
		[ 5, 'recordingUri', 'string' ],
		[ 6, 'publicUrl',    'string' ]
	],
	'call.ended'            => [ @event_of_call, [ 5, 'reason', 'string' ] ],
	'acoustic.mood.shifted' => [
		@event_of_call,
		[ 5, 'previousMood', 'string' ],
		[ 6, 'currentMood',  'string' ]
	]);
my $generic = [
	@event,
	[ 3, 'timestamp',   'strict time' ],
	[ 4, 'tenantId',    'string' ],
	[ 5, 'payloadJson', 'string' ]
];

# Has the type a message of its own here, besides GenericEvent?
sub event_type_has_message { return exists $layouts{ $_[0] }; }

# RFC 3339 to seconds since 1970, and nanoseconds, which count forward.
sub seconds_of
{
	my ($text) = @_;
	my ($date, $time, $fraction, $sign, $hours, $minutes) =
	  $text =~
	  /^(\d+-\d+-\d+)T([\d:]+)(?:\.(\d{1,9}))?(?:Z|([-+])(\d\d):(\d\d))$/
	  or croak "not RFC 3339: $text";
	my ($year, $month, $day) = split /-/, $date;
	my ($hour, $minute, $second) = split /:/, $time;
	my $seconds =
	  timegm_modern($second, $minute, $hour, $day, $month - 1, $year);

	$seconds -= "${sign}1" * ($hours * 60 + $minutes) * 60 if $sign;
	return ($seconds,
		defined $fraction ? 0 + substr("${fraction}00000000", 0, 9) : 0);
}

# A field of a message, not yet bytes: number, wire type, a value that is
# undefined if there is none, or the list of fields that it holds, and of
# messages what kind they are.
sub _node
{
	my ($number, $kind, $value) = @_;

	if (ref $kind)
	{
		return [ $number, LEN, $value && _nodes($kind, $value), 'message' ];
	}
	if ($kind =~ /time/)
	{
		my ($seconds, $nanos) = defined $value ? seconds_of($value) : ();

		return [
			$number, LEN,
			defined $value
			? [ [ 1, VARINT, $seconds || undef ], [ 2, VARINT, $nanos || undef ] ]
			: undef,
			$kind
		];
	}
	if ($kind eq 'string')
	{
		$value = '' unless defined $value;
		return [ $number, LEN, length $value ? encode_utf8($value) : undef ];
	}
	# (0 + makes a number of JSON's true)
	return [ $number, VARINT, $value ? 0 + $value : undef ];
}

sub _nodes
{
	my ($message, $values) = @_;

	return [ map { _node($_->[0], $_->[2], $values->{ $_->[1] }) } @$message ];
}

# The bytes of a list of such fields.
sub join_fields
{
	my ($nodes) = @_;

	return join '', map {
		my ($number, $wire, $value) = @$_;

		defined $value
		  ? field($number, $wire,
			ref $value ? join_fields($value) : $value)
		  : ()
	} @$nodes;
}

# An event in the second dialect, as its type's own message.  (In that message,
# who was identified is a user with a tenant, and a contact.)
sub _event_nodes
{
	my ($event, $type) = @_;
	my %event = %$event;

	if ($layouts{$type} == $identified && !$event{user} && !$event{contact})
	{
		my ($id, $tenant) = @event{ 'userId', 'tenantId' };

		$event{user} = { id => $id, tenantId => $tenant }
		  if defined $id || defined $tenant;
		$event{contact} = { id => $event{contactId} }
		  if defined $event{contactId};
	}
	return _nodes($layouts{$type}, \%event);
}

sub encode
{
	my ($event, $type) = @_;

	return join_fields(
		_event_nodes($event, defined $type ? $type : $event->{eventType}));
}

# An event in GenericEvent: payloadJson is text, or an object.
sub _generic_nodes
{
	my ($event) = @_;
	my %event   = %$event;
	my $payload = $event{payloadJson};
	my $nodes;

	delete $event{payloadJson};
	$nodes = _nodes($generic, \%event);
	$nodes->[4][2] = ref $payload ? $json->encode($payload) : $payload;
	return $nodes;
}

sub encode_generic { return join_fields(_generic_nodes($_[0])); }

# ---------------------------------------------------------------------------
# The same, as nobody would write it
# ---------------------------------------------------------------------------

sub _chance { return rand() < $_[0]; }

sub _random_bytes
{
	return pack 'C*', map { int rand 256 } 1 .. $_[0];
}

# A field that no reader knows, of any wire type; groups hold more of them.
sub _unknown
{
	my ($number, $depth) = @_;
	my $wire = (VARINT, I64, LEN, GROUP, I32)[ rand 5 ];

	$wire = LEN if $wire == GROUP && $depth > 4;
	return [ $number, $wire, int rand 1 << 40 ] if $wire == VARINT;
	return [ $number, $wire, _random_bytes($wire == I64 ? 8 : 4) ]
	  if $wire == I64 || $wire == I32;
	return [ $number, $wire, _random_bytes(int rand 20) ] if $wire == LEN;
	return [
		$number, $wire,
		[ map { _unknown(1 + int(rand 40), $depth + 1) } 1 .. rand 3 ]
	];
}

# What a field may become: itself, with others of its number before it that
# must not count, or in parts that must be put together again.
sub _odd_field
{
	my ($node) = @_;
	my ($number, $wire, $value, $kind) = @$node;

	if (ref $value)
	{
		my $nodes = _odd_nodes($value, $kind);
		my $at    = int rand @$nodes + 1;

		return [ $number, $wire, $nodes, $kind ] unless _chance(0.3);
		return (
			[ $number, $wire, [ @$nodes[ 0 .. $at - 1 ] ],       $kind ],
			[ $number, $wire, [ @$nodes[ $at .. $#$nodes ] ],    $kind ]);
	}
	if ($wire == VARINT)
	{
		return $node unless _chance(0.15);
		return ([ $number, $wire, 1 + int rand 99 ],
			[ $number, $wire, $value || 0 ]);
	}
	return $node if $kind || !_chance(0.15);
	return ([ $number, $wire, 'said before' ],
		[ $number, $wire, defined $value ? $value : '' ]);
}

# Fields in any order, but for those of the same number.
sub _any_order
{
	my (@nodes) = @_;
	my @places = map { rand } @nodes;
	my %places;

	push @{ $places{ $nodes[$_][0] } }, $places[$_] foreach 0 .. $#nodes;
	@$_ = sort { $a <=> $b } @$_ foreach values %places;
	my @placed = map { [ shift @{ $places{ $_->[0] } }, $_ ] } @nodes;
	return map { $_->[1] } sort { $a->[0] <=> $b->[0] } @placed;
}

sub _odd_nodes
{
	my ($nodes, $kind) = @_;
	my @nodes = map { _odd_field($_) } @$nodes;

	# nothing but its two numbers may stand in the time that tells a
	# GenericEvent from the message of the type
	if ($kind ne 'strict time')
	{
		push @nodes, _unknown(20 + int(rand 2) * int(rand(536870891)), 0)
		  while _chance(0.3);
		# a known number, with a wire type that it does not have
		foreach my $known (@$nodes)
		{
			my $node = _unknown($known->[0], 0);

			push @nodes, $node if _chance(0.05) && $node->[1] != $known->[1];
		}
	}
	return [ _any_order(@nodes) ];
}

# As join_fields(), with numbers and lengths in more bytes than they need.
sub _join_oddly
{
	my ($nodes) = @_;

	return join '', map {
		my ($number, $wire, $value) = @$_;

		defined $value
		  ? field($number, $wire,
			ref $value ? _join_oddly($value) : $value,
			_chance(0.1) && $number < 1 << 14 && ($wire != VARINT || $value >= 0)
			? 1 + int rand 2
			: 0)
		  : ()
	} @$nodes;
}

sub encode_oddly
{
	my ($event, $type) = @_;

	return _join_oddly(
		_odd_nodes(
			_event_nodes($event, defined $type ? $type : $event->{eventType}),
			''));
}

sub encode_generic_oddly
{
	return _join_oddly(_odd_nodes(_generic_nodes($_[0]), ''));
}

1;
