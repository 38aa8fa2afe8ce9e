/** What the supervisor and its workers tell each other: at the start, and over the channel that Node gives a forked process. */
import type { ErrorCode, ErrorDetail } from '../../errors.ts';
import type { Change } from '../../server/lifecycle.ts';
import type { PortSharing } from '../../server/listen.ts';
import type { MetricFamily } from '../../telemetry/merge-families.ts';
import type { ServeOptions } from '../serve-options.ts';

/** What a worker is told when it is started. */
export interface WorkerOptions extends ServeOptions {
  readonly workers: number;
  /** Its place among the workers. */
  readonly number: number;
  readonly sharing: PortSharing;
  /** Models that are not loaded. */
  readonly unloaded: readonly string[];
}

/** Holds them, as JSON: arguments can be read by everybody, and all processes of a server are told the same. */
export const WORKER_VARIABLE = 'MILLRACE_WORKER';

/** `all`, or only what may be asked for at any time without changing it. */
export type ReportPart = 'all' | 'counts';

export type ToWorker =
  /** Finish and end. With `lingers`, also wait for the callers to leave their connections. */
  | { readonly type: 'drain'; readonly lingers: boolean }
  | { readonly type: 'report'; readonly id: number; readonly part: ReportPart }
  /** A connection for gRPC, which comes with the message. */
  | { readonly type: 'connection' }
  /** The answer to `collect`. */
  | { readonly type: 'collected'; readonly text: string }
  /** Make a change that one of the workers was asked for. */
  | { readonly type: 'change'; readonly id: number; readonly change: Change }
  /** The answer to `ask`. */
  | { readonly type: 'asked'; readonly id: number; readonly problem: ChangeProblem | undefined };

/** Why a change could not be made. */
export interface ChangeProblem {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: readonly ErrorDetail[] | undefined;
}

export type FromWorker =
  | { readonly type: 'ready'; readonly port: number; readonly drainTimeoutMs: number }
  /** It cannot start. */
  | { readonly type: 'failed'; readonly code: ErrorCode; readonly message: string }
  /** The answer to `report`; id 0 = a last one, before it ends. */
  | { readonly type: 'report'; readonly id: number; readonly families: readonly MetricFamily[] }
  /** Asks for the metrics of all workers. */
  | { readonly type: 'collect' }
  /** It was asked for a change, which all workers are to make. */
  | { readonly type: 'ask'; readonly id: number; readonly change: Change }
  /** The answer to `change`; undefined = it is made. */
  | { readonly type: 'changed'; readonly id: number; readonly problem: ChangeProblem | undefined };
