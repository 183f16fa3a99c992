# When the clock is set back, events are recorded at times that others have: each
# belongs to its seal all the same, the log says what the clock did, and whoever
# changes one of them is found.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils qw(append_to_file);
use Test::More;
use Time::HiRes qw(time);

use CdrService::Fixture;
use CdrService::Util qw(repository);

my $clock = PostgreSQL::Test::Utils::tempdir('clock') . '/ahead';
my $cdr   = CdrService::Fixture->new(
	'sealed_late',
	broker => 0,
	start  => 0,
	config => "cdr_service.evidence = on\ncdr_service.seal_interval = 1d\n");

sub start
{
	local $ENV{CDR_TEST_CLOCK} = $clock;
	local $ENV{LD_PRELOAD} = repository() . '/test/tools/shifted_clock.so';

	return $cdr->node->start;
}

# Seconds that it is ahead.
sub set_clock
{
	my ($ahead) = @_;

	open my $file, '+<', $clock or die "could not open $clock: $!";
	syswrite $file, pack('q', $ahead);
	close $file;
	return;
}

# Records batches of events, from a moment on (in seconds since 1970, as the server's
# clock has them).
sub record
{
	my ($name, $moment) = @_;

	return $cdr->sql(<<"EOS");
DO \$\$
BEGIN
	WHILE clock_timestamp() < to_timestamp($moment) LOOP END LOOP;
	FOR batch IN 1 .. 100 LOOP
		PERFORM cdr_ingest_events(array_agg(json_build_object('eventType', 'call.started',
			'callId', '$name ' || batch || '.' || i, 'timestamp', '2026-01-19T22:00:00Z'))) FROM generate_series(1, 50) AS i;
	END LOOP;
	PERFORM cdr_ingest_events(array_agg(json_build_object('eventType', 'call.started',
		'callId', 'many $name ' || i, 'timestamp', '2026-01-19T22:00:00Z'))) FROM generate_series(1, 300) AS i;
END \$\$;
EOS
}

# Sets the clock back to just before a moment, and records.
sub record_again
{
	my ($name, $moment) = @_;

	set_clock(int($moment - time) - 1);
	return record($name, $moment);
}

my $try = 0;

# Records events until some share their microsecond with those of a name: of two times
# a hundred batches, spread over some moments, some do.
sub record_over
{
	my ($moment, $name) = @_;

	while ($try < 20)
	{
		$try++;
		# it is set back from there by more than a second, whatever was recorded
		set_clock(7210);
		$cdr->sql(
			qq{SELECT cdr_ingest_event('{"eventType":"call.started","callId":"ahead $try","timestamp":"2026-01-19T22:00:00Z"}')}
		);
		record_again("b$try", $moment);
		return 1
		  if $cdr->sql(
			"SELECT EXISTS (SELECT FROM call_events AS a JOIN call_events AS b USING (recorded_at) WHERE a.call_id ~ '^$name ' AND b.call_id ~ '^b$try ')"
		  ) eq 't';
	}
	return 0;
}

# Large batches that wait, with the roots of each 8 leaves instead of them.
sub sealed_at_once
{
	return $cdr->sql(
		'SELECT count(*) FROM cdr_unsealed WHERE groups IS NOT NULL');
}

sub problems
{
	return $cdr->sql(
		'SELECT problem, detail FROM cdr_verify_evidence() ORDER BY 1, 2');
}

