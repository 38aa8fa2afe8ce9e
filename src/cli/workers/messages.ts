/** What the supervisor and its workers tell each other, over the channel that Node gives a forked process. */
import type { ErrorCode } from '../../errors.ts';
import type { MetricFamily } from '../../telemetry/merge-families.ts';

/** `all`, or only what may be asked for at any time without changing it. */
export type ReportPart = 'all' | 'counts';

export type ToWorker =
  /** Finish and end. With `lingers`, also wait for the callers to leave their connections. */
  | { readonly type: 'drain'; readonly lingers: boolean }
  | { readonly type: 'report'; readonly id: number; readonly part: ReportPart }
  /** The answer to `collect`. */
  | { readonly type: 'collected'; readonly text: string };

export type FromWorker =
  | { readonly type: 'ready'; readonly port: number; readonly drainTimeoutMs: number }
  /** It cannot start. */
  | { readonly type: 'failed'; readonly code: ErrorCode; readonly message: string }
  /** The answer to `report`; id 0 = a last one, before it ends. */
  | { readonly type: 'report'; readonly id: number; readonly families: readonly MetricFamily[] }
  /** Asks for the metrics of all workers. */
  | { readonly type: 'collect' };
