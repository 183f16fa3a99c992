-- Any order, one truth: all orders of a call's five events and two others, in
-- batches of every size, each event once and each twice, make one identical row.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

CREATE TABLE seven (n int PRIMARY KEY, event json);
INSERT INTO seven VALUES
	(1, '{"eventType":"call.started","callId":"p","timestamp":"2026-01-19T22:00:00.000001Z","fromUri":"sip:+905551112233@gw","toUri":"sip:1001@pbx","dialplanResolution":{"tenantId":"t1","matchedUser":{"id":"u1"},"matchedContact":{"id":1}}}'),
	(2, '{"eventType":"user.identified.for_call","callId":"p","timestamp":"2026-01-19T22:00:01Z","userId":"u2","contactId":2,"tenantId":"t2"}'),
	(3, '{"eventType":"call.answered","callId":"p","timestamp":"2026-01-19T22:00:02.5Z"}'),
	(4, '{"eventType":"call.ended","callId":"p","timestamp":"2026-01-19T22:01:02.499999Z","reason":"normal_clearing_by_user"}'),
	(5, '{"eventType":"call.recording.available","callId":"p","timestamp":"2026-01-19T22:01:10Z","recordingUri":"s3://r/p.wav"}'),
	(6, '{"eventType":"acoustic.mood.shifted","callId":"p","timestamp":"2026-01-19T21:59:59Z"}'),
	(7, '{"eventType":"call.media.playback.finished","callId":"p","timestamp":"2026-01-19T22:01:11Z"}');
-- and seven that contradict each other: two of a kind, of which ties decide
CREATE TABLE ties (n int PRIMARY KEY, event json);
INSERT INTO ties VALUES
	(1, '{"eventType":"call.started","callId":"t","timestamp":"2026-01-19T22:00:00Z","from":"1001","tenantId":"a","dialplan":{"matched_user":{"id":"m1"}}}'),
	(2, '{"eventType":"call.started","callId":"t","timestamp":"2026-01-19T22:00:00Z","from":"1002","dialplan":{"matched_contact":{"id":2}}}'),
	(3, '{"eventType":"user.identified.for_call","callId":"t","timestamp":"2026-01-19T22:00:00Z","userId":"u3"}'),
	(4, '{"eventType":"user.created.for_call","callId":"t","timestamp":"2026-01-19T22:00:00Z","contactId":4,"tenantId":"d"}'),
	(5, '{"eventType":"call.ended","callId":"t","timestamp":"2026-01-19T22:00:00Z","reason":"busy"}'),
	(6, '{"eventType":"call.ended","callId":"t","timestamp":"2026-01-19T22:00:00Z","hangupSource":"f"}'),
	(7, '{"eventType":"call.answered","callId":"t","timestamp":"2026-01-19T22:00:00Z"}');

-- and a hunt group: a busy phone, two that ring, of which one answers, and clocks that differ
CREATE TABLE forks AS
SELECT n, replace(event, 'AT', '2026-01-19T22:00:')::json AS event FROM (VALUES
	(1, '{"eventType":"call.started","callId":"f","timestamp":"AT00Z","from":"1001","trunk":"gw-1"}'),
	(2, '{"eventType":"call.ended","callId":"f","timestamp":"AT02Z","reason":"busy","sipStatus":486}'),
	(3, '{"eventType":"call.ringing","callId":"f","timestamp":"AT03Z"}'),
	(4, '{"eventType":"call.answered","callId":"f","timestamp":"AT08Z"}'),
	(5, '{"eventType":"call.ended","callId":"f","timestamp":"AT08.1Z","reason":"canceled","sipStatus":487}'),
	(6, '{"eventType":"call.ended","callId":"f","timestamp":"AT07.9Z","reason":"normal_clearing"}'),
	(7, '{"eventType":"call.ended","callId":"f","timestamp":"AT58Z","reason":"normal_clearing","sipStatus":200}')) AS v(n, event);

CREATE TABLE permutations AS
WITH RECURSIVE p (ns) AS (
	SELECT ARRAY[n] FROM generate_series(1, 7) AS n
	UNION ALL
	SELECT ns || n FROM p, generate_series(1, 7) AS n WHERE n <> ALL (ns))
