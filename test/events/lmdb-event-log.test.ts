import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ID_BUCKETS } from '../../src/events/id-blocks.ts';
import { hashId } from '../../src/events/id-hash.ts';
import { openLmdbEventLog } from '../../src/events/lmdb-event-log.ts';
import type { LmdbEventLog } from '../../src/events/lmdb-event-log.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import type { LmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { contractPartitions, contractTypes, describeEventLog } from '../contract/event-log.ts';
import { clickEvent } from './sample-events.ts';

let path: string;
let environment: LmdbEnvironment;
beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), 'millrace-log-'));
  environment = await openLmdbEnvironment({ path });
});
afterEach(async () => {
  await environment.close();
  rmSync(path, { recursive: true });
});

const ALL = { recordsMax: 1e6, bytesMax: 1e9 };

describe.each([
  ['the LMDB log', undefined],
  ['the LMDB log with few ids in memory', 16],
])('%s', (name, tailIdsMin) => {
  describeEventLog(name, async () => {
    const place = {
      nowMs: 1000,
      open: async (types = contractTypes, partitionCount = contractPartitions) =>
        openLmdbEventLog({
          environment,
          types,
          partitionCount,
          clock: { nowMs: () => place.nowMs },
          ...(tailIdsMin !== undefined && { tailIdsMin }),
        }),
      remove: async () => undefined,
    };
    return place;
  });
});

async function openLog(limits = {}): Promise<LmdbEventLog> {
  const clock = { nowMs: () => 1000 };
  return openLmdbEventLog({ environment, types: contractTypes, partitionCount: 2, clock, limits });
}

async function append(log: LmdbEventLog, ...ids: string[]): Promise<string[]> {
  return log.append(ids.map((id) => ({ event: clickEvent(id), partitions: [0] })));
}

describe('group commit', () => {
  it('puts calls of one turn, and those that come while a commit runs, into one commit each', async () => {
    const log = await openLog();
    await Promise.all(Array.from({ length: 50 }, async (_, i) => append(log, `a-${i}`)));
    const chunks = environment.byteKeys('events');
    const count = (): number =>
      chunks?.range({ start: Buffer.alloc(8), end: Buffer.from([255]) }).length ?? 0;
    environment.refresh();
    expect(count()).toBe(1);
    const first = append(log, 'b');
    await new Promise(setImmediate);
    const rest = Promise.all(Array.from({ length: 50 }, async (_, i) => append(log, `c-${i}`)));
    await Promise.all([first, rest]);
    environment.refresh();
    expect(count()).toBe(3);
    await log.close();
  });

  it('refuses calls when too much waits, but takes one of any size when nothing does', async () => {
    const log = await openLog({ waitingItemsMax: 3 });
    const calls = await Promise.allSettled([
      append(log, 'a', 'b', 'c', 'd', 'e'),
      append(log, 'f'),
      append(log, 'g'),
    ]);
    expect(calls.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(calls[1]).toMatchObject({ reason: { code: 'OVERLOADED', retryAfterMs: 100 } });
    expect(await append(log, 'f')).toEqual(['appended']);
    await log.close();
  });

  it('splits what waits into commits of a limited size', async () => {
    const log = await openLog({ groupItemsMax: 10 });
    const calls = Array.from({ length: 25 }, async (_, i) => append(log, `a-${i}`, `b-${i}`));
    expect((await Promise.all(calls)).flat()).toHaveLength(50);
    const { records } = await log.read(0, 0, ALL);
    expect(records.map(({ event }) => event?.id).slice(0, 4)).toEqual(['a-0', 'b-0', 'a-1', 'b-1']);
    await log.close();
  });
});

describe('a record that cannot be read', () => {
  it('is given with its bytes and the reason, and those around it as they are', async () => {
    const log = await openLog();
    await append(log, 'a', 'b', 'c');
    const chunks = environment.byteKeys('events');
    const key = Buffer.alloc(8);
    await environment.transaction(() => {
      const chunk = chunks?.get(key) as Buffer;
      const length = chunk.readUInt32BE(12);
      chunk.fill(0xc1, 16 + length + 4, 16 + length + 8);
      chunks?.put(key, chunk);
    });
    const { records, nextOffset } = await log.read(0, 0, ALL);
    expect(records.map(({ event }) => event?.id)).toEqual(['a', undefined, 'c']);
    expect(records[1]?.problem).toEqual(expect.any(String));
    expect(records[1]?.bytes[0]).toBe(0xc1);
    expect(nextOffset).toBe(3);
    await environment.transaction(() => {
      const chunk = chunks?.get(key) as Buffer;
      chunks?.put(key, chunk.subarray(0, chunk.length - 5));
    });
    const cut = await log.read(0, 0, ALL);
    expect(cut.records.map(({ problem }) => problem === 'the record is cut off')).toEqual([
      false,
      false,
      true,
    ]);
    expect(cut.nextOffset).toBe(3);
    await log.close();
  });
});

describe('a chunk of records of which any bytes are damaged', () => {
  /** Of the chunk that begins at an offset; undefined = it is lost. */
  async function damage(offset: number, change: (chunk: Buffer) => Buffer | undefined): Promise<void> {
    const chunks = environment.byteKeys('events');
    const key = Buffer.alloc(8);
    key.writeUIntBE(offset, 2, 6);
    await environment.transaction(() => {
      const changed = change(Buffer.from(chunks?.get(key) as Buffer));
      if (changed === undefined) chunks?.remove(key);
      else chunks?.put(key, changed);
    });
  }

  it.each([0, 1, 2, 4, 5, 4e9])('still gives its records where it says that it has %i', async (count) => {
    const log = await openLog();
    await append(log, 'a', 'b', 'c');
    await append(log, 'd', 'e');
    await damage(0, (chunk) => {
      chunk.writeUInt32BE(count, 8);
      return chunk;
    });
    const { records } = await log.read(0, 0, ALL);
    expect(records.map(({ event }) => event?.id)).toEqual(['a', 'b', 'c', 'd', 'e']);
    await log.close();
  });

  it('holds up nothing behind it: reading, new events and their ids, dropping', async () => {
    const changes = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 12 });
    const damages = fc.record({ changes, length: fc.nat(400), isLost: fc.boolean() });
    const log = await openLog();
    await fc.assert(
      fc.asyncProperty(damages, async ({ changes: bytes, length, isLost }) => {
        const first = (await log.sizes())[0]?.nextOffset ?? 0;
        await append(log, 'a', 'b', 'c');
        await append(log, 'd', 'e');
        await damage(first, (chunk) => {
          for (const [at, value] of bytes) chunk[at % chunk.length] = value;
          return isLost ? undefined : chunk.subarray(0, length);
        });
        const { records, nextOffset } = await log.read(0, first, ALL);
        expect(nextOffset).toBe(first + 5);
        const behind = records.filter(({ offset }) => offset >= first + 3);
        expect(behind.map(({ event }) => event?.id)).toEqual(['d', 'e']);
        // A process that starts now reads the ids from the records.
        const other = await openLog();
        expect(await append(other, 'd', 'f')).toEqual(['duplicate', 'appended']);
        await other.appendedAt(0, first);
        expect(await other.trim({ appendedBeforeMs: 2000, bytesMax: 0 })).toBe(6);
        expect((await other.sizes())[0]).toMatchObject({ firstOffset: first + 6, nextOffset: first + 6 });
        await other.close();
      }),
      { numRuns: 100 },
    );
    await log.close();
  });
});

