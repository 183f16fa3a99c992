/*-------------------------------------------------------------------------
 *
 * time_words.h
 *	  Times with the English name of the month, as in mails and in HTTP, and as
 *	  C, Java and browsers print them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_TIME_WORDS_H
#define CDR_TIME_WORDS_H

#include "event/time_parts.h"

/*
 * Reads, to the end of the text and with or without the day of the week, which
 * must be the right one:
 *	- Mon, 19 Jan 2026 22:00:03 GMT
 *	- Mon Jan 19 22:00:03 2026, Mon Jan 19 22:00:03 UTC 2026
 *	- Mon Jan 19 2026 22:00:03 GMT+0000 (Coordinated Universal Time)
 * False: it is not spelled like that.
 */
extern bool cdr_time_words(const char *text, CdrTimeParts *parts);

#endif /* CDR_TIME_WORDS_H */
