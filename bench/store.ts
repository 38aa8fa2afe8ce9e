/**
 * Reads of the LMDB store against bare lmdb and msgpackr on the same rows of 32 floats, and durable writes. Medians of
 * interleaved rounds.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { Packr } from 'msgpackr';
import { openLmdbStoreAlone } from '../src/features/lmdb-store.ts';
import type { RowWrite } from '../src/features/online-store.ts';
import type { FeatureView } from '../src/project/project.ts';
import { median } from './median.ts';
import type { BenchRow } from './bench-row.ts';

const ROWS = 10_000;
const FEATURES = 32;
const ROUNDS = 9;
const ROUND_MS = 150;

const view: FeatureView = {
  name: 'facts',
  entity: { name: 'user', keys: [{ name: 'id', type: 'string' }] },
  ttlMs: undefined,
  timestampField: 'event_timestamp',
  onUnavailable: 'default',
  features: Array.from({ length: FEATURES }, (_, index) => ({
    name: `f${index}`,
    index,
    type: { scalar: 'float64', length: undefined },
    default: undefined,
  })),
};

const keys = Array.from({ length: ROWS }, (_, i) => `user-${i}`);

export async function benchStore(): Promise<BenchRow[]> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const store = await openLmdbStoreAlone({ path: join(dir, 'store'), views: [view] });
  const writes = keys.map((key, i): RowWrite => ({
    view,
    key,
    row: [1, ...view.features.map((feature) => Math.sin(i * FEATURES + feature.index))],
  }));
  const bare = open<Buffer, string>({ path: join(dir, 'bare'), encoding: 'binary' });
  const codec = new Packr({ useRecords: false });
  try {
    const startedMs = performance.now();
    for (let from = 0; from < ROWS; from += 100) await store.write(writes.slice(from, from + 100));
    const writesPerSecond = (ROWS / (performance.now() - startedMs)) * 1000;
    await bare.transaction(() => {
      for (const { key, row } of writes) void bare.put(key, codec.pack(row));
    });
    const contenders = {
      bare: (key: string): unknown => codec.unpack(bare.getBinaryFast(key) as Buffer),
      store: (key: string): unknown => store.get(view, key),
    };
    const rates = { bare: [] as number[], store: [] as number[] };
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of ['bare', 'store'] as const) rates[name].push(readRate(contenders[name]));
    }
    const [bareRate, storeRate] = [median(rates.bare), median(rates.store)];
    return [
      { name: 'store: durable writes, 100 a call, one after the other', perSecond: writesPerSecond },
      { name: 'store: bare lmdb + msgpackr reads of 32 floats', perSecond: bareRate },
      {
        name: 'store: get of 32 floats',
        perSecond: storeRate,
        ratioTo: 'bare lmdb + msgpackr',
        ratio: storeRate / bareRate,
      },
    ];
  } finally {
    await store.close();
    await bare.close();
    await rm(dir, { recursive: true, force: true });
  }
}

function readRate(read: (key: string) => unknown): number {
  const startedMs = performance.now();
  let count = 0;
  while (performance.now() - startedMs < ROUND_MS) {
    for (let i = 0; i < 500; i++) read(keys[(count++ * 7919) % ROWS] as string);
  }
  return (count / (performance.now() - startedMs)) * 1000;
}
