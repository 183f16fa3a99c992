# A broker that sends without an end, whatever it is that it sends: the worker's
# memory stays as it is, and it sees a reload, a pause, SIGTERM and the end of
# the postmaster as if nothing were.
#
# CDR_TEST_FLOOD_SECONDS is how long each flood goes on before that (default: 2).

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use CdrService::Amqp
  qw(frame method deliver header body message table heartbeat);
use CdrService::FakeBroker;
use CdrService::Fixture;
use CdrService::Util qw(poll soon);

use constant {
	START_OK => CdrService::Amqp::CONNECTION_START_OK,
	QOS      => CdrService::Amqp::BASIC_QOS,
};

# Megabytes that a flood may take.
use constant { ROOM => 60 };

my $seconds = $ENV{CDR_TEST_FLOOD_SECONDS} || 2;
my $cdr     = CdrService::Fixture->new('floods',
	config => "cdr_service.heartbeat = '2s'\n");
my $real = $cdr->broker->uri;

# What a process holds for itself, in megabytes.
sub resident
{
	my ($pid) = @_;

	return (slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m)[0] /
	  1024;
}

# A function that sends the first, and then the second without an end.
sub without_end
{
	my ($first, $again) = @_;
	my $piece = $again x (1 + int(500_000 / length $again));

	return sub {
		my ($write) = @_;

		$write->($first);
		$write->($piece) while 1;
	};
}

# Deliveries without an end, each with a tag of its own, of bodies that are
# given.
sub deliveries
{
	my (%option) = @_;
	my $tag      = 0;
	my $header   = header(0, %{ $option{header} || {} });

	return sub {
		my ($write) = @_;

		while (1)
		{
			$write->(
				join '',
				map { deliver(++$tag) . ($option{before} || '') . $header }
				  1 .. 500);
		}
	};
}

my $alarm = method(0, 10, 60, pack('C/a', 'low on memory'));
my $calm  = method(0, 10, 61, '');
my $half  = deliver(1) . header(2**62);

# Each flood, where it begins, and what becomes of the session: it goes on, or
# is ended with a reason.
my @floods = (
	[ 'heartbeats',            { send => without_end('', heartbeat()) } ],
	[ 'alarms and their ends', { send => without_end('', $alarm . $calm) } ],
	[
		'empty pieces of a body',
		{ send => without_end($half, body('') . heartbeat()) }
	],
	[ 'small pieces of a body', { send => without_end($half, body('x')) } ],
	[
		'a body in the largest frames',
		{ send => without_end($half, body('x' x 131_064)) }
	],
	[
		'heartbeats in the login',
		{ answers => { START_OK() => without_end('', heartbeat()) } },
		'does not answer'
	],
	[
		'alarms before the consumer',
		{ answers => { QOS() => without_end('', $alarm) } },
		'does not answer'
	],
	[ 'messages with nothing in them', { send => deliveries() } ],
	[
		'messages with heartbeats before each header',
		{ send => deliveries(before => heartbeat() x 100) }
	],
	[
		'cancellations',
		{
			send =>
			  without_end('', method(1, 60, 30, pack('C/a C', 'tag', 1)))
		},
		'cancelled the consumer'
	],
	[
		'requests to stop the flow',
		{ send => without_end('', method(1, 20, 20, chr 0)) },
		'unexpected method'
	],
	[
		'methods that nobody knows',
		{ send => without_end('', method(1, 99, 99, '')) },
		'unexpected method'
	],
	[
		'closed channels',
		{
			send => without_end(
				'', method(1, 20, 40, pack('n C/a n n', 504, 'no', 0, 0)))
		},
		'504 no'
	],);

# Has the worker consume from a fake, whatever state it gets to.
sub turn_to
{
	my ($fake, $title) = @_;
	my $started = time;

	$cdr->set('cdr_service.amqp_uri' => $fake->uri);
	$fake->wait_until_met;
	cmp_ok(time - $started, '<', soon(2), "$title: a reload is seen");
	return;
}

sub is_paused
{
	my ($title) = @_;
	my $started = time;

	$cdr->sql('SELECT cdr_pause()');
	$cdr->wait_for("bool_and(state = 'paused') FROM cdr_status()");
	cmp_ok(time - $started, '<', soon(2), "$title: a pause is seen");
	$cdr->sql('SELECT cdr_resume()');
	return;
}

