-- Dead letters: what could not become an event, tried again or discarded.
-- The worker writes them; here they are put in by hand as it would.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

CREATE FUNCTION letter(body bytea, routing_key text DEFAULT NULL, property_time timestamptz DEFAULT NULL,
	sqlstate text DEFAULT 'P0001', message text DEFAULT 'refused', body_size bigint DEFAULT NULL) RETURNS boolean
LANGUAGE sql AS $$
	INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, routing_key, property_time, body_size, body)
	VALUES (encode(substr(sha256('\xffffffff' || body), 1, 16), 'hex')::uuid, '2026-01-20 00:00:00Z', '2026-01-20 00:00:00Z',
		sqlstate, message, routing_key, property_time, COALESCE(body_size, length(body)), body) RETURNING true
$$;
CREATE VIEW letters AS SELECT attempts, last_attempt_at > received_at AS "tried again", sqlstate, message, routing_key, body_size, left(encode(body, 'escape'), 40) AS body
	FROM dead_letters ORDER BY received_at, body;
SELECT cdr_retry_dead_letters() AS "of none";

-- what cannot become an event stays, with its reason and one attempt more
SELECT letter('not json', sqlstate => '22P02'), letter(''), letter('\xff'), letter('[]'), letter('{"callId":"xy",}'),
	   letter(convert_to('{"a":' || repeat('[', 200) || repeat(']', 200) || '}', 'UTF8')),
	   letter(convert_to('{"callId":"' || repeat('c', 256) || '"}', 'UTF8')),
	   letter('{"callId":"the start of a giant', body_size => 100000000);
SELECT cdr_retry_dead_letters();
SELECT * FROM letters;
SELECT cdr_retry_dead_letters();
SELECT attempts, count(*) FROM dead_letters GROUP BY attempts;
SELECT count(*) FROM call_events;

-- what can, becomes one: with the time and the type that its message had, and when it was received
SELECT letter('{"callId":"retried","eventType":"call.started","timestamp":"2026-01-19T22:00:00Z","from":"1001"}'),
	   letter('{"callId":"retried"}', routing_key => 'call.answered', property_time => '2026-01-19 22:00:02Z'),
	   letter('{"callId":"retried","eventType":"call.ended"}');
SELECT cdr_retry_dead_letters();
SELECT count(*) FROM dead_letters;
SELECT event_type, event_time, received_at, routing_key, payload, body,
	   event_id = encode(substr(sha256('\xffffffff' || convert_to(payload::text, 'UTF8')), 1, 16), 'hex')::uuid AS "same identity"
FROM call_events ORDER BY event_time;
SELECT status, start_time, answer_time, end_time, event_count FROM calls;

-- one that was recorded meanwhile leaves, and changes nothing
SELECT letter('{"callId":"retried","eventType":"call.started","timestamp":"2026-01-19T22:00:00Z","from":"1001"}'),
	   letter('{"callId":"retried","eventType":"call.ended"}');
SELECT cdr_retry_dead_letters();
SELECT count(*) FROM dead_letters;
SELECT event_count FROM calls;

-- only those named, and what is no dead letter is nothing
SELECT letter('{"callId":"a"}'), letter('{"callId":"b"}'), letter('{"callId":"c"}');
SELECT cdr_retry_dead_letters(ARRAY(SELECT event_id FROM dead_letters WHERE body IN ('{"callId":"a"}', '{"callId":"c"}', 'not json')) || gen_random_uuid());
SELECT attempts, body FROM letters WHERE body LIKE '%callId":"_"%' OR body = 'not json';
SELECT cdr_retry_dead_letters('{}');
SELECT cdr_retry_dead_letters(NULL);
SELECT count(*) FROM letters;

-- refused by a user's trigger: its neighbours are taken, it stays, with the trigger's words
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.call_id LIKE 'refused%' THEN
		RAISE 'call % is none of ours', NEW.call_id USING ERRCODE = 'CDR01';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION refuse();
SELECT count(letter(convert_to(format('{"callId":"%s %s","eventType":"call.answered","timestamp":"2026-01-21T00:00:%sZ"}',
	CASE WHEN n IN (1, 17, 18, 40) THEN 'refused' ELSE 'taken' END, n, to_char(n, 'FM00')), 'UTF8')))
