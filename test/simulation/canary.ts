/** Canaries whose candidates are broken in a known way, or as good as what is there, while people come. */
import { setTimeout as pause } from 'node:timers/promises';
import { peopleOf } from './population.ts';
import { createTraffic } from './traffic.ts';
import { createWorld } from './world.ts';
import type { World } from './world.ts';

export interface CanaryPlan {
  readonly seed: string;
  readonly candidate: string;
  readonly guardrails: readonly object[];
  readonly steps: readonly number[];
  /** It is over when it is decided, or after so many rounds. */
  readonly roundsMax: number;
}

export interface CanaryFinding {
  readonly phase: string;
  /** Until it was seen to be over. */
  readonly requests: number;
  readonly candidateRequests: number;
  readonly seconds: number;
  /** From when the status first said that a guardrail fails, to when the rollback was seen; 0 = not seen before. */
  readonly afterVerdict: { readonly seconds: number; readonly requests: number };
  /** By the audit log, from the last to the first. */
  readonly audit: readonly AuditLine[];
  /** Variants of those who came when it was over: in this process, and in another one. */
  readonly afterwards: readonly (string | undefined)[];
}

export interface AuditLine {
  readonly action: string;
  readonly by: string;
  readonly reason: string;
}

const ROUNDS_MAX = 1000;
const twoSteps = [20, 50];

/** `label` is what the reason of the rollback begins with. */
export const brokenCandidates: readonly (CanaryPlan & { readonly label: string })[] = [
  { label: 'error rate', candidate: 'failing', guardrails: [{ metric: 'error_rate' }] },
  { label: 'output', candidate: 'far', guardrails: [{ metric: 'output' }] },
  { label: 'latency p90', candidate: 'slow', guardrails: [{ metric: 'latency', quantile: 0.9 }] },
].map((broken) => ({ ...broken, seed: broken.candidate, steps: twoSteps, roundsMax: ROUNDS_MAX }));

export const goodCandidate: CanaryPlan = {
  seed: 'good',
  candidate: 'twin',
  guardrails: [
    { metric: 'error_rate', increase_max: 10 },
    { metric: 'output', distance_max: 0.3 },
  ],
  steps: twoSteps,
  roundsMax: ROUNDS_MAX,
};

const PEOPLE_A_ROUND = 40;
const ROUND_MS = 50;
const PEOPLE_AFTERWARDS = 300;

export async function runCanary(plan: CanaryPlan): Promise<CanaryFinding> {
  const { candidate, guardrails, steps } = plan;
  const canary = { candidate, guardrails, steps, interval: '1s', samples_min: 100 };
  const isTwin = candidate === 'twin';
  const options = {
    variants: isTwin ? ['plain'] : ['plain', candidate],
    ...(isTwin && { twins: { twin: 'plain' } }),
    rollout: { canary },
  };
  const world = await createWorld(options);
  try {
    const decided = await comeUntilDecided(world, plan);
    const { json } = await world.traffic.call('GET', '/v1/endpoints/m/rollout/audit?count=100');
    const audit = json['entries'] as AuditLine[];
    return { ...decided, audit, afterwards: await comeAfterwards(world, plan.seed) };
  } finally {
    await world.remove();
  }
}

type Decided = Omit<CanaryFinding, 'audit' | 'afterwards'>;

async function comeUntilDecided(world: World, { seed, candidate, roundsMax }: CanaryPlan): Promise<Decided> {
  const people = peopleOf(seed, roundsMax * PEOPLE_A_ROUND);
  const beginMs = performance.now();
  let requests = 0;
  let candidateRequests = 0;
  let failed: { readonly ms: number; readonly requests: number } | undefined;
  let phase = 'running';
  for (let round = 0; round < roundsMax && phase === 'running'; round++) {
    const group = people.slice(round * PEOPLE_A_ROUND, (round + 1) * PEOPLE_A_ROUND);
    const [visits] = await Promise.all([world.visit(group, () => undefined), pause(ROUND_MS)]);
    requests += visits.length;
    // A request that failed does not say whose it was; the baseline does not fail.
    candidateRequests += visits.filter(
      ({ variant }) => variant === undefined || variant === candidate,
    ).length;
    const status = await world.status();
    phase = status['phase'] as string;
    const { verdict } = (status['verdict'] ?? {}) as { readonly verdict?: string };
    if (phase === 'running' && verdict === 'fail') failed ??= { ms: performance.now(), requests };
  }
  const endMs = performance.now();
  const afterVerdict = {
    seconds: failed === undefined ? 0 : (endMs - failed.ms) / 1000,
    requests: failed === undefined ? 0 : requests - failed.requests,
  };
  return { phase, requests, candidateRequests, seconds: (endMs - beginMs) / 1000, afterVerdict };
}

async function comeAfterwards(world: World, seed: string): Promise<(string | undefined)[]> {
  const here = await world.visit(peopleOf(`${seed}-after`, PEOPLE_AFTERWARDS), () => undefined);
  const traffic = createTraffic(await world.running.another());
  const there = await Promise.all(
    peopleOf(`${seed}-there`, PEOPLE_AFTERWARDS).map(async ({ name, inclination }) => {
      const body = { rows: [{ user: name, a: inclination }] };
      return (await traffic.call('POST', '/v1/endpoints/m/predict', body)).json['variant'];
    }),
  );
  traffic.close();
  return [...here.map(({ variant }) => variant), ...there.map((variant) => variant as string | undefined)];
}
