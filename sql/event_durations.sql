-- Durations of a mapping that say their units, as Go prints them and CGRateS writes
-- them where no template makes a number of it.  What each is, PostgreSQL's intervals
-- say.
SET timezone = 'UTC';
CREATE EXTENSION cdr_service;
CREATE TABLE lengths (n int GENERATED ALWAYS AS IDENTITY, length text, is_as interval);
INSERT INTO lengths (length, is_as) VALUES
	('10s', '10 seconds'),
	('2m26.75s', '2 minutes 26.75 seconds'),
	('1h0m0s', '1 hour'),
	('26h3m4.000005s', '26 hours 3 minutes 4.000005 seconds'),
	('1.5h', '90 minutes'),
	('350ms', '350 milliseconds'),
	('1.5ms', '1500 microseconds'),
	('12us', '12 microseconds'),
	(U&'12\00B5s', '12 microseconds'),
	(U&'12\03BCs', '12 microseconds'),
	('1500ns', '2 microseconds'),
	('0s', '0'),
	('-1m30s', '-90 seconds'),
	(' 3m ', '3 minutes'),
	-- numbers are of the unit that the mapping says
	('10', '10 milliseconds'),
	-- these are none
	('10S', NULL), ('10 s', NULL), ('s', NULL), ('m5s', NULL), ('1h30', NULL),
	('1h-30m', NULL), ('--1s', NULL), ('1d', NULL), ('1s!', NULL), ('.5s', NULL),
	('00:00:10', NULL), ('1e400h', NULL), ('9223372036854775807h', NULL),
	('9000000000000000000us9000000000000000000us', NULL);
-- what plus and minus make of it
CREATE FUNCTION moved(length text, direction text) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(max(value) FILTER (WHERE register = 'ended' AND "column" = 'time'),
		max(note) FILTER (WHERE register = 'ended' AND "column" = 'time'))
	FROM cdr_explain_event(json_build_object('id', 'a', 'at', '2026-03-08T20:00:03Z', 'l', length),
		definition => json_build_object('event', json_build_object('type', 'id', 'call_id', 'id', 'time', 'at'),
			'call', json_build_array(json_build_object('set', 'ended', 'time',
				json_build_object('from', 'at', direction, json_build_object('from', 'l', 'as', 'ms'))))))
$$;
SELECT length, moved(length, 'plus') AS plus, moved(length, 'minus') AS minus
FROM lengths ORDER BY n;
-- each is what its interval says, or cannot be read
SELECT length, is_as FROM lengths
WHERE moved(length, 'plus') <> coalesce((timestamptz '2026-03-08 20:00:03Z' + is_as)::text, '"' || length || '" the duration cannot be read')
	OR moved(length, 'minus') <> coalesce((timestamptz '2026-03-08 20:00:03Z' - is_as)::text, '"' || length || '" the duration cannot be read');

-- a call of CGRateS, out of a file and live
INSERT INTO cdr_mappings (name, definition, enabled)
SELECT p, cdr_mapping_preset(p), p = 'cgrates' FROM unnest('{csv_cgrates,cgrates}'::text[]) AS p;
SELECT * FROM cdr_ingest_rows('csv_cgrates', ARRAY['{"OriginID": "file", "RunID": "*default", "ToR": "*voice",
	"SetupTime": "2026-03-08T20:00:00Z", "AnswerTime": "2026-03-08T20:00:03Z", "Usage": "2m26.75s"}']::json[]);
SELECT cdr_ingest_event('{"CGRID": "2478", "OriginID": "live", "RunID": "*default", "ToR": "*voice",
	"SetupTime": "2026-03-08T20:00:00Z", "AnswerTime": "2026-03-08T20:00:03Z", "Usage": "2m26.75s"}');
SELECT call_id, start_time, answer_time, end_time, billable_seconds, anomalies FROM calls ORDER BY call_id;
SELECT * FROM cdr_verify_calls();
SET client_min_messages = warning;
SET cdr_service.allow_drop = on;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters, timeless_events, lengths;
DROP FUNCTION moved;
