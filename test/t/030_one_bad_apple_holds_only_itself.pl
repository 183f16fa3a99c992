# One event, letter, lock or trigger that lasts never holds more than itself:
# whatever SQLSTATE it hides behind, all others are stored and acknowledged, and
# what waits is counted, named, and stored when its cause is gone.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

# Errors that pass by themselves, where nobody hides behind them: by class.
my %passes = map { $_ => 1 } qw(08 25 40 53 55 57 58 F0 XX);

my $cdr = CdrService::Fixture->new('bad_apple',
	config => "cdr_service.batch_size = 500\n"
	  . "cdr_service.batch_linger = '50ms'\n");
my $stored = 0;

sub waiting_is
{
	my ($count, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$cdr->wait_for("sum(waiting) = $count FROM cdr_status()");
	is($cdr->broker->owed, $count,
		"$name: the broker is owed nothing else but $count");
	return;
}

# --- one row of calls is locked over lunch (public case 58)

$cdr->publish(
	qq({"eventType":"call.started","callId":"held","timestamp":"2026-03-01T09:00:00Z"})
);
$cdr->wait_drained(++$stored);

my $session = $cdr->session;

$session->query(
	q{BEGIN; SELECT 1 FROM calls WHERE call_id = 'held' FOR UPDATE});

my $since = $cdr->sql('SELECT clock_timestamp()');
my $log   = $cdr->log_size;

$cdr->publish(
	qq({"eventType":"call.answered","callId":"held","timestamp":"2026-03-01T09:00:01Z"}),
	simple_events(600, 'free'));
$stored += 600;
$cdr->wait_for("count(*) = $stored FROM call_events");
ok($cdr->sql("SELECT clock_timestamp() - '$since' < '14 seconds'::interval"),
	'locked row: the events of all other calls are stored in time');
waiting_is(1, 'locked row');
like(
	$cdr->status('last_error'),
	qr/event [0-9a-f-]{36} of call "held" waits: .*lock timeout/,
	'locked row: what waits is named');
is($cdr->log_matches(qr/1 event waits because/, $log),
	1, 'locked row: the log tells it once');

# what comes meanwhile goes on, in batch after batch
foreach my $n (1 .. 3)
{
	$cdr->publish(
		qq({"eventType":"call.note","callId":"held","n":$n,"timestamp":"2026-03-01T09:00:02Z"}),
		simple_events(300, "later-$n"));
	$stored += 300;
	$cdr->wait_for("count(*) = $stored FROM call_events");
}
waiting_is(4, 'locked row, later');
$session->query('ROLLBACK');
$stored += 4;
$cdr->wait_drained($stored);
$cdr->stored_is($stored, 'locked row, released');
waiting_is(0, 'locked row, released');
is($cdr->sql('SELECT count(*) FROM dead_letters'),
	0, 'locked row: no dead letter');

# --- every SQLSTATE of the server, raised on each table at once

my $include = $cdr->node->config_data('--includedir-server');
my %codes   = map { $_ => 1 }
  map { s/[', ]//gr }
  slurp_file("$include/utils/errcodes.h") =~ /MAKE_SQLSTATE\(([^)]+)\)/g;
my @codes   = sort grep { $_ ne '00000' } keys %codes;
my @passing = grep      { $passes{ substr($_, 0, 2) } } @codes;

cmp_ok(scalar @codes, '>', 200, 'the server has many SQLSTATEs');
cmp_ok(scalar(keys %{ { map { substr($_, 0, 2) => 1 } @codes } }),
	'>', 35, 'of many classes');

$cdr->sql(<<'EOS');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	code text := substring(NEW.call_id FROM '^poison (.....) ' || TG_ARGV[0]);
BEGIN
	IF code IS NOT NULL THEN
		RAISE EXCEPTION 'refused with %', code USING ERRCODE = code;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION refuse('call_events');
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION refuse('calls');
CREATE FUNCTION refuse_letter() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	code text := substring(encode(NEW.body, 'escape') FROM '^poison (.....)');
BEGIN
	IF code IS NOT NULL THEN
		RAISE EXCEPTION 'refused with %', code USING ERRCODE = code;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON dead_letters FOR EACH ROW EXECUTE FUNCTION refuse_letter();
SELECT cdr_stats_reset();
EOS

my @poison = map {
	my $code = $_;
	(   map {
			qq({"eventType":"call.started","callId":"poison $code $_","timestamp":"2026-03-01T10:00:00Z"})
		} qw(call_events calls)),
	  "poison $code"
} @codes;
my @sound   = simple_events(900, 'sound');
my @mixture = @sound;

# each among the others
splice @mixture, int(($_ + 0.5) * @mixture / @poison), 0, $poison[$_]
  foreach reverse 0 .. $#poison;
$since = $cdr->sql('SELECT clock_timestamp()');
$cdr->publish(@mixture);
$stored += @sound;
$cdr->wait_for(
	"count(*) = $stored FROM call_events WHERE call_id NOT LIKE 'poison%'");
ok( $cdr->sql("SELECT clock_timestamp() - '$since' < '1 minute'::interval"),
	'every SQLSTATE: all sound events are stored within a minute');

# of each error that passes, an event for each table; and all letters
waiting_is(2 * @passing + @codes, 'every SQLSTATE');
is( $cdr->sql(
		q{SELECT string_agg(call_id, ',' ORDER BY call_id) FROM call_events WHERE call_id LIKE 'poison%'}
	),
	'',
	'every SQLSTATE: no event was stored that was refused');
is_deeply(
	[
		split /\n/,
		$cdr->sql(
			q{SELECT sqlstate || ' ' || count(*) FROM dead_letters GROUP BY sqlstate ORDER BY sqlstate COLLATE "C"}
		)
	],
	[ map { "$_ 2" } grep { !$passes{ substr($_, 0, 2) } } @codes ],
	'every SQLSTATE: what is of the data became dead letters');
is( $cdr->sql(
		q{SELECT count(*) FROM dead_letters WHERE message <> 'refused with ' || sqlstate}
	),
	0,
	'every SQLSTATE: each with its reason');

# others come while these wait
$cdr->publish(simple_events(600, 'meanwhile'));
$stored += 600;
$cdr->wait_for("count(*) = $stored FROM call_events");

$cdr->sql(<<'EOS');
DROP TRIGGER refuse ON call_events;
DROP TRIGGER refuse ON calls;
DROP TRIGGER refuse ON dead_letters;
EOS
$stored += 2 * @passing;
$cdr->wait_drained($stored);
waiting_is(0, 'every SQLSTATE, afterwards');
is( $cdr->sql(
		q{SELECT count(*) FROM dead_letters WHERE encode(body, 'escape') LIKE 'poison%'}
	),
	scalar @codes,
	'every SQLSTATE: what is no event became dead letters');
$stored += $cdr->sql('SELECT cdr_retry_dead_letters()');
is($stored, $cdr->events, 'every SQLSTATE: all others were retried');
$cdr->stored_is($stored, 'every SQLSTATE');
$cdr->sql('TRUNCATE dead_letters');

# --- a trigger that takes its time over one event

$cdr->sql(<<'EOS');
CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.call_id = 'slow' THEN
		LOOP END LOOP;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER linger BEFORE INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION linger();
EOS
$since = $cdr->sql('SELECT clock_timestamp()');
$cdr->publish(simple_events(60, 'quick'),
	qq({"eventType":"call.started","callId":"slow","timestamp":"2026-03-01T10:00:00Z"})
);
$stored += 60;
$cdr->wait_for("count(*) = $stored FROM call_events");
ok( $cdr->sql("SELECT clock_timestamp() - '$since' < '1 minute'::interval"),
	'a trigger without end: all others are stored within a minute');
waiting_is(1, 'a trigger without end');
$cdr->sql('DROP TRIGGER linger ON call_events');
$cdr->wait_drained(++$stored);
$cdr->stored_is($stored, 'a trigger without end, dropped');

# --- more waits than the prefetch has room for

$cdr->set('cdr_service.prefetch' => 40, 'cdr_service.batch_size' => 20);
$cdr->wait_for_state('consuming');
$session->query(
	q{BEGIN; SELECT 1 FROM calls WHERE call_id = 'held' FOR UPDATE});
$cdr->publish(
	map {
		(   qq({"eventType":"call.note","callId":"held","more":$_,"timestamp":"2026-03-01T09:00:03Z"}),
			simple_events(3, "between-$_"))
	} 1 .. 60);
$stored += 180;
$cdr->wait_for("count(*) = $stored FROM call_events");
$cdr->wait_for(
	"(SELECT count(*) FROM dead_letters WHERE sqlstate = '55P03') + sum(waiting) = 60 FROM cdr_status()"
);
$cdr->wait_for('sum(waiting) <= 20 FROM cdr_status()');
$session->query('ROLLBACK');
$cdr->wait_for('sum(waiting) = 0 FROM cdr_status()');
$cdr->sql('SELECT cdr_retry_dead_letters()');
$stored += 60;
$cdr->wait_drained($stored);
$cdr->stored_is($stored, 'a small prefetch');

$cdr->nothing_left('bad apple');
done_testing();
