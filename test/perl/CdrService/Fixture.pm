# A PostgreSQL cluster with cdr_service in it, and the broker that it consumes
# from.  The vocabulary of the tests.
package CdrService::Fixture;

use strict;
use warnings FATAL => 'all';

use Carp;
use Cwd;
use Digest::MD5 qw(md5_hex);
use File::Path  qw(rmtree);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use CdrService::Broker;
use CdrService::Psql;
use CdrService::Session;
use CdrService::Util qw(repository run outcome poll bytea copy_file);

# Options: broker (default: the shared one; 0: none, nothing is consumed), config (more lines for
# postgresql.conf), initdb (more of its options), streaming (for a standby),
# start and extension (0: the test does it itself), install_path (of another
# PostgreSQL than the one that is tested).
sub new
{
	my ($class, $name, %option) = @_;
	my $broker =
	  defined $option{broker} ? $option{broker} : CdrService::Broker->shared;
	my $node = PostgreSQL::Test::Cluster->new($name,
		install_path => $option{install_path});
	my $self = bless { node => $node, broker => $broker }, $class;

	$broker->clean if $broker;
	_init(
		$node,
		allows_streaming => $option{streaming} || 0,
		extra            => [
			'--encoding=UTF8', '--locale=C.UTF-8',
			@{ $option{initdb} || [] }
		]);
	$node->append_conf('postgresql.conf',
		$self->config . ($option{config} || ''));
	return $self if defined $option{start} && !$option{start};
	$node->start;
	return $self if defined $option{extension} && !$option{extension};
	$self->sql('CREATE EXTENSION cdr_service');
	$self->wait_for_state($broker ? 'consuming' : 'not configured');
	return $self;
}

# Has initdb make a cluster.  It computes for a second: where CDR_TEST_TEMPLATES
# names a directory, the tests find there what it has made for one of them, and
# copy that.
sub _init
{
	my ($node, %option) = @_;
	my $initdb = \&PostgreSQL::Test::Utils::system_or_bail;

	return $node->init(%option) unless $ENV{CDR_TEST_TEMPLATES};
	no warnings 'redefine';
	local *PostgreSQL::Test::Utils::system_or_bail = sub {
		my ($program, @arguments) = @_;

		return $initdb->(@_) if $program ne 'initdb';
		my @others   = grep { $_ ne $node->data_dir } @arguments;
		my $template = join '/', $ENV{CDR_TEST_TEMPLATES},
		  md5_hex(run([ 'initdb', '--version' ]), @others);
		unless (-e $template)
		{
			my $made = "$template.$$";

			$initdb->(
				'initdb',
				map { $_ eq $node->data_dir ? $made : $_ } @arguments);
			# another test may have made one meanwhile
			rename $made, $template or rmtree($made);
		}
		return $initdb->('cp', '-R', $template, $node->data_dir);
	};

	return $node->init(%option);
}

sub config
{
	my ($self) = @_;
	my $uri = $self->broker ? $self->broker->uri : '';

	return <<EOC;
shared_preload_libraries = 'cdr_service'
cdr_service.database = 'postgres'
cdr_service.amqp_uri = '$uri'
restart_after_crash = on
log_statement = none
log_checkpoints = off
autovacuum = off
EOC
}

# No statement of a test waits for ever.
$ENV{PGOPTIONS} =
  "-c statement_timeout=${PostgreSQL::Test::Utils::timeout_default}s";

sub node   { return shift->{node}; }
sub broker { return shift->{broker}; }

# ---------------------------------------------------------------------------
# The server
# ---------------------------------------------------------------------------

sub sql
{
	my ($self, $statement, $database) = @_;

	my ($good, $out, $err) = $self->_psql($database)->run($statement);

	print STDERR $err, "\n" if $err ne '';
	croak "psql: $err, while running: $statement" unless $good;
	return $out;
}

# The message of the error that a statement ends with, and its hint.
sub error_of
{
	my ($self, $statement, $database) = @_;
	my ($good, $out, $err) = $self->_psql($database)->run($statement);

	return $good ? 'no error' : $err;
}

# Runs a script in a session of its own, with more options for psql if need be.
# Returns whether psql is content, what it printed, and what it complained about.
sub outcome_of
{
	my ($self, $script, @options) = @_;
	my $node = $self->node;

	return outcome(
		[
			$node->installed_command('psql'), '-XAtq',
			'-f',                             '-',
			'-d',                             $node->connstr('postgres'),
			@options
		],
		$script);
}

