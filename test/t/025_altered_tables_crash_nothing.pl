# Tables that are altered at random, under a worker and under every SQL
# function of the extension, crash nothing, lose no event and double none; and
# when they are put back, the service goes on.
#
# CDR_FUZZ_ROUNDS is how many rounds there are (default: 25), each of one to
# ten alterations.  CDR_TEST_SEED makes the same choices again, and
# CDR_FUZZ_ROUND only those of one round; what else happens at the same moment
# is chance.  The log directory has a file that says what was done.

use strict;
use warnings FATAL => 'all';

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use CdrService::Alterations   qw(known_alterations random_alteration);
use CdrService::AlteredTables qw(learn_tables);
use CdrService::Fixture;
use CdrService::Session;
use CdrService::Util qw(repository);

my $seed   = $ENV{CDR_TEST_SEED}   || int rand 1_000_000;
my $rounds = $ENV{CDR_FUZZ_ROUNDS} || 25;
my @rounds =
  $ENV{CDR_FUZZ_ROUND} ? ($ENV{CDR_FUZZ_ROUND}) : (1 .. $rounds);
my $trace = "$PostgreSQL::Test::Utils::log_path/025_alterations.sql";

# Of psql: a script ends at its first error.
my @stop = ('-v', 'ON_ERROR_STOP=1');

# Seconds after which a worker must have said what is wrong, and after which it
# must have gone on.
use constant { TELL => 20, GO_ON => 60 };

# So many calls of functions are sent along with alterations; after them, all are.
use constant BESIDE => 90;

# Internal errors of PostgreSQL's own, for who meets an alteration half way: a
# function, say, that is dropped while its call is planned.
my $servers_own = qr/tuple\ concurrently\ (?:updated|deleted)
	|could\ not\ open\ relation\ with\ OID
	|cache\ lookup\ failed\ for\ function
	|planted/x;

# What the extension says of a row that somebody wrote by hand: corrupted data, and
# no internal error.
my $by_hand = qr/merge_state of call ".*" cannot be read/;

$ENV{PGOPTIONS} .=
	' -c search_path=cdr,cdr_moved,odd,public -c client_min_messages=error'
  . ' -c lock_timeout=3s -c cdr_service.allow_drop=on';

my $cdr = CdrService::Fixture->new(
	'altered',
	extension => 0,
	config    => "cdr_service.batch_size = 30\n"
	  . "deadlock_timeout = '50ms'\n"
	  . "log_error_verbosity = verbose\n"
	  . "log_line_prefix = '%m [%p] %b/%a '\n");
my $node = $cdr->node;
$cdr->sql(slurp_file(repository() . '/test/alterations.sql'));
learn_tables($cdr);

# ---------------------------------------------------------------------------
# Sessions
# ---------------------------------------------------------------------------

my %sessions;

# A session that lives on, unless the server has not; its errors are nobody's
# business but the log's.
sub session
{
	my ($name) = @_;

	unless ($sessions{$name})
	{
		local $ENV{PGAPPNAME} = $name;
		$sessions{$name} = $cdr->session;
		$sessions{$name}->send("\\unset ON_ERROR_STOP\n");
	}
	return $sessions{$name};
}

# The next that is asked for by this name is another.
sub end_session
{
	my ($name) = @_;
	my $session = delete $sessions{$name};

	eval { $session->quit; } if $session;
	return;
}

sub send_to
{
	my ($name, @statements) = @_;

	eval {
		session($name)->send($_) foreach @statements;
		1;
	} or end_session($name);
	return;
}

sub wait_for_session
{
	my ($name) = @_;

	eval { session($name)->complaints; 1 } or end_session($name);
	return;
}

# Between two questions about what takes its time: the longer, the more were asked.
sub pause
{
	my ($pause) = @_;

	select undef, undef, undef, $$pause;
	$$pause *= 1.3 if $$pause < 0.2;
	return;
}

