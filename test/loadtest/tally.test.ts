import { expect, it } from 'vitest';
import { failedAnswer } from '../../src/loadtest/caller.ts';
import { Tally } from '../../src/loadtest/tally.ts';

it('keeps a bounded number of names, whatever codes a server thinks up', () => {
  const tally = new Tally(0, 1e6);
  for (let n = 0; n < 1000; n++) tally.failed(1, 2, failedAnswer(500, `E${n}`, 'x'));
  tally.failed(1, 2, failedAnswer(500, 'E0', 'x'));
  const { failures } = tally.figures().outcomes;
  expect(failures.length).toBeLessThan(100);
  expect(failures[0]).toEqual({ name: '500 E0', count: 2, example: 'x' });
  expect(failures.at(-1)?.name).toBe('others');
  expect(failures.reduce((sum, { count }) => sum + count, 0)).toBe(1001);
});
