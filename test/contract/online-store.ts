/** What every online store must do, whatever it keeps rows in. Each implementation runs this suite. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeEntityKey } from '../../src/features/entity-key.ts';
import type { OnlineStore, Row, RowWrite } from '../../src/features/online-store.ts';
import type { FeatureView } from '../../src/project/project.ts';
import type { Value } from '../../src/project/value.ts';
import { entityOf, viewOf } from '../features/sample-project.ts';

const airport = entityOf('airport', { iata: 'string' });
const pair = entityOf('pair', { user: 'string', item: 'string' });
const profile = viewOf('airport_profile', airport, { latitude: 'float64', state: 'string' });
const weather = viewOf('airport', airport, { wind: 'float64', gusts: 'string' });
const clicks = viewOf('clicks', pair, { count: 'int64' });
const everyType = viewOf('every_type', airport, {
  f32: 'float32',
  f64: 'float64',
  i64: 'int64',
  text: 'string',
  flag: 'bool',
  time: 'timestamp',
  v32: 'float32[3]',
  v64: 'float64[2]',
  vi: 'int64[2]',
});
const wide = viewOf('wide', airport, { embedding: 'float32[4096]', text: 'string' });

/** Every view that the suite writes; the store is opened with them. */
export const contractViews: readonly FeatureView[] = [profile, weather, clicks, everyType, wide];

export interface OpenedStore {
  readonly store: OnlineStore;
  /** Closes the store and opens another one on the same data. */
  reopen(): Promise<OnlineStore>;
  /** Closes whatever is open and removes the data. */
  close(): Promise<void>;
}

/** @param open opens a store on the same data each time */
export async function reopenable(open: () => Promise<OnlineStore>): Promise<OpenedStore> {
  let store = await open();
  return {
    store,
    async reopen() {
      await store.close();
      store = await open();
      return store;
    },
    close: async () => store.close(),
  };
}

/** @param timestampStepMs how exactly the store keeps values of type timestamp */
export function describeOnlineStore(
  name: string,
  open: () => Promise<OpenedStore>,
  { timestampStepMs = 1 }: { readonly timestampStepMs?: number } = {},
): void {
  describe(`${name} as an online store`, () => {
    let opened: OpenedStore;
    let store: OnlineStore;

    beforeEach(async () => {
      opened = await open();
      store = opened.store;
    });
    afterEach(() => opened.close());

    describeValues(() => store, timestampStepMs);
    describeKeys(() => store);
    describeCompareAndSet(() => store);

    it('keeps everything when it is closed and opened again', async () => {
      await store.write([write(profile, 'JFK', 1000, 40.6, 'NY'), write(weather, 'JFK', 2000, 12.5, 'none')]);
      store = await opened.reopen();
      expect(await lookUp(store, profile, 'JFK')).toEqual([1000, 40.6, 'NY']);
      expect(await lookUp(store, weather, 'JFK')).toEqual([2000, 12.5, 'none']);
    });

    it('finishes the writes in progress when it is closed', async () => {
      const calls = [];
      for (let i = 0; i < 30; i++) {
        calls.push(store.write([write(profile, `k${i}`, 1000, i, 'NY')]));
        // Some calls are under way and others have only begun when the store is closed.
        if (i % 3 === 0) await new Promise(setImmediate);
      }
      store = await opened.reopen();
      expect(await Promise.all(calls)).toEqual(calls.map(() => ['written']));
      const keys = calls.map((_, i) => ({ view: profile, key: `k${i}` }));
      expect(await store.read(keys)).toEqual(calls.map((_, i) => [1000, i, 'NY']));
    });

    it('agrees with a plain map after any sequence of writes', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(batches, { minLength: 1, maxLength: 6 }), async (calls) => {
          // A view of keys for each run, so that runs do not see each other's rows.
          const run = String(runs++);
          const model = new Map<string, Row>();
          const outcomes = await Promise.all(
            calls.map((batch) =>
              store.write(batch.map(([key, time, wind]) => windWrite(run + key, time, wind))),
            ),
          );
          const expected = calls.map((batch) =>
            batch.map(([key, time, wind]) => applyTo(model, key, time, wind)),
          );
          expect(outcomes).toEqual(expected);
          for (const key of modelKeys) {
            expect(await lookUp(store, weather, run + key)).toEqual(model.get(key) ?? null);
          }
        }),
        { numRuns: 60 },
      );
    });
  });
}

