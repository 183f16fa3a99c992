--
-- What the catalogs say about everything that is not PostgreSQL's own: one line
-- for each fact, the same wherever it holds.  Two databases are alike if these
-- lines are.
--
-- Numbers of objects, the gaps that dropped columns leave, and what PostgreSQL
-- keeps for itself about foreign keys and triggers on partitions are no facts.
--

SET TimeZone = 'UTC';
SET search_path = pg_catalog;

WITH
-- schemas of people's
space AS (
	SELECT oid, nspname, nspowner, nspacl
	FROM pg_namespace
	WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
relation AS (
	SELECT c.*, format('%I.%I', s.nspname, c.relname) AS name
	FROM pg_class AS c JOIN space AS s ON s.oid = c.relnamespace),
tab AS (
	SELECT * FROM relation WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')),
-- name, and who was given what
granted AS (
	SELECT 'schema ' || nspname AS name,
		   COALESCE(nspacl, acldefault('n', nspowner)) AS acl
	FROM space
	UNION ALL
	SELECT name,
		   COALESCE(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
	FROM tab
	UNION ALL
	SELECT t.name || '.' || quote_ident(a.attname), a.attacl
	FROM tab AS t JOIN pg_attribute AS a ON a.attrelid = t.oid
	WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
	UNION ALL
	SELECT 'function ' || p.oid::regprocedure, COALESCE(proacl, acldefault('f', proowner))
	FROM pg_proc AS p JOIN space AS s ON s.oid = p.pronamespace
	UNION ALL
	SELECT format('default for %s in %s of %s', defaclobjtype,
				  COALESCE(defaclnamespace::regnamespace::text, 'every schema'), defaclrole::regrole),
		   defaclacl
	FROM pg_default_acl),
facts (kind, name, fact) AS (
	SELECT 'schema', nspname::text, 'owned by ' || nspowner::regrole
	FROM space
	UNION ALL
	SELECT 'table', name,
		   format('kind %s, persistence %s, access method %s, tablespace %s', relkind, relpersistence,
				  (SELECT amname FROM pg_am WHERE pg_am.oid = relam), reltablespace)
	FROM tab
	UNION ALL
	SELECT 'owner', name, relowner::regrole::text
	FROM tab
	UNION ALL
	SELECT 'row security', name,
		   concat_ws(', ', CASE WHEN relrowsecurity THEN 'enabled' END, CASE WHEN relforcerowsecurity THEN 'forced' END)
	FROM tab WHERE relrowsecurity OR relforcerowsecurity
	UNION ALL
	SELECT 'option', r.name, o.option
	FROM relation AS r, unnest(r.reloptions) AS o(option)
	UNION ALL
	SELECT 'option', t.name || ' (toast)', o.option
	FROM tab AS t JOIN pg_class AS c ON c.oid = t.reltoastrelid, unnest(c.reloptions) AS o(option)
	UNION ALL
	SELECT 'replica identity', name, relreplident::text
	FROM tab WHERE relkind IN ('r', 'p')
	UNION ALL
	SELECT 'partitioned', name, pg_get_partkeydef(oid)
	FROM tab WHERE relkind = 'p'
	UNION ALL
	SELECT 'partition', t.name, format('of %s %s', i.inhparent::regclass, pg_get_expr(t.relpartbound, t.oid))
	FROM tab AS t JOIN pg_inherits AS i ON i.inhrelid = t.oid
	UNION ALL
	SELECT 'view', name, format('%s%s', regexp_replace(pg_get_viewdef(oid), '\s+', ' ', 'g'),
								CASE WHEN NOT relispopulated THEN ' without data' END)
	FROM tab WHERE relkind IN ('v', 'm')
	UNION ALL
	-- columns: each by its place among those that are there
	SELECT 'column', t.name || '.' || quote_ident(a.attname),
		   format('%s: %s collation %s%s%s storage %s%s', row_number() OVER (PARTITION BY t.oid ORDER BY a.attnum),
				  format_type(a.atttypid, a.atttypmod), COALESCE(a.attcollation::regcollation::text, ''),
				  CASE WHEN a.attnotnull THEN ' not null' END,
				  CASE WHEN a.attidentity <> '' THEN ' identity ' || a.attidentity::text END,
				  a.attstorage, CASE WHEN a.attcompression <> '' THEN ' compression ' || a.attcompression::text END)
	FROM tab AS t JOIN pg_attribute AS a ON a.attrelid = t.oid
	WHERE a.attnum > 0 AND NOT a.attisdropped
	UNION ALL
	SELECT CASE WHEN a.attgenerated <> '' THEN 'generated' ELSE 'default' END,
		   t.name || '.' || quote_ident(a.attname),
		   format('%s%s', a.attgenerated::text || ' ', regexp_replace(pg_get_expr(d.adbin, d.adrelid), '\s+', ' ', 'g'))
	FROM tab AS t JOIN pg_attribute AS a ON a.attrelid = t.oid
	JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	UNION ALL
	-- (pg_attver is PostgreSQL's own, in its newest minor versions)
	SELECT 'statistics target', r.name || '.' || quote_ident(a.attname), o.option
	FROM relation AS r JOIN pg_attribute AS a ON a.attrelid = r.oid,
		 unnest(array_append(a.attoptions, 'target=' || NULLIF(a.attstattarget, -1))) AS o(option)
	WHERE a.attnum > 0 AND NOT a.attisdropped
	AND o.option !~ '^pg_attver='
	UNION ALL
	SELECT 'index', format('%s on %s', r.name, i.indrelid::regclass),
		   concat_ws(', ', pg_get_indexdef(i.indexrelid), CASE WHEN i.indisprimary THEN 'primary' END,
					 CASE WHEN NOT i.indisvalid THEN 'invalid' END, CASE WHEN i.indisclustered THEN 'clustered' END,
					 CASE WHEN i.indisreplident THEN 'replica identity' END,
					 'of ' || (SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = i.indexrelid))
	FROM relation AS r JOIN pg_index AS i ON i.indexrelid = r.oid
	UNION ALL
	-- (a NOT NULL is said of its column; those below are the copies on partitions)
	SELECT 'constraint', format('%s on %s', quote_ident(c.conname), t.name),
		   concat_ws(', ', pg_get_constraintdef(c.oid), CASE WHEN NOT c.convalidated THEN 'not valid' END,
					 CASE WHEN c.coninhcount > 0 THEN 'inherited' END)
	FROM tab AS t JOIN pg_constraint AS c ON c.conrelid = t.oid
	WHERE c.contype NOT IN ('n', 't') AND (c.contype <> 'f' OR c.conparentid = 0)
	UNION ALL
	SELECT 'trigger', format('%s on %s', quote_ident(g.tgname), t.name),
		   format('%s, enabled %s%s', pg_get_triggerdef(g.oid), g.tgenabled,
				  CASE WHEN g.tgparentid <> 0 THEN ', of the parent''s' END)
	FROM tab AS t JOIN pg_trigger AS g ON g.tgrelid = t.oid
	WHERE NOT g.tgisinternal
	UNION ALL
	SELECT 'rule', format('%s on %s', quote_ident(r.rulename), t.name),
		   format('%s, enabled %s', pg_get_ruledef(r.oid), r.ev_enabled)
	FROM tab AS t JOIN pg_rewrite AS r ON r.ev_class = t.oid
	WHERE r.rulename <> '_RETURN'
	UNION ALL
	SELECT 'policy', format('%s on %s', quote_ident(p.polname), t.name),
		   format('%s for %s to %s using %s check %s', p.polpermissive, p.polcmd,
				  (SELECT string_agg(CASE role WHEN 0 THEN 'public' ELSE role::regrole::text END, ', '
									 ORDER BY role::regrole::text) FROM unnest(p.polroles) AS role),
				  pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
	FROM tab AS t JOIN pg_policy AS p ON p.polrelid = t.oid
	UNION ALL
	SELECT 'statistics', format('%I.%I', s.nspname, x.stxname),
		   format('%s, owned by %s', pg_get_statisticsobjdef(x.oid), x.stxowner::regrole)
	FROM pg_statistic_ext AS x JOIN space AS s ON s.oid = x.stxnamespace
	UNION ALL
	SELECT 'publication', quote_ident(pubname),
		   format('owned by %s, all tables %s, insert %s, update %s, delete %s, truncate %s, via root %s',
				  pubowner::regrole, puballtables, pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot)
	FROM pg_publication
	UNION ALL
	SELECT 'published', format('%s by %I', t.name, p.pubname),
		   format('columns %s where %s',
				  (SELECT string_agg(a.attname, ', ' ORDER BY a.attname)
				   FROM unnest(r.prattrs) AS number JOIN pg_attribute AS a
				   ON a.attrelid = r.prrelid AND a.attnum = number),
				  pg_get_expr(r.prqual, r.prrelid))
	FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = r.prpubid JOIN tab AS t ON t.oid = r.prrelid
	UNION ALL
	SELECT 'function', p.oid::regprocedure::text,
		   format('owned by %s, %s', p.proowner::regrole, md5(pg_get_functiondef(p.oid)))
	FROM pg_proc AS p JOIN space AS s ON s.oid = p.pronamespace
	WHERE p.prokind IN ('f', 'p')
	UNION ALL
	SELECT 'grant', g.name,
		   format('%s to %s%s by %s', a.privilege_type,
				  CASE a.grantee WHEN 0 THEN 'public' ELSE a.grantee::regrole::text END,
				  CASE WHEN a.is_grantable THEN ' with grant option' END, a.grantor::regrole)
	FROM granted AS g, aclexplode(g.acl) AS a
	WHERE a.privilege_type <> 'MAINTAIN'
	UNION ALL
	SELECT 'comment', format('%s %s', o.type, o.identity), d.description
	FROM pg_description AS d, pg_identify_object(d.classoid, d.objoid, d.objsubid) AS o
	WHERE o.schema IN (SELECT nspname FROM space)
	OR (o.schema IS NULL AND o.type IN ('table constraint', 'trigger', 'policy', 'rule', 'publication', 'event trigger'))
	UNION ALL
	-- the extension: what belongs to it, and what it cannot be without
	-- (what stands behind the name of an internal trigger is its OID)
	SELECT CASE WHEN d.deptype = 'e' THEN 'member' ELSE 'depends on the extension' END,
		   o.type || ' ' || CASE WHEN d.classid = 'pg_trigger'::regclass THEN regexp_replace(o.identity, '^(cdr_rollup)_\d+', '\1') ELSE o.identity END, d.deptype::text
	FROM pg_extension AS e JOIN pg_depend AS d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid,
		 pg_identify_object(d.classid, d.objid, d.objsubid) AS o
	WHERE e.extname = 'cdr_service'
	UNION ALL
	SELECT 'the extension depends on', o.type || ' ' || o.identity, d.deptype::text
	FROM pg_extension AS e JOIN pg_depend AS d ON d.classid = 'pg_extension'::regclass AND d.objid = e.oid,
		 pg_identify_object(d.refclassid, d.refobjid, d.refobjsubid) AS o
	WHERE e.extname = 'cdr_service')
SELECT line
FROM facts, format('%s | %s | %s', kind, name, fact) AS line
ORDER BY line COLLATE "C";
