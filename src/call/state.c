/*-------------------------------------------------------------------------
 *
 * state.c
 *	  The column merge_state: what the registers hold beyond the other columns.
 *
 * What people read is for the most part what a register holds.  That is not
 * stored again: so an ordinary call takes no more room than its event ids.
 *
 * Who may write the table can put anything there, so what is read is bounded and
 * checked.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "mb/pg_wchar.h"

#include "call/state.h"

/* The versions, and the kinds of the second. */
#define STATE_OF_OUTSIDE 1
#define STATE_OF_INSIDE	 2
#define STATE_ALONE		 1 /* there are no events from outside */
#define STATE_CORRECTED	 2 /* there are corrections */
#define STATE_KINDS		 (STATE_ALONE | STATE_CORRECTED)

/* The flags of a register. */
#define STATE_RANK		   3
#define STATE_TIME_OF_ROW  4 /* the time is that of its column */
#define STATE_AS_FIRST_END 8 /* all is that of CDR_REG_FIRST_END */

/* What stands for a text, a contact or a status that a column has, or for none;
 * what is above is a value. */
#define STATE_NONE	 0
#define STATE_OF_ROW 1
#define STATE_VALUE	 2

/* No SIP status is larger. */
#define SIP_STATUS_MAX 999

#define COLUMN(name) offsetof(CdrRow, name)

/* The columns that say what texts of registers say. */
static const size_t text_columns[CDR_FACT_NTEXTS] = {
	[CDR_FACT_CALLER] = COLUMN(caller_number),
	[CDR_FACT_CALLEE] = COLUMN(callee_number),
	[CDR_FACT_DIRECTION] = COLUMN(direction),
	[CDR_FACT_TRUNK] = COLUMN(trunk),
	[CDR_FACT_TENANT] = COLUMN(tenant_id),
	[CDR_FACT_USER] = COLUMN(user_id),
	[CDR_FACT_CAUSE] = COLUMN(hangup_cause),
	[CDR_FACT_SOURCE] = COLUMN(hangup_source),
	[CDR_FACT_RECORDING] = COLUMN(recording_url),
};

/* The columns that say when; 0, that of call_id, stands for none. */
static const size_t time_columns[CDR_NREGISTERS] = {
	[CDR_REG_STARTED] = COLUMN(start_time),
	[CDR_REG_LAST_START] = COLUMN(start_time),
	[CDR_REG_RANG] = COLUMN(ring_time),
	[CDR_REG_ANSWERED] = COLUMN(answer_time),
	[CDR_REG_FIRST_END] = COLUMN(end_time),
	[CDR_REG_LAST_END] = COLUMN(end_time),
	[CDR_REG_BRANCH_END] = COLUMN(end_time),
	[CDR_REG_CLOSED] = COLUMN(end_time),
};

static const char *
text_of_row(const CdrRow *row, int text)
{
	return *(const char *const *) ((const char *) row + text_columns[text]);
}

/* CDR_NO_TIME where there is no such column. */
static TimestampTz
time_of_row(const CdrRow *row, int reg)
{
	if (time_columns[reg] == 0)
		return CDR_NO_TIME;
	return *(const TimestampTz *) ((const char *) row + time_columns[reg]);
}

/* ------------------------------------------------------------------------
 * Written
 * ------------------------------------------------------------------------
 */

static void
put_number(StringInfo out, uint64 number)
{
	for (; number >= 0x80; number >>= 7)
		appendStringInfoCharMacro(out, (char) (number | 0x80));
	appendStringInfoCharMacro(out, (char) number);
}

static void
put_signed(StringInfo out, int64 number)
{
	put_number(out, ((uint64) number << 1) ^ (number < 0 ? PG_UINT64_MAX : 0));
}

/* (Times are up to 2^63 apart: so without signs.) */
static void
put_state_time(StringInfo out, TimestampTz time, const CdrRow *row)
{
	put_signed(out, (int64) ((uint64) time - (uint64) row->first_event_time));
}

static void
put_state_text(StringInfo out, const char *text, const char *of_row)
{
	size_t length;

	if (text == NULL)
		put_number(out, STATE_NONE);
	else if (of_row != NULL && strcmp(text, of_row) == 0)
		put_number(out, STATE_OF_ROW);
	else
	{
		length = strlen(text);
		put_number(out, STATE_VALUE + length);
		appendBinaryStringInfo(out, text, (int) length);
	}
}

static void
put_contact(StringInfo out, const CdrFact *fact, const CdrRow *row)
{
	if (!fact->has_contact_id)
		put_number(out, STATE_NONE);
	else if (row->has_contact_id && row->contact_id == fact->contact_id)
		put_number(out, STATE_OF_ROW);
	else
	{
		put_number(out, STATE_VALUE);
		put_signed(out, fact->contact_id);
	}
}

