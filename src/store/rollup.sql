-- ---------------------------------------------------------------------------
-- The rollup
-- ---------------------------------------------------------------------------

-- Both tables are members, and a dump has no rows of theirs: what is loaded into calls
-- is counted again.  (Functions in C write them, and nobody else.)
CREATE TABLE @extschema@.cdr_rollup_sums (
	bucket timestamptz NOT NULL,
	quarters integer NOT NULL,
	tenant_id text,
	direction text,
	cause text,
	attempts bigint NOT NULL,
	without_start bigint NOT NULL,
	open bigint NOT NULL,
	lengthy bigint NOT NULL,
	decided bigint NOT NULL,
	answered bigint NOT NULL,
	presumed bigint NOT NULL,
	busy bigint NOT NULL,
	canceled bigint NOT NULL,
	failed bigint NOT NULL,
	no_answer bigint NOT NULL,
	talks bigint NOT NULL,
	talk_time bigint NOT NULL,
	short_calls bigint NOT NULL,
	setups bigint NOT NULL,
	setup_time bigint NOT NULL,
	occupied bigint NOT NULL) USING heap;

CREATE INDEX cdr_rollup_sums_bucket_idx ON @extschema@.cdr_rollup_sums (bucket);

COMMENT ON TABLE @extschema@.cdr_rollup_sums IS
'calls, counted by quarters of an hour; cdr_rollup() reads it';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.bucket IS
'the quarter of an hour, by its begin';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.quarters IS
'so many quarters of an hour before, the call was attempted; from 0';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.tenant_id IS
'as in calls';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.direction IS
'as in calls';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.cause IS
'why it was not answered: the SIP status or the hangup cause, as cdr_cause_name() spells it; NULL: answered, open, or not known';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.attempts IS
'calls that were attempted then';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.without_start IS
'those of them whose start is not known';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.open IS
'those without an end';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.lengthy IS
'those of more than two hours: they are not split, their rows are looked at';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.decided IS
'those of which the outcome is known';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.answered IS
'decided calls that were answered';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.presumed IS
'decided calls that ended like answered ones, though nobody saw the answer';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.busy IS
'decided calls with that disposition';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.canceled IS
'decided calls with that disposition';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.failed IS
'decided calls with that disposition';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.no_answer IS
'decided calls with that disposition';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.talks IS
'calls of which answer and end are known';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.talk_time IS
'sum from answer to end of these, in microseconds';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.short_calls IS
'answered calls with a talk of at most 15 seconds';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.setups IS
'calls of which start and answer are known';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.setup_time IS
'sum from start to answer of these, in microseconds';
COMMENT ON COLUMN @extschema@.cdr_rollup_sums.occupied IS
'time that calls were up within the bucket, in microseconds';

CREATE TABLE @extschema@.cdr_rollup_deltas (
	LIKE @extschema@.cdr_rollup_sums INCLUDING COMMENTS) USING heap;

COMMENT ON TABLE @extschema@.cdr_rollup_deltas IS
'what was added to the counts and not folded into cdr_rollup_sums yet';

CREATE FUNCTION @extschema@.cdr_count_call()
RETURNS trigger
LANGUAGE C
AS 'MODULE_PATHNAME', 'cdr_count_call';

COMMENT ON FUNCTION @extschema@.cdr_count_call() IS
'counts what a change of calls adds and takes away';

CREATE FUNCTION @extschema@.cdr_keep_rollup()
RETURNS trigger
LANGUAGE C
AS 'MODULE_PATHNAME', 'cdr_keep_rollup';

COMMENT ON FUNCTION @extschema@.cdr_keep_rollup() IS
'refuses what is written to the rollup by hand, and leaves out what is replicated';

CREATE TRIGGER cdr_keep_rollup BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.cdr_rollup_sums
	FOR EACH ROW EXECUTE FUNCTION @extschema@.cdr_keep_rollup();
