# After a promotion that loses events, a recovery to a point in time, a restart, restores
# of older dumps (in place, into another database, into another server), a loss of all
# tables of evidence, a copy of a database, and pg_upgrade:
# the log goes on only where it may, a new one says which one it continues, and a
# checkpoint that was kept tells what was lost.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;
use CdrService::Psql;
use CdrService::Util qw(outcome repository);

my $config = "cdr_service.evidence = on\ncdr_service.seal_interval = 1d\n"
  . "cdr_service.evidence_origin = 'cdr.example.org/test'\n";
my $cdr = CdrService::Fixture->new(
	'forked',
	broker    => 0,
	streaming => 1,
	config    => $config);
my $event    = 0;
my $database = 'postgres';

# Records events and seals them; returns the checkpoint.
sub seal
{
	my ($count) = @_;

	foreach (1 .. $count)
	{
		$event++;
		$cdr->sql(
			qq{SELECT cdr_ingest_event('{"eventType":"call.started","callId":"$event","timestamp":"2026-01-19T22:00:00Z"}'); SELECT cdr_seal()},
			$database);
	}
	return $cdr->sql('SELECT cdr_checkpoint()', $database);
}

sub problems
{
	my ($checkpoint) = @_;

	return $cdr->sql(
		"SELECT problem, log, detail FROM cdr_verify_evidence(checkpoint => '$checkpoint')",
		$database);
}

