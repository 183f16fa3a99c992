# Whatever others plant on the tables, or where the service looks for them,
# runs with the rights of the role that writes them, whoever calls, and gains
# none of a superuser's.

use strict;
use warnings FATAL => 'all';

use Test::More;

use CdrService::Doors qw(doors shut);
use CdrService::Fixture;
use CdrService::PlantedCode qw(stage);
use CdrService::Util        qw(poll);

my $cdr = CdrService::Fixture->new(
	'planted_code',
	extension => 0,
	config    => "cdr_service.batch_linger = 0\n");
$cdr->sql('CREATE SCHEMA cdr; CREATE EXTENSION cdr_service SCHEMA cdr');
$ENV{PGOPTIONS} .= ' -c search_path=cdr,public';
$cdr->wait_for_state('consuming');

my $lair  = CdrService::PlantedCode->new($cdr);
my $owner = $cdr->sql(
	q{SELECT relowner::regrole FROM pg_class WHERE oid = 'calls'::regclass});
my $asked = $cdr->session;

my $number = 0;
my $owner_creates =
  $cdr->sql("SELECT has_schema_privilege('$owner', 'cdr', 'CREATE')") eq 't';

$cdr->sql('GRANT USAGE ON SCHEMA cdr TO stranger');

# An event of a call of this door; without a time if $second is undefined.
sub event
{
	my ($call, $type, $second) = @_;
	my $time =
	  defined $second
	  ? sprintf ',"timestamp":"%s-02T12:00:%02dZ"', month(), $second
	  : '';

	return qq({"eventType":"call.$type","callId":"$call"$time});
}

# Each door has calls of its own.
sub call { return sprintf 'd%03d', $number; }

# Each door has a month of its own, so that there is no partition for it yet.
sub month
{
	return sprintf '%04d-%02d', 2001 + int($number / 12), 1 + $number % 12;
}

# --- the operations

# Events and dead letters through the worker: new ones, then some of them again.
# Returns why it does not store them, if it does not.
sub work
{
	my ($call) = @_;
	my @events = (
		event("$call-w", 'started',  1),
		event("$call-w", 'answered', 2),
		event($call,     'ended',    9),
		event("$call-x", 'ringing'));

	my $before = $cdr->sql(stage('worker')
		  . "SELECT count(*) FROM call_events WHERE call_id LIKE '$call%'");

	$cdr->publish(@events, "good later: $call", "no event: $call");
	my $refused = stored($call, $before + 4, 2);
	return $refused if $refused;
	$cdr->publish(@events[ 0 .. 2 ], event("$call-w", 'ended', 5));
	return stored($call, $before + 5, 2);
}

# Waits until so much is stored, or refused: that is told after the message that is no
# event, if not at once.
sub stored
{
	my ($call, $events, $letters) = @_;
	my $answer;

	poll(
		sub {
			$answer = $asked->query(
				"SELECT CASE WHEN (SELECT count(*) FROM cdr.call_events WHERE call_id LIKE '$call%') = $events
				 AND (SELECT count(*) FROM cdr.dead_letters WHERE convert_from(body, 'UTF8') LIKE '%: $call') = $letters
				 THEN 'stored' WHEN EXISTS (SELECT FROM cdr.dead_letters WHERE convert_from(body, 'UTF8') LIKE '%callId%$call%') OR waiting > 0 OR state IN ('retrying', 'waiting for tables', 'waiting for extension')
				 THEN CASE WHEN last_error LIKE '%neither a JSON object nor Protobuf' THEN '' ELSE last_error END
				 ELSE '' END FROM cdr.cdr_status()"
			);
			$answer ne '';
		},
		"the worker to store $call");
	return $answer eq 'stored' ? '' : $answer;
}

# SQL: events in, as a caller hands them over.
sub ingest
{
	my ($call) = @_;
	my @events = (event($call, 'started', 1), event($call, 'answered', 2));

	return stage('ingest') . <<"EOC";
SELECT cdr_ingest_event('$events[0]'::json);
SELECT cdr_ingest_event('$events[0]'::json);
SELECT cdr_ingest_events(ARRAY['$events[1]']::json[]);
SELECT cdr_ingest_message(convert_to('${\event("$call-m", 'ringing')}', 'UTF8'));
EOC
}

