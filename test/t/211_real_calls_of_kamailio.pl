# Real calls: SIPp calls through a real Kamailio, which accounts to RabbitMQ, and
# its preset reads that.  What SIPp has noted of each message, on both sides, is
# what calls must say: which calls there were, who called whom, how each ended, and
# when, between a message that caused it and one that followed from it.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;
use CdrService::Proxy;
use CdrService::Sip;
use CdrService::Util qw(repository copy_file);

my $missing = CdrService::Sip->missing;

plan skip_all => "there is no $missing (scripts/install-deps --check)" if $missing;

my $cdr   = CdrService::Fixture->new('sip');
my $proxy = CdrService::Proxy->new($cdr->broker);

$cdr->sql(
	q{INSERT INTO cdr_mappings (name, definition) SELECT 'sip', cdr_mapping_preset('kamailio')}
);
my $sip = CdrService::Sip->new($proxy->uri);

# --- what the documents show of its configuration stands there

my %stands = map { s/^\s+|\s+$//gr => 1 } split /\n/,
  slurp_file(repository() . '/test/sip/kamailio.cfg');
my ($section) = slurp_file(repository() . '/doc/mappings.md') =~
  /^## Kamailio\n(.*?)^## /ms;
my @shown = map { s/^\s+|\s+$//gr } $section =~ /^    (?!INSERT|SELECT)(\s*\S.*)$/mg;

ok(@shown > 20, 'doc/mappings.md shows a configuration');
is(join("\n", grep { !$stands{$_} } @shown), '', 'and it is the one that is run');

# ---------------------------------------------------------------------------
# What SIPp says
# ---------------------------------------------------------------------------

# How a call ends for its caller, by the number of the callee: the status of SIP,
# cause and disposition.  (408: the phone rings until Kamailio gives up.)
my %ends = (
	'200' => [ undef, 'normal_clearing',     'ANSWERED' ],
	'404' => [ 404,   'unallocated_number',  'FAILED' ],
	'408' => [ 480,   'no_answer',           'NO_ANSWER' ],
	'480' => [ 480,   'no_answer',           'NO_ANSWER' ],
	'486' => [ 486,   'user_busy',           'BUSY' ],
	'487' => [ 487,   'originator_cancel',   'CANCELED' ],
	'603' => [ 603,   'call_rejected',       'FAILED' ]);

# The time of the first message that is such a one.
sub first
{
	my ($messages, $side, $way, $method, $text) = @_;
	my ($found) = grep {
			 $_->[0] eq $side
		  && $_->[2] eq $way
		  && $_->[3] eq $method
		  && $_->[4] =~ $text
	} @$messages;

	return $found ? $found->[1] : undef;
}

# A row for each call: Call-ID, caller, callee, what it ends with, and the moments
# when what makes it start, be answered and end was sent, and when that was heard of
# at the other end.
sub rows
{
	my (@calls) = @_;
	my %caller = map { $_->[1] => $_->[0] } @calls;
	my $messages = $sip->messages;
	my @rows;

	foreach my $id (sort keys %$messages)
	{
		my $m = $messages->{$id};
		my ($callee) =
		  map { $_->[4] =~ /^INVITE sip:([^@]+)@/ ? $1 : () } @$m;
		my ($status, $cause, $disposition) =
		  @{ $ends{ substr $callee, -3 } };
		my $refusal = qr/^SIP\/2\.0 [3-6]/;
		my $ok      = qr/^SIP\/2\.0 200/;
		my $began   = first($m, 'caller', 'S', 'INVITE', qr/^INVITE/);
		my @row     = (
			$id, $caller{$callee}, $callee, $status, $cause, $disposition,
			$began, first($m, 'caller', 'R', 'INVITE', qr/^SIP/));

		push @row,
		  $status
		  ? (
			undef, undef,
			first($m, 'caller', 'S', 'CANCEL', qr/^CANCEL/)
			  || first($m, 'callee', 'S', 'INVITE', $refusal)
			  || $began,
			first($m, 'caller', 'R', 'INVITE', $refusal))
		  : (
			first($m, 'callee', 'S', 'INVITE', $ok),
			first($m, 'caller', 'R', 'INVITE', $ok),
			first($m, 'caller', 'S', 'BYE',    qr/^BYE/),
			first($m, 'caller', 'R', 'BYE',    $ok));
		push @rows, \@row;
	}
	return @rows;
}

# ---------------------------------------------------------------------------
# What the tables say
# ---------------------------------------------------------------------------

# Waits for the events of all calls: of each an INVITE and a cdr, of one that was
# answered a BYE, too.
my $events = 0;

sub calls_are_right
{
	my ($name, @calls) = @_;
	my @rows = rows(@calls);
	my $file = copy_file(@rows);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(scalar @rows, scalar @calls, "$name: SIPp made as many calls");
	$events = 2 * @calls + grep { $_->[1] =~ /200$/ } @calls;
	$cdr->wait_drained($events);

	# SIPp notes a message, and Kamailio accounts for a reply, after it was sent, when
	# the machine has time for that: a second is left to them
	is( $cdr->sql(<<"EOS"),
CREATE TEMP TABLE said (call_id text, caller text, callee text, sip_status int,
	cause text, disposition text, start_after float8, start_before float8,
	answer_after float8, answer_before float8, end_after float8, end_before float8);
\\copy said FROM '$file'
CREATE FUNCTION pg_temp.within(t timestamptz, after float8, before float8)
RETURNS boolean LANGUAGE sql AS \$\$
	SELECT CASE WHEN after IS NULL THEN t IS NULL
		ELSE t IS NOT NULL AND extract(epoch FROM t)
			BETWEEN after - 1 AND before + 1 END \$\$;
SELECT * FROM (SELECT call_id, array_remove(ARRAY[
	CASE WHEN s.callee IS NULL THEN 'nobody made it' END,
	CASE WHEN c.status IS NULL THEN 'is not there' END,
	CASE WHEN c.status IS DISTINCT FROM 'COMPLETED' THEN 'status ' || c.status END,
	CASE WHEN (caller, callee) IS DISTINCT FROM (caller_number, callee_number)
		THEN 'numbers ' || concat_ws(' ', caller_number, callee_number) END,
	CASE WHEN (s.disposition, cause, s.sip_status)
			IS DISTINCT FROM (c.disposition, hangup_cause, c.sip_status)
		THEN 'end ' || concat_ws(' ', c.disposition, hangup_cause, c.sip_status) END,
	CASE WHEN NOT pg_temp.within(start_time, start_after, start_before)
		THEN format('start_time %s', start_time) END,
	CASE WHEN NOT pg_temp.within(answer_time, answer_after, answer_before)
		THEN format('answer_time %s', answer_time) END,
	CASE WHEN NOT pg_temp.within(end_time, end_after, end_before)
		THEN format('end_time %s', end_time) END], NULL) AS wrong
	FROM said AS s FULL JOIN calls AS c USING (call_id)) AS comparison
WHERE wrong <> '{}'
ORDER BY 1 LIMIT 10
EOS
		'',
		"$name: each is one call, as SIPp says");
	is($cdr->events, $events,
		"$name: each event is there once, and no other");
	return;
}

# Calls with numbers of their own, of these ends in turn.
my $number = 0;

sub numbers
{
	my ($count, @kinds) = @_;

	return map {
		$number++;
		[
			sprintf('+493010%04d', $number),
			sprintf('+493020%04d%s', $number, $kinds[ $_ % @kinds ])
		]
	} 1 .. $count;
}

# ---------------------------------------------------------------------------

my @waiting = ('200', '404', '408', '480', '486', '603');
my @calls    = numbers(2 * @waiting, @waiting);
my @canceled = numbers(2, '487');

$sip->finish(
	$sip->start_calls('call',   10, @calls),
	$sip->start_calls('cancel', 10, @canceled));
calls_are_right('of each kind', @calls, @canceled);

# --- all at once, and all that time the broker cannot be reached: no call waits for
# it, and nothing is lost

my @more          = numbers(170, ('200') x 5, @waiting);
my @more_canceled = numbers(30, '487');

$proxy->stop;
$sip->finish(
	$sip->start_calls('call',   200, @more),
	$sip->start_calls('cancel', 100, @more_canceled));
is($cdr->events, $events, '200 at once: the broker has heard nothing of them');
$proxy = CdrService::Proxy->new($cdr->broker, $proxy->port);
calls_are_right('200 at once', @calls, @canceled, @more, @more_canceled);

# --- and all the time

is($cdr->sql('SELECT count(*) FROM cdr_verify_calls()'),
	0, 'the log says the same');
is( $cdr->sql(
		q{SELECT duplicates, dead_letters, unmapped, without_time FROM cdr_status()}
	),
	'0|0|0|0',
	'nothing is twice, dead, unread or without its time');
$sip->stop;
$cdr->nothing_left('sip');

done_testing();
