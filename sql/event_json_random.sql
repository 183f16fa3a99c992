-- Thousands of random JSON objects, with repeated, escaped and misplaced keys
-- and values of every type: what an event says is what the server's own
-- operators -> and ->> say, where that is text or a number.
CREATE EXTENSION cdr_service;
SELECT setseed(0.77);
CREATE FUNCTION one_of(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
$$ SELECT choices[1 + floor(random() * cardinality(choices))] $$;
CREATE FUNCTION random_value(depth int) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	result text := '';
BEGIN
	IF depth < 5 AND random() < 0.45 THEN
		FOR i IN 1..1 + floor(random() * 7) LOOP
			result := result || CASE WHEN i > 1 THEN one_of(',', ' , ') ELSE '' END
				|| one_of('"callId"', '"call\u0049d"', '"eventType"', '"traceId"', '"tenantId"', '"tenant_id"', '"id"', '"dialplan"', '"dialplan"', '"di\u0061lplan"',
					'"dialplanResolution"', '"dialplanResolution"', '"matched_user"', '"matched_user"', '"matchedUser"', '"matchedUser"', '"matched_contact"', '"matchedContact"', '"callid"', '"contactId"', '"a\"b"', '""')
				|| one_of(':', ' : ') || random_value(depth + 1);
		END LOOP;
		RETURN one_of('{', '{ ') || result || one_of('}', E'\n}');
	ELSIF random() < 0.1 THEN
		FOR i IN 1..floor(random() * 3) LOOP
			result := result || CASE WHEN i > 1 THEN ',' ELSE '' END || random_value(depth + 1);
		END LOOP;
		RETURN '[' || result || ']';
	ELSE
		RETURN one_of('"x"', '"y\u00e7\ud83d\ude00"', '"\"\\\/\b\f\n\r\t"', '""', '"call.started"', '"call.started"', '7', '-0.50', '1e3', '123456789012345678901234567890', 'true', 'false', 'null', '"null"', '"{\"callId\":\"no\"}"', '" z "');
	END IF;
END $$;
CREATE TABLE documents AS
SELECT n, (SELECT '{"n":' || n || ',"callId":"c' || n % 500 || '",' || string_agg(one_of('"callId"', '"eventType"', '"eventType"', '"traceId"', '"tenantId"', '"dialplan"', '"dialplan"', '"dialplanResolution"', '"dialplanResolution"', '"from"', '"other"') || ':'
	|| random_value(1), ',') || '}' FROM generate_series(1, 2 + n % 7) AS i)::json AS document
FROM generate_series(1, 8000) AS n;
SELECT cdr_ingest_events(array_agg(document)) FROM documents;

CREATE FUNCTION said(event json, VARIADIC path text[]) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	FOR i IN 1..cardinality(path) - 1 LOOP
		event := event -> path[i];
	END LOOP;
	RETURN CASE WHEN json_typeof(event -> path[cardinality(path)]) IN ('string', 'number') THEN NULLIF(event ->> path[cardinality(path)], '') END;
END $$;
CREATE TABLE started AS
SELECT c.*, s.event_id, s.says AS said_by_start, i.register IS NULL AS "nobody identified"
FROM calls AS c, cdr_merge_state(c.call_id) AS s LEFT JOIN LATERAL cdr_merge_state(c.call_id) AS i ON i.register = 'identified'
WHERE s.register = 'started';
CREATE TABLE compared AS
SELECT e.call_id, event_type, trace_id, e.tenant_id, user_id, said_by_start ->> 'tenant_id' AS started_tenant_id, payload,
	   COALESCE(said(payload, 'callId'), '') AS call_id_said, said(payload, 'eventType') AS event_type_said, said(payload, 'traceId') AS trace_id_said,
	   COALESCE(said(payload, 'tenantId'),
				said(payload, 'dialplanResolution', 'matchedUser', 'tenantId'), said(payload, 'dialplan', 'matched_user', 'tenant_id'),
				said(payload, 'dialplanResolution', 'tenantId'), said(payload, 'dialplan', 'tenant_id')) AS tenant_id_said
FROM call_events AS e LEFT JOIN started AS c USING (call_id, event_id);
SELECT count(*) AS tried,
	   count(*) FILTER (WHERE call_id IS DISTINCT FROM call_id_said) AS call_id,
	   count(*) FILTER (WHERE event_type IS DISTINCT FROM event_type_said) AS event_type,
	   count(*) FILTER (WHERE trace_id IS DISTINCT FROM trace_id_said) AS trace_id,
	   count(*) FILTER (WHERE tenant_id IS DISTINCT FROM tenant_id_said) AS tenant_id,
	   count(*) FILTER (WHERE started_tenant_id IS NOT NULL AND started_tenant_id <> tenant_id_said) AS started_tenant_id
FROM compared;
-- and the documents are worth it
SELECT count(*) FILTER (WHERE call_id !~ '^c[0-9]') > 1000 AS call_ids, count(event_type) > 1000 AS event_types, count(tenant_id) > 500 AS tenants,
	   count(*) FILTER (WHERE said(payload, 'tenantId') IS NULL AND tenant_id IS NOT NULL) > 100 AS nested_tenants,
	   count(*) FILTER (WHERE payload::text ~ '"dialplan":.*"dialplan":') > 500 AS repeated,
	   count(*) FILTER (WHERE (payload::jsonb)::text <> payload::text) > 1000 AS unlike_jsonb
FROM compared;
-- matched users and contacts, of the calls whose one start says all
SELECT count(*) > 100 AS tried, count(*) FILTER (WHERE c.user_id IS DISTINCT FROM COALESCE(
		said(payload, 'dialplanResolution', 'matchedUser', 'id'), said(payload, 'dialplan', 'matched_user', 'id'))) AS user_id,
	   count(*) FILTER (WHERE c.contact_id IS DISTINCT FROM NULLIF(CASE WHEN COALESCE(
		said(payload, 'dialplanResolution', 'matchedContact', 'id'), said(payload, 'dialplan', 'matched_contact', 'id')) ~ '^-?[0-9]{1,18}$' THEN COALESCE(
		said(payload, 'dialplanResolution', 'matchedContact', 'id'), said(payload, 'dialplan', 'matched_contact', 'id'))::bigint END, 0)) AS contact_id
FROM started AS c JOIN call_events USING (call_id, event_id) WHERE "nobody identified";
SELECT count(*) FROM cdr_verify_calls();

DROP TABLE documents, started, compared;
DROP FUNCTION one_of, random_value, said;
DROP EXTENSION cdr_service;
DROP TABLE calls, call_events, dead_letters;
