# Alterations of the columns of the extension's tables, and of what stands in
# them; see CdrService::Alterations.
package CdrService::AlteredColumns;

use strict;
use warnings FATAL => 'all';

use CdrService::AlteredTables qw(one chance columns_of key_of random_column
  free_generated);

# For each type: others, how a value ("%s") becomes one of them, and how it
# comes back, if it can.
my %others = (
	'text' => [
		[ 'varchar',    '%s', '%s' ],
		[ 'varchar(3)', 'left(%s, 3)' ],
		[ 'char(40)',   'left(%s, 40)' ],
		[ '"char"',     '%s::"char"' ],
		[ 'name',       '%s::name' ],
		[ 'bytea',     "convert_to(%s, 'UTF8')", "convert_from(%s, 'UTF8')" ],
		[ 'json',      'to_json(%s)' ],
		[ 'jsonb',     'to_jsonb(%s)' ],
		[ 'integer',   'length(%s)' ],
		[ 'text[]',    'ARRAY[%s]', '%s[1]' ],
		[ 'odd.word',  '%s',        '%s' ],
		[ 'odd.shout', 'upper(left(%s, 9))' ],
		[ 'text COLLATE "default"', '%s',                   '%s' ],
		[ 'text COLLATE odd.blind', '%s',                   '%s' ],
		[ 'odd.pair',               'ROW(1, %s)::odd.pair', '(%s).b' ],
		[ 'uuid',                   'md5(%s)::uuid' ],
		[ 'timestamptz',            'now()' ],
	],
	'timestamp with time zone' => [
		[ 'timestamp', "%s AT TIME ZONE 'UTC'", "%s AT TIME ZONE 'UTC'" ],
		[ 'date',      '%s::date' ],
		[ 'text',      '%s::text', '%s::timestamptz' ],
		[ 'bigint',         '0' ],
		[ 'time',           '%s::time' ],
		[ 'interval',       "'1 day'::interval" ],
		[ 'timestamptz(0)', '%s' ],
		[ 'odd.moment',     '%s',        '%s' ],
		[ 'timestamptz[]',  'ARRAY[%s]', '%s[1]' ],
	],
	'uuid' => [
		[ 'text',    '%s::text', '%s::uuid' ],
		[ 'name',    '%s::text::name' ],
		[ 'bytea',   "decode(md5(%s::text), 'hex')" ],
		[ 'odd.id',  '%s', '%s' ],
		[ 'bigint',  '1' ],
		[ '"char"',  "'x'" ],
		[ 'boolean', 'true' ],
	],
	'bigint' => [
		[ 'integer',     '%s::integer', '%s' ],
		[ 'smallint',    'least(%s, 9)::smallint' ],
		[ 'numeric',     '%s',       '%s::bigint' ],
		[ 'text',        '%s::text', '%s::bigint' ],
		[ 'float8',      '%s' ],
		[ 'boolean',     '%s > 0' ],
		[ '"char"',      "'x'" ],
		[ 'uuid',        'md5(%s::text)::uuid' ],
		[ 'timestamptz', 'now()' ],
	],
	'integer' => [
		[ 'bigint',   '%s', '%s::integer' ],
		[ 'smallint', '1' ],
		[ 'text',     '%s::text', '%s::integer' ],
		[ 'numeric',  '%s',       '%s::integer' ],
		[ 'boolean',  '%s > 0' ],
	],
	'json' => [
		[
			'jsonb',
			"CASE WHEN %s::text ~ 'ud' THEN '{}' ELSE %s::text::jsonb END"
		],
		[ 'text', '%s::text', '%s::json' ],
		[
			'bytea',
			"convert_to(%s::text, 'UTF8')",
			"convert_from(%s, 'UTF8')::json"
		],
		[ 'odd.document', '%s',        '%s' ],
		[ 'json[]',       'ARRAY[%s]', '%s[1]' ],
		[ 'integer',      '1' ],
	],
	'bytea' => [
		[ 'text',    "encode(%s, 'hex')", "decode(%s, 'hex')" ],
		[ 'json',    "to_json(encode(%s, 'hex'))" ],
		[ 'bytea[]', 'ARRAY[%s]', '%s[1]' ],
		[ 'uuid',    "md5(%s)::uuid" ],
		[ 'bigint',  'length(%s)' ],
		[ '"char"',  "'x'" ],
	],);
