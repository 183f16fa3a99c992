-- A call whose events were erased: it stands as it is, and all that reads the log knows.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
CREATE FUNCTION ev(call text, kind text, s float, more text DEFAULT '') RETURNS json LANGUAGE sql AS
$$ SELECT ('{"eventType":"call.' || kind || '","callId":"' || call || '","timestamp":"' || to_char('2026-03-02T10:00:00Z'::timestamptz + s * interval '1 s', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"' || more || '}')::json $$;
SELECT cdr_ingest_events(array_agg(ev(c, k, s, m))) FROM unnest(ARRAY['one', 'two', 'three']) AS c,
	(VALUES ('started', 0, ',"from":"sip:+12025550123@example.org","to":"sip:1001@example.org"'), ('answered', 5, ''), ('ended', 65, ',"reason":"normal_clearing"')) AS e(k, s, m);
-- by hand, as cdr_erase() does it
CREATE FUNCTION erase(id text) RETURNS void LANGUAGE sql AS
$$ UPDATE call_events AS e SET content_digest = cdr_event_content_digest(e.salt, e.event_id, e.message_id, e.call_id, e.trace_id, e.routing_key, e.content_type,
	e.headers, e.properties, e.payload, e.body), salt = NULL, payload = NULL, headers = NULL, routing_key = NULL, content_type = NULL WHERE call_id = id $$;
SELECT erase('one');
CREATE TABLE before AS SELECT * FROM calls;
SELECT call_id, problem FROM (SELECT call_id, 'differs' AS problem FROM cdr_verify_calls()) AS v;
SELECT cdr_rebuild_calls();
SELECT cdr_rebuild_calls('one');
SELECT cdr_rebuild_calls(from_time => '2026-03-01', to_time => '2026-04-01', prune => true);
SELECT count(*) FROM (TABLE before EXCEPT TABLE calls) AS x;
-- what of its row the log can tell has to fit
UPDATE calls SET event_count = event_count - 1, billable_seconds = DEFAULT WHERE call_id = 'one';
SELECT call_id FROM cdr_verify_calls();
SELECT cdr_rebuild_calls('one'), (SELECT count(*) FROM (TABLE before EXCEPT TABLE calls) AS x);
UPDATE calls SET status = 'RINGING', disposition = 'BUSY', last_event_time = now() WHERE call_id = 'one';
SELECT call_id FROM cdr_verify_calls();
SELECT cdr_rebuild_calls(call_ids => '{one,two}');
SELECT status, disposition, last_event_time > now() - interval '1 day' AS later FROM calls WHERE call_id = 'one';
-- what stands in its row alone, nobody can check
UPDATE calls SET answer_time = answer_time + interval '1 s' WHERE call_id = 'one';
SELECT call_id FROM cdr_verify_calls();
-- a row that is gone is told, and not made up: what it said is nowhere
DELETE FROM calls WHERE call_id = 'one';
SELECT call_id FROM cdr_verify_calls();
SELECT event_time, event_type, description, payload FROM cdr_call_history('one');
SELECT event_time, description FROM cdr_call_history('two');
SELECT * FROM cdr_explain_event((SELECT event_id FROM call_events WHERE call_id = 'one' AND event_type = 'call.started'));
SELECT * FROM cdr_remap_preview();
SELECT call_id, status, event_count FROM cdr_call_segments('one');
DROP TABLE before;
DROP FUNCTION ev, erase;
DROP EXTENSION cdr_service;
SET cdr_service.allow_drop = on;
DROP TABLE calls, call_events, dead_letters;
