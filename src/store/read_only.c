/*-------------------------------------------------------------------------
 *
 * read_only.c
 *	  Whether a session that began read-only would begin so again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "utils/snapmgr.h"

#include "store/read_only.h"
#include "store/statement.h"

bool
cdr_read_only_was_lifted(void)
{
	bool outdated;
	bool isnull;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(
			"SELECT EXISTS (SELECT FROM pg_settings"
			" WHERE name = 'default_transaction_read_only' AND setting = 'on'"
			" AND source IN ('global', 'database', 'user', 'database user'))"
			" AND NOT EXISTS"
			" (SELECT FROM pg_db_role_setting, unnest(setconfig) AS s"
			" WHERE setdatabase IN (0, (SELECT oid FROM pg_database"
			" WHERE datname = current_database()))"
			" AND setrole IN (0, current_user::regrole)"
			" AND split_part(s, '=', 1) = 'default_transaction_read_only'"
			" AND split_part(s, '=', 2)::bool)",
			true, 1) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute failed");
	outdated = DatumGetBool(cdr_result(0, 1, &isnull));
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	return outdated;
}