sub _psql
{
	my ($self, $database) = @_;

	return CdrService::Psql->new($self->node, $database);
}

sub session
{
	my ($self, $database) = @_;

	return CdrService::Session->new($self->node, $database);
}

# Changes settings and reloads.
sub set
{
	my ($self, %settings) = @_;

	foreach my $name (sort keys %settings)
	{
		(my $value = $settings{$name}) =~ s/'/''/g;
		$self->node->append_conf('postgresql.conf', "$name = '$value'");
	}
	$self->node->reload;
	return;
}

sub log_size
{
	my ($self) = @_;

	return -s $self->node->logfile;
}

# What the server has logged since.
sub log_since
{
	my ($self, $offset) = @_;

	return slurp_file($self->node->logfile, $offset);
}

# How often the log says something, since.
sub log_matches
{
	my ($self, $pattern, $offset) = @_;
	my @matches = $self->log_since($offset) =~ /$pattern/g;

	return scalar @matches;
}

# The process that all others of the server are children of.
sub postmaster_pid
{
	my ($self) = @_;

	return (slurp_file($self->node->data_dir . '/postmaster.pid') =~ /^(\d+)/)
	  [0];
}

# Waits until the server has ended by itself.
sub wait_until_down
{
	my ($self) = @_;
	my $file = $self->node->data_dir . '/postmaster.pid';

	poll(sub { !-e $file }, 'the server to go down');
	$self->node->_update_pid(0);
	return;
}

# The processes of a server that still are, a line each, and the signals that wait
# for them, or that they do not hear.
sub processes_of
{
	my ($postmaster) = @_;
	my @pids         = ($postmaster, split /\n/, qx{pgrep -P $postmaster});
	my $list         = join ',', @pids;
	my @lines = qx{ps -o pid,ppid,stat,wchan:24,etimes,args -p "$list" 2>&1};

	foreach my $pid (@pids)
	{
		my $status = eval { slurp_file("/proc/$pid/status") } || next;

		push @lines, "$pid: "
		  . join(' ', $status =~ /^((?:Sig|Shd)\w+:\s*\w+)/mg) . "\n";
	}
	return @lines;
}

# A server that does not stop is told with what keeps it.  If that is a process of
# this extension, the test ends; what keeps itself is the server's own matter, and
# is ended with force.  After the last line of a test, all is.
{
	no warnings 'redefine';
	my $stop = \&PostgreSQL::Test::Cluster::stop;

	*PostgreSQL::Test::Cluster::stop = sub {
		my ($node, $mode, %option) = @_;
		my $postmaster = $node->{_pid};

		return 1 if $stop->($node, $mode, %option, fail_ok => 1);
		return 0 if $option{fail_ok};
		# it had ended before it could be asked to
		return 1 unless defined $node->{_pid};
		my @processes = processes_of($postmaster);
		my $name      = $node->name;

		diag qx{tail -n 20 "${\$node->logfile}"},
		  "NOTICED: $name does not stop\n", @processes;
		die "$name does not stop\n"
		  if ${^GLOBAL_PHASE} ne 'END' && grep { /postgres: .*cdr_service/ }
		  @processes;
		return $stop->($node, 'immediate', fail_ok => 1);
	};
}

# As pg_ctl does it, without a process; and what is asked next is asked of a session
# that knows of it.
{
	no warnings 'redefine';

	*PostgreSQL::Test::Cluster::reload = sub {
		my ($node) = @_;

		# (not the number that the node knows: it may have been started otherwise)
		my ($pid) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');

		CdrService::Psql->leave_all($node);
		kill 'HUP', $pid or croak $node->name . ' does not run';
		return;
	};
}

# Asks the server to stop at once, and waits until it has.  Returns after how many
# seconds the workers were gone.
sub stop_fast
{
	my ($self)  = @_;
	my @workers = $self->worker_pids;
	my $began   = time;

	kill 'INT', $self->postmaster_pid;
	poll(
		sub {
			!grep { kill 0, $_ } @workers;
		},
		'the workers to end');
	my $took = time - $began;
	$self->node->stop('fast');
	return $took;
}

# Stops every process of the server where it is, until thaw().
my @frozen;

sub freeze
{
	my ($self) = @_;
	my $postmaster = $self->postmaster_pid;

	# first the one who could start others
	push @frozen, $postmaster;
	kill 'STOP', $postmaster or croak "there is no process $postmaster";
	push @frozen, split /\n/, run([ 'pgrep', '-P', $postmaster ]);
	kill 'STOP', @frozen;
	return;
}

