# Events of times that have no partition get one, made by the worker between
# batches; within bounds, so that nobody's clock makes thousands of them.

use strict;
use warnings FATAL => 'all';

use POSIX qw(strftime);
use Test::More;

use CdrService::Fixture;

my $cdr = CdrService::Fixture->new('late_events',
	config => "cdr_service.partition_interval = 'day'\n");
$cdr->wait_for_state('consuming');

my $made = 0;

# As many events of one moment.
sub events_of
{
	my ($count, $time) = @_;

	return map {
		my $number = $made++;
		qq({"eventType":"call.answered","callId":"c$number","timestamp":"$time"})
	} 1 .. $count;
}

sub day
{
	my ($days_ago) = @_;

	return strftime('%Y-%m-%d', gmtime(time() - $days_ago * 86_400));
}

# Whether a day has a partition.
sub has_partition
{
	my ($day) = @_;

	(my $name = "call_events_$day") =~ tr/-//d;
	return "to_regclass('$name') IS NOT NULL";
}

my $stored = 0;

sub store
{
	my @events = @_;

	$cdr->publish(@events);
	$stored += @events;
	$cdr->wait_for("(SELECT count(*) = $stored FROM call_events)");
	return;
}

# That none of the events from one time to another are in the default partition.
sub moved
{
	my ($from, $until) = @_;

	return 'NOT EXISTS (SELECT FROM call_events_default'
	  . " WHERE event_time >= '$from Z' AND event_time < '$until Z')";
}

my $partitions = 'SELECT count(*) FROM pg_inherits'
  . " WHERE inhparent = 'call_events'::regclass";

# --- of late: one event is enough, and rows move

store(
	events_of(3, day(20) . 'T12:00:00Z'),
	events_of(1, day(200) . 'T00:00:00Z'));
$cdr->wait_for(has_partition(day(20)));
$cdr->wait_for(has_partition(day(200)));
is($cdr->sql('SELECT count(*) FROM call_events_default'),
	0, 'late events lie in partitions of their own');

# --- of any other time: not for a few

my $before = $cdr->sql($partitions);
store(
	map {
		my $year = $_;
		map { events_of(1, sprintf('%04d-%02d-05T00:00:00Z', $year, $_)) }
		  1 .. 12
	} 1960 .. 2010,
	2040 .. 2090);
store(events_of(1, day(30) . 'T12:00:00Z'));
$cdr->wait_for(has_partition(day(30)));
is($cdr->sql($partitions) - $before,
	1, 'times of somebody with a wrong clock get no partitions');

# --- but for an import of old events

store(events_of(1000, '2001-05-05T05:05:05Z'));
store(events_of(1,    '2001-05-05T05:05:06Z'));
$cdr->wait_for(has_partition('2001-05-05'));
pass('a thousand events of any day do');

# --- nobody waits for it

my $reader = $cdr->session;
$reader->query('BEGIN; SELECT count(*) FROM call_events_default');
my $log = $cdr->log_size;
store(events_of(5, day(40) . 'T12:00:00Z'));
$cdr->node->wait_for_log(qr/canceling statement due to lock timeout/, $log);
store(events_of(5, day(50) . 'T12:00:00Z'));
store(events_of(5, day(1) . 'T12:00:00Z'));
pass('events are stored while somebody reads the default partition');
$reader->query('COMMIT');
$reader->quit;
$cdr->wait_for(has_partition($_)) foreach day(40), day(50), day(1);
pass('and lie in their partitions when he is done');

# --- none is forgotten, however many there are

$reader = $cdr->session;
$reader->query('BEGIN; SELECT count(*) FROM call_events_default');
store(map { events_of(1, day($_) . 'T12:00:00Z') } 300 .. 360);
$reader->query('COMMIT');
$reader->quit;
$cdr->node->reload;
$cdr->wait_for(moved(day(360), day(299)));
is( $cdr->sql(
		'SELECT ' . join(' AND ', map { has_partition(day($_)) } 300 .. 360)),
	't',
	'each of the many days that came at once has its partition');

# --- one that cannot be made keeps no other from being made; nor do checks that
# are deferred

$cdr->sql(sprintf <<'EOS', day(60));
CREATE FUNCTION refuse_attach() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() AS c
		WHERE pg_get_expr((SELECT relpartbound FROM pg_class AS p JOIN pg_inherits AS i ON i.inhrelid = p.oid
			WHERE i.inhparent = 'public.call_events'::regclass ORDER BY p.oid DESC LIMIT 1), 0) LIKE '%%FROM (''%s%%')
	THEN
		RAISE EXCEPTION 'not this one';
	END IF;
