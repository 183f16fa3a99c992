/*-------------------------------------------------------------------------
 *
 * checks.c
 *	  Whether the text of a setting can be meant, found out when it is set.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/checks.h"
#include "base/options.h"

/* Of a name that AMQP has, and of a binding key (AMQP 0-9-1, short string). */
#define AMQP_NAME_MAX 255

static bool
is_printable(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		if ((unsigned char) text[i] < ' ' || text[i] == 0x7F)
			return false;
	}
	return true;
}

/* RabbitMQ would leave line breaks out, and use another name. */
static bool
check_amqp_text(const char *text, size_t length, const char *what)
{
	if (length > AMQP_NAME_MAX)
	{
		GUC_check_errdetail("%s must not be longer than %d bytes.", what,
							AMQP_NAME_MAX);
		return false;
	}
	if (!is_printable(text, length))
	{
		GUC_check_errdetail("%s must not hold control characters.", what);
		return false;
	}
	return true;
}

bool
cdr_check_optional_name(char **newval, void **extra, GucSource source)
{
	return check_amqp_text(*newval, strlen(*newval), "A name at RabbitMQ");
}

bool
cdr_check_name(char **newval, void **extra, GucSource source)
{
	if ((*newval)[0] == '\0')
	{
		GUC_check_errdetail("The name must not be empty.");
		return false;
	}
	return cdr_check_optional_name(newval, extra, source);
}

/* Keys may have one comma between them, and any number of blanks. */
bool
cdr_check_binding_keys(char **newval, void **extra, GucSource source)
{
	const char *at = *newval + strspn(*newval, " ");

	for (;;)
	{
		size_t length = strcspn(at, CDR_KEY_SEPARATORS);

		if (length == 0)
		{
			GUC_check_errdetail("A binding key must not be empty.");
			GUC_check_errhint("Set cdr_service.exchange to the empty string "
							  "to bind nothing.");
			return false;
		}
		if (!check_amqp_text(at, length, "A binding key"))
			return false;
		at += length;
		at += strspn(at, " ");
		if (*at == ',')
		{
			/* after a comma there is a key */
			at++;
			at += strspn(at, " ");
		}
		else if (*at == '\0')
			return true;
	}
}

bool
cdr_check_file(char **newval, void **extra, GucSource source)
{
	if (strlen(*newval) >= MAXPGPATH)
	{
		GUC_check_errdetail("The name of a file must be shorter than %d "
							"bytes.",
							MAXPGPATH);
		return false;
	}
	if (!is_printable(*newval, strlen(*newval)))
	{
		GUC_check_errdetail("The name of a file must not hold control "
							"characters.");
		return false;
	}
	return true;
}

/* The server would cut off a longer one, and use another. */
bool
cdr_check_role(char **newval, void **extra, GucSource source)
{
	if (strlen(*newval) >= NAMEDATALEN)
	{
		GUC_check_errdetail("A name must be shorter than %d bytes.",
							NAMEDATALEN);
		return false;
	}
	return true;
}

bool
cdr_check_database(char **newval, void **extra, GucSource source)
{
	if ((*newval)[0] == '\0')
	{
		GUC_check_errdetail("The name must not be empty.");
		return false;
	}
	return cdr_check_role(newval, extra, source);
}

/* Verifiers of checkpoints take it for a name without blanks; a plus stands
 * between names of keys. */
bool
cdr_check_origin(char **newval, void **extra, GucSource source)
{
	if (strlen(*newval) > CDR_ORIGIN_MAX)
	{
		GUC_check_errdetail("An origin must not be longer than %d bytes.",
							CDR_ORIGIN_MAX);
		return false;
	}
	for (const char *at = *newval; *at != '\0'; at++)
	{
		if (*at <= ' ' || *at > '~' || *at == '+')
		{
			GUC_check_errdetail("An origin must consist of printable ASCII "
								"characters, without blanks and \"+\".");
			return false;
		}
	}
	return true;
}
