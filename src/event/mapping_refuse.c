/*-------------------------------------------------------------------------
 *
 * mapping_refuse.c
 *	  Why a definition cannot be used.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "lib/stringinfo.h"

#include "event/mapping_refuse.h"

bool
cdr_map_refuse(MapCompiler *compiler, int sqlerrcode, const CdrJsonNode *node,
			   const char *message, const char *hint)
{
	CdrReason *reason;

	if (compiler->reason != NULL)
		return false;
	reason = palloc0(sizeof(CdrReason));
	reason->sqlerrcode = sqlerrcode;
	reason->message = psprintf("mapping cannot be used: %s", message);
	reason->detail =
		node->parent == NULL
			? "It is the whole definition."
			: psprintf("It stands at %s.", cdr_json_tree_pointer(node));
	reason->hint = hint;
	compiler->reason = reason;
	return false;
}

static bool
refuse_unknown(MapCompiler *compiler, const CdrJsonNode *member,
			   const char *const *names)
{
	StringInfoData hint;

	initStringInfo(&hint);
	appendStringInfoString(&hint, "Known here are ");
	for (; *names != NULL; names++)
		appendStringInfo(&hint, "\"%s\"%s", *names,
						 names[1] == NULL	? "."
						 : names[2] == NULL ? " and "
											: ", ");
	return cdr_map_refuse(compiler, ERRCODE_INVALID_PARAMETER_VALUE, member,
						  psprintf("unknown key \"%s\"", member->name),
						  hint.data);
}

static bool
is_named(const char *name, const char *const *names)
{
	for (; *names != NULL; names++)
	{
		if (strcmp(*names, name) == 0)
			return true;
	}
	return false;
}

/* Names of NULL: any. */
bool
cdr_map_object(MapCompiler *compiler, const CdrJsonNode *node,
			   const char *const *names)
{
	if (node->kind != CDR_JSON_OBJECT)
		return cdr_map_refuse(compiler, ERRCODE_INVALID_PARAMETER_VALUE, node,
							  "an object is expected here", NULL);
	if (node->count > CDR_MAPPING_LIST_MAX)
		return cdr_map_refuse(
			compiler, ERRCODE_PROGRAM_LIMIT_EXCEEDED, node,
			psprintf("there are more than %d here", CDR_MAPPING_LIST_MAX),
			NULL);
	for (const CdrJsonNode *member = node->first; member != NULL;
		 member = member->next)
	{
		if (names != NULL && !is_named(member->name, names))
			return refuse_unknown(compiler, member, names);
		if (cdr_json_tree_member(node, member->name) != member)
			return cdr_map_refuse(
				compiler, ERRCODE_INVALID_PARAMETER_VALUE, member,
				psprintf("the key \"%s\" stands twice", member->name), NULL);
	}
	return true;
}
