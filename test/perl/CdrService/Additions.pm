# What a DBA adds to the tables, and whether it is still there in another
# database: both databases' catalogs and rows are listed and compared.
package CdrService::Additions;

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Util qw(repository);

# Adds all of test/additions.sql to a database.  What follows compares others
# with it.
sub new
{
	my ($class, $cdr, $database) = @_;
	my $self = bless { kinds => ['as installed'], kind_of => {}, ways => [] },
	  $class;
	my (undef, @parts) =
	  split /^--- (.*)\n/m, slurp_file(repository() . '/test/additions.sql');

	$cdr->sql('CREATE ROLE dba; CREATE ROLE reader; CREATE ROLE clerk');
	$self->_attribute('as installed', catalog_of($cdr, $database));
	while (my ($kind, $statements) = splice @parts, 0, 2)
	{
		push @{ $self->{kinds} }, $kind;
		$cdr->sql($statements, $database);
		$self->_attribute($kind, catalog_of($cdr, $database));
	}
	$self->{catalog} = [ catalog_of($cdr, $database) ];
	$self->{rows}    = [ rows_of($cdr, $database) ];
	return $self;
}

# What is new in a listing comes from the last addition.
sub _attribute
{
	my ($self, $kind, @lines) = @_;
	my $new = 0;

	foreach my $line (@lines)
	{
		next if exists $self->{kind_of}{$line};
		$self->{kind_of}{$line} = $kind;
		$new++;
	}
	die "no catalog knows of: $kind" unless $new;
	return;
}

# What the catalogs of a database say, in lines.
sub catalog_of
{
	my ($cdr, $database) = @_;

	return split /\n/,
	  $cdr->sql(slurp_file(repository() . '/test/catalog.sql'), $database);
}

# The tables and materialized views of a database, with checksums of their rows.
sub rows_of
{
	my ($cdr, $database) = @_;

	return split /\n/, $cdr->sql(<<'EOC', $database);
SET TimeZone = 'UTC';
SELECT format('SELECT %L, count(*), md5(string_agg(t::text, '' '' ORDER BY t::text COLLATE "C")) FROM %s AS t',
			  format('%I.%I', n.nspname, c.relname), c.oid::regclass)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
AND c.relkind IN ('r', 'm')
ORDER BY 1 \gexec
SELECT format('SELECT %L, last_value, is_called FROM %s', c.oid::regclass, c.oid::regclass)
FROM pg_class AS c WHERE c.relkind = 'S' ORDER BY 1 \gexec
EOC
}

# How two listings differ, in lines with "-" and "+" before them.
sub difference
{
	my ($expected, $found) = @_;
	my %count;

	$count{$_}-- foreach @$expected;
	$count{$_}++ foreach @$found;
	return map { ($count{$_} < 0 ? '- ' : '+ ') . $_ }
	  grep { $count{$_} } sort keys %count;
}

# The first of these, in a message that can be read.
sub _shortened
{
	my (@lines) = @_;
	my $more = @lines - 60;

	splice @lines, 60, $more, "and $more more" if $more > 0;
	return join "\n", @lines;
}

# Is a database what the one with the additions was?  Options: except, a pattern
# of the facts and rows that this way cannot bring along; alike, which changes a
# line to what it is compared as; rows, 0 where they have changed since.
sub are_in
{
	my ($self, $cdr, $database, $way, %option) = @_;
	my $except = $option{except} || qr/(?!)/;
	my $alike  = $option{alike}  || sub { return $_[0] };
	my @expected =
	  map { $alike->($_) } grep { !/$except/ } @{ $self->{catalog} };
	my @found =
	  map { $alike->($_) } grep { !/$except/ } catalog_of($cdr, $database);
	my @differences  = difference(\@expected, \@found);
	my $compare_rows = !defined $option{rows} || $option{rows};
	my @rows         = !$compare_rows ? () : difference(
		[ grep { !/$except/ } @{ $self->{rows} } ],
		[ grep { !/$except/ } rows_of($cdr, $database) ]);
	my %lost =
	  map { ($alike->($_) => $self->{kind_of}{$_}) } @{ $self->{catalog} };

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	push @{ $self->{ways} }, $way;
	foreach my $kind (@{ $self->{kinds} })
	{
		$self->{cell}{$kind}{$way} = {
			left_out => scalar(
				grep { /$except/ && $self->{kind_of}{$_} eq $kind }
				  @{ $self->{catalog} }),
			lost =>
			  scalar(grep { /^- (.*)/s && $lost{$1} eq $kind } @differences)
		};
	}
	$self->{rows_in}{$way} =
	  !$compare_rows ? 'not compared' : @rows ? 'differ' : 'same';
	is(_shortened(@rows), '', "$way: every row of every table is there")
	  if $compare_rows;
	return is(_shortened(@differences),
		'', "$way: the catalogs say the same, every addition is there");
}

# Additions by ways, as a table in Markdown.
sub table
{
	my ($self) = @_;
	my @ways = @{ $self->{ways} };
	my @lines =
	  (join(' | ', '| addition', @ways) . ' |', '|' . '---|' x (1 + @ways));

	foreach my $kind (@{ $self->{kinds} })
	{
		my @cells = map { _cell($self->{cell}{$kind}{$_}) } @ways;

		push @lines, join(' | ', "| $kind", @cells) . ' |';
	}
	push @lines, join(' | ', '| rows', @{ $self->{rows_in} }{@ways}) . ' |';
	return join("\n", @lines) . "\n";
}

sub _cell
{
	my ($cell) = @_;

	return "$cell->{lost} lost"                if $cell->{lost};
	return 'same, but what no such dump holds' if $cell->{left_out};
	return 'same';
}

1;
