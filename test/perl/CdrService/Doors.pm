# The doors through which code can get into what others do with a table: every
# place where PostgreSQL keeps an expression or a reference to a function.
package CdrService::Doors;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';

our @EXPORT_OK = qw(doors shut);

# SQL that opens a door, and SQL that closes it again.  DOOR is the name that
# it has, MONTH the month of this door's events, YYYYMM01 the same in names.

sub trigger {
    my ( $when, $table, $what, $row ) = @_;

    $what = ''    unless defined $what;
    $row  = 'ROW' unless defined $row;
    return (
"CREATE TRIGGER planted $when ON $table $what FOR EACH $row EXECUTE FUNCTION lair.planted('DOOR')",
        "DROP TRIGGER planted ON $table"
    );
}

sub constraint_trigger {
    my ( $plant, $remove ) = trigger(@_);

    return ( $plant =~ s/CREATE/CREATE CONSTRAINT/r, $remove );
}

# The function of the trigger itself is the server's, or does nothing.
sub when_trigger {
    my ( $when, $table, $value, $function ) = @_;

    return (
"CREATE TRIGGER planted $when ON $table FOR EACH ROW WHEN (lair.pure('DOOR', $value) <> '') EXECUTE FUNCTION $function()",
        "DROP TRIGGER planted ON $table"
    );
}

sub check {
    my ( $table, $expression ) = @_;

    return (
        "ALTER TABLE $table ADD CONSTRAINT planted CHECK ($expression <> '')",
        "ALTER TABLE $table DROP CONSTRAINT planted" );
}

sub column {
    my ( $table, $definition ) = @_;

    return ( "ALTER TABLE $table ADD planted $definition",
        "ALTER TABLE $table DROP planted" );
}

sub object {
    my ( $kind, $definition ) = @_;

    return ( "CREATE $kind planted $definition", "DROP $kind planted" );
}

sub policy {
    my ( $table, $expression ) = @_;

    return (
        "ALTER TABLE $table ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
		 CREATE POLICY planted ON $table USING ($expression <> '')",
        "DROP POLICY planted ON $table;
		 ALTER TABLE $table DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY"
    );
}

sub rule {
    my ( $event, $table, $value ) = @_;

    return (
"CREATE RULE planted AS ON $event TO $table DO ALSO INSERT INTO lair.later SELECT 1 WHERE lair.fickle('DOOR', $value) = ''",
        "DROP RULE planted ON $table"
    );
}

# A domain, a cast or an operator of the stranger's, used by a superuser.
my @domain = (
    q{CREATE DOMAIN lair.trap AS text CHECK (lair.pure('DOOR', VALUE) <> '');},
    'DROP DOMAIN lair.trap CASCADE'
);
my @cast = (
    q{CREATE TYPE lair.word AS (word text);
	  CREATE FUNCTION lair.to_word(t text) RETURNS lair.word LANGUAGE plpgsql IMMUTABLE
		AS $$ BEGIN RETURN row(lair.pure('DOOR', t))::lair.word; END $$;
	  CREATE CAST (text AS lair.word) WITH FUNCTION lair.to_word(text) AS ASSIGNMENT;},
    'DROP TYPE lair.word CASCADE'
);
my @operator = (
q{CREATE FUNCTION lair.unequal(a text, b text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
		AS $$ BEGIN RETURN lair.pure('DOOR', a) <> b; END $$;
	  CREATE OPERATOR lair.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = lair.unequal);
	  ALTER TABLE calls ADD CONSTRAINT planted CHECK (call_id OPERATOR(lair.<>) '')},
'ALTER TABLE calls DROP CONSTRAINT planted; DROP FUNCTION lair.unequal CASCADE'
);
my @aggregate = (
q{CREATE AGGREGATE lair.planted(text) (SFUNC = lair.pure, STYPE = text, INITCOND = 'DOOR');},
    '; DROP AGGREGATE lair.planted(text)'
);

