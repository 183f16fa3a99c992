/*-------------------------------------------------------------------------
 *
 * tree.c
 *	  Hash trees as in RFC 6962, 2.1, and proofs over them.
 *
 * A root is computed from left to right, with the roots of the complete trees
 * that the leaves so far consist of: one for each bit of their number.  So it takes
 * one pass, and no memory.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "base/compat.h"
#include "base/sha256.h"
#include "evidence/tree.h"

/* Leaves between looks for an interrupt. */
#define LEAVES_AT_ONCE 4096

static void
join_nodes(const CdrDigest *left, const CdrDigest *right, CdrDigest *node)
{
	static const unsigned char mark = 1;
	EVP_MD_CTX				  *context = cdr_sha256_context();

	cdr_sha256_begin(context);
	cdr_sha256_add(context, &mark, 1);
	cdr_sha256_add(context, left->data, sizeof(left->data));
	cdr_sha256_add(context, right->data, sizeof(right->data));
	cdr_sha256_end(context, node);
}

void
cdr_peaks_add(CdrPeaks *peaks, const CdrDigest *leaf)
{
	CdrDigest node = *leaf;

	/* each bit that is set is a tree that this leaf completes, up to the first
	 * that is not */
	for (uint64 rest = peaks->size; rest & 1; rest >>= 1)
		join_nodes(&peaks->hashes[--peaks->count], &node, &node);
	peaks->hashes[peaks->count++] = node;
	peaks->size++;
}

void
cdr_peaks_root(const CdrPeaks *peaks, CdrDigest *root)
{
	if (peaks->count == 0)
	{
		EVP_MD_CTX *context = cdr_sha256_context();

		cdr_sha256_begin(context);
		cdr_sha256_end(context, root);
		return;
	}
	*root = peaks->hashes[peaks->count - 1];
	for (int i = peaks->count - 2; i >= 0; i--)
		join_nodes(&peaks->hashes[i], root, root);
}

void
cdr_tree_root(const CdrDigest *leaves, uint64 count, CdrDigest *root)
{
	CdrPeaks peaks = {0};

	for (uint64 i = 0; i < count; i++)
	{
		cdr_peaks_add(&peaks, &leaves[i]);
		if (i % LEAVES_AT_ONCE == 0)
			CDR_CHECK_FOR_INTERRUPTS();
	}
	cdr_peaks_root(&peaks, root);
}

/* How many of some leaves, at least two, are in the left half of their tree. */
static uint64
left_half(uint64 count)
{
	uint64 half = 1;

	while (half < count - half)
		half *= 2;
	return half;
}

static void
add_root(const CdrDigest *leaves, uint64 count, CdrProof *proof)
{
	cdr_tree_root(leaves, count, &proof->hashes[proof->count++]);
}

/* From the leaf up, as verifiers take it: but found from the root down. */
static void
turn_round(CdrProof *proof)
{
	for (int i = 0, j = proof->count - 1; i < j; i++, j--)
	{
		CdrDigest hash = proof->hashes[i];

		proof->hashes[i] = proof->hashes[j];
		proof->hashes[j] = hash;
	}
}

void
cdr_prove_inclusion(const CdrDigest *leaves, uint64 count, uint64 leaf,
					CdrProof *proof)
{
	proof->count = 0;
	while (count > 1)
	{
		uint64 half = left_half(count);

		if (leaf < half)
		{
			add_root(leaves + half, count - half, proof);
			count = half;
		}
		else
		{
			add_root(leaves, half, proof);
			leaves += half;
			leaf -= half;
			count -= half;
		}
	}
	turn_round(proof);
}

void
cdr_prove_consistency(const CdrDigest *leaves, uint64 count, uint64 first,
					  CdrProof *proof)
{
	bool is_known = true; /* the tree of the first ones is the older tree */

	proof->count = 0;
	while (first < count)
	{
		uint64 half = left_half(count);

		if (first <= half)
		{
			add_root(leaves + half, count - half, proof);
			count = half;
		}
		else
		{
			add_root(leaves, half, proof);
			leaves += half;
			first -= half;
			count -= half;
			is_known = false;
		}
	}
	if (!is_known)
		add_root(leaves, count, proof);
	turn_round(proof);
}
