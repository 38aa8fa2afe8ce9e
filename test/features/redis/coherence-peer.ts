/**
 * A process with a cache of its own, for the tests of coherence: reads and writes at random between `run` and `rest`, and
 * says what it would serve. Arguments: address of Redis, number of keys, seed.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Row } from '../../../src/features/online-store.ts';
import { seededRandom } from '../../../src/stats/seeded-random.ts';
import { coherenceView } from './coherence-view.ts';
import { openStore } from './store-of.ts';

const [url, keyCount, seed = '1'] = process.argv.slice(2) as [string, string, string?];
const random = seededRandom(Number(seed));
const keys = Array.from({ length: Number(keyCount) }, (_, i) => `k${i}`);
const view = coherenceView;
// Nothing but what is told of changes may bring a new value here: an age of an hour is not reached.
const store = await openStore(url, [view], { ttlMs: 3_600_000, staleMsMax: 3_600_000, readTimeoutMs: 500 });
let isRunning = false;
let loops: Promise<void>[] = [];
let served = 0;
let hits = 0;

export interface Visible {
  readonly key: string;
  readonly value: number;
}

async function look(key: string): Promise<Row | null> {
  const known = store.get(view, key);
  if (known !== undefined) {
    hits++;
    return known;
  }
  const [row] = await store.read([{ view, key }]);
  return row ?? null;
}

async function readAndWrite(): Promise<void> {
  while (isRunning) {
    const key = keys[Math.floor(random() * keys.length)] as string;
    if (random() < 0.1) await store.write([{ view, key, row: [Date.now(), random()] }]).catch(() => 0);
    else await look(key).catch(() => null);
    served++;
    if (served % 20 === 0) await turn();
  }
}

/** Waits for a value as a caller would who asks again and again. */
async function untilVisible({ key, value }: Visible): Promise<number> {
  while ((await look(key))?.[1] !== value) await turn();
  return performance.timeOrigin + performance.now();
}

process.on('message', (message: { type: string; visible?: Visible }) => {
  void (async () => {
    if (message.type === 'run') {
      isRunning = true;
      loops = [1, 2, 3, 4].map(readAndWrite);
    } else if (message.type === 'rest') {
      isRunning = false;
      await Promise.all(loops);
    } else if (message.type === 'await') {
      process.send?.({ seenAtMs: await untilVisible(message.visible as Visible) });
      return;
    } else if (message.type === 'stop') {
      await store.close();
      process.exit(0);
    }
    // What is not in memory could not be wrong: so all of it is asked for first.
    for (const key of keys) await look(key).catch(() => null);
    // JSON has no undefined.
    const rows = keys.map((key) => {
      const row = store.get(view, key);
      return row === undefined ? 'unknown' : row;
    });
    process.send?.({ served, hits, rows });
  })();
});
process.on('disconnect', () => process.exit(1));
process.send?.({ ready: true });
