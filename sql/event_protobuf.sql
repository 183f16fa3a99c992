-- Protobuf: bodies that were kept as dead letters become events.  All samples
-- are in test/fuzz/corpus/samples.protobuf; these show what is stored of them.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

CREATE TABLE samples (name text, routing_key text, body bytea);
INSERT INTO samples VALUES
	('call.started', 'call.started', decode('0a0c63616c6c2e73746172746564121d33633236613064372d353166302d34623665403139322e302e322e31341a1d33633236613064372d353166302d34623665403139322e302e322e3134224122416c69636522203c7369703a2b3132303235353530313233403139322e302e322e31343a353036303b7472616e73706f72743d7564703e3b7461673d386633612a1e3c7369703a2b3132303235353530313939406578616d706c652e6f72673e320b08c0aab7cd061087d1ae383abb020a0a44505f57454c434f4d45120f74656e616e742d6469616c706c616e1a400a1553544152545f41495f434f4e564552534154494f4e10011a190a0b776f726b666c6f775f6964120a77665f77656c636f6d651a0a0a046c616e671202656e22770a2430613764306330652d333166362d346338652d396135312d356632653961376132623130120d416c696365204578616d706c651a0c74656e616e742d61746c6173220663616c6c65722a2608e724120a752d30613764306330651a0570686f6e65220c2b313230323535353031323328013202656e2a2608e724120a752d30613764306330651a0570686f6e65220c2b3132303235353530313233280132390a0c2b3132303235353530313939120c74656e616e742d726f7574651a0a44505f57454c434f4d4530003a02656e420773636865642d31480142150a103139322e302e322e31343a333132303010ba4e', 'hex')),
	('call.answered', 'call.answered', decode('0a0d63616c6c2e616e737765726564121d33633236613064372d353166302d34623665403139322e302e322e31341a0b08c1aab7cd061080e59a77220673797374656d2a2a7b2263616c6c4964223a2233633236613064372d353166302d34623665403139322e302e322e3134227d', 'hex')),
	('call.ended', 'call.ended', decode('0a0a63616c6c2e656e646564121d33633236613064372d353166302d34623665403139322e302e322e31341a1d33633236613064372d353166302d34623665403139322e302e322e3134220a08d5abb7cd061090943d2a0f6e6f726d616c5f636c656172696e67', 'hex')),
	('user.identified.for_call', 'user.identified.for_call', decode('0a18757365722e6964656e7469666965642e666f725f63616c6c120c74726163652d3664306633631a1d33633236613064372d353166302d34623665403139322e302e322e3134220c08c2aab7cd0610c0d9c8dc022a9d010a2430613764306330652d333166362d346338652d396135312d356632653961376132623130120d416c696365204578616d706c651a0c74656e616e742d61746c6173220663616c6c65722a250801120a752d30613764306330651a0570686f6e65220c2b313230323535353031323328012a250802120a752d30613764306330651a0570686f6e65220c2b313230323535353031323328013202656e322608e724120a752d30613764306330651a0570686f6e65220c2b31323032353535303132332801', 'hex')),
	('call.recording.available_public', 'call.recording.available', decode('0a1863616c6c2e7265636f7264696e672e617661696c61626c651a1d33633236613064372d353166302d34623665403139322e302e322e3134220608e0abb7cd06322468747470733a2f2f6578616d706c652e6f72672f7265632f33633236613064372e776176', 'hex')),
	('call.started_web', 'call.started', decode('0a0c63616c6c2e73746172746564120837663363316532641a0c7765622d3566316339613765220a7765622d636c69656e742a0b61692d706970656c696e65320608c0aab7cd06420b0a09776562736f636b6574', 'hex')),
	('call.ended_web', 'call.ended', decode('0a0a63616c6c2e656e646564120837663363316532641a0c7765622d3566316339613765220608fcaab7cd062a13636c69656e745f646973636f6e6e6563746564', 'hex')),
	('acoustic.mood.shifted', 'acoustic.mood.shifted', decode('0a1561636f75737469632e6d6f6f642e73686966746564120c74726163652d3664306633631a1d33633236613064372d353166302d34623665403139322e302e322e3134220608e8aab7cd062a0a616e616c79746963616c320463616c6d3dcdcc4cbe450000003f4a0573706b2d3152080000803f00000040', 'hex')),
	('dialog.turn.completed', 'dialog.turn.completed', decode('0a156469616c6f672e7475726e2e636f6d706c65746564120837663363316532641a0b08c1aab7cd061080e59a77220c74656e616e742d61746c61732a627b2273657373696f6e5f6964223a227765622d3566316339613765222c2274726163655f6964223a223766336331653264222c22757365725f696e707574223a2268656c6c6f222c22617373697374616e745f726573706f6e7365223a226869227d', 'hex')),
	('edge_begins_like_json', 'call.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', decode('0a7b63616c6c2e787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878781203742d31', 'hex')),
	('edge_type_missing', 'call.ended', decode('121d33633236613064372d353166302d34623665403139322e302e322e31341a1d33633236613064372d353166302d34623665403139322e302e322e3134220608d5abb7cd062a0462757379', 'hex')),
	('bad_truncated', 'call.ended', decode('0a0a63616c6c2e656e646564121d33633236613064372d353166302d34623665403139322e302e322e31341a1d33633236613064372d353166302d34623665403139322e302e322e3134220a08d5abb7cd061090943d2a0f6e6f726d616c5f636c', 'hex')),
	('bad_utf8', 'call.ended', decode('0a0a63616c6c2e656e6465641a0cc328403139322e302e322e31220608c0aab7cd06', 'hex')),
	('bad_no_type', NULL, decode('1203742d311a0608c0aab7cd06', 'hex'));

INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, routing_key, body_size, body)
	SELECT encode(substr(sha256('\xffffffff' || body), 1, 16), 'hex')::uuid, '2026-03-09 00:00:00Z', '2026-03-09 00:00:00Z',
		'22021', 'event is not valid UTF-8', routing_key, length(body), body FROM samples;
SELECT cdr_retry_dead_letters();
SELECT name, attempts, sqlstate, message FROM dead_letters JOIN samples USING (body) ORDER BY name;

-- the body, verbatim, and no payload
SELECT name, event_time, call_id, left(event_type, 30) AS event_type, trace_id, tenant_id, payload IS NULL AS "no payload"
	FROM call_events JOIN samples USING (body) ORDER BY name;

-- a JSON event of the same call
SELECT cdr_ingest_event('{"eventType":"call.ended","callId":"3c26a0d7-51f0-4b6e@192.0.2.14","reason":"busy","timestamp":"2026-03-08T20:09:00Z"}');
SELECT count(*) FROM call_events WHERE payload IS NOT NULL AND body IS NULL;

\x
SELECT call_id, caller_number, callee_number, direction, status, disposition, start_time, answer_time, end_time,
	duration_seconds, billable_seconds, hangup_cause, tenant_id, user_id, contact_id, recording_url, event_count
	FROM calls ORDER BY call_id;
\x

-- the log says the same, JSON and Protobuf alike
SELECT * FROM cdr_verify_calls();
DELETE FROM calls;
SELECT cdr_rebuild_calls();
SELECT count(*) FROM calls;
SELECT * FROM cdr_verify_calls();

-- again: nothing changes
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, routing_key, body_size, body)
	SELECT encode(substr(sha256('\xffffffff' || body), 1, 16), 'hex')::uuid, now(), now(), 'P0001', 'refused', routing_key, length(body), body FROM samples
	WHERE name NOT LIKE 'bad%';
SELECT cdr_retry_dead_letters();
SELECT count(*), count(DISTINCT event_id) FROM call_events;

-- a json value is never taken for Protobuf
SELECT cdr_ingest_event('-1.23');

