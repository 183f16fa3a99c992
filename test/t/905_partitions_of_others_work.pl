# Partitions that others make are as good as the service's own: those that
# pg_partman makes, keeps ahead and takes away, and those made by hand, divided
# further or not.  Each event is recorded once in them, too.
#
# pg_partman is tested where its version 4.7 is installed, which Debian 12 has.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $cdr = CdrService::Fixture->new('partitions');

sub started
{
	my ($call, $time) = @_;

	return
		qq({"eventType": "call.started", "callId": "$call", )
	  . qq("timestamp": "$time", "from": "sip:+12025550123\@192.0.2.10", )
	  . q("to": "sip:1001@example.org"});
}

# A time so many months from now, in the midst of its month.
sub in_months
{
	my ($months) = @_;

	return $cdr->sql(
		"SELECT to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '$months months 14 days', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
	);
}

sub partition_of
{
	my ($call) = @_;

	return $cdr->sql(
		"SELECT DISTINCT tableoid::regclass FROM call_events WHERE call_id = '$call'"
	);
}

# Publishes events, and again when they are recorded.  Is each there once?
sub recorded_once
{
	my ($name, @events) = @_;
	my $before = $cdr->events;

	$cdr->publish(@events);
	$cdr->wait_drained($before + @events);
	my $duplicates = $cdr->status('duplicates');
	$cdr->publish(@events);
	$cdr->wait_for(
		'duplicates = ' . ($duplicates + @events) . ' FROM cdr_status()');

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return $cdr->stored_is($before + @events, $name);
}

# --- pg_partman

my $partman = $cdr->sql(
	q{SELECT default_version FROM pg_available_extensions WHERE name = 'pg_partman'}
);

SKIP:
{
	skip 'pg_partman is not installed', 1 if $partman eq '';
	skip "pg_partman $partman is another than 4.7", 1
	  unless $partman =~ /^4\.7\./;

	my $renaming = <<'EOC';
SELECT format('ALTER TABLE %I RENAME TO %I', relname, regexp_replace(relname, '(\d{4})(\d\d)01$', 'p\1_\2'))
FROM pg_class WHERE relispartition AND relkind = 'r' AND relname ~ '^call_events_\d{8}$' \gexec
EOC

	# A service that has been at work for a while, with rows beyond all
	# partitions.
	$cdr->sql(
		q{SELECT cdr_create_partitions(now() - interval '6 months', now())});
	recorded_once(
		'before pg_partman',
		started('now',   in_months(0)),
		started('old',   in_months(-6)),
		started('ahead', in_months(3)));
	is(partition_of('ahead'), 'call_events_default', 'an event is ahead');

	# pg_partman knows partitions by their names, and those that are there may
	# have them; it makes the default partition itself.
	my @pids = $cdr->worker_pids;
	$cdr->sql('SELECT cdr_pause()');
	$cdr->wait_until_paused(@pids);
	$cdr->sql(<<'EOC');
SET TimeZone = 'UTC';
CREATE SCHEMA partman;
CREATE EXTENSION pg_partman SCHEMA partman;
EOC
	$cdr->sql("BEGIN; $renaming" . <<'EOC');
SET LOCAL TimeZone = 'UTC';
ALTER TABLE call_events DETACH PARTITION call_events_default;
ALTER TABLE call_events_default RENAME TO former_default;
SELECT partman.create_parent('public.call_events', 'event_time', 'native', 'monthly', p_premake => 5,
	p_start_partition => (now() - interval '6 months')::text);
INSERT INTO call_events SELECT * FROM former_default;
DELETE FROM former_default;
DROP TABLE former_default;
COMMIT;
SELECT cdr_adopt_tables((SELECT relowner::regrole::name FROM pg_class WHERE oid = 'calls'::regclass));
UPDATE partman.part_config SET infinite_time_partitions = true, inherit_privileges = true;
SELECT cdr_resume();
EOC
	$cdr->wait_for_state('consuming');
	like(partition_of('ahead'), qr/^call_events_p\d{4}_\d\d$/,
		'it is in a partition of pg_partman\'s');
	$cdr->stored_is(3, 'with pg_partman');
	recorded_once(
		'with pg_partman',
		started('soon', in_months(2)),
		started('late', in_months(4)),
		simple_events(30, 'partman'));

	# ahead of need, and what is in the default partition, moved
	$cdr->publish(started('far', in_months(8)));
	$cdr->wait_drained(36);
	is(partition_of('far'), 'call_events_default', 'an event is far ahead');
	my $partitions =
	  'SELECT count(*) FROM pg_inherits WHERE inhparent = $$call_events$$::regclass';
	my $count = $cdr->sql($partitions);
	$cdr->sql(<<'EOC');
SET TimeZone = 'UTC';
SELECT partman.partition_data_time('public.call_events', 10);
UPDATE partman.part_config SET premake = 7;
SELECT partman.run_maintenance();
EOC
	cmp_ok($cdr->sql($partitions), '>', $count, 'pg_partman goes ahead');
	like(partition_of('far'),
		qr/^call_events_p/, 'and moves what was in its way');
	recorded_once('moved', started('far again', in_months(8)));
	is( $cdr->sql(
			"SELECT cdr_ingest_event('@{[started('far', in_months(8))]}')"),
		'f',
		'what was moved is known');

	# the worker has nothing to do, and does nothing
	$count = $cdr->sql($partitions);
	$cdr->node->restart;
	$cdr->wait_for_state('consuming');
	$cdr->publish(started('restarted', in_months(0)));
	$cdr->wait_drained(38);
	is($cdr->sql($partitions), $count,
		'the worker makes no other partitions');

	# Where pg_partman is late, the service makes its own, and pg_partman goes
	# on when they have its names.
	my $next = $cdr->sql(
		q{SELECT cdr_create_partitions(now() + interval '8 months', now() + interval '9 months')}
	);
	cmp_ok($next, '>', 0,
		'the service makes partitions beyond pg_partman\'s');
	my $further = <<'EOC';
SET TimeZone = 'UTC';
UPDATE partman.part_config SET premake = 12;
SELECT partman.run_maintenance();
SELECT partman.partition_gap_fill('public.call_events');
EOC
	like(
		$cdr->error_of($further),
		qr/would overlap/,
		'which are in pg_partman\'s way');
	$cdr->sql($renaming);
	$cdr->sql($further);
	is( $cdr->sql(
			q{SELECT count(*) FROM generate_series(0, 12) AS i
			WHERE NOT EXISTS (SELECT FROM pg_class WHERE relispartition
				AND pg_get_expr(relpartbound, oid) LIKE
					'%FROM (''' || to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + i * interval '1 month', 'YYYY-MM-DD') || '%')}
		),
		0,
		'together they leave no gap');

	# retention: detached, and no row is dropped by mistake
	$cdr->sql(<<'EOC');
