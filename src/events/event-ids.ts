/**
 * Ids for events that bring none: UUIDs of version 7, so that they sort by time. What sorts is found and kept faster
 * than what is spread over a whole index.
 *
 *   48 bits milliseconds | version | 12 bits counter | variant | 62 random bits
 *
 * Within a millisecond, or while the clock stands behind, the counter makes each id greater than the one before; when
 * it is used up, the time of the ids runs ahead.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';

const COUNTER_MAX = 0xfff;
const RANDOM_BYTES = 8;
const POOL_BYTES = 4096;

/** @returns a function that gives a new id at each call */
export function createEventIds(clock: Clock): () => string {
  let lastMs = 0;
  let counter = 0;
  let pool = Buffer.alloc(0);
  let used = 0;

  return () => {
    const nowMs = clock.nowMs();
    if (nowMs > lastMs) {
      lastMs = nowMs;
      counter = 0;
    } else if (++counter > COUNTER_MAX) {
      lastMs++;
      counter = 0;
    }
    if (used + RANDOM_BYTES > pool.length) {
      pool = randomBytes(POOL_BYTES);
      used = 0;
    }
    // The variant is the two highest bits: 10.
    const high = ((pool.readUInt16BE(used) & 0x3fff) | 0x8000).toString(16);
    const low = pool.toString('hex', used + 2, used + RANDOM_BYTES);
    used += RANDOM_BYTES;
    const time = lastMs.toString(16).padStart(12, '0');
    return `${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, '0')}-${high}-${low}`;
  };
}
