/** A client of a server that wants keys. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createClient } from '../../src/client/index.ts';
import { madeKey } from '../access/scratch.ts';
import { startKeyedShop } from '../server/keyed-shop.ts';
import type { KeyedShop } from '../server/keyed-shop.ts';

const request = { rows: [{ user_id: 1, a: 2.5 }] };
let shop: KeyedShop;

beforeAll(async () => {
  shop = await startKeyedShop();
});

afterAll(async () => shop.stop());

describe.each([
  ['http', { status: 401 }],
  // A browser does not tell why a WebSocket was not opened; the package ws does.
  ['ws', { message: expect.stringContaining('401') as unknown }],
] as const)('a client over %s', (transport, refusal) => {
  it('is answered with its key', async () => {
    const key = await shop.key();
    const client = createClient({ url: shop.server.url, transport, key, WebSocket });
    expect(await client.predict('m', request)).toMatchObject({ predictions: [{ y: [2.5, 0] }] });
    await client.events.send({ type: 'purchase', fields: { user_id: 1, item: 'a', price: 1 } });
    await client.events.flush();
    expect(await client.close()).toEqual({ eventsLeft: 0 });
  });

  it('is refused with another one, and told so', async () => {
    const key = madeKey().text;
    const client = createClient({ url: shop.server.url, transport, key, WebSocket, timeoutMs: 500 });
    const asked = client.predict('m', request);
    await expect(asked).rejects.toMatchObject(refusal);
    await client.close();
  });
});