foreach my $flood (@floods)
{
	my ($title, $script, $reason) = @$flood;
	my ($fake, $next) =
	  map { CdrService::FakeBroker->scripted($script) } 1 .. 2;

	# (whom the last one met may have been the worker before it ended)
	$cdr->wait_for('pid IS NOT NULL FROM cdr_status()');
	my ($pid) = $cdr->worker_pids;
	my $idle = resident($pid);
	$cdr->set('cdr_service.amqp_uri' => $fake->uri);
	$fake->wait_until_met;
	my ($peak, $until) = (0, time + $seconds);
	poll(
		sub {
			my $now = resident($pid);
			$peak = $now if $now > $peak;
			return time >= $until;
		},
		'the flood to have lasted',
		0.02);
	cmp_ok($peak - $idle, '<', ROOM, "$title: memory stays as it is");
	note sprintf '%s: %.1f MB, at most %.1f MB', $title, $idle, $peak;
	turn_to($next, $title);
	if ($reason)
	{
		$cdr->wait_for("last_error ~ '$reason' FROM cdr_status()");
		pass("$title: told");
	}
	is(($cdr->worker_pids)[0], $pid, "$title: it is the same process");
	is_paused($title);
	$next->wait_until_met;
	cmp_ok($cdr->terminate_worker, '<', soon(1), "$title: SIGTERM ends it");
	$next->wait_until_met;
	$_->stop foreach $fake, $next;
}

# A broker that does not heed the prefetch, while nothing can be stored: what is
# small ends the session, what is large is given back before.  (A slow machine may
# keep the fake from sending for a while: that is not to end it.)
$cdr->set('cdr_service.heartbeat' => '60s');
foreach my $flood (
	[ 'small messages', qr/more than the 4000 messages/, {} ],
	[
		'messages with many headers',
		qr/dead_letters|lock timeout/,
		{
			flags      => 1 << 13,
			properties => table(map { ($_ => 'V') } 10_000 .. 23_000)
		}
	])
{
	my ($title, $reason, $header) = @$flood;
	my $fake = CdrService::FakeBroker->scripted(
		{ send => deliveries(header => $header) });

	# (the one before may have ended just now)
	$cdr->wait_for('pid IS NOT NULL FROM cdr_status()');
	my ($pid)   = $cdr->worker_pids;
	my $idle    = resident($pid);
	my $session = $cdr->session;

	$session->query('BEGIN; LOCK TABLE dead_letters IN SHARE MODE');
	$cdr->set('cdr_service.amqp_uri' => $fake->uri);
	my $peak = 0;
	poll(
		sub {
			my $now = resident($pid);
			$peak = $now if $now > $peak;
			return $cdr->status('state') =~
			  /^(?:backing off|waiting to store)$/;
		},
		'the session to end',
		0.02);
	cmp_ok($peak - $idle, '<', 250, "$title above the prefetch: memory");
	note sprintf '%s: %.1f MB, at most %.1f MB', $title, $idle, $peak;
	like($cdr->status('last_error'), $reason, "$title: told");
	$session->quit;
	$cdr->set('cdr_service.amqp_uri' => $real);
	$cdr->wait_for_state('consuming');
	$fake->stop;
}

# The end of the postmaster, in the midst of it.
foreach my $flood (@floods[ 0, 4, 5 ])
{
	my ($title, $script) = @$flood;
	my $fake = CdrService::FakeBroker->scripted($script);

	$cdr->set('cdr_service.amqp_uri' => $fake->uri);
	$fake->wait_until_met;
	my ($pid) = $cdr->worker_pids;
	my $started = time;
	$cdr->node->kill9;
	poll(sub { !kill 0, $pid }, 'the worker to end');
	cmp_ok(time - $started, '<', soon(2),
		"$title: the postmaster's end is seen");
	$cdr->node->append_conf('postgresql.conf',
		"cdr_service.amqp_uri = '$real'");
	poll(sub { $cdr->node->start(fail_ok => 1) }, 'the server to start');
	$fake->stop;
}

$cdr->set('cdr_service.amqp_uri' => $real);
$cdr->wait_for_state('consuming');
$cdr->publish('{"eventType":"call.started","callId":"after"}');
$cdr->wait_for("count(*) = 1 FROM call_events WHERE call_id = 'after'");
pass('and it all still works');

done_testing();
