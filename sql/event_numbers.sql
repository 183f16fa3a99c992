-- Numbers out of SIP header values and URIs, and what their lengths say.
-- (cdr_service.extension_digits is 6 unless somebody set it.)
CREATE EXTENSION cdr_service;
CREATE TABLE uris (n int GENERATED ALWAYS AS IDENTITY, uri text);
INSERT INTO uris (uri) VALUES
	('"Alice" <sip:+905551234567@10.0.0.1:5060;transport=udp>;tag=x'),
	('Alice <sip:1001@sentiric>;tag=1'),
	('<sip:1001@sentiric>'),
	('sip:1001@sentiric'),
	('SIP:1001@SENTIRIC'),
	('sips:1001@sentiric;user=phone'),
	('  sip:1001@sentiric  '),
	('sip:+4930901820@sentiric;user=phone'),
	('sip:1001:secret@sentiric'),
	('sip:+1-212-555-0100;phone-context=example.com@gw;user=phone'),
	('sip:1001@sentiric?subject=x@y'),
	('sip:%2B905551234567@gw'),
	('sip:alice@example.com'),
	('sip:alice.b-c@example.com'),
	('sip:%C3%A7a%C4%9Fr%C4%B1@gw'),
	('sip:%00@gw'),
	('sip:%ff@gw'),
	('tel:+902121234567'),
	('tel:+1-201-555-0123;phone-context=x'),
	('tel:+1(212)555.0100;ext=7'),
	('tel:*97#'),
	('+902121234567'),
	('+90 (212) 123-45-67'),
	('00902121234567'),
	('1001'),
	('123456'),
	('1234567'),
	('+1001'),
	('alice'),
	('alice@example.com'),
	('anonymous'),
	('"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1'),
	('sip:anonymous@10.0.0.1'),
	('sip:8812@anonymous.invalid'),
	('Restricted'),
	('"<sip:9@no>" <sip:1001@sentiric>'),
	('"a\"<b" <sip:1001@sentiric>'),
	('<sip:1001@sentiric'),
	('<sip:1001@a>, <sip:1002@b>'),
	('"unterminated <sip:1001@sentiric>'),
	('"Alice" sip:1001@sentiric'),
	('"only a name"'),
	('sip:1001'),
	('sip:+1-212-555-0100'),
	('10.20.0.14'),
	('sip:sentiric'),
	('sip:10.20.0.14:5060'),
	('sip:@gw'),
	('sip:'),
	('<>'),
	('@'),
	('   '),
	(''),
	-- what cannot be seen, separators that only look like those of ASCII, digits of other scripts
	(U&'sip:\202a+12025550123\202c@192.0.2.10'),
	(U&'+1\2011202\2011555\20110123'),
	(E'+12025550123\r\n'),
	(U&'\feff+1\00a0202\2009555\00ad0123\200b'),
	(U&'\ff0b\ff11\ff12\ff10\ff12 555\ff0d0123'),
	(U&'sip:+90555\0661\0662\0663@gw'),
	('sip:%E2%80%AA+12025550123%E2%80%AC@gw'),
	(U&'ali\200bce'),
	(U&'\200e'),
	-- RFC 3261, RFC 3966, RFC 4475
	('sip:+358-555-1234567;postd=pp22@foo.com;user=phone'),
	('sip:alice;day=tuesday@atlanta.com'),
	('sip:user;par=u%40example.net@example.com'),
	('sip:1_unusual.URI~(to-be!sure)&isn''t+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn''t-it)@example.com'),
	('sip:sips%3Auser%40example.com@example.net'),
	('sip:null-%00-null@example.com'),
	('sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com'),
	('"J Rosenberg \\\""       <sip:jdrosen@example.com>  ; tag = 98asjd8'),
	('Bell, Alexander < sip:a.g.bell@example.com >;tag=43'),
	('sip:;x@host'),
	('sip:1001@[2001:db8::1]:5060'),
	('sip:[2001:db8::1]:5060'),
	('tel:7042;phone-context=example.com'),
	('TEL:+1-202-555-0123;EXT=4'),
	('Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8'),
	('"Anonymous" <sip:10.0.0.1>'),
	('"Anonymous" <sip:+12025550123@gw>'),
	('sip:unavailable@unknown.invalid'),
	-- a float's spelling of a number, and dots that are separators
	('12025550143.0'),
	(U&'12025550143\200b.0 '),
	('+12025550143.0'),
	('sip:12025550143.0@gw'),
	('1001.0'),
	('12025550143.000000'),
	('020.7946.0958'),
	('01.42.00.00.0'),
	('555.0000'),
	('.0'),
	('alice.0');
