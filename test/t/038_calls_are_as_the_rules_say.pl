# Calls as they happen, with every situation that the rules of the merge name:
# forks, hunt groups, routes that fail, ends that are late or lost, clocks that
# differ, a Call-ID that is used again.  The row of each was worked out by hand and by
# another program; here it comes about in any order, in batches of any size.
# (Cases 12, 13, and merge.)  CDR_TEST_SEED repeats a run.

use strict;
use warnings FATAL => 'all';

use JSON::PP;
use POSIX                   ();
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

use CdrService::Events qw(case_messages);
use CdrService::Fixture;
use CdrService::RandomCalls qw(count_distinct shuffled);
use CdrService::Util        qw(repository);

my $seed     = $ENV{CDR_TEST_SEED} || int(rand(1_000_000));
my @messages = case_messages('merge/events');
my $distinct = count_distinct(@messages);

# What the rules leave open is "?"; NAME? may be there or not.
sub expected_calls
{
	my ($header, @lines) =
	  split /\n/, slurp_file(repository() . '/test/cases/merge/calls.csv');

	return
	  map { my @values = split /,/, $_, -1; $values[0] => \@values } @lines;
}

# The calls as they are stored, in the columns of the file.
sub stored_calls
{
	my ($cdr) = @_;
	my $rows = $cdr->sql(
		join ' ',
		q{SELECT concat_ws(',', call_id,},
		(   map {
				"COALESCE(to_char($_ AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), ''),"
			} qw(start_time answer_time end_time)),
		q{COALESCE(duration_seconds::text, ''),
		COALESCE(billable_seconds::text, ''), COALESCE(hangup_cause, ''),
		status, COALESCE(disposition, ''), COALESCE(user_id, ''),
		COALESCE(contact_id::text, ''), COALESCE(tenant_id, ''),
		COALESCE(caller_number, ''), COALESCE(callee_number, ''),
		COALESCE(recording_url, ''), event_count,
		COALESCE(array_to_string(anomalies, ' '), '')) FROM calls});

	return map { my @values = split /,/, $_, -1; $values[0] => \@values }
	  split /\n/,
	  $rows;
}

sub folded
{
	my ($cause) = @_;

	return lc($cause) =~ tr/- /__/r;
}

# Is a row what the file says?
sub agrees
{
	my ($expected, $stored) = @_;
	my $anomalies = $expected->[16];

	return 0 unless defined $stored;
	foreach my $i (0 .. 15)
	{
		next if $expected->[$i] eq '?';
		return 0
		  unless ($i == 6 ? folded($expected->[$i]) : $expected->[$i]) eq
		  ($i == 6 ? folded($stored->[$i]) : $stored->[$i]);
	}
	return $stored->[16] eq '' || $stored->[16] eq $1
	  if $anomalies =~ /^(.*)\?$/;
	return $stored->[16] eq $anomalies;
}

sub compare_calls
{
	my ($cdr, $name) = @_;
	my %expected = expected_calls();
	my %stored   = stored_calls($cdr);
	my @wrong =
	  grep { !agrees($expected{$_}, $stored{$_}) } sort keys %expected;

	foreach my $call (@wrong)
	{
		diag 'expected ' . join(',', @{ $expected{$call} });
		diag 'stored   ' . join(',', @{ $stored{$call} || [] });
	}
	is( scalar keys %stored,
		scalar keys %expected,
		"$name: there are as many calls");
	is(scalar @wrong, 0, "$name: each is as it should be");
	is($cdr->sql('SELECT count(*) FROM cdr_verify_calls()'),
		0, "$name: and as its events say");
	return;
}

# ---------------------------------------------------------------------------
# The examples of doc/merge.md
# ---------------------------------------------------------------------------

my $epoch = 1772445600;    # 2026-03-02T10:00:00Z

# The examples of a section: rule, events, rows.
sub examples
{
	my ($section) = @_;
	my ($table) =
	  slurp_file(repository() . '/doc/merge.md') =~
	  /^## $section\n(.*?)(?:^## |\z)/ms;
	my ($header, @examples) =
	  map { [ split / \| / ] } $table =~ /^\| (.*) \|$/mg;

	return @examples;
}

