# With log_reads, who reads calls by statements of his own is recorded: through views,
# cursors, functions and COPY, read-only, rolled back or broken off; what the service
# reads itself is not.  Where nobody records, the server's log has it.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;

my $cdr = CdrService::Fixture->new(
	'reads',
	broker => 0,
	config => "cdr_service.evidence = on\ncdr_service.seal_interval = 1s\n");
my $node = $cdr->node;

sub as_reader
{
	my ($sql) = @_;

	$node->psql('postgres', "SET application_name = 'app'; $sql",
		extra_params => [ '-U', 'reader' ]);
	return;
}

# What is recorded once as many reads are.
sub recorded
{
	my ($count) = @_;

	$cdr->wait_for("count(*) >= $count FROM cdr_access_log");
	my $rows = $cdr->sql(
		q{SELECT concat_ws(' ', login, role, application, action, subject->'tables', COALESCE(rows::text, '-'), reason) FROM cdr_access_log ORDER BY at}
	);
	$cdr->sql('DELETE FROM cdr_access_log');
	return $rows;
}

$cdr->sql(<<'EOS');
SELECT cdr_create_partitions('2026-01-01', '2026-01-31');
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'call.started', 'callId', 'c' || i,
	'timestamp', timestamptz '2026-01-19Z' + i * interval '1 min'))) FROM generate_series(1, 20) AS i;
CREATE ROLE reader LOGIN;
CREATE ROLE helper;
GRANT helper TO reader;
GRANT SELECT ON calls, call_events, call_events_20260101, dead_letters TO reader, helper;
CREATE VIEW shown AS SELECT call_id FROM calls WHERE status <> 'x';
GRANT SELECT ON shown TO reader;
CREATE FUNCTION counted() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM calls); END';
CREATE FUNCTION swallowed() RETURNS void LANGUAGE plpgsql AS $$
BEGIN PERFORM call_id, 1 / (CASE WHEN call_id = 'c3' THEN 0 ELSE 1 END) FROM calls ORDER BY length(call_id), call_id;
EXCEPTION WHEN division_by_zero THEN END $$;
CREATE TABLE orders (call_id text REFERENCES calls);
GRANT INSERT ON orders TO reader;
GRANT EXECUTE ON FUNCTION cdr_read_calls, cdr_ingest_event TO reader;
EOS

# --- off

as_reader('SELECT count(*) FROM calls');
like $cdr->error_of(
	'SET ROLE reader; SET cdr_service.log_reads = on'),
  qr/permission denied/, 'only a superuser sets it';

# --- on

$cdr->sql('ALTER ROLE reader SET cdr_service.log_reads = on');
as_reader('SELECT count(*) FROM calls');
is recorded(1), 'reader reader app SELECT ["calls"] 1',
  'a read is recorded; when it was off, none was';
as_reader('SET ROLE helper; SELECT * FROM calls LIMIT 3');
as_reader('SELECT * FROM shown');
as_reader(
	'SELECT 1; SELECT c.call_id FROM calls AS c JOIN call_events AS e USING (call_id)'
);
as_reader('TABLE call_events_20260101');
as_reader('COPY calls TO STDOUT');
as_reader('COPY (SELECT * FROM dead_letters) TO STDOUT');
is recorded(6), <<'EOS' =~ s/\n\z//r, 'as whom, of what, how much';
reader helper app SELECT ["calls"] 3
reader reader app SELECT ["calls"] 20
reader reader app SELECT ["call_events", "calls"] 20
reader reader app SELECT ["call_events"] 20
reader reader app COPY ["calls"] 20
reader reader app SELECT ["dead_letters"] 0
EOS

as_reader('BEGIN READ ONLY; SELECT * FROM calls; ROLLBACK');
as_reader(
	'BEGIN; DECLARE c CURSOR FOR SELECT * FROM calls; FETCH 2 FROM c; FETCH 3 FROM c; ROLLBACK'
);
as_reader(
	q{SELECT 1 / (CASE WHEN call_id = 'c3' THEN 0 ELSE 1 END) FROM calls ORDER BY length(call_id), call_id}
);
as_reader('SELECT swallowed()');
as_reader('SELECT counted()');
is recorded(5), <<'EOS' =~ s/\n\z//r, 'whatever becomes of it';
reader reader app SELECT ["calls"] 20
reader reader app SELECT ["calls"] 5
reader reader app SELECT ["calls"] 0
reader reader app SELECT ["calls"] 0
reader reader app SELECT ["calls"] 1
EOS

# --- what is none, and what records itself

