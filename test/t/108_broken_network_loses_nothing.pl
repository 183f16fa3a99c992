# The network between the worker and the broker breaks in every way: nothing is
# lost, nothing is stored twice, and the worker notices in time and can be ended
# meanwhile.

use strict;
use warnings FATAL => 'all';

use IO::Socket::INET;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use CdrService::Amqp qw(method);
use CdrService::Fixture;
use CdrService::Oracle;
use CdrService::Proxy;
use CdrService::Util qw(poll repository soon);

use constant HEARTBEAT => 2;

# names are looked up where nobody answers
my $dns = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'udp')
  or die "could not listen: $!";
local $ENV{CDR_TEST_DNS_PORT} = $dns->sockport;
local $ENV{LD_PRELOAD}        = repository() . '/test/tools/silent_dns.so';

my $cdr = CdrService::Fixture->new(
	'network',
	config => 'cdr_service.heartbeat = ' . HEARTBEAT . "\n"
	  . "cdr_service.batch_size = 20\n");
delete $ENV{LD_PRELOAD};

my $broker = $cdr->broker;
my $direct = $broker->uri;
my $oracle = CdrService::Oracle->new($cdr);
my $proxy  = CdrService::Proxy->new($broker);

$cdr->set('cdr_service.amqp_uri' => $proxy->uri);
$cdr->wait_for(
	"state = 'consuming' AND host = '127.0.0.1:" . $proxy->port . "' FROM cdr_status()");

# Waits until the worker has lost the session, and returns how many seconds
# that took.
sub seconds_until_lost
{
	my ($before) = @_;
	my $started = time;

	$cdr->wait_for("reconnects > $before OR state IN ('backing off', 'connecting') FROM cdr_status()");
	return time - $started;
}

# Waits until the worker consumes in another session than before.
sub wait_for_reconnect
{
	my ($before) = @_;

	return $cdr->wait_for(
		"reconnects > $before AND state = 'consuming' FROM cdr_status()");
}

# --- an acknowledgement is written, and never arrives

my $duplicates = $cdr->status('duplicates');
$proxy->stall(CdrService::Proxy::TO_BROKER);
$oracle->publish(100);
$oracle->wait_for_progress($oracle->sent);
poll(sub { $proxy->held(CdrService::Proxy::TO_BROKER) > 0 },
	'acknowledgements on their way');
$proxy->cut;
$proxy->pass;
$oracle->is_complete('acknowledgements that are lost');
my $sent = $oracle->sent;
$cdr->wait_for("duplicates - $duplicates >= $sent FROM cdr_status()");
pass('all came again, and changed nothing');

# --- a reset in the middle of something, wherever that is

foreach my $bytes (1, 60, 120, 300, 20_000)
{
	my $before = $cdr->status('reconnects');

	$proxy->reset(CdrService::Proxy::TO_WORKER, $bytes);
	$oracle->start(40);
	poll(sub { $proxy->broken }, "a reset after $bytes bytes");
	wait_for_reconnect($before);
	$oracle->finish;
}
$oracle->is_complete('a reset after 1 to 20,000 bytes');

# --- a broker that has forgotten what it delivered

my $before = $cdr->status('reconnects');
$oracle->start(100, rate => 500);
$proxy->inject(method(1, 60, 80, pack('Q> C', 999_999, 0)));
$cdr->wait_for("last_error LIKE '%406 PRECONDITION%' FROM cdr_status()");
wait_for_reconnect($before);
$oracle->is_complete('an acknowledgement that the broker does not accept');

# --- a black hole: no error, no end, just nothing any more

$oracle->start(100, rate => 200);
$oracle->wait_for_progress($oracle->sent - 200);
$before = $cdr->status('reconnects');
$proxy->stall;
my $seconds = seconds_until_lost($before);
cmp_ok($seconds, '<', soon(2 * HEARTBEAT + 2),
	'a black hole is noticed after two heartbeats');
note sprintf 'a black hole was noticed after %.1f seconds', $seconds;
$cdr->status_is('left(last_error_sqlstate, 2)', '08', 'and told');
$proxy->cut;
$proxy->pass;
$oracle->is_complete('a black hole');

# --- the broker reads nothing any more, but goes on sending

$oracle->start(100, rate => 400);
$proxy->stall(CdrService::Proxy::TO_BROKER);
$oracle->wait_for_progress($oracle->sent - 200);
poll(sub { $proxy->held(CdrService::Proxy::TO_BROKER) > 0 },
	'acknowledgements that wait');
cmp_ok($cdr->terminate_worker, '<', soon(1),
	'a broker that does not read: SIGTERM ends the worker within a second');
$proxy->cut;
$proxy->pass;
$oracle->is_complete('a broker that does not read');

# --- a byte at a time, for longer than two heartbeats

$before = $cdr->status('reconnects');
$proxy->trickle(500);
$oracle->publish(30);
my $since = $cdr->sql('SELECT now()');
my $pid   = $cdr->status('pid');
$cdr->wait_for("now() > '$since'::timestamptz + interval '5 s'");
$cdr->status_is('state || reconnects',
	"consuming$before", 'while bytes trickle, the session lives');
$proxy->pass;
$oracle->is_complete('a trickle that ended');
$cdr->status_is("pid || ' ' || reconnects",
	"$pid $before", 'without another session');
$proxy->trickle(500);
$oracle->publish(30);
cmp_ok($cdr->terminate_worker, '<', soon(1),
	'a trickle: SIGTERM ends the worker within a second');
$proxy->pass;
$oracle->is_complete('a trickle');

# --- no server of names answers

$oracle->start(50, rate => 100);
$cdr->set('cdr_service.amqp_uri' =>
	  $proxy->uri =~ s/127\.0\.0\.1/no-such-host.example/r);
$cdr->wait_for_state('connecting');
my $started = time;
$cdr->sql('CREATE DATABASE barrier');
$cdr->sql('DROP DATABASE barrier');
my $barrier = time - $started;
$cdr->wait_for("state = 'backing off' FROM cdr_status()");
like(
	$cdr->status('last_error'),
	qr/could not look up host "no-such-host\.example"/,
	'a host that cannot be looked up is told');
$cdr->wait_for_state('connecting');
my $ended = $cdr->terminate_worker;
cmp_ok($ended,   '<', soon(4), 'a lookup ends after a second for each server');
cmp_ok($barrier, '<', soon(4), 'and DROP DATABASE waits no longer than that');
note sprintf 'SIGTERM took %.1f seconds, DROP DATABASE %.1f', $ended,
  $barrier;
$cdr->set('cdr_service.amqp_uri' => $direct);
# (of each of these, too: they have calls of their own)
$oracle->is_satisfied('a lookup without an answer');

$cdr->nothing_left('network');
$proxy->stop;

done_testing();
