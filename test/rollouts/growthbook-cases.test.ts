/** The cases that GrowthBook publishes for its own libraries, so that a web client and this server agree. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import { bucketRanges, chooseArm, equalWeights, isInRange } from '../../src/rollouts/buckets.ts';
import { bucketOf, fnv1a32 } from '../../src/rollouts/hash.ts';
import { layerBucket } from '../../src/rollouts/split.ts';
import { rolloutSchema } from '../../src/project/rollout-schema.ts';

type Pair = readonly [number, number];

interface Cases {
  readonly hash: readonly (readonly [seed: string, value: string, version: number, bucket: number | null])[];
  readonly getBucketRange: readonly (readonly [
    name: string,
    input: readonly [number, number, readonly number[] | null],
    ranges: readonly Pair[],
  ])[];
  readonly chooseVariation: readonly (readonly [
    name: string,
    bucket: number,
    ranges: readonly Pair[],
    arm: number,
  ])[];
  readonly inNamespace: readonly (readonly [
    name: string,
    unit: string,
    namespace: readonly [string, number, number],
    isIn: boolean,
  ])[];
  readonly getEqualWeights: readonly (readonly [number, readonly number[]])[];
}

const path = fileURLToPath(new URL('../../../shared/conformance/growthbook-cases.json', import.meta.url));
const cases: Cases | undefined = existsSync(path)
  ? (JSON.parse(readFileSync(path, 'utf8')) as Cases)
  : undefined;

function asRange([from, to]: Pair): { from: number; to: number } {
  return { from, to };
}

describe("GrowthBook's own cases", () => {
  beforeEach(({ skip }) => {
    skip(cases === undefined, 'no shared/conformance/growthbook-cases.json on this machine');
  });

  it('hash', () => {
    const [known, unknown] = [true, false].map((isKnown) =>
      (cases?.hash ?? []).filter(([, , version]) => (version === 1 || version === 2) === isKnown),
    ) as unknown as [Cases['hash'], Cases['hash']];
    for (const [seed, value, version, bucket] of known)
      expect(bucketOf(seed, value, version as 1 | 2), `${seed} ${value}`).toBe(bucket);
    for (const [, , version] of unknown) {
      const section = { experiment: { weights: { a: 50, b: 50 }, hash_version: version } };
      expect(rolloutSchema.safeParse(section).success).toBe(false);
    }
  });

  it('ranges of buckets', () => {
    for (const [name, [count, coverage, weights], expected] of cases?.getBucketRange ?? []) {
      const ranges = bucketRanges(count, coverage, weights ?? undefined);
      expect(ranges.length, name).toBe(expected.length);
      for (const [i, { from, to }] of ranges.entries()) {
        expect(from, name).toBeCloseTo(expected[i]?.[0] ?? Number.NaN, 9);
        expect(to, name).toBeCloseTo(expected[i]?.[1] ?? Number.NaN, 9);
      }
    }
  });

  it('the choice of a variation', () => {
    for (const [name, bucket, ranges, arm] of cases?.chooseVariation ?? [])
      expect(chooseArm(bucket, ranges.map(asRange)), name).toBe(arm);
  });

  it('namespaces', () => {
    for (const [name, unit, [namespace, from, to], isIn] of cases?.inNamespace ?? [])
      expect(isInRange(layerBucket(namespace, unit), { from, to }), name).toBe(isIn);
  });

  it('equal weights', () => {
    for (const [count, expected] of cases?.getEqualWeights ?? []) {
      const weights = equalWeights(count);
      expect(weights.length).toBe(expected.length);
      for (const [i, weight] of weights.entries()) expect(weight).toBeCloseTo(expected[i] ?? Number.NaN, 7);
    }
  });
});

describe('hash', () => {
  it('is FNV-1a over UTF-16 code units', () => {
    expect(fnv1a32('')).toBe(0x811c9dc5);
    expect(fnv1a32('a')).toBe(0xe40c292c);
    expect(fnv1a32('foobar')).toBe(0xbf9cf968);
  });

  it('gives the published buckets', () => {
    expect(bucketOf('seed', 'a', 2)).toBe(0.0505);
    expect(bucketOf('foo', 'def', 2)).toBe(0.2019);
    expect(bucketOf('', 'a', 1)).toBe(0.22);
  });
});