# The answer to a query of the test's own, or undefined.
sub ask
{
	my ($query) = @_;
	my $answer = eval { session('judge')->query($query) };

	end_session('judge') unless defined $answer;
	return $answer;
}

# ---------------------------------------------------------------------------
# Every function of the extension
# ---------------------------------------------------------------------------

my $event =
  q('{"eventType":"call.started","callId":"by hand","from":"1","timestamp":"2026-03-01T12:00:02Z"}');
my $untimed = q('{"eventType":"call.answered","callId":"call-1"}');

# Arguments for those that mean something, by name; a list of lists.
my %arguments = (
	cdr_ingest_event  => [ [$event], [$untimed], [q('{"n":1}')] ],
	cdr_ingest_events => [
		[
			qq(ARRAY[$event, $untimed, '{"eventType":"call.ended","callId":"x","timestamp":"1999-01-01T00:00:00Z"}']::json[])
		],
		['\'{}\'']
	],
	cdr_ingest_message => [
		[
			q('{"eventType":"call.ended","callId":"call-2","timestamp":"2031-01-01T00:00:00Z"}'::bytea)
		],
		[ q('\x0a00'::bytea), q('call.started') ],
		['NULL']
	],
	cdr_call_history      => [ [q('call-1')], [q('by hand')], [q('')] ],
	cdr_create_partitions => [
		[ q('2026-03-01'), q('2026-03-02') ],
		[ q('1990-01-01'), q('1990-04-01') ],
		[ 'now()',         q(now() + '40 days') ]
	],
	cdr_calls_from_log => [ [], [q('call-1')] ],
	cdr_verify_calls   => [ [], [q('call-1')], [ 'NULL', q('2026-01-01') ] ],
	cdr_rebuild_calls  => [
		[],
		[ 'NULL', q('-infinity'), 'NULL', 'true' ],
		[ 'NULL', 'NULL', 'NULL', 'false', 'NULL', 'true' ]
	],
	cdr_rebuild_calls_in_slices =>
	  [ [], [ 'NULL', q('-infinity'), 'NULL', 'true' ] ],
	cdr_retry_dead_letters =>
	  [ [], ['ARRAY(SELECT event_id FROM cdr.dead_letters LIMIT 3)'] ],
	cdr_discard_dead_letters =>
	  [ [q('{00000000-0000-0000-0000-000000000000}')], ],
	cdr_adopt_tables => [ [], [q('cdr_service')] ],
	# a worker that pauses is another afterwards
	cdr_pause => [],);

# Arguments for any other, by type.
my %values = (
	'json'                     => $event,
	'json[]'                   => "ARRAY[$event]::json[]",
	'text'                     => q('call-1'),
	'name'                     => q('cdr_service'),
	'bytea'                    => q('\x0a00'),
	'boolean'                  => 'true',
	'integer'                  => '1',
	'bigint'                   => '1',
	'uuid'                     => q('00000000-0000-0000-0000-000000000001'),
	'uuid[]'                   => 'NULL',
	'interval'                 => q('1 day'),
	'timestamp with time zone' => q('2026-03-01 12:00:00Z'),
	'regclass'                 => q('cdr.calls'),);

# Statements that call them all, as they are known to an extension that was
# just made.
sub calls_of_functions
{
	my @calls;

	foreach my $line (split /\n/, $cdr->sql(<<'EOS'))
SELECT proname, prokind, (SELECT string_agg(format_type(t, NULL), ',' ORDER BY n)
		FROM unnest(proargtypes) WITH ORDINALITY AS a(t, n))
FROM pg_proc JOIN pg_depend ON objid = pg_proc.oid AND classid = 'pg_proc'::regclass AND deptype = 'e'
WHERE refobjid = (SELECT oid FROM pg_extension WHERE extname = 'cdr_service')
ORDER BY 1, 3
EOS
	{
		my ($name, $kind, $types) = split /\|/, $line, 3;
		my $known = $arguments{$name};

		$known = [
			[
				map { exists $values{$_} ? $values{$_} : "NULL::$_" }
				  split /,/,
				$types
			]
		  ]
		  unless $known;
		push @calls, map {
			my $call = "cdr.$name(" . join(', ', @$_) . ')';
			$kind eq 'p' ? "CALL $call" : "SELECT * FROM $call LIMIT 5";
		} @$known;
	}
	return @calls;
}

