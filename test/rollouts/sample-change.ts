/** Changes of rollouts as the tests of stores make them. */
import type { AuditEntry, RolloutRecord } from '../../src/rollouts/rollout-record.ts';
import type { RolloutStore } from '../../src/rollouts/rollout-store.ts';

/** Whose rollouts the contract is about. */
export const contractEndpoints: readonly string[] = ['flights', 'A', 'a.b-c_d', `x${'9'.repeat(127)}`];

export function recordOf(endpoint: string, version: number, by: string): RolloutRecord {
  return {
    endpoint,
    version,
    samplesVersion: version,
    changedMs: 1_700_000_000_000 + version,
    origin: 'api',
    section: JSON.stringify({ serve: 'stable', note: `${by} ✈ \u0000"` }),
    fileSection: '{"serve":"stable"}',
    phase: 'running',
    canary: { step: version, sinceMs: 5 },
    bandit: { shares: { a: 0.25, 'b.c-d': 0.75 }, sinceMs: 6 },
  };
}

/** The change of an endpoint that makes this version. */
export function changeOf(endpoint: string, version: number, by = 'ann'): AuditEntry {
  return {
    endpoint,
    version,
    atMs: 1_700_000_000_000 + version,
    by,
    action: version === 1 ? 'start' : 'step',
    reason: `é\n${by}`,
    verdict: { pValue: 0.25, arms: ['a', null] },
    after: recordOf(endpoint, version, by),
  };
}

/** Makes the next version of what the store gives; tries again until nobody else did. */
export async function changeNext(store: RolloutStore, endpoint: string, by: string): Promise<number> {
  for (;;) {
    const before = store.get(endpoint)?.version ?? 0;
    if (await store.change(before, changeOf(endpoint, before + 1, by))) return before + 1;
  }
}
