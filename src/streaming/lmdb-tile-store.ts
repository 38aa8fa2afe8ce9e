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
import type { AppliedBatch, Position, StoredTile, TiledEntity, TileForm, TileStore } from './tile-store.ts';

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

  function positionOf(partition: number): Position {
    const bytes = applied.get(String(partition));
    if (bytes === undefined) return { offset: 0, maxTimeMs: -Infinity };
    const [offset, maxTimeMs] = JSON.parse(bytes.toString()) as [number, number | null];
    return { offset, maxTimeMs: maxTimeMs ?? -Infinity };
  }

  function get(entity: TiledEntity): StoredTile[] {
    const prefix = prefixOf(entity);
    try {
      return tiles.range({ start: prefix, end: `${prefix}~` }).map(({ key, value }) => {
        const [tileMs = '', start = ''] = key.slice(prefix.length).split(':');
        return { tileMs: Number(tileMs), startMs: Number(start) - START_BIAS_MS, bytes: value };
      });
    } catch (error) {
      throw environment.failure(error);
    }
  }

  function put({ partition, to, tiles: changed, deadLetters, corrections }: AppliedBatch): void {
    for (const { entity, tileMs, startMs, bytes } of changed) {
      const key = prefixOf(entity) + placeOf(tileMs, startMs);
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
    async position(partition) {
      environment.refresh();
      return positionOf(partition);
    },
    get,
    read: async (entities) => entities.map(get),
    commit: async (batch) =>
      environment.transaction(() => {
        if (positionOf(batch.partition).offset !== batch.from.offset) return false;
        put(batch);
        return true;
      }),
    takeChanged() {
      environment.refresh();
      return changes.take();
    },
    async registerForm(id, form) {
      if (forms.get(String(id)) === undefined)
        await environment.transaction(() => forms.put(String(id), form));
    },
    formOf: (id) => forms.get(String(id)),
    close: async () => undefined,
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

function placeOf(tileMs: number, startMs: number): string {
  return `${tileMs}:${String(startMs + START_BIAS_MS).padStart(START_DIGITS, '0')}`;
}
