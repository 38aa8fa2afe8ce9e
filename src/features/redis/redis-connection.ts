/**
 * The connection to Redis, whatever it consists of: one server, the master that Sentinel names, or a cluster. Gives
 * for each name the shard that holds it. ioredis finds the servers and connects again; commands go to the shards'
 * own connections, so that a redirection is noticed and not followed unseen.
 */
import calculateSlot from 'cluster-key-slot';
import { Cluster, Redis } from 'ioredis';
import { MillraceError } from '../../errors.ts';
import type { Log } from '../../telemetry/log.ts';
import type { RedisAddress } from './redis-address.ts';
import type { ServerOptions } from './change-feed.ts';
import { RedisShard } from './redis-shard.ts';
import type { RedisCommand, ShardOptions } from './redis-shard.ts';
import { within } from './within.ts';

export interface RedisConnection {
  /** All that there have been. */
  shards(): Iterable<RedisShard>;
  shardOf(name: string): RedisShard;
  /** Calls back with the names of hashes that have changed; to be called once. */
  onChange(changed: (names: readonly Buffer[]) => void): void;
  /** Runs a command wherever the servers say that it belongs. The result of one that is redirected. */
  redirected(command: RedisCommand): Promise<unknown>;
  close(): Promise<void>;
}

export interface RedisConnectionOptions extends ShardOptions {
  readonly address: RedisAddress;
  /** How the characters of names become bytes. */
  readonly encoding: 'utf8' | 'latin1';
  readonly log: Log;
}

/** Whoever listens to changes. */
interface Listener {
  changed: (names: readonly Buffer[]) => void;
}

const CONNECT_TIMEOUT_MS = 5000;
const RETRY_MS_MAX = 1000;
const SLOTS_REFRESH_MS = 5000;

/** @throws MillraceError STARTUP_FAILED if Redis cannot be reached */
export async function connectToRedis(options: RedisConnectionOptions): Promise<RedisConnection> {
  return options.address.kind === 'cluster' ? connectToCluster(options) : connectToServer(options);
}

async function connectToServer(options: RedisConnectionOptions): Promise<RedisConnection> {
  const { address, log } = options;
  const client = new Redis({ ...clientOptions(options), ...target(address) });
  const lastError = watchErrors(client);
  const listener: Listener = { changed: () => undefined };
  const shard = createShard(options, listener, address.label, () => undefined);
  await connected(client, address, lastError);
  shard.attach(client);
  try {
    await told(shard, address);
  } catch (error) {
    client.disconnect();
    throw error;
  }
  let isAway = false;
  client.on('close', () => {
    if (!isAway) log.warn({ redis: address.label, cause: lastError()?.message }, 'Redis is away');
    isAway = true;
  });
  client.on('ready', () => {
    isAway = false;
    log.info({ redis: address.label }, 'Redis is back');
  });
  return {
    shards: () => [shard],
    shardOf: () => shard,
    onChange: (changed) => (listener.changed = changed),
    redirected: async ([name, ...args]) => client.callBuffer(name, args),
    async close() {
      shard.close();
      client.disconnect();
    },
  };
}

async function connectToCluster(options: RedisConnectionOptions): Promise<RedisConnection> {
  const { address, encoding } = options;
  const cluster = new Cluster([...address.hosts], {
    lazyConnect: true,
    redisOptions: authOptions(address),
    slotsRefreshInterval: SLOTS_REFRESH_MS,
    clusterRetryStrategy: retryDelay,
  });
  const lastError = watchErrors(cluster);
  const listener: Listener = { changed: () => undefined };
  const shards = new Map<string, RedisShard>();
  const shardAt = (node: string): RedisShard => {
    const known = shards.get(node);
    if (known !== undefined) return known;
    const made = createShard(options, listener, node, () => cluster.refreshSlotsCache());
    shards.set(node, made);
    return made;
  };
  cluster.on('+node', (client: Redis) => {
    shardAt(nodeOf(client)).attach(client);
    // A first command would connect as well; until then the shard counts as away.
    if (client.status === 'wait') client.connect().catch(() => undefined);
  });
  cluster.on('-node', (client: Redis) => shards.get(nodeOf(client))?.detach(client));
  await connected(cluster, address, lastError);
  // A node that is away now is waited for later.
  const all = Promise.allSettled([...shards.values()].map(async (shard) => shard.ready));
  await within(CONNECT_TIMEOUT_MS, all).catch(() => undefined);
  const nobody = createShard(options, listener, 'no node', () => undefined);
  return {
    shards: () => shards.values(),
    shardOf(name) {
      const slot = calculateSlot(encoding === 'utf8' ? name : Buffer.from(name, encoding));
      const node = cluster.slots[slot]?.[0];
      return node === undefined ? nobody : shardAt(node);
    },
    onChange: (changed) => (listener.changed = changed),
    redirected: async ([name, ...args]) => cluster.callBuffer(name, args),
    async close() {
      for (const shard of [...shards.values(), nobody]) shard.close();
      cluster.disconnect();
    },
  };
}

