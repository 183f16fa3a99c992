CREATE FUNCTION @extschema@.cdr_call_history(
	call_id text,
	OUT event_time timestamptz,
	OUT elapsed interval,
	OUT event_type text,
	OUT description text,
	OUT received_at timestamptz,
	OUT payload json)
RETURNS SETOF record
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT e.event_time,
		   e.event_time - min(e.event_time) OVER (),
		   e.event_type,
		   CASE e.event_type
				WHEN 'call.started' THEN
					format('%s calls %s', COALESCE(c.caller_number, 'somebody'),
						   COALESCE(c.callee_number, 'somebody'))
				WHEN 'call.answered' THEN 'answered'
				WHEN 'call.ended' THEN
					format('ended: %s', COALESCE(e.payload ->> 'reason', 'no cause given'))
				WHEN 'call.recording.available' THEN
					format('recording: %s', COALESCE(e.payload ->> 'recordingUri',
						   e.payload ->> 'uri', e.payload ->> 'publicUrl', 'no place given'))
				WHEN 'user.identified.for_call' THEN
					format('user %s identified', COALESCE(e.payload ->> 'userId', 'not'))
				WHEN 'user.created.for_call' THEN
					format('user %s created', COALESCE(e.payload ->> 'userId', 'not'))
		   END,
		   e.received_at,
		   e.payload
	FROM @extschema@.call_events AS e
	LEFT JOIN @extschema@.calls AS c
		ON c.call_id OPERATOR(pg_catalog.=) e.call_id
	WHERE e.call_id OPERATOR(pg_catalog.=) cdr_call_history.call_id
	ORDER BY e.event_time, e.event_id
$$;

COMMENT ON FUNCTION @extschema@.cdr_call_history(text) IS
'the events of a call, as a person would read them';

