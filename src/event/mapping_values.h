/*-------------------------------------------------------------------------
 *
 * mapping_values.h
 *	  Compiles values and conditions of a mapping.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_MAPPING_VALUES_H
#define CDR_MAPPING_VALUES_H

#include "event/mapping_parts.h"

/*
 * Each compiles a node, which may be NULL: nothing is said then, and NULL or an
 * empty result comes of it.  When something is wrong, compiler->reason is set,
 * and the result is good for nothing.
 */
extern MapValue *cdr_map_value(MapCompiler *compiler, const CdrJsonNode *node);
extern MapConditions
cdr_map_conditions(MapCompiler *compiler, const CdrJsonNode *node);
extern MapWords cdr_map_words(MapCompiler *compiler, const CdrJsonNode *node);

/* A value that is no list, whose object may have these members. */
extern MapValue *
cdr_map_one_value(MapCompiler *compiler, const CdrJsonNode *node,
				  const char *const *names);
#define CDR_MAP_VALUE_NAMES                                            \
	"from", "in", "when", "none", "values", "else", "const", "header", \
		"property"

/* The steps of a JSON pointer, which begins with a slash, or is empty. */
extern MapWords cdr_map_pointer(MapCompiler *compiler, const CdrJsonNode *node,
								const char *written);

/* A text that says something, else the definition is refused. */
extern const char *cdr_map_string(MapCompiler		*compiler,
								  const CdrJsonNode *node, const char *hint);

/* Has the node at most so many children? */
extern bool
cdr_map_count(MapCompiler *compiler, const CdrJsonNode *node, int most);

#endif /* CDR_MAPPING_VALUES_H */
