/** What has been seen of a rollout, for people: its variants, its shadows, and what the judge says. */
import type { JsonObject } from '../project/json-text.ts';
import type { CanaryVerdict } from '../rollouts/judge.ts';
import type { RolloutInEffect } from '../rollouts/rollout-control.ts';
import { armSamples, shadowSamples } from '../rollouts/samples.ts';
import type { EndpointSamples } from '../rollouts/samples.ts';
import { summarizeShadow } from '../rollouts/shadow-summary.ts';
import { sketchQuantile } from '../rollouts/sketch-quantile.ts';
import type { Assessment } from './rollout-watch.ts';
import { guardrailSentence } from './verdict-reason.ts';

export function assessmentJson({ rollout }: RolloutInEffect, { samples, verdict }: Assessment): JsonObject {
  return {
    variants: Object.fromEntries(
      Object.keys(samples.arms)
        .filter((variant) => wasAsked(samples, variant))
        .map((variant) => [variant, armJson(samples, variant)]),
    ),
    shadows: Object.fromEntries(
      rollout.shadows.map(({ variant }) => [variant, shadowJson(samples, variant)]),
    ),
    verdict: verdict && verdictJson(verdict),
  };
}

function wasAsked(samples: EndpointSamples, variant: string): boolean {
  const { answered, failed } = armSamples(samples, variant);
  return answered + failed > 0;
}

function armJson(samples: EndpointSamples, variant: string): JsonObject {
  const { answered, failed, latency, feedback } = armSamples(samples, variant);
  const told = Object.entries(feedback).map(([field, { moments }]) => [
    field,
    { count: moments.n, mean: moments.mean },
  ]);
  return {
    answered,
    failed,
    latency_ms_p50: answered === 0 ? undefined : sketchQuantile(latency, 0.5),
    latency_ms_p99: answered === 0 ? undefined : sketchQuantile(latency, 0.99),
    feedback: told.length === 0 ? undefined : (Object.fromEntries(told) as JsonObject),
  };
}

function shadowJson(samples: EndpointSamples, variant: string): JsonObject {
  const summary = summarizeShadow(shadowSamples(samples, variant));
  const { requests, rows, errors, shed, nonFinite } = summary;
  return {
    requests,
    rows,
    errors,
    shed,
    non_finite_rows: nonFinite,
    flip_share: summary.flipShare,
    absolute_difference: { ...summary.absoluteDifference },
    relative_difference: { ...summary.relativeDifference },
    rank_correlation: summary.rankCorrelation,
    population_stability_index: summary.populationStability,
    distribution_distance: summary.distance,
    answered_latency_ms: { ...summary.primaryMs },
    shadow_latency_ms: { ...summary.shadowMs },
    latency_difference_ms: summary.differenceMs,
  };
}

function verdictJson({ verdict, guardrails, requests, requestsMissing }: CanaryVerdict): JsonObject {
  return {
    verdict,
    candidate_requests: requests.candidate,
    baseline_requests: requests.baseline,
    requests_missing: requestsMissing,
    guardrails: guardrails.map((each) => ({
      metric: each.metric,
      label: each.label,
      verdict: each.verdict,
      sentence: guardrailSentence(each),
      candidate: each.candidate,
      baseline: each.baseline,
      value_unit: each.valueUnit,
      harm: { ...each.harm },
      limit: each.limit,
      unit: each.unit,
      more_samples: each.moreSamples,
    })),
  };
}
