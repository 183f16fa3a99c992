/*-------------------------------------------------------------------------
 *
 * properties.h
 *	  Holds the JSON of a message's properties to what it promises.
 *
 * As harness.h: a broken promise ends the program.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PROPERTIES_H
#define PROPERTIES_H

#include "base/message.h"

extern void harness_properties(const CdrMessage *message);

#endif /* PROPERTIES_H */
