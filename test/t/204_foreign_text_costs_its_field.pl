# What other people's libraries write is read as an engineer would read it, and
# what cannot be read costs the field in which it stands, and never the event:
# byte order marks, what cannot be seen in numbers, integers printed as floats,
# escapes that no text can hold.  test/cases has events as they were reported
# in public.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(case_messages);
use CdrService::Fixture;

my $cdr    = CdrService::Fixture->new('foreign_text');
my $stored = 0;

sub publish_case
{
	my @messages = case_messages(@_);

	$cdr->publish(@messages);
	$stored += @messages;
	$cdr->wait_drained($stored);
	return @messages;
}

# The log alone gives the same calls.
sub log_says_the_same
{
	my ($name) = @_;
	my $calls = 'SELECT c::text FROM calls AS c ORDER BY call_id COLLATE "C"';
	my $before = $cdr->sql($calls);

	is($cdr->sql('SELECT count(*) FROM cdr_verify_calls()'),
		0, "$name: verified");
	$cdr->sql('DELETE FROM calls; SELECT cdr_rebuild_calls()');
	is($cdr->sql($calls), $before, "$name: rebuilt from the log");
	return;
}

# --- a byte order mark

my ($marked) = publish_case('01-byte-order-mark');
is( $cdr->sql(
		q{SELECT status, start_time AT TIME ZONE 'UTC', caller_number, callee_number, direction
		  FROM calls WHERE call_id = 'bom-1'}),
	'STARTED|2026-03-02 10:00:00|+12025550123|1001|inbound',
	'byte order mark: the call is there');
is( $cdr->sql(
		q{SELECT encode(body, 'hex') FROM call_events WHERE call_id = 'bom-1' AND payload IS NULL}
	),
	unpack('H*', $marked->{body}),
	'byte order mark: the body is kept as it came');
like(
	$cdr->sql(q{SELECT payload FROM cdr_call_history('bom-1')}),
	qr/^\{"eventType": "call.started"/,
	'byte order mark: shown without it');

# --- numbers

publish_case('21-invisible-characters-in-numbers');
is( $cdr->sql(
		q{SELECT call_id, caller_number, callee_number, direction FROM calls
		  WHERE call_id LIKE 'num-%' ORDER BY call_id}),
	join("\n",
		map { "num-$_|+12025550123|1001|inbound" } qw(crlf lre nb-hyphen)),
	'numbers: what cannot be seen is no part of them');

# --- integers

publish_case('45-contact-id-as-float');
is( $cdr->sql(
		q{SELECT call_id, contact_id, user_id FROM calls WHERE call_id LIKE 'contact-%' ORDER BY 1}
	),
	"contact-big||u-1\ncontact-exp|4711|u-1\ncontact-float|4711|u-1\ncontact-half||u-1",
	'integers: printed as floats, they are integers');

# --- escapes that no text can hold: half a surrogate pair, a NUL

my @halves = map { { key => 'call.started', body => $_ } } (
	'{"eventType":"call.started","callId":"half-1","timestamp":"2026-03-02T10:00:00Z","from":"1001","to":"1002","name":"\ud83d"}',
	'{"eventType":"call.started","callId":"half-2","timestamp":"2026-03-02T10:00:00Z","from":"sip:\ud83d@x","to":"1002","deep":[{"\ude00":"\u0000"}]}',
	'{"eventType":"call.ended","callId":"half-1","timestamp":"2026-03-02T10:01:00Z","reason":"\u0000","traceId":"\ud83d\ud83d"}'
);
$cdr->publish(@halves);
$stored += @halves;
$cdr->wait_drained($stored);
is( $cdr->sql(
		q{SELECT call_id, caller_number, callee_number, status, hangup_cause FROM calls
		  WHERE call_id LIKE 'half-%' ORDER BY call_id}),
	"half-1|1001|1002|COMPLETED|\nhalf-2||1002|STARTED|",
	'escapes: one that is no text costs its field');
is( $cdr->sql(
		q{SELECT payload FROM call_events WHERE call_id LIKE 'half-%' ORDER BY call_id, event_time, event_id}
	),
	join("\n", map { $_->{body} } @halves[ 0, 2, 1 ]),
	'escapes: the body is kept as it came');
is($cdr->sql(q{SELECT count(description) FROM cdr_call_history('half-1')}),
	2, 'escapes: the history can be shown');

# --- nothing that was stored is another event when it is read again

log_says_the_same('all of it');
is($cdr->sql('SELECT count(*) FROM dead_letters'), 0, 'no dead letter');

# --- what is compressed, or in another character set, is read

$cdr->publish(case_messages('05-compressed-and-latin1'));
$stored += 2;
$cdr->wait_drained($stored);
is( $cdr->sql(
		q{SELECT call_id, status, caller_number, callee_number FROM calls
		  WHERE call_id IN ('gz-1', 'latin-1') ORDER BY 1}),
	join("\n", map { "$_|STARTED|+12025550123|1001" } qw(gz-1 latin-1)),
	'compressed, or in another character set: it is read');

# --- the identity of all of them follows from what is stored

is( $cdr->sql(<<'EOS'),
SELECT count(*) FROM call_events
WHERE event_id <> encode(substr(sha256(
		COALESCE(int4send(length(message_id)) || message_id, '\xffffffff')
		|| COALESCE(body, convert_to(payload::text, 'UTF8'))), 1, 16), 'hex')::uuid
EOS
	0,
	'identity: recomputed in SQL');

$cdr->nothing_left('foreign text');

done_testing();
