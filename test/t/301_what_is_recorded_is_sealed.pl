# The sealer seals what workers record, and who listens hears of each checkpoint.  It is
# started again after a crash, leaves the database while the service is paused, and a
# dump brings seals and log along.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;

my $cdr = CdrService::Fixture->new( 'sealed',
    config => "cdr_service.evidence = on\ncdr_service.seal_interval = 1s\n"
      . "cdr_service.evidence_origin = 'cdr.example.org/test'\n" );
my $node = $cdr->node;

sub call_started {
    my ($call) = @_;

    return
qq({"eventType":"call.started","callId":"$call","timestamp":"2026-01-19T22:00:00Z"});
}

sub wait_until_sealed {
    my ($events) = @_;

    $cdr->wait_for("COALESCE(sum(n), 0) = $events FROM cdr_seals");
    return;
}

$cdr->sql('SELECT cdr_create_evidence_tables()');
my $listener = $cdr->session;
$listener->send('LISTEN cdr_checkpoint');
$listener->receive;
$cdr->publish( map { call_started("call $_") } 1 .. 12 );
wait_until_sealed(12);
is $cdr->sql('SELECT DISTINCT source FROM cdr_seals'), 'broker',
  'what a worker records is sealed';
my $kept = $cdr->sql('SELECT cdr_checkpoint()');
like $kept, qr{^cdr\.example\.org/test/1\n\d+\n[A-Za-z0-9+/]{43}=$},
  'there is a checkpoint';
$listener->send('SELECT 1');
like $listener->receive, qr/"cdr_checkpoint" with payload "\Qcdr.example.org\E/,
  'and who listens hears of it';

# --- a crash

$node->stop('immediate');
$node->start;
$cdr->publish( map { call_started("call $_") } 5 .. 20 );
wait_until_sealed(20);
my $verify =
  "SELECT count(*) FROM cdr_verify_evidence(checkpoint => '$kept\n')";
is $cdr->sql($verify), 0, 'after a crash, the log goes on';

# --- a pause

$cdr->sql('SELECT cdr_pause()');
$cdr->wait_for(
q{count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'cdr_service sealer'}
);
$cdr->sql( q{SELECT cdr_ingest_event('} . call_started('paused') . q{')} );
is $cdr->sql('SELECT count(*) FROM cdr_unsealed'), 1,
  'while the service is paused, the sealer is gone';
$cdr->sql('SELECT cdr_resume()');
wait_until_sealed(21);
pass('and comes back');

# --- a dump

my $dump = $node->basedir . '/sealed.dump';
command_ok( [ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'pg_dump' );
$cdr->sql('CREATE DATABASE restored');
command_ok(
    [
        'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-o',
        $node->basedir . '/restored.out',
        $node->connstr('restored')
    ],
    'restored'
);
is $node->safe_psql( 'restored', $verify ), 0,
  'seals, log and checkpoints come along, and fit';
is $node->safe_psql(
    'restored',
    q{SELECT cdr_ingest_event('}
      . call_started('new') . q{')}
      . q{; SELECT cdr_seal()}
  ),
  "t\n1", 'and go on there';
is $node->safe_psql( 'restored', $verify ), 0, 'as they were';

done_testing;
