-- One row for each call out of "events", raw events of a batch, of which a
-- call may have several: the source of merge.sql for those who merge in SQL.
-- kind: 1 started, 2 answered, 3 ended, 4 identified, 5 recorded, 0 any other.
-- A batch holds few events of a call, so one sort finds the winners, and
-- taking them is cheap.  (There is no min() or max() of uuid.)
SELECT call_id,
	min(event_time) FILTER (WHERE kind = 1),
	(array_agg(event_id) FILTER (WHERE kind = 1 AND is_first))[1],
	max(caller_number) FILTER (WHERE kind = 1 AND is_first),
	max(callee_number) FILTER (WHERE kind = 1 AND is_first),
	max(direction) FILTER (WHERE kind = 1 AND is_first),
	max(tenant_id) FILTER (WHERE kind = 1 AND is_first),
	min(event_time) FILTER (WHERE kind = 2),
	min(event_time) FILTER (WHERE kind = 3),
	(array_agg(event_id) FILTER (WHERE kind = 3 AND is_first))[1],
	max(hangup_cause) FILTER (WHERE kind = 3 AND is_first),
	max(hangup_source) FILTER (WHERE kind = 3 AND is_first),
	max(event_time) FILTER (WHERE kind = 4),
	(array_agg(event_id) FILTER (WHERE kind = 4 AND is_last))[1],
	max(tenant_id) FILTER (WHERE kind = 4 AND is_last),
	CASE WHEN bool_or(kind = 4)
		THEN max(user_id) FILTER (WHERE kind = 4 AND is_last)
		ELSE max(user_id) FILTER (WHERE kind = 1 AND is_first) END,
	CASE WHEN bool_or(kind = 4)
		THEN max(contact_id) FILTER (WHERE kind = 4 AND is_last)
		ELSE max(contact_id) FILTER (WHERE kind = 1 AND is_first) END,
	max(event_time) FILTER (WHERE kind = 5),
	(array_agg(event_id) FILTER (WHERE kind = 5 AND is_last))[1],
	max(recording_url) FILTER (WHERE kind = 5 AND is_last),
	count(*), min(event_time), max(event_time)
FROM (SELECT *, lag(1) OVER kind_of_call IS NULL AS is_first,
		lead(1) OVER kind_of_call IS NULL AS is_last
	FROM events
	WINDOW kind_of_call AS (PARTITION BY call_id, kind
		ORDER BY event_time, event_id)) AS ranked
GROUP BY call_id
ORDER BY call_id
