-- Events as leaves of hash trees: vectors, worked out elsewhere; C beside plain SQL.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
CREATE FUNCTION leaf_of(e call_events) RETURNS bytea LANGUAGE sql AS
$$ SELECT cdr_event_leaf(e.event_time, e.received_at, e.recorded_at, e.time_source, e.event_type, e.tenant_id, e.salt, e.event_id, e.message_id,
	e.call_id, e.trace_id, e.routing_key, e.content_type, e.headers, e.properties, e.payload, e.body) $$;

-- the vector of doc/evidence.md; its identity is the first half of B
INSERT INTO call_events (event_time, received_at, recorded_at, event_id, call_id, event_type, trace_id, tenant_id, routing_key, time_source, content_type, salt, payload)
VALUES ('2026-11-25T12:00:00Z', '2026-11-25T12:00:05Z', '2026-11-25T12:00:05.01Z', 'd25bb6b6-2696-fa1c-c361-960fd9aa8244', 'abc@192.0.2.1', 'call.started',
	'trace-1', 't1', 'call.started', 'b', 'application/json', '00000000-0000-0000-0000-000000000000',
	'{"eventType":"call.started","callId":"abc@192.0.2.1","from":"sip:+12025550123@example.org"}');
SELECT encode(sha256('\xffffffff' || convert_to(payload::text, 'UTF8')), 'hex') = 'd25bb6b62696fa1cc361960fd9aa824424359d501d74d2e8ca2063431510b15b' AS b,
	encode(l.content_digest, 'hex') = '62b783b6fa74a04689d6cb748eb23b13fb94a7d54f2c979c6fda76223d32df75' AS c,
	encode(l.leaf, 'hex') = 'fcc62af5bdcccb1834a11e702946a118899b881d41c2e573262db54cbccf7acf' AS leaf,
	encode(leaf_of(e), 'hex') = 'fcc62af5bdcccb1834a11e702946a118899b881d41c2e573262db54cbccf7acf' AS leaf_in_c
FROM call_events AS e JOIN cdr_event_leaves() AS l USING (event_id);
-- with a message-id, B is another
SELECT encode(sha256('\x00000003' || convert_to('m-1', 'UTF8') || convert_to(payload::text, 'UTF8')), 'hex')
	= 'd3b5dd7b85f7d4871f3d339050a78e5f64ae603ff7e4390090ea8552cbb6ab2e' AS b FROM call_events;

-- every field counts, NULL and empty are two things, and no byte can belong to either of two fields
CREATE TABLE changed AS
SELECT leaf_of(e) AS leaf FROM call_events AS e
UNION ALL SELECT cdr_event_leaf(x.event_time, x.received_at, x.recorded_at, x.time_source, x.event_type, x.tenant_id, x.salt, x.event_id, x.message_id,
	x.call_id, x.trace_id, x.routing_key, x.content_type, x.headers, x.properties, x.payload, x.body)
FROM (SELECT e.*, c.change FROM call_events AS e, generate_series(1, 23) AS c(change)) AS o,
LATERAL (SELECT o.event_time + CASE change WHEN 1 THEN '1 us' ELSE '0' END::interval AS event_time,
	o.received_at + CASE change WHEN 2 THEN '1 us' ELSE '0' END::interval AS received_at,
	o.recorded_at + CASE change WHEN 3 THEN '1 us' ELSE '0' END::interval AS recorded_at,
	CASE change WHEN 4 THEN 'p' ELSE o.time_source END AS time_source,
	CASE change WHEN 5 THEN NULL WHEN 6 THEN '' WHEN 7 THEN 'call.startedt' ELSE o.event_type END AS event_type,
	CASE change WHEN 7 THEN '1' WHEN 8 THEN NULL ELSE o.tenant_id END AS tenant_id,
	CASE change WHEN 9 THEN '00000000-0000-0000-0000-000000000001' ELSE o.salt END AS salt,
	CASE change WHEN 10 THEN '00000000-0000-0000-0000-000000000001' ELSE o.event_id END AS event_id,
	CASE change WHEN 11 THEN '\x'::bytea WHEN 12 THEN '\x00' END AS message_id,
	CASE change WHEN 13 THEN '' WHEN 14 THEN 'abc@192.0.2.1t' ELSE o.call_id END AS call_id,
	CASE change WHEN 14 THEN 'race-1' WHEN 15 THEN NULL ELSE o.trace_id END AS trace_id,
	CASE change WHEN 16 THEN NULL ELSE o.routing_key END AS routing_key,
	CASE change WHEN 17 THEN NULL ELSE o.content_type END AS content_type,
	CASE change WHEN 18 THEN '{}'::json WHEN 19 THEN '{ }' END AS headers,
	CASE change WHEN 20 THEN '{}'::json WHEN 21 THEN '{ }' END AS properties,
	CASE change WHEN 22 THEN (o.payload::text || ' ')::json WHEN 23 THEN NULL ELSE o.payload END AS payload,
	CASE change WHEN 23 THEN '\x00'::bytea END AS body) AS x;
