-- ---------------------------------------------------------------------------
-- Tables
-- ---------------------------------------------------------------------------

CREATE TABLE @extschema@.call_events (
	event_time timestamptz NOT NULL,
	received_at timestamptz NOT NULL,
	event_id uuid NOT NULL,
	call_id text COLLATE pg_catalog."C" NOT NULL DEFAULT '',
	event_type text,
	trace_id text,
	tenant_id text,
	routing_key text,
	payload json,
	body bytea
) PARTITION BY RANGE (event_time);

COMMENT ON TABLE @extschema@.call_events IS
'the log: one row for each distinct event';

-- The unique index sits on each partition: with a key on the parent, a dump
-- of this table with partitions made at run time could not be restored.
CREATE TABLE @extschema@.call_events_default
	PARTITION OF @extschema@.call_events DEFAULT;
CREATE UNIQUE INDEX call_events_default_key
	ON @extschema@.call_events_default (call_id, event_id, event_time);

CREATE TABLE @extschema@.calls (
	call_id text COLLATE pg_catalog."C" PRIMARY KEY,
	status text NOT NULL GENERATED ALWAYS AS (
		CASE WHEN end_time IS NOT NULL THEN 'COMPLETED'
			 WHEN answer_time IS NOT NULL THEN 'ANSWERED'
			 WHEN start_time IS NOT NULL THEN 'STARTED'
			 ELSE 'IDENTIFIED' END) STORED,
	disposition text GENERATED ALWAYS AS (
		CASE WHEN end_time IS NOT NULL
			 THEN @extschema@.cdr_disposition(answer_time IS NOT NULL, hangup_cause)
		END) STORED,
	@column:course@ @definition@,
	duration_seconds bigint GENERATED ALWAYS AS (
		@extschema@.cdr_seconds_between(start_time, end_time)) STORED,
	billable_seconds bigint GENERATED ALWAYS AS (
		CASE WHEN end_time IS NULL THEN NULL
			 WHEN answer_time IS NULL THEN 0
			 ELSE @extschema@.cdr_seconds_between(answer_time, end_time)
		END) STORED,
	@column:end@ @definition@,
	tenant_id text GENERATED ALWAYS AS (
		COALESCE(identified_tenant_id, started_tenant_id)) STORED,
	@column:rest@ @definition@,
	-- which events won: what the merge needs to be the same in any order
	@column:winners@ @definition@@,@
-- room on each page for the updates that a call sees while it lasts: where a
-- new version finds room beside the old one, no index is touched
) WITH (fillfactor = 80);

COMMENT ON TABLE @extschema@.calls IS
'call detail records: one row for each call, merged from its events';

CREATE TABLE @extschema@.dead_letters (
	event_id uuid PRIMARY KEY,
	received_at timestamptz NOT NULL,
	last_attempt_at timestamptz NOT NULL,
	attempts integer NOT NULL DEFAULT 1,
	sqlstate text NOT NULL,
	message text NOT NULL,
	routing_key text,
	headers json,
	property_time timestamptz,
	body_size bigint NOT NULL,
	body bytea NOT NULL
);

COMMENT ON TABLE @extschema@.dead_letters IS
'messages that could not become events, with the reason';
COMMENT ON COLUMN @extschema@.dead_letters.body_size IS
'bytes on the wire; more than body holds where only the start of a giant was kept';

SELECT pg_catalog.pg_extension_config_dump('@extschema@.call_events', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.call_events_default', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.calls', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.dead_letters', '');

