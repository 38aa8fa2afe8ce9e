/** What is in effect of a rollout, for people and for `millrace rollout status`. */
import type { JsonObject, JsonValue } from '../project/json-text.ts';
import type { AuditEntry } from '../rollouts/rollout-record.ts';
import type { RolloutInEffect } from '../rollouts/rollout-control.ts';
import { createSplit } from '../rollouts/split.ts';
import type { Serving } from './serving.ts';

const PERCENT = 100;

/** @throws MillraceError STORE_FAILED */
export async function rolloutStatus({ control }: Serving, endpoint: string): Promise<JsonObject> {
  const inEffect = control.inEffect(endpoint);
  const { record, problem, differsFromFile } = inEffect;
  return {
    endpoint,
    version: record.version,
    phase: record.phase,
    origin: record.origin,
    changed_at: new Date(record.changedMs).toISOString(),
    differs_from_file: differsFromFile,
    problem,
    rollout: JSON.parse(record.section) as JsonValue,
    ...splitJson(inEffect),
  };
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
          }
        : undefined,
  };
}

function percentOf(share: number): number {
  return Number((PERCENT * share).toFixed(4));
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