as_reader(q{INSERT INTO orders VALUES ('c1')});
as_reader(
	q{SELECT cdr_ingest_event('{"eventType":"call.ended","callId":"c1","timestamp":"2026-01-19T22:00:00Z"}')}
);
as_reader(q{EXPLAIN SELECT * FROM calls});
as_reader('SELECT * FROM orders');
as_reader(q{SELECT count(*) FROM cdr_read_calls('a test', 'c1')});
as_reader('SELECT 1 FROM calls WHERE false');
is recorded(2), <<'EOS' =~ s/\n\z//r, 'what the service reads is not recorded';
reader reader app cdr_read_calls 1 a test
reader reader app SELECT ["calls"] 0
EOS

# --- nobody records

my $log = $cdr->log_size;
$cdr->sql('SELECT cdr_pause()');
$cdr->wait_for(
	q{count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'cdr_service sealer'}
);
as_reader('SELECT * FROM calls');
like $cdr->log_since($log),
  qr/SELECT of calls by role "reader" \(login "reader", from a socket\): 20 rows/,
  'where nobody records, the log has it';
$cdr->sql('SELECT cdr_resume()');
$cdr->wait_for(
	q{count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'cdr_service sealer'}
);

# --- what cannot be recorded

$cdr->sql(
	"ALTER TABLE cdr_access_log ADD CHECK (application <> 'app') NOT VALID");
$log = $cdr->log_size;
as_reader('SELECT * FROM calls WHERE call_id < $$c3$$');
$node->wait_for_log(
	qr/SELECT of calls by role "reader" \(login "reader", from a socket\): \d+ rows/,
	$log);
pass 'what cannot be recorded is in the log, too';

# --- the log of seals covers the record

$cdr->sql(
	'ALTER TABLE cdr_access_log DROP CONSTRAINT cdr_access_log_application_check; SELECT cdr_create_evidence_tables()'
);
as_reader(q{SELECT count(*) FROM cdr_read_calls('a ticket', 'c1')});
as_reader('SELECT * FROM calls');
as_reader('COPY calls TO STDOUT');
$cdr->wait_for('count(*) = 3 FROM cdr_access_log WHERE key IS NOT NULL');
$cdr->wait_for(
	q{sum(split_part(entry, E'\\n', 5)::int) = 3 FROM cdr_log WHERE entry LIKE 'cdr-access-v1%'}
);
my $verify =
  "SELECT concat_ws(' ', problem, day = (now() AT TIME ZONE 'UTC')::date, log_index IS NOT NULL, detail) FROM cdr_verify_evidence() WHERE problem LIKE 'reads%'";
is $cdr->sql($verify), '', 'reads have entries in the log of seals';
my $door = q{action = 'cdr_read_calls'};

# What is told when a statement was done, which is undone.
sub told
{
	my ($statement) = @_;

	return $cdr->sql("BEGIN; $statement; $verify; ROLLBACK");
}

is told("UPDATE cdr_access_log SET reason = 'another' WHERE $door"),
  'reads changed t t the log says 1 rows of cdr_access_log, and 1 are there',
  'one that was changed is told';
is told("DELETE FROM cdr_access_log WHERE $door"),
  'reads missing t t the log says 1 rows of cdr_access_log, and 0 are there',
  'one that is gone';
is told("INSERT INTO cdr_access_log SELECT * FROM cdr_access_log WHERE $door"),
  'reads added t t the log says 1 rows of cdr_access_log, and 2 are there',
  'one that is there twice';
is told(
	q{INSERT INTO cdr_access_log (at, login, role, action) VALUES (now(), 'x', 'x', 'SELECT')}
  ),
  'reads without an entry t f 1 rows of cdr_access_log',
  'and one that was written by hand';
$cdr->sql('SELECT cdr_create_retention_tables()');
$cdr->sql(
	q{SELECT cdr_set_retention(NULL, 'access_log', '0', 'policy', 'a test')});
$cdr->sql('CALL cdr_apply_retention()');
is $cdr->sql("SELECT count(*) FROM cdr_access_log; $verify"), '0',
  'what retention took is missed by nobody';
$cdr->sql(
	'CREATE ROLE auditor; GRANT EXECUTE ON FUNCTION cdr_verify_evidence TO auditor; GRANT SELECT ON ALL TABLES IN SCHEMA public TO auditor; REVOKE SELECT ON cdr_access_log FROM auditor'
);
$log = $cdr->log_size;
$cdr->sql("SET log_min_messages = warning; SET ROLE auditor; $verify");
like $cdr->log_since($log), qr/who has read what was not compared/,
  'and who may not see the record is told so';

$node->stop;
done_testing();
