# protoc, which knows no more of us than the .proto, agrees: with the bodies that
# it makes of every message, with each field there and with none, as events and
# as JSON; and with the encoder that the other tests write Protobuf with.
# CDR_TEST_SEED repeats a run.

use strict;
use warnings FATAL => 'all';

use Encode qw(decode_utf8);
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;
use CdrService::Protobuf qw(encode encode_generic encode_oddly
  encode_generic_oddly seconds_of);
use CdrService::Util qw(repository run bytea);

my $data = repository() . '/test/data';
my $json = JSON::PP->new->canonical->utf8->allow_nonref;
my $cdr  = CdrService::Fixture->new('protoc');
my $seed = $ENV{CDR_TEST_SEED} || int(rand(1_000_000));

note "seed $seed";
srand $seed;

# ---------------------------------------------------------------------------
# What protoc writes and reads
# ---------------------------------------------------------------------------

sub protoc
{
	my ($command, $message, $input) = @_;

	return run(
		[
			'protoc', "--proto_path=$data",
			"--$command=sentiric.event.v1.$message",
			'sentiric_event.proto'
		],
		$input);
}

# A value as protoc reads it: of an object, its fields; of a map, its entries.
sub as_text
{
	my ($name, $value) = @_;

	$name = $name =~ s/([A-Z])/_\l$1/gr;
	return join '', map { as_text($name, $_) } @$value
	  if ref $value eq 'ARRAY';
	if ($name eq 'timestamp' && !ref $value)
	{
		my ($seconds, $nanos) = seconds_of($value);
		return "timestamp { seconds: $seconds nanos: $nanos }\n";
	}
	return join '', map {
		"action_data { key: \"$_\" value: \"$value->{$_}\" }\n"
	} sort keys %$value
	  if $name eq 'action_data';
	return "$name {\n"
	  . join('', map { as_text($_, $value->{$_}) } sort keys %$value) . "}\n"
	  if ref $value eq 'HASH';
	return "$name: $value\n"
	  if JSON::PP::is_bool($value) || $value =~ /^-?[0-9.]+$/ && $name !~ /uri/;
	return "$name: " . $json->encode($value) . "\n";
}

# What protoc's text says, as Protobuf's JSON has it.  What has no name is
# unknown, and left out.
my %repeated = map { $_ => 1 } qw(contacts activeTraits speakerVec);

sub facts_of
{
	my ($lines) = @_;
	my %facts;

	while (@$lines)
	{
		my $line = shift @$lines;
		last if $line =~ /^\s*\}$/;
		my ($name, $text) = $line =~ /^\s*(\w+)(?:: (.*)| \{)$/
		  or die "protoc printed: $line";
		my $value = defined $text ? $text : facts_of($lines);

		next if $name =~ /^\d/;
		$name =~ s/_(.)/\u$1/g;
		if (defined $text && $text =~ s/^"(.*)"$/$1/)
		{
			$text =~ s/\\(?:([0-7]{3})|(.))/defined $1 ? chr oct $1
			  : $2 eq 'n' ? "\n" : $2/ge;
			$value = decode_utf8($text);
		}
		elsif (defined $text && $text =~ /^(?:true|false)$/)
		{
			$value = $text eq 'true' ? JSON::PP::true : JSON::PP::false;
		}
		$value = time_of($value) if $name eq 'timestamp';
		$value = $json->decode($text)
		  if $name eq 'payloadJson' && $text =~ /^\{.*\}$/;
		if ($name eq 'actionData')
		{
			$facts{$name}{ $value->{key} } = $value->{value};
		}
		elsif ($repeated{$name}) { push @{ $facts{$name} }, $value; }
		else                     { $facts{$name} = $value; }
	}
	return \%facts;
}

sub time_of
{
	my ($time)  = @_;
	my $seconds = $time->{seconds} || 0;
	my $nanos   = $time->{nanos}   || 0;
	my $digits  = sprintf '.%09d', $nanos;

	return undef unless $seconds || $nanos;
	$digits =~ s/000$// for 1 .. 3;
	return POSIX::strftime('%Y-%m-%dT%H:%M:%S', gmtime $seconds)
	  . ($nanos ? $digits : '') . 'Z';
}

sub decoded
{
	my ($message, $body) = @_;

	return facts_of([ split /\n/, protoc('decode', $message, $body) ]);
}

# ---------------------------------------------------------------------------
# Every message, with all that can be in it
# ---------------------------------------------------------------------------

my $time_there   = '2026-03-08T20:00:00.118205Z';
my $printed_time = '2026-03-08 20:00:00.118205';
my %head       = (
	traceId   => 'trace "1"',
	callId    => 'protoc@test',
	timestamp => $time_there);
my %contact = (
	id           => -4711,
	userId       => 'u-1',
	contactType  => 'phone',
	contactValue => "Z\x{fc}rich",
	isPrimary    => JSON::PP::true);
my %user = (
	id                    => 'u-1',
	name                  => '',
	tenantId              => 'tenant-user',
	userType              => 'caller',
	contacts              => [ \%contact, { id => 3 } ],
	preferredLanguageCode => 'en');
