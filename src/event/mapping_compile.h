/*-------------------------------------------------------------------------
 *
 * mapping_compile.h
 *	  Compiles mappings into a set.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_MAPPING_COMPILE_H
#define CDR_MAPPING_COMPILE_H

#include "event/mapping.h"

/*
 * Makes a set: begin, add each mapping in the order in which they are to be
 * asked, end.  All of its memory comes from the context that is current at each
 * of these calls, which must be the same and must live as long as the set: a
 * context of its own, which is deleted to free it.  The strings that are passed
 * in are copied.  A set is written to when it reads (where the values of the
 * last body stand), so it is no good for two threads.
 *
 * Add returns NULL, or why the definition is refused: the message says what,
 * the detail says where, as a JSON pointer into the definition, the hint what
 * would do.  SQLSTATE 22023 (invalid_parameter_value), 54000
 * (program_limit_exceeded) beyond a limit, 22P02 for what is no JSON.  The set
 * goes on without the refused mapping.
 *
 * A trigger that only wants to know makes a set, adds, and deletes the context.
 */
extern CdrMappings *cdr_mappings_begin(const CdrZones *zones);
extern const CdrReason			   *
cdr_mappings_add(CdrMappings *set, const char *name, int version,
							 const char *definition, size_t length);
extern void cdr_mappings_end(CdrMappings *set);

/* A mapping of the set by name and version, whatever number; NULL: none. */
extern const CdrMapping *
cdr_mappings_find(const CdrMappings *set, const char *name, int version);

#endif /* CDR_MAPPING_COMPILE_H */
