# One bad message among 1,000, wherever it stands, becomes a dead letter with
# its reason; its 999 neighbours are stored, and it can be retried.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

# the whole thousand in one batch, however it trickles in
my $cdr = CdrService::Fixture->new('poison',
	config =>
	  "cdr_service.batch_size = 1000\ncdr_service.batch_linger = '200ms'\n"
	  . "cdr_service.max_event_size = 4096\n"
	  . "cdr_service.partition_interval = none\n");
my $stored = 0;
my $dead   = 0;

$cdr->sql(<<'EOS');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.call_id LIKE 'refused%' THEN
		RAISE EXCEPTION 'no such customer: %', NEW.call_id USING ERRCODE = 'CD001';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION refuse();
EOS

$cdr->sql(<<'EOS');
CREATE UNIQUE INDEX ON call_events_default (trace_id) WHERE trace_id = 'taken';
SELECT cdr_ingest_event('{"callId":"unique","traceId":"taken","timestamp":"2026-03-01T00:00:00Z"}');
EOS
$stored++;

my %kinds = (
	'not JSON'  => [ '22P02', qr/not JSON/, sub { "{\"callId\": $_[0]" } ],
	'no object' => [ '22023', qr/object/,   sub { "[\"$_[0]\"]" } ],
	'invalid UTF-8' =>
	  [ '22021', qr/UTF-8/, sub { "{\"callId\":\"$_[0] \xff\xfe\"}" } ],
	'NUL in a call id' => [
		'22P05', qr/NUL/,
		sub { "\x0a\x0acall.ended\x1a" . chr(1 + length $_[0]) . "$_[0]\0" }
	],
	'nested too deep' => [
		'54001', qr/deep/,
		sub { "{\"$_[0]\":" . '[' x 200 . ']' x 200 . '}' }
	],
	'too large' => [
		'54000', qr/max_event_size/,
		sub { "{\"$_[0]\":\"" . 'x' x 5000 . '"}' }
	],
	'refused by a trigger' => [
		'CD001',
		qr/no such customer/,
		sub { qq({"eventType":"call.started","callId":"refused $_[0]"}) }
	],
	'refused by a unique index' => [
		'23505',
		qr/unique constraint/,
		sub {
			qq({"eventType":"call.started","callId":"unique $_[0]","traceId":"taken","timestamp":"2026-03-01T00:00:00Z"});
		}
	],);

# --- every kind, at the first, a middle and the last place

foreach my $name (sort keys %kinds)
{
	my ($sqlstate, $message, $make) = @{ $kinds{$name} };

	foreach my $place (0, 500, 999)
	{
		my $poison   = $make->($place);
		my @messages = simple_events(999, "beside $name $place");

		splice @messages, $place, 0,
		  { key => 'call.started', body => $poison };
		$cdr->publish(@messages);
		$stored += 999;
		$dead++;
		$cdr->wait_for("count(*) = $dead FROM dead_letters");
		$cdr->wait_drained($stored);
		is( $cdr->sql(
				q{SELECT count(*) FROM call_events WHERE call_id <> ''}),
			$stored,
			"$name at $place: 999 are stored");
		my ($state, $why, $hex, $size) = split /\|/, $cdr->sql(
			q{SELECT sqlstate, replace(message, '|', ' '), encode(body, 'hex'), body_size
			  FROM dead_letters ORDER BY received_at DESC, event_id LIMIT 1});
		is($state, $sqlstate, "$name at $place: SQLSTATE");
		like($why, $message, "$name at $place: reason");
		is(pack('H*', $hex), $poison, "$name at $place: the body is kept");
		is($size,            length $poison, "$name at $place: and its size");
	}
}
$cdr->stored_is($stored, 'all kinds');
$cdr->wait_for("dead_letters = $dead FROM cdr_status()");
like(
	$cdr->status('last_error'),
	qr/^dead letter: /,
	'a dead letter is the last error');

# --- a bad message that comes again is the same dead letter

my @again = map { { key => 'call.started', body => $kinds{$_}[2]->(500) } }
  sort keys %kinds;
my $batches = $cdr->status('batches');

$cdr->publish(@again, simple_events(1, 'marker'));
$stored++;
$cdr->wait_drained($stored);
$cdr->wait_for("batches > $batches FROM cdr_status()");
is($cdr->sql('SELECT count(*) FROM dead_letters'),
	$dead, 'redelivered bad messages are not kept twice');

