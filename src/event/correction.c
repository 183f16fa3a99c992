/*-------------------------------------------------------------------------
 *
 * correction.c
 *	  What a correction says of the columns of its call, and when a call was
 *	  closed: the events that functions of this extension make.
 *
 * Such a body has, beside what every event has,
 *
 *	"correction": {COLUMN: value, ...}	null: there was none
 *	"columns": [COLUMN, ...]			given back to the events
 *	"endTime": time						of the call that is closed
 *
 * It was well-formed JSON when json.c read it.  What is not as it should be says
 * nothing: the log is a table, in which anything may stand.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"

#include "base/compat.h"
#include "base/message.h"
#include "event/correction.h"
#include "event/json_text.h"
#include "event/timestamp.h"

#define AS(type) CDR_CORRECT_AS_##type

const CdrCorrectableColumn cdr_correctable[CDR_NCORRECTABLE] = {
	[CDR_CORRECT_START_TIME] = {"start_time", AS(TIME)},
	[CDR_CORRECT_RING_TIME] = {"ring_time", AS(TIME)},
	[CDR_CORRECT_ANSWER_TIME] = {"answer_time", AS(TIME)},
	[CDR_CORRECT_END_TIME] = {"end_time", AS(TIME)},
	[CDR_CORRECT_CALLER] = {"caller_number", AS(TEXT)},
	[CDR_CORRECT_CALLEE] = {"callee_number", AS(TEXT)},
	[CDR_CORRECT_DIRECTION] = {"direction", AS(TEXT)},
	[CDR_CORRECT_TRUNK] = {"trunk", AS(TEXT)},
	[CDR_CORRECT_CAUSE] = {"hangup_cause", AS(TEXT)},
	[CDR_CORRECT_SOURCE] = {"hangup_source", AS(TEXT)},
	[CDR_CORRECT_SIP_STATUS] = {"sip_status", AS(NUMBER)},
	[CDR_CORRECT_TENANT] = {"tenant_id", AS(TEXT)},
	[CDR_CORRECT_USER] = {"user_id", AS(TEXT)},
	[CDR_CORRECT_CONTACT] = {"contact_id", AS(NUMBER)},
	[CDR_CORRECT_RECORDING] = {"recording_url", AS(TEXT)},
};

int
cdr_correctable_find(const char *name)
{
	for (int i = 0; i < CDR_NCORRECTABLE; i++)
	{
		if (strcmp(cdr_correctable[i].name, name) == 0)
			return i;
	}
	return -1;
}

/* The values of the body that are read. */
typedef enum CorrectionPlace
{
	IN_NOTHING,
	IN_CORRECTION,
	IN_COLUMNS,
	IN_END_TIME
} CorrectionPlace;

typedef struct CorrectionReader
{
	int				depth;	/* open objects and arrays */
	CorrectionPlace place;	/* the member of the body that is being read */
	int				column; /* of "correction"; -1: none */
	CdrSaid		   *said;
	bool			says_anything;
	TimestampTz		closed_at;
} CorrectionReader;

static CdrJsonResult
correction_open(void *state)
{
	CorrectionReader *reader = state;

	reader->depth++;
	CDR_JSON_CONTINUE;
}

static CdrJsonResult
correction_close(void *state)
{
	CorrectionReader *reader = state;

	reader->depth--;
	CDR_JSON_CONTINUE;
}

static CdrJsonResult
correction_field(void *state, char *name, bool isnull)
{
	CorrectionReader *reader = state;

	reader->column = -1;
	if (reader->depth == 2 && reader->place == IN_CORRECTION)
		reader->column = cdr_correctable_find(name);
	if (reader->depth != 1)
		CDR_JSON_CONTINUE;
	if (strcmp(name, "correction") == 0)
		reader->place = IN_CORRECTION;
	else if (strcmp(name, "columns") == 0)
		reader->place = IN_COLUMNS;
	else if (strcmp(name, "endTime") == 0)
		reader->place = IN_END_TIME;
	else
		reader->place = IN_NOTHING;
	CDR_JSON_CONTINUE;
}

static bool
is_valid_number(int column, int64 number)
{
	return column == CDR_CORRECT_SIP_STATUS ? number >= CDR_SIP_STATUS_FIRST &&
												  number <= CDR_SIP_STATUS_LAST
											: number != 0;
}

/* Leaves in *said what a value says; nothing, if it does not fit. */
static void
read_said(int column, const char *token, JsonTokenType type, CdrSaid *said)
{
	CdrSaid result = {.kind = CDR_SAID_VALUE, .time = CDR_NO_TIME};
	bool	fits = false;

	if (type == JSON_TOKEN_NULL)
	{
		result.kind = CDR_SAID_NONE;
		fits = true;
	}
	else if (cdr_correctable[column].type == CDR_CORRECT_AS_NUMBER)
		fits = type == JSON_TOKEN_NUMBER &&
			   cdr_json_integer(token, &result.number) &&
			   is_valid_number(column, result.number);
	else if (type != JSON_TOKEN_STRING)
		fits = false;
	else if (cdr_correctable[column].type == CDR_CORRECT_AS_TIME)
		fits = cdr_timestamp_read(token, &result.time) &&
			   result.time != CDR_NO_TIME;
	else
	{
		result.text = pstrdup(token);
		fits = token[0] != '\0';
	}
	if (fits)
		*said = result;
}

static CdrJsonResult
correction_scalar(void *state, char *token, JsonTokenType type)
{
	CorrectionReader *reader = state;
	int				  column = -1;

	if (reader->place == IN_CORRECTION && reader->depth == 2 &&
		reader->column >= 0)
	{
		column = reader->column;
		read_said(column, token, type, &reader->said[column]);
	}
	else if (reader->place == IN_COLUMNS && reader->depth == 2 &&
			 type == JSON_TOKEN_STRING)
	{
		column = cdr_correctable_find(token);
		if (column >= 0)
			reader->said[column].kind = CDR_SAID_BY_EVENTS;
	}
	else if (reader->place == IN_END_TIME && reader->depth == 1 &&
			 type == JSON_TOKEN_STRING)
		(void) cdr_timestamp_read(token, &reader->closed_at);
	if (column >= 0 && reader->said[column].kind != CDR_SAID_NOTHING)
		reader->says_anything = true;
	CDR_JSON_CONTINUE;
}

const CdrSaid *
cdr_correction_read(const char *body, size_t length, TimestampTz *closed_at)
{
	CorrectionReader reader = {.column = -1, .closed_at = CDR_NO_TIME};
	JsonSemAction	 actions = {.semstate = &reader,
								.object_start = correction_open,
								.object_end = correction_close,
								.array_start = correction_open,
								.array_end = correction_close,
								.object_field_start = correction_field,
								.scalar = correction_scalar};
	JsonLexContext	*lex = cdr_json_lexer(body, length, true);
	bool			 is_read;

	reader.said = palloc0(CDR_NCORRECTABLE * sizeof(CdrSaid));
	is_read = pg_parse_json(lex, &actions) == JSON_SUCCESS;
	cdr_json_lexer_free(lex);
	*closed_at = is_read ? reader.closed_at : CDR_NO_TIME;
	return is_read && reader.says_anything ? reader.said : NULL;
}