SELECT cdr_ingest_events(array_agg(json_build_object('eventType', 'call.started', 'callId', kind || n, 'timestamp', '2026-01-19T22:00:00Z',
	CASE kind WHEN 'from' THEN 'from' WHEN 'fromUri' THEN 'fromUri' WHEN 'to' THEN 'to' ELSE 'toUri' END, uri,
	CASE WHEN kind LIKE 'from%' THEN 'to' ELSE 'from' END, other)))
FROM uris, (VALUES ('from', '+902121112233'), ('fromUri', '2002'), ('to', '2002'), ('toUri', '+902121112233')) AS k(kind, other);

-- as caller of an outside number and of an extension, as callee of an extension and of an outside number
-- unaligned: how wide an invisible character is, versions of psql do not agree
\pset format unaligned
SELECT uri, f.caller_number AS number, f.direction AS "calls outside", fu.direction AS "calls 2002",
	   t.direction AS "2002 calls it", tu.direction AS "outside calls it"
FROM uris JOIN calls AS f ON f.call_id = 'from' || n JOIN calls AS fu ON fu.call_id = 'fromUri' || n
JOIN calls AS t ON t.call_id = 'to' || n JOIN calls AS tu ON tu.call_id = 'toUri' || n ORDER BY n;
\pset format aligned

-- whichever key and side it stands on, it is the same number
SELECT count(*) AS differ
FROM uris JOIN calls AS f ON f.call_id = 'from' || n JOIN calls AS fu ON fu.call_id = 'fromUri' || n
JOIN calls AS t ON t.call_id = 'to' || n JOIN calls AS tu ON tu.call_id = 'toUri' || n
WHERE f.caller_number IS DISTINCT FROM fu.caller_number OR f.caller_number IS DISTINCT FROM t.callee_number
OR f.caller_number IS DISTINCT FROM tu.callee_number;

-- both dialects in one event: the newer first, an empty one says nothing; a number is its digits
SELECT cdr_ingest_events(ARRAY[
	'{"eventType":"call.started","callId":"both","timestamp":"2026-01-19T22:00:00Z","from":"1001","fromUri":"1002","to":"2001","toUri":""}',
	'{"eventType":"call.started","callId":"digits","timestamp":"2026-01-19T22:00:00Z","from":1001,"to":905551112233}',
	'{"eventType":"call.started","callId":"none","timestamp":"2026-01-19T22:00:00Z"}',
	'{"eventType":"call.answered","callId":"not started","timestamp":"2026-01-19T22:00:00Z","from":"1001","to":"1002","direction":"inbound"}']::json[]);
-- the direction that the event tells, whatever the numbers are
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"told","timestamp":"2026-01-19T22:00:00Z","from":"1001","to":"1002","direction":"outbound"}');
SELECT call_id, caller_number, callee_number, direction FROM calls
WHERE call_id IN ('both', 'digits', 'none', 'not started', 'told') ORDER BY call_id;

-- a number of JSON that nobody can dial leaves the column NULL; one that is whole is its digits
SELECT token, e.value AS number, e.source, e.note
FROM unnest('{1001,1001.0,1.001e3,0,12025550143.50e1,100000000000000000000.0,99999999999999999999,1E+30,0.0012e4,-1,-0,12025550143.5,1.5,1e-3,1e400}'::text[]) WITH ORDINALITY AS u(token, n),
	 cdr_explain_event(convert_to(format('{"eventType":"call.started","callId":"t","timestamp":1772445600,"from":%s,"to":"2001"}', token), 'UTF8')) AS e
WHERE e.register = 'started' AND e."column" = 'caller_number' ORDER BY n;
-- it gives way to what the older key says
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"gives way","timestamp":"2026-01-19T22:00:00Z","fromUri":-1,"from":"1001","toUri":"2001","to":1.5}');
SELECT caller_number, callee_number, direction FROM calls WHERE call_id = 'gives way';
-- a mapping reads them so, too
SELECT e."column", e.value, e.source, e.note
FROM cdr_explain_event('{"kind":"token","id":"x","a":-1,"b":12025550143.0}'::json,
	definition => '{"match":{"where":{"kind":"token"}},"event":{"call_id":"id"},"call":[{"set":"started","caller_number":"a","callee_number":"b"}]}') AS e
WHERE e.register = 'started' AND e."column" LIKE '%number';

SELECT count(*) FROM cdr_verify_calls();
DROP TABLE uris;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
