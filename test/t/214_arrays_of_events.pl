# Messages that hold an array of events: each element is stored, refused, kept
# waiting and known when it comes again by itself, whatever becomes of its
# neighbours; the message is acknowledged when the last of them is durable.

use strict;
use warnings FATAL => 'all';

use IO::Compress::Gzip qw(gzip $GzipError);
use List::Util         qw(min shuffle);
use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;
use CdrService::Util qw(bytea copy_file);

my $cdr = CdrService::Fixture->new('arrays',
		config => "cdr_service.batch_size = 7\n"
	  . "cdr_service.prefetch = 2\n"
	  . "cdr_service.batch_linger = '5ms'\n");
my $seed = $ENV{CDR_TEST_SEED} || int(rand(1_000_000));

note "seed $seed";
srand $seed;

$cdr->sql(<<'EOS');
INSERT INTO cdr_mappings (name, definition) VALUES ('batches', '
{"each": "/data/events", "match": {"routing_key": "batch.#"},
 "event": {"type": "ev", "time": "t", "call_id": "id"},
 "call": [{"set": "started", "when": {"ev": "s"}, "caller_number": "a"},
          {"set": "ended", "when": {"ev": "e"}, "hangup_cause": "cause"}]}');
SELECT cdr_stats_reset();
EOS

# ---------------------------------------------------------------------------
# What is sent, and what must come of it
# ---------------------------------------------------------------------------

my (%events, %letters, %natives);
my $second = 0;

# Two events of a call, as elements.
sub call
{
	my ($id) = @_;
	my @elements = map {
		sprintf '{"id":"%s", "ev":"%s","t":"2026-03-08T%02d:%02d:%02dZ" ,%s}',
		  $id, $_->[0], int($second / 3600), int($second / 60) % 60,
		  $second++ % 60, $_->[1]
	} ( [ 's', '"a":"+1202555' . sprintf('%04d"', $second % 10000) ],
		[ 'e', '"cause":"user_busy", "x":["]}",{"y":[1,{}]}]' ]);

	$events{$_} = 1 foreach @elements;
	return @elements;
}

# What is no event, each in its own way.
sub bad
{
	my ($n) = @_;
	my $element = (
		qq("text $n, {not} \\"an\\" object"),
		"[$n,{\"id\":\"no\"}]", "-$n.5e1",
		sprintf('{"id":"%s","n":%d}', 'x' x 256, $n))[ $n % 4 ];

	$letters{$element} = 1;
	return $element;
}

# One message of these elements.
sub batch
{
	my (@elements) = @_;

	return {
		key  => 'batch.of.events',
		body => '{"account":"a-1","data":{"events":[ '
		  . join((',', " ,\n", ' , ')[ rand 3 ], @elements)
		  . ' ],"more":true}}'
	};
}

# Some messages of these elements, in any order, and some of them twice.
sub batches
{
	my (@elements) = @_;
	my @left = shuffle(@elements, grep { rand() < 0.1 } @elements);
	my @messages;

	push @messages, batch(splice @left, 0, 1 + rand 30) while @left;
	return @messages;
}

sub native
{
	my (@messages) = @_;

	$natives{$_} = 1 foreach @messages;
	return @messages;
}

# Is all that was sent there, once, with its bytes; and do the calls follow?
sub all_is_right
{
	my ($name) = @_;
	my $sent = copy_file(
		(map { [ 'e', bytea($_) ] } sort keys %events, sort keys %natives),
		(map { [ 'l', bytea($_) ] } sort keys %letters));
	my $logged = keys(%events) + keys %natives;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$cdr->wait_for(
		sprintf
		  'count(*) >= %d AND (SELECT count(*) FROM dead_letters) >= %d FROM call_events',
		$logged,
		scalar keys %letters);
	is( $cdr->sql(
			<<"EOS"), '0|0|0|0', "$name: lost, more than once, unexpected, otherwise a call");
CREATE TEMP TABLE sent (kind text, body bytea);
\\copy sent FROM '$sent'
CREATE TEMP TABLE stored AS
	SELECT 'e' AS kind, COALESCE(body, convert_to(payload::text, 'UTF8')) AS body FROM call_events
	UNION ALL SELECT 'l', body FROM dead_letters;
SELECT (SELECT count(*) FROM (TABLE sent EXCEPT TABLE stored) AS l),
	(SELECT count(*) - count(DISTINCT (kind, body)) FROM stored),
	(SELECT count(*) FROM (TABLE stored EXCEPT TABLE sent) AS u),
	(SELECT count(*) FROM
		(SELECT payload ->> 'id' AS id, count(*) AS n,
			min(payload ->> 'a') AS caller, min(payload ->> 'cause') AS cause,
			min((payload ->> 't')::timestamptz) FILTER (WHERE payload ->> 'ev' = 's') AS started,
			min((payload ->> 't')::timestamptz) FILTER (WHERE payload ->> 'ev' = 'e') AS ended
			FROM call_events WHERE payload ->> 'ev' IS NOT NULL GROUP BY 1) AS e
		FULL JOIN (SELECT * FROM calls WHERE call_id NOT LIKE 'native%') AS c ON c.call_id = e.id
		WHERE (e.n, e.caller, e.cause, e.started, e.ended) IS DISTINCT FROM
			(c.event_count, c.caller_number, c.hangup_cause, c.start_time, c.end_time))
EOS
	is($cdr->sql('SELECT count(*) FROM cdr_verify_calls()'),
		0, "$name: verify has nothing to say");
	return;
}

# Waits until the broker is owed just that many messages.
sub owed_is
{
	my ($count, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	CdrService::Util::poll(
		sub { $cdr->broker->owed == $count },
		"the broker to be owed $count");
	return is($cdr->broker->owed, $count, $name);
}

# --- bad elements among good ones; larger than batch and prefetch

my @first = map { call("plain $_") } 1 .. 40;

$cdr->publish(
	batch(@first[ 0 .. 40 ], bad(1), @first[ 41 .. 60 ], bad(2), bad(3)),
	native(simple_events(20, 'native-1')),
	batch(bad(4)),
	batch(@first[ 61 .. 79 ]));
all_is_right('bad elements');
owed_is(0, 'bad elements: all is acknowledged');
is( $cdr->sql(
		q{SELECT string_agg(properties #>> '{each,index}', ' ' ORDER BY properties #>> '{each,count}', properties #>> '{each,index}') FROM dead_letters}
	),
	'0 41 62 63',
	'bad elements: their places are told');
is( $cdr->sql(
		q{SELECT count(*), min(properties #>> '{each,around,account}'), min(properties #>> '{each,around,data,more}') FROM call_events WHERE properties #> '{each,around}' IS NOT NULL}
	),
	'2|a-1|true',
	'bad elements: what stands around the array is kept with the first');
is( $cdr->sql(
		'SELECT received, recorded, duplicates, dead_letters FROM cdr_status()'
	),
	'23|100|0|4',
	'bad elements: the status counts messages, and what came of them');

# --- packed: the bytes of an element are those of what was inside

my $packed = batch(call('packed 1'), bad(8), call('packed 2'));

gzip(\$packed->{body}, \my $zipped) or die $GzipError;
$cdr->publish(
	{
		key        => 'batch.packed',
		properties => 'content-type=application/json;content-encoding=gzip',
		body       => $zipped
	});
all_is_right('packed');
owed_is(0, 'packed: all is acknowledged');
is($cdr->sql('SELECT cdr_retry_dead_letters()'),
	0, 'packed: the dead letter is tried again as what it is');
is( $cdr->sql(
		q{SELECT content_encoding, message FROM dead_letters WHERE routing_key = 'batch.packed'}
	),
	'gzip|event is not a JSON object',
	'packed: and stays, for the same reason');

# --- an element that waits: its neighbours do not, but their message does

my @second = map { call("held $_") } 1 .. 10;

$cdr->hold_back('held 5', 'held 5');
$cdr->publish(batch(@second), native(simple_events(30, 'native-2')));
$cdr->wait_for(
	sprintf 'count(*) = %d FROM call_events',
	keys(%events) + keys(%natives) - 2);
owed_is(1, 'one waits: its message is not acknowledged, all others are');
is($cdr->sql('SELECT waiting FROM cdr_status()'),
	2, 'one waits: just its events do');

# the worker is killed: what was stored comes again, and changes nothing
my $log = $cdr->log_size;

is(kill('KILL', $cdr->status('pid')), 1, 'one waits: killed the worker');
$cdr->node->wait_for_log(qr/all server processes terminated; reinitializing/,
	$log);
$cdr->forget_crashes;
$cdr->wait_for('waiting = 2 FROM cdr_status()');
owed_is(1, 'one waits, killed: the message came again');
is( $cdr->events,
	keys(%events) + keys(%natives) - 2,
	'one waits, killed: nothing is stored twice');
$cdr->let_through;
all_is_right('one waits, let through');
owed_is(0, 'one waits, let through: all is acknowledged');

# --- a trigger refuses an element, as data and as a passing error

$cdr->sql(<<'EOS');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE 'refused' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON call_events FOR EACH ROW
	WHEN (NEW.call_id = 'refused 3') EXECUTE FUNCTION refuse();
EOS
my @third = map { call("refused $_") } 1 .. 6;

# as letters
delete $events{$_}, $letters{$_} = 1 foreach @third[ 4, 5 ];
$cdr->publish(batch(@third));
all_is_right('refused');
owed_is(0, 'refused: all is acknowledged');

# once the trigger is gone, they are read as what they were
$cdr->sql('DROP TRIGGER refuse ON call_events');
delete $letters{$_}, $events{$_} = 1 foreach @third[ 4, 5 ];
is($cdr->sql('SELECT cdr_retry_dead_letters()'),
	2, 'refused: tried again, those of the trigger become events');
all_is_right('refused, tried again');

# --- too many elements: a dead letter as a whole

my $many = batch(('{"id":"many","ev":"s"}') x 1001);

$letters{ $many->{body} } = 1;
$cdr->publish($many, batch(call('beside')));
all_is_right('too many');
is( $cdr->sql(
		q{SELECT sqlstate, message FROM dead_letters WHERE body_size > 10000}
	),
	'54000|array at "/data/events" has more than 1000 elements',
	'too many: with the reason');
owed_is(0, 'too many: all is acknowledged');

# --- before there was a mapping for it, a message is one event for ever

my $before = '{"elements":[{"id":"before","ev":"s","a":"1"}]}';

$cdr->publish({ key => 'late', body => $before });
$natives{$before} = 1;
all_is_right('before there was a mapping');
$cdr->sql(
	q{INSERT INTO cdr_mappings (name, definition) VALUES ('late', '{"each": "/elements", "match": {"routing_key": "late"}, "event": {"type": "ev", "call_id": "id"}}')}
);
all_is_right('when there is one');

# --- a message that comes again after the mapping was changed

sub turn
{
	my ($key) = @_;

	return $cdr->sql(
		qq(INSERT INTO cdr_mappings (name, definition) VALUES ('turn', '{"each": "", "match": {"routing_key": "turn"}, "event": {"call_id": "$key"}}'))
	);
}

my @turn =
  map { qq({"id":"native turn $_","id2":"native turned $_"}) } 1 .. 3;

$natives{$_} = 1 foreach @turn;
turn('id');
$cdr->hold_back('native turn 2', 'native turn 2');
$cdr->publish({ key => 'turn', body => '[' . join(',', @turn) . ']' });
$cdr->wait_for(
	q{count(*) = 2 FROM call_events WHERE call_id ~ '^native turn'});
turn('id2');
$log = $cdr->log_size;
is(kill('KILL', $cdr->status('pid')), 1, 'changed: killed the worker');
$cdr->node->wait_for_log(qr/all server processes terminated; reinitializing/,
	$log);
$cdr->forget_crashes;
all_is_right('changed');
is( $cdr->sql(
		q{SELECT string_agg(call_id, ', ' ORDER BY call_id COLLATE "C") FROM call_events WHERE call_id ~ '^native turn'}
	),
	'native turn 1, native turn 3, native turned 2',
	'changed: what was stored stays, and is not read anew');
owed_is(0, 'changed: all is acknowledged');
$cdr->let_through;

# --- several workers, killed again and again, with calls that cannot be stored

$cdr->sql("ALTER SYSTEM SET $_")
  foreach 'cdr_service.workers = 4', 'cdr_service.prefetch = 20',
  'cdr_service.batch_size = 50';
$cdr->node->restart;
$cdr->wait_for("bool_and(state = 'consuming') FROM cdr_status()");
$cdr->hold_back('crowd 1000', 'crowd 1999');

my @crowd =
  shuffle((map { call("crowd $_") } 1 .. 4000), map { bad($_) } 1 .. 100);
my $publishing = $cdr->broker->start_publishing(
	shuffle(batches(@crowd), native(simple_events(500, 'native-3'))));

foreach my $round (1 .. 4)
{
	my $goal = min($cdr->events + 400, 4000);

	$cdr->wait_for("count(*) >= $goal FROM call_events");
	$log = $cdr->log_size;
	is(kill('KILL', ($cdr->worker_pids)[ rand 4 ]),
		1, "round $round: killed a worker");
	$cdr->node->wait_for_log(
		qr/all server processes terminated; reinitializing/, $log);
	$cdr->forget_crashes;
	$cdr->wait_for('bool_and(pid IS NOT NULL) FROM cdr_status()');
}
$publishing->finish;
$cdr->let_through;
all_is_right('several workers, killed');
owed_is(0, 'several workers, killed: all is acknowledged');
$cdr->nothing_left('at the end');

done_testing();
