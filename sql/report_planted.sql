-- Functions of our names that others plant in the schema of the extension, with fewer
-- arguments or with such as take anything: where one of ours calls another, it is that
-- one that is called, and nothing that a stranger made runs with the caller's rights.
\set VERBOSITY terse
SET timezone = 'UTC';
CREATE ROLE regress_cdr_planter;
CREATE EXTENSION cdr_service;
GRANT CREATE, USAGE ON SCHEMA public TO regress_cdr_planter;
INSERT INTO calls (call_id, status, disposition, tenant_id, direction, callee_number, start_time, answer_time, end_time,
	event_count, first_event_time, last_event_time)
SELECT n::text, 'X', 'ANSWERED', 't', 'inbound', '+49' || n, t, t + interval '3 s', CASE WHEN n % 9 > 0 THEN t + interval '63 s' END, 1, t, t + interval '63 s'
FROM (SELECT n, timestamptz '2026-03-01' + n * interval '1 min' AS t FROM generate_series(1, 100) AS n) AS times;
INSERT INTO cdr_alert_rules (name, metric, time_window, raise_at, clear_at)
VALUES ('calls', 'calls', '1 hour', 1, 1), ('short', 'short_ratio', '1 hour', 0.1, 0.1);
SET cdr_service.evidence = on;
SELECT cdr_create_evidence_tables(), cdr_create_retention_tables(), cdr_create_erasure_tables();
SELECT count(cdr_ingest_event(format('{"eventType":"call.%s","callId":"e%s","timestamp":"2024-03-02T12:00:%s0Z","from":"+4930%s"}', type, n, i, n)::json))
FROM generate_series(1, 9) AS n, unnest('{started,answered,ended}'::text[]) WITH ORDINALITY AS t (type, i);
CREATE TABLE loot (who name, door text);
GRANT INSERT ON loot TO PUBLIC;

-- What can be planted beside a function: with fewer arguments, where ours has defaults; with
-- other types, by each choice of arguments, where there are few of them, or of one.
CREATE FUNCTION neighbours(function oid) RETURNS TABLE (arguments text) LANGUAGE sql AS $$
	SELECT string_agg(CASE WHEN c.chosen & (1 << (i - 1)::integer) = 0 THEN t::regtype::text
						   WHEN k.kind = 'integer' AND t <> 'bigint'::regtype THEN t::regtype::text ELSE k.kind END, ', ' ORDER BY i)
	FROM pg_proc AS p, unnest('{text,anyelement,integer}'::text[]) AS k (kind),
		 LATERAL (SELECT n AS chosen FROM generate_series(1, (1 << LEAST(p.pronargs::integer, 4)) - 1) AS n
				  UNION ALL SELECT 1 << n FROM generate_series(4, p.pronargs - 1) AS n) AS c,
		 LATERAL unnest(p.proargtypes::oid[]) WITH ORDINALITY AS u (t, i)
	WHERE p.oid = function GROUP BY c.chosen, k.kind
	UNION
	SELECT COALESCE((SELECT string_agg(t::regtype::text, ', ' ORDER BY i) FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS u (t, i) WHERE i <= n), '')
	FROM pg_proc AS p, generate_series(p.pronargs - p.pronargdefaults, p.pronargs - 1) AS n WHERE p.oid = function
$$;
CREATE FUNCTION plant() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	found record;
	planted bigint := 0;
BEGIN
	FOR found IN
		SELECT DISTINCT p.proname, n.arguments
		FROM pg_depend AS d JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid, neighbours(p.oid) AS n
		WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'cdr_service') AND d.deptype = 'e' AND n.arguments !~ 'internal'
		AND to_regprocedure(format('public.%I(%s)', p.proname, n.arguments)) IS NULL
	LOOP
		EXECUTE format('CREATE FUNCTION public.%I(%s) RETURNS text LANGUAGE plpgsql AS $body$ BEGIN INSERT INTO public.loot VALUES (current_user, %L); RETURN NULL; END $body$',
			found.proname, found.arguments, found.proname || '(' || found.arguments || ')');
		planted := planted + 1;
	END LOOP;
	RETURN planted;
END
$$;
SET ROLE regress_cdr_planter;
SELECT plant() > 1500 AS planted;
RESET ROLE;

