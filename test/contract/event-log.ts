/** What every event log must do, whatever it keeps events in. Each driver runs this suite. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AcceptedEvent } from '../../src/events/event.ts';
import type { AppendOutcome, EventLog, EventWrite, LogRecord } from '../../src/events/event-log.ts';
import type { EventType } from '../../src/project/project.ts';
import { click, clickEvent, departure, eventOf, eventTypeOf } from '../events/sample-events.ts';

const PARTITIONS = 4;
const ALL = { recordsMax: 1e6, bytesMax: 1e9 };
const everything = eventTypeOf('everything', {
  f32: 'float32',
  f64: 'float64',
  i64: 'int64',
  text: 'string',
  flag: 'bool',
  time: 'timestamp',
  'v?': 'float32[3]',
  'vi?': 'int64[2]',
});

/** Every type that the suite appends; the log is opened with them. */
export const contractTypes: ReadonlyMap<string, EventType> = new Map(
  [click, departure, everything].map((type) => [type.name, type]),
);
export const contractPartitions = PARTITIONS;

export interface LogPlace {
  /** The log's clock. */
  nowMs: number;
  open(types?: ReadonlyMap<string, EventType>, partitionCount?: number): Promise<EventLog>;
  /** Removes what the logs of this place have left. */
  remove(): Promise<void>;
}

/** Where a log looks for an id: in all of itself, or in each partition by itself. */
export type IdScope = 'log' | 'partition';

export function describeEventLog(
  name: string,
  createPlace: () => Promise<LogPlace>,
  scope: IdScope = 'log',
): void {
  describe(`${name} as an event log`, () => {
    let place: LogPlace;
    let log: EventLog;
    const current = (): [EventLog, LogPlace] => [log, place];

    beforeEach(async () => {
      place = await createPlace();
      log = await place.open();
    });
    afterEach(async () => {
      await log.close();
      await place.remove();
    });

    describeAppends(() => log);
    describeIds(() => log, scope);
    describeReads(() => log);
    describeTimes(current);
    describeChanges(
      current,
      async (next) => {
        await log.close();
        log = await next();
        return log;
      },
      scope,
    );
  });
}

function to(partition: number, ...ids: string[]): EventWrite[] {
  return ids.map((id) => ({ event: clickEvent(id), partitions: [partition] }));
}

async function recordsOf(log: EventLog, partition: number, from = 0): Promise<readonly LogRecord[]> {
  return (await log.read(partition, from, ALL)).records;
}

async function idsOf(log: EventLog, partition: number, from = 0): Promise<(string | undefined)[]> {
  return (await recordsOf(log, partition, from)).map(({ event }) => event?.id);
}

async function spans(log: EventLog): Promise<[number, number][]> {
  return (await log.sizes()).map(({ firstOffset, nextOffset }) => [firstOffset, nextOffset]);
}

function describeAppends(log: () => EventLog): void {
  it('gives back what was appended, in order, with offsets from 0', async () => {
    expect(await log().append(to(1, 'a', 'b'))).toEqual(['appended', 'appended']);
    expect(await log().append(to(1, 'c'))).toEqual(['appended']);
    const records = await recordsOf(log(), 1);
    expect(records.map(({ offset, event }) => [offset, event?.id])).toEqual([
      [0, 'a'],
      [1, 'b'],
      [2, 'c'],
    ]);
    expect(records[0]?.event).toEqual(clickEvent('a'));
    expect(records.map(({ isCopy, problem }) => isCopy || problem !== undefined)).toEqual([
      false,
      false,
      false,
    ]);
    expect(await spans(log())).toEqual([
      [0, 0],
      [0, 3],
      [0, 0],
      [0, 0],
    ]);
  });

  it('keeps values of every type, and missing ones, bit for bit', async () => {
    const values = [0.5, -0, 2n ** 62n, 'é🛫', true, -1.5e12, [1, 2, 3], null];
    const event: AcceptedEvent = { id: 'x', type: everything, timeMs: -5, receivedMs: 1e12, values };
    await log().append([{ event, partitions: [0] }]);
    const [record] = await recordsOf(log(), 0);
    expect(record?.event).toEqual(event);
    expect(Object.is(record?.event?.values[1], -0)).toBe(true);
  });

  it('appends an event to each of its partitions, as a copy in all but the first', async () => {
    await log().append([{ event: clickEvent('a'), partitions: [2, 0, 3] }]);
    const copies = await Promise.all([0, 1, 2, 3].map(async (p) => recordsOf(log(), p)));
    expect(copies.map((records) => records.map(({ isCopy }) => isCopy))).toEqual([
      [true],
      [],
      [false],
      [true],
    ]);
    expect(copies[0]?.[0]?.event).toEqual(clickEvent('a'));
    expect(await log().append(to(0, 'a'))).toEqual(['duplicate']);
  });

  it('does nothing for no events, and refuses partitions that are not there', async () => {
    expect(await log().append([])).toEqual([]);
    for (const partitions of [[], [4], [-1], [0.5], [1, 1]])
      await expect(log().append([{ event: clickEvent('a'), partitions }])).rejects.toThrow('partition');
    await expect(log().read(4, 0, ALL)).rejects.toThrow('partition');
  });
}

