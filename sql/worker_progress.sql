-- How far long work is: what a session shows of itself, until it is over or has failed.
CREATE EXTENSION cdr_service;
\set progress 'SELECT p.pid = pg_backend_pid() AS is_mine, p.database = current_database() AS here, p.role = current_user AS me, p.work, p.phase, p.relation, p.done, p.total, p.unit FROM cdr_progress AS p WHERE p.pid = pg_backend_pid();'
:progress

-- What is written in plpgsql shows it so.
SELECT cdr_show_progress('erase', 'erasing', 3, 7);
:progress
SELECT cdr_show_progress('verify evidence');
:progress
SELECT cdr_show_progress(NULL);
:progress

-- Nothing that nobody knows
SELECT cdr_show_progress('sleep');
SELECT cdr_show_progress('erase', 'dreaming');

-- An error clears it, also one that is caught; whatever is committed does not.
SELECT cdr_show_progress('erase');
SELECT 1 / 0;
:progress
DO $do$
BEGIN
	BEGIN
		PERFORM cdr_show_progress('wipe');
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN
		RAISE NOTICE 'shown after an error: %', (SELECT count(*) FROM cdr_progress AS p WHERE p.pid = pg_backend_pid());
	END;
	PERFORM cdr_show_progress('wipe');
	COMMIT;
	RAISE NOTICE 'shown after a commit: %', (SELECT count(*) FROM cdr_progress AS p WHERE p.pid = pg_backend_pid());
END
$do$;

-- PostgreSQL's own views do not take it for theirs; a command of the server's own replaces it.
SELECT count(*) FROM pg_stat_progress_vacuum AS p WHERE p.pid = pg_backend_pid();
SELECT count(*) FROM pg_stat_progress_copy AS p WHERE p.pid = pg_backend_pid();
ANALYZE calls;
:progress

-- Where activities are not to be tracked, this is not either.
SET track_activities = off;
SELECT cdr_show_progress('erase');
:progress
RESET track_activities;

-- Who may look
CREATE ROLE cdr_service_test_monitor IN ROLE pg_monitor;
CREATE ROLE cdr_service_test_nobody;
SELECT cdr_show_progress('erase');
SET ROLE cdr_service_test_monitor;
SELECT work FROM cdr_progress AS p WHERE p.pid = pg_backend_pid();
SET ROLE cdr_service_test_nobody;
SELECT work FROM cdr_progress AS p WHERE p.pid = pg_backend_pid();
SELECT * FROM cdr_read_progress();
RESET ROLE;
DROP ROLE cdr_service_test_monitor, cdr_service_test_nobody;

-- All of it, in order: none of it is left when it is over.
SELECT cdr_create_retention_tables();
SELECT cdr_ingest_event('{"eventType":"call.started","callId":"c","timestamp":"2026-01-19T22:00:00Z"}');
SELECT count(*) FROM cdr_verify_calls();
:progress
SELECT cdr_rebuild_calls();
:progress
SELECT count(*) FROM cdr_verify_rollup();
:progress
SELECT cdr_rebuild_rollup();
:progress
SELECT cdr_fold_rollup() >= 0 AS folded;
:progress
SELECT cdr_create_partitions('2026-01-19', '2026-01-19');
:progress
CALL cdr_apply_retention();
:progress

DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters, cdr_unlogged, cdr_holds, cdr_retention, cdr_retired, cdr_leaf_stubs;
