/** One scenario from the first request to its results: preflight, saturation, sweep, single rate. */
import type { ArrivalKind } from './arrivals.ts';
import { runAutocannon } from './autocannon-load.ts';
import type { OpenCaller, Target } from './caller.ts';
import { runClosedLoop } from './closed-loop.ts';
import type { ClosedLoopOptions } from './closed-loop.ts';
import type { Knee, SweepPoint } from './knee.ts';
import { findKnee, kneeLimitUs, overloadShares, rateToTryNext, sweepShares } from './knee.ts';
import type { LoadMeasurement, Measurement, RunProgress } from './measurement.ts';
import { openCaller } from './open-caller.ts';
import { runOpenLoop } from './open-loop.ts';
import type { Overload } from './overload.ts';
import { overloadsOf } from './overload.ts';
import { checkAnswers } from './preflight.ts';
import { batchRowsBetween, scrapeServer } from './server-metrics.ts';

export interface Scenario {
  readonly name: string;
  readonly target: Target;
  /** Requests that closed loops keep waiting for an answer; default as many as the connections carry. */
  readonly inFlight?: number;
}

export interface LoadPlan {
  /** Finds the saturating rate, with our own sockets and, over HTTP, with autocannon. */
  readonly saturate: boolean;
  /** Needs the saturating rate, and so measures it with our own sockets. */
  readonly sweep: boolean;
  /** One rate to be measured by itself; null for none. */
  readonly ratePerSecond: number | null;
  readonly arrivals: ArrivalKind;
  readonly seed: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly timeoutMs: number;
  /** For the knee; null = see knee.ts. */
  readonly p99MsMax: number | null;
  /** WebSocket requests in flight on each connection while saturating. */
  readonly pipelined: number;
}

export interface ScenarioResult {
  readonly name: string;
  readonly protocol: Target['protocol'];
  readonly connections: number;
  /** Closed loops first, then by rate. */
  readonly measurements: readonly Measurement[];
  readonly knee: Knee | null;
  /** Rates far beyond the highest goodput. */
  readonly overloads: readonly Overload[];
  /** Why it could not run. */
  readonly problem?: string;
}

export interface ScenarioHooks {
  readonly signal: AbortSignal;
  /** @param step what runs now: `12,000/s` */
  onProgress(scenario: string, step: string, progress: RunProgress): void;
  onMeasured(scenario: string, measurement: Measurement): void;
}

const KNEE_STEPS = 2;
/** The first load that a server gets makes it compile its code. */
const FIRST_WARM_UP_FACTOR = 3;

/**
 * A run that `hooks.signal` ends gives what there is.
 * @throws MillraceError LOADTEST_FAILED when the server cannot be reached or refuses the first requests
 */
export async function runScenario(
  scenario: Scenario,
  plan: LoadPlan,
  hooks: ScenarioHooks,
): Promise<ScenarioResult> {
  const { target, name } = scenario;
  await checkAnswers(target, plan.timeoutMs, hooks.signal);
  const run = new ScenarioRun(scenario, plan, hooks);
  const saturating = plan.saturate || plan.sweep ? await run.saturate() : undefined;
  const knee = plan.sweep && saturating !== undefined ? await run.sweep(saturating) : null;
  if (plan.ratePerSecond !== null) await run.atRate(plan.ratePerSecond);
  const { protocol, connections } = target;
  const measurements = run.measurements.toSorted(
    (a, b) => (a.offeredPerSecond ?? 0) - (b.offeredPerSecond ?? 0),
  );
  return { name, protocol, connections, measurements, knee, overloads: overloadsOf(measurements) };
}

class ScenarioRun {
  readonly measurements: Measurement[] = [];
  private readonly scenario: Scenario;
  private readonly plan: LoadPlan;
  private readonly hooks: ScenarioHooks;
  private readonly open: OpenCaller;

