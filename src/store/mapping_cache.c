/*-------------------------------------------------------------------------
 *
 * mapping_cache.c
 *	  The mappings that are in force, and those that events were read by,
 *	  compiled, in each process.
 *
 * A change of the table invalidates its entry in the relation cache, of which
 * every process hears, at the latest when it begins its next transaction.  So
 * nothing is asked for each batch, and a mapping that was committed before a
 * message was published is in force when that is read.
 *
 * A version that this library cannot read (of a dump of a newer one) is passed
 * over: an older version of the name that is enabled stays in force, or none.  So
 * all processes have the same in force, whenever they began.
 *
 * Memory.  What is in force has a context of its own, in TopMemoryContext.  Events
 * point into it, so what was in force before is deleted when the transaction ends;
 * and a worker, whose events outlive transactions, says when it has none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "event/mapping_compile.h"
#include "store/mapping_cache.h"
#include "store/mapping_table.h"
#include "store/mapping_zones.h"
#include "store/patience.h"

/* A version, for its id. */
typedef struct Version
{
	CdrMappingId mapping;
	int			 id;
	bool		 enabled;
} Version;

/*
 * What the table said when it was read last; all of it in one context.  Versions
 * stand by name, the newest first.
 */
typedef struct InForce
{
	MemoryContext	context; /* NULL: nothing was read yet */
	CdrMappingUse	use;
	int				count; /* of what is in force */
	Version		   *versions;
	int				nversions;
	bool			has_problem;
	CdrReasonBuffer problem;
} InForce;

static InForce in_force;

/* May the table say something else by now?  And which table is it? */
static bool is_stale = true;
static Oid	known_table = InvalidOid;

/* Is this a worker, that says when what is in force may change? */
static bool is_kept_up = false;

/* A version that events of the log were read by. */
typedef struct Recorded
{
	int				 id;
	const char		*name;
	int				 version;
	CdrMappingUse	 use;	   /* by it, whether it matches or not */
	CdrMappingUse	 matching; /* by it alone, if it matches */
	const CdrReason *refused;  /* why it cannot be read; NULL: it can */
	struct Recorded *next;
} Recorded;

static MemoryContext recorded_context = NULL;
static Recorded		*recorded = NULL;
static bool			 is_recorded_stale = true;

static void
forget_mappings(Datum argument, Oid relation)
{
	/* a table that was not there may be made */
	if (OidIsValid(relation) && OidIsValid(known_table) &&
		relation != known_table)
		return;
	is_stale = true;
	is_recorded_stale = true;
}

static void
hear_of_changes(void)
{
	static bool is_registered = false;

	if (!is_registered)
		CacheRegisterRelcacheCallback(forget_mappings, (Datum) 0);
	is_registered = true;
	AcceptInvalidationMessages();
}

/* Until the transaction ends, for there may be events that point into it. */
static void
discard_later(MemoryContext context)
{
	if (context != NULL)
		MemoryContextSetParent(context, TopTransactionContext);
}

/* ------------------------------------------------------------------------
 * From rows to what is in force
 * ------------------------------------------------------------------------
 */

/* By name, the newest version of each first. */
static int
compare_versions(const ListCell *a, const ListCell *b)
{
	const CdrMappingRow *x = lfirst(a);
	const CdrMappingRow *y = lfirst(b);
	int					 names = strcmp(x->name, y->name);

	return names != 0 ? names
					  : (x->version < y->version) - (x->version > y->version);
}

/* As they are asked. */
static int
compare_priorities(const ListCell *a, const ListCell *b)
{
	const CdrMappingRow *x = lfirst(a);
	const CdrMappingRow *y = lfirst(b);

	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void
note_problem(InForce *loaded, const CdrMappingRow *row,
			 const CdrReason *reason)
{
	if (loaded->has_problem)
		return;
	loaded->has_problem = true;
	(void) cdr_fail(&loaded->problem, reason->sqlerrcode,
					"version %d of mapping \"%s\" is not in force: %s",
					row->version, row->name, reason->message);
	loaded->problem.reason.hint =
		"Disable it, or update the library to the version that made it.";
}

/* Can it be read?  Tried in a set of its own. */
static bool
can_be_compiled(InForce *loaded, const CdrMappingRow *row)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service mapping", ALLOCSET_DEFAULT_SIZES);
	MemoryContext	 outer = MemoryContextSwitchTo(context);
	CdrMappings		*set = cdr_mappings_begin(&cdr_mapping_zones);
	const CdrReason *reason = cdr_mappings_add(set, row->name, row->version,
											   row->definition, row->length);

	MemoryContextSwitchTo(outer);
	if (reason != NULL)
		note_problem(loaded, row, reason);
	MemoryContextDelete(context);
	return reason == NULL;
}

