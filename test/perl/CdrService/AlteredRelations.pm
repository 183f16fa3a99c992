# Alterations of the extension's tables as a whole: keys, kinds, partitions,
# names, rights and what hangs on them; see CdrService::Alterations.
package CdrService::AlteredRelations;

use strict;
use warnings FATAL => 'all';

use CdrService::AlteredTables qw(one chance key_of random_column
  definitions_of names_of);

# ---------------------------------------------------------------------------
# Keys
# ---------------------------------------------------------------------------

sub key
{
	my ($table) = @_;
	my $id      = $table eq 'calls'   ? 'call_id' : 'event_id';
	my $all = $table eq 'call_events' ? 'call_id, event_id, event_time' : $id;
	my $at  = $table eq 'call_events' ? 'event_time, '                  : '';
	my $new = one(
		[],
		[],
		["ALTER TABLE cdr.$table ADD PRIMARY KEY ($all) DEFERRABLE"],
		[
			"ALTER TABLE cdr.$table ADD PRIMARY KEY ($all) DEFERRABLE INITIALLY DEFERRED"
		],
		["CREATE UNIQUE INDEX odd_key ON cdr.$table ($all)"],
		["CREATE UNIQUE INDEX odd_key ON cdr.$table ($all) WHERE true"],
		[
			"CREATE UNIQUE INDEX odd_key ON cdr.$table ($all) WHERE $id IS NOT NULL"
		],
		["CREATE UNIQUE INDEX odd_key ON cdr.$table ($at ($id\::text))"],
		[
			"CREATE UNIQUE INDEX odd_key ON cdr.$table ($all) INCLUDE (tenant_id)"
		],
		[
			"CREATE UNIQUE INDEX odd_key ON cdr.$table ($at$id) NULLS NOT DISTINCT"
		],
		["CREATE INDEX odd_key ON cdr.$table ($all)"],
		["CREATE INDEX odd_key ON cdr.$table USING hash ($id)"],
		["ALTER TABLE cdr.$table ADD UNIQUE ($all)"],
		["ALTER TABLE cdr.$table ADD UNIQUE ($all, received_at)"],
		["ALTER TABLE cdr.$table ADD PRIMARY KEY ($at received_at)"]);

	return {
		name =>
		  "the key of $table becomes: @{[ @$new ? $new->[0] : 'none' ]}",
		sql  => [ "SELECT keep.drop_keys('cdr.$table')", @$new ],
		undo => key_of($table) eq ''
		? undef
		: [
			"SELECT keep.drop_keys('cdr.$table')",
			"DROP INDEX IF EXISTS cdr.odd_key",
			"ALTER TABLE cdr.$table ADD " . key_of($table)
		]
	};
}

sub more_keys
{
	my ($table) = @_;
	my $name    = random_column($table)->{name};
	my $at      = $table eq 'call_events' ? ', event_time' : '';
	my $sql     = one(
		"CREATE UNIQUE INDEX odd_key ON cdr.$table ($name$at)",
		"CREATE UNIQUE INDEX odd_key ON cdr.$table ((1)$at)",
		"CREATE INDEX odd_key ON cdr.$table (odd.nothing(1))",
		"CREATE INDEX odd_key ON cdr.$table ((1)) WHERE odd.nothing(1) IS NULL",
		"ALTER TABLE cdr.$table ADD CONSTRAINT odd_check CHECK (odd.nothing(1) IS NULL)",
		"ALTER TABLE cdr.$table ADD CONSTRAINT odd_check CHECK ($name IS NULL) NOT VALID",
		"ALTER TABLE cdr.$table ADD CONSTRAINT odd_check FOREIGN KEY (tenant_id) REFERENCES odd.tenants"
	);

	return {
		name => $sql,
		sql  => [$sql],
		undo => [
			'DROP INDEX IF EXISTS cdr.odd_key',
			"ALTER TABLE cdr.$table DROP CONSTRAINT IF EXISTS odd_check"
		]
	};
}

