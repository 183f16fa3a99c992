-- ---------------------------------------------------------------------------
-- Tables
-- ---------------------------------------------------------------------------

-- Each column once: CREATE EXTENSION makes the tables of this list, and
-- cdr_update_tables() adds those that tables of an older version lack.
--
-- The tables are no members of the extension, but it depends on them: so a
-- dump writes them as ordinary tables, before the extension.  What they say may
-- therefore not call a function of the extension.
CREATE FUNCTION @extschema@.cdr_table_columns(
	OUT table_name name,
	OUT column_name name,
	OUT definition text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $function$
	VALUES
	('call_events', '@column:log@', $d$@definition@$d$),
	('dead_letters', '@column:letter@', $d$@definition@$d$),
	('timeless_events', '@column:timeless@', $d$@definition@$d$),
	('calls', 'call_id', $d$text COLLATE pg_catalog."C" NOT NULL$d$),
	('calls', 'status', $d$text NOT NULL GENERATED ALWAYS AS (
		CASE WHEN end_time IS NOT NULL THEN 'COMPLETED'
			 WHEN answer_time IS NOT NULL THEN 'ANSWERED'
			 WHEN start_time IS NOT NULL THEN 'STARTED'
			 ELSE 'IDENTIFIED' END) STORED$d$),
	-- Hangup causes as Sentiric's producers, FreeSWITCH and Q.850 name them.
	-- What none of these tells, and was never answered, rang out.
	('calls', 'disposition', $d$text GENERATED ALWAYS AS (
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
		END) STORED$d$),
	('calls', '@column:course@', '@definition@'),
	-- whole seconds, never negative; exact: numeric, not float8
	('calls', 'duration_seconds', $d$bigint GENERATED ALWAYS AS (
		CASE WHEN end_time < start_time THEN 0
			 ELSE trunc(extract(epoch FROM end_time - start_time))::bigint
		END) STORED$d$),
	('calls', 'billable_seconds', $d$bigint GENERATED ALWAYS AS (
		CASE WHEN end_time IS NULL THEN NULL
			 WHEN answer_time IS NULL OR end_time < answer_time THEN 0
			 ELSE trunc(extract(epoch FROM end_time - answer_time))::bigint
		END) STORED$d$),
	('calls', '@column:end@', '@definition@'),
	('calls', 'tenant_id', $d$text GENERATED ALWAYS AS (
		COALESCE(identified_tenant_id, started_tenant_id)) STORED$d$),
	('calls', '@column:rest@', '@definition@'),
	-- which events won: what the merge needs to be the same in any order
	('calls', '@column:winners@', '@definition@')@,@
$function$;

COMMENT ON FUNCTION @extschema@.cdr_table_columns() IS
'the columns of the tables, as CREATE EXTENSION makes them';

CREATE FUNCTION @extschema@.cdr_adopt_tables(owner name DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_adopt_tables';

COMMENT ON FUNCTION @extschema@.cdr_adopt_tables(name) IS
'makes the tables that are missing, and has the extension depend on all of them; gives them, with all partitions, to a role, if one is named';

CREATE FUNCTION @extschema@.cdr_update_tables()
RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_update_tables';

COMMENT ON FUNCTION @extschema@.cdr_update_tables() IS
'adds the columns that tables of an older version lack; returns how many';

SELECT @extschema@.cdr_adopt_tables();
