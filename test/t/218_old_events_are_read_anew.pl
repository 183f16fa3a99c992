# Old events are read by the mappings that are in force now, beside a worker that goes
# on: those that came before there was a mapping, and those of older versions, while
# messages come again that were read otherwise before.  Each event is there once, where
# the newest version puts it, with the times that it had; calls say what they would if it
# had been read so from the start.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Fixture;

my $cdr = CdrService::Fixture->new('remap', config => "fsync = on\n");
my $pid = ($cdr->worker_pids)[0];

# A definition that takes the call and the time from one pair of keys or another.
sub definition
{
	my ($n) = @_;

	return <<"EOC";
{"match": {"where": {"ev": ["s", "e"]}},
 "event": {"type": "ev", "time": "t$n", "call_id": "id$n"},
 "call": [{"set": "started", "when": {"ev": "s"}, "caller_number": "a", "callee_number": "b"},
          {"set": "ended", "when": {"ev": "e"}, "hangup_cause": "cause"}]}
EOC
}

sub add
{
	my ($n) = @_;

	return $cdr->sql(
		sprintf
		  q{INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', '%s') RETURNING id},
		definition($n));
}

# Two events of a call that is another one, in another month, by each version.
my $calls = 0;

sub foreign
{
	my $call  = ++$calls;
	my $shared = int($call / 3);
	my $second = $call % 60;

	return map {
		my ($ev, $minute, $more) = @$_;

		sprintf
		  '{"ev":"%s","id1":"one %d","t1":"2026-03-%02dT10:%02d:%02dZ","id2":"two %d","t2":"2026-04-%02dT11:%02d:%02dZ",%s}',
		  $ev, $call, 1 + $call % 28, $minute, $second, $shared,
		  1 + $call % 28, $minute, $second, $more;
	}[ 's', 1, '"a":"1001","b":"1002"' ],
	  [ 'e', 2, '"cause":"user_busy"' ];
}

# What is wrong by the bodies alone, if all were read by the version with that number.
sub read_by
{
	my ($n, $id, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is( $cdr->sql(
			"SELECT count(*) FROM call_events WHERE mapping IS DISTINCT FROM $id OR call_id <> payload ->> 'id$n' OR event_time <> (payload ->> 't$n')::timestamptz"
		),
		0,
		"$name: each event is where the newest version puts it");
	is( $cdr->sql(
			'SELECT count(*) - count(DISTINCT payload::text) FROM call_events'),
		0,
		"$name: and is there once");
	is($cdr->events, 2 * $calls, "$name: none is missing");
	is( $cdr->sql(<<"EOS"), 0, "$name: calls say what the bodies do");
WITH said AS (
	SELECT payload ->> 'id$n' AS call_id, count(DISTINCT payload::text) AS events,
		min((payload ->> 't$n')::timestamptz) FILTER (WHERE payload ->> 'ev' = 's') AS start_time,
		max((payload ->> 't$n')::timestamptz) FILTER (WHERE payload ->> 'ev' = 'e') AS end_time
	FROM call_events GROUP BY 1)
SELECT count(*) FROM said FULL JOIN calls AS c USING (call_id)
WHERE c.event_count IS DISTINCT FROM said.events OR c.start_time IS DISTINCT FROM said.start_time
	OR c.end_time IS DISTINCT FROM said.end_time OR c.hangup_cause IS DISTINCT FROM 'user_busy'
	OR c.caller_number IS DISTINCT FROM '1001'
EOS
	is($cdr->sql('SELECT count(*) FROM cdr_verify_calls()'),
		0, "$name: verify has nothing to say");
	is($cdr->sql('SELECT count(*) FROM cdr_remap_preview()'),
		0, "$name: nothing is left to be done");
	return;
}

# --- without a mapping for a while

my @old = map { foreign() } 1 .. 500;
$cdr->publish(@old);
$cdr->wait_for(sprintf 'count(*) = %d FROM call_events', scalar @old);
is($cdr->sql('SELECT count(*) FROM calls'), 0, 'old: they are of no call');
$cdr->sql(
	'CREATE TABLE marks AS SELECT payload::text AS body, event_id, recorded_at, received_at, salt FROM call_events'
);
my $id = add(1);
is($cdr->sql('SELECT count(*) FROM cdr_remap_preview()'),
	@old, 'old: the preview shows all of them');
$cdr->sql('CALL cdr_rebuild_calls_in_slices(remap => true, slice => 77)');
read_by(1, $id, 'old');

# --- while others come, and the same again, and versions change

my @new  = map { foreign() } 1 .. 1500;
my @mixed = (@new, @old);
for my $i (reverse 1 .. $#mixed)
{
	my $j = int rand($i + 1);
	@mixed[ $i, $j ] = @mixed[ $j, $i ];
}
my $doctor = $cdr->session;
my $rounds = 0;
my $newest = 1;

while (my @part = splice @mixed, 0, 400)
{
	my $publishing = $cdr->broker->start_publishing(@part);

	$newest = 3 - $newest;
	$id     = add($newest);
	$doctor->query(
		sprintf 'CALL cdr_rebuild_calls_in_slices(remap => true, slice => %d)',
		(20, 100, 1000)[ $rounds++ % 3 ]);
	$publishing->finish;
}
$doctor->quit;
$cdr->wait_drained(2 * $calls);
note "$rounds versions, each applied to the log";
$cdr->sql('CALL cdr_rebuild_calls_in_slices(remap => true)');
read_by($newest, $id, 'beside a worker');
is( $cdr->sql(
		'SELECT count(*) FROM marks AS m WHERE NOT EXISTS (SELECT FROM call_events AS e WHERE e.payload::text = m.body AND (e.event_id, e.recorded_at, e.received_at, e.salt) = (m.event_id, m.recorded_at, m.received_at, m.salt))'
	),
	0,
	'beside a worker: what was there first keeps its times and its salt');

# --- interrupted, and called again

$id = add(3 - $newest);
my $session = $cdr->session;
$session->query(
	q{CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF random() < 0.002 THEN RAISE EXCEPTION $$interrupted$$; END IF; RETURN NEW; END';
	CREATE TRIGGER stop BEFORE UPDATE ON call_events FOR EACH ROW EXECUTE FUNCTION stop()}
);
my $failed = 0;
for (1 .. 10)
{
	my ($code) = $cdr->node->psql('postgres',
		'CALL cdr_rebuild_calls_in_slices(remap => true, slice => 20)');
	$failed++ if $code != 0;
	is($cdr->sql('SELECT count(*) FROM cdr_verify_calls()'),
		0, 'interrupted: log and calls agree');
}
note "$failed of 10 were interrupted";
cmp_ok($failed, '>', 0, 'interrupted: it was');
$session->query('DROP TRIGGER stop ON call_events');
$session->quit;
$cdr->sql('CALL cdr_rebuild_calls_in_slices(remap => true)');
read_by(3 - $newest, $id, 'interrupted');

# --- and all the time

is(($cdr->worker_pids)[0],     $pid, 'the worker is the one that began');
is($cdr->status('reconnects'), 0,    'and has never left the broker');
is($cdr->sql('SELECT count(*) FROM dead_letters'),
	0, 'nothing became a dead letter');
$cdr->nothing_left('at the end');

done_testing();
