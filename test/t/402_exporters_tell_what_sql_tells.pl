# What Prometheus knows by either exporter of Debian, with the files that come along,
# is what the views say: every series, every label and value.  The alert rules pass
# promtool, are evaluated, and raise nothing where all is well.

use strict;
use warnings FATAL => 'all';

use File::Copy qw(copy);
use HTTP::Tiny;
use IPC::Run;
use JSON::PP;
use POSIX qw(strftime);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;
use CdrService::Util qw(repository run poll);

foreach my $program (
	qw(prometheus-sql-exporter prometheus-postgres-exporter prometheus promtool)
  )
{
	plan
	  skip_all => "there is no $program (scripts/install-deps --check)"
	  unless grep { -x "$_/$program" } split /:/,
	  $ENV{PATH};
}

my $cdr = CdrService::Fixture->new('exporters',
	config => "listen_addresses = '127.0.0.1'\n");
my $directory = PostgreSQL::Test::Utils::tempdir('prometheus');
my $installed =
  $cdr->node->config_data('--sharedir') . '/extension/cdr_service/monitoring';

# ---------------------------------------------------------------------------
# Calls
# ---------------------------------------------------------------------------

sub event
{
	my ($type, $call, $ago, %more) = @_;
	my $time = strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time - $ago));

	return JSON::PP->new->canonical->encode(
		{ eventType => $type, callId => $call, timestamp => $time, %more });
}