sub thaw
{
	kill 'CONT', @frozen if @frozen;
	@frozen = ();
	return;
}

# Nothing frozen can be stopped by the test framework.
sub END
{
	local $?;
	thaw();
	return;
}

# A trigger's function that is busy for ever; one that is deaf catches each cancel.
sub make_endless
{
	my ($self, $function, %option) = @_;
	my $returns = $option{returns} || 'trigger';
	my $ears    = $option{deaf} ? 'EXCEPTION WHEN query_canceled THEN' : '';

	return $self->sql(<<"EOS");
CREATE OR REPLACE FUNCTION $function() RETURNS $returns LANGUAGE plpgsql AS \$\$
BEGIN
	LOOP
		BEGIN
			LOOP END LOOP;
		$ears
		END;
	END LOOP;
END \$\$;
EOS
}

# One that is busy for so many seconds, for each row, and then lets it pass.
sub make_slow
{
	my ($self, $function, $seconds) = @_;

	return $self->sql(<<"EOS");
CREATE OR REPLACE FUNCTION $function() RETURNS trigger LANGUAGE plpgsql AS \$\$
DECLARE
	began timestamptz := clock_timestamp();
BEGIN
	WHILE clock_timestamp() < began + '$seconds seconds' LOOP END LOOP;
	RETURN NEW;
END \$\$;
EOS
}

# ---------------------------------------------------------------------------
# Standbys
# ---------------------------------------------------------------------------

# Makes and starts a standby of the server, which was made with streaming.
sub standby
{
	my ($self, $name) = @_;
	my $standby = PostgreSQL::Test::Cluster->new($name);

	$self->node->backup('backup');
	$standby->init_from_backup($self->node, 'backup', has_streaming => 1);
	$standby->start;
	return $standby;
}

# Promotes a standby: from now on it is the server of this fixture.
sub fail_over_to
{
	my ($self, $standby) = @_;

	$standby->promote;
	return $self->go_on_with($standby);
}

# The same, of one whose recovery ends by itself.
sub go_on_with
{
	my ($self, $recovered) = @_;

	$self->{node} = $recovered;
	return $self->wait_for('NOT pg_is_in_recovery()');
}

# ---------------------------------------------------------------------------
# pg_upgrade
# ---------------------------------------------------------------------------

# Brings what an older server has, which is down, into this one, which was made by
# initdb and never started.
sub upgrade_from
{
	my ($self, $old) = @_;
	my ($from, $to)  = ($old->node, $self->node);
	my $here = getcwd();

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	# (it leaves files where it is called)
	chdir $to->basedir or croak "chdir: $!";
	my $good = command_ok(
		[
			'pg_upgrade', '--no-sync',
			'--old-bindir'  => $from->config_data('--bindir'),
			'--old-datadir' => $from->data_dir,
			'--new-datadir' => $to->data_dir,
			'--socketdir'   => $to->host,
			'--old-port'    => $from->port,
			'--new-port'    => $to->port,
		],
		'pg_upgrade');
	chdir $here or croak "chdir: $!";
	return $good;
}

# ---------------------------------------------------------------------------
# The workers
# ---------------------------------------------------------------------------

# One column of cdr_status(), of the first worker or the one named.
sub status
{
	my ($self, $column, $worker) = @_;
	my $order = defined $worker ? "OFFSET $worker" : '';

	return $self->sql(
		"SELECT $column FROM cdr_status() ORDER BY worker $order LIMIT 1");
}

