/**
 * Decides, before a request is read, whether it would wait too long for its run. A queue takes the requests of a burst,
 * and is worked off again; a queue that stands makes every answer late and none more. So a burst may fill the queue, and
 * of a queue that stands no more is kept than keeps the models busy, until nothing has had to be refused for a while.
 * The distinction is that of CoDel (RFC 8289), which drops packets from a queue.
 */
import type { MillraceError } from '../errors.ts';
import type { Batcher } from '../inference/batcher.ts';
import { overloaded } from './overloaded.ts';

/** @returns OVERLOADED, or undefined = go on */
export type Admission = () => MillraceError | undefined;

/** Parts of the time for an answer. Reading what was let in, and answering it, take time too. */
const BURST_DIVISOR = 4;
const STANDING_DIVISOR = 40;
/** Callers that each wait for the answer before should not be refused for being a few; long runs make them a queue. */
const STANDING_RUNS = 10;

/**
 * @param batchers whose runs share the event loop: whoever waits for one of them waits for all
 * @param answerMsMax time for an answer
 */
export function createAdmission(batchers: readonly Batcher[], answerMsMax: number): Admission {
  const isTooLong = createPatience(answerMsMax / BURST_DIVISOR);
  const standingMsMax = answerMsMax / STANDING_DIVISOR;
  return () => {
    const nowMs = performance.now();
    let waitMs = 0;
    let runMs = 0;
    for (const batcher of batchers) {
      waitMs = Math.max(waitMs, batcher.waitMs(nowMs));
      runMs = Math.max(runMs, batcher.runMs);
    }
    const isRefused = isTooLong(waitMs, Math.max(standingMsMax, STANDING_RUNS * runMs), nowMs);
    return isRefused ? overloaded() : undefined;
  };
}

/**
 * Tells a burst from a queue that stands: one that has been longer than `standingMsMax` for the time in which that of a
 * burst is worked off.
 * @param burstMsMax the longest wait of all
 * @returns whether a caller has to be refused who would wait for `waitMs`; to be asked for each
 */
export function createPatience(
  burstMsMax: number,
): (waitMs: number, standingMsMax: number, nowMs: number) => boolean {
  let isStanding = false;
  let lastShortMs = -Infinity;
  let lastRefusalMs = -Infinity;
  return (waitMs, standingMsMax, nowMs) => {
    const isShort = waitMs <= Math.min(standingMsMax, burstMsMax);
    if (isShort) lastShortMs = nowMs;
    if (isStanding) isStanding = nowMs - lastRefusalMs <= burstMsMax;
    else isStanding = nowMs - lastShortMs > burstMsMax;
    if (isShort || (!isStanding && waitMs <= burstMsMax)) return false;
    lastRefusalMs = nowMs;
    return true;
  };
}
