-- cdr_ingest_event() and cdr_ingest_events(): one way in.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

-- the first dialect, as its producers send it; new events are true
SELECT cdr_ingest_event($${"eventType":"call.started","traceId":"trace-6d0f3c","callId":"4c9b5f6a-7711@10.20.0.14","from":"\"Ayse Yilmaz\" <sip:+905551112233@10.20.0.14:5060;transport=udp>;tag=8f3a","to":"<sip:+902124548590@sentiric>","media":{"server_rtp_port":10042,"caller_rtp_addr":"10.20.0.14:31200"},"dialplan":{"dialplan_id":"DP_WELCOME","tenant_id":"tenant-atlas","action":{"action":"START_AI_CONVERSATION","action_data":{"data":{"lang":"tr"}}},"matched_user":{"id":"0a7d0c0e-31f6-4c8e-9a51-5f2e9a7a2b10","tenant_id":"tenant-atlas"},"matched_contact":{"id":4711,"contact_value":"+905551112233"}},"timestamp":"2025-09-08T09:15:02.118204551+00:00"}$$);
SELECT * FROM calls \gx
SELECT cdr_ingest_event($${"eventType":"user.identified.for_call","traceId":"trace-6d0f3c","callId":"4c9b5f6a-7711@10.20.0.14","userId":"0a7d0c0e-31f6-4c8e-9a51-5f2e9a7a2b10","contactId":4711,"tenantId":"tenant-atlas","timestamp":"2025-09-08T09:15:02.731Z"}$$);
SELECT cdr_ingest_event($${"eventType":"call.answered","traceId":"trace-6d0f3c","callId":"4c9b5f6a-7711@10.20.0.14","timestamp":"2025-09-08T09:15:04.402913+00:00"}$$);
SELECT cdr_ingest_event($${"eventType":"call.ended","traceId":"trace-6d0f3c","callId":"4c9b5f6a-7711@10.20.0.14","reason":"terminated_by_request","timestamp":"2025-09-08T09:17:31.000100200+00:00"}$$);
SELECT * FROM calls \gx

-- again: false, and nothing changes
SELECT cdr_ingest_event($${"eventType":"call.answered","traceId":"trace-6d0f3c","callId":"4c9b5f6a-7711@10.20.0.14","timestamp":"2025-09-08T09:15:04.402913+00:00"}$$);
SELECT event_count FROM calls;

-- the second dialect, last event first, with events that shape no call
SELECT cdr_ingest_events(ARRAY[
	$${"eventType":"call.recording.available","traceId":"b2c1d5a0","callId":"a84b4c76e66710@gw1.example.net","recordingUri":"s3://recordings/2026/01/19/a84b4c76e66710.wav","timestamp":"2026-01-19T22:04:20Z"}$$,
	$${"eventType":"call.ended","traceId":"b2c1d5a0","callId":"a84b4c76e66710@gw1.example.net","reason":"normal_clearing_by_user","timestamp":"2026-01-19T22:04:10.750000+00:00","mediaInfo":{"callerRtpAddr":"192.0.2.7:40000","serverRtpPort":10110}}$$,
	$${"eventType":"acoustic.mood.shifted","traceId":"b2c1d5a0","callId":"a84b4c76e66710@gw1.example.net","timestamp":"2026-01-19T22:01:40Z","previousMood":"analytical","currentMood":"calm","arousalShift":-0.21}$$,
	$${"eventType":"dialplan.updated","traceId":"cfg-77","tenantId":"tenant-borealis","timestamp":"2026-01-19T20:00:00Z","payload":{"dialplanId":"DP_OUT","version":12}}$$]::json[]);
SELECT cdr_ingest_events(ARRAY[
	$${"eventType":"call.answered","traceId":"b2c1d5a0","callId":"a84b4c76e66710@gw1.example.net","timestamp":"2026-01-19T22:00:03.250000+00:00"}$$,
	$${"eventType":"call.started","traceId":"b2c1d5a0","callId":"a84b4c76e66710@gw1.example.net","fromUri":"sip:1001@sentiric","toUri":"sip:+4930901820@sentiric;user=phone","timestamp":"2026-01-19T21:59:58.900000+00:00","mediaInfo":{"callerRtpAddr":"192.0.2.7:40000","serverRtpPort":10110},"dialplanResolution":{"dialplanId":"DP_OUT","tenantId":"tenant-borealis","action":{"action":"BRIDGE_CALL","actionData":{"trunk":"t1"}}}}$$,
	$${"eventType":"call.answered","traceId":"b2c1d5a0","callId":"a84b4c76e66710@gw1.example.net","timestamp":"2026-01-19T22:00:03.250000+00:00"}$$]::json[]);
SELECT * FROM calls WHERE call_id LIKE 'a84b%' \gx

-- the log: what it takes out of the event, and the event itself
SELECT call_id, event_time, event_type, trace_id, tenant_id, routing_key,
	   received_at BETWEEN now() - interval '1 hour' AND clock_timestamp() AS received,
	   body
FROM call_events ORDER BY event_time, event_id;
SELECT count(*) AS identities_differ FROM call_events
WHERE event_id <> encode(substr(sha256('\xffffffff' || convert_to(payload::text, 'UTF8')), 1, 16), 'hex')::uuid;

-- byte for byte: blanks, the order of keys, repeated keys and all
SELECT cdr_ingest_event('{ "b" : 1,"a":2.50,  "callId":"verbatim",
	"a" : 1e2, "u":"\u00e7" }');
SELECT payload FROM call_events WHERE call_id = 'verbatim';
-- other bytes are another event, whatever they mean
SELECT cdr_ingest_event('{"b":1,"a":2.50,"callId":"verbatim","a":1e2,"u":"ç"}');
SELECT event_type, status, event_count FROM call_events JOIN calls USING (call_id) WHERE call_id = 'verbatim';

