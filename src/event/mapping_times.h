/*-------------------------------------------------------------------------
 *
 * mapping_times.h
 *	  Compiles times of a mapping.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_MAPPING_TIMES_H
#define CDR_MAPPING_TIMES_H

#include "event/mapping_parts.h"

/* As the values in mapping_values.h. */
extern MapTime *cdr_map_time(MapCompiler *compiler, const CdrJsonNode *node);

/* The zone of all times that name none. */
extern void cdr_map_zone(MapCompiler *compiler, const CdrJsonNode *node);

#endif /* CDR_MAPPING_TIMES_H */
