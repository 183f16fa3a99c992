-- ---------------------------------------------------------------------------
-- Hangup causes
-- ---------------------------------------------------------------------------

-- Not immutable, though the list is: a generated column of a table of ours that
-- calls a function of the extension would be lost by a dump.
CREATE FUNCTION @extschema@.cdr_disposition(hangup_cause text)
RETURNS text
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_disposition';

COMMENT ON FUNCTION @extschema@.cdr_disposition(text) IS
'how a call that nobody answered ended, by its hangup cause: a name, a number of Q.850 or a code of SIP';

CREATE FUNCTION @extschema@.cdr_cause_name(hangup_cause text)
RETURNS text
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_cause_name';

COMMENT ON FUNCTION @extschema@.cdr_cause_name(text) IS
'the name of a hangup cause as cdr_causes spells it, whether it is there or not';

-- A member, as its rows are the extension's: a dump has those of the site only.
-- What a new row does not say is what is taken of a cause that is unknown.
CREATE TABLE @extschema@.cdr_causes (
	dialect text NOT NULL CHECK (dialect OPERATOR(pg_catalog.<>) ''),
	name text NOT NULL CHECK (name OPERATOR(pg_catalog.<>) ''),
	q850 integer,
	sip integer,
	disposition text NOT NULL DEFAULT 'NO_ANSWER'
		CHECK (disposition OPERATOR(pg_catalog.=) ANY
			   ('{ANSWERED,NO_ANSWER,BUSY,CANCELED,FAILED}'::pg_catalog.text[])),
	ends text NOT NULL DEFAULT 'final'
		CHECK (ends OPERATOR(pg_catalog.=) ANY ('{final,branch}'::pg_catalog.text[])),
	ner_effective text NOT NULL DEFAULT 'depends'
		CHECK (ner_effective OPERATOR(pg_catalog.=) ANY
			   ('{yes,no,depends,exclude}'::pg_catalog.text[])),
	rfc6076 text
		CHECK (rfc6076 OPERATOR(pg_catalog.=) ANY
			   ('{success,effective,ineffective,neither,redirect}'::pg_catalog.text[])),
	fault text NOT NULL DEFAULT 'unknown'
		CHECK (fault OPERATOR(pg_catalog.=) ANY
			   ('{caller,callee,network,platform,none,unknown}'::pg_catalog.text[])),
	note text,
	listed integer,
	PRIMARY KEY (dialect, name));

COMMENT ON TABLE @extschema@.cdr_causes IS
'what hangup causes mean: the extension''s list, and rows that were added here';
COMMENT ON COLUMN @extschema@.cdr_causes.note IS
'a remark; NULL: none';
COMMENT ON COLUMN @extschema@.cdr_causes.dialect IS
'who calls the cause so';
COMMENT ON COLUMN @extschema@.cdr_causes.name IS
'its name, as cdr_cause_name() spells it';
COMMENT ON COLUMN @extschema@.cdr_causes.q850 IS
'its number in ITU-T Q.850';
COMMENT ON COLUMN @extschema@.cdr_causes.sip IS
'the code of SIP that goes with it';
COMMENT ON COLUMN @extschema@.cdr_causes.disposition IS
'how a call ended so that nobody answered';
COMMENT ON COLUMN @extschema@.cdr_causes.ends IS
'final: ends a call that may be established; branch: an attempt';
COMMENT ON COLUMN @extschema@.cdr_causes.ner_effective IS
'counts for the network effectiveness ratio (E.425): yes, no, depends on more than the cause, or exclude: no attempt of its own';
COMMENT ON COLUMN @extschema@.cdr_causes.rfc6076 IS
'its class in the metrics of RFC 6076';
COMMENT ON COLUMN @extschema@.cdr_causes.fault IS
'on whose side the reason lies';
COMMENT ON COLUMN @extschema@.cdr_causes.listed IS
'place in the extension''s list; null: added or changed here';

SELECT pg_catalog.pg_extension_config_dump('@extschema@.cdr_causes',
										   'WHERE listed IS NULL');

-- A row that is added takes the place of the extension's, one that is changed is
-- the site's from then on: so both are dumped, and a restore can load them over
-- the list that CREATE EXTENSION makes.  The schema may have been renamed.  What
-- writes that list disables the trigger (call/causes.awk).
CREATE FUNCTION @extschema@.cdr_change_cause()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE (SELECT format('SELECT %s.cdr_cause_name($1)', extnamespace::regnamespace)
			 FROM pg_extension WHERE extname = 'cdr_service')
	INTO NEW.name USING NEW.name;
	-- also of a row that was copied from the extension's
	NEW.listed := NULL;
	IF TG_OP = 'INSERT' THEN
		EXECUTE format('DELETE FROM %s WHERE dialect = $1 AND name = $2 AND listed IS NOT NULL',
					   TG_RELID::regclass)
		USING NEW.dialect, NEW.name;
	END IF;
	RETURN NEW;
END
$$;

COMMENT ON FUNCTION @extschema@.cdr_change_cause() IS
'has a row that is added or changed here count as the site''s, under its name as cdr_cause_name() spells it';

CREATE TRIGGER cdr_change_cause
	BEFORE INSERT OR UPDATE ON @extschema@.cdr_causes
	FOR EACH ROW EXECUTE FUNCTION @extschema@.cdr_change_cause();

-- also where rows are loaded with session_replication_role = replica
ALTER TABLE @extschema@.cdr_causes ENABLE ALWAYS TRIGGER cdr_change_cause;

CREATE VIEW @extschema@.cdr_known_causes AS
	SELECT DISTINCT ON (name) name, dialect, q850, sip, disposition, ends,
		   ner_effective, rfc6076, fault, note
	FROM @extschema@.cdr_causes
	ORDER BY name, listed NULLS FIRST, dialect;

COMMENT ON VIEW @extschema@.cdr_known_causes IS
'cdr_causes with each name once, for joins: the row of the site, else the first of the extension''s list';
COMMENT ON COLUMN @extschema@.cdr_known_causes.name IS
'its name, as cdr_cause_name() spells it';
COMMENT ON COLUMN @extschema@.cdr_known_causes.dialect IS
'who calls the cause so';
COMMENT ON COLUMN @extschema@.cdr_known_causes.q850 IS
'its number in ITU-T Q.850; NULL: it has none';
COMMENT ON COLUMN @extschema@.cdr_known_causes.sip IS
'the code of SIP that goes with it; NULL: none does';
COMMENT ON COLUMN @extschema@.cdr_known_causes.disposition IS
'how a call ended so that nobody answered';
COMMENT ON COLUMN @extschema@.cdr_known_causes.ends IS
'final: ends a call that may be established; branch: an attempt';
COMMENT ON COLUMN @extschema@.cdr_known_causes.ner_effective IS
'counts for the network effectiveness ratio (E.425): yes, no, depends, or exclude';
COMMENT ON COLUMN @extschema@.cdr_known_causes.rfc6076 IS
'its class in the metrics of RFC 6076';
COMMENT ON COLUMN @extschema@.cdr_known_causes.fault IS
'on whose side the reason lies: caller, callee, network, platform, none or unknown';
COMMENT ON COLUMN @extschema@.cdr_known_causes.note IS
'a remark; NULL: none';

GRANT SELECT ON @extschema@.cdr_causes, @extschema@.cdr_known_causes TO PUBLIC;