# What is found when a statement has changed something?
sub finds
{
	my ($statement, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return like(
		$cdr->sql(
			"BEGIN; $statement; SELECT string_agg(problem, ', ' ORDER BY problem) FROM cdr_verify_evidence(); ROLLBACK"
		),
		$expected, $name);
}

# (pg_ctl waits in vain for a server whose clock is behind its own)
append_to_file($clock, pack('q', 7200));
start();
$cdr->sql('CREATE EXTENSION cdr_service; SELECT cdr_create_evidence_tables()');

# --- while the server runs

record('a', 0);
my $moment = $cdr->sql(
	"SELECT extract(epoch FROM min(recorded_at)) FROM call_events");
is sealed_at_once(), 1, 'a large batch is sealed at once';
my $sealed = $cdr->sql('SELECT cdr_seal()');
is $sealed, 2, 'events are sealed';

ok record_over($moment, 'a'), 'others are recorded at times of theirs';
my $first = "b$try";
ok record_over($moment, $first), 'and more, before these are sealed';
is sealed_at_once(), 0, 'large batches, too, wait with their leaves';
$cdr->sql('SELECT cdr_seal()');
is problems(), '', 'each belongs to its seal';
is $cdr->sql(q{SELECT count(*) > 0 FROM cdr_seals WHERE leaves IS NOT NULL}),
  't', 'because the seals of some list them';
is $cdr->sql(<<'EOS'), 't|t', 'and have the roots that plain SQL computes';
SELECT bool_and(s.root = cdr_merkle_root(s.leaves)), bool_and(s.n = (SELECT count(*) FROM cdr_event_leaves() AS l WHERE l.leaf = ANY (s.leaves)))
FROM cdr_seals AS s WHERE s.leaves IS NOT NULL
EOS
is $cdr->sql(
	q{SELECT count(*), bool_and(split_part(entry, E'\n', 2)::timestamptz > split_part(entry, E'\n', 3)::timestamptz + interval '1 s') FROM cdr_log WHERE entry ~ '^cdr-clock-v1\n[0-9T:.-]{26}Z\n[0-9T:.-]{26}Z\n$'}
  ),
  '1|t', 'the log says that the clock was set back';
record('later', 0);
$cdr->sql('SELECT cdr_seal()');
is $cdr->sql(
	"SELECT count(*) FROM cdr_log WHERE entry LIKE 'cdr-clock-v1%'"), 1,
  'once';

# --- who changes one of these

my $shared =
  "(SELECT a.ctid FROM call_events AS a JOIN call_events AS b USING (recorded_at) WHERE a.call_id ~ '^%s ' AND b.call_id ~ '^%s ' LIMIT 1)";
my $older = sprintf $shared, 'a',    $first;
my $newer = sprintf $shared, $first, 'a';

finds("DELETE FROM call_events WHERE ctid = $older",
	qr/^rows missing$/, 'an older one is removed');
finds("DELETE FROM call_events WHERE ctid = $newer",
	qr/^rows missing$/, 'a later one is removed');
finds(
	"UPDATE call_events SET tenant_id = 'mine' WHERE ctid = $older",
	qr/^rows changed$/, 'an older one is changed');
finds(
	"UPDATE call_events SET tenant_id = 'mine' WHERE ctid = $newer",
	qr/^rows added, rows missing$/,
	'a later one is changed');
finds(
	"INSERT INTO call_events (event_time, received_at, recorded_at, event_id, call_id, salt, payload) SELECT event_time, received_at, recorded_at, gen_random_uuid(), 'new', salt, payload FROM call_events WHERE ctid = $newer",
	qr/^rows added$/,
	'one is added');
finds(
	'UPDATE cdr_seals SET leaves = leaves[2:] WHERE leaves IS NOT NULL',
	qr/seal changed/, 'a list is cut');

# --- while the server is down

$cdr->node->stop;
set_clock(3600);
start();
record('restarted', 0);
is sealed_at_once(), 0, 'a batch is not sealed at once in times of others';
$cdr->sql('SELECT cdr_seal()');
is $cdr->sql(
	"SELECT count(*) FROM cdr_log WHERE entry LIKE 'cdr-clock-v1%'"), 2,
  'the log says that it was set back while the server was down';
is problems(), '', 'and all is well';

# --- when it has caught up

$cdr->node->stop;
set_clock(10800);
start();
record('caught up', 0);
is sealed_at_once(), 1, 'when the clock has caught up, it is';
$cdr->sql('SELECT cdr_seal()');
is problems(), '', 'and all is well';
$cdr->node->stop;

done_testing();
