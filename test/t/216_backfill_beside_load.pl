# Rows are recorded beside a worker that stores live events of the same calls, and by
# two sessions at once: each row once, live events above them, and nobody fails.  How
# far it is can be seen; who is cancelled leaves what was committed.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Fixture;

my $cdr = CdrService::Fixture->new('rows', config => "fsync = on\n");

# Calls 1 to 2000 have live events, calls 1001 to 3000 rows, which know better of
# nothing: they say another moment and another callee of everything.
my ($live, $first, $last) = (2000, 1001, 3000);
my $rows = $last - $first + 1;

$cdr->sql( <<"EOC");
INSERT INTO cdr_mappings (name, definition, enabled)
SELECT 'pbx', cdr_mapping_preset('csv_freeswitch'), false;
SELECT cdr_create_partitions('2026-03-01', '2026-03-31');
CREATE TABLE staging AS
	SELECT 'call ' || n AS uuid, t AS start_stamp, t + '5 s' AS answer_stamp, t + '65 s' AS end_stamp,
		'1001' AS caller_id_number, '1009' AS destination_number, 'USER_BUSY' AS hangup_cause
	FROM generate_series($first, $last) AS n, LATERAL (SELECT timestamp '2026-03-08 20:00:00' + n * interval '1 s' AS t) AS at;
EOC

sub moment
{
	my ($second) = @_;

	return sprintf '2026-03-08T%02d:%02d:%02dZ', 20 + int($second / 3600),
	  int($second / 60) % 60, $second % 60;
}

sub event
{
	my ($type, $call, $second, $more) = @_;

	return {
		key  => "call.$type",
		body => sprintf '{"eventType":"call.%s","callId":"call %d","timestamp":"%s",%s}',
		$type, $call, moment($second), $more
	};
}

my @messages = map {
	(
		event('started', $_, $_ + 1,  '"from":"1001","to":"1002"'),
		event('ended',   $_, $_ + 31, '"reason":"normal_clearing"'))
} 1 .. $live;

my $publisher = $cdr->broker->start_publishing(@messages);
my @sessions  = map { $cdr->session } 1, 2;

$sessions[$_]->send("CALL cdr_backfill('pbx', 'SELECT * FROM staging ORDER BY uuid "
	  . ('ASC', 'DESC')[$_]
	  . "', portion => 50)")
  foreach 0, 1;
my @counts = map { [ split /\|/, $_->receive ] } @sessions;
ok $publisher->finish, 'all is published';
$cdr->wait_for('count(*) = ' . (2 * $live + $rows) . ' FROM call_events');

is_deeply [ map { $_->[0] } @counts ], [ $rows, $rows ],
  'both sessions have read all rows';
is $counts[0][1] + $counts[1][1], $rows, 'of both, each row is stored once';
is $counts[0][2] + $counts[1][2], $rows, 'and known once';
is $counts[0][3] + $counts[1][3], 0,     'none is a dead letter';

# What is to come of it, from the numbers alone.
is $cdr->sql( <<"EOC"), '', 'live events stand above rows';
SET timezone = 'UTC';
SELECT n, start_time, answer_time, end_time, callee_number, hangup_cause, event_count
FROM generate_series(1, $last) AS n LEFT JOIN calls AS c ON c.call_id = 'call ' || n,
	LATERAL (SELECT timestamptz '2026-03-08T20:00:00Z' + n * interval '1 s' AS t, n <= $live AS live, n >= $first AS row) AS e
WHERE (start_time, end_time, callee_number, hangup_cause, event_count, answer_time) IS DISTINCT FROM
	(CASE WHEN live THEN t + '1 s' ELSE t END, CASE WHEN live THEN t + '31 s' ELSE t + '65 s' END,
	 CASE WHEN live THEN '1002' ELSE '1009' END, CASE WHEN live THEN 'normal_clearing' ELSE 'USER_BUSY' END,
	 CASE WHEN live THEN 2 ELSE 0 END + CASE WHEN row THEN 1 ELSE 0 END, CASE WHEN row THEN t + '5 s' END)
EOC
is $cdr->sql('SELECT count(*) FROM cdr_verify_calls()'), 0,
  'calls are as the log says';
$sessions[0]->send("CALL cdr_backfill('pbx', 'TABLE staging')");
is $sessions[0]->receive, "$rows|0|$rows|0|0|0", 'once more: nothing is new';

# ---------------------------------------------------------------------------
# Progress, and a cancel
# ---------------------------------------------------------------------------

$cdr->sql('CREATE TABLE more AS SELECT uuid || $$, again$$ AS uuid, start_stamp, end_stamp FROM staging');
my $locker = $cdr->session;
my $pid    = $sessions[0]->query('SELECT pg_backend_pid()');
my $activity =
  "FROM pg_stat_activity WHERE pid = $pid AND query LIKE 'cdr_backfill: ";

# the row of a call in the second portion is held
$locker->query( <<'EOC');
BEGIN;
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"call 2000, again","timestamp":"2026-03-08T20:00:00Z"}')
EOC
$sessions[0]->send(
	"CALL cdr_backfill('pbx', 'SELECT * FROM more ORDER BY start_stamp', portion => 900)");
$cdr->wait_for(
	"count(*) = 1 ${activity}900 of 2000 rows, 900 stored, 0 known, 0 dead letters'"
);
is $cdr->sql(
	"SELECT work, phase, done, total, unit FROM cdr_progress WHERE pid = $pid"),
  'backfill||900|2000|rows', 'cdr_progress says so, too';
$cdr->sql("SELECT pg_cancel_backend($pid)");
like $sessions[0]->complaints,
  qr/canceling statement.*recording rows from number 901 on, of 2000; those before are recorded/s,
  'who is cancelled is told where';
$locker->query('COMMIT');
is $cdr->sql("SELECT count(*) FROM cdr_progress WHERE pid = $pid"), 0,
  'and nothing after that';
is $cdr->sql(q{SELECT count(*) FROM calls WHERE call_id ~ 'again$'}), 901,
  'what was committed stays';
$sessions[0]->send("CALL cdr_backfill('pbx', 'TABLE more')");
is $sessions[0]->receive, '2000|1100|900|0|0|0', 'the rest is added';
is $cdr->sql("SELECT count(*) $activity%'"), 0,
  'when it is over, the command is shown again';
is $cdr->sql('SELECT count(*) FROM cdr_verify_calls()'), 0,
  'calls are as the log says';

$cdr->nothing_left('the worker');

done_testing();