function describeValues(current: () => OnlineStore, timestampStepMs: number): void {
  it.each<[string, Value[]]>([
    [
      'ordinary values',
      [1.5, 40.639801025390625, 42, 'New York', true, 983_455_500_000, [0.5, -1, 3], [1e300, 2], [1, 2]],
    ],
    ['nulls', [null, null, null, null, null, null, null, null, null]],
    [
      'integers beyond 2^53',
      [0, 0, 9_007_199_254_740_993n, '', false, 0, [0, 0, 0], [0, 0], [-(2n ** 63n), 2n ** 63n - 1n]],
    ],
    [
      'the largest safe integers',
      [0, 0, Number.MAX_SAFE_INTEGER, '', false, -8.64e15, [0, 0, 0], [0, 0], [Number.MIN_SAFE_INTEGER, 127]],
    ],
    ['signs of zero', [-0, -0, 0, '', true, 0, [-0, 0, -0], [-0, 0], [0, 0]]],
    [
      'floats at the edges',
      [
        1.401298464324817e-45,
        5e-324,
        -128,
        '',
        true,
        1,
        [3.4028234663852886e38, 0.10000000149011612, -1.5],
        [0.1, 1.7976931348623157e308],
        [128, -1],
      ],
    ],
    ['text beyond ASCII', [0, 0, 0, 'Ålesund 東京 🛫 \u0000 "', true, 1, [0, 0, 0], [0, 0], [0, 0]]],
  ])('returns %s exactly as they were written', async (_, written) => {
    const values = written.map((value, i) =>
      everyType.features[i]?.type.scalar === 'timestamp' && value !== null
        ? Math.floor((value as number) / timestampStepMs) * timestampStepMs
        : value,
    );
    await current().write([write(everyType, 'JFK', 1000, ...values)]);
    expect(await lookUp(current(), everyType, 'JFK')).toStrictEqual([1000, ...values]);
  });

  it('returns every finite float bit for bit', async () => {
    const rows = fc.sample(fc.tuple(float32, float64, fc.tuple(float32, float32, float32)), 500);
    const writes = rows.map(([f32, f64, v32], i) =>
      write(everyType, `k${i}`, i, f32, f64, 0, '', true, 0, v32, [f64, f64], [0, 0]),
    );
    await current().write(writes);
    const read = await current().read(writes);
    expect(read).toStrictEqual(writes.map(({ row }) => row));
  });

  it('keeps large rows', async () => {
    const embedding = Array.from({ length: 4096 }, (_, i) => Math.fround(Math.sin(i)));
    const rows = [embedding, embedding.map((x) => -x)].map((v, i) =>
      write(wide, `k${i}`, 1, v, 'é'.repeat(70_000)),
    );
    await current().write(rows);
    expect(await current().read(rows)).toStrictEqual(rows.map(({ row }) => row));
  });
}

function describeKeys(current: () => OnlineStore): void {
  it('finds nothing under a key that was never written', async () => {
    await current().write([write(profile, 'JFK', 1000, 40.6, 'NY')]);
    expect(await lookUp(current(), profile, 'JF')).toBeNull();
    expect(await lookUp(current(), profile, 'JFKX')).toBeNull();
    expect(await lookUp(current(), profile, '')).toBeNull();
  });

  it('reads many keys in the order asked, with null where there is no row', async () => {
    await current().write(['a', 'b', 'c'].map((key, i) => write(profile, key, i, i, key)));
    const asked = ['c', 'x', 'a', 'c', 'b'].map((key) => ({ view: profile, key }));
    expect(await current().read(asked)).toEqual([[2, 2, 'c'], null, [0, 0, 'a'], [2, 2, 'c'], [1, 1, 'b']]);
    expect(await current().read([])).toEqual([]);
  });

  it('keeps two views of one entity apart', async () => {
    await current().write([write(profile, 'JFK', 1000, 40.6, 'NY')]);
    expect(await lookUp(current(), weather, 'JFK')).toBeNull();
    await current().write([write(weather, 'JFK', 500, 3, 'none')]);
    expect(await lookUp(current(), profile, 'JFK')).toEqual([1000, 40.6, 'NY']);
    // The name of one view begins with the other's.
    expect(await lookUp(current(), weather, '_profile/JFK')).toBeNull();
  });

  it('keeps composite keys apart, whatever characters they hold', async () => {
    const parts = ['', 'a', 'b', ':', '1:a', 'a:b', '\u0000', 'a\u0000', '0:', '1', '11', '2:'];
    const tuples = parts.flatMap((user) => parts.map((item) => [user, item]));
    const writes = tuples.map((tuple, i) => write(clicks, encodeEntityKey(pair, tuple), 1, i));
    await current().write(writes);
    expect(await current().read(writes)).toEqual(tuples.map((_, i) => [1, i]));
  });

  it('keeps any two keys apart', async () => {
    const text = fc.string({ unit: 'binary', maxLength: 130 });
    const lowText = fc.string({
      unit: fc.constantFrom('\u0000', '\u0001', '\u0004', '\u001b', '/', 'a'),
      minLength: 60,
      maxLength: 66,
    });
    const keys = fc
      .sample(fc.uniqueArray(fc.oneof(text, lowText), { minLength: 300, maxLength: 300 }), 1)
      .flat();
    // Encodings that escape control characters in short strings only would take these for each other.
    for (let n = 0; n < 64; n++) keys.push(`${'b'.repeat(n)}\u0004`, `${'b'.repeat(n)}\u0004\u0004`);
    const distinct = [...new Set(keys)];
    const writes = distinct.map((key, i) => write(weather, key, 1, i, null));
    await current().write(writes);
    expect(await current().read(writes)).toEqual(distinct.map((_, i) => [1, i, null]));
  });

  it('refuses a key that is too long, and then writes none of the call', async () => {
    const long = write(profile, 'é'.repeat(513), 1000, 1, 'NY');
    const call = current().write([write(profile, 'JFK', 1000, 40.6, 'NY'), long]);
    await expect(call).rejects.toMatchObject({ code: 'KEY_TOO_LONG' });
    expect(await lookUp(current(), profile, 'JFK')).toBeNull();
    const longest = write(profile, 'é'.repeat(512), 1000, 1, 'NY');
    expect(await current().write([longest])).toEqual(['written']);
    expect(await lookUp(current(), profile, longest.key)).toEqual(longest.row);
  });
}

