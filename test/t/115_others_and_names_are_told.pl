# What keeps events away although the service consumes is told: a name that
# did not exist, an exchange that does not deliver what the keys say, bindings
# that nobody wants any more, consumers of others.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Broker;
use CdrService::Events qw(simple_events);
use CdrService::Fixture;
use CdrService::Util qw(poll);

my $cdr = CdrService::Fixture->new('others',
	config => "cdr_service.heartbeat = '2s'\n");
my $broker   = $cdr->broker;
my $queue    = CdrService::Broker::QUEUE;
my $exchange = CdrService::Broker::EXCHANGE;
my $stored   = 0;

# Applies settings and waits for the session that they lead to.
sub reconnect
{
	my (%settings) = @_;
	my $before     = $cdr->sql('SELECT clock_timestamp()');
	my $log        = $cdr->log_size;

	$cdr->set(%settings);
	$cdr->wait_for(
		"bool_and(state = 'consuming' AND since > '$before') FROM cdr_status()"
	);
	return $log;
}

sub wait_for_warning
{
	my ($like, $name) = @_;

	$cdr->wait_for("bool_or(warning ~ '$like') FROM cdr_status()");
	return pass("$name: told");
}

sub wait_for_silence
{
	my ($name) = @_;

	$cdr->wait_for('bool_and(warning IS NULL) FROM cdr_status()');
	return pass("$name: nothing is told any more");
}

# The keys by which the queue is bound to the exchange.
sub bindings
{
	my ($source) = @_;
	my $list =
	  $broker->ctl('list_bindings', '-p', $broker->vhost, 'source_name',
		'destination_name', 'routing_key');

	return join ' ', sort $list =~ /^\Q$source\E\t\Q$queue\E\t(.*)$/mg;
}

# --- names that did not exist

like(
	$cdr->log_since(0),
	qr/LOG:  declared exchange "\Q$exchange\E", because it did not exist\n(?:.*\n)*?.*LOG:  declared queue "\Q$queue\E", because it did not exist/,
	'what was declared is logged');
wait_for_warning(
	qq(^exchange "$exchange" did not exist and was declared, and nothing has come through it yet\$),
	'a new exchange');
$cdr->publish(simple_events(1, 'first'));
$stored++;
$cdr->wait_for("count(*) >= $stored FROM call_events");
wait_for_silence('once an event has come through it');

reconnect('cdr_service.queue' => 'misspelt');
wait_for_warning('^queue "misspelt" did not exist and was declared',
	'a new queue');
like(
	$cdr->log_since(0),
	qr/LOG:  queue "\Q$queue\E" is not consumed from any more, and still bound/,
	'the queue that is left alone is logged');
$broker->amqp([ 'delete-queue', 'misspelt' ]);
$cdr->wait_for('reconnects >= 2 FROM cdr_status()');
wait_for_warning('^queue "misspelt" did not exist', 'declared again');
reconnect('cdr_service.queue' => $queue);
wait_for_silence('a name that exists');
$broker->amqp([ 'delete-queue', 'misspelt' ]);

# --- exchanges that do not deliver what the keys say