# --- of a giant, which nobody wants in a table, only the start is kept

$cdr->publish('{"eventType":"call.started","callId":"giant","x":"'
	  . 'y' x 17_000_000
	  . '"}');
$dead++;
$cdr->wait_for("count(*) = $dead FROM dead_letters");
is( $cdr->sql(
		q{SELECT sqlstate, body_size > 17000000, octet_length(body) BETWEEN 1000 AND 1000000,
		  body = substring(convert_to('{"eventType":"call.started","callId":"giant","x":"' || repeat('y', 17000000) || '"}', 'UTF8') FOR octet_length(body))
		  FROM dead_letters WHERE body_size > 1000000}
	),
	'54000|t|t|t',
	'of a giant, the start is kept, and its true size');

# --- what a publisher can do to a message besides: an empty header name (which
# librabbitmq chokes on), bytes that are no text in routing key and message-id

my $odd = {
	key        => "call.\xff\xfe",
	properties => "header:=empty;header:x-retry-count=3;message-id=\xff",
	body       => '{"callId":"odd"}'
};
$cdr->publish($odd, { %$odd, body => 'odd and bad' });
$stored++;
$dead++;
$cdr->wait_for("count(*) = $dead FROM dead_letters");
$cdr->wait_drained($stored);
is( $cdr->sql(q{SELECT event_type FROM call_events WHERE call_id = 'odd'}),
	$cdr->sql(
		q{SELECT routing_key FROM dead_letters WHERE body = 'odd and bad'}),
	'odd bytes in routing key, message-id and headers cost no event');
is( $cdr->sql(
		q{SELECT headers ->> 'x-retry-count', headers ->> '' FROM dead_letters WHERE body = 'odd and bad'}
	),
	'3|empty',
	'and headers are kept with a dead letter');

# --- a constraint that waits for the commit refuses one event, not the batch

$cdr->sql(
	q{CREATE TABLE tenants (id text PRIMARY KEY);
	  INSERT INTO tenants VALUES ('ours');
	  ALTER TABLE calls ADD CONSTRAINT known_tenant FOREIGN KEY (tenant_id)
	  REFERENCES tenants DEFERRABLE INITIALLY DEFERRED});
$cdr->publish(
	(map { qq({"eventType":"call.started","callId":"tenant $_","tenantId":"ours"}) }
		  1 .. 20),
	'{"eventType":"call.started","callId":"nobody","tenantId":"nobody"}');
$stored += 20;
$dead++;
$cdr->wait_for("count(*) = $dead FROM dead_letters");
$cdr->wait_drained($stored);
is( $cdr->sql(q{SELECT count(*) FROM dead_letters WHERE sqlstate = '23503'}),
	1, 'a deferred constraint costs the event that breaks it');
is( $cdr->sql(q{SELECT count(*) FROM calls WHERE call_id LIKE 'tenant %'}),
	20, 'and not its neighbours');
$cdr->sql('ALTER TABLE calls DROP CONSTRAINT known_tenant; DELETE FROM dead_letters WHERE sqlstate = $$23503$$');
$dead--;

# --- retry

is($cdr->sql('SELECT cdr_retry_dead_letters()'),
	0, 'a retry before the cause is gone changes nothing');
is($cdr->sql('SELECT count(*) FROM dead_letters WHERE attempts > 1'),
	$dead, 'but is counted');

$cdr->sql('DROP TRIGGER refuse ON call_events');
is($cdr->sql('SELECT cdr_retry_dead_letters()'),
	3, 'once the cause is gone, a retry takes the events in');
$stored += 3;
$dead   -= 3;
is($cdr->sql('SELECT count(*) FROM dead_letters'),
	$dead, 'and they are no dead letters any more');
is($cdr->sql(q{SELECT count(*) FROM calls WHERE call_id LIKE 'refused%'}),
	3, 'but calls');
$cdr->set('cdr_service.max_event_size' => '64kB');
is( $cdr->sql(
		q{SELECT cdr_retry_dead_letters(array_agg(event_id)) FROM dead_letters WHERE sqlstate = '54000'}
	),
	3,
	'a larger max_event_size takes in what fits now, and not the giant');
$stored += 3;
$cdr->stored_is($stored, 'retried');
$cdr->nothing_left('poison');

done_testing();
