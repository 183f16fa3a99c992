/*-------------------------------------------------------------------------
 *
 * json_paths.c
 *	  Finds where the values of many paths stand in a JSON text, in one pass.
 *
 * The text is read in one pass by the server's own JSON parser, with a lexer
 * that looks at escapes but does not resolve them: where a step that matters is
 * met, it is noted where its value stands, and only the values that are wanted
 * in the end are copied, with their escapes resolved.  No tree is built.  So an
 * escape that no text can hold (half a surrogate pair, \u0000) costs the value
 * in which it stands, and nothing else; SQL's type json takes such bodies, too.
 *
 * The rules of that type's -> and ->> operators hold: of a repeated key the
 * last one counts, wherever it stands, with all that is in it.
 *
 * The steps are in one hash over the step before and the name.  Whoever makes
 * the paths may choose names whose hashes are equal: so the set tries seeds until
 * no bucket has many.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "common/jsonapi.h"
#include "lib/stringinfo.h"

#include "base/compat.h"
#include "event/fields.h"
#include "event/json_check.h"
#include "event/json_paths.h"
#include "event/json_text.h"

/* Where nothing is looked for. */
#define NO_STEP (-1)

/* How many steps a bucket should have at most, and how many seeds are tried. */
#define BUCKET_GOOD 6
#define SEEDS_MAX	64
#define COUNT_MOST	100

/* An open object or array. */
typedef struct PathsLevel
{
	int	  step;	 /* that it is the value of, if there are steps behind */
	int32 index; /* of the next element, if it is an array */
} PathsLevel;

/* Where the parser stands. */
typedef struct PathsReader
{
	CdrJsonPaths		 *paths;
	const JsonLexContext *lex;
	int					  depth; /* open objects and arrays */
	int pending; /* the step whose value comes next, if there are steps behind */
	bool	   is_object; /* the outermost value is an object */
	PathsLevel levels[CDR_JSON_DEPTH_MAX + 1];
} PathsReader;

/* ------------------------------------------------------------------------
 * The hash
 * ------------------------------------------------------------------------
 */

static inline uint64
mix(uint64 hash, uint64 word)
{
	hash = (hash ^ word) * UINT64CONST(0x9E3779B97F4A7C15);
	return hash ^ (hash >> 29);
}

/* All of at most eight bytes; those in the middle may be in it twice. */
static inline uint64
some_bytes(const char *bytes, size_t length)
{
	const unsigned char *few = (const unsigned char *) bytes;
	uint32				 first;
	uint32				 last;

	if (length < sizeof(uint32))
		return length == 0
				   ? 0
				   : few[0] << 16 | few[length / 2] << 8 | few[length - 1];
	memcpy(&first, bytes, sizeof(uint32));
	memcpy(&last, bytes + length - sizeof(uint32), sizeof(uint32));
	return (uint64) first << 32 | last;
}

static inline uint32
hash_step(uint32 seed, int before, const char *name, size_t length)
{
	uint64 hash = mix(seed, (uint64) before << 32 | length);

	for (; length > sizeof(uint64);
		 name += sizeof(uint64), length -= sizeof(uint64))
	{
		uint64 word;

		memcpy(&word, name, sizeof(uint64));
		hash = mix(hash, word);
	}
	return (uint32) (mix(hash, some_bytes(name, length)) >> 24);
}

static int
find_step(const CdrJsonPaths *paths, int before, const char *name,
		  size_t length)
{
	uint32 hash = hash_step(paths->seed, before, name, length);
	int	   step = paths->buckets[hash & paths->mask];

	for (; step != CDR_JSON_ROOT; step = paths->steps[step].next)
	{
		const CdrJsonStep *found = &paths->steps[step];

		if (found->hash == hash && found->before == before &&
			found->length == length && memcmp(found->name, name, length) == 0)
			return step;
	}
	return NO_STEP;
}

