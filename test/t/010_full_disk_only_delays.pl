# When there is no room any more, for tables or for WAL, events wait on the
# broker; when there is room again, they are stored.  None becomes a dead letter,
# also where a small one still finds room.

use strict;
use warnings FATAL => 'all';

use CdrService::SmallDisk;
use Test::More;
use Time::HiRes qw(time);

use CdrService::Fixture;
use CdrService::Oracle;

# --- the disk of the tables is full: longer than three heartbeats, without
# which RabbitMQ hangs up

my $disk = CdrService::SmallDisk->new('tables');
my $cdr  = CdrService::Fixture->new('no_room',
	config => "cdr_service.heartbeat = '2s'\ncdr_service.prefetch = 500\n"
	  . "cdr_service.partition_interval = none\n");
my $oracle = CdrService::Oracle->new($cdr);
my $pid    = $cdr->status('pid');
my $where  = $disk->directory;

$oracle->publish(100);
$cdr->wait_drained($oracle->sent);
# (there would be room for dead letters)
$cdr->sql("CREATE TABLESPACE small LOCATION '$where'");
$cdr->sql('ALTER TABLE call_events_default SET TABLESPACE small');
$disk->fill(100_000);

my $log   = $cdr->log_size;
my $since = $cdr->sql('SELECT clock_timestamp()');
$oracle->start(1000);
$cdr->wait_for_state('retrying');
$cdr->wait_for("clock_timestamp() > '$since'::timestamptz + interval '7 s'");
$cdr->status_is('last_error_sqlstate', '53100',
	'tables: the worker says that the disk is full');
is( join(' ',
		$cdr->status('pid'), $cdr->status('reconnects'),
		($cdr->broker->count)[1]),
	"$pid 0 1",
	'tables: it stays connected');
$oracle->finish;
cmp_ok(($cdr->broker->count)[0],
	'>', 1000, 'tables: events wait on the broker');
is($cdr->sql('SELECT count(*) FROM dead_letters'),
	0, 'tables: none becomes a dead letter');

my $room = time;
$disk->make_room;
$cdr->wait_drained($oracle->sent);
note sprintf 'all is stored %.1f s after there was room', time - $room;
$oracle->is_satisfied('tables');
is($cdr->log_matches(qr/consuming from queue/, $log),
	0, 'tables: all that without a reconnect');
$cdr->nothing_left('tables');

# --- small events still find room in the pages that there are, and large ones none

sub event
{
	my ($name, $pad) = @_;

	return
	  qq({"eventType":"call.note","callId":"$name","pad":"$pad","timestamp":"2026-03-01T10:00:00Z"});
}

# What compresses badly.
sub noise
{
	my ($length) = @_;

	return join '', map { chr(ord('a') + rand 26) } 1 .. $length;
}

$disk = CdrService::SmallDisk->new('small_events');
$cdr  = CdrService::Fixture->new('room_for_small',
	config => "cdr_service.heartbeat = '2s'\ncdr_service.prefetch = 60\n"
	  . "cdr_service.batch_size = 20\ncdr_service.partition_interval = none\n"
);
my $sent = 101;

# (pages that are nearly empty)
$cdr->sql('ALTER TABLE call_events_default SET (fillfactor = 10)');
$cdr->publish(map { event("before $_", '') } 1 .. $sent);
$cdr->wait_drained($sent);
$cdr->sql("CREATE TABLESPACE small LOCATION '${\$disk->directory}'");
$cdr->sql('ALTER TABLE call_events_default SET TABLESPACE small');
$cdr->sql('ALTER TABLE call_events_default RESET (fillfactor)');
$cdr->sql('VACUUM call_events_default');
$disk->fill(100);
$cdr->publish(map { event("large $_", noise(9000)) } 1 .. 80);
$sent += 80;
# (beyond half of the prefetch, others must give way after 5 seconds)
$cdr->wait_for('sum(waiting) > 30 FROM cdr_status()');
my $small = 0;
$since = $cdr->sql('SELECT clock_timestamp()');
while ($small < 10)
{
	$cdr->publish(event('small ' . ++$small, ''));
	$cdr->wait_for(
		"count(*) = $small AND clock_timestamp() > '$since'::timestamptz + $small * interval '2 s' FROM call_events WHERE call_id LIKE 'small %'"
	);
}
$sent += $small;
$cdr->status_is('last_error_sqlstate', '53100',
	'large events: the worker says that the disk is full');
is($cdr->sql('SELECT count(*) FROM dead_letters'),
	0,
	'large events: none becomes a dead letter, while small ones are stored');
$disk->make_room;
$cdr->wait_drained($sent);
$cdr->stored_is($sent, 'large events');
$cdr->nothing_left('large events');

# --- the disk of the WAL is full: the server goes down with a PANIC, and
# whoever looks after it starts it again

$disk = CdrService::SmallDisk->new('wal');
$cdr  = CdrService::Fixture->new(
	'no_room_for_wal',
	initdb => [ '--waldir', $disk->directory, '--wal-segsize=1' ],
	config => "cdr_service.batch_size = 50\n");
$oracle = CdrService::Oracle->new($cdr);

$oracle->publish(100);
$cdr->wait_drained($oracle->sent);
$disk->fill(100_000);
$log = $cdr->log_size;
$oracle->publish(2000);
$cdr->node->wait_for_log(qr/PANIC:.*No space left on device/, $log);
$cdr->wait_until_down;
cmp_ok($cdr->broker->left_over, '>', 1000, 'WAL: events wait on the broker');
is($cdr->node->start(fail_ok => 1), 0, 'WAL: the server does not start');
$disk->make_room;
$cdr->node->start;
$oracle->is_satisfied('WAL');
$cdr->nothing_left('WAL');

done_testing();
