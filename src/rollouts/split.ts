/**
 * Which variant a request gets: a pure function of its unit, made once for each version of a rollout. The choices are
 * made beforehand, so that choosing allocates nothing.
 */
import type { AssignmentHow, Experiment, Rollout } from '../project/rollout.ts';
import { bucketRanges, chooseArm, isInRange } from './buckets.ts';
import { bucketOf } from './hash.ts';
import type { RolloutRecord } from './rollout-record.ts';

export interface Choice {
  readonly variant: string;
  /** Undefined = the request is in no experiment, canary or bandit: nobody is exposed to anything. */
  readonly assigned: { readonly experiment: string; readonly how: AssignmentHow } | undefined;
  /** How likely this variant was for a unit that takes part. */
  readonly propensity: number;
}

export interface Split {
  /** Name of the experiment, canary or bandit; undefined = one variant answers everybody. */
  readonly experiment: string | undefined;
  /** The variants that may answer, with their shares of those who take part. */
  readonly shares: ReadonlyMap<string, number>;
  /** How long a unit keeps its first variant; undefined = it is not asked for it. */
  readonly stickyMs: number | undefined;
  /** What it keeps it under: another seed or hash is another experiment. */
  readonly stickyName: string;
  /**
   * @param unit undefined = the request has none: chosen at random
   * @param sticky what the unit was given first, if it is kept and still an arm
   */
  choose(unit: string | undefined, sticky: string | undefined): Choice;
  /** For a request that the experiment does not want. */
  readonly outside: Choice;
}

/** A number in [0, 1). */
export type Random = () => number;

const HOLDOUT_SEED = '__holdout_';
const LAYER_SEED = '__';

export function createSplit(rollout: Rollout, record: RolloutRecord, random: Random): Split {
  const { policy, serve } = rollout;
  if (policy.kind === 'canary' && record.phase === 'promoted') return fixedSplit(policy.candidate);
  if (policy.kind === 'fixed' || record.phase === 'rolled_back') return fixedSplit(serve);
  if (policy.kind === 'experiment') return experimentSplit(policy, serve, random);
  if (policy.kind === 'canary') {
    const share = policy.steps[record.canary?.step ?? 0] ?? 0;
    const shares = [
      [policy.candidate, share],
      [serve, 1 - share],
    ] as const;
    // With the candidate in the seed: else the same few units would be the first to try everything.
    const seed = `${policy.name} ${policy.candidate}`;
    return sharesSplit({ name: policy.name, seed }, shares, serve, random);
  }
  const shares = policy.arms.map(
    (arm) => [arm, record.bandit?.shares[arm] ?? 1 / policy.arms.length] as const,
  );
  return sharesSplit({ name: policy.name, seed: policy.name }, shares, serve, random);
}

function fixedSplit(variant: string): Split {
  const choice: Choice = { variant, assigned: undefined, propensity: 1 };
  return {
    experiment: undefined,
    shares: new Map([[variant, 1]]),
    stickyMs: undefined,
    stickyName: '',
    choose: () => choice,
    outside: choice,
  };
}

/** Of a canary or bandit. The first share begins at 0, so that whoever has the candidate keeps it while its share grows. */
function sharesSplit(
  { name: experiment, seed }: { readonly name: string; readonly seed: string },
  shares: readonly (readonly [string, number])[],
  serve: string,
  random: Random,
): Split {
  const hashed = shares.map(([variant, share]) => choiceOf(experiment, variant, 'hash', share));
  const drawn = shares.map(([variant, share]) => choiceOf(experiment, variant, 'random', share));
  const ends = shares.map((_, i) => shares.slice(0, i + 1).reduce((sum, [, share]) => sum + share, 0));
  const armAt = (bucket: number): number => {
    const arm = ends.findIndex((end) => bucket < end);
    // The sum of shares may be a hair less than 1.
    return arm === -1 ? shares.length - 1 : arm;
  };
  return {
    experiment,
    shares: new Map(shares),
    stickyMs: undefined,
    stickyName: experiment,
    choose: (unit) =>
      unit === undefined
        ? (drawn[armAt(random())] as Choice)
        : (hashed[armAt(bucketOf(seed, unit, 2))] as Choice),
    outside: { variant: serve, assigned: undefined, propensity: 1 },
  };
}

function experimentSplit(experiment: Experiment, serve: string, random: Random): Split {
  const { name, arms, coverage, seed, hashVersion, layer, holdout, stickyMs } = experiment;
  const ranges = bucketRanges(
    arms.length,
    coverage,
    arms.map(({ share }) => share),
  );
  const choices = (how: AssignmentHow): Choice[] =>
    arms.map(({ variant, share }) => choiceOf(name, variant, how, share));
  const [hashed, drawn, kept] = [choices('hash'), choices('random'), choices('sticky')];
  const outside: Choice = { variant: serve, assigned: undefined, propensity: 1 };
  const heldOut = choiceOf(name, serve, 'holdout', 1);
  const isInLayer = (bucket: number): boolean => layer === undefined || isInRange(bucket, layer);
  const chooseFrom = (of: readonly Choice[], bucket: number): Choice =>
    of[chooseArm(bucket, ranges)] ?? outside;

  return {
    experiment: name,
    shares: new Map(arms.map(({ variant, share }) => [variant, share])),
    stickyMs,
    stickyName: `${name} ${seed} ${hashVersion}`,
    outside,
    choose(unit, sticky) {
      if (unit === undefined) return isInLayer(random()) ? chooseFrom(drawn, random()) : outside;
      if (holdout !== undefined && bucketOf(HOLDOUT_SEED + holdout.name, unit, 2) < holdout.share)
        return heldOut;
      const known = sticky === undefined ? undefined : kept.find(({ variant }) => variant === sticky);
      if (known !== undefined) return known;
      if (layer !== undefined && !isInLayer(layerBucket(layer.name, unit))) return outside;
      return chooseFrom(hashed, bucketOf(seed, unit, hashVersion));
    },
  };
}

/** As GrowthBook's namespaces, which are hashed with version 1. */
export function layerBucket(layer: string, unit: string): number {
  return bucketOf(LAYER_SEED + layer, unit, 1);
}

function choiceOf(experiment: string, variant: string, how: AssignmentHow, propensity: number): Choice {
  return { variant, assigned: { experiment, how }, propensity };
}
