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
#include "base/guc.h"
#include "event/protobuf_json.h"

PG_FUNCTION_INFO_V1(cdr_event_json);

/*
 * NULL for what is no Protobuf, or larger than an event may be, so that one
 * such row does not end a query.
 */
Datum
cdr_event_json(PG_FUNCTION_ARGS)
{
	bytea		  *body;
	StringInfoData json;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	body = PG_GETARG_BYTEA_PP(0);
	if (VARSIZE_ANY_EXHDR(body) > (size_t) cdr_max_event_size)
		PG_RETURN_NULL();
	initStringInfo(&json);
	if (cdr_protobuf_json(
			VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body),
			PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)),
			&json) != NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(json.data, json.len));
}
