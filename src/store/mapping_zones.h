/*-------------------------------------------------------------------------
 *
 * mapping_zones.h
 *	  The server's zones of time, for mappings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_MAPPING_ZONES_H
#define CDR_MAPPING_ZONES_H

#include "event/mapping.h"

extern const CdrZones cdr_mapping_zones;

#endif /* CDR_MAPPING_ZONES_H */
