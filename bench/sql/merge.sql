-- Adds to the stored calls (c) what a batch holds of them (EXCLUDED, one row
-- for each call, out of the query that is put in below).  Of each kind of
-- event one wins, the earliest or the latest by (time, identity), and gives
-- the columns that belong to it; so the order of batches does not matter.
INSERT INTO calls AS c
	(call_id,
	 start_time, started_event_id, caller_number, callee_number, direction,
	 started_tenant_id,
	 answer_time,
	 end_time, ended_event_id, hangup_cause, hangup_source,
	 identified_time, identified_event_id, identified_tenant_id,
	 user_id, contact_id,
	 recording_time, recording_event_id, recording_url,
	 event_count, first_event_time, last_event_time)
:source
ON CONFLICT (call_id) DO UPDATE SET
	start_time = LEAST(c.start_time, EXCLUDED.start_time),
	started_event_id = CASE WHEN (EXCLUDED.start_time, EXCLUDED.started_event_id)
			< (COALESCE(c.start_time, 'infinity'), c.started_event_id)
		THEN EXCLUDED.started_event_id ELSE c.started_event_id END,
	caller_number = CASE WHEN (EXCLUDED.start_time, EXCLUDED.started_event_id)
			< (COALESCE(c.start_time, 'infinity'), c.started_event_id)
		THEN EXCLUDED.caller_number ELSE c.caller_number END,
	callee_number = CASE WHEN (EXCLUDED.start_time, EXCLUDED.started_event_id)
			< (COALESCE(c.start_time, 'infinity'), c.started_event_id)
		THEN EXCLUDED.callee_number ELSE c.callee_number END,
	direction = CASE WHEN (EXCLUDED.start_time, EXCLUDED.started_event_id)
			< (COALESCE(c.start_time, 'infinity'), c.started_event_id)
		THEN EXCLUDED.direction ELSE c.direction END,
	started_tenant_id = CASE WHEN (EXCLUDED.start_time, EXCLUDED.started_event_id)
			< (COALESCE(c.start_time, 'infinity'), c.started_event_id)
		THEN EXCLUDED.started_tenant_id ELSE c.started_tenant_id END,
	answer_time = LEAST(c.answer_time, EXCLUDED.answer_time),
	end_time = LEAST(c.end_time, EXCLUDED.end_time),
	ended_event_id = CASE WHEN (EXCLUDED.end_time, EXCLUDED.ended_event_id)
			< (COALESCE(c.end_time, 'infinity'), c.ended_event_id)
		THEN EXCLUDED.ended_event_id ELSE c.ended_event_id END,
	hangup_cause = CASE WHEN (EXCLUDED.end_time, EXCLUDED.ended_event_id)
			< (COALESCE(c.end_time, 'infinity'), c.ended_event_id)
		THEN EXCLUDED.hangup_cause ELSE c.hangup_cause END,
	hangup_source = CASE WHEN (EXCLUDED.end_time, EXCLUDED.ended_event_id)
			< (COALESCE(c.end_time, 'infinity'), c.ended_event_id)
		THEN EXCLUDED.hangup_source ELSE c.hangup_source END,
	identified_time = GREATEST(c.identified_time, EXCLUDED.identified_time),
	identified_event_id = CASE WHEN (EXCLUDED.identified_time, EXCLUDED.identified_event_id)
			> (COALESCE(c.identified_time, '-infinity'), c.identified_event_id)
		THEN EXCLUDED.identified_event_id ELSE c.identified_event_id END,
	identified_tenant_id = CASE WHEN (EXCLUDED.identified_time, EXCLUDED.identified_event_id)
			> (COALESCE(c.identified_time, '-infinity'), c.identified_event_id)
		THEN EXCLUDED.identified_tenant_id ELSE c.identified_tenant_id END,
	user_id = CASE WHEN (EXCLUDED.identified_time, EXCLUDED.identified_event_id)
			> (COALESCE(c.identified_time, '-infinity'), c.identified_event_id)
		THEN EXCLUDED.user_id
		WHEN c.identified_time IS NULL AND (EXCLUDED.start_time, EXCLUDED.started_event_id)
			< (COALESCE(c.start_time, 'infinity'), c.started_event_id)
		THEN EXCLUDED.user_id ELSE c.user_id END,
	contact_id = CASE WHEN (EXCLUDED.identified_time, EXCLUDED.identified_event_id)
			> (COALESCE(c.identified_time, '-infinity'), c.identified_event_id)
		THEN EXCLUDED.contact_id
		WHEN c.identified_time IS NULL AND (EXCLUDED.start_time, EXCLUDED.started_event_id)
			< (COALESCE(c.start_time, 'infinity'), c.started_event_id)
		THEN EXCLUDED.contact_id ELSE c.contact_id END,
	recording_time = GREATEST(c.recording_time, EXCLUDED.recording_time),
	recording_event_id = CASE WHEN (EXCLUDED.recording_time, EXCLUDED.recording_event_id)
			> (COALESCE(c.recording_time, '-infinity'), c.recording_event_id)
		THEN EXCLUDED.recording_event_id ELSE c.recording_event_id END,
	recording_url = CASE WHEN (EXCLUDED.recording_time, EXCLUDED.recording_event_id)
			> (COALESCE(c.recording_time, '-infinity'), c.recording_event_id)
		THEN EXCLUDED.recording_url ELSE c.recording_url END,
	event_count = c.event_count + EXCLUDED.event_count,
	first_event_time = LEAST(c.first_event_time, EXCLUDED.first_event_time),
	last_event_time = GREATEST(c.last_event_time, EXCLUDED.last_event_time)
