/*-------------------------------------------------------------------------
 *
 * json_tree.c
 *	  A JSON text as a tree, for small documents that people write.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "lib/stringinfo.h"

#include "base/compat.h"
#include "event/fields.h"
#include "event/json_check.h"
#include "event/json_text.h"
#include "event/json_tree.h"

/* Where the parser stands. */
typedef struct TreeReader
{
	const char			 *text;
	const JsonLexContext *lex;
	CdrJsonNode			 *root;
	CdrJsonNode			 *open; /* the object or array that is read */
	const char			 *name; /* of the member that is read */
	int					  depth;
	int					  depth_most;
	const CdrReason		 *reason; /* NULL: nothing is wrong so far */
} TreeReader;

static void
tree_fail(TreeReader *reader, int sqlerrcode, const char *message)
{
	if (reader->reason == NULL)
		reader->reason = cdr_no_event(sqlerrcode, message);
}

static CdrJsonNode *
tree_add(TreeReader *reader, CdrJsonKind kind)
{
	CdrJsonNode *node = palloc0(sizeof(CdrJsonNode));
	CdrJsonNode *parent = reader->open;

	node->kind = kind;
	node->parent = parent;
	node->name = reader->name;
	reader->name = NULL;
	if (parent == NULL)
		reader->root = node;
	else
	{
		node->index = parent->count++;
		if (parent->last == NULL)
			parent->first = node;
		else
			parent->last->next = node;
		parent->last = node;
	}
	return node;
}

static void
tree_open(TreeReader *reader, CdrJsonKind kind)
{
	reader->open = tree_add(reader, kind);
	if (++reader->depth > reader->depth_most)
		tree_fail(
			reader, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
			psprintf("JSON nests deeper than %d levels", reader->depth_most));
}

static CdrJsonResult
tree_object_start(void *state)
{
	tree_open(state, CDR_JSON_OBJECT);
	CDR_JSON_CONTINUE;
}

static CdrJsonResult
tree_array_start(void *state)
{
	tree_open(state, CDR_JSON_ARRAY);
	CDR_JSON_CONTINUE;
}

static CdrJsonResult
tree_container_end(void *state)
{
	TreeReader *reader = state;

	reader->open = reader->open->parent;
	reader->depth--;
	CDR_JSON_CONTINUE;
}

static CdrJsonResult
tree_field_start(void *state, char *name, bool isnull)
{
	TreeReader *reader = state;
	const char *start;
	const char *end;

	/* there is no token where the text ends behind a colon */
	if (reader->lex->token_start == NULL)
		CDR_JSON_CONTINUE;
	cdr_json_key_before(reader->lex->token_start, &start, &end);
	reader->name = cdr_json_unescape(start, end);
	if (reader->name == NULL)
	{
		reader->name = "";
		tree_fail(reader, ERRCODE_UNTRANSLATABLE_CHARACTER,
				  "JSON has a key that no text can hold");
	}
	CDR_JSON_CONTINUE;
}

static CdrJsonResult
tree_scalar(void *state, char *token, JsonTokenType type)
{
	TreeReader	*reader = state;
	CdrJsonNode *node = tree_add(reader, cdr_json_kind(type));
	/* the parser has gone on to the next token */
	const char *start = reader->lex->prev_token_terminator;
	const char *end = start;

	if (node->kind == CDR_JSON_STRING)
	{
		/* back over the text, which holds no quote without a backslash */
		end = --start;
		do
			start--;
		while (*start != '"' || (start > reader->text && start[-1] == '\\'));
		node->text = cdr_json_unescape(start + 1, end);
		if (node->text == NULL)
		{
			node->text = "";
			tree_fail(reader, ERRCODE_UNTRANSLATABLE_CHARACTER,
					  "JSON has a string that no text can hold");
		}
	}
	else if (node->kind != CDR_JSON_NULL)
		node->text = pstrdup(token);
	CDR_JSON_CONTINUE;
}

const CdrReason *
cdr_json_tree_read(const char *text, size_t length, int depth_most,
				   CdrJsonNode **root)
{
	const CdrReason	  *reason = cdr_json_check(text, length);
	TreeReader		   reader = {.text = text, .depth_most = depth_most};
	JsonSemAction	   actions = {0};
	JsonLexContext	  *lex;
	JsonParseErrorType result;

	if (reason != NULL)
		return reason;
	actions.semstate = &reader;
	actions.object_start = tree_object_start;
	actions.object_end = tree_container_end;
	actions.array_start = tree_array_start;
	actions.array_end = tree_container_end;
	actions.object_field_start = tree_field_start;
	actions.scalar = tree_scalar;
	lex = cdr_json_lexer(text, length, false);
	reader.lex = lex;
	result = pg_parse_json(lex, &actions);
	reason =
		result == JSON_SUCCESS ? reader.reason : cdr_json_refused(result, lex);
	cdr_json_lexer_free(lex);
	*root = reader.root;
	return reason;
}

const CdrJsonNode *
cdr_json_tree_member(const CdrJsonNode *node, const char *name)
{
	if (node == NULL || node->kind != CDR_JSON_OBJECT)
		return NULL;
	for (node = node->first; node != NULL; node = node->next)
	{
		if (strcmp(node->name, name) == 0)
			return node;
	}
	return NULL;
}

/* Appends the pointer of a node, whose parents stand before it. */
static void
append_pointer(StringInfo out, const CdrJsonNode *node)
{
	if (node->parent == NULL)
		return;
	append_pointer(out, node->parent);
	appendStringInfoChar(out, '/');
	if (node->name == NULL)
		appendStringInfo(out, "%d", node->index);
	else
		cdr_json_pointer_part(node->name, strlen(node->name), out);
}

const char *
cdr_json_tree_pointer(const CdrJsonNode *node)
{
	StringInfoData out;

	initStringInfo(&out);
	append_pointer(&out, node);
	return out.data;
}
