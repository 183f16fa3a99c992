# What was erased is in no file of the server any more, once its tables were vacuumed
# and wiped, but in the WAL; nor in one of a standby.  Before that it is.

use strict;
use warnings FATAL => 'all';

use File::Find;
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;

# A number that no other bytes are, and one that stays.
my $erased = '12025550198';
my $kept   = '442079460987';

my $cdr = CdrService::Fixture->new(
	'wiped',
	broker    => 0,
	streaming => 1,
	config    => "autovacuum = off\nfull_page_writes = on\n");
my $standby = $cdr->standby('wiped_too');
my @tables  = qw(call_events calls dead_letters timeless_events);

# The files of a server, but for its WAL, that have some bytes.
sub files_with
{
	my ($node, $bytes) = @_;
	my @found;

	find(
		{
			no_chdir => 1,
			wanted   => sub {
				$File::Find::prune = 1 if /\/(pg_wal|log)$/;
				return if $File::Find::prune || !-f;
				push @found, $_ if index(slurp_file($_), $bytes) >= 0;
			}
		},
		$node->data_dir);
	note 'in ', join ', ', map { s/.*pgdata\///r } @found;
	return scalar @found;
}

# Has all that was written reached the files?
sub flush_to_files
{
	$cdr->sql('CHECKPOINT');
	$cdr->node->wait_for_catchup($standby, 'replay', $cdr->node->lsn('insert'));
	$standby->safe_psql('postgres', 'CHECKPOINT');
	return;
}

# (a transaction of a worker would keep the vacuum from what was erased just now)
$cdr->sql('SELECT cdr_pause()');
$cdr->wait_for_state('paused');
$cdr->sql('SELECT cdr_create_erasure_tables()');
# rows of all places of a page, some with a body in the TOAST table
$cdr->sql(<<"SQL");
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'call.started', 'callId', 'w' || i,
	'timestamp', '2026-03-02T10:00:00Z', 'to', 'sip:+$kept\@example.org',
	'from', 'sip:+' || CASE WHEN i % 5 < 2 THEN '$erased' ELSE '12025550000' END || '\@example.org',
	'fill', CASE WHEN i % 25 = 0 THEN (SELECT string_agg(md5(i || ' ' || j), '') FROM generate_series(1, 200) AS j) END) ORDER BY i))
FROM generate_series(1, 400) AS i;
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, body_size, body)
SELECT gen_random_uuid(), now(), now(), '22023', 'no event', 20, convert_to('of $erased', 'UTF8') FROM generate_series(1, 10);
SELECT cdr_ingest_event('{"eventType":"user.identified.for_call","callId":"w5","userId":"u $erased"}');
ANALYZE;
SQL
flush_to_files();
cmp_ok files_with($_, $erased), '>=', 3, 'the number is in files' foreach $cdr->node, $standby;

is $cdr->sql("SELECT calls, events, dead_letters FROM cdr_erase(number => '+$erased', reason => 'asked')"),
  '160|161|10', 'it is erased';
my $vacuum = 'VACUUM (INDEX_CLEANUP ON) ' . join ', ', @tables;
$cdr->sql($vacuum);
# the statistics of the planner have the numbers that are there most often; those of
# an empty table are not renewed
$cdr->sql("DELETE FROM pg_statistic WHERE starelid = '$_'::regclass") foreach @tables;
$cdr->sql('VACUUM FULL pg_statistic');
$cdr->sql('ANALYZE');
flush_to_files();
cmp_ok files_with($_, $erased), '>=', 1, 'it is in files still, when these were vacuumed' foreach $cdr->node, $standby;

cmp_ok $cdr->sql("SELECT cdr_wipe('$_')"), '>', 0, "$_ is wiped" foreach qw(call_events calls dead_letters);
$cdr->sql("SELECT cdr_wipe('timeless_events')");
flush_to_files();
is files_with($_, $erased), 0, 'it is in no file' foreach $cdr->node, $standby;
cmp_ok files_with($_, $kept), '>=', 2, 'another one is' foreach $cdr->node, $standby;

# what was there is as it was, also when pages were read from the disk again
$cdr->node->restart;
is $cdr->sql('SELECT count(*), count(payload), count(DISTINCT call_id) FROM call_events'), '401|240|400', 'no event is missing';
is $cdr->sql('SELECT count(*) FROM cdr_verify_calls()'), '0', 'and no call differs';
is $cdr->sql(
	"SELECT count(*) FROM (SELECT 'w' || i AS id FROM generate_series(1, 400) AS i WHERE i % 5 > 1) AS w JOIN calls AS c ON c.call_id = w.id"
  ),
  '240', 'each is found by its index';
is $cdr->sql(
	"SELECT cdr_ingest_event('{\"eventType\":\"call.ended\",\"callId\":\"w1\",\"timestamp\":\"2026-03-02T10:01:00Z\",\"from\":\"$erased\"}')"
  ),
  't', 'a late event of one that was erased is recorded';
flush_to_files();
is files_with($cdr->node, $erased), 0, 'and writes its number nowhere';

# of many pages, VACUUM passes by those few that have changed, and all indexes
$cdr->sql(<<'SQL');
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'call.started', 'callId', 'm' || i || '@many.example',
	'timestamp', '2026-03-02T10:00:00Z', 'from', '1', 'to', '2') ORDER BY i)) FROM generate_series(1, 4000) AS i;
SQL
$cdr->sql($vacuum);
my $call = 'm2000@many.example';
is $cdr->sql("SELECT calls FROM cdr_erase(call_id => '$call', reason => 'asked')"), 1, 'one call of many is erased';
$cdr->sql($vacuum);
$cdr->sql("SELECT cdr_wipe('$_')") foreach @tables;
flush_to_files();
is files_with($_, $call), 0, 'its id is in no file' foreach $cdr->node, $standby;

done_testing();
