-- Why an event is what it is: which form and mapping it was read by, where each
-- value comes from, what was not understood; and nothing is written.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
\pset null ''
\set VERBOSITY terse

-- times of receipt differ from run to run, and so do the ids of what has none
CREATE FUNCTION shown(value text) RETURNS text LANGUAGE sql
RETURN CASE WHEN starts_with(value, to_char(now(), 'YYYY-MM-DD ')) THEN 'now' ELSE value END;
SELECT * FROM cdr_explain_event(NULL::text);

-- both dialects
SELECT * FROM cdr_explain_event('{"eventType":"call.started","traceId":"trace-6d","callId":"4c9b@10.20.0.14","from":"\"Ayse\" <sip:+905551112233@10.20.0.14;transport=udp>;tag=8f3a","to":"<sip:1001@sentiric>","media":{"server_rtp_port":10042,"caller_rtp_addr":"10.20.0.14:31200"},"dialplan":{"dialplan_id":"DP_WELCOME","tenant_id":"tenant-dialplan","action":{"action":"START"},"matched_user":{"id":"0a7d","tenant_id":"tenant-atlas"},"matched_contact":{"id":4711,"contact_value":"+905551112233"}},"timestamp":"2025-09-08T09:15:02.118204551+00:00"}'::json);
SELECT * FROM cdr_explain_event('{"eventType":"call.ended","traceId":"b2c1","callId":"a84b@gw1","reason":"normal_clearing_by_user","sipStatus":"200","timestamp":"2026-01-19T22:04:10.75Z","mediaInfo":{"serverRtpPort":10110}}');
-- who calls by a number, in the older key beside a newer one that says nothing
SELECT * FROM cdr_explain_event('{"eventType":"call.started","callId":"n","fromUri":"","from":4.711e3,"to":true,"direction":{"a":"b"},"trunk":"\u0000","timestamp":1767225600}');
-- what does not fit, what is not set, what cannot be read, what another type says
SELECT * FROM cdr_explain_event('{"eventType":"call.ended","callId":"n","timestamp":"noon","reason":"busy","trunk":"x","sipStatus":99,"from":"1001"}', property_time => '2026-01-01Z');
SELECT register, "column", shown(value) AS value, source, note
	FROM cdr_explain_event('{"eventType":"call.ended","callId":"n","timestamp":"0001-01-01T00:00:00Z"}');
SELECT register, "column", shown(value) AS value, source, note
	FROM cdr_explain_event('{"eventType":"user.identified.for_call","callId":"n","timestamp":{},"userId":"u","contactId":"many"}');
-- a web session is answered when it starts; no call, no type, a type of nobody's
SELECT * FROM cdr_explain_event('{"eventType":"call.started","callId":"web","from":"web-client","to":"ai-pipeline","timestamp":"2026-01-01T00:00:00Z"}');
SELECT * FROM cdr_explain_event('{"eventType":"call.started","timestamp":"2026-01-01T00:00:00Z"}');
SELECT register, "column", shown(value) AS value, source, note FROM cdr_explain_event('{}');
SELECT register, "column", shown(value) AS value, source, note FROM cdr_explain_event('{"callId":"n"}', routing_key => 'acoustic.mood.shifted');
-- what a function makes is that only if it came from one
SELECT register, "column", value, source, note FROM cdr_explain_event('{"eventType":"cdr.call.corrected","callId":"n","timestamp":"2026-01-01T00:00:00Z","correction":{"trunk":"x"}}');

