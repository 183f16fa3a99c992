# What cdr_explain_event() says of a message is what cdr_ingest_message() stores of
# it, value by value, over the samples of all platforms and forms; what it says of
# where a value stands is where it stands, by PostgreSQL's own operators for JSON; and
# nothing in a body is passed over without a word.  A standby explains as well.

use strict;
use warnings FATAL => 'all';

use JSON::PP;
use MIME::Base64 qw(decode_base64);
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;
use CdrService::Util qw(repository);

my $cdr = CdrService::Fixture->new(
	'explained',
	broker    => 0,
	streaming => 1,
	config    => "timezone = 'UTC'\n");
my $json    = JSON::PP->new->allow_nonref->canonical;
my $samples = repository() . '/test';

# ---------------------------------------------------------------------------
# The comparison
# ---------------------------------------------------------------------------

$cdr->sql(<<'EOC');
-- what is told of a message, by register and column
CREATE FUNCTION told_values(rows jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT coalesce(jsonb_object_agg(r ->> 'register' || '.' || (r ->> 'column'), r ->> 'value'), '{}')
	FROM jsonb_array_elements(rows) AS r
	WHERE r ->> 'value' IS NOT NULL AND r ->> 'register' NOT IN ('message', 'not read') AND r ->> 'column' <> 'identity'
$$;

-- the rows that have to be stored, then: an event, and a call of it alone
CREATE FUNCTION told_rows(told jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object(
		'event_type', told -> 'event.event_type', 'call_id', told -> 'event.call_id', 'event_time', told -> 'event.time',
		'trace_id', told -> 'event.trace_id', 'tenant', told -> 'event.tenant_id', 'event_id', told -> 'event.event_id')
		|| CASE WHEN told ? 'event.call_id' THEN jsonb_build_object(
		'start_time', told -> 'started.time', 'ring_time', told -> 'rang.time',
		'answer_time', told -> 'answered.time', 'end_time', told -> 'ended.time',
		'caller_number', told -> 'started.caller_number', 'callee_number', told -> 'started.callee_number',
		'direction', told -> 'started.direction', 'trunk', told -> 'started.trunk',
		'hangup_cause', told -> 'ended.hangup_cause', 'hangup_source', told -> 'ended.hangup_source',
		'sip_status', told -> 'ended.sip_status', 'recording_url', told -> 'recording.recording_url',
		'user_id', told -> (CASE WHEN told ? 'identified.time' THEN 'identified' ELSE 'started' END || '.user_id'),
		'contact_id', told -> (CASE WHEN told ? 'identified.time' THEN 'identified' ELSE 'started' END || '.contact_id'),
		'tenant_id', CASE WHEN told ?| ARRAY['identified.time', 'started.time']
			THEN coalesce(told -> 'identified.tenant_id', told -> 'started.tenant_id', told -> 'event.tenant_id') END)
		ELSE '{}' END)
$$;

CREATE FUNCTION stored_rows() RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object(
		'event_type', event_type, 'call_id', nullif(e.call_id, ''), 'event_time', event_time::text,
		'trace_id', trace_id, 'tenant', e.tenant_id, 'event_id', event_id)
		|| CASE WHEN c.call_id IS NULL THEN '{}' ELSE jsonb_build_object(
		'start_time', start_time::text, 'ring_time', ring_time::text, 'answer_time', answer_time::text, 'end_time', end_time::text,
		'caller_number', caller_number, 'callee_number', callee_number, 'direction', direction, 'trunk', trunk,
		'hangup_cause', hangup_cause, 'hangup_source', hangup_source, 'sip_status', sip_status::text,
		'recording_url', recording_url, 'user_id', user_id, 'contact_id', contact_id::text, 'tenant_id', c.tenant_id) END)
	FROM call_events AS e LEFT JOIN calls AS c USING (call_id)
$$;

-- a place as it is told: a key at the top, or a pointer
CREATE FUNCTION steps(place text) RETURNS text[] LANGUAGE sql AS $$
	SELECT CASE WHEN place ~ '^/' THEN (SELECT array_agg(replace(replace(s, '~1', '/'), '~0', '~') ORDER BY i)
		FROM unnest(string_to_array(substr(place, 2), '/')) WITH ORDINALITY AS t(s, i)) ELSE ARRAY[place] END
$$;

