-- The table that those who merge in SQL write, in the place of the extension's
-- calls: the same for people, and what their merge needs in columns of its own.
CREATE TABLE calls (
	call_id text COLLATE "C" PRIMARY KEY,
	status text NOT NULL GENERATED ALWAYS AS (
		CASE WHEN end_time IS NOT NULL THEN 'COMPLETED'
			 WHEN answer_time IS NOT NULL THEN 'ANSWERED'
			 WHEN start_time IS NOT NULL THEN 'STARTED'
			 ELSE 'IDENTIFIED' END) STORED,
	disposition text GENERATED ALWAYS AS (
		CASE WHEN end_time IS NULL THEN NULL
			 WHEN answer_time IS NOT NULL THEN 'ANSWERED'
			 ELSE CASE lower(hangup_cause COLLATE pg_catalog."C")
				-- a BYE ends an established dialogue
				WHEN 'normal_clearing' THEN 'ANSWERED'
				WHEN 'normal_clearing_by_user' THEN 'ANSWERED'
				WHEN 'busy' THEN 'BUSY'
				WHEN 'user_busy' THEN 'BUSY'
				WHEN 'failure' THEN 'FAILED'
				WHEN 'failed' THEN 'FAILED'
				WHEN 'network_failure' THEN 'FAILED'
				WHEN 'network_out_of_order' THEN 'FAILED'
				WHEN 'normal_temporary_failure' THEN 'FAILED'
				WHEN 'switch_congestion' THEN 'FAILED'
				WHEN 'unallocated_number' THEN 'FAILED'
				WHEN 'no_route_destination' THEN 'FAILED'
				WHEN 'invalid_number_format' THEN 'FAILED'
				WHEN 'destination_out_of_order' THEN 'FAILED'
				WHEN 'call_rejected' THEN 'FAILED'
				WHEN 'incompatible_destination' THEN 'FAILED'
				WHEN 'bearercapability_notavail' THEN 'FAILED'
				WHEN 'service_unavailable' THEN 'FAILED'
				WHEN 'canceled' THEN 'CANCELED'
				WHEN 'cancelled' THEN 'CANCELED'
				WHEN 'originator_cancel' THEN 'CANCELED'
				WHEN 'terminated_by_request' THEN 'CANCELED'
				WHEN 'system_terminated' THEN 'CANCELED'
				WHEN 'workflow_hangup' THEN 'CANCELED'
				ELSE 'NO_ANSWER' END
		END) STORED,
	direction text,
	caller_number text,
	callee_number text,
	start_time timestamptz,
	answer_time timestamptz,
	end_time timestamptz,
	attempt_time timestamptz GENERATED ALWAYS AS (
		COALESCE(start_time, answer_time, end_time)) STORED,
	duration_seconds bigint GENERATED ALWAYS AS (
		CASE WHEN end_time < start_time THEN 0
			 ELSE trunc(extract(epoch FROM end_time - start_time))::bigint
		END) STORED,
	billable_seconds bigint GENERATED ALWAYS AS (
		CASE WHEN end_time IS NULL THEN NULL
			 WHEN answer_time IS NULL OR end_time < answer_time THEN 0
			 ELSE trunc(extract(epoch FROM end_time - answer_time))::bigint
		END) STORED,
	hangup_cause text,
	hangup_source text,
	tenant_id text GENERATED ALWAYS AS (
		COALESCE(identified_tenant_id, started_tenant_id)) STORED,
	user_id text,
	contact_id bigint,
	recording_url text,
	event_count bigint NOT NULL,
	first_event_time timestamptz NOT NULL,
	last_event_time timestamptz NOT NULL,
	started_event_id uuid,
	started_tenant_id text,
	ended_event_id uuid,
	identified_time timestamptz,
	identified_event_id uuid,
	identified_tenant_id text,
	recording_time timestamptz,
	recording_event_id uuid
) WITH (fillfactor = 80);
