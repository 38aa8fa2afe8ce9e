/**
 * What is reported on: an experiment, a canary or a bandit, as its report sees it. It is made of a rollout, wherever that
 * comes from: the project file, or a record that was changed at run time.
 */
import { MillraceError } from '../errors.ts';
import type { Endpoint, Project } from '../project/project.ts';
import type { Arm, Bandit, Canary, Metric, Rollout, Unit } from '../project/rollout.ts';
import { suggestName } from '../project/suggestion.ts';
import type { Shares } from './new-unit-shares.ts';

export interface ExperimentDefinition {
  readonly kind: 'experiment' | 'canary' | 'bandit';
  readonly name: string;
  readonly endpoint: string;
  /** What is bucketed; undefined = each request by itself. */
  readonly unit: Unit | undefined;
  /** The first is what the others are compared with. Shares are those of now. */
  readonly arms: readonly Arm[];
  readonly metrics: readonly Metric[];
  /** How often a difference may be claimed where there is none. */
  readonly alpha: number;
  /**
   * The shares, by variant, of units that are new under a version of the rollout, where they are known: some mixture of
   * these. Else they are those that were recorded with the exposures.
   */
  readonly sharesOf?: (policyVersion: number) => readonly Shares[] | undefined;
  /** Versions of the rollout under which it ran, where they are known; undefined = of the project file. */
  readonly versions?: ReadonlySet<number>;
  /** What ran on the endpoint before under the same name, latest first. */
  readonly olderRuns?: readonly ExperimentDefinition[];
}

/** The newest run that has any of these versions, or the newest of all. */
export function runWith(
  definition: ExperimentDefinition,
  versions: ReadonlySet<number> | undefined,
): ExperimentDefinition {
  const runs = [definition, ...(definition.olderRuns ?? [])];
  const wanted = [...(versions ?? [])];
  return runs.find((run) => wanted.some((version) => run.versions?.has(version) === true)) ?? definition;
}

/** @returns undefined where the traffic is not split */
export function definitionOf(
  { name: endpoint, unit }: Pick<Endpoint, 'name' | 'unit'>,
  { serve, policy }: Rollout,
): ExperimentDefinition | undefined {
  if (policy.kind === 'fixed') return undefined;
  const { kind, name, alpha } = policy;
  const split = splitOf(policy, serve);
  return { kind, name, endpoint, unit, alpha, ...split };
}

type Split = Pick<ExperimentDefinition, 'arms' | 'metrics'>;

function splitOf(policy: Exclude<Rollout['policy'], { readonly kind: 'fixed' }>, serve: string): Split {
  switch (policy.kind) {
    case 'experiment':
      return { arms: policy.arms, metrics: policy.metrics };
    case 'canary':
      return splitOfCanary(policy, serve);
    case 'bandit':
      return splitOfBandit(policy);
  }
}

/** A canary has no metrics; what it guards of feedback can be compared like one. */
function splitOfCanary({ candidate, steps, guardrails }: Canary, serve: string): Split {
  const share = steps[0] ?? 0;
  const metrics = guardrails.flatMap((guardrail): Metric[] => {
    if (guardrail.metric !== 'feedback') return [];
    const { field, direction } = guardrail;
    const goal = direction === 'decrease' ? 'increase' : 'decrease';
    return [{ name: field, source: { kind: 'feedback', field }, goal, preMs: undefined }];
  });
  const byName = new Map(metrics.map((metric) => [metric.name, metric]));
  return {
    arms: [
      { variant: serve, share: 1 - share },
      { variant: candidate, share },
    ],
    metrics: [...byName.values()],
  };
}

/** Its reward is a metric, whether or not it is named as one. */
function splitOfBandit({ arms, reward, metrics }: Bandit): Split {
  const isNamed = metrics.some(({ source }) => source.kind === 'feedback' && source.field === reward);
  const own: Metric = {
    name: metrics.some(({ name }) => name === reward) ? `feedback_${reward}` : reward,
    source: { kind: 'feedback', field: reward },
    goal: 'increase',
    preMs: undefined,
  };
  return {
    arms: arms.map((variant) => ({ variant, share: 1 / arms.length })),
    metrics: isNamed ? metrics : [own, ...metrics],
  };
}

/** As the project file says, in its order. */
export function definitionsOf({ endpoints }: Pick<Project, 'endpoints'>): ExperimentDefinition[] {
  return [...endpoints.values()].flatMap((endpoint) => definitionOf(endpoint, endpoint.rollout) ?? []);
}

/** @throws MillraceError UNKNOWN_EXPERIMENT with what was meant, perhaps */
export function findDefinition(
  definitions: readonly ExperimentDefinition[],
  name: string,
): ExperimentDefinition {
  const found = definitions.find((each) => each.name === name);
  if (found !== undefined) return found;
  const known = definitions.map((each) => each.name);
  const suggestion = suggestName(name, known, 'experiments, canaries and bandits');
  throw new MillraceError('UNKNOWN_EXPERIMENT', `there is no experiment "${name}"; ${suggestion}`);
}
