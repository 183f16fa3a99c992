# A quorum queue with a delivery limit drops what comes back too often, the
# innocent too.  The service's own queue never does; of a queue that somebody
# else declared so, the service warns.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Broker;
use CdrService::Events qw(simple_events);
use CdrService::Fixture;

my $cdr = CdrService::Fixture->new('delivery_limit',
	config => "cdr_service.queue_type = 'quorum'\ncdr_service.batch_size = 2\n"
);
my $broker  = $cdr->broker;
my $version = $broker->major_version;
my $again   = qr/delivers messages again and again: if .* policy/;
my $stored  = 0;

sub drops_after
{
	my ($redeliveries) = @_;

	return
	  qr/drops messages that come back more than $redeliveries times: it has a delivery limit and no dead-letter exchange \(x-delivery-limit = /;
}

# Has the service consume from another queue, declared with these arguments.
sub use_queue
{
	my ($queue, @arguments) = @_;
	my $before = $cdr->sql('SELECT clock_timestamp()');

	$broker->amqp([ 'declare-queue', $queue, @arguments ]);
	$cdr->set('cdr_service.queue' => $queue);
	$cdr->wait_for(
		"queue = '$queue' AND state = 'consuming' AND since > '$before' FROM cdr_status()"
	);
	return;
}

# Publishes events that are held back, and has them delivered and given back
# so many times.
sub deliver_in_vain
{
	my ($name, $times) = @_;

	$cdr->hold_back($name, "$name~");
	$cdr->publish(simple_events(60, $name));
	foreach (1 .. $times)
	{
		my $before = $cdr->status('reconnects');

		$broker->close_connections(60, 1);
		$cdr->wait_for(
			"state = 'backing off' OR reconnects > $before FROM cdr_status()");
		# each time in vain makes the next try wait longer; a reload ends that
		$cdr->node->reload;
	}
	return;
}

sub is_stored_after_all
{
	my ($name) = @_;

	$stored += 60;
	$cdr->let_through;
	$cdr->wait_for("count(*) >= $stored FROM call_events");
	return $cdr->stored_is($stored, $name);
}

# --- the service's own queue: thirty deliveries in vain

my $own = CdrService::Broker::QUEUE;

$cdr->publish(simple_events(1, 'first'));
$cdr->wait_for('warning IS NULL FROM cdr_status()');
pass('own queue: no warning');
$stored = 1;
deliver_in_vain('own', 30);
is_stored_after_all('own queue, delivered 31 times');
$cdr->status_is('reconnects', 30, 'own queue: through 30 reconnects');
like($cdr->status('warning'),
	$again, 'own queue: such deliveries are warned of, for a policy may be');

# --- a queue with a limit: SQL that fails leaves the deliveries alone

use_queue('limit 20', 'x-queue-type=quorum', 'x-delivery-limit=20');
like($cdr->status('warning'), drops_after(20), 'limit 20: the warning');

# Each batch of two fails once; the last waits through thirty failures.
$cdr->sql(<<'EOC');
CREATE SEQUENCE tries;
GRANT USAGE ON SEQUENCE tries TO cdr_service;
CREATE FUNCTION fail_first() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF nextval('public.tries') % 2 = 1 THEN
		RAISE 'not this time' USING ERRCODE = 'lock_not_available';
	END IF;
	RETURN NULL;
END
$$;
CREATE TRIGGER fail_first BEFORE INSERT ON call_events
	EXECUTE FUNCTION fail_first();
EOC
$broker->amqp([ 'delete-queue', $own ]);
$cdr->publish(simple_events(60, 'failing'));
is_stored_after_all('limit 20');
cmp_ok($cdr->sql('SELECT last_value FROM tries'),
	'>=', 60, 'limit 20: with thirty failures');
$cdr->status_is('reconnects', 31, 'limit 20: without a reconnect');
$cdr->sql('DROP FUNCTION fail_first CASCADE');

# --- what is warned of

my $log = $cdr->log_size;
my @cases = (
	[ 'limit', drops_after(5), 'x-queue-type=quorum', 'x-delivery-limit=5' ],
	[
		'limit among others',  drops_after(7),
		'x-queue-type=quorum', 'x-delivery-limit=7',
		'x-max-length=100000', 'x-overflow=reject-publish',
		'x-message-ttl=3600000'
	],
	[
		'limit and lost dead letters', qr/unanswered, which does not exist/,
		'x-queue-type=quorum',         'x-delivery-limit=5',
		'x-dead-letter-exchange=unanswered'
	],
	[
		'limit and dead-letter exchange', qr/^$/,
		'x-queue-type=quorum',            'x-delivery-limit=5',
		'x-dead-letter-exchange=amq.fanout'
	],
	# the default exchange knows queues by their names, and these are all its bindings
	[
		'limit and dead-letter queue', qr/^$/,
		'x-queue-type=quorum',         'x-delivery-limit=5',
		'x-dead-letter-exchange=',     'x-dead-letter-routing-key=limit'
	],
	[
		'limit and lost dead-letter queue',
		qr/^queue \S.* has x-dead-letter-exchange = "", .* x-dead-letter-routing-key = unanswered, a queue that does not exist: what the queue takes away is lost$/,
		'x-queue-type=quorum',
		'x-delivery-limit=5',
		'x-dead-letter-exchange=',
		'x-dead-letter-routing-key=unanswered'
	],
	[
		'limit and no dead-letter key',
		qr/^queue \S.* has x-dead-letter-exchange = "", .* no x-dead-letter-routing-key: what the queue takes away is lost, unless a queue is named like the message's routing key$/,
		'x-queue-type=quorum',
		'x-delivery-limit=5',
		'x-dead-letter-exchange='
	],
	[
		'no limit', $version < 4 ? qr/^$/ : drops_after(20),
		'x-queue-type=quorum'
	],
	[
		'negative limit', $version < 4 ? drops_after(0) : qr/^$/,
		'x-queue-type=quorum', 'x-delivery-limit=-1'
	],
	[ 'classic', qr/^queue \S+ has x-queue-type = classic, while \S+ is quorum$/ ]);

foreach my $case (@cases)
{
	my ($queue, $warning, @arguments) = @$case;

	use_queue($queue, @arguments);
	like($cdr->status('warning'), $warning, "$queue: the warning");
}
ok( !eval { $broker->amqp([ 'count', 'unanswered' ]); },
	'no queue is made by the look for one');
is( $cdr->log_matches(qr/LOG:  queue "limit" drops messages/, $log),
	1, 'the log has it once for each connection');

# The question that finds this out can never make a queue.
ok( !eval {
		$broker->amqp(
			[
				'declare-queue',       'no such queue',
				'x-queue-type=quorum', 'x-delivery-limit=?',
				'x-max-age=?'
			]);
	},
	'the question is refused for a queue that is not there');
ok(!eval { $broker->amqp([ 'count', 'no such queue' ]); },
	'and makes none');

# --- who may not configure the queue cannot ask, but sees deliveries

my $refused = qr/access to queue 'unknown' in vhost \S+ refused/;
my $before  = $broker->log_matches($refused);

$broker->add_user_without_configure('t21', 'secret');
use_queue('unknown', 'x-queue-type=quorum', 'x-delivery-limit=5');
$cdr->set(
	'cdr_service.amqp_uri' =>
	  $broker->uri(user => 't21', password => 'secret'));
$cdr->wait_for(q{state = 'consuming' AND warning IS NULL FROM cdr_status()});
pass('without permission: no warning');
deliver_in_vain('unknown', 4);
$cdr->wait_for('warning IS NOT NULL FROM cdr_status()');
like($cdr->status('warning'),
	$again, 'without permission: a warning after four deliveries');
is_stored_after_all('without permission');
is($broker->log_matches($refused),
	$before + 1, 'without permission: the broker has refused but once');

# --- the danger is real: with a limit, the held-back events are gone

use_queue('limit 2', 'x-queue-type=quorum', 'x-delivery-limit=2');
deliver_in_vain('lost', 3);
$cdr->let_through;
$cdr->wait_for_state('consuming');
$cdr->publish(simple_events(60, 'after'));
is_stored_after_all('limit 2: all but what the broker dropped');

$cdr->node->stop;
$broker->amqp([ 'delete-queue', $_ ])
  foreach 'limit 20', 'unknown', 'limit 2', map { $_->[0] } @cases;

done_testing();
