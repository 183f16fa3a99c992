-- The hour of retention comes once a day, in nights in which clocks change, too; where
-- that hour is left out, the next one is as good.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- Looks at the clock, over days in which it changes, in zones of every kind: by half an hour,
-- by two, at midnight, a whole day; with odd quarters of an hour; with none.
CREATE TEMP TABLE nights (zone text, change date);
INSERT INTO nights VALUES
	('UTC', '2025-03-30'), ('Europe/Istanbul', '2025-03-30'),
	('Europe/Berlin', '2025-03-30'), ('Europe/Berlin', '2025-10-26'),
	('America/New_York', '2025-03-09'), ('America/New_York', '2025-11-02'),
	('America/St_Johns', '2025-03-09'), ('America/St_Johns', '2025-11-02'),
	('Australia/Lord_Howe', '2025-04-06'), ('Australia/Lord_Howe', '2025-10-05'),
	('Pacific/Chatham', '2025-04-06'), ('Pacific/Chatham', '2025-09-28'),
	('Antarctica/Troll', '2025-03-30'), ('Antarctica/Troll', '2025-10-26'),
	('America/Sao_Paulo', '2018-02-18'), ('America/Sao_Paulo', '2018-11-04'),
	('Africa/Cairo', '2024-04-26'), ('Africa/Cairo', '2024-11-01'),
	('Asia/Kolkata', '2025-03-30'), ('Asia/Kathmandu', '2025-03-30'), ('Australia/Eucla', '2025-03-30'),
	('Asia/Kathmandu', '1986-01-01'), ('Asia/Pyongyang', '2015-08-15'), ('Asia/Pyongyang', '2018-05-05'),
	('Pacific/Apia', '2011-12-30'), ('Europe/Dublin', '2025-10-26');

CREATE TEMP TABLE looks AS
SELECT n.zone, n.change, l.step, array_agg(t.look ORDER BY t.look) AS looks
FROM nights AS n
CROSS JOIN (VALUES (interval '15 min'), (interval '25 min')) AS l(step)
CROSS JOIN LATERAL generate_series(n.change::timestamptz - interval '2 days', n.change::timestamptz + interval '3 days', l.step) AS t(look)
GROUP BY n.zone, n.change, l.step;

-- What is right, by dates and times of day: on each day the first look that is not before
-- that hour.  Of the first day, which has begun before, only if it comes in that hour.
CREATE TEMP VIEW compared AS
SELECT l.zone, l.change, l.step, h.hour, l.looks,
	   cdr_retention_times(h.hour, l.zone, l.looks) AS found,
	   (SELECT array_agg(d.look ORDER BY d.look)
		FROM (SELECT min(t.look) AS look
			  FROM (SELECT k.look, k.look AT TIME ZONE l.zone AS shown FROM unnest(l.looks) AS k(look)) AS t
			  WHERE extract(hour FROM t.shown) >= h.hour
			  GROUP BY t.shown::date) AS d
		WHERE d.look <> l.looks[1] OR extract(hour FROM d.look AT TIME ZONE l.zone) = h.hour) AS expected
FROM looks AS l CROSS JOIN unnest('{0,1,2,3,4,12,23}'::integer[]) AS h(hour);

SELECT count(*), count(DISTINCT zone) AS zones, min(cardinality(found)) AS least, max(cardinality(found)) AS most FROM compared;
-- (A day that a zone leaves out as a whole is made up for.)
SELECT zone, change, step, hour, found, expected FROM compared WHERE found IS DISTINCT FROM expected AND zone <> 'Pacific/Apia';

-- Never twice on a day, nor a day without; but for the one that Samoa has left out.
SELECT DISTINCT c.zone, d.day, count(*) FROM compared AS c
CROSS JOIN LATERAL (SELECT (f AT TIME ZONE c.zone)::date AS day FROM unnest(c.found) AS f) AS d
GROUP BY c.zone, c.change, c.step, c.hour, d.day HAVING count(*) > 1;
SELECT c.zone, d::date AS day FROM compared AS c
CROSS JOIN LATERAL generate_series(c.change - 1, c.change + 1, interval '1 day') AS d
WHERE NOT EXISTS (SELECT FROM unnest(c.found) AS f WHERE (f AT TIME ZONE c.zone)::date = d)
GROUP BY 1, 2;

-- In two nights, looked at
CREATE FUNCTION shown(hour integer, zone text, from_time timestamptz, to_time timestamptz, step interval) RETURNS SETOF text LANGUAGE sql AS
$$ SELECT t::text FROM unnest(cdr_retention_times(hour, zone, ARRAY(SELECT generate_series(from_time, to_time, step)))) AS t $$;
SELECT shown(2, 'Europe/Berlin', '2025-03-29T22:00Z', '2025-03-30T06:00Z', '1 min') AS forward;
SELECT shown(2, 'Europe/Berlin', '2025-10-25T22:00Z', '2025-10-26T06:00Z', '1 min') AS back;
SELECT shown(1, 'Australia/Lord_Howe', '2025-04-05T12:00Z', '2025-04-05T22:00Z', '1 min') AS half_an_hour_back;

-- What else may happen to a clock: a look long after another; a first look in the hour, and
-- after it; one that is set back over the hour, by minutes or by days; one that was far ahead.
CREATE FUNCTION due(VARIADIC looks timestamptz[]) RETURNS text LANGUAGE sql AS
$$ SELECT cdr_retention_times(3, 'Europe/Berlin', looks)::text $$;
SELECT due('2025-06-01T00:00Z', '2025-06-01T12:00Z') AS slept_through_it;
SELECT due('2025-06-01T00:00Z', '2025-06-05T12:00Z') AS slept_for_days;
SELECT due('2025-06-01T01:30Z', '2025-06-01T01:31Z') AS began_in_it;
SELECT due('2025-06-01T02:00Z', '2025-06-01T05:00Z', '2025-06-02T01:00Z') AS began_after_it;
SELECT due('2025-06-01T00:59Z', '2025-06-01T01:00Z', '2025-06-01T00:58Z', '2025-06-01T01:00Z', '2025-06-02T01:00Z') AS back_by_minutes;
SELECT due('2025-06-03T00:59Z', '2025-06-03T01:00Z', '2025-06-01T12:00Z', '2025-06-01T12:01Z', '2025-06-02T01:00Z', '2025-06-03T01:00Z') AS back_by_days;
SELECT due('2025-06-03T00:59Z', '2025-06-03T01:00Z', '2026-06-03T01:00Z', '2025-06-03T12:00Z', '2025-06-04T01:00Z', '2025-06-05T01:00Z') AS was_far_ahead;

-- What is no moment, no hour, no zone
SELECT due(NULL, 'infinity', '-infinity', '294276-12-31T01:00Z', '4713-01-01T01:00Z BC') AS ends_of_time;
SELECT cdr_retention_times(24, 'UTC', '{}');
SELECT cdr_retention_times(-1, 'UTC', '{}');
SELECT cdr_retention_times(3, 'Mars/Olympus', '{}');
SELECT cdr_retention_times(3, repeat('ü', 200), '{}');
SELECT cdr_retention_times(3, 'UTC', '{}'), cdr_retention_times(3, '<X>-5:45', ARRAY[timestamptz '2025-06-01T21:15Z', '2025-06-01T21:16Z']) AS of_no_name;
DROP EXTENSION cdr_service CASCADE;
