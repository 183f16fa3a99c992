/* cdr_service--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION cdr_service" to load this file. \quit

-- Bodies are kept byte for byte, and JSON travels as UTF-8.
DO $$
BEGIN
	IF pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.<>) 'UTF8' THEN
		RAISE EXCEPTION 'cdr_service needs a database with encoding UTF8'
			USING ERRCODE = 'feature_not_supported',
				  HINT = 'Create one with CREATE DATABASE ... ENCODING ''UTF8'' TEMPLATE template0.';
	END IF;
END
$$;

-- A server keeps the library that it started with, also when a later one has been
-- installed: what follows would not be found in it.
CREATE FUNCTION @extschema@.cdr_require_library(version text)
RETURNS void
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cdr_require_library';

COMMENT ON FUNCTION @extschema@.cdr_require_library(text) IS
'an error unless the library that is loaded has that version or a later one: the first statement of each script that updates the extension';

SELECT @extschema@.cdr_require_library('1.0');

