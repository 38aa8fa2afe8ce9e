/** Tiles against a scan over all events, whatever comes between: reads, tiles that are written and read back, drops. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FeatureView } from '../../src/project/project.ts';
import { createEntityTiles } from '../../src/streaming/entity-tiles.ts';
import type { EntityTiles } from '../../src/streaming/entity-tiles.ts';
import { createTileCodec } from '../../src/streaming/tile-codec.ts';
import type { SizePlan, TilePlan } from '../../src/streaming/tile-plan.ts';
import { expectRow } from './expect-row.ts';
import { randomDistanceMs, randomMomentMs, randomValues, randomView } from './random-view.ts';
import { referenceRow } from './reference.ts';
import type { SampleEvent } from './reference.ts';
import { durationMs, eventOf, planOf, streamingView } from './sample-view.ts';

const LATENESS_MS = durationMs('1h');

type Step =
  | { readonly kind: 'event'; readonly values: SampleEvent['values']; readonly distanceMs: number }
  | { readonly kind: 'read'; readonly distanceMs: number; readonly isHistorical: boolean }
  | {
      readonly kind: 'readEdge';
      readonly pick: number;
      readonly nudgeMs: number;
      readonly isHistorical: boolean;
    }
  | { readonly kind: 'reload' }
  | { readonly kind: 'drop' };

const randomStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant('event'), values: randomValues, distanceMs: randomDistanceMs }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('read'),
      distanceMs: randomDistanceMs,
      isHistorical: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('readEdge'),
      pick: fc.nat(),
      nudgeMs: fc.constantFrom(-1, 0, 1),
      isHistorical: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reload') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop') }) },
);

/** An entity whose tiles are now and then written, and read back into an empty one. */
interface Harness {
  readonly view: FeatureView;
  readonly plan: TilePlan;
  readonly stored: Map<string, { size: number; startMs: number; bytes: Uint8Array }>;
  readonly events: SampleEvent[];
  tiles: EntityTiles;
  /** Events before it come too late; reads before it may lack tiles. */
  watermarkMs: number;
}

function createHarness(view: FeatureView): Harness {
  const plan = planOf(view, LATENESS_MS);
  const tiles = createEntityTiles(plan);
  return { view, plan, tiles, stored: new Map(), events: [], watermarkMs: -Infinity };
}

const codec = createTileCodec();

function save({ tiles, plan, stored }: Harness): void {
  for (const { size, tile } of tiles.takeChanged()) {
    const bytes = Uint8Array.from(codec.encode(plan.sizes[size] as SizePlan, tile));
    stored.set(`${size} ${tile.startMs}`, { size, startMs: tile.startMs, bytes });
  }
}

function reload(harness: Harness): void {
  save(harness);
  harness.tiles = createEntityTiles(harness.plan);
  // Backwards, because a store may give them in any order.
  for (const { size, startMs, bytes } of [...harness.stored.values()].toReversed()) {
    harness.tiles.put({ size, tile: codec.decode(harness.plan.sizes[size] as SizePlan, startMs, bytes) });
  }
}

function drop(harness: Harness): void {
  const latestMs = Math.max(...harness.events.map(({ timeMs }) => timeMs));
  if (harness.events.length === 0) return;
  save(harness);
  for (const { size, tile } of harness.tiles.dropExpired(latestMs)) {
    harness.stored.delete(`${size} ${tile.startMs}`);
  }
  harness.watermarkMs = latestMs - LATENESS_MS;
}

function expectRead(harness: Harness, asOfMs: number, isHistorical: boolean): void {
  if (asOfMs < harness.watermarkMs) return;
  const expected = referenceRow(harness.view, harness.events, asOfMs, isHistorical);
  expectRow(harness.view, harness.tiles.read(asOfMs, isHistorical), expected);
}

/** A time at which something enters or leaves a window. */
function edgeMs({ plan, events }: Harness, pick: number): number {
  const event = events[pick % events.length];
  const sizes = plan.sizes.flatMap(({ tileMs, windows }) =>
    windows.map(({ windowMs }) => ({ tileMs, windowMs })),
  );
  const { tileMs, windowMs } = sizes[pick % sizes.length] ?? { tileMs: 0, windowMs: 0 };
  if (event === undefined) return 0;
  const startMs = Math.floor(event.timeMs / tileMs) * tileMs;
  const edges = [event.timeMs, startMs, startMs + tileMs, startMs + windowMs, startMs + tileMs + windowMs];
  return edges[(pick >>> 8) % edges.length] as number;
}

function take(harness: Harness, step: Step, momentMs: number): void {
  switch (step.kind) {
    case 'event': {
      const timeMs = momentMs + step.distanceMs;
      if (timeMs < harness.watermarkMs) return;
      const event = { values: step.values, timeMs, offset: harness.events.length };
      harness.events.push(event);
      harness.tiles.apply(event.values, event.timeMs, event.offset);
      return;
    }
    case 'read':
      expectRead(harness, momentMs + step.distanceMs, step.isHistorical);
      return;
    case 'readEdge':
      expectRead(harness, edgeMs(harness, step.pick) + step.nudgeMs, step.isHistorical);
      return;
    case 'reload':
      reload(harness);
      return;
    case 'drop':
      drop(harness);
  }
}

