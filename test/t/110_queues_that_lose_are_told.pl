# A queue that is there already, and that loses, hides or shares messages by
# itself, is told in cdr_status() and in the log before anything is lost; so is
# a difference from the settings.  Of what is harmless nothing is said.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Broker;
use CdrService::Events qw(simple_events);
use CdrService::Fixture;
use CdrService::Util qw(repository);

my $cdr     = CdrService::Fixture->new('losing_queues');
my $broker  = $cdr->broker;
my $version = $broker->major_version;
my $stored  = 0;
my @queues;

# Has the service consume from a queue that is declared so before.  Returns
# where the log was.
sub use_queue
{
	my ($queue, $arguments, %settings) = @_;
	my $before = $cdr->sql('SELECT clock_timestamp()');
	my $log    = $cdr->log_size;

	$broker->amqp([ 'declare-queue', $queue, @$arguments ]);
	push @queues, $queue;
	$cdr->set('cdr_service.queue' => $queue, %settings);
	$cdr->wait_for(
		"queue = '$queue' AND state = 'consuming' AND since > '$before' FROM cdr_status()"
	);
	return $log;
}

# Is exactly this warned of, in status and log, by now?
sub is_told
{
	my ($name, $log, @warnings) = @_;
	my @told = split /; /, $cdr->status('warning');

	is(scalar @told, scalar @warnings, "$name: so many warnings")
	  or diag(join "\n", @told);
	foreach my $warning (@warnings)
	{
		ok(scalar(grep { /$warning/ } @told), "$name: the warning")
		  or diag(join "\n", @told);
		is($cdr->log_matches(qr/LOG:  [^\n]*$warning/, $log),
			1, "$name: it is logged once");
	}
	return;
}

# The service's own queue gives no reason to fear, once something has come.
$cdr->publish(simple_events(1, 'first'));
$stored++;
$cdr->wait_for('warning IS NULL FROM cdr_status()');
pass('own queue: nothing is told');

# --- the queues of the case: told while all is well, and rightly so

my @lines =
  split /\n/,
  slurp_file(repository() . '/test/cases/39-queues-that-lose/queues.txt');
my %effect = (
	'auto-delete' =>
	  qr/is auto_delete: RabbitMQ deletes it, with its messages/,
	'x-message-ttl' => qr/x-message-ttl = 1000: .* milliseconds, are dropped/,
	'x-max-length'  => qr/x-max-length = 3: .* oldest messages are dropped/);

is(scalar @lines, 3, 'the case has three queues');
foreach my $line (@lines)
{
	my @words  = map { s/ = /=/r } grep { $_ ne 'durable' } split /, /, $line;
	my ($what) = $words[0] =~ /^([a-z-]+)/;
	my $log =
	  use_queue("case $what", [ map { /=/ ? $_ : "$_=true" } @words ]);

	is_told("case: $line", $log, $effect{$what});
	$cdr->publish(simple_events(5, $what));
	$stored += 5;
	$cdr->wait_for("count(*) >= $stored FROM call_events");
	$cdr->stored_is($stored, "case: $line: until then");
	is_told("case: $line: and still", $log, $effect{$what});
}

# --- every property that a declaration can have

my @quorum = ('x-queue-type=quorum');
my $type =
  qr/x-queue-type = quorum, while cdr_service\.queue_type is classic/;
