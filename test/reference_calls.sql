--
-- The second half of reference.sql: the calls, of the events as they are when this
-- is run.
--
CREATE TEMP TABLE reference_events AS SELECT * FROM reference_fields;
CREATE INDEX ON reference_events (call_id);
ANALYZE reference_events;

-- What was corrected: of each column what the latest says, unless that gives it
-- back to the events.  NULL: there was none.
CREATE TEMP TABLE reference_corrections AS
SELECT call_id, name, value
FROM (SELECT DISTINCT ON (call_id, name) *
	  FROM (SELECT e.call_id, e.time, e.event_id, c.name, c.value, true AS stands
			FROM reference_events AS e, json_each_text(e.correction) AS c(name, value)
			WHERE e.made AND e.type = 'cdr.call.corrected'
			UNION ALL
			SELECT e.call_id, e.time, e.event_id, c.name, NULL, false
			FROM reference_events AS e, json_array_elements_text(e.withdrawn) AS c(name)
			WHERE e.made AND e.type = 'cdr.call.correction_withdrawn') AS c
	  ORDER BY call_id, name, time DESC, event_id DESC) AS latest
WHERE stands;
ANALYZE reference_corrections;

CREATE TEMP TABLE reference_corrected AS
SELECT call_id, jsonb_object_agg(name, value) AS said
FROM reference_corrections
GROUP BY call_id;
ANALYZE reference_corrected;

-- Of each kind of event the one that counts: of the lowest rank, of these the
-- earliest or the latest, of these the one of the smallest or the greatest id.
CREATE TEMP TABLE reference_told_starts AS
SELECT DISTINCT ON (call_id) *
FROM reference_events
WHERE type = 'call.started'
ORDER BY call_id, rank, time, event_id;
ANALYZE reference_told_starts;

CREATE TEMP TABLE reference_last_starts AS
SELECT DISTINCT ON (call_id) *
FROM reference_events
WHERE type = 'call.started'
ORDER BY call_id, rank, time DESC, event_id DESC;
ANALYZE reference_last_starts;

CREATE TEMP TABLE reference_told_rings AS
SELECT DISTINCT ON (call_id) *
FROM reference_events
WHERE type = 'call.ringing'
ORDER BY call_id, rank, time, event_id;
ANALYZE reference_told_rings;

-- nobody says that a web session was answered
CREATE TEMP TABLE reference_told_answers AS
SELECT DISTINCT ON (call_id) *
FROM reference_events
WHERE type = 'call.answered' OR (type = 'call.started' AND callee = 'ai-pipeline')
ORDER BY call_id, rank, time, event_id;
ANALYZE reference_told_answers;

-- The same with the times that are corrected: each is its own, or there is none.
CREATE TEMP TABLE reference_starts AS
SELECT call_id, time, rank FROM reference_told_starts
WHERE call_id NOT IN (SELECT call_id FROM reference_corrections WHERE name = 'start_time')
UNION ALL
SELECT call_id, value::timestamptz, 0 FROM reference_corrections
WHERE name = 'start_time' AND value IS NOT NULL;
ANALYZE reference_starts;

CREATE TEMP TABLE reference_rings AS
SELECT call_id, time, rank FROM reference_told_rings
WHERE call_id NOT IN (SELECT call_id FROM reference_corrections WHERE name = 'ring_time')
UNION ALL
SELECT call_id, value::timestamptz, 0 FROM reference_corrections
WHERE name = 'ring_time' AND value IS NOT NULL;
ANALYZE reference_rings;

CREATE TEMP TABLE reference_answers AS
SELECT call_id, time, rank FROM reference_told_answers
WHERE call_id NOT IN (SELECT call_id FROM reference_corrections WHERE name = 'answer_time')
UNION ALL
SELECT call_id, value::timestamptz, 0 FROM reference_corrections
WHERE name = 'answer_time' AND value IS NOT NULL;
ANALYZE reference_answers;

