# With synchronous replication, no message is acknowledged before the standby
# has it, however the wait for the standby ends; so a standby that is promoted
# lacks nothing, even while the old primary is still alive.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Fixture;
use CdrService::Oracle;
use CdrService::Util qw(soon);

# (batches take all there is)
my $cdr = CdrService::Fixture->new(
	'sync',
	streaming => 1,
	config    => "cdr_service.heartbeat = '2s'\n"
	  . "cdr_service.batch_linger = '500ms'\n");
my $standby = $cdr->standby('sync_standby');
my $oracle  = CdrService::Oracle->new($cdr);
my $worker =
  q{FROM pg_stat_activity WHERE backend_type = 'cdr_service worker'};
my $waiting = "count(*) = 1 $worker AND wait_event = 'SyncRep'";
# (what folds the rollup waits for the standby, too, and may be due before a batch)
my $folding = "$worker AND query LIKE '%folding%' AND wait_event = 'SyncRep'";

$cdr->set('synchronous_standby_names' => 'sync_standby');
$oracle->publish(100);
$oracle->is_satisfied('with the standby');
my $replicated = $oracle->sent;
my $answered   = $oracle->messages;

# --- the standby is down: the commit waits, and nothing is acknowledged
# whatever becomes of the wait

# (what is_satisfied made is dropped as its session ends: a commit, too, which would
# wait for the standby, and the stop of the server for that)
$cdr->wait_for(
	q{count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend'}
);
$cdr->sql(<<'EOC');
CREATE FUNCTION drop_letter() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER drop_letter BEFORE INSERT ON dead_letters
	FOR EACH ROW EXECUTE FUNCTION drop_letter();
EOC
$standby->stop;
$oracle->publish(100);
# (a letter that a trigger drops is nothing to write, either)
$cdr->publish('no event');
$cdr->wait_for($waiting);
my $owed = $oracle->messages - $answered + 1;
is($cdr->broker->owed, $owed, 'nothing is acknowledged during the wait');

foreach my $function ('pg_cancel_backend', 'pg_terminate_backend')
{
	my $received = $cdr->status('received');
	my $log      = $cdr->log_size;

	$cdr->sql("SELECT $function(pid) $worker");
	$cdr->node->wait_for_log(
		qr/canceling (the )?wait for synchronous replication/, $log);
	# the messages come again, and the next commit waits, too: though it has
	# nothing to write
	$cdr->wait_for("received > $received OR (SELECT"
		  . " count(pg_cancel_backend(pid)) < 0 $folding) FROM cdr_status()");
	$cdr->wait_for($waiting);
	is($cdr->broker->owed, $owed, "$function: nothing is acknowledged");
	like(
		$cdr->status('last_error_sqlstate || last_error'),
		qr/^57014wait for a synchronous standby was cancelled/,
		"$function: the reason is told");
}

cmp_ok($cdr->stop_fast, '<', soon(2),
	'a fast stop: the worker is gone in less than two seconds');
is($cdr->broker->left_over, $owed, 'fast stop: nothing is acknowledged');
$cdr->node->start;
$cdr->wait_for($waiting);
my $stored = $cdr->events;
cmp_ok($stored, '>', $replicated,
	'events are committed that the standby has not');

# --- the standby takes over, without them; the old primary comes back to life

my $old = bless {%$cdr}, ref $cdr;

$old->freeze;
$standby->start;
is($standby->safe_psql('postgres', 'SELECT count(*) FROM call_events'),
	$replicated, 'the standby: they are missing');
$cdr->fail_over_to($standby);
$oracle->publish(100);
$old->thaw;
$oracle->publish(100);
$oracle->is_satisfied('promoted');
is($old->events, $stored, 'the old primary has nothing that is missing here');
$old->wait_for($waiting);
pass('it still waits for its standby');

$old->node->stop('immediate');
$cdr->nothing_left('promoted');

done_testing();