my @limit =
  $version < 4
  ? ()
  : (qr/come back more than 20 times: .*\(x-delivery-limit = none/);
my @harmless = (
	'x-max-priority=5',              'x-overflow=reject-publish',
	'x-single-active-consumer=true', 'x-dead-letter-exchange=amq.fanout',
	'x-dead-letter-routing-key=k');

push @harmless, 'x-queue-mode=lazy', 'x-queue-master-locator=min-masters'
  if $version < 4;
foreach my $case (
	[ 'as declared',    ['x-queue-type=classic'] ],
	[ 'without a type', [] ],
	[ 'harmless',       \@harmless ],
	$version < 4
	? [
		'transient',
		['durable=false'],
		qr/is not durable \(durable = false\): it is gone, with its messages/
	]
	: (),
	[
		'expires', ['x-expires=600000'],
		qr/x-expires = 600000: RabbitMQ deletes it, with its messages/
	],
	[
		'ttl to elsewhere',
		[ 'x-message-ttl=600000', 'x-dead-letter-exchange=amq.fanout' ],
		qr/x-message-ttl = 600000: .* are moved to exchange "amq\.fanout"/
	],
	[
		'ttl to a queue',
		[
			'x-message-ttl=600000', 'x-dead-letter-exchange=',
			'x-dead-letter-routing-key=as declared'
		],
		qr/x-message-ttl = 600000: .* are moved to queue "as declared"$/m
	],
	[
		'ttl to no queue',
		[
			'x-message-ttl=600000', 'x-dead-letter-exchange=',
			'x-dead-letter-routing-key=nowhere'
		],
		qr/x-message-ttl = 600000: .* are dropped$/m,
		qr/x-dead-letter-routing-key = nowhere, a queue that does not exist/
	],
	[
		'length to any queue',
		[ 'x-max-length=1000', 'x-dead-letter-exchange=' ],
		qr/x-max-length = 1000: .* oldest messages are moved to the queue that their routing key names$/m,
		qr/no x-dead-letter-routing-key: .* unless a queue is named like the message's routing key/
	],
	[
		'bytes',
		[ 'x-max-length-bytes=1000000', 'x-overflow=drop-head' ],
		qr/x-max-length-bytes = 1000000, x-overflow = drop-head: .* oldest messages are dropped/
	],
	[
		'rejects',
		[ 'x-max-length=1000', 'x-overflow=reject-publish' ],
		qr/x-overflow = reject-publish: .* new messages are refused, and lost unless/
	],
	[
		'rejects to elsewhere',
		[ 'x-max-length=1000', 'x-overflow=reject-publish-dlx' ],
		qr/x-overflow = reject-publish-dlx: .* new messages are dropped/
	],
	[
		'no dead letters',
		['x-dead-letter-exchange=nowhere'],
		qr/x-dead-letter-exchange = nowhere, which does not exist/
	],
	[
		'ttl to no exchange',
		[ 'x-message-ttl=600000', 'x-dead-letter-exchange=nowhere' ],
		qr/x-message-ttl = 600000: .* are dropped$/m,
		qr/x-dead-letter-exchange = nowhere, which does not exist/
	],
	[
		'all at once',
		[
			'auto-delete=true',               'x-expires=600000',
			'x-message-ttl=600000',           'x-max-length=1000',
			'x-dead-letter-exchange=nowhere', 'x-max-priority=3'
		],
		qr/auto_delete/,
		qr/x-expires = 600000/,
		qr/x-message-ttl = 600000/,
		qr/x-max-length = 1000/,
		qr/x-dead-letter-exchange = nowhere/
	],
	[ 'quorum', [@quorum], $type, @limit ],
	[
		'quorum, limit and more',
		[
			@quorum,            'x-delivery-limit=5',
			'x-max-length=100', 'x-message-ttl=600000'
		],
		$type,
		qr/come back more than 5 times: .*\(x-delivery-limit = 5\)/,
		qr/x-max-length = 100/,
		qr/x-message-ttl = 600000/
	])
{
	my ($name, $arguments, @warnings) = @$case;

	is_told($name, use_queue($name, $arguments), @warnings);
}

# --- differences from the settings, each cured by what its hint says

is_told(
	'type as set',
	use_queue(
		'no loss',
		[ @quorum, 'x-delivery-limit=2147483647' ],
		'cdr_service.queue_type' => 'quorum'));
is_told(
	'classic is not quorum',
	use_queue('classic after all', []),
	qr/x-queue-type = classic, while cdr_service\.queue_type is quorum/);
my $log = use_queue(
	'letters',
	['x-dead-letter-exchange=amq.fanout'],
	'cdr_service.queue_type'           => 'classic',
	'cdr_service.dead_letter_exchange' => 'amq.topic');
is_told(
	'another dead-letter exchange',
	$log,
	qr/x-dead-letter-exchange = amq\.fanout, while cdr_service\.dead_letter_exchange is amq\.topic/
);
like(
	$cdr->log_since($log),
	qr/LOG:  queue "letters" has x-dead-letter.*\n.*HINT:  The arguments of a queue cannot be changed/,
	'the log has the hint');
$log = use_queue('no letters', []);
is_told(
	'no dead-letter exchange',
	$log,
	qr/no x-dead-letter-exchange, while cdr_service\.dead_letter_exchange is amq\.topic/
);
$cdr->set('cdr_service.dead_letter_exchange' => '');

# --- names so long that the broker cuts its refusals off: nothing wrong is said

my $long = 'long ' . 'x' x 240;
use_queue($long, [ 'x-max-length=5', 'x-message-ttl=5000' ]);
unlike(
	$cdr->status('warning'),
	qr/delivery limit|nothing known|x-queue-type/,
	'a long name: nothing wrong');

# --- others' exclusive queue cannot be had

my $holder = $broker->hold('mine alone', 'exclusive=true', 'durable=false');
$cdr->set('cdr_service.queue' => 'mine alone');
$cdr->wait_for(
	"state = 'backing off' AND last_error_sqlstate = '55006' FROM cdr_status()"
);
like(
	$cdr->status('last_error'),
	qr/RESOURCE_LOCKED.*exclusive access to locked queue 'mine alone'/,
	'an exclusive queue: told');
$broker->release($holder);

# --- who may not configure can be told less, and is told nothing wrong

$broker->add_user_without_configure('t110', 'secret');
is_told(
	'without permission',
	use_queue(
		'unseen',
		['x-max-length=1000'],
		'cdr_service.amqp_uri' =>
		  $broker->uri(user => 't110', password => 'secret')));

$cdr->node->stop;
eval { $broker->amqp([ 'delete-queue', $_ ]) } foreach @queues;

done_testing();