-- Protobuf, by the names that cdr_event_json() shows; text that begins with \x is
-- bytes, as bytea is written
\set started 0a0c63616c6c2e73746172746564121d33633236613064372d353166302d34623665403139322e302e322e31341a1d33633236613064372d353166302d34623665403139322e302e322e3134224122416c69636522203c7369703a2b3132303235353530313233403139322e302e322e31343a353036303b7472616e73706f72743d7564703e3b7461673d386633612a1e3c7369703a2b3132303235353530313939406578616d706c652e6f72673e320b08c0aab7cd061087d1ae383abb020a0a44505f57454c434f4d45120f74656e616e742d6469616c706c616e1a400a1553544152545f41495f434f4e564552534154494f4e10011a190a0b776f726b666c6f775f6964120a77665f77656c636f6d651a0a0a046c616e671202656e22770a2430613764306330652d333166362d346338652d396135312d356632653961376132623130120d416c696365204578616d706c651a0c74656e616e742d61746c6173220663616c6c65722a2608e724120a752d30613764306330651a0570686f6e65220c2b313230323535353031323328013202656e2a2608e724120a752d30613764306330651a0570686f6e65220c2b3132303235353530313233280132390a0c2b3132303235353530313939120c74656e616e742d726f7574651a0a44505f57454c434f4d4530003a02656e420773636865642d31480142150a103139322e302e322e31343a333132303010ba4e
\set answered 0a0d63616c6c2e616e737765726564121d33633236613064372d353166302d34623665403139322e302e322e31341a0b08c1aab7cd061080e59a77220673797374656d2a2a7b2263616c6c4964223a2233633236613064372d353166302d34623665403139322e302e322e3134227d
SELECT * FROM cdr_explain_event(decode(:'started', 'hex'), content_type => 'application/protobuf');
SELECT * FROM cdr_explain_event('\x' || :'answered');
-- strings that are no text; an old recording; no type but the routing key
SELECT * FROM cdr_explain_event('\x0a0a63616c6c2e656e6465641a036d2d31220608c0aab7cd062a02c328');
SELECT * FROM cdr_explain_event('\x121d33633236613064372d353166302d34623665403139322e302e322e31341a1d33633236613064372d353166302d34623665403139322e302e322e3134220608d5abb7cd062a0462757379', 'call.ended');

-- CloudEvents, structured and binary
SELECT * FROM cdr_explain_event('{"specversion":"1.0","type":"org.example.call.started","source":"/pbx","id":"1","subject":"c7","time":"2026-01-01T00:00:00Z","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","data":{"from":"1001","to":"1002","codec":"opus","timestamp":"2025-12-31T00:00:00Z"},"region":"eu"}', content_type => 'application/cloudevents+json');
SELECT * FROM cdr_explain_event(convert_to('{"callId":"c8","timestamp":"2026-01-01T00:00:00Z","reason":"busy"}', 'UTF8'), headers => '{"ce-specversion":"1.0","ce-type":"call.ended","ce-source":"/pbx","ce-id":"2","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}');
SELECT * FROM cdr_explain_event(json_build_object('specversion', '1.0', 'type', 'x', 'source', '/pbx', 'id', '3', 'datacontenttype', 'application/protobuf', 'data_base64', translate(encode(decode(:'answered', 'hex'), 'base64'), E'\n', ''))::text);
SELECT register, "column", shown(value) AS value, source, note FROM cdr_explain_event('{"specversion":"1.0","type":"call.ended","source":"/pbx","id":"4","time":7,"data":"{\"callId\":\"no\"}"}');
SELECT * FROM cdr_explain_event('{"specversion":"1.0","type":"call.ended","source":"/pbx","id":"5","data":{},"data_base64":""}');

-- what it was packed into
SELECT * FROM cdr_explain_event('\x1f8b0800000000000203ab564a4eccc9f14c51b252aa52d2512ac9cc4d2d2e49cc2d00f28d0c8ccc740d0c8128c4c0c00a8ca2946a01bb42ef3f31000000', 'call.answered', content_encoding => 'gzip') WHERE register = 'message';
SELECT * FROM cdr_explain_event(convert_to('{"callId":"ç","eventType":"x"}', 'LATIN1'), content_type => 'application/json; charset=iso-8859-1') WHERE register = 'message' OR "column" = 'call_id';
SELECT * FROM cdr_explain_event('\x005377a00e'::bytea || '{"callId":"q"}', type => 'amqp-1.0') WHERE register = 'message' OR "column" = 'call_id';

