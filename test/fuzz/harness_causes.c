/*-------------------------------------------------------------------------
 *
 * harness_causes.c
 *	  Finds a hangup cause, and holds the list to what it promises.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "mb/pg_wchar.h"

#include "event/visible.h"
#include "harness.h"
#include "promise.h"

/* A copy of its own, with nothing behind it. */
static char *
copy_of(const char *prefix, const char *name)
{
	char *copy = malloc(strlen(prefix) + strlen(name) + 1);

	if (copy == NULL)
		abort();
	return strcat(strcpy(copy, prefix), name);
}

/* The same name in capitals, and with what else may stand for '_'. */
static void
check_spelling(const char *name, char separator, const CdrCause *expected)
{
	const char *start = name;
	const char *end = name + strlen(name);
	char	   *other;

	/* at either end, a blank is no part of it */
	cdr_trim(&start, &end);
	if (start == end || strchr("_-", *start) != NULL ||
		strchr("_-", end[-1]) != NULL)
		return;
	other = copy_of("", name);

	for (char *p = other + (start - name); p < other + (end - name); p++)
	{
		if (strchr("_- ", *p) != NULL)
			*p = separator;
		else if (*p >= 'a' && *p <= 'z')
			*p -= 'a' - 'A';
	}
	PROMISE(cdr_cause_find(other) == expected);
	free(other);
}

static void
check_fold(const char *name, const CdrCause *cause)
{
	char *copy = copy_of("", name);
	char *folded = cdr_cause_fold(copy);
	char *again = copy_of("", folded);

	PROMISE(folded >= copy && folded <= copy + strlen(name));
	PROMISE(strcmp(cdr_cause_fold(again), folded) == 0);
	PROMISE(cdr_cause_find(folded) == cause);
	PROMISE(cause == NULL || strcmp(cause->name, folded) == 0);
	free(again);
	free(copy);
}

/* What is said to be a code of SIP is one, or nothing. */
static void
check_code(const char *name)
{
	char		   *code = copy_of("sip:", name);
	const CdrCause *cause = cdr_cause_find(code);

	PROMISE(cause == NULL ||
			(strcmp(cause->dialect, "sip") == 0 && atoi(name) == cause->sip));
	free(code);
}

static void
check_cause(const CdrCause *cause)
{
	static const char *const dispositions[] = {"ANSWERED", "NO_ANSWER", "BUSY",
											   "CANCELED", "FAILED"};
	bool					 known = false;

	for (int i = 0; i < (int) lengthof(dispositions); i++)
		known = known || strcmp(cause->disposition, dispositions[i]) == 0;
	PROMISE(known);
	PROMISE(cause->dialect[0] != '\0');
	PROMISE(cause->q850 >= 0 && cause->q850 <= 127);
	PROMISE(cause->sip == 0 || (cause->sip >= 200 && cause->sip <= 699));
	PROMISE(cause->ends == CDR_ENDS_FINAL || cause->ends == CDR_ENDS_BRANCH);
	PROMISE(cdr_cause_find(cause->name) == cause);
}

const CdrCause *
harness_cause(const char *name)
{
	const CdrCause *cause = cdr_cause_find(name);
	int				length = (int) strlen(name);

	/* a letter in the middle of a character may be another one's in capitals */
	if (pg_encoding_verifymbstr(PG_UTF8, name, length) != length)
		return cause;
	check_spelling(name, '_', cause);
	check_spelling(name, '-', cause);
	check_spelling(name, ' ', cause);
	check_fold(name, cause);
	check_code(name);
	PROMISE(strcmp(cdr_cause_disposition(name),
				   cause == NULL ? "NO_ANSWER" : cause->disposition) == 0);
	if (cause != NULL)
		check_cause(cause);
	return cause;
}
