# Events of other platforms are read by mappings, which are added, changed,
# disabled and enabled under load: each event by the one that was in force, once;
# the log says by which, so that it is read in the same way ever after; and nobody
# waits for any of that.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $cdr = CdrService::Fixture->new(
	'mappings',
	streaming => 1,
	config    => "fsync = on\n");
my $pid = ($cdr->worker_pids)[0];

# A definition that takes the call from one key or another.
sub definition
{
	my ($key) = @_;

	return <<"EOC";
{"match": {"where": {"ev": ["s", "e"]}},
 "event": {"type": "ev", "time": "t", "call_id": "$key"},
 "call": [{"set": "started", "when": {"ev": "s"}, "caller_number": "a", "callee_number": "b"},
          {"set": "ended", "when": {"ev": "e"}, "hangup_cause": "cause"}]}
EOC
}

sub add
{
	my ($key, $name) = @_;

	return $cdr->sql(
		sprintf
		  q{INSERT INTO cdr_mappings (name, definition) VALUES ('%s', '%s') RETURNING version},
		$name || 'pbx',
		definition($key));
}

# A start and an end of a call, which has a name for each key.
my $second = 0;

sub foreign
{
	my ($call) = @_;

	return map {
		my ($ev, $more) = @$_;

		sprintf
		  '{"ev":"%s","id":"odd %s","id2":"even %s","t":"2026-03-08T%02d:%02d:%02dZ",%s}',
		  $ev, $call, $call, 10 + int($second / 3600),
		  int($second / 60) % 60, $second++ % 60, $more;
	}[ 's', '"a":"1001","b":"1002"' ], [ 'e', '"cause":"user_busy"' ];
}

# What the rows must say, worked out from the bodies and the versions alone.
sub rows_are_right
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is( $cdr->sql(
			q{SELECT count(*) FROM call_events AS e LEFT JOIN cdr_mappings AS m ON m.id = e.mapping
			WHERE payload ->> 'ev' IN ('s', 'e') AND call_id <> CASE
				WHEN m.version IS NULL THEN ''
				WHEN m.definition #>> '{event,call_id}' = 'id' THEN payload ->> 'id'
				ELSE payload ->> 'id2' END}),
		0,
		"$name: each event has the call of the version that the log names");
	is( $cdr->sql(
			q{SELECT count(*) FROM call_events AS e WHERE call_id <> '' AND mapping IS NOT NULL AND NOT EXISTS (
			SELECT FROM calls AS c WHERE c.call_id = e.call_id AND CASE payload ->> 'ev'
				WHEN 's' THEN c.start_time = e.event_time AND c.caller_number = '1001' AND c.callee_number = '1002'
				ELSE c.end_time = e.event_time AND c.hangup_cause = 'user_busy' END)}),
		0,
		"$name: and the call has its times");
	is($cdr->sql('SELECT count(*) FROM cdr_verify_calls()'),
		0, "$name: verify has nothing to say");
	return;
}

# --- what is committed before a message is published is in force for it

$cdr->publish(foreign('before'));
$cdr->wait_for('count(*) = 2 FROM call_events');
is($cdr->sql('SELECT count(*) FROM call_events WHERE mapping IS NULL'),
	2, 'without a mapping, events are only logged');

my $wrong = 0;
foreach my $round (1 .. 12)
{
	my $version = add($round % 2 ? 'id' : 'id2');

	$cdr->publish(foreign("round $round"));
	$cdr->wait_for(sprintf 'count(*) = %d FROM call_events', 2 + 2 * $round);
	my $read = $cdr->sql(
		"SELECT version, payload ->> 'ev', recorded_at FROM call_events AS e LEFT JOIN cdr_mappings AS m ON m.id = e.mapping WHERE payload ->> 'id' = 'odd round $round'"
	);
	next if 2 == grep { /^$version\|/ } split /\n/, $read;
	$wrong++;
	diag("version $version was in force, but events were read so:\n$read");
}
is($wrong, 0, 'in turns: each event is read by the version added before it')
  or diag(join "\n", grep { /mapping/ } split /\n/, $cdr->log_since(0));
rows_are_right('in turns');

# --- under load

my @load =
  map { (foreign("load $_"), simple_events(1, "native $_")) } 1 .. 1500;
my $publishing = $cdr->broker->start_publishing(@load);
my $changer    = $cdr->session;
my $changes    = 0;

