-- Text that somebody else's library wrote: what cannot be read costs the field
-- in which it stands; the body is kept as it came, and read again it is the same
-- event.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

-- the identity follows from message-id and body, and where one ends counts
SELECT cdr_ingest_message('{"eventType":"call.started","callId":"abc@192.0.2.1","from":"sip:+12025550123@example.org"}');
SELECT cdr_ingest_message('{"eventType":"call.started","callId":"abc@192.0.2.1","from":"sip:+12025550123@example.org"}', message_id => 'm-1');
SELECT cdr_ingest_message('{"eventType":"call.started","callId":"abc@192.0.2.1","from":"sip:+12025550123@example.org"}', message_id => 'm-1');
SELECT cdr_ingest_message('{"eventType":"call.started","callId":"abc@192.0.2.1","from":"sip:+12025550123@example.org"}', message_id => '');
SELECT event_id, message_id FROM call_events ORDER BY message_id;

-- an escape that no text can hold
SELECT cdr_ingest_events(ARRAY[
	'{"eventType":"call.started","callId":"e1","timestamp":"2026-03-02T10:00:00Z","from":"1001","to":"10\u0000","tenantId":"\ud83d","other":["\ude00",{"\u0000":1}]}',
	'{"eventType":"call.started","callId":"e2","timestamp":"2026-03-02T10:00:00Z","fromUri":"\ud83d","from":"1001","to":"1002","dialplan":{"tenant_id":"t","matched_user":{"id":"\ud83d","tenant_id":"\u0000"}}}',
	'{"eventType":"call.ended","c\u0061llId":"e2","timestamp":"2026-03-02T10:01:00Z","re\u0061son":"busy","traceId":"\ud83d\ud83d"}',
	'{"eventType":"user.identified.for_call","callId":"e2","timestamp":"2026-03-02T10:00:01Z","userId":"\u0000","contactId":4711.0}',
	'{"eventType":"call.recording.available","callId":"e2","timestamp":"2026-03-02T10:02:00Z","recordingUri":"\ud83d","uri":"s3://x"}',
	'{"eventType":"call.started","callId":"\ud83d","timestamp":"2026-03-02T10:00:00Z"}',
	'{"eventType":"call.\u0000","callId":"e3","timestamp":"2026-03-02T10:00:00Z"}',
	'{"callId":"e4\ud83d\ude00\u00e7\\ud83d","timestamp":"\u0000"}']::json[]);
SELECT call_id, caller_number, callee_number, tenant_id, user_id, contact_id, hangup_cause, recording_url, event_count FROM calls WHERE call_id LIKE 'e%' ORDER BY call_id;
SELECT call_id, event_type, trace_id, time_source, payload FROM call_events
WHERE payload::text LIKE '%\\ud83d%' OR payload::text LIKE '%\\u0000%' ORDER BY payload::text COLLATE "C";
-- shown to people, with the replacement character
SELECT description, payload FROM cdr_call_history('e2');

-- blanks around the text of an integer, as around numbers and times
SELECT cdr_ingest_events(ARRAY[
	'{"eventType":"user.identified.for_call","callId":"b1","timestamp":" 2026-03-02T10:00:00Z ","contactId":" 12 "}',
	'{"eventType":"user.identified.for_call","callId":"b2","timestamp":"2026-03-02T10:00:00Z","contactId":"\u00a012.0\r\n"}',
	'{"eventType":"user.identified.for_call","callId":"b3","timestamp":"2026-03-02T10:00:00Z","contactId":"1 2"}',
	'{"eventType":"call.ended","callId":"b4","timestamp":"2026-03-02T10:00:00Z","sipStatus":" 486 "}',
	'{"eventType":"call.ended","callId":"b5","timestamp":"2026-03-02T10:00:00Z","sipStatus":" "}']::json[]);
SELECT call_id, contact_id, sip_status FROM calls WHERE call_id LIKE 'b%' ORDER BY call_id;
SELECT e."column", e.value, e.note
FROM cdr_explain_event('{"kind":"blanks","id":"x","a":" 12 ","b":" 486 "}'::json,
	definition => '{"match":{"where":{"kind":"blanks"}},"event":{"call_id":"id"},"call":[{"set":"started","contact_id":"a"},{"set":"ended","sip_status":"b"}]}') AS e
WHERE e."column" IN ('contact_id', 'sip_status');

