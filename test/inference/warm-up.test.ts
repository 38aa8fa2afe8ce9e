import { expect, it } from 'vitest';
import { openSession } from '../../src/inference/session.ts';
import type { ModelSession } from '../../src/inference/session.ts';
import { warmUp } from '../../src/inference/warm-up.ts';
import { modelPath } from './model-case.ts';

async function withSession<T>(name: string, use: (session: ModelSession) => Promise<T>): Promise<T> {
  const session = await openSession(modelPath(`${name}.onnx`));
  try {
    return await use(session);
  } finally {
    await session.release();
  }
}

it('finds the widths that a model leaves open', async () => {
  const found = await withSession('symbolic_width', (session) =>
    warmUp(session, { widths: [5], rowsMax: 16 }),
  );
  expect(found.outputWidths).toEqual([1, 5]);
  expect(found.warning).toBeUndefined();
});

it('feeds neutral rows of every element type', async () => {
  const found = await withSession('mixed', (session) =>
    warmUp(session, { widths: [3, 1, 1, 1, 2], rowsMax: 4 }),
  );
  expect(found).toMatchObject({ outputWidths: [1, 1, 1, 1, 2], warning: undefined });
});

it('measures a run of one row and of a full batch', async () => {
  const found = await withSession('slow', (session) => warmUp(session, { widths: [1], rowsMax: 16 }));
  expect(found.runMs?.oneRow).toBeGreaterThan(0.5);
  expect(found.runMs?.fullBatch).toBeGreaterThan(0.5);
});

it('runs a model with a batch of 1 with one row', async () => {
  const found = await withSession('fixed_batch_1', (session) =>
    warmUp(session, { widths: [2], rowsMax: 256 }),
  );
  expect(found).toMatchObject({ outputWidths: [2], warning: undefined });
});

it('only warns when the model rejects rows of zeros', async () => {
  const found = await withSession('rejects_zeros', (session) => warmUp(session, { widths: [1], rowsMax: 4 }));
  expect(found.runMs).toBeUndefined();
  expect(found.outputWidths).toEqual([1]);
  expect(found.warning).toMatch(
    /rejects rows of zeros \(.*idx=-100.*\)\. If that is as it should be, set `warmup: false`/s,
  );
});

it.each([
  ['ignores_batch', 'the output "y" has the shape [1, 2] for a batch of 8'],
  ['rows_of_its_own', 'the output "positions" has the shape [0, 2] for a batch of 1'],
])('refuses a model whose output does not tell the rows apart: %s', async (name, sentence) => {
  const refused = withSession(name, (session) => warmUp(session, { widths: [2], rowsMax: 8 }));
  await expect(refused).rejects.toMatchObject({
    code: 'INVALID_MODEL',
    message: expect.stringContaining(sentence),
  });
});
