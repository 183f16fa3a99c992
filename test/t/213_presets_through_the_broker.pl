# Other platforms' events, as these publish them: the samples of every folder of
# test/platforms go through the broker with their exchange, routing key, headers
# and properties, while all presets are in force at once.  Each is read by its own
# preset, and gives the calls that were written down beside it, in any order, cut
# into batches anywhere, and when it comes again.  CDR_TEST_SEED repeats a run.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use JSON::PP;
use List::Util qw(shuffle sum);
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Broker;
use CdrService::Fixture;
use CdrService::Util qw(repository);

# All orders of so many events at most; of more, as many orders by chance as that
# has.
use constant ALL_ORDERS_OF => 5;
use constant SOME_ORDERS   => 120;

my $seed = $ENV{CDR_TEST_SEED} || int(rand(1_000_000));
my $json = JSON::PP->new->canonical->utf8->allow_nonref;

srand($seed);
note "CDR_TEST_SEED=$seed";

# --- the samples

# Those that have no exchange of their own come through a bridge, by the
# platform's.  What the index says in words has a value here.
my %exchange = (asterisk => 'asterisk', asterisk_channels => 'asterisk');
my %kind     = ('wazo-headers' => 'headers');

# What tells one event from another beside its body, and so has to differ where
# the call does.
my %identity =
  map { $_ => qr/("id"\s*:\s*"[^"]+)/ } qw(hosted_telnyx hosted_twilio);

my @folders = map { folder($_) }
  sort glob repository() . '/test/platforms/*';

sub folder
{
	my ($path) = @_;
	my $name   = basename($path);
	my $index  = $json->decode(slurp_file("$path/index.json"));
	my $preset = $name;
	my @events = map {
		{ %$_, body => slurp_file("$path/$_->{file}") }
	} @{ $index->{events} };

	$preset =~ s/_[^_]*$//
	  until -e repository() . "/share/mappings/$preset.json";
	@events = map { rows($_->{body}, $index->{columns}) } @events
	  if $preset =~ /^csv_/;
	foreach my $event (@events)
	{
		my %property =
		  (%{ $index->{properties} }, %{ $event->{properties} || {} });

		$property{routing_key} = "rows.$preset" if $preset =~ /^csv_/;
		$property{exchange} =
			 $exchange{$name}
		  || $property{exchange}
		  || CdrService::Broker::EXCHANGE;
		$event->{properties} = \%property;
	}
	return {
		name    => $name,
		preset  => $preset,
		options => $index->{options},
		events  => \@events,
		expect  => $index->{expect}
	};
}

