/*-------------------------------------------------------------------------
 *
 * cdr_service.c
 *	  Where the server finds the extension.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "access/read_ring.h"
#include "access/reads.h"
#include "base/guc.h"
#include "base/library.h"
#include "store/guard.h"
#include "store/recent.h"
#include "store/recording.h"
#include "worker/sealer.h"
#include "worker/start.h"
#include "worker/stats.h"

PG_MODULE_MAGIC;

void _PG_init(void);

/*
 * Preloaded, everything; loaded later, by a session that calls one of the
 * functions, only what works there.  pg_upgrade starts the server too, and
 * then nothing may be written.
 */
void
_PG_init(void)
{
	cdr_library_note();
	cdr_guc_define();
	cdr_guard_init();
	cdr_recording_init();
	if (!process_shared_preload_libraries_in_progress)
		return;
	cdr_stats_init();
	cdr_recent_init();
	cdr_read_ring_init();
	if (IsBinaryUpgrade)
		return;
	cdr_reads_init();
	cdr_worker_register();
	cdr_sealer_register();
}