# An event as an example writes it: its type, its second, what it says.
sub event_of
{
	my ($call, $words) = @_;
	my ($type, $second, @says) = split ' ', $words;
	my %event = (callId => $call);

	$type = "call.$type" if $type =~ /^(started|ringing|answered|ended)$/;
	$event{eventType} = $type;
	$event{timestamp} = sprintf('%s.%03dZ',
		POSIX::strftime('%Y-%m-%dT%H:%M:%S', gmtime($epoch + int($second))),
		1000 * ($second - int($second)) + 0.5)
	  if $second ne '-';
	foreach my $word (@says)
	{
		my ($key, $value) =
		  $word =~ /^(\w+)=(.*)$/ ? ($1, $2) : ('reason', $word);

		$event{$key} = $value;
	}
	return {
		key  => $type,
		body => JSON::PP->new->canonical->utf8->encode(\%event)
	};
}

# What an example corrects, as JSON.
sub correction_of
{
	my %said;

	foreach my $word (@_)
	{
		my ($column, $value) = $word =~ /^(\w+)=(.*)$/;

		$value =
		  POSIX::strftime('%Y-%m-%dT%H:%M:%SZ', gmtime($epoch + $value))
		  if $column =~ /_time$/ && $value ne 'none';
		$value += 0 if $column eq 'sip_status';
		$said{$column} = $value eq 'none' ? undef : $value;
	}
	return JSON::PP->new->canonical->utf8->encode(\%said);
}

# A correction of an example, or one that is withdrawn, as SQL; undef: it is an event.
sub deed_of
{
	my ($call, $words) = @_;
	my ($deed, @says) = split ' ', $words;

	return
	  "SELECT cdr_correct_call('$call', '@{[ correction_of(@says) ]}', 'example', true)"
	  if $deed eq 'correct';
	return
		"SELECT cdr_withdraw_correction('$call', '{"
	  . join(',', @says)
	  . "}', 'example')"
	  if $deed eq 'withdraw';
	return;
}

# What an example says of a row, as the row says it.
sub row_found
{
	my ($cdr, $expected, $row) = @_;
	my @columns = $expected =~ /(\w+)=/g;

	return join ' ', map {
		my $value =
			/_time$/          ? "trim_scale(extract(epoch FROM $_) - $epoch)"
		  : $_ eq 'anomalies' ? q{array_to_string(anomalies, ',')}
		  :                     $_;

		"$_=" . $cdr->sql("SELECT $value FROM $row")
	} @columns;
}

