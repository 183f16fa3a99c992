# A version 1.1 of the extension, made of the sources of today: with a column more,
# functions that are another, and one that is gone.  And a PostgreSQL of one's own,
# into which either version can be installed while a server runs in it.
package CdrService::NextVersion;

use strict;
use warnings FATAL => 'all';

use Carp;
use File::Basename;
use PostgreSQL::Test::Utils;

use CdrService::Util qw(repository run);

# What is changed in the sources: file, pattern, what stands in its place.
my @changes = (
    [
        'cdr_service.control',
        qr/^default_version = '1\.0'$/m,
        "default_version = '1.1'"
    ],
    [
        'src/head.sql', qr/\Qcdr_require_library('1.0')\E/,
        "cdr_require_library('1.1')"
    ],

    # a column, in the midst of others, of what another says
    [
        'src/call/columns.h',
        qr/(?=\tCOLUMN\(anomalies, )/,
        qq{\tCOLUMN(ended_by, TEXT, \\\n\t\t   "who ended it") \\\n}
    ],
    [
        'src/call/derive.c',
        qr/(?=^\trow->event_count = call->event_count;)/m,
        "\trow->ended_by = row->hangup_source;\n"
    ],

    # a function that does something else, declared as it was
    [
        'src/store/tables.sql',
qr/(?<=\n\t\('call_events', 'call_events_recorded_at_idx', 'USING brin \(recorded_at\)'\),\n)/,
"\t('dead_letters', 'dead_letters_received_at_idx', 'USING brin (received_at)'),\n"
    ],

    # and one that is gone
    [
        'src/store/mappings.sql',
qr/^CREATE FUNCTION \@extschema\@\.cdr_unmapped_types\(.*?;\n\nCOMMENT ON .*?;\n/ms,
        ''
    ]
);

# The tree of this test, as far as it is needed, with what was built of it.
my @sources =
  qw(Makefile cdr_service.control cdr_service--1.0.sql src share scripts);

# Options of make for builds here: fast, whatever make this runs under.
my @make = ( 'make', '-s', '-j', 2, 'with_llvm=no', 'COPT=-O0 -Wno-cpp' );

sub _make {
    my (@arguments) = @_;

    local %ENV = %ENV;
    delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES)};
    return run( [ @make, @arguments ] );
}

# Makes both.
sub new {
    my ($class) = @_;
    my $dir     = PostgreSQL::Test::Utils::tempdir('next');
    my $bin     = run( [ 'pg_config', '--bindir' ] );
    my $self    = bless {
        dir       => $dir,
        pg_config => "$bin/pg_config",
        root      => "$dir$bin/.."
    }, $class;

    # PostgreSQL finds its files from where its programs are
    foreach my $path ( $bin, map { run( [ 'pg_config', $_ ] ) } '--pkglibdir',
        '--sharedir' )
    {
        next if -e "$dir$path";
        run( [ 'mkdir', '-p', dirname("$dir$path") ] );
        run( [ 'cp', '-a', $path, "$dir$path" ] );
    }
    mkdir "$dir/next";
    run( [ 'cp', '-a', ( map { repository() . "/$_" } @sources ), "$dir/next" ]
    );
    $self->_change;
    return $self;
}

# Where PostgreSQL is, for a fixture.
sub install_path {
    my ($self) = @_;

    return run( [ 'readlink', '-f', $self->{root} ] );
}

