# A version 1.1, made of the sources of today, is installed over 1.0 while events
# come: the running server goes on, then the new library with the tables and
# functions of 1.0, then ALTER EXTENSION ... UPDATE.  Nothing is lost or stored
# twice, and an updated database is what a new one and a restored one are.  At last
# the old library comes back.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Additions;
use CdrService::Fixture;
use CdrService::NextVersion;
use CdrService::Oracle;

my $next = CdrService::NextVersion->new;
$next->install('1.0');

my $cdr = CdrService::Fixture->new(
    'update',
    install_path => $next->install_path,
    config       => "cdr_service.batch_size = 20\n"
);
my $oracle = CdrService::Oracle->new($cdr);
my $dump   = $cdr->node->basedir . '/dump';

# Where the workers are, for one that was not restarted.
sub processes {
    return join ' ', $cdr->postmaster_pid, $cdr->worker_pids;
}

sub library_is {
    my ( $pattern, $name ) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return like(
        $cdr->sql(
q{SELECT concat_ws(' ', level, detail, 'HINT:', hint) FROM cdr_health WHERE "check" = 'library'}
        ),
        $pattern, $name
    );
}

# What the tables of a database are like, but for the order of columns and for the
# partitions that a worker has made.
sub catalog {
    my ($database) = @_;

    return [
        map    { /^column \|/ ? s/ \| \d+:/ |/r : $_ }
          grep { !/call_events_\d/ }
          CdrService::Additions::catalog_of( $cdr, $database )
    ];
}

sub same_catalog {
    my ( $database, $other ) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is(
        join(
            "\n",
            CdrService::Additions::difference(
                catalog($database), catalog($other)
            )
        ),
        '',
        "$other: the catalogs say what those of $database do"
    );
}

library_is( qr/^ok version 1\.0/, 'as installed, all is well' );
$oracle->publish(60);
$oracle->is_satisfied('version 1.0');
command_ok( [ 'pg_dump', '-Fc', '-f', $dump, $cdr->node->connstr('postgres') ],
    'dump of 1.0' );
my $contents = $cdr->contents;

# --- the files of 1.1, under a running server

my $before = processes();
$oracle->start( 60, rate => 200 );
$next->install('1.1');
is( processes(), $before, 'the files are another: nothing restarts' );
library_is(
qr/^warning \S+\.so is another since the server has started.* of version 1\.0 HINT: Restart/,
    'and cdr_health warns'
);
like(
    $cdr->error_of('ALTER EXTENSION cdr_service UPDATE'),
qr/library .* has version 1\.0, and 1\.1 is needed.*HINT: +Restart the server first/s,
    'ALTER EXTENSION comes after the restart, and says so'
);
$cdr->sql('CREATE DATABASE early');
like(
    $cdr->error_of( 'CREATE EXTENSION cdr_service', 'early' ),
    qr/library .* has version 1\.0, and 1\.1 is needed/,
    'CREATE EXTENSION, too'
);
$oracle->is_satisfied('new files');

# --- the library of 1.1, with the tables and functions of 1.0

my $log = $cdr->log_size;
$oracle->start( 60, rate => 200 );
$cdr->node->restart;
$cdr->wait_for_state('consuming');
is(
    $cdr->sql(
        q{SELECT extversion FROM pg_extension WHERE extname = 'cdr_service'}),
    '1.0',
    'the extension has not been updated'
);
$oracle->is_complete('a new library, and the extension of before');
library_is(
qr/^warning the library has version 1\.1, and the extension 1\.0 HINT: Run ALTER EXTENSION/,
    'cdr_health says so'
);
is(
    $cdr->log_matches(
        qr/extension "cdr_service" has version 1\.0, and its library 1\.1/,
        $log
    ),
    1,
    'and so does the log, once'
);
is(
    $cdr->log_matches( qr/columns that the tables lacked were added: 1/, $log ),
    1,
    'the worker has added the column'
);
is(
    $cdr->sql(
q{SELECT count(*) > 0 AND count(ended_by) = count(*) FROM calls WHERE hangup_source IS NOT NULL AND event_count =
		(SELECT count(*) FROM call_events AS e WHERE e.call_id = calls.call_id AND e.recorded_at > pg_postmaster_start_time())}
    ),
    't',
    'and has written it'
);

