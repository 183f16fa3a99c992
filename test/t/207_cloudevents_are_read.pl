# CloudEvents, in the body and in the headers, as the libraries publish them:
# each sample, through the broker, is what it is meant to be, when it comes once
# and when it comes again, and the log alone says the same.  What is meant was
# written down (test/data) before there was a reader.

use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(sha256_hex);
use JSON::PP;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Amqp qw(table);
use CdrService::Fixture;
use CdrService::RawPublisher;
use CdrService::Util qw(repository);

my $json = JSON::PP->new->canonical->utf8->allow_nonref;
my $cdr  = CdrService::Fixture->new('samples');

# --- the samples

my %expected = map { $_->{name} => $_ }
  map { $json->decode($_) } split /\n/,
  slurp_file(repository() . '/test/data/samples_cloudevents.json');
my @samples;

foreach my $line (split /\n/,
	slurp_file(repository() . '/test/fuzz/corpus/samples.cloudevents'))
{
	my ($name, $key, $content_type, $headers, $body) =
	  map { $_ eq '-' ? undef : $_ } split /\t/, $line, 5;

	$body = decode_base64($1) if $body =~ /^base64:(.*)/s;
	push @samples,
	  {
		name         => $name,
		key          => $key,
		content_type => $content_type,
		headers      => $headers && $json->decode($headers),
		body         => $body,
		%{ $expected{$name} }
	  };
}
is( join(' ', sort map { $_->{name} } @samples),
	join(' ', sort keys %expected),
	'samples: each has an expectation');

# Properties with the types that the samples have: a header that is a number is a
# timestamp, every other one is text.
sub published
{
	my ($sample) = @_;
	my ($flags, $properties) = (0x1000, '');

	if (defined $sample->{content_type})
	{
		$flags |= 0x8000;
		$properties .= pack 'C/a', $sample->{content_type};
	}
	if (my $headers = $sample->{headers})
	{
		$flags |= 0x2000;
		$properties .= table(
			map {
				$_ => $headers->{$_} =~ /^\d+$/
				  ? pack('a Q>',  'T', $headers->{$_})
				  : pack('a N/a', 'S', $headers->{$_})
			} keys %$headers);
	}
	return (
		$sample->{body},
		key        => defined $sample->{key} ? $sample->{key} : '',
		flags      => $flags,
		properties => $properties . pack('C', 2));
}

# 2026-03-08T20:00:00.5Z as the statements below print it.
sub printed_time
{
	my ($text) = @_;

	return 'received' unless defined $text;
	my ($seconds, $fraction) = $text =~ /^(.{19})(?:\.(\d+))?Z$/;
	return sprintf '%s.%sZ', $seconds,
	  substr(($fraction || '') . '000000', 0, 6);
}

sub as_uuid
{
	my ($bytes) = @_;

	return
	  substr(sha256_hex($bytes), 0, 32) =~
	  s/^(.{8})(.{4})(.{4})(.{4})/$1-$2-$3-$4-/r;
}

sub without_undefined
{
	my %hash = @_;

	return { map { $_ => $hash{$_} } grep { defined $hash{$_} } keys %hash };
}

sub expected_event
{
	my ($sample) = @_;
	my $event    = $sample->{event};
	my $identity = $event->{identity};

	return {
		log => without_undefined(
			event_id => as_uuid(
				$identity
				? pack('N N/a N/a',
					0xfffffffe, $identity->{source}, $identity->{id})
				: pack('N a*', 0xffffffff, $sample->{body})),
			event_type => $event->{event_type},
			call_id    => $event->{call_id},
			event_time => printed_time($event->{event_time}),
			trace_id   => $event->{trace_id},
			verbatim   => JSON::PP::true),
		call => without_undefined(
			map { $_ => $event->{$_} }
			  qw(caller_number callee_number direction hangup_cause))
	};
}

