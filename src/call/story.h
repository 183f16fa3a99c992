/*-------------------------------------------------------------------------
 *
 * story.h
 *	  An event of a call in words, as a person would tell it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_STORY_H
#define CDR_STORY_H

#include "lib/stringinfo.h"

#include "call/merge.h"
#include "call/row.h"

/* A call, of which events are told. */
typedef struct CdrStory
{
	const CdrCall *call;
	CdrRow		   row;
	bool		   has_end; /* else it is up */
	CdrFact		   end;
	bool		   again; /* it is not the first of its Call-ID */
} CdrStory;

/* The story of a call, which lasts as long as the call does. */
extern void cdr_story_init(CdrStory *story, const CdrCall *call, bool again);

/*
 * Appends a sentence: true of the event however it came about, and of bounded
 * length.  What others wrote is one word, or in quotes, or behind a colon.
 */
extern void cdr_story_tell(const CdrStory *story, const CdrEvent *event,
						   StringInfo sentence);

#endif /* CDR_STORY_H */
