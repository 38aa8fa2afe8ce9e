/** One request for each endpoint before the load: a mistake is told in the server's own words, not as a million errors. */
import { setTimeout as delay } from 'node:timers/promises';
import { MillraceError } from '../errors.ts';
import type { Failure, Target } from './caller.ts';
import { openCaller } from './open-caller.ts';

const TOO_MANY_REQUESTS = 429;

/**
 * @param signal ends it early, with nothing said
 * @throws MillraceError LOADTEST_FAILED when the server cannot be reached, or an answer is an error
 */
export async function checkAnswers(target: Target, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const firsts = [...new Map(target.requests.map((request) => [request.path, request])).values()];
  for (const request of firsts) {
    const failure = await ask({ ...target, requests: [request], connections: 1 }, timeoutMs, signal);
    if (signal.aborted) return;
    if (failure === undefined || failure.status === TOO_MANY_REQUESTS) continue;
    const { status, code, message } = failure;
    const what = `${status === 0 ? '' : `${status} `}${code}`.trim();
    const place =
      target.protocol === 'http' ? request.path : `the endpoint "${request.endpoint}" over WebSocket`;
    const sentence = `the server does not answer ${place}: ${[what, message].filter(Boolean).join(': ')}`;
    throw new MillraceError('LOADTEST_FAILED', sentence);
  }
}

async function ask(target: Target, timeoutMs: number, signal: AbortSignal): Promise<Failure | undefined> {
  let settle: (failure: Failure | undefined) => void;
  const settled = new Promise<Failure | undefined>((resolve) => {
    settle = resolve;
  });
  const caller = await openCaller(target, {
    answered: () => settle(undefined),
    failed: (_ticket, failure) => settle(failure),
  });
  const timer = new AbortController();
  try {
    caller.send(0);
    return await Promise.race([settled, timeoutOf(timeoutMs, AbortSignal.any([timer.signal, signal]))]);
  } finally {
    timer.abort();
    caller.close();
  }
}

async function timeoutOf(timeoutMs: number, signal: AbortSignal): Promise<Failure | undefined> {
  const message = `no answer within ${timeoutMs} ms`;
  // The race is over when it is aborted; nobody looks at the outcome.
  await delay(timeoutMs, undefined, { signal }).catch(() => undefined);
  return { kind: 'connection', status: 0, code: 'timeout', message };
}
