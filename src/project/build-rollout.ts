/** The rollout of an endpoint, put together from a checked section of the project file, or from the body of a call. */
import type { Path } from './path.ts';
import type { EventType, RequestField } from './project.ts';
import type { Report } from './report.ts';
import { locate } from './report.ts';
import { buildMetrics } from './build-metrics.ts';
import type { Arm, Bandit, Canary, Experiment, Guardrail, Policy, Rollout, Shadow } from './rollout.ts';
import type {
  BanditSpec,
  CanarySpec,
  ExperimentSpec,
  GuardrailSpec,
  RolloutSpec,
  ShadowSpec,
} from './rollout-schema.ts';
import type { Place } from './source-file.ts';
import { suggestName } from './suggestion.ts';

/** What the names in a rollout can mean. */
export interface RolloutScope {
  readonly endpoint: string;
  readonly request: readonly RequestField[];
  /** In the order of the file, with the fields of their answers; undefined = all outputs of the model. */
  readonly variants: ReadonlyMap<string, readonly string[] | undefined>;
  readonly eventTypes: ReadonlyMap<string, EventType>;
  /** Whether predictions of the endpoint are logged. */
  readonly isLogged: boolean;
}

interface Building {
  readonly scope: RolloutScope;
  readonly place: Place;
  /** Of the section in its file. */
  readonly path: Path;
  readonly report: Report;
}

const PERCENT = 100;
/** Thirds cannot be written down: 33.3, 33.3, 33.4 can, and so can 33.33 three times. */
const SUM_TOLERANCE_PERCENT = 0.1;

function shareOf(percent: number): number {
  return percent / PERCENT;
}

/** @returns undefined where a mistake leaves nothing that could be served */
export function buildRollout(
  spec: RolloutSpec,
  scope: RolloutScope,
  place: Place,
  path: Path,
  report: Report,
): Rollout | undefined {
  const building: Building = { scope, place, path, report };
  const [first] = scope.variants.keys();
  const serve = spec.serve ?? first;
  if (serve === undefined) return undefined;
  const before = report.mistakes().length;
  checkVariant(building, ['serve'], serve);
  checkOnePolicy(building, spec);
  const shadows = spec.shadow.map((shadow, i) => buildShadow(building, shadow, i, serve));
  shadows.forEach(({ variant }, i) => {
    if (shadows.findIndex((other) => other.variant === variant) < i)
      add(building, ['shadow', i], `names ${variant} a second time`);
  });
  const policy = buildPolicy(building, spec, serve, shadows);
  checkLog(building, spec);
  return report.mistakes().length > before ? undefined : { serve, policy, shadows };
}

function buildPolicy(
  building: Building,
  { experiment, canary, bandit }: RolloutSpec,
  serve: string,
  shadows: readonly Shadow[],
): Policy {
  if (experiment !== undefined) return buildExperiment(building, experiment);
  if (canary !== undefined) return buildCanary(building, canary, serve, shadows);
  if (bandit !== undefined) return buildBandit(building, bandit);
  return { kind: 'fixed' };
}

/** What is told of predictions can only be joined with those that are kept. */
function checkLog(building: Building, { experiment, canary, bandit }: RolloutSpec): void {
  if (building.scope.isLogged) return;
  const suggestion = 'give the endpoint log: { sample: 1 }';
  const needs = 'needs the predictions of the endpoint, which are not logged';
  const metrics = Object.entries(experiment?.metrics ?? {});
  for (const [name, metric] of metrics)
    if ('feedback' in metric || 'score' in metric)
      add(building, ['experiment', 'metrics', name], needs, suggestion);
  const guardrails = [...(canary?.guardrails ?? []).entries()];
  for (const [i, { metric }] of guardrails)
    if (metric === 'feedback') add(building, ['canary', 'guardrails', i], needs, suggestion);
  if (bandit !== undefined) add(building, ['bandit', 'reward'], needs, suggestion);
}

function checkOnePolicy(building: Building, spec: RolloutSpec): void {
  const given = (['experiment', 'canary', 'bandit'] as const).filter((key) => spec[key] !== undefined);
  const [first, second] = given;
  if (first === undefined || second === undefined) return;
  add(building, [second], `stands beside \`${first}\`: an endpoint has one of them at a time`);
}

function add({ place, path, report }: Building, at: Path, message: string, suggestion?: string): void {
  report.add(place, [...path, ...at], message, suggestion);
}

function checkVariant(building: Building, at: Path, name: string): void {
  const { scope, report, place } = building;
  if (scope.variants.has(name)) return;
  // A variant that has a mistake of its own exists all the same.
  if (report.isTouched(place, ['endpoints', scope.endpoint, 'variants', name])) return;
  const suggestion = suggestName(name, scope.variants.keys(), 'variants');
  add(building, at, `there is no variant "${name}"`, suggestion);
}

function checkOutput(building: Building, at: Path, output: string | undefined, variant: string): void {
  const fields = building.scope.variants.get(variant);
  if (output === undefined || fields === undefined || fields.includes(output)) return;
  const message = `names "${output}", which the variant ${variant} does not answer`;
  add(building, at, message, suggestName(output, fields, 'fields'));
}

