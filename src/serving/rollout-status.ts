/** What is in effect of a rollout and what has been seen of it, for people and for `millrace rollout status`. */
import type { JsonObject, JsonValue } from '../project/json-text.ts';
import { overlaps } from '../project/rollout-overlaps.ts';
import type { CanaryVerdict } from '../rollouts/judge.ts';
import type { AuditEntry } from '../rollouts/rollout-record.ts';
import type { RolloutInEffect } from '../rollouts/rollout-control.ts';
import { armSamples, shadowSamples } from '../rollouts/samples.ts';
import type { EndpointSamples } from '../rollouts/samples.ts';
import { summarizeShadow } from '../rollouts/shadow-summary.ts';
import { sketchQuantile } from '../rollouts/sketch-quantile.ts';
import { createSplit } from '../rollouts/split.ts';
import type { Assessment } from './rollout-watch.ts';
import type { Serving } from './serving.ts';
import { guardrailSentence } from './verdict-reason.ts';

const PERCENT = 100;

/** @throws MillraceError STORE_FAILED */
export async function rolloutStatus(
  { project, control, watch }: Serving,
  endpoint: string,
): Promise<JsonObject> {
  const assessment = await watch?.assess(endpoint);
  const inEffect = control.inEffect(endpoint);
  const { record, problem, differsFromFile } = inEffect;
  const running = [...project.endpoints.values()].map(({ name, unit }) => {
    const { rollout } = control.inEffect(name);
    return { endpoint: name, unit, rollout };
  });
  const warnings = overlaps(running).filter(({ endpoints }) => endpoints.includes(endpoint));
  return {
    endpoint,
    version: record.version,
    phase: record.phase,
    origin: record.origin,
    changed_at: new Date(record.changedMs).toISOString(),
    differs_from_file: differsFromFile,
    problem,
    warnings: warnings.map(({ endpoints: [, later], path, message }) => `${later}: ${path} ${message}`),
    rollout: JSON.parse(record.section) as JsonValue,
    ...splitJson(inEffect),
    ...(assessment === undefined ? {} : assessmentJson(inEffect, assessment)),
  };
}

/** What is in effect of all endpoints, in short. */
export function rolloutOverview({ project, control }: Serving): JsonObject {
  const endpoints = [...project.endpoints.keys()].map((endpoint) => {
    const inEffect = control.inEffect(endpoint);
    const { record, rollout } = inEffect;
    const { policy, experiment, shares_percent: shares } = splitJson(inEffect);
    return {
      endpoint,
      version: record.version,
      phase: record.phase,
      policy,
      experiment,
      shares_percent: shares,
      shadows: rollout.shadows.map(({ variant }) => variant),
    };
  });
  return { endpoints };
}

function splitJson({ rollout, record }: RolloutInEffect): JsonObject {
  const { experiment, shares } = createSplit(rollout, record, Math.random);
  const percents = [...shares].map(([variant, share]) => [variant, percentOf(share)]);
  const { policy } = rollout;
  return {
    policy: policy.kind,
    experiment: experiment ?? null,
    serve: rollout.serve,
    shares_percent: Object.fromEntries(percents) as JsonObject,
    canary:
      policy.kind === 'canary'
        ? {
            candidate: policy.candidate,
            step: record.canary?.step ?? 0,
            steps_percent: policy.steps.map(percentOf),
            since: new Date(record.canary?.sinceMs ?? record.changedMs).toISOString(),
            interval_ms: policy.intervalMs,
          }
        : undefined,
  };
}

function percentOf(share: number): number {
  return Number((PERCENT * share).toFixed(4));
}

function assessmentJson({ rollout }: RolloutInEffect, { samples, verdict }: Assessment): JsonObject {
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
  const { answered, failed, latency } = armSamples(samples, variant);
  return {
    answered,
    failed,
    latency_ms_p50: answered === 0 ? undefined : sketchQuantile(latency, 0.5),
    latency_ms_p99: answered === 0 ? undefined : sketchQuantile(latency, 0.99),
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

export function auditJson({ after, atMs, verdict, ...entry }: AuditEntry): JsonObject {
  return {
    ...entry,
    at: new Date(atMs).toISOString(),
    verdict: verdict as JsonValue | undefined,
    phase: after.phase,
    step: after.canary?.step,
    shares: after.bandit?.shares,
    rollout: JSON.parse(after.section) as JsonValue,
  };
}
