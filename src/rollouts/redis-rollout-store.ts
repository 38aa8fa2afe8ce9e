/**
 * Rollouts in a Redis that the servers of a project share (redis-rollout-layout.ts).
 *
 * A change is one script, which compares the version, and is told to the other processes by the change feed of their
 * connections. It is as durable as Redis makes it: with `appendfsync everysec`, the default, a Redis that is killed or a
 * machine that loses power loses up to two seconds of acknowledged changes; a failover what the replica had not got. The
 * record, its line in the audit log and its samples are then as they were before, together, and all processes go back to
 * that. With `appendfsync always` none is lost.
 *
 * A change that is refused for want of an answer in time may have been made. The next `get` tells.
 */
import type { Clock } from '../clock.ts';
import type { Project } from '../project/project.ts';
import { openRedisConnection } from '../redis/open-connection.ts';
import { WRITE_TIMEOUT_MS, createRedisCommands, redisFailure } from '../redis/redis-commands.ts';
import type { RedisCommands, RedisScript, ScriptCall } from '../redis/redis-commands.ts';
import type { RedisConnection } from '../redis/redis-connection.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { checkChange } from './check-change.ts';
import { checkRolloutRedis } from './check-rollout-redis.ts';
import { changeScript, rolloutNames, samplesScript } from './redis-rollout-layout.ts';
import type { RolloutNames } from './redis-rollout-layout.ts';
import { openRedisRecords } from './redis-rollout-records.ts';
import type { RedisRecords } from './redis-rollout-records.ts';
import { createRedisSticky } from './redis-sticky.ts';
import type { AuditEntry } from './rollout-record.ts';
import type { RolloutStore } from './rollout-store.ts';
import { SAMPLES_PROCESSES_MAX } from './samples-limits.ts';
import { stickyName } from './sticky-name.ts';
import { createStickyQueue } from './sticky-queue.ts';

export interface RedisRolloutStoreOptions {
  readonly url: string;
  readonly project: Pick<Project, 'name'> & { readonly cache: Pick<Project['cache'], 'readTimeoutMs'> };
  /** Whose records are kept in memory. */
  readonly endpoints: readonly string[];
  /** Units that are kept in memory; default 100,000, which take about 20 MB. */
  readonly stickyEntriesMax?: number;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

const STICKY_ENTRIES_MAX = 100_000;
const SAMPLES_MS = 7 * 86_400_000;

/**
 * With a connection of its own, so that a prediction waits for no read of an audit log.
 * @throws MillraceError STARTUP_FAILED, STORE_FAILED
 */
export async function openRedisRolloutStore(options: RedisRolloutStoreOptions): Promise<RolloutStore> {
  const connection = await connect(options);
  try {
    return await openOn(connection, options);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

async function connect({ url, project, metrics, log }: RedisRolloutStoreOptions): Promise<RedisConnection> {
  const names = rolloutNames(project.name);
  return openRedisConnection({
    url,
    keyPattern: 'mr:*',
    encoding: 'utf8',
    prefixes: [names.recordPrefix],
    readTimeoutMs: project.cache.readTimeoutMs,
    carries: 'rollouts',
    metrics,
    log,
    check: async (shard, user, info) => checkRolloutRedis(shard, names, user, info),
  });
}

async function openOn(
  connection: RedisConnection,
  { project, endpoints, stickyEntriesMax, clock, metrics, log }: RedisRolloutStoreOptions,
): Promise<RolloutStore> {
  const names = rolloutNames(project.name);
  const commands = createRedisCommands(connection);
  const { readTimeoutMs } = project.cache;
  const entriesMax = stickyEntriesMax ?? STICKY_ENTRIES_MAX;
  const sticky = createRedisSticky({ commands, names, entriesMax, readTimeoutMs, clock });
  const lost = (): void => sticky.forget();
  const records = await openRedisRecords({ connection, commands, names, endpoints, lost, log });
  const queue = createStickyQueue({ store: async (batch) => sticky.put(batch), metrics, log });
  return {
    revision: () => records.revision(),
    get: (endpoint) => records.get(endpoint),
    change: async (expectedVersion, entry) => change(commands, names, records, expectedVersion, entry),

    async audit(endpoint, countMax) {
      if (countMax < 1) return [];
      const key = names.audit(endpoint);
      const reply = await commands.send(
        key,
        ['XREVRANGE', key, '+', '-', 'COUNT', countMax],
        WRITE_TIMEOUT_MS,
      );
      return readLines(reply);
    },

    getSticky: (key, nowMs) => sticky.get(stickyName(key), nowMs),
    readSticky: async (key, nowMs) => sticky.read(stickyName(key), nowMs),
    keepSticky: (key, variant, expiresMs) => queue.add(stickyName(key), { variant, expiresMs }),

    ...openSamples(commands, names, clock),

    async close() {
      await queue.close();
      await records.close();
      await connection.close();
    },
  };
}

async function change(
  commands: RedisCommands,
  names: RolloutNames,
  records: RedisRecords,
  expectedVersion: number,
  entry: AuditEntry,
): Promise<boolean> {
  checkChange(expectedVersion, entry);
  const { endpoint, version, after } = entry;
  const name = names.record(endpoint);
  const args = [expectedVersion, version, JSON.stringify(after), JSON.stringify(entry)];
  const reply = await runOne(commands, changeScript, { name, keys: [name, names.audit(endpoint)], args });
  if (reply === 1) {
    records.put(after);
    return true;
  }
  const looking = records.refresh([endpoint]);
  if (reply instanceof Error) throw redisFailure(reply);
  // Whoever tries again looks at what is there now.
  await looking;
  return false;
}

function openSamples(
  commands: RedisCommands,
  names: RolloutNames,
  clock: Clock,
): Pick<RolloutStore, 'putSamples' | 'samples'> {
  return {
    async putSamples({ endpoint, samplesVersion, process }, samples) {
      const name = names.samples(endpoint);
      const args = [samplesVersion, process, samples, clock.nowMs(), SAMPLES_PROCESSES_MAX, SAMPLES_MS];
      const call = { name, keys: [name, names.sampleTimes(endpoint)] as const, args };
      const reply = await runOne(commands, samplesScript, call);
      if (reply instanceof Error) throw redisFailure(reply);
    },

    async samples(endpoint, samplesVersion) {
      const name = names.samples(endpoint);
      const reply = (await commands.send(name, ['HGETALL', name], WRITE_TIMEOUT_MS)) as Buffer[];
      const pairs = reply.map(String);
      const found = new Map(pairs.flatMap((field, i) => (i % 2 === 0 ? [[field, pairs[i + 1] ?? '']] : [])));
      if (found.get('') !== String(samplesVersion)) return [];
      found.delete('');
      return [...found.values()];
    },
  };
}

async function runOne(commands: RedisCommands, script: RedisScript, call: ScriptCall): Promise<unknown> {
  const [reply] = await commands.runEach(script, [call], WRITE_TIMEOUT_MS);
  return reply;
}

/** Of XREVRANGE: ids, each with fields and values in turn. */
function readLines(reply: unknown): AuditEntry[] {
  return (reply as readonly (readonly [Buffer, readonly Buffer[]])[]).map(
    ([, fields]) => JSON.parse(String(fields[1])) as AuditEntry,
  );
}