SELECT row_number() OVER (ORDER BY ns) AS id, ns FROM p WHERE cardinality(ns) = 7;
SELECT count(*), count(DISTINCT ns) FROM permutations;

-- Delivers events in an order, in batches of a size; each try is rolled back.
-- Twice: each order is followed by its reverse, so that duplicates stand in the
-- same batch and in later ones.
CREATE PROCEDURE try_orders(source regclass, twice boolean, sizes int[], every int)
LANGUAGE plpgsql AS $$
DECLARE
	events json[];
	delivered json[];
	size int;
	found text;
	truth text;
	tried bigint := 0;
	differ bigint := 0;
	miscounted bigint := 0;
	new bigint;
	p int[];
BEGIN
	EXECUTE format('SELECT array_agg(event ORDER BY n) FROM %s', source) INTO events;
	FOREACH size IN ARRAY sizes LOOP
		FOR p IN SELECT ns FROM permutations WHERE id % every = 0 LOOP
			SELECT array_agg(events[x.n] ORDER BY o) INTO delivered FROM unnest(p) WITH ORDINALITY AS x(n, o);
			IF twice THEN
				SELECT delivered || array_agg(e ORDER BY o DESC) INTO delivered FROM unnest(delivered) WITH ORDINALITY AS x(e, o);
			END IF;
			new := 0;
			FOR i IN 1..cardinality(delivered) BY size LOOP
				new := new + cdr_ingest_events(delivered[i:i + size - 1]);
			END LOOP;
			SELECT to_jsonb(c)::text INTO STRICT found FROM calls AS c;
			ROLLBACK;
			IF truth IS NULL THEN
				truth := found;
			END IF;
			tried := tried + 1;
			differ := differ + (found <> truth)::int;
			miscounted := miscounted + (new <> 7)::int;
		END LOOP;
	END LOOP;
	RAISE NOTICE '%: % orders tried, % differ, % miscounted', CASE WHEN twice THEN 'each twice' ELSE 'each once' END, tried, differ, miscounted;
	RAISE NOTICE '%', truth;
END $$;
CALL try_orders('seven', false, ARRAY[1, 2, 3, 4, 5, 6, 7], 1);
CALL try_orders('seven', true, ARRAY[1, 2, 3, 4, 5, 6, 7], 1);

-- and of events that contradict each other, every seventh order
CALL try_orders('ties', false, ARRAY[1, 2, 3, 7], 7);
CALL try_orders('ties', true, ARRAY[1, 4, 5], 7);
CALL try_orders('forks', false, ARRAY[1, 3, 7], 14);
CALL try_orders('forks', true, ARRAY[2], 28);

-- nothing of it stayed; and once more for good
SELECT count(*) FROM call_events;
SELECT cdr_ingest_events(array_agg(event)) FROM (SELECT event FROM seven UNION ALL SELECT event FROM ties UNION ALL SELECT event FROM forks) AS e;
SELECT call_id, caller_number, user_id, contact_id, tenant_id, hangup_cause, hangup_source, billable_seconds, event_count FROM calls ORDER BY call_id;
SELECT count(*) FROM cdr_verify_calls();

-- the comparison can fail: with one event tampered, an order differs from the first
CREATE TABLE tampered AS SELECT n, event FROM ties;
DELETE FROM call_events;
DELETE FROM calls;
DELETE FROM permutations WHERE id NOT IN (1, 5040);
CREATE FUNCTION drop_first() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	-- a log that loses the later of two starts, whichever that is
	RETURN CASE WHEN NEW.event_type = 'call.started' AND EXISTS (SELECT FROM public.call_events WHERE event_type = 'call.started') THEN NULL ELSE NEW END;
END $$;
CREATE TRIGGER drop_first BEFORE INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION drop_first();
CALL try_orders('tampered', false, ARRAY[1], 1);

DROP TABLE seven, ties, forks, tampered, permutations;
DROP PROCEDURE try_orders;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
DROP FUNCTION drop_first;
