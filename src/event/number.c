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

#include "event/decimal.h"
#include "event/number.h"
#include "event/visible.h"

#define ANONYMOUS "anonymous"

/* What a number of a whole town has at the least. */
#define LOCAL_DIGITS 7

/* The most zeros that an exponent puts behind the digits of a number. */
#define ZEROS_MAX 32

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
	int n;

	while ((n = cdr_blank_at_start(s->start, s->end)) > 0)
		s->start += n;
	while ((n = cdr_blank_at_end(s->start, s->end)) > 0)
		s->end -= n;
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

/* The end of the quoted string that s begins with; its start if none. */
static const char *
skip_quoted(Span s)
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
 * brackets, if there are any.  Leaves the display name before it, without its
 * quotes, in *name; a quoted one may hold brackets of its own.
 */
static void
narrow_to_uri(Span *s, Span *name)
{
	const char *behind = skip_quoted(*s);
	const char *open;

	*name = (Span){s->start, behind};
	s->start = behind;
	open = find(*s, '<');
	if (open != NULL)
	{
		if (length(*name) == 0)
			name->end = open;
		while (open < s->end && *open == '<')
			open++;
		s->start = open;
		cut_at(s, '>');
	}
	trim(s);
	trim(name);
	if (length(*name) > 0 && *name->start == '"')
		name->start++;
	if (length(*name) > 0 && name->end[-1] == '"')
		name->end--;
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

/* Only a plus sign, digits, "*" and "#", and at least one of these? */
static bool
is_number(const char *s)
{
	if (*s == '+')
		s++;
	return *s != '\0' && strspn(s, "0123456789*#") == strlen(s);
}

/*
 * The length of a number without the fraction that a float is printed with
 * ("12025550143.0"); 0: it has none.  More zeros than one are a fraction only
 * behind what is a number of its own: of "555.0000" the dot is a separator.
 */
static size_t
length_without_fraction(const char *text)
{
	size_t plus = *text == '+' ? 1 : 0;
	size_t digits = strspn(text + plus, "0123456789");
	size_t zeros;

	if (digits == 0 || text[plus + digits] != '.')
		return 0;
	zeros = strspn(text + plus + digits + 1, "0");
	if (zeros == 0 || text[plus + digits + 1 + zeros] != '\0' ||
		(zeros > 1 && digits < LOCAL_DIGITS))
		return 0;
	return plus + digits;
}

/* The number that a text is, as it is dialled; NULL: it is none. */
static const char *
as_number(const char *text)
{
	size_t whole;
	char  *number;

	if (is_number(text))
		return text;
	whole = length_without_fraction(text);
	if (whole > 0)
		return pnstrdup(text, whole);
	number = pstrdup(text);
	cdr_fold_number(number);
	if (is_number(number))
		return number;
	pfree(number);
	return NULL;
}

/*
 * A copy of s with its percent escapes resolved; as it stands where that would
 * not be text (half a character, a NUL in a name).
 */
static char *
unescape(Span s)
{
	char *copy = pnstrdup(s.start, length(s));
	char *out = copy;
	bool  has_nul = false;

	for (const char *p = s.start; p < s.end; p++)
	{
		int high = p + 2 < s.end && *p == '%' ? hex_value(p[1]) : -1;
		int low = high >= 0 ? hex_value(p[2]) : -1;
		int byte = (unsigned char) *p;

		if (low >= 0)
		{
			byte = high * 16 + low;
			p += 2;
		}
		if (byte == 0)
			has_nul = true;
		else
			*out++ = (char) byte;
	}
	*out = '\0';

	cdr_drop_invisible(copy);
	if (pg_encoding_verifymbstr(PG_UTF8, copy, strlen(copy)) ==
			(int) strlen(copy) &&
		(!has_nul || as_number(copy) != NULL))
		return copy;
	pfree(copy);
	return pnstrdup(s.start, length(s));
}

/*
 * Behind a number in a user part there may be parameters
 * (+1202;phone-context=x).  In a name, ";" and "?" are letters like others.
 */
static void
cut_parameters(char *user)
{
	size_t head = strcspn(user, ";?");

	if (user[head] == '\0')
		return;
	if (head == 0 || as_number(pnstrdup(user, head)) != NULL)
		user[head] = '\0';
}

/* An IP address, with or without a port: that is where, and not who. */
static bool
is_address(const char *s)
{
	int dots = 0;
	int colons = 0;
	int groups = (int) strspn(s, "0123456789.");

	if (*s == '[')
		return true;
	for (const char *p = s; *p != '\0'; p++)
	{
		if (*p == '.')
			dots++;
		else if (*p == ':')
			colons++;
	}
	if (dots == 3 && colons <= 1 && groups > 0)
		return s[groups] == '\0' ||
			   (s[groups] == ':' && strspn(s + groups + 1, "0123456789") ==
										strlen(s + groups + 1));
	return colons >= 2 && strspn(s, "0123456789abcdefABCDEF:.") == strlen(s);
}

/* Words that stand in place of a number that is withheld. */
static bool
is_withheld_word(Span word)
{
	static const char *const words[] = {ANONYMOUS, "restricted", "unavailable",
										"private", "withheld",	 "unknown",
										"blocked"};

	for (int i = 0; i < (int) lengthof(words); i++)
	{
		if (equals(word, words[i]))
			return true;
	}
	return false;
}

static Span
span_of(const char *text)
{
	return (Span){text, text + strlen(text)};
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
		cut_at(host, '?');
		cut_at(host, '>');
		cut_at(host, ':');
		user->end = at;
		cut_at(user, ':');
	}
	else
	{
		cut_at(user, ';');
		cut_at(user, '?');
		*host = *user;
	}
	trim(host);
	return at != NULL;
}