static void
put_into_bucket(CdrJsonPaths *paths, int step)
{
	CdrJsonStep *put = &paths->steps[step];
	uint16		*bucket;

	put->hash = hash_step(paths->seed, put->before, put->name, put->length);
	bucket = &paths->buckets[put->hash & paths->mask];
	put->next = *bucket;
	*bucket = (uint16) step;
}

/* Fills the buckets anew; returns how many steps the fullest has. */
static int
fill_buckets(CdrJsonPaths *paths, uint32 seed)
{
	int most = 0;

	paths->seed = seed;
	memset(paths->buckets, 0, (paths->mask + 1) * sizeof(uint16));
	for (int i = 1; i < paths->count; i++)
		put_into_bucket(paths, i);
	for (int i = 1; i < paths->count; i++)
	{
		int count = 0;

		for (int step = i; step != CDR_JSON_ROOT && count < COUNT_MOST;
			 step = paths->steps[step].next)
			count++;
		most = Max(most, count);
	}
	return most;
}

/* ------------------------------------------------------------------------
 * Making a set
 * ------------------------------------------------------------------------
 */

void
cdr_json_paths_begin_in(CdrJsonPaths *paths, CdrJsonStep *steps, int room,
						uint16 *buckets, uint32 mask)
{
	memset(paths, 0, sizeof(CdrJsonPaths));
	paths->steps = steps;
	paths->room = room;
	paths->buckets = buckets;
	paths->mask = mask;
	paths->count = 1;
	memset(&steps[CDR_JSON_ROOT], 0, sizeof(CdrJsonStep));
	steps[CDR_JSON_ROOT].index_most = -1;
	steps[CDR_JSON_ROOT].goes_on = true;
}

void
cdr_json_paths_begin(CdrJsonPaths *paths)
{
	int	   room = 64;
	uint32 mask = 255;

	cdr_json_paths_begin_in(paths, palloc(room * sizeof(CdrJsonStep)), room,
							palloc0((mask + 1) * sizeof(uint16)), mask);
	paths->grows = true;
}

/* Room for one step more, with four buckets for each. */
static void
paths_make_room(CdrJsonPaths *paths)
{
	Assert(paths->grows);
	paths->room *= 2;
	paths->steps = repalloc(paths->steps, paths->room * sizeof(CdrJsonStep));
	paths->mask = paths->mask * 2 + 1;
	pfree(paths->buckets);
	paths->buckets = palloc((paths->mask + 1) * sizeof(uint16));
	(void) fill_buckets(paths, paths->seed);
}

/* The index of an element that a name is; -1: it is none. */
static int32
index_of(const char *name, size_t length)
{
	int32 index = 0;

	if (length == 0 || length > 3 || (length > 1 && name[0] == '0'))
		return -1;
	for (size_t i = 0; i < length; i++)
	{
		if (name[i] < '0' || name[i] > '9')
			return -1;
		index = index * 10 + (name[i] - '0');
	}
	return index;
}

int
cdr_json_paths_add(CdrJsonPaths *paths, int before, const char *name,
				   size_t length)
{
	int			 number = find_step(paths, before, name, length);
	CdrJsonStep *step;

	if (number != NO_STEP)
		return number;
	if (paths->count == paths->room)
		paths_make_room(paths);
	number = paths->count++;
	step = &paths->steps[number];
	memset(step, 0, sizeof(CdrJsonStep));
	step->name = name;
	step->length = (uint32) length;
	step->before = (uint16) before;
	step->index_most = -1;
	put_into_bucket(paths, number);

	paths->longest = Max(paths->longest, step->length);
	step = &paths->steps[before];
	step->goes_on = true;
	step->index_most = Max(step->index_most, index_of(name, length));
	paths->has_indexes |= step->index_most >= 0;
	return number;
}

void
cdr_json_paths_end(CdrJsonPaths *paths)
{
	uint32 best = paths->seed;
	int	   fewest = INT_MAX;

	for (uint32 seed = 0; seed < SEEDS_MAX && fewest > BUCKET_GOOD; seed++)
	{
		int most = fill_buckets(paths, seed);

		if (most < fewest)
		{
			fewest = most;
			best = seed;
		}
	}
	(void) fill_buckets(paths, best);
}