foreach my $case (
	[ 'topic', ['topic'], 'call.#, *.known' ],
	[
		'glued',
		['topic'],
		'call.end*,#',
		qr/is of type topic, to which .* within a word, .* are no wildcards/
	],
	[
		'direct', ['direct'],
		'call.#', qr/is of type direct, to which .* are no wildcards/
	],
	[ 'direct with plain keys', ['direct'], 'call.started,call.ended' ],
	[ 'fanout',                 ['fanout'], '#' ],
	[
		'fanout with keys',
		['fanout'], 'call.#',
		qr/is of type fanout, to which .* mean nothing: all events come/
	],
	[
		'headers with keys',
		['headers'], 'call.#',
		qr/is of type headers, to which .* mean nothing/
	],
	[ 'alternate', [ 'topic', 'alternate-exchange=amq.fanout' ], '#' ],
	[
		'transient', [ 'topic', 'durable=false' ],
		'#',         qr/is not durable: it is gone, with its bindings/
	],
	[
		'auto', [ 'topic', 'auto-delete=true' ],
		'#',    qr/is auto_delete: RabbitMQ deletes it/
	],
	[
		'internal', [ 'topic', 'internal=true' ],
		'#',        qr/is internal: nothing comes but what other/
	],
	[
		'all of it',
		[ 'direct', 'durable=false', 'auto-delete=true', 'internal=true' ],
		'#',
		qr/is of type direct/,
		qr/is not durable/,
		qr/is auto_delete/,
		qr/is internal/
	])
{
	my ($name, $arguments, $keys, @warnings) = @$case;

	$broker->amqp([ 'declare-exchange', $name, @$arguments ]);
	reconnect(
		'cdr_service.exchange'     => $name,
		'cdr_service.binding_keys' => $keys);

	my @told = split /; /, $cdr->status('warning');
	is(scalar @told, scalar @warnings, "exchange $name: so many warnings")
	  or diag(join "\n", @told);
	foreach my $warning (@warnings)
	{
		ok(scalar(grep { /^exchange "\Q$name\E" $warning/ } @told),
			"exchange $name: the warning")
		  or diag(join "\n", @told);
	}
}

# --- bindings that are not wanted any more

reconnect(
	'cdr_service.exchange'     => $exchange,
	'cdr_service.binding_keys' => 'call.#,user.#');
is(bindings('all of it'), '', 'the former exchange is not bound any more');
is( bindings($exchange),
	'call.# user.#',
	'this one is bound by the new keys alone');
my $log = reconnect('cdr_service.binding_keys' => 'call.#,#');
is(bindings($exchange), '# call.#', 'a key that was taken out is unbound');
is( $cdr->log_matches(
		qr/LOG:  removed the binding of queue "\Q$queue\E" to exchange "\Q$exchange\E" with key "user\.#"/,
		$log),
	1,
	'and that is logged');
reconnect('cdr_service.binding_keys' => 'call.#');
is(bindings($exchange), 'call.#', 'and so is the next one');

$cdr->publish(simple_events(1, 'wanted'));
$stored++;
$cdr->wait_for("count(*) >= $stored FROM call_events");
$cdr->status_is('warning', '', 'what the keys let through is no surprise');
$broker->amqp([ 'bind', $queue, $exchange, 'user.*' ]);

# (a process that has had such a key itself cannot tell)
my ($pid) = $cdr->worker_pids;
$cdr->terminate_worker($pid);
$cdr->wait_for("state = 'consuming' AND pid <> $pid FROM cdr_status()");
$cdr->status_is('warning', '', 'a binding of others is not seen');
$cdr->publish({ key => 'user.known', body => '{"eventType":"user.known"}' });
wait_for_warning('has, or had, a binding .* with routing key "user\.known"',
	'but what comes through it');
$stored++;

# --- consumers of others

reconnect('cdr_service.binding_keys' => 'call.#,user.#');
my $other = $broker->hold($queue);
wait_for_warning("^1 other consumer takes messages from queue",
	'another consumer');
my $third = $broker->hold($queue);
wait_for_warning("^2 other consumers take messages", 'two others');
$broker->release($_) foreach $other, $third;
wait_for_silence('they have gone');

# ... of whom our own are none, however they come and go
$cdr->node->append_conf('postgresql.conf', "cdr_service.workers = 3\n");
$log = $cdr->log_size;
$cdr->node->restart;
$cdr->wait_for(
	"count(*) = 3 AND bool_and(state = 'consuming') FROM cdr_status()");
foreach my $round (1 .. 3)
{
	my @before = $cdr->worker_pids;

	kill 'TERM', $before[0];
	$cdr->wait_for(
		"count(*) = 3 AND bool_and(state = 'consuming' AND pid <> $before[0]) FROM cdr_status()"
	);
	reconnect('cdr_service.prefetch' => 100 + $round);
}
is($cdr->log_matches(qr/other consumer/, $log),
	0, 'our own workers are no others');

$cdr->publish(simple_events(100, 'last'));
$stored += 100;
$cdr->wait_for("count(*) >= $stored FROM call_events");
$cdr->stored_is($stored, 'after all of this');
$cdr->nothing_left('others');

done_testing();
