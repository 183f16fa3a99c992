# Telephone calls: SIPp's callers call SIPp's callees by way of a Kamailio that
# accounts to RabbitMQ, all of them as test/sip has them.
package CdrService::Sip;

use strict;
use warnings FATAL => 'all';

use Carp;
use IO::Select;
use IO::Socket::INET;
use IPC::Run;
use PostgreSQL::Test::Utils ();

use CdrService::Util qw(repository poll);

my @all;

# What is missing for that, or nothing.
sub missing
{
	my @missing;

	foreach my $program ('kamailio', 'sipp')
	{
		push @missing, $program
		  unless grep { -x "$_/$program" } split(/:/, $ENV{PATH}),
		  '/usr/sbin';
	}
	return join ' and ', @missing if @missing;
	# each module is in the one or the other package
	my ($modules) =
	  qx{PATH="\$PATH:/usr/sbin" kamailio -I} =~ /paths to modules: (.*)/;
	return join ' and ', map { "Kamailio's module $_" }
	  grep { !-e "$modules/$_.so" } 'acc_json', 'jansson', 'rabbitmq';
}

# Starts Kamailio, with the URI of the broker, and the callees.
sub new
{
	my ($class, $uri) = @_;
	my $self = bless {
		directory => PostgreSQL::Test::Utils::tempdir('sip'),
		port      => _free_port(),
		callees   => _free_port(),
		files     => 0
	}, $class;
	my %environment = (
		PATH         => "$ENV{PATH}:/usr/sbin",
		SIP_LISTEN   => "udp:127.0.0.1:$self->{port}",
		SIP_CALLEES  => "sip:127.0.0.1:$self->{callees}",
		SIP_AMQP_URI => $uri);

	push @all, $self;
	$self->{callees_run} = $self->_sipp('callee', '-p', $self->{callees});
	local @ENV{ keys %environment } = values %environment;
	$self->{kamailio} = IPC::Run::start(
		[
			'kamailio', '-DD', '-E',
			'-f', repository() . '/test/sip/kamailio.cfg',
			'-Y', $self->{directory},
			'-w', $self->{directory}
		],
		'<', '/dev/null', '>', $self->log_file, '2>&1');
	poll(
		sub {
			croak 'Kamailio ends: ' . PostgreSQL::Test::Utils::slurp_file($self->log_file)
			  unless $self->{kamailio}->pumpable;
			return $self->_answers;
		},
		'Kamailio to answer');
	return $self;
}

# What Kamailio has to say.
sub log_file { return shift->{directory} . '/kamailio.log'; }

# A port of UDP that nobody has, below those of outgoing connections.
sub _free_port
{
	foreach (1 .. 100)
	{
		my $port = 10000 + int rand 22000;

		return $port
		  if IO::Socket::INET->new(
			LocalAddr => '127.0.0.1',
			LocalPort => $port,
			Proto     => 'udp');
	}
	croak 'no free port found';
}

# Does Kamailio answer a question?
sub _answers
{
	my ($self) = @_;
	my $socket = IO::Socket::INET->new(
		PeerAddr => '127.0.0.1',
		PeerPort => $self->{port},
		Proto    => 'udp') or croak "no socket: $!";
	my $branch = 'z9hG4bK' . int rand 1e9;

	$socket->send(join "\r\n",
		"OPTIONS sip:127.0.0.1:$self->{port} SIP/2.0",
		"Via: SIP/2.0/UDP 127.0.0.1:${\$socket->sockport};rport;branch=$branch",
		'From: <sip:test@127.0.0.1>;tag=test',
		'To: <sip:test@127.0.0.1>',
		"Call-ID: $branch",
		'CSeq: 1 OPTIONS',
		'Max-Forwards: 5',
		'Content-Length: 0',
		'', '');
	my $answer = '';

	return
		 IO::Select->new($socket)->can_read(0.2)
	  && defined $socket->recv($answer, 4096)
	  && $answer =~ /^SIP\/2\.0 200 /;
}

# Runs a scenario, with a log of its messages.
sub _sipp
{
	my ($self, $scenario, @arguments) = @_;
	my $log = "$self->{directory}/$scenario-" . $self->{files}++;
	my $run = IPC::Run::start(
		[
			'sipp', '-sf', repository() . "/test/sip/$scenario.xml",
			'-i', '127.0.0.1', '-nostdin',
			'-trace_shortmsg', '-shortmessage_file', "$log.messages",
			'-trace_err', '-error_file', "$log.errors",
			@arguments
		],
		'<', '/dev/null', '>', "$log.screen", '2>&1');

	push @{ $self->{logs} }, $log;
	return $run;
}

# Begins calls by a scenario, each a pair of numbers, so many a second; returns
# what ->finish is to be asked of.
sub start_calls
{
	my ($self, $scenario, $rate, @calls) = @_;
	my $file = "$self->{directory}/numbers-$self->{files}";

	PostgreSQL::Test::Utils::append_to_file($file,
		join "\n", 'SEQUENTIAL', (map { join ';', @$_ } @calls), '');
	return $self->_sipp(
		$scenario, "127.0.0.1:$self->{port}",
		'-p', _free_port(),
		'-inf', $file,
		'-m', scalar @calls,
		'-l', scalar @calls,
		'-r', $rate,
		'-timeout', $PostgreSQL::Test::Utils::timeout_default,
		'-timeout_error');
}

# Waits until all calls have ended, and dies if one did not go as its scenario says.
sub finish
{
	my ($self, @runs) = @_;

	foreach my $run (@runs)
	{
		$run->finish
		  or croak "calls failed:\n" . join "\n",
		  map { -s "$_.errors" ? PostgreSQL::Test::Utils::slurp_file("$_.errors") : () }
		  @{ $self->{logs} };
	}
	return;
}

# What SIPp has noted of each call, by its Call-ID: the messages that it sent (S)
# and got (R), in their order: [side, time, S or R, method of CSeq, first line].
sub messages
{
	my ($self) = @_;
	my %calls;

	foreach my $log (@{ $self->{logs} })
	{
		my $side = $log =~ /\/callee-\d+$/ ? 'callee' : 'caller';

		next unless -e "$log.messages";
		foreach my $line (split /\n/,
			PostgreSQL::Test::Utils::slurp_file("$log.messages"))
		{
			my (undef, undef, $time, $way, $call, $cseq, $text) =
			  split /\t/, $line, 7;

			croak "not a message: $line" unless defined $text;
			push @{ $calls{$call} },
			  [ $side, $time, $way, $cseq =~ /(\w+)$/, $text ];
		}
	}
	return \%calls;
}

# Ends Kamailio, which publishes nothing any more then, and the callees.
sub stop
{
	my ($self) = @_;

	foreach my $run (grep { defined } delete @$self{ 'kamailio', 'callees_run' })
	{
		$run->signal('TERM');
		# its own status is nobody's business
		eval { $run->finish };
	}
	return;
}

# Nothing outlives the test, however that ends.
sub END
{
	my $status = $?;

	$_->stop foreach @all;
	$? = $status;
}

1;