# Sources that see what is changed: they include columns.h, or name the version.
sub _affected {
    my ($dir) = @_;
    my ( %includes, %text );

    foreach
      my $file ( split /\n/, run( [ 'find', "$dir/src", '-name', '*.[ch]' ] ) )
    {
        ( my $name = $file ) =~ s{^\Q$dir\E/src/}{};
        $text{$name}     = slurp_file($file);
        $includes{$name} = [ $text{$name} =~ /^#\s*include "(.*?)"/mg ];
    }
    my %seen = ( 'call/columns.h' => 1, 'store/column_list.h' => 1 );
    my $more = 1;
    while ($more) {
        $more = 0;
        foreach my $name ( grep { !$seen{$_} } keys %includes ) {
            next unless grep { $seen{$_} } @{ $includes{$name} };
            $more = $seen{$name} = 1;
        }
    }
    return grep { /\.c$/ && ( $seen{$_} || $text{$_} =~ /\bCDR_VERSION\b/ ) }
      keys %text;
}

# Changes the sources and builds what is affected: what make compares are times, by
# which all would be.
sub _change {
    my ($self) = @_;
    my $dir    = "$self->{dir}/next";
    my $old    = slurp_file("$dir/cdr_service--1.0.sql");

    foreach my $change (@changes) {
        my ( $name, $pattern, $replacement ) = @$change;
        my $text = slurp_file("$dir/$name");
        my @time = ( stat "$dir/$name" )[ 8, 9 ];

        $text =~ s/$pattern/$replacement/ or croak "$name: no $pattern";
        unlink "$dir/$name";
        append_to_file( "$dir/$name", $text );
        utime @time, "$dir/$name" or croak "utime: $!";
    }
    unlink "$dir/cdr_service.so", "$dir/cdr_service--1.0.sql",
      "$dir/src/store/column_list.h",
      map { "$dir/src/" . s/\.c$/.o/r } _affected($dir);
    _make( '-C', $dir, "PG_CONFIG=$self->{pg_config}" );
    append_to_file( "$dir/cdr_service--1.0--1.1.sql",
        update_script( $old, slurp_file("$dir/cdr_service--1.1.sql") ) );
    return;
}

# Functions of a script: what creates each, what it is declared as, its comment, and
# who may call it.
sub _functions {
    my ($script) = @_;
    my %functions;

    while ( $script =~
/^CREATE FUNCTION \@extschema\@\.(\w+)\((.*?)^(AS (?:(\$\w*\$).*?\4;|'.*?;))\n/msg
      )
    {
        my ( $name, $declared, $body ) = ( $1, $2, $3 );

        $functions{$name}{create} .=
          "CREATE FUNCTION \@extschema\@.$name($declared$body\n";
        $functions{$name}{declared} .= $declared;
    }
    while (
        $script =~ /^(COMMENT ON FUNCTION \@extschema\@\.(\w+)\(.*?;\n)/msg )
    {
        $functions{$2}{comment} .= $1;
    }
    while ( $script =~
/^((?:REVOKE ALL|GRANT EXECUTE) ON FUNCTION)\s+([^;]*?)\s+((?:FROM|TO) \w+);/mg
      )
    {
        my ( $verb, $names, $role ) = ( $1, $2, $3 );

        while ( $names =~ /(\@extschema\@\.(\w+)\([^)]*\))/g ) {
            $functions{$2}{rights} .= "$verb $1 $role;\n";
        }
    }

    # (those in other words are not told apart, and nothing of theirs changes)
    delete @functions{ grep { !$functions{$_}{create} } keys %functions };
    return \%functions;
}

# The script from one to the other, as a person would write it.
sub update_script {
    my ( $from, $to )  = @_;
    my ( $old,  $new ) = ( _functions($from), _functions($to) );
    my $script = <<'EOS';
\echo Use "ALTER EXTENSION cdr_service UPDATE" to load this file. \quit
SELECT @extschema@.cdr_require_library('1.1');
SELECT @extschema@.cdr_hold_writers();
EOS

    foreach my $name ( sort keys %$old ) {
        if ( !$new->{$name} ) {
            $script .= "DROP FUNCTION \@extschema\@.$name;\n";
        }
        elsif ( $old->{$name}{create} ne $new->{$name}{create} ) {
            my $same = $old->{$name}{declared} eq $new->{$name}{declared};

            $script .=
                $same
              ? $new->{$name}{create} =~ s/^CREATE/CREATE OR REPLACE/gmr
              : join '', "DROP FUNCTION \@extschema\@.$name;\n",
              grep { defined } @{ $new->{$name} }{qw(create comment rights)};
        }
    }
    return $script . "SELECT \@extschema\@.cdr_update_tables();\n";
}

# Installs a version, as a package does: the files of the other are replaced, or
# stay, and nothing is restarted.
sub install {
    my ( $self, $version ) = @_;
    my $dir       = $version eq '1.0' ? repository() : "$self->{dir}/next";
    my $pg_config = "$self->{root}/bin/pg_config";

    _make( '-C', $dir, 'install', "PG_CONFIG=$pg_config" );
    run(
        [
            'cp',
            "$dir/cdr_service--1.0--1.1.sql",
            run( [ $pg_config, '--sharedir' ] ) . '/extension/'
        ]
    ) if $version eq '1.1';
    return;
}

# The library alone.
sub install_library {
    my ( $self, $version ) = @_;
    my $dir     = $version eq '1.0' ? repository() : "$self->{dir}/next";
    my $library = "$dir/cdr_service.so";

    run(
        [
            'install', $library,
            run( [ "$self->{root}/bin/pg_config", '--pkglibdir' ] ) . '/'
        ]
    );
    return;
}

1;
