/*-------------------------------------------------------------------------
 *
 * remap_item.h
 *	  An event of the log that is read anew, and what becomes of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_REMAP_ITEM_H
#define CDR_REMAP_ITEM_H

#include "event/event.h"
#include "store/log_key.h"

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
	CdrLogKey	from;
	CdrLogKey	to;
	char		from_source; /* of the time */
	char		to_source;
	int			from_mapping; /* 0: none */
	int			to_mapping;
	const char *event_type;
	const char *trace_id;
	const char *tenant_id;
	const char *properties; /* to keep, as it needs them; NULL: no others */
	TimestampTz recorded_at;
	bool brings_identity; /* so it may be sent again with another time */
	CdrRemapFate fate;
	const char	*why;	/* it is left */
	bool		 asked; /* it is of those that were asked for */
	bool has_time; /* when it came first is known, by a key that is there */
	TimestampTz own_time; /* when it came, by its own row */
	bool		in_way;	  /* another one moves to where it is */
} CdrRemapItem;

/* Is the time not in the body, so that the event has a key of its own? */
static inline bool
cdr_remap_is_timeless(char source)
{
	return source == CDR_TIME_OF_PROPERTY || source == CDR_TIME_OF_RECEIPT;
}

/* Is it to be of no call, and known by its identity, whatever its time?  Then it has
 * a key, too. */
static inline bool
cdr_remap_is_of_no_call(const CdrRemapItem *item)
{
	return item->brings_identity && item->to.call_id[0] == '\0';
}

#endif /* CDR_REMAP_ITEM_H */
