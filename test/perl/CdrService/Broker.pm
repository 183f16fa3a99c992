# A real RabbitMQ node, and what a test does at its end of the queue.
package CdrService::Broker;

use strict;
use warnings FATAL => 'all';

use Carp;
use File::Basename;
use IPC::Run;
use MIME::Base64;
use PostgreSQL::Test::Utils ();

use CdrService::Util qw(repository run poll);

use constant EXCHANGE => 'sentiric_events';
use constant QUEUE    => 'sentiric.cdr_service.events';

my @private;

# Each test file has a virtual host for itself, of the file's own name.
use constant VHOST => basename($0, '.pl');

# The node that all tests share, made by "scripts/broker start DIR", if
# CDR_TEST_BROKER names DIR; else a node of this test's own.  Its virtual host
# is made here, unless "scripts/broker vhosts DIR NAME..." has made it with all
# others, which is quicker.
sub shared
{
	my ($class) = @_;

	return $class->private unless $ENV{CDR_TEST_BROKER};

	my $self = bless {
		directory => $ENV{CDR_TEST_BROKER},
		vhost     => VHOST,
		env       => _read_env($ENV{CDR_TEST_BROKER}),
	}, $class;

	unless (eval { $self->clean; 1 })
	{
		# what a node says when the virtual host is not there
		croak $@ unless $@ =~ /NOT_ALLOWED/;
		$self->_script('vhosts', VHOST);
	}
	return $self;
}

# A node for a test whose fault is the broker's.  It ends with the test.  With
# certificates (CdrService::Certificates, "server" being made), it speaks TLS.
sub private
{
	my ($class, $certificates) = @_;
	my $directory = PostgreSQL::Test::Utils::tempdir('rabbitmq');
	my $self =
	  bless { directory => $directory, vhost => VHOST, private => 1 }, $class;

	push @private, $self;
	$self->_script('start', $certificates ? $certificates->directory : ());
	$self->{env} = _read_env($directory);
	$self->_script('vhosts', VHOST);
	return $self;
}

sub END
{
	my $status = $?;

	$_->stop foreach @private;
	$? = $status;
}

sub _read_env
{
	my ($directory) = @_;
	my $text = PostgreSQL::Test::Utils::slurp_file("$directory/env");

	return { $text =~ /^export (\w+)=(.*)$/mg };
}

# Runs scripts/broker; a node may take as long to start as anything in a test.  Its
# output goes to a file, not to a pipe, which the node that it starts would keep open.
sub _script
{
	my ($self, $command, @arguments) = @_;
	local $ENV{CDR_BROKER_TIMEOUT} =
	  $PostgreSQL::Test::Utils::timeout_default;

	PostgreSQL::Test::Utils::system_or_bail(repository() . '/scripts/broker',
		$command, $self->{directory}, @arguments);
	return;
}

sub stop    { return shift->_script('stop'); }
sub kill    { return shift->_script('kill'); }
sub restart { return shift->_script('restart'); }

sub ctl
{
	my ($self, @arguments) = @_;

	return run(
		[
			repository() . '/scripts/broker', 'ctl',
			$self->{directory},               @arguments
		]);
}

# Has the node evaluate Erlang; returns what that comes to, as text.
sub erlang
{
	my ($self, $expression) = @_;

	return run(
		[
			repository() . '/scripts/broker', 'eval',
			$self->{directory},               $expression
		]);
}

sub major_version
{
	return (shift->erlang('rabbit_misc:version()') =~ /(\d+)/)[0];
}

# A user of the virtual host who may read and write, but configure nothing.
sub add_user_without_configure
{
	my ($self, $name, $password) = @_;

	$self->erlang(<<"EOC");
		catch rabbit_auth_backend_internal:delete_user(<<"$name">>, <<"test">>),
		ok = rabbit_auth_backend_internal:add_user(
			<<"$name">>, <<"$password">>, <<"test">>),
		ok = rabbit_auth_backend_internal:set_permissions(
			<<"$name">>, <<"$self->{vhost}">>, <<"^\$">>, <<".*">>, <<".*">>,
			<<"test">>)
EOC
	return;
}

# Closes every connection of the virtual host that holds as many messages
# unacknowledged, so many times in a row.
sub close_connections
{
	my ($self, $holding, $times) = @_;
	my $patience = $PostgreSQL::Test::Utils::timeout_default * 50;

	$self->erlang(<<"EOC");
		Holding = fun() ->
			[Connection || [{connection, Connection}, {vhost, <<"$self->{vhost}">>}, {messages_unacknowledged, $holding}]
				<- rabbit_channel:info_all([connection, vhost, messages_unacknowledged])]
		end,
		Await = fun Await(0) -> exit(nobody_holds_messages);
			Await(Tries) ->
				case Holding() of
					[] -> timer:sleep(20), Await(Tries - 1);
					Connections -> Connections
				end
		end,
		[rabbit_networking:close_connection(C, "test")
			|| _ <- lists:seq(1, $times), C <- Await($patience)],
		ok
EOC
	return;
}

# How often the node's log says something.
sub log_matches
{
	my ($self, $pattern) = @_;
	my $log     = join '', map { PostgreSQL::Test::Utils::slurp_file($_) }
	  glob "$self->{directory}/log/*.log";
	my @matches = $log =~ /$pattern/g;

	return scalar @matches;
}

sub directory { return shift->{directory}; }

