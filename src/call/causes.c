/*-------------------------------------------------------------------------
 *
 * causes.c
 *	  The hangup causes that are known, and what each says of its call.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "call/causes.h"
#include "event/json_text.h"
#include "event/visible.h"

/* Longer than any name, and than "sip:" with a code: causes.awk sees to it. */
#define NAME_SIZE 64

/* The greatest number that is a cause. */
#define CODE_MAX 999

/* In the order of their names. */
static const CdrCause causes[] = {
#include "call/cause_list.h"
};

/* A code of SIP that can end a call: 2xx to 6xx. */
static bool
is_final_code(const char *text)
{
	return text[0] >= '2' && text[0] <= '6' && text[1] >= '0' &&
		   text[1] <= '9' && text[2] >= '0' && text[2] <= '9' &&
		   text[3] == '\0';
}

/*
 * A code that was written as a float (17.0, 1.7e1), as it is; in place, for of no
 * more than three digits it is no longer than what was written.
 */
static void
fold_float(char *name)
{
	int64 code;

	if (name[0] >= '1' && name[0] <= '9' && strpbrk(name, ".eE") != NULL &&
		strchr(name, '-') == NULL && cdr_json_integer(name, &code) &&
		code <= CODE_MAX)
		snprintf(name, strlen(name) + 1, INT64_FORMAT, code);
}

char *
cdr_cause_fold(char *name)
{
	const char *start = name;
	const char *end = name + strlen(name);

	cdr_trim(&start, &end);
	name[end - name] = '\0';
	name += start - name;
	fold_float(name);
	for (char *p = name; *p != '\0'; p++)
	{
		if (*p == '-' || *p == ' ')
			*p = '_';
		else if (*p >= 'A' && *p <= 'Z')
			*p += 'a' - 'A';
	}

	/* "sip:16" is no 16 of Q.850 */
	if (strncmp(name, "sip:", 4) == 0 && is_final_code(name + 4))
		return name + 4;
	return name;
}

static int
compare_name(const void *name, const void *cause)
{
	return strcmp(name, ((const CdrCause *) cause)->name);
}

const CdrCause *
cdr_cause_find(const char *name)
{
	char		folded[NAME_SIZE];
	const char *end;

	if (name == NULL)
		return NULL;
	end = name + strlen(name);
	cdr_trim(&name, &end);
	if (end - name >= NAME_SIZE)
		return NULL;
	memcpy(folded, name, end - name);
	folded[end - name] = '\0';
	return bsearch(cdr_cause_fold(folded), causes, lengthof(causes),
				   sizeof(CdrCause), compare_name);
}

const char *
cdr_cause_disposition(const char *name)
{
	const CdrCause *cause = cdr_cause_find(name);

	return cause == NULL ? "NO_ANSWER" : cause->disposition;
}
