CREATE FUNCTION @extschema@.cdr_check_health(
	OUT "check" text,
	OUT level text,
	OUT detail text,
	OUT hint text)
RETURNS SETOF record
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
ROWS 20
AS 'MODULE_PATHNAME', 'cdr_check_health';

COMMENT ON FUNCTION @extschema@.cdr_check_health() IS
'whether all is well: the rows of cdr_health';

CREATE VIEW @extschema@.cdr_health AS
	SELECT h."check", h.level, h.detail, h.hint
	FROM @extschema@.cdr_check_health() AS h;

COMMENT ON VIEW @extschema@.cdr_health IS
'whether all is well: a row for each check, ok, warning or critical';
COMMENT ON COLUMN @extschema@.cdr_health."check" IS
'what is looked at, a word';
COMMENT ON COLUMN @extschema@.cdr_health.level IS
'ok, warning or critical';
COMMENT ON COLUMN @extschema@.cdr_health.detail IS
'what is found; NULL: nothing to tell';
COMMENT ON COLUMN @extschema@.cdr_health.hint IS
'what to do; NULL: nothing';