sub status_is
{
	my ($self, $column, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($self->status($column), $expected, $name);
}

# Waits until a condition holds; dies if it does not.  A server that cannot be
# asked just now is asked again.
sub wait_for
{
	my ($self, $condition, $database) = @_;
	my $psql = $self->_psql($database);
	my ($connected, $woken) = (0, time);
	my $holds = eval {
		poll(
			sub {
				if (time - $woken > 1)
				{
					$self->_wake_postmaster;
					$woken = time;
				}
				$connected ||= $psql->connect or return 0;
				my $answer = $psql->ask("SELECT $condition");
				$connected = defined $answer;
				return $connected && $answer eq 't';
			},
			$condition);
	};
	my $why = $@;

	$psql->leave($condition) if $connected;
	croak $why . $self->_what_goes_on($database) unless $holds;
	return 1;
}

# Before 16, a postmaster that hears of a worker's end just before it goes to sleep
# forgets for a minute to start it again, unless somebody comes, or it gets a signal:
# here one that says nothing.
sub _wake_postmaster
{
	my ($self) = @_;
	my $data   = $self->node->data_dir;
	my $pid    = -e "$data/postmaster.pid" && eval { $self->postmaster_pid };

	# (a number of before may be another process by now)
	kill 'USR1', $pid
	  if $pid && (readlink("/proc/$pid/cwd") || '') eq $data;
	return;
}

# For who looks why something has not come about: what the processes wait for, and
# the state of the workers.
sub _what_goes_on
{
	my ($self, $database) = @_;
	my $told = ($self->_psql($database)->run(<<'EOS'))[1];
SELECT pid, backend_type, state, wait_event_type, wait_event, pg_blocking_pids(pid), left(query, 80)
FROM pg_stat_activity WHERE backend_type ~ 'client|cdr_service' AND pid <> pg_backend_pid();
SELECT * FROM cdr_status();
EOS

	return defined $told ? "\n$told" : '';
}

# Waits until all workers are in this state.
sub wait_for_state
{
	my ($self, $state) = @_;

	return $self->wait_for(
		"count(*) > 0 AND bool_and(state = '$state') FROM cdr_status()");
}

# Waits until all workers are paused: those that were there have ended, and
# their successors wait, connected to nothing.
sub wait_until_paused
{
	my ($self, @before) = @_;
	my $before = join ',', @before;

	return $self->wait_for(
		"bool_and(state = 'paused' AND pid <> ALL ('{$before}')) FROM cdr_status()"
	);
}

# The numbers of the workers' processes.
sub worker_pids
{
	my ($self) = @_;

	return split /\n/,
	  $self->sql(
		'SELECT pid FROM cdr_status() WHERE pid IS NOT NULL ORDER BY worker');
}

# Asks a worker (default: the first) to end, by SIGTERM.  Returns how many
# seconds that took.
sub terminate_worker
{
	my ($self, $pid) = @_;

	# one that was paused begins anew, and has no process for a moment
	$self->wait_for('bool_or(pid IS NOT NULL) FROM cdr_status()')
	  unless defined $pid;
	my $started = time;
	($pid) = $self->worker_pids unless defined $pid;
	kill 'TERM', $pid or croak "there is no process $pid";
	poll(sub { !kill 0, $pid }, 'the worker to end');
	return time - $started;
}

# After a crash that the test has made: the workers forget it.  (Else their
# next starts would be delayed, the longer the more crashes there are.)
sub forget_crashes { return shift->wait_for('cdr_resume() IS NOT NULL'); }

# ---------------------------------------------------------------------------
# Events
# ---------------------------------------------------------------------------

# What bodies say that plain SQL cannot read, as JSON: known of every message
# that this test has sent, whichever fixture it is asked through.
my %said;

sub know
{
	my ($self, @messages) = @_;

	$said{ $_->{body} } = $_->{says}
	  foreach grep { ref $_ && defined $_->{says} } @messages;
	return;
}

sub publish
{
	my ($self, @messages) = @_;

	$self->know(@messages);
	return $self->broker->publish(@messages);
}

# Records messages, as publish takes them, by SQL.
sub ingest
{
	my ($self, $database, @messages) = @_;
	my @rows;

	$self->know(@messages);
	foreach my $message (@messages)
	{
		my %m = ref $message ? %$message : (body => $message);
		my %property =
		  map { split /=/, $_, 2 } split /;/, $m{properties} || '';

		push @rows,
		  [
			bytea($m{body}),
			$m{key},
			$property{'content-type'},
			defined $property{'message-id'}
			? bytea($property{'message-id'})
			: undef,
			$property{timestamp}
		  ];
	}
	my $file = copy_file(@rows);

	return $self->sql(<<"EOC", $database);
CREATE TEMP TABLE sent (
	body bytea, key text, content_type text, message_id bytea, time bigint);
\\copy sent FROM '$file'
SELECT count(*) FILTER (WHERE cdr_ingest_message(
	body, routing_key => key, content_type => content_type,
	message_id => message_id, property_time => to_timestamp(time)))
FROM sent;
EOC
}

sub events { return shift->sql('SELECT count(*) FROM call_events'); }

# Makes events of the calls from $first to $last impossible to store, until
# let_through(): a backlog that is sure to be there when the test breaks
# something.  The worker meets an error of the moment, keeps the batch and
# tries again; also the event that it makes up to tell whether it is one.  Lasts
# through restarts and crashes.
sub hold_back
{
	my ($self, $first, $last) = @_;

	$self->sql(<<'EOC') unless $self->{gate}++;
CREATE TABLE gate (first text COLLATE "C", last text COLLATE "C");
GRANT SELECT ON gate TO cdr_service;
CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM public.gate
			   WHERE NEW.call_id BETWEEN first AND last
			   OR NEW.call_id LIKE 'cdr\_service trial%') THEN
		RAISE 'the gate is shut' USING ERRCODE = 'lock_not_available';
	END IF;
	RETURN NEW;
END
$$;
CREATE TRIGGER gate BEFORE INSERT ON call_events
	FOR EACH ROW EXECUTE FUNCTION wait_at_gate();
EOC
	$self->sql("INSERT INTO gate VALUES ('$first', '$last')");
	return;
}

