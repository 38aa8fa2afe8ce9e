/**
 * Ranges of [0, 1) that belong to the arms of an experiment. An arm's range begins where the weights of those before it
 * end, and is `coverage` of its weight long: raising the coverage moves no unit from one arm to another.
 */

export interface BucketRange {
  readonly from: number;
  readonly to: number;
}

/** How far weights may be from a sum of 1; beyond, they are not used at all. As in GrowthBook. */
const SUM_TOLERANCE = 0.01;

/** @param weights fractions; undefined, or not one for each arm, or of another sum than 1 = equal */
export function bucketRanges(
  armCount: number,
  coverage: number,
  weights: readonly number[] | undefined,
): BucketRange[] {
  const covered = Math.min(1, Math.max(0, coverage));
  let from = 0;
  return soundWeights(armCount, weights).map((weight) => {
    const range = { from, to: from + covered * weight };
    from += weight;
    return range;
  });
}

function soundWeights(armCount: number, weights: readonly number[] | undefined): readonly number[] {
  const sum = weights?.reduce((total, weight) => total + weight, 0) ?? 0;
  const isSound = weights?.length === armCount && Math.abs(sum - 1) <= SUM_TOLERANCE;
  return isSound ? weights : equalWeights(armCount);
}

export function equalWeights(armCount: number): number[] {
  return Array.from({ length: Math.max(0, armCount) }, () => 1 / armCount);
}

/** The arm whose range holds the bucket; -1 = none. */
export function chooseArm(bucket: number, ranges: readonly BucketRange[]): number {
  return ranges.findIndex((range) => isInRange(bucket, range));
}

export function isInRange(bucket: number, { from, to }: BucketRange): boolean {
  return bucket >= from && bucket < to;
}