/* ------------------------------------------------------------------------
 * The parser's callbacks
 * ------------------------------------------------------------------------
 */

/* The step of a key as it stands in the text, with its escapes. */
static int
find_key(const CdrJsonPaths *paths, int before, const char *start,
		 const char *end)
{
	char *name;
	int	  step;

	/* an escape takes six bytes at most for each byte that it stands for */
	if (end - start > (ptrdiff_t) paths->longest * 6)
		return NO_STEP;
	if (memchr(start, '\\', end - start) == NULL)
		return find_step(paths, before, start, end - start);
	name = cdr_json_unescape(start, end);
	if (name == NULL)
		return NO_STEP;
	step = find_step(paths, before, name, strlen(name));
	pfree(name);
	return step;
}

/* The token that the lexer has just read is the value of a step, or begins it. */
static void
note_value(PathsReader *reader, int number)
{
	const JsonLexContext *lex = reader->lex;
	CdrJsonStep			 *step = &reader->paths->steps[number];
	CdrJsonValue		 *value = &step->value;

	step->stamp = ++reader->paths->stamp;
	value->start = lex->token_start;
	value->end = lex->token_terminator;
	value->is_number = lex->token_type == JSON_TOKEN_NUMBER;
	value->is_boolean = false;
	value->is_text = value->is_number;
	switch (lex->token_type)
	{
		case JSON_TOKEN_STRING:
			value->is_text = true;
			value->start++;
			value->end--;
			/* an empty one says nothing */
			if (value->start == value->end)
				value->start = NULL;
			break;
		case JSON_TOKEN_NULL:
			value->start = NULL;
			break;
		case JSON_TOKEN_TRUE:
		case JSON_TOKEN_FALSE:
			value->is_boolean = true;
			break;
		default:
			break;
	}
	if (step->goes_on)
		reader->pending = number;
}

static void
paths_enter(PathsReader *reader)
{
	PathsLevel *level = &reader->levels[++reader->depth];

	level->step = reader->pending;
	level->index = 0;
	reader->pending = NO_STEP;
}

static CdrJsonResult
paths_object_start(void *state)
{
	PathsReader *reader = state;

	if (reader->depth == 0)
	{
		reader->is_object = true;
		reader->pending = CDR_JSON_ROOT;
	}
	paths_enter(reader);
	CDR_JSON_CONTINUE;
}

static CdrJsonResult
paths_array_start(void *state)
{
	paths_enter(state);
	CDR_JSON_CONTINUE;
}

static CdrJsonResult
paths_container_end(void *state)
{
	PathsReader *reader = state;

	reader->depth--;
	CDR_JSON_CONTINUE;
}

/* The lexer stands at the first token of the value. */
static CdrJsonResult
paths_field_start(void *state, char *name, bool isnull)
{
	PathsReader *reader = state;
	int			 before = reader->levels[reader->depth].step;
	int			 step;
	const char	*start;
	const char	*end;

	reader->pending = NO_STEP;
	/* there is no token where the text ends behind a colon */
	if (before == NO_STEP || reader->lex->token_start == NULL)
		CDR_JSON_CONTINUE;

	cdr_json_key_before(reader->lex->token_start, &start, &end);
	step = find_key(reader->paths, before, start, end);
	if (step != NO_STEP)
		note_value(reader, step);
	CDR_JSON_CONTINUE;
}

/* Likewise. */
static CdrJsonResult
paths_element_start(void *state, bool isnull)
{
	PathsReader *reader = state;
	PathsLevel	*level = &reader->levels[reader->depth];
	char		 name[16];
	int			 step;

	reader->pending = NO_STEP;
	if (level->step == NO_STEP || reader->lex->token_start == NULL ||
		level->index > reader->paths->steps[level->step].index_most)
		CDR_JSON_CONTINUE;
	step = find_step(reader->paths, level->step, name,
					 snprintf(name, sizeof(name), "%d", level->index));
	level->index++;
	if (step != NO_STEP)
		note_value(reader, step);
	CDR_JSON_CONTINUE;
}

