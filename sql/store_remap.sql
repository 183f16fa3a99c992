-- Remap: old events, read by the mappings that are in force now.  What comes out is
-- compared with tables in which the same messages were recorded by these mappings
-- from the start.
CREATE EXTENSION cdr_service;
\set VERBOSITY terse
SET timezone = 'UTC';
SELECT cdr_create_partitions('2026-02-01', '2026-04-15') > 0 AS made;

-- the columns of the log that a message and its reading decide, and all of a call
CREATE VIEW read AS
	SELECT event_time, event_id, call_id, event_type, trace_id, tenant_id, routing_key, time_source, message_id,
		   content_type, headers::text, properties::text, m.name, m.version, payload::text, body
	FROM call_events AS e LEFT JOIN cdr_mappings AS m ON m.id = e.mapping;

CREATE FUNCTION definition(call text, at text, identity text DEFAULT NULL, more text DEFAULT '') RETURNS json LANGUAGE sql AS $$
	SELECT format('{"match": {"routing_key": "pbx.#", "where": {"ev": ["s", "a", "e", "x"]}},
		"event": {"type": "ev", "call_id": %s, "trace_id": "leg", "time": {"from": %s, "none": ["0"]}%s},
		"call": [{"set": "started", "when": {"ev": "s"}, "caller_number": "a", "callee_number": "b"},
				 {"set": "answered", "when": {"ev": "a"}},
				 {"set": "ended", "when": {"ev": "e"}, "hangup_cause": "cause", "hangup_source": {"header": "who"}%s}]}',
		to_json(call), to_json(at), ', "identity": [' || to_json(identity) || ']', more)::json $$;

-- messages: of two calls or one, as one looks at them; with and without a time in the
-- body; native ones in each form; with properties that some reading needs
CREATE TABLE messages (n serial, body bytea, routing_key text, content_type text, type text, message_id bytea,
	property_time timestamptz DEFAULT '2026-03-09 09:00:00Z', headers json, properties json, content_encoding text);
INSERT INTO messages (body, routing_key, headers)
	SELECT convert_to(format('{"ev":"%s","id":"odd %s","id2":"even %s","leg":"l%s","uid":"u%s","vid":"v%s","t":"2026-03-%sT20:00:%sZ","t2":"2026-02-%sT20:00:%sZ","a":"100%s","b":"2001","cause":"user_busy"}',
			ev, c, c / 2, c, c * 4 + e, c * 4 + e, 10 + c, 10 + e, 10 + c, 10 + e, c), 'UTF8'),
		'pbx.' || ev, CASE WHEN ev = 'e' THEN '{"who": "callee"}'::json END
	FROM generate_series(1, 6) AS c, unnest(ARRAY['s', 'a', 'e', 'x']) WITH ORDINALITY AS v(ev, e);
-- without a time, or with one that cannot be read
INSERT INTO messages (body, routing_key, message_id) VALUES
	('{"ev":"s","id":"timeless","id2":"even 9","uid":"w1","vid":"x1","a":"1009"}', 'pbx.s', '\x01'),
	('{"ev":"e","id":"timeless","id2":"even 9","uid":"w2","vid":"x2","t":"0","t2":"2026-02-20T00:00:00Z","cause":"normal_clearing"}', 'pbx.e', '\x02'),
	('{"ev":"e","id":"timeless","id2":"even 9","uid":"w3","vid":"x3","t":"yesterday","t2":"0","cause":"normal_clearing"}', 'pbx.e', NULL);