CREATE TEMP TABLE reference_ends AS
SELECT e.call_id, e.event_id, e.time, e.rank, e.cause,
	   COALESCE(e.source,
			CASE WHEN e.cause IN ('normal_clearing_by_user', 'busy', 'user_busy')
					THEN 'user'
				 WHEN e.cause IN ('terminated_by_request', 'system_terminated',
								  'workflow_hangup') THEN 'system'
				 WHEN e.cause = 'network_failure' THEN 'network'
			END) AS source,
	   e.sip_status, COALESCE(c.of_branch, false) AS of_branch
FROM reference_events AS e
LEFT JOIN reference_causes AS c
	ON c.name = translate(lower(e.cause), '- ', '__')
WHERE e.type = 'call.ended';
ANALYZE reference_ends;

CREATE TEMP TABLE reference_closings AS
SELECT call_id, max(closed_at) AS time
FROM reference_events
WHERE made AND type = 'cdr.call.closed'
GROUP BY call_id;
ANALYZE reference_closings;

CREATE TEMP TABLE reference_first_ends AS
SELECT DISTINCT ON (call_id) *
FROM reference_ends
WHERE NOT of_branch
ORDER BY call_id, rank, time, event_id;
ANALYZE reference_first_ends;

CREATE TEMP TABLE reference_last_ends AS
SELECT DISTINCT ON (call_id) *
FROM reference_ends
WHERE NOT of_branch
ORDER BY call_id, rank, time DESC, event_id DESC;
ANALYZE reference_last_ends;

CREATE TEMP TABLE reference_branch_ends AS
SELECT DISTINCT ON (call_id) *
FROM reference_ends
WHERE of_branch
ORDER BY call_id, rank, time DESC, event_id DESC;
ANALYZE reference_branch_ends;

-- The ends that may be the call's, in the order in which they are taken; one of
-- which only the receipt is known, after all others, and that of a call that was
-- closed, last, and only where nobody said when it ended.
CREATE TEMP TABLE reference_told_call_ends AS
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
	  WHERE e.call_id NOT IN (SELECT call_id FROM reference_answers)
	  UNION ALL
	  SELECT 7, c.call_id, NULL, c.time, 3, 'closed', NULL, NULL, false
	  FROM reference_closings AS c LEFT JOIN reference_answers AS a USING (call_id)
	  WHERE (a.call_id IS NULL OR a.rank = 2 OR c.time >= a.time)
		AND c.call_id NOT IN (SELECT call_id FROM reference_corrections WHERE name = 'end_time')) AS e
ORDER BY call_id, GREATEST(rank, 1), place;
ANALYZE reference_told_call_ends;

-- The end with what is corrected of it.
CREATE TEMP TABLE reference_call_ends AS
WITH ended AS (
	SELECT call_id, time, rank, cause, source, sip_status, of_branch
	FROM reference_told_call_ends
	WHERE call_id NOT IN (SELECT call_id FROM reference_corrections WHERE name = 'end_time')
	UNION ALL
	SELECT c.call_id, c.value::timestamptz, 0, e.cause, e.source, e.sip_status,
		   COALESCE(e.of_branch, false)
	FROM reference_corrections AS c
	LEFT JOIN reference_told_call_ends AS e USING (call_id)
	WHERE c.name = 'end_time' AND c.value IS NOT NULL),
said AS (
	SELECT e.call_id, e.time, e.rank, e.of_branch,
		   COALESCE(c.said ? 'hangup_cause', false) AS has_cause,
		   CASE WHEN c.said ? 'hangup_cause' THEN c.said ->> 'hangup_cause' ELSE e.cause END AS cause,
		   CASE WHEN c.said ? 'hangup_source' THEN c.said ->> 'hangup_source' ELSE e.source END AS source,
		   CASE WHEN c.said ? 'sip_status' THEN (c.said ->> 'sip_status')::integer ELSE e.sip_status END AS sip_status
	FROM ended AS e LEFT JOIN reference_corrected AS c USING (call_id))
