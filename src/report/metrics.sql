-- ---------------------------------------------------------------------------
-- Metrics
-- ---------------------------------------------------------------------------

-- Calls are corrected, and come late: so there is no counter of them, which may not go
-- down, but there are gauges.

CREATE FUNCTION @extschema@.cdr_count_recent_calls(
	OUT fresh boolean,
	OUT tenant_id text,
	OUT direction text,
	OUT outcome text,
	OUT calls bigint,
	OUT talks bigint,
	OUT talk_seconds float8,
	OUT setups bigint,
	OUT setup_seconds float8)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL UNSAFE ROWS 100
-- compiling it takes longer than running it
SET jit = off
AS 'MODULE_PATHNAME', 'cdr_count_recent_calls';

COMMENT ON FUNCTION @extschema@.cdr_count_recent_calls() IS
'counts of the calls of the last hour, those of the last five minutes apart, from which cdr_metrics_traffic is made';

-- Of a tenant and direction that had a call in the last hour, there are rows for each
-- outcome: a ratio over what is missing would be missing, too, just when nothing is
-- answered.  Rows of the others are always there: so a sum over all is, when there
-- is no call.  There are 20 tenants at most: more would be a burden to whoever keeps
-- them, and their names come from the wire.  Those in parentheses are ours.
CREATE VIEW @extschema@.cdr_metrics_traffic AS
	WITH counted AS MATERIALIZED (
		SELECT c.* FROM @extschema@.cdr_count_recent_calls() AS c),
	named AS (
		SELECT c.tenant_id FROM counted AS c
		WHERE c.tenant_id NOT IN ('(other)', '(none)')
		GROUP BY 1
		ORDER BY sum(c.calls) DESC, c.tenant_id COLLATE "C" LIMIT 20),
	labelled AS MATERIALIZED (
		SELECT CASE WHEN c.tenant_id IS NULL THEN '(none)' ELSE COALESCE(n.tenant_id, '(other)') END AS tenant,
			   c.*
		FROM counted AS c LEFT JOIN named AS n USING (tenant_id)),
	subjects AS (
		SELECT l.tenant, l.direction FROM labelled AS l
		UNION
		VALUES ('(other)', 'inbound'), ('(other)', 'outbound'), ('(other)', 'internal'))
	SELECT p.period, s.tenant AS tenant_id, s.direction, o.outcome,
		   COALESCE(sum(l.calls), 0)::bigint AS calls,
		   COALESCE(sum(l.talks), 0)::bigint AS talks,
		   COALESCE(sum(l.talk_seconds), 0) AS talk_seconds,
		   COALESCE(sum(l.setups), 0)::bigint AS setups,
		   COALESCE(sum(l.setup_seconds), 0) AS setup_seconds
	FROM subjects AS s
	CROSS JOIN (VALUES ('5m'), ('60m')) AS p(period)
	CROSS JOIN (VALUES ('answered'), ('presumed'), ('busy'), ('canceled'), ('failed'), ('no_answer'), ('undecided')) AS o(outcome)
	LEFT JOIN labelled AS l ON l.tenant = s.tenant AND l.direction = s.direction AND l.outcome = o.outcome
		AND (l.fresh OR p.period = '60m')
	GROUP BY 1, 2, 3, 4;

COMMENT ON VIEW @extschema@.cdr_metrics_traffic IS
'for monitoring: the calls that were attempted in the last 5 and 60 minutes, by tenant (the 20 with most calls, and others), direction and outcome; gauges';
COMMENT ON COLUMN @extschema@.cdr_metrics_traffic.period IS
'5m or 60m: calls that were attempted in the last 5 or 60 minutes';
COMMENT ON COLUMN @extschema@.cdr_metrics_traffic.tenant_id IS
'the tenant; (none): no tenant is known, (other): all but the 20 with most calls';
COMMENT ON COLUMN @extschema@.cdr_metrics_traffic.direction IS
'inbound, outbound or internal';
COMMENT ON COLUMN @extschema@.cdr_metrics_traffic.outcome IS
'answered, presumed, busy, canceled, failed, no_answer, or undecided: neither answered nor ended';
COMMENT ON COLUMN @extschema@.cdr_metrics_traffic.calls IS
'calls, from 0';
COMMENT ON COLUMN @extschema@.cdr_metrics_traffic.talks IS
'calls of which answer and end are known, from 0';
COMMENT ON COLUMN @extschema@.cdr_metrics_traffic.talk_seconds IS
'sum of seconds from answer to end of these';
COMMENT ON COLUMN @extschema@.cdr_metrics_traffic.setups IS
'calls of which start and answer are known, from 0';
COMMENT ON COLUMN @extschema@.cdr_metrics_traffic.setup_seconds IS
'sum of seconds from start to answer of these';

CREATE FUNCTION @extschema@.cdr_count_open_calls(
	OUT tenant_id text,
	OUT direction text,
	OUT open bigint,
	OUT answered bigint,
	OUT stale bigint,
	OUT oldest_seconds float8)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL UNSAFE ROWS 100
SET jit = off
AS 'MODULE_PATHNAME', 'cdr_count_open_calls';

COMMENT ON FUNCTION @extschema@.cdr_count_open_calls() IS
'counts of the calls that are up, from which cdr_metrics_open is made';

CREATE VIEW @extschema@.cdr_metrics_open AS
	WITH counted AS MATERIALIZED (
		SELECT c.* FROM @extschema@.cdr_count_open_calls() AS c),
	named AS (
		SELECT c.tenant_id FROM counted AS c
		WHERE c.tenant_id NOT IN ('(other)', '(none)')
		GROUP BY 1
		ORDER BY sum(c.open) DESC, c.tenant_id COLLATE "C" LIMIT 20)
	SELECT l.tenant AS tenant_id, l.direction,
		   sum(l.open)::bigint AS open, sum(l.answered)::bigint AS answered,
		   sum(l.stale)::bigint AS stale, max(l.oldest_seconds) AS oldest_seconds
	FROM (SELECT CASE WHEN c.tenant_id IS NULL THEN '(none)' ELSE COALESCE(n.tenant_id, '(other)') END,
				 c.direction, c.open, c.answered, c.stale, c.oldest_seconds
		  FROM counted AS c LEFT JOIN named AS n USING (tenant_id)
		  UNION ALL
		  VALUES ('(other)', 'inbound', 0, 0, 0, 0),
				 ('(other)', 'outbound', 0, 0, 0, 0),
				 ('(other)', 'internal', 0, 0, 0, 0)) AS l(tenant, direction, open, answered, stale, oldest_seconds)
	GROUP BY 1, 2;

COMMENT ON VIEW @extschema@.cdr_metrics_open IS
'for monitoring: the calls that are up, and those of which nothing was heard for a day, by tenant (the 20 with most, and others) and direction; gauges';
COMMENT ON COLUMN @extschema@.cdr_metrics_open.tenant_id IS
'the tenant; (none): no tenant is known, (other): all but the 20 with most';
COMMENT ON COLUMN @extschema@.cdr_metrics_open.direction IS
'inbound, outbound or internal';
COMMENT ON COLUMN @extschema@.cdr_metrics_open.open IS
'calls that are up: tried in the last three days, and heard of in the last one';
COMMENT ON COLUMN @extschema@.cdr_metrics_open.answered IS
'those of them that are answered';
COMMENT ON COLUMN @extschema@.cdr_metrics_open.stale IS
'calls of these three days without an end, of which nothing was heard for a day';
COMMENT ON COLUMN @extschema@.cdr_metrics_open.oldest_seconds IS
'age in seconds of the oldest that is up; 0: there is none';
