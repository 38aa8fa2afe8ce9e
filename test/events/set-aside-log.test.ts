import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openLmdbEventLog } from '../../src/events/lmdb-event-log.ts';
import type { LmdbEventLog } from '../../src/events/lmdb-event-log.ts';
import { openLmdbSetAsideLog } from '../../src/events/lmdb-set-aside-log.ts';
import type { LmdbSetAsideLog } from '../../src/events/lmdb-set-aside-log.ts';
import { numbersOf, numbersOfAll, retrySetAside } from '../../src/events/retry-set-aside.ts';
import type { SetAsideEntry } from '../../src/events/set-aside-log.ts';
import { openLmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import type { LmdbEnvironment } from '../../src/lmdb/lmdb-environment.ts';
import { click, clickEvent } from './sample-events.ts';

let path: string;
let environment: LmdbEnvironment;
let log: LmdbEventLog;
let letters: LmdbSetAsideLog;
beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), 'millrace-aside-'));
  environment = await openLmdbEnvironment({ path });
  const types = new Map([['click', click]]);
  log = await openLmdbEventLog({ environment, types, partitionCount: 2, clock: { nowMs: () => 1000 } });
  letters = openLmdbSetAsideLog(environment, 'dead_letters', log.codec);
});
afterEach(async () => {
  await log.close();
  await environment.close();
  rmSync(path, { recursive: true });
});

const ALL = { recordsMax: 1e6, bytesMax: 1e9 };

/** Appends events to a partition and sets all of them aside. */
async function setAside(partition: number, ...ids: string[]): Promise<SetAsideEntry[]> {
  await log.append(ids.map((id) => ({ event: clickEvent(id), partitions: [partition] })));
  const { records } = await log.read(partition, 0, ALL);
  const entries = records.map(({ offset, bytes }) => ({ partition, offset, reason: 'é', atMs: 5, bytes }));
  await environment.transaction(() => letters.add(entries));
  return entries;
}

it('keeps entries in the order in which they were added, with all that is known of them', async () => {
  const entries = await setAside(1, 'a', 'b');
  expect(await letters.count()).toBe(2);
  const listed = await letters.list(0, 10);
  expect(listed).toEqual([
    { ...entries[0], number: 1, event: clickEvent('a') },
    { ...entries[1], number: 2, event: clickEvent('b') },
  ]);
  expect((await letters.list(2, 10)).map(({ number }) => number)).toEqual([2]);
  expect(await letters.list(1, 1)).toHaveLength(1);
  const corrections = openLmdbSetAsideLog(environment, 'corrections', log.codec);
  expect([await corrections.count(), await corrections.list(0, 10)]).toEqual([0, []]);
});

it('gives and removes entries by their numbers, which are not used again', async () => {
  await setAside(0, 'a', 'b', 'c');
  expect((await letters.get([3, 9, 1])).map(({ event }) => event?.id)).toEqual(['c', 'a']);
  expect(await letters.remove([2, 2, 3, 9])).toBe(2);
  expect(await letters.count()).toBe(1);
  await environment.transaction(() =>
    letters.add([{ partition: 0, offset: 7, reason: '', atMs: 1, bytes: Buffer.from([1]) }]),
  );
  const listed = await letters.list(0, 10);
  expect(listed.map(({ number, event }) => [number, event?.id])).toEqual([
    [1, 'a'],
    [4, undefined],
  ]);
});

it('keeps the latest of those that are too many', async () => {
  const few = openLmdbSetAsideLog(environment, 'corrections', log.codec, 3);
  const entry = (offset: number): SetAsideEntry => ({
    partition: 0,
    offset,
    reason: '',
    atMs: 1,
    bytes: Buffer.from([1]),
  });
  for (const offsets of [
    [1, 2],
    [3, 4],
    [5, 6, 7, 8, 9],
  ])
    await environment.transaction(() => few.add(offsets.map(entry)));
  expect((await few.list(0, 10)).map(({ number, offset }) => [number, offset])).toEqual([
    [7, 7],
    [8, 8],
    [9, 9],
  ]);
  expect(await few.count()).toBe(3);
});

it('tries entries again in the partition that they came from, once, however often a retry breaks off', async () => {
  await setAside(1, 'a', 'b');
  const [first] = await letters.list(0, 1);
  expect(await retrySetAside(log, letters, [1, 7])).toEqual({ retried: 1, unreadable: [], missing: [7] });
  expect(await letters.count()).toBe(1);
  // As if the first retry had ended before it removed the entry.
  const unremoved = { ...letters, get: async () => (first === undefined ? [] : [first]) };
  await retrySetAside(log, unremoved, [1]);
  const { records } = await log.read(1, 0, ALL);
  expect(records.map(({ event }) => event?.id)).toEqual(['a', 'b', 'retry dead_letters 1 a']);
  expect(records[2]?.event?.values).toEqual(records[0]?.event?.values);
});

it('keeps the id short when an entry comes back, and what cannot be read where it is', async () => {
  const bytes = log.codec.encode(clickEvent('retry dead_letters 12 a'), false);
  const entry = { partition: 0, offset: 1, reason: '', atMs: 1 };
  await environment.transaction(() =>
    letters.add([
      { ...entry, bytes },
      { ...entry, bytes: Buffer.from([0xc1]) },
    ]),
  );
  expect(await retrySetAside(log, letters, [1, 2])).toEqual({ retried: 1, unreadable: [2], missing: [] });
  const { records } = await log.read(0, 0, ALL);
  expect(records.map(({ event }) => event?.id)).toEqual(['retry dead_letters 1 a']);
  expect((await letters.list(0, 9)).map(({ number }) => number)).toEqual([2]);
});

it('gives the numbers that are there some at a time, and none of those that come while it does', async () => {
  const entry = { partition: 0, offset: 0, reason: '', atMs: 1, bytes: Buffer.from([0xc1]) };
  const add = async (count: number): Promise<void> =>
    environment.transaction(() => letters.add(Array.from({ length: count }, () => entry)));
  await add(450);
  await letters.remove([1, 300]);
  const steps: number[][] = [];
  for await (const step of numbersOfAll(letters)) {
    steps.push(step);
    await add(step.length);
    await letters.remove(step);
  }
  const there = Array.from({ length: 450 }, (_, i) => i + 1).filter((n) => n !== 1 && n !== 300);
  expect(steps.flat()).toEqual(there);
  expect(steps.length).toBeGreaterThan(1);
  expect(await letters.count()).toBe(448);
  const asked: number[] = [];
  for await (const step of numbersOf([7, 3, ...there, 7])) asked.push(...step);
  expect(asked).toEqual([7, 3, ...there.filter((n) => n !== 3 && n !== 7)]);
});
