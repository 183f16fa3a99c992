-- What stands in place of what was erased: vectors, worked out elsewhere (Python's hmac).
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SELECT cdr_pseudonym(k, 'abc@192.0.2.1') AS call, cdr_pseudonym(k, 'd25bb6b6-2696-fa1c-c361-960fd9aa8244'::uuid) AS event
FROM decode('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'hex') AS k;
SELECT cdr_pseudonym('\x00', 'abc@192.0.2.1');

-- the leaf of an erased event is the one that it had: in C, and in plain SQL
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"p-1","timestamp":"2026-03-02T10:00:00Z","from":"sip:+12025550123@example.org","to":"sip:1001@example.org"}');
CREATE TABLE leaf AS SELECT leaf, content_digest FROM cdr_event_leaves();
CREATE FUNCTION leaf_of(e call_events) RETURNS bytea LANGUAGE sql AS
$$ SELECT cdr_event_leaf(e.event_time, e.received_at, e.recorded_at, e.time_source, e.event_type, e.tenant_id, e.salt, e.event_id, e.message_id,
	e.call_id, e.trace_id, e.routing_key, e.content_type, e.headers, e.properties, e.payload, e.body, e.content_digest) $$;
SELECT l.content_digest = cdr_event_content_digest(e.salt, e.event_id, e.message_id, e.call_id, e.trace_id, e.routing_key, e.content_type,
	e.headers, e.properties, e.payload, e.body) AS digest FROM call_events AS e, leaf AS l;
UPDATE call_events AS e SET content_digest = l.content_digest, call_id = 'gone', event_id = gen_random_uuid(), salt = NULL, payload = NULL, headers = NULL,
	routing_key = NULL, trace_id = NULL, message_id = NULL, content_type = NULL, properties = NULL FROM leaf AS l;
SELECT c.leaf = l.leaf AS plain, leaf_of(e) = l.leaf AS in_c, c.content_digest = l.content_digest AS digest FROM call_events AS e, cdr_event_leaves() AS c, leaf AS l;
-- but not with a content beside the digest: then anything could stand there; nor with another digest, nor none
SELECT changed, leaf_of(c.e) IS NULL AS none, leaf_of(c.e) = l.leaf AS same
FROM leaf AS l, unnest(ARRAY['{"payload": 1}', '{"body": "\\x00"}', '{"salt": "00000000-0000-0000-0000-000000000000"}', '{"trace_id": ""}', '{"routing_key": "x"}',
	'{"message_id": "\\x"}', '{"content_type": "x"}', '{"headers": {}}', '{"properties": {}}', '{"content_digest": null}', '{"content_digest": "\\x"}',
	'{"content_digest": "\\x62b783b6fa74a04689d6cb748eb23b13fb94a7d54f2c979c6fda76223d32df75"}', '{"event_type": "call.ended"}', '{"tenant_id": "t"}', '{}']) AS changed,
LATERAL (SELECT jsonb_populate_record(e, changed::jsonb) AS e FROM call_events AS e) AS c;
UPDATE call_events SET trace_id = '';
SELECT leaf IS NULL AS none FROM cdr_event_leaves();

-- a call without those who took part: all else stays, in the columns and for the merge
SELECT cdr_ingest_events(ARRAY[
	'{"eventType":"call.started","callId":"p-2","timestamp":"2026-03-02T10:00:00Z","from":"sip:+12025550123@example.org","to":"sip:+442079461001@example.org","tenantId":"t1","userId":"user-99"}',
	'{"eventType":"call.started","callId":"p-2","timestamp":"2026-03-02T10:00:01Z","from":"sip:+12025550124@example.org","to":"sip:+442079461002@example.org"}',
	'{"eventType":"call.answered","callId":"p-2","timestamp":"2026-03-02T10:00:05Z"}',
	'{"eventType":"user.identified.for_call","callId":"p-2","timestamp":"2026-03-02T10:00:06Z","userId":"user-77","contactId":4711}',
	'{"eventType":"call.recording.available","callId":"p-2","timestamp":"2026-03-02T10:05:00Z","recordingUri":"s3://b/secret.wav"}',
	'{"eventType":"call.ended","callId":"p-2","timestamp":"2026-03-02T10:01:05Z","reason":"normal_clearing"}']::json[]);
SELECT cdr_correct_call('p-2', '{"caller_number": "+12025550199", "hangup_cause": "busy"}', 'a test') IS NOT NULL AS corrected;
CREATE TABLE erased AS SELECT (cdr_erased_call(ROW(
	c.call_id, c.status, c.disposition, c.direction, c.caller_number, c.callee_number, c.trunk, c.start_time, c.ring_time, c.answer_time, c.end_time,
	c.hangup_cause, c.hangup_source, c.sip_status, c.tenant_id, c.user_id, c.contact_id, c.recording_url, c.anomalies, c.event_count,
	c.first_event_time, c.last_event_time, c.merge_state), sha256('a key'))).* FROM calls AS c WHERE call_id = 'p-2';
SELECT key, c.value AS was, e.value AS now
FROM (SELECT * FROM calls, jsonb_each_text(to_jsonb(calls)) WHERE call_id = 'p-2') AS c
JOIN (SELECT * FROM erased, jsonb_each_text(to_jsonb(erased))) AS e USING (key)
WHERE key <> 'merge_state' AND e.value IS DISTINCT FROM c.value ORDER BY key;
INSERT INTO calls (call_id, status, disposition, direction, caller_number, callee_number, trunk, start_time, ring_time, answer_time, end_time, hangup_cause,
	hangup_source, sip_status, tenant_id, user_id, contact_id, recording_url, anomalies, event_count, first_event_time, last_event_time, merge_state) SELECT * FROM erased;
SELECT register, CASE WHEN rank IS NOT NULL THEN event_time END AS at, rank, says FROM cdr_merge_state((SELECT call_id FROM erased));
SELECT count(*) AS known FROM cdr_merge_state((SELECT call_id FROM erased)) AS m JOIN call_events AS e USING (event_id);
SELECT m.register FROM cdr_merge_state('p-2') AS m LEFT JOIN cdr_merge_state((SELECT call_id FROM erased)) AS n
	ON n.register = m.register AND n.event_id = cdr_pseudonym(sha256('a key'), m.event_id) WHERE m.event_id IS NOT NULL AND n.register IS NULL;
SELECT count(*) AS names FROM erased WHERE merge_state::text || encode(merge_state, 'escape') ~ '2025550123|2025550124|44207946100|user-77|user-99|secret';
SELECT billable_seconds, duration_seconds FROM calls WHERE call_id LIKE '%p-2' OR call_id = (SELECT call_id FROM erased);

-- does it name a word?  a short one only if it stands alone
SELECT content, word, cdr_names(content::bytea, ARRAY[word]) FROM (VALUES
	('{"callId":"abc@192.0.2.1"}', 'abc@192.0.2.1'), ('xxabc@192.0.2.1yy', 'abc@192.0.2.1'), ('sip:1001@x', '1001'), ('sip:21001@x', '1001'), ('sip:10012@x', '1001'),
	('1001', '1001'), ('21001 1001', '1001'), (E'\\004' || '10012', '1001'), ('', '1001'), ('x', ''), ('+12025550123', '12025550123')) AS t(content, word);
SELECT cdr_names('a b', ARRAY['x', NULL, 'b']), cdr_names('a b', '{}'), cdr_names('a b', NULL);
DROP TABLE leaf, erased;
DROP FUNCTION leaf_of;
DROP EXTENSION cdr_service;
SET cdr_service.allow_drop = on;
DROP TABLE calls, call_events, dead_letters;
