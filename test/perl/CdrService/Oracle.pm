# The oracle: says whether the promises held.  It publishes numbered events of
# random calls while something goes wrong, as a producer does that may not
# lose any: until the broker has confirmed each.  Afterwards it compares what
# the tables hold with what it sent.
package CdrService::Oracle;

use strict;
use warnings FATAL => 'all';

use Carp;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Broker;
use CdrService::Protobuf    qw(field);
use CdrService::RandomCalls qw(random_events);
use CdrService::Util        qw(poll bytea copy_file);

# Options: broker (default: the one that $cdr consumes from), seed.
sub new
{
	my ($class, $cdr, %option) = @_;
	my $seed = $option{seed} || $ENV{CDR_TEST_SEED} || int(rand(1_000_000));

	note "oracle: seed $seed";
	return bless {
		cdr       => $cdr,
		broker    => $option{broker} || $cdr->broker,
		directory => PostgreSQL::Test::Utils::tempdir('oracle'),
		seed      => $seed,
		bodies    => [],
		poison    => [],
		messages  => 0,
	}, $class;
}

# How many distinct events it has sent, or is sending.
sub sent { return scalar @{ shift->{bodies} }; }

# How many messages that makes: some events come twice.
sub messages { return shift->{messages}; }

# Puts a number into a body: a key of JSON's, or a field that no reader of
# Protobuf knows.
sub _numbered
{
	my ($message, $number) = @_;

	return $message->{body} . field(1000, 0, $number)
	  if defined $message->{says};
	return $message->{body} =~ s/^\{/{"sequence":$number,/r;
}

# Events of random calls, each with a number of its own; they come shuffled,
# and some of them twice.
sub _numbered_events
{
	my ($self, $calls) = @_;
	my %numbered;
	my @messages = random_events($self->{seed}++, $calls);

	foreach my $message (@messages)
	{
		my $key = ($message->{properties} || '') . $message->{body};

		unless ($numbered{$key})
		{
			my $number = push @{ $self->{bodies} }, undef;
			my $body   = _numbered($message, $number);

			$self->{bodies}[-1] = $body;
			$numbered{$key} = { %$message, body => $body };
		}
		$message = $numbered{$key};
	}
	return @messages;
}

# Starts to publish the events of so many calls, and returns.  Options: rate,
# so many a second, for a fault that takes its time; poison, so many messages
# more that are no events.
sub start
{
	my ($self, $calls, %option) = @_;
	my @messages = $self->_numbered_events($calls);
	my $poison   = $self->{poison};

	$self->{cdr}->know(@messages);
	foreach (1 .. $option{poison} || 0)
	{
		push @$poison, 'poison ' . (1 + @$poison);
		splice @messages, rand(@messages), 0, $poison->[-1];
	}
	my @lines = map { CdrService::Broker::line($_) } @messages;

	croak 'the oracle is publishing' if $self->{publisher};
	$self->{messages} += @lines;
	$self->{publisher} = fork;
	croak "could not fork: $!" unless defined $self->{publisher};
	if ($self->{publisher} == 0)
	{
		# _exit: the END blocks belong to the test
		my $done = eval { $self->_publish_all(\@lines, $option{rate}); 1; };
		print STDERR $@ unless $done;
		POSIX::_exit($done ? 0 : 1);
	}
	return;
}

# Goes on with what is not confirmed, over as many connections as that takes.
# (What is returned, because it was routed to no queue, is not confirmed: after
# a crash, RabbitMQ may have forgotten a binding that was made just before, and
# only the service declares it again.)
sub _publish_all
{
	my ($self, $lines, $rate) = @_;
	my $progress = "$self->{directory}/confirmed";
	my @options = ('--confirmed', $progress, $rate ? ('--rate', $rate) : ());

	poll(
		sub {
			unlink $progress;
			eval {
				$self->{broker}
				  ->amqp([ 'publish', @options ], join('', @$lines));
			};
			my $confirmed =
			  -s $progress ? 0 + slurp_file($progress) : 0;
			splice @$lines, 0, $confirmed;
			return !@$lines;
		},
		'the broker to confirm every event');
	return;
}

# Waits until the broker has confirmed all that was started.
sub finish
{
	my ($self) = @_;

	waitpid $self->{publisher}, 0;
	croak 'the oracle could not publish' if $? != 0;
	delete $self->{publisher};
	return;
}

sub publish
{
	my ($self, $calls, %option) = @_;

	$self->start($calls, %option);
	return $self->finish;
}

# Is a part of what was sent stored already?
sub wait_for_progress
{
	my ($self, $events) = @_;

	return $self->{cdr}->wait_for("count(*) >= $events FROM call_events");
}

# What was sent and what is stored, as a hash of five figures:
#	lost		events, and dead letters, that are not stored
#	duplicated	rows beyond the first for the same event
#	unexpected	rows of nobody's, or with another body, in log or dead letters
#	differing	calls whose row is not what the reference says
#	miscounted	counts of the rollup that a recount of the calls does not have
sub figures
{
	my ($self) = @_;
	my $sent =
	  copy_file(map { [ bytea($_) ] }
		  @{ $self->{bodies} }, @{ $self->{poison} });

	# (after a long run, this takes longer than a statement of a test may)
	my $answer = $self->{cdr}->sql("SET statement_timeout = 0;\n"
		  . $self->{cdr}->reference . <<"EOS");
CREATE TEMP TABLE sent (body bytea);
\\copy sent FROM '$sent'
CREATE TEMP TABLE stored AS
	SELECT COALESCE(body, convert_to(payload::text, 'UTF8')) AS body
	FROM call_events
	UNION ALL
	SELECT body FROM dead_letters;
SELECT (SELECT count(*) FROM
		(SELECT body FROM sent EXCEPT SELECT body FROM stored) AS l),
	   (SELECT count(*) - count(DISTINCT body) FROM stored),
	   (SELECT count(*) FROM
		(SELECT body FROM stored EXCEPT SELECT body FROM sent) AS u),
	   (SELECT count(*) FROM
		(SELECT call_id FROM differing_calls
		 UNION SELECT call_id FROM cdr_verify_calls()) AS d),
	   (SELECT count(*) FROM cdr_verify_rollup())
EOS
	my %figures;

	@figures{qw(lost duplicated unexpected differing miscounted)} =
	  split /\|/, $answer;
	return \%figures;
}

# Waits until everything is published, stored and acknowledged.
sub _wait_until_stored
{
	my ($self) = @_;
	my $cdr    = $self->{cdr};
	my $sent   = $self->sent;

	$self->finish if $self->{publisher};
	# if events are missing, the figures tell how many
	eval {
		my $poison = @{ $self->{poison} };

		$cdr->wait_for("count(*) >= $poison FROM dead_letters");
		$cdr->wait_drained($sent);
		$cdr->wait_for_state('consuming');
	};
	return;
}

# The part of is_satisfied that costs next to nothing: is all stored and
# acknowledged, and are there as many events and dead letters as were sent, each
# another?  For one of many faults, before is_satisfied() is asked about them all.
sub is_complete
{
	my ($self, $name) = @_;
	my $sent   = $self->sent;
	my $poison = @{ $self->{poison} };

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$self->_wait_until_stored;
	my $stored = $self->{cdr}->sql(<<'EOS');
SELECT count(*), count(DISTINCT (call_id, event_id)),
	   (SELECT count(*) FROM dead_letters),
	   (SELECT count(DISTINCT body) FROM dead_letters)
FROM call_events
EOS
	return is($stored, "$sent|$sent|$poison|$poison",
		"$name: each of $sent events is stored once");
}

# Waits until everything is published, stored and acknowledged, and states the
# five figures, which must be 0.
sub is_satisfied
{
	my ($self, $name) = @_;
	my $sent = $self->sent;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$self->_wait_until_stored;
	my $figures = $self->figures;
	return is(
		"$sent events: "
		  . join(', ', map { "$_ $figures->{$_}" }
			  qw(lost duplicated unexpected differing miscounted)),
		"$sent events: lost 0, duplicated 0, unexpected 0, differing 0, miscounted 0",
		"$name: the oracle, of $sent events");
}

# A test that fails must not leave its publisher behind.
sub DESTROY
{
	my ($self) = @_;

	local ($?, $!);
	if ($self->{publisher})
	{
		kill 'KILL', $self->{publisher};
		waitpid $self->{publisher}, 0;
	}
	return;
}

1;
