# SIGTERM ends a worker within a second, whatever it is doing.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::FakeBroker;
use CdrService::Fixture;
use CdrService::Util qw(soon);

my $cdr = CdrService::Fixture->new('sigterm', extension => 0);
my $uri = $cdr->broker->uri;

# Terminates the worker in the state that it is in, and waits for the next.
sub ends_within_a_second
{
	my ($name) = @_;
	my $pid = $cdr->status('pid');

	cmp_ok($cdr->terminate_worker, '<', soon(1),
		"$name: SIGTERM ends the worker within a second");
	$cdr->wait_for("pid <> $pid FROM cdr_status()");
	return;
}

# --- waiting for its extension: cdr_status() is not there to tell

my $waiting =
  q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'cdr_service worker' AND datname = 'postgres'};
$cdr->wait_for("count(*) = 1 FROM ($waiting) AS w");
cmp_ok($cdr->terminate_worker($cdr->sql($waiting)),
	'<', soon(1), 'waiting for extension: SIGTERM ends the worker within a second');

# --- consuming

$cdr->sql('CREATE EXTENSION cdr_service');
$cdr->wait_for_state('consuming');
ends_within_a_second('consuming, idle');
$cdr->wait_for_state('consuming');

my $session = $cdr->session;
$session->query('BEGIN; LOCK TABLE calls');
$cdr->publish(simple_events(30));
$cdr->wait_for(
	q{count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'cdr_service worker' AND wait_event_type = 'Lock'}
);
ends_within_a_second('storing, waiting for a lock');
$cdr->wait_for_state('waiting for tables');
ends_within_a_second('waiting for tables');
$session->query('ROLLBACK');
$cdr->wait_drained(30);

$session->query('BEGIN; LOCK TABLE calls');
$cdr->publish(simple_events(30, 'again'));
$cdr->wait_for_state('retrying');
ends_within_a_second('retrying');
$session->query('ROLLBACK');
$session->quit;
$cdr->wait_drained(60);

# --- connecting to a server that never answers

my $mute = CdrService::FakeBroker->mute;
$cdr->set('cdr_service.amqp_uri' => 'amqp://guest:guest@127.0.0.1:'
	  . $mute->port
	  . '/');
$cdr->wait_for_state('connecting');

# (for the next worker: this one has no time for a reload)
my $half = CdrService::FakeBroker->half_message;
$cdr->set('cdr_service.amqp_uri' => 'amqp://guest:guest@127.0.0.1:'
	  . $half->port
	  . '/');
ends_within_a_second('connecting to a mute server');

# --- half a message received

$half->wait_until_sent;
$cdr->wait_for_state('consuming');
ends_within_a_second('half a message received');

# --- backing off

$half->wait_until_sent;
$half->stop;
$cdr->wait_for_state('backing off');
ends_within_a_second('backing off');
$mute->stop;

# --- not configured

$cdr->set('cdr_service.amqp_uri' => '');
$cdr->wait_for_state('not configured');
ends_within_a_second('not configured');

# --- paused

my @pids = $cdr->worker_pids;
$cdr->sql('SELECT cdr_pause()');
$cdr->wait_until_paused(@pids);
ends_within_a_second('paused');

# --- and it all still works

$cdr->sql('SELECT cdr_resume()');
$cdr->set('cdr_service.amqp_uri' => $uri);
$cdr->wait_for_state('consuming');
$cdr->publish(simple_events(30, 'after'));
$cdr->wait_drained(90);
$cdr->stored_is(90, 'after all this');

done_testing();
