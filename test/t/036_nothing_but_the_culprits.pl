# Messages that cannot be stored are found out also where they are all that the
# worker has: one alone, as many as the prefetch, all of a partition.  An event
# that is made up tells them from a wrong moment, and leaves nothing behind.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $cdr = CdrService::Fixture->new('culprits');
$cdr->wait_for_state('consuming');

my $stored  = 0;
my $session = $cdr->session;

sub note_of_locked_call
{
	my ($number) = @_;

	return
	  qq({"eventType":"call.note","callId":"held","n":$number,"timestamp":"2026-03-01T09:00:01Z"});
}

sub others_are_stored
{
	my ($name, $count) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$stored += $count;
	return $cdr->stored_within_a_minute($stored, $name);
}

# Whatever became a dead letter is brought back.
sub released
{
	my ($name, $count) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$session->query('ROLLBACK');
	$stored += $count;
	$cdr->wait_for(
		"sum(waiting) = 0 AND (SELECT count(*) FROM call_events) + (SELECT count(*) FROM dead_letters) = $stored FROM cdr_status()"
	);
	$cdr->sql('SELECT cdr_retry_dead_letters()');
	return $cdr->stored_is($stored, "$name, released");
}

sub consume_with
{
	my ($prefetch, $batch_size) = @_;

	$cdr->set(
		'cdr_service.prefetch'   => $prefetch,
		'cdr_service.batch_size' => $batch_size);
	$cdr->wait_for_state('consuming');
	$cdr->wait_for('sum(waiting) = 0 FROM cdr_status()');
	return;
}

$cdr->publish(
	qq({"eventType":"call.started","callId":"held","timestamp":"2026-03-01T09:00:00Z"}),
	simple_events(10, 'before'));
$stored += 11;
$cdr->wait_drained($stored);

# --- one message, and nothing else comes

$session->query(
	q{BEGIN; SELECT 1 FROM calls WHERE call_id = 'held' FOR UPDATE});
$cdr->publish(note_of_locked_call(1));
$cdr->wait_for('sum(waiting) = 1 FROM cdr_status()');
$cdr->wait_for(
	q{last_error ~ 'event .* of call "held" waits: ' FROM cdr_status()});
pass('one alone: it is counted and named');
$cdr->publish(simple_events(20, 'after one'));
others_are_stored('one alone', 20);
is($cdr->sql('SELECT count(*) FROM dead_letters'),
	0, 'one alone: it is no dead letter');
released('one alone', 1);

# --- tables that want what an event that says nothing does not say

$cdr->sql(<<'EOS');
ALTER TABLE call_events ADD CONSTRAINT has_tenant CHECK (tenant_id IS NOT NULL) NOT VALID;
CREATE FUNCTION want_tenant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.tenant_id IS NULL THEN
		RAISE EXCEPTION 'no tenant' USING ERRCODE = '55000';
	END IF;
	RETURN NEW;
END $$;
EOS
foreach my $by ('a constraint', 'a trigger')
{
	my $name = "a tenant is wanted, by $by";
	my @said = map {
		qq({"eventType":"call.note","callId":"$_","by":"$by","tenantId":"t","timestamp":"2026-03-01T09:00:01Z"})
	} ('held', map { "tenant $_" } 1 .. 20);

	$cdr->sql(
		'ALTER TABLE call_events DROP CONSTRAINT has_tenant; CREATE TRIGGER want_tenant BEFORE INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION want_tenant()'
	) if $by eq 'a trigger';
	$session->query(
		q{BEGIN; SELECT 1 FROM calls WHERE call_id = 'held' FOR UPDATE});
	$cdr->publish(shift @said);
	$cdr->wait_for('sum(waiting) = 1 FROM cdr_status()');
	$cdr->publish(@said);
	others_are_stored($name, 20);
	released($name, 1);
}
$cdr->sql('DROP TRIGGER want_tenant ON call_events');

# --- a prefetch of one, and of three

foreach ([ 1, 1, 1 ], [ 1, 1, 4 ], [ 3, 1, 6 ])
{
	my ($prefetch, $batch_size, $count) = @$_;
	my $name = "$count with a prefetch of $prefetch";

	consume_with($prefetch, $batch_size);
	$session->query(
		q{BEGIN; SELECT 1 FROM calls WHERE call_id = 'held' FOR UPDATE});
	$cdr->publish(
		(map { note_of_locked_call("$prefetch$count$_") } 1 .. $count),
		simple_events(20, $name));
	others_are_stored($name, 20);
	released($name, $count);
}

# --- the moment: all tables, then one partition, are locked for everybody

foreach my $prefetch (1, 4000)
{
	my $name = "a table is locked, prefetch $prefetch";

	consume_with($prefetch, 100);
	$session->query('BEGIN; LOCK TABLE calls IN EXCLUSIVE MODE');
	$cdr->publish(simple_events(20, $name));
	$cdr->wait_for_state('retrying');
	$cdr->wait_for(
		"clock_timestamp() > (SELECT since FROM cdr_status()) + '15 seconds'::interval"
	);
	is( $cdr->sql(
			'SELECT sum(waiting) + (SELECT count(*) FROM dead_letters) FROM cdr_status()'
		),
		0,
		"$name: no event is to blame");
	released($name, 20);
	is($cdr->sql('SELECT count(*) FROM dead_letters'),
		0, "$name: none became a dead letter");
}

# --- one partition is locked, and every fiftieth event is its

consume_with(4000, 2000);
$cdr->sql(
	q{SELECT cdr_create_partitions('2025-01-01Z', '2025-01-02Z'), cdr_create_partitions('2026-03-01Z', '2026-03-02Z')}
);
$session->query('BEGIN; LOCK TABLE call_events_20250101 IN SHARE MODE');
$cdr->publish(
	map {
		my $time = $_ % 50 ? '2026-03-01T10:00:00Z' : '2025-01-15T10:00:00Z';
		qq({"eventType":"call.started","callId":"p$_","timestamp":"$time"})
	} 1 .. 6000);
others_are_stored('a partition is locked', 5880);
released('a partition is locked', 120);

# --- what takes long is stored all the same, while another event waits

$cdr->sql(<<'EOS');
CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz := clock_timestamp();
BEGIN
	WHILE clock_timestamp() < began + interval '4 s' LOOP END LOOP;
	RETURN NEW;
END $$;
CREATE TRIGGER take_time BEFORE INSERT ON call_events FOR EACH ROW WHEN (NEW.call_id = 'slow') EXECUTE FUNCTION take_time();
EOS
$session->query(
	q{BEGIN; SELECT 1 FROM calls WHERE call_id = 'held' FOR UPDATE});
$cdr->publish(note_of_locked_call(1000));
$cdr->wait_for('sum(waiting) = 1 FROM cdr_status()');
$cdr->publish(
	'{"eventType":"call.note","callId":"slow","timestamp":"2026-03-01T09:00:00Z"}'
);
others_are_stored('an event that takes four seconds', 1);
released('an event that takes four seconds', 1);

is( $cdr->sql(
		q{SELECT (SELECT count(*) FROM call_events WHERE call_id LIKE 'cdr_service trial%') + (SELECT count(*) FROM calls WHERE call_id LIKE 'cdr_service trial%') + (SELECT count(*) FROM dead_letters)}
	),
	0,
	'what was made up is nowhere');

$session->quit;
$cdr->nothing_left('culprits');
done_testing();
