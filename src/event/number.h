/*-------------------------------------------------------------------------
 *
 * number.h
 *	  Telephone numbers: out of SIP and tel URIs, and what their lengths say.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_NUMBER_H
#define CDR_NUMBER_H

/*
 * The number (or the account name) that a SIP header value, a sip, sips or
 * tel URI, a user@host or a bare number names: the user part, percent
 * escapes resolved, without what cannot be seen, display name, password and tag;
 * of numbers also without parameters and visual separators, in digits of ASCII.
 * "anonymous" for a withheld caller; NULL where there is none.  Constant, or
 * allocated in the current context.
 */
extern const char *cdr_number_from_uri(const char *uri);

/*
 * The digits of a number as JSON writes it, in the current context: of 4711,
 * 4711.0 and 4.711e3.  NULL for what nobody can dial: one with a sign, one that
 * is not whole, one of very many zeros that are not written.
 */
extern const char *cdr_number_from_token(const char *token);

/*
 * "inbound", "outbound" or "internal" by the lengths of two numbers: what has
 * at most extension_digits digits is an extension of ours.  NULL where that
 * cannot be told.
 */
extern const char *cdr_number_direction(const char *caller, const char *callee,
										int extension_digits);

#endif /* CDR_NUMBER_H */
