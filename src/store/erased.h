/*-------------------------------------------------------------------------
 *
 * erased.h
 *	  Events whose content is not in the log: it was erased.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_STORE_ERASED_H
#define CDR_STORE_ERASED_H

#include "event/event.h"

/* What stands for the content of an event. */
struct CdrErasure
{
	const CdrEvent
			 *as_came; /* what is not stored of it; NULL: nobody has it */
	CdrDigest content; /* filled in by whoever stores it */
};

#endif /* CDR_STORE_ERASED_H */
