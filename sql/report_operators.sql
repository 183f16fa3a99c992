-- Operators, casts, and functions with the names of PostgreSQL's, that others plant in the
-- schema of the extension, for types that PostgreSQL has none for and would convert: what
-- the extension is made of there, and what it runs, means PostgreSQL's own.
-- (What is not qualified here might mean what is planted, too.)
\set VERBOSITY terse
SET timezone = 'UTC';
SET client_min_messages = warning;
CREATE ROLE regress_cdr_planter;
CREATE SCHEMA regress_cdr_loot;
GRANT USAGE ON SCHEMA regress_cdr_loot TO PUBLIC;
CREATE TABLE regress_cdr_loot.loot (who name, door text);
GRANT INSERT ON regress_cdr_loot.loot TO PUBLIC;

-- What functions and views of the extension call
CREATE EXTENSION cdr_service;
CREATE TABLE regress_cdr_loot.called AS
SELECT DISTINCT m[1] AS name, p.pronargs
FROM (SELECT pg_get_functiondef(p.oid) AS body
	  FROM pg_depend AS d JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
	  WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'cdr_service') AND d.deptype = 'e' AND p.prokind <> 'a'
	  UNION ALL
	  SELECT pg_get_viewdef(c.oid) FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'v') AS bodies,
	 regexp_matches(body, '(\w+)\(', 'g') AS m
JOIN pg_proc AS p ON p.proname = m[1] AND p.pronamespace = 'pg_catalog'::regnamespace AND p.pronargs BETWEEN 1 AND 3 AND p.prokind IN ('f', 'a');
GRANT SELECT ON regress_cdr_loot.called TO PUBLIC;
DROP EXTENSION cdr_service CASCADE;
SELECT format('DROP TABLE %s CASCADE', string_agg(oid::regclass::text, ', ')) AS tables FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition \gset
:tables;

CREATE PROCEDURE regress_cdr_loot.plant() LANGUAGE plpgsql AS $$
DECLARE
	types constant text[] := '{text,name,integer,bigint,smallint,numeric,float8,boolean,timestamptz,timestamp,date,interval,'
		'oid,"char",regclass,regrole,uuid,json,jsonb,bytea,text[],timestamptz[],anyelement,anyarray}';
	planted record;
BEGIN
	FOR planted IN
		SELECT l AS left, r AS right, k.returns, k.operators
		FROM unnest(types) AS l, unnest(types) AS r,
			 (VALUES ('boolean', '{=,<>,<,<=,>,>=,~,~~,&&,@>}'::text[]), ('text', '{||,->>}'), (NULL, '{+,-,*,/,%}')) AS k(returns, operators)
		-- one that returns a type of any kind needs an argument of that
		WHERE k.returns IS NOT NULL OR l NOT LIKE 'any%'
	LOOP
		EXECUTE format('CREATE FUNCTION public.planted_%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS'
			' $body$ BEGIN INSERT INTO regress_cdr_loot.loot VALUES (current_user, %L); RETURN NULL; END $body$',
			COALESCE(planted.returns, 'left'), planted.left, planted.right, COALESCE(planted.returns, planted.left),
			'operator of ' || planted.left || ' and ' || planted.right);
		EXECUTE (SELECT COALESCE(string_agg(format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.planted_%s)',
										  o, planted.left, planted.right, COALESCE(planted.returns, 'left')), '; '), '')
				 FROM unnest(planted.operators) AS o
				 WHERE to_regoperator(format('pg_catalog.%s(%s,%s)', o, planted.left, planted.right)) IS NULL);
	END LOOP;
	FOR planted IN
		SELECT c.name, a.arguments
		FROM regress_cdr_loot.called AS c, unnest('{text,integer,numeric,oid,timestamptz,anyelement}'::text[]) AS k,
			 array_to_string(array_fill(k, ARRAY[c.pronargs::integer]), ',') AS a(arguments)
		WHERE to_regprocedure(format('pg_catalog.%I(%s)', c.name, a.arguments)) IS NULL
	LOOP
		EXECUTE format('CREATE FUNCTION public.%I(%s) RETURNS text LANGUAGE plpgsql AS'
			' $body$ BEGIN INSERT INTO regress_cdr_loot.loot VALUES (current_user, %L); RETURN NULL; END $body$',
			planted.name, planted.arguments, planted.name || '(' || planted.arguments || ')');
	END LOOP;
