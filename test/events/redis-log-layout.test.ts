/** How the event log lies in Redis: what is in a script call, which ids are kept, and keys that somebody has changed. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { LogRecord } from '../../src/events/event-log.ts';
import type { RedisEventLog } from '../../src/events/redis-event-log.ts';
import { startRedis } from '../redis/redis-server.ts';
import type { RedisServer } from '../redis/redis-server.ts';
import { ALL, EVERYTHING_IS_DUE, all, append, idsFrom, readIds, redisLogs, to } from './redis-log-place.ts';
import { clickEvent } from './sample-events.ts';

let server: RedisServer;
const logs = redisLogs(() => server.url);
const { open, openNew } = logs;
beforeAll(async () => {
  server = await startRedis();
});
afterEach(async () => logs.closeAll());
afterAll(async () => server.stop());

const keyOf = (what: string, partition = 0): string => `mr:${logs.project}:${what}:{p${partition}}`;

/** The chunks of a partition: id and bytes. */
async function chunksOf(partition = 0): Promise<[string, number][]> {
  const entries = await server.command('XRANGE', keyOf('events', partition), '-', '+');
  const sizes = (entries as [string, string[]][]).map(async ([id]): Promise<[string, number]> => {
    const script = "return #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1][2][2]";
    const bytes = await server.command('EVAL', script, '1', keyOf('events', partition), id);
    return [id, Number(bytes)];
  });
  return Promise.all(sizes);
}

