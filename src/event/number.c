/*-------------------------------------------------------------------------
 *
 * number.c
 *	  Telephone numbers out of SIP header values (RFC 3261, section 25), SIP
 *	  URIs (section 19.1) and tel URIs (RFC 3966).
 *
 * The grammar is read leniently: what producers really send is a header
 * value, a URI, user@host or a bare number, and a number that cannot be told
 * leaves its column NULL, it never costs the event.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "mb/pg_wchar.h"

#include "event/number.h"

#define ANONYMOUS "anonymous"

/* A stretch of a string. */
typedef struct Span
{
	const char *start;
	const char *end;
} Span;

static size_t
length(Span s)
{
	return s.end - s.start;
}

static bool
equals(Span s, const char *word)
{
	return length(s) == strlen(word) &&
		   pg_strncasecmp(s.start, word, strlen(word)) == 0;
}

/* The first c in s, or NULL. */
static const char *
find(Span s, char c)
{
	return memchr(s.start, c, length(s));
}

/* Shortens s to what stands before the first c in it. */
static void
cut_at(Span *s, char c)
{
	const char *at = find(*s, c);

	if (at != NULL)
		s->end = at;
}

static void
trim(Span *s)
{
	while (s->start < s->end && (*s->start == ' ' || *s->start == '\t'))
		s->start++;
	while (s->end > s->start && (s->end[-1] == ' ' || s->end[-1] == '\t'))
		s->end--;
}

static bool
skip_prefix(Span *s, const char *prefix)
{
	size_t n = strlen(prefix);

	if (length(*s) < n || pg_strncasecmp(s->start, prefix, n) != 0)
		return false;
	s->start += n;
	return true;
}

/* Behind the quoted display name that s begins with; its start if none. */
static const char *
skip_display_name(Span s)
{
	if (s.start == s.end || *s.start != '"')
		return s.start;
	for (const char *p = s.start + 1; p < s.end; p++)
	{
		if (*p == '"')
			return p + 1;
		if (*p == '\\')
			p++;
	}
	/* the quote does not end: it is no name */
	return s.start;
}

/*
 * Narrows a header value to the URI in it: what stands between the angle
 * brackets, if there are any.  A quoted display name may hold brackets of its
 * own.
 */
static void
narrow_to_uri(Span *s)
{
	const char *open;

	s->start = skip_display_name(*s);
	open = find(*s, '<');
	if (open != NULL)
	{
		s->start = open + 1;
		cut_at(s, '>');
	}
	trim(s);
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/*
 * A copy of s with its percent escapes resolved; as it stands where that
 * would not be text (a NUL, half a character).
 */
static char *
unescape(Span s)
{
	char *copy = pnstrdup(s.start, length(s));
	char *out = copy;

	for (const char *p = s.start; p < s.end; p++)
	{
		int high = p + 2 < s.end && *p == '%' ? hex_value(p[1]) : -1;
		int low = high >= 0 ? hex_value(p[2]) : -1;

		if (low >= 0)
		{
			*out++ = (char) (high * 16 + low);
			p += 2;
		}
		else
			*out++ = *p;
	}
	*out = '\0';

	if (pg_encoding_verifymbstr(PG_UTF8, copy, out - copy) == out - copy)
		return copy;
	pfree(copy);
	return pnstrdup(s.start, length(s));
}

/* Only a plus sign, digits, "*" and "#", and at least one of these? */
static bool
is_number(const char *s)
{
	if (*s == '+')
		s++;
	return *s != '\0' && strspn(s, "0123456789*#") == strlen(s);
}

/* Four groups of digits with dots between them: an address, not a number. */
static bool
is_ipv4_address(const char *s)
{
	int dots = 0;

	for (; *s != '\0'; s++)
	{
		if (*s == '.')
			dots++;
		else if (*s < '0' || *s > '9')
			return false;
	}
	return dots == 3;
}

/* Takes the visual separators (RFC 3966) out of what is a number then. */
static void
strip_separators(char *user)
{
	char *number = palloc(strlen(user) + 1);
	char *out = number;

	for (const char *p = user; *p != '\0'; p++)
	{
		if (strchr("-.() ", *p) == NULL)
			*out++ = *p;
	}
	*out = '\0';
	if (is_number(number))
		strcpy(user, number);
	pfree(number);
}

/* Words that stand in place of a number that is withheld. */
static bool
is_withheld(Span user, Span host)
{
	static const char *const words[] = {ANONYMOUS, "restricted", "unavailable",
										"private", "withheld",	 "unknown"};

	for (int i = 0; i < (int) lengthof(words); i++)
	{
		if (equals(user, words[i]))
			return true;
	}
	return equals(host, "anonymous.invalid");
}

/*
 * Splits what stands before and after the "@" of a URI, without password,
 * port and parameters.  Without an "@", everything is the user.
 */
static bool
split_at_host(Span *user, Span *host)
{
	const char *at = find(*user, '@');

	host->start = host->end = user->end;
	if (at != NULL)
	{
		host->start = at + 1;
		cut_at(host, ';');
		cut_at(host, '>');
		cut_at(host, ':');
		user->end = at;
		cut_at(user, ':');
	}
	cut_at(user, ';');
	cut_at(user, '?');
	trim(user);
	return at != NULL;
}

char *
cdr_number_from_uri(const char *uri)
{
	Span  user = {uri, uri + strlen(uri)};
	Span  host;
	bool  is_sip;
	bool  has_host;
	char *number;

	trim(&user);
	narrow_to_uri(&user);
	is_sip = skip_prefix(&user, "sip:") || skip_prefix(&user, "sips:");
	if (!is_sip)
		(void) skip_prefix(&user, "tel:");
	has_host = split_at_host(&user, &host);
	if (is_withheld(user, has_host ? host : user))
		return pstrdup(ANONYMOUS);

	number = unescape(user);
	if (strspn(number, " \t") == strlen(number))
		return NULL;
	if (!has_host && is_ipv4_address(number))
		return NULL;
	strip_separators(number);

	/* a SIP URI without "@" names a host, unless that is plainly a number */
	if (is_sip && !has_host && !is_number(number))
		return NULL;
	return number;
}

/* How a number stands to us. */
typedef enum NumberKind
{
	UNKNOWN_NUMBER,
	EXTENSION,
	OUTSIDE
} NumberKind;

static NumberKind
kind_of(const char *number, int extension_digits)
{
	if (number == NULL)
		return UNKNOWN_NUMBER;
	if (strcmp(number, ANONYMOUS) == 0)
		return OUTSIDE;
	if (!is_number(number))
		return UNKNOWN_NUMBER;
	if (*number != '+' && strlen(number) <= (size_t) extension_digits)
		return EXTENSION;
	return OUTSIDE;
}

const char *
cdr_number_direction(const char *caller, const char *callee,
					 int extension_digits)
{
	NumberKind from = kind_of(caller, extension_digits);
	NumberKind to = kind_of(callee, extension_digits);

	if (from == OUTSIDE)
		return "inbound";
	if (from == EXTENSION && to == OUTSIDE)
		return "outbound";
	if (from == EXTENSION && to == EXTENSION)
		return "internal";
	return NULL;
}
