# What a worker takes of memory is bounded, whatever publishers send: headers
# that become seven times as much JSON, the largest bodies, bodies that are kept
# while nothing can be stored, and bodies that wait because they alone cannot be.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Amqp qw(deliver header body table heartbeat);
use CdrService::FakeBroker;
use CdrService::Fixture;
use CdrService::RawPublisher;
use CdrService::Util qw(poll);

# Megabytes: below what doc/performance.md says, which adds up what cannot come
# together here.
use constant BOUND => 160;

# The same, for those that wait while others come: 64 received, 96 that wait, 100 of
# a batch.
use constant BOUND_WAITING => 260;

my $cdr = CdrService::Fixture->new('memory_bound');

# The most that a process has had for itself, in megabytes, while it is watched
# until a condition holds.
sub most_until
{
	my ($pid,  $condition) = @_;
	my ($most, $turn)      = (0, 0);

	poll(
		sub {
			my ($now) =
			  slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m;

			$most = $now if $now > $most;
			return $turn++ % 10 == 0
			  && $cdr->sql("SELECT $condition") eq 't';
		},
		$condition,
		0.02);
	return $most / 1024;
}

# A broker that sends so many messages, all with the same properties, with the
# bodies that a function makes of their numbers.
sub broker_with
{
	my ($count, $make_body, @properties) = @_;

	return CdrService::FakeBroker->scripted(
		{
			send => sub {
				my ($write) = @_;

				foreach my $tag (1 .. $count)
				{
					my $body = $make_body->($tag);

					$write->(
						join '',
						deliver($tag),
						header(length $body, @properties),
						map { body($_) }
						  unpack '(a'
						  . CdrService::RawPublisher::PIECE . ')*',
						$body);
				}
				while (select(undef, undef, undef, 0.5) == 0)
				{
					$write->(heartbeat());
				}
			}
		});
}

sub small_event
{
	return qq({"eventType":"call.started","callId":"small-$_[0]"});
}

sub no_event { return "no event $_[0]"; }

# An event of so many bytes.
sub event_of
{
	my ($size, $number) = @_;
	my $event =
	  qq({"eventType":"call.started","callId":"$size-$number","x":");

	return $event . 'x' x ($size - 2 - length $event) . '"}';
}

# all that fits into a frame, and takes most as JSON
my @text = (
	flags      => 1 << 13,
	properties => table(text => 'S' . pack('N/a', "\1" x 130_900)));
my @names = (
	flags      => 1 << 13,
	properties => pack('N/a', "\1\xffV" x 43_600));
my @cases = (
	[ 'headers of control characters', 150, \&small_event, @text ],
	[ 'headers with names of bytes',   150, \&small_event, @names ],
	[ 'dead letters with headers',     100, \&no_event,    @text ],
	[ 'events of 1 MB',  60,   sub { event_of(1_000_000, $_[0]) } ],
	[ 'events of 60 kB', 2000, sub { event_of(60_000,    $_[0]) } ],
	[ 'bodies of 16 MB', 6,    sub { "$_[0] " . 'x' x 16_000_000 } ],);

foreach my $case (@cases)
{
	my ($title, $count, @messages) = @$case;

	foreach my $held (0, 1)
	{
		my $fake    = broker_with($count, @messages);
		my $session = $cdr->session;
		my $what    = $held ? "$title, held" : $title;

		$cdr->sql('TRUNCATE call_events, calls, dead_letters');
		$cdr->terminate_worker;
		$cdr->wait_for_state('consuming');
		my ($pid) = $cdr->worker_pids;
		$session->query(
			'BEGIN; LOCK TABLE call_events, dead_letters IN SHARE MODE')
		  if $held;
		$cdr->set('cdr_service.amqp_uri' => $fake->uri);
		my $most = 0;

		if ($held)
		{
			$most = most_until(
				$pid, q{state IN ('retrying', 'backing off')
			  FROM cdr_status()});
			$session->query('ROLLBACK');
		}
		my $more = most_until($pid,
				"(SELECT count(*) FROM call_events) + "
			  . "(SELECT count(*) FROM dead_letters) >= $count");
		$most = $more if $more > $most;
		cmp_ok($most, '<', BOUND, "$what: megabytes");
		note sprintf '%s: %.0f MB', $what, $most;
		$session->quit;
		$fake->stop;
		$cdr->set('cdr_service.amqp_uri' => $cdr->broker->uri);
		$cdr->wait_for_state('consuming');
	}
}

# --- all of them refused, one by one: they wait, and beyond that become dead
# letters, while the broker sends more

my $fake = broker_with(400, sub { event_of(1_000_000, $_[0]) });
my ($pid) = $cdr->worker_pids;

$cdr->sql(<<'EOS');
TRUNCATE call_events, calls, dead_letters;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.call_id LIKE '1000000-%' THEN
		RAISE EXCEPTION 'refused' USING ERRCODE = '55P03';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION refuse();
EOS
$cdr->set('cdr_service.amqp_uri' => $fake->uri);
my $most = most_until($pid,
	'sum(waiting) > 0 AND sum(waiting) + (SELECT count(*) FROM dead_letters) = 400 FROM cdr_status()'
);
cmp_ok($most, '<', BOUND_WAITING, 'events of 1 MB, refused: megabytes');
note sprintf 'events of 1 MB, refused: %.0f MB', $most;
$cdr->sql('DROP TRIGGER refuse ON call_events');
$fake->stop;

done_testing();
