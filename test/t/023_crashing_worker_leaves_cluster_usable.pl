# A worker that crashes at each start leaves the cluster usable: it waits longer
# after each crash, says so, and nothing but a cure or cdr_resume() has it
# forget; no file that says nonsense keeps it from starting.

use strict;
use warnings FATAL => 'all';

use List::Util qw(min);
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;
use CdrService::Util qw(repository poll);

plan skip_all => 'CDR_TEST_FAULTS names no PostgreSQL with fault points'
  unless $ENV{CDR_TEST_FAULTS};

my $events = 0;
my $clock  = PostgreSQL::Test::Utils::tempdir('clock') . '/ahead';
my $cdr    = CdrService::Fixture->new(
	'crashing',
	install_path => $ENV{CDR_TEST_FAULTS},
	start        => 0);
my $node   = $cdr->node;
my $fault  = $node->data_dir . '/cdr_fault';
my $record = $node->data_dir . '/pg_stat/cdr_service_worker_0';

# Both of the server's clocks: so many seconds ahead of the real ones.
my $ahead = 0;
append_to_file($clock, pack('qq', 0, 0));

sub set_clock
{
	($ahead) = @_;
	open my $file, '+<', $clock or die "could not open $clock: $!";
	syswrite $file, pack('qq', $ahead, $ahead);
	close $file;
	return;
}

sub start_server
{
	local $ENV{CDR_TEST_CLOCK} = $clock;
	local $ENV{LD_PRELOAD} = repository() . '/test/tools/shifted_clock.so';
	return $node->start;
}

sub publish
{
	my ($number) = @_;

	$cdr->publish(simple_events($number, 'crashing-' . $events));
	return $events += $number;
}

# How often a worker has crashed since this place in the log.
my $since = 0;

sub crashes
{
	return $cdr->log_matches(qr/cdr_service worker" .* was terminated by signal 6/, $since);
}

# Waits until the worker waits after at least so many crashes.  Is each crash
# that there was counted, and no other?
sub waits_after
{
	my ($least, $name) = @_;
	my ($counted, $seen);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	poll(
		sub {
			my ($status, $error) = $node->psql('postgres',
				q{SELECT last_error FROM cdr_status() WHERE state = 'crashed'});

			return 0
			  if $status != 0
			  || $error !~ /^worker crashed (\d+) times in a row$/
			  || $1 < $least;
			($counted, $seen) = ($1, crashes());
			return $counted == $seen;
		},
		"$name: the worker to wait, after as many crashes as it counts");
	return pass("$name: all of $counted crashes are counted");
}

# How many seconds the worker has said that it waits, crash by crash.
sub delays
{
	return $cdr->log_since($since) =~
	  /worker crashed (\d+) times in a row\n.*DETAIL:  Next start in ([\d.]+) seconds/g;
}

start_server();
$cdr->sql('CREATE EXTENSION cdr_service');
$cdr->wait_for_state('consuming');
publish(50);
$cdr->wait_drained($events);

# --- the first four delays pass, for the others it is the clock that goes on

$since = $cdr->log_size;
append_to_file("$fault.new", "after-connect abort 0\n");
rename "$fault.new", $fault or die "could not rename $fault.new: $!";
$cdr->terminate_worker;
waits_after(5, 'the first delays');
foreach my $crash (6 .. 13)
{
	set_clock($ahead + 600);
	$node->reload;
	waits_after($crash, 'the delay is over');
}
my %delay = delays();
is(join(' ', sort { $a <=> $b } keys %delay),
	'2 3 4 5 6 7 8 9 10 11 12 13', 'it waits after each crash but the first');
foreach my $crash (sort { $a <=> $b } keys %delay)
{
	my $longest = min(2**($crash - 2), 600);

	cmp_ok($delay{$crash}, '<=', $longest,
		"after crash $crash not longer than $longest seconds");
	# some of it passes before it says how much is left
	cmp_ok($delay{$crash}, '>', $longest / 2 - 0.3, 'nor much shorter');
}

# --- the cluster is usable, and says what is the matter

publish(50);
my $session = $cdr->session;
$session->query('CREATE TABLE work AS SELECT generate_series(1, 1000) AS n');
is($session->query('SELECT sum(n) FROM work'),
	500_500, 'the cluster works while the worker waits');
$cdr->status_is('last_error_sqlstate', '57P02', 'cdr_status() has an SQLSTATE');
is( $cdr->sql(
		q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cdr_service worker'}
	),
	0,
	'the worker that waits is in no database');
$cdr->sql('CREATE DATABASE bystander');
$cdr->sql('DROP DATABASE bystander');
pass('and keeps nobody waiting');

# --- what is counted, and what is left of the delay, outlive the server

my $log = $cdr->log_size;
is($session->query('SELECT sum(n) FROM work'), 500_500, 'a session lasts');
$session->quit;
$node->stop;
start_server();
waits_after(13, 'after a restart of the server');
$node->stop('immediate');
start_server();
waits_after(13, 'after an immediate shutdown');
kill 'KILL', $cdr->status('pid');
$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log);
waits_after(13, 'after a crash of the server while the worker waited');
my @left = $cdr->log_since($log) =~ /Next start in ([\d.]+) seconds/g;
is(join(' ', @left),
	join(' ', sort { $b <=> $a } @left),
	'the delay has not begun anew');
is(scalar @left, 3, 'it is told at each start');