# As a REINDEX CONCURRENTLY or a CREATE INDEX CONCURRENTLY leaves it that failed.
sub invalid_key
{
	my ($table) = @_;
	my $what = one(
		'indisvalid', 'indisready', 'indimmediate', 'indisunique',
		'indisprimary');
	my $change = sub {
		"UPDATE pg_index SET $what = $_[0] WHERE indrelid IN (SELECT relid FROM pg_partition_tree('cdr.$table')) AND indisunique IS NOT NULL";
	};

	return {
		name => "the indexes of $table are not $what",
		sql  => [ $change->('false') ]
	};
}

# ---------------------------------------------------------------------------
# Kinds
# ---------------------------------------------------------------------------

sub _lookalike
{
	my ($table)     = @_;
	my $name        = "cdr.$table";
	my $names       = names_of($table);
	my $definitions = definitions_of($table);
	my $id          = $table eq 'calls' ? 'call_id' : 'event_id';
	my $like        = "CREATE TABLE $name (LIKE odd.was INCLUDING ALL)";
	my $default     = sub {
		"CREATE TABLE cdr.${table}_odd PARTITION OF $name $_[0]";
	};
	my $reversed = join ', ', reverse split /, /, $definitions;

	return one(
		["CREATE VIEW $name AS SELECT * FROM odd.was"],
		["CREATE VIEW $name AS SELECT 1 AS $id"],
		[
			"CREATE VIEW $name AS SELECT $names FROM odd.was UNION ALL SELECT $names FROM odd.was"
		],
		["CREATE MATERIALIZED VIEW $name AS SELECT * FROM odd.was"],
		["CREATE FOREIGN TABLE $name ($definitions) SERVER nowhere"],
		["CREATE SEQUENCE $name"],
		["CREATE TYPE $name AS ($definitions)"],
		[
			"CREATE INDEX $table ON odd.tenants (id)",
			'ALTER INDEX odd.' . $table . ' RENAME TO x'
		],
		["CREATE TABLE $name ()"],
		["CREATE TABLE $name (LIKE odd.was)"],
		[$like],
		["CREATE UNLOGGED TABLE $name (LIKE odd.was INCLUDING ALL)"],
		["CREATE TABLE $name (${\ definitions_of($table, 'text') })"],
		["CREATE TABLE $name (${\ definitions_of($table, 'integer') })"],
		["CREATE TABLE $name (${\ definitions_of($table, 'odd.pair[]') })"],
		["CREATE TABLE $name ($reversed)"],
		[
			"CREATE TABLE $name (${\ join(', ', reverse split /, /, $definitions) }, PRIMARY KEY ($id))"
		],
		[
			"CREATE TABLE $name (LIKE odd.was INCLUDING ALL, more integer NOT NULL)"
		],
		["CREATE TABLE $name () INHERITS (odd.was)"],
		[
			"CREATE TYPE odd.row AS ($definitions)",
			"CREATE TABLE $name OF odd.row"
		],
		[
			"CREATE TABLE $name (LIKE odd.was) PARTITION BY LIST ($id)",
			chance(0.5) ? $default->('DEFAULT') : ()
		],
		[
			"CREATE TABLE $name (LIKE odd.was) PARTITION BY LIST (received_at)",
			chance(0.5) ? $default->('FOR VALUES IN (NULL)') : ()
		],
		[
			"CREATE TABLE $name (LIKE odd.was) PARTITION BY HASH ($id)",
			chance(0.7)
			? $default->('FOR VALUES WITH (MODULUS 1, REMAINDER 0)')
			: ()
		],
		[
			"CREATE TABLE $name (LIKE odd.was) PARTITION BY RANGE ($id)",
			chance(0.5) ? $default->('DEFAULT') : (),
			chance(0.5)
			? "CREATE TABLE cdr.${table}_odd2 PARTITION OF $name FOR VALUES FROM (MINVALUE) TO (MAXVALUE)"
			: ()
		],
		[
			"CREATE TABLE $name (LIKE odd.was) PARTITION BY RANGE (received_at, $id)",
			chance(0.5)
			? $default->(
				"FOR VALUES FROM ('2000-01-01', MINVALUE) TO ('2100-01-01', MAXVALUE)"
			  )
			: $default->('DEFAULT')
		],
		[
			"CREATE TABLE $name (LIKE odd.was) PARTITION BY RANGE ((length($id\::text)))",
			chance(0.5) ? $default->('FOR VALUES FROM (0) TO (99)') : ()
		],
		[
			"CREATE TABLE $name (LIKE odd.was) PARTITION BY RANGE ((received_at + interval '1 h'))"
		],
		[
			"CREATE TABLE $name (LIKE odd.was INCLUDING DEFAULTS) PARTITION BY RANGE (received_at)",
			$default->('DEFAULT')
		],
		$table eq 'call_events'
		? [
			"CREATE TABLE $name (${\ $definitions =~ s/(event_time) timestamp with time zone/$1 @{[ one('date', 'timestamp', 'text', 'bigint') ]}/r }) PARTITION BY RANGE (event_time)",
			chance(0.7) ? $default->('DEFAULT') : (),
			chance(0.4)
			? "CREATE TABLE cdr.${table}_odd2 PARTITION OF $name FOR VALUES FROM (MINVALUE) TO (MAXVALUE)"
			: ()
		  ]
		: [$like]);
}

