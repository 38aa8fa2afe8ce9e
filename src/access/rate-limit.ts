/**
 * How many calls a key may make: a bucket that holds `burst` calls and is filled at a steady rate. Two numbers a key, and no
 * timer: what came in since the last call is added when the next one comes.
 */

export interface RateLimit {
  readonly perSecond: number;
  /** Calls that may come at once after a pause. */
  readonly burst: number;
}

/** @returns milliseconds until a call is allowed; undefined = it is now, and was taken */
export type TakeCall = (nowMs: number) => number | undefined;

/**
 * @param share the part of the rate that this process gives out: of N processes that share a port, 1/N each
 */
export function createRateLimit({ perSecond, burst }: RateLimit, share: number): TakeCall {
  const perMs = (perSecond * share) / 1000;
  // Below one, no call would ever be allowed.
  const callsMax = Math.max(1, burst * share);
  let calls = callsMax;
  let filledMs = -Infinity;
  return (nowMs) => {
    // The first call finds the bucket full. A clock that went back adds nothing.
    const passedMs = filledMs === -Infinity ? 0 : Math.max(0, nowMs - filledMs);
    calls = Math.min(callsMax, calls + passedMs * perMs);
    filledMs = Math.max(nowMs, filledMs);
    if (calls < 1) return (1 - calls) / perMs;
    calls--;
    return undefined;
  };
}
