# What operate.md, extend.md, causes.md and others tell a DBA to type runs as it stands
# there, in that order, on a server with a worker; and what they promise of a copy of a
# server, and of a broker's user that is cut off, comes about.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;
use CdrService::Util qw(repository poll run);

my $cdr    = CdrService::Fixture->new( 'documents', streaming => 1 );
my $node   = $cdr->node;
my $broker = $cdr->broker;
my $files  = PostgreSQL::Test::Utils::tempdir('documents');

# The indented paragraphs of a document, without the indent (which is deeper in a list).
sub blocks_of {
    my ($document) = @_;
    my $text = slurp_file( repository() . "/doc/$document.md" );

    return map { my ($indent) = /^( +)/; s/^$indent//gmr }
      grep { /^ {4}/ } split /\n\n+/, $text;
}

# Runs the statements of a document, each changed or left out as $change says: what it
# returns is run, for a block.  Another test runs what is left out.
sub statements_run {
    my ( $document, $least, $change ) = @_;
    my @run = map { $change ? $change->($_) : $_ }
      grep {
/^(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|GRANT|CALL|COPY|BEGIN|SET)\b/
      } blocks_of($document);
    my ( $code, $out, $err ) =
      $node->psql( 'postgres',
        "\\set ON_ERROR_STOP 0\n" . join( "\n", @run ) . "\n" );

    cmp_ok( scalar @run, '>=', $least, "$document: statements are found" );
    unlike( $err, qr/ERROR/, "$document: each runs" ) or diag $err;
    return $out;
}

# ---------------------------------------------------------------------------
# What the documents take to be there
# ---------------------------------------------------------------------------

$cdr->sql( <<'EOC');
CREATE ROLE billing;
CREATE TABLE x_doubtful (call_id text);
SELECT cdr_ingest_event(json_build_object('eventType', 'call.' || type, 'callId', 'call-' || day,
	'timestamp', '2026-01-01 10:00Z'::timestamptz + day * interval '1 day' + length(type) * interval '1 s'))
FROM unnest('{started,answered,ended}'::text[]) AS type, generate_series(1, 80) AS day;
EOC
$cdr->publish( simple_events( 3, 'documents' ) );
$cdr->wait_for("count(*) = 243 FROM call_events");

# ---------------------------------------------------------------------------
# Statements
# ---------------------------------------------------------------------------

my $uri = $broker->uri;

statements_run(
    'operate',
    24,
    sub {
        my ($block) = @_;

     # shown a second time with a limit; 013 promotes; 901 restores while paused
        return
          if $block =~
          /^ALTER TABLE call_events DETACH PARTITION call_events_\d+;$/
          || $block =~ /pg_promote|cdr_service\.paused/;
        return $block =~ s{amqps://cdr\@rabbit9\.example\.org}{$uri}r;
    }
);
is $cdr->sql('SELECT count(*) FROM cdr_verify_calls()'), 0,
  'the calls are as the log says';
statements_run( 'causes',   3 );
statements_run( 'security', 1 );
statements_run( 'queues',   1 );
statements_run( 'wire', 3,
    sub { return $_[0] =~ /^SELECT event_id = / ? () : $_[0] } );
statements_run(
    'extend', 14,
    sub {
        my ($block) = @_;

        return if $block =~ /partman/;    # 905
        return
            "SELECT cdr_pause();\n"
          . "ALTER TABLE call_events RENAME payload TO x_payload;\n"
          . "SELECT cdr_update_tables();\n$block"
          if $block =~ /x_payload/;
        return $block;
    }
);

# what they have set stands in postgresql.auto.conf, before all that this test sets
$cdr->sql('ALTER SYSTEM RESET ALL');
$cdr->sql('SELECT pg_reload_conf()');
$cdr->wait_for_state('consuming');
is $cdr->sql('SELECT count(*) FROM call_events WHERE payload IS NULL'), 0,
  'the column that was renamed has its values again';

# ---------------------------------------------------------------------------
# Dumps
# ---------------------------------------------------------------------------

{
    my @commands =
      grep { /^pg_(?:dump|dumpall|restore) / && !/^pg_dump --data-only/ }
      blocks_of('operate');
    my $events =
      $cdr->sql('SELECT count(*), sum(hashtext(call_id)) FROM call_events');

    $cdr->sql('CREATE DATABASE cdr');
    local @ENV{qw(PGHOST PGPORT)} = ( $node->host, $node->port );
    run(
        [
            'sh', '-ec', join '; ', "cd $files",
            map { s/cdr\.dump cdr$/cdr.dump postgres/mr } @commands
        ]
    );
    is $cdr->sql(
        'SELECT count(*), sum(hashtext(call_id)) FROM call_events', 'cdr'
      ),
      $events, 'the commands of a backup bring every row back';
}

# ---------------------------------------------------------------------------
# A copy of the server, as a backup makes it
# ---------------------------------------------------------------------------

my ($line) = grep { /postgresql\.auto\.conf/ } blocks_of('operate');
my $copy = PostgreSQL::Test::Cluster->new('copy');

$node->backup('copied');
$copy->init_from_backup( $node, 'copied' );
run( [ 'sh', '-ec', 'cd ' . $copy->data_dir . "; $line" ] );
$copy->start;
poll(
    sub {
        $copy->safe_psql( 'postgres', 'SELECT state FROM cdr_status()' ) eq
          'not configured';
    },
    'the worker of the copy to say that nothing is configured'
);
is( ( $broker->count )[1], 1, 'a copy that was told so consumes nothing' );
is $copy->safe_psql( 'postgres', 'SELECT count(*) FROM cdr_verify_calls()' ), 0,
  'it answers what it is asked';
$copy->stop('immediate');

# ---------------------------------------------------------------------------
# A user of the broker
# ---------------------------------------------------------------------------

my $user = "t906_$$";

# The commands of the documents, each as one line, for this virtual host and other names.
sub rabbitmqctl {
    my ( $document, $pattern ) = @_;
    my @lines = grep { /^rabbitmqctl .*$pattern/s }
      split /\n(?=rabbitmqctl)/, join "\n",
      map { s/ \\\n\s*/ /gr } grep { /^rabbitmqctl/ } blocks_of($document);

    cmp_ok( scalar @lines, '>', 0, "$document: $pattern" );
    foreach my $line (@lines) {
        my @words =
          run( [ 'sh', '-c', $line =~ s/^rabbitmqctl/printf '%s\\n'/r ] );

        @words = map { s/^cdr(?:_old)?$/$user/r } split /\n/, $words[0];
        $broker->ctl(
            $words[0],
            (
                $words[0] =~ /permissions|queue/ ? ( '-p', $broker->vhost ) : ()
            ),
            @words[ 1 .. $#words ],
            ( $words[0] eq 'add_user' ? 'secret' : () )
        );
    }
    return;
}

rabbitmqctl( 'install', 'add_user cdr' );
rabbitmqctl( 'install', 'set_permissions cdr .*sentiric_events' );
my $as_user = $uri =~ s{//guest:guest@}{//$user:secret@}r;
isnt $as_user, $uri, 'a user of its own';
$cdr->set( 'cdr_service.amqp_uri' => $as_user );
$cdr->wait_for("state = 'consuming' AND \"user\" = '$user' FROM cdr_status()");
rabbitmqctl( 'operate', 'clear_permissions|close_all_user_connections' );
$cdr->wait_for("state = 'backing off' FROM cdr_status()");
pass 'a user whose permissions are taken away consumes no more';
$cdr->set( 'cdr_service.amqp_uri' => $uri );
$cdr->wait_for_state('consuming');
rabbitmqctl( 'operate', 'delete_user' );

$cdr->nothing_left('the documents');

done_testing();
