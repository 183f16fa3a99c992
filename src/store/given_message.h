/*-------------------------------------------------------------------------
 *
 * given_message.h
 *	  A message that the arguments of an SQL function make up.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_GIVEN_MESSAGE_H
#define CDR_GIVEN_MESSAGE_H

#include "fmgr.h"

#include "base/message.h"

/* The first of these arguments is the body; others may follow. */
#define CDR_GIVEN_ARGUMENTS 10

/* A message of a body, received just now. */
extern CdrMessage *cdr_message_of_body(const char *body, size_t length);

/*
 * That of the arguments of cdr_ingest_message(), of which the body, bytes or text,
 * is not null.  ERROR for what no message can have.
 */
extern CdrMessage *cdr_given_message(FunctionCallInfo fcinfo);

#endif /* CDR_GIVEN_MESSAGE_H */
