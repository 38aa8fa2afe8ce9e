/**
 * Rows from tiles. A window W that ends at `asOf` covers the tiles from the one that holds `asOf - W` to the one that
 * holds `asOf`, so it reaches back up to one tile further than W.
 *
 * A live read covers those tiles whole. A historical one leaves out the tile that holds an event later than `asOf`: no
 * event of the future is ever counted, at the price of what came before `asOf` in that one tile.
 *
 * Tiles are merged from the oldest to the newest, the newest last, in every read: equal tiles give equal rows, to the
 * bit.
 */
import type { Row } from '../features/online-store.ts';
import type { Value } from '../project/value.ts';
import type { PartialPlan, SizePlan, TilePlan, WindowPlan } from './tile-plan.ts';
import type { Tile } from './tile.ts';
import { firstFrom, windowStartOf } from './tile.ts';

/** By index of the size's partials; the partials that a window does not read are undefined. */
type States = readonly unknown[];

/** All tiles of a window but the newest, merged: an event in the newest then costs one merge more, not all. */
interface ClosedMerge {
  readonly fromMs: number;
  readonly newestMs: number;
  readonly generation: number;
  readonly states: States;
}

/** The tiles of one size. */
export interface SizeTiles {
  readonly plan: SizePlan;
  /** By start. */
  readonly tiles: Tile[];
  /** Counts the changes of tiles other than the last. */
  generation: number;
  /** By window. */
  readonly closed: (ClosedMerge | undefined)[];
}

export interface LiveRow {
  readonly row: Row | null;
  /** Until then the row stays true, if no event comes. */
  readonly untilMs: number;
}

export function readLive(plan: TilePlan, sizes: readonly SizeTiles[], asOfMs: number): LiveRow {
  let untilMs = Infinity;
  let eventTimeMs = -Infinity;
  const states = sizes.map((sized) => {
    const { tiles, plan: size } = sized;
    const end = endOf(tiles, asOfMs);
    const next = tiles[end];
    if (next !== undefined) untilMs = Math.min(untilMs, next.startMs);
    return size.windows.map((window, w): States | undefined => {
      const from = firstFrom(tiles, windowStartOf(asOfMs, window.windowMs, size.tileMs));
      if (from >= end) return undefined;
      eventTimeMs = Math.max(eventTimeMs, (tiles[end - 1] as Tile).maxTimeMs);
      untilMs = Math.min(untilMs, (tiles[from] as Tile).startMs + size.tileMs + window.windowMs);
      return mergeWindow(sized, w, from, end - 1);
    });
  });
  return { row: rowOf(plan, states, eventTimeMs), untilMs };
}

export function readHistorical(plan: TilePlan, sizes: readonly SizeTiles[], asOfMs: number): Row | null {
  let eventTimeMs = -Infinity;
  const states = sizes.map(({ tiles, plan: size }) => {
    let end = endOf(tiles, asOfMs);
    // Only the newest can hold a later event: those before it end before `asOf`.
    if (end > 0 && (tiles[end - 1] as Tile).maxTimeMs > asOfMs) end -= 1;
    return size.windows.map((window): States | undefined => {
      const from = firstFrom(tiles, windowStartOf(asOfMs, window.windowMs, size.tileMs));
      if (from >= end) return undefined;
      eventTimeMs = Math.max(eventTimeMs, (tiles[end - 1] as Tile).maxTimeMs);
      const newest = tiles[end - 1] as Tile;
      return from === end - 1
        ? newest.states
        : withNewest(size, window, mergeClosed(size, window, tiles, from, end - 1), newest);
    });
  });
  return rowOf(plan, states, eventTimeMs);
}

/** Position behind the last tile that starts at `asOfMs` or before; nearly always all do. */
function endOf(tiles: readonly Tile[], asOfMs: number): number {
  let end = tiles.length;
  while (end > 0 && (tiles[end - 1] as Tile).startMs > asOfMs) end--;
  return end;
}

function mergeWindow(sized: SizeTiles, w: number, from: number, newestAt: number): States {
  const { tiles, plan, closed, generation } = sized;
  const newest = tiles[newestAt] as Tile;
  if (from === newestAt) return newest.states;
  const window = plan.windows[w] as WindowPlan;
  const [fromMs, newestMs] = [(tiles[from] as Tile).startMs, newest.startMs];
  let known = closed[w];
  if (known?.fromMs !== fromMs || known.newestMs !== newestMs || known.generation !== generation) {
    known = { fromMs, newestMs, generation, states: mergeClosed(plan, window, tiles, from, newestAt) };
    closed[w] = known;
  }
  return withNewest(plan, window, known.states, newest);
}

/** The tiles from one position up to another, which is left out. */
function mergeClosed(
  { partials }: SizePlan,
  window: WindowPlan,
  tiles: readonly Tile[],
  from: number,
  end: number,
): States {
  const merged = new Array<unknown>(partials.length);
  for (const index of window.partials) {
    const { aggregate } = partials[index] as PartialPlan;
    const state = aggregate.copy((tiles[from] as Tile).states[index]);
    for (let i = from + 1; i < end; i++) aggregate.merge(state, (tiles[i] as Tile).states[index]);
    merged[index] = state;
  }
  return merged;
}

function withNewest({ partials }: SizePlan, window: WindowPlan, closed: States, newest: Tile): States {
  const merged = new Array<unknown>(partials.length);
  for (const index of window.partials) {
    const { aggregate } = partials[index] as PartialPlan;
    const state = aggregate.copy(closed[index]);
    aggregate.merge(state, newest.states[index]);
    merged[index] = state;
  }
  return merged;
}

function rowOf(
  plan: TilePlan,
  states: readonly (readonly (States | undefined)[])[],
  eventTimeMs: number,
): Row | null {
  if (eventTimeMs === -Infinity) return null;
  const row: [number, ...Value[]] = [eventTimeMs];
  for (const { size, window, partial, aggregate, wanted, emptyValue } of plan.features) {
    const merged = states[size]?.[window];
    row.push(merged === undefined ? emptyValue : aggregate.result(merged[partial], wanted));
  }
  return row;
}
