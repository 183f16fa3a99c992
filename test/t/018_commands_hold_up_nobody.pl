# Signals and commands at a bad moment: nobody is kept waiting, nothing is lost.
#
# CDR_TEST_ROUNDS (8) says how often the worker or the server is stopped.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use CdrService::FakeBroker;
use CdrService::Fixture;
use CdrService::Oracle;
use CdrService::Util qw(poll soon);

my $rounds = $ENV{CDR_TEST_ROUNDS} || 8;

my $cdr = CdrService::Fixture->new('commands',
	config => "cdr_service.batch_size = 20\ncdr_service.prefetch = 500\n"
	  . "deadlock_timeout = '500ms'\n");
my $uri    = $cdr->broker->uri;
my $oracle = CdrService::Oracle->new($cdr);
my $worker =
  q{FROM pg_stat_activity WHERE backend_type = 'cdr_service worker'};
my $locked = "count(*) = 1 $worker AND wait_event_type = 'Lock'";

# Does something, and says how many seconds it took.
sub seconds
{
	my ($action) = @_;
	my $began = time;

	$action->();
	return time - $began;
}

# Is there such a process, that has not ended?  (An orphan that has may wait for
# a while until somebody looks after it.)
sub is_running
{
	my ($process) = @_;

	return eval { slurp_file("/proc/$process/stat") =~ /\) [^ZX]/ };
}

# --- DROP DATABASE waits until every process has heard of it

my $bystander = 0;
$cdr->sql("CREATE DATABASE bystander$_") foreach 1 .. 6;

sub drop_is_quick
{
	my ($name)   = @_;
	my $database = 'bystander' . ++$bystander;
	my $took     = seconds(sub { $cdr->sql("DROP DATABASE $database") });

	cmp_ok($took, '<', soon(2), "$name: another database is dropped at once");
	return note sprintf '%s: %.2f s', $name, $took;
}

$oracle->start(400);
$cdr->wait_for('batches > 5 FROM cdr_status()');
drop_is_quick('storing a backlog');
$oracle->finish;

my $session = $cdr->session;
$session->query('BEGIN; LOCK TABLE calls');
$oracle->publish(10);
$cdr->wait_for($locked);
drop_is_quick('waiting for a lock');
$cdr->wait_for_state('retrying');
drop_is_quick('retrying');
$session->query('ROLLBACK');
$session->quit;
$cdr->wait_for_state('consuming');

$cdr->set('cdr_service.batch_linger' => '3s');
my $received = $cdr->status('received');
$oracle->publish(1);
$cdr->wait_for("received > $received FROM cdr_status()");
drop_is_quick('lingering');
$cdr->set('cdr_service.batch_linger' => '5ms');

my $mute = CdrService::FakeBroker->mute;
$cdr->set('cdr_service.amqp_uri' => 'amqp://guest:guest@127.0.0.1:'
	  . $mute->port
	  . '/');
$cdr->wait_for_state('connecting');
drop_is_quick('connecting');
$mute->stop;
$cdr->wait_for_state('backing off');
drop_is_quick('backing off');
$cdr->set('cdr_service.amqp_uri' => $uri);

# (016: once paused, the worker lets its own database go)
like(
	$cdr->error_of('DROP DATABASE postgres', 'template1'),
	qr/being accessed by other users.*There is 1 other session/s,
	'the own database is not dropped under the worker');
$oracle->is_complete('DROP DATABASE');

# --- a storm of reloads: none changes anything, then each changes a setting

sub reload_storm
{
	my ($count, $change) = @_;
	my $storm = $cdr->session;

	$cdr->sql('SELECT cdr_stats_reset()');
	$oracle->start(150, rate => 600);
	foreach my $i (1 .. $count)
	{
		my $loaded = $storm->query('SELECT pg_conf_load_time()');

		$change->($storm, $i);
		$storm->query('SELECT pg_reload_conf()');
		poll(sub { $storm->query('SELECT pg_conf_load_time()') ne $loaded },
			'the server to reload');
	}
	$storm->quit;
	$oracle->is_complete("$count reloads");
	return $cdr->status('reconnects');
}

