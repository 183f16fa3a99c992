-- ---------------------------------------------------------------------------
-- Operation
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.cdr_status(
	OUT worker integer,
	OUT state text,
	OUT pid integer,
	OUT since timestamptz,
	OUT unhealthy_since timestamptz,
	OUT database text,
	OUT host text,
	OUT vhost text,
	OUT "user" text,
	OUT queue text,
	OUT backlog bigint,
	OUT consumers bigint,
	OUT waiting bigint,
	OUT received bigint,
	OUT recorded bigint,
	OUT without_call bigint,
	OUT without_time bigint,
	OUT unmapped bigint,
	OUT duplicates bigint,
	OUT dead_letters bigint,
	OUT batches bigint,
	OUT last_event_time timestamptz,
	OUT last_commit_time timestamptz,
	OUT lag interval,
	OUT reconnects bigint,
	OUT last_error text,
	OUT last_error_sqlstate text,
	OUT last_error_time timestamptz,
	OUT stats_reset timestamptz,
	OUT warning text)
RETURNS SETOF record
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'cdr_status';

COMMENT ON FUNCTION @extschema@.cdr_status() IS
'what each worker does and has done, and its last error';

-- The same for monitoring.  Counters are only what never goes down.

CREATE VIEW @extschema@.cdr_metrics_worker AS
	SELECT s.worker, COALESCE(s.queue, '') AS queue,
		   (s.state IN ('consuming', 'storing'))::integer AS up,
		   COALESCE(extract(epoch FROM clock_timestamp() - s.unhealthy_since), 0)::float8 AS unhealthy_seconds,
		   COALESCE(s.backlog, 0) AS backlog,
		   COALESCE(s.consumers, 0) AS consumers,
		   COALESCE(s.waiting, 0) AS waiting,
		   COALESCE(extract(epoch FROM s.lag), 0)::float8 AS lag_seconds,
		   COALESCE(extract(epoch FROM s.last_event_time), 0)::float8 AS last_event_time,
		   COALESCE(extract(epoch FROM s.last_commit_time), 0)::float8 AS last_commit_time,
		   s.received, s.recorded, s.without_call, s.without_time, s.unmapped,
		   s.duplicates, s.dead_letters, s.batches, s.reconnects,
		   extract(epoch FROM s.stats_reset)::float8 AS stats_reset,
		   -- an exporter may repeat what it read before the server went away
		   extract(epoch FROM clock_timestamp())::float8 AS sampled_at
	FROM @extschema@.cdr_status() AS s;

COMMENT ON VIEW @extschema@.cdr_metrics_worker IS
'for monitoring: what each worker does, in numbers; the columns from received to reconnects are counters';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.worker IS
'number of the worker, from 0';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.queue IS
'the queue that it consumes from';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.up IS
'1 while it is consuming or storing, else 0';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.unhealthy_seconds IS
'for how many seconds it has not been healthy; 0: it is';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.backlog IS
'messages that wait in the queue, as the broker said last';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.consumers IS
'consumers of the queue, as the broker said last';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.waiting IS
'events that are held because they cannot be stored';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.lag_seconds IS
'seconds from the time of the latest event stored to its commit';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.last_event_time IS
'time of the latest event stored, in seconds since 1970; 0: none';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.last_commit_time IS
'when the latest batch was committed, in seconds since 1970; 0: none';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.received IS
'counter: messages received';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.recorded IS
'counter: events recorded';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.without_call IS
'counter: events that shape calls and had no call id';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.without_time IS
'counter: events without a time of their own';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.unmapped IS
'counter: events in which a mapping found no call id';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.duplicates IS
'counter: events that were known already';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.dead_letters IS
'counter: messages that became dead letters';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.batches IS
'counter: batches committed';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.reconnects IS
'counter: connections to a broker after the first';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.stats_reset IS
'when the counters began, in seconds since 1970';
COMMENT ON COLUMN @extschema@.cdr_metrics_worker.sampled_at IS
'the time of the server, in seconds since 1970';

CREATE FUNCTION @extschema@.cdr_stats_reset()
RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'cdr_stats_reset';

COMMENT ON FUNCTION @extschema@.cdr_stats_reset() IS
'sets the counters of cdr_status() to zero and forgets last errors';

