# Whatever whoever seals is about when it fails, with an error, with an exit and with
# SIGKILL: each event is sealed once, and the log goes on.  Likewise who records reads:
# what is read is recorded, and what is recorded has its entry.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;

plan skip_all => 'CDR_TEST_FAULTS names no PostgreSQL with fault points'
  unless $ENV{CDR_TEST_FAULTS};

my $cdr = CdrService::Fixture->new(
	'sealer',
	broker       => 0,
	install_path => $ENV{CDR_TEST_FAULTS},
	config => "cdr_service.evidence = on\ncdr_service.seal_interval = 1d\n");
my $file   = $cdr->node->data_dir . '/cdr_fault';
my $events = 0;

# Asks for a fault; returns where the log is.
sub ask_for
{
	my ($point, $action) = @_;

	append_to_file("$file.new", "$point $action 0\n");
	rename "$file.new", $file or die "could not rename $file.new: $!";
	return $cdr->log_size;
}

# The same, and records an event.
sub arm
{
	my ($point, $action) = @_;

	$events++;
	$cdr->sql(
		qq{SELECT cdr_ingest_event('{"eventType":"call.started","callId":"$events","timestamp":"2026-01-19T22:00:00Z"}')}
	);
	return ask_for($point, $action);
}

# Is each event sealed, once, in one log?
sub all_is_sealed
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$cdr->wait_for('NOT EXISTS (SELECT FROM cdr_unsealed)');
	return is $cdr->sql(
		'SELECT sum(n), (SELECT max(log) FROM cdr_log), (SELECT count(*) FROM cdr_verify_evidence()) FROM cdr_seals'
	  ),
	  "$events|1|0", $name;
}

$cdr->sql('SELECT cdr_create_evidence_tables()');
foreach my $action (qw(error exit kill))
{
	my $log = arm('after-seals', $action);

	isnt $cdr->error_of('SELECT cdr_seal()'), 'no error', "$action: it fails";
	$cdr->node->wait_for_log(qr/database system is ready/, $log)
	  if $action eq 'kill';
	$cdr->wait_for('cdr_seal() >= 0');
	all_is_sealed("$action after seals");
}

# the sealer, which seals when it is started, and again after the crash
my $log = arm('before-seal-commit', 'kill');
$cdr->node->restart;
$cdr->node->wait_for_log(qr/reinitializing/, $log);
all_is_sealed('kill before the commit');

# --- who records reads

my $reads = 0;

# Is each read that is recorded in the log of seals, and how many are there?
sub all_is_told
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$cdr->wait_for('cdr_seal() >= 0');
	return is $cdr->sql(<<'EOS'), "$reads|$reads|0", $name;
SELECT count(*), (SELECT COALESCE(sum(split_part(entry, E'\n', 5)::int), 0) FROM cdr_log WHERE entry LIKE 'cdr-access-v1%'),
	(SELECT count(*) FROM cdr_verify_evidence()) FROM cdr_access_log
EOS
}

my $read = q{SELECT 'read', call_id FROM cdr_read_calls('a fault', '1')};
foreach my $point (qw(before-access-commit after-access-commit))
{
	foreach my $action (qw(error exit kill))
	{
		$log = ask_for($point, $action);
		isnt $cdr->error_of($read), "no error", "$point, $action: nothing is read";
		$cdr->node->wait_for_log(qr/database system is ready/, $log)
		  if $action eq 'kill';
		$reads++ if $point eq 'after-access-commit';
		all_is_told("$point, $action: what is recorded has its entry");
	}
}
is $cdr->sql($read), 'read|1', 'then it is read';
$reads++;
all_is_told('and recorded');

# the sealer, which records what others read by statements of their own
# Reads, and has the sealer record that, which fails.
sub fails_to_record
{
	my ($point, $action, $expected) = @_;

	# it serves, once it has sealed
	$cdr->wait_for(
		q{count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'cdr_service sealer' AND state = 'idle'}
	);
	$log = ask_for($point, $action);
	is $cdr->sql('SET cdr_service.log_reads = on; SELECT call_id FROM calls ORDER BY length(call_id), call_id LIMIT 1'), 1, "$point, $action: it is read";
	# it may crash before this session has heard of its own success
	$cdr->error_of('SELECT pg_reload_conf()');
	$cdr->node->wait_for_log($expected, $log);
	return;
}

fails_to_record('before-access-commit', 'error', qr/SELECT of calls by role .*: 1 rows/);
all_is_told('what could not be recorded is in the log of the server');
fails_to_record('before-access-commit', 'kill', qr/database system is ready/);
all_is_told('after a crash, what is recorded has its entry');
fails_to_record('after-access-commit', 'exit', qr/SELECT of calls by role .*: 1 rows/);
$reads++;
all_is_told('what was recorded as it ended is so once');
$cdr->node->stop;

done_testing;
