--
-- The second half of reference.sql: the calls, of the events as they are when this
-- is run.
--
CREATE TEMP TABLE reference_events AS SELECT * FROM reference_fields;
CREATE INDEX ON reference_events (call_id);
ANALYZE reference_events;

-- Of each kind of event the one that counts: of the lowest rank, of these the
-- earliest or the latest, of these the one of the smallest or the greatest id.
CREATE OR REPLACE TEMP VIEW reference_starts AS
SELECT DISTINCT ON (call_id) *
FROM reference_events
WHERE type = 'call.started'
ORDER BY call_id, rank, time, event_id;

CREATE OR REPLACE TEMP VIEW reference_last_starts AS
SELECT DISTINCT ON (call_id) *
FROM reference_events
WHERE type = 'call.started'
ORDER BY call_id, rank, time DESC, event_id DESC;

CREATE OR REPLACE TEMP VIEW reference_rings AS
SELECT DISTINCT ON (call_id) *
FROM reference_events
WHERE type = 'call.ringing'
ORDER BY call_id, rank, time, event_id;

-- nobody says that a web session was answered
CREATE OR REPLACE TEMP VIEW reference_answers AS
SELECT DISTINCT ON (call_id) *
FROM reference_events
WHERE type = 'call.answered' OR (type = 'call.started' AND callee = 'ai-pipeline')
ORDER BY call_id, rank, time, event_id;

CREATE OR REPLACE TEMP VIEW reference_ends AS
SELECT e.*, c.disposition, COALESCE(c.of_branch, false) AS of_branch
FROM reference_events AS e
LEFT JOIN reference_causes AS c
	ON c.name = translate(lower(e.cause), '- ', '__')
WHERE e.type = 'call.ended';

CREATE OR REPLACE TEMP VIEW reference_first_ends AS
SELECT DISTINCT ON (call_id) *
FROM reference_ends
WHERE NOT of_branch
ORDER BY call_id, rank, time, event_id;

CREATE OR REPLACE TEMP VIEW reference_last_ends AS
SELECT DISTINCT ON (call_id) *
FROM reference_ends
WHERE NOT of_branch
ORDER BY call_id, rank, time DESC, event_id DESC;

CREATE OR REPLACE TEMP VIEW reference_branch_ends AS
SELECT DISTINCT ON (call_id) *
FROM reference_ends
WHERE of_branch
ORDER BY call_id, rank, time DESC, event_id DESC;

-- The ends that may be the call's, in the order in which they are taken; one of
-- which only the receipt is known, after all others.
CREATE OR REPLACE TEMP VIEW reference_call_ends AS
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
ORDER BY call_id, rank = 2, place;

CREATE OR REPLACE TEMP VIEW reference_identifications AS
SELECT DISTINCT ON (call_id) *
FROM reference_events
WHERE type IN ('user.identified.for_call', 'user.created.for_call')
ORDER BY call_id, rank, time DESC, event_id DESC;

CREATE OR REPLACE TEMP VIEW reference_recordings AS
SELECT DISTINCT ON (call_id) *
FROM reference_events
WHERE type = 'call.recording.available'
ORDER BY call_id, rank, time DESC, event_id DESC;

CREATE OR REPLACE TEMP VIEW reference_anomalies AS
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
LEFT JOIN reference_call_ends AS e USING (call_id);

CREATE OR REPLACE TEMP VIEW reference_calls AS
WITH called AS (
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
	FROM calls)
SELECT d.call_id, 'stored' AS which, to_jsonb(d) AS call
FROM (SELECT * FROM stored EXCEPT SELECT * FROM reference_calls) AS d
UNION ALL
SELECT d.call_id, 'expected', to_jsonb(d)
FROM (SELECT * FROM reference_calls EXCEPT SELECT * FROM stored) AS d;
