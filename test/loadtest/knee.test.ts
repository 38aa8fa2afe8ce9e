import { describe, expect, it } from 'vitest';
import type { SweepPoint } from '../../src/loadtest/knee.ts';
import { findKnee, kneeLimitUs, rateToTryNext } from '../../src/loadtest/knee.ts';

const CAPACITY = 10_000;

/** A queue with one server: latency grows with 1 / (1 - load), and beyond capacity nothing more is answered. */
function queuePoint(ratePerSecond: number): SweepPoint {
  const load = ratePerSecond / CAPACITY;
  const p50Us = load < 1 ? 100 / (1 - load) : 1_000_000;
  return {
    offeredPerSecond: ratePerSecond,
    goodputPerSecond: Math.min(ratePerSecond, CAPACITY),
    p50Us,
    p99Us: 6 * p50Us,
    warnings: [],
  };
}

const points = [1000, 2500, 5000, 7000, 9000, 9900, 20_000, 30_000].map(queuePoint);

describe('the knee', () => {
  it('is the highest rate within the limit of p99', () => {
    expect(findKnee(points, 10_000)).toMatchObject({ ratePerSecond: 9000, p99UsMax: 10_000 });
    expect(findKnee(points, 1500)?.ratePerSecond).toBe(5000);
  });

  it('is below a rate that is not answered in full, however fast the answers are', () => {
    const shedding = points.map((point) => ({ ...point, p50Us: 100, p99Us: 600 }));
    // 9,900 of 9,900 come; of 20,000 no more than 10,000.
    expect(findKnee(shedding, 10_000)?.ratePerSecond).toBe(9900);
  });

  it('does not depend on the order of the points', () => {
    expect(findKnee(points.toReversed(), 10_000)).toEqual(findKnee(points, 10_000));
  });

  it('forgives one bad measurement below it', () => {
    const stalled = points.map((point) =>
      point.offeredPerSecond === 2500 ? { ...point, p99Us: 300_000 } : point,
    );
    expect(findKnee(stalled, 10_000)).toMatchObject({ ratePerSecond: 9000, failedBelow: [2500] });
    expect(findKnee(points, 10_000)?.failedBelow).toEqual([]);
  });

  it('carries the warnings of its rate and of the first above it, and no others', () => {
    const warned = points.map((point, i) => ({ ...point, warnings: [i < 6 ? 'late' : 'busy', `of ${i}`] }));
    expect(findKnee(warned, 10_000)?.warnings).toEqual(['late', 'of 4', 'of 5']);
    expect(findKnee(points, 10_000)?.warnings).toEqual([]);
  });

  it('is nowhere when no rate is served well', () => {
    expect(findKnee(points, 100)).toBeUndefined();
    expect(findKnee([], 100)).toBeUndefined();
  });
});

it('limits p99 to ten times the median of the lowest rate, and to no less than 10 ms', () => {
  expect(kneeLimitUs(points)).toBe(10_000);
  expect(kneeLimitUs([{ ...queuePoint(1000), p50Us: 30_000 }, ...points])).toBe(300_000);
});

describe('the next rate to try', () => {
  it('halves the gap above the knee', () => {
    expect(rateToTryNext(points, 10_000)).toBe(9450);
    // 9,450 is too much: the knee lies below.
    expect(rateToTryNext([...points, queuePoint(9450)], 10_000)).toBe(9225);
  });

  it('is below the lowest rate when that was too much', () => {
    expect(rateToTryNext(points, 100)).toBe(500);
  });

  it('is unknown when every rate was served well', () => {
    expect(rateToTryNext(points.slice(0, 3), 10_000)).toBeUndefined();
  });

  it('comes close to where the latency meets the limit', () => {
    const tried = [...points];
    for (let i = 0; i < 12; i++) tried.push(queuePoint(rateToTryNext(tried, 10_000) as number));
    // 600 us / (1 - load) = 10 ms at a load of 0.94.
    expect(findKnee(tried, 10_000)?.ratePerSecond).toBeCloseTo(9400, -1);
  });
});
