/** Events on their way through the outbox of a client to a real server. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { createClient } from '../../src/client/index.ts';
import type { Client, ClientOptions, OutboxStorage, RejectedEvent } from '../../src/client/index.ts';
import { startRestartable } from './restartable-server.ts';
import type { RestartableServer } from './restartable-server.ts';

const ENDED = { timeoutMs: 0 };
let shop: RestartableServer;
let lastUser = 0;

beforeAll(async () => {
  const limits = { body_bytes_max: '8kb' };
  shop = await startRestartable({ limits, streaming: { events_max: 40, event_bytes_max: '1kb' } });
});

afterAll(async () => shop.end());

interface Purchase {
  readonly type: 'purchase';
  readonly id?: string;
  readonly fields: { readonly user_id: number; readonly item: string; readonly price: number | string };
}

function purchases(user: number, count: number, price: number | string = 1): Purchase[] {
  return Array.from({ length: count }, (_, i) => ({
    type: 'purchase',
    fields: { user_id: user, item: `item ${i}`, price },
  }));
}

function connect(options: Partial<ClientOptions>): Client {
  const client = createClient({ url: shop.url, WebSocket, ...options });
  onTestFinished(async () => {
    await client.close(ENDED);
  });
  return client;
}

/** A storage that a later client finds, as a page finds that of its session. */
function keptText(): OutboxStorage & { text: string | null } {
  const kept = {
    text: null as string | null,
    load: () => kept.text,
    save(text: string): void {
      kept.text = text;
    },
  };
  return kept;
}