-- what no version takes, and what is read natively as well
INSERT INTO messages (body, routing_key, content_type, type, headers, content_encoding) VALUES
	('{"ev":"q","id":"no call"}', 'pbx.q', NULL, NULL, NULL, NULL),
	('{"ev":"s","id":"another key","t":"2026-03-08T20:00:00Z"}', 'other', NULL, NULL, NULL, NULL),
	('{"eventType":"call.started","callId":"native","timestamp":"2026-03-08T20:00:00Z","from":"1001","to":"1002"}', 'call.started', NULL, NULL, NULL, NULL),
	('{"eventType":"call.ended","callId":"native","reason":"busy"}', 'call.ended', NULL, NULL, NULL, NULL),
	('{"specversion":"1.0","id":"7","source":"/x","type":"call.ended","data":{"callId":"cloud"},"time":"2026-03-08T20:00:00Z"}', 'ce', 'application/cloudevents+json', NULL, NULL, NULL),
	('{"callId":"binary","from":"1001"}', 'ce', 'application/json', NULL, '{"ce-specversion":"1.0","ce-id":"8","ce-source":"/x","ce-type":"call.started"}', NULL),
	('\x0a0c63616c6c2e616e73776572651204747261631a0670726f746f31', 'call.answered', 'application/protobuf', NULL, NULL, NULL);
INSERT INTO messages (body, routing_key, content_encoding)
	SELECT '\x1f8b08000000000000ffab564a2d4b55b252aa55d2514acc4b56b25250ca2fcacf4b55d24149030028fd65221d000000', 'pbx.s', 'gzip';

CREATE FUNCTION record(m messages) RETURNS boolean LANGUAGE sql AS $$
	SELECT cdr_ingest_message(m.body, m.routing_key, m.content_type, m.content_encoding, m.type, 'here', m.message_id, m.property_time, m.headers, m.properties) $$;
CREATE PROCEDURE forget() LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE call_events, calls, timeless_events, dead_letters;
	DELETE FROM cdr_mappings;
END $$;

-- what a message is that no form takes is nobody's event
DO $$
DECLARE m messages;
BEGIN
	FOR m IN SELECT * FROM messages ORDER BY n LOOP
		BEGIN
			PERFORM record(m);
		EXCEPTION WHEN OTHERS THEN
			RAISE NOTICE '%: % %', m.n, sqlstate, sqlerrm;
			DELETE FROM messages WHERE n = m.n;
		END;
	END LOOP;
END $$;
SELECT count(*) AS events, count(mapping) AS mapped FROM call_events;
SELECT call_id, status, event_count FROM calls ORDER BY call_id;
CALL forget();

-- the truth: by the newest version from the start
INSERT INTO cdr_mappings (name, version, definition) VALUES ('pbx', 5, definition('id', 't', 'uid'));
SELECT count(*) FILTER (WHERE record(m)) AS recorded FROM messages AS m;
CREATE TABLE true_log AS TABLE read;
CREATE TABLE true_calls AS TABLE calls;
CREATE TABLE true_keys AS TABLE timeless_events;
SELECT call_id, status, start_time, answer_time, end_time, caller_number, hangup_cause, hangup_source, event_count, anomalies FROM true_calls ORDER BY call_id;
SELECT count(*) AS events, count(name) AS mapped, count(*) FILTER (WHERE time_source <> 'b') AS timeless FROM true_log;
CALL forget();

CREATE VIEW differing AS
	SELECT 'log' AS what, d::text FROM ((TABLE read EXCEPT TABLE true_log) UNION ALL (TABLE true_log EXCEPT TABLE read)) AS d
	UNION ALL SELECT 'log', 'as many rows' WHERE (SELECT count(*) FROM read) <> (SELECT count(*) FROM true_log)
	UNION ALL SELECT 'calls', d::text FROM ((SELECT c::text FROM calls AS c EXCEPT SELECT c::text FROM true_calls AS c) UNION ALL (SELECT c::text FROM true_calls AS c EXCEPT SELECT c::text FROM calls AS c)) AS d
	UNION ALL SELECT 'keys', d::text FROM ((TABLE timeless_events EXCEPT TABLE true_keys) UNION ALL (TABLE true_keys EXCEPT TABLE timeless_events)) AS d
	UNION ALL SELECT 'verify', call_id FROM cdr_verify_calls();

