# What the broker refuses is seen in cdr_status(), with SQLSTATE and time, and
# cured without a restart; several servers are tried in turn.

use strict;
use warnings FATAL => 'all';

use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $cdr    = CdrService::Fixture->new('trouble');
my $broker = $cdr->broker;
my $port   = $broker->port;
my $vhost  = $broker->vhost;
my $dead   = PostgreSQL::Test::Cluster::get_free_port();

# Sets amqp_uri and waits for what comes of it.
sub trouble_is
{
	my ($uri, $sqlstate, $error, $name) = @_;
	my $before = $cdr->sql('SELECT clock_timestamp()');

	$cdr->set('cdr_service.amqp_uri' => $uri);
	$cdr->wait_for(
		"state = 'backing off' AND last_error_time > '$before' FROM cdr_status()"
	);
	$cdr->status_is('last_error_sqlstate', $sqlstate, "$name: SQLSTATE");
	like($cdr->status('last_error'), $error, "$name: message");
	$cdr->status_is(
		"since BETWEEN '$before' AND clock_timestamp() AND unhealthy_since <= since AND backlog IS NULL",
		't',
		"$name: since when, and that there is no session");
	return;
}

sub cured
{
	my ($uri, $name) = @_;

	$cdr->set('cdr_service.amqp_uri' => $uri);
	$cdr->wait_for_state('consuming');
	return pass("$name: cured by a reload");
}

# --- refused

trouble_is($broker->uri(password => 'wrong-secret'),
	'28000',
	qr/^could not connect to broker at 127\.0\.0\.1:$port as user "guest", vhost "$vhost": .*ACCESS_REFUSED/,
	'wrong password');
cured($broker->uri, 'wrong password');
trouble_is("amqp://guest:guest\@127.0.0.1:$port/no-such-vhost",
	'08004', qr/ as user "guest", vhost "no-such-vhost": .*NOT_ALLOWED/,
	'no such virtual host');
trouble_is(
	"amqp://guest:guest\@127.0.0.1:$dead/$vhost", '08001',
	qr/at 127\.0\.0\.1:$dead as user "guest", vhost "$vhost": .*refused/i, 'nobody listens');
trouble_is(
	"amqp://guest:guest\@no-such-host.invalid/$vhost", '08001',
	qr/no-such-host\.invalid/,                         'no such host');
trouble_is("amqps://127.0.0.1:$port/$vhost", '28000',
	qr/names no user to log in as at 127\.0\.0\.1 HINT: Name one, as in/,
	'nobody, without a certificate');
cured($broker->uri, 'all of these');

# a missing queue, where nothing may be declared
$cdr->set('cdr_service.declare' => 'never', 'cdr_service.queue' => 'missing');
$cdr->wait_for_state('backing off');
like($cdr->status('last_error'),
	qr/NOT_FOUND.*'missing'/, 'declare = never: the missing queue is named');
$cdr->status_is('last_error_sqlstate', '42704', 'declare = never: SQLSTATE');
ok(!eval { $broker->amqp([ 'count', 'missing' ]); 1 },
	'declare = never: nothing was declared');
$cdr->set(
	'cdr_service.declare' => 'missing',
	'cdr_service.queue'   => CdrService::Broker::QUEUE);
$cdr->wait_for_state('consuming');

# not configured at all
$cdr->set('cdr_service.amqp_uri' => '');
$cdr->wait_for_state('not configured');
pass('without amqp_uri the worker waits for one');

# --- several servers

my $down = "amqp://guest:guest\@127.0.0.1:$dead/$vhost";
cured("$down, " . $broker->uri, 'the first of two servers is down');
$cdr->status_is('host', "127.0.0.1:$port", 'the second one is used');
like(
	$cdr->status('warning'),
	qr/^could not connect to broker at 127\.0\.0\.1:$dead as user "guest", vhost "$vhost": .*refused/,
	'and the one that is down is told');
$cdr->publish(simple_events(30));
$cdr->wait_drained(30);
$cdr->stored_is(30, 'several servers');

# --- lost

cured($broker->uri, 'one server again');
$cdr->wait_for('warning IS NULL FROM cdr_status()');
$broker->close_connections(0, 1);
$cdr->wait_for("last_error LIKE 'lost broker%' FROM cdr_status()");
like(
	$cdr->status('last_error'),
	qr/^lost broker at 127\.0\.0\.1:$port as user "guest", vhost "$vhost": .*CONNECTION_FORCED/,
	'a connection that was lost: where, and as whom');
$cdr->wait_for_state('consuming');

done_testing();
