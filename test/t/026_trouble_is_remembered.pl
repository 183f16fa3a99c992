# Trouble is remembered: the waits between tries grow through logins that prove
# nothing and through restarts of the worker, a reload ends them, and the status
# says since when it has been going on, and what is looked for.

use strict;
use warnings FATAL => 'all';

use Test::More;
use Time::HiRes qw(time);

use CdrService::Amqp   qw(method);
use CdrService::Events qw(simple_events);
use CdrService::FakeBroker;
use CdrService::Fixture;

my $cdr = CdrService::Fixture->new(
	'remembered',
	streaming => 1,
	config    => "cdr_service.heartbeat = '600s'\n");
my $real = $cdr->broker->uri;

# The delay that was logged last, in seconds.
sub last_delay
{
	my ($offset) = @_;
	my @delays = $cdr->log_since($offset) =~ /Next try in ([0-9.]+) seconds/g;

	return $delays[-1];
}

$cdr->status_is('unhealthy_since IS NULL',
	't', 'a worker that nothing has failed is healthy');
$cdr->wait_for('backlog = 0 AND consumers = 1 FROM cdr_status()');
$cdr->status_is(
	q{database || ' ' || host || ' ' || vhost || ' ' || "user"},
	'postgres 127.0.0.1:'
	  . $cdr->broker->port . ' '
	  . $cdr->broker->vhost
	  . ' guest',
	'where and as whom it consumes');

# --- a queue that cancels its consumer right after each login, six times, and
# then says nothing

my $cancel  = method(1, 60, 30, pack('C/a C', 'tag', 0));
my $fake    = CdrService::FakeBroker->scripted(({ send => $cancel }) x 6, {});
my $log     = $cdr->log_size;
my $before  = $cdr->status('reconnects');
my $started = time;
$cdr->set('cdr_service.amqp_uri' => $fake->uri);
$cdr->wait_for("reconnects >= $before + 5 FROM cdr_status()");
# (not before: the end of the session with the real broker is no failure that
# counts once the worker tries this one)
my $since = $cdr->status('unhealthy_since');
isnt($since, '', 'it is known since when');
cmp_ok(time - $started,
	'>=', 3, 'a queue that cancels: the waits grow, though each login works');
$cdr->status_is(
	'host',
	'127.0.0.1:' . $fake->port,
	'where it tries, also while not connected');

# --- through a restart of the worker

$cdr->wait_for_state('backing off');
my $pid = $cdr->status('pid');
$cdr->terminate_worker;
$cdr->wait_for("pid <> $pid FROM cdr_status()");
$log = $cdr->log_size;
$cdr->wait_for("state IN ('backing off', 'consuming') FROM cdr_status()");
$cdr->status_is('unhealthy_since', $since,
	'it is known since when, also after a restart of the worker');

# --- a reload tries at once, and nothing is proved by a login

$cdr->node->reload;
# (the sixth that is cancelled, or the seventh, if the worker had that already)
$cdr->wait_for("(state = 'backing off' AND reconnects >= $before + 6)"
	  . " OR reconnects >= $before + 7 FROM cdr_status()");
cmp_ok(last_delay(0), '>', 4, 'the waits go on where they were');
$started = time;
$cdr->node->reload;
$cdr->wait_for_state('consuming');
cmp_ok(time - $started, '<', 4, 'a reload tries at once');
$cdr->status_is('unhealthy_since', $since, 'a login proves nothing');
$started = time;
$cdr->wait_for('unhealthy_since IS NULL FROM cdr_status()');
cmp_ok(time - $started, '>', 30, 'but a minute without trouble does');

# --- or an acknowledgement

$cdr->set('cdr_service.amqp_uri' => 'amqp://guest@127.0.0.1:1');
$cdr->wait_for_state('backing off');
$cdr->status_is(
	"host || ' ' || \"user\"",
	'127.0.0.1:1 guest',
	'whom it cannot reach');
$cdr->set('cdr_service.amqp_uri' => $real);
$fake->stop;
$cdr->publish(simple_events(30));
$cdr->wait_drained(30);
$cdr->wait_for('unhealthy_since IS NULL FROM cdr_status()');

# --- a wait for a standby that is cancelled

$cdr->node->append_conf('postgresql.conf',
	"synchronous_standby_names = 'nobody'");
