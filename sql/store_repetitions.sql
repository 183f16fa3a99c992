-- Events that come again, however many partitions there are: they change
-- nothing, and only the partition of their time is looked at.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET cdr_service.partition_interval = 'day';
CREATE FUNCTION ev(call text, n int, at text) RETURNS json LANGUAGE sql AS
$$ SELECT json_strip_nulls(json_build_object('eventType', 'call.answered', 'callId', call, 'n', n, 'timestamp', at)) $$;
CREATE FUNCTION locked_partitions() RETURNS bigint LANGUAGE sql AS
$$ SELECT count(DISTINCT relation) FROM pg_locks JOIN pg_inherits ON inhrelid = relation
   WHERE pid = pg_backend_pid() AND inhparent = 'call_events'::regclass $$;
SELECT cdr_create_partitions('2012-01-01', '2012-05-29');

-- with a time: in one partition, in many, in the default one
SELECT cdr_ingest_events(array_agg(ev('a' || i % 7, i, to_char(timestamptz '2012-02-01Z' + i * interval '1 minute', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')))) FROM generate_series(1, 100) i;
SELECT cdr_ingest_events(ARRAY[ev('b', 1, '2012-01-01T00:00:00Z'), ev('b', 2, '2012-05-29T23:59:59Z'), ev('b', 3, '1999-01-01T00:00:00Z'), ev('b', 4, '2040-01-01T00:00:00Z'), ev('', 5, '2012-03-03T03:03:03Z')]);
BEGIN;
SELECT cdr_ingest_events(array_agg(ev('a' || i % 7, i, to_char(timestamptz '2012-02-01Z' + i * interval '1 minute', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')))) FROM generate_series(1, 101) i;
-- (the default partition is always locked)
SELECT locked_partitions();
COMMIT;
BEGIN;
SELECT cdr_ingest_events(ARRAY[ev('b', 1, '2012-01-01T00:00:00Z'), ev('b', 2, '2012-05-29T23:59:59Z'), ev('b', 3, '1999-01-01T00:00:00Z'), ev('b', 4, '2040-01-01T00:00:00Z'), ev('', 5, '2012-03-03T03:03:03Z')]);
SELECT locked_partitions();
COMMIT;

-- without one: the first receipt counts, and is kept with the key
SELECT cdr_ingest_events(ARRAY[ev('c', 1, NULL), ev('', 2, NULL), ev('c', 3, 'no time')]);
SELECT count(*) FROM call_events AS e JOIN timeless_events AS k USING (call_id, event_id, event_time) WHERE time_source = 'r';
BEGIN;
SELECT cdr_ingest_events(ARRAY[ev('c', 1, NULL), ev('c', 4, NULL), ev('', 2, NULL), ev('c', 3, 'no time')]);
SELECT locked_partitions();
COMMIT;
SELECT count(*), count(DISTINCT event_time) FROM timeless_events;
-- an AMQP property is no time of its own either: it comes again with another
SELECT cdr_ingest_message('{"eventType": "x", "callId": "d"}', property_time => '2012-04-01Z') AS first,
	cdr_ingest_message('{"eventType": "x", "callId": "d"}', property_time => '2012-04-02Z') AS again,
	cdr_ingest_message('{"eventType": "x", "callId": "d"}') AS without;
SELECT event_time, time_source FROM call_events WHERE call_id = 'd';
-- a key whose event has gone costs nothing: the event is recorded, as of then
DELETE FROM call_events WHERE call_id = 'd';
DELETE FROM calls WHERE call_id = 'd';
SELECT cdr_ingest_message('{"eventType": "x", "callId": "d"}', property_time => '2012-04-03Z') AS first,
	cdr_ingest_message('{"eventType": "x", "callId": "d"}', property_time => '2012-04-04Z') AS again;
SELECT event_time, time_source FROM call_events WHERE call_id = 'd';
-- what keeps keys out is told
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER nothing BEFORE INSERT ON timeless_events FOR EACH ROW EXECUTE FUNCTION nothing();
SELECT cdr_ingest_event(ev('e', 1, NULL));
DROP TRIGGER nothing ON timeless_events;
SELECT cdr_ingest_event(ev('e', 1, NULL));
SELECT count(*) FROM cdr_verify_calls();

-- many at once are thought to be new, all of them, and are inserted as such in a
-- subtransaction: so their xmin is not that of the calls.  One that was recorded long ago,
-- which no memory of what came lately knows, has all of them stored the other way, and
-- those after it
\c
SET timezone = 'UTC';
CREATE FUNCTION many(which text, OUT stored bigint, OUT as_new bigint, OUT not_as_new bigint) LANGUAGE plpgsql AS $$
BEGIN
	stored := cdr_ingest_events(array_agg(ev(which || i, i, '2012-02-02T00:00:00Z'))) FROM generate_series(1, 60) AS i;
	SELECT count(*) FILTER (WHERE e.xmin <> c.xmin), count(*) FILTER (WHERE e.xmin = c.xmin) INTO as_new, not_as_new
	FROM call_events AS e JOIN calls AS c USING (call_id)
	WHERE call_id ~ ('^' || which || '[0-9]+$') AND c.xmin = pg_current_xact_id()::xid;
END $$;
SELECT * FROM many('m');
SELECT * FROM many('m');
INSERT INTO call_events (event_time, received_at, recorded_at, event_id, call_id, event_type, time_source, payload, salt)
SELECT '2012-02-02T00:00:00Z', '2012-02-02Z', '2012-02-02Z', encode(substr(sha256('\xffffffff' || convert_to(body::text, 'UTF8')), 1, 16), 'hex')::uuid,
	   'n30', 'call.answered', 'b', body, gen_random_uuid()
FROM ev('n30', 30, '2012-02-02T00:00:00Z') AS body;
SELECT count(*) FROM cdr_rebuild_calls('n30');
SELECT * FROM many('n');
SELECT event_count FROM calls WHERE call_id = 'n30';
SELECT * FROM many('o');
-- what is refused is refused, as it would be alone
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no %', NEW.call_id USING ERRCODE = 'check_violation'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON call_events FOR EACH ROW WHEN (NEW.call_id ~ '7$') EXECUTE FUNCTION refuse();
\set VERBOSITY terse
\c
SELECT count(*) FROM many('p');
\set VERBOSITY default
DROP TRIGGER refuse ON call_events;
-- what a trigger drops is not recorded, and all else is
CREATE TRIGGER nothing BEFORE INSERT ON call_events FOR EACH ROW WHEN (NEW.call_id ~ '7$') EXECUTE FUNCTION nothing();
SELECT * FROM many('q');
DROP TRIGGER nothing ON call_events;
-- a transaction has few such subtransactions
\c
BEGIN;
SELECT sum(x.stored) AS stored, sum(least(x.as_new, 1)) AS times FROM generate_series(1, 40) AS n, LATERAL (SELECT * FROM many('r' || n || '-')) AS x;
COMMIT;
SELECT count(*) FROM cdr_verify_calls();
DROP FUNCTION many, refuse;

-- rows of a batch are for the statement alone that is running, and not for what
-- that brings to life: such as a trigger that is there before the first row
SELECT * FROM cdr_rows(0) AS t(c1 text);
SELECT cdr_rows(0);
CREATE FUNCTION peep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM * FROM public.cdr_rows(0) AS t(c1 timestamptz);
	RETURN NULL;
END $$;
CREATE TRIGGER peep BEFORE INSERT ON call_events FOR EACH STATEMENT EXECUTE FUNCTION peep();
SELECT cdr_ingest_event(ev('f', 1, '2012-02-01Z'));
DROP TRIGGER peep ON call_events;
SELECT cdr_ingest_event(ev('f', 1, '2012-02-01Z'));

-- a producer that gives many events one id: what the log holds often is found once
SELECT count(*) FROM generate_series(0, 599) AS n, LATERAL (SELECT cdr_ingest_event(json_build_object(
	'specversion', '1.0', 'id', '1', 'source', 's', 'type', 'call.started', 'time', timestamptz '2012-03-08 20:00Z' + n * interval '1 s',
	'data', json_build_object('callId', 'one id')))) AS x;
SELECT format($$SELECT cdr_ingest_events(ARRAY[
	'{"specversion":"1.0","id":"1","source":"s","type":"call.started","time":"2012-03-08T20:00:%sZ","data":{"callId":"one id"}}',
	'{"specversion":"1.0","id":"n%s","source":"s","type":"call.started","time":"2012-03-08T20:15:%sZ","data":{"callId":"one id"}}']::json[])$$, n, n, n)
FROM generate_series(10, 15) AS n \gexec
SELECT count(DISTINCT event_id) FROM call_events WHERE call_id = 'one id';
SELECT count(*) FROM cdr_verify_calls();

-- without the keys nothing is stored; they are made again from the log
SET cdr_service.allow_drop = on;
DROP EXTENSION cdr_service;
CREATE TABLE keys AS SELECT * FROM timeless_events;
DROP TABLE timeless_events;
CREATE EXTENSION cdr_service;
(SELECT 'lost' AS which, * FROM keys EXCEPT SELECT 'lost', * FROM timeless_events) UNION ALL
(SELECT 'added', * FROM timeless_events EXCEPT SELECT 'added', * FROM keys);
SELECT cdr_ingest_event(ev('c', 1, NULL));
DROP EXTENSION cdr_service;
DROP TABLE keys;
-- they go with the log
DROP TABLE calls, call_events, dead_letters;
SELECT to_regclass('timeless_events') IS NULL AS gone;
DROP FUNCTION ev, locked_partitions, nothing, peep;
