# The extension's tables as they should be, and random choices from them, for
# whoever alters them (CdrService::Alterations).
package CdrService::AlteredTables;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';

our @EXPORT_OK = qw(learn_tables one chance random_table columns_of key_of
  random_column definitions_of names_of free_generated);

my @tables = ('call_events', 'calls', 'dead_letters');
my %columns;    # of each table, in their order
my %key;        # its primary key, or undefined

sub one { return $_[ rand @_ ]; }

sub random_table { return one(@tables); }

sub chance { return rand() < $_[0]; }

# Hears of the tables as they should be, from a psql that prints with "|".
sub learn_tables
{
	my ($cdr) = @_;

	foreach my $table (@tables)
	{
		my @lines = split /\n/, $cdr->sql(<<"EOS");
SELECT attname, format_type(atttypid, atttypmod), attnotnull, attgenerated <> '',
	   COALESCE(translate(pg_get_expr(adbin, adrelid), chr(10), ' '), '')
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = 'cdr.$table'::regclass AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
EOS
		foreach my $line (@lines)
		{
			my %column;

			@column{qw(name type notnull generated default)} =
			  split /\|/, $line, 5;
			$column{$_} = $column{$_} eq 't' foreach qw(notnull generated);
			push @{ $columns{$table} }, \%column;
		}
		$key{$table} = $cdr->sql(
			"SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'cdr.$table'::regclass AND contype = 'p'"
		);
	}
	return;
}

sub columns_of { return @{ $columns{ $_[0] } }; }

sub key_of { return $key{ $_[0] }; }

sub random_column
{
	my ($table, $condition) = @_;
	my @some = grep { !$condition || $condition->($_) } @{ $columns{$table} };

	return one(@some);
}

# "name type, ..." of a table, and the names alone.
sub definitions_of
{
	my ($table, $as) = @_;

	return join ', ',
	  map { "$_->{name} " . ($as || $_->{type}) } @{ $columns{$table} };
}

sub names_of
{
	my ($table) = @_;

	return join ', ', map { $_->{name} } @{ $columns{$table} };
}

# What follows from other columns keeps them from being changed.
sub free_generated
{
	my ($table) = @_;

	return map {
		"ALTER TABLE cdr.$table ALTER $_->{name} DROP EXPRESSION IF EXISTS"
	  }
	  grep { $_->{generated} } columns_of($table);
}

1;