END
$$;
GRANT CREATE, USAGE ON SCHEMA public TO regress_cdr_planter;
GRANT EXECUTE ON PROCEDURE regress_cdr_loot.plant TO regress_cdr_planter;
SET search_path = pg_catalog;
SET ROLE regress_cdr_planter;
CALL regress_cdr_loot.plant();
-- a type of the planter's, that text becomes and that becomes text, and domains of the names of types
CREATE TYPE public.planted AS (v text);
CREATE FUNCTION public.to_planted(text) RETURNS public.planted LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO regress_cdr_loot.loot VALUES (current_user, 'cast'); RETURN NULL; END $$;
CREATE FUNCTION public.from_planted(public.planted) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO regress_cdr_loot.loot VALUES (current_user, 'cast back'); RETURN NULL; END $$;
CREATE CAST (text AS public.planted) WITH FUNCTION public.to_planted AS IMPLICIT;
CREATE CAST (public.planted AS text) WITH FUNCTION public.from_planted AS IMPLICIT;
CREATE FUNCTION public.planted_check(text) RETURNS boolean LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO regress_cdr_loot.loot VALUES (current_user, 'domain'); RETURN true; END $$;
SELECT format('CREATE DOMAIN public."%s" AS pg_catalog."%1$s" CHECK (public.planted_check(VALUE::text))', t) AS domain
FROM unnest('{text,bool,int4,int8,numeric,timestamptz,interval,json,jsonb,name,oid,regclass,uuid,bytea}'::text[]) AS t \gexec
RESET ROLE;
SELECT count(*) > 5000 AS operators FROM pg_operator WHERE oprnamespace = 'public'::regnamespace;
SELECT count(*) > 1500 AS functions FROM pg_proc WHERE pronamespace = 'public'::regnamespace;

-- Nothing of it runs where the extension is made, nor becomes a part of it
CREATE EXTENSION cdr_service SCHEMA public;
SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS ours, pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid) AS planted
FROM pg_depend AS d
WHERE EXISTS (SELECT FROM pg_shdepend AS s WHERE s.classid = d.refclassid AND s.objid = d.refobjid AND s.deptype = 'o'
			  AND s.refobjid = 'regress_cdr_planter'::regrole AND s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()))
AND (d.classid, d.objid) IN (SELECT e.classid, e.objid FROM pg_depend AS e WHERE e.deptype = 'e'
							 UNION SELECT 'pg_rewrite'::regclass, r.oid FROM pg_rewrite AS r
							 UNION SELECT 'pg_constraint'::regclass, c.oid FROM pg_constraint AS c WHERE c.conrelid <> 0
							 UNION SELECT 'pg_attrdef'::regclass, a.oid FROM pg_attrdef AS a
							 UNION SELECT 'pg_class'::regclass, c.oid FROM pg_class AS c WHERE c.reltype NOT IN (SELECT t.oid FROM pg_type AS t WHERE t.typowner = 'regress_cdr_planter'::regrole));
INSERT INTO public.calls (call_id, status, disposition, tenant_id, direction, callee_number, start_time, answer_time, end_time,
	event_count, first_event_time, last_event_time)
SELECT n::text, 'X', 'ANSWERED', 't', 'inbound', '+49' || n, t, t + interval '3 s', CASE WHEN n % 9 > 0 THEN t + interval '63 s' END, 1, t, t + interval '63 s'
FROM (SELECT n, timestamptz '2026-03-01' + n * interval '1 min' AS t FROM generate_series(1, 100) AS n) AS times;
INSERT INTO public.cdr_alert_rules (name, metric, time_window, raise_at, clear_at)
VALUES ('calls', 'calls', '1 hour', 1, 1), ('short', 'short_ratio', '1 hour', 0.1, 0.1);
SET cdr_service.evidence = on;
SELECT public.cdr_create_evidence_tables(), public.cdr_create_retention_tables(), public.cdr_create_erasure_tables();
SELECT count(public.cdr_ingest_event(format('{"eventType":"call.%s","callId":"e%s","timestamp":"2026-03-01T12:00:%s0Z","from":"+4930%s"}', type, n, i, n)::json))
FROM generate_series(1, 9) AS n, unnest('{started,answered,ended}'::text[]) WITH ORDINALITY AS t (type, i);

