/**
 * A cluster: one shard for each master. Rows are read from masters only, so replicas are not connected to before they
 * are promoted.
 *
 * Who has a slot is learnt from ioredis. When a slot has got another owner, what was read from the former owner is true
 * no more, whatever that one tells: an absent row of the slot may be written at the new owner from now on, and only that
 * one will tell.
 */
import calculateSlot from 'cluster-key-slot';
import { Cluster } from 'ioredis';
import type { Redis } from 'ioredis';
import {
  CONNECT_TIMEOUT_MS,
  authOptions,
  connected,
  createShard,
  retryDelay,
  watchErrors,
} from './redis-connection.ts';
import type { Listener, RedisConnection, RedisConnectionOptions } from './redis-connection.ts';
import { permissionFailure } from './redis-refusal.ts';
import type { RedisShard } from './redis-shard.ts';
import { within } from './within.ts';

const SLOTS_REFRESH_MS = 5000;

/** @throws MillraceError STARTUP_FAILED if no node can be reached */
export async function connectToCluster(options: RedisConnectionOptions): Promise<RedisConnection> {
  const { address, encoding } = options;
  const cluster = new Cluster([...address.hosts], {
    lazyConnect: true,
    redisOptions: authOptions(address),
    slotsRefreshInterval: SLOTS_REFRESH_MS,
    clusterRetryStrategy: retryDelay,
  });
  const lastError = watchErrors(cluster);
  let changed: Listener['changed'] | undefined;
  const listener: Listener = {
    changed(names) {
      // While a slot moves, its keys are told of by the node that gets it: what that node did not tell may be in an
      // epoch of the one that had it.
      if (names === undefined) for (const shard of masters.values()) shard.interrupt();
      changed?.(names);
    },
  };
  const nobody = createShard(options, listener, 'no node', () => undefined);
  const masters = followMasters(cluster, (node, away) => createShard(options, listener, node, away));
  const close = (): void => {
    for (const shard of [...masters.values(), nobody]) shard.close();
    cluster.disconnect();
  };
  try {
    await connected(cluster, options, lastError);
    await told(masters.values(), options);
  } catch (error) {
    close();
    throw error;
  }
  return {
    shards: () => masters.values(),
    shardOf(name) {
      const slot = calculateSlot(encoding === 'utf8' ? name : Buffer.from(name, encoding));
      const node = cluster.slots[slot]?.[0];
      return (node === undefined ? undefined : masters.get(node)) ?? nobody;
    },
    onChange: (heard) => (changed = heard),
    redirected: async ([name, ...args]) => cluster.callBuffer(name, args),
    close: async () => close(),
  };
}

/** The shards of the masters, by node. */
function followMasters(
  cluster: Cluster,
  create: (node: string, away: () => void) => RedisShard,
): ReadonlyMap<string, RedisShard> {
  const shards = new Map<string, RedisShard>();
  const away = (): void => {
    if (cluster.status === 'ready') cluster.refreshSlotsCache();
  };
  const attach = (client: Redis): void => {
    const node = nodeOf(client);
    const shard = shards.get(node) ?? create(node, away);
    shards.set(node, shard);
    shard.attach(client);
    // A first command would connect as well; until then the shard counts as away.
    if (client.status === 'wait') client.connect().catch(() => undefined);
  };
  let owners: (string | undefined)[] = [];
  cluster.on('refresh', () => {
    const before = owners;
    owners = Array.from(cluster.slots, (nodes: readonly string[] | undefined) => nodes?.[0]);
    for (const node of losers(before, owners)) shards.get(node)?.interrupt();
    const present = new Set(owners);
    for (const client of cluster.nodes('master')) if (present.has(nodeOf(client))) attach(client);
    for (const [node, shard] of shards) {
      if (present.has(node)) continue;
      shard.close();
      shards.delete(node);
    }
  });
  cluster.on('+node', (client: Redis) => {
    hearAsking(client);
    // Before the first refresh, these are the nodes of the address, whatever they are.
    if (cluster.status === 'ready' && client.options.readOnly !== true) attach(client);
  });
  cluster.on('-node', (client: Redis) => shards.get(nodeOf(client))?.detach(client));
  return shards;
}

/** Nodes that had a slot which has another owner now. */
function losers(
  before: readonly (string | undefined)[],
  after: readonly (string | undefined)[],
): Set<string> {
  const found = new Set<string>();
  before.forEach((node, slot) => {
    if (node !== undefined && node !== after[slot]) found.add(node);
  });
  return found;
}

/** ioredis leaves the failure of the ASKING before a redirected command to nobody, which would end the process. */
function hearAsking(client: Redis): void {
  const asking = client.asking.bind(client);
  Object.assign(client, {
    asking: async () => asking().catch(() => undefined),
  });
}

/** A node that is away now is waited for later; one that refuses will refuse later too. */
async function told(shards: Iterable<RedisShard>, { user }: RedisConnectionOptions): Promise<void> {
  const all = Promise.allSettled([...shards].map(async (shard) => shard.ready));
  const results = await within(CONNECT_TIMEOUT_MS, all).catch(() => []);
  for (const result of results) {
    if (result.status !== 'rejected') continue;
    const cause = result.reason as Error;
    if (cause.message.startsWith('NOPERM')) throw permissionFailure(cause, user);
  }
}

function nodeOf({ options }: Redis): string {
  return `${options.host}:${options.port}`;
}