# SQL: everything else that the extension does with its tables, after something
# for each to do.
sub functions
{
	my ($call, $fill) = @_;
	my $month  = month();
	my $letter = event("$call-l", 'started', 3);
	my $wrong  = stage('') . <<"EOC";
UPDATE calls SET hangup_cause = 'wrong' WHERE call_id = '$call';
DELETE FROM call_events WHERE call_id IN ('$call-x', '$call-m');
EOC

	return
		$wrong
	  . ($fill ? "$fill;" : '')
	  . "UPDATE dead_letters SET body_size = octet_length(b), body = b FROM (SELECT convert_to('$letter', 'UTF8')) AS n(b)
		WHERE convert_from(body, 'UTF8') = 'good later: $call';"
	  . stage('verify')
	  . 'SELECT count(*) FROM cdr_verify_calls();'
	  . stage('rebuild')
	  . q{SELECT cdr_rebuild_calls(); SELECT cdr_rebuild_calls(from_time => '-infinity', prune => true);}
	  . stage('')
	  . "UPDATE calls SET hangup_cause = 'wrong' WHERE call_id = '$call';"
	  . stage('rebuild')
	  . 'CALL cdr_rebuild_calls_in_slices();'
	  . stage('remap')
	  . qq(INSERT INTO cdr_mappings (name, definition) VALUES ('planted', '{"match": {"where": {"callId": "$call-w"}}, "event": {"call_id": {"const": "$call-v"}}, "call": [{"set": "started"}]}');)
	  . 'SELECT count(*) FROM cdr_remap_preview();'
	  . "SELECT cdr_rebuild_calls('$call-w', remap => true);"
	  . 'UPDATE cdr_mappings SET enabled = false;'
	  . stage('retry')
	  . 'SELECT cdr_retry_dead_letters();'
	  . stage('discard')
	  . 'SELECT cdr_discard_dead_letters(array_agg(event_id)) FROM dead_letters;'
	  . stage('partitions')
	  . "SELECT cdr_create_partitions('$month-02', '$month-02');"
	  . stage('history')
	  . "SELECT count(*) FROM cdr_call_history((SELECT min(call_id) FROM call_events)); SELECT count(*) FROM cdr_calls_from_log();"
	  . stage('maintenance')
	  . 'ANALYZE calls; ANALYZE call_events_default; REINDEX TABLE calls;'
	  . stage('adoption')
	  . 'SELECT cdr_adopt_tables(); SELECT cdr_update_tables();'
	  . stage('literals')
	  . "SELECT cdr_ingest_event('$letter'), cdr_ingest_events('{}'), cdr_create_partitions('$month-02', '$month-02'),
			cdr_retry_dead_letters('{}'), cdr_discard_dead_letters('{}');"
	  . stage('drop')
	  . "DO 'BEGIN DROP TABLE cdr.call_events; EXCEPTION WHEN OTHERS THEN END';"
	  . stage('')
	  . $CdrService::PlantedCode::left_behind;
}

# --- a door: opened, walked through, closed

# SQL of a door, as it is for this one.
sub fill_in
{
	my ($door, $sql) = @_;
	my $month = month();
	(my $digits = $month) =~ s/-//;

	(my $name = $door->{name}) =~ s/'/''/g;
	my $call = call();
	return $sql =~ s/DOOR/$name/gr =~ s/CALL/$call/gr =~
	  s/YYYYMM/$digits/gr =~ s/MONTH/$month/gr;
}

# Has the planter do it, with the right that makes it one; returns the errors.
sub plant
{
	my ($door) = @_;
	my $by     = $door->{by};
	my $plant  = fill_in($door, $door->{plant});
	my $role   = $by =~ /grantee|creator/ ? 'stranger' : 'postgres';
	my %right  = (
		'trigger grantee' => 'TRIGGER ON ALL TABLES IN SCHEMA cdr',
		'creator'         => 'CREATE ON SCHEMA cdr',

		# an index, and a new name, need it
		'owner' => $owner_creates ? undef : 'CREATE ON SCHEMA cdr');
	my $right = $right{$by};
	my $to    = $by eq 'owner' ? $owner : $role;

	$cdr->sql($door->{first})        if $door->{first};
	$cdr->sql("GRANT $right TO $to") if $right;
	$plant = "SET ROLE $owner; $plant" if $by eq 'owner';
	my $errors = $lair->errors_as($role, "BEGIN; $plant; COMMIT");
	$cdr->sql("REVOKE $right FROM $to") if $right;
	return $errors;
}

