/**
 * Tiles in the LMDB environment of the process:
 *
 *   tiles         `<length of the name>:<view>/<entity key>|<tile size>:<start>` -> a tile. The length comes first, so
 *                 that the tiles of an entity are one range, and no key of another entity lies in it.
 *   tile_forms    form id -> the keys of its partials
 *   applied       partition -> the position up to which events are in the tiles
 *   tile_changes  which entities were changed lately (features/row-changes.ts), for the other processes
 */
import { randomUUID } from 'node:crypto';
import type { LmdbSetAsideLog } from '../events/lmdb-set-aside-log.ts';
import { createRowChanges } from '../features/row-changes.ts';
import type { LmdbDatabase, LmdbEnvironment } from '../lmdb/lmdb-environment.ts';
import { tiledName } from './tile-store.ts';
import type {
  AppliedBatch,
  Position,
  StoredTile,
  SweptTile,
  TileChange,
  TiledEntity,
  TileForm,
  TilePlace,
  TileStore,
} from './tile-store.ts';

/** Of the binding, with the page size that it uses. */
const KEY_BYTES_MAX = 1978;
// Behind all keys: each begins with a digit.
const END_KEY = ':';
// Larger than the range of ECMAScript's Date, so that a start before 1970 sorts before one after it.
const START_BIAS_MS = 1e16;
const START_DIGITS = 17;

export function openLmdbTileStore(
  environment: LmdbEnvironment,
  setAside: { readonly deadLetters: LmdbSetAsideLog; readonly corrections: LmdbSetAsideLog },
): TileStore {
  const tiles = database(environment, 'tiles');
  const applied = database(environment, 'applied');
  const forms = environment.json<TileForm>('tile_forms');
  if (forms === undefined) throw new Error('the environment was opened for reading only');
  const changes = createRowChanges(database(environment, 'tile_changes'), randomUUID());

  let epoch = 1;
  const get = (entity: TiledEntity): StoredTile[] => readTiles(environment, tiles, entity);

  function put(
    { partition, to, tiles: changed, deadLetters, corrections }: AppliedBatch,
    keys: readonly string[],
  ): void {
    for (const [i, { bytes }] of changed.entries()) {
      const key = keys[i] as string;
      if (bytes === undefined) tiles.remove(key);
      else tiles.put(key, bytes);
    }
    applied.put(String(partition), Buffer.from(JSON.stringify([to.offset, to.maxTimeMs])));
    const names = new Set(changed.map(({ entity }) => tiledName(entity)));
    if (names.size > 0) changes.add([...names]);
    setAside.deadLetters.add(deadLetters);
    setAside.corrections.add(corrections);
  }

  return {
    // Nobody but this process waits for it.
    batchEntitiesMax: Infinity,
    async position(partition) {
      environment.refresh();
      return readPosition(applied, partition);
    },
    get,
    read: async (entities) => entities.map(get),
    async commit(batch) {
      // Before the transaction: what throws in the middle of it would leave a half of the batch behind.
      const keys = batch.tiles.map(keyOf);
      return environment.transaction(() => {
        if (readPosition(applied, batch.partition).offset !== batch.from.offset) return false;
        put(batch, keys);
        return true;
      });
    },
    sweep: createSweep(environment, tiles),
    takeChanged() {
      environment.refresh();
      const changed = changes.take();
      if (changed === undefined) epoch++;
      return changed ?? [];
    },
    epochOf: () => epoch,
    isAway: () => false,
    async registerForm(id, form) {
      if (forms.get(String(id)) === undefined)
        await environment.transaction(() => forms.put(String(id), form));
    },
    formOf: (id) => forms.get(String(id)),
    close: async () => undefined,
  };
}

function readPosition(applied: LmdbDatabase<string>, partition: number): Position {
  const bytes = applied.get(String(partition));
  if (bytes === undefined) return { offset: 0, maxTimeMs: -Infinity };
  const [offset, maxTimeMs] = JSON.parse(bytes.toString()) as [number, number | null];
  return { offset, maxTimeMs: maxTimeMs ?? -Infinity };
}

function readTiles(
  environment: LmdbEnvironment,
  tiles: LmdbDatabase<string>,
  entity: TiledEntity,
): StoredTile[] {
  const prefix = prefixOf(entity);
  try {
    return tiles
      .range({ start: prefix, end: `${prefix}~` })
      .map(({ key, value }) => ({ ...readPlace(key.slice(prefix.length)), bytes: value }));
  } catch (error) {
    throw environment.failure(error);
  }
}

function createSweep(environment: LmdbEnvironment, tiles: LmdbDatabase<string>): TileStore['sweep'] {
  let sweptTo = '';
  return async (tilesMax, isExpired) => {
    environment.refresh();
    const keys = tiles.range({ start: sweptTo, end: END_KEY, limit: tilesMax }).map(({ key }) => key);
    const expired = keys.filter((key) => isExpired(readKey(key)));
    if (expired.length > 0) await environment.transaction(() => expired.forEach((key) => tiles.remove(key)));
    const isDone = keys.length < tilesMax;
    sweptTo = isDone ? '' : `${keys.at(-1)}\0`;
    return { dropped: expired.length, isDone };
  };
}

function database(environment: LmdbEnvironment, name: string): LmdbDatabase<string> {
  const opened = environment.textKeys(name);
  if (opened === undefined) throw new Error('the environment was opened for reading only');
  return opened;
}

function prefixOf(entity: TiledEntity): string {
  const name = tiledName(entity);
  return `${name.length}:${name}|`;
}

/** @throws Error if LMDB takes no key of this length */
function keyOf({ entity, tileMs, startMs }: TileChange): string {
  const key = prefixOf(entity) + placeOf(tileMs, startMs);
  if (Buffer.byteLength(key) > KEY_BYTES_MAX)
    throw new Error(`the tiles of an entity of ${entity.view.name} have a key that is too long`);
  return key;
}

function readKey(key: string): SweptTile {
  const nameAt = key.indexOf(':') + 1;
  const placeAt = nameAt + Number(key.slice(0, nameAt - 1)) + 1;
  const name = key.slice(nameAt, placeAt - 1);
  const slash = name.indexOf('/');
  return { view: name.slice(0, slash), key: name.slice(slash + 1), ...readPlace(key.slice(placeAt)) };
}

function readPlace(text: string): TilePlace {
  const [tileMs = '', start = ''] = text.split(':');
  return { tileMs: Number(tileMs), startMs: Number(start) - START_BIAS_MS };
}

function placeOf(tileMs: number, startMs: number): string {
  return `${tileMs}:${String(startMs + START_BIAS_MS).padStart(START_DIGITS, '0')}`;
}