my $anything = [
	[ 'text',    '%s::text' ],
	[ 'bytea',   "convert_to(%s::text, 'UTF8')" ],
	[ 'integer', '1' ],
	[ 'bigint',  '1' ],
];


sub retype
{
	my ($table) = @_;
	my $column = random_column($table);
	my ($name, $type) = @$column{qw(name type)};
	my ($other, $to, $back) = @{ one(@{ $others{$type} || $anything }) };
	my @sql = ('SELECT keep.save()');
	my @undo;

	if (chance(0.3))
	{
		push @sql, "DELETE FROM cdr.$table";
		$back = undef;
	}
	if (grep { $_->{generated} } columns_of($table))
	{
		push @sql, free_generated($table);
		$back = undef;
	}
	if (key_of($table) =~ /\b$name\b/ && chance(0.5))
	{
		push @sql, "SELECT keep.drop_keys('cdr.$table')";
		$back = undef;
	}
	push @sql, "ALTER TABLE cdr.$table ALTER $name DROP DEFAULT"
	  if $column->{default} ne '' && !$column->{generated};
	push @sql,
	  "ALTER TABLE cdr.$table ALTER $name TYPE $other USING " . $to =~
	  s/%s/$name/gr;
	if (defined $back)
	{
		my $collate =
		  $type eq 'text' && $name eq 'call_id' ? ' COLLATE "C"' : '';

		@undo =
		  ("ALTER TABLE cdr.$table ALTER $name TYPE $type$collate USING "
			  . $back =~ s/%s/$name/gr);
		push @undo,
		  "ALTER TABLE cdr.$table ALTER $name SET DEFAULT $column->{default}"
		  if $column->{default} ne '';
	}
	return {
		name => "$table.$name becomes $other",
		sql  => \@sql,
		undo => defined $back ? \@undo : undef
	};
}

sub nullable
{
	my ($table) = @_;
	my $column  = random_column($table, sub { $_[0]{notnull} });
	my $name    = $column->{name};
	my $writes  = chance(0.5);
	my $in_key  = key_of($table) =~ /\b$name\b/;
	my @sql;

	push @sql, "SELECT keep.drop_keys('cdr.$table')" if $in_key;
	push @sql, "ALTER TABLE cdr.$table ALTER $name DROP NOT NULL";
	if ($writes)
	{
		push @sql, 'SELECT keep.save()';
		push @sql, "ALTER TABLE cdr.$table ALTER $name DROP EXPRESSION"
		  if $column->{generated};
		push @sql,
		  "UPDATE cdr.$table SET $name = NULL WHERE ctid = ANY (ARRAY(SELECT ctid FROM cdr.$table LIMIT 5))",
		  "INSERT INTO cdr.$table DEFAULT VALUES";
	}
	return {
		name => "$table.$name may be NULL" . ($writes ? ', and is' : ''),
		sql  => \@sql,
		undo => $writes || $in_key
		? undef
		: ["ALTER TABLE cdr.$table ALTER $name SET NOT NULL"]
	};
}

sub all_nullable
{
	my ($table) = @_;

	return {
		name => "no column of $table is NOT NULL, and a row has nothing",
		sql  => [
			"SELECT keep.drop_keys('cdr.$table')",
			free_generated($table),
			(   map {
					"ALTER TABLE cdr.$table ALTER $_->{name} DROP NOT NULL, ALTER $_->{name} DROP DEFAULT"
				} columns_of($table)),
			"INSERT INTO cdr.$table DEFAULT VALUES"
		]
	};
}

sub default
{
	my ($table) = @_;
	my $column  = random_column($table, sub { !$_[0]{generated} });
	my $name    = $column->{name};
	my $new     = one(
		'NULL',
		"odd.fail('22023')::text::$column->{type}",
		"'1'::text::$column->{type}");

	return {
		name => "$table.$name has default $new",
		sql  => ["ALTER TABLE cdr.$table ALTER $name SET DEFAULT $new"],
		undo => [
			"ALTER TABLE cdr.$table ALTER $name "
			  . (
				$column->{default} ne ''
				? "SET DEFAULT $column->{default}"
				: 'DROP DEFAULT')
		]
	};
}