describe('the rows of tiles', () => {
  it('are those of a scan over all events', () => {
    fc.assert(
      fc.property(
        randomView,
        randomMomentMs,
        fc.array(randomStep, { maxLength: 120, size: 'max' }),
        (view, momentMs, steps) => {
          const harness = createHarness(view);
          for (const step of steps) take(harness, step, momentMs);
          expectRead(harness, momentMs, false);
          expectRead(harness, momentMs, true);
        },
      ),
      { numRuns: 200 },
    );
  });
});

/** One count of an hour, over tiles of five minutes. */
function hourlyCount(): { plan: TilePlan; tiles: EntityTiles } {
  const plan = planOf(
    streamingView(eventOf({ user: 'string' }), [{ name: 'count', windowMs: durationMs('1h') }]),
  );
  return { plan, tiles: createEntityTiles(plan) };
}

describe('a live read', () => {
  it('gives the very same row while nothing changes', () => {
    const { tiles } = hourlyCount();
    tiles.apply(['a'], 1000, 0);
    const row = tiles.read(2000, false);
    expect(row).toEqual([1000, 1]);
    expect(tiles.read(durationMs('65m') - 1, false)).toBe(row);
    expect(tiles.read(durationMs('65m'), false)).toBe(null);
  });

  it('counts what is in the newest tile though it is later than the clock', () => {
    const { tiles } = hourlyCount();
    tiles.apply(['a'], 2000, 0);
    expect(tiles.read(1000, false)).toEqual([2000, 1]);
    expect(tiles.read(1000, true)).toBe(null);
  });

  it('sees a tile that is put in place of another', () => {
    const [one, other] = [hourlyCount(), hourlyCount()];
    for (const timeMs of [0, durationMs('10m')]) one.tiles.apply(['a'], timeMs, timeMs);
    for (const offset of [1, 2]) other.tiles.apply(['a'], 0, offset);
    expect(one.tiles.read(durationMs('11m'), false)).toEqual([durationMs('10m'), 2]);
    for (const changed of other.tiles.takeChanged()) one.tiles.put(changed);
    expect(one.tiles.read(durationMs('11m'), false)).toEqual([durationMs('10m'), 3]);
  });

  it('sees events that come after all tiles were dropped', () => {
    const { tiles } = hourlyCount();
    const times = [0, durationMs('10m')];
    for (const timeMs of times) tiles.apply(['a'], timeMs, timeMs);
    tiles.apply(['a'], 0, 1);
    expect(tiles.read(durationMs('11m'), false)).toEqual([durationMs('10m'), 3]);
    expect(tiles.dropExpired(durationMs('7d'))).toHaveLength(2);
    expect(tiles.read(durationMs('11m') + 1, false)).toEqual([durationMs('10m'), 3]);
    for (const timeMs of times) tiles.apply(['a'], timeMs, timeMs);
    expect(tiles.read(durationMs('11m') + 1, false)).toEqual([durationMs('10m'), 2]);
  });
});

describe('the changed tiles', () => {
  it('are given once, until events go into them again', () => {
    const { tiles } = hourlyCount();
    for (const timeMs of [0, 1000, durationMs('5m')]) tiles.apply(['a'], timeMs, timeMs);
    expect(tiles.takeChanged().map(({ tile }) => tile.startMs)).toEqual([0, durationMs('5m')]);
    expect(tiles.takeChanged()).toEqual([]);
    tiles.apply(['a'], 2000, 9);
    expect(tiles.takeChanged().map(({ tile }) => tile.startMs)).toEqual([0]);
  });

  it('are none for an event that the stream does not want', () => {
    const event = eventOf({ user: 'string', n: 'int64' });
    const view = streamingView(event, [{ name: 'count', windowMs: durationMs('1h') }], 'n > 1');
    const tiles = createEntityTiles(planOf(view));
    expect([tiles.apply(['a', 1], 0, 0), tiles.apply(['a', 2], 0, 1)]).toEqual([false, true]);
    expect(tiles.read(0, false)).toEqual([0, 1]);
  });
});

describe('the estimate of memory', () => {
  it('grows with the tiles and what is in them', () => {
    const view = streamingView(eventOf({ user: 'string' }), [
      { name: 'top_k', field: 'user', windowMs: durationMs('1h') },
    ]);
    const tiles = createEntityTiles(planOf(view));
    const sizes = [tiles.bytes()];
    for (const [user, timeMs] of [
      ['a', 0],
      ['a', durationMs('5m')],
      ['a long name', 0],
    ] as const) {
      tiles.apply([user], timeMs, timeMs);
      sizes.push(tiles.bytes());
    }
    tiles.read(durationMs('6m'), false);
    sizes.push(tiles.bytes());
    expect(sizes).toEqual(sizes.toSorted((a, b) => a - b));
    expect(new Set(sizes).size).toBe(sizes.length);
  });
});
