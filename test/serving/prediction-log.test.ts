/** The prediction log behind the plans of the demo, with answers that are taken in this process. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { openStore } from '../../src/features/open-store.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import type { PredictionLogSettings } from '../../src/project/project.ts';
import { openPredictionLog } from '../../src/serving/open-prediction-log.ts';
import type { OpenPredictionLog } from '../../src/serving/open-prediction-log.ts';
import type { QueueLimits } from '../../src/serving/prediction-log.ts';
import { openServing } from '../../src/serving/serving.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { demoProject, goodFlight } from '../e2e/demo-server.ts';
import { predictionsOf, readJoined, readJoinedIn } from '../events/read-joined.ts';
import { holdLock } from '../lmdb/hold-lock.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Opened {
  readonly path: string;
  readonly predictions: OpenPredictionLog;
  /** Resolves when it is answered. */
  predict(requestId: string, rowCount?: number): Promise<void>;
  counts(): Promise<Record<string, number>>;
  close(): Promise<void>;
}

async function open(log: Partial<PredictionLogSettings>, limits: Partial<QueueLimits> = {}): Promise<Opened> {
  const project = await demoProject({ rowsMax: 20_000 }, { sample: 1, ...log });
  const path = await mkdtemp(join(tmpdir(), 'millrace-prediction-log-'));
  const environment = await openLmdbEnvironment({ path });
  const [metrics, logger] = [createMetrics(), createLog('silent')];
  const shared = { metrics, log: logger, isWarmed: false };
  const store = await openStore(project, { dataDir: path, environment, redis: undefined }, shared);
  const predictions = await openPredictionLog(environment, {
    project,
    metrics,
    clock: systemClock,
    logger,
    limits,
  });
  const serving = await openServing({
    project,
    store,
    metrics,
    clock: systemClock,
    log: logger,
    predictionLog: predictions,
  });
  let closing: Promise<void> | undefined;
  const closeAll = async (): Promise<void> => {
    await serving.close();
    await predictions.close();
    await store.close();
    await environment.close();
  };
  const close = async (): Promise<void> => (closing ??= closeAll());
  cleanups.push(async () => rm(path, { recursive: true }), close);
  const endpoint = serving.endpoints.get('flight-delay');
  return {
    path,
    predictions,
    close,
    predict: async (requestId, rowCount = 1) =>
      new Promise((resolve, reject) => {
        const request = endpoint?.decode({ rows: Array.from({ length: rowCount }, () => goodFlight) });
        const sink = { requestId, isDone: false, answer: () => resolve(), fail: reject };
        if (request !== undefined) endpoint?.predict(request, sink);
      }),
    async counts() {
      const text = await metrics.render();
      const line =
        /^millrace_prediction_log_(written|dropped)_total\{endpoint="flight-delay"(?:,reason="(\w+)")?\} (\d+)$/gm;
      return Object.fromEntries(
        [...text.matchAll(line)].map(([, what = '', reason = what, count]) => [reason, Number(count)]),
      );
    },
  };
}

const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `request-${i}`);

it('answers at once while the log stalls, counts what it cannot keep, and writes the rest later', async () => {
  const bytesMax = 20_000;
  const opened = await open({}, { bytesMax });
  const release = await holdLock(opened.path);
  cleanups.push(release);
  const all = ids(2000);
  for (const id of all) await opened.predict(id);
  await expect.poll(async () => (await opened.counts())['full']).toBeGreaterThan(0);
  expect(await opened.counts()).toMatchObject({ written: 0, failed: 0 });
  await release();
  await opened.close();
  const { written = 0, full = 0, ...others } = await opened.counts();
  expect(others).toEqual({ failed: 0, too_large: 0 });
  expect(written + full).toBe(all.length);
  const logged = predictionsOf(await readJoinedIn(opened.path)).map(({ requestId }) => requestId);
  expect(logged.length).toBe(written);
  expect(new Set(logged).size).toBe(written);
});

it('bounds what waits to be written as text, in requests and in values', async () => {
  for (const limits of [{ requestsMax: 3 }, { valuesMax: 30 * 6 - 5 }]) {
    const opened = await open({}, limits);
    // One run of the model, so they are answered in one turn, in which nothing is written yet.
    await Promise.all(ids(20).map(async (id) => opened.predict(id, 10)));
    await opened.close();
    expect(await opened.counts()).toMatchObject({ written: 3, full: 17 });
  }
});

it('counts what could not be appended, and answers on', async () => {
  const opened = await open({});
  await opened.predictions.log.close();
  await opened.predict('a');
  await expect.poll(async () => (await opened.counts())['failed']).toBe(1);
  await opened.predict('b', 3);
  await expect.poll(async () => (await opened.counts())['failed']).toBe(2);
});

it('counts a request that is too large for the log, and keeps the others', async () => {
  const opened = await open({ featuresSample: 1 });
  await Promise.all([opened.predict('large', 1000), opened.predict('small')]);
  const all = await readAfterClose(opened);
  expect(all).toEqual(['large', 'small']);
  const tooLarge = await open({ featuresSample: 1 });
  for (let i = 0; i < 3; i++) await tooLarge.predict(`large-${i}`, 10_000);
  await tooLarge.predict('small');
  expect(await readAfterClose(tooLarge)).toEqual(['small']);
  expect(await tooLarge.counts()).toMatchObject({ too_large: 3, written: 1 });
});

async function readAfterClose(opened: Opened): Promise<string[]> {
  await opened.close();
  return predictionsOf(await readJoinedIn(opened.path))
    .map(({ requestId }) => requestId)
    .sort();
}

it('logs the same requests at every start, as many as the sample says', async () => {
  const logged: string[][] = [];
  const withFeatures: string[][] = [];
  for (let start = 0; start < 2; start++) {
    const opened = await open({ sample: 0.25, featuresSample: 0.5 });
    for (const id of ids(1000)) await opened.predict(id);
    await opened.close();
    const predictions = predictionsOf(await readJoinedIn(opened.path));
    const idsOf = (kept: typeof predictions): string[] => kept.map(({ requestId }) => requestId).sort();
    logged.push(idsOf(predictions));
    withFeatures.push(idsOf(predictions.filter(({ rows: [row] }) => row?.features !== undefined)));
  }
  expect(logged[1]).toEqual(logged[0]);
  expect(withFeatures[1]).toEqual(withFeatures[0]);
  expect(logged[0]?.length).toBeGreaterThan(200);
  expect(logged[0]?.length).toBeLessThan(300);
  expect(withFeatures[0]?.length).toBeGreaterThan(80);
  expect(withFeatures[0]?.length).toBeLessThan(170);
});

it('writes what was answered within a moment as few events, in the partitions of the request ids', async () => {
  const opened = await open({});
  await Promise.all(ids(200).map(async (id) => opened.predict(id)));
  await expect.poll(async () => (await opened.counts())['written']).toBe(200);
  const sizes = await opened.predictions.log.sizes();
  expect(sizes.map(({ nextOffset }) => nextOffset)).toEqual(sizes.map(() => 1));
  expect(predictionsOf(await readJoined(opened.predictions.log)).length).toBe(200);
});
