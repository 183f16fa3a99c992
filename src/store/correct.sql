-- ---------------------------------------------------------------------------
-- Corrections, and calls that nobody ended
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_correct_call(
	call_id text,
	correction json,
	reason text,
	before_events boolean DEFAULT false)
RETURNS uuid
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_correct_call';

COMMENT ON FUNCTION @extschema@.cdr_correct_call(text, json, text, boolean) IS
'records a correction of a call, above what its events say; of each column the latest counts, null says that there was none; returns the identity of the event';

CREATE FUNCTION @extschema@.cdr_withdraw_correction(
	call_id text,
	columns text[],
	reason text)
RETURNS uuid
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_withdraw_correction';

COMMENT ON FUNCTION @extschema@.cdr_withdraw_correction(text, text[], text) IS
'records that columns of a call are what its events say again; returns the identity of the event';

CREATE FUNCTION @extschema@.cdr_close_stale_calls(
	older_than interval,
	reason text,
	max_calls bigint DEFAULT 10000)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_close_stale_calls';

COMMENT ON FUNCTION @extschema@.cdr_close_stale_calls(interval, text, bigint) IS
'closes calls that nobody ended and that had no event for so long, at most so many; returns how many';

CREATE FUNCTION @extschema@.cdr_open_calls(
	OUT call_id text,
	OUT status text,
	OUT caller_number text,
	OUT callee_number text,
	OUT tenant_id text,
	OUT start_time timestamptz,
	OUT answer_time timestamptz,
	OUT last_event_time timestamptz,
	OUT silent_for interval)
RETURNS SETOF record
LANGUAGE C STABLE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_open_calls';

COMMENT ON FUNCTION @extschema@.cdr_open_calls() IS
'calls that nobody ended: the rows of cdr_stale_calls';

CREATE VIEW @extschema@.cdr_stale_calls AS
	SELECT c.call_id, c.status, c.caller_number, c.callee_number, c.tenant_id,
		   c.start_time, c.answer_time, c.last_event_time, c.silent_for
	FROM @extschema@.cdr_open_calls() AS c;

COMMENT ON VIEW @extschema@.cdr_stale_calls IS
'calls that nobody ended, and for how long nothing was heard of each';
COMMENT ON COLUMN @extschema@.cdr_stale_calls.call_id IS
'the call';
COMMENT ON COLUMN @extschema@.cdr_stale_calls.status IS
'its status, never COMPLETED';
COMMENT ON COLUMN @extschema@.cdr_stale_calls.caller_number IS
'as in calls';
COMMENT ON COLUMN @extschema@.cdr_stale_calls.callee_number IS
'as in calls';
COMMENT ON COLUMN @extschema@.cdr_stale_calls.tenant_id IS
'as in calls';
COMMENT ON COLUMN @extschema@.cdr_stale_calls.start_time IS
'as in calls';
COMMENT ON COLUMN @extschema@.cdr_stale_calls.answer_time IS
'as in calls';
COMMENT ON COLUMN @extschema@.cdr_stale_calls.last_event_time IS
'when something was last heard of it';
COMMENT ON COLUMN @extschema@.cdr_stale_calls.silent_for IS
'how long ago that is';