# functions that return what the library has more of say so, and crash nothing
foreach my $query (
    'SELECT * FROM cdr_calls_from_log()',
    q{SELECT * FROM cdr_call_as_of((SELECT min(call_id) FROM calls), now())},
    q{SELECT * FROM cdr_call_segments((SELECT min(call_id) FROM calls))}
  )
{
    like(
        $cdr->error_of($query),
qr/declared with \d+ columns, and its library has \d+.*HINT:.*ALTER EXTENSION/s,
        "an error: $query"
    );
}

# what was stored before has no value in the new column, which is made known
cmp_ok( $cdr->sql('SELECT cdr_rebuild_calls()'),
    '>', 0, 'calls of before are written anew' );
$oracle->is_satisfied('a new library, and the extension of before');

# --- ALTER EXTENSION ... UPDATE

$oracle->start( 60, rate => 200 );
my $session = $cdr->session;
$session->query('BEGIN; ALTER EXTENSION cdr_service UPDATE');
$cdr->wait_for(
q{count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'cdr_service worker' AND wait_event_type = 'Lock'}
);
is( $cdr->sql('SELECT count(*) > 0 FROM calls'),
    't', 'who reads goes on while the update holds up the worker' );
$session->query('COMMIT');
$session->quit;
$oracle->is_satisfied('ALTER EXTENSION ... UPDATE');
library_is( qr/^ok version 1\.1/, 'updated, all is well' );
like(
    $cdr->error_of('SELECT * FROM cdr_unmapped_types()'),
    qr/function cdr_unmapped_types\(\) does not exist/,
    'a function is gone'
);
is(
    $cdr->sql(
q{SELECT count(*) FROM calls WHERE ended_by IS DISTINCT FROM hangup_source}
    ),
    0,
    'and a column is there'
);

# --- an updated database, a new one and a restored one

$cdr->sql('CREATE DATABASE fresh');
$cdr->sql( 'CREATE EXTENSION cdr_service', 'fresh' );
same_catalog( 'fresh', 'postgres' );

$cdr->sql('CREATE DATABASE restored');
command_ok(
    [
        'pg_restore', '--exit-on-error',
        '-d' => $cdr->node->connstr('restored'),
        $dump
    ],
    'a dump of 1.0 is restored'
);
is( $cdr->sql( 'SELECT cdr_update_tables()', 'restored' ),
    2, 'its tables get what they lack' );
same_catalog( 'fresh', 'restored' );
$cdr->sql( 'SELECT cdr_rebuild_calls()', 'restored' );
$cdr->sql('CREATE DATABASE again');
command_ok(
    [ 'pg_dump', '-Fc', '-f', "$dump.new", $cdr->node->connstr('postgres') ],
    'dump of 1.1' );
command_ok(
    [
        'pg_restore', '--exit-on-error',
        '-d' => $cdr->node->connstr('again'),
        "$dump.new"
    ],
    'is restored'
);
same_catalog( 'fresh', 'again' );
is( $cdr->contents('again'), $cdr->contents, 'with the same rows' );

foreach my $database ( 'restored', 'again' ) {
    is( $cdr->sql( 'SELECT count(*) FROM cdr_verify_calls()', $database ),
        0, "$database: the calls are right" );
}
my @rows = split /\n/, $contents;
is( ( split /\n/, $cdr->contents('restored') )[0],
    $rows[0], 'restored: every event is as it was' );

# --- the library of 1.0, with the tables and functions of 1.1

$oracle->start( 60, rate => 200 );
$next->install_library('1.0');
$cdr->node->restart;
$cdr->wait_for_state('consuming');
$oracle->is_complete('the old library, and a later extension');
library_is(
qr/^warning the library has version 1\.0, and the extension 1\.1 HINT: Install the library/,
    'cdr_health says so'
);
$oracle->is_satisfied('the old library, and a later extension');
$cdr->nothing_left('in the end');

done_testing();