-- Each by itself is what it is without them (its caller names all arguments, with their types).
CREATE FUNCTION walk(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM loot;
	EXECUTE query;
	RETURN (SELECT string_agg(DISTINCT door || ' as ' || CASE who WHEN session_user THEN 'caller' ELSE who END, '; ') FROM loot);
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END
$$;
SELECT query, walk(query) AS planted
FROM unnest(ARRAY[
	$$SELECT cdr_report(timestamptz '2026-03-01', timestamptz '2026-03-02', text 'UTC', NULL::text)$$,
	$$SELECT cdr_report(timestamptz '2027-03-01', timestamptz '2027-03-02', text 'UTC', text 't')$$,
	$$SELECT cdr_report_diff(timestamptz '2026-03-01', timestamptz '2026-03-02', timestamptz '2026-03-02', timestamptz '2026-03-03', text 'UTC', NULL::text)$$,
	$$SELECT * FROM cdr_traffic(timestamptz '2026-03-01', timestamptz '2026-03-02', interval '1 hour', text 'UTC', '{tenant_id,destination,hangup_cause,hour}'::text[])$$,
	$$SELECT * FROM cdr_traffic(timestamptz '2026-03-01', timestamptz '2026-03-02', NULL::interval, text 'UTC', '{tenant_id}'::text[])$$,
	$$SELECT * FROM cdr_concurrency(timestamptz '2026-03-01', timestamptz '2026-03-02', interval '1 hour', text 'UTC', NULL::text)$$,
	$$SELECT * FROM cdr_export_calls(timestamptz '2026-03-01', timestamptz '2026-03-02', text 'UTC', NULL::text, true)$$,
	$$SELECT * FROM cdr_metrics_traffic$$, $$SELECT * FROM cdr_metrics_open$$, $$SELECT * FROM cdr_health$$,
	$$SELECT cdr_create_masked_view()$$, $$SELECT * FROM calls_masked$$,
	$$SELECT * FROM cdr_try_alert_rule(text 'calls', timestamptz '2026-03-01 01:00', NULL::text)$$,
	$$SELECT * FROM cdr_try_alert_rule(text 'short', timestamptz '2026-03-01 01:00', text 't')$$,
	$$SELECT cdr_check_alerts(timestamptz '2026-03-01 01:00', true)$$, $$SELECT cdr_check_alerts(timestamptz '2026-03-01 05:00', true)$$,
	$$SELECT * FROM cdr_verify_rollup()$$, $$SELECT cdr_rebuild_rollup()$$,
	$$SELECT cdr_seal()$$, $$SELECT cdr_checkpoint()$$, $$SELECT cdr_evidence(text 'e1', text 'why', NULL::text)$$,
	$$SELECT * FROM cdr_read_calls(text 'why', text 'e1', NULL::timestamptz, NULL::timestamptz, NULL::text, NULL::text)$$,
	$$SELECT cdr_hold(text 'why', NULL::text, NULL::text, text 'e3', NULL::text, NULL::text, NULL::timestamptz, NULL::timestamptz, NULL::timestamptz)$$,
	$$SELECT cdr_set_retention(NULL::text, text 'events', interval '100 days', text 'purpose', text 'reason')$$, $$SELECT * FROM cdr_plan_retention(timestamptz '2026-06-01')$$,
	$$SELECT * FROM cdr_plan_erasure(NULL::text, text 'e5', NULL::text, false)$$, $$SELECT cdr_erase(NULL::text, text 'e5', NULL::text, text 'reason', NULL::text, 10)$$,
	$$SELECT cdr_erase(text '+49306', NULL::text, NULL::text, text 'reason', NULL::text, 10)$$,
	$$SELECT * FROM cdr_verify_evidence(NULL::date, NULL::date, NULL::text)$$, $$SELECT cdr_correct_call(text 'e1', json '{"trunk": "x"}', text 'why', false)$$,
	$$SELECT cdr_rebuild_calls(NULL::text, timestamptz '-infinity', NULL::timestamptz, true, NULL::text[], false, NULL::text)$$,
	$$SELECT cdr_adopt_tables(NULL::name)$$, $$SELECT cdr_update_tables()$$]) WITH ORDINALITY AS q (query, n) ORDER BY n;
SELECT count(*) > 0 AS alerts FROM cdr_alerts;
SET client_min_messages = warning;
CALL cdr_apply_retention(10000, NULL::bigint, NULL::boolean);
SELECT count(*) AS loot FROM loot;
DROP OWNED BY regress_cdr_planter;
DROP ROLE regress_cdr_planter;
DROP FUNCTION walk, plant, neighbours;
DROP TABLE loot;
DROP EXTENSION cdr_service CASCADE;
SELECT format('DROP TABLE %s CASCADE', string_agg(oid::regclass::text, ', ')) AS tables FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition \gset
:tables;
