/** What every tile store must do, whatever it keeps tiles in. Each driver runs this suite. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SetAsideEntry, SetAsideLog } from '../../src/events/set-aside-log.ts';
import { ENTITY_KEY_BYTES_MAX } from '../../src/features/entity-key.ts';
import { tiledName } from '../../src/streaming/tile-store.ts';
import type {
  AppliedBatch,
  Position,
  StoredTile,
  TileChange,
  TiledEntity,
  TileStore,
} from '../../src/streaming/tile-store.ts';
import { flightViews } from '../streaming/flight-stream.ts';

export interface OpenedTiles {
  readonly tiles: TileStore;
  readonly deadLetters: SetAsideLog;
  readonly corrections: SetAsideLog;
}

/** One place in which tiles are kept. */
export interface TilesPlace {
  /** An instance of its own, as another process would open it. */
  open(): Promise<OpenedTiles>;
  /** All instances are closed, and what a process keeps in memory is gone. */
  restart(): Promise<void>;
  remove(): Promise<void>;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const nowhere: Position = { offset: 0, maxTimeMs: -Infinity };
const { byOrigin, byDestination } = flightViews;

export function describeTileStore(name: string, createPlace: () => Promise<TilesPlace>): void {
  describe(`${name} as a tile store`, () => {
    let place: TilesPlace;
    let opened: OpenedTiles;
    const current = (): [OpenedTiles, TilesPlace] => [opened, place];

    beforeEach(async () => {
      place = await createPlace();
      opened = await place.open();
    });
    afterEach(async () => place.remove());

    describeCommits(current);
    describeEntities(() => opened.tiles);
    describeInstances(current);
    describeSweeps(() => opened.tiles);
  });
}

function entity(key: string, partition = 0, view = byOrigin): TiledEntity {
  return { view, key, partition };
}

function change(of: TiledEntity, startMs: number, text: string | undefined, tileMs = MINUTE_MS): TileChange {
  return { entity: of, tileMs, startMs, bytes: text === undefined ? undefined : Buffer.from(text) };
}

function batch(from: Position, offset: number, tiles: readonly TileChange[], partition = 0): AppliedBatch {
  return { partition, from, to: { offset, maxTimeMs: 7 }, tiles, deadLetters: [], corrections: [] };
}

function aside(offset: number): SetAsideEntry {
  return { partition: 0, offset, reason: 'no', atMs: 1, bytes: Buffer.from([0xc1]) };
}

async function tilesOf(store: TileStore, of: TiledEntity): Promise<(readonly [number, number, string])[]> {
  const [found = []] = await store.read([of]);
  return found.map(({ tileMs, startMs, bytes }) => [tileMs, startMs, bytes.toString()] as const);
}

function describeCommits(current: () => [OpenedTiles, TilesPlace]): void {
  it('begins every partition at offset 0, before all times', async () => {
    const [{ tiles }] = current();
    expect(await tiles.position(0)).toEqual(nowhere);
    expect(await tiles.position(3)).toEqual(nowhere);
    expect(await tilesOf(tiles, entity('JFK'))).toEqual([]);
  });

  it('stores what one batch changes, together with the position, and nothing of one that begins elsewhere', async () => {
    const [{ tiles, deadLetters, corrections }] = current();
    const first = batch(nowhere, 5, [change(entity('JFK'), 0, 'a'), change(entity('LAX'), 0, 'b')]);
    expect(await tiles.commit({ ...first, deadLetters: [aside(1)], corrections: [aside(2)] })).toBe(true);
    const late = batch(nowhere, 9, [change(entity('JFK'), 0, 'c'), change(entity('LAX'), 0, undefined)]);
    expect(await tiles.commit({ ...late, deadLetters: [aside(3)], corrections: [aside(4)] })).toBe(false);
    expect(await tiles.position(0)).toEqual({ offset: 5, maxTimeMs: 7 });
    expect(await tiles.position(1)).toEqual(nowhere);
    expect(await tilesOf(tiles, entity('JFK'))).toEqual([[MINUTE_MS, 0, 'a']]);
    expect(await tilesOf(tiles, entity('LAX'))).toEqual([[MINUTE_MS, 0, 'b']]);
    expect((await deadLetters.list(0, 9)).map(({ offset }) => offset)).toEqual([1]);
    expect((await corrections.list(0, 9)).map(({ offset }) => offset)).toEqual([2]);
  });

  it('lets one of several batches win that begin at the same offset', async () => {
    const [one, place] = current();
    const stores = [one, await place.open(), await place.open()].map(({ tiles }) => tiles);
    for (let round = 0; round < 20; round++) {
      const from = await (stores[0] as TileStore).position(2);
      const outcomes = await Promise.all(
        stores.map(async (store, i) =>
          store.commit(
            batch(from, 10 * round + i + 1, [change(entity('JFK', 2), round * MINUTE_MS, `${i}`)], 2),
          ),
        ),
      );
      expect(outcomes.filter(Boolean)).toHaveLength(1);
      const winner = outcomes.indexOf(true);
      expect((await one.tiles.position(2)).offset).toBe(10 * round + winner + 1);
      expect((await tilesOf(one.tiles, entity('JFK', 2))).at(-1)?.[2]).toBe(String(winner));
    }
  });

  it('stores all of a batch or nothing, also when one of its keys is longer than a store may take', async () => {
    const [{ tiles, deadLetters }] = current();
    const long = entity('x'.repeat(60_000));
    const bad = batch(nowhere, 5, [change(entity('JFK'), 0, 'a'), change(long, 0, 'b')]);
    const neighbour = batch(nowhere, 1, [change(entity('SEA', 1), 0, 'c')], 1);
    const [outcome] = await Promise.allSettled([
      tiles.commit({ ...bad, deadLetters: [aside(1)] }),
      tiles.commit(neighbour),
    ]);
    const isStored = outcome.status === 'fulfilled';
    expect((await tiles.position(0)).offset).toBe(isStored ? 5 : 0);
    expect(await tilesOf(tiles, entity('JFK'))).toHaveLength(isStored ? 1 : 0);
    expect(await deadLetters.count()).toBe(isStored ? 1 : 0);
    expect((await tiles.position(1)).offset).toBe(1);
  });

  it('replaces and drops tiles, and keeps each under its size and start, before 1970 too', async () => {
    const [{ tiles }] = current();
    const jfk = entity('JFK');
    const places = [
      [MINUTE_MS, 0],
      [MINUTE_MS, -MINUTE_MS],
      [MINUTE_MS, -8_640_000_000_000_000],
      [MINUTE_MS, 8_640_000_000_000_000],
      [HOUR_MS, -HOUR_MS],
    ] as const;
    const put = places.map(([tileMs, startMs]) => change(jfk, startMs, `${startMs}`, tileMs));
    await tiles.commit(batch(nowhere, 1, put));
    const stored = places.map(([tileMs, startMs]) => [tileMs, startMs, `${startMs}`] as const);
    expect(new Set(await tilesOf(tiles, jfk))).toEqual(new Set(stored));
    const second = [
      change(jfk, 0, 'new'),
      change(jfk, -MINUTE_MS, 'gone'),
      change(jfk, -MINUTE_MS, undefined),
    ];
    await tiles.commit(batch({ offset: 1, maxTimeMs: 7 }, 2, second));
    const left = [...stored.slice(2), [MINUTE_MS, 0, 'new'] as const];
    expect(new Set(await tilesOf(tiles, jfk))).toEqual(new Set(left));
  });
}

function describeEntities(store: () => TileStore): void {
  const odd = fc
    .array(fc.constantFrom('/', ':', '|', '~', '\0', '\uffff', 'é', '✈', '1', '9', 'a', ' ', 'by_origin'), {
      maxLength: 6,
    })
    .map((parts) => parts.join(''));
  const long = fc.constantFrom('x', 'é', '|', '\0').map((unit) => unit.repeat(ENTITY_KEY_BYTES_MAX / 2));

  it('never mixes the tiles of entities, whatever their names', async () => {
    let from = (await store().position(0)).offset;
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(
          fc.tuple(fc.constantFrom(byOrigin, byDestination), fc.oneof(odd, long, fc.constant(''))),
          {
            minLength: 1,
            maxLength: 12,
            selector: ([view, key]) => tiledName({ view, key }),
          },
        ),
        async (named) => {
          const entities = named.map(([view, key]) => entity(key, 0, view));
          const put = (text: (i: number) => string | undefined): TileChange[] =>
            entities.map((each, i) => change(each, i * MINUTE_MS, text(i)));
          const to = from + 2;
          const position = { offset: from, maxTimeMs: 7 };
          await store().commit(
            batch(
              position,
              from + 1,
              put((i) => `${i}`),
            ),
          );
          for (const [i, each] of entities.entries())
            expect(await tilesOf(store(), each)).toEqual([[MINUTE_MS, i * MINUTE_MS, `${i}`]]);
          await store().commit(
            batch(
              { ...position, offset: from + 1 },
              to,
              put(() => undefined),
            ),
          );
          for (const each of entities) expect(await tilesOf(store(), each)).toEqual([]);
          from = to;
        },
      ),
      { numRuns: 60 },
    );
  });

  it('gives the tiles of several entities in the order asked, by `get` and by `read` the same', async () => {
    const entities = ['b', 'a', 'none'].map((key) => entity(key));
    await store().commit(
      batch(
        nowhere,
        1,
        entities.slice(0, 2).map((each) => change(each, 0, each.key)),
      ),
    );
    const texts = (found: readonly StoredTile[]): string[] => found.map(({ bytes }) => bytes.toString());
    expect((await store().read(entities)).map(texts)).toEqual([['b'], ['a'], []]);
    for (const [i, each] of entities.entries()) {
      const found = store().get(each) ?? (await store().read([each]))[0] ?? [];
      expect(texts(found)).toEqual([['b'], ['a'], []][i]);
    }
  });
}