# What the log and the call say of the only event of a call.
my $outcome = <<'EOS';
SELECT jsonb_build_object(
	'log', jsonb_strip_nulls(jsonb_build_object(
		'event_id', event_id, 'event_type', event_type, 'call_id', call_id,
		'event_time', CASE time_source WHEN 'b'
			THEN to_char(event_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
			ELSE 'received' END,
		'trace_id', trace_id,
		'verbatim', COALESCE(body, convert_to(payload::text, 'UTF8')) = '%s')),
	'call', jsonb_strip_nulls(jsonb_build_object(
		'caller_number', caller_number, 'callee_number', callee_number,
		'direction', direction, 'hangup_cause', hangup_cause)))
	FROM call_events LEFT JOIN calls USING (call_id)
EOS
my %kinds = (
	started  => q{status = 'STARTED' AND start_time},
	answered => q{status = 'ANSWERED' AND answer_time},
	ended    => q{status = 'COMPLETED' AND end_time});
my $publisher = CdrService::RawPublisher->new($cdr->broker);
my $markers   = 0;

# Publishes, and waits until all that was published before is stored, too.
sub publish_and_wait
{
	my (@messages) = @_;

	$publisher->publish(published($_)) foreach @messages;
	$markers++;
	$publisher->publish(qq({"eventType":"x.marker","traceId":"$markers"}));
	$cdr->wait_for(
		"count(*) = 1 FROM call_events WHERE event_type = 'x.marker' AND trace_id = '$markers'"
	);
	$cdr->broker->wait_until_empty;
	$cdr->sql(q{DELETE FROM call_events WHERE event_type = 'x.marker'});
	return;
}

sub is_event
{
	my ($sample, $how) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $rows =
	  $cdr->sql(sprintf $outcome, '\x' . unpack 'H*', $sample->{body});

	is_deeply(
		[ map { $json->decode($_) } split /\n/, $rows ],
		[ expected_event($sample) ],
		"$sample->{name}: $how");
	return is($cdr->sql('SELECT count(*) FROM cdr_verify_calls()'),
		0, "$sample->{name}: $how: the log says the same");
}

# --- each alone, twice

foreach my $sample (@samples)
{
	my $name = $sample->{name};

	publish_and_wait($sample);
	if (my $letter = $sample->{dead_letter})
	{
		my ($sqlstate, $message, $event_id) = split /\|/,
		  $cdr->sql(
			'SELECT sqlstate, message, event_id FROM dead_letters; DELETE FROM dead_letters'
		  );

		is($sqlstate, $letter->{sqlstate}, "$name: SQLSTATE");
		like($message, qr/\Q$letter->{because}\E/, "$name: reason");
		is( $event_id,
			as_uuid(pack 'N a*', 0xffffffff, $sample->{body}),
			"$name: identity of its bytes");
		is($cdr->events, 0, "$name: no event");
		next;
	}
	is_event($sample, 'once');
	is( $cdr->sql("SELECT count(*) FROM calls WHERE $kinds{$1} IS NOT NULL"),
		$sample->{event}{call_id} eq '' ? 0 : 1,
		"$name: $1"
	) if $sample->{event}{kind} =~ /^(started|answered|ended)$/;
	publish_and_wait($sample);
	is_event($sample, 'again');
	is($cdr->sql('SELECT count(*) FROM dead_letters'),
		0, "$name: no dead letter");

	# what was stored is all that it takes
	my $before = $cdr->sql('SELECT * FROM calls');
	$cdr->sql('DELETE FROM calls; SELECT cdr_rebuild_calls()');
	is($cdr->sql('SELECT * FROM calls'), $before, "$name: rebuilt");
	$cdr->sql(
		'DELETE FROM call_events; DELETE FROM timeless_events; DELETE FROM calls'
	);
}

# --- all at once: what has one source and one id is one event

# (but for the one that has the source and id of others, and another time)
my @together = grep { $_->{name} ne 'binary_typed_time' } @samples;
my %distinct;

foreach my $sample (grep { $_->{event} } @together)
{
	my $event = expected_event($sample)->{log};

	$distinct{"$event->{event_id} $event->{call_id}"} = 1;
}
publish_and_wait(@together, reverse @together);
is( $cdr->sql('SELECT count(*) FROM call_events'),
	scalar keys %distinct,
	'at once: each is stored once');
is($cdr->sql('SELECT count(*) FROM cdr_verify_calls()'),
	0, 'at once: the log says the same');
is( $cdr->sql('SELECT count(*) FROM dead_letters'),
	scalar(grep { $_->{dead_letter} } @samples),
	'at once: what is none is a dead letter');

# --- a dead letter with its properties: an event once it is let in

$cdr->sql('TRUNCATE call_events, timeless_events, calls, dead_letters');
$cdr->sql(<<'EOS');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.event_type <> 'x.marker' THEN
		RAISE 'refused' USING ERRCODE = 'P0001';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON call_events
	FOR EACH ROW EXECUTE FUNCTION refuse();
EOS
my ($kept) = grep { $_->{name} eq 'binary_typed_time' } @samples;

publish_and_wait($kept);
is($cdr->sql('SELECT sqlstate FROM dead_letters'),
	'P0001', 'retry: refused by the table');
is( $cdr->sql(
		'DROP TRIGGER refuse ON call_events; SELECT cdr_retry_dead_letters()'
	),
	1,
	'retry: taken in');
is_event($kept, 'retried');
is($cdr->sql('SELECT count(*) FROM dead_letters'),
	0, 'retry: and it is a dead letter no longer');

$cdr->nothing_left('samples');

done_testing();
