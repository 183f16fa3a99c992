/*-------------------------------------------------------------------------
 *
 * mapping_zones.c
 *	  The server's zones of time, for mappings.
 *
 * A zone that was found is kept by the server as long as the process lives.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pgtime.h"

#include "store/mapping_zones.h"

/*
 * Debian has that of the machine among the zones.  By it, one event would have another
 * time on each machine: a standby, or one to which a dump is restored.
 */
#define ZONE_OF_MACHINE "localtime"

static const void *
server_zone(const char *name)
{
	pg_tz *zone;

	if (pg_strcasecmp(name, ZONE_OF_MACHINE) == 0)
		return NULL;
	zone = pg_tzset(name);
	/* as SET timezone does */
	return zone != NULL && pg_tz_acceptable(zone) ? zone : NULL;
}

static int32
offset_at(const void *zone, int64 moment)
{
	pg_time_t			time = (pg_time_t) moment;
	const struct pg_tm *clock = pg_localtime(&time, (const pg_tz *) zone);

	return clock != NULL ? (int32) clock->tm_gmtoff : 0;
}

const CdrZones cdr_mapping_zones = {.find = server_zone, .offset = offset_at};
