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

# --- retention, at an hour of the day

$cdr->sql('SELECT cdr_create_retention_tables()');
$cdr->sql(
q{INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, body_size, body)
  SELECT gen_random_uuid(), now() - i * interval '1 day', now(), 'P0001', 'x', 1, 'x' FROM generate_series(1, 3) AS i}
);
$cdr->sql(
q{SELECT cdr_set_retention(NULL, 'dead_letters', '36 hours', 'repair', 'a test')}
);

# Makes now the hour of retention, by another time of the server's, and waits for what
# comes of it.  (The hour may be over before the sealer looks.)
sub wait_for_hour_in {
    my ( $zone, $condition ) = @_;

    for my $tries ( 0 .. 600 ) {
        if ( $tries % 200 == 0 ) {
            $cdr->sql("ALTER SYSTEM SET log_timezone = '$zone'");
            $cdr->sql( 'ALTER SYSTEM SET cdr_service.retention_hour = '
                  . $cdr->sql("SELECT extract(hour FROM now() AT TIME ZONE '$zone')"));
            $cdr->sql('SELECT pg_reload_conf()');
        }
        return 1 if $cdr->sql("SELECT $condition") eq 't';
        select undef, undef, undef, 0.1;
    }
    return 0;
}

# not by the time of a session, which a database may be given
$cdr->sql("ALTER DATABASE postgres SET timezone = 'Asia/Kolkata'");
wait_for_hour_in('Asia/Tokyo', 'count(*) > 0 FROM cdr_retired');
my $retired = $cdr->sql('SELECT sum(rows) FROM cdr_retired');
is $retired, 2, 'the sealer takes away what has expired';
is $cdr->sql('SELECT count(*) FROM dead_letters'), 1, 'and no more';
is $cdr->sql('SELECT login FROM cdr_retired'), $cdr->sql('SELECT rolname FROM pg_roles WHERE oid = 10'),
  'and says who did';
$cdr->wait_for(
    q{count(*) = 1 FROM cdr_log WHERE entry LIKE 'cdr-retention-v1%'});
pass('which it logs');

my $health = q{level, detail, hint FROM cdr_health WHERE "check" = 'retention'};
like $cdr->sql("SELECT $health"), qr/^ok\|applied at /, 'cdr_health knows of it';

# one that fails is told, after a restart too, until one succeeds
$cdr->sql(q{
	CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN RAISE 'they are needed' USING HINT = 'Ask Anna.'; END $$;
	CREATE TRIGGER keep BEFORE DELETE ON dead_letters EXECUTE FUNCTION keep();
	UPDATE dead_letters SET received_at = received_at - interval '5 days';
});
ok wait_for_hour_in('Pacific/Honolulu', qq{level = 'warning' FROM cdr_health WHERE "check" = 'retention'}),
  'a run that fails is a warning';
my $told = qr/^warning\|it fails since (.*): they are needed\|Ask Anna\. CALL cdr_apply_retention\(\)/;
like $cdr->sql("SELECT $health"), $told, 'which says since when, why, and what to do';
my ($since) = $cdr->sql("SELECT $health") =~ $told;
$node->restart;
$cdr->wait_for(q{count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'cdr_service sealer'});
like $cdr->sql("SELECT $health"), qr/since \Q$since\E: they are needed/, 'and is known after a restart';
$cdr->sql('DROP TRIGGER keep ON dead_letters; DROP FUNCTION keep');
ok wait_for_hour_in('Asia/Tokyo', qq{level = 'ok' FROM cdr_health WHERE "check" = 'retention'}),
  'until one succeeds';
is $cdr->sql('SELECT count(*) FROM dead_letters'), 0, 'which has taken all away';
$cdr->sql('ALTER SYSTEM RESET cdr_service.retention_hour; ALTER DATABASE postgres RESET timezone');
$cdr->sql('SELECT pg_reload_conf()');

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
