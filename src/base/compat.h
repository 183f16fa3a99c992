/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Every difference between the supported versions of PostgreSQL (15 to
 *	  18), of librabbitmq (0.11 and later) and of OpenSSL (1.1.1 and later),
 *	  and nothing else: no other file tests a version.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_COMPAT_H
#define CDR_COMPAT_H

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "cdr_service supports PostgreSQL 15 to 18"
#endif

#include <openssl/evp.h>

#include "common/jsonapi.h"
#include "mb/pg_wchar.h"

/*
 * JSON: since 16 the parser's callbacks return a result, since 17 its lexer
 * can live in the caller's memory and must be freed.
 */
#if PG_VERSION_NUM >= 160000
typedef JsonParseErrorType CdrJsonResult;
#define CDR_JSON_CONTINUE return JSON_SUCCESS
#else
typedef void CdrJsonResult;
#define CDR_JSON_CONTINUE return
#endif

/*
 * A lexer over UTF-8 text.  One that does not resolve escapes only checks how
 * they are written, and the parser's callbacks get no strings; one that does
 * refuses those that no text can hold.
 */
static inline JsonLexContext *
cdr_json_lexer(const char *text, size_t length, bool resolve_escapes)
{
#if PG_VERSION_NUM >= 170000
	return makeJsonLexContextCstringLen(NULL, text, length, PG_UTF8,
										resolve_escapes);
#else
	return makeJsonLexContextCstringLen(unconstify(char *, text), (int) length,
										PG_UTF8, resolve_escapes);
#endif
}

static inline void
cdr_json_lexer_free(JsonLexContext *lex)
{
#if PG_VERSION_NUM >= 170000
	freeJsonLexContext(lex);
#else
	if (lex->strval != NULL)
	{
		pfree(lex->strval->data);
		pfree(lex->strval);
	}
	pfree(lex);
#endif
}

/* librabbitmq moved its headers in 0.12. */
#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/framing.h>
#else
#include <amqp.h>
#include <amqp_framing.h>
#endif

/* Without the server there is nobody who interrupts. */
#ifdef FRONTEND
#define CDR_CHECK_FOR_INTERRUPTS() ((void) 0)
#else
#include "miscadmin.h"
#define CDR_CHECK_FOR_INTERRUPTS() CHECK_FOR_INTERRUPTS()
#endif

#ifndef FRONTEND

#include "access/tupdesc.h"
#include "catalog/pg_tablespace.h"
#include "replication/message.h"
#include "storage/latch.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

/* Since 16, postgres.h leaves the inside of varlena values to this. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/*
 * Memory that a setting may own: since 16 in a context, before from malloc().
 * NULL if there is none, after a message.
 */
static inline void *
cdr_guc_malloc(int elevel, size_t size)
{
#if PG_VERSION_NUM >= 160000
	return guc_malloc(elevel, size);
#else
	void *memory = malloc(size);

	if (memory == NULL)
		ereport(elevel,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return memory;
#endif
}

static inline void
cdr_guc_free(void *memory)
{
#if PG_VERSION_NUM >= 160000
	guc_free(memory);
#else
	free(memory);
#endif
}

/*
 * Is a column certain to hold no nulls?  Since 18 it may be marked NOT NULL
 * although older rows were not looked at (NOT VALID).
 */
static inline bool
cdr_column_is_not_null(TupleDesc columns, AttrNumber number)
{
#if PG_VERSION_NUM >= 180000
	return TupleDescCompactAttr(columns, number - 1)->attnullability ==
		   ATTNULLABLE_VALID;
#else
	return TupleDescAttr(columns, number - 1)->attnotnull;
#endif
}

/* May the role make tables in the tablespace?  Since 16 all objects share one
 * function for this. */
static inline AclResult
cdr_tablespace_aclcheck(Oid tablespace, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(TableSpaceRelationId, tablespace, role, ACL_CREATE);
#else
	return pg_tablespace_aclcheck(tablespace, role, ACL_CREATE);
#endif
}

/* A wait event set that lives until it is freed, not until a query ends. */
static inline WaitEventSet *
cdr_create_wait_event_set(int nevents)
{
#if PG_VERSION_NUM >= 170000
	return CreateWaitEventSet(NULL, nevents);
#else
	return CreateWaitEventSet(TopMemoryContext, nevents);
#endif
}

/* Writes a WAL record of the transaction that says nothing. */
static inline void
cdr_log_empty_message(const char *prefix)
{
#if PG_VERSION_NUM >= 170000
	(void) LogLogicalMessage(prefix, "", 0, true, false);
#else
	(void) LogLogicalMessage(prefix, "", 0, true);
#endif
}

/* Wait events with names of our own exist since 17. */
static inline uint32
cdr_wait_event(const char *name)
{
#if PG_VERSION_NUM >= 170000
	return WaitEventExtensionNew(name);
#else
	(void) name;
	return PG_WAIT_EXTENSION;
#endif
}

/* What a process shows of itself, by its place from 0 on. */
static inline const PgBackendStatus *
cdr_backend_status(int place)
{
#if PG_VERSION_NUM >= 160000
	LocalPgBackendStatus *local = pgstat_get_local_beentry_by_index(place + 1);
#else
	LocalPgBackendStatus *local = pgstat_fetch_stat_local_beentry(place + 1);
#endif

	return local == NULL ? NULL : &local->backendStatus;
}

/* Enters a row that was inserted into the indexes of its table. */
#if PG_VERSION_NUM >= 160000
#define cdr_insert_index_tuples(target, slot, estate)                       \
	((void) ExecInsertIndexTuples(target, slot, estate, false, false, NULL, \
								  NIL, false))
#else
#define cdr_insert_index_tuples(target, slot, estate)                       \
	((void) ExecInsertIndexTuples(target, slot, estate, false, false, NULL, \
								  NIL))
#endif

/* What ExecutorRun() is called with: since 18, without whether that is once only. */
#if PG_VERSION_NUM >= 180000
#define CDR_EXECUTOR_RUN_PARAMETERS \
	QueryDesc *queryDesc, ScanDirection direction, uint64 count
#define CDR_EXECUTOR_RUN_ARGUMENTS queryDesc, direction, count
#else
#define CDR_EXECUTOR_RUN_PARAMETERS \
	QueryDesc *queryDesc, ScanDirection direction, uint64 count, bool once
#define CDR_EXECUTOR_RUN_ARGUMENTS queryDesc, direction, count, once
#endif

#endif /* !FRONTEND */

/*
 * OpenSSL: since 3.0 an algorithm is looked for each time that it is used, unless
 * it was fetched.
 */
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
#define cdr_fetch_sha256() EVP_MD_fetch(NULL, "SHA256", NULL)
#else
#define cdr_fetch_sha256() EVP_sha256()
#endif

#endif /* CDR_COMPAT_H */
