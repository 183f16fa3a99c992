/*-------------------------------------------------------------------------
 *
 * kinds.h
 *	  The types of events that shape a call.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_KINDS_H
#define CDR_KINDS_H

#include "event/fact.h"

/* The kind of an event by its type (NULL: it has none), and by who made it. */
extern CdrEventKind cdr_event_kind(const char *type, bool of_function);

/*
 * The type that shapes a call which a type is, or ends in behind a dot
 * (org.example.call.started); NULL: none.  Points into it.
 */
extern const char *cdr_event_shaping_type(const char *type);

#endif /* CDR_KINDS_H */
