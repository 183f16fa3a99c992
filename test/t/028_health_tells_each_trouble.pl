# cdr_health tells each trouble, with what to do about it, to whoever is a member
# of pg_monitor, and nothing where there is none: so an alert is one line.

use strict;
use warnings FATAL => 'all';

use IPC::Run;
use PostgreSQL::Test::Utils qw(system_or_bail);
use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;
use CdrService::Util qw(repository);

my $cdr = CdrService::Fixture->new(
	'health',
	streaming => 1,
	config    => "fsync = on\n"
	  . "cdr_service.heartbeat = '2s'\n"
	  . "cdr_service.partition_interval = 'day'\n");
my $node = $cdr->node;
my $real = $cdr->broker->uri;

# README's alert.
my $alert = q{SELECT * FROM cdr_health WHERE level <> 'ok'};

sub alerts
{
	my ($database) = @_;

	return $cdr->sql(
		qq{SELECT string_agg(h."check" || ' ' || level, ', ' ORDER BY h."check") FROM ($alert) AS h},
		$database);
}

# Waits until this and nothing else is wrong.
sub alerts_are
{
	my ($expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	eval {
		$cdr->wait_for(
			qq{COALESCE(string_agg(h."check" || ' ' || level, ', ' ORDER BY h."check"), '') = '$expected' FROM ($alert) AS h}
		);
	} or die "$@ alerts: " . $cdr->sql($alert);
	return pass($name);
}

sub row_like
{
	my ($check, $pattern, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return like(
		$cdr->sql(
			qq{SELECT detail || ' HINT: ' || COALESCE(hint, '') FROM cdr_health WHERE "check" = '$check'}
		),
		$pattern, $name);
}

alerts_are('queue warning',
	'what the service has just declared may be misspelt');
row_like('queue', qr/was declared, and nothing has come/, 'with a reason');
$cdr->publish(simple_events(300));
$cdr->wait_drained(300);
alerts_are('', 'a service that is idle and healthy raises no alert');
is( $cdr->sql(
		'SELECT count(*) = count(DISTINCT "check") AND count(*) > 10 FROM cdr_health'
	),
	't',
	'each check has one row');

# --- who may look

$cdr->sql('CREATE ROLE watcher IN ROLE pg_monitor; CREATE ROLE stranger');
is($cdr->sql("SET ROLE watcher; SELECT count(*) FROM ($alert) AS h"),
	0, 'a member of pg_monitor may look');
like(
	$cdr->error_of("SET ROLE stranger; $alert"),
	qr/permission denied/,
	'others may not');
is( $cdr->sql(
		"BEGIN READ ONLY; SELECT count(*) FROM ($alert) AS h; ROLLBACK"),
	0,
	'a transaction that is read-only may');

# --- a pause

my @pids = $cdr->worker_pids;
$cdr->sql('SELECT cdr_pause()');
$cdr->wait_until_paused(@pids);
alerts_are('pause warning', 'a pause is a warning');
row_like('pause', qr/^paused since 20.* HINT: Run cdr_resume/, 'with a hint');
$cdr->sql('SELECT cdr_resume()');
alerts_are('', 'after it, all is well');

# --- dead letters

$cdr->publish('no event', 'neither');
alerts_are('dead_letters warning', 'a dead letter is a warning');
row_like(
	'dead_letters',
	qr/^[12]; the latest: 22P03: event is neither.* HINT: .*cdr_retry/,
	'with its number and reason');
$cdr->wait_for('count(*) = 2 FROM dead_letters');
is($cdr->sql("SET ROLE watcher; SELECT count(*) FROM ($alert) AS h"),
	1, 'also for whoever may not read them');
$cdr->sql(
	'SELECT cdr_discard_dead_letters(ARRAY(SELECT event_id FROM dead_letters))'
);
alerts_are('', 'when they are discarded, all is well');
$cdr->sql(
	q{INSERT INTO dead_letters (event_id, received_at, last_attempt_at, attempts, sqlstate, message, body_size, body)
	  SELECT gen_random_uuid(), now(), now(), 1, '22P02', 'no', 0, ''
	  FROM generate_series(1, 5000)});
row_like(
	'dead_letters',
	qr/^1000 or more; /,
	'many are not counted to the end');
$cdr->sql('DELETE FROM dead_letters');

# --- settings of the server

$cdr->set(fsync => 'off');
alerts_are('durability warning', 'fsync = off is a warning');
$cdr->set(fsync => 'on', full_page_writes => 'off');
row_like(
	'durability',
	qr/full_page_writes is off/,
	'full_page_writes = off, too');
$cdr->set(full_page_writes => 'on');
alerts_are('', 'with both on, all is well');

# --- settings of the service: what is refused leaves what was there

$cdr->set('cdr_service.binding_keys' => 'a,,b');
alerts_are('settings warning', 'a value that is refused is a warning');
row_like(
	'settings',
	qr/^refused: cdr_service\.binding_keys HINT: Look at pg_file_settings/,
	'with its name');
$cdr->status_is('state', 'consuming',
	'and the worker goes on with the other');

# ... but at the start there is none

$node->restart;
alerts_are('settings critical',
	'one that is refused at the start is critical');
$cdr->status_is(
	q{state || ': ' || last_error},
	'not configured: the value of cdr_service.binding_keys was refused when the server started',
	'the worker does not go on with the default');
$cdr->set('cdr_service.binding_keys' => '#');
$cdr->wait_for_state('consuming');
alerts_are('', 'when it is corrected, all is well');

# ... also if the command line said so, where no reload can correct it

$node->stop;
system_or_bail('pg_ctl', '-w', '-D', $node->data_dir, '-l', $node->logfile,
	'-o', '-c cdr_service.prefetch=many', 'start');
alerts_are('settings critical', 'nor with what the command line meant');
system_or_bail('pg_ctl', '-D', $node->data_dir, 'reload');
alerts_are('settings critical', 'whatever is reloaded');
system_or_bail('pg_ctl', '-w', '-D', $node->data_dir, 'stop');
$node->start;
$cdr->wait_for_state('consuming');
alerts_are('', 'a restart without it cures that');
$cdr->set('cdr_service.prefecth' => '10');
row_like(
	'settings',
	qr/^refused: cdr_service\.prefecth/,
	'a name that does not exist is told, too');
$node->adjust_conf('postgresql.conf', 'cdr_service.prefecth', undef);
$node->reload;
alerts_are('', 'without it, all is well');

# --- partitions

my $today = $cdr->sql(
	q{SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'call_events'::regclass AND inhrelid::regclass::text = to_char(now() AT TIME ZONE 'UTC', '"call_events_"YYYYMMDD')}
);
$cdr->sql("ALTER TABLE call_events DETACH PARTITION $today");
alerts_are('partitions warning',
	'events of now that go into the default partition are a warning');
$cdr->sql('ALTER TABLE call_events DETACH PARTITION call_events_default');
alerts_are('partitions critical', 'if there is none, that is critical');
row_like('partitions', qr/ HINT: Run cdr_create_partitions/, 'with a hint');
$cdr->sql("DROP TABLE $today; SELECT cdr_create_partitions(now(), now())");
$cdr->sql(
	'ALTER TABLE call_events ATTACH PARTITION call_events_default DEFAULT');
alerts_are('', 'when they are there, all is well');

# --- tables: the worker notices when it has something to store

$cdr->sql('ALTER TABLE calls RENAME TO called');
alerts_are('tables critical', 'a table that is missing is critical');
row_like(
	'tables',
	qr/^table public\.calls is missing HINT: Table public\.called may be it/,
	'with its names');
$cdr->sql('ALTER TABLE called RENAME TO calls');
alerts_are('', 'when it is back, all is well');

my $owner = $cdr->sql('SELECT current_user');
$cdr->sql("ALTER TABLE calls OWNER TO $owner");
alerts_are('tables critical', 'tables of a superuser are critical');
row_like('tables', qr/HINT: .*cdr_adopt_tables/, 'with a hint');
$cdr->sql("SELECT cdr_adopt_tables('cdr_service')");
alerts_are('', 'when they are given back, all is well');

my $session = $cdr->session;
$session->query('BEGIN; LOCK TABLE calls');
alerts_are('tables warning', 'a lock is a warning, and not waited for');
$session->query('ROLLBACK');
$session->quit;
alerts_are('', 'without it, all is well');

# --- versions and databases

$cdr->sql(
	q{UPDATE pg_extension SET extversion = '1.1' WHERE extname = 'cdr_service'}
);
alerts_are('library warning', 'another version is a warning');
row_like('library', qr/the library has version 1\.0, and the extension 1\.1/,
	'with both');
$cdr->sql(
	q{UPDATE pg_extension SET extversion = '1.0' WHERE extname = 'cdr_service'}
);
alerts_are('', 'with the same version, all is well');

$cdr->sql('CREATE DATABASE other');
$cdr->sql('CREATE EXTENSION cdr_service', 'other');
like(
	alerts('other'),
	qr/database warning/,
	'a database that no worker uses is told of there');
$cdr->sql('DROP DATABASE other');

# --- another consumer of the queue

my $other = IPC::Run::start(
	[
		repository() . '/test/tools/cdr_amqp', '--uri',
		$real,                                 'drain',
		'sentiric.cdr_service.events',         1000000
	],
	'>',
	\my $drained,
	'2>',
	\my $complaint);
alerts_are('consumers warning, queue warning',
	'another consumer is a warning');
row_like('consumers', qr/no workers of this server: 1/, 'with their number');
$other->kill_kill;
alerts_are('', 'when it is gone, all is well');

# --- a standby

my $primary = $cdr->node;
my $standby = $cdr->standby('health_standby');
$cdr->{node} = $standby;
$cdr->wait_for('pg_is_in_recovery()');
alerts_are('', 'a standby raises no alert');
row_like('workers', qr/^standby/, 'and says what it is');
$standby->stop;
$cdr->{node} = $primary;

# --- the broker cannot be reached, for a minute

$cdr->set('cdr_service.amqp_uri' => 'amqp://guest@127.0.0.1:1');
$cdr->wait_for_state('backing off');
is(alerts(), '', 'what has only begun is no alert');
alerts_are('broker warning', 'after a minute it is');
row_like(
	'broker',
	qr/worker 0 is not healthy since .*backing off \(last error: .*127\.0\.0\.1.*HINT: .*pg_reload_conf/,
	'with the reason');
$cdr->set('cdr_service.amqp_uri' => $real);
alerts_are('', 'with the broker, all is well');

# --- a worker that crashes again and again

foreach (1 .. 3)
{
	my ($pid) = $cdr->worker_pids;

	kill 'KILL', $pid;
	$cdr->wait_for(
		"pid <> $pid AND state IN ('crashed', 'consuming') FROM cdr_status()"
	);
}
is( $cdr->sql(
		"SELECT count(*) FROM cdr_status() JOIN cdr_health ON true WHERE \"check\" = 'workers' AND (state = 'crashed') <> (level = 'critical')"
	),
	0,
	'a worker that waits after crashes is critical');
$cdr->forget_crashes;
alerts_are('', 'when it consumes again, all is well');

# --- not preloaded

$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$node->restart;
alerts_are('library critical', 'without preloading it works, and says so');
is( $cdr->sql(q{SELECT level FROM cdr_health WHERE "check" = 'dead_letters'}),
	'ok', 'without preloading, tables and letters are looked at');

done_testing();
