/**
 * Experiments that get in each other's way, as far as it can be seen from what they say: two of one name, two that take
 * the same part of a layer, and two that share units without a layer. Whether effects really mix is seen from data
 * (experiments/collisions.ts).
 */
import type { Policy, Rollout, Unit } from './rollout.ts';

export interface RunningRollout {
  readonly endpoint: string;
  readonly unit: Unit | undefined;
  readonly rollout: Rollout;
}

export interface Overlap {
  /** mistake: it cannot be meant. warning: it may be, but effects mix. */
  readonly kind: 'mistake' | 'warning';
  /** The later of the two last. */
  readonly endpoints: readonly [string, string];
  /** In the section `rollout` of the later one. */
  readonly path: string;
  readonly message: string;
}

type Named = Exclude<Policy, { readonly kind: 'fixed' }>;

interface Running extends RunningRollout {
  readonly policy: Named;
}

export function overlaps(rollouts: readonly RunningRollout[]): Overlap[] {
  const running = rollouts.flatMap((each): Running[] => {
    const { policy } = each.rollout;
    return policy.kind === 'fixed' ? [] : [{ ...each, policy }];
  });
  return running.flatMap((later, i) =>
    running.slice(0, i).flatMap((earlier) => {
      const found = overlapOf(earlier, later);
      return found === undefined
        ? []
        : [{ ...found, endpoints: [earlier.endpoint, later.endpoint] as const }];
    }),
  );
}

function overlapOf(earlier: Running, later: Running): Omit<Overlap, 'endpoints'> | undefined {
  const { policy } = later;
  const other = `${earlier.policy.name} of the endpoint ${earlier.endpoint}`;
  if (earlier.policy.name === policy.name) {
    const message = `is ${policy.name}, the name of that of the endpoint ${earlier.endpoint}: give it another`;
    return { kind: 'mistake', path: `${policy.kind}.name`, message };
  }
  const [one, two] = [layerOf(earlier.policy), layerOf(policy)];
  if (one !== undefined && two !== undefined && one.name === two.name) {
    if (!sharesUnits(earlier.unit, later.unit)) {
      const message = `is in the layer ${two.name} with ${other}, which buckets another unit: a layer keeps apart only what buckets the same`;
      return { kind: 'warning', path: 'experiment.layer', message };
    }
    if (one.to <= two.from || two.to <= one.from) return undefined;
    const message = `overlaps the range of ${other} in the layer ${two.name}: [${percent(one.from)}, ${percent(one.to)}]`;
    return { kind: 'mistake', path: 'experiment.layer.range', message };
  }
  if (!sharesUnits(earlier.unit, later.unit)) return undefined;
  const message = `shares units with ${other}: their effects mix, unless both are in one layer`;
  return { kind: 'warning', path: policy.kind, message };
}

function layerOf(policy: Named): { name: string; from: number; to: number } | undefined {
  return policy.kind === 'experiment' ? policy.layer : undefined;
}

/** Units of different kinds may still be the same people; that cannot be seen here. */
function sharesUnits(one: Unit | undefined, two: Unit | undefined): boolean {
  return one !== undefined && two !== undefined && one.kind === two.kind && one.name === two.name;
}

function percent(share: number): number {
  return Number((100 * share).toFixed(4));
}
