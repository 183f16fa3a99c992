/*-------------------------------------------------------------------------
 *
 * reading.h
 *	  What the settings say about reading events, and who helps.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_EVENT_READING_H
#define CDR_EVENT_READING_H

/* What came of text in another character set. */
typedef enum CdrConversion
{
	CDR_CONVERTED,
	CDR_CHARSET_UNKNOWN,
	CDR_NOT_IN_CHARSET, /* its bytes are none of that character set */
	CDR_NOT_IN_UTF8		/* it has a character that Unicode has not */
} CdrConversion;

/* Converts text of a character set to UTF-8 in the current context. */
typedef CdrConversion
CdrConverter(const char *charset, const char *text, size_t length, char **utf8,
			 size_t *utf8_length);

typedef struct CdrEventOptions
{
	size_t		  max_event_size;	/* bytes; a larger body is not parsed */
	int			  extension_digits; /* longest internal extension; 0: none */
	CdrConverter *convert;			/* of character sets; NULL: nobody does */

	/* the mappings in force; NULL: none (event/mapping.h) */
	const struct CdrMappingUse *mappings;

	/* takes notes of where everything comes from (event/notes.h); NULL: nobody
	 * wants to know */
	struct CdrNotes *notes;
} CdrEventOptions;

#endif /* CDR_EVENT_READING_H */
