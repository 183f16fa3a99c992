/*-------------------------------------------------------------------------
 *
 * masked_uri.c
 *	  A list of URIs with the passwords in it masked, to be shown.
 *
 * A password is what the broker's library takes for one.  But whoever writes
 * one with a comma, a slash or an at sign in it, or forgets the scheme, means
 * something else than the library reads.  So a list is shown only if each of
 * its URIs is one of
 *
 *		amqp://[user[:password]@]host[:port][/vhost]
 *		amqps://...
 *
 * in which no part holds a character that separates parts.  Of anything else
 * nobody knows which part is the password, and all of the list is masked.
 *
 * What is masked and masked again does not change.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/masked_uri.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS	"0123456789"

/* of the largest port, 65535 */
#define PORT_DIGITS 5

/* Always of this length, which says nothing of the password's. */
static const char mask[] = "********";

typedef struct Stretch
{
	const char *start;
	const char *end; /* past the last byte */
} Stretch;

static bool
skip_text(Stretch *rest, const char *prefix)
{
	if (strncmp(rest->start, prefix, strlen(prefix)) != 0)
		return false;
	rest->start += strlen(prefix);
	return true;
}

/* Skips these characters, none of which is a separator of the list. */
static size_t
skip_characters(Stretch *rest, const char *characters)
{
	size_t count = strspn(rest->start, characters);

	rest->start += count;
	return count;
}

/* Is it free of separators and control characters?  It may be empty. */
static bool
is_word(const char *start, const char *end)
{
	for (const char *at = start; at < end; at++)
	{
		unsigned char c = (unsigned char) *at;

		if (c < ' ' || c == 0x7F || strchr(":@/?#[]", c) != NULL)
			return false;
	}
	return true;
}

/* A name in which a colon is escaped may be one with its password. */
static bool
is_user(const char *start, const char *end)
{
	for (const char *at = start; end - at >= 3; at++)
	{
		if (pg_strncasecmp(at, "%3A", 3) == 0)
			return false;
	}
	return is_word(start, end);
}

static bool
skip_credentials(Stretch *rest, Stretch *password)
{
	const char *sign = memchr(rest->start, '@', rest->end - rest->start);
	const char *colon;

	*password = (Stretch){NULL, NULL};
	if (sign == NULL)
		return true;
	colon = memchr(rest->start, ':', sign - rest->start);
	if (!is_user(rest->start, colon ? colon : sign))
		return false;
	if (colon != NULL)
	{
		*password = (Stretch){colon + 1, sign};
		if (!is_word(password->start, password->end))
			return false;
	}
	rest->start = sign + 1;
	return true;
}

static bool
skip_host(Stretch *rest)
{
	if (skip_text(rest, "["))
		return skip_characters(rest, DIGITS "ABCDEFabcdef:.") > 0 &&
			   skip_text(rest, "]");
	return skip_characters(rest, LETTERS DIGITS "._-") > 0;
}

static bool
skip_port(Stretch *rest)
{
	size_t digits;

	if (!skip_text(rest, ":"))
		return true;
	digits = skip_characters(rest, DIGITS);
	return digits > 0 && digits <= PORT_DIGITS;
}

/* Is it understood without doubt?  And where is its password, if it has one? */
static bool
is_sound(Stretch uri, Stretch *password)
{
	if (!skip_text(&uri, "amqp://") && !skip_text(&uri, "amqps://"))
		return false;
	if (!skip_credentials(&uri, password) || !skip_host(&uri) ||
		!skip_port(&uri))
		return false;
	if (skip_text(&uri, "/"))
		return is_word(uri.start, uri.end);
	return uri.start == uri.end;
}

static char *
append(char *to, const char *start, const char *end)
{
	memcpy(to, start, end - start);
	return to + (end - start);
}

CdrUriSecrecy
cdr_masked_uri(const char *uris, char *shown)
{
	CdrUriSecrecy secrecy = CDR_URI_PLAIN;
	const char	 *done = uris; /* so much of it is in shown */
	char		 *to = shown;
	Stretch		  uri = {uris, uris};

	for (;;)
	{
		Stretch password;

		uri.start = uri.end + strspn(uri.end, CDR_URI_SEPARATORS);
		uri.end = uri.start + strcspn(uri.start, CDR_URI_SEPARATORS);
		if (uri.start == uri.end)
			break;
		if (!is_sound(uri, &password))
		{
			strcpy(shown, mask);
			return CDR_URI_HIDDEN;
		}
		if (password.start != NULL)
		{
			to = append(to, done, password.start);
			to = append(to, mask, mask + strlen(mask));
			done = password.end;
			secrecy = CDR_URI_MASKED;
		}
	}
	strcpy(to, done);
	return secrecy;
}
