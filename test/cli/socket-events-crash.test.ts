/** Servers that are killed while they take events over WebSockets: whatever they have acknowledged is in the log, once. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pack, unpack } from 'msgpackr';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { systemClock } from '../../src/clock.ts';
import { openLmdbEventLog } from '../../src/events/lmdb-event-log.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { loadProject } from '../../src/project/read-project.ts';
import { purchase, writeShopProject } from '../server/shop-project.ts';
import { start } from './process.ts';
import type { Running } from './process.ts';

const ROUNDS = 4;
const SOCKETS = 4;
const CALLS_IN_FLIGHT = 8;
const USER = 7;

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-socket-crash-'));
  await writeShopProject(dir);
});
afterAll(async () => rm(dir, { recursive: true }));

async function serve(): Promise<{ running: Running; port: string }> {
  const data = ['--project', dir, '--data', join(dir, 'data'), '--port', '0'];
  const running = start(['serve', ...data]);
  const port = (await running.printed(/"port":(\d+)/))[1] as string;
  await running.printed(/"msg":"ready"/);
  return { running, port };
}

interface Answer {
  readonly id: string;
  readonly events?: readonly { readonly status: string; readonly id: string }[];
}

/** Sends events, some in each message, until the socket ends; tells the ids of those that were accepted. */
async function sendForever(port: string, name: string, onAccepted: (ids: string[]) => void): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`);
  let calls = 0;
  const send = (): void => {
    const id = `${name}/${calls++}`;
    const events = ['a', 'b', 'c'].map((event) => purchase(`${id}/${event}`, USER, 1));
    socket.send(calls % 2 === 0 ? pack({ id, events }) : JSON.stringify({ id, events }));
  };
  socket.on('open', () => {
    for (let i = 0; i < CALLS_IN_FLIGHT; i++) send();
  });
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    const { events = [] } = (isBinary ? unpack(data) : JSON.parse(data.toString())) as Answer;
    onAccepted(events.filter(({ status }) => status === 'accepted').map(({ id }) => id));
    send();
  });
  socket.on('error', () => undefined);
  await new Promise((ended) => socket.once('close', ended));
}

/** The ids of all events of the log. */
async function logged(): Promise<string[]> {
  const { eventTypes: types, streaming } = await loadProject(dir);
  const environment = await openLmdbEnvironment({ path: join(dir, 'data') });
  const parts = { environment, types, partitionCount: streaming.partitions, clock: systemClock };
  const log = await openLmdbEventLog(parts);
  const ids: string[] = [];
  for (let partition = 0; partition < log.partitionCount; partition++) {
    const { records } = await log.read(partition, 0, { recordsMax: 1e9, bytesMax: 1e12 });
    ids.push(...records.map(({ event }) => event?.id ?? 'unreadable'));
  }
  await log.close();
  await environment.close();
  return ids;
}

it('loses nothing that a killed server has acknowledged, and counts nothing twice', async () => {
  const acknowledged: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const { running, port } = await serve();
    const killAt = acknowledged.length + 1 + Math.floor(Math.random() * 1500);
    const onAccepted = (ids: readonly string[]): void => {
      acknowledged.push(...ids);
      if (acknowledged.length >= killAt) running.child.kill('SIGKILL');
    };
    const sockets = Array.from({ length: SOCKETS }, async (_, i) =>
      sendForever(port, `${round}/${i}`, onAccepted),
    );
    await Promise.all(sockets);
    expect((await running.finished).signal).toBe('SIGKILL');
  }
  const ids = await logged();
  expect(new Set(ids).size).toBe(ids.length);
  const there = new Set(ids);
  expect(acknowledged.filter((id) => !there.has(id))).toEqual([]);
  const { running, port } = await serve();
  const purchases = async (): Promise<unknown> => {
    const reply = await fetch(`http://127.0.0.1:${port}/get-online-features`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ features: ['activity:purchases_1h'], entities: { user_id: [USER] } }),
    });
    return ((await reply.json()) as { results: { values: unknown[] }[] }).results[1]?.values[0];
  };
  await expect.poll(purchases, { timeout: 10_000 }).toBe(ids.length);
  running.child.kill('SIGTERM');
  expect((await running.finished).code).toBe(0);
}, 60_000);