describe('script calls', () => {
  it('are split where a partition gets many records, in order, also by their bytes', async () => {
    const log = await openNew();
    const told: number[][] = [];
    log.onAppend((partitions) => told.push([...partitions]));
    expect(await append(log, ...idsFrom(0, 2000))).toEqual(all('appended', 2000));
    expect(await chunksOf()).toHaveLength(4);
    expect(await readIds(log)).toEqual(idsFrom(0, 2000));
    const large = Array.from({ length: 6 }, (_, i) => clickEvent(`large-${i}`, 'x'.repeat(60_000)));
    await log.append(large.map((event) => ({ event, partitions: [1, 2] })));
    for (const partition of [1, 2]) {
      expect(await chunksOf(partition)).toHaveLength(3);
      expect(await readIds(log, partition)).toEqual(large.map(({ id }) => id));
    }
    expect(told).toEqual([[0], [1, 2]]);
  });

  it('are shared by the calls of a turn, and by those that come while one is under way', async () => {
    const log = await openNew();
    await Promise.all(idsFrom(0, 50).map(async (id) => append(log, id)));
    expect(await chunksOf()).toHaveLength(1);
    const first = append(log, 'first');
    await new Promise(setImmediate);
    const rest = Promise.all(idsFrom(50, 50).map(async (id) => append(log, id)));
    await Promise.all([first, rest]);
    expect(await chunksOf()).toHaveLength(3);
  });

  it('are not sent when too much waits', async () => {
    const log = await openNew({ limits: { waitingItemsMax: 3 } });
    const calls = await Promise.allSettled([append(log, ...idsFrom(0, 5)), append(log, 'f')]);
    expect(calls).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { code: 'OVERLOADED', retryAfterMs: 100 } },
    ]);
    expect(await readIds(log)).toEqual(idsFrom(0, 5));
  });

  it('leave out the records whose ids are known, wherever they stand in a chunk', async () => {
    const log = await openNew();
    await append(log, 'b', 'd');
    await append(log, 'e');
    expect(await append(log, 'a', 'b', 'c', 'd', 'a', 'f', 'e')).toEqual([
      'appended',
      'duplicate',
      'appended',
      'duplicate',
      'duplicate',
      'appended',
      'duplicate',
    ]);
    expect(await readIds(log)).toEqual(['b', 'd', 'e', 'a', 'c', 'f']);
    const bytes = (await chunksOf()).reduce((sum, [, size]) => sum + size, 0);
    expect((await log.sizes())[0]).toEqual({ firstOffset: 0, nextOffset: 6, bytes });
  });

  it('keep the events of calls at once apart where an id stands in several of them', async () => {
    const log = await openNew();
    const outcomes = await Promise.all([
      log.append(to([0, 1], 'a', 'b')),
      log.append(to([1, 0], 'b', 'c')),
      log.append(to([1], 'c', 'd')),
    ]);
    expect(outcomes).toEqual([
      ['appended', 'appended'],
      ['duplicate', 'appended'],
      ['duplicate', 'appended'],
    ]);
    expect(await readIds(log, 0)).toEqual(['a', 'b', 'c']);
    expect(await readIds(log, 1)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('are sent with their text to a Redis that has forgotten them', async () => {
    const log = await openNew();
    await append(log, 'a');
    await server.command('SCRIPT', 'FLUSH');
    expect(await append(log, 'a', 'b')).toEqual(['duplicate', 'appended']);
    await server.command('SCRIPT', 'FLUSH');
    expect(await readIds(log)).toEqual(['a', 'b']);
  });
});

describe('ids', () => {
  it('are kept for as long as the records, of copies too, and no longer', async () => {
    const log = await openNew();
    await log.append([...to([0, 1], ...idsFrom(0, 300)), ...to([1], ...idsFrom(300, 300))]);
    await append(log, ...idsFrom(600, 300));
    const known = async (partition: number): Promise<unknown> =>
      server.command('SCARD', keyOf('event_ids', partition));
    expect([await known(0), await known(1)]).toEqual([600, 600]);
    expect(await log.trim({ ...EVERYTHING_IS_DUE, keepFrom: [300, 0, 0, 0] })).toBe(300);
    expect([await known(0), await known(1)]).toEqual([300, 600]);
    // The copies are still there, and are not doubled.
    expect(await log.append(to([0, 1], 'id-0', 'id-700'))).toEqual(['appended', 'duplicate']);
    expect(await readIds(log, 1)).toEqual([...idsFrom(0, 600), 'id-700']);
    expect(await log.trim(EVERYTHING_IS_DUE)).toBe(902);
    expect([await known(0), await known(1)]).toEqual([0, 0]);
  });

  it('are dropped once by two servers that trim at once', async () => {
    const log = await openNew();
    const other = await open();
    for (let from = 0; from < 3000; from += 100) await append(log, ...idsFrom(from, 100));
    const dropped = await Promise.all([log.trim(EVERYTHING_IS_DUE), other.trim(EVERYTHING_IS_DUE)]);
    expect(dropped.reduce((sum, count) => sum + count, 0)).toBe(3000);
    expect((await log.sizes())[0]).toEqual({ firstOffset: 3000, nextOffset: 3000, bytes: 0 });
    expect(await append(log, 'id-0')).toEqual(['appended']);
  });
});

describe('a stream that somebody has changed', () => {
  it('is read, searched and trimmed around what is missing', async () => {
    let nowMs = 0;
    const log = await openNew({ clock: { nowMs: () => nowMs } });
    for (nowMs = 1; nowMs <= 8; nowMs++) await append(log, ...idsFrom(nowMs * 10, 2));
    const ids = (await chunksOf()).map(([id]) => id);
    for (const i of [0, 1, 4, 7]) await server.command('XDEL', keyOf('events'), ids[i] as string);
    const left = [30, 40, 60, 70].flatMap((from) => idsFrom(from, 2));
    expect(await readIds(log)).toEqual(left);
    expect((await log.read(0, 0, ALL)).nextOffset).toBe(16);
    expect(await log.read(0, 9, { recordsMax: 1, bytesMax: 1 })).toMatchObject({
      records: [{ offset: 10 }],
      nextOffset: 11,
    });
    expect(await log.read(0, 15, ALL)).toEqual({ records: [], nextOffset: 16 });
    // Where a record is missing, any offset from behind the one before it leads to the same record.
    const found = [0, 3, 4, 5, 6, 7, 8, 9].map(async (timeMs) =>
      readIds(log, 0, await log.offsetAt(0, timeMs)),
    );
    const from = [0, 0, 2, 4, 4, 6, 8, 8].map((place) => left.slice(place));
    expect(await Promise.all(found)).toEqual(from);
    expect(await log.trim({ appendedBeforeMs: 6, bytesMax: 1e9 })).toBe(4);
    expect(await log.trim(EVERYTHING_IS_DUE)).toBe(4);
    expect((await log.sizes())[0]).toEqual({ firstOffset: 16, nextOffset: 16, bytes: 0 });
    expect(await append(log, 'new')).toEqual(['appended']);
    expect(await readIds(log)).toEqual(['new']);
  });

  it('is empty where it was deleted, its ids are forgotten, and its bytes do not count for others', async () => {
    const log = await openNew();
    await append(log, ...idsFrom(0, 100));
    await log.append(to([1], 'kept'));
    await server.command('DEL', keyOf('events'));
    expect(await log.read(0, 0, ALL)).toEqual({ records: [], nextOffset: 100 });
    const { bytes } = (await log.sizes())[1] as { bytes: number };
    expect(await log.trim({ appendedBeforeMs: 0, bytesMax: bytes })).toBe(0);
    expect((await log.sizes())[0]).toEqual({ firstOffset: 100, nextOffset: 100, bytes: 0 });
    expect(await readIds(log, 1)).toEqual(['kept']);
    expect(await append(log, 'id-0')).toEqual(['appended']);
  });

  it('is refused with what to type if it does not fit what lies beside it', async () => {
    const log = await openNew();
    await append(log, 'a');
    await append(log, 'b');
    await server.command('DEL', keyOf('event_state'));
    const failure = await append(log, 'c').catch((error: unknown) => error as Error);
    const fix = / type: (DEL \S+ \S+ \S+) /.exec((failure as Error).message)?.[1]?.split(' ') ?? [];
    await server.command('DEL', ...fix.slice(1));
    expect(await append(log, 'b')).toEqual(['appended']);
    expect(await readIds(log)).toEqual(['b']);
  });

  /** Puts another chunk in the place of the first one. Of it, `second` is where its second record begins. */
  async function damage(script: string): Promise<void> {
    const text = `
      local entries = redis.call('XRANGE', KEYS[1], '-', '+')
      local chunk = entries[1][2][2]
      local second = 13 + 4 + struct.unpack('>I4', chunk, 13)
      redis.call('DEL', KEYS[1])
      redis.call('XADD', KEYS[1], entries[1][1], 'chunk', ${script})
      for i = 2, #entries do redis.call('XADD', KEYS[1], entries[i][1], unpack(entries[i][2])) end`;
    await server.command('EVAL', text, '1', keyOf('events'));
  }

  it('gives a record that cannot be read with its bytes and the reason, and those around it as they are', async () => {
    const log = await openNew();
    await append(log, 'a', 'b', 'c');
    await append(log, 'd', 'e');
    await damage("chunk:sub(1, second + 3) .. string.rep('\\193', 4) .. chunk:sub(second + 8)");
    const { records, nextOffset } = await log.read(0, 0, ALL);
    expect(records.map(({ event }) => event?.id)).toEqual(['a', undefined, 'c', 'd', 'e']);
    expect([records[1]?.problem, records[1]?.bytes[0]]).toEqual([expect.any(String), 0xc1]);
    expect(nextOffset).toBe(5);
  });

  const isCut = ({ problem }: LogRecord): boolean => problem === 'the record is cut off';
  async function readAll(log: RedisEventLog, recordsMax: number): Promise<LogRecord[]> {
    const records: LogRecord[] = [];
    for (let from = 0; from < 5;) {
      const read = await log.read(0, from, { recordsMax, bytesMax: 1e9 });
      records.push(...read.records);
      from = read.nextOffset;
    }
    return records;
  }

  it.each([
    ['is cut off', 'chunk:sub(1, -6)', ['a', 'b', undefined]],
    ['has nothing', "''", [undefined, undefined, undefined]],
    ['has a header alone', 'chunk:sub(1, 12)', [undefined, undefined, undefined]],
    [
      'has the length of a record wrong',
      "chunk:sub(1, second - 1) .. '\\255' .. chunk:sub(second + 1)",
      ['a', undefined, undefined],
    ],
    ['has less records than it says', "chunk:sub(1, 11) .. '\\5' .. chunk:sub(13)", ['a', 'b', 'c']],
    ['has far less records than it says', "chunk:sub(1, 8) .. '\\255' .. chunk:sub(10)", ['a', 'b', 'c']],
    ['has more records than it says', "chunk:sub(1, 11) .. '\\1' .. chunk:sub(13)", ['a', 'b', 'c']],
    ['has records, and says that it has none', "chunk:sub(1, 11) .. '\\0' .. chunk:sub(13)", ['a', 'b', 'c']],
    ['says no time', "string.rep('\\255', 8) .. chunk:sub(9)", ['a', 'b', 'c']],
  ])('takes no others with it where its first chunk %s', async (_, script, ids) => {
    const log = await openNew();
    await append(log, 'a', 'b', 'c');
    await append(log, 'd', 'e');
    await damage(script);
    for (const recordsMax of [1, 2, 100]) {
      const records = await readAll(log, recordsMax);
      expect(records.map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4]);
      expect(records.map(({ event }) => event?.id)).toEqual([...ids, 'd', 'e']);
      expect(records.filter(isCut)).toHaveLength(ids.filter((id) => id === undefined).length);
    }
    expect(await log.offsetAt(0, 1000)).toBeLessThanOrEqual(3);
    expect(await log.offsetAt(0, 1001)).toBe(5);
    expect(await log.trim({ ...EVERYTHING_IS_DUE, keepFrom: [3, 0, 0, 0] })).toBe(3);
    expect(await readIds(log)).toEqual(['d', 'e']);
    expect(await log.trim(EVERYTHING_IS_DUE)).toBe(2);
    expect((await log.sizes())[0]).toEqual({ firstOffset: 5, nextOffset: 5, bytes: 0 });
    expect(await append(log, 'a', 'b', 'c', 'd')).toEqual(all('appended', 4));
  });
});
