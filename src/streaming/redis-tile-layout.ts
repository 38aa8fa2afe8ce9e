/**
 * How tiles lie in Redis. What belongs to partition N of the event log is under names with the hash tag `{pN}`, so that in
 * a cluster it is on one server, and one script can change it in one step:
 *
 *   mr:<project>:applied:{pN}        hash: `offset` of the next event to apply, `max` = time of the latest that was, and
 *                                    how many `dead_letters` and `corrections` there ever were
 *   mr:<project>:tiles:{pN}:<view>/<entity key>
 *                                    hash: `<tile size>:<start>` -> a tile
 *   mr:<project>:tile_entities:{pN}  sorted set, all scores 0: the entities that have tiles, for the sweep
 *   mr:<project>:tile_changes:{pN}   stream of the last commits, id `<offset that it ends at>-0`: `from` = the offset that it
 *                                    began at, `by` = whose it was, `names` = JSON, the entities that it changed
 *   mr:<project>:dead_letters:{pN}   stream, id `<n>-0`: one entry (redis-set-aside-log.ts)
 *   mr:<project>:corrections:{pN}    likewise
 *   mr:<project>:tile_forms          hash: form id -> JSON, the keys of its partials
 */
import { partitionKey } from '../events/redis-partition-key.ts';
import { redisScript } from '../redis/redis-commands.ts';
import type { RedisArgument } from '../redis/redis-shard.ts';
import { tiledName } from './tile-store.ts';
import type { AppliedBatch, Position, StoredTile, TileChange, TilePlace } from './tile-store.ts';

export interface TileNames {
  readonly forms: string;
  /** What the names of all positions begin with. */
  readonly appliedPrefix: string;
  applied(partition: number): string;
  changes(partition: number): string;
  entities(partition: number): string;
  /** @param name as `tiledName` gives it */
  tiles(partition: number, name: string): string;
  /** Undefined if it is not the name of a position. */
  partitionOf(applied: string): number | undefined;
}

export function tileNames(project: string): TileNames {
  const name = (what: string, partition: number): string => partitionKey(project, what, partition);
  const appliedPrefix = `mr:${project}:applied:`;
  return {
    forms: `mr:${project}:tile_forms`,
    appliedPrefix,
    applied: (partition) => name('applied', partition),
    changes: (partition) => name('tile_changes', partition),
    entities: (partition) => name('tile_entities', partition),
    tiles: (partition, of) => `${name('tiles', partition)}:${of}`,
    partitionOf(applied) {
      const found = /^\{p(\d+)\}$/.exec(applied.slice(appliedPrefix.length));
      return found === null ? undefined : Number(found[1]);
    },
  };
}

/** Commits that are told by name; whoever has missed more reads everything again. */
const CHANGES_MAX = 256;

/**
 * KEYS: the position, the changes, the entities, the dead letters, the corrections, then the tiles of each entity.
 * ARGV: from, to, max, by, names; then the number of dead letters, and each; the same of corrections; then for each entity
 * its name and its number of changes, and for each of these the field and the tile, which is empty to drop it.
 * Returns 1, or 0 if somebody else has moved the offset.
 *
 * What a script has done is not undone when it fails, and the events of a batch that is tried again would be in the tiles
 * twice. So all that may be refused, for want of a right or for what somebody else has left under a name, comes before
 * the tiles. What lies in a stream already, of a position that was lost, stops nobody.
 */
