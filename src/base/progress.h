/*-------------------------------------------------------------------------
 *
 * progress.h
 *	  How far long work is, for other sessions to see: cdr_progress.
 *
 * Whoever works has a CdrProgress of his own, changes it, and shows it again as
 * often as he likes: that costs some stores.  Nothing has to be cleared after an
 * error: the server does, where a transaction or subtransaction is aborted, and
 * what goes on after that shows itself again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_PROGRESS_H
#define CDR_PROGRESS_H

#include "datatype/timestamp.h"

/* name, what the view calls it, what is counted */
#define CDR_WORKS(work)                                                       \
	work(VERIFY_CALLS, "verify calls",                                        \
		 "calls") work(REBUILD_CALLS, "rebuild calls", "calls")               \
		work(REMAP, "read events anew", "events")                             \
			work(BACKFILL, "backfill", "rows") work(VERIFY_ROLLUP,            \
													"verify rollup", "rows")  \
				work(REBUILD_ROLLUP, "rebuild rollup", "rows")                \
					work(FOLD_ROLLUP, "fold rollup", "rows")                  \
						work(PARTITIONS, "create partitions", "events")       \
							work(VERIFY_EVIDENCE, "verify evidence", "seals") \
								work(RETENTION, "apply retention", "pages")   \
									work(ERASURE, "erase", "calls")           \
										work(WIPE, "wipe", "pages")

typedef enum CdrWork
{
#define CDR_WORK_NAME(name, shown, unit) CDR_WORK_##name,
	CDR_WORKS(CDR_WORK_NAME)
#undef CDR_WORK_NAME
		CDR_NWORKS
} CdrWork;

/* name, what the view calls it */
#define CDR_PHASES(phase)                                                     \
	phase(WORKING, NULL) phase(QUERYING, "running the query") phase(          \
		FINDING, "looking for what is meant")                                 \
		phase(FINDING_LETTERS, "looking for dead letters") phase(             \
			LOCKING, "waiting for locks") phase(ERASING, "erasing")           \
			phase(TAKING, "taking rows out of the default partition") phase(  \
				ATTACHING, "attaching the partition")                         \
				phase(PUTTING, "putting rows into the partition") phase(      \
					DROPPING, "dropping a partition") phase(DELETING,         \
															"deleting rows")  \
					phase(READING_STORED, "reading the rollup")               \
						phase(READING_CALLS,                                  \
							  "reading calls") phase(LOGS, "reading the log") \
							phase(SEALS, "comparing seals with events")       \
								phase(UNSEALED,                               \
									  "looking for events without a seal")

typedef enum CdrPhase
{
#define CDR_PHASE_NAME(name, shown) CDR_PHASE_##name,
	CDR_PHASES(CDR_PHASE_NAME)
#undef CDR_PHASE_NAME
		CDR_NPHASES
} CdrPhase;

typedef struct CdrProgress
{
	CdrWork		work;
	CdrPhase	phase;
	Oid			relation; /* in hand; or invalid */
	int64		done;
	int64		total; /* -1: not known */
	TimestampTz since;
} CdrProgress;

/* Begins work, and shows it. */
extern void
cdr_progress_begin(CdrProgress *progress, CdrWork work, int64 total);

/* Shows where it is now. */
extern void cdr_progress_show(const CdrProgress *progress);

/* The same, so many further; with NULL, nothing. */
extern void cdr_progress_add(CdrProgress *progress, int64 done);

/* A part of it begins, of which so much is to be done. */
extern void
cdr_progress_phase(CdrProgress *progress, CdrPhase phase, int64 total);

/* The work of this session is over. */
extern void cdr_progress_end(void);

/* What a process shows: by its place from 0 on; false: none.  *end: there are no more
 * processes. */
extern bool cdr_progress_read(int place, CdrProgress *progress, int *pid,
							  Oid *database, Oid *role, bool *end);

/* Names; NULL: none. */
extern const char *cdr_progress_work(CdrWork work);
extern const char *cdr_progress_unit(CdrWork work);
extern const char *cdr_progress_phase_name(CdrPhase phase);

#endif /* CDR_PROGRESS_H */