while ($changer->query('SELECT count(*) FROM call_events') < 26 + @load
	&& $changes < 2000)
{
	my $turn = $changes++ % 4;

	$changer->query(
		sprintf
		  q{INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', '%s')},
		definition($changes % 8 < 4 ? 'id' : 'id2')) if $turn == 0;
	$changer->query(
		sprintf q{UPDATE cdr_mappings SET enabled = %s WHERE name = 'pbx'},
		$turn == 2 ? 'false' : 'true')
	  if $turn >= 2;
}
$changer->quit;
$publishing->finish;
$cdr->wait_for(sprintf q{count(*) >= %d FROM call_events}, 26 + @load);
is($cdr->events, 26 + @load, 'under load: each event is there once');
note "$changes changes; versions that events were read by: "
  . $cdr->sql(
	'SELECT count(DISTINCT mapping) FROM call_events WHERE mapping IS NOT NULL'
  );
rows_are_right('under load');
$cdr->sql(q{UPDATE cdr_mappings SET enabled = true WHERE name = 'pbx'});

# --- nobody waits for a lock on the table

my $locker = $cdr->session;
$locker->query('BEGIN; LOCK TABLE cdr_mappings');
my $events = $cdr->events;
$cdr->publish(foreign('locked'));
$cdr->wait_for("count(*) = $events + 2 FROM call_events");
pass('locked: events are stored while the table is locked');
$locker->query('ROLLBACK');
$locker->quit;
rows_are_right('locked');

# --- a definition of a later version

$cdr->sql(
	q{INSERT INTO cdr_mappings (name, version, definition, id) VALUES ('pbx', 1000, '{"of a later version": true}', 1)}
);
$events = $cdr->events;
$cdr->publish(foreign('later'));
$cdr->wait_for("count(*) = $events + 2 FROM call_events");
is( $cdr->sql(
		q{SELECT count(*) FROM call_events WHERE payload ->> 'id' = 'odd later' AND mapping IS NOT NULL}
	),
	2,
	'later: the version before stays in force');
like(
	$cdr->status('last_error'),
	qr/version 1000 of mapping "pbx" is not in force/,
	'later: and the worker tells');
is($cdr->sql(q{SELECT level FROM cdr_health WHERE "check" = 'mappings'}),
	'critical', 'later: so does the health');
$cdr->sql('DELETE FROM cdr_mappings WHERE id = 1');
rows_are_right('later');

# --- an event in which a mapping finds no call

is($cdr->status('unmapped'), 0, 'unmapped: none so far');
$cdr->publish(
	'{"ev":"s","t":"2026-03-09T10:00:00Z"}',
	'{"ev":"e","t":"2026-03-09T10:00:01Z"}');
$cdr->wait_for('unmapped = 2 FROM cdr_status()');
is($cdr->sql(q{SELECT level FROM cdr_health WHERE "check" = 'unmapped'}),
	'warning', 'unmapped: they are counted, and a warning');
is($cdr->status('without_call'), 0, 'unmapped: and counted once');

# --- and all the time

is(($cdr->worker_pids)[0],     $pid, 'the worker is the one that began');
is($cdr->status('reconnects'), 0,    'and has never left the broker');
is($cdr->sql('SELECT count(*) FROM dead_letters'),
	0, 'nothing became a dead letter');
is($cdr->log_matches(qr/ERROR|FATAL|PANIC/, 0), 0, 'and nothing failed');

# --- a message that was recorded, but not acknowledged, comes again after a change

$cdr->sql('SELECT cdr_stats_reset()');
$events = $cdr->events;
$cdr->set(synchronous_standby_names => 'nobody');

# the first batches may be committed before that counts
my $waits =
  "SELECT FROM pg_stat_activity WHERE pid = $pid AND wait_event = 'SyncRep'";
my $sent = 0;
until ($sent > 0 && $cdr->sql("SELECT EXISTS ($waits)") eq 't')
{
	$cdr->publish(foreign("again $sent"),
		qq({"ev":"s","id":"odd again, untimed $sent","id2":"even again, untimed $sent","a":"1001","b":"1002"})
	);
	$sent += 3;
	$cdr->wait_for(
		"EXISTS ($waits) OR (SELECT count(*) FROM call_events) = $events + $sent"
	);
}
my ($mapping, $key) = split /\|/,
  $cdr->sql(
	q{SELECT id, definition #>> '{event,call_id}' FROM cdr_mappings WHERE name = 'pbx' ORDER BY version DESC LIMIT 1}
  );
$cdr->sql(
	"SET synchronous_commit = local; INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', '"
	  . definition($key eq 'id' ? 'id2' : 'id')
	  . "')");
my $before = $cdr->events;
$cdr->sql("SELECT pg_cancel_backend($pid)");
$cdr->wait_for("count(*) > $before FROM call_events");
my $recorded = $cdr->events;
$cdr->set(synchronous_standby_names => '');
$cdr->wait_for("count(*) >= $events + $sent FROM call_events");
my $unacknowledged = $recorded - $before;
$cdr->wait_for("duplicates = $unacknowledged FROM cdr_status()");
is($cdr->events, $events + $sent, 'again: each event is there once');
is( $cdr->sql(
		"SELECT count(*) FROM call_events WHERE payload ->> 'id' LIKE 'odd again%' AND mapping = $mapping"
	),
	$recorded - $events,
	'again: as it was read first');
rows_are_right('again');
$cdr->nothing_left('mappings');

done_testing();
