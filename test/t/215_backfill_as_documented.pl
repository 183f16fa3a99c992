# doc/backfill.md is true: the commands of each section, as they stand, make of the
# files that a platform writes the calls that these tell of; and run again, nothing.

use strict;
use warnings FATAL => 'all';

use Cwd qw(getcwd);
use File::Copy qw(copy);
use File::Path qw(make_path);
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;
use CdrService::Util qw(repository);

my $cdr       = CdrService::Fixture->new('backfill', broker => 0);
my $files     = $cdr->node->basedir . '/files';
my $platforms = repository() . '/test/platforms';
my $text      = slurp_file(repository() . '/doc/backfill.md');
my %scripts;    # title => [ blocks of commands ]

make_path($files);
foreach my $section (split /^##+ /m, $text)
{
	my ($title, $rest) = $section =~ /\A([^\n]*)\n(.*)/s or next;

	# a blank line within a block is of the block
	$scripts{$title} =
	  [ map { s/^    //mgr } $rest =~ /((?:^    .*\n|^\n(?=    ))+)/mg ];
}

# The commands of a section, in the directory where the files are.
sub commands_of
{
	my ($title) = @_;

	return join '', grep { !/^(?:modparam|cdr_backfill:|GRANT)/ }
	  map { s/^\n+//r } @{ $scripts{$title} };
}

my $here = getcwd();

# What psql says to them, values alone.
sub output_of
{
	my ($database, $commands) = @_;

	chdir $files or die "cannot chdir: $!";
	my ($code, $out, $err) =
	  $cdr->node->psql($database, $commands, on_error_die => 0,
		extra_params => [ '-v', 'ON_ERROR_STOP=1' ]);
	chdir $here or die "cannot chdir: $!";
	is $code, 0, "the commands of $database succeed" or diag $err;
	return $out;
}

# Of each CALL: rows, stored, known, dead letters, without call, without time.
sub counts_in
{
	return [ grep { /^\d+(?:\|\d+){5}$/ } split /\n/, $_[0] ];
}

my $database = 0;

sub new_database
{
	my $name = 'section' . ++$database;

	$cdr->sql("CREATE DATABASE $name");
	$cdr->sql('CREATE EXTENSION cdr_service', $name);
	return $name;
}

# Calls as the index of the samples has them, which was worked out by hand.
sub calls_are
{
	my ($name, $expected, $title) = @_;

	foreach my $call (sort keys %$expected)
	{
		my $columns = $expected->{$call};
		my @names   = sort keys %$columns;
		my $found   = $cdr->sql(
			"SET timezone = 'UTC'; SELECT json_build_array("
			  . join(', ',
				map { /_time$/ ? qq{to_char($_, 'YYYY-MM-DD"T"HH24:MI:SS"Z"')} : $_ }
				  @names)
			  . ") FROM calls WHERE call_id = '$call'",
			$name);

		is_deeply decode_json($found), [ @{$columns}{@names} ],
		  "$title: $call is as it was";
	}
	is $cdr->sql('SELECT count(*) FROM calls', $name),
	  scalar keys %$expected, "$title: there are no other calls";
	is $cdr->sql('SELECT count(*) FROM cdr_verify_calls()', $name), 0,
	  "$title: they are as the log says";
	return;
}

# A section, on the samples of its platform: of each CALL, how many rows it reads.
sub section
{
	my ($title, $folder, @rows) = @_;
	my $index    = decode_json(slurp_file("$platforms/$folder/index.json"));
	my $name     = new_database();
	my $commands = commands_of($title);

	copy("$platforms/$folder/$_->{file}", $files)
	  foreach @{ $index->{events} };
	is_deeply counts_in(output_of($name, $commands)),
	  [ map { "$_|$_|0|0|0|0" } @rows ], "$title: all rows are events";
	calls_are($name, $index->{expect}, $title);
	is $cdr->sql(
		q{SELECT count(*) FROM call_events WHERE tableoid = 'call_events_default'::regclass},
		$name),
	  0, "$title: partitions were made for the rows";
	is_deeply counts_in(
		output_of($name, $commands =~ s/INSERT INTO cdr_mappings.*?;//sr)),
	  [ map { "$_|0|$_|0|0|0" } @rows ], "$title: again, none is new";
	calls_are($name, $index->{expect}, $title);
	return ($name, $index);
}

# ---------------------------------------------------------------------------
# Asterisk
# ---------------------------------------------------------------------------

my ($name, $index) = section('Asterisk', 'csv_asterisk', 2);
my $master = slurp_file("$platforms/csv_asterisk/Master.csv");


# The same two calls as cdr_custom.conf.sample writes them: everything in quotes.
append_to_file("$files/custom.csv", <<'EOF');
"""Alice"" <+12025550123>","+12025550123","+12025550199","from-trunk","PJSIP/trunk-00000041","PJSIP/1001-00000042","Dial","PJSIP/1001,30","2026-03-08 21:00:00","2026-03-08 21:00:03","2026-03-08 21:02:30","150","147","ANSWERED","DOCUMENTATION","tenant-atlas","1773000000.41","","12"
"""Alice"" <+12025550123>","+12025550123","+12025550199","from-trunk","PJSIP/trunk-00000043","PJSIP/1001-00000044","Dial","PJSIP/1001,30","2026-03-08 21:00:20","","2026-03-08 21:00:22","2","0","BUSY","DOCUMENTATION","tenant-atlas","1773000020.43","","13"
EOF
my $custom = new_database();
# the mapping is inserted once, by the section before
my ($mapping) = commands_of('Asterisk') =~ /(INSERT INTO cdr_mappings.*?;)/s;
output_of($custom, $mapping);
is_deeply counts_in(output_of($custom, commands_of('The other order'))),
  ['2|2|0|0|0|0'], 'the other order: all rows are events';
calls_are($custom, $index->{expect}, 'the other order');

# both files, and live events in between: two events more of a call, and what these
# say is what was
output_of($custom,
	    'SELECT cdr_ingest_event(\'{"eventType":"call.started","callId":"1773000000.41",'
	  . '"timestamp":"2026-03-08T20:00:00.25Z","from":"+12025550123","to":"1001"}\')');
output_of($custom,
	commands_of('Asterisk') =~ s/INSERT INTO cdr_mappings.*?;//sr);
my $expect = $index->{expect};
$_->{event_count} = 2 foreach values %$expect;
@{ $expect->{'1773000000.41'} }{qw(callee_number event_count)} = ('1001', 3);
@{ $expect->{'1773000000.41'} }{qw(duration_seconds)} = (149);
delete $expect->{'1773000000.41'}{tenant_id};
calls_are($custom, $expect, 'live events above both files');

# Without an id: the last two columns are not there, and one line comes twice.
my @lines = map { s/,"1773[^,]*",""$//r . "\n" } split /\n/, $master;
append_to_file("$files/anonymous.csv", join('', @lines, $lines[1]));
my $anonymous = new_database();
output_of($anonymous, $mapping);
my $commands  = commands_of('Rows without an id');
is_deeply counts_in(output_of($anonymous, $commands)), ['3|3|0|0|0|0'],
  'rows without an id: equal ones are several';
append_to_file("$files/anonymous.csv", $lines[0] =~ s/BUSY|ANSWERED/FAILED/r);
is_deeply counts_in(
	output_of($anonymous, $commands)),
  ['4|1|3|0|0|0'], 'rows without an id: those of a file that has grown are added';
is $cdr->sql(
	q{SELECT string_agg(disposition || ' ' || duration_seconds, ', ' ORDER BY start_time, disposition) FROM calls WHERE call_id ~ '^csv:[0-9a-f]{32}$'},
	$anonymous),
  'ANSWERED 150, FAILED 150, BUSY 2, BUSY 2',
  'rows without an id: each is a call';

# ---------------------------------------------------------------------------
# The others
# ---------------------------------------------------------------------------

section('FreeSWITCH', 'csv_freeswitch', 2);
section('OpenSIPS', 'csv_opensips', 2);
section('Kamailio', 'csv_kamailio', 4, 1, 1);

# The table that the last commands read is CGRateS's own: here it has the call of the
# file, and one that nobody answered.
my $blocks = $scripts{CGRateS};
my $of_table = pop @$blocks;
my ($cgrates) = section('CGRateS', 'csv_cgrates', 1);
$cdr->sql( <<'EOC', $cgrates);
CREATE TABLE cdrs (run_id text, tor text, origin_id text, tenant text, account text, destination text, setup_time timestamp, answer_time timestamp, usage bigint);
INSERT INTO cdrs VALUES
	('*default', '*voice', 'a84b4c76e66710@192.0.2.20', 'tenant-atlas', '+12025550123', '+12025550199', '2026-03-08 20:00:00', '2026-03-08 20:00:03', 147000000000),
	('*default', '*voice', 'second', 'tenant-atlas', '1001', '1002', '2026-03-08 20:10:00', '0001-01-01 00:00:00', 0),
	('*raw', '*voice', 'third', 'tenant-atlas', '1001', '1002', '2026-03-08 20:20:00', NULL, 0),
	('*default', '*sms', 'fourth', 'tenant-atlas', '1001', '1002', '2026-03-08 20:20:00', NULL, 1);
EOC
is_deeply counts_in(output_of($cgrates, $of_table)), ['2|2|0|0|0|0'],
  'CGRateS: its table is read, too';
is $cdr->sql(
	q{SET timezone = 'UTC'; SELECT string_agg(concat_ws(' ', call_id, start_time::time, answer_time::time, end_time::time, event_count), ', ' ORDER BY start_time) FROM calls},
	$cgrates),
  'a84b4c76e66710@192.0.2.20 20:00:00 20:00:03 20:02:30 2, second 20:10:00 20:10:00 1',
  'CGRateS: and says the same of the call';

# A file that went through other hands: a byte order mark, lines that end in one or
# another way, and empty ones.
{
	my $master = slurp_file("$platforms/csv_asterisk/Master.csv");
	my $cleaned = commands_of('Files as they are') =~ s/\n+\z//r;
	my @lines = split /\n/, $master;
	my $name = new_database();

	open(my $file, '>:raw', "$files/Master.csv") or die "cannot write: $!";
	print $file "\xef\xbb\xbf$lines[0]\r\n\r\n",
	  map { "$_\n\n" } @lines[ 1 .. $#lines ];
	close $file;
	is_deeply counts_in(
		output_of($name,
			commands_of('Asterisk') =~ s/^\\copy .*$/$cleaned/mr)),
	  [ join '|', (scalar @lines) x 2, (0) x 4 ],
	  'a file with a mark, empty lines and other ends of lines is read';
	calls_are($name,
		decode_json(slurp_file("$platforms/csv_asterisk/index.json"))->{expect},
		'Files as they are');
	is $cdr->sql(
		q{SELECT string_agg(DISTINCT tenant_id, ', ') FROM call_events},
		$name),
	  'tenant-atlas',
  'and no mark is in a column';
}

is output_of(new_database(), commands_of('Anything else')) =~
  s/^(?!1\|1\||mine-1).*\n?//mgr, "1|1|0|0|0|0\nmine-1|60|BUSY",
  'a mapping of one\'s own: it is tried as the document says';

done_testing();
