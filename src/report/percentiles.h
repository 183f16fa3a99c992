/*-------------------------------------------------------------------------
 *
 * percentiles.h
 *	  Median and 95th percentile of values in memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_PERCENTILES_H
#define CDR_PERCENTILES_H

/* None, when it is zero. */
typedef struct CdrPercentiles
{
	double *values;
	int64	count;
	int64	room;
} CdrPercentiles;

/* Too many of them are an ERROR (program_limit_exceeded). */
extern void cdr_percentiles_put(CdrPercentiles *percentiles, double value,
								MemoryContext context);

/* Sorts them, of which there is one at least. */
extern void
cdr_percentiles_get(CdrPercentiles *percentiles, double *median, double *high);

#endif /* CDR_PERCENTILES_H */
