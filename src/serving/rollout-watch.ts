/**
 * Watches the rollouts of a process: notes what each variant answers, tells the other processes of it once a second, and
 * judges what all of them have seen. Whoever judges first changes the rollout; the others find its version changed and
 * do nothing. So no process is special, and none is missed when it dies.
 */
import type { Clock } from '../clock.ts';
import { MillraceError } from '../errors.ts';
import type { EventLog } from '../events/event-log.ts';
import type { Policy } from '../project/rollout.ts';
import { banditShares } from '../rollouts/bandit-shares.ts';
import { decodeSamples } from '../rollouts/decode-samples.ts';
import { judgeCanary } from '../rollouts/judge.ts';
import type { CanaryVerdict } from '../rollouts/judge.ts';
import { mergeSamples } from '../rollouts/merge-samples.ts';
import type { RolloutControl, RolloutInEffect } from '../rollouts/rollout-control.ts';
import { isGoingOn } from '../rollouts/rollout-record.ts';
import type { RolloutStore } from '../rollouts/rollout-store.ts';
import type { EndpointSamples } from '../rollouts/samples.ts';
import type { Log } from '../telemetry/log.ts';
import type { Counter, Metrics } from '../telemetry/metrics.ts';
import type { FeedbackFollower } from './feedback-follower.ts';
import type { Plan } from './plan.ts';
import type { AnswerObserver } from './route.ts';
import type { KeptSamples, RolloutMemory } from './rollout-memory.ts';
import { describeRollouts } from './rollout-metrics.ts';
import type { RunningShadow, ShadowSet } from './shadow-set.ts';
import { createVariantObserver } from './variant-observer.ts';
import { verdictReason } from './verdict-reason.ts';

export interface RolloutWatch {
  /** Undefined = nobody wants to know what this variant answers. */
  observerOf(inEffect: RolloutInEffect, variant: string): AnswerObserver | undefined;
  /**
   * What all processes have seen of what is in effect, and what the judge says of it.
   * @throws MillraceError STORE_FAILED
   */
  assess(endpoint: string): Promise<Assessment>;
  /** Publishes for the last time; no shadow runs any more from then on. */
  close(): Promise<void>;
  /** Resolves after `close` when the threads of shadows have ended: never, if a model hangs. */
  shadowsEnded(): Promise<void>;
}

export interface Assessment {
  readonly samples: EndpointSamples;
  /** Undefined without a canary. */
  readonly verdict: CanaryVerdict | undefined;
}

export interface WatchedEndpoint {
  readonly plans: ReadonlyMap<string, Plan>;
  readonly shadows: ShadowSet;
}

export interface RolloutWatchParts {
  /** Outlives the watch. */
  readonly memory: RolloutMemory;
  readonly control: RolloutControl;
  readonly store: RolloutStore;
  /** By name: those with several variants. */
  readonly endpoints: ReadonlyMap<string, WatchedEndpoint>;
  /** The prediction log, where feedback comes in. */
  readonly feedbackLog: EventLog | undefined;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

const TICK_MS = 1000;
const JUDGE = 'judge';
const JUDGES_PER_TICK = 3;
/** Each change is a line of the audit log, and a version under which units are exposed anew. */
const SHARE_CHANGE_MIN = 0.005;

export function createRolloutWatch(parts: RolloutWatchParts): RolloutWatch {
  return new TickingWatch(parts);
}

/** What is recorded of an endpoint under one version of its rollout. */
interface Watching {
  readonly version: number;
  readonly samples: KeptSamples;
  readonly shadows: readonly RunningShadow[];
  readonly observers: Map<string, AnswerObserver>;
}

class TickingWatch implements RolloutWatch {
  private readonly parts: RolloutWatchParts;
  private readonly follower: FeedbackFollower | undefined;
  private readonly watching = new Map<string, Watching>();
  private readonly timer: NodeJS.Timeout;
  private ticking: Promise<void> | undefined;
  private hasFailed = false;
  private isClosed = false;
  /** By endpoint: what the judge said last, here. */
  private readonly verdicts = new Map<string, CanaryVerdict>();
  /** By endpoint: the processes whose samples were there when it was last judged here. */
  private readonly processCounts = new Map<string, number>();
  /** By endpoint: when shares of its bandit were last computed here. */
  private readonly sharedMs = new Map<string, number>();