function describeIds(log: () => EventLog, scope: IdScope): void {
  const elsewhere = (partition: number): number =>
    scope === 'log' ? (partition + 2) % PARTITIONS : partition;

  it('does not append an id again: of one call, of calls at once, of calls before', async () => {
    expect(await log().append(to(0, 'a', 'b', 'a'))).toEqual(['appended', 'appended', 'duplicate']);
    expect(await log().append([...to(2, 'd'), ...to(3, 'd')])).toEqual(['appended', 'duplicate']);
    const atOnce = await Promise.all([
      log().append(to(1, 'c')),
      log().append(to(elsewhere(1), 'c')),
      log().append(to(elsewhere(0), 'a')),
    ]);
    expect(atOnce.flat().filter((outcome) => outcome === 'appended')).toHaveLength(1);
    expect(await idsOf(log(), 0)).toEqual(['a', 'b']);
    const sizes = await spans(log());
    expect(sizes.reduce((sum, [first, next]) => sum + next - first, 0)).toBe(4);
  });

  it('takes ids of any characters for what they are', async () => {
    const some = ['a', 'A', ' a', 'a ', '\u0000', '\u0000\u0000', 'é', 'e\u0301', '🛫', '1', '01'];
    const ids = [...some, ...[31, 32, 255, 256, 512].map((length) => 'x'.repeat(length))];
    const outcomes = await log().append(to(0, ...ids));
    expect(outcomes).toEqual(ids.map(() => 'appended'));
    expect(await log().append(to(elsewhere(0), ...ids))).toEqual(ids.map(() => 'duplicate'));
    expect(await idsOf(log(), 0)).toEqual(ids);
    expect(await log().trim({ appendedBeforeMs: 5000, bytesMax: 0 })).toBe(ids.length);
    expect(await log().append(to(elsewhere(0), ...ids))).toEqual(ids.map(() => 'appended'));
  });

  it('agrees with plain lists after any appends', async () => {
    const write = fc.record({ id: fc.nat(40), first: fc.nat(3), copies: fc.subarray([0, 1, 2, 3]) });
    const lists: [id: string, isCopy: boolean][][] = [[], [], [], []];
    const isKnown = (id: string, partition: number): boolean =>
      lists.some((list, p) => (scope === 'log' || p === partition) && list.some(([known]) => known === id));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(write, { maxLength: 6 }), { maxLength: 4 }), async (calls) => {
        const writes = calls.map((call) =>
          call.map(({ id, first, copies }): EventWrite => ({
            event: clickEvent(String(id)),
            partitions: [first, ...copies.filter((copy) => copy !== first)],
          })),
        );
        const outcomes = await Promise.all(writes.map(async (call) => log().append(call)));
        // Calls at once are appended in some order; each driver keeps that in which they were made.
        const expected = writes.map((call) => {
          const seen = new Set<string>();
          return call.map(({ event: { id }, partitions }): AppendOutcome => {
            const isTwice = seen.has(id);
            seen.add(id);
            const added = partitions.filter((partition) => !isTwice && !isKnown(id, partition));
            for (const partition of added) lists[partition]?.push([id, partition !== partitions[0]]);
            return added.includes(partitions[0] as number) ? 'appended' : 'duplicate';
          });
        });
        expect(outcomes).toEqual(expected);
        for (let p = 0; p < PARTITIONS; p++) {
          const records = await recordsOf(log(), p);
          expect(records.map(({ event, isCopy }) => [event?.id, isCopy])).toEqual(lists[p]);
        }
      }),
      { numRuns: 25 },
    );
  });
}