static void
put_sip_status(StringInfo out, const CdrFact *fact, const CdrRow *row)
{
	if (fact->sip_status == 0)
		put_number(out, STATE_NONE);
	else if (fact->sip_status == row->sip_status)
		put_number(out, STATE_OF_ROW);
	else
		put_number(out, STATE_VALUE + (uint64) fact->sip_status);
}

static bool
is_same_event(const CdrFact *a, const CdrFact *b)
{
	return a->time == b->time && a->rank == b->rank &&
		   memcmp(a->id.data, b->id.data, UUID_LEN) == 0;
}

static void
put_fact(StringInfo out, const CdrCall *call, int reg, const CdrRow *row)
{
	const CdrFact		   *fact = &call->facts[reg];
	const CdrRegisterKeeps *keeps = &cdr_register_keeps[reg];
	int						flags = fact->rank;

	if (fact->time == time_of_row(row, reg))
		flags |= STATE_TIME_OF_ROW;
	if (reg == CDR_REG_LAST_END &&
		is_same_event(fact, &call->facts[CDR_REG_FIRST_END]))
		flags = STATE_AS_FIRST_END;
	appendStringInfoCharMacro(out, (char) flags);
	if (flags & STATE_AS_FIRST_END)
		return;

	if ((flags & STATE_TIME_OF_ROW) == 0)
		put_state_time(out, fact->time, row);
	if (keeps->id)
		appendBinaryStringInfo(out, (const char *) fact->id.data, UUID_LEN);
	for (int text = 0; text < CDR_FACT_NTEXTS; text++)
	{
		if (keeps->texts & (1U << text))
			put_state_text(out, fact->texts[text], text_of_row(row, text));
	}
	if (keeps->contact_id)
		put_contact(out, fact, row);
	if (keeps->sip_status)
		put_sip_status(out, fact, row);
}

static void
put_correction(StringInfo out, const CdrCorrection *correction,
			   CdrCorrectableType type, const CdrRow *row)
{
	const CdrSaid *said = &correction->said;

	appendStringInfoCharMacro(out, (char) said->kind);
	put_state_time(out, correction->time, row);
	appendBinaryStringInfo(out, (const char *) correction->id.data, UUID_LEN);
	if (said->kind != CDR_SAID_VALUE)
		return;
	switch (type)
	{
		case CDR_CORRECT_AS_TIME:
			put_state_time(out, said->time, row);
			break;
		case CDR_CORRECT_AS_TEXT:
			put_state_text(out, said->text, NULL);
			break;
		case CDR_CORRECT_AS_NUMBER:
			put_signed(out, said->number);
			break;
	}
}

static void
put_corrections(StringInfo out, const CdrCorrections *corrections,
				const CdrRow *row)
{
	unsigned int columns = 0;

	for (int i = 0; i < CDR_NCORRECTABLE; i++)
		columns |= (unsigned int) (corrections->columns[i].said.kind !=
								   CDR_SAID_NOTHING)
				   << i;
	put_number(out, columns);
	for (int i = 0; i < CDR_NCORRECTABLE; i++)
	{
		if (columns & (1U << i))
			put_correction(out, &corrections->columns[i],
						   cdr_correctable[i].type, row);
	}
}

/* What is before the registers.  Of those that are alone the row has the times. */
static void
put_version(StringInfo out, const CdrCall *call, const CdrRow *row)
{
	if (call->first_made == CDR_NO_TIME)
	{
		appendStringInfoCharMacro(out, STATE_OF_OUTSIDE);
		return;
	}
	appendStringInfoCharMacro(out, STATE_OF_INSIDE);
	put_number(out, (call->from_outside ? 0 : STATE_ALONE) |
						(call->corrections != NULL ? STATE_CORRECTED : 0));
	if (!call->from_outside)
		return;
	put_state_time(out, call->first_made, row);
	put_state_time(out, call->last_made, row);
}

void
cdr_state_write(const CdrCall *call, const CdrRow *row, StringInfo out)
{
	unsigned int registers = 0;

	for (int reg = 0; reg < CDR_NREGISTERS; reg++)
		registers |= (unsigned int) cdr_call_has(call, reg) << reg;
	put_version(out, call, row);
	put_number(out, registers);
	for (int reg = 0; reg < CDR_NREGISTERS; reg++)
	{
		if (cdr_call_has(call, reg))
			put_fact(out, call, reg, row);
	}
	if (call->corrections != NULL)
		put_corrections(out, call->corrections, row);
}