# Far from the bounds of the times that are counted.
my @events;
foreach my $n (1 .. 40)
{
	my $ago = $n % 4 ? 1800 + 10 * $n : 120;
	my %number =
	  (from => '+12025550123', to => $n % 3 ? '1001' : '+4930123456');

	push @events,
	  event('call.started', "call-$n", $ago, %number,
		tenantId => 'tenant-' . $n % 5);
	push @events, event('call.answered', "call-$n", $ago - 5) if $n % 5;
	push @events,
	  event('call.ended', "call-$n", $ago - 30,
		reason => $n % 5 ? 'normal_clearing' : 'user_busy')
	  if $n % 7;
}
# a name that would end a label; a call that is silent for two days
my $odd = qq(a"b\\c\nd});
push @events,
  event('call.started', 'odd', 1800, tenantId => $odd, to => '1001'),
  event('call.started', 'silent', 2 * 86400, tenantId => 'tenant-1');
$cdr->publish(@events, $events[0], 'no event at all');
$cdr->wait_drained(scalar @events);
$cdr->wait_for(
	'sum(duplicates) = 1 AND sum(dead_letters) = 1 FROM cdr_status()');

# ---------------------------------------------------------------------------
# The exporters and Prometheus, by the files that are installed
# ---------------------------------------------------------------------------

$cdr->sql('CREATE ROLE cdr_exporter LOGIN IN ROLE pg_monitor');

my $port = $cdr->node->port;
my %port = map { $_ => PostgreSQL::Test::Cluster::get_free_port() }
  qw(sql_exporter postgres_exporter prometheus);

# A file that comes along, with some words changed, each of which must be there.
sub adapted
{
	my ($name, %changes) = @_;
	my $text = slurp_file("$installed/$name");

	foreach my $old (sort keys %changes)
	{
		$text =~ s/\Q$old\E/$changes{$old}/g or die "$name has no $old";
	}
	append_to_file("$directory/$name", $text);
	return "$directory/$name";
}

my @programs;

sub start
{
	my ($name, @arguments) = @_;

	push @programs,
	  IPC::Run::start([ $name, @arguments ],
		'<', '/dev/null', '>', "$directory/$name.log", '2>&1');
	return;
}

END
{
	local $?;
	foreach my $program (@programs)
	{
		$program->kill_kill(grace => 5);
	}
}

ok(-e "$installed/$_", "$_ is installed")
  foreach map { s{.*/}{}r } glob repository() . '/share/monitoring/*';

copy("$installed/alerts.yml", $directory);
copy(repository() . "/test/monitoring/${_}_test.yml", $directory)
  foreach qw(alerts silence);
my $rules = IPC::Run::start(
	[
		'promtool', 'test',
		'rules', map { "$directory/${_}_test.yml" } qw(alerts silence)
	],
	'<',
	'/dev/null',
	'>',
	"$directory/rules.log",
	'2>&1');

start(
	'prometheus-sql-exporter',
	'-config.file',
	adapted(
		'sql_exporter.yml',
		'127.0.0.1:5432/cdr' => "127.0.0.1:$port/postgres",
		'interval: 15s' => 'interval: 1s',
		'interval: 60s' => 'interval: 1s'),
	'-web.listen-address',
	"127.0.0.1:$port{sql_exporter}");

# as the head of the file says
my $postgres_exporter = adapted('postgres_exporter.yml');
my ($source) =
  slurp_file($postgres_exporter) =~ /^#\s+DATA_SOURCE_NAME='(.*)'$/m;
$source =~ s{host=\S+ }{host=127.0.0.1 port=$port sslmode=disable };
$source =~ s{dbname=cdr}{dbname=postgres};
{
	local $ENV{DATA_SOURCE_NAME} = $source;
	start(
		'prometheus-postgres-exporter',
		'--disable-default-metrics',
		'--disable-settings-metrics',
		"--extend.query-path=$postgres_exporter",
		"--web.listen-address=127.0.0.1:$port{postgres_exporter}");
}

my $config = adapted(
	'prometheus.yml',
	'localhost:9237' => "127.0.0.1:$port{sql_exporter}",
	'localhost:9187' => "127.0.0.1:$port{postgres_exporter}",
	# (a scrape may take as long as that)
	'interval: 15s' => 'interval: 2s',
	# both of the two
	"\n  # - job_name: cdr_service\n" => "\n  - job_name: second\n",
	"\n  #   " => "\n    ");
run([ 'promtool', 'check', 'config', $config ]);
start(
	'prometheus',
	"--config.file=$config",
	"--storage.tsdb.path=$directory/data",
	"--web.listen-address=127.0.0.1:$port{prometheus}");

# What Prometheus says to a question.
sub ask
{
	my ($path) = @_;
	my $answer =
	  HTTP::Tiny->new(timeout => 10)
	  ->get("http://127.0.0.1:$port{prometheus}/api/v1/$path");

	return $answer->{success}
	  ? decode_json($answer->{content})->{data}
	  : undef;
}

# ---------------------------------------------------------------------------
# Every value
# ---------------------------------------------------------------------------

# What the clock changes; it is told to be near.
my %moves =
  map { $_ => 1 }
  qw(cdr_worker_sampled_at cdr_open_oldest_seconds cdr_worker_unhealthy_seconds);

# The series of a job: name and labels, and the value.
sub series_of
{
	my ($job) = @_;
	my $answer = ask('query?query='
		  . qq(%7B__name__%3D~%22cdr_.%2B%22,job%3D%22$job%22%7D));
	my %series;

	foreach my $one ($answer ? @{ $answer->{result} } : ())
	{
		my %labels = %{ $one->{metric} };

		delete @labels{qw(job instance server host database)};
		$series{ JSON::PP->new->canonical->encode(\%labels) } =
		  $one->{value}[1];
	}
	return \%series;
}

my $levels = <<'EOS';
(SELECT "check", CASE level WHEN 'ok' THEN 0 WHEN 'warning' THEN 1 WHEN 'critical' THEN 2 END
	AS level FROM cdr_health)
EOS

# The same, by SQL: each column of numbers, with the columns of text as labels.
sub series_by_sql
{
	my %series;

	foreach my $view (qw(worker traffic open health))
	{
		my $relation = $view eq 'health' ? $levels : "cdr_metrics_$view";
		my $rows =
		  decode_json($cdr->sql("SELECT json_agg(m) FROM $relation AS m"));

		foreach my $row (@$rows)
		{
			my %labels = map { $_ => "$row->{$_}" }
			  grep { exists $row->{$_} }
			  qw(worker queue period tenant_id direction outcome check);

			foreach my $column (grep { !exists $labels{$_} } keys %$row)
			{
				$series{ JSON::PP->new->canonical->encode(
						{ __name__ => "cdr_${view}_$column", %labels })
				} = $row->{$column};
			}
		}
	}
	return \%series;
}

# What differs between two of them.
sub differences
{
	my ($told, $expected) = @_;
	my %all = (%$told, %$expected);
	my @differ;

	foreach my $one (sort keys %all)
	{
		my ($is, $should) = map { $_->{$one} } $told, $expected;
		my ($name) = $one =~ /"__name__":"(\w+)"/;

		next
		  if defined $is
		  && defined $should
		  && abs($is - $should) <= ($moves{$name} ? 120 : 1e-12 * abs $should);
		push @differ, join ' ', $one, map { defined $_ ? $_ : 'none' } $is,
		  $should;
	}
	return @differ;
}

my $expected = series_by_sql();
my @differ;

foreach my $job (qw(cdr_service second))
{
	# health changes while the service gets going, and what was read is seconds old
	my $equal = eval {
		poll(
			sub {
				@differ =
				  differences(series_of($job), $expected = series_by_sql());
				return !@differ;
			},
			"the values of $job",
			0.5);
	};
	ok($equal, "$job: every series is what SQL says")
	  or diag join "\n", @differ > 20 ? @differ[ 0 .. 19 ] : @differ;
}
cmp_ok(scalar keys %$expected, '>', 400, 'they are many');
my $odd_label = JSON::PP->new->allow_nonref->encode($odd);
is( scalar(grep { index($_, $odd_label) >= 0 } keys %$expected),
	2 * 7 * 5 + 4,
	'an odd name is a label');

# ---------------------------------------------------------------------------
# Alert rules
# ---------------------------------------------------------------------------

ok($rules->finish, 'promtool passes the rules')
  or diag slurp_file("$directory/rules.log");

my @rules;
poll(
	sub {
		my $answer = ask('rules') or return 0;

		@rules = map { @{ $_->{rules} } } @{ $answer->{groups} };
		return @rules && !grep { $_->{health} eq 'unknown' } @rules;
	},
	'the rules to be evaluated');
is( join(' ',
		map { $_->{health} eq 'ok' ? () : "$_->{name}: $_->{lastError}" }
		  @rules),
	'',
	'all are evaluated');
is(join(' ', map { $_->{name} } grep { $_->{state} eq 'firing' } @rules),
	'', 'none is raised');

# ---------------------------------------------------------------------------
# Nobody is named
# ---------------------------------------------------------------------------

is( scalar(
		grep { /2025550123|4930123456|call-\d/ }
		  keys %{ series_of('cdr_service') }),
	0,
	'no label has a number or an id');
like(
	$cdr->error_of('SET ROLE cdr_exporter; SELECT count(*) FROM calls'),
	qr/permission denied for table calls/,
	'the role may not read calls');

$cdr->nothing_left('exporters');

done_testing();
