/** An address that leads to one server now and to another one later, as virtual IPs and load balancers do. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CachedStore } from '../../../src/features/cached-store.ts';
import { coherenceView as view } from './coherence-view.ts';
import { startRedis } from '../../redis/redis-server.ts';
import type { RedisServer } from '../../redis/redis-server.ts';
import { openStore } from './store-of.ts';
import { startSwitchProxy } from '../../redis/switch-proxy.ts';
import type { SwitchProxy } from '../../redis/switch-proxy.ts';

let first: RedisServer;
let second: RedisServer;
let writer: CachedStore;
let proxy: SwitchProxy;
let store: CachedStore;
beforeAll(async () => {
  [first, second] = await Promise.all([startRedis(), startRedis()]);
});
afterAll(async () => {
  await Promise.all([first.stop(), second.stop()]);
});
beforeEach(async () => {
  await Promise.all([first.command('FLUSHALL'), second.command('FLUSHALL')]);
  const old = await openStore(first.url, [view]);
  await old.write([{ view, key: 'a', row: [1, 7] }]);
  await old.close();
  writer = await openStore(second.url, [view]);
  await writer.write([{ view, key: 'a', row: [2, 8] }]);
});
afterEach(async () => {
  await Promise.all([store.close(), writer.close()]);
  proxy.close();
});

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await pause(10);
}

const read = async (): Promise<unknown> => (await store.read([{ view, key: 'a' }]))[0]?.[1];

/** Rows of the second server are in memory, and dropped when they change there. */
async function expectSecondIsFollowed(): Promise<void> {
  await until(async () => (await read()) === 8 && store.get(view, 'a') !== undefined);
  await writer.write([{ view, key: 'a', row: [3, 9] }]);
  await until(() => store.get(view, 'a') === undefined);
  expect(await read()).toBe(9);
}

describe('an address that leads to another server between two connections', () => {
  it('is connected to anew until changes are told by the server that is read from, at the start', async () => {
    proxy = await startSwitchProxy([first.port, second.port]);
    store = await openStore(proxy.url, [view]);
    await expectSecondIsFollowed();
  });

  it('is connected to anew until changes are told by the server that is read from, later', async () => {
    proxy = await startSwitchProxy([first.port]);
    store = await openStore(proxy.url, [view]);
    expect(await read()).toBe(7);
    proxy.targets = [first.port, second.port];
    proxy.cut();
    await expectSecondIsFollowed();
  });

  it('is given up with the reason when each connection leads to the other server', async () => {
    proxy = await startSwitchProxy(
      Array.from({ length: 100 }, (_, i) => [first, second][i % 2]?.port as number),
    );
    store = writer;
    await expect(openStore(proxy.url, [view])).rejects.toThrow('reached two different servers');
  });
});

describe('an address whose connections lead nowhere for a while', () => {
  it('is connected to anew, though nothing ends the connection that was made meanwhile', async () => {
    proxy = await startSwitchProxy([second.port]);
    store = await openStore(proxy.url, [view]);
    expect(await read()).toBe(8);
    const { count } = proxy;
    proxy.targets = [];
    proxy.cut();
    await until(() => proxy.count > count);
    proxy.targets = [second.port];
    await expectSecondIsFollowed();
  });
});
