-- ---------------------------------------------------------------------------
-- Who may
-- ---------------------------------------------------------------------------

REVOKE ALL ON FUNCTION
	@extschema@.cdr_adopt_tables(name),
	@extschema@.cdr_update_tables(),
	@extschema@.cdr_hold_writers(),
	@extschema@.cdr_ingest_event(json),
	@extschema@.cdr_ingest_events(json[]),
	@extschema@.cdr_ingest_message(bytea, text, text, text, text, text, bytea, timestamptz, json, json),
	@extschema@.cdr_ingest_rows(text, json[], boolean),
	-- they show bodies that the caller may read anyway, and what mappings say
	@extschema@.cdr_explain_event(bytea, text, text, text, text, text, bytea, timestamptz, json, json, text, json),
	@extschema@.cdr_explain_event(text, text, text, text, text, text, bytea, timestamptz, json, json, text, json),
	@extschema@.cdr_explain_event(json, text, text, text, text, text, bytea, timestamptz, json, json, text, json),
	@extschema@.cdr_explain_event(uuid, text),
	@extschema@.cdr_explain_dead_letter(uuid, text),
	@extschema@.cdr_retry_dead_letters(uuid[]),
	@extschema@.cdr_discard_dead_letters(uuid[]),
	@extschema@.cdr_dead_letters(),
	@extschema@.cdr_status(),
	@extschema@.cdr_check_health(),
	@extschema@.cdr_read_progress(),
	-- they read calls with the rights of the role that writes them, and return sums
	@extschema@.cdr_count_recent_calls(),
	@extschema@.cdr_count_open_calls(),
	@extschema@.cdr_stats_reset(),
	@extschema@.cdr_pause(),
	@extschema@.cdr_resume(),
	@extschema@.cdr_create_partitions(timestamptz, timestamptz),
	@extschema@.cdr_verify_calls(text, timestamptz, timestamptz, text[]),
	@extschema@.cdr_rebuild_calls(text, timestamptz, timestamptz, boolean, text[], boolean, text),
	@extschema@.cdr_remap_preview(text, timestamptz, timestamptz, text[], text),
	@extschema@.cdr_correct_call(text, json, text, boolean),
	@extschema@.cdr_withdraw_correction(text, text[], text),
	@extschema@.cdr_close_stale_calls(interval, text, bigint),
	@extschema@.cdr_create_masked_view(),
	@extschema@.cdr_create_tenant_views(),
	@extschema@.cdr_create_evidence_tables(),
	@extschema@.cdr_seal(),
	-- for who erases: it works as the owner of calls
	@extschema@.cdr_erasure_plan(text, text, text, boolean),
	@extschema@.cdr_create_erasure_tables(),
	@extschema@.cdr_erase(text, text, text, text, text, integer),
	@extschema@.cdr_destroy_erasure_key(date, text),
	@extschema@.cdr_wipe(regclass),
	@extschema@.cdr_rename_alerts(bytea, text[], text, text),
	@extschema@.cdr_reapply_erasures(text, integer),
	-- for counsel: they write as the owner of calls
	@extschema@.cdr_hold(text, text, text, text, text, text, timestamptz, timestamptz, timestamptz),
	@extschema@.cdr_release_hold(uuid, text),
	@extschema@.cdr_create_retention_tables(),
	@extschema@.cdr_guard_log(boolean),
	-- for who manages records
	@extschema@.cdr_set_retention(text, text, interval, text, text),
	@extschema@.cdr_end_retention(text, text, text),
	@extschema@.cdr_retention_plan(timestamptz),
	@extschema@.cdr_count_access(timestamptz, jsonb),
	@extschema@.cdr_take_access(timestamptz, jsonb, integer),
	@extschema@.cdr_note_detached(regclass, text),
	@extschema@.cdr_make_table(text, text, text),
	@extschema@.cdr_make_unlogged(),
	@extschema@.cdr_evidence_status(),
	@extschema@.cdr_verify_evidence(date, date, text),
	-- else a trigger of anybody's could hold the lock that they take
	@extschema@.cdr_change_mapping(),
	@extschema@.cdr_count_call(),
	@extschema@.cdr_keep_rollup(),
	@extschema@.cdr_verify_rollup(),
	@extschema@.cdr_rebuild_rollup(),
	@extschema@.cdr_fold_rollup(),
	@extschema@.cdr_spread_mapping(),
	@extschema@.cdr_check_alerts(timestamptz, boolean),
	-- they read as the role that writes, for whoever may call them
	@extschema@.cdr_read_calls(text, text, timestamptz, timestamptz, text, text),
	@extschema@.cdr_read_events(text, text),
	@extschema@.cdr_evidence(text, text, text),
	@extschema@.cdr_add_anchor(text, text, bytea),
	-- what that does, as the role that writes: whatever hangs on the tables is not
	-- to run with the rights of somebody else
	@extschema@.cdr_evaluate_alert_rules(timestamptz, boolean),
	@extschema@.cdr_evaluate_alert_rule(text, timestamptz, boolean),
	@extschema@.cdr_evaluate_alert_rule_at(@extschema@.cdr_alert_rules, timestamptz, boolean),
	@extschema@.cdr_forget_alert_rules(),
	@extschema@.cdr_raise_alert(@extschema@.cdr_alert_rules, text, text, numeric, timestamptz, boolean),
	@extschema@.cdr_follow_alert(@extschema@.cdr_alert_rules, bigint, numeric, boolean, boolean, timestamptz),
	@extschema@.cdr_tell_alert(@extschema@.cdr_alerts)
