/*-------------------------------------------------------------------------
 *
 * tree.h
 *	  Hash trees as in RFC 6962, 2.1, and proofs over them.
 *
 * A tree is given as its leaf hashes in order.  An inner node is
 * H(01 || left || right); the left half of n leaves are as many as the largest power
 * of two below n.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CDR_TREE_H
#define CDR_TREE_H

#include "base/message.h"

/* A proof has two hashes for each level at most. */
#define CDR_PROOF_MAX 128

/* Leaves whose root a seal keeps, beside that of all. */
#define CDR_GROUP_SIZE 8

typedef struct CdrProof
{
	int		  count;
	CdrDigest hashes[CDR_PROOF_MAX];
} CdrProof;

/*
 * A tree that grows: the roots of the complete trees that its leaves consist of, the
 * largest first, one for each bit of their number.
 */
typedef struct CdrPeaks
{
	uint64	  size;
	int		  count;
	CdrDigest hashes[64];
} CdrPeaks;

extern void cdr_peaks_add(CdrPeaks *peaks, const CdrDigest *leaf);
extern void cdr_peaks_root(const CdrPeaks *peaks, CdrDigest *root);

/* The root; of no leaves: the digest of nothing. */
extern void
cdr_tree_root(const CdrDigest *leaves, uint64 count, CdrDigest *root);

/* That a leaf, counted from 0 and below count, is in the tree. */
extern void cdr_prove_inclusion(const CdrDigest *leaves, uint64 count,
								uint64 leaf, CdrProof *proof);

/* That the tree begins with that of the first leaves, at least one, at most
 * all. */
extern void cdr_prove_consistency(const CdrDigest *leaves, uint64 count,
								  uint64 first, CdrProof *proof);

#endif /* CDR_TREE_H */