# Another relation takes the name; then, perhaps, the extension's dependency, too.
sub swap
{
	my ($table) = @_;
	my $new     = _lookalike($table);
	my @sql     = (
		"ALTER TABLE cdr.$table RENAME TO was",
		'ALTER TABLE cdr.was SET SCHEMA odd', @$new);

	if (chance(0.5))
	{
		push @sql,
		  "UPDATE pg_depend SET refobjid = 'cdr.$table'::regclass WHERE refobjid = 'odd.was'::regclass AND refclassid = 'pg_class'::regclass AND classid = 'pg_extension'::regclass";
	}
	elsif (chance(0.3))
	{
		push @sql, 'SELECT cdr.cdr_adopt_tables()';
	}
	return {
		name => "in place of $table: $new->[-1]",
		sql  => \@sql,
		undo => [ 'SELECT keep.save()', "SELECT keep.swap_back('$table')" ],
		rebuild => 1
	};
}

sub kind
{
	my ($table) = @_;
	my $sql = one(
		"CREATE TABLE odd.child () INHERITS (cdr.$table)",
		"ALTER TABLE cdr.$table SET UNLOGGED",
		"ALTER TABLE cdr.$table SET ACCESS METHOD heap",
		"ALTER TABLE cdr.$table REPLICA IDENTITY NOTHING",
		"ALTER TABLE cdr.$table SET (fillfactor = 10)",
		"ALTER TABLE cdr.$table CLUSTER ON ${table}_pkey",
		"CREATE STATISTICS odd.stats ON received_at, tenant_id FROM cdr.$table",
		"CREATE TABLE odd.parent (LIKE cdr.$table); ALTER TABLE cdr.$table INHERIT odd.parent",
		"VACUUM FULL cdr.$table",
		"REINDEX TABLE cdr.$table",
		"CLUSTER cdr.$table USING ${table}_pkey",
		"ANALYZE cdr.$table");

	return {
		name  => $sql,
		sql   => [$sql],
		alone => scalar $sql =~ /^(?:VACUUM|REINDEX|CLUSTER)/
	};
}

# ---------------------------------------------------------------------------
# Partitions
# ---------------------------------------------------------------------------

my $parts = 0;

