-- Partitions of the log: by day, week or month of UTC, made ahead of need.
-- The interval is a setting of the server; this test changes and resets it.
CREATE EXTENSION cdr_service;
SET timezone = 'Asia/Kathmandu';
SET datestyle = 'ISO, YMD';
CREATE FUNCTION row_count(partition regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	result bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM %s', partition) INTO result;
	RETURN result;
END $$;
CREATE VIEW partitions AS
SELECT c.oid::regclass AS partition, pg_get_expr(relpartbound, c.oid) AS bound,
	   (SELECT string_agg(pg_get_indexdef(indexrelid), '; ' ORDER BY pg_get_indexdef(indexrelid) COLLATE "C") FROM pg_index WHERE indrelid = c.oid) AS index,
	   row_count(c.oid) AS rows
FROM pg_class AS c JOIN pg_inherits ON inhrelid = c.oid WHERE inhparent = 'call_events'::regclass
ORDER BY pg_get_expr(relpartbound, c.oid) COLLATE "C" DESC;
CREATE FUNCTION ev(n int, at text) RETURNS json LANGUAGE sql AS
$$ SELECT json_build_object('eventType', 'x', 'callId', 'c' || n % 3, 'n', n, 'timestamp', at) $$;

-- months: of UTC, whatever the session thinks
SET timezone = 'UTC';
SELECT partition, bound, rows FROM partitions;
SELECT cdr_create_partitions('2012-01-31 23:59:59.999999Z', '2012-02-01Z');
SELECT partition, bound, index FROM partitions;
-- again: there are none to make; and for what is between
SET timezone = 'Asia/Kathmandu';
SELECT cdr_create_partitions('2012-01-31 23:59:59.999999Z', '2012-02-01Z');
SELECT cdr_create_partitions('2012-01-01Z', '2012-02-28Z');
-- one stretch over the turn of the year, backwards in time
SELECT cdr_create_partitions('2011-11-15Z', '2012-01-15Z');
SET timezone = 'UTC';
SELECT partition, bound FROM partitions;

-- rows find their partition, by their time in UTC
SELECT cdr_ingest_events(ARRAY[ev(1, '2012-01-31T23:59:59.999999Z'), ev(2, '2012-02-01T00:00:00Z'), ev(3, '2012-02-01T02:59:59+03:00'),
	ev(4, '2012-05-05T05:05:05Z'), ev(5, '2012-05-31T23:59:59.9999994Z'), ev(6, '2012-05-31T23:59:59.9999996Z'), ev(7, '1999-01-01T00:00:00Z')]);
SELECT partition, rows FROM partitions;
-- rows of the default partition move into the one that is made for them, all of them and no others
SELECT cdr_create_partitions('2012-05-10Z', '2012-05-10Z');
SELECT partition, rows FROM partitions;
SELECT tableoid::regclass, payload ->> 'n' AS n, event_time, event_id = encode(substr(sha256('\xffffffff' || convert_to(payload::text, 'UTF8')), 1, 16), 'hex')::uuid AS same, received_at <= now() AS received
FROM call_events WHERE event_time > '2012-05-01' ORDER BY event_time;
-- and are known there: nothing twice
SELECT cdr_ingest_events(ARRAY[ev(1, '2012-01-31T23:59:59.999999Z'), ev(4, '2012-05-05T05:05:05Z'), ev(5, '2012-05-31T23:59:59.9999994Z'), ev(7, '1999-01-01T00:00:00Z')]);
-- also those without a time of their own, whose receipt the partition may come after
SELECT cdr_ingest_event(ev(8, 'no time'));
SELECT cdr_create_partitions(now(), now()) IN (0, 1) AS made;
SELECT count(*) FROM call_events_default WHERE event_time > '2012-06-02';
SELECT cdr_ingest_event(ev(8, 'no time'));

-- what is attached counts, whoever made it: the gap beside it is filled
CREATE TABLE mine PARTITION OF call_events FOR VALUES FROM ('2012-08-10Z') TO ('2012-08-20Z');
CREATE UNIQUE INDEX ON mine (call_id, event_id, event_time);
SELECT cdr_create_partitions('2012-08-15Z', '2012-08-15Z');
SELECT cdr_create_partitions('2012-08-01Z', '2012-08-31Z');
SELECT partition, bound FROM partitions WHERE bound LIKE '%2012-08%' ORDER BY bound;
-- also where a bound lies within a second
CREATE TABLE halved PARTITION OF call_events FOR VALUES FROM ('2012-11-01Z') TO ('2012-11-30 23:59:59.999Z');
SELECT cdr_create_partitions('2012-11-15Z', '2012-12-15Z');
SELECT partition, bound FROM partitions WHERE bound ~ '2012-1[12]' ORDER BY bound;
-- a name that is taken is not taken again
CREATE TABLE call_events_20121001 (x int);
SELECT cdr_create_partitions('2012-10-01Z', '2012-10-01Z');
SELECT partition FROM partitions WHERE bound LIKE '%2012-10%';
DROP TABLE call_events_20121001;

-- columns, defaults and constraints that a user gave the log
ALTER TABLE call_events ADD COLUMN region text NOT NULL DEFAULT 'eu' CHECK (region <> '');
SELECT cdr_ingest_event(ev(9, '2013-01-05T00:00:00Z'));
SELECT cdr_create_partitions('2013-01-01Z', '2013-01-01Z');
SELECT tableoid::regclass, region FROM call_events WHERE event_time >= '2013-01-01' AND event_time < '2013-02-01';
ALTER TABLE call_events DROP COLUMN region;
SELECT cdr_ingest_event(ev(10, '2013-02-05T00:00:00Z'));
SELECT cdr_create_partitions('2013-02-01Z', '2013-02-01Z');
SELECT tableoid::regclass, payload FROM call_events WHERE event_time >= '2013-02-01' AND event_time < '2013-03-01';

-- what refers to events is not deleted when they move
BEGIN;
SELECT cdr_ingest_event(ev(20, '2013-04-05T00:00:00Z'));
CREATE TABLE notes (call_id text COLLATE "C", event_id uuid, event_time timestamptz,
	CONSTRAINT noted FOREIGN KEY (call_id, event_id, event_time) REFERENCES call_events ON DELETE CASCADE);
INSERT INTO notes SELECT call_id, event_id, event_time FROM call_events WHERE event_time >= '2013-04-01' AND event_time < '2013-05-01';
SELECT cdr_create_partitions('2013-04-01Z', '2013-04-01Z');
ROLLBACK;
-- nor is a partition made where a trigger keeps the events, or takes them away
BEGIN;
SELECT cdr_ingest_event(ev(21, '2013-05-05T00:00:00Z'));
CREATE FUNCTION take_away() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() > 1 THEN
		RETURN OLD;
	END IF;
	DELETE FROM public.call_events WHERE event_id = OLD.event_id;
	RETURN NULL;
END $$;
CREATE TRIGGER take_away BEFORE DELETE ON call_events FOR EACH ROW EXECUTE FUNCTION take_away();
SELECT cdr_create_partitions('2013-05-01Z', '2013-05-01Z');
ROLLBACK;

-- the default partition is not read through, whether rows move or not
BEGIN;
SELECT cdr_ingest_event(ev(22, '2013-06-05T00:00:00Z'));
SELECT seq_scan AS before FROM pg_stat_xact_user_tables WHERE relname = 'call_events_default' \gset
SELECT cdr_create_partitions('2013-06-01Z', '2013-07-01Z');
SELECT seq_scan - :before AS scans FROM pg_stat_xact_user_tables WHERE relname = 'call_events_default';
SELECT tableoid::regclass FROM call_events WHERE event_time >= '2013-06-01' AND event_time < '2013-07-01';
-- and nothing is left of what spared that
SELECT count(*) FROM pg_constraint WHERE conrelid = 'call_events_default'::regclass AND contype = 'c';
ROLLBACK;

-- without a default partition there is nothing to move
BEGIN;
ALTER TABLE call_events DETACH PARTITION call_events_default;
SELECT cdr_create_partitions('2013-03-01Z', '2013-03-01Z');
ROLLBACK;

-- part of the caller's transaction
BEGIN;
SELECT cdr_create_partitions('2014-01-01Z', '2014-12-31Z');
ROLLBACK;
SELECT count(*) FROM partitions WHERE bound LIKE '%2014%';

-- years before the first, which an offset from UTC can make of an event's time
BEGIN;
SELECT cdr_create_partitions('0001-12-01 BC', '0001-12-31 BC');
ROLLBACK;

-- what is no stretch of time
SELECT cdr_create_partitions('2012-02-01', '2012-01-01');
SELECT cdr_create_partitions('-infinity', '2012-01-01');
SELECT cdr_create_partitions('2012-01-01', 'infinity');
SELECT cdr_create_partitions('1900-01-01', '2012-01-01');
SELECT cdr_create_partitions(NULL, '2012-01-01') IS NULL AS "null";

-- weeks, from Monday: what months there are stay, what overlaps is cut
SET cdr_service.partition_interval = 'week';
SELECT cdr_create_partitions('2012-02-26Z', '2012-03-07Z');
SELECT cdr_create_partitions('2012-04-24Z', '2012-04-30Z');
SELECT partition, bound FROM partitions WHERE bound ~ '\(''2012-0[1-5]' ORDER BY bound;
-- and days
SET cdr_service.partition_interval = 'day';
SELECT cdr_ingest_events(ARRAY[ev(11, '2012-03-13T00:00:00Z'), ev(12, '2012-03-13T23:59:59.999999Z'), ev(13, '2012-03-14T00:00:00Z')]);
SELECT cdr_create_partitions('2012-03-10Z', '2012-03-13Z');
SELECT partition, bound, rows FROM partitions WHERE bound ~ '\(''2012-03' ORDER BY bound;
SELECT cdr_create_partitions('2008-02-28Z', '2008-03-01Z');
SELECT partition, bound FROM partitions WHERE bound LIKE '%2008%' ORDER BY bound;
-- the stretch is limited by the interval
SELECT cdr_create_partitions('2020-01-01', '2023-01-01');
-- or none: somebody else makes them
SET cdr_service.partition_interval = 'none';
SELECT cdr_create_partitions('2021-01-01', '2021-01-01');
RESET cdr_service.partition_interval;

-- names that are taken by relations, types and domains are passed over
CREATE TYPE call_events_20220101 AS (x int);
CREATE DOMAIN call_events_20220101_2 AS int;
CREATE SEQUENCE call_events_20220101_3;
CREATE TABLE call_events_20220201 (x int);
CREATE INDEX call_events_20220301_pkey ON call_events_20220201 (x);
SELECT cdr_create_partitions('2022-01-01', '2022-03-01');
SELECT partition, index FROM partitions WHERE bound LIKE '%(''2022%' ORDER BY bound;
DROP TABLE call_events_20220201;
DROP TYPE call_events_20220101;
DROP DOMAIN call_events_20220101_2;
DROP SEQUENCE call_events_20220101_3;
-- the default partition is found under any name; another table of its name is not it
ALTER TABLE call_events_default RENAME TO rest;
CREATE TABLE call_events_default (LIKE call_events);
SELECT cdr_ingest_event(ev(14, '2022-04-05T00:00:00Z'));
SELECT cdr_create_partitions('2022-04-01', '2022-04-01');
SELECT tableoid::regclass FROM call_events WHERE event_time >= '2022-04-01' AND event_time < '2022-05-01';
DROP TABLE call_events_default;
ALTER TABLE rest RENAME TO call_events_default;

-- however the log is cut, the calls are the same
SELECT count(*) FROM cdr_verify_calls();
SELECT call_id, event_count FROM calls ORDER BY call_id;
-- a dump takes the partitions as tables of their own: they are no members
SELECT count(*) FROM pg_depend AS d JOIN pg_inherits ON inhrelid = objid WHERE classid = 'pg_class'::regclass AND deptype = 'e'
AND inhparent = 'call_events'::regclass AND objid <> 'call_events_default'::regclass;
DROP VIEW partitions;
DROP FUNCTION ev, row_count;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
