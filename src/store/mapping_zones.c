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

static const void *
server_zone(const char *name)
{
	pg_tz *zone = pg_tzset(name);

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
