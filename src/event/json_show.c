/*-------------------------------------------------------------------------
 *
 * json_show.c
 *	  The JSON form of events, shown to people.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "event/json.h"
#include "event/json_show.h"
#include "event/json_text.h"

bool
cdr_json_show(const char *text, size_t length, StringInfo out)
{
	CdrFields nowhere = {0};
	size_t	  mark = cdr_json_mark(text, length);
	int		  start = out->len;

	if (cdr_json_read(text, length, &nowhere) != NULL)
		return false;
	appendBinaryStringInfo(out, text + mark, (int) (length - mark));
	cdr_json_replace_unspeakable(out->data + start, out->len - start);
	return true;
}
