# Protobuf is an event like any other: every body that the platform publishes,
# through the broker, by SQL and out of the dead letters of older versions, is
# what its producer meant.  What that is was written down (test/data) before
# there was a reader.

use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(sha256_hex);
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;
use CdrService::Util qw(repository bytea copy_file);

my $json = JSON::PP->new->canonical->utf8->allow_nonref;
my $cdr  = CdrService::Fixture->new('samples');

# How many of these messages are of a body that none before them has.
sub distinct_bodies
{
	my %bodies = map { $_->{body} => 1 } @_;

	return scalar keys %bodies;
}

# --- the samples

my %expected = map { $_->{name} => $_ }
  map { $json->decode($_) } split /\n/,
  slurp_file(repository() . '/test/data/samples_protobuf.json');
my @samples;

foreach my $line (split /\n/,
	slurp_file(repository() . '/test/fuzz/corpus/samples.protobuf'))
{
	my ($name, $key, $content_type, $hex) =
	  map { $_ eq '-' ? '' : $_ } split / /, $line;
	my $sample     = $expected{$name};
	my @properties = 'delivery-mode='
	  . (
		defined $sample->{delivery_mode}
		? $sample->{delivery_mode}
		: 'absent');

	push @properties, "content-type=$content_type" if $content_type;
	push @samples,
	  {
		%$sample,
		key          => $key,
		content_type => $content_type,
		properties   => join(';', @properties),
		body         => pack('H*', $hex)
	  };
}
is( join(' ', sort map { $_->{name} } @samples),
	join(' ', sort keys %expected),
	'samples: each has an expectation');
my @events = grep { $_->{event} } @samples;
my @bad    = grep { $_->{sqlstate} } @samples;
is(@events . ' ' . @bad, '46 15', 'samples: events, and others');

# What a sample's event says, in the second dialect, for the reference.
foreach my $sample (@events)
{
	my $event = $sample->{event};
	my $match = $event->{kind} eq 'started';
	my %says  = (
		eventType => $event->{event_type},
		callId    => $event->{call_id},
		fromUri   => $event->{caller_number},
		toUri     => $event->{callee_number},
		direction => $event->{direction},
		timestamp => $event->{event_time},
		tenantId  => $event->{tenant_id},
		$match
		? ( dialplanResolution => {
				matchedUser    => { id => $event->{user_id} },
				matchedContact => { id => $event->{contact_id} }
			})
		: (userId => $event->{user_id}, contactId => $event->{contact_id}),
		reason       => $event->{hangup_cause},
		hangupSource => $event->{hangup_source},
		recordingUri => $event->{recording_url});

	$sample->{says} = $json->encode(\%says);
}

