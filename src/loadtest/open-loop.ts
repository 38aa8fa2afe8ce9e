/**
 * Open-loop load: requests are sent when the schedule says, whether or not earlier ones are answered, and latency
 * counts from the intended time. A client that waits for an answer before it sends again asks less of a slow server,
 * and so leaves out the requests that would have met the stall. Here they are all in the histogram, and so is the
 * time that a request waits in this client for a free connection.
 *
 * Timers of Node are a millisecond wide, so within two milliseconds of the next request the loop spins: the sender
 * takes a whole core. `busyShare` leaves the empty turns out. Naps of 20 us in place of the empty turns were tried:
 * they tripled the median latency that is measured at 2,000/s, and made the sender late at 20,000/s.
 */
import { performance } from 'node:perf_hooks';
import type { Caller, CallerEvents, Failure, OpenCaller } from './caller.ts';
import type { ArrivalKind, Arrivals } from './arrivals.ts';
import { createArrivals } from './arrivals.ts';
import { createLatencyRecorder } from './latency.ts';
import { Ledger } from './ledger.ts';
import type { LoadMeasurement, RunOptions } from './measurement.ts';
import { openLoopWarnings } from './sender-warnings.ts';
import { Tally } from './tally.ts';

/** The timeout counts from the intended time. */
export interface OpenLoopOptions extends RunOptions {
  readonly ratePerSecond: number;
  readonly arrivals: ArrivalKind;
  readonly seed: number;
}

/** Requests that one turn of the loop sends at most: answers must be read in between. */
const BURST_MAX = 128;
const SLEEP_MS_MIN = 2;
const PROGRESS_US = 500_000;
/** How often it looks whether the last answers have come. */
const DRAIN_TURN_US = 10_000;

/** @throws MillraceError LOADTEST_FAILED when the server cannot be reached */
export async function runOpenLoop(open: OpenCaller, options: OpenLoopOptions): Promise<LoadMeasurement> {
  const loop = new OpenLoop(options);
  const caller = await open(loop);
  try {
    await loop.run(caller);
  } finally {
    caller.close();
  }
  return loop.result();
}

class OpenLoop implements CallerEvents {
  private readonly options: OpenLoopOptions;
  private readonly ledger = new Ledger();
  private readonly tally: Tally;
  private readonly lag = createLatencyRecorder();
  private readonly arrivals: Arrivals;
  private readonly timeoutUs: number;
  private caller: Caller | undefined = undefined;
  private startedMs = 0;
  private endUs: number;
  private intendedUs: number;
  /** Tickets from here on wait for a free connection. */
  private unsent = 0;
  private waited = 0;
  private scheduled = 0;
  private progressUs = 0;
  /** Answers and requests since the last turn of the loop. */
  private events = 0;
  private emptyTurnsUs = 0;
  private busyShare = 0;

  constructor(options: OpenLoopOptions) {
    const { arrivals, ratePerSecond, seed, timeoutMs, warmUpMs, durationMs } = options;
    this.options = options;
    this.arrivals = createArrivals(arrivals, ratePerSecond, seed);
    this.intendedUs = this.arrivals();
    this.timeoutUs = timeoutMs * 1000;
    this.endUs = (warmUpMs + durationMs) * 1000;
    this.tally = new Tally(warmUpMs * 1000, this.endUs);
  }

  async run(caller: Caller): Promise<void> {
    this.caller = caller;
    this.startedMs = performance.now();
    const { signal } = this.options;
    const utilizationBefore = performance.eventLoopUtilization();
    await new Promise<void>((resolve) => {
      const turn = (beganUs: number): void => {
        const nowUs = this.nowUs();
        if (this.events === 0) this.emptyTurnsUs += nowUs - beganUs;
        this.events = 0;
        if (signal?.aborted === true) this.stopAt(nowUs);
        this.sendDue();
        this.expire();
        this.report();
        if (signal?.aborted === true || (this.intendedUs >= this.endUs && this.ledger.isEmpty)) {
          resolve();
          return;
        }
        const sleepMs = Math.floor(this.untilNextUs() / 1000) - 1;
        if (sleepMs < SLEEP_MS_MIN) setImmediate(turn, this.nowUs());
        // A sleep is not a turn of the loop: it begins when it ends.
        else setTimeout(() => turn(this.nowUs()), sleepMs);
      };
      turn(0);
    });
    const { active } = performance.eventLoopUtilization(utilizationBefore);
    this.busyShare = Math.max(0, (active * 1000 - this.emptyTurnsUs) / this.nowUs());
  }

