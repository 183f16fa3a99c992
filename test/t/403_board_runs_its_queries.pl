# Every query of the Grafana board, with its macros and variables expanded as Grafana
# does, runs with the rights that the documents name, gives the columns that its panel
# needs, and finds its calls by the index on their time.

use strict;
use warnings FATAL => 'all';

use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;
use CdrService::Util qw(repository);

my $cdr = CdrService::Fixture->new('board', broker => 0);
my $board =
  decode_json(
	slurp_file(repository() . '/share/monitoring/grafana_board.json'));

# a month of calls, of which one day is in view
$cdr->sql(<<'EOS');
INSERT INTO calls (call_id, status, disposition, direction, caller_number, callee_number, trunk, tenant_id,
	start_time, answer_time, end_time, hangup_cause, event_count, first_event_time, last_event_time)
SELECT 'call ' || n, 'COMPLETED', CASE n % 4 WHEN 0 THEN 'FAILED' WHEN 1 THEN 'BUSY' ELSE 'ANSWERED' END, 'inbound',
	'+12025550123', '+4930123456', 'east', 'tenant-' || n % 3, t, CASE WHEN n % 4 > 1 THEN t + '5 s' END, t + '1 min',
	CASE n % 4 WHEN 0 THEN 'network_failure' WHEN 1 THEN 'user_busy' ELSE 'normal_clearing' END, 3, t, t + '1 min'
FROM (SELECT n, timestamptz '2026-03-01' + n * interval '2 min' AS t FROM generate_series(1, 22000) AS n) AS x;
CREATE ROLE cdr_grafana LOGIN IN ROLE pg_monitor;
GRANT SELECT ON calls TO cdr_grafana;
EOS
$cdr->sql('VACUUM ANALYZE calls');

# The annotations of an extension that has no alerts are left out.
my $alerts =
  $cdr->sql(q{SELECT to_regclass('cdr_alerts') IS NOT NULL}) eq 't';
$cdr->sql('GRANT SELECT ON cdr_alerts TO cdr_grafana') if $alerts;

my ($from, $to) = ('2026-03-10T00:00:00Z', '2026-03-11T00:00:00Z');

