/*-------------------------------------------------------------------------
 *
 * read_only.h
 *	  Whether a session that began read-only would begin so again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_READ_ONLY_H
#define CDR_READ_ONLY_H

/*
 * Is this session read-only by a setting of its database or role that is not
 * there any more?  A session reads those when it begins, and never again.
 * For the worker, outside of any transaction; throws.
 */
extern bool cdr_read_only_was_lifted(void);

#endif /* CDR_READ_ONLY_H */
