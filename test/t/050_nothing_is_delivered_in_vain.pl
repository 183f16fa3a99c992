# What cannot be stored for long, and is more than the service may keep in memory,
# goes back to the broker once, and comes again when it can be: so no queue drops it
# for having been delivered too often.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Broker;
use CdrService::Fixture;
use CdrService::Util qw(poll);

use constant LIMIT => 3;

my $cdr = CdrService::Fixture->new(
	'in_vain',
	start  => 0,
	config => "cdr_service.queue_type = quorum\n"
	  . "cdr_service.declare = never\ncdr_service.heartbeat = 2\n");
my $stored = 0;

# Not so many deliveries, but more trials than there may be of them.
sub trials_fail
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	foreach my $trial (1 .. 3 * LIMIT)
	{
		my $before = $cdr->sql('SELECT clock_timestamp()');

		# (else they are up to a minute apart)
		$cdr->node->reload;
		$cdr->wait_for(
			"max(state_change) > '$before' AND min(state) = 'idle' FROM pg_stat_activity WHERE backend_type = 'cdr_service worker'"
		);
	}
	$cdr->status_is(
		'state',
		'waiting to store',
		"$name: the worker waits, however often it has tried");
	is(($cdr->broker->count)[1], 0, "$name: and consumes nothing");
	is( $cdr->sql(
			q{SELECT level, detail ~ '^no other events get in; worker 0 has given all back ' FROM cdr_health WHERE "check" = 'waiting'}
		),
		'critical|t',
		"$name: that is told");
	return;
}

$cdr->broker->declare('x-queue-type=quorum', 'x-delivery-limit=' . LIMIT);
$cdr->node->start;
$cdr->sql('CREATE EXTENSION cdr_service');
$cdr->wait_for_state('consuming');

# --- a table is locked, and more than 64 MB come

my $session = $cdr->session;
my $pad     = 'x' x 1_000_000;
my @large   = map {
	qq({"eventType":"call.note","callId":"large $_","pad":"$pad","timestamp":"2026-03-01T10:00:00Z"})
} 1 .. 80;

$session->query('BEGIN; LOCK TABLE call_events IN SHARE MODE');
$cdr->publish(@large);
$cdr->wait_for_state('waiting to store');
trials_fail('locked table');
$session->query('ROLLBACK');
$cdr->node->reload;
$stored += @large;
$cdr->wait_drained($stored);
is( $cdr->sql(
		q{SELECT count(*), count(DISTINCT event_id), (SELECT count(*) FROM dead_letters) FROM call_events}
	),
	"$stored|$stored|0",
	'locked table: every event is stored once');

# --- more letters than may wait, and they cannot be written

$cdr->sql(<<'EOS');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF encode(NEW.body, 'escape') ~ TG_ARGV[0] THEN
		RAISE EXCEPTION 'refused' USING ERRCODE = '55000';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON dead_letters FOR EACH ROW EXECUTE FUNCTION refuse('');
EOS
my @letters = map { "bad $_ $pad" } 1 .. 45;

$cdr->publish(@letters);
$cdr->wait_for_state('waiting to store');
trials_fail('letters');
$cdr->sql('DROP TRIGGER refuse ON dead_letters');
# (now without a reload)
$cdr->wait_for("count(*) = ${\scalar @letters} FROM dead_letters");
$cdr->wait_drained($stored);
$cdr->wait_for_state('consuming');
pass('letters: all are kept, once the cause is gone');

# --- a trial passes, and the messages fail again: longer pauses, each time

$cdr->sql(<<'EOS');
CREATE FUNCTION refuse_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.call_id NOT LIKE 'cdr_service trial %' THEN
		RAISE EXCEPTION 'refused' USING ERRCODE = '55000';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION refuse_event();
CREATE TRIGGER refuse BEFORE INSERT ON dead_letters FOR EACH ROW EXECUTE FUNCTION refuse('');
EOS
my $log = $cdr->log_size;
my @pauses;

$cdr->publish(map { s/"large/"again/r } @large[ 0 .. 44 ]);
poll(
	sub {
		@pauses = $cdr->log_since($log) =~ /In ([\d.]+) seconds it is tried/g;
		return @pauses == LIMIT;
	},
	'the messages to be given back again and again');
is( join(' ', @pauses),
	join(' ', sort { $a <=> $b } @pauses),
	'failing again: each pause is longer');
cmp_ok($pauses[-1], '>=', 2, 'failing again: at least twice as long');
$cdr->sql(
	'DROP TRIGGER refuse ON call_events; DROP TRIGGER refuse ON dead_letters'
);
$cdr->node->reload;
$stored += 45;
$cdr->wait_drained($stored);
is($cdr->events, $stored, 'failing again: in the end, all are stored');

$session->quit;
$cdr->nothing_left('in vain');
done_testing();