is(reload_storm(100, sub { }),
	0, 'reloads without a change: not one reconnect');

# the password lies in a file, which is another one each time
my $file = $cdr->node->data_dir . '/password';
foreach my $name ($file, "$file.new")
{
	open my $password, '>', $name or die "$name: $!";
	print $password "guest\n";
	close $password;
	chmod 0600, $name;
}
my $reconnects = reload_storm(
	50,
	sub {
		my ($storm, $i) = @_;
		my $name = $i % 2 ? $file : "$file.new";

		$storm->query(
			'ALTER SYSTEM SET cdr_service.prefetch = ' . (500 + $i));
		$storm->query(
			"ALTER SYSTEM SET cdr_service.amqp_password_file = '$name'");
	});
cmp_ok($reconnects, '>=', 1,  'reloads with a change: it is applied');
cmp_ok($reconnects, '<=', 50, 'with one reconnect for each at most');
note "50 changes: $reconnects reconnects";
my $log = $cdr->log_size;
$cdr->sql('ALTER SYSTEM RESET ALL');
$cdr->node->reload;
$cdr->node->wait_for_log(qr/consuming from queue/, $log);

# --- a storm of cancels: batches fail, and are tried again

$cdr->sql('SELECT cdr_stats_reset()');
$oracle->start(200, rate => 700);
my $storm   = $cdr->session;
my $cancels = 0;
# (as fast as the server answers; on, should all have come between two batches)
while ($cancels < 200
	|| $cancels < 5000 && $cdr->status('last_error_sqlstate') ne '57014')
{
	$storm->query("SELECT pg_cancel_backend(pid) $worker");
	next if ++$cancels % 200;
	$oracle->finish;
	$oracle->start(200, rate => 700);
}
$storm->quit;
$cdr->status_is('last_error_sqlstate', '57014', 'cancels: batches fail');
$oracle->is_complete('200 cancels');
# (what is cancelled in its commit is not acknowledged, and comes again)
cmp_ok($cdr->status('reconnects'),
	'<', 20, 'cancels: hardly any costs the session');

# --- the worker is terminated, the server stopped, fast and at once

my @slow;

$oracle->start(50 * $rounds, rate => 200);
foreach my $round (1 .. $rounds)
{
	my $way  = ('terminate', 'terminate', 'fast', 'immediate')[ $round % 4 ];
	my $took = seconds(
		sub {
			$way eq 'terminate'
			  ? $cdr->terminate_worker
			  : $cdr->node->stop($way);
		});

	push @slow, sprintf '%.2f s for %s', $took, $way if $took > soon(2);
	$cdr->node->start unless $way eq 'terminate';
	$cdr->forget_crashes if $way eq 'immediate';
	# at work, or, on a slow machine, done with all that was published by now
	$cdr->wait_for(
		q{pid IS NOT NULL AND (batches > 0 OR state = 'consuming' AND backlog = 0) FROM cdr_status()}
	);
	$cdr->sql('SELECT cdr_stats_reset()');
}
is("@slow", '', "$rounds stops: each takes two seconds at most");
$oracle->is_complete("$rounds stops");

# --- another process dies by kill -9, and the server starts all anew

my $victim = $cdr->session;
my $pid    = $victim->query('SELECT pg_backend_pid()');
$log = $cdr->log_size;
$oracle->start(200, rate => 1000);
$cdr->wait_for('batches > 5 FROM cdr_status()');
kill 'KILL', $pid;
$cdr->node->wait_for_log(qr/all server processes terminated; reinitializing/,
	$log);
$oracle->is_complete('kill -9 of another backend');

# --- the postmaster dies by kill -9, with a backlog of many batches: the
# worker does not outlive it, and so a new server can start

