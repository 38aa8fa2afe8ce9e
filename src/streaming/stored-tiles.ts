/**
 * Tiles to bytes and back: 6 bytes that say which form its states have, then the tile (tile-codec.ts). So features may be
 * added to a view and taken away: of a tile that was written before, the states that are still wanted are read, and
 * others begin empty. Tiles of another stream (another event, key or condition) are passed over: what they count is not
 * what the view counts now.
 */
import { createHash } from 'node:crypto';
import { createEntityTiles } from './entity-tiles.ts';
import type { EntityTiles, SizedTile } from './entity-tiles.ts';
import { createTileCodec, storedColumns } from './tile-codec.ts';
import type { StoredColumns } from './tile-codec.ts';
import type { Stream } from '../project/project.ts';
import type { SizePlan, TilePlan } from './tile-plan.ts';
import { FORM_ID_BYTES } from './tile-store.ts';
import type { StoredTile, TileForm, TileStore } from './tile-store.ts';

/** What is stored is no tile; whoever reads it can do without, or not. */
export class UnreadableTileError extends Error {
  override readonly name = 'UnreadableTileError';
}

export interface StoredTiles {
  encode(plan: TilePlan, sized: SizedTile): Buffer;
  /**
   * The tiles of an entity, from what is stored of them.
   * @throws UnreadableTileError if the bytes are not tiles
   */
  decode(plan: TilePlan, stored: readonly StoredTile[]): EntityTiles;
}

/** A tile size of a plan, and the forms that its tiles are found in. */
interface KnownSize {
  readonly id: number;
  readonly head: Buffer;
  readonly source: string;
  /** By the id of another form; undefined = that of another stream. */
  readonly columns: Map<number, StoredColumns | undefined>;
}

/** Makes the forms of all plans known in the store first, so that whoever finds a tile can read it. */
export async function createStoredTiles(
  plans: Iterable<TilePlan>,
  store: Pick<TileStore, 'registerForm' | 'formOf'>,
): Promise<StoredTiles> {
  const codec = createTileCodec();
  const sizes = new Map<SizePlan, KnownSize>();
  for (const { sizes: planned, stream } of plans) {
    const source = sourceOf(stream);
    for (const size of planned) {
      const form = [source, ...size.partials.map(({ key }) => key)];
      const id = formId(form);
      const head = Buffer.alloc(FORM_ID_BYTES);
      head.writeUIntBE(id, 0, FORM_ID_BYTES);
      sizes.set(size, { id, head, source, columns: new Map() });
      await store.registerForm(id, form);
    }
  }

  function columnsOf(size: SizePlan, { columns, source }: KnownSize, id: number): StoredColumns | undefined {
    if (columns.has(id)) return columns.get(id);
    const form = store.formOf(id);
    if (form === undefined) throw new Error(`the form ${id} of a stored tile is not known`);
    const [storedSource, ...keys] = form;
    const found = storedSource === source ? storedColumns(size, keys) : undefined;
    columns.set(id, found);
    return found;
  }

  /** Undefined for one that the view does not want any more. */
  function decodeTile(plan: TilePlan, { tileMs, startMs, bytes }: StoredTile): SizedTile | undefined {
    const size = plan.sizes.findIndex((each) => each.tileMs === tileMs);
    const sizePlan = plan.sizes[size];
    // No window of the view has tiles of this size any more.
    if (sizePlan === undefined) return undefined;
    const known = sizes.get(sizePlan) as KnownSize;
    const id = bytes.readUIntBE(0, FORM_ID_BYTES);
    const columns = id === known.id ? undefined : columnsOf(sizePlan, known, id);
    if (id !== known.id && columns === undefined) return undefined;
    return { size, tile: codec.decode(sizePlan, startMs, bytes.subarray(FORM_ID_BYTES), columns) };
  }

  return {
    encode(plan, { size, tile }) {
      const sizePlan = plan.sizes[size] as SizePlan;
      const { head } = sizes.get(sizePlan) as KnownSize;
      return Buffer.concat([head, codec.encode(sizePlan, tile)]);
    },
    decode(plan, stored) {
      const tiles = createEntityTiles(plan);
      for (const tile of stored) {
        try {
          const sized = decodeTile(plan, tile);
          if (sized !== undefined) tiles.put(sized);
        } catch (error) {
          throw new UnreadableTileError(`a tile of ${plan.view.name} cannot be read`, { cause: error });
        }
      }
      return tiles;
    },
  };
}

/** Says which events the tiles are of, and by which key. */
function sourceOf({ event, keyFields, where }: Stream): string {
  return JSON.stringify([event.name, keyFields.map(({ name }) => name), where?.text ?? null]);
}

/** The first 48 bits of the SHA-256 of its JSON. */
function formId(form: TileForm): number {
  return createHash('sha256').update(JSON.stringify(form)).digest().readUIntBE(0, FORM_ID_BYTES);
}
