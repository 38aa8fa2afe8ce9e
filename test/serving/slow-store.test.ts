/** Predictions over a store that has to wait for its rows, as one behind a network does: LMDB, asked through `read`. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { openLmdbStoreAlone } from '../../src/features/lmdb-store.ts';
import type { OnlineStore } from '../../src/features/online-store.ts';
import type { FeatureView } from '../../src/project/project.ts';
import { openServing } from '../../src/serving/serving.ts';
import type { Answer } from '../../src/serving/answer.ts';
import type { Serving } from '../../src/serving/serving.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { projectOfModel } from '../server/project-of-model.ts';

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Keys of each `read`, in order. */
async function serve(): Promise<{ serving: Serving; reads: string[][] }> {
  const made = await projectOfModel({
    model: 'identity_float32',
    request: { a: 'float64' },
    inputs: { x: ['request.a', 'u.facts.score ?? -1'] },
  });
  const { project } = made;
  const path = await mkdtemp(join(tmpdir(), 'millrace-slow-'));
  const lmdb = await openLmdbStoreAlone({ path, views: project.featureViews.values() });
  const view = project.featureViews.get('facts') as FeatureView;
  await lmdb.write(['x', 'y'].map((key, i) => ({ view, key, row: [1, 10 + i] as const })));
  const reads: string[][] = [];
  const store: OnlineStore = {
    ...lmdb,
    // Memory knows x, and has to ask for all others.
    get: (of, key) => (key === 'x' ? lmdb.get(of, key) : undefined),
    read: async (keys) => {
      reads.push(keys.map(({ key }) => key));
      return lmdb.read(keys);
    },
  };
  const serving = await openServing({
    project,
    store,
    metrics: createMetrics(),
    clock: systemClock,
    log: createLog('silent'),
  });
  cleanups.push(
    () => made.remove(),
    async () => rm(path, { recursive: true, force: true }),
    () => lmdb.close(),
    () => serving.close(),
  );
  return { serving, reads };
}

function textOf(answer: Answer): string {
  return answer.plan.jsonAnswer(answer, 'r', '');
}

async function predict(serving: Serving, body: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const endpoint = serving.endpoints.get('m');
    endpoint?.predict(endpoint.decode(body), {
      requestId: 'r',
      isDone: false,
      answer: (answer) => resolve((JSON.parse(textOf(answer)) as { predictions: unknown }).predictions),
      fail: reject,
    });
  });
}

it('reads what memory lacks in one go, each key once, and gives every row its own', async () => {
  const { serving, reads } = await serve();
  const ids = ['y', 'x', 'y', 'nobody', 'x', 'nobody'];
  const predictions = await predict(serving, { rows: ids.map((id, a) => ({ id, a })) });
  expect(predictions).toEqual([
    { y: [0, 11] },
    { y: [1, 10] },
    { y: [2, 11] },
    { y: [3, -1] },
    { y: [4, 10] },
    { y: [5, -1] },
  ]);
  expect(reads).toEqual([['y', 'nobody']]);
});

it('does not read when memory has all', async () => {
  const { serving, reads } = await serve();
  expect(await predict(serving, { rows: [{ id: 'x', a: 0 }] })).toEqual([{ y: [0, 10] }]);
  expect(reads).toEqual([]);
});

it('shows misses in the trace as they were read', async () => {
  const { serving } = await serve();
  const text = await new Promise<string>((resolve, reject) => {
    const sink = {
      requestId: 'r',
      isDone: false,
      answer: (answer: Answer) => resolve(textOf(answer)),
      fail: reject,
    };
    const endpoint = serving.endpoints.get('m');
    const rows = [
      { id: 'y', a: 0 },
      { id: 'no', a: 0 },
    ];
    endpoint?.predict(endpoint.decode({ rows, trace: true }), sink);
  });
  const { trace } = JSON.parse(text) as {
    trace: { rows: { features: Record<string, { status: string }> }[] };
  };
  expect(trace.rows.map(({ features }) => features['u.facts']?.status)).toEqual(['PRESENT', 'NOT_FOUND']);
});