sub _partition
{
	my $definitions = definitions_of('call_events');
	my $reversed    = join ', ', reverse split /, /, $definitions;
	my $part        = 'part' . ++$parts;
	my $year        = 2000 + int rand 60;
	my $bounds      = one(
		"FROM (MINVALUE) TO ('1990-01-01')",
		"FROM ('2100-01-01') TO (MAXVALUE)",
		"FROM (MINVALUE) TO (MAXVALUE)",
		"FROM ('-infinity') TO ('1980-01-01')",
		"FROM ('2200-01-01') TO ('infinity')",
		"FROM ('infinity') TO (MAXVALUE)",
		"FROM ('4000-01-01 BC') TO ('3999-01-01 BC')",
		"FROM ('$year-01-01 00:00:00.000001Z') TO ('$year-01-01 00:00:00.000002Z')",
		"FROM ('2026-03-01 12:00:00.5Z') TO ('2026-03-01 12:00:07Z')",
		"FROM ('$year-03-01') TO ('" . ($year + 1) . "-02-01')");
	my $attach =
	  "ALTER TABLE cdr.call_events ATTACH PARTITION odd.$part FOR VALUES $bounds";
	my $detach =
	  'ALTER TABLE cdr.call_events DETACH PARTITION cdr.call_events_default';
	my @more = (
		"CREATE TABLE cdr.${part}a PARTITION OF odd.$part FOR VALUES IN ('call-1')",
		"CREATE TABLE odd.${part}b PARTITION OF odd.$part DEFAULT");

	return @{
		one([
				$attach,
				"CREATE TABLE odd.$part (LIKE cdr.call_events INCLUDING ALL)",
				$attach
			],
			[
				$attach, "CREATE TABLE odd.$part (LIKE cdr.call_events)",
				$attach
			],
			[
				"$attach, columns reversed",
				"CREATE TABLE odd.$part ($reversed)",
				$attach
			],
			[
				"$attach, columns dropped before",
				"CREATE TABLE odd.$part (a int, b text, $reversed, c int)",
				"ALTER TABLE odd.$part DROP a, DROP b, DROP c",
				$attach
			],
			[
				"$attach, foreign",
				"CREATE FOREIGN TABLE odd.$part ($definitions) SERVER nowhere",
				$attach
			],
			[
				"$attach, unlogged",
				"CREATE UNLOGGED TABLE odd.$part (LIKE cdr.call_events)",
				$attach
			],
			[
				"$attach, of a superuser",
				"CREATE TABLE odd.$part (LIKE cdr.call_events)",
				$attach,
				"ALTER TABLE odd.$part OWNER TO postgres"
			],
			[
				"$attach, partitioned",
				"CREATE TABLE odd.$part ($reversed) PARTITION BY LIST (call_id)",
				$attach,
				grep { chance(0.6) } @more
			],
			[
				"$attach, partitioned by RANGE",
				"CREATE TABLE odd.$part ($definitions) PARTITION BY RANGE (event_time)",
				$attach,
				"CREATE TABLE odd.${part}c PARTITION OF odd.$part FOR VALUES FROM ('2026-03-01 12:00:03Z') TO ('2026-03-01 12:00:05Z')"
			],
			[
				"$attach, with a trigger",
				"CREATE TABLE odd.$part ($definitions)",
				"CREATE TRIGGER odd BEFORE INSERT ON odd.$part FOR EACH ROW EXECUTE FUNCTION odd.raise('P0001')",
				$attach
			],
			[
				"$attach, with a check",
				"CREATE TABLE odd.$part ($definitions, CHECK (call_id = 'x'))",
				$attach
			],
			[
				'the default is renamed',
				'ALTER TABLE cdr.call_events_default RENAME TO odd_default'
			],
			[
				'the default moves',
				'ALTER TABLE cdr.call_events_default SET SCHEMA odd'
			],
			[
				'the default is detached, and another has its name',
				$detach,
				"ALTER TABLE cdr.call_events_default RENAME TO was_default",
				"CREATE "
				  . one(
					'TABLE cdr.call_events_default (x int)',
					'VIEW cdr.call_events_default AS SELECT 1 AS x',
					'SEQUENCE cdr.call_events_default',
					'TABLE cdr.call_events_default () INHERITS (cdr.calls)')
			],
			[
				'the default is partitioned',
				$detach,
				'ALTER TABLE cdr.call_events_default RENAME TO was_default',
				'CREATE TABLE cdr.call_events_default PARTITION OF cdr.call_events DEFAULT PARTITION BY '
				  . one(
					'LIST (call_id)',
					'HASH (event_id)',
					'RANGE (event_time)',
					'LIST ((length(call_id)))'),
				(   chance(0.5)
					? "CREATE TABLE odd.$part PARTITION OF cdr.call_events_default FOR VALUES "
					  . one(
						"IN ('x')",
						'WITH (MODULUS 2, REMAINDER 1)',
						"FROM ('2026-01-01') TO ('2026-06-01')")
					: ())
			],
			[
				'the default is foreign',
				$detach,
				'ALTER TABLE cdr.call_events_default RENAME TO was_default',
				'CREATE FOREIGN TABLE cdr.call_events_default PARTITION OF cdr.call_events DEFAULT SERVER nowhere'
			],
			[
				'no partition is left',
				'SELECT keep.save()',
				'SELECT keep.drop_partitions()'
			],
			[
				'the default is dropped',
				'SELECT keep.save()',
				'DROP TABLE cdr.call_events_default CASCADE'
			],
			[
				'many partitions',
				"SELECT keep.many_partitions(${\ int rand 60 })"
			],
			[ 'others have the next names', 'SELECT keep.take_names()' ],
			[ 'a partition is detached',    'SELECT keep.detach(1)' ],)
	};
}