describe.each(['http', 'ws'] as const)('an outbox over %s', (transport) => {
  it('delivers what is put in, one by one or many at once', async () => {
    const user = ++lastUser;
    const client = connect({ transport });
    const [first, ...others] = purchases(user, 5) as [Purchase, ...Purchase[]];
    const [id] = await client.events.send(first);
    expect(id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(await client.events.send(others)).toHaveLength(4);
    await client.events.flush();
    expect(client.events.count).toBe(0);
    await expect.poll(async () => shop.purchasesOf(user)).toBe(5);
  });

  it('counts an event once that is sent twice with its id', async () => {
    const user = ++lastUser;
    const client = connect({ transport });
    const [one] = purchases(user, 1) as [Purchase];
    await client.events.send([{ ...one, id: `once ${user}` }]);
    await client.events.send([{ ...one, id: `once ${user}` }, ...purchases(user, 1)]);
    await client.events.flush();
    await expect.poll(async () => shop.purchasesOf(user)).toBe(2);
  });

  it('tells of each event that is refused, and delivers the others', async () => {
    const user = ++lastUser;
    const rejected: RejectedEvent[] = [];
    const client = connect({ transport, events: { onRejected: (event) => rejected.push(event) } });
    const [good, bad] = [purchases(user, 2), purchases(user, 1, 'free')];
    const large = { type: 'purchase', fields: { user_id: user, item: 'x'.repeat(2000), price: 1 } };
    const ids = await client.events.send([...good, ...bad, large, ...purchases(user, 1)]);
    await client.events.flush();
    expect(rejected.map(({ event, code, path }) => [event.id, code, path])).toEqual([
      [ids[2], 'INVALID_REQUEST', 'fields.price'],
      [ids[3], 'EVENT_TOO_LARGE', ''],
    ]);
    expect(rejected[0]).toMatchObject({ message: 'must be a number, not a string', event: bad[0] });
    await expect.poll(async () => shop.purchasesOf(user)).toBe(3);
  });

  it('tells of each event where all of many are refused', async () => {
    const user = ++lastUser;
    const rejected: RejectedEvent[] = [];
    const client = connect({ transport, events: { onRejected: (event) => rejected.push(event) } });
    const ids = await client.events.send([
      ...purchases(user, 30, 'free'),
      { type: 'sale', fields: { user_id: user } },
    ]);
    await client.events.flush();
    expect(rejected.map(({ event }) => event.id)).toEqual(ids);
    expect(rejected[29]).toMatchObject({ path: 'fields.price', message: 'must be a number, not a string' });
    expect(rejected[30]?.message).toContain('"sale" is unknown');
  });

  it('sends less at once where the server takes no more', async () => {
    const user = ++lastUser;
    const client = connect({ transport });
    // 40 events are what the server takes, and 8 KB.
    await client.events.send(purchases(user, 300));
    await client.events.flush();
    await expect.poll(async () => shop.purchasesOf(user)).toBe(300);
  });

  it('keeps events while the server is away', async () => {
    const user = ++lastUser;
    const client = connect({ transport, timeoutMs: 200, events: { retryMsMax: 50 } });
    await shop.stop();
    await client.events.send(purchases(user, 3));
    await expect.poll(() => client.events.lastError?.code).toMatch(/NETWORK|TIMEOUT/);
    await client.events.send(purchases(user, 3));
    expect(client.events.count).toBe(6);
    await shop.start();
    await client.events.flush();
    expect(client.events.lastError).toBeUndefined();
    await expect.poll(async () => shop.purchasesOf(user)).toBe(6);
  });

  it('leaves what was not sent to the next client with its storage', async () => {
    const user = ++lastUser;
    const storage = keptText();
    const nowhere = { transport, url: 'http://127.0.0.1:1', events: { storage } };
    const before = connect(nowhere);
    const ids = await before.events.send(purchases(user, 3));
    expect(await before.close(ENDED)).toEqual({ eventsLeft: 3 });
    expect(JSON.parse(storage.text ?? '')).toMatchObject(ids.map((id) => ({ id })));
    const after = connect({ transport, events: { storage } });
    const more = await after.events.send(purchases(user, 1));
    expect(more).toHaveLength(1);
    await after.events.flush();
    expect(await after.close()).toEqual({ eventsLeft: 0 });
    expect(storage.text).toBe('[]');
    await expect.poll(async () => shop.purchasesOf(user)).toBe(4);
  });
});

describe('an outbox', () => {
  it('takes no more than its limits, and none of a call that is too much', async () => {
    const client = connect({ url: 'http://127.0.0.1:1', events: { eventsMax: 3, bytesMax: 2000 } });
    await client.events.send(purchases(0, 2));
    const full = { code: 'OUTBOX_FULL' };
    await expect(client.events.send(purchases(0, 2))).rejects.toMatchObject(full);
    expect([client.events.count, client.events.isFull]).toEqual([2, false]);
    const long = { type: 'purchase', fields: { user_id: 0, item: 'x'.repeat(2000), price: 1 } };
    await expect(client.events.send(long)).rejects.toMatchObject(full);
    await client.events.send(purchases(0, 1));
    expect([client.events.count, client.events.isFull]).toEqual([3, true]);
  });

  it('refuses an event that no call could hold, and one that cannot be sent', async () => {
    const client = connect({ events: { batchBytesMax: 1000 } });
    const long = { type: 'purchase', fields: { user_id: 0, item: 'x'.repeat(2000), price: 1 } };
    await expect(client.events.send(long)).rejects.toMatchObject({ code: 'EVENT_TOO_LARGE' });
    await expect(client.events.send(purchases(0, 1, NaN))).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      details: [{ path: 'events[0].fields.price' }],
    });
    expect(client.events.count).toBe(0);
  });

  it('goes on when who is told of refused events throws', async () => {
    const user = ++lastUser;
    const thrown = new Promise((resolve) => process.once('uncaughtException', resolve));
    const onRejected = (): void => {
      throw new Error('not my day');
    };
    const client = connect({ events: { onRejected } });
    await client.events.send([...purchases(user, 1, 'free'), ...purchases(user, 2)]);
    await client.events.flush();
    expect(String(await thrown)).toBe('Error: not my day');
    await expect.poll(async () => shop.purchasesOf(user)).toBe(2);
  });

  it('sends what its storage does not take, and says so', async () => {
    const user = ++lastUser;
    const storage = {
      load: () => null,
      save(): never {
        throw new Error('the quota is used up');
      },
    };
    const client = connect({ events: { storage } });
    const sent = client.events.send(purchases(user, 1));
    await expect(sent).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await expect(sent).rejects.toThrow('the quota is used up');
    await client.events.flush();
    await expect.poll(async () => shop.purchasesOf(user)).toBe(1);
  });

  it('does not write over a storage that it cannot read', async () => {
    const user = ++lastUser;
    const storage = keptText();
    storage.text = '[{"id":';
    const client = connect({ events: { storage } });
    const sent = client.events.send(purchases(user, 1));
    await expect(sent).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await client.close();
    expect(storage.text).toBe('[{"id":');
    await expect.poll(async () => shop.purchasesOf(user)).toBe(1);
  });

  it('waits for its events when the client is closed, for as long as it may', async () => {
    const user = ++lastUser;
    const client = connect({});
    await client.events.send(purchases(user, 4));
    expect(await client.close()).toEqual({ eventsLeft: 0 });
    await expect.poll(async () => shop.purchasesOf(user)).toBe(4);
    const away = connect({ url: 'http://127.0.0.1:1' });
    await away.events.send(purchases(user, 4));
    const [flushed, closed] = await Promise.allSettled([away.events.flush(), away.close({ timeoutMs: 10 })]);
    expect(flushed).toMatchObject({ reason: { code: 'CLOSED' } });
    expect(closed).toMatchObject({ value: { eventsLeft: 4 } });
  });
});
