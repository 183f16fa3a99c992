/*-------------------------------------------------------------------------
 *
 * pseudonyms.c
 *	  SQL: pseudonyms, and a call without those who took part.
 *
 * Anybody may call these: they read nothing but their arguments.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "base/pseudonym.h"
#include "call/erased.h"
#include "store/calls.h"

static CdrPseudonymKey
key_argument(FunctionCallInfo fcinfo, int argument)
{
	bytea		   *bytes = PG_GETARG_BYTEA_PP(argument);
	CdrPseudonymKey key;

	if (VARSIZE_ANY_EXHDR(bytes) != sizeof(key.data))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a key of pseudonyms has %d bytes",
							   CDR_PSEUDONYM_KEY_SIZE)));
	memcpy(key.data, VARDATA_ANY(bytes), sizeof(key.data));
	return key;
}

PG_FUNCTION_INFO_V1(cdr_pseudonym_text);

Datum
cdr_pseudonym_text(PG_FUNCTION_ARGS)
{
	CdrPseudonymKey key = key_argument(fcinfo, 0);
	text		   *id = PG_GETARG_TEXT_PP(1);
	char			pseudonym[CDR_PSEUDONYM_CALL_SIZE];

	cdr_pseudonym_of_call(&key, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id),
						  pseudonym);
	PG_RETURN_TEXT_P(cstring_to_text(pseudonym));
}

PG_FUNCTION_INFO_V1(cdr_pseudonym_uuid);

Datum
cdr_pseudonym_uuid(PG_FUNCTION_ARGS)
{
	CdrPseudonymKey key = key_argument(fcinfo, 0);
	pg_uuid_t	   *pseudonym = palloc(sizeof(pg_uuid_t));

	cdr_pseudonym_of_event(&key, PG_GETARG_UUID_P(1), pseudonym);
	PG_RETURN_UUID_P(pseudonym);
}

static void
rename_event(pg_uuid_t *id, const void *key)
{
	pg_uuid_t was = *id;

	cdr_pseudonym_of_event(key, &was, id);
}

PG_FUNCTION_INFO_V1(cdr_erased_call);

Datum
cdr_erased_call(PG_FUNCTION_ARGS)
{
	CdrPseudonymKey key = key_argument(fcinfo, 1);
	CdrCall			call = cdr_call_of_record(PG_GETARG_DATUM(0));
	char			pseudonym[CDR_PSEUDONYM_CALL_SIZE];

	if (call.call_id == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("a call has no call_id")));
	cdr_pseudonym_of_call(&key, call.call_id, strlen(call.call_id), pseudonym);
	call.call_id = pseudonym;
	cdr_call_erase(&call, rename_event, &key);
	PG_RETURN_DATUM(cdr_call_record(fcinfo, &call));
}
