/*-------------------------------------------------------------------------
 *
 * arena.h
 *	  The server's allocator for programs without a server: what one input
 *	  allocates is freed before the next.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARENA_H
#define ARENA_H

/* Frees all that palloc() and its kin gave out since the last call. */
extern void arena_reset(void);

/* Has what was given out so far stay for good. */
extern void arena_keep(void);

#endif /* ARENA_H */
