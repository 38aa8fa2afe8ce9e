/** Connects to what an address names. One server and the master of Sentinel are one shard. */
import { Redis } from 'ioredis';
import type { ServerOptions } from './change-feed.ts';
import type { RedisAddress } from './redis-address.ts';
import { connectToCluster } from './redis-cluster.ts';
import {
  CONNECT_TIMEOUT_MS,
  authOptions,
  connected,
  createShard,
  retryDelay,
  watchErrors,
} from './redis-connection.ts';
import type { Listener, RedisConnection, RedisConnectionOptions } from './redis-connection.ts';
import { startFailure } from './redis-refusal.ts';
import type { RedisShard } from './redis-shard.ts';
import { watchSentinels } from './sentinel-watch.ts';
import { within } from './within.ts';

/** A sentinel that hangs must not keep us from asking the next one. */
const SENTINEL_TIMEOUT_MS = 1000;

/** @throws MillraceError STARTUP_FAILED if Redis cannot be reached */
export async function connectToRedis(options: RedisConnectionOptions): Promise<RedisConnection> {
  return options.address.kind === 'cluster' ? connectToCluster(options) : connectToServer(options);
}

async function connectToServer(options: RedisConnectionOptions): Promise<RedisConnection> {
  const { address } = options;
  const client = new Redis({ ...clientOptions(address), ...target(address) });
  const lastError = watchErrors(client);
  const listener: Listener = { changed: () => undefined };
  const shard = createShard(options, listener, address.label, () => undefined);
  const watch =
    address.kind === 'sentinel' ? watchSentinels(client, address.masterName as string) : undefined;
  let isClosing = false;
  const close = (): void => {
    isClosing = true;
    watch?.close();
    shard.close();
    client.disconnect();
  };
  try {
    await connected(client, options, lastError);
    shard.attach(client);
    await told(shard, options);
  } catch (error) {
    close();
    throw error;
  }
  logAbsence(client, options, () => (isClosing ? undefined : (lastError()?.message ?? 'it closed')));
  return {
    shards: () => [shard],
    shardOf: () => shard,
    onChange: (changed) => (listener.changed = changed),
    redirected: async ([name, ...args]) => client.callBuffer(name, args),
    close: async () => close(),
  };
}

async function told(shard: RedisShard, { address, user }: RedisConnectionOptions): Promise<void> {
  try {
    await within(CONNECT_TIMEOUT_MS, shard.ready);
  } catch (error) {
    throw startFailure(address, user, error as Error);
  }
}

/** @param cause of a connection that is lost; undefined = it was closed here */
function logAbsence(
  client: Redis,
  { address, log }: RedisConnectionOptions,
  cause: () => string | undefined,
): void {
  let isAway = false;
  client.on('close', () => {
    const why = cause();
    if (isAway || why === undefined) return;
    log.warn({ redis: address.label, cause: why }, 'Redis is away');
    isAway = true;
  });
  client.on('ready', () => {
    isAway = false;
    log.info({ redis: address.label }, 'Redis is back');
  });
}

function clientOptions(address: RedisAddress): ServerOptions {
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

function target({ kind, hosts, path, masterName, tls, sentinel }: RedisAddress): ServerOptions {
  if (kind === 'socket') return { path: path as string };
  if (kind === 'sentinel') {
    const { username, password } = sentinel;
    return {
      sentinels: hosts.map(({ host, port }) => ({ host, port })),
      name: masterName,
      sentinelRetryStrategy: retryDelay,
      sentinelCommandTimeout: SENTINEL_TIMEOUT_MS,
      ...(username === undefined ? {} : { sentinelUsername: username }),
      ...(password === undefined ? {} : { sentinelPassword: password }),
      ...(tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: tls }),
    };
  }
  const [first] = hosts;
  return { host: first?.host ?? '', port: first?.port ?? 0 };
}