# A table of the stranger's, and what a superuser does with it.
sub table_of_stranger {
    my ( $definition, $code ) = @_;

    return (
        "CREATE TABLE lair.planted $definition;
		 ALTER TABLE lair.planted OWNER TO stranger; $code",
        'SET cdr_service.allow_drop = on; DROP TABLE IF EXISTS lair.planted'
    );
}

# What a superuser does: has a table hold a call, too.
sub copy_call {
    my ( $table, $call ) = @_;

    return
qq{DO \$copy\$ DECLARE columns text := (SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
		WHERE attrelid = 'calls'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '');
	BEGIN EXECUTE format('INSERT INTO $table (%1\$s) SELECT %1\$s FROM ONLY calls WHERE call_id = ''$call''', columns); END \$copy\$};
}

# A view in the place of calls, that looks like it.
my @view = (
    q{ALTER TABLE calls RENAME TO calls_kept;
	  DO $view$ DECLARE columns text := (SELECT string_agg(CASE attname WHEN 'call_id'
		THEN 'lair.fickle(''DOOR'', call_id) COLLATE "C" AS call_id' ELSE quote_ident(attname) END, ', ' ORDER BY attnum)
		FROM pg_attribute WHERE attrelid = 'cdr.calls_kept'::regclass AND attnum > 0 AND NOT attisdropped);
	  BEGIN EXECUTE 'CREATE VIEW cdr.calls AS SELECT ' || columns || ' FROM cdr.calls_kept'; END $view$},
    'DROP VIEW calls; ALTER TABLE calls_kept RENAME TO calls'
);

my $in_its_month = q{FOR VALUES FROM ('MONTH-01') TO ('MONTH-08')};

# The default partition has another name, and its old one is another's.
my $columns =
'event_time timestamptz, received_at timestamptz, event_id uuid, call_id text, event_type text, trace_id text, tenant_id text, routing_key text, payload json, body bytea';

sub rename_default {
    my ( $from, $to ) = @_;

    return "ALTER TABLE call_events DETACH PARTITION $from;
		ALTER TABLE $from RENAME TO $to;
		ALTER TABLE call_events ATTACH PARTITION $to DEFAULT;";
}

# What the service could take for its own, or for the server's.
sub beside {
    my ($schema) = @_;

    return <<"EOC";
CREATE FUNCTION $schema.same(text, text) RETURNS boolean LANGUAGE sql AS
	\$\$ SELECT lair.fickle('DOOR', 'x') = '' \$\$;
CREATE FUNCTION $schema.same(uuid, uuid) RETURNS boolean LANGUAGE sql AS
	\$\$ SELECT lair.fickle('DOOR', 'x') = '' \$\$;
CREATE FUNCTION $schema.less(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql
	AS \$\$ SELECT lair.fickle('DOOR', 'x') = '' \$\$;
CREATE FUNCTION $schema.unnest(anyarray) RETURNS SETOF anyelement LANGUAGE sql AS
	\$\$ SELECT lair.fickle('DOOR', 'x'); SELECT \$1[1] \$\$;
CREATE FUNCTION $schema.to_jsonb(anyelement) RETURNS jsonb LANGUAGE sql AS
	\$\$ SELECT lair.fickle('DOOR', 'x'); SELECT '{}'::jsonb \$\$;
CREATE FUNCTION $schema.octet_length(anyelement) RETURNS int LANGUAGE sql AS
	\$\$ SELECT lair.fickle('DOOR', 'x'); SELECT 1 \$\$;
CREATE OPERATOR $schema.= (LEFTARG = text, RIGHTARG = text, FUNCTION = $schema.same);
CREATE OPERATOR $schema.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = $schema.same);
CREATE OPERATOR $schema.< (LEFTARG = timestamptz, RIGHTARG = timestamptz,
	FUNCTION = $schema.less);
CREATE DOMAIN $schema.timestamptz AS pg_catalog.timestamptz
	CHECK (lair.fickle('DOOR', 'x') = '');
CREATE DOMAIN $schema.uuid AS pg_catalog.uuid CHECK (lair.fickle('DOOR', 'x') = '');
EOC
}

