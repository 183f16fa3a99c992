/*-------------------------------------------------------------------------
 *
 * mapping.h
 *	  Mappings: how events of other platforms are read, by documents that
 *	  somebody writes (doc/mappings.md has the language).
 *
 * A mapping says which messages are its own, and where in their JSON the type,
 * the time, the call and the facts stand.  Documents are compiled into a set,
 * whose paths are one hash together with those of the native form, so that a
 * body is parsed once, whatever is in force.  Nothing in a mapping runs, and
 * what it costs is bounded by itself and by the body.
 *
 * Nothing here throws for what a definition or a message says; running out of
 * memory is still an ERROR of the server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_MAPPING_H
#define CDR_MAPPING_H

#include "event/fields.h"

/* ------------------------------------------------------------------------
 * Limits: a definition beyond one of them is refused
 * ------------------------------------------------------------------------
 */

#define CDR_MAPPINGS_MAX		32	  /* in a set */
#define CDR_MAPPING_SIZE_MAX	65536 /* bytes of a definition */
#define CDR_MAPPING_DEPTH_MAX	16	  /* levels of a definition */
#define CDR_MAPPING_KEYS_MAX	256	  /* different paths of one mapping */
#define CDR_MAPPING_RULES_MAX	64	  /* members of "call" */
#define CDR_MAPPING_LIST_MAX	256	  /* alternatives, words of a condition */
#define CDR_MAPPING_ENTRIES_MAX 1024  /* of a table of values */
#define CDR_MAPPING_STEPS_MAX	32	  /* of a path */
#define CDR_MAPPING_NAME_MAX	63	  /* bytes of a mapping's name */

/* A longer value of a body, in bytes, says nothing to a mapping. */
#define CDR_MAPPING_VALUE_MAX 8192

/* ------------------------------------------------------------------------
 * Sets: mapping_compile.h makes them
 * ------------------------------------------------------------------------
 */

/*
 * Zones of time, for "as": "local".  The server has pg_tzset() and
 * pg_localtime(); programs without it, and whoever passes NULL, have UTC only.
 */
typedef struct CdrZones
{
	/* The zone of a name, which must live as long as the set; NULL: there is
	 * none of that name. */
	const void *(*find)(const char *name);

	/* How many seconds its clocks are ahead of UTC at a moment, in seconds since
	 * 1970: tm_gmtoff. */
	int32 (*offset)(const void *zone, int64 moment);
} CdrZones;

/* One mapping, compiled; it belongs to its set. */
typedef struct CdrMapping CdrMapping;

/* Mappings that are asked in turn. */
typedef struct CdrMappings CdrMappings;

/* ------------------------------------------------------------------------
 * Explaining
 * ------------------------------------------------------------------------
 */

/* One thing that a mapping made of a message, or did not. */
typedef struct CdrMappingNote
{
	const CdrMappingId *mapping;
	CdrEventKind		kind;	/* of the fact; CDR_OTHER: the event itself */
	const char		   *column; /* "call_id", "time"; "mapping": which it is */
	const char		   *value;	/* as text; NULL: none */
	TimestampTz			time;	/* of column "time"; CDR_NO_TIME: none */
	const char *from; /* path, header, property, constant, as written in the
					   * definition; NULL: from none */
	const char *note; /* what else there is to say; NULL: nothing */
} CdrMappingNote;

/*
 * Takes notes, in the order of the definition; what a note points to lives as
 * long as the event.
 */
typedef struct CdrMappingNotes
{
	void (*take)(void *state, const CdrMappingNote *note);
	void *state;
} CdrMappingNotes;

/* ------------------------------------------------------------------------
 * Use: mapping_read.h reads by them
 * ------------------------------------------------------------------------
 */

/* What is in force, and how: one of the options of reading events. */
typedef struct CdrMappingUse
{
	CdrMappings *set;

	/* that one only, of an event that was read by it before: exchange, routing
	 * key and content type, which nobody may know any more, are not asked for,
	 * but "where" is, as it tells an envelope from what is in it; NULL: the first
	 * that matches */
	const CdrMapping *by;

	const CdrMappingNotes *notes; /* NULL: nobody wants to know */
} CdrMappingUse;

#endif /* CDR_MAPPING_H */
