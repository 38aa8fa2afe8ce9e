/** Joining, with predictions and feedback in any order. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AcceptedEvent } from '../../src/events/event.ts';
import type { EventLog } from '../../src/events/event-log.ts';
import { feedbackType, predictionType, requestPartition } from '../../src/events/prediction-events.ts';
import type { BlockShape, RecordParts } from '../../src/events/prediction-events.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import type { LmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { openPredictionEvents } from '../../src/serving/open-prediction-log.ts';
import { joinPredictions } from '../../src/events/joined-predictions.ts';
import { predictionsOf, readJoined } from './read-joined.ts';

const shape: BlockShape = { fields: ['a'], hashed: [], outputs: ['y'], bindings: [], reads: [] };
const clock = { nowMs: () => 1000 };

let path: string;
let environment: LmdbEnvironment;
let log: EventLog;
beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), 'millrace-joined-'));
  environment = await openLmdbEnvironment({ path });
  log = await openPredictionEvents(environment, 4, clock);
});
afterEach(async () => {
  await log.close();
  await environment.close();
  rmSync(path, { recursive: true });
});

async function append(requestId: string, event: AcceptedEvent): Promise<void> {
  await log.append([{ event, partitions: [requestPartition(requestId, 4)] }]);
}

async function predicted(requestId: string, rowCount = 1): Promise<void> {
  const values = Array.from({ length: rowCount }, (_, row) => [row]);
  const record: RecordParts = [requestId, 5, null, 1, 1, values, values, null];
  const event = {
    id: `prediction ${requestId}`,
    type: predictionType,
    timeMs: 5,
    receivedMs: 5,
    values: ['e', 'v', 'm', '1', JSON.stringify(shape), 1, JSON.stringify(record)],
  };
  await append(requestId, event);
}

async function reported(requestId: string, id: string, row: number | null = null): Promise<void> {
  const values = [requestId, row, 'true', null, null];
  await append(requestId, { id, type: feedbackType, timeMs: 6, receivedMs: 6, values });
}

describe('joining', () => {
  it('finds feedback that was there before its prediction, and after it', async () => {
    await reported('r', 'before');
    await predicted('r');
    await reported('r', 'after');
    const [prediction] = predictionsOf(await readJoined(log));
    expect(prediction?.rows[0]?.feedback.map(({ id, label }) => [id, label])).toEqual([
      ['before', true],
      ['after', true],
    ]);
  });

  it('gives each row its own feedback, and that of the request as a whole', async () => {
    await predicted('r', 2);
    await reported('r', 'second', 1);
    await reported('r', 'whole');
    const [prediction] = predictionsOf(await readJoined(log));
    expect(prediction?.feedback.map(({ id }) => id)).toEqual(['second', 'whole']);
    const given = prediction?.rows.map(({ feedback }) => feedback.map(({ id }) => id));
    expect(given).toEqual([['whole'], ['second', 'whole']]);
  });

  it('tells of feedback for a request, or a row, that the log does not have', async () => {
    await predicted('r');
    await reported('r', 'third', 2);
    await reported('elsewhere', 'lost');
    const unmatched = (await readJoined(log)).flatMap((record) =>
      record.kind === 'unmatched' ? [`${record.reason} ${record.feedback.id}`] : [],
    );
    expect(unmatched.sort()).toEqual(['no_prediction lost', 'no_row third']);
  });

  it('tells after each read how far it is', async () => {
    const ids = Array.from({ length: 600 }, (_, i) => `r-${i}`);
    await Promise.all(ids.map((id) => predicted(id)));
    const told: [number, number][] = [];
    let found = 0;
    for await (const { kind } of joinPredictions(log, (...progress) => told.push(progress)))
      if (kind === 'prediction') found++;
    expect(found).toBe(600);
    const done = told.map(([count]) => count);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(told.every(([, total]) => total === 1200)).toBe(true);
    expect([told.length > 7, done.at(-1)]).toEqual([true, 1200]);
  });

  it('reads thousands of records, each once', async () => {
    const ids = Array.from({ length: 1500 }, (_, i) => `r-${i}`);
    await Promise.all(ids.flatMap((id) => [predicted(id), reported(id, `of ${id}`)]));
    const joined = predictionsOf(await readJoined(log));
    expect(joined.map(({ requestId }) => requestId).sort()).toEqual(ids.sort());
    for (const { requestId, rows } of joined)
      expect(rows[0]?.feedback.map(({ id }) => id)).toEqual([`of ${requestId}`]);
  });
});
