import fc from 'fast-check';
import { expect, it } from 'vitest';
import { meanRanks } from '../../src/stats/mean-ranks.ts';

it('shares the mean rank among equal values', () => {
  expect([...meanRanks([3, 1, 1, 2])]).toEqual([4, 1.5, 1.5, 3]);
  expect([...meanRanks([])]).toEqual([]);
});

it('counts smaller values, and half of equal ones', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 })), (values) => {
      const counted = values.map((value) => {
        const smaller = values.filter((other) => other < value).length;
        const equal = values.filter((other) => other === value).length;
        return smaller + (equal + 1) / 2;
      });
      expect([...meanRanks(values)]).toEqual(counted);
    }),
  );
});
