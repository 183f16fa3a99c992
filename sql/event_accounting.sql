-- What accounting says of SIP.  OpenSIPS without CDRs: it accounts for transactions, the INVITE and the BYE, and with
-- the flag "failed" for those that were refused.  An answer is a 200 alone, and no row
-- of no duration ends a call.
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE EXTENSION cdr_service;
INSERT INTO cdr_mappings (name, definition, enabled)
SELECT p, cdr_mapping_preset(p), p = 'opensips' FROM unnest('{opensips,csv_opensips}'::text[]) AS p;
CREATE TABLE accounted (n int GENERATED ALWAYS AS IDENTITY, callid text, method text, sip_code text, at timestamptz);
INSERT INTO accounted (callid, method, sip_code, at) VALUES
	('answered', 'INVITE', '200', '2026-03-08 20:00:03Z'), ('answered', 'BYE', '200', '2026-03-08 20:02:30Z'),
	-- the proxy behind asks for a password, and one that was asked goes on
	('asked', 'INVITE', '407', '2026-03-08 20:00:00Z'), ('asked', 'INVITE', '200', '2026-03-08 20:00:03Z'),
	('asked', 'BYE', '481', '2026-03-08 20:02:30Z'),
	('busy', 'INVITE', '486', '2026-03-08 20:00:22Z'),
	('canceled', 'INVITE', '487', '2026-03-08 20:00:22Z'),
	('talking', 'INVITE', '200', '2026-03-08 20:00:03Z'),
	-- negotiated again, and refused
	('held', 'INVITE', '200', '2026-03-08 20:00:03Z'), ('held', 'INVITE', '200', '2026-03-08 20:00:40Z'),
	('held', 'INVITE', '488', '2026-03-08 20:01:00Z'), ('held', 'INVITE', '491', '2026-03-08 20:01:10Z'),
	('held', 'BYE', '200', '2026-03-08 20:02:30Z');

-- live, with codes as texts and as numbers, in either order
BEGIN;
SELECT count(cdr_ingest_message(convert_to(json_build_object('jsonrpc', '2.0', 'method', 'E_ACC_EVENT', 'params',
	json_build_object('method', method, 'callid', callid,
		'sip_code', CASE WHEN n % 2 = 0 THEN to_json(sip_code) ELSE to_json(sip_code::int) END,
		'time', extract(epoch FROM at)::bigint, 'caller', '+12025550123', 'callee', '1001'))::text, 'UTF8')))
FROM (SELECT * FROM accounted ORDER BY n DESC) AS a;
SELECT call_id, start_time, answer_time, end_time, caller_number, callee_number, disposition, sip_status, billable_seconds, anomalies
FROM calls ORDER BY call_id;
SELECT * FROM cdr_verify_calls();
ROLLBACK;

-- the table acc, whose columns of durations are 0 then
SELECT * FROM cdr_ingest_rows('csv_opensips', ARRAY(
	SELECT json_build_object('method', method, 'callid', callid, 'sip_code', sip_code, 'time', at::timestamp,
		'duration', 0, 'ms_duration', 0, 'setuptime', 0, 'created', NULL, 'caller', '+12025550123', 'callee', '1001')
	FROM accounted ORDER BY n));
-- and with CDRs, where an old version has whole seconds only
SELECT * FROM cdr_ingest_rows('csv_opensips', ARRAY[
	'{"method": "INVITE", "callid": "old cdr", "sip_code": "200", "time": "2026-03-08 20:00:03", "duration": 147, "created": "2026-03-08 20:00:00"}',
	'{"method": "INVITE", "callid": "new cdr", "sip_code": "200", "time": "2026-03-08 20:00:03", "duration": 147, "ms_duration": 146750, "created": "2026-03-08 20:00:00"}']::json[]);
SELECT call_id, start_time, answer_time, end_time, caller_number, callee_number, disposition, sip_status, billable_seconds, anomalies
FROM calls ORDER BY call_id;
SELECT * FROM cdr_verify_calls();
-- Kamailio's tables: the code of what was refused; a challenge is the end of who gave up then
INSERT INTO cdr_mappings (name, definition, enabled) SELECT 'csv_kamailio', cdr_mapping_preset('csv_kamailio'), false;
SELECT * FROM cdr_ingest_rows('csv_kamailio', ARRAY(
	SELECT json_build_object('method', method, 'callid', 'kamailio ' || callid, 'sip_code', sip_code, 'time', at::timestamp,
		'src_user', '+12025550123', 'dst_user', '1001')
	FROM accounted UNION ALL
	SELECT json_build_object('method', 'INVITE', 'callid', 'kamailio given up', 'sip_code', '407', 'time', '2026-03-08 20:00:00')));
SELECT call_id, start_time, answer_time, end_time, disposition, sip_status, billable_seconds
FROM calls WHERE call_id LIKE 'kamailio %' ORDER BY call_id;

-- jambonz says it of a call that failed
INSERT INTO cdr_mappings (name, definition) SELECT 'jambonz', cdr_mapping_preset('jambonz');
SELECT count(cdr_ingest_event(json_build_object('call_sid', 'jambonz', 'call_status', s, 'sip_status', code, 'from', '+12025550123', 'to', '1001')))
FROM unnest('{trying,busy}'::text[], '{100,486}'::int[]) AS t(s, code);
SELECT disposition, sip_status, hangup_cause FROM calls WHERE call_id = 'jambonz';
SET client_min_messages = warning;
SET cdr_service.allow_drop = on;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters, timeless_events, accounted;
