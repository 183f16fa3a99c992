/*-------------------------------------------------------------------------
 *
 * json_paths.h
 *	  Finds where the values of many paths stand in a JSON text, in one pass.
 *
 * A set of paths is made once, and then filled from one text after the other.
 * The work for a text grows with the text alone, however many paths there are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_JSON_PATHS_H
#define CDR_JSON_PATHS_H

#include "base/reason.h"

/* A value as it stands in the text. */
typedef struct CdrJsonValue
{
	const char *start; /* of a string, behind its quote */
	const char *end;
	bool		is_text; /* a string or a number, and nothing else */
	bool		is_number;
	bool		is_boolean;
} CdrJsonValue;

/*
 * One step of the paths: a member of an object, or an element of an array.
 * What was found there counts if its stamp is above that of the step before,
 * and so on to the root: so neither a new text nor a key that comes again has to
 * clear anything.
 */
typedef struct CdrJsonStep
{
	const char	*name; /* without escapes; not NUL-terminated */
	uint32		 length;
	uint32		 hash;
	uint16		 before;
	uint16		 next;		 /* of the same bucket; 0: none */
	bool		 goes_on;	 /* there are steps behind it */
	int32		 index_most; /* the highest index of these; -1: none */
	CdrJsonValue value;
	uint64		 stamp;
	const char	*said;		 /* what cdr_json_paths_said() found */
	uint64		 said_stamp; /* for the value of that stamp */
} CdrJsonStep;

/* The root's number. */
#define CDR_JSON_ROOT 0

typedef struct CdrJsonPaths
{
	CdrJsonStep *steps; /* [0] is the root */
	int			 count;
	int			 room;
	uint16		*buckets; /* the last of its steps; 0: none */
	uint32		 mask;	  /* number of buckets - 1 */
	uint32		 seed;
	uint32		 longest; /* bytes of the longest name */
	uint64		 stamp;	  /* the last that was given out */
	bool		 has_indexes;
	bool		 grows;
} CdrJsonPaths;

/* The most steps of a set: their numbers are of 16 bits. */
#define CDR_JSON_STEPS_MAX 65535

/*
 * An empty set, of memory from the current context, where all of its memory has
 * to come from, or in arrays that the caller has: of as many buckets as mask
 * says, zeros.
 */
extern void cdr_json_paths_begin(CdrJsonPaths *paths);
extern void cdr_json_paths_begin_in(CdrJsonPaths *paths, CdrJsonStep *steps,
									int room, uint16 *buckets, uint32 mask);

/*
 * Adds a member of that name, or the element of that index (0 to 999), to a step;
 * returns
 * its number, also if it is there already.  The name is not copied.
 */
extern int cdr_json_paths_add(CdrJsonPaths *paths, int before,
							  const char *name, size_t length);

/* Makes the set ready; nothing may be added after. */
extern void cdr_json_paths_end(CdrJsonPaths *paths);

/*
 * Finds the values of all paths in a text, which is checked before.  Returns
 * NULL, or why it is no JSON object, and values are good for nothing then.
 */
extern const CdrReason *
cdr_json_paths_fill(CdrJsonPaths *paths, const char *text, size_t length);

/*
 * The value of a path in the last text; NULL: nothing stands there, or null, or
 * an empty string.  Of a key that stands there more than once, the last counts.
 */
extern const CdrJsonValue *
cdr_json_paths_value(const CdrJsonPaths *paths, int step);

/* What the value says: a string or a number; NULL: neither, or no text can hold
 * it.  In the current context. */
extern char *cdr_json_paths_text(const CdrJsonPaths *paths, int step);

/* Where it is looked for, as a JSON pointer (RFC 6901), in the current context. */
extern const char *cdr_json_paths_pointer(const CdrJsonPaths *paths, int step);

/* Has anybody asked for its value in the last text, with cdr_json_paths_said()? */
extern bool cdr_json_paths_asked(const CdrJsonPaths *paths, int step);

/* Has anything been found there in the last text?  If not, there is no value. */
static inline bool
cdr_json_paths_met(const CdrJsonPaths *paths, int step)
{
	return paths->steps[step].stamp >= paths->steps[CDR_JSON_ROOT].stamp;
}

/*
 * The same, of a boolean, too, "true" or "false"; kept, so that it costs nothing
 * to ask again before the next text.  Nothing of what takes more bytes than that.
 */
extern const char *
cdr_json_paths_said(CdrJsonPaths *paths, int step, size_t most);

#endif /* CDR_JSON_PATHS_H */