UPDATE partman.part_config SET retention = '3 months', retention_keep_table = false;
EOC
	like(
		$cdr->error_of('SELECT partman.run_maintenance()'),
		qr/cannot drop table .* because it holds rows/,
		'retention that drops is refused');
	$cdr->sql(<<'EOC');
UPDATE partman.part_config SET retention_keep_table = true;
SELECT partman.run_maintenance();
EOC
	is( $cdr->sql(q{SELECT count(*) FROM call_events WHERE call_id = 'old'}),
		0, 'retention detaches');
	is($cdr->sql(q{SELECT count(*) FROM calls WHERE call_id = 'old'}),
		1, 'and leaves the call');
	$cdr->status_is('last_error', '', 'the service has met no error');
	$cdr->sql(<<'EOC');
DELETE FROM calls AS c
WHERE NOT EXISTS (SELECT FROM call_events AS e WHERE e.call_id = c.call_id);
DELETE FROM partman.part_config;
EOC
}

# --- by hand, as PostgreSQL's manual shows it

$cdr->sql(<<'EOC');
CREATE TABLE call_events_2031_05 PARTITION OF call_events
    FOR VALUES FROM ('2031-05-01 00:00+00') TO ('2031-06-01 00:00+00');
EOC
recorded_once('by hand', started('by-hand-1', '2031-05-05T10:00:00Z'));
is(partition_of('by-hand-1'), 'call_events_2031_05', 'there it is');
is($cdr->sql(q{SELECT event_count FROM calls WHERE call_id = 'by-hand-1'}),
	1, 'and counted once');

# --- divided further, by call and by time

$cdr->sql(<<'EOC');
CREATE TABLE events_of_2032 PARTITION OF call_events
	FOR VALUES FROM ('2032-01-01 00:00+00') TO ('2033-01-01 00:00+00')
	PARTITION BY HASH (call_id);
CREATE TABLE events_of_2032_even PARTITION OF events_of_2032
	FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE events_of_2032_odd PARTITION OF events_of_2032
	FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE events_of_2033 PARTITION OF call_events
	FOR VALUES FROM ('2033-01-01 00:00+00') TO ('2034-01-01 00:00+00')
	PARTITION BY RANGE (event_time);
CREATE TABLE events_of_2033_first PARTITION OF events_of_2033
	FOR VALUES FROM ('2033-01-01 00:00+00') TO ('2033-07-01 00:00+00');
CREATE TABLE events_of_2033_second PARTITION OF events_of_2033 DEFAULT;
EOC
recorded_once('divided by call',
	map { started("divided-$_", '2032-05-05T10:00:00Z') } 1 .. 20);
is( $cdr->sql(
		q{SELECT count(DISTINCT tableoid) FROM call_events WHERE call_id LIKE 'divided-%'}
	),
	2,
	'in both parts');
recorded_once('divided by time',
	map { started("timed-$_", "2033-${_}-05T10:00:00Z") } '05' .. '12');

# --- attached, with its columns in another order and one of them long gone

$cdr->sql(<<'EOC');
CREATE TABLE events_of_2034 (LIKE call_events);
ALTER TABLE events_of_2034 DROP COLUMN trace_id;
ALTER TABLE events_of_2034 ADD COLUMN trace_id text;
ALTER TABLE call_events ATTACH PARTITION events_of_2034
	FOR VALUES FROM ('2034-01-01 00:00+00') TO ('2035-01-01 00:00+00');
EOC
recorded_once('attached', started('attached', '2034-05-05T10:00:00Z'));

# The service makes partitions in the gaps that are left.
is( $cdr->sql(
		q{SELECT cdr_create_partitions('2031-04-15 00:00+00', '2031-06-15 00:00+00')}
	),
	2,
	'its own partitions go beside');
is( $cdr->sql(
		q{SELECT cdr_create_partitions('2032-04-15 00:00+00', '2034-06-15 00:00+00')}
	),
	0,
	'and not where others are');
$cdr->status_is('last_error', '', 'the service has met no error');
$cdr->nothing_left('in the end');

done_testing();
