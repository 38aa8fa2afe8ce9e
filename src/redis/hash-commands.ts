/** Small hashes beside the data that several servers read and add to: what was there before is not overwritten unseen. */
import { WRITE_TIMEOUT_MS, redisFailure } from './redis-commands.ts';
import type { RedisCommands } from './redis-commands.ts';
import type { RedisCommand } from './redis-shard.ts';

export interface HashCommands {
  /**
   * The fields of a hash.
   * @throws MillraceError STORE_FAILED
   */
  readAll(hash: string): Promise<Map<string, string>>;
  /**
   * Sets a field if it still is what it was; undefined = is not there.
   * @throws MillraceError STORE_FAILED
   */
  replace(hash: string, field: string, before: string | undefined, after: string): Promise<Replacement>;
}

/** `forbidden`: the server is a replica, or the user may only read. */
export type Replacement = 'done' | 'changed meanwhile' | 'forbidden';

const replaceScript = `
local now = redis.call('HGET', KEYS[1], ARGV[1])
if (now or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
`;

export function createHashCommands(commands: RedisCommands): HashCommands {
  return {
    async readAll(hash) {
      const reply = await commands.send(hash, ['HGETALL', hash], WRITE_TIMEOUT_MS);
      const pairs = (reply as Buffer[]).map(String);
      return new Map(pairs.flatMap((field, i) => (i % 2 === 0 ? [[field, pairs[i + 1] as string]] : [])));
    },

    async replace(hash, field, before, after) {
      const command: RedisCommand = ['EVAL', replaceScript, 1, hash, field, before ?? '', after];
      const [reply] = await commands.sendEach([hash], () => command, WRITE_TIMEOUT_MS);
      if (!(reply instanceof Error)) return reply === 1 ? 'done' : 'changed meanwhile';
      if (isForbidden(reply)) return 'forbidden';
      throw redisFailure(reply);
    },
  };
}

function isForbidden(reply: Error): boolean {
  return /READONLY|NOPERM|The user executing the script/.test(reply.message);
}