  answered(ticket: number): void {
    this.events++;
    const intendedUs = this.ledger.settle(ticket);
    if (!Number.isNaN(intendedUs)) this.tally.answered(intendedUs, this.nowUs());
    this.sendWaiting(1);
  }

  failed(ticket: number, failure: Failure): void {
    this.events++;
    const intendedUs = this.ledger.settle(ticket);
    if (!Number.isNaN(intendedUs)) this.tally.failed(intendedUs, this.nowUs(), failure);
    this.sendWaiting(1);
  }

  result(): LoadMeasurement {
    const { tally, options } = this;
    const measurement = {
      load: 'open loop' as const,
      offeredPerSecond: options.ratePerSecond,
      ...tally.figures(),
      sender: {
        busyShare: this.busyShare,
        lag: this.lag.summary(),
        waitedShare: this.scheduled === 0 ? 0 : this.waited / this.scheduled,
      },
    };
    return { ...measurement, warnings: openLoopWarnings(measurement) };
  }

  private nowUs(): number {
    return (performance.now() - this.startedMs) * 1000;
  }

  /** Opens a ticket for each request that is due, and sends it if it is not behind others. */
  private sendDue(): void {
    for (let sent = 0; sent < BURST_MAX && this.intendedUs < this.endUs; sent++) {
      const lateUs = this.nowUs() - this.intendedUs;
      if (lateUs < 0) break;
      this.events++;
      const ticket = this.ledger.open(this.intendedUs);
      if (this.tally.isMeasured(this.intendedUs)) {
        this.lag.record(lateUs);
        this.scheduled++;
        if (this.unsent < ticket) this.waited++;
      }
      this.sendWaiting(1);
      this.intendedUs = this.arrivals();
    }
    this.sendWaiting(BURST_MAX);
  }

  /**
   * A request waits for a connection for half of its timeout at most. One that was sent after nearly all of it would
   * expire on its way, and cost the server the answer of another.
   */
  private sendWaiting(max: number): void {
    const patienceUs = this.nowUs() - this.timeoutUs / 2;
    for (let sent = 0; sent < max && this.unsent < this.ledger.nextTicket;) {
      const intendedUs = this.ledger.timeOf(this.unsent);
      if (intendedUs < patienceUs) {
        this.ledger.settle(this.unsent);
        this.tally.expired(intendedUs, this.timeoutUs, 'no connection was free for half of the timeout');
      } else if (this.caller?.send(this.unsent) !== true) return;
      else sent++;
      this.unsent++;
    }
  }

  private expire(): void {
    for (;;) {
      const ticket = this.ledger.openBefore(this.nowUs() - this.timeoutUs);
      if (ticket === -1) return;
      this.tally.expired(this.ledger.settle(ticket), this.timeoutUs, 'no answer within the timeout');
      this.caller?.abandon(ticket);
    }
  }

  /** Requests without an answer yet are left out: nobody knows what would have become of them. */
  private stopAt(nowUs: number): void {
    this.endUs = Math.min(this.endUs, nowUs);
    this.tally.endAt(nowUs);
  }

  /** How long the loop has nothing to do but to read answers. */
  private untilNextUs(): number {
    const nowUs = this.nowUs();
    if (this.unsent < this.ledger.nextTicket) return 0;
    if (this.intendedUs >= this.endUs) return DRAIN_TURN_US;
    return Math.min(this.intendedUs, this.progressUs + PROGRESS_US) - nowUs;
  }

  private report(): void {
    const nowUs = this.nowUs();
    if (nowUs - this.progressUs < PROGRESS_US) return;
    this.progressUs = nowUs;
    this.options.onProgress?.(this.tally.progress(nowUs, this.options));
  }
}