sub port     { return shift->{env}{AMQP_PORT}; }
sub tls_port { return shift->{env}{AMQPS_PORT}; }
sub vhost    { return shift->{vhost}; }

# The address of the virtual host, for the user and password given.
sub uri
{
	my ($self, %with) = @_;
	my $user     = $with{user}     || 'guest';
	my $password = $with{password} || 'guest';

	return
	  "amqp://$user:$password\@127.0.0.1:$self->{env}{AMQP_PORT}/$self->{vhost}";
}

# The same over TLS, by a host name.
sub tls_uri
{
	my ($self, %with) = @_;
	my $host = $with{host} || 'localhost';
	my $port = $with{port} || $self->tls_port;
	my $login =
	  exists $with{login} ? $with{login} : 'guest:guest@';

	return "amqps://$login$host:$port/$self->{vhost}";
}

# Runs a command of the AMQP tool.
sub amqp
{
	my ($self, $command, $input) = @_;

	return run(
		[
			repository() . '/test/tools/cdr_amqp',
			'--uri',
			$self->uri,
			ref $command ? @$command : $command
		],
		$input);
}

# Makes the virtual host as good as new.
sub clean
{
	my ($self) = @_;

	$self->amqp([ 'delete-queue',    QUEUE ]);
	$self->amqp([ 'delete-exchange', EXCHANGE ]);
	return;
}

# Exchange and queue as the platform has them, before the service is there.
sub declare
{
	my ($self, @queue_arguments) = @_;

	$self->amqp([ 'declare-exchange', EXCHANGE, 'topic' ]);
	$self->amqp([ 'declare-queue',    QUEUE,    @queue_arguments ]);
	$self->amqp([ 'bind',             QUEUE,    EXCHANGE, '#' ]);
	return;
}

# One line of the tool's input.  A message is the body alone, whose event type
# is the routing key then, or { key => , properties => , body => }.
sub line
{
	my ($message) = @_;
	my %m = ref $message ? %$message : (body => $message);

	$m{key} = $m{body} =~ /"eventType":\s*"([^"]*)"/ ? $1 : 'none'
	  unless defined $m{key};
	$m{body} = 'base64:' . encode_base64($m{body}, '')
	  if $m{body} =~ /[^\x20-\x7e]/ || $m{body} =~ /^base64:/;
	return join("\t", $m{key}, $m{properties} || '', $m{body}) . "\n";
}

# Publishes messages; returns when the broker has taken them all.
sub publish
{
	my ($self, @messages) = @_;

	return $self->amqp('publish', join('', map { line($_) } @messages));
}

# Begins to publish messages; ->finish is true once the broker has taken them
# all.  (They come from a file: a pipe would have to be pumped.)
sub start_publishing
{
	my ($self, @messages) = @_;

	return $self->start_publishing_to(EXCHANGE, @messages);
}

# The same, to another exchange.
sub start_publishing_to
{
	my ($self, $exchange, @messages) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir('messages') . '/lines';

	PostgreSQL::Test::Utils::append_to_file($file,
		join('', map { line($_) } @messages));
	return IPC::Run::start(
		[
			repository() . '/test/tools/cdr_amqp', '--uri', $self->uri,
			'--exchange', $exchange, 'publish'
		],
		'<', $file, '>', \my $published);
}

# Has somebody else consume from a queue, and acknowledge nothing, until
# release().  With arguments, the queue is declared first, and may be exclusive.
sub hold
{
	my ($self, $queue, @arguments) = @_;
	my ($input, $output) = ('', '');
	my $holder = IPC::Run::start(
		[
			repository() . '/test/tools/cdr_amqp', '--uri', $self->uri,
			'hold', $queue, @arguments
		],
		'<', \$input, '>', \$output);

	$holder->pump until $output =~ /holding/;
	return $holder;
}

sub release
{
	my ($self, $holder) = @_;

	$holder->finish or croak 'the consumer of others failed';
	return;
}

# How many connections the node keeps from publishing, because of an alarm.
sub blocked_connections
{
	my ($self) = @_;

	return $self->erlang(
		'length([1 || [{state, blocked}] <- rabbit_networking:connection_info_all([state])])'
	);
}

# How many messages are ready in the queue (default: the platform's), how many
# consumers it has.
sub count
{
	my ($self, $queue) = @_;

	return split ' ', $self->amqp([ 'count', $queue || QUEUE ]);
}

# How many messages the broker answers for: ready, or delivered to somebody who
# has not acknowledged them.
sub owed
{
	my ($self) = @_;

	return $self->erlang(<<"EOC");
		{ok, Queue} = rabbit_amqqueue:lookup(rabbit_misc:r(
			<<"${\$self->vhost}">>, queue, <<"${\QUEUE}">>)),
		[{messages, Messages}] = rabbit_amqqueue:info(Queue, [messages]),
		Messages
EOC
}

sub wait_until_empty
{
	my ($self) = @_;

	return $self->amqp(
		[
			'wait-until-empty', QUEUE,
			$PostgreSQL::Test::Utils::timeout_default
		]);
}

# Waits until nobody consumes, and returns how many messages are left: those
# that were delivered and never acknowledged are back in the queue then.
sub left_over
{
	my ($self) = @_;
	my ($messages, $consumers);

	poll(
		sub {
			($messages, $consumers) = $self->count;
			return $consumers == 0;
		},
		'the last consumer to go');
	return $messages;
}

1;
