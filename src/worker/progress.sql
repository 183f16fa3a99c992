CREATE FUNCTION @extschema@.cdr_read_progress(
	OUT pid integer,
	OUT database name,
	OUT role name,
	OUT work text,
	OUT phase text,
	OUT relation regclass,
	OUT done bigint,
	OUT total bigint,
	OUT unit text,
	OUT since timestamptz)
RETURNS SETOF record
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED
ROWS 10
AS 'MODULE_PATHNAME', 'cdr_read_progress';

COMMENT ON FUNCTION @extschema@.cdr_read_progress() IS
'long work that is under way: the rows of cdr_progress';

CREATE VIEW @extschema@.cdr_progress AS
	SELECT p.pid, p.database, p.role, p.work, p.phase, p.relation, p.done, p.total, p.unit, p.since
	FROM @extschema@.cdr_read_progress() AS p;

COMMENT ON VIEW @extschema@.cdr_progress IS
'long work that is under way in this server: a row for each session that is at it';
COMMENT ON COLUMN @extschema@.cdr_progress.pid IS 'process of the session';
COMMENT ON COLUMN @extschema@.cdr_progress.database IS 'database that it is connected to';
COMMENT ON COLUMN @extschema@.cdr_progress.role IS 'role that called for the work';
COMMENT ON COLUMN @extschema@.cdr_progress.work IS 'what is done';
COMMENT ON COLUMN @extschema@.cdr_progress.phase IS 'the part of it that is done now; NULL: it has no parts';
COMMENT ON COLUMN @extschema@.cdr_progress.relation IS 'the table in hand, if it is of this database';
COMMENT ON COLUMN @extschema@.cdr_progress.done IS 'how much of the phase, or of the work, is done, in what unit says';
COMMENT ON COLUMN @extschema@.cdr_progress.total IS 'of how much; of all calls, as the planner estimates; NULL: not known';
COMMENT ON COLUMN @extschema@.cdr_progress.unit IS 'what done and total count';
COMMENT ON COLUMN @extschema@.cdr_progress.since IS 'when the work began';

-- For what is written in plpgsql.  It tells of the session that calls it, and of nothing
-- else, and is called as the owner of calls.
CREATE FUNCTION @extschema@.cdr_show_progress(work text, phase text DEFAULT NULL, done bigint DEFAULT 0, total bigint DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_show_progress';

COMMENT ON FUNCTION @extschema@.cdr_show_progress(text, text, bigint, bigint) IS
'shows in cdr_progress what this session is at; work NULL: nothing any more';