sub detach
{
	my ($what, $call) = @{
		one([ 'all partitions are detached', 'SELECT keep.detach(1000)' ],
			[ 'a partition is detached',     'SELECT keep.detach(1)' ],
			[
				'the default is detached',
				q{SELECT keep.detach(1000, 'cdr.call_events_default'::regclass)}
			])
	};

	return {
		name    => $what,
		sql     => [$call],
		undo    => ['SELECT keep.attach()'],
		rebuild => 1
	};
}

sub partitions
{
	my ($name, @sql) = _partition();

	return { name => "partitions: $name", sql => \@sql };
}

# ---------------------------------------------------------------------------
# Names, and what is gone
# ---------------------------------------------------------------------------

sub rename
{
	my ($table) = @_;
	my ($do, $undo) = @{
		one([
				"ALTER TABLE cdr.$table RENAME TO odd_name",
				"ALTER TABLE cdr.odd_name RENAME TO $table"
			],
			[
				"ALTER TABLE cdr.$table SET SCHEMA odd",
				"ALTER TABLE odd.$table SET SCHEMA cdr"
			],
			[
				"ALTER SCHEMA cdr RENAME TO cdr_moved",
				"ALTER SCHEMA cdr_moved RENAME TO cdr"
			],
			[
				"ALTER EXTENSION cdr_service SET SCHEMA odd",
				"ALTER EXTENSION cdr_service SET SCHEMA cdr"
			],
			[
				"ALTER TABLE cdr.calls RENAME TO x; ALTER TABLE cdr.dead_letters RENAME TO calls; ALTER TABLE cdr.x RENAME TO dead_letters",
				"ALTER TABLE cdr.calls RENAME TO x; ALTER TABLE cdr.dead_letters RENAME TO calls; ALTER TABLE cdr.x RENAME TO dead_letters"
			])
	};

	return { name => $do, sql => [$do], undo => [$undo] };
}

sub drop
{
	my ($table) = @_;
	my $create  = 'CREATE EXTENSION cdr_service SCHEMA cdr';
	my $sql     = one(
		["DROP TABLE cdr.$table CASCADE"],
		[ "DROP TABLE cdr.$table CASCADE", 'SELECT cdr.cdr_update_tables()' ],
		['DROP EXTENSION cdr_service CASCADE'],
		['DROP EXTENSION cdr_service'],
		[ 'DROP EXTENSION cdr_service',         $create ],
		[ 'DROP EXTENSION cdr_service CASCADE', $create ],
		[
			"DROP TABLE cdr.$table CASCADE",
			'DROP EXTENSION IF EXISTS cdr_service CASCADE',
			$create
		],
		[
			'DROP EXTENSION cdr_service CASCADE',
			'DROP SCHEMA cdr CASCADE',
			'CREATE SCHEMA cdr',
			$create
		],
		['DROP SCHEMA cdr CASCADE'],
		[
			"DELETE FROM pg_depend WHERE (refobjid = 'cdr.$table'::regclass AND classid = 'pg_extension'::regclass) OR (objid = 'cdr.$table'::regclass AND refclassid = 'pg_extension'::regclass)"
		],
		["ALTER EXTENSION cdr_service DROP TABLE cdr.$table"],
		["ALTER EXTENSION cdr_service ADD TABLE cdr.$table"],
		[
			"UPDATE pg_extension SET extversion = '9.9' WHERE extname = 'cdr_service'"
		],
		["ALTER EXTENSION cdr_service DROP FUNCTION cdr.cdr_status()"],
		["TRUNCATE cdr.$table"],
		['TRUNCATE cdr.calls, cdr.call_events, cdr.dead_letters'],
		["DELETE FROM cdr.$table"],
		['DROP OWNED BY cdr_service CASCADE'],);

	return {
		name => join('; ', @$sql),
		sql  => [ 'SELECT keep.save()', @$sql ]
	};
}