SELECT s.call_id, s.time, s.rank, s.cause, s.source, s.sip_status, c.disposition,
	   CASE WHEN s.has_cause THEN COALESCE(c.of_branch, false) ELSE s.of_branch END AS of_branch
FROM said AS s
LEFT JOIN reference_causes AS c ON c.name = translate(lower(s.cause), '- ', '__');
ANALYZE reference_call_ends;

-- somebody said that there was no answer
CREATE TEMP TABLE reference_unanswered AS
SELECT call_id FROM reference_corrections WHERE name = 'answer_time' AND value IS NULL;
ANALYZE reference_unanswered;

CREATE TEMP TABLE reference_identifications AS
SELECT DISTINCT ON (call_id) *
FROM reference_events
WHERE type IN ('user.identified.for_call', 'user.created.for_call')
ORDER BY call_id, rank, time DESC, event_id DESC;
ANALYZE reference_identifications;

CREATE TEMP TABLE reference_recordings AS
SELECT DISTINCT ON (call_id) *
FROM reference_events
WHERE type = 'call.recording.available'
ORDER BY call_id, rank, time DESC, event_id DESC;
ANALYZE reference_recordings;

CREATE TEMP TABLE reference_anomalies AS
SELECT c.call_id,
	   array_remove(ARRAY[
			CASE WHEN l.rank < 2 AND l.time > GREATEST(t.time, s.time)
				  AND s.time IS NOT NULL
				  AND (l.time >= CASE WHEN x.said ? 'end_time'
									  THEN (x.said ->> 'end_time')::timestamptz
									  ELSE f.time
								 END + interval '1 s'
					   OR l.time > GREATEST(t.time, s.time) + interval '1 h') THEN 'reused' END,
			CASE WHEN (a.rank < 2 AND s.rank < 2
					   AND a.time < s.time - interval '1 s')
				   OR (e.rank < 2 AND s.rank < 2
					   AND e.time < s.time - interval '1 s')
				   OR (e.rank < 2 AND a.rank < 2
					   AND e.time < a.time - interval '1 s') THEN 'clock' END,
			CASE WHEN 2 IN (s.rank, r.rank, a.rank, e.rank) THEN 'untimed' END,
			CASE WHEN s.call_id IS NULL
				  AND (a.call_id IS NOT NULL OR e.call_id IS NOT NULL)
				 THEN 'no start' END,
			CASE WHEN a.call_id IS NULL AND e.disposition = 'ANSWERED'
				  AND u.call_id IS NULL THEN 'no answer' END,
			CASE WHEN e.rank = 3 THEN 'closed' END],
			NULL) AS anomalies
FROM (SELECT DISTINCT call_id FROM reference_events WHERE call_id <> '') AS c
LEFT JOIN reference_starts AS s USING (call_id)
LEFT JOIN reference_told_starts AS t USING (call_id)
LEFT JOIN reference_corrected AS x USING (call_id)
LEFT JOIN reference_unanswered AS u USING (call_id)
LEFT JOIN reference_last_starts AS l USING (call_id)
LEFT JOIN reference_rings AS r USING (call_id)
LEFT JOIN reference_answers AS a USING (call_id)
LEFT JOIN reference_first_ends AS f USING (call_id)
LEFT JOIN reference_call_ends AS e USING (call_id);
ANALYZE reference_anomalies;

CREATE OR REPLACE TEMP VIEW reference_calls AS
WITH called AS (
	SELECT call_id,
		   count(*) AS event_count,
		   -- over the events from outside, if there are any
		   COALESCE(min(time) FILTER (WHERE NOT made), min(time)) AS first_event_time,
		   COALESCE(max(time) FILTER (WHERE NOT made), max(time)) AS last_event_time
	FROM reference_events
	WHERE call_id <> ''
	GROUP BY call_id),
