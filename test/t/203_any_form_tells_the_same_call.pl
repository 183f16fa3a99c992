# Three generations of producers, one truth: the same calls told in JSON of either
# dialect, in Protobuf, or each event in another form, shuffled and doubled on one
# queue, are the same calls, to the microsecond, and have the same history.
# CDR_TEST_SEED repeats a run.

use strict;
use warnings FATAL => 'all';

use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;
use CdrService::Protobuf    qw(encode encode_generic);
use CdrService::RandomCalls qw(spelled shuffled FORMS);
use CdrService::Util        qw(bytea copy_file);

my $json = JSON::PP->new->canonical->utf8;
my $cdr  = CdrService::Fixture->new('three_forms');
my $seed = $ENV{CDR_TEST_SEED} || int(rand(1_000_000));

note "seed $seed";
srand $seed;

# The events of a call, in which no two have the same time: so it does not
# matter which bytes have the higher identity.
my $second = 1772971200;

sub call_of
{
	my ($id)  = @_;
	my @texts = map { "$_-" . int rand 5 } qw(tenant user tenant user trace);
	my $web   = rand() < 0.2;
	my @types = (
		[
			'call.started',
			fromUri => $web
			? 'web-client'
			: '<sip:+120255501' . int(rand 90) . '@x>',
			toUri => $web ? 'ai-pipeline' : 'sip:' . int(rand 5000) . '@x',
			dialplanResolution => {
				tenantId       => $texts[0],
				matchedUser    => { id => $texts[1], tenantId => $texts[2] },
				matchedContact => { id => int(rand 5) - 2 }
			}
		],
		['call.answered'],
		[
			'call.ended',
			reason =>
			  (qw(normal_clearing cancelled busy system_terminated))[ rand 4 ]
		],
		[
			'user.identified.for_call',
			userId    => $texts[3],
			tenantId  => $texts[2],
			contactId => int(rand 5) - 2
		],
		[ 'user.created.for_call',    userId       => $texts[1] ],
		[ 'call.recording.available', recordingUri => "s3://$texts[1]" ],
		[ 'call.recording.available', publicUrl    => "https://$texts[3]" ],
		[ 'acoustic.mood.shifted',    currentMood  => 'calm' ],
		[ 'call.media.playback.finished', uri      => 'file://welcome' ]);
	my @events;

	foreach my $type (@types)
	{
		my ($name, %fields) = @$type;
		my $digits = int rand 10;

		next if rand() < 0.2;
		push @events,
		  {
			%fields,
			eventType => $name,
			callId    => $id,
			traceId   => $texts[4],
			timestamp => POSIX::strftime('%Y-%m-%dT%H:%M:%S',
				gmtime($second + 2 * int(rand 30) * @types + 2 * @events))
			  . (
				$digits
				? '.' . join('', map { int rand 10 } 1 .. $digits)
				: '')
			  . 'Z'
		  };
	}
	return @events;
}

my @forms = (FORMS, 'mixed');
my @messages;

foreach my $i (1 .. 150)
{
	foreach my $event (call_of($i))
	{
		foreach my $form (@forms)
		{
			push @messages,
			  spelled({ %$event, callId => "$form-$i" },
				$form eq 'mixed' ? (FORMS)[ rand 3 ] : $form);
		}
	}
}
$cdr->publish(shuffled(@messages, @messages));
$cdr->wait_drained(scalar @messages);
$cdr->wait_for(
	'sum(recorded + duplicates) >= 2 * ' . @messages . ' FROM cdr_status()');
$cdr->stored_is(scalar @messages, 'three generations');
my $columns = join ', ',
  qw(status disposition direction caller_number callee_number),
  qw(start_time answer_time end_time duration_seconds billable_seconds),
  qw(hangup_cause hangup_source tenant_id user_id contact_id recording_url),
  qw(event_count first_event_time last_event_time);
is($cdr->sql(<<"EOS"), '', 'the same call, whoever told it');
SELECT split_part(call_id, '-', 2), count(DISTINCT ROW($columns)), count(*)
FROM calls GROUP BY 1 HAVING count(DISTINCT ROW($columns)) <> 1 OR count(*) <> 4
EOS
is($cdr->sql(<<"EOS"), '', 'the log has the same facts of it');
SELECT split_part(call_id, '-', 2), event_type, event_time
FROM call_events GROUP BY 1, 2, 3
HAVING count(*) <> 4 OR count(DISTINCT COALESCE(tenant_id, '')) > 1
EOS
is($cdr->sql(<<'EOS'), '', 'a history in the same words');
WITH told AS (
	SELECT c.call_id, string_agg(concat_ws('|', h.event_time, h.elapsed,
		   h.event_type, h.description), E'\n' ORDER BY h.event_time) AS words
	FROM calls AS c, cdr_call_history(c.call_id) AS h GROUP BY c.call_id)
SELECT split_part(call_id, '-', 2), count(DISTINCT words), min(words), max(words)
FROM told GROUP BY 1 HAVING count(DISTINCT words) <> 1 LIMIT 2
EOS
cmp_ok(
	$cdr->sql(
		q{SELECT count(*) FROM cdr_call_history('protobuf-1') WHERE payload IS NULL}
	),
	'==', 0,
	'Protobuf events are shown');

# --- times: the same moment in both forms, and in PostgreSQL's own eyes

sub random_time
{
	my ($from, $to) = @{
		(   [ 1770000000,   1780000000 ],
			[ -2000000000,  100 ],
			[ -62104060800, 253402300798 ])[ rand 3 ]
	};
	my @edges = map {
		my $edge = $_;
		map { sprintf '%09d', $edge + $_ } -1, 0, 1
	} 500, 1500, 2500, 499_999_500, 999_998_500, 999_999_500;
	my $fraction =
	  rand() < 0.5
	  ? $edges[ rand @edges ]
	  : join '', map { int rand 10 } 1 .. rand 10;
	my $seconds = $from + int rand($to - $from);
	my ($s, $m, $h, $day, $month, $year) = gmtime $seconds;

	return sprintf '%04d-%02d-%02dT%02d:%02d:%02d%sZ', $year + 1900,
	  $month + 1, $day, $h, $m, $s, $fraction eq '' ? '' : ".$fraction";
}

my @times = map {
	my $time = random_time();
	my %head = (eventType => 'call.ended', traceId => $_, timestamp => $time);

	[
		$_, $time,
		bytea($json->encode(\%head)),
		bytea(encode(\%head)),
		bytea(
			encode_generic(
				{ %head, eventType => 'no.such.type', payloadJson => '{}' }))
	]
} 1 .. 4000;
my $file = copy_file(@times);
is( $cdr->sql(
		<<"EOS"), '4000|8000|0', 'one moment is one microsecond, in every form');
BEGIN;
DELETE FROM call_events;
CREATE TABLE times (n text, said text, a bytea, b bytea, c bytea);
\\copy times FROM '$file'
SELECT FROM times, LATERAL (VALUES (a), (b), (c)) AS v (body)
WHERE NOT cdr_ingest_message(body);
SELECT count(payload), count(body), count(*) FILTER (WHERE event_time <> said::timestamptz)
FROM times JOIN call_events ON trace_id = n;
ROLLBACK;
EOS

$cdr->nothing_left('three forms');

done_testing();
