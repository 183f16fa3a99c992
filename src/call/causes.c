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

/* Longer than any name, and than "sip:" with a code: causes.awk sees to it. */
#define NAME_SIZE 64

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

char *
cdr_cause_fold(char *name)
{
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
	char   folded[NAME_SIZE];
	size_t length = name == NULL ? NAME_SIZE : strnlen(name, NAME_SIZE);

	if (length == NAME_SIZE)
		return NULL;
	memcpy(folded, name, length + 1);
	return bsearch(cdr_cause_fold(folded), causes, lengthof(causes),
				   sizeof(CdrCause), compare_name);
}

const char *
cdr_cause_disposition(const char *name)
{
	const CdrCause *cause = cdr_cause_find(name);

	return cause == NULL ? "NO_ANSWER" : cause->disposition;
}