  constructor(parts: RolloutWatchParts) {
    this.parts = parts;
    this.follower = parts.feedbackLog && parts.memory.feedback.follow(parts.feedbackLog);
    this.timer = setInterval(() => this.tick(), TICK_MS);
    this.timer.unref();
    describeRollouts(parts.metrics, {
      control: parts.control,
      // The last metrics of a process are asked for when its store is closed.
      endpoints: () => (this.isClosed ? [] : [...parts.endpoints.keys()]),
      samplesOf: (endpoint) => parts.memory.latest(endpoint)?.recorder.state(),
      verdictOf: (endpoint) => this.verdicts.get(endpoint),
    });
  }

  observerOf(inEffect: RolloutInEffect, variant: string): AnswerObserver | undefined {
    const { rollout, record } = inEffect;
    const watching = this.watchingOf(inEffect);
    if ((rollout.policy.kind === 'fixed' || !isGoingOn(record)) && rollout.shadows.length === 0)
      return undefined;
    const known = watching.observers.get(variant);
    if (known !== undefined) return known;
    const { plans } = this.parts.endpoints.get(record.endpoint) as WatchedEndpoint;
    const plan = plans.get(variant) as Plan;
    const observer = createVariantObserver({
      variant,
      plan,
      recorder: watching.samples.recorder,
      outputs: watchedOutputs(rollout.policy, plan),
      follower: wantsFeedback(rollout.policy) ? this.follower : undefined,
      shadows: watching.shadows.filter(({ shadow }) => shadow.variant !== variant),
      shadowCounts: (shadow) => ({
        compared: this.shadowCounter(record.endpoint, shadow, 'compared'),
        failed: this.shadowCounter(record.endpoint, shadow, 'failed'),
        shed: this.shadowCounter(record.endpoint, shadow, 'shed'),
      }),
    });
    watching.observers.set(variant, observer);
    return observer;
  }

  async assess(endpoint: string): Promise<Assessment> {
    const { record, rollout } = this.parts.control.inEffect(endpoint);
    await this.publish(endpoint);
    const texts = await this.parts.store.samples(endpoint, record.samplesVersion);
    const samples = mergeSamples(texts.flatMap((text) => decodeSamples(text) ?? []));
    this.processCounts.set(endpoint, texts.length);
    this.verdicts.delete(endpoint);
    const { policy, serve } = rollout;
    if (policy.kind !== 'canary' || record.canary === undefined || !isGoingOn(record))
      return { samples, verdict: undefined };
    const verdict = judgeCanary(policy, serve, record.canary.step, samples);
    this.verdicts.set(endpoint, verdict);
    return { samples, verdict };
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    for (const { shadows } of this.parts.endpoints.values()) shadows.close();
    await this.ticking;
    for (const endpoint of this.parts.endpoints.keys())
      await this.publish(endpoint).catch((error: unknown) => this.logFailure(error));
    this.isClosed = true;
  }

  async shadowsEnded(): Promise<void> {
    await Promise.all([...this.parts.endpoints.values()].map(async ({ shadows }) => shadows.ended()));
  }

  private watchingOf({ record, rollout }: RolloutInEffect): Watching {
    const { endpoint, version, samplesVersion } = record;
    const known = this.watching.get(endpoint);
    if (known?.version === version && known.samples.samplesVersion === samplesVersion) return known;
    const { shadows } = this.parts.endpoints.get(endpoint) as WatchedEndpoint;
    const watching: Watching = {
      version,
      samples: this.parts.memory.samplesOf(endpoint, samplesVersion),
      shadows: shadows.use(rollout.shadows),
      observers: new Map(),
    };
    this.watching.set(endpoint, watching);
    return watching;
  }

  private shadowCounter(endpoint: string, variant: string, outcome: string): Counter {
    const help = 'Requests that a shadow was to predict, by outcome.';
    return this.parts.metrics.counter('millrace_shadow_requests_total', help, { endpoint, variant, outcome });
  }

  private tick(): void {
    // A store that is slow is not asked again before it has answered.
    if (this.ticking !== undefined) return;
    this.ticking = this.watchAll().finally(() => (this.ticking = undefined));
  }

