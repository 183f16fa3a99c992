// Checks roots and proofs by an implementation of RFC 9162 that others have written.
//
// usage: node verify.mjs <claims.json
//
// The claims: { roots: [{ leaves, root }], inclusion: [{ leaf, index, size, root, path }],
// consistency: [{ first, first_root, second, second_root, path }] }, hashes in hexadecimal.
// Prints how many of each are accepted; and then, how many with one bit changed.

import { readFileSync } from 'node:fs';
import rfc9162 from '@transmute/rfc9162';

const { RFC9162 } = rfc9162;
const claims = JSON.parse(readFileSync(0, 'utf8'));
const bytes = (hex) => new Uint8Array(Buffer.from(hex, 'hex'));

// What hashes make a leaf of is given here, for the root alone takes entries.
const hasRoot = async ({ entries, root }) => {
  const computed = await RFC9162.treeHead(entries.map(bytes));
  return Buffer.from(computed).toString('hex') === root;
};

const isIncluded = ({ leaf, index, size, root, path }) =>
  RFC9162.verifyInclusionProof(bytes(root), bytes(leaf),
    { log_id: '', tree_size: size, leaf_index: index, inclusion_path: path.map(bytes) });

// Step 2 of 2.1.4.2, which the package leaves to its caller: a first tree of an exact
// power of 2 stands at the beginning of the path itself.
const isConsistent = ({ first, first_root, second, second_root, path }) =>
  RFC9162.verifyConsistencyProof(bytes(first_root), bytes(second_root),
    { log_id: '', tree_size_1: first, tree_size_2: second,
      consistency_path: ((first & (first - 1)) === 0 ? [first_root, ...path] : path).map(bytes) });

const flipped = (hex) => (parseInt(hex[0], 16) ^ 1).toString(16) + hex.slice(1);

const accepted = async (list, check) => {
  let count = 0;
  for (const claim of list) count += await check(claim) ? 1 : 0;
  return count;
};

for (const [name, check, root] of [['roots', hasRoot, 'root'], ['inclusion', isIncluded, 'root'],
  ['consistency', isConsistent, 'second_root']]) {
  const changed = claims[name].map((claim) => ({ ...claim, [root]: flipped(claim[root]) }));
  const shortened = claims[name].filter((claim) => claim.path?.length)
    .map((claim) => ({ ...claim, path: claim.path.slice(1) }));

  console.log(`${name}: ${await accepted(claims[name], check)} of ${claims[name].length}, `
    + `${await accepted([...changed, ...shortened], check)} of those changed`);
}