my @known = known_alterations();
my @calls = calls_of_functions();
my @reads = map {
	(   "SELECT * FROM cdr.$_ LIMIT 3",
		"SELECT count(*) FROM cdr.$_",
		"EXPLAIN UPDATE cdr.$_ SET tenant_id = NULL")
} qw(calls call_events dead_letters);
note scalar(@calls), ' calls of functions';

# The status, from a function that no alteration reaches.
$cdr->sql(
	$cdr->sql(q{SELECT pg_get_functiondef('cdr.cdr_status'::regproc)}) =~
	  s/FUNCTION cdr\.cdr_status/FUNCTION keep.status/r);

# ---------------------------------------------------------------------------
# Events
# ---------------------------------------------------------------------------

my $number = 0;

sub event
{
	my ($type) = @_;
	my $second =
	  rand() < 0.05
	  ? ''
	  : sprintf('2026-03-01T12:00:%02d.%dZ', rand 10, rand 10);

	$second = (1999 + int rand 40) . substr $second, 4
	  if $second ne '' && rand() < 0.05;
	$number++;
	return
	  sprintf
	  '{"eventType":"call.%s","callId":"call-%d","traceId":"fuzz%08d","from":"1001","timestamp":"%s"}',
	  (qw(started answered ended))[ $number % 3 ], $number / 3, $number,
	  $second;
}

# Begins to publish, at a pace that keeps up until the tables are altered.
sub start_publishing
{
	my (@bodies) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir('events') . '/lines';

	append_to_file($file, join '',
		map { CdrService::Broker::line($_) } @bodies);
	return IPC::Run::start(
		[
			repository() . '/test/tools/cdr_amqp', '--uri',
			$cdr->broker->uri,                     'publish',
			'--rate',                              400
		],
		'<', $file, '>',
		\my $published);
}

# Which events of $from to $to are nowhere, and which are more than once in the
# log; "" if that cannot be asked.
my $stored  = q{SELECT keep.number(e::text) AS n FROM cdr.call_events AS e};
my $letters = q{SELECT keep.number(d::text) AS n FROM cdr.dead_letters AS d};

sub missing
{
	my ($from, $to, $everywhere) = @_;
	my $found =
	  $everywhere
	  ? "$stored UNION ALL $letters UNION ALL SELECT number FROM keep.seen"
	  : $stored;

	return ask(
		"SELECT COALESCE(string_agg(g::text, ' '), 'none') FROM generate_series($from, $to) AS g WHERE g NOT IN (SELECT n FROM ($found) AS f WHERE n IS NOT NULL)"
	);
}

# ---------------------------------------------------------------------------
# A round
# ---------------------------------------------------------------------------

my %count = (alterations => 0, effective => 0, rounds => 0, undone => 0);
my %states;
my @problems;

sub tell_trace
{
	append_to_file($trace, join '', map { "$_\n" } @_);
	return;
}

sub problem
{
	my ($round, $what, @alterations) = @_;

	push @problems, "round $round: $what";
	tell_trace("-- PROBLEM: $what");
	diag "seed $seed, round $round: $what";
	diag "    $_->{name}" foreach @alterations;
	return;
}

# An alteration in a transaction of its own, that notes whether it took effect.
sub statements_of
{
	my ($alteration, $id) = @_;
	my @note = ("INSERT INTO keep.done VALUES ($id)");

	return (@{ $alteration->{sql} }, @note) if $alteration->{alone};
	return ('BEGIN', @{ $alteration->{sql} }, @note, 'COMMIT');
}

