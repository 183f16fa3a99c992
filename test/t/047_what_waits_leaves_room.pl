# However many messages wait, more than the prefetch too, others have room beside
# them, from a queue of either type; and where there is none left, cdr_health says
# that it is critical.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Broker;
use CdrService::Events qw(simple_events);
use CdrService::Fixture;
use CdrService::Util qw(poll);

my $cdr = CdrService::Fixture->new('room',
		config => "cdr_service.prefetch = 20\n"
	  . "cdr_service.batch_size = 10\n"
	  . "cdr_service.heartbeat = 4\n");
my $stored = 0;

# Letters that cannot be written, in front of events.
sub letters
{
	my ($count, $size) = @_;

	return map { "bad $_ " . 'x' x $size } 1 .. $count;
}

sub level_is
{
	my ($level, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(
		$cdr->sql(q{SELECT level FROM cdr_health WHERE "check" = 'waiting'}),
		$level, $name);
}

# What waits keeps all others out, until its cause is gone.
sub keeps_others_out
{
	my ($name, @letters) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$cdr->publish(@letters, simple_events(100, $name));
	$cdr->wait_for(
		q{level = 'critical' AND detail ~ '^no other events get in; ' FROM cdr_health WHERE "check" = 'waiting'}
	);
	$cdr->sql('ALTER TABLE dead_letters DISABLE TRIGGER refuse');
	$stored += 100;
	$cdr->wait_drained($stored);
	$cdr->wait_for('sum(waiting) = 0 FROM cdr_status()');
	return level_is('ok',
		"$name: no more room is critical, and over when the cause is gone");
}

$cdr->sql(<<'EOS');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'refused' USING ERRCODE = '55000';
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON dead_letters FOR EACH ROW EXECUTE FUNCTION refuse();
EOS

foreach my $type ('classic', 'quorum')
{
	my $letters = 150;

	if ($type eq 'quorum')
	{
		# the service declares its queue anew
		$cdr->set('cdr_service.queue_type' => $type);
		$cdr->broker->amqp([ 'delete-queue', CdrService::Broker::QUEUE ]);
		$cdr->wait_for(
			"state = 'consuming' AND reconnects > 0 FROM cdr_status()");
	}
	my $connects = $cdr->sql('SELECT sum(reconnects) FROM cdr_status()');

	$cdr->publish(letters($letters, 1), simple_events(300, $type));
	$stored += 300;
	$cdr->stored_within_a_minute($stored,
		"$type: more letters than prefetch");
	$cdr->wait_for("sum(waiting) = $letters FROM cdr_status()");
	level_is('warning', "$type: what waits is told");
	# (a quorum queue counts those that were replaced, too)
	my $counted = $type eq 'quorum' ? '> 1' : '= 1';
	my $since   = $cdr->sql('SELECT clock_timestamp()');

	$cdr->wait_for(
		"sum(consumers) $counted AND clock_timestamp() > '$since'::timestamptz + '20 seconds' FROM cdr_status()"
	);
	is($cdr->status('warning'),
		'', "$type: those that were replaced are not taken for others");
	is( $cdr->sql(
			q{SELECT level FROM cdr_health WHERE "check" = 'consumers'}),
		'ok',
		"$type: nor by cdr_health");
	is($cdr->sql('SELECT sum(reconnects) FROM cdr_status()'),
		$connects, "$type: in one session");

	$cdr->sql('ALTER TABLE dead_letters DISABLE TRIGGER refuse');
	$cdr->wait_for('sum(waiting) = 0 FROM cdr_status()');
	is($cdr->sql('SELECT count(*) FROM dead_letters'),
		$letters, "$type: all letters are kept afterwards");
	# (the first one is that whose turn it is)
	like(
		$cdr->sql(
			q{SELECT encode(body, 'escape') FROM dead_letters ORDER BY xmin::text::bigint OFFSET 1 LIMIT 1}
		),
		qr/^bad [12] /,
		"$type: the oldest delivery is acknowledged before the others");
	$cdr->sql(
		'TRUNCATE dead_letters; ALTER TABLE dead_letters ENABLE TRIGGER refuse'
	);
}

# --- a small prefetch makes room as soon, and is small again afterwards

sub sent_ahead
{
	return $cdr->broker->ctl('list_consumers', '--quiet',
		'--no-table-headers', '-p', $cdr->broker->vhost, 'prefetch_count');
}

$cdr->set('cdr_service.prefetch' => 10);
poll(sub { sent_ahead() =~ /^10$/m }, 'a small prefetch');
$cdr->sql('ALTER TABLE dead_letters ENABLE TRIGGER refuse');
# all of it is there before any is consumed
$cdr->sql('SELECT cdr_pause()');
$cdr->wait_for_state('paused');
$cdr->publish(letters(1500, 1), simple_events(300, 'small'));
$cdr->sql('SELECT cdr_resume()');
$stored += 300;
$cdr->stored_within_a_minute($stored, 'small: 150 times the prefetch');
$cdr->wait_for('sum(waiting) = 1500 FROM cdr_status()');
like(sent_ahead(), qr/^\d{3,}$/m, 'small: more is sent ahead');
$cdr->sql('ALTER TABLE dead_letters DISABLE TRIGGER refuse');
$cdr->wait_for('sum(waiting) = 0 FROM cdr_status()');
poll(sub { sent_ahead() =~ /\A10\s*\z/ }, 'the prefetch of before');
is($cdr->sql('SELECT count(*) FROM dead_letters'),
	1500, 'small: all letters are kept afterwards');
$cdr->sql(
	'TRUNCATE dead_letters; ALTER TABLE dead_letters ENABLE TRIGGER refuse');
$cdr->set('cdr_service.prefetch' => 20);

# --- but memory is bounded

keeps_others_out('large', letters(40, 1_000_000));

# --- a queue with one active consumer at a time is left as it is

$cdr->set('cdr_service.declare' => 'never');
$cdr->broker->amqp([ 'delete-queue', CdrService::Broker::QUEUE ]);
$cdr->broker->declare('x-single-active-consumer=true');
$cdr->wait_for("state = 'consuming' FROM cdr_status()");
$cdr->sql('ALTER TABLE dead_letters ENABLE TRIGGER refuse');
keeps_others_out('single', letters(60, 1));

$cdr->stored_is($stored, 'room');
$cdr->nothing_left('room');
done_testing();
