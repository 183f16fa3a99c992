# A message that comes again changes nothing: whether the producer sends it
# again, or the broker does because it heard no acknowledgement, before or
# after the events were committed.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $cdr    = CdrService::Fixture->new('redelivery', streaming => 1);
my @events = simple_events(600);
# without a time of its own, an event is known by its bytes alone
push @events,
  map { qq({"eventType":"call.held","callId":"timeless-$_"}) } 1 .. 50;
my $calls_are =
  q{SELECT md5(string_agg(c::text, ' ' ORDER BY call_id)) FROM calls AS c};

$cdr->publish(@events);
$cdr->wait_drained(650);
$cdr->wait_for('recorded = 650 FROM cdr_status()');
my $calls = $cdr->sql($calls_are);

# --- the producer sends all of it again, and some of it twice in one batch

$cdr->publish(@events, reverse @events);
$cdr->wait_for('duplicates = 1300 FROM cdr_status()');
$cdr->stored_is(650, 'sent again');
is($cdr->sql($calls_are), $calls, 'sent again: no call has changed');
$cdr->status_is('recorded', 650, 'sent again: nothing counts as recorded');

# --- the worker dies before it could commit: the broker delivers again

my $session = $cdr->session;
my @more    = simple_events(300, 'uncommitted');
$session->query('BEGIN; LOCK TABLE call_events IN SHARE MODE');
$cdr->publish(@more);
$cdr->wait_for_state('retrying');
$cdr->terminate_worker;
$session->query('ROLLBACK');
$cdr->wait_drained(950);
$cdr->stored_is(950, 'uncommitted');

# --- what comes again is not acknowledged before the commit that recorded it
# is where it should be: the first worker dies waiting for a standby that does
# not exist, the next one must wait for it, too

my $waiting =
  q{FROM pg_stat_activity WHERE backend_type = 'cdr_service worker' AND wait_event = 'SyncRep'};

$cdr->wait_for_state('consuming');
$cdr->set('synchronous_standby_names' => 'nobody');
$cdr->publish(simple_events(1, 'recorded, not replicated'));
$cdr->wait_for("count(*) = 1 $waiting");
my $first = $cdr->sql("SELECT pid $waiting");
$cdr->terminate_worker;
$cdr->wait_for("count(*) = 1 $waiting AND pid <> $first");
is($cdr->events, 951, 'recorded, not replicated: the event is there');
$cdr->set('synchronous_standby_names' => '');
$cdr->wait_drained(951);
$cdr->stored_is(951, 'recorded, not replicated');

# --- the worker dies after the commit, before the acknowledgement: here, as
# it waits for a synchronous standby that does not exist

$cdr->wait_for_state('consuming');
$cdr->sql('SELECT cdr_stats_reset()');
$cdr->set('synchronous_standby_names' => 'nobody');
$cdr->publish(simple_events(300, 'unacknowledged'));
$cdr->wait_for(
	q{count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'cdr_service worker' AND wait_event = 'SyncRep'}
);
my $log = $cdr->log_size;
$cdr->terminate_worker;
$cdr->node->wait_for_log(qr/canceling the wait for synchronous replication/,
	$log);
cmp_ok($cdr->events, '>', 951, 'unacknowledged: events are committed');
$cdr->set('synchronous_standby_names' => '');
$cdr->wait_drained(1251);
$cdr->wait_for('duplicates > 0 FROM cdr_status()');
$cdr->stored_is(1251, 'unacknowledged');
$cdr->wait_for('recorded + duplicates >= 300 FROM cdr_status()');
$cdr->nothing_left('redelivery');

done_testing();
