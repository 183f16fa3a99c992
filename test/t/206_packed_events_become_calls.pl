# What a publisher packs a body into is taken off before it is read: compressions,
# other character sets, the value of an AMQP 1.0 publisher.  The bytes are kept as
# they came, and read again they are the same event.  What would be larger than an
# event may be costs no more memory than that, however much it would be.

use strict;
use warnings FATAL => 'all';

use Compress::Zlib qw(compress memGzip);
use Encode         qw(encode);
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;

my $cdr = CdrService::Fixture->new('packed');

sub event
{
	my ($call, $tenant) = @_;

	return
	  qq({"eventType":"call.started","callId":"$call","timestamp":"2026-03-02T10:00:00Z",)
	  . qq("from":"+12025550123","to":"1001","tenantId":"$tenant"});
}

sub gzipped
{
	my ($bytes) = @_;

	return memGzip(\$bytes);
}

# The memory that the worker has had for itself at most, in kB.
sub peak
{
	my $status = slurp_file('/proc/' . $cdr->status('pid') . '/status');

	return ($status =~ /^VmHWM:\s+(\d+) kB/m)[0];
}

# --- each wrapping

my $text   = event('NAME', "Fran\xe7oise");
my @packed = (
	[ 'gzip',    'content-encoding=gzip',    sub { gzipped(shift) } ],
	[ 'untold',  '',                         sub { gzipped(shift) } ],
	[ 'deflate', 'content-encoding=deflate', sub { compress(shift) } ],
	[
		'twice',
		'content-encoding=deflate, gzip',
		sub { gzipped(compress(shift)) }
	],
	[
		'latin5',
		'content-type=application/json\\; charset=iso-8859-9',
		sub { encode('iso-8859-9', Encode::decode('UTF-8', shift)) }
	],
	[ 'utf16', '', sub { encode('UTF-16', Encode::decode('UTF-8', shift)) } ],
	[
		'amqp10', 'type=amqp-1.0',
		sub { "\0\x53\x77\xb1" . pack('N/a', shift) }
	]);
my @messages = map {
	my ($name, $properties, $pack) = @$_;
	my $body = encode('UTF-8', $text =~ s/NAME/$name/r);

	{
		key        => 'call.started',
		properties => $properties,
		body       => $pack->($body)
	}
} @packed;

$cdr->publish(@messages, @messages);
$cdr->wait_drained(scalar @messages);
is( $cdr->sql(
		q{SELECT string_agg(concat_ws(' ', call_id, status, caller_number, callee_number,
		  tenant_id, event_count), E'\n' ORDER BY call_id) FROM calls}),
	join("\n",
		map      { "$_ STARTED +12025550123 1001 Fran\xc3\xa7oise 1" }
		sort map { $_->[0] } @packed),
	'each wrapping: the call is there, once');
is( $cdr->sql(
		q{SELECT string_agg(encode(body, 'hex'), ' ' ORDER BY encode(body, 'hex'))
		  FROM call_events WHERE payload IS NULL}),
	join(' ', sort map { unpack('H*', $_->{body}) } @messages),
	'each wrapping: the body is kept as it came');

# --- bombs: a kilobyte to a megabyte, and a megabyte to a gigabyte

my $blanks = ' ' x 1_000_000;
my $small  = peak();
my $calls  = $cdr->sql('SELECT count(*) FROM calls');
my @bombs  = (
	(map { { body => gzipped($blanks x 2 . $_) } } 1 .. 50),
	{ body => gzipped($blanks) x 900 },
	{ body => gzipped(gzipped($blanks x 10) x 90), twice => 1 });
foreach my $bomb (@bombs)
{
	$bomb->{key} = 'call.started';
	$bomb->{properties} =
	  'content-encoding=' . ($bomb->{twice} ? 'gzip, gzip' : 'gzip');
}
$cdr->publish(@bombs,
	{ %{ $messages[0] }, body => gzipped(event('after', 'x')) });
$cdr->wait_for(scalar(@bombs) . ' = count(*) FROM dead_letters');
$cdr->wait_for(q{count(*) = 1 FROM calls WHERE call_id = 'after'});
is( $cdr->sql('SELECT DISTINCT sqlstate, message FROM dead_letters'),
	'54000|event is compressed, and larger than cdr_service.max_event_size '
	  . '(1048576 bytes) when it is inflated',
	'bombs: dead letters that say why');
cmp_ok(
	peak(), '<',
	$small + 16 * 1024,
	"bombs: the peak (kB) of the worker's memory, before: $small");
$cdr->sql('DELETE FROM dead_letters');

# --- events that are as large as they may be, a megabyte of a kilobyte each

my @large = map {
	{
		key        => 'call.started',
		properties => 'content-encoding=gzip',
		body       => gzipped(event("large-$_", 'x' x 1_000_000))
	}
} 1 .. 100;
$cdr->publish(@large);
$cdr->wait_for(q{count(*) = 100 FROM calls WHERE call_id LIKE 'large-%'});
cmp_ok(
	peak(), '<',
	$small + 256 * 1024,
	"large: the peak (kB) of the worker's memory, before: $small");

# --- damaged ones spare their neighbours

my $good    = $messages[0]{body};
my @damaged = map { substr($good, 0, $_) } 3 .. length($good) - 1;
$cdr->publish(
	map {
		{ %{ $messages[0] }, body => $_ }
	} @damaged,
	gzipped(event('neighbour', 'x')));
$cdr->wait_for(scalar(@damaged) . ' = count(*) FROM dead_letters');
$cdr->wait_for(q{count(*) = 1 FROM calls WHERE call_id = 'neighbour'});
is( $cdr->sql('SELECT DISTINCT sqlstate, message, detail FROM dead_letters'),
	'22P03|body is compressed (gzip), and damaged|unexpected end',
	'damaged: cut off anywhere, dead letters that say why');
$cdr->sql('DELETE FROM dead_letters');

# --- read again from the log

my $all    = 'SELECT c::text FROM calls AS c ORDER BY call_id COLLATE "C"';
my $before = $cdr->sql($all);
is($cdr->sql('SELECT count(*) FROM cdr_verify_calls()'), 0, 'verified');
$cdr->sql('DELETE FROM calls; SELECT cdr_rebuild_calls()');
is($cdr->sql($all), $before, 'rebuilt from the log');

$cdr->nothing_left('packed events');

done_testing();
