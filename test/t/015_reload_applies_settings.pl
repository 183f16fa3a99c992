# A reload applies changed settings: of the broker, with one reconnect; all
# others without any.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $cdr       = CdrService::Fixture->new('reload');
my $pid       = $cdr->status('pid');
my $consuming = qr/consuming from queue/;
my $log       = $cdr->log_size;

# Publishes events and waits for them: a worker that stores what was published
# after a reload has applied it.
my $stored = 0;

sub store_some
{
	my ($name) = @_;

	$cdr->publish(simple_events(30, $name));
	$stored += 30;
	return $cdr->wait_for("count(*) >= $stored FROM call_events");
}

# --- not of the broker

$cdr->set('cdr_service.batch_size' => 3, 'cdr_service.batch_linger' => 1);
my $batches = $cdr->status('batches');
store_some('other settings');
$cdr->wait_for("batches >= $batches + 10 FROM cdr_status()");
pass('a changed batch_size is applied');
$cdr->set('cdr_service.max_event_size' => 2048);
$cdr->publish('{"eventType":"call.big","callId":"' . 'x' x 3000 . '"}');
$cdr->wait_for('count(*) = 1 FROM dead_letters');
pass('a changed max_event_size is applied');
$cdr->node->reload;
store_some('no change');
$cdr->status_is('reconnects', 0,
	'no reconnect for settings that are not of the broker');
is($cdr->log_matches($consuming, $log), 0, 'and the log agrees');

# --- of the broker

$cdr->sql('SELECT cdr_stats_reset()');
my $reconnects = 0;

foreach my $setting (
	[ 'cdr_service.prefetch',     20 ],
	[ 'cdr_service.heartbeat',    20 ],
	[ 'cdr_service.queue',        'another.queue' ],
	[ 'cdr_service.binding_keys', 'call.*' ])
{
	my ($name, $value) = @$setting;

	$cdr->set($name => $value);
	$reconnects++;
	$cdr->wait_for(
		"reconnects >= $reconnects AND state = 'consuming' FROM cdr_status()"
	);
	store_some($name);
	# a second reload without a change, and one of another setting
	$cdr->set('cdr_service.batch_size' => 10 + $reconnects);
	store_some("$name again");
	$cdr->status_is('reconnects', $reconnects, "$name: one reconnect");
}
is($cdr->log_matches($consuming, $log), $reconnects, 'and the log agrees');
$cdr->status_is('queue',      'another.queue', 'the new queue is consumed');
$cdr->status_is('last_error', '',              'a reload is no error');
$cdr->status_is('pid',        $pid, 'the worker is still the same process');
$cdr->stored_is($stored, 'reload');
$cdr->broker->amqp([ 'delete-queue', 'another.queue' ]);

done_testing();
