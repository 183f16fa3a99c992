/*-------------------------------------------------------------------------
 *
 * functions.c
 *	  SQL: leaves of events, and hash trees over them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "port/pg_bitutils.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "evidence/leaf.h"
#include "evidence/tree.h"

static Datum
digest_datum(const CdrDigest *digest)
{
	return PointerGetDatum(cstring_to_text_with_len(
		(const char *) digest->data, sizeof(digest->data)));
}

/* ------------------------------------------------------------------------
 * Leaves
 * ------------------------------------------------------------------------
 */

/* The arguments of cdr_event_leaf(). */
enum
{
	EVENT_TIME,
	RECEIVED_AT,
	RECORDED_AT,
	TIME_SOURCE,
	EVENT_TYPE,
	TENANT_ID,
	CONTENT,
	CONTENT_DIGEST = CONTENT + 11
};

/* What may name a person: arguments of that from CONTENT on, and all of
 * cdr_event_content_digest(). */
enum
{
	SALT,
	EVENT_ID,
	MESSAGE_ID,
	CALL_ID,
	TRACE_ID,
	ROUTING_KEY,
	CONTENT_TYPE,
	HEADERS,
	PROPERTIES,
	PAYLOAD,
	BODY
};

/* Of text, json or bytea. */
static CdrField
field_argument(FunctionCallInfo fcinfo, int number)
{
	CdrField field = {NULL, 0};

	if (!PG_ARGISNULL(number))
	{
		bytea *value = PG_GETARG_BYTEA_PP(number);

		field.data = VARDATA_ANY(value);
		field.length = VARSIZE_ANY_EXHDR(value);
	}
	return field;
}

static bool
has_content(FunctionCallInfo fcinfo, int first)
{
	return !PG_ARGISNULL(first + SALT) && !PG_ARGISNULL(first + EVENT_ID) &&
		   PG_ARGISNULL(first + PAYLOAD) != PG_ARGISNULL(first + BODY);
}

/* Is nothing left of what the digest of an erased event stands for? */
static bool
content_is_gone(FunctionCallInfo fcinfo)
{
	for (int i = SALT; i <= BODY; i++)
	{
		if (i != EVENT_ID && i != CALL_ID && !PG_ARGISNULL(CONTENT + i))
			return false;
	}
	return true;
}

/* The digest of what stands in the arguments from one on. */
static void
digest_arguments(FunctionCallInfo fcinfo, int first, CdrLeafFields *fields,
				 CdrDigest *content)
{
	bool is_json = !PG_ARGISNULL(first + PAYLOAD);

	fields->salt = *PG_GETARG_UUID_P(first + SALT);
	fields->event_id = *PG_GETARG_UUID_P(first + EVENT_ID);
	fields->message_id = field_argument(fcinfo, first + MESSAGE_ID);
	fields->call_id = field_argument(fcinfo, first + CALL_ID);
	fields->trace_id = field_argument(fcinfo, first + TRACE_ID);
	fields->routing_key = field_argument(fcinfo, first + ROUTING_KEY);
	fields->content_type = field_argument(fcinfo, first + CONTENT_TYPE);
	fields->headers = field_argument(fcinfo, first + HEADERS);
	fields->properties = field_argument(fcinfo, first + PROPERTIES);
	fields->body = field_argument(fcinfo, first + (is_json ? PAYLOAD : BODY));
	fields->body_digest = NULL;
	cdr_content_digest(fields, content);
}

/*
 * The digest of the content of a row: of what is there, or the one that was put in
 * its place.  Both at once, or neither, is nothing that we write: false.
 */
static bool
content_of_row(FunctionCallInfo fcinfo, CdrLeafFields *fields,
			   CdrDigest *content)
{
	CdrField digest = field_argument(fcinfo, CONTENT_DIGEST);

	if (digest.data == NULL)
	{
		if (!has_content(fcinfo, CONTENT))
			return false;
		digest_arguments(fcinfo, CONTENT, fields, content);
		return true;
	}
	if (digest.length != sizeof(CdrDigest) || !content_is_gone(fcinfo))
		return false;
	memcpy(content->data, digest.data, sizeof(CdrDigest));
	return true;
}

PG_FUNCTION_INFO_V1(cdr_event_leaf);

Datum
cdr_event_leaf(PG_FUNCTION_ARGS)
{
	CdrLeafFields fields;
	CdrDigest	  content;
	CdrDigest	  leaf;

	for (int i = EVENT_TIME; i <= TIME_SOURCE; i++)
	{
		if (PG_ARGISNULL(i))
			PG_RETURN_NULL();
	}
	if (!content_of_row(fcinfo, &fields, &content))
		PG_RETURN_NULL();
	fields.event_time = PG_GETARG_TIMESTAMPTZ(EVENT_TIME);
	fields.received_at = PG_GETARG_TIMESTAMPTZ(RECEIVED_AT);
	fields.recorded_at = PG_GETARG_TIMESTAMPTZ(RECORDED_AT);
	fields.time_source = PG_GETARG_CHAR(TIME_SOURCE);
	fields.event_type = field_argument(fcinfo, EVENT_TYPE);
	fields.tenant_id = field_argument(fcinfo, TENANT_ID);
	cdr_leaf_hash(&fields, &content, &leaf);
	return digest_datum(&leaf);
}

PG_FUNCTION_INFO_V1(cdr_event_content_digest);

Datum
cdr_event_content_digest(PG_FUNCTION_ARGS)
{
	CdrLeafFields fields;
	CdrDigest	  content;

	if (!has_content(fcinfo, SALT))
		PG_RETURN_NULL();
	digest_arguments(fcinfo, SALT, &fields, &content);
	return digest_datum(&content);
}

