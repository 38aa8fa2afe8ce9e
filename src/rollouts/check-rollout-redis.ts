/**
 * What a Redis must be beside what check-redis.ts asks for, if it is to keep rollouts: looked at once, when it is opened.
 * What would forget a rollout while all goes well is refused; what loses a change when something happens is warned of. The
 * rights of its user are tried out, on the names of an endpoint that cannot be, and nothing is changed by that.
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
import type { RolloutNames } from './redis-rollout-layout.ts';

/** Names begin with a letter. */
const NO_ENDPOINT = '?';

/**
 * @param info the reply of INFO
 * @returns warnings, sentences
 * @throws MillraceError STARTUP_FAILED
 */
export async function checkRolloutRedis(
  shard: RedisShard,
  names: RolloutNames,
  user: RedisUser,
  info: string,
): Promise<string[]> {
  const facts = factsIn(info);
  const evicting = eviction(facts);
  const unread = await missingRight(shard, reads(names));
  if (unread !== undefined) throw permissionFailure(unread, user);
  const writing = await writes(shard, facts, names, user);
  return [...evicting, ...(await persistence(shard, facts)), ...writing];
}

function eviction(facts: ReadonlyMap<string, string>): string[] {
  const policy = facts.get('maxmemory_policy') ?? 'noeviction';
  if (policy === 'noeviction' || (facts.get('maxmemory') ?? '0') === '0') return [];
  const fix = 'Type: CONFIG SET maxmemory-policy noeviction';
  if (!policy.startsWith('volatile'))
    throw new MillraceError(
      'STARTUP_FAILED',
      `Redis cannot keep rollouts: it drops keys when its memory is full (maxmemory-policy ${policy}), and what was rolled back would be served again. ${fix}`,
    );
  return [
    `Redis drops what units were given first when its memory is full (maxmemory-policy ${policy}): they may then change the variant. ${fix}`,
  ];
}

async function persistence(shard: RedisShard, facts: ReadonlyMap<string, string>): Promise<string[]> {
  if (facts.get('aof_enabled') === '0')
    return [
      'Redis does not keep an append-only file (appendonly no): changes of rollouts, such as a rollback, are lost when it restarts. Set appendonly yes and appendfsync always.',
    ];
  // Not everybody may ask, and not every Redis tells.
  const [reply] = await shard.run([['CONFIG', 'GET', 'appendfsync']], CHECK_TIMEOUT_MS);
  const appendfsync = Array.isArray(reply) ? String(reply[1]) : 'always';
  if (appendfsync === 'always') return [];
  return [
    `Redis does not sync its append-only file before it answers (appendfsync ${appendfsync}): changes of rollouts in the last two seconds are lost when it is killed. Set appendfsync always.`,
  ];
}

async function writes(
  shard: RedisShard,
  facts: ReadonlyMap<string, string>,
  names: RolloutNames,
  user: RedisUser,
): Promise<string[]> {
  if (facts.get('role') === 'slave' && facts.get('slave_read_only') !== '0')
    return ['Rollouts cannot be changed: Redis is a read-only replica. Give the address of the master.'];
  const unwritten = await missingRight(shard, emptyWrites(names));
  return unwritten === undefined
    ? []
    : [`Rollouts cannot be changed. ${permissionSentence(unwritten, user)}`];
}

function reads(names: RolloutNames): RedisCommand[] {
  const record = names.record(NO_ENDPOINT);
  return [
    ['HGET', record, 'record'],
    ['HGETALL', record],
    ['XREVRANGE', record, '+', '-', 'COUNT', 1],
    ['GET', names.sticky(NO_ENDPOINT)],
  ];
}

/** Refused for what they are, or about what is not there: after the rights were looked at. */
function emptyWrites(names: RolloutNames): RedisCommand[] {
  const [record, sticky] = [names.record(NO_ENDPOINT), names.sticky(NO_ENDPOINT)];
  return [
    ['EVAL', 'return 1', 1, record],
    ['HSET', record, 'field', 'value', 'field without a value'],
    ['HDEL', record, 'a field'],
    ['XADD', record, '1-1', 'field', 'value', 'field without a value'],
    ['ZADD', record, 'no score', 'a process'],
    ['ZCARD', record],
    ['ZPOPMIN', record],
    ['DEL', record],
    ['PEXPIRE', record, 'no time'],
    ['SET', sticky, 'text', 'PX', 'no time'],
  ];
}