  constructor(scenario: Scenario, plan: LoadPlan, hooks: ScenarioHooks) {
    this.scenario = scenario;
    this.plan = plan;
    this.hooks = hooks;
    this.open = async (events) => openCaller(scenario.target, events);
  }

  /** @returns the highest goodput that was seen; undefined when the run was ended */
  async saturate(): Promise<number | undefined> {
    const { target } = this.scenario;
    const { pipelined, saturate, warmUpMs, durationMs, timeoutMs } = this.plan;
    const isHttp = target.protocol === 'http';
    const { inFlight = isHttp ? target.connections : target.connections * pipelined } = this.scenario;
    const options = {
      ...this.optionsOf('saturation'),
      inFlight,
      warmUpMs: warmUpMs * FIRST_WARM_UP_FACTOR,
      durationMs,
      timeoutMs,
    } satisfies ClosedLoopOptions;
    const found = await this.measure(async () => runClosedLoop(this.open, options));
    if (!saturate || !isHttp) return found?.goodputPerSecond;
    const other = await this.measure(async () =>
      runAutocannon({ ...target, connections: inFlight }, { ...options, warmUpMs }),
    );
    return found && Math.max(found.goodputPerSecond, other?.goodputPerSecond ?? 0);
  }

  async sweep(saturatingPerSecond: number): Promise<Knee | null> {
    const { p99MsMax } = this.plan;
    const points: SweepPoint[] = [];
    const tryRate = async (ratePerSecond: number): Promise<void> => {
      const found = await this.atRate(ratePerSecond);
      if (found === undefined) return;
      const { goodputPerSecond, warnings } = found;
      const { p50Us, p99Us } = found.latency;
      points.push({ offeredPerSecond: ratePerSecond, goodputPerSecond, p50Us, p99Us, warnings });
    };
    for (const share of sweepShares) await tryRate(roundRate(share * saturatingPerSecond));
    const limitUs = p99MsMax === null ? kneeLimitUs(points) : p99MsMax * 1000;
    for (let step = 0; step < KNEE_STEPS; step++) {
      const next = rateToTryNext(points, limitUs);
      if (next !== undefined) await tryRate(roundRate(next));
    }
    for (const share of overloadShares) await tryRate(roundRate(share * saturatingPerSecond));
    return findKnee(points, limitUs) ?? null;
  }

  async atRate(ratePerSecond: number): Promise<Measurement | undefined> {
    const { arrivals, seed, warmUpMs, durationMs, timeoutMs } = this.plan;
    const schedule = { ratePerSecond, arrivals, seed, warmUpMs, durationMs, timeoutMs };
    const step = `${ratePerSecond.toLocaleString('en-US')}/s`;
    return this.measure(async () => runOpenLoop(this.open, { ...schedule, ...this.optionsOf(step) }));
  }

  private optionsOf(step: string): Pick<ClosedLoopOptions, 'signal' | 'onProgress'> {
    const { hooks, scenario } = this;
    return {
      signal: hooks.signal,
      onProgress: (progress) => hooks.onProgress(scenario.name, step, progress),
    };
  }

  /** Undefined when the run was ended before it could measure anything. */
  private async measure(run: () => Promise<LoadMeasurement>): Promise<Measurement | undefined> {
    if (this.hooks.signal.aborted) return undefined;
    const { target } = this.scenario;
    const before = await scrapeServer(target);
    const found = await run();
    const after = before && (await scrapeServer(target));
    if (found.durationMs === 0) return undefined;
    const batchRows =
      before?.batches && after?.batches ? batchRowsBetween(before.batches, after.batches) : null;
    const measurement = { ...found, batchRows, memoryBytes: after?.memoryBytes ?? null };
    this.measurements.push(measurement);
    this.hooks.onMeasured(this.scenario.name, measurement);
    return measurement;
  }
}

/** Two digits less than it has, so that tables read well: 17,342 becomes 17,300. */
function roundRate(ratePerSecond: number): number {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, ratePerSecond))) - 2);
  return Math.max(1, Math.round(ratePerSecond / step) * step);
}