function describeCompareAndSet(current: () => OnlineStore): void {
  it('replaces a row by one with a later event time', async () => {
    await current().write([write(profile, 'JFK', 1000, 1, 'old')]);
    expect(await current().write([write(profile, 'JFK', 1001, 2, 'new')])).toEqual(['written']);
    expect(await lookUp(current(), profile, 'JFK')).toEqual([1001, 2, 'new']);
  });

  it('keeps a row when an older one comes, and says so', async () => {
    await current().write([write(profile, 'JFK', 1000, 1, 'stays')]);
    expect(await current().write([write(profile, 'JFK', 999, 2, 'late')])).toEqual(['older']);
    expect(await lookUp(current(), profile, 'JFK')).toEqual([1000, 1, 'stays']);
  });

  it('replaces a row by one of the same event time', async () => {
    await current().write([write(profile, 'JFK', 1000, 1, 'wrong')]);
    expect(await current().write([write(profile, 'JFK', 1000, 2, 'right')])).toEqual(['written']);
    expect(await lookUp(current(), profile, 'JFK')).toEqual([1000, 2, 'right']);
  });

  it('applies the rows of one call in order', async () => {
    const times = [5, 3, 9, 9, 7];
    const outcomes = await current().write(times.map((time, i) => write(profile, 'JFK', time, i, 'x')));
    expect(outcomes).toEqual(['written', 'older', 'written', 'written', 'older']);
    expect(await lookUp(current(), profile, 'JFK')).toEqual([9, 3, 'x']);
  });

  it('compares event times before 1970', async () => {
    await current().write([write(profile, 'JFK', -5, 1, 'x')]);
    expect(
      await current().write([write(profile, 'JFK', -6, 2, 'y'), write(profile, 'JFK', -4, 3, 'z')]),
    ).toEqual(['older', 'written']);
    expect(await lookUp(current(), profile, 'JFK')).toEqual([-4, 3, 'z']);
  });

  it('ends with the latest event time when many calls write one key at once', async () => {
    const times = fc.sample(fc.integer({ min: 0, max: 1000 }), 100);
    await Promise.all(times.map((time) => current().write([write(profile, 'JFK', time, time, 'x')])));
    const latest = Math.max(...times);
    expect(await lookUp(current(), profile, 'JFK')).toEqual([latest, latest, 'x']);
  });

  it('does nothing for a call without rows', async () => {
    expect(await current().write([])).toEqual([]);
  });
}

const float32 = fc.float({ noNaN: true, noDefaultInfinity: true });
const float64 = fc.double({ noNaN: true, noDefaultInfinity: true });
const modelKeys = ['', 'a', 'b', 'c'];
const batches = fc.array(fc.tuple(fc.constantFrom(...modelKeys), fc.integer({ min: -3, max: 3 }), float64), {
  maxLength: 8,
});
let runs = 0;

function write(view: FeatureView, key: string, eventTimeMs: number, ...values: Value[]): RowWrite {
  return { view, key, row: [eventTimeMs, ...values] };
}

function windWrite(key: string, eventTimeMs: number, wind: number): RowWrite {
  return write(weather, key, eventTimeMs, wind, null);
}

function applyTo(
  model: Map<string, Row>,
  key: string,
  eventTimeMs: number,
  wind: number,
): 'written' | 'older' {
  const stored = model.get(key);
  if (stored !== undefined && stored[0] > eventTimeMs) return 'older';
  model.set(key, [eventTimeMs, wind, null]);
  return 'written';
}

/** What `read` finds; `get` must find the same or leave it to `read`. */
async function lookUp(store: OnlineStore, view: FeatureView, key: string): Promise<Row | null> {
  const [row] = await store.read([{ view, key }]);
  const got = store.get(view, key);
  expect(got === undefined ? row : got).toStrictEqual(row);
  return row as Row | null;
}