SELECT count(*), count(DISTINCT leaf) FROM changed;

-- what cannot be a leaf: nobody knows the salt, the time of recording or the body, or there are two bodies
SELECT count(*) AS rows, count(leaf_of(ROW(x.*)::call_events)) AS leaves
FROM (SELECT (jsonb_populate_record(e, c.change::jsonb)).* FROM call_events AS e,
	unnest(ARRAY['{"salt": null}', '{"recorded_at": null}', '{"payload": null}', '{"body": "\\x00"}', '{"event_time": null}', '{"event_id": null}', '{}']) AS c(change)) AS x;

-- times that do not fit
SELECT cdr_event_leaf('infinity', now(), now(), 'b', '', '', e.salt, e.event_id, NULL, '', '', '', '', NULL, NULL, NULL, '') =
	cdr_event_leaf('294270-01-01', now(), now(), 'b', '', '', e.salt, e.event_id, NULL, '', '', '', '', NULL, NULL, NULL, '') AS infinity FROM call_events AS e;
INSERT INTO call_events (event_time, received_at, recorded_at, event_id, call_id, salt, body)
SELECT t, t, t, gen_random_uuid(), 'odd', gen_random_uuid(), '' FROM unnest('{infinity, 294270-01-01, 294240-01-01, 1970-01-01, 1969-12-31 23:59:59.999999, 2000-01-01, 4713-01-01 BC}'::timestamptz[]) AS t;

-- what came, in all forms: C and plain SQL agree
SELECT setseed(0.15);
CREATE FUNCTION some_text(n int) RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT string_agg(substr('aB7 .@+-_/"\éßЖ語😀' || chr(1) || chr(127), 1 + floor(random() * 18)::int, 1), '') FROM generate_series(1, n) $$;
SELECT count(cdr_ingest_message(
	convert_to(json_build_object('eventType', (ARRAY['call.started', 'call.answered', 'x.y', some_text(3)])[1 + i % 4], 'callId', 'c' || i % 50, 'n', i,
		'tenantId', some_text(i % 5), 'traceId', some_text(i % 7), 'more', some_text(i % 40))::text, 'UTF8'),
	routing_key => CASE WHEN i % 3 > 0 THEN 'call.' || some_text(i % 11) END, content_type => CASE WHEN i % 5 > 0 THEN 'application/json' END,
	message_id => CASE i % 3 WHEN 0 THEN '' WHEN 1 THEN decode(md5(i::text), 'hex') END::bytea,
	property_time => CASE WHEN i % 2 > 0 THEN '2026-01-01Z'::timestamptz + i * interval '1.000007 h' END,
	headers => CASE WHEN i % 4 > 0 THEN json_build_object('a', some_text(i % 9)) END,
	exchange => CASE WHEN i % 6 > 0 THEN some_text(5) END)) FROM generate_series(1, 600) AS i;
