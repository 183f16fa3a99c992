-- CloudEvents: an envelope that is the body, or in the headers.  All samples are
-- in test/fuzz/corpus/samples.cloudevents; these show what is stored of them.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

CREATE FUNCTION cloudevent(source text, id text) RETURNS uuid LANGUAGE sql AS $$
	SELECT encode(substr(sha256('\xfffffffe'
		|| int4send(octet_length(source)) || convert_to(source, 'UTF8')
		|| int4send(octet_length(id)) || convert_to(id, 'UTF8')), 1, 16), 'hex')::uuid
$$;
-- the vector of doc/wire.md
SELECT cloudevent('/sip/edge1', 'e-1');

CREATE FUNCTION ce_headers(id text, more text DEFAULT '{}', prefix text DEFAULT 'ce-') RETURNS json LANGUAGE sql AS $$
	SELECT json_object_agg(prefix || key, value) FROM (
		SELECT * FROM json_each(json_build_object('specversion', '1.0', 'type', 'call.answered', 'source', '/sip/edge1', 'id', id))
		UNION ALL SELECT * FROM json_each(more::json)) AS attributes
$$;

\set structured '{"specversion":"1.0","id":"e-1","source":"/sip/edge1","type":"org.example.call.started","time":"2026-03-08T20:00:00.118Z","data":{"callId":"c1","fromUri":"sip:+12025550123@192.0.2.20","toUri":"sip:1001@example.org"}}'
\set resent '{"specversion":"1.0","id":"e-1","source":"/sip/edge1","type":"org.example.call.started","time":"2026-03-08T20:00:00.118Z","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","data":{"callId":"c1","fromUri":"sip:+12025550123@192.0.2.20","toUri":"sip:1001@example.org"}}'
SELECT cdr_ingest_message(:'structured', 'some.key', 'application/cloudevents+json; charset=UTF-8') AS new,
	cdr_ingest_message(:'structured', 'some.key', 'Application/CloudEvents+JSON') AS again,
	cdr_ingest_message(:'structured', NULL, 'text/plain', message_id => 'another') AS "by Dapr",
	cdr_ingest_message(:'resent') AS resent,
	cdr_ingest_event(:'resent') AS "by SQL";

-- in the headers: four prefixes, whose case does not matter; a plain traceparent
SELECT cdr_ingest_message('{"callId":"c1"}', 'other', 'application/json',
	headers => ce_headers('e-2', '{"time":1773000003}')) AS "ce-";
SELECT cdr_ingest_message('{"callId":"c1"}', 'other', 'application/json', headers => ce_headers('e-2', '{"time":"2026-03-08T20:00:03Z"}', prefix)) AS again, prefix
	FROM unnest(ARRAY['cloudEvents:', 'cloudEvents_', 'ce_', 'CE-', 'Ce_']) AS prefix;
SELECT cdr_ingest_message('', headers => '{"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","ce_specversion":"1.0","ce_type":"call.ringing","ce_source":"/sip/edge1","ce_id":"e-3","ce_time":"2026-03-08T20:00:01Z","ce_callid":"c1"}') AS "no data";
SELECT cdr_ingest_message('\x0a0a63616c6c2e656e6465641a0263312a0462757379', 'other', 'application/protobuf', headers =>
	'{"ce-specversion":"1.0","ce-type":"org.example.call.ended","ce-source":"/sip/edge1","ce-id":"e-4","ce-time":"2026-03-08T20:00:09Z"}') AS "Protobuf";
SELECT cdr_ingest_message('<call/>', 'other', 'text/xml', headers => ce_headers('e-5', '{"subject":"c2","time":"2026-03-08T20:00:00Z"}')) AS "XML";
SELECT cdr_ingest_event('{"specversion":"0.3","id":"e-6","source":"/sip/edge1","type":"call.ended","subject":"c2","time":"2026-03-08T20:00:05Z","datacontenttype":"2026-03-08","data":"{\"callId\":\"c3\"}"}') AS "0.3";
-- Base64 of {"callId":"c4"}; no time but that of the property
SELECT cdr_ingest_message('{"specversion":"1.0","id":"e-7","source":"/sip/edge1","type":"call.answered","data_base64":"eyJjYWxsSWQiOiJjNCJ9"}',
	content_type => 'application/cloudevents', property_time => '2026-03-08 20:00:00Z') AS base64;
