/*-------------------------------------------------------------------------
 *
 * unread.c
 *	  What stands in a body and nobody has read.
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
#include "event/json.h"
#include "event/json_check.h"
#include "event/json_text.h"
#include "event/unread.h"

/* An open object or array. */
typedef struct UnreadLevel
{
	int	  end;	 /* of its pointer, as far as that is written */
	int32 index; /* of the next element, if it is an array */
} UnreadLevel;

/* Where the parser stands. */
typedef struct UnreadReader
{
	const JsonLexContext *lex;
	const char			**read;
	int					  nread;
	CdrTakeUnread		 *take;
	void				 *state;
	StringInfoData		  pointer; /* of the value in hand */
	int					  depth;   /* open objects and arrays */
	int			skipped; /* the depth below which nothing matters; 0: none */
	const char *started; /* an unread value that is not at its end yet */
	UnreadLevel levels[CDR_JSON_DEPTH_MAX + 2];
} UnreadReader;

static int
compare_places(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* The first place that does not sort before the pointer in hand. */
static int
find_place(const UnreadReader *reader, const char *pointer)
{
	int low = 0;
	int high = reader->nread;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (strcmp(reader->read[middle], pointer) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
is_read(const UnreadReader *reader)
{
	int place = find_place(reader, reader->pointer.data);

	return place < reader->nread &&
		   strcmp(reader->read[place], reader->pointer.data) == 0;
}

/* Was something read that is in the value in hand? */
static bool
is_read_in_part(UnreadReader *reader)
{
	int	 place;
	bool found;

	appendStringInfoChar(&reader->pointer, '/');
	place = find_place(reader, reader->pointer.data);
	found = place < reader->nread &&
			strncmp(reader->read[place], reader->pointer.data,
					reader->pointer.len) == 0;
	reader->pointer.data[--reader->pointer.len] = '\0';
	return found;
}

/* The beginning of a value, cut between characters. */
static char *
excerpt_of(const char *start, const char *end)
{
	size_t length = end - start;
	char  *excerpt;

	if (length <= CDR_UNREAD_EXCERPT)
		return pnstrdup(start, length);
	length = CDR_UNREAD_EXCERPT;
	while (length > 0 && ((unsigned char) start[length] & 0xC0) == 0x80)
		length--;
	excerpt = palloc(length + 4);
	memcpy(excerpt, start, length);
	strcpy(excerpt + length, "...");
	return excerpt;
}

static void
take_value(UnreadReader *reader, const char *start, const char *end)
{
	char *excerpt = excerpt_of(start, end);

	reader->take(reader->state, reader->pointer.data, excerpt);
	pfree(excerpt);
}

/* The lexer stands at the first token of the value of the pointer in hand. */
static void
begin_value(UnreadReader *reader)
{
	const JsonLexContext *lex = reader->lex;
	bool				  opens = lex->token_type == JSON_TOKEN_OBJECT_START ||
				 lex->token_type == JSON_TOKEN_ARRAY_START;
	size_t length = lex->token_terminator - lex->token_start;
	bool   is_nothing =
		lex->token_type == JSON_TOKEN_NULL ||
		(lex->token_type == JSON_TOKEN_STRING && length == strlen("\"\""));
	bool is_known = is_read(reader);

	if (!is_known && opens && is_read_in_part(reader))
		return;
	if (opens)
		reader->skipped = reader->depth + 1;
	if (is_known || is_nothing)
		return;
	if (opens)
		reader->started = lex->token_start;
	else
		take_value(reader, lex->token_start, lex->token_terminator);
}

static CdrJsonResult
unread_open(void *state)
{
	UnreadReader *reader = state;

	reader->depth++;
	if (reader->skipped == 0)
		reader->levels[reader->depth] = (UnreadLevel){reader->pointer.len, 0};
	CDR_JSON_CONTINUE;
}

/* The lexer has read what closes it, and the token behind that. */
static CdrJsonResult
unread_close(void *state)
{
	UnreadReader *reader = state;

	if (reader->skipped == reader->depth)
	{
		reader->skipped = 0;
		if (reader->started != NULL)
			take_value(reader, reader->started,
					   reader->lex->prev_token_terminator);
		reader->started = NULL;
	}
	reader->depth--;
	CDR_JSON_CONTINUE;
}

/* The pointer is that of the open object or array again. */
static void
cut_pointer(UnreadReader *reader)
{
	reader->pointer.len = reader->levels[reader->depth].end;
	reader->pointer.data[reader->pointer.len] = '\0';
}

static CdrJsonResult
unread_field(void *state, char *name, bool isnull)
{
	UnreadReader *reader = state;
	const char	 *start;
	const char	 *end;
	char		 *key;

	if (reader->skipped > 0 || reader->lex->token_start == NULL)
		CDR_JSON_CONTINUE;
	cdr_json_key_before(reader->lex->token_start, &start, &end);
	key = cdr_json_unescape(start, end);
	cut_pointer(reader);
	appendStringInfoChar(&reader->pointer, '/');
	/* a name that no text can hold is told as it stands there */
	if (key == NULL)
		cdr_json_pointer_part(start, end - start, &reader->pointer);
	else
	{
		cdr_json_pointer_part(key, strlen(key), &reader->pointer);
		pfree(key);
	}
	begin_value(reader);
	CDR_JSON_CONTINUE;
}

static CdrJsonResult
unread_element(void *state, bool isnull)
{
	UnreadReader *reader = state;

	if (reader->skipped > 0 || reader->lex->token_start == NULL)
		CDR_JSON_CONTINUE;
	cut_pointer(reader);
	appendStringInfo(&reader->pointer, "/%d",
					 reader->levels[reader->depth].index++);
	begin_value(reader);
	CDR_JSON_CONTINUE;
}

void
cdr_unread(const char *text, size_t length, const char *prefix,
		   const char **read, int nread, CdrTakeUnread *take, void *state)
{
	size_t			mark = cdr_json_mark(text, length);
	UnreadReader	reader = {.read = read, .nread = nread};
	JsonSemAction	actions = {.semstate = &reader,
							   .object_start = unread_open,
							   .object_end = unread_close,
							   .array_start = unread_open,
							   .array_end = unread_close,
							   .object_field_start = unread_field,
							   .array_element_start = unread_element};
	JsonLexContext *lex;

	text += mark;
	length -= mark;
	if (cdr_json_check(text, length) != NULL)
		return;
	qsort(read, nread, sizeof(char *), compare_places);
	reader.take = take;
	reader.state = state;
	initStringInfo(&reader.pointer);
	appendStringInfoString(&reader.pointer, prefix);
	lex = cdr_json_lexer(text, length, false);
	reader.lex = lex;
	(void) pg_parse_json(lex, &actions);
	cdr_json_lexer_free(lex);
}
