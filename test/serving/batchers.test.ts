import { afterEach, expect, it } from 'vitest';
import { heavyProject } from '../../bench/heavy-project.ts';
import type { BatchCaller } from '../../src/inference/batcher.ts';
import { createBatchers } from '../../src/serving/batchers.ts';
import { compileProject, servedVersions } from '../../src/serving/compile-project.ts';
import type { ServedVariant } from '../../src/serving/compile-project.ts';

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

it('are busy while more than half of a queue is full, before a caller is refused', async () => {
  const made = await heavyProject({ batching: { rows_max: 1 }, queue_rows_max: 10 }, { model: 'slow' });
  cleanups.push(async () => made.remove());
  const { repository, variants } = await compileProject(made.project, servedVersions(made.project));
  cleanups.push(async () => repository.release());
  const batchers = createBatchers(made.parts, repository);
  const heavy = variants.find(({ endpoint }) => endpoint.name === 'heavy') as ServedVariant;
  const batcher = batchers.for(heavy, undefined);
  let answered = 0;
  const caller: BatchCaller = {
    fill: () => undefined,
    answer: () => answered++,
    isGone: () => false,
    fail: () => undefined,
  };
  expect(batchers.isBusy()).toBe(false);
  // One is run at once; the others wait.
  for (let n = 0; n < 8; n++) batcher.submit(caller, 1);
  expect(batchers.isBusy()).toBe(true);
  await batcher.drain();
  expect(answered).toBe(8);
  expect(batchers.isBusy()).toBe(false);
});