-- the same source and id without a time, later
SELECT cdr_ingest_message('{"specversion":"1.0","id":"e-7","source":"/sip/edge1","type":"call.answered","data":{"callId":"c4"}}') AS again;

-- no CloudEvents: a part is missing, two prefixes, a number
SELECT cdr_ingest_message('{"callId":"c5"}', 'call.answered', 'application/json', headers => '{"ce-specversion":"1.0","ce-type":"call.ended","ce-source":"/s","ce_id":"x"}', property_time => '2026-03-08 20:00:01Z') AS native,
	cdr_ingest_event('{"specversion":"1.0","id":17,"source":"/s","type":"call.ended","callId":"c5","eventType":"call.ringing","timestamp":"2026-03-08T20:00:00Z"}') AS native;

SELECT e.event_type, call_id, to_char(event_time, 'HH24:MI:SS.MS') AS time, time_source AS by, trace_id, content_type, payload IS NOT NULL AS json,
		(SELECT id FROM generate_series(1, 7) AS id WHERE event_id = cloudevent('/sip/edge1', 'e-' || id)) AS id
	FROM call_events AS e WHERE call_id <> 'c5' ORDER BY id;
SELECT event_type, event_id = encode(substr(sha256('\xffffffff' || convert_to(payload::text, 'UTF8')), 1, 16), 'hex')::uuid AS "of its bytes"
	FROM call_events WHERE call_id = 'c5' ORDER BY 1;
SELECT call_id, status, disposition, caller_number, callee_number, direction, start_time, ring_time, answer_time, end_time, event_count
	FROM calls ORDER BY call_id;

-- the log alone brings all of it back
SELECT * FROM cdr_verify_calls();
CREATE TABLE before AS SELECT * FROM calls;
DELETE FROM calls;
SELECT cdr_rebuild_calls();
SELECT count(*) FROM (TABLE calls EXCEPT TABLE before) AS differing;

-- what is none, and why; also with what the headers say
SELECT cdr_ingest_message('[]', content_type => 'application/cloudevents-batch+json');
SELECT cdr_ingest_message('\x0102', content_type => 'application/cloudevents+avro');
SELECT cdr_ingest_message('{"specversion":"1.0","source":"/s","type":"x"}', content_type => 'application/cloudevents+json');
SELECT cdr_ingest_message('{"specversion":"2.0","source":"/s","type":"x","id":"e"}');
SELECT cdr_ingest_event('{"specversion":"1.0","source":"/s","type":"x","id":"e","data":{},"data_base64":"e30="}');
SELECT cdr_ingest_event('{"specversion":"1.0","source":"/s","type":"x","id":"e","data_base64":"e3"}');
SELECT cdr_ingest_message('{"specversion":"1.0"', content_type => 'application/cloudevents+json');
SELECT cdr_ingest_message('{"callId":', content_type => 'application/json', headers => ce_headers('e-8'));
SELECT cdr_ingest_message('{"callId":"c6"}', headers => ce_headers('e-8', '{"specversion":"7"}'));

-- dead letters: known by their bytes until they are events
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE 'refused' USING ERRCODE = 'P0001';
END $$;
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, routing_key, content_type, headers, body_size, body)
	SELECT encode(substr(sha256('\xffffffff' || body), 1, 16), 'hex')::uuid, '2026-03-09 00:00Z', '2026-03-09 00:00Z', '22P02', 'event is not JSON',
		'x', content_type, headers, length(body), body
	FROM (VALUES (:'structured'::bytea, 'application/cloudevents+json', NULL::json),
		('{"callId":"c7"}', 'application/json', ce_headers('e-9', '{"time":"2026-03-08T20:00:09Z"}')),
		('[1]', 'application/cloudevents-batch+json', NULL)) AS letter (body, content_type, headers);
CREATE TRIGGER refuse BEFORE INSERT ON call_events FOR EACH ROW WHEN (NEW.call_id = 'c7') EXECUTE FUNCTION refuse();
SELECT cdr_retry_dead_letters();
SELECT attempts, sqlstate, message, event_id = encode(substr(sha256('\xffffffff' || body), 1, 16), 'hex')::uuid AS "of its bytes"
	FROM dead_letters ORDER BY sqlstate;
