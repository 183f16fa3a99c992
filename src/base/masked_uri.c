/*-------------------------------------------------------------------------
 *
 * masked_uri.c
 *	  A list of URIs: whether it is sound, and what of it may be shown.
 *
 * A password is what the broker's library takes for one.  But whoever writes
 * one with a comma, a slash or an at sign in it, or forgets the scheme, means
 * something else than the library reads.  So a list is sound only if each of
 * its URIs is one of
 *
 *		amqp://user[:password]@host[:port][/vhost]
 *		amqps://[user[:password]@]host[:port][/vhost]
 *
 * in which no part holds a character that separates parts.  Of anything else
 * nobody knows which part is the password.  Without a user, a certificate
 * logs in, which there is over TLS only: the library would make "guest" of it.
 *
 * What is masked and masked again does not change.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "base/masked_uri.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS	"0123456789"

#define PORT_DIGITS 5
#define PORT_MAX	65535

/* of a virtual host's name, in bytes (AMQP 0-9-1, short string) */
#define VHOST_MAX 255

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

/*
 * Is it an escape of a character that can be printed?  librabbitmq reads none beyond
 * ASCII, which may stand there as they are.
 */
static bool
is_escape(const char *start, const char *end)
{
	char digits[3];
	long c;

	if (end - start < 3 || !isxdigit((unsigned char) start[1]) ||
		!isxdigit((unsigned char) start[2]))
		return false;
	strlcpy(digits, start + 1, sizeof(digits));
	c = strtol(digits, NULL, 16);
	return c >= ' ' && c < 0x7F;
}

/*
 * Is it free of separators and control characters, and are its escapes sound?
 * It may be empty.
 */
static bool
is_word(const char *start, const char *end)
{
	for (const char *at = start; at < end; at++)
	{
		unsigned char c = (unsigned char) *at;

		if (c < ' ' || c == 0x7F || strchr(":@/?#[]", c) != NULL)
			return false;
		if (c == '%' && !is_escape(at, end))
			return false;
	}
	return true;
}

/* Bytes of a word, escapes being one each. */
static size_t
word_length(const char *start, const char *end)
{
	size_t length = 0;

	for (const char *at = start; at < end; at += *at == '%' ? 3 : 1)
		length++;
	return length;
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
	return start < end && is_word(start, end);
}

/* Notes what is wrong with a URI.  Always false, for the caller to return. */
static bool
unsound(CdrUriFault *fault, const char *what, const char *hint)
{
	fault->what = what;
	fault->hint = hint;
	return false;
}

static const char escape_hint[] =
	"Write special characters in names as percent escapes, a slash as %2F, "
	"letters beyond ASCII as they are, and the password into the file that "
	"cdr_service.amqp_password_file names.";
static const char form_hint[] =
	"Write it as amqps://user@host:port/vhost, or amqp:// for no TLS.";

static bool
skip_credentials(Stretch *rest, bool tls, Stretch *password,
				 CdrUriFault *fault)
{
	const char *sign = memchr(rest->start, '@', rest->end - rest->start);
	const char *colon;

	*password = (Stretch){NULL, NULL};
	if (sign == NULL)
		return tls || unsound(fault, "names no user.", form_hint);
	colon = memchr(rest->start, ':', sign - rest->start);
	if (!is_user(rest->start, colon ? colon : sign))
		return unsound(fault, "has no user, or one that cannot be read.",
					   escape_hint);
	if (colon != NULL)
	{
		*password = (Stretch){colon + 1, sign};
		if (!is_word(password->start, password->end))
			return unsound(fault, "has a password that cannot be read.",
						   escape_hint);
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
	const char *digits = rest->start + 1;
	size_t		count;

	if (!skip_text(rest, ":"))
		return true;
	count = skip_characters(rest, DIGITS);
	return count > 0 && count <= PORT_DIGITS && atoi(digits) >= 1 &&
		   atoi(digits) <= PORT_MAX;
}

/* Is it understood without doubt?  And where is its password, if it has one? */
static bool
is_sound(Stretch uri, Stretch *password, CdrUriFault *fault)
{
	bool tls = strncmp(uri.start, "amqps", strlen("amqps")) == 0;

	if (!skip_text(&uri, "amqp://") && !skip_text(&uri, "amqps://"))
		return unsound(fault, "does not begin with amqp:// or amqps://.",
					   form_hint);
	if (!skip_credentials(&uri, tls, password, fault))
		return false;
	if (!skip_host(&uri))
		return unsound(fault, "has no host, or one that cannot be read.",
					   form_hint);
	if (!skip_port(&uri))
		return unsound(fault, "has a port that is none from 1 to 65535.",
					   form_hint);
	if (!skip_text(&uri, "/"))
		return uri.start == uri.end ||
			   unsound(fault, "cannot be read behind host and port.",
					   escape_hint);
	if (!is_word(uri.start, uri.end))
		return unsound(fault, "has a virtual host that cannot be read.",
					   escape_hint);
	return word_length(uri.start, uri.end) <= VHOST_MAX ||
		   unsound(fault, "has a virtual host of more than 255 bytes.",
				   form_hint);
}

static char *
append(char *to, const char *start, const char *end)
{
	memcpy(to, start, end - start);
	return to + (end - start);
}

CdrUriSecrecy
cdr_masked_uri(const char *uris, char *shown, CdrUriFault *fault)
{
	CdrUriSecrecy secrecy = CDR_URI_PLAIN;
	const char	 *done = uris; /* so much of it is in shown */
	char		 *to = shown;
	Stretch		  uri = {uris, uris};

	for (fault->number = 1;; fault->number++)
	{
		Stretch password;

		uri.start = uri.end + strspn(uri.end, CDR_URI_SEPARATORS);
		uri.end = uri.start + strcspn(uri.start, CDR_URI_SEPARATORS);
		if (uri.start == uri.end)
		{
			if (fault->number > 1 || uris[0] == '\0')
				break;
			(void) unsound(fault, "is missing.", form_hint);
			return CDR_URI_UNSOUND;
		}
		if (!is_sound(uri, &password, fault))
			return CDR_URI_UNSOUND;
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
