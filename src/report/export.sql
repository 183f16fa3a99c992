-- ---------------------------------------------------------------------------
-- Exports
-- ---------------------------------------------------------------------------

-- Neither STRICT nor with a subquery: so it becomes a part of the query that calls it.
CREATE FUNCTION @extschema@.cdr_local_time(moment timestamptz, zone text DEFAULT 'UTC')
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
	-- what no event has: dates of more or less than four digits, in any zone
	WHEN NOT pg_catalog.isfinite(moment) THEN moment::text
	WHEN moment < '0001-01-02 00:00Z' OR moment >= '9999-12-31 00:00Z'
	THEN pg_catalog.to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
		 || CASE WHEN moment < '0001-01-01 00:00Z' THEN ' BC' ELSE '' END
	ELSE pg_catalog.to_char(moment AT TIME ZONE zone, 'YYYY-MM-DD"T"HH24:MI:SS.US')
		 || CASE WHEN moment AT TIME ZONE zone < moment AT TIME ZONE 'UTC' THEN '-' ELSE '+' END
		 || pg_catalog.to_char(
				GREATEST((moment AT TIME ZONE zone) - (moment AT TIME ZONE 'UTC'),
						 (moment AT TIME ZONE 'UTC') - (moment AT TIME ZONE zone)),
				-- seconds are of local mean times, before there were zones
				-- (a decimal and an integer have no operator of PostgreSQL's own)
				CASE WHEN extract(second FROM (moment AT TIME ZONE zone) - (moment AT TIME ZONE 'UTC')) OPERATOR(pg_catalog.=) 0
					 THEN 'HH24:MI' ELSE 'HH24:MI:SS' END)
END;

COMMENT ON FUNCTION @extschema@.cdr_local_time(timestamptz, text) IS
'a time in a zone as ISO 8601 writes it, with microseconds and the offset';

-- What a spreadsheet may take for a formula, behind blanks, quotes and what cannot be
-- seen, too: so an apostrophe in front can be taken off again, knowing nothing else.
CREATE FUNCTION @extschema@.cdr_csv_safe(value text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN value ~ E'^([[:space:]\\u0001-\\u0020\\u007f-\\u00a0\\u00ad\\u034f\\u061c\\u115f\\u1160\\u1680\\u17b4\\u17b5\\u180b-\\u180f\\u2000-\\u200f\\u2028-\\u202f\\u205f-\\u206f\\u2800\\u3000\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffb\\U0001bca0-\\U0001bca3\\U0001d173-\\U0001d17a\\U000e0000-\\U000e0fff"''`\\u00b4\\u2018-\\u201f\\uff02\\uff07]*[-=+@\\u2212\\u02d7\\ufe62\\ufe63\\ufe66\\ufe6b\\uff0b\\uff0d\\uff1d\\uff20]|[\\t\\n\\r])'
			THEN '''' || value ELSE value END;

COMMENT ON FUNCTION @extschema@.cdr_csv_safe(text) IS
'a text that no spreadsheet takes for a formula: with an apostrophe in front, if it might';

CREATE FUNCTION @extschema@.cdr_export_calls(
	from_time timestamptz,
	to_time timestamptz,
	zone text DEFAULT 'UTC',
	tenant text DEFAULT NULL,
	for_spreadsheets boolean DEFAULT false,
	OUT call_id text,
	OUT status text,
	OUT disposition text,
	OUT direction text,
	OUT caller_number text,
	OUT callee_number text,
	OUT trunk text,
	OUT tenant_id text,
	OUT user_id text,
	OUT contact_id text,
	OUT attempt_time text,
	OUT start_time text,
	OUT ring_time text,
	OUT answer_time text,
	OUT end_time text,
	OUT duration_seconds text,
	OUT billable_seconds text,
	OUT talk_seconds text,
	OUT hangup_cause text,
	OUT hangup_source text,
	OUT sip_status text,
	OUT recording_url text,
	OUT anomalies text,
	OUT event_count text,
	OUT first_event_time text,
	OUT last_event_time text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
	-- where the extension is by now: schemas are renamed
	extension constant text := (SELECT extnamespace::regnamespace FROM pg_extension
								WHERE extname = 'cdr_service');
	-- a type that a column was given may have a function of this name, of whoever made it
	guard constant text := CASE WHEN for_spreadsheets THEN replace(extension, '%', '%%') || '.cdr_csv_safe(%s::text)'
								ELSE '%s::text' END;
BEGIN
	IF from_time IS NULL OR to_time IS NULL OR zone IS NULL OR for_spreadsheets IS NULL THEN
		RAISE null_value_not_allowed USING
			MESSAGE = 'from_time, to_time, zone and for_spreadsheets must not be null';
	END IF;
	IF to_time < from_time THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'to_time must not be earlier than from_time',
			DETAIL = 'What begins at to_time is not exported.';
	END IF;
	-- an error, if there is no such zone, though no call is exported
	EXECUTE format('SELECT %s.cdr_steps(timestamptz ''epoch'', timestamptz ''2000-01-01 UTC'', NULL::interval, $1)', extension) USING zone;
	EXECUTE format('SELECT %s.cdr_require_tables()', extension);
	RETURN QUERY EXECUTE format($query$
		SELECT %2$s, c.status::text, c.disposition::text, %3$s, %4$s, %5$s, %6$s, %7$s, %8$s,
			   c.contact_id::text,
			   %1$s.cdr_local_time(c.attempt_time::timestamptz, $3),
			   %1$s.cdr_local_time(c.start_time::timestamptz, $3),
			   %1$s.cdr_local_time(c.ring_time::timestamptz, $3),
			   %1$s.cdr_local_time(c.answer_time::timestamptz, $3),
			   %1$s.cdr_local_time(c.end_time::timestamptz, $3),
			   c.duration_seconds::text, c.billable_seconds::text,
			   CASE WHEN c.end_time >= c.answer_time AND c.answer_time > '-infinity' AND c.end_time < 'infinity'
					THEN extract(epoch FROM c.end_time - c.answer_time)::text END,
			   %9$s, %10$s, c.sip_status::text, %11$s, array_to_string(c.anomalies, ','),
			   c.event_count::text,
			   %1$s.cdr_local_time(c.first_event_time::timestamptz, $3),
			   %1$s.cdr_local_time(c.last_event_time::timestamptz, $3)
		FROM ONLY %1$s.calls AS c
		WHERE c.attempt_time >= $1 AND c.attempt_time < $2 AND ($4 IS NULL OR c.tenant_id = $4)
		ORDER BY c.attempt_time, c.call_id COLLATE "C"
		$query$, extension,
		format(guard, 'c.call_id'), format(guard, 'c.direction'), format(guard, 'c.caller_number'),
		format(guard, 'c.callee_number'), format(guard, 'c.trunk'), format(guard, 'c.tenant_id'),
		format(guard, 'c.user_id'), format(guard, 'c.hangup_cause'), format(guard, 'c.hangup_source'),
		format(guard, 'c.recording_url'))
	USING from_time, to_time, zone, tenant;
END
$function$;

COMMENT ON FUNCTION @extschema@.cdr_export_calls(timestamptz, timestamptz, text, text, boolean) IS
'the calls that were attempted in a time, of a tenant or of all, in the order of their attempts: each column as text, in an order that stays, for CSV and JSON';
