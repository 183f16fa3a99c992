-- Holds: what they match, who may place and release them, and what the log says of it.
CREATE EXTENSION cdr_service;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
\set SHOW_CONTEXT never
CREATE FUNCTION ev(type text, call text, at text, who text DEFAULT NULL, whom text DEFAULT NULL, tenant text DEFAULT NULL) RETURNS json LANGUAGE sql AS
$$ SELECT json_strip_nulls(json_build_object('eventType', type, 'callId', call, 'timestamp', at, 'from', who, 'to', whom, 'tenantId', tenant)) $$;
CREATE FUNCTION letter(body text, at timestamptz DEFAULT now(), encoding text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
	INSERT INTO dead_letters (event_id, received_at, last_attempt_at, sqlstate, message, body_size, body, content_encoding)
	VALUES (md5(body)::uuid, at, at, 'P0001', 'x', length(convert_to(body, 'UTF8')), convert_to(body, 'UTF8'), encoding) $$;

-- without tables
SELECT cdr_hold('a reason', call_id => 'a');
SELECT cdr_lock_holds();
-- nobody's but the owner's, whatever default privileges there are
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;
SELECT cdr_create_retention_tables();
SELECT cdr_create_retention_tables();
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC;
SELECT c.relname, c.relowner::regrole, (SELECT count(*) FROM aclexplode(c.relacl) AS a WHERE a.grantee <> c.relowner) AS others
FROM pg_class AS c WHERE relname IN ('cdr_holds', 'cdr_unlogged') ORDER BY 1;

-- what is refused
SELECT cdr_hold(NULL, call_id => 'a');
SELECT cdr_hold(E' \n', call_id => 'a');
SELECT cdr_hold(repeat('x', 1001), call_id => 'a');
SELECT cdr_hold('a reason');
SELECT cdr_hold('a reason', reference => 'r', expires_at => 'infinity');
SELECT cdr_hold('a reason', call_id => '');
SELECT cdr_hold('a reason', number => '+00');
SELECT cdr_hold('a reason', number => repeat('1', 1001));
SELECT cdr_hold('a reason', from_time => '2021-01-02', to_time => '2021-01-02');
SELECT cdr_hold('a reason', tenant_id => 't', expires_at => now());
SELECT cdr_release_hold(NULL, 'a reason');
SELECT cdr_release_hold('00000000-0000-0000-0000-000000000000', 'a reason');
SELECT cdr_release_hold('00000000-0000-0000-0000-000000000000', '');
SELECT cdr_hold_entry(NULL, 'kept');
SELECT count(*) FROM cdr_holds;

-- calls
SELECT cdr_ingest_events(ARRAY[
	ev('call.started', 'a', '2021-03-01T12:00:00Z', '+12025550101', '+12025550102', 't1'), ev('call.answered', 'a', '2021-03-01T12:00:10Z'), ev('call.ended', 'a', '2021-03-01T12:10:00Z'),
	ev('call.started', 'b', '2021-03-02T12:00:00Z', '0012025550102', '2000', 't2'), ev('call.ended', 'b', '2021-03-02T12:01:00Z'),
	ev('call.started', 'c', '2021-03-03T12:00:00Z', '1000', '2000'),
	ev('nothing', NULL, '2021-03-03T13:00:00Z'), ev('nothing', NULL, '2021-03-03T14:00:00Z', tenant => 't1')]);
SELECT letter('{"callId":"a"}'), letter('{"callId":"\u0061"}'), letter('{"callId":"c"}'), letter('{"callId":"b", "x":"ü"}'), letter('zip', encoding => 'gzip'), letter('{"callId":"a","old":1}', '2020-01-01');
-- which calls, events and dead letters a hold of these words holds; and how long it takes is not asked
CREATE FUNCTION holds(VARIADIC words text[]) RETURNS TABLE (calls text, events text, letters text) LANGUAGE plpgsql AS $$
DECLARE
	id uuid;
BEGIN
	EXECUTE format('SELECT cdr_hold(''a reason'', %s)', (SELECT string_agg(format('%s => %L', split_part(w, '=', 1), split_part(w, '=', 2)), ', ') FROM unnest(words) AS w)) INTO id;
	EXECUTE format('SELECT string_agg(call_id, '' '' ORDER BY call_id) FROM calls AS c WHERE %s', cdr_held('calls', 'c')) INTO calls;
	EXECUTE format('SELECT string_agg(COALESCE(NULLIF(call_id, ''''), ''-'') || to_char(event_time, ''DDHH24MI''), '' '' ORDER BY call_id, event_time) FROM call_events AS e WHERE %s', cdr_held('events', 'e')) INTO events;
	EXECUTE format('SELECT string_agg(convert_from(body, ''UTF8''), '' '' ORDER BY body) FROM dead_letters AS d WHERE %s', cdr_held('dead_letters', 'd')) INTO letters;
	ASSERT calls IS NOT DISTINCT FROM (SELECT string_agg(call_id, ' ' ORDER BY call_id) FROM cdr_held_calls() WHERE hold_id = id);
	PERFORM cdr_release_hold(id, 'a test');
	RETURN NEXT;
END $$;
SELECT * FROM holds('call_id=a');
SELECT * FROM holds('call_id=later');
SELECT * FROM holds('number=+12025550102');
SELECT * FROM holds('number=2000');
SELECT * FROM holds('number=20255501');
SELECT * FROM holds('tenant_id=t1');
SELECT * FROM holds('tenant_id=t2', 'number=+12025550101');
SELECT * FROM holds('from_time=2021-03-01 12:10:00', 'to_time=2021-03-02 12:00:00');
SELECT * FROM holds('from_time=2021-03-02 12:00:01');
SELECT * FROM holds('to_time=2021-03-01 12:00:00');
SELECT * FROM holds('from_time=-infinity');
SELECT * FROM holds('to_time=infinity', 'tenant_id=t1', 'call_id=a');
-- a call that was retired before its events: whatever they do not rule out
BEGIN;
DELETE FROM calls WHERE call_id IN ('a', 'c');
SELECT * FROM holds('number=5');
SELECT * FROM holds('tenant_id=t1');
SELECT * FROM holds('tenant_id=t2');
SELECT * FROM holds('call_id=a');
ROLLBACK;

-- now and later: a call that comes to belong to it; not what was released, or is over
SELECT cdr_hold('the police ask', 'case 7', 'court of Z', tenant_id => 't9') AS hold \gset
SELECT cdr_hold('for a while', tenant_id => 't8', expires_at => now() + interval '1 hour') AS brief \gset
SELECT * FROM cdr_held_calls();
SELECT cdr_ingest_events(ARRAY[ev('call.started', 'd', '2021-03-04T12:00:00Z', '1', '2', 't9'), ev('call.started', 'e', '2021-03-04T12:00:00Z', '1', '2', 't8')]);
SELECT hold_id = :'hold' AS first, call_id FROM cdr_held_calls() ORDER BY 2;
UPDATE cdr_holds SET expires_at = now() WHERE hold_id = :'brief';
SELECT hold_id = :'hold' AS first, call_id FROM cdr_held_calls() ORDER BY 2;
SELECT cdr_release_hold(:'hold', 'case closed');
\set VERBOSITY sqlstate
SELECT cdr_release_hold(:'hold', 'case closed');
\set VERBOSITY default
SELECT * FROM cdr_held_calls();
SELECT login = session_user AS login, role = current_user AS role, reason, reference, authority, tenant_id, released_at > placed_at AS released, release_login = session_user AS by, release_reason
FROM cdr_holds WHERE tenant_id = 't9';

-- the log, where evidence is on; its digest, worked out again
SELECT count(*) FROM cdr_unlogged;
SET cdr_service.evidence = on;
SELECT cdr_hold('s3cret', number => '+12025550101') AS hold \gset
BEGIN;
SELECT cdr_release_hold(:'hold', 'taken back');
ROLLBACK;
SELECT count(*) FROM cdr_unlogged;
SELECT cdr_create_evidence_tables();
SELECT cdr_release_hold(:'hold', 'over');
SELECT cdr_ingest_event(ev('call.started', 'f', '2021-03-04T12:00:00Z'));
SELECT cdr_seal() AS entries;
SELECT count(*) AS waiting FROM cdr_unlogged;
SELECT log_index, split_part(entry, E'\n', 1) AS form, CASE WHEN entry LIKE 'cdr-hold%' THEN split_part(entry, E'\n', 2) END AS act,
	entry IN (cdr_hold_entry(:'hold', 'placed'), cdr_hold_entry(:'hold', 'released')) AS of_hold FROM cdr_log ORDER BY 1;
SELECT split_part(l.entry, E'\n', 3) = h.hold_id::text AS id, split_part(l.entry, E'\n', 4)::timestamptz = h.placed_at AS at, split_part(l.entry, E'\n', 5) = 'sql:' || session_user AS login,
	split_part(l.entry, E'\n', 6) = encode(sha256(uuid_send(h.key) || convert_to(jsonb_build_object('hold_id', hold_id, 'placed_at', placed_at, 'login', login, 'role', role, 'reason', reason, 'reference', reference,
		'authority', authority, 'call_id', call_id, 'number', number, 'tenant_id', tenant_id, 'from_time', from_time, 'to_time', to_time, 'expires_at', expires_at)::text, 'UTF8')), 'base64') AS digest
FROM cdr_holds AS h, cdr_log AS l WHERE h.hold_id = :'hold' AND l.entry LIKE E'cdr-hold-v1\nplaced%';
SELECT count(*) AS personal FROM cdr_log WHERE entry ~ '5550101|s3cret|over';
SELECT problem, detail FROM cdr_verify_evidence('2021-03-04', '2021-03-05') WHERE problem <> 'rows without a seal';
-- nothing but an act
BEGIN;
SELECT cdr_hold('x', tenant_id => 'x') IS NOT NULL AS held;
SELECT cdr_seal() AS entries;
SELECT max(size) AS size FROM cdr_checkpoints;
SELECT problem FROM cdr_verify_evidence('2021-03-05', '2021-03-05');
UPDATE cdr_log SET entry = replace(entry, 'sql:', 'sql:x') WHERE entry LIKE 'cdr-hold%';
SELECT problem FROM cdr_verify_evidence('2021-03-05', '2021-03-05');
ROLLBACK;
RESET cdr_service.evidence;

-- who takes records away locks holds, and sees those of now
BEGIN;
SELECT cdr_lock_holds();
SELECT mode FROM pg_locks WHERE relation = 'cdr_holds'::regclass AND pid = pg_backend_pid() AND mode LIKE 'Share%';
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT cdr_lock_holds();
ROLLBACK;

-- Counsel holds, and has no right on anything else; others have not this one.
CREATE ROLE regress_cdr_counsel;
CREATE ROLE regress_cdr_other;
GRANT EXECUTE ON FUNCTION cdr_hold, cdr_release_hold TO regress_cdr_counsel;
SET ROLE regress_cdr_counsel;
SELECT cdr_hold('mine', tenant_id => 't1') AS hold \gset
SELECT cdr_release_hold(:'hold', 'mine');
SELECT count(*) FROM cdr_holds;
SELECT cdr_lock_holds();
SELECT * FROM cdr_held_calls();
SELECT cdr_place_hold('x', NULL, NULL, 'a', NULL, NULL, NULL, NULL, NULL, 'somebody', 'else');
SELECT cdr_end_hold(:'hold', 'x', 'somebody', 'else');
SELECT cdr_create_retention_tables();
SET ROLE regress_cdr_other;
SELECT cdr_hold('mine', tenant_id => 't1');
SELECT cdr_release_hold(:'hold', 'mine');
RESET ROLE;
SELECT role, release_role FROM cdr_holds WHERE hold_id = :'hold';

-- What hangs on the table runs as its owner, and may do no more than that.
CREATE TABLE seen (who name, may_create boolean);
GRANT ALL ON seen TO PUBLIC;
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.seen VALUES (current_user, has_database_privilege(current_database(), 'CREATE'));
	SET ROLE regress_cdr_counsel;
	RETURN NEW;
END $$;
CREATE TRIGGER look BEFORE INSERT ON cdr_holds FOR EACH ROW EXECUTE FUNCTION look();
SELECT cdr_hold('mine', tenant_id => 't1');
DROP TRIGGER look ON cdr_holds;
CREATE OR REPLACE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.seen VALUES (current_user, has_database_privilege(current_database(), 'CREATE'));
	RETURN NEW;
END $$;
CREATE TRIGGER look BEFORE INSERT ON cdr_holds FOR EACH ROW EXECUTE FUNCTION look();
SELECT cdr_hold('mine', tenant_id => 't1') IS NOT NULL AS held;
SELECT * FROM seen;
DROP TRIGGER look ON cdr_holds;

-- Somebody else's table is none of ours.
ALTER TABLE cdr_holds OWNER TO regress_cdr_other;
SELECT cdr_hold('mine', tenant_id => 't1');
SELECT cdr_lock_holds();
SELECT cdr_create_retention_tables();
ALTER TABLE cdr_holds OWNER TO cdr_service;

-- DROP EXTENSION keeps them
DROP EXTENSION cdr_service;
SELECT count(*) > 0 AS kept FROM cdr_holds;
CREATE EXTENSION cdr_service;
SELECT count(*) FROM cdr_held_calls() WHERE call_id = 'a';
DROP EXTENSION cdr_service;
DROP TABLE cdr_holds, cdr_retention, cdr_retired, cdr_leaf_stubs, cdr_unlogged, cdr_unsealed, cdr_seals, cdr_log, cdr_checkpoints, seen;
DROP FUNCTION ev, letter, holds, look;
DROP ROLE regress_cdr_counsel, regress_cdr_other;
SET cdr_service.allow_drop = on;
DROP TABLE calls, call_events, dead_letters;
