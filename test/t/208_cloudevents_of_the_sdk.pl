# CloudEvents that nobody here has made: the official SDK for JavaScript makes
# them, amqplib publishes them, in every mode and with the prefixes of two
# bindings, each twice, and they are one call.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Broker;
use CdrService::Fixture;
use CdrService::Util qw(repository run);

my $sdk = $ENV{CDR_TEST_CLOUDEVENTS};

plan skip_all => 'CDR_TEST_CLOUDEVENTS names no directory with the SDK'
  unless defined $sdk && -d "$sdk/node_modules/cloudevents";

my $cdr = CdrService::Fixture->new('sdk');

run([
	'node',            "$sdk/publish.mjs",
	$cdr->broker->uri, CdrService::Broker::EXCHANGE
]);
$cdr->wait_drained(5);
$cdr->wait_for('count(*) = 5 FROM call_events');

is( $cdr->sql(<<'EOS'),
SELECT event_type, call_id, trace_id,
	to_char(event_time AT TIME ZONE 'UTC', 'HH24:MI:SS.MS'),
	event_id = encode(substr(sha256('\xfffffffe0000000a' || '/sip/edge1'::bytea
		|| '\x00000005' || ('sdk-' || row_number() OVER (ORDER BY event_time))::bytea), 1, 16), 'hex')::uuid
FROM call_events ORDER BY event_time
EOS
	join("\n",
		'call.started|sdk@192.0.2.20|11111111111111111111111111111111|20:00:00.118|t',
		'call.ringing|sdk@192.0.2.20|11111111111111111111111111111111|20:00:01.000|t',
		'user.identified.for_call|sdk@192.0.2.20|11111111111111111111111111111111|20:00:02.000|t',
		'com.example.any|sdk@192.0.2.20|11111111111111111111111111111111|20:00:03.000|t',
		'call.ended|sdk@192.0.2.20|11111111111111111111111111111111|20:00:09.000|t'
	),
	'each event is recorded once, as the first time it came');
is( $cdr->sql(
		'SELECT disposition, caller_number, callee_number, user_id, hangup_cause, event_count FROM calls'
	),
	'BUSY|+12025550123|1001|u-1|busy|5',
	'and they are one call');
is($cdr->sql('SELECT count(*) FROM cdr_verify_calls()'),
	0, 'the log says the same');
is($cdr->sql('SELECT count(*) FROM dead_letters'),
	0, 'there is no dead letter');

$cdr->nothing_left('sdk');

done_testing();
