/** The sweep of tiles in Redis: partition by partition, entity by entity. */
import { WRITE_TIMEOUT_MS, successes } from '../redis/redis-commands.ts';
import type { RedisCommands } from '../redis/redis-commands.ts';
import type { RedisCommand } from '../redis/redis-shard.ts';
import { dropScript, isPlace, placeOf } from './redis-tile-layout.ts';
import type { TileNames } from './redis-tile-layout.ts';
import type { SweptTile, TileStore } from './tile-store.ts';

/** An entity has about so many tiles. */
const ENTITY_TILES = 20;

export function createRedisSweep(
  names: TileNames,
  partitionCount: number,
  commands: RedisCommands,
): TileStore['sweep'] {
  let partition = 0;
  /** Of the entity that was looked at last; undefined = none of the partition was. */
  let last: string | undefined;

  async function nextEntities(countMax: number): Promise<string[]> {
    const key = names.entities(partition);
    const from = last === undefined ? '-' : `(${last}`;
    const command: RedisCommand = ['ZRANGEBYLEX', key, from, '+', 'LIMIT', 0, countMax];
    const reply = await commands.send(key, command, WRITE_TIMEOUT_MS);
    return (reply as Buffer[]).map(String);
  }

  async function drop(entities: readonly string[], isExpired: (tile: SweptTile) => boolean): Promise<number> {
    const keys = entities.map((name) => names.tiles(partition, name));
    const isExpiredField = (name: string, field: string): boolean => {
      const tile = sweptTile(name, field);
      return tile !== undefined && isExpired(tile);
    };
    const fields = await commands.sendAll(keys, (i) => ['HKEYS', keys[i] as string], WRITE_TIMEOUT_MS);
    const calls = entities.flatMap((name, i) => {
      const expired = (fields[i] as Buffer[]).map(String).filter((field) => isExpiredField(name, field));
      // What has no tiles any more, for whatever reason, is taken off the list likewise.
      if (expired.length === 0 && (fields[i] as Buffer[]).length > 0) return [];
      const key = keys[i] as string;
      return [{ name: key, keys: [key, names.entities(partition)] as const, args: [name, ...expired] }];
    });
    const dropped = successes(await commands.runEach(dropScript, calls, WRITE_TIMEOUT_MS));
    return dropped.reduce<number>((sum, count) => sum + Number(count), 0);
  }

  return async (tilesMax, isExpired) => {
    const countMax = Math.max(1, Math.floor(tilesMax / ENTITY_TILES));
    for (;;) {
      const entities = await nextEntities(countMax);
      const dropped = entities.length === 0 ? 0 : await drop(entities, isExpired);
      const isPartitionDone = entities.length < countMax;
      last = isPartitionDone ? undefined : entities.at(-1);
      if (isPartitionDone) partition = (partition + 1) % partitionCount;
      const isDone = isPartitionDone && partition === 0;
      if (isDone || entities.length > 0) return { dropped, isDone };
    }
  };
}

/** Undefined for a field that somebody else has put there. */
function sweptTile(name: string, field: string): SweptTile | undefined {
  const slash = name.indexOf('/');
  if (!isPlace(field)) return undefined;
  return { view: name.slice(0, slash), key: name.slice(slash + 1), ...placeOf(field) };
}
