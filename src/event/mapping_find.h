/*-------------------------------------------------------------------------
 *
 * mapping_find.h
 *	  Values and conditions of a mapping, in a message.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_MAPPING_FIND_H
#define CDR_MAPPING_FIND_H

#include "event/mapping_parts.h"

/*
 * Do all of them hold?  If not, *failed is the first that does not.
 */
extern bool cdr_map_holds(MapReading *reading, const MapConditions *conditions,
						  const MapCondition **failed);

/* The first of the alternatives that says anything, else the last. */
extern MapFound cdr_map_find(MapReading *reading, const MapValue *value);

#endif /* CDR_MAPPING_FIND_H */
