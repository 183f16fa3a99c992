/*-------------------------------------------------------------------------
 *
 * writer.c
 *	  A writer of the tables: their statements, run with the rights that they need.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/call_events.h"
#include "store/calls.h"
#include "store/dead_letters.h"
#include "store/erased.h"
#include "store/rebuild.h"
#include "store/remap_write.h"
#include "store/resent.h"
#include "store/retired.h"
#include "store/stored_calls.h"
#include "store/timeless.h"
#include "store/unsealed.h"
#include "store/writer.h"

/* The statements of each table, and of what writes calls anew. */
static CdrStatement *const *const tables_statements[] = {
	cdr_call_events_statements, cdr_timeless_statements,
	cdr_calls_statements,		cdr_dead_letters_statements,
	cdr_rebuild_statements,		cdr_stored_calls_statements,
	cdr_remap_statements,		cdr_unsealed_statements,
	cdr_resent_statements,
};

void
cdr_writer_open(const CdrTables *tables, CdrRights *rights)
{
	cdr_rights_assume(tables, cdr_rights_writer(tables), rights);
	cdr_call_events_open(tables->table[CDR_CALL_EVENTS]);
	cdr_resent_open(tables->table[CDR_CALL_EVENTS]);
	cdr_calls_open(tables->version);
	cdr_unsealed_open(tables);
	cdr_erased_open(tables);
	cdr_statements_open(tables_statements, lengthof(tables_statements),
						tables->quoted);
	cdr_retired_look(tables);
}

void
cdr_writer_close(const CdrRights *rights)
{
	cdr_statements_close();
	cdr_rights_restore(rights);
}

void
cdr_writer_forget_plans(void)
{
	cdr_statements_forget(tables_statements, lengthof(tables_statements));
}
