import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { EventLog } from '../../src/events/event-log.ts';
import { feedbackType } from '../../src/events/prediction-events.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import type { LmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { createAwaitedFeedback } from '../../src/serving/feedback-follower.ts';
import { openPredictionEvents } from '../../src/serving/open-prediction-log.ts';

let dir: string;
let environment: LmdbEnvironment;
let log: EventLog;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-follower-'));
  environment = await openLmdbEnvironment({ path: dir });
  log = await openPredictionEvents(environment, 1, systemClock);
});

afterEach(async () => {
  await log.close();
  await environment.close();
  await rm(dir, { recursive: true });
});

async function click(...requestIds: readonly string[]): Promise<void> {
  const writes = requestIds.map((requestId) => {
    const values = [requestId, null, null, null, true];
    const event = { id: `click ${requestId}`, type: feedbackType, timeMs: 1, receivedMs: 1, values };
    return { event, partitions: [0] };
  });
  await log.append(writes);
}

describe('a follower of feedback', () => {
  it('tells at once all that has come since the last time, however much it is', async () => {
    const follower = createAwaitedFeedback().follow(log);
    const told: string[] = [];
    const ids = Array.from({ length: 3500 }, (_, i) => `r-${i}`);
    for (const id of ids) follower.expect(id, (field, value) => told.push(`${field} ${value} of ${id}`));
    await follower.poll();
    for (let at = 0; at < ids.length; at += 500) await click(...ids.slice(at, at + 500));
    await follower.poll();
    expect(told).toEqual(ids.map((id) => `click 1 of ${id}`));
    await follower.poll();
    expect(told).toHaveLength(ids.length);
  });

  it('tells nothing of what nobody waits for, nor of what came before', async () => {
    await click('before');
    const follower = createAwaitedFeedback().follow(log);
    const told: string[] = [];
    for (const id of ['before', 'mine']) follower.expect(id, () => told.push(id));
    await follower.poll();
    await click('other', 'mine');
    await follower.poll();
    expect(told).toEqual(['mine']);
  });
});
