# SQL functions over the log and the dead letters take little memory, however
# many rows they read, and however large.
#
# CDR_TEST_EVENTS: events of the largest call, and calls without events (default:
# 60000); CDR_TEST_LETTERS: dead letters of 15 MB (default: 4).  The limits are such
# that 250 bytes for each event, or a copy of each letter, are too much.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;

my $events  = $ENV{CDR_TEST_EVENTS}  || 60_000;
my $letters = $ENV{CDR_TEST_LETTERS} || 4;
my $cdr     = CdrService::Fixture->new('little_memory',
	config => "cdr_service.max_event_size = '16MB'\nfsync = off\n"
	  . "shared_buffers = '64MB'\nmax_wal_size = '4GB'\n");

# The most that a session of its own has held for itself while it ran a query,
# in MB; what it has touched of shared memory does not count.
sub is_little
{
	my ($name, $limit, $query, $expected) = @_;
	my $session = $cdr->session;
	my $pid     = $session->query('SELECT pg_backend_pid()');

	is($session->query("SET statement_timeout = 0; $query"),
		$expected, "$name: the result");
	my $status    = slurp_file("/proc/$pid/status");
	my ($peak)    = $status =~ /^VmHWM:\s+(\d+) kB/m;
	my ($shared)  = $status =~ /^RssShmem:\s+(\d+) kB/m;
	my $megabytes = int(($peak - $shared) / 1024);

	cmp_ok($megabytes, '<', $limit, "$name: the peak in MB");
	note "$name: $megabytes MB";
	return $session->quit;
}

# ---------------------------------------------------------------------------
# Many rows
# ---------------------------------------------------------------------------

$cdr->sql(<<"EOS");
SET statement_timeout = 0;
INSERT INTO call_events (event_time, received_at, event_id, call_id, event_type, payload)
SELECT t, t, gen_random_uuid(), 'large', 'call.answered',
	format('{"eventType":"call.answered","callId":"large","n":%s}', n)::json
FROM generate_series(1, $events) AS n,
	LATERAL (SELECT timestamptz '2026-01-19 22:00:00Z' + n * interval '1 ms') AS x(t);
EOS
is_little('a call rebuilt', 30, "SELECT cdr_rebuild_calls('large')", 1);
is_little('a call verified',
	30, "SELECT count(*) FROM cdr_verify_calls('large')", 0);
is_little('all calls verified',
	30, 'SELECT count(*) FROM cdr_verify_calls()', 0);
is_little('calls from the log',
	30, 'SELECT sum(event_count) FROM cdr_calls_from_log()', $events);
is_little('a history', 30, "SELECT count(*) FROM cdr_call_history('large')",
	$events);
is_little('the uses of a Call-ID',
	30, "SELECT count(*) FROM cdr_call_segments('large')", 1);

$cdr->sql(<<"EOS");
SET statement_timeout = 0;
INSERT INTO call_events (event_time, received_at, event_id, call_id, event_type, payload)
SELECT t, t, gen_random_uuid(), 'used', type, format('{"eventType":"%s","from":"%s"}', type, n)::json
FROM generate_series(1, $events) AS n,
	LATERAL (SELECT timestamptz '2026-01-19 22:00:00Z' + n * interval '1 s',
					 CASE n % 2 WHEN 1 THEN 'call.started' ELSE 'call.ended' END) AS x(t, type);
EOS
is_little(
	'a Call-ID that is used again and again',
	30,
	"SELECT count(*) FROM cdr_call_segments('used')",
	$events / 2);
is_little('the history of that',
	30, "SELECT count(*) FROM cdr_call_history('used')", $events);
$cdr->sql(q{DELETE FROM call_events WHERE call_id = 'used'});

# calls of four events each, none of which has a row
my $calls = int($events / 4);
$cdr->sql(<<"EOS");
SET statement_timeout = 0;
INSERT INTO call_events (event_time, received_at, event_id, call_id, event_type, payload)
SELECT t, t, gen_random_uuid(), 'call ' || n % $calls, 'call.answered',
	format('{"eventType":"call.answered","callId":"call %s","n":%s}', n % $calls, n)::json
FROM generate_series(1, 4 * $calls) AS n,
	LATERAL (SELECT timestamptz '2026-01-20 22:00:00Z' + n * interval '1 ms') AS x(t);
EOS
is_little('calls without rows verified',
	30, 'SELECT count(*) FROM cdr_verify_calls()', $calls);
is_little('calls rebuilt from nothing',
	30, 'SELECT cdr_rebuild_calls()', $calls);
is_little(
	'all calls verified, of few events',       30,
	'SELECT count(*) FROM cdr_verify_calls()', 0);
$cdr->sql(q{DELETE FROM calls WHERE call_id <> 'large'});
# (their ids are in a file)
is_little('calls rebuilt from nothing, in slices',
	30, q{SET work_mem = '64kB'; CALL cdr_rebuild_calls_in_slices()}, $calls);
is_little(
	'calls of a list',
	40,
	q{SELECT count(*) FROM cdr_verify_calls(call_ids => ARRAY(SELECT call_id FROM calls LIMIT 100000))},
	0);