-- NULL and nothing
SELECT cdr_ingest_event(NULL) IS NULL AS event, cdr_ingest_events(NULL) IS NULL AS events;
SELECT cdr_ingest_events('{}');
DO $$
BEGIN
	PERFORM cdr_ingest_events(ARRAY['{"callId":"null"}', NULL]::json[]);
EXCEPTION WHEN OTHERS THEN
	RAISE NOTICE '% %', SQLSTATE, SQLERRM;
END $$;

-- an array of more dimensions is its elements
SELECT cdr_ingest_events(ARRAY[['{"callId":"d1","timestamp":"2026-01-01T00:00:00Z"}', '{"callId":"d2","timestamp":"2026-01-01T00:00:00Z"}'],
	['{"callId":"d3","timestamp":"2026-01-01T00:00:00Z"}', '{"callId":"d1","timestamp":"2026-01-01T00:00:00Z"}']]::json[]);

-- all or none
SELECT cdr_ingest_events(ARRAY['{"callId":"none","timestamp":"2026-01-01T00:00:00Z"}', '[]']::json[]);
SELECT count(*) FROM call_events WHERE call_id IN ('none', 'null');
SELECT count(*) FROM calls WHERE call_id IN ('none', 'null');

-- in the caller's transaction
BEGIN;
SELECT cdr_ingest_event('{"eventType":"call.answered","callId":"tx","timestamp":"2026-01-01T00:00:00Z"}');
SAVEPOINT s;
SELECT cdr_ingest_event('{"eventType":"call.ended","callId":"tx","timestamp":"2026-01-01T00:00:01Z"}');
SELECT status, event_count FROM calls WHERE call_id = 'tx';
ROLLBACK TO s;
SELECT status, event_count FROM calls WHERE call_id = 'tx';
-- what was rolled back is new again
SELECT cdr_ingest_event('{"eventType":"call.ended","callId":"tx","timestamp":"2026-01-01T00:00:01Z"}');
ROLLBACK;
SELECT count(*) FROM calls WHERE call_id = 'tx';
BEGIN READ ONLY;
SELECT cdr_ingest_event('{"callId":"read only","timestamp":"2026-01-01T00:00:00Z"}');
ROLLBACK;

-- backfill: over a query, as one array, out of a trigger
CREATE TABLE feed (n int, event json);
INSERT INTO feed SELECT n, json_build_object('eventType', 'call.answered', 'callId', 'feed-' || n % 3,
	'timestamp', timestamptz '2026-01-01 00:00:00Z' + n * interval '1 second') FROM generate_series(1, 30) AS n;
SELECT count(*) FILTER (WHERE cdr_ingest_event(event)) AS new FROM feed WHERE n <= 10;
SELECT cdr_ingest_events(array_agg(event)) AS new FROM feed;
SELECT call_id, status, answer_time, event_count FROM calls WHERE call_id LIKE 'feed-%' ORDER BY call_id;
CREATE FUNCTION feed() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM cdr_ingest_event(NEW.event); RETURN NULL; END $$;
CREATE TRIGGER feed AFTER INSERT ON feed FOR EACH ROW EXECUTE FUNCTION feed();
INSERT INTO feed SELECT n, json_build_object('eventType', 'call.ended', 'callId', 'feed-' || n % 3,
	'timestamp', timestamptz '2026-01-01 01:00:00Z' + n * interval '1 second') FROM generate_series(31, 36) AS n;
SELECT call_id, status, end_time, event_count FROM calls WHERE call_id LIKE 'feed-%' ORDER BY call_id;
DROP TABLE feed;
DROP FUNCTION feed();

-- within each other: a trigger on the log records events while others are being recorded
CREATE FUNCTION echo() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.call_id LIKE 'outer-%' THEN
		PERFORM public.cdr_ingest_event(json_build_object('eventType', 'call.answered',
			'callId', replace(NEW.call_id, 'outer', 'inner'), 'timestamp', NEW.event_time));
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER echo BEFORE INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION echo();
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'call.answered', 'callId', 'outer-' || n,
	'timestamp', '2026-01-02T00:00:00Z'))) FROM generate_series(1, 50) AS n;
SELECT left(call_id, 5) AS which, count(*), sum(event_count) FROM calls WHERE call_id ~ '^(outer|inner)-' GROUP BY 1 ORDER BY 1;
DROP TRIGGER echo ON call_events;
DROP FUNCTION echo();

-- call ids are opaque: case counts, blanks count, 255 bytes fit
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'x', 'callId', id, 'timestamp', '2026-01-01T00:00:00Z')))
FROM unnest(ARRAY['Case', 'case', ' case', 'a@b:5060/+=_-.~%', 'çağrı-😀', repeat('c', 255)]) AS id;
SELECT octet_length(call_id), left(call_id, 20) AS call_id, event_count FROM calls
WHERE first_event_time = '2026-01-01' AND call_id NOT LIKE 'd_' ORDER BY call_id COLLATE "C";

-- in one step as in many: a large array, twice
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'call.answered', 'callId', 'large-' || n % 777,
	'timestamp', timestamptz '2026-02-01 00:00:00Z' + n * interval '1 second'))) FROM generate_series(1, 10000) AS n;
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'call.answered', 'callId', 'large-' || n % 777,
	'timestamp', timestamptz '2026-02-01 00:00:00Z' + n * interval '1 second'))) FROM generate_series(1, 10001) AS n;
SELECT count(*), sum(event_count), min(answer_time) FROM calls WHERE call_id LIKE 'large-%';

SELECT count(*) FROM cdr_verify_calls();
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