CREATE TRIGGER cdr_keep_rollup BEFORE INSERT OR UPDATE OR DELETE ON @extschema@.cdr_rollup_deltas
	FOR EACH ROW EXECUTE FUNCTION @extschema@.cdr_keep_rollup();
ALTER TABLE @extschema@.cdr_rollup_sums ENABLE ALWAYS TRIGGER cdr_keep_rollup;
ALTER TABLE @extschema@.cdr_rollup_deltas ENABLE ALWAYS TRIGGER cdr_keep_rollup;

CREATE FUNCTION @extschema@.cdr_rollup(
	from_time timestamptz DEFAULT NULL,
	to_time timestamptz DEFAULT NULL,
	OUT bucket timestamptz,
	OUT quarters integer,
	OUT tenant_id text,
	OUT direction text,
	OUT cause text,
	OUT attempts bigint,
	OUT without_start bigint,
	OUT open bigint,
	OUT lengthy bigint,
	OUT decided bigint,
	OUT answered bigint,
	OUT presumed bigint,
	OUT busy bigint,
	OUT canceled bigint,
	OUT failed bigint,
	OUT no_answer bigint,
	OUT talks bigint,
	OUT talk_time bigint,
	OUT short_calls bigint,
	OUT setups bigint,
	OUT setup_time bigint,
	OUT occupied bigint)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL UNSAFE ROWS 2000
AS 'MODULE_PATHNAME', 'cdr_rollup';

COMMENT ON FUNCTION @extschema@.cdr_rollup(timestamptz, timestamptz) IS
'calls, counted by quarters of an hour, for who may read all of calls';

-- (fewer rows, for cdr_traffic(): the rollup of a day is thousands)
CREATE FUNCTION @extschema@.cdr_rollup_by_steps(
	steps timestamptz[],
	dimensions text[],
	OUT bucket timestamptz,
	OUT quarters integer,
	OUT tenant_id text,
	OUT direction text,
	OUT cause text,
	OUT attempts bigint,
	OUT without_start bigint,
	OUT open bigint,
	OUT lengthy bigint,
	OUT decided bigint,
	OUT answered bigint,
	OUT presumed bigint,
	OUT busy bigint,
	OUT canceled bigint,
	OUT failed bigint,
	OUT no_answer bigint,
	OUT talks bigint,
	OUT talk_time bigint,
	OUT short_calls bigint,
	OUT setups bigint,
	OUT setup_time bigint,
	OUT occupied bigint)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL UNSAFE ROWS 2000
AS 'MODULE_PATHNAME', 'cdr_rollup_by_steps';

COMMENT ON FUNCTION @extschema@.cdr_rollup_by_steps(timestamptz[], text[]) IS
'the rollup, added up by steps of time and by dimensions of cdr_traffic()';

CREATE FUNCTION @extschema@.cdr_rollup_serves()
RETURNS boolean
LANGUAGE C STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_rollup_serves';

COMMENT ON FUNCTION @extschema@.cdr_rollup_serves() IS
'may the caller read the rollup, and is it right?';

CREATE FUNCTION @extschema@.cdr_verify_rollup(
	OUT bucket timestamptz,
	OUT quarters integer,
	OUT tenant_id text,
	OUT direction text,
	OUT cause text,
	OUT measure text,
	OUT stored bigint,
	OUT expected bigint)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_verify_rollup';

COMMENT ON FUNCTION @extschema@.cdr_verify_rollup() IS
'counts of the rollup that differ from a recount of calls (normally none)';

CREATE FUNCTION @extschema@.cdr_rebuild_rollup()
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_rebuild_rollup';

COMMENT ON FUNCTION @extschema@.cdr_rebuild_rollup() IS
'counts all calls anew, while nobody changes them';

CREATE FUNCTION @extschema@.cdr_fold_rollup()
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cdr_fold_rollup';

COMMENT ON FUNCTION @extschema@.cdr_fold_rollup() IS
'adds up what was appended to the rollup, as workers do; returns how many rows that were';
