/**
 * Stored tiles: one MessagePack array `[time of the latest event, ...states]`. The start and the size of a tile are in
 * its key. Equal tiles are equal bytes.
 *
 * Cost: a tile of count, sum and maximum is about 26 bytes; writing it takes 0.5 us, reading it 0.3 us. One of sketches
 * takes 20 us and 7 us, for what is in them is put in order (Node 20, 2-core machine).
 */
import { Packr } from 'msgpackr';
import type { SizePlan } from './tile-plan.ts';
import type { Tile } from './tile.ts';

/** By index of the plan's partials: where a stored tile has the state; -1 = it has none. */
export type StoredColumns = readonly number[];

export interface TileCodec {
  encode(size: SizePlan, tile: Tile): Buffer;
  /**
   * @param columns of a tile that was written under another plan, see `storedColumns`
   * @throws Error if the bytes are not such a tile
   */
  decode(size: SizePlan, startMs: number, bytes: Uint8Array, columns?: StoredColumns): Tile;
}

export function createTileCodec(): TileCodec {
  const packr = new Packr({ useRecords: false, int64AsType: 'bigint' });
  return {
    encode({ partials }, { maxTimeMs, states }) {
      return packr.pack([
        maxTimeMs,
        ...states.map((state, i) => partials[i]?.aggregate.encode(state) ?? null),
      ]);
    },
    decode({ partials }, startMs, bytes, columns) {
      const fields: unknown = packr.unpack(bytes);
      if (!Array.isArray(fields)) throw new Error('a stored tile is not an array');
      const [maxTimeMs, ...stored] = fields as [unknown, ...unknown[]];
      if (typeof maxTimeMs !== 'number') throw new Error('a stored tile has no time');
      const states = partials.map(({ aggregate }, i) => {
        const column = columns === undefined ? i : (columns[i] ?? -1);
        const encoded = stored[column];
        return encoded === undefined ? aggregate.create() : aggregate.decode(encoded);
      });
      return { startMs, maxTimeMs, isChanged: false, states };
    },
  };
}

/** Tiles of another plan are read by what their states mean: one that they lack begins empty. */
export function storedColumns({ partials }: SizePlan, storedKeys: readonly string[]): StoredColumns {
  return partials.map(({ key }) => storedKeys.indexOf(key));
}