-- what is no event: each with its reason, and nothing is an error
CREATE TABLE garbage (name text, body bytea, content_type text);
INSERT INTO garbage VALUES
	('empty', '', NULL),
	('text', 'hello', NULL),
	('text, called JSON', 'hello', 'application/json'),
	('cut', '{"eventType":"call.ended","callId":"a', NULL),
	('array', '[{"eventType":"call.ended"}]', NULL),
	('a number', '17', 'application/json'),
	('NUL', convert_to('{"callId":"a', 'UTF8') || '\x00'::bytea || convert_to('"}', 'UTF8'), NULL),
	('NUL, escaped', '{"callId":"a\\u0000b","eventType":"call.ended","timestamp":"2026-01-01T00:00:00Z"}', NULL),
	('no UTF-8', '{"callId":"' || '\xc328'::bytea || '"}', NULL),
	('deep', convert_to(repeat('[', 101) || repeat(']', 101), 'UTF8'), 'application/json'),
	('deep in an object', convert_to('{"a":' || repeat('[', 100) || repeat(']', 100) || '}', 'UTF8'), NULL),
	('large', convert_to('{"a":"' || repeat('x', 1048576) || '"}', 'UTF8'), NULL),
	('Protobuf, cut', decode(substr(:'answered', 1, 100), 'hex'), 'application/protobuf'),
	('batch', '[]', 'application/cloudevents-batch+json'),
	('damaged gzip', '\x1f8b0800', NULL),
	('long call id', convert_to('{"callId":"' || repeat('x', 256) || '"}', 'UTF8'), NULL);
SELECT name, e."column", left(shown(value), 70) AS value, source, left(note, 70) AS note
	FROM garbage, cdr_explain_event(body, content_type => garbage.content_type) AS e
	WHERE register = 'message' OR "column" = 'call_id' ORDER BY garbage.ctid, e."column" COLLATE "C";
-- of each of them the same reason as when it is ingested, or the same call
DO $$
DECLARE
	each garbage;
	told text;
	got text;
BEGIN
	FOR each IN TABLE garbage LOOP
		SELECT coalesce(max(value || ' ' || source) FILTER (WHERE "column" = 'no event'),
				'call ' || coalesce(max(value) FILTER (WHERE "column" = 'call_id'), ''))
			INTO told FROM cdr_explain_event(each.body, content_type => each.content_type);
		BEGIN
			PERFORM cdr_ingest_message(each.body, content_type => each.content_type);
			SELECT 'call ' || call_id INTO got FROM call_events;
			RAISE 'taken back' USING ERRCODE = 'UX001';
		EXCEPTION
			WHEN SQLSTATE 'UX001' THEN NULL;
			WHEN OTHERS THEN got := SQLERRM || ' SQLSTATE ' || SQLSTATE;
		END;
		IF told IS DISTINCT FROM got THEN
			RAISE WARNING '%: told %, but %', each.name, told, got;
		END IF;
	END LOOP;
END
$$;

-- what was not read: members in members, names of any kind, and not too many
SELECT value, source, note FROM cdr_explain_event('{"eventType":"x","callId":"u","a/b":1,"":2,"~":{"x":[]},"dialplan":{"tenant_id":"t","list":[1,{"a":null}],"matched_user":[]},"null":null,"empty":"","\u00fc":"\u00fc","half \ud800":"x","callId":"u"}') WHERE register = 'not read';
SELECT count(*), max(note), max(length(value)) FROM cdr_explain_event((SELECT json_object_agg('k' || i, repeat('ü', 1000)) FROM generate_series(1, 150) AS i)) WHERE register = 'not read';

-- mappings: which were asked and why they do not match, which one reads it
INSERT INTO cdr_mappings (name, priority, definition) VALUES
	('elsewhere', 3, '{"match":{"exchange":"other","where":{"ev":"h"}},"event":{"call_id":"id"}}'),
	('wants', 2, '{"match":{"where":{"ev":"x"}},"event":{"call_id":"id"}}'),
	('pbx', 1, '{"match":{"routing_key":"pbx.#","where":{"ev":["h","s"]}},
		"event":{"type":"ev","time":{"from":"t","as":"unix"},"call_id":"id","tenant_id":{"header":"tenant"},"identity":["id","n"]},
		"call":[{"set":"started","rank":1,"caller_number":"a","callee_number":"b","trunk":{"const":"sip"}},
			{"set":"answered","rank":1,"time":{"from":"answered","as":"unix"}},
			{"set":"rang","rank":1,"time":{"from":"rang","as":"unix"}},
			{"set":"ended","when":{"ev":"h"},"hangup_cause":{"from":"cause","values":{"16":"normal_clearing"}},"sip_status":"status"},
			{"set":"recording","when":{"ev":"r"},"recording_url":"url"}]}');