/* Of each name the newest version that is enabled and can be read. */
static List *
choose_rows(InForce *loaded, List *rows)
{
	List	   *chosen = NIL;
	const char *name = NULL; /* for which one was chosen */
	ListCell   *cell;

	list_sort(rows, compare_versions);
	foreach (cell, rows)
	{
		CdrMappingRow *row = lfirst(cell);

		if (!row->enabled || (name != NULL && strcmp(row->name, name) == 0) ||
			!can_be_compiled(loaded, row))
			continue;
		chosen = lappend(chosen, row);
		name = row->name;
	}
	list_sort(chosen, compare_priorities);
	return chosen;
}

static void
compile_chosen(InForce *loaded, const List *chosen)
{
	ListCell *cell;

	loaded->use.set = cdr_mappings_begin(&cdr_mapping_zones);
	foreach (cell, chosen)
	{
		const CdrMappingRow *row = lfirst(cell);
		const CdrReason		*reason =
			cdr_mappings_add(loaded->use.set, row->name, row->version,
							 row->definition, row->length);

		if (reason == NULL)
			loaded->count++;
		else
			note_problem(loaded, row, reason);
	}
	cdr_mappings_end(loaded->use.set);
}

static void
list_versions(InForce *loaded, const List *rows)
{
	ListCell *cell;

	loaded->versions = palloc((list_length(rows) + 1) * sizeof(Version));
	foreach (cell, rows)
	{
		const CdrMappingRow *row = lfirst(cell);

		loaded->versions[loaded->nversions++] = (Version){
			{pstrdup(row->name), row->version}, row->id, row->enabled};
	}
}

/* Rows live in the current context; what becomes of them in one of its own. */
static void
replace_in_force(List *rows)
{
	InForce		  loaded = {0};
	List		 *chosen = choose_rows(&loaded, rows);
	MemoryContext outer;

	loaded.context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service mappings", ALLOCSET_DEFAULT_SIZES);
	outer = MemoryContextSwitchTo(loaded.context);
	if (chosen != NIL)
		compile_chosen(&loaded, chosen);
	list_versions(&loaded, rows);
	MemoryContextSwitchTo(outer);

	MemoryContextSetParent(loaded.context, TopMemoryContext);
	discard_later(in_force.context);
	in_force = loaded;
	/* it points into itself */
	if (in_force.has_problem)
		in_force.problem.reason.message = in_force.problem.message;
}

/*
 * The rows of the table.  False, if it is locked by somebody and wait is false, or
 * cannot be read.
 */
static bool
read_rows(bool wait, List **rows, CdrReasonBuffer *why)
{
	bool done = true;

	*rows = NIL;
	known_table = cdr_mapping_table();
	if (!OidIsValid(known_table))
		return true;
	if (wait)
		LockRelationOid(known_table, AccessShareLock);
	else if (!ConditionalLockRelationOid(known_table, AccessShareLock))
		return cdr_fail(why, ERRCODE_LOCK_NOT_AVAILABLE,
						"table cdr_mappings is locked: what it said before "
						"stays in force");
	/* it may have been dropped before it was locked */
	if (cdr_mapping_table() != known_table)
		known_table = InvalidOid;
	else
		*rows = cdr_mapping_rows(known_table, true, &done, why);
	return done;
}

/* Looks up what is in force, in a transaction. */
static bool
look(bool wait, CdrReasonBuffer *why)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service rows", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(context);
	List		 *rows;
	bool		  done;

	/* first, so that a change while we look has the next one look too */
	is_stale = false;
	done = read_rows(wait, &rows, why);
	if (done)
		replace_in_force(rows);
	else
		is_stale = true;
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
	return done;
}

const CdrMappingUse *
cdr_mappings_in_force(void)
{
	return in_force.count > 0 ? &in_force.use : NULL;
}

bool
cdr_mappings_problem(CdrReasonBuffer *why)
{
	if (!in_force.has_problem)
		return false;
	*why = in_force.problem;
	why->reason.message = why->message;
	return true;
}

int
cdr_mappings_count(void)
{
	return in_force.count;
}

void
cdr_mappings_look(void)
{
	CdrReasonBuffer why;

	if (is_kept_up)
		return;
	hear_of_changes();
	if (is_stale && !look(true, &why))
		cdr_throw(&why.reason);
}

bool
cdr_mappings_try(CdrReasonBuffer *why)
{
	hear_of_changes();
	return !is_stale || look(false, why);
}

/* ------------------------------------------------------------------------
 * For a worker
 * ------------------------------------------------------------------------
 */

static bool
keep_up(CdrReasonBuffer *why)
{
	bool done = true;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	hear_of_changes();
	if (is_stale)
	{
		cdr_patience_begin(CDR_BRISK);
		PushActiveSnapshot(GetTransactionSnapshot());
		done = look(false, why);
		PopActiveSnapshot();
		cdr_patience_end();
	}
	CommitTransactionCommand();
	return done;
}

bool
cdr_mappings_keep_up(CdrReasonBuffer *why)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool done = false;

	is_kept_up = true;
	PG_TRY();
	{
		done = keep_up(why);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		cdr_patience_end();
		MemoryContextSwitchTo(context);
		cdr_fail_with_error(why);
		FlushErrorState();
		AbortCurrentTransaction();
		is_stale = true;
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return done;
}

