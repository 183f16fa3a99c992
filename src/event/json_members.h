/*-------------------------------------------------------------------------
 *
 * json_members.h
 *	  The members of one JSON object, such as the headers of a message.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_JSON_MEMBERS_H
#define CDR_JSON_MEMBERS_H

#include "common/jsonapi.h"

typedef enum CdrJsonKind
{
	CDR_JSON_NULL,
	CDR_JSON_BOOLEAN,
	CDR_JSON_NUMBER,
	CDR_JSON_STRING,
	CDR_JSON_OBJECT,
	CDR_JSON_ARRAY
} CdrJsonKind;

/* The kind of a value by its first token. */
extern CdrJsonKind cdr_json_kind(JsonTokenType token);

/*
 * A member: its name, with escapes resolved, in the current context, NULL if
 * no text can hold it; and its value, as it stands in the text, a string with
 * its quotes.
 */
typedef struct CdrJsonMember
{
	char	   *name;
	CdrJsonKind kind;
	const char *start;
	const char *end;
} CdrJsonMember;

/* All members, in their order; a name may stand there more than once. */
typedef struct CdrJsonMembers
{
	int			   count;
	CdrJsonMember *members;
} CdrJsonMembers;

/*
 * Reads the members of a JSON object, which points into the text then.  False,
 * with no members, for a text that is no JSON object that cdr_json_read() would
 * take: it may be anything.
 */
extern bool cdr_json_members_read(const char *text, size_t length,
								  CdrJsonMembers *members);

/* Frees what members take, not what they point to. */
extern void cdr_json_members_free(CdrJsonMembers *members);

/* The last member of that name, which is the one that counts; NULL: none. */
extern const CdrJsonMember *
cdr_json_member(const CdrJsonMembers *members, const char *name);

/*
 * What a member says as text: of a string what it says, of a number or boolean
 * as it is written; in the current context.  NULL for what is none of these,
 * or no text can hold.  The member may be NULL.
 */
extern char *cdr_json_member_text(const CdrJsonMember *member);

#endif /* CDR_JSON_MEMBERS_H */
