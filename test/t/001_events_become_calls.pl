# From the first event to the first row: the service finds its extension,
# declares what RabbitMQ lacks, and records every form of event that the
# platform publishes, byte for byte.

use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(sha256_hex);
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Broker;
use CdrService::Fixture;
use CdrService::Util qw(repository);

my $cdr    = CdrService::Fixture->new('first', extension => 0);
my $broker = $cdr->broker;

# --- the extension comes after the server has started

$cdr->wait_for(
	"count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'cdr_service worker'"
);
$cdr->sql('CREATE EXTENSION cdr_service');
$cdr->wait_for_state('consuming');
$cdr->status_is('queue', CdrService::Broker::QUEUE,
	'consumes from the queue of the platform');
$cdr->status_is(
	'host',
	'127.0.0.1:' . $broker->port,
	'says from which server');
$cdr->status_is('reconnects', 0,  'connected once');
$cdr->status_is('last_error', '', 'and without an error');

# --- topology: to declare the same again is refused unless it is the same

ok( $broker->amqp(
		[ 'declare-exchange', CdrService::Broker::EXCHANGE, 'topic' ]) eq '',
	'declared a durable topic exchange');
ok($broker->amqp([ 'declare-queue', CdrService::Broker::QUEUE ]) eq '',
	'declared a durable queue without arguments');

# --- the samples

my @samples =
  split /\n/, slurp_file(repository() . '/test/data/samples.json');
$cdr->publish(@samples);
$cdr->wait_drained(scalar @samples);
$cdr->stored_is(scalar @samples, 'samples');

my $columns =
	'status, disposition, direction, caller_number, callee_number, '
  . 'start_time, answer_time, end_time, duration_seconds, billable_seconds, '
  . 'hangup_cause, hangup_source, tenant_id, user_id, contact_id, '
  . 'recording_url, event_count';

is( $cdr->sql(
		"SET timezone = 'UTC'; SELECT $columns FROM calls WHERE call_id = '4c9b5f6a-7711\@10.20.0.14'"
	),
	join('|',
		'COMPLETED',
		'ANSWERED',
		'inbound',
		'+905551112233',
		'+902124548590',
		'2025-09-08 09:15:02.118205+00',
		'2025-09-08 09:15:04.402913+00',
		'2025-09-08 09:17:31.0001+00',
		148,
		146,
		'terminated_by_request',
		'system',
		'tenant-atlas',
		'0a7d0c0e-31f6-4c8e-9a51-5f2e9a7a2b10',
		4711,
		'',
		4),
	'a call in the first dialect');
is( $cdr->sql(
		"SET timezone = 'UTC'; SELECT $columns FROM calls WHERE call_id = 'a84b4c76e66710\@gw1.example.net'"
	),
	join('|',
		'COMPLETED',
		'ANSWERED',
		'outbound',
		'1001',
		'+4930901820',
		'2026-01-19 21:59:58.9+00',
		'2026-01-19 22:00:03.25+00',
		'2026-01-19 22:04:10.75+00',
		251,
		247,
		'normal_clearing_by_user',
		'user',
		'tenant-borealis',
		'',
		'',
		's3://recordings/2026/01/19/a84b4c76e66710.wav',
		5),
	'a call in the second dialect, with an event of an unknown type');
is( $cdr->sql(
		q{SELECT call_id = '', event_type, tenant_id FROM call_events WHERE trace_id = 'cfg-77'}
	),
	't|dialplan.updated|tenant-borealis',
	'an event of no call is logged');
is($cdr->sql('SELECT count(*) FROM calls'), 2, 'and makes no call');

# --- bytes and identity

is( $cdr->sql(
		'SELECT payload FROM call_events ORDER BY payload::text COLLATE "C"'),
	join("\n", sort @samples),
	'payloads are kept byte for byte');
is( $cdr->sql(
		q{SELECT replace(event_id::text, '-', '') FROM call_events ORDER BY payload::text COLLATE "C"}
	),
	join("\n", map { substr(sha256_hex("\xff\xff\xff\xff$_"), 0, 32) } sort @samples),
	'an event is the SHA-256 of its body');

# --- what an event leaves to the message

my $before = $cdr->sql('SELECT now()');
$cdr->publish(
	{
		key        => 'call.answered',
		properties =>
		  'message-id=m-1;timestamp=1767225600;header:x-retry-count=1',
		body => '{"callId":"bare"}'
	},
	{
		key  => 'call.ended',
		body => '{"callId":"bare","timestamp":"0001-01-01T00:00:00Z"}'
	});
$cdr->wait_drained(@samples + 2);
is( $cdr->sql(
		q{SELECT event_type, event_time = '2026-01-01 00:00:00Z', replace(event_id::text, '-', '')
		  FROM call_events WHERE routing_key = 'call.answered' AND call_id = 'bare'}
	),
	'call.answered|t|' . substr(sha256_hex("\0\0\0\x03m-1{\"callId\":\"bare\"}"), 0, 32),
	'routing key, AMQP timestamp and message-id stand in for what the body lacks'
);
is( $cdr->sql(
		qq{SELECT event_type, event_time = received_at, received_at BETWEEN '$before' AND now()
		   FROM call_events WHERE routing_key = 'call.ended' AND call_id = 'bare'}
	),
	'call.ended|t|t',
	'an event without any time happened when it was received');

# --- a queue that is there already is used as it is

my @arguments =
  ('x-dead-letter-exchange=sentiric_events.failed', 'x-max-length=1000');
$broker->amqp([ 'declare-queue', 'the.go.service', @arguments ]);
$cdr->set('cdr_service.queue' => 'the.go.service');
$cdr->wait_for(
	q{state = 'consuming' AND queue = 'the.go.service' FROM cdr_status()});
$cdr->publish('{"eventType":"call.started","callId":"other queue"}');
$cdr->wait_for(q{count(*) = 1 FROM calls WHERE call_id = 'other queue'});
ok($broker->amqp([ 'declare-queue', 'the.go.service', @arguments ]) eq '',
	'a queue with other arguments keeps them, and is bound');
$broker->amqp([ 'delete-queue', 'the.go.service' ]);

done_testing();
