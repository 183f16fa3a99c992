# An implementation of RFC 9162 that others have written computes the roots of the
# log and of seals as they stand here, accepts each proof, and none that is changed.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;

my $others = $ENV{CDR_TEST_RFC9162};

plan skip_all => 'CDR_TEST_RFC9162 names no directory with the package'
  unless defined $others && -d "$others/node_modules/\@transmute/rfc9162";

my $cdr = CdrService::Fixture->new(
    'others',
    broker => 0,
    config => "cdr_service.evidence = on\ncdr_service.seal_interval = 1d\n"
);

# 20 seals, of 1, 2, 3 and more events, each with a checkpoint
$cdr->sql('SELECT cdr_create_evidence_tables()');
foreach my $events ( 1 .. 20 ) {
    $cdr->sql(<<"EOS");
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'call.started', 'callId', $events || '-' || i,
	'timestamp', '2026-01-19T22:00:00Z'))) FROM generate_series(1, $events) AS i;
SELECT cdr_seal();
EOS
}
is( $cdr->sql('SELECT count(*), max(size) FROM cdr_checkpoints'),
    '20|20', 'a checkpoint for each seal' );

# What is claimed: the roots of all checkpoints, that each entry is under each of them, and
# that each is the beginning of each that is longer; and the same of the events of
# each seal.  (Of a leaf, which is H(00 || entry), the entry of an event is the
# bytes that evidence.md describes.)
my $claims = $cdr->sql(<<'EOS');
WITH log AS (
	SELECT array_agg(convert_to(entry, 'UTF8') ORDER BY log_index) AS entries,
		array_agg(sha256('\x00' || convert_to(entry, 'UTF8')) ORDER BY log_index) AS leaves
	FROM cdr_log),
sealed AS (
	SELECT s.root, array_agg(l.leaf ORDER BY l.recorded_at, l.leaf) AS leaves
	FROM cdr_seals AS s JOIN cdr_event_leaves() AS l ON l.recorded_at <@ s.members
	GROUP BY s.log_index, s.root),
inclusion AS (
	SELECT log.leaves[i + 1] AS leaf, i AS index, c.size, c.root, cdr_log_proof(1, i, c.size) AS path
	FROM log, cdr_checkpoints AS c, generate_series(0, c.size - 1) AS i
	UNION ALL
	SELECT s.leaves[i + 1], i, cardinality(s.leaves), s.root, cdr_inclusion_proof(s.leaves, i)
	FROM sealed AS s, generate_series(0, cardinality(s.leaves) - 1) AS i),
hex AS (
	SELECT 'roots' AS name, json_build_object('root', encode(c.root, 'hex'),
		'entries', (SELECT array_agg(encode(e, 'hex') ORDER BY n) FROM unnest(log.entries[:c.size]) WITH ORDINALITY AS x(e, n))) AS claim
	FROM log, cdr_checkpoints AS c
	UNION ALL
	SELECT 'inclusion', json_build_object('leaf', encode(leaf, 'hex'), 'index', index, 'size', size, 'root', encode(root, 'hex'),
		'path', COALESCE((SELECT array_agg(encode(p, 'hex') ORDER BY n) FROM unnest(path) WITH ORDINALITY AS x(p, n)), '{}'))
	FROM inclusion
	UNION ALL
	SELECT 'consistency', json_build_object('first', a.size, 'first_root', encode(a.root, 'hex'), 'second', b.size, 'second_root', encode(b.root, 'hex'),
		'path', (SELECT array_agg(encode(p, 'hex') ORDER BY n)
			FROM unnest(cdr_consistency_proof(log.leaves[:b.size], a.size)) WITH ORDINALITY AS x(p, n)))
	FROM log, cdr_checkpoints AS a JOIN cdr_checkpoints AS b ON a.size < b.size)
SELECT json_object_agg(name, claims) FROM (SELECT name, json_agg(claim) AS claims FROM hex GROUP BY 1) AS c
EOS
my $file = PostgreSQL::Test::Utils::tempdir() . '/claims.json';
append_to_file( $file, $claims );

my ( $answer, $complaints ) =
  run_command( [ 'sh', '-c', 'node "$0" <"$1"', "$others/verify.mjs", $file ] );

is( $complaints, '', 'it runs' );
is(
    $answer,
    join( "\n",
        'roots: 20 of 20, 0 of those changed',
        'inclusion: 420 of 420, 0 of those changed',
        'consistency: 190 of 190, 0 of those changed' ),
    'all are accepted, and none that is changed'
);

done_testing();