-- what is wrong with the places that are told, of a body that is JSON
CREATE FUNCTION wrong_places(rows jsonb, body jsonb, definition text) RETURNS SETOF text LANGUAGE sql AS $$
	-- a value stands there, or what the note says
	SELECT 'not there: ' || r::text FROM jsonb_array_elements(rows) AS r
	WHERE r ->> 'register' NOT IN ('message', 'not read') AND r ->> 'column' NOT IN ('time', 'rule')
		AND r ->> 'value' IS NOT NULL AND body #> steps(r ->> 'source') IS NOT NULL
		AND coalesce(r ->> 'note', '') !~ 'translated|table|constant|header|property'
		AND body #>> steps(r ->> 'source') <> r ->> 'value'
		-- (numbers are in their URIs, types and traces in those of CloudEvents)
		AND (coalesce(r ->> 'note', '') !~ 'stands there as'
			OR r ->> 'column' NOT IN ('caller_number', 'callee_number', 'event_type', 'trace_id'))
	UNION ALL
	SELECT 'not as noted: ' || r::text FROM jsonb_array_elements(rows) AS r
	WHERE r ->> 'note' ~ 'stands there as' AND body #> steps(r ->> 'source') IS NOT NULL
		AND strpos(r ->> 'note', '"' || left(body #>> steps(r ->> 'source'), 60)) = 0
	UNION ALL
	-- what was not read is there, and is nobody's source
	SELECT 'read, or not there: ' || r::text FROM jsonb_array_elements(rows) AS r
	WHERE r ->> 'register' = 'not read' AND r ? 'source' AND r ->> 'source' !~ '^/data_base64/' AND (body #> steps(r ->> 'source') IS NULL
		OR EXISTS (SELECT FROM jsonb_array_elements(rows) AS o
			WHERE o ->> 'register' NOT IN ('message', 'not read') AND o ->> 'source' = r ->> 'source'
			AND coalesce(o ->> 'note', '') !~ 'constant|header|property'))
	UNION ALL
	-- and all else was: a row says so, or the mapping has a condition on it
	SELECT 'passed over: ' || k FROM jsonb_each(body) AS m(k, v)
	WHERE v NOT IN ('null', '""') AND NOT (body ? 'specversion'
		AND k IN ('specversion', 'id', 'source', 'type', 'time', 'datacontenttype', 'datacontentencoding')) AND NOT EXISTS (
		SELECT FROM jsonb_array_elements(rows) AS r WHERE (steps(r ->> 'source'))[1] = k)
		AND strpos(coalesce(definition, ''), to_json(k)::text) = 0
		AND coalesce(definition, '') !~ ('"/' || k || '[/"]')
$$;

-- all that differs
CREATE FUNCTION differences(body bytea, key text, content_type text, exchange text, headers json, at timestamptz, definition text, is_json boolean)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	rows jsonb;
	logged jsonb;
	told jsonb;
	stored jsonb;
	refused text;
	wrong text;
BEGIN
	SELECT jsonb_agg(jsonb_strip_nulls(to_jsonb(x))) INTO rows
	FROM cdr_explain_event(body, key, content_type, exchange => exchange, headers => headers, property_time => at) AS x;
	SELECT (x ->> 'value') || ' ' || (x ->> 'source') INTO refused
	FROM jsonb_array_elements(rows) AS x WHERE x ->> 'column' = 'no event';
	told := told_rows(told_values(rows));
	BEGIN
		PERFORM cdr_ingest_message(body, key, content_type, exchange => exchange, headers => headers, property_time => at);
		stored := stored_rows();
		SELECT jsonb_agg(jsonb_strip_nulls(to_jsonb(x))) INTO logged
		FROM call_events AS e, cdr_explain_event(event_id, e.call_id) AS x;
		RAISE 'taken back' USING ERRCODE = 'UX001';
	EXCEPTION
		WHEN SQLSTATE 'UX001' THEN NULL;
		WHEN OTHERS THEN
			RETURN CASE WHEN SQLERRM || ' SQLSTATE ' || SQLSTATE = refused THEN 'refused'
				ELSE format('told %s, but %s', rows, SQLERRM) END;
	END;
	IF refused IS NOT NULL OR told <> stored THEN
		RETURN format('told %s%s, stored %s', refused, told, stored);
	END IF;
	IF told_values(rows) <> told_values(logged) THEN
		RETURN format('told %s, of the log %s', told_values(rows), told_values(logged));
	END IF;
	IF is_json THEN
		SELECT string_agg(w, E'\n') INTO wrong
		FROM wrong_places(rows, convert_from(body, 'UTF8')::jsonb, definition) AS w;
	END IF;
	RETURN coalesce(wrong, 'same');
END
$$;
EOC

sub literal
{
	my ($text) = @_;

	return 'NULL' if !defined $text;
	$text =~ s/'/''/g;
	return "'$text'";
}

my $session = $cdr->session;
my %count = (same => 0, refused => 0);

sub compare
{
	my ($name, $message) = @_;
	my $headers = $message->{headers};
	my $at      = $message->{timestamp};

	my $said = $session->query(
		sprintf
		  q{SELECT differences(decode('%s', 'hex'), %s, %s, %s, %s, %s, %s, %s)},
		unpack('H*', $message->{body}),
		literal($message->{routing_key}),
		literal($message->{content_type}),
		literal($message->{exchange}),
		literal($headers && $json->encode($headers)),
		sprintf('to_timestamp(%s)', $at || 1773003540),
		literal($message->{definition}),
		$message->{is_json} ? 'true' : 'false');

	$count{$said}++;
	return 1 if $said eq 'same' || $said eq 'refused';
	diag("$name: $said");
	return 0;
}

# ---------------------------------------------------------------------------
# The platforms
# ---------------------------------------------------------------------------

# The lines of a file of values, each as the JSON that it becomes.
sub lines_as_json
{
	my ($text, $names) = @_;
	my @bodies;

	foreach my $line (grep { /\S/ } split /\r?\n/, $text)
	{
		my @fields;

		push @fields, defined $1 ? $1 =~ s/""/"/gr : $2
		  while $line =~ /\G(?:"((?:[^"]|"")*)"|([^,]*))(?:,|$)/g
		  && @fields < 64
		  && defined $&
		  && (length $& || !@fields);
		if (!$names)
		{
			$names = [@fields];
			next;
		}
		my %event;
		$event{ $names->[$_] } = $fields[$_]
		  foreach grep { $_ < @fields } 0 .. $#$names;
		push @bodies, $json->encode(\%event);
	}
	return @bodies;
}