-- a byte order mark: only the body can hold it
SELECT cdr_ingest_message('\xefbbbf'::bytea || '{"eventType":"call.started","callId":"marked","timestamp":"2026-03-02T10:00:00Z","from":"1001"}', content_type => type)
FROM (VALUES ('application/json'), (NULL)) AS t(type);
SELECT call_id, caller_number FROM calls WHERE call_id = 'marked';
SELECT payload IS NULL AS "no payload", body, content_type FROM call_events WHERE call_id = 'marked';
SELECT cdr_event_json(body) FROM call_events WHERE call_id = 'marked';

-- JSON but for what others' libraries write: NUL bytes behind it, bare words in place of numbers.  They
-- cost their field; only the body can hold them
CREATE TABLE nearly (n int GENERATED ALWAYS AS IDENTITY, body bytea);
INSERT INTO nearly (body) VALUES
	(convert_to('{"eventType":"call.started","callId":"n1","timestamp":"2026-03-02T10:00:00Z","from":"1001"}', 'UTF8') || '\x00'),
	(convert_to('{"eventType":"call.started","callId":"n2","timestamp":"2026-03-02T10:00:00Z","from":"1002"}' || E'\n', 'UTF8') || '\x00000000'),
	(convert_to('{"eventType":"call.started","callId":"n3","timestamp":"2026-03-02T10:00:00Z","from":"NaN","to":"a \"NaN\" ,Infinity, [-Infinity]","media":{"mos":NaN,"r":[ -Infinity, Infinity,NaN]}, "last" : Infinity }', 'UTF8')),
	('{"eventType":"call.ended","callId":"n3","timestamp":"2026-03-02T10:01:00Z","reason":NaN,"sipStatus":NaN,"trunk":"Infinity"}'),
	('\xefbbbf'::bytea || '{"eventType":"call.ended","callId":"n1","timestamp":NaN,"reason":"busy"}'),
	('{"specversion":"1.0","id":"1","source":"/s","type":"call.started","time":"2026-03-02T10:00:00Z","data":{"callId":"n4","from":"1004","mos":NaN}}');
SELECT cdr_ingest_message(body) FROM nearly ORDER BY n;
SELECT cdr_ingest_message(body) FROM nearly ORDER BY n;
SELECT call_id, caller_number, callee_number, hangup_cause, sip_status, disposition, event_count FROM calls WHERE call_id LIKE 'n_' ORDER BY call_id;
SELECT n, e.payload IS NULL AS "no payload", e.time_source, cdr_event_json(e.body) FROM call_events AS e JOIN nearly USING (body) ORDER BY n;
SELECT e.* FROM nearly, cdr_explain_event(body) AS e WHERE n = 4;
-- elements of an array are what is read of them, as of an array in another character set
SELECT register, "column", value, source, note
FROM cdr_explain_event('{"all":[{"id":"n6","mos":NaN},{"id":"n7"}]}'::bytea,
	definition => '{"match":{"where":{"id":true}},"each":"/all","event":{"call_id":"id"},"call":[{"set":"started","trunk":"mos"}]}')
WHERE "column" IN ('form', 'call_id', 'trunk', 'no event');
-- one that is broken otherwise says so of what came, and has its dead letter
\set VERBOSITY terse
SELECT cdr_ingest_message('{"callId":"n5","a":NaN,}');
SELECT cdr_ingest_message('{"callId":"n5","a":NaN1,"b":-NaN,"c":nan}');
SELECT cdr_ingest_message('{"callId":"n5",NaN:1}');
SELECT cdr_ingest_message('NaN', content_type => 'application/json');
SELECT cdr_ingest_message(convert_to('{"callId":"n', 'UTF8') || '\x00'::bytea || '5"}');
\set VERBOSITY default
DROP TABLE nearly;

