/*-------------------------------------------------------------------------
 *
 * json_members.c
 *	  The members of one JSON object, such as the headers of a message.
 *
 * The server's own parser reads the text; what is inside of a member is only
 * passed over.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "base/compat.h"
#include "event/json_check.h"
#include "event/json_members.h"
#include "event/json_text.h"

typedef struct MemberReader
{
	const JsonLexContext *lex;
	CdrJsonMembers		 *members;
	int					  room;
	int					  depth;
	bool				  is_object;
} MemberReader;

static CdrJsonResult
member_object_start(void *state)
{
	MemberReader *reader = state;

	if (reader->depth++ == 0)
		reader->is_object = true;
	CDR_JSON_CONTINUE;
}

static CdrJsonResult
member_array_start(void *state)
{
	((MemberReader *) state)->depth++;
	CDR_JSON_CONTINUE;
}

static CdrJsonResult
member_container_end(void *state)
{
	((MemberReader *) state)->depth--;
	CDR_JSON_CONTINUE;
}

CdrJsonKind
cdr_json_kind(JsonTokenType token)
{
	switch (token)
	{
		case JSON_TOKEN_STRING:
			return CDR_JSON_STRING;
		case JSON_TOKEN_NUMBER:
			return CDR_JSON_NUMBER;
		case JSON_TOKEN_TRUE:
		case JSON_TOKEN_FALSE:
			return CDR_JSON_BOOLEAN;
		case JSON_TOKEN_OBJECT_START:
			return CDR_JSON_OBJECT;
		case JSON_TOKEN_ARRAY_START:
			return CDR_JSON_ARRAY;
		default:
			return CDR_JSON_NULL;
	}
}

/* The lexer stands at the first token of the value. */
static CdrJsonResult
member_start(void *state, char *name, bool isnull)
{
	MemberReader   *reader = state;
	CdrJsonMembers *members = reader->members;
	const char	   *start;
	const char	   *end;

	/* there is no token where the text ends behind a colon */
	if (reader->depth != 1 || reader->lex->token_start == NULL)
		CDR_JSON_CONTINUE;
	if (members->count == reader->room)
	{
		reader->room *= 2;
		members->members =
			repalloc(members->members, reader->room * sizeof(CdrJsonMember));
	}
	cdr_json_key_before(reader->lex->token_start, &start, &end);
	members->members[members->count++] = (CdrJsonMember){
		.name = cdr_json_unescape(start, end),
		.kind = cdr_json_kind(reader->lex->token_type),
		.start = reader->lex->token_start,
		.end = reader->lex->token_terminator,
	};
	CDR_JSON_CONTINUE;
}

/* The end of an object or an array is known when it is read. */
static CdrJsonResult
member_end(void *state, char *name, bool isnull)
{
	MemberReader *reader = state;

	if (reader->depth == 1 && reader->members->count > 0)
		reader->members->members[reader->members->count - 1].end =
			reader->lex->prev_token_terminator;
	CDR_JSON_CONTINUE;
}

bool
cdr_json_members_read(const char *text, size_t length, CdrJsonMembers *members)
{
	MemberReader	reader = {.members = members, .room = 16};
	JsonSemAction	actions = {0};
	JsonLexContext *lex;
	bool			result;

	members->count = 0;
	members->members = palloc(reader.room * sizeof(CdrJsonMember));
	if (cdr_json_check(text, length) != NULL)
		return false;
	actions.semstate = &reader;
	actions.object_start = member_object_start;
	actions.object_end = member_container_end;
	actions.array_start = member_array_start;
	actions.array_end = member_container_end;
	actions.object_field_start = member_start;
	actions.object_field_end = member_end;
	lex = cdr_json_lexer(text, length, false);
	reader.lex = lex;
	result = pg_parse_json(lex, &actions) == JSON_SUCCESS && reader.is_object;
	cdr_json_lexer_free(lex);
	if (!result)
		members->count = 0;
	return result;
}

void
cdr_json_members_free(CdrJsonMembers *members)
{
	for (int i = 0; i < members->count; i++)
	{
		if (members->members[i].name != NULL)
			pfree(members->members[i].name);
	}
	pfree(members->members);
}

const CdrJsonMember *
cdr_json_member(const CdrJsonMembers *members, const char *name)
{
	for (int i = members->count; i-- > 0;)
	{
		const CdrJsonMember *member = &members->members[i];

		if (member->name != NULL && strcmp(member->name, name) == 0)
			return member;
	}
	return NULL;
}

char *
cdr_json_member_text(const CdrJsonMember *member)
{
	if (member == NULL)
		return NULL;
	switch (member->kind)
	{
		case CDR_JSON_STRING:
			return cdr_json_unescape(member->start + 1, member->end - 1);
		case CDR_JSON_NUMBER:
		case CDR_JSON_BOOLEAN:
			return pnstrdup(member->start, member->end - member->start);
		default:
			return NULL;
	}
}
