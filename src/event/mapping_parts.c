/*-------------------------------------------------------------------------
 *
 * mapping_parts.c
 *	  The names of what a mapping fills.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/mapping_parts.h"

const char *const cdr_map_columns[MAP_NCOLUMNS] = {
	[MAP_CALLER_NUMBER] = "caller_number",
	[MAP_CALLEE_NUMBER] = "callee_number",
	[MAP_DIRECTION] = "direction",
	[MAP_TRUNK] = "trunk",
	[MAP_USER_ID] = "user_id",
	[MAP_CONTACT_ID] = "contact_id",
	[MAP_TENANT_ID] = "tenant_id",
	[MAP_HANGUP_CAUSE] = "hangup_cause",
	[MAP_HANGUP_SOURCE] = "hangup_source",
	[MAP_SIP_STATUS] = "sip_status",
	[MAP_RECORDING_URL] = "recording_url"};