-- Nor where it runs, with that schema in the path of whoever calls (whose own text names
-- the types that it means)
CREATE FUNCTION regress_cdr_loot.walk(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	DELETE FROM regress_cdr_loot.loot;
	PERFORM set_config('search_path', 'public', true);
	EXECUTE query;
	PERFORM pg_catalog.set_config('search_path', 'pg_catalog', true);
	SELECT string_agg(DISTINCT door || ' as ' || CASE who WHEN session_user THEN 'caller' ELSE who END, '; ') INTO found FROM regress_cdr_loot.loot;
	RETURN found;
EXCEPTION WHEN OTHERS THEN
	-- (what is asked of the worker needs a server that has the library loaded)
	RETURN NULLIF(SQLERRM, 'cdr_service must be loaded via shared_preload_libraries');
END
$$;
SELECT query, regress_cdr_loot.walk(replace(replace(query, '@', 'pg_catalog.timestamptz '), '#', 'NULL::pg_catalog.')) AS planted
FROM unnest(ARRAY[
	$$SELECT cdr_report(@'2026-03-01', @'2026-03-02', pg_catalog.text 'UTC', #text)$$,
	$$SELECT cdr_report_diff(@'2026-03-01', @'2026-03-02', @'2026-03-02', @'2026-03-03', pg_catalog.text 'UTC', #text)$$,
	$$SELECT * FROM cdr_traffic(@'2026-03-01', @'2026-03-02', pg_catalog.interval '1 hour', pg_catalog.text 'UTC', '{tenant_id,destination,hangup_cause,hour}'::pg_catalog.text[])$$,
	$$SELECT * FROM cdr_traffic(@'2026-03-01', @'2026-03-02', #interval, pg_catalog.text 'UTC', '{tenant_id}'::pg_catalog.text[])$$,
	$$SELECT * FROM cdr_concurrency(@'2026-03-01', @'2026-03-02', pg_catalog.interval '1 hour', pg_catalog.text 'UTC', #text)$$,
	$$SELECT * FROM cdr_export_calls(@'2026-03-01', @'2026-03-02', pg_catalog.text 'UTC', #text, true)$$,
	$$SELECT cdr_local_time(@'2026-03-01', pg_catalog.text 'Europe/Berlin'), cdr_csv_safe(pg_catalog.text '=1')$$,
	$$SELECT * FROM cdr_metrics_worker$$, $$SELECT * FROM cdr_metrics_traffic$$, $$SELECT * FROM cdr_metrics_open$$, $$SELECT * FROM cdr_health$$,
	$$SELECT cdr_create_masked_view()$$, $$SELECT * FROM calls_masked$$, $$SELECT cdr_create_tenant_views()$$,
	$$SELECT * FROM cdr_try_alert_rule(pg_catalog.text 'calls', @'2026-03-01 01:00', #text)$$,
	$$SELECT * FROM cdr_try_alert_rule(pg_catalog.text 'short', @'2026-03-01 01:00', pg_catalog.text 't')$$,
	$$SELECT cdr_check_alerts(@'2026-03-01 01:00', true)$$, $$SELECT cdr_check_alerts(@'2026-03-01 05:00', true)$$,
	$$SELECT * FROM cdr_verify_rollup()$$, $$SELECT cdr_rebuild_rollup()$$,
	$$SELECT cdr_seal()$$, $$SELECT cdr_checkpoint()$$, $$SELECT cdr_evidence(pg_catalog.text 'e1', pg_catalog.text 'why', #text)$$,
	$$SELECT * FROM cdr_read_calls(pg_catalog.text 'why', pg_catalog.text 'e1', #timestamptz, #timestamptz, #text, #text)$$,
	$$SELECT * FROM cdr_call_history(pg_catalog.text 'e1')$$, $$SELECT * FROM cdr_verify_calls(#text)$$,
	$$SELECT cdr_hold(pg_catalog.text 'why', #text, #text, pg_catalog.text 'e3', #text, #text, #timestamptz, #timestamptz, #timestamptz)$$,
	$$SELECT cdr_set_retention(#text, pg_catalog.text 'events', pg_catalog.interval '100 days', pg_catalog.text 'purpose', pg_catalog.text 'reason')$$,
	$$SELECT * FROM cdr_plan_retention(@'2026-06-01')$$,
	$$SELECT * FROM cdr_plan_erasure(#text, pg_catalog.text 'e5', #text, false)$$,
	$$SELECT cdr_erase(#text, pg_catalog.text 'e5', #text, pg_catalog.text 'reason', #text, 10)$$,
	$$SELECT * FROM cdr_verify_evidence(#date, #date, #text)$$,
	$$SELECT cdr_correct_call(pg_catalog.text 'e1', json '{"trunk": "x"}', pg_catalog.text 'why', false)$$,
	$$SELECT cdr_rebuild_calls(#text, @'-infinity', #timestamptz, true, #text[], false, #text)$$,
	$$SELECT cdr_adopt_tables(#name)$$, $$SELECT cdr_update_tables()$$,
	$$UPDATE calls SET trunk = 'x'$$, $$DELETE FROM calls$$, $$TRUNCATE calls$$]) WITH ORDINALITY AS q (query, n) ORDER BY n;

-- The loot does tell of what is planted where a path leads to it
SELECT regress_cdr_loot.walk('SELECT pg_catalog.numeric ''1'' = 1, public.to_planted(NULL)') ~ 'numeric and integer as caller' AS told;
SET search_path = public;
DROP EXTENSION cdr_service CASCADE;
SET search_path = pg_catalog;
SELECT format('DROP TABLE %s CASCADE', string_agg(oid::regclass::text, ', ')) AS tables FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition \gset
:tables;
-- (a transaction has no room for so many locks)
DO $$
DECLARE
	planted record;
	n integer := 0;
BEGIN
	FOR planted IN SELECT p.oid::regprocedure AS function FROM pg_proc AS p WHERE p.proowner = 'regress_cdr_planter'::regrole LOOP
		EXECUTE format('DROP FUNCTION %s CASCADE', planted.function);
		n := n + 1;
		IF n % 100 = 0 THEN
			COMMIT;
		END IF;
	END LOOP;
END
$$;
DROP OWNED BY regress_cdr_planter CASCADE;
DROP ROLE regress_cdr_planter;
DROP SCHEMA regress_cdr_loot CASCADE;
