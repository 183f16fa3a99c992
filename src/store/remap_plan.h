/*-------------------------------------------------------------------------
 *
 * remap_plan.h
 *	  What becomes of some events of the log that are read anew.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_REMAP_PLAN_H
#define CDR_REMAP_PLAN_H

#include "store/anew.h"
#include "store/tables.h"

/* Events that are planned for at a time, and with those that stand in their way. */
#define CDR_REMAP_SLICE	   1000
#define CDR_REMAP_PLAN_MAX 20000

/* The key of a row of the log. */
typedef struct CdrLogKey
{
	const char *call_id;
	pg_uuid_t	event_id;
	TimestampTz time;
} CdrLogKey;

typedef enum CdrRemapFate
{
	CDR_REMAP_STAYS,   /* as it is: it stood in the way of another */
	CDR_REMAP_MOVES,   /* to another key, or to another mapping */
	CDR_REMAP_REPEATS, /* another row is the same event: this one goes */
	CDR_REMAP_LEFT	   /* as it is, although it would be read otherwise */
} CdrRemapFate;

/* One row. */
typedef struct CdrRemapItem
{
	CdrLogKey	 from;
	CdrLogKey	 to;
	char		 from_source; /* of the time */
	char		 to_source;
	int			 from_mapping; /* 0: none */
	int			 to_mapping;
	const char	*event_type;
	const char	*trace_id;
	const char	*tenant_id;
	const char	*properties; /* to keep, as it needs them; NULL: no others */
	TimestampTz	 recorded_at;
	CdrRemapFate fate;
	const char	*why;	/* it is left */
	bool		 asked; /* it is of those that were asked for */
	bool has_time; /* when it came first is known, by a key that is there */
	TimestampTz own_time; /* when it came, by its own row */
	bool		in_way;	  /* another one moves to where it is */
} CdrRemapItem;

typedef struct CdrRemapPlan
{
	const CdrTables *tables;
	const char *exchange; /* that the log does not know; NULL: neither do we */
	CdrRemapItem *items;
	int			  count;
	int			  size;
	MemoryContext scratch;
} CdrRemapPlan;

/*
 * Plans for rows of these keys, as of now; in SPI, which is connected.  Keys
 * of which there is no row any more are passed over.  What the plan says is in the
 * current context; the items are sorted by where they go.
 *
 * ERROR (54000) if too many others stand in their way.
 */
extern CdrRemapPlan *
cdr_remap_plan(const CdrTables *tables, const char *exchange,
			   const CdrLogKey *keys, int count);

/* By call, then identity, then time: the order of the unique index. */
extern int cdr_log_key_compare(const CdrLogKey *a, const CdrLogKey *b);

/* Is the time not in the body, so that the event has a key of its own? */
static inline bool
cdr_remap_is_timeless(char source)
{
	return source == CDR_TIME_OF_PROPERTY || source == CDR_TIME_OF_RECEIPT;
}

#endif /* CDR_REMAP_PLAN_H */