$cdr->hold_back('', '~');
$cdr->set('cdr_service.batch_size' => 1);
$oracle->publish(400);
$cdr->wait_for_state('retrying');
($pid) = $cdr->worker_pids;
my $before = $cdr->events;
$cdr->let_through;
$cdr->wait_for("count(*) > $before FROM call_events");
my $postmaster = $cdr->postmaster_pid;
$cdr->node->kill9;
my $outlived = seconds(
	sub {
		poll(sub { !is_running($pid) }, 'the worker to go');
	});
cmp_ok($outlived, '<', soon(2), 'kill -9 of the postmaster: the worker goes, too');
note sprintf 'kill -9 of the postmaster: %.2f s', $outlived;
$cdr->node->append_conf('postgresql.conf', 'cdr_service.batch_size = 50');
poll(sub { !kill 0, $postmaster }, 'the number of the postmaster to be free');
$cdr->node->start;
note sprintf '%d of %d events were stored by then', $cdr->events,
  $oracle->sent;
# (of each of these, too: they have calls of their own)
$oracle->is_satisfied('kill -9 of the postmaster');

# --- the extension is updated to a version that this library does not know,
# while a batch waits for its tables: they fit, and then they do not

$session = $cdr->session;
$session->query(
	q{BEGIN; ALTER TABLE calls ADD COLUMN more text;
	  UPDATE pg_extension SET extversion = '1.1' WHERE extname = 'cdr_service'}
);
$oracle->start(100);
$cdr->wait_for($locked);
$session->query('COMMIT');
$oracle->is_complete('another version, with tables that fit');

$log    = $cdr->log_size;
$before = $cdr->events;
$session->query('BEGIN; ALTER TABLE calls ALTER COLUMN contact_id TYPE text');
$oracle->start(100);
$cdr->wait_for($locked);
$session->query('COMMIT');
$cdr->wait_for_state('waiting for tables');
$oracle->finish;
is($cdr->events, $before,
	'another version: the batch that waited is not stored');
cmp_ok($cdr->broker->left_over,
	'>', 100, 'another version: events wait on the broker');
like(
	$cdr->status('last_error'),
	qr/contact_id.* HINT: The extension has version 1\.1, and its library 1\.0\. .*restart the server/,
	'another version: with a hint');
is($cdr->log_matches(qr/waiting for tables/, $log),
	1, 'another version: with one line in the log');
$session->query(
	q{UPDATE pg_extension SET extversion = '1.0' WHERE extname = 'cdr_service';
	  ALTER TABLE calls DROP COLUMN more, ALTER COLUMN contact_id TYPE bigint USING contact_id::bigint}
);
$session->quit;
$oracle->is_complete('another version, and back');

# --- the extension is dropped, under load, and made again

$oracle->start(200, rate => 800);
my @errors = grep { $_ ne 'no error' } map {
	$cdr->error_of(<<'EOS')
BEGIN;
DROP EXTENSION cdr_service;
ROLLBACK;
EOS
} 1 .. 20;
is("@errors", '', 'DROP EXTENSION under load: no deadlock');
$oracle->is_complete('DROP EXTENSION, rolled back');

$log    = $cdr->log_size;
$before = $cdr->events;
$oracle->start(200, rate => 800);
$cdr->wait_for("count(*) > $before FROM call_events");
$cdr->sql('DROP EXTENSION cdr_service');
$oracle->finish;
$oracle->publish(10);
cmp_ok($cdr->broker->left_over,
	'>', 0, 'DROP EXTENSION: events wait on the broker');
is($cdr->log_matches(qr/waiting for extension|ERROR|FATAL/, $log),
	1, 'DROP EXTENSION: with one line in the log');
$cdr->sql('CREATE EXTENSION cdr_service');
# (of all calls: the tables have stayed)
$oracle->is_satisfied('DROP EXTENSION, and created again');
$cdr->nothing_left('commands');

done_testing();
