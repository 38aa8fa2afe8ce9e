import { createMoments } from '../../src/stats/moments.ts';
import type { Moments } from '../../src/stats/moments.ts';

export function momentsOf(values: Iterable<number>): Moments {
  const accumulator = createMoments();
  for (const value of values) accumulator.add(value);
  return accumulator.moments();
}