disposed AS (
	SELECT call_id,
		   CASE WHEN a.rank < 2 OR (a.rank = 2 AND NOT e.of_branch) THEN 'ANSWERED'
				WHEN u.call_id IS NOT NULL AND e.disposition = 'ANSWERED' THEN 'NO_ANSWER'
				ELSE COALESCE(e.disposition, 'NO_ANSWER')
		   END AS disposition
	FROM reference_call_ends AS e
	LEFT JOIN reference_answers AS a USING (call_id)
	LEFT JOIN reference_unanswered AS u USING (call_id))
SELECT c.call_id,
	   CASE WHEN e.call_id IS NOT NULL THEN 'COMPLETED'
			WHEN a.call_id IS NOT NULL THEN 'ANSWERED'
			WHEN g.call_id IS NOT NULL THEN 'RINGING'
			WHEN s.call_id IS NOT NULL THEN 'STARTED'
			WHEN i.call_id IS NOT NULL THEN 'IDENTIFIED'
			ELSE 'UNKNOWN'
	   END AS status,
	   d.disposition,
	   CASE WHEN x.said ? 'direction' THEN x.said ->> 'direction'
			ELSE COALESCE(t.direction, pg_temp.reference_direction(t.caller, t.callee))
	   END AS direction,
	   CASE WHEN x.said ? 'caller_number' THEN x.said ->> 'caller_number' ELSE t.caller END
			AS caller_number,
	   CASE WHEN x.said ? 'callee_number' THEN x.said ->> 'callee_number' ELSE t.callee END
			AS callee_number,
	   CASE WHEN x.said ? 'trunk' THEN x.said ->> 'trunk' ELSE t.trunk END AS trunk,
	   s.time AS start_time,
	   g.time AS ring_time,
	   a.time AS answer_time,
	   e.time AS end_time,
	   COALESCE(s.time, a.time, e.time) AS attempt_time,
	   CASE WHEN s.time IS NULL OR e.time IS NULL THEN NULL
			ELSE GREATEST(floor(extract(epoch FROM e.time - s.time)), 0)
	   END::bigint AS duration_seconds,
	   CASE WHEN e.time IS NULL THEN NULL
			WHEN a.time IS NULL OR d.disposition <> 'ANSWERED' THEN 0
			ELSE GREATEST(floor(extract(epoch FROM e.time - a.time)), 0)
	   END::bigint AS billable_seconds,
	   e.cause AS hangup_cause,
	   e.source AS hangup_source,
	   e.sip_status,
	   CASE WHEN x.said ? 'tenant_id' THEN x.said ->> 'tenant_id'
			ELSE COALESCE(i.tenant_id, t.tenant_id)
	   END AS tenant_id,
	   CASE WHEN x.said ? 'user_id' THEN x.said ->> 'user_id'
			WHEN i.call_id IS NOT NULL THEN i.user_id
			ELSE t.matched_user
	   END AS user_id,
	   pg_temp.reference_contact(
			CASE WHEN x.said ? 'contact_id' THEN x.said ->> 'contact_id'
				 WHEN i.call_id IS NOT NULL THEN i.contact_id
				 ELSE t.matched_contact
			END) AS contact_id,
	   CASE WHEN x.said ? 'recording_url' THEN x.said ->> 'recording_url' ELSE r.recording END
			AS recording_url,
	   NULLIF(o.anomalies, '{}') AS anomalies,
	   c.event_count,
	   c.first_event_time,
	   c.last_event_time
FROM called AS c
LEFT JOIN reference_corrected AS x USING (call_id)
LEFT JOIN reference_told_starts AS t USING (call_id)
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
		   attempt_time, duration_seconds, billable_seconds, hangup_cause, hangup_source,
		   sip_status, tenant_id, user_id, contact_id, recording_url,
		   anomalies, event_count, first_event_time, last_event_time
	FROM calls)
SELECT d.call_id, 'stored' AS which, to_jsonb(d) AS call
FROM (SELECT * FROM stored EXCEPT SELECT * FROM reference_calls) AS d
UNION ALL
SELECT d.call_id, 'expected', to_jsonb(d)
FROM (SELECT * FROM reference_calls EXCEPT SELECT * FROM stored) AS d;
