/**
 * Several processes, each with a cache, on one Redis: after the last write all of them serve what it wrote, whatever was
 * delayed or cut meanwhile. Their backstop, the age after which a row is read again, is an hour here.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { CachedStore } from '../../../src/features/cached-store.ts';
import type { Row } from '../../../src/features/online-store.ts';
import { coherenceView as view } from './coherence-view.ts';
import { startCluster, startRedis } from '../../redis/redis-server.ts';
import type { RedisCluster, RedisServer } from '../../redis/redis-server.ts';
import { startSlowProxy } from '../../redis/slow-proxy.ts';
import type { SlowProxy } from '../../redis/slow-proxy.ts';
import { openStore } from './store-of.ts';
import { writeToVisibleMs } from './write-to-visible.ts';

const KEYS = 40;
const ROUNDS = 3;
/** Named where a test fails. */
const seed = Date.now() % 1e6;
const keys = Array.from({ length: KEYS }, (_, i) => `k${i}`);

let server: RedisServer;
let cluster: RedisCluster;
let peers: ChildProcess[] = [];
beforeAll(async () => {
  [server, cluster] = await Promise.all([startRedis(), startCluster()]);
}, 60_000);
afterEach(() => {
  for (const peer of peers) peer.kill('SIGKILL');
  peers = [];
});
afterAll(async () => {
  await Promise.all([server.stop(), cluster.stop()]);
});

async function startPeer(url: string): Promise<ChildProcess> {
  const args = [url, String(KEYS), String(seed + peers.length)];
  const peer = fork('test/features/redis/coherence-peer.ts', args, {
    execArgv: ['--import', 'tsx'],
  });
  peers.push(peer);
  await once(peer, 'message');
  return peer;
}

interface Report {
  readonly served: number;
  /** Of those, from memory. */
  readonly hits: number;
  readonly rows: (Row | null | 'unknown')[];
}

async function tell(peer: ChildProcess, type: string): Promise<Report> {
  const answer = once(peer, 'message');
  peer.send({ type });
  return (await answer)[0] as Report;
}

/** A row that could not be read must not pass for one that is not there. */
const certainView = { ...view, onUnavailable: 'error' as const };

async function truthfully(truth: CachedStore): Promise<(Row | null)[]> {
  for (;;) {
    try {
      return await truth.read(keys.map((key) => ({ view: certainView, key })));
    } catch {
      // Its connections are killed as those of all others are.
      await pause(20);
    }
  }
}

/** Asks until everybody has in memory what is true, or nearly all of it: what is wrong for good stays wrong. */
async function untilCoherent(truth: CachedStore): Promise<void> {
  const rows = await truthfully(truth);
  const wrong = async (): Promise<unknown[]> => {
    const reports = await Promise.all(peers.map(async (peer) => tell(peer, 'look')));
    return reports.flatMap((report) => {
      const unknown = report.rows.filter((row) => row === 'unknown').length;
      const isForgetful = unknown > KEYS / 10 ? [{ unknown }] : [];
      const untrue = report.rows.flatMap((row, i) =>
        row === 'unknown' || row?.[1] === rows[i]?.[1] ? [] : [{ key: keys[i], row, truth: rows[i] }],
      );
      return [...isForgetful, ...untrue];
    });
  };
  const endMs = performance.now() + 8000;
  let last = await wrong();
  while (performance.now() < endMs && last.length > 0) {
    await pause(20);
    last = await wrong();
  }
  expect(last, `seed ${seed}`).toEqual([]);
}

/** Lets the peers read and write at random, disturbs them, and looks what they serve afterwards; how much of it was from memory. */
async function disturb(truthUrl: string, disturbance: (round: number) => unknown): Promise<number> {
  const truth = await openStore(truthUrl, [certainView], { entriesMax: 0 });
  let served = 0;
  let hits = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all(peers.map(async (peer) => tell(peer, 'run')));
    for (let step = 0; step < 4; step++) {
      await pause(60);
      await disturbance(round);
    }
    const reports = await Promise.all(peers.map(async (peer) => tell(peer, 'rest')));
    await untilCoherent(truth);
    const all = reports.reduce((sum, report) => sum + report.served, 0);
    expect(all).toBeGreaterThan(served);
    served = all;
    hits = reports.reduce((sum, report) => sum + report.hits, 0);
  }
  await truth.close();
  return hits;
}

describe('several processes with caches on one Redis', () => {
  it('all serve what was written last, though connections are slow and are cut', async () => {
    const proxies: SlowProxy[] = [];
    for (let i = 0; i < 3; i++) {
      const proxy = await startSlowProxy(server.port, 5 * i);
      proxies.push(proxy);
      await startPeer(proxy.url);
    }
    const hits = await disturb(server.url, () => {
      for (const proxy of proxies) proxy.cut(0.3);
    });
    expect(hits).toBeGreaterThan(ROUNDS * KEYS);
    for (const proxy of proxies) proxy.close();
  }, 60_000);

  it('all serve what was written last, though Redis drops the connections that tell of changes', async () => {
    for (let i = 0; i < 3; i++) await startPeer(server.url);
    const hits = await disturb(server.url, async (round) =>
      server.command('CLIENT', 'KILL', 'TYPE', round % 2 === 0 ? 'pubsub' : 'normal'),
    );
    expect(hits).toBeGreaterThan(ROUNDS * KEYS);
  }, 60_000);

  it('all serve what was written last, though slots move between the nodes of a cluster', async () => {
    for (let i = 0; i < 2; i++) await startPeer(cluster.url);
    const hits = await disturb(cluster.url, async () => cluster.moveSlots(200));
    expect(hits).toBeGreaterThan(ROUNDS * KEYS);
  }, 60_000);

  it('see a write of another process long before it would age', async () => {
    const reader = await startPeer(server.url);
    const writer = await openStore(server.url, [view]);
    const delaysMs = await writeToVisibleMs(writer, reader, keys, 200);
    await writer.close();
    expect(delaysMs[100]).toBeLessThan(20);
    expect(delaysMs.at(-1)).toBeLessThan(2000);
  }, 60_000);
});