\set hangup '{"ev":"h","id":"m1","n":7,"t":"1767225600","a":"sip:1001@x","b":1002,"answered":"0","rang":"soon","cause":"17","status":"0","more":{"x":1}}'
SELECT * FROM cdr_explain_event(:'hangup', 'pbx.1', headers => '{"tenant":"t1"}');
SELECT * FROM cdr_explain_event(:'hangup', 'other', exchange => 'this') WHERE register = 'message';
-- one alone, be it disabled, and whatever it would be asked for
UPDATE cdr_mappings SET enabled = false WHERE name = 'pbx';
SELECT * FROM cdr_explain_event(:'hangup', 'other', mapping => 'pbx') WHERE register = 'message' OR "column" = 'call_id';
SELECT * FROM cdr_explain_event(:'hangup', 'pbx.1', mapping => 'wants') WHERE register = 'message';
SELECT * FROM cdr_explain_event(:'hangup', 'pbx.1') WHERE register = 'message';
-- a definition that nobody has stored
SELECT * FROM cdr_explain_event(:'hangup', definition => '{"match":{"where":{"ev":"h"}},"event":{"call_id":"id","time":"nothing"},"strict":true}');
SELECT * FROM cdr_explain_event(:'hangup', definition => '{"match":{"where":{"ev":"h"}},"event":{"cal_id":"id"}}');
SELECT * FROM cdr_explain_event(:'hangup', mapping => 'nobody''s');
SELECT * FROM cdr_explain_event(:'hangup', mapping => 'pbx', definition => '{}');
UPDATE cdr_mappings SET enabled = true WHERE name = 'pbx';

-- why a value is not there
SELECT "column", value, source, note FROM cdr_explain_event('{"object":{},"long":"' || repeat('x', 9000) || '","null":null,"empty":"","inner":"no json","n":"0"}', headers => '{}', definition => '{"event":{"type":"object","call_id":["x","n"],"trace_id":"long"},
	"call":[{"set":"ended","hangup_cause":"null","hangup_source":["x","y"]},{"set":"started","caller_number":"empty","callee_number":{"from":"a","in":"inner"},"trunk":{"header":"h"},"user_id":{"property":"app_id"},"tenant_id":{"from":"n","none":["0"]},"contact_id":{"from":["n","x"],"when":{"n":"1"}}}]}') WHERE register IN ('event', 'started', 'ended') AND "column" NOT IN ('time', 'event_id');
-- an id is no message
SELECT * FROM cdr_explain_event('CF79bc8b-1f3c-4fe7-b1ec-0123456789ab');

-- in the log: by the version that read it, though there is a newer one
SELECT cdr_ingest_message(convert_to(:'hangup', 'UTF8'), 'pbx.1', headers => '{"tenant":"t1"}');
SELECT cdr_ingest_event('{"eventType":"call.answered","callId":"m2","timestamp":"2026-01-01T00:00:00Z"}');
SELECT cdr_correct_call('m2', '{"trunk":"a","hangup_cause":null,"contact_id":7,"end_time":"2026-01-01T00:01:00Z"}', 'as billed') IS NOT NULL AS corrected;
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', '{"match":{"where":{"ev":"h"}},"event":{"call_id":"n"}}');
SELECT e.* FROM call_events, cdr_explain_event(event_id, call_id) AS e WHERE call_id = 'm1';
SELECT e.* FROM call_events, cdr_explain_event(event_id) AS e WHERE call_id = 'm2' AND event_type = 'call.answered' AND e."column" <> 'event_id';
SELECT e.register, e."column", CASE WHEN e.source ~ 'function' OR register = 'event' OR e."column" = 'time' THEN '' ELSE e.value END AS value, e.source, e.note
	FROM call_events, cdr_explain_event(event_id) AS e WHERE call_id = 'm2' AND time_source = 'f' AND register IN ('message', 'corrected');
SELECT * FROM cdr_explain_event('00000000-0000-0000-0000-000000000000'::uuid);
SELECT * FROM cdr_explain_event((SELECT event_id FROM call_events WHERE call_id = 'm1'), 'another');

