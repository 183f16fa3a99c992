/*-------------------------------------------------------------------------
 *
 * mapping_causes.h
 *	  Names of hangup causes by number, for mappings that ask for them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_MAPPING_CAUSES_H
#define CDR_MAPPING_CAUSES_H

#include "event/mapping_parts.h"

/* A built-in table of causes; NULL: there is none of that name. */
extern const MapTable *cdr_map_causes(const char *name);

#endif /* CDR_MAPPING_CAUSES_H */
