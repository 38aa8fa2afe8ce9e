/**
 * One call as the program sees it: within its time, tried again where that may help. A wait that the server asks for is
 * kept; if it does not fit into what is left of the time, the error is told at once, and nobody waits for nothing.
 */
import { MillraceClientError } from './client-error.ts';
import { fullJitterMs } from './full-jitter.ts';

export interface CallTerms {
  /** For the answer, with all tries. */
  readonly timeoutMs: number;
  /** Tries after the first. */
  readonly retries: number;
  readonly signal?: AbortSignal | undefined;
  /** Whether the call may be sent again after this error. */
  readonly mayRepeat: (error: MillraceClientError) => boolean;
}

const WAIT_MS_MAX = 2000;
/** A timer that is set to more ends at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;
const transientStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** Whether the same call may succeed later, and did no more harm than to be sent. */
export function isTransient({ code, status, retryAfterMs }: MillraceClientError): boolean {
  if (code === 'NETWORK' || code === 'DEADLINE_EXCEEDED') return true;
  if (code === 'MODEL_UNAVAILABLE') return false;
  return retryAfterMs !== undefined || (status !== undefined && transientStatuses.has(status));
}

/** Whether the server has refused the call before it did anything, or says that it may be sent again. */
export function isRefusal({ status, retryAfterMs }: MillraceClientError): boolean {
  return (status === 429 || status === 503) && retryAfterMs !== undefined;
}

/**
 * @param attempt sends the call once, until the signal gives it up
 * @throws what the last attempt threw, MillraceClientError TIMEOUT, or the reason of the caller's signal
 */
export async function repeatedCall<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  { timeoutMs, retries, signal: given, mayRepeat }: CallTerms,
): Promise<T> {
  const abort = new AbortController();
  const { signal } = abort;
  const giveUp = (): void => abort.abort(given?.reason);
  const timeout = (): void =>
    abort.abort(new MillraceClientError('TIMEOUT', `There was no answer within ${timeoutMs} ms.`));
  if (given?.aborted === true) giveUp();
  given?.addEventListener('abort', giveUp);
  const endMs = performance.now() + timeoutMs;
  const timer = setTimeout(timeout, Math.min(timeoutMs, TIMER_MS_MAX));
  try {
    for (let failures = 1; ; failures++) {
      if (signal.aborted) throw signal.reason;
      try {
        return await attempt(signal);
      } catch (error) {
        const isLast = failures > retries || signal.aborted || !(error instanceof MillraceClientError);
        if (isLast || !mayRepeat(error)) throw error;
        const waitMs = (error.retryAfterMs ?? 0) + fullJitterMs(failures, WAIT_MS_MAX);
        if (performance.now() + waitMs >= endMs) throw error;
        await pause(waitMs, signal);
      }
    }
  } finally {
    clearTimeout(timer);
    given?.removeEventListener('abort', giveUp);
  }
}

/** Ends early when the signal is given. */
export async function pause(waitMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, waitMs);
    signal.addEventListener('abort', done);
  });
}
