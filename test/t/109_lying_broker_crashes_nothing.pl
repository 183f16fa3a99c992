# A broker that lies, and publishers that send what they should not: the worker
# never crashes, says what was wrong, connects again, keeps its memory bounded;
# and what such a publisher sends costs its neighbours nothing.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Amqp
  qw(frame method deliver header body message table nested heartbeat);
use CdrService::FakeBroker;
use CdrService::Fixture;
use CdrService::Oracle;
use CdrService::RawPublisher;
use CdrService::Util qw(poll soon);

use constant FLAG_HEADERS => 1 << 13;

# all that fits into one frame: a decoder that recurses needs megabytes of stack
use constant { DEEPEST_ARRAY => 26_000, DEEPEST_TABLE => 18_500 };

my $cdr = CdrService::Fixture->new('lying_broker',
	config =>
	  "cdr_service.heartbeat = '2s'\ncdr_service.max_event_size = '64kB'\n");
my $real   = $cdr->broker->uri;
my $oracle = CdrService::Oracle->new($cdr);
my $since  = $cdr->sql('SELECT pg_postmaster_start_time()');
my $pid    = $cdr->status('pid');
my $good   = '{"eventType":"call.started","callId":"fake-%d"}';

# The most memory that the worker has had, in megabytes.
sub peak_memory
{
	my ($worker) = @_;

	return (slurp_file("/proc/$worker/status") =~ /VmHWM:\s*(\d+) kB/)[0] /
	  1024;
}

# Waits until the worker has reported so many troubles with a broker; returns them.
# (It may still be told of the one before.)
sub troubles
{
	my ($count, $offset, $broker) = @_;
	my $port = $broker->port;
	my @found;

	poll(
		sub {
			# each in vain makes the next try wait longer; a reload ends that
			$cdr->sql(
				q{SELECT pg_reload_conf() FROM cdr_status() WHERE state = 'backing off'}
			);
			@found = grep { /:$port as / } $cdr->log_since($offset) =~
			  /LOG:  (.*)\n.*DETAIL:  Next try/g;
			return @found >= $count;
		},
		"$count troubles");
	return @found;
}

# --- frames that a consumer cannot make sense of: each ends the session, with
# what was wrong with it

my $half      = deliver(1) . header(1000) . body('x');
my $method_id = pack('n n', 60, 60);
my @after     = (
	[ 'another class', deliver(1) . header(1, class => 10), qr/another class/ ],
	[ 'a delivery on channel 2', deliver(1, channel => 2), qr/channel 2/ ],
	[
		'no end of a frame',
		substr(deliver(1), 0, -1) . 'x',
		qr/without its end/
	],
	[
		'a delivery without arguments', frame(1, 1, $method_id),
		qr/cannot be decoded/
	],
	[
		'a content header of ten bytes', deliver(1) . frame(2, 1, 'x' x 10),
		qr/content header that is cut short/
	],
	[
		'headers longer than their frame',
		deliver(1)
		  . header(
			1,
			flags      => FLAG_HEADERS,
			properties => pack('N', 2**32 - 1)),
		qr/content header that is cut short/
	],
	[ 'another protocol', "HTTP/1.1 400 Bad Request\r\n\r\n", qr/no frame/ ],
	[
		'a frame of 2 GB', pack('C n N', 3, 1, 2**31) . 'x' x 100,
		qr/larger than was agreed/
	],
	[ 'a body before its header', deliver(1) . body('x'), qr/do not follow/ ],
	[
		'a body larger than announced', deliver(1) . header(10) . body('x' x 11),
		qr/do not follow/
	],
	[ 'a delivery within another', $half . deliver(2), qr/do not follow/ ],
	[ 'delivery tag 0', message(0, 'x'), qr/delivery tag 0/ ],
	[
		'a delivery tag again',
		message(1, 'x') . message(1, 'x'),
		qr/delivery tag 1 after 1/
	],
	[
		'a delivery tag that was passed',
		message(7, 'x') . message(3, 'x'),
		qr/delivery tag 3 after 7/
	],
	[
		'a cancelled consumer', method(1, 60, 30, pack('C/a C', 'tag', 1)),
		qr/cancelled the consumer/
	],
	[
		'channel.close in a message',
		$half
		  . method(
			1, 20, 40, pack('n C/a n n', 406, 'PRECONDITION_FAILED', 60, 80)),
		qr/406 PRECONDITION_FAILED/
	],
	[
		'connection.close in a message',
		$half
		  . method(
			0, 10, 50, pack('n C/a n n', 320, "CONNECTION\1FORCED", 0, 0)),
		qr/320 CONNECTION\?FORCED/
	],
	[
		'a method for brokers, with deep arguments',
		method(
			1, 50, 10,
			pack('n C/a C', 0, 'q', 0) . nested(DEEPEST_TABLE - 10, 'F')),
		qr/unexpected method 0x0032000A/
	],
	[
		'alarms and heartbeats, thousands, and nonsense',
		method(0, 10, 60, pack('C/a', 'low on memory')) x 1000
		  . heartbeat() x 10_000
		  . frame(9, 0, ''),
		qr/no frame of AMQP/
	],);

