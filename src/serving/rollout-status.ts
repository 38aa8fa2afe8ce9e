/** What is in effect of a rollout and what has been seen of it, for people and for `millrace rollout status`. */
import type { JsonObject, JsonValue } from '../project/json-text.ts';
import type { Experiment } from '../project/rollout.ts';
import { overlaps } from '../project/rollout-overlaps.ts';
import type { AuditEntry } from '../rollouts/rollout-record.ts';
import type { RolloutInEffect } from '../rollouts/rollout-control.ts';
import { createSplit } from '../rollouts/split.ts';
import type { Serving } from './serving.ts';

const PERCENT = 100;

/** @throws MillraceError STORE_FAILED */
export async function rolloutStatus({ control, watch }: Serving, endpoint: string): Promise<JsonObject> {
  const assessment = await watch?.assess(endpoint);
  // Loaded when it is first asked for: what it is computed with takes a quarter of a second.
  const { assessmentJson } = await import('./assessment-json.ts');
  const inEffect = control.inEffect(endpoint);
  const { record, problem, differsFromFile } = inEffect;
  const [last] = (await control.store?.audit(endpoint, 1)) ?? [];
  const warnings = overlaps(control.running()).filter(({ endpoints }) => endpoints.includes(endpoint));
  return {
    endpoint,
    version: record.version,
    phase: record.phase,
    origin: record.origin,
    changed_at: new Date(record.changedMs).toISOString(),
    last_change: last && { action: last.action, by: last.by, reason: last.reason },
    differs_from_file: differsFromFile,
    problem,
    warnings: warnings.map(({ endpoints: [, later], path, message }) => `${later}: its ${path} ${message}`),
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
    takes_part: policy.kind === 'experiment' ? partJson(policy) : undefined,
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

/** Of whom the shares are: the others get what `serve` names. */
function partJson({ coverage, layer, holdout, when }: Experiment): JsonObject {
  return {
    coverage_percent: percentOf(coverage),
    layer: layer && `${layer.name} ${percentOf(layer.from)} to ${percentOf(layer.to)} %`,
    holdout: holdout && `${holdout.name} ${percentOf(holdout.share)} %`,
    when: when?.text,
  };
}

function percentOf(share: number): number {
  return Number((PERCENT * share).toFixed(2));
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
