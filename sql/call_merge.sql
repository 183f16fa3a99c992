-- The merge: from the set of a call's events to one call.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

-- an event of a call, at a second of one minute (NULL: without a time)
CREATE FUNCTION ev(call text, type text, second numeric, more jsonb DEFAULT '{}') RETURNS json
LANGUAGE sql AS $$
	SELECT (jsonb_strip_nulls(jsonb_build_object('callId', call, 'eventType', type, 'timestamp',
		to_char(timestamptz '2026-01-19 22:00:00Z' + second * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))
		|| more)::json
$$;
-- ingests in the order given as one call, reversed as another, at once as a third
CREATE FUNCTION three_ways(name text, VARIADIC events json[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	result bigint := 0;
	e json;
BEGIN
	FOREACH e IN ARRAY events LOOP
		result := result + cdr_ingest_event((e::jsonb || jsonb_build_object('callId', name || ' forth'))::json)::int;
	END LOOP;
	FOR i IN REVERSE cardinality(events)..1 LOOP
		result := result + cdr_ingest_event((events[i]::jsonb || jsonb_build_object('callId', name || ' back'))::json)::int;
	END LOOP;
	RETURN result + cdr_ingest_events((SELECT array_agg((x::jsonb || jsonb_build_object('callId', name || ' once'))::json) FROM unnest(events) AS x));
END $$;

-- status and what follows from it, event by event
SELECT cdr_ingest_event(ev('life', 'acoustic.mood.shifted', 1));
SELECT status, disposition, duration_seconds, billable_seconds, event_count FROM calls WHERE call_id = 'life';
SELECT cdr_ingest_event(ev('life', 'call.started', 0));
SELECT status, disposition, duration_seconds, billable_seconds, event_count FROM calls WHERE call_id = 'life';
SELECT cdr_ingest_event(ev('life', 'call.answered', 2.5));
SELECT status, disposition, duration_seconds, billable_seconds, event_count FROM calls WHERE call_id = 'life';
SELECT cdr_ingest_event(ev('life', 'call.ended', 32.499999, '{"reason":"busy"}'));
SELECT status, disposition, duration_seconds, billable_seconds, event_count, first_event_time, last_event_time FROM calls WHERE call_id = 'life';

-- call.started: the earliest wins, with all that it says and does not say
SELECT three_ways('start',
	ev('', 'call.started', 5, '{"from":"1005","to":"2005","dialplan":{"tenant_id":"t5"}}'),
	ev('', 'call.started', 3, '{"from":"1003","dialplanResolution":{"matchedUser":{"id":"u3"},"matchedContact":{"id":3}}}'),
	ev('', 'call.started', 4, '{"from":"+49301234567","to":"2004","direction":"outbound"}'));
SELECT call_id, start_time, caller_number, callee_number, direction, tenant_id, user_id, contact_id, event_count
FROM calls WHERE call_id LIKE 'start %' ORDER BY call_id;

-- call.answered: the earliest
SELECT three_ways('answer', ev('', 'call.answered', 7), ev('', 'call.answered', 6), ev('', 'call.answered', 8));
SELECT call_id, status, answer_time, billable_seconds FROM calls WHERE call_id LIKE 'answer %' ORDER BY call_id;

-- call.ended: one that ends an attempt of several gives way; of the others, the earliest that is not before the answer
SELECT three_ways('end',
	ev('', 'call.ended', 11, '{"reason":"normal_clearing"}'),
	ev('', 'call.ended', 10, '{"reason":"busy"}'),
	ev('', 'call.ended', 9, '{"hangupSource":"callee"}'));
SELECT call_id, status, disposition, end_time, hangup_cause, hangup_source, billable_seconds, duration_seconds
FROM calls WHERE call_id LIKE 'end %' ORDER BY call_id;
SELECT three_ways('forked',
	ev('', 'call.started', 0, '{"trunk":"gw-1"}'), ev('', 'call.ringing', 1), ev('', 'call.answered', 8),
	ev('', 'call.ended', 8.1, '{"reason":"canceled","sipStatus":487}'),
	ev('', 'call.ended', 50, '{"reason":"normal_clearing","sipStatus":200}'));
SELECT call_id, trunk, ring_time, end_time, hangup_cause, sip_status, billable_seconds, anomalies FROM calls WHERE call_id LIKE 'forked %' ORDER BY call_id;
SELECT register, event_time, rank, event_id IS NOT NULL AS "has id", says FROM cdr_merge_state('forked once');

-- user.identified and user.created: the latest of both, as a unit
SELECT three_ways('user',
	ev('', 'user.identified.for_call', 2, '{"userId":"u2","contactId":2,"tenantId":"t2"}'),
	ev('', 'user.created.for_call', 9, '{"userId":"u9"}'),
	ev('', 'call.started', 10, '{"dialplan":{"tenant_id":"t10","matched_user":{"id":"u10"},"matched_contact":{"id":10}}}'),
	ev('', 'user.identified.for_call', 8, '{"userId":"u8","contactId":8,"tenantId":"t8"}'));
SELECT call_id, user_id, contact_id, tenant_id FROM calls WHERE call_id LIKE 'user %' ORDER BY call_id;
-- without one: what the winning call.started matched
SELECT three_ways('match',
	ev('', 'call.started', 2, '{"dialplan":{"tenant_id":"t2","matched_user":{"id":"u2","tenant_id":"ut2"},"matched_contact":{"id":2}}}'),
	ev('', 'call.started', 1, '{"dialplan":{"tenant_id":"t1","matched_contact":{"id":1}}}'));
SELECT call_id, user_id, contact_id, tenant_id FROM calls WHERE call_id LIKE 'match %' ORDER BY call_id;
-- one that knows nothing still counts as the latest
SELECT three_ways('nobody',
	ev('', 'call.started', 2, '{"tenantId":"top","dialplan":{"tenant_id":"t2","matched_user":{"id":"u2"}}}'),
	ev('', 'user.identified.for_call', 1, '{"userId":"","contactId":0,"tenantId":""}'));
SELECT call_id, user_id, contact_id, tenant_id FROM calls WHERE call_id LIKE 'nobody %' ORDER BY call_id;

-- call.recording.available: the latest; recordingUri before uri before publicUrl
SELECT three_ways('recording',
	ev('', 'call.recording.available', 20, '{"recordingUri":"s3://r/20","uri":"s3://u/20"}'),
	ev('', 'call.recording.available', 22, '{"recordingUri":"","uri":"s3://u/22","publicUrl":"https://p/22"}'),
	ev('', 'call.recording.available', 21, '{"publicUrl":"https://p/21"}'));
SELECT call_id, status, recording_url FROM calls WHERE call_id LIKE 'recording %' ORDER BY call_id;

-- ties: the smallest identity of the earliest, the largest of the latest
SELECT three_ways('tie',
	ev('', 'call.started', 1, '{"from":"1001"}'), ev('', 'call.started', 1, '{"from":"1002"}'), ev('', 'call.started', 1, '{"from":"1003"}'),
	ev('', 'call.ended', 2, '{"reason":"r1"}'), ev('', 'call.ended', 2, '{"reason":"r2"}'), ev('', 'call.ended', 2, '{"reason":"r3"}'),
	ev('', 'user.identified.for_call', 3, '{"userId":"u1"}'), ev('', 'user.created.for_call', 3, '{"userId":"u2"}'), ev('', 'user.identified.for_call', 3, '{"userId":"u3"}'),
	ev('', 'call.recording.available', 4, '{"uri":"l1"}'), ev('', 'call.recording.available', 4, '{"uri":"l2"}'), ev('', 'call.recording.available', 4, '{"uri":"l3"}'));
SELECT c.call_id, caller_number, hangup_cause, user_id, recording_url,
	   caller_number = (SELECT payload ->> 'from' FROM call_events AS e WHERE e.call_id = c.call_id AND event_type = 'call.started' ORDER BY event_id LIMIT 1) AS "smallest",
	   hangup_cause = (SELECT payload ->> 'reason' FROM call_events AS e WHERE e.call_id = c.call_id AND event_type = 'call.ended' ORDER BY event_id LIMIT 1) AS "smallest",
	   user_id = (SELECT payload ->> 'userId' FROM call_events AS e WHERE e.call_id = c.call_id AND event_type LIKE 'user.%' ORDER BY event_id DESC LIMIT 1) AS "largest",
	   recording_url = (SELECT payload ->> 'uri' FROM call_events AS e WHERE e.call_id = c.call_id AND event_type = 'call.recording.available' ORDER BY event_id DESC LIMIT 1) AS "largest"
FROM calls AS c WHERE call_id LIKE 'tie %' ORDER BY call_id;

-- how an ended call went, by its cause, with and without an answer
WITH causes (n, cause) AS (VALUES
	(1, 'normal_clearing'), (2, 'normal_clearing_by_user'), (3, 'terminated_by_request'), (4, 'system_terminated'),
	(5, 'workflow_hangup'), (6, 'busy'), (7, 'user_busy'), (8, 'failure'), (9, 'network_failure'),
	(10, 'USER_BUSY'), (11, 'originator_cancel'), (12, 'no_answer'), (13, 'something else'), (14, NULL))
SELECT cdr_ingest_events(array_agg(e)) FROM causes,
	LATERAL (VALUES (ev('cause ' || n, 'call.ended', 9, jsonb_strip_nulls(jsonb_build_object('reason', cause)))),
					(ev('cause ' || n || ' answered', 'call.ended', 9, jsonb_strip_nulls(jsonb_build_object('reason', cause)))),
					(ev('cause ' || n || ' answered', 'call.answered', 2))) AS v(e);
SELECT u.hangup_cause, u.hangup_source, u.disposition, u.billable_seconds, a.disposition AS answered, a.billable_seconds
FROM calls AS u JOIN calls AS a ON a.call_id = u.call_id || ' answered'
WHERE u.call_id LIKE 'cause %' ORDER BY substr(u.call_id, 7)::int;

-- whole seconds, rounded down, never negative
SELECT cdr_ingest_events(ARRAY[
	ev('ringing', 'call.started', 1), ev('ringing', 'call.ringing', 2),
	ev('short', 'call.started', 0), ev('short', 'call.answered', 0.000001), ev('short', 'call.ended', 1),
	ev('skewed', 'call.started', 30), ev('skewed', 'call.answered', 40), ev('skewed', 'call.ended', 20),
	ev('no start', 'call.answered', 1), ev('no start', 'call.ended', 5),
	ev('no answer', 'call.started', 1), ev('no answer', 'call.ended', 5),
	ev('no end', 'call.started', 1), ev('no end', 'call.answered', 5)]);
SELECT call_id, duration_seconds, billable_seconds, status, disposition, anomalies, first_event_time, last_event_time FROM calls
WHERE call_id IN ('ringing', 'short', 'skewed', 'no start', 'no answer', 'no end') ORDER BY call_id;

-- contactId: an integer or the text of one; another value leaves NULL, the event is kept
SELECT cdr_ingest_events(array_agg(ev('contact ' || n, 'user.identified.for_call', 1, jsonb_build_object('userId', 'u', 'contactId', c))))
FROM unnest(ARRAY['7', '"8"', '0', '"0"', '""', 'null', '7.5', '1e3', '"x"', 'true', '[7]', '{"id":7}', '-7',
	'9223372036854775807', '9223372036854775808', '-9223372036854775808']::jsonb[]) WITH ORDINALITY AS v(c, n);
SELECT (payload -> 'contactId')::text AS "contactId", contact_id, user_id, event_count FROM calls JOIN call_events USING (call_id)
WHERE call_id LIKE 'contact %' ORDER BY substr(call_id, 9)::int;

-- the wrong kind of value says nothing; of a repeated key the last counts
SELECT cdr_ingest_events(ARRAY[
	'{"eventType":"call.started","callId":"types","timestamp":"2026-01-01T00:00:00Z","from":{"uri":"1001"},"to":["1002"],"direction":true,"dialplan":"d","traceId":7}',
	'{"eventType":"call.ended","callId":"no","callId":"types","timestamp":"2026-01-02T00:00:00Z","timestamp":"2026-01-01T00:00:09Z","reason":"busy","reason":null}',
	'{"eventType":"call.started","callId":"repeated","timestamp":"2026-01-01T00:00:00Z","dialplan":{"tenant_id":"gone","matched_user":{"id":"gone","tenant_id":"gone"}},"dialplan":{"matched_user":{"id":"u"}}}']::json[]);
SELECT call_id, caller_number, callee_number, direction, tenant_id, user_id, start_time, end_time, hangup_cause, disposition FROM calls
WHERE call_id IN ('types', 'repeated', 'no') ORDER BY call_id;
SELECT trace_id FROM call_events WHERE call_id = 'types' ORDER BY event_time;

-- wild times are times too; the default partition has them
SELECT cdr_ingest_events(ARRAY[
	'{"eventType":"call.started","callId":"wild","timestamp":"0002-01-02T00:00:01Z"}',
	'{"eventType":"call.ended","callId":"wild","timestamp":"9999-12-31T23:59:59.999999Z"}',
	'{"eventType":"call.answered","callId":"wild","timestamp":"0002-01-02T00:00:00+15:59"}']::json[]);
SELECT start_time, answer_time, end_time, duration_seconds, billable_seconds, first_event_time, last_event_time FROM calls WHERE call_id = 'wild' \gx
SELECT DISTINCT tableoid::regclass FROM call_events WHERE call_id = 'wild';

-- no time, Go's zero time and no timestamp at all: the time of receipt, and still never twice
SELECT now() AS before \gset
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"timeless"}');
SELECT cdr_ingest_event('{"eventType":"call.answered","callId":"timeless","timestamp":"0001-01-01T00:00:00Z"}');
SELECT cdr_ingest_event('{"eventType":"call.ended","callId":"timeless","timestamp":"yesterday"}');
SELECT cdr_ingest_event('{"eventType":"call.ended","callId":"timeless","timestamp":"yesterday"}');
SELECT cdr_ingest_events(ARRAY['{"eventType":"call.answered","callId":"timeless","timestamp":"0001-01-01T00:00:00Z"}',
	'{"eventType":"call.started","callId":"timeless"}', '{"eventType":"other","callId":"timeless"}',
	'{"eventType":"other","callId":"timeless"}', '{"eventType":"of no call"}', '{"eventType":"of no call"}']::json[]);
SELECT cdr_ingest_event('{"eventType":"of no call"}');
SELECT status, event_count, start_time BETWEEN :'before' AND clock_timestamp() AS started,
	   answer_time BETWEEN start_time AND clock_timestamp() AS answered, end_time BETWEEN answer_time AND clock_timestamp() AS ended
FROM calls WHERE call_id = 'timeless';
SELECT call_id, event_type, event_time = received_at AS "as received" FROM call_events
WHERE call_id = 'timeless' OR event_type = 'of no call' ORDER BY call_id DESC, event_time;

-- no call: logged, never a row of calls
SELECT count(*) FROM call_events WHERE call_id = '';
SELECT count(*) FROM calls WHERE call_id = '';

SELECT count(*) FROM cdr_verify_calls();
-- what the merge keeps may be written over: then it says so, and the call can be written anew
UPDATE calls SET merge_state = '\x0102030405' WHERE call_id = 'short';
SELECT cdr_ingest_event(ev('short', 'call.ringing', 0.5));
SELECT * FROM cdr_merge_state('short');
UPDATE calls SET merge_state = NULL WHERE call_id = 'short';
SELECT cdr_ingest_event(ev('short', 'call.ringing', 0.5));
SELECT cdr_rebuild_calls('short');
SELECT cdr_ingest_event(ev('short', 'call.ringing', 0.5));
SELECT ring_time, event_count FROM calls WHERE call_id = 'short';
SELECT count(*) FROM cdr_verify_calls();
DROP FUNCTION ev, three_ways;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