sub let_through
{
	my ($self) = @_;

	$self->sql('DELETE FROM gate');
	return;
}

# Waits until the queue is empty and the log holds so many events.
sub wait_drained
{
	my ($self, $events) = @_;

	$self->wait_for("count(*) >= $events FROM call_events");
	return $self->broker->wait_until_empty;
}

# Does the log hold so many events within a minute from now?  (What cannot be
# stored keeps others no longer.)
sub stored_within_a_minute
{
	my ($self, $events, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $since = $self->sql('SELECT clock_timestamp()');

	$self->wait_for("count(*) = $events FROM call_events");
	return ok(
		$self->sql(
			"SELECT clock_timestamp() - '$since' < '1 minute'::interval"),
		"$name: all others are stored within a minute");
}

# Are exactly so many events logged, each once, and do the calls follow?
sub stored_is
{
	my ($self, $events, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is( $self->sql(
			q{SELECT count(*), count(DISTINCT (call_id, event_id)) FROM call_events}
		),
		"$events|$events",
		"$name: every event is stored once");
	return $self->calls_are_right($name);
}

# The calls as plain SQL computes them: statements that make differing_calls
# and what it needs.  What the extension makes of a Protobuf body has no part in
# it.
sub reference
{
	my ($self) = @_;
	my $said = copy_file(map { [ bytea($_), $said{$_} ] } sort keys %said);

	return
		slurp_file(repository() . '/test/reference.sql')
	  . "\\copy said FROM '$said'\nANALYZE said;\n"
	  . slurp_file(repository() . '/test/reference_calls.sql');
}

# Are the calls what their events say, by the reference in plain SQL and by
# the extension's own word?
sub calls_are_right
{
	my ($self, $name) = @_;
	my $reference = $self->reference;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is( $self->sql(
			"$reference SELECT * FROM differing_calls ORDER BY 1, 2 LIMIT 4"),
		'',
		"$name: calls are as the reference computes them");
	is($self->sql('SELECT call_id FROM cdr_verify_calls() LIMIT 10'),
		'', "$name: cdr_verify_calls() finds nothing");
	return is($self->sql('SELECT * FROM cdr_verify_rollup() LIMIT 10'),
		'', "$name: cdr_verify_rollup() finds nothing");
}

# What a database holds: checksum and number of rows of the three tables, and
# how many partitions.
sub contents
{
	my ($self, $database) = @_;
	my @statements = map {
		"SELECT md5(string_agg(t::text, ' ' ORDER BY t::text COLLATE \"C\")), count(*) FROM $_ AS t"
	} 'call_events', 'calls', 'dead_letters';

	push @statements,
	  q{SELECT count(*) FROM pg_inherits WHERE inhparent = 'call_events'::regclass};
	return $self->sql(join(';', @statements), $database);
}

# Has a database become what another was, whose contents() these are, and can
# the extension go on with it?  (The events are some that it holds.)
sub carries_on
{
	my ($self, $database, $contents, @events) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($self->contents($database),
		$contents, "$database: every row is back, in as many partitions");
	is($self->sql('SELECT count(*) FROM cdr_verify_calls()', $database),
		0, "$database: and the calls are right");
	is($self->sql('SELECT count(*) FROM cdr_verify_rollup()', $database),
		0, "$database: and so is the rollup");
	foreach my $event (@events)
	{
		is($self->sql("SELECT cdr_ingest_event('$event')", $database),
			'f', "$database: an event that was recorded is known: $event");
	}
	return is(
		$self->sql(
			q{SELECT cdr_ingest_event('{"eventType":"call.started","callId":"new","timestamp":"2026-02-02T00:00:00Z"}')},
			$database),
		't',
		"$database: and a new one is taken");
}

# Stops the server and checks that it has acknowledged all it was given.
sub nothing_left
{
	my ($self, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$self->node->stop;
	return is($self->broker->left_over, 0,
		"$name: nothing is left on the queue");
}

1;