my $not_beside = <<'EOC';
DROP OPERATOR cdr.= (text, text), cdr.= (uuid, uuid), cdr.< (pg_catalog.timestamptz, pg_catalog.timestamptz);
DROP FUNCTION cdr.same(text, text), cdr.same(pg_catalog.uuid, pg_catalog.uuid),
	cdr.less(pg_catalog.timestamptz, pg_catalog.timestamptz), cdr.unnest, cdr.to_jsonb, cdr.octet_length;
DROP DOMAIN cdr.timestamptz, cdr.uuid;
EOC

my $pure = "lair.pure('DOOR', call_id)";

# Each: name, the operations that must bring it to life (others may), SQL that
# opens and closes it, and more: errors (that operations may meet), closed (SQL
# that opens it fails so), restart (the worker starts with the door open), fill
# (before calls are rebuilt), as (whom it runs as, if not as the writer), silent
# (nothing may come to life), first (what a superuser did before).
my @of_trigger_grantee = (
    [
        'trigger of the log, row',
        'ingest worker retry',
        trigger( 'BEFORE INSERT', 'call_events' )
    ],
    [
        'trigger of the log, statement',
        'ingest worker retry',
        trigger(
            'AFTER INSERT',               'call_events',
            'REFERENCING NEW TABLE AS n', 'STATEMENT'
        )
    ],
    [
        'trigger of the default partition',
        'ingest worker retry',
        trigger( 'AFTER INSERT', 'call_events_default' )
    ],
    [
        'trigger of rows that move to a partition',
        'partitions',
        trigger( 'BEFORE DELETE', 'call_events_default' )
    ],
    [
        'trigger of calls',
        'ingest worker retry rebuild',
        trigger( 'BEFORE INSERT OR UPDATE', 'calls' )
    ],
    [
        'trigger of calls that go',
        'rebuild',
        trigger( 'AFTER DELETE', 'calls' )
    ],
    [
        'deferred trigger of calls',
        'worker',
        constraint_trigger(
            'AFTER INSERT OR UPDATE',
            'calls',
            'DEFERRABLE INITIALLY DEFERRED'
        ),
        errors => qr/cannot fire deferred trigger within security-restricted/
    ],
    [
        'trigger of dead letters',
        'worker retry discard',
        trigger( 'BEFORE INSERT OR UPDATE OR DELETE', 'dead_letters' )
    ],
    [
        q{trigger's WHEN, log},
        'ingest worker retry',
        when_trigger(
            'AFTER INSERT', 'call_events', 'NEW.call_id', 'lair.nothing'
        )
    ],
    [
        q{trigger's WHEN, calls},
        'ingest worker rebuild',
        when_trigger(
            'BEFORE UPDATE', 'calls',
            'NEW.call_id',   'suppress_redundant_updates_trigger'
        )
    ],
    [
        q{trigger's WHEN, dead letters},
        'retry discard',
        when_trigger(
            'AFTER DELETE', 'dead_letters', 'OLD.message', 'lair.nothing'
        )
    ],
);

my @of_owner = (
    [
        'check of the log', 'ingest worker retry', check( 'call_events', $pure )
    ],
    [
        'check of dead letters',
        'worker', check( 'dead_letters', "lair.pure('DOOR', message)" )
    ],
    [
        'default of the log',
        'ingest worker retry',
        column( 'call_events', "text DEFAULT lair.fickle('DOOR', 'x')" )
    ],
    [
        'default of dead letters',
        'worker',
        column( 'dead_letters', "text DEFAULT lair.fickle('DOOR', 'x')" )
    ],
    [
        'generated column of the log',
        'ingest worker retry',
        column( 'call_events', "text GENERATED ALWAYS AS ($pure) STORED" )
    ],
    [
        'index expression, calls',
        'ingest worker retry maintenance',
        object( 'INDEX', "ON calls (($pure))" )
    ],
    [
        'index expression, log',
        'ingest worker retry partitions',
        object( 'INDEX', "ON call_events (($pure))" )
    ],
    [
        'exclusion constraint',
        'ingest worker retry',
        'ALTER TABLE calls ADD CONSTRAINT planted EXCLUDE USING btree (('
          . $pure
          . ') WITH =)',
        'ALTER TABLE calls DROP CONSTRAINT planted'
    ],
    [
        'statistics', 'maintenance',
        object( 'STATISTICS', "ON ($pure), user_id FROM calls" )
    ],
    [
        'policy of calls',
        'ingest worker retry verify rebuild',
        policy( 'calls', $pure )
    ],
    [
        'policy of the log',
        'ingest worker retry verify',
        policy( 'call_events', $pure )
    ],
    [
        'policy of dead letters',
        'worker retry discard',
        policy( 'dead_letters', "lair.pure('DOOR', message)" )
    ],
    [
        'rule of dead letters',
        'retry discard',
        rule( 'DELETE', 'dead_letters', 'OLD.message' )
    ],
    [
        'rule of the log',
        '',
        rule( 'INSERT', 'call_events', 'NEW.call_id' ),
        errors =>
qr/cannot be used with table that has INSERT or UPDATE rules|a rule repeats what cdr_service writes/
    ],
    [
        'rule of calls',
        '',
        rule( 'UPDATE', 'calls', 'NEW.call_id' ),
        errors => qr/cannot be used with table that has INSERT or UPDATE rules/
    ],
    [ 'view in the place of calls', '', @view, errors => qr/calls|view/ ],
);

# What somebody trusted without a look, or made use of a stranger's object.
my @of_superuser = (
    [
        'check of calls', 'ingest worker retry rebuild', check( 'calls', $pure )
    ],
    [
        'default that the planner folds',
        'worker',
        column( 'dead_letters', "text DEFAULT lair.pure('DOOR', 'x')" )
    ],
    [
        'generated column of calls',
        'ingest worker retry rebuild',
        column( 'calls', "text GENERATED ALWAYS AS ($pure) STORED" )
    ],
    [
        'index predicate',
        'ingest worker retry',
        object( 'INDEX', "ON calls (call_id) WHERE $pure <> ''" )
    ],
    [
        'aggregate, in a policy',
        'ingest worker retry verify rebuild',
        pair(
            \@aggregate,
            policy(
                'calls',
                '(SELECT lair.planted(x) FROM (VALUES (call_id)) AS v(x))'
            )
        )
    ],
    [
        'domain',
        'worker',
        $domain[0]
          . "ALTER TABLE dead_letters ADD planted lair.trap DEFAULT 'x'",
        $domain[1]
    ],
    [
        'domain, as the type of a column of ours',
        '',
        $domain[0] . 'ALTER TABLE calls ALTER user_id TYPE lair.trap',
        "ALTER TABLE calls ALTER user_id TYPE text; $domain[1]",
        errors => qr/user_id|type/
    ],
    [
        'cast, to the type of a column of ours',
        '',
        $cast[0] . 'ALTER TABLE calls ALTER user_id TYPE lair.word USING NULL',
        "ALTER TABLE calls ALTER user_id TYPE text USING NULL; $cast[1]",
        errors => qr/user_id|type|cast/
    ],
    [
        'cast, in a generated column',
        'ingest worker retry',
        $cast[0]
          . 'ALTER TABLE calls ADD planted lair.word GENERATED ALWAYS AS (call_id::lair.word) STORED',
        $cast[1]
    ],
    [ 'operator, in a check', 'ingest worker retry', @operator ],
    [
        'partition of a stranger',
        'ingest worker',
        table_of_stranger(
"(LIKE call_events INCLUDING ALL, CONSTRAINT planted CHECK ($pure <> ''))",
"CREATE UNIQUE INDEX ON lair.planted (call_id, event_id, event_time);
			 ALTER TABLE call_events ATTACH PARTITION lair.planted $in_its_month"
        )
    ],
    [
        'key of a sub-partition',
        'ingest worker',
        table_of_stranger(
            "(LIKE call_events) PARTITION BY LIST (($pure))",
            "CREATE TABLE lair.rest PARTITION OF lair.planted DEFAULT;
			 CREATE UNIQUE INDEX ON lair.rest (call_id, event_id, event_time);
			 ALTER TABLE call_events ATTACH PARTITION lair.planted $in_its_month"
        ),
        closed => qr/unsupported PRIMARY KEY constraint/
    ],
    [
        'table that inherits from calls',
        '',
        table_of_stranger(
            '() INHERITS (calls)',
            join ' ',
            ( trigger( 'BEFORE UPDATE OR DELETE', 'lair.planted' ) )[0]
        ),
        fill   => copy_call( 'lair.planted', 'CALL-x' ),
        errors => qr/inherit|calls/
    ],
    [
        'foreign key of a stranger',
        'rebuild',
        table_of_stranger(
            '(call_id text COLLATE "C" REFERENCES calls ON DELETE CASCADE)',
            join ' ',
            ( trigger( 'BEFORE DELETE', 'lair.planted' ) )[0]
        ),
        fill => q{INSERT INTO lair.planted SELECT call_id FROM calls},
        as   => 'stranger'
    ],
    [
        'event trigger',
        'partitions',
        object(
            'EVENT TRIGGER',
q{ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE', 'CREATE INDEX') EXECUTE FUNCTION lair.command()}
        )
    ],
    [
        'search_path of database and role',
        '',
        'CREATE SCHEMA trap; GRANT USAGE ON SCHEMA trap TO PUBLIC;
		 CREATE TABLE trap.calls (call_id text PRIMARY KEY);
		 CREATE TABLE trap.call_events (call_id text);
		 CREATE TABLE trap.dead_letters (event_id uuid);
		 CREATE TABLE trap.pg_extension (extname text);'
          . beside('trap')
          . 'ALTER ROLE postgres SET search_path = trap, pg_catalog;
			 ALTER DATABASE postgres SET search_path = trap, pg_catalog',
'ALTER ROLE postgres RESET search_path; ALTER DATABASE postgres RESET search_path;
		 DROP SCHEMA trap CASCADE',
        restart => 1,
        silent  => 1
    ],
);

my @of_creator = (
    [
        'table named like the default partition',
        '',
        "CREATE TABLE cdr.call_events_default ($columns);
		 GRANT ALL ON cdr.call_events_default TO PUBLIC; "
          . (
            trigger(
                'BEFORE DELETE',
                'cdr.call_events_default', '', 'STATEMENT'
            )
          )[0],
        'DROP TABLE cdr.call_events_default;'
          . rename_default( 'call_events_rest', 'call_events_default' ),
        first  => rename_default( 'call_events_default', 'call_events_rest' ),
        silent => 1
    ],
    [
        'names of partitions, types and indexes',
        '',
"CREATE VIEW cdr.call_events_YYYYMM01 AS SELECT lair.fickle('DOOR', 'x');
		 CREATE DOMAIN cdr.call_events_YYYYMM01_2 AS text CHECK (lair.pure('DOOR', VALUE) <> '');
		 CREATE TABLE cdr.call_events_YYYYMM01_key (); CREATE TABLE cdr.call_events_YYYYMM01_pkey ();
		 CREATE TYPE cdr.call_events_YYYYMM01_3 AS (x text)",
'DROP VIEW cdr.call_events_YYYYMM01; DROP DOMAIN cdr.call_events_YYYYMM01_2;
		 DROP TABLE cdr.call_events_YYYYMM01_key, cdr.call_events_YYYYMM01_pkey;
		 DROP TYPE cdr.call_events_YYYYMM01_3',
        silent => 1
    ],
    [
        'functions, operators and types beside ours',
        '', beside('cdr'), $not_beside, silent => 1
    ],
);

sub pair {
    my ( $outer, $plant, $remove ) = @_;

    return ( $outer->[0] . $plant, $remove . $outer->[1] );
}

sub doors {
    my %of = (
        'trigger grantee' => \@of_trigger_grantee,
        'owner'           => \@of_owner,
        'superuser'       => \@of_superuser,
        'creator'         => \@of_creator
    );
    my @doors;

    foreach my $by ( 'trigger grantee', 'owner', 'superuser', 'creator' ) {
        foreach my $door ( @{ $of{$by} } ) {
            my ( $name, $alive, $plant, $remove, %more ) = @$door;

            push @doors,
              {
                by     => $by,
                name   => $name,
                alive  => $alive,
                plant  => $plant,
                remove => $remove,
                %more
              };
        }
    }
    return @doors;
}

# Catalogs that hold expressions or functions and are no door: SQL that would
# open one, which only a superuser may, or none; and why.
my @shut = (
    [
        'pg_am',
        'CREATE ACCESS METHOD planted TYPE TABLE HANDLER heap_tableam_handler',
        'needs a superuser'
    ],
    [
        'pg_opclass, pg_amop, pg_amproc',
'CREATE OPERATOR CLASS lair.planted FOR TYPE text USING btree AS FUNCTION 1 bttextcmp(text, text)',
        'needs a superuser'
    ],
    [
        'pg_type: input, output, typmod, analyze, subscript',
        'CREATE TYPE lair.planted',
        'base types need a superuser'
    ],
    [
        'pg_cast, binary',
        'CREATE CAST (text AS bytea) WITHOUT FUNCTION',
        'needs a superuser'
    ],
    [
        'pg_cast, of types of the server',
        'CREATE CAST (text AS uuid) WITH FUNCTION lair.pure(text, text)',
        'must own one of the types'
    ],
    [
        'pg_conversion',
q{CREATE DEFAULT CONVERSION cdr.planted FOR 'UTF8' TO 'LATIN1' FROM lair.pure},
        'takes internal arguments, so only C'
    ],
    [
        'pg_ts_parser',
'CREATE TEXT SEARCH PARSER cdr.planted (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype)',
        'needs a superuser'
    ],
    [
        'pg_ts_template',
        'CREATE TEXT SEARCH TEMPLATE cdr.planted (LEXIZE = dsimple_lexize)',
        'needs a superuser'
    ],
    [
        'pg_foreign_data_wrapper',
        'CREATE FOREIGN DATA WRAPPER planted',
        'needs a superuser'
    ],
    [
        'pg_foreign_server, pg_foreign_table',
        'CREATE SERVER planted FOREIGN DATA WRAPPER dblink_fdw',
        'needs USAGE on the wrapper'
    ],
    [
        'pg_language',
        'CREATE LANGUAGE planted HANDLER plpgsql_call_handler',
        'needs a superuser'
    ],
    [
        'pg_transform',
'CREATE TRANSFORM FOR int LANGUAGE plpgsql (FROM SQL WITH FUNCTION numeric_support(internal))',
        'takes internal arguments, and must own the type'
    ],
    [
        'pg_proc: support functions',
        'ALTER FUNCTION lair.owned() SUPPORT numeric_support',
        'needs a superuser'
    ],
    [
        'pg_event_trigger',
'CREATE EVENT TRIGGER planted ON ddl_command_end EXECUTE FUNCTION lair.command()',
        'needs a superuser'
    ],
    [
        'pg_publication_rel: WHERE',
"RESET ROLE; CREATE PUBLICATION planted FOR TABLE calls WHERE (lair.fickle('x', call_id) <> '')",
        'functions of users are refused, to a superuser, too'
    ],
    [
        'pg_subscription',
q{CREATE SUBSCRIPTION planted CONNECTION 'dbname=postgres' PUBLICATION p WITH (connect = false, slot_name = NONE)},
        'needs a superuser'
    ],
    [
        'pg_class: table access method',
        'ALTER TABLE calls SET ACCESS METHOD planted',
        'names one of pg_am'
    ],
    [
        'pg_largeobject: import',
        q{SELECT lo_import('/dev/null')},
        'needs a superuser'
    ],
    [
        'pg_collation, pg_enum, pg_sequence, identity, replica identity',
        undef, 'hold no code'
    ],
    [
        'pg_range: subtype_diff',
        undef, 'runs in an index, as index expressions do'
    ],
    [
        'pg_range: canonical',
        undef, 'takes a type that is not there yet, so only C'
    ],
    [
        'pg_db_role_setting', undef,
        'the worker logs in as the superuser, and sets what it needs'
    ],
    [ 'pg_description, pg_seclabel', undef, 'hold no code' ],
);

sub shut { return @shut; }

1;