export const commitScript = redisScript(`
local at = (redis.call('HGET', KEYS[1], 'offset') or '0')
if at ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'offset', at)
redis.call('HDEL', KEYS[1], '')
redis.call('ZREM', KEYS[3], '')
for k = 6, #KEYS do redis.call('HLEN', KEYS[k]) end
local i = 6
local function set_aside(key, counter)
  local count = tonumber(ARGV[i])
  i = i + 1
  if count == 0 then return end
  local top = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  local number = tonumber(redis.call('HGET', KEYS[1], counter) or '0')
  if top then number = math.max(number, tonumber(string.match(top[1], '^%d+'))) end
  for _ = 1, count do
    number = number + 1
    redis.call('XADD', key, string.format('%.0f-0', number), 'e', ARGV[i])
    i = i + 1
  end
  redis.call('HSET', KEYS[1], counter, string.format('%.0f', number))
end
set_aside(KEYS[4], 'dead_letters')
set_aside(KEYS[5], 'corrections')
local function tell(call)
  return call('XADD', KEYS[2], 'MAXLEN', ${CHANGES_MAX}, ARGV[2] .. '-0', 'from', ARGV[1], 'by', ARGV[4], 'names', ARGV[5])
end
local told = tell(redis.pcall)
if type(told) == 'table' and told.err then
  redis.call('DEL', KEYS[2])
  tell(redis.call)
end
for k = 6, #KEYS do
  local name, count = ARGV[i], tonumber(ARGV[i + 1])
  i = i + 2
  redis.call('ZADD', KEYS[3], 0, name)
  for _ = 1, count do
    if ARGV[i + 1] == '' then redis.call('HDEL', KEYS[k], ARGV[i])
    else redis.call('HSET', KEYS[k], ARGV[i], ARGV[i + 1]) end
    i = i + 2
  end
  if redis.call('EXISTS', KEYS[k]) == 0 then redis.call('ZREM', KEYS[3], name) end
end
redis.call('HSET', KEYS[1], 'offset', ARGV[2], 'max', ARGV[3])
return 1
`);

/** KEYS: the tiles of an entity, the entities. ARGV: the name of the entity, then fields to drop. */
export const dropScript = redisScript(`
local dropped = 0
for i = 2, #ARGV do dropped = dropped + redis.call('HDEL', KEYS[1], ARGV[i]) end
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('ZREM', KEYS[2], ARGV[1]) end
return dropped
`);

/** The tiles of a batch, by entity: their keys and their part of the arguments. */
export function tileArguments(
  names: TileNames,
  { partition, tiles }: AppliedBatch,
): { readonly changed: readonly string[]; readonly keys: string[]; readonly args: RedisArgument[] } {
  const byName = new Map<string, TileChange[]>();
  for (const change of tiles) {
    const name = tiledName(change.entity);
    const of = byName.get(name);
    if (of === undefined) byName.set(name, [change]);
    else of.push(change);
  }
  const changed = [...byName.keys()];
  const keys = changed.map((name) => names.tiles(partition, name));
  const args: RedisArgument[] = [];
  for (const [name, changes] of byName) {
    args.push(name, changes.length);
    for (const change of changes) args.push(fieldOf(change), change.bytes ?? '');
  }
  return { changed, keys, args };
}

function fieldOf({ tileMs, startMs }: TilePlace): string {
  return `${tileMs}:${startMs}`;
}

/** @throws Error if it is the field of no tile */
export function placeOf(field: string): TilePlace {
  const [tileMs, startMs] = field.split(':').map(Number);
  if (Number.isInteger(tileMs) && Number.isInteger(startMs))
    return { tileMs: tileMs as number, startMs: startMs as number };
  throw new Error(`${JSON.stringify(field)} names no tile`);
}

/** @param reply of HGETALL: fields and values in turn */
export function readTiles(reply: readonly Buffer[]): StoredTile[] {
  const tiles: StoredTile[] = [];
  for (let i = 0; i + 1 < reply.length; i += 2)
    tiles.push({ ...placeOf(String(reply[i])), bytes: reply[i + 1] as Buffer });
  return tiles;
}

/** Of `Position`, as it is stored. */
export function maxText(maxTimeMs: number): string {
  return Number.isFinite(maxTimeMs) ? String(maxTimeMs) : '';
}

/** @param reply of HMGET `offset`, `max` */
export function readPosition([offset, max]: readonly (Buffer | null)[]): Position {
  const maxTimeText = max ? String(max) : '';
  return {
    offset: offset ? Number(String(offset)) : 0,
    maxTimeMs: maxTimeText === '' ? -Infinity : Number(maxTimeText),
  };
}
