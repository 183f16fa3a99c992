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

static inline CdrEventOptions
cdr_event_options(void)
{
	return (CdrEventOptions){.max_event_size = cdr_max_event_size,
							 .extension_digits = cdr_extension_digits,
							 .convert = cdr_server_convert};
}

#endif /* CDR_EVENT_OPTIONS_H */
