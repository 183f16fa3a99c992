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
	('{"ev":"e","id":"timeless","id2":"even 9","uid":"w2","vid":"x2","t":"0","t2":"0","cause":"normal_clearing"}', 'pbx.e', '\x02'),
	('{"ev":"e","id":"timeless","id2":"even 9","uid":"w3","vid":"x3","t":"yesterday","t2":"0","cause":"normal_clearing"}', 'pbx.e', NULL);
-- what no version takes, and what is read natively as well
INSERT INTO messages (body, routing_key, content_type, type, headers, content_encoding) VALUES
	('{"ev":"q","id":"no call"}', 'pbx.q', NULL, NULL, NULL, NULL),
	('{"ev":"s","id":"another key","t":"2026-03-08T20:00:00Z"}', 'other', NULL, NULL, NULL, NULL),
	('{"eventType":"call.started","callId":"native","timestamp":"2026-03-08T20:00:00Z","from":"1001","to":"1002"}', 'call.started', NULL, NULL, NULL, NULL),
	('{"eventType":"call.ended","callId":"native","reason":"busy"}', 'call.ended', NULL, NULL, NULL, NULL),
	('{"specversion":"1.0","id":"7","source":"/x","type":"call.ended","data":{"callId":"cloud"},"time":"2026-03-08T20:00:00Z"}', 'ce', 'application/cloudevents+json', NULL, NULL, NULL),
	('{"callId":"binary","from":"1001"}', 'ce', 'application/json', NULL, '{"ce-specversion":"1.0","ce-id":"8","ce-source":"/x","ce-type":"call.started"}', NULL),
	('\x0a0a63616c6c2e656e646564121d33633236613064372d353166302d34623665403139322e302e322e31341a1d33633236613064372d353166302d34623665403139322e302e322e3134220a08d5abb7cd061090943d2a0f6e6f726d616c5f636c656172696e67', 'call.ended', 'application/protobuf', NULL, NULL, NULL);
INSERT INTO messages (body, routing_key, content_encoding)
	SELECT '\x1f8b0800000000000203ab564a2d53b2522a56d251ca4c01320a1293b35353c03c232037b52c354fc102c82d05cb560159657056099036323032d33530d63532083132b03200a1289094115cce0855ae1600412a1bc572000000', 'pbx.s', 'gzip';

CREATE FUNCTION record(m messages) RETURNS boolean LANGUAGE sql AS $$
	SELECT cdr_ingest_message(m.body, m.routing_key, m.content_type, m.content_encoding, m.type, 'here', m.message_id, m.property_time, m.headers, m.properties) $$;
CREATE PROCEDURE forget() LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE call_events, calls, timeless_events, dead_letters;
	DELETE FROM cdr_mappings;
END $$;