-- dead letters: why each was kept, and what it would be now
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, detail, constraint_name, routing_key, content_type, body_size, body)
	SELECT uuid(lpad(row_number() OVER ()::text, 32, '0')), '2026-03-09Z', '2026-03-09Z', '22023', 'as it was then', 'a detail', 'a constraint', 'pbx.1', content_type, length(body), body FROM garbage;
SELECT g.name, e.register, e."column", left(shown(e.value), 50) AS value, e.source
	FROM garbage AS g JOIN dead_letters AS d ON d.body = g.body AND d.content_type IS NOT DISTINCT FROM g.content_type, cdr_explain_dead_letter(event_id) AS e
	WHERE register = 'message' AND e."column" = 'no event' OR e."column" IN ('call_id', 'constraint_name') ORDER BY g.ctid, e."column" COLLATE "C";
-- one that a mapping would read now, one whose body was cut, and none
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, body_size, body) VALUES
	('11111111-0000-0000-0000-000000000000', '2026-03-09Z', '2026-03-09Z', '22P02', 'then', length(:'hangup'), convert_to(:'hangup', 'UTF8')),
	('22222222-0000-0000-0000-000000000000', '2026-03-09Z', '2026-03-09Z', '54000', 'too large', 17000000, 'the start');
SELECT * FROM cdr_explain_dead_letter('11111111-0000-0000-0000-000000000000', 'pbx') WHERE register <> 'not read';
SELECT * FROM cdr_explain_dead_letter('22222222-0000-0000-0000-000000000000');
SELECT * FROM cdr_explain_dead_letter('33333333-0000-0000-0000-000000000000');

-- nothing was written, nor can be: it does the same where nothing can be
CREATE TEMPORARY TABLE before AS SELECT
	(SELECT count(*) FROM call_events) AS events, (SELECT count(*) FROM calls) AS calls,
	(SELECT count(*) FROM dead_letters) AS letters, (SELECT count(*) FROM cdr_mappings) AS mappings;
BEGIN READ ONLY;
SELECT count(*) > 10 AS told FROM cdr_explain_event(:'hangup', 'pbx.1');
SELECT count(*) > 10 AS told FROM cdr_explain_event((SELECT event_id FROM call_events WHERE call_id = 'm1'));
SELECT count(*) > 2 AS told FROM cdr_explain_dead_letter('22222222-0000-0000-0000-000000000000');
COMMIT;
SELECT events = (SELECT count(*) FROM call_events) AND calls = (SELECT count(*) FROM calls)
	AND letters = (SELECT count(*) FROM dead_letters) AND mappings = (SELECT count(*) FROM cdr_mappings) AS same FROM before;

-- who may: nobody who was not told so, and each with the rights that he has
CREATE ROLE regress_asker;
SET ROLE regress_asker;
SELECT count(*) FROM cdr_explain_event('{}');
SELECT count(*) FROM cdr_explain_event('{}'::bytea);
SELECT count(*) FROM cdr_explain_event('{}'::json);
SELECT count(*) FROM cdr_explain_event('11111111-0000-0000-0000-000000000000'::uuid);
SELECT count(*) FROM cdr_explain_dead_letter('11111111-0000-0000-0000-000000000000');
RESET ROLE;
GRANT EXECUTE ON FUNCTION cdr_explain_event(uuid, text), cdr_explain_dead_letter(uuid, text) TO regress_asker;
SET ROLE regress_asker;
SELECT count(*) FROM cdr_explain_event('11111111-0000-0000-0000-000000000000'::uuid);
SELECT count(*) FROM cdr_explain_dead_letter('11111111-0000-0000-0000-000000000000');
RESET ROLE;
GRANT SELECT ON dead_letters TO regress_asker;
SET ROLE regress_asker;
SELECT count(*) > 2 AS told FROM cdr_explain_dead_letter('22222222-0000-0000-0000-000000000000');
RESET ROLE;
DROP OWNED BY regress_asker;
DROP ROLE regress_asker;

SET client_min_messages = warning;
SET cdr_service.allow_drop = on;
DROP FUNCTION shown;
DROP TABLE garbage;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters, timeless_events;
