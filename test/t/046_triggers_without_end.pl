# A trigger that never ends holds only the events that it does not end for: also
# many of them, and also where it catches each cancel.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $cdr    = CdrService::Fixture->new('endless');
my $stored = 0;

sub event
{
	my ($call) = @_;

	return
	  qq({"eventType":"call.started","callId":"$call","timestamp":"2026-03-01T10:00:00Z"});
}

sub others_are_stored
{
	my ($name, $count) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$stored += $count;
	return $cdr->stored_within_a_minute($stored, $name);
}

# --- many of them, scattered among others

$cdr->make_endless('linger');
$cdr->sql(<<'EOS');
CREATE TRIGGER linger BEFORE INSERT ON call_events FOR EACH ROW
	WHEN (NEW.call_id LIKE '%slow') EXECUTE FUNCTION linger();
EOS
$cdr->publish(map { event(sprintf 'c%05d%s', $_, $_ % 99 == 7 ? 'slow' : '') }
	  1 .. 1980);
others_are_stored('many endless', 1960);
$cdr->wait_for('sum(waiting) = 20 FROM cdr_status()');
$cdr->sql('DROP TRIGGER linger ON call_events');
$cdr->wait_drained($stored += 20);
is($cdr->sql('SELECT count(*) FROM dead_letters'),
	0, 'many endless: none became a dead letter');

# --- where it catches each cancel, so that only the end of the process is one

foreach my $table ('call_events', 'dead_letters')
{
	my $name = "deaf, on $table";
	my $log  = $cdr->log_size;
	my @stubborn =
	  $table eq 'call_events'
	  ? (event('stubborn 1'), event('stubborn 2'))
	  : ('no event 1', 'no event 2');
	my $what =
	  $table eq 'call_events'
	  ? 'event .* of call "stubborn \d"'
	  : 'dead letter .*';

	$cdr->make_endless('never_end', deaf => 1);
	$cdr->sql(<<"EOS");
CREATE TRIGGER never_end BEFORE INSERT ON $table FOR EACH ROW
	@{[ $table eq 'call_events' ? q{WHEN (NEW.call_id LIKE 'stubborn%')} : '' ]} EXECUTE FUNCTION never_end();
EOS
	$cdr->publish($stubborn[0], simple_events(300, $name), $stubborn[1]);
	others_are_stored($name, 300);
	$cdr->wait_for('sum(waiting) = 2 FROM cdr_status()');
	cmp_ok(
		$cdr->log_matches(
			qr/worker ends, for it is stuck with $what: a trigger or function catches each cancel/,
			$log),
		'>=', 2,
		"$name: the log names what the worker ended for");
	$cdr->wait_for(
		"last_error ~ '^$what waits: a trigger or function catches the cancel' FROM cdr_status()"
	);
	like(
		$cdr->sql(
			q{SELECT detail FROM cdr_health WHERE "check" = 'waiting' AND level = 'warning'}
		),
		qr/^2 events are held.*$what waits/,
		"$name: so do status and health");

	# they do not end it again
	$log = $cdr->log_size;
	$cdr->publish(simple_events(300, "$name, later"));
	others_are_stored("$name, later", 300);
	is($cdr->log_matches(qr/worker ends/, $log),
		0, "$name: none is tried again");
	$cdr->sql("ALTER TABLE $table DISABLE TRIGGER never_end");
	$cdr->node->reload;
	$stored += 2 if $table eq 'call_events';
	$cdr->wait_for('sum(waiting) = 0 FROM cdr_status()');
	$cdr->wait_drained($stored);
}
is($cdr->sql('SELECT count(*) FROM dead_letters'),
	2, 'deaf: what is no event is a dead letter, and nothing else');

$cdr->stored_is($stored, 'endless');
# --- where it ends the process itself, which no rights of ours prevent

my $before = $cdr->log_size;
$cdr->sql(<<'EOS');
CREATE FUNCTION end_session() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	PERFORM pg_terminate_backend(pg_backend_pid());
	RETURN NULL;
END
$$;
CREATE TRIGGER end_session AFTER INSERT ON call_events FOR EACH ROW
	WHEN (NEW.call_id = 'deadly') EXECUTE FUNCTION end_session();
EOS
$cdr->publish(simple_events(90, 'before'),
	event('deadly'), simple_events(90, 'behind'));
others_are_stored('deadly', 180);
$cdr->wait_for(
	q{sum(waiting) = 1 AND max(last_error) ~ 'call "deadly" waits: .*, or ends the worker' FROM cdr_status()}
);
like($cdr->log_since($before), qr/worker ended again, while it stored/,
	'deadly: the log names what the worker was at');
$cdr->sql('DROP TRIGGER end_session ON call_events; SELECT pg_reload_conf()');
$cdr->wait_drained($stored += 1);
$cdr->stored_is($stored, 'deadly, corrected');

$cdr->nothing_left('endless');
done_testing();
