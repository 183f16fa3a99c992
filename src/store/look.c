/*-------------------------------------------------------------------------
 *
 * look.c
 *	  A look at the tables, for whoever asks whether all is well.
 *
 * Nothing is read from end to end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "store/look.h"
#include "store/partition.h"
#include "store/rights.h"
#include "store/statement.h"
#include "store/writer_query.h"

/* How long a lock is waited for. */
#define LOOK_TIMEOUT "500ms"

/* clang-format off */

/* The %s is the schema. */
#define COUNT_LETTERS \
	"WITH counted AS (SELECT last_attempt_at, sqlstate, message" \
	" FROM ONLY %s.dead_letters LIMIT " CppAsString2(CDR_LETTERS_COUNTED) ")," \
	" latest AS (SELECT sqlstate || ': ' || message AS reason FROM counted" \
	" ORDER BY last_attempt_at DESC LIMIT 1)" \
	" SELECT (SELECT count(*) FROM counted), (SELECT reason FROM latest)"

/* clang-format on */

static void
look_for_tables(void *argument)
{
	CdrLook	 *look = argument;
	CdrRights rights;

	look->state = cdr_tables_lock(&look->tables, AccessShareLock, &look->why);
	if (look->state != CDR_TABLES_FIT)
		return;
	/* throws if nobody can write */
	cdr_rights_assume(&look->tables, cdr_rights_writer(&look->tables),
					  &rights);
	cdr_rights_restore(&rights);
	cdr_partition_look(&look->tables, &look->covered, &look->ahead,
					   &look->fallback);
}

static void
look_for_letters(void *argument)
{
	CdrLook		 *look = argument;
	MemoryContext context = CurrentMemoryContext;
	CdrTables	  tables;
	CdrRights	  rights;
	bool		  isnull;
	Datum		  latest;

	cdr_writer_query_open(&tables, AccessShareLock, &rights);
	if (SPI_execute(psprintf(COUNT_LETTERS, tables.quoted), true, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "SPI_execute failed");
	look->letters = DatumGetInt64(cdr_result(0, 1, &isnull));
	latest = cdr_result(0, 2, &isnull);
	look->latest =
		isnull ? NULL
			   : MemoryContextStrdup(context, TextDatumGetCString(latest));
	cdr_writer_query_close(&rights);
}

static void
look_for_seals(void *argument)
{
	CdrLook	 *look = argument;
	CdrTables tables;
	CdrRights rights;

	cdr_writer_query_open(&tables, AccessShareLock, &rights);
	cdr_seal_status_read(&tables, false, &look->seals);
	cdr_writer_query_close(&rights);
}

bool
cdr_look_at(void (*at)(void *), void *argument, CdrReasonBuffer *why)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = true;
	int			  guc_level;

	BeginInternalSubTransaction(NULL);
	guc_level = NewGUCNestLevel();
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		(void) set_config_option("lock_timeout", LOOK_TIMEOUT, PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
		at(argument);
		AtEOXact_GUC(false, guc_level);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		if (geterrcode() == ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		cdr_fail_with_error(why);
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		done = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return done;
}

bool
cdr_look_for_tables(CdrLook *look)
{
	memset(look, 0, sizeof(CdrLook));
	look->state = CDR_TABLES_UNFIT;
	return cdr_look_at(look_for_tables, look, &look->why);
}

bool
cdr_look_for_letters(CdrLook *look)
{
	return cdr_look_at(look_for_letters, look, &look->why);
}

bool
cdr_look_for_seals(CdrLook *look)
{
	return cdr_look_at(look_for_seals, look, &look->why);
}
