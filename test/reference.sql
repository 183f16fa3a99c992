--
-- The calls as they should be, computed from call_events by plain SQL.
--
-- This knows the rules of the merge and nothing of the code that carries it
-- out: it reads the payloads, not the columns that the extension made of them
-- (an event's identity, and the time of an event that carries none, excepted).
-- Plain SQL does not read Protobuf: what such a body says is what the test that
-- sent it says it does, in the table said, which is to be filled before anybody
-- asks.  A body that is missing there makes no call.  Numbers are read by regular expressions that cover the forms which the tests
-- use, not every form of RFC 3261.
--
-- Everything is made in pg_temp: run it in the session that then asks for
-- differing_calls, which has no rows.
--

CREATE OR REPLACE FUNCTION pg_temp.reference_number(uri text)
RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
	SELECT CASE
			WHEN account IN ('anonymous', 'restricted', 'unavailable',
							 'private', 'withheld', 'unknown')
				OR host = 'anonymous.invalid' THEN 'anonymous'
			WHEN account = '' THEN NULL
			WHEN digits ~ '^\+?[0-9*#]+$' THEN digits
			WHEN address ~* '^sips?:' AND host IS NULL THEN NULL
			ELSE account
		   END
	FROM regexp_replace(uri, '^.*<([^>]*)>.*$', '\1') AS address,
		 regexp_replace(address, '^(sips?|tel):', '', 'i') AS rest,
		 regexp_replace(rest, '[:;?@].*$', '') AS account,
		 regexp_replace(account, '[-.() ]', '', 'g') AS digits,
		 substring(rest FROM '@([^;:]*)') AS host
$$;

-- Six digits is the longest extension, by default.
CREATE OR REPLACE FUNCTION pg_temp.reference_direction(caller text, callee text)
RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
	SELECT CASE
			WHEN caller = 'anonymous' OR caller ~ '^\+[0-9*#]+$|^[0-9*#]{7,}$'
				THEN 'inbound'
			WHEN caller IS NULL OR caller !~ '^[0-9*#]{1,6}$' THEN NULL
			WHEN callee = 'anonymous' OR callee ~ '^\+[0-9*#]+$|^[0-9*#]{7,}$'
				THEN 'outbound'
			WHEN callee ~ '^[0-9*#]{1,6}$' THEN 'internal'
		   END
$$;

CREATE TEMP TABLE said (body bytea PRIMARY KEY, event json NOT NULL);

-- The fields of every event, whichever form it has.
CREATE OR REPLACE TEMP VIEW reference_events AS
SELECT event_id,
	   COALESCE(payload ->> 'callId', '') AS call_id,
	   COALESCE(NULLIF(payload ->> 'eventType', ''), routing_key) AS type,
	   CASE WHEN payload ->> 'timestamp' ~ '^\d{4}-\d\d-\d\dT'
			 AND payload ->> 'timestamp' <> '0001-01-01T00:00:00Z'
			THEN (payload ->> 'timestamp')::timestamptz
			ELSE event_time
	   END AS time,
	   pg_temp.reference_number(COALESCE(
			NULLIF(payload ->> 'fromUri', ''),
			NULLIF(payload ->> 'from', ''))) AS caller,
	   pg_temp.reference_number(COALESCE(
			NULLIF(payload ->> 'toUri', ''),
			NULLIF(payload ->> 'to', ''))) AS callee,
	   NULLIF(payload ->> 'direction', '') AS direction,
	   COALESCE(
			NULLIF(payload ->> 'tenantId', ''),
			NULLIF(payload #>> '{dialplanResolution,matchedUser,tenantId}', ''),
			NULLIF(payload #>> '{dialplan,matched_user,tenant_id}', ''),
			NULLIF(payload #>> '{dialplanResolution,tenantId}', ''),
			NULLIF(payload #>> '{dialplan,tenant_id}', '')) AS tenant_id,
	   NULLIF(payload ->> 'userId', '') AS user_id,
	   payload ->> 'contactId' AS contact_id,
	   COALESCE(
			NULLIF(payload #>> '{dialplanResolution,matchedUser,id}', ''),
			NULLIF(payload #>> '{dialplan,matched_user,id}', '')) AS matched_user,
	   COALESCE(
			NULLIF(payload #>> '{dialplanResolution,matchedContact,id}', ''),
			NULLIF(payload #>> '{dialplan,matched_contact,id}', '')) AS matched_contact,
	   NULLIF(payload ->> 'reason', '') AS cause,
	   NULLIF(payload ->> 'hangupSource', '') AS source,
	   COALESCE(
			NULLIF(payload ->> 'recordingUri', ''),
			NULLIF(payload ->> 'uri', ''),
			NULLIF(payload ->> 'publicUrl', '')) AS recording
FROM (SELECT e.event_id, e.routing_key, e.event_time,
			 COALESCE(e.payload, s.event) AS payload
	  FROM call_events AS e LEFT JOIN said AS s USING (body)) AS e;

CREATE OR REPLACE FUNCTION pg_temp.reference_contact(id text)
RETURNS bigint
LANGUAGE sql IMMUTABLE
AS $$
	SELECT CASE WHEN id ~ '^-?[0-9]{1,18}$' THEN NULLIF(id::bigint, 0) END
$$;

CREATE OR REPLACE TEMP VIEW reference_calls AS
WITH called AS (
	SELECT call_id,
		   count(*) AS event_count,
		   min(time) AS first_event_time,
		   max(time) AS last_event_time,
		   -- nobody says that a web session was answered
		   min(time) FILTER (WHERE type = 'call.answered'
							 OR (type = 'call.started'
								 AND callee = 'ai-pipeline')) AS answer_time
	FROM reference_events
	WHERE call_id <> ''
	GROUP BY call_id),
started AS (
	SELECT DISTINCT ON (call_id) *
	FROM reference_events
	WHERE type = 'call.started'
	ORDER BY call_id, time, event_id),
ended AS (
	SELECT DISTINCT ON (call_id) *
	FROM reference_events
	WHERE type = 'call.ended'
	ORDER BY call_id, time, event_id),
identified AS (
	SELECT DISTINCT ON (call_id) *
	FROM reference_events
	WHERE type IN ('user.identified.for_call', 'user.created.for_call')
	ORDER BY call_id, time DESC, event_id DESC),
recorded AS (
	SELECT DISTINCT ON (call_id) *
	FROM reference_events
	WHERE type = 'call.recording.available'
	ORDER BY call_id, time DESC, event_id DESC)
SELECT c.call_id,
	   CASE WHEN e.time IS NOT NULL THEN 'COMPLETED'
			WHEN c.answer_time IS NOT NULL THEN 'ANSWERED'
			WHEN s.time IS NOT NULL THEN 'STARTED'
			ELSE 'IDENTIFIED'
	   END AS status,
	   CASE WHEN e.time IS NULL THEN NULL
			WHEN c.answer_time IS NOT NULL THEN 'ANSWERED'
			WHEN e.cause IN ('normal_clearing', 'normal_clearing_by_user')
				THEN 'ANSWERED'
			WHEN e.cause IN ('busy', 'user_busy') THEN 'BUSY'
			WHEN e.cause IN ('failure', 'network_failure') THEN 'FAILED'
			WHEN e.cause IN ('cancelled', 'terminated_by_request',
							 'system_terminated', 'workflow_hangup')
				THEN 'CANCELED'
			ELSE 'NO_ANSWER'
	   END AS disposition,
	   COALESCE(s.direction, pg_temp.reference_direction(s.caller, s.callee))
			AS direction,
	   s.caller AS caller_number,
	   s.callee AS callee_number,
	   s.time AS start_time,
	   c.answer_time,
	   e.time AS end_time,
	   CASE WHEN s.time IS NULL OR e.time IS NULL THEN NULL
			ELSE GREATEST(floor(extract(epoch FROM e.time - s.time)), 0)
	   END::bigint AS duration_seconds,
	   CASE WHEN e.time IS NULL THEN NULL
			WHEN c.answer_time IS NULL THEN 0
			ELSE GREATEST(floor(extract(epoch FROM e.time - c.answer_time)), 0)
	   END::bigint AS billable_seconds,
	   e.cause AS hangup_cause,
	   COALESCE(e.source,
			CASE WHEN e.cause IN ('normal_clearing_by_user', 'busy', 'user_busy')
					THEN 'user'
				 WHEN e.cause IN ('terminated_by_request', 'system_terminated',
								  'workflow_hangup') THEN 'system'
				 WHEN e.cause = 'network_failure' THEN 'network'
			END) AS hangup_source,
	   COALESCE(i.tenant_id, s.tenant_id) AS tenant_id,
	   CASE WHEN i.call_id IS NOT NULL THEN i.user_id
			ELSE s.matched_user
	   END AS user_id,
	   pg_temp.reference_contact(
			CASE WHEN i.call_id IS NOT NULL THEN i.contact_id
				 ELSE s.matched_contact
			END) AS contact_id,
	   r.recording AS recording_url,
	   c.event_count,
	   c.first_event_time,
	   c.last_event_time
FROM called AS c
LEFT JOIN started AS s USING (call_id)
LEFT JOIN ended AS e USING (call_id)
LEFT JOIN identified AS i USING (call_id)
LEFT JOIN recorded AS r USING (call_id);

-- What calls says, too much or too little, beside the reference.
CREATE OR REPLACE TEMP VIEW differing_calls AS
WITH stored AS (
	SELECT call_id, status, disposition, direction, caller_number,
		   callee_number, start_time, answer_time, end_time, duration_seconds,
		   billable_seconds, hangup_cause, hangup_source, tenant_id, user_id,
		   contact_id, recording_url, event_count, first_event_time,
		   last_event_time
	FROM calls)
SELECT d.call_id, 'stored' AS which, to_jsonb(d) AS call
FROM (SELECT * FROM stored EXCEPT SELECT * FROM reference_calls) AS d
UNION ALL
SELECT d.call_id, 'expected', to_jsonb(d)
FROM (SELECT * FROM reference_calls EXCEPT SELECT * FROM stored) AS d;