END $$;
CREATE EVENT TRIGGER refuse_attach ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION refuse_attach();
CREATE FUNCTION check_later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON call_events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_later();
EOS
$log = $cdr->log_size;
store(
	events_of(1, day(60) . 'T12:00:00Z'),
	events_of(1, day(70) . 'T12:00:00Z'));
$cdr->node->wait_for_log(qr/not this one/, $log);
store(events_of(1, day(80) . 'T12:00:00Z'));
$cdr->wait_for(has_partition(day($_))) foreach 70, 80;
is($cdr->sql('SELECT ' . has_partition(day(60))),
	'f', 'one that cannot be made keeps no other from being made');
$cdr->sql('DROP EVENT TRIGGER refuse_attach');
$cdr->node->reload;
$cdr->wait_for(has_partition(day(60)));
pass('it is made at once after a reload');

# --- nor does one that would never be made keep readers, or events, for long

$cdr->make_endless('take_its_time', returns => 'event_trigger');
$cdr->sql(<<'EOS');
CREATE EVENT TRIGGER take_its_time ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION take_its_time();
EOS
$log = $cdr->log_size;
store(events_of(1, day(90) . 'T12:00:00Z'));
store(events_of(1, day(1) . 'T13:00:00Z'));
is($cdr->sql('SELECT count(*) > 0 FROM call_events_default'),
	't', 'one that takes its time keeps neither events nor readers');
$cdr->node->wait_for_log(
	qr/could not make partitions|canceling statement due to statement timeout/,
	$log);

# also where it hears no cancel: the worker ends, and makes none for a while
$cdr->make_endless('take_its_time', returns => 'event_trigger', deaf => 1);
$log = $cdr->log_size;
store(events_of(1, day(100) . 'T12:00:00Z'));
$cdr->node->wait_for_log(qr/stuck with making partitions/, $log);
$log = $cdr->log_size;
store(events_of(1, day(110) . 'T12:00:00Z'));
store(events_of(1, day(1) . 'T14:00:00Z'));
is($cdr->log_matches(qr/stuck with making partitions/, $log),
	0, 'a worker that was stuck with it does not try again soon');
$cdr->sql('DROP EVENT TRIGGER take_its_time');
$cdr->node->reload;
$cdr->wait_for(has_partition(day(110)));
pass('and is made when its time is over');

# --- an interval that has partitions already, but not for all of its time: they
# were made by hand, or the interval was shorter then

my $month = strftime('%Y-%m', gmtime(time() - 250 * 86_400));
store(events_of(1, "$month-10T12:00:00Z"));
$cdr->wait_for(has_partition("$month-10"));
$cdr->sql(
	q{CREATE TABLE x_first PARTITION OF call_events FOR VALUES FROM ('2003-06-01Z') TO ('2003-06-03Z')}
);
my $next =
  q{(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC'};
$cdr->sql("SELECT cdr_create_partitions($next, $next)");
$cdr->set('cdr_service.partition_interval' => 'month');
$cdr->wait_for(
	q{current_setting('cdr_service.partition_interval') = 'month' AND (SELECT level = 'ok' FROM cdr_health WHERE "check" = 'partitions')}
);
is( $cdr->sql("SELECT cdr_create_partitions(now(), $next + interval '25 days')"),
	0, 'also the next one is made, where its first day has a partition');

store(
	events_of(1,    "$month-20T12:00:00Z"),
	events_of(1,    "$month-21T12:00:00Z"),
	events_of(1100, '2003-06-20T12:00:00Z'));
$cdr->wait_for(moved("$month-01", "$month-28"));
is( $cdr->sql(
		"SELECT tableoid::regclass, count(*) FROM call_events WHERE event_time BETWEEN '$month-20Z' AND '$month-22Z' GROUP BY 1"
	),
	'call_events_' . ($month =~ tr/-//dr) . '11|2',
	'what is left of an interval gets a partition');
$cdr->wait_for(moved('2003-06-01', '2003-07-01'));
is($cdr->sql('SELECT ' . has_partition('2003-06-03')),
	't', 'also beside one that was made by hand');
is( $cdr->sql('SELECT ' . has_partition("$month-01")),
	'f', 'and none is made where no event lies');

is($cdr->sql('SELECT count(*) FROM cdr_verify_calls()'),
	0, 'the calls are those of the log');
$cdr->nothing_left('late events');
done_testing();