FROM PUBLIC;
REVOKE ALL ON PROCEDURE
	@extschema@.cdr_rebuild_calls_in_slices(text, timestamptz, timestamptz, boolean, text[], integer, boolean, text, bigint),
	@extschema@.cdr_backfill(text, text, integer, boolean, bigint, bigint, bigint, bigint, bigint, bigint),
	@extschema@.cdr_apply_retention(integer, bigint, boolean)
FROM PUBLIC;

GRANT EXECUTE ON FUNCTION
	@extschema@.cdr_status(),
	@extschema@.cdr_check_health(),
	@extschema@.cdr_read_progress(),
	@extschema@.cdr_evidence_status(),
	@extschema@.cdr_dead_letters(),
	@extschema@.cdr_count_recent_calls(),
	@extschema@.cdr_count_open_calls()
TO pg_monitor;
GRANT SELECT ON
	@extschema@.cdr_health,
	@extschema@.cdr_progress,
	@extschema@.cdr_metrics_worker,
	@extschema@.cdr_metrics_traffic,
	@extschema@.cdr_metrics_open
TO pg_monitor;
-- it shows what whoever asks may read of calls
GRANT SELECT ON @extschema@.cdr_stale_calls TO PUBLIC;
-- whatever default privileges there are: called as whoever writes the tables
GRANT EXECUTE ON FUNCTION @extschema@.cdr_rows(bigint) TO PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.cdr_join_calls(record, record) TO PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.cdr_join_rows(record, record) TO PUBLIC;
GRANT EXECUTE ON FUNCTION
	@extschema@.cdr_event_content_digest(uuid, uuid, bytea, text, text, text, text, json, json, json, bytea),
	@extschema@.cdr_pseudonym(bytea, text),
	@extschema@.cdr_pseudonym(bytea, uuid),
	@extschema@.cdr_erased_call(record, bytea),
	@extschema@.cdr_names(bytea, text[]),
	@extschema@.cdr_tree_root(bytea[]),
	@extschema@.cdr_tree_groups(bytea[]),
	@extschema@.cdr_tree_peaks(bytea[], bigint, bytea[]),
	@extschema@.cdr_peaks_root(bytea[]),
	@extschema@.cdr_seal_entry(date, text, integer, timestamptz, timestamptz, bytea),
	-- with the rights of whoever calls them, and called as whoever writes the tables
	@extschema@.cdr_read_checkpoint(text),
	@extschema@.cdr_log_node(integer, bigint, bigint),
	@extschema@.cdr_log_proof(integer, bigint, bigint),
	@extschema@.cdr_tlog_proof(integer, bigint, bigint),
	@extschema@.cdr_place_in_seal(bytea[], bigint[], integer, integer, bytea[]),
	@extschema@.cdr_evidence_file(text, text, text, text, text),
	@extschema@.cdr_inclusion_proof(bytea[], bigint),
	@extschema@.cdr_event_leaf(timestamptz, timestamptz, timestamptz, "char", text, text, uuid, uuid, bytea, text, text, text, text, json, json, json, bytea, bytea),
	@extschema@.cdr_put_anchor(text, text, bytea)