# --- the same on the way to a consumer

use constant {
	START    => CdrService::Amqp::CONNECTION_START,
	START_OK => CdrService::Amqp::CONNECTION_START_OK,
	DECLARE  => CdrService::Amqp::QUEUE_DECLARE,
	QOS      => CdrService::Amqp::BASIC_QOS,
};

sub start
{
	my ($properties, $mechanisms) = @_;

	return method(0, 10, 10,
		pack('C C', 0, 9) . $properties . pack('N/a N/a', $mechanisms, 'en_US'));
}

sub tune { return method(0, 10, 30, pack('n N n', @_)); }

my $string = 'S' . pack('N/a', 'x' x 1000);
my @before = (
	[ 'no mechanism', START, start(table(), ''), qr/PLAIN/ ],
	[
		'mechanisms that only look alike', START,
		start(table(), 'PLAINER XPLAIN'), qr/PLAIN/
	],
	[
		'properties nested deep', START,
		start(nested(5000, 'F'), 'PLAIN'),
		qr/properties that cannot be read/
	],
	[
		'properties of 100 KB', START,
		start(table(map { ("k$_" => $string) } 1 .. 100), 'PLAIN'),
		qr/cannot be decoded/
	],
	[
		'a challenge', START_OK,
		method(0, 10, 20, pack('N/a', 'riddle')),
		qr/unexpected method 0x000A0014/
	],
	[ 'half of the sizes',   START_OK, method(0, 10, 30, 'x'), qr/decoded/ ],
	[ 'another version',     START,    "AMQP\0\1\0\0", qr/does not speak AMQP/ ],
	[ 'frames of 1 byte',    START_OK, tune(1, 1,    0), qr/frames of 1 byte/ ],
	[ 'a closed connection', START_OK,
		method(0, 10, 50, pack('n C/a n n', 530, 'NOT_ALLOWED', 10, 40)),
		qr/530 NOT_ALLOWED/
	],
	[ 'frames of 4095 byte', START_OK, tune(1, 4095, 0), qr/frames of 4095/ ],
	[
		'half of an answer', DECLARE,
		method(1, 50, 11, pack('C/a', 'queue')),
		qr/cannot be decoded/
	],
	[
		'a delivery before the consumer', QOS,
		deliver(1), qr/unexpected method 0x003C003C/
	],);

# sizes that are odd, but none of our business: the session goes on
my @odd = (
	[ 'no limits at all', tune(0,     0,         0) ],
	[ 'limits beyond all', tune(65535, 2**32 - 1, 65535) ],
	[ 'the least limits',  tune(1,     4096,      1) ],);