# Alters the tables from two sessions, while a third calls functions.
sub alter
{
	my (@alterations) = @_;
	my @scripts       = ([], []);
	my @some = sort { $a->[0] <=> $b->[0] } map { [ rand, $_ ] } @calls,
	  @reads;
	my $alone  = rand() < 0.6;
	my $pauses = rand() < 0.03;

	foreach my $id (0 .. $#alterations)
	{
		my $script = $scripts[ $alone ? 0 : rand 2 ];

		push @$script, statements_of($alterations[$id], $id);
	}
	@some = map { $_->[1] } @some;
	splice @some, rand @some, 0, 'SELECT cdr.cdr_pause()',
	  'SELECT cdr.cdr_resume()'
	  if $pauses;
	tell_trace(
		map {
			("-- session $_", map { "$_;" } @{ $scripts[$_] })
		} 0,
		1);
	end_session('caller') if rand() < 0.3;
	# (a single one is there before, for what only a whole one can show; of the
	# others, some calls fall into the time that they take)
	send_to('caller', @some[ 0 .. BESIDE - 1 ]) if @alterations > 1;
	send_to("alterer $_", @{ $scripts[$_] }) foreach 0, 1;
	wait_for_session($_) foreach 'alterer 0', 'alterer 1', 'caller';
	end_session('caller') if rand() < 0.3;
	send_to('caller', @some);
	wait_for_session('caller');
	# the function that ends a pause may be gone
	ask('ALTER SYSTEM RESET cdr_service.paused; SELECT pg_reload_conf()')
	  if $pauses;
	return;
}

# Waits until the worker has dealt with what came, or says why not.
sub check_state
{
	my ($round, $began, @alterations) = @_;
	my $deadline = time + TELL;
	my ($state, $sqlstate, $error) = ('', '', '');
	my $pause = 0.02;

	# cdr_stats_reset() may have been the last to be called: so the worker has
	# to look again, which it does for a reload
	ask('SELECT pg_reload_conf()');
	while (time < $deadline)
	{
		my $answer = ask(
			"SELECT state, CASE WHEN last_error_time > '$began' THEN last_error_sqlstate END, last_error FROM keep.status()"
		);

		if (!defined $answer)
		{
			return if has_crashed();
			next;
		}
		($state, $sqlstate, $error) = split /\|/, $answer, 3;
		last if $state eq 'waiting for extension';
		last
		  if $state =~ /^(retrying|backing off|waiting for tables)$/
		  && $sqlstate ne '';
		last if $state eq 'consuming' && ($cdr->broker->count)[0] == 0;
		pause(\$pause);
	}
	$states{ $state eq 'consuming' ? $state : "$state, $sqlstate" }++;
	tell_trace("-- $state, $sqlstate, $error");
	problem($round, "the worker is stuck: $state, \"$error\"", @alterations)
	  if time >= $deadline;
	problem($round, "the worker says: $error", @alterations)
	  if $sqlstate =~ /^XX/ && $error !~ /planted|$by_hand/;
	problem($round,
		"the worker does not say what is wrong: $state, \"$error\"",
		@alterations)
	  if $state =~ /^(retrying|waiting for tables)$/
	  && $sqlstate eq '55000'
	  && $error !~ /call|letter|extension|foreign-data|rule|planted/;
	my ($told) = map { $_->{told} || () } @alterations;
	problem($round, "the worker does not name $told: $state, \"$error\"",
		@alterations)
	  if @alterations == 1
	  && $told
	  && $state ne 'consuming'
	  && $error !~ /$told/;
	return;
}

# Takes back what can be taken back, all or nothing.
sub undo
{
	my (@alterations) = @_;
	my $done = ask(
		"SELECT string_agg(alteration::text, ' ' ORDER BY ctid) FROM keep.done"
	);
	my $rebuild;
	my @sql;

	return 0 unless defined $done;
	foreach my $id (reverse split ' ', $done)
	{
		return 0 unless $alterations[$id]{undo};
		push @sql, @{ $alterations[$id]{undo} };
		$rebuild = 1 if $alterations[$id]{rebuild};
	}
	push @sql,
	  q{SELECT cdr.cdr_rebuild_calls(from_time => '-infinity', prune => true)}
	  if $rebuild;
	my $script = join ";\n", 'BEGIN', @sql, 'COMMIT', '';
	my ($good, undef, $stderr) = $cdr->outcome_of($script, @stop);
	tell_trace('-- undo: ' . ($good ? 'good' : $stderr), $script);
	return $good;
}

sub make_anew
{
	my $stderr;

	foreach (1 .. 20)
	{
		my $good;

		($good, undef, $stderr) =
		  $cdr->outcome_of('SELECT keep.make_anew()', @stop);
		return if $good;
		tell_trace("-- make_anew: $stderr");
		return if has_crashed();
	}
	die "could not make the extension anew: $stderr";
}

my $log_seen = 0;

sub has_crashed
{
	return $cdr->log_matches(qr/was terminated by signal|PANIC:|TRAP:/,
		$log_seen) > 0;
}

# A worker that crashes at each start leaves nobody the time to help: so there
# is none for a while.
sub recover
{
	end_session($_) foreach keys %sessions;
	$node->stop('immediate');
	$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
	$node->start;
	$log_seen = $cdr->log_size;
	make_anew();
	$node->append_conf('postgresql.conf',
		"shared_preload_libraries = 'cdr_service'\n");
	$node->restart;
	$log_seen = $cdr->log_size;
	$cdr->wait_for_state('consuming');
	return;
}

my %our_functions = map { $_ => 1 }
  map { slurp_file($_) =~ /^([a-z_0-9]+)\(/mg }
  glob repository() . '/src/*/*.c';

# What the server's log may not say.
sub check_log
{
	my ($round, @alterations) = @_;
	my $log = $cdr->log_since($log_seen);
	my %left;

	problem($round, "crash: $1", @alterations)
	  if $log =~
	  /((?:was terminated by signal|PANIC:|TRAP:).*(?:\n.*DETAIL: .*)?)/;
	while ($log =~
		/\[(\d+)\] cdr_service worker\/.*?LOG:  00000: (?:paused|starting again)/g
	  )
	{
		$left{$1} = 1;
	}
	while (!has_crashed()
		&& $log =~
		/(background worker "cdr_service[^"]*" \(PID (\d+)\) exited.*)/g)
	{
		problem($round, "the worker ended: $1", @alterations)
		  unless $left{$2};
	}
	while ($log =~
		/\] (cdr_service worker|client backend)\/(.*?) (\w+):  (XX...): (.*)(?:\n\t.*)*(?:\n.*(?:DETAIL|HINT|CONTEXT): .*(?:\n\t.*)*)*(?:\n.*LOCATION:  (\w+))?/g
	  )
	{
		my ($who, $name, $level, $sqlstate, $message, $function) =
		  ($1, $2, $3, $4, $5, $6 || '');

		next if $name =~ /alterer|pl$/ || $message =~ $by_hand;
		next
		  if $message =~ $servers_own
		  && !($level eq 'ERROR' && $our_functions{$function});
		problem($round, "$who: $sqlstate $message ($function)", @alterations);
	}
	$log_seen += length $log;
	return;
}

# The events of the round are stored, once.
sub check_events
{
	my ($round, $first, $before, $loses, $undone, @alterations) = @_;
	my $deadline = time + GO_ON;
	my $from     = $loses ? $before : $first;
	my $pause    = 0.02;
	my ($lost, $late);

	ask('SELECT pg_reload_conf()');
	while (time < $deadline)
	{
		$late = missing($before, $number, 0);
		# (both read all that there is)
		$lost =
		  defined $late && $late eq 'none'
		  ? missing($from, $number, 1)
		  : undef;
		last
		  if defined $lost
		  && $lost eq 'none'
		  && (ask('SELECT state FROM keep.status()') || '') eq 'consuming';
		return 0 if has_crashed();
		pause(\$pause);
	}
	$lost = missing($from, $number, 1) unless defined $lost;
	$_ = defined $_ ? $_ : '?' foreach $late, $lost;
	problem($round, "events are lost: $lost", @alterations)
	  if $lost ne 'none';
	problem(
		$round,
		"events are not stored: $late; "
		  . (ask('SELECT state, last_error FROM keep.status()') || ''),
		@alterations) if $late ne 'none';
	my $doubled = ask(
		"SELECT string_agg(n::text, ' ') FROM (SELECT n FROM ($stored) AS s WHERE n IS NOT NULL GROUP BY n HAVING count(*) > 1) AS d"
	);
	problem($round, "events are doubled: $doubled", @alterations)
	  if !defined $doubled || $doubled ne '';
	my ($verified, $wrong, $stderr) =
	  $cdr->outcome_of('SELECT * FROM cdr.cdr_verify_calls() LIMIT 3', @stop);
	die $stderr unless $verified;
	problem($round, "calls are wrong: $wrong", @alterations) if $wrong ne '';
	return "$late$lost" eq 'nonenone' && $wrong eq '';
}

# One, or many at once; such that can be undone, if that is wanted.
sub some_alterations
{
	my ($undoes) = @_;
	my $some = rand() < 0.25 ? 1 : 2 + int rand 9;

	return map {
		random_alteration($undoes ? sub { $_[0]{undo} } : undef)
	} 1 .. $some;
}

sub run_round
{
	my ($round) = @_;

	srand($seed * 1009 + $round);
	my $undoes      = rand() < 0.4;
	my @alterations = $round < 0 ? $known[$round] : some_alterations($undoes);
	my $first       = $number + 1;
	my @bodies      = map { event() } 1 .. 120;

	@bodies = map { "no event $round $_" } 1 .. 60 if rand() < 0.1;
	$number = $first - 1                           if $bodies[0] =~ /^no/;
	tell_trace("-- round $round", map { "--   $_->{name}" } @alterations);
	my $began     = ask('TRUNCATE keep.seen, keep.done; SELECT now()');
	my $publisher = start_publishing(@bodies);
	my $before    = $number + 1;

	alter(@alterations);
	$publisher->finish;
	check_state($round, $began, @alterations) unless has_crashed();

	$count{rounds}++;
	$count{alterations} += @alterations;
	$count{effective}   += ask('SELECT count(*) FROM keep.done') || 0;
	my $loses  = grep { $_->{loses} } @alterations;
	my $undone = !$loses && $undoes && !has_crashed() && undo(@alterations);

	$count{undone}++ if $undone;
	make_anew()                           unless $undone || has_crashed();
	$cdr->publish(map { event() } 1 .. 6) unless has_crashed();
	my $well = !has_crashed()
	  && check_events($round, $first, $before, $loses, $undone, @alterations);
	my $crashed = has_crashed();
	check_log($round, @alterations);
	if ($crashed)
	{
		recover();
	}
	elsif ($undone && (!$well || rand() < 0.3))
	{
		make_anew();
	}
	return;
}

@rounds = (-@known .. -1, @rounds) unless $ENV{CDR_FUZZ_ROUND};
note "seed $seed";
diag "seed $seed, @{[ scalar @rounds ]} rounds" if @rounds > 100;
$cdr->wait_for_state('consuming');
$log_seen = $cdr->log_size;
foreach my $round (@rounds)
{
	run_round($round);
	diag "$round rounds, $count{effective} alterations" if $round % 100 == 0;
	last                                                if @problems >= 20;
}
note
  "$count{rounds} rounds, $count{alterations} alterations, $count{effective} took effect, $count{undone} rounds undone";
note "$states{$_} times $_" foreach sort keys %states;
cmp_ok(
	$count{effective}, '>',
	$count{alterations} / 3,
	'alterations took effect');
is(join("\n", @problems),
	'', "seed $seed: no crash, no event lost or doubled, nothing stuck");
make_anew();
$cdr->wait_for_state('consuming');
$cdr->nothing_left('altered tables');

done_testing();