$cdr->sql(
	q{DELETE FROM call_events WHERE call_id <> 'large'; DELETE FROM calls WHERE call_id <> 'large'}
);

$cdr->sql(<<"EOS");
SET statement_timeout = 0;
INSERT INTO calls (call_id, status, event_count, first_event_time, last_event_time, merge_state)
SELECT 'retired ' || n, 'UNKNOWN', 3, '2025-01-01Z', '2025-01-02Z', '\\x0100' FROM generate_series(1, $events) AS n;
EOS
is_little(
	'calls whose events were retired',         30,
	'SELECT count(*) FROM cdr_verify_calls()', 0);
$cdr->sql(q{UPDATE calls SET status = 'RINGING' WHERE call_id <> 'large'});
is_little(
	'calls whose events were retired, wrong',  30,
	'SELECT count(*) FROM cdr_verify_calls()', $events);
is_little(
	'calls of a time',
	30,
	q{SELECT count(*) FROM cdr_verify_calls(from_time => '2025-01-01', to_time => '2025-02-01')},
	$events);
is_little('calls whose events were retired, rebuilt',
	30, 'SELECT cdr_rebuild_calls()', $events);
is_little(
	'calls whose events were retired, pruned',
	40,
	q{SELECT cdr_rebuild_calls(from_time => '2025-01-01', to_time => '2025-02-01', prune => true)},
	$events);

# rows of a table, which wait in a file
$cdr->sql(<<"EOS");
SET statement_timeout = 0;
INSERT INTO cdr_mappings (name, definition, enabled)
SELECT 'rows', cdr_mapping_preset('csv_freeswitch'), false;
CREATE TABLE staging AS SELECT 'row ' || n AS uuid, t AS start_stamp, t + '5 s' AS end_stamp, repeat('x', 200) AS context
FROM generate_series(1, $events) AS n, LATERAL (SELECT timestamp '2026-01-19 22:00:00' + n * interval '1 ms') AS x(t);
EOS
is_little('rows recorded', 40,
	q{SET work_mem = '64kB'; CALL cdr_backfill('rows', 'TABLE staging')},
	"$events|$events|0|0|0|0");
is_little('rows that are known', 40,
	q{SET work_mem = '64kB'; CALL cdr_backfill('rows', 'TABLE staging')},
	"$events|0|$events|0|0|0");
$cdr->sql(
	q{DELETE FROM call_events WHERE call_id <> 'large'; DELETE FROM calls WHERE call_id <> 'large'}
);

# ---------------------------------------------------------------------------
# Large ones
# ---------------------------------------------------------------------------

# One letter may take several times its size, so the limits are those of one.
# (Random, so that it is large in the table, too; as hexadecimal digits.)
$cdr->sql(<<"EOS");
SET statement_timeout = 0;
CREATE TEMP TABLE padding AS SELECT string_agg(md5(n::text), '') AS text FROM generate_series(1, 15000000 / 32) AS n;
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, body_size, body)
SELECT gen_random_uuid(), now(), now(), 'P0001', 'large', octet_length(body), body
FROM padding, generate_series(1, $letters) AS n, LATERAL (SELECT convert_to(
	format('{"eventType":"call.ended","callId":"letter %s","timestamp":"2026-01-19T22:00:00Z","reason":"refused","padding":"%s"}', n, padding.text), 'UTF8')) AS x(body);
ALTER TABLE calls ADD CONSTRAINT no CHECK (hangup_cause IS DISTINCT FROM 'refused');
EOS
is_little('letters looked at',
	40, 'SELECT count(*) FROM cdr_dead_letters()', $letters);
is_little('letters refused again', 130, 'SELECT cdr_retry_dead_letters()', 0);
is($cdr->sql(q{SELECT DISTINCT attempts, sqlstate FROM dead_letters}),
	'2|23514', 'letters refused again: the attempt and its reason');
$cdr->sql('ALTER TABLE calls DROP CONSTRAINT no');
is_little('letters recorded',
	130, 'SELECT cdr_retry_dead_letters()', $letters);
is_little('large events verified',
	120, 'SELECT count(*) FROM cdr_verify_calls()', 0);
is_little('a history of a large event',
	200, q{SELECT count(*) FROM cdr_call_history('letter 1')}, 1);
$cdr->sql(
	q{INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, body_size, body)
	  SELECT gen_random_uuid(), now(), now(), 'P0001', 'large', 1, convert_to(payload::text, 'UTF8') FROM call_events WHERE call_id LIKE 'letter %'}
);
is_little(
	'letters discarded',
	40,
	'SELECT cdr_discard_dead_letters(array_agg(event_id)) FROM dead_letters',
	$letters);
is_little(
	'large rows recorded',
	130,
	q{SET work_mem = '64kB'; CALL cdr_backfill('rows', 'SELECT $$large $$ || n AS uuid, $$2026-01-19 22:00:00$$ AS end_stamp, repeat(md5(n::text), 200000) FROM generate_series(1, 16) AS n')},
	'16|16|0|0|0|0');

done_testing();
