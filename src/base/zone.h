/*-------------------------------------------------------------------------
 *
 * zone.h
 *	  What the clocks of a zone show that somebody names.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_ZONE_H
#define CDR_ZONE_H

/*
 * The timestamp that the clocks of a zone show at a time; zone is a text.  An ERROR
 * (22023) that says where names of zones are, if there is none of that name.
 */
extern Datum cdr_local_timestamp(Datum zone, TimestampTz at);

#endif
