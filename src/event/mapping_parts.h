/*-------------------------------------------------------------------------
 *
 * mapping_parts.h
 *	  A mapping as it is compiled: between the files that make it and those that
 *	  read by it.
 *
 * All of it belongs to the set, in whose memory it is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_MAPPING_PARTS_H
#define CDR_MAPPING_PARTS_H

#include "event/json.h"
#include "event/json_paths.h"
#include "event/json_tree.h"
#include "event/mapping.h"

/* A path, as a step of a set of paths, and as it is written. */
typedef struct MapPath
{
	int			step;
	const char *written;
} MapPath;

/* Some texts. */
typedef struct MapWords
{
	int			 count;
	const char **words;
} MapWords;

typedef enum MapTest
{
	MAP_ONE_OF,
	MAP_NONE_OF,
	MAP_THERE,
	MAP_NOT_THERE,
	MAP_SAME
} MapTest;

typedef struct MapCondition
{
	MapPath	 path;
	MapTest	 test;
	MapWords words; /* of MAP_ONE_OF, MAP_NONE_OF */
	MapPath	 other; /* of MAP_SAME */
} MapCondition;

/* All of them must hold. */
typedef struct MapConditions
{
	int			  count;
	MapCondition *conditions;
} MapConditions;

/* What a value is replaced by; NULL: it says nothing then. */
typedef struct MapEntry
{
	const char *value;
	const char *means;
} MapEntry;

/* In the order of their values. */
typedef struct MapTable
{
	int				count;
	const MapEntry *entries;
} MapTable;

/* JSON that stands in a string of the body. */
typedef struct MapInner MapInner;
struct MapInner
{
	MapPath		 path;
	CdrJsonPaths paths;
	uint64		 stamp; /* of the string that the paths were filled from */
	bool		 readable;
	MapInner	*next;
};

typedef enum MapSource
{
	MAP_FROM_PATHS,
	MAP_FROM_CONSTANT,
	MAP_FROM_HEADER,
	MAP_FROM_PROPERTY
} MapSource;

/* One of several ways to a value. */
typedef struct MapValue MapValue;
struct MapValue
{
	MapSource	  source;
	MapConditions when;
	MapInner	 *inner; /* that the paths go into; NULL: the body */
	int			  npaths;
	MapPath		 *paths;
	const char	 *name; /* of a header, a property; the constant */
	MapWords	  none; /* what stands for nothing */
	MapTable	  table;
	bool		  has_otherwise;
	const char	 *otherwise; /* where the table does not have it */
	MapValue	 *next;		 /* if this one says nothing; NULL: none */
};

typedef enum MapNotation
{
	MAP_RFC3339,
	MAP_RFC2822,
	MAP_UNIX,
	MAP_UNIX_MS,
	MAP_UNIX_US,
	MAP_UNIX_NS,
	MAP_GREGORIAN,
	MAP_LOCAL
} MapNotation;

/* Something to add to a time. */
typedef struct MapDuration
{
	const MapValue *value;	/* one, without a next */
	int				digits; /* of the fraction of a second that it counts */
	int				sign;
} MapDuration;

#define MAP_DURATIONS 2 /* plus, minus */

typedef struct MapTime MapTime;
struct MapTime
{
	MapValue   *value; /* one, without a next */
	MapNotation notation;
	const void *zone; /* of MAP_LOCAL; NULL: UTC */
	int			ndurations;
	MapDuration durations[MAP_DURATIONS];
	MapTime	   *next;
};

/* The columns that a fact can have, in the order of their names below. */
typedef enum MapColumn
{
	MAP_CALLER_NUMBER,
	MAP_CALLEE_NUMBER,
	MAP_DIRECTION,
	MAP_TRUNK,
	MAP_USER_ID,
	MAP_CONTACT_ID,
	MAP_TENANT_ID,
	MAP_HANGUP_CAUSE,
	MAP_HANGUP_SOURCE,
	MAP_SIP_STATUS,
	MAP_RECORDING_URL
} MapColumn;
#define MAP_NCOLUMNS (MAP_RECORDING_URL + 1)

extern const char *const cdr_map_columns[MAP_NCOLUMNS];

typedef struct MapRule
{
	CdrEventKind	kind;
	CdrRank			rank;
	MapConditions	when;
	const MapTime  *time; /* NULL: that of the event */
	const MapValue *columns[MAP_NCOLUMNS];
} MapRule;

struct CdrMapping
{
	CdrMappingId id;
	bool		 strict;

	/* the array whose elements are its messages, as written, and step by step;
	 * NULL: a message is what came */
	const char *each;
	MapWords	each_steps;

	/* which messages are its own; of none: all */
	MapWords	  exchanges;
	MapWords	  routing_keys; /* patterns */
	MapWords	  content_types;
	MapConditions where;

	/* the event */
	const MapValue	*type;
	const MapValue	*call_id;
	const MapValue	*trace_id;
	const MapValue	*tenant_id;
	const MapTime	*time;
	bool			 by_content; /* the identity is that of the bytes */
	int				 nidentity;
	const MapValue **identity;

	int		 nrules;
	MapRule *rules;
};

struct CdrMappings
{
	const CdrZones	  *zones;
	CdrJsonPaths	   paths;
	const CdrJsonKeys *keys; /* of the native form, in the same paths */
	MapInner		  *inners;
	int				   count;
	CdrMapping		  *mappings[CDR_MAPPINGS_MAX];

	/* what most messages are told apart by, without looking at the mappings:
	 * those that ask for no property, as bits, and a step without which the
	 * mapping does not match; CDR_JSON_ROOT: none */
	uint32 of_any_properties;
	bool   has_each; /* does any of them read the elements of an array? */
	int	   needed[CDR_MAPPINGS_MAX];
};

/* ------------------------------------------------------------------------
 * Between the files of the compiler
 * ------------------------------------------------------------------------
 */

/* Where the compiler stands. */
typedef struct MapCompiler
{
	CdrMappings		*set;
	bool			 has_zone;
	const void		*zone;	 /* of local times that name none */
	int				 nkeys;	 /* that this mapping has added */
	const CdrReason *reason; /* why it is refused; NULL: so far, it is not */
} MapCompiler;

/* ------------------------------------------------------------------------
 * Between the files that read
 * ------------------------------------------------------------------------
 */

/* One message that is read. */
typedef struct MapReading
{
	CdrMappings			  *set;
	const CdrMapping	  *mapping;
	const CdrMessage	  *message;
	const CdrMappingNotes *notes; /* NULL: nobody wants to know */

	/* headers and properties, when somebody has asked for them */
	CdrJsonMembers *headers;
	CdrJsonMembers *properties;
	bool			needs_properties; /* see CdrFields */
} MapReading;

/* A value that was found, or why there is none. */
typedef struct MapFound
{
	const char *text;	   /* NULL: none */
	bool		is_number; /* it was a number of JSON */
	const char *from;	   /* as written in the definition */
	const char *note;
} MapFound;

/* A time likewise. */
typedef struct MapMoment
{
	TimestampTz time;	/* CDR_NO_TIME: none */
	bool		unread; /* there is one that cannot be read */
	const char *value;
	const char *from;
	const char *note;
} MapMoment;

#endif /* CDR_MAPPING_PARTS_H */
