/*
 * frontend.h
 *	  What headers of the server's want of a program: since PostgreSQL 16,
 *	  utils/uuid.h has inline functions of Datum, which only a server has.
 */
#ifndef CDR_FUZZ_FRONTEND_H
#define CDR_FUZZ_FRONTEND_H

#include "postgres_fe.h"

typedef uintptr_t Datum;

#define PointerGetDatum(pointer) ((Datum) (pointer))
#define DatumGetPointer(datum)	 ((char *) (datum))

#endif /* CDR_FUZZ_FRONTEND_H */