-- without any mapping, and then with it
SELECT count(*) FILTER (WHERE record(m)) AS recorded FROM messages AS m;
CREATE TABLE marks AS SELECT event_id, recorded_at, received_at, salt FROM call_events;
INSERT INTO cdr_mappings (name, version, definition) VALUES ('pbx', 5, definition('id', 't', 'uid'));
CREATE TABLE shown AS SELECT * FROM cdr_remap_preview();
SELECT count(*) AS shown, count(from_mapping) AS mapped, count(DISTINCT to_call_id) AS calls, count(note) AS notes, count(*) FILTER (WHERE from_event_id IS NULL) AS other FROM (SELECT *, event_id AS from_event_id FROM shown) AS s;
SELECT count(*) AS written FROM call_events WHERE mapping IS NOT NULL;
SELECT cdr_rebuild_calls(remap => true);
SELECT * FROM differing;
-- as was shown, and nothing else
SELECT count(*) AS "not as shown" FROM (
	(SELECT to_event_id, to_call_id, to_event_time, to_mapping, to_version FROM shown)
	EXCEPT (SELECT event_id, call_id, event_time, name, version FROM read)) AS d;
-- a row that moves keeps what it has
SELECT count(*) AS changed FROM marks WHERE recorded_at NOT IN (SELECT recorded_at FROM call_events);
SELECT count(*) AS changed FROM (SELECT recorded_at, received_at, salt FROM marks EXCEPT SELECT recorded_at, received_at, salt FROM call_events) AS d;
-- once more: nothing is to be done
SELECT cdr_rebuild_calls(remap => true);
SELECT * FROM cdr_remap_preview();
SELECT * FROM differing;

-- by versions that see other calls, times and identities; in random order; each message
-- up to three times, by whatever is in force then; in one transaction or in slices
CREATE PROCEDURE try_all(rounds integer) LANGUAGE plpgsql AS $$
DECLARE
	m messages;
	step integer;
BEGIN
	FOR i IN 1 .. rounds LOOP
		CALL forget();
		step := 0;
		FOR m IN SELECT m.* FROM messages AS m, generate_series(1, 1 + i % 3) ORDER BY random() LOOP
			step := step + 1;
			IF step % 11 = 0 THEN
				CASE floor(random() * 5)::integer
					WHEN 0 THEN UPDATE cdr_mappings SET enabled = false;
					WHEN 1 THEN INSERT INTO cdr_mappings (name, version, definition) VALUES ('pbx', 1, definition('id2', 't2')) ON CONFLICT DO NOTHING;
					WHEN 2 THEN INSERT INTO cdr_mappings (name, version, definition) VALUES ('pbx', 2, definition('id2', 't', 'vid')) ON CONFLICT DO NOTHING;
					WHEN 3 THEN INSERT INTO cdr_mappings (name, version, definition, priority) VALUES ('first', 1, definition('uid', 't2'), 9) ON CONFLICT DO NOTHING;
					WHEN 4 THEN UPDATE cdr_mappings SET enabled = random() < 0.5;
				END CASE;
			END IF;
			PERFORM record(m);
		END LOOP;
		UPDATE cdr_mappings SET enabled = false;
		INSERT INTO cdr_mappings (name, version, definition) VALUES ('pbx', 5, definition('id', 't', 'uid'));
		IF i % 2 = 0 THEN
			PERFORM cdr_rebuild_calls(remap => true);
		ELSE
			COMMIT;
			CALL cdr_rebuild_calls_in_slices(remap => true, slice => i, rebuilt => NULL);
		END IF;
		IF EXISTS (SELECT FROM differing) THEN
			RAISE EXCEPTION 'round %: %', i, (SELECT string_agg(what || ' ' || d, E'\n') FROM (SELECT * FROM differing LIMIT 5) AS d);
		END IF;
	END LOOP;
END $$;
SET client_min_messages = warning;
CALL try_all(20);
RESET client_min_messages;
