/*-------------------------------------------------------------------------
 *
 * mapping_moment.h
 *	  Times of a mapping, in a message.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_MAPPING_MOMENT_H
#define CDR_MAPPING_MOMENT_H

#include "event/mapping_parts.h"

/* The first of the alternatives that says anything, be it unreadable; else the
 * last. */
extern MapMoment cdr_map_moment(MapReading *reading, const MapTime *time);

#endif /* CDR_MAPPING_MOMENT_H */