# Every field of the log and of the call that one event makes alone.
my $time = q{to_char(%s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')};
my %times = map { $_ => sprintf $time, $_ }
  qw(start_time answer_time end_time first_event_time last_event_time);
my @of_call = (
	qw(call_id status disposition direction caller_number callee_number),
	qw(start_time answer_time end_time duration_seconds billable_seconds),
	qw(hangup_cause hangup_source tenant_id user_id contact_id recording_url),
	qw(event_count first_event_time last_event_time));
my $call       = join ', ', map { "'$_', " . ($times{$_} || $_) } @of_call;
my $event_time = sprintf $time, 'event_time';
my $logged     = <<"EOS";
jsonb_strip_nulls(jsonb_build_object(
	'event_type', event_type, 'call_id', call_id,
	'event_time', CASE WHEN event_time = received_at THEN 'received' ELSE $event_time END,
	'trace_id', trace_id, 'tenant_id', tenant_id))
EOS

$cdr->sql(<<"EOS");
-- Takes a message in, says what has come of it, and takes that back.
CREATE FUNCTION outcome(body bytea, routing_key text, content_type text)
RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE
	result text;
BEGIN
	PERFORM cdr_ingest_message(body, routing_key, content_type,
							   property_time => '2001-02-03 04:05:06Z');
	SELECT jsonb_build_object(
		'event', $logged,
		'event_id', event_id,
		'verbatim', e.body = outcome.body AND payload IS NULL,
		'routing_key', e.routing_key,
		'call', (SELECT jsonb_strip_nulls(jsonb_build_object($call)) FROM calls),
		'wrong', (SELECT count(*) FROM cdr_verify_calls()))
		INTO STRICT result FROM call_events AS e;
	RAISE SQLSTATE 'DONE1' USING MESSAGE = result;
EXCEPTION
	WHEN SQLSTATE 'DONE1' THEN RETURN SQLERRM;
	WHEN OTHERS THEN RETURN to_json(SQLSTATE);
END \$\$;
EOS

# 2026-03-08T20:00:00.5Z as the statements above print it; without a time, that
# of the AMQP property.
sub printed_time
{
	my ($text) = @_;

	return '2001-02-03T04:05:06.000000Z' unless defined $text;
	my ($seconds, $fraction) = $text =~ /^(.{19})(?:\.(\d+))?Z$/;
	return sprintf '%s.%sZ', $seconds,
	  substr(($fraction || '') . '000000', 0, 6);
}

sub without_undefined
{
	my %hash = @_;

	return { map { $_ => $hash{$_} } grep { defined $hash{$_} } keys %hash };
}

# What outcome() says of an event as it is expected.
sub expected_outcome
{
	my ($sample) = @_;
	my $event    = $sample->{event};
	my $kind     = $event->{kind};
	my $time     = printed_time($event->{event_time});
	my %call     = (
		call_id          => $event->{call_id},
		event_count      => 1,
		first_event_time => $time,
		last_event_time  => $time,
		status           => $kind eq 'identified' ? 'IDENTIFIED' : 'UNKNOWN');
	my @carries = (
		[
			'started', qw(tenant_id user_id contact_id caller_number
			  callee_number direction)
		],
		[ 'identified', qw(tenant_id user_id contact_id) ],
		[ 'ended',      qw(hangup_cause hangup_source) ],
		[ 'recording',  'recording_url' ]);
	my %disposition = (
		normal_clearing     => 'ANSWERED',
		client_disconnected => 'ANSWERED',
		busy                => 'BUSY',
		user_busy           => 'BUSY',
		cancelled           => 'CANCELED');
	my ($carried) = grep { $_->[0] eq $kind } @carries;

	@call{ 'status', 'start_time' } = ('STARTED', $time)
	  if $kind eq 'started';
	@call{ 'status', 'answer_time' } = ('ANSWERED', $time)
	  if $kind eq 'answered'
	  || ($event->{callee_number} || '') eq 'ai-pipeline';
	@call{ 'status', 'end_time', 'billable_seconds', 'disposition' } = (
		'COMPLETED', $time, 0,
		$disposition{ $event->{hangup_cause} || '' } || 'NO_ANSWER'
	) if $kind eq 'ended';
	@call{ @$carried[ 1 .. $#$carried ] } =
	  @$event{ @$carried[ 1 .. $#$carried ] }
	  if $carried;

	my $id = substr sha256_hex("\xff\xff\xff\xff" . $sample->{body}), 0, 32;
	return {
		event => without_undefined(
			(   map { $_ => $event->{$_} }
				  qw(event_type call_id trace_id tenant_id)),
			event_time => $time),
		event_id    => $id =~ s/^(.{8})(.{4})(.{4})(.{4})/$1-$2-$3-$4-/r,
		verbatim    => JSON::PP::true,
		routing_key => $sample->{key},
		call  => $event->{call_id} eq '' ? undef : without_undefined(%call),
		wrong => 0
	};
}

# --- by SQL, each alone

my $file = copy_file(
	map {
		[
			$_->{name}, bytea($_->{body}),
			$_->{key},  $_->{content_type} eq '' ? undef : $_->{content_type}
		]
	} @samples);
$cdr->sql(<<"EOS");
CREATE TABLE samples (name text PRIMARY KEY, body bytea, routing_key text, content_type text);
\\copy samples FROM '$file'
EOS
my %outcome = split /[|\n]/, $cdr->sql(<<"EOS");
SELECT name, outcome(body, routing_key, content_type) FROM samples;
EOS
is_deeply(
	$json->decode($outcome{ $_->{name} }),
	$_->{sqlstate} || expected_outcome($_),
	"by SQL: $_->{name}") foreach @samples;
is($cdr->events, 0, 'by SQL: and nothing was kept');

# --- through the broker, all at once, with their properties

my $distinct = distinct_bodies(@events);

# Is the log what the samples say, and are those that say nothing dead letters?
sub samples_are_stored
{
	my ($name) = @_;
	my %logged = map { split /\|/, $_, 2 } split /\n/, $cdr->sql(<<"EOS");
SELECT name, $logged FROM call_events JOIN samples USING (body)
EOS

	foreach my $sample (@events)
	{
		my $event = expected_outcome($sample)->{event};

		$event->{event_time} = 'received'
		  unless defined $sample->{event}{event_time};
		is_deeply($json->decode($logged{ $sample->{name} }),
			$event, "$name: $sample->{name}");
	}
	is( $cdr->sql(
			q{SELECT name, sqlstate FROM dead_letters JOIN samples USING (body) ORDER BY name COLLATE "C"}
		),
		join("\n",
			map  { "$_->{name}|$_->{sqlstate}" }
			sort { $a->{name} cmp $b->{name} } @bad),
		"$name: what is no event is a dead letter, and why");
	is( $cdr->sql(
			q{SELECT count(*) FROM call_events WHERE payload IS NOT NULL OR body IS NULL
			  OR event_id <> encode(substr(sha256('\xffffffff' || body), 1, 16), 'hex')::uuid}
		),
		0,
		"$name: bodies are kept, payloads are none, identities are theirs");
	$cdr->stored_is($distinct, $name);

	# the log alone brings the calls back
	my $calls =
	  q{SELECT md5(string_agg(c::text, ' ' ORDER BY call_id)), count(*) FROM calls AS c};
	my $before = $cdr->sql($calls);

	$cdr->sql('DELETE FROM calls; SELECT cdr_rebuild_calls()');
	is($cdr->sql($calls), $before, "$name: rebuilt from the log");
	$cdr->sql(
		'DELETE FROM call_events; DELETE FROM timeless_events; DELETE FROM calls; DELETE FROM dead_letters'
	);
	return;
}

$cdr->publish(@samples);
$cdr->wait_for('count(*) = ' . @bad . ' FROM dead_letters');
$cdr->wait_drained($distinct);
samples_are_stored('through the broker');

# --- what properties say goes before what the bytes say

my $begins_like_json =
  (grep { $_->{name} eq 'edge_begins_like_json' } @samples)[0];
my @labels = (
	[ 'content-encoding=gzip',             '{"callId":"compressed"}' ],
	[ 'content-type=application/protobuf', '{"callId":"labelled"}' ],
	[ 'content-type=application/json',     $begins_like_json->{body} ]);

$cdr->publish(
	map { { key => 'call.held', properties => $_->[0], body => $_->[1] } }
	  @labels);
$cdr->wait_for('count(*) = 3 FROM dead_letters');
is( $cdr->sql(
		q{SELECT sqlstate, left(convert_from(body, 'UTF8'), 16) FROM dead_letters ORDER BY 1, 2}
	),
	"22P02|\n{call.xxxxxxxxx\n22P03|{\"callId\":\"compr\n22P03|{\"callId\":\"label",
	'properties: a compressed body, and one that is not what its label says');
is($cdr->sql('SELECT cdr_retry_dead_letters()'),
	0, 'properties: a dead letter has them, too');
is( $cdr->sql(
		'UPDATE dead_letters SET content_type = NULL, content_encoding = NULL;
		 SELECT cdr_retry_dead_letters()'),
	3,
	'properties: read by the bytes alone, all are events');
$cdr->sql(
	'DELETE FROM call_events; DELETE FROM timeless_events; DELETE FROM calls'
);

# --- out of the dead letters of a version that knew JSON alone

$cdr->sql(<<'EOS');
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate,
						  message, routing_key, body_size, body)
SELECT DISTINCT ON (body) encode(substr(sha256('\xffffffff' || body), 1, 16), 'hex')::uuid,
	   '2026-03-09 00:00:00Z'::timestamptz, '2026-03-09 00:00:00Z'::timestamptz,
	   CASE WHEN name LIKE '%started%' THEN '22021' ELSE '22P02' END,
	   'event is not JSON', NULLIF(routing_key, ''), length(body), body
FROM samples;
EOS
is($cdr->sql('SELECT cdr_retry_dead_letters()'),
	$distinct, 'dead letters: those that are Protobuf are taken in');
samples_are_stored('dead letters');

$cdr->nothing_left('samples');

done_testing();
