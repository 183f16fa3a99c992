-- Thousands of random calls, with skewed clocks, missing events, ties and
-- contradictory duplicates, shuffled and delivered in batches of random size,
-- some again: equal to what plain SQL makes of the log.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SELECT cdr_create_partitions('2026-01-01', '2026-02-01');

-- Deals the events: of each call 1 to 14, of random types, at one of few
-- moments, so that ties are frequent; each tells random things, or nothing.
SELECT setseed(0.4711);
CREATE FUNCTION one_of(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT choices[1 + floor(random() * cardinality(choices))] $$;
CREATE FUNCTION maybe(chance float8, choice text) RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT CASE WHEN random() < chance THEN choice END $$;
CREATE FUNCTION uri() RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT format(one_of('sip:%s@pbx', '"Some Body" <sip:%s@gw:5060;transport=udp>;tag=x', 'tel:%s', '<sips:%s@pbx;user=phone>'), one_of('2001', '+302101234567', 'anonymous')) $$;
CREATE TABLE dealt AS
SELECT c, n, json_strip_nulls(json_build_object(
	'eventType', one_of('call.started', 'call.answered', 'call.ended', 'user.identified.for_call', 'user.created.for_call',
		'call.recording.available', 'call.started', 'call.ended', 'user.identified.for_call', 'acoustic.mood.shifted'),
	'callId', 'call-' || c,
	'n', maybe(0.9, n::text),
	'timestamp', CASE WHEN random() < 0.97 THEN
		to_char(timestamptz '2026-01-28 12:00:00Z' + c * interval '1 minute' + (floor(random() * 8) - 2) * (ARRAY[0.0005, 1, 7.25])[1 + c % 3] * interval '1 second'
			+ COALESCE(maybe(0.02, '40 years'), '0')::interval, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
		ELSE one_of('0001-01-01T00:00:00Z', 'not a time', '') END,
	'from', one_of('1001', '1002', '+905551112233', '00492211234', 'anonymous', '', NULL), 'fromUri', maybe(0.5, uri()),
	'to', one_of('1001', '1002', '+905551112233', '00492211234', 'anonymous', '', NULL), 'toUri', maybe(0.5, uri()),
	'direction', maybe(0.1, one_of('inbound', 'outbound', '')),
	'reason', one_of('normal_clearing', 'busy', 'USER_BUSY', 'failure', 'terminated_by_request', 'odd', '', NULL),
	'hangupSource', maybe(0.1, 'callee'),
	'userId', one_of('user-1', 'user-2', 'user-3', '', NULL),
	'contactId', one_of('0', '1', '23', '"456"', '"none"', '7.5', '99999999999999999999', 'null')::json,
	'tenantId', one_of('t-top', '', NULL, NULL),
	'recordingUri', maybe(0.5, one_of('s3://r/1', 's3://r/2')), 'uri', maybe(0.3, one_of('s3://u/1', '')), 'publicUrl', maybe(0.3, 'https://p/1'),
	'dialplan', CASE WHEN random() < 0.4 THEN json_build_object('tenant_id', one_of('t-plan', '', NULL),
		'matched_user', json_build_object('id', one_of('m-1', 'm-2', ''), 'tenant_id', one_of('t-user', NULL)),
		'matched_contact', json_build_object('id', floor(random() * 3))) END,
	'dialplanResolution', CASE WHEN random() < 0.4 THEN json_build_object('tenantId', one_of('T-plan', '', NULL),
		'matchedUser', json_build_object('id', one_of('M-1', 'M-2', ''), 'tenantId', one_of('T-user', NULL)),
		'matchedContact', json_build_object('id', floor(random() * 3))) END)) AS event
FROM generate_series(1, 4000) AS c, LATERAL generate_series(1, 1 + (c * 7919) % 14) AS n;
-- the deal itself must vary: no function was evaluated once for all
SELECT count(*) AS events, count(DISTINCT event::text) > 20000 AS various, count(DISTINCT event ->> 'fromUri') AS uris,
	   count(DISTINCT event ->> 'eventType') AS types FROM dealt;

-- delivers them shuffled, a fifth of them twice, in batches of 1 to 100
CREATE TABLE deck AS
SELECT row_number() OVER (ORDER BY random()) AS place, event
FROM (SELECT event FROM dealt UNION ALL SELECT event FROM dealt WHERE (c + n) % 5 = 0) AS x;
DO $$
DECLARE
	low bigint := 1;
	high bigint;
	last bigint := (SELECT max(place) FROM deck);
	new bigint := 0;
	batches bigint := 0;
BEGIN
	WHILE low <= last LOOP
		high := low + floor(random() ^ 2 * 100);
		new := new + cdr_ingest_events((SELECT array_agg(event ORDER BY place) FROM deck WHERE place BETWEEN low AND high));
		low := high + 1;
		batches := batches + 1;
	END LOOP;
	RAISE NOTICE '% delivered, in more than 500 batches: %, as many new as there are: %', last, batches > 500,
		new = (SELECT count(DISTINCT event::text) FROM dealt);
END $$;
SELECT count(*) AS calls, sum(event_count) = (SELECT count(*) FROM call_events) AS "each event once" FROM calls;
-- the deal reaches what it is meant to reach
SELECT status, disposition, count(*) > 20 AS "some" FROM calls GROUP BY status, disposition ORDER BY status, disposition;
SELECT direction, count(*) > 20 AS "some" FROM calls GROUP BY direction ORDER BY direction;
SELECT count(*) > 500 AS "ties" FROM (SELECT FROM call_events GROUP BY call_id, event_time, event_type HAVING count(*) > 1) AS x;
SELECT count(*) > 100 AS "timeless" FROM call_events WHERE event_time = received_at;
SELECT count(*) > 100 AS "wild" FROM call_events_default WHERE event_time > '2060-01-01';
SELECT count(*) > 100 AS "negative" FROM calls WHERE end_time < start_time AND duration_seconds = 0;

-- the reference: nothing but SQL over the log
CREATE FUNCTION said(event json, VARIADIC path text[]) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN json_typeof(event #> path) IN ('string', 'number') THEN NULLIF(event #>> path, '') END $$;
CREATE FUNCTION number_of(uri text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN uri LIKE '%anonymous%' THEN 'anonymous' ELSE substring(uri FROM '(?:^|sip:|sips:|tel:)(\+?[0-9]+)') END $$;
CREATE FUNCTION contact_of(said text) RETURNS bigint LANGUAGE sql IMMUTABLE AS
$$ SELECT NULLIF(CASE WHEN said ~ '^-?[0-9]{1,18}$' THEN said::bigint END, 0) $$;
CREATE FUNCTION seconds(earlier timestamptz, later timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT AS
$$ SELECT floor(GREATEST(extract(epoch FROM later) - extract(epoch FROM earlier), 0))::bigint $$;
CREATE MATERIALIZED VIEW reference AS
WITH started AS (
	SELECT DISTINCT ON (call_id) call_id, event_time AS start_time,
		   number_of(COALESCE(said(payload, 'fromUri'), said(payload, 'from'))) AS caller_number,
		   number_of(COALESCE(said(payload, 'toUri'), said(payload, 'to'))) AS callee_number,
		   said(payload, 'direction') AS direction,
		   COALESCE(said(payload, 'tenantId'),
					said(payload, 'dialplanResolution', 'matchedUser', 'tenantId'), said(payload, 'dialplan', 'matched_user', 'tenant_id'),
					said(payload, 'dialplanResolution', 'tenantId'), said(payload, 'dialplan', 'tenant_id')) AS tenant_id,
		   COALESCE(said(payload, 'dialplanResolution', 'matchedUser', 'id'), said(payload, 'dialplan', 'matched_user', 'id')) AS user_id,
		   contact_of(COALESCE(said(payload, 'dialplanResolution', 'matchedContact', 'id'), said(payload, 'dialplan', 'matched_contact', 'id'))) AS contact_id
	FROM call_events WHERE event_type = 'call.started' ORDER BY call_id, event_time, event_id),
ended AS (
	SELECT DISTINCT ON (call_id) call_id, event_time AS end_time, said(payload, 'reason') AS hangup_cause,
		   COALESCE(said(payload, 'hangupSource'), CASE said(payload, 'reason') WHEN 'busy' THEN 'user' WHEN 'terminated_by_request' THEN 'system' END) AS hangup_source
	FROM call_events WHERE event_type = 'call.ended' ORDER BY call_id, event_time, event_id),
identified AS (
	SELECT DISTINCT ON (call_id) call_id, true AS identified, said(payload, 'userId') AS user_id, contact_of(said(payload, 'contactId')) AS contact_id,
		   COALESCE(said(payload, 'tenantId'),
					said(payload, 'dialplanResolution', 'matchedUser', 'tenantId'), said(payload, 'dialplan', 'matched_user', 'tenant_id'),
					said(payload, 'dialplanResolution', 'tenantId'), said(payload, 'dialplan', 'tenant_id')) AS tenant_id
	FROM call_events WHERE event_type IN ('user.identified.for_call', 'user.created.for_call') ORDER BY call_id, event_time DESC, event_id DESC),
recorded AS (
	SELECT DISTINCT ON (call_id) call_id, COALESCE(said(payload, 'recordingUri'), said(payload, 'uri'), said(payload, 'publicUrl')) AS recording_url
	FROM call_events WHERE event_type = 'call.recording.available' ORDER BY call_id, event_time DESC, event_id DESC),
counted AS (
	SELECT call_id, min(event_time) FILTER (WHERE event_type = 'call.answered') AS answer_time, count(*) AS event_count,
		   min(event_time) AS first_event_time, max(event_time) AS last_event_time
	FROM call_events WHERE call_id <> '' GROUP BY call_id)
SELECT call_id,
	   CASE WHEN end_time IS NOT NULL THEN 'COMPLETED' WHEN answer_time IS NOT NULL THEN 'ANSWERED' WHEN start_time IS NOT NULL THEN 'STARTED' ELSE 'IDENTIFIED' END AS status,
	   CASE WHEN end_time IS NULL THEN NULL WHEN answer_time IS NOT NULL OR hangup_cause LIKE 'normal\_clearing%' THEN 'ANSWERED'
			WHEN lower(hangup_cause) IN ('busy', 'user_busy') THEN 'BUSY' WHEN hangup_cause = 'failure' THEN 'FAILED'
			WHEN hangup_cause = 'terminated_by_request' THEN 'CANCELED' ELSE 'NO_ANSWER' END AS disposition,
	   COALESCE(direction, CASE
			WHEN caller_number !~ '^[0-9]{1,6}$' THEN 'inbound'
			WHEN caller_number IS NULL OR callee_number IS NULL THEN NULL
			WHEN callee_number ~ '^[0-9]{1,6}$' THEN 'internal' ELSE 'outbound' END) AS direction,
	   caller_number, callee_number, start_time, answer_time, end_time,
	   seconds(start_time, end_time) AS duration_seconds,
	   CASE WHEN end_time IS NULL THEN NULL WHEN answer_time IS NULL THEN 0 ELSE seconds(answer_time, end_time) END AS billable_seconds,
	   hangup_cause, hangup_source, COALESCE(i.tenant_id, s.tenant_id) AS tenant_id,
	   CASE WHEN identified THEN i.user_id ELSE s.user_id END AS user_id, CASE WHEN identified THEN i.contact_id ELSE s.contact_id END AS contact_id,
	   recording_url, event_count, first_event_time, last_event_time
FROM counted LEFT JOIN started AS s USING (call_id) LEFT JOIN ended USING (call_id) LEFT JOIN identified AS i USING (call_id) LEFT JOIN recorded USING (call_id);
CREATE VIEW public_columns AS
SELECT call_id, status, disposition, direction, caller_number, callee_number, start_time, answer_time, end_time, duration_seconds, billable_seconds,
	   hangup_cause, hangup_source, tenant_id, user_id, contact_id, recording_url, event_count, first_event_time, last_event_time FROM calls;
CREATE VIEW differences AS
(SELECT 'stored' AS which, * FROM public_columns EXCEPT SELECT 'stored', * FROM reference)
UNION ALL
(SELECT 'reference', * FROM reference EXCEPT SELECT 'reference', * FROM public_columns);

-- every public column is compared
SELECT attname FROM pg_attribute WHERE attrelid = 'calls'::regclass AND attnum > 0 AND NOT attisdropped
AND attname NOT IN (SELECT attname FROM pg_attribute WHERE attrelid = 'public_columns'::regclass) ORDER BY attnum;
SELECT * FROM differences ORDER BY call_id, which LIMIT 10;
SELECT count(*) AS differences FROM differences;
SELECT count(*) AS unlike_their_events FROM cdr_verify_calls();

-- the comparison can fail: each column tampered with, each in a call of its own
DO $$
DECLARE
	tampers text[] := ARRAY['direction = ''sideways''', 'caller_number = ''1''', 'callee_number = ''1''', 'start_time = start_time + interval ''1 second''',
		'answer_time = answer_time - interval ''1 microsecond''', 'end_time = NULL', 'hangup_cause = ''x''', 'hangup_source = ''x''', 'user_id = ''x''', 'contact_id = -1',
		'recording_url = ''x''', 'event_count = event_count + 1', 'first_event_time = ''2000-01-01''', 'last_event_time = ''2000-01-01''', 'identified_tenant_id = ''x'''];
	victims text[] := ARRAY(SELECT call_id FROM calls WHERE start_time IS NOT NULL AND answer_time IS NOT NULL AND end_time > answer_time ORDER BY call_id LIMIT 15);
BEGIN
	FOR i IN 1..15 LOOP
		EXECUTE format('UPDATE calls SET %s WHERE call_id = %L', tampers[i], victims[i]);
	END LOOP;
	RAISE NOTICE '% tampered, % seen by the reference, % by cdr_verify_calls()', cardinality(victims),
		(SELECT count(DISTINCT call_id) FROM differences WHERE call_id = ANY (victims)), (SELECT count(*) FROM cdr_verify_calls() WHERE call_id = ANY (victims));
END $$;
SELECT count(*) AS differences FROM differences;
SELECT cdr_rebuild_calls(from_time => '-infinity', to_time => 'infinity', prune => true);
SELECT count(*) AS differences FROM differences;

-- and an event that only the log lost
DELETE FROM call_events WHERE event_id = (SELECT started_event_id FROM calls WHERE start_time < '2060-01-01' AND event_count > 5 ORDER BY call_id LIMIT 1);
REFRESH MATERIALIZED VIEW reference;
SELECT which FROM differences ORDER BY which;
SELECT count(*) AS unlike_their_events FROM cdr_verify_calls();

-- delivered all again: the lost one may be a repetition of what was retired, and
-- is not counted twice; once that is forgotten, it is new
SELECT cdr_ingest_events(array_agg(event)) FROM dealt;
SELECT cdr_rebuild_calls(call_id, prune => true) FROM (SELECT call_id FROM cdr_verify_calls()) AS v;
SELECT cdr_ingest_events(array_agg(event)) FROM dealt;
REFRESH MATERIALIZED VIEW reference;
SELECT count(*) AS differences FROM differences;
SELECT count(*) AS unlike_their_events FROM cdr_verify_calls();

DROP VIEW differences, public_columns;
DROP MATERIALIZED VIEW reference;
DROP FUNCTION one_of, maybe, uri, said, number_of, contact_of, seconds;
DROP TABLE dealt, deck;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