/* ------------------------------------------------------------------------
 * Read
 * ------------------------------------------------------------------------
 */

typedef struct StateReader
{
	const unsigned char *at;
	const unsigned char *end;
	bool				 failed; /* nothing that is read counts any more */
} StateReader;

/* The next bytes; NULL, and failed, if there are not so many. */
static const unsigned char *
take_state_bytes(StateReader *reader, uint64 length)
{
	const unsigned char *bytes = reader->at;

	if (reader->failed || length > (uint64) (reader->end - reader->at))
	{
		reader->failed = true;
		return NULL;
	}
	reader->at += length;
	return bytes;
}

static int
take_byte(StateReader *reader)
{
	const unsigned char *byte = take_state_bytes(reader, 1);

	return byte != NULL ? *byte : 0;
}

static uint64
take_number(StateReader *reader)
{
	uint64 number = 0;

	for (int shift = 0; shift < 64; shift += 7)
	{
		uint64 byte = take_byte(reader);

		number |= (byte & 0x7F) << shift;
		if (byte < 0x80)
			return number;
	}
	reader->failed = true;
	return 0;
}

static int64
take_signed(StateReader *reader)
{
	uint64 number = take_number(reader);

	return (int64) ((number >> 1) ^ (number & 1 ? PG_UINT64_MAX : 0));
}

static TimestampTz
take_state_time(StateReader *reader, const CdrRow *row)
{
	return (TimestampTz) ((uint64) row->first_event_time +
						  (uint64) take_signed(reader));
}

static const char *
take_text(StateReader *reader, const char *of_row)
{
	uint64				 number = take_number(reader);
	const unsigned char *bytes;
	char				*text;
	size_t				 length;

	if (number < STATE_VALUE)
		return number == STATE_OF_ROW ? of_row : NULL;
	bytes = take_state_bytes(reader, number - STATE_VALUE);
	if (bytes == NULL)
		return NULL;
	length = (size_t) (number - STATE_VALUE);
	/* what is no text must not become one */
	if (memchr(bytes, '\0', length) != NULL ||
		pg_encoding_verifymbstr(PG_UTF8, (const char *) bytes, (int) length) !=
			(int) length)
	{
		reader->failed = true;
		return NULL;
	}
	text = palloc(length + 1);
	memcpy(text, bytes, length);
	text[length] = '\0';
	return text;
}

static void
take_contact(StateReader *reader, const CdrRow *row, CdrFact *fact)
{
	uint64 number = take_number(reader);

	fact->has_contact_id =
		number == STATE_OF_ROW ? row->has_contact_id : number == STATE_VALUE;
	if (number == STATE_OF_ROW && row->has_contact_id)
		fact->contact_id = row->contact_id;
	else if (number == STATE_VALUE)
		fact->contact_id = take_signed(reader);
	else if (number > STATE_VALUE)
		reader->failed = true;
}

static int
take_sip_status(StateReader *reader, const CdrRow *row)
{
	uint64 number = take_number(reader);

	if (number == STATE_NONE)
		return 0;
	/* in the column, too, may be anything */
	if (number == STATE_OF_ROW)
		return row->sip_status > 0 && row->sip_status <= SIP_STATUS_MAX
				   ? row->sip_status
				   : 0;
	if (number > STATE_VALUE + SIP_STATUS_MAX)
		reader->failed = true;
	return (int) ((number - STATE_VALUE) % (SIP_STATUS_MAX + 1));
}

/* The fact of a register, behind its flags. */
static void
take_fact(StateReader *reader, int reg, int flags, const CdrRow *row,
		  CdrFact *fact)
{
	const CdrRegisterKeeps *keeps = &cdr_register_keeps[reg];
	const unsigned char	   *id;

	fact->rank = flags & STATE_RANK;
	if (flags & STATE_TIME_OF_ROW)
		fact->time = time_of_row(row, reg);
	else
		fact->time = take_state_time(reader, row);
	if (keeps->id && (id = take_state_bytes(reader, UUID_LEN)) != NULL)
		memcpy(fact->id.data, id, UUID_LEN);
	for (int text = 0; text < CDR_FACT_NTEXTS; text++)
	{
		if (keeps->texts & (1U << text))
			fact->texts[text] = take_text(reader, text_of_row(row, text));
	}
	if (keeps->contact_id)
		take_contact(reader, row, fact);
	if (keeps->sip_status)
		fact->sip_status = take_sip_status(reader, row);
}