/* The schemes of URIs that name a user or a number. */
static bool
skip_scheme(Span *s)
{
	static const char *const others[] = {
		"tel:",	   "callto:", "fax:",  "h323:",
		"mailto:", "xmpp:",	  "pres:", "im:"};

	if (skip_prefix(s, "sip:") || skip_prefix(s, "sips:"))
		return true;
	for (int i = 0; i < (int) lengthof(others); i++)
	{
		if (skip_prefix(s, others[i]))
			break;
	}
	return false;
}

/* What the user part of a URI says; NULL: it names nobody. */
static const char *
user_of_uri(Span uri)
{
	bool		is_sip = skip_scheme(&uri);
	Span		host;
	bool		has_host = split_at_host(&uri, &host);
	Span		user;
	char	   *name = unescape(uri);
	const char *number;

	cut_parameters(name);
	user = span_of(name);
	trim(&user);
	name += user.start - name;
	name[length(user)] = '\0';
	if (is_withheld_word(user) || equals(host, "anonymous.invalid") ||
		equals(host, "unknown.invalid"))
		return ANONYMOUS;
	if (length(user) == 0)
		return NULL;
	if (!has_host && is_address(name))
		return NULL;
	number = as_number(name);
	if (number != NULL)
		return number;

	/* a SIP URI without "@" names a host, unless that is plainly a number */
	return is_sip && !has_host ? NULL : name;
}

const char *
cdr_number_from_uri(const char *uri)
{
	char	   *text = pstrdup(uri);
	Span		s;
	Span		name;
	const char *number;

	cdr_drop_invisible(text);
	s = span_of(text);
	trim(&s);
	narrow_to_uri(&s, &name);
	number = user_of_uri(s);

	/* a made-up user behind the name "Anonymous" (RFC 3261, 20.20), or none */
	if (number == NULL ? is_withheld_word(name)
					   : equals(name, ANONYMOUS) && !is_number(number))
		return ANONYMOUS;
	return number;
}

const char *
cdr_number_from_token(const char *token)
{
	CdrDecimal	number;
	const char *end = cdr_decimal_read(token, &number);
	int			digits;
	int			point;
	int			first = 0;
	char	   *text;

	if (end == NULL || *end != '\0' || number.negative ||
		!cdr_decimal_is_whole(&number))
		return NULL;
	digits = cdr_decimal_digits(&number);
	point = cdr_decimal_point(&number);
	if (point > digits + ZEROS_MAX)
		return NULL;
	/* zeros in front are those of 0.12e3, and no part of it */
	while (first < point - 1 && first < digits &&
		   cdr_decimal_digit(&number, first) == 0)
		first++;
	if (first >= point)
		return "0";
	text = palloc(point - first + 1);
	for (int i = first; i < point; i++)
		text[i - first] =
			(char) ('0' + (i < digits ? cdr_decimal_digit(&number, i) : 0));
	text[point - first] = '\0';
	return text;
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
