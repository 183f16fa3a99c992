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

-- The parts below have no statistics, and each is joined to all others.
SET enable_nestloop = off;

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

CREATE OR REPLACE FUNCTION pg_temp.reference_sip_status(status text)
RETURNS integer
LANGUAGE sql IMMUTABLE
AS $$
	SELECT CASE WHEN status ~ '^[2-6][0-9][0-9]$' THEN status::integer END
$$;

-- What the causes that the tests use say: how a call went that nobody answered,
-- and whether they end no more than one attempt of several.
CREATE TEMP TABLE reference_causes (
	name text PRIMARY KEY, disposition text NOT NULL, of_branch boolean NOT NULL);
INSERT INTO reference_causes VALUES
	('normal_clearing', 'ANSWERED', false),
	('normal_clearing_by_user', 'ANSWERED', false),
	('client_disconnected', 'ANSWERED', false),
	('terminated_by_request', 'CANCELED', false),
	('system_terminated', 'CANCELED', false),
	('workflow_hangup', 'CANCELED', false),
	('cancelled', 'CANCELED', true),
	('canceled', 'CANCELED', true),
	('busy', 'BUSY', true),
	('user_busy', 'BUSY', true),
	('no_answer', 'NO_ANSWER', true),
	('failure', 'FAILED', true),
	('network_failure', 'FAILED', true);

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
	   -- a time of receipt is a guess: any other goes before it
	   CASE WHEN time_source = 'r' THEN 2 ELSE 0 END AS rank,
	   pg_temp.reference_number(COALESCE(
			NULLIF(payload ->> 'fromUri', ''),
			NULLIF(payload ->> 'from', ''))) AS caller,
	   pg_temp.reference_number(COALESCE(
			NULLIF(payload ->> 'toUri', ''),
			NULLIF(payload ->> 'to', ''))) AS callee,
	   NULLIF(payload ->> 'direction', '') AS direction,
	   NULLIF(payload ->> 'trunk', '') AS trunk,
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
	   pg_temp.reference_sip_status(payload ->> 'sipStatus') AS sip_status,
	   COALESCE(
			NULLIF(payload ->> 'recordingUri', ''),
			NULLIF(payload ->> 'uri', ''),
			NULLIF(payload ->> 'publicUrl', '')) AS recording
FROM (SELECT e.event_id, e.routing_key, e.event_time, e.time_source,
			 COALESCE(e.payload, s.event) AS payload
	  FROM call_events AS e LEFT JOIN said AS s USING (body)) AS e;

CREATE OR REPLACE FUNCTION pg_temp.reference_contact(id text)
RETURNS bigint
LANGUAGE sql IMMUTABLE
AS $$
	SELECT CASE WHEN id ~ '^-?[0-9]{1,18}$' THEN NULLIF(id::bigint, 0) END
$$;

-- The calls of these.  Each part is worked out once.
CREATE OR REPLACE TEMP VIEW reference_calls AS
WITH reference_events AS MATERIALIZED (SELECT * FROM pg_temp.reference_events),
-- Of each kind of event the one that counts: of the lowest rank, of these the
-- earliest or the latest, of these the one of the smallest or the greatest id.
reference_starts AS MATERIALIZED (
SELECT DISTINCT ON (call_id) *
FROM reference_events
WHERE type = 'call.started'
ORDER BY call_id, rank, time, event_id),

reference_last_starts AS MATERIALIZED (
SELECT DISTINCT ON (call_id) *
FROM reference_events
WHERE type = 'call.started'
ORDER BY call_id, rank, time DESC, event_id DESC),

reference_rings AS MATERIALIZED (
SELECT DISTINCT ON (call_id) *
FROM reference_events
WHERE type = 'call.ringing'
ORDER BY call_id, rank, time, event_id),

-- nobody says that a web session was answered
reference_answers AS MATERIALIZED (
SELECT DISTINCT ON (call_id) *
FROM reference_events
WHERE type = 'call.answered' OR (type = 'call.started' AND callee = 'ai-pipeline')
ORDER BY call_id, rank, time, event_id),

reference_ends AS MATERIALIZED (
SELECT e.*, c.disposition, COALESCE(c.of_branch, false) AS of_branch
FROM reference_events AS e
LEFT JOIN reference_causes AS c
	ON c.name = translate(lower(e.cause), '- ', '__')
WHERE e.type = 'call.ended'),

