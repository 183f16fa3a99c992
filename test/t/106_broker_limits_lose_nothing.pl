# What a broker does to protect itself.  Short of memory or of disk space, it
# blocks those who publish, but not the service, which consumes; and messages
# that stay unacknowledged for too long it takes back and delivers again.  (And what
# queues.md asks of the management plugin, for which no other broker than this is free.)

use strict;
use warnings FATAL => 'all';

use JSON::PP qw(decode_json);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Broker;
use CdrService::Events qw(simple_events);
use CdrService::Fixture;
use CdrService::Util qw(poll repository run);

my $broker = CdrService::Broker->private;
my $cdr    = CdrService::Fixture->new(
	'broker_limits',
	broker    => $broker,
	streaming => 1,
	config    => "cdr_service.prefetch = 300\n"
	  # since 4.3, only quorum queues have a timeout
	  . "cdr_service.queue_type = 'quorum'\n");
my $stored = 0;

# Waits until so many more events are stored, and all are acknowledged.
sub is_stored
{
	my ($more, $name) = @_;

	$stored += $more;
	$cdr->wait_drained($stored);
	return $cdr->stored_is($stored, $name);
}

# --- alarms: the backlog is consumed while publishers are blocked

my %alarms = (
	memory => {
		raise => 'vm_memory_monitor:set_vm_memory_high_watermark(0.0001)',
		clear => 'vm_memory_monitor:set_vm_memory_high_watermark(0.6)',
	},
	disk => {
		raise => 'rabbit_disk_monitor:set_disk_free_limit(1 bsl 50)',
		clear => 'rabbit_disk_monitor:set_disk_free_limit(50000000)',
	});

foreach my $resource (sort keys %alarms)
{
	my $name = "$resource alarm";

	$cdr->hold_back($resource, "$resource~");
	# more than the broker sends ahead: acknowledgements must get through, too
	$cdr->publish(simple_events(600, $resource));
	$broker->erlang($alarms{$resource}{raise});
	my $publisher = $broker->start_publishing(simple_events(30, "late $resource"));
	poll(sub { $broker->blocked_connections == 1 }, 'the publisher to be blocked');
	$cdr->let_through;
	is_stored(600, $name);
	is($broker->blocked_connections, 1, "$name: the publisher is still blocked");

	$broker->erlang($alarms{$resource}{clear});
	ok($publisher->finish, "$name: what was blocked is published after it");
	is_stored(30, "after the $name");
	$cdr->status_is('reconnects', 0, "$name: without a reconnect");
}

# --- unacknowledged for too long: the broker takes them back

my $log = $cdr->log_size;

$broker->erlang(
	'application:set_env(rabbit, consumer_timeout, 2000), application:set_env(rabbit, channel_tick_interval, 500)'
);
# a queue takes it from there when it is declared, a channel when it opens
$broker->amqp([ 'delete-queue', CdrService::Broker::QUEUE ]);
$cdr->wait_for(q{state = 'consuming' AND reconnects = 1 FROM cdr_status()});

# before the commit
$cdr->hold_back('held', 'held~');
$cdr->publish(simple_events(300, 'held'));
$cdr->wait_for('reconnects >= 2 FROM cdr_status()');
cmp_ok($cdr->log_matches(qr/acknowledgement .* timed out|cancelled the consumer/, $log),
	'>=', 1, 'held too long: the reason is told');
$cdr->let_through;
is_stored(300, 'held too long');

# After the commit, which waits for a standby that does not exist.  The worker
# cannot answer the broker meanwhile, and until then, or until heartbeats end
# the connection, quorum queues before 4.3 do not take messages back.
my $before = $cdr->sql('SELECT clock_timestamp()');

$cdr->set('cdr_service.heartbeat' => '2s');
$cdr->wait_for("state = 'consuming' AND since > '$before' FROM cdr_status()");
$cdr->sql('SELECT cdr_stats_reset()');
$cdr->set('synchronous_standby_names' => 'nobody');
$cdr->publish(simple_events(300, 'committed'));
$cdr->wait_for(
	q{count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'cdr_service worker' AND wait_event = 'SyncRep'}
);
poll(sub { ($broker->count)[0] == 300 }, 'the broker to take them back');
$cdr->set('synchronous_standby_names' => '');
$cdr->wait_for('duplicates > 0 FROM cdr_status()');
pass('committed: some of them are known when they come again');
is_stored(300, 'committed, but not acknowledged in time');
$cdr->nothing_left('broker limits');

# --- the management plugin, asked as queues.md says: for a policy, which the service
# cannot see, and to take away a binding that stayed

my $port    = PostgreSQL::Test::Cluster::get_free_port();
my $plugins = $broker->directory . '/plugins';
my $queue   = CdrService::Broker::QUEUE;

$broker->ctl('set_policy', '-p', $broker->vhost, '--apply-to', 'queues',
	'short', '^sentiric', '{"max-length": 7}');
append_to_file("$plugins.new",
	slurp_file($plugins) =~ s/\[(.*)\]/'[' . join(',', grep { length } $1, 'rabbitmq_management') . ']'/er);
rename "$plugins.new", $plugins or die "$plugins: $!";
$broker->erlang(<<"EOC");
	application:set_env(rabbitmq_management, tcp_config,
		[{port, $port}, {ip, "127.0.0.1"}], [{persistent, true}]),
	rabbit_plugins:ensure("$plugins"),
	ok
EOC

my ($delete, $show) =
  map {
	  s{USER}{guest:guest}r =~ s{HOST:15672}{127.0.0.1:$port}r
		=~ s{/%2F/}{'/' . $broker->vhost . '/'}er =~ s{^curl}{curl -sS -f}r
  } slurp_file(repository() . '/doc/queues.md') =~ /^ +(curl .*)$/mg;
my $told;

poll(
	sub {
		$told = decode_json(run([ 'sh', '-c', $show ]));
		return $told->{effective_policy_definition}{'max-length'};
	},
	'the management plugin to tell the policy');
is($told->{effective_policy_definition}{'max-length'},
	7, 'queues.md: a policy of the queue is told');
like($broker->ctl('list_bindings', '-p', $broker->vhost),
	qr/^sentiric_events\texchange\t$queue\tqueue\t#/m, 'a binding is there');
run([ 'sh', '-c', $delete ]);
unlike($broker->ctl('list_bindings', '-p', $broker->vhost),
	qr/^sentiric_events\t/m, 'queues.md: and is gone');

done_testing();