function createShard(
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
function watchErrors(client: Redis | Cluster): () => Error | undefined {
  let last: Error | undefined;
  client.on('error', (error: Error) => (last = error));
  return () => last;
}

async function connected(
  client: Redis | Cluster,
  address: RedisAddress,
  lastError: () => Error | undefined,
): Promise<void> {
  try {
    await within(CONNECT_TIMEOUT_MS, ready(client));
  } catch (error) {
    client.disconnect();
    throw startFailure(address, lastError() ?? (error as Error));
  }
}

async function ready(client: Redis | Cluster): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    client.once('ready', resolve);
    client.once('end', () => reject(new Error('the connection was refused')));
    // Tried again until the time is over: it may just be starting.
    client.connect().catch((error: unknown) => {
      if (error instanceof Error && isRefusal(error)) reject(error);
    });
    client.on('error', (error) => {
      if (isRefusal(error)) reject(error as Error);
    });
  });
}

async function told(shard: RedisShard, address: RedisAddress): Promise<void> {
  try {
    await within(CONNECT_TIMEOUT_MS, shard.ready);
  } catch (error) {
    shard.close();
    throw startFailure(address, error as Error);
  }
}

/** What a user of Redis must be allowed to do, as the command that allows it. */
export function permissionFailure(cause: Error, username = 'default'): MillraceError {
  const rights = '~mr:* &__redis__:invalidate +@connection +@read +@write +@scripting +info +time';
  const sentence = `The user of Redis lacks a permission (${cause.message}). Type: ACL SETUSER ${username} ${rights}`;
  return new MillraceError('STARTUP_FAILED', sentence, { cause });
}

function startFailure(address: RedisAddress, cause: Error): MillraceError {
  if (cause.message.startsWith('NOPERM')) return permissionFailure(cause, address.username);
  return new MillraceError('STARTUP_FAILED', `Redis at ${address.label}: ${reason(cause)}`, { cause });
}

/** What no second try would change. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof Error && /^(NOAUTH|WRONGPASS|NOPERM|ERR )|self.signed|certificate/.test(error.message)
  );
}

function reason(cause: Error): string {
  const { message } = cause;
  if (message.startsWith('NOAUTH')) return 'it asks for a password; write redis://:PASSWORD@host.';
  if (message.startsWith('WRONGPASS')) return 'it refuses the user or the password.';
  if (/ECONNREFUSED|ENOENT/.test(message)) return `nothing listens there (${message}).`;
  return `it cannot be used (${message}).`;
}

function authOptions({ username, password, tls }: RedisAddress): ServerOptions {
  return {
    protocol: 2,
    connectTimeout: CONNECT_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
  };
}

function clientOptions({ address }: RedisConnectionOptions): ServerOptions {
  return {
    ...authOptions(address),
    db: address.db,
    lazyConnect: true,
    enableOfflineQueue: false,
    retryStrategy: retryDelay,
    // A master that has become a replica: Sentinel, or the name, may lead to the new master by now.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  };
}

function target({ kind, hosts, path, masterName, tls }: RedisAddress): ServerOptions {
  if (kind === 'socket') return { path: path as string };
  if (kind === 'sentinel') {
    const sentinels = hosts.map(({ host, port }) => ({ host, port }));
    return {
      sentinels,
      name: masterName,
      sentinelRetryStrategy: retryDelay,
      ...(tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: tls }),
    };
  }
  const [first] = hosts;
  return { host: first?.host ?? '', port: first?.port ?? 0 };
}

function retryDelay(tries: number): number {
  return Math.min(20 * 2 ** Math.min(tries, 10), RETRY_MS_MAX);
}

function nodeOf({ options }: Redis): string {
  return `${options.host}:${options.port}`;
}