# Several at once: the worker tries each server that it knows of, and says of
# each of several why it is none.
sub refuses
{
	my (@cases)  = @_;
	my @fakes    = map {
		CdrService::FakeBroker->scripted({ answers => { @$_[ 1, 2 ] } })
	} @cases;
	my $error;

	$cdr->set('cdr_service.amqp_uri' => join ', ', map { $_->uri } @fakes);
	poll(
		sub {
			$error = $cdr->status('last_error');
			return !grep { index($error, ':' . $_->port . ' as ') < 0 } @fakes;
		},
		'all of them to be tried');
	foreach my $i (0 .. $#cases)
	{
		like(
			(split /; /, $error =~ s/^.*:@{[$fakes[$i]->port]} as .*?": //r)[0],
			$cases[$i][3],
			"$cases[$i][0]: told and survived");
	}
	$_->stop foreach @fakes;
	return;
}

$oracle->start(400, rate => 200);
refuses(splice @before, 0, 3) while @before;

# One after the other: a session that came to consume has the next one
# connected without much delay.
my @cases = map { [ $_->[0], $_->[2], { send => $_->[1] } ] } @after;
foreach my $odd (@odd)
{
	push @cases,
	  [
		$odd->[0],
		qr/method that is cut/,
		{
			answers => { START_OK() => $odd->[1] },
			send    => frame(1, 1, 'abc')
		}
	  ];
}
my $fake   = CdrService::FakeBroker->scripted(map { $_->[2] } @cases);
my $offset = $cdr->log_size;
$cdr->set('cdr_service.amqp_uri' => $fake->uri);
my @troubles = troubles(scalar @cases, $offset, $fake);
foreach my $i (0 .. $#cases)
{
	like($troubles[$i], $cases[$i][1], "$cases[$i][0]: told and survived");
}
like($cdr->status('last_error'),
	qr/cut/, 'the last of them is seen in cdr_status()');
cmp_ok($cdr->status('reconnects'), '>=', 20, 'each had the worker reconnect');

# --- what only looks wrong, and is stored

$fake->stop;
my @odd_headers = (
	nested(DEEPEST_ARRAY, 'A'),
	nested(DEEPEST_TABLE, 'F'),
	table(k => 'Z'),
	table(k => 'S' . pack('N', 2**32 - 1)),
	table(k => 'F' . pack('N', 100)),
	pack('N/a', "\xff"),
	table('' => 't' . chr 1));
my $odd_messages = '';
my $tag          = 0;

foreach my $headers (@odd_headers)
{
	$odd_messages .= message(
		++$tag,
		sprintf($good, $tag),
		flags      => FLAG_HEADERS | 1 << 12,
		properties => $headers . "\2");
}
$odd_messages .=
	deliver(++$tag, consumer => 'nobody')
  . header(length sprintf $good, $tag)
  . body(sprintf $good, $tag);
$fake = CdrService::FakeBroker->scripted({ send => $odd_messages });
$cdr->set('cdr_service.amqp_uri' => $fake->uri);
$cdr->wait_for("count(*) = $tag FROM call_events WHERE call_id LIKE 'fake%'");
$cdr->wait_for_state('consuming');
pass("$tag messages whose headers no decoder survives are stored");
$fake->stop;

# --- bodies that lie about their size, or never end

# Sends a body, of so many bytes if the consumer does not go before, in the
# largest frames.
sub send_body
{
	my ($write, $announced, $size) = @_;
	my $piece = body('y' x CdrService::RawPublisher::PIECE);

	$write->(deliver(1) . header($announced));
	for (; $size >= CdrService::RawPublisher::PIECE;
		$size -= CdrService::RawPublisher::PIECE)
	{
		$write->($piece);
	}
	$write->(body('y' x $size));
	return;
}

my $giant = 200 * 1024 * 1024;

$cdr->terminate_worker($pid);
$fake = CdrService::FakeBroker->scripted(
	{ send => sub { send_body($_[0], $giant, $giant) } });
$cdr->set('cdr_service.amqp_uri' => $fake->uri);
$cdr->wait_for("pid <> $pid AND state = 'consuming' FROM cdr_status()");
$pid = $cdr->status('pid');
my $idle = peak_memory($pid);
$cdr->wait_for("body_size = $giant FROM dead_letters");
cmp_ok(peak_memory($pid) - $idle,
	'<', 40, 'a message of 200 MB takes less than 40 MB');
note sprintf 'worker: %.0f MB, with a message of 200 MB: %.0f MB', $idle,
  peak_memory($pid);
$fake->stop;

$fake = CdrService::FakeBroker->scripted(
	{ send => sub { send_body($_[0], 2**64 - 1, 2**50) } });
$cdr->set('cdr_service.amqp_uri' => $fake->uri);
$cdr->wait_for_state('consuming');
cmp_ok($cdr->terminate_worker, '<', soon(1),
	'SIGTERM ends the worker in a body that never ends');
$cdr->wait_for("pid <> $pid AND state = 'consuming' FROM cdr_status()");
cmp_ok(peak_memory($cdr->status('pid')) - $idle,
	'<', 40, 'nor does it fill the memory');

# --- a broker that sends, and does not read what is answered

my $deaf = CdrService::FakeBroker->scripted(
	{
		deaf => 1,
		send => sub {
			my ($write) = @_;

			$write->(message($_, sprintf $good, 1)) foreach 1 .. 2000;
			while (select(undef, undef, undef, 0.5) == 0)
			{
				$write->(heartbeat());
			}
			return;
		}
	});
$fake->stop;
$cdr->set('cdr_service.batch_size' => 1, 'cdr_service.amqp_uri' => $deaf->uri);
$cdr->wait_for("host LIKE '%:" . $deaf->port . "' FROM cdr_status()");
my $started = time;
$offset = $cdr->log_size;
my ($trouble) = troubles(1, $offset, $deaf);
cmp_ok(time - $started, '<=', soon(12), 'a broker that does not read is given up');
note "a deaf broker: $trouble";
$cdr->set('cdr_service.amqp_uri' => $real);
$cdr->wait_for("host LIKE '%:" . $cdr->broker->port . "' FROM cdr_status()");
$deaf->stop;
$cdr->set('cdr_service.batch_size' => 1000);

# --- publishers: the same through the real broker, which passes it on

$cdr->sql('DELETE FROM dead_letters');
my $publisher = CdrService::RawPublisher->new($cdr->broker);
my %values    = (
	'boolean'  => 't' . chr 1,
	'i8'       => 'b' . pack('c', -1),
	'u8'       => 'B' . pack('C', 255),
	'i16'      => 's' . pack('s>', -1),
	'u16'      => 'u' . pack('S>', 65535),
	'i32'      => 'I' . pack('l>', -1),
	'u32'      => 'i' . pack('L>', 2**32 - 1),
	'i64'      => 'l' . pack('q>', -1),
	'float'    => 'f' . pack('f>', 1.5),
	'infinity' => 'd' . pack('d>', 9**9**9),
	'double'   => 'd' . pack('d>', 2.5),
	'decimal'  => 'D' . pack('C N', 2, 314),
	'text'     => 'S' . pack('N/a', "\xff\0\xc3\xa9"),
	'bytes'    => 'x' . pack('N/a', "\0\1"),
	'time'     => 'T' . pack('Q>', 1767225600),
	'nothing'  => 'V',
	'list'     => 'A' . pack('N/a', 't' . chr(1) . 'V'),
	'table'    => 'F' . table('' => 't' . chr 0));
my @bodies = (
	'{"eventType":"call.started","callId":"fake %s"}',
	"%s: not UTF-8 \xff",
	"{\"callId\":\"%s \0\"}",
	'[' x 300 . ']' x 300 . '%s');

# (some kinds the broker itself refuses, by closing the connection)
foreach my $kind (sort keys %values)
{
	eval {
		$publisher->publish(
			"not JSON: $kind",
			flags      => FLAG_HEADERS,
			properties => table($kind => $values{$kind}));
	} and next;
	note "the broker refuses a header with $kind: $@";
	delete $values{$kind};
	$publisher = CdrService::RawPublisher->new($cdr->broker);
}

my %headers = (
	'an empty name'      => table('' => $values{text}),
	'every kind'         => table(%values),
	'arrays, deep'       => nested(DEEPEST_ARRAY, 'A'),
	'tables, deep'       => nested(DEEPEST_TABLE, 'F'),
	'names of no text'   => table("\xff\0" => 'V'),
	'thousands of names' => table(map { ($_ => 'V') } 1 .. 10_000));

my $events = $cdr->sql(
	q{SELECT count(*) FROM call_events WHERE call_id LIKE 'fake%'});
my $dead = keys %values;
foreach my $name (sort keys %headers)
{
	foreach my $body (@bodies)
	{
		$publisher->publish(
			sprintf($body, $name),
			flags      => FLAG_HEADERS,
			properties => $headers{$name});
	}
	$events++;
	$dead += 3;
}
$cdr->wait_for("count(*) = $events FROM call_events WHERE call_id LIKE 'fake%'");
$cdr->wait_for("count(*) = $dead FROM dead_letters");
pass('headers of every kind: what is an event is stored, the rest is kept');
is( $cdr->sql(
		q{SELECT string_agg(key || ' ' || value, ', ' ORDER BY key)
		  FROM dead_letters, jsonb_each_text(headers::jsonb) AS h
		  WHERE encode(body, 'escape') LIKE 'every kind: %'
		  AND key IN ('double', 'i8', 'list', 'text', 'time')}
	),
	'double 2.5, i8 -1, list [true, null], text {"base64": "/wDDqQ=="}, time 1767225600',
	'with their values');

# --- the largest body that the broker takes

$cdr->terminate_worker;
$cdr->wait_for("pid <> $pid AND state = 'consuming' FROM cdr_status()");
$pid  = $cdr->status('pid');
$idle = peak_memory($pid);
$publisher->publish(
	'{"eventType":"call.started","callId":"giant"} ',
	size => 128 * 1024 * 1024);
$dead++;
$cdr->wait_for("count(*) = $dead FROM dead_letters");
cmp_ok(peak_memory($pid) - $idle, '<', 40,
	'a message of 128 MB takes less than 40 MB');
note sprintf 'worker: %.0f MB, with a message of 128 MB: %.0f MB', $idle,
  peak_memory($pid);
is( $cdr->sql(
		q{SELECT body_size, octet_length(body) < 1000000, left(encode(body, 'escape'), 40)
		  FROM dead_letters WHERE body_size > 100000000}),
	'134217728|t|{"eventType":"call.started","callId":"gi',
	'its start is kept');

# --- and all the while nothing of anybody else's was touched

$cdr->sql(
	q{DELETE FROM call_events WHERE call_id LIKE 'fake%';
	  DELETE FROM calls WHERE call_id LIKE 'fake%';
	  DELETE FROM dead_letters});
$oracle->is_satisfied('all of this');
is($cdr->sql('SELECT pg_postmaster_start_time()'),
	$since, 'the server was not restarted');
is($cdr->log_matches(qr/was terminated by signal|terminating any other/, 0),
	0, 'and no process of it crashed');
$cdr->nothing_left('lying broker');

done_testing();
