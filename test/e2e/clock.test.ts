/** A server whose clock is put back: events keep their order, none is lost, and nothing is younger than new. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EventLog } from '../../src/events/event-log.ts';
import { openLmdbEventLog } from '../../src/events/lmdb-event-log.ts';
import { openLmdbSetAsideLog } from '../../src/events/lmdb-set-aside-log.ts';
import type { SetAsideLog } from '../../src/events/set-aside-log.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { loadProject } from '../../src/project/read-project.ts';
import { createServer } from '../../src/server/server.ts';
import type { Server } from '../../src/server/server.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { call, demoDir, goodFlight, predict } from './demo-server.ts';

const MINUTE_MS = 60_000;
const project = `project: shop
entities:
  user: { keys: { user_id: int64 } }
events:
  purchase: { fields: { user_id: int64, item: string } }
feature_views:
  activity:
    entity: user
    stream: { event: purchase, keys: { user_id: user_id } }
    features:
      purchases_24h: { count: true, window: 24h }
      last_item: { last: item, window: 24h }
`;

let dir: string;
let server: Server;
let nowMs: number;
const clock = { nowMs: () => nowMs };
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-clock-'));
  nowMs = Date.parse('2001-03-09T14:40:00Z');
});
afterEach(async () => {
  await server.close();
  await rm(dir, { recursive: true });
});

async function open(projectDir: string): Promise<void> {
  const options = { dataDir: join(dir, 'data'), port: 0, log: createLog('silent'), clock };
  server = await createServer(await loadProject(projectDir), options);
}

/** @returns the id that the event was given */
async function buy(item: string): Promise<string> {
  const body = JSON.stringify({ type: 'purchase', fields: { user_id: 1, item } });
  const { status, json } = await call(server, '/v1/events', { body });
  expect([status, json['events']]).toMatchObject([202, [{ status: 'accepted' }]]);
  return (json['events'] as [{ readonly id: string }])[0].id;
}

async function features(): Promise<unknown[]> {
  const names = ['activity:purchases_24h', 'activity:last_item'];
  const body = JSON.stringify({ features: names, entities: { user_id: [1] } });
  const { json } = await call(server, '/get-online-features', { body });
  const results = json['results'] as readonly { readonly values: readonly unknown[] }[];
  return results.slice(1).map(({ values }) => values[0]);
}

async function tooLate(): Promise<string[]> {
  const { text } = await call(server, '/metrics');
  return text
    .split('\n')
    .filter((line) => line.startsWith('millrace_applied_events_total{outcome="too_late"}'));
}

interface OpenLogs {
  readonly log: EventLog;
  readonly corrections: SetAsideLog;
  close(): Promise<void>;
}

describe('a clock that is put back', () => {
  it('changes nothing about the order of events, their ids, and that all of them count', async () => {
    await writeFile(join(dir, 'millrace.yaml'), project);
    await open(dir);
    const startMs = nowMs;
    const ids = [await buy('a'), await buy('b')];
    nowMs -= 35 * MINUTE_MS;
    ids.push(await buy('c'), await buy('d'));
    nowMs = startMs + MINUTE_MS;
    ids.push(await buy('e'));
    await expect.poll(features).toEqual([5, 'e']);
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids).size).toBe(5);
    await server.close();
    const opened = await openLogs();
    const { log } = opened;
    const sizes = await log.sizes();
    const partition = sizes.findIndex(({ nextOffset }) => nextOffset > 0);
    const { records } = await log.read(partition, 0, { recordsMax: 10, bytesMax: 1e6 });
    expect(records.map(({ event }) => event?.id)).toEqual(ids);
    expect(records.map(({ event }) => event?.values[1])).toEqual(['a', 'b', 'c', 'd', 'e']);
    // Retention goes by these times: one that lies before that of an earlier event would be dropped before it.
    expect(await log.offsetAt(partition, startMs)).toBe(0);
    expect(await log.offsetAt(partition, startMs + 1)).toBe(4);
    await opened.close();
  });

  it('by more than the allowed lateness sets events without a time aside, and says why, until it has caught up', async () => {
    await writeFile(join(dir, 'millrace.yaml'), project);
    await open(dir);
    const startMs = nowMs;
    await buy('a');
    await expect.poll(features).toEqual([1, 'a']);
    nowMs -= 3 * 60 * MINUTE_MS;
    const id = await buy('b');
    await expect.poll(tooLate).toEqual(['millrace_applied_events_total{outcome="too_late"} 1']);
    nowMs = startMs + MINUTE_MS;
    await buy('c');
    await expect.poll(features).toEqual([2, 'c']);
    await server.close();
    const opened = await openLogs();
    expect(await opened.corrections.list(0, 10)).toMatchObject([
      { event: { id }, reason: expect.stringContaining('older than the latest event') },
    ]);
    await opened.close();
  });

  it('gives no row a negative age', async () => {
    await open(demoDir);
    const { flight_id, origin, destination, distance } = goodFlight;
    const fields = { flight_id, origin, destination, distance, scheduled: nowMs, delay: 12 };
    const body = JSON.stringify({ type: 'departure', fields });
    expect((await call(server, '/v1/events', { body })).status).toBe(202);
    const ages = async (): Promise<unknown[]> => {
      const request = { rows: [goodFlight], trace: true };
      const { json } = await predict(server, 'flight-delay', request);
      const { rows } = json['trace'] as { rows: [{ features: Record<string, { age_ms: unknown }> }] };
      return Object.values(rows[0].features).map((view) => view.age_ms);
    };
    nowMs += 5000;
    await expect.poll(ages).toContain(5000);
    nowMs -= 20 * MINUTE_MS;
    expect(await ages()).toContain(0);
  });
});

async function openLogs(): Promise<OpenLogs> {
  const { eventTypes: types, streaming } = await loadProject(dir);
  const environment = await openLmdbEnvironment({ path: join(dir, 'data') });
  const log = await openLmdbEventLog({ environment, types, partitionCount: streaming.partitions, clock });
  const corrections = openLmdbSetAsideLog(environment, 'corrections', log.codec);
  return { log, corrections, close: async () => environment.close() };
}
