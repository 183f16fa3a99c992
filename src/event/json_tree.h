/*-------------------------------------------------------------------------
 *
 * json_tree.h
 *	  A JSON text as a tree, for small documents that people write: each node
 *	  knows where it stands, so that errors can say so.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_JSON_TREE_H
#define CDR_JSON_TREE_H

#include "base/reason.h"
#include "event/json_members.h"

typedef struct CdrJsonNode CdrJsonNode;

struct CdrJsonNode
{
	CdrJsonKind kind;
	const char *text; /* of a string what it says, of a number or boolean as it
					   * is written; else NULL */
	const char *name; /* of a member of an object; else NULL */
	int			index;	 /* among its siblings, from 0 */
	int			count;	 /* of its children */
	CdrJsonNode *parent; /* NULL: the root */
	CdrJsonNode *first;
	CdrJsonNode *last;
	CdrJsonNode *next; /* sibling */
};

/*
 * Reads a text into a tree, all of it in the current context.  Returns NULL, or
 * why it cannot be had: no JSON, or more levels than depth_most, which is at most
 * CDR_JSON_DEPTH_MAX.
 */
extern const CdrReason *cdr_json_tree_read(const char *text, size_t length,
										   int depth_most, CdrJsonNode **root);

/* The first member of that name; NULL: none, or no object.  node may be NULL. */
extern const CdrJsonNode *
cdr_json_tree_member(const CdrJsonNode *node, const char *name);

/* Where it stands, as a JSON pointer (RFC 6901), in the current context. */
extern const char *cdr_json_tree_pointer(const CdrJsonNode *node);

#endif /* CDR_JSON_TREE_H */