static void
take_register(StateReader *reader, int reg, const CdrRow *row, CdrCall *call)
{
	CdrFact *fact = &call->facts[reg];
	int		 flags = take_byte(reader);

	if (flags == STATE_AS_FIRST_END && reg == CDR_REG_LAST_END)
		*fact = call->facts[CDR_REG_FIRST_END];
	else if ((flags & ~STATE_TIME_OF_ROW) > CDR_RANK_GUESS)
		reader->failed = true;
	else
		take_fact(reader, reg, flags, row, fact);
	if (!IS_VALID_TIMESTAMP(fact->time))
	{
		memset(fact, 0, sizeof(CdrFact));
		fact->time = CDR_NO_TIME;
	}
}

/* What a correction says of a column; false: no correction can say that. */
static bool
take_said(StateReader *reader, int column, const CdrRow *row, CdrSaid *said)
{
	if (said->kind != CDR_SAID_VALUE)
		return said->kind == CDR_SAID_BY_EVENTS || said->kind == CDR_SAID_NONE;
	switch (cdr_correctable[column].type)
	{
		case CDR_CORRECT_AS_TIME:
			said->time = take_state_time(reader, row);
			return IS_VALID_TIMESTAMP(said->time);
		case CDR_CORRECT_AS_TEXT:
			said->text = take_text(reader, NULL);
			return said->text != NULL;
		case CDR_CORRECT_AS_NUMBER:
			said->number = take_signed(reader);
			break;
	}
	return column != CDR_CORRECT_SIP_STATUS ||
		   (said->number > 0 && said->number <= SIP_STATUS_MAX);
}

static void
take_correction(StateReader *reader, int column, const CdrRow *row,
				CdrCorrection *correction)
{
	const unsigned char *id;

	correction->said.time = CDR_NO_TIME;
	correction->said.kind = take_byte(reader);
	correction->time = take_state_time(reader, row);
	if ((id = take_state_bytes(reader, UUID_LEN)) != NULL)
		memcpy(correction->id.data, id, UUID_LEN);
	if (!take_said(reader, column, row, &correction->said) ||
		!IS_VALID_TIMESTAMP(correction->time))
		reader->failed = true;
}

static const CdrCorrections *
take_corrections(StateReader *reader, const CdrRow *row)
{
	CdrCorrections *corrections = palloc0(sizeof(CdrCorrections));
	uint64			columns = take_number(reader);

	if (columns == 0 || columns >> CDR_NCORRECTABLE != 0)
		reader->failed = true;
	for (int i = 0; !reader->failed && i < CDR_NCORRECTABLE; i++)
	{
		if (columns & (UINT64CONST(1) << i))
			take_correction(reader, i, row, &corrections->columns[i]);
	}
	return corrections;
}

/* When functions made events. */
static void
take_made(StateReader *reader, const CdrRow *row, bool alone, CdrCall *call)
{
	call->first_made =
		alone ? row->first_event_time : take_state_time(reader, row);
	call->last_made =
		alone ? row->last_event_time : take_state_time(reader, row);
	if (!IS_VALID_TIMESTAMP(call->first_made) ||
		!IS_VALID_TIMESTAMP(call->last_made))
		reader->failed = true;
}

/* What is before the registers; false: it is of no version that is known. */
static bool
take_version(StateReader *reader, const CdrRow *row, CdrCall *call,
			 bool *is_corrected)
{
	int	   version = take_byte(reader);
	uint64 kinds = version == STATE_OF_INSIDE ? take_number(reader) : 0;

	call->from_outside =
		(kinds & STATE_ALONE) == 0 && row->first_event_time != CDR_NO_TIME;
	if (version == STATE_OF_INSIDE)
		take_made(reader, row, (kinds & STATE_ALONE) != 0, call);
	*is_corrected = (kinds & STATE_CORRECTED) != 0;
	return (version == STATE_OF_OUTSIDE || version == STATE_OF_INSIDE) &&
		   (kinds & ~(uint64) STATE_KINDS) == 0;
}

const char *
cdr_state_read(const CdrRow *row, CdrCall *call)
{
	const unsigned char *bytes = (const unsigned char *) row->merge_state;
	StateReader reader = {bytes, bytes + row->merge_state_length, false};
	uint64		registers;
	bool		is_corrected;

	if (!take_version(&reader, row, call, &is_corrected))
		return "it is of no version that is known";
	registers = take_number(&reader);
	if (registers >> CDR_NREGISTERS != 0)
		return "it has registers that are not known";
	for (int reg = 0; reg < CDR_NREGISTERS; reg++)
	{
		if (registers & (UINT64CONST(1) << reg))
			take_register(&reader, reg, row, call);
	}
	if (is_corrected)
		call->corrections = take_corrections(&reader, row);
	if (reader.failed || reader.at != reader.end)
		return "it is damaged";
	return NULL;
}
