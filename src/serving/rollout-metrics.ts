/** Gauges of the rollouts of a process: what is in effect, and how shadows differ. */
import type { RolloutControl } from '../rollouts/rollout-control.ts';
import { isGoingOn } from '../rollouts/rollout-record.ts';
import type { CanaryVerdict } from '../rollouts/judge.ts';
import { shadowSamples } from '../rollouts/samples.ts';
import type { EndpointSamples } from '../rollouts/samples.ts';
import { summarizeShadow } from '../rollouts/shadow-summary.ts';
import type { ShadowSummary } from '../rollouts/shadow-summary.ts';
import { createSplit } from '../rollouts/split.ts';
import type { Labels, Metrics } from '../telemetry/metrics.ts';

interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

export interface RolloutView {
  readonly control: RolloutControl;
  readonly endpoints: () => readonly string[];
  /** What this process has seen. */
  readonly samplesOf: (endpoint: string) => EndpointSamples | undefined;
  /** What the judge last said in this process. */
  readonly verdictOf: (endpoint: string) => CanaryVerdict | undefined;
}

type EachEndpoint = (samples: (endpoint: string) => readonly Sample[]) => () => Sample[];

export function describeRollouts(metrics: Metrics, view: RolloutView): void {
  const each: EachEndpoint = (samples) => () => view.endpoints().flatMap(samples);
  describeTraffic(metrics, view, each);
  describeShadows(metrics, view, each);
  describeCanaries(metrics, view, each);
}

function describeTraffic(metrics: Metrics, { control }: RolloutView, each: EachEndpoint): void {
  metrics.gauge(
    'millrace_rollout_version',
    'Version of the rollout in effect.',
    each((endpoint) => [{ labels: { endpoint }, value: control.inEffect(endpoint).record.version }]),
    'max',
  );
  metrics.gauge(
    'millrace_rollout_share',
    'Share of the traffic that takes part, by variant.',
    each((endpoint) => {
      const { rollout, record } = control.inEffect(endpoint);
      const { shares } = createSplit(rollout, record, Math.random);
      return [...shares].map(([variant, value]) => ({ labels: { endpoint, variant }, value }));
    }),
    'max',
  );
}

function describeShadows(metrics: Metrics, view: RolloutView, each: EachEndpoint): void {
  const describe = (name: string, help: string, pick: Parameters<typeof shadowGauges>[2]): void =>
    metrics.gauge(
      name,
      `${help}, as one process sees it.`,
      each((endpoint) => shadowGauges(endpoint, view, pick)),
      'max',
    );
  describe(
    'millrace_shadow_difference',
    'Absolute difference of the compared output of a shadow, by quantile',
    ({ absoluteDifference: { p50, p90, p99 } }) => ({ '0.5': p50, '0.9': p90, '0.99': p99 }),
  );
  describe(
    'millrace_shadow_relative_difference',
    'Difference of the compared output of a shadow by the larger of the two, by quantile',
    ({ relativeDifference: { p50, p90, p99 } }) => ({ '0.5': p50, '0.9': p90, '0.99': p99 }),
  );
  describe(
    'millrace_shadow_disagreement',
    'How a shadow disagrees: share of rows that flip, rank correlation, and population stability index of its output',
    ({ flipShare, rankCorrelation, populationStability }) => ({
      flip_share: flipShare,
      rank_correlation: rankCorrelation,
      population_stability_index: populationStability,
    }),
  );
  describe(
    'millrace_shadow_latency_difference_seconds',
    'Mean time of a shadow minus that of the answer',
    ({ differenceMs }) => ({ mean: differenceMs === undefined ? undefined : differenceMs / 1000 }),
  );
}

function describeCanaries(metrics: Metrics, view: RolloutView, each: EachEndpoint): void {
  metrics.gauge(
    'millrace_canary_harm',
    'What a canary does worse, by guardrail: estimate, bounds and limit, as it was last judged.',
    each((endpoint) => harmGauges(endpoint, view)),
    'max',
  );
  metrics.gauge(
    'millrace_canary_step',
    'The step of a canary that is going on, from 0.',
    each((endpoint) => {
      const { record } = view.control.inEffect(endpoint);
      if (record.canary === undefined || !isGoingOn(record)) return [];
      return [{ labels: { endpoint }, value: record.canary.step }];
    }),
    'max',
  );
}

function harmGauges(endpoint: string, { verdictOf }: RolloutView): Sample[] {
  const guardrails = verdictOf(endpoint)?.guardrails ?? [];
  return guardrails.flatMap(({ label, harm, limit }) =>
    Object.entries({ ...harm, limit }).flatMap(([measure, value]) =>
      value === undefined ? [] : [{ labels: { endpoint, guardrail: label, measure }, value }],
    ),
  );
}

function shadowGauges(
  endpoint: string,
  { control, samplesOf }: RolloutView,
  pick: (summary: ShadowSummary) => Readonly<Record<string, number | undefined>>,
): Sample[] {
  const samples = samplesOf(endpoint);
  if (samples === undefined) return [];
  return control
    .inEffect(endpoint)
    .rollout.shadows.flatMap(({ variant }) =>
      Object.entries(pick(summarizeShadow(shadowSamples(samples, variant)))).flatMap(([measure, value]) =>
        value === undefined ? [] : [{ labels: { endpoint, variant, measure }, value }],
      ),
    );
}