sub plain
{
	my ($table) = @_;
	my @sql = free_generated($table);

	@sql = ("ALTER TABLE cdr.$table ALTER call_id DROP EXPRESSION")
	  unless @sql;
	@sql = (one(@sql)) if chance(0.5);
	return { name => "generated columns of $table turn plain", sql => \@sql };
}

sub identity
{
	my ($table) = @_;
	my $column = random_column($table, sub { $_[0]{type} =~ /int/ })
	  || random_column($table);
	my $name = $column->{name};
	my @sql;

	push @sql, "ALTER TABLE cdr.$table ALTER $name DROP DEFAULT"
	  if $column->{default} ne '';
	push @sql, "UPDATE cdr.$table SET $name = 1 WHERE $name IS NULL",
	  "ALTER TABLE cdr.$table ALTER $name SET NOT NULL"
	  unless $column->{notnull};
	return {
		name => "$table.$name becomes an identity",
		sql  => [
			@sql,
			"ALTER TABLE cdr.$table ALTER $name ADD GENERATED "
			  . one('ALWAYS', 'BY DEFAULT')
			  . ' AS IDENTITY'
		],
		undo => !@sql
		? ["ALTER TABLE cdr.$table ALTER $name DROP IDENTITY"]
		: undef
	};
}

sub readd
{
	my ($table) = @_;
	my $column = random_column($table);
	my ($name, $type) = @$column{qw(name type)};

	return {
		name => "$table.$name is dropped and added again",
		sql  => [
			'SELECT keep.save()',
			(chance(0.3) ? "DELETE FROM cdr.$table" : ()),
			"ALTER TABLE cdr.$table DROP COLUMN $name CASCADE",
			"ALTER TABLE cdr.$table ADD COLUMN $name "
			  . one($type, $type, 'text', 'integer')
		]
	};
}

sub drop_column
{
	my ($table) = @_;
	my $name = random_column($table)->{name};

	return {
		name => "$table.$name is dropped",
		sql  => [
			'SELECT keep.save()',
			"ALTER TABLE cdr.$table DROP COLUMN $name CASCADE"
		]
	};
}

sub rename_column
{
	my ($table) = @_;
	my $name    = random_column($table)->{name};
	my $other   = random_column($table)->{name};
	my @swap    = (
		"ALTER TABLE cdr.$table RENAME $name TO was_so",
		"ALTER TABLE cdr.$table RENAME $other TO $name",
		"ALTER TABLE cdr.$table RENAME was_so TO $other");

	return {
		name    => "$table.$name and $other change names",
		sql     => \@swap,
		undo    => \@swap,
		rebuild => 1
	  }
	  if $name ne $other && chance(0.5);
	return {
		name => "$table.$name is renamed",
		sql  => ["ALTER TABLE cdr.$table RENAME $name TO was_so"],
		undo => ["ALTER TABLE cdr.$table RENAME was_so TO $name"]
	};
}

# Among the names are some that later versions may use.
sub add_column
{
	my ($table) = @_;
	my $name = one(
		'extra',       'c1',
		'merge_state', 'anomalies',
		'salt',        'mapping',
		'time_source', 'recorded_at',
		'ring_time',   'trunk',
		'headers',     'message_id',
		'sip_status',  '"Weird ""name"""',
		'tableoid_',   'event');
	my $what = one(
		'integer',
		'integer NOT NULL DEFAULT 0',
		'integer NOT NULL',
		'text NOT NULL DEFAULT odd.fail(\'22012\')',
		'odd.pair',
		'odd.pair[]',
		'odd.never NULL',
		'odd.word_always',
		'bytea[]',
		'xid',
		'serial',
		'integer GENERATED ALWAYS AS (1) STORED',
		'text GENERATED ALWAYS AS (call_id) STORED',
		'text GENERATED ALWAYS AS (odd.nothing(1)) STORED',
		'uuid UNIQUE',
		'text CHECK (false)');
	my @sql = ("ALTER TABLE cdr.$table ADD COLUMN $name $what");

	push @sql, "ALTER TABLE cdr.$table ALTER $name DROP DEFAULT"
	  if $what =~ /DEFAULT 0/ && chance(0.7);
	return {
		name => "$table gets column $name $what",
		sql  => \@sql,
		undo => ["ALTER TABLE cdr.$table DROP COLUMN $name CASCADE"]
	};
}

