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
	('closed', 'NO_ANSWER', false),
	('failure', 'FAILED', true),
	('network_failure', 'FAILED', true);

CREATE TEMP TABLE said (body bytea PRIMARY KEY, event json NOT NULL);

-- The fields of every event, whichever form it has.
CREATE OR REPLACE TEMP VIEW reference_fields AS
SELECT event_id,
	   COALESCE(payload ->> 'callId', '') AS call_id,
	   COALESCE(NULLIF(payload ->> 'eventType', ''), routing_key) AS type,
	   CASE WHEN payload ->> 'timestamp' ~ '^\d{4}-\d\d-\d\dT'
			 AND payload ->> 'timestamp' <> '0001-01-01T00:00:00Z'
			THEN (payload ->> 'timestamp')::timestamptz
			ELSE event_time
	   END AS time,
	   -- functions of the extension made it: only then it is what it says
	   time_source = 'f' AS made,
	   payload -> 'correction' AS correction,
	   payload -> 'columns' AS withdrawn,
	   (payload ->> 'endTime')::timestamptz AS closed_at,
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

-- What follows stands in reference_calls.sql, for when the table said is filled.