my %full = (
	'call.started' => [
		'CallStartedEvent',
		{
			%head,
			fromUri            => '"A" <sip:+12025550123@192.0.2.14>;tag=x',
			toUri              => 'tel:+12025550199',
			dialplanResolution => {
				dialplanId => 'DP_1',
				tenantId   => 'tenant-dialplan',
				action     => {
					action     => 'START',
					type       => 1,
					actionData => { lang => 'en', workflow_id => 'wf' }
				},
				matchedUser    => \%user,
				matchedContact => \%contact,
				inboundRoute   => {
					phoneNumber         => 'sip:1',
					tenantId            => 'tenant-route',
					activeDialplanId    => 'a',
					offHoursDialplanId  => 'b',
					failsafeDialplanId  => '',
					isMaintenanceMode   => JSON::PP::true,
					defaultLanguageCode => 'en',
					scheduleId          => 'c',
					blockAnonymous      => JSON::PP::true
				}
			},
			mediaInfo =>
			  { callerRtpAddr => '192.0.2.14:31200', serverRtpPort => 10042 }
		}
	],
	'call.recording.available' => [
		'CallRecordingAvailableEvent',
		{ %head, recordingUri => 's3://a', publicUrl => 'https://b' }
	],
	'call.ended' => [ 'CallEndedEvent', { %head, reason => 'busy' } ],
	'acoustic.mood.shifted' => [
		'AcousticMoodShiftedEvent',
		{
			%head,
			previousMood => 'calm',
			currentMood  => "two\nlines",
			arousalShift => -0.25,
			valenceShift => 0.5,
			speakerId    => 'spk',
			speakerVec   => [ 1, -2.5, 0 ]
		}
	],
	'cognitive.map.updated' => [
		'CognitiveMapUpdatedEvent',
		{
			traceId           => 't',
			userId            => 'u-1',
			timestamp         => $time_there,
			recentFactSummary => "\\",
			activeTraits      => [ 'kind', 'short' ],
			dominantResonance => 'low',
			arousalScore      => 0.125,
			valenceScore      => 1.5,
			logicScore        => -3
		}
	],
	(
		map {
			$_ => [
				'UserIdentifiedForCallEvent',
				{ %head, user => \%user, contact => \%contact }
			]
		} qw(user.identified.for_call user.created.for_call)
	),
	(
		map {
			$_ => [
				'MediaGenerationCompletedEvent',
				{
					traceId      => 't',
					jobId        => 'j',
					tenantId     => 'tenant-job',
					mediaType    => 'audio',
					success      => JSON::PP::true,
					resultUri    => 's3://c',
					errorMessage => 'none',
					timestamp    => $time_there
				}
			]
		} qw(media.generation.completed media.generation.failed)
	),
	(
		map {
			$_ => [
				'GenericEvent',
				{
					traceId     => 'protoc@test',
					tenantId    => 'tenant-generic',
					timestamp   => $time_there,
					payloadJson => '{"callId":"protoc@test","n":[1,{}]}'
				}
			]
		} qw(call.answered call.held)
	));

# --- they become events, and are shown as JSON

foreach my $type (sort keys %full)
{
	my ($message, $values) = @{ $full{$type} };

	foreach my $form ('full', 'empty')
	{
		my %event = (eventType => $type, $form eq 'full' ? %$values : ());
		my $body  = protoc('encode', $message,
			join '', map { as_text($_, $event{$_}) } sort keys %event);
		my $facts = decoded($message, $body);
		my $inner = $facts->{payloadJson}        || {};
		my $match = $facts->{dialplanResolution} || {};
		my $user  = $facts->{user} || $match->{matchedUser} || {};
		my ($shown, $logged) = split /\n/, $cdr->sql(sprintf <<'EOS',
SELECT cdr_event_json('%s') FROM cdr_ingest_message('%1$s');
SELECT event_type, call_id, trace_id, tenant_id,
	   CASE WHEN event_time <> received_at THEN event_time AT TIME ZONE 'UTC' END
FROM call_events WHERE body = '%1$s';
EOS
			bytea($body));

		is_deeply($json->decode($shown),
			$facts, "$type, $form: shown as JSON");
		is( $logged,
			join('|',
				$type,
				$event{callId} || $inner->{callId} || '',
				$facts->{traceId} || '',
				$facts->{tenantId} || $user->{tenantId} || $match->{tenantId}
				  || '',
				$event{timestamp} ? $printed_time : ''),
			"$type, $form: an event");
	}
}

# --- the encoder of these tests writes what protoc writes

foreach my $type (sort grep { $full{$_}[0] =~ /^Call|^User/ } keys %full)
{
	my ($message, $values) = @{ $full{$type} };
	my %event = (%$values, eventType => $type);
	my $one   = { %user, name => 'Alice' };

	# (what it does not know)
	delete $one->{contacts};
	$event{user} = $one if $event{user};
	$event{dialplanResolution} = {
		%{ $event{dialplanResolution} },
		matchedUser => $one,
		action      => { action => 'START', type => -1 }
	  }
	  if $event{dialplanResolution};
	delete $event{dialplanResolution}{inboundRoute}
	  if $event{dialplanResolution};
	my $text = join '', map { as_text($_, $event{$_}) } sort keys %event;

	is( bytea(encode(\%event)),
		bytea(protoc('encode', $message, $text)),
		"encoder: $type");
	is_deeply(
		decoded($message, encode_oddly(\%event)),
		decoded($message, encode(\%event)),
		"encoder: $type, oddly written, says the same ($_)") foreach 1 .. 20;
}

my $event = $full{'call.answered'}[1];
my $body  = protoc('encode', 'GenericEvent',
	join '', map { as_text($_, $event->{$_}) } sort keys %$event);

is(bytea(encode_generic($event)), bytea($body), 'encoder: GenericEvent');
is_deeply(
	decoded('GenericEvent', encode_generic_oddly($event)),
	decoded('GenericEvent', $body),
	"encoder: GenericEvent, oddly written, says the same ($_)")
  foreach 1 .. 20;

done_testing();
