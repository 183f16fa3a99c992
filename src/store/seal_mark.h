/*-------------------------------------------------------------------------
 *
 * seal_mark.h
 *	  How far the log of seals came, in a file beside the tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_SEAL_MARK_H
#define CDR_SEAL_MARK_H

#include "datatype/timestamp.h"

#include "base/options.h"

/* A root in base64. */
#define CDR_ROOT_TEXT 44

/* Of one log; number 0: of none. */
typedef struct CdrSealMark
{
	int	  number;
	int64 size;
	char  root[CDR_ROOT_TEXT + 1];
	char  base[CDR_ORIGIN_MAX + 1]; /* its origin, without the number */
} CdrSealMark;

/*
 * What the file of this database says.  Returns the highest number that one of
 * this server's databases has given to a log of that base.
 */
extern int cdr_seal_mark_read(const char *base, CdrSealMark *mark);

/* Has it say that, once the transaction has committed; and if told is not 0, takes it
 * for put down then that the clock was set back to that. */
extern void cdr_seal_mark_write(const CdrSealMark *mark, TimestampTz told);

/* Will that be taken for put down at the end of this transaction? */
extern bool cdr_seal_mark_tells(TimestampTz set_back_to);

#endif /* CDR_SEAL_MARK_H */
