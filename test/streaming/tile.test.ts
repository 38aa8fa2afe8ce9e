import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tileStartOf } from '../../src/streaming/tile.ts';

describe('the tile of a time', () => {
  it.each([
    [0, 0],
    [59_999, 0],
    [60_000, 60_000],
    [-1, -60_000],
    [-60_000, -60_000],
    [-60_001, -120_000],
  ])('that is %d starts at %d', (timeMs, startMs) => {
    expect(tileStartOf(timeMs, 60_000)).toBe(startMs);
  });

  it('holds the time, over the whole range of dates', () => {
    const anySize = fc.constantFrom(60_000, 300_000, 3_600_000, 86_400_000);
    fc.assert(
      fc.property(fc.integer({ min: -8.64e15, max: 8.64e15 }), anySize, (timeMs, tileMs) => {
        const startMs = tileStartOf(timeMs, tileMs);
        expect(startMs <= timeMs && timeMs < startMs + tileMs).toBe(true);
        expect(Math.abs(startMs % tileMs)).toBe(0);
      }),
    );
  });
});