DROP TRIGGER refuse ON call_events;
SELECT cdr_retry_dead_letters();
SELECT sqlstate, message FROM dead_letters;
SELECT event_id = cloudevent('/sip/edge1', 'e-9') AS "of source and id" FROM call_events WHERE call_id = 'c7';
SELECT cdr_ingest_message('{"callId":"c7"}', headers => ce_headers('e-9', '{"time":"2026-03-08T20:00:09Z"}', 'ce_')) AS again;
SELECT * FROM cdr_verify_calls();

-- RabbitMQ 3.10 hands on the application properties of an AMQP 1.0 publisher in one
-- header, encoded: a map of strings
CREATE FUNCTION str8(value text) RETURNS bytea LANGUAGE sql AS
$$ SELECT '\xa1'::bytea || set_byte('\x00', 0, length(convert_to(value, 'UTF8'))) || convert_to(value, 'UTF8') $$;
CREATE FUNCTION application_properties(VARIADIC pairs text[]) RETURNS bytea LANGUAGE sql AS
$$ SELECT '\x005374d1'::bytea || int4send(4 + length(entries)) || int4send(cardinality(pairs)) || entries
   FROM (SELECT string_agg(str8(pair), '' ORDER BY n) AS entries FROM unnest(pairs) WITH ORDINALITY AS u(pair, n)) AS e $$;
SELECT cdr_ingest_message('{"callId": "old-broker", "from": "1001", "to": "2002"}', 'anything', 'application/json',
	type => 'binary', headers => json_build_object('x-amqp-1.0-app-properties', json_build_object('base64',
		replace(encode(application_properties('cloudEvents:specversion', '1.0', 'cloudEvents:id', 'e-1', 'cloudEvents:source', '/sbc',
			'cloudEvents:type', 'call.started', 'cloudEvents:time', '2026-03-08T20:00:00Z'), 'base64'), E'\n', ''))));
SELECT event_type, event_time, call_id, event_id = encode(substr(sha256('\xfffffffe' || int4send(4) || '/sbc'::bytea || int4send(3) || 'e-1'::bytea), 1, 16), 'hex')::uuid AS by_source_and_id
FROM call_events WHERE call_id = 'old-broker';
SELECT count(*) FROM cdr_verify_calls();
DROP FUNCTION application_properties, str8;

DROP TABLE before;
DROP FUNCTION refuse, cloudevent, ce_headers;
-- read by a mapping: of a structured one it sees the envelope, of a binary one the data, whose
-- type and time are those of the envelope; source and id identify both
TRUNCATE call_events, calls, timeless_events;
INSERT INTO cdr_mappings (name, definition) VALUES ('m', '{"match": {"exchange": "pbx"}, "event": {"type": ["kind", "/data/kind"], "call_id": ["id2", "/data/id2"], "time": ["at", "/data/at"]},
	"call": [{"set": "started", "when": {"kind": "up"}, "caller_number": "a"}, {"set": "started", "when": {"/data/kind": "up"}, "caller_number": "/data/a"}]}');
SELECT cdr_ingest_message('{"kind":"up","id2":"binary","at":"2026-03-08T20:00:00Z","a":"1001"}', content_type => 'application/json', exchange => 'pbx',
	headers => '{"ce-specversion":"1.0","ce-type":"com.x","ce-source":"s","ce-id":"2","ce-time":"2026-03-08T21:00:00Z"}');
SELECT cdr_ingest_message(convert_to('{"specversion":"1.0","id":"2","source":"s","type":"com.x","time":"2026-03-08T21:00:00Z","data":{"kind":"up","id2":"' || call || '","at":"2026-03-08T20:00:00Z","a":"1001"}}', 'UTF8'), content_type => type, exchange => 'pbx')
FROM (VALUES ('structured', 'application/cloudevents+json'), ('plain', 'text/plain')) AS v(call, type);
SELECT event_type, call_id, event_time AT TIME ZONE 'UTC' AS event_time, mapping IS NOT NULL AS mapped, caller_number, event_id = encode(substr(sha256('\xfffffffe000000017300000001' || '2'::bytea), 1, 16), 'hex')::uuid AS by_source_and_id
FROM call_events LEFT JOIN calls USING (call_id) ORDER BY call_id;
SELECT * FROM cdr_verify_calls();

SET client_min_messages = warning;
SET cdr_service.allow_drop = on;
DROP EXTENSION cdr_service CASCADE;
DROP TABLE calls, call_events, dead_letters, timeless_events;