function describeInstances(current: () => [OpenedTiles, TilesPlace]): void {
  /** All that was changed until now is told then, at the latest. */
  const changedOf = async ({ tiles }: OpenedTiles): Promise<string[]> => {
    await tiles.position(0);
    return [...new Set(tiles.takeChanged())].toSorted();
  };

  it('tells the other instances which entities were changed, once, and not the one that changed them', async () => {
    const [one, place] = current();
    const other = await place.open();
    expect([await changedOf(one), await changedOf(other)]).toEqual([[], []]);
    const epochs = [one, other].map(({ tiles }) => tiles.epochOf(0));
    expect(epochs).not.toContain(0);
    const lax = entity('LAX', 0, byDestination);
    await one.tiles.commit(batch(nowhere, 1, [change(entity('JFK'), 0, 'a'), change(lax, 0, 'b')]));
    expect(await changedOf(one)).toEqual([]);
    expect(await changedOf(other)).toEqual([lax, entity('JFK')].map(tiledName).toSorted());
    expect(await changedOf(other)).toEqual([]);
    await other.tiles.commit(batch(nowhere, 9, [change(entity('SEA'), 0, 'c')]));
    expect([await changedOf(one), await changedOf(other)]).toEqual([[], []]);
    expect([one, other].map(({ tiles }) => tiles.epochOf(0))).toEqual(epochs);
  });

  it('tells of changes without being asked for the position', async () => {
    const [one, place] = current();
    const other = await place.open();
    await changedOf(other);
    await one.tiles.commit(batch(nowhere, 1, [change(entity('JFK'), 0, 'a')]));
    await vi.waitFor(() => expect(other.tiles.takeChanged()).toEqual([tiledName(entity('JFK'))]));
  });

  it('tells all, or ends the epoch, however much it was', async () => {
    const [one, place] = current();
    const other = await place.open();
    await changedOf(other);
    const epoch = other.tiles.epochOf(0);
    for (let n = 0; n < 200; n++) {
      const many = Array.from({ length: n < 40 ? 60 : 1 }, (_, i) =>
        change(entity(`${n}-${i}-${'é'.repeat(300)}`), 0, 'a'),
      );
      await one.tiles.commit(batch({ offset: n, maxTimeMs: 7 }, n + 1, many));
    }
    const changed = await changedOf(other);
    const isToldAll = changed.length === 40 * 60 + 160;
    expect([isToldAll, other.tiles.epochOf(0) !== epoch]).toContain(true);
    expect(await changedOf(other)).toEqual([]);
    expect(other.tiles.epochOf(0)).not.toBe(0);
  });

  it('keeps tiles, positions and forms over a restart', async () => {
    const [one, place] = current();
    await one.tiles.registerForm(12, ['count', 'sum']);
    await one.tiles.registerForm(12, ['count', 'sum']);
    await one.tiles.commit(batch(nowhere, 4, [change(entity('JFK'), -MINUTE_MS, 'a')]));
    await one.tiles.commit({ ...batch(nowhere, 2, [], 1), to: { offset: 2, maxTimeMs: -Infinity } });
    await place.restart();
    const { tiles } = await place.open();
    expect(await tiles.position(0)).toEqual({ offset: 4, maxTimeMs: 7 });
    expect(await tiles.position(1)).toEqual({ offset: 2, maxTimeMs: -Infinity });
    expect(await tilesOf(tiles, entity('JFK'))).toEqual([[MINUTE_MS, -MINUTE_MS, 'a']]);
    expect(tiles.formOf(12)).toEqual(['count', 'sum']);
    expect(tiles.formOf(13)).toBeUndefined();
  });
}

