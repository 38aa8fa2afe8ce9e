/**
 * Counts what became of the requests. A request belongs to the run when it was meant to be sent in the measured time;
 * its latency counts however late its answer is. Rates count the answers that came within the measured time, so that
 * a queue that is worked off after the end does not look like throughput.
 */
import type { Failure } from './caller.ts';
import { createLatencyRecorder } from './latency.ts';
import type { LatencyRecorder } from './latency.ts';
import type { FailureCount, LoadMeasurement, Outcomes, RunOptions, RunProgress } from './measurement.ts';

const TOO_MANY_REQUESTS = 429;
/** A server that is not Millrace may have another code in each answer. */
const FAILURE_NAMES_MAX = 50;
const OTHERS = 'others';

export type TallyFigures = Pick<
  LoadMeasurement,
  | 'durationMs'
  | 'throughputPerSecond'
  | 'goodputPerSecond'
  | 'latency'
  | 'latencyCurve'
  | 'rejectedLatency'
  | 'outcomes'
>;

export class Tally {
  readonly latency: LatencyRecorder = createLatencyRecorder();
  readonly rejectedLatency: LatencyRecorder = createLatencyRecorder();
  /** Answers within the measured time: with 200, and all. */
  okInTime = 0;
  answeredInTime = 0;
  private ok = 0;
  private rejected = 0;
  private timedOut = 0;
  private connectionErrors = 0;
  private otherErrors = 0;
  private readonly failures = new Map<string, { count: number; readonly example: string }>();
  private readonly fromUs: number;
  private toUs: number;

  /** @param fromUs when the measured time begins @param toUs when it ends */
  constructor(fromUs: number, toUs: number) {
    this.fromUs = fromUs;
    this.toUs = toUs;
  }

  /** The measured time ends before it was meant to. */
  endAt(nowUs: number): void {
    this.toUs = Math.min(this.toUs, nowUs);
  }

  isMeasured(intendedUs: number): boolean {
    return intendedUs >= this.fromUs && intendedUs < this.toUs;
  }

  get measuredUs(): number {
    return Math.max(0, this.toUs - this.fromUs);
  }

  answered(intendedUs: number, nowUs: number): void {
    if (this.isInTime(nowUs)) {
      this.okInTime++;
      this.answeredInTime++;
    }
    if (!this.isMeasured(intendedUs)) return;
    this.ok++;
    this.latency.record(nowUs - intendedUs);
  }

  failed(intendedUs: number, nowUs: number, failure: Failure): void {
    if (failure.kind === 'answer' && this.isInTime(nowUs)) this.answeredInTime++;
    if (!this.isMeasured(intendedUs)) return;
    if (failure.kind === 'connection') this.connectionErrors++;
    else if (failure.status === TOO_MANY_REQUESTS) {
      this.rejected++;
      this.rejectedLatency.record(nowUs - intendedUs);
    } else this.otherErrors++;
    const status = failure.status === 0 ? '' : String(failure.status);
    this.countFailure(`${status} ${failure.code}`.trim(), failure.message);
  }

  /** Without these the slowest requests would be missing from the latencies. */
  expired(intendedUs: number, timeoutUs: number, message: string): void {
    if (!this.isMeasured(intendedUs)) return;
    this.timedOut++;
    this.latency.record(timeoutUs);
    this.countFailure('timeout', message);
  }

  /** What the counts say of the measured time. */
  figures(): TallyFigures {
    return {
      durationMs: this.measuredUs / 1000,
      throughputPerSecond: perSecond(this.answeredInTime, this.measuredUs),
      goodputPerSecond: perSecond(this.okInTime, this.measuredUs),
      latency: this.latency.summary(),
      latencyCurve: this.latency.curve(),
      rejectedLatency: this.rejectedLatency.summary(),
      outcomes: this.outcomes(),
    };
  }

  progress(nowUs: number, { warmUpMs, durationMs }: RunOptions): RunProgress {
    return {
      elapsedMs: Math.min(nowUs / 1000, warmUpMs + durationMs),
      totalMs: warmUpMs + durationMs,
      goodputPerSecond: perSecond(this.okInTime, Math.min(nowUs - this.fromUs, this.measuredUs)),
      latency: this.latency.summary(),
    };
  }

  private outcomes(): Outcomes {
    const { ok, rejected, timedOut, connectionErrors, otherErrors } = this;
    const failures = [...this.failures].map(([name, { count, example }]): FailureCount => {
      return { name, count, example };
    });
    return { ok, rejected, timedOut, connectionErrors, otherErrors, failures };
  }

  private isInTime(nowUs: number): boolean {
    return nowUs >= this.fromUs && nowUs < this.toUs;
  }

  private countFailure(name: string, example: string): void {
    const isRoom = this.failures.has(name) || this.failures.size < FAILURE_NAMES_MAX;
    const known = this.failures.get(isRoom ? name : OTHERS);
    if (known === undefined) this.failures.set(isRoom ? name : OTHERS, { count: 1, example });
    else known.count++;
  }
}

function perSecond(count: number, durationUs: number): number {
  return durationUs <= 0 ? 0 : (count / durationUs) * 1e6;
}