$node->stop;
set_clock(0);
$log = $cdr->log_size;
start_server();
waits_after(13, 'with the clock set back');
cmp_ok(($cdr->log_since($log) =~ /Next start in ([\d.]+) seconds/)[0],
	'<=', 600, 'with the clock set back: the delay is no longer than any');

# --- pause and resume

my $pid = $cdr->status('pid');
$cdr->sql('SELECT cdr_pause()');
$cdr->wait_for_state('paused');
$cdr->status_is('pid', $pid, 'a worker that waits is paused where it is');
$cdr->sql('ALTER SYSTEM RESET cdr_service.paused');
$node->reload;
waits_after(13, 'the end of a pause is no reason to try');
$cdr->sql('SELECT cdr_pause()');
$cdr->wait_for_state('paused');

$since = $cdr->log_size;
$cdr->sql('SELECT cdr_resume()');
waits_after(3, 'cdr_resume() has it try at once, and count anew');
unlink $fault or die "could not remove $fault: $!";
publish(50);
$cdr->sql('SELECT cdr_resume()');
$cdr->wait_drained($events);
pass('once the cause is gone, cdr_resume() has it consume at once');
$cdr->wait_for_state('consuming');
$cdr->stored_is($events, 'after all the crashes');

# --- health

# What the record holds: is a process running, and how many crashes were there?
sub recorded { return join ' ', (unpack 'L L q q l', slurp_file($record))[ 1, 4 ]; }

sub kill_worker
{
	my $position = $cdr->log_size;

	kill 'KILL', $cdr->status('pid');
	$node->wait_for_log(qr/all server processes terminated; reinitializing/,
		$position);
	return $cdr->wait_for_state('consuming');
}

is(recorded(), '1 0', 'a worker that runs without a crash before');
kill_worker();
is(recorded(), '1 1', 'one that runs after a crash');
$cdr->terminate_worker;
$cdr->wait_for_state('consuming');
is(recorded(), '1 1', 'an orderly end is no crash, and no cure');
set_clock(200);
$log = $cdr->log_size;
$node->reload;
$node->wait_for_log(qr/received SIGHUP/, $log);
publish(10);
$cdr->wait_drained($events);
is(recorded(), '1 1', 'nor are less than five minutes');
set_clock(310);
$node->reload;
poll(sub { recorded() eq '1 0' }, 'the crash to be forgotten');
pass('after five minutes the crash is forgotten');
kill_worker();
is(recorded(), '1 1', 'and the next one is a first one');
$cdr->sql('SELECT cdr_resume()');
poll(sub { -e $record && recorded() eq '1 0' }, 'cdr_resume() to be heard');
pass('cdr_resume() has a worker that runs forget its crashes');

# --- records that say nonsense

sub write_record
{
	my ($bytes) = @_;

	unlink $record;
	append_to_file($record, $bytes);
	return;
}

my $good    = slurp_file($record);
my $damaged = qr/file "pg_stat\/cdr_service_worker_0" is damaged/;
my $unread  = qr/could not read file "pg_stat\/cdr_service_worker_0"/;
my $unwrite = qr/could not write file "pg_stat\/cdr_service_worker_0/;
my @nonsense = (
	[ 'none', sub { unlink $record } ],
	[ 'empty', sub { write_record('') }, $damaged ],
	[ 'short', sub { write_record(substr $good, 0, -1) }, $damaged ],
	[ 'long', sub { write_record("$good ") }, $damaged ],
	[
		'random bytes',
		sub {
			write_record(join '', map { chr int rand 256 } 1 .. length $good);
		},
		$damaged
	],
	(
		map {
			my $bit = $_;
			[
				"bit $bit changed",
				sub {
					my $bytes = $good;
					vec($bytes, $bit, 1) ^= 1;
					write_record($bytes);
				},
				$damaged
			]
		} 0, 32, 64 + int rand 64, 128, 192 - 1),
	[
		'not readable',
		sub { write_record($good); chmod 0, $record },
		$unread
	],
	[
		'a directory',
		sub { unlink $record; mkdir $record },
		$unread, qr/could not open file "pg_stat.*: Is a directory/,
		sub { rmdir $record }
	],
	[
		'no room for a new one',
		sub { mkdir "$record.tmp" },
		$unwrite, sub { rmdir "$record.tmp" }
	],
	[
		'a directory that nobody may write to',
		sub { chmod 0500, $node->data_dir . '/pg_stat' },
		$unwrite, sub { chmod 0700, $node->data_dir . '/pg_stat' }
	]);

foreach my $case (@nonsense)
{
	my ($name, $spoil, @rest) = @$case;

	$node->stop;
	$spoil->();
	$log = $cdr->log_size;
	start_server();
	publish(5);
	$cdr->wait_drained($events);
	pass("$name: the worker consumes");
	foreach my $rest (@rest)
	{
		if (ref $rest eq 'CODE') { $rest->(); }
		else
		{
			is($cdr->log_matches($rest, $log),
				1, "$name: the log says so, once");
		}
	}
}

unlink $record;
mkdir $record or die "could not make $record: $!";
my ($status, $stdout, $stderr) =
  $node->psql('postgres', 'SELECT cdr_pause(); SELECT cdr_resume()');
is($status, 0, 'cdr_resume() goes on without what it cannot remove');
like($stderr, qr/WARNING: .*could not remove file/, 'and says so');
rmdir $record;
$cdr->wait_for_state('consuming');
$cdr->stored_is($events, 'after all nonsense');
$cdr->nothing_left('crashing');

done_testing();
