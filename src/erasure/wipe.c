/*-------------------------------------------------------------------------
 *
 * wipe.c
 *	  SQL: takes what was erased out of the files of a table.
 *
 * An UPDATE leaves the row as it was; VACUUM frees its place and leaves its bytes there,
 * between what a page uses at its beginning and at its end.  So that is filled with
 * zeros.  The page is written to the WAL as a whole, without that part, which is
 * zeros where it is read again: on a standby too.
 *
 * Nobody reads that part, and whoever uses it has the page's lock: so no stronger one
 * is needed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/visibilitymap.h"
#include "access/xlog.h"
#include "access/xloginsert.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "base/progress.h"
#include "store/tables.h"

/* A standard page, of which the part is there that nobody uses? */
static bool
has_hole(Page page)
{
	PageHeader header = (PageHeader) page;

	return !PageIsNew(page) && header->pd_lower >= SizeOfPageHeaderData &&
		   header->pd_lower < header->pd_upper &&
		   header->pd_upper <= header->pd_special &&
		   header->pd_special <= BLCKSZ;
}

static bool
is_zeros(const char *bytes, size_t length)
{
	return length == 0 ||
		   (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

/* Wipes a page that is locked; false if there was nothing to wipe. */
static bool
wipe_page(Relation rel, Buffer buffer)
{
	Page	   page = BufferGetPage(buffer);
	PageHeader header = (PageHeader) page;
	char	  *hole = page + header->pd_lower;
	size_t	   length = header->pd_upper - header->pd_lower;

	if (!has_hole(page) || is_zeros(hole, length))
		return false;
	START_CRIT_SECTION();
	memset(hole, 0, length);
	MarkBufferDirty(buffer);
	if (RelationNeedsWAL(rel))
		log_newpage_buffer(buffer, true);
	END_CRIT_SECTION();
	return true;
}

static int64
wipe_pages(Relation rel, CdrProgress *progress)
{
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_VACUUM);
	BlockNumber			 nblocks = RelationGetNumberOfBlocks(rel);
	int64				 wiped = 0;

	progress->relation = RelationGetRelid(rel);
	cdr_progress_phase(progress, CDR_PHASE_WORKING, nblocks);
	for (BlockNumber block = 0; block < nblocks; block++)
	{
		Buffer buffer;

		CHECK_FOR_INTERRUPTS();
		buffer =
			ReadBufferExtended(rel, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		wiped += wipe_page(rel, buffer);
		UnlockReleaseBuffer(buffer);
		cdr_progress_add(progress, 1);
	}
	FreeAccessStrategy(strategy);
	return wiped;
}

/* Only of a kind whose pages are known to be standard ones. */
static int64
wipe_index(Oid id, CdrProgress *progress)
{
	Relation index = index_open(id, RowExclusiveLock);
	int64	 wiped = 0;

	if (index->rd_rel->relam == BTREE_AM_OID)
		wiped = wipe_pages(index, progress);
	else if (index->rd_rel->relam != BRIN_AM_OID)
		ereport(WARNING, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						  errmsg("index \"%s\" was not wiped",
								 RelationGetRelationName(index)),
						  errhint("Only b-trees are. Run REINDEX.")));
	index_close(index, NoLock);
	return wiped;
}

/*
 * Pages that VACUUM has not been through since they changed hold what was there.  So do
 * indexes while rows of few pages are dead: VACUUM passes these by, but if it is told not to.
 */
static void
warn_of_old_rows(Relation rel)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);
	BlockNumber visible = 0;
	BlockNumber frozen = 0;

	visibilitymap_count(rel, &visible, &frozen);
	if (visible < nblocks)
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" has %u pages that may hold old rows",
						RelationGetRelationName(rel), nblocks - visible),
				 errhint("Run VACUUM (INDEX_CLEANUP ON) on it when no old "
						 "transaction is open, and wipe it again.")));
}

/* A table with its indexes and its TOAST table. */
static int64
wipe_table(Oid id, CdrProgress *progress)
{
	Relation  rel = table_open(id, RowExclusiveLock);
	List	 *indexes = RelationGetIndexList(rel);
	ListCell *cell;
	int64	  wiped = 0;

	if (rel->rd_rel->relam != HEAP_TABLE_AM_OID)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("table \"%s\" is not stored in a heap",
							   RelationGetRelationName(rel))));
	wiped = wipe_pages(rel, progress);
	foreach (cell, indexes)
		wiped += wipe_index(lfirst_oid(cell), progress);
	list_free(indexes);
	if (OidIsValid(rel->rd_rel->reltoastrelid))
		wiped += wipe_table(rel->rd_rel->reltoastrelid, progress);
	warn_of_old_rows(rel);
	table_close(rel, NoLock);
	return wiped;
}

/* Is it a table of the owner of calls? */
static void
require_ours(Oid id, const CdrTables *tables)
{
	Relation rel = relation_open(id, RowExclusiveLock);
	char	 kind = rel->rd_rel->relkind;

	if (rel->rd_rel->relowner != tables->owner ||
		(kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("\"%s\" is no table of the owner of calls",
							   RelationGetRelationName(rel))));
	relation_close(rel, NoLock);
}

PG_FUNCTION_INFO_V1(cdr_wipe);

Datum
cdr_wipe(PG_FUNCTION_ARGS)
{
	Oid			id = PG_GETARG_OID(0);
	CdrTables	tables;
	CdrProgress progress;
	List	   *all;
	ListCell   *cell;
	int64		wiped = 0;

	cdr_progress_begin(&progress, CDR_WORK_WIPE, -1);
	cdr_tables_require(&tables, RowExclusiveLock);
	require_ours(id, &tables);
	all = find_all_inheritors(id, RowExclusiveLock, NULL);
	foreach (cell, all)
	{
		Relation rel = relation_open(lfirst_oid(cell), NoLock);
		char	 kind = rel->rd_rel->relkind;

		relation_close(rel, NoLock);
		if (kind == RELKIND_RELATION)
			wiped += wipe_table(lfirst_oid(cell), &progress);
	}
	cdr_progress_end();
	PG_RETURN_INT64(wiped);
}
