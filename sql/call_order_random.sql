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
		'call.recording.available', 'call.ringing', 'call.started', 'call.ended', 'call.ended', 'user.identified.for_call', 'acoustic.mood.shifted'),
	'callId', 'call-' || c,
	'n', maybe(0.9, n::text),
	'timestamp', CASE WHEN random() < 0.97 THEN
		to_char(timestamptz '2026-01-28 12:00:00Z' + c * interval '1 minute' + (floor(random() * 8) - 2) * (ARRAY[0.0005, 1, 7.25])[1 + c % 3] * interval '1 second'
			+ COALESCE(maybe(0.02, '40 years'), '0')::interval, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
		ELSE one_of('0001-01-01T00:00:00Z', 'not a time', '') END,
	'from', one_of('1001', '1002', '+905551112233', '00492211234', 'anonymous', '', NULL), 'fromUri', maybe(0.5, uri()),
	'to', one_of('1001', '1002', '+905551112233', '00492211234', 'anonymous', '', NULL), 'toUri', maybe(0.5, uri()),
	'direction', maybe(0.1, one_of('inbound', 'outbound', '')), 'trunk', maybe(0.2, one_of('gw-1', 'gw-2', '')), 'sipStatus', one_of('200', '"486"', '"busy"', '100', 'null')::json,
	'reason', one_of('normal_clearing', 'busy', 'USER_BUSY', 'failure', 'Canceled', 'terminated_by_request', 'odd', '', NULL),
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
SELECT anomaly, count(*) > 20 AS "some" FROM calls, unnest(anomalies) AS anomaly GROUP BY anomaly ORDER BY anomaly;
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
-- what a cause says: how a call went that nobody answered, and whether it ends one of several attempts
CREATE TABLE causes (cause text, outcome text, of_branch boolean);
INSERT INTO causes VALUES ('normal_clearing', 'ANSWERED', false), ('busy', 'BUSY', true), ('user_busy', 'BUSY', true), ('failure', 'FAILED', true),
	('canceled', 'CANCELED', true), ('terminated_by_request', 'CANCELED', false);
-- an event as it is told; a time of receipt is a guess, before which any other goes
CREATE VIEW told AS
SELECT call_id, event_type AS type, event_time AS at, (time_source = 'r') AS guess, event_id AS id,
	   number_of(COALESCE(said(payload, 'fromUri'), said(payload, 'from'))) AS caller_number,
	   number_of(COALESCE(said(payload, 'toUri'), said(payload, 'to'))) AS callee_number,
	   said(payload, 'direction') AS direction, said(payload, 'trunk') AS trunk,
	   COALESCE(said(payload, 'dialplanResolution', 'matchedUser', 'id'), said(payload, 'dialplan', 'matched_user', 'id')) AS matched_user,
	   contact_of(COALESCE(said(payload, 'dialplanResolution', 'matchedContact', 'id'), said(payload, 'dialplan', 'matched_contact', 'id'))) AS matched_contact,
	   said(payload, 'userId') AS user_id, contact_of(said(payload, 'contactId')) AS contact_id,
	   COALESCE(said(payload, 'tenantId'),
				said(payload, 'dialplanResolution', 'matchedUser', 'tenantId'), said(payload, 'dialplan', 'matched_user', 'tenant_id'),
				said(payload, 'dialplanResolution', 'tenantId'), said(payload, 'dialplan', 'tenant_id')) AS tenant_id,
	   said(payload, 'reason') AS hangup_cause, outcome, COALESCE(of_branch, false) AS of_branch,
	   COALESCE(said(payload, 'hangupSource'), CASE said(payload, 'reason') WHEN 'busy' THEN 'user' WHEN 'terminated_by_request' THEN 'system' END) AS hangup_source,
	   CASE WHEN said(payload, 'sipStatus') ~ '^[2-6][0-9][0-9]$' THEN said(payload, 'sipStatus')::int END AS sip_status,
	   COALESCE(said(payload, 'recordingUri'), said(payload, 'uri'), said(payload, 'publicUrl')) AS recording_url
FROM call_events LEFT JOIN causes ON cause = lower(said(payload, 'reason'))
WHERE call_id <> '';
-- the first of some ends that may be the call's; those of which only the receipt is known come last
CREATE FUNCTION first_of(VARIADIC ends told[]) RETURNS told LANGUAGE sql IMMUTABLE AS
$$ SELECT ends[n] FROM generate_subscripts(ends, 1) AS n WHERE (ends[n]).id IS NOT NULL ORDER BY (ends[n]).guess, n LIMIT 1 $$;
CREATE MATERIALIZED VIEW reference AS
WITH picked AS (
	SELECT call_id, count(*) AS event_count, min(at) AS first_event_time, max(at) AS last_event_time,
		   (array_agg(t ORDER BY guess, at, id) FILTER (WHERE type = 'call.started'))[1] AS s,
		   (array_agg(t ORDER BY guess, at DESC, id DESC) FILTER (WHERE type = 'call.started'))[1] AS l,
		   (array_agg(t ORDER BY guess, at, id) FILTER (WHERE type = 'call.ringing'))[1] AS r,
		   (array_agg(t ORDER BY guess, at, id) FILTER (WHERE type = 'call.answered'))[1] AS a,
		   (array_agg(t ORDER BY guess, at, id) FILTER (WHERE type = 'call.ended' AND NOT of_branch))[1] AS f1,
		   (array_agg(t ORDER BY guess, at DESC, id DESC) FILTER (WHERE type = 'call.ended' AND NOT of_branch))[1] AS f2,
		   (array_agg(t ORDER BY guess, at DESC, id DESC) FILTER (WHERE type = 'call.ended' AND of_branch))[1] AS b,
		   (array_agg(t ORDER BY guess, at DESC, id DESC) FILTER (WHERE type IN ('user.identified.for_call', 'user.created.for_call')))[1] AS i,
		   (array_agg(t ORDER BY guess, at DESC, id DESC) FILTER (WHERE type = 'call.recording.available'))[1] AS w
	FROM told AS t GROUP BY call_id),
ended AS (
	SELECT p.*, CASE
			WHEN (a).id IS NULL THEN first_of(b, f1)
			WHEN (a).guess THEN first_of(f1, b)
			ELSE first_of(CASE WHEN (f1).at >= (a).at THEN f1 END, CASE WHEN (f2).at >= (a).at THEN f2 END,
				CASE WHEN (b).at - (a).at >= interval '10 s' THEN b END, CASE WHEN (a).at - (f2).at <= interval '10 s' THEN f2 END)
			END AS e
	FROM picked AS p),
disposed AS (
	SELECT *, CASE WHEN (e).id IS NULL THEN NULL WHEN NOT (a).guess OR ((a).guess AND NOT (e).of_branch) THEN 'ANSWERED'
			ELSE COALESCE((e).outcome, 'NO_ANSWER') END AS disposition
	FROM ended)
SELECT call_id,
	   CASE WHEN (e).id IS NOT NULL THEN 'COMPLETED' WHEN (a).id IS NOT NULL THEN 'ANSWERED' WHEN (r).id IS NOT NULL THEN 'RINGING'
			WHEN (s).id IS NOT NULL THEN 'STARTED' WHEN (i).id IS NOT NULL THEN 'IDENTIFIED' ELSE 'UNKNOWN' END AS status,
	   disposition,
	   COALESCE((s).direction, CASE
			WHEN (s).caller_number !~ '^[0-9]{1,6}$' THEN 'inbound'
			WHEN (s).caller_number IS NULL OR (s).callee_number IS NULL THEN NULL
			WHEN (s).callee_number ~ '^[0-9]{1,6}$' THEN 'internal' ELSE 'outbound' END) AS direction,
	   (s).caller_number, (s).callee_number, (s).trunk, (s).at AS start_time, (r).at AS ring_time, (a).at AS answer_time, (e).at AS end_time,
	   COALESCE((s).at, (a).at, (e).at) AS attempt_time,
	   seconds((s).at, (e).at) AS duration_seconds,
	   CASE WHEN (e).id IS NULL THEN NULL WHEN (a).id IS NULL OR disposition <> 'ANSWERED' THEN 0 ELSE seconds((a).at, (e).at) END AS billable_seconds,
	   (e).hangup_cause, (e).hangup_source, (e).sip_status, COALESCE((i).tenant_id, (s).tenant_id) AS tenant_id,
	   CASE WHEN (i).id IS NOT NULL THEN (i).user_id ELSE (s).matched_user END AS user_id,
	   CASE WHEN (i).id IS NOT NULL THEN (i).contact_id ELSE (s).matched_contact END AS contact_id,
	   (w).recording_url,
	   NULLIF(array_remove(ARRAY[
			CASE WHEN NOT (l).guess AND (l).at > (s).at AND ((l).at - (s).at > interval '1 h' OR (l).at - (f1).at >= interval '1 s') THEN 'reused' END,
			CASE WHEN (NOT ((s).guess OR (a).guess) AND (s).at - (a).at > interval '1 s') OR (NOT ((s).guess OR (e).guess) AND (s).at - (e).at > interval '1 s')
				OR (NOT ((a).guess OR (e).guess) AND (a).at - (e).at > interval '1 s') THEN 'clock' END,
			CASE WHEN (s).guess OR (r).guess OR (a).guess OR (e).guess THEN 'untimed' END,
			CASE WHEN (s).id IS NULL AND ((a).id IS NOT NULL OR (e).id IS NOT NULL) THEN 'no start' END,
			CASE WHEN (a).id IS NULL AND (e).outcome = 'ANSWERED' THEN 'no answer' END], NULL), '{}') AS anomalies,
	   event_count, first_event_time, last_event_time
FROM disposed;
CREATE VIEW public_columns AS
SELECT call_id, status, disposition, direction, caller_number, callee_number, trunk, start_time, ring_time, answer_time, end_time, attempt_time, duration_seconds, billable_seconds,
	   hangup_cause, hangup_source, sip_status, tenant_id, user_id, contact_id, recording_url, anomalies, event_count, first_event_time, last_event_time FROM calls;
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
		'recording_url = ''x''', 'event_count = event_count + 1', 'first_event_time = ''2000-01-01''', 'last_event_time = ''2000-01-01''', 'tenant_id = ''x''', 'status = ''x''',
		'disposition = ''x''', 'trunk = ''x''', 'ring_time = now()', 'sip_status = 1', 'anomalies = ''{}'''];
	victims text[] := ARRAY(SELECT call_id FROM calls WHERE start_time IS NOT NULL AND answer_time IS NOT NULL AND end_time > answer_time ORDER BY call_id LIMIT 21);
BEGIN
	FOR i IN 1..21 LOOP
		EXECUTE format('UPDATE calls SET %s WHERE call_id = %L', tampers[i], victims[i]);
	END LOOP;
	RAISE NOTICE '% tampered, % seen by the reference, % by cdr_verify_calls()', cardinality(victims),
		(SELECT count(DISTINCT call_id) FROM differences WHERE call_id = ANY (victims)), (SELECT count(*) FROM cdr_verify_calls() WHERE call_id = ANY (victims));
END $$;
SELECT count(*) AS differences FROM differences;
SELECT cdr_rebuild_calls(from_time => '-infinity', to_time => 'infinity', prune => true);
SELECT count(*) AS differences FROM differences;

-- and an event that only the log lost
DELETE FROM call_events WHERE event_id = (SELECT s.event_id FROM (SELECT call_id FROM calls WHERE start_time < '2060-01-01' AND event_count > 5 ORDER BY call_id LIMIT 1) AS c,
	cdr_merge_state(c.call_id) AS s WHERE s.register = 'started');
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
DROP FUNCTION first_of;
DROP VIEW told;
DROP FUNCTION one_of, maybe, uri, said, number_of, contact_of, seconds;
DROP TABLE dealt, deck, causes;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