-- natively, most of them are of no call
SELECT count(*) FILTER (WHERE record(m)) AS recorded FROM messages AS m;
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
-- (narrow: the newest version does not match all that the others have read; a time that
-- only the body of these has is lost with it, so times of no call's are not compared)
CREATE FUNCTION narrow(call text, at text, identity text) RETURNS json LANGUAGE sql AS $$
	SELECT replace(definition(call, at, identity)::text, '["s", "a", "e", "x"]', '["s", "e"]')::json $$;
CALL forget();
INSERT INTO cdr_mappings (name, version, definition) VALUES ('pbx', 5, narrow('id', 't', 'uid'));
CREATE VIEW narrowly AS
	SELECT 'log' AS what, (r.event_id, r.call_id, event_type, trace_id, r.tenant_id, headers, properties, name, version, payload, body,
		CASE WHEN r.call_id <> '' OR time_source = 'b' THEN (event_time, time_source)::text END)::text AS d FROM read AS r
	UNION ALL SELECT 'rows', count(*)::text FROM read
	UNION ALL SELECT 'calls', c::text FROM calls AS c
	UNION ALL SELECT 'keys', (call_id, event_id, CASE WHEN call_id <> '' THEN event_time END)::text FROM timeless_events
	UNION ALL SELECT 'verify', call_id FROM cdr_verify_calls();
SELECT count(*) FILTER (WHERE record(m)) AS recorded FROM messages AS m;
CREATE TABLE truly_narrow AS TABLE narrowly;
SELECT what, count(*) FROM truly_narrow GROUP BY what ORDER BY what COLLATE "C";
CREATE VIEW differing_narrowly AS (TABLE narrowly EXCEPT TABLE truly_narrow) UNION ALL (TABLE truly_narrow EXCEPT TABLE narrowly);

CREATE PROCEDURE try_all(rounds integer, is_narrow boolean) LANGUAGE plpgsql AS $$
DECLARE
	m messages;
	step integer;
	written bigint;
BEGIN
	FOR i IN 1 .. rounds LOOP
		CALL forget();
		step := 0;
		FOR m IN SELECT o.* FROM messages AS o, generate_series(1, 1 + i % 3) ORDER BY random() LOOP
			step := step + 1;
			IF step % 11 = 0 THEN
				CASE floor(random() * 5)::integer
					WHEN 0 THEN UPDATE cdr_mappings SET enabled = false;
					WHEN 1 THEN INSERT INTO cdr_mappings (name, version, definition) VALUES ('pbx', 1, definition('id2', 't2')) ON CONFLICT DO NOTHING;
					WHEN 2 THEN INSERT INTO cdr_mappings (name, version, definition) VALUES ('pbx', 2, definition('id2', 't', 'vid')) ON CONFLICT DO NOTHING;
					WHEN 3 THEN
						IF is_narrow THEN
							INSERT INTO cdr_mappings (name, version, definition) VALUES ('pbx', 3, narrow('uid', 't2', 'vid')) ON CONFLICT DO NOTHING;
						ELSE
							INSERT INTO cdr_mappings (name, version, definition, priority) VALUES ('first', 1, definition('uid', 't2'), 9) ON CONFLICT DO NOTHING;
						END IF;
					WHEN 4 THEN UPDATE cdr_mappings SET enabled = random() < 0.5;
				END CASE;
			END IF;
			PERFORM record(m);
		END LOOP;
		UPDATE cdr_mappings SET enabled = false;
		INSERT INTO cdr_mappings (name, version, definition) VALUES ('pbx', 5, CASE WHEN is_narrow THEN narrow('id', 't', 'uid')::text ELSE definition('id', 't', 'uid')::text END::json);
		IF i % 2 = 0 THEN
			PERFORM cdr_rebuild_calls(remap => true);
		ELSE
			COMMIT;
			CALL cdr_rebuild_calls_in_slices(remap => true, slice => i, rebuilt => written);
		END IF;
		IF is_narrow AND EXISTS (SELECT FROM differing_narrowly) THEN
			RAISE EXCEPTION 'round %: %', i, (SELECT string_agg(what || ' ' || d, E'\n') FROM (SELECT * FROM differing_narrowly LIMIT 5) AS d);
		ELSIF NOT is_narrow AND EXISTS (SELECT FROM differing) THEN
			RAISE EXCEPTION 'round %: %', i, (SELECT string_agg(what || ' ' || d, E'\n') FROM (SELECT * FROM differing LIMIT 5) AS d);
		END IF;
	END LOOP;
END $$;
SET client_min_messages = warning;
CALL try_all(12, false);
CALL try_all(12, true);
RESET client_min_messages;

-- the same events sent again with other times, or with none; recorded one by one in random
-- order, read by whatever is in force then: what a remap leaves is what the newest
-- version, in force from the start, makes of the same order (of calls and, by the newest
-- version or by all, of no call)
CREATE TABLE resent (LIKE messages INCLUDING DEFAULTS);
INSERT INTO resent (body, routing_key, property_time)
	SELECT convert_to(jsonb_strip_nulls(jsonb_build_object('ev', ev, 'id', CASE WHEN c < 5 THEN 'odd ' || c END, 'id2', CASE WHEN c <> 5 THEN 'even ' || c / 2 END, 'uid', ev || c / 3, 'vid', ev || c, 'a', '100' || n,
			't', CASE WHEN n <> 4 THEN t + n * interval '13 hours' END, 't2', CASE WHEN n <> 4 THEN t - n * interval '25 hours' END))::text, 'UTF8'),
		'pbx.' || ev, t + n * interval '1 hour'
	FROM generate_series(1, 7) AS c, unnest(ARRAY['s', 'a', 'e', 'x']) WITH ORDINALITY AS v(ev, e), generate_series(1, 5) AS n,
		LATERAL (SELECT '2026-03-08T20:00:00Z'::timestamptz + e * interval '1 minute') AS at(t);
-- (a key whose event is known by another time says nothing)
CREATE VIEW compared AS
	SELECT 'log' AS what, r::text AS d FROM read AS r
	UNION ALL SELECT 'calls', c::text FROM calls AS c
	UNION ALL SELECT 'keys', (call_id, event_id, event_time)::text FROM timeless_events JOIN call_events USING (call_id, event_id, event_time)
	UNION ALL SELECT 'verify', call_id FROM cdr_verify_calls()
	UNION ALL SELECT 'preview', event_id::text FROM cdr_remap_preview();
CREATE PROCEDURE try_resent(rounds integer) LANGUAGE plpgsql AS $$
DECLARE
	m messages;
	came messages[];
	written bigint;
	differs text;
BEGIN
	FOR i IN 1 .. rounds LOOP
		CALL forget();
		came := ARRAY(SELECT r::text::messages FROM resent AS r ORDER BY random());
		FOREACH m IN ARRAY came LOOP
			IF random() < 0.05 THEN
				CASE floor(random() * 4)::integer
					WHEN 0 THEN UPDATE cdr_mappings SET enabled = random() < 0.5;
					WHEN 1 THEN INSERT INTO cdr_mappings (name, version, definition) VALUES ('pbx', 1, definition('id2', 't2')) ON CONFLICT DO NOTHING;
					WHEN 2 THEN INSERT INTO cdr_mappings (name, version, definition) VALUES ('pbx', 2, definition('id', 't2', 'vid')) ON CONFLICT DO NOTHING;
					WHEN 3 THEN INSERT INTO cdr_mappings (name, version, definition) VALUES ('pbx', 3, definition('id2', 't', 'uid')) ON CONFLICT DO NOTHING;
				END CASE;
			END IF;
			PERFORM record(m);
		END LOOP;
		INSERT INTO cdr_mappings (name, version, definition) VALUES ('pbx', 5, definition('id2', 't', 'uid'));
		IF i % 2 = 0 THEN
			PERFORM cdr_rebuild_calls(remap => true);
		ELSE
			COMMIT;
			CALL cdr_rebuild_calls_in_slices(remap => true, slice => i, rebuilt => written);
		END IF;
		CREATE TEMP TABLE remapped AS TABLE compared;
		CALL forget();
		INSERT INTO cdr_mappings (name, version, definition) VALUES ('pbx', 5, definition('id2', 't', 'uid'));
		FOREACH m IN ARRAY came LOOP
			PERFORM record(m);
		END LOOP;
		SELECT string_agg(what || ' ' || d, E'\n') INTO differs FROM
			(SELECT * FROM ((SELECT 'live', c.* FROM compared AS c EXCEPT ALL SELECT 'live', r.* FROM remapped AS r)
				UNION ALL (SELECT 'remapped', r.* FROM remapped AS r EXCEPT ALL SELECT 'remapped', c.* FROM compared AS c)) AS d(side, what, d) LIMIT 6) AS few;
		IF differs IS NOT NULL THEN
			RAISE EXCEPTION 'round %: %', i, differs;
		END IF;
		DROP TABLE remapped;
	END LOOP;
END $$;
SET client_min_messages = warning;
CALL try_resent(4);
RESET client_min_messages;
-- what that is: each event of a call once
SELECT call_id, event_count, caller_number LIKE '100_' AS caller FROM calls ORDER BY call_id;
SELECT count(*) AS events, count(DISTINCT (call_id, event_id)) AS distinct FROM call_events;

-- different events take turns in their identities, in a ring and in a chain
CALL forget();
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', definition('id', 't', 'uid'));
SELECT count(*) FILTER (WHERE cdr_ingest_message(convert_to(format('{"ev":"s","id":"ring","uid":"%s","vid":"%s","t":"2026-03-08T20:00:00Z","a":"%s"}', n, (n + 1) % 7, n), 'UTF8'), 'pbx.s')) FROM generate_series(0, 6) AS n;
SELECT count(*) FILTER (WHERE cdr_ingest_message(convert_to(format('{"ev":"s","id":"chain","uid":"c%s","vid":"c%s","t":"2026-03-08T20:00:00Z","a":"%s"}', n, n + 1, n), 'UTF8'), 'pbx.s')) FROM generate_series(1, 50) AS n;
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', definition('id', 't', 'vid'));
SELECT count(*), count(note) FROM cdr_remap_preview();
CALL cdr_rebuild_calls_in_slices(remap => true, slice => 3);
SELECT call_id, count(*), count(DISTINCT event_id), count(DISTINCT payload ->> 'a'), count(*) FILTER (WHERE mapping = (SELECT id FROM cdr_mappings WHERE version = 2)) AS anew FROM call_events GROUP BY call_id ORDER BY call_id;
SELECT * FROM cdr_verify_calls();
SELECT count(*) FROM cdr_remap_preview();
-- repeated, each is known by its new identity
SELECT count(*) FILTER (WHERE cdr_ingest_message(convert_to(format('{"ev":"s","id":"ring","uid":"%s","vid":"%s","t":"2026-03-08T20:00:00Z","a":"%s"}', n, (n + 1) % 7, n), 'UTF8'), 'pbx.s')) AS new FROM generate_series(0, 6) AS n;

-- what is the same event by the new version, and was not by the old one, is one: the
-- first that was recorded
CALL forget();
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', definition('id', 't'));
SELECT count(*) FILTER (WHERE cdr_ingest_message(convert_to(format('{"ev":"s","id":"same","uid":"1","t":"2026-03-08T20:00:00Z","a":"%s"}', n), 'UTF8'), 'pbx.s')) FROM generate_series(1, 5) AS n;
SELECT event_count, caller_number IS NOT NULL AS caller FROM calls;
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', definition('id', 't', 'uid'));
SELECT note, count(*) FROM cdr_remap_preview() GROUP BY note ORDER BY note NULLS FIRST;
\set VERBOSITY default
SELECT cdr_rebuild_calls(remap => true);
\set VERBOSITY terse
SELECT payload ->> 'a' AS a FROM call_events;
SELECT event_count, caller_number FROM calls;

-- one that has no time of its own, and was recorded at three times by three readings, in
-- any order: it is one, of when it came first
DO $$
DECLARE
	three integer[];
	n integer;
	at timestamptz;
BEGIN
	FOR three IN VALUES ('{0,1,2}'::integer[]), ('{0,2,1}'), ('{1,0,2}'), ('{1,2,0}'), ('{2,0,1}'), ('{2,1,0}') LOOP
		CALL forget();
		at := '2026-03-09 09:00:00Z';
		INSERT INTO cdr_mappings (name, version, definition) VALUES ('pbx', 1, definition('id2', 't2')), ('pbx', 2, definition('id', 't'));
		FOREACH n IN ARRAY three LOOP
			UPDATE cdr_mappings SET enabled = version = n;
			PERFORM cdr_ingest_message('{"ev":"s","id":"timeless","id2":"other"}', 'pbx.s', property_time => at);
			at := at + interval '1 month';
		END LOOP;
		ASSERT (SELECT count(*) = 3 FROM call_events) AND (SELECT count(*) = 3 FROM timeless_events);
		UPDATE cdr_mappings SET enabled = true;
		PERFORM cdr_rebuild_calls(remap => true);
		ASSERT (SELECT array_agg((call_id, event_time, time_source)::text) = ARRAY['(timeless,"Mon Mar 09 09:00:00 2026 UTC",p)'] FROM call_events), three;
		ASSERT (SELECT array_agg((call_id, event_time)::text) = ARRAY['(timeless,"Mon Mar 09 09:00:00 2026 UTC")'] FROM timeless_events), three;
		ASSERT (SELECT count(*) = 1 FROM calls WHERE start_time = '2026-03-09 09:00:00Z') AND (SELECT count(*) = 1 FROM calls), three;
		ASSERT NOT EXISTS (SELECT FROM cdr_verify_calls()) AND NOT EXISTS (SELECT FROM cdr_remap_preview()), three;
		-- it is known when it comes again
		ASSERT NOT cdr_ingest_message('{"ev":"s","id":"timeless","id2":"other"}', 'pbx.s', property_time => at), three;
	END LOOP;
END $$;
-- of a key whose event is no longer there, as when it comes again
DELETE FROM call_events;
UPDATE cdr_mappings SET enabled = version = 1;
SELECT cdr_rebuild_calls(prune => true, call_id => 'timeless');
SELECT cdr_ingest_message('{"ev":"s","id":"timeless","id2":"other"}', 'pbx.s', property_time => '2026-12-09 09:00:00Z');
UPDATE cdr_mappings SET enabled = true;
SELECT cdr_rebuild_calls(remap => true);
SELECT call_id, event_time, time_source FROM call_events;
TABLE timeless_events;

-- corrections and closings are of the call that they name: they stay, and hold its row
CALL forget();
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', definition('id2', 't'));
SELECT count(*) FILTER (WHERE record(m)) AS recorded FROM messages AS m WHERE body::text LIKE convert_to('{"ev":"_","id":"odd%', 'UTF8')::text OR n <= 24;
SELECT cdr_correct_call('even 1', '{"caller_number": "4711"}', 'a test') IS NOT NULL AS corrected;
SELECT call_id, caller_number, event_count FROM calls ORDER BY call_id;
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', definition('id', 't'));
SELECT cdr_rebuild_calls(remap => true);
SELECT call_id, status, caller_number, event_count FROM calls ORDER BY call_id;
SELECT * FROM cdr_verify_calls();
-- and back: the call is as it was
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', definition('id2', 't'));
SELECT cdr_rebuild_calls(remap => true);
SELECT call_id, caller_number, event_count FROM calls ORDER BY call_id;
SELECT * FROM cdr_verify_calls();

-- some of them: the events of a call, of no call, of a stretch of time
SELECT count(*), min(from_call_id), max(from_call_id) FROM cdr_remap_preview('even 1');
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', definition('id', 't'));
SELECT count(*), min(from_call_id), max(from_call_id) FROM cdr_remap_preview('even 1');
SELECT count(*), min(from_call_id), max(from_call_id) FROM cdr_remap_preview(call_ids => ARRAY['even 1', 'even 2', 'none']);
SELECT count(*) FROM cdr_remap_preview('');
SELECT count(*), min(from_event_time), max(from_event_time) FROM cdr_remap_preview(from_time => '2026-03-12', to_time => '2026-03-14');
SELECT cdr_rebuild_calls('even 1', remap => true);
SELECT cdr_rebuild_calls(from_time => '2026-03-15', remap => true);
SELECT call_id, event_count FROM calls ORDER BY call_id;
SELECT * FROM cdr_verify_calls();

-- what a mapping has read of which no version is in force stays, unless another takes
-- it; what the newest version does not want any more is read natively
CALL forget();
INSERT INTO cdr_mappings (name, definition) VALUES ('gone', '{"match": {"where": {"ev": ["q", "r"]}}, "event": {"type": "ev", "call_id": "id", "time": "t"}, "call": [{"set": "started"}]}');
SELECT cdr_ingest_message('{"ev":"q","id":"kept","t":"2026-03-08T20:00:00Z"}'), cdr_ingest_message('{"ev":"r","id":"taken","id2":"over","t":"2026-03-08T20:00:00Z"}');
UPDATE cdr_mappings SET enabled = false;
SELECT count(*) FROM cdr_remap_preview();
INSERT INTO cdr_mappings (name, definition) VALUES ('new', '{"match": {"where": {"ev": "r"}}, "event": {"type": "ev", "call_id": "id2", "time": "t"}, "call": [{"set": "started"}]}');
SELECT cdr_rebuild_calls(remap => true);
SELECT call_id, name, version FROM read ORDER BY call_id;
INSERT INTO cdr_mappings (name, definition) VALUES ('gone', '{"match": {"where": {"ev": "nothing"}}, "event": {"call_id": "id"}}');
SELECT from_call_id, from_mapping, from_version, to_call_id, to_mapping, to_event_time <> from_event_time AS "time of receipt" FROM cdr_remap_preview();
SELECT cdr_rebuild_calls(remap => true);
SELECT call_id, name, version, event_time = (SELECT received_at FROM call_events AS e WHERE e.event_id = r.event_id) AS "time of receipt", time_source FROM read AS r ORDER BY call_id;
SELECT call_id FROM calls;
SELECT call_id, event_time = (SELECT event_time FROM call_events AS e WHERE e.event_id = t.event_id) AS same FROM timeless_events AS t;

-- what would be no event stays one, and is told; a letter that is retried meets it
CALL forget();
SELECT cdr_ingest_message('{"ev":"s","t":"2026-03-08T20:00:00Z"}', 'pbx.s'), cdr_ingest_message('{"ev":"s","id":"good","t":"2026-03-08T20:00:00Z"}', 'pbx.s');
INSERT INTO cdr_mappings (name, definition) SELECT 'pbx', (definition('id', 't')::jsonb || '{"strict": true}')::json;
INSERT INTO dead_letters (event_id, received_at, last_attempt_at, attempts, sqlstate, message, routing_key, body_size, body)
	SELECT event_id, now(), now(), 1, '22023', 'a test', 'pbx.s', length(payload::text), convert_to(payload::text, 'UTF8') FROM call_events;
SELECT from_call_id, to_call_id, to_mapping, note FROM cdr_remap_preview() ORDER BY to_call_id;
\set VERBOSITY default
SELECT cdr_rebuild_calls(remap => true);
\set VERBOSITY terse
SELECT cdr_retry_dead_letters();
SELECT call_id, event_count FROM calls;
SELECT count(*) AS letters, (SELECT count(*) FROM call_events) AS events FROM dead_letters;

-- the exchange: where the log has it, where a mapping says it, where somebody does
CALL forget();
INSERT INTO cdr_mappings (name, definition) VALUES
	('e', '{"match": {"exchange": ["there", "here"], "where": {"ev": "mapped"}}, "event": {"call_id": "id", "time": "t"}, "call": [{"set": "started", "caller_number": {"property": "app_id"}}]}');
SELECT cdr_ingest_message('{"ev":"mapped","id":"known","id2":"known 2","t":"2026-03-08T20:00:00Z"}', exchange => 'here', properties => '{"app_id": "1001"}'),
	cdr_ingest_message('{"ev":"unmapped","id":"unknown","t":"2026-03-08T20:00:00Z"}', exchange => 'here', properties => '{"app_id": "1001"}');
SELECT call_id, properties FROM call_events ORDER BY 1;
INSERT INTO cdr_mappings (name, definition) VALUES
	('e', '{"match": {"exchange": ["there", "here"]}, "event": {"call_id": ["id2", "id"], "time": "t"}, "call": [{"set": "started", "caller_number": {"property": "app_id"}, "trunk": {"property": "exchange"}}]}');
SELECT to_call_id FROM cdr_remap_preview(exchange => 'nowhere') ORDER BY 1;
SELECT to_call_id FROM cdr_remap_preview(exchange => 'there') ORDER BY 1;
SELECT cdr_rebuild_calls(remap => true, exchange => 'there');
SELECT call_id, caller_number, trunk FROM calls ORDER BY 1;
SELECT call_id, properties FROM call_events ORDER BY 1;
SELECT * FROM cdr_verify_calls();

SELECT cdr_rebuild_calls(exchange => 'there');
CALL cdr_rebuild_calls_in_slices(exchange => 'there', remap => false);
-- every property that the log has says the same when it is read again
CALL forget();
INSERT INTO cdr_mappings (name, version, definition) SELECT 'p', 1, json_build_object('match', '{"where": {"ev": "p"}}'::json, 'event', '{"call_id": "id", "time": "t"}'::json, 'call',
	json_build_array(json_build_object('set', 'started', 'caller_number', json_build_object('property', 'message_id'), 'callee_number', '{"property": "routing_key"}'::json,
		'trunk', '{"property": "content_type"}'::json, 'user_id', '{"header": "h"}'::json, 'tenant_id', '{"property": "type"}'::json)));
SELECT cdr_ingest_message('{"ev":"p","id":"p","t":"2026-03-08T20:00:00Z"}', '4712', 'text/x', type => 'a type', message_id => '4711', headers => '{"h": "u"}');
SELECT caller_number, callee_number, trunk, user_id, tenant_id FROM calls;
SELECT * FROM cdr_verify_calls();

-- calls of which events were retired: what they said cannot be told from what the
-- others do, so nothing of theirs moves, until it is forgotten
CALL forget();
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', definition('id', 't'));
SELECT cdr_create_partitions('2026-01-01', '2026-02-01') >= 0 AS made;
SELECT count(cdr_ingest_message(convert_to(body, 'UTF8'), 'pbx.s')) FROM (VALUES
	('{"ev":"s","id":"partly","id2":"there","t":"2026-02-28T23:59:00Z","a":"1001"}'),
	('{"ev":"e","id":"partly","id2":"there","t":"2026-03-01T00:01:00Z"}'),
	('{"ev":"s","id":"whole","id2":"partly","t":"2026-03-01T00:01:00Z"}'),
	('{"ev":"s","id":"free","id2":"moved","t":"2026-03-01T00:01:00Z"}')) AS m(body);
SELECT count(*) FROM call_events WHERE event_time < '2026-03-01';
DELETE FROM call_events WHERE event_time < '2026-03-01';
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', definition('id2', 't'));
SELECT from_call_id, to_call_id, to_version, note FROM cdr_remap_preview() ORDER BY 1;
SELECT cdr_rebuild_calls(remap => true);
SELECT call_id, event_count FROM calls ORDER BY 1;
SELECT cdr_rebuild_calls('partly', prune => true);
SELECT cdr_rebuild_calls(remap => true);
SELECT call_id, event_count FROM calls ORDER BY 1;
SELECT * FROM cdr_verify_calls();

-- what a DBA has added
CALL forget();
ALTER TABLE call_events ADD COLUMN note text, ADD COLUMN day date GENERATED ALWAYS AS ((event_time AT TIME ZONE 'UTC')::date) STORED;
SELECT count(*) FILTER (WHERE record(m)) AS recorded FROM messages AS m WHERE n <= 4;
UPDATE call_events SET note = payload ->> 'ev';
INSERT INTO cdr_mappings (name, definition) VALUES ('pbx', definition('id', 't'));
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN CASE WHEN NEW.call_id <> OLD.call_id THEN NULL ELSE NEW END; END';
CREATE TRIGGER hold BEFORE UPDATE ON call_events FOR EACH ROW EXECUTE FUNCTION hold();
SELECT cdr_rebuild_calls(remap => true);
CALL cdr_rebuild_calls_in_slices(remap => true);
DROP TRIGGER hold ON call_events;
CREATE UNIQUE INDEX one_each ON call_events_default (call_id, note) WHERE note <> 'x';
ALTER TABLE call_events_20260301 ADD CONSTRAINT no_odd CHECK (call_id <> 'odd 1');
SELECT cdr_rebuild_calls(remap => true);
SELECT count(*) AS moved FROM call_events WHERE mapping IS NOT NULL;
ALTER TABLE call_events_20260301 DROP CONSTRAINT no_odd;
SELECT cdr_rebuild_calls(remap => true);
SELECT call_id, event_type, note, day, tableoid::regclass FROM call_events ORDER BY event_time;
SELECT * FROM cdr_verify_calls();

-- who may
CREATE ROLE regress_cdr_remapper;
SET ROLE regress_cdr_remapper;
SELECT * FROM cdr_remap_preview();
SELECT cdr_rebuild_calls(remap => true);
CALL cdr_rebuild_calls_in_slices(remap => true);
RESET ROLE;
BEGIN;
CALL cdr_rebuild_calls_in_slices(remap => true);
ROLLBACK;
BEGIN READ ONLY;
SELECT count(*) FROM cdr_remap_preview();
SELECT cdr_rebuild_calls(remap => true);
ROLLBACK;
SELECT cdr_remap_preview('x', from_time => '2026-01-01');

DROP ROLE regress_cdr_remapper;
SET client_min_messages = warning;
SET cdr_service.allow_drop = on;
DROP EXTENSION cdr_service CASCADE;
DROP VIEW IF EXISTS differing, differing_narrowly, narrowly, compared, read;
DROP TABLE calls, call_events, dead_letters, timeless_events CASCADE;
DROP TABLE messages, resent, true_log, true_calls, true_keys, truly_narrow, marks, shown CASCADE;
DROP FUNCTION definition, narrow, hold;
DROP PROCEDURE forget, try_all, try_resent;
