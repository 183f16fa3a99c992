# What operate.md, extend.md, causes.md and others tell a DBA to type runs as it stands
# there, in that order, on a server with a worker; and what they promise of a copy of a
# server, and of a broker's user that is cut off, comes about.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use JSON::PP qw(decode_json encode_json);
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

     # shown a second time with a limit; 013 promotes, and brings over what is
     # lost; 901 restores while paused
        return
          if $block =~
          /^ALTER TABLE call_events DETACH PARTITION call_events_\d+;$/
          || $block =~ /pg_promote|cdr_service\.paused|TABLE lost/;
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

    my @create = map { /^su postgres -c '(createdb .*)'$/m } map { blocks_of($_) }
      qw(install ../README);

    is scalar(@create), 2, 'both documents create the database';
    is $create[0], $create[1], 'in the same way';
    local @ENV{qw(PGHOST PGPORT)} = ( $node->host, $node->port );
    run(
        [
            'sh', '-ec', join '; ', "cd $files", $create[0],
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

my $user = "t907_$$";

# What follows the program in each of its commands that a document has, each as a
# list of words, as a shell makes them.
sub words_after {
    my ( $program, $document, $pattern ) = @_;
    my @lines = grep { /^\Q$program\E .*$pattern/ }
      map { split /\n| ; / } map { s/ \\\n\s*/ /gr } blocks_of($document);

    cmp_ok( scalar @lines, '>', 0, "$document: $program $pattern" );
    return map {
        [
            split /\n/,
            run( [ 'sh', '-c', s/^\Q$program\E/printf '%s\\n'/r ] )
        ]
    } @lines;
}

# Runs them for this virtual host, and other names; returns what they print.
sub rabbitmqctl {
    my ( $document, $pattern ) = @_;

    return map {
        my ( $command, @words ) = @$_;

        @words = map { s/^cdr(?:_old)?$/$user/r } @words
          unless $command =~ /policy/;
        splice @words, 0, 2 if @words && $words[0] eq '-p';
        $broker->ctl(
            $command,
            (
                  $command =~ /permissions|queue|polic|consumers/
                ? ( '-p', $broker->vhost )
                : ()
            ),
            @words,
            ( $command eq 'add_user' ? 'secret' : () )
        );
    } words_after( 'rabbitmqctl', $document, $pattern );
}

rabbitmqctl( 'install', 'add_user cdr' );
rabbitmqctl( 'install', 'set_permissions cdr .*sentiric_events' );

# the file with the password, in another directory and of this user
foreach my $document ( 'install', '../README' ) {
    my ($install) = words_after( 'install', $document, '/etc/postgresql' );
    my $me = getpwuid $>;
    my @command =
      map { s{^/etc/postgresql}{$files}r =~ s/^postgres$/$me/r } @$install;
    my $group = getgrgid $) + 0;

    $command[3] = $group;
    unlink "$files/cdr_service.password";
    run( [ 'install', @command ], "secret\n" );
    is( ( stat "$files/cdr_service.password" )[2] & oct 7777,
        oct 600, "$document: nobody else can read the password" );
}
my $as_user = $uri =~ s{//guest:guest@}{//$user@}r;
isnt $as_user, $uri, 'a user of its own';
$cdr->set(
    'cdr_service.amqp_uri'           => $as_user,
    'cdr_service.amqp_password_file' => "$files/cdr_service.password"
);
$cdr->wait_for("state = 'consuming' AND \"user\" = '$user' FROM cdr_status()");

rabbitmqctl( 'queues', 'set_policy' );
my @shown = rabbitmqctl( 'queues', 'list_' );
like $shown[0], qr/^sentiric\.cdr_service\.events\t/m,
  'queues.md: the queue is shown';
like $shown[1], qr/at-least-once/, 'and its policy';
like $shown[3], qr/^sentiric\.cdr_service\.events\t/m, 'and its consumer';

rabbitmqctl( 'operate', 'clear_permissions|close_all_user_connections' );
$cdr->wait_for("state = 'backing off' FROM cdr_status()");
pass 'a user whose permissions are taken away consumes no more';
$cdr->set(
    'cdr_service.amqp_uri'           => $uri,
    'cdr_service.amqp_password_file' => ''
);
$cdr->wait_for_state('consuming');
rabbitmqctl( 'operate', 'delete_user' );

$cdr->nothing_left('the documents');

# ---------------------------------------------------------------------------
# The queue, at another broker
# ---------------------------------------------------------------------------

# What is imported is for all virtual hosts, and other tests have theirs: only what is
# of this one comes back.
{
    my ( $export, $import ) =
      words_after( 'rabbitmqctl', 'operate', '_definitions' );
    my $file = "$files/$export->[1]";

    $broker->ctl( $export->[0], $file );
    my $all = decode_json( slurp_file($file) );
    my %own = map {
        $_ => [ grep { $_->{vhost} eq $broker->vhost } @{ $all->{$_} } ]
    } qw(exchanges queues bindings);
    is $own{queues}[0]{name}, 'sentiric.cdr_service.events',
      'the definitions have the queue';
    rabbitmqctl( 'operate', 'delete_queue' );
    open my $changed, '>', $file or die "$file: $!";
    print {$changed} encode_json( \%own );
    close $changed or die "$file: $!";
    $broker->ctl( $import->[0], $file );
    $broker->publish( simple_events( 2, 'imported' ) );
    is( ( $broker->count )[0], 2,
        'the queue is there, and bound, before the service comes' );

    # and to the exchange of another platform
    my ($toy)     = grep { /^\{"bindings"/ } blocks_of('queues');
    my ($command) = words_after( 'rabbitmqctl', 'queues', 'import_definitions' );

    $broker->amqp( [ 'declare-exchange', 'toy', 'topic' ] );
    open my $toy_file, '>', "$files/$command->[1]" or die "$command->[1]: $!";
    print {$toy_file} $toy =~ s{"vhost": "/"}{'"vhost": "' . $broker->vhost . '"'}er;
    close $toy_file or die "$command->[1]: $!";
    $broker->ctl( $command->[0], "$files/$command->[1]" );
    $broker->start_publishing_to( 'toy', simple_events( 1, 'toy' ) )->finish;
    is( ( $broker->count )[0], 3, 'the queue hears another exchange, too' );
    $broker->amqp( [ 'delete-exchange', 'toy' ] );
    $broker->clean;
}

# ---------------------------------------------------------------------------
# Certificates of a broker
# ---------------------------------------------------------------------------

{
    my @commands = grep { /^(?:openssl|chown) / } blocks_of('tls');
    my $me       = getpwuid $>;

    run(
        [
            'sh', '-ec', join '; ', "cd $files",
            map { s/chown rabbitmq/chown $me/r } split /\n/, join "\n",
            @commands
        ]
    );
    like run(
        [
            'openssl',          'verify', '-CAfile', "$files/ca.crt",
            '-verify_hostname', 'rabbit1.example.org',
            "$files/server.crt"
        ]
      ),
      qr/: OK/, 'tls.md makes a certificate for the name that it says';
}

done_testing();
