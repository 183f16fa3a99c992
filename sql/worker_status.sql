-- cdr_status() and its kin need the library preloaded, and say so with a hint
-- where it is not.  The output is the same in both cases.
CREATE EXTENSION cdr_service;
CREATE FUNCTION preloaded() RETURNS boolean LANGUAGE sql AS
$$ SELECT current_setting('shared_preload_libraries') ~ '\mcdr_service\M' $$;

-- a row for each worker, or one error with the way out of it
CREATE FUNCTION works_or_says_why(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE command;
	RETURN CASE WHEN preloaded() THEN 'as it should' ELSE 'works without a preloaded library?' END;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN CASE WHEN NOT preloaded() AND SQLERRM LIKE '%must be loaded via%shared_preload_libraries%'
		AND detail LIKE '%cdr_ingest_event() works%' AND hint LIKE 'Add cdr_service to shared_preload_libraries%restart%'
		THEN 'as it should' ELSE SQLERRM || ' / ' || detail || ' / ' || hint END;
END $$;
SELECT works_or_says_why('SELECT * FROM cdr_status()');
SELECT works_or_says_why('SELECT cdr_stats_reset()');
-- these would touch the service of a preloaded server
SELECT preloaded() OR works_or_says_why('SELECT cdr_pause()') = 'as it should' AS pause,
	   preloaded() OR works_or_says_why('SELECT cdr_resume()') = 'as it should' AS resume;

-- every row says what its worker does; what counts is not negative
CREATE FUNCTION odd_rows() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	IF NOT preloaded() THEN
		RETURN 0;
	END IF;
	RETURN (SELECT count(*) FROM cdr_status() WHERE state IS NULL OR worker < 0 OR LEAST(received, recorded, duplicates, dead_letters, batches, reconnects) < 0
			OR received IS NULL OR (last_error IS NULL) <> (last_error_time IS NULL) OR stats_reset IS NULL OR warning = '')
		+ abs((SELECT count(*) FROM cdr_status()) - current_setting('cdr_service.workers')::int);
END $$;
SELECT odd_rows();

-- what monitoring reads of it: all of it numbers, none of them missing
SELECT works_or_says_why('SELECT * FROM cdr_metrics_worker');
CREATE FUNCTION odd_metrics() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	IF NOT preloaded() THEN
		RETURN 0;
	END IF;
	RETURN (SELECT count(*) FROM cdr_metrics_worker AS m, jsonb_each(to_jsonb(m)) AS v
			WHERE CASE v.key WHEN 'queue' THEN jsonb_typeof(v.value) <> 'string' ELSE jsonb_typeof(v.value) <> 'number' OR v.value::text::numeric < 0 END)
		+ (SELECT count(*) FROM cdr_status() AS s FULL JOIN cdr_metrics_worker AS m USING (worker)
		   WHERE m.stats_reset IS DISTINCT FROM extract(epoch FROM s.stats_reset)::float8 OR m.reconnects > s.reconnects);
END $$;
SELECT odd_metrics();

-- and the rest works either way
SELECT cdr_ingest_event('{"eventType":"call.answered","callId":"x","timestamp":"2026-01-19T22:00:00Z"}');
SELECT status FROM calls;

DROP FUNCTION odd_metrics, odd_rows, works_or_says_why, preloaded;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