/* ------------------------------------------------------------------------
 * What the log records
 * ------------------------------------------------------------------------
 */

int
cdr_mappings_id(const CdrMappingId *mapping)
{
	for (int i = 0; i < in_force.nversions; i++)
	{
		const Version *version = &in_force.versions[i];

		if (version->mapping.version == mapping->version &&
			strcmp(version->mapping.name, mapping->name) == 0)
			return version->id;
	}
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
					errmsg("version %d of mapping \"%s\" was deleted",
						   mapping->version, mapping->name)));
}

const CdrMappingId *
cdr_mappings_of_id(int id)
{
	cdr_mappings_look();
	for (int i = 0; i < in_force.nversions; i++)
	{
		if (in_force.versions[i].id == id)
			return &in_force.versions[i].mapping;
	}
	return NULL;
}

/* The newest version of a name, or of those that are enabled; 0: there is none. */
static int
newest_version(const char *name, bool must_be_enabled)
{
	cdr_mappings_look();
	for (int i = 0; i < in_force.nversions; i++)
	{
		const Version *version = &in_force.versions[i];

		if (strcmp(version->mapping.name, name) == 0 &&
			(version->enabled || !must_be_enabled))
			return version->id;
	}
	return 0;
}

int
cdr_mappings_named(const char *name)
{
	int id = newest_version(name, true);

	return id != 0 ? id : newest_version(name, false);
}

int
cdr_mappings_newest(const char *name)
{
	return newest_version(name, false);
}

static Recorded *
find_compiled(int id)
{
	for (Recorded *entry = recorded; entry != NULL; entry = entry->next)
	{
		if (entry->id == id)
			return entry;
	}
	return NULL;
}

static const CdrMappingRow *
find_row(const List *rows, int id)
{
	ListCell *cell;

	foreach (cell, rows)
	{
		const CdrMappingRow *row = lfirst(cell);

		if (row->id == id)
			return row;
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("mapping with id %d is not there, by which events were "
					"read",
					id),
			 errhint("Insert it into cdr_mappings again, with the same name, "
					 "version and definition.")));
}

/* Compiles one version, into the context of all that were recorded. */
static Recorded *
compile_recorded(const CdrMappingRow *row)
{
	MemoryContext outer = MemoryContextSwitchTo(recorded_context);
	Recorded	 *entry = palloc0(sizeof(Recorded));

	entry->id = row->id;
	entry->name = pstrdup(row->name);
	entry->version = row->version;
	entry->use.set = cdr_mappings_begin(&cdr_mapping_zones);
	entry->refused = cdr_mappings_add(entry->use.set, row->name, row->version,
									  row->definition, row->length);
	cdr_mappings_end(entry->use.set);
	entry->use.by = cdr_mappings_find(entry->use.set, row->name, row->version);
	entry->matching.set = entry->use.set;
	MemoryContextSwitchTo(outer);
	return entry;
}

static Recorded *
read_recorded(int id)
{
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "cdr_service rows", ALLOCSET_DEFAULT_SIZES);
	MemoryContext	outer = MemoryContextSwitchTo(context);
	List		   *rows;
	Recorded	   *entry;
	CdrReasonBuffer why;

	if (!read_rows(true, &rows, &why))
		cdr_throw(&why.reason);
	entry = compile_recorded(find_row(rows, id));
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
	return entry;
}

static Recorded *
require_recorded(int id)
{
	Recorded *entry;

	hear_of_changes();
	if (is_recorded_stale)
	{
		discard_later(recorded_context);
		recorded_context = NULL;
		recorded = NULL;
	}
	is_recorded_stale = false;
	if (recorded_context == NULL)
		recorded_context = AllocSetContextCreate(
			TopMemoryContext, "cdr_service recorded", ALLOCSET_DEFAULT_SIZES);
	entry = find_compiled(id);
	if (entry == NULL)
	{
		entry = read_recorded(id);
		entry->next = recorded;
		recorded = entry;
	}
	return entry;
}

const CdrMappingUse *
cdr_mappings_recorded(int id)
{
	const Recorded *entry = require_recorded(id);

	if (entry->refused != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of mapping \"%s\" cannot be read, by "
						"which events were: %s",
						entry->version, entry->name, entry->refused->message),
				 errhint("Update the library to the version that made it.")));
	return &entry->use;
}

int
cdr_mappings_before(const char *name, const CdrMappingUse **uses, int most)
{
	int count = 0;
	int of_name = 0;

	for (int i = 0; i < in_force.nversions && count < most; i++)
	{
		const Version *version = &in_force.versions[i];
		Recorded	  *entry;

		of_name = i > 0 && strcmp(version->mapping.name,
								  version[-1].mapping.name) == 0
					  ? of_name + 1
					  : 0;
		if (of_name >= CDR_MAPPINGS_BEFORE ||
			(name != NULL && strcmp(version->mapping.name, name) != 0))
			continue;
		entry = require_recorded(version->id);
		if (entry->refused == NULL)
			uses[count++] = name == NULL ? &entry->matching : &entry->use;
	}
	return count;
}