reference_first_ends AS MATERIALIZED (
SELECT DISTINCT ON (call_id) *
FROM reference_ends
WHERE NOT of_branch
ORDER BY call_id, rank, time, event_id),

reference_last_ends AS MATERIALIZED (
SELECT DISTINCT ON (call_id) *
FROM reference_ends
WHERE NOT of_branch
ORDER BY call_id, rank, time DESC, event_id DESC),

reference_branch_ends AS MATERIALIZED (
SELECT DISTINCT ON (call_id) *
FROM reference_ends
WHERE of_branch
ORDER BY call_id, rank, time DESC, event_id DESC),

-- The ends that may be the call's, in the order in which they are taken; one of
-- which only the receipt is known, after all others.
reference_call_ends AS MATERIALIZED (
SELECT DISTINCT ON (call_id) e.*
FROM (SELECT 1 AS place, e.*
	  FROM reference_first_ends AS e JOIN reference_answers AS a USING (call_id)
	  WHERE a.rank = 2 OR e.time >= a.time
	  UNION ALL
	  SELECT 2, e.*
	  FROM reference_last_ends AS e JOIN reference_answers AS a USING (call_id)
	  WHERE a.rank < 2 AND e.time >= a.time
	  UNION ALL
	  SELECT 3, e.*
	  FROM reference_branch_ends AS e JOIN reference_answers AS a USING (call_id)
	  WHERE a.rank = 2 OR e.time >= a.time + interval '10 s'
	  UNION ALL
	  SELECT 4, e.*
	  FROM reference_last_ends AS e JOIN reference_answers AS a USING (call_id)
	  WHERE a.rank < 2 AND e.time >= a.time - interval '10 s'
	  UNION ALL
	  SELECT 5, e.*
	  FROM reference_branch_ends AS e
	  WHERE e.call_id NOT IN (SELECT call_id FROM reference_answers)
	  UNION ALL
	  SELECT 6, e.*
	  FROM reference_first_ends AS e
	  WHERE e.call_id NOT IN (SELECT call_id FROM reference_answers)) AS e
ORDER BY call_id, rank = 2, place),

reference_identifications AS MATERIALIZED (
SELECT DISTINCT ON (call_id) *
FROM reference_events
WHERE type IN ('user.identified.for_call', 'user.created.for_call')
ORDER BY call_id, rank, time DESC, event_id DESC),

reference_recordings AS MATERIALIZED (
SELECT DISTINCT ON (call_id) *
FROM reference_events
WHERE type = 'call.recording.available'
ORDER BY call_id, rank, time DESC, event_id DESC),

reference_anomalies AS MATERIALIZED (
SELECT c.call_id,
	   array_remove(ARRAY[
			CASE WHEN l.rank < 2 AND l.time > s.time
				  AND (l.time >= f.time + interval '1 s'
					   OR l.time > s.time + interval '1 h') THEN 'reused' END,
			CASE WHEN (a.rank < 2 AND s.rank < 2
					   AND a.time < s.time - interval '1 s')
				   OR (e.rank < 2 AND s.rank < 2
					   AND e.time < s.time - interval '1 s')
				   OR (e.rank < 2 AND a.rank < 2
					   AND e.time < a.time - interval '1 s') THEN 'clock' END,
			CASE WHEN 2 IN (s.rank, r.rank, a.rank)
				   OR (e.rank = 2 AND e.cause IS DISTINCT FROM 'closed')
				 THEN 'untimed' END,
			CASE WHEN s.call_id IS NULL
				  AND (a.call_id IS NOT NULL OR e.call_id IS NOT NULL)
				 THEN 'no start' END,
			CASE WHEN a.call_id IS NULL AND e.disposition = 'ANSWERED'
				 THEN 'no answer' END,
			CASE WHEN e.rank = 2 AND e.cause = 'closed' THEN 'closed' END],
			NULL) AS anomalies
FROM (SELECT DISTINCT call_id FROM reference_events WHERE call_id <> '') AS c
LEFT JOIN reference_starts AS s USING (call_id)
LEFT JOIN reference_last_starts AS l USING (call_id)
LEFT JOIN reference_rings AS r USING (call_id)
LEFT JOIN reference_answers AS a USING (call_id)
LEFT JOIN reference_first_ends AS f USING (call_id)
LEFT JOIN reference_call_ends AS e USING (call_id)),
called AS (
	SELECT call_id,
		   count(*) AS event_count,
		   min(time) AS first_event_time,
		   max(time) AS last_event_time
	FROM reference_events
	WHERE call_id <> ''
	GROUP BY call_id),
