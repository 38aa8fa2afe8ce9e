/**
 * What the user of Redis may do, tried out when a server or a command opens it, so that a push does not find out. Nothing
 * is changed by that: the script gets no rows, and HSET, whose rights are looked at only when the script calls it, gets a
 * field without a value, which Redis refuses after it has looked at them. In a cluster, too, the rights come first: before
 * the redirection of a name that is not there.
 */
import { missingRight, permissionFailure, permissionSentence } from '../../redis/redis-refusal.ts';
import type { RedisUser } from '../../redis/redis-refusal.ts';
import type { RedisCommand, RedisShard } from '../../redis/redis-shard.ts';
import type { RowLayout } from './row-layout.ts';

/**
 * @param isMaster a replica refuses any write for what it is
 * @returns warnings, sentences
 * @throws MillraceError STARTUP_FAILED if it may not read
 */
export async function checkRights(
  shard: RedisShard,
  { prefixes, encoding, writeScript }: RowLayout,
  user: RedisUser,
  isMaster: boolean,
): Promise<string[]> {
  const names = prefixes.map((prefix) => Buffer.from(prefix, encoding));
  const unread = await missingRight(
    shard,
    names.map((name): RedisCommand => ['HMGET', name, 'field']),
  );
  if (unread !== undefined) throw permissionFailure(unread, user);
  if (!isMaster) return [];
  const unwritten = await missingRight(
    shard,
    names.flatMap((name): RedisCommand[] => [
      ['EVAL', writeScript, 1, name],
      ['HGET', name, 'field'],
      ['HSET', name, 'field', 'value', 'field without a value'],
    ]),
  );
  return unwritten === undefined ? [] : [`Pushes will fail. ${permissionSentence(unwritten, user)}`];
}
