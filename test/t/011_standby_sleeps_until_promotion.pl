# The service fails over with the database: on a standby it sleeps, and at
# promotion it consumes.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $cdr     = CdrService::Fixture->new('primary', streaming => 1);
my $primary = $cdr->node;

my $standby = $cdr->standby('standby');

# --- asleep

$cdr->publish(simple_events(300, 'before'));
$cdr->wait_drained(300);
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'SELECT state FROM cdr_status()'),
	'standby', 'the standby says that it is one');
is( $standby->safe_psql(
		'postgres',
		"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cdr_service worker'"
	),
	0,
	'no worker runs on it');
is(($cdr->broker->count)[1], 1, 'the queue has one consumer, the primary');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM call_events'),
	300, 'what the primary has stored is there');


my ($failed, undef, $refused) = $standby->psql('postgres',
	q{SELECT count(*) FROM cdr_read_calls('why not', tenant => 'x')});
isnt($failed, 0, 'calls are not read where nobody can record it');
like($refused, qr/cannot record who reads calls during recovery/, 'it says so');

# --- the primary goes, events come, the standby takes over

$primary->stop('immediate');
is($cdr->broker->left_over, 0, 'the primary owes the broker nothing');
$cdr->publish(simple_events(300, 'after'));
$cdr->fail_over_to($standby);
$cdr->wait_drained(600);
$cdr->stored_is(600, 'promoted');
$cdr->status_is('state', 'consuming', 'promoted: the worker consumes');
$cdr->nothing_left('promoted');

done_testing();
