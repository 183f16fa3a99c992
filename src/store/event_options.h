/*-------------------------------------------------------------------------
 *
 * event_options.h
 *	  What the settings say about reading events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_EVENT_OPTIONS_H
#define CDR_EVENT_OPTIONS_H

#include "base/guc.h"
#include "event/event.h"
#include "store/charset.h"
#include "store/mapping_cache.h"

/* With the mappings that were in force when they were looked up last. */
static inline CdrEventOptions
cdr_event_options(void)
{
	return (CdrEventOptions){.max_event_size = cdr_max_event_size,
							 .extension_digits = cdr_extension_digits,
							 .convert = cdr_server_convert,
							 .mappings = cdr_mappings_in_force()};
}

/* With those that are in force now; for SQL functions. */
static inline CdrEventOptions
cdr_event_options_now(void)
{
	cdr_mappings_look();
	return cdr_event_options();
}

#endif /* CDR_EVENT_OPTIONS_H */
