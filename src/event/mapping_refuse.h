/*-------------------------------------------------------------------------
 *
 * mapping_refuse.h
 *	  Why a definition cannot be used.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_MAPPING_REFUSE_H
#define CDR_MAPPING_REFUSE_H

#include "event/mapping_parts.h"

/*
 * Refuses the definition because of one of its nodes; always false.  Of several
 * reasons the first stands.
 */
extern bool
cdr_map_refuse(MapCompiler *compiler, int sqlerrcode, const CdrJsonNode *node,
			   const char *message, const char *hint);

/*
 * Is the node an object, with none but these members, each once?  Of a
 * list of names that ends with NULL.
 */
extern bool cdr_map_object(MapCompiler *compiler, const CdrJsonNode *node,
						   const char *const *names);

#endif /* CDR_MAPPING_REFUSE_H */
