/** What every store of rollouts must do, whatever it keeps them in. Each driver runs this suite. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RolloutRecord } from '../../src/rollouts/rollout-record.ts';
import type { RolloutStore, StickyKey } from '../../src/rollouts/rollout-store.ts';
import { changeNext, changeOf, contractEndpoints, recordOf } from '../rollouts/sample-change.ts';

/** One place in which rollouts are kept. */
export interface RolloutsPlace {
  /** The clock of all its stores. */
  nowMs: number;
  /** An instance of its own, as another process would open it. */
  open(): Promise<RolloutStore>;
  /** All instances are closed, and what a process keeps in memory is gone. */
  restart(): Promise<void>;
  remove(): Promise<void>;
}

const HOUR_MS = 3_600_000;

export function describeRolloutStore(name: string, createPlace: () => Promise<RolloutsPlace>): void {
  describe(`${name} as a store of rollouts`, () => {
    let place: RolloutsPlace;
    let store: RolloutStore;
    const current = (): [RolloutStore, RolloutsPlace] => [store, place];

    beforeEach(async () => {
      place = await createPlace();
      store = await place.open();
    });
    afterEach(async () => place.remove());

    describeRecords(current);
    describeRaces(current);
    describeAudit(current);
    describeSticky(current);
    describeStickyRaces(current);
    describeSamples(current);
  });
}

function describeRecords(current: () => [RolloutStore, RolloutsPlace]): void {
  it('has no record of an endpoint that was never changed', async () => {
    const [store] = current();
    expect(store.get('flights')).toBeUndefined();
    expect(store.revision()).toBe(store.revision());
    expect(await store.audit('flights', 10)).toEqual([]);
  });

  it('gives what it changed at once, under another revision', async () => {
    const [store] = current();
    for (const endpoint of contractEndpoints) {
      const before = store.revision();
      expect(await store.change(0, changeOf(endpoint, 1))).toBe(true);
      expect(store.revision()).not.toBe(before);
      expect(store.get(endpoint)).toEqual(recordOf(endpoint, 1, 'ann'));
    }
    for (const endpoint of contractEndpoints) expect(store.get(endpoint)?.endpoint).toBe(endpoint);
  });

  it('keeps a record without canary and bandit', async () => {
    const [store] = current();
    const after: RolloutRecord = {
      ...recordOf('flights', 1, 'ann'),
      origin: 'file',
      canary: undefined,
      bandit: undefined,
    };
    await store.change(0, { ...changeOf('flights', 1), after });
    expect(store.get('flights')).toEqual(after);
  });

  it('keeps its revision while nothing changes', async () => {
    const [store] = current();
    await changeNext(store, 'flights', 'ann');
    const seen = new Set<number>();
    for (let i = 0; i < 50; i++) {
      seen.add(store.revision());
      await new Promise(setImmediate);
    }
    expect(seen.size).toBe(1);
  });

  it('changes nothing if the version is another one, and then gives the one that is there', async () => {
    const [store, place] = current();
    const other = await place.open();
    await changeNext(store, 'flights', 'ann');
    await changeNext(store, 'flights', 'ann');
    for (const expected of [0, 1, 3])
      expect(await other.change(expected, changeOf('flights', expected + 1, 'bob'))).toBe(false);
    expect(other.get('flights')).toEqual(recordOf('flights', 2, 'ann'));
    expect(await store.audit('flights', 10)).toHaveLength(2);
  });

  it('refuses a line of the audit log that is about another change', async () => {
    const [store] = current();
    await expect(store.change(0, changeOf('flights', 2))).rejects.toThrow('gives version 1');
    const foreign = { ...changeOf('flights', 1), after: recordOf('A', 1, 'ann') };
    await expect(store.change(0, foreign)).rejects.toThrow('flights');
    expect(store.get('flights')).toBeUndefined();
  });

  it('shows a change to another store', async () => {
    const [store, place] = current();
    const other = await place.open();
    const before = other.revision();
    await changeNext(store, 'flights', 'ann');
    await vi.waitFor(() => expect(other.get('flights')).toEqual(recordOf('flights', 1, 'ann')));
    expect(other.revision()).not.toBe(before);
  });

  it('keeps records and the audit log over a restart', async () => {
    const [store, place] = current();
    for (let i = 0; i < 3; i++) await changeNext(store, 'flights', 'ann');
    await place.restart();
    const again = await place.open();
    expect(again.get('flights')).toEqual(recordOf('flights', 3, 'ann'));
    expect((await again.audit('flights', 10)).map(({ version }) => version)).toEqual([3, 2, 1]);
    expect(await changeNext(again, 'flights', 'ann')).toBe(4);
  });
}