TO PUBLIC;
-- called as the owner of calls, whoever that is; they lend no right
GRANT EXECUTE ON FUNCTION
	@extschema@.cdr_show_progress(text, text, bigint, bigint),
	@extschema@.cdr_put_entry(text),
	@extschema@.cdr_access_leaf(uuid, timestamptz, text, text, text, text, text, jsonb, text, bigint, text),
	@extschema@.cdr_access_entry(uuid, timestamptz, timestamptz, bytea[]),
	@extschema@.cdr_put_access_entry(uuid, timestamptz, timestamptz, bytea[]),
	@extschema@.cdr_access_problems(date, date),
	@extschema@.cdr_entries(text),
	@extschema@.cdr_refuse_change(),
	@extschema@.cdr_hold_condition(text, text),
	@extschema@.cdr_held(text, text),
	@extschema@.cdr_lock_holds(),
	@extschema@.cdr_hold_entry(uuid, text),
	@extschema@.cdr_erasure_condition(),
	@extschema@.cdr_check_erasure(text, text, text),
	@extschema@.cdr_wanted_of(text, text, timestamptz, uuid[]),
	@extschema@.cdr_said_by(text, text),
	@extschema@.cdr_plan_erasure(text, text, text, boolean),
	@extschema@.cdr_make_erasure_key(),
	@extschema@.cdr_erase_again(text, integer, text, text),
	@extschema@.cdr_erase_calls(text[], uuid, date, bytea),
	@extschema@.cdr_join_erased(text[], bytea, text, text),
	@extschema@.cdr_erase_alerts(bytea, text[], text, text),
	@extschema@.cdr_lock_for_erasure(),
	@extschema@.cdr_erase_dead_letters(uuid[]),
	@extschema@.cdr_erasure_entry(uuid),
	@extschema@.cdr_erasure_problems(date, date),
	@extschema@.cdr_erasure_proof(text, integer, bigint),
	@extschema@.cdr_note_erasure(uuid, date, text, text, text, text, text, bigint, bigint, bigint, bigint),
	@extschema@.cdr_erase_chosen(text, text, text, text, text, integer, text, text),
	@extschema@.cdr_end_erasure_key(date, text, text, text),
	@extschema@.cdr_place_hold(text, text, text, text, text, text, timestamptz, timestamptz, timestamptz, text, text),
	@extschema@.cdr_end_hold(uuid, text, text, text),
	@extschema@.cdr_put_retention(text, text, interval, text, text, text, text),
	@extschema@.cdr_take_retention(text, text, text, text, text),
	@extschema@.cdr_rule_entry(text, boolean, text, text),
	@extschema@.cdr_retention_limit(text, text),
	@extschema@.cdr_retention_times(integer, text, timestamptz[]),
	@extschema@.cdr_retention_query(text, regclass),
	@extschema@.cdr_retention_tables(timestamptz),
	@extschema@.cdr_access_limits(timestamptz),
	@extschema@.cdr_access_is_held(timestamptz, jsonb, text, jsonb),
	@extschema@.cdr_access_goes(),
	@extschema@.cdr_note_access_retired(bigint, timestamptz, timestamptz, text, text),
	@extschema@.cdr_lock_rules(),
	@extschema@.cdr_plan_retention(timestamptz),
	@extschema@.cdr_retention_entry(uuid),
	@extschema@.cdr_leaf_of_row(),
	@extschema@.cdr_retire_rows(text, regclass, timestamptz, integer, tid, text, text),
	@extschema@.cdr_keep_stubs(uuid, regclass, timestamptz, timestamptz),
	@extschema@.cdr_retire_partition(regclass, timestamptz, text, text, boolean),
	@extschema@.cdr_put_detached(regclass, text, text, text),
	@extschema@.cdr_retired_logged(),
	@extschema@.cdr_retired_leaves(uuid[], date, timestamptz, timestamptz),
	@extschema@.cdr_retired_day(uuid[], date, timestamptz)
TO PUBLIC;

-- what the role that writes needs to evaluate alert rules
GRANT EXECUTE ON FUNCTION
	@extschema@.cdr_evaluate_alert_rules(timestamptz, boolean),
	@extschema@.cdr_evaluate_alert_rule(text, timestamptz, boolean),
	@extschema@.cdr_evaluate_alert_rule_at(@extschema@.cdr_alert_rules, timestamptz, boolean),
	@extschema@.cdr_forget_alert_rules(),
	@extschema@.cdr_raise_alert(@extschema@.cdr_alert_rules, text, text, numeric, timestamptz, boolean),
	@extschema@.cdr_follow_alert(@extschema@.cdr_alert_rules, bigint, numeric, boolean, boolean, timestamptz),
	@extschema@.cdr_tell_alert(@extschema@.cdr_alerts)
TO cdr_service;
GRANT SELECT ON @extschema@.cdr_alert_rules TO cdr_service;
GRANT SELECT, INSERT, UPDATE ON @extschema@.cdr_alerts TO cdr_service;
GRANT USAGE ON @extschema@.cdr_alerts_id_seq TO cdr_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON @extschema@.cdr_alert_progress, @extschema@.cdr_alert_pending TO cdr_service;
-- the record of who read is nobody's, whatever default privileges there are; the role that
-- writes may add to it, and not change it
DO $do$
DECLARE
	grantee text;
BEGIN
	FOR grantee IN
		SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::pg_catalog.regrole::pg_catalog.text END
		FROM pg_catalog.pg_class AS c, pg_catalog.aclexplode(c.relacl) AS a
		WHERE c.oid = '@extschema@.cdr_access_log'::pg_catalog.regclass AND a.grantee <> c.relowner
	LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON @extschema@.cdr_access_log FROM %s', grantee);
	END LOOP;
END
$do$;
GRANT INSERT ON @extschema@.cdr_access_log TO cdr_service;