  private async watchAll(): Promise<void> {
    // Each by itself: what fails for one must not keep another from being judged.
    const outcomes = await Promise.allSettled([
      this.follower?.poll(),
      ...[...this.parts.endpoints.keys()].map(async (endpoint) => this.watchOne(endpoint)),
    ]);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed === undefined) this.hasFailed = false;
    else this.logFailure(failed.reason);
  }

  private async watchOne(endpoint: string): Promise<void> {
    const inEffect = this.parts.control.inEffect(endpoint);
    const { policy } = inEffect.rollout;
    await this.publish(endpoint);
    if (!isGoingOn(inEffect.record)) return;
    if (!this.isItsTurn(endpoint)) return;
    try {
      if (policy.kind === 'canary') await this.judge(endpoint, inEffect);
      if (policy.kind === 'bandit') await this.shareAnew(endpoint, inEffect);
    } catch (error) {
      // Another process was faster, or somebody has changed it by hand.
      if (!(error instanceof MillraceError && ['ROLLOUT_CONFLICT', 'NO_CANARY'].includes(error.code)))
        throw error;
    }
  }

  /**
   * Reading and merging what all processes have seen takes some milliseconds for each of them. So of many, about three
   * judge each second, whichever; that none does for two seconds has a chance of 1 in 400.
   */
  private isItsTurn(endpoint: string): boolean {
    return Math.random() * (this.processCounts.get(endpoint) ?? 1) < JUDGES_PER_TICK;
  }

  /** Also what was noted before this watch: of earlier answers, feedback may come when no other request does. */
  private async publish(endpoint: string): Promise<void> {
    await this.parts.memory.latest(endpoint)?.publish(this.parts.store);
  }

  private async judge(endpoint: string, { record, rollout }: RolloutInEffect): Promise<void> {
    const { verdict } = await this.assess(endpoint);
    const { policy } = rollout;
    if (verdict === undefined || record.canary === undefined || policy.kind !== 'canary') return;
    const note = { by: JUDGE, reason: verdictReason(verdict), verdict, version: record.version };
    const { control, clock } = this.parts;
    if (verdict.verdict === 'fail') await control.act(endpoint, 'rollback', note);
    const isOver = clock.nowMs() >= record.canary.sinceMs + policy.intervalMs;
    if (verdict.verdict === 'pass' && record.phase === 'running' && isOver)
      await control.act(endpoint, 'step', note);
  }

  private async shareAnew(endpoint: string, { record, rollout }: RolloutInEffect): Promise<void> {
    const { policy } = rollout;
    if (policy.kind !== 'bandit' || record.bandit === undefined) return;
    const { control, clock } = this.parts;
    const lastMs = Math.max(record.bandit.sinceMs, this.sharedMs.get(endpoint) ?? 0);
    if (clock.nowMs() < lastMs + policy.intervalMs) return;
    this.sharedMs.set(endpoint, clock.nowMs());
    const { samples } = await this.assess(endpoint);
    const shares = banditShares(policy, samples);
    const before = record.bandit.shares;
    const change = Math.max(...policy.arms.map((arm) => Math.abs((shares[arm] ?? 0) - (before[arm] ?? 0))));
    if (change < SHARE_CHANGE_MIN) return;
    const note = { by: JUDGE, reason: `${policy.algorithm} on rewards`, version: record.version };
    await control.share(endpoint, shares, note);
  }

  private logFailure(error: unknown): void {
    // Once, not each second while the store is away.
    if (!this.hasFailed) this.parts.log.error({ err: error }, 'rollouts could not be judged');
    this.hasFailed = true;
  }
}

function watchedOutputs(policy: Policy, plan: Plan): readonly string[] {
  if (policy.kind !== 'canary') return [];
  const [first] = plan.answer;
  return policy.guardrails.flatMap((guardrail) =>
    guardrail.metric === 'output' ? [guardrail.output ?? first?.name ?? ''] : [],
  );
}

function wantsFeedback(policy: Policy): boolean {
  if (policy.kind === 'bandit') return true;
  return policy.kind === 'canary' && policy.guardrails.some(({ metric }) => metric === 'feedback');
}
