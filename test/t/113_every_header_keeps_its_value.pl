# Headers of every type of AMQP 0-9-1, and all other properties, come through the
# real broker to the tables with their value, whatever a publisher made of them.

use strict;
use warnings FATAL => 'all';

use MIME::Base64 qw(encode_base64);
use Test::More;

use CdrService::Amqp qw(deliver header body message table nested);
use CdrService::FakeBroker;
use CdrService::Fixture;
use CdrService::RawPublisher;

use constant {
	FLAG_HEADERS => 1 << 13,
	ALL_FLAGS    => 0xfffc,
};

my $cdr       = CdrService::Fixture->new('headers');
my $publisher = CdrService::RawPublisher->new($cdr->broker);

sub base64 { return '{"base64":"' . encode_base64($_[0], '') . '"}'; }
sub text   { return 'S' . pack('N/a', $_[0]); }

my %deep =
  map { $_ => (nested($_, 'F') =~ s/^.{4}//sr) } 20, 31, 32;

# The kind and the bytes of a value, and what becomes of it.
my %values = (
	'true'  => [ 't' . chr 1,                 'true' ],
	'false' => [ 't' . chr 0,                 'false' ],
	'b'     => [ 'b' . pack('c', -128),       '-128' ],
	'B'     => [ 'B' . pack('C', 255),        '255' ],
	's'     => [ 's' . pack('s>', -32768),    '-32768' ],
	'u'     => [ 'u' . pack('S>', 65535),     '65535' ],
	'I'     => [ 'I' . pack('l>', -2**31),    '-2147483648' ],
	'i'     => [ 'i' . pack('L>', 2**32 - 1), '4294967295' ],
	'l'     => [ 'l' . "\x80" . "\0" x 7,     '-9223372036854775808' ],
	'l beyond double' =>
	  [ 'l' . pack('q>', 9_007_199_254_740_993), '9007199254740993' ],
	'L'            => [ 'L' . "\xff" x 8, '18446744073709551615' ],
	'f'            => [ 'f' . pack('f>', 0.1),               '0.1' ],
	'f whole'      => [ 'f' . pack('f>', 1),                 '1' ],
	'd'            => [ 'd' . pack('d>', 0.1),               '0.1' ],
	'd least'      => [ 'd' . pack('Q>', 1),                 '5e-324' ],
	'NaN'          => [ 'd' . pack('d>', 9**9**9 / 9**9**9), '"NaN"' ],
	'Infinity'     => [ 'f' . pack('f>', 9**9**9),           '"Infinity"' ],
	'-Infinity'    => [ 'd' . pack('d>', -9**9**9),          '"-Infinity"' ],
	'D'            => [ 'D' . pack('C l>', 2, 314),   '3.14' ],
	'D below zero' => [ 'D' . pack('C l>', 3, -5),    '-0.005' ],
	'D whole'      => [ 'D' . pack('C l>', 0, 7),     '7' ],
	'D long'       => [ 'D' . pack('C l>', 255, 7),   '7e-255' ],
	'T'            => [ 'T' . pack('Q>', 1767225600), '1767225600' ],
	'T beyond all' => [ 'T' . "\xff" x 8, '18446744073709551615' ],
	'V'            => [ 'V',              'null' ],
	'S' => [ text("Gr\xc3\xb6\xc3\x9fe"), "\"Gr\xc3\xb6\xc3\x9fe\"" ],
	'S of marks'     => [ text("\"\\\t\n\1"),   '"\"\\\\\t\n\u0001"' ],
	'S like a byte'  => [ text('\xff'),         '"\\\\xff"' ],
	'S of an escape' => [ text('\u0000'),       '"\\\\u0000"' ],
	'S empty'        => [ text(''),             '""' ],
	'S not UTF-8'    => [ text("\xff"),         base64("\xff") ],
	'S with NUL'     => [ text("a\0b"),         base64("a\0b") ],
	'S surrogate'    => [ text("\xed\xa0\x80"), base64("\xed\xa0\x80") ],
	'x'              => [ 'x' . pack('N/a', 'bytes'), base64('bytes') ],
	'A'              => [
		'A' . pack('N/a', 't' . chr(1) . 'V' . 'A' . pack('N', 0)),
		'[true,null,[]]'
	],
	'F' => [ 'F' . table('' => text('x'), b => 'V'), '{"":"x","b":null}' ],
	'F of unknown kind' => [ 'F' . table(k => 'Z'), base64("\1kZ") ],
	'A cut short'       => [ 'A' . pack('N/a', 'l123'), base64('l123') ],
	"\xc3\xb6"          => [ 'V', 'null' ],
	'base64'            => [ 'V', 'null', 'base64:YmFzZTY0' ],
	"\xff"              => [ 'V', 'null', 'base64:/w==' ],
	'deep'              =>
	  [ 'F' . pack('N/a', $deep{31}), '{"k":' x 31 . base64('') . '}' x 31 ],
);

my $named = 0;

# Publishes headers with a body that is an event, and one that is not; returns
# those of both as they were stored.
sub stored_headers
{
	my ($properties) = @_;
	my $call = 'call-' . ++$named;

	foreach my $body ("{\"eventType\":\"call.started\",\"callId\":\"$call\"}",
		"no event of $call")
	{
		$publisher->publish(
			$body,
			flags      => FLAG_HEADERS,
			properties => $properties);
	}
	$cdr->wait_for("count(*) = 1 FROM call_events WHERE call_id = '$call'");
	$cdr->wait_for(
		"count(*) = 1 FROM dead_letters WHERE body = 'no event of $call'");
	return (
		$cdr->sql("SELECT headers FROM call_events WHERE call_id = '$call'"),
		$cdr->sql(
			"SELECT headers FROM dead_letters WHERE body = 'no event of $call'"
		));
}

# Since 4, RabbitMQ reads headers and writes them anew: an integer without a sign
# gets one, and of a key that comes twice the first stays.
my $rewrites = $cdr->broker->major_version >= 4;

foreach my $name (sort keys %values)
{
	my ($bytes, $json, $key) = @{ $values{$name} };
	$json = '-1' if $rewrites && $name eq 'L';
	my ($event, $letter) = eval { stored_headers(table($name => $bytes)) };

	# (some kinds the broker itself refuses, by closing the connection)
	if (!defined $event)
	{
		note "the broker refuses a header with $name: $@";
		$publisher = CdrService::RawPublisher->new($cdr->broker);
		next;
	}
	my $expected = '{"' . (defined $key ? $key : $name) . '":' . $json . '}';
	is($event,  $expected, "$name: with the event");
	is($letter, $expected, "$name: with a dead letter");
}

# the same again from a fake broker, which refuses nothing
my $fake = CdrService::FakeBroker->scripted(
	{
		send => join '',
		map {
			my $body = "fake: $_";
			message(
				1 + $_,
				$body,
				flags      => FLAG_HEADERS,
				properties => table(
					(sort keys %values)[$_] =>
					  $values{ (sort keys %values)[$_] }[0]))
		} 0 .. keys(%values) - 1
	});
$cdr->set('cdr_service.amqp_uri' => $fake->uri);
$cdr->wait_for('count(*) = ' .
	  keys(%values)
	  . q{ FROM dead_letters WHERE encode(body, 'escape') LIKE 'fake:%'});
foreach my $i (0 .. keys(%values) - 1)
{
	my $name = (sort keys %values)[$i];
	my ($bytes, $json, $key) = @{ $values{$name} };

	is( $cdr->sql(
			"SELECT headers FROM dead_letters WHERE encode(body, 'escape') = 'fake: $i'"
		),
		'{"' . (defined $key ? $key : $name) . '":' . $json . '}',
		"$name: from another broker");
}
$fake->stop;
$cdr->set('cdr_service.amqp_uri' => $cdr->broker->uri);
$cdr->wait_for_state('consuming');

# a key twice, and what cannot be read at all
is_deeply(
	[ stored_headers(pack 'N/a', "\1kV\1kt\1") ],
	[ ($rewrites ? '{"k":null}' : '{"k":null,"k":true}') x 2 ],
	'a key that comes twice');

# all properties, of which those without a column of their own stay together
$publisher->publish(
	'no event with all',
	flags      => ALL_FLAGS,
	properties => pack(
		'C/a C/a N/a C C C/a C/a C/a C/a Q> C/a C/a C/a C/a',
		'text/x',   'none', '', 2, 7, 'correlation', "to\xff", '60000', 'id',
		1767225600, 'kind', 'guest', 'application', 'cluster'));
$cdr->wait_for(
	"count(*) = 1 FROM dead_letters WHERE body = 'no event with all'");
is( $cdr->sql(
		q{SELECT content_type, content_encoding, encode(message_id, 'escape'),
		  extract(epoch FROM property_time)::bigint, headers IS NULL, properties
		  FROM dead_letters WHERE body = 'no event with all'}),
	'text/x|none|id|1767225600|t|{"delivery_mode":2,"priority":7,'
	  . '"correlation_id":"correlation","reply_to":{"base64":"dG//"},'
	  . '"expiration":"60000","type":"kind","user_id":"guest",'
	  . '"app_id":"application","cluster_id":"cluster"}',
	'all properties');

# all of it can be cast
is( $cdr->sql(
		q{SELECT count(*) FROM dead_letters
		  WHERE pg_typeof(headers::jsonb) IS NULL
		  OR pg_typeof(properties::jsonb) IS NULL}),
	0,
	'all of it can be cast to jsonb');

# retried, a dead letter that stays one keeps what it has
my $before = $cdr->sql(
	'SELECT md5(string_agg(headers::text || properties::text,
	 $$ $$ ORDER BY event_id)) FROM dead_letters');
$cdr->sql('SELECT cdr_retry_dead_letters()');
is( $cdr->sql(
		'SELECT md5(string_agg(headers::text || properties::text,
	 $$ $$ ORDER BY event_id)) FROM dead_letters'),
	$before,
	'a retry keeps headers and properties');

done_testing();
