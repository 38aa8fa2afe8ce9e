import fc from 'fast-check';
import { expect, it } from 'vitest';
import { contingencyTest } from '../../src/stats/contingency-test.ts';
import { seededRandom } from '../../src/stats/seeded-random.ts';
import { uniformityTest } from '../../src/stats/kolmogorov-smirnov.ts';

it('agrees with the reference', () => {
  const { statistic, degreesOfFreedom, p, cramersV } = contingencyTest([
    [120, 90, 40],
    [110, 100, 60],
  ]);
  expect(statistic).toBeCloseTo(4.198077803203661, 12);
  expect(degreesOfFreedom).toBe(2);
  expect(p).toBeCloseTo(0.12257417750526642, 12);
  expect(cramersV).toBeCloseTo(0.08985113546651721, 12);
});

it('is the strongest where one arm decides the other', () => {
  expect(
    contingencyTest([
      [10, 0],
      [0, 20],
    ]),
  ).toMatchObject({ statistic: expect.closeTo(30, 12), cramersV: expect.closeTo(1, 12) });
});

it('measures strength against the most that so many arms allow', () => {
  const { statistic, cramersV } = contingencyTest([
    [20, 10, 10],
    [10, 20, 10],
    [10, 10, 20],
  ]);
  expect(statistic).toBeCloseTo(15, 10);
  expect(cramersV).toBeCloseTo(0.25, 12);
});

it('leaves out what nobody is in', () => {
  expect(
    contingencyTest([
      [10, 0, 3],
      [0, 0, 0],
      [4, 0, 9],
    ]),
  ).toEqual(
    contingencyTest([
      [10, 3],
      [4, 9],
    ]),
  );
  const nothing = { statistic: 0, degreesOfFreedom: 0, p: 1, cramersV: 0 };
  expect(contingencyTest([[5, 6]])).toEqual(nothing);
  expect(contingencyTest([])).toEqual(nothing);
});

it('is the same with rows and columns changed, within its bounds', () => {
  const row = fc.tuple(fc.nat(1000), fc.nat(1000));
  fc.assert(
    fc.property(row, row, ([a, b], [c, d]) => {
      const test = contingencyTest([
        [a, b],
        [c, d],
      ]);
      const turned = contingencyTest([
        [a, c],
        [b, d],
      ]);
      expect(turned.statistic).toBeCloseTo(test.statistic, 8);
      expect(test.p).toBeGreaterThanOrEqual(0);
      expect(test.p).toBeLessThanOrEqual(1);
      expect(test.cramersV).toBeGreaterThanOrEqual(0);
      expect(test.cramersV).toBeLessThanOrEqual(1);
    }),
  );
});

it('has evenly spread p values of independent assignments', () => {
  const random = seededRandom(13);
  const ps = Array.from({ length: 300 }, () => {
    const table = [
      [0, 0, 0],
      [0, 0, 0],
    ];
    for (let unit = 0; unit < 3000; unit++) {
      const cells = table[random() < 0.5 ? 0 : 1] as number[];
      const column = Math.floor(3 * random());
      cells[column] = (cells[column] as number) + 1;
    }
    return contingencyTest(table).p;
  });
  expect(uniformityTest(ps).p).toBeGreaterThan(0.01);
});

it('refuses what is no table of counts', () => {
  expect(() =>
    contingencyTest([
      [1, 2],
      [3, -4],
    ]),
  ).toThrow('count must be 0 or more');
  expect(() => contingencyTest([[1, 2], [3]])).toThrow(RangeError);
  expect(() =>
    contingencyTest([
      [1, 2],
      [3, 4, 5],
    ]),
  ).toThrow('columns of each row');
});