# Did a log begin, of this number, that continues the one of a checkpoint?  What was
# kept of that fits; of what was lost, it is told how much.
sub has_begun
{
	my ($number, $continued, $lost, $how_much, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $made = seal(2);

	like $made, qr{^cdr\.example\.org/test/$number\n3\n},
	  "$name: a new log begins";
	is $cdr->sql("SELECT entry FROM cdr_log WHERE log = $number AND log_index = 0", $database),
	  "cdr-continues-v1\n$continued", 'and says which one it continues';
	is problems($_), '', 'a checkpoint of either fits'
	  foreach grep { !/\n0\n/ } $continued, $made;
	return $made unless defined $lost;
	my ($log) = $lost =~ m{/(\d+)\n};

	is problems($lost),
	  "log cut off|$log|$how_much entries are missing that the given checkpoint covers",
	  'and one of what was lost tells of that';
	return $made;
}

sub dump_of
{
	my ($name) = @_;
	my $file = $cdr->node->basedir . "/$name.dump";

	command_ok([ 'pg_dump', '-f', $file, $cdr->node->connstr($database) ],
		'pg_dump');
	return $file;
}

sub restore
{
	my ($file) = @_;

	return command_ok(
		[
			'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $file, '-o',
			"$file.out", $cdr->node->connstr($database)
		],
		'restored');
}

# --- a promotion

$cdr->sql('SELECT cdr_create_evidence_tables()');
my $kept    = seal(2);
my $standby = $cdr->standby('promoted');
$cdr->node->wait_for_catchup('promoted');
$standby->stop;
my $lost = seal(3);
like $lost, qr{^cdr\.example\.org/test/1\n5\n}, 'there is a log';
$cdr->node->stop('immediate');
$standby->start;
$cdr->fail_over_to($standby);
$kept = has_begun(2, $kept, $lost, '3 of 5', 'after a promotion');

# --- a restart, and a crash

$cdr->node->restart;
$cdr->node->stop('immediate');
$cdr->node->start;
like seal(1), qr{^cdr\.example\.org/test/2\n4\n}, 'after a restart and a crash, it goes on';

# --- an older dump, in place: into the tables that are there; into new ones

my $tables = 'cdr_unsealed, cdr_seals, cdr_log, cdr_checkpoints';
my $older  = $cdr->sql('SELECT cdr_checkpoint()');
my $rows   = $cdr->node->basedir . '/rows.dump';

command_ok(
	[
		'pg_dump', '-a', '-f', $rows,
		(map { ('-t', $_) } 'call_events*', split /, /, $tables), $cdr->node->connstr($database)
	],
	'pg_dump of the rows');
$lost = seal(2);
$cdr->sql("TRUNCATE call_events, $tables");
restore($rows);
$kept = has_begun(3, $older, $lost, '2 of 6', 'rows brought back');

my $dump = dump_of('older');
$lost = seal(1);
$cdr->sql(
	'SET cdr_service.allow_drop = on; DROP EXTENSION cdr_service CASCADE; DROP OWNED BY cdr_service CASCADE'
);
restore($dump);
my $last = has_begun(4, $kept, $lost, '1 of 4', 'a dump restored in place');

# --- no table is left

$cdr->sql("TRUNCATE call_events; DROP TABLE $tables; SELECT cdr_create_evidence_tables()");
has_begun(
	5,
	"cdr.example.org/test/4\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
	undef, undef, 'all tables lost');
is problems($last) =~ s/\n.*//sr, 'log cut off|4|3 of 3 entries are missing that the given checkpoint covers', 'which was lost';

# --- another database, another server

$database = 'other';
$cdr->sql('CREATE DATABASE other', 'postgres');
restore($dump);
my $restored = has_begun(6, $kept, undef, undef, 'in another database');

# --- a database made of that one

CdrService::Psql->leave_all($cdr->node);
$cdr->sql('CREATE DATABASE copied TEMPLATE other', 'postgres');
$database = 'copied';
has_begun(7, $restored, undef, undef, 'in a copy of a database');

$database = 'postgres';
$cdr->node->stop;
$cdr = CdrService::Fixture->new(
	'elsewhere',
	broker    => 0,
	streaming => 1,
	extension => 0,
	config    => $config);
$cdr->sql('CREATE ROLE cdr_service');
restore($dump);
$kept = has_begun(4, $kept, undef, undef, 'on another server');

# --- pg_upgrade, with an event that waits for its seal, and one that somebody changed

# A file that is read by others.
sub file_with
{
	my ($name, $text) = @_;
	my $path = PostgreSQL::Test::Utils::tempdir() . "/$name";

	append_to_file($path, $text);
	return $path;
}

# What cdr-verify says of the event of a call, under a checkpoint.
sub told_of
{
	my ($file, $checkpoint) = @_;
	my (undef, $told) = outcome(
		[
			repository() . '/scripts/cdr-verify', $file,
			'--checkpoint', file_with('checkpoint', $checkpoint)
		]);

	return join "\n", $told =~ /^((?:not )?proved .*)$/img;
}

sub evidence_of
{
	my ($call, $checkpoint) = @_;

	return file_with('evidence',
		$cdr->sql("SELECT cdr_evidence('$call', 'a test', checkpoint => '$checkpoint')"));
}

my $started = '2026-01-19T22:00:00Z  call.started';
my $oldest  = $cdr->sql('SELECT note FROM cdr_checkpoints WHERE log = 1 ORDER BY size LIMIT 1');
my $made    = evidence_of(1, $oldest);
my $newest  = $event;

is told_of($made, $oldest), "proved      $started", 'the evidence of a call, before pg_upgrade';
$event++;
$cdr->sql(
	qq{SELECT cdr_ingest_event('{"eventType":"call.started","callId":"$event","timestamp":"2026-01-19T22:00:00Z"}')}
);
$cdr->sql("UPDATE call_events SET event_type = 'call.failed' WHERE call_id = '2'");
my $changed = problems($kept);
like $changed, qr/^rows changed\|1\|.*$/, 'one is changed';

# (by an initdb of its own, for what is copied has the same number of the server)
my $upgraded = do
{
	delete local $ENV{CDR_TEST_TEMPLATES};
	CdrService::Fixture->new(
		'upgraded',
		broker    => 0,
		streaming => 1,
		start     => 0,
		config    => $config);
};
$cdr->node->stop;
$upgraded->upgrade_from($cdr);
$cdr = $upgraded;
$cdr->node->start;
$cdr->wait_for('NOT EXISTS (SELECT FROM cdr_unsealed)');
is $cdr->log_matches(qr/ERROR/, 0), 0, 'nothing fails';
like $cdr->sql('SELECT cdr_checkpoint()'), qr{^cdr\.example\.org/test/5\n3\n},
  'after pg_upgrade, the sealer begins a new log';
is $cdr->sql('SELECT entry FROM cdr_log WHERE log = 5 AND log_index = 0'),
  "cdr-continues-v1\n$kept", 'and says which one it continues';
$last = seal(1);
is problems($_), $changed, 'what was changed before is found, and nothing else, with each checkpoint'
  foreach $oldest, $kept, $last;
is told_of($made, $oldest), "proved      $started", 'the file of before holds';
is told_of(evidence_of(1, $oldest), $oldest), "proved      $started",
  'and one that is made now, for a checkpoint of before';
is told_of(evidence_of($newest, $kept), $kept), "proved      $started",
  'for that of the last log, too';
like told_of(evidence_of($newest, $last), $last), qr/^NOT PROVED .*no checkpoint of the file/,
  'but not for one of the new log';
is told_of(evidence_of($_, $last), $last), "proved      $started",
  'what waited, and what came after, is in the new log'
  foreach $event - 1, $event;
like told_of(evidence_of(2, $oldest), $oldest), qr/^NOT PROVED .*not as it was sealed/,
  'what was changed is not proved';
my $rewrite = 'UPDATE cdr_log SET entry = replace(entry, $$%s:$$, $$%s:$$) WHERE log = 4 AND log_index = 1';
$cdr->sql(sprintf $rewrite, 'sql', 'SQL');
like problems($last), qr/^log rewritten\|4\|/m, 'nor can the log of before be written anew';
$cdr->sql(sprintf $rewrite, 'SQL', 'sql');
$cdr->sql("UPDATE call_events SET event_type = 'call.started' WHERE call_id = '2'");
$kept = seal(1);
is problems($kept), '', 'what is put back is as it was';

# --- a backup, recovered to a point in time

my $recovered = PostgreSQL::Test::Cluster->new('recovered');
$cdr->node->backup('older');
$lost = seal(3);
my ($size) = $lost =~ /\n(\d+)\n/;
$cdr->node->stop;
$recovered->init_from_backup($cdr->node, 'older');
$recovered->append_conf('postgresql.conf',
	"restore_command = 'false'\nrecovery_target = 'immediate'\nrecovery_target_action = 'promote'\n");
$recovered->set_recovery_mode;
$recovered->start;
$cdr->go_on_with($recovered);
has_begun(6, $kept, $lost, "3 of $size", 'recovered to a point in time');

# --- a copy of all files, which nothing tells from the server itself: but its checkpoints do

my $copy = PostgreSQL::Test::Cluster->new('copied');
$cdr->node->stop;
$cdr->node->backup_fs_cold('files');
$copy->init_from_backup($cdr->node, 'files');
$cdr->node->start;
my $one = seal(1);
is problems($one), '', 'a server, and a copy of its files, go on with the same log';
$cdr->node->stop;
$copy->start;
$cdr->go_on_with($copy);
my $other = seal(1);
is problems($other), '', 'each with its own entries';
($size) = $one =~ /\n(\d+)\n/;
is problems($one), "log rewritten|6|its first $size entries do not have the root of the given checkpoint",
  'a checkpoint of one shows at the other that there are two';
like told_of(evidence_of($event, $other), $one), qr/^NOT PROVED .* the checkpoint that you kept/,
  'and does not prove what is there';
$cdr->node->stop;

done_testing;
