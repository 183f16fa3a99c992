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
 * Compiling
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

/*
 * Makes a set: begin, add each mapping in the order in which they are to be
 * asked, end.  All of its memory comes from the context that is current at each
 * of these calls, which must be the same and must live as long as the set: a
 * context of its own, which is deleted to free it.  The strings that are passed
 * in are copied.  A set is written to when it reads (where the values of the
 * last body stand), so it is no good for two threads.
 *
 * Add returns NULL, or why the definition is refused: the message says what,
 * the detail says where, as a JSON pointer into the definition, the hint what
 * would do.  SQLSTATE 22023 (invalid_parameter_value), 54000
 * (program_limit_exceeded) beyond a limit, 22P02 for what is no JSON.  The set
 * goes on without the refused mapping.
 *
 * A trigger that only wants to know makes a set, adds, and deletes the context.
 */
extern CdrMappings *cdr_mappings_begin(const CdrZones *zones);
extern const CdrReason			   *
cdr_mappings_add(CdrMappings *set, const char *name, int version,
							 const char *definition, size_t length);
extern void cdr_mappings_end(CdrMappings *set);

/* A mapping of the set by name and version, whatever number; NULL: none. */
extern const CdrMapping *
cdr_mappings_find(const CdrMappings *set, const char *name, int version);

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
 * Reading
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

/*
 * Reads a JSON object, which is the content of that message, in one parse: by
 * the first mapping that matches, else natively, as cdr_json_read() does.
 * Returns NULL with *fields filled in, or why it is no event.
 *
 * By a mapping, fields has:
 *	mapping				which one: to be recorded with the event
 *	type, trace_id, call_id, tenant_id
 *						as it says; no type: the routing key's business
 *	time, time_unread	CDR_NO_TIME if it does not say, and whether there is one
 *						that cannot be read
 *	facts, nfacts		at most one of each kind.  Numbers are out of their URIs,
 *						the direction is derived.  A fact that has no time of its
 *						own has CDR_NO_TIME: that of the event, wherever that
 *						comes from (event.c); if from the receipt, as a guess
 *	identity			NULL: that of the bytes; else what the event is known by,
 *						if it comes again in other bytes
 *	is_cloudevent, needs_properties
 *						see fields.h
 * and nothing else.  Values of a repeated key: the last counts.
 */
extern const CdrReason *
cdr_mapping_read(const CdrMappingUse *use, const CdrMessage *message,
				 int extension_digits, const char *text, size_t length,
				 CdrFields *fields);

#endif /* CDR_MAPPING_H */