FROM generate_series(1, 40) AS n;
SELECT cdr_retry_dead_letters();
SELECT attempts, sqlstate, message FROM letters WHERE sqlstate = 'CDR01' ORDER BY message;
SELECT count(*), sum(event_count) FROM calls WHERE call_id LIKE 'taken %';
SELECT count(*) FROM call_events WHERE call_id LIKE 'refused %';
-- for a SQL caller the same is an ERROR
\set VERBOSITY terse
SELECT cdr_ingest_event('{"callId":"refused 0","eventType":"call.answered"}');
\set VERBOSITY default
-- once the cause is gone they are taken in
DROP TRIGGER refuse ON call_events;
SELECT cdr_retry_dead_letters();
SELECT call_id, answer_time FROM calls WHERE call_id LIKE 'refused %' ORDER BY call_id;

-- refused by a constraint on calls: not in the log either
ALTER TABLE calls ADD CONSTRAINT known_cause CHECK (hangup_cause IN ('busy'));
SELECT letter('{"callId":"constraint","eventType":"call.ended","reason":"odd","timestamp":"2026-01-21T00:00:00Z"}'),
	   letter('{"callId":"constraint","eventType":"call.started","timestamp":"2026-01-20T00:00:00Z"}');
SELECT cdr_retry_dead_letters();
SELECT attempts, sqlstate, message FROM letters WHERE body LIKE '%constraint%';
SELECT status, event_count FROM calls WHERE call_id = 'constraint';
SELECT count(*) FROM call_events WHERE call_id = 'constraint';
ALTER TABLE calls DROP CONSTRAINT known_cause;
SELECT cdr_retry_dead_letters();
SELECT status, event_count, hangup_cause FROM calls WHERE call_id = 'constraint';

-- refused with an SQLSTATE for which a worker would wait: the letter alone stays, also where the table of letters refuses
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.call_id LIKE 'waits%' THEN
		RAISE 'call % is not wanted now', NEW.call_id USING ERRCODE = substr(NEW.call_id, 7);
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER wait BEFORE INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION wait();
SELECT count(letter(convert_to(format('{"callId":"waits %s","timestamp":"2026-01-21T00:00:00Z"}', state), 'UTF8')))
FROM unnest('{55000,40001,40P01,57014,57P03,25001,53100,08006,55P03,XX000}'::text[]) AS state;
SELECT count(letter(convert_to(format('{"callId":"goes %s","timestamp":"2026-01-21T00:00:00Z"}', n), 'UTF8'))) FROM generate_series(1, 20) AS n;
SELECT cdr_retry_dead_letters();
SELECT attempts, sqlstate, message FROM letters WHERE body LIKE '%waits%' ORDER BY sqlstate;
CREATE FUNCTION alert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF encode(OLD.body, 'escape') LIKE '%waits 55%' OR encode(OLD.body, 'escape') LIKE '%taken%' THEN
		RAISE 'no % today', TG_OP USING ERRCODE = '55000';
	END IF;
	RETURN CASE WHEN TG_OP = 'UPDATE' THEN NEW ELSE OLD END;
END $$;
CREATE TRIGGER alert BEFORE UPDATE OR DELETE ON dead_letters FOR EACH ROW EXECUTE FUNCTION alert();
SELECT letter('{"callId":"taken, but kept","timestamp":"2026-01-21T00:00:00Z"}'), letter('{"callId":"taken","timestamp":"2026-01-21T00:00:00Z"}'), letter('{"callId":"goes","timestamp":"2026-01-21T00:00:00Z"}');
SELECT cdr_retry_dead_letters();
SELECT attempts, body FROM letters WHERE body LIKE '%waits%' OR body LIKE '%taken%' OR body LIKE '%goes%' ORDER BY body;
SELECT call_id, event_count FROM calls WHERE call_id LIKE 'taken%,%' OR call_id IN ('taken', 'goes') ORDER BY call_id;
-- but who cancels is obeyed
ALTER TABLE call_events DISABLE TRIGGER wait;
CREATE FUNCTION endless() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN LOOP END LOOP; END $$;
CREATE TRIGGER endless BEFORE INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION endless();
SET statement_timeout = '200ms';
\set VERBOSITY terse
SELECT cdr_retry_dead_letters();
\set VERBOSITY default
RESET statement_timeout;
DROP TRIGGER endless ON call_events;
DROP TRIGGER wait ON call_events;
DROP TRIGGER alert ON dead_letters;
SELECT cdr_retry_dead_letters();
SELECT count(*) FROM letters WHERE body LIKE '%waits%' OR body LIKE '%taken%' OR body LIKE '%goes%';
DROP FUNCTION wait, alert, endless;

