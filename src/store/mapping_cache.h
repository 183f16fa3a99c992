/*-------------------------------------------------------------------------
 *
 * mapping_cache.h
 *	  The mappings that are in force, and those that events were read by,
 *	  compiled, in each process.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_MAPPING_CACHE_H
#define CDR_MAPPING_CACHE_H

#include "base/reason.h"
#include "event/event.h"

/*
 * What events are read by: of each name the newest version that is enabled and
 * can be read; NULL: nothing is.  As it was looked up last.
 */
extern const struct CdrMappingUse *cdr_mappings_in_force(void);

/*
 * Looks up what is in force now, if that may have changed.  For SQL functions, in
 * a transaction: what was in force lives until that ends.  In a worker's own
 * process it changes nothing, for the worker has events that were read before.
 */
extern void cdr_mappings_look(void);

/* The same, without waiting for a lock; false, with the reason, if it failed. */
extern bool cdr_mappings_try(CdrReasonBuffer *why);

/*
 * The same for a worker, outside of a transaction, which holds no event that was
 * read before.  Never waits and never throws; false, with the reason, if what was
 * in force stays because of it.
 */
extern bool cdr_mappings_keep_up(CdrReasonBuffer *why);

/*
 * A version that is enabled and not in force, because this library cannot read
 * it; false: there is none.  As it was looked up last.
 */
extern bool cdr_mappings_problem(CdrReasonBuffer *why);

/* How many are in force. */
extern int cdr_mappings_count(void);

/* The id of a version, for the log. */
extern int cdr_mappings_id(const CdrMappingId *mapping);

/* The version with that id, and its name; NULL: there is none. */
extern const CdrMappingId *cdr_mappings_of_id(int id);

static inline const char *
cdr_mappings_name(int id)
{
	const CdrMappingId *mapping = cdr_mappings_of_id(id);

	return mapping == NULL ? NULL : mapping->name;
}

/*
 * The id of the version that rows are read by which are to be read by the mapping
 * of that name: the newest that is enabled, or the newest, if none is; 0: there is
 * none of that name.  As of now; for SQL functions.
 */
extern int cdr_mappings_named(const char *name);

/* The id of the newest version of that name, enabled or not; 0: there is none. */
extern int cdr_mappings_newest(const char *name);

/*
 * How an event is read again that was read by the version with that id.  It lives
 * as long as the transaction.  ERROR (55000) if that version is not there, or
 * cannot be read.
 */
extern const struct CdrMappingUse *cdr_mappings_recorded(int id);

/*
 * How an event may have been read before: by each of the latest versions of each
 * name, if it matches, at most so many.  Of a row that is read by the mapping of a
 * name, only by those of that, whether they match or not.  They live as long as the
 * transaction.
 */
#define CDR_MAPPINGS_BEFORE 4

extern int cdr_mappings_before(const char				   *name,
							   const struct CdrMappingUse **uses, int most);

#endif /* CDR_MAPPING_CACHE_H */