function describeSweeps(store: () => TileStore): void {
  it('walks through all tiles in steps, with their names, and drops those that are expired', async () => {
    const names = ['', 'JFK', 'a|60000:1', 'b:c/d', '\0', 'é✈'];
    const entities = names.map((key) => entity(key));
    const startsMs = [-MINUTE_MS, 0, MINUTE_MS];
    const put = entities.flatMap((each) => startsMs.map((startMs) => change(each, startMs, `${startMs}`)));
    await store().commit(batch(nowhere, 1, put));
    const seen: string[] = [];
    const steps: { dropped: number; isDone: boolean }[] = [];
    while (steps.at(-1)?.isDone !== true) {
      const step = await store().sweep(4, ({ view, key, tileMs, startMs }) => {
        seen.push(`${view}/${key} ${tileMs} ${startMs}`);
        return startMs < 0 && key !== 'JFK';
      });
      steps.push(step);
    }
    expect(seen.toSorted()).toEqual(
      names
        .flatMap((key) => startsMs.map((startMs) => `by_origin/${key} ${MINUTE_MS} ${startMs}`))
        .toSorted(),
    );
    expect(steps.length).toBeGreaterThan(3);
    expect(steps.reduce((sum, { dropped }) => sum + dropped, 0)).toBe(names.length - 1);
    for (const each of entities)
      expect(await tilesOf(store(), each)).toHaveLength(each.key === 'JFK' ? 3 : 2);
    expect(await store().position(0)).toEqual({ offset: 1, maxTimeMs: 7 });
  });

  it('begins a sweep anew when it has come to the end', async () => {
    expect(await store().sweep(10, () => true)).toEqual({ dropped: 0, isDone: true });
    await store().commit(batch(nowhere, 1, [change(entity('JFK'), 0, 'a')]));
    for (const dropped of [0, 1]) {
      let total = 0;
      for (let isDone = false; !isDone;) {
        const step = await store().sweep(10, () => dropped === 1);
        total += step.dropped;
        ({ isDone } = step);
      }
      expect(total).toBe(dropped);
    }
    expect(await tilesOf(store(), entity('JFK'))).toEqual([]);
  });
}