function describeReads(log: () => EventLog): void {
  it('reads from any offset, at most as much as asked for, and says where to read on', async () => {
    const ids = Array.from({ length: 1500 }, (_, i) => `id-${i}`);
    await log().append(to(0, ...ids.slice(0, 1200)));
    for (let i = 1200; i < 1500; i += 50) await log().append(to(0, ...ids.slice(i, i + 50)));
    for (const from of [0, 1, 511, 512, 513, 1199, 1200, 1249, 1250, 1499])
      expect((await idsOf(log(), 0, from))[0]).toBe(`id-${from}`);
    const found: (string | undefined)[] = [];
    for (let from = 0; from < 1500;) {
      const { records, nextOffset } = await log().read(0, from, { recordsMax: 70, bytesMax: 1e9 });
      expect(records.length).toBeLessThanOrEqual(70);
      expect(nextOffset).toBe(from + records.length);
      found.push(...records.map(({ event }) => event?.id));
      from = nextOffset;
    }
    expect(found).toEqual(ids);
    const small = await log().read(0, 700, { recordsMax: 100, bytesMax: 1 });
    expect(small.records.map(({ offset }) => offset)).toEqual([700]);
  });

  it('has nothing to read at its end or beyond it', async () => {
    await log().append(to(0, 'a'));
    expect(await log().read(0, 1, ALL)).toEqual({ records: [], nextOffset: 1 });
    expect(await log().read(0, 7, ALL)).toEqual({ records: [], nextOffset: 7 });
    expect(await log().read(1, 0, ALL)).toEqual({ records: [], nextOffset: 0 });
  });

  it('tells listeners which partitions have grown, until they leave', async () => {
    const told: number[][] = [];
    const leave = log().onAppend((partitions) => told.push([...partitions].toSorted((a, b) => a - b)));
    await log().append([...to(2, 'a'), { event: clickEvent('b'), partitions: [0, 2] }]);
    await log().append(to(2, 'a'));
    leave();
    await log().append(to(1, 'c'));
    expect(told).toEqual([[0, 2]]);
  });
}

function describeTimes(current: () => [EventLog, LogPlace]): void {
  async function appendAt(nowMs: number, ...ids: string[]): Promise<void> {
    const [log, place] = current();
    place.nowMs = nowMs;
    await log.append(to(0, ...ids));
  }

  it('finds the first offset of a time of appending, also where the clock was put back', async () => {
    const [log] = current();
    await appendAt(1000, 'a', 'b');
    await appendAt(3000, 'c');
    await appendAt(2000, 'd');
    await appendAt(2500, 'e');
    await appendAt(4000, 'f');
    const found = [0, 1000, 1001, 3000, 3001, 4000, 4001].map(async (timeMs) => log.offsetAt(0, timeMs));
    expect(await Promise.all(found)).toEqual([0, 0, 2, 2, 5, 5, 6]);
    expect(await log.offsetAt(1, 0)).toBe(0);
    const times = [0, 1, 2, 3, 4, 5, 6].map(async (offset) => log.appendedAt(0, offset));
    expect(await Promise.all(times)).toEqual([1000, 1000, 3000, 3000, 3000, 4000, undefined]);
    expect(await log.appendedAt(1, 0)).toBeUndefined();
  });

  it('drops what is older than asked for, with its ids, and keeps the rest', async () => {
    const [log] = current();
    await appendAt(1000, 'a', 'b');
    await appendAt(2000, 'c');
    expect(await log.trim({ appendedBeforeMs: 1000, bytesMax: 1e9 })).toBe(0);
    expect(await log.trim({ appendedBeforeMs: 1001, bytesMax: 1e9 })).toBe(2);
    expect((await spans(log))[0]).toEqual([2, 3]);
    expect(await log.read(0, 0, ALL)).toMatchObject({ records: [{ offset: 2 }], nextOffset: 3 });
    expect(await log.append(to(0, 'a', 'c'))).toEqual(['appended', 'duplicate']);
    expect(await idsOf(log, 0)).toEqual(['c', 'a']);
    expect(await log.offsetAt(0, 0)).toBe(2);
    expect(await log.appendedAt(0, 0)).toBe(2000);
  });

  it('drops the oldest of all partitions until the rest fits, but nothing that must be kept', async () => {
    const [log, place] = current();
    for (let i = 0; i < 40; i++) {
      place.nowMs = i;
      await log.append(to(i % 2, `id-${i}`));
    }
    const bytes = (await log.sizes()).reduce((sum, size) => sum + size.bytes, 0);
    const limits = { appendedBeforeMs: 0, bytesMax: bytes / 2 };
    expect(await log.trim({ ...limits, keepFrom: [3, 0, 0, 0] })).toBe(3);
    expect((await spans(log)).slice(0, 2)).toEqual([
      [3, 20],
      [0, 20],
    ]);
    const dropped = await log.trim(limits);
    expect(dropped).toBeGreaterThan(14);
    expect(dropped).toBeLessThan(20);
    const left = (await log.sizes()).reduce((sum, size) => sum + size.bytes, 0);
    expect(left).toBeLessThanOrEqual(limits.bytesMax);
    const [first, second] = await spans(log);
    expect(Math.abs((first?.[0] ?? 0) - (second?.[0] ?? 0))).toBeLessThanOrEqual(1);
  });

  it('goes on counting offsets where all was dropped', async () => {
    const [log] = current();
    await appendAt(1000, 'a', 'b');
    await log.trim({ appendedBeforeMs: 5000, bytesMax: 0 });
    expect((await log.sizes())[0]).toEqual({ firstOffset: 2, nextOffset: 2, bytes: 0 });
    await appendAt(2000, 'a');
    expect((await recordsOf(log, 0)).map(({ offset }) => offset)).toEqual([2]);
  });
}