describe('the ids of the log', () => {
  const few = async (): Promise<LmdbEventLog> =>
    openLmdbEventLog({
      environment,
      types: contractTypes,
      partitionCount: 2,
      clock: { nowMs: () => 1000 },
      tailIdsMin: 50,
    });
  const idsFrom = (from: number, count: number): string[] =>
    Array.from({ length: count }, (_, i) => `id-${from + i}`);
  const all = (outcome: string, count: number): string[] => Array.from({ length: count }, () => outcome);

  it('are all known, whether they are in memory, written, or appended by another process', async () => {
    const logs = [await few(), await few(), await few()];
    for (let from = 0; from < 3000; from += 20) {
      // One of them sleeps for a while, in which all that it has in memory is written by others.
      const log = logs[from < 1000 || from > 2500 ? (from / 20) % 3 : (from / 20) % 2] as LmdbEventLog;
      expect(await append(log, ...idsFrom(from, 20))).toEqual(all('appended', 20));
    }
    logs.push(await few());
    for (const log of logs) {
      expect(await append(log, ...idsFrom(0, 3000))).toEqual(all('duplicate', 3000));
      await log.close();
    }
  });

  it('are told apart in full, also when their hashes are one', async () => {
    const [one, other] = ['id-2063871', 'id-2419896'];
    expect(hashId(one).high).toBe(hashId(other).high);
    expect(hashId(one).low % ID_BUCKETS).toBe(hashId(other).low % ID_BUCKETS);
    const log = await few();
    await append(log, one);
    // So many that all buckets are written.
    for (let from = 0; from < 200; from += 20) await append(log, ...idsFrom(from, 20));
    expect(await append(log, other, one, other)).toEqual(['appended', 'duplicate', 'duplicate']);
    for (let from = 200; from < 400; from += 20) await append(log, ...idsFrom(from, 20));
    expect(await append(log, other, one)).toEqual(['duplicate', 'duplicate']);
    await log.close();
  });

  it('are forgotten with their records, and may come again', async () => {
    const log = await few();
    for (let round = 0; round < 3; round++) {
      for (let from = 0; from < 400; from += 20)
        expect(await append(log, ...idsFrom(from, 20))).toEqual(all('appended', 20));
      expect(await append(log, ...idsFrom(0, 400))).toEqual(all('duplicate', 400));
      expect(await log.trim({ appendedBeforeMs: 2000, bytesMax: 0 })).toBe(400);
    }
    // What is written of one that is gone goes when its block is written again.
    for (let from = 0; from < 400; from += 20) await append(log, ...idsFrom(1000 + from, 20));
    environment.refresh();
    const blocks = environment
      .byteKeys('event_ids')
      ?.range({ start: Buffer.alloc(2), end: Buffer.alloc(3, 255) });
    const entries = blocks?.reduce((sum, { value }) => sum + value.length / 12, 0) ?? 0;
    expect(entries).toBeLessThan(800);
    await log.close();
  });
});

it('drops a great many records in steps, between which the event loop is free', async () => {
  const log = await openLog();
  for (let i = 0; i < 10; i++) await append(log, ...Array.from({ length: 1000 }, (_, n) => `id-${i}-${n}`));
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  expect(await log.trim({ appendedBeforeMs: 2000, bytesMax: 1e9 })).toBe(10_000);
  clearInterval(timer);
  expect(turns).toBeGreaterThan(3);
  await log.close();
});
