/*-------------------------------------------------------------------------
 *
 * bounds.c
 *	  Where in time the partitions of call_events begin and end.
 *
 * The server has them in order, with the table in the relation cache: so to ask
 * costs no lock on any partition, and hardly more for thousands of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "store/bounds.h"

static TimestampTz
bound_at(PartitionBoundInfo bounds, int i)
{
	switch (bounds->kind[i][0])
	{
		case PARTITION_RANGE_DATUM_MINVALUE:
			return DT_NOBEGIN;
		case PARTITION_RANGE_DATUM_MAXVALUE:
			return DT_NOEND;
		case PARTITION_RANGE_DATUM_VALUE:
		default:
			return DatumGetTimestampTz(bounds->datums[i][0]);
	}
}

bool
cdr_bounds_around(Oid parent, TimestampTz time, CdrStretch *stretch)
{
	Relation		   rel = table_open(parent, AccessShareLock);
	PartitionBoundInfo bounds =
		RelationGetPartitionDesc(rel, false)->boundinfo;
	int	 ndatums = bounds ? bounds->ndatums : 0; /* NULL: no partitions */
	int	 below = -1;	  /* the last bound at or before time */
	int	 above = ndatums; /* the first after it */
	bool has_partition;

	while (above - below > 1)
	{
		int middle = (below + above) / 2;

		if (bound_at(bounds, middle) > time)
			above = middle;
		else
			below = middle;
	}
	stretch->from = below >= 0 ? bound_at(bounds, below) : DT_NOBEGIN;
	stretch->until = above < ndatums ? bound_at(bounds, above) : DT_NOEND;

	/* indexes[i] is the partition below bound i, or -1 */
	has_partition =
		ndatums > 0 && bounds->indexes != NULL && bounds->indexes[above] != -1;
	table_close(rel, NoLock);
	return has_partition;
}

bool
cdr_bounds_cover(Oid parent, TimestampTz from, TimestampTz to)
{
	CdrStretch stretch;

	for (TimestampTz time = from; time <= to; time = stretch.until)
	{
		if (!cdr_bounds_around(parent, time, &stretch))
			return false;
	}
	return true;
}

TimestampTz
cdr_bounds_last_gap(Oid parent)
{
	Relation		   rel = table_open(parent, AccessShareLock);
	PartitionBoundInfo bounds =
		RelationGetPartitionDesc(rel, false)->boundinfo;
	int			last = (bounds ? bounds->ndatums : 0) - 1;
	TimestampTz gap = DT_NOBEGIN;

	while (last >= 0 && bounds->indexes[last] != -1)
		last--;
	if (last >= 0)
		gap = bound_at(bounds, last);
	table_close(rel, NoLock);
	return gap;
}

int
cdr_bounds_count(Oid parent)
{
	Relation rel = table_open(parent, AccessShareLock);
	int		 count = RelationGetPartitionDesc(rel, false)->nparts;

	table_close(rel, NoLock);
	return count;
}