/* ------------------------------------------------------------------------
 * Trees
 * ------------------------------------------------------------------------
 */

/* The leaf hashes of an array. */
static CdrDigest *
leaves_argument(ArrayType *array, int *count)
{
	CdrDigest *leaves;
	Datum	  *elements;
	bool	  *nulls;

	deconstruct_array(array, BYTEAOID, -1, false, TYPALIGN_INT, &elements,
					  &nulls, count);
	leaves = MemoryContextAllocHuge(CurrentMemoryContext,
									Max(*count, 1) * sizeof(CdrDigest));
	for (int i = 0; i < *count; i++)
	{
		bytea *hash = nulls[i] ? NULL : DatumGetByteaPP(elements[i]);

		if (hash == NULL)
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("leaf %d is null", i),
							errdetail("Leaves are counted from 0.")));
		if (VARSIZE_ANY_EXHDR(hash) != sizeof(CdrDigest))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("leaf %d has %d bytes", i,
								   (int) VARSIZE_ANY_EXHDR(hash)),
							errdetail("A leaf hash has 32 bytes. Leaves are "
									  "counted from 0.")));
		memcpy(leaves[i].data, VARDATA_ANY(hash), sizeof(CdrDigest));
	}
	return leaves;
}

static Datum
hashes_datum(const CdrDigest *hashes, int count)
{
	Datum *elements = palloc(Max(count, 1) * sizeof(Datum));

	for (int i = 0; i < count; i++)
		elements[i] = digest_datum(&hashes[i]);
	return PointerGetDatum(
		construct_array(elements, count, BYTEAOID, -1, false, TYPALIGN_INT));
}

static Datum
proof_datum(const CdrProof *proof)
{
	return hashes_datum(proof->hashes, proof->count);
}

PG_FUNCTION_INFO_V1(cdr_tree_root_of_array);

Datum
cdr_tree_root_of_array(PG_FUNCTION_ARGS)
{
	int		   count;
	CdrDigest *leaves = leaves_argument(PG_GETARG_ARRAYTYPE_P(0), &count);
	CdrDigest  root;

	cdr_tree_root(leaves, count, &root);
	return digest_datum(&root);
}

PG_FUNCTION_INFO_V1(cdr_tree_groups);

Datum
cdr_tree_groups(PG_FUNCTION_ARGS)
{
	int		   count;
	CdrDigest *leaves = leaves_argument(PG_GETARG_ARRAYTYPE_P(0), &count);
	int		   ngroups = 0;

	for (int i = 0; i < count; i += CDR_GROUP_SIZE)
	{
		CdrDigest root;

		cdr_tree_root(leaves + i, Min(count - i, CDR_GROUP_SIZE), &root);
		leaves[ngroups++] = root;
	}
	return hashes_datum(leaves, ngroups);
}

PG_FUNCTION_INFO_V1(cdr_tree_peaks);

Datum
cdr_tree_peaks(PG_FUNCTION_ARGS)
{
	int		   npeaks;
	int		   count;
	CdrDigest *given = leaves_argument(PG_GETARG_ARRAYTYPE_P(0), &npeaks);
	int64	   size = PG_GETARG_INT64(1);
	CdrDigest *leaves = leaves_argument(PG_GETARG_ARRAYTYPE_P(2), &count);
	CdrPeaks   peaks = {0};

	if (size < 0 || npeaks != pg_popcount64(size))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a tree of %lld leaves has not %d complete parts",
						(long long) size, npeaks)));
	peaks.size = size;
	peaks.count = npeaks;
	memcpy(peaks.hashes, given, npeaks * sizeof(CdrDigest));
	for (int i = 0; i < count; i++)
		cdr_peaks_add(&peaks, &leaves[i]);
	return hashes_datum(peaks.hashes, peaks.count);
}

PG_FUNCTION_INFO_V1(cdr_peaks_root_of_array);

Datum
cdr_peaks_root_of_array(PG_FUNCTION_ARGS)
{
	int		   count;
	CdrDigest *given = leaves_argument(PG_GETARG_ARRAYTYPE_P(0), &count);
	CdrPeaks   peaks = {0};
	CdrDigest  root;

	if (count > (int) lengthof(peaks.hashes))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("no tree has %d complete parts", count)));
	peaks.count = count;
	memcpy(peaks.hashes, given, count * sizeof(CdrDigest));
	cdr_peaks_root(&peaks, &root);
	return digest_datum(&root);
}

PG_FUNCTION_INFO_V1(cdr_inclusion_proof);

Datum
cdr_inclusion_proof(PG_FUNCTION_ARGS)
{
	int		   count;
	CdrDigest *leaves = leaves_argument(PG_GETARG_ARRAYTYPE_P(0), &count);
	int64	   leaf = PG_GETARG_INT64(1);
	CdrProof   proof;

	if (leaf < 0 || leaf >= count)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("there is no leaf %lld in a tree of %d leaves",
							   (long long) leaf, count),
						errdetail("Leaves are counted from 0.")));
	cdr_prove_inclusion(leaves, count, leaf, &proof);
	return proof_datum(&proof);
}

PG_FUNCTION_INFO_V1(cdr_consistency_proof);

Datum
cdr_consistency_proof(PG_FUNCTION_ARGS)
{
	int		   count;
	CdrDigest *leaves = leaves_argument(PG_GETARG_ARRAYTYPE_P(0), &count);
	int64	   first = PG_GETARG_INT64(1);
	CdrProof   proof;

	if (first < 1 || first > count)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a tree of %d leaves does not begin with %lld of them",
						count, (long long) first)));
	cdr_prove_consistency(leaves, count, first, &proof);
	return proof_datum(&proof);
}
