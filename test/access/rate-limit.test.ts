import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRateLimit } from '../../src/access/rate-limit.ts';

describe('a rate limit', () => {
  it('lets a burst through at once, and then tells how long to wait', () => {
    const take = createRateLimit({ perSecond: 10, burst: 3 }, 1);
    expect([take(0), take(0), take(0), take(0)]).toEqual([undefined, undefined, undefined, 100]);
  });

  it('allows a call after the time that it told', () => {
    const take = createRateLimit({ perSecond: 4, burst: 1 }, 1);
    take(1000);
    expect(take(1100)).toBe(150);
    expect(take(1250)).toBeUndefined();
  });

  it('does not gather more than a burst in a pause', () => {
    const take = createRateLimit({ perSecond: 100, burst: 2 }, 1);
    take(0);
    expect([take(60_000), take(60_000), take(60_000)]).toEqual([undefined, undefined, 10]);
  });

  it('is not filled by a clock that goes back', () => {
    const take = createRateLimit({ perSecond: 1000, burst: 1 }, 1);
    take(5000);
    expect(take(1000)).toBe(1);
    expect(take(5000)).toBe(1);
  });

  it('gives each of four processes a quarter, and never nothing', () => {
    const take = createRateLimit({ perSecond: 4, burst: 1 }, 1 / 4);
    expect([take(0), take(0), take(500), take(1000)]).toEqual([undefined, 1000, 500, undefined]);
  });

  it('never allows more calls than the burst and the rate together', () => {
    const calls = fc.array(fc.nat(50), { minLength: 1, maxLength: 300 });
    const limits = fc.record({
      perSecond: fc.integer({ min: 1, max: 500 }),
      burst: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(limits, calls, (limit, gapsMs) => {
        const take = createRateLimit(limit, 1);
        let nowMs = 0;
        let allowed = 0;
        for (const gapMs of gapsMs) {
          nowMs += gapMs;
          if (take(nowMs) === undefined) allowed++;
        }
        expect(allowed).toBeLessThanOrEqual(limit.burst + (nowMs * limit.perSecond) / 1000 + 1e-6);
      }),
    );
  });
});