$cdr->node->restart;
$cdr->wait_for_state('consuming');
$log = $cdr->log_size;
$cdr->publish(simple_events(30, 'standby'));
$cdr->wait_for(
	"state = 'storing' AND unhealthy_since IS NOT NULL FROM cdr_status()");
pass('a batch that waits for a standby is no health');

foreach my $try (1 .. 3)
{
	$cdr->wait_for(
		"count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
	my $before = $cdr->log_size;
	$cdr->sql(
		"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
	);
	# it backs off for a moment only, which a slow machine does not see
	$cdr->node->wait_for_log(qr/the batch is not acknowledged/, $before);
}
is($cdr->log_matches(qr/is not acknowledged\n.*Next try in/, $log),
	3, 'a wait for a standby that is cancelled: it backs off');
$cdr->set(synchronous_standby_names => '');
$cdr->wait_drained(60);
$cdr->stored_is(60, 'standby');

# --- a table that is locked: no try is progress

my $session = $cdr->session;
$session->query('BEGIN; LOCK TABLE calls');
$cdr->publish(simple_events(30, 'locked'));
$cdr->wait_for_state('retrying');
$since = $cdr->status('unhealthy_since');
my %seen;
$started = time;
$seen{ $cdr->status("state || unhealthy_since") }++ while time - $started < 4;
is(join(' ', keys %seen),
	"retrying$since", 'a locked table: it retries, and is not seen storing');
$session->query('ROLLBACK');
$session->quit;
$cdr->wait_drained(90);
$cdr->wait_for('unhealthy_since IS NULL FROM cdr_status()');

# --- a table that is not where it should be

$cdr->sql('CREATE SCHEMA archive; ALTER TABLE calls SET SCHEMA archive');
$cdr->publish(simple_events(3, 'moved'));
$cdr->wait_for_state('waiting for tables');
like(
	$cdr->status('last_error'),
	qr/table public\.calls is missing HINT: Table archive\.calls may be it/,
	'a table that was moved: what is looked for, and where it is');
$cdr->sql(
	'ALTER TABLE archive.calls RENAME TO c; ALTER TABLE archive.c SET SCHEMA public'
);
$cdr->wait_for(
	"last_error LIKE '%Table public.c may be it%' FROM cdr_status()");
$cdr->sql('ALTER TABLE c RENAME TO calls');
$cdr->wait_drained(93);
pass('it goes on when the table is back');
$cdr->sql('ALTER SCHEMA public RENAME TO telephony');
$cdr->publish(simple_events(3, 'schema'));
$cdr->wait_for('count(*) = 96 FROM telephony.call_events');
is($cdr->sql('SELECT count(*) FROM telephony.cdr_verify_calls()'),
	0, 'a schema that was renamed: events are stored, and functions work');
$cdr->sql('ALTER SCHEMA telephony RENAME TO public');

# --- a database that does not exist

$cdr->node->append_conf('postgresql.conf',
	"cdr_service.database = 'nowhere'");
$cdr->node->restart;
$cdr->wait_for("last_error_sqlstate = '3D000' FROM cdr_status()");
like(
	$cdr->status('last_error'),
	qr/database "nowhere" does not exist/,
	'a database that does not exist is named');
$since = $cdr->status('unhealthy_since');
$cdr->wait_for("last_error_time > '$since'::timestamptz + interval '6 s'"
	  . ' FROM cdr_status()');
$cdr->status_is('unhealthy_since', $since,
	'through all starts, it is known since when');
is( $cdr->sql(
		q{SELECT level || ': ' || detail || ' ' || hint FROM cdr_health WHERE "check" = 'database'}
	),
	'critical: there is no database "nowhere" for the workers, and nothing is consumed'
	  . ' Create it, in UTF8, and the extension in it;'
	  . ' or name another in cdr_service.database, and restart the server.',
	'cdr_health says what to do');
$cdr->sql('CREATE DATABASE nowhere');
$started = time;
$cdr->node->reload;
$cdr->wait_for_state('waiting for extension');
cmp_ok(time - $started, '<', 4, 'a reload hurries a start, too');
like(
	$cdr->status('last_error'),
	qr/^waiting for extension "cdr_service" in database "nowhere" HINT:/,
	'a database without the extension is named');

# --- nothing is left

$cdr->node->stop;
is(join(' ', glob $cdr->node->data_dir . '/pg_stat/cdr_service*'),
	'', 'without a crash, no file remembers any');

done_testing();