UPDATE call_events SET properties = json_build_object('exchange', some_text(4)) WHERE call_id LIKE 'c1%';
-- Protobuf: eventType, callId
SELECT cdr_ingest_message('\x0a0c63616c6c2e737461727465641a0163'::bytea, content_type => 'application/x-protobuf') IS NOT NULL AS protobuf;
SELECT count(*) > 600 AS many, count(DISTINCT l.leaf) = count(*) AS all_differ, count(*) FILTER (WHERE leaf_of(e) IS DISTINCT FROM l.leaf) AS disagree,
	count(*) FILTER (WHERE e.body IS NOT NULL) > 0 AS bodies, count(e.headers) > 300 AS headers, count(e.properties) > 100 AS properties,
	count(*) FILTER (WHERE e.message_id = '') > 150 AS empty, count(*) FILTER (WHERE e.message_id IS NULL) > 150 AS nulls
FROM call_events AS e JOIN cdr_event_leaves() AS l USING (call_id, event_id, event_time);
-- of a stretch of time
SELECT count(*), min(event_time), max(event_time) FROM cdr_event_leaves('2026-01-01Z', '2026-11-25T12:00:00Z') WHERE call_id = 'c1';
SELECT count(*) FROM cdr_event_leaves('2026-11-25T12:00:00Z', '2026-11-25T12:00:00.000001Z');

-- with the rights of the caller
CREATE ROLE regress_evidence;
SET ROLE regress_evidence;
SELECT count(*) FROM cdr_event_leaves();
SELECT cdr_tree_root('{}') = cdr_merkle_root('{}') AS same;
RESET ROLE;
DROP ROLE regress_evidence;

-- RFC 6962: the 8 leaves of its reference implementation, and their roots
CREATE TABLE inputs AS SELECT i - 1 AS i, sha256('\x00' || input) AS hash
FROM unnest('{"\\x","\\x00","\\x10","\\x2021","\\x3031","\\x40414243","\\x5051525354555657","\\x606162636465666768696a6b6c6d6e6f"}'::bytea[]) WITH ORDINALITY AS t(input, i);
SELECT n, encode(cdr_tree_root(leaves), 'hex') AS root, cdr_tree_root(leaves) = cdr_merkle_root(leaves) AS same
FROM generate_series(0, 8) AS n, LATERAL (SELECT ARRAY(SELECT hash FROM inputs WHERE i < n ORDER BY i)) AS t(leaves);
SELECT leaf, n, (SELECT string_agg(left(encode(h, 'hex'), 8), ' ' ORDER BY o) FROM unnest(cdr_inclusion_proof(leaves, leaf)) WITH ORDINALITY AS p(h, o)) AS proof
FROM (VALUES (0, 1), (0, 8), (5, 8), (2, 3), (1, 5)) AS v(leaf, n), LATERAL (SELECT ARRAY(SELECT hash FROM inputs WHERE i < n ORDER BY i)) AS t(leaves);
SELECT first, n, (SELECT string_agg(left(encode(h, 'hex'), 8), ' ' ORDER BY o) FROM unnest(cdr_consistency_proof(leaves, first)) WITH ORDINALITY AS p(h, o)) AS proof
FROM (VALUES (1, 1), (1, 8), (6, 8), (2, 5)) AS v(first, n), LATERAL (SELECT ARRAY(SELECT hash FROM inputs WHERE i < n ORDER BY i)) AS t(leaves);

-- all proofs of all small trees, judged as RFC 9162 says (2.1.3.2, 2.1.4.2)
CREATE FUNCTION includes(leaf bytea, place bigint, size bigint, proof bytea[], root bytea) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE fn bigint := place; sn bigint := size - 1; r bytea := leaf; p bytea;
BEGIN
	FOREACH p IN ARRAY proof LOOP
		IF sn = 0 THEN RETURN false; END IF;
		IF fn % 2 = 1 OR fn = sn THEN
			r := sha256('\x01' || p || r);
			WHILE fn % 2 = 0 AND fn <> 0 LOOP fn := fn / 2; sn := sn / 2; END LOOP;
		ELSE r := sha256('\x01' || r || p); END IF;
		fn := fn / 2; sn := sn / 2;
	END LOOP;
	RETURN sn = 0 AND r = root;
