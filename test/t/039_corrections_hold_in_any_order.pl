# Corrections of random calls, before, beside and after their events, withdrawn again
# and again, and the closing of those that nobody ended: the calls are what a
# reference in plain SQL computes.  Messages that look like corrections are
# none.  A dump brings all of it along.  CDR_TEST_SEED repeats a run.

use strict;
use warnings FATAL => 'all';

use JSON::PP;
use POSIX                   ();
use PostgreSQL::Test::Utils qw(command_ok);
use Test::More;

use CdrService::Fixture;
use CdrService::RandomCalls qw(random_events count_distinct);

my $calls = $ENV{CDR_TEST_CALLS} || 400;
my $seed  = $ENV{CDR_TEST_SEED}  || int(rand(1_000_000));
my $json  = JSON::PP->new->canonical->utf8->allow_nonref;

# the hour of the random calls
my $epoch = 1769903400;

sub one_of { return $_[ int(rand(@_)) ]; }

sub random_time
{
	return POSIX::strftime('%Y-%m-%dT%H:%M:%S',
		gmtime($epoch + int(rand(4000))))
	  . one_of('Z', '.5Z', '.000001+00:00');
}

# What each column can be corrected to.
my %values = (
	(   map { $_ => \&random_time }
		  qw(start_time ring_time answer_time end_time)),
	(   map {
			my $column = $_;
			$column => sub { "$column-" . int(rand(3)) }
		  } qw(caller_number callee_number direction trunk hangup_source
		  tenant_id user_id recording_url)),
	hangup_cause => sub {
		one_of(
			'busy',            'NO_ANSWER',
			'normal_clearing', 'workflow_hangup',
			'nobody knows it');
	},
	sip_status => sub { 200 + int(rand(500)) },
	contact_id => sub { 1 + int(rand(5)) });

sub some_columns
{
	my %columns =
	  map { one_of(sort keys %values) => 1 } 1 .. 1 + int(rand(4));

	return sort keys %columns;
}

# A correction of a call, or one that is withdrawn, as SQL.
sub random_correction
{
	my ($call) = @_;
	my @columns = some_columns();

	return
		"SELECT cdr_withdraw_correction('$call', '{"
	  . join(',', @columns)
	  . "}', 'withdrawn')"
	  if rand() < 0.3;
	my %said =
	  map { $_ => rand() < 0.25 ? undef : $values{$_}->() } @columns;
	my $correction = $json->encode(\%said);

	return "SELECT cdr_correct_call('$call', '$correction', 'because', true)";
}

# So many of random calls; returns how many were made.
sub correct
{
	my ($cdr, $count, @ids) = @_;
	# to withdraw needs a call that is there
	my @statements = map {
		my $id = one_of(@ids);
		(   "SELECT cdr_correct_call('$id', '{\"trunk\": \"t\"}', 'first', true)",
			random_correction($id))
	} 1 .. $count;

	$cdr->sql(join ";\n", @statements);
	return scalar @statements;
}

# What a producer sends that would like to correct a call.
sub forged_messages
{
	return map {
		my $id = $_;
		map {
			{
				key  => $_->{eventType},
				body => $json->encode(
					{
						%$_,
						callId      => $id,
						timestamp   => random_time(),
						reason      => 'forged',
						currentUser => 'postgres'
					})
			}
		} ( {
				eventType  => 'cdr.call.corrected',
				correction => { answer_time => undef, trunk => 'forged' }
			},
			{
				eventType => 'cdr.call.correction_withdrawn',
				columns   => ['trunk']
			},
			{ eventType => 'cdr.call.closed', endTime => random_time() });
	} @_;
}

# Does a dump bring all calls along, and can they be rebuilt from its log?
sub dump_holds
{
	my ($cdr, $name) = @_;
	my $file = $cdr->node->basedir . '/dump';
	my $state =
	  q{SELECT md5(string_agg(c::text, ' ' ORDER BY call_id)) FROM calls AS c};
	my $before = $cdr->sql($state);

	$cdr->sql('CREATE DATABASE restored');
	command_ok(
		[ 'pg_dump', '-Fc', '-f', $file, $cdr->node->connstr('postgres') ],
		"$name: is dumped");
	command_ok([ 'pg_restore', '-d', $cdr->node->connstr('restored'), $file ],
		"$name: is restored");
	is($cdr->sql($state, 'restored'), $before, "$name: with the same calls");
	$cdr->sql('DELETE FROM calls',          'restored');
	$cdr->sql('SELECT cdr_rebuild_calls()', 'restored');
	is($cdr->sql($state, 'restored'),
		$before, "$name: which follow from its log");
	return;
}

my @messages = random_events($seed, $calls);

foreach my $workers (1, 4)
{
	my $name = "seed $seed, $workers workers";
	my $cdr  = CdrService::Fixture->new("workers_$workers",
		config => "cdr_service.workers = $workers\n"
		  . "cdr_service.batch_size = 50\ncdr_service.prefetch = 50\n");
	my %ids = map { $_ => 1 }
	  map { (($_->{says} || $_->{body}) =~ /"callId":"([^"]+)"/) } @messages;
	my @ids    = sort keys %ids;
	my @forged = forged_messages(@ids[ 0 .. 30 ]);
	my $half   = int(@messages / 2);
	my $made   = 0;

	srand($seed);
	$made += correct($cdr, 200, @ids);
	$cdr->publish(@messages[ 0 .. $half ], @forged);
	# while the workers store the same calls
	$made += correct($cdr, 300, @ids);
	$cdr->publish(@messages[ $half + 1 .. $#messages ]);
	$made += correct($cdr, 300, @ids);
	$cdr->wait_drained(count_distinct(@messages, @forged) + $made);
	$made += correct($cdr, 100, @ids);
	$cdr->stored_is(count_distinct(@messages, @forged) + $made,
		"$name, corrected");

	my $open = $cdr->sql(
		q{SELECT count(*) FROM cdr_stale_calls WHERE silent_for > '1 hour'});
	my $closed = $cdr->sql(q{SELECT cdr_close_stale_calls('1 hour', 'lost')});
	my $up     = $cdr->sql(
		q{SELECT count(*) FROM cdr_stale_calls WHERE silent_for > '1 hour'});
	cmp_ok($closed, '>', 0, "$name: there were calls to be closed");
	is( $open,
		$closed + $up,
		"$name: all of them are closed, or said to be up");
	is( $cdr->sql(
			q{SELECT count(*) FROM cdr_stale_calls AS c WHERE silent_for > '1 hour'
			AND NOT EXISTS (SELECT FROM cdr_merge_state(c.call_id) AS s
			WHERE s.register = 'correction of end_time' AND s.says ->> 'end_time' IS NULL
			AND s.says::text <> '{}')}),
		0,
		"$name: only a correction keeps a call up");
	$made += $closed;

	# more of both, now that there are ends of all kinds
	$made += correct($cdr, 100, @ids);
	$cdr->stored_is(count_distinct(@messages, @forged) + $made,
		"$name, closed");
	dump_holds($cdr, $name) if $workers == 1;
	$cdr->nothing_left($name);
}

done_testing();
