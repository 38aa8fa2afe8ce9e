import { expect, it } from 'vitest';
import { partitionOf } from '../../src/events/partition.ts';

it('spreads keys evenly over any number of partitions', () => {
  for (const count of [1, 2, 3, 8, 100]) {
    const sizes = new Array<number>(count).fill(0);
    for (let i = 0; i < 1000 * count; i++) {
      const partition = partitionOf(['airport', `key-${i}`], count);
      sizes[partition] = (sizes[partition] ?? 0) + 1;
    }
    expect(Math.min(...sizes)).toBeGreaterThan(850);
    expect(Math.max(...sizes)).toBeLessThan(1150);
  }
});

it('tells apart where one part ends and the next begins', () => {
  const partitions = [['ab', 'c'], ['a', 'bc'], ['abc'], ['abc', '']].map((parts) =>
    partitionOf(parts, 65_536),
  );
  expect(new Set(partitions).size).toBe(4);
});

it('never changes, for it says where the events of a key are', () => {
  expect(partitionOf(['airport', 'JFK'], 8)).toBe(6);
  expect(partitionOf(['overall', ''], 8)).toBe(0);
});
