# A message that comes again changes nothing: whether the producer sends it
# again, or the broker does because it heard no acknowledgement (here, before
# the events were committed; 012 has the same after the commit).  Once the tables
# are emptied, it is no repetition, and is stored as fast as what is new.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $cdr    = CdrService::Fixture->new('redelivery');
my @events = simple_events(600);
# without a time of its own, an event is known by its bytes alone
push @events,
  map { qq({"eventType":"call.held","callId":"timeless-$_"}) } 1 .. 50;
my $calls_are =
  q{SELECT md5(string_agg(c::text, ' ' ORDER BY call_id)) FROM calls AS c};

# How many rows of calls are searched for by key to store these events as one
# batch, after what is to be done before: all calls are, by INSERT ... ON CONFLICT,
# but none that is inserted as a new one.  (Workers tell when they let go.)
sub rows_looked_for
{
	my ($before) = @_;
	my $scans =
	  q{SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'calls_pkey'};

	pause();
	$before->();
	$cdr->sql('SELECT pg_stat_reset()');
	$cdr->publish(@events);
	$cdr->sql('SELECT cdr_resume()');
	$cdr->wait_drained(650);
	pause();
	my $count = $cdr->sql($scans);
	$cdr->sql('SELECT cdr_resume()');
	return $count;
}

sub pause
{
	my @pids = $cdr->worker_pids;

	$cdr->sql('SELECT cdr_pause()');
	return $cdr->wait_until_paused(@pids);
}

my $new = rows_looked_for(sub { });
$cdr->wait_for('recorded = 650 FROM cdr_status()');
my $calls = $cdr->sql($calls_are);

# --- the producer sends all of it again, and some of it twice in one batch

$cdr->publish(@events, reverse @events);
$cdr->wait_for('duplicates = 1300 FROM cdr_status()');
$cdr->stored_is(650, 'sent again');
is($cdr->sql($calls_are), $calls, 'sent again: no call has changed');
$cdr->status_is('recorded', 650, 'sent again: nothing counts as recorded');

# --- the worker dies before it could commit: the broker delivers again

my $session = $cdr->session;
my @more    = simple_events(300, 'uncommitted');
$session->query('BEGIN; LOCK TABLE call_events IN SHARE MODE');
$cdr->publish(@more);
$cdr->wait_for_state('retrying');
$cdr->terminate_worker;
$session->query('ROLLBACK');
$cdr->wait_drained(950);
$cdr->stored_is(950, 'uncommitted');

# --- the tables are emptied: whoever remembers what they held is wrong

my $emptied = rows_looked_for(sub { $cdr->sql('TRUNCATE call_events, calls') });
cmp_ok($emptied, '<', $new + 100,
	'emptied: calls that begin are inserted as new ones');
$cdr->stored_is(650, 'emptied');
is($cdr->sql($calls_are), $calls, 'emptied: the calls are as before');

$cdr->nothing_left('redelivery');

done_testing();
