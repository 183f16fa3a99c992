CREATE FUNCTION @extschema@.cdr_event_json(body bytea, event_type text DEFAULT NULL)
RETURNS json
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_event_json';

COMMENT ON FUNCTION @extschema@.cdr_event_json(bytea, text) IS
'the body of an event in Protobuf as JSON, for people; NULL if it is no Protobuf';

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
					format('ended: %s', COALESCE(said.reason, 'no cause given'))
				WHEN 'call.recording.available' THEN
					format('recording: %s', COALESCE(said.recording, 'no place given'))
				WHEN 'user.identified.for_call' THEN
					format('user %s identified', COALESCE(said.user_id, 'not'))
				WHEN 'user.created.for_call' THEN
					format('user %s created', COALESCE(said.user_id, 'not'))
		   END,
		   e.received_at,
		   shown.event
	FROM @extschema@.call_events AS e
	LEFT JOIN @extschema@.calls AS c
		ON c.call_id OPERATOR(pg_catalog.=) e.call_id,
	-- OFFSET 0: computed once, and not wherever it is named
	LATERAL (SELECT COALESCE(e.payload, @extschema@.cdr_event_json(e.body, e.event_type)) OFFSET 0)
		AS shown(event),
	-- a GenericEvent says what it says in its payload_json
	LATERAL (SELECT CASE WHEN e.payload IS NULL
							  AND json_typeof(shown.event -> 'payloadJson') OPERATOR(pg_catalog.=) 'object'
						 THEN shown.event -> 'payloadJson' ELSE shown.event END)
		AS inner_event(event),
	-- an empty string says nothing
	LATERAL (SELECT NULLIF(inner_event.event ->> 'reason', ''),
					COALESCE(NULLIF(inner_event.event ->> 'recordingUri', ''),
							 NULLIF(inner_event.event ->> 'uri', ''),
							 NULLIF(inner_event.event ->> 'publicUrl', '')),
					COALESCE(NULLIF(inner_event.event ->> 'userId', ''),
							 NULLIF(inner_event.event -> 'user' ->> 'id', '')))
		AS said(reason, recording, user_id)
	WHERE e.call_id OPERATOR(pg_catalog.=) cdr_call_history.call_id
	ORDER BY e.event_time, e.event_id
$$;

COMMENT ON FUNCTION @extschema@.cdr_call_history(text) IS
'the events of a call, as a person would read them';