my $platforms = 0;
foreach my $index (sort glob "$samples/platforms/*/index.json")
{
	my ($name) = $index =~ m{/([^/]+)/index\.json$};
	my $about  = $json->decode(slurp_file($index));
	my $preset = $name =~ s/_events_lost$//r;
	my $wrong  = 0;
	my $mapped = 0;

	$cdr->sql('DELETE FROM cdr_mappings');
	$cdr->sql(
		sprintf
		  q{INSERT INTO cdr_mappings (name, definition) SELECT 'pbx', cdr_mapping_preset('%s', %s)},
		$preset,
		literal($about->{options} && $json->encode($about->{options})));
	my $definition = $cdr->sql('SELECT definition FROM cdr_mappings');
	foreach my $event (@{ $about->{events} })
	{
		my $text = slurp_file(($index =~ s/index\.json$//r) . $event->{file});
		my %properties =
		  (%{ $about->{properties} || {} }, %{ $event->{properties} || {} });
		my @bodies =
		  $event->{file} =~ /\.csv$/
		  ? lines_as_json($text, $about->{columns})
		  : ($text);

		foreach my $body (@bodies)
		{
			$wrong++
			  if !compare(
				"$name, $event->{file}",
				{
					%properties,
					body       => $body,
					definition => $definition,
					is_json    => 1
				});
			$mapped++;
		}
	}
	is($wrong, 0, "$name: $mapped messages are explained as they are stored");
	$platforms++;
}
is($platforms, 18, 'all platforms');
cmp_ok($count{refused}, '==', 0, 'none of them is refused');

# ---------------------------------------------------------------------------
# The platform's own events, in each form
# ---------------------------------------------------------------------------

$cdr->sql('DELETE FROM cdr_mappings');
my $wrong = 0;
foreach my $line (split /\n/, slurp_file("$samples/data/samples.json"))
{
	$wrong++ if !compare("JSON: $line", { body => $line, is_json => 1 });
}
is($wrong, 0, 'JSON: explained as it is stored');

$wrong = 0;
foreach my $line (split /\n/,
	slurp_file("$samples/fuzz/corpus/samples.protobuf"))
{
	my ($name, $key, $content_type, $body) =
	  map { $_ eq '-' ? undef : $_ } split / /, $line, 4;

	$wrong++
	  if !compare(
		"Protobuf: $name",
		{
			routing_key  => $key,
			content_type => $content_type,
			body         => pack('H*', $body || '')
		});
}
is($wrong, 0, 'Protobuf: explained as it is stored, or refused');

$wrong = 0;
foreach my $line (split /\n/,
	slurp_file("$samples/fuzz/corpus/samples.cloudevents"))
{
	my ($name, $key, $content_type, $headers, $body) =
	  map { $_ eq '-' ? undef : $_ } split /\t/, $line, 5;
	my $is_json = $body !~ /^base64:/ && $body =~ /^\{/;

	$body = decode_base64($1) if $body =~ /^base64:(.*)/s;
	$wrong++
	  if !compare(
		"CloudEvent: $name",
		{
			routing_key  => $key,
			content_type => $content_type,
			headers      => $headers && $json->decode($headers),
			body         => $body,
			is_json      => $is_json && $name !~ /^bad/
		});
}
is($wrong, 0, 'CloudEvents: explained as they are stored, or refused');
cmp_ok($count{refused}, '>', 15, 'some were refused, with the same reason');
note "$count{same} messages the same, $count{refused} refused";

# ---------------------------------------------------------------------------
# Nothing was written, and a standby, where nothing can be, says the same
# ---------------------------------------------------------------------------

$session->quit;
is($cdr->events, 0, 'nothing was recorded');
$cdr->sql(
	q{INSERT INTO cdr_mappings (name, definition) SELECT 'pbx', cdr_mapping_preset('freeswitch')}
);
$cdr->sql(
	q{SELECT cdr_ingest_event('{"eventType":"call.ended","callId":"s","timestamp":"2026-01-01T00:00:00Z","reason":"busy"}')}
);
my $standby = $cdr->standby('explaining');
my $query =
  q{SELECT x.* FROM call_events AS e, cdr_explain_event(event_id, e.call_id) AS x
UNION ALL SELECT * FROM cdr_explain_event('{"eventType":"call.ended","callId":"t","timestamp":"2026-01-01T00:00:00Z"}')};
$cdr->node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $query),
	$cdr->sql($query), 'a standby explains in the same way');
isnt($cdr->sql($query), '', 'and there was something to explain');

done_testing();
