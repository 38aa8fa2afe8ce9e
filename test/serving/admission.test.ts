import { describe, expect, it } from 'vitest';
import { createPatience } from '../../src/serving/admission.ts';

const BURST_MS = 250;
const STANDING_MS = 50;

/** What becomes of callers that come one a millisecond, from `fromMs` on, and would wait for `waitMs`. */
function refusals(
  isTooLong: ReturnType<typeof createPatience>,
  fromMs: number,
  waitsMs: readonly number[],
  standingMsMax = STANDING_MS,
): boolean[] {
  return waitsMs.map((waitMs, i) => isTooLong(waitMs, standingMsMax, fromMs + i));
}

const constant = (waitMs: number, count: number): number[] => Array<number>(count).fill(waitMs);

describe('patience with a queue', () => {
  it('takes a burst that is worked off in time, and refuses what would wait longer', () => {
    const isTooLong = createPatience(BURST_MS);
    const workedOff = Array.from({ length: 250 }, (_, i) => 250 - i);
    expect(refusals(isTooLong, 0, [0, ...workedOff])).not.toContain(true);
    expect(isTooLong(251, STANDING_MS, 300)).toBe(true);
  });

  it('takes bursts that follow each other, if the queue is short in between', () => {
    const isTooLong = createPatience(BURST_MS);
    const burst = [0, ...constant(200, 200), ...constant(0, 10)];
    for (let n = 0; n < 5; n++) expect(refusals(isTooLong, n * 211, burst)).not.toContain(true);
  });

  it('keeps a queue short that stands longer than a burst would', () => {
    const isTooLong = createPatience(BURST_MS);
    expect(isTooLong(0, STANDING_MS, 0)).toBe(false);
    expect(refusals(isTooLong, 1, constant(51, 250))).not.toContain(true);
    expect(refusals(isTooLong, 251, constant(51, 250))).not.toContain(false);
    expect(refusals(isTooLong, 501, constant(50, 10))).not.toContain(true);
    expect(isTooLong(51, STANDING_MS, 511)).toBe(true);
  });

  it('takes bursts again when nothing had to be refused for the time of one', () => {
    const isTooLong = createPatience(BURST_MS);
    isTooLong(0, STANDING_MS, 0);
    expect(isTooLong(51, STANDING_MS, 251)).toBe(true);
    expect(refusals(isTooLong, 252, constant(10, 250))).not.toContain(true);
    expect(isTooLong(200, STANDING_MS, 502)).toBe(false);
  });

  it('leaves a short wait alone, however long the queue has been', () => {
    const isTooLong = createPatience(BURST_MS);
    expect(refusals(isTooLong, 0, constant(50, 10_000))).not.toContain(true);
  });

  it('lets no one wait longer than for a burst, however long the runs', () => {
    const isTooLong = createPatience(BURST_MS);
    expect(isTooLong(250, 400, 0)).toBe(false);
    expect(isTooLong(251, 400, 1)).toBe(true);
  });

  it('begins with a short queue', () => {
    expect(createPatience(BURST_MS)(0, STANDING_MS, 1e9)).toBe(false);
  });
});
