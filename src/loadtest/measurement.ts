/** What one run of load found. Rates are per second of the measured time, latencies in microseconds. */
import type { BatchRows } from './server-metrics.ts';
import type { LatencyQuantile, LatencySummary } from './latency.ts';

export const loadKinds = ['open loop', 'closed loop', 'autocannon'] as const;
export type LoadKind = (typeof loadKinds)[number];

export interface FailureCount {
  /** Status and code: `422 MODEL_FAILED`, or `ECONNRESET`. */
  readonly name: string;
  readonly count: number;
  /** The first one's message. */
  readonly example: string;
}

/** Every request that was meant to be sent in the measured time, by how it ended. */
export interface Outcomes {
  readonly ok: number;
  /** Answered with 429. */
  readonly rejected: number;
  readonly timedOut: number;
  readonly connectionErrors: number;
  /** Answered with another status. */
  readonly otherErrors: number;
  /** Everything but the answers with 200. */
  readonly failures: readonly FailureCount[];
}

/** How well the load generator itself kept up. */
export interface SenderReport {
  /** Share of one core that it needed; at 1 it measures itself. */
  readonly busyShare: number;
  /** How late requests were sent by its own fault; null where there is no schedule. */
  readonly lag: LatencySummary | null;
  /** Share of the requests that waited for a free connection. */
  readonly waitedShare: number;
}

/** What the load generator saw. */
export interface LoadMeasurement {
  readonly load: LoadKind;
  /** The rate at which requests were meant to be sent; null where each waits for the answer before. */
  readonly offeredPerSecond: number | null;
  readonly durationMs: number;
  /** Answers of any status. */
  readonly throughputPerSecond: number;
  /** Answers with 200. */
  readonly goodputPerSecond: number;
  /** Of answers with 200, and of timeouts, which count with the whole timeout. */
  readonly latency: LatencySummary;
  readonly latencyCurve: readonly LatencyQuantile[];
  /** Of answers with 429. */
  readonly rejectedLatency: LatencySummary;
  readonly outcomes: Outcomes;
  readonly sender: SenderReport;
  readonly warnings: readonly string[];
}

/** With what the server's metrics say; null where it has none. */
export interface Measurement extends LoadMeasurement {
  readonly batchRows: BatchRows | null;
  /** Of the server, when the run was over. */
  readonly memoryBytes: number | null;
}

/** What every kind of load takes. */
export interface RunOptions {
  /** Load of the same kind that is not measured, before the rest. */
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** How long an answer is waited for. */
  readonly timeoutMs: number;
  /** Ends the run early, with what there is. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: RunProgress) => void) | undefined;
}

/** How far a run is. */
export interface RunProgress {
  readonly elapsedMs: number;
  readonly totalMs: number;
  readonly goodputPerSecond: number;
  readonly latency: LatencySummary;
}
