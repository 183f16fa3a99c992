# An event of a type that shapes calls, but without a call id or a time that can
# be read, is kept, and never looks like success: it is counted and told.
# (Case 46: a producer renames a field, or wraps its events.)

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(case_messages simple_events);
use CdrService::Fixture;

my $cdr = CdrService::Fixture->new('without', config => "fsync = on\n");

sub level_is
{
	my ($check, $level, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(
		$cdr->sql(qq{SELECT level FROM cdr_health WHERE "check" = '$check'}),
		$level, $name);
}

$cdr->publish(simple_events(30));
$cdr->wait_drained(30);
$cdr->status_is(
	"without_call || ' ' || without_time",
	'0 0',
	'of ordinary events, none lacks anything');

$cdr->publish(case_messages('46-call-events-without-a-call'));
$cdr->wait_for('without_call = 2 FROM cdr_status()');
pass('events that shape calls, but name none, are counted');
like(
	$cdr->status('last_error'),
	qr/event of type "call\.(started|ended)" names no call/,
	'and told');
level_is('without_call', 'warning', 'and a warning');
is($cdr->sql("SELECT count(*) FROM call_events WHERE call_id = ''"),
	2, 'and kept');
$cdr->wait_for("status = 'STARTED' FROM calls WHERE call_id = 'snake-1'");
pass('the third of them is a CloudEvent, which names one');

$cdr->publish(
	{
		key  => 'call.started',
		body =>
		  '{"eventType": "call.started", "callId": "late-1", "timestamp": "yesterday"}'
	});
$cdr->wait_for("count(*) = 1 FROM call_events WHERE call_id = 'late-1'");
$cdr->wait_for('without_time >= 1 FROM cdr_status()');
level_is('without_time', 'warning',
	'a time that cannot be read is counted, and a warning');

$cdr->sql('SELECT cdr_stats_reset()');
level_is('without_call', 'ok', 'after a reset, all is well');
level_is('without_time', 'ok', 'with both');
$cdr->publish(simple_events(30, 'after'));
$cdr->wait_for("count(*) = 64 FROM call_events");
$cdr->status_is(
	"without_call || ' ' || without_time",
	'0 0',
	'and stays so, with ordinary events');
$cdr->nothing_left('without a call');

done_testing();
