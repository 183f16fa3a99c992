/*-------------------------------------------------------------------------
 *
 * frames.h
 *	  Takes bytes as they could come from a broker, as far as to messages.
 *
 * As harness.h: a broken promise ends the program.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRAMES_H
#define FRAMES_H

#include "base/message.h"

/* What becomes of the bytes: how it ended, and what came before. */
typedef struct FramesOutcome
{
	int			frames;	  /* that were decoded */
	int			messages; /* that were complete */
	CdrMessage	last;	  /* the last of these, valid until arena_reset() */
	const char *end;	  /* NULL: more was awaited; else what was wrong */
} FramesOutcome;

/* Checks, decodes and assembles length bytes, as src/broker/broker.c does. */
extern void
harness_frames(const uint8 *bytes, size_t length, FramesOutcome *outcome);

#endif /* FRAMES_H */
