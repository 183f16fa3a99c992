/*-------------------------------------------------------------------------
 *
 * fault.c
 *	  Fails at a point that a test names.
 *
 * The file cdr_fault in the data directory holds one line,
 *
 *		POINT ACTION CROSSINGS
 *
 * that is, the name of a point, "error", "exit", "kill" or "abort", and how
 * often a process may cross the point before it fails there.  To remove the
 * file is to claim it: so one process fails, once, and its successor does not.
 * With "abort" the file stays, and each process fails.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/fault.h"

#ifdef CDR_FAULT_POINTS

#include <signal.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"

#define FAULT_FILE "cdr_fault"

/* What the file asks for. */
typedef struct Fault
{
	char point[64];
	char action[16];
	int	 crossings;
} Fault;

static bool
read_fault(Fault *fault)
{
	FILE *file = AllocateFile(FAULT_FILE, "r");
	int	  fields;

	if (file == NULL)
		return false;
	fields = fscanf(file, "%63s %15s %d", fault->point, fault->action,
					&fault->crossings);
	FreeFile(file);
	return fields == 3;
}

void
cdr_fault(const char *name)
{
	static Fault current; /* what this process counts crossings for */
	static int	 crossed;
	Fault		 fault = {0};

	if (access(FAULT_FILE, F_OK) != 0 || !read_fault(&fault) ||
		strcmp(fault.point, name) != 0)
		return;
	if (memcmp(&fault, &current, sizeof(Fault)) != 0)
	{
		current = fault;
		crossed = 0;
	}
	if (crossed++ < fault.crossings)
		return;
	if (strcmp(fault.action, "abort") == 0)
		abort();
	if (unlink(FAULT_FILE) != 0)
		return;

	memset(&current, 0, sizeof(Fault));
	elog(LOG, "fault point \"%s\": %s", name, fault.action);
	if (strcmp(fault.action, "kill") == 0)
		(void) kill(MyProcPid, SIGKILL);
	else if (strcmp(fault.action, "exit") == 0)
		proc_exit(1);
	else
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("fault point \"%s\"", name)));
}

#endif /* CDR_FAULT_POINTS */