function describeRaces(current: () => [RolloutStore, RolloutsPlace]): void {
  it('lets one of many changes of a version win, each of which is in the audit log once, in order', async () => {
    const [one, place] = current();
    const stores = [one, await place.open(), await place.open(), await place.open()];
    const changers = Array.from({ length: 20 }, (_, i) => ({
      store: stores[i % stores.length] as RolloutStore,
      by: `changer ${i}`,
    }));
    const made = await Promise.all(
      changers.map(async ({ store, by }) => ({ by, version: await changeNext(store, 'flights', by) })),
    );
    const versions = Array.from({ length: 20 }, (_, i) => i + 1);
    expect(made.map(({ version }) => version).toSorted((a, b) => a - b)).toEqual(versions);
    const lines = await one.audit('flights', 100);
    const makerOf = new Map(made.map(({ by, version }) => [version, by]));
    expect(lines).toEqual(
      versions.toReversed().map((version) => changeOf('flights', version, makerOf.get(version))),
    );
    for (const store of stores) await vi.waitFor(() => expect(store.get('flights')).toEqual(lines[0]?.after));
  });

  it('lets one of the changes that expect the same version win', async () => {
    const [one, place] = current();
    const other = await place.open();
    for (let version = 1; version <= 5; version++) {
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, async (_, i) =>
          [one, other][i % 2]?.change(version - 1, changeOf('flights', version, `${i}`)),
        ),
      );
      expect(outcomes.filter((outcome) => outcome === true)).toHaveLength(1);
      const [latest] = await one.audit('flights', 1);
      expect(latest?.by).toBe(String(outcomes.indexOf(true)));
      expect(one.get('flights')).toEqual(latest?.after);
    }
  });

  it('changes endpoints independently', async () => {
    const [store] = current();
    await Promise.all(contractEndpoints.map(async (endpoint) => changeNext(store, endpoint, 'ann')));
    for (const endpoint of contractEndpoints) expect(await store.audit(endpoint, 10)).toHaveLength(1);
  });
}

function describeAudit(current: () => [RolloutStore, RolloutsPlace]): void {
  it('gives the latest lines, latest first, as many as are asked for', async () => {
    const [store] = current();
    for (let i = 0; i < 12; i++) await changeNext(store, 'A', `by ${i}`);
    await changeNext(store, 'a.b-c_d', 'ann');
    const lines = await store.audit('A', 3);
    expect(lines).toEqual([12, 11, 10].map((version) => changeOf('A', version, `by ${version - 1}`)));
    expect(await store.audit('A', 100)).toHaveLength(12);
    expect(await store.audit('A', 0)).toEqual([]);
    expect(await store.audit('a.b', 10)).toEqual([]);
    expect((await store.audit('a.b-c_d', 10)).map(({ by }) => by)).toEqual(['ann']);
  });
}

const unit = (text: string): StickyKey => ({ experiment: 'taste', unit: `user_id||${text}` });

/** As a request would look: in memory, then in the store. */
export async function variantOf(store: RolloutStore, key: StickyKey, nowMs: number): Promise<string | null> {
  const known = store.getSticky(key, nowMs);
  return known === undefined ? store.readSticky(key, nowMs) : known;
}

function describeSticky(current: () => [RolloutStore, RolloutsPlace]): void {
  it('gives a unit what it was given first', async () => {
    const [store, place] = current();
    expect(await variantOf(store, unit('1'), place.nowMs)).toBeNull();
    store.keepSticky(unit('1'), 'a', place.nowMs + HOUR_MS);
    await vi.waitFor(async () => expect(await variantOf(store, unit('1'), place.nowMs)).toBe('a'));
    store.keepSticky(unit('1'), 'b', place.nowMs + 2 * HOUR_MS);
    store.keepSticky(unit('2'), 'b', place.nowMs + HOUR_MS);
    await vi.waitFor(async () => expect(await variantOf(store, unit('2'), place.nowMs)).toBe('b'));
    expect(await variantOf(store, unit('1'), place.nowMs)).toBe('a');
    expect(store.getSticky(unit('1'), place.nowMs)).toBe('a');
    expect(await variantOf(store, { experiment: 'other', unit: unit('1').unit }, place.nowMs)).toBeNull();
  });

  it('tells units with odd names apart', async () => {
    const [store, place] = current();
    const long = 'é'.repeat(256);
    const texts = ['', ' ', '\0', '\0\0', '\u0001', 'a/b', '#x', '{x}', '{}', '=', '✈', '\ud83d', '\ude00'];
    const odd = [...texts, 'a\r\nb', '"', long, `${long}1`, `${long}2`, 'x'.repeat(512), 'x'.repeat(5000)];
    for (const [i, text] of odd.entries())
      store.keepSticky({ experiment: 'taste', unit: text }, `v${i}`, place.nowMs + HOUR_MS);
    await store.close();
    const other = await place.open();
    for (const [i, text] of odd.entries())
      expect(await variantOf(other, { experiment: 'taste', unit: text }, place.nowMs)).toBe(`v${i}`);
    expect(await variantOf(other, { experiment: 'taste', unit: `${long}3` }, place.nowMs)).toBeNull();
  });

  it('forgets what has expired, and keeps what comes then', async () => {
    const [store, place] = current();
    store.keepSticky(unit('1'), 'a', place.nowMs + HOUR_MS);
    await vi.waitFor(async () => expect(await variantOf(store, unit('1'), place.nowMs)).toBe('a'));
    expect(await variantOf(store, unit('1'), place.nowMs + HOUR_MS - 1)).toBe('a');
    expect(await variantOf(store, unit('1'), place.nowMs + HOUR_MS)).toBeNull();
    Object.assign(place, { nowMs: place.nowMs + HOUR_MS });
    store.keepSticky(unit('1'), 'b', place.nowMs + HOUR_MS);
    await vi.waitFor(async () => expect(await variantOf(store, unit('1'), place.nowMs)).toBe('b'));
    const other = await place.open();
    expect(await variantOf(other, unit('1'), place.nowMs)).toBe('b');
  });

  it('has kept all when it is closed', async () => {
    const [store, place] = current();
    for (let i = 0; i < 2000; i++) store.keepSticky(unit(`${i}`), `v${i % 7}`, place.nowMs + HOUR_MS);
    await store.close();
    await place.restart();
    const again = await place.open();
    for (let i = 0; i < 2000; i += 13)
      expect(await variantOf(again, unit(`${i}`), place.nowMs)).toBe(`v${i % 7}`);
  });
}

