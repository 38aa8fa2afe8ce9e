/**
 * The tiles of one entity in one view: events go in, rows come out. It does no I/O: whoever owns it puts in the tiles
 * that a store holds, and writes back those that `takeChanged` gives.
 *
 * A row is kept until an event comes or a tile enters or leaves a window, so a read costs nothing while nothing
 * happens (bench/streaming.ts has the rates).
 */
import type { Row } from '../features/online-store.ts';
import type { Scalar, Value } from '../project/value.ts';
import type { PartialPlan, SizePlan, TilePlan } from './tile-plan.ts';
import type { Tile } from './tile.ts';
import { firstFrom, tileStartOf } from './tile.ts';
import { readHistorical, readLive } from './window-read.ts';
import type { SizeTiles } from './window-read.ts';

/** A tile, and the index of its size in the plan. */
export interface SizedTile {
  readonly size: number;
  readonly tile: Tile;
}

export interface EntityTiles {
  /**
   * Takes in one event; false if the stream does not want it.
   * @param values by index of the event's fields
   * @param offset of the event in its log
   */
  apply(values: readonly Value[], timeMs: number, offset: number): boolean;

  /**
   * The row as of a time, or null where no event is in any window. While nothing changes it is the same row.
   * @param isHistorical the caller named the time; else it is now
   */
  read(asOfMs: number, isHistorical: boolean): Row | null;

  /** Puts in a tile as a store holds it, in place of the one that is there. */
  put(sized: SizedTile): void;

  /** Gives each tile that events went into since the last call. */
  takeChanged(): readonly SizedTile[];

  /** Drops the tiles that no read at `nowMs` or later needs and no event in time can change, and gives them. */
  dropExpired(nowMs: number): readonly SizedTile[];

  /** Estimate of the memory that the tiles take. */
  bytes(): number;
}

const ENTITY_BYTES = 600;
const TILE_BYTES = 120;

export function createEntityTiles(plan: TilePlan): EntityTiles {
  const sizes = plan.sizes.map((size): SizeTiles => ({
    plan: size,
    tiles: [],
    generation: 0,
    closed: size.windows.map(() => undefined),
  }));
  const holds = plan.conditions.map(() => false);
  let changed: SizedTile[] = [];
  let row: Row | null = null;
  // The row is that of every time from the one up to the other.
  let fromMs = Infinity;
  let untilMs = -Infinity;

  return {
    apply(values, timeMs, offset) {
      if (plan.accepts !== undefined && !plan.accepts(values)) return false;
      for (let i = 0; i < holds.length; i++) holds[i] = plan.conditions[i]?.(values) ?? false;
      for (let size = 0; size < sizes.length; size++) {
        const sized = sizes[size] as SizeTiles;
        const tile = tileFor(sized, timeMs);
        if (timeMs > tile.maxTimeMs) tile.maxTimeMs = timeMs;
        addToTile(sized.plan.partials, tile, holds, values, timeMs, offset);
        if (tile.isChanged) continue;
        tile.isChanged = true;
        changed.push({ size, tile });
      }
      untilMs = -Infinity;
      return true;
    },

    read(asOfMs, isHistorical) {
      if (isHistorical) return readHistorical(plan, sizes, asOfMs);
      if (asOfMs >= fromMs && asOfMs < untilMs) return row;
      ({ row, untilMs } = readLive(plan, sizes, asOfMs));
      fromMs = asOfMs;
      return row;
    },

    put({ size, tile }) {
      const sized = sizes[size] as SizeTiles;
      const at = firstFrom(sized.tiles, tile.startMs);
      sized.tiles.splice(at, sized.tiles[at]?.startMs === tile.startMs ? 1 : 0, tile);
      sized.generation += 1;
      untilMs = -Infinity;
    },

    takeChanged() {
      const taken = changed;
      changed = [];
      for (const { tile } of taken) tile.isChanged = false;
      return taken;
    },

    dropExpired(nowMs) {
      const dropped = sizes.flatMap((sized, size) =>
        takeExpired(sized, nowMs).map((tile) => ({ size, tile })),
      );
      const tiles = new Set(dropped.map(({ tile }) => tile));
      changed = changed.filter(({ tile }) => !tiles.has(tile));
      return dropped;
    },

    bytes: () => sizes.reduce((bytes, sized) => bytes + tilesBytes(sized), ENTITY_BYTES),
  };
}

function tileFor(sized: SizeTiles, timeMs: number): Tile {
  const { tiles, plan } = sized;
  const startMs = tileStartOf(timeMs, plan.tileMs);
  const at = firstFrom(tiles, startMs);
  const known = tiles[at];
  const isKnown = known?.startMs === startMs;
  // What is merged of the tiles before the last stays true while only the last changes, or a new one follows it.
  if (at < tiles.length - (isKnown ? 1 : 0)) sized.generation += 1;
  if (isKnown) return known;
  const tile = createTile(plan, startMs);
  tiles.splice(at, 0, tile);
  return tile;
}

function createTile({ partials }: SizePlan, startMs: number): Tile {
  return {
    startMs,
    maxTimeMs: -Infinity,
    isChanged: false,
    states: partials.map(({ aggregate }) => aggregate.create()),
  };
}

function addToTile(
  partials: readonly PartialPlan[],
  { states }: Tile,
  holds: readonly boolean[],
  values: readonly Value[],
  timeMs: number,
  offset: number,
): void {
  for (let i = 0; i < partials.length; i++) {
    const { aggregate, field, condition } = partials[i] as PartialPlan;
    if (condition !== undefined && holds[condition] !== true) continue;
    const value = field === undefined ? true : (values[field] ?? null);
    // The two zeros are one value: MessagePack knows only one of them.
    if (value !== null) aggregate.add(states[i], value === 0 ? 0 : (value as Scalar), timeMs, offset);
  }
}

/** A tile may be needed for as long as a window that begins in it can be read, or an event of it can come. */
function takeExpired(sized: SizeTiles, nowMs: number): readonly Tile[] {
  const { tiles, plan } = sized;
  const kept = firstFrom(tiles, tileStartOf(nowMs - plan.horizonMs, plan.tileMs));
  if (kept > 0) sized.generation += 1;
  return tiles.splice(0, kept);
}

function tilesBytes({ plan, tiles, closed }: SizeTiles): number {
  let bytes = 0;
  for (const { states } of tiles) bytes += TILE_BYTES + statesBytes(plan, states);
  for (const merged of closed)
    if (merged !== undefined) bytes += TILE_BYTES + statesBytes(plan, merged.states);
  return bytes;
}

function statesBytes({ partials }: SizePlan, states: readonly unknown[]): number {
  let bytes = 0;
  for (let i = 0; i < states.length; i++) {
    const state = states[i];
    if (state !== undefined) bytes += partials[i]?.aggregate.bytes(state) ?? 0;
  }
  return bytes;
}