function buildExperiment(building: Building, spec: ExperimentSpec): Experiment {
  const { scope, place, path } = building;
  const name = spec.name ?? scope.endpoint;
  for (const variant of Object.keys(spec.weights))
    checkVariant(building, ['experiment', 'weights', variant], variant);
  return {
    kind: 'experiment',
    name,
    arms: buildArms(building, spec.weights),
    coverage: shareOf(spec.coverage),
    seed: spec.seed ?? name,
    hashVersion: spec.hash_version,
    when:
      spec.when === undefined
        ? undefined
        : { text: spec.when, location: locate(place, [...path, 'experiment', 'when']) },
    layer: spec.layer && {
      name: spec.layer.name,
      from: shareOf(spec.layer.range[0]),
      to: shareOf(spec.layer.range[1]),
    },
    holdout: spec.holdout && { name: spec.holdout.name, share: shareOf(spec.holdout.percent) },
    stickyMs: spec.sticky,
    metrics: metricsOf(building, 'experiment', spec.metrics),
    alpha: spec.alpha,
  };
}

function metricsOf(
  building: Building,
  section: string,
  specs: ExperimentSpec['metrics'],
): Experiment['metrics'] {
  const { scope, place, path, report } = building;
  return buildMetrics(specs, scope, place, [...path, section, 'metrics'], report);
}

function buildArms(building: Building, weights: Readonly<Record<string, number>>): Arm[] {
  const percents = Object.entries(weights);
  const sum = percents.reduce((total, [, percent]) => total + percent, 0);
  const at = ['experiment', 'weights'];
  if (percents.length < 2) add(building, at, 'needs at least two variants: a control, and one to compare');
  else if (Math.abs(sum - PERCENT) > SUM_TOLERANCE_PERCENT)
    add(building, at, `sum to ${Number(sum.toFixed(6))}`, 'they are percent, so together they are 100');
  return percents.map(([variant, percent]) => ({ variant, share: percent / sum }));
}

function buildCanary(
  building: Building,
  spec: CanarySpec,
  serve: string,
  shadows: readonly Shadow[],
): Canary {
  const { candidate } = spec;
  checkVariant(building, ['canary', 'candidate'], candidate);
  if (candidate === serve) {
    const message = `is ${candidate}, which \`serve\` names as well`;
    add(building, ['canary', 'candidate'], message, 'name the variant that is to take over');
  }
  if ((spec.steps[0] ?? 0) >= PERCENT)
    add(
      building,
      ['canary', 'steps'],
      'begin with all of the traffic',
      'begin lower, or name it with `serve`',
    );
  if (spec.guardrails.length === 0)
    add(
      building,
      ['canary', 'guardrails'],
      'is empty: nothing could roll back',
      'leave it out for the defaults',
    );
  return {
    kind: 'canary',
    name: spec.name ?? building.scope.endpoint,
    candidate,
    steps: spec.steps.map((step) => step / PERCENT),
    intervalMs: spec.interval,
    samplesMin: spec.samples_min,
    guardrails: spec.guardrails.map((guardrail, i) =>
      buildGuardrail(building, guardrail, i, candidate, shadows),
    ),
    alpha: spec.alpha,
  };
}

function buildGuardrail(
  building: Building,
  spec: GuardrailSpec,
  i: number,
  candidate: string,
  shadows: readonly Shadow[],
): Guardrail {
  const at = ['canary', 'guardrails', i];
  switch (spec.metric) {
    case 'error_rate':
      return { metric: 'error_rate', increaseMax: spec.increase_max / PERCENT };
    case 'latency':
      return { metric: 'latency', quantile: spec.quantile, ratioMax: spec.ratio_max };
    case 'output':
      checkOutput(building, [...at, 'output'], spec.output, candidate);
      return { metric: 'output', output: spec.output, distanceMax: spec.distance_max };
    case 'feedback': {
      const { decrease_max: decrease, increase_max: increase } = spec;
      if ((decrease === undefined) === (increase === undefined))
        add(building, at, 'needs decrease_max or increase_max, and not both');
      const direction = decrease === undefined ? 'increase' : 'decrease';
      return { metric: 'feedback', field: spec.field, direction, changeMax: decrease ?? increase ?? 0 };
    }
    case 'shadow_flips':
      if (!shadows.some(({ variant }) => variant === candidate))
        add(building, at, `compares what ${candidate} predicts as a shadow`, `add shadow: [${candidate}]`);
      return { metric: 'shadow_flips', shareMax: spec.percent_max / PERCENT };
  }
}

function buildBandit(building: Building, spec: BanditSpec): Bandit {
  spec.arms.forEach((arm, i) => {
    checkVariant(building, ['bandit', 'arms', i], arm);
    if (spec.arms.indexOf(arm) < i) add(building, ['bandit', 'arms', i], `names ${arm} a second time`);
  });
  if (spec.floor * spec.arms.length > PERCENT) {
    const message = `is ${spec.floor} percent for each of ${spec.arms.length} arms, which is more than there is`;
    add(building, ['bandit', 'floor'], message);
  }
  return {
    kind: 'bandit',
    name: spec.name ?? building.scope.endpoint,
    arms: spec.arms,
    algorithm: spec.algorithm,
    reward: spec.reward,
    floor: spec.floor / PERCENT,
    intervalMs: spec.interval,
    metrics: metricsOf(building, 'bandit', spec.metrics),
    alpha: spec.alpha,
  };
}

function buildShadow(building: Building, spec: ShadowSpec, i: number, serve: string): Shadow {
  const { variant, sample, output, threshold } = spec;
  const at = ['shadow', i];
  checkVariant(building, at, variant);
  checkOutput(building, [...at, 'output'], output, variant);
  if (variant === serve) add(building, at, `${variant} answers already: a shadow is another variant`);
  return { variant, sample: sample / PERCENT, output, threshold };
}