sub pause_and_resume
{
	my @before = $cdr->worker_pids;

	$cdr->sql(stage('pause') . 'SELECT cdr_pause()');
	$cdr->wait_until_paused(@before);
	$cdr->sql('SELECT cdr_resume()');
	return $cdr->wait_for_state('consuming');
}

# All operations, with the door open.  Returns what errors there were.
sub walk_through
{
	my ($door) = @_;
	my $call = call();
	my @errors;

	pause_and_resume() if $door->{restart};
	push @errors, $lair->errors_as('postgres', ingest($call));
	push @errors, my $refused = work($call);
	push @errors,
	  $lair->errors_as('postgres',
		functions($call, $door->{fill} && fill_in($door, $door->{fill})));
	$cdr->sql(stage('') . fill_in($door, $door->{remove}));
	poll(sub { is_stored($call) }, "the rest of $door->{name}") if $refused;
	return grep { $_ ne '' } @errors;
}

# What was refused is stored after the door is closed, or is a dead letter.
sub is_stored
{
	my ($call) = @_;

	return $cdr->sql('SELECT cdr_retry_dead_letters();'
		  . "SELECT count(*) > 1 FROM call_events WHERE call_id LIKE '$call-w'"
	) =~ /t$/;
}

# What came to life, and as whom; nothing as anybody but these.
sub judge
{
	my ($door, $writers, @errors) = @_;
	my $name = "$door->{by}: $door->{name}";
	my ($worked, @alive) = $lair->loot;
	my %in   = map { $_->[0] => 1 } @alive;
	my %as   = map { $_->[1] => 1 } @alive;
	my %may  = map { $_      => 1 } @$writers, $door->{as} || ();
	my @must = split / /, $door->{alive};

	is(join(' ', grep { !$may{$_} } sort keys %as),
		'', "$name: runs as nobody but the writer");
	is($worked, '', "$name: no attempt worked");
	is(join(' ', grep { !$in{$_} } @must), '', "$name: has come to life");
	is(join(' ', sort keys %in),           '', "$name: nothing came to life")
	  if $door->{silent};
	my $expected = $door->{errors} || qr/^$/;
	is(join("\n", grep { !/$expected/ } @errors),
		'', "$name: all else went on");
	note join ' | ', 'REPORT', $door->{by}, $door->{name},
	  join(' ', sort keys %in) || 'nowhere',
	  join(' ', sort keys %as), split(/\n/, $worked) . ' attempts worked',
	  substr join('; ', @errors), 0, 120;
	return;
}

sub try_door
{
	my ($door, @writers) = @_;

	$number++;
	my $errors = plant($door);
	if ($errors ne '')
	{
		like($errors, $door->{closed} || qr/^$/, "$door->{name}: is closed");
		note "REPORT | $door->{by} | $door->{name} | closed: $errors";
		return;
	}
	judge($door, \@writers, walk_through($door));
	is($lair->gained, '', "$door->{name}: and nobody has gained anything");
	clear();
	return;
}

# Takes away what was recorded: whoever connects reads of each partition, and each
# rebuild each call.
sub clear
{
	$cdr->sql(<<'EOC');
DELETE FROM cdr.call_events;
SELECT format('DROP TABLE cdr.%I', relname) FROM pg_class
WHERE relnamespace = 'cdr'::regnamespace AND relkind = 'r' AND relname ~ '^call_events_20[01]\d{5}$' \gexec
DELETE FROM cdr.timeless_events;
DELETE FROM cdr.calls;
EOC
	return;
}

# --- to prove that the attempts are worth something: a superuser's all work

is($owner, 'cdr_service', 'the tables belong to an ordinary role');
$cdr->sql(stage('control') . q{SELECT lair.alive('control')});
is( $cdr->sql(
		q{SELECT what, sqlstate FROM lair.loot WHERE sqlstate <> 'UW000'}),
	'',
	'every attempt works for a superuser');
