# AMQP 1.0 by somebody else's library: Qpid Proton publishes, RabbitMQ converts (in
# 3.x its plugin, since 4.0 the broker itself, each in its own way), and what the
# service consumes is the event that was meant, or a dead letter that says what it
# is; the same when it comes again, and out of the log.

use strict;
use warnings FATAL => 'all';

use Digest::SHA        qw(sha256_hex);
use IO::Compress::Gzip qw(gzip);
use JSON::PP;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Broker;
use CdrService::Fixture;
use CdrService::Protobuf qw(encode);
use CdrService::Util     qw(repository run);

my $json = JSON::PP->new->canonical->utf8->allow_nonref;

# The library is that of Debian's own Python.
my ($python) =
  grep { system("$_ -c 'import proton' 2>/dev/null") == 0 }
  qw(python3 /usr/bin/python3);

plan skip_all => 'Python has no Qpid Proton (python3-qpid-proton)'
  unless defined $python;

my $cdr   = CdrService::Fixture->new('amqp10');
my $is_v4 = $cdr->broker->major_version >= 4;

note 'RabbitMQ ' . $cdr->broker->erlang('rabbit_misc:version()');

sub publish
{
	return run(
		[
			$python,
			repository() . '/test/tools/amqp10.py',
			$cdr->broker->port,
			CdrService::Broker::VHOST,
			CdrService::Broker::EXCHANGE,
			$is_v4 ? 'v2' : 'v1'
		],
		join '',
		map { $json->encode($_) . "\n" } @_);
}

# --- the messages, and what is expected of each

sub started
{
	my ($call, %more) = @_;

	return {
		eventType => 'call.started',
		callId    => $call,
		timestamp => '2026-03-08T20:00:00.250Z',
		fromUri   => 'sip:+12025550123@192.0.2.20',
		toUri     => 'sip:1001@example.org',
		%more
	};
}

sub binary { return { binary => encode_base64($_[0], '') }; }

# The attributes of a CloudEvent, under one of the prefixes of the binding.
sub attributes
{
	my ($prefix, %attributes) = @_;
	my %all = (
		specversion => '1.0',
		source      => '/sbc',
		type        => 'org.example.call.started',
		%attributes);

	return { map { $prefix . $_ => $all{$_} } keys %all };
}

my @events;
my @letters;

# A message with one event, which begins the call of that name.
sub event
{
	my ($call, $message, %expected) = @_;

	push @events,
	  {
		call    => $call,
		message => { key => 'call.started', %$message },
		row     => join '|',
		$call,
		$expected{event_type}    || 'call.started',
		$expected{time}          || '20:00:00.250000',
		$expected{time_source}   || 'b',
		$message->{content_type} || '',
		unpack('H*', $expected{message_id} || ''),
		$expected{type} || '',
		'+12025550123',
		'1001'
	  };
	return;
}

sub letter
{
	my ($name, $message, $sqlstate, $reason) = @_;

	push @letters,
	  {
		message => { key => "letter.$name", %$message },
		row     => "letter.$name|$sqlstate|$reason"
	  };
	return;
}

my %is_json  = (content_type => 'application/json');
my %is_value = (type         => 'amqp-1.0');

# bytes and values, of every form
event('data',
	{ %is_json, body => [ [ data => $json->encode(started('data')) ] ] });
event('string',
	{ %is_json, body => [ [ value => $json->encode(started('string')) ] ] },
	%is_value);
event(
	'long string',
	{
		body => [
			[
				value =>
				  $json->encode(started('long string', more => 'x' x 100000))
			]
		]
	},
	%is_value);
event('binary',
	{ body => [ [ value => binary($json->encode(started('binary'))) ] ] },
	%is_value);
foreach my $kind (qw(data value))
{
	event(
		"protobuf $kind",
		{
			content_type => 'application/protobuf',
			body => [ [ $kind => binary(encode(started("protobuf $kind"))) ] ]
		},
		$kind eq 'value' ? %is_value : ());
	gzip(\$json->encode(started("gzip $kind")), \my $packed);
	event(
		"gzip $kind",
		{
			%is_json,
			content_encoding => 'gzip',
			body             => [ [ $kind => binary($packed) ] ]
		},
		# (it has no property of its own, so it is only seen of what has to be kept)
		type => $kind eq 'value' ? 'amqp-1.0' : $is_v4 ? '' : 'binary');
}

# properties
event(
	'string id',
	{
		id   => 'an id',
		body => [ [ data => $json->encode(started('string id')) ] ]
	},
	message_id => 'an id');