END $$;
CREATE FUNCTION continues(first bigint, size bigint, old bytea, new bytea, given bytea[]) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE fn bigint := first - 1; sn bigint := size - 1; fr bytea; sr bytea; proof bytea[] := given; p bytea;
BEGIN
	IF first = size THEN RETURN cardinality(given) = 0 AND old = new; END IF;
	IF cardinality(given) = 0 THEN RETURN false; END IF;
	IF first & (first - 1) = 0 THEN proof := old || proof; END IF;
	WHILE fn % 2 = 1 LOOP fn := fn / 2; sn := sn / 2; END LOOP;
	fr := proof[1]; sr := fr;
	FOREACH p IN ARRAY proof[2:] LOOP
		IF sn = 0 THEN RETURN false; END IF;
		IF fn % 2 = 1 OR fn = sn THEN
			fr := sha256('\x01' || p || fr); sr := sha256('\x01' || p || sr);
			WHILE fn % 2 = 0 AND fn <> 0 LOOP fn := fn / 2; sn := sn / 2; END LOOP;
		ELSE sr := sha256('\x01' || sr || p); END IF;
		fn := fn / 2; sn := sn / 2;
	END LOOP;
	RETURN sn = 0 AND fr = old AND sr = new;
END $$;
CREATE TABLE trees AS SELECT n, ARRAY(SELECT sha256(int4send(i)) FROM generate_series(1, n) AS i ORDER BY i) AS leaves FROM generate_series(1, 17) AS n;
SELECT count(*) AS proofs, count(*) FILTER (WHERE includes(leaves[leaf + 1], leaf, n, cdr_inclusion_proof(leaves, leaf), cdr_merkle_root(leaves))) AS hold,
	count(*) FILTER (WHERE includes(leaves[leaf + 1], leaf, n, cdr_inclusion_proof(leaves, (leaf + 1) % n), cdr_merkle_root(leaves))) AS of_another
FROM trees, LATERAL generate_series(0, n - 1) AS leaf WHERE n > 1;
SELECT count(*) AS proofs, count(*) FILTER (WHERE continues(first, n, cdr_merkle_root(leaves[:first]), cdr_merkle_root(leaves), cdr_consistency_proof(leaves, first))) AS hold,
	count(*) FILTER (WHERE continues(first, n, cdr_merkle_root(leaves[2:first] || leaves[1]), cdr_merkle_root(leaves), cdr_consistency_proof(leaves, first))) AS of_another
FROM trees, LATERAL generate_series(1, n) AS first WHERE first > 1;
-- a large one; and wherever an array begins
SELECT cdr_tree_root(leaves) = cdr_merkle_root(leaves) AS same, cdr_tree_root(leaves) = cdr_merkle_root(format('[5:%s]=%s', 4 + cardinality(leaves), leaves)::bytea[]) AS shifted
FROM (SELECT ARRAY(SELECT sha256(int4send(i)) FROM generate_series(1, 5001) AS i ORDER BY i)) AS t(leaves);

-- mistakes
SELECT cdr_tree_root(ARRAY['\x00'::bytea]);
SELECT cdr_tree_root(ARRAY[sha256(''), NULL]);
SELECT cdr_merkle_root(ARRAY[sha256(''), NULL]) IS NULL AS unknown;
SELECT cdr_inclusion_proof(ARRAY[sha256('')], 1);
SELECT cdr_inclusion_proof(ARRAY[sha256('')], -1);
SELECT cdr_consistency_proof(ARRAY[sha256('')], 0);
SELECT cdr_consistency_proof(ARRAY[sha256('')], 2);

DROP TABLE changed, inputs, trees;
DROP FUNCTION leaf_of, some_text, includes, continues;
DROP EXTENSION cdr_service;
SET cdr_service.allow_drop = on;
DROP TABLE calls, call_events, dead_letters;
