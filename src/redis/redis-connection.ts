/**
 * The connection to Redis, whatever it consists of: one server, the master that Sentinel names (connect-to-redis.ts), or
 * a cluster (redis-cluster.ts). Gives for each name the shard that holds it. ioredis finds the servers and connects
 * again; commands go to the shards' own connections, so that a redirection is noticed and not followed unseen.
 */
import type { Cluster, Redis } from 'ioredis';
import type { Log } from '../telemetry/log.ts';
import type { ServerOptions } from './change-feed.ts';
import type { RedisAddress } from './redis-address.ts';
import { isRefusal, startFailure } from './redis-refusal.ts';
import type { RedisUser } from './redis-refusal.ts';
import { RedisShard } from './redis-shard.ts';
import type { RedisCommand, ShardOptions } from './redis-shard.ts';
import { within } from './within.ts';

export interface RedisConnection {
  /** All that there are. */
  shards(): Iterable<RedisShard>;
  shardOf(name: string): RedisShard;
  /**
   * Calls back with the names of hashes that have changed; undefined = a server was emptied, or is another one by now.
   * To be called once.
   */
  onChange(changed: (names: readonly Buffer[] | undefined) => void): void;
  /** Runs a command wherever the servers say that it belongs. The result of one that is redirected. */
  redirected(command: RedisCommand): Promise<unknown>;
  close(): Promise<void>;
}

export interface RedisConnectionOptions extends ShardOptions {
  readonly address: RedisAddress;
  readonly user: RedisUser;
  /** How the characters of names become bytes. */
  readonly encoding: 'utf8' | 'latin1';
  readonly log: Log;
}

/** Whoever listens to changes. */
export interface Listener {
  changed: (names: readonly Buffer[] | undefined) => void;
}

export const CONNECT_TIMEOUT_MS = 5000;
const RETRY_MS_MAX = 1000;

export function createShard(
  options: RedisConnectionOptions,
  listener: Listener,
  node: string,
  away: () => void,
): RedisShard {
  const { log } = options;
  return new RedisShard(options, {
    changed: (names) => listener.changed(names),
    away,
    log(what, cause) {
      const fields = { redis: node, ...(cause === undefined ? {} : { cause }) };
      if (what === 'away') log.warn(fields, 'Redis does not answer');
      else if (what === 'back') log.info(fields, 'Redis answers again');
      else if (what === 'feed lost') log.warn(fields, 'changes in Redis are not told any more');
      else log.info(fields, 'changes in Redis are told again');
    },
  });
}

/** ioredis throws an error that nobody listens to. */
export function watchErrors(client: Redis | Cluster): () => Error | undefined {
  let last: Error | undefined;
  client.on('error', (error: Error) => {
    // What a lost connection cannot send is not why it was lost.
    if (error.message.startsWith("Stream isn't writeable")) return;
    // Each sentinel has said more than this sum of them.
    if (last === undefined || !error.message.startsWith('All sentinels')) last = error;
  });
  client.on('ready', () => (last = undefined));
  client.on('sentinelError', (error: Error) => (last = error));
  return () => last;
}

/** @throws MillraceError STARTUP_FAILED */
export async function connected(
  client: Redis | Cluster,
  { address, user }: RedisConnectionOptions,
  lastError: () => Error | undefined,
): Promise<void> {
  try {
    await within(CONNECT_TIMEOUT_MS, ready(client));
  } catch (error) {
    client.disconnect();
    throw startFailure(address, user, lastError() ?? (error as Error));
  }
}

async function ready(client: Redis | Cluster): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    client.once('ready', resolve);
    client.once('end', () => reject(new Error('the connection was refused')));
    // Tried again until the time is over: it may just be starting.
    const failed = (error: unknown): void => {
      if (error instanceof Error && isRefusal(error)) reject(error);
    };
    client.connect().catch(failed);
    client.on('error', failed).on('sentinelError', failed);
  });
}

export function authOptions({ username, password, tls }: RedisAddress): ServerOptions {
  return {
    protocol: 2,
    connectTimeout: CONNECT_TIMEOUT_MS,
    // Of a server that loads its data, which says itself how long that will take.
    maxLoadingRetryTime: RETRY_MS_MAX,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
  };
}

export function retryDelay(tries: number): number {
  return Math.min(20 * 2 ** Math.min(tries, 10), RETRY_MS_MAX);
}
