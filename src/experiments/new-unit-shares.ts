/**
 * What shares the arms have of the units that are new under a version of an experiment. These are not the shares of the
 * version where earlier versions covered a part of the units only: who was covered then has mostly been seen before, so
 * new units come more often from ranges that are newly covered, and those may belong to one arm more than to another.
 *
 * How many come from where is not known: that depends on how many units had not been seen. But within ranges that were
 * covered by the same earlier versions no unit is likelier to be new than another. So the shares are some mixture of those
 * within each such part.
 */
import type { Experiment } from '../project/rollout.ts';
import { bucketRanges, chooseArm } from '../rollouts/buckets.ts';
import type { BucketRange } from '../rollouts/buckets.ts';

export type Shares = Readonly<Record<string, number>>;

/** Shorter ones come of rounding. */
const LENGTH_MIN = 1e-9;

/**
 * @param earlier under which units may have been seen before
 * @returns one for each part; the shares of new units are a mixture of them
 */
export function newUnitShares(experiment: Experiment, earlier: readonly Experiment[]): Shares[] {
  const own = rangesOf(experiment);
  const before = earlier.filter((each) => isHashedAlike(each, experiment)).map(rangesOf);
  const ends = [own, ...before].flat().flatMap(({ from, to }) => [from, to]);
  const cuts = [...new Set(ends)].toSorted((a, b) => a - b);
  const parts = new Map<string, number[]>();
  for (const [i, from] of cuts.slice(0, -1).entries()) {
    const to = cuts[i + 1] as number;
    const middle = (from + to) / 2;
    const arm = chooseArm(middle, own);
    if (arm === -1 || to - from < LENGTH_MIN) continue;
    const name = before.map((ranges) => (chooseArm(middle, ranges) === -1 ? '-' : '+')).join('');
    const lengths = parts.get(name) ?? experiment.arms.map(() => 0);
    lengths[arm] = (lengths[arm] as number) + to - from;
    parts.set(name, lengths);
  }
  return [...parts.values()].map((lengths) => {
    const covered = lengths.reduce((sum, length) => sum + length, 0);
    return Object.fromEntries(
      experiment.arms.map(({ variant }, arm) => [variant, (lengths[arm] as number) / covered]),
    );
  });
}

function rangesOf({ arms, coverage }: Experiment): BucketRange[] {
  const weights = arms.map(({ share }) => share);
  return bucketRanges(arms.length, coverage, weights);
}

/** Else what a unit was given before says nothing of what it is given now. */
function isHashedAlike(one: Experiment, other: Experiment): boolean {
  return (
    one.seed === other.seed &&
    one.hashVersion === other.hashVersion &&
    one.layer?.name === other.layer?.name &&
    one.layer?.from === other.layer?.from &&
    one.layer?.to === other.layer?.to
  );
}