sub quoted { return q{'} . $_[0] =~ s/'/''/gr . q{'}; }

sub expand
{
	my ($sql, %value) = @_;

	$sql =~ s/\$\{(\w+):sqlstring\}/quoted($value{$1})/ge;
	$sql =~ s/\$\{__from:date:iso\}/$from/g;
	$sql =~ s/\$\{__to:date:iso\}/$to/g;
	$sql =~ s/\$__timeFrom\(\)/'$from'/g;
	$sql =~ s/\$__timeTo\(\)/'$to'/g;
	$sql =~ s/\$__timeFilter\(([^()]*)\)/$1 BETWEEN '$from' AND '$to'/g;
	$sql =~
	  s/\$__timeGroup\(([^(),]*), *'?\$__interval'?\)/floor(extract(epoch FROM $1) \/ 3600) * 3600/g;
	$sql =~ s/\$__interval/1h/g;
	return $sql;
}

# Runs a query as the role of the board: its columns, rows, and how often calls was
# read by the index and from end to end.
sub told
{
	my ($sql) = @_;
	# (what the session has counted before is not this query's)
	my $rows = $cdr->sql(<<"EOS");
SELECT FROM pg_stat_force_next_flush();
BEGIN;
SET LOCAL ROLE cdr_grafana;
CREATE TEMP TABLE result AS $sql;
SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'result'::regclass AND attnum > 0;
SELECT count(*) FROM result;
SELECT pg_stat_get_xact_numscans('calls_attempt_time_idx'::regclass), pg_stat_get_xact_numscans('calls'::regclass);
ROLLBACK;
EOS
	my ($columns, $count, $scans) = split /\n/, $rows;

	return ($columns, $count, split /\|/, $scans);
}

# ---------------------------------------------------------------------------
# Panels
# ---------------------------------------------------------------------------

my @queries;
foreach my $panel (@{ $board->{panels} })
{
	push @queries, [ $panel->{title}, $panel->{type}, $_ ]
	  foreach @{ $panel->{targets} || [] };
}
cmp_ok(scalar @queries, '>=', 15, 'there are panels');

foreach my $one (@queries)
{
	my ($title, $type, $target) = @$one;
	my $sql = $target->{rawSql};
	my $now = $sql =~ /cdr_status|cdr_health/;

	foreach my $value ({ tenant => '', zone => 'UTC' },
		{ tenant => 'tenant-1', zone => 'Europe/Berlin' })
	{
		my $expanded = expand($sql, %$value);
		my $name = "$title, of '$value->{tenant}'";

		unlike($expanded, qr/\$/, "$name: all is expanded");
		# (without a broker there are workers, and without preloading none)
		my ($columns, $count, $by_index, $whole) = told($expanded);

		cmp_ok($count, '>', 0, "$name: rows");
		is($columns, 'time,metric,value', "$name: time, metric, value")
		  if $target->{format} eq 'time_series';
		is($columns, 'value', "$name: one value") if $type eq 'stat';
		next if $now;
		is($whole, 0, "$name: calls are not read from end to end");
		cmp_ok($by_index, '>', 0, "$name: but by the index")
		  if $sql =~ /FROM calls/;
	}
}

# what the board shows is what there is
my ($outcomes) = grep { $_->[0] eq 'Calls by outcome' } @queries;
is( $cdr->sql(
			'SELECT metric, sum(value) FROM ('
		  . expand($outcomes->[2]{rawSql}, tenant => '', zone => 'UTC')
		  . ') AS q GROUP BY 1 HAVING sum(value) > 0 ORDER BY 1'),
	join("\n", 'answered|360', 'busy|180', 'failed|180'),
	'a day has 720 calls');
is( $cdr->sql(
		'SELECT count(*), sum(value) FROM ('
		  . expand(
			$outcomes->[2]{rawSql},
			tenant => q{x'; DROP TABLE calls; --},
			zone => 'UTC')
		  . ') AS q'),
	'0|',
	'a name that would end a query is a name');

# ---------------------------------------------------------------------------
# Variables, annotations, the report
# ---------------------------------------------------------------------------

my %variable = map { $_->{name} => $_ } @{ $board->{templating}{list} };
is(join(' ', sort keys %variable), 'tenant zone', 'variables');
is((told($variable{tenant}{query}))[0],
	'__text,__value', 'tenants have a name and a value');
$cdr->sql('SELECT now() AT TIME ZONE ' . quoted($_))
  foreach split /,/, $variable{zone}{query};

my ($annotation) = @{ $board->{annotations}{list} };
SKIP:
{
	skip 'there are no alerts in this extension', 1 unless $alerts;
	is( (told(expand($annotation->{target}{rawSql}, tenant => '')))[0],
		'time,timeend,title,text,tags',
		'alerts are annotations');
}

my ($report) = grep { $_->{type} eq 'text' } @{ $board->{panels} };
is($report->{gridPos}{y}, 0, 'the call of the report is at the head');
is($report->{options}{mode}, 'code', 'as text, for a tenant may be markup');
SKIP:
{
	skip 'there is no report in this extension', 1
	  unless $cdr->sql(q{SELECT to_regproc('cdr_report') IS NOT NULL}) eq 't';
	like(
		$cdr->sql(
			expand(
				$report->{options}{content},
				tenant => '',
				zone => 'UTC')),
		qr/^<!doctype html/i,
		'and gives a page');
}

# every panel and query asks the data source that is provisioned
my ($uid) =
  slurp_file(repository() . '/share/monitoring/grafana_datasource.yml') =~
  /^    uid: (\w+)$/m;
is( join(' ', grep { $_ ne $uid } map { $_->[2]{datasource}{uid} } @queries),
	'',
	'the data source is the one that is provisioned');

$cdr->node->stop;

done_testing();
