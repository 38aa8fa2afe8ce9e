/** What a worker thread and the event loop tell each other: plain data, tensors handed over without a copy. */
import { MillraceError } from '../errors.ts';
import type { ErrorCode, ErrorDetail } from '../errors.ts';
import type { RefusedOutput, TensorData, TensorSpec, TensorValue } from './session.ts';

/** The worker's `workerData`. */
export interface WorkerSettings {
  readonly path: string;
  /** Whether the thread gives way to all others. */
  readonly isBackground: boolean;
  /** One int32, see exit-guard.ts. */
  readonly busy: SharedArrayBuffer;
}

export type WorkerRequest =
  | {
      readonly kind: 'run';
      readonly inputs: readonly TensorValue[];
      /** Positions of the outputs that are wanted; undefined = all. */
      readonly fetch: readonly number[] | undefined;
    }
  | { readonly kind: 'close' };

export type WorkerReply =
  | {
      readonly kind: 'opened';
      readonly inputs: readonly TensorSpec[];
      readonly outputs: readonly TensorSpec[];
      readonly refusedOutputs: readonly RefusedOutput[];
    }
  | { readonly kind: 'refused'; readonly error: PlainError }
  /** `spent` are the inputs of the run, whose memory goes back. */
  | {
      readonly kind: 'answered';
      readonly outputs: readonly TensorValue[];
      readonly spent: readonly TensorData[];
    }
  | { readonly kind: 'failed'; readonly error: PlainError; readonly spent: readonly TensorData[] };

/** A MillraceError without its class, which does not survive the way between threads. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly cause: string | undefined;
  readonly details: readonly ErrorDetail[] | undefined;
}

export function toPlainError(error: unknown): PlainError {
  const known = error instanceof MillraceError ? error : asInternal(error);
  const { code, message, cause, details } = known;
  return { code, message, details, cause: cause instanceof Error ? cause.message : undefined };
}

function asInternal(cause: unknown): MillraceError {
  return new MillraceError('INTERNAL', 'A worker thread could not make a run.', { cause });
}

export function fromPlainError({ code, message, cause, details }: PlainError): MillraceError {
  return new MillraceError(code, message, {
    details,
    ...(cause === undefined ? {} : { cause: new Error(cause) }),
  });
}

/** The memory of the tensors, to be handed over; strings are copied. */
export function transferables(tensors: readonly TensorData[]): ArrayBuffer[] {
  return tensors.flatMap((data) => (Array.isArray(data) ? [] : [data.buffer as ArrayBuffer]));
}
