/**
 * What a Redis must be beside what check-redis.ts asks for, if it is to keep events: looked at once, when it is opened.
 * What would lose or double events while all goes well is refused; what loses them when something happens is warned of.
 * The rights of its user are tried out, and nothing is changed by that: what is written is refused for what it is, after
 * the rights were looked at.
 */
import { MillraceError } from '../errors.ts';
import { factsIn } from '../redis/check-redis.ts';
import {
  CHECK_TIMEOUT_MS,
  missingRight,
  permissionFailure,
  permissionSentence,
} from '../redis/redis-refusal.ts';
import type { RedisUser } from '../redis/redis-refusal.ts';
import type { RedisCommand, RedisShard } from '../redis/redis-shard.ts';
import { logNames } from './redis-log-layout.ts';
import type { LogNames } from './redis-log-layout.ts';
import { readScript } from './redis-log-scripts.ts';

/** SMISMEMBER and XTRIM MINID came with 6.2. */
const VERSION_MIN = 6.2;

/**
 * @param project its name, which the keys begin with
 * @param info the reply of INFO
 * @returns warnings, sentences
 * @throws MillraceError STARTUP_FAILED
 */
export async function checkEventRedis(
  shard: RedisShard,
  project: string,
  user: RedisUser,
  info: string,
): Promise<string[]> {
  const facts = factsIn(info);
  refuseVersion(facts);
  refuseEviction(facts);
  const names = logNames(project);
  const unread = await missingRight(shard, reads(names));
  if (unread !== undefined) throw permissionFailure(unread, user);
  const warnings = await writing(shard, facts, names, user);
  return [...(await persistence(shard, facts)), ...warnings];
}

function refuseVersion(facts: ReadonlyMap<string, string>): void {
  const version = facts.get('redis_version') ?? '0';
  if (Number.parseFloat(version) >= VERSION_MIN) return;
  throw refusal(`it is version ${version}, and they need ${VERSION_MIN} or later.`);
}

function refuseEviction(facts: ReadonlyMap<string, string>): void {
  const policy = facts.get('maxmemory_policy') ?? 'noeviction';
  if (policy === 'noeviction' || (facts.get('maxmemory') ?? '0') === '0') return;
  throw refusal(
    `it drops keys when its memory is full (maxmemory-policy ${policy}), and events would be lost, or counted twice. Type: CONFIG SET maxmemory-policy noeviction`,
  );
}

function refusal(reason: string): MillraceError {
  return new MillraceError('STARTUP_FAILED', `Redis cannot keep events: ${reason}`);
}

async function persistence(shard: RedisShard, facts: ReadonlyMap<string, string>): Promise<string[]> {
  if (facts.get('aof_enabled') === '0')
    return [
      'Redis does not keep an append-only file (appendonly no): accepted events, and the features of them, are lost when it restarts. Set appendonly yes and appendfsync always.',
    ];
  // Not everybody may ask, and not every Redis tells.
  const [reply] = await shard.run([['CONFIG', 'GET', 'appendfsync']], CHECK_TIMEOUT_MS);
  const appendfsync = Array.isArray(reply) ? String(reply[1]) : 'always';
  if (appendfsync === 'always') return [];
  return [
    `Redis does not sync its append-only file before it answers (appendfsync ${appendfsync}): events that were accepted in the last two seconds are lost when it is killed. Set appendfsync always.`,
  ];
}

async function writing(
  shard: RedisShard,
  facts: ReadonlyMap<string, string>,
  names: LogNames,
  user: RedisUser,
): Promise<string[]> {
  if (facts.get('role') === 'slave' && facts.get('slave_read_only') !== '0')
    return ['Events will be refused: Redis is a read-only replica. Give the address of the master.'];
  const unwritten = await missingRight(shard, refusedWrites(names));
  return unwritten === undefined ? [] : [`Events will be refused. ${permissionSentence(unwritten, user)}`];
}

/** Of keys that may not be there. */
function reads(names: LogNames): RedisCommand[] {
  const [stream, ids, state] = [names.stream(0), names.ids(0), names.state(0)];
  return [
    ['HGETALL', names.schemas],
    ['HMGET', state, 'next'],
    ['SMISMEMBER', ids, 'an id'],
    ['XRANGE', stream, '+', '-', 'COUNT', 1],
    ['XREVRANGE', stream, '-', '+', 'COUNT', 1],
    ['EVAL', readScript.text, 3, stream, ids, state, 0, 0, 0],
  ];
}

function refusedWrites(names: LogNames): RedisCommand[] {
  const [stream, state] = [names.stream(0), names.state(0)];
  return [
    ['XADD', stream, '1-1', 'field', 'value', 'field without a value'],
    ['XTRIM', stream, 'MINID', 'no id'],
    ['HSET', state, 'field', 'value', 'field without a value'],
    // A set that is no set, or nothing.
    ['SREM', state, 'an id'],
    // Of the tiles (streaming/redis-tile-layout.ts).
    ['HDEL', stream, 'a field'],
    ['ZADD', state, 'no score', 'an entity'],
    ['ZREM', state, 'an entity'],
  ];
}
