# When only the moment is wrong, the batch is kept and tried again on the same
# connection, until everything is stored.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $cdr = CdrService::Fixture->new('transient',
		config => "cdr_service.workers = 2\ncdr_service.batch_size = 20\n"
	  . "cdr_service.prefetch = 40\ncdr_service.heartbeat = '2s'\n"
	  . "deadlock_timeout = '10ms'\n");
my $stored = 0;
my @pids   = $cdr->worker_pids;

# While the cause lasts, workers retry, with the reason; then all is stored.
sub is_ridden_out
{
	my ($name, $sqlstate, $begin, $end, @messages) = @_;
	my $log = $cdr->log_size;

	$cdr->sql('SELECT cdr_stats_reset()');
	$begin->();
	@messages = simple_events(300, $name) unless @messages;
	$cdr->publish(@messages);
	$cdr->wait_for("bool_or(state = 'retrying') FROM cdr_status()");
	is( $cdr->sql(
			q{SELECT DISTINCT last_error_sqlstate FROM cdr_status() WHERE last_error IS NOT NULL}
		),
		$sqlstate,
		"$name: the reason is told");
	is(($cdr->broker->count)[1], 2, "$name: the workers stay connected");
	is($cdr->events,             $stored, "$name: nothing is stored yet");
	$end->();
	$stored += 300;
	$cdr->wait_drained($stored);
	$cdr->stored_is($stored, $name);
	is($cdr->log_matches(qr/consuming from queue/, $log),
		0, "$name: without a reconnect");
	is($cdr->sql('SELECT count(*) FROM dead_letters'),
		0, "$name: without a dead letter");
	return;
}

my $session = $cdr->session;

# Longer than three heartbeats, without which RabbitMQ hangs up; on a
# partition, for the worker to meet in the middle of its work.
$cdr->sql(q{SELECT cdr_create_partitions('2026-03-01', '2026-03-01')});
is_ridden_out(
	'a long lock',
	'55P03',
	sub {
		$session->query(
			'BEGIN; LOCK TABLE call_events_20260301 IN SHARE MODE');
	},
	sub {
		my $since = $cdr->sql('SELECT now()');
		$cdr->wait_for(
			"bool_and(last_error_time > '$since'::timestamptz + interval '7 s') FROM cdr_status()"
		);
		is(($cdr->broker->count)[1], 2, 'a long lock: still connected');
		$session->query('ROLLBACK');
	});

# (IN SHARE MODE, this test itself may read)
foreach my $lock ('calls', 'call_events IN SHARE MODE')
{
	is_ridden_out(
		"lock on $lock",
		'55P03',
		sub { $session->query("BEGIN; LOCK TABLE $lock") },
		sub { $session->query('ROLLBACK') });
}

# one row, in the middle of the work, and so in reach of the search for bad data
$cdr->sql(
	q{SELECT cdr_ingest_event('{"eventType":"call.started","callId":"locked row"}')}
);
$stored++;
is_ridden_out(
	'lock on a row',
	'55P03',
	sub {
		$session->query(
			q{BEGIN; SELECT 1 FROM calls WHERE call_id = 'locked row' FOR UPDATE}
		);
	},
	sub { $session->query('ROLLBACK') },
	map { qq({"eventType":"call.note","callId":"locked row","n":$_}) }
	  1 .. 300);

is_ridden_out(
	'read-only server',
	'25006',
	sub { $cdr->set('default_transaction_read_only' => 'on') },
	sub { $cdr->set('default_transaction_read_only' => 'off') });

is(join(' ', $cdr->worker_pids),
	"@pids", 'the workers are still the same processes');

# --- a read-only database, which a session only notices as it begins: so do
# workers, also when it is over

$cdr->sql('ALTER DATABASE postgres SET default_transaction_read_only = on',
	'template1');
$cdr->terminate_worker($_) foreach @pids;
$cdr->publish(simple_events(300, 'read-only database'));
$cdr->wait_for(
	"bool_and(state = 'retrying' AND last_error_sqlstate = '25006') FROM cdr_status()"
);
$cdr->sql('ALTER DATABASE postgres RESET default_transaction_read_only',
	'template1');
$stored += 300;
$cdr->wait_drained($stored);
$cdr->stored_is($stored, 'read-only database');

# --- a deadlock with a session that takes calls in an order of its own: the
# worker, which has waited for half a second, is the one to notice

$cdr->set('deadlock_timeout' => '500ms');
$session->query(q{SET deadlock_timeout = '1h'});
$cdr->sql(
	q{SELECT cdr_ingest_event('{"eventType":"call.started","callId":"zzz"}')}
);
$stored++;
my $log = $cdr->log_size;
# (on a busy machine, it may notice before there is a deadlock)
foreach my $round (1 .. 9)
{
	$session->query(
		q{BEGIN; UPDATE calls SET caller_number = NULL WHERE call_id = 'zzz'}
	);
	# (the two workers take turns)
	my $n = 0;
	$cdr->publish(
		map { $n++; qq({"eventType":"call.held","callId":"$_","n":"$round, $n"}) }
		  'locked row', 'locked row', 'zzz', 'zzz');
	$stored += 4;
	$cdr->wait_for(
		q{count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'cdr_service worker' AND wait_event_type = 'Lock'}
	);
	$session->query(
		q{UPDATE calls SET caller_number = NULL WHERE call_id = 'locked row'; COMMIT}
	);
	$cdr->wait_drained($stored);
	last if $cdr->log_matches(qr/could not store a batch: deadlock/, $log);
}
cmp_ok(
	$cdr->log_matches(qr/could not store a batch: deadlock detected/, $log),
	'>', 0, 'a deadlock: a worker gives way, or both do');
$cdr->stored_is($stored, 'a deadlock');

# --- two sessions and two workers at the same calls at once, in opposite order:
# they wait for each other, and do not deadlock

$log = $cdr->log_size;
my @events    = simple_events(6000, 'crossing');
my @backwards = reverse @events;
my @sessions  = ($cdr->session, $cdr->session);
my $values    = join ',', map { "('$_')" } @events;

$cdr->sql(
	"CREATE TABLE crossing (n serial, event json);
	 INSERT INTO crossing (event) VALUES $values");

$session->query('BEGIN; LOCK TABLE call_events IN SHARE MODE');
$cdr->publish(@events, @backwards);
$sessions[0]->send(
	'SELECT cdr_ingest_events(array_agg(event ORDER BY n)) FROM crossing');
$sessions[1]->send(
	'SELECT cdr_ingest_events(array_agg(event ORDER BY n DESC)) FROM crossing'
);
$cdr->wait_for(
	q{count(*) = 2 FROM pg_stat_activity
	  WHERE backend_type = 'client backend' AND wait_event_type = 'Lock'}
);
$session->query('ROLLBACK');
$_->receive foreach @sessions;
$_->quit foreach $session, @sessions;
$stored += 6000;
$cdr->wait_drained($stored);
$cdr->stored_is($stored, 'in opposite order');
is($cdr->log_matches(qr/deadlock detected/, $log),
	0, 'in opposite order: no deadlock');
$cdr->nothing_left('transient');

done_testing();
