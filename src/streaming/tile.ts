/**
 * A tile: what the events of one stretch of time add up to, for one entity. Tile k of size S holds the event times t
 * with k * S <= t < (k + 1) * S, before 1970 too.
 */
export interface Tile {
  readonly startMs: number;
  /** Time of the latest event in it. */
  maxTimeMs: number;
  /** Whether events went into it since the changes were last taken. */
  isChanged: boolean;
  /** One per partial of the tile size; only the partial's aggregate knows its form. */
  readonly states: readonly unknown[];
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** A window is read from at least 12 tiles, if it is not shorter than 12 of the smallest, so its edge is sharp enough. */
export function tileMsOf(windowMs: number): number {
  if (windowMs >= 12 * DAY_MS) return DAY_MS;
  if (windowMs >= 12 * HOUR_MS) return HOUR_MS;
  return windowMs >= HOUR_MS ? 5 * MINUTE_MS : MINUTE_MS;
}

/** Start of the tile that holds a time. By the remainder, which is exact for every time; a quotient would be rounded. */
export function tileStartOf(timeMs: number, tileMs: number): number {
  const past = timeMs % tileMs;
  return past < 0 ? timeMs - past - tileMs : timeMs - past;
}

/** Start of the first tile of the window that ends at `asOfMs`. */
export function windowStartOf(asOfMs: number, windowMs: number, tileMs: number): number {
  return tileStartOf(asOfMs - windowMs, tileMs);
}

/** Position of the first tile that starts at this time or later, among tiles by start; the newest are found first. */
export function firstFrom(tiles: readonly Tile[], startMs: number): number {
  let high = tiles.length;
  if (high === 0 || (tiles[high - 1] as Tile).startMs < startMs) return high;
  let low = 0;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((tiles[middle] as Tile).startMs < startMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
