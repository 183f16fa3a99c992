/*-------------------------------------------------------------------------
 *
 * passing.h
 *	  Which errors pass by themselves.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_PASSING_H
#define CDR_PASSING_H

/*
 * Is an error (ERRCODE_...) the fault of the moment, so that trying again later
 * can help?  Everything else is the fault of the data, or of the tables, which
 * bisect.c tells apart.
 */
extern bool cdr_error_passes(int sqlerrcode);

#endif /* CDR_PASSING_H */
