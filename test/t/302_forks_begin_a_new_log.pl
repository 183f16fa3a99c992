# After a promotion that loses events, a recovery to a point in time, a restart, restores
# of older dumps (in place, into another database, into another server) and a loss of all
# tables of evidence:
# the log goes on only where it may, a new one says which one it continues, and a
# checkpoint that was kept tells what was lost.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;

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
has_begun(6, $kept, undef, undef, 'in another database');

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

# --- a backup, recovered to a point in time

my $recovered = PostgreSQL::Test::Cluster->new('recovered');
$cdr->node->backup('older');
$lost = seal(3);
$cdr->node->stop;
$recovered->init_from_backup($cdr->node, 'older');
$recovered->append_conf('postgresql.conf',
	"restore_command = 'false'\nrecovery_target = 'immediate'\nrecovery_target_action = 'promote'\n");
$recovered->set_recovery_mode;
$recovered->start;
$cdr->go_on_with($recovered);
has_begun(5, $kept, $lost, '3 of 6', 'recovered to a point in time');
$cdr->node->stop;

done_testing;
