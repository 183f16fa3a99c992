# Random calls, the same for the same seed: with skewed clocks, missing
# events, ties, contradictory and exact duplicates, in every form of the wire
# (both dialects of JSON, and Protobuf), shuffled.
package CdrService::RandomCalls;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use JSON::PP;
use POSIX ();

use CdrService::Protobuf qw(event_type_has_message encode_oddly
  encode_generic_oddly);

our @EXPORT_OK = qw(random_events count_distinct spelled shuffled FORMS);

# What producers publish: JSON in its first and its second dialect, Protobuf.
use constant FORMS => ('first', 'second', 'protobuf');

# canonical: the same bytes in every process
my $json = JSON::PP->new->canonical->utf8;

# 2026-01-31T23:50:00Z: the calls of an hour lie in two monthly partitions
my $epoch = 1769903400;

sub _one_of { return $_[ int(rand(@_)) ]; }

sub _chance { return rand() < $_[0]; }

# A number of events: the given chances of 1, of 2 and of 3; else none.
sub _how_many
{
	my @chances = @_;
	my $dice    = rand();

	foreach my $i (0 .. $#chances)
	{
		return $i + 1 if ($dice -= $chances[$i]) < 0;
	}
	return 0;
}

sub shuffled
{
	my @list = @_;

	for (my $i = @list; --$i > 0;)
	{
		my $j = int(rand($i + 1));
		@list[ $i, $j ] = @list[ $j, $i ];
	}
	return @list;
}

# RFC 3339 as various producers print it.
sub _timestamp
{
	my ($time,   $fraction) = @_;
	my ($offset, $suffix)   = @{
		_one_of(
			[ 0,      'Z' ],
			[ 0,      'Z' ],
			[ 0,      '+00:00' ],
			[ 10800,  '+03:00' ],
			[ -19800, '-05:30' ])
	};

	return
		POSIX::strftime('%Y-%m-%dT%H:%M:%S', gmtime($time + $offset))
	  . $fraction
	  . $suffix;
}

sub _number
{
	return _one_of(
		'+9055511' . int(rand(90000) + 10000),
		'0212' . int(rand(9000000) + 1000000),
		int(rand(9000) + 1000),
		int(rand(90) + 10),
		'alice',
		'anonymous');
}

sub _uri
{
	my $number = _number();

	return _one_of(
		$number,
		"sip:$number\@sentiric",
		"sips:$number\@10.0.0.1:5061;transport=tls",
		"<sip:$number\@10.0.0.1;user=phone>",
		"\"Ay\x{15f}e <1> Y\x{131}lmaz\" <sip:$number\@10.0.0.1:5060;transport=udp>;tag=8f3a",
		'tel:+90-212-555-' . int(rand(9000) + 1000),
		"sip:$number:secret\@sentiric",
		"tel:$number;phone-context=example.com",
		'sip:gw.example.net',
		'');
}

sub _text
{
	return _one_of('', "$_[0]-" . int(rand(4)), "$_[0]-" . int(rand(4)));
}

sub _contact
{
	return _one_of(
		0,           int(rand(5)) + 1,
		'"0"',       '', '' . (int(rand(5)) + 1),
		'no number', -7, 4.5, '12345678901234567890');
}

# The fields of an event are those of the second dialect; spelled() turns them
# into the others.
sub _started
{
	my %match;
	my %event;

	# a web session, of which nobody says that it was answered
	return { fromUri => 'web-client', toUri => 'ai-pipeline' }
	  if _chance(0.05);
	$event{fromUri}     = _uri()          if _chance(0.9);
	$event{toUri}       = _uri()          if _chance(0.9);
	$match{tenantId}    = _text('tenant') if _chance(0.8);
	$match{matchedUser} = { id => _text('user'), tenantId => _text('tenant') }
	  if _chance(0.5);
	$match{matchedContact}     = { id => _contact() }      if _chance(0.5);
	$event{dialplanResolution} = \%match                   if %match;
	$event{direction} = _one_of('inbound', 'outbound', '') if _chance(0.1);
	$event{tenantId}  = _text('tenant')                    if _chance(0.1);
	$event{trunk}     = _text('trunk')                     if _chance(0.2);
	return \%event;
}

sub _identified
{
	my %event;

	$event{userId}    = _text('user')   if _chance(0.9);
	$event{contactId} = _contact()      if _chance(0.9);
	$event{tenantId}  = _text('tenant') if _chance(0.8);
	return \%event;
}

sub _ended
{
	my %event;

	$event{reason} = _one_of(
		'normal_clearing',       'normal_clearing_by_user',
		'terminated_by_request', 'system_terminated',
		'workflow_hangup',       'busy',
		'user_busy',             'failure',
		'network_failure',       'NO_ANSWER',
		'cancelled',             'client_disconnected',
		'') if _chance(0.9);
	$event{hangupSource} = 'operator' if _chance(0.05);
	$event{sipStatus}    = _one_of(200, 486, '603', 'no status', 100, 4711)
	  if _chance(0.2);
	return \%event;
}

sub _recording
{
	my %event;

	$event{recordingUri} = _text('s3://recordings/a')  if _chance(0.6);
	$event{uri}          = _text('s3://recordings/b')  if _chance(0.3);
	$event{publicUrl}    = _text('https://recordings') if _chance(0.3);
	return \%event;
}

# The events of one call.  Clocks differ by producer; within a call they are
# so coarse that ties are common.
sub _call
{
	my ($id)   = @_;
	my $start  = $epoch + int(rand(3600));
	my $spread = _one_of(1, 3, 30, 200, 200, 9000);
	my %skew   = map { $_ => _one_of(0, 0, 1, -2, 90) } qw(sip agent media);
	my @events;

	my $add = sub {
		my ($count, $producer, $type, $fields) = @_;
		foreach (1 .. $count)
		{
			my %event = (%{ $fields->() }, callId => $id);
			my $time  = $start + $skew{$producer} + int(rand($spread));

			$event{timestamp} = _timestamp($time,
				_one_of('', '', '.5', '.000001', '.999999999', '.123456500'))
			  unless _chance(0.02);
			$event{timestamp} = '0001-01-01T00:00:00Z' if _chance(0.01);
			$event{eventType} = ref $type ? _one_of(@$type) : $type;
			$event{traceId}   = _text('trace') if _chance(0.5);
			push @events, \%event;
		}
	};

	$add->(_how_many(0.75, 0.15), 'sip', 'call.started',  \&_started);
	$add->(_how_many(0.20, 0.10), 'sip', 'call.ringing',  sub { {} });
	$add->(_how_many(0.55, 0.10), 'sip', 'call.answered', sub { {} });
	$add->(_how_many(0.75, 0.15), 'sip', 'call.ended',    \&_ended);
	$add->(
		_how_many(0.35, 0.15, 0.05),
		'agent', [ 'user.identified.for_call', 'user.created.for_call' ],
		\&_identified);
	$add->(
		_how_many(0.25, 0.10),      'media',
		'call.recording.available', \&_recording);
	$add->(
		_how_many(0.20, 0.10),
		'media',
		[ 'acoustic.mood.shifted', 'call.media.playback.finished' ],
		sub { { currentMood => _text('mood') } });
	return @events;
}

# ---------------------------------------------------------------------------
# Forms
# ---------------------------------------------------------------------------

sub _renamed
{
	my ($object, %names) = @_;

	return { map { ($names{$_} || $_) => $object->{$_} } keys %$object };
}

# An event in the first dialect.
sub _in_first_dialect
{
	my ($event) = @_;
	my %match   = %{ $event->{dialplanResolution} || {} };
	my $first   = _renamed($event, fromUri => 'from', toUri => 'to');

	return $first unless %match;
	$match{matchedUser} =
	  _renamed($match{matchedUser}, tenantId => 'tenant_id')
	  if $match{matchedUser};
	delete $first->{dialplanResolution};
	$first->{dialplan} = _renamed(
		\%match,
		tenantId       => 'tenant_id',
		matchedUser    => 'matched_user',
		matchedContact => 'matched_contact');
	return $first;
}

# Leaves of an event what the message of its type has room for.
sub _only_sayable
{
	my ($event, $type) = @_;
	my %event = %$event;

	delete @event{qw(direction trunk hangupSource sipStatus uri)};
	delete $event{tenantId} if $type eq 'call.started';
	if (my $match = $event{dialplanResolution})
	{
		$event{dialplanResolution} = $match = {%$match};
		delete $match->{matchedContact}
		  if $match->{matchedContact}
		  && $match->{matchedContact}{id} !~ /^-?\d{1,9}$/;
	}
	delete $event{contactId}
	  if defined $event{contactId} && $event{contactId} !~ /^-?\d{1,9}$/;
	return \%event;
}

# Does an event name a tenant, besides its tenantId?
sub _names_tenant
{
	my $match = $_[0]{dialplanResolution} || {};
	my $user  = $match->{matchedUser}     || {};

	return grep { defined $_ && length $_ } $match->{tenantId},
	  $user->{tenantId};
}

# The body of an event in a GenericEvent, whose payload says what the message
# around it does not.
sub _in_generic_event
{
	my ($event, $type) = @_;
	my %payload = %$event;
	my %around;

	foreach my $name ('eventType', 'traceId', 'timestamp')
	{
		$around{$name} = delete $payload{$name} if defined $payload{$name};
	}
	# a tenant around it counts where the payload names none
	my $named = _names_tenant(\%payload)
	  || ($payload{tenantId} && _chance(0.5));

	$around{tenantId} = $named ? 'system' : delete $payload{tenantId}
	  if _chance(0.5);
	if ($type eq 'call.answered' && _chance(0.3))
	{
		# the B2BUA: the trace is the call, and no payload says so
		$around{traceId}     = delete $payload{callId};
		$around{payloadJson} = _one_of(undef, '', 'not JSON', '{"callId":');
	}
	else
	{
		# type, trace and time around it go first
		@payload{ 'eventType', 'traceId' } = ('call.ended', 'inner')
		  if _chance(0.1);
		if (defined $around{timestamp} && _chance(0.2))
		{
			# a Timestamp of nothing says nothing
			($payload{timestamp}, $around{timestamp}) =
			  $around{timestamp} !~ /^0001/ && _chance(0.5)
			  ? ('2000-01-01T00:00:00Z', $around{timestamp})
			  : ($around{timestamp}, '1970-01-01T00:00:00Z');
		}
		$around{payloadJson} =
		  _chance(0.5) ? \%payload : _in_first_dialect(\%payload);
	}
	return encode_generic_oddly(\%around);
}

# A message of an event, whose fields are those of the second dialect, in one
# of the forms, for CdrService::Broker->publish.  What a body says that plain
# SQL cannot read is, as JSON, in "says".
sub spelled
{
	my ($event, $form, $type) = @_;

	$type = $event->{eventType} unless defined $type;
	return { key => $type, body => $json->encode(_in_first_dialect($event)) }
	  if $form eq 'first';
	return { key => $type, body => $json->encode($event) }
	  if $form eq 'second';

	# a type that has a message of its own is a GenericEvent, too, if its
	# time is where only a GenericEvent has one
	if (!event_type_has_message($type)
		|| (defined $event->{timestamp} && _chance(0.2)))
	{
		return {
			key  => $type,
			body => _in_generic_event($event, $type),
			says => $json->encode($event)
		};
	}
	my $sayable = _only_sayable($event, $type);
	return {
		key  => $type,
		body => encode_oddly($sayable, $type),
		says => $json->encode($sayable)
	};
}

# The events of $count random calls, and some of no call, as messages for
# CdrService::Broker->publish.  The same seed gives the same messages.
sub random_events
{
	my ($seed, $count) = @_;
	my @messages;

	srand($seed);
	foreach my $i (1 .. $count)
	{
		my $id     = _one_of('%d-%d@10.0.0.1', 'A%d/%d+x=:y', 'a%d/%d+x=:y');
		my @events = _call(sprintf($id, $seed, $i));

		push @events,
		  {
			eventType => 'dialplan.updated',
			n         => $i,
			timestamp => _timestamp($epoch + $i, '')
		  }
		  if _chance(0.05);
		foreach my $event (@events)
		{
			my $type = $event->{eventType};
			my $form = _one_of(FORMS);
			# without a type in the body, the routing key is the type
			delete $event->{eventType} if _chance(0.03);
			my %message = %{ spelled($event, $form, $type) };
			my @properties;

			push @properties, 'content-type=application/protobuf'
			  if $message{says} && _chance(0.5);
			push @properties, "timestamp=$epoch" if _chance(0.02);
			$message{properties} = join ';', @properties;
			push @messages, \%message;
			push @messages, \%message while _chance(0.15);
			# the same words, said twice, are two events
			push @messages,
			  {
				%message,
				properties => join ';',
				@properties, "message-id=m$i"
			  }
			  if _chance(0.02);
		}
	}
	return shuffled(@messages);
}

# How many events these messages are: an event is its message-id and its body.
sub count_distinct
{
	my %events;

	foreach my $message (@_)
	{
		my ($id) = ($message->{properties} || '') =~ /message-id=(\w+)/;
		$events{ ($id || '') . $message->{body} } = 1;
	}
	return scalar keys %events;
}

1;
