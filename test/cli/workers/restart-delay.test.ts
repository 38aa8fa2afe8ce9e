import { describe, expect, it } from 'vitest';
import { failuresInRow, restartDelayMs } from '../../../src/cli/workers/restart-delay.ts';

describe('the delay before a worker is started again', () => {
  it('doubles with each failure in a row, up to half a minute', () => {
    expect([1, 2, 3, 4].map(restartDelayMs)).toEqual([100, 200, 400, 800]);
    expect(restartDelayMs(10)).toBe(30_000);
    expect(restartDelayMs(5000)).toBe(30_000);
  });

  it('begins anew after a worker has served for a minute', () => {
    expect(failuresInRow(7, 59_999)).toBe(8);
    expect(failuresInRow(7, 60_000)).toBe(1);
  });
});