/* ------------------------------------------------------------------------
 * The whole text
 * ------------------------------------------------------------------------
 */

const CdrReason *
cdr_json_paths_fill(CdrJsonPaths *paths, const char *text, size_t length)
{
	const CdrReason	  *reason = cdr_json_check(text, length);
	JsonSemAction	   actions = {0};
	JsonLexContext	  *lex;
	JsonParseErrorType result;
	PathsReader		   reader;

	if (reason != NULL)
		return reason;
	reader.paths = paths;
	reader.depth = 0;
	reader.pending = NO_STEP;
	reader.is_object = false;
	paths->steps[CDR_JSON_ROOT].stamp = ++paths->stamp;

	actions.semstate = &reader;
	actions.object_start = paths_object_start;
	actions.object_end = paths_container_end;
	actions.array_start = paths_array_start;
	actions.array_end = paths_container_end;
	actions.object_field_start = paths_field_start;
	if (paths->has_indexes)
		actions.array_element_start = paths_element_start;

	lex = cdr_json_lexer(text, length, false);
	reader.lex = lex;
	result = pg_parse_json(lex, &actions);
	if (result != JSON_SUCCESS)
		reason = cdr_json_refused(result, lex);
	else if (!reader.is_object)
		reason = cdr_no_event(ERRCODE_INVALID_PARAMETER_VALUE,
							  pstrdup("event is not a JSON object"));
	cdr_json_lexer_free(lex);
	return reason;
}

const CdrJsonValue *
cdr_json_paths_value(const CdrJsonPaths *paths, int step)
{
	const CdrJsonStep *found = &paths->steps[step];

	if (found->value.start == NULL)
		return NULL;
	while (step != CDR_JSON_ROOT)
	{
		int before = paths->steps[step].before;

		if (paths->steps[step].stamp <= paths->steps[before].stamp)
			return NULL;
		step = before;
	}
	return &found->value;
}

char *
cdr_json_paths_text(const CdrJsonPaths *paths, int step)
{
	const CdrJsonValue *value = cdr_json_paths_value(paths, step);

	return value != NULL && value->is_text
			   ? cdr_json_unescape(value->start, value->end)
			   : NULL;
}

static const char *
value_said(const CdrJsonValue *value)
{
	if (value->is_boolean)
		return *value->start == 't' ? "true" : "false";
	return value->is_text ? cdr_json_unescape(value->start, value->end) : NULL;
}

const char *
cdr_json_paths_said(CdrJsonPaths *paths, int step, size_t most)
{
	const CdrJsonValue *value = cdr_json_paths_value(paths, step);
	CdrJsonStep		   *found = &paths->steps[step];

	/* whoever asks for more may get it */
	if (value == NULL || (size_t) (value->end - value->start) > most)
		return NULL;
	if (found->said_stamp != found->stamp)
	{
		found->said = value_said(value);
		found->said_stamp = found->stamp;
	}
	return found->said;
}

static void
append_step(const CdrJsonPaths *paths, int number, StringInfo pointer)
{
	const CdrJsonStep *step = &paths->steps[number];

	if (number == CDR_JSON_ROOT)
		return;
	append_step(paths, step->before, pointer);
	appendStringInfoChar(pointer, '/');
	cdr_json_pointer_part(step->name, step->length, pointer);
}

const char *
cdr_json_paths_pointer(const CdrJsonPaths *paths, int step)
{
	StringInfoData pointer;

	initStringInfo(&pointer);
	append_step(paths, step, &pointer);
	return pointer.data;
}

bool
cdr_json_paths_asked(const CdrJsonPaths *paths, int step)
{
	return cdr_json_paths_value(paths, step) != NULL &&
		   paths->steps[step].said_stamp == paths->steps[step].stamp;
}
