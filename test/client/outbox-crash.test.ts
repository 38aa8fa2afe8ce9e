/** A server that is killed while clients send events: every event is in its log, once, in the order of its client. */
import { expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createClient } from '../../src/client/index.ts';
import type { Client } from '../../src/client/index.ts';
import { shopServer } from '../cli/shop-server.ts';
import { freePort } from '../e2e/tour.ts';

const KILLS = 2;
const EVENTS = 1200;
const USERS = 5;
const shop = shopServer();

function idOf(name: string, i: number): string {
  return `${name} ${String(i).padStart(6, '0')}`;
}

/** A few at a time, without waiting for the server. */
async function sendAll(client: Client, name: string, onSent: (count: number) => void): Promise<void> {
  for (let i = 0; i < EVENTS; i += 4) {
    const events = Array.from({ length: 4 }, (_, k) => ({
      type: 'purchase',
      id: idOf(name, i + k),
      fields: { user_id: (i + k) % USERS, price: i + k },
    }));
    await client.events.send(events);
    onSent(events.length);
    if (i % 40 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await client.events.flush();
}

it('loses no event, and counts none twice', async () => {
  const port = await freePort();
  await shop.serve(['--port', String(port)]);
  const rejected: unknown[] = [];
  const events = {
    batchEventsMax: 16,
    retryMsMax: 200,
    onRejected: (event: unknown) => rejected.push(event),
  };
  const names = ['http', 'ws'] as const;
  const clients = names.map((transport) =>
    createClient({ url: `http://127.0.0.1:${port}`, transport, WebSocket, events, timeoutMs: 2000 }),
  );
  let sentCount = 0;
  const onSent = (count: number): void => {
    sentCount += count;
  };
  const sending = Promise.all(clients.map(async (client, i) => sendAll(client, names[i] as string, onSent)));
  const acknowledged = (): number => clients.reduce((sum, { events: { count } }) => sum - count, sentCount);
  for (let kills = 1; kills <= KILLS; kills++) {
    const killAt = (kills * EVENTS) / KILLS;
    await expect.poll(acknowledged, { timeout: 10_000, interval: 1 }).toBeGreaterThan(killAt);
    shop.running().child.kill('SIGKILL');
    await shop.running().finished;
    expect(acknowledged()).toBeLessThan(names.length * EVENTS);
    await shop.serve(['--port', String(port)]);
  }
  await sending;
  expect(rejected).toEqual([]);
  for (const client of clients) expect(await client.close()).toEqual({ eventsLeft: 0 });
  shop.running().child.kill('SIGTERM');
  await shop.running().finished;
  const ids = await shop.idsInLog();
  const sent = names.flatMap((name) => Array.from({ length: EVENTS }, (_, i) => idOf(name, i)));
  expect(ids.toSorted()).toEqual(sent);
  const ofUser = (name: string, user: number): string[] =>
    ids.filter((id) => id.startsWith(name) && Number(id.slice(-6)) % USERS === user);
  for (const name of names)
    for (let user = 0; user < USERS; user++)
      expect(ofUser(name, user)).toEqual(ofUser(name, user).toSorted());
}, 60_000);
