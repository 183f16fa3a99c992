/*-------------------------------------------------------------------------
 *
 * mapping_causes.c
 *	  Names of hangup causes by number, for mappings that ask for them.
 *
 * A number need not be translated for the disposition of a call, which knows
 * numbers, too (call/causes.csv); the names are for people, and for platforms
 * that tell a cause by name in one event and by number in another.  That both
 * mean the same, a test sees to.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/mapping_causes.h"

/* In the order of strcmp(). */
static const MapEntry q850[] = {
	{"1", "unallocated_number"},
	{"102", "recovery_on_timer_expire"},
	{"16", "normal_clearing"},
	{"17", "user_busy"},
	{"18", "no_user_response"},
	{"19", "no_answer"},
	{"21", "call_rejected"},
	{"27", "destination_out_of_order"},
	{"28", "invalid_number_format"},
	{"3", "no_route_destination"},
	{"34", "normal_circuit_congestion"},
	{"38", "network_out_of_order"},
	{"41", "normal_temporary_failure"},
	{"42", "switch_congestion"},
	{"63", "service_unavailable"},
	{"88", "incompatible_destination"},
};

static const MapEntry sip[] = {
	{"200", "normal_clearing"},
	{"404", "unallocated_number"},
	{"408", "recovery_on_timer_expire"},
	{"480", "no_answer"},
	{"484", "invalid_number_format"},
	{"486", "user_busy"},
	{"487", "originator_cancel"},
	{"488", "incompatible_destination"},
	{"500", "failed"},
	{"502", "network_out_of_order"},
	{"503", "service_unavailable"},
	{"600", "user_busy"},
	{"603", "call_rejected"},
};

static const struct
{
	const char *name;
	MapTable	table;
} tables[] = {
	{"q850", {lengthof(q850), q850}},
	{"sip", {lengthof(sip), sip}},
};

const MapTable *
cdr_map_causes(const char *name)
{
	for (int i = 0; i < (int) lengthof(tables); i++)
	{
		if (strcmp(tables[i].name, name) == 0)
			return &tables[i].table;
	}
	return NULL;
}