disposed AS (
	SELECT call_id,
		   CASE WHEN a.rank < 2 OR (a.rank = 2 AND NOT e.of_branch) THEN 'ANSWERED'
				ELSE COALESCE(e.disposition, 'NO_ANSWER')
		   END AS disposition
	FROM reference_call_ends AS e
	LEFT JOIN reference_answers AS a USING (call_id))
SELECT c.call_id,
	   CASE WHEN e.call_id IS NOT NULL THEN 'COMPLETED'
			WHEN a.call_id IS NOT NULL THEN 'ANSWERED'
			WHEN g.call_id IS NOT NULL THEN 'RINGING'
			WHEN s.call_id IS NOT NULL THEN 'STARTED'
			WHEN i.call_id IS NOT NULL THEN 'IDENTIFIED'
			ELSE 'UNKNOWN'
	   END AS status,
	   d.disposition,
	   COALESCE(s.direction, pg_temp.reference_direction(s.caller, s.callee))
			AS direction,
	   s.caller AS caller_number,
	   s.callee AS callee_number,
	   s.trunk,
	   s.time AS start_time,
	   g.time AS ring_time,
	   a.time AS answer_time,
	   e.time AS end_time,
	   CASE WHEN s.time IS NULL OR e.time IS NULL THEN NULL
			ELSE GREATEST(floor(extract(epoch FROM e.time - s.time)), 0)
	   END::bigint AS duration_seconds,
	   CASE WHEN e.time IS NULL THEN NULL
			WHEN a.time IS NULL OR d.disposition <> 'ANSWERED' THEN 0
			ELSE GREATEST(floor(extract(epoch FROM e.time - a.time)), 0)
	   END::bigint AS billable_seconds,
	   e.cause AS hangup_cause,
	   COALESCE(e.source,
			CASE WHEN e.cause IN ('normal_clearing_by_user', 'busy', 'user_busy')
					THEN 'user'
				 WHEN e.cause IN ('terminated_by_request', 'system_terminated',
								  'workflow_hangup') THEN 'system'
				 WHEN e.cause = 'network_failure' THEN 'network'
			END) AS hangup_source,
	   e.sip_status,
	   COALESCE(i.tenant_id, s.tenant_id) AS tenant_id,
	   CASE WHEN i.call_id IS NOT NULL THEN i.user_id
			ELSE s.matched_user
	   END AS user_id,
	   pg_temp.reference_contact(
			CASE WHEN i.call_id IS NOT NULL THEN i.contact_id
				 ELSE s.matched_contact
			END) AS contact_id,
	   r.recording AS recording_url,
	   NULLIF(o.anomalies, '{}') AS anomalies,
	   c.event_count,
	   c.first_event_time,
	   c.last_event_time
FROM called AS c
LEFT JOIN reference_starts AS s USING (call_id)
LEFT JOIN reference_rings AS g USING (call_id)
LEFT JOIN reference_answers AS a USING (call_id)
LEFT JOIN reference_call_ends AS e USING (call_id)
LEFT JOIN disposed AS d USING (call_id)
LEFT JOIN reference_identifications AS i USING (call_id)
LEFT JOIN reference_recordings AS r USING (call_id)
LEFT JOIN reference_anomalies AS o USING (call_id);

-- What calls says, too much or too little, beside the reference.
CREATE OR REPLACE TEMP VIEW differing_calls AS
WITH stored AS (
	SELECT call_id, status, disposition, direction, caller_number,
		   callee_number, trunk, start_time, ring_time, answer_time, end_time,
		   duration_seconds, billable_seconds, hangup_cause, hangup_source,
		   sip_status, tenant_id, user_id, contact_id, recording_url,
		   anomalies, event_count, first_event_time, last_event_time
	FROM calls),
expected AS MATERIALIZED (SELECT * FROM reference_calls)
SELECT d.call_id, 'stored' AS which, to_jsonb(d) AS call
FROM (SELECT * FROM stored EXCEPT SELECT * FROM expected) AS d
UNION ALL
SELECT d.call_id, 'expected', to_jsonb(d)
FROM (SELECT * FROM expected EXCEPT SELECT * FROM stored) AS d;
