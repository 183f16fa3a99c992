-- What a message comes to, as text; nothing is stored of one that is no event.
-- For the regression tests of what bodies are packed into.
CREATE FUNCTION came(body bytea, content_type text DEFAULT NULL, content_encoding text DEFAULT NULL, type text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	RETURN CASE WHEN cdr_ingest_message(body, 'call.started', content_type, content_encoding, type) THEN 'new' ELSE 'known' END;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(': ', SQLSTATE || ' ' || SQLERRM, NULLIF(detail, ''));
END $$;
