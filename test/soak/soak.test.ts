import { expect, it } from 'vitest';
import { runSoak } from './soak.ts';

const SECONDS = 60;

it('a soak of a minute loses nothing, answers nothing wrongly, and leaves nothing behind', async ({
  skip,
}) => {
  skip(process.platform !== 'linux', 'what processes hold is read from /proc, which only Linux has');
  const { faults, ...seen } = await runSoak({ seconds: SECONDS });
  expect(faults, JSON.stringify(seen)).toEqual([]);
  expect(seen.predictions).toBeGreaterThan(0);
  expect(seen.events).toBeGreaterThan(0);
  expect(Object.keys(seen.done)).toHaveLength(10);
}, 240_000);