-- more than one statement's worth
SELECT count(letter(convert_to(format('{"callId":"many %s","timestamp":"2026-01-22T00:00:00Z","n":%s}', n % 7, n), 'UTF8'))) FROM generate_series(1, 1234) AS n;
SELECT cdr_retry_dead_letters();
SELECT call_id, event_count FROM calls WHERE call_id LIKE 'many %' ORDER BY call_id;

-- more bodies than are read at a time, which is 16 MB: none is passed over
SELECT count(letter(convert_to(format('{"callId":"large","timestamp":"2026-01-23T00:00:00Z","n":%s}', n) || repeat(' ', 1000000), 'UTF8'))) FROM generate_series(1, 40) AS n;
SELECT cdr_retry_dead_letters();
SELECT event_count FROM calls WHERE call_id = 'large';

-- without what may tell of persons
SELECT attempts, sqlstate, message, constraint_name, exchange, routing_key, content_type, property_time, body_size, event_id IN (SELECT event_id FROM dead_letters) AS known
FROM cdr_dead_letters() WHERE sqlstate IN ('22001', '54000') ORDER BY sqlstate;

-- attempts are counted as far as an integer goes
SELECT letter('never json');
UPDATE dead_letters SET attempts = 2147483647 WHERE body = 'never json';
SELECT cdr_retry_dead_letters();
SELECT attempts FROM dead_letters WHERE body = 'never json';
SELECT cdr_discard_dead_letters(ARRAY(SELECT event_id FROM dead_letters WHERE body = 'never json'));

-- a retry is part of the caller's transaction
SELECT letter('{"callId":"rolled back"}');
BEGIN;
SELECT cdr_retry_dead_letters(ARRAY(SELECT event_id FROM dead_letters WHERE body = '{"callId":"rolled back"}'));
ROLLBACK;
SELECT count(*) FROM letters WHERE body = '{"callId":"rolled back"}';
SELECT count(*) FROM calls WHERE call_id = 'rolled back';

-- words of a body stand where they only read them who may read bodies
SELECT letter('{"callId": 905325550135x}');
SELECT cdr_retry_dead_letters(ARRAY(SELECT event_id FROM dead_letters WHERE encode(body, 'escape') LIKE '%905325550135%'));
SELECT message, detail FROM dead_letters WHERE encode(body, 'escape') LIKE '%905325550135%';
SELECT count(*) FROM cdr_dead_letters() AS l WHERE l::text LIKE '%905325550135%';
SELECT cdr_discard_dead_letters(ARRAY(SELECT event_id FROM dead_letters WHERE encode(body, 'escape') LIKE '%905325550135%'));

-- discard: only those named, and only once
SELECT count(*) FROM dead_letters;
SELECT cdr_discard_dead_letters(ARRAY(SELECT event_id FROM dead_letters WHERE body IN ('not json', '[]', '')) || gen_random_uuid());
SELECT cdr_discard_dead_letters(ARRAY(SELECT event_id FROM dead_letters WHERE body IN ('not json', '[]', '')));
SELECT cdr_discard_dead_letters(NULL) IS NULL AS "null";
SELECT cdr_discard_dead_letters(array_agg(event_id)) FROM dead_letters;
SELECT count(*) FROM dead_letters;

-- a table that inherits is another table, and may hold what this one does not
CREATE TABLE heir () INHERITS (dead_letters);
DO $$
BEGIN
	ALTER TABLE heir ALTER body DROP NOT NULL;
	INSERT INTO heir (event_id, received_at, last_attempt_at, sqlstate, message, body_size) VALUES (gen_random_uuid(), now(), now(), '22P02', 'x', 1);
EXCEPTION WHEN OTHERS THEN
	RETURN; -- PostgreSQL 18 refuses
END $$;
SELECT cdr_retry_dead_letters();
SELECT cdr_discard_dead_letters(ARRAY(SELECT event_id FROM heir));
DROP TABLE heir;

SELECT count(*) FROM cdr_verify_calls();
DROP VIEW letters;
DROP FUNCTION letter, refuse;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