# The lines of a file, each as an object, whose members have the names that stand
# in the first line unless they are given.
sub rows
{
	my ($text, $columns) = @_;
	my @rows = map {
		my $line = "$_,";
		my @fields;

		push @fields, defined $1 ? $1 =~ s/""/"/gr : $2
		  while $line =~ /\G(?:"((?:[^"]|"")*)"|([^,]*)),/gc;
		\@fields;
	} split /\r?\n/, $text;
	my @names = @{ $columns || shift @rows };

	return map {
		my ($row, %object) = ($_);

		@object{ @names[ 0 .. $#$row ] } = @$row;
		{ body => $json->encode(\%object) };
	} @rows;
}

# --- the orders

# All orders of a list.
sub permutations
{
	my (@list) = @_;

	return [] unless @list;
	return map {
		my $first = $_;
		my @rest  = @list[ grep { $_ != $first } 0 .. $#list ];

		map { [ $list[$first], @$_ ] } permutations(@rest);
	} 0 .. $#list;
}

sub orders
{
	my (@list) = @_;

	return @list > ALL_ORDERS_OF
	  ? map { [ shuffle @list ] } 1 .. SOME_ORDERS
	  : permutations(@list);
}

# What a call is called in one order of one folder.
sub renamed
{
	my ($id, $folder, $order) = @_;

	return "$id-$folder->{name}-$order";
}

# A message of the sample, of the calls of that order.
sub message
{
	my ($folder, $event, $order) = @_;
	my $ids = join '|', map { quotemeta } sort keys %{ $folder->{expect} };
	my $rename   = sub { $_[0] =~ s/($ids)/renamed($1, $folder, $order)/egr };
	my %property = %{ $event->{properties} };
	my $body     = $rename->($event->{body});
	my %headers  = %{ $property{headers} || {} };
	my $time     = $property{timestamp_as_sent} || $property{timestamp};
	my @properties;

	$body =~ s/$_/$1-$folder->{name}-$order/g
	  foreach grep { defined } $identity{ $folder->{name} };
	push @properties, "content-type=$property{content_type}"
	  if defined $property{content_type};
	push @properties, "timestamp=$time" if defined $time;
	push @properties, 'delivery-mode=absent'
	  unless defined $property{delivery_mode};
	foreach my $name (sort keys %headers)
	{
		my $value = ref $headers{$name} ? 'true' : $headers{$name};

		push @properties, "header:$name=" . $rename->($value) =~ s/;/\\;/gr;
	}
	return {
		key        => $rename->($property{routing_key} || $folder->{name}),
		properties => join(';', @properties),
		body       => $body
	};
}

# Each order is followed by another one of the same events: the repetition.
my %published;    # by exchange: lists of messages, one for each order
my %expected;     # calls, as the statement below prints them
my %read_by;
my $events = 0;

foreach my $folder (@folders)
{
	my @events = @{ $folder->{events} };
	my @orders = orders(@events);

	foreach my $order (0 .. $#orders)
	{
		my @messages;

		push @messages,
		  [ $_->{properties}{exchange}, message($folder, $_, $order) ]
		  foreach @{ $orders[$order] }, shuffle @events;
		push @{ $published{ $_->[0] }[$order] }, $_->[1] foreach @messages;
		foreach my $id (keys %{ $folder->{expect} })
		{
			my $name = renamed($id, $folder, $order);

			# (also within other values, such as the path of a recording)
			$expected{$name} =
			  expected_call($folder->{expect}{$id}) =~ s/\Q$id\E/$name/gr;
			$read_by{$name} = $folder->{preset};
		}
	}
	$events +=
	  @orders * sum(map { $_->{event_count} } values %{ $folder->{expect} });
	note "$folder->{name}: " . @events . ' events, ' . @orders . ' orders';
}

# --- what is expected of a call, and what is there

sub expected_call
{
	my %call = %{ $_[0] };

	foreach my $time (grep { /_time$/ } keys %call)
	{
		my ($seconds, $fraction) = $call{$time} =~ /^(.{19})(?:\.(\d+))?Z$/;

		$call{$time} =
		  "$seconds." . substr(($fraction || '') . '000000', 0, 6);
	}
	return $json->encode({ map { $_ => "$call{$_}" } keys %call });
}

my $times = join ', ', map {
	"'$_', to_char($_ AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"
} qw(start_time answer_time end_time);
my $columns = join ', ',
  map { "'$_', $_\::text" }
  qw(caller_number callee_number direction tenant_id user_id hangup_cause
  hangup_source recording_url disposition duration_seconds billable_seconds
  event_count sip_status);

# How many calls are not as they should be.
sub differing
{
	my ($cdr) = @_;
	my %rows  = map { split /\t/, $_, 2 } split /\n/, $cdr->sql(<<"EOS");
SELECT call_id || E'\\t' || jsonb_strip_nulls(jsonb_build_object($times, $columns))
FROM calls
EOS
	my @differing;

	foreach my $id (sort keys %{ { %rows, %expected } })
	{
		my $got  = $json->decode($rows{$id} || '"none"');
		my $want = $expected{$id} || '"none"';

		# of the samples, some say nothing of it
		delete $got->{sip_status}
		  if ref $got && $want !~ /"sip_status"/;
		$got = $json->encode($got);
		push @differing, "$id:\n  is       $got\n  expected $want"
		  if $got ne $want;
	}
	diag join "\n", @differing[ 0 .. ($#differing < 5 ? $#differing : 5) ]
	  if @differing;
	return scalar @differing;
}

# --- through the broker, with all presets

my $cdr = CdrService::Fixture->new('presets',
	config => "cdr_service.batch_size = 13\n");
my $broker = $cdr->broker;

foreach my $exchange (
	grep { $_ ne CdrService::Broker::EXCHANGE }
	sort keys %published)
{
	$broker->amqp(
		[ 'declare-exchange', $exchange, $kind{$exchange} || 'topic' ]);
	$broker->amqp([ 'bind', CdrService::Broker::QUEUE, $exchange, '#' ]);
}

# (Rows of files have nothing that tells whose they are, so they need a key; and
# what goes by a key goes before what goes by names that rows may have, too.)
foreach my $path (sort glob repository() . '/share/mappings/*.json')
{
	my $preset  = basename($path, '.json');
	my ($with)  = grep { $_->{preset} eq $preset } @folders;
	my %options = %{ $with && $with->{options} || {} };

	$options{routing_key} = "rows.$preset" if $preset =~ /^csv_/;
	$cdr->sql(
		sprintf
		  <<'EOS', $preset, $preset =~ /^csv_/ ? 1 : 0, $preset, $json->encode(\%options));
INSERT INTO cdr_mappings (name, priority, definition)
SELECT '%s', %d, cdr_mapping_preset('%s', '%s')
EOS
}
is( $cdr->sql(
		'SELECT string_agg(name, \' \' ORDER BY name) FROM cdr_mappings'),
	join(' ', sort keys %{ { map { $_ => 1 } values %read_by } }),
	'every preset is in force, and has samples');

my @publishers = map {
	my $exchange = $_;

	$broker->start_publishing_to($exchange,
		map { @{ $_ || [] } } @{ $published{$exchange} });
} sort keys %published;
$_->finish or die "the broker has not taken all\n" foreach @publishers;
$cdr->wait_for("count(*) >= $events FROM call_events");
$broker->wait_until_empty;

is($cdr->events, $events, 'each event is recorded once');
is(differing($cdr), 0,
	'and the calls are those that were written down, in every order');
is( join("\n", sort split /\n/, $cdr->sql(<<'EOS')),
SELECT DISTINCT call_id, name FROM call_events AS e
LEFT JOIN cdr_mappings AS m ON m.id = e.mapping
EOS
	join("\n", sort map { "$_|$read_by{$_}" } keys %read_by),
	'each event is read by its own preset');
is($cdr->status('unmapped'), 0, 'none is without a call');
is($cdr->sql('SELECT count(*) FROM dead_letters'),
	0, 'there is no dead letter');
is($cdr->sql('SELECT count(*) FROM cdr_verify_calls()'),
	0, 'the log says the same');
cmp_ok(
	$cdr->status('batches'),
	'>',
	$events / 13,
	'the events were cut into many batches');
$cdr->nothing_left('presets');

done_testing();
