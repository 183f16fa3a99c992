/*-------------------------------------------------------------------------
 *
 * reading.h
 *	  What the settings say about reading events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_EVENT_READING_H
#define CDR_EVENT_READING_H

typedef struct CdrEventOptions
{
	size_t max_event_size;	 /* bytes; a larger body is not parsed */
	int	   extension_digits; /* longest internal extension; 0: none */

	/* the mappings in force; NULL: none (event/mapping.h) */
	const struct CdrMappingUse *mappings;
} CdrEventOptions;

#endif /* CDR_EVENT_READING_H */
