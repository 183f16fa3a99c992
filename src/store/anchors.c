/*-------------------------------------------------------------------------
 *
 * anchors.c
 *	  SQL: keeps what others say of checkpoints.
 *
 * As the role that writes, so that whoever brings anchors needs no right on the
 * table: what is in it has been looked at.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"

#include "store/anchors.h"
#include "store/seal.h"
#include "store/unsealed.h"
#include "store/writer_query.h"

void
cdr_require_evidence(const CdrTables *tables)
{
	if (!cdr_can_seal(tables) ||
		!cdr_evidence_table_is_ours(tables, "cdr_anchors"))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("the tables of evidence are missing"),
						errhint("Run SELECT %s.cdr_create_evidence_tables().",
								tables->quoted)));
}

PG_FUNCTION_INFO_V1(cdr_add_anchor);

/* cdr_add_anchor(checkpoint, kind, token) */
Datum
cdr_add_anchor(PG_FUNCTION_ARGS)
{
	Oid		  types[3] = {TEXTOID, TEXTOID, BYTEAOID};
	Datum	  values[3];
	char	  nulls[4] = "   ";
	CdrTables tables;
	CdrRights rights;
	bool	  isnull;
	bool	  added;

	for (int i = 0; i < 3; i++)
	{
		values[i] = fcinfo->args[i].value;
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	cdr_writer_query_open(&tables, RowExclusiveLock, &rights);
	cdr_require_evidence(&tables);
	if (SPI_execute_with_args(
			psprintf("SELECT %s.cdr_put_anchor($1, $2, $3)", tables.quoted), 3,
			types, values, nulls, false, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "cdr_put_anchor failed");
	added = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0],
									   SPI_tuptable->tupdesc, 1, &isnull));
	cdr_writer_query_close(&rights);
	PG_RETURN_BOOL(added);
}
