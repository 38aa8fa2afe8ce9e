/**
 * From a unit to a number in [0, 1): the same one in every process, in every language, for ever. As GrowthBook's, so that
 * a web page that uses its library and this server put a unit into the same bucket.
 */
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** FNV-1a, 32 bit, over the UTF-16 code units of a text. */
export function fnv1a32(text: string): number {
  let hash = FNV_OFFSET;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  return hash >>> 0;
}

const V1_BUCKETS = 1000;
const V2_BUCKETS = 10_000;

/** Version 1 has 1,000 buckets and mixes seeds badly: experiments with like seeds are not independent. Version 2 has neither fault. */
export function bucketOf(seed: string, value: string, version: 1 | 2): number {
  if (version === 1) return (fnv1a32(value + seed) % V1_BUCKETS) / V1_BUCKETS;
  return (fnv1a32(String(fnv1a32(seed + value))) % V2_BUCKETS) / V2_BUCKETS;
}
