# Whatever whoever seals is about when it fails, with an error, with an exit and with
# SIGKILL: each event is sealed once, and the log goes on.

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

# Asks for a fault, and records an event.
sub arm
{
	my ($point, $action) = @_;

	$events++;
	$cdr->sql(
		qq{SELECT cdr_ingest_event('{"eventType":"call.started","callId":"$events","timestamp":"2026-01-19T22:00:00Z"}')}
	);
	append_to_file("$file.new", "$point $action 0\n");
	rename "$file.new", $file or die "could not rename $file.new: $!";
	return $cdr->log_size;
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
$cdr->node->stop;

done_testing;