function describeChanges(
  current: () => [EventLog, LogPlace],
  reopen: (next: () => Promise<EventLog>) => Promise<EventLog>,
  scope: IdScope,
): void {
  it('keeps everything when it is closed and opened again', async () => {
    const [log, place] = current();
    await log.append(to(1, 'a', 'b'));
    const again = await reopen(async () => place.open());
    expect(await idsOf(again, 1)).toEqual(['a', 'b']);
    const partition = scope === 'log' ? 2 : 1;
    expect(await again.append(to(partition, 'b', 'c'))).toEqual(['duplicate', 'appended']);
  });

  it('finishes what is being appended when it is closed, and takes nothing afterwards', async () => {
    const [log, place] = current();
    const calls = Array.from({ length: 20 }, async (_, i) => log.append(to(0, `id-${i}`)));
    const again = await reopen(async () => place.open());
    expect(await Promise.all(calls)).toEqual(calls.map(() => ['appended']));
    expect(await idsOf(again, 0)).toHaveLength(20);
    await expect(log.append(to(0, 'late'))).rejects.toThrow('closed');
  });

  it('shows what another one on the same place has appended, and finds its duplicates', async () => {
    const [log, place] = current();
    const other = await place.open();
    const both = [log, other].map(async (each, i) =>
      Promise.all(Array.from({ length: 30 }, async (_, n) => each.append(to(0, `id-${n}`, `own-${i}-${n}`)))),
    );
    const outcomes = (await Promise.all(both)).flat(2);
    expect(outcomes.filter((outcome) => outcome === 'appended')).toHaveLength(90);
    const ids = await idsOf(log, 0);
    expect(ids).toHaveLength(90);
    expect(new Set(ids).size).toBe(90);
    expect(await idsOf(other, 0)).toEqual(ids);
    await other.close();
  });

  it('reads older events by the names of their fields, and says which type the project does not have', async () => {
    const [log, place] = current();
    await log.append([
      { event: eventOf(departure, 'a', ['JFK', 1.5, 7, 1000]), partitions: [0] },
      ...to(0, 'b'),
      { event: eventOf(departure, 'c', ['LAX', null, 9, 2000]), partitions: [0] },
    ]);
    const changed = eventTypeOf('departure', {
      seats: 'float64',
      'gate?': 'string',
      origin: 'string',
      delay: 'string',
    });
    const again = await reopen(async () => place.open(new Map([['departure', changed]])));
    const { records, nextOffset } = await again.read(0, 0, ALL);
    expect(records.map(({ offset, event, problem }) => [offset, event?.values, problem])).toEqual([
      [0, [7, null, 'JFK', null], undefined],
      [1, undefined, expect.stringContaining('"click"')],
      [2, [9, null, 'LAX', null], undefined],
    ]);
    expect(records[0]?.event?.type).toBe(changed);
    expect(nextOffset).toBe(3);
    await again.append([{ event: eventOf(changed, 'd', [1, 'B2', 'SFO', 'x']), partitions: [0] }]);
    const back = await reopen(async () => place.open());
    expect((await recordsOf(back, 0)).map(({ event }) => event?.values)).toEqual([
      ['JFK', 1.5, 7, 1000],
      ['home', null],
      ['LAX', null, 9, 2000],
      ['SFO', null, 1, null],
    ]);
  });

  it('is not opened with another number of partitions', async () => {
    const [, place] = current();
    await expect(place.open(undefined, 5)).rejects.toMatchObject({
      code: 'INVALID_PROJECT',
      message: expect.stringMatching(/^streaming\.partitions is 5, but the event log .* has 4/),
    });
  });
}