# ---------------------------------------------------------------------------
# What runs, and who may
# ---------------------------------------------------------------------------

sub trigger
{
	my ($table) = @_;
	my $sqlstate = one(
		qw(55000 40001 53400 57014 25001 P0001 23514 0A000
		  22003 57P01 XX001 40P01 P0004 42P01 42883 08006 02000));
	my $column = random_column($table, sub { !$_[0]{generated} });
	my $call   = one(
		"raise('$sqlstate')", "raise('$sqlstate')",
		'nothing()',          "change('$column->{name}')",
		"rewrite('$table')");
	my $events = one(
		'INSERT',           'UPDATE',
		'INSERT OR UPDATE', 'INSERT OR UPDATE OR DELETE');
	my $sql = one(
		"CREATE TRIGGER odd BEFORE $events ON cdr.$table FOR EACH ROW EXECUTE FUNCTION odd.$call",
		"CREATE TRIGGER odd AFTER $events ON cdr.$table FOR EACH ROW EXECUTE FUNCTION odd.$call",
		"CREATE TRIGGER odd BEFORE $events ON cdr.$table FOR EACH STATEMENT EXECUTE FUNCTION odd.$call",
		"CREATE CONSTRAINT TRIGGER odd AFTER $events ON cdr.$table DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION odd.$call",
		"CREATE TRIGGER odd BEFORE $events ON cdr.$table FOR EACH ROW WHEN (odd.nothing(1) IS NULL) EXECUTE FUNCTION odd.$call"
	);
	# what only refuses can be taken away again
	my $refuses = $call =~ /raise/;

	return {
		name  => $sql,
		sql   => [$sql],
		undo  => $refuses ? ["DROP TRIGGER odd ON cdr.$table"] : undef,
		loses => !$refuses
	};
}

sub rule
{
	my ($table) = @_;
	my $event   = one('INSERT', 'UPDATE', 'DELETE');
	my $what    = one(
		'INSTEAD NOTHING',
		"ALSO INSERT INTO odd.tenants VALUES ('x') ON CONFLICT DO NOTHING",
		"ALSO SELECT odd.nothing(1)");

	return {
		name  => "rule on $event of $table: $what",
		sql   => ["CREATE RULE odd AS ON $event TO cdr.$table DO $what"],
		loses => 1
	};
}

sub rights
{
	my ($table) = @_;
	my $sql = one(
		"ALTER TABLE cdr.$table ENABLE ROW LEVEL SECURITY",
		"ALTER TABLE cdr.$table ENABLE ROW LEVEL SECURITY; ALTER TABLE cdr.$table FORCE ROW LEVEL SECURITY",
		"ALTER TABLE cdr.$table ENABLE ROW LEVEL SECURITY; ALTER TABLE cdr.$table FORCE ROW LEVEL SECURITY; CREATE POLICY odd ON cdr.$table USING (odd.nothing(1) IS NULL)",
		"ALTER TABLE cdr.$table OWNER TO fuzz_owner",
		"ALTER TABLE cdr.$table OWNER TO postgres",
		"ALTER TABLE cdr.calls OWNER TO fuzz_owner",
		"ALTER TABLE cdr.calls OWNER TO fuzz_superuser",
		"ALTER TABLE cdr.call_events_default OWNER TO fuzz_owner",
		"SELECT cdr.cdr_adopt_tables('fuzz_owner')",
		"SELECT cdr.cdr_adopt_tables('postgres')",
		"SELECT keep.revoke('cdr.$table')",
		"REVOKE ALL ON SCHEMA cdr FROM PUBLIC, cdr_service",
		"ALTER SCHEMA cdr OWNER TO fuzz_owner",
		"REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pg_catalog FROM fuzz_owner",
		"CREATE EVENT TRIGGER odd ON ddl_command_start EXECUTE FUNCTION odd.refuse()",
		"CREATE EVENT TRIGGER odd ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE', 'CREATE INDEX') EXECUTE FUNCTION odd.refuse()",
		"CREATE EVENT TRIGGER odd ON sql_drop EXECUTE FUNCTION odd.refuse()",
		"CREATE PUBLICATION fuzz FOR ALL TABLES");

	return { name => $sql, sql => [$sql] };
}

1;