-- what is damaged, or in no character set that is known, says so
\set VERBOSITY terse
SELECT cdr_ingest_message('{}', content_encoding => 'GZIP');
SELECT cdr_ingest_message('x', content_encoding => 'x-bzip2');
SELECT cdr_ingest_message('{}', content_encoding => 'utf-8, br');
SELECT cdr_ingest_message('\x1f8b080000');
SELECT cdr_ingest_message('\x28b52ffd00', content_type => 'application/json');
SELECT cdr_ingest_message('\x1f8b080000', 'call.ended', content_type => 'application/protobuf');
SELECT cdr_ingest_message(convert_to('{"callId":"ç"}', 'LATIN1'), content_type => 'application/json; charset=iso-8859-1');
SELECT cdr_ingest_message(convert_to('{"callId":"ş"}', 'LATIN5'), content_type => 'application/json;version=1; Charset="ISO-8859-9"');
SELECT cdr_ingest_message(convert_to('{"callId":"ç"}', 'LATIN1'), content_encoding => 'latin1');
SELECT cdr_ingest_message(convert_to('{"callId":"ç"}', 'LATIN1'), content_type => 'application/json; charset=utf-8');
SELECT cdr_ingest_message('\xfffe7b007d00');
SELECT cdr_ingest_message('\x007b007d', content_type => 'application/json');
SELECT cdr_ingest_message('\x0000feff0000007b0000007d');
-- but what is UTF-8 is read, whatever it is said to be
SELECT cdr_ingest_message(convert_to('{"callId":"ç"}', 'UTF8'), content_type => 'application/json; charset=iso-8859-1', content_encoding => 'identity');
\set VERBOSITY default

-- each field of JSON, with a value of each type, and too long: the event is there
CREATE TABLE given AS
SELECT row_number() OVER (ORDER BY place, value) AS n, format(place, value) AS event
FROM (VALUES ('"traceId":%1$s,"tenantId":%1$s'), ('"eventType":"call.started","from":%1$s,"to":%1$s,"direction":%1$s'), ('"eventType":"call.started","fromUri":%1$s,"toUri":%1$s'),
		('"eventType":"call.started","dialplan":%1$s'), ('"eventType":"call.started","dialplan":{"tenant_id":%1$s,"matched_user":%1$s,"matched_contact":%1$s}'),
		('"eventType":"call.started","dialplanResolution":{"tenantId":%1$s,"matchedUser":{"id":%1$s,"tenantId":%1$s},"matchedContact":{"id":%1$s}}'),
		('"eventType":"user.identified.for_call","userId":%1$s,"contactId":%1$s'), ('"eventType":"call.ended","reason":%1$s,"hangupSource":%1$s'),
		('"eventType":"call.recording.available","recordingUri":%1$s,"uri":%1$s,"publicUrl":%1$s'), ('"eventType":%1$s'), ('"eventType":"call.ended","timestamp":%1$s')) AS p(place),
	(VALUES ('null'), ('true'), ('[]'), ('[1,"x",{}]'), ('{}'), ('{"id":{"id":1}}'), ('-0'), ('1e400'), ('9223372036854775808'), ('""'), ('" "'), ('"\u0000"'), ('"\ud800"'), ('"\u0001\u007f\u202e"'), ('"\r\n"'),
		('"' || repeat('x', 300) || '"'), ('"' || repeat('ç', 5000) || '"'), ('"' || repeat('9', 5000) || '"'), (repeat('9', 5000))) AS v(value);
SELECT cdr_ingest_events(array_agg(('{"callId":"g' || n || '",' || event || '}')::json)) = count(*) AS "all taken" FROM given;
SELECT count(*) = (SELECT count(*) FROM given) AS "all are calls" FROM calls WHERE call_id LIKE 'g%';
SELECT count(DISTINCT hangup_cause) AS causes, count(DISTINCT recording_url) AS recordings, count(DISTINCT user_id) AS users, count(contact_id) AS contacts, count(DISTINCT caller_number) AS callers
FROM calls WHERE call_id LIKE 'g%';

-- a time of the body, of the AMQP property, of receipt
SELECT cdr_ingest_message('{"eventType":"call.ended","callId":"t1","timestamp":"2026-03-02T10:00:00Z"}', property_time => '2026-03-02 11:00:00Z');
SELECT cdr_ingest_message('{"eventType":"call.ended","callId":"t2","timestamp":"noon"}', property_time => '2026-03-02 11:00:00Z');
SELECT cdr_ingest_message('{"eventType":"call.ended","callId":"t3","timestamp":"noon"}');
SELECT call_id, time_source, event_time = received_at AS "of receipt" FROM call_events WHERE call_id LIKE 't_' ORDER BY call_id;

-- read again from the log, all are the same; and so is their identity
SELECT count(*) FROM cdr_verify_calls();
-- (a CloudEvent is known by its attributes)
SELECT count(*) FROM call_events WHERE call_id IS DISTINCT FROM 'n4' AND event_id <> encode(substr(sha256(
	COALESCE(int4send(length(message_id)) || message_id, '\xffffffff') || COALESCE(body, convert_to(payload::text, 'UTF8'))), 1, 16), 'hex')::uuid;

DROP TABLE given;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
