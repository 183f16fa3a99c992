# While events wait for what refuses them, everything else goes on happening: the
# connection is lost, a worker ends or is killed, there is a pause, the server
# restarts.  They wait again afterwards, all others are stored, and in the end
# each event is stored once.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $held = 5;                                       # events that wait
my $cdr  = CdrService::Fixture->new('what_waits',
		config => "cdr_service.workers = 4\n"
	  . "cdr_service.batch_size = 100\n"
	  . "cdr_service.prefetch = 200\n");
$cdr->wait_for_state('consuming');

my $stored = 0;
my $round  = 0;

# Each row that the refused events need; gone with the table.
$cdr->sql(<<'EOS');
CREATE TABLE refused (number integer);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.call_id LIKE 'held%' AND EXISTS (SELECT FROM public.refused) THEN
		RAISE EXCEPTION 'refused' USING ERRCODE = '55P03';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION refuse();
GRANT SELECT ON refused TO PUBLIC;
EOS

sub others_are_stored
{
	my ($name) = @_;

	$cdr->publish(simple_events(300, "others $name"));
	$stored += 300;
	$cdr->wait_for("count(*) = $stored FROM call_events");
	return;
}

# Events wait; then something happens, and they do so again.
sub waits_through
{
	my ($name, $happens) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$round++;
	$cdr->sql('INSERT INTO refused VALUES (1)');
	$cdr->publish(
		(   map {
				qq({"eventType":"call.started","callId":"held $round $_","timestamp":"2026-03-01T09:00:00Z"})
			} 1 .. $held),
		simple_events(300, "before $name"));
	$stored += 300;
	$cdr->wait_for("count(*) = $stored FROM call_events");
	$cdr->wait_for("sum(waiting) = $held FROM cdr_status()");
	$happens->();
	$cdr->wait_for("sum(waiting) = $held FROM cdr_status()");
	others_are_stored($name);
	is($cdr->broker->owed, $held, "$name: only they are not acknowledged");
	$cdr->sql('DELETE FROM refused');
	$stored += $held;
	$cdr->wait_drained($stored);
	$cdr->wait_for('sum(waiting) = 0 FROM cdr_status()');
	is($cdr->sql('SELECT count(*) FROM dead_letters'),
		0, "$name: none became a dead letter");
	return $cdr->stored_is($stored, $name);
}

waits_through(
	'a lost connection',
	sub {
		$cdr->broker->erlang(
			'[rabbit_networking:close_connection(C, "test") || [{pid, C}, {vhost, <<"'
			  . $cdr->broker->vhost
			  . '">>}] <- rabbit_networking:connection_info_all([pid, vhost])]'
		);
	});

waits_through(
	'workers that end',
	sub {
		$cdr->terminate_worker($_) foreach $cdr->worker_pids;
	});

waits_through(
	'a pause',
	sub {
		my @pids = $cdr->worker_pids;

		$cdr->sql('SELECT cdr_pause()');
		$cdr->wait_until_paused(@pids);
		$cdr->wait_for('sum(waiting) = 0 FROM cdr_status()');
		$cdr->sql('SELECT cdr_resume()');
	});

waits_through(
	'a worker that is killed',
	sub {
		my $log = $cdr->log_size;
		my ($pid) = $cdr->worker_pids;

		kill 'KILL', $pid;
		$cdr->node->wait_for_log(
			qr/all server processes terminated; reinitializing/, $log);
		$cdr->forget_crashes;
	});

waits_through('a restart of the server', sub { $cdr->node->restart; });

waits_through(
	'a reload of the settings of the queue',
	sub { $cdr->set('cdr_service.prefetch' => 150); });

$cdr->nothing_left('what waits');
done_testing();
