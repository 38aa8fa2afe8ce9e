/** How long to wait before the next try: a random time, so that callers who failed together do not come back together. */

const FIRST_MS_MAX = 100;

/**
 * @param failures so far, from 1
 * @param limitMs the longest wait
 * @returns milliseconds, from 0 up to a bound that doubles with each failure
 */
export function fullJitterMs(failures: number, limitMs: number): number {
  return Math.random() * Math.min(limitMs, FIRST_MS_MAX * 2 ** Math.min(failures - 1, 30));
}
