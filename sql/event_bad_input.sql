-- Bad input is an ERROR with a SQLSTATE and a hint, and writes nothing.
CREATE EXTENSION cdr_service;
\set VERBOSITY terse
CREATE FUNCTION refused(event text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	hint text;
BEGIN
	RETURN 'taken: ' || cdr_ingest_event(event::json);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ' ' || message || CASE WHEN hint <> '' THEN ' [' || left(hint, 30) || ']' ELSE '' END;
END $$;

SELECT left(event, 60) AS event, refused(event) FROM (VALUES
	-- what the type json refuses itself
	(1, ''), (2, 'call.started'), (3, '{"eventType":"call.started","callId":"x"'), (4, '{"callId":"x",}'), (5, '{''callId'':''x''}'), (6, '{"a":NaN}'), (7, E'{"a":"\x01"}'), (8, '{"a":"\x41"}'), (9, '{} {}'),
	-- what json takes and an event cannot be
	(10, '[]'), (11, '[{"callId":"x"}]'), (12, '"call.started"'), (13, '4711'), (14, 'true'), (15, 'null'),
	(22, '{"callId":"' || repeat('c', 256) || '"}'), (23, '{"callId":"' || repeat('ç', 128) || '"}'), (24, '{"callId":' || repeat('1', 256) || '}'),
	(25, repeat('[', 100) || repeat(']', 100)), (26, repeat('[', 101) || repeat(']', 101)),
	(27, '{"a":' || repeat('[', 100) || repeat(']', 100) || '}'), (28, '{"a":' || repeat('{"a":', 4000) || '1' || repeat('}', 4001)),
	(29, '{"a":"' || repeat('x', 1048569) || '"}')) AS v(n, event) ORDER BY n;
SELECT count(*) FROM call_events;
SELECT count(*) FROM calls;
SELECT count(*) FROM dead_letters;

-- and what is only odd is taken
SELECT left(event, 60) AS event, refused(event) FROM (VALUES
	(1, '{}'), (2, ' { } '), (3, '{"callId":"' || repeat('c', 255) || '"}'), (4, '{"callId":"x\\u0000y"}'), (5, '{"callId":"\ud83d\ude00"}'),
	(6, '{"a":' || repeat('[', 99) || repeat(']', 99) || '}'), (7, '{"brackets":"' || repeat('[{', 500) || '"}'),
	(8, '{"flat":[' || repeat('{},', 1000) || '{}]}'), (9, '{"a":"' || repeat('x', 1048568) || '"}'),
	(10, '{"eventType":7,"callId":7,"traceId":7,"tenantId":7}'), (11, '{"eventType":null,"callId":null}'), (12, '{"eventType":{},"callId":[]}'), (13, '{"":1,"a":1,"a":2}'),
	-- what no text can hold costs its field alone
	(14, '{"callId":"x\u0000y"}'), (15, '{"callId":"n1","deep":{"er":["\u0000"]}}'), (16, '{"\u0000":1}'), (17, '{"callId":"\ud83d"}'), (18, '{"callId":"\ude00"}'), (19, '{"callId":"\ud83d\ud83d"}'),
	(20, '{"callId":"n2","eventType":"call.\ud83d","traceId":"\u0000","tenantId":"t"}'), (21, '{"call\u0049d":"n3","\u0065ventType":"x"}')) AS v(n, event) ORDER BY n;
SELECT call_id, event_type, trace_id, tenant_id FROM call_events WHERE octet_length(call_id) < 10 ORDER BY call_id, event_type, event_time;

-- one bad event of an array: its reason, and none of the array
SELECT cdr_ingest_events(ARRAY['{"callId":"good 1"}', '{"callId":"good 2"}', '{"callId":"' || repeat('c', 256) || '"}', '[]']::json[]);
SELECT count(*) FROM calls WHERE call_id LIKE 'good %';

-- the hints in full
\set VERBOSITY default
SELECT cdr_ingest_event('[]');
SELECT cdr_ingest_event(('{"callId":"' || repeat('c', 256) || '"}')::json);
SELECT cdr_ingest_event(('{"a":"' || repeat('x', 1048569) || '"}')::json);

-- a user's own constraint or trigger refuses with its own error, and the session works on
ALTER TABLE calls ADD CONSTRAINT short CHECK (duration_seconds < 3600);
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"long","timestamp":"2026-01-01T00:00:00Z"}');
SELECT refused('{"eventType":"call.ended","callId":"long","timestamp":"2026-01-01T02:00:00Z"}');
SELECT status, event_count FROM calls WHERE call_id = 'long';
ALTER TABLE calls DROP CONSTRAINT short;
SELECT refused('{"eventType":"call.ended","callId":"long","timestamp":"2026-01-01T02:00:00Z"}');
SELECT status, event_count, duration_seconds FROM calls WHERE call_id = 'long';

-- so does a unique index: an event that is not recorded is not passed over
CREATE UNIQUE INDEX one_call_a_trace ON call_events_default (trace_id);
SELECT refused('{"callId":"first","traceId":"same","timestamp":"2026-01-01T00:00:00Z"}');
SELECT refused('{"callId":"second","traceId":"same","timestamp":"2026-01-01T00:00:00Z"}');
SELECT refused('{"callId":"first","traceId":"same","timestamp":"2026-01-01T00:00:00Z"}');
DROP INDEX one_call_a_trace;
SELECT refused('{"callId":"second","traceId":"same","timestamp":"2026-01-01T00:00:00Z"}');

-- but what a trigger drops is dropped
CREATE FUNCTION drop_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER drop_row BEFORE INSERT ON call_events_default FOR EACH ROW EXECUTE FUNCTION drop_row();
SELECT refused('{"callId":"dropped","timestamp":"2026-01-01T00:00:00Z"}');
SELECT count(*) FROM calls WHERE call_id = 'dropped';
DROP TRIGGER drop_row ON call_events_default;
DROP FUNCTION drop_row;

SELECT count(*) FROM cdr_verify_calls();
DROP FUNCTION refused;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
