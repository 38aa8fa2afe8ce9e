/**
 * Closed-loop load: a fixed number of requests is always in flight, each answer sends the next. This finds the
 * highest throughput, and says nothing about latency: its pace is that of the server. It sleeps until answers come;
 * spinning as the open loop does took CPU from the server's other threads, and found less.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Caller, CallerEvents, Failure, OpenCaller } from './caller.ts';
import { Ledger } from './ledger.ts';
import type { LoadMeasurement, RunOptions } from './measurement.ts';
import { closedLoopWarnings } from './sender-warnings.ts';
import { Tally } from './tally.ts';

export interface ClosedLoopOptions extends RunOptions {
  /** Requests at a time; over HTTP no more than there are connections. */
  readonly inFlight: number;
}

/** Refills after connections were lost, and expires. */
const TURN_MS = 20;
const PROGRESS_MS = 500;

/** @throws MillraceError LOADTEST_FAILED when the server cannot be reached */
export async function runClosedLoop(open: OpenCaller, options: ClosedLoopOptions): Promise<LoadMeasurement> {
  const loop = new ClosedLoop(options);
  const caller = await open(loop);
  try {
    await loop.run(caller);
  } finally {
    caller.close();
  }
  return loop.result();
}

class ClosedLoop implements CallerEvents {
  private readonly options: ClosedLoopOptions;
  private readonly ledger = new Ledger();
  private readonly tally: Tally;
  private caller: Caller | undefined = undefined;
  private startedMs = 0;
  private inFlight = 0;
  private busyShare = 0;

  constructor(options: ClosedLoopOptions) {
    this.options = options;
    this.tally = new Tally(options.warmUpMs * 1000, (options.warmUpMs + options.durationMs) * 1000);
  }

  async run(caller: Caller): Promise<void> {
    const { warmUpMs, durationMs, signal, onProgress } = this.options;
    const endUs = (warmUpMs + durationMs) * 1000;
    this.caller = caller;
    this.startedMs = performance.now();
    const cpuBefore = process.cpuUsage();
    let progressUs = 0;
    while (this.nowUs() < endUs && signal?.aborted !== true) {
      this.fill();
      this.expire();
      if (this.nowUs() - progressUs > PROGRESS_MS * 1000) {
        progressUs = this.nowUs();
        onProgress?.(this.tally.progress(progressUs, this.options));
      }
      await delay(Math.max(0, Math.min(TURN_MS, (endUs - this.nowUs()) / 1000)));
    }
    this.tally.endAt(this.nowUs());
    const { user, system } = process.cpuUsage(cpuBefore);
    this.busyShare = (user + system) / this.nowUs();
    this.caller = undefined;
  }

  answered(ticket: number): void {
    const sentUs = this.settle(ticket);
    if (!Number.isNaN(sentUs)) this.tally.answered(sentUs, this.nowUs());
    this.fill();
  }

  failed(ticket: number, failure: Failure): void {
    const sentUs = this.settle(ticket);
    if (!Number.isNaN(sentUs)) this.tally.failed(sentUs, this.nowUs(), failure);
    this.fill();
  }

  result(): LoadMeasurement {
    const measurement = {
      load: 'closed loop' as const,
      offeredPerSecond: null,
      ...this.tally.figures(),
      sender: { busyShare: this.busyShare, lag: null, waitedShare: 0 },
    };
    return { ...measurement, warnings: closedLoopWarnings(measurement) };
  }

  private nowUs(): number {
    return (performance.now() - this.startedMs) * 1000;
  }

  private fill(): void {
    while (this.inFlight < this.options.inFlight) {
      if (this.caller?.send(this.ledger.nextTicket) !== true) return;
      this.ledger.open(this.nowUs());
      this.inFlight++;
    }
  }

  private settle(ticket: number): number {
    const sentUs = this.ledger.settle(ticket);
    if (!Number.isNaN(sentUs)) this.inFlight--;
    return sentUs;
  }

  private expire(): void {
    const timeoutUs = this.options.timeoutMs * 1000;
    for (;;) {
      const ticket = this.ledger.openBefore(this.nowUs() - timeoutUs);
      if (ticket === -1) return;
      this.tally.expired(this.settle(ticket), timeoutUs, 'no answer within the timeout');
      this.caller?.abandon(ticket);
    }
  }
}
