/*-------------------------------------------------------------------------
 *
 * history.c
 *	  SQL: events as people would read them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "event/protobuf_json.h"

PG_FUNCTION_INFO_V1(cdr_event_json);

/* The largest body that the broker's room keeps; larger ones are not shown. */
#define SHOWN_MAX (16 * 1024 * 1024)

/*
 * NULL for what is no Protobuf, so that one such row does not end a query.
 * Memory: up to 24 bytes for each field, of which two bytes can be one, and up
 * to 16 characters of text for each byte.
 */
Datum
cdr_event_json(PG_FUNCTION_ARGS)
{
	bytea		  *body;
	StringInfoData json;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	body = PG_GETARG_BYTEA_PP(0);
	if (VARSIZE_ANY_EXHDR(body) > SHOWN_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("body is too large to be shown as JSON"),
				 errdetail("It has %zu bytes, and at most %d are shown.",
						   (size_t) VARSIZE_ANY_EXHDR(body), SHOWN_MAX)));
	initStringInfo(&json);
	if (cdr_protobuf_json(
			VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body),
			PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)),
			&json) != NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(json.data, json.len));
}
