# Events that cannot be stored and stand everywhere among the others, so that no
# large part of a batch is without one, hold only themselves; so does a trigger
# that refuses any statement with more than one row.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Fixture;

my $cdr    = CdrService::Fixture->new('scattered');
my $stored = 0;

sub event
{
	my ($call, $tenant) = @_;
	my $more = defined $tenant ? qq(,"tenantId":"$tenant") : '';

	return
	  qq({"eventType":"call.started","callId":"$call"$more,"timestamp":"2026-03-01T10:00:00Z"});
}

sub others_are_stored
{
	my ($name, $count) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$stored += $count;
	return $cdr->stored_within_a_minute($stored, $name);
}

sub cured
{
	my ($name, $count, $trigger) = @_;

	$cdr->sql("DROP TRIGGER $trigger ON call_events");
	$stored += $count;
	$cdr->wait_drained($stored);
	$cdr->wait_for('sum(waiting) = 0 FROM cdr_status()');
	is($cdr->sql('SELECT count(*) FROM dead_letters'),
		0, "$name: none became a dead letter");
	return is(
		$cdr->sql(
			'SELECT count(*), count(DISTINCT (call_id, event_id)) FROM call_events'
		),
		"$stored|$stored",
		"$name: every event is stored once");
}

$cdr->sql(<<'EOS');
CREATE TABLE spared (call_id text);
GRANT SELECT ON spared TO PUBLIC;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.call_id LIKE '%bad' AND NEW.call_id NOT IN (SELECT call_id FROM public.spared) THEN
		RAISE EXCEPTION 'refused' USING ERRCODE = '55000';
	END IF;
	RETURN NEW;
END $$;
CREATE FUNCTION want_tenant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.tenant_id IS NULL THEN
		RAISE EXCEPTION 'no tenant' USING ERRCODE = '55000';
	END IF;
	RETURN NEW;
END $$;
CREATE FUNCTION refuse_many() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT count(*) FROM new_rows) > 1 THEN
		RAISE EXCEPTION 'one at a time' USING ERRCODE = '53400';
	END IF;
	RETURN NULL;
END $$;
EOS

# of 20 one, of four one, and nine of ten: in the order of their calls, too
foreach ([ 20, 1 ], [ 4, 1 ], [ 10, 9 ])
{
	my ($every, $of_these) = @$_;
	my $name  = "$of_these of $every";
	my $count = 1000;
	my $bad   = $count / $every * $of_these;

	$cdr->sql(
		'CREATE TRIGGER refuse BEFORE INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION refuse()'
	);
	$cdr->publish(
		map {
			event(sprintf "%d-%05d%s",
				$every, $_, $_ % $every < $of_these ? 'bad' : 'good')
		} 1 .. $count);
	others_are_stored($name, $count - $bad);
	$cdr->wait_for("sum(waiting) = $bad FROM cdr_status()");

	# what becomes sound does not stand behind all that is not
	my $spared = $cdr->sql(<<"EOS");
WITH added AS (
	INSERT INTO spared
	SELECT format('%s-%sbad', $every, to_char(n * $every, 'FM00000'))
	FROM generate_series(1, $count / $every, 20) n
	RETURNING 1)
SELECT count(*) FROM added
EOS
	others_are_stored("$name, of which some become sound", $spared);
	cured($name, $bad - $spared, 'refuse');
}

# what refuses some of them refuses whatever the worker makes up, too
$cdr->sql(
	'CREATE TRIGGER tenant BEFORE INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION want_tenant()'
);
$cdr->publish(map { event(sprintf('tenant-%05d', $_), $_ % 10 ? 't' : undef) }
	  1 .. 2000);
others_are_stored('one of ten has no tenant', 1800);
$cdr->wait_for('sum(waiting) = 200 FROM cdr_status()');
cured('one of ten has no tenant', 200, 'tenant');

# one in each of many batches, which has to be found each time
$cdr->sql(
	'CREATE TRIGGER refuse BEFORE INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION refuse()'
);
$cdr->publish(
	map { event(sprintf('many-%05d%s', $_, $_ % 1000 ? '' : 'bad')) }
	  1 .. 20_000);
others_are_stored('one of a thousand', 19_980);
cured('one of a thousand', 20, 'refuse');

$cdr->sql(
	'CREATE TRIGGER many AFTER INSERT ON call_events REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION refuse_many()'
);
$cdr->publish(map { event("single-$_") } 1 .. 100);
others_are_stored('one row at a time', 100);
cured('one row at a time', 0, 'many');

# (each of these has calls of its own: no later one mends what it has broken)
$cdr->stored_is($stored, 'scattered');
$cdr->nothing_left('scattered');
done_testing();
