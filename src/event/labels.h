/*-------------------------------------------------------------------------
 *
 * labels.h
 *	  The words in the properties content type and content encoding.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_LABELS_H
#define CDR_LABELS_H

/* A word within a property; its length is 0 where there is none. */
typedef struct CdrLabel
{
	const char *start;
	int			length;
} CdrLabel;

/*
 * The character set of a text, if it is said to be another than UTF-8: by the
 * parameter of the content type, or, as some libraries do, by the content
 * encoding.  Both may be NULL.
 */
extern CdrLabel
cdr_label_other_charset(const char *content_type, const char *encodings);

/*
 * The words of a content encoding, from the last, which is on the outside, to
 * the first: *left is the length of what is not read yet.  False: there is no
 * more.  Word and length of what is no name, or too long for one, are 0.
 */
extern bool
cdr_label_before(const char *encodings, size_t *left, CdrLabel *label);

/* Which of the names a word is, as it stands among them; NULL: none. */
extern const char *
cdr_label_among(CdrLabel label, const char *const *names, int count);

/* How a body is compressed that a word of its content encoding says to be, in a
 * way that is not read; NULL: the word does not say so. */
extern const char *cdr_label_other_compression(CdrLabel label);

/* Is a word that, in any case of letters? */
static inline bool
cdr_label_is(CdrLabel label, const char *name)
{
	return cdr_label_among(label, &name, 1) != NULL;
}

#endif /* CDR_LABELS_H */
