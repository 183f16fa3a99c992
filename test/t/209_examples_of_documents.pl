# doc/events.md is true: each of its examples, published as it stands, is an event,
# and all together give the calls that its tables say.  So does the first event of
# README.md, by its own commands.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;
use CdrService::Util qw(repository run);

my $cdr  = CdrService::Fixture->new('examples');
my $text = slurp_file(repository() . '/doc/events.md');
my %columns_of;    # call => { column => text }
my @messages;

sub protobuf
{
	my ($message, $fields) = @_;

	return run(
		[
			'protoc',
			'--proto_path=' . repository() . '/test/data',
			"--encode=sentiric.event.v1.$message",
			'sentiric_event.proto'
		],
		$fields);
}

# The routing key says nothing here: the envelope does.
sub cloudevent
{
	my ($mode, $example) = @_;
	my @headers;

	return {
		key        => 'anything',
		properties => 'content-type=application/cloudevents+json',
		body       => $example
	  }
	  if $mode eq 'structured';
	push @headers, "header:$1=$2" while $example =~ s/^    (ce-\w+): (.*)\n//;
	return {
		key        => 'anything',
		properties => join(';', 'content-type=application/json', @headers),
		body       => $example
	};
}

# ---------------------------------------------------------------------------
# What the document says
# ---------------------------------------------------------------------------

# The simplest event: lines of JSON, each an event, and a table of one call.
my ($simplest, $types) =
  $text =~
  /^## Your own producer(.*?)^## The types\n(.*?)^## What comes out/ms;

push @messages, { body => $1 } while $simplest =~ /^    (\{.*\})$/mg;
is scalar @messages, 3, 'the simplest call has three events';
{
	my ($names, $values) =
	  $simplest =~ /^\| (call_id .*) \|\n\|[-|]+\n\| (.*) \|$/m;
	my @names  = split / \| /, $names;
	my @values = split / \| /, $values =~ s/`//gr;

	@{ $columns_of{ $values[0] } }{@names} = @values;
}

# The types: "FORM:" or "FORM, MESSAGE ...:", and an indented example.
my %examples;

foreach my $section (split /^### /m, $types)
{
	my ($type) = $section =~ /^(\S+)\n/ or next;

	next unless $type =~ /\./;
	while ($section =~
		/^(JSON|Protobuf|CloudEvents), (?:(\w+Event)|(\w+))[^\n]*:\n\n((?:    .*\n)+)/mg
	  )
	{
		my ($form, $message, $mode, $example) = ($1, $2, $3, $4);

		$examples{$type}++;
		push @messages,
			$form eq 'JSON'        ? { key => $type, body => $example }
		  : $form eq 'CloudEvents' ? cloudevent($mode, $example)
		  : {
			key        => $type,
			properties => 'content-type=application/protobuf',
			body       => protobuf($message, $example)
		  };
	}
}
is_deeply \%examples, {
	map { $_ => 5 }
	  qw(call.started call.ringing call.answered call.ended
	  user.identified.for_call call.recording.available)
  },
  'there is an example of each type in each form';

# What comes out: a column a line, a call each.
{
	my ($table) = $text =~ /^## What comes out\n\n(.*?)\n\n/ms;
	my @rows    = map { [ split / *\| */ ] } $table =~ /^\| `(.*)$/mg;
	my @calls;

	foreach my $row (@rows)
	{
		my ($name, @values) = @$row;

		$name =~ s/`//;
		@calls = @values if $name eq 'call_id';
		$columns_of{ $calls[$_] }{$name} =
		  defined $values[$_] ? $values[$_] : ''
		  foreach 0 .. $#calls;
	}
}
is scalar keys %columns_of, 6, 'the tables tell of six calls';

# ---------------------------------------------------------------------------
# And what is
# ---------------------------------------------------------------------------

my $count = @messages;

$cdr->broker->publish(@messages);
$cdr->wait_for("count(*) = $count FROM call_events");
is $cdr->sql('SELECT count(*) FROM dead_letters'), 0, 'all are events';
foreach my $call (sort keys %columns_of)
{
	my $said    = $columns_of{$call};
	my @columns = sort keys %$said;
	my $found =
	  $cdr->sql("SET timezone = 'UTC'; SELECT "
		  . join(', ', @columns)
		  . " FROM calls WHERE call_id = '$call'");

	is $found, join('|', @{$said}{@columns}), "$call is as the document says";
}

# ---------------------------------------------------------------------------
# The first event
# ---------------------------------------------------------------------------

my ($first) = slurp_file(repository() . '/README.md') =~
  /^## First event\n.*?\n\n((?:    [^\n]*\n)+)/ms;
my @commands = $first =~ /^    (.*)/mg;
my $query    = pop @commands;

$ENV{AMQP_URI} = $cdr->broker->uri;
run([ 'sh', '-c', $_ ]) foreach @commands;
$cdr->wait_for("status = 'COMPLETED' FROM calls WHERE call_id = 'first-1'");
$query =~ s/^psql -d cdr -c "(.*)"$/$1/;
is $cdr->sql($query), '1001|+12125550143|ANSWERED|195',
  'the commands of README.md make a call';

$cdr->nothing_left('the examples');

done_testing();
