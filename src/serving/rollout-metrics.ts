/** Gauges of the rollouts of a process: what is in effect, and how shadows differ. */
import type { RolloutControl } from '../rollouts/rollout-control.ts';
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

export function describeRollouts(
  metrics: Metrics,
  control: RolloutControl,
  endpoints: readonly string[],
  samplesOf: (endpoint: string) => EndpointSamples | undefined,
): void {
  const each = (samples: (endpoint: string) => readonly Sample[]) => () => endpoints.flatMap(samples);
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
  const shadows = (pick: (summary: ShadowSummary) => Readonly<Record<string, number | undefined>>) =>
    each((endpoint) => shadowGauges(endpoint, control, samplesOf(endpoint), pick));
  metrics.gauge(
    'millrace_shadow_difference',
    'Absolute difference of the compared output of a shadow, by quantile, as one process sees it.',
    shadows(({ absoluteDifference: { p50, p90, p99 } }) => ({ '0.5': p50, '0.9': p90, '0.99': p99 })),
    'max',
  );
  metrics.gauge(
    'millrace_shadow_disagreement',
    'How a shadow disagrees: share of rows that flip, rank correlation, and population stability index of its output.',
    shadows(({ flipShare, rankCorrelation, populationStability }) => ({
      flip_share: flipShare,
      rank_correlation: rankCorrelation,
      population_stability_index: populationStability,
    })),
    'max',
  );
}

function shadowGauges(
  endpoint: string,
  control: RolloutControl,
  samples: EndpointSamples | undefined,
  pick: (summary: ShadowSummary) => Readonly<Record<string, number | undefined>>,
): Sample[] {
  if (samples === undefined) return [];
  return control
    .inEffect(endpoint)
    .rollout.shadows.flatMap(({ variant }) =>
      Object.entries(pick(summarizeShadow(shadowSamples(samples, variant)))).flatMap(([measure, value]) =>
        value === undefined ? [] : [{ labels: { endpoint, variant, measure }, value }],
      ),
    );
}