event(
	'uuid',
	{
		id   => { uuid => '00112233-4455-6677-8899-aabbccddeeff' },
		ttl  => 600,
		body => [ [ data => $json->encode(started('uuid')) ] ]
	},
	message_id => $is_v4
	? 'urn:uuid:00112233-4455-6677-8899-aabbccddeeff'
	: pack('H*', '00112233445566778899aabbccddeeff'));
event(
	'created',
	{
		created => 1773000000.25,
		durable => JSON::PP::false,
		body    => [
			[ data => $json->encode(started('created', timestamp => undef)) ]
		]
	},
	time        => $is_v4 ? '20:00:00.000000' : '20:00:00.250000',
	time_source => 'p');
event(
	'annotated',
	{
		annotations => { 'x-opt-site' => 'edge1' },
		headers     => {
			department => 'sales',
			attempt    => 3,
			big        => { ulong => 4294967296 },
			urgent     => JSON::PP::true,
			at         => { timestamp => 1773000000250 }
		},
		body => [ [ data => $json->encode(started('annotated')) ] ]
	});

# CloudEvents: with the attributes as application properties, under both prefixes of
# the binding, and in the body
my %plain = %{ started(undef, timestamp => undef, eventType => undef) };
foreach my $prefix ('cloudEvents:', 'cloudEvents_')
{
	foreach my $kind (qw(data value))
	{
		my $call = "$prefix $kind";

		event(
			$call,
			{
				key     => 'any',
				headers => attributes(
					$prefix,
					id   => $call,
					time => '2026-03-08T20:00:00.25Z'),
				body =>
				  [ [ $kind => $json->encode({ %plain, callId => $call }) ] ]
			},
			$kind eq 'value' ? %is_value : ());
	}
}
event(
	'typed time',
	{
		key     => 'any',
		headers => attributes(
			'cloudEvents:',
			id   => 'typed time',
			time => { timestamp => 1773000000250 }),
		body =>
		  [ [ data => $json->encode({ %plain, callId => 'typed time' }) ] ]
	},
	# RabbitMQ 4 makes whole seconds of it
	time => $is_v4 ? '20:00:00.000000' : '20:00:00.250000');
foreach my $kind (qw(data value))
{
	event(
		"structured $kind",
		{
			key          => 'any',
			content_type => 'application/cloudevents+json; charset=utf-8',
			body         => [
				[
					$kind => $json->encode(
						{
							%{ attributes('', id => "structured $kind") },
							time => '2026-03-08T20:00:00.25Z',
							data => { %plain, callId => "structured $kind" }
						})
				]
			]
		},
		$kind eq 'value' ? %is_value : ());
}

# what is not one body
letter(
	'sequence', { body => [ [ sequence => [ 'a', 1 ] ] ] },
	'0A000', 'body of AMQP 1.0 is not a single string or binary');
letter(
	'map', { body => [ [ value => started('map') ] ] },
	'0A000', 'body of AMQP 1.0 is not a single string or binary');
letter('cut', { body => [ [ value => '{"callId":' ] ] },
	'22P02', 'event is not JSON');

# an event in three sections: 4 joins them; the plugin hands them on encoded, the last
# one first
my $several  = $json->encode(started('several'));
my $sections = [ map { [ data => $_ ] } $several =~ /(.{1,60})/g ];
if ($is_v4)
{
	event('several', { body => $sections });
	event(
		'number',
		{
			id   => { ulong => 77 },
			body => [ [ data => $json->encode(started('number')) ] ]
		},
		message_id => '77');
}
else
{
	letter('several', { body => $sections },
		'0A000', 'body of AMQP 1.0 is not a single string or binary');
}

# --- each of them

my $rows = <<'EOS';
SELECT e.call_id, event_type, to_char(event_time AT TIME ZONE 'UTC', 'HH24:MI:SS.US'), time_source,
	content_type, encode(message_id, 'hex'), properties ->> 'type', caller_number, callee_number
FROM call_events AS e LEFT JOIN calls USING (call_id)
EOS
my $expected = join "\n", sort map { $_->{row} } @events;

publish(map { $_->{message} } @events, @letters);
$cdr->wait_for('count(*) >= ' . @letters . ' FROM dead_letters');
$cdr->wait_drained(scalar @events);
is(join("\n", sort split /\n/, $cdr->sql($rows)),
	$expected, 'each event is what it is meant to be');
is( join("\n",
		sort split /\n/,
		$cdr->sql('SELECT routing_key, sqlstate, message FROM dead_letters')),
	join("\n", sort map { $_->{row} } @letters),
	'what is not one body is a dead letter, with the reason');