sub many_columns
{
	my ($table) = @_;

	return {
		name => "$table gets many columns, most of them dropped again",
		sql  => ["SELECT keep.many_columns('cdr.$table')"]
	};
}

# ---------------------------------------------------------------------------
# Rows by hand
# ---------------------------------------------------------------------------

my %wild = (
	'text' => [
		"''",            "'x'", "repeat('x', 2000000)",
		"E'\\n\\t\\\\'", "'call-1'",
		"chr(65533)",    "'NULL'", "repeat(md5('x'), 80)"
	],
	'timestamp with time zone' => [
		"'infinity'",               "'-infinity'",
		"'4713-01-01 00:00:00 BC'", "'294276-12-31 23:59:59.999999'",
		"'epoch'",                  "'2026-03-01 12:00:01Z'",
		'now()'
	],
	'uuid' => [
		"'00000000-0000-0000-0000-000000000000'",
		"'ffffffff-ffff-ffff-ffff-ffffffffffff'",
		'gen_random_uuid()'
	],
	'bigint'  => [ '9223372036854775807', '-9223372036854775808', '0', '-1' ],
	'integer' => [ '2147483647',          '-2147483648',          '0', '1' ],
	'json'    => [
		q{'"\ud800"'},
		q{'{"eventType":"call.started","callId":"\ud800"}'},
		q{'null'},
		q{'[]'},
		q{'{"eventType":"call.ended","timestamp":"\u0000"}'},
		q{(repeat('[', 3000) || repeat(']', 3000))::json},
		q{('{"callId":"' || repeat('y', 3000000) || '"}')::json},
		q{'{"eventType":"call.started","callId":"call-1","from":1e400,"from":{},"dialplan":[1]}'},
		q{'1e999999'}
	],
	'bytea' => [
		"''",        "'\\x00'",
		"'\\x0a'",   "'{\"callId\":\"y\",\"eventType\":\"call.started\"}'",
		"'\\xff'",   "decode(repeat('0a', 500000), 'hex')",
		"'\\x0aff'", "'{\"callId\":\"\\\\ud800\"}'"
	],
	'"char"' => [ "''",   "'x'",        "'b'" ],
	'text[]' => [ "'{}'", "'{NULL,x}'", "'{{a,b},{c,d}}'" ],);

sub _wild_row
{
	my ($table) = @_;
	my @names;
	my @values;

	foreach my $column (grep { !$_->{generated} } columns_of($table))
	{
		next if !$column->{notnull}      && chance(0.4);
		next if $column->{default} ne '' && chance(0.3);
		push @names, $column->{name};
		push @values, !$column->{notnull} && chance(0.2)
		  ? 'NULL'
		  : one(@{ $wild{ $column->{type} } || ['NULL'] });
	}
	return
		"INSERT INTO cdr.$table ("
	  . join(', ', @names)
	  . ") VALUES ("
	  . join(', ', @values) . ')';
}

sub write
{
	my ($table) = @_;
	my $column  = random_column($table, sub { !$_[0]{generated} });
	my $value   = one(@{ $wild{ $column->{type} } || ['NULL'] });

	return {
		name => "all $table have $column->{name} $value",
		sql  => [
			'SELECT keep.save()',
			"UPDATE cdr.$table SET $column->{name} = $value"
		]
	  }
	  if chance(0.2);
	return {
		name => "rows of $table are written by hand",
		sql  => [ _wild_row($table) ]
	};
}

# A lock that is held until the transaction has noted what it did.
sub waver
{
	my ($table) = @_;
	my $mode =
	  one('ACCESS EXCLUSIVE', 'SHARE', 'SHARE ROW EXCLUSIVE', 'EXCLUSIVE');

	return {
		name => "$table is locked for a moment, in mode $mode",
		sql  => ["LOCK TABLE cdr.$table IN $mode MODE"],
		undo => []
	};
}

1;
