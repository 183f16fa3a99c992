# Logical replication, for a warehouse or a move to another server: a publication
# for all tables holds up nothing, and a subscriber has the same rows, whether
# it gets them by the root of the partitions or one by one.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;
use CdrService::RandomCalls qw(random_events count_distinct);
use CdrService::Util        qw(poll);

my $cdr = CdrService::Fixture->new('publisher', streaming => 'logical');
my $subscriber = CdrService::Fixture->new(
	'subscriber',
	broker    => 0,
	extension => 0,
	config    => "wal_retrieve_retry_interval = '100ms'\n");

# An event so far from the others that it has no partition.
sub far_event
{
	my ($call, $time) = @_;

	return
	  qq({"eventType":"call.started","callId":"$call","timestamp":"$time"});
}

sub rows
{
	my ($fixture, $database) = @_;

	# not the last line, which counts partitions
	return $fixture->contents($database) =~ s/\n\d+$//r;
}

# Does the subscriber come to have what the publisher has?
sub same_in
{
	my ($database, $name) = @_;
	my $expected = rows($cdr);

	# if it never does, the comparison below shows what is missing
	eval {
		poll(sub { rows($subscriber, $database) eq $expected },
			'the subscriber');
	};

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(rows($subscriber, $database), $expected, "$database: $name: the same");
	is( $subscriber->sql(
			'SELECT count(*) FROM cdr_verify_calls()', $database),
		0,
		"$database: $name: the calls are right");
	return is(
		$subscriber->sql(
			'SELECT * FROM cdr_verify_rollup() LIMIT 10', $database),
		'',
		"$database: $name: the rollup is right");
}

# Makes the partitions that the publisher has, as a DBA does who gets them one by
# one.
sub copy_partitions
{
	my $missing = $cdr->sql(<<'EOC');
SET TimeZone = 'UTC';
SELECT format('CREATE TABLE IF NOT EXISTS %I PARTITION OF call_events %s;',
			  relname, pg_get_expr(relpartbound, oid))
FROM pg_class WHERE relispartition AND relkind = 'r' AND relname <> 'call_events_default'
EOC
	$subscriber->sql("SET client_min_messages = warning; $missing",
		'one_by_one');
	return;
}

# --- a publication for all tables is in nobody's way

my @messages = random_events(25, 100);

$cdr->sql(
	'CREATE PUBLICATION by_root FOR ALL TABLES WITH (publish_via_partition_root)'
);
$cdr->sql('CREATE PUBLICATION one_by_one FOR ALL TABLES');
$cdr->publish(@messages, 'not an event',
	far_event('far', '2031-03-05T10:00:00Z'));
$cdr->wait_drained(count_distinct(@messages) + 1);
$cdr->wait_for('count(*) = 1 FROM dead_letters');

is( $cdr->sql(
		q{SELECT cdr_create_partitions('2031-01-10 00:00+00', '2031-01-11 00:00+00')}
	),
	1,
	'a partition is made');

# and the worker makes its own
my $next = $cdr->sql(<<'EOC');
SELECT relname FROM pg_class
WHERE relispartition AND relkind = 'r'
AND relname = 'call_events_' || to_char((date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month'), 'YYYYMMDD')
EOC
isnt($next, '', 'there is a partition for the next month');
$cdr->sql("DROP TABLE $next");
$cdr->node->restart;
$cdr->wait_for("to_regclass('$next') IS NOT NULL");
$cdr->wait_for_state('consuming');
$cdr->status_is('last_error', '', 'the worker has made it again');

# (and none for the late events below, which who gets them one by one would lack)
$cdr->set('cdr_service.partition_interval' => 'none');

# --- initial copy

my $publisher = $cdr->node->connstr . ' dbname=postgres';
foreach my $name ('by_root', 'one_by_one')
{
	$subscriber->sql("CREATE DATABASE $name");
	$subscriber->sql('CREATE EXTENSION cdr_service', $name);
	copy_partitions() if $name eq 'one_by_one';
	$subscriber->sql(
		"SET client_min_messages = warning; CREATE SUBSCRIPTION $name CONNECTION '$publisher application_name=$name' PUBLICATION $name",
		$name);
	same_in($name, 'what was there');
}

# --- what is recorded while it runs, and the calls that it changes

$cdr->publish(simple_events(300, 'live'));
$cdr->wait_drained(count_distinct(@messages) + 301);
same_in($_, 'what is recorded meanwhile') foreach 'by_root', 'one_by_one';

# --- partitions that are made meanwhile: for what comes, and for what lies in
# the default partition, from where it moves

is( $cdr->sql(
		q{SET cdr_service.partition_interval = 'month'; SELECT cdr_create_partitions('2031-02-01', '2031-03-31')}
	),
	2,
	'two partitions are made, one of them for an event that is there');
is( $cdr->sql(
		q{SELECT tableoid::regclass FROM call_events WHERE call_id = 'far'}),
	'call_events_20310301',
	'which has moved');
$cdr->publish(
	far_event('near', '2031-02-05T10:00:00Z'),
	far_event('far',  '2031-03-06T10:00:00Z'));
$cdr->wait_drained(count_distinct(@messages) + 303);
same_in('by_root', 'in partitions that are made meanwhile');

# (who gets them one by one has to make them, too, and asks for their rows)
$subscriber->sql( <<'EOC', 'one_by_one');
SELECT cdr_create_partitions('2031-02-01', '2031-03-31');
TRUNCATE call_events_20310201, call_events_20310301;
EOC
$subscriber->sql('ALTER SUBSCRIPTION one_by_one REFRESH PUBLICATION',
	'one_by_one');
same_in('one_by_one', 'in partitions that are made meanwhile');

# --- what a DBA erases, and dead letters that go

$cdr->sql(<<'EOC');
DELETE FROM call_events WHERE call_id LIKE 'live-00000%';
DELETE FROM calls WHERE call_id LIKE 'live-00000%';
SELECT cdr_discard_dead_letters(array_agg(event_id)) FROM dead_letters;
EOC
same_in($_, 'what is erased') foreach 'by_root', 'one_by_one';

# --- the subscriber can take over

foreach my $name ('by_root', 'one_by_one')
{
	$subscriber->sql("DROP SUBSCRIPTION $name", $name);
	$subscriber->carries_on(
		$name,
		$subscriber->contents($name),
		far_event('far', '2031-03-05T10:00:00Z'),
		(simple_events(300, 'live'))[299]);
}
$cdr->status_is('last_error', '', 'the publisher has met no error');
$cdr->nothing_left('in the end');

done_testing();