function describeStickyRaces(current: () => [RolloutStore, RolloutsPlace]): void {
  it('lets the first of several stores win, which all of them give from then on', async () => {
    const [one, place] = current();
    const stores = [one, await place.open(), await place.open()];
    const units = Array.from({ length: 200 }, (_, i) => unit(`${i}`));
    for (const key of units)
      for (const [i, store] of stores.entries())
        store.keepSticky(key, `of store ${i}`, place.nowMs + HOUR_MS);
    const seen = async (store: RolloutStore): Promise<(string | null)[]> =>
      Promise.all(units.map(async (key) => variantOf(store, key, place.nowMs)));
    await vi.waitFor(async () => expect(await seen(one)).not.toContain(null));
    const first = await seen(one);
    await Promise.all(stores.map(async (store) => store.close()));
    const late = [await place.open(), await place.open()];
    for (const store of late) expect(await seen(store)).toEqual(first);
  });

  it('gives what another store kept, after this one has lost the race', async () => {
    const [one, place] = current();
    const other = await place.open();
    other.keepSticky(unit('1'), 'theirs', place.nowMs + HOUR_MS);
    await vi.waitFor(async () => expect(await variantOf(other, unit('1'), place.nowMs)).toBe('theirs'));
    one.keepSticky(unit('1'), 'ours', place.nowMs + HOUR_MS);
    await vi.waitFor(() => expect(one.getSticky(unit('1'), place.nowMs)).toBe('theirs'));
    expect(await one.readSticky(unit('1'), place.nowMs)).toBe('theirs');
  });
}

function describeSamples(current: () => [RolloutStore, RolloutsPlace]): void {
  const put = async (
    store: RolloutStore,
    process: string,
    samplesVersion: number,
    samples: unknown,
    endpoint = 'flights',
  ): Promise<void> => store.putSamples({ endpoint, samplesVersion, process }, JSON.stringify(samples));
  const samplesOf = async (store: RolloutStore, version: number): Promise<unknown[]> =>
    (await store.samples('flights', version)).toSorted().map((text): unknown => JSON.parse(text));

  it('gives what each process has put last', async () => {
    const [one, place] = current();
    const other = await place.open();
    expect(await samplesOf(one, 1)).toEqual([]);
    await put(one, 'p1', 1, 'first');
    await put(one, 'p1', 1, 'é\0✈');
    await put(other, 'p2', 1, 'of p2');
    await put(other, 'p2', 1, 'elsewhere', 'A');
    for (const store of [one, other]) expect(await samplesOf(store, 1)).toEqual(['of p2', 'é\0✈']);
  });

  it('drops those of other versions when the first of a newer one comes, and takes none of an older one', async () => {
    const [store] = current();
    await put(store, 'p1', 9, 1);
    await put(store, 'p2', 9, 2);
    expect(await samplesOf(store, 10)).toEqual([]);
    await put(store, 'p2', 10, 3);
    expect(await samplesOf(store, 9)).toEqual([]);
    await put(store, 'p1', 9, 4);
    expect(await samplesOf(store, 10)).toEqual([3]);
    expect(await samplesOf(store, 9)).toEqual([]);
  });

  it('keeps those of 256 processes, the ones that have put lately', async () => {
    const [store, place] = current();
    for (let i = 0; i < 260; i++) {
      Object.assign(place, { nowMs: place.nowMs + 1 });
      await put(store, `p${i}`, 1, i);
      if (i === 100) {
        Object.assign(place, { nowMs: place.nowMs + 1 });
        await put(store, 'p0', 1, 'again');
      }
    }
    const kept = new Set(await samplesOf(store, 1));
    expect(kept.size).toBe(256);
    expect([0, 1, 2, 3, 4].filter((i) => kept.has(i))).toEqual([]);
    expect([5, 'again', 259].filter((i) => kept.has(i))).toHaveLength(3);
  });

  it('keeps them over a restart', async () => {
    const [store, place] = current();
    await put(store, 'p1', 3, { count: 5 });
    await place.restart();
    expect(await samplesOf(await place.open(), 3)).toEqual([{ count: 5 }]);
  });
}
