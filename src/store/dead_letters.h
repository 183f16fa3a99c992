/*-------------------------------------------------------------------------
 *
 * dead_letters.h
 *	  The table dead_letters: messages that could not become events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_DEAD_LETTERS_H
#define CDR_DEAD_LETTERS_H

#include "utils/array.h"

#include "event/event.h"
#include "store/statement.h"

/* The columns of a query that reads letters, for cdr_dead_letters_message(). */
#define CDR_LETTER_MESSAGE                                          \
	"event_id, received_at, routing_key, property_time, body_size," \
	" body, message_id, content_type, content_encoding,"            \
	" pg_catalog.json_extract_path_text(properties, 'type'),"       \
	" exchange, headers, properties,"                               \
	" pg_catalog.json_extract_path_text(properties, 'each', 'path')"

/* Where the next column stands, from 1. */
#define CDR_LETTER_NEXT 15

/* For writer.c. */
extern CdrStatement *const cdr_dead_letters_statements[];

/*
 * Keeps dead letters, each with its reason; of one that is there already, the
 * attempts are counted.  Returns how many were not there before.
 */
extern int64 cdr_dead_letters_keep(CdrEvent **letters, int count);

/*
 * Reads and locks the next dead letters after *last, of those with the ids given
 * or (NULL) of all, and moves *last on.  Returns how many there are in the
 * result in SPI_tuptable, 0 at the end: as many as hold 16 MB, but one at least.
 */
extern int cdr_dead_letters_read(pg_uuid_t *last, ArrayType *ids);

/* The message that a row of that result came from, in the current context. */
extern CdrMessage *cdr_dead_letters_message(uint64 row);

/* Deletes the dead letters with the ids given (an array of uuid); how many. */
extern int64 cdr_dead_letters_discard(Datum ids);

/* Deletes the dead letters of events that are recorded now. */
extern void cdr_dead_letters_delete(CdrEvent **events, int count);

#endif /* CDR_DEAD_LETTERS_H */
