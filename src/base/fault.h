/*-------------------------------------------------------------------------
 *
 * fault.h
 *	  Places where a test can make the service fail.
 *
 * In a build for tests (make COPT=-DCDR_FAULT_POINTS), whoever crosses a
 * point that the file cdr_fault in the data directory names, fails there.  In
 * any other build a point is nothing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_FAULT_H
#define CDR_FAULT_H

#ifdef CDR_FAULT_POINTS
extern void cdr_fault(const char *name);
#define CDR_FAULT(name) cdr_fault(name)
#else
#define CDR_FAULT(name) ((void) 0)
#endif

#endif /* CDR_FAULT_H */