is( $cdr->sql(
		q{SELECT call_id, event_id FROM call_events WHERE call_id ~ '^(cloudEvents|typed|structured)' ORDER BY call_id COLLATE "C"}
	),
	join(
		"\n",
		map {
			my $identity =
			  substr sha256_hex(pack 'N N/a N/a', 0xfffffffe, '/sbc', $_),
			  0, 32;

			"$_|" . $identity =~ s/^(.{8})(.{4})(.{4})(.{4})/$1-$2-$3-$4-/r
		} sort grep { /^(cloudEvents|typed|structured)/ }
		  map { $_->{call} } @events),
	'CloudEvents are identified by source and id');

# headers as the broker makes them
my @names = split /\n/,
  $cdr->sql(
	q{SELECT json_object_keys(headers) COLLATE "C" AS name FROM call_events WHERE call_id = 'annotated' ORDER BY name}
  );
is( join(' ', grep { !/^x-(exchange|routing-key)/ } @names),
	$is_v4
	? 'at attempt big department urgent x-opt-site'
	: 'x-amqp-1.0-app-properties x-amqp-1.0-message-annotations x-amqp-1.0-properties',
	'application properties and annotations are headers');
is( $cdr->sql(
		q{SELECT headers ->> 'department', headers ->> 'attempt', headers ->> 'big', headers ->> 'urgent' FROM call_events WHERE call_id = 'annotated'}
	),
	$is_v4 ? 'sales|3|4294967296|true' : '|||',
	'with their values, where the broker has not encoded them');

# --- by a mapping: a value, as JMS sends it, of another platform

my $platform = repository() . '/test/platforms/freeswitch';
my ($call, $index) =
  %{ $json->decode(slurp_file("$platform/index.json"))->{expect} };

$cdr->sql(
	q{INSERT INTO cdr_mappings (name, definition) SELECT 'freeswitch', cdr_mapping_preset('freeswitch')}
);
my $mapped = {
	key  => 'FreeSWITCH.fs1',
	body => [
		[
			value => slurp_file("$platform/08_channel_hangup_complete_a.json")
		]
	]
};
publish($mapped);
$cdr->wait_drained(@events + 1);
is( $cdr->sql(
		"SELECT caller_number, disposition, duration_seconds, billable_seconds, hangup_cause FROM calls WHERE call_id = '$call'"
	),
	join(
		'|',
		@$index{
			qw(caller_number disposition duration_seconds billable_seconds hangup_cause)
		}),
	'a mapping reads what is inside of a value');

# --- and again

is($cdr->sql('SELECT count(*) FROM cdr_verify_calls()'),
	0, 'the log says the same');
my $before = $cdr->contents('postgres');
publish($mapped, reverse map { $_->{message} } @events);
$cdr->wait_for('duplicates = ' . (@events + 1) . ' FROM cdr_status()');
is($cdr->contents('postgres'), $before, 'what comes again changes nothing');
$before = $cdr->sql('SELECT * FROM calls ORDER BY call_id');
$cdr->sql('DELETE FROM calls; SELECT cdr_rebuild_calls()');
is($cdr->sql('SELECT * FROM calls ORDER BY call_id'),
	$before, 'and out of the log come the same calls');

# --- what no consumer can help: the plugin cannot hand on an id that is a number, and
# ends the session of whoever consumes it, and what stands behind it waits

unless ($is_v4)
{
	my $events = $cdr->events;

	publish(
		{
			key  => 'call.started',
			id   => { ulong => 77 },
			body => [ [ data => $json->encode(started('number')) ] ]
		});
	$cdr->wait_for(
		"last_error LIKE '%broker closed the session: 541 INTERNAL_ERROR%' FROM cdr_status()"
	);
	$cdr->publish($json->encode(started('behind')));
	$cdr->sql('SELECT cdr_pause()');
	$cdr->wait_for_state('paused');
	is($cdr->broker->left_over, 2,
		'an id that is a number blocks the queue of RabbitMQ 3, which is told'
	);
	$cdr->broker->amqp([ 'purge', CdrService::Broker::QUEUE ]);
	$cdr->sql('SELECT cdr_resume()');
	$cdr->publish($json->encode(started('later')));
	$cdr->wait_drained($events + 1);
	is($cdr->sql("SELECT count(*) FROM calls WHERE call_id = 'later'"),
		1, 'and once it is taken out, events are stored again');
}

$cdr->nothing_left('amqp10');

done_testing();
