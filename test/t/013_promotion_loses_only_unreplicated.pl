# What asynchronous replication costs when a standby takes over: exactly the
# events that the old primary acknowledged and did not get across, before it
# was cut off, or after it came back to life beside the new one.  (012: with
# synchronous replication, none.)

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;
use CdrService::Oracle;
use CdrService::Util qw(repository poll);

my $cdr = CdrService::Fixture->new(
	'old_primary',
	streaming => 1,
	config    => "cdr_service.heartbeat = '2s'\ncdr_service.prefetch = 50\n");
my $standby = $cdr->standby('new_primary');
my $oracle  = CdrService::Oracle->new($cdr);
my $old     = bless {%$cdr}, ref $cdr;

# How many events only the old primary has.
sub only_on_old
{
	my @events = map {
		{
			map { $_ => 1 } split /\n/,
			  $_->sql('SELECT event_id FROM call_events')
		}
	} $old, $cdr;

	return scalar grep { !$events[1]{$_} } keys %{ $events[0] };
}

# What is lost to the new primary is what only the old one has.
sub is_lost
{
	my ($name) = @_;
	my $lost   = only_on_old();
	my $answer = $oracle->figures;

	is( join(', ', map { "$_ $answer->{$_}" }
			  qw(lost duplicated unexpected differing)),
		"lost $lost, duplicated 0, unexpected 0, differing 0",
		"$name: the oracle");
	note "$name: " . $oracle->sent . " events, $lost on the old primary only";
	return $lost;
}

# --- the link between the two is cut, and the primary goes on

$oracle->publish(100);
$oracle->is_satisfied('replicated');
my $replicated = $oracle->sent;
$old->node->wait_for_catchup($standby);
$standby->append_conf('postgresql.conf', "primary_conninfo = ''");
$standby->reload;
$old->wait_for('count(*) = 0 FROM pg_stat_replication');
$oracle->publish(100);
$oracle->is_satisfied('acknowledged, not replicated');
my $unreplicated = $oracle->sent - $replicated;

# --- the primary freezes, and the standby takes over

$old->freeze;
$cdr->fail_over_to($standby);
$oracle->publish(100);
$cdr->wait_drained($oracle->sent - $unreplicated);
$old->thaw;
is(is_lost('promoted'), $unreplicated,
	'promoted: what was acknowledged and not replicated is lost');

# --- both are alive, and share the queue: two histories, each with a part

poll(sub { ($cdr->broker->count)[1] == 2 }, 'the old primary to consume');
$oracle->publish(1000);
poll(sub { $cdr->broker->owed == 0 }, 'both to take the rest');
cmp_ok(is_lost('two writers'), '>', $unreplicated,
	'two writers: what the old primary consumes is lost to the new one');

# --- what doc/operate.md says brings that over

{
	my ($plan) = slurp_file(repository() . '/doc/operate.md') =~
	  /^\d\. \*\*What is lost\*\*(.*?)^\d\. /ms;
	my @commands = map { s/^ +//gmr } grep { /^ {7}/ } split /\n\n/, $plan;
	my $file = PostgreSQL::Test::Utils::tempdir('lost') . '/lost.copy';

	is(scalar @commands, 2, 'the commands are found');
	s/lost\.copy/$file/, s/'2026-[^']*'/'-infinity'/ foreach @commands;
	$old->sql($commands[0]);
	my $lost = only_on_old();
	is($cdr->sql($commands[1]), $lost, 'what is lost is recorded');
	is(is_lost('brought over'), 0, 'brought over: nothing is lost any more');
}

# --- a queue with a single active consumer has one writer: as long as that
# one holds its connection

my $queue = 'one.writer';
$cdr->broker->amqp(
	[ 'declare-queue', $queue, 'x-single-active-consumer=true' ]);
foreach my $server ($cdr, $old)
{
	$server->set('cdr_service.queue' => $queue);
	$server->wait_for(
		"queue = '$queue' AND state = 'consuming' FROM cdr_status()");
}
is(($cdr->broker->count($queue))[1], 2, 'one writer: both are consumers');
my ($on_new, $on_old) = ($cdr->events, $old->events);
$cdr->publish(simple_events(300, 'one writer'));
$cdr->wait_for("count(*) >= $on_new + 300 FROM call_events");
is($old->events, $on_old, 'one writer: one of them stores all');

my @pids = $cdr->worker_pids;
$cdr->sql('SELECT cdr_pause()');
$cdr->wait_until_paused(@pids);
$cdr->publish(simple_events(300, 'the other'));
$old->wait_for("count(*) >= $on_old + 300 FROM call_events");
pass('one writer: when it goes, the other takes over');

$cdr->broker->amqp([ 'delete-queue', $queue ]);

done_testing();