$lair->loot;

# --- what the server itself does not keep from an index of a stranger's that a
# superuser builds, is the server's (18.6 lets it make a type in the superuser's
# temporary schema, which 15.20 and 17.12 refuse)

$cdr->sql(<<'EOC');
SET ROLE stranger;
CREATE TABLE lair.own (x text);
INSERT INTO lair.own VALUES ('x');
CREATE INDEX ON lair.own (lair.pure('server', x));
EOC
$cdr->sql(stage('server') . 'REINDEX TABLE lair.own');
note 'the server allows: ', $cdr->sql(
	q{DELETE FROM lair.attempts WHERE what IN
	  (SELECT what FROM lair.loot WHERE sqlstate = 'UW000') RETURNING what}
) || 'nothing';
$lair->loot;

$lair->gained;
try_door($_, $owner) foreach doors();

# --- what the writer may do, it may do for good: nobody falls over it

try_door(
	{
		name  => 'left behind',
		by    => 'trigger grantee',
		alive => 'ingest worker',
		plant =>
		  q{CREATE TRIGGER planted BEFORE INSERT OR UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION lair.leave('DOOR')},
		remove => 'DROP TRIGGER planted ON calls'
	},
	$owner);
pause_and_resume();
try_door(
	{
		name   => 'nothing',
		by     => 'nobody',
		alive  => '',
		plant  => 'SELECT',
		remove => 'SELECT',
		silent => 1
	},
	$owner);
$cdr->sql(<<"EOC");
DROP FUNCTION IF EXISTS cdr.cdr_ingest_event(text), cdr.cdr_ingest_events(text), cdr.cdr_create_partitions(text, text),
	cdr.cdr_retry_dead_letters(text), cdr.cdr_discard_dead_letters(text);
ALTER ROLE $owner RESET ALL;
REVOKE ALL ON ALL TABLES IN SCHEMA cdr FROM stranger;
EOC

# --- the same with other writers

my %same = map { $_ => 1 } 'trigger of calls',
  'trigger of the default partition', 'default of dead letters',
  'policy of the log', 'index expression, log', 'event trigger';
my @same = grep { $same{ $_->{name} } } doors();

$cdr->sql("CREATE ROLE keeper; SELECT cdr_adopt_tables('keeper')");
$owner = 'keeper';
$lair->gained;
try_door($_, 'keeper') foreach @same;
is( $cdr->sql(
		"SELECT relname FROM pg_class WHERE relnamespace = 'cdr'::regnamespace AND relkind IN ('r', 'p') AND relname NOT LIKE 'cdr\_%' AND relowner <> 'keeper'::regrole"
	),
	'',
	'partitions are made as the owner of the tables');

my $connected = $cdr->status('reconnects');
$cdr->sql('CREATE ROLE writer; GRANT USAGE ON SCHEMA cdr TO writer;'
	  . 'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA cdr TO writer'
);
$cdr->set('cdr_service.role' => 'writer', 'cdr_service.prefetch' => 999);
$cdr->wait_for(
	"reconnects > $connected AND state = 'consuming' FROM cdr_status()");
$lair->gained;
try_door($_, 'keeper', 'writer') foreach @same;

# --- what is no door

$cdr->sql(
	"GRANT CREATE ON SCHEMA lair TO $owner; SET ROLE $owner; CREATE FUNCTION lair.owned() RETURNS int LANGUAGE sql AS 'SELECT 1'"
);
foreach my $shut (shut())
{
	my ($catalog, $sql, $why) = @$shut;

	isnt(
		$lair->errors_as(
			'postgres', "BEGIN; SET ROLE $owner; $sql; ROLLBACK"),
		'',
		"$catalog: $why") if defined $sql;
	note "REPORT | shut | $catalog | $why | ",
	  defined $sql
	  ? $lair->errors_as('postgres', "BEGIN; SET ROLE $owner; $sql; ROLLBACK")
	  : '';
}
$cdr->sql(
	"REVOKE CREATE ON SCHEMA lair FROM $owner; DROP FUNCTION lair.owned()");

done_testing();
