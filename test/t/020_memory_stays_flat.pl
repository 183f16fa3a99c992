# Memory stays flat: under load, with messages that are no events, giants,
# batches that have to wait, and one reconnect after the other.
#
# CDR_TEST_MEMORY_SECONDS is how long that goes on (default: 10).

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use CdrService::Fixture;
use CdrService::Oracle;

my $seconds = $ENV{CDR_TEST_MEMORY_SECONDS} || 10;
my $cdr     = CdrService::Fixture->new('memory',
	config => "cdr_service.batch_size = 200\n");
my $oracle = CdrService::Oracle->new($cdr);
my $uri    = $cdr->broker->uri;
my $nobody = 'amqp://nobody@127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port();
my $rounds = 0;

# What the process holds for itself, by the kernel's word, in kB: the shared
# memory that it has touched by now is not counted.
sub resident
{
	my $status = slurp_file('/proc/' . $cdr->status('pid') . '/status');

	return ($status =~ /^RssAnon:\s+(\d+) kB/m)[0];
}

# What its memory contexts have in use, in kB.
sub used
{
	my $log = $cdr->log_size;
	my $pid = $cdr->status('pid');

	$cdr->sql("SELECT pg_log_backend_memory_contexts($pid)");
	$cdr->node->wait_for_log(qr/Grand total:.*used/, $log);
	return int(
		($cdr->log_since($log) =~ /Grand total:.*; (\d+) used/)[0] / 1024);
}

# Some load, and all that can go wrong with a message or a connection.
sub round
{
	$rounds++;
	$cdr->set('cdr_service.amqp_uri' => $nobody);
	$cdr->wait_for_state('backing off');
	$oracle->publish(200, poison => 20);
	$cdr->publish('{"callId":"giant","' . 'x' x 3_000_000 . '":' . $rounds . '}');
	my $session = $cdr->session;
	# (that lets the tables be looked at, and nobody write)
	$session->query('BEGIN; LOCK TABLE dead_letters IN SHARE MODE');
	$cdr->set('cdr_service.amqp_uri' => $uri);
	$cdr->wait_for_state('retrying');
	$session->quit;
	$cdr->wait_for("sum(dead_letters) >= 21 * $rounds FROM cdr_status()");
	return $cdr->broker->wait_until_empty;
}

round() foreach 1 .. 5;
my $pid = $cdr->status('pid');
my ($resident, $used, $deadline) = (resident(), used(), time + $seconds);
my $warm = $rounds;
# (a slow machine may take longer for two)
round() while time < $deadline || $rounds < $warm + 2;
my ($resident_now, $used_now) = (resident(), used());
my $more = $rounds - $warm;

is($cdr->status('pid'), $pid, 'it is the same process');
cmp_ok($used_now, '<', $used + 256,
	"kB in its memory contexts after $more rounds, before: $used");
cmp_ok($resident_now, '<', $resident * 1.1 + 1024,
	"kB for itself after $more rounds, before: $resident");
note "rounds $more, reconnects ", $cdr->status('reconnects'),
  ", events ", $oracle->sent,
  ", in contexts $used kB then $used_now kB, for itself $resident kB then "
  . "$resident_now kB";

# Dead letters are tried again in portions, each of which is let go of: 30 of
# 16 MB would take a gigabyte together.
$cdr->sql(
	q{INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate,
	  message, body_size, body) SELECT gen_random_uuid(), now(), now(), '54000',
	  'large', 16000000, convert_to(repeat(' ', 16000000), 'UTF8')
	  FROM generate_series(1, 30)});
my $session = $cdr->session;
my $backend = $session->query('SELECT pg_backend_pid()');
is( $session->query(
		q{SELECT cdr_retry_dead_letters(ARRAY(SELECT event_id FROM dead_letters
		  WHERE message = 'large'))}),
	0, 'dead letters that are too large, tried again');
my ($peak) = slurp_file("/proc/$backend/status") =~ /^VmHWM:\s+(\d+) kB/m;
cmp_ok($peak, '<', 400 * 1024, 'in portions: the peak is flat, too (kB)');
$session->quit;

$cdr->sql(q{DELETE FROM dead_letters WHERE body_size > 1000000});
$oracle->is_satisfied("$rounds rounds");
$cdr->nothing_left('memory');

done_testing();