-- any message by SQL, with what the broker would say of it
\set ended '\\x0a0a63616c6c2e656e6465641a026d312a0462757379'
SELECT cdr_ingest_message(:'ended') AS new, cdr_ingest_message(:'ended') AS again,
	cdr_ingest_message(:'ended', message_id => 'another') AS another,
	cdr_ingest_message(NULL) AS nothing;
SELECT cdr_ingest_message('\x1a026d312a0462757379', 'call.ended', 'Application/X-Protobuf; charset=binary', '', '', 'sentiric_events', '\xff', '2026-03-08 21:00:00Z');
SELECT cdr_ingest_message('{"callId":"m1"}', 'call.answered', 'application/json', property_time => '2026-03-08 20:59:00Z');
SELECT event_type, routing_key, event_time = received_at AS "no time", body, payload
	FROM call_events WHERE call_id = 'm1' ORDER BY event_type, body;
-- what is none is an error, and nothing is kept
SELECT cdr_ingest_message('\x1f8b0800', 'call.ended');
SELECT cdr_ingest_message('{"callId":"m2"}', 'call.ended', content_encoding => 'gzip');
SELECT cdr_ingest_message('{"callId":"m2"', 'call.ended');
SELECT cdr_ingest_message('{"callId":"m2"}', 'call.ended', 'application/protobuf');
SELECT cdr_ingest_message('', 'call.ended', 'application/protobuf');
SELECT cdr_ingest_message(decode(concat('1a8002', repeat('78', 256)), 'hex'), 'call.ended');
SELECT cdr_ingest_message('{"callId":"m2"}', 'call.ended', property_time => 'infinity');
SELECT cdr_ingest_message('{"callId":"m2"}', 'call.ended', property_time => '0001-12-31 23:59:59Z BC');
SELECT cdr_ingest_message('{"callId":"m2"}', 'call.ended', property_time => '10000-01-01 00:00Z');
-- one that was never set is none
SELECT cdr_ingest_message('{"callId":"never 1970"}', 'call.ended', property_time => '1970-01-01 00:00Z');
SELECT cdr_ingest_message('{"callId":"never 1"}', 'call.ended', property_time => '0001-01-01 00:00Z');
-- nor is the last moment of the year 9999, which is rounded up
SELECT cdr_ingest_message('\x0a0a63616c6c2e656e6465641201741a0b6c617374206d6f6d656e74220d08ff82d1ffaf0710ff93ebdc03', 'call.ended'), cdr_ingest_message('\x0a0a63616c6c2e656e6465641201741a096265666f7265206974220d08ff82d1ffaf0710988cebdc03', 'call.ended');
SELECT call_id, time_source, CASE time_source WHEN 'b' THEN event_time END AS event_time FROM call_events WHERE call_id IN ('last moment', 'before it') ORDER BY call_id;
SELECT call_id, time_source FROM call_events WHERE call_id LIKE 'never%' ORDER BY call_id;
SELECT count(*) FROM call_events WHERE call_id LIKE 'm2%';

-- shown to people: every message; NULL for what is none
\a
SELECT name, cdr_event_json(body, routing_key) FROM samples
	WHERE name NOT LIKE 'bad%' ORDER BY name;
SELECT name, cdr_event_json(body) AS "without a routing key" FROM samples
	WHERE name IN ('edge_type_missing', 'bad_truncated', 'bad_no_type') ORDER BY name;
SELECT cdr_event_json(NULL) IS NULL AS "null", cdr_event_json('{"callId":"m1"}') IS NULL AS json,
	cdr_event_json('', 'call.ended') AS empty;
-- what is larger than an event may be is not shown
SELECT cdr_event_json(decode(repeat('08011001', 262144), 'hex')) IS NULL AS "1 MB", cdr_event_json(decode(repeat('08011001', 262145), 'hex')) IS NULL AS larger;
\a

-- and the story of a call in two forms
SELECT elapsed, event_type, description, payload ->> 'eventType' AS shown
	FROM cdr_call_history('3c26a0d7-51f0-4b6e@192.0.2.14');

DROP TABLE samples;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
