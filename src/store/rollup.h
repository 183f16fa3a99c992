/*-------------------------------------------------------------------------
 *
 * rollup.h
 *	  Calls, counted by quarters of an hour.
 *
 * What is counted of a call depends on its row alone, and counts are sums: so the
 * counts of all calls are what the changes of rows add to them and take away,
 * in any order.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ROLLUP_H
#define CDR_ROLLUP_H

#include "datatype/timestamp.h"

/* How long a bucket is.  All zones in use are offset by multiples of it. */
#define CDR_QUARTER (15 * USECS_PER_MINUTE)

/* A call occupies a line for that long at most: see cdr_traffic(). */
#define CDR_OCCUPIES_AT_MOST (3 * USECS_PER_DAY)

/*
 * A call that lasts longer is not split over all the buckets that it spans: it counts as
 * lengthy, so that who reads looks at its row.  Else each could cost 289 rows.
 */
#define CDR_LENGTHY (2 * USECS_PER_HOUR)

/*
 * What is counted, in the order of the columns: see doc/reports.md.  Times are
 * microseconds; they are added as numbers that wrap around, so that what was added
 * can be taken away again, whatever it was.
 */
#define CDR_ROLLUP_MEASURES(MEASURE) \
	MEASURE(attempts)                \
	MEASURE(without_start)           \
	MEASURE(open)                    \
	MEASURE(lengthy)                 \
	MEASURE(decided)                 \
	MEASURE(answered)                \
	MEASURE(presumed)                \
	MEASURE(busy)                    \
	MEASURE(canceled)                \
	MEASURE(failed)                  \
	MEASURE(no_answer)               \
	MEASURE(talks)                   \
	MEASURE(talk_time)               \
	MEASURE(short_calls)             \
	MEASURE(setups)                  \
	MEASURE(setup_time)              \
	MEASURE(occupied)

#define CDR_ROLLUP_PLACE(name) CDR_ROLLUP_##name,

typedef enum CdrRollupMeasure
{
	CDR_ROLLUP_MEASURES(CDR_ROLLUP_PLACE) CDR_ROLLUP_NMEASURES
} CdrRollupMeasure;

/* By what. */
typedef enum CdrRollupDimension
{
	CDR_ROLLUP_TENANT,
	CDR_ROLLUP_DIRECTION,
	CDR_ROLLUP_CAUSE, /* of a call that ended without an answer */
	CDR_ROLLUP_NDIMENSIONS
} CdrRollupDimension;

typedef struct CdrRollupText
{
	const char *data; /* NULL: null */
	int			length;
} CdrRollupText;

typedef struct CdrRollupKey
{
	TimestampTz	  bucket;	/* when the quarter of an hour begins */
	int32		  quarters; /* so many before it, the call was attempted */
	CdrRollupText text[CDR_ROLLUP_NDIMENSIONS];
} CdrRollupKey;

/*
 * The bucket of what says that changes were made that could not be counted, so
 * that the counts are not to be used until they are made anew.
 */
#define CDR_ROLLUP_SPOILT DT_NOBEGIN

typedef struct CdrRollupEntry
{
	CdrRollupKey key;
	uint32		 hash;
	char		 status; /* of the hash table */
	int64		 counts[CDR_ROLLUP_NMEASURES];
} CdrRollupEntry;

/* Counts in memory, in a context of their own. */
typedef struct CdrRollup
{
	MemoryContext			 context;
	struct rollup_hash_hash *entries;
	size_t					 bytes; /* of texts */
} CdrRollup;

extern bool cdr_rollup_is_same(const CdrRollupKey *a, const CdrRollupKey *b);

extern CdrRollup *cdr_rollup_create(MemoryContext parent);
extern void		  cdr_rollup_free(CdrRollup *rollup);
extern void		  cdr_rollup_clear(CdrRollup *rollup);
extern uint32	  cdr_rollup_size(const CdrRollup *rollup);

/* About the memory that it takes. */
extern size_t cdr_rollup_memory(const CdrRollup *rollup);

/* The entry of a key, which is made if it is not there; or NULL. */
extern CdrRollupEntry *
cdr_rollup_entry(CdrRollup *rollup, const CdrRollupKey *key);
extern CdrRollupEntry *
cdr_rollup_find(CdrRollup *rollup, const CdrRollupKey *key);

/* Adds counts (sign 1), or takes them away (-1). */
extern void cdr_rollup_add(int64 *counts, const int64 *added, int sign);
extern void
cdr_rollup_join(CdrRollup *rollup, const CdrRollup *added, int sign);
extern bool cdr_rollup_is_zero(const CdrRollupEntry *entry);

/* Takes counts that have become too many for memory, each of some 300 bytes. */
typedef struct CdrRollupDrain
{
	void (*take)(const CdrRollup *rollup, void *argument);
	void *argument;
} CdrRollupDrain;

#define CDR_ROLLUP_KEYS_AT_MOST	 20000
#define CDR_ROLLUP_BYTES_AT_MOST (8 * 1024 * 1024) /* of texts */

/* Drains it if it has become too large; a drain of NULL lets it grow. */
extern void cdr_rollup_bound(CdrRollup *rollup, const CdrRollupDrain *drain);

/* Each entry in turn; the table is not to be changed meanwhile. */
typedef struct CdrRollupCursor
{
	const CdrRollup *rollup;
	uint64			 place;
} CdrRollupCursor;

extern CdrRollupEntry *cdr_rollup_next(CdrRollupCursor *cursor);

#endif /* CDR_ROLLUP_H */
