# A time has one value in every spelling that has one meaning only; one that was
# never set is none, and one that cannot be read is told, never replaced in
# silence.  test/cases has events as they were reported in public.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(case_messages);
use CdrService::Fixture;

my $cdr    = CdrService::Fixture->new('spellings', config => "fsync = on\n");
my $stored = 0;

sub publish_all
{
	my (@messages) = @_;

	$cdr->publish(@messages);
	$stored += @messages;
	$cdr->wait_drained($stored);
	$cdr->wait_for("recorded = $stored FROM cdr_status()");
	return;
}

# How many events were told so far to have no time of their own, or one that
# cannot be read: reported after the events are there.
sub without_time_is
{
	my ($count, $name) = @_;

	$cdr->wait_for("without_time >= $count FROM cdr_status()");
	$cdr->status_is('without_time', $count, $name);
	return;
}

# --- numbers

publish_all(case_messages('02-epoch-times'));
is( $cdr->sql(
		q{SELECT call_id, start_time AT TIME ZONE 'UTC', duration_seconds, billable_seconds, status, disposition
		  FROM calls ORDER BY call_id COLLATE "C"}),
	join("\n",
		map { "epoch-$_|2026-03-02 10:00:00|60|55|COMPLETED|ANSWERED" }
		  qw(gregorian ms ms-text s)),
	'numbers: times, durations and what is billed are those of the text');
is($cdr->sql(q{SELECT DISTINCT time_source FROM call_events}),
	'b', 'numbers: they are the times of the events');
without_time_is(0, 'numbers: none of them is told to lack a time');

# --- other spellings

publish_all(case_messages('09-other-spellings-of-a-time'));
is( $cdr->sql(
		q{SELECT call_id, event_time AT TIME ZONE 'UTC' FROM call_events
		  WHERE call_id LIKE 'iso-%' AND time_source = 'b' ORDER BY call_id COLLATE "C"}
	),
	join("\n",
		'iso-basic|2026-03-02 10:00:00',
		'iso-comma|2026-03-02 10:00:00.125',
		'iso-go|2026-03-02 10:00:00.125',
		'iso-java-zone|2026-03-02 10:00:00',
		'iso-no-seconds|2026-03-02 10:00:00',
		'iso-zoneless|2026-03-02 10:00:00'),
	'spellings: all that have one meaning');
is( $cdr->sql(
		q{SELECT time_source, event_time = received_at FROM call_events WHERE call_id = 'iso-nonsense'}
	),
	'r|t',
	'spellings: a word that is no time is kept, at the time of receipt');
without_time_is(1, 'spellings: and counted');
like(
	$cdr->status('last_error'),
	qr/event of type "call\.started" has a time that cannot be read/,
	'spellings: and told');

# --- times that were never set

publish_all(case_messages('03-times-never-set'));
is( $cdr->sql(
		q{SELECT duration_seconds, COALESCE(billable_seconds, 0) FROM calls WHERE call_id = 'unset-answer'}
	),
	'30|0',
	'never set: an answer of 1970 bills nothing');
is( $cdr->sql(
		q{SELECT billable_seconds FROM calls WHERE call_id = 'unset-start'}),
	'25',
	'never set: a start of 1970 changes nothing of what is billed');
is( $cdr->sql(
		q{SELECT call_id, event_type, event_time = received_at FROM call_events
		  WHERE time_source = 'r' AND call_id LIKE 'unset-%' ORDER BY call_id}),
	"unset-answer|call.answered|t\nunset-start|call.started|t",
	'never set: the time of receipt is in its place, and marked as that');
is( $cdr->sql(
		q{SELECT count(*) FROM calls WHERE least(start_time, answer_time, first_event_time) < '2000-01-01'}
	),
	0,
	'never set: no call has a time of 1970');
without_time_is(3, 'never set: counted');

# --- the AMQP property, where the body has no time: s, ms, us and ns

my %properties = (
	'amqp-s'    => '1772445600',
	'amqp-ms'   => '1772445600125',
	'amqp-us'   => '1772445600125001',
	'amqp-ns'   => '1772445600125001000',
	'amqp-1970' => '1',
	'amqp-9999' => '253402300799');

publish_all(
	map {
		{
			key        => 'call.started',
			properties => "timestamp=$properties{$_}",
			body => qq({"callId": "$_", "timestamp": "1970-01-01T00:00:00Z"})
		}
	} sort keys %properties);
is( $cdr->sql(
		q{SELECT call_id, event_time AT TIME ZONE 'UTC' FROM call_events
		  WHERE time_source = 'p' ORDER BY event_time, call_id}),
	join("\n",
		'amqp-1970|1970-01-01 00:00:01',
		'amqp-s|2026-03-02 10:00:00',
		'amqp-ms|2026-03-02 10:00:00.125',
		'amqp-ns|2026-03-02 10:00:00.125001',
		'amqp-us|2026-03-02 10:00:00.125001',
		'amqp-9999|9999-12-31 23:59:59'),
	'property: every unit, in the place of a time that was never set');
without_time_is(3, 'property: an event that has one lacks no time');

publish_all(
	map {
		{
			key        => 'call.started',
			properties => "timestamp=$_",
			body       => qq({"callId": "amqp-none-$_"})
		}
	} '0',
	'253402300800',
	'20260302100000',
	'18446744073709551615');
is( $cdr->sql(
		q{SELECT count(*) FROM call_events
		  WHERE call_id LIKE 'amqp-none-%' AND time_source = 'r' AND event_time = received_at}
	),
	4,
	'property: one that was never set, or that means no time, is none');
without_time_is(7, 'property: and counted');

publish_all(
	{
		key        => 'call.started',
		properties => 'timestamp=1772445600125',
		body       => '{"callId": "amqp-nonsense", "timestamp": "yesterday"}'
	});
is( $cdr->sql(
		q{SELECT time_source, event_time AT TIME ZONE 'UTC' FROM call_events WHERE call_id = 'amqp-nonsense'}
	),
	'p|2026-03-02 10:00:00.125',
	'property: in the place of a time that cannot be read');
without_time_is(8, 'property: which is counted all the same');

# --- the log alone gives the same calls

my $calls  = 'SELECT c::text FROM calls AS c ORDER BY call_id COLLATE "C"';
my $before = $cdr->sql($calls);

is($cdr->sql('SELECT count(*) FROM cdr_verify_calls()'), 0, 'verified');
$cdr->sql('DELETE FROM calls; SELECT cdr_rebuild_calls()');
is($cdr->sql($calls), $before, 'rebuilt from the log');

# --- nor is any of them another event when it comes again, but for its receipt

my $events = $cdr->events;
my $total  = 'SELECT sum(event_count) FROM calls';
my $count  = $cdr->sql($total);

$cdr->publish(map { case_messages($_) } '02-epoch-times',
	'03-times-never-set', '09-other-spellings-of-a-time');
$cdr->wait_for("duplicates = 25 FROM cdr_status()");
is($cdr->events,      $events, 'what comes again is known');
is($cdr->sql($total), $count,  'and is counted once');

is($cdr->sql('SELECT count(*) FROM dead_letters'), 0, 'no dead letter');
$cdr->nothing_left('spellings');

done_testing();