# What is to be done for the examples: what comes before their events, their events,
# what comes after these, and events that come after open calls were closed.
sub plan_of
{
	my (@examples) = @_;
	my %plan = map { $_ => [] } qw(before events after late);

	foreach my $i (0 .. $#examples)
	{
		my $call  = "example $i";
		my $deeds = rand() < 0.5 ? 'before' : 'after';
		my $come  = 'events';

		foreach my $words (split /, /, $examples[$i][1])
		{
			my $deed = deed_of($call, $words);

			if    (defined $deed)     { push @{ $plan{$deeds} }, $deed; }
			elsif ($words eq 'close') { $come = 'late'; }
			else { push @{ $plan{$come} }, event_of($call, $words); }
		}
	}
	return %plan;
}

# Are those examples right that have calls closed, or those that have not?
sub rows_are_right
{
	my ($cdr, $with_closing, @examples) = @_;

	foreach my $i (0 .. $#examples)
	{
		my ($rule, $events, $row) = @{ $examples[$i] };

		next if ($events =~ /\bclose\b/ ? 1 : 0) != $with_closing;
		is(row_found($cdr, $row, "calls WHERE call_id = 'example $i'"),
			$row, "$rule: $events");
	}
	return;
}

sub examples_hold
{
	my ($cdr, $recorded) = @_;
	my @examples = examples('Examples');
	my %plan     = plan_of(@examples);

	$cdr->sql(join ";\n", @{ $plan{before} });
	$cdr->publish(shuffled(@{ $plan{events} }));
	$recorded += @{ $plan{before} } + @{ $plan{events} };
	$cdr->wait_drained($recorded);
	$cdr->sql(join ";\n", @{ $plan{after} });
	rows_are_right($cdr, 0, @examples);

	$recorded +=
	  @{ $plan{after} } +
	  @{ $plan{late} } +
	  $cdr->sql(q{SELECT cdr_close_stale_calls('1 second', 'example')});
	$cdr->publish(shuffled(@{ $plan{late} }));
	$cdr->wait_drained($recorded);
	rows_are_right($cdr, 1, @examples);
	is($cdr->sql('SELECT count(*) FROM cdr_verify_calls()'),
		0, 'the examples are as their events say');
	cmp_ok(scalar @examples, '>', 40, 'the examples were found');
	return $recorded;
}

# The examples of a Call-ID that was used again: a row for each call.
sub uses_hold
{
	my ($cdr, $recorded) = @_;
	my @uses   = examples('A Call-ID that was used again');
	my @events = map {
		my $i = $_;
		map { event_of("used $i", $_) } split /, /, $uses[$i][1]
	} 0 .. $#uses;

	$cdr->publish(shuffled(@events));
	$cdr->wait_drained($recorded + @events);
	foreach my $i (0 .. $#uses)
	{
		my ($rule, $events, $rows) = @{ $uses[$i] };
		my @rows  = split /; /, $rows;
		my $found = join '; ', map {
			row_found(
				$cdr,
				$rows[ $_ - 1 ],
				"cdr_call_segments('used $i') WHERE segment = $_")
		} 1 .. @rows;

		is($found, $rows, "$rule: $events");
		is($cdr->sql("SELECT count(*) FROM cdr_call_segments('used $i')"),
			@rows, '... and no other call');
	}
	cmp_ok(scalar @uses, '>', 8, 'the examples of it were found');
	return;
}

# Cases 12 and 13, and then the examples.
sub cases_are_right
{
	my ($cdr, $recorded) = @_;

	$cdr->publish(
		shuffled(
			case_messages('12-call-id-used-again'),
			case_messages('13-forked-call')));
	$cdr->wait_drained($recorded + 10);
	is( $cdr->sql(
			q{SELECT event_count, billable_seconds, array_to_string(anomalies, ' ')
			  FROM calls WHERE call_id = 'reused@192.0.2.10'}),
		'6|297|reused',
		'a Call-ID that is used again shows it');
	is( $cdr->sql(
			q{SELECT segment, start_time AT TIME ZONE 'UTC', duration_seconds,
			         billable_seconds, event_count, anomalies
			  FROM cdr_call_segments('reused@192.0.2.10')}),
		"1|2026-03-02 10:00:00|300|297|3|\n2|2026-03-04 10:00:00|1804|1800|3|",
		'and each of its seconds can be billed');
	is( $cdr->sql(
			q{SELECT end_time AT TIME ZONE 'UTC', duration_seconds,
			         billable_seconds, hangup_cause, disposition, anomalies
			  FROM calls WHERE call_id = 'fork-1'}),
		'2026-03-02 10:05:08|308|300|normal_clearing|ANSWERED|',
		'the phone that was canceled does not end the call');
	return uses_hold($cdr, examples_hold($cdr, $recorded + 10));
}

srand($seed);
foreach my $workers (1, 4)
{
	my $size = $workers == 1 ? 500 : 1 + int(rand(20));
	my $name = "seed $seed, $workers workers, batches of $size";
	my $cdr  = CdrService::Fixture->new("workers_$workers",
			config => "cdr_service.workers = $workers\n"
		  . "cdr_service.batch_size = $size\n"
		  . "cdr_service.prefetch = $size\n");

	$cdr->publish(shuffled(@messages));
	$cdr->wait_drained($distinct);
	compare_calls($cdr, $name);
	cases_are_right($cdr, $distinct) if $workers == 1;
	$cdr->nothing_left($name);
}

done_testing();
