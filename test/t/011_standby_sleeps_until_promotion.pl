# The service fails over with the database: on a standby it sleeps, and at
# promotion it consumes.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $cdr = CdrService::Fixture->new(
	'primary',
	streaming => 1,
	config => "cdr_service.evidence = on\ncdr_service.seal_interval = 1s\n");
my $primary = $cdr->node;
$cdr->sql(<<'EOS');
SELECT cdr_create_evidence_tables();
CREATE ROLE reader LOGIN;
GRANT SELECT ON calls TO reader;
ALTER ROLE reader SET cdr_service.log_reads = on;
EOS

# It is half past three, by the server's time: the hour of retention, which its sealer
# has applied when the standby is copied from it.
my (undef, $minute, $hour) = gmtime;
my $ahead = (3 * 60 + 30 - $hour * 60 - $minute) % (24 * 60);
$cdr->sql(
	sprintf "ALTER SYSTEM SET log_timezone = '<X>-%d:%02d'", int($ahead / 60), $ahead % 60);
$cdr->sql('ALTER SYSTEM SET cdr_service.retention_hour = 3');
$cdr->sql(
	q{SELECT cdr_create_retention_tables(), cdr_set_retention(NULL, 'dead_letters', '36 hours', 'repair', 'a test'), pg_reload_conf()}
);
my $retention = q{FROM cdr_health WHERE "check" = 'retention'};
$cdr->wait_for("detail LIKE 'applied at %' $retention");
my $applied = $cdr->sql("SELECT detail $retention");
$primary->restart;
$cdr->wait_for(
	q{count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'cdr_service sealer' AND state = 'idle'}
);

my $standby = $cdr->standby('standby');

# --- asleep

$cdr->publish(simple_events(300, 'before'));
$cdr->wait_drained(300);
$cdr->wait_for('EXISTS (SELECT FROM cdr_seals) AND NOT EXISTS (SELECT FROM cdr_unsealed)');
is($cdr->sql("SELECT detail $retention"), $applied,
	'a restart in the hour of retention begins no other run');
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

# with log_reads, they are read, and the standby's own log has it
my @as_reader = (extra_params => [ '-U', 'reader' ]);
my $log       = -s $standby->logfile;
is( $standby->safe_psql('postgres', 'SELECT count(*) > 0 FROM calls', @as_reader),
	't', 'who may read calls reads them on the standby');
$standby->safe_psql('postgres', 'COPY (SELECT 1 FROM calls LIMIT 3) TO STDOUT',
	@as_reader);
like(
	slurp_file($standby->logfile, $log),
	qr/SELECT of calls by role "reader" \(login "reader", from a socket\): 1 rows.*: 3 rows/s,
	'and each read is a line of its log');

# --- the primary goes, events come, the standby takes over

$cdr->sql(
	q{INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, body_size, body) VALUES (gen_random_uuid(), now() - interval '2 days', now(), 'P0001', 'x', 1, 'x')}
);
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'SELECT count(*) FROM cdr_retired'), 0,
	'the primary has applied retention once in its hour');
$primary->stop('immediate');
is($cdr->broker->left_over, 0, 'the primary owes the broker nothing');
$cdr->publish(simple_events(300, 'after'));
$cdr->fail_over_to($standby);
$cdr->wait_for('sum(rows) = 1 FROM cdr_retired');
like($cdr->sql("SELECT level, detail $retention"),
	qr/^ok\|applied at /, 'promoted: in its hour, retention is applied at once');
$cdr->wait_drained(600);
$cdr->stored_is(600, 'promoted');
$cdr->status_is('state', 'consuming', 'promoted: the worker consumes');
$standby->safe_psql('postgres', 'SELECT count(*) FROM calls', @as_reader);
$cdr->wait_for(
	q{count(*) = 1 FROM cdr_access_log WHERE login = 'reader' AND rows = 1});
pass('promoted: reads are recorded in the table again');
$cdr->nothing_left('promoted');

done_testing();
