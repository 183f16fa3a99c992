/*-------------------------------------------------------------------------
 *
 * names.c
 *	  SQL: whether bytes name a number, or a call.
 *
 * Nobody can read what could not become an event, so it is searched as bytes.  A long
 * word counts wherever it stands; a short one would stand anywhere, so it must not
 * be part of a longer one: letters and digits end at both sides of it, or its length
 * is the byte before it, as Protobuf writes it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/compat.h"

/* A word of so many bytes is long. */
#define LONG_WORD 10

typedef struct Bytes
{
	const unsigned char *data;
	size_t				 length;
} Bytes;

static bool
is_of_word(unsigned char byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
		   (byte >= 'A' && byte <= 'Z');
}

/* Does the word count that stands at a place? */
static bool
stands_alone(Bytes in, Bytes word, size_t place)
{
	size_t end = place + word.length;

	if (word.length >= LONG_WORD ||
		(place > 0 && in.data[place - 1] == word.length))
		return true;
	return (place == 0 || !is_of_word(in.data[place - 1])) &&
		   (end == in.length || !is_of_word(in.data[end]));
}

static bool
names_word(Bytes in, Bytes word)
{
	const unsigned char *next = in.data;
	const unsigned char *end = in.data + in.length;

	if (word.length == 0)
		return false;
	while ((size_t) (end - next) >= word.length)
	{
		next = memchr(next, word.data[0], (end - next) - word.length + 1);
		if (next == NULL)
			return false;
		if (memcmp(next, word.data, word.length) == 0 &&
			stands_alone(in, word, next - in.data))
			return true;
		next++;
	}
	return false;
}

PG_FUNCTION_INFO_V1(cdr_names);

Datum
cdr_names(PG_FUNCTION_ARGS)
{
	bytea *content = PG_GETARG_BYTEA_PP(0);
	Bytes  in = {(const unsigned char *) VARDATA_ANY(content),
				 VARSIZE_ANY_EXHDR(content)};
	Datum *words;
	bool  *nulls;
	int	   count;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false,
					  TYPALIGN_INT, &words, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		text *given = nulls[i] ? NULL : DatumGetTextPP(words[i]);
		Bytes word;

		if (given == NULL)
			continue;
		CHECK_FOR_INTERRUPTS();
		word.data = (const unsigned char *) VARDATA_ANY(given);
		word.length = VARSIZE_ANY_EXHDR(given);
		if (names_word(in, word))
			PG_RETURN_BOOL(true);
	}
	PG_RETURN_BOOL(false);
}
